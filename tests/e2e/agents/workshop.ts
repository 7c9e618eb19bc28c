// Where an agent works in a test: a gateway before a strict upstream of another dialect, a home and a folder of its own, and no
// way out but to the gateway.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "vitest";
import { agent } from "../../../scripts/agents.mjs";
import { keyTo } from "../dialects/doors.ts";
import type { Gateway } from "../gateway.ts";
import { startStrict, type StrictUpstream } from "../upstream/strict.ts";
import type { Dialect, Seen } from "../upstream/strict/model.ts";
import { model, type Errand } from "./errands.ts";

/** How long an agent may take for all of its errands. */
const AGENT_TIMEOUT = 90_000; // ms
/** Of a test with an agent: the agent's, and some for what is around it. */
export const TEST_TIMEOUT = AGENT_TIMEOUT + 20_000; // ms
/** Nobody listens there: what an agent sends elsewhere than to the gateway ends here. */
const NOWHERE = "http://127.0.0.1:9";

export interface Outcome {
  code: number | null;
  stdout: string;
  /** All that may tell why it went wrong. */
  report: string;
  /** What the upstream saw of each turn of the work. */
  turns: Seen[];
}

/** The agent's command; where it cannot run, its tests are skipped, saying why. */
export async function commandOf(name: string): Promise<string[] | undefined> {
  const found = await agent(name);
  if (found.missing) {
    console.warn(`SKIPPED: the tests with ${name}, since ${found.missing}`);
    test.skip(name, () => {});
  }
  return found.command;
}

export class Workshop {
  readonly #scratch = mkdtempSync(join(tmpdir(), "edgeway-agent-"));
  readonly home = join(this.#scratch, "home");
  /** Where the agent is started. */
  readonly folder = join(this.#scratch, "work");
  readonly origin: string;
  readonly key: string;
  readonly #upstream: StrictUpstream;
  readonly #turns: Seen[];

  private constructor(origin: string, key: string, upstream: StrictUpstream, turns: Seen[], place: (folder: string) => Errand[], errands: Errand[]) {
    this.origin = origin;
    this.key = key;
    this.#upstream = upstream;
    this.#turns = turns;
    mkdirSync(this.home);
    mkdirSync(this.folder);
    errands.push(...place(this.folder));
  }

  /** `errands` are told the folder where the agent works. */
  static async open(gateway: Gateway, dialect: Dialect, errands: (folder: string) => Errand[]): Promise<Workshop> {
    const turns: Seen[] = [];
    const list: Errand[] = [];
    const upstream = await startStrict(dialect, (seen, ownIds) => model(list, turns)(seen, ownIds));
    return new Workshop(gateway.url, await keyTo(gateway, upstream), upstream, turns, errands, list);
  }

  async close(): Promise<void> {
    await this.#upstream.upstream.stop();
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  /** Runs the agent to its end. */
  async run([program, ...first]: string[], args: string[], env: Record<string, string>): Promise<Outcome> {
    const { folder, home } = this;
    const child = spawn(program!, [...first, ...args], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // A process group, so that what it started ends with it.
      env: {
        PATH: process.env.PATH, SHELL: "/bin/sh", LANG: "C.UTF-8", TERM: "dumb", NO_COLOR: "1", CI: "1", HOME: home, USERPROFILE: home,
        XDG_CONFIG_HOME: join(home, ".config"), XDG_DATA_HOME: join(home, ".local/share"), XDG_CACHE_HOME: join(home, ".cache"), XDG_STATE_HOME: join(home, ".local/state"),
        ...Object.fromEntries(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [[name, NOWHERE], [name.toLowerCase(), NOWHERE]])),
        NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1",
        ...env,
      },
    });
    const [stdout, stderr] = [collected(child.stdout), collected(child.stderr)];
    const end = (signal: NodeJS.Signals) => {
      try {
        process.kill(-child.pid!, signal);
      } catch {
        // It has ended by itself.
      }
    };
    const timer = setTimeout(() => end("SIGKILL"), AGENT_TIMEOUT);
    const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
    clearTimeout(timer);
    end("SIGTERM");
    return { code, stdout: stdout(), turns: this.#turns, report: `code ${code}\n${stdout()}\n${stderr()}\n${this.#asked()}` };
  }

  #asked(): string {
    const { exchanges } = this.#upstream.upstream;
    return exchanges.map(({ method, path, text, response }) => `${method} ${path} → ${response.statusCode}\n${text.slice(0, 2000)} … ${text.slice(-2000)}`).join("\n");
  }
}

function collected(stream: NodeJS.ReadableStream): () => string {
  let all = "";
  stream.setEncoding("utf8").on("data", (text: string) => (all += text));
  return () => all;
}
