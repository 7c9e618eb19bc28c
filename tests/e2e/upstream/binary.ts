// Amazon's binary event streams, as Bedrock's Converse sends them.
import { crc32 } from "node:zlib";
import type { Behaviour } from "../upstream.ts";

/** A message of Bedrock's binary streams. */
export function binary(kind: string, name: string, payload: object): Buffer {
  const headers = Buffer.concat(Object.entries({ [`:${kind}-type`]: name, ":content-type": "application/json", ":message-type": kind })
    .map(([header, value]) => Buffer.from(`${String.fromCharCode(header.length)}${header}\x07\0${String.fromCharCode(value.length)}${value}`, "latin1")));
  const body = Buffer.from(JSON.stringify(payload));
  const word = (number: number) => { const bytes = Buffer.alloc(4); bytes.writeUInt32BE(number); return bytes; };
  const prelude = Buffer.concat([word(headers.length + body.length + 16), word(headers.length)]);
  const message = Buffer.concat([prelude, word(crc32(prelude)), headers, body]);
  return Buffer.concat([message, word(crc32(message))]);
}

/** A binary stream, in pieces that no message keeps to. */
export const binaryStream = (...messages: Buffer[]): Behaviour => async ({ response }) => {
  response.writeHead(200, { "content-type": "application/vnd.amazon.eventstream" });
  const whole = Buffer.concat(messages);
  for (let at = 0; at < whole.length; at += 97) {
    response.write(whole.subarray(at, at + 97));
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
};
