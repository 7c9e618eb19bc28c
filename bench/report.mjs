// What the benchmark says in the end: a table for the README, and the bounds that were missed.

const number = (value, digits = 0) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** The bounds of the project, each with what was measured. */
export function bounds({ plainRatio, limitedRatio, pairs, streamRatio, addedMs, directGap99, edgewayGap99, heldBytes, startMs, gzipBytes }) {
  return [
    { what: "plain calls at 16 connections, Edgeway / (a)", value: number(plainRatio, 2), bound: "≥ 0.55", met: plainRatio >= 0.55 },
    { what: "plain calls at 16 connections, with limits / without", value: number(limitedRatio, 2), bound: "≥ 0.30", met: limitedRatio >= 0.3 },
    { what: "reservations and settlements a second, one ledger", value: number(pairs), bound: "≥ 1,200", met: pairs >= 1200 },
    { what: "streams of 100 events at 16 connections, Edgeway / (b)", value: number(streamRatio, 2), bound: "≥ 0.85", met: streamRatio >= 0.85 },
    { what: "latency added at 1 connection, p50 over (a)", value: `${number(addedMs, 2)} ms`, bound: "≤ 1 ms", met: addedMs <= 1 },
    { what: "delay between events at 50 ms an event, p99 over direct", value: `${number(edgewayGap99 - directGap99, 1)} ms`, bound: "≤ 5 ms", met: edgewayGap99 - directGap99 <= 5 },
    { what: "memory of 1,000 open streams above idle", value: `${number(heldBytes / 2 ** 20)} MB`, bound: "≤ 128 MB", met: heldBytes <= 128 * 2 ** 20 },
    { what: "isolate start, over an empty Worker", value: `${number(startMs)} ms`, bound: "≤ 50 ms", met: startMs <= 50 },
    { what: "wasm, gzipped", value: `${number(gzipBytes / 1e6, 2)} MB`, bound: "≤ 1.00 MB", met: gzipBytes <= 1e6 },
  ];
}

/** Markdown: requests/s and latencies of every variant, then the bounds. */
export function markdown(measured, checked) {
  const rows = measured.map(({ what, variant, rate, p50, p99, ratio }) =>
    `| ${what} | ${variant} | ${number(rate)} | ${number(p50, 2)} | ${number(p99, 2)} | ${ratio === undefined ? "" : number(ratio, 2)} |`,
  );
  return [
    "| load | Worker | requests/s | p50 ms | p99 ms | ratio |",
    "| --- | --- | ---: | ---: | ---: | ---: |",
    ...rows,
    "",
    "| bound | measured | must be | |",
    "| --- | ---: | ---: | --- |",
    ...checked.map(({ what, value, bound, met }) => `| ${what} | ${value} | ${bound} | ${met ? "met" : "**missed**"} |`),
  ].join("\n");
}
