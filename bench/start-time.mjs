// How long a cold isolate takes: workerd alone, without Miniflare, from its start to its first answer, with Edgeway and
// with an empty Worker in turn; the difference is Edgeway's.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync, copyFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const workerd = createRequire(import.meta.url)("workerd").default;

/** Median ms to the first answer: {edgeway, empty}. */
export async function startTimes(build, config, rounds) {
  const folder = mkdtempSync(join(tmpdir(), "edgeway-start-"));
  try {
    for (const name of readdirSync(build).filter((name) => /\.(js|wasm)$/.test(name))) {
      copyFileSync(join(build, name), join(folder, name));
    }
    writeFileSync(join(folder, "empty.js"), 'export default { fetch() { return new Response("ok"); } };');
    const names = readdirSync(build).filter((name) => /\.(js|wasm)$/.test(name)).sort((a, b) => Number(b === "index.js") - Number(a === "index.js"));
    writeFileSync(join(folder, "edgeway.capnp"), capnp(names, config));
    writeFileSync(join(folder, "empty.capnp"), capnp(["empty.js"], config));
    const times = { edgeway: [], empty: [] };
    for (let round = 0; round < rounds; round++) {
      for (const name of ["empty", "edgeway"]) {
        times[name].push(await firstAnswer(join(folder, `${name}.capnp`)));
      }
    }
    const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
    return { edgeway: median(times.edgeway), empty: median(times.empty) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** workerd's configuration: one Worker of these modules, the first being its entry. */
function capnp(names, { compatibilityDate, compatibilityFlags }) {
  const modules = names.map((name) => `(name = "${name}", ${name.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${name}")`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [${modules.join(", ")}],
    compatibilityDate = "${compatibilityDate}", compatibilityFlags = ${JSON.stringify(compatibilityFlags)}))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]);`;
}

async function firstAnswer(configFile) {
  const begun = performance.now();
  const child = spawn(workerd, ["serve", configFile, "--control-fd=3"], { stdio: ["ignore", "ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (text) => (errors += text));
  try {
    const port = await new Promise((resolve, reject) => {
      child.stdio[3].on("data", (text) => {
        const found = /"event":"listen","socket":"http","port":(\d+)/.exec(text);
        if (found) {
          resolve(Number(found[1]));
        }
      });
      child.on("exit", () => reject(new Error(`workerd ended: ${errors}`)));
    });
    await (await fetch(`http://127.0.0.1:${port}/healthz`)).arrayBuffer();
    return performance.now() - begun;
  } finally {
    child.kill();
  }
}
