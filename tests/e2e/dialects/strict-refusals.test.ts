// The strict upstreams refuse what the real APIs refuse, in those APIs' own words and shapes.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStrict, type StrictUpstream } from "../upstream/strict.ts";
import type { Dialect } from "./neutral.ts";

interface Refused {
  what: string;
  /** Laid over a good request. */
  body?: object;
  headers?: Record<string, string | undefined>;
  path?: string;
  status?: number;
  says: string;
}

const PATHS: Record<Dialect, string> = {
  chat: "/v1/chat/completions", responses: "/v1/responses", messages: "/v1/messages", gemini: "/v1beta/models/gemini-3-strict:generateContent",
};
const HEADERS: Record<Dialect, Record<string, string>> = {
  chat: { authorization: "Bearer sk" }, responses: { authorization: "Bearer sk" },
  messages: { "x-api-key": "sk", "anthropic-version": "2023-06-01" }, gemini: { "x-goog-api-key": "sk" },
};

const hello = { role: "user", content: "Hello. scenario:refusal" };
const chatCall = (id: string) => ({ id, type: "function", function: { name: "get", arguments: "{}" } });
const calling = { role: "assistant", content: null, tool_calls: [chatCall("a")] };
const open = { type: "object", properties: { a: { type: "string" } }, required: ["a"] };
const closed = { ...open, additionalProperties: false };

const toolUse = { role: "assistant", content: [{ type: "tool_use", id: "a", name: "get", input: {} }] };
const toolResult = { type: "tool_result", tool_use_id: "a", content: "1" };

const userParts = { role: "user", parts: [{ text: "Hello. scenario:refusal" }] };
const modelCall = { role: "model", parts: [{ functionCall: { name: "get", args: {} }, thoughtSignature: "skip_thought_signature_validator" }] };
const callAnswer = { functionResponse: { name: "get", response: { output: "1" } } };
const declares = (parameters: object) => ({ tools: [{ functionDeclarations: [{ name: "get", parameters }] }] });

const GOOD: Record<Dialect, object> = {
  chat: { model: "strict-chat-1", messages: [hello] },
  responses: { model: "strict-responses-1", input: [hello] },
  messages: { model: "strict-messages-1", max_tokens: 100, messages: [hello] },
  gemini: { contents: [userParts] },
};

const REFUSED: Record<Dialect, Refused[]> = {
  chat: [
    { what: "no key", headers: { authorization: undefined }, status: 401, says: "API key" },
    { what: "another model", body: { model: "gpt-4o" }, status: 404, says: "does not exist" },
    { what: "an unknown field", body: { top_k: 5 }, says: "Unknown parameter: 'top_k'." },
    { what: "an unknown field of a part", body: { messages: [{ role: "user", content: [{ type: "text", text: "a", cache_control: {} }] }] }, says: "Unknown parameter: 'messages[0].content[0].cache_control'." },
    { what: "two limits", body: { max_tokens: 5, max_completion_tokens: 5 }, says: "at the same time" },
    { what: "stream options without a stream", body: { stream_options: { include_usage: true } }, says: "only allowed when 'stream' is enabled" },
    { what: "a tool choice without tools", body: { tool_choice: "auto" }, says: "only allowed when 'tools' are specified" },
    { what: "a call that nobody answered", body: { messages: [hello, calling, hello] }, says: "must be followed by tool messages" },
    { what: "an answer to no call", body: { messages: [hello, { role: "tool", tool_call_id: "a", content: "1" }] }, says: "must be a response to a preceeding message with 'tool_calls'" },
    { what: "an answer to another call", body: { messages: [hello, calling, { role: "tool", tool_call_id: "b", content: "1" }] }, says: "not found in 'tool_calls'" },
    { what: "an id of 41 characters", body: { messages: [hello, { ...calling, tool_calls: [chatCall("x".repeat(41))] }] }, says: "maximum length 40" },
    { what: "an image in a tool's answer", body: { messages: [hello, calling, { role: "tool", tool_call_id: "a", content: [{ type: "image_url", image_url: { url: "https://a/b" } }] }] }, says: "Invalid value: 'image_url'" },
    { what: "a broken data URL", body: { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,a b" } }] }] }, says: "image_url" },
    { what: "a schema in Google's capitals", body: { tools: [{ type: "function", function: { name: "get", parameters: { type: "OBJECT", properties: {} } } }] }, says: "'OBJECT' is not valid" },
    { what: "an open schema in strict mode", body: { response_format: { type: "json_schema", json_schema: { name: "a", strict: true, schema: open } } }, says: "'additionalProperties' is required to be supplied and to be false" },
    { what: "an optional property in strict mode", body: { response_format: { type: "json_schema", json_schema: { name: "a", strict: true, schema: { ...closed, required: [] } } } }, says: "Missing 'a'" },
    { what: "thoughts that it never had", body: { messages: [hello, { role: "assistant", content: "a", reasoning_content: "b" }, hello] }, says: "Unknown parameter: 'messages[1].reasoning_content'" },
  ],
  responses: [
    { what: "an unknown field", body: { max_tokens: 5 }, says: "Unknown parameter: 'max_tokens'." },
    { what: "a limit below 16", body: { max_output_tokens: 8 }, says: "Expected a value >= 16, but got 8" },
    { what: "input text of an assistant", body: { input: [hello, { role: "assistant", content: [{ type: "input_text", text: "a" }] }] }, says: "Supported values are: 'output_text', 'refusal'" },
    { what: "a call id as an item id", body: { input: [hello, { type: "function_call", id: "call_a", call_id: "call_a", name: "get", arguments: "{}" }] }, says: "Expected an ID that begins with 'fc'" },
    { what: "a call id of 65 characters", body: { input: [hello, { type: "function_call", call_id: "x".repeat(65), name: "get", arguments: "{}" }] }, says: "maximum length 64" },
    { what: "a call without its output", body: { input: [hello, { type: "function_call", call_id: "a", name: "get", arguments: "{}" }] }, says: "No tool output found" },
    { what: "an output without its call", body: { input: [hello, { type: "function_call_output", call_id: "a", output: "1" }] }, says: "No tool call found" },
    { what: "somebody else's thought", body: { input: [{ type: "reasoning", id: "rs_a", summary: [], encrypted_content: "gAAAAAabc" }, { role: "assistant", content: "a" }] }, says: "could not be verified" },
    { what: "a thought that it never stored", body: { input: [{ type: "reasoning", id: "rs_a", summary: [] }, hello] }, status: 404, says: "not found" },
    { what: "an unknown inclusion", body: { include: ["thoughts"] }, says: "Invalid value: 'thoughts'" },
    { what: "a nested function tool", body: { tools: [{ type: "function", function: { name: "get" } }] }, says: "Unknown parameter: 'tools[0].function'." },
  ],
  messages: [
    { what: "no key", headers: { "x-api-key": undefined }, status: 401, says: "x-api-key" },
    { what: "no version", headers: { "anthropic-version": undefined }, says: "anthropic-version" },
    { what: "no limit", body: { max_tokens: undefined }, says: "max_tokens: Field required" },
    { what: "an unknown field", body: { n: 2 }, says: "n: Extra inputs are not permitted" },
    { what: "a null", body: { stop_sequences: null }, says: "stop_sequences" },
    { what: "the role system in the middle", body: { messages: [hello, { role: "system", content: "a" }] }, says: "Invalid value: 'system'" },
    { what: "a temperature of 1.5", body: { temperature: 1.5 }, says: "temperature" },
    { what: "a temperature, in the current version", body: { temperature: 1 }, headers: { "anthropic-version": "2026-10-21" }, says: "temperature: Extra inputs are not permitted" },
    { what: "an empty text", body: { messages: [{ role: "user", content: [{ type: "text", text: "" }] }] }, says: "non-empty" },
    { what: "an id with a colon", body: { messages: [hello, { role: "assistant", content: [{ type: "tool_use", id: "get:0", name: "get", input: {} }] }] }, says: "messages.1.content.0.id" },
    { what: "a call that nobody answered", body: { messages: [hello, toolUse, hello] }, says: "without `tool_result` blocks immediately after" },
    { what: "a result behind text", body: { messages: [hello, toolUse, { role: "user", content: [{ type: "text", text: "a" }, toolResult] }] }, says: "without `tool_result` blocks immediately after" },
    { what: "a result of no call", body: { messages: [{ role: "user", content: [toolResult] }] }, says: "unexpected `tool_use_id`" },
    { what: "a budget over the limit", body: { thinking: { type: "enabled", budget_tokens: 2000 } }, says: "`max_tokens` must be greater than `thinking.budget_tokens`" },
    { what: "a budget below 1024", body: { max_tokens: 2000, thinking: { type: "enabled", budget_tokens: 1000 } }, says: "thinking.budget_tokens" },
    { what: "a call without a thought while thinking", body: { max_tokens: 2000, thinking: { type: "enabled", budget_tokens: 1024 }, messages: [hello, toolUse, { role: "user", content: [toolResult] }] }, says: "Expected `thinking` or `redacted_thinking`, but found `tool_use`" },
    { what: "a forged signature", body: { messages: [hello, { role: "assistant", content: [{ type: "thinking", thinking: "a", signature: "b" }, { type: "text", text: "c" }] }, hello] }, says: "Invalid `signature` in `thinking` block" },
    { what: "an open schema", body: { output_config: { format: { type: "json_schema", schema: open } } }, says: "'additionalProperties' must be explicitly set to false" },
    { what: "an input schema without a type", body: { tools: [{ name: "get", input_schema: {} }] }, says: "tools.0.input_schema.type" },
  ],
  gemini: [
    { what: "no key", headers: { "x-goog-api-key": undefined }, status: 403, says: "unregistered callers" },
    { what: "another model", path: "/v1beta/models/gemini-9:generateContent", status: 404, says: "is not found" },
    { what: "an unknown field", body: { max_tokens: 5 }, says: 'Unknown name \\"max_tokens\\"' },
    { what: "the role assistant", body: { contents: [userParts, { role: "assistant", parts: [{ text: "a" }] }] }, says: "Invalid value: 'assistant'" },
    { what: "an empty part", body: { contents: [{ role: "user", parts: [{}] }] }, says: "must have one initialized field" },
    { what: "additionalProperties in parameters", body: declares(closed), says: 'Unknown name \\"additionalProperties\\"' },
    { what: "$ref in parameters", body: declares({ type: "object", properties: { a: { $ref: "#/$defs/a" } } }), says: 'Unknown name \\"$ref\\"' },
    { what: "a type that may be null, as a list", body: declares({ type: "object", properties: { a: { type: ["string", "null"] } } }), says: "type" },
    { what: "parameters without properties", body: declares({ type: "object", properties: {} }), says: "should be non-empty for OBJECT type" },
    { what: "a numeric enum", body: declares({ type: "object", properties: { a: { type: "integer", enum: [1] } } }), says: "enum" },
    { what: "a schema without its MIME type", body: { generationConfig: { responseJsonSchema: closed } }, says: "application/json" },
    { what: "a call that nobody answered", body: { contents: [userParts, modelCall, userParts] }, says: "number of function response parts is equal" },
    { what: "an answer to no call", body: { contents: [{ role: "user", parts: [callAnswer] }] }, says: "comes immediately after a function call turn" },
    { what: "an answer by another name", body: { contents: [userParts, modelCall, { role: "user", parts: [{ functionResponse: { name: "put", response: {} } }] }] }, says: "does not match any function call" },
    { what: "an unsigned call of the current turn", body: { contents: [userParts, { role: "model", parts: [{ functionCall: { name: "get" } }] }, { role: "user", parts: [callAnswer] }] }, says: "missing a thought_signature" },
    { what: "a signature that it never gave", body: { contents: [userParts, { role: "model", parts: [{ text: "a", thoughtSignature: "YWJj" }] }, userParts] }, says: "Corrupted thought signature" },
    { what: "a signature that is no base64", body: { contents: [userParts, { role: "model", parts: [{ text: "a", thoughtSignature: "a b!" }] }, userParts] }, says: "Base64 decoding failed" },
    { what: "a budget and a level", body: { generationConfig: { thinkingConfig: { thinkingBudget: 1024, thinkingLevel: "LOW" } } }, says: "only one of thinking budget and thinking level" },
  ],
};

const errorOf: Record<Dialect, (body: any) => unknown> = {
  chat: ({ error: { type, param } }) => [type, param === null || typeof param],
  responses: ({ error: { type, param } }) => [type, param === null || typeof param],
  messages: ({ type, error, request_id }) => [type, typeof error.type, typeof request_id],
  gemini: ({ error: { code, status } }) => [typeof code, typeof status],
};

describe.each(Object.keys(REFUSED) as Dialect[])("%s refuses", (dialect) => {
  let strict: StrictUpstream;
  beforeAll(async () => {
    strict = await startStrict(dialect);
  });
  afterAll(() => strict.upstream.stop());

  const call = async ({ body = {}, headers = {}, path = PATHS[dialect] }: Partial<Refused>) => {
    const sent = Object.entries({ "content-type": "application/json", ...HEADERS[dialect], ...headers }).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const response = await fetch(new URL(strict.url).origin + path, { method: "POST", headers: Object.fromEntries(sent), body: JSON.stringify({ ...GOOD[dialect], ...body }) });
    return { status: response.status, text: await response.text() };
  };

  test("no good request", async () => expect((await call({})).status).toBe(200));

  test.each(REFUSED[dialect])("$what", async (refused) => {
    const { status, text } = await call(refused);
    expect(text).toContain(refused.says);
    expect(status).toBe(refused.status ?? 400);
    expect(errorOf[dialect](JSON.parse(text))).toEqual(
      { chat: ["invalid_request_error", expect.anything()], responses: ["invalid_request_error", expect.anything()], messages: ["error", "string", "string"], gemini: ["number", "string"] }[dialect],
    );
  });
});
