// `npm test`: every test, from a fresh clone: the Rust core natively, the scripts, and the built Worker in workerd with the
// official Node and Python clients. All of them run even where an earlier one fails; the last line sums up.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Problem, cache, environment, main, npmBinary, present, probe, root, run, step } from "./toolchain.mjs";
import { build } from "./build.mjs";
import { setup } from "./setup.mjs";

const e2e = join(root, "tests", "e2e");
const totals = { passed: 0, failed: 0, skipped: 0 };
const failures = [];

await main(async () => {
  await setup();
  const nextest = probe("cargo", ["nextest", "--version"]).ok;
  await suite("Rust", "cargo", nextest ? ["nextest", "run", "--no-fail-fast"] : ["test", "--no-fail-fast"], {
    counts: nextest ? countNextest : countCargo,
  });
  await suite("Scripts", npmBinary("node"), ["--test", ...scriptTests()], { counts: countNode });
  await build();
  if (present(e2e)) {
    const python = await pythonWithClients();
    await suite("Worker", npmBinary("vitest"), ["run", "--root", e2e], { counts: countVitest, env: { NO_COLOR: "1", ...python } });
  }
  for (const failure of failures) {
    console.error(`\x1b[31m✗\x1b[0m ${failure}`);
  }
  console.log(`Tests: ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  if (failures.length > 0) {
    process.exit(1);
  }
});

/** Runs one suite with its output shown, and adds up what its summary says. */
async function suite(name, command, args, { counts, env = {} }) {
  step(`${name}: ${[command.split(/[\\/]/).at(-1), ...args].join(" ")}`);
  const { code, output } = await shown(command, args, env);
  const found = counts(output);
  totals.passed += found.passed;
  totals.skipped += found.skipped;
  totals.failed += found.failed || (code === 0 ? 0 : 1);
  if (code !== 0) {
    failures.push(`${name} failed`);
  }
}

function shown(command, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], env: environment(env) });
    let output = "";
    for (const [from, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]]) {
      from.setEncoding("utf8");
      from.on("data", (text) => {
        output += text;
        to.write(text);
      });
    }
    child.on("error", (error) => reject(new Problem(`${command} could not be started: ${error.message}`)));
    child.on("close", (code) => resolve({ code, output: output.replaceAll(/\x1b\[[0-9;]*m/g, "") }));
  });
}

function scriptTests() {
  return readdirSync(join(root, "scripts")).filter((name) => name.endsWith(".test.mjs")).map((name) => join("scripts", name));
}

/** EDGEWAY_PYTHON for the tests of the Worker: an interpreter that has tests/e2e/python/requirements.txt. */
async function pythonWithClients() {
  const requirements = join(e2e, "python", "requirements.txt");
  if (!present(requirements)) {
    return {};
  }
  const python = ["python3", "python"].find((name) => probe(name, ["-c", "import sys, venv; sys.exit(sys.version_info < (3, 9))"]).ok);
  if (!python) {
    console.warn("\x1b[33m! There is no Python 3.9 with venv: the tests with the Python client are SKIPPED.\x1b[0m");
    return {};
  }
  return { EDGEWAY_PYTHON: await virtualEnvironment(python, requirements) };
}

/** An environment for exactly these requirements, kept in the cache folder; a stamp tells that it is complete. */
async function virtualEnvironment(python, requirements) {
  const hash = createHash("sha256").update(probe(python, ["--version"]).stdout).update(readFileSync(requirements)).digest("hex").slice(0, 16);
  const folder = join(cache, `python-${hash}`);
  const interpreter = join(folder, process.platform === "win32" ? "Scripts" : "bin", "python");
  const stamp = join(folder, ".complete");
  if (!present(stamp)) {
    step("Installing the Python client (once)");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(cache, { recursive: true });
    await run(python, ["-m", "venv", folder], { what: "python -m venv" });
    await run(interpreter, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], { what: "pip install" });
    writeFileSync(stamp, "");
  }
  return interpreter;
}

/** The sum of the first group over all matches. */
function number(pattern, text) {
  return [...text.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
}

function countNextest(text) {
  const [summary = ""] = text.match(/^\s*Summary .*$/m) ?? [];
  return { passed: number(/(\d+) passed/g, summary), failed: number(/(\d+) (?:failed|timed out)/g, summary), skipped: number(/(\d+) skipped/g, summary) };
}

function countCargo(text) {
  const lines = (text.match(/^test result: .*$/gm) ?? []).join("\n");
  return { passed: number(/(\d+) passed/g, lines), failed: number(/(\d+) failed/g, lines), skipped: number(/(\d+) ignored/g, lines) };
}

function countNode(text) {
  return { passed: number(/^[#ℹ] pass (\d+)/gm, text), failed: number(/^[#ℹ] fail (\d+)/gm, text), skipped: number(/^[#ℹ] skipped (\d+)/gm, text) };
}

function countVitest(text) {
  const [summary = ""] = text.match(/^\s*Tests {2}.*$/m) ?? [];
  return { passed: number(/(\d+) passed/g, summary), failed: number(/(\d+) failed/g, summary), skipped: number(/(\d+) skipped/g, summary) };
}
