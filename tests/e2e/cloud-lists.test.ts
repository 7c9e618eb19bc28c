// Addresses that no account's settings can move: the control plane of Amazon Bedrock and Vertex AI's publishers, which list
// models, and the endpoint that a token of Copilot's names. Scripted upstreams play those hosts.
import { createHash, createHmac } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { question } from "./gateway/scenario.ts";
import { Upstream, type Behaviour, type Exchange } from "./upstream.ts";

const BEDROCK = "bedrock.eu-west-1.amazonaws.com";
const VERTEX = "europe-west1-aiplatform.googleapis.com";
const [ID, SECRET] = ["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"];

let gateway: Gateway;
const upstreams: Record<"aws" | "google" | "github" | "copilot" | "business", Upstream> = {} as never;

beforeAll(async () => {
  for (const name of ["aws", "google", "github", "copilot", "business"] as const) {
    upstreams[name] = await Upstream.start(name);
  }
  const { aws, google, github, copilot, business } = upstreams;
  gateway = await Gateway.start({
    internet: {
      [BEDROCK]: aws, [VERTEX]: google, "api.github.com": github, "api.githubcopilot.com": copilot, "api.business.githubcopilot.com": business,
    },
  });
});
afterEach(() => Object.values(upstreams).forEach((upstream) => upstream.reset()));
afterAll(async () => {
  await Promise.all([gateway?.stop(), ...Object.values(upstreams).map((upstream) => upstream.stop())]);
});

const gives = (body: object, code = 200): Behaviour => ({ response }) => {
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
};
const at = (part: string) => ({ path }: Exchange) => path.includes(part);

async function account(kind: string, apiKey: string, config: object = {}) {
  const { id, name } = await gateway.admin.ok("POST", "/api/providers", { name: gateway.unique(kind), kind, api_key: apiKey, config });
  const { key } = await gateway.admin.key({ name: gateway.unique("key") });
  const models = async () => await (await gateway.call(key, `/v1/models?provider=${name}`)).json() as { data: { id: string }[]; errors: { status: number }[] };
  const act = async (what: string) => await gateway.admin.request("POST", `/api/providers/${id}/${what}`);
  return { id, name, models, act, chat: () => gateway.call(key, "/v1/chat/completions", { ...question(), model: `${name}/gpt-4.1` }) };
}

/** The signature that AWS would compute of a GET as it was sent. */
function signature({ method, headers }: Exchange): string {
  const { host, pathname, searchParams } = new URL(headers["x-asked-of"] as string);
  const [, date, region, service] = /Credential=[^/]+\/(\d+)\/([^/]+)\/([^/]+)\/aws4_request/.exec(headers.authorization!)!;
  const hash = (data: string) => createHash("sha256").update(data).digest("hex");
  const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  const query = [...searchParams].map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).sort().join("&");
  const canonical = [method, pathname, query, `host:${host}\nx-amz-date:${headers["x-amz-date"]}\n`, "host;x-amz-date", hash("")].join("\n");
  const text = ["AWS4-HMAC-SHA256", headers["x-amz-date"], `${date}/${region}/${service}/aws4_request`, hash(canonical)].join("\n");
  const key = [date, region, service, "aws4_request"].reduce<string | Buffer>((key, part) => hmac(key, part!), `AWS4${SECRET}`);
  return hmac(key, text).toString("hex");
}

const arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2";
function bedrockLists() {
  upstreams.aws
    .when(at("/foundation-models"), gives({ modelSummaries: [{ modelId: "amazon.nova-lite-v1:0", modelName: "Nova Lite" }] }))
    .when(at("type=SYSTEM_DEFINED"), gives({ inferenceProfileSummaries: [{ inferenceProfileId: "eu.anthropic.claude-haiku-4-5-20251001-v1:0", type: "SYSTEM_DEFINED" }] }))
    .when(at("type=APPLICATION"), gives({ inferenceProfileSummaries: [{ inferenceProfileId: "a1b2", inferenceProfileArn: arn, type: "APPLICATION" }] }));
}

test.each([["access keys", `${ID}:${SECRET}`], ["an API key", "ABSKQmVkcm9jay1rZXk="]])("Bedrock lists models and inference profiles, by %s", async (_, apiKey) => {
  const { name, models, act } = await account("bedrock", apiKey, { region: "eu-west-1" });
  bedrockLists();
  const shown = await models();
  expect(shown.data.map(({ id }) => id)).toEqual(["amazon.nova-lite-v1:0", arn, "eu.anthropic.claude-haiku-4-5-20251001-v1:0"].map((id) => `${name}/${id}`));
  expect(shown.errors).toEqual([]);
  expect((await act("models/refresh")).body).toEqual({ count: 3 });
  expect((await act("test")).body).toMatchObject({ ok: true, status: 200 });
  expect(upstreams.aws.exchanges).toHaveLength(9);
  for (const exchange of upstreams.aws.exchanges) {
    const { headers } = exchange;
    expect(headers["x-asked-of"]).toContain(`https://${BEDROCK}/`);
    if (apiKey.startsWith(ID)) {
      expect(headers.authorization).toContain(`Credential=${ID}/`);
      expect(headers.authorization!.split("Signature=")[1]).toBe(signature(exchange));
      expect(JSON.stringify(headers)).not.toContain(SECRET);
    } else {
      expect(headers.authorization).toBe(`Bearer ${apiKey}`);
    }
  }
});

test("Bedrock: profiles that an account may not list take nothing away; a list that fails is told, and the stored one stays", async () => {
  const { id, act, models, name } = await account("bedrock", "ABSKanother=", { region: "eu-west-1" });
  const denied = gives({ message: "is not authorized to perform: bedrock:ListInferenceProfiles" }, 403);
  upstreams.aws.when(at("/inference-profiles"), denied);
  upstreams.aws.when(at("/foundation-models"), gives({ modelSummaries: [{ modelId: "amazon.nova-lite-v1:0" }] }));
  expect((await act("models/refresh")).body).toEqual({ count: 1 });
  upstreams.aws.reset().always(denied);
  expect((await act("test")).body).toMatchObject({ ok: false, status: 403, error: expect.stringContaining("not authorized") });
  expect((await act("models/refresh")).status).toBe(502);
  expect((await gateway.admin.ok("GET", `/api/providers/${id}`)).models).toEqual(["amazon.nova-lite-v1:0"]);
  expect((await models()).data.map(({ id }) => id)).toEqual([`${name}/amazon.nova-lite-v1:0`]);
  await upstreams.aws.received(9); // asked once more, behind that answer
});

test("Vertex AI lists what can be called, page by page, with the account's token", async () => {
  const { name, models, act } = await account("vertex", "ya29.token", { project: "p", region: "europe-west1" });
  const page = (...names: string[]) => ({ publisherModels: names.map((model) => ({ name: model, versionId: "1" })) });
  upstreams.google
    .when(at("pageToken=next"), gives(page("publishers/meta/models/llama-3.3-70b-instruct-maas", "publishers/meta/models/llama-guard")))
    .always(gives({ ...page("publishers/google/models/gemini-2.5-flash", "publishers/anthropic/models/claude-sonnet-4-5"), nextPageToken: "next" }));
  const { data, errors } = await models();
  expect(data.map(({ id }) => id)).toEqual(["claude-sonnet-4-5", "gemini-2.5-flash", "meta/llama-3.3-70b-instruct-maas"].map((id) => `${name}/${id}`));
  expect(errors).toEqual([]);
  expect((await act("models/refresh")).body).toEqual({ count: 3 });
  for (const { headers } of upstreams.google.exchanges) {
    expect(headers.authorization).toBe("Bearer ya29.token");
    expect(decodeURIComponent(headers["x-asked-of"] as string)).toContain(`https://${VERTEX}/v1beta1/publishers/*/models?filter=is_hf_wildcard(false)&pageSize=200`);
  }
  expect(upstreams.google.exchanges).toHaveLength(4);
});

test("Vertex AI: where the list is refused, that is told, and the catalogue's models are shown", async () => {
  await gateway.sql(`INSERT INTO models (id, kind, model, input_price, output_price, effective_from, source, updated_at)
    VALUES ('known', 'vertex', 'gemini-known', 1, 1, 0, 'catalog', 0)`);
  const { name, models, act } = await account("vertex", "ya29.poor", { project: "p", region: "europe-west1" });
  upstreams.google.always(gives({ error: { code: 403, message: "Permission denied on publishers", status: "PERMISSION_DENIED" } }, 403));
  const { data, errors } = await models();
  expect(data.map(({ id }) => id)).toEqual([`${name}/gemini-known`]);
  expect(errors).toMatchObject([{ provider: name, status: 403 }]);
  expect((await act("test")).body).toMatchObject({ ok: false, status: 403, error: "Permission denied on publishers" });
});

test("Copilot is called, and asked for its models, where its token says; a host that is not Copilot's is not", async () => {
  const expires_at = Math.floor(Date.now() / 1000) + 1800;
  const token = (token: string, api: string) => gives({ token, expires_at, endpoints: { api } });
  upstreams.github.next(token("tid=business", "https://api.business.githubcopilot.com"), token("tid=evil", "https://api.githubcopilot.com.evil.test"));
  const business = await account("copilot", "ghu_business");
  upstreams.business.when(at("/models"), gives({ data: [{ id: "gpt-4.1" }] }));
  expect((await business.chat()).status).toBe(200);
  expect((await business.models()).data.map(({ id }) => id)).toEqual([`${business.name}/gpt-4.1`]);
  expect((await business.act("models/refresh")).body).toEqual({ count: 1 });
  expect(upstreams.business.exchanges.map(({ headers }) => headers["x-asked-of"])).toEqual([
    "https://api.business.githubcopilot.com/chat/completions", "https://api.business.githubcopilot.com/models", "https://api.business.githubcopilot.com/models",
  ]);
  expect(new Set(upstreams.business.exchanges.map(({ key }) => key))).toEqual(new Set(["tid=business"]));
  expect(upstreams.copilot.exchanges).toEqual([]);
  expect(upstreams.github.only.headers).toMatchObject({ "x-asked-of": "https://api.github.com/copilot_internal/v2/token", authorization: "token ghu_business" });

  const misled = await account("copilot", "ghu_misled");
  expect((await misled.chat()).status).toBe(200);
  expect(upstreams.copilot.only).toMatchObject({ key: "tid=evil", path: "/chat/completions" });
});
