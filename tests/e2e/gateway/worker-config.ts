// What of wrangler.toml the tests run the Worker with, so that they try what will be deployed.
import { join } from "node:path";

export interface Consumer {
  maxBatchSize?: number;
  maxRetries?: number;
  /** Seconds. */
  retryDelay?: number;
  deadLetterQueue?: string;
}

export interface WorkerConfig {
  compatibilityDate: string;
  compatibilityFlags: string[];
  vars: Record<string, string>;
  /** The queue that the Worker sends finished calls to. */
  queue: string;
  /** All queues that it is bound to, by their binding. */
  producers: Record<string, { queueName: string }>;
  /** Durable Objects with SQLite, by their binding. */
  objects: Record<string, { className: string; useSQLite: true }>;
  /** What the Worker consumes, by the name of the queue. */
  consumers: Record<string, Consumer>;
}

const cached = new Map<string, Promise<WorkerConfig>>();

/** Reads it once a process: wrangler takes half a second to load. */
export function readWorkerConfig(projectRoot: string): Promise<WorkerConfig> {
  const known = cached.get(projectRoot) ?? read(join(projectRoot, "wrangler.toml"));
  cached.set(projectRoot, known);
  return known;
}

async function read(path: string): Promise<WorkerConfig> {
  const { experimental_readRawConfig } = await import("wrangler");
  const { rawConfig } = experimental_readRawConfig({ config: path });
  const queue = rawConfig.queues?.producers?.find(({ binding }) => binding === "LOGS")?.queue;
  if (!rawConfig.compatibility_date || !queue) {
    throw new Error(`${path} lacks a compatibility date, or the queue LOGS`);
  }
  const consumers = (rawConfig.queues?.consumers ?? []).map((consumer): [string, Consumer] => [consumer.queue, {
    maxBatchSize: consumer.max_batch_size,
    maxRetries: consumer.max_retries,
    retryDelay: consumer.retry_delay,
    deadLetterQueue: consumer.dead_letter_queue,
  }]);
  return {
    compatibilityDate: rawConfig.compatibility_date,
    compatibilityFlags: rawConfig.compatibility_flags ?? [],
    vars: (rawConfig.vars ?? {}) as Record<string, string>,
    queue,
    producers: Object.fromEntries((rawConfig.queues?.producers ?? []).map(({ binding, queue }) => [binding, { queueName: queue }])),
    objects: Object.fromEntries((rawConfig.durable_objects?.bindings ?? []).map(({ name, class_name }) => [name, { className: class_name, useSQLite: true }])),
    consumers: Object.fromEntries(consumers),
  };
}
