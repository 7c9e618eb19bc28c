// The model behind an agent: it has the agent run its own tools, one a turn, and tells at the end what the last one gave.
import { pieces, WORDS, type Model, type Seen } from "../upstream/strict/model.ts";

/** A tool that the agent is to run. */
export interface Errand {
  /** Its name; the agent must offer it. */
  tool: string;
  args: object;
}

/** What agents ask beside the work (a title for the session, say), and offer no tools for. */
const ASIDE = "A small errand";

/** Thinks where thoughts are asked for; its last words are what the last tool gave. */
export function model(errands: Errand[], notes: Seen[] = []): Model {
  return (seen) => {
    if (seen.tools.length === 0) {
      return { text: [ASIDE], finish: "stop" };
    }
    notes.push(seen);
    const missing = errands.find(({ tool }) => !seen.tools.includes(tool));
    if (missing) {
      return { status: 400, message: `there is no tool ${missing.tool} among ${seen.tools.join(", ")}` };
    }
    const thinking = seen.thinking ? { thinking: pieces(WORDS.thinking) } : {};
    const errand = errands[seen.results.length];
    return errand
      ? { ...thinking, text: ["Let me ", "see."], calls: [{ name: errand.tool, arguments: pieces(JSON.stringify(errand.args), 7) }], finish: "tool_calls" }
      : { ...thinking, text: pieces(`The last tool said: ${seen.results.at(-1)?.text}`), finish: "stop" };
  };
}
