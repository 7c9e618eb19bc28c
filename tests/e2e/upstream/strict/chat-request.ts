// What Chat Completions takes: OpenAI's request, with the `reasoning_content` of the compatible APIs that show thoughts.
import { anything, closedSchema, flag, integer, knownTypes, list, number, object, oneOf, record, reject, Rejected, tagged, text, textOr, type Check, type RecordOptions } from "./check.ts";
import { dataUrlLabel, type Seen } from "./model.ts";
import { plain } from "./endpoint.ts";

const NULLS: RecordOptions = { nulls: true };
/** OpenAI's limit for ids of tool calls in Chat Completions. */
const CALL_ID = text({ max: 40 });
const FUNCTION_NAME = text({ pattern: /^[a-zA-Z0-9_-]+$/, max: 64 });

/** A data URL of whole base64, or a URL. */
export const imageUrl: Check = (value, path) => {
  text()(value, path);
  if (!/^https?:\/\//.test(value) && !dataUrlLabel(value)) {
    reject(path, `Invalid base64 image_url`, { code: "invalid_image_url" });
  }
};

/** JSON as text: the arguments of a call. */
export const jsonText: Check = (value, path) => {
  text()(value, path);
  try {
    object(JSON.parse(value), path);
  } catch {
    reject(path, "expected a JSON object as a string");
  }
};

const strictSchema: Check = (schema, path) => {
  object(schema, path);
  closedSchema({ all: true })(schema, path);
};

/** The schema of a format or a tool is JSON schema; where strictness is asked for, it is held to it. */
export function strictly(check: Check, schemaField: string): Check {
  return (value, path) => {
    check(value, path);
    knownTypes(value[schemaField], [...path, schemaField]);
    if (value.strict === true) {
      strictSchema(value[schemaField], [...path, schemaField]);
    }
  };
}

const textPart = record({ "type!": anything, "text!": text() });
const userPart = tagged("type", {
  text: textPart,
  image_url: record({ "type!": anything, "image_url!": record({ "url!": imageUrl, detail: oneOf("auto", "low", "high") }) }),
  input_audio: record({ "type!": anything, "input_audio!": record({ "data!": text(), "format!": oneOf("wav", "mp3") }) }),
  file: record({ "type!": anything, "file!": record({ filename: text(), file_data: text(), file_id: text() }) }),
});
const texts = textOr(list(tagged("type", { text: textPart }), { min: 1 }));
const functionCall = record({ "id!": CALL_ID, "type!": oneOf("function"), "function!": record({ "name!": FUNCTION_NAME, "arguments!": jsonText }) });

const message = tagged("role", {
  system: record({ "role!": anything, "content!": texts, name: text() }),
  developer: record({ "role!": anything, "content!": texts, name: text() }),
  user: record({ "role!": anything, "content!": textOr(list(userPart, { min: 1 })), name: text() }),
  assistant: record(
    {
      "role!": anything,
      content: textOr(list(tagged("type", { text: textPart, refusal: record({ "type!": anything, "refusal!": text() }) }), { min: 1 })),
      refusal: text(), name: text(), audio: object, annotations: list(anything), tool_calls: list(functionCall, { min: 1 }), reasoning_content: text(),
    },
    NULLS,
  ),
  // Text only: Chat Completions takes no image in a tool's answer.
  tool: record({ "role!": anything, "content!": texts, "tool_call_id!": CALL_ID }),
});

const named = record({ "type!": oneOf("function"), "function!": record({ "name!": FUNCTION_NAME }) });

const requestShape = record(
  {
    "model!": text(),
    "messages!": list(message, { min: 1 }),
    max_tokens: integer(1), max_completion_tokens: integer(1),
    temperature: number(0, 2), top_p: number(0, 1), frequency_penalty: number(-2, 2), presence_penalty: number(-2, 2),
    n: integer(1, 128), seed: integer(), stop: textOr(list(text(), { min: 1, max: 4 })), logit_bias: object, logprobs: flag, top_logprobs: integer(0, 20),
    stream: flag, stream_options: record({ include_usage: flag, include_obfuscation: flag }, NULLS),
    tools: list(tagged("type", { function: record({ "type!": anything, "function!": strictly(record({ "name!": FUNCTION_NAME, description: text(), parameters: object, strict: flag }, NULLS), "parameters") }) }), { min: 1, max: 128 }),
    tool_choice: textOr(tagged("type", { function: named, allowed_tools: record({ "type!": anything, "allowed_tools!": record({ "mode!": oneOf("auto", "required"), "tools!": list(named) }) }) }), oneOf("none", "auto", "required")),
    parallel_tool_calls: flag,
    response_format: tagged("type", {
      text: record({ "type!": anything }),
      json_object: record({ "type!": anything }),
      json_schema: record({ "type!": anything, "json_schema!": strictly(record({ "name!": FUNCTION_NAME, description: text(), schema: object, strict: flag }, NULLS), "schema") }),
    }),
    reasoning_effort: oneOf("none", "minimal", "low", "medium", "high", "xhigh"), verbosity: oneOf("low", "medium", "high"),
    user: text(), safety_identifier: text(), prompt_cache_key: text(), prompt_cache_retention: text(), metadata: object, store: flag,
    service_tier: oneOf("auto", "default", "flex", "scale", "priority"), modalities: list(text()), audio: object, prediction: object, web_search_options: object,
  },
  NULLS,
);

/** Checks a request and says what it says. `ownThought` tells a thought that this upstream had. */
export function readChat(body: any, ownThought: (text: string) => boolean): Seen {
  requestShape(body, []);
  if (body.max_tokens != null && body.max_completion_tokens != null) {
    reject(["max_tokens"], "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported", { code: "invalid_parameter_combination" });
  }
  if (body.stream_options != null && body.stream !== true) {
    reject(["stream_options"], "The 'stream_options' parameter is only allowed when 'stream' is enabled");
  }
  for (const name of ["tool_choice", "parallel_tool_calls"]) {
    if (body[name] != null && body.tools == null) {
      reject([name], `'${name}' is only allowed when 'tools' are specified`);
    }
  }
  callsAreAnswered(body.messages);
  return seenIn(body, ownThought);
}

/** Each call is answered, right behind its turn, and nothing else is. */
function callsAreAnswered(messages: any[]): void {
  let open = new Set<string>();
  let behindCalls = false;
  messages.forEach((message, index) => {
    const path = ["messages", index];
    if (message.role === "tool") {
      if (!behindCalls) {
        reject([...path, "role"], "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.");
      }
      if (!open.delete(message.tool_call_id)) {
        reject([...path, "tool_call_id"], `'tool_call_id' of '${message.tool_call_id}' not found in 'tool_calls' of previous message.`);
      }
      return;
    }
    allAnswered(open, index);
    behindCalls = message.role === "assistant" && Array.isArray(message.tool_calls);
    open = new Set(behindCalls ? message.tool_calls.map(({ id }: { id: string }) => id) : []);
    if (message.role === "assistant" && message.content == null && message.refusal == null && !behindCalls) {
      reject([...path, "content"], "expected a string, got null.");
    }
  });
  allAnswered(open, messages.length);
}

function allAnswered(open: Set<string>, index: number): void {
  if (open.size > 0) {
    reject(["messages", index - 1], `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...open].join(", ")}`);
  }
}

function seenIn(body: any, ownThought: (text: string) => boolean): Seen {
  const seen: Seen = {
    stream: body.stream === true, system: "", userTexts: [], images: [], calls: [], results: [], thoughts: 0,
    tools: (body.tools ?? []).map((tool: any) => tool.function.name),
    thinking: body.reasoning_effort != null && body.reasoning_effort !== "none",
    schema: body.response_format?.json_schema?.schema,
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
    temperature: body.temperature ?? undefined,
  };
  body.messages.forEach((message: any, index: number) => {
    const parts: any[] = typeof message.content === "string" ? [{ type: "text", text: message.content }] : (message.content ?? []);
    const words = parts.filter(({ type }) => type === "text").map((part) => part.text);
    switch (message.role) {
      case "system":
      case "developer":
        seen.system = [seen.system, ...words].filter(Boolean).join("\n");
        break;
      case "user":
        seen.userTexts.push(...words);
        seen.images.push(...parts.filter(({ type }) => type === "image_url").map(({ image_url: { url } }) => dataUrlLabel(url) ?? url));
        break;
      case "assistant":
        seen.calls.push(...(message.tool_calls ?? []).map(({ id, function: { name, arguments: args } }: any) => ({ id, name, args: JSON.parse(args) })));
        if (message.reasoning_content != null) {
          // The API that shows thoughts takes its own back; to another's it says what OpenAI's says to all.
          if (!ownThought(message.reasoning_content)) {
            throw new Rejected("unknown", ["messages", index, "reasoning_content"], "not a thought of this API");
          }
          seen.thoughts += 1;
        }
        break;
      case "tool":
        seen.results.push({ id: message.tool_call_id, text: plain(words.join("")) });
    }
  });
  return seen;
}
