// What an upstream hands out with its thoughts and wants back unchanged: thinking signatures, thought signatures, encrypted
// reasoning. Each upstream can open only its own, and keeps no memory for it.
import { createHmac, randomBytes } from "node:crypto";

const MAC_BYTES = 32;
/** Bytes that base64 and its URL-safe form write differently: a test must not pass by luck. */
const ODD = Buffer.from([0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff, 0xfb, 0xef, 0xbe]);

export class Seal {
  readonly #key = randomBytes(32);
  readonly #bytes: number;

  /** `bytes`: how long a sealed thought is, at least; the real ones run from some hundred to some thousand. */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  of(thought: string): Buffer {
    const once = Buffer.from(`${thought}\n`);
    const body = Buffer.concat([ODD, ...Array.from({ length: Math.ceil(this.#bytes / once.length) }, () => once)]);
    return Buffer.concat([this.#mac(body), body]);
  }

  /** Whether these bytes were sealed here and are whole. */
  opens(bytes: Buffer): boolean {
    return bytes.length > MAC_BYTES && this.#mac(bytes.subarray(MAC_BYTES)).equals(bytes.subarray(0, MAC_BYTES));
  }

  #mac(body: Buffer): Buffer {
    return createHmac("sha256", this.#key).update(body).digest();
  }
}
