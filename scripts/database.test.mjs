// wrangler cuts a file into statements by rules of its own before D1 sees it; e2e tests give the schema to D1 by themselves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { unstable_splitSqlQuery as split } from "wrangler";
import { schema } from "./database.mjs";
import { definitions } from "./definitions.mjs";

test("wrangler finds the end of every statement of the schema", () => {
  const statements = split(schema().text);
  assert.ok(statements.length > 50, `${statements.length} statements`);
  for (const statement of statements) {
    assert.ok((statement.match(/^CREATE /gm) ?? []).length <= 1, `more than one statement: ${statement.slice(0, 200)}`);
  }
});

test("every INSERT into a table names its columns: in an upgraded database they stand in another order", () => {
  const text = schema().text.replaceAll(/--[^\n]*/g, "");
  const tables = definitions(text).filter(({ type }) => type === "table").map(({ name }) => name);
  const inserts = [...text.matchAll(/\bINTO\s+(\w+)\s*(\S)/g)].filter(([, name]) => tables.includes(name));
  assert.ok(inserts.length > 10, `${inserts.length} of them`);
  assert.deepEqual(inserts.filter(([, , next]) => next !== "(").map(([statement]) => statement), []);
});
