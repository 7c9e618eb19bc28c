// Limits hold exactly, whatever comes at once, goes away or is restarted, and the ledger and the log have the same sums.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway, builtWorker, type GatewayOptions } from "./gateway.ts";
import { readLogs } from "./gateway/log-rows.ts";
import { question, scenario, type Scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { RawCall } from "./raw-call.ts";
import { StreamReader } from "./sse.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

/** nano-USD for a million tokens. */
const PRICE = { input: 1_000_000_000, output: 2_000_000_000 };
const USAGE = { prompt_tokens: 20, completion_tokens: 50, total_tokens: 70 };
/** What a call of that usage costs, nano-USD. */
const COST = 20 * 1_000 + 50 * 2_000;
const answers = () => upstreamDoes.answer({ usage: USAGE });

let gateway: Gateway;
let upstream: Upstream;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([priced(), Upstream.start()]);
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

async function priced(options: GatewayOptions = {}): Promise<Gateway> {
  const started = await Gateway.start(options);
  await started.sql(
    "INSERT INTO models (id, kind, model, input_price, output_price, effective_from, source, updated_at) VALUES ('p', '*', 'e2e-small', ?1, ?2, 0, 'catalog', 0)",
    PRICE.input, PRICE.output,
  );
  return started;
}

interface Used {
  limit: string;
  window: string;
  used: number;
  max: number;
  resets_at: string | null;
}

async function usage(of: Gateway, keyId: string): Promise<Record<string, Used>> {
  const { usage } = await of.admin.ok<{ usage: Used[] }>("GET", `/api/keys/${keyId}`);
  return Object.fromEntries(usage.map((entry) => [entry.limit, entry]));
}

/** What the ledger has for a key's budget, nano-USD. */
const spent = async (of: Gateway, keyId: string) => Math.round((await usage(of, keyId)).budget!.used * 1e9);

/** What the log has, nano-USD. */
const logged = async (of: Gateway, keyId: string) => (await readLogs(of, "WHERE key_id = ?1", keyId)).reduce((sum, { cost }) => sum + cost, 0);

/** Windows are of the calendar: what must lie within one minute does not begin at its end. */
async function withinAMinute(): Promise<void> {
  const left = 60_000 - (Date.now() % 60_000);
  if (left < 8_000) {
    await new Promise((resolve) => setTimeout(resolve, left));
  }
}

async function statuses(count: number, call: (index: number) => Promise<Response>): Promise<Record<number, number>> {
  const found: Record<number, number> = {};
  await Promise.all(Array.from({ length: count }, async (_, index) => {
    const response = await call(index);
    await response.arrayBuffer();
    found[response.status] = (found[response.status] ?? 0) + 1;
  }));
  return found;
}

const limited = (settings: object, of = gateway): Promise<Scenario> => scenario(of, [upstream], { key: settings, retry: { max_retries: 0 } });

describe("under load", () => {
  test("200 calls at once on a budget of a cent: never over it, never under what was sent, and the log has the same sum", async () => {
    upstream.always(answers());
    const story = await limited({ budget: { usd: 0.01, window: "total" } });
    const found = await statuses(200, (index) => story.chat({ max_tokens: 50, stream: index % 3 === 0 ? false : undefined }));
    expect((found[200] ?? 0) + (found[402] ?? 0)).toBe(200);
    expect(found[402]).toBeGreaterThan(0);
    // What was held and not used is free again: it can be spent to the end.
    for (let last = 200; last === 200; ) {
      const response = await story.chat({ max_tokens: 50 });
      await response.arrayBuffer();
      last = response.status;
    }
    const sent = upstream.exchanges.length * COST;
    await until("all settlements", async () => (await spent(gateway, story.keyId)) === sent);
    expect(sent).toBeLessThanOrEqual(10_000_000);
    expect(sent).toBeGreaterThan(10_000_000 - 2 * COST);
    await until("the whole log", async () => (await logged(gateway, story.keyId)) === sent);
  });

  test("500 calls at once on 100 a minute: exactly 100 pass", async () => {
    upstream.always(answers());
    const story = await limited({ rate_limits: { requests_per_minute: 100 } });
    await withinAMinute();
    expect(await statuses(500, () => story.chat())).toEqual({ 200: 100, 429: 400 });
    expect(upstream.exchanges).toHaveLength(100);
  });

  test("1,000 tokens a minute are never exceeded, held ones included", async () => {
    upstream.always(answers());
    const story = await limited({ rate_limits: { tokens_per_minute: 1_000 } });
    await withinAMinute();
    const found = await statuses(100, () => story.chat({ max_tokens: 50 }));
    expect(found[200]).toBeGreaterThan(5);
    expect(found[200]! * USAGE.total_tokens).toBeLessThanOrEqual(1_000);
    await until("all settlements", async () => (await usage(gateway, story.keyId)).tokens_per_minute!.used === found[200]! * USAGE.total_tokens);
  });

  test("no more calls run at the same time than may, and one that ends makes room for the next", async () => {
    const gate = upstream.gate();
    upstream.always(async (exchange) => {
      await gate.opened;
      await answers()(exchange);
    });
    const story = await limited({ rate_limits: { concurrent: 3 } });
    const running = statuses(3, () => story.chat());
    await upstream.received(3);
    expect((await usage(gateway, story.keyId)).concurrent).toMatchObject({ used: 3, max: 3, window: "now" });
    expect(await statuses(5, () => story.chat())).toEqual({ 429: 5 });
    gate.open();
    expect(await running).toEqual({ 200: 3 });
    for (let call = 0; call < 5; call++) {
      expect(await statuses(1, () => story.chat())).toEqual({ 200: 1 });
    }
  });
});

describe("a call without a maximum of its own", () => {
  test("is sent with what is left", async () => {
    upstream.always(answers());
    const story = await limited({ rate_limits: { tokens_per_minute: 1_000 } });
    await withinAMinute();
    expect((await story.chat()).status).toBe(200);
    const sent = upstream.only.json.max_tokens;
    expect(sent).toBeGreaterThanOrEqual(256);
    expect(sent).toBeLessThan(1_000);
  });

  test("is sent with the policy's, or refused where it says so", async () => {
    upstream.always(answers());
    const capped = await limited({ budget: { usd: 1, window: "day" }, policy: { unknown_output: { cap: 123 } } });
    expect((await capped.chat()).status).toBe(200);
    expect(upstream.only.json.max_tokens).toBe(123);
    const refused = await limited({ budget: { usd: 1, window: "day" }, policy: { unknown_output: "refuse" } });
    const response = await refused.chat();
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: "max_tokens" } });
  });

  test("and without a price is refused under a budget, unless the policy allows it", async () => {
    upstream.always(answers());
    const refused = await limited({ budget: { usd: 1, window: "day" } });
    expect((await refused.chat({ model: "nobody-knows-its-price" })).status).toBe(402);
    const allowed = await limited({ budget: { usd: 1, window: "day" }, policy: { unknown_price: { allow: 1_000 } } });
    expect((await allowed.chat({ model: "nobody-knows-its-price" })).status).toBe(200);
  });
});

describe("quotas of one request", () => {
  test("an input that is too long is refused by name, and costs nothing", async () => {
    const story = await limited({ quotas: { max_input_tokens: 50 } });
    expect((await story.chat()).status).toBe(200);
    const response = await story.chat(question("word ".repeat(500)));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: "max_input_tokens_exceeded", message: expect.stringContaining("max_input_tokens") } });
    expect(upstream.exchanges).toHaveLength(1);
  });

  test("an answer gets no more than the key allows", async () => {
    const story = await limited({ quotas: { max_output_tokens: 40 } });
    for (const [asked, sent] of [[undefined, 40], [400, 40], [7, 7]] as const) {
      expect((await story.chat({ max_tokens: asked })).status).toBe(200);
      expect(upstream.exchanges.at(-1)!.json.max_tokens).toBe(sent);
    }
  });
});

describe("what a client is told", () => {
  test("OpenAI's: what is left with each answer, and a refusal that names limit, window, use and reset", async () => {
    upstream.always(answers());
    const story = await limited({ rate_limits: { requests_per_hour: 2, tokens_per_minute: 100_000 } });
    const first = await story.chat({ max_tokens: 50 });
    expect(first.headers.get("x-ratelimit-limit-requests")).toBe("2");
    expect(first.headers.get("x-ratelimit-remaining-requests")).toBe("1");
    expect(first.headers.get("x-ratelimit-reset-requests")).toMatch(/^(\d+m)?[\d.]+m?s$/);
    expect(first.headers.get("x-ratelimit-limit-tokens")).toBe("100000");
    const stream = await story.chat({ max_tokens: 50, stream: true });
    expect(stream.headers.get("x-ratelimit-remaining-requests")).toBe("0");
    await stream.text();
    const refused = await story.chat();
    expect(refused.status).toBe(429);
    expect(refused.headers.get("x-ratelimit-remaining-requests")).toBe("0");
    const wait = Number(refused.headers.get("retry-after"));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(3600);
    const { error } = await refused.json() as { error: { message: string } };
    expect(error).toMatchObject({ type: "rate_limit_error", code: "rate_limit_exceeded" });
    for (const part of ["requests_per_hour", "hour", "2 of 2", "resets at"]) {
      expect(error.message).toContain(part);
    }
    expect(await story.log(refused)).toMatchObject({ status: 429, cost: 0, attempts: [] });
  });

  test("a budget's refusal is 402", async () => {
    const story = await limited({ budget: { usd: 0.000001, window: "month" } });
    const refused = await story.chat({ max_tokens: 50 });
    expect(refused.status).toBe(402);
    expect(await refused.json()).toMatchObject({ error: { type: "insufficient_quota", code: "budget_exceeded", message: expect.stringContaining("month") } });
  });

  test("Anthropic's: its own headers, and its own errors by its own client", async () => {
    upstream.always(answers());
    const story = await limited({ rate_limits: { requests_per_hour: 1 } });
    const client = new Anthropic({ apiKey: story.key, baseURL: gateway.url, maxRetries: 0 });
    const ask = { model: "e2e-small", max_tokens: 50, messages: [{ role: "user" as const, content: "Hi" }] };
    const { response } = await client.messages.create(ask).withResponse();
    expect(response.headers.get("anthropic-ratelimit-requests-limit")).toBe("1");
    expect(response.headers.get("anthropic-ratelimit-requests-remaining")).toBe("0");
    expect(response.headers.get("anthropic-ratelimit-requests-reset")).toMatch(/^\d{4}-.*Z$/);
    const error = await client.messages.create(ask).catch((error: unknown) => error) as InstanceType<typeof Anthropic.RateLimitError>;
    expect(error).toBeInstanceOf(Anthropic.RateLimitError);
    expect(error.error).toMatchObject({ type: "error", error: { type: "rate_limit_error" } });
    expect(error.headers.get("anthropic-ratelimit-requests-remaining")).toBe("0");
  });

  test("the key's use lists every limit in its own unit", async () => {
    upstream.always(answers());
    const story = await limited({
      rate_limits: { requests_per_day: 9 }, quotas: { input_tokens_per_day: 1_000, max_output_tokens: 60 }, budget: { usd: 1, window: "month" },
    });
    await (await story.chat()).arrayBuffer();
    const used = await until("the settlement", async () => {
      const used = await usage(gateway, story.keyId);
      return used.budget!.used === COST / 1e9 && used;
    });
    expect(used).toMatchObject({
      requests_per_day: { window: "day", used: 1, max: 9 },
      input_tokens_per_day: { window: "day", used: 20, max: 1_000 },
      budget: { window: "month", max: 1 },
      max_output_tokens: { window: "request", used: 0, max: 60, resets_at: null },
    });
  });
});

describe("what was consumed is settled", () => {
  test("when the client leaves in the middle of a stream", async () => {
    upstream.always(upstreamDoes.endless("a long story "));
    const story = await limited({ rate_limits: { concurrent: 1 }, budget: { usd: 1, window: "total" } });
    const call = new RawCall(gateway.url, "/v1/chat/completions", story.key, { ...question(), stream: true, max_tokens: 5_000 });
    await call.untilText("a long story");
    call.reset();
    const [log] = await gateway.logsOfKey(story.keyId, 1);
    expect(log).toMatchObject({ end_reason: "client_closed", usage_source: "estimated" });
    expect(log!.cost).toBeGreaterThan(0);
    await until("the settlement", async () => (await usage(gateway, story.keyId)).concurrent!.used === 0);
    expect(await spent(gateway, story.keyId)).toBe(log!.cost);
  });

  test("when the client leaves before the answer: nobody knows, so what was held stands, in the log too", async () => {
    upstream.always(upstreamDoes.hang());
    const story = await limited({ rate_limits: { concurrent: 1 }, budget: { usd: 1, window: "total" } });
    const call = new RawCall(gateway.url, "/v1/chat/completions", story.key, { ...question(), max_tokens: 5_000 });
    await upstream.received();
    call.reset();
    const [log] = await gateway.logsOfKey(story.keyId, 1);
    expect(log).toMatchObject({ end_reason: "client_closed", usage_source: "estimated", output_tokens: 5_000 });
    await until("the settlement", async () => (await usage(gateway, story.keyId)).concurrent!.used === 0);
    expect(await spent(gateway, story.keyId)).toBe(log!.cost);
  });

  test("when the upstream dies in the middle of a stream", async () => {
    upstream.always(upstreamDoes.diesInStream("reset"));
    const story = await limited({ budget: { usd: 1, window: "total" } });
    await new StreamReader(await story.chat({ stream: true })).rest();
    const [log] = await gateway.logsOfKey(story.keyId, 1);
    expect(log!.cost).toBeGreaterThan(0);
    await until("the settlement", async () => (await spent(gateway, story.keyId)) === log!.cost);
  });

  test("and what never was dispatched, or was refused upstream, costs nothing", async () => {
    upstream.always(upstreamDoes.status(500));
    const story = await limited({ rate_limits: { concurrent: 1 }, budget: { usd: 1, window: "total" } });
    expect((await story.chat()).status).toBe(500);
    await until("the settlement", async () => (await usage(gateway, story.keyId)).concurrent!.used === 0);
    expect(await spent(gateway, story.keyId)).toBe(0);
  });
});

test("a key that is switched off is refused at once by an isolate that still believes in it", async () => {
  upstream.always(answers());
  const story = await limited({ rate_limits: { requests_per_day: 100 } });
  expect((await story.chat()).status).toBe(200);
  await gateway.admin.ok("PUT", `/api/keys/${story.keyId}`, { is_active: false });
  expect((await story.chat()).status).toBe(401);
  // As another isolate sees it, whose settings are half a minute old.
  await gateway.sql("UPDATE gateway_keys SET is_active = 1 WHERE id = ?1", story.keyId);
  await gateway.restart();
  const response = await gateway.call(story.key, "/v1/chat/completions", question());
  expect(response.status).toBe(401);
  await gateway.admin.ok("PUT", `/api/keys/${story.keyId}`, { is_active: true });
  expect((await gateway.call(story.key, "/v1/chat/completions", question())).status).toBe(200);
});

test("a gateway that is killed in the middle of a load forgets no reservation and no settlement", { timeout: 90_000 }, async () => {
  upstream.always(async (exchange) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await answers()(exchange);
  });
  const fragile = await priced({ withoutQueue: true });
  try {
    const story = await limited({ budget: { usd: 1_000, window: "total" }, rate_limits: { concurrent: 1_000 } }, fragile);
    let answered = 0;
    const call = () => fragile.call(story.key, "/v1/chat/completions", { ...question(), max_tokens: 50 }, { headers: { "x-edgeway-timeout-ms": "2000" } });
    for (let round = 0; round < 3; round++) {
      let goesOn = true;
      const clients = Array.from({ length: 16 }, async () => {
        while (goesOn) {
          try {
            const response = await call();
            await response.arrayBuffer();
            answered += Number(response.status === 200);
          } catch {
            return; // It was killed.
          }
        }
      });
      const before = answered;
      await until("a hundred calls", () => answered > before + 100);
      await fragile.restart();
      goesOn = false;
      await Promise.all(clients);
      const now = await spent(fragile, story.keyId);
      expect(now).toBeGreaterThanOrEqual((answered - 16) * COST);
      // Whatever was sent is either settled or still held.
      expect(now).toBeGreaterThanOrEqual(upstream.exchanges.length * COST);
    }
    // Those that were lost on the way run out of time; then each stands at its bound, and is in the log.
    await until("the end of lost calls", async () => (await usage(fragile, story.keyId)).concurrent!.used === 0, 40_000);
    const lost = await until("their records", async () => {
      const rows = await readLogs(fragile, "WHERE key_id = ?1 AND error LIKE '%lost this call%'", story.keyId);
      return rows.length > 0 && rows;
    });
    for (const row of lost) {
      expect(row).toMatchObject({ user_id: fragile.admin.user.id, usage_source: "estimated", output_tokens: 50 });
      expect(row.cost).toBeGreaterThanOrEqual(COST);
    }
    const settled = await spent(fragile, story.keyId);
    expect(settled).toBeGreaterThanOrEqual(upstream.exchanges.length * COST);
    expect(settled).toBeGreaterThanOrEqual(await logged(fragile, story.keyId));
  } finally {
    await fragile.stop();
  }
});

describe("without an answer of the ledger", () => {
  const folder = mkdtempSync(join(tmpdir(), "edgeway-ledger-"));
  let broken: Gateway;

  beforeAll(async () => {
    cpSync(builtWorker(), folder, { recursive: true });
    const entry = join(folder, "index.js");
    const source = readFileSync(entry, "utf8");
    const patched = source.replace(/export \{ LedgerObject, LiveObject \}.*\n/, 'export class LedgerObject { async fetch() { throw new Error("it is down"); } }\nexport { LiveObject } from "./handlers.js";\n');
    expect(patched, "the entry has changed").not.toBe(source);
    writeFileSync(entry, patched);
    broken = await priced({ build: folder });
  });
  afterAll(async () => {
    await broken?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a budget is closed and a rate is open, unless the key's policy says otherwise", async () => {
    upstream.always(answers());
    for (const [settings, expected] of [
      [{ budget: { usd: 1, window: "day" } }, 503],
      [{ rate_limits: { requests_per_minute: 5 } }, 200],
      [{ budget: { usd: 1, window: "day" }, policy: { unreachable: "open" } }, 200],
      [{ rate_limits: { requests_per_minute: 5 }, policy: { unreachable: "closed" } }, 503],
      [{}, 200],
    ] as const) {
      const story = await limited(settings, broken);
      const response = await story.chat();
      expect(response.status, JSON.stringify(settings)).toBe(expected);
      if (expected === 503) {
        expect(await response.json()).toMatchObject({ error: { code: "ledger_unavailable", message: expect.stringContaining("ledger") } });
        expect(response.headers.get("retry-after")).toBeTruthy();
      }
    }
  });
});
