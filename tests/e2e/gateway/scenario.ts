// What most stories begin with: some providers at scripted upstreams, a router over them, and a key.
import type OpenAI from "openai";
import type { Gateway } from "../gateway.ts";
import type { Upstream } from "../upstream.ts";
import type { LogRow } from "./log-rows.ts";

export interface Scenario {
  key: string;
  keyId: string;
  routerId: string;
  /** The providers' names, in the order of the upstreams. */
  providers: string[];
  providerIds: string[];
  client: OpenAI;
  /** A chat call by `fetch`. */
  chat(body?: object, headers?: Record<string, string>): Promise<Response>;
  /** The log record of an answer. */
  log(response: Response): Promise<LogRow>;
}

export interface ScenarioSettings {
  /** Of the router. */
  retry?: { max_retries?: number; base_delay_ms?: number };
  timeouts?: { headers_ms?: number; first_content_ms?: number; idle_ms?: number; total_ms?: number };
  /** The provider keys of each upstream. */
  keys?: string[][];
  /** The model that each upstream is asked for. */
  targets?: string[];
  /** Of the gateway key. */
  key?: object;
}

/** Nothing is shared between scenarios of a gateway: not a provider, so not a cooldown either. */
export async function scenario(gateway: Gateway, upstreams: Upstream[], settings: ScenarioSettings = {}): Promise<Scenario> {
  const { admin } = gateway;
  const providers: string[] = [];
  const providerIds: string[] = [];
  for (const [index, upstream] of upstreams.entries()) {
    const keys = settings.keys?.[index];
    const provider = await admin.provider(gateway.unique(`provider-${upstream.name}`), upstream, keys && { api_keys: keys });
    providers.push(provider.name);
    providerIds.push(provider.id);
  }
  const rules = providerIds.map((to, index) => ({ to, target: settings.targets?.[index] }));
  const { id: routerId } = await admin.router(gateway.unique("router"), rules, {
    ...(settings.retry && { retry: settings.retry }),
    ...(settings.timeouts && { timeouts: settings.timeouts }),
  });
  const { key, id: keyId } = await admin.key({ name: gateway.unique("key"), router_id: routerId, ...settings.key });
  return {
    key, keyId, routerId, providers, providerIds,
    client: gateway.client(key),
    chat: (body = {}, headers = {}) => gateway.call(key, "/v1/chat/completions", { ...question(), ...body }, { headers }),
    log: (response) => gateway.log(response.headers.get("x-request-id")),
  };
}

/** The smallest sensible question. */
export function question(text = "Say hello.") {
  return { model: "e2e-small", messages: [{ role: "user" as const, content: text }] };
}
