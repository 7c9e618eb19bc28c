// Claude Code, which speaks Messages, on models of the other three dialects.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "../gateway.ts";
import type { Dialect } from "../upstream/strict/model.ts";
import { commandOf, TEST_TIMEOUT, Workshop } from "./workshop.ts";

const TEXT = "Grüß Gott, 世界 👋\n";
const QUIET = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", DISABLE_TELEMETRY: "1", DISABLE_ERROR_REPORTING: "1", DISABLE_AUTOUPDATER: "1", DISABLE_BUG_COMMAND: "1",
};
const command = await commandOf("claude-code");

describe.skipIf(!command)("Claude Code", () => {
  let gateway: Gateway;
  beforeAll(async () => void (gateway = await Gateway.start()));
  afterAll(() => gateway.stop());

  test.each<[Dialect, string]>([["chat", "ANTHROPIC_AUTH_TOKEN"], ["gemini", "ANTHROPIC_API_KEY"], ["responses", "ANTHROPIC_AUTH_TOKEN"]])(
    "writes a file and runs a command where a model behind %s says so",
    async (dialect, credential) => {
      const workshop = await Workshop.open(gateway, dialect, (folder) => [
        { tool: "Write", args: { file_path: join(folder, "greeting.txt"), content: TEXT } },
        { tool: "Bash", args: { command: "wc -c < greeting.txt && cat greeting.txt", description: "Counts the bytes of the greeting" } },
      ]);
      try {
        const args = ["-p", "Write a greeting into greeting.txt and count its bytes.", "--output-format", "json", "--allowedTools", "Write", "Bash"];
        const { code, stdout, report, turns } = await workshop.run(command!, args, {
          ANTHROPIC_BASE_URL: workshop.origin, [credential]: workshop.key, ANTHROPIC_MODEL: "claude-sonnet-4-5", CLAUDE_CONFIG_DIR: join(workshop.home, ".claude"), ...QUIET,
        });
        expect(code, report).toBe(0);
        expect(readFileSync(join(workshop.folder, "greeting.txt"), "utf8")).toBe(TEXT);
        expect(stdout, report).toContain(`The last tool said: ${Buffer.byteLength(TEXT)}`);
        expect(turns.length, report).toBe(3);
      } finally {
        await workshop.close();
      }
    },
    TEST_TIMEOUT,
  );
});
