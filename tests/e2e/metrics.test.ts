// GET /metrics: exactly what happened, from what all isolates share, in a form that Prometheus takes.
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { promtool } from "../../scripts/promtool.mjs";
import { ADMIN_PASSWORD, Gateway } from "./gateway.ts";
import { scenario, type Scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";
import { USAGE } from "./upstream/shapes.ts";

const METRICS = { METRICS_USERNAME: "prometheus", METRICS_PASSWORD: "scrape it" };

let gateway: Gateway;
let failing: Upstream;
let upstream: Upstream;
let story: Scenario;
let client: string;

beforeAll(async () => {
  [gateway, failing, upstream] = await Promise.all([Gateway.start({ vars: METRICS }), Upstream.start("failing"), Upstream.start("good")]);
  client = gateway.unique("a \"client\"");
  story = await scenario(gateway, [failing, upstream], { retry: { max_retries: 0 }, key: { name: client, rate_limits: { requests_per_day: 4 } } });
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), failing?.stop(), upstream?.stop()]);
});

async function scrape(username = METRICS.METRICS_USERNAME, password = METRICS.METRICS_PASSWORD, of = gateway): Promise<Response> {
  return await fetch(`${of.url}/metrics`, { headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` } });
}

/** The samples, by name and labels. */
async function samples(of = gateway): Promise<Map<string, number>> {
  const response = await scrape(METRICS.METRICS_USERNAME, METRICS.METRICS_PASSWORD, of);
  expect(response.status).toBe(200);
  const lines = (await response.text()).trimEnd().split("\n").filter((line) => !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}

test("nobody reads them without credentials", async () => {
  const anonymous = await fetch(`${gateway.url}/metrics`);
  expect([anonymous.status, anonymous.headers.get("www-authenticate")]).toEqual([401, expect.stringMatching(/^Basic realm=/)]);
  expect((await scrape("prometheus", "guess")).status).toBe(401);
  expect((await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${story.key}` } })).status).toBe(401);
  expect((await scrape("admin", ADMIN_PASSWORD)).status).toBe(200);
});

test("every call is counted once, with what it used and what became of it", async () => {
  const of = client.replaceAll("\"", "\\\"");
  // Two that fail over, one stream, one that the provider refuses, and two over the limit.
  failing.always(upstreamDoes.status(500));
  const responses = [await story.chat(), await story.chat()];
  failing.reset();
  responses.push(await story.chat({ stream: true }));
  await responses.at(-1)!.text();
  failing.always(upstreamDoes.status(400));
  upstream.always(upstreamDoes.status(400));
  responses.push(await story.chat());
  responses.push(await story.chat(), await story.chat());
  expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 400, 429, 429]);
  await gateway.logsOfKey(story.keyId, 6);
  failing.reset();
  upstream.reset();

  const found = await samples();
  const counted = (name: string, labels: string) => found.get(`ai_gateway_${name}{client="${of}",${labels}}`);
  expect(counted("requests_total", 'model="e2e-small",status="200"')).toBe(3);
  expect(counted("requests_total", 'model="e2e-small",status="400"')).toBe(1);
  expect(counted("requests_total", 'model="e2e-small",status="429"')).toBe(2);
  expect(counted("input_tokens_total", 'model="e2e-small"')).toBe(3 * USAGE.prompt_tokens);
  expect(counted("output_tokens_total", 'model="e2e-small"')).toBe(3 * USAGE.completion_tokens);
  expect(counted("unpriced_requests_total", 'model="e2e-small"')).toBe(3);
  // Whether the first one is asked again after its failures, or rests, is not this story's.
  const errors = story.providers.map((provider) => counted("upstream_errors_total", `provider="${provider}"`) ?? 0);
  expect([errors[0]! + errors[1]!, errors[0]! >= 2]).toEqual([3, true]);
  expect(counted("ratelimit_refusals_total", 'reason="rate"')).toBe(2);
  expect(found.get('ai_gateway_request_duration_seconds_count{model="e2e-small"}')).toBe(6);
  expect(found.get('ai_gateway_request_duration_seconds_bucket{model="e2e-small",le="+Inf"}')).toBe(6);
  expect(found.get("ai_gateway_active_clients")).toBe(1);
  expect(found.get("ai_gateway_ledgers")).toBe(1);
  expect(found.get("ai_gateway_ledgers_unreachable")).toBe(0);
  expect(found.get("ai_gateway_log_last_record_timestamp_seconds")).toBeGreaterThan(Date.now() / 1000 - 60);
  expect(found.get("ai_gateway_log_delay_seconds")).toBeLessThan(30);
  for (const queue of ["logs", "logs-dead"]) {
    expect(found.get(`ai_gateway_log_queue_messages{queue="${queue}"}`)).toBeGreaterThanOrEqual(0);
    expect(found.get(`ai_gateway_log_queue_oldest_age_seconds{queue="${queue}"}`)).toBeLessThan(30);
  }
  expect(found.get("ai_gateway_log_dead_letters_total")).toBe(0);
});

test("calls of keys with limits are in progress until they have ended", async () => {
  const limited = await scenario(gateway, [upstream], { key: { rate_limits: { concurrent: 5 } } });
  const gate = upstream.gate();
  upstream.always(async (exchange) => {
    await gate.opened;
    await upstreamDoes.answer()(exchange);
  });
  const calls = [limited.chat(), limited.chat()];
  await until("two calls in progress", async () => (await samples()).get("ai_gateway_requests_in_progress") === 2);
  gate.open();
  await Promise.all(calls.map(async (call) => await (await call).text()));
  await until("none in progress", async () => (await samples()).get("ai_gateway_requests_in_progress") === 0);
  upstream.reset();
});

test("so are calls of other keys, once their isolate has looked, until it has looked again", { timeout: 30_000 }, async () => {
  const free = await scenario(gateway, [upstream]);
  const gate = upstream.gate();
  upstream.always(async (exchange) => {
    await gate.opened;
    await upstreamDoes.answer()(exchange);
  });
  const inProgress = async () => (await samples()).get("ai_gateway_requests_in_progress");
  const calls = [free.chat(), free.chat(), free.chat({ n: 2 })];
  await until("three calls in progress", async () => (await inProgress()) === 3, 15_000);
  gate.open();
  await Promise.all(calls.map(async (call) => await (await call).text()));
  await until("none in progress", async () => (await inProgress()) === 0, 15_000);
  upstream.reset();
});

test("log records that came through the dead-letter queue, and deliveries that were repeated, are counted", { timeout: 60_000 }, async () => {
  const troubled = await Gateway.start({ vars: METRICS, consumer: { maxRetries: 3 } });
  try {
    const calls = await scenario(troubled, [upstream]);
    await troubled.sql("CREATE TRIGGER refuse AFTER INSERT ON request_logs BEGIN SELECT RAISE(ABORT, 'there is no room'); END");
    const response = await calls.chat();
    // Four are the log queue's.
    await until("a delivery by the dead-letter queue", () => troubled.said.filter(({ message }) => /storing \d+ log messages failed/.test(message)).length >= 5);
    await troubled.sql("DROP TRIGGER refuse");
    await calls.log(response);
    await until("its count", async () => {
      const found = await samples(troubled);
      return found.get("ai_gateway_log_dead_letters_total") === 1 && found.get("ai_gateway_log_redeliveries_total")! >= 1;
    });
  } finally {
    await troubled.stop();
  }
});

test("a restart loses no count", async () => {
  const of = (all: Map<string, number>) => [...all].filter(([name]) => /_total|_bucket|_sum|_count/.test(name));
  const before = of(await samples());
  expect(before.length).toBeGreaterThan(20);
  await gateway.restart();
  expect(of(await samples())).toEqual(before);
});

test("Prometheus' own checker has nothing to say", { timeout: 600_000 }, async (context) => {
  const { path, missing } = promtool();
  if (!path) {
    console.warn(`SKIPPED: ${missing}`);
    return context.skip();
  }
  const { status, stdout, stderr } = spawnSync(path, ["check", "metrics"], { input: await (await scrape()).text(), encoding: "utf8" });
  expect([status, stdout, stderr]).toEqual([0, "", ""]);
});
