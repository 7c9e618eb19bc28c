// The official Node client, pointed at the gateway: everything it can do with OpenAI it can do here.
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { question, scenario, type Scenario } from "./gateway/scenario.ts";
import { dataOf, eventsOf } from "./sse.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";
import { USAGE, content, finish, role, toolDelta, usageChunk } from "./upstream/shapes.ts";

let gateway: Gateway;
let upstream: Upstream;
let story: Scenario;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start(), Upstream.start()]);
  story = await scenario(gateway, [upstream]);
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

const weather = {
  type: "function" as const,
  function: { name: "get_weather", description: "The weather.", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } },
};

describe("chat completions", () => {
  test("answer", async () => {
    const answer = await story.client.chat.completions.create(question());
    expect(answer.choices[0]!.message.content).toBe("Hello from upstream");
    expect(answer.usage).toMatchObject(USAGE);
    expect(upstream.only).toMatchObject({ method: "POST", path: "/v1/chat/completions", key: `sk-${story.providers[0]}-secret` });
  });

  test("carry the gateway's headers", async () => {
    const { response } = await story.client.chat.completions.create(question()).withResponse();
    const header = (name: string) => response.headers.get(name);
    expect(header("x-request-id")).toMatch(/^\S{16,64}$/);
    expect(header("x-edgeway-provider")).toBe(story.providers[0]);
    expect(header("x-edgeway-model")).toBe("e2e-small");
    expect(header("x-edgeway-attempts")).toBe("1");
    expect(header("x-edgeway-latency-ms")).toMatch(/^\d+$/);
    expect(header("x-edgeway-overhead-ms")).toMatch(/^\d+(\.\d+)?$/);
    expect(Number(header("x-edgeway-overhead-ms"))).toBeLessThanOrEqual(Number(header("x-edgeway-latency-ms")));
  });

  test("stream", async () => {
    let text = "";
    for await (const chunk of await story.client.chat.completions.create({ ...question(), stream: true })) {
      text += chunk.choices[0]!.delta.content ?? "";
      expect(chunk.usage ?? null).toBeNull();
    }
    expect(text).toBe("Hello from upstream");
    expect(upstream.only.json.stream_options, "usage is always asked of the upstream").toEqual({ include_usage: true });
  });

  test("stream with usage where it was asked for", async () => {
    const chunks = await Array.fromAsync(await story.client.chat.completions.create({ ...question(), stream: true, stream_options: { include_usage: true } }));
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: USAGE });
  });

  test.each([
    ["no stream_options", {}],
    ["include_usage: false", { stream_options: { include_usage: false } }],
    ["stream_options: null", { stream_options: null }],
    ["other stream_options", { stream_options: { include_obfuscation: false } }],
  ])("hide the usage chunk of a stream with %s", async (_, options) => {
    const text = await (await story.chat({ stream: true, ...options })).text();
    expect(eventsOf(text).every((event) => event.choices.length === 1)).toBe(true);
    expect(dataOf(text).at(-1)).toBe("[DONE]");
    expect(upstream.only.json.stream_options).toMatchObject({ include_usage: true, ...("include_obfuscation" in (options.stream_options ?? {}) && { include_obfuscation: false }) });
  });

  test("go to the model that the rule names, and say so", async () => {
    const renamed = await scenario(gateway, [upstream], { targets: ["the-real-model"] });
    const response = await renamed.chat({ model: "alias" });
    expect(upstream.only.json.model).toBe("the-real-model");
    expect(response.headers.get("x-edgeway-model")).toBe("the-real-model");
    expect(await renamed.log(response)).toMatchObject({ model: "alias", target_model: "the-real-model" });
  });

  test("go to the provider that the model name forces", async () => {
    const { key } = await gateway.admin.key({ name: gateway.unique("key") });
    const response = await gateway.call(key, "/v1/chat/completions", { ...question(), model: `${story.providers[0]}/org/e2e-small` });
    expect(response.status).toBe(200);
    expect(upstream.only.json.model).toBe("org/e2e-small");
  });
});

describe("bytes pass", () => {
  const strange = `{ "messages" : [{"role":"user","content":"caf\\u00e9 \\ud83d\\ude80 \\/ é"}],\n\t"future_field": {"b":1.0, "a":[1e400, -0, 12345678901234567890, 0.10]} , "model":"e2e-small","temperature":0.70,"z":null}`;

  test("to the upstream, unknown fields, numbers, order and spaces as they came", async () => {
    await gateway.call(story.key, "/v1/chat/completions", strange);
    expect(upstream.only.text).toBe(strange);
  });

  test("to the upstream of a stream, but for the fields that the gateway owns", async () => {
    const renamed = await scenario(gateway, [upstream], { targets: ["other-model"] });
    const body = strange.replace(/\}$/, ',"stream" : true}');
    await (await gateway.call(renamed.key, "/v1/chat/completions", body)).text();
    const sent = upstream.only.text;
    expect(sent).toContain(`"future_field": {"b":1.0, "a":[1e400, -0, 12345678901234567890, 0.10]}`);
    expect(sent).toContain(`"content":"caf\\u00e9 \\ud83d\\ude80 \\/ é"`);
    const owned = sent.replace(/,?\s*"stream_options"\s*:\s*\{[^}]*\}/, "").replace('"other-model"', '"e2e-small"');
    expect(owned.replaceAll(/^\{,?\s*/g, "{ ")).toBe(body);
  });

  test("to the client, a plain answer is the upstream's own", async () => {
    const bytes = `{"id":"x","object":"chat.completion","model":"m",\n "choices":[{"index":0,"message":{"role":"assistant","content":"\\u00e9","reasoning_content":"…","vendor":{"n":1.00}},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"cost":0.10}}`;
    upstream.always(({ response }) => void response.writeHead(200, { "content-type": "application/json" }).end(bytes));
    expect(await (await story.chat()).text()).toBe(bytes);
  });

  test("to the client, a stream's events are the upstream's own", async () => {
    const event = `data: {"id":"x" , "choices":[{"index":0,"delta":{"content":"a","reasoning":"\\u00e9","n":1.00}}],"vendor":true}\n\n`;
    upstream.always(upstreamDoes.stream([event, finish(), usageChunk(), upstreamDoes.DONE]));
    const text = await (await story.chat({ stream: true })).text();
    expect(text.startsWith(event)).toBe(true);
  });
});

describe("tools", () => {
  test("make a round trip", async () => {
    upstream.next(upstreamDoes.answer({ toolCalls: [{ id: "call_1", name: "get_weather", arguments: '{"city":"Łódź"}' }] }));
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "How is the weather?" }];
    const asked = await story.client.chat.completions.create({ model: "e2e-small", messages, tools: [weather], tool_choice: "auto" });
    const [choice] = asked.choices;
    expect(choice!.finish_reason).toBe("tool_calls");
    messages.push(choice!.message, { role: "tool", tool_call_id: choice!.message.tool_calls![0]!.id, content: "Rain" });

    const answer = await story.client.chat.completions.create({ model: "e2e-small", messages, tools: [weather] });

    expect(answer.choices[0]!.message.content).toBe("Hello from upstream");
    const [first, second] = upstream.exchanges.map(({ json }) => json);
    expect(first.tools).toEqual([weather]);
    expect(second.messages.at(-2).tool_calls[0].function.arguments).toBe('{"city":"Łódź"}');
    expect(second.messages.at(-1)).toEqual({ role: "tool", tool_call_id: "call_1", content: "Rain" });
  });

  test("stream in parallel", async () => {
    upstream.always(upstreamDoes.stream([
      role(),
      toolDelta(0, { id: "call_a", name: "get_weather" }), toolDelta(0, { arguments: '{"ci' }), toolDelta(0, { arguments: 'ty":"Oslo"}' }),
      toolDelta(1, { id: "call_b", name: "get_weather" }), toolDelta(1, { arguments: '{"city":"Rome"}' }),
      finish("tool_calls"), usageChunk(), upstreamDoes.DONE,
    ]));
    const run = story.client.chat.completions.stream({ ...question(), tools: [weather] });
    const message = (await run.finalChatCompletion()).choices[0]!.message;
    expect(message.tool_calls?.map((call) => call.type === "function" && [call.id, call.function.arguments])).toEqual([["call_a", '{"city":"Oslo"}'], ["call_b", '{"city":"Rome"}']]);
  });
});

describe("embeddings", () => {
  test("in the client's default, base64, decode to the vector", async () => {
    const answer = await story.client.embeddings.create({ model: "e2e-embed", input: ["one", "two"] });
    expect(upstream.only.json.encoding_format).toBe("base64");
    expect(answer.data.map(({ embedding }) => Array.from(embedding))).toEqual([[0.25, -0.5, 1], [0.25, -0.5, 1]]);
  });

  test("as floats", async () => {
    const { data: answer, response } = await story.client.embeddings.create({ model: "e2e-embed", input: "one", encoding_format: "float" }).withResponse();
    expect(answer.data[0]!.embedding).toEqual([0.25, -0.5, 1]);
    expect(upstream.only.path).toBe("/v1/embeddings");
    expect(await gateway.log(response.headers.get("x-request-id"))).toMatchObject({ endpoint: "embeddings", input_tokens: 4, output_tokens: 0, usage_source: "upstream" });
  });

  test("fail over as chat does", async () => {
    const two = await scenario(gateway, [upstream, upstream], { retry: { max_retries: 0 } });
    upstream.next(upstreamDoes.status(500));
    const { response } = await two.client.embeddings.create({ model: "e2e-embed", input: "one" }).withResponse();
    expect(response.headers.get("x-edgeway-attempts")).toBe("2");
  });
});

describe("models", () => {
  test("are listed and retrieved, one by one", async () => {
    await gateway.admin.request("POST", `/api/providers/${story.providerIds[0]}/models/refresh`);
    const models = await Array.fromAsync(story.client.models.list());
    expect(models.length).toBeGreaterThan(0);
    for (const model of models) {
      expect(model).toMatchObject({ id: expect.any(String), object: "model", created: expect.any(Number), owned_by: expect.any(String) });
    }
    expect((await story.client.models.retrieve(models[0]!.id)).id).toBe(models[0]!.id);
  });

  test("that are not there raise NotFoundError", async () => {
    await expect(story.client.models.retrieve("no-such-model-anywhere")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });
});

describe("errors raise what OpenAI's would", () => {
  const failure = async (code: number, options: upstreamDoes.Failure = {}) => {
    const alone = await scenario(gateway, [upstream], { retry: { max_retries: 0 } });
    upstream.always(upstreamDoes.status(code, options));
    return await alone.client.chat.completions.create(question()).then(() => undefined, (error) => error);
  };

  test("BadRequestError, with message, param and code", async () => {
    const error = await failure(400, { message: "Unsupported value", param: "temperature", code: "unsupported_value" });
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, param: "temperature", code: "unsupported_value", message: expect.stringContaining("Unsupported value") });
    expect(error.requestID).toMatch(/^\S{16,64}$/);
  });

  test("NotFoundError", async () => expect(await failure(404, { code: "model_not_found" })).toBeInstanceOf(OpenAI.NotFoundError));
  test("UnprocessableEntityError", async () => expect(await failure(422)).toBeInstanceOf(OpenAI.UnprocessableEntityError));
  test("RateLimitError", async () => expect(await failure(429)).toBeInstanceOf(OpenAI.RateLimitError));
  test("InternalServerError", async () => expect(await failure(500)).toBeInstanceOf(OpenAI.InternalServerError));

  test("AuthenticationError for a key that the gateway does not know", async () => {
    const error = await gateway.client("gw_not_a_key").chat.completions.create(question()).catch((raised) => raised);
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error).toMatchObject({ code: expect.any(String), type: expect.any(String) });
    expect(upstream.exchanges).toEqual([]);
  });

  test("APIError in mid-stream", async () => {
    upstream.always(upstreamDoes.diesInStream("end"));
    let text = "";
    const reading = (async () => {
      for await (const chunk of await story.client.chat.completions.create({ ...question(), stream: true })) {
        text += chunk.choices[0]?.delta.content ?? "";
      }
    })();
    await expect(reading).rejects.toBeInstanceOf(OpenAI.APIError);
    expect(text).toBe("Half an ans");
  });
});

test("the caller's credential may come in any of its four places", async () => {
  const places: Array<[string, Record<string, string>]> = [
    ["/v1/chat/completions", { authorization: `Bearer ${story.key}` }],
    ["/v1/chat/completions", { authorization: `bearer ${story.key}` }],
    ["/v1/chat/completions", { "x-api-key": story.key }],
    ["/v1/chat/completions", { "x-goog-api-key": story.key }],
    [`/v1/chat/completions?key=${story.key}`, {}],
  ];
  for (const [path, headers] of places) {
    const response = await fetch(gateway.url + path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(question()) });
    expect(response.status, JSON.stringify([path, headers])).toBe(200);
  }
  for (const exchange of upstream.exchanges) {
    expect(`${exchange.path} ${JSON.stringify(exchange.headers)}`).not.toContain(story.key);
  }
});
