// What OpenAI's API answers with, as objects: completions, chunks, embeddings, models, errors.

/** What the upstream says a call used, unless a test says otherwise. */
export const USAGE = {
  prompt_tokens: 21,
  completion_tokens: 9,
  total_tokens: 30,
  prompt_tokens_details: { cached_tokens: 5, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 2, audio_tokens: 0 },
};

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

export function completion(model: string, content: string | null, extra: { usage?: unknown; toolCalls?: ToolCall[] } = {}) {
  const toolCalls = extra.toolCalls?.map(({ id, name, arguments: text }) => ({
    id, type: "function", function: { name, arguments: text },
  }));
  return {
    id: "chatcmpl-e2e",
    object: "chat.completion",
    created: 1_767_225_600,
    model: `${model}-2026-01-01`,
    choices: [{
      index: 0,
      message: { role: "assistant", content, refusal: null, annotations: [], ...(toolCalls && { tool_calls: toolCalls }) },
      logprobs: null,
      finish_reason: toolCalls ? "tool_calls" : "stop",
    }],
    ...(extra.usage === null ? {} : { usage: extra.usage ?? USAGE }),
    service_tier: "default",
    system_fingerprint: "fp_e2e",
  };
}

/** A chunk of a stream; `delta` is its only choice's delta. */
export function chunk(delta: object, finish: string | null = null, extra: object = {}) {
  return {
    id: "chatcmpl-e2e",
    object: "chat.completion.chunk",
    created: 1_767_225_600,
    model: "e2e-2026-01-01",
    service_tier: "default",
    system_fingerprint: "fp_e2e",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...extra,
  };
}

export const role = () => chunk({ role: "assistant", content: "", refusal: null });
export const content = (text: string) => chunk({ content: text });
export const finish = (reason = "stop") => chunk({}, reason);
export const usageChunk = (usage: unknown = USAGE) => ({ ...chunk({}), choices: [], usage });
/** What Azure sends first: no choice, only what its filter thinks of the prompt. */
export const azureFirst = () => ({
  choices: [], created: 0, id: "", model: "", object: "",
  prompt_filter_results: [{ prompt_index: 0, content_filter_results: { hate: { filtered: false, severity: "safe" } } }],
});
export const toolDelta = (index: number, part: { id?: string; name?: string; arguments?: string }) =>
  chunk({
    tool_calls: [{
      index,
      ...(part.id && { id: part.id, type: "function" }),
      function: { ...(part.name && { name: part.name }), arguments: part.arguments ?? "" },
    }],
  });

export function errorBody(message: string, type = "server_error", code: string | null = null, param: string | null = null) {
  return { error: { message, type, param, code } };
}

export function embeddings(model: string, inputs: number, format: string) {
  const vector = [0.25, -0.5, 1];
  const bytes = Buffer.from(new Float32Array(vector).buffer).toString("base64");
  return {
    object: "list",
    data: Array.from({ length: inputs }, (_, index) => ({
      object: "embedding", index, embedding: format === "base64" ? bytes : vector,
    })),
    model,
    usage: { prompt_tokens: 4 * inputs, total_tokens: 4 * inputs },
  };
}
