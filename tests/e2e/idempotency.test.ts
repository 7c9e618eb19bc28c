// Calls with an Idempotency-Key: made once, whoever comes again, and answered with the same bytes.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway, builtWorker } from "./gateway.ts";
import { question, scenario, type Scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { RawCall } from "./raw-call.ts";
import { isDone, StreamReader } from "./sse.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

const STATIC_KEY = "a-static-key-for-tests";
const PRICE = 1_000_000_000; // nano-USD for a million tokens

let gateway: Gateway;
let upstream: Upstream;
let story: Scenario;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start({ vars: { GATEWAY_API_KEYS: STATIC_KEY } }), Upstream.start()]);
  await gateway.sql(
    "INSERT INTO models (id, kind, model, input_price, output_price, effective_from, source, updated_at) VALUES ('p', '*', 'e2e-small', ?1, ?1, 0, 'catalog', 0)",
    PRICE,
  );
  story = await scenario(gateway, [upstream], { retry: { max_retries: 0 } });
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

const unique = () => gateway.unique("idempotency");
const ask = (key: string, body: object = {}, by = story) => by.chat(body, { "idempotency-key": key });
const rows = async () => (await gateway.sql<{ count: number }>("SELECT count(*) AS count FROM replays WHERE status IS NULL"))[0]!.count;
const stored = async () => (await gateway.sql<{ count: number }>("SELECT count(*) AS count FROM replays"))[0]!.count;
const bytes = async (response: Response) => Buffer.from(await response.arrayBuffer());

describe.each([{ mode: "whole", stream: undefined }, { mode: "streamed", stream: true }])("an answer, $mode,", ({ stream }) => {
  test("is given again byte by byte, with its headers, for nothing", async () => {
    const key = unique();
    const first = await ask(key, { stream });
    const answer = await bytes(first);
    const second = await ask(key, { stream });
    expect((await bytes(second)).equals(answer)).toBe(true);
    expect(upstream.exchanges).toHaveLength(1);
    for (const name of ["content-type", "cache-control", "x-edgeway-provider", "x-edgeway-model", "x-edgeway-attempts"]) {
      expect(second.headers.get(name), name).toBe(first.headers.get(name));
    }
    expect(first.headers.get("idempotent-replayed")).toBe(null);
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    expect(second.headers.get("x-edgeway-replay-of")).toBe(first.headers.get("x-request-id"));
    const [made, again] = [await story.log(first), await story.log(second)];
    expect(made.cost).toBeGreaterThan(0);
    expect(again).toMatchObject({ status: 200, cost: 0, input_tokens: 0, output_tokens: 0, stream: stream ? 1 : 0 });
    expect(again.metadata).toMatchObject({ replay_of: made.id });
  });

  test("is made once for fifty calls at the same time", async () => {
    const key = unique();
    const gate = upstream.gate();
    upstream.always(async (exchange) => {
      await gate.opened;
      await upstreamDoes.answer()(exchange);
    });
    const calls = Array.from({ length: 50 }, async () => {
      const response = await ask(key, { stream });
      return { status: response.status, body: await response.text(), again: response.headers.get("idempotent-replayed") };
    });
    await upstream.received();
    gate.open();
    const answers = await Promise.all(calls);
    expect(upstream.exchanges).toHaveLength(1);
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1);
    expect(answers[0]!.status).toBe(200);
    expect(answers.filter(({ again }) => again === null)).toHaveLength(1);
  });

  test("that fails is not kept: a retry is a retry", async () => {
    const key = unique();
    upstream.next(upstreamDoes.status(500), upstreamDoes.status(429));
    expect((await bytes(await ask(key, { stream }))).toString()).toContain("error");
    expect((await ask(key, { stream })).status).toBe(429);
    await until("no claim", async () => (await rows()) === 0 || undefined);
    const third = await ask(key, { stream });
    expect([third.status, third.headers.get("idempotent-replayed")]).toEqual([200, null]);
    await third.arrayBuffer();
    expect(upstream.exchanges).toHaveLength(3);
  });

  test("survives a restart of the gateway", async () => {
    const key = unique();
    const answer = await (await ask(key, { stream })).text();
    await until("it is kept", async () => (await rows()) === 0 || undefined);
    await gateway.restart();
    const again = await ask(key, { stream });
    expect(await again.text()).toBe(answer);
    expect(upstream.exchanges).toHaveLength(1);
  });
});

test("another body under the same key is refused, also while the first is under way", async () => {
  const key = unique();
  const gate = upstream.gate();
  upstream.next(async (exchange) => {
    await gate.opened;
    await upstreamDoes.answer()(exchange);
  });
  const first = ask(key);
  await upstream.received();
  for (const body of [{ temperature: 0 }, { stream: true }]) {
    const refused = await ask(key, body);
    expect(refused.status).toBe(422);
    expect(((await refused.json()) as any).error).toMatchObject({ code: "idempotency_key_reused", param: "Idempotency-Key" });
  }
  gate.open();
  await (await first).arrayBuffer();
  expect((await ask(key, { temperature: 0 })).status).toBe(422);
  expect(upstream.exchanges).toHaveLength(1);
});

test("the same body at another endpoint is another call", async () => {
  const key = unique();
  await (await ask(key)).arrayBuffer();
  const response = await gateway.call(story.key, "/v1/responses", { ...question(), input: "x" }, { headers: { "idempotency-key": key } });
  expect(response.status).toBe(422);
});

test("a key is its caller's own", async () => {
  const other = await scenario(gateway, [upstream]);
  const key = unique();
  await (await ask(key)).arrayBuffer();
  const response = await ask(key, { temperature: 0 }, other);
  expect([response.status, response.headers.get("idempotent-replayed")]).toEqual([200, null]);
  await response.arrayBuffer();
  expect(upstream.exchanges).toHaveLength(2);
});

test("an upstream's word that the body is wrong is final, and the gateway's own is not", async () => {
  const key = unique();
  upstream.next(upstreamDoes.status(400, { message: "max_tokens is too large" }));
  const first = await ask(key);
  const text = await first.text();
  const second = await ask(key);
  expect([second.status, await second.text()]).toEqual([400, text]);
  expect(upstream.exchanges).toHaveLength(1);
  const mine = unique();
  const missing = () => gateway.call(STATIC_KEY, "/v1/chat/completions", { model: "nobody/knows", messages: [] }, { headers: { "idempotency-key": mine } });
  for (const response of [await missing(), await missing()]) {
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.headers.get("idempotent-replayed")).toBe(null);
    await response.arrayBuffer();
  }
});

test("a key that is no key is a 400, and an absent one costs nothing", async () => {
  const before = await stored();
  for (const key of ["x".repeat(256), "\u00e9"]) {
    const response = await ask(key);
    expect(response.status).toBe(400);
    expect(((await response.json()) as any).error.param).toBe("Idempotency-Key");
  }
  expect((await story.chat()).status).toBe(200);
  expect(await stored()).toBe(before);
});

test("who may not call gets no answer again", async () => {
  const mine = await scenario(gateway, [upstream]);
  const key = unique();
  await (await ask(key, {}, mine)).arrayBuffer();
  await gateway.admin.ok("PUT", `/api/keys/${mine.keyId}`, { is_active: false });
  expect((await ask(key, {}, mine)).status).toBe(401);
});

test.each(["reset", "end"] as const)("a stream that breaks off by %s is not kept", async (how) => {
  const key = unique();
  upstream.next(upstreamDoes.diesInStream(how));
  const first = await (await ask(key, { stream: true })).text();
  expect(isDone(first)).toBe(false);
  const second = await ask(key, { stream: true });
  expect(isDone(await second.text())).toBe(true);
  expect(second.headers.get("idempotent-replayed")).toBe(null);
  expect(upstream.exchanges).toHaveLength(2);
});

test("a stream that its client left is not kept, and the key is free at once", async () => {
  const key = unique();
  upstream.next(upstreamDoes.endless("word "));
  const leave = new AbortController();
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST", signal: leave.signal, body: JSON.stringify({ ...question(), stream: true }),
    headers: { authorization: `Bearer ${story.key}`, "content-type": "application/json", "idempotency-key": key },
  });
  await new StreamReader(response).untilText("word");
  leave.abort();
  await (await upstream.received()).abandoned;
  const second = await ask(key, { stream: true });
  expect(isDone(await second.text())).toBe(true);
  expect(upstream.exchanges).toHaveLength(2);
});

test("a call whose client left before the answer leaves its key free", async () => {
  const key = unique();
  upstream.next(upstreamDoes.hang());
  const call = new RawCall(gateway.url, "/v1/chat/completions", story.key, question(), { "idempotency-key": key });
  await upstream.received();
  call.reset();
  await (await upstream.received()).abandoned;
  const second = await ask(key);
  expect(second.status).toBe(200);
  await second.arrayBuffer();
});

test("a client that leaves with the last event in hand finds the stream kept", async () => {
  const key = unique();
  const leave = new AbortController();
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST", signal: leave.signal, body: JSON.stringify({ ...question(), stream: true }),
    headers: { authorization: `Bearer ${story.key}`, "content-type": "application/json", "idempotency-key": key },
  });
  const reader = new StreamReader(response);
  await reader.untilText("[DONE]");
  leave.abort();
  const second = await ask(key, { stream: true });
  expect(second.headers.get("idempotent-replayed")).toBe("true");
  expect(await second.text()).toBe(reader.text);
  expect(upstream.exchanges).toHaveLength(1);
});

test("a call that was killed holds its key no longer than its lease", async () => {
  const key = unique();
  upstream.next(upstreamDoes.hang());
  void ask(key).catch(() => {});
  await upstream.received();
  await gateway.restart();
  await gateway.sql("UPDATE replays SET expires_at = 1 WHERE status IS NULL"); // the lease's time is over
  const second = await ask(key);
  expect([second.status, second.headers.get("idempotent-replayed")]).toEqual([200, null]);
  await second.arrayBuffer();
});

describe("where time passes ten times as fast", () => {
  const folder = mkdtempSync(join(tmpdir(), "edgeway-hasty-"));
  let hasty: Gateway;
  let calls: Scenario;

  beforeAll(async () => {
    cpSync(builtWorker(), folder, { recursive: true });
    writeFileSync(join(folder, "hasty.js"), `
      const [now, later] = [Date.now, setTimeout];
      let begun;
      Date.now = () => (begun ??= now()) + 10 * (now() - begun);
      globalThis.setTimeout = (task, ms, ...rest) => later(task, ms / 10, ...rest);
    `);
    const entry = join(folder, "index.js");
    writeFileSync(entry, `import "./hasty.js";\n${readFileSync(entry, "utf8")}`);
    hasty = await Gateway.start({ build: folder });
    calls = await scenario(hasty, [upstream], { retry: { max_retries: 0 } });
  });
  afterAll(async () => {
    await hasty?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a call that runs on holds its key beyond its lease, and those that wait for it long enough are told to come again", { timeout: 40_000 }, async () => {
    const gate = upstream.gate();
    upstream.always(async (exchange) => {
      await gate.opened;
      await upstreamDoes.answer()(exchange);
    });
    const key = unique();
    const first = ask(key, {}, calls);
    await upstream.received();
    const lease = async () => (await hasty.sql<{ until: number }>("SELECT max(expires_at) AS until FROM replays WHERE status IS NULL"))[0]!.until;
    const begun = await lease();
    // Whoever comes now finds a lease that was renewed after its first time was over.
    await until("the lease's end, and a renewal behind it", async () => (await lease()) > begun + 30_000);
    const waited = await ask(key, {}, calls);
    expect([waited.status, waited.headers.get("retry-after")]).toEqual([409, "2"]);
    expect(((await waited.json()) as any).error).toMatchObject({ code: "idempotency_key_in_use" });
    gate.open();
    const answer = await bytes(await first);
    const again = await ask(key, {}, calls);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect((await bytes(again)).equals(answer)).toBe(true);
    expect(upstream.exchanges).toHaveLength(1);
  });

  test("a stream that waits is told by a status, before it would be answered without one", async () => {
    const gate = upstream.gate();
    upstream.always(async (exchange) => {
      await gate.opened;
      await upstreamDoes.stream((it) => upstreamDoes.goodParts(it))(exchange);
    });
    const key = unique();
    const first = ask(key, { stream: true }, calls);
    await upstream.received();
    expect((await ask(key, { stream: true }, calls)).status).toBe(409);
    gate.open();
    expect(isDone(await (await first).text())).toBe(true);
  });
});

test("an answer of a megabyte, and one that is no text, are kept as they are", async () => {
  const large = unique();
  upstream.next(upstreamDoes.answer({ content: "Łódź ".repeat(200_000) }));
  const first = await (await ask(large)).text();
  expect(first.length).toBeGreaterThan(1_000_000);
  expect(await (await ask(large)).text()).toBe(first);
  const sound = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256));
  upstream.next(({ response }) => void response.writeHead(200, { "content-type": "audio/mpeg" }).end(sound));
  const speech = unique();
  const say = () => gateway.call(story.key, "/v1/audio/speech", { model: "e2e-small", input: "Hello", voice: "alloy" }, { headers: { "idempotency-key": speech } });
  for (const response of [await say(), await say()]) {
    expect(response.headers.get("content-type")).toBe("audio/mpeg");
    expect((await bytes(response)).equals(sound)).toBe(true);
  }
  expect(upstream.exchanges).toHaveLength(2);
});

test("an answer over eight megabytes passes, and is not kept", async () => {
  const key = unique();
  upstream.always(upstreamDoes.answer({ content: "x".repeat(8 * 1024 * 1024) }));
  for (let count = 1; count <= 2; count += 1) {
    const response = await ask(key);
    expect((await bytes(response)).length).toBeGreaterThan(8 * 1024 * 1024);
    expect(upstream.exchanges).toHaveLength(count);
  }
});

describe("a form with a file", () => {
  const upload = (key: string, sound: string | Buffer, more: Record<string, string> = {}) => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ model: "e2e-small", ...more })) form.set(name, value);
    form.set("file", new Blob([sound]), "a.mp3");
    return fetch(`${gateway.url}/v1/audio/transcriptions`, { method: "POST", body: form, headers: { authorization: `Bearer ${story.key}`, "idempotency-key": key } });
  };
  const transcribes = (text = "hello", status = 200) => ({ response }: { response: import("node:http").ServerResponse }) =>
    void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(status < 300 ? { text } : { error: { message: text } }));

  test("is the same call by its parts, whatever boundary its client puts between them, and another file is another call", async () => {
    upstream.always(transcribes());
    const key = unique();
    const sound = Buffer.alloc(300_000, "la");
    const first = await upload(key, sound);
    const answer = await bytes(first);
    expect(first.status).toBe(200);
    const again = await upload(key, sound);
    expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([200, "true"]);
    expect((await bytes(again)).equals(answer)).toBe(true);
    const another = Buffer.from(sound);
    another[another.length - 1] = 0;
    for (const [file, more] of [[another, {}], [sound, { language: "en" }]] as const) {
      const refused = await upload(key, file, more);
      expect(refused.status).toBe(422);
      expect(((await refused.json()) as any).error).toMatchObject({ code: "idempotency_key_reused", param: "Idempotency-Key" });
    }
    expect(upstream.exchanges).toHaveLength(1);
  });

  test("waits for the one before it, and is compared with it before it is answered", async () => {
    const key = unique();
    const gate = upstream.gate();
    upstream.always(async (exchange) => {
      await gate.opened;
      transcribes()(exchange);
    });
    const calls = [upload(key, "one")];
    await upstream.received();
    calls.push(upload(key, "one"), upload(key, "two"));
    gate.open();
    const [first, same, other] = await Promise.all(calls);
    expect([first!.status, same!.status, other!.status]).toEqual([200, 200, 422]);
    expect(same!.headers.get("x-edgeway-replay-of")).toBe(first!.headers.get("x-request-id"));
    expect(upstream.exchanges).toHaveLength(1);
  });

  test("goes upstream by itself where the one before it came to nothing", async () => {
    const key = unique();
    const gate = upstream.gate();
    upstream.next(async (exchange) => {
      await gate.opened;
      transcribes("on fire", 500)(exchange);
    }).always(transcribes("hello"));
    const sound = Buffer.alloc(200_000, "la");
    const first = upload(key, sound);
    await upstream.received();
    const second = upload(key, sound);
    await until("the second to wait", async () => (await stored()) > 0 || undefined);
    gate.open();
    expect((await first).status).toBe(500);
    const answer = await second;
    expect([answer.status, answer.headers.get("idempotent-replayed"), await answer.json()]).toEqual([200, null, { text: "hello" }]);
    expect(upstream.exchanges[1]!.body.includes(sound)).toBe(true);
  });

  test("that its provider refuses is compared all the same", async () => {
    const key = unique();
    upstream.next(transcribes("no sound", 400));
    expect((await upload(key, "noise")).status).toBe(400);
    expect((await upload(key, "noise")).headers.get("idempotent-replayed")).toBe("true");
    expect((await upload(key, "sound")).status).toBe(422);
    expect(upstream.exchanges).toHaveLength(1);
  });
});

test("where D1 does not say whose turn it is, nothing is sent", async () => {
  await gateway.sql("ALTER TABLE replays RENAME TO replays_away");
  try {
    expect((await ask(unique())).status).toBe(503);
    expect((await story.chat()).status).toBe(200);
  } finally {
    await gateway.sql("ALTER TABLE replays_away RENAME TO replays");
  }
  expect(upstream.exchanges).toHaveLength(1);
});
