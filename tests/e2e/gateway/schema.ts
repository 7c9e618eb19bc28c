// schema.sql, statement by statement: D1 takes one at a time, and a trigger's body holds semicolons of its own.

/** The statements of a script, without comments and without their last semicolons. */
export function schemaStatements(script: string): string[] {
  const statements: string[] = [];
  let current = "";
  let trigger = false;
  for (const token of script.matchAll(/--[^\n]*|'(?:[^']|'')*'|"[^"]*"|\w+|\s+|./gs)) {
    const text = token[0];
    if (text.startsWith("--")) {
      continue;
    }
    if (text === ";" && (!trigger || /\bEND\s*$/i.test(current))) {
      if (current.trim()) {
        statements.push(current.trim());
      }
      current = "";
      trigger = false;
      continue;
    }
    current += text;
    trigger ||= /^\s*CREATE\s+TRIGGER\b/i.test(current);
  }
  if (current.trim()) {
    throw new Error(`schema.sql ends within a statement: ${current.trim().slice(0, 80)}`);
  }
  return statements;
}
