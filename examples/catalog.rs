//! Makes `catalog/models.json` from LiteLLM's and genai-prices' lists, for `npm run catalog`:
//! `cargo run --example catalog -- model_prices.json data.json catalog/models.json`

use edgeway::catalog;
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;

/// Fewer rows than this mean that a source has changed its form.
const LEAST: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [litellm, genai, output] = arguments.as_slice() else {
        return Err("usage: catalog <model_prices.json> <genai-prices v2 data.json> <models.json>".into());
    };
    let models = catalog::compose(&fs::read(litellm)?, &fs::read(genai)?)?;
    if models.len() < LEAST {
        return Err(format!("only {} rows: a source has changed its form", models.len()).into());
    }
    fs::write(output, catalog::format(&models)?)?;
    let kinds: BTreeSet<_> = models.iter().map(|model| model.kind).collect();
    let priced = models.iter().filter(|model| model.prices.input_price.is_some()).count();
    println!("{output}: {} models of {} kinds, {priced} with a price", models.len(), kinds.len());
    Ok(())
}
