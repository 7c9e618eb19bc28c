//! Finished calls as OpenTelemetry spans: read by the types that are generated from OTLP's published schema.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

use edgeway::dialect::imprint::Imprint;
use edgeway::identifier::new_id;
use edgeway::log::otlp::export;
use edgeway::log::trace_context::span_id;
use edgeway::log::{Attempt, End, Record, Telemetry, Used, encode};
use edgeway::money::NanoUsd;
use edgeway::time::Millis;
use edgeway::usage::UsageSource;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use std::collections::BTreeMap;

const AT: i64 = 1_700_000_000_000;
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn record() -> Record {
    let said = Imprint("c-1".into(), "gpt-5-0807".into(), vec!["stop".into(), "length".into()]);
    Record {
        id: new_id(Millis(AT), [3; 10]),
        created_at: Millis(AT),
        user_id: "user".into(),
        key_id: "key".into(),
        endpoint: "chat.completions".into(),
        model: "fast \"one\"".into(),
        status: 200,
        stream: true,
        input_tokens: 20,
        output_tokens: 50,
        cached_input_tokens: 8,
        usage_source: UsageSource::Upstream,
        cost: NanoUsd(120),
        priced: true,
        latency_ms: 900,
        attempts: vec![Attempt {
            provider: "mine".into(),
            model: "gpt-5".into(),
            status: Some(200),
            latency_ms: 300,
            ..Attempt::default()
        }],
        telemetry: Some(Telemetry(String::new(), vec![("openai".into(), 4, Some(said))])),
        ..Record::default()
    }
}

fn spans(records: &[Record]) -> Vec<Span> {
    let rows: Vec<_> = records.iter().map(|record| encode(record).record).collect();
    let body = export(&format!("[{}]", rows.join(",")), "shop \"gateway\"").unwrap();
    let request: ExportTraceServiceRequest = serde_json::from_str(&body).unwrap();
    let [resource] = &request.resource_spans[..] else { panic!("one resource") };
    let names = attributes(&resource.resource.as_ref().unwrap().attributes);
    assert_eq!(names["service.name"], "shop \"gateway\"");
    resource.scope_spans[0].spans.clone()
}

fn attributes(list: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> BTreeMap<String, String> {
    let pair = |pair: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        let value = match pair.value.clone().unwrap().value.unwrap() {
            Value::StringValue(text) => text,
            Value::IntValue(number) => number.to_string(),
            Value::BoolValue(flag) => flag.to_string(),
            Value::ArrayValue(list) => {
                format!("{:?}", list.values.into_iter().map(|each| each.value.unwrap()).collect::<Vec<_>>())
            }
            other => panic!("{other:?}"),
        };
        (pair.key.clone(), value)
    };
    let found: BTreeMap<_, _> = list.iter().map(pair).collect();
    assert_eq!(found.len(), list.len(), "each name once");
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_call_is_a_server_span_with_a_client_span_for_each_attempt() {
    let record = record();
    let [server, client] = &spans(std::slice::from_ref(&record))[..] else { panic!("two spans") };
    assert_eq!((server.kind(), client.kind()), (SpanKind::Server, SpanKind::Client));
    assert_eq!((server.name.as_str(), client.name.as_str()), ("chat fast \"one\"", "chat gpt-5"));
    assert_eq!(hex(&server.trace_id), record.id.replace('-', ""));
    assert_eq!((&client.trace_id, &client.parent_span_id), (&server.trace_id, &server.span_id));
    assert!(server.parent_span_id.is_empty());
    assert_eq!(hex(&client.span_id), span_id(&record.id, 1));
    let nanoseconds = |ms: i64| u64::try_from(AT + ms).unwrap() * 1_000_000;
    assert_eq!((server.start_time_unix_nano, server.end_time_unix_nano), (nanoseconds(0), nanoseconds(900)));
    assert_eq!((client.start_time_unix_nano, client.end_time_unix_nano), (nanoseconds(4), nanoseconds(900)));
    let said = attributes(&client.attributes);
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "gpt-5"),
        ("gen_ai.response.id", "c-1"),
        ("gen_ai.response.model", "gpt-5-0807"),
        ("gen_ai.response.finish_reasons", r#"[StringValue("stop"), StringValue("length")]"#),
        ("gen_ai.usage.input_tokens", "20"),
        ("gen_ai.usage.output_tokens", "50"),
        ("gen_ai.usage.cache_read.input_tokens", "8"),
        ("http.response.status_code", "200"),
        ("edgeway.cost_nano_usd", "120"),
    ] {
        assert_eq!(said.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!attributes(&server.attributes).contains_key("gen_ai.usage.input_tokens"), "counted once");
    assert_eq!(server.status.as_ref().unwrap().code, 0);
}

#[test]
fn a_failed_attempt_says_why_and_what_it_used() {
    let slow = Attempt {
        error: Some("the provider did not answer in time".into()),
        latency_ms: 100,
        used: Some(Used { input_tokens: 5, output_tokens: 9, cost_nano_usd: 7, ..Used::default() }),
        ..Attempt::default()
    };
    let refused = Attempt { status: Some(503), error: Some("answered 503".into()), ..Attempt::default() };
    let broken = Attempt { error: Some("could not be reached".into()), ..Attempt::default() };
    let record = Record {
        status: 502,
        error: Some("nobody answered".into()),
        end_reason: End::UpstreamError,
        usage_source: UsageSource::None,
        attempts: vec![slow, refused, broken],
        telemetry: None,
        ..record()
    };
    let all = spans(&[record]);
    let errors: Vec<_> = all.iter().map(|span| attributes(&span.attributes)["error.type"].clone()).collect();
    assert_eq!(errors, ["502", "timeout", "503", "_OTHER"]);
    assert!(all.iter().all(|span| span.status.as_ref().unwrap().code == 2));
    assert_eq!(all[0].status.as_ref().unwrap().message, "nobody answered");
    let slow = attributes(&all[1].attributes);
    assert_eq!(
        (slow["gen_ai.usage.output_tokens"].as_str(), slow["edgeway.cost_nano_usd"].as_str()),
        ("9", "7")
    );
    assert!(!attributes(&all[3].attributes).contains_key("gen_ai.usage.input_tokens"));
}

#[test]
fn a_stream_that_died_is_an_error_of_its_attempt() {
    let all = spans(&[Record { end_reason: End::UpstreamError, ..record() }]);
    let errors: Vec<_> = all.iter().map(|span| attributes(&span.attributes)["error.type"].clone()).collect();
    assert_eq!(errors, ["upstream_error", "upstream_error"]);
}

#[test]
fn a_callers_trace_is_joined_and_its_sampling_is_heeded() {
    let with = |header: String| Record { telemetry: Some(Telemetry(header, vec![])), ..record() };
    let joined = spans(&[with(format!("00-{TRACE}-{PARENT}-01"))]);
    assert_eq!((hex(&joined[0].trace_id), hex(&joined[0].parent_span_id)), (TRACE.into(), PARENT.into()));
    assert_eq!(hex(&joined[1].trace_id), TRACE);
    let malformed = spans(&[with(format!("00-{TRACE}-{PARENT}"))]);
    assert_ne!(hex(&malformed[0].trace_id), TRACE);
    let unsampled = encode(&with(format!("00-{TRACE}-{PARENT}-00"))).record;
    assert_eq!(export(&format!("[{unsampled}]"), "edgeway"), None);
}

#[test]
fn what_a_ledger_wrote_and_what_is_nonsense_is_no_span() {
    let lost = encode(&Record { endpoint: String::new(), ..record() }).record;
    assert_eq!(export(&format!("[{lost}]"), "edgeway"), None);
    assert_eq!(export("[]", "edgeway"), None);
    assert_eq!(export("nonsense", "edgeway"), None);
}
