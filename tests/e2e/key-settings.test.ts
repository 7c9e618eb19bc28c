// The settings of a gateway key, as its calls feel them: where they go by default, what they may ask for, and for how long.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { question } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { Upstream } from "./upstream.ts";
import type { Dialect } from "./upstream/strict/model.ts";
import { startStrict } from "./upstream/strict.ts";

let gateway: Gateway;
let upstream: Upstream;
let other: Upstream;
let provider: { id: string; name: string };

beforeAll(async () => {
  [gateway, upstream, other] = await Promise.all([Gateway.start(), Upstream.start("usual"), Upstream.start("other")]);
  provider = await gateway.admin.provider(gateway.unique("usual"), upstream);
});
afterEach(() => [upstream, other].forEach((each) => each.reset()));
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop(), other?.stop()]);
});

const made = (settings: object = {}) => gateway.admin.ok("POST", "/api/keys", { name: gateway.unique("key"), provider_id: provider.id, ...settings });
const ask = (key: string, body: object = question(), path = "/v1/chat/completions") => gateway.call(key, path, body);

test("calls go to the key's provider, by its base URL, with its model where they name none", async () => {
  const { key } = await made({ default_model: "the-usual", base_url: other.url });
  const response = await ask(key, { messages: question().messages });
  expect(response.status).toBe(200);
  expect(response.headers.get("x-edgeway-provider")).toBe(provider.name);
  expect(upstream.exchanges).toEqual([]);
  expect(other.only.json.model).toBe("the-usual");
  await (await ask(key)).text();
  expect(other.exchanges[1]!.json.model).toBe(question().model);
});

test("models are allowed and denied by patterns, and a refusal is in the caller's dialect", async () => {
  const { key } = await made({ allowed_models: ["e2e-*", "claude-?"], denied_models: ["*-large"] });
  const status = async (model: string) => (await ask(key, { ...question(), model })).status;
  expect(await Promise.all(["e2e-small", "claude-4", "e2e-large", "claude-40", "gpt-5"].map(status))).toEqual([200, 200, 403, 403, 403]);
  const refused = await ask(key, { model: "gpt-5", max_tokens: 5, messages: question().messages }, "/v1/messages");
  expect([refused.status, await refused.json()]).toEqual([403, expect.objectContaining({ type: "error", error: expect.objectContaining({ type: "permission_error" }) })]);
  const listed: any = await (await gateway.call(key, "/v1/models")).json();
  expect(listed.data.map(({ id }: any) => id).filter((id: string) => /large|gpt/.test(id))).toEqual([]);
});

describe("a system prompt is put before the caller's own", () => {
  const KINDS: Record<Dialect, string> = { chat: "openai", responses: "openai", messages: "anthropic", gemini: "gemini" };
  const HELLO = "Say hello.";
  const PATHS = {
    "/v1/chat/completions": { model: "m", messages: [{ role: "system", content: "Own." }, { role: "user", content: HELLO }] },
    "/v1/responses": { model: "m", instructions: "Own.", input: HELLO, store: false },
    "/v1/messages": { model: "m", max_tokens: 9, system: "Own.", messages: [{ role: "user", content: HELLO }] },
    "/v1beta/models/m:generateContent": { systemInstruction: { parts: [{ text: "Own." }] }, contents: [{ role: "user", parts: [{ text: HELLO }] }] },
  };

  test.each(Object.keys(KINDS) as Dialect[])("towards %s, by clients of all dialects", async (dialect) => {
    const strict = await startStrict(dialect);
    try {
      const kind = KINDS[dialect];
      const { id } = await gateway.admin.ok("POST", "/api/providers", { name: gateway.unique(kind), kind, base_url: strict.url, api_key: "sk-strict-secret", config: { dialect } });
      const { key } = await made({ provider_id: id, default_model: strict.model, system_prompt: "Be brief." });
      for (const [pattern, body] of Object.entries(PATHS)) {
        const path = pattern.replace("/m:", `/${strict.model}:`);
        const response = await ask(key, "model" in body ? { ...body, model: strict.model } : body, path);
        expect(response.status, `${path}: ${response.status < 300 || await response.text()}`).toBe(200);
        await response.body?.cancel();
        const sent = strict.upstream.exchanges.at(-1)!.text;
        const places = ["Be brief.", "Own.", HELLO].map((text) => sent.indexOf(text));
        expect(places.every((place) => place >= 0), `${path}: ${sent}`).toBe(true);
        expect(sent.split("Be brief."), "once").toHaveLength(2);
        expect(places[0]!, `${path}: ${sent}`).toBeLessThan(places[1]!);
      }
    } finally {
      await strict.upstream.stop();
    }
  });
});

test("a key that expires is refused from then on, in an isolate that knows it", async () => {
  const { key, id } = await made({ expires_at: new Date(Date.now() + 60_000).toISOString() });
  expect((await ask(key)).status).toBe(200);
  await gateway.admin.ok("PUT", `/api/keys/${id}`, { expires_at: new Date(Date.now() + 1_500).toISOString() });
  expect((await ask(key)).status).toBe(200);
  const refused = await until("its end", async () => {
    const response = await ask(key);
    return response.status !== 200 && response;
  });
  expect([refused.status, ((await refused.json()) as any).error.message]).toEqual([401, expect.stringMatching(/expired/)]);
});

test("a rotated key works beside the new one for its grace, and not longer", async () => {
  const first = await made();
  expect((await ask(first.key)).status).toBe(200);
  const second = await gateway.admin.ok("POST", `/api/keys/${first.id}/rotate`, { grace_seconds: 2 });
  expect(second.key).not.toBe(first.key);
  expect([(await ask(first.key)).status, (await ask(second.key)).status]).toEqual([200, 200]);
  await until("the end of its grace", async () => (await ask(first.key)).status === 401);
  expect((await ask(second.key)).status).toBe(200);
});

test("gateway mode of tools is kept, does what pass-through does, and the API says so", async () => {
  const { key, id } = await made({ tool_mode: "gateway" });
  expect(await gateway.admin.ok("GET", `/api/keys/${id}`)).toMatchObject({ tool_mode: "gateway" });
  const tools = [{ type: "function", function: { name: "look_up", parameters: { type: "object", properties: {} } } }];
  expect((await ask(key, { ...question(), tools })).status).toBe(200);
  expect(upstream.only.json.tools).toEqual(tools);
  const document: any = await (await fetch(`${gateway.url}/doc`)).json();
  expect(JSON.stringify(document)).toMatch(/`gateway` is kept, and does what `pass-through` does/);
});

test("prefixes, metadata and kept bodies are a key's own", async () => {
  for (const prefix of ["gw_", "sk-", "sk-ant-", "gm_"]) {
    const { key, id } = await made({ key_prefix: prefix, metadata: { team: prefix }, log_bodies: true });
    expect(key.startsWith(prefix)).toBe(true);
    expect((await ask(key)).status).toBe(200);
    const [record] = await gateway.logsOfKey(id, 1);
    expect(record!.metadata).toEqual({ team: prefix });
    await until("its bodies", async () => (await gateway.sql("SELECT * FROM request_log_bodies WHERE id = ?1", record!.id)).length === 1);
  }
});
