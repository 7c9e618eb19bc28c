// Messages by `@anthropic-ai/sdk`.
import Anthropic from "@anthropic-ai/sdk";
import { failed, type Answer, type Ask, type Driver, type Finish, type Picture, type Turn } from "../neutral.ts";

const FINISHES: Record<string, Finish> = { end_turn: "stop", tool_use: "tool_calls", max_tokens: "max_tokens", refusal: "refused" };

export const anthropic: Driver = async (door, ask) => {
  const client = new Anthropic({ apiKey: door.key, baseURL: door.origin, maxRetries: 0 });
  let text = "";
  try {
    if (!ask.stream) {
      return answer(await client.messages.create({ ...params(door.model, ask), stream: false }));
    }
    const stream = client.messages.stream(params(door.model, ask));
    for await (const event of stream) {
      text += event.type === "content_block_delta" && event.delta.type === "text_delta" ? event.delta.text : "";
    }
    return answer(await stream.finalMessage());
  } catch (error) {
    return failed(error, text, ({ error: body }) => ({ kind: body.type === "error" || undefined, type: body.error.type, message: body.error.message, id: body.request_id }));
  }
};

function answer({ content, stop_reason, usage }: Anthropic.Message): Answer {
  const thinking = content.map((block) => (block.type === "thinking" ? block.thinking : "")).join("");
  return {
    text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
    toolCalls: content.flatMap((block) => (block.type === "tool_use" ? [{ id: block.id, name: block.name, args: block.input as object }] : [])),
    finish: FINISHES[stop_reason ?? ""] ?? `other: ${stop_reason}`,
    usage: {
      input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
      output: usage.output_tokens,
      cached: usage.cache_read_input_tokens ?? 0,
    },
    ...(thinking && { thinking }),
    echo: content,
  };
}

function params(model: string, ask: Ask): Omit<Anthropic.MessageCreateParamsNonStreaming, "stream"> {
  return {
    model,
    max_tokens: ask.maxTokens ?? 4096,
    messages: ask.turns.map(messageOf),
    ...(ask.system !== undefined && { system: ask.system }),
    ...(ask.temperature !== undefined && { temperature: ask.temperature }),
    ...(ask.thinking && { thinking: { type: "enabled", budget_tokens: 2048 } }),
    ...(ask.schema && { output_config: { format: { type: "json_schema", schema: ask.schema as any } } }),
    ...(ask.tools && { tools: ask.tools.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters ?? { type: "object", properties: {} } })) }),
  };
}

const imageBlock = ({ mediaType, data }: Picture) => ({ type: "image" as const, source: { type: "base64" as const, media_type: mediaType, data } });

function messageOf(turn: Turn): Anthropic.MessageParam {
  switch (turn.role) {
    case "user":
      return { role: "user", content: turn.picture ? [{ type: "text", text: turn.text }, imageBlock(turn.picture)] : turn.text };
    case "assistant":
      return { role: "assistant", content: "echo" in turn ? (turn.echo as Anthropic.ContentBlockParam[]) : turn.calls.map(({ id, name, args }) => ({ type: "tool_use", id, name, input: args })) };
    case "tool":
      return {
        role: "user",
        content: turn.results.map(({ id, text, picture }) => ({
          type: "tool_result", tool_use_id: id, content: picture ? [{ type: "text", text }, imageBlock(picture)] : text,
        })),
      };
  }
}
