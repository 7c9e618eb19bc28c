// Brings a fresh clone to where it can build: npm packages, the wasm target, the two cargo tools. Fast when all is there.
// Nothing comes from a release site: npm and cargo registries only.
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Problem, cache, cargoTools, environment, isMain, main, npmBinary, present, probe, root, run, step } from "./toolchain.mjs";

/** Where the tools are compiled: shared while both are, gone afterwards. */
const toolsTarget = join(cache, "tools-target");

/** Does whatever is still missing. */
export async function setup() {
  await installPackages();
  checkRust();
  for (const tool of cargoTools.filter(({ path }) => !present(path))) {
    await installCargoTool(tool);
  }
  rmSync(toolsTarget, { recursive: true, force: true });
}

/** `npm ci`, where node_modules is missing, incomplete or older than the lock file. */
async function installPackages() {
  const modified = (path) => (present(path) ? statSync(path).mtimeMs : 0);
  const installed = modified(join(root, "node_modules", ".package-lock.json"));
  if (installed >= modified(join(root, "package-lock.json")) && present(npmBinary("wrangler")) && present(npmBinary("node"))) {
    return;
  }
  step("Installing npm packages (once, about half a minute)");
  // The packages that want Node 22 get it from npm's `node`; the warnings about this machine's own Node say nothing.
  await run(process.platform === "win32" ? "npm.cmd" : "npm", ["ci", "--loglevel=error"], { what: "npm ci" });
}

function checkRust() {
  const cargo = probe("cargo", ["--version"]);
  if (!cargo.ok) {
    throw new Problem(`Rust is missing: install it with rustup (https://rustup.rs), then try again.\n  ${cargo.stderr.trim()}`);
  }
  const library = probe("rustc", ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"]);
  if (library.ok && present(library.stdout.trim())) {
    return;
  }
  step("Adding the Rust target wasm32-unknown-unknown");
  const added = probe("rustup", ["target", "add", "wasm32-unknown-unknown"]);
  if (!added.ok) {
    throw new Problem(`The Rust target wasm32-unknown-unknown is missing and rustup could not add it:\n${added.stderr.trim()}`);
  }
}

/** `cargo install` into the cache folder of that very version, so that every clone finds it and nothing global changes. */
async function installCargoTool({ crate, version, folder, path }) {
  step(`Building ${crate} ${version} (once for this machine, two or three minutes)`);
  mkdirSync(folder, { recursive: true });
  const args = ["install", crate, "--version", version, "--locked", "--root", folder, "--target-dir", toolsTarget];
  await withProgress("cargo", args);
  if (!present(path)) {
    throw new Problem(`cargo installed ${crate} but ${path} is not there`);
  }
}

/** Runs cargo, and shows how many crates it has compiled; prints all of its output where it fails. */
function withProgress(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "ignore", "pipe"], env: environment({ CARGO_TERM_COLOR: "never" }) });
    const began = Date.now();
    let output = "";
    let said = 0;
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => {
      output += text;
      if (Date.now() - said > 5_000) {
        said = Date.now();
        const crates = output.match(/^\s*Compiling /gm)?.length ?? 0;
        console.log(`  ${Math.round((said - began) / 1000)} s: ${crates} crates so far`);
      }
    });
    child.on("error", (error) => reject(new Problem(`${command} could not be started: ${error.message}`)));
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Problem(`${command} ${args.join(" ")} failed:\n${output}`))));
  });
}

if (isMain(import.meta)) {
  await main(setup);
}
