// Keys that are exchanged for tokens: by a scripted token server, once for all calls, anew before the token expires and
// when it is refused; and neither the key nor the token goes where it does not belong.
import { createVerify, generateKeyPairSync } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { question } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { Upstream, type Behaviour } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

let gateway: Gateway;
let api: Upstream;
let tokens: Upstream;

beforeAll(async () => {
  [gateway, api, tokens] = await Promise.all([Gateway.start(), Upstream.start("api"), Upstream.start("tokens")]);
});
afterEach(() => [api, tokens].forEach((upstream) => upstream.reset()));
afterAll(async () => {
  await Promise.all([gateway?.stop(), api?.stop(), tokens?.stop()]);
});

const gives = (body: object, code = 200): Behaviour => ({ response }) => {
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
};

async function account(kind: string, apiKey: string, config: object = {}) {
  const { id, name } = await gateway.admin.ok("POST", "/api/providers", {
    name: gateway.unique(kind), kind, base_url: api.url, api_key: apiKey, config: { token_url: `${tokens.url}/oauth`, ...config },
  });
  const { key } = await gateway.admin.key({ name: gateway.unique("key") });
  const models = async () => {
    const { data } = await (await gateway.call(key, `/v1/models?provider=${name}`)).json() as { data: { id: string }[] };
    return data.map(({ id }) => id);
  };
  return { id, name, models, chat: () => gateway.call(key, "/v1/chat/completions", { ...question(), model: `${name}/m` }) };
}

const in30Minutes = () => Date.now() + 1_800_000;

test("GigaChat: 100 calls at once exchange the key once, and the token alone goes to the endpoint", async () => {
  const key = "Y2xpZW50LWlkOmNsaWVudC1zZWNyZXQ=";
  const { chat } = await account("gigachat", key);
  tokens.always(gives({ access_token: "giga-token-1", expires_at: in30Minutes() }));
  const statuses = await Promise.all(Array.from({ length: 100 }, async () => (await chat()).status));
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(tokens.only).toMatchObject({ method: "POST", text: "scope=GIGACHAT_API_PERS", path: "/v1/oauth" });
  expect(tokens.only.headers).toMatchObject({
    authorization: `Basic ${key}`, "content-type": "application/x-www-form-urlencoded",
    rquid: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
  });
  expect(new Set(api.exchanges.map(({ key }) => key))).toEqual(new Set(["giga-token-1"]));
});

test("GigaChat: a list of models is asked for with a token, by callers and by the management API", async () => {
  const { id, name, models } = await account("gigachat", "a2V5LWZvci1saXN0cw==");
  tokens.always(gives({ access_token: "token-for-lists", expires_at: in30Minutes() }));
  api.always(gives({ object: "list", data: [{ id: "GigaChat-2" }] }));
  expect(await models()).toEqual([`${name}/GigaChat-2`]);
  expect(await gateway.admin.ok("POST", `/api/providers/${id}/models/refresh`)).toEqual({ count: 1 });
  expect(api.exchanges.map(({ method, path, key }) => [method, path, key])).toEqual(Array(2).fill(["GET", "/v1/models", "token-for-lists"]));
  expect(tokens.exchanges).toHaveLength(1);
});

test("a token is exchanged anew before it expires, and once where the endpoint refuses it", async () => {
  const { chat } = await account("gigachat", "a2V5LXRoYXQtaXMtcmVmcmVzaGVk");
  tokens.next(
    gives({ access_token: "token-1", expires_at: Date.now() + 60_000 }),
    gives({ access_token: "token-2", expires_at: in30Minutes() }),
    gives({ access_token: "token-3", expires_at: in30Minutes() }),
  );
  expect((await chat()).status).toBe(200);
  expect((await chat()).status).toBe(200);
  api.whenKey("token-2", upstreamDoes.status(401, { message: "Token has expired" }));
  const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await chat()).status));
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(tokens.exchanges).toHaveLength(3);
  expect([...new Set(api.exchanges.map(({ key }) => key))]).toEqual(["token-1", "token-2", "token-3"]);
});

const serviceAccountKey = () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return JSON.stringify({ client_email: "e2e@p.iam.gserviceaccount.com", private_key: privateKey.export({ type: "pkcs8", format: "pem" }) });
};

test.each([
  ["gigachat", () => Buffer.from(crypto.randomUUID()).toString("base64"), (token: string, ms: number) => ({ access_token: token, expires_at: Date.now() + ms })],
  ["vertex", serviceAccountKey, (token: string, ms: number) => ({ access_token: token, expires_in: ms / 1000 })],
  ["copilot", () => `ghu_${crypto.randomUUID()}`, (token: string, ms: number) => ({ token, expires_at: Math.floor((Date.now() + ms) / 1000) })],
])("%s: 100 calls at once exchange once, refresh once before the token expires, and once where the endpoint refuses it", async (kind, key, token) => {
  const { chat } = await account(kind, key());
  const hundred = async () => new Set(await Promise.all(Array.from({ length: 100 }, async () => (await chat()).status)));
  const others = await account(kind, key());
  tokens.always(gives(token(`${kind}-0`, 1_800_000)));
  await Promise.all(Array.from({ length: 100 }, () => others.chat()));
  expect(tokens.exchanges).toHaveLength(1);
  [api, tokens].forEach((upstream) => upstream.reset());

  tokens.always(gives(token(`${kind}-1`, 60_000))); // which is nearly nothing
  expect((await chat()).status).toBe(200);
  tokens.always(gives(token(`${kind}-2`, 1_800_000)));
  expect(await hundred()).toEqual(new Set([200]));
  expect(tokens.exchanges).toHaveLength(2);
  expect(new Set(api.exchanges.map(({ key }) => key)), "the others used what there was").toEqual(new Set([`${kind}-1`, `${kind}-2`]));
  expect(await hundred(), "from then on nobody asks").toEqual(new Set([200]));
  expect(tokens.exchanges).toHaveLength(2);

  tokens.always(gives(token(`${kind}-3`, 1_800_000)));
  api.whenKey(`${kind}-2`, upstreamDoes.status(401, { message: "Token has expired" }));
  expect(await hundred()).toEqual(new Set([200]));
  expect(tokens.exchanges).toHaveLength(3);
  expect([...new Set(api.exchanges.map(({ key }) => key))]).toEqual([`${kind}-1`, `${kind}-2`, `${kind}-3`]);
}, 30_000);

test("a key that the token server refuses is dead; a token server that fails is not the key's fault", async () => {
  const key = "a2V5LXRoYXQtaXMtcmVmdXNlZA==";
  const { name, chat } = await account("gigachat", key);
  const state = async () => (await gateway.admin.ok("GET", `/api/v1/provider-keys?provider=${name}`)).data[0].state;
  tokens.next(upstreamDoes.status(503), upstreamDoes.status(503), upstreamDoes.status(503));
  expect((await chat()).status).toBe(503);
  expect(await state()).toBe("ready");
  tokens.always(gives({ code: 4, message: `Can't decode 'Authorization' header ${key}` }, 400));
  const response = await chat();
  expect(response.status).toBe(503);
  expect(await response.text()).not.toContain(key);
  await until("the key's state", async () => (await state()) === "exhausted" || undefined);
  expect(api.exchanges).toEqual([]);
});

test("Vertex AI: a service account signs for an access token; a key that is no JSON is one", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const serviceAccount = {
    type: "service_account", project_id: "p", private_key_id: "key-1", client_email: "e2e@p.iam.gserviceaccount.com",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }), token_uri: "https://elsewhere.test/token",
  };
  const { chat } = await account("vertex", JSON.stringify(serviceAccount));
  tokens.always(gives({ access_token: "ya29.exchanged", expires_in: 3599, token_type: "Bearer" }));
  const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await chat()).status));
  expect(new Set(statuses)).toEqual(new Set([200]));
  const form = new URLSearchParams(tokens.only.text);
  expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
  const [header, claims, signature] = form.get("assertion")!.split(".") as [string, string, string];
  expect(createVerify("RSA-SHA256").update(`${header}.${claims}`).verify(publicKey, signature, "base64url")).toBe(true);
  expect(JSON.parse(Buffer.from(header, "base64url").toString())).toEqual({ alg: "RS256", typ: "JWT", kid: "key-1" });
  const said = JSON.parse(Buffer.from(claims, "base64url").toString());
  expect(said).toMatchObject({ iss: serviceAccount.client_email, aud: `${tokens.url}/oauth`, scope: "https://www.googleapis.com/auth/cloud-platform" });
  expect(said.exp - said.iat).toBe(3600);
  expect(new Set(api.exchanges.map(({ key }) => key))).toEqual(new Set(["ya29.exchanged"]));

  api.reset();
  expect((await (await account("vertex", "ya29.given")).chat()).status).toBe(200);
  expect(api.only.key).toBe("ya29.given");
  expect(tokens.exchanges).toHaveLength(1);
});

test("GitHub Copilot: a user's token for Copilot's own, with the headers that both servers ask for", async () => {
  const { name, chat, models } = await account("copilot", "ghu_a-github-users-token");
  tokens.always(gives({ token: "tid=1;exp=2;sku=x", expires_at: Math.floor(in30Minutes() / 1000), refresh_in: 1500 }));
  expect((await chat()).status).toBe(200);
  expect(tokens.only.method).toBe("GET");
  const editor = { "editor-version": expect.any(String), "copilot-integration-id": "vscode-chat", "user-agent": expect.stringContaining("Copilot") };
  expect(tokens.only.headers).toMatchObject({ authorization: "token ghu_a-github-users-token", ...editor });
  expect(api.only.headers).toMatchObject({ authorization: "Bearer tid=1;exp=2;sku=x", ...editor });
  expect(JSON.stringify(api.only.headers)).not.toContain("ghu_");

  api.reset().next(gives({ data: [{ id: "gpt-4.1" }] }));
  expect(await models()).toContain(`${name}/gpt-4.1`);
  expect(api.only).toMatchObject({ method: "GET", path: "/v1/models" });
  expect(api.only.headers).toMatchObject({ authorization: "Bearer tid=1;exp=2;sku=x", ...editor });
  expect(tokens.exchanges).toHaveLength(1);
});
