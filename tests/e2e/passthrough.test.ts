// OpenAI's endpoints beside conversations, with its official client: bodies that pass, metered, with failover.
import { randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import OpenAI, { toFile } from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario, type Scenario } from "./gateway/scenario.ts";
import { dataOf } from "./sse.ts";
import { Gate, Upstream, type Behaviour } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";
import { Receiver } from "./upstream/receiver.ts";
import { startStrict } from "./upstream/strict.ts";

let gateway: Gateway;
let upstream: Upstream;
let second: Upstream;
let story: Scenario;
let client: OpenAI;

beforeAll(async () => {
  [gateway, upstream, second] = await Promise.all([Gateway.start(), Upstream.start(), Upstream.start("second")]);
  story = await scenario(gateway, [upstream], { targets: ["real-model"] });
  client = story.client;
});
afterEach(() => void (upstream.reset(), second.reset()));
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop(), second?.stop()]);
});

const json = (body: unknown, status = 200): Behaviour => ({ response }) =>
  void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

/** The fields of a form, and the bytes of its file. */
async function formOf({ headers, body }: { headers: Record<string, unknown>; body: Buffer }) {
  const response = new Response(new Uint8Array(body), { headers: { "content-type": String(headers["content-type"]) } });
  return await response.formData();
}

describe("JSON", () => {
  test("images are generated, and priced where their tokens are counted", async () => {
    const usage = { input_tokens: 50, output_tokens: 1056, total_tokens: 1106, input_tokens_details: { text_tokens: 50, image_tokens: 0 } };
    upstream.next(json({ created: 1, data: [{ b64_json: "aGk=" }], usage }));
    const { data, response } = await client.images.generate({ model: "gpt-image-1", prompt: "A cat", n: 1 }).withResponse();
    expect(data.data![0]!.b64_json).toBe("aGk=");
    expect(upstream.only.path).toBe("/v1/images/generations");
    expect(upstream.only.text).toBe('{"model":"real-model","prompt":"A cat","n":1}');
    expect(await story.log(response)).toMatchObject({
      endpoint: "images.generations", model: "gpt-image-1", target_model: "real-model", input_tokens: 50, output_tokens: 1056, usage_source: "upstream",
    });
  });

  test("images without counted tokens are not free", async () => {
    upstream.next(json({ created: 1, data: [{ url: "https://images.test/1" }] }));
    const { response } = await client.images.generate({ model: "dall-e-3", prompt: "A cat" }).withResponse();
    expect(response.headers.get("x-edgeway-cost")).toBeNull();
    expect(await story.log(response)).toMatchObject({ usage_source: "estimated", priced: 0, cost: 0 });
  });

  test("images stream as they take shape", async () => {
    const partial = { type: "image_generation.partial_image", b64_json: "aa", partial_image_index: 0 };
    const whole = { type: "image_generation.completed", b64_json: "aabb", usage: { input_tokens: 5, output_tokens: 7, total_tokens: 12 } };
    const event = (it: { type: string }) => `event: ${it.type}\ndata: ${JSON.stringify(it)}\n\n`;
    upstream.next(upstreamDoes.stream([event(partial), event(whole)]));
    const { data, response } = await client.images.generate({ model: "gpt-image-1", prompt: "A cat", stream: true, partial_images: 1 }).withResponse();
    const types: string[] = [];
    for await (const it of data) types.push(it.type);
    expect(types).toEqual(["image_generation.partial_image", "image_generation.completed"]);
    expect(await story.log(response)).toMatchObject({ stream: 1, output_tokens: 7, usage_source: "upstream", end_reason: "done" });
  });

  test("moderations need no model", async () => {
    upstream.next(json({ id: "modr-1", model: "omni-moderation-latest", results: [{ flagged: false, categories: {}, category_scores: {} }] }));
    const { data, response } = await client.moderations.create({ input: "Hello" }).withResponse();
    expect(data.results[0]!.flagged).toBe(false);
    expect(upstream.only.json).toEqual({ model: "real-model", input: "Hello" });
    expect(await story.log(response)).toMatchObject({ endpoint: "moderations", model: "omni-moderation-latest" });
  });

  test("documents are ranked", async () => {
    upstream.next(json({ results: [{ index: 1, relevance_score: 0.9 }], usage: { total_tokens: 12 } }));
    const response = await gateway.call(story.key, "/v1/rerank", { model: "r", query: "a", documents: ["b", "c"], top_n: 1 });
    expect(await response.json()).toEqual({ results: [{ index: 1, relevance_score: 0.9 }], usage: { total_tokens: 12 } });
    expect(upstream.only.path).toBe("/v1/rerank");
    expect(await story.log(response)).toMatchObject({ endpoint: "rerank", input_tokens: 12, usage_source: "upstream" });
  });

  test("what is missing is named", async () => {
    for (const [path, body, param] of [
      ["/v1/images/generations", { model: "m" }, "prompt"],
      ["/v1/images/edits", { model: "m" }, "prompt"],
      ["/v1/audio/speech", { model: "m", voice: "alloy" }, "input"],
      ["/v1/rerank", { model: "m", query: "a" }, "documents"],
      ["/v1/moderations", {}, "input"],
      ["/v1/completions", { model: "m" }, "prompt"],
      ["/v1/audio/speech", { input: "Hi" }, "model"],
    ] as const) {
      const response = await gateway.call(story.key, path, body);
      const { error } = (await response.json()) as any;
      expect([path, response.status, error.param, error.type]).toEqual([path, 400, param, "invalid_request_error"]);
    }
    expect((await gateway.call(story.key, "/v1/audio/transcriptions", {})).status).toBe(415);
    expect(upstream.exchanges).toEqual([]);
  });

  test("a key's list of models holds here, too", async () => {
    const { key } = await scenario(gateway, [upstream], { key: { allowed_models: ["tts-*"] } });
    expect((await gateway.call(key, "/v1/images/generations", { model: "dall-e-3", prompt: "a" })).status).toBe(403);
    const form = new FormData();
    form.set("model", "whisper-1");
    form.set("file", new Blob(["x"]), "a.mp3");
    const refused = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: form });
    expect([refused.status, upstream.exchanges.length]).toEqual([403, 0]);
  });
});

describe("speech", () => {
  test("passes as the bytes that it is, while it is made", async () => {
    const sound = randomBytes(100_000);
    const gate = new Gate();
    upstream.next(async ({ response }) => {
      response.writeHead(200, { "content-type": "audio/mpeg" });
      response.write(sound.subarray(0, 50_000));
      await gate.opened;
      response.end(sound.subarray(50_000));
    });
    const answer = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "Hello there" });
    expect(answer.headers.get("content-type")).toBe("audio/mpeg");
    const reader = answer.body!.getReader();
    const parts = [Buffer.from((await reader.read()).value!)]; // the upstream is not done yet
    gate.open();
    for (let part = await reader.read(); !part.done; part = await reader.read()) parts.push(Buffer.from(part.value));
    expect(Buffer.concat(parts).equals(sound)).toBe(true);
    expect(await story.log(answer)).toMatchObject({ endpoint: "audio.speech", status: 200, usage_source: "estimated", priced: 0, end_reason: "done" });
  });

  test("streams in events", async () => {
    const events = [{ type: "speech.audio.delta", audio: "aa" }, { type: "speech.audio.done", usage: { input_tokens: 4, output_tokens: 30, total_tokens: 34 } }];
    upstream.next(upstreamDoes.stream(events));
    const answer = await client.audio.speech.create({ model: "gpt-4o-mini-tts", voice: "alloy", input: "Hi", stream_format: "sse" });
    expect(dataOf(await answer.text()).map((data) => JSON.parse(data))).toEqual(events);
    expect(await story.log(answer)).toMatchObject({ stream: 1, output_tokens: 30, usage_source: "upstream" });
  });

  test("goes to the next provider where one fails", async () => {
    const both = await scenario(gateway, [upstream, second], { retry: { max_retries: 0 } });
    upstream.next(upstreamDoes.status(500));
    second.next(({ response }) => void response.writeHead(200, { "content-type": "audio/wav" }).end("sound"));
    const answer = await both.client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "Hi" });
    expect([await answer.text(), answer.headers.get("x-edgeway-provider")]).toEqual(["sound", both.providers[1]]);
    expect((await both.log(answer)).attempts.map(({ status }) => status)).toEqual([500, 200]);
  });
});

describe("forms", () => {
  const text = { text: "Hello", usage: { type: "tokens", input_tokens: 14, output_tokens: 3, total_tokens: 17, input_token_details: { text_tokens: 4, audio_tokens: 10 } } };

  test("a transcription's file passes whole, wherever the model stands", async () => {
    const sound = randomBytes(12 * 1024 * 1024);
    for (const order of [["model", "file"], ["file", "model"]]) {
      upstream.reset().next(json(text));
      const parts = { model: "whisper-1", file: await toFile(sound, "speech.mp3") };
      const body = Object.fromEntries(order.map((name) => [name, parts[name as "model"]])) as typeof parts;
      const { data, response } = await client.audio.transcriptions.create({ ...body, language: "en" }).withResponse();
      expect((data as any).text).toBe("Hello");
      const form = await formOf(upstream.only);
      expect([upstream.only.path, form.get("model"), form.get("language")]).toEqual(["/v1/audio/transcriptions", "real-model", "en"]);
      expect(Buffer.from(await (form.get("file") as File).arrayBuffer()).equals(sound)).toBe(true);
      expect(await story.log(response)).toMatchObject({ endpoint: "audio.transcriptions", model: "whisper-1", input_tokens: 14, output_tokens: 3, usage_source: "upstream" });
    }
  });

  test("text and translations pass, too", async () => {
    upstream.next(({ response }) => void response.writeHead(200, { "content-type": "text/plain; charset=utf-8" }).end("1\n00:00 --> 00:01\nHi\n"));
    const file = await toFile(Buffer.from("sound"), "a.mp3");
    const { data, response } = await client.audio.translations.create({ model: "whisper-1", file, response_format: "srt" }).withResponse();
    expect(data as unknown).toBe("1\n00:00 --> 00:01\nHi\n");
    expect(await story.log(response)).toMatchObject({ endpoint: "audio.translations", usage_source: "estimated", priced: 0 });
  });

  test("a transcript streams", async () => {
    upstream.next(upstreamDoes.stream([{ type: "transcript.text.delta", delta: "Hel" }, { type: "transcript.text.done", text: "Hello", usage: text.usage }]));
    const stream = await client.audio.transcriptions.create({ model: "gpt-4o-transcribe", file: await toFile(Buffer.from("x"), "a.mp3"), stream: true });
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    expect(types).toEqual(["transcript.text.delta", "transcript.text.done"]);
  });

  test("images are edited", async () => {
    upstream.next(json({ created: 1, data: [{ b64_json: "aGk=" }] }));
    const image = [await toFile(Buffer.from("one"), "1.png", { type: "image/png" }), await toFile(Buffer.from("two"), "2.png", { type: "image/png" })];
    await client.images.edit({ model: "gpt-image-1", image, prompt: "A hat" });
    const form = await formOf(upstream.only);
    expect([upstream.only.path, form.get("model"), form.get("prompt"), form.getAll("image[]").length]).toEqual(["/v1/images/edits", "real-model", "A hat", 2]);
  });

  test("the key's default model is put in where there is none", async () => {
    const { key } = await scenario(gateway, [upstream], { key: { default_model: "whisper-1" } });
    upstream.next(json({ text: "Hi" }));
    const form = new FormData();
    form.set("file", new Blob(["x"]), "a.mp3");
    const response = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: form });
    expect([response.status, (await formOf(upstream.only)).get("model")]).toEqual([200, "whisper-1"]);
  });

  test("a file goes to the next provider where one fails", async () => {
    const both = await scenario(gateway, [upstream, second], { retry: { max_retries: 0 }, targets: ["one", "another"] });
    const sound = randomBytes(3 * 1024 * 1024);
    upstream.next(upstreamDoes.status(500));
    second.next(json(text));
    const { response } = await both.client.audio.transcriptions.create({ model: "whisper-1", file: await toFile(sound, "a.mp3") }).withResponse();
    expect((await both.log(response)).attempts.map(({ status, model }) => [model, status])).toEqual([["one", 500], ["another", 200]]);
    const [first, last] = [await formOf(upstream.only), await formOf(second.only)];
    expect([first.get("model"), last.get("model")]).toEqual(["one", "another"]);
    expect(Buffer.from(await (last.get("file") as File).arrayBuffer()).equals(sound)).toBe(true);
  });

  test("an upload that is not kept whole has no second attempt, and what is kept is given back", async () => {
    const megabyte = "x".repeat(1024 * 1024);
    const sound = await toFile(randomBytes(20 * 1024 * 1024), "a.mp3");
    const receiver = await Receiver.start((response) => void response.writeHead(200, { "content-type": "application/json" }).end('{"text":"Hi"}'));
    const both = async () => await scenario(gateway, [upstream, second], { retry: { max_retries: 0 } });
    try {
      // One upload that does not end holds much of what may be kept.
      const { key } = await scenario(gateway, [{ name: "receiver", url: receiver.url } as Upstream]);
      const call = slowly(key, "/v1/audio/transcriptions");
      call.send(`--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n`);
      call.send(`--b0\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n`);
      for (let sent = 0; sent < 20; sent++) call.send(megabyte);
      await receiver.until(() => receiver.size > 20 * megabyte.length);

      upstream.next(upstreamDoes.status(500));
      const refused = await both();
      await expect(refused.client.audio.transcriptions.create({ model: "whisper-1", file: sound })).rejects.toMatchObject({ status: 500 });
      expect((await gateway.logsOfKey(refused.keyId, 1))[0]!.attempts.map(({ status }) => status)).toEqual([500]);
      expect(second.exchanges).toEqual([]);

      call.send(`\r\n--b0--\r\n`);
      expect(await call.end()).toBe(200);
      upstream.next(upstreamDoes.status(500));
      second.next(json(text));
      expect(((await (await both()).client.audio.transcriptions.create({ model: "whisper-1", file: sound })) as any).text).toBe("Hello");
    } finally {
      await receiver.stop();
    }
  });

  test("the upstream has the first bytes before the client has sent the last", async () => {
    const receiver = await Receiver.start((response) => void response.writeHead(200, { "content-type": "application/json" }).end('{"text":"Hi"}'));
    try {
      const { key } = await scenario(gateway, [{ name: "receiver", url: receiver.url } as Upstream]);
      const call = slowly(key, "/v1/audio/transcriptions");
      call.send(`--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n`);
      call.send(`--b0\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n${"x".repeat(100_000)}`);
      await receiver.until(() => receiver.size > 90_000);
      expect(receiver.text.includes("--b0--")).toBe(false);
      call.send(`\r\n--b0--\r\n`);
      expect(await call.end()).toBe(200);
      expect(receiver.size).toBe(call.sent);
    } finally {
      await receiver.stop();
    }
  });

  test("a client that breaks off leaves no half upload behind", async () => {
    const receiver = await Receiver.start((response) => void response.writeHead(200).end());
    try {
      const broken = await scenario(gateway, [{ name: "receiver", url: receiver.url } as Upstream]);
      const call = slowly(broken.key, "/v1/audio/transcriptions");
      call.send(`--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n`);
      call.send(`--b0\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n${"x".repeat(1000)}`);
      await receiver.until(() => receiver.size > 900);
      call.leave();
      await receiver.until(() => receiver.wasBrokenOff);
      const [row] = await gateway.logsOfKey(broken.keyId, 1);
      expect(row).toMatchObject({ endpoint: "audio.transcriptions", model: "whisper-1", status: 499 });
    } finally {
      await receiver.stop();
    }
  });

  test("what is held for an upload stands where its client breaks it off", async () => {
    const receiver = await Receiver.start((response) => void response.writeHead(200).end());
    try {
      await gateway.admin.ok("PUT", "/api/user-models/listener", { provider: "openai-compatible", audio_second_price: 100 });
      const broken = await scenario(gateway, [{ name: "receiver", url: receiver.url } as Upstream], { key: { budget: { usd: 5, window: "day" } } });
      const call = slowly(broken.key, "/v1/audio/transcriptions");
      call.send(`--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\nlistener\r\n`);
      call.send(`--b0\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n${"x".repeat(1000)}`);
      await receiver.until(() => receiver.size > 900);
      call.leave();
      await receiver.until(() => receiver.wasBrokenOff);
      const [row] = await gateway.logsOfKey(broken.keyId, 1);
      expect(row).toMatchObject({ status: 499 });
      const { usage } = (await gateway.admin.ok("GET", `/api/keys/${broken.keyId}`)) as any;
      const [{ cost }] = ((await gateway.admin.ok("GET", `/api/logs?key_id=${broken.keyId}`)) as any).data;
      expect(cost).toBeGreaterThan(0);
      expect(usage).toMatchObject([{ limit: "budget", used: cost }]);
    } finally {
      await receiver.stop();
    }
  });

  test("a second model behind the file stops the upload", async () => {
    const receiver = await Receiver.start((response) => void response.writeHead(200, { "content-type": "application/json" }).end('{"text":"Hi"}'));
    try {
      const { key } = await scenario(gateway, [{ name: "receiver", url: receiver.url } as Upstream], { key: { allowed_models: ["cheap"] } });
      const call = slowly(key, "/v1/audio/transcriptions");
      call.send(`--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\ncheap\r\n`);
      call.send(`--b0\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n${"x".repeat(1000)}`);
      await receiver.until(() => receiver.size > 900);
      call.send(`\r\n--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\ndear\r\n--b0--\r\n`);
      expect(await call.end()).toBe(400);
      await receiver.until(() => receiver.wasBrokenOff);
      expect(receiver.text.includes("dear")).toBe(false);
    } finally {
      await receiver.stop();
    }
  });

  test("names cannot smuggle a field past the gateway", async () => {
    for (const head of [
      `form-data; name="x\\"; name=\\"model"`, `form-data; name="x"; name="model"`, `form-data; name*=UTF-8''model`, `form-data;\r\n name="model"`,
    ]) {
      const body = `--b0\r\nContent-Disposition: ${head}\r\n\r\ndear\r\n--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\ncheap\r\n`
        + `--b0\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b0--\r\n`;
      const response = await gateway.call(story.key, "/v1/audio/transcriptions", body, { headers: { "content-type": "multipart/form-data; boundary=b0" } });
      expect([head, response.status]).toEqual([head, 400]);
    }
    // Without its prefix the model would end its own part.
    const forged = `--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\n${story.providers[0]}/--b0\r\n--b0\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b0--\r\n`;
    const { key } = await gateway.admin.key({ name: gateway.unique("key") });
    const response = await gateway.call(key, "/v1/audio/transcriptions", forged, { headers: { "content-type": "multipart/form-data; boundary=b0" } });
    expect([response.status, ((await response.json()) as any).error.param, upstream.exchanges.length]).toEqual([400, "model", 0]);
  });

  test("a file that is too large is refused", async () => {
    const form = new FormData();
    form.set("file", new Blob([Buffer.alloc(27 * 1024 * 1024)]), "a.mp3");
    form.set("model", "whisper-1");
    const response = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: "POST", headers: { authorization: `Bearer ${story.key}` }, body: form });
    expect([response.status, upstream.exchanges.length]).toEqual([413, 0]);
  });

  /** A chunked upload that goes on when the test says so. */
  function slowly(key: string, path: string) {
    const { hostname, port } = new URL(gateway.url);
    const headers = { authorization: `Bearer ${key}`, "content-type": "multipart/form-data; boundary=b0" };
    const request = httpRequest({ hostname, port, path, method: "POST", headers });
    const status = new Promise<number>((resolve, reject) => {
      request.once("response", (response) => resolve((response.resume(), response.statusCode!)));
      request.once("error", reject);
    });
    status.catch(() => {}); // told by `end`
    const call = {
      sent: 0,
      send(part: string) {
        call.sent += Buffer.byteLength(part);
        request.write(part);
      },
      leave: () => void request.destroy(),
      end: async () => (request.end(), await status),
    };
    return call;
  }
});

describe("text completions", () => {
  const completion = { id: "cmpl-1", object: "text_completion", created: 1, model: "real-model", choices: [{ text: " world", index: 0, logprobs: null, finish_reason: "stop" }], usage: { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3 } };

  test("pass to an upstream that has them", async () => {
    upstream.next(json(completion));
    const { data, response } = await client.completions.create({ model: "babbage-002", prompt: ["Hello", "Bye"] }).withResponse();
    expect(data.choices[0]!.text).toBe(" world");
    expect([upstream.only.path, upstream.only.json.prompt]).toEqual(["/v1/completions", ["Hello", "Bye"]]);
    expect(await story.log(response)).toMatchObject({ endpoint: "completions", input_tokens: 2, output_tokens: 1, usage_source: "upstream" });
  });

  test("stream from there, with usage that only who asked for it sees", async () => {
    const chunk = (text: string, finish_reason: string | null = null) => ({ ...completion, usage: null, choices: [{ text, index: 0, logprobs: null, finish_reason }] });
    upstream.next(upstreamDoes.stream([chunk(" wor"), chunk("ld", "stop"), { ...completion, choices: [] }, upstreamDoes.DONE]));
    const response = await gateway.call(story.key, "/v1/completions", { model: "babbage-002", prompt: "Hello", stream: true });
    const data = dataOf(await response.text());
    expect(data.slice(0, -1).map((it) => JSON.parse(it).choices[0].text)).toEqual([" wor", "ld"]);
    expect(data.at(-1)).toBe("[DONE]");
    expect(upstream.only.json.stream_options).toEqual({ include_usage: true });
    expect(await story.log(response)).toMatchObject({ output_tokens: 1, usage_source: "upstream" });
  });

  describe.each(["chat", "messages", "gemini"] as const)("over a strict upstream of %s", (dialect) => {
    test("are answered whole and streamed", async () => {
      const strict = await startStrict(dialect);
      try {
        const kind = { chat: "openai-compatible", messages: "anthropic", gemini: "gemini" }[dialect];
        const { id } = await gateway.admin.ok("POST", "/api/providers", { name: gateway.unique(dialect), kind, base_url: strict.url, api_key: "sk-strict-secret" });
        const router = await gateway.admin.router(gateway.unique("router"), [{ to: id, target: strict.model }], { retry: { max_retries: 0 } });
        const own = gateway.client((await gateway.admin.key({ name: gateway.unique("key"), router_id: router.id })).key);
        const asked = { model: "any", prompt: "Say hello.", max_tokens: 50 };
        const { data: whole, response } = await own.completions.create(asked).withResponse();
        expect([whole.object, whole.choices[0]!.finish_reason]).toEqual(["text_completion", "stop"]);
        expect(whole.choices[0]!.text.length).toBeGreaterThan(0);
        expect(await gateway.log(response.headers.get("x-request-id"))).toMatchObject({ endpoint: "completions", usage_source: "upstream" });
        let text = "";
        for await (const chunk of await own.completions.create({ ...asked, stream: true })) text += chunk.choices[0]?.text ?? "";
        expect(text).toBe(whole.choices[0]!.text);
        // A chat endpoint of a kind that may complete was tried, and is known from then on.
        const paths = strict.upstream.exchanges.map(({ path }) => path.replace(/^\/v1\//, ""));
        expect(dialect === "chat" ? paths : []).toEqual(dialect === "chat" ? ["completions", "chat/completions", "chat/completions"] : []);
        // Several prompts are several calls; tokens are of another model.
        const several = await own.completions.create({ ...asked, prompt: ["Say hello.", "Say hello."] });
        expect(several.choices.map(({ index, text }) => [index, text])).toEqual([[0, text], [1, text]]);
        await expect(own.completions.create({ ...asked, prompt: [1, 2] })).rejects.toMatchObject({ status: 400, param: "prompt" });
      } finally {
        await strict.upstream.stop();
      }
    });
  });
});
