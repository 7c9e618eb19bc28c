// What a deployment can do with variables alone, and what it tells whoever asks without a key.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ADMIN_PASSWORD, Gateway } from "./gateway.ts";
import { request } from "./gateway/management.ts";
import { question } from "./gateway/scenario.ts";
import { contentOf, isDone } from "./sse.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

let gateway: Gateway;
let upstream: Upstream;

beforeAll(async () => {
  upstream = await Upstream.start();
  gateway = await Gateway.start({
    vars: {
      PASSWORD: "the shared password", GATEWAY_API_KEYS: "static-key-one, static-key-two", ALLOW_BYOK: "true",
      OPENAI_API_KEY: "sk-environment-one,sk-environment-two", OPENAI_BASE_URL: upstream.url, OPENAI_CHAT_MODEL_NAME: "gpt-of-the-variable",
    },
  });
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

const ask = (key: string, headers = {}, body: object = {}) => gateway.call(key, "/v1/chat/completions", { ...question(), model: "gpt-4o-mini", ...body }, { headers });

describe("without a row in the database", () => {
  test.each(["the shared password", "static-key-one", "static-key-two"])("%s opens the way to the provider of the environment", async (key) => {
    expect((await ask(key)).status).toBe(200);
    expect(upstream.only).toMatchObject({ path: "/v1/chat/completions", key: "sk-environment-one" });
  });

  test("the second key of a list takes over from the first", async () => {
    upstream.whenKey("sk-environment-one", upstreamDoes.status(401));
    expect((await ask("static-key-one", {}, { model: "gpt-4o" })).status).toBe(200);
    expect(upstream.exchanges.at(-1)!.key).toBe("sk-environment-two");
  });

  test.each(["static-key", "static-key-one, static-key-two", "password", "x"])("%j opens nothing of ours", async (key) => {
    const response = await ask(key);
    // Bring-your-own-key is allowed here: what is no key of ours may only ever be sent as the caller's own.
    if (response.status !== 401) {
      expect(upstream.exchanges.map((exchange) => exchange.key)).not.toContain("sk-environment-one");
      expect(upstream.exchanges.map((exchange) => exchange.key)).not.toContain("sk-environment-two");
    }
  });

  test("a provider's own key serves its bearer, and is logged for nobody", async () => {
    const response = await ask("sk-brought-by-the-caller-0001");
    expect(response.status).toBe(200);
    expect(upstream.only.key).toBe("sk-brought-by-the-caller-0001");
    const log = await gateway.log(response.headers.get("x-request-id"));
    expect(log).toMatchObject({ key_id: "", user_id: "" });
    expect(JSON.stringify(log)).not.toContain("sk-brought-by-the-caller-0001");
  });

  test("a provider's own key is shown for its list of models to nobody but the provider that is named", async () => {
    expect((await gateway.call("sk-brought-by-the-caller-0002", "/v1/models")).status).toBe(200);
    expect(upstream.exchanges).toEqual([]);
    await gateway.call("sk-brought-by-the-caller-0002", "/v1/models?provider=openai");
    expect(upstream.only.key).toBe("sk-brought-by-the-caller-0002");
  });

  test("no secret of the gateway's own is taken for a provider's key, alone or in a list", async () => {
    const { key } = await gateway.admin.key({ name: gateway.unique("deleted"), key_prefix: "sk-" });
    const { data } = await gateway.admin.ok("GET", "/api/keys");
    await gateway.admin.ok("DELETE", `/api/keys/${data.find((one: { key_prefix: string }) => one.key_prefix === "sk-").id}`);
    for (const secret of [gateway.admin.token, key, ADMIN_PASSWORD]) {
      expect((await ask(secret)).status, secret).toBe(401);
      expect((await gateway.call(secret, "/v1/models?provider=openai")).status, secret).toBe(401);
    }
    for (const secret of ["the shared password", "static-key-one", gateway.admin.token, key]) {
      expect((await ask(`${secret},sk-brought-by-the-caller-0003`)).status, secret).toBe(401);
      expect((await ask(`sk-brought-by-the-caller-0003, ${secret}`)).status, secret).toBe(401);
    }
    expect(upstream.exchanges).toEqual([]);
  });

  test.each(["x-openai-api-key", "x-chatgpt-api-key"])("%s comes first, for this call", async (header) => {
    await ask("static-key-one", { [header]: "sk-only-for-this-call" });
    await ask("static-key-one");
    expect(upstream.exchanges[0]!.key).toBe("sk-only-for-this-call");
    expect(upstream.exchanges[1]!.key).toMatch(/^sk-environment/);
  });

  test("a helper asks the model that a variable names where its caller, who is signed in, names none", async () => {
    const answer = await gateway.admin.ok("POST", "/api/v1/chat/generate-text", { prompt: "Hello!" });
    expect(answer).toMatchObject({ provider: "openai", model: "gpt-of-the-variable", text: expect.any(String) });
    expect(JSON.parse(upstream.only.text)).toMatchObject({ model: "gpt-of-the-variable" });
  });

  test("a header's key that cannot be sent is refused by the header's name, and no other key pays", async () => {
    const response = await ask("static-key-one", { "x-openai-api-key": "sk-caf\u00e9" });
    expect(response.status).toBe(400);
    expect((await response.json()).error).toMatchObject({ param: "x-openai-api-key" });
    expect(upstream.exchanges).toEqual([]);
  });
});

describe("the demo provider", () => {
  test("answers without a key and without a network, with usage", async () => {
    const name = gateway.unique("demo");
    const provider = await gateway.admin.ok("POST", "/api/providers", { name, kind: "demo" });
    const router = await gateway.admin.router(gateway.unique("router"), [{ to: provider.id }]);
    const { key } = await gateway.admin.key({ name, router_id: router.id });

    const plain = await gateway.call(key, "/v1/chat/completions", question("Tell me about marmots."));
    const answer = (await plain.json()).choices[0].message.content;
    expect(answer.length).toBeGreaterThan(0);
    expect(plain.headers.get("x-edgeway-provider")).toBe(name);
    const other = await gateway.call(key, "/v1/chat/completions", question("And about glaciers?"));
    expect((await other.json()).choices[0].message.content, "it depends on the request").not.toBe(answer);

    const streamed = await gateway.call(key, "/v1/chat/completions", { ...question("Tell me about marmots."), stream: true });
    const text = await streamed.text();
    expect(isDone(text)).toBe(true);
    expect(contentOf(text)).toBe(answer);
    const log = await gateway.log(streamed.headers.get("x-request-id"));
    expect(log).toMatchObject({ usage_source: "upstream", status: 200 });
    expect(log.output_tokens).toBeGreaterThan(0);
    expect(upstream.exchanges).toEqual([]);
  });
});

describe("without a key", () => {
  test("the Worker says that it is well, and what it is", async () => {
    expect((await request(gateway.url, "GET", "/healthz")).status).toBe(200);
    expect((await request(gateway.url, "GET", "/")).status).toBe(200);
  });

  test.each(["/v1/models", "/v1/chat/completions", "/v1/embeddings", "/v1/anything"])("%s says 401 in OpenAI's shape", async (path) => {
    const reply = await request(gateway.url, path.endsWith("models") ? "GET" : "POST", path, path.endsWith("models") ? undefined : question());
    expect([401, 404]).toContain(reply.status);
    expect(reply.body.error).toMatchObject({ message: expect.any(String), type: expect.any(String) });
  });
});
