// Every row of the provider table, in each dialect that it has, by the built Worker: what tests/snapshots/wire.snap says of
// it is what arrives at its own host, and text, streams, calls, refusals and usage come back. One upstream plays all hosts.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Gateway, projectRoot } from "./gateway.ts";
import { contentOf, isDone } from "./sse.ts";
import { Upstream, type Exchange } from "./upstream.ts";
import * as answers from "./upstream/answers.ts";

interface Expected {
  kind: string;
  dialect: answers.Dialect;
  url: string;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

/** `kind`, then for each dialect its URL, headers and members of the body, then its lists of models. */
function read(snapshot: string): Expected[] {
  const all: Expected[] = [];
  let kind = "";
  for (const line of snapshot.split("---\n")[2]!.split("\n")) {
    const [, name, url] = /^  (\w+) (\S+)$/.exec(line) ?? [];
    const [, header, value] = /^    ([\w-]+): (.*)$/.exec(line) ?? [];
    const [, member, json] = /^    \.(\w+) = (.*)$/.exec(line) ?? [];
    if (/^\S/.test(line)) kind = line;
    else if (name && name !== "models") all.push({ kind, dialect: name as answers.Dialect, url: url!, headers: {}, body: {} });
    else if (header) all.at(-1)!.headers[header] = value!;
    else if (member) all.at(-1)!.body[member] = JSON.parse(json!);
  }
  return all;
}

const rows = read(readFileSync(join(projectRoot, "tests/snapshots/wire.snap"), "utf8"));
const kinds = [...new Set(rows.map(({ kind }) => kind))];

/** What an account has to say where its kind has no address for all: as tests/providers.rs says it. */
const ADDRESSES: Record<string, string> = {
  azure: "https://resource.openai.azure.com",
  vertex: "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/endpoints/openapi",
  "openai-compatible": "https://llm.example.com",
  "workers-ai": "https://api.cloudflare.com/client/v4/accounts/0af3/ai/v1",
};

/** What workerd and node add, and what all rows have. */
const USUAL = new Set(["accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding", "user-agent", "x-asked-of"]);

let gateway: Gateway;
let world: Upstream;

beforeAll(async () => {
  world = await Upstream.start("world");
  const hosts = rows.map(({ url }) => new URL(url).hostname);
  const servers = ["ngw.devices.sberbank.ru", "api.github.com"]; // of tokens
  gateway = await Gateway.start({ internet: Object.fromEntries([...hosts, ...servers].map((host) => [host, world])) });
});
const tokens = () => {
  const expires_at = Math.floor(Date.now() / 1000) + 1800;
  world.when(
    ({ path }) => path.startsWith("/api/v2/oauth") || path.startsWith("/copilot_internal/"),
    ({ response }) => void response.writeHead(200).end(JSON.stringify({ access_token: "KEY", token: "KEY", expires_at })),
  );
};
afterEach(() => void world.reset());
afterAll(async () => {
  await Promise.all([gateway?.stop(), world?.stop()]);
});

test("the snapshot has every kind that is sold", async () => {
  const { data } = await gateway.admin.ok("GET", "/api/provider-kinds");
  expect(kinds).toEqual(data.map(({ kind }: { kind: string }) => kind).filter((kind: string) => kind !== "demo"));
  for (const { kind, dialects } of data) {
    if (kind !== "demo") expect(rows.filter((row) => row.kind === kind).map(({ dialect }) => dialect)).toEqual(dialects);
  }
});

test.each(rows.map((row) => [row.kind, row.dialect, row] as const))("%s in %s", async (kind, dialect, row) => {
  tokens();
  const { name } = await gateway.admin.ok("POST", "/api/providers", {
    name: gateway.unique(kind), kind, api_key: "KEY", config: { dialect }, ...(kind in ADDRESSES && { base_url: ADDRESSES[kind] }),
  });
  const { key } = await gateway.admin.key({ name: gateway.unique("key") });
  const messages = [{ role: "user", content: "Hi" }];
  const chat = (more: object = {}) => gateway.call(key, "/v1/chat/completions", { model: `${name}/m`, messages, ...more });
  const asked = () => world.exchanges.filter(({ path }) => !/oauth|copilot_internal/.test(path));
  const meets = (behaviour: typeof answers.text) => world.always(behaviour[dialect]);

  meets(answers.events);
  const streamed = await chat({ stream: true });
  const text = await streamed.text();
  expect([streamed.status, contentOf(text), isDone(text)], text).toEqual([200, answers.TEXT, true]);
  const sent = asked()[0]!;
  expect(sent.headers["x-asked-of"]).toBe(row.url);
  check(sent, row);

  meets(answers.text);
  const whole = await (await chat()).json();
  expect(whole.choices[0]).toMatchObject({ message: { content: answers.TEXT }, finish_reason: "stop" });
  expect(whole.usage).toMatchObject({ prompt_tokens: answers.USED.input, completion_tokens: answers.USED.output });

  meets(answers.call);
  const tool = { type: "function", function: { name: answers.CALL.name, parameters: { type: "object", properties: { city: { type: "string" } } } } };
  const called = await (await chat({ tools: [tool] })).json();
  expect(called.choices[0].finish_reason).toBe("tool_calls");
  const { function: made } = called.choices[0].message.tool_calls[0];
  expect([made.name, JSON.parse(made.arguments)]).toEqual([answers.CALL.name, JSON.parse(answers.CALL.arguments)]);
  expect(asked().at(-1)!.text, "the tool was offered").toContain(answers.CALL.name);

  meets(answers.refusal);
  const refused = await chat();
  expect([refused.status, (await refused.json()).error.message]).toEqual([400, expect.stringContaining(answers.REFUSAL)]);

  const record = await gateway.log(streamed.headers.get("x-request-id"));
  expect(record).toMatchObject({ input_tokens: answers.USED.input, output_tokens: answers.USED.output, usage_source: "upstream", provider: name });
});

/** Nothing less than the snapshot has, and nothing more. */
function check({ headers, json }: Exchange, row: Expected) {
  for (const [name, value] of Object.entries(row.headers)) {
    expect(headers[name], name).toBe(value);
  }
  const strangers = Object.keys(headers).filter((name) => !USUAL.has(name) && !name.startsWith("cf-") && !(name in row.headers));
  expect(strangers).toEqual([]);
  expect(headers["content-type"]).toBe("application/json");
  const { messages: _, contents: __, ...body } = json;
  expect(body).toEqual(row.body);
}
