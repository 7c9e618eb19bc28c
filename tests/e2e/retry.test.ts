// How long the gateway waits before it tries again, how it rests what fails, and whose clock it obeys.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

let gateway: Gateway;
let first: Upstream;
let second: Upstream;

beforeAll(async () => {
  [gateway, first, second] = await Promise.all([Gateway.start(), Upstream.start("first"), Upstream.start("second")]);
});
afterEach(() => [first, second].forEach((upstream) => upstream.reset()));
afterAll(async () => {
  await Promise.all([gateway?.stop(), first?.stop(), second?.stop()]);
});

const quick = { retry: { max_retries: 2, base_delay_ms: 1 } };

describe("a single provider that asks for patience gets it: Retry-After as", () => {
  const forms: Array<[string, () => Record<string, string>, number]> = [
    ["seconds", () => ({ "retry-after": "1" }), 1000],
    ["an HTTP date", () => ({ "retry-after": new Date(Date.now() + 2500).toUTCString() }), 1000],
    ["retry-after-ms", () => ({ "retry-after-ms": "700" }), 700],
    ["retry-after-ms, which wins over seconds", () => ({ "retry-after-ms": "300", "retry-after": "20" }), 300],
    ["x-ratelimit-reset-requests", () => ({ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "600ms" }), 600],
    ["x-ratelimit-reset-tokens", () => ({ "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1s" }), 1000],
  ];
  test.each(forms)("%s", async (_, headers, atLeastMs) => {
    const story = await scenario(gateway, [first], quick);
    first.next(upstreamDoes.status(429, { headers: headers() }));
    const begun = performance.now();
    const response = await story.chat();
    const waited = performance.now() - begun;
    expect(response.status).toBe(200);
    expect(first.exchanges).toHaveLength(2);
    expect(waited).toBeGreaterThanOrEqual(atLeastMs - 15);
    expect(waited).toBeLessThan(atLeastMs + 2500);
    expect((await story.log(response)).attempts.map(({ status }) => status)).toEqual([429, 200]);
  });

  test("more patience than the deadline allows is refused at once, with the Retry-After for the caller", async () => {
    const story = await scenario(gateway, [first], quick);
    first.always(upstreamDoes.status(429, { headers: { "retry-after": "3600" } }));
    const begun = performance.now();
    const response = await story.chat();
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(3590);
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(first.exchanges).toHaveLength(1);
  });

  test.each(["soon", "-5", "1e999", "99999999999999999999", "Mon, 99 Foo 2026", ""])("nonsense (%j) is passed over", async (nonsense) => {
    const story = await scenario(gateway, [first], quick);
    first.next(upstreamDoes.status(503, { headers: { "retry-after": nonsense } }));
    expect((await story.chat({}, { "x-edgeway-timeout-ms": "5000" })).status).toBeOneOf([200, 503]);
    expect((await gateway.call("", "/healthz")).status).toBe(200);
  });
});

describe("how often", () => {
  test("a single provider is tried once and then max_retries times", async () => {
    const story = await scenario(gateway, [first], { retry: { max_retries: 3, base_delay_ms: 1 } });
    first.always(upstreamDoes.resetAtOnce());
    const response = await story.chat();
    expect(response.status).toBe(502);
    expect(first.exchanges.length).toBe(4);
    expect((await story.log(response)).attempts).toHaveLength(4);
  });

  test("x-edgeway-max-retries overrides it for one call", async () => {
    const story = await scenario(gateway, [first], { retry: { max_retries: 3, base_delay_ms: 1 } });
    first.always(upstreamDoes.status(500));
    expect((await story.chat({}, { "x-edgeway-max-retries": "0" })).status).toBe(500);
    expect(first.exchanges.length).toBe(1);
  });

  test.each(["-1", "many", "1e9"])("x-edgeway-max-retries: %s is refused", async (value) => {
    const story = await scenario(gateway, [first], quick);
    const response = await story.chat({}, { "x-edgeway-max-retries": value });
    expect(response.status).toBe(400);
    expect((await response.json()).error.message).toContain("x-edgeway-max-retries");
    expect(first.exchanges).toEqual([]);
  });
});

describe("deadlines", () => {
  test("headers_ms: a provider that says nothing is left, and its connection closed", async () => {
    const story = await scenario(gateway, [first, second], { timeouts: { headers_ms: 150 }, retry: { max_retries: 0 } });
    first.always(upstreamDoes.hang());
    const response = await story.chat();
    expect((await response.json()).choices[0].message.content).toBe("Hello from second");
    await first.only.abandoned;
    const [hung] = (await story.log(response)).attempts;
    expect(hung).toMatchObject({ status: null, error: expect.stringMatching(/time/i) });
    expect(hung!.latency_ms).toBeGreaterThanOrEqual(145);
  });

  test("first_content_ms: so is one that has begun but has nothing to say", async () => {
    const story = await scenario(gateway, [first, second], { timeouts: { headers_ms: 5000, first_content_ms: 150 }, retry: { max_retries: 0 } });
    first.always(upstreamDoes.stallsBeforeContent());
    expect(await (await story.chat({ stream: true })).text()).toContain(" from ");
    await first.only.abandoned;
  });

  test("idle_ms: a stream that stops ends as a timeout", async () => {
    const story = await scenario(gateway, [first], { timeouts: { idle_ms: 150 } });
    first.always(upstreamDoes.stream([...upstreamDoes.halfAnswer(), upstreamDoes.SILENCE]));
    const response = await story.chat({ stream: true });
    const text = await response.text();
    expect(text).toContain('"error"');
    expect(text).not.toContain("[DONE]");
    await first.only.abandoned;
    expect(await story.log(response)).toMatchObject({ end_reason: "timeout", usage_source: "estimated" });
  });

  test("total_ms: all attempts together end in time, as 504", async () => {
    const story = await scenario(gateway, [first, second], { timeouts: { total_ms: 300 }, retry: { max_retries: 5, base_delay_ms: 1 } });
    [first, second].forEach((upstream) => upstream.always(upstreamDoes.hang()));
    const begun = performance.now();
    const response = await story.chat();
    expect(response.status).toBe(504);
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(await story.log(response)).toMatchObject({ end_reason: "timeout", status: 504 });
  });

  test("total_ms ends a stream that never stops, too", async () => {
    const story = await scenario(gateway, [first], { timeouts: { total_ms: 400, idle_ms: 5000 } });
    first.always(upstreamDoes.stream([...upstreamDoes.halfAnswer(), upstreamDoes.SILENCE]));
    const text = await (await story.chat({ stream: true })).text();
    expect(text).toContain('"error"');
    expect(text).not.toContain("[DONE]");
    await first.only.abandoned;
  });

  test("x-edgeway-timeout-ms is the caller's own total", async () => {
    const story = await scenario(gateway, [first]);
    first.always(upstreamDoes.hang());
    const begun = performance.now();
    expect((await story.chat({}, { "x-edgeway-timeout-ms": "200" })).status).toBe(504);
    expect(performance.now() - begun).toBeLessThan(2000);
  });
});

describe("rest", () => {
  test("what said 429 rests, explain says so, one call probes it after, and then it is back", async () => {
    const story = await scenario(gateway, [first, second], { retry: { max_retries: 0 } });
    const state = async () => (await gateway.admin.ok("POST", `/api/routers/${story.routerId}/explain`, { model: "e2e-small" })).candidates;
    expect(await state()).toMatchObject([
      { provider: story.providers[0], provider_id: story.providerIds[0], model: "e2e-small", state: "ready" },
      { provider: story.providers[1], state: "ready" },
    ]);

    first.next(upstreamDoes.status(429, { headers: { "retry-after": "2" } }));
    expect((await story.chat()).headers.get("x-edgeway-provider")).toBe(story.providers[1]);
    expect(first.exchanges).toHaveLength(1);

    const resting = (await state()).find(({ provider }: any) => provider === story.providers[0]);
    expect(resting).toMatchObject({ state: "cooling", reason: expect.stringMatching(/./) });
    expect((await story.chat()).headers.get("x-edgeway-attempts")).toBe("1");
    expect(first.exchanges, "nobody disturbs what rests").toHaveLength(1);

    const gate = first.gate();
    first.next(async (exchange) => {
      await gate.opened;
      await upstreamDoes.answer()(exchange);
    });
    const probe = await until("a probe of what has rested", async () => {
      const call = story.chat();
      const arrived = await Promise.race([first.received(2), call.then(() => undefined)]);
      return arrived && { call };
    });
    expect((await story.chat()).headers.get("x-edgeway-provider"), "one probe at a time").toBe(story.providers[1]);
    gate.open();
    expect((await probe.call).headers.get("x-edgeway-provider")).toBe(story.providers[0]);
    expect((await story.chat()).headers.get("x-edgeway-provider")).toBe(story.providers[0]);
  });

  test("a model that rests does not make the provider's other models rest", async () => {
    const story = await scenario(gateway, [first, second], { retry: { max_retries: 0 } });
    first.when(({ json }) => json?.model === "e2e-small", upstreamDoes.status(429, { headers: { "retry-after": "60" } }));
    await story.chat();
    expect((await story.chat({ model: "e2e-large" })).headers.get("x-edgeway-provider")).toBe(story.providers[0]);
  });

  test("when all rest, the least bad is tried rather than nobody", async () => {
    const story = await scenario(gateway, [first], { retry: { max_retries: 0 } });
    first.next(upstreamDoes.status(500), upstreamDoes.status(500), upstreamDoes.status(500));
    for (let call = 0; call < 3; call++) {
      await story.chat();
    }
    expect((await story.chat()).status).toBe(200);
  });
});
