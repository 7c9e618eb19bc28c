// All dialects by `ai`, with the provider package of each in its default settings.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, jsonSchema, streamText, tool, type LanguageModel, type StepResult, type ToolSet } from "ai";
import { failed, type Answer, type Ask, type Dialect, type Door, type Driver, type Finish, type Turn } from "../neutral.ts";

// It warns of models that it does not know, of which a gateway has many.
(globalThis as { AI_SDK_LOG_WARNINGS?: boolean }).AI_SDK_LOG_WARNINGS = false;

const FINISHES: Record<string, Finish> = { stop: "stop", length: "max_tokens", "tool-calls": "tool_calls", "content-filter": "refused" };

const MODELS: Record<Dialect, (door: Door) => LanguageModel> = {
  chat: ({ key: apiKey, origin, model }) => createOpenAI({ apiKey, baseURL: `${origin}/v1` }).chat(model),
  responses: ({ key: apiKey, origin, model }) => createOpenAI({ apiKey, baseURL: `${origin}/v1` }).responses(model),
  messages: ({ key: apiKey, origin, model }) => createAnthropic({ apiKey, baseURL: `${origin}/v1` })(model),
  gemini: ({ key: apiKey, origin, model }) => createGoogle({ apiKey, baseURL: `${origin}/v1beta` })(model),
};

/** A driver whose tools answer by themselves: with tools, the text is what the model said in the end. */
export const aiSdk = (dialect: Dialect, run: (name: string) => string): Driver => async (door, ask) => {
  const { text: words, picture } = ask.turns[0] as Turn & { role: "user" };
  const file = picture && { type: "file" as const, mediaType: picture.mediaType, data: Buffer.from(picture.data, "base64") };
  const settings = {
    model: MODELS[dialect](door),
    messages: [{ role: "user" as const, content: file ? [{ type: "text" as const, text: words }, file] : words }],
    maxRetries: 0,
    stopWhen: isStepCount(3),
    ...(ask.system !== undefined && { instructions: ask.system }),
    ...(ask.maxTokens !== undefined && { maxOutputTokens: ask.maxTokens }),
    ...(ask.tools && { tools: toolsOf(ask, run) }),
  };
  let text = "";
  try {
    if (!ask.stream) {
      const result = await generateText(settings);
      return answer(result.steps);
    }
    let problem: unknown;
    const result = streamText({ ...settings, onError: ({ error }) => void (problem = error) });
    for await (const piece of result.textStream) {
      text += piece;
    }
    if (problem) {
      throw problem;
    }
    return answer(await result.steps);
  } catch (error) {
    return failed(error, text);
  }
};

function toolsOf(ask: Ask, run: (name: string) => string): ToolSet {
  return Object.fromEntries((ask.tools ?? []).map(({ name, description, parameters }) =>
    [name, tool({ description, inputSchema: jsonSchema(parameters ?? { type: "object", properties: {} }), execute: async () => run(name) })]));
}

/** The calls of all steps, and what came of the last one. */
function answer(steps: Array<StepResult<ToolSet, any>>): Answer {
  const { text, finishReason, usage } = steps.at(-1)!;
  return {
    text,
    toolCalls: steps.flatMap(({ toolCalls }) => toolCalls.map(({ toolCallId: id, toolName: name, input }) => ({ id, name, args: input as object }))),
    finish: FINISHES[finishReason] ?? `other: ${finishReason}`,
    usage: { input: usage.inputTokens ?? 0, output: usage.outputTokens ?? 0, cached: usage.inputTokenDetails?.cacheReadTokens ?? 0 },
  };
}
