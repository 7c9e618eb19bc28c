// How many reservations and settlements a second one ledger object takes: from a Worker in the same workerd, as the gateway
// sends them, each reservation in a message of its own, settlements with all others that gathered while one was under way.
import { join } from "node:path";
import { Miniflare } from "miniflare";

const CLIENTS = 16;

const SCRIPT = `
const limits = { rates: { requests_per_minute: 1e9, tokens_per_minute: 1e12 }, quotas: {}, budget: { nano_usd: 9e15, window: "month" } };
let count = 0;
const id = () => {
  const hex = Date.now().toString(16).padStart(12, "0") + "7" + (count++).toString(16).padStart(19, "0");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
};
export default { async fetch(request, env) {
  const ms = Number(new URL(request.url).searchParams.get("ms"));
  const ask = async (body) => {
    const response = await env.LEDGER.getByName("bench").fetch("https://ledger/", { method: "POST", body: JSON.stringify({ v: 2, body }) });
    const reply = await response.json();
    if (response.status !== 200) throw new Error(JSON.stringify(reply));
    return reply.body;
  };
  let waiting = [], sending = false, settled = 0;
  const settle = async (call) => {
    waiting.push(call);
    if (sending) return;
    sending = true;
    while (waiting.length > 0) {
      const calls = waiting;
      waiting = [];
      settled += (await ask({ settle: { calls } })).settled.calls.filter((how) => how === "counted").length;
    }
    sending = false;
  };
  const begun = Date.now();
  await Promise.all(Array.from({ length: ${CLIENTS} }, async () => {
    while (Date.now() - begun < ms) {
      const call = { id: id(), key: "key" };
      const reply = await ask({ reserve: { ...call, limits, bound: [1, 100, 100, 1000], time_to_live: 60000 } });
      if (!reply.granted) throw new Error(JSON.stringify(reply));
      const done = settle({ ...call, began: Date.now(), outcome: { used: [1, 90, 50, 700] } });
      if (waiting.length > ${4 * CLIENTS}) await done;
    }
  }));
  while (sending) await new Promise((resolve) => setTimeout(resolve, 1));
  return Response.json({ settled, ms: Date.now() - begun });
} };`;

/** Pairs a second, of so many seconds; `folder` is the build. */
export async function ledgerPairs(folder, config, seconds) {
  const shared = { modules: true, compatibilityDate: config.compatibilityDate, compatibilityFlags: config.compatibilityFlags };
  const rules = [{ type: "CompiledWasm", include: ["**/*.wasm"] }, { type: "ESModule", include: ["**/*.js"] }];
  const objects = Object.fromEntries(Object.entries(config.objects).map(([name, object]) => [name, { ...object, scriptName: "edgeway" }]));
  const miniflare = new Miniflare({
    workers: [
      { ...shared, name: "load", script: SCRIPT, durableObjects: objects, unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] },
      { ...shared, name: "edgeway", modulesRoot: folder, scriptPath: join(folder, "index.js"), modulesRules: rules, durableObjects: config.objects },
    ],
  });
  try {
    await miniflare.ready;
    const { origin } = await miniflare.unsafeGetDirectURL("load");
    const measure = async (ms) => {
      const response = await fetch(`${origin}/?ms=${ms}`);
      const text = await response.text();
      if (response.status !== 200) throw new Error(`the ledger under load: ${text}`);
      const { settled, ms: took } = JSON.parse(text);
      return (settled * 1000) / took;
    };
    await measure(500);
    return await measure(seconds * 1000);
  } finally {
    await miniflare.dispose();
  }
}
