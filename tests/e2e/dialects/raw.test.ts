// What no official client shows: headers, forms of fields, refusals with the field's path, and Gemini's stream as one JSON array.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WORDS } from "../upstream/strict/model.ts";
import { Doors } from "./doors.ts";
import type { Dialect } from "./neutral.ts";

let doors: Doors;
beforeAll(async () => {
  doors = await Doors.open();
  await doors.knows("chat", 4096);
});
afterAll(() => doors.close());

const PATHS = {
  chat: "/v1/chat/completions", responses: "/v1/responses", messages: "/v1/messages", gemini: "/v1beta/models/gemini-2.5-pro:generateContent",
};
const TOOL = { name: "get_weather", description: "The weather.", schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } };

interface Call {
  client: Dialect;
  upstream: Dialect;
  body: object;
  headers?: Record<string, string>;
  path?: string;
}

/** One call; the upstream is asked for nothing before it. */
async function call({ client, upstream, body, headers, path = PATHS[client] }: Call) {
  const { origin, key, model } = await doors.door({ client, upstream });
  doors.bodies(upstream);
  const response = await fetch(origin + path, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ ...(client !== "gemini" && { model }), ...body }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text), dropped: response.headers.get("x-edgeway-dropped-params")?.split(/,\s*/) ?? [], sent: doors.bodies(upstream) };
}

const chat = (scenario: string, more: object = {}) => ({ messages: [{ role: "user", content: `scenario:${scenario}` }], ...more });
const messages = (scenario: string, more: object = {}) => ({ max_tokens: 100, messages: [{ role: "user", content: `scenario:${scenario}` }], ...more });
const gemini = (scenario: string, more: object = {}) => ({ contents: [{ role: "user", parts: [{ text: `scenario:${scenario}` }] }], ...more });

describe("what a target cannot carry", () => {
  const body = chat("sampling", { seed: 7, frequency_penalty: 0.5, n: 2 });

  test("is named in a header", async () => {
    const { status, dropped } = await call({ client: "chat", upstream: "messages", body });
    expect(status).toBe(200);
    expect(dropped.sort()).toEqual(["frequency_penalty", "seed"]);
  });

  test("is refused before any call where that is asked for", async () => {
    const { status, body: answer, sent } = await call({ client: "chat", upstream: "messages", body, headers: { "x-edgeway-strict": "true" } });
    expect(status).toBe(400);
    expect(answer.error.message).toMatch(/seed/);
    expect(answer.error.message).toMatch(/\bn\b/);
    expect(sent).toEqual([]);
  });

  test("is nothing where all arrives", async () => {
    const { status, dropped } = await call({ client: "chat", upstream: "gemini", body: chat("sampling", { seed: 7, temperature: 0.5 }), headers: { "x-edgeway-strict": "true" } });
    expect([status, dropped]).toEqual([200, []]);
  });
});

test.each<Dialect>(["chat", "responses", "messages", "gemini"])("Gemini's stream is one JSON array without alt=sse, from %s", async (upstream) => {
  const path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";
  const { status, headers, body } = await call({ client: "gemini", upstream, path, body: gemini("max-tokens", { generationConfig: { maxOutputTokens: 16 } }) });
  expect(status).toBe(200);
  expect(headers.get("content-type")).toMatch(/^application\/json/);
  const parts = body.flatMap((chunk: any) => chunk.candidates?.[0]?.content?.parts ?? []);
  expect(parts.map(({ text }: any) => text ?? "").join("")).toBe(WORDS.cut);
  expect(body.at(-1).candidates[0].finishReason).toBe("MAX_TOKENS");
});

test("texts to stop at arrive where the target has them, else they are named", async () => {
  const body = chat("sampling", { stop: ["END", "STOP"] });
  expect((await call({ client: "chat", upstream: "messages", body })).sent[0].stop_sequences).toEqual(["END", "STOP"]);
  expect((await call({ client: "chat", upstream: "gemini", body })).sent[0].generationConfig.stopSequences).toEqual(["END", "STOP"]);
  expect((await call({ client: "chat", upstream: "responses", body })).dropped).toEqual(["stop"]);
});

describe("a tool's choice", () => {
  const tools = [{ type: "function", function: { name: TOOL.name, description: TOOL.description, parameters: TOOL.schema } }];
  const named = { type: "function", function: { name: TOOL.name } };
  test.each([
    ["auto", { type: "auto" }, { mode: "AUTO" }],
    ["required", { type: "any" }, { mode: "ANY" }],
    ["none", { type: "none" }, { mode: "NONE" }],
    [named, { type: "tool", name: TOOL.name }, { mode: "ANY", allowedFunctionNames: [TOOL.name] }],
  ])("%j is said in each dialect", async (choice, ofMessages, ofGemini) => {
    const body = chat("sampling", { tools, tool_choice: choice });
    expect((await call({ client: "chat", upstream: "messages", body })).sent[0].tool_choice).toEqual(ofMessages);
    expect((await call({ client: "chat", upstream: "gemini", body })).sent[0].toolConfig.functionCallingConfig).toEqual(ofGemini);
  });
});

test.each<[Dialect, (sent: any) => unknown, unknown]>([
  ["chat", (sent) => sent.messages[2].content, "Error: no such city"],
  ["gemini", (sent) => sent.contents[2].parts[0].functionResponse.response, { error: "no such city" }],
])("that a tool failed reaches the model behind %s", async (upstream, result, expected) => {
  const id = "toolu_01A09q90qw90lq917835lq9";
  const body = messages("history", {
    tools: [{ name: TOOL.name, description: TOOL.description, input_schema: TOOL.schema }],
    messages: [
      { role: "user", content: "scenario:history" },
      { role: "assistant", content: [{ type: "tool_use", id, name: TOOL.name, input: { city: "Oslo" } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: id, content: "no such city", is_error: true }] },
    ],
  });
  const { status, sent } = await call({ client: "messages", upstream, body });
  expect(status).toBe(200);
  expect(result(sent[0])).toEqual(expected);
});

test("a maximum beyond what the catalogue says of the target's model is lowered to that", async () => {
  const { sent } = await call({ client: "messages", upstream: "chat", body: messages("text", { max_tokens: 32_000 }) });
  expect(JSON.stringify(sent[0])).toMatch(/"max_(completion_)?tokens":4096/);
});

test("the newest version of Anthropic's API is taken from clients", async () => {
  const { status, body } = await call({ client: "messages", upstream: "chat", body: messages("sampling"), headers: { "anthropic-version": "2026-10-21" } });
  expect([status, body.type, body.stop_reason]).toEqual([200, "message", "end_turn"]);
});

describe("tokens are counted", () => {
  test.each<[Dialect, string, object, string]>([
    ["messages", "/v1/messages/count_tokens", { messages: [{ role: "user", content: "Hello there" }] }, "input_tokens"],
    ["responses", "/v1/responses/input_tokens", { input: "Hello there" }, "input_tokens"],
    ["gemini", "/v1beta/models/gemini-2.5-pro:countTokens", gemini("text"), "totalTokens"],
  ])("for clients of %s, whose upstream counts not in their words", async (client, path, body, field) => {
    const { status, body: answer } = await call({ client, upstream: "chat", path, body });
    expect(status).toBe(200);
    expect(answer[field]).toBeGreaterThan(0);
  });
});

describe("bad input is refused in the client's words, with the field's path", () => {
  test("chat", async () => {
    const { status, body } = await call({ client: "chat", upstream: "messages", body: { messages: [{ role: "user", content: "a" }, { role: "user", content: 7 }] } });
    expect([status, body.error.type, body.error.param]).toEqual([400, "invalid_request_error", "messages[1].content"]);
  });
  test("responses", async () => {
    const { status, body } = await call({ client: "responses", upstream: "messages", body: { input: "a", temperature: "hot" } });
    expect([status, body.error.type, body.error.param]).toEqual([400, "invalid_request_error", "temperature"]);
  });
  test("messages", async () => {
    const { status, body } = await call({ client: "messages", upstream: "chat", body: messages("text", { messages: [{ role: "user", content: 7 }] }) });
    expect([status, body.type, body.error.type]).toEqual([400, "error", "invalid_request_error"]);
    expect(body.error.message).toMatch(/messages(\[0\]|\.0)\.content/);
  });
  test("gemini", async () => {
    const { status, body } = await call({ client: "gemini", upstream: "chat", body: { contents: [{ role: "user", parts: [{ text: 7 }] }] } });
    expect([status, body.error.code, body.error.status]).toEqual([400, 400, "INVALID_ARGUMENT"]);
    expect(body.error.message).toMatch(/contents(\[0\]|\.0)\.parts(\[0\]|\.0)\.text/);
  });
});
