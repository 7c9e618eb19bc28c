// The parts of the bench that speak to the Worker in its own words would break unseen when those change.
import { expect, test } from "vitest";
import { ledgerPairs } from "../../bench/ledger-pairs.mjs";
import { builtWorker, projectRoot } from "./gateway.ts";
import { readWorkerConfig } from "./gateway/worker-config.ts";

test("the bench's pairs of reservation and settlement are counted by the ledger", async () => {
  const config = await readWorkerConfig(projectRoot);
  expect(await ledgerPairs(builtWorker(), config, 0.05)).toBeGreaterThan(0);
});
