// `/api/logs/live`: whoever watches hears of each finished call, and of nobody else's.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { Management } from "./gateway/management.ts";
import { scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { Upstream } from "./upstream.ts";

interface Message {
  type: "call" | "totals";
  data: Record<string, unknown>;
}

let gateway: Gateway;
let upstream: Upstream;
let adminToken: string;

beforeAll(async () => {
  upstream = await Upstream.start();
  gateway = await Gateway.start();
  adminToken = await signIn("admin", "an admin password for tests");
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

async function signIn(username: string, password: string): Promise<string> {
  const { token } = await gateway.admin.ok<{ token: string }>("POST", "/api/auth/login", { username, password });
  return token;
}

/** A page's socket: its token is a subprotocol. */
async function watch(token: string): Promise<{ socket: WebSocket; messages: Message[] }> {
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/api/logs/live`, ["edgeway", `bearer.${token}`]);
  const messages: Message[] = [];
  socket.addEventListener("message", ({ data }) => messages.push(JSON.parse(String(data)) as Message));
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  return { socket, messages };
}

test("a finished call comes as the list shows it, and the day's sums with it", async () => {
  const { socket, messages } = await watch(adminToken);
  expect(socket.protocol).toBe("edgeway");
  const story = await scenario(gateway, [upstream]);
  const response = await story.chat();
  const id = response.headers.get("x-request-id");
  const call = await until("the call", async () => messages.find(({ type, data }) => type === "call" && data.id === id));
  await gateway.log(id);
  const { request_body: _, response_body: __, ...stored } = await gateway.admin.ok<Record<string, unknown>>("GET", `/api/logs/${id}`);
  expect(call.data).toEqual(stored);
  const totals = await until("the sums", async () => messages.findLast(({ type }) => type === "totals"));
  expect(totals.data).toEqual({ requests: 1, errors: 0, input_tokens: stored.input_tokens, output_tokens: stored.output_tokens, cost: stored.cost });
  socket.close();
});

test("a member hears of their own calls alone", async () => {
  await gateway.admin.ok("POST", "/api/users", { username: "ada", password: "a password for ada" });
  const ada = await watch(await signIn("ada", "a password for ada"));
  const admin = await watch(adminToken);
  const story = await scenario(gateway, [upstream]);
  const id = (await story.chat()).headers.get("x-request-id");
  await until("the admin's message", async () => admin.messages.find(({ data }) => data.id === id));
  const own = await Management.signIn(gateway.url, "ada", "a password for ada");
  const { id: router_id } = await own.router("hers", [{ to: (await own.ok<{ id: string }>("POST", "/api/providers", { name: "hers", kind: "openai-compatible", base_url: `${upstream.url}/v1`, api_key: "sk-hers" })).id }]);
  const { key } = await own.key({ name: "hers", router_id });
  const hers = (await gateway.call(key, "/v1/chat/completions", { model: "gpt-4o", messages: [{ role: "user", content: "hi" }] })).headers.get("x-request-id");
  await until("her own message", async () => ada.messages.find(({ data }) => data.id === hers));
  expect(ada.messages.filter(({ type }) => type === "call").map(({ data }) => data.id)).toEqual([hers]);
  ada.socket.close();
  admin.socket.close();
});

test("it is a WebSocket, and for those who are signed in", async () => {
  const get = async (headers: Record<string, string>) => await fetch(`${gateway.url}/api/logs/live`, { headers });
  expect((await get({ authorization: `Bearer ${adminToken}` })).status).toBe(426);
  for (const token of ["wrong", "a.1.b"]) {
    await expect(watch(token)).rejects.toBeDefined();
  }
});
