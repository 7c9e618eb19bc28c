// The management API: who may do what, what is refused and how, and that a change is in force at once.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ADMIN_PASSWORD, Gateway } from "./gateway.ts";
import { Management, request } from "./gateway/management.ts";
import { question, scenario } from "./gateway/scenario.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

const FRONT_END = "https://dashboard.example";
let gateway: Gateway;
let upstream: Upstream;
let admin: Management;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start({ vars: { CORS_ORIGINS: FRONT_END } }), Upstream.start()]);
  admin = gateway.admin;
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

/** Creates a user and signs in. */
async function user(role: string): Promise<Management> {
  const username = gateway.unique(role);
  await admin.ok("POST", "/api/users", { username, password: `the password of ${username}`, role });
  return await Management.signIn(gateway.url, username, `the password of ${username}`);
}

describe("signing in", () => {
  test("gives a token, an expiry and who it is; me agrees; logout ends it", async () => {
    const { status, body, headers } = await request(gateway.url, "POST", "/api/auth/login", { username: "admin", password: ADMIN_PASSWORD });
    expect(status).toBe(200);
    expect(body).toMatchObject({ token: expect.any(String), user: { id: expect.any(String), username: "admin", role: "admin" } });
    expect(Date.parse(body.expires_at)).toBeGreaterThan(Date.now());
    const authorization = { authorization: `Bearer ${body.token}` };
    expect((await request(gateway.url, "GET", "/api/auth/me", undefined, authorization)).body).toMatchObject({ username: "admin", role: "admin" });
    const cookie = headers.get("set-cookie") ?? "";
    expect(cookie).toMatch(/HttpOnly/i);
    expect(cookie).toMatch(/SameSite=/i);
    expect((await request(gateway.url, "GET", "/api/auth/me", undefined, { cookie: cookie.split(";")[0]! })).status).toBe(200);
    await request(gateway.url, "POST", "/api/auth/logout", undefined, authorization);
    expect((await request(gateway.url, "GET", "/api/auth/me", undefined, authorization)).status).toBe(401);
  });

  test("with the wrong password, an unknown name or a forged token is refused alike", async () => {
    const wrong = await request(gateway.url, "POST", "/api/auth/login", { username: "admin", password: "wrong" });
    const unknown = await request(gateway.url, "POST", "/api/auth/login", { username: "nobody", password: "wrong" });
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    expect(wrong.body).toEqual(unknown.body);
    for (const token of ["", "x", `${admin.token}x`, admin.token.slice(0, -2)]) {
      expect((await request(gateway.url, "GET", "/api/providers", undefined, { authorization: `Bearer ${token}` })).status).toBe(401);
    }
  });

  test("is throttled after ten failures, for that name alone", async () => {
    const victim = gateway.unique("victim");
    const attempt = (username: string) => request(gateway.url, "POST", "/api/auth/login", { username, password: "wrong" });
    for (let failure = 0; failure < 10; failure++) {
      expect((await attempt(victim)).status).toBe(401);
    }
    const refused = await attempt(victim);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(refused.body.error).toMatchObject({ code: expect.any(String), message: expect.any(String) });
  });

  test("a changed password is the only one that works", async () => {
    const member = await user("member");
    const { username } = member.user;
    expect((await member.request("PUT", "/api/auth/password", { current: "not this", new: "a wholly new password" })).status).toBeOneOf([400, 401, 403]);
    await member.ok("PUT", "/api/auth/password", { current: `the password of ${username}`, new: "a wholly new password" });
    expect((await request(gateway.url, "POST", "/api/auth/login", { username, password: `the password of ${username}` })).status).toBe(401);
    expect((await Management.signIn(gateway.url, username, "a wholly new password")).user.username).toBe(username);
  });
});

describe("a member", () => {
  test("may not manage users or see the database", async () => {
    const member = await user("member");
    for (const [method, path, body] of [["GET", "/api/users"], ["POST", "/api/users", { username: "x", password: "long enough to be one", role: "admin" }], ["DELETE", `/api/users/${admin.user.id}`], ["GET", "/debug/db"]] as const) {
      expect((await member.request(method, path, body)).status, `${method} ${path}`).toBe(403);
    }
  });

  test("sees, changes and uses only what it owns", async () => {
    const [one, other] = [await user("member"), await user("member")];
    const provider = await one.provider("mine", upstream);
    const router = await one.router("mine", [{ to: provider.id }]);
    const key = await one.key({ name: "mine", router_id: router.id });
    for (const [path, id] of [["providers", provider.id], ["routers", router.id], ["keys", key.id]]) {
      expect((await one.ok("GET", `/api/${path}`)).data.map((row: any) => row.id)).toEqual([id]);
      expect((await other.ok("GET", `/api/${path}`)).data).toEqual([]);
      expect((await other.request("GET", `/api/${path}/${id}`)).status).toBe(404);
      expect((await other.request("PUT", `/api/${path}/${id}`, { name: "stolen" })).status).toBe(404);
      expect((await other.request("DELETE", `/api/${path}/${id}`)).status).toBe(404);
      expect((await admin.request("GET", `/api/${path}/${id}`)).status).toBe(200);
    }
    expect((await other.request("POST", "/api/keys", { name: "x", router_id: router.id })).status).toBeOneOf([400, 404]);
    expect((await other.request("POST", "/api/routers", { name: "x" })).status).toBeLessThan(300);
    const response = await gateway.call(key.key, "/v1/chat/completions", question());
    expect(response.status).toBe(200);
    await gateway.log(response.headers.get("x-request-id"));
    expect((await other.ok("GET", "/api/logs")).data).toEqual([]);
    expect((await other.request("GET", `/api/logs/${response.headers.get("x-request-id")}`)).status).toBe(404);
    expect((await one.ok("GET", "/api/logs")).data).toHaveLength(1);
    expect((await other.ok("GET", "/api/logs/summary")).totals.requests).toBe(0);
  });
});

describe("a body that is wrong is refused, naming the field:", () => {
  const cases: Array<[string, string, object, string]> = [
    ["an unknown field", "/api/keys", { name: "x", allowed_model: ["gpt-4o"] }, "allowed_model"],
    ["an unknown nested field", "/api/keys", { name: "x", rate_limits: { requests_per_minut: 1 } }, "requests_per_minut"],
    ["a missing field", "/api/providers", { kind: "openai-compatible" }, "name"],
    ["a wrong type", "/api/routers", { name: 7 }, "name"],
    ["a negative limit", "/api/keys", { name: "x", rate_limits: { requests_per_minute: -1 } }, "requests_per_minute"],
    ["an unknown kind", "/api/providers", { name: "x", kind: "no-such-kind" }, "kind"],
    ["no base URL where one is needed", "/api/providers", { name: "x", kind: "openai-compatible", api_key: "k" }, "base_url"],
    ["an unknown role", "/api/users", { username: "x", password: "long enough to be one", role: "god" }, "role"],
    ["an unknown budget window", "/api/keys", { name: "x", budget: { usd: 1, window: "year" } }, "window"],
    ["a router that is not there", "/api/keys", { name: "x", router_id: "nope" }, "router_id"],
  ];
  test.each(cases)("%s", async (_, path, body, field) => {
    const reply = await admin.request("POST", path, body);
    expect(reply.status, JSON.stringify(reply.body)).toBe(400);
    expect(reply.body.error).toMatchObject({ code: expect.any(String), message: expect.any(String), field: expect.stringContaining(field) });
  });

  test("and so is what is no JSON, no object, too large, or of another type", async () => {
    const authorization = `Bearer ${admin.token}`;
    const post = (body: string, type = "application/json") => request(gateway.url, "POST", "/api/keys", body, { authorization, "content-type": type });
    expect((await post("{")).status).toBe(400);
    expect((await post("[]")).status).toBe(400);
    expect((await post(JSON.stringify({ name: "x".repeat(257 * 1024) }))).status).toBe(413);
    expect((await post("name=x", "application/x-www-form-urlencoded")).status).toBe(415);
    expect((await request(gateway.url, "PATCH", "/api/keys", "{}", { authorization })).status).toBe(405);
    expect((await admin.request("GET", "/api/no-such-thing")).status).toBe(404);
  });
});

describe("providers", () => {
  test("never show their keys again", async () => {
    const made = await admin.provider(gateway.unique("secretive"), upstream, { api_keys: ["sk-very-secret-key-1", "sk-very-secret-key-2"] });
    expect(made).toMatchObject({ key_count: 2, kind: "openai-compatible", base_url: upstream.url, enabled: true });
    for (const path of ["/api/providers", `/api/providers/${made.id}`, "/api/v1/activity-logs"]) {
      expect(JSON.stringify(await admin.ok("GET", path)), path).not.toContain("very-secret");
    }
    expect(JSON.stringify(await gateway.sql("SELECT * FROM provider_keys"))).not.toContain("very-secret");
  });

  test("of a name that is taken are refused with 409, and so is deleting one that a rule needs", async () => {
    const name = gateway.unique("taken");
    const { id } = await admin.provider(name, upstream);
    expect((await admin.request("POST", "/api/providers", { name, kind: "openai-compatible", base_url: upstream.url })).status).toBe(409);
    const router = await admin.router(gateway.unique("router"), [{ to: id }]);
    expect((await admin.request("DELETE", `/api/providers/${id}`)).status).toBe(409);
    await admin.ok("DELETE", `/api/routers/${router.id}`);
    expect((await admin.request("DELETE", `/api/providers/${id}`)).status).toBeLessThan(300);
  });

  test("can be tried", async () => {
    const { id } = await admin.provider(gateway.unique("tried"), upstream);
    expect(await admin.ok("POST", `/api/providers/${id}/test`)).toMatchObject({ ok: true, latency_ms: expect.any(Number), status: 200 });
    upstream.always(upstreamDoes.status(401));
    expect(await admin.ok("POST", `/api/providers/${id}/test`)).toMatchObject({ ok: false, status: 401, error: expect.any(String) });
  });
});

describe("a change is in force at once:", () => {
  test("a key that is switched off, deleted or rotated", async () => {
    const story = await scenario(gateway, [upstream]);
    const status = async (key = story.key) => (await gateway.call(key, "/v1/chat/completions", question())).status;
    expect(await status()).toBe(200);
    await admin.ok("PUT", `/api/keys/${story.keyId}`, { is_active: false });
    expect(await status()).toBe(401);
    await admin.ok("PUT", `/api/keys/${story.keyId}`, { is_active: true });
    expect(await status()).toBe(200);
    const rotated = await admin.ok("POST", `/api/keys/${story.keyId}/rotate`);
    expect(await status(rotated.key)).toBe(200);
    await admin.ok("DELETE", `/api/keys/${story.keyId}`);
    expect([await status(), await status(rotated.key)]).toEqual([401, 401]);
  });

  test("a key's models", async () => {
    const story = await scenario(gateway, [upstream], { key: { allowed_models: ["e2e-*"] } });
    const allowed = async (model: string) => {
      const { status } = await story.chat({ model });
      expect(status).toBeOneOf([200, 403, 404]);
      return status === 200;
    };
    expect([await allowed("e2e-small"), await allowed("gpt-4o")]).toEqual([true, false]);
    await admin.ok("PUT", `/api/keys/${story.keyId}`, { denied_models: ["*-small"] });
    expect([await allowed("e2e-small"), await allowed("e2e-large")]).toEqual([false, true]);
  });

  test("a router's rules, and explain agrees without calling anybody", async () => {
    const story = await scenario(gateway, [upstream, upstream]);
    const first = async () => (await story.chat()).headers.get("x-edgeway-provider");
    expect(await first()).toBe(story.providers[0]);
    const { rules } = await admin.ok("GET", `/api/routers/${story.routerId}`);
    await admin.ok("PUT", `/api/routers/${story.routerId}/rules/${rules[0].id}`, { priority: 9 });
    expect(await first()).toBe(story.providers[1]);
    const calls = upstream.exchanges.length;
    const { candidates } = await admin.ok("POST", `/api/routers/${story.routerId}/explain`, { model: "e2e-small", headers: {}, metadata: {} });
    expect(candidates.map(({ provider, priority, state }: any) => [provider, priority, state])).toEqual([[story.providers[1], 2, "ready"], [story.providers[0], 9, "ready"]]);
    expect(upstream.exchanges).toHaveLength(calls);
    await admin.ok("DELETE", `/api/routers/${story.routerId}/rules/${rules[1].id}`);
    expect(await first()).toBe(story.providers[0]);
  });

  test("a rule's conditions", async () => {
    const providers = [await admin.provider(gateway.unique("tools"), upstream), await admin.provider(gateway.unique("rest"), upstream)];
    const { id } = await admin.router(gateway.unique("router"), [
      { to: providers[0]!.id, conditions: { has_tools: true, "metadata.team": { in: ["blue", "red"] } } },
      { to: providers[1]!.id },
    ]);
    const { key } = await admin.key({ name: gateway.unique("key"), router_id: id });
    const provider = async (body: object, metadata: object) =>
      (await gateway.call(key, "/v1/chat/completions", { ...question(), ...body }, { headers: { "x-edgeway-metadata": JSON.stringify(metadata) } })).headers.get("x-edgeway-provider");
    const tools = [{ type: "function", function: { name: "f" } }];
    expect(await provider({ tools }, { team: "blue" })).toBe(providers[0]!.name);
    expect(await provider({ tools }, { team: "green" })).toBe(providers[1]!.name);
    expect(await provider({}, { team: "blue" })).toBe(providers[1]!.name);
  });

  test("limits and budgets are kept as they were given, and shown with their use", async () => {
    const limits = { rate_limits: { requests_per_minute: 60 }, quotas: { requests_per_day: 1000 }, budget: { usd: 12.5, window: "month" } };
    const { id } = await admin.key({ name: gateway.unique("limited"), ...limits });
    const shown = await admin.ok("GET", `/api/keys/${id}`);
    expect(shown).toMatchObject(limits);
    expect(shown.usage).toHaveLength(3);
    expect(shown).not.toHaveProperty("key");
  });
});

test("what was set up is still there after a restart", async () => {
  const story = await scenario(gateway, [upstream]);
  await gateway.restart();
  admin = gateway.admin;
  expect((await story.client.withOptions({ baseURL: `${gateway.url}/v1` }).chat.completions.create(question())).choices[0]!.message.content).toBe("Hello from upstream");
});

describe("a front end on another origin", () => {
  const preflight = (origin: string) => fetch(`${gateway.url}/api/providers`, { method: "OPTIONS", headers: { origin, "access-control-request-method": "PUT", "access-control-request-headers": "authorization, content-type" } });

  test("that is allowed may call, with credentials", async () => {
    const response = await preflight(FRONT_END);
    expect(response.status).toBeLessThan(300);
    expect(response.headers.get("access-control-allow-origin")).toBe(FRONT_END);
    expect(response.headers.get("access-control-allow-methods")).toContain("PUT");
    expect(response.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("authorization");
    expect(response.headers.get("vary")?.toLowerCase()).toContain("origin");
    const refused = await fetch(`${gateway.url}/api/providers`, { headers: { origin: FRONT_END } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get("access-control-allow-origin"), "an error must be readable, too").toBe(FRONT_END);
  });

  test("that is not allowed gets no such header", async () => {
    expect((await preflight("https://evil.example")).headers.get("access-control-allow-origin")).toBeNull();
  });
});

test("settings are read and changed, and unknown ones refused", async () => {
  const settings = await admin.ok("GET", "/api/settings");
  expect(settings).toEqual(expect.any(Object));
  expect((await admin.request("PUT", "/api/settings", { no_such_setting: 1 })).status).toBe(400);
});

test("keys of providers leave a trail", async () => {
  const { name } = await admin.provider(gateway.unique("trail"), upstream);
  const { data } = await admin.ok("GET", `/api/v1/activity-logs?action=ADD&provider=${name}`);
  expect(data).toMatchObject([{ action: "ADD", provider: name }]);
});
