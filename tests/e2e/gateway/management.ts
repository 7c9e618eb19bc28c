// The management API, as a caller signed in once.
import type { Upstream } from "../upstream.ts";

export interface Reply<T = any> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Rule {
  to: string;
  model?: string;
  target?: string;
  priority?: number;
  weight?: number;
  conditions?: object;
}

export class Management {
  readonly url: string;
  readonly token: string;
  readonly user: { id: string; username: string; role: string };

  private constructor(url: string, token: string, user: Management["user"]) {
    this.url = url;
    this.token = token;
    this.user = user;
  }

  static async signIn(url: string, username: string, password: string): Promise<Management> {
    const reply = await request(url, "POST", "/api/auth/login", { username, password });
    if (reply.status !== 200) {
      throw new Error(`signing in as ${username} gave ${reply.status}: ${JSON.stringify(reply.body)}`);
    }
    return new Management(url, reply.body.token, reply.body.user);
  }

  /** A call whatever its outcome. */
  async request<T = any>(method: string, path: string, body?: unknown): Promise<Reply<T>> {
    return await request(this.url, method, path, body, { authorization: `Bearer ${this.token}` });
  }

  /** A call that must succeed. */
  async ok<T = any>(method: string, path: string, body?: unknown): Promise<T> {
    const reply = await this.request<T>(method, path, body);
    if (reply.status >= 300) {
      throw new Error(`${method} ${path} gave ${reply.status}: ${JSON.stringify(reply.body)}`);
    }
    return reply.body;
  }

  /** An OpenAI-compatible provider at this upstream. */
  async provider(name: string, upstream: Upstream, settings: object = {}): Promise<{ id: string; name: string }> {
    return await this.ok("POST", "/api/providers", {
      name, kind: "openai-compatible", base_url: upstream.url, ...("api_keys" in settings ? {} : { api_key: `sk-${name}-secret` }), ...settings,
    });
  }

  /** A router with these rules, tried in their order unless they say otherwise. */
  async router(name: string, rules: Rule[], settings: object = {}): Promise<{ id: string; ruleIds: string[] }> {
    const { id } = await this.ok("POST", "/api/routers", { name, ...settings });
    const ruleIds: string[] = [];
    for (const [index, rule] of rules.entries()) {
      const made = await this.ok("POST", `/api/routers/${id}/rules`, {
        model_pattern: rule.model ?? "*",
        provider_id: rule.to,
        ...(rule.target && { target_model: rule.target }),
        priority: rule.priority ?? index + 1,
        ...(rule.weight !== undefined && { weight: rule.weight }),
        ...(rule.conditions && { conditions: rule.conditions }),
      });
      ruleIds.push(made.id);
    }
    return { id, ruleIds };
  }

  async key(settings: { name: string } & Record<string, unknown>): Promise<{ id: string; key: string }> {
    return await this.ok("POST", "/api/keys", settings);
  }
}

/** One call of the management API; a body that is a string goes as it is. */
export async function request(url: string, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  const response = await fetch(url + path, {
    method,
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  let parsed: unknown = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Not JSON: a test that expects JSON sees the text instead.
  }
  return { status: response.status, headers: response.headers, body: parsed };
}
