// Brings a D1 database to the current schema and catalogue, through wrangler.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Problem, npmBinary, present, probe, root, run } from "./toolchain.mjs";
import { catalogSql } from "./seed.mjs";
import { upgrade } from "./upgrade.mjs";

/** Where wrangler keeps the local database; what was done to it is noted inside, so that both vanish together. */
const stateFolder = join(root, ".wrangler", "state");
const noteFile = join(stateFolder, "edgeway.json");

/** schema.sql, with its hash. */
export const schema = () => hashed(readFileSync(join(root, "schema.sql"), "utf8"));

/**
 * schema.sql as SQL to be run at once on the database that is there, `--local` or `--remote`: with what takes an older one to it. A
 * [`Problem`] where that cannot be done.
 */
export function schemaSql(where) {
  const { text } = schema();
  const { before, after } = upgrade(objects(where), text);
  if (before.length + after.length > 0) {
    console.log(`  It has an older schema: ${before.length + after.length} statements more`);
  }
  return [...before, text, ...after].join("\n");
}

/** The rows of the database's sqlite_master; none where there is no local one yet, which a first start need not wait to hear. */
function objects(where) {
  if (where === "--local" && !present(stateFolder)) {
    return [];
  }
  const query = "SELECT type, name, sql FROM sqlite_master";
  const result = probe(npmBinary("wrangler"), ["d1", "execute", "DB", where, "--yes", "--json", "--command", query]);
  if (!result.ok) {
    throw new Problem(`The database does not say what is in it:\n${result.stdout}${result.stderr}`);
  }
  return JSON.parse(result.stdout)[0].results;
}

/** The catalogue as SQL; the hash is of the catalogue, since the SQL names the time. */
export function catalogue() {
  const { text, hash } = hashed(readFileSync(join(root, "catalog", "models.json"), "utf8"));
  const rows = JSON.parse(text);
  return { hash, count: rows.length, sql: () => catalogSql(rows) };
}

/** What was noted about the local database: {schema, catalog, gatewayKey}; empty for one that is not there. */
export function readNote() {
  return present(noteFile) ? JSON.parse(readFileSync(noteFile, "utf8")) : {};
}

/** Notes what was done to the local database. The demo key is in it: the folder is never committed. */
export function writeNote(note) {
  mkdirSync(stateFolder, { recursive: true });
  writeFileSync(noteFile, JSON.stringify(note, null, 2), { mode: 0o600 });
}

/** Runs SQL on the local database, quietly. */
export async function executeLocally(sql) {
  await withFile(sql, async (file) => {
    const result = probe(npmBinary("wrangler"), ["d1", "execute", "DB", "--local", "--yes", "--file", file]);
    if (!result.ok) {
      throw new Problem(`The local database refused:\n${result.stdout}${result.stderr}`);
    }
  });
}

/** Runs SQL on the deployed database. */
export async function executeRemotely(sql, what) {
  await withFile(sql, (file) => run(npmBinary("wrangler"), ["d1", "execute", "DB", "--remote", "--yes", "--file", file], { what }));
}

async function withFile(sql, use) {
  const folder = join(root, ".wrangler", "tmp");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `statements-${process.pid}.sql`);
  writeFileSync(file, sql, { mode: 0o600 });
  try {
    await use(file);
  } finally {
    rmSync(file, { force: true });
  }
}

function hashed(text) {
  return { text, hash: createHash("sha256").update(text).digest("hex") };
}
