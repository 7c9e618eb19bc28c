// The strict upstream that speaks Chat Completions, as OpenAI's does; thoughts come as `reasoning_content`, as DeepSeek's do.
import { createHash } from "node:crypto";
import { DONE, type Part } from "../behaviours.ts";
import { readChat } from "./chat-request.ts";
import { bracketed, Rejected } from "./check.ts";
import { jsonOf, serve, type DialectServer } from "./endpoint.ts";
import { USAGE, WORDS, type Failure, type Model, type Reply, type Seen } from "./model.ts";

export const CHAT_MODEL = "strict-chat-1";

/** OpenAI's ids: some letters and digits, the same for the same place. */
export const openAiId = (prefix: string, seed: string, length: number): string =>
  prefix + createHash("sha512").update(seed).digest("hex").slice(0, length);

const callId = (index: number) => openAiId("call_", `chat ${index}`, 24);

const FINISH: Record<Reply["finish"], string> = { stop: "stop", tool_calls: "tool_calls", max_tokens: "length", refusal: "stop", filter: "content_filter" };

const usageOf = ({ thinking }: Reply) => ({
  prompt_tokens: USAGE.input,
  completion_tokens: USAGE.output,
  total_tokens: USAGE.input + USAGE.output,
  prompt_tokens_details: { cached_tokens: USAGE.cached, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: thinking ? USAGE.reasoning : 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
});

const server: DialectServer<any> = {
  read(exchange) {
    if (!/^\/v1\/chat\/completions$/.test(exchange.path)) {
      throw new Rejected("invalid", [], `Invalid URL (${exchange.method} ${exchange.path})`, { status: 404 });
    }
    authorise(exchange.headers.authorization);
    const request = jsonOf(exchange);
    const seen = readChat(request, (thought) => thought === WORDS.thinking);
    knows(request.model, CHAT_MODEL);
    return { request, seen };
  },

  callId: (_seen: Seen, index) => callId(index),

  whole(said, { request, seen }) {
    const refusal = said.finish === "refusal" ? said.text!.join("") : null;
    const content = refusal === null && said.text ? said.text.join("") : null;
    const toolCalls = said.calls?.map((call, index) => ({
      id: callId(seen.calls.length + index), type: "function", function: { name: call.name, arguments: call.arguments.join("") || "{}" },
    }));
    return {
      id: "chatcmpl-strict", object: "chat.completion", created: 1_785_000_000, model: request.model,
      choices: [{
        index: 0,
        message: { role: "assistant", content, ...(said.thinking && { reasoning_content: said.thinking.join("") }), ...(toolCalls && { tool_calls: toolCalls }), refusal, annotations: [] },
        logprobs: null,
        finish_reason: FINISH[said.finish],
      }],
      usage: usageOf(said),
      service_tier: "default",
      system_fingerprint: "fp_strict",
    };
  },

  parts(said, { request, seen }) {
    const withUsage = request.stream_options?.include_usage === true;
    const chunk = (delta: object, finish: string | null = null) => ({
      id: "chatcmpl-strict", object: "chat.completion.chunk", created: 1_785_000_000, model: request.model, service_tier: "default", system_fingerprint: "fp_strict",
      ...(withUsage && { usage: null }),
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      obfuscation: "aB3",
    });
    const words = (said.text ?? []).map((text) => chunk(said.finish === "refusal" ? { refusal: text } : { content: text }));
    const parts: Part[] = [
      chunk({ role: "assistant", content: said.text ? "" : null, refusal: null }),
      ...(said.thinking ?? []).map((text) => chunk({ reasoning_content: text })),
      ...words,
      ...interleaved(said, seen.calls.length).map((call) => chunk({ tool_calls: [call] })),
    ];
    if (said.dies) {
      return [...parts, { error: { message: WORDS.overloaded, type: "server_error", param: null, code: null } }];
    }
    const last = { ...chunk({}), choices: [], usage: usageOf(said) };
    return [...parts, chunk({}, FINISH[said.finish]), ...(withUsage ? [last] : []), DONE];
  },

  rejection: openAiRejection,
  failure: openAiFailure,
};

/** The calls' deltas, one of each call in turn: the index alone says which call a piece belongs to. */
function interleaved({ calls = [] }: Reply, earlier: number): object[] {
  const begun = calls.map((call, index) => ({ index, id: callId(earlier + index), type: "function", function: { name: call.name, arguments: "" } }));
  // A call without arguments has empty ones.
  const written = calls.map((call) => (call.arguments.length > 0 ? call.arguments : ["{}"]));
  const longest = Math.max(0, ...written.map((pieces) => pieces.length));
  const pieces = Array.from({ length: longest }, (_, at) =>
    written.flatMap((all, index) => (at < all.length ? [{ index, function: { arguments: all[at] } }] : [])));
  return [...begun, ...pieces.flat()];
}

export function authorise(authorization: string | undefined): void {
  if (!/^Bearer \S+$/.test(authorization ?? "")) {
    throw new Rejected("invalid", [], "You didn't provide an API key.", { status: 401, code: "invalid_api_key" });
  }
}

export function knows(model: string, known: string): void {
  if (model !== known) {
    throw new Rejected("invalid", ["model"], `The model \`${model}\` does not exist or you do not have access to it.`, { status: 404, code: "model_not_found" });
  }
}

/** OpenAI's words for what is wrong with a request. */
export function openAiRejection({ kind, path, message, code }: Rejected): object {
  const param = path.length > 0 ? bracketed(path) : null;
  const worded = {
    unknown: { message: `Unknown parameter: '${param}'.`, code: "unknown_parameter" },
    missing: { message: `Missing required parameter: '${param}'.`, code: "missing_required_parameter" },
    invalid: { message: param === null || message.includes("'") ? message : `Invalid '${param}': ${message}.`, code: code ?? null },
  }[kind];
  return { error: { message: worded.message, type: "invalid_request_error", param, code: worded.code } };
}

export function openAiFailure({ status, message }: Failure): object {
  return {
    error: status === 429
      ? { message, type: "tokens", param: null, code: "rate_limit_exceeded" }
      : { message, type: "invalid_request_error", param: "messages", code: "invalid_prompt" },
  };
}

export const strictChat = (model?: Model) => serve(server, model);
