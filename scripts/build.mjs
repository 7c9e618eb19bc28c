// Builds the Worker into build/ with worker-build: `--dev` without optimisation, `--force` even where nothing changed.
// It names every tool, since worker-build otherwise downloads them from a release site.
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { Problem, cargoTools, isMain, main, npmBinary, present, root, run, step } from "./toolchain.mjs";
import { setup } from "./setup.mjs";

const inputs = ["src", "catalog", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "schema.sql", "scripts/toolchain.mjs", "scripts/build.mjs"];
const products = ["build/index.js", "build/index_bg.wasm"];
// What Rust's wasm32 target is compiled to, and the exceptions that wasm-bindgen catches; by `--all-features` the optimiser would write what workerd does not read yet.
const wasmFeatures = ["bulk-memory", "exception-handling", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"].map((name) => `--enable-${name}`);
// Of the optimiser, in this order.
const passes = ["--strip-debug", "--merge-similar-functions", "-O", "-O", "-O"];
const handlers = join(root, "build", "handlers.js");
const wasm = join(root, "build", "index_bg.wasm");
const stampFile = join(root, "build", ".inputs");

/** Builds unless what is in build/ came from the same inputs in the same profile. */
export async function build({ dev = false, force = false } = {}) {
  const stamp = `${dev ? "dev" : "release"} ${fingerprint()}`;
  const current = present(stampFile) && present(handlers) && products.every((product) => present(join(root, product))) ? readFileSync(stampFile, "utf8") : "";
  if (!force && current === stamp) {
    return;
  }
  const [workerBuild, wasmBindgen] = cargoTools;
  step(`Building the Worker (${dev ? "dev" : "release"}; a first build takes a minute or two)`);
  rmSync(stampFile, { force: true });
  await run(workerBuild.path, dev ? ["--dev"] : ["--release", "--no-opt"], {
    what: "worker-build",
    env: {
      WASM_BINDGEN_BIN: wasmBindgen.path,
      WASM_OPT_BIN: npmBinary("wasm-opt"),
      ESBUILD_BIN: npmBinary("esbuild"),
    },
  });
  for (const product of products) {
    if (!present(join(root, product))) {
      throw new Problem(`worker-build made no ${product}`);
    }
  }
  if (!dev) {
    // Names of functions are a tenth of what is uploaded; a panic's message has its file and line without them. Functions that
    // differ in a constant become one, before inlining hides that they do; a third pass takes another hundredth. They may fold
    // offsets into addresses since nothing lies in the first KB of the memory but the end of the stack.
    await run(npmBinary("wasm-opt"), [wasm, ...wasmFeatures, "--low-memory-unused", ...passes, "-o", wasm], { what: "wasm-opt" });
  }
  renameSync(join(root, "build", "index.js"), handlers);
  copyFileSync(join(root, "src", "edge", "entry.js"), join(root, "build", "index.js")); // which says why
  writeFileSync(stampFile, stamp);
}

/** A hash of every input: contents, not times, so that a fresh clone or a touched file builds nothing anew. */
function fingerprint() {
  const hash = createHash("sha256");
  const add = (path) => hash.update(relative(root, path)).update("\0").update(readFileSync(path)).update("\0");
  for (const input of inputs.map((name) => join(root, name)).filter(present)) {
    filesUnder(input).forEach(add);
  }
  return hash.digest("hex");
}

function filesUnder(path) {
  try {
    const entries = readdirSync(path, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort();
  } catch (error) {
    if (error.code === "ENOTDIR") {
      return [path];
    }
    throw error;
  }
}

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    await build({ dev: process.argv.includes("--dev"), force: process.argv.includes("--force") });
  });
}
