// The official client of each dialect.
import { anthropic } from "./drivers/anthropic.ts";
import { googleGenAi } from "./drivers/google-genai.ts";
import { openAiChat } from "./drivers/openai-chat.ts";
import { openAiResponses } from "./drivers/openai-responses.ts";
import type { Dialect, Driver } from "./neutral.ts";

export const DRIVERS: Record<Dialect, Driver> = { chat: openAiChat, responses: openAiResponses, messages: anthropic, gemini: googleGenAi };

/** An interpreter with the official Python clients; `npm test` names one. */
export const python = process.env.EDGEWAY_PYTHON;
if (!python) {
  console.warn("SKIPPED: the Python clients, since EDGEWAY_PYTHON names no interpreter (`npm test` sets it)");
}
