// A stream goes through as it comes, whatever the network does to it, and ends when either side does.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario } from "./gateway/scenario.ts";
import { RawCall } from "./raw-call.ts";
import { StreamReader, contentOf, dataOf, eventsOf, isDone } from "./sse.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";
import { azureFirst, content, finish, role, usageChunk } from "./upstream/shapes.ts";

const KEEP_ALIVE_MS = 250;
let gateway: Gateway;
let upstream: Upstream;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start({ vars: { KEEP_ALIVE_MS: String(KEEP_ALIVE_MS) } }), Upstream.start()]);
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

test("each event reaches the client before the upstream sends the next", async () => {
  const story = await scenario(gateway, [upstream]);
  const gates = [upstream.gate(), upstream.gate(), upstream.gate()];
  upstream.always(upstreamDoes.stream([role(), content("one"), gates[0]!, content("two"), gates[1]!, finish(), gates[2]!, usageChunk(), upstreamDoes.DONE]));

  const reader = new StreamReader(await story.chat({ stream: true }));
  await reader.untilText("one");
  gates[0]!.open();
  await reader.untilText("two");
  gates[1]!.open();
  await reader.untilText('"stop"');
  gates[2]!.open();
  expect(isDone(await reader.rest())).toBe(true);
});

test("the headers are those of a stream that nothing on the way may hold back", async () => {
  const story = await scenario(gateway, [upstream]);
  const response = await story.chat({ stream: true });
  expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
  expect(response.headers.get("cache-control")).toMatch(/no-cache|no-store/);
  expect(response.headers.get("content-encoding")).toBeNull();
  await response.text();
});

describe("a client that goes away", () => {
  const request = { model: "e2e-small", stream: true, messages: [{ role: "user", content: "Tell me." }] };

  test.each(["close", "reset"] as const)("by a %s while the answer streams: the upstream is closed, and the call is settled and logged", async (leave) => {
    const story = await scenario(gateway, [upstream]);
    upstream.always(upstreamDoes.endless("a long story "));
    const call = new RawCall(gateway.url, "/v1/chat/completions", story.key, request);
    await call.untilText("a long story");

    call[leave]();

    await (await upstream.received()).abandoned;
    const [log] = await gateway.logsOfKey(story.keyId, 1);
    expect(log).toMatchObject({ status: expect.toBeOneOf([200, 499]), end_reason: "client_closed", usage_source: "estimated", provider: story.providers[0] });
    expect(log!.input_tokens).toBeGreaterThan(0);
    expect(log!.output_tokens).toBeGreaterThan(0);
  });

  test("while the upstream is silent: a comment finds out", async () => {
    const story = await scenario(gateway, [upstream]);
    upstream.always(upstreamDoes.stream([...upstreamDoes.halfAnswer(), upstreamDoes.SILENCE]));
    const call = new RawCall(gateway.url, "/v1/chat/completions", story.key, request);
    await call.untilText("Half an ans");

    call.close();

    await (await upstream.received()).abandoned;
    expect(await gateway.logsOfKey(story.keyId, 1)).toMatchObject([{ end_reason: "client_closed" }]);
  });

  test("before the answer begins: the same, and nobody else is tried", async () => {
    const story = await scenario(gateway, [upstream, upstream]);
    upstream.always(upstreamDoes.hang());
    const call = new RawCall(gateway.url, "/v1/chat/completions", story.key, request);
    const exchange = await upstream.received();

    call.reset();

    await exchange.abandoned;
    const [log] = await gateway.logsOfKey(story.keyId, 1);
    expect(log).toMatchObject({ end_reason: "client_closed", attempts: [{ provider: story.providers[0] }] });
    expect(upstream.exchanges).toHaveLength(1);
  });
});

describe("silence", () => {
  test("is filled with comments that no client sees as data", async () => {
    const story = await scenario(gateway, [upstream]);
    const gate = upstream.gate();
    upstream.always(upstreamDoes.stream([role(), content("thinking"), gate, content(" done"), finish(), upstreamDoes.DONE]));
    const reader = new StreamReader(await story.chat({ stream: true }));
    await reader.untilText("thinking");

    await reader.untilText("\n:");
    gate.open();

    const text = await reader.rest();
    expect(contentOf(text)).toBe("thinking done");
    expect(isDone(text)).toBe(true);
  });

  test("never cuts an event in two", async () => {
    const story = await scenario(gateway, [upstream]);
    const gate = upstream.gate();
    const event = `data: ${JSON.stringify(content("whole"))}\n\n`;
    upstream.always(upstreamDoes.stream([role(), content("first "), event.slice(0, 40), gate, event.slice(40), finish(), upstreamDoes.DONE]));
    const reader = new StreamReader(await story.chat({ stream: true }));
    await reader.untilText("first ");
    setTimeout(() => gate.open(), KEEP_ALIVE_MS * 3); // The silence is what is tried here.
    const text = await reader.rest();
    expect(contentOf(text)).toBe("first whole");
    eventsOf(text);
  });
});

describe("events arrive whole", () => {
  const words = ["Grüße, ", "世界 ", "👩‍🚀 ", "\"quoted\" \\ ", "line\nbreak"];
  const parts = () => [role(), ...words.map(content), finish(), usageChunk(), upstreamDoes.DONE];

  test.each([1, 2, 3, 7, 64])("when the network cuts them every %i bytes", async (splitEvery) => {
    const story = await scenario(gateway, [upstream]);
    upstream.always(upstreamDoes.stream(parts(), { splitEvery }));
    const response = await story.chat({ stream: true });
    const text = await response.text();
    expect(contentOf(text)).toBe(words.join(""));
    expect(isDone(text)).toBe(true);
    expect(await story.log(response)).toMatchObject({ usage_source: "upstream", input_tokens: 21, output_tokens: 9 });
  });

  test.each([["CRLF", { crlf: true }], ["CRLF cut every 3 bytes", { crlf: true, splitEvery: 3 }]])("with %s", async (_, options) => {
    const story = await scenario(gateway, [upstream]);
    upstream.always(upstreamDoes.stream(parts(), options));
    const response = await story.chat({ stream: true });
    const text = await response.text();
    expect(contentOf(text)).toBe(words.join(""));
    expect(isDone(text)).toBe(true);
    expect(eventsOf(text).every((event) => event.choices.length === 1), "the usage chunk is hidden").toBe(true);
  });

  test("when one event is 300 KB", async () => {
    const story = await scenario(gateway, [upstream]);
    const huge = "x".repeat(300_000);
    upstream.always(upstreamDoes.stream([role(), content(huge), finish(), usageChunk(), upstreamDoes.DONE]));
    const response = await story.chat({ stream: true });
    expect(contentOf(await response.text())).toBe(huge);
    expect(await story.log(response)).toMatchObject({ usage_source: "upstream", end_reason: "done" });
  });

  test("when all of them come in one packet", async () => {
    const story = await scenario(gateway, [upstream]);
    const all = parts().map((part) => (typeof part === "string" ? part : `data: ${JSON.stringify(part)}\n\n`)).join("");
    upstream.always(upstreamDoes.stream([all]));
    expect(contentOf(await (await story.chat({ stream: true })).text())).toBe(words.join(""));
  });

  test("with comments, event names, ids and multi-line data among them", async () => {
    const story = await scenario(gateway, [upstream]);
    const [before, after] = JSON.stringify(content("joined")).split(/(?<=,)(?="choices")/);
    upstream.always(upstreamDoes.stream([": OPENROUTER PROCESSING\n\n", role(), `event: message\nid: 7\ndata: ${before}\ndata: ${after}\n\n`, finish(), upstreamDoes.DONE]));
    const text = await (await story.chat({ stream: true })).text();
    expect(text).toContain("joined");
    expect(isDone(text)).toBe(true);
  });
});

describe("an end", () => {
  test("without [DONE] but with a finish reason is a good end, and gets its [DONE]", async () => {
    const story = await scenario(gateway, [upstream]);
    upstream.always(upstreamDoes.stream([role(), content("fine"), finish(), usageChunk()]));
    const response = await story.chat({ stream: true });
    const text = await response.text();
    expect(contentOf(text)).toBe("fine");
    expect(dataOf(text).filter((data) => data === "[DONE]")).toHaveLength(1);
    expect(await story.log(response)).toMatchObject({ end_reason: "done", error: null });
  });

  test("without a blank line after [DONE] is one too", async () => {
    const story = await scenario(gateway, [upstream]);
    upstream.always(upstreamDoes.stream([role(), content("fine"), finish(), "data: [DONE]"]));
    const text = await (await story.chat({ stream: true })).text();
    expect(dataOf(text).filter((data) => data === "[DONE]")).toHaveLength(1);
  });

  test("by a connection that stays open after [DONE] does not keep the client waiting", async () => {
    const story = await scenario(gateway, [upstream], { timeouts: { idle_ms: 20_000 } });
    upstream.always(upstreamDoes.stream([role(), content("fine"), finish(), upstreamDoes.DONE, upstreamDoes.SILENCE]));
    const response = await story.chat({ stream: true });
    expect(isDone(await response.text())).toBe(true);
    expect(await story.log(response)).toMatchObject({ end_reason: "done" });
  }, 10_000);

  test("in rubbish is an error event, never [DONE]", async () => {
    const story = await scenario(gateway, [upstream]);
    upstream.always(upstreamDoes.stream([role(), content("fine"), "data: {\"choices\": [tru"]));
    const text = await (await story.chat({ stream: true })).text();
    expect(text).toContain('"error"');
    expect(text).not.toContain("[DONE]");
  });
});

test("Azure's first chunk, which has no choices, is not taken for content or for usage", async () => {
  const story = await scenario(gateway, [upstream]);
  upstream.always(upstreamDoes.stream([azureFirst(), role(), content("from Azure"), finish(), usageChunk(), upstreamDoes.DONE]));
  const response = await story.chat({ stream: true });
  const text = await response.text();
  expect(contentOf(text)).toBe("from Azure");
  expect(text).toContain("prompt_filter_results");
  expect(await story.log(response)).toMatchObject({ usage_source: "upstream", input_tokens: 21 });
});
