//! A block that only this dialect has, put together from its pieces.

use serde_json::{Map, Value};

/// The block so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Collected {
    block: Map<String, Value>,
    input: String,
}

impl Collected {
    pub(super) fn new(block: Value) -> Collected {
        let block = if let Value::Object(block) = block { block } else { Map::new() };
        Collected { block, input: String::new() }
    }

    /// A delta: pieces of the input, or of any other member that is text.
    pub(super) fn add(&mut self, delta: Value) {
        let Value::Object(delta) = delta else { return };
        for (name, piece) in delta.into_iter().filter(|(name, _)| name != "type") {
            match (name.as_str(), self.block.get_mut(&name), piece) {
                ("partial_json", _, Value::String(piece)) => self.input.push_str(&piece),
                (_, Some(Value::String(text)), Value::String(piece)) => text.push_str(&piece),
                (_, _, piece) => {
                    self.block.insert(name, piece);
                }
            }
        }
    }

    /// The whole block.
    pub(super) fn finish(mut self) -> Value {
        if !self.input.is_empty() {
            let input = serde_json::from_slice(self.input.as_bytes()).unwrap_or(Value::String(self.input));
            self.block.insert("input".into(), input);
        }
        Value::Object(self.block)
    }
}
