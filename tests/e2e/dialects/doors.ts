// A gateway in front of the four strict upstreams, with a door for every pair of dialects.
import { Gateway } from "../gateway.ts";
import { startStrict, type StrictUpstream } from "../upstream/strict.ts";
import { DIALECTS, type Dialect, type Door } from "./neutral.ts";
import type { Pair } from "./scenarios.ts";

/** What an upstream of this dialect is to the gateway. */
const KINDS: Record<Dialect, string> = { chat: "openai-compatible", responses: "openai", messages: "anthropic", gemini: "gemini" };

/** What a client of this dialect would ask for: the gateway puts the upstream's own model in its place. */
const MODELS: Record<Dialect, string> = { chat: "gpt-4.1", responses: "gpt-5.1", messages: "claude-sonnet-4-5", gemini: "gemini-2.5-pro" };

export class Doors {
  readonly #gateway: Gateway;
  readonly #upstreams: Record<Dialect, StrictUpstream>;
  /** A gateway key by upstream: its router leads there and nowhere else. */
  readonly #keys = new Map<Dialect, Promise<string>>();

  private constructor(gateway: Gateway, upstreams: StrictUpstream[]) {
    this.#gateway = gateway;
    this.#upstreams = Object.fromEntries(upstreams.map((it) => [it.dialect, it])) as Record<Dialect, StrictUpstream>;
  }

  static async open(): Promise<Doors> {
    return new Doors(await Gateway.start(), await Promise.all(DIALECTS.map((dialect) => startStrict(dialect))));
  }

  async close(): Promise<void> {
    await this.#gateway.stop();
    await Promise.all(Object.values(this.#upstreams).map(({ upstream }) => upstream.stop()));
  }

  /** `own`: nobody else goes through it, so that a provider cooling down behind it harms nobody. */
  async door({ client, upstream }: Pair, own = false): Promise<Door> {
    const key = own ? this.#key(upstream) : (this.#keys.get(upstream) ?? this.#key(upstream));
    if (!own) {
      this.#keys.set(upstream, key);
    }
    return { origin: this.#gateway.url, key: await key, model: MODELS[client] };
  }

  /** The bodies that an upstream got since this was last called. */
  bodies(dialect: Dialect): any[] {
    return this.#upstreams[dialect].upstream.exchanges.splice(0).map(({ json }) => json);
  }

  /** What an upstream was asked since this was last called, and what it said to it: for the report of a failure. */
  asked(dialect: Dialect): string {
    const { exchanges } = this.#upstreams[dialect].upstream;
    return exchanges.splice(0).map(({ method, path, text, response }) => `${method} ${path} → ${response.statusCode}\n${text.slice(0, 4000)}`).join("\n");
  }

  /** The catalogue says this of an upstream's model. To be told before its first call: the gateway remembers what it was told. */
  async knows(dialect: Dialect, maxOutputTokens: number): Promise<void> {
    const { model } = this.#upstreams[dialect];
    await this.#gateway.sql("INSERT INTO models (id, kind, model, max_output_tokens, effective_from, source, updated_at) VALUES (?1, '*', ?1, ?2, 0, 'catalog', 0)", model, maxOutputTokens);
  }

  #key(upstream: Dialect): Promise<string> {
    return keyTo(this.#gateway, this.#upstreams[upstream]);
  }
}

/** A gateway key that leads to a strict upstream, by a provider and a router of its own. */
export async function keyTo(gateway: Gateway, { dialect, url, model }: StrictUpstream): Promise<string> {
  const { admin } = gateway;
  const provider = await admin.ok("POST", "/api/providers", {
    name: gateway.unique(`strict-${dialect}`), kind: KINDS[dialect], base_url: url, api_key: "sk-strict-secret", config: { dialect },
  });
  const router = await admin.router(gateway.unique("router"), [{ to: provider.id, target: model }], { retry: { max_retries: 0 } });
  return (await admin.key({ name: gateway.unique("key"), router_id: router.id })).key;
}
