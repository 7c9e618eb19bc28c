// The SQL that fills a database: the model catalogue, and what a fresh local database starts with. A library: it runs nothing.
import { createHash, pbkdf2Sync, randomBytes } from "node:crypto";

/** SQL takes at most 100 KB a statement in D1. */
const statementBytes = 80_000;

const columns = [
  "kind", "model", "mode", "context_window", "max_output_tokens", "capabilities", "input_price", "output_price", "cached_input_price",
  "cache_write_price", "cache_write_1h_price", "reasoning_price", "audio_input_price", "audio_output_price",
  "image_input_price", "image_output_price", "image_price", "audio_second_price", "character_price", "search_price", "tiers",
];
const defaults = { mode: "'chat'", capabilities: "'[]'", tiers: "'[]'" };

/**
 * Puts the catalogue's rows into table `models`, or brings them up to date. A row's id follows from its kind, model and
 * date, so seeding again changes rows and adds none; what has left the catalogue stays. What a refresh has begun since is
 * newer and holds on; only the mark of its source is taken away, so that the next one compares everything. Ends by counting
 * up config_version.
 */
export function catalogSql(rows, now = Date.now()) {
  const statements = [];
  for (const chunk of chunks(rows.map((row) => JSON.stringify({ id: modelId(row), ...row })))) {
    const value = (column) => (defaults[column] ? `coalesce(value ->> '${column}', ${defaults[column]})` : `value ->> '${column}'`);
    statements.push(
      `INSERT INTO models (id, ${columns.join(", ")}, effective_from, source, updated_at)\n` +
        `SELECT value ->> 'id', ${columns.map(value).join(", ")}, coalesce(value ->> 'effective_from', 0), 'catalog', ${now}\n` +
        `FROM json_each(${quote(`[${chunk.join(",\n")}]`)}) WHERE true\n` +
        `ON CONFLICT (user_id, kind, model, effective_from) DO UPDATE SET ` +
        `${[...columns.slice(2), "source", "updated_at"].map((column) => `${column} = excluded.${column}`).join(", ")}\n` +
        "WHERE models.source <> 'refresh';",
    );
  }
  const unmark = "UPDATE settings SET value = json_remove(value, '$.etag') WHERE name = 'catalog_source';";
  return [...statements, unmark, "UPDATE config_version SET version = version + 1;\n"].join("\n");
}

/** A UUID (version 8: made by hashing) that is the same for the same model at every seeding. */
function modelId({ kind, model, effective_from = 0 }) {
  const hex = createHash("sha256").update([kind, model, effective_from].join("\0")).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function* chunks(lines) {
  let chunk = [];
  let bytes = 0;
  for (const line of lines) {
    bytes += Buffer.byteLength(quote(line)) + 2;
    if (bytes > statementBytes && chunk.length > 0) {
      yield chunk;
      chunk = [];
      bytes = Buffer.byteLength(quote(line)) + 2;
    }
    chunk.push(line);
  }
  yield chunk;
}

/** The admin's account; a new password replaces the old one. */
export function adminSql({ username, password }, now = Date.now()) {
  const values = [newId(now), username, passwordHash(password), "admin", now, now].map(quote);
  return (
    `INSERT INTO users (id, username, password_hash, role, created_at, updated_at) VALUES (${values.join(", ")})\n` +
    "ON CONFLICT (username) DO UPDATE SET password_hash = excluded.password_hash, updated_at = excluded.updated_at;\n"
  );
}

/** The demo provider, a router that sends every model to it, and a gateway key; what is there already stays. */
export function demoSql({ username, gatewayKey }, now = Date.now()) {
  const owner = `(SELECT id FROM users WHERE username = ${quote(username)})`;
  const one = (table) => `(SELECT id FROM ${table} WHERE user_id = ${owner} AND name = 'demo')`;
  const id = () => quote(newId(now));
  const hash = createHash("sha256").update(gatewayKey).digest("hex");
  return `
INSERT INTO providers (id, user_id, name, kind, created_at, updated_at)
VALUES (${id()}, ${owner}, 'demo', 'demo', ${now}, ${now}) ON CONFLICT DO NOTHING;
INSERT INTO routers (id, user_id, name, description, created_at, updated_at)
VALUES (${id()}, ${owner}, 'demo', 'Sends every model to the built-in demo provider.', ${now}, ${now}) ON CONFLICT DO NOTHING;
INSERT INTO rules (id, router_id, model_pattern, provider_id, priority, created_at)
SELECT ${id()}, ${one("routers")}, '*', ${one("providers")}, 1, ${now}
WHERE NOT EXISTS (SELECT 1 FROM rules WHERE router_id = ${one("routers")});
INSERT INTO gateway_keys (id, user_id, name, hash, hint, router_id, created_at, updated_at)
VALUES (${id()}, ${owner}, 'demo', ${quote(hash)}, ${quote(hint(gatewayKey))}, ${one("routers")}, ${now}, ${now}) ON CONFLICT DO NOTHING;
`;
}

/** A gateway key as src/secret.rs makes them: 256 random bits behind the prefix. */
export function newGatewayKey() {
  return `gw_${randomBytes(32).toString("base64url")}`;
}

/** What may be shown of a key; see `Secret::hint`. */
export function hint(key) {
  return `${key.slice(0, 3)}...${key.slice(-4)}`;
}

/** The stored form of a password; see src/auth/password.rs. */
export function passwordHash(password, salt = randomBytes(16)) {
  const iterations = 100_000;
  const hash = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const text = (bytes) => bytes.toString("base64").replace(/=+$/, "");
  return `pbkdf2-sha256$${iterations}$${text(salt)}$${text(hash)}`;
}

/** A UUID v7: it sorts by the time of its making. */
export function newId(now = Date.now()) {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** A SQL literal. */
export function quote(value) {
  return typeof value === "number" ? String(value) : `'${String(value).replaceAll("'", "''")}'`;
}
