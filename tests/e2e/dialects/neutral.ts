// What a scenario asks and gets, in no dialect: each driver puts it into its client's words and back.
export { DIALECTS, type Dialect } from "../upstream/strict/model.ts";

/** Where a client is pointed at, as its user would. */
export interface Door {
  /** `http://host:port`; each client appends what its own default base URL has. */
  origin: string;
  key: string;
  model: string;
}

export interface Picture {
  mediaType: "image/png";
  /** Base64. */
  data: string;
}

export interface Tool {
  name: string;
  description: string;
  /** JSON schema; none where the tool takes no arguments. */
  parameters?: { type: "object"; properties: Record<string, object>; required: string[]; additionalProperties?: false };
}

export type Turn =
  | { role: "user"; text: string; picture?: Picture }
  /** The last answer as the client got it. */
  | { role: "assistant"; echo: unknown }
  /** Calls that this client had from somewhere else. */
  | { role: "assistant"; calls: Call[] }
  | { role: "tool"; results: Result[] };

export interface Call {
  id: string;
  name: string;
  args: object;
}

export interface Result {
  id: string;
  name: string;
  text: string;
  picture?: Picture;
}

export interface Ask {
  turns: Turn[];
  stream?: boolean;
  system?: string;
  tools?: Tool[];
  /** Structured output: a JSON schema in the form that OpenAI's strict mode and Anthropic want. */
  schema?: object;
  /** Thoughts are wanted, and shown. */
  thinking?: boolean;
  maxTokens?: number;
  temperature?: number;
}

export type Finish = "stop" | "tool_calls" | "max_tokens" | "refused" | `other: ${string}`;

export interface Answer {
  text: string;
  toolCalls: Call[];
  finish?: Finish;
  /** `input` with what was cached of it, `output` with the thoughts. */
  usage?: { input: number; output: number; cached: number };
  thinking?: string;
  /** `shaped`: its body was in the client's own dialect. */
  error?: { status?: number; message: string; shaped?: boolean };
  /** For the next turn. */
  echo?: unknown;
}

export type Driver = (door: Door, ask: Ask) => Promise<Answer>;

/** A driver's answer where its client threw: with what had come until then. `bodyOf` is the body of the error, as the dialect has it. */
export function failed(error: unknown, text = "", bodyOf?: BodyOf): Answer {
  const { status, statusCode, message } = error as { status?: number; statusCode?: number; message?: string };
  return { text, toolCalls: [], error: { status: status ?? statusCode, message: String(message ?? error), shaped: bodyOf && isWhole(error, bodyOf) } };
}

function isWhole(error: unknown, bodyOf: BodyOf): boolean {
  try {
    const fields = Object.values(bodyOf(error) ?? {});
    return fields.length > 0 && fields.every((field) => field !== undefined);
  } catch {
    return false; // Not even JSON, or without the object that should hold the fields.
  }
}

/** The fields that the body of an error has in a dialect, `undefined` where one is missing. */
export type BodyOf = (error: any) => Record<string, unknown> | undefined;

/** OpenAI's errors, of both its dialects; the client keeps what is under `error`. */
export const openAiError: BodyOf = ({ error }) => error && { message: error.message, type: error.type, param: error.param, code: error.code };
