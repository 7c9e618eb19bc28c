// opencode as a client of an OpenAI-compatible API, on models of other dialects.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Gateway } from "../gateway.ts";
import type { Dialect } from "../upstream/strict/model.ts";
import { commandOf, TEST_TIMEOUT, Workshop } from "./workshop.ts";

const TEXT = "Grüß Gott, 世界 👋\n";
const command = await commandOf("opencode");

/** Its provider is the gateway, by the package for OpenAI-compatible APIs that it has built in. */
const config = (origin: string, key: string) => ({
  $schema: "https://opencode.ai/config.json",
  autoupdate: false,
  share: "disabled",
  model: "edgeway/gpt-4.1",
  small_model: "edgeway/gpt-4.1",
  permission: { "*": "allow" },
  provider: {
    edgeway: {
      npm: "@ai-sdk/openai-compatible",
      name: "Edgeway",
      options: { baseURL: `${origin}/v1`, apiKey: key },
      models: { "gpt-4.1": { name: "GPT-4.1", tool_call: true, limit: { context: 128_000, output: 8_000 } } },
    },
  },
});

describe.skipIf(!command)("opencode", () => {
  let gateway: Gateway;
  beforeAll(async () => void (gateway = await Gateway.start()));
  afterAll(() => gateway.stop());

  test.each<Dialect>(["messages", "gemini", "responses"])(
    "writes a file and runs a command where a model behind %s says so",
    async (dialect) => {
      const workshop = await Workshop.open(gateway, dialect, (folder) => [
        { tool: "write", args: { filePath: join(folder, "greeting.txt"), content: TEXT } },
        { tool: "bash", args: { command: "wc -c < greeting.txt && cat greeting.txt", description: "Counts the bytes of the greeting" } },
      ]);
      try {
        const folder = join(workshop.home, ".config", "opencode");
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, "opencode.json"), JSON.stringify(config(workshop.origin, workshop.key)));
        const args = ["run", "--format", "json", "Write a greeting into greeting.txt and count its bytes."];
        const { code, stdout, report, turns } = await workshop.run(command!, args, {
          OPENCODE_DISABLE_AUTOUPDATE: "1", OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_DEFAULT_PLUGINS: "1", OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
        });
        expect(code, report).toBe(0);
        expect(readFileSync(join(workshop.folder, "greeting.txt"), "utf8"), report).toBe(TEXT);
        expect(stdout, report).toContain(`The last tool said: ${Buffer.byteLength(TEXT)}`);
        expect(turns.length, report).toBe(3);
      } finally {
        await workshop.close();
      }
    },
    TEST_TIMEOUT,
  );
});
