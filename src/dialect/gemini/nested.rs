//! Unknown members of inner objects, kept under the path of their place: `generationConfig.speechConfig`.
//!
//! So the extras of a request or a block say by their own names what another dialect cannot carry, and can be put back
//! exactly.

use crate::conversation::Extras;
use serde_json::{Map, Value};

/// Keeps what is left of an inner object.
pub(super) fn keep(extras: &mut Extras, place: &str, rest: Map<String, Value>) {
    for (name, value) in rest {
        extras.insert(format!("{place}.{name}"), value);
    }
}

/// Puts extras back to where they were.
pub(super) fn put_back(map: &mut Map<String, Value>, extras: Extras) {
    for (path, value) in extras {
        put(map, &path, value);
    }
}

fn put(map: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            map.insert(path.to_owned(), value);
        }
        Some((outer, inner)) => {
            let inside = map.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inside) = inside {
                put(inside, inner, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_kept_is_put_back() {
        let mut extras = Extras::new();
        let rest = json!({"seedling": 1, "speechConfig": {"a.b": 2}});
        keep(&mut extras, "generationConfig", rest.as_object().unwrap().clone());
        extras.insert("labels".into(), json!({"x": "y"}));
        let mut body = Map::new();
        body.insert("generationConfig".into(), json!({"topK": 3}));
        put_back(&mut body, extras);
        let expected = json!({
            "generationConfig": {"topK": 3, "seedling": 1, "speechConfig": {"a.b": 2}},
            "labels": {"x": "y"},
        });
        assert_eq!(Value::Object(body), expected);
    }
}
