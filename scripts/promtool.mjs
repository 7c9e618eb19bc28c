// Prometheus' own checker: the machine's, or the one of Debian's package `prometheus`, unpacked beside the other tools in the cache. The
// package is not installed, so nothing is started.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache, present } from "./toolchain.mjs";

const TIMEOUT = 3 * 60_000;

/** → {path} of a promtool that runs on this machine, or {missing: why there is none}. */
export function promtool() {
  const folder = join(cache, "promtool-debian");
  const candidates = [process.env.PROMTOOL, "promtool", join(folder, "usr", "bin", "promtool")].filter(Boolean);
  const found = () => candidates.find((path) => tried(path, ["--version"]).ok);
  const known = found();
  if (known) {
    return { path: known };
  }
  const why = unpack(folder);
  const path = found();
  return path ? { path } : { missing: why ?? "Debian's promtool does not run here" };
}

/** Unpacks into a folder of its own that takes its name when it is whole; → why it did not, or nothing. */
function unpack(folder) {
  if (!tried("apt-get", ["--version"]).ok || !tried("dpkg-deb", ["--version"]).ok) {
    return "there is no promtool, and no apt to get it with (set PROMTOOL; it is in Debian's package prometheus)";
  }
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, "promtool-unpacking-"));
  try {
    const download = () => tried("apt-get", ["-qq", "-o", "APT::Sandbox::User=root", "download", "prometheus"], scratch);
    let got = download();
    if (!got.ok) {
      // A fresh machine has no lists of packages yet; only root may fetch them.
      tried("apt-get", ["-qq", "update"]);
      got = download();
    }
    const file = readdirSync(scratch).find((name) => name.endsWith(".deb"));
    if (!got.ok || !file) {
      return `apt-get could not download prometheus: ${got.said}`;
    }
    const files = join(scratch, "files");
    const unpacked = tried("dpkg-deb", ["-x", join(scratch, file), files]);
    if (!unpacked.ok) {
      return `dpkg-deb could not unpack ${file}: ${unpacked.said}`;
    }
    rmSync(folder, { recursive: true, force: true });
    renameSync(files, folder);
    return undefined;
  } catch (error) {
    return present(folder) ? undefined : `promtool could not be unpacked: ${error.message}`; // Another run was quicker.
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function tried(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8", timeout: TIMEOUT, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
  const said = (error?.message ?? `${stdout}${stderr}`).trim().split("\n").at(-1) || "it said nothing";
  return { ok: status === 0, said };
}
