// Spans of calls go to an OpenTelemetry collector, which may fail as it likes; a caller's trace is joined and sent on.
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { Upstream } from "./upstream.ts";
import * as upstreamDoes from "./upstream/behaviours.ts";

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  status: { code?: number };
}

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

/** What the collector got, and what it answers next: 200 where nothing is left. */
const received: { url: string; headers: IncomingHttpHeaders; spans: Span[] }[] = [];
let answers: number[] = [];
const collector: Server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk) => chunks.push(chunk)).on("end", () => {
    const status = answers.shift() ?? 200;
    const body = JSON.parse(Buffer.concat(chunks).toString());
    if (status === 200) {
      received.push({ url: request.url!, headers: request.headers, spans: body.resourceSpans[0].scopeSpans[0].spans });
    }
    response.writeHead(status, { "content-type": "application/json" }).end("{}");
  });
});

let gateway: Gateway;
let first: Upstream;
let second: Upstream;

beforeAll(async () => {
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  [gateway, first, second] = await Promise.all([
    Gateway.start({ vars: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/otlp/`, OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Bearer%20secret,x-tenant=a", OTEL_SERVICE_NAME: "e2e",
    } }),
    Upstream.start("first"), Upstream.start("second"),
  ]);
});
afterEach(() => {
  [first, second].forEach((upstream) => upstream.reset());
  answers = [];
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), first?.stop(), second?.stop(), new Promise((resolve) => collector.close(resolve))]);
});

const story = () => scenario(gateway, [first, second], { retry: { max_retries: 0 } });
const idOf = (response: Response) => response.headers.get("x-request-id")!;
/** The spans of a call, the server's first. */
const spansOf = (response: Response) => until("its spans", () => {
  const all = received.flatMap(({ spans }) => spans);
  const server = all.find(({ kind, attributes }) => kind === 2 && attributes.some(({ value }) => value.stringValue === idOf(response)));
  return server && [server, ...all.filter(({ parentSpanId }) => parentSpanId === server.spanId)];
});
const said = (span: Span) => Object.fromEntries(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

test("a call with a failover is one server span and two client spans, in a trace of its own", async () => {
  first.always(upstreamDoes.status(500));
  const calls = await story();
  const response = await calls.chat({ stream: true });
  await response.text();
  const [server, failed, answered] = await spansOf(response);
  const { url, headers } = received.at(-1)!;
  expect(url).toBe("/otlp/v1/traces");
  expect(headers).toMatchObject({ authorization: "Bearer secret", "x-tenant": "a", "content-type": "application/json" });
  expect(server).toMatchObject({ traceId: idOf(response).replaceAll("-", ""), parentSpanId: "", name: "chat e2e-small", status: {} });
  expect(said(server!)).toMatchObject({ "http.response.status_code": "200", "edgeway.key.id": calls.keyId });
  expect(said(failed!)).toMatchObject({ "gen_ai.operation.name": "chat", "error.type": "500", "edgeway.provider": calls.providers[0] });
  expect(failed!.status.code).toBe(2);
  expect(said(failed!)).not.toHaveProperty("gen_ai.response.model");
  const log = await calls.log(response);
  expect(said(answered!)).toMatchObject({
    "gen_ai.provider.name": expect.any(String), "gen_ai.request.model": "e2e-small",
    "gen_ai.usage.input_tokens": `${log.input_tokens}`, "gen_ai.usage.output_tokens": `${log.output_tokens}`,
  });
  expect(BigInt(answered!.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(failed!.endTimeUnixNano));
  expect(answered!.endTimeUnixNano).toBe(server!.endTimeUnixNano);
  // Each upstream was told the span of its own attempt.
  expect(first.only.headers.traceparent).toBe(`00-${server!.traceId}-${failed!.spanId}-01`);
  expect(second.only.headers.traceparent).toBe(`00-${server!.traceId}-${answered!.spanId}-01`);
});

test("what an answer says of itself is in its attempt's span, whole and streamed, in its provider's words", async () => {
  const calls = await story();
  first.always(({ json, response }) => {
    const chunk = { id: "chatcmpl-7", model: "e2e-small-0807", object: "chat.completion.chunk", created: 1 };
    const usage = { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3 };
    if (!json.stream) {
      const message = { role: "assistant", content: "Hello" };
      response.writeHead(200, { "content-type": "application/json" });
      return void response.end(JSON.stringify({ ...chunk, object: "chat.completion", choices: [{ index: 0, message, finish_reason: "stop" }], usage }));
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const choice of [{ delta: { role: "assistant", content: "Hello" }, finish_reason: null }, { delta: {}, finish_reason: "stop" }]) {
      response.write(`data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, ...choice }] })}\n\n`);
    }
    response.end("data: [DONE]\n\n");
  });
  const asked = { model: "e2e-small", max_tokens: 9, messages: [{ role: "user", content: "Hello?" }] };
  for (const path of ["/v1/chat/completions", "/v1/messages"]) {
    for (const stream of [false, true]) {
      const response = await gateway.call(calls.key, path, { ...asked, stream });
      await response.text();
      const [server, client] = await spansOf(response);
      expect(said(client!), `${path} ${stream}`).toMatchObject({
        "gen_ai.request.model": "e2e-small", "gen_ai.response.model": "e2e-small-0807", "gen_ai.response.id": "chatcmpl-7",
        "gen_ai.response.finish_reasons": { values: [{ stringValue: "stop" }] },
      });
      expect(said(server!)).not.toHaveProperty("gen_ai.response.model");
    }
  }
});

test("a caller's trace is joined and its state sent on; one that is malformed is not", async () => {
  const calls = await story();
  const response = await calls.chat({}, { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: "vendor=1" });
  const [server, client] = await spansOf(response);
  expect(server).toMatchObject({ traceId: TRACE, parentSpanId: SPAN });
  expect(first.only.headers).toMatchObject({ traceparent: `00-${TRACE}-${client!.spanId}-01`, tracestate: "vendor=1" });
  first.reset();
  const own = await calls.chat({}, { traceparent: `00-${TRACE}-${SPAN}`, tracestate: "vendor=1" });
  const [begun] = await spansOf(own);
  expect(begun).toMatchObject({ traceId: idOf(own).replaceAll("-", ""), parentSpanId: "" });
  expect(first.only.headers.tracestate).toBeUndefined();
});

test("a collector that is busy is asked again, and one that is down costs no call and no log record", async () => {
  const calls = await story();
  answers = [503];
  await spansOf(await calls.chat());
  answers = [503, 503, 503];
  const dropped = await calls.chat();
  expect(dropped.status).toBe(200);
  await calls.log(dropped);
  await until("the tries", () => answers.length === 0);
  // It rests, and calls go on.
  const after = await calls.chat();
  expect(after.status).toBe(200);
  await calls.log(after);
  expect(received.flatMap(({ spans }) => spans).some(({ attributes }) => attributes.some(({ value }) => value.stringValue === idOf(dropped)))).toBe(false);
});
