// The description of the API: it is served, it is valid, and the gateway keeps to it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADMIN_PASSWORD, Gateway } from "./gateway.ts";

const python = process.env.EDGEWAY_PYTHON;
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
  for (const path of ["/v1/chat/completions", "/v1/messages", "/v1/responses/{id}", "/v1/audio/speech", "/api/keys", "/api/logs/summary"]) {
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

/** What every answer to a generated request must keep to. */
const CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"];
/** Signing in is throttled, signing out ends the run, the price list is on the network, and models are called elsewhere. */
const LEFT_OUT = "/api/auth/(login|logout|password)|/api/user-models/refresh|/api/v1/(chat|vision|health)";

test.skipIf(!python)("no request that the description allows, or nearly, is answered otherwise than it says", { timeout: 300_000 }, async () => {
  const session = await gateway.admin.ok<{ token: string }>("POST", "/api/auth/login", { username: "admin", password: ADMIN_PASSWORD });
  const scratch = mkdtempSync(join(tmpdir(), "edgeway-schemathesis-"));
  const child = spawn(join(dirname(python!), "schemathesis"), [
    "run", `${gateway.url}/doc`, "--url", gateway.url, "--header", `authorization: Bearer ${session.token}`,
    "--include-path-regex", "^/(api|debug)/", "--exclude-path-regex", LEFT_OUT,
    "--checks", CHECKS.join(","), "--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "1", "--workers", "2",
    "--generation-database", "none", "--no-color",
  ], { cwd: scratch, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (text) => (said += text));
  child.stderr.on("data", (text) => (said += text));
  const code = await new Promise((resolve) => child.on("close", resolve));
  rmSync(scratch, { recursive: true, force: true });
  expect(code, said).toBe(0);
  expect(Number(/Tested: (\d+)/.exec(said)?.[1]), said).toBeGreaterThan(40);
});
if (!python) {
  console.warn("SKIPPED: requests generated from the description, since EDGEWAY_PYTHON names no interpreter (`npm test` sets it)");
}
