// Just enough of HTTP/1.1 for both ends of a benchmark: neither may cost as much as what is measured.

const END_OF_HEAD = Buffer.from("\r\n\r\n");
const EMPTY = Buffer.alloc(0);

/** Cuts a byte stream into messages; `onBody` sees each piece of a body, `onEnd` each message's end. */
export class MessageParser {
  #pending = EMPTY;
  /** Bytes of a sized body, or of the current chunk, that are still to come; -1: a chunk's size is next. */
  #left = 0;
  #chunked = false;
  #inBody = false;

  constructor({ onHead = () => {}, onBody = () => {}, onEnd }) {
    this.onHead = onHead;
    this.onBody = onBody;
    this.onEnd = onEnd;
  }

  push(bytes) {
    this.#pending = this.#pending.length ? Buffer.concat([this.#pending, bytes]) : bytes;
    while (this.#step());
  }

  /** Takes one piece off what is pending; false when more must come first. */
  #step() {
    const pending = this.#pending;
    if (!this.#inBody) {
      const end = pending.indexOf(END_OF_HEAD);
      if (end < 0) {
        return false;
      }
      const head = pending.latin1Slice(0, end);
      this.#pending = pending.subarray(end + 4);
      this.#inBody = true;
      this.#chunked = /\r\ntransfer-encoding: *chunked/i.test(head);
      this.#left = this.#chunked ? -1 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      this.onHead(head);
      return this.#chunked || this.#left > 0 || this.#end();
    }
    if (this.#left < 0) {
      const end = pending.indexOf("\r\n");
      if (end < 0) {
        return false;
      }
      const size = Number.parseInt(pending.latin1Slice(0, end), 16);
      if (size === 0) {
        if (pending.length < end + 4) {
          return false;
        }
        this.#pending = pending.subarray(end + 4);
        return this.#end();
      }
      this.#pending = pending.subarray(end + 2);
      this.#left = size + 2; // with the line end after it
      return true;
    }
    if (pending.length === 0) {
      return false;
    }
    const taken = Math.min(this.#left, pending.length);
    this.#left -= taken;
    const excess = this.#chunked ? Math.max(0, 2 - this.#left) : 0;
    this.#pending = pending.subarray(taken);
    if (taken > excess) {
      this.onBody(pending.subarray(0, taken - excess));
    }
    if (this.#left === 0) {
      return this.#chunked ? ((this.#left = -1), true) : this.#end();
    }
    return true;
  }

  #end() {
    this.#inBody = false;
    this.onEnd();
    return true;
  }
}
