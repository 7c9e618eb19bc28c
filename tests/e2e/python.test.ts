// The tests with the official Python client: pytest runs them (python/), and each is reported here as a test of its own.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

interface Report {
  name: string;
  outcome: "passed" | "failed" | "skipped";
  details: string;
}

const folder = join(dirname(fileURLToPath(import.meta.url)), "python");
const python = process.env.EDGEWAY_PYTHON;

if (!python) {
  console.warn("SKIPPED: the tests with the Python client, since EDGEWAY_PYTHON names no interpreter (`npm test` sets it)");
  test.skip("the official Python client", () => {});
} else {
  const { reports, code, output } = await pytest(python);
  test.each(reports)("$name", ({ outcome, details }) => expect(outcome, details).toBe("passed"));
  test("pytest ran to its end", () => expect([code, reports.length > 0], output).toEqual([reports.some(({ outcome }) => outcome === "failed") ? 1 : 0, true]));
}

/** Runs pytest while vitest collects: its results are the tests. */
async function pytest(interpreter: string): Promise<{ reports: Report[]; code: number | null; output: string }> {
  const scratch = mkdtempSync(join(tmpdir(), "edgeway-pytest-"));
  const file = join(scratch, "reports.ndjson");
  const child = spawn(interpreter, ["-m", "pytest", "-q", "-p", "no:cacheprovider", folder], {
    env: { ...process.env, EDGEWAY_PYTEST_REPORT: file, PYTHONDONTWRITEBYTECODE: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (text) => (output += text));
  child.stderr.on("data", (text) => (output += text));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  try {
    return { reports: readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line)), code, output };
  } catch {
    return { reports: [], code, output };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
