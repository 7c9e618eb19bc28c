// Refreshing models and prices from a list on the network, in LiteLLM's shape: by call here, by cron in the same code.
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";

let gateway: Gateway;
let server: Server;
let list: { status: number; body: string; etag: string };
const asked: IncomingMessage[] = [];

const model = (input: number) => ({ litellm_provider: "openai", mode: "chat", input_cost_per_token: input, output_cost_per_token: 4 * input, max_input_tokens: 128_000, max_output_tokens: 16_384 });
const listed = (...names: string[]) => JSON.stringify(Object.fromEntries(names.map((name) => [name, model(0.0000025)])));
const refresh = () => gateway.admin.request("POST", "/api/user-models/refresh");
const prices = async () => {
  const { data } = await gateway.admin.ok<{ data: { model: string; input_price: number }[] }>("GET", "/api/user-models/global?provider=openai");
  return data.map((row) => row.model).sort();
};

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request);
    if (list.status === 200 && request.headers["if-none-match"] === list.etag) {
      response.writeHead(304).end();
    } else {
      response.writeHead(list.status, { etag: list.etag }).end(list.body);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  gateway = await Gateway.start({ vars: { CATALOG_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/prices.json` } });
});
afterAll(async () => {
  await gateway?.stop();
  await new Promise((resolve) => server.close(resolve));
});

test("a list is taken over, is not sent again while it is the same, and one that is no good changes nothing", async () => {
  list = { status: 200, body: listed("gpt-test-a", "gpt-test-b"), etag: '"one"' };
  expect(await refresh()).toMatchObject({ status: 200, body: { count: 2 } });
  expect(await prices()).toEqual(["gpt-test-a", "gpt-test-b"]);

  expect(await refresh()).toMatchObject({ status: 200, body: { count: 2 } });
  expect(asked.at(-1)!.headers["if-none-match"]).toBe('"one"');

  list = { status: 200, body: listed("gpt-test-a", "gpt-test-b", "gpt-test-c"), etag: '"two"' };
  expect(await refresh()).toMatchObject({ status: 200, body: { count: 3 } });
  expect(await prices()).toContain("gpt-test-c");

  for (const bad of [{ status: 200, body: "<html>" }, { status: 200, body: listed("gpt-test-a") }, { status: 500, body: "" }]) {
    list = { ...bad, etag: '"three"' };
    const refused = await refresh();
    expect(refused.status, JSON.stringify(refused.body)).toBe(502);
    expect(await prices()).toHaveLength(3);
  }
});
