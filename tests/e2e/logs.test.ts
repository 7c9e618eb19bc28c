// What is kept of a call: every call, once, with what it used and cost.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { readLogs } from "./gateway/log-rows.ts";
import { question, scenario, type Scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";
import { USAGE, content, finish, role } from "./upstream/shapes.ts";

let gateway: Gateway;
let upstream: Upstream;
let story: Scenario;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start(), Upstream.start()]);
  await price(gateway, "priced-model", { input: 2_500_000_000, output: 10_000_000_000, cached: 1_250_000_000 });
  story = await scenario(gateway, [upstream]);
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

/** Puts a price, in nano-USD for a million tokens, into the catalogue of a gateway that has not priced anything yet. */
async function price(of: Gateway, model: string, { input, output, cached }: { input: number; output: number; cached: number }): Promise<void> {
  await of.sql(
    `INSERT INTO models (id, kind, model, input_price, output_price, cached_input_price, effective_from, source, updated_at)
     VALUES (?1, '*', ?1, ?2, ?3, ?4, 0, 'catalog', 0)`,
    model, input, output, cached,
  );
  await of.sql("UPDATE config_version SET version = version + 1");
}

describe("a record", () => {
  test("says all of a plain call", async () => {
    const response = await story.chat({ model: "priced-model" });
    const log = await story.log(response);
    expect(log).toMatchObject({
      id: response.headers.get("x-request-id"), key_id: story.keyId, user_id: gateway.admin.user.id,
      endpoint: "chat.completions", dialect: "chat", model: "priced-model", target_model: "priced-model", provider: story.providers[0],
      status: 200, error: null, stream: 0, end_reason: "done", usage_source: "upstream",
      input_tokens: USAGE.prompt_tokens, output_tokens: USAGE.completion_tokens,
      cached_input_tokens: USAGE.prompt_tokens_details.cached_tokens, reasoning_tokens: USAGE.completion_tokens_details.reasoning_tokens,
      attempts: [{ provider: story.providers[0], model: "priced-model", status: 200, error: null, key_hint: expect.any(String), latency_ms: expect.any(Number) }],
    });
    expect(log.latency_ms).toBeGreaterThanOrEqual(log.attempts[0]!.latency_ms);
  });

  test("of a stream has the time of its first content", async () => {
    const response = await story.chat({ stream: true });
    await response.text();
    const log = await story.log(response);
    expect(log).toMatchObject({ stream: 1, usage_source: "upstream", input_tokens: USAGE.prompt_tokens });
    expect(log.first_content_ms).toBeLessThanOrEqual(log.latency_ms);
  });

  test("shows in the management API as the contract says", async () => {
    const response = await story.chat({ model: "priced-model" }, { "x-edgeway-metadata": JSON.stringify({ team: "blue" }) });
    const id = response.headers.get("x-request-id");
    await gateway.log(id);
    const record = await gateway.admin.ok("GET", `/api/logs/${id}`);
    expect(record).toMatchObject({
      id, key_id: story.keyId, model: "priced-model", stream: false, priced: true, usage_source: "upstream", end: "done", metadata: { team: "blue" },
      attempts: [{ provider: story.providers[0], status: 200 }],
    });
    expect(record.cost).toBeCloseTo(0.00013625, 9);
    expect(new Date(record.created_at).toISOString()).toBe(record.created_at);
    const list = await gateway.admin.ok("GET", `/api/logs?key_id=${story.keyId}&limit=1`);
    expect(list.data).toMatchObject([{ id }]);
    expect(list.next_cursor).toEqual(expect.any(String));
    expect((await gateway.admin.ok("GET", `/api/logs?key_id=${story.keyId}&limit=1&cursor=${list.next_cursor}`)).data[0].id).not.toBe(id);
  });
});

describe("cost", () => {
  // 16 plain input tokens, 5 cached and 9 output ones, two of which were reasoning: 16 × 2.50 + 5 × 1.25 + 9 × 10 USD a million.
  const NANO_USD = 16 * 2500 + 5 * 1250 + 9 * 10_000;

  test("is exact, and in the header of a plain answer", async () => {
    const response = await story.chat({ model: "priced-model" });
    expect(await story.log(response)).toMatchObject({ priced: 1, cost: NANO_USD });
    expect(Number(response.headers.get("x-edgeway-cost"))).toBeCloseTo(NANO_USD / 1e9, 9);
  });

  test("of a stream is the same", async () => {
    const response = await story.chat({ model: "priced-model", stream: true });
    await response.text();
    expect(await story.log(response)).toMatchObject({ priced: 1, cost: NANO_USD });
  });

  test("follows an owner's own price", async () => {
    await price(gateway, "own-priced", { input: 1, output: 1, cached: 1 });
    await gateway.admin.ok("PUT", "/api/user-models/own-priced", { input_price: 3, output_price: 5, cached_input_price: 1 });
    const response = await story.chat({ model: "own-priced" });
    expect(await story.log(response)).toMatchObject({ priced: 1, cost: 16 * 3000 + 5 * 1000 + 9 * 5000 });
  });

  test("of a model without a price is not 0 but unknown", async () => {
    const response = await story.chat({ model: "nobody-knows-this-model" });
    expect(await story.log(response)).toMatchObject({ priced: 0, cost: 0 });
    expect((await gateway.admin.ok("GET", `/api/logs/${response.headers.get("x-request-id")}`)).priced).toBe(false);
  });
});

describe("usage that the upstream does not give is estimated, and marked so", () => {
  test("in a plain answer", async () => {
    upstream.always(upstreamDoes.answer({ usage: null, content: "Twelve words or so should come to about as many tokens here." }));
    const log = await story.log(await story.chat({ model: "priced-model" }));
    expect(log).toMatchObject({ usage_source: "estimated", priced: 1 });
    expect(log.output_tokens).toBeGreaterThan(5);
    expect(log.output_tokens).toBeLessThan(40);
    expect(log.cost).toBeGreaterThan(0);
  });

  test("in a stream", async () => {
    upstream.always(upstreamDoes.stream([role(), content("Some words that were said"), finish(), upstreamDoes.DONE]));
    const response = await story.chat({ stream: true });
    await response.text();
    expect(await story.log(response)).toMatchObject({ usage_source: "estimated" });
  });

  test("and of a call that failed there is none", async () => {
    const alone = await scenario(gateway, [upstream], { retry: { max_retries: 0 } });
    upstream.always(upstreamDoes.status(500));
    expect(await alone.log(await alone.chat())).toMatchObject({ usage_source: "none", input_tokens: 0, output_tokens: 0, cost: 0 });
  });
});

describe("what the caller adds", () => {
  test("x-edgeway-metadata is logged and not sent on", async () => {
    const response = await story.chat({}, { "x-edgeway-metadata": String.raw`{"team":"bl\u00fce","ticket":"42"}` });
    expect((await story.log(response)).metadata).toEqual({ team: "blüe", ticket: "42" });
    expect(Object.keys(upstream.only.headers).filter((name) => name.startsWith("x-edgeway"))).toEqual([]);
  });

  test.each([["no JSON", "{"], ["no object", "[1]"], ["no strings", '{"a":1}'], ["over 2 KB", JSON.stringify({ a: "x".repeat(2100) })]])("metadata that is %s is refused", async (_, header) => {
    const response = await story.chat({}, { "x-edgeway-metadata": header });
    expect(response.status).toBe(400);
    expect((await response.json()).error.message).toContain("x-edgeway-metadata");
  });
});

describe("bodies are kept", () => {
  const stored = async (response: Response) => {
    await story.log(response);
    return (await gateway.sql("SELECT * FROM request_log_bodies WHERE id = ?1", response.headers.get("x-request-id")))[0];
  };

  test("not unless the key says so", async () => {
    expect(await stored(await story.chat())).toBeUndefined();
  });

  test("where it does, and x-edgeway-log: off drops them", async () => {
    const keeping = await scenario(gateway, [upstream], { key: { log_bodies: true } });
    const response = await keeping.chat({ messages: [{ role: "user", content: "remember this" }] });
    const kept = await stored(response);
    expect(kept!.request).toContain("remember this");
    expect(kept!.response).toContain("Hello from upstream");
    expect(JSON.stringify(await gateway.admin.ok("GET", `/api/logs/${response.headers.get("x-request-id")}`))).toContain("remember this");
    expect(await stored(await keeping.chat({}, { "x-edgeway-log": "off" }))).toBeUndefined();
  });
});

describe("sums and exports", () => {
  test("the summary counts what the records say, in each grouping", async () => {
    const counted = await scenario(gateway, [upstream], { retry: { max_retries: 0 } });
    await Promise.all([counted.chat({ model: "priced-model" }), counted.chat({ model: "priced-model" }), counted.chat({ model: "other-model" })]);
    upstream.always(upstreamDoes.status(400));
    await counted.chat({ model: "other-model" });
    await gateway.logsOfKey(counted.keyId, 4);

    const byKey = await gateway.admin.ok("GET", "/api/logs/summary?group_by=key");
    const mine = byKey.series.find(({ group }: any) => group === counted.keyId || group?.id === counted.keyId);
    expect(mine).toMatchObject({ requests: 4, errors: 1, input_tokens: 3 * USAGE.prompt_tokens, output_tokens: 3 * USAGE.completion_tokens, cached_input_tokens: 15, reasoning_tokens: 6 });
    expect(mine.cost).toBeCloseTo(2 * 0.00013625, 9);
    for (const grouping of ["day", "hour", "provider", "model"]) {
      const { totals, series } = await gateway.admin.ok("GET", `/api/logs/summary?group_by=${grouping}`);
      expect(series.reduce((sum: number, { requests }: any) => sum + requests, 0), grouping).toBe(totals.requests);
      expect(totals).toMatchObject({ p50_latency_ms: expect.any(Number), p95_latency_ms: expect.any(Number) });
    }
  });

  test("an export has every record, as NDJSON and as CSV", async () => {
    const all = await readLogs(gateway, "ORDER BY id");
    const authorization = `Bearer ${gateway.admin.token}`;
    const ndjson = await (await fetch(`${gateway.url}/api/logs/export?format=ndjson`, { headers: { authorization } })).text();
    const exported = ndjson.trimEnd().split("\n").map((line) => JSON.parse(line).id);
    expect(exported.sort()).toEqual(expect.arrayContaining(all.map(({ id }) => id)));
    const csv = await fetch(`${gateway.url}/api/logs/export?format=csv`, { headers: { authorization } });
    expect(csv.headers.get("content-type")).toMatch(/^text\/csv/);
    expect((await csv.text()).split(/\r?\n/)[0]).toMatch(/^id,created_at,/);
  });

  test("a CSV cell that a spreadsheet would run is defused", async () => {
    const response = await story.chat({ model: '=HYPERLINK("http://evil","x")' });
    await story.log(response);
    const csv = await (await fetch(`${gateway.url}/api/logs/export?format=csv`, { headers: { authorization: `Bearer ${gateway.admin.token}` } })).text();
    expect(csv).not.toMatch(/(^|,)"?=HYPERLINK/m);
  });
});

describe("exactly once", () => {
  test("a message that is delivered twice counts once, in the records and in the sums", async () => {
    const twice = await Gateway.start({ deliverTwice: true });
    try {
      const doubled = await scenario(twice, [upstream]);
      const responses = await Promise.all(Array.from({ length: 10 }, () => doubled.chat()));
      await Promise.all(responses.map((response) => doubled.log(response)));
      // What comes later in the queue proves that what was before it has been delivered for the second time.
      for (let marker = 0; marker < 2; marker++) {
        await doubled.log(await doubled.chat());
      }
      const [{ count }] = await twice.sql<{ count: number }>("SELECT count(*) AS count FROM request_logs") as [{ count: number }];
      const sums = await twice.sql<{ sum: number }>(
        "SELECT sum(requests) AS sum FROM usage_hourly UNION ALL SELECT sum(requests) FROM usage_daily UNION ALL SELECT sum(requests) FROM metric_calls",
      );
      expect([count, ...sums.map(({ sum }) => sum)]).toEqual([12, 12, 12, 12]);
    } finally {
      await twice.stop();
    }
  });

  // A minute without D1 is four deliveries of the queue, 15 s apart as wrangler.toml has it, that come to nothing; here they
  // are a second apart.
  test("while D1 refuses for a minute's deliveries calls go on, and their records are there when it is back", async () => {
    await story.chat();
    const failures = () => gateway.said.filter(({ message }) => /storing \d+ log messages failed/.test(message));
    await gateway.sql("CREATE TRIGGER refuse AFTER INSERT ON request_logs BEGIN SELECT RAISE(ABORT, 'there is no room'); END");
    const responses: Response[] = [];
    try {
      for (let call = 0; call < 20; call++) {
        responses.push(await story.chat({ stream: call % 2 === 0 }));
        await responses.at(-1)!.text();
      }
      await until("deliveries that fail in five different seconds", async () => new Set(failures().map(({ at }) => Math.floor(at / 1000))).size >= 5, 60_000);
    } finally {
      await gateway.sql("DROP TRIGGER refuse");
    }
    expect(responses.every(({ status }) => status === 200)).toBe(true);
    const ids = responses.map(({ headers }) => headers.get("x-request-id"));
    await until("the records of all calls", async () => {
      const rows = await readLogs(gateway, "WHERE id IN (SELECT value FROM json_each(?1))", JSON.stringify(ids));
      return rows.length === ids.length;
    }, 90_000);
  }, 180_000);
});

test("a call with a bad key leaves no record, and one with a bad body does", async () => {
  const before = (await gateway.sql<{ count: number }>("SELECT count(*) AS count FROM request_logs"))[0]!.count;
  expect((await gateway.call("gw_wrong", "/v1/chat/completions", question())).status).toBe(401);
  const refused = await gateway.call(story.key, "/v1/chat/completions", { messages: [] });
  expect(refused.status).toBe(400);
  expect(await story.log(refused)).toMatchObject({ status: 400, end_reason: "done", attempts: [] });
  expect((await gateway.sql<{ count: number }>("SELECT count(*) AS count FROM request_logs"))[0]!.count).toBe(before + 1);
});
