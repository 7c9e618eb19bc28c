// A scripted upstream: an HTTP server in the test's own process that speaks OpenAI's API, misbehaves as it is told, and
// records every request. Tests hold it with gates instead of sleeping.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { answer } from "./upstream/behaviours.ts";

/** What the upstream does with one request. */
export type Behaviour = (exchange: Exchange) => void | Promise<void>;

/** A promise that the test keeps until it wants the upstream to go on. */
export class Gate {
  open: () => void = () => {};
  readonly opened = new Promise<void>((resolve) => (this.open = resolve));
}

/** One request as it arrived, and the response that is being made of it. */
export class Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly upstream: Upstream;
  readonly response: ServerResponse;
  /** Settles when the caller went away before the response had ended. */
  readonly abandoned: Promise<void>;
  /** Whether the caller went away before the response had ended. */
  wasAbandoned = false;

  constructor(upstream: Upstream, request: IncomingMessage, body: Buffer, response: ServerResponse) {
    this.upstream = upstream;
    this.body = body;
    this.response = response;
    this.method = request.method ?? "";
    this.path = request.url ?? "";
    this.headers = request.headers;
    this.abandoned = new Promise((resolve) =>
      response.once("close", () => {
        if (!response.writableFinished) {
          this.wasAbandoned = true;
          resolve();
        }
      }),
    );
  }

  /** The body as text, byte for byte. */
  get text(): string {
    return this.body.toString("utf8");
  }

  /** The body as JSON; `undefined` where there is none. */
  get json(): any {
    return this.body.length === 0 ? undefined : JSON.parse(this.text);
  }

  /** The provider key that came with the request. */
  get key(): string {
    return (this.headers.authorization ?? "").replace(/^Bearer /, "");
  }

  get socket(): Socket | null {
    return this.response.socket;
  }
}

interface Scripted {
  matches: (exchange: Exchange) => boolean;
  behaviour: Behaviour;
}

export class Upstream {
  /** Every request since the start or the last `reset`, in order of arrival. */
  exchanges: Exchange[] = [];
  #queued: Behaviour[] = [];
  #scripted: Scripted[] = [];
  #usual: Behaviour = answer();
  #gates: Gate[] = [];
  #waiting: Array<() => void> = [];
  #server: Server;

  readonly name: string;

  private constructor(name: string) {
    this.name = name;
    this.#server = createServer((request, response) => this.#take(request, response));
    this.#server.keepAliveTimeout = 60_000;
  }

  static async start(name = "upstream"): Promise<Upstream> {
    const upstream = new Upstream(name);
    await new Promise<void>((resolve) => upstream.#server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  /** What an OpenAI SDK would take as its base URL. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  /** The next requests meet these, one each, in order; then it is business as usual. */
  next(...behaviours: Behaviour[]): this {
    this.#queued.push(...behaviours);
    return this;
  }

  /** Requests of this kind meet this. */
  when(matches: (exchange: Exchange) => boolean, behaviour: Behaviour): this {
    this.#scripted.push({ matches, behaviour });
    return this;
  }

  /** Requests with this provider key meet this. */
  whenKey(key: string, behaviour: Behaviour): this {
    return this.when((exchange) => exchange.key === key, behaviour);
  }

  /** All other requests meet this. */
  always(behaviour: Behaviour): this {
    this.#usual = behaviour;
    return this;
  }

  /** A gate that `reset` opens if the test has not. */
  gate(): Gate {
    const gate = new Gate();
    this.#gates.push(gate);
    return gate;
  }

  /** The request number `count` (from 1), when it is there. */
  async received(count = 1): Promise<Exchange> {
    while (this.exchanges.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.exchanges[count - 1]!;
  }

  /** The only request so far. */
  get only(): Exchange {
    if (this.exchanges.length !== 1) {
      throw new Error(`${this.name} got ${this.exchanges.length} requests, not one`);
    }
    return this.exchanges[0]!;
  }

  /** Forgets scripts and recordings, and lets go of whatever is held. */
  reset(): this {
    this.#gates.splice(0).forEach((gate) => gate.open());
    this.exchanges = [];
    this.#queued = [];
    this.#scripted = [];
    this.#usual = answer();
    return this;
  }

  async stop(): Promise<void> {
    this.reset();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) {
        parts.push(part);
      }
    } catch {
      return; // The caller went away while it was still asking.
    }
    const exchange = new Exchange(this, request, Buffer.concat(parts), response);
    this.exchanges.push(exchange);
    this.#waiting.splice(0).forEach((wake) => wake());
    response.on("error", () => {}); // A caller that has gone is noted in `wasAbandoned`.
    const behaviour =
      this.#queued.shift() ?? this.#scripted.find(({ matches }) => matches(exchange))?.behaviour ?? this.#usual;
    try {
      await behaviour(exchange);
    } catch (error) {
      console.error(`${this.name}: the script failed`, error);
      response.destroy();
    }
  }
}
