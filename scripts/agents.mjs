// The coding agents that the tests run through the gateway, exact versions from npm, kept beside the other tools in the cache: they
// are far too big to be dependencies of the project. No install script runs; each is started from its platform's own package.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cache, present } from "./toolchain.mjs";

const AGENTS = {
  "claude-code": { package: "@anthropic-ai/claude-code", version: "2.1.329", binary: ({ system, cpu }) => [`@anthropic-ai/claude-code-${system}-${cpu}`, "claude"] },
  codex: { package: "@openai/codex", version: "0.169.0", binary: () => ["@openai/codex", "bin/codex.js"] },
  opencode: { package: "opencode-ai", version: "1.18.33", binary: ({ system, cpu }) => [`opencode-${system === "win32" ? "windows" : system}-${cpu}`, "bin/opencode"] },
};
const INSTALL_TIMEOUT = 5 * 60_000;
const VERSION_TIMEOUT = 30_000;

/** → {command: [program, …args]} of an agent that runs on this machine, or {missing: why there is none}. */
export async function agent(name) {
  const { package: packageName, version, binary } = AGENTS[name];
  const folder = join(cache, `agent-${name}-${version}`);
  if (!present(folder)) {
    const why = await install(`${packageName}@${version}`, folder);
    if (why) {
      return { missing: why };
    }
  }
  const [owner, file] = binary({ system: process.platform, cpu: process.arch });
  const program = join(folder, "node_modules", owner, process.platform === "win32" && !file.endsWith(".js") ? `${file}.exe` : file);
  if (!present(program)) {
    return { missing: `${packageName} ${version} has no program for ${process.platform} on ${process.arch}` };
  }
  const command = program.endsWith(".js") ? [process.execPath, program] : [program];
  const home = mkdtempSync(join(tmpdir(), "edgeway-agent-"));
  const { code, output } = await finished(command, ["--version"], { env: { ...process.env, HOME: home, USERPROFILE: home }, timeout: VERSION_TIMEOUT });
  rmSync(home, { recursive: true, force: true });
  return code === 0 ? { command } : { missing: `${packageName} ${version} does not run here: ${lastLine(output)}` };
}

/** Installs into a folder of its own that takes its name when it is whole; → why it did not, or nothing. */
async function install(specifier, folder) {
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, "agent-installing-"));
  try {
    writeFileSync(join(scratch, "package.json"), JSON.stringify({ private: true }));
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    const { code, output } = await finished([npm], ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", specifier], { cwd: scratch, timeout: INSTALL_TIMEOUT });
    if (code !== 0) {
      return `npm could not install ${specifier}: ${lastLine(output.replaceAll(/^npm error (A complete log|Log files).*\n?.*$/gm, ""))}`;
    }
    renameSync(scratch, folder);
    return undefined;
  } catch (error) {
    return present(folder) ? undefined : `${specifier} could not be installed: ${error.message}`; // Another run was quicker.
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Runs a program to its end, or to the end of its time; → {code, output}. */
function finished([program, ...first], args, { timeout, ...options }) {
  return new Promise((resolve) => {
    const child = spawn(program, [...first, ...args], { stdio: ["ignore", "pipe", "pipe"], timeout, ...options });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    }
    child.on("error", (error) => resolve({ code: null, output: error.message }));
    child.on("close", (code, signal) => resolve({ code, output: signal ? `${output}\nended by ${signal}` : output }));
  });
}

const lastLine = (output) => output.trim().split("\n").at(-1) || "it said nothing";
