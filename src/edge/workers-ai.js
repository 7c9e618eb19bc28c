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
  const endpoint = url.slice(`${ORIGIN}v1`.length);
  const serve = ENDPOINTS[endpoint];
  if (!serve) return failed(404, `the AI binding has no ${endpoint}; it has ${Object.keys(ENDPOINTS).join(", ")}`);
  const body = new Response(init.body, { headers: new Headers(init.headers) });
  const ask = (model, inputs) => env.AI.run(model, inputs, { returnRawResponse: true, signal: init.signal });
  try {
    return await serve(body, ask);
  } catch (error) {
    if (error instanceof Response) return error;
    throw error;
  }
}

/** The result of a model that answers in JSON; its refusal is thrown. */
async function result(response) {
  if (!response.ok) throw await refusal(response);
  const body = await response.json();
  return body.result ?? body;
}

const ENDPOINTS = {
  "/chat/completions": async (body, ask) => {
    const { model, stream_options: _, ...inputs } = await body.json();
    const response = await ask(model, inputs);
    if (response.ok && /event-stream/i.test(response.headers.get("content-type") ?? "")) {
      return new Response(response.body.pipeThrough(events(model)), { headers: { "content-type": "text/event-stream" } });
    }
    return Response.json(whole(await result(response), model));
  },
  "/embeddings": async (body, ask) => {
    const { model, input } = await body.json();
    return Response.json(embeddings(await result(await ask(model, { text: input })), model));
  },
  "/rerank": async (body, ask) => {
    const { model, query, documents, top_n, return_documents } = await body.json();
    const contexts = (documents ?? []).map((it) => ({ text: typeof it === "string" ? it : it.text ?? JSON.stringify(it) }));
    const { response } = await result(await ask(model, { query, contexts, ...(top_n && { top_k: top_n }) }));
    const results = (response ?? []).map(({ id, score }) => ({
      index: id, relevance_score: score, ...(return_documents && { document: contexts[id] }),
    }));
    return Response.json({ model, results: results.sort((a, b) => b.relevance_score - a.relevance_score) });
  },
  "/images/generations": images,
  "/audio/speech": speech,
  "/audio/transcriptions": (body, ask) => transcription(body, ask, "transcribe"),
  "/audio/translations": (body, ask) => transcription(body, ask, "translate"),
};

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

/** OpenAI's settings of pictures that no model here has a name for. */
const OF_OPENAI = ["background", "moderation", "output_compression", "output_format", "partial_images", "quality", "response_format", "style", "user"];

/** Pictures: some models say theirs in JSON, others give the bytes; the newest take a form. */
async function images(body, ask) {
  const { model, n = 1, size, stream, response_format, ...inputs } = await body.json();
  if (stream) throw failed(400, "stream: the AI binding has no pictures in events");
  if (!(n >= 1 && n <= 4)) throw failed(400, "n: the AI binding makes one to four pictures a call");
  for (const name of OF_OPENAI) delete inputs[name];
  const [, width, height] = /^(\d+)x(\d+)$/.exec(size ?? "") ?? [];
  if (width) Object.assign(inputs, { width: Number(width), height: Number(height) });
  const one = async () => {
    let asked = inputs;
    if (model.includes("/flux-2")) {
      const form = new FormData();
      for (const [name, value] of Object.entries(inputs)) form.append(name, String(value));
      const { body, headers } = new Response(form);
      asked = { multipart: { body, contentType: headers.get("content-type") } };
    }
    const response = await ask(model, asked);
    if (!response.ok) throw await refusal(response);
    const type = response.headers.get("content-type") ?? "image/png";
    const data = /json/i.test(type) ? (await result(response)).image : base64(await response.arrayBuffer());
    return response_format === "url" ? { url: `data:${/json/i.test(type) ? "image/jpeg" : type};base64,${data}` } : { b64_json: data };
  };
  const data = await Promise.all(Array.from({ length: n }, one));
  return Response.json({ created: Math.floor(Date.now() / 1000), data });
}

/** Voices that OpenAI's clients must name, and nobody else has: such a one is the model's own. */
const VOICES = /^(alloy|ash|ballad|cedar|coral|echo|fable|marin|nova|onyx|sage|shimmer|verse)$/;
const SOUNDS = {
  mp3: { encoding: "mp3" }, opus: { encoding: "opus", container: "ogg" }, aac: { encoding: "aac" }, flac: { encoding: "flac" },
  wav: { encoding: "linear16", container: "wav" }, pcm: { encoding: "linear16", container: "none" },
};

async function speech(body, ask) {
  const { model, input, voice, response_format = "mp3" } = await body.json();
  const own = typeof voice === "string" && !VOICES.test(voice) ? voice : undefined;
  const isAura = model.includes("/aura");
  if (!isAura && response_format !== "mp3") throw failed(400, `response_format: ${model} speaks mp3 only`);
  if (!SOUNDS[response_format]) throw failed(400, `response_format: the AI binding has ${Object.keys(SOUNDS).join(", ")}`);
  const spoken = isAura ? { text: input, ...(own && { speaker: own }), ...SOUNDS[response_format] } : { prompt: input, ...(own && { lang: own }) };
  const response = await ask(model, spoken);
  if (!response.ok) throw await refusal(response);
  const type = response.headers.get("content-type") ?? "audio/mpeg";
  if (!/json/i.test(type)) return new Response(response.body, { headers: { "content-type": type } });
  const { audio } = await result(response);
  return new Response(Uint8Array.from(atob(audio), (byte) => byte.charCodeAt(0)), { headers: { "content-type": "audio/mpeg" } });
}

/** Older models take each byte as a number, which is many times its size. */
const MOST_NUMBERS = 4 * 1024 * 1024;

async function transcription(body, ask, task) {
  const form = await body.formData();
  const [model, file] = [form.get("model"), form.get("file")];
  if (!file?.arrayBuffer) throw failed(400, "file: is required");
  const bytes = await file.arrayBuffer();
  const isLarge = model.includes("whisper-large"), isWhisper = model.includes("/whisper");
  if (task === "translate" && !isLarge) throw failed(404, `the AI binding has no /audio/translations of ${model}; @cf/openai/whisper-large-v3-turbo has`);
  const language = form.get("language") || undefined, prompt = form.get("prompt") || undefined;
  let inputs;
  if (isLarge) {
    inputs = { audio: base64(bytes), task, language, initial_prompt: prompt };
  } else if (isWhisper) {
    if (bytes.byteLength > MOST_NUMBERS) throw failed(413, `${model} takes 4 MB by the AI binding; @cf/openai/whisper-large-v3-turbo takes more`);
    inputs = { audio: [...new Uint8Array(bytes)] };
  } else {
    inputs = { audio: { body: base64(bytes), contentType: file.type || "audio/mpeg" }, language };
  }
  const said = await result(await ask(model, inputs));
  const heard = said.results?.channels?.[0]?.alternatives?.[0];
  const text = (said.text ?? heard?.transcript ?? "").trim();
  const words = (said.words ?? heard?.words)?.map(({ word, start, end }) => ({ word, start, end }));
  const segments = (said.segments ?? words?.map(({ word, start, end }) => ({ text: word, start, end })) ?? [])
    .map(({ start = 0, end = 0, text }, id) => ({ id, start, end, text }));
  const plain = (text) => new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } });
  switch (form.get("response_format") ?? "json") {
    case "text": return plain(`${text}\n`);
    case "srt": return plain(subtitles(segments, ","));
    case "vtt": return plain(said.vtt ?? `WEBVTT\n\n${subtitles(segments, ".")}`);
    case "verbose_json": {
      const { language: found, duration } = said.transcription_info ?? {};
      return Response.json({ task, language: found ?? language, duration: duration ?? segments.at(-1)?.end, text, segments, words });
    }
    default: return Response.json({ text });
  }
}

/** `00:00:01,500` */
const clock = (seconds, point) => new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23).replace(".", point);
const subtitles = (segments, point) =>
  segments.map(({ id, start, end, text }) => `${id + 1}\n${clock(start, point)} --> ${clock(end, point)}\n${String(text).trim()}\n`).join("\n");

function base64(buffer) {
  const bytes = new Uint8Array(buffer), pieces = [];
  for (let at = 0; at < bytes.length; at += 0x8000) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  return btoa(pieces.join(""));
}
