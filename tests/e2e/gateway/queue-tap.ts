// A queue that delivers everything twice: a Worker between the gateway and the gateway's own queue.
import type { WorkerOptions } from "miniflare";

const SCRIPT = `export default {
  async queue(batch, env) {
    for (const { body } of batch.messages) {
      const contentType = typeof body === "string" ? "text" : body instanceof ArrayBuffer ? "bytes" : "json";
      await env.ONWARD.send(body, { contentType });
      await env.ONWARD.send(body, { contentType });
    }
  },
};`;

/** Consumes the queue `from` and sends each message twice to the queue `to`. */
export function tapWorker(from: string, to: string): WorkerOptions {
  return {
    name: "tap",
    modules: true,
    script: SCRIPT,
    compatibilityDate: "2026-07-30",
    queueProducers: { ONWARD: { queueName: to } },
    queueConsumers: { [from]: { maxBatchTimeout: 0 } },
  };
}
