//! Recorded provider traffic, which stays outside the project: see `INDEX.md` beside it.

use serde_json::Value;
use std::path::PathBuf;

/// One request and its answer, with what the index expects of it.
pub(crate) struct Interaction {
    /// File and place in it, for messages.
    pub(crate) name: String,
    /// `chat`, `responses`, …
    pub(crate) api: String,
    /// The body that was sent; empty where it was not recorded.
    pub(crate) request: String,
    /// HTTP status.
    pub(crate) status: u64,
    /// The body that came back, or the stream.
    pub(crate) body: String,
    /// It came as events.
    pub(crate) is_stream: bool,
    /// `expected` of the index.
    pub(crate) expected: Value,
}

/// All interactions; none, and a line that says so, where the folder is absent (`EDGEWAY_FIXTURES` names another).
pub(crate) fn interactions() -> Vec<Interaction> {
    let folder = std::env::var_os("EDGEWAY_FIXTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"), PathBuf::from);
    let Ok(index) = std::fs::read(folder.join("INDEX.json")) else {
        println!("skipped: no recorded traffic at {}; EDGEWAY_FIXTURES may name it", folder.display());
        return Vec::new();
    };
    let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
    index.iter().flat_map(|entry| of_file(&folder, entry)).collect()
}

fn of_file(folder: &std::path::Path, entry: &Value) -> Vec<Interaction> {
    let file = entry["file"].as_str().unwrap();
    let content = std::fs::read_to_string(folder.join(file)).unwrap();
    let recorded = match entry["format"].as_str() {
        Some("interaction") => vec![serde_json::from_str::<Value>(&content).unwrap()],
        Some("interactions") => {
            serde_json::from_str::<Value>(&content).unwrap()["interactions"].as_array().unwrap().clone()
        }
        _ => return Vec::new(),
    };
    let of = |(index, recorded): (usize, Value)| {
        let text = |side: &str, name: &str| recorded[side][name].as_str().map(str::to_owned);
        let sse = text("response", "sse");
        let api = entry["sources"][index]["api"].as_str().or(entry["sources"][0]["api"].as_str());
        Interaction {
            name: format!("{file}#{index}"),
            api: api.unwrap_or_default().to_owned(),
            request: text("request", "body").unwrap_or_default(),
            status: recorded["response"]["status"].as_u64().unwrap_or(200),
            is_stream: sse.is_some(),
            body: sse.or(text("response", "body")).unwrap_or_default(),
            expected: entry["expected"][index].clone(),
        }
    };
    recorded.into_iter().enumerate().map(of).collect()
}
