// An upstream that can be watched while it still receives: what came so far, and when a first part of it was there.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export class Receiver {
  readonly #server: Server;
  #parts: Buffer[] = [];
  /** Bytes that came so far. */
  size = 0;
  headers: IncomingMessage["headers"] = {};
  #changed: () => void = () => {};
  #isWhole = false;
  wasBrokenOff = false;

  private constructor(answer: (response: ServerResponse) => void) {
    this.#server = createServer((request, response) => {
      this.#parts = [];
      this.size = 0;
      this.headers = request.headers;
      request.on("data", (part: Buffer) => {
        this.#parts.push(part);
        this.size += part.length;
        this.#changed();
      });
      request.on("end", () => {
        this.#isWhole = true;
        answer(response);
      });
      request.on("close", () => {
        this.wasBrokenOff = !this.#isWhole;
        this.#changed();
      });
      request.on("error", () => {}); // a sender that has gone is noted in `wasBrokenOff`
    });
  }

  static async start(answer: (response: ServerResponse) => void): Promise<Receiver> {
    const receiver = new Receiver(answer);
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    return receiver;
  }

  /** All that came so far. */
  get text(): string {
    return Buffer.concat(this.#parts).toString("latin1");
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
