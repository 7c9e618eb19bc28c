// The upstream of the benchmark, a process of its own: prebuilt answers over raw sockets. The model's name says what is
// wanted: bench-plain, bench-stream (100 events), bench-slow (50 ms an event), bench-hold (open until released); anything
// asked at /v1/messages has an answer in that dialect.
import { createServer } from "node:net";
import { MessageParser } from "./http.mjs";

const EVENTS = 100;
const SLOW_EVENTS = 40;
const SLOW_MS = 50;

const usage = { prompt_tokens: 12, completion_tokens: 96, total_tokens: 108, prompt_tokens_details: { cached_tokens: 4 } };
const chunk = (choices, extra) => ({ id: "chatcmpl-bench", object: "chat.completion.chunk", created: 1_767_225_600, model: "bench", choices, ...extra });
const delta = (value, finish = null) => chunk([{ index: 0, delta: value, finish_reason: finish }]);
const http = (text) => Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
const event = (data) => http(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);

const body = JSON.stringify({
  id: "chatcmpl-bench", object: "chat.completion", created: 1_767_225_600, model: "bench",
  choices: [{ index: 0, message: { role: "assistant", content: "The quick brown fox jumps over the lazy dog." }, finish_reason: "stop" }], usage,
});
const whole = (text) => Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
const plain = whole(body);
const message = whole(JSON.stringify({
  id: "msg_bench", type: "message", role: "assistant", model: "bench", content: [{ type: "text", text: "The quick brown fox jumps over the lazy dog." }],
  stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 8, cache_read_input_tokens: 4, output_tokens: 96 },
}));
const streamHead = Buffer.from("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
const last = Buffer.from("0\r\n\r\n");
const role = event(delta({ role: "assistant", content: "" }));
const word = event(delta({ content: " word" }));
const tail = [event(delta({}, "stop")), event(chunk([], { usage })), Buffer.concat([event("[DONE]"), last])];
const events = (count) => [role, ...Array(count - 3).fill(word), ...tail];
const fast = events(EVENTS);
const slow = events(SLOW_EVENTS);
const held = new Set();

function send(socket, parts, next) {
  socket.write(streamHead);
  let at = 0;
  const step = () => {
    if (socket.destroyed) {
      return;
    }
    socket.write(parts[at++]);
    if (at < parts.length) {
      next(step);
    }
  };
  next(step);
}

const server = createServer({ noDelay: true }, (socket) => {
  let request = "";
  let isMessages = false;
  const parser = new MessageParser({
    onHead: (head) => (isMessages = head.startsWith("POST /v1/messages")),
    onBody: (bytes) => (request += bytes.latin1Slice()),
    onEnd: () => {
      const mode = /"bench-(\w+)/.exec(request)?.[1];
      request = "";
      if (isMessages) {
        socket.write(message);
      } else if (mode === "stream") {
        send(socket, fast, setImmediate);
      } else if (mode === "slow") {
        send(socket, slow, (step) => setTimeout(step, SLOW_MS));
      } else if (mode === "hold") {
        socket.write(Buffer.concat([streamHead, role, word]));
        held.add(socket);
      } else {
        socket.write(plain);
      }
    },
  });
  socket.on("data", (bytes) => parser.push(bytes));
  socket.on("error", () => {});
  socket.on("close", () => held.delete(socket));
});

server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
process.on("message", () => {
  // The only message: let go of what is held.
  for (const socket of held) {
    socket.write(Buffer.concat(tail));
  }
  held.clear();
});
process.on("disconnect", () => process.exit());
