// The load generator, a process of its own: keep-alive connections over raw sockets, one request at a time on each.
// It is told {port, path, headers, body, connections, ms} and answers {requests, seconds, errors, p50, p99, gap50, gap99}.
import { connect } from "node:net";
import { MessageParser } from "./http.mjs";

/** The value that so much of the sorted samples lie below. */
export function percentile(sorted, fraction) {
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] : NaN;
}

async function run({ port, path, headers = {}, body, connections, ms }) {
  const fields = Object.entries({ host: `127.0.0.1:${port}`, "content-type": "application/json", ...headers, "content-length": Buffer.byteLength(body) });
  const message = Buffer.from(`POST ${path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`);
  const latencies = [];
  const gaps = [];
  let errors = 0;
  let firstError;
  const begun = performance.now();
  const until = begun + ms;

  const connection = () => new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    let sent = 0;
    let eventAt = 0;
    let ok = true;
    const finish = () => (socket.destroy(), resolve());
    const ask = () => {
      sent = performance.now();
      eventAt = 0;
      if (sent >= until) {
        return finish();
      }
      socket.write(message);
    };
    const parser = new MessageParser({
      onHead: (head) => {
        ok = head.startsWith("HTTP/1.1 200");
        firstError ??= ok ? undefined : head.slice(0, 200);
      },
      onBody: () => {
        const now = performance.now();
        if (eventAt) {
          gaps.push(now - eventAt);
        }
        eventAt = now;
      },
      onEnd: () => {
        if (ok) {
          latencies.push(performance.now() - sent);
        } else {
          errors++;
        }
        ask();
      },
    });
    socket.on("connect", ask);
    socket.on("data", (bytes) => parser.push(bytes));
    socket.on("error", (error) => (firstError ??= error.message, errors++, finish()));
    socket.on("close", finish);
  });
  await Promise.all(Array.from({ length: connections }, connection));
  const seconds = (performance.now() - begun) / 1000;
  latencies.sort((a, b) => a - b);
  gaps.sort((a, b) => a - b);
  return {
    requests: latencies.length, seconds, rate: latencies.length / seconds, errors, firstError,
    p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), gap50: percentile(gaps, 0.5), gap99: percentile(gaps, 0.99),
  };
}

/** Opens streams and keeps them open until the next message; answers when each has had its first content. */
async function open({ port, path, headers, body, connections }) {
  const sockets = [];
  const message = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  for (let begun = 0; begun < connections; begun += 50) {
    await Promise.all(Array.from({ length: Math.min(50, connections - begun) }, () => new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1" });
      let text = "";
      socket.on("data", (bytes) => {
        text += bytes.latin1Slice();
        if (text.includes(" word")) {
          resolve();
        }
      });
      socket.on("error", reject);
      socket.on("close", () => reject(new Error(`closed: ${text.slice(0, 300)}`)));
      socket.write(message);
      sockets.push(socket);
    })));
  }
  process.once("message", () => sockets.forEach((socket) => socket.destroy()));
  return { open: sockets.length };
}

if (process.send) {
  process.once("message", async (task) => {
    process.send(await (task.hold ? open(task) : run(task)).catch((error) => ({ failure: error.message })));
    if (!task.hold) {
      process.disconnect();
    }
  });
}
