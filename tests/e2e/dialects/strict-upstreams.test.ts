// The matrix's own instruments, without a gateway: each client against the strict upstream of its own dialect. What fails in the
// matrix and not here is the gateway's.
import { afterAll, beforeAll, describe, test } from "vitest";
import { startStrict, type StrictUpstream } from "../upstream/strict.ts";
import { DRIVERS } from "./drivers.ts";
import { DIALECTS } from "./neutral.ts";
import { SCENARIOS } from "./scenarios.ts";

describe.each(DIALECTS)("%s, client and upstream", (dialect) => {
  let strict: StrictUpstream;
  beforeAll(async () => {
    strict = await startStrict(dialect);
  });
  afterAll(() => strict.upstream.stop());

  test.each(SCENARIOS)("$name", async ({ run }) => {
    const door = { origin: new URL(strict.url).origin, key: "sk-strict", model: strict.model };
    await run(DRIVERS[dialect], door, { client: dialect, upstream: dialect });
  });
});
