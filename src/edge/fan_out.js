// The parts of a call side by side (call::fan_out): to the call they are one upstream, which streams and can be stopped.

export class Parts {
  #wires = [];
  #readers = new Set();
  #pieces = [];
  #left;
  #over = false;
  #wake;

  constructor(count) {
    this.#left = count;
  }

  /** Nothing more is wanted of them. */
  get over() {
    return this.#over;
  }

  began(wire) {
    this.#wires.push(wire);
  }

  ended() {
    this.#left -= 1;
    this.#wake?.();
  }

  /** Takes in what a part streams, behind its `mark`, until it ends. Of each part one piece waits at a time. */
  async stream(mark, stream) {
    const reader = stream.getReader();
    this.#readers.add(reader);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.#over) return;
        const bytes = new Uint8Array(mark.length + value.length);
        bytes.set(mark);
        bytes.set(value, mark.length);
        await new Promise((taken) => {
          this.#pieces.push({ bytes, taken });
          this.#wake?.();
        });
      }
    } finally {
      this.#readers.delete(reader);
    }
  }

  /** As a stream's reader: what the parts streamed, until all have ended or are stopped. */
  async read() {
    while (!this.#pieces.length && this.#left && !this.#over) {
      await new Promise((wake) => { this.#wake = wake; });
    }
    const piece = this.#pieces.shift();
    piece?.taken();
    return { done: !piece, value: piece?.bytes };
  }

  /** Stops all parts; `last` ends what they streamed. Each of them ends in the core, which may be the one that calls. */
  abort(last) {
    if (this.#over) return;
    this.#over = true;
    for (const piece of this.#pieces) piece.taken();
    if (last) this.#pieces.push({ bytes: last, taken() {} });
    this.#wake?.();
    queueMicrotask(() => {
      for (const wire of this.#wires) wire.leave();
      for (const reader of this.#readers) reader.cancel().catch(() => {});
    });
  }
}
