// Strict upstreams: one for each dialect, each speaking as its real API does and refusing what its real API refuses.
import { Upstream, type Behaviour } from "../upstream.ts";
import { CHAT_MODEL, strictChat } from "./strict/chat.ts";
import { GEMINI_MODEL, strictGemini } from "./strict/gemini.ts";
import { MESSAGES_MODEL, strictMessages } from "./strict/messages.ts";
import { RESPONSES_MODEL, strictResponses } from "./strict/responses.ts";
import type { Dialect, Model } from "./strict/model.ts";

interface Speaker {
  behaviour: (model?: Model) => Behaviour;
  /** The only model that it knows. */
  model: string;
  /** What its SDK appends paths to: OpenAI's has the version in its base URL. */
  base: string;
}

export const SPEAKERS: Record<Dialect, Speaker> = {
  chat: { behaviour: strictChat, model: CHAT_MODEL, base: "/v1" },
  responses: { behaviour: strictResponses, model: RESPONSES_MODEL, base: "/v1" },
  messages: { behaviour: strictMessages, model: MESSAGES_MODEL, base: "" },
  gemini: { behaviour: strictGemini, model: GEMINI_MODEL, base: "" },
};

export interface StrictUpstream {
  dialect: Dialect;
  upstream: Upstream;
  /** What a provider's `base_url` is. */
  url: string;
  model: string;
}

/** `answers`: who answers, where it is not the model of the scenarios. */
export async function startStrict(dialect: Dialect, answers?: Model): Promise<StrictUpstream> {
  const { behaviour, model, base } = SPEAKERS[dialect];
  const upstream = (await Upstream.start(`strict-${dialect}`)).always(behaviour(answers));
  return { dialect, upstream, url: new URL(upstream.url).origin + base, model };
}
