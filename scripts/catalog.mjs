// Makes catalog/models.json anew, by the mapping that the Worker's own refresh uses (src/catalog.rs, docs/adr/0008-catalogue-refresh.md):
//   npm run catalog -- --litellm model_prices.json --genai data.json    from files
//   npm run catalog:refresh                                             from the lists as they are now
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Problem, main, root, run, step } from "./toolchain.mjs";

/** Both MIT; why these: docs/adr/0004-price-dataset.md. */
const live = {
  litellm: "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json",
  genai: "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data.json",
};

await main(async () => {
  const { values } = parseArgs({ options: { litellm: { type: "string" }, genai: { type: "string" }, live: { type: "boolean" } } });
  if (values.live) {
    const folder = join(root, ".wrangler", "tmp", `lists-${process.pid}`);
    mkdirSync(folder, { recursive: true });
    try {
      const [litellm, genai] = await Promise.all(Object.entries(live).map(([name, url]) => download(url, join(folder, `${name}.json`))));
      await make(litellm, genai);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    return;
  }
  if (!values.litellm || !values.genai) {
    throw new Problem("usage: npm run catalog -- --litellm <model_prices.json> --genai <genai-prices v2 data.json>, or npm run catalog:refresh");
  }
  await make(resolve(values.litellm), resolve(values.genai));
});

async function download(url, path) {
  step(`Fetching ${url}`);
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(60_000) });
    if (!response.ok) {
      throw new Error(`it answered ${response.status}`);
    }
    writeFileSync(path, Buffer.from(await response.arrayBuffer()));
  } catch (error) {
    throw new Problem(`${url} could not be fetched: ${error.cause?.message ?? error.message}`);
  }
  return path;
}

function make(litellm, genai) {
  return run("cargo", ["run", "--quiet", "--locked", "--example", "catalog", "--", litellm, genai, join("catalog", "models.json")], { what: "the generator" });
}
