// The model behind every strict upstream: what it says in each scenario, in no dialect. A marker in the last user text,
// `scenario:parallel-tools`, names the scenario. Where the model was asked for something that must not get lost on the
// way (a system prompt, an image, a schema), it says what it saw, so that the client can tell.
import { createHash } from "node:crypto";

export type Dialect = "chat" | "responses" | "messages" | "gemini";
export const DIALECTS: Dialect[] = ["chat", "responses", "messages", "gemini"];

/** What a request says, whatever its dialect. */
export interface Seen {
  stream: boolean;
  system: string;
  /** Every user text, in order. */
  userTexts: string[];
  /** Images of the user's turns and of tool results, in order; see `imageLabel`. */
  images: string[];
  /** Names of the tools on offer. */
  tools: string[];
  calls: Array<{ id?: string; name: string; args: unknown }>;
  results: Array<{ id?: string; text: string; isError?: boolean }>;
  schema?: any;
  maxTokens?: number;
  temperature?: number;
  thinking: boolean;
  /** How many of the upstream's own thoughts came back whole. */
  thoughts: number;
}

export interface ScriptedCall {
  name: string;
  /** Pieces of its JSON, as they are streamed; none where the tool takes no arguments. */
  arguments: string[];
}

export interface Reply {
  thinking?: string[];
  /** Pieces, as they are streamed. */
  text?: string[];
  calls?: ScriptedCall[];
  finish: "stop" | "tool_calls" | "max_tokens" | "refusal" | "filter";
  /** The stream breaks off here, with the error that the dialect has for it. */
  dies?: boolean;
}

/** The model is not reached. */
export interface Failure {
  status: 400 | 429;
  message: string;
}

/** Answers a request. `ownIds` gives the id that this upstream has given, or will give, to the call at a place of the conversation. */
export type Model = (seen: Seen, ownIds: (index: number) => string | undefined) => Reply | Failure;

export const USAGE = { input: 21, cached: 5, output: 9, reasoning: 4 };
export const SYSTEM = "You are a terse assistant.";
export const WORDS = {
  text: "Grüß Gott, world! 👋",
  thinking: "The user wants to know the weather. I should look it up.",
  half: "Half an ans",
  cut: "Once upon a time there was",
  refusal: "I can't help with that.",
  overloaded: "The engine is overloaded, please try again later.",
  rateLimit: "Rate limit reached for the model, please slow down.",
  badRequest: "The prompt contains the forbidden word xyzzy.",
};
export const RECIPE = { title: "Borscht", minutes: 90, steps: ["chop", "boil"], chef: null };

/** What tells one image from another: its type, size and contents. */
export function imageLabel(mediaType: string, data: string): string {
  const bytes = Buffer.from(data, "base64");
  return `${mediaType} ${bytes.length} bytes ${createHash("sha256").update(bytes).digest("hex").slice(0, 8)}`;
}

/** `data:image/png;base64,…` as a label. */
export function dataUrlLabel(url: string): string | undefined {
  const found = /^data:([^;,]+);base64,([A-Za-z0-9+/]+={0,2})$/.exec(url);
  return found ? imageLabel(found[1]!, found[2]!) : undefined;
}

/** The scenario that the last marked user text names. */
export function scenarioOf(seen: Seen): string {
  return seen.userTexts.flatMap((text) => [...text.matchAll(/scenario:([a-z-]+)/g)]).at(-1)?.[1] ?? "text";
}

/** Compact JSON of an observation, which the scenarios compare as a whole. */
export const observed = (observation: object): string => JSON.stringify(observation);

export const reply: Model = (seen, ownIds) => {
  const scenario = scenarioOf(seen);
  const script = Object.hasOwn(SCRIPTS, scenario) ? SCRIPTS[scenario] : undefined;
  return script ? script(seen, ownIds) : { status: 400, message: `there is no scenario ${scenario}` };
};

const say = (text: string): Reply => ({ text: pieces(text), finish: "stop" });
const sayObserved = (observation: object): Reply => say(observed(observation));

const weather = (city: string): ScriptedCall => ({ name: "get_weather", arguments: pieces(JSON.stringify({ city, unit: "C" }), 7) });

const SCRIPTS: Record<string, Model> = {
  text: ({ system, maxTokens }) => (system === SYSTEM && maxTokens === 300 ? say(WORDS.text) : sayObserved({ system, maxTokens })),
  sampling: ({ temperature }) => sayObserved({ temperature }),
  tool: (seen, ownIds) => (seen.results.length > 0 ? resultsSeen(seen, ownIds) : { calls: [weather("Łódź")], finish: "tool_calls" }),
  "parallel-tools": (seen, ownIds) =>
    seen.results.length > 0
      ? resultsSeen(seen, ownIds)
      : { text: ["Let me look."], calls: [weather("Łódź"), { name: "list_cities", arguments: [] }, weather("Oslo")], finish: "tool_calls" },
  history: (seen) => sayObserved({ calls: seen.calls.map(({ name, args }) => ({ name, args })), results: seen.results.map(({ text }) => text), paired: paired(seen) }),
  thinking: ({ thinking, thoughts, userTexts }) =>
    userTexts.length > 1 ? sayObserved({ thoughts }) : thinking ? { thinking: pieces(WORDS.thinking), ...say(WORDS.text) } : sayObserved({ thinking }),
  "thinking-tool": ({ thinking, thoughts, results }) =>
    results.length > 0
      ? sayObserved({ thoughts, results: results.map(({ text }) => text) })
      : { ...(thinking && { thinking: pieces(WORDS.thinking) }), calls: [weather("Łódź")], finish: "tool_calls" },
  schema: ({ schema }) => (Object.keys(schema?.properties ?? {}).sort().join() === Object.keys(RECIPE).sort().join() ? say(JSON.stringify(RECIPE)) : sayObserved({ schema })),
  image: ({ images }) => sayObserved({ images }),
  refusal: () => ({ text: [WORDS.refusal], finish: "refusal" }),
  filter: () => ({ text: pieces(WORDS.half), finish: "filter" }),
  "max-tokens": ({ maxTokens }) => (maxTokens === 16 ? { text: pieces(WORDS.cut), finish: "max_tokens" } : sayObserved({ maxTokens })),
  "rate-limit": () => ({ status: 429, message: WORDS.rateLimit }),
  "bad-request": () => ({ status: 400, message: WORDS.badRequest }),
  "dies-midway": () => ({ text: pieces(WORDS.half), finish: "stop", dies: true }),
};

/** What came back from the tools: by which ids, and with which images. */
function resultsSeen(seen: Seen, ownIds: (index: number) => string | undefined): Reply {
  const own = seen.calls.every(({ id }, index) => ownIds(index) === undefined || id === ownIds(index));
  return sayObserved({ results: seen.results.map(({ text }) => text), images: seen.images, ids: own && paired(seen) ? "kept" : "changed" });
}

/** Whether each result answers the call at its place. */
function paired(seen: Seen): boolean {
  return seen.results.length === seen.calls.length && seen.results.every(({ id }, index) => id === undefined || id === seen.calls[index]?.id);
}

/** Cuts a text where a tokenizer might; a surrogate pair stays whole. */
export function pieces(text: string, size = 5): string[] {
  const characters = [...text];
  return Array.from({ length: Math.ceil(characters.length / size) }, (_, index) => characters.slice(index * size, (index + 1) * size).join(""));
}
