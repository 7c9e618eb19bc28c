// The matrix: every client dialect on every upstream dialect, in every scenario, through the gateway. A failure here that
// strict-upstreams.test.ts does not have is the gateway's.
import { afterAll, beforeAll, describe, test, type TestContext } from "vitest";
import { Doors } from "./doors.ts";
import { DRIVERS, python } from "./drivers.ts";
import { aiSdk } from "./drivers/ai-sdk.ts";
import { PythonClient } from "./drivers/python.ts";
import type { Dialect, Driver } from "./neutral.ts";
import { OTHER_CLIENTS_SCENARIOS, SCENARIOS, TOOL_OUTPUT, type Pair, type Scenario } from "./scenarios.ts";
import { nameOf, PAIRS, Table, type Client } from "./table.ts";

const table = new Table();
let doors: Doors;
const pythonClients = new Map<Dialect, PythonClient>();

beforeAll(async () => {
  doors = await Doors.open();
});

afterAll(async () => {
  pythonClients.forEach((client) => client.stop());
  await doors?.close();
  table.publish();
});

/** The Python client of a dialect, started when it is first needed. */
const pythonDriver = (dialect: Dialect): Driver => {
  if (!pythonClients.has(dialect)) {
    pythonClients.set(dialect, new PythonClient(python!, dialect, TOOL_OUTPUT));
  }
  return pythonClients.get(dialect)!.driver;
};

const CLIENTS: Array<{ client: Client; scenarios: Scenario[]; driver: (dialect: Dialect) => Driver; absent?: boolean }> = [
  { client: "official", scenarios: SCENARIOS, driver: (dialect) => DRIVERS[dialect] },
  { client: "ai", scenarios: OTHER_CLIENTS_SCENARIOS, driver: (dialect) => aiSdk(dialect, () => TOOL_OUTPUT) },
  { client: "python", scenarios: OTHER_CLIENTS_SCENARIOS, driver: pythonDriver, absent: !python },
];

describe.each(PAIRS.map((pair) => ({ pair, name: nameOf(pair) })))("$name", ({ pair }) => {
  for (const { client, scenarios, driver, absent } of CLIENTS) {
    for (const scenario of scenarios) {
      const name = client === "official" ? scenario.name : `${scenario.name}, by ${client}`;
      if (absent) {
        table.note(client, pair, scenario, "skipped");
        test.skip(name, () => {});
        continue;
      }
      test(name, async (context) => {
        context.onTestFinished(({ task }) => table.note(client, pair, scenario, task.result?.state === "pass" ? "pass" : "fail"));
        await tellWhatWasAsked(context, pair, async () => scenario.run(driver(pair.client), await doors.door(pair, scenario.harmful), pair));
      });
    }
  }
});

/** Runs a scenario; what the upstream was asked is told with a failure. */
async function tellWhatWasAsked({ task }: TestContext, pair: Pair, run: () => Promise<void>): Promise<void> {
  doors.asked(pair.upstream);
  try {
    await run();
  } catch (error) {
    if (process.env.EDGEWAY_E2E_LOG) {
      console.log(`${task.name}, ${nameOf(pair)}: the upstream was asked\n${doors.asked(pair.upstream) || "nothing"}`);
    }
    throw error;
  }
}
