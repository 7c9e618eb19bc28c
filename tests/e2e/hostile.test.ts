// Bad input, of every kind: a clear error in the right shape, nothing lost, nothing leaked, and the Worker still stands.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { readLogs } from "./gateway/log-rows.ts";
import { question, scenario, type Scenario } from "./gateway/scenario.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";
import { errorBody } from "./upstream/shapes.ts";

const SQL = ["'; DROP TABLE request_logs; --", "\" OR 1=1 --", "%' UNION SELECT password_hash FROM users --", "\\'); DELETE FROM users; --"];
let gateway: Gateway;
let upstream: Upstream;
let story: Scenario;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start(), Upstream.start()]);
  story = await scenario(gateway, [upstream], { retry: { max_retries: 0 } });
});
afterEach(async () => {
  upstream.reset();
  expect((await story.chat()).status, "the Worker still answers").toBe(200);
  upstream.reset();
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

async function refusal(response: Response, status: number | number[]): Promise<any> {
  const text = await response.text();
  expect([status].flat(), text).toContain(response.status);
  const { error } = JSON.parse(text);
  expect(error).toMatchObject({ message: expect.stringMatching(/./), type: expect.any(String) });
  expect(error).toHaveProperty("param");
  expect(error).toHaveProperty("code");
  expect(response.headers.get("x-request-id")).toMatch(/^\S{16,64}$/);
  expect(upstream.exchanges, "nothing went upstream").toEqual([]);
  return error;
}

describe("a body is refused with 400 that is", () => {
  test.each([
    ["empty", ""], ["no JSON", "{\"model\": \"e2e-small\", "], ["no object", "[1,2]"], ["a bare string", "\"model\""], ["null", "null"],
    ["trailing rubbish", JSON.stringify(question()) + "}"], ["no UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ["nested a hundred thousand deep", `{"model":"e2e-small","messages":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
    ["nested and never closed", `{"model":"e2e-small","messages":${"[{\"a\":".repeat(50_000)}`],
  ])("%s", async (_, body) => {
    await refusal(await gateway.call(story.key, "/v1/chat/completions", body), 400);
  });

  test.each([
    ["no model", { messages: question().messages }], ["a number for a model", { ...question(), model: 7 }], ["an empty model", { ...question(), model: "" }],
    ["a string for stream", { ...question(), stream: "yes" }], ["an array for stream_options", { ...question(), stream: true, stream_options: [] }],
  ])("%s", async (_, body) => {
    const error = await refusal(await gateway.call(story.key, "/v1/chat/completions", body), 400);
    expect(error.param).toMatch(/model|stream/);
  });

  test("two models, of which the gateway could check one and the upstream take the other", async () => {
    for (const name of ["model", "mod\\u0065l"]) {
      const body = JSON.stringify(question()).replace(/\}$/, `,"${name}":"expensive"}`);
      await refusal(await gateway.call(story.key, "/v1/chat/completions", body), 400);
    }
  });
});

test("a body over 10 MB is refused with 413, whether it says its length or not", async () => {
  const body = JSON.stringify(question("x".repeat(10 * 1024 * 1024 + 1)));
  await refusal(await gateway.call(story.key, "/v1/chat/completions", body), 413);
  const chunks = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(body));
      controller.close();
    },
  });
  const streamed = await fetch(`${gateway.url}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${story.key}`, "content-type": "application/json" }, body: chunks, duplex: "half" } as RequestInit);
  await refusal(streamed, 413);
});

test("a body of 9 MB passes", async () => {
  const text = "x".repeat(9 * 1024 * 1024);
  expect((await story.chat(question(text))).status).toBe(200);
  expect(upstream.only.json.messages[0].content).toHaveLength(text.length);
});

test("a model that nobody routes is 404, and a path that is not there is too, in OpenAI's shape", async () => {
  const { id } = await gateway.admin.router(gateway.unique("narrow"), [{ to: story.providerIds[0]!, model: "only-this" }]);
  const { key } = await gateway.admin.key({ name: gateway.unique("key"), router_id: id });
  const error = await refusal(await gateway.call(key, "/v1/chat/completions", { ...question(), model: "nothing-like-it" }), 404);
  expect(error.message).toContain("nothing-like-it");
  await refusal(await gateway.call(story.key, "/v1/no/such/path", question()), 404);
  await refusal(await gateway.call(story.key, "/v1/chat/completions"), 405);
});

describe("a model name is only a name, also when it is", () => {
  test.each([...SQL, "a\r\nx-injected: yes", "a\u0000b", "../../admin", "%2e%2e/%0d%0aSet-Cookie:x=1", "x".repeat(5000), "<script>alert(1)</script>", "👩‍🚀"])("%j", async (model) => {
    const response = await story.chat({ model });
    expect(response.status).toBeOneOf([200, 400, 404]);
    expect(response.headers.get("x-injected")).toBeNull();
    expect(response.headers.get("set-cookie")).toBeNull();
    if (response.status === 200) {
      expect(upstream.only.json.model).toBe(model);
      expect(upstream.only.path).toBe("/v1/chat/completions");
      expect(await story.log(response)).toMatchObject({ model: expect.stringContaining(model.slice(0, 3).replace(/\0.*/, "")) });
    } else {
      expect((await response.json()).error.type).toBeTruthy();
    }
  });
});

describe("SQL in every string changes nothing:", () => {
  test.each(SQL)("%s", async (sql) => {
    const { admin } = gateway;
    const { users } = (await gateway.sql<{ users: number }>("SELECT count(*) AS users FROM users"))[0]!;
    const quoted = encodeURIComponent(sql);
    for (const path of [
      `/api/logs?model=${quoted}&provider=${quoted}&search=${quoted}&key_id=${quoted}&status=${quoted}`, `/api/logs/${quoted}`, `/api/logs?cursor=${quoted}`, `/api/logs/summary?group_by=${quoted}`,
      `/api/logs/summary?since=${quoted}`, `/api/user-models/global?search=${quoted}&provider=${quoted}&sort=${quoted}&capability=${quoted}`, `/api/providers/${quoted}`,
      `/api/v1/activity-logs?provider=${quoted}&action=${quoted}`, `/api/logs/export?format=${quoted}`,
    ]) {
      const reply = await admin.request("GET", path);
      expect(reply.status, `${path}: ${JSON.stringify(reply.body)}`).toBeLessThan(500);
      expect(JSON.stringify(reply.body)).not.toContain("pbkdf2");
    }
    const model = sql.replaceAll(" ", "+"); // no spaces in the name of a model, and no stars: those are globs
    const { id } = await admin.provider(`p-${sql}`.replace(/[^\w-]/g, "_"), upstream, { api_key: sql });
    const router = await admin.ok("POST", "/api/routers", { name: sql, description: sql });
    await admin.ok("POST", `/api/routers/${router.id}/rules`, { model_pattern: model, provider_id: id, target_model: model, priority: 1, conditions: { "metadata.x": sql } });
    const key = await admin.ok("POST", "/api/keys", { name: sql, router_id: router.id, metadata: { x: sql } });
    expect((await admin.ok("GET", `/api/keys/${key.id}`)).name).toBe(sql);
    const response = await gateway.call(key.key, "/v1/chat/completions", { ...question(sql), model, user: sql });
    expect(response.status).toBe(200);
    expect(upstream.only.json).toMatchObject({ model, user: sql });
    expect(await gateway.log(response.headers.get("x-request-id"))).toMatchObject({ model, metadata: { x: sql } });
    await gateway.call(sql.replace(/[^\x20-\x7e]/g, ""), "/v1/chat/completions", question());
    expect((await gateway.sql<{ users: number }>("SELECT count(*) AS users FROM users"))[0]!.users).toBe(users);
  });
});

describe("a provider is refused whose", () => {
  const refused = async (of: Gateway, settings: object, field: string) => {
    const reply = await of.admin.request("POST", "/api/providers", { name: of.unique("hostile"), kind: "openai-compatible", api_key: "sk-x", ...settings });
    expect(reply.status, JSON.stringify(settings)).toBe(400);
    expect(reply.body.error.field, JSON.stringify(reply.body)).toContain(field);
  };

  test("base URL is none, or carries more than one", async () => {
    for (const base_url of ["", "not a url", "ftp://host/v1", "file:///etc/passwd", "javascript:alert(1)", "http://host/v1\r\nx-injected: yes", "http://user:password@host/v1", "http://", "https://host:99999/v1"]) {
      await refused(gateway, { base_url }, "base_url");
    }
  });

  test("headers would break out, or take what is the gateway's", async () => {
    for (const headers of [{ "x-a": "b\r\nx-injected: yes" }, { "x a": "b" }, { "x-a\r\n": "b" }, { host: "elsewhere" }, { "content-length": "0" }, { "transfer-encoding": "chunked" }, { "x-a": 7 }]) {
      await refused(gateway, { base_url: upstream.url, headers }, "headers");
    }
  });

  test("address is private, where those are not allowed", async () => {
    const strict = await Gateway.start({ vars: { ALLOW_PRIVATE_UPSTREAMS: "false" } });
    try {
      for (const host of ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "[fd00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1", "017700000001", "metadata.google.internal", "a.localhost", "localhost."]) {
        await refused(strict, { base_url: `http://${host}/v1` }, "base_url");
      }
      // One that was stored while it was allowed is not called either.
      await strict.restart({ ALLOW_PRIVATE_UPSTREAMS: "true" });
      const allowed = await scenario(strict, [upstream], { retry: { max_retries: 0 } });
      await strict.restart({ ALLOW_PRIVATE_UPSTREAMS: "false" });
      expect((await strict.call(allowed.key, "/v1/chat/completions", question())).status).toBeGreaterThanOrEqual(400);
      expect(upstream.exchanges).toEqual([]);
    } finally {
      await strict.stop();
    }
  }, 60_000);
});

test("an upstream's redirect is not followed: it could point anywhere", async () => {
  upstream.always(({ response, path }) => void response.writeHead(path.includes("elsewhere") ? 200 : 307, { location: "/elsewhere" }).end("{}"));
  expect((await story.chat()).status).toBeGreaterThanOrEqual(400);
  expect(upstream.exchanges).toHaveLength(1);
});

test("hop-by-hop and dangerous headers of an upstream do not reach the client", async () => {
  upstream.always(upstreamDoes.answer({ headers: { "set-cookie": "session=stolen", "x-edgeway-cost": "0", "x-request-id": "the upstream's own", server: "secret-server" } }));
  const response = await story.chat();
  expect(response.headers.get("set-cookie")).toBeNull();
  expect(response.headers.get("x-request-id")).not.toBe("the upstream's own");
});

test("a client's headers do not travel upstream, the listed ones apart", async () => {
  await story.chat({}, { cookie: "session=mine", "x-forwarded-for": "1.2.3.4", "x-secret": "mine", "openai-organization": "org", "x-edgeway-timeout-ms": "5000" });
  const { headers } = upstream.only;
  for (const name of ["cookie", "x-secret", "x-edgeway-timeout-ms", "x-forwarded-for"]) {
    expect(headers, name).not.toHaveProperty(name);
  }
});

test("a provider's key goes to that provider alone: not to a client, a log, or another upstream", async () => {
  const CANARIES = ["sk-canary-first-0123456789", "sk-canary-second-987654321"];
  const second = await Upstream.start("second");
  try {
    const two = await scenario(gateway, [upstream, second], { keys: [[CANARIES[0]!], [CANARIES[1]!]], retry: { max_retries: 0 }, key: { log_bodies: true } });
    // Upstreams that repeat the key in what they say.
    upstream.always(upstreamDoes.status(401, { body: errorBody(`Incorrect API key provided: ${CANARIES[0]}`, "invalid_request_error", "invalid_api_key") }));
    second.next(upstreamDoes.answer(), upstreamDoes.status(500, { message: `key ${CANARIES[1]} failed` }), upstreamDoes.errorInStream(`key ${CANARIES[1]} failed`));
    const seen: string[] = [];
    for (const body of [{}, {}, { stream: true }]) {
      const response = await two.chat(body);
      seen.push(await response.text(), JSON.stringify([...response.headers]));
      await two.log(response);
    }
    const rows = [await readLogs(gateway, "WHERE key_id = ?1", two.keyId), await gateway.sql("SELECT * FROM request_log_bodies"), await gateway.sql("SELECT * FROM activity_logs"), await gateway.sql("SELECT * FROM provider_keys")];
    for (const canary of CANARIES) {
      expect(seen.join("\n")).not.toContain(canary);
      expect(JSON.stringify(rows)).not.toContain(canary);
      expect(JSON.stringify(await gateway.admin.ok("GET", "/debug/db"))).not.toContain(canary);
    }
    const received = (of: Upstream) => of.exchanges.map(({ headers, text, path }) => JSON.stringify(headers) + text + path).join("\n");
    expect(received(upstream)).toContain(CANARIES[0]);
    expect(received(upstream)).not.toContain(CANARIES[1]);
    expect(received(second)).toContain(CANARIES[1]);
    expect(received(second)).not.toContain(CANARIES[0]);
    expect(received(upstream) + received(second)).not.toContain(two.key);
  } finally {
    await second.stop();
  }
});
