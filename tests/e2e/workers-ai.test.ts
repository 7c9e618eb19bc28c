// Workers AI by the binding of the gateway's own account, which is scripted here, and by its REST API.
import { toFile } from "openai";
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
    if (model.startsWith("@cf/black-forest-labs/flux-1")) return json({ result: { image: btoa(JSON.stringify(inputs)) } });
    if (model.startsWith("@cf/black-forest-labs/flux-2")) {
      const form = await new Response(inputs.multipart.body, { headers: { "content-type": inputs.multipart.contentType } }).formData();
      return json({ image: btoa(JSON.stringify(Object.fromEntries(form))) });
    }
    if (model === "@cf/stabilityai/sdxl") return new Response("PNG", { headers: { "content-type": "image/png" } });
    if (model === "@cf/deepgram/aura-1") return new Response(JSON.stringify(inputs), { headers: { "content-type": "audio/mpeg" } });
    if (model === "@cf/myshell-ai/melotts") return json({ audio: btoa(JSON.stringify(inputs)) });
    if (model === "@cf/openai/whisper-large-v3-turbo") {
      const segments = [{ start: 0, end: 1.5, text: " Hello" }, { start: 1.5, end: 2, text: " there." }];
      return json({ text: " " + inputs.task + " " + atob(inputs.audio) + " " + inputs.language, segments, transcription_info: { language: "en", duration: 2 } });
    }
    if (model === "@cf/openai/whisper") return json({ text: String.fromCharCode(...inputs.audio), words: [{ word: "Hi", start: 0, end: 1 }], vtt: "WEBVTT" });
    if (model === "@cf/deepgram/nova-3") {
      const transcript = inputs.audio.contentType + " " + atob(inputs.audio.body);
      return json({ results: { channels: [{ alternatives: [{ transcript, words: [] }] }] } });
    }
    if (model === "@cf/baai/bge-reranker-base") {
      return json({ response: inputs.contexts.slice(0, inputs.top_k).map(({ text }, id) => ({ id, score: text.length / 100 })) });
    }
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

test("pictures: of models that say them in JSON, in bytes, or take a form", async () => {
  const { name, key } = await account();
  const client = gateway.client(key);
  const made = async (model: string, more: object = {}) =>
    (await client.images.generate({ model: `${name}/${model}`, prompt: "A cat", ...more } as never) as any).data.map(({ b64_json, url }: any) => url ?? Buffer.from(b64_json, "base64").toString());
  expect(JSON.parse((await made("@cf/black-forest-labs/flux-1-schnell", { size: "512x768", quality: "high", seed: 7 }))[0])).toEqual({ prompt: "A cat", width: 512, height: 768, seed: 7 });
  expect(JSON.parse((await made("@cf/black-forest-labs/flux-2-dev", { size: "512x512" }))[0])).toEqual({ prompt: "A cat", width: "512", height: "512" });
  expect(await made("@cf/stabilityai/sdxl", { n: 2 })).toEqual(["PNG", "PNG"]);
  expect(await made("@cf/stabilityai/sdxl", { response_format: "url" })).toEqual([`data:image/png;base64,${btoa("PNG")}`]);
  await expect(made("@cf/stabilityai/sdxl", { n: 5 })).rejects.toMatchObject({ status: 400, message: expect.stringContaining("n: the AI binding") });
});

test("speech, of each shape that models have", async () => {
  const { name, key } = await account();
  const client = gateway.client(key);
  const spoken = async (model: string, voice: string, more: object = {}) =>
    await (await client.audio.speech.create({ model: `${name}/${model}`, input: "Hello", voice, ...more } as never)).text();
  expect(JSON.parse(await spoken("@cf/deepgram/aura-1", "alloy"))).toEqual({ text: "Hello", encoding: "mp3" });
  expect(JSON.parse(await spoken("@cf/deepgram/aura-1", "luna", { response_format: "wav" }))).toEqual({ text: "Hello", speaker: "luna", encoding: "linear16", container: "wav" });
  expect(JSON.parse(await spoken("@cf/myshell-ai/melotts", "fr"))).toEqual({ prompt: "Hello", lang: "fr" });
  await expect(spoken("@cf/myshell-ai/melotts", "fr", { response_format: "wav" })).rejects.toMatchObject({ status: 400 });
});

test("transcriptions and translations, in every format that clients ask for", async () => {
  const { name, key } = await account();
  const client = gateway.client(key);
  const [large, small, nova] = ["@cf/openai/whisper-large-v3-turbo", "@cf/openai/whisper", "@cf/deepgram/nova-3"].map((model) => `${name}/${model}`);
  const heard = async (model: string, more: object = {}) =>
    await client.audio.transcriptions.create({ model, file: await toFile(Buffer.from("sound"), "a.wav", { type: "audio/wav" }), ...more } as never) as any;
  expect(await heard(large!, { language: "de" })).toEqual({ text: "transcribe sound de" });
  expect((await heard(small!)).text).toBe("sound");
  expect((await heard(nova!)).text).toBe("audio/wav sound");
  expect(await heard(large!, { response_format: "text" })).toBe("transcribe sound undefined\n");
  expect(await heard(large!, { response_format: "srt" })).toBe("1\n00:00:00,000 --> 00:00:01,500\nHello\n\n2\n00:00:01,500 --> 00:00:02,000\nthere.\n");
  expect(await heard(small!, { response_format: "vtt" })).toBe("WEBVTT");
  expect(await heard(large!, { response_format: "verbose_json" })).toMatchObject({ task: "transcribe", language: "en", duration: 2, segments: [{ id: 0, end: 1.5 }, { id: 1 }] });
  const file = await toFile(Buffer.from("sound"), "a.wav", { type: "audio/wav" });
  expect((await client.audio.translations.create({ model: large!, file })).text).toBe("translate sound undefined");
  await expect(client.audio.translations.create({ model: small!, file })).rejects.toMatchObject({ message: expect.stringContaining("/audio/translations") });
});

test("documents are ranked, and an endpoint that there is not is named in the caller's dialect", async () => {
  const { name, key } = await account();
  const asked = { model: `${name}/@cf/baai/bge-reranker-base`, query: "q", documents: ["a", { text: "long one" }, "b"], top_n: 2, return_documents: true };
  expect(await (await gateway.call(key, "/v1/rerank", asked)).json()).toMatchObject({
    results: [{ index: 1, relevance_score: 0.08, document: { text: "long one" } }, { index: 0, document: { text: "a" } }],
  });
  const refused = await gateway.call(key, "/v1/moderations", { model: `${name}/@cf/x`, input: "a" });
  expect([refused.status, (await refused.json()).error.message]).toEqual([404, expect.stringContaining("the AI binding has no /moderations")]);
  const completed = await gateway.call(key, "/v1/completions", { model: `${name}/@cf/native`, prompt: "Hi", stream: true });
  expect(await completed.text()).toContain("Hel");
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
