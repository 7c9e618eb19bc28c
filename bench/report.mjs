// What the benchmark says in the end: a table for the README, and the bounds that were missed.

const number = (value, digits = 0) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** The bounds of the project that were looked at, each with what was measured. */
export function bounds({ plainRatio, limitedRatio, pairs, streamRatio, translatedRatio, translationMs, addedMs, gapMs, heldBytes, startMs, gzipBytes, rows }) {
  const least = (what, value, bound, digits = 2) => ({ what, value, shown: () => number(value, digits), bound: `≥ ${number(bound, digits)}`, met: value >= bound });
  const most = (what, value, bound, unit, digits = 0, boundDigits = digits) => ({
    what, value, shown: () => `${number(value, digits)} ${unit}`, bound: `≤ ${number(bound, boundDigits)} ${unit}`, met: value <= bound,
  });
  return [
    least("plain calls at 16 connections, Edgeway / (a)", plainRatio, 0.55),
    least("plain calls at 16 connections, with limits / without", limitedRatio, 0.3),
    least("reservations and settlements a second, one ledger", pairs, 1200, 0),
    least("streams of 100 events at 16 connections, Edgeway / (b)", streamRatio, 0.85),
    least("the same, translated from chat to Messages / (b)", translatedRatio, 0.7),
    most("a request of 200 KB and 100 messages, translated, p50 over passed on", translationMs, 2, "ms", 2, 0),
    most("latency added at 1 connection, p50 over (a)", addedMs, 1, "ms", 2, 0),
    most("delay between events at 50 ms an event, p99 over direct", gapMs, 5, "ms", 1, 0),
    most("a million log rows: lists and searches, slowest", rows?.lists, 200, "ms"),
    most("a million log rows: summaries, slowest", rows?.summaries, 200, "ms"),
    most("a million log rows: an export's first byte", rows?.exports, 200, "ms"),
    most("a million log rows: /metrics", rows?.metrics, 50, "ms"),
    most("memory of 1,000 open streams above idle", heldBytes && heldBytes / 2 ** 20, 128, "MB"),
    most("isolate start, over an empty Worker", startMs, 50, "ms"),
    most("wasm, gzipped", gzipBytes && gzipBytes / 1e6, 1, "MB", 2),
  ].filter(({ value }) => value !== undefined);
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
    ...checked.map(({ what, shown, bound, met }) => `| ${what} | ${shown()} | ${bound} | ${met ? "met" : "**missed**"} |`),
  ].join("\n");
}
