//! What is read of a request, and that a rewrite is the edit of the tree.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn seen(body: &str) -> Asked {
    peek(body.as_bytes()).unwrap().asked
}

#[test]
fn everything_that_routing_asks_for_is_read() {
    let seen = seen(
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"What is it?"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],
            "model":"gpt-4\u006f","stream":true,"stream_options":{"include_usage":true},"max_tokens":5,
            "max_completion_tokens":9,"n":2,"tools":[{"type":"function","function":{"name":"f"}}]}"#,
    );
    assert_eq!(seen.model.as_deref(), Some("gpt-4o"));
    assert!(seen.stream && seen.include_usage && seen.has_tools && seen.has_images);
    assert_eq!((seen.max_tokens, seen.n), (Some(9), 2));
    assert!((765..800).contains(&seen.input_tokens), "{}", seen.input_tokens);
}

#[test]
fn null_is_as_good_as_absent() {
    let seen = seen(
        r#"{"model":null,"stream":null,"stream_options":null,"max_tokens":null,"n":null,"tools":null,"messages":[{}]}"#,
    );
    assert_eq!((seen.model, seen.stream, seen.max_tokens, seen.n), (None, false, None, 1));
    assert!(!seen.has_tools && !seen.has_images);
}

#[test]
fn errors_name_the_field() {
    let cases = [
        ("{}", "messages"),
        (r#"{"messages":"hi"}"#, "messages"),
        (r#"{"messages":[]}"#, "messages"),
        (r#"{"messages":[{},"hi"]}"#, "messages[1]"),
        (r#"{"messages":[{}],"model":7}"#, "model"),
        (r#"{"messages":[{}],"model":""}"#, "model"),
        (r#"{"messages":[{}],"model":"a","model":"b"}"#, "model"),
        (r#"{"messages":[{}],"stream":"yes"}"#, "stream"),
        (r#"{"messages":[{}],"stream_options":[]}"#, "stream_options"),
        (r#"{"messages":[{}],"stream_options":{"include_usage":1}}"#, "stream_options.include_usage"),
        (r#"{"messages":[{}],"max_tokens":-1}"#, "max_tokens"),
        (r#"{"messages":[{}],"max_completion_tokens":"5"}"#, "max_completion_tokens"),
        (r#"{"messages":[{}],"n":1.5}"#, "n"),
        (r#"{"messages":[{}],"tools":{}}"#, "tools"),
        (r#"{"messages":[{}],"functions":1}"#, "functions"),
    ];
    for (body, field) in cases {
        let error = peek(body.as_bytes()).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(field), "{body}");
        assert!(error.message.contains(field.split('.').next().unwrap()), "{error}");
    }
    for body in ["", "[]", "{", "nonsense"] {
        assert_eq!(peek(body.as_bytes()).unwrap_err().field, None, "{body}");
    }
}

#[test]
fn a_body_that_needs_no_change_is_not_copied() {
    let body = br#"{"model":"a","stream":true,"stream_options":{"include_usage":true},"messages":[{}]}"#;
    let wanted = Rewrite { model: Some("a"), include_usage: true, system_prompt: None };
    assert!(matches!(rewrite(body, &peek(body).unwrap(), &wanted), Cow::Borrowed(_)));
    let body = br#"{"messages":[{}]}"#;
    let wanted = Rewrite { include_usage: true, ..Rewrite::default() };
    assert!(matches!(rewrite(body, &peek(body).unwrap(), &wanted), Cow::Borrowed(_)), "not a stream");
}

/// What a rewrite should give, by the tree.
fn edited(body: &[u8], wanted: &Rewrite<'_>) -> Value {
    let mut tree: Value = serde_json::from_slice(body).unwrap();
    if let Some(model) = wanted.model {
        tree["model"] = json!(model);
    }
    if wanted.include_usage && tree["stream"] == json!(true) {
        if !tree["stream_options"].is_object() {
            tree["stream_options"] = json!({});
        }
        tree["stream_options"]["include_usage"] = json!(true);
    }
    if let Some(prompt) = wanted.system_prompt {
        let message = json!({"role": "system", "content": prompt});
        tree["messages"].as_array_mut().unwrap().insert(0, message);
    }
    tree
}

fn member(name: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(values))
        .prop_map(move |value| Some(format!("\"{name}\" : {}", value?)))
}

proptest! {
    #[test]
    fn a_rewrite_is_the_edit_of_the_tree(
        members in (
            member("model", &["\"a\"", "\"b\"", "null"]),
            member("stream", &["true", "false", "null"]),
            member("stream_options", &[
                "null", "{}", "{ }", "{\"include_usage\":false}", "{\"x\":[1],\"include_usage\":null}",
                "{\"include_obfuscation\":false}", "{\"include_usage\":true}",
            ]),
            member("unknown", &["{\"model\":1}", "1e-7", "\"\\u00e9\""]),
        ),
        shift in 0..5_usize,
        model in prop::option::of("[ab\"\n]"),
        include_usage in any::<bool>(),
        system_prompt in prop::option::of(any::<String>()),
    ) {
        let mut members: Vec<String> = [members.0, members.1, members.2, members.3].into_iter().flatten().collect();
        members.insert(shift.min(members.len()), r#""messages": [ {"role":"user","content":"Hi"} ]"#.into());
        let body = format!("{{ {} }}", members.join(" , ")).into_bytes();
        let wanted =
            Rewrite { model: model.as_deref(), include_usage, system_prompt: system_prompt.as_deref() };
        let out = rewrite(&body, &peek(&body).unwrap(), &wanted);
        prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), edited(&body, &wanted));
        let again = rewrite(&out, &peek(&out).unwrap(), &Rewrite { system_prompt: None, ..wanted }).into_owned();
        prop_assert_eq!(&again[..], &out[..], "a second time there is nothing to change");
    }
}
