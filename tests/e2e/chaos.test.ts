// Two thousand calls over a provider that fails nearly every third time, in all ways at once, and a healthy one.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { readLogs } from "./gateway/log-rows.ts";
import { scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { contentOf, isDone } from "./sse.ts";
import { Upstream, type Behaviour, type Exchange } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

const CALLS = Number(process.env.EDGEWAY_CHAOS_CALLS ?? 2000);
const CONCURRENCY = 32;
const FAILING = 0.3;
/** What rests, rests for one model of one provider: with many models the failing provider stays in the game. */
const MODELS = 50;

let gateway: Gateway;
let failing: Upstream;
let healthy: Upstream;

beforeAll(async () => {
  [gateway, failing, healthy] = await Promise.all([Gateway.start(), Upstream.start("failing"), Upstream.start("healthy")]);
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), failing?.stop(), healthy?.stop()]);
});

/** Ways to fail before any content; each can be made good by the other provider. */
const recoverable: Behaviour[] = [
  upstreamDoes.status(429, { headers: { "retry-after-ms": "20" } }), upstreamDoes.status(500), upstreamDoes.resetAtOnce(), upstreamDoes.hang(),
];
const recoverableStreams: Behaviour[] = [...recoverable, upstreamDoes.errorEvent(), upstreamDoes.emptyStream(), upstreamDoes.stallsBeforeContent()];
const deadly = new Set<Behaviour>([upstreamDoes.diesInStream("end"), upstreamDoes.diesInStream("reset"), upstreamDoes.errorInStream()]);

/** How many streams the failing provider has broken off after their first content: those alone may fail. */
const brokenOff = new Set<string>();

function sometimesFails(exchange: Exchange): void | Promise<void> {
  const name = exchange.json.messages[0].content as string;
  const dice = upstreamDoes.fraction(`${name} ${failing.exchanges.length}`);
  if (dice >= FAILING) {
    return upstreamDoes.answer({ content: `Hello ${name}` })(exchange);
  }
  const ways = exchange.json.stream ? [...recoverableStreams, ...deadly] : recoverable;
  const way = ways[Math.floor((dice / FAILING) * ways.length)]!;
  if (deadly.has(way)) {
    brokenOff.add(name);
  }
  return way(exchange);
}

test(`${CALLS} calls: all that could succeed did, and each is logged once`, async () => {
  failing.always(sometimesFails);
  const story = await scenario(gateway, [failing, healthy], {
    timeouts: { headers_ms: 300, first_content_ms: 400, idle_ms: 2000 }, retry: { max_retries: 2, base_delay_ms: 2 },
  });
  const outcomes = new Map<string, { id: string; provider: string; attempts: number }>();
  const wrong: string[] = [];

  const call = async (index: number): Promise<void> => {
    const name = `call-${index}`;
    const stream = index % 2 === 1;
    const response = await story.chat({ model: `chaos-${index % MODELS}`, stream, messages: [{ role: "user", content: name }] });
    const text = await response.text();
    outcomes.set(name, {
      id: response.headers.get("x-request-id") ?? "",
      provider: response.headers.get("x-edgeway-provider") ?? "",
      attempts: Number(response.headers.get("x-edgeway-attempts")),
    });
    const good = response.status === 200 && (stream ? isDone(text) && contentOf(text).startsWith("Hello") && !text.includes('"error"') : JSON.parse(text).choices[0].message.content.startsWith("Hello"));
    const honest = stream && brokenOff.has(name) && response.status === 200 && text.includes('"error"') && !text.includes("[DONE]");
    if (!good && !honest) {
      wrong.push(`${name}: ${response.status} ${text.slice(0, 300)}`);
    }
  };
  let next = 0;
  await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
    while (next < CALLS) {
      const index = next++;
      await call(index).catch((error) => wrong.push(`call-${index}: ${error}`));
    }
  }));

  expect(wrong.slice(0, 10)).toEqual([]);
  expect(brokenOff.size, "the dice did fall that way").toBeGreaterThan(CALLS / 400);
  expect(failing.exchanges.length, "the failing provider was not simply left out").toBeGreaterThan(CALLS / 20);

  const rows = await until("all log records", async () => {
    const found = await readLogs(gateway, "WHERE key_id = ?1", story.keyId);
    return found.length >= CALLS && found;
  }, 60_000);
  expect(rows).toHaveLength(CALLS);
  expect(new Set(rows.map(({ id }) => id))).toEqual(new Set([...outcomes.values()].map(({ id }) => id)));
  const [{ sum }] = await gateway.sql("SELECT sum(requests) AS sum FROM usage_hourly WHERE key_id = ?1", story.keyId) as [{ sum: number }];
  expect(sum).toBe(CALLS);

  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const { id, provider, attempts } of outcomes.values()) {
    expect(byId.get(id)!.attempts.length).toBe(attempts);
    expect(byId.get(id)!.provider).toBe(provider);
  }
  const sent = rows.flatMap((row) => row.attempts).filter(({ provider }) => provider === story.providers[0]).length;
  expect(sent, "what the upstream counted is what the records say").toBe(failing.exchanges.length);
  expect(rows.flatMap((row) => row.attempts).length - sent).toBe(healthy.exchanges.length);
}, 180_000);
