// The benchmark's child processes: the upstream, the load, and what workerd's own weigh.
import { fork, spawnSync } from "node:child_process";
import { once } from "node:events";

const file = (name) => new URL(name, import.meta.url);

export async function startUpstream() {
  const child = fork(file("upstream.mjs"));
  const [{ port }] = await once(child, "message");
  return { port, url: `http://127.0.0.1:${port}`, release: () => child.send("release"), stop: () => child.disconnect() };
}

/** Runs one load to its end. */
export async function load(task) {
  const child = fork(file("load.mjs"));
  child.send(task);
  const [result] = await once(child, "message");
  if (result.failure || result.errors > 0 || result.requests === 0) {
    throw new Error(`the load on ${task.path} failed: ${result.failure ?? result.firstError ?? "no request came through"} (${result.errors ?? 0} errors)`);
  }
  return result;
}

/** Opens streams and keeps them open; `close` lets them go. */
export async function holdOpen(task) {
  const child = fork(file("load.mjs"));
  child.send({ ...task, hold: true });
  const [result] = await once(child, "message");
  if (result.failure) {
    child.disconnect();
    throw new Error(`holding streams open failed: ${result.failure}`);
  }
  return { ...result, close: () => (child.send("close"), child.disconnect()) };
}

/** The workerd processes that this process has started: Map of pid → resident bytes. */
export function workerds() {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid=,rss=,comm="], { encoding: "utf8" });
  const rows = stdout.trim().split("\n").map((line) => line.trim().split(/\s+/));
  return new Map(rows.filter(([, parent, , name]) => Number(parent) === process.pid && /workerd/.test(name)).map(([pid, , kib]) => [Number(pid), Number(kib) * 1024]));
}
