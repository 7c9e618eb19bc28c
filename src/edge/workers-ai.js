// Workers AI by its binding: `fetch` for one address, so that a call by it is an attempt like any other.
//
// The binding takes what a model's own schema has, which for chats is OpenAI's but for where the model is named, and answers
// older models' texts in a shape of its own (https://developers.cloudflare.com/workers-ai/configuration/bindings/). That is
// put into OpenAI's here, in JavaScript, where it costs nothing of the wasm; newer models answer in OpenAI's already.
import { env } from "cloudflare:workers";

/** provider/table.rs has it, too. */
const ORIGIN = "https://workers-ai.binding/";

const failed = (status, message) => Response.json({ error: { message, code: "workers_ai_binding" } }, { status });

/** `fetch`, or what is in its place at the binding's address. */
export function reach(url, init) {
  return url.startsWith(ORIGIN) ? run(url, init) : fetch(url, init);
}

/** Sends what would be sent to an endpoint that is OpenAI's. */
async function run(url, init) {
  if (!env.AI?.run) return failed(503, "this gateway has no AI binding; wrangler.toml says how, or give config.project and a key");
  if (init.method === "GET") return Response.json({ result: await env.AI.models({ per_page: 1000 }) });
  const { model, stream_options: _, ...inputs } = await new Response(init.body).json();
  const isEmbedding = url.endsWith("/embeddings");
  if (!isEmbedding && !url.endsWith("/chat/completions")) return failed(404, "the AI binding has chats and embeddings only");
  const asked = isEmbedding ? { text: inputs.input } : inputs;
  const response = await env.AI.run(model, asked, { returnRawResponse: true, signal: init.signal });
  if (!response.ok) return refusal(response);
  if (/event-stream/i.test(response.headers.get("content-type") ?? "")) {
    return new Response(response.body.pipeThrough(events(model)), { headers: { "content-type": "text/event-stream" } });
  }
  const body = await response.json();
  const answer = body.result ?? body;
  return Response.json(isEmbedding ? embeddings(answer, model) : whole(answer, model));
}

/** `{internalCode, description, name}` or `{errors: [{code, message}]}`. */
async function refusal(response) {
  const text = await response.text();
  let message = text;
  try {
    const { description, errors, error } = JSON.parse(text);
    message = description ?? errors?.[0]?.message ?? error?.message ?? text;
  } catch { /* it is a sentence */ }
  return failed(response.status, message);
}

const head = (object, model) => ({ id: `chatcmpl-${crypto.randomUUID()}`, object, created: Math.floor(Date.now() / 1000), model });
const texts = (value) => (typeof value === "string" || value == null ? value : JSON.stringify(value));

/** `{name, arguments}`, or what OpenAI has. */
const calls = (list) => list?.map((call, index) => call.function ? { index, ...call } : {
  index, id: `call_${crypto.randomUUID().replaceAll("-", "")}`, type: "function",
  function: { name: call.name, arguments: texts(call.arguments) ?? "{}" },
});

function whole(answer, model) {
  if (answer.choices) return { ...head("chat.completion", model), ...answer };
  const tool_calls = answer.tool_calls?.length ? calls(answer.tool_calls) : undefined;
  const message = { role: "assistant", content: texts(answer.response) ?? null, tool_calls };
  const choice = { index: 0, message, finish_reason: tool_calls ? "tool_calls" : "stop" };
  return { ...head("chat.completion", model), choices: [choice], usage: answer.usage };
}

/** Events of `{response, tool_calls?, usage?}`, which end without saying why. */
function events(model) {
  const decoder = new TextDecoder(), encoder = new TextEncoder(), common = head("chat.completion.chunk", model);
  let rest = "", isNative = false, hasCalls = false, usage;
  const say = (controller, value) => controller.enqueue(encoder.encode(`data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`));
  const chunk = (delta, finish_reason = null) => ({ ...common, choices: [{ index: 0, delta, finish_reason }] });
  const line = (text, controller) => {
    const data = /^data:\s?(.*?)\r?$/.exec(text)?.[1];
    if (data === undefined) return;
    if (data === "[DONE]") {
      if (isNative) {
        say(controller, chunk({}, hasCalls ? "tool_calls" : "stop"));
        if (usage) say(controller, { ...common, choices: [], usage });
      }
      return say(controller, data);
    }
    let event;
    try { event = JSON.parse(data); } catch { return; }
    if (event.choices || event.error || event.errors) {
      return say(controller, event.errors ? { error: { message: event.errors[0]?.message } } : { ...common, ...event });
    }
    isNative = true;
    usage = event.usage ?? usage;
    const tool_calls = event.tool_calls?.length ? calls(event.tool_calls) : undefined;
    hasCalls ||= Boolean(tool_calls);
    const content = texts(event.response);
    if (content || tool_calls) say(controller, chunk({ role: "assistant", content: content || undefined, tool_calls }));
  };
  return new TransformStream({
    transform(bytes, controller) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop();
      for (const text of lines) line(text, controller);
    },
    flush(controller) { line(rest, controller); },
  });
}

function embeddings({ data }, model) {
  const list = data?.map((embedding, index) => ({ object: "embedding", index, embedding }));
  return { object: "list", data: list ?? [], model };
}
