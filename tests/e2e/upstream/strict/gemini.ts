// The strict upstream that speaks Gemini's generateContent, as a Gemini 3 does: its calls carry thought signatures and want them
// back. Calls of a stream have ids, calls of a whole answer have none: real ones do either.
import { createHash } from "node:crypto";
import { bracketed, Rejected } from "./check.ts";
import { jsonOf, serve, type DialectServer } from "./endpoint.ts";
import { readGemini } from "./gemini-request.ts";
import { USAGE, WORDS, type Model, type Reply, type Seen } from "./model.ts";
import { Seal } from "./seal.ts";

export const GEMINI_MODEL = "gemini-3-strict";

interface Request {
  /** Server-sent events instead of one JSON array. */
  sse: boolean;
  model: string;
  /** Thoughts are shown, since that was asked for. */
  shows: boolean;
}

const PATH = /^\/(?:v1beta|v1|v1alpha)\/models\/([^/:]+):(generateContent|streamGenerateContent)(?:\?(.*))?$/;
const FINISH: Record<Reply["finish"], string> = { stop: "STOP", tool_calls: "STOP", max_tokens: "MAX_TOKENS", refusal: "SAFETY", filter: "SAFETY" };

/** An id of eight characters, for the calls of a stream. */
const streamedId = (index: number) => createHash("sha256").update(`gemini ${index}`).digest("hex").slice(0, 8);

const usage = (said: Reply) => {
  const thoughts = said.thinking ? USAGE.reasoning : 0;
  return {
    promptTokenCount: USAGE.input, candidatesTokenCount: USAGE.output - thoughts, totalTokenCount: USAGE.input + USAGE.output, cachedContentTokenCount: USAGE.cached,
    promptTokensDetails: [{ modality: "TEXT", tokenCount: USAGE.input }], cacheTokensDetails: [{ modality: "TEXT", tokenCount: USAGE.cached }],
    ...(thoughts > 0 && { thoughtsTokenCount: thoughts }), serviceTier: "standard",
  };
};

const server = (seal: Seal): DialectServer<Request> => {
  const signature = (thought: string) => seal.of(thought).toString("base64");
  const opens = (signature: string) => seal.opens(Buffer.from(signature, "base64"));

  /** The parts that hold the calls: the first one has the signature for all of them. */
  const callParts = (said: Reply, { calls }: Seen, ids: boolean) =>
    (said.calls ?? []).map((call, index) => ({
      functionCall: { name: call.name, args: JSON.parse(call.arguments.join("") || "{}"), ...(ids && { id: streamedId(calls.length + index) }) },
      ...(index === 0 && { thoughtSignature: signature(said.thinking?.join("") ?? "a call") }),
    }));
  const envelope = (model: string, said: Reply, parts: object[] | undefined, finish?: string) => ({
    candidates: [{
      content: { ...(parts && { parts }), role: "model" }, ...(finish && { finishReason: finish }), index: 0,
      ...(finish === "SAFETY" && { safetyRatings: [{ category: "HARM_CATEGORY_DANGEROUS_CONTENT", probability: "HIGH", blocked: true }] }),
    }],
    usageMetadata: usage(said), modelVersion: model, responseId: "strictresponse",
  });

  return {
    read(exchange) {
      const [, model, method, query] = PATH.exec(exchange.path) ?? [];
      if (!model || exchange.method !== "POST") {
        throw new Rejected("invalid", [], `The requested URL ${exchange.path} was not found on this server.`, { status: 404, code: "NOT_FOUND" });
      }
      const parameters = new URLSearchParams(query);
      if (!exchange.headers["x-goog-api-key"] && !parameters.get("key")) {
        throw new Rejected("invalid", [], "Method doesn't allow unregistered callers (callers without established identity).", { status: 403, code: "PERMISSION_DENIED" });
      }
      const streamed = method === "streamGenerateContent";
      const body = jsonOf(exchange);
      const seen = readGemini(body, streamed, opens);
      if (model !== GEMINI_MODEL) {
        throw new Rejected("invalid", [], `models/${model} is not found for API version v1beta, or is not supported for ${method}.`, { status: 404, code: "NOT_FOUND" });
      }
      return { request: { sse: parameters.get("alt") === "sse", model, shows: body.generationConfig?.thinkingConfig?.includeThoughts === true }, seen };
    },

    // What a whole answer said without ids comes back without ids, or with ids that somebody made up.
    callId: (seen: Seen, index) => (seen.calls.every(({ id }) => id === undefined || /^[0-9a-f]{8}$/.test(id)) && seen.calls.some(({ id }) => id !== undefined) ? streamedId(index) : undefined),

    whole(said, { request, seen }) {
      const thought = said.thinking?.join("");
      if (said.finish === "refusal") {
        return envelope(request.model, said, undefined, "SAFETY");
      }
      const signed = thought && !said.calls ? { thoughtSignature: signature(thought) } : {};
      const parts = [
        ...(thought && request.shows ? [{ text: thought, thought: true }] : []),
        ...(said.text ? [{ text: said.text.join(""), ...signed }] : []),
        ...callParts(said, seen, false),
      ];
      return envelope(request.model, said, parts, FINISH[said.finish]);
    },

    parts(said, { request, seen }) {
      const chunks: object[] = [
        ...(request.shows ? (said.thinking ?? []) : []).map((text) => [{ text, thought: true }]),
        ...(said.finish === "refusal" ? [] : (said.text ?? [])).map((text) => [{ text }]),
        ...callParts(said, seen, true).map((part) => [part]),
      ].map((parts) => envelope(request.model, said, parts));
      if (said.dies) {
        chunks.push({ error: { code: 503, message: WORDS.overloaded, status: "UNAVAILABLE" } });
      } else if (said.finish === "refusal") {
        chunks.push(envelope(request.model, said, undefined, "SAFETY"));
      } else {
        // The last part is empty, and signs what came before it.
        const last = { text: "", ...(said.thinking && !said.calls && { thoughtSignature: signature(said.thinking.join("")) }) };
        chunks.push(envelope(request.model, said, [last], FINISH[said.finish]));
      }
      return request.sse
        ? chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`)
        : [...chunks.map((chunk, index) => `${index === 0 ? "[" : ",\r\n"}${JSON.stringify(chunk, null, 2)}`), "]"];
    },

    streamType: ({ request }) => (request.sse ? "text/event-stream" : "application/json; charset=UTF-8"),

    rejection({ kind, path, message, status, code }) {
      const at = bracketed(path);
      const words = {
        unknown: `Invalid JSON payload received. Unknown name "${String(path.at(-1))}" at '${bracketed(path.slice(0, -1))}': Cannot find field.`,
        missing: `* GenerateContentRequest.${at}: ${String(path.at(-1))} is not specified\n`,
        invalid: at ? `* GenerateContentRequest.${at}: ${message}\n` : message,
      }[kind];
      return { error: { code: status, message: words, status: code && /^[A-Z_]+$/.test(code) ? code : "INVALID_ARGUMENT" } };
    },

    failure: ({ status, message }) => ({
      error: { code: status, message, status: status === 429 ? "RESOURCE_EXHAUSTED" : "INVALID_ARGUMENT", ...(status === 429 && { details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1s" }] }) },
    }),
  };
};

export const strictGemini = (model?: Model) => serve(server(new Seal(900)), model);
