// The catalogue against prices read by hand from the providers' own pages, and against genai-prices, an independent list.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { calcPrice } from "@pydantic/genai-prices";
import { catalogSql, hint, newId, passwordHash, quote } from "./seed.mjs";
import { root } from "./toolchain.mjs";

const text = readFileSync(join(root, "catalog", "models.json"), "utf8");
const rows = JSON.parse(text);
const find = (kind, model) => rows.findLast((row) => row.kind === kind && row.model === model);

test("well-known prices are right, in USD for a million tokens", () => {
  const cases = [
    ["openai", "gpt-4o", { input: 2.5, output: 10, cached_input: 1.25 }],
    ["openai", "gpt-4o-mini", { input: 0.15, output: 0.6, cached_input: 0.075 }],
    ["openai", "gpt-4.1-nano", { input: 0.1, output: 0.4, cached_input: 0.025 }],
    ["openai", "gpt-5", { input: 1.25, output: 10, cached_input: 0.125 }],
    ["openai", "text-embedding-3-small", { input: 0.02 }],
    ["openai", "text-embedding-3-large", { input: 0.13 }],
    ["anthropic", "claude-sonnet-4-5", { input: 3, output: 15, cached_input: 0.3, cache_write: 3.75, cache_write_1h: 6 }],
    ["anthropic", "claude-haiku-4-5", { input: 1, output: 5, cached_input: 0.1, cache_write: 1.25, cache_write_1h: 2 }],
    ["gemini", "gemini-2.5-pro", { input: 1.25, output: 10, cached_input: 0.125 }],
    ["gemini", "gemini-2.5-flash", { input: 0.3, output: 2.5, audio_input: 1 }],
    ["groq", "openai/gpt-oss-120b", { input: 0.15, output: 0.6 }],
    ["mistral", "mistral-embed", { input: 0.1 }],
    ["perplexity", "sonar-pro", { input: 3, output: 15 }],
    ["ollama", "llama2", { input: 0, output: 0 }],
    ["openai", "gpt-image-1", { input: 5, image_input: 10, image_output: 40 }],
    ["openai", "gpt-4o-transcribe", { input: 2.5, output: 10, audio_second: 100 }],
    // For a million characters, seconds, searches, pictures.
    ["openai", "tts-1", { character: 15 }],
    ["openai", "whisper-1", { audio_second: 100 }],
    ["cohere", "rerank-v3.5", { search: 2_000 }],
    ["gemini", "imagen-3.0-generate-001", { image: 40_000 }],
    ["xai", "grok-imagine-image", { image: 20_000 }],
  ];
  for (const [kind, model, prices] of cases) {
    for (const [name, usd] of Object.entries(prices)) {
      assert.equal(find(kind, model)?.[`${name}_price`], Math.round(usd * 1e9), `${kind}/${model} ${name}`);
    }
  }
});

test("tiers say above which size of input other prices hold", () => {
  assert.deepEqual(find("gemini", "gemini-2.5-pro").tiers, [{ above: 200_000, input: 2_500_000_000, output: 15_000_000_000, cached_input: 250_000_000 }]);
  assert.deepEqual(find("openai", "gpt-5.5").tiers, [{ above: 272_000, input: 10_000_000_000, output: 45_000_000_000, cached_input: 1_000_000_000 }]);
  assert.deepEqual(find("qwen", "qwen-flash").tiers, [{ above: 256_000, input: 250_000_000, output: 2_000_000_000 }]);
});

test("an unknown price is absent, and only what is free costs nothing", () => {
  assert.equal(find("openai", "whisper-1").input_price, undefined, "priced by the second");
  assert.equal(find("cohere", "rerank-v3.5").input_price, undefined, "priced by the query");
  assert.equal(find("gigachat", "GigaChat-2").input_price, undefined, "priced in roubles");
  const free = rows.filter((row) => row.input_price === 0 && row.output_price === 0);
  for (const row of free) {
    const allowed = ["ollama", "zai", "gemini"].includes(row.kind) || row.mode === "moderation" || row.model.endsWith(":free");
    assert.ok(allowed, `${row.kind}/${row.model}`);
  }
});

test("there are enough rows, sorted, each once, with whole and sane numbers", () => {
  assert.ok(rows.filter((row) => row.input_price !== undefined).length >= 2_000);
  const keys = rows.map((row) => `${row.kind}\0${row.model}\0${row.effective_from ?? 0}`);
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(`[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]\n`, text, "one row a line");
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      if (typeof value === "number") {
        assert.ok(Number.isSafeInteger(value) && value >= 0, `${row.kind}/${row.model} ${name} ${value}`);
      }
    }
  }
});

test("genai-prices charges the same for the same call", () => {
  const usage = { input_tokens: 10_000, output_tokens: 1_000 };
  const providers = { openai: "openai", anthropic: "anthropic", gemini: "google", groq: "groq", cerebras: "cerebras", cohere: "cohere", perplexity: "perplexity" };
  const differing = [];
  let compared = 0;
  for (const [kind, providerId] of Object.entries(providers)) {
    for (const row of rows.filter((row) => row.kind === kind && row.mode === "chat" && row.output_price !== undefined && !row.effective_from)) {
      const oracle = calcPrice(usage, row.model, { providerId });
      if (oracle) {
        compared += 1;
        const ours = (usage.input_tokens * row.input_price + usage.output_tokens * row.output_price) / 1e15;
        if (Math.abs(oracle.total_price - ours) > 1e-9) {
          differing.push(`${kind}/${row.model}: ${ours} here, ${oracle.total_price} there`);
        }
      }
    }
  }
  assert.ok(compared >= 100, `only ${compared} models compared`);
  // The two lists are not of the same day; a mistake in reading one would show in far more rows.
  assert.ok(differing.length <= compared * 0.05, `${differing.length} of ${compared} differ:\n${differing.join("\n")}`);
});

test("the seed is whole statements, each small enough for D1", () => {
  const statements = catalogSql(rows, 1).split(/;\n/);
  assert.ok(statements.every((statement) => Buffer.byteLength(statement) < 100_000));
  assert.match(statements.at(-2) ?? "", /UPDATE config_version/);
  assert.equal(quote("it's"), "'it''s'");
});

test("seeding again changes nothing, and never undoes a refresh", () => {
  const database = new DatabaseSync(":memory:");
  database.exec(readFileSync(join(root, "schema.sql"), "utf8"));
  database.exec(catalogSql(rows, 1));
  const held = () => database.prepare("SELECT * FROM models ORDER BY id").all().map((row) => ({ ...row, updated_at: 0 }));
  const seeded = held();
  assert.equal(seeded.length, rows.length);
  database.exec(catalogSql(rows, 2));
  assert.deepEqual(held(), seeded);

  database.exec(`INSERT INTO models (id, kind, model, input_price, effective_from, source, updated_at) VALUES ('r', 'openai', 'gpt-4o', 7, 5, 'refresh', 5);
    UPDATE models SET source = 'refresh', input_price = 8 WHERE kind = 'openai' AND model = 'gpt-5';
    INSERT INTO settings VALUES ('catalog_source', '{"url":"u","etag":"e","models":9}', 5);`);
  const refreshed = held();
  database.exec(catalogSql(rows, 6));
  assert.deepEqual(held(), refreshed);
  const { value } = database.prepare("SELECT value FROM settings").get();
  assert.deepEqual(JSON.parse(value), { url: "u", models: 9 }, "the next refresh compares everything");
});

test("hashes, hints and ids have the forms that the Worker reads", () => {
  assert.equal(
    passwordHash("password", Buffer.from("c2FsdHNhbHRzYWx0c2FsdA==", "base64")),
    "pbkdf2-sha256$100000$c2FsdHNhbHRzYWx0c2FsdA$T78tEi/mr8Yageny/jk6s5+Qanjd3ceXdjwOeEhX6bQ",
  );
  assert.equal(hint("sk-proj-abcdef1234"), "sk-...1234");
  assert.match(newId(1), /^00000000-0001-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
