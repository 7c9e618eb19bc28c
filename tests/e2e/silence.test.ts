// A streamed call that waits long for its answer: the client has an open stream and comments, and then whatever comes of it.
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario, type Scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { RawCall } from "./raw-call.ts";
import { StreamReader, contentOf, eventsOf, isDone } from "./sse.ts";
import { Upstream, type Behaviour, type Gate } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";
import { content, finish, role } from "./upstream/shapes.ts";

const KEEP_ALIVE_MS = 150;
const COMMENT = ": keep-alive\n\n";
let gateway: Gateway;
let upstream: Upstream;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start({ vars: { KEEP_ALIVE_MS: String(KEEP_ALIVE_MS) } }), Upstream.start()]);
});
afterEach(() => void upstream.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

/** Nothing is heard of it until the gate opens. */
const held = (gate: Gate, then: Behaviour = upstreamDoes.answer()): Behaviour => async (exchange) => {
  await Promise.race([gate.opened, exchange.abandoned]);
  if (!exchange.wasAbandoned) {
    await then(exchange);
  }
};

interface Dialect {
  name: string;
  path: string;
  body: object;
  type: RegExp;
  /** What the silence is broken with. */
  comment: string;
  text: (stream: string) => string;
  /** The error's own words in a stream, and that nothing in it looks like a good end. */
  error: (stream: string) => { message: string; kind: unknown };
}

const messages = [{ role: "user", content: "Say hello." }];
const contents = [{ role: "user", parts: [{ text: "Say hello." }] }];
const partsOf = (answers: any[]) => answers.map((answer) => answer.candidates?.[0]?.content?.parts?.[0]?.text ?? "").join("");
const typed = (stream: string, type: string) => eventsOf(stream).filter((event) => event.type === type);

const DIALECTS: Dialect[] = [
  {
    name: "chat", path: "/v1/chat/completions", body: { model: "e2e-small", stream: true, messages },
    type: /^text\/event-stream/, comment: COMMENT, text: contentOf,
    error: (stream) => {
      expect(stream).not.toContain("[DONE]");
      const { message, type } = eventsOf(stream).at(-1).error;
      return { message, kind: type };
    },
  },
  {
    name: "responses", path: "/v1/responses", body: { model: "e2e-small", stream: true, input: "Say hello." },
    type: /^text\/event-stream/, comment: COMMENT,
    text: (stream) => typed(stream, "response.output_text.delta").map(({ delta }) => delta).join(""),
    error: (stream) => {
      expect(typed(stream, "response.completed")).toEqual([]);
      const { type, code, message } = eventsOf(stream).at(-1);
      expect(type).toBe("error");
      return { message, kind: code };
    },
  },
  {
    name: "messages", path: "/v1/messages", body: { model: "e2e-small", stream: true, max_tokens: 100, messages },
    type: /^text\/event-stream/, comment: "event: ping\n",
    text: (stream) => typed(stream, "content_block_delta").map(({ delta }) => delta.text).join(""),
    error: (stream) => {
      expect(typed(stream, "message_stop")).toEqual([]);
      const { type, error } = eventsOf(stream).at(-1);
      expect(type).toBe("error");
      return { message: error.message, kind: error.type };
    },
  },
  {
    name: "gemini", path: "/v1beta/models/e2e-small:streamGenerateContent?alt=sse", body: { contents },
    type: /^text\/event-stream/, comment: COMMENT, text: (stream) => partsOf(eventsOf(stream)),
    error: (stream) => {
      const { message, code } = eventsOf(stream).at(-1).error;
      return { message, kind: code };
    },
  },
  {
    name: "gemini, as one array", path: "/v1beta/models/e2e-small:streamGenerateContent", body: { contents },
    type: /^application\/json/, comment: "\n", text: (stream) => partsOf(JSON.parse(stream)),
    error: (stream) => {
      const { message, code } = JSON.parse(stream).at(-1).error;
      return { message, kind: code };
    },
  },
];

const call = (story: Scenario, { path, body }: Dialect, headers: Record<string, string> = {}) => gateway.call(story.key, path, body, { headers });

describe.each(DIALECTS)("a client of $name", (dialect) => {
  test("hears something, again and again, until its answer comes", async () => {
    const story = await scenario(gateway, [upstream]);
    const gate = upstream.gate();
    upstream.always(held(gate));

    const response = await call(story, dialect);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(dialect.type);
    expect(response.headers.get("cache-control")).toBe("no-cache");
    expect(response.headers.get("x-edgeway-provider"), "not known yet").toBeNull();
    const reader = new StreamReader(response);
    await reader.untilText(dialect.comment);
    while (reader.text.split(dialect.comment).length <= 3) {
      await reader.more();
    }
    gate.open();

    expect(dialect.text(await reader.rest())).toBe("Hello from upstream");
    expect(await story.log(response)).toMatchObject({ status: 200, error: null, end_reason: "done", usage_source: "upstream", input_tokens: 21, provider: story.providers[0] });
  });

  test("gets the error in its own words where no answer comes", async () => {
    const story = await scenario(gateway, [upstream], { retry: { max_retries: 0 } });
    const gate = upstream.gate();
    upstream.always(held(gate, upstreamDoes.status(429)));
    const response = await call(story, dialect);
    expect(response.status).toBe(200);
    gate.open();

    const { message, kind } = dialect.error(await response.text());
    expect(message).toContain(`${story.providers[0]} is rate limited`);
    expect(kind).toBeOneOf(["rate_limit_error", "rate_limit_exceeded", 429]);
    expect(await story.log(response)).toMatchObject({ status: 429, end_reason: "upstream_error", attempts: [{ status: 429 }], input_tokens: 0 });
  });
});

describe("official clients wait for the first event", () => {
  test("openai", async () => {
    const story = await scenario(gateway, [upstream]);
    const gate = upstream.gate();
    upstream.always(held(gate));
    const stream = await story.client.chat.completions.create({ model: "e2e-small", stream: true, messages: [{ role: "user", content: "Hi" }] });
    gate.open();
    let text = "";
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
    }
    expect(text).toBe("Hello from upstream");
  });

  test("openai, for a response", async () => {
    const story = await scenario(gateway, [upstream]);
    const gate = upstream.gate();
    upstream.always(held(gate));
    const stream = await story.client.responses.create({ model: "e2e-small", stream: true, input: "Hi" });
    gate.open();
    let text = "";
    for await (const event of stream) {
      text += event.type === "response.output_text.delta" ? event.delta : "";
    }
    expect(text).toBe("Hello from upstream");
  });

  test("anthropic: a ping before message_start is one more ping", async () => {
    const story = await scenario(gateway, [upstream]);
    const gate = upstream.gate();
    upstream.always(held(gate));
    const client = new Anthropic({ apiKey: story.key, baseURL: gateway.url, maxRetries: 0 });
    const stream = client.messages.stream({ model: "e2e-small", max_tokens: 100, messages: [{ role: "user", content: "Hi" }] });
    await stream.withResponse();
    gate.open();
    expect(await stream.finalText()).toBe("Hello from upstream");
  });

  test("google-genai", async () => {
    const story = await scenario(gateway, [upstream]);
    const gate = upstream.gate();
    upstream.always(held(gate));
    const client = new GoogleGenAI({ apiKey: story.key, httpOptions: { baseUrl: gateway.url } });
    const stream = await client.models.generateContentStream({ model: "e2e-small", contents: "Hi" });
    gate.open();
    let text = "";
    for await (const chunk of stream) {
      text += chunk.text ?? "";
    }
    expect(text).toBe("Hello from upstream");
  });

  test("openai throws what an error event says", async () => {
    const story = await scenario(gateway, [upstream], { retry: { max_retries: 0 } });
    const gate = upstream.gate();
    upstream.always(held(gate, upstreamDoes.status(500)));
    const stream = await story.client.chat.completions.create({ model: "e2e-small", stream: true, messages: [{ role: "user", content: "Hi" }] });
    gate.open();
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow(/answered 500/);
  });
});

describe("behind an open stream", () => {
  const chat = DIALECTS[0]!;

  test("attempts go on: a failover is as good as before it", async () => {
    const story = await scenario(gateway, [upstream, upstream], { retry: { max_retries: 0 } });
    const gate = upstream.gate();
    upstream.next(held(gate, upstreamDoes.roleThenError()));
    const response = await call(story, chat);
    expect(response.status).toBe(200);
    gate.open();
    expect(contentOf(await response.text())).toBe("Hello from upstream");
    const attempts = story.providers.map((provider) => expect.objectContaining({ provider }));
    expect(await story.log(response)).toMatchObject({ status: 200, end_reason: "done", provider: story.providers[1], attempts });
  });

  test("an upstream that shows a role and then thinks is waited for", async () => {
    const story = await scenario(gateway, [upstream]);
    const gate = upstream.gate();
    upstream.always(upstreamDoes.stream([role(), gate, content("thought"), finish(), upstreamDoes.DONE]));
    const reader = new StreamReader(await call(story, chat));
    await reader.untilText(COMMENT);
    expect(reader.text).not.toContain("data:");
    gate.open();
    const text = await reader.rest();
    expect(contentOf(text)).toBe("thought");
    expect(isDone(text)).toBe(true);
  });

  test("silence is broken after the first content, too, and never within an event", async () => {
    const story = await scenario(gateway, [upstream]);
    const gates = [upstream.gate(), upstream.gate(), upstream.gate()] as const;
    const event = `data: ${JSON.stringify(content("whole"))}\n\n`;
    upstream.always(upstreamDoes.stream([gates[0], content("first "), event.slice(0, 40), gates[1], event.slice(40), finish(), upstreamDoes.DONE]));
    const reader = new StreamReader(await call(story, chat));
    gates[0].open();
    await reader.untilText("first ");
    const before = reader.text.length;
    while (!reader.text.slice(before).includes(COMMENT)) {
      await reader.more();
    }
    gates[1].open();
    expect(contentOf(await reader.rest())).toBe("first whole");
  });

  test("each event reaches the client before the upstream sends the next", async () => {
    const story = await scenario(gateway, [upstream]);
    const gates = [upstream.gate(), upstream.gate(), upstream.gate()] as const;
    upstream.always(upstreamDoes.stream([gates[0], role(), content("one"), gates[1], content("two"), gates[2], finish(), upstreamDoes.DONE]));
    const reader = new StreamReader(await call(story, chat));
    for (const [index, word] of ["one", "two"].entries()) {
      gates[index]!.open();
      await reader.untilText(word);
    }
    gates[2].open();
    expect(isDone(await reader.rest())).toBe(true);
  });

  test("a deadline that passes is an error event, and a 504 in the log", async () => {
    const story = await scenario(gateway, [upstream], { timeouts: { first_content_ms: KEEP_ALIVE_MS * 3 }, retry: { max_retries: 0 } });
    upstream.always(upstreamDoes.stallsBeforeContent());
    const response = await call(story, chat);
    expect(response.status).toBe(200);
    expect(chat.error(await response.text()).kind).toBe("server_error");
    expect(await story.log(response)).toMatchObject({ status: 504, end_reason: "timeout" });
  });

  test("an upstream that then dies in mid-stream is an error event", async () => {
    const story = await scenario(gateway, [upstream]);
    const gate = upstream.gate();
    upstream.always(held(gate, upstreamDoes.diesInStream()));
    const response = await call(story, chat);
    gate.open();
    const text = await response.text();
    expect(text).toContain("Half an ans");
    expect(chat.error(text).message).toContain("broke its stream off");
    expect(await story.log(response)).toMatchObject({ end_reason: "upstream_error" });
  });

  test("an answer in one piece is none: the next target is asked", async () => {
    const story = await scenario(gateway, [upstream, upstream], { retry: { max_retries: 0 } });
    const gate = upstream.gate();
    upstream.next(held(gate, ({ response }) => {
      const choices = [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }];
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ choices }));
    }));
    const response = await call(story, chat);
    gate.open();
    expect(contentOf(await response.text())).toBe("Hello from upstream");
    const [first] = (await story.log(response)).attempts;
    expect(first!.error).toContain("one piece");
  });

  test.each(["close", "reset"] as const)("a client that leaves by a %s aborts the upstream, and is settled and logged", async (leave) => {
    const story = await scenario(gateway, [upstream, upstream], { key: { rate_limits: { concurrent: 1 } } });
    upstream.always(upstreamDoes.hang());
    const raw = new RawCall(gateway.url, chat.path, story.key, chat.body);
    await raw.untilText(COMMENT);

    raw[leave]();

    await (await upstream.received()).abandoned;
    const [log] = await gateway.logsOfKey(story.keyId, 1);
    expect(log).toMatchObject({ status: 499, end_reason: "client_closed", usage_source: "estimated", attempts: [{ provider: story.providers[0] }] });
    expect(upstream.exchanges).toHaveLength(1);
    upstream.reset();
    await until("what it held is free", async () => (await story.chat()).status === 200 || undefined);
  });

  test("a client that leaves once its events come aborts the upstream", async () => {
    const story = await scenario(gateway, [upstream]);
    const gate = upstream.gate();
    upstream.always(held(gate, upstreamDoes.endless("a long story ")));
    const raw = new RawCall(gateway.url, chat.path, story.key, chat.body);
    await raw.untilText(COMMENT);
    gate.open();
    await raw.untilText("a long story");

    raw.close();

    await (await upstream.received()).abandoned;
    expect(await gateway.logsOfKey(story.keyId, 1)).toMatchObject([{ end_reason: "client_closed", usage_source: "estimated" }]);
  });

  test("limits hold what they held, and let go of it", async () => {
    const story = await scenario(gateway, [upstream], { retry: { max_retries: 0 }, key: { rate_limits: { concurrent: 1 } } });
    const gate = upstream.gate();
    upstream.next(held(gate, upstreamDoes.status(500)));
    const response = await call(story, chat);
    expect((await story.chat()).status).toBe(429);
    gate.open();
    expect(chat.error(await response.text()).message).toContain("500");
    await until("what it held is free", async () => (await story.chat()).status === 200 || undefined);
  });

  describe("an answer that is kept", () => {
    const keptBy = (key: string) => ({ "idempotency-key": key });

    test("is without the comments that came before it", async () => {
      const story = await scenario(gateway, [upstream]);
      const [key, gate] = [gateway.unique("silence"), upstream.gate()];
      upstream.always(held(gate));
      const first = await call(story, chat, keptBy(key));
      const waiting = await call(story, chat, keptBy(key)); // it waits for the other one's answer, and is kept company, too
      gate.open();
      const text = await first.text();
      expect(contentOf(text)).toBe("Hello from upstream");
      const again = await call(story, chat, keptBy(key));
      expect(again.headers.get("idempotent-replayed")).toBe("true");
      expect(again.headers.get("x-edgeway-provider")).toBe(story.providers[0]);
      const kept = await again.text();
      expect(kept).toBe(text.replaceAll(COMMENT, ""));
      expect((await waiting.text()).replaceAll(COMMENT, "")).toBe(kept);
      expect(upstream.exchanges).toHaveLength(1);
    });

    test("has its true status where it is an error", async () => {
      const story = await scenario(gateway, [upstream]);
      const [key, gate] = [gateway.unique("silence"), upstream.gate()];
      upstream.always(held(gate, upstreamDoes.status(400, { message: "no such tool" })));
      const first = await call(story, chat, keptBy(key));
      gate.open();
      expect(chat.error(await first.text())).toEqual({ message: "no such tool", kind: "invalid_request_error" });
      expect(await story.log(first)).toMatchObject({ status: 400 });
      const again = await call(story, chat, keptBy(key));
      expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([400, "true"]);
      expect(upstream.exchanges).toHaveLength(1);
    });

    test("in the cache is the same", async () => {
      const story = await scenario(gateway, [upstream]);
      const gate = upstream.gate();
      upstream.always(held(gate));
      const first = await call(story, chat, { "x-edgeway-cache": "ttl=60" });
      expect(first.headers.get("x-edgeway-cache")).toBe("miss");
      gate.open();
      const text = await first.text();
      await until("it is kept", async () => {
        const again = await call(story, chat, { "x-edgeway-cache": "ttl=60" });
        const hit = again.headers.get("x-edgeway-cache") === "hit";
        expect(await again.text()).toBe(text.replaceAll(COMMENT, ""));
        return hit || undefined;
      });
    });
  });
});

test("a call that is not streamed waits in silence for its status", async () => {
  const story = await scenario(gateway, [upstream], { timeouts: { headers_ms: KEEP_ALIVE_MS * 3 }, retry: { max_retries: 0 } });
  upstream.always(upstreamDoes.hang());
  expect((await story.chat()).status).toBe(504);
});
