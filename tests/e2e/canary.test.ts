// A canary in every slot that holds a credential, in client headers and in body fields: afterwards every upstream request,
// every row of the database, every answer and the Worker's own log are searched for those that do not belong there.
import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADMIN_PASSWORD, Gateway, MASTER_KEY } from "./gateway.ts";
import { question } from "./gateway/scenario.ts";
import { Upstream, type Behaviour, type Exchange } from "./upstream.ts";

const ENVIRONMENT = "sk-canary-environment-0001";
const STATIC = "static-canary-gateway-0002";
const OPERATORS = { PASSWORD: "canary-shared-password-0026", METRICS_USERNAME: "metrics", METRICS_PASSWORD: "canary-metrics-0027", OTEL_EXPORTER_OTLP_HEADERS: "authorization=canary-collector-0028" };
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PEM = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
/** As it stands in the key's JSON, and any line of it. */
const [PRIVATE, ACCOUNT] = [PEM.split("\n")[3]!, "canary-account-0029@p.iam.gserviceaccount.com"];
const AWS = { id: "AKIACANARY0030EXAMPLE", secret: "canary-aws-secret-0031", session: "canary-aws-session-0032" };
const BODY = { api_key: "canary-body-key-0003", base_url: "http://canary-body-host-0004.test/v1", extra_headers: { authorization: "Bearer canary-body-header-0005" } };

let gateway: Gateway;
const upstreams: Record<"plain" | "header" | "token" | "oauth" | "environment" | "vertex" | "google" | "bedrock" | "copilot" | "github" | "collector", Upstream> = {} as never;

beforeAll(async () => {
  for (const name of ["plain", "header", "token", "oauth", "environment", "vertex", "google", "bedrock", "copilot", "github", "collector"] as const) {
    upstreams[name] = await Upstream.start(name);
  }
  gateway = await Gateway.start({
    vars: {
      OPENAI_API_KEY: ENVIRONMENT, OPENAI_BASE_URL: upstreams.environment.url, GATEWAY_API_KEYS: STATIC,
      OTEL_EXPORTER_OTLP_ENDPOINT: upstreams.collector.url, ...OPERATORS,
    },
  });
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), ...Object.values(upstreams).map((upstream) => upstream.stop())]);
});

/** An upstream that says all it was sent, as some do. */
const echo = (code: number): Behaviour => ({ headers, response }) => {
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify({ error: { message: `not with ${headers.authorization ?? headers["x-api-key"]}`, code: "no" } }));
};

test("no credential reaches another host, a log, an error or an answer", async () => {
  const { admin } = gateway;
  const stored = { plain: "sk-canary-plain-0006", second: "sk-canary-second-0007", header: "sk-canary-header-0008", token: "c2stY2FuYXJ5LXRva2VuLTAwMDk=" };
  const ownHeader = "canary-of-the-owners-header-0010";
  const exchanged = "canary-exchanged-token-0011";
  await admin.provider("plain", upstreams.plain, { api_keys: [stored.plain, stored.second], headers: { "x-own": ownHeader } });
  await admin.ok("POST", "/api/providers", { name: "header", kind: "anthropic", base_url: upstreams.header.url, api_key: stored.header });
  await admin.ok("POST", "/api/providers", {
    name: "token", kind: "gigachat", base_url: upstreams.token.url, api_key: stored.token, config: { token_url: upstreams.oauth.url },
  });
  const ghu = "ghu_canary_copilot_0033";
  const tokens = { google: "canary-access-token-0034", github: "canary-copilot-token-0035" };
  await admin.ok("POST", "/api/providers", {
    name: "vertex", kind: "vertex", base_url: `${upstreams.vertex.url}/projects/p/locations/l`, config: { token_url: upstreams.google.url },
    api_key: JSON.stringify({ client_email: ACCOUNT, private_key: PEM, private_key_id: "k" }),
  });
  await admin.ok("POST", "/api/providers", { name: "bedrock", kind: "bedrock", base_url: upstreams.bedrock.url, api_key: `${AWS.id}:${AWS.secret}:${AWS.session}` });
  await admin.ok("POST", "/api/providers", { name: "copilot", kind: "copilot", base_url: upstreams.copilot.url, api_key: ghu, config: { token_url: upstreams.github.url } });
  upstreams.google.always(({ response }) => void response.writeHead(200).end(JSON.stringify({ access_token: tokens.google, expires_in: 3599 })));
  upstreams.github.always(({ response }) => void response.writeHead(200).end(JSON.stringify({ token: tokens.github, expires_at: Math.floor(Date.now() / 1000) + 1800 })));
  upstreams.collector.always(({ response }) => void response.writeHead(200).end("{}"));
  const { key, id } = await admin.key({ name: "canary" });
  upstreams.oauth.always(({ response }) => void response.writeHead(200).end(JSON.stringify({ access_token: exchanged, expires_in: 1800 })));

  const brought = { plain: "sk-canary-brought-plain-0012", openai: "sk-canary-brought-openai-0013" };
  const clients = {
    "x-api-key": "canary-client-x-api-key-0014", "x-goog-api-key": "canary-client-goog-0015", cookie: "canary=client-cookie-canary-0016",
    "openai-organization": "canary-organization-0017", "openai-project": "canary-project-0018", "proxy-authorization": "Basic canary-proxy-0019",
    "x-forwarded-for": "canary-forwarded-0020", "x-stainless-os": "canary-stainless-0021", "x-amz-security-token": "canary-amz-0022",
    "x-goog-user-project": "canary-goog-project-0023", "x-own": "canary-overrides-own-0024", "x-unknown-provider-api-key": "canary-unknown-0025",
  };
  const answers: string[] = [];
  const ask = async (model: string, headers: Record<string, string> = {}, body: object = {}, credential = key) => {
    const response = await gateway.call(credential, "/v1/chat/completions", { ...question(), model, ...BODY, ...body }, { headers: { ...clients, ...headers } });
    answers.push(await response.text(), JSON.stringify([...response.headers]));
  };
  const models = ["plain/m", "header/m", "token/m", "openai/m", "vertex/m", "vertex/claude-x", "bedrock/openai.m", "bedrock/amazon.m", "copilot/m"];
  for (const model of models) {
    await ask(model);
    await ask(model, {}, { stream: true });
    await ask(model, { "x-plain-api-key": brought.plain, "x-openai-api-key": brought.openai });
    await ask(model, {}, {}, STATIC);
    await ask(model, {}, {}, admin.token);
  }
  for (const code of [401, 429, 500]) {
    for (const upstream of [upstreams.plain, upstreams.header, upstreams.token, upstreams.environment, upstreams.vertex, upstreams.bedrock, upstreams.copilot]) {
      upstream.always(echo(code));
    }
    for (const model of models) {
      await ask(model);
      await ask(model, { "x-plain-api-key": brought.plain, "x-openai-api-key": brought.openai });
    }
  }
  for (const { id } of (await admin.ok("GET", "/api/providers")).data) {
    for (const path of ["test", "models/refresh"]) {
      answers.push(JSON.stringify((await admin.request("POST", `/api/providers/${id}/${path}`)).body));
    }
  }
  for (const path of ["/api/providers", "/api/v1/provider-keys", "/api/keys", "/api/logs", "/api/v1/activity-logs", "/debug/db"]) {
    answers.push(JSON.stringify((await admin.request("GET", path)).body));
  }
  await gateway.logsOfKey(id, models.length * 9);

  const bodies = [BODY.api_key, BODY.base_url, BODY.extra_headers.authorization];
  const operators = Object.entries(OPERATORS).filter(([name]) => name !== "METRICS_USERNAME").map(([, value]) => value.replace("authorization=", ""));
  const credentials = [
    ENVIRONMENT, STATIC, key, admin.token, ADMIN_PASSWORD, MASTER_KEY, ...operators, ...Object.values(stored), exchanged, ...Object.values(brought), PRIVATE, ghu,
    ...Object.values(tokens), AWS.secret, AWS.session,
  ];
  const all = [...credentials, AWS.id, ACCOUNT, ...Object.values(clients), ownHeader, ...bodies].map((canary) => canary.replace(/^(Bearer|Basic) /, ""));
  const belongs: Record<keyof typeof upstreams, string[]> = {
    plain: [stored.plain, stored.second, brought.plain, ownHeader], header: [stored.header], token: [exchanged], oauth: [stored.token],
    environment: [ENVIRONMENT, brought.openai], vertex: [tokens.google], google: [], bedrock: [AWS.id, AWS.session], copilot: [tokens.github],
    github: [ghu], collector: [operators.at(-1)!],
  };
  // What a client writes into its body is its own, and goes where the body goes; but it does nothing there.
  const head = ({ method, path, headers }: Exchange) => JSON.stringify([method, path, headers]);
  for (const [name, upstream] of Object.entries(upstreams)) {
    expect(upstream.exchanges.length, name).toBeGreaterThan(0);
    for (const exchange of upstream.exchanges) {
      const strangers = all.filter((canary) => !belongs[name as keyof typeof upstreams].includes(canary));
      expect(strangers.filter((canary) => head(exchange).includes(canary)), `${name}: ${exchange.path}`).toEqual([]);
      expect(credentials.filter((canary) => exchange.text.includes(canary)), `the body for ${name}`).toEqual([]);
    }
  }
  for (const slot of [stored.plain, stored.header, ENVIRONMENT, brought.plain, brought.openai, exchanged, tokens.google, tokens.github, ghu, AWS.session, operators.at(-1)!]) {
    const seen = Object.values(upstreams).some((upstream) => upstream.exchanges.some((exchange) => head(exchange).includes(slot)));
    expect(seen, `${slot} was used, or this test shows nothing`).toBe(true);
  }
  const tables = await gateway.sql<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'd1\\_%' ESCAPE '\\'");
  for (const { name } of tables) {
    const rows = JSON.stringify(await gateway.sql(`SELECT * FROM ${name}`));
    const owners = name === "providers" ? [ownHeader] : [];
    expect(all.filter((canary) => !owners.includes(canary) && rows.includes(canary)), `rows of ${name}`).toEqual([]);
  }
  const said = gateway.said.map(({ message }) => message).join("\n");
  expect(all.filter((canary) => said.includes(canary)), "the Worker's log").toEqual([]);
  const words = answers.join("\n").replaceAll(ownHeader, ""); // the owner reads it in the provider's settings
  expect(all.filter((canary) => words.includes(canary)), "answers").toEqual([]);
}, 60_000);
