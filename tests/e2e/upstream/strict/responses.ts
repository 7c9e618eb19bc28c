// The strict upstream that speaks OpenAI's Responses: items with ids, every event numbered, answers stored where not declined.
import { authorise, knows, openAiFailure, openAiId, openAiRejection } from "./chat.ts";
import { Rejected } from "./check.ts";
import { jsonOf, serve, type DialectServer, type Reading } from "./endpoint.ts";
import { USAGE, WORDS, type Model, type Reply } from "./model.ts";
import { readResponses, type Memory } from "./responses-request.ts";
import { Seal } from "./seal.ts";

export const RESPONSES_MODEL = "strict-responses-1";

const callId = (index: number) => openAiId("call_", `responses ${index}`, 24);
const ENCRYPTED = "gAAAAA";

/** Thoughts are sealed with this; answers are kept here. */
class Store implements Memory {
  readonly #seal = new Seal(700);
  readonly #items = new Map<string, any>();
  readonly #responses = new Map<string, any[]>();
  #count = 0;

  encrypt = (thought: string): string => ENCRYPTED + this.#seal.of(thought).toString("base64url");
  opens = (encrypted: string): boolean => encrypted.startsWith(ENCRYPTED) && this.#seal.opens(Buffer.from(encrypted.slice(ENCRYPTED.length), "base64url"));
  item = (id: string): any => this.#items.get(id);
  response = (id: string): any[] | undefined => this.#responses.get(id);
  next = (): string => openAiId("resp_", `response ${++this.#count} ${Math.random()}`, 48);

  keep(id: string, input: unknown, output: any[]): void {
    output.forEach((item) => this.#items.set(item.id, item));
    this.#responses.set(id, [...(typeof input === "string" ? [{ role: "user", content: input }] : (input as any[])), ...output]);
  }
}

const finished = (said: Reply) => ({
  status: said.finish === "max_tokens" || said.finish === "filter" ? "incomplete" : "completed",
  incomplete_details: said.finish === "max_tokens" ? { reason: "max_output_tokens" } : said.finish === "filter" ? { reason: "content_filter" } : null,
});

const usageOf = (said: Reply) => ({
  input_tokens: USAGE.input,
  input_tokens_details: { cached_tokens: USAGE.cached },
  output_tokens: USAGE.output,
  output_tokens_details: { reasoning_tokens: said.thinking ? USAGE.reasoning : 0 },
  total_tokens: USAGE.input + USAGE.output,
});

/** A response's fields, all of which the API gives every time. */
function envelope(request: any, id: string, changed: object): any {
  return {
    id, object: "response", created_at: 1_785_000_000, status: "in_progress", background: false, completed_at: null, error: null, frequency_penalty: 0,
    incomplete_details: null, instructions: request.instructions ?? null, max_output_tokens: request.max_output_tokens ?? null, max_tool_calls: null,
    model: request.model, moderation: null, output: [], parallel_tool_calls: request.parallel_tool_calls ?? true, presence_penalty: 0,
    previous_response_id: request.previous_response_id ?? null, prompt_cache_key: null, prompt_cache_retention: "in_memory",
    reasoning: { context: "current_turn", effort: request.reasoning?.effort ?? null, summary: request.reasoning?.summary ?? null }, safety_identifier: null,
    service_tier: "default", store: request.store ?? true, temperature: request.temperature ?? 1, text: { format: { type: "text" }, verbosity: "medium", ...request.text },
    tool_choice: request.tool_choice ?? "auto", tools: request.tools ?? [], top_logprobs: 0, top_p: request.top_p ?? 1, truncation: "disabled", usage: null, user: null, metadata: {},
    ...changed,
  };
}

/** The items of an answer, as they are when they are done. */
function itemsOf(said: Reply, { request, seen }: Reading<any>, store: Store, id: string): any[] {
  const itemId = (prefix: string, index: number) => openAiId(prefix, `${id} ${index}`, 48);
  const encrypted = request.include?.includes("reasoning.encrypted_content");
  const thought = said.thinking?.join("");
  // A summary is shown only to who asks for it; the thought itself never.
  const summary = thought && request.reasoning?.summary ? [{ type: "summary_text", text: thought }] : [];
  const words = said.text?.join("") ?? "";
  return [
    ...(thought ? [{ id: itemId("rs_", 0), type: "reasoning", content: [], ...(encrypted && { encrypted_content: store.encrypt(thought) }), summary }] : []),
    ...(said.text
      ? [{
          id: itemId("msg_", 1), type: "message", status: finished(said).status, role: "assistant",
          content: [said.finish === "refusal" ? { type: "refusal", refusal: words } : { type: "output_text", annotations: [], logprobs: [], text: words }],
        }]
      : []),
    ...(said.calls ?? []).map((call, index) => ({
      id: itemId("fc_", index + 2), type: "function_call", status: "completed", arguments: call.arguments.join("") || "{}", call_id: callId(seen.calls.length + index), name: call.name,
    })),
  ];
}

function remember(store: Store, request: any, id: string, output: any[]): void {
  if (request.store !== false) {
    store.keep(id, request.input, output);
  }
}

function events(said: Reply, reading: Reading<any>, store: Store): any[] {
  const { request } = reading;
  const id = store.next();
  const output = itemsOf(said, reading, store, id);
  const body = [
    ...["created", "in_progress"].map((state) => ({ type: `response.${state}`, response: envelope(request, id, {}) })),
    ...output.filter(({ type }) => type === "reasoning").flatMap((item) => thoughtEvents(item, said)),
    ...output.flatMap((item, index) => (item.type === "message" ? messageEvents(item, index, said) : [])),
    ...callEvents(output, said),
  ];
  if (said.dies) {
    const error = { code: "server_error", message: WORDS.overloaded };
    return [...body, { type: "error", error: { type: "server_error", ...error, param: null } }, { type: "response.failed", response: envelope(request, id, { status: "failed", error }) }];
  }
  remember(store, request, id, output);
  const done = envelope(request, id, { ...finished(said), output, usage: usageOf(said), completed_at: 1_785_000_002 });
  return [...body, { type: `response.${done.status}`, response: done }];
}

function thoughtEvents(item: any, said: Reply): object[] {
  const at = { item_id: item.id, output_index: 0, summary_index: 0 };
  const text = said.thinking!.join("");
  return [
    { type: "response.output_item.added", item: { ...item, summary: [] }, output_index: 0 },
    ...(item.summary.length === 0 ? [] : [
      { type: "response.reasoning_summary_part.added", ...at, part: { type: "summary_text", text: "" } },
      ...said.thinking!.map((delta) => ({ type: "response.reasoning_summary_text.delta", ...at, delta, obfuscation: "x" })),
      { type: "response.reasoning_summary_text.done", ...at, text },
      { type: "response.reasoning_summary_part.done", ...at, part: { type: "summary_text", text } },
    ]),
    { type: "response.output_item.done", item, output_index: 0 },
  ];
}

function messageEvents(item: any, output_index: number, said: Reply): object[] {
  const at = { item_id: item.id, output_index, content_index: 0 };
  const part = item.content[0];
  const refused = part.type === "refusal";
  const text = said.text!.join("");
  const begun = [
    { type: "response.output_item.added", item: { ...item, status: "in_progress", content: [] }, output_index },
    { type: "response.content_part.added", ...at, part: refused ? { type: "refusal", refusal: "" } : { ...part, text: "" } },
    ...said.text!.map((delta) => (refused ? { type: "response.refusal.delta", ...at, delta } : { type: "response.output_text.delta", ...at, delta, logprobs: [], obfuscation: "x" })),
  ];
  return said.dies ? begun : [
    ...begun,
    refused ? { type: "response.refusal.done", ...at, refusal: text } : { type: "response.output_text.done", ...at, text, logprobs: [] },
    { type: "response.content_part.done", ...at, part },
    { type: "response.output_item.done", item, output_index },
  ];
}

/** The calls' events, one of each call in turn: only `output_index` and `item_id` say which call a piece belongs to. */
function callEvents(output: any[], said: Reply): object[] {
  const calls = (said.calls ?? []).map((call) => call.arguments.length > 0 ? call.arguments : ["{}"]);
  const items = output.flatMap((item, output_index) => (item.type === "function_call" ? [{ item, output_index }] : []));
  const longest = Math.max(0, ...calls.map((pieces) => pieces.length));
  return [
    ...items.map(({ item, output_index }) => ({ type: "response.output_item.added", item: { ...item, status: "in_progress", arguments: "" }, output_index })),
    ...Array.from({ length: longest }, (_, at) => items.flatMap(({ item, output_index }, index) => {
      const delta = calls[index]![at];
      return delta === undefined ? [] : [{ type: "response.function_call_arguments.delta", item_id: item.id, output_index, delta, obfuscation: "x" }];
    })).flat(),
    ...items.flatMap(({ item, output_index }) => [
      { type: "response.function_call_arguments.done", item_id: item.id, output_index, arguments: item.arguments },
      { type: "response.output_item.done", item, output_index },
    ]),
  ];
}

const server = (store: Store): DialectServer<any> => ({
  read(exchange) {
    if (exchange.path !== "/v1/responses" || exchange.method !== "POST") {
      throw new Rejected("invalid", [], `Invalid URL (${exchange.method} ${exchange.path})`, { status: 404 });
    }
    authorise(exchange.headers.authorization);
    const request = jsonOf(exchange);
    const seen = readResponses(request, store);
    knows(request.model, RESPONSES_MODEL);
    return { request, seen };
  },
  callId: (_seen, index) => callId(index),
  whole(said, reading) {
    const { request } = reading;
    const id = store.next();
    const output = itemsOf(said, reading, store, id);
    remember(store, request, id, output);
    return envelope(request, id, { ...finished(said), output, usage: usageOf(said), completed_at: 1_785_000_002 });
  },
  parts: (said, reading) =>
    events(said, reading, store).map((event, sequence_number) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number })}\n\n`),
  rejection: openAiRejection,
  failure: openAiFailure,
});

export const strictResponses = (model?: Model) => serve(server(new Store()), model);
