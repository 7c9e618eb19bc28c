// Codex CLI, which speaks Responses, on models of the other three dialects.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "../gateway.ts";
import type { Dialect } from "../upstream/strict/model.ts";
import { commandOf, TEST_TIMEOUT, Workshop } from "./workshop.ts";

const TEXT = "Grüß Gott, 世界 👋\n";
const command = await commandOf("codex");

/** Its provider is the gateway, which it sends nothing else than calls of Responses. */
const config = (origin: string) => `
model = "gpt-5.5"
model_provider = "edgeway"
check_for_update_on_startup = false

[model_providers.edgeway]
name = "Edgeway"
base_url = "${origin}/v1"
env_key = "EDGEWAY_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0

[analytics]
enabled = false
`;

describe.skipIf(!command)("Codex CLI", () => {
  let gateway: Gateway;
  beforeAll(async () => void (gateway = await Gateway.start()));
  afterAll(() => gateway.stop());

  test.each<Dialect>(["messages", "gemini", "chat"])(
    "patches a file and runs a command where a model behind %s says so",
    async (dialect) => {
      const workshop = await Workshop.open(gateway, dialect, () => [
        // A custom tool, whose input is plain text: elsewhere a function of one string.
        { tool: "apply_patch", args: { input: `*** Begin Patch\n*** Add File: greeting.txt\n+${TEXT}*** End Patch\n` } },
        { tool: "exec_command", args: { cmd: "wc -c < greeting.txt && cat greeting.txt" } },
      ]);
      try {
        const home = join(workshop.home, ".codex");
        mkdirSync(home);
        writeFileSync(join(home, "config.toml"), config(workshop.origin));
        // The sandbox of its own needs rights that a container may not give; the script is all that it may run anyway.
        const args = ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json", "Write a greeting into greeting.txt and count its bytes."];
        const { code, stdout, report, turns } = await workshop.run(command!, args, { CODEX_HOME: home, EDGEWAY_KEY: workshop.key });
        expect(code, report).toBe(0);
        expect(readFileSync(join(workshop.folder, "greeting.txt"), "utf8"), report).toBe(TEXT);
        expect(stdout, report).toMatch(/The last tool said: .*25\\nGrüß Gott/s);
        expect(turns.length, report).toBe(3);
      } finally {
        await workshop.close();
      }
    },
    TEST_TIMEOUT,
  );
});
