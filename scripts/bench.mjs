// `npm run bench`: Edgeway, with everything on, beside the least that a Worker can do, all in workerd on direct sockets
// against one local upstream, in turn and in interleaved rounds.
//   --rounds=5 --seconds=3   how long; medians of the rounds are shown
//   --only=translation       these loads alone: plain, limits, streams, translation, single, slow, held, ledger, size, rows
//   --check                  exit code 1 where a bound is missed
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { Problem, isMain, main, root, run, step } from "./toolchain.mjs";
import { build } from "./build.mjs";
import { setup } from "./setup.mjs";

const argument = (name, fallback) => Number(process.argv.find((text) => text.startsWith(`--${name}=`))?.split("=")[1] ?? fallback);
const ROUNDS = argument("rounds", 5);
const SECONDS = argument("seconds", 3);
const STREAMS_HELD = argument("streams", 1000);
const CHECK = process.argv.includes("--check");
const ONLY = process.argv.find((text) => text.startsWith("--only="))?.slice("--only=".length).split(",");
const PATH = "/v1/chat/completions";
const question = (mode, extra = {}) => JSON.stringify({ model: `bench-${mode}`, messages: [{ role: "system", content: "You are helpful." }, { role: "user", content: "Tell me about foxes." }], temperature: 0.7, ...extra });
const PLAIN = question("plain");
const STREAM = question("stream", { stream: true });
// With its usage chunk shown, so that the gateway's stream has an event wherever the direct one has.
const SLOW = question("slow", { stream: true, stream_options: { include_usage: true } });
const HOLD = question("hold", { stream: true });

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

export async function bench() {
  const { Gateway } = await import("../tests/e2e/gateway.ts");
  const { readWorkerConfig } = await import("../tests/e2e/gateway/worker-config.ts");
  const { PIPED, SCRIPTED, startBareWorker } = await import("../bench/bare-workers.mjs");
  const { holdOpen, load, startUpstream, workerds } = await import("../bench/processes.mjs");
  const { ledgerPairs } = await import("../bench/ledger-pairs.mjs");
  const { startTimes } = await import("../bench/start-time.mjs");
  const { rowTimes } = await import("../bench/rows.mjs");
  const { bounds, markdown } = await import("../bench/report.mjs");
  const { MESSAGES, conversation, shortMessages } = await import("../bench/conversation.mjs");

  const config = await readWorkerConfig(root);
  const upstream = await startUpstream();
  let piped = await startBareWorker(PIPED, upstream.url, config);
  let scripted = await startBareWorker(SCRIPTED, upstream.url, config);
  const others = workerds();
  // Batches as they are in production: a short wait is only for tests.
  const gateway = await Gateway.start({ consumer: { maxBatchTimeout: 2 }, vars: { UPSTREAM_RETRY_BASE_DELAY_MS: "150" } });
  const [workerd] = [...workerds().keys()].filter((pid) => !others.has(pid));
  const keys = await furnish(gateway, upstream);

  const edgeway = ({ key, id }, own = {}) => ({ port: Number(new URL(gateway.url).port), headers: { authorization: `Bearer ${key}` }, keyId: id, ...own });
  const targets = {
    direct: { port: upstream.port },
    a: { port: piped.port },
    b: { port: scripted.port },
    c: edgeway(keys.free),
    limited: edgeway(keys.limited),
    translated: edgeway(keys.free, { path: MESSAGES, body: shortMessages("bench-stream") }),
    // The same conversation, once for an upstream that speaks the client's dialect and once for one that does not.
    same: edgeway(keys.direct, { path: MESSAGES, body: conversation("bench-same/bench-large") }),
    other: edgeway(keys.direct, { path: MESSAGES, body: conversation("bench-first/bench-large") }),
  };
  // A process that has served a hundred thousand calls is slower than a new one, a bare Worker's, too. So each kind of load
  // finds all of them new; otherwise Edgeway, which takes every kind, would be measured against some that took only one.
  const renew = async () => {
    await Promise.all([piped.stop(), scripted.stop(), gateway.restart()]);
    piped = await startBareWorker(PIPED, upstream.url, config);
    scripted = await startBareWorker(SCRIPTED, upstream.url, config);
    targets.a.port = piped.port;
    targets.b.port = scripted.port;
    for (const target of Object.values(targets).filter(({ keyId }) => keyId)) {
      target.port = Number(new URL(gateway.url).port);
    }
  };
  const logged = new Map();
  const wait = async (keyId, requests) => {
    logged.set(keyId, (logged.get(keyId) ?? 0) + requests);
    await settled(gateway, keyId, logged.get(keyId));
  };
  const measure = async (name, body, connections, seconds) => {
    const { keyId, ...target } = targets[name];
    const result = await load({ path: PATH, body, ...target, connections, ms: seconds * 1000 });
    if (keyId) {
      await wait(keyId, result.requests);
    }
    return result;
  };
  /** Runs what was asked for; `undefined` for the rest. */
  const part = async (name, run) => (!ONLY || ONLY.includes(name) ? await run() : undefined);
  /** Interleaved rounds of some variants; → their results by name. */
  const rounds = async (what, names, body, connections, seconds = SECONDS, count = ROUNDS) => {
    step(`${what}: ${count} rounds of ${names.join(", ")}`);
    await renew();
    for (const name of names) {
      await measure(name, body, connections, Math.min(1, seconds));
    }
    const results = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = 0; round < count; round++) {
      for (const name of names) {
        results[name].push(await measure(name, body, connections, seconds));
      }
    }
    return results;
  };

  try {
    // First: a heap that the other loads have grown would hide what these take.
    const held = await part("held", async () => {
      step(`${STREAMS_HELD} open streams`);
      await measure("c", PLAIN, 1, 0.02); // a few calls only, for the same reason
      const idle = workerds().get(workerd);
      const open = await holdOpen({ ...targets.c, path: PATH, body: HOLD, connections: STREAMS_HELD });
      const bytes = Math.max(...(await samples(5, 300, () => workerds().get(workerd)))) - idle;
      upstream.release();
      await wait(keys.free.id, STREAMS_HELD);
      open.close();
      return { idle, bytes };
    });

    const plain = await part("plain", () => rounds("Plain calls, 16 connections", ["a", "c"], PLAIN, 16));
    const limits = await part("limits", () => rounds("Plain calls with limits, 16 connections", ["c", "limited"], PLAIN, 16));
    const streams = await part("streams", () => rounds("Streams of 100 events, 16 connections", ["a", "b", "c"], STREAM, 16));
    const translated = await part("translation", () => rounds("Translated streams of 100 events, 16 connections", ["b", "translated"], STREAM, 16));
    const large = await part("translation", () => rounds("A request of 200 KB, 1 connection", ["same", "other"], PLAIN, 1));
    const single = await part("single", () => rounds("Plain calls, 1 connection", ["a", "c"], PLAIN, 1));
    const slow = await part("slow", () => rounds("Slow streams, 8 connections", ["direct", "c"], SLOW, 8, 2.5, Math.min(3, ROUNDS)));

    const script = process.env.EDGEWAY_BUILD ?? join(root, "build");
    const folder = script.endsWith("js") ? dirname(script) : script;
    const pairs = await part("ledger", () => (step("One ledger"), ledgerPairs(folder, config, SECONDS)));
    const starts = await part("size", () => (step("Isolate start"), startTimes(folder, config, ROUNDS * 2 + 1)));
    const gzipBytes = await part("size", () => gzippedWasm(folder));
    const rows = await part("rows", () => (step("A million log rows"), rowTimes(Gateway, argument("rows", 1_000_000), (line) => console.log(line))));

    const ratio = (runs, against) => median(runs.map(({ rate }, round) => rate / against[round].rate));
    const added = (runs, against) => median(runs.map(({ p50 }, round) => p50 - against[round].p50));
    const variant = (what, label, runs, against) => runs && {
      what, variant: label, rate: median(runs.map(({ rate }) => rate)), p50: median(runs.map(({ p50 }) => p50)), p99: median(runs.map(({ p99 }) => p99)),
      ratio: against && ratio(runs, against),
    };
    const measured = [
      variant("plain, 16 connections", "(a) bare, piped through", plain?.a),
      variant("plain, 16 connections", "(c) Edgeway", plain?.c, plain?.a),
      variant("plain, 16 connections", "(c) Edgeway, again", limits?.c),
      variant("plain, 16 connections", "(c) with limits", limits?.limited, limits?.c),
      variant("100 events, 16 connections", "(a) bare, piped through", streams?.a),
      variant("100 events, 16 connections", "(b) bare, JS-backed stream", streams?.b),
      variant("100 events, 16 connections", "(c) Edgeway", streams?.c, streams?.b),
      variant("100 events, 16 connections", "(b) bare, again", translated?.b),
      variant("100 events, 16 connections", "(c) translated, chat to Messages", translated?.translated, translated?.b),
      variant("200 KB asked, 1 connection", "(c) Messages passed on", large?.same),
      variant("200 KB asked, 1 connection", "(c) Messages to chat", large?.other, large?.same),
      variant("plain, 1 connection", "(a) bare, piped through", single?.a),
      variant("plain, 1 connection", "(c) Edgeway", single?.c, single?.a),
    ].filter(Boolean);
    const checked = bounds({
      plainRatio: plain && ratio(plain.c, plain.a),
      limitedRatio: limits && ratio(limits.limited, limits.c),
      pairs,
      streamRatio: streams && ratio(streams.c, streams.b),
      translatedRatio: translated && ratio(translated.translated, translated.b),
      translationMs: large && added(large.other, large.same),
      addedMs: single && added(single.c, single.a),
      gapMs: slow && median(slow.c.map(({ gap99 }) => gap99)) - median(slow.direct.map(({ gap99 }) => gap99)),
      heldBytes: held?.bytes, startMs: starts && starts.edgeway - starts.empty, gzipBytes, rows,
    });
    console.log(`\n${markdown(measured, checked)}\n`);
    console.log(`Every one of Edgeway's ${[...logged.values()].reduce((sum, count) => sum + count, 0)} calls was logged.`);
    if (slow) {
      console.log(`Delay between slow events, p99: direct ${median(slow.direct.map(({ gap99 }) => gap99)).toFixed(1)} ms, Edgeway ${median(slow.c.map(({ gap99 }) => gap99)).toFixed(1)} ms.`);
    }
    if (held && starts) {
      console.log(`workerd: ${mib(held.idle)} MB idle, ${mib(held.idle + held.bytes)} MB with ${STREAMS_HELD} open streams. First answer of a cold workerd: ${starts.edgeway.toFixed(0)} ms, an empty Worker's ${starts.empty.toFixed(0)} ms.`);
    }
    return checked.every(({ met }) => met);
  } finally {
    await Promise.all([gateway.stop(), piped.stop(), scripted.stop()]);
    upstream.stop();
  }
}

/**
 * Two targets under one router, one of another dialect beside it, and a price for each model; keys: of that router, the same
 * with limits that are never reached, and one for all providers by their names.
 */
async function furnish(gateway, upstream) {
  const provider = (name, kind = "openai-compatible") => gateway.admin.ok("POST", "/api/providers", { name, kind, base_url: `${upstream.url}/v1`, api_key: `sk-${name}-key` });
  const [first, second] = [await provider("bench-first"), await provider("bench-second")];
  await provider("bench-same", "anthropic");
  for (const mode of ["plain", "stream", "slow", "hold", "large"]) {
    await gateway.sql(
      "INSERT INTO models (id, kind, model, input_price, output_price, cached_input_price, effective_from, source, updated_at) VALUES (?1, '*', ?1, 2500000000, 10000000000, 1250000000, 0, 'catalog', 0)",
      `bench-${mode}`,
    );
  }
  await gateway.sql("UPDATE config_version SET version = version + 1");
  const { id } = await gateway.admin.router("bench", [{ to: first.id }, { to: second.id }]);
  return {
    free: await gateway.admin.key({ name: "bench", router_id: id }),
    limited: await gateway.admin.key({
      name: "bench-limited", router_id: id, rate_limits: { requests_per_minute: 1e9, tokens_per_minute: 1e12 }, budget: { usd: 1e6, window: "month" },
    }),
    direct: await gateway.admin.key({ name: "bench-direct" }),
  };
}

/** Waits until D1 holds all records, so that one variant's work does not slow the next; fails where one is lost. */
async function settled(gateway, keyId, expected) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const [{ count }] = await gateway.sql("SELECT count(*) AS count FROM request_logs WHERE key_id = ?1", keyId);
    if (count >= expected) {
      return;
    }
    if (Date.now() > deadline) {
      throw new Problem(`Of ${expected} calls only ${count} were logged`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Takes so many samples, so many ms apart. */
async function samples(count, everyMs, take) {
  const taken = [];
  while (taken.length < count) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
    taken.push(take());
  }
  return taken;
}

const gzippedWasm = (folder) => gzipSync(readFileSync(join(folder, "index_bg.wasm")), { level: 9 }).length;
const mib = (bytes) => Math.round(bytes / 2 ** 20);

if (isMain(import.meta)) {
  await main(async () => {
    if (Number(process.versions.node.split(".")[0]) < 24) {
      // The end-to-end tests' own harness is used here, and is TypeScript.
      return await run("node", process.argv.slice(1), { what: "the benchmark" });
    }
    if (!process.env.EDGEWAY_BUILD) {
      await setup();
      await build();
    }
    if (!(await bench()) && CHECK) {
      throw new Problem("A bound was missed.");
    }
  });
}
