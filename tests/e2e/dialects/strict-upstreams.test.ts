// The matrix's own instruments, without a gateway: each client against the strict upstream of its own dialect. What fails in the
// matrix and not here is the gateway's.
import { afterAll, beforeAll, describe, test } from "vitest";
import { startStrict, type StrictUpstream } from "../upstream/strict.ts";
import { DRIVERS, python } from "./drivers.ts";
import { aiSdk } from "./drivers/ai-sdk.ts";
import { PythonClient } from "./drivers/python.ts";
import { DIALECTS, type Driver } from "./neutral.ts";
import { OTHER_CLIENTS_SCENARIOS, SCENARIOS, TOOL_OUTPUT, type Scenario } from "./scenarios.ts";

describe.each(DIALECTS)("%s, client and upstream", (dialect) => {
  let strict: StrictUpstream;
  let pythonClient: PythonClient | undefined;
  beforeAll(async () => {
    strict = await startStrict(dialect);
    pythonClient = python ? new PythonClient(python, dialect, TOOL_OUTPUT) : undefined;
  });
  afterAll(async () => {
    pythonClient?.stop();
    await strict.upstream.stop();
  });

  const check = async (driver: Driver, { run }: Scenario) => {
    const door = { origin: new URL(strict.url).origin, key: "sk-strict", model: strict.model };
    await run(driver, door, { client: dialect, upstream: dialect });
  };

  test.each(SCENARIOS)("$name", (scenario) => check(DRIVERS[dialect], scenario));
  test.each(OTHER_CLIENTS_SCENARIOS)("$name, by ai", (scenario) => check(aiSdk(dialect, () => TOOL_OUTPUT), scenario));
  test.skipIf(!python).each(OTHER_CLIENTS_SCENARIOS)("$name, by Python", (scenario) => check(pythonClient!.driver, scenario));
});
