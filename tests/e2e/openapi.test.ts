// The description of the API: it is served, it is valid, and the gateway keeps to it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";

let gateway: Gateway;

beforeAll(async () => {
  gateway = await Gateway.start();
});
afterAll(async () => {
  await gateway?.stop();
});

test("/doc is OpenAPI 3.1 and names the paths of both planes", async () => {
  const response = await fetch(`${gateway.url}/doc`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  const document = (await response.json()) as { openapi: string; paths: Record<string, unknown> };
  expect(document.openapi).toMatch(/^3\.1\./);
  for (const path of ["/v1/chat/completions", "/v1/messages", "/api/keys", "/api/logs/summary"]) {
    expect(document.paths).toHaveProperty([path]);
  }
});

test("/docs is a page that renders it, and may load nothing else", async () => {
  const response = await fetch(`${gateway.url}/docs`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toContain("text/html");
  expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
  const page = await response.text();
  expect(page).toContain("/doc");
  for (const [, attributes] of page.matchAll(/<(?:script|link)([^>]*https:[^>]*)>/g)) {
    expect(attributes).toContain("integrity=\"sha384-");
  }
});
