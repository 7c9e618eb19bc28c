// The benchmark's requests in the words of Anthropic's Messages, which a chat upstream gets translated.

export const MESSAGES = "/v1/messages";
const BYTES = 200_000;
const TURNS = 25;
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const SENTENCE = "The fox ran \u201cquietly\u201d along the river; its \"tail\"\n\tleft 3 marks in the snow. ";

/** A short question, streamed. */
export const shortMessages = (model) =>
  JSON.stringify({ model, max_tokens: 1024, stream: true, system: "You are helpful.", messages: [{ role: "user", content: "Tell me about foxes." }] });

/** What an agent asks after 25 uses of its tools: 100 messages and the last word, 200 KB, with a system prompt, tools and a few small images. */
export function conversation(model) {
  const text = (length) => SENTENCE.repeat(Math.ceil(length / SENTENCE.length)).slice(0, length);
  const tool = (name) => ({
    name, description: text(300),
    input_schema: { type: "object", properties: { path: { type: "string", description: text(80) }, lines: { type: "array", items: { type: "integer" } } }, required: ["path"] },
  });
  const turn = (at, length) => [
    { role: "user", content: [{ type: "text", text: text(length / 4) }, ...(at % 8 ? [] : [{ type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } }])] },
    { role: "assistant", content: [{ type: "text", text: text(length / 8) }, { type: "tool_use", id: `toolu_${at}`, name: `tool_${at % 12}`, input: { path: `src/${at}.rs`, lines: [1, 2, at] } }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: `toolu_${at}`, content: [{ type: "text", text: text(length / 2) }] }] },
    { role: "assistant", content: text(length / 8) },
  ];
  const written = (length) => {
    const messages = Array.from({ length: TURNS }, (_, at) => turn(at, length)).flat();
    messages.push({ role: "user", content: "Go on." });
    return JSON.stringify({
      model, max_tokens: 1024, system: [{ type: "text", text: text(4000), cache_control: { type: "ephemeral" } }],
      messages, tools: Array.from({ length: 12 }, (_, at) => tool(`tool_${at}`)), tool_choice: { type: "auto" },
    });
  };
  // The frame, and what a character of text takes in it, give the length that comes to 200 KB.
  const [small, big] = [800, 8000].map((length) => Buffer.byteLength(written(length)));
  return written(Math.round(800 + ((BYTES - small) * 7200) / (big - small)));
}
