// Fails where the Worker's wasm is larger than it may be: start-up time and the free plan's limit hang on it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Problem, main, root } from "./toolchain.mjs";

const limit = 1_000_000;

await main(() => {
  const wasm = readFileSync(join(root, "build", "index_bg.wasm"));
  const compressed = gzipSync(wasm, { level: 9 }).length;
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
  console.log(`wasm: ${megabytes(wasm.length)}, gzipped ${megabytes(compressed)} (limit ${megabytes(limit)})`);
  if (compressed > limit) {
    throw new Problem("The wasm is too large; see which crates and generics grew with `cargo bloat`.");
  }
});
