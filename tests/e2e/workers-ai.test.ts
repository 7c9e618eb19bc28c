// Workers AI by the binding of the gateway's own account, which is scripted here, and by its REST API.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { question } from "./gateway/scenario.ts";
import { Upstream } from "./upstream.ts";

let gateway: Gateway;
let rest: Upstream;

/** What each model does; `@cf/echo` says what it was asked. */
const binding = `
const json = (body, status = 200) => Response.json(body, { status });
const events = (...list) => new Response(list.map((it) => "data: " + (typeof it === "string" ? it : JSON.stringify(it)) + "\\n\\n").join(""),
  { headers: { "content-type": "text/event-stream" } });
const usage = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 };
export default () => ({
  async models() { return [{ id: "41975cc2", name: "@cf/native" }]; },
  async run(model, inputs, options) {
    if (!options.returnRawResponse) throw new Error("not raw");
    if (model === "@cf/fails") return json({ internalCode: 3040, description: "Capacity temporarily exceeded", name: "x" }, 429);
    if (model === "@cf/echo") return json({ response: JSON.stringify({ model, ...inputs }), usage });
    if (model === "@cf/bge") return json({ shape: [1, 2], data: inputs.text.map(() => [0.5, 0.25]) });
    if (model === "@cf/tools") return json({ response: null, tool_calls: [{ name: "f", arguments: { a: 1 } }], usage });
    if (model === "@cf/newer") {
      const of = (delta, finish_reason = null) => ({ choices: [{ index: 0, delta, finish_reason }] });
      return events(of({ role: "assistant", content: "Hello" }), of({}, "stop"), { choices: [], usage }, "[DONE]");
    }
    return events({ response: "Hel", p: "abc" }, { response: "lo" }, { response: "", usage }, "[DONE]");
  },
});`;

beforeAll(async () => {
  [gateway, rest] = await Promise.all([Gateway.start({ ai: binding }), Upstream.start("rest")]);
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), rest?.stop()]);
});

async function account(settings: object = {}) {
  const { id, name } = await gateway.admin.ok("POST", "/api/providers", { name: gateway.unique("ai"), kind: "workers-ai", ...settings });
  const { key } = await gateway.admin.key({ name: gateway.unique("key") });
  const chat = (model: string, more: object = {}) => gateway.call(key, "/v1/chat/completions", { ...question(), ...more, model: `${name}/${model}` });
  return { id, name, key, chat };
}

test("the binding is asked without a key, and its answers are OpenAI's", async () => {
  const { id, name, key, chat } = await account();
  const echo = await (await chat("@cf/echo", { temperature: 0.5 })).json();
  expect(JSON.parse(echo.choices[0].message.content)).toMatchObject({ model: "@cf/echo", temperature: 0.5, messages: question().messages });
  expect(echo).toMatchObject({ object: "chat.completion", usage: { prompt_tokens: 7 }, choices: [{ finish_reason: "stop" }] });
  const called = await (await chat("@cf/tools")).json();
  expect(called.choices[0]).toMatchObject({ finish_reason: "tool_calls", message: { tool_calls: [{ type: "function", function: { name: "f", arguments: '{"a":1}' } }] } });
  const vectors = await (await gateway.call(key, "/v1/embeddings", { model: `${name}/@cf/bge`, input: ["a"] })).json();
  expect(vectors.data).toEqual([{ object: "embedding", index: 0, embedding: [0.5, 0.25] }]);
  expect(await gateway.admin.ok("POST", `/api/providers/${id}/models/refresh`)).toEqual({ count: 1 });
});

test("its streams are OpenAI's for every client, and metered", async () => {
  const { name, key, chat } = await account();
  for (const model of ["@cf/native", "@cf/newer"]) {
    const response = await chat(model, { stream: true });
    const chunks = (await response.text()).split("\n").filter((line) => line.startsWith("data: {")).map((line) => JSON.parse(line.slice(6)));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("")).toBe("Hello");
    expect(chunks.some((chunk) => chunk.choices[0]?.finish_reason === "stop")).toBe(true);
    expect(await gateway.log(response.headers.get("x-request-id"))).toMatchObject({ input_tokens: 7, output_tokens: 2, usage_source: "upstream" });
    const other = await gateway.call(key, "/v1/messages", { model: `${name}/${model}`, max_tokens: 9, messages: question().messages, stream: true });
    expect(await other.text()).toContain("message_stop");
  }
});

test("its refusals are told, and no key reaches it", async () => {
  const { chat } = await account();
  const refused = await chat("@cf/fails");
  expect([refused.status, (await refused.json()).error.message]).toEqual([429, expect.stringContaining("rate limited")]);
  const { status, body } = await gateway.admin.request("POST", "/api/providers", { name: gateway.unique("ai"), kind: "workers-ai", api_key: "token" });
  const { key } = await gateway.admin.key({ name: gateway.unique("key") });
  const answer = status < 300 ? await gateway.call(key, "/v1/chat/completions", { ...question(), model: `${body.name}/@cf/native` }) : undefined;
  expect(answer?.status ?? status).toBeGreaterThanOrEqual(400);
});

test("with an account of one's own, the REST API is asked", async () => {
  const { chat } = await account({ base_url: `${rest.url.replace("/v1", "")}/accounts/0af3/ai/v1`, api_key: "cf-token" });
  expect((await chat("@cf/meta/llama-3.1-8b-instruct")).status).toBe(200);
  expect([rest.only.path, rest.only.key, rest.only.json.model]).toEqual(["/accounts/0af3/ai/v1/chat/completions", "cf-token", "@cf/meta/llama-3.1-8b-instruct"]);
});
