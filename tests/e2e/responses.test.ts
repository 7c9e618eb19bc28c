// Stored Responses by the official client: kept by the gateway, whoever answered, and continued by whoever is next.
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { Management } from "./gateway/management.ts";
import { eventsOf } from "./sse.ts";
import { startStrict, type StrictUpstream } from "./upstream/strict.ts";
import { DIALECTS, type Dialect } from "./upstream/strict/model.ts";

type Response = OpenAI.Responses.Response;
type Ask = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, "model" | "stream"> & { model?: string };

const KINDS: Record<Dialect, string> = { chat: "openai-compatible", responses: "openai", messages: "anthropic", gemini: "gemini" };
const STATIC_KEY = "a-static-key-for-tests";
const MEMBER = "a member's password";

let gateway: Gateway;
let upstreams: StrictUpstream[];
/** Its router leads to an upstream of the dialect that the model names. */
let key: string;
let client: OpenAI;

beforeAll(async () => {
  [gateway, ...upstreams] = await Promise.all([Gateway.start({ vars: { GATEWAY_API_KEYS: STATIC_KEY } }), ...DIALECTS.map((dialect) => startStrict(dialect))]);
  const rules = await Promise.all(upstreams.map(async ({ dialect, url, model }) => {
    const settings = { name: `strict-${dialect}`, kind: KINDS[dialect], base_url: url, api_key: "sk-strict-secret", config: { dialect } };
    return { to: (await gateway.admin.ok("POST", "/api/providers", settings)).id, target: model, model: `to-${dialect}` };
  }));
  const { id } = await gateway.admin.router("by dialect", rules, { retry: { max_retries: 0 } });
  key = (await gateway.admin.key({ name: "stored", router_id: id })).key;
  client = gateway.client(key);
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), ...(upstreams ?? []).map(({ upstream }) => upstream.stop())]);
});

const MODES = [{ mode: "whole", stream: false }, { mode: "streamed", stream: true }];
const WEATHER: OpenAI.Responses.Tool = {
  type: "function", name: "get_weather", description: "The weather.", strict: false,
  parameters: { type: "object", properties: { city: { type: "string" }, unit: { type: "string" } }, required: ["city"] },
};

/** An answer, and of a stream what its last event holds. */
async function create(asked: Ask, stream = false, by = client): Promise<Response> {
  const params = { model: "to-chat", ...asked };
  if (!stream) {
    return await by.responses.create(params);
  }
  let last: Response | undefined;
  for await (const event of await by.responses.create({ ...params, stream: true })) {
    last = event.type === "response.completed" ? event.response : last;
  }
  return last!;
}

/** The status and the error of a call that must be refused. */
async function refused(call: PromiseLike<unknown>) {
  const error: any = await call.then(() => undefined, (error: unknown) => error);
  expect(error).toBeInstanceOf(OpenAI.APIError);
  return { status: error.status, code: error.code, param: error.param, message: error.message as string };
}

const asked = (dialect: Dialect) => upstreams.find((it) => it.dialect === dialect)!.upstream.exchanges.at(-1)!;
const list = async (query: object = {}, by = client): Promise<any> => await by.get("/responses", { query });
const withoutHelpers = ({ output_text: _, ...response }: any) => response;

describe.each(MODES)("an answer, $mode,", ({ stream }) => {
  test.each(DIALECTS)("of an upstream that speaks %s is there as soon as its end was seen", async (dialect) => {
    const answer = await create({ model: `to-${dialect}`, input: "Hello. scenario:text" }, stream);
    expect(answer.id).toMatch(/^resp_/);
    const found = await client.responses.retrieve(answer.id);
    expect(withoutHelpers(found)).toEqual(withoutHelpers(answer));
    expect(found).toMatchObject({ status: "completed", store: true });
  });

  test("of store: false is not kept", async () => {
    const answer = await create({ input: "scenario:text", store: false }, stream);
    expect(await refused(client.responses.retrieve(answer.id))).toMatchObject({ status: 404 });
    expect(await refused(create({ input: "And?", previous_response_id: answer.id }))).toMatchObject({ status: 400, code: "previous_response_not_found" });
  });

  test("goes out although D1 refuses to keep it, and the log says so", async () => {
    await gateway.sql("ALTER TABLE response_chunks RENAME TO response_chunks_away");
    let answer: Response;
    try {
      answer = await create({ input: "scenario:text" }, stream);
      expect(answer.output[0]).toMatchObject({ type: "message", status: "completed" });
      expect(await refused(client.responses.retrieve(answer.id))).toMatchObject({ status: 503 });
      expect(await refused(create({ input: "And?", previous_response_id: answer.id }))).toMatchObject({ status: 503 });
    } finally {
      await gateway.sql("ALTER TABLE response_chunks_away RENAME TO response_chunks");
    }
    expect(gateway.said.some(({ message }) => message.includes("is not stored"))).toBe(true);
    expect(await refused(client.responses.retrieve(answer.id))).toMatchObject({ status: 404 });
  });
});

test("an answer that passes is the upstream's own, byte by byte", async () => {
  const sent = await gateway.call(key, "/v1/responses", { model: "to-responses", input: "scenario:text" });
  const text = await sent.text();
  const found = await gateway.call(key, `/v1/responses/${JSON.parse(text).id}`);
  expect(await found.text()).toBe(text);
});

// Each turn goes to another dialect than the one before; and, for comparison, to the same.
const ROUTES: Dialect[][] = [
  ["chat", "responses", "messages"], ["responses", "messages", "gemini"], ["messages", "gemini", "chat"], ["gemini", "chat", "responses"],
  ["responses", "messages", "responses"], ["messages", "responses", "messages"], ["responses", "responses", "responses"], ["gemini", "gemini", "gemini"],
];

describe.each(MODES)("a conversation of three turns, $mode,", ({ stream }) => {
  test.each(ROUTES.map((route) => ({ route, name: route.join(" → ") })))("$name, is one conversation", async ({ route }) => {
    const [first, second, third] = route.map((dialect) => `to-${dialect}`);
    const ask = { tools: [WEATHER] };
    const one = await create({ ...ask, model: first, input: "Weather? scenario:thinking-tool", reasoning: { effort: "medium", summary: "auto" } }, stream);
    const call = one.output.find((item) => item.type === "function_call")!;
    const two = await create({
      ...ask, model: second, previous_response_id: one.id, input: [{ type: "function_call_output", call_id: call.call_id, output: "5 degrees" }],
    }, stream);
    expect(two.previous_response_id).toBe(one.id);
    expect(JSON.parse(textOf(two))).toMatchObject({ results: ["5 degrees"] });
    const three = await create({ ...ask, model: third, previous_response_id: two.id, input: "What was said? scenario:history" }, stream);
    expect(JSON.parse(textOf(three))).toEqual({ calls: [{ name: "get_weather", args: { city: "Łódź", unit: "C" } }], results: ["5 degrees"], paired: true });
    expect(asked(route[2]!).text).not.toContain("previous_response_id");

    const items = (await Array.fromAsync(client.responses.inputItems.list(three.id, { order: "asc", limit: 3 }))).filter(({ type }) => type !== "reasoning");
    expect(items.map(({ type }) => type)).toEqual(["message", "function_call", "function_call_output", "message", "message"]);
    expect(items.every(({ id }) => id)).toBe(true);
    expect((await list({ prefix: three.id })).data.map(({ id }: Response) => id)).toEqual([three.id]);
  });
});

const textOf = (response: Response) =>
  response.output.flatMap((item) => (item.type === "message" ? item.content : [])).map((part) => (part.type === "output_text" ? part.text : "")).join("");

test("a client that leaves at the last event of a stream goes on from it all the same", async () => {
  let id = "";
  for await (const event of await client.responses.create({ model: "to-chat", input: "scenario:text", stream: true })) {
    if (event.type === "response.completed") {
      id = event.response.id;
      break;
    }
  }
  expect(await create({ previous_response_id: id, input: "scenario:text" })).toMatchObject({ status: "completed" });
});

test("references to stored items go to any upstream as the items", async () => {
  const answer = await create({ model: "to-messages", input: "Hello. scenario:text" });
  const said = JSON.stringify(textOf(answer)).slice(1, -1);
  const input = [{ role: "user" as const, content: "Hello. scenario:text" }, { type: "item_reference" as const, id: answer.output[0]!.id! }, { role: "user" as const, content: "scenario:text" }];
  for (const dialect of DIALECTS) {
    await create({ model: `to-${dialect}`, input });
    expect(asked(dialect).text).not.toContain("item_reference");
    expect(asked(dialect).text, dialect).toContain(said);
  }
});

test.each(DIALECTS)("an answer of %s is replayed as a stream, whole or from where it is asked for", async (dialect) => {
  const answer = await create({ model: `to-${dialect}`, input: "Weather? scenario:tool", tools: [WEATHER] });
  const events = await Array.fromAsync(await client.responses.retrieve(answer.id, { stream: true }));
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
  expect(events[0]!.type).toBe("response.created");
  expect(events.at(-1)).toMatchObject({ type: "response.completed", response: withoutHelpers(answer) });
  const rest = await Array.fromAsync(await client.responses.retrieve(answer.id, { stream: true, starting_after: 2 }));
  expect(rest).toEqual(events.slice(3));
});

test("a stream that breaks off is kept as one that failed", async () => {
  const text = await (await gateway.call(key, "/v1/responses", { model: "to-messages", input: "scenario:dies-midway", stream: true })).text();
  const { response } = eventsOf(text).at(-1) as { response: Response };
  expect(response.status).toBe("failed");
  expect(await client.responses.retrieve(response.id)).toMatchObject({ status: "failed", error: response.error });
});

test("an input of three megabytes comes back in one piece", async () => {
  const text = `${"€uro ".repeat(430_000)} scenario:text`;
  const { id } = await create({ input: text });
  const items = await Array.fromAsync(client.responses.inputItems.list(id));
  expect(items).toMatchObject([{ type: "message", role: "user", content: [{ type: "input_text", text }] }]);
  await client.responses.delete(id);
});

describe("what an owner has", () => {
  test("nobody else sees", async () => {
    const { id } = await create({ input: "scenario:text" });
    await gateway.admin.ok("POST", "/api/users", { username: "bob", password: MEMBER, role: "member" });
    const bob = await Management.signIn(gateway.url, "bob", MEMBER);
    for (const other of [(await bob.key({ name: "bob's" })).key, STATIC_KEY]) {
      const stranger = gateway.client(other);
      expect(await refused(stranger.responses.retrieve(id))).toMatchObject({ status: 404 });
      expect(await refused(stranger.responses.delete(id))).toMatchObject({ status: 404 });
      expect(await refused(stranger.responses.cancel(id))).toMatchObject({ status: 404 });
      expect(await refused(stranger.responses.inputItems.list(id))).toMatchObject({ status: 404 });
      expect(await refused(create({ input: "x", previous_response_id: id }, false, stranger))).toMatchObject({ status: 400, param: "previous_response_id" });
      expect((await list({}, stranger)).data).toEqual([]);
      await stranger.delete("/responses/all");
    }
    expect((await gateway.call("gw_nobody", `/v1/responses/${id}`)).status).toBe(401);
    const colleague = gateway.client((await gateway.admin.key({ name: "another of the same user" })).key);
    expect((await colleague.responses.retrieve(id)).id).toBe(id);
  });

  test("is listed page by page, deleted one by one or all at once, and cannot be cancelled", async () => {
    await client.delete("/responses/all");
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) {
      ids.unshift((await create({ input: "scenario:text" })).id);
    }
    const first = await list({ limit: 2 });
    expect(first).toMatchObject({ object: "list", has_more: true, first_id: ids[0], last_id: ids[1], next_cursor: ids[1] });
    expect(first.data[0]).toMatchObject({ object: "response", status: "completed", output: [{ type: "message" }] });
    const rest = await list({ cursor: first.next_cursor });
    expect([...first.data, ...rest.data].map(({ id }: Response) => id)).toEqual(ids);
    expect(rest).toMatchObject({ has_more: false, next_cursor: null });
    expect((await list({ order: "asc" })).data.map(({ id }: Response) => id)).toEqual([...ids].reverse());

    const cancelled = await refused(client.responses.cancel(ids[0]!));
    expect(cancelled).toMatchObject({ status: 400, message: expect.stringContaining("Cannot cancel a synchronous response.") });
    const deleted = await gateway.call(key, `/v1/responses/${ids[0]}`, undefined, { method: "DELETE" });
    expect(await deleted.json()).toEqual({ id: ids[0], object: "response", deleted: true });
    expect(await refused(client.responses.retrieve(ids[0]!))).toMatchObject({ status: 404 });
    expect(await client.delete("/responses/all")).toMatchObject({ deleted: true, count: 4 });
    expect((await list()).data).toEqual([]);
    expect(await gateway.sql("SELECT COUNT(*) AS count FROM response_chunks")).toEqual([{ count: 0 }]);
  });
});

test("tokens are counted with the conversation before, which no upstream is asked for", async () => {
  const { id } = await create({ model: "to-responses", input: `${"word ".repeat(500)} scenario:text` });
  const before = asked("responses");
  const count = async (previous?: string) =>
    (await client.responses.inputTokens.count({ model: "to-responses", input: "Hello.", ...(previous && { previous_response_id: previous }) })).input_tokens;
  expect(await count(id)).toBeGreaterThan(400);
  expect(asked("responses")).toBe(before);
  expect(await refused(count("resp_unknown"))).toMatchObject({ status: 400, code: "previous_response_not_found" });
});

test("what the gateway does not offer is said before any upstream is asked", async () => {
  const before = asked("chat");
  expect(await refused(create({ input: "x", background: true }))).toMatchObject({ status: 400, param: "background" });
  const unknown = await refused(create({ input: "x", previous_response_id: "resp_unknown" }));
  expect(unknown).toMatchObject({ status: 400, code: "previous_response_not_found", param: "previous_response_id" });
  expect(unknown.message).toContain("Previous response with id 'resp_unknown' not found.");
  expect(asked("chat")).toBe(before);
});
