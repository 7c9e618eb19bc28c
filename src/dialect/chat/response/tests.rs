//! Usage in disjoint buckets, errors of every shape.

use super::*;
use crate::money::NanoUsd;
use crate::usage::Usage;
use proptest::prelude::*;

fn of(usage: &str) -> Option<Reported> {
    reported(Raw { bytes: usage.as_bytes(), start: 0 })
}

#[test]
fn buckets_are_disjoint_whatever_the_provider_includes() {
    let usage = Usage::default();
    let cases = [
        (
            "OpenAI: totals include their parts",
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":60,"audio_tokens":10},
                "completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":5}}"#,
            Usage {
                input: 30,
                cached_input: 60,
                audio_input: 10,
                output: 15,
                reasoning: 30,
                audio_output: 5,
                ..usage
            },
        ),
        (
            "DeepSeek",
            r#"{"prompt_tokens":100,"completion_tokens":5,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#,
            Usage { input: 36, cached_input: 64, output: 5, ..usage },
        ),
        (
            "xAI: reasoning comes on top",
            r#"{"prompt_tokens":432,"completion_tokens":68,"total_tokens":636,"prompt_tokens_details":{"cached_tokens":153},
                "completion_tokens_details":{"reasoning_tokens":136}}"#,
            Usage { input: 279, cached_input: 153, output: 68, reasoning: 136, ..usage },
        ),
        (
            "OpenRouter with more reasoning than completion",
            r#"{"prompt_tokens":43,"completion_tokens":10,"total_tokens":53,"completion_tokens_details":{"reasoning_tokens":11}}"#,
            Usage { input: 43, reasoning: 10, ..usage },
        ),
        (
            "OpenRouter with a cache write",
            r#"{"prompt_tokens":43,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":30}}"#,
            Usage { input: 10, cached_input: 3, cache_write: 30, output: 1, ..usage },
        ),
        (
            "GigaChat: cached comes on top",
            r#"{"prompt_tokens":1,"completion_tokens":4,"total_tokens":5,"precached_prompt_tokens":37}"#,
            Usage { input: 1, cached_input: 37, output: 4, ..usage },
        ),
        ("an embedding", r#"{"prompt_tokens":8,"total_tokens":8}"#, Usage { input: 8, ..usage }),
        ("only a total", r#"{"total_tokens":8}"#, Usage { input: 8, ..usage }),
        (
            "nulls, negative and absurd parts count as nothing",
            r#"{"prompt_tokens":8.0,"completion_tokens":null,"prompt_tokens_details":{"cached_tokens":-3,"audio_tokens":99999999999},
                "completion_tokens_details":null}"#,
            Usage { input: 8, ..usage },
        ),
        (
            "parts larger than the whole",
            r#"{"prompt_tokens":8,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":9,"audio_tokens":9}}"#,
            Usage { cached_input: 8, ..usage },
        ),
    ];
    for (case, body, expected) in cases {
        assert_eq!(of(body).map(|reported| reported.usage), Some(expected), "{case}");
    }
}

#[test]
fn a_usage_without_a_plausible_count_is_none() {
    for usage in [
        "null",
        "{}",
        "[]",
        "7",
        r#"{"prompt_tokens":-1}"#,
        r#"{"prompt_tokens":1e30,"completion_tokens":"5"}"#,
    ] {
        assert_eq!(of(usage), None, "{usage}");
    }
}

#[test]
fn a_reported_cost_is_taken() {
    let cost = |fields: &str| of(&format!("{{\"prompt_tokens\":1,{fields}}}")).unwrap().cost;
    assert_eq!(cost(r#""cost":0.001285"#), Some(NanoUsd(1_285_000)));
    assert_eq!(cost(r#""cost":{"total_cost":0.00501}"#), Some(NanoUsd(5_010_000)));
    assert_eq!(cost(r#""cost_in_usd_ticks":2733250"#), Some(NanoUsd(273_325)));
    assert_eq!(cost(r#""cost":-1"#), None);
    assert_eq!(cost(r#""cost":null"#), None);
}

#[test]
fn an_answer_is_read_in_passing() {
    let answer = read(
        br#"{"choices":[{"message":{"role":"assistant","content":"four","reasoning":"eightabc","reasoning_content":"eightabc",
            "tool_calls":[{"id":"call_1","type":"function","function":{"name":"four","arguments":"{\"a\":12}"}}]}}],
            "error":null,"x_groq":{"usage":{"prompt_tokens":3,"completion_tokens":2}}}"#,
    )
    .unwrap();
    assert_eq!(answer.output.tokens(), 8);
    assert_eq!(answer.usage.unwrap().usage.total_output(), 2);
    assert_eq!(answer.error, None);
    assert!(read(b"upstream connect error").is_err());
}

#[test]
fn an_error_in_a_200_is_seen() {
    let error = |body: &str| read(body.as_bytes()).unwrap().error;
    let seen = error(r#"{"error":{"message":"No capacity","code":502},"choices":[]}"#).unwrap();
    assert_eq!((&*seen.message, seen.code.as_deref(), seen.status), ("No capacity", Some("502"), Some(502)));
    assert_eq!(error(r#"{"error":"overloaded"}"#).unwrap().message, "overloaded");
    assert_eq!(error(r#"{"object":"error","message":"no","type":"t"}"#).unwrap().message, "no");
    for fine in
        [r#"{"choices":[]}"#, r#"{"error":null}"#, r#"{"error":{}}"#, r#"{"object":"error","choices":[{}]}"#]
    {
        assert_eq!(error(fine), None, "{fine}");
    }
}

#[test]
fn every_shape_of_error_yields_its_message_and_code() {
    let cases: [(&str, &str, Option<&str>, Option<u16>); 13] = [
        (r#"{"error":{"message":"No","type":"t","code":"c"}}"#, "No", Some("c"), None),
        (r#"{"error":{"message":"No","type":"t","code":null}}"#, "No", Some("t"), None),
        (r#"{"error":{"code":429,"message":"No","status":"EXHAUSTED"}}"#, "No", Some("429"), Some(429)),
        (r#"[{"error":{"code":400,"message":"No"}}]"#, "No", Some("400"), Some(400)),
        (r#"{"code":"invalid-argument","error":"No"}"#, "No", Some("invalid-argument"), None),
        (r#"{"message":"No","code":"1500","raw_status_code":400}"#, "No", Some("1500"), Some(400)),
        (r#"{"detail":"No"}"#, "No", None, None),
        (r#"{"detail":[{"loc":["body"],"msg":"No"}]}"#, "No", None, None),
        (r#"{"message":{"detail":[{"msg":"No"}]}}"#, r#"[{"msg":"No"}]"#, None, None),
        ("upstream \n\t connect error", "upstream connect error", None, None),
        ("<html><head><title>502 Bad\nGateway</title>", "502 Bad Gateway", None, None),
        (r#"{"unknown":1}"#, r#"{"unknown":1}"#, None, None),
        ("", "", None, None),
    ];
    for (body, message, code, status) in cases {
        let error = read_error(body.as_bytes());
        assert_eq!((&*error.message, error.code.as_deref(), error.status), (message, code, status), "{body}");
    }
}

proptest! {
    #[test]
    fn a_message_is_one_line_of_at_most_300_characters(body in prop::collection::vec(any::<u8>(), 0..2000), text in ".{0,900}") {
        let quoted = format!("{{\"error\":{{\"message\":{}}}}}", json::quote(&text));
        for body in [&body[..], quoted.as_bytes()] {
            let message = read_error(body).message;
            prop_assert!(message.chars().count() <= 300);
            prop_assert!(!message.contains(char::is_control));
        }
    }

    #[test]
    fn no_bucket_exceeds_what_was_told(
        prompt in 0..2000_u64, completion in 0..2000_u64, cached in 0..3000_u64, write in 0..3000_u64,
        audio in 0..3000_u64, reasoning in 0..3000_u64, total in prop::option::of(0..6000_u64),
    ) {
        let body = serde_json::json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": write, "audio_tokens": audio},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": audio},
        });
        let usage = of(&body.to_string()).unwrap().usage;
        prop_assert_eq!(usage.total_input(), prompt);
        let extra = if total == Some(prompt + completion + reasoning) { reasoning } else { 0 };
        prop_assert_eq!(usage.total_output(), completion + extra);
    }
}
