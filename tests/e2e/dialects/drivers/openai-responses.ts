// Responses by `openai` for Node.
import OpenAI from "openai";
import { failed, openAiError, type Answer, type Ask, type Driver, type Picture, type Turn } from "../neutral.ts";

export const openAiResponses: Driver = async (door, ask) => {
  const client = new OpenAI({ apiKey: door.key, baseURL: `${door.origin}/v1`, maxRetries: 0 });
  let text = "";
  try {
    if (!ask.stream) {
      return answer(await client.responses.create({ ...params(door.model, ask), stream: false }));
    }
    const stream = client.responses.stream(params(door.model, ask));
    let expected = 0;
    for await (const event of stream) {
      if (event.sequence_number !== expected++) {
        throw new Error(`event ${expected - 1} (${event.type}) has sequence_number ${event.sequence_number}`);
      }
      text += event.type === "response.output_text.delta" ? event.delta : "";
      if (event.type === "response.failed" || event.type === "error") {
        throw Object.assign(new Error(JSON.stringify(event)));
      }
    }
    return answer(await stream.finalResponse());
  } catch (error) {
    return failed(error, text, openAiError);
  }
};

function answer(response: OpenAI.Responses.Response): Answer {
  const { output, usage, status, incomplete_details } = response;
  const contents = output.flatMap((item) => (item.type === "message" ? item.content : []));
  const toolCalls = output.flatMap((item) => (item.type === "function_call" ? [{ id: item.call_id, name: item.name, args: JSON.parse(item.arguments) }] : []));
  const thinking = output.flatMap((item) => (item.type === "reasoning" ? item.summary.map((part) => part.text) : [])).join("");
  const refused = contents.some(({ type }) => type === "refusal") || incomplete_details?.reason === "content_filter";
  return {
    text: contents.map((part) => (part.type === "output_text" ? part.text : "")).join(""),
    toolCalls,
    finish: refused ? "refused"
      : incomplete_details?.reason === "max_output_tokens" ? "max_tokens"
      : status !== "completed" ? `other: ${status}`
      : toolCalls.length > 0 ? "tool_calls" : "stop",
    usage: usage && { input: usage.input_tokens, output: usage.output_tokens, cached: usage.input_tokens_details.cached_tokens },
    ...(thinking && { thinking }),
    echo: output.map(withoutParsed),
  };
}

/** What the client's own parser added to an item is no part of it. */
function withoutParsed(item: any): object {
  const { parsed_arguments: _, ...fields } = item;
  return fields.type === "message" ? { ...fields, content: fields.content.map(({ parsed: __, ...part }: any) => part) } : fields;
}

function params(model: string, ask: Ask) {
  return {
    model,
    input: ask.turns.flatMap(itemsOf) as OpenAI.Responses.ResponseInput,
    ...(ask.system !== undefined && { instructions: ask.system }),
    ...(ask.maxTokens !== undefined && { max_output_tokens: ask.maxTokens }),
    ...(ask.temperature !== undefined && { temperature: ask.temperature }),
    ...(ask.thinking && { reasoning: { effort: "medium" as const, summary: "auto" as const }, include: ["reasoning.encrypted_content" as const], store: false }),
    ...(ask.schema && { text: { format: { type: "json_schema" as const, name: "recipe", strict: true, schema: ask.schema as any } } }),
    ...(ask.tools && { tools: ask.tools.map(({ name, description, parameters }) => ({ type: "function" as const, name, description, strict: false, parameters: (parameters ?? null) as any })) }),
  };
}

const imagePart = ({ mediaType, data }: Picture) => ({ type: "input_image", detail: "auto", image_url: `data:${mediaType};base64,${data}` });

function itemsOf(turn: Turn): object[] {
  switch (turn.role) {
    case "user":
      return [{ role: "user", content: turn.picture ? [{ type: "input_text", text: turn.text }, imagePart(turn.picture)] : turn.text }];
    case "assistant":
      return "echo" in turn ? (turn.echo as object[]) : turn.calls.map(({ id, name, args }) => ({ type: "function_call", call_id: id, name, arguments: JSON.stringify(args) }));
    case "tool":
      return turn.results.map(({ id, text, picture }) => ({
        type: "function_call_output", call_id: id, output: picture ? [{ type: "input_text", text }, imagePart(picture)] : text,
      }));
  }
}
