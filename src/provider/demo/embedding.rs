//! Embeddings of the demo provider: a unit vector that depends on the text alone, so that equal texts are equal.

use crate::json::json;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// As many inputs as OpenAI takes in one call.
const MAX_INPUTS: usize = 2048;

/// The body of an answer, or the name of the field that is wrong.
pub(super) fn embeddings(request: &Value) -> Result<Value, &'static str> {
    let model = request.get("model").and_then(Value::as_str).unwrap_or("demo-embedding");
    let dimensions = match request.get("dimensions") {
        None | Some(Value::Null) => default_dimensions(model),
        Some(given) => given
            .as_u64()
            .filter(|given| (1..=4096).contains(given))
            .and_then(|given| usize::try_from(given).ok())
            .ok_or("dimensions")?,
    };
    let inputs = inputs(request.get("input")).ok_or("input")?;
    // The official clients ask for base64 of little-endian floats unless told otherwise.
    let is_base64 = request.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, (text, _))| {
            let vector = vector(text, dimensions);
            let embedding = match is_base64 {
                true => {
                    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                    json!(STANDARD.encode(bytes))
                }
                false => json!(vector),
            };
            json!({ "object": "embedding", "index": index, "embedding": embedding })
        })
        .collect();
    let tokens: usize = inputs.iter().map(|(_, tokens)| tokens).sum();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    Ok(json!({ "object": "list", "data": data, "model": model, "usage": usage }))
}

fn default_dimensions(model: &str) -> usize {
    if model.ends_with("-large") { 3072 } else { 1536 }
}

/// Each input as text with its count of tokens: a text, a list of token ids, or a list of either.
fn inputs(input: Option<&Value>) -> Option<Vec<(String, usize)>> {
    let one = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some((text.clone(), text.chars().count().div_ceil(4))),
        Value::Array(ids) if !ids.is_empty() && ids.iter().all(Value::is_u64) => {
            Some((value.to_string(), ids.len()))
        }
        _ => None,
    };
    let input = input?;
    if let Some(single) = one(input) {
        return Some(vec![single]);
    }
    let list = input.as_array().filter(|list| (1..=MAX_INPUTS).contains(&list.len()))?;
    list.iter().map(one).collect()
}

/// A vector of length one, its numbers drawn from hashes of the text.
#[allow(clippy::cast_precision_loss, reason = "a 16-bit number fits an f32 exactly")]
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let seed = Sha256::digest(text.as_bytes());
    let mut numbers = Vec::with_capacity(dimensions + 16);
    let mut block = 0_u32;
    while numbers.len() < dimensions {
        let hash = Sha256::new().chain_update(seed).chain_update(block.to_le_bytes()).finalize();
        let (pairs, _) = hash.as_chunks::<2>();
        numbers.extend(pairs.iter().map(|pair| f32::from(i16::from_le_bytes(*pair)) / 32_768.0));
        block += 1;
    }
    numbers.truncate(dimensions);
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    numbers.iter().map(|number| number / length).collect()
}
