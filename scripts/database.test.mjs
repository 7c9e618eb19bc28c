// wrangler cuts a file into statements by rules of its own before D1 sees it; e2e tests give the schema to D1 by themselves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { unstable_splitSqlQuery as split } from "wrangler";
import { schema } from "./database.mjs";

test("wrangler finds the end of every statement of the schema", () => {
  const statements = split(schema().text);
  assert.ok(statements.length > 50, `${statements.length} statements`);
  for (const statement of statements) {
    assert.ok((statement.match(/^CREATE /gm) ?? []).length <= 1, `more than one statement: ${statement.slice(0, 200)}`);
  }
});
