// What crosses between Rust and the platform on every call, in as few crossings as there can be.
//
// A Rust closure or future in JavaScript's hands is registered for finalisation. A dozen of them a call fill the heap with
// weak cells, and its collection then stops every stream for tens of milliseconds. So the promises of a call live here,
// and no decision does: Rust says what to send, how long to wait and what a chunk becomes. docs/adr/0009 has the figures.

import { reach } from "./workers-ai.js";

/** Why a call's upstream was told to stop; wire.rs names the deadlines. */
const LEFT = 1;

/** How a relay ended: what the core is told. */
const DONE = 0, FAILED = 1, CLIENT_LEFT = 2;

/** What the core says of a chunk: it goes as it came, other bytes go in its place; and that it is the last. */
const AS_IS = 1, OTHERS = 2, LAST = 4;

/** The exports of the wasm's instance that runs. After a trap there is another, and what the one before began is lost. */
let running;
let memory = new Uint8Array();

/** The wasm's memory; its buffer is another whenever it has grown. */
function bytesOf(core) {
  if (memory.buffer !== core.memory.buffer) memory = new Uint8Array(core.memory.buffer);
  return memory;
}

/** Calls the core from outside of a call of its own: a trap in it is for entry.js to hear of. */
function enter(core, call) {
  if (core !== running) throw new Error("the Worker was started anew");
  try {
    return call();
  } catch (error) {
    reportError(error);
    throw error;
  }
}

/** One call: its client on one side, one upstream at a time on the other. */
export class Wire {
  #controller;
  #timer;
  #kind;
  #at = 0;
  #why = 0;
  #left = false;
  #onLeave;
  #client;
  #release;
  #settled = false;
  #over = false;
  #copy;
  #request;
  #context;
  #signal;
  #onAbort;
  #pour;

  /** A client that leaves ends the invocation, unless its leaving asks for time: until `release`, to be noted. */
  constructor(request, context) {
    this.#request = request;
    this.#context = context;
    this.#signal = request.signal;
    this.#onAbort = () => {
      this.#copy?.leave();
      if (this.#settled) return;
      context.waitUntil(new Promise((resolve) => { this.#release = resolve; }));
      this.leave();
    };
    this.#signal.addEventListener("abort", this.#onAbort);
  }

  /** Nobody waits for the answer any more. */
  leave() {
    this.#left = true;
    this.stop(LEFT);
    this.#onLeave?.();
  }

  /** The wire of a part of this call. */
  part() {
    return new Wire(this.#request, this.#context);
  }

  /** The parts are this call's upstream. */
  take(parts) {
    this.#controller = parts;
    this.#why = this.#left ? LEFT : 0;
    if (this.#left) parts.abort();
  }

  /** Whether the client has gone. */
  get left() {
    return this.#left;
  }

  /** Why the upstream was told to stop; 0 where it was not. */
  get why() {
    return this.#why;
  }

  /** The call is settled. */
  release() {
    this.#onLeave = undefined;
    this.#settled = true;
    this.arrived();
    this.#release?.();
    // The platform holds on to a listener, and so to all that the call has touched, until the next full collection.
    if (!this.#copy) this.#signal.removeEventListener("abort", this.#onAbort);
  }

  stop(why) {
    this.#why ||= why;
    this.#controller?.abort();
  }

  /** From now on this deadline runs, instead of the one before. */
  deadline(kind, ms) {
    const at = Date.now() + ms;
    this.#kind = kind;
    if (this.#timer !== undefined && Math.abs(at - this.#at) <= 1) return;
    this.arrived();
    this.#at = at;
    this.#timer = setTimeout(() => this.stop(this.#kind), ms);
  }

  /** No deadline runs any more. */
  arrived() {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Sends, and waits for the answer: all of it, or, where events are wanted and come, their reader. `wants` is 0 for the
   * whole, 1 for events, and 2 for whatever comes: then a body that is no JSON is handed on as it streams.
   * `kinds` are the deadlines for headers, first content and the whole; each has its ms from now.
   */
  async exchange(url, init, body, wants, kinds, headersMs, contentMs, totalMs) {
    const begun = Date.now();
    const left = (ms) => Math.max(1, ms - (Date.now() - begun));
    this.#controller = new AbortController();
    this.#why = this.#left ? LEFT : 0;
    if (this.#left) this.#controller.abort();
    this.deadline(kinds & 255, headersMs);
    init.body = body;
    init.signal = this.#controller.signal;
    const response = await reach(url, init);
    const contentType = response.headers.get("content-type") ?? "";
    const reply = { response, status: response.status, contentType, buffer: undefined, reader: undefined, body: undefined };
    if (wants && response.ok && response.body && /^\s*(text\/event-stream|application\/vnd\.amazon\.eventstream)/i.test(contentType)) {
      this.deadline((kinds >> 8) & 255, left(contentMs));
      reply.reader = response.body.getReader();
      return reply;
    }
    if (wants === 2 && response.ok && response.body && contentType && !/^\s*application\/([\w.-]+\+)?json\b/i.test(contentType)) {
      this.arrived();
      reply.body = response.body;
      return reply;
    }
    this.deadline((kinds >> 16) & 255, left(totalMs));
    reply.buffer = await response.arrayBuffer();
    this.arrived();
    return reply;
  }

  /**
   * The client's stream. `waiting` goes first, and where it is all there is, the stream ends with it; then each chunk is
   * shown to the core's relay in this `slot`. That is told of the end at most once, and not after `close`.
   */
  relay(core, slot, reader, waiting, isDone) {
    running = core;
    const end = (how, error) => {
      if (!this.#over) {
        this.#over = true;
        enter(core, () => core.relay_ended(slot, how, error));
      }
    };
    this.#onLeave = () => end(CLIENT_LEFT);
    const source = {
      start: (controller) => { this.#client = controller; },
      pull: async (controller) => {
        if (waiting) {
          for (const chunk of waiting) controller.enqueue(chunk);
          waiting = undefined;
          return isDone ? end(DONE) : undefined;
        }
        while (!this.#over) {
          let result;
          try {
            result = await reader.read();
          } catch (error) {
            return end(FAILED, error);
          }
          if (this.#over) return;
          if (result.done) return end(DONE);
          const chunk = result.value;
          const outcome = enter(core, () => {
            const at = core.relay_room(chunk.byteLength);
            bytesOf(core).set(chunk, at);
            return core.relay_push(slot, chunk.byteLength);
          });
          if (outcome & AS_IS) {
            controller.enqueue(chunk);
          } else if (outcome & OTHERS) {
            const at = core.relay_others();
            controller.enqueue(bytesOf(core).slice(at, at + core.relay_others_length()));
          }
          if (outcome & LAST) return end(DONE);
          if (outcome) return;
        }
      },
      cancel: () => end(CLIENT_LEFT),
    };
    return new ReadableStream(source, { highWaterMark: 0 });
  }

  /** The client's stream before there is an answer: `say` speaks in it, and then `pour` or `close` ends that. */
  open() {
    const { promise, resolve } = Promise.withResolvers();
    this.#pour = resolve;
    const source = {
      start: (controller) => { this.#client = controller; },
      pull: async (controller) => {
        const { done, value } = await (await promise).read();
        return done ? controller.close() : controller.enqueue(value);
      },
      cancel: async (reason) => (await promise).cancel(reason),
    };
    return new ReadableStream(source, { highWaterMark: 0 });
  }

  /** What was opened goes on with the body of this answer. */
  pour(response) {
    this.#pour(response.body.getReader());
  }

  /** The bytes that go to the client, once all of them have: nothing where it leaves before that, or where they are too many. */
  copy() {
    const { promise, resolve } = Promise.withResolvers();
    this.#copy = { resolve, leave: resolve };
    return promise;
  }

  /** The same answer, of which that copy is made. JSON is there as a whole: it is copied whether the client waits or not. */
  async copied(response, limit) {
    const copy = this.#copy;
    if (!response.body) {
      copy.resolve();
      return response;
    }
    if (/\bjson\b/i.test(response.headers.get("content-type") ?? "")) {
      const body = await response.arrayBuffer();
      copy.resolve(body.byteLength <= limit ? new Uint8Array(body) : undefined);
      return new Response(body, response);
    }
    const reader = response.body.getReader();
    let chunks = [];
    let size = 0;
    const take = async () => {
      const { done, value } = await reader.read();
      size += value?.byteLength ?? 0;
      if (size > limit) {
        copy.resolve();
        chunks = [];
      } else if (done) {
        copy.resolve(new Blob(chunks).arrayBuffer().then((buffer) => new Uint8Array(buffer)));
      } else {
        chunks.push(value);
      }
      return value;
    };
    // A client may leave when it has seen the last event, before the stream is closed: the little that is left is there.
    copy.leave = async () => {
      if (!this.#over) return copy.resolve();
      try {
        while (await take());
      } catch {}
      copy.resolve();
    };
    const source = {
      pull: async (controller) => {
        try {
          const chunk = await take();
          return chunk ? controller.enqueue(chunk) : controller.close();
        } catch (error) {
          copy.resolve();
          controller.error(error);
        }
      },
      cancel: async (reason) => {
        await copy.leave();
        await reader.cancel(reason);
      },
    };
    return new Response(new ReadableStream(source, { highWaterMark: 0 }), response);
  }

  /** Bytes that no chunk of the upstream's is. The client may be gone, and then there is nobody to tell. */
  say(bytes) {
    try {
      this.#client.enqueue(bytes);
    } catch {}
  }

  close() {
    this.#over = true;
    try {
      this.#client.close();
    } catch {}
  }
}

/** A promise that Rust settles. */
export function deferred() {
  return Promise.withResolvers();
}

/** Tells the core what becomes of a promise, once. */
export function watch(core, promise, slot) {
  running = core;
  promise.then(
    (value) => enter(core, () => core.promise_settled(slot, true, value)),
    (error) => enter(core, () => core.promise_settled(slot, false, error)),
  );
}

/** Fulfils after so long. */
export function after(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

/** Has the core run what was woken, once whoever woke it is done. */
export function runSoon(core) {
  running = core;
  queueMicrotask(() => enter(core, () => core.run_woken()));
}

/** A request's method, its URL and the values of these headers, each on a line. */
export function head(request, names) {
  return `${request.method}\n${request.url}\n${pick(request.headers, names)}`;
}

/** The values of these headers, each on a line; an absent one is an empty line. No value holds a line break. */
export function pick(headers, names) {
  let values = "";
  for (const name of names) values += `${headers.get(name) ?? ""}\n`;
  return values;
}

/** Whether there is a header of one of these names. */
export function haveAny({ headers }, names) {
  return names.some((name) => headers.has(name));
}

/** What a buffer holds. The crossing copies it, once. */
export function bytes(buffer) {
  return new Uint8Array(buffer);
}

/**
 * An answer; `head` has names and values on alternate lines. A plain object, for `Headers` would be filled line by line and
 * then copied: some 15 µs of the 245 that a plain call took.
 */
export function respond(status, head, body) {
  const lines = head.split("\n");
  const headers = {};
  for (let at = 0; at + 1 < lines.length; at += 2) headers[lines[at]] = lines[at + 1];
  return new Response(body, { status, headers });
}

/** The signature of a text by an RSA key (PKCS #8, DER): RSASSA-PKCS1-v1_5 with SHA-256. */
export async function signRs256(der, text) {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
  return crypto.subtle.sign(algorithm, key, new TextEncoder().encode(text));
}

/** The same answer with another body. */
export function withBody(response, body) {
  return new Response(body, response);
}

/** A request's body, or null where it is longer than `limit`. */
export function readBody(request, announced, limit) {
  return announced <= limit || !request.body ? request.arrayBuffer() : readChunks(request, limit);
}

/**
 * The same, where its length is known only at its end. What is too long is read to its end all the same, up to a point: a
 * client that is still sending would see a reset connection instead of the answer. None of that is kept.
 */
async function readChunks(request, limit) {
  let chunks = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    if (size <= limit) chunks.push(chunk);
    else chunks = [];
    if (size > 8 * limit) break;
  }
  return size <= limit ? new Blob(chunks).arrayBuffer() : null;
}
