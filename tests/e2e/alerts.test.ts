// What the webhook is told: a provider key that dies, a model without a price, a budget that runs out. Each once.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";
import { USAGE } from "./upstream/shapes.ts";

let gateway: Gateway;
let upstream: Upstream;
let webhook: Server;
let told: any[] = [];
let status = 200;

beforeAll(async () => {
  webhook = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    told.push({ ...JSON.parse(Buffer.concat(chunks).toString()), url: request.url, type_of_body: request.headers["content-type"] });
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => webhook.listen(0, "127.0.0.1", resolve));
  [gateway, upstream] = await Promise.all([Gateway.start(), Upstream.start()]);
  // A call costs a cent.
  await gateway.sql(
    `INSERT INTO models (id, kind, model, input_price, output_price, effective_from, source, updated_at) VALUES ('priced', '*', 'priced', 0, ?1, 0, 'catalog', 0)`,
    Math.round(1e7 / USAGE.completion_tokens) * 1e6, // nano-USD for a million tokens
  );
  await gateway.sql("UPDATE config_version SET version = version + 1");
  await gateway.admin.ok("PUT", "/api/settings", { alert_webhook_url: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/hook?token=abc` });
});
beforeEach(() => {
  told = [];
  status = 200;
  upstream.reset();
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
  webhook?.close();
});

const of = (kind: string) => told.filter((body) => body.kind === kind);

test("a model without a price is told of, once however often it is used", async () => {
  const story = await scenario(gateway, [upstream]);
  const calls = await Promise.all([1, 2, 3].map(() => story.chat({ model: "unknown-model" })));
  await Promise.all(calls.map(story.log));
  await until("the alert", async () => of("model_unpriced").length > 0);
  await story.log(await story.chat({ model: "unknown-model" }));
  expect(of("model_unpriced")).toEqual([expect.objectContaining({
    type: "alert", provider: story.providers[0], model: "unknown-model", key_id: story.keyId, url: "/hook?token=abc", type_of_body: "application/json",
    at: expect.stringMatching(/^\d{4}-.*Z$/),
  })]);
});

test("a provider key that dies is told of, without the key", async () => {
  const story = await scenario(gateway, [upstream], { keys: [["sk-dying-0123456789"]], retry: { max_retries: 0 } });
  upstream.always(upstreamDoes.status(401));
  await Promise.all([story.chat({ model: "priced" }), story.chat({ model: "priced" })]);
  await until("the alert", async () => of("provider_key_dead").length > 0);
  expect(of("provider_key_dead")).toEqual([expect.objectContaining({ provider: story.providers[0], key_hint: "sk-...6789", reason: expect.stringContaining("401") })]);
  expect(JSON.stringify(told)).not.toContain("sk-dying");
});

test("a budget is told of at 80 % and at its end, and what the webhook refused comes again", async () => {
  const story = await scenario(gateway, [upstream], { key: { budget: { usd: 0.1, window: "total" } } });
  const call = async () => await story.log(await story.chat({ model: "priced", max_tokens: USAGE.completion_tokens }));
  const first = await call();
  const fits = Math.floor(1e8 / Number(first.cost));
  status = 503;
  for (let made = 1; made <= 0.8 * fits; made++) await call();
  await until("the first alert", async () => of("budget_80").length > 0);
  expect(of("budget_100")).toEqual([]);
  status = 200;
  // As if a minute had passed.
  await gateway.sql("UPDATE alerts SET taken_at = 0 WHERE sent_at IS NULL");
  await until("the end of the budget", async () => (await call()).status === 402);
  await until("the second alert", async () => of("budget_100").length > 0);
  expect(of("budget_80")).toHaveLength(2);
  expect(of("budget_100")).toEqual([expect.objectContaining({ key_id: story.keyId, budget_usd: 0.1, window: "total", used_usd: expect.any(Number) })]);
});
