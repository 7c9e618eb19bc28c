//! `logprobsResult`, as Chat writes log probabilities and back.

use crate::json::json;
use serde_json::{Map, Value};

/// The floor that OpenAI writes for a token too unlikely to have a number.
const UNLIKELY: f64 = -9999.0;

/// `{"content":[{token, logprob, bytes, top_logprobs}]}`. Gemini's number of a token goes along as `token_id`.
pub(in crate::dialect::gemini) fn from_gemini(result: &Value) -> Option<Value> {
    let chosen = result.get("chosenCandidates")?.as_array()?;
    let top = result.get("topCandidates").and_then(Value::as_array);
    let content = chosen.iter().enumerate().map(|(index, candidate)| {
        let mut entry = token(candidate);
        let others = top.and_then(|top| top.get(index)?.get("candidates")?.as_array());
        let others: Vec<Value> =
            others.into_iter().flatten().map(|other| Value::Object(token(other))).collect();
        entry.insert("top_logprobs".into(), Value::Array(others));
        Value::Object(entry)
    });
    Some(json!({"content": content.collect::<Vec<_>>()}))
}

fn token(candidate: &Value) -> Map<String, Value> {
    let text = candidate.get("token").and_then(Value::as_str).unwrap_or_default();
    let mut entry = Map::new();
    entry.insert("token".into(), text.into());
    let logprob = candidate.get("logProbability").filter(|number| number.is_number()).cloned();
    entry.insert("logprob".into(), logprob.unwrap_or_else(|| UNLIKELY.into()));
    entry.insert("bytes".into(), text.as_bytes().into());
    if let Some(id) = candidate.get("tokenId") {
        entry.insert("token_id".into(), id.clone());
    }
    entry
}

/// Back to Gemini's form; `None` where there is no token.
pub(in crate::dialect::gemini) fn to_gemini(logprobs: &Value) -> Option<Value> {
    let content = logprobs.get("content")?.as_array().filter(|content| !content.is_empty())?;
    let chosen: Vec<Value> = content.iter().map(candidate).collect();
    let others = |entry: &Value| {
        let others = entry.get("top_logprobs").and_then(Value::as_array);
        let candidates: Vec<Value> = others.into_iter().flatten().map(candidate).collect();
        json!({"candidates": candidates})
    };
    let top: Vec<Value> = content.iter().map(others).collect();
    Some(json!({"chosenCandidates": chosen, "topCandidates": top}))
}

fn candidate(entry: &Value) -> Value {
    let mut candidate = Map::new();
    for (from, to) in [("token", "token"), ("token_id", "tokenId"), ("logprob", "logProbability")] {
        if let Some(value) = entry.get(from).filter(|value| !value.is_null()) {
            candidate.insert(to.into(), value.clone());
        }
    }
    Value::Object(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_come_back() {
        let result = json!({
            "chosenCandidates": [{"token": "é", "tokenId": 7, "logProbability": -0.25}],
            "topCandidates": [{"candidates": [{"token": "é", "tokenId": 7, "logProbability": -0.25}, {"token": "e", "logProbability": -2.5}]}],
        });
        let chat = from_gemini(&result).unwrap();
        assert_eq!(chat["content"][0]["bytes"], json!([195, 169]));
        assert_eq!(chat["content"][0]["top_logprobs"][1]["logprob"], json!(-2.5));
        assert_eq!(to_gemini(&chat), Some(result));
        assert_eq!(to_gemini(&json!({"content": null, "refusal": []})), None);
    }
}
