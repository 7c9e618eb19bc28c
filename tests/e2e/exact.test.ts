// The sum of the log's costs is the ledger's total, to the last nano-dollar, when everything is killed while calls run: the isolate with
// the queue's memory, and the ledger's object.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway, builtWorker } from "./gateway.ts";
import { readLogs } from "./gateway/log-rows.ts";
import { question, scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

const USAGE = { prompt_tokens: 20, completion_tokens: 50, total_tokens: 70 };
/** nano-USD, at 1,000 a token in and 2,000 out. */
const COST = 20 * 1_000 + 50 * 2_000;
const ROUNDS = 3;
const CLIENTS = 24;

const folder = mkdtempSync(join(tmpdir(), "edgeway-exact-"));
let gateway: Gateway;
let upstream: Upstream;

/** A copy of the build whose ledger can be aborted, and sent away until the next restart, and whose alarm a test can ring, with the clock so many ms ahead. */
function mortal(): string {
  cpSync(builtWorker(), folder, { recursive: true });
  const entry = join(folder, "index.js");
  const source = readFileSync(entry, "utf8");
  const patched = source.replace(/export \{ LedgerObject, LiveObject \}.*\n/, `
    import { LedgerObject as Ledger } from "./handlers.js";
    export { LiveObject } from "./handlers.js";
    const clock = Date.now;
    let isAway = false;
    export class LedgerObject {
      constructor(ctx, env) { this.ctx = ctx; this.ledger = new Ledger(ctx, env); }
      async fetch(request) {
        const [, what, ahead] = new URL(request.url).pathname.split("/");
        if (what === "abort") this.ctx.abort("a test restarts it");
        if (what === "away") return new Response((isAway = true));
        if (isAway) throw new Error("it is away");
        if (what !== "ring") return await this.ledger.fetch(request);
        Date.now = () => clock() + Number(ahead);
        await this.ledger.alarm();
        return new Response("done");
      }
      alarm() { return this.ledger.alarm(); }
    }
  `);
  expect(patched, "the entry has changed").not.toBe(source);
  writeFileSync(entry, patched);
  return folder;
}

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start({ build: mortal() }), Upstream.start()]);
  await gateway.sql(
    "INSERT INTO models (id, kind, model, input_price, output_price, effective_from, source, updated_at) VALUES ('p', '*', 'e2e-small', 1000000000, 2000000000, 0, 'catalog', 0)",
  );
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

test("no reservation, no settlement and no log record is lost when all is killed under load", { timeout: 120_000 }, async () => {
  upstream.always(async (exchange) => {
    await new Promise((resolve) => setTimeout(resolve, 2 + 20 * upstreamDoes.fraction(`${upstream.exchanges.length}`)));
    await upstreamDoes.answer({ usage: USAGE })(exchange);
  });
  const story = await scenario(gateway, [upstream], {
    key: { budget: { usd: 1_000, window: "total" }, rate_limits: { concurrent: 1_000 } }, retry: { max_retries: 0 },
  });
  const owner = gateway.admin.user.id;
  const answered = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    let goesOn = true;
    const clients = Array.from({ length: CLIENTS }, async (_, client) => {
      while (goesOn) {
        try {
          const response = await gateway.call(story.key, "/v1/chat/completions", { ...question(), max_tokens: 50, stream: client % 4 === 0 });
          await response.arrayBuffer();
          if (response.status === 200) {
            answered.add(response.headers.get("x-request-id")!);
          }
        } catch {
          return; // It was killed.
        }
      }
    });
    for (let kill = 0; kill < 3; kill++) {
      const before = answered.size;
      await until("a hundred calls", () => answered.size > before + 100);
      await gateway.ledger(owner, "/abort").catch(() => "it is aborted");
    }
    const before = answered.size;
    await until("calls after the ledger's restart", () => answered.size > before + 50);
    await gateway.restart();
    goesOn = false;
    await Promise.all(clients);
  }

  const spent = async () => {
    const { usage } = await gateway.admin.ok<{ usage: { limit: string; used: number }[] }>("GET", `/api/keys/${story.keyId}`);
    const used = Object.fromEntries(usage.map((entry) => [entry.limit, entry.used]));
    return { cost: Math.round(used.budget! * 1e9), concurrent: used.concurrent };
  };
  const logged = async () => (await readLogs(gateway, "WHERE key_id = ?1", story.keyId)).reduce((sum, { cost }) => sum + cost, 0);
  const unrepaired = { ledger: await spent(), log: await logged() };
  // As if hours had passed: every call that was lost has run out of time, and the audits have rung.
  for (const minutes of [120, 126]) {
    expect(await gateway.ledger(owner, `/ring/${minutes * 60_000}`)).toBe("done");
  }
  await until("the same sum in both", async () => (await logged()) === (await spent()).cost);
  const end = await spent();
  expect(end.concurrent).toBe(0);
  // Whatever was sent is paid for, and nothing twice.
  expect(end.cost).toBeGreaterThanOrEqual(upstream.exchanges.length * COST * 0.7); // a stream's own usage is smaller
  const rows = await readLogs(gateway, "WHERE key_id = ?1", story.keyId);
  const ids = new Set(rows.map(({ id }) => id));
  expect([...answered].filter((id) => !ids.has(id)), "each call that was answered is in the log").toEqual([]);
  expect(rows.length).toBeGreaterThanOrEqual(upstream.exchanges.length);
  const made = rows.filter(({ endpoint }) => endpoint === "");
  expect(made.length, "some records were lost, or this proves nothing").toBeGreaterThan(0);
  for (const row of made) {
    expect(row).toMatchObject({ user_id: owner, usage_source: "estimated", provider: "", attempts: [] });
  }
  const [{ sum }] = await gateway.sql<{ sum: number }>("SELECT sum(cost) AS sum FROM usage_hourly WHERE key_id = ?1", story.keyId) as [{ sum: number }];
  expect(sum).toBe(end.cost);
  console.log(`${answered.size} answered of ${upstream.exchanges.length} sent; ${made.length} of ${rows.length} records are the ledger's;`
    + ` before the audit the ledger had ${unrepaired.ledger.cost} and the log ${unrepaired.log}, after it both ${end.cost} nano-USD`);
});

test("a call that was let past its ledger is counted by the log where its settlement is lost, too", async () => {
  upstream.reset().always(upstreamDoes.answer({ usage: USAGE }));
  const story = await scenario(gateway, [upstream], { key: { budget: { usd: 1, window: "total" }, policy: { unreachable: "open" } } });
  const owner = gateway.admin.user.id;
  const spent = async () => Math.round((await gateway.admin.ok<any>("GET", `/api/keys/${story.keyId}`)).usage.find(({ limit }: any) => limit === "budget").used * 1e9);
  await gateway.ledger(owner, "/away");
  const response = await story.chat({ max_tokens: 50 });
  expect(response.status).toBe(200);
  expect(await story.log(response)).toMatchObject({ cost: COST, metadata: { "edgeway.ledger": "unreachable" } });
  await gateway.restart(); // its settlement was being tried again
  expect(await spent()).toBe(0);
  for (const ring of [1, 2]) {
    expect(await gateway.ledger(owner, "/ring/0"), `the ${ring}. alarm`).toBe("done");
    expect(await spent()).toBe(COST);
    expect(await story.log(response)).toMatchObject({ cost: COST, metadata: { "edgeway.ledger": "counted" } });
  }
});
