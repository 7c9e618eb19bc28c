// One key, two providers: what makes the gateway try the next one, and what does not.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { question, scenario } from "./gateway/scenario.ts";
import { contentOf, eventsOf, isDone } from "./sse.ts";
import { Upstream, type Behaviour } from "./upstream.ts";
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

const impatient = { timeouts: { headers_ms: 250, first_content_ms: 400, idle_ms: 400 }, retry: { max_retries: 1, base_delay_ms: 1 } };
const noRetries = { ...impatient, retry: { max_retries: 0 } };

describe("before any content the next provider answers, after", () => {
  const failures: Array<[string, Behaviour, "plain" | "streamed" | "both"]> = [
    ...[408, 409, 429, 500, 502, 503, 504, 529].map((code): [string, Behaviour, "both"] => [`status ${code}`, upstreamDoes.status(code), "both"]),
    ["a status 502 with a page of HTML", upstreamDoes.htmlPage(502), "both"],
    ["a reset before the headers", upstreamDoes.resetAtOnce(), "both"],
    ["no headers in time", upstreamDoes.hang(), "both"],
    ["a reset within the body", upstreamDoes.resetInBody(), "plain"],
    ["headers and then silence", upstreamDoes.silentStream(), "streamed"],
    ["a role and then silence", upstreamDoes.stallsBeforeContent(), "streamed"],
    ["an error event in a 200 stream", upstreamDoes.errorEvent(), "streamed"],
    ["a role and then an error event", upstreamDoes.roleThenError(), "streamed"],
    ["an empty stream", upstreamDoes.emptyStream(), "streamed"],
    ["a stream of nothing but [DONE]", upstreamDoes.onlyDone(), "streamed"],
  ];
  const cases = failures.flatMap(([name, behaviour, when]) =>
    (when === "both" ? ["plain", "streamed"] : [when]).map((mode) => ({ name, behaviour, mode })),
  );

  test.each(cases)("$name ($mode)", async ({ behaviour, mode }) => {
    const story = await scenario(gateway, [first, second], impatient);
    first.always(behaviour);

    const response = await story.chat({ stream: mode === "streamed" });

    const text = await response.text();
    expect(response.status, text).toBe(200);
    expect(mode === "streamed" ? contentOf(text) : JSON.parse(text).choices[0].message.content).toBe("Hello from second");
    if (mode === "streamed") {
      expect(isDone(text), text).toBe(true);
      expect(text).not.toContain("error");
    }
    expect(response.headers.get("x-edgeway-provider")).toBe(story.providers[1]);
    const log = await story.log(response);
    expect(Number(response.headers.get("x-edgeway-attempts"))).toBe(log.attempts.length);
    expect(log.attempts.length).toBe(first.exchanges.length + second.exchanges.length);
    expect(log.attempts.at(-1)).toMatchObject({ provider: story.providers[1], status: 200, error: null });
    for (const attempt of log.attempts.slice(0, -1)) {
      expect(attempt).toMatchObject({ provider: story.providers[0], error: expect.stringMatching(/./) });
    }
    expect(log).toMatchObject({ provider: story.providers[1], status: 200, end_reason: "done", error: null });
  });
});

describe("a caller's own mistake is the caller's", () => {
  test.each([400, 404, 413, 422])("status %i is not tried again, and says what the upstream said", async (code) => {
    const story = await scenario(gateway, [first, second], impatient);
    first.always(upstreamDoes.status(code, { message: "your temperature is wrong", code: "bad_temperature", param: "temperature" }));

    const response = await story.chat();

    expect(response.status).toBe(code);
    expect((await response.json()).error).toMatchObject({ message: expect.stringContaining("your temperature is wrong"), code: "bad_temperature", param: "temperature" });
    expect([first.exchanges.length, second.exchanges.length]).toEqual([1, 0]);
    expect(await story.log(response)).toMatchObject({ status: code, attempts: [{ status: code }] });
  });
});

describe("a refused provider key", () => {
  test.each([401, 403])("status %i: the provider's next key is tried, and the bad one rests", async (code) => {
    const keys = ["sk-number-one-00001", "sk-number-two-00002"];
    const story = await scenario(gateway, [first, second], { ...impatient, keys: [keys] });
    first.next(upstreamDoes.status(code, { message: "Incorrect API key provided" }));

    const response = await story.chat();

    expect(response.status).toBe(200);
    const [bad, good] = first.exchanges.map(({ key }) => key);
    expect([bad, good].sort()).toEqual(keys);
    expect(second.exchanges).toEqual([]);
    const { attempts } = await story.log(response);
    expect(attempts.map(({ status }) => status)).toEqual([code, 200]);
    expect(new Set(attempts.map(({ key_hint }) => key_hint)).size).toBe(2);
    expect(JSON.stringify(attempts)).not.toContain(bad);

    await story.chat();
    expect(first.exchanges.at(-1)!.key).toBe(good);
  });

  test("with no key left the next provider answers", async () => {
    const story = await scenario(gateway, [first, second], { ...impatient, keys: [["sk-bad-one-00001", "sk-bad-two-00002"]] });
    first.always(upstreamDoes.status(401));
    const response = await story.chat();
    expect((await response.json()).choices[0].message.content).toBe("Hello from second");
    expect([first.exchanges.length, second.exchanges.length]).toEqual([2, 1]);
  });

  test("with no key and no provider left it is 503, and the provider's own words about its key stay inside", async () => {
    const story = await scenario(gateway, [first], impatient);
    first.always(upstreamDoes.status(401, { message: "Incorrect API key provided: sk-abcdef" }));
    const response = await story.chat();
    expect(response.status).toBe(503);
    expect((await response.json()).error.message).toContain(story.providers[0]);
  });
});

describe("when all have failed", () => {
  test("the last status is given and the message names who was tried", async () => {
    const story = await scenario(gateway, [first, second], noRetries);
    first.always(upstreamDoes.status(500));
    second.always(upstreamDoes.status(503));

    const response = await story.chat();

    expect(response.status).toBe(503);
    const { error } = await response.json();
    expect(error).toMatchObject({ message: expect.any(String), type: expect.any(String) });
    for (const provider of story.providers) {
      expect(error.message).toContain(provider);
    }
    const log = await story.log(response);
    expect(log).toMatchObject({ status: 503, end_reason: "upstream_error", error: expect.stringMatching(/./) });
    expect(log.attempts.map(({ provider, status }) => [provider, status])).toEqual([[story.providers[0], 500], [story.providers[1], 503]]);
    expect(response.headers.get("x-edgeway-attempts")).toBe("2");
  });

  test("429 stays 429, with the smallest Retry-After", async () => {
    const story = await scenario(gateway, [first, second], noRetries);
    first.always(upstreamDoes.status(429, { headers: { "retry-after": "900" } }));
    second.always(upstreamDoes.status(429, { headers: { "retry-after": "600" } }));
    const response = await story.chat();
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(590);
    expect(Number(response.headers.get("retry-after"))).toBeLessThanOrEqual(600);
  });

  test("a stream that none could begin is an ordinary error, not a 200", async () => {
    const story = await scenario(gateway, [first, second], noRetries);
    first.always(upstreamDoes.errorEvent("overloaded"));
    second.always(upstreamDoes.emptyStream());
    const response = await story.chat({ stream: true });
    expect(response.status).toBeGreaterThanOrEqual(500);
    expect((await response.json()).error.message).toContain(story.providers[1]);
  });
});

describe("death in mid-stream", () => {
  test.each([
    ["by a reset", upstreamDoes.diesInStream("reset")],
    ["by an end without a finish", upstreamDoes.diesInStream("end")],
    ["by an error event", upstreamDoes.errorInStream("the engine stopped")],
    ["by silence", upstreamDoes.stream([...upstreamDoes.halfAnswer(), upstreamDoes.SILENCE])],
  ])("%s becomes an OpenAI error event and never [DONE]", async (how, behaviour) => {
    const story = await scenario(gateway, [first, second], impatient);
    first.always(behaviour);

    const response = await story.chat({ stream: true });
    const text = await response.text();

    expect(response.status).toBe(200);
    expect(contentOf(text)).toBe("Half an ans");
    expect(eventsOf(text).at(-1), text).toMatchObject({ error: { message: expect.stringMatching(/./), type: expect.any(String) } });
    expect(text).not.toContain("[DONE]");
    expect(second.exchanges, "what was said cannot be unsaid").toEqual([]);
    const log = await story.log(response);
    expect(log).toMatchObject({ end_reason: how === "by silence" ? "timeout" : "upstream_error", error: expect.stringMatching(/./) });
    expect(log.attempts).toHaveLength(1);
  });
});

test("rules of one priority share by weight, and weight 0 is only a spare", async () => {
  const providers = await Promise.all([first, second].map((upstream) => gateway.admin.provider(gateway.unique("weighted"), upstream)));
  const { id } = await gateway.admin.router(gateway.unique("router"), [
    { to: providers[0]!.id, priority: 1, weight: 0 },
    { to: providers[1]!.id, priority: 1, weight: 5 },
  ]);
  const { key } = await gateway.admin.key({ name: gateway.unique("key"), router_id: id });
  for (let call = 0; call < 8; call++) {
    expect((await gateway.call(key, "/v1/chat/completions", question())).status).toBe(200);
  }
  expect([first.exchanges.length, second.exchanges.length]).toEqual([0, 8]);
});
