// Token counts that an upstream makes: in the caller's dialect, with the first of its keys that may be sent, and an estimate where
// nobody counts; and `n`, which a target that gives one answer cannot honour.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { Upstream, type Behaviour } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

let gateway: Gateway;
let upstream: Upstream;
let other: Upstream;

beforeAll(async () => {
  [gateway, upstream, other] = await Promise.all([Gateway.start(), Upstream.start("counts"), Upstream.start("counts-too")]);
});
afterEach(() => [upstream, other].forEach((one) => one.reset()));
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop(), other?.stop()]);
});

const gives = (body: object): Behaviour => ({ response }) => {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
};
const message = gives({
  id: "msg_1", type: "message", role: "assistant", model: "m", content: [{ type: "text", text: "Hello" }],
  stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 },
});
const asks = { messages: [{ role: "user", content: "How many tokens are these?" }], system: "Be brief." };
const keyOf = ({ headers }: { headers: Record<string, unknown> }) => headers["x-api-key"] ?? headers["x-goog-api-key"] ?? headers.authorization;

/** A gateway key over these upstreams, and how to ask it for a count. */
async function counter(kind: string, upstreams: Upstream[], settings: object = {}, path = "/v1/messages/count_tokens") {
  const rules = [];
  for (const one of upstreams) {
    const base_url = kind === "gemini" ? one.url.replace(/v1$/, "v1beta") : one.url;
    const { id } = await gateway.admin.ok("POST", "/api/providers", { name: gateway.unique(kind), kind, base_url, ...("api_keys" in settings ? {} : { api_key: "sk-count-secret" }), ...settings });
    rules.push({ to: id, target: "the-model" });
  }
  const router = await gateway.admin.router(gateway.unique("router"), rules, { retry: { max_retries: 0 } });
  const { key } = await gateway.admin.key({ name: gateway.unique("key"), router_id: router.id });
  const count = async (body: object = { model: "asked", ...asks }, at = path) => {
    const response = await gateway.call(key, at, body);
    return { status: response.status, source: response.headers.get("x-edgeway-usage-source"), body: await response.json() as any };
  };
  return { key, count };
}

describe("an upstream that speaks the caller's dialect counts", () => {
  test("for Messages, under the target's own name of the model", async () => {
    const { count } = await counter("anthropic", [upstream]);
    upstream.always(gives({ input_tokens: 2095 }));
    expect(await count()).toEqual({ status: 200, source: "upstream", body: { input_tokens: 2095 } });
    expect(upstream.only.path).toBe("/v1/messages/count_tokens");
    expect(upstream.only.json).toEqual({ model: "the-model", ...asks });
    expect(keyOf(upstream.only)).toBe("sk-count-secret");
  });

  test("for Responses", async () => {
    const { count } = await counter("openai", [upstream], { config: { dialect: "responses" } }, "/v1/responses/input_tokens");
    upstream.always(gives({ object: "response.input_tokens", input_tokens: 77 }));
    expect(await count({ model: "asked", input: "How many?" })).toMatchObject({ status: 200, source: "upstream", body: { input_tokens: 77 } });
    expect(upstream.only).toMatchObject({ path: "/v1/responses/input_tokens", json: { model: "the-model", input: "How many?" } });
  });

  test("for Gemini, asked with contents alone or with a whole request", async () => {
    const contents = [{ role: "user", parts: [{ text: "How many?" }] }];
    const { count } = await counter("gemini", [upstream], {}, "/v1beta/models/asked:countTokens");
    upstream.always(gives({ totalTokens: 31, promptTokensDetails: [{ modality: "TEXT", tokenCount: 31 }] }));
    for (const body of [{ contents }, { generateContentRequest: { model: "models/asked", contents, systemInstruction: { parts: [{ text: "Be brief." }] } } }]) {
      expect(await count(body)).toMatchObject({ status: 200, source: "upstream", body: { totalTokens: 31 } });
    }
    expect(upstream.exchanges.map(({ path }) => path)).toEqual(Array(2).fill("/v1beta/models/the-model:countTokens"));
    expect(upstream.exchanges[1]!.text).toContain("Be brief.");
    expect(upstream.exchanges[1]!.text).not.toContain("asked");
    expect(keyOf(upstream.exchanges[0]!)).toBe("sk-count-secret");
  });
});

describe("where nobody counts, the gateway estimates and says so", () => {
  test.each<[string, Behaviour]>([
    ["has no such path", upstreamDoes.status(404)],
    ["fails", upstreamDoes.status(500)],
    ["answers nonsense", gives({ tokens: "many" })],
    ["goes away", ({ response }) => void response.destroy()],
  ])("since the upstream %s", async (_, behaviour) => {
    const { count } = await counter("anthropic", [upstream]);
    upstream.always(behaviour);
    const { status, source, body } = await count();
    expect([status, source]).toEqual([200, "estimated"]);
    expect(body.input_tokens).toBeGreaterThan(3);
    expect(body.input_tokens).toBeLessThan(60);
  });

  test("and the next target is asked before", async () => {
    const { count } = await counter("anthropic", [upstream, other]);
    upstream.always(upstreamDoes.status(503));
    other.always(gives({ input_tokens: 12 }));
    expect(await count()).toEqual({ status: 200, source: "upstream", body: { input_tokens: 12 } });
    expect([upstream.exchanges.length, other.exchanges.length]).toEqual([1, 1]);
  });
});

describe("keys", () => {
  const keys = { api_keys: ["sk-ant-first", "sk-ant-second"] };
  const isFirst = (exchange: Parameters<typeof keyOf>[0]) => keyOf(exchange) === "sk-ant-first";

  test.each([401, 403, 429])("one that gets %d for a count gives way to the next, and still serves calls", async (code) => {
    const { key, count } = await counter("anthropic", [upstream], keys);
    upstream.when((exchange) => isFirst(exchange) && exchange.path.endsWith("count_tokens"), upstreamDoes.status(code));
    upstream.when(({ path }) => path.endsWith("count_tokens"), gives({ input_tokens: 5 })).always(message);
    expect((await count()).body).toEqual({ input_tokens: 5 });
    expect(upstream.exchanges.map(keyOf)).toEqual(["sk-ant-first", "sk-ant-second"]);
    const response = await gateway.call(key, "/v1/messages", { model: "asked", max_tokens: 9, ...asks });
    expect(response.status).toBe(200);
    expect(keyOf(upstream.exchanges[2]!)).toBe("sk-ant-first");
  });

  test("one that is dead is not asked", async () => {
    const { key, count } = await counter("anthropic", [upstream], keys);
    upstream.when(isFirst, upstreamDoes.status(401)).when(({ path }) => path.endsWith("count_tokens"), gives({ input_tokens: 5 })).always(message);
    expect((await gateway.call(key, "/v1/messages", { model: "asked", max_tokens: 9, ...asks })).status).toBe(200);
    expect(upstream.exchanges.map(keyOf)).toEqual(["sk-ant-first", "sk-ant-second"]);
    expect(await count()).toEqual({ status: 200, source: "upstream", body: { input_tokens: 5 } });
    expect(keyOf(upstream.exchanges[2]!)).toBe("sk-ant-second");
    expect(upstream.exchanges).toHaveLength(3);
  });
});

test("several answers of a target that gives one: refused by name in strict mode before it is asked", async () => {
  const { key } = await counter("anthropic", [upstream]);
  upstream.always(message);
  const strict = { "x-edgeway-strict": "true" };
  const chat = { model: "asked", n: 2, messages: [{ role: "user", content: "Hello" }] };
  const refused = await gateway.call(key, "/v1/chat/completions", chat, { headers: strict });
  expect(refused.status).toBe(400);
  const { error } = await refused.json() as any;
  expect(error).toMatchObject({ type: "invalid_request_error", param: "n", message: expect.stringMatching(/\bn\b/) });
  const gemini = { contents: [{ role: "user", parts: [{ text: "Hello" }] }], generationConfig: { candidateCount: 2 } };
  const inGemini = await gateway.call(key, "/v1beta/models/asked:generateContent", gemini, { headers: strict });
  expect(inGemini.status).toBe(400);
  expect((await inGemini.json() as any).error).toMatchObject({ status: "INVALID_ARGUMENT", message: expect.stringContaining("generationConfig.candidateCount") });
  expect(upstream.exchanges).toEqual([]);
});
