// A form with a file on its way from a client to an upstream: sent on while it comes, and kept in memory only as far as
// another attempt may need it. Rust says what is read in it and what is changed; here is what holds and hands on.

/** Why an upload came to nothing; upload.rs names them. */
const TOO_LARGE = 1, REFUSED = 2, BROKEN = 3, BUSY = 4;

/** What the uploads of this isolate keep together for another attempt, and what they may hold at all, bytes. */
const KEPT = 32 * 1024 * 1024, HELD = 64 * 1024 * 1024;

/** To a wire: its upstream is told to stop because the upload failed. */
const UPLOAD = 6;

let held = 0;

export class Upload {
  #reader;
  #limit;
  #onChunk;
  /** The chunks that are kept, and how many came before them. */
  #chunks = [];
  #gone = 0;
  /** How many the attempt has taken. */
  #taken = 0;
  #size = 0;
  #held = 0;
  #attempt = 0;
  #wire;
  #isOver = false;
  #isReleased = false;
  #pending;
  #fault = 0;

  /** `onChunk` sees each chunk, and undefined at the end; where it says false, the upload is refused. */
  constructor(body, limit, onChunk) {
    this.#reader = body.getReader();
    this.#limit = limit;
    this.#onChunk = onChunk;
  }

  /** Whether it can be sent from its beginning. */
  get replays() {
    return this.#gone === 0;
  }

  get fault() {
    return this.#fault;
  }

  /** Takes all that is still to come, and keeps it as for another attempt: as far as there is room. */
  async whole() {
    while (await this.more()) if (held > KEPT) this.#forget(this.#gone + this.#chunks.length);
  }

  /** Takes one more chunk from the client; false where there is none. Two attempts may wait for the same. */
  more() {
    return (this.#pending ??= this.#take().finally(() => { this.#pending = undefined; }));
  }

  async #take() {
    if (this.#isOver) return false;
    let result;
    try {
      result = await this.#reader.read();
    } catch {
      this.#fail(BROKEN);
    }
    this.#isOver = result.done;
    const chunk = result.value;
    this.#size += chunk?.byteLength ?? 0;
    if (this.#size > this.#limit) this.#fail(TOO_LARGE);
    // What is wrong with the rest of a form is no matter once it is answered.
    if (!this.#onChunk(chunk) && !this.#isReleased) this.#fail(REFUSED);
    if (result.done) return false;
    if (held + chunk.byteLength > HELD) this.#fail(BUSY);
    this.#chunks.push(chunk);
    this.#hold(chunk.byteLength);
    return true;
  }

  #fail(fault) {
    this.#fault ||= fault;
    this.#wire?.stop(UPLOAD);
    throw new Error("the upload cannot be passed on");
  }

  #hold(bytes) {
    if (this.#isReleased) return;
    this.#held += bytes;
    held += bytes;
  }

  /**
   * The body for an attempt, whose predecessor gets nothing more. The bytes from `start` to `end` are replaced;
   * `length` is what comes of it all, where it is known. Where the upload fails, `wire` breaks the attempt off: workerd ends
   * a body whose stream fails as if it were whole.
   */
  open(start, end, replacement, length, wire) {
    this.#wire = wire;
    const attempt = ++this.#attempt;
    let index = this.#taken = 0;
    let offset = 0;
    let isReplaced = replacement === undefined;
    const piece = (chunk) => {
      const from = offset;
      offset += chunk.byteLength;
      if (isReplaced && from >= end) return [chunk];
      const pieces = [chunk.subarray(0, Math.max(0, start - from))];
      if (!isReplaced && offset > start) {
        pieces.push(replacement);
        isReplaced = true;
      }
      pieces.push(chunk.subarray(Math.min(chunk.byteLength, Math.max(0, end - from))));
      return pieces.filter(({ byteLength }) => byteLength > 0);
    };
    const source = {
      pull: async (controller) => {
        for (;;) {
          if (index === this.#gone + this.#chunks.length) {
            let isMore;
            try {
              isMore = await this.more();
            } catch {
              return new Promise(() => {}); // the attempt is being broken off
            }
            if (!isMore) return controller.close();
          }
          if (attempt !== this.#attempt) return controller.error(new Error("another attempt goes on"));
          const pieces = piece(this.#chunks[index++ - this.#gone]);
          this.#taken = index;
          if (this.#isReleased || held > KEPT) this.#forget(index);
          for (const bytes of pieces) controller.enqueue(bytes);
          if (pieces.length > 0) return;
        }
      },
    };
    const stream = new ReadableStream(source, { highWaterMark: 0 });
    if (!(length > 0)) return stream;
    const { readable, writable } = new FixedLengthStream(length);
    stream.pipeTo(writable).catch(() => {}); // whoever reads it is told
    return readable;
  }

  /** Gives up the chunks before this one: the upload cannot be sent anew. */
  #forget(index) {
    for (const chunk of this.#chunks.splice(0, index - this.#gone)) this.#hold(-chunk.byteLength);
    this.#gone = Math.max(this.#gone, index);
  }

  /** No other attempt will come. */
  release() {
    this.#wire = undefined;
    this.#forget(this.#taken);
    this.#hold(-this.#held);
    this.#isReleased = true;
  }

  /** Nobody looks any more. */
  forget() {
    this.release();
    this.#onChunk = () => true;
  }

  /** Takes what the client still sends, up to a point: it would see a reset connection instead of the answer. */
  async drain() {
    this.#attempt++;
    this.release();
    await this.#pending?.catch(() => {});
    try {
      while (!this.#isOver && this.#size <= 8 * this.#limit) {
        const { done, value } = await this.#reader.read();
        this.#isOver = done;
        this.#size += value?.byteLength ?? 0;
        if (!this.#fault) this.#onChunk(value);
      }
    } catch {}
    this.#chunks = [];
  }
}
