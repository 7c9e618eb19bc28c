// Each attempt that its provider may bill is metered by itself, and the log, the ledger and the client's header have the sum.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { StreamReader } from "./sse.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";
import { errorBody, role, usageChunk } from "./upstream/shapes.ts";

/** nano-USD a token, in and out. */
const [INPUT, OUTPUT] = [1_000, 2_000];
const USAGE = { prompt_tokens: 20, completion_tokens: 50, total_tokens: 70 };
const COST = 20 * INPUT + 50 * OUTPUT;

let gateway: Gateway;
let first: Upstream;
let second: Upstream;

beforeAll(async () => {
  [gateway, first, second] = await Promise.all([Gateway.start(), Upstream.start("first"), Upstream.start("second")]);
  await gateway.sql(
    "INSERT INTO models (id, kind, model, input_price, output_price, effective_from, source, updated_at) VALUES ('p', '*', 'e2e-small', ?1, ?2, 0, 'catalog', 0)",
    INPUT * 1_000_000, OUTPUT * 1_000_000,
  );
});
afterEach(() => [first, second].forEach((upstream) => upstream.reset()));
afterAll(async () => {
  await Promise.all([gateway?.stop(), first?.stop(), second?.stop()]);
});

const story = (timeouts = {}, usd = 1) => scenario(gateway, [first, second], {
  key: { budget: { usd, window: "total" } }, retry: { max_retries: 0 }, timeouts,
});

async function spent(keyId: string): Promise<number> {
  const { usage } = await gateway.admin.ok<{ usage: { limit: string; used: number }[] }>("GET", `/api/keys/${keyId}`);
  return Math.round(usage.find(({ limit }) => limit === "budget")!.used * 1e9);
}

test("an error event that says what was used costs that, and the answer of the next provider its own", async () => {
  first.always(upstreamDoes.stream([role(), usageChunk(), errorBody("overloaded", "server_error")]));
  second.always(upstreamDoes.stream((it) => upstreamDoes.goodParts(it)));
  const calls = await story();
  const response = await calls.chat({ stream: true, max_tokens: 50 });
  await response.text();
  const log = await calls.log(response);
  const used = usageChunk().usage;
  const cost = used.prompt_tokens * INPUT + used.completion_tokens * OUTPUT;
  expect(log.attempts.map(({ used }) => used)).toMatchObject([
    { input_tokens: used.prompt_tokens, output_tokens: used.completion_tokens, usage_source: "upstream", cost_nano_usd: cost },
    { input_tokens: used.prompt_tokens, usage_source: "upstream", cost_nano_usd: cost },
  ]);
  expect(log).toMatchObject({ cost: 2 * cost, input_tokens: 2 * used.prompt_tokens, usage_source: "upstream", provider: calls.providers[1] });
  await until("the settlement", async () => (await spent(calls.keyId)) === 2 * cost);
});

test("an attempt that was too slow stands at its bound, beside the one that answered", async () => {
  first.always(upstreamDoes.hang());
  second.always(upstreamDoes.answer({ usage: USAGE }));
  const calls = await story({ headers_ms: 200 });
  const response = await calls.chat({ max_tokens: 50 });
  expect(response.status).toBe(200);
  const log = await calls.log(response);
  const [slow, quick] = log.attempts;
  expect(slow!.used).toMatchObject({ output_tokens: 50, usage_source: "estimated" });
  expect(quick!.used).toMatchObject({ input_tokens: 20, output_tokens: 50, usage_source: "upstream", cost_nano_usd: COST });
  expect(log.usage_source).toBe("estimated");
  expect(log.cost).toBe(slow!.used!.cost_nano_usd + COST);
  expect(Number(response.headers.get("x-edgeway-cost")) * 1e9).toBeCloseTo(log.cost, 0);
  await until("the settlement", async () => (await spent(calls.keyId)) === log.cost);
});

test("a budget that holds one attempt and not the next is not exceeded by it", async () => {
  first.always(upstreamDoes.hang());
  second.always(upstreamDoes.answer({ usage: USAGE }));
  const budget = 1.8 * 50 * OUTPUT;
  const calls = await story({ headers_ms: 200 }, budget / 1e9);
  const response = await calls.chat({ max_tokens: 50 });
  expect(response.status).toBe(402);
  expect(second.exchanges).toEqual([]);
  const log = await calls.log(response);
  expect(log).toMatchObject({ status: 402, output_tokens: 50 });
  expect(log.cost).toBeLessThanOrEqual(budget);
  await until("the settlement", async () => (await spent(calls.keyId)) === log.cost);
});

test("a call of which every attempt was too slow costs all of them", async () => {
  first.always(upstreamDoes.hang());
  second.always(upstreamDoes.hang());
  const calls = await story({ headers_ms: 200 });
  const response = await calls.chat({ max_tokens: 50 });
  expect(response.status).toBe(504);
  const log = await calls.log(response);
  expect(log.attempts.map(({ used }) => used?.output_tokens)).toEqual([50, 50]);
  expect(log).toMatchObject({ output_tokens: 100, cost: log.attempts.reduce((sum, { used }) => sum + used!.cost_nano_usd, 0) });
  await until("the settlement", async () => (await spent(calls.keyId)) === log.cost);
});

test("a stream that dies after its first content costs what came, and a refusal before it nothing", async () => {
  first.always(upstreamDoes.status(500));
  second.always(upstreamDoes.diesInStream("reset"));
  const calls = await story();
  const response = await calls.chat({ stream: true, max_tokens: 50 });
  await new StreamReader(response).rest();
  const log = await calls.log(response);
  expect(log).toMatchObject({ end_reason: "upstream_error", usage_source: "estimated", provider: calls.providers[1] });
  expect(log.cost).toBeGreaterThan(0);
  expect(log.attempts.map(({ used }) => used)).toEqual([undefined, undefined]);
  await until("the settlement", async () => (await spent(calls.keyId)) === log.cost);
});
