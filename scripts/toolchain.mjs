// Where the tools are and how they are run: what every other script starts from. Node built-ins only, Node 20 up.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where what outlives a clone is kept: cargo-built tools, CI's target folder, the Python clients. */
export const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "edgeway");

/** The cargo-installed tools. wasm-bindgen must be exactly the version of the crate in Cargo.toml. */
export const cargoTools = [
  { crate: "worker-build", version: "0.8.7", binary: "worker-build" },
  { crate: "wasm-bindgen-cli", folder: "wasm-bindgen", version: "0.2.129", binary: "wasm-bindgen" },
].map((tool) => {
  const folder = join(cache, `${tool.folder ?? tool.crate}-${tool.version}`);
  return { ...tool, folder, path: join(folder, "bin", executable(tool.binary)) };
});

const npmBinaries = join(root, "node_modules", ".bin");

/** The path of a command that an npm package brought. */
export function npmBinary(name) {
  return join(npmBinaries, process.platform === "win32" ? `${name}.cmd` : name);
}

/** The environment for child processes: the project's own Node 24 first, no metrics, no prompts. */
export function environment(extra = {}) {
  const path = [npmBinaries, process.env.PATH].join(delimiter);
  return { ...process.env, PATH: path, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true", NO_UPDATE_NOTIFIER: "1", ...extra };
}

/** A problem that the user can mend: its message is printed without a stack. */
export class Problem extends Error {}

/** Says what is being done. */
export function step(text) {
  console.log(`\x1b[36m▸\x1b[0m ${text}`);
}

/** Runs a command in the project's folder, its output shown; throws a [`Problem`] where it fails. */
export function run(command, args, { env, what = `${command} ${args.join(" ")}`, stdio = ["ignore", "inherit", "inherit"] } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio, env: environment(env) });
    child.on("error", (error) => reject(new Problem(`${what} could not be started: ${error.message}`)));
    child.on("exit", (code, signal) => (code === 0 ? resolve() : reject(new Problem(`${what} failed (${signal ?? `exit code ${code}`})`))));
  });
}

/** Runs a command quietly; → {ok, stdout, stderr}. */
export function probe(command, args, env) {
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env: environment(env), maxBuffer: 1 << 26 });
  return { ok: result.status === 0, stdout: result.stdout ?? "", stderr: result.stderr ?? result.error?.message ?? "" };
}

/** Runs a script's main function: a [`Problem`] ends it with its message, anything else with its stack. */
export async function main(task) {
  try {
    await task();
  } catch (error) {
    console.error(error instanceof Problem ? `\x1b[31m✗\x1b[0m ${error.message}` : error);
    process.exit(1);
  }
}

/** Whether this module is the script that was started. */
export function isMain(meta) {
  return process.argv[1] === fileURLToPath(meta.url);
}

/** Whether a path is there. */
export const present = existsSync;

function executable(name) {
  return process.platform === "win32" ? `${name}.exe` : name;
}
