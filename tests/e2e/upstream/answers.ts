// The same small answers in every dialect that upstreams speak: a text, a call, a refusal; whole and in events.
import type { Behaviour } from "../upstream.ts";
import { binary, binaryStream } from "./binary.ts";
import { DONE, stream } from "./behaviours.ts";
import * as shapes from "./shapes.ts";

export type Dialect = "chat" | "responses" | "messages" | "gemini" | "converse";

/** What all of them say that they used. */
export const USED = { input: 11, output: 3 };
export const TEXT = "Hello";
export const CALL = { id: "call_1", name: "weather", arguments: '{"city":"Berlin"}' };
export const REFUSAL = "this is not how it is asked";

const json = (body: object, status = 200): Behaviour => ({ response }) =>
  void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
const named = (...parts: { type: string }[]): Behaviour => ({ response }) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(parts.map((part) => `event: ${part.type}\ndata: ${JSON.stringify(part)}\n\n`).join(""));
};

const chatUsage = { prompt_tokens: USED.input, completion_tokens: USED.output, total_tokens: 14 };
const responsesUsage = { input_tokens: USED.input, output_tokens: USED.output, total_tokens: 14 };
const messagesUsage = { input_tokens: USED.input, output_tokens: USED.output };
const geminiUsage = { promptTokenCount: USED.input, candidatesTokenCount: USED.output, totalTokenCount: 14 };
const converseUsage = { inputTokens: USED.input, outputTokens: USED.output, totalTokens: 14 };
const input = JSON.parse(CALL.arguments);

const responses = (item: object) => ({ id: "resp_1", object: "response", created_at: 1, status: "completed", model: "m", output: [item], usage: responsesUsage });
const said = { id: "msg_1", type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: TEXT, annotations: [] }] };
const called = { id: "fc_1", type: "function_call", status: "completed", call_id: CALL.id, name: CALL.name, arguments: CALL.arguments };
const message = (stop_reason: string, content: object) => ({ id: "msg_1", type: "message", role: "assistant", model: "m", content: [content], stop_reason, stop_sequence: null, usage: messagesUsage });
const gemini = (part: object) => ({ candidates: [{ content: { role: "model", parts: [part] }, finishReason: "STOP", index: 0 }], usageMetadata: geminiUsage, modelVersion: "m" });
const converse = (stopReason: string, content: object) => ({ output: { message: { role: "assistant", content: [content] } }, stopReason, usage: converseUsage, metrics: { latencyMs: 1 } });

export const text: Record<Dialect, Behaviour> = {
  chat: json(shapes.completion("m", TEXT, { usage: chatUsage })),
  responses: json(responses(said)),
  messages: json(message("end_turn", { type: "text", text: TEXT })),
  gemini: json(gemini({ text: TEXT })),
  converse: json(converse("end_turn", { text: TEXT })),
};

export const call: Record<Dialect, Behaviour> = {
  chat: json(shapes.completion("m", null, { usage: chatUsage, toolCalls: [CALL] })),
  responses: json(responses(called)),
  messages: json(message("tool_use", { type: "tool_use", id: CALL.id, name: CALL.name, input })),
  gemini: json(gemini({ functionCall: { name: CALL.name, args: input } })),
  converse: json(converse("tool_use", { toolUse: { toolUseId: CALL.id, name: CALL.name, input } })),
};

export const events: Record<Dialect, Behaviour> = {
  chat: stream([shapes.role(), shapes.content("Hel"), shapes.content("lo"), shapes.finish(), shapes.usageChunk(chatUsage), DONE]),
  responses: named(
    { type: "response.created", response: { ...responses(said), status: "in_progress", output: [], usage: null } } as never,
    { type: "response.output_item.added", output_index: 0, item: { ...said, status: "in_progress", content: [] } } as never,
    { type: "response.content_part.added", item_id: "msg_1", output_index: 0, content_index: 0, part: { type: "output_text", text: "", annotations: [] } } as never,
    ...["Hel", "lo"].map((delta) => ({ type: "response.output_text.delta", item_id: "msg_1", output_index: 0, content_index: 0, delta })),
    { type: "response.output_item.done", output_index: 0, item: said } as never,
    { type: "response.completed", response: responses(said) } as never,
  ),
  messages: named(
    { type: "message_start", message: { ...message("end_turn", {}), content: [], stop_reason: null } } as never,
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } } as never,
    ...["Hel", "lo"].map((text) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })),
    { type: "content_block_stop", index: 0 } as never,
    { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: USED.output } } as never,
    { type: "message_stop" },
  ),
  gemini: ({ response }) => {
    const { usageMetadata, ...rest } = gemini({ text: "lo" });
    const first = { ...rest, candidates: [{ content: { role: "model", parts: [{ text: "Hel" }] }, index: 0 }] };
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end([first, { ...rest, usageMetadata }].map((part) => `data: ${JSON.stringify(part)}\n\n`).join(""));
  },
  converse: binaryStream(
    binary("event", "messageStart", { role: "assistant" }),
    ...["Hel", "lo"].map((text) => binary("event", "contentBlockDelta", { contentBlockIndex: 0, delta: { text } })),
    binary("event", "contentBlockStop", { contentBlockIndex: 0 }),
    binary("event", "messageStop", { stopReason: "end_turn" }),
    binary("event", "metadata", { usage: converseUsage, metrics: { latencyMs: 1 } }),
  ),
};

export const refusal: Record<Dialect, Behaviour> = {
  chat: json(shapes.errorBody(REFUSAL, "invalid_request_error"), 400),
  responses: json(shapes.errorBody(REFUSAL, "invalid_request_error"), 400),
  messages: json({ type: "error", error: { type: "invalid_request_error", message: REFUSAL } }, 400),
  gemini: json({ error: { code: 400, message: REFUSAL, status: "INVALID_ARGUMENT" } }, 400),
  converse: json({ message: REFUSAL }, 400),
};
