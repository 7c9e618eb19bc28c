// The clouds that have other companies' models: Vertex AI, where Claude and Gemini are asked in their own dialects, and Amazon
// Bedrock, where a pair of access keys signs each request, and models of all makers are asked by Converse.
import { createHash, createHmac } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { question } from "./gateway/scenario.ts";
import { Upstream, type Behaviour, type Exchange } from "./upstream.ts";
import { binary, binaryStream } from "./upstream/binary.ts";

let gateway: Gateway;
let cloud: Upstream;

beforeAll(async () => {
  [gateway, cloud] = await Promise.all([Gateway.start(), Upstream.start("cloud")]);
});
afterEach(() => cloud.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), cloud?.stop()]);
});

const gives = (body: object): Behaviour => ({ response }) => {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
};
const events = (...parts: object[]): Behaviour => ({ response }) => {
  const named = (part: any) => (part.type ? `event: ${part.type}\n` : "");
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(parts.map((part) => `${named(part)}data: ${JSON.stringify(part)}\n\n`).join(""));
};

const place = () => `${cloud.url}/projects/p/locations/europe-west1`;
const path = (rest: string) => `/v1/projects/p/locations/europe-west1/${rest}`;

async function account(kind: string, apiKey: string, settings: object = {}) {
  const { name } = await gateway.admin.ok("POST", "/api/providers", {
    name: gateway.unique(kind), kind, base_url: place(), api_key: apiKey, ...settings,
  });
  const { key } = await gateway.admin.key({ name: gateway.unique("key") });
  return { name, call: (endpoint: string, body: object) => gateway.call(key, endpoint, body) };
}

const message = {
  id: "msg_vrtx_1", type: "message", role: "assistant", model: "claude-sonnet-4-5", content: [{ type: "text", text: "Hello" }],
  stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 11, output_tokens: 3 },
};

test("Vertex AI: a Messages client reaches Claude with its own body, without the model and with the version", async () => {
  const { name, call } = await account("vertex", "ya29.token");
  const body = { max_tokens: 9, messages: [{ role: "user", content: "Hi" }], thinking: { type: "disabled" } };
  cloud.next(gives(message));
  const response = await call("/v1/messages", { model: `${name}/claude-sonnet-4-5@20250929`, ...body });
  expect([response.status, await response.json()]).toEqual([200, message]);
  expect(cloud.only.path).toBe(path("publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict"));
  expect(cloud.only.json).toEqual({ anthropic_version: "vertex-2023-10-16", ...body });
  expect(cloud.only.key).toBe("ya29.token");

  cloud.reset().next(events(
    { type: "message_start", message: { ...message, content: [], stop_reason: null } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello" } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 3 } },
    { type: "message_stop" },
  ));
  const streamed = await call("/v1/messages", { model: `${name}/anthropic/claude-sonnet-4-5@20250929`, ...body, stream: true });
  expect(await streamed.text()).toContain("message_stop");
  expect(cloud.only.path).toBe(path("publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict"));
  expect(cloud.only.json).toEqual({ anthropic_version: "vertex-2023-10-16", ...body, stream: true });
});

test("Vertex AI: a Chat client's call of Claude is translated, one of Llama is not", async () => {
  const { name, call } = await account("vertex", "ya29.token");
  cloud.next(gives(message));
  const response = await call("/v1/chat/completions", { ...question(), model: `${name}/claude-sonnet-4-5@20250929` });
  expect((await response.json()).choices[0].message.content).toBe("Hello");
  expect(cloud.only.json).toMatchObject({ anthropic_version: "vertex-2023-10-16", messages: [{ role: "user" }] });
  expect(cloud.only.json).not.toHaveProperty("model");

  cloud.reset();
  expect((await call("/v1/chat/completions", { ...question(), model: `${name}/meta/llama-3.3-70b-instruct-maas` })).status).toBe(200);
  expect([cloud.only.path, cloud.only.json.model]).toEqual([path("endpoints/openapi/chat/completions"), "meta/llama-3.3-70b-instruct-maas"]);
});

test("Vertex AI: a Gemini client reaches Gemini, whole and streamed", async () => {
  const { name, call } = await account("vertex", "ya29.token");
  const answer = {
    candidates: [{ content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP" }],
    usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 1, totalTokenCount: 5 }, modelVersion: "gemini-2.5-flash",
  };
  const body = { contents: [{ role: "user", parts: [{ text: "Hi" }] }] };
  cloud.next(gives(answer));
  const response = await call(`/v1beta/models/${name}/gemini-2.5-flash:generateContent`, body);
  expect([response.status, await response.json()]).toEqual([200, answer]);
  expect(cloud.only.path).toBe(path("publishers/google/models/gemini-2.5-flash:generateContent"));
  expect(cloud.only.json).toEqual(body);

  cloud.reset().next(events(answer));
  const streamed = await call(`/v1beta/models/${name}/google/gemini-2.5-flash:streamGenerateContent?alt=sse`, body);
  expect(await streamed.text()).toContain("Hello");
  expect(cloud.only.path).toBe(path("publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse"));
});

/** The signature that AWS would compute of a request as it arrived. */
function signature({ method, path, headers, body }: Exchange, secret: string) {
  const [, date, region, service, names] =
    /Credential=[^/]+\/(\d+)\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+),/.exec(headers.authorization!)!;
  const hash = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");
  const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  const signed = names!.split(";").map((name) => `${name}:${headers[name]}\n`).join("");
  const twice = path.split("/").map(encodeURIComponent).join("/");
  const canonical = [method, twice, "", signed, names, hash(body)].join("\n");
  const text = ["AWS4-HMAC-SHA256", headers["x-amz-date"], `${date}/${region}/${service}/aws4_request`, hash(canonical)].join("\n");
  const key = [date, region, service, "aws4_request"].reduce<string | Buffer>((key, part) => hmac(key, part!), `AWS4${secret}`);
  return hmac(key, text).toString("hex");
}

test("Bedrock: access keys sign each request and are not sent, an API key is a bearer", async () => {
  const [id, secret, token] = ["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2luX2Vj//example=="];
  const { name, call } = await account("bedrock", `${id}:${secret}:${token}`, { config: { region: "eu-west-1" } });
  for (const text of ["Say hello.", "Say hällo."]) {
    cloud.reset();
    expect((await call("/v1/chat/completions", { ...question(text), model: `${name}/openai.gpt-oss-120b-1:0` })).status).toBe(200);
    const { headers } = cloud.only;
    expect(headers.authorization).toContain(`Credential=${id}/${headers["x-amz-date"]!.slice(0, 8)}/eu-west-1/bedrock/aws4_request`);
    expect(headers.authorization).toContain("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token");
    expect(headers.authorization!.split("Signature=")[1]).toBe(signature(cloud.only, secret!));
    expect(headers["x-amz-security-token"]).toBe(token);
    expect(JSON.stringify(headers) + cloud.only.text).not.toContain(secret);
  }

  cloud.reset();
  const bearer = await account("bedrock", "ABSKQmVkcm9jay1rZXk=");
  expect((await bearer.call("/v1/chat/completions", { ...question(), model: `${bearer.name}/openai.gpt-oss-120b-1:0` })).status).toBe(200);
  expect(cloud.only.headers.authorization).toBe("Bearer ABSKQmVkcm9jay1rZXk=");
  expect(cloud.only.headers).not.toHaveProperty("x-amz-date");
});

const converseUsage = { inputTokens: 11, outputTokens: 3, totalTokens: 14, cacheReadInputTokens: 0, cacheWriteInputTokens: 0 };
const spoken = [
  binary("event", "messageStart", { role: "assistant" }),
  binary("event", "contentBlockDelta", { contentBlockIndex: 0, delta: { text: "Hel" }, p: "abcdefghijklmnopqrstuvwxyz" }),
  binary("event", "contentBlockDelta", { contentBlockIndex: 0, delta: { text: "lo" } }),
  binary("event", "contentBlockStop", { contentBlockIndex: 0 }),
  binary("event", "messageStop", { stopReason: "end_turn" }),
  binary("event", "metadata", { usage: converseUsage, metrics: { latencyMs: 3 } }),
];
const converse = (stopReason: string, ...content: object[]) =>
  gives({ output: { message: { role: "assistant", content } }, stopReason, usage: converseUsage, metrics: { latencyMs: 3 } });

const pair = "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const haiku = "us.anthropic.claude-haiku-4-5-20251001-v1:0";

test("Bedrock: Claude is asked by Converse, signed, with the tools and the answer of a Chat client", async () => {
  const { name, call } = await account("bedrock", pair, { config: { region: "eu-west-1" }, base_url: cloud.url.replace("/v1", "/openai/v1") });
  await gateway.sql(`INSERT INTO models (id, kind, model, input_price, output_price, effective_from, source, updated_at)
    VALUES ('haiku', 'bedrock', '${haiku}', 1000000000, 5000000000, 0, 'catalog', 0)`);
  const tool = { type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } };
  cloud.next(converse("tool_use", { toolUse: { toolUseId: "tooluse_1", name: "weather", input: { city: "Berlin" } } }));
  const response = await call("/v1/chat/completions", { ...question(), model: `${name}/${haiku}`, tools: [tool], tool_choice: "required" });
  const { choices, usage } = await response.json();
  expect(choices[0].message.tool_calls).toMatchObject([{ id: "tooluse_1", function: { name: "weather", arguments: '{"city":"Berlin"}' } }]);
  expect([choices[0].finish_reason, usage.prompt_tokens, usage.completion_tokens]).toEqual(["tool_calls", 11, 3]);
  expect(response.headers.get("x-edgeway-cost")).toBe("0.000026");
  expect(cloud.only.path).toBe(`/model/${encodeURIComponent(haiku)}/converse`);
  expect(cloud.only.headers.authorization).toContain("/eu-west-1/bedrock/aws4_request");
  expect(cloud.only.headers.authorization!.split("Signature=")[1]).toBe(signature(cloud.only, pair.split(":")[1]!));
  expect(cloud.only.json.toolConfig).toEqual({
    tools: [{ toolSpec: { name: "weather", inputSchema: { json: tool.function.parameters } } }], toolChoice: { any: {} },
  });
});

test("Bedrock: every client reads Converse's binary stream as its own, and the call is metered", async () => {
  const { name, call } = await account("bedrock", "ABSKQmVkcm9jay1rZXk=");
  const model = `${name}/${haiku}`;
  for (const [endpoint, body, end] of [
    ["/v1/chat/completions", { ...question(), stream: true }, "[DONE]"],
    ["/v1/responses", { input: "Say hello.", stream: true }, "response.completed"],
    ["/v1/messages", { max_tokens: 9, messages: question().messages, stream: true }, "message_stop"],
    [`/v1beta/models/${model}:streamGenerateContent?alt=sse`, { contents: [{ role: "user", parts: [{ text: "Hi" }] }] }, "STOP"],
  ] as const) {
    cloud.reset().next(binaryStream(...spoken));
    const response = await call(endpoint, { ...body, model });
    const text = await response.text();
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
    expect(text).toContain('"Hel');
    expect(text).toContain(end);
    expect(cloud.only.path).toContain("/converse-stream");
    expect(cloud.only.headers.authorization).toBe("Bearer ABSKQmVkcm9jay1rZXk=");
    const record = await gateway.log(response.headers.get("x-request-id"));
    expect([record.input_tokens, record.output_tokens, record.status]).toEqual([11, 3, 200]);
  }
});

test("Bedrock: what fails before content goes to the next provider, what fails after it is told", async () => {
  const { name, call } = await account("bedrock", pair);
  const model = `${name}/${haiku}`;
  const refuses = (status: number, kind: string, message: string): Behaviour => ({ response }) => {
    response.writeHead(status, { "content-type": "application/json", "x-amzn-errortype": `${kind}:http://internal.amazon.com/` });
    response.end(JSON.stringify({ message }));
  };
  const throttled = binary("exception", "throttlingException", { message: "Too many tokens" });
  cloud.next(binaryStream(throttled)).next(binaryStream(...spoken));
  const again = await call("/v1/chat/completions", { ...question(), model, stream: true });
  expect([again.status, (await again.text()).includes("[DONE]"), cloud.exchanges.length]).toEqual([200, true, 2]);

  cloud.reset().next(binaryStream(...spoken.slice(0, 3), throttled));
  const broken = await (await call("/v1/messages", { model, max_tokens: 9, messages: question().messages, stream: true })).text();
  expect(broken).toContain("event: error");
  expect(broken).toContain("Too many tokens");
  expect(broken).not.toContain("message_stop");

  cloud.reset().next(refuses(400, "ValidationException", "The model returned the following errors: too long"));
  const invalid = await call("/v1/messages", { model, max_tokens: 9, messages: question().messages });
  expect([invalid.status, (await invalid.json()).error]).toMatchObject([400, { type: "invalid_request_error", message: /too long/ }]);
});

test("Azure: with a dated version, a deployment stands in the address", async () => {
  const { name, call } = await account("azure", "azure-key", { base_url: cloud.url.replace("/v1", ""), config: { api_version: "2024-10-21" } });
  expect((await call("/v1/chat/completions", { ...question(), model: `${name}/gpt-4o` })).status).toBe(200);
  expect(cloud.only.path).toBe("/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21");
  expect(cloud.only.headers["api-key"]).toBe("azure-key");
});

test("a region that cannot stand in an address is refused by name", async () => {
  for (const [kind, config] of [["vertex", { region: "us-east5" }], ["bedrock", { region: "evil.example/" }], ["groq", { region: "eu" }]] as const) {
    const { status, body } = await gateway.admin.request("POST", "/api/providers", { name: gateway.unique(kind), kind, config, api_key: "k" });
    expect([status, body.error.field]).toEqual([400, "config.region"]);
  }
});
