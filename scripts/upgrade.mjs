// What must be done to an older database beside schema.sql, which creates only what is missing. A library: it runs nothing.
import { definition, definitions, normal, table } from "./definitions.mjs";
import { Problem } from "./toolchain.mjs";

/**
 * A first value, as SQL, for columns that schema.sql gives none and that came when there could be rows already. It stays the column's
 * DEFAULT in the upgraded database, which does no harm: all that is stored since names a value.
 */
const firstValues = { "usage_hourly.latencies": "''" };

/** Sums that a table or column began to keep when others had them already: `sql` takes them from there, where that is `lacking`. */
const carried = [
  {
    lacking: "usage_hourly.latencies",
    from: "latency_hourly",
    sql: `UPDATE usage_hourly SET latencies = coalesce((SELECT group_concat((256 * l.requests + min(l.bucket, 255)) || ',', '')
  FROM latency_hourly AS l WHERE l.hour = usage_hourly.hour AND l.user_id = usage_hourly.user_id AND l.key_id = usage_hourly.key_id
    AND l.provider = usage_hourly.provider AND l.model = usage_hourly.model), '');`,
  },
  {
    lacking: "usage_daily",
    from: "usage_hourly",
    sql: `INSERT INTO usage_daily (day, user_id, key_id, provider, model, requests, errors, input_tokens, output_tokens,
    cached_input_tokens, cache_write_tokens, reasoning_tokens, cost, latencies)
  SELECT hour - hour % 86400000, user_id, key_id, provider, model, sum(requests), sum(errors), sum(input_tokens), sum(output_tokens),
    sum(cached_input_tokens), sum(cache_write_tokens), sum(reasoning_tokens), sum(cost), group_concat(latencies, '')
  FROM usage_hourly GROUP BY 1, 2, 3, 4, 5;`,
  },
];

/** What SQLite or D1 keeps for itself in sqlite_master. */
const foreign = /^(sqlite_|_cf_|d1_)/i;

/**
 * The statements that bring a database to `script`, run in one transaction with it: `before` it and `after` it. `objects` are the rows
 * of the database's sqlite_master. There are none for a database that is empty or up to date.
 *
 * Triggers, views and indexes that differ, or that the script no longer has, are dropped: the script makes them anew, and no row is lost.
 * Tables get the columns that they lack; no table and no column is ever dropped. What cannot be done that way is a `Problem` that names
 * all of it, and nothing is begun.
 */
export function upgrade(objects, script) {
  const wanted = new Map(definitions(script).map((each) => [id(each), each]));
  const held = objects.filter(({ name, sql }) => sql && !foreign.test(name)).map(({ name, sql }) => ({ ...definition(sql), written: name }));
  const tables = new Map(held.filter(({ type }) => type === "table").map((each) => [each.name, table(each)]));
  const [additions, problems] = [[], []];
  for (const [name, is] of tables) {
    if (wanted.has(`view ${name}`)) {
      problems.push(`${name} is a table, and a view in schema.sql: rename or drop the table`);
    } else if (wanted.has(`table ${name}`)) {
      compare(name, is, table(wanted.get(`table ${name}`)), additions, problems);
    }
  }
  if (problems.length > 0) {
    throw new Problem(
      'The database cannot be brought to the current schema by itself, and nothing was changed (docs/operations.md, "Upgrades"):\n' +
        problems.map((problem) => `  - ${problem}`).join("\n"),
    );
  }
  const isIn = (path) => {
    const [name, key] = path.split(".");
    return tables.has(name) && (!key || tables.get(name).columns.has(key));
  };
  const after = carried.filter(({ lacking, from }) => isIn(from) && !isIn(lacking)).map(({ sql }) => sql);
  return { before: [...drops(held, wanted), ...additions], after };
}

/** Triggers first: those of a view go with it, and none may fire or be looked through while a table is altered. */
function drops(held, wanted) {
  const isCurrent = (each) => wanted.has(id(each)) && normal(wanted.get(id(each))) === normal(each);
  return ["trigger", "view", "index"].flatMap((type) =>
    held.filter((each) => each.type === type && !isCurrent(each)).map(({ written }) => `DROP ${type.toUpperCase()} IF EXISTS ${quoted(written)};`),
  );
}

/** Adds to `additions` and `problems` what it takes to make a table like the one of schema.sql. */
function compare(name, held, wanted, additions, problems) {
  for (const [key, column] of wanted.columns) {
    const old = held.columns.get(key);
    if (!old) {
      add(name, column, additions, problems);
    } else if (!serves(old, column)) {
      problems.push(`${name}.${key} is \`${old.text}\`, and \`${column.text}\` in schema.sql: make the table anew`);
    }
  }
  for (const [key, column] of held.columns) {
    if (!wanted.columns.has(key) && has(column, "not null") && !clause(column, "default")) {
      problems.push(`${name}.${key} is no longer in schema.sql and must have a value in every new row: ALTER TABLE ${name} DROP COLUMN ${key}`);
    }
  }
  for (const part of ["constraints", "options"]) {
    const [is, shall] = [held[part].join(", "), wanted[part].join(", ")];
    if (is !== shall) {
      problems.push(`${name} has the ${part} \`${is}\`, and \`${shall}\` in schema.sql: make the table anew`);
    }
  }
}

/** One column that is lacking, by the rules of ALTER TABLE … ADD COLUMN (https://www.sqlite.org/lang_altertable.html). */
function add(name, column, additions, problems) {
  const first = firstValues[`${name}.${column.key}`];
  const text = first === undefined ? column.text : `${column.text} DEFAULT ${first}`;
  const value = first ?? clause(column, "default")?.slice("default ".length);
  const hasValue = value !== undefined && value !== "null";
  const lacking = `${name} lacks the column \`${column.text}\`, `;
  if (clause(column, "primary") || clause(column, "unique")) {
    problems.push(`${lacking}which is a key: make the table anew, or say UNIQUE by an index in schema.sql`);
  } else if (clause(column, "as")?.endsWith(" stored")) {
    problems.push(`${lacking}which is stored as computed: make the table anew, or say VIRTUAL in schema.sql`);
  } else if (/^(\(|current_)/.test(value ?? "")) {
    problems.push(`${lacking}whose DEFAULT is no constant: make the table anew`);
  } else if (clause(column, "references") && hasValue) {
    problems.push(`${lacking}which refers to a row and so can only begin with NULL: make the table anew`);
  } else if (has(column, "not null") && !hasValue) {
    problems.push(`${lacking}and the rows that are there have no value for it: choose one, ALTER TABLE ${name} ADD COLUMN ${column.text} DEFAULT …`);
  } else {
    additions.push(`ALTER TABLE ${name} ADD COLUMN ${text};`);
  }
}

/** Whether a column is as it should be. A DEFAULT that it has beyond that means nothing, where every new row must name a value. */
function serves(held, wanted) {
  const clauses = has(wanted, "not null") && !clause(wanted, "default") ? held.clauses.filter((each) => !each.startsWith("default ")) : held.clauses;
  return clauses.join(", ") === wanted.clauses.join(", ");
}

function clause(column, word) {
  return column.clauses.find((each) => each.split(" ")[0] === word);
}

function has(column, text) {
  return column.clauses.includes(text);
}

function id({ type, name }) {
  return `${type} ${name}`;
}

function quoted(name) {
  return `"${name.replaceAll('"', '""')}"`;
}
