// Reads what SQL defines: the tables, indexes, views and triggers of a script, and a table's columns. A library: it runs nothing.
// It reads text because SQLite itself is not at hand: `npm start` and `npm run deploy` run on Node 20, which has no node:sqlite,
// and SQLite does not tell a column's CHECK or REFERENCES in any other form. upgrade.test.mjs holds it against SQLite.

const token = /(\s+|--[^\n]*(?:\n|$)|\/\*.*?(?:\*\/|$))|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|\w+|./gsu;

/** What begins a part of a column's definition; before the first of them is its type. */
const clauseWords = new Set(["constraint", "primary", "not", "null", "unique", "check", "default", "collate", "references", "generated", "as"]);
const tableConstraintWords = new Set(["constraint", "primary", "unique", "check", "foreign"]);

/** What a script creates, in its order: {type, name, tokens}, the name in lower case. Whatever else it does is passed over. */
export function definitions(script) {
  return statements(tokens(script)).map(read).filter(Boolean);
}

/** What one statement creates, likewise. */
export function definition(sql) {
  return read(tokens(sql));
}

/** A definition in a form that is the same for the same meaning: without comments, spacing, case and IF NOT EXISTS. */
export function normal({ tokens }) {
  return canonical(tokens);
}

/** A table's {columns, constraints, options}; columns by their name in lower case, constraints and options in normal form and sorted. */
export function table({ tokens }) {
  const open = tokens.findIndex(({ text }) => text === "(");
  const close = closing(tokens, open);
  const parts = split(tokens.slice(open + 1, close));
  const isConstraint = ([{ key }]) => tableConstraintWords.has(key);
  return {
    columns: new Map(parts.filter((part) => !isConstraint(part)).map(column).map((found) => [found.key, found])),
    constraints: parts.filter(isConstraint).map(canonical).sort(),
    options: split(tokens.slice(close + 1)).map(canonical).sort(),
  };
}

/** A column: `text` as it was written but for comments, and `clauses`, its parts by their first word (the type's is ""), in normal form. */
function column(part) {
  const [name, ...rest] = part;
  const clauses = [[]];
  let depth = 0;
  rest.forEach(({ key }, index) => {
    const before = rest[index - 1]?.key;
    // NOT NULL, DEFAULT NULL, ON DELETE SET NULL and SET DEFAULT are one each.
    const begins = depth === 0 && clauseWords.has(key) && before !== "set" && !(key === "null" && ["not", "default"].includes(before));
    if (begins) {
      clauses.push([]);
    }
    clauses.at(-1).push(key);
    depth += key === "(" ? 1 : key === ")" ? -1 : 0;
  });
  const [type, ...others] = clauses.map((words) => words.join(" "));
  return { key: unquoted(name), text: written(part), clauses: [type, ...others.sort()] };
}

/** The tokens of SQL without what separates them: as `text`, and as `key`, which is lower case where case means nothing. */
function tokens(sql) {
  const found = [];
  let spaced = false;
  for (const [text, separates] of sql.matchAll(token)) {
    if (separates === undefined) {
      found.push({ text, key: /^['"`[]/.test(text) ? text : text.toLowerCase(), spaced });
    }
    spaced = separates !== undefined;
  }
  return found;
}

/** Tokens cut at the ends of statements; the semicolons of a trigger's body end none. */
function statements(all) {
  const found = [];
  let current = [];
  let depth = 0;
  for (const each of all) {
    if (each.key === ";" && depth === 0) {
      found.push(current);
      current = [];
      continue;
    }
    current.push(each);
    const opens = each.key === "case" || (each.key === "begin" && current.some(({ key }) => key === "trigger"));
    depth += opens ? 1 : each.key === "end" && depth > 0 ? -1 : 0;
  }
  return [...found, current].filter((statement) => statement.length > 0);
}

function read(statement) {
  if (statement[0]?.key !== "create") {
    return undefined;
  }
  const at = statement.findIndex(({ key }) => ["table", "index", "view", "trigger"].includes(key));
  const short = withoutCondition(statement);
  return { type: statement[at].key, name: unquoted(short[at + 1]), tokens: short };
}

function withoutCondition(statement) {
  const at = statement.findIndex(({ key }) => key === "if");
  const isThere = at > 0 && at < 4 && statement[at + 1].key === "not" && statement[at + 2].key === "exists";
  return isThere ? statement.toSpliced(at, 3) : statement;
}

/** Tokens cut at the commas that are in no parentheses. */
function split(all) {
  const parts = [[]];
  let depth = 0;
  for (const each of all) {
    if (each.key === "," && depth === 0) {
      parts.push([]);
      continue;
    }
    parts.at(-1).push(each);
    depth += each.key === "(" ? 1 : each.key === ")" ? -1 : 0;
  }
  return parts.filter((part) => part.length > 0);
}

function closing(all, open) {
  let depth = 0;
  return all.findIndex(({ key }, index) => {
    depth += index < open ? 0 : key === "(" ? 1 : key === ")" ? -1 : 0;
    return index >= open && depth === 0;
  });
}

function canonical(all) {
  return all.map(({ key }) => key).join(" ");
}

function written(all) {
  return all.map(({ text, spaced }, index) => (spaced && index > 0 ? ` ${text}` : text)).join("");
}

/** A name in lower case: SQLite's names have no case. */
function unquoted({ text }) {
  return text.replace(/^(["`])(.*)\1$|^\[(.*)\]$/s, (_, quote, inner, bracketed) => bracketed ?? inner.replaceAll(quote + quote, quote)).toLowerCase();
}
