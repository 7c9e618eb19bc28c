// Several answers of a target that gives one: as many calls upstream, one answer, one record, one bill.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import type { LogRow } from "./gateway/log-rows.ts";
import { question } from "./gateway/scenario.ts";
import { RawCall } from "./raw-call.ts";
import { StreamReader, dataOf, eventsOf } from "./sse.ts";
import { Gate, Upstream, type Behaviour, type Exchange } from "./upstream.ts";

const ANSWERS = "/v1/chat/completions";

let gateway: Gateway;
let upstream: Upstream;
let key: string;
let keyId: string;
let provider: string;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start(), Upstream.start("claude")]);
  await gateway.sql(
    "INSERT INTO models (id, kind, model, input_price, output_price, effective_from, source, updated_at) VALUES ('p', '*', 'e2e-small', 1000000000, 2000000000, 0, 'catalog', 0)",
  );
  ({ key, keyId, provider } = await behind("anthropic"));
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

/** A key whose calls go to the upstream in this kind's dialect. */
async function behind(kind: string, settings: object = {}) {
  const { id, name } = await gateway.admin.ok<{ id: string; name: string }>("POST", "/api/providers", {
    name: gateway.unique(kind), kind, base_url: new URL(upstream.url).origin + (kind === "openai-compatible" ? "/v1" : ""), api_key: "sk-claude-secret",
  });
  const router = await gateway.admin.router(gateway.unique("router"), [{ to: id }], { retry: { max_retries: 1, base_delay_ms: 1 } });
  const made = await gateway.admin.key({ name: gateway.unique("key"), router_id: router.id, ...settings });
  return { key: made.key, keyId: made.id, provider: name };
}

const USAGE = { input_tokens: 10, output_tokens: 4 };
const event = (type: string, more: object = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;

/** Claude, saying which of the calls this is; `held` is waited for in the middle of a stream. */
function claude({ held, says = (exchange) => `call ${exchange.upstream.exchanges.indexOf(exchange)}` }: { held?: Gate; says?: (exchange: Exchange) => string } = {}): Behaviour {
  return async (exchange) => {
    const { response, json } = exchange;
    const text = says(exchange);
    if (!json.stream) {
      await held?.opened;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ id: `msg_${text}`, type: "message", role: "assistant", model: json.model, content: [{ type: "text", text }], stop_reason: "end_turn", stop_sequence: null, usage: USAGE }));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(event("message_start", { message: { id: `msg_${text}`, type: "message", role: "assistant", model: json.model, content: [], stop_reason: null, usage: { input_tokens: 10, output_tokens: 1 } } }));
    response.write(event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }));
    response.write(event("content_block_delta", { index: 0, delta: { type: "text_delta", text: `${text}, ` } }));
    await Promise.race([held?.opened, exchange.abandoned]);
    if (exchange.wasAbandoned) return;
    response.write(event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "done" } }));
    response.write(event("content_block_stop", { index: 0 }));
    response.write(event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: USAGE }));
    response.end(event("message_stop"));
  };
}
const fails = (status: number): Behaviour => ({ response }) =>
  void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ type: "error", error: { type: "api_error", message: "the model is on fire" } }));

const ask = (body: object, headers: Record<string, string> = {}, path = ANSWERS, by = key) =>
  gateway.call(by, path, { ...(path.includes("/models/") ? {} : { model: "e2e-small" }), ...body }, { headers });
const hello = question().messages;
const log = (response: Response): Promise<LogRow> => gateway.log(response.headers.get("x-request-id"));

describe("chat", () => {
  test("answers come numbered, with what they used added up, in one record with each call", async () => {
    upstream.always(claude());
    const response = await ask({ messages: hello, n: 3, seed: 7 });
    expect(response.status).toBe(200);
    const body: any = await response.json();
    expect(body.choices.map(({ index }: any) => index)).toEqual([0, 1, 2]);
    expect(new Set(body.choices.map(({ message }: any) => message.content))).toEqual(new Set(["call 0", "call 1", "call 2"]));
    expect(body.usage).toMatchObject({ prompt_tokens: 30, completion_tokens: 12, total_tokens: 42 });
    expect(response.headers.get("x-edgeway-attempts")).toBe("3");
    expect(response.headers.get("x-edgeway-provider")).toBe(provider);
    expect(response.headers.get("x-edgeway-dropped-params")).toBe("seed");
    expect(response.headers.get("x-edgeway-cost")).toBe("0.000054");
    expect(upstream.exchanges.map(({ json }) => "n" in json)).toEqual([false, false, false]);
    const record = await log(response);
    expect(record).toMatchObject({ status: 200, provider, input_tokens: 30, output_tokens: 12, usage_source: "upstream", cost: 54_000, priced: 1, end_reason: "done" });
    expect(record.attempts.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await gateway.logsOfKey(keyId, 1)).toHaveLength(1);
  });

  test("streams interleave, with one total and one end, as the official client reads them", async () => {
    const held = upstream.gate();
    upstream.always(claude({ held }));
    const body = { messages: hello, n: 3, stream: true, stream_options: { include_usage: true } };
    const response = await ask(body);
    const reader = new StreamReader(response);
    for (const call of ["call 0", "call 1", "call 2"]) await reader.untilText(call);
    held.open();
    const text = await reader.rest();
    expect(dataOf(text).filter((data) => data === "[DONE]")).toHaveLength(1);
    const events = eventsOf(text);
    expect(new Set(events.map(({ id }) => id)).size).toBe(1);
    expect(events.filter(({ usage }) => usage)).toMatchObject([{ choices: [], usage: { prompt_tokens: 30, completion_tokens: 12 } }]);
    const record = await log(response);
    expect(record).toMatchObject({ status: 200, input_tokens: 30, output_tokens: 12, cost: 54_000, end_reason: "done" });
    expect(record.attempts).toHaveLength(3);

    upstream.reset().always(claude());
    const answer = await gateway.client(key).chat.completions.stream({ ...question(), n: 3 }).finalChatCompletion();
    const said = answer.choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason]);
    expect(said.map(([index]) => index)).toEqual([0, 1, 2]);
    expect(new Set(said.map(([, content]) => content))).toEqual(new Set(["call 0, done", "call 1, done", "call 2, done"]));
    expect(said.every(([, , reason]) => reason === "stop")).toBe(true);
  });

  test("no more than five run at a time, and all are made", async () => {
    let running = 0;
    let most = 0;
    const answers = claude();
    upstream.always(async (exchange) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running--;
      await answers(exchange);
    });
    for (const stream of [false, true]) {
      const response = await ask({ messages: hello, n: 12, stream });
      const text = await response.text();
      const choices = stream ? eventsOf(text).flatMap((event) => event.choices) : JSON.parse(text).choices;
      expect(new Set(choices.map(({ index }: any) => index)).size).toBe(12);
    }
    expect([upstream.exchanges.length, most]).toEqual([24, 5]);
  });

  test("one that fails is tried again by itself", async () => {
    upstream.next(fails(500)).always(claude());
    const response = await ask({ messages: hello, n: 2 });
    expect((await response.json() as any).choices).toHaveLength(2);
    expect((await log(response)).attempts.map(({ status }) => status).sort()).toEqual([200, 200, 500]);
  });

  test("where one fails for good so does the call, in words or with an error event", async () => {
    upstream.always(claude());
    upstream.next(fails(400));
    const whole = await ask({ messages: hello, n: 3 });
    expect([whole.status, (await whole.json() as any).error.message]).toEqual([400, "the model is on fire"]);
    expect(await log(whole)).toMatchObject({ status: 400 });

    const [first, second] = [upstream.gate(), upstream.gate()];
    const streams: Exchange[] = [];
    upstream.when(({ json }) => json.stream, async (exchange) => {
      if (streams.push(exchange) === 1) return await claude({ held: second, says: () => "the first" })(exchange);
      await first.opened;
      await fails(400)(exchange);
    });
    const streamed = await ask({ messages: hello, n: 2, stream: true });
    expect(streamed.status).toBe(200);
    const reader = new StreamReader(streamed);
    await reader.untilText("the first");
    first.open();
    const text = await reader.rest();
    expect(eventsOf(text).at(-1).error.message).toContain("the model is on fire");
    expect(text).not.toContain("[DONE]");
    expect(await log(streamed)).toMatchObject({ status: 200, end_reason: "upstream_error" });
    await streams[0]!.abandoned;
  });

  test("a client that leaves stops all of them, and what they used is counted", async () => {
    const held = upstream.gate();
    upstream.always(claude({ held }));
    const call = new RawCall(gateway.url, ANSWERS, key, { ...question("leaving"), model: "e2e-small", n: 3, stream: true });
    const head = await call.untilText("call 2");
    call.reset();
    await Promise.all(upstream.exchanges.map(({ abandoned }) => abandoned));
    const record = await gateway.log(/x-request-id: (\S+)/i.exec(head)![1]!);
    expect(record).toMatchObject({ end_reason: "client_closed" });
    expect(record.attempts).toHaveLength(3);
    expect(record.input_tokens).toBeGreaterThanOrEqual(30);
  });

  test("n beyond what the gateway makes of it is a 400 that names it, and so is any n in strict mode", async () => {
    for (const [body, headers, says] of [[{ n: 17 }, {}, /at most 16/], [{ n: 2 }, { "x-edgeway-strict": "true" }, /\bn\b/]] as const) {
      const response = await ask({ messages: hello, ...body }, headers);
      const { error }: any = await response.json();
      expect([response.status, error.param]).toEqual([400, "n"]);
      expect(error.message).toMatch(says);
    }
    expect(upstream.exchanges).toEqual([]);
  });
});

test("limits hold the input of each call, and are told what all of them used", async () => {
  const own = await behind("anthropic", { budget: { usd: 1, window: "day" } });
  const held = upstream.gate();
  upstream.always(claude({ held }));
  const pending = ask({ messages: hello, n: 3, max_tokens: 50 }, {}, ANSWERS, own.key);
  await upstream.received(3);
  const spent = async () => (await gateway.admin.ok<any>("GET", `/api/keys/${own.keyId}`)).usage.find(({ limit }: any) => limit === "budget").used * 1e9;
  const reserved = await spent();
  expect(reserved).toBeGreaterThanOrEqual(3 * 50 * 2_000 + 3 * 32 * 1_000);
  held.open();
  const response = await pending;
  expect(response.status).toBe(200);
  await response.text();
  await expect.poll(async () => Math.round(await spent())).toBe(54_000);
});

test("each part that is sent again after an attempt that may be billed has that held beside it, or the call ends", async () => {
  const hangs: Behaviour = ({ abandoned }) => abandoned.then(() => {});
  const made = await Promise.all([0, 1].map((index) => gateway.admin.ok("POST", "/api/providers", {
    name: gateway.unique(`slow-${index}`), kind: "anthropic", base_url: new URL(upstream.url).origin, api_key: "sk-claude-secret",
  })));
  const story = async (usd: number) => {
    const router = await gateway.admin.router(gateway.unique("router"), made.map(({ id }) => ({ to: id })), { retry: { max_retries: 0 }, timeouts: { headers_ms: 200 } });
    const { key: by, id } = await gateway.admin.key({ name: gateway.unique("key"), router_id: router.id, budget: { usd, window: "total" } });
    upstream.reset().next(hangs, hangs).always(claude());
    const response = await ask({ messages: hello, n: 2, max_tokens: 50 }, {}, ANSWERS, by);
    await response.text();
    const record = await log(response);
    const spent = async () => Math.round((await gateway.admin.ok<any>("GET", `/api/keys/${id}`)).usage.find(({ limit }: any) => limit === "budget").used * 1e9);
    await expect.poll(spent).toBe(record.cost);
    return { status: response.status, record };
  };
  // Two that were too slow, each at its bound, and two that answered.
  const ample = await story(1);
  const bounds = ample.record.attempts.filter(({ status }) => status === null).map(({ used }) => used!.cost_nano_usd);
  expect([ample.status, bounds.length, bounds[0]]).toEqual([200, 2, bounds[1]]);
  const bound = bounds[0]!;
  expect(ample.record.cost).toBe(2 * bound + 2 * (10 * 1_000 + 4 * 2_000));
  // Four bounds, to the last nano-dollar; one less holds only one of the two that are to be sent again.
  expect((await story((4 * bound) / 1e9)).status).toBe(200);
  const { status, record } = await story((4 * bound - 1) / 1e9);
  expect(status).toBe(402);
  expect(record.cost).toBeLessThan(4 * bound);
  expect(upstream.exchanges.length).toBeLessThanOrEqual(3);
  // Not even one more.
  expect((await story((3 * bound - 1) / 1e9)).status).toBe(402);
  expect(upstream.exchanges).toHaveLength(2);
});

test("text completions: several prompts are answered in their order, n times each", async () => {
  upstream.always(claude({ says: ({ json }) => JSON.stringify(json.messages[0].content).includes("one") ? "1" : "2" }));
  const client = gateway.client(key);
  const whole = await client.completions.create({ model: "e2e-small", prompt: ["one", "two"], n: 2, max_tokens: 5 });
  expect(whole.choices.map(({ index, text }) => [index, text])).toEqual([[0, "1"], [1, "1"], [2, "2"], [3, "2"]]);
  const texts: Record<number, string> = {};
  for await (const chunk of await client.completions.create({ model: "e2e-small", prompt: ["one", "two"], max_tokens: 5, stream: true })) {
    for (const { index, text } of chunk.choices) texts[index] = (texts[index] ?? "") + text;
  }
  expect(texts).toEqual({ 0: "1, done", 1: "2, done" });
});

describe("Gemini", () => {
  const body = { contents: [{ role: "user", parts: [{ text: "Say hello." }] }], generationConfig: { candidateCount: 2 } };

  test("clients get candidates, whole, in events and as one array", async () => {
    upstream.always(claude());
    const path = "/v1beta/models/e2e-small";
    const whole: any = await (await ask(body, {}, `${path}:generateContent`)).json();
    expect(whole.candidates.map(({ index }: any) => index)).toEqual([0, 1]);
    expect(whole.usageMetadata).toMatchObject({ promptTokenCount: 20, candidatesTokenCount: 8, totalTokenCount: 28 });
    for (const form of ["?alt=sse", ""]) {
      const text = await (await ask(body, {}, `${path}:streamGenerateContent${form}`)).text();
      const events: any[] = form ? eventsOf(text) : JSON.parse(text);
      const ends = events.flatMap(({ candidates = [] }) => candidates).filter(({ finishReason }) => finishReason);
      expect(ends.map(({ index }) => index).sort()).toEqual([0, 1]);
      expect(events.at(-1).usageMetadata).toMatchObject({ promptTokenCount: 20, candidatesTokenCount: 8 });
    }
  });

  test("a model that gives one candidate is asked for each by itself, once it says so", async () => {
    const own = await behind("gemini");
    const answer: Behaviour = ({ response, json }) => {
      const several = (json.generationConfig?.candidateCount ?? 1) > 1;
      const said = several
        ? { error: { code: 400, message: "Multiple candidates is not enabled for this model", status: "INVALID_ARGUMENT" } }
        : { candidates: [{ content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP", index: 0 }], usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1, totalTokenCount: 4 } };
      response.writeHead(several ? 400 : 200, { "content-type": "application/json" }).end(JSON.stringify(said));
    };
    upstream.always(answer);
    const response = await ask({ messages: hello, n: 2 }, {}, ANSWERS, own.key);
    expect((await response.json() as any).choices.map(({ index, message }: any) => [index, message.content])).toEqual([[0, "Hello"], [1, "Hello"]]);
    expect((await log(response)).attempts.map(({ status }) => status)).toEqual([400, 200, 200]);
  });
});
