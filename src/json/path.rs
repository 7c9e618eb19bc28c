//! Where a place in a text lies in its structure: the path of a field that a parser refused, from the position it told.

use super::{Raw, unescape};
use std::fmt::Write as _;

/// The path of the innermost value that ends at this place or holds it, as `limits.rates[2].window`; empty for the whole
/// text. Lines and columns are `serde_json`'s: they count from 1 and in bytes, and tell how far it had read.
#[must_use]
pub fn path_at(text: &[u8], line: usize, column: usize) -> String {
    let before: usize =
        text.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let read = before + column;
    let mut path = String::new();
    let mut value = Raw { bytes: text, start: 0 };
    loop {
        let is_object = value.is_object();
        let holds = |range: std::ops::Range<usize>| range.start < read && read <= range.end;
        let Some((index, item)) = value.items().enumerate().find(|(_, item)| holds(item.value.range()))
        else {
            return path;
        };
        if is_object {
            let key = unescape(item.key).unwrap_or_default();
            let dot = if path.is_empty() { "" } else { "." };
            let _ = write!(path, "{dot}{key}"); // writing to a String cannot fail
        } else {
            let _ = write!(path, "[{index}]");
        }
        value = item.value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_value_is_named() {
        let text = br#"{"a": 1, "b": {"c": [true, {"d\u0065": "x"}]},
"e": null}"#;
        for (line, column, path) in [
            (1, 7, "a"),
            (1, 1, ""),
            (1, 20, "b"),
            (1, 25, "b.c[0]"),
            (1, 42, "b.c[1].de"),
            (1, 43, "b.c[1]"),
            (1, 44, "b.c"),
            (1, 45, "b"),
            (2, 9, "e"),
            (2, 10, ""),
            (9, 9, ""),
        ] {
            assert_eq!(path_at(text, line, column), path, "{line}:{column}");
        }
    }

    #[test]
    fn what_is_no_json_has_no_path() {
        for text in ["", "x", "{", r#"{"a":"#, "[1,"] {
            let _ = path_at(text.as_bytes(), 1, text.len());
        }
        assert_eq!(path_at(br#"{"a":"#, 1, 5), "");
    }
}
