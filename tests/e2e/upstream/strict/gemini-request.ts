// What Gemini's generateContent takes: turns of parts, functions answered turn by turn, a subset of JSON schema.
import { anything, eitherBase64, flag, integer, list, number, object, oneOf, record, reject, text, type Check, type RecordOptions } from "./check.ts";
import { plain } from "./endpoint.ts";
import { imageLabel, type Seen } from "./model.ts";

/** Google's JSON takes both spellings of a name, and null for what is not there. */
const BOTH: RecordOptions = { snake: true, nulls: true };
const shape = (fields: Record<string, Check>) => record(fields, BOTH);

const TYPES = ["string", "number", "integer", "boolean", "array", "object", "null"];
const functionName = text({ pattern: /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$/ });

/** Google's JSON takes one of something for a list of it. */
const oneOrMore = (each: Check): Check => (value, path) => (Array.isArray(value) ? list(each, { min: 1 }) : each)(value, path);

/** The subset of JSON schema that `parameters` and `responseSchema` take. */
const schema: Check = (value, path) => {
  shape({
    type: (type, at) => oneOf(...TYPES, ...TYPES.map((name) => name.toUpperCase()))(type, at),
    format: text(), title: text(), description: text(), nullable: flag, enum: list(text()), maxItems: anything, minItems: anything, properties: object,
    required: list(text()), minProperties: anything, maxProperties: anything, minLength: anything, maxLength: anything, pattern: text(), example: anything,
    anyOf: list(anything), propertyOrdering: list(text()), default: anything, items: anything, minimum: number(), maximum: number(),
  })(value, path);
  const type = value.type?.toLowerCase();
  if (type === "object" && Object.keys(value.properties ?? {}).length === 0 && !value.anyOf) {
    reject([...path, "properties"], "should be non-empty for OBJECT type");
  }
  if (type === "array" && value.items === undefined) {
    reject([...path, "items"], "missing field.");
  }
  if (value.enum !== undefined && type !== "string") {
    reject([...path, "enum"], "only allowed for STRING type");
  }
  if (type === "string" && value.format !== undefined && !["enum", "date-time"].includes(value.format)) {
    reject([...path, "format"], "only 'enum' and 'date-time' are supported for STRING type");
  }
  for (const [index, name] of (value.required ?? []).entries()) {
    if (!Object.hasOwn(value.properties ?? {}, name)) {
      reject([...path, "required", index], "property is not defined");
    }
  }
  Object.entries(value.properties ?? {}).forEach(([name, inner]) => schema(inner, [...path, "properties", name]));
  (value.anyOf ?? []).forEach((inner: unknown, index: number) => schema(inner, [...path, "any_of", index]));
  if (value.items !== undefined) {
    schema(value.items, [...path, "items"]);
  }
};

const blob = shape({ "mimeType!": text({ empty: false }), "data!": eitherBase64, displayName: text() });
const DATA = ["text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult"];

const part: Check = (value, path) => {
  shape({
    text: text(), thought: flag, thoughtSignature: eitherBase64, inlineData: blob, fileData: shape({ "fileUri!": text(), mimeType: text() }),
    functionCall: shape({ "name!": functionName, args: object, id: text() }),
    functionResponse: shape({
      "name!": functionName, "response!": object, id: text(), willContinue: flag, scheduling: text(), parts: list(shape({ "inlineData!": blob })),
    }),
    executableCode: object, codeExecutionResult: object, videoMetadata: object, partMetadata: object, mediaResolution: anything,
  })(value, path);
  // A signature may come with a part that holds nothing else.
  const held = DATA.filter((name) => value[name] !== undefined);
  if (held.length > 1 || (held.length === 0 && value.thoughtSignature === undefined)) {
    reject([...path, "data"], "required oneof field 'data' must have one initialized field");
  }
};

const content = shape({ role: oneOf("user", "model"), "parts!": list(part, { min: 1 }) });

const requestShape = shape({
  "contents!": list(content, { min: 1 }),
  model: text(),
  systemInstruction: shape({ role: text(), "parts!": oneOrMore(shape({ "text!": text() })) }),
  tools: list(shape({
    functionDeclarations: list((value, path) => {
      shape({ "name!": functionName, description: text(), parameters: schema, parametersJsonSchema: object, response: schema, responseJsonSchema: object, behavior: text() })(value, path);
      if (value.parameters != null && value.parametersJsonSchema != null) {
        reject(path, "parameters and parameters_json_schema are mutually exclusive");
      }
    }),
    googleSearch: object, codeExecution: object, urlContext: object, googleSearchRetrieval: object, computerUse: object,
  })),
  toolConfig: shape({ functionCallingConfig: shape({ mode: oneOf("AUTO", "ANY", "NONE", "VALIDATED"), allowedFunctionNames: list(text()) }), retrievalConfig: object, includeServerSideToolInvocations: flag }),
  safetySettings: list(shape({ "category!": text(), "threshold!": text() })),
  cachedContent: text(), store: flag, serviceTier: text(), labels: object,
  generationConfig: shape({
    temperature: number(0, 2), topP: number(0, 1), topK: integer(1), candidateCount: integer(1, 8), maxOutputTokens: integer(1), stopSequences: list(text(), { max: 5 }),
    presencePenalty: number(-2, 2), frequencyPenalty: number(-2, 2), seed: integer(), responseLogprobs: flag, logprobs: integer(0, 20),
    responseMimeType: oneOf("text/plain", "application/json", "text/x.enum"), responseSchema: schema, responseJsonSchema: object, responseModalities: list(text()),
    thinkingConfig: shape({ includeThoughts: flag, thinkingBudget: integer(-1, 32_768), thinkingLevel: oneOf("MINIMAL", "LOW", "MEDIUM", "HIGH", "minimal", "low", "medium", "high") }),
    mediaResolution: text(), speechConfig: object, imageConfig: object,
  }),
});

/** What Google's own guide says to send for calls that another model made. */
const FOREIGN = ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];
const isForeign = (signature: string) => FOREIGN.some((words) => signature === words || signature === Buffer.from(words).toString("base64"));

export function readGemini(body: any, stream: boolean, ownThought: (signature: string) => boolean): Seen {
  // Google's words for a foreign call's signature are no base64 by themselves, and are taken as they are.
  const foreign = new Set<any>();
  for (const held of (body.contents ?? []).flatMap((turn: any) => turn?.parts ?? [])) {
    const name = held?.thoughtSignature === undefined ? "thought_signature" : "thoughtSignature";
    if (typeof held?.[name] === "string" && isForeign(held[name])) {
      delete held[name];
      foreign.add(held);
    }
  }
  requestShape(body, []);
  const config = body.generationConfig ?? {};
  if ((config.responseSchema ?? config.responseJsonSchema) != null && config.responseMimeType !== "application/json") {
    reject(["generation_config", "response_mime_type"], "must be application/json when a response schema is given");
  }
  if (config.responseSchema != null && config.responseJsonSchema != null) {
    reject(["generation_config"], "response_schema and response_json_schema are mutually exclusive");
  }
  if (config.thinkingConfig?.thinkingBudget != null && config.thinkingConfig?.thinkingLevel != null) {
    reject([], "You can only set only one of thinking budget and thinking level.");
  }
  if (body.toolConfig?.functionCallingConfig?.allowedFunctionNames?.length && body.toolConfig.functionCallingConfig.mode !== "ANY") {
    reject(["tool_config"], "Function calling config allowed_function_names is only allowed with mode ANY.");
  }
  const turns = turnsOf(body.contents);
  callsAreAnswered(turns, ownThought, foreign);
  return seenIn(body, turns, stream, ownThought);
}

interface Turn {
  role: "user" | "model";
  parts: any[];
}

/** Neighbours of the same role are one turn: so Google's own client sends what it got as a stream. */
function turnsOf(contents: any[]): Turn[] {
  const turns: Turn[] = [];
  for (const { role = "user", parts } of contents) {
    const last = turns.at(-1);
    if (last?.role === role) {
      last!.parts.push(...parts);
    } else {
      turns.push({ role, parts: [...parts] });
    }
  }
  return turns;
}

function callsAreAnswered(turns: Turn[], ownThought: (signature: string) => boolean, foreign: Set<any>): void {
  if (turns[0]!.role !== "user") {
    reject([], "Please ensure that multiturn requests start with a user turn.");
  }
  // The current turn began with the last words of the user: only in it are signatures demanded.
  const current = turns.findLastIndex(({ role, parts }) => role === "user" && !parts.some((it) => it.functionResponse));
  turns.forEach(({ role, parts }, index) => {
    const calls = parts.filter((it) => it.functionCall);
    if (role === "user") {
      const answers = parts.filter((it) => it.functionResponse);
      const asked = turns[index - 1]?.parts.filter((it) => it.functionCall) ?? [];
      if (answers.length > 0 && asked.length === 0) {
        reject([], "Please ensure that function response turn comes immediately after a function call turn.");
      }
      if (answers.length !== asked.length) {
        reject([], "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.");
      }
      answers.forEach(({ functionResponse: answer }) => {
        if (!asked.some(({ functionCall: call }) => call.name === answer.name && (call.id == null || answer.id == null || call.id === answer.id))) {
          reject([], `Function response ${answer.name} (${answer.id}) does not match any function call of the function call turn.`);
        }
      });
      return;
    }
    if (calls.length > 0 && index === turns.length - 1) {
      reject([], "Please ensure that function call turn is followed by a function response turn.");
    }
    parts.forEach((it) => {
      if (it.thoughtSignature != null && !ownThought(it.thoughtSignature)) {
        reject([], "Corrupted thought signature.");
      }
    });
    if (index > current && calls.length > 0 && calls[0].thoughtSignature == null && !foreign.has(calls[0])) {
      reject([], `Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call \`${calls[0].functionCall.name}\` , position ${index + 1}.`);
    }
  });
}

function seenIn(body: any, turns: Turn[], stream: boolean, ownThought: (signature: string) => boolean): Seen {
  const config = body.generationConfig ?? {};
  const thinking = config.thinkingConfig;
  const seen: Seen = {
    stream, userTexts: [], images: [], calls: [], results: [], thoughts: 0,
    system: [body.systemInstruction?.parts ?? []].flat().map((it: any) => it.text).join("\n"),
    tools: (body.tools ?? []).flatMap((tool: any) => tool.functionDeclarations ?? []).map(({ name }: any) => name),
    thinking: thinking != null && (thinking.includeThoughts === true || thinking.thinkingLevel != null || thinking.thinkingBudget != null) && thinking.thinkingBudget !== 0,
    schema: config.responseSchema ?? config.responseJsonSchema ?? undefined,
    maxTokens: config.maxOutputTokens ?? undefined,
    temperature: config.temperature ?? undefined,
  };
  const see = ({ mimeType, data }: any) => seen.images.push(imageLabel(mimeType, data));
  for (const { role, parts } of turns) {
    for (const it of parts) {
      seen.thoughts += it.thoughtSignature != null && ownThought(it.thoughtSignature) ? 1 : 0;
      if (it.text !== undefined && role === "user") {
        seen.userTexts.push(it.text);
      } else if (it.inlineData) {
        see(it.inlineData);
      } else if (it.functionCall) {
        seen.calls.push({ id: it.functionCall.id, name: it.functionCall.name, args: it.functionCall.args ?? {} });
      } else if (it.functionResponse) {
        (it.functionResponse.parts ?? []).forEach((inner: any) => see(inner.inlineData));
        seen.results.push({ id: it.functionResponse.id, text: plain(JSON.stringify(it.functionResponse.response)) });
      }
    }
  }
  return seen;
}
