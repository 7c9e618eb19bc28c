// How long a change that another isolate made may go unnoticed: docs/ARCHITECTURE.md promises a bound, and this waits for it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway } from "./gateway.ts";
import { scenario } from "./gateway/scenario.ts";
import { until } from "./gateway/until.ts";
import { Upstream } from "./upstream.ts";

/** `STALE` in src/edge/settings.rs, and some time for a busy machine. */
const BOUND_MS = 30_000 + 5_000;
let gateway: Gateway;
let upstream: Upstream;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([Gateway.start(), Upstream.start()]);
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
});

test("a key that was revoked elsewhere stops within the bound", async () => {
  const story = await scenario(gateway, [upstream]);
  expect((await story.chat()).status).toBe(200);
  // Straight into D1: this isolate is not told.
  await gateway.sql("UPDATE gateway_keys SET is_active = 0 WHERE id = ?1", story.keyId);
  await until("a refusal of the revoked key", async () => (await story.chat()).status === 401, BOUND_MS);
}, 60_000);

test("an isolate that meets a newer version on another key's account forgets the old one at once", async () => {
  const revoked = await scenario(gateway, [upstream]);
  const fresh = await scenario(gateway, [upstream]); // never used yet, so its settings will come from D1
  expect((await revoked.chat()).status).toBe(200);
  await gateway.sql("UPDATE gateway_keys SET is_active = 0 WHERE id = ?1", revoked.keyId);
  expect((await fresh.chat()).status).toBe(200);
  expect((await revoked.chat()).status).toBe(401);
});

test("a known key goes on while D1 does not answer, and a new one is told to come back", async () => {
  const story = await scenario(gateway, [upstream]);
  expect((await story.chat()).status).toBe(200);
  const tables = ["gateway_keys", "config_version"];
  for (const table of tables) {
    await gateway.sql(`ALTER TABLE ${table} RENAME TO ${table}_away`);
  }
  try {
    expect((await story.chat()).status).toBe(200);
    const unknown = await gateway.call("gw_never_seen_before", "/v1/chat/completions", { model: "e2e-small", messages: [] });
    expect(unknown.status).toBe(503);
    expect((await unknown.json()).error.message).toMatch(/database|storage/i);
    expect((await gateway.admin.request("GET", "/api/keys")).status).toBe(503);
  } finally {
    for (const table of tables) {
      await gateway.sql(`ALTER TABLE ${table}_away RENAME TO ${table}`);
    }
  }
});
