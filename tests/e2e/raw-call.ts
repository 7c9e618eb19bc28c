// A client of its own socket, for the ways of leaving that no SDK offers.
import { connect, type Socket } from "node:net";

export class RawCall {
  readonly #socket: Socket;
  #text = "";
  #changed: () => void = () => {};

  /** Sends one POST with a JSON body. */
  constructor(url: string, path: string, key: string, body: unknown, headers: Record<string, string> = {}) {
    const { hostname, port, host } = new URL(url);
    const text = JSON.stringify(body);
    this.#socket = connect(Number(port), hostname);
    this.#socket.setEncoding("utf8");
    this.#socket.on("data", (part: string) => {
      this.#text += part;
      this.#changed();
    });
    this.#socket.on("error", () => {}); // Leaving is what it is for.
    this.#socket.write(
      `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\n` +
        Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("") +
        `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
  }

  /** All that came so far, headers and chunk sizes included, once it holds this. */
  async untilText(expected: string): Promise<string> {
    while (!this.#text.includes(expected)) {
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
    return this.#text;
  }

  /** Leaves politely: workerd notices at its next write. */
  close(): void {
    this.#socket.destroy();
  }

  /** Leaves with a reset: workerd notices at once. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}
