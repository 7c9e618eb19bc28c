//! The scanner agrees with `serde_json`; a splice is the edit of the tree.

use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value};

#[test]
fn fields_are_found_with_their_ranges() {
    let body = br#" { "a" : [1, {"model": "inner"}], "model" :"x\"y", "n":null } "#;
    let object = peek(body, &["model", "n", "absent"]).unwrap();
    let [Some(model), Some(n), None] = &object.fields else { panic!("{object:?}") };
    assert_eq!(&body[model.range()], br#""x\"y""#);
    assert_eq!(model.as_str().as_deref(), Some("x\"y"));
    assert!(n.is_null());
}

#[test]
fn a_field_given_twice_is_refused_however_it_is_spelt() {
    for body in [
        r#"{"model":"a","model":"b"}"#,
        r#"{"model":"a","mod\u0065l":"b"}"#,
        r#"{"Model":"a","model":"b"}"#,
        r#"{"model":"a","x":{},"MODEL":null}"#,
    ] {
        assert_eq!(
            peek(body.as_bytes(), &["model"]).unwrap_err(),
            JsonError::Duplicate("model".into()),
            "{body}"
        );
    }
    assert!(peek(br#"{"x":1,"x":2,"y":{"model":1,"model":2}}"#, &["model"]).is_ok(), "only owned fields");
}

#[test]
fn faults_tell_line_and_column() {
    let cases: [(&[u8], &str); 11] = [
        (b"", "not valid JSON: expected a value at line 1, column 1"),
        (b"{\n  \"a\": }", "not valid JSON: expected a value at line 2, column 8"),
        (b"{\"a\":1", "not valid JSON: expected `,` or `}` at line 1, column 7"),
        (b"{\"a\":[1}", "not valid JSON: expected `,` or `]` at line 1, column 8"),
        (b"{\"a\" 1}", "not valid JSON: expected `:` at line 1, column 6"),
        (b"{\"a\":1,}", "not valid JSON: expected a key in double quotes at line 1, column 8"),
        (
            b"{\"a\":\"\n\"}",
            "not valid JSON: expected control characters in a string to be escaped at line 1, column 7",
        ),
        (b"{} x", "not valid JSON: expected the end at line 1, column 4"),
        (b"{\"a\":\"\xff\"}", "not valid JSON: expected UTF-8 at line 1, column 7"),
        (b"[]", "a JSON object is expected"),
        (b"12", "a JSON object is expected"),
    ];
    for (body, message) in cases {
        assert_eq!(peek(body, &["a"]).unwrap_err().to_string(), message, "{body:?}");
    }
}

#[test]
fn nesting_beyond_the_limit_is_an_error_and_never_a_stack_overflow() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", open.repeat(depth), close.repeat(depth));
        assert!(peek(nested(126).as_bytes(), &[]).is_ok());
        assert!(serde_json::from_str::<Value>(&nested(126)).is_ok());
        assert!(serde_json::from_str::<Value>(&nested(127)).is_err());
        assert!(matches!(peek(nested(127).as_bytes(), &[]), Err(JsonError::TooDeep { line: 1, .. })));
        assert!(matches!(peek(nested(500_000).as_bytes(), &[]), Err(JsonError::TooDeep { .. })));
    }
}

#[test]
fn an_empty_object_takes_a_member_without_a_comma() {
    let object = peek(b"{ }", &["a"]).unwrap();
    assert_eq!(splice(b"{ }", [object.insert("a", "1")]), br#"{"a":1 }"#);
}

#[test]
fn a_removed_member_takes_one_comma_with_it() {
    for (body, expected) in [
        (r#"{"x":null}"#, "{}"),
        (r#"{"a":1,"x":null}"#, r#"{"a":1}"#),
        (r#"{"x":null,"a":1}"#, r#"{"a":1}"#),
        (r#"{ "a": 1, "x" : null , "b": 2 }"#, r#"{ "a": 1, "b": 2 }"#),
        (r#"{ "a": 1 , "x": null }"#, r#"{ "a": 1  }"#),
    ] {
        let raw = Raw { bytes: body.as_bytes(), start: 0 };
        let member = raw.items().find(|item| item.is("x")).unwrap();
        let out = splice(body.as_bytes(), [Edit::new(member.removal(body.as_bytes()), "")]);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn an_upstream_may_repeat_itself() {
    let object = peek_lenient(br#"{"n":1,"N":3,"n":2}"#, &["n"]).unwrap();
    assert_eq!(object.fields[0].unwrap().as_u64(), Some(2));
}

#[test]
fn edits_that_make_no_sense_are_left_out() {
    let edits = [Edit::new(2..9, "no"), Edit::new(0..2, "A"), Edit::new(1..3, "no"), Edit::new(3..3, "B")];
    assert_eq!(splice(b"abcd", edits), b"AcBd");
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        any::<String>().prop_map(Value::from),
        "[\\x00-\\x7f\"\\\\]{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-d\"\\\\é]{0,3}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec(("[a-d]{1,2}|model", tree()), 0..6)
        .prop_map(|members| members.into_iter().collect())
}

proptest! {
    #[test]
    fn a_splice_is_the_edit_of_the_tree(mut map in object(), value in tree(), pretty in any::<bool>()) {
        let whole = Value::Object(map.clone());
        let body = if pretty { serde_json::to_vec_pretty(&whole) } else { serde_json::to_vec(&whole) }.unwrap();
        let seen = peek(&body, &["model"]).unwrap();
        let text = value.to_string();
        let edit = match &seen.fields[0] {
            Some(model) => model.replace(text.as_str()),
            None => seen.insert("model", &text),
        };
        let (range, added) = (edit.range.clone(), edit.text.len());
        let out = splice(&body, [edit]);
        prop_assert_eq!(&out[..range.start], &body[..range.start]);
        prop_assert_eq!(&out[range.start + added..], &body[range.end..]);
        map.insert("model".into(), value);
        prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), Value::Object(map));
    }

    #[test]
    fn the_scanner_accepts_what_serde_accepts(value in tree(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = value.to_string().into_bytes();
        prop_assert!(is_valid(&text));
        // One byte changed: still the same verdict, whatever it is.
        let at = at.index(text.len());
        text[at] = byte;
        let by_serde = serde_json::from_slice::<&serde_json::value::RawValue>(&text).is_ok();
        let by_scanner = is_valid(&text) && std::str::from_utf8(&text).is_ok();
        prop_assert_eq!(by_scanner, by_serde, "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn no_bytes_make_it_panic(
        body in "[{}\\[\\]\",:\\\\unl1.e\\-a \n]{0,24}", bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        for body in [body.as_bytes(), &bytes] {
            let is_object = serde_json::from_slice::<Map<String, Value>>(body).is_ok();
            prop_assert!(peek(body, &[]).is_ok() || !is_object);
            let raw = Raw { bytes: body, start: 0 };
            let _ = (raw.is_blank(), raw.as_str(), raw.member("a").is_some(), raw.as_u64());
            for item in raw.items() {
                prop_assert!(item.removal(body).end <= body.len());
            }
        }
    }

    #[test]
    fn items_are_what_the_tree_holds(map in object()) {
        let body = serde_json::to_vec(&map).unwrap();
        let raw = Raw { bytes: &body, start: 0 };
        let items: Map<String, Value> = raw
            .items()
            .map(|item| (unescape(item.key).unwrap().into_owned(), serde_json::from_slice(item.value.bytes).unwrap()))
            .collect();
        prop_assert_eq!(items, map);
    }
}
