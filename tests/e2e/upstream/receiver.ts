// An upstream that can be watched while it still receives: what came so far, and when a first part of it was there.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export class Receiver {
  readonly #server: Server;
  received = Buffer.alloc(0);
  headers: IncomingMessage["headers"] = {};
  #changed: () => void = () => {};
  #isWhole = false;
  wasBrokenOff = false;

  private constructor(answer: (response: ServerResponse, body: Buffer) => void) {
    this.#server = createServer((request, response) => {
      this.received = Buffer.alloc(0);
      this.headers = request.headers;
      request.on("data", (part: Buffer) => {
        this.received = Buffer.concat([this.received, part]);
        this.#changed();
      });
      request.on("end", () => {
        this.#isWhole = true;
        answer(response, this.received);
      });
      request.on("close", () => {
        this.wasBrokenOff = !this.#isWhole;
        this.#changed();
      });
      request.on("error", () => {}); // a sender that has gone is noted in `wasBrokenOff`
    });
  }

  static async start(answer: (response: ServerResponse, body: Buffer) => void): Promise<Receiver> {
    const receiver = new Receiver(answer);
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    return receiver;
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
