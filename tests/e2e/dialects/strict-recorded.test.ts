// The strict upstreams take every request that a real API took: recorded traffic keeps them from being stricter than life.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { projectRoot } from "../gateway.ts";
import { readChat } from "../upstream/strict/chat-request.ts";
import { readGemini } from "../upstream/strict/gemini-request.ts";
import { readMessages } from "../upstream/strict/messages-request.ts";
import { readResponses } from "../upstream/strict/responses-request.ts";

interface Interaction {
  request: { path: string; body?: string };
  response: { status: number };
}

const fixtures = process.env.EDGEWAY_FIXTURES ?? resolve(projectRoot, "../shared/fixtures");

/** Whatever was sealed elsewhere is taken for one's own, and whatever was stored elsewhere is there. */
const READERS: Array<{ folder: string; path: RegExp; read: (body: any, path: string) => unknown }> = [
  { folder: "openai-chat", path: /\/chat\/completions$/, read: (body) => readChat(body, () => true) },
  { folder: "openai-responses", path: /\/responses$/, read: (body) => readResponses(body, { item: (id) => ({ type: "message", role: "assistant", id, content: "" }), response: () => [], opens: () => true }) },
  { folder: "anthropic", path: /\/messages$/, read: (body) => readMessages(body, "2023-06-01", () => true) },
  { folder: "gemini", path: /:(?:streamG|g)enerateContent/, read: (body, path) => readGemini(body, path.includes(":stream"), () => true) },
];

function recorded(folder: string): Array<Interaction & { name: string }> {
  return readdirSync(join(fixtures, folder)).filter((name) => name.endsWith(".json")).flatMap((name) => {
    const file = JSON.parse(readFileSync(join(fixtures, folder, name), "utf8"));
    return ((file.interactions ?? [file]) as Interaction[]).map((interaction, index) => ({ ...interaction, name: `${name} ${index + 1}` }));
  });
}

if (!existsSync(fixtures)) {
  console.warn(`SKIPPED: recorded requests, since there are none at ${fixtures} (EDGEWAY_FIXTURES names another place)`);
}

describe.skipIf(!existsSync(fixtures)).each(READERS)("$folder", ({ folder, path, read }) => {
  const taken = existsSync(fixtures) ? recorded(folder).filter(({ request, response }) => path.test(request.path) && request.body && response.status === 200) : [];

  test("has requests", () => expect(taken.length).toBeGreaterThan(5));
  test.each(taken)("$name", ({ request }) => void read(JSON.parse(request.body!), request.path));
});
