//! The reader of types beside `serde_json`'s.

use super::read;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    name: String,
    #[serde(default)]
    size: Option<u32>,
    #[serde(default)]
    share: f64,
    #[serde(default)]
    is_open: bool,
    #[serde(default)]
    pairs: Vec<(i64, Cow<'static, str>)>,
    #[serde(default)]
    kinds: BTreeMap<Kind, Kind>,
    #[serde(default)]
    rest: Value,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Plain,
    Named(String),
    Sized { width: u8 },
}

/// What `serde_json` reads, and its error.
fn expected<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, serde_json::Error> {
    #[allow(clippy::disallowed_methods, reason = "the other reader is what this one is compared with")]
    serde_json::from_str(text)
}

#[test]
fn a_type_is_read_as_serde_json_reads_it() {
    for text in [
        r#"{"name":"a"}"#,
        " {\n\"name\" : \"a\\u00e9\\n\\ud83d\\ude00\" , \"size\":null } ",
        r#"{"name":"","size":4294967295,"share":-1.5e3,"is_open":true}"#,
        r#"{"name":"a","share":1,"pairs":[[-9223372036854775808,"é"],[0,"\""]]}"#,
        r#"{"name":"a","kinds":{"plain":"plain"}}"#,
        r#"{"name":"a","kinds":{"plain":{"named":"b"}}}"#,
        r#"{"name":"a","kinds":{"plain":{"sized":{"width":3}}}}"#,
        r#"{"name":"a","kinds":{"plain":{"plain":null}}}"#,
        r#"{"name":"a","rest":[{"deep":[[],{},1,-1,2.5,18446744073709551615,18446744073709551616]}]}"#,
    ] {
        assert_eq!(read::<Sample>(text.as_bytes()).unwrap(), expected(text).unwrap(), "{text}");
    }
    let text = r#"{"a":"b","c\n":"d\n"}"#;
    let borrowed: BTreeMap<Cow<'_, str>, Cow<'_, str>> = read(text.as_bytes()).unwrap();
    assert_eq!(borrowed, expected(text).unwrap());
}

#[test]
fn an_error_is_serde_jsons() {
    for text in [
        "",
        "nul",
        r#"{"name":"#,
        r#"{"name":"a"} trailing"#,
        r#"{"name":"a",}"#,
        r#"{"name" "a"}"#,
        r#"{"name":"a" "size":1}"#,
        r#"{"name":"\ud800"}"#,
        "{\"name\":\"\n\"}",
        r#"{"name":"a","size":01}"#,
        r#"{"name":"a","share":1e999}"#,
        r#"{"name":"a","pairs":[[1,"a"],]}"#,
        r#"{"size":1}"#,
        "{\n\"size\": -1}",
        r#"{"size":4294967296}"#,
        r#"{"size":1.5}"#,
        r#"{"size":"one"}"#,
        r#"{"share":true}"#,
        r#"{"is_open":0}"#,
        r#"{"name":null}"#,
        r#"{"name":"a","kinds":{"plain":"round"}}"#,
        "7",
        "null",
    ] {
        let (found, expected) =
            (read::<Sample>(text.as_bytes()).unwrap_err(), expected::<Sample>(text).unwrap_err());
        assert_eq!(
            (found.to_string(), found.classify()),
            (expected.to_string(), expected.classify()),
            "{text}"
        );
    }
}

#[test]
fn an_object_is_not_read_from_a_list_and_names_stand_in_their_place() {
    for (text, message) in [
        (r#"["a"]"#, "invalid type: sequence, expected struct Sample at line 1 column 1"),
        (r#"{"name":["a"]}"#, "invalid type: sequence, expected a string at line 1 column 9"),
        (
            r#"{"kinds":{"plain":"named"}}"#,
            "invalid type: unit variant, expected newtype variant at line 1 column 25",
        ),
        (r#"{"pairs":[[1]]}"#, "invalid length 1, expected a tuple of size 2 at line 1 column 12"),
        (r#"{"kinds":{"plain":7}}"#, "invalid type: integer `7`, expected enum Kind at line 1 column 19"),
        (
            r#"{"nmae":7}"#,
            "unknown field `nmae`, expected one of `name`, `size`, `share`, `is_open`, `pairs`, `kinds`, `rest` at line 1 column 8",
        ),
    ] {
        assert_eq!(read::<Sample>(text.as_bytes()).unwrap_err().to_string(), message);
    }
    let twice = read::<Sample>(br#"{"name":"a","name":"b"}"#).unwrap_err();
    assert_eq!(twice.to_string(), "duplicate field `name` at line 1 column 19");
    assert!(read::<Sample>(b"{\"name\":\"\xff\"}").unwrap_err().to_string().contains("unicode"));
}

#[test]
fn nesting_has_a_bound() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [1, 127, 128, 100_000] {
        let text = nested(depth);
        let found = read::<Value>(text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(found, expected(&text).map_err(|error| error.to_string()), "{depth}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e12f64..1e12).prop_map(|number| json!((number * 64.0).round() / 64.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_comes_back(value in values()) {
        for text in [serde_json::to_vec(&value).unwrap(), serde_json::to_vec_pretty(&value).unwrap()] {
            prop_assert_eq!(&read::<Value>(&text).unwrap(), &value);
        }
    }

    #[test]
    fn bytes_are_refused_where_serde_json_refuses_them(value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = at.index(text.len());
        text[at] = byte;
        // Of numbers with a fraction the last digit may differ: here they are read exactly.
        let found = read::<Value>(&text).err().map(|error| error.to_string());
        let expected = serde_json::from_slice::<Value>(&text).err().map(|error| error.to_string());
        prop_assert_eq!(found, expected);
    }
}
