// What every strict upstream does with a call: refuse what its API refuses, let the model answer, say it in its dialect.
import type { Behaviour, Exchange } from "../../upstream.ts";
import { stream, type Part } from "../behaviours.ts";
import { Rejected } from "./check.ts";
import { reply, type Failure, type Model, type Reply, type Seen } from "./model.ts";

export interface Reading<Request> {
  request: Request;
  seen: Seen;
}

/** One dialect's side of the work. */
export interface DialectServer<Request> {
  /** Checks the credential and reads the request as strictly as the real API does; throws `Rejected`. */
  read(exchange: Exchange): Reading<Request>;
  /** The id that the call at this place has got; `undefined` where the API gives none. */
  callId(seen: Seen, index: number): string | undefined;
  /** The whole answer. */
  whole(said: Reply, reading: Reading<Request>): object;
  /** The parts of a streamed answer. */
  parts(said: Reply, reading: Reading<Request>): Part[];
  rejection(rejected: Rejected): object;
  failure(failure: Failure): object;
  /** Headers of a stream. */
  streamType?(reading: Reading<Request>): string;
}

/** `model`: what answers, where it is not the model of the scenarios. */
export function serve<Request>(server: DialectServer<Request>, model: Model = reply): Behaviour {
  return async (exchange) => {
    let reading: Reading<Request>;
    try {
      reading = server.read(exchange);
    } catch (rejected) {
      if (!(rejected instanceof Rejected)) {
        throw rejected;
      }
      return answer(exchange, rejected.status, server.rejection(rejected));
    }
    const said = model(reading.seen, (index) => server.callId(reading.seen, index));
    if ("status" in said) {
      return answer(exchange, said.status, server.failure(said), said.status === 429 ? { "retry-after": "1" } : {});
    }
    if (!reading.seen.stream) {
      return answer(exchange, 200, server.whole(said, reading));
    }
    const type = server.streamType?.(reading);
    await stream(server.parts(said, reading), type ? { headers: { "content-type": type } } : {})(exchange);
  };
}

/** The request's JSON; what is no JSON is refused. */
export function jsonOf(exchange: Exchange): any {
  try {
    return JSON.parse(exchange.text);
  } catch {
    throw new Rejected("invalid", [], "We could not parse the JSON body of your request.");
  }
}

/** A tool's answer in words. Gemini's clients wrap it, as `{"output": …}`, `{"result": …}` or `{"name": …, "content": …}`: the same answer. */
export function plain(text: string): string {
  try {
    const { name: _, ...fields } = JSON.parse(text);
    const [[key, value] = ["", undefined], ...more] = Object.entries(fields);
    return more.length === 0 && ["output", "result", "content"].includes(key) && typeof value === "string" ? value : text;
  } catch {
    return text;
  }
}

function answer({ response }: Exchange, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}
