// The helpers for callers without an SDK: a prompt or an image in, text out, by a gateway key or a session.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario } from "./gateway/scenario.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

let gateway: Gateway;
let upstream: Upstream;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start(), Upstream.start("only")]);
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

test("generate-text: a prompt in, text with its model, provider and usage out, and a log record as of any call", async () => {
  const story = await scenario(gateway, [upstream], { key: { default_model: "e2e-small" } });
  const body = { prompt: "Say hello", system: "Be brief", max_tokens: 9, temperature: 0.5 };
  const response = await gateway.call(story.key, "/api/v1/chat/generate-text", body);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    text: "Hello from only", model: "e2e-small", provider: story.providers[0],
    usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number), total_tokens: expect.any(Number) },
  });
  expect(upstream.only.json).toMatchObject({
    model: "e2e-small", max_tokens: 9, temperature: 0.5,
    messages: [{ role: "system", content: "Be brief" }, { role: "user", content: "Say hello" }],
  });
  expect(await story.log(response)).toMatchObject({ status: 200, usage_source: "upstream", provider: story.providers[0] });
});

test("extract-text: an image as a data URL, as base64 and as a file of a form", async () => {
  const story = await scenario(gateway, [upstream], { key: { default_model: "e2e-small" } });
  const form = new FormData();
  form.set("image", new Blob([Buffer.from(PNG, "base64")], { type: "image/png" }), "a.png");
  form.set("prompt", "What is it?");
  const ways: Array<() => Promise<Response>> = [
    () => gateway.call(story.key, "/api/v1/vision/extract-text", { image: `data:image/png;base64,${PNG}`, prompt: "What is it?" }),
    () => gateway.call(story.key, "/api/v1/vision/extract-text", { image: PNG, prompt: "What is it?" }),
    () => fetch(`${gateway.url}/api/v1/vision/extract-text`, { method: "POST", headers: { authorization: `Bearer ${story.key}` }, body: form }),
  ];
  for (const send of ways) {
    upstream.reset();
    const response = await send();
    expect(response.status).toBe(200);
    expect((await response.json()).text).toBe("Hello from only");
    expect(upstream.only.json.messages[0].content).toEqual([
      { type: "text", text: "What is it?" },
      { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } },
    ]);
  }
});

test("somebody who is signed in uses their own providers, and only these", async () => {
  const story = await scenario(gateway, [upstream]);
  const ask = (token: string) => gateway.call(token, "/api/v1/chat/generate-text", { prompt: "Hi", model: `${story.providers[0]}/e2e-small` });
  expect((await ask(gateway.admin.token)).status).toBe(200);
  await gateway.admin.ok("POST", "/api/users", { username: "other", password: "another long password", role: "member" });
  const login = await fetch(`${gateway.url}/api/auth/login`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ username: "other", password: "another long password" }),
  });
  expect((await ask((await login.json()).token)).status).toBe(404);
  expect(upstream.exchanges).toHaveLength(1);
});

test("what is wrong is said in the words of every error", async () => {
  const story = await scenario(gateway, [upstream], { key: { default_model: "e2e-small" }, retry: { max_retries: 0 } });
  const refused = async (path: string, body: object, key = story.key) => {
    const response = await gateway.call(key, path, body);
    return { status: response.status, ...(await response.json()).error };
  };
  expect(await refused("/api/v1/chat/generate-text", {})).toMatchObject({ status: 400, param: "prompt" });
  expect(await refused("/api/v1/vision/extract-text", { image: "no" })).toMatchObject({ status: 400, param: "image" });
  expect(await refused("/api/v1/chat/generate-text", { prompt: "x" }, "gw_nobody")).toMatchObject({ status: 401 });
  expect(upstream.exchanges).toEqual([]);
  upstream.always(upstreamDoes.status(500));
  expect(await refused("/api/v1/chat/generate-text", { prompt: "x" })).toMatchObject({ status: 500, message: expect.stringContaining(story.providers[0]!) });
  expect(await (await fetch(`${gateway.url}/api/v1/health`)).json()).toEqual({ status: "ok" });
});
