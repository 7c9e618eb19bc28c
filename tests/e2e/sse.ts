// A stream as a client sees it on the wire.

/** The data of every event of a whole stream; comments apart. */
export function dataOf(text: string): string[] {
  return text
    .split(/\r?\n\r?\n/)
    .flatMap((event) => event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()));
}

/** The JSON of every event, [DONE] apart. */
export function eventsOf(text: string): any[] {
  return dataOf(text).filter((data) => data !== "[DONE]").map((data) => JSON.parse(data));
}

export const isDone = (text: string): boolean => dataOf(text).at(-1) === "[DONE]";

/** The text that the stream's content adds up to. */
export function contentOf(text: string): string {
  return eventsOf(text).map((event) => event.choices?.[0]?.delta?.content ?? "").join("");
}

/** Reads a response piece by piece. */
export class StreamReader {
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #decoder = new TextDecoder();
  text = "";

  constructor(response: Response) {
    this.#reader = response.body!.getReader();
  }

  /** Reads until the text holds this; fails if the stream ends first. */
  async untilText(expected: string): Promise<void> {
    while (!this.text.includes(expected)) {
      if (!(await this.more())) {
        throw new Error(`the stream ended without ${JSON.stringify(expected)}: ${this.text}`);
      }
    }
  }

  /** Reads to the end and gives everything. */
  async rest(): Promise<string> {
    while (await this.more());
    return this.text;
  }

  /** Reads the next piece; whether there was one. */
  async more(): Promise<boolean> {
    const { done, value } = await this.#reader.read();
    this.text += this.#decoder.decode(value, { stream: !done });
    return !done;
  }
}
