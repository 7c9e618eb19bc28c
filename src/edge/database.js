// D1 with one crossing each way: rows become text here, which Rust reads straight into its types.

/**
 * Runs statements, as JSON `[[sql, [parameter, …]], …]` (no list where there are no parameters), in order in one transaction.
 * → for each of them its rows as a JSON array, how many there are, and how many rows it changed, in one flat array
 */
export async function batch(database, statements) {
  const prepared = JSON.parse(statements).map(([sql, parameters]) => {
    const statement = database.prepare(sql);
    return parameters ? statement.bind(...parameters) : statement;
  });
  const outcomes = await database.batch(prepared);
  return outcomes.flatMap(({ results, meta }) => [JSON.stringify(results), results.length, meta.changes]);
}

/** Runs one statement whose only parameter is a text that JavaScript holds already. */
export async function runText(database, sql, text) {
  await database.prepare(sql).bind(text).run();
}
