// The strict upstream that speaks Anthropic's Messages.
import { createHash } from "node:crypto";
import type { Part } from "../behaviours.ts";
import { dotted, Rejected } from "./check.ts";
import { jsonOf, serve, type DialectServer } from "./endpoint.ts";
import { readMessages } from "./messages-request.ts";
import { USAGE, WORDS, type Model, type Reply } from "./model.ts";
import { Seal } from "./seal.ts";

export const MESSAGES_MODEL = "strict-messages-1";

/** Anthropic's ids end in 24 letters and digits. */
const callId = (index: number) => `toolu_01${createHash("sha256").update(`messages ${index}`).digest("hex").slice(0, 22)}`;

const STOP: Record<Reply["finish"], string> = { stop: "end_turn", tool_calls: "tool_use", max_tokens: "max_tokens", refusal: "refusal", filter: "refusal" };

const usage = (output: number, thought?: boolean) => ({
  input_tokens: USAGE.input - USAGE.cached, cache_creation_input_tokens: 0, cache_read_input_tokens: USAGE.cached,
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
  output_tokens: output,
  ...(thought && { output_tokens_details: { thinking_tokens: USAGE.reasoning } }),
  service_tier: "standard", inference_geo: "not_available",
});

/** An event as Anthropic writes it: with blanks behind the JSON. */
const event = (type: string, fields: object = {}): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}${" ".repeat(type.length % 7)}\n\n`;

const server = (seal: Seal): DialectServer<any> => {
  const signature = (thought: string) => seal.of(thought).toString("base64");

  return {
    read(exchange) {
      if (exchange.path.replace(/\?beta=true$/, "") !== "/v1/messages" || exchange.method !== "POST") {
        throw new Rejected("invalid", [], "Not Found", { status: 404, code: "not_found_error" });
      }
      if (!exchange.headers["x-api-key"] && !/^Bearer \S+$/.test(exchange.headers.authorization ?? "")) {
        throw new Rejected("invalid", [], "x-api-key header is required", { status: 401, code: "authentication_error" });
      }
      const version = exchange.headers["anthropic-version"];
      if (version !== "2023-06-01" && version !== "2026-10-21") {
        throw new Rejected("invalid", [], version === undefined ? "anthropic-version: header is required" : `anthropic-version: "${String(version)}" is not a valid version`);
      }
      const request = jsonOf(exchange);
      const seen = readMessages(request, version, (thought, given) => given === signature(thought));
      if (request.model !== MESSAGES_MODEL) {
        throw new Rejected("invalid", [], `model: ${request.model}`, { status: 404, code: "not_found_error" });
      }
      return { request, seen };
    },

    callId: (_seen, index) => callId(index),

    whole(said, { request, seen }) {
      const thought = said.thinking?.join("");
      return {
        model: request.model, id: "msg_01StrictStrictStrictStrict", type: "message", role: "assistant",
        content: [
          ...(thought ? [{ type: "thinking", thinking: thought, signature: signature(thought) }] : []),
          ...(said.text ? [{ type: "text", text: said.text.join("") }] : []),
          ...(said.calls ?? []).map((call, index) => ({ type: "tool_use", id: callId(seen.calls.length + index), name: call.name, input: JSON.parse(call.arguments.join("") || "{}"), caller: { type: "direct" } })),
        ],
        stop_reason: STOP[said.finish], stop_sequence: null, stop_details: null,
        usage: usage(USAGE.output, thought !== undefined),
      };
    },

    parts(said, { request, seen }) {
      const start = { model: request.model, id: "msg_01StrictStrictStrictStrict", type: "message", role: "assistant", content: [], stop_reason: null, stop_sequence: null, stop_details: null, usage: usage(1) };
      const parts: Part[] = [event("message_start", { message: start })];
      let index = 0;
      const block = (content_block: object, deltas: object[], open = false) => {
        parts.push(event("content_block_start", { index, content_block }));
        if (index === 0) {
          parts.push('event: ping\ndata: {"type": "ping"}\n\n');
        }
        parts.push(...deltas.map((delta) => event("content_block_delta", { index, delta })));
        if (!open) {
          parts.push(event("content_block_stop", { index }));
        }
        index += 1;
      };
      if (said.thinking) {
        const thoughts = said.thinking.map((thinking) => ({ type: "thinking_delta", thinking }));
        block({ type: "thinking", thinking: "", signature: "" }, [...thoughts, { type: "signature_delta", signature: signature(said.thinking.join("")) }]);
      }
      if (said.text) {
        block({ type: "text", text: "" }, said.text.map((text) => ({ type: "text_delta", text })), said.dies);
      }
      (said.calls ?? []).forEach((call, at) =>
        block({ type: "tool_use", id: callId(seen.calls.length + at), name: call.name, input: {}, caller: { type: "direct" } }, ["", ...call.arguments].map((partial_json) => ({ type: "input_json_delta", partial_json }))));
      if (said.dies) {
        return [...parts, event("error", { error: { type: "overloaded_error", message: WORDS.overloaded, details: null }, request_id: "req_strict" })];
      }
      // The last word on usage says nothing of tiers and places.
      const { cache_creation: _, service_tier: __, inference_geo: ___, ...final } = usage(USAGE.output, said.thinking !== undefined);
      return [...parts, event("message_delta", { delta: { stop_reason: STOP[said.finish], stop_sequence: null }, usage: final }), event("message_stop")];
    },

    rejection({ kind, path, message, code }) {
      const at = dotted(path);
      const words = { unknown: `${at}: Extra inputs are not permitted`, missing: `${at}: Field required`, invalid: at ? `${at}: ${message}` : message }[kind];
      return { type: "error", error: { type: code?.endsWith("_error") && code !== "invalid_type" ? code : "invalid_request_error", message: words }, request_id: "req_strict" };
    },

    failure: ({ status, message }) => ({ type: "error", error: { type: status === 429 ? "rate_limit_error" : "invalid_request_error", message }, request_id: "req_strict" }),
  };
};

export const strictMessages = (model?: Model) => serve(server(new Seal(250)), model);
