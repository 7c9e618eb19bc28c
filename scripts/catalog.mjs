// Makes catalog/models.json from two maintained, MIT-licensed price lists:
//   node scripts/catalog.mjs --litellm model_prices.json --genai data.json
// LiteLLM's list (PyPI `litellm`) is the base; genai-prices (v2 data) adds OpenRouter and Hugging Face, which it lacks,
// and models that LiteLLM no longer lists.
// Why these: docs/adr/0004-price-dataset.md. A row has the columns of table `models`; what is unknown is left out.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Problem, isMain, main, root } from "./toolchain.mjs";

/** LiteLLM's provider → our provider kind (src/provider/table.rs). Earlier rows win where two name the same model of one kind. */
const kinds = {
  openai: "openai",
  "text-completion-openai": "openai",
  anthropic: "anthropic",
  gemini: "gemini",
  "vertex_ai-language-models": "vertex",
  vertex_ai: "vertex",
  "vertex_ai-embedding-models": "vertex",
  "vertex_ai-anthropic_models": "vertex",
  "vertex_ai-mistral_models": "vertex",
  "vertex_ai-deepseek_models": "vertex",
  "vertex_ai-ai21_models": "vertex",
  "vertex_ai-llama_models": "vertex",
  "vertex_ai-minimax_models": "vertex",
  "vertex_ai-moonshot_models": "vertex",
  "vertex_ai-zai_models": "vertex",
  "vertex_ai-openai_models": "vertex",
  "vertex_ai-qwen_models": "vertex",
  azure: "azure",
  azure_text: "azure",
  azure_ai: "azure",
  bedrock_converse: "bedrock",
  bedrock: "bedrock",
  bedrock_mantle: "bedrock",
  mistral: "mistral",
  codestral: "mistral",
  cohere_chat: "cohere",
  cohere: "cohere",
  groq: "groq",
  cerebras: "cerebras",
  deepseek: "deepseek",
  xai: "xai",
  perplexity: "perplexity",
  vercel_ai_gateway: "vercel",
  moonshot: "moonshot",
  zai: "zai",
  together_ai: "together",
  fireworks_ai: "fireworks",
  "fireworks_ai-embedding-models": "fireworks",
  minimax: "minimax",
  dashscope: "qwen",
  nvidia_nim: "nvidia",
  volcengine: "doubao",
  gigachat: "gigachat",
  ollama: "ollama",
  morph: "morph",
};

/** LiteLLM's mode → ours, for what the gateway serves; others (video, search, realtime, …) are left out. */
const modes = {
  chat: "chat",
  responses: "responses",
  completion: "completion",
  embedding: "embedding",
  image_generation: "image",
  image_edit: "image",
  audio_transcription: "transcription",
  audio_speech: "speech",
  rerank: "rerank",
  moderation: "moderation",
};

const capabilities = {
  supports_function_calling: "tools",
  supports_parallel_function_calling: "parallel_tools",
  supports_vision: "vision",
  supports_reasoning: "reasoning",
  supports_response_schema: "json_schema",
  supports_prompt_caching: "prompt_caching",
  supports_pdf_input: "pdf",
  supports_audio_input: "audio_input",
  supports_audio_output: "audio_output",
  supports_video_input: "video_input",
  supports_web_search: "web_search",
  supports_computer_use: "computer_use",
};

/** LiteLLM's price per token → our column. */
const prices = {
  input_cost_per_token: "input_price",
  output_cost_per_token: "output_price",
  cache_read_input_token_cost: "cached_input_price",
  cache_creation_input_token_cost: "cache_write_price",
  cache_creation_input_token_cost_above_1hr: "cache_write_1h_price",
  output_cost_per_reasoning_token: "reasoning_price",
  input_cost_per_audio_token: "audio_input_price",
  output_cost_per_audio_token: "audio_output_price",
};

const tierPrices = {
  input_cost_per_token: "input",
  output_cost_per_token: "output",
  cache_read_input_token_cost: "cached_input",
  cache_creation_input_token_cost: "cache_write",
};

/** Where a price of zero means free. Elsewhere the list writes zero for what it does not know, and unknown is not free. */
const freeKinds = new Set(["ollama", "zai", "gemini"]);

/** No model costs $2,000 for a million tokens: such a price was written for another unit, and so is unknown. */
const highestPrice = 2_000_000_000_000;

/** USD for one token → nano-USD for a million: × 10^15 in decimal digits, rounded half up, so no float noise remains. */
export function perMillion(usd, exponent = 15) {
  const [, whole, fraction = "", power = "0"] = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(String(usd)) ?? [];
  if (whole === undefined) {
    return undefined;
  }
  const shift = Number(power) + exponent - fraction.length;
  const digits = BigInt(whole + fraction);
  const unit = 10n ** BigInt(Math.max(-shift, 0));
  const price = Number(shift >= 0 ? digits * 10n ** BigInt(shift) : (2n * digits + unit) / (2n * unit));
  return price <= highestPrice ? price : undefined;
}

/** The name that is sent upstream, or undefined for a row that is not a model of its own (a region, a size, a class). */
function upstreamName(key, provider, kind) {
  const prefixes = [provider, provider.split("-")[0], "azure", "bedrock", "vertex_ai", "together_ai", "fireworks_ai", "text-completion-openai"];
  const prefix = prefixes.find((name) => key.startsWith(`${name}/`));
  const name = prefix ? key.slice(prefix.length + 1) : key;
  switch (kind) {
    case "openai": // a container is a tool's sandbox
      return name.includes("/") || name === "container" ? undefined : name;
    case "bedrock": // region/…, size/…, invoke/…: the same model at another price or by another path
    case "azure": // eu/…, us/…, global/…: a deployment's name has no slash
      return name.includes("/") || name === "container" ? undefined : name;
    case "together": // price classes by size
      return /^together-ai-/.test(name) ? undefined : name;
    case "fireworks":
      return /^fireworks-ai-/.test(name) ? undefined : name;
    default:
      return name;
  }
}

/** One row of LiteLLM's list in our columns. */
function litellmRow(kind, model, entry) {
  const mode = modes[entry.mode];
  const row = { kind, model, mode };
  row.context_window = whole(entry.max_input_tokens);
  row.max_output_tokens = whole(entry.max_output_tokens);
  row.capabilities = Object.keys(capabilities).filter((flag) => entry[flag] === true).map((flag) => capabilities[flag]);
  const ranges = entry.tiered_pricing?.filter((tier) => Array.isArray(tier.range)) ?? [];
  const base = { ...ranges.find((tier) => tier.range[0] === 0), ...entry };
  for (const [field, column] of Object.entries(prices)) {
    row[column] = perMillion(base[field]);
  }
  if (mode === "image") {
    row.output_price ??= perMillion(base.output_cost_per_image_token);
  }
  row.tiers = tiers(entry, ranges);
  return withoutFalseZeros(row, entry);
}

/** `…_above_200k_tokens` fields and `tiered_pricing` ranges → [{above, input?, …}], by size. */
function tiers(entry, ranges) {
  const found = new Map();
  const put = (above, column, price) => price !== undefined && found.set(above, { ...(found.get(above) ?? { above }), [column]: price });
  for (const [field, column] of Object.entries(tierPrices)) {
    for (const name of Object.keys(entry)) {
      const size = name.startsWith(`${field}_above_`) && /^_above_(\d+)k_tokens$/.exec(name.slice(field.length));
      if (size) {
        put(Number(size[1]) * 1000, column, perMillion(entry[name]));
      }
    }
    for (const range of ranges.filter((tier) => tier.range[0] > 0)) {
      put(range.range[0], column, perMillion(range[field]));
    }
  }
  return [...found.values()].sort((left, right) => left.above - right.above);
}

/** Takes back a price of zero that only says that the model is not priced by the token, or not known. */
function withoutFalseZeros(row, entry = {}) {
  const pricedOtherwise = Object.entries(entry).some(([field, value]) => /_per_(query|second|image|character|pixel|request|page)/.test(field) && value > 0);
  const free = row.mode === "moderation" || freeKinds.has(row.kind) || row.model.endsWith(":free");
  if (!row.input_price && !row.output_price && (pricedOtherwise || !free)) {
    delete row.input_price;
    delete row.output_price;
  }
  return row;
}

/** genai-prices' provider → our kind. DeepSeek is missing: its prices there depend on the time of day. */
const genaiKinds = {
  openrouter: "openrouter",
  openai: "openai",
  anthropic: "anthropic",
  groq: "groq",
  cerebras: "cerebras",
  cohere: "cohere",
  mistral: "mistral",
  perplexity: "perplexity",
  "x-ai": "xai",
  moonshotai: "moonshot",
};

/** Rows of one model of genai-prices: one a name it answers to, and one a date from which a price holds. */
function* genaiRows(kind, model, suffix) {
  const names = new Set([model.id, ...(suffix ? [] : exactNames(model.match))]);
  const versions = Array.isArray(model.prices) ? model.prices : [{ prices: model.prices }];
  for (const { prices: list, constraint } of versions) {
    if (constraint && !constraint.start_date) {
      continue; // a time of day, which no row can say
    }
    for (const name of names) {
      const free = name.endsWith(":free");
      const row = { kind, model: name + suffix, mode: /embed/.test(name) ? "embedding" : "chat", context_window: whole(model.context_window), capabilities: [] };
      const column = (field) => (free ? 0 : perMillion(list[field]?.base ?? list[field], 9));
      row.input_price = column("input_mtok");
      row.output_price = column("output_mtok");
      row.cached_input_price = perMillion(list.cache_read_mtok?.base ?? list.cache_read_mtok, 9);
      row.cache_write_price = perMillion(list.cache_write_mtok?.base ?? list.cache_write_mtok, 9);
      row.cache_write_1h_price = perMillion(list.cache_write_1h_mtok?.base ?? list.cache_write_1h_mtok, 9);
      row.reasoning_price = perMillion(list.output_reasoning_mtok?.base ?? list.output_reasoning_mtok, 9);
      row.tiers = genaiTiers(list);
      row.effective_from = constraint ? Date.parse(constraint.start_date) : undefined;
      yield withoutFalseZeros(row);
    }
  }
}

function exactNames(match) {
  return match.equals ? [match.equals] : (match.or ?? []).flatMap(exactNames);
}

function genaiTiers(list) {
  const found = new Map();
  for (const [field, column] of Object.entries({ input_mtok: "input", output_mtok: "output", cache_read_mtok: "cached_input", cache_write_mtok: "cache_write" })) {
    for (const { start, price } of list[field]?.tiers ?? []) {
      found.set(start, { ...(found.get(start) ?? { above: start }), [column]: perMillion(price, 9) });
    }
  }
  return [...found.values()].sort((left, right) => left.above - right.above);
}

/** The built-in provider's models. Their prices are made up, so that the first calls already show a cost. */
const demos = [
  { kind: "demo", model: "demo", mode: "chat", input_price: 100_000_000, output_price: 400_000_000 },
  { kind: "demo", model: "demo-chat", mode: "chat", input_price: 100_000_000, output_price: 400_000_000 },
  { kind: "demo", model: "demo-embedding", mode: "embedding", input_price: 20_000_000, output_price: 0 },
];

/** All rows, sorted by kind, model and date. */
export function catalog(litellm, genai) {
  const rows = new Map(demos.map((row) => [key(row), row]));
  const add = (row) => rows.has(key(row)) || rows.set(key(row), compact(row));
  const providers = Object.keys(kinds);
  const ranked = Object.entries(litellm)
    .filter(([, entry]) => kinds[entry.litellm_provider] && modes[entry.mode])
    .sort(([, left], [, right]) => providers.indexOf(left.litellm_provider) - providers.indexOf(right.litellm_provider));
  for (const [name, entry] of ranked) {
    const kind = kinds[entry.litellm_provider];
    const model = upstreamName(name, entry.litellm_provider, kind);
    if (model) {
      add(litellmRow(kind, model, entry));
    }
  }
  const listed = new Set([...rows.values()].map((row) => key({ ...row, effective_from: 0 })));
  for (const provider of genai) {
    // Hugging Face's router takes `model:provider`, and its names keep their case.
    const [, router] = /^huggingface_(.+)$/.exec(provider.id) ?? [];
    const kind = router ? "huggingface" : genaiKinds[provider.id];
    const suffix = router ? `:${router}` : "";
    for (const model of kind ? provider.models : []) {
      [...genaiRows(kind, model, suffix)].filter((row) => !listed.has(key({ ...row, effective_from: 0 }))).forEach(add);
    }
  }
  const order = (left, right) => (left < right ? -1 : left > right ? 1 : 0);
  return [...rows.values()].sort((left, right) => order(left.kind, right.kind) || order(left.model, right.model) || (left.effective_from ?? 0) - (right.effective_from ?? 0));
}

const key = (row) => [row.kind, row.model, row.effective_from ?? 0].join("\0");

const whole = (value) => (Number.isSafeInteger(Number(value)) && Number(value) > 0 ? Number(value) : undefined);

/** Without what is unknown or empty. */
function compact(row) {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)));
}

/** One row a line, so that a diff shows which prices moved. */
export function format(rows) {
  return `[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]\n`;
}

if (isMain(import.meta)) {
  await main(() => {
    const { values } = parseArgs({ options: { litellm: { type: "string" }, genai: { type: "string" } } });
    if (!values.litellm || !values.genai) {
      throw new Problem("usage: node scripts/catalog.mjs --litellm <model_prices.json> --genai <genai-prices v2 data.json>");
    }
    const read = (path) => JSON.parse(readFileSync(path, "utf8"));
    const rows = catalog(read(values.litellm), read(values.genai));
    if (rows.length < 2_000) {
      throw new Problem(`only ${rows.length} rows: a source has changed its shape`);
    }
    writeFileSync(join(root, "catalog", "models.json"), format(rows));
    const priced = rows.filter((row) => row.input_price !== undefined).length;
    console.log(`catalog/models.json: ${rows.length} models of ${new Set(rows.map((row) => row.kind)).size} kinds, ${priced} with a price`);
  });
}
