// The response cache: the very same call again gets the answer of before, and only its own tenant's.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { question, scenario, type Scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { isDone } from "./sse.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

let gateway: Gateway;
let upstream: Upstream;
let story: Scenario;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start(), Upstream.start()]);
  story = await scenario(gateway, [upstream], { retry: { max_retries: 0 } });
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

/** A question that no other test asks. */
const fresh = () => question(gateway.unique("question"));
const ask = async (body: object, cache: string | null = "ttl=60", by = story) => {
  const response = await by.chat(body, cache === null ? {} : { "x-edgeway-cache": cache });
  return { response, status: response.status, text: await response.text(), cache: response.headers.get("x-edgeway-cache"), age: response.headers.get("age") };
};
/** All that is being kept is kept. */
const settled = () => until("no claim", async () => (await gateway.sql("SELECT id FROM replays WHERE status IS NULL")).length === 0 || undefined);

describe.each([{ mode: "whole", stream: undefined }, { mode: "streamed", stream: true }])("a call, $mode,", ({ stream }) => {
  test("that is asked again gets the same bytes, marked as a hit, for nothing", async () => {
    const body = { ...fresh(), stream };
    const first = await ask(body);
    await settled();
    const second = await ask(body);
    expect([first.cache, first.age, second.cache]).toEqual(["miss", null, "hit"]);
    expect(second.text).toBe(first.text);
    expect(Number(second.age)).toBeLessThan(10);
    expect(second.response.headers.get("content-type")).toBe(first.response.headers.get("content-type"));
    expect(upstream.exchanges).toHaveLength(1);
    const record = await story.log(second.response);
    expect(record).toMatchObject({ status: 200, cost: 0, input_tokens: 0 });
    expect(record.metadata.replay_of).toBe(first.response.headers.get("x-request-id"));
  });

  test("is made once for many at the same time", async () => {
    const body = { ...fresh(), stream };
    const gate = upstream.gate();
    upstream.always(async (exchange) => {
      await gate.opened;
      await upstreamDoes.answer()(exchange);
    });
    const calls = Array.from({ length: 20 }, () => ask(body));
    await upstream.received();
    gate.open();
    const answers = await Promise.all(calls);
    expect(upstream.exchanges).toHaveLength(1);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers.filter(({ cache }) => cache === "hit")).toHaveLength(19);
  });

  test("that failed is not kept", async () => {
    const body = { ...fresh(), stream };
    upstream.next(upstreamDoes.status(500), upstreamDoes.status(400));
    expect((await ask(body)).status).toBe(500);
    expect((await ask(body)).status).toBe(400);
    expect(await ask(body)).toMatchObject({ status: 200, cache: "miss" });
    expect(upstream.exchanges).toHaveLength(3);
  });
});

test("a stream that broke off is not kept", async () => {
  const body = { ...fresh(), stream: true };
  upstream.next(upstreamDoes.diesInStream());
  expect(isDone((await ask(body)).text)).toBe(false);
  expect(isDone((await ask(body)).text)).toBe(true);
});

test("white space and the order of members are no difference, and a value is", async () => {
  const text = gateway.unique("question");
  const bodies = [
    `{"model":"e2e-small","temperature":0.5,"messages":[{"role":"user","content":"${text}"}]}`,
    `{ "messages": [ {"content": "${text}", "role": "user"} ], "temperature": 0.5,\n "model": "e2e-small" }`,
    `{"model":"e2e-small","temperature":0.6,"messages":[{"role":"user","content":"${text}"}]}`,
  ];
  const found: (string | null)[] = [];
  for (const body of bodies) {
    const response = await gateway.call(story.key, "/v1/chat/completions", body, { headers: { "x-edgeway-cache": "ttl=60" } });
    await response.arrayBuffer();
    await settled();
    found.push(response.headers.get("x-edgeway-cache"));
  }
  expect(found).toEqual(["miss", "hit", "miss"]);
});

test("nothing is cached unasked; a key's policy asks, and a call may decline or refresh", async () => {
  const body = fresh();
  expect((await ask(body, null)).cache).toBe(null);
  const caching = await scenario(gateway, [upstream], { key: { policy: { cache_seconds: 60 } } });
  const found: (string | null)[] = [];
  for (const cache of [null, null, "off", "refresh", null]) {
    found.push((await ask(body, cache, caching)).cache);
    await settled();
  }
  expect(found).toEqual(["miss", "hit", null, "miss", "hit"]);
  expect(upstream.exchanges).toHaveLength(4);
});

test("an answer that is older than the call wants is fetched anew", async () => {
  const body = fresh();
  await ask(body, "ttl=3600");
  await settled();
  await gateway.sql("UPDATE replays SET kept_at = kept_at - 100000");
  const old = await ask(body, "ttl=3600");
  expect([old.cache, Number(old.age) >= 100]).toEqual(["hit", true]);
  expect((await ask(body, "ttl=60")).cache).toBe("miss");
});

test("another target and another prompt have nothing of it", async () => {
  const body = fresh();
  await ask(body);
  await settled();
  const elsewhere = await scenario(gateway, [upstream]);
  expect((await ask(body, "ttl=60", elsewhere)).cache).toBe("miss");
  // The same target, by other keys.
  const key = async (settings: object) => (await gateway.admin.key({ name: gateway.unique("key"), router_id: story.routerId, ...settings })).key;
  const found: Record<string, string | null> = {};
  for (const [name, settings] of Object.entries({ same: {}, prompted: { system_prompt: "Rhyme." } })) {
    const response = await gateway.call(await key(settings), "/v1/chat/completions", body, { headers: { "x-edgeway-cache": "ttl=60" } });
    await response.arrayBuffer();
    found[name] = response.headers.get("x-edgeway-cache");
  }
  expect(found).toEqual({ same: "hit", prompted: "miss" });
});

test("a hit counts as a call of its key", async () => {
  const limited = await scenario(gateway, [upstream], { key: { rate_limits: { requests_per_day: 2 } } });
  const body = fresh();
  const found: [number, string | null][] = [];
  for (let count = 0; count < 3; count += 1) {
    const { status, cache } = await ask(body, "ttl=60", limited);
    found.push([status, cache]);
    await settled();
  }
  expect(found).toEqual([[200, "miss"], [200, "hit"], [429, null]]);
  expect(upstream.exchanges).toHaveLength(1);
});

test("a call with an Idempotency-Key may be answered by the cache, and is given again as such", async () => {
  const body = fresh();
  const made = await ask(body);
  await settled();
  const key = gateway.unique("idempotency");
  const both = () => story.chat(body, { "x-edgeway-cache": "ttl=60", "idempotency-key": key });
  const first = await both();
  expect([first.headers.get("x-edgeway-cache"), await first.text()]).toEqual(["hit", made.text]);
  await settled();
  const second = await both();
  expect([second.headers.get("idempotent-replayed"), await second.text()]).toEqual(["true", made.text]);
  expect(upstream.exchanges).toHaveLength(1);
});

test("a wish that is none is a 400", async () => {
  const { status, text } = await ask(fresh(), "forever");
  expect([status, JSON.parse(text).error.param]).toEqual([400, "x-edgeway-cache"]);
  const refused = await gateway.admin.request("POST", "/api/keys", { name: "too long", policy: { cache_seconds: 0 } });
  expect(refused.status).toBe(400);
});

test("without a database a call goes by itself", async () => {
  await gateway.sql("ALTER TABLE replays RENAME TO replays_away");
  try {
    expect(await ask(fresh())).toMatchObject({ status: 200, cache: "miss" });
  } finally {
    await gateway.sql("ALTER TABLE replays_away RENAME TO replays");
  }
});
