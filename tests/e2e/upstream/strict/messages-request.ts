// What Anthropic's Messages takes: blocks by role, results right behind their calls, and thoughts with their signatures.
import { anything, base64, closedSchema, flag, integer, knownTypes, list, number, object, oneOf, record, reject, Rejected, tagged, text, textOr, type Check } from "./check.ts";
import { plain } from "./endpoint.ts";
import { imageLabel, type Seen } from "./model.ts";

const TOOL_ID = text({ pattern: /^[a-zA-Z0-9_-]+$/ });
const TOOL_NAME = text({ pattern: /^[a-zA-Z0-9_-]{1,128}$/ });
const cache = { cache_control: record({ "type!": oneOf("ephemeral"), ttl: oneOf("5m", "1h") }) };

const textBlock = record({ "type!": anything, "text!": text({ empty: false }), citations: list(anything), ...cache }, { nulls: true });
const image = record({
  "type!": anything,
  "source!": tagged("type", {
    base64: record({ "type!": anything, "media_type!": oneOf("image/jpeg", "image/png", "image/gif", "image/webp"), "data!": base64 }),
    url: record({ "type!": anything, "url!": text() }),
    file: record({ "type!": anything, "file_id!": text() }),
  }),
  ...cache,
});
const document = record({ "type!": anything, "source!": object, title: text(), context: text(), citations: object, ...cache });
const toolResult = record({
  "type!": anything, "tool_use_id!": TOOL_ID, is_error: flag, content: textOr(list(tagged("type", { text: textBlock, image, document, search_result: anything }))), ...cache,
});
const toolUse = record({ "type!": anything, "id!": TOOL_ID, "name!": TOOL_NAME, "input!": object, caller: object, ...cache });
const thinking = record({ "type!": anything, "thinking!": text(), "signature!": text() });
const redacted = record({ "type!": anything, "data!": text() });

const message = tagged("role", {
  user: record({ "role!": anything, "content!": textOr(list(tagged("type", { text: textBlock, image, document, tool_result: toolResult, search_result: anything })), text({ empty: false })) }),
  assistant: record({ "role!": anything, "content!": textOr(list(tagged("type", { text: textBlock, document, tool_use: toolUse, thinking, redacted_thinking: redacted, server_tool_use: anything, web_search_tool_result: anything })), text({ empty: false })) }),
});

const inputSchema: Check = (schema, path) => {
  object(schema, path);
  knownTypes(schema, path);
  if (schema.type !== "object") {
    reject([...path, "type"], "Input should be 'object'");
  }
  const mixed = ["oneOf", "allOf", "anyOf"].find((name) => name in schema);
  if (mixed) {
    reject(path, "input_schema does not support oneOf, allOf, or anyOf at the top level");
  }
};

const parallel = { disable_parallel_tool_use: flag };

const requestShape = record({
  "model!": text(),
  "max_tokens!": integer(1),
  "messages!": list(message, { min: 1 }),
  system: textOr(list(tagged("type", { text: textBlock }))),
  temperature: number(0, 1), top_p: number(0, 1), top_k: integer(0), stop_sequences: list(text({ empty: false })), stream: flag,
  metadata: record({ user_id: text({ max: 256 }) }, { nulls: true }), service_tier: oneOf("auto", "standard_only"), container: anything, inference_geo: text(), ...cache,
  thinking: tagged("type", {
    enabled: record({ "type!": anything, "budget_tokens!": integer(1024), display: oneOf("summarized", "omitted") }),
    adaptive: record({ "type!": anything, display: oneOf("summarized", "omitted") }),
    disabled: record({ "type!": anything }),
  }),
  output_config: record({
    effort: oneOf("low", "medium", "high", "xhigh", "max"),
    format: tagged("type", { json_schema: record({ "type!": anything, "schema!": (schema, path) => (object(schema, path), closedSchema({ all: false })(schema, path)) }) }),
  }),
  tools: list(tagged("type", {
    custom: record({
      type: anything, "name!": TOOL_NAME, description: text(), "input_schema!": inputSchema, strict: flag, eager_input_streaming: flag,
      defer_loading: flag, allowed_callers: list(text()), input_examples: list(object), ...cache,
    }),
    web_search_20250305: anything, bash_20250124: anything, text_editor_20250728: anything,
  }, "custom")),
  tool_choice: tagged("type", {
    auto: record({ "type!": anything, ...parallel }),
    any: record({ "type!": anything, ...parallel }),
    tool: record({ "type!": anything, "name!": text(), ...parallel }),
    none: record({ "type!": anything }),
  }),
});

/** What the API's version of October 2026 does not take any more. */
function asOfOctober2026(body: any): void {
  const gone = ["temperature", "top_p", "top_k"].find((name) => name in body);
  if (gone) {
    throw new Rejected("unknown", [gone], `unknown field ${gone}`);
  }
  body.messages.forEach((message: any, index: number) => blocksOf(message).forEach((block, at) => {
    if (message.role === "assistant" ? block.type === "document" : block.type === "text" && block.citations?.length > 0) {
      reject(["messages", index, "content", at], message.role === "assistant" ? "`document` blocks are not permitted in `assistant` messages" : "`citations` are not permitted in `user` messages");
    }
  }));
}

export function readMessages(body: any, version: string, ownThought: (thought: string, signature: string) => boolean): Seen {
  requestShape(body, []);
  if (version >= "2026-10-21") {
    asOfOctober2026(body);
  }
  const thinks = body.thinking !== undefined && body.thinking.type !== "disabled";
  if (thinks) {
    withThinking(body);
  }
  if (body.temperature !== undefined && body.top_p !== undefined) {
    reject([], "`temperature` and `top_p` cannot both be specified for this model. Please use only one.");
  }
  if (body.tool_choice !== undefined && !body.tools?.length && body.tool_choice.type !== "none") {
    reject(["tool_choice"], "may only be specified while providing `tools`.");
  }
  const cached = JSON.stringify(body).split('"cache_control":{').length - 1;
  if (cached > 4) {
    reject([], `A maximum of 4 blocks with cache_control may be provided. Found ${cached}.`);
  }
  callsAreAnswered(body.messages, body.thinking?.type === "enabled");
  return seenIn(body, thinks, ownThought);
}

function withThinking(body: any): void {
  if (body.thinking.budget_tokens >= body.max_tokens) {
    reject([], "`max_tokens` must be greater than `thinking.budget_tokens`.");
  }
  if (body.temperature !== undefined && body.temperature !== 1) {
    reject([], "`temperature` may only be set to 1 when thinking is enabled.");
  }
  if (body.top_k !== undefined) {
    reject([], "`top_k` must be unset when thinking is enabled.");
  }
  if (["any", "tool"].includes(body.tool_choice?.type)) {
    reject([], "Thinking may not be enabled when tool_choice forces tool use.");
  }
}

const blocksOf = (message: any): any[] => (typeof message?.content === "string" ? [{ type: "text", text: message.content }] : (message?.content ?? []));

/** Results come right behind their calls and before anything else; where thinking has a budget, calls come behind a thought. */
function callsAreAnswered(messages: any[], budgeted: boolean): void {
  messages.forEach((message, index) => {
    const blocks = blocksOf(message);
    if (blocks.length === 0 && !(message.role === "assistant" && index === messages.length - 1)) {
      reject([`messages.${index}`], "all messages must have non-empty content except for the optional final assistant message");
    }
    if (message.role === "assistant") {
      const next = messages[index + 1];
      const results = next?.role === "user" ? leadingResults(next) : [];
      const missing = blocks.filter(({ type, id }) => type === "tool_use" && !results.includes(id)).map(({ id }) => id);
      if (missing.length > 0) {
        reject([`messages.${index}`], `\`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${missing.join(", ")}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`);
      }
      if (blocks.at(-1)?.type === "text" && index === messages.length - 1 && /\s$/.test(blocks.at(-1).text)) {
        reject([], "messages: final assistant content cannot end with trailing whitespace");
      }
      return;
    }
    const calls = index > 0 && messages[index - 1].role === "assistant" ? blocksOf(messages[index - 1]).filter(({ type }) => type === "tool_use").map(({ id }) => id) : [];
    const seen = new Set<string>();
    blocks.forEach((block, at) => {
      if (block.type === "tool_result" && (!calls.includes(block.tool_use_id) || seen.has(block.tool_use_id))) {
        reject([`messages.${index}.content.${at}`], `unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${block.tool_use_id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`);
      }
      seen.add(block.tool_use_id);
    });
  });
  // The turn that is still going on: its calls were made while thinking.
  const turn = messages.findLastIndex(({ role }) => role === "assistant");
  const blocks = turn < 0 ? [] : blocksOf(messages[turn]);
  if (budgeted && blocks.some(({ type }) => type === "tool_use") && turn === messages.length - 2 && !["thinking", "redacted_thinking"].includes(blocks[0].type)) {
    reject([`messages.${turn}.content.0.type`], `Expected \`thinking\` or \`redacted_thinking\`, but found \`${blocks[0].type}\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block (preceeding the lastmost set of \`tool_use\` and \`tool_result\` blocks).`);
  }
}

/** The ids of the results with which a message begins. */
function leadingResults(message: any): string[] {
  const blocks = blocksOf(message);
  const end = blocks.findIndex(({ type }) => type !== "tool_result");
  return blocks.slice(0, end < 0 ? blocks.length : end).map((block) => block.tool_use_id);
}

function seenIn(body: any, thinks: boolean, ownThought: (thought: string, signature: string) => boolean): Seen {
  const seen: Seen = {
    stream: body.stream === true, userTexts: [], images: [], calls: [], results: [], thoughts: 0, thinking: thinks,
    system: typeof body.system === "string" ? body.system : (body.system ?? []).map((block: any) => block.text).join("\n"),
    tools: (body.tools ?? []).map((tool: any) => tool.name),
    schema: body.output_config?.format?.schema,
    maxTokens: body.max_tokens,
    temperature: body.temperature,
  };
  const see = ({ source }: any) => seen.images.push(source.type === "base64" ? imageLabel(source.media_type, source.data) : source.url);
  body.messages.forEach((message: any, index: number) => blocksOf(message).forEach((block, at) => {
    switch (block.type) {
      case "text":
        if (message.role === "user") {
          seen.userTexts.push(block.text);
        }
        break;
      case "image":
        see(block);
        break;
      case "tool_use":
        seen.calls.push({ id: block.id, name: block.name, args: block.input });
        break;
      case "tool_result": {
        const inner = blocksOf({ content: block.content ?? [] });
        inner.filter(({ type }) => type === "image").forEach(see);
        seen.results.push({ id: block.tool_use_id, text: plain(inner.filter(({ type }) => type === "text").map((it) => it.text).join("")), isError: block.is_error });
        break;
      }
      case "thinking":
        if (!ownThought(block.thinking, block.signature)) {
          reject([`messages.${index}.content.${at}`], "Invalid `signature` in `thinking` block");
        }
        seen.thoughts += 1;
    }
  }));
  return seen;
}
