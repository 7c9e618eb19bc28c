// A panic is denied by lint. Should one happen all the same (a bug in the compiler's output, memory that runs out), it ends in a
// trap: that call is lost, and the next one finds a new instance.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Gateway, builtWorker } from "./gateway.ts";
import { scenario, type Scenario } from "./gateway/scenario.ts";
import { Upstream } from "./upstream.ts";

const folder = mkdtempSync(join(tmpdir(), "edgeway-panic-"));
let gateway: Gateway;
let upstream: Upstream;
let story: Scenario;

/** A copy of the build in which asking for the head of a request with this header traps, as a panic does. */
function trapping(header: string): string {
  cpSync(builtWorker(), folder, { recursive: true });
  const entry = join(folder, "handlers.js");
  const source = readFileSync(entry, "utf8");
  const patched = source.replace(/(__wbg_head_[0-9a-f]+:function\(\w+,(\w+),\w+\)\{)/, (start, _, request) => `${start}if(${request}.headers?.has("${header}"))throw new WebAssembly.RuntimeError("unreachable");`);
  expect(patched, "the glue of the build has changed").not.toBe(source);
  writeFileSync(entry, patched);
  return folder;
}

beforeAll(async () => {
  upstream = await Upstream.start();
  gateway = await Gateway.start({ build: trapping("x-test-trap") });
  story = await scenario(gateway, [upstream]);
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

test("a trap costs its own call, and the calls after it and the log go on", async () => {
  const before = await story.chat();
  expect(before.status).toBe(200);
  await story.log(before);
  for (let trap = 0; trap < 3; trap++) {
    expect((await story.chat({}, { "x-test-trap": "now" })).status).toBe(500);
    const after = await story.chat();
    expect(after.status).toBe(200);
    expect(await story.log(after)).toMatchObject({ status: 200 });
    expect((await gateway.admin.ok<{ data: unknown[] }>("GET", "/api/providers")).data).toHaveLength(1);
  }
});

test("the ledger is loaded again, and goes on counting where it was", async () => {
  const limited = await scenario(gateway, [upstream], { key: { rate_limits: { requests_per_day: 10 } } });
  for (let remaining = 9; remaining > 5; remaining--) {
    const response = await limited.chat();
    expect(response.status).toBe(200);
    expect(response.headers.get("x-ratelimit-remaining-requests")).toBe(String(remaining));
    await limited.log(response);
    expect((await story.chat({}, { "x-test-trap": "now" })).status).toBe(500);
  }
});
