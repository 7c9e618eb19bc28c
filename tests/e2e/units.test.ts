// What is not counted in tokens: pictures, seconds, characters and searches are counted, priced, held under budgets, and shown.
import OpenAI, { toFile } from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario, type Scenario } from "./gateway/scenario.ts";
import { Upstream, type Behaviour } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

let gateway: Gateway;
let upstream: Upstream;
let story: Scenario;
let client: OpenAI;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start(), Upstream.start()]);
  story = await scenario(gateway, [upstream]);
  client = story.client;
  for (const [model, prices] of Object.entries({
    painter: { image_price: 40_000 },
    "token-painter": { input_price: 5, image_input_price: 10, image_output_price: 40 },
    listener: { audio_second_price: 100 },
    "token-listener": { input_price: 2.5, audio_input_price: 6, output_price: 10 },
    speaker: { character_price: 15 },
    "token-speaker": { input_price: 0.6, audio_output_price: 12, output_price: 10 },
    ranker: { search_price: 2_000 },
  })) {
    await gateway.admin.ok("PUT", `/api/user-models/${model}`, { provider: "openai-compatible", ...prices });
  }
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

const json = (body: unknown): Behaviour => ({ response }) =>
  void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
const sound: Behaviour = ({ response }) => void response.writeHead(200, { "content-type": "audio/mpeg" }).end("sound");
const pictures = (count: number) => json({ created: 1, data: Array.from({ length: count }, () => ({ url: "https://images.test/1" })) });

/** A second of silence, as often as that: 16 kHz, 16 bit, mono. */
async function wav(seconds: number) {
  const head = Buffer.alloc(44);
  head.write("RIFF", 0).toString();
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(16_000, 24);
  head.writeUInt32LE(32_000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  return await toFile(Buffer.concat([head, Buffer.alloc(32_000 * seconds - 44)]), "silence.wav");
}

/** Cost in USD, units and source, as the management API shows them. */
async function shown(response: Response, of: Scenario = story) {
  const { id } = await of.log(response);
  const { cost, priced, units, usage_source } = (await gateway.admin.ok("GET", `/api/logs/${id}`)) as any;
  return { cost, priced, units, usage_source };
}

describe("is counted and priced", () => {
  test("by the picture, as many as came", async () => {
    upstream.next(pictures(2));
    const { response } = await client.images.generate({ model: "painter", prompt: "A cat", n: 3 }).withResponse();
    expect(response.headers.get("x-edgeway-cost")).toBe("0.08");
    expect(await shown(response)).toEqual({ cost: 0.08, priced: true, units: { images: 2 }, usage_source: "estimated" });
  });

  test("by the tokens that pictures likely are, where nobody says", async () => {
    upstream.next(pictures(2));
    const { response } = await client.images.generate({ model: "token-painter", prompt: "A cat", n: 2 }).withResponse();
    expect(await shown(response)).toMatchObject({ cost: (2 * 5 + 2 * 1_056 * 40) / 1e6, priced: true, units: { images: 2 } });
  });

  test("by the tokens of pictures, those that were sent and those that were made", async () => {
    const usage = { input_tokens: 110, output_tokens: 1000, total_tokens: 1110, input_tokens_details: { text_tokens: 10, image_tokens: 100 } };
    upstream.next(json({ created: 1, data: [{ b64_json: "aGk=" }], usage }));
    const image = await toFile(Buffer.from("one"), "1.png", { type: "image/png" });
    const { response } = await client.images.edit({ model: "token-painter", image, prompt: "A hat" }).withResponse();
    expect(await shown(response)).toEqual({
      cost: (10 * 5 + 100 * 10 + 1000 * 40) / 1e6, priced: true, usage_source: "upstream",
      units: { images: 1, image_input_tokens: 100, image_output_tokens: 1000 },
    });
  });

  test("by the picture in a stream, too", async () => {
    const event = (type: string) => `event: ${type}\ndata: ${JSON.stringify({ type, b64_json: "aa" })}\n\n`;
    upstream.next(upstreamDoes.stream([event("image_generation.partial_image"), event("image_generation.completed")]));
    const { data, response } = await client.images.generate({ model: "painter", prompt: "A cat", stream: true }).withResponse();
    for await (const _ of data);
    expect(await shown(response)).toMatchObject({ cost: 0.04, units: { images: 1 } });
  });

  test.each([
    ["usage", { text: "Hi", usage: { type: "duration", seconds: 9 } }, 9_000],
    ["the transcript", { text: "Hi", duration: 8.5, segments: [] }, 8_500],
  ])("by the second, as %s says", async (_, body, audio_ms) => {
    upstream.next(json(body));
    const { response } = await client.audio.transcriptions.create({ model: "listener", file: await wav(2) }).withResponse();
    expect(await shown(response)).toEqual({ cost: audio_ms / 1e7, priced: true, units: { audio_ms }, usage_source: "upstream" });
  });

  test("by the second, as the recording says where the upstream does not", async () => {
    upstream.next(({ response }) => void response.writeHead(200, { "content-type": "text/plain" }).end("Hi"));
    const { response } = await client.audio.transcriptions.create({ model: "listener", file: await wav(3), response_format: "text" }).withResponse();
    expect(await shown(response)).toEqual({ cost: 0.0003, priced: true, units: { audio_ms: 3_000 }, usage_source: "estimated" });
  });

  test("by the tokens that seconds likely are, where the model has no other price", async () => {
    upstream.next(json({ text: "" }));
    const { response } = await client.audio.transcriptions.create({ model: "token-listener", file: await wav(10) }).withResponse();
    expect(await shown(response)).toEqual({ cost: (100 * 6) / 1e6, priced: true, units: { audio_ms: 10_000 }, usage_source: "estimated" });
  });

  test("by the character", async () => {
    upstream.next(sound);
    const response = await client.audio.speech.create({ model: "speaker", voice: "alloy", input: "Grüße 😀" });
    expect(response.headers.get("x-edgeway-cost")).toBe("0.000105");
    expect(await shown(response)).toEqual({ cost: (7 * 15) / 1e6, priced: true, units: { characters: 7 }, usage_source: "estimated" });
  });

  test("by the search", async () => {
    upstream.next(json({ results: [], meta: { billed_units: { search_units: 2 } } }));
    const response = await gateway.call(story.key, "/v1/rerank", { model: "ranker", query: "a", documents: ["b", "c"] });
    expect(await shown(response)).toEqual({ cost: 0.004, priced: true, units: { searches: 2 }, usage_source: "estimated" });
  });

  test("and not where it has no price", async () => {
    upstream.next(pictures(1));
    const { response } = await client.images.generate({ model: "speaker", prompt: "A cat" }).withResponse();
    expect(response.headers.get("x-edgeway-cost")).toBeNull();
    expect(await shown(response)).toMatchObject({ cost: 0, priced: false, units: { images: 1 } });
  });
});

describe("is held under a budget", () => {
  const keyOf = async (usd: number) => await scenario(gateway, [upstream], { key: { budget: { usd, window: "day" } } });

  test("so that no more pictures are made than it pays for", async () => {
    const budgeted = await keyOf(0.2);
    upstream.always(pictures(1));
    const calls = Array.from({ length: 40 }, () => gateway.call(budgeted.key, "/v1/images/generations", { model: "painter", prompt: "A cat" }));
    const statuses = (await Promise.all(calls)).map((response) => response.status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(5);
    expect(statuses.filter((status) => status === 402)).toHaveLength(35);
    expect(upstream.exchanges).toHaveLength(5);
  });

  test.each([
    ["pictures", "/v1/images/generations", { model: "painter", prompt: "a", n: 2 }],
    ["tokens of a picture", "/v1/images/generations", { model: "token-painter", prompt: "a" }],
    ["characters", "/v1/audio/speech", { model: "speaker", voice: "alloy", input: "word ".repeat(1_000) }],
    ["tokens of speech", "/v1/audio/speech", { model: "token-speaker", voice: "alloy", input: "word ".repeat(1_000) }],
    ["searches", "/v1/rerank", { model: "ranker", query: "a", documents: Array(3_001).fill("b") }],
  ])("before it is asked for: %s", async (_, path, body) => {
    const budgeted = await keyOf(0.06);
    const response = await gateway.call(budgeted.key, path, body);
    expect([response.status, upstream.exchanges.length]).toEqual([402, 0]);
  });

  test("what fields behind a file ask for, and the files", async () => {
    const budgeted = await keyOf(0.06);
    const image = await toFile(Buffer.alloc(600_000, "x"), "1.png", { type: "image/png" });
    const edit = { model: "painter", image, prompt: "A hat", n: 5 };
    await expect(budgeted.client.images.edit(edit)).rejects.toMatchObject({ status: 402 });
    const files = { model: "token-painter", prompt: "A hat", size: "1024x1024", image: [image, image] } as const;
    const enough = await keyOf(0.25); // for the picture, not for those that are sent along
    await expect(enough.client.images.edit(files)).rejects.toMatchObject({ status: 402 });
    expect(upstream.exchanges).toHaveLength(0);
  });

  test("and not let by for nothing where words have no price", async () => {
    const budgeted = await keyOf(1);
    const body = { model: "painter", max_tokens: 9, messages: [{ role: "user", content: "Hi" }] };
    const response = await gateway.call(budgeted.key, "/v1/chat/completions", body);
    expect([response.status, upstream.exchanges.length]).toEqual([402, 0]);
  });

  test("and stands where a stream of pictures breaks off", async () => {
    const budgeted = await keyOf(1);
    const partial = `data: ${JSON.stringify({ type: "image_generation.partial_image", b64_json: "aa", partial_image_index: 0 })}\n\n`;
    upstream.next(upstreamDoes.stream([partial, upstreamDoes.RESET]));
    const asked = { model: "token-painter", prompt: "A cat", size: "1024x1024", stream: true } as const;
    const { data, response } = await budgeted.client.images.generate(asked).withResponse();
    await expect((async () => { for await (const _ of data); })()).rejects.toThrow();
    const { cost, units } = await shown(response, budgeted);
    expect(cost).toBeGreaterThan((4_162 * 40) / 1e6);
    expect(units).toEqual({ images: 1, image_output_tokens: 4_162 });
    const { usage } = (await gateway.admin.ok("GET", `/api/keys/${budgeted.keyId}`)) as any;
    expect(usage).toMatchObject([{ limit: "budget", used: cost }]);
  });

  test("by the length of a recording", async () => {
    const budgeted = await keyOf(0.0005);
    await expect(budgeted.client.audio.transcriptions.create({ model: "listener", file: await wav(6) })).rejects.toMatchObject({ status: 402 });
    expect(upstream.exchanges).toHaveLength(0);
    upstream.next(json({ text: "Hi", usage: { type: "duration", seconds: 4 } }));
    await budgeted.client.audio.transcriptions.create({ model: "listener", file: await wav(4) });
    const { usage } = (await gateway.admin.ok("GET", `/api/keys/${budgeted.keyId}`)) as any;
    expect(usage).toMatchObject([{ limit: "budget", used: 0.0004 }]);
  });
});
