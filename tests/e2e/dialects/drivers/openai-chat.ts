// Chat Completions by `openai` for Node.
import OpenAI from "openai";
import { failed, openAiError, type Answer, type Ask, type Driver, type Finish, type Picture, type Turn } from "../neutral.ts";

const FINISHES: Record<string, Finish> = { stop: "stop", length: "max_tokens", tool_calls: "tool_calls", content_filter: "refused" };

export const openAiChat: Driver = async (door, ask) => {
  const client = new OpenAI({ apiKey: door.key, baseURL: `${door.origin}/v1`, maxRetries: 0 });
  let text = "";
  try {
    if (!ask.stream) {
      const completion = await client.chat.completions.create({ ...params(door.model, ask), stream: false });
      return answer(completion);
    }
    const stream = client.chat.completions.stream({ ...params(door.model, ask), stream_options: { include_usage: true } });
    let thinking = "";
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? "";
      thinking += thoughtIn(choices[0]?.delta) ?? "";
    }
    const completion = await stream.finalChatCompletion();
    // The client's accumulator knows no thoughts: it keeps the last piece of them.
    Object.assign(completion.choices[0]!.message, thinking && { reasoning_content: thinking });
    return answer(completion);
  } catch (error) {
    return failed(error, text, openAiError);
  }
};

/** Thoughts have two names in the field. */
const thoughtIn = (holder: any): string | undefined => holder?.reasoning_content ?? holder?.reasoning ?? undefined;

function answer({ choices: [choice], usage }: OpenAI.ChatCompletion): Answer {
  const { message, finish_reason } = choice!;
  const toolCalls = (message.tool_calls ?? []).flatMap((call) =>
    call.type === "function" ? [{ id: call.id, name: call.function.name, args: JSON.parse(call.function.arguments) }] : []);
  const { parsed: _, annotations: __, ...echo } = message as any;
  return {
    text: message.content ?? "",
    toolCalls,
    finish: message.refusal ? "refused" : (FINISHES[finish_reason] ?? `other: ${finish_reason}`),
    usage: usage && { input: usage.prompt_tokens, output: usage.completion_tokens, cached: usage.prompt_tokens_details?.cached_tokens ?? 0 },
    thinking: thoughtIn(message),
    echo: { ...echo, ...(echo.tool_calls && { tool_calls: echo.tool_calls.map(withoutParsed) }) },
  };
}

/** What the client's own parser added to a call is no part of it. */
function withoutParsed(call: any): object {
  const { parsed_arguments: _, ...fields } = call.function;
  const { index: __, ...rest } = call;
  return { ...rest, function: fields };
}

function params(model: string, ask: Ask): Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, "stream"> {
  const messages = ask.turns.flatMap(messagesOf);
  return {
    model,
    messages: ask.system === undefined ? messages : [{ role: "system", content: ask.system }, ...messages],
    ...(ask.maxTokens !== undefined && { max_completion_tokens: ask.maxTokens }),
    ...(ask.temperature !== undefined && { temperature: ask.temperature }),
    ...(ask.thinking && { reasoning_effort: "medium" }),
    ...(ask.schema && { response_format: { type: "json_schema", json_schema: { name: "recipe", strict: true, schema: ask.schema as any } } }),
    ...(ask.tools && { tools: ask.tools.map(({ name, description, parameters }) => ({ type: "function", function: { name, description, ...(parameters && { parameters }) } })) }),
  };
}

const imagePart = ({ mediaType, data }: Picture) => ({ type: "image_url" as const, image_url: { url: `data:${mediaType};base64,${data}` } });

function messagesOf(turn: Turn): OpenAI.ChatCompletionMessageParam[] {
  switch (turn.role) {
    case "user":
      return [{ role: "user", content: turn.picture ? [{ type: "text", text: turn.text }, imagePart(turn.picture)] : turn.text }];
    case "assistant":
      return "echo" in turn
        ? [turn.echo as OpenAI.ChatCompletionMessageParam]
        : [{ role: "assistant", content: null, tool_calls: turn.calls.map(({ id, name, args }) => ({ id, type: "function", function: { name, arguments: JSON.stringify(args) } })) }];
    case "tool": {
      // A tool's message takes no image: users of Chat Completions send it as the user's.
      const pictures = turn.results.flatMap(({ picture }) => (picture ? [imagePart(picture)] : []));
      return [
        ...turn.results.map(({ id, text }) => ({ role: "tool" as const, tool_call_id: id, content: text })),
        ...(pictures.length > 0 ? [{ role: "user" as const, content: [{ type: "text" as const, text: "The tool made this picture." }, ...pictures] }] : []),
      ];
    }
  }
}
