// The official Python client of one dialect, in a process of its own that answers one question after the other.
import { spawn, type ChildProcess } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Answer, Dialect, Driver, Turn } from "../neutral.ts";

const SCRIPT = join(dirname(fileURLToPath(import.meta.url)), "python_driver.py");

export class PythonClient {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #toolOutput: string;
  #complaints = "";

  /** `toolOutput`: what the client's tools give. */
  constructor(interpreter: string, dialect: Dialect, toolOutput: string) {
    this.#toolOutput = toolOutput;
    this.#process = spawn(interpreter, [SCRIPT, dialect], { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" } });
    this.#process.stderr!.on("data", (text) => (this.#complaints += text));
    this.#answers = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  readonly driver: Driver = async (door, ask) => {
    const { text: prompt, picture } = ask.turns[0] as Turn & { role: "user" };
    const question = {
      ...door, prompt, stream: ask.stream === true, tool_output: this.#toolOutput,
      ...(ask.system !== undefined && { system: ask.system }),
      ...(ask.maxTokens !== undefined && { max_tokens: ask.maxTokens }),
      ...(picture && { picture: picture.data, media_type: picture.mediaType }),
      ...(ask.tools && { tools: ask.tools }),
    };
    this.#process.stdin!.write(`${JSON.stringify(question)}\n`);
    const { done, value } = await this.#answers.next();
    if (done) {
      throw new Error(`the Python client died: ${this.#complaints}`);
    }
    return JSON.parse(value) as Answer;
  };

  stop(): void {
    this.#process.stdin!.end();
  }
}
