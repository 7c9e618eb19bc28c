// generateContent by `@google/genai`.
import { GoogleGenAI, type Content, type FunctionDeclaration, type GenerateContentConfig, type GenerateContentResponse, type Part, type Schema } from "@google/genai";
import { failed, type Answer, type Ask, type Call, type Driver, type Finish, type Picture, type Turn } from "../neutral.ts";

const FINISHES: Record<string, Finish> = { STOP: "stop", MAX_TOKENS: "max_tokens", SAFETY: "refused", PROHIBITED_CONTENT: "refused", BLOCKLIST: "refused" };

export const googleGenAi: Driver = async (door, ask) => {
  const client = new GoogleGenAI({ apiKey: door.key, httpOptions: { baseUrl: door.origin } });
  const request = { model: door.model, contents: ask.turns.map(contentOf).flat(), config: config(ask) };
  const responses: GenerateContentResponse[] = [];
  try {
    if (!ask.stream) {
      return answer([await client.models.generateContent(request)]);
    }
    for await (const response of await client.models.generateContentStream(request)) {
      responses.push(response);
    }
    return answer(responses);
  } catch (error) {
    return failed(error, textOf(partsOf(responses)), ({ message }) => {
      const { error: body } = JSON.parse(message);
      return { code: body.code, message: body.message, status: body.status };
    });
  }
};

const partsOf = (responses: GenerateContentResponse[]): Part[] => responses.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
const textOf = (parts: Part[], thought = false): string => parts.map((part) => (Boolean(part.thought) === thought ? (part.text ?? "") : "")).join("");

function answer(responses: GenerateContentResponse[]): Answer {
  const parts = partsOf(responses);
  const finish = responses.map(({ candidates }) => candidates?.[0]?.finishReason).findLast(Boolean) ?? responses.at(-1)?.promptFeedback?.blockReason;
  const usage = responses.map(({ usageMetadata }) => usageMetadata).findLast(Boolean);
  const toolCalls = parts.flatMap(({ functionCall: call }) => (call ? [{ id: call.id ?? "", name: call.name!, args: call.args ?? {} }] : []));
  const thinking = textOf(parts, true);
  const known = FINISHES[finish ?? ""] ?? (`other: ${finish}` as const);
  return {
    text: textOf(parts),
    toolCalls,
    finish: known === "stop" && toolCalls.length > 0 ? "tool_calls" : known,
    usage: usage && { input: usage.promptTokenCount ?? 0, output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0), cached: usage.cachedContentTokenCount ?? 0 },
    ...(thinking && { thinking }),
    // As the client's own chat keeps its history: a content for every piece that came.
    echo: responses.flatMap(({ candidates }) => (candidates?.[0]?.content?.parts?.length ? [candidates[0].content] : [])),
  };
}

function config(ask: Ask): GenerateContentConfig {
  return {
    ...(ask.system !== undefined && { systemInstruction: ask.system }),
    ...(ask.maxTokens !== undefined && { maxOutputTokens: ask.maxTokens }),
    ...(ask.temperature !== undefined && { temperature: ask.temperature }),
    ...(ask.thinking && { thinkingConfig: { includeThoughts: true, thinkingBudget: 2048 } }),
    ...(ask.schema && { responseMimeType: "application/json", responseSchema: googleSchema(ask.schema) }),
    ...(ask.tools && { tools: [{ functionDeclarations: ask.tools.map(({ name, description, parameters }): FunctionDeclaration => ({ name, description, ...(parameters && { parameters: googleSchema(parameters) }) })) }] }),
  };
}

/** A schema as Google's users write it: types in capitals, nothing that the subset has not. */
function googleSchema(schema: any): Schema {
  const { additionalProperties: _, type, properties, items, anyOf, ...rest } = schema;
  // A choice between a type and null is a nullable type.
  if (anyOf) {
    return { ...rest, ...googleSchema(anyOf.find((option: any) => option.type !== "null")), nullable: true };
  }
  return {
    ...rest,
    type: type.toUpperCase(),
    ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, googleSchema(inner)])) }),
    ...(items && { items: googleSchema(items) }),
  };
}

const inlineData = ({ mediaType, data }: Picture) => ({ inlineData: { mimeType: mediaType, data } });

/** A call that no Gemini made: its guide says which words to put where a signature is demanded. */
const foreignCall = ({ id, name, args }: Call, index: number): Part => ({
  functionCall: { id, name, args: args as Record<string, unknown> }, ...(index === 0 && { thoughtSignature: "skip_thought_signature_validator" }),
});

function contentOf(turn: Turn): Content | Content[] {
  switch (turn.role) {
    case "user":
      return { role: "user", parts: [{ text: turn.text }, ...(turn.picture ? [inlineData(turn.picture)] : [])] };
    case "assistant":
      return "echo" in turn ? (turn.echo as Content[]) : { role: "model", parts: turn.calls.map(foreignCall) };
    case "tool":
      return {
        role: "user",
        parts: turn.results.map(({ id, name, text, picture }) => ({
          functionResponse: { ...(id && { id }), name, response: { output: text }, ...(picture && { parts: [inlineData(picture)] }) },
        })),
      };
  }
}
