// What OpenAI's Responses takes: items, the order among them, and the thoughts that are its own.
import { anything, flag, integer, list, number, object, oneOf, record, reject, tagged, text, textOr, type Check, type Path, type RecordOptions } from "./check.ts";
import { imageUrl, jsonText, strictly } from "./chat-request.ts";
import { plain } from "./endpoint.ts";
import { dataUrlLabel, type Seen } from "./model.ts";

const NULLS: RecordOptions = { nulls: true };
const CALL_ID = text({ max: 64, empty: false });
const NAME = text({ pattern: /^[a-zA-Z0-9_-]+$/, max: 64 });

const id = (prefix: string): Check => (value, path) => {
  text({ max: 64 })(value, path);
  if (!value.startsWith(prefix)) {
    reject(path, `Invalid '${String(path.at(-1))}': '${value}'. Expected an ID that begins with '${prefix.slice(0, -1)}'.`, { code: "invalid_value" });
  }
};

const STATUS = oneOf("in_progress", "completed", "incomplete");
const inputText = record({ "type!": anything, "text!": text() });
const inputImage = record({ "type!": anything, image_url: imageUrl, file_id: text(), detail: oneOf("auto", "low", "high", "original") }, NULLS);
const inputFile = record({ "type!": anything, filename: text(), file_data: text(), file_id: text(), file_url: text(), detail: text() }, NULLS);
const inputContent = list(tagged("type", { input_text: inputText, input_image: inputImage, input_file: inputFile }));
const outputContent = list(tagged("type", {
  output_text: record({ "type!": anything, "text!": text(), annotations: list(anything), logprobs: list(anything) }, NULLS),
  refusal: record({ "type!": anything, "refusal!": text() }),
}));

const messageFields = { type: oneOf("message"), "role!": anything, status: STATUS, id: id("msg_"), phase: oneOf("commentary", "final_answer") };
const message = tagged("role", {
  ...Object.fromEntries(["user", "system", "developer"].map((role) => [role, record({ ...messageFields, "content!": textOr(inputContent) }, NULLS)])),
  assistant: record({ ...messageFields, "content!": textOr(outputContent) }, NULLS),
});

const item = tagged("type", {
  message,
  function_call: record({ "type!": anything, id: id("fc_"), "call_id!": CALL_ID, "name!": NAME, "arguments!": jsonText, status: STATUS }, NULLS),
  function_call_output: record({ "type!": anything, id: id("fc_"), "call_id!": CALL_ID, "output!": textOr(inputContent), status: STATUS }, NULLS),
  reasoning: record({
    "type!": anything, "id!": id("rs_"), "summary!": list(record({ "type!": oneOf("summary_text"), "text!": text() })),
    content: list(record({ "type!": oneOf("reasoning_text"), "text!": text() })), encrypted_content: text(), status: STATUS,
  }, NULLS),
  item_reference: record({ type: anything, "id!": text() }),
}, "message");

const INCLUDE = [
  "file_search_call.results", "web_search_call.results", "web_search_call.action.sources", "message.input_image.image_url",
  "computer_call_output.output.image_url", "code_interpreter_call.outputs", "reasoning.encrypted_content", "message.output_text.logprobs",
];
const namedTool = record({ "type!": oneOf("function"), "name!": NAME });

const requestShape = record(
  {
    "model!": text(),
    "input!": textOr(list(item, { min: 1 })),
    instructions: text(), max_output_tokens: integer(16), max_tool_calls: integer(1), temperature: number(0, 2), top_p: number(0, 1), top_logprobs: integer(0, 20),
    stream: flag, stream_options: record({ include_obfuscation: flag }), store: flag, background: flag, truncation: oneOf("auto", "disabled"),
    include: list(oneOf(...INCLUDE)), metadata: object, previous_response_id: text(), conversation: anything, prompt: object,
    reasoning: record({ effort: oneOf("none", "minimal", "low", "medium", "high", "xhigh"), summary: oneOf("auto", "concise", "detailed"), generate_summary: text() }, NULLS),
    text: record({
      verbosity: oneOf("low", "medium", "high"),
      format: tagged("type", {
        text: record({ "type!": anything }),
        json_object: record({ "type!": anything }),
        json_schema: strictly(record({ "type!": anything, "name!": NAME, "schema!": object, description: text(), strict: flag }, NULLS), "schema"),
      }),
    }, NULLS),
    tools: list(tagged("type", {
      function: strictly(record({ "type!": anything, "name!": NAME, description: text(), parameters: object, strict: flag }, NULLS), "parameters"),
      web_search: anything, web_search_preview: anything, code_interpreter: anything, file_search: anything, image_generation: anything, mcp: anything, custom: anything,
    }), { max: 128 }),
    tool_choice: textOr(tagged("type", { function: namedTool, allowed_tools: record({ "type!": anything, "mode!": oneOf("auto", "required"), "tools!": list(namedTool) }) }), oneOf("none", "auto", "required")),
    parallel_tool_calls: flag,
    user: text(), safety_identifier: text({ max: 64 }), prompt_cache_key: text(), prompt_cache_retention: text(), service_tier: oneOf("auto", "default", "flex", "scale", "priority"),
  },
  NULLS,
);

export interface Memory {
  /** A stored item of an earlier answer. */
  item(id: string): any;
  /** The items of a stored answer. */
  response(id: string): any[] | undefined;
  /** Whether this is a thought encrypted here. */
  opens(encrypted: string): boolean;
}

export function readResponses(body: any, memory: Memory): Seen {
  requestShape(body, []);
  const given: any[] = typeof body.input === "string" ? [{ role: "user", content: body.input }] : body.input;
  const earlier = body.previous_response_id == null ? [] : memory.response(body.previous_response_id);
  if (!earlier) {
    reject(["previous_response_id"], `Previous response with id '${body.previous_response_id}' not found.`, { code: "previous_response_not_found" });
  }
  const resolved = given.map((it, index) => resolve(it, ["input", index], memory));
  const items = [...earlier, ...resolved];
  inOrder(items, memory);
  return seenIn(body, items, memory);
}

/** What a reference refers to; thoughts without their contents are references too. */
function resolve(it: any, path: Path, memory: Memory): any {
  const refers = it.type === "item_reference" || (it.type === "reasoning" && it.encrypted_content == null);
  const found = refers ? memory.item(it.id) : it;
  if (!found) {
    reject(path.slice(0, 1), `Item with id '${it.id}' not found. Items are not persisted when \`store\` is set to false.`, { status: 404 });
  }
  return found;
}

/** Each call has its output and the other way round; a thought is followed by what came of it. */
function inOrder(items: any[], memory: Memory): void {
  const calls = new Set<string>();
  const outputs = new Set(items.filter(({ type }) => type === "function_call_output").map((it) => it.call_id));
  items.forEach((it, index) => {
    if (it.type === "function_call") {
      calls.add(it.call_id);
      if (!outputs.has(it.call_id)) {
        reject(["input"], `No tool output found for function call '${it.call_id}'.`);
      }
    }
    if (it.type === "function_call_output" && !calls.has(it.call_id)) {
      reject(["input"], `No tool call found for function call output with call_id '${it.call_id}'.`);
    }
    if (it.type === "reasoning") {
      if (it.encrypted_content != null && !memory.opens(it.encrypted_content)) {
        reject(["input", index], `The encrypted content '${it.encrypted_content.slice(0, 4)}...' could not be verified. Reason: Encrypted content could not be decrypted or parsed.`, { code: "invalid_encrypted_content" });
      }
      const next = items[index + 1];
      if (!next || (next.role !== undefined && next.role !== "assistant") || next.type === "function_call_output") {
        reject(["input"], `Item '${it.id}' of type 'reasoning' was provided without its required following item.`);
      }
    }
  });
}

function seenIn(body: any, items: any[], memory: Memory): Seen {
  const seen: Seen = {
    stream: body.stream === true, system: body.instructions ?? "", userTexts: [], images: [], calls: [], results: [], thoughts: 0,
    tools: (body.tools ?? []).map((tool: any) => tool.name),
    thinking: body.reasoning != null && (body.reasoning.effort != null || body.reasoning.summary != null) && body.reasoning.effort !== "none",
    schema: body.text?.format?.schema,
    maxTokens: body.max_output_tokens ?? undefined,
    temperature: body.temperature ?? undefined,
  };
  const look = (content: any): string[] => {
    const parts: any[] = typeof content === "string" ? [{ type: "input_text", text: content }] : content;
    seen.images.push(...parts.filter(({ type }) => type === "input_image").map(({ image_url: url }) => dataUrlLabel(url ?? "") ?? String(url)));
    return parts.filter(({ type }) => type === "input_text").map((part) => part.text);
  };
  for (const it of items) {
    if (it.type === "function_call") {
      seen.calls.push({ id: it.call_id, name: it.name, args: JSON.parse(it.arguments) });
    } else if (it.type === "function_call_output") {
      seen.results.push({ id: it.call_id, text: plain(look(it.output).join("")) });
    } else if (it.type === "reasoning") {
      seen.thoughts += it.encrypted_content == null || memory.opens(it.encrypted_content) ? 1 : 0;
    } else if (it.role === "user") {
      seen.userTexts.push(...look(it.content));
    } else if (it.role !== "assistant") {
      seen.system = [seen.system, ...look(it.content)].filter(Boolean).join("\n");
    }
  }
  return seen;
}
