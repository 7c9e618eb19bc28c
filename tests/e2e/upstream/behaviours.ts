// Everything an upstream can do to a caller, good and bad, as behaviours to script with.
import { createHash } from "node:crypto";
import { Gate, type Behaviour, type Exchange } from "../upstream.ts";
import { completion, content, embeddings, errorBody, finish, role, usageChunk, type ToolCall } from "./shapes.ts";

export const DONE = "data: [DONE]\n\n";
/** In a stream's parts: the connection is reset here. */
export const RESET = Symbol("reset");
/** In a stream's parts: nothing more comes, and the connection stays open. */
export const SILENCE = Symbol("silence");

/** A chunk, raw text, something to wait for, or an end. */
export type Part = object | string | Gate | Promise<unknown> | typeof RESET | typeof SILENCE;

export interface StreamOptions {
  /** Line ends are CRLF. */
  crlf?: boolean;
  /** Every write has so many bytes, whatever that cuts through. */
  splitEvery?: number;
  headers?: Record<string, string>;
}

/** A stream of exactly these parts; the response ends after the last one. */
export function stream(parts: Part[] | ((exchange: Exchange) => Part[]), options: StreamOptions = {}): Behaviour {
  return async (exchange) => {
    const { response } = exchange;
    response.socket?.setNoDelay(true);
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", ...options.headers });
    response.flushHeaders();
    for (const part of typeof parts === "function" ? parts(exchange) : parts) {
      if (exchange.wasAbandoned) {
        return;
      }
      if (part === SILENCE) {
        return;
      }
      if (part === RESET) {
        // A reset throws away what its receiver has not read yet: let that be read first.
        await new Promise((resolve) => setTimeout(resolve, 20));
        return reset(exchange);
      }
      if (part instanceof Gate) {
        await Promise.race([part.opened, exchange.abandoned]);
      } else if (part instanceof Promise) {
        await Promise.race([part, exchange.abandoned]);
      } else {
        await write(exchange, encode(part as object | string, options), options.splitEvery);
      }
    }
    if (!exchange.wasAbandoned) {
      response.end();
    }
  };
}

function encode(part: object | string, { crlf }: StreamOptions): Buffer {
  const text = typeof part === "string" ? part : `data: ${JSON.stringify(part)}\n\n`;
  return Buffer.from(crlf ? text.replaceAll("\n", "\r\n") : text);
}

async function write({ response }: Exchange, bytes: Buffer, splitEvery = bytes.length): Promise<void> {
  for (let at = 0; at < bytes.length; at += splitEvery) {
    response.write(bytes.subarray(at, at + splitEvery));
    if (splitEvery < bytes.length) {
      await new Promise(setImmediate);
    }
  }
}

function reset({ response }: Exchange): void {
  response.socket?.resetAndDestroy();
}

/** The parts of a good stream; the usage chunk only if it was asked for, as OpenAI does. */
export function goodParts(exchange: Exchange, words = ["Hello", " from ", exchange.upstream.name]): Part[] {
  const asked = exchange.json.stream_options?.include_usage === true;
  return [role(), ...words.map(content), finish(), ...(asked ? [usageChunk()] : []), DONE];
}

export interface Answer {
  content?: string;
  /** `null`: leaves it out. */
  usage?: unknown;
  toolCalls?: ToolCall[];
  headers?: Record<string, string>;
}

/** What a healthy OpenAI would do, whatever is asked. */
export function answer(options: Answer = {}): Behaviour {
  return (exchange) => {
    if (exchange.path.endsWith("/models")) {
      return json(exchange, 200, { object: "list", data: ["e2e-small", "e2e-large"].map((id) => ({ id, object: "model", created: 1, owned_by: "e2e" })) });
    }
    const request = exchange.json;
    if (exchange.path.endsWith("/embeddings")) {
      const inputs = Array.isArray(request.input) ? request.input.length : 1;
      return json(exchange, 200, embeddings(request.model, inputs, request.encoding_format ?? "float"), options.headers);
    }
    const text = options.content ?? `Hello from ${exchange.upstream.name}`;
    if (!request.stream) {
      return json(exchange, 200, completion(request.model, options.toolCalls ? null : text, options), options.headers);
    }
    return stream((it) => goodParts(it), { headers: options.headers })(exchange);
  };
}

function json({ response }: Exchange, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

export interface Failure {
  headers?: Record<string, string>;
  /** A whole body, instead of OpenAI's usual one. */
  body?: unknown;
  message?: string;
  code?: string | null;
  param?: string | null;
}

/** Refuses with a status, in OpenAI's shape. */
export function status(code: number, failure: Failure = {}): Behaviour {
  const body = failure.body ?? errorBody(failure.message ?? `the upstream says ${code}`, code < 500 ? "invalid_request_error" : "server_error", failure.code ?? null, failure.param ?? null);
  return (exchange) => json(exchange, code, body, failure.headers);
}

/** An answer that goes on, some words every few ms, for as long as somebody listens. */
export const endless = (words: string, everyMs = 5): Behaviour => async (exchange) => {
  exchange.response.writeHead(200, { "content-type": "text/event-stream" });
  await write(exchange, encode(role(), {}));
  while (!exchange.wasAbandoned) {
    await write(exchange, encode(content(words), {}));
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
};

/** A status and a body that is no JSON, as a proxy in front of an API gives. */
export function htmlPage(code: number): Behaviour {
  return ({ response }) => void response.writeHead(code, { "content-type": "text/html" }).end("<html><h1>Bad gateway</h1></html>");
}

/** The connection is reset before any header. */
export const resetAtOnce = (): Behaviour => (exchange) => reset(exchange);

/** The headers and half of a JSON body, then a reset. */
export const resetInBody = (): Behaviour => async (exchange) => {
  const text = JSON.stringify(completion("e2e", "never to be read"));
  exchange.response.writeHead(200, { "content-type": "application/json", "content-length": text.length });
  exchange.response.write(text.slice(0, text.length / 2));
  await new Promise((resolve) => setTimeout(resolve, 20));
  reset(exchange);
};

/** Takes the request and never says a word. */
export const hang = (): Behaviour => () => {};

/** Headers of a stream, then silence. */
export const silentStream = (): Behaviour => stream([SILENCE]);

/** A role, no content, then silence. */
export const stallsBeforeContent = (): Behaviour => stream([role(), SILENCE]);

/** A 200 stream whose first event is an error. */
export const errorEvent = (message = "overloaded"): Behaviour => stream([errorBody(message, "server_error", "overloaded")]);

/** A role, then an error event, before any content. */
export const roleThenError = (): Behaviour => stream([role(), errorBody("the engine is overloaded", "server_error")]);

/** A 200 stream with nothing in it at all. */
export const emptyStream = (): Behaviour => stream([]);

/** A 200 stream with nothing in it but its end. */
export const onlyDone = (): Behaviour => stream([DONE]);

/** The beginning of an answer that will not be finished. */
export const halfAnswer = (): Part[] => [role(), content("Half an ans")];

/** Some content, then death: by reset, or by an end without a finish; `held` keeps it alive until the test says so. */
export const diesInStream = (how: "reset" | "end" = "reset", held?: Gate): Behaviour =>
  stream([...halfAnswer(), ...(held ? [held] : []), ...(how === "reset" ? [RESET] : [])]);

/** Some content, then an error event. */
export const errorInStream = (message = "the engine stopped"): Behaviour =>
  stream([...halfAnswer(), errorBody(message, "server_error")]);

/** Some content, then what is no JSON. */
export const malformedInStream = (): Behaviour => stream([role(), content("Half"), "data: {\"choices\": [tru\n\n", finish(), DONE]);

/** A fraction between 0 and 1 that depends only on the text: the dice of the chaos test, the same in every run. */
export function fraction(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0) / 2 ** 32;
}
