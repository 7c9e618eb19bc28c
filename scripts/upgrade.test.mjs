// Older databases and what upgrade.mjs does to them: real SQLite, cut into statements by wrangler as it will be, in one transaction.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { unstable_splitSqlQuery as split } from "wrangler";
import { schema } from "./database.mjs";
import { definitions, table } from "./definitions.mjs";
import { Problem } from "./toolchain.mjs";
import { upgrade } from "./upgrade.mjs";

const current = schema().text;

/** The log as it was before units were counted; `more` is what came to it until then. */
const requestLogs = (more = "") => `
CREATE TABLE IF NOT EXISTS request_logs (
  id                  TEXT PRIMARY KEY,           -- the x-request-id
  created_at          INTEGER NOT NULL,
  user_id             TEXT NOT NULL,              -- '' where the caller is no user's key
  key_id              TEXT NOT NULL,              -- '' likewise; no foreign key: a log outlives its key
  endpoint            TEXT NOT NULL,
  dialect             TEXT NOT NULL,
  model               TEXT NOT NULL,              -- as the client named it
  provider            TEXT NOT NULL,              -- '' where none was reached
  target_model        TEXT NOT NULL,
  status              INTEGER NOT NULL,
  error               TEXT,
  stream              INTEGER NOT NULL CHECK (stream IN (0, 1)),
  input_tokens        INTEGER NOT NULL,
  output_tokens       INTEGER NOT NULL,
  cached_input_tokens INTEGER NOT NULL,
  cache_write_tokens  INTEGER NOT NULL,
  reasoning_tokens    INTEGER NOT NULL,
  usage_source        TEXT NOT NULL CHECK (usage_source IN ('upstream', 'estimated', 'none')),
  cost                INTEGER NOT NULL,           -- nano-USD
  priced              INTEGER NOT NULL CHECK (priced IN (0, 1)),
  latency_ms          INTEGER NOT NULL,
  latency_bucket      INTEGER NOT NULL,           -- src/log/latency.rs
  first_content_ms    INTEGER,
  end_reason          TEXT NOT NULL CHECK (end_reason IN ('done', 'client_closed', 'upstream_error', 'timeout')),
  metadata            TEXT NOT NULL DEFAULT '{}',
  attempts            TEXT NOT NULL DEFAULT '[]', -- [{provider, model, key_hint, status, error, latency_ms}]
  dropped_params      TEXT NOT NULL DEFAULT '[]'${more}
) STRICT, WITHOUT ROWID;`;

/** Of the first schema.sql, what has changed since: sums were kept for each record, and latencies in a table of their own. */
const first = `
CREATE TABLE IF NOT EXISTS users (
  id            TEXT PRIMARY KEY,
  username      TEXT NOT NULL UNIQUE COLLATE NOCASE,
  password_hash TEXT NOT NULL,                    -- pbkdf2-sha256$iterations$salt$hash, see src/auth/password.rs
  role          TEXT NOT NULL CHECK (role IN ('admin', 'member')),
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS providers (
  id         TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name       TEXT NOT NULL,
  kind       TEXT NOT NULL,                       -- a row of the provider table, src/provider/table.rs
  base_url   TEXT,                                -- NULL: the kind's own
  enabled    INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  headers    TEXT NOT NULL DEFAULT '{}',          -- {"name": "value"} sent with every call
  config     TEXT NOT NULL DEFAULT '{}',          -- what the kind needs: {region, api_version, project, …}
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (user_id, name)
) STRICT;
${requestLogs()}
CREATE INDEX IF NOT EXISTS request_logs_by_time ON request_logs (created_at);
CREATE INDEX IF NOT EXISTS request_logs_by_user ON request_logs (user_id, id);
CREATE TABLE IF NOT EXISTS usage_hourly (
  hour                INTEGER NOT NULL,           -- its first millisecond
  user_id             TEXT NOT NULL,
  key_id              TEXT NOT NULL,
  provider            TEXT NOT NULL,
  model               TEXT NOT NULL,
  requests            INTEGER NOT NULL,
  errors              INTEGER NOT NULL,
  input_tokens        INTEGER NOT NULL,
  output_tokens       INTEGER NOT NULL,
  cached_input_tokens INTEGER NOT NULL,
  cache_write_tokens  INTEGER NOT NULL,
  reasoning_tokens    INTEGER NOT NULL,
  cost                INTEGER NOT NULL,
  PRIMARY KEY (hour, user_id, key_id, provider, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latency_hourly (
  hour     INTEGER NOT NULL,
  user_id  TEXT NOT NULL,
  key_id   TEXT NOT NULL,
  provider TEXT NOT NULL,
  model    TEXT NOT NULL,
  bucket   INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  PRIMARY KEY (hour, user_id, key_id, provider, model, bucket)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS request_logs_roll_up AFTER INSERT ON request_logs BEGIN
  INSERT INTO usage_hourly VALUES (
    NEW.created_at - NEW.created_at % 3600000, NEW.user_id, NEW.key_id, NEW.provider, NEW.model,
    1, NEW.status >= 400 OR NEW.end_reason IN ('upstream_error', 'timeout'), NEW.input_tokens, NEW.output_tokens,
    NEW.cached_input_tokens, NEW.cache_write_tokens, NEW.reasoning_tokens, NEW.cost)
  ON CONFLICT DO UPDATE SET requests = requests + 1, cost = cost + excluded.cost;
  INSERT INTO latency_hourly VALUES (
    NEW.created_at - NEW.created_at % 3600000, NEW.user_id, NEW.key_id, NEW.provider, NEW.model, NEW.latency_bucket, 1)
  ON CONFLICT DO UPDATE SET requests = requests + 1;
END;
CREATE TABLE IF NOT EXISTS settings (
  name       TEXT PRIMARY KEY,
  value      TEXT NOT NULL,                       -- JSON
  updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS config_version (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO config_version VALUES (1, 1);
CREATE TRIGGER IF NOT EXISTS settings_insert_version AFTER INSERT ON settings BEGIN UPDATE config_version SET version = version + 1; END;
`;

/** Of the schema.sql before units were counted: sums are kept by the batch, and its trigger knows no `units`. */
const beforeUnits = `
CREATE TABLE IF NOT EXISTS models (
  id                TEXT PRIMARY KEY,
  user_id           TEXT NOT NULL DEFAULT '',
  kind              TEXT NOT NULL,                -- provider kind, or '*' for any
  model             TEXT NOT NULL,
  mode              TEXT NOT NULL DEFAULT 'chat', -- chat, embedding, image, speech, transcription, rerank, moderation, …
  context_window    INTEGER,
  max_output_tokens INTEGER,
  capabilities      TEXT NOT NULL DEFAULT '[]',   -- ["tools", "vision", "reasoning", …]
  input_price           INTEGER,
  output_price          INTEGER,
  cached_input_price    INTEGER,
  cache_write_price     INTEGER,                  -- five-minute writes
  cache_write_1h_price  INTEGER,
  reasoning_price       INTEGER,
  audio_input_price     INTEGER,
  audio_output_price    INTEGER,
  tiers             TEXT NOT NULL DEFAULT '[]',   -- [{above, input?, output?, cached_input?, cache_write?}], above = total input tokens
  effective_from    INTEGER NOT NULL,
  source            TEXT NOT NULL,                -- 'catalog', 'refresh' or 'override'
  updated_at        INTEGER NOT NULL,
  UNIQUE (user_id, kind, model, effective_from)
) STRICT;
${requestLogs(`,
  batch               INTEGER NOT NULL DEFAULT 0  -- the number of the batch that it was stored in; negative: /metrics counted a stand-in`)}
CREATE VIEW IF NOT EXISTS log_batches AS SELECT '' AS records;
CREATE TRIGGER IF NOT EXISTS log_batches_store INSTEAD OF INSERT ON log_batches BEGIN
  INSERT OR IGNORE INTO request_logs (id, created_at, user_id, key_id, endpoint, dialect, model, provider, target_model, status, error,
      stream, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, usage_source, cost, priced,
      latency_ms, latency_bucket, first_content_ms, end_reason)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9,
      value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, value ->> 16, value ->> 17, value ->> 18,
      value ->> 19, value ->> 20, value ->> 21, value ->> 22, value ->> 23
    FROM json_each(NEW.records);
END;
`;

const hour = 1_700_002_800_000;
const record = (id, units = null) => [
  id, hour, "ada", "key", "/v1/images", "chat", "m", "p", "t", 200, null, 0, 1, 2, 0, 0, 0, "upstream", 7, 1, 100, 48, null, "done", {}, [], [], null, units,
];

test("the first schema is brought to the current one: its rows stay, sums go on where they were, and records are stored", () => {
  const database = open(first);
  database.exec("INSERT INTO users VALUES ('ada', 'ada', 'hash', 'admin', 1, 1)");
  database.exec("INSERT INTO providers (id, user_id, name, kind, created_at, updated_at) VALUES ('p', 'ada', 'p', 'openai', 1, 1)");
  for (const id of ["one", "two"]) {
    const names = "id, created_at, user_id, key_id, endpoint, dialect, model, provider, target_model, status, error, stream, input_tokens, output_tokens, "
      + "cached_input_tokens, cache_write_tokens, reasoning_tokens, usage_source, cost, priced, latency_ms, latency_bucket, first_content_ms, end_reason";
    const values = record(id).slice(0, 24);
    database.prepare(`INSERT INTO request_logs (${names}) VALUES (${values.map(() => "?")})`).run(...values);
  }
  bring(database);
  assertCurrent(database, { left: ["latency_hourly"] });
  assert.deepEqual(all(database, "SELECT username FROM users"), [{ username: "ada" }]);
  assert.deepEqual(all(database, "SELECT id, models FROM providers"), [{ id: "p", models: "[]" }]);
  assert.deepEqual(all(database, "SELECT sum(requests) AS calls FROM latency_hourly"), [{ calls: 2 }], "what is read no more is not deleted");
  const before = { requests: 2, cost: 14, latencies: `${2 * 256 + 48},` };
  assert.deepEqual(all(database, "SELECT requests, cost, latencies FROM usage_hourly"), [before]);
  assert.deepEqual(all(database, "SELECT day, requests, cost, latencies FROM usage_daily"), [{ day: hour - (hour % 86_400_000), ...before }]);

  store(database, [record("two"), record("three", { images: 2 })]);
  assert.deepEqual(all(database, "SELECT id, units FROM request_logs ORDER BY id"), [
    { id: "one", units: null },
    { id: "three", units: '{"images":2}' },
    { id: "two", units: null },
  ]);
  const after = { requests: 3, cost: 21, latencies: `${before.latencies}${256 + 48},` };
  assert.deepEqual(all(database, "SELECT requests, cost, latencies FROM usage_hourly"), [after], "once, not by the old trigger, too");
  assert.deepEqual(all(database, "SELECT requests, cost, latencies FROM usage_daily"), [after]);
});

test("the schema before units is brought to the current one, and its trigger stores them", () => {
  const database = open(beforeUnits);
  database.exec("INSERT INTO models (id, kind, model, input_price, effective_from, source, updated_at) VALUES ('m', 'openai', 'x', 5, 0, 'catalog', 1)");
  store(database, [record("one")]);
  bring(database);
  assertCurrent(database);
  assert.deepEqual(all(database, "SELECT input_price, image_price FROM models"), [{ input_price: 5, image_price: null }]);
  store(database, [record("two", { images: 2 })]);
  assert.deepEqual(all(database, "SELECT id, units FROM request_logs ORDER BY id"), [{ id: "one", units: null }, { id: "two", units: '{"images":2}' }]);
});

test("a database that is up to date or empty needs nothing", () => {
  const nothing = { before: [], after: [] };
  assert.deepEqual(upgrade([], current), nothing);
  assert.deepEqual(upgrade(objects(open(current)), current), nothing);
  for (const older of [first, beforeUnits]) {
    const database = open(older);
    bring(database);
    const was = objects(database);
    assert.deepEqual(upgrade(was, current), nothing);
    bring(database);
    assert.deepEqual(objects(database), was, "and a second time changes nothing");
  }
});

test("comments, spacing and case are no difference; a text in quotes and a condition are", () => {
  const old = `
    CREATE TABLE t (a TEXT NOT NULL DEFAULT 'x', -- why
      b INTEGER) STRICT;
    CREATE INDEX i ON t (a) WHERE b > 0;
    CREATE VIEW v AS SELECT 'A' AS a;`;
  const changed = (script) => upgrade(objects(open(old)), script).before;
  const same = `
    create table if not exists T(b integer, a text default 'x' not null /* , */ ) strict;
    CREATE INDEX i ON t(a) WHERE b>0;
    CREATE VIEW v AS SELECT 'A' AS a`;
  assert.deepEqual(changed(same), []);
  assert.deepEqual(changed(same.replace("b>0", "b > 1").replace("'A'", "'a'")), ['DROP VIEW IF EXISTS "v";', 'DROP INDEX IF EXISTS "i";']);
});

test("what is gone from the schema is dropped, but for tables and columns; what SQLite, D1 and wrangler keep stays", () => {
  const database = open(`
    CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, note TEXT);
    CREATE TABLE gone (id TEXT);
    CREATE INDEX gone_by_id ON gone (id);
    CREATE VIEW "an ""odd"" name" AS SELECT 1 AS one;
    CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE _cf_KV (key TEXT PRIMARY KEY) WITHOUT ROWID;
    INSERT INTO t VALUES (1, 'n', 'kept');
    INSERT INTO gone VALUES ('kept');
    CREATE TRIGGER t_insert AFTER INSERT ON t BEGIN UPDATE t SET note = CASE WHEN 1 THEN 'a' ELSE 'b' END; INSERT INTO gone VALUES (1); END;`);
  bring(database, "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);");
  const names = objects(database).map(({ name }) => name).filter((name) => !name.startsWith("sqlite_"));
  assert.deepEqual(names.sort(), ["_cf_KV", "d1_migrations", "gone", "t"]);
  assert.deepEqual(all(database, "SELECT note, (SELECT id FROM gone) AS id FROM t"), [{ note: "kept", id: "kept" }]);
});

test("columns are added with all that SQLite lets a column be added with", () => {
  const database = open("CREATE TABLE t (id TEXT PRIMARY KEY, UNIQUE (id)) STRICT; INSERT INTO t VALUES ('a');");
  const script = `CREATE TABLE IF NOT EXISTS t (
    flag INTEGER NOT NULL DEFAULT -1 CHECK (flag IN (-1, 0)), -- a comment; with a semicolon
    id TEXT PRIMARY KEY,
    parent TEXT REFERENCES t (id) ON DELETE SET NULL,
    name TEXT NOT NULL DEFAULT 'it''s, (not) a list' COLLATE NOCASE,
    long INTEGER GENERATED ALWAYS AS (length(name)) VIRTUAL,
    UNIQUE (id)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS t_by_parent ON t (parent);`;
  bring(database, script);
  assert.deepEqual(all(database, "SELECT * FROM t"), [{ id: "a", flag: -1, parent: null, name: "it's, (not) a list", long: 18 }]);
  assert.throws(() => database.exec("UPDATE t SET flag = 3"), /CHECK/);
  assert.throws(() => database.exec("UPDATE t SET parent = 'nobody'"), /FOREIGN KEY/);
  assert.deepEqual(upgrade(objects(database), script), { before: [], after: [] });
});

test("a column that cannot be added, and whatever else cannot be altered, is named, all at once", () => {
  const cases = [
    ["t (id TEXT PRIMARY KEY, must TEXT NOT NULL)", /t lacks the column `must TEXT NOT NULL`, .*ALTER TABLE t ADD COLUMN must TEXT NOT NULL DEFAULT …/],
    ["t (id TEXT PRIMARY KEY, must TEXT NOT NULL DEFAULT NULL)", /t lacks the column `must /],
    ["t (id TEXT PRIMARY KEY, mail TEXT UNIQUE)", /t lacks the column `mail TEXT UNIQUE`, which is a key/],
    [
      "t (id TEXT, other INTEGER PRIMARY KEY)",
      /t\.id is `id TEXT PRIMARY KEY`, and `id TEXT` in schema\.sql: make the table anew/,
      /t lacks the column `other INTEGER PRIMARY KEY`, which is a key/,
    ],
    ["t (id TEXT PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP)", /`at TEXT DEFAULT CURRENT_TIMESTAMP`, whose DEFAULT is no constant/],
    ["t (id TEXT PRIMARY KEY, at INTEGER DEFAULT (unixepoch()))", /whose DEFAULT is no constant/],
    ["t (id TEXT PRIMARY KEY, other TEXT DEFAULT 'x' REFERENCES t (id))", /which refers to a row/],
    ["t (id TEXT PRIMARY KEY, twice TEXT AS (id || id) STORED)", /which is stored as computed/],
    ["t (id INTEGER PRIMARY KEY)", /t\.id is `id TEXT PRIMARY KEY`, and `id INTEGER PRIMARY KEY` in schema\.sql/],
    ["t (id TEXT PRIMARY KEY, CHECK (id <> ''))", /t has the constraints ``, and `check \( id < > '' \)` in schema\.sql/],
    ["t (id TEXT PRIMARY KEY) STRICT", /t has the options ``, and `strict` in schema\.sql/],
  ];
  const held = objects(open("CREATE TABLE t (id TEXT PRIMARY KEY); CREATE VIEW v AS SELECT 1 AS one;"));
  for (const [wanted, ...messages] of cases) {
    assert.throws(() => upgrade(held, `CREATE TABLE IF NOT EXISTS ${wanted};`), (error) => {
      assert.ok(error instanceof Problem);
      messages.forEach((message) => assert.match(error.message, message));
      return true;
    });
  }
  assert.throws(() => upgrade(objects(open("CREATE TABLE t (id TEXT, old TEXT NOT NULL);")), "CREATE TABLE t (id TEXT);"), /ALTER TABLE t DROP COLUMN old/);
  assert.throws(() => upgrade(held, "CREATE VIEW IF NOT EXISTS t AS SELECT 1 AS one;"), /t is a table, and a view in schema\.sql/);
});

test("a column that got a first value by hand is as good as one of schema.sql", () => {
  const database = open("CREATE TABLE t (id TEXT PRIMARY KEY); INSERT INTO t VALUES ('a');");
  const script = "CREATE TABLE IF NOT EXISTS t (id TEXT PRIMARY KEY, must TEXT NOT NULL);";
  assert.throws(() => bring(database, script), Problem);
  database.exec("ALTER TABLE t ADD COLUMN must TEXT NOT NULL DEFAULT 'x'");
  assert.deepEqual(upgrade(objects(database), script), { before: [], after: [] });
});

test("the text of schema.sql is read as SQLite reads it", () => {
  const database = open(current);
  const found = definitions(current);
  const held = objects(database).filter(({ sql }) => sql);
  assert.deepEqual(found.map(({ type, name }) => `${type} ${name}`).sort(), held.map(({ type, name }) => `${type} ${name}`).sort());
  for (const each of found.filter(({ type }) => type === "table")) {
    const columns = [...table(each).columns.values()].map(({ key, clauses }) => ({
      name: key,
      type: clauses[0].toUpperCase(),
      dflt_value: clauses.find((clause) => clause.startsWith("default "))?.slice("default ".length) ?? null,
    }));
    assert.deepEqual(columns, all(database, `SELECT name, type, dflt_value FROM pragma_table_xinfo('${each.name}')`), each.name);
  }
});

function open(script) {
  const database = new DatabaseSync(":memory:");
  database.exec(script);
  return database;
}

function objects(database) {
  return all(database, "SELECT type, name, sql FROM sqlite_master ORDER BY type, name");
}

function all(database, query) {
  return database.prepare(query).all().map((row) => ({ ...row }));
}

/** What database.mjs has wrangler do. */
function bring(database, script = current) {
  const { before, after } = upgrade(objects(database), script);
  database.exec("BEGIN");
  split([...before, script, ...after].join("\n")).forEach((statement) => database.exec(statement));
  database.exec("COMMIT");
}

function store(database, records) {
  database.prepare("INSERT INTO log_batches VALUES (?)").run(JSON.stringify(records));
}

/** That a database is the same as a new one, asked of SQLite: columns in whatever order, and beside them the tables that are `left`. */
function assertCurrent(database, { left = [] } = {}) {
  const shape = (each) => {
    const tables = all(each, "SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' AND name NOT LIKE 'sqlite_%' ORDER BY name");
    return {
      tables: tables.filter(({ name }) => !left.includes(name)).map(({ name }) => ({
        ...all(each, `SELECT name, strict, wr FROM pragma_table_list WHERE name = '${name}'`)[0],
        columns: all(each, `SELECT name, type, "notnull", pk, hidden, iif('${name}' = 'usage_hourly' AND name = 'latencies', '''''', dflt_value) AS value
          FROM pragma_table_xinfo('${name}') ORDER BY name`),
        keys: all(each, `SELECT "table", "from", "to", on_delete FROM pragma_foreign_key_list('${name}') ORDER BY 1, 2`),
        checks: (all(each, `SELECT sql FROM sqlite_master WHERE name = '${name}'`)[0].sql.match(/CHECK \(.*?\)+/g) ?? []).sort(),
      })),
      others: objects(each)
        .filter(({ type, sql }) => type !== "table" && sql)
        .map(({ type, name, sql }) => ({ type, name, sql: sql.replaceAll(/--[^\n]*/g, "").replaceAll(/\s+/g, " ") })),
    };
  };
  assert.deepEqual(shape(database), shape(open(current)));
}
