// The scenarios of the matrix: what is asked of a model, and what must come of it whatever two dialects are between.
import { expect } from "vitest";
import { imageLabel, RECIPE, SYSTEM, USAGE, WORDS } from "../upstream/strict/model.ts";
import type { Answer, Ask, Call, Dialect, Door, Driver, Picture, Tool } from "./neutral.ts";

export interface Pair {
  client: Dialect;
  upstream: Dialect;
}

export interface Scenario {
  name: string;
  /** What a reader of the matrix should know of it. */
  expects: string;
  /** It fails upstream: nothing else may use the same provider. */
  harmful?: boolean;
  run(driver: Driver, door: Door, pair: Pair): Promise<void>;
}

const PICTURE: Picture = { mediaType: "image/png", data: "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==" };
const LABEL = imageLabel(PICTURE.mediaType, PICTURE.data);

const GET_WEATHER: Tool = {
  name: "get_weather",
  description: "The weather in a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string", description: "The city's name" }, unit: { type: "string", enum: ["C", "F"] } },
    required: ["city"],
    additionalProperties: false,
  },
};
const LIST_CITIES: Tool = { name: "list_cities", description: "All cities there are." };
const TOOLS = [GET_WEATHER, LIST_CITIES];

const RECIPE_SCHEMA = {
  type: "object",
  properties: {
    title: { type: "string" },
    minutes: { type: "integer" },
    steps: { type: "array", items: { type: "string" } },
    chef: { anyOf: [{ type: "string" }, { type: "null" }] },
  },
  required: ["title", "minutes", "steps", "chef"],
  additionalProperties: false,
};

const asks = (scenario: string, more: Partial<Ask> = {}): Ask => ({ turns: [{ role: "user", text: `Please. scenario:${scenario}` }], ...more });

/** An answer without an error, and with the usage that the upstream told. */
function good(answer: Answer, finish: Answer["finish"]): Answer {
  expect(answer.error).toBeUndefined();
  expect(answer.finish).toBe(finish);
  expect(answer.usage).toEqual({ input: USAGE.input, output: USAGE.output, cached: USAGE.cached });
  return answer;
}

const bare = (calls: Call[]) => calls.map(({ name, args }) => ({ name, args }));

/** What the model says that it saw. */
function observation(answer: Answer): any {
  good(answer, "stop");
  expect(answer.text).toMatch(/^\{.*\}$/);
  return JSON.parse(answer.text);
}

/** The next turn: what was said, and what the tools gave. */
function withResults(ask: Ask, answer: Answer, texts: string[], picture?: Picture): Ask {
  const results = answer.toolCalls.map(({ id, name }, index) => ({ id, name, text: texts[index]!, ...(index === 0 && picture && { picture }) }));
  return { ...ask, turns: [...ask.turns, { role: "assistant", echo: answer.echo }, { role: "tool", results }] };
}

function distinct(calls: Call[]): void {
  expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length);
}

/** Whether the upstream's sealed thoughts must come back to it: Chat Completions has no place for them. */
const carriesThoughts = ({ client, upstream }: Pair) => client === upstream || (client !== "chat" && upstream !== "chat");

function thought(answer: Answer, { client, upstream }: Pair): void {
  // Chat Completions asks for an effort, not for a summary: where showing thoughts has to be asked for, it may show none.
  if (client === "chat" && (upstream === "responses" || upstream === "gemini")) {
    expect([undefined, WORDS.thinking]).toContain(answer.thinking);
  } else {
    expect(answer.thinking).toBe(WORDS.thinking);
  }
}

/** Anthropic's current API has no temperature: there it is left out, and said so. */
const TEMPERATURE = 0.5;

const text = (stream: boolean): Scenario["run"] => async (driver, door, { client, upstream }) => {
  const sampling = client === "messages" ? {} : { temperature: TEMPERATURE };
  const answer = good(await driver(door, asks("text", { stream, system: SYSTEM, maxTokens: 300, ...sampling })), "stop");
  expect(answer.text).toBe(WORDS.text);
  if (client !== "messages" && upstream !== "messages") {
    expect(observation(await driver(door, asks("sampling", { stream, ...sampling })))).toEqual(sampling);
  }
};

function words(stream: boolean): Scenario["run"] {
  return async (driver, door) => {
    const answer = good(await driver(door, asks("text", { stream, system: SYSTEM, maxTokens: 300 })), "stop");
    expect(answer.text).toBe(WORDS.text);
  };
}

function loop(stream: boolean): Scenario["run"] {
  return async (driver, door) => {
    const answer = await driver(door, asks("tool", { stream, tools: TOOLS }));
    expect(answer.error).toBeUndefined();
    expect(bare(answer.toolCalls)).toEqual([{ name: "get_weather", args: { city: "Łódź", unit: "C" } }]);
    expect(observation(answer)).toEqual({ results: [TOOL_OUTPUT], images: [], ids: "kept" });
  };
}

async function eachWay(driver: Driver, door: Door, ask: Ask, check: (answer: Answer) => void): Promise<void> {
  for (const stream of [false, true]) {
    check(await driver(door, { ...ask, stream }));
  }
}

const fails = (scenario: string, stream: boolean, status: number, words: string | RegExp): Scenario["run"] => async (driver, door) => {
  const { text, error } = await driver(door, asks(scenario, { stream }));
  expect(error?.status).toBe(status);
  expect(error?.message).toMatch(words);
  expect(error?.shaped).toBe(true);
  expect(text).toBe("");
};

const IMAGE: Scenario = {
  name: "image in",
  expects: "the user's image arrives byte for byte with its type",
  run: async (driver, door) => {
    const seen = observation(await driver(door, { turns: [{ role: "user", text: "What is this? scenario:image", picture: PICTURE }] }));
    expect(seen).toEqual({ images: [LABEL] });
  },
};

/** What the tools of `OTHER_CLIENTS_SCENARIOS` give. */
export const TOOL_OUTPUT = "18 °C";

/** For the clients beside the four: text, stream, an image, and a tool that the client runs by itself. */
export const OTHER_CLIENTS_SCENARIOS: Scenario[] = [
  { name: "text", expects: "the system prompt and the output limit arrive; text, finish and usage come back", run: words(false) },
  { name: "streamed text", expects: "the same, by the client's own accumulator", run: words(true) },
  { name: "tool loop", expects: "the client runs the tool that the model calls, and the model gets what it gave", run: loop(false) },
  { name: "streamed tool loop", expects: "the same, streamed", run: loop(true) },
  IMAGE,
];

export const SCENARIOS: Scenario[] = [
  {
    name: "text",
    expects: "the system prompt, temperature and output limit arrive; the text (with characters outside the BMP), finish and usage with cached input come back",
    run: text(false),
  },
  { name: "streamed text", expects: "the same, by the client's own accumulator", run: text(true) },
  {
    name: "tool call",
    expects: "a call with its arguments; its result goes back under the id that the upstream gave",
    run: async (driver, door) => {
      const ask = asks("tool", { tools: TOOLS });
      const called = good(await driver(door, ask), "tool_calls");
      expect(bare(called.toolCalls)).toEqual([{ name: "get_weather", args: { city: "Łódź", unit: "C" } }]);
      const seen = observation(await driver(door, withResults(ask, called, ["18 °C"])));
      expect(seen).toEqual({ results: ["18 °C"], images: [], ids: "kept" });
    },
  },
  {
    name: "parallel tools, streamed",
    expects: "text and three calls, their pieces interleaved where the dialect allows it, one without arguments; three results go back to the right calls",
    run: async (driver, door) => {
      const ask = asks("parallel-tools", { tools: TOOLS, stream: true });
      const called = good(await driver(door, ask), "tool_calls");
      expect(called.text).toBe("Let me look.");
      expect(bare(called.toolCalls)).toEqual([
        { name: "get_weather", args: { city: "Łódź", unit: "C" } },
        { name: "list_cities", args: {} },
        { name: "get_weather", args: { city: "Oslo", unit: "C" } },
      ]);
      distinct(called.toolCalls);
      const seen = observation(await driver(door, withResults(ask, called, ["18 °C", "Łódź, Oslo", "7 °C"])));
      expect(seen).toEqual({ results: ["18 °C", "Łódź, Oslo", "7 °C"], images: [], ids: "kept" });
    },
  },
  {
    name: "tool result with image",
    expects: "the image that a tool gave reaches the model, behind the tool's words",
    run: async (driver, door) => {
      const ask = asks("tool", { tools: TOOLS, stream: true });
      const called = good(await driver(door, ask), "tool_calls");
      const seen = observation(await driver(door, withResults(ask, called, ["A picture of the sky."], PICTURE)));
      expect(seen).toEqual({ results: ["A picture of the sky."], images: [LABEL], ids: "kept" });
    },
  },
  {
    name: "foreign tool ids",
    expects: "a history whose ids the upstream would refuse (too long, wrong characters) is taken, each result still with its call",
    run: async (driver, door, { client }) => {
      const id = (index: number) => (client === "messages" ? `toolu_${"x".repeat(56)}_${index}` : client === "gemini" ? `call.${index}` : `functions.get_weather:${index}${"_".repeat(client === "responses" ? 30 : 0)}`);
      const calls = ["Łódź", "Oslo"].map((city, index) => ({ id: id(index), name: "get_weather", args: { city } }));
      const results = calls.map(({ id, name }, index) => ({ id, name, text: `${index} °C` }));
      const ask = asks("history", { tools: TOOLS });
      const seen = observation(await driver(door, { ...ask, turns: [...ask.turns, { role: "assistant", calls }, { role: "tool", results }] }));
      expect(seen).toEqual({ calls: bare(calls), results: ["0 °C", "1 °C"], paired: true });
    },
  },
  {
    name: "thinking",
    expects: "thoughts are streamed; the next turn sends them back, and the upstream gets its own signature intact (stripped, not refused, where the client has no place for it)",
    run: async (driver, door, pair) => {
      const ask = asks("thinking", { thinking: true, stream: true });
      const first = good(await driver(door, ask), "stop");
      thought(first, pair);
      expect(first.text).toBe(WORDS.text);
      const seen = observation(await driver(door, { ...ask, turns: [...ask.turns, { role: "assistant", echo: first.echo }, { role: "user", text: "And again." }] }));
      expect(seen).toEqual({ thoughts: expect.any(Number) });
      expect(seen.thoughts).toBeGreaterThanOrEqual(carriesThoughts(pair) ? 1 : 0);
    },
  },
  {
    name: "thinking and a tool",
    expects: "the same across a tool call, in the middle of a turn, where upstreams insist on it",
    run: async (driver, door, pair) => {
      const ask = asks("thinking-tool", { thinking: true, stream: true, tools: TOOLS });
      const called = good(await driver(door, ask), "tool_calls");
      thought(called, pair);
      const seen = observation(await driver(door, withResults(ask, called, ["18 °C"])));
      expect(seen).toEqual({ thoughts: expect.any(Number), results: ["18 °C"] });
      expect(seen.thoughts).toBeGreaterThanOrEqual(carriesThoughts(pair) ? 1 : 0);
    },
  },
  {
    name: "structured output",
    expects: "the JSON schema arrives in the form that the upstream takes; the answer is that JSON",
    run: (driver, door) =>
      eachWay(driver, door, asks("schema", { schema: RECIPE_SCHEMA }), (answer) => expect(JSON.parse(good(answer, "stop").text)).toEqual(RECIPE)),
  },
  IMAGE,
  { name: "refusal", expects: "a refusal is told as one", run: (driver, door) => eachWay(driver, door, asks("refusal"), (answer) => void good(answer, "refused")) },
  {
    name: "content filter",
    expects: "words that were cut off by a filter are told as such",
    run: (driver, door) => eachWay(driver, door, asks("filter"), (answer) => expect(good(answer, "refused").text).toBe(WORDS.half)),
  },
  {
    name: "max tokens",
    expects: "the limit arrives, and an answer that was cut there says so",
    run: (driver, door) => eachWay(driver, door, asks("max-tokens", { maxTokens: 16 }), (answer) => expect(good(answer, "max_tokens").text).toBe(WORDS.cut)),
  },
  { name: "error 429", expects: "the status, and that a rate limit is the reason, in the client's own kind of error", harmful: true, run: fails("rate-limit", false, 429, /rate.?limit/i) },
  { name: "error 429, streamed", expects: "the same where a stream was asked for", harmful: true, run: fails("rate-limit", true, 429, /rate.?limit/i) },
  { name: "error 400", expects: "the status, and the upstream's words, in the client's own kind of error", harmful: true, run: fails("bad-request", false, 400, WORDS.badRequest) },
  { name: "error 400, streamed", expects: "the same where a stream was asked for", harmful: true, run: fails("bad-request", true, 400, WORDS.badRequest) },
  {
    name: "mid-stream error",
    expects: "the words that had come, then an error that the client throws, never a clean end",
    harmful: true,
    run: async (driver, door) => {
      const { text, error } = await driver(door, asks("dies-midway", { stream: true }));
      expect(text).toBe(WORDS.half);
      expect(error?.message).toContain(WORDS.overloaded);
    },
  },
];
