// Provider keys under load: what each of them turns out to be is found out once, stored, and outlives the isolate.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario, type Scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
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

const keysOf = (count: number) => Array.from({ length: count }, (_, index) => `sk-number-${index}-${gateway.unique("x")}-000${index}`);
const patient = { retry: { max_retries: 0, base_delay_ms: 1 } };

const rowsOf = async (story: Scenario) =>
  (await gateway.admin.ok("GET", `/api/v1/provider-keys?provider=${story.providers[0]}`)).data as Array<Record<string, any>>;
const logOf = async (story: Scenario) =>
  ((await gateway.admin.ok("GET", `/api/v1/activity-logs?provider=${story.providers[0]}&limit=200`)).data as Array<Record<string, any>>)
    .reverse().filter(({ action }) => action !== "ADD");

test("100 calls over five keys of which three die in different ways: none fails, and all is written down once", async () => {
  const keys = keysOf(5);
  const story = await scenario(gateway, [upstream], { ...patient, keys: [keys] });
  upstream.whenKey(keys[0]!, upstreamDoes.status(401, { message: "Incorrect API key provided" }));
  upstream.whenKey(keys[1]!, upstreamDoes.status(402, { message: "out of credit" }));
  upstream.whenKey(keys[2]!, upstreamDoes.status(429, { message: "slow down", headers: { "retry-after": "300" } }));

  const responses = await Promise.all(Array.from({ length: 100 }, () => story.chat()));
  expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
  await Promise.all(responses.map((response) => response.text()));

  const rows = await until("the keys' states in D1", async () => {
    const found = await rowsOf(story);
    return found.some(({ is_selected }) => is_selected) && found.filter(({ state }) => state === "ready").length === 2 ? found : undefined;
  });
  expect(rows.map(({ state }) => state)).toEqual(["exhausted", "exhausted", "resting", "ready", "ready"]);
  expect(rows.map(({ is_selected }) => is_selected)).toEqual([false, false, false, true, false]);
  const rest = Date.parse(rows[2]!.disabled_until) - Date.now();
  expect(rest).toBeGreaterThan(250_000);
  expect(rest).toBeLessThanOrEqual(300_000);
  expect(rows[0]!.disabled_reason).toContain("401");
  expect(rows.filter(({ disabled_until }) => disabled_until === null)).toHaveLength(4);

  const log = await logOf(story);
  expect(log.filter(({ action }) => action === "EXHAUSTED").map(({ key_hint }) => key_hint).sort()).toEqual([rows[0]!.hint, rows[1]!.hint].sort());
  const selected = log.filter(({ action }) => action === "SELECT").map(({ key_hint }) => key_hint);
  const unselected = log.filter(({ action }) => action === "UNSELECT").map(({ key_hint }) => key_hint);
  expect(selected.at(-1)).toBe(rows[3]!.hint);
  expect(unselected[0]).toBe(rows[0]!.hint);
  expect(unselected.slice(1), "each takes the place of the one before").toEqual(selected.slice(0, -1));
  expect(log.every(({ description }) => description.length > 0)).toBe(true);
  expect(JSON.stringify([rows, log])).not.toContain(keys[0]);

  // What was under way when a key failed may have met it; nothing after does, not even in another isolate.
  const before = upstream.exchanges.length;
  const later = async () => {
    for (const response of await Promise.all(Array.from({ length: 20 }, () => story.chat()))) {
      expect(response.status).toBe(200);
      expect(response.headers.get("x-edgeway-attempts")).toBe("1");
      await response.text();
    }
  };
  await later();
  await gateway.restart();
  await later();
  expect(new Set(upstream.exchanges.slice(before).map(({ key }) => key))).toEqual(new Set([keys[3]]));
  expect(await logOf(story), "nothing new was found out").toHaveLength(log.length);
});

test("with every key refused it is 503 with each key's hint and reason, and no key is tried again until it is changed", async () => {
  const keys = keysOf(2);
  const story = await scenario(gateway, [upstream], { ...patient, keys: [keys] });
  upstream.whenKey(keys[0]!, upstreamDoes.status(401)).whenKey(keys[1]!, upstreamDoes.status(403));
  const rows = await rowsOf(story);
  for (let call = 0; call < 3; call++) {
    const response = await story.chat();
    expect(response.status).toBe(503);
    const { error } = await response.json();
    for (const { hint } of rows) {
      expect(error.message).toContain(hint);
    }
    expect(JSON.stringify(error)).not.toContain(keys[0]);
  }
  expect(upstream.exchanges.map(({ key }) => key)).toEqual(keys);

  await until("both in D1", async () => (await rowsOf(story)).every(({ state }) => state === "exhausted") || undefined);
  upstream.reset();
  await gateway.admin.ok("PUT", `/api/v1/provider-keys/${rows[1]!.id}`, { enabled: true });
  expect((await story.chat()).status).toBe(200);
  const fresh = `sk-fresh-${keys[0]}`;
  await gateway.admin.ok("PUT", `/api/v1/provider-keys/${rows[0]!.id}`, { api_key: fresh, is_selected: true });
  expect((await story.chat()).status).toBe(200);
  expect(upstream.exchanges.map(({ key }) => key)).toEqual([keys[1], fresh]);
});

test("with every key resting it is 429 with the smallest wait, and nobody is disturbed", async () => {
  const keys = keysOf(2);
  const story = await scenario(gateway, [upstream], { ...patient, keys: [keys] });
  upstream.whenKey(keys[0]!, upstreamDoes.status(429, { headers: { "retry-after": "900" } }));
  upstream.whenKey(keys[1]!, upstreamDoes.status(429, { headers: { "retry-after": "600" } }));
  for (let call = 0; call < 3; call++) {
    const response = await story.chat();
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(590);
    expect(Number(response.headers.get("retry-after"))).toBeLessThanOrEqual(600);
    await response.text();
  }
  expect(upstream.exchanges).toHaveLength(2);
});

test("a refusal that is about the model leaves the key alone", async () => {
  const keys = keysOf(1);
  const story = await scenario(gateway, [upstream], { ...patient, keys: [keys] });
  upstream.next(upstreamDoes.status(403, { message: "Project does not have access to this model", code: "model_not_found" }));
  expect((await story.chat()).status).toBe(403);
  expect((await story.chat({ model: "e2e-large" })).status).toBe(200);
  expect((await rowsOf(story))[0]).toMatchObject({ state: "ready", disabled_until: null });
});
