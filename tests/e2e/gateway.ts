// The built Worker, running in workerd with a real D1, KV and queue, on a port of its own that any client can connect to.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Miniflare, type MiniflareOptions, type WorkerOptions } from "miniflare";
import OpenAI from "openai";
import { readLogs, type LogRow } from "./gateway/log-rows.ts";
import { Management } from "./gateway/management.ts";
import { schemaStatements } from "./gateway/schema.ts";
import { readWorkerConfig, type Consumer } from "./gateway/worker-config.ts";
import { tapWorker } from "./gateway/queue-tap.ts";
import { until } from "./gateway/until.ts";
import type { Upstream } from "./upstream.ts";

export const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const ADMIN_PASSWORD = "an admin password for tests";
export const MASTER_KEY = Buffer.alloc(32, 7).toString("base64");

export interface GatewayOptions {
  /** Variables beside the usual ones, or instead of them; `undefined` removes one. */
  vars?: Record<string, string | undefined>;
  /** Every queue message is delivered twice. */
  deliverTwice?: boolean;
  /** There is no log queue: records are written to D1 at once, and none is lost with this process. */
  withoutQueue?: boolean;
  /** Extra options of the log queue's consumers. */
  consumer?: Consumer;
  /** The module of a binding `AI`: a function that is given its environment and gives the binding. */
  ai?: string;
  /** Upstreams that stand for public hosts, by name; they are told in `x-asked-of` which URL was asked. */
  internet?: Record<string, Upstream>;
  /** Another build than the one in `build`, its entry or its folder. */
  build?: string;
}

export class Gateway {
  #miniflare!: Miniflare;
  readonly #state = mkdtempSync(join(tmpdir(), "edgeway-e2e-"));
  /** `http://127.0.0.1:port` */
  url = "";
  /** The management API, signed in as admin. */
  admin!: Management;
  readonly options: GatewayOptions;
  /** What the Worker wrote to its log, and when. */
  readonly said: { at: number; message: string }[] = [];
  #names = 0;

  private constructor(options: GatewayOptions) {
    this.options = options;
  }

  static async start(options: GatewayOptions = {}): Promise<Gateway> {
    const gateway = new Gateway(options);
    await gateway.#run(true);
    return gateway;
  }

  async #run(fresh: boolean): Promise<void> {
    this.#miniflare = new Miniflare(await miniflareOptions(this.options, this.#state, this.said));
    await this.#miniflare.ready;
    if (fresh) {
      const database = await this.database();
      await database.batch(schemaStatements(readFileSync(join(projectRoot, "schema.sql"), "utf8")).map((sql) => database.prepare(sql)));
    }
    this.url = (await this.#miniflare.unsafeGetDirectURL("edgeway")).origin;
    this.admin = await Management.signIn(this.url, "admin", ADMIN_PASSWORD);
  }

  /** Stops workerd and starts it anew on the same storage. */
  async restart(vars?: GatewayOptions["vars"]): Promise<void> {
    await this.#miniflare.dispose();
    Object.assign(this.options, { vars: { ...this.options.vars, ...vars } });
    await this.#run(false);
  }

  async stop(): Promise<void> {
    await this.#miniflare.dispose();
    rmSync(this.#state, { recursive: true, force: true });
  }

  /** Direct access to D1. */
  async database() {
    return await this.#miniflare.getD1Database("DB", "edgeway");
  }

  /** Runs one statement on D1 and gives its rows. */
  async sql<Row = Record<string, unknown>>(statement: string, ...values: unknown[]): Promise<Row[]> {
    const prepared = (await this.database()).prepare(statement);
    return (await (values.length ? prepared.bind(...values) : prepared).all<Row>()).results;
  }

  /** Asks an owner's ledger object itself, as a build is patched to answer for a test. */
  async ledger(owner: string, path: string): Promise<string> {
    const ledgers = await this.#miniflare.getDurableObjectNamespace("LEDGER", "edgeway");
    return await (await ledgers.get(ledgers.idFromName(owner)).fetch(`https://ledger${path}`)).text();
  }

  /** A name that nothing else of this gateway has. */
  unique(stem: string): string {
    return `${stem}-${++this.#names}`;
  }

  /** A plain call with a gateway key. */
  async call(key: string, path: string, body?: unknown, init: RequestInit = {}): Promise<Response> {
    return await fetch(this.url + path, {
      method: body === undefined ? "GET" : "POST",
      ...init,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...(init.headers as Record<string, string>) },
      body: body === undefined || typeof body === "string" || body instanceof Uint8Array ? (body as BodyInit) : JSON.stringify(body),
    });
  }

  /** The official client, which does not retry by itself here. */
  client(apiKey: string, options: object = {}): OpenAI {
    return new OpenAI({ apiKey, baseURL: `${this.url}/v1`, maxRetries: 0, ...options });
  }

  /** The log record of one call, when the queue has brought it to D1. */
  async log(requestId: string | null): Promise<LogRow> {
    if (!requestId) {
      throw new Error("the answer had no x-request-id");
    }
    return await until(`the log record of ${requestId}`, async () => (await readLogs(this, "WHERE id = ?1", requestId))[0]);
  }

  /** All log records of one key, when there are `count` of them. */
  async logsOfKey(keyId: string, count: number): Promise<LogRow[]> {
    return await until(`${count} log records`, async () => {
      const rows = await readLogs(this, "WHERE key_id = ?1 ORDER BY created_at, id", keyId);
      return rows.length >= count ? rows : undefined;
    });
  }
}

/** The Worker that is tested: its folder, or its entry. */
export function builtWorker(): string {
  return process.env.EDGEWAY_BUILD ?? join(projectRoot, "build");
}

/** A Worker that all others' requests go through: to those hosts' upstreams, or to where they would go without it. */
function internet(hosts: Record<string, Upstream>): WorkerOptions {
  const addresses = Object.fromEntries(Object.entries(hosts).map(([host, { url }]) => [host, new URL(url).origin]));
  const script = `export default { fetch(request, { addresses }) {
    const { origin, hostname, port, pathname, search } = new URL(request.url);
    const there = addresses[hostname];
    if (!there) return port ? fetch(request) : new Response("nobody plays " + hostname, { status: 502 });
    const headers = new Headers(request.headers);
    headers.set("x-asked-of", origin + pathname + search);
    return fetch(new Request(there + pathname + search, new Request(request, { headers })));
  } };`;
  return { name: "internet", modules: true, script, bindings: { addresses } };
}

/** How Miniflare runs the Worker: as wrangler.toml says, with what is a test's own. */
async function miniflareOptions(options: GatewayOptions, state: string, said: Gateway["said"]): Promise<MiniflareOptions> {
  const build = options.build ?? builtWorker();
  const script = build.endsWith(".js") ? build : join(build, "index.js");
  if (!existsSync(script)) {
    throw new Error(`there is no Worker at ${script}: run \`npm run build\` first`);
  }
  const config = await readWorkerConfig(projectRoot);
  const vars = {
    ...config.vars, MASTER_KEY, ADMIN_PASSWORD, ALLOW_PRIVATE_UPSTREAMS: "true",
    // Failed calls are tried again soon: the tests wait for behaviour, not for backoff.
    UPSTREAM_RETRY_BASE_DELAY_MS: "5",
    ...options.vars,
  };
  const consumers = Object.entries(config.consumers).map(([queue, consumer]) => [
    queue, { ...consumer, maxBatchTimeout: 0.05, retryDelay: 1, ...options.consumer }, // seconds; the tests are in a hurry
  ]);
  const worker: WorkerOptions = {
    name: "edgeway",
    modules: true,
    modulesRoot: dirname(script),
    scriptPath: script,
    modulesRules: [{ type: "CompiledWasm", include: ["**/*.wasm"] }, { type: "ESModule", include: ["**/*.js", "**/*.mjs"] }],
    compatibilityDate: config.compatibilityDate,
    compatibilityFlags: config.compatibilityFlags,
    bindings: Object.fromEntries(Object.entries(vars).filter(([, value]) => value !== undefined)) as Record<string, string>,
    d1Databases: { DB: "edgeway-e2e" },
    kvNamespaces: { CACHE: "edgeway-e2e" },
    durableObjects: config.objects,
    queueProducers: options.withoutQueue ? {} : { ...config.producers, ...(options.deliverTwice && { LOGS: { queueName: "tapped" } }) },
    queueConsumers: Object.fromEntries(consumers),
    wrappedBindings: options.ai ? { AI: { scriptName: "ai" } } : {},
    ...(options.internet && { outboundService: "internet" }),
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  };
  const beside: WorkerOptions[] = options.deliverTwice ? [tapWorker("tapped", config.queue)] : [];
  if (options.ai) beside.push({ name: "ai", modules: true, script: options.ai });
  if (options.internet) beside.push(internet(options.internet));
  return {
    d1Persist: join(state, "d1"),
    kvPersist: join(state, "kv"),
    durableObjectsPersist: join(state, "do"),
    // The Worker's own log is noise in a report of tests, and all there is when one fails.
    handleStructuredLogs: ({ level, message }) => {
      said.push({ at: Date.now(), message });
      if (process.env.EDGEWAY_E2E_LOG || (level === "error" && /panic/i.test(message))) {
        console.error(`[worker ${level}] ${message}`);
      }
    },
    workers: [worker, ...beside],
  };
}
