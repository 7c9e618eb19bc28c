//! Finished calls as OpenTelemetry spans, in the JSON of OTLP/HTTP: one server span a call, one client span an attempt.
//!
//! Names are those of the semantic conventions for generative AI
//! (<https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>), `edgeway.*` where they have none. Tokens and costs are
//! on the attempts only, so that a sum over spans counts nothing twice. The JSON is written as text: the types of crate
//! `opentelemetry-proto` check it in the tests, but in the Worker they and their serialisers would take more than all of this.

use super::trace_context::{TraceContext, span_id, trace_id};
use crate::json;
use crate::json::quote;
use serde_json::Value;
use std::fmt::Write as _;

/// Milliseconds as the nanoseconds of OTLP, where 64-bit numbers are strings.
const NANOSECONDS: &str = "000000";
const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// The body of an export of rows as [`super::encode`] gives them, in a JSON array; `None` where none of them is to be exported:
/// callers who do not sample their trace are heeded.
#[must_use]
pub fn export(rows: &str, service: &str) -> Option<String> {
    let rows: Vec<Vec<Value>> = json::read(rows.as_bytes()).ok()?;
    let mut spans = String::new();
    for row in &rows {
        let call = Call(row);
        // What a ledger writes for a lost call is no observation.
        if !call.text(ENDPOINT).is_empty() {
            call.spans(&mut spans);
        }
    }
    spans.pop()?; // the last comma
    let mut resource = String::new();
    text(&mut resource, "service.name", service);
    text(&mut resource, "service.version", env!("CARGO_PKG_VERSION"));
    resource.pop();
    Some(format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{resource}]}},"scopeSpans":[{{"scope":{{"name":"edgeway","version":"{}"}},"spans":[{spans}]}}]}}]}}"#,
        env!("CARGO_PKG_VERSION")
    ))
}

// The places of a row.
const ID: usize = 0;
const CREATED_AT: usize = 1;
const USER: usize = 2;
const KEY: usize = 3;
const ENDPOINT: usize = 4;
const MODEL: usize = 6;
const STATUS: usize = 9;
const ERROR: usize = 10;
const STREAM: usize = 11;
const INPUT_TOKENS: usize = 12;
const OUTPUT_TOKENS: usize = 13;
const CACHED_INPUT_TOKENS: usize = 14;
const CACHE_WRITE_TOKENS: usize = 15;
const USAGE_SOURCE: usize = 17;
const COST: usize = 18;
const LATENCY: usize = 20;
const END: usize = 23;
const ATTEMPTS: usize = 25;
const TELEMETRY: usize = 27;

/// One record by place.
struct Call<'a>(&'a [Value]);

/// A span without its attributes.
struct Span<'a> {
    trace: &'a str,
    id: String,
    parent: &'a str,
    name: String,
    kind: u8,
    start: i64,
    end: i64,
}

impl Call<'_> {
    fn at(&self, place: usize) -> &Value {
        self.0.get(place).unwrap_or(&Value::Null)
    }

    fn text(&self, place: usize) -> &str {
        self.at(place).as_str().unwrap_or_default()
    }

    fn number(&self, place: usize) -> i64 {
        self.at(place).as_i64().unwrap_or_default()
    }

    /// As the conventions name what was asked for.
    fn operation(&self) -> &str {
        match self.text(ENDPOINT) {
            "chat.completions" | "responses" | "messages" => "chat",
            "completions" => "text_completion",
            other => other,
        }
    }

    fn spans(&self, out: &mut String) {
        let telemetry = self.at(TELEMETRY);
        let caller = telemetry.get(0).and_then(Value::as_str).and_then(TraceContext::read);
        if caller.is_some_and(|caller| !caller.is_sampled) {
            return;
        }
        let id = self.text(ID);
        let trace = caller.map_or_else(|| trace_id(id), |caller| caller.trace_id.to_owned());
        let (start, end) = (self.number(CREATED_AT), self.number(CREATED_AT) + self.number(LATENCY));
        let (operation, model) = (self.operation(), self.text(MODEL));
        let own = span_id(id, 0);
        let parent = caller.map_or("", |caller| caller.span_id);
        let name = format!("{operation} {model}");
        let (status, how) = (self.number(STATUS), self.text(END));
        let is_broken = matches!(how, "upstream_error" | "timeout");
        Span { trace: &trace, id: own.clone(), parent, name, kind: SERVER, start, end }.open(out);
        text(out, "gen_ai.operation.name", operation);
        text(out, "gen_ai.request.model", model);
        number(out, "http.response.status_code", status);
        flag(out, "edgeway.stream", self.at(STREAM) == &Value::Bool(true));
        for (name, place) in [
            ("edgeway.request.id", ID),
            ("edgeway.user.id", USER),
            ("edgeway.key.id", KEY),
            ("edgeway.end", END),
        ] {
            text(out, name, self.text(place));
        }
        let error = match status {
            500.. => status.to_string(),
            _ if is_broken => how.to_owned(),
            _ => String::new(),
        };
        close(out, &error, self.text(ERROR));

        let attempts = self.at(ATTEMPTS).as_array().map(Vec::as_slice).unwrap_or_default();
        for (index, attempt) in attempts.iter().enumerate() {
            let is_last = index + 1 == attempts.len();
            let said = |name: &str| attempt.get(name).unwrap_or(&Value::Null);
            let seen = telemetry.get(1).and_then(|seen| seen.get(index));
            let seen = |place: usize| seen.and_then(|seen| seen.get(place)).unwrap_or(&Value::Null);
            let began = start + seen(1).as_i64().unwrap_or_default();
            let error = said("error").as_str().unwrap_or_default();
            // What went on with a stream belongs to the attempt that it came from.
            let goes_on = is_last && error.is_empty();
            let ended = if goes_on { end } else { began + said("latency_ms").as_i64().unwrap_or_default() };
            let model = said("model").as_str().unwrap_or_default();
            let name = format!("{operation} {model}");
            let id = span_id(id, index + 1);
            Span { trace: &trace, id, parent: &own, name, kind: CLIENT, start: began, end: ended }.open(out);
            text(out, "gen_ai.operation.name", operation);
            let provider = said("provider").as_str().unwrap_or_default();
            text(out, "gen_ai.provider.name", seen(0).as_str().map_or(provider, well_known));
            text(out, "gen_ai.request.model", model);
            let answered = |place: usize| seen(2).get(place).and_then(Value::as_str).unwrap_or_default();
            text(out, "gen_ai.response.id", answered(0));
            text(out, "gen_ai.response.model", answered(1));
            texts(out, "gen_ai.response.finish_reasons", seen(2).get(2));
            text(out, "edgeway.provider", provider);
            let status = said("status").as_i64();
            if let Some(status) = status {
                number(out, "http.response.status_code", status);
            }
            match said("used") {
                Value::Null if is_last => self.used(out),
                used => {
                    let count = |name: &str| used.get(name).and_then(Value::as_i64).unwrap_or_default();
                    tokens(out, count("input_tokens"), count("output_tokens"));
                    cost(out, count("cost_nano_usd"));
                }
            }
            let kind = match (error, status) {
                ("", _) if is_last && is_broken => how.to_owned(),
                ("", _) => String::new(),
                (_, Some(status)) => status.to_string(),
                (error, None) if error.contains("in time") || error.contains("call's time") => {
                    "timeout".into()
                }
                _ => "_OTHER".into(),
            };
            close(out, &kind, error);
        }
    }

    /// What a call used whose last attempt alone used anything.
    fn used(&self, out: &mut String) {
        if self.text(USAGE_SOURCE) == "none" {
            return;
        }
        tokens(out, self.number(INPUT_TOKENS), self.number(OUTPUT_TOKENS));
        for (name, place) in [
            ("gen_ai.usage.cache_read.input_tokens", CACHED_INPUT_TOKENS),
            ("gen_ai.usage.cache_creation.input_tokens", CACHE_WRITE_TOKENS),
        ] {
            if self.number(place) > 0 {
                number(out, name, self.number(place));
            }
        }
        cost(out, self.number(COST));
    }
}

impl Span<'_> {
    /// Up to its attributes.
    fn open(&self, out: &mut String) {
        let Span { trace, id, parent, name, kind, start, end } = self;
        let name = quote(name.trim_end());
        // Writing to a text cannot fail.
        let _ = write!(
            out,
            r#"{{"traceId":"{trace}","spanId":"{id}","parentSpanId":"{parent}","name":{name},"kind":{kind},"startTimeUnixNano":"{start}{NANOSECONDS}","endTimeUnixNano":"{end}{NANOSECONDS}","attributes":["#
        );
    }
}

/// Ends a span; `error` is its class, empty for none, and `message` says more.
fn close(out: &mut String, error: &str, message: &str) {
    text(out, "error.type", error);
    out.pop();
    out.push_str(r#"],"status":{"#);
    if !error.is_empty() {
        let _ = write!(out, r#""code":2,"message":{}"#, quote(message));
    }
    out.push_str("}},");
}

/// An attribute; one that says nothing is left out.
fn text(out: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        attribute(out, name, "stringValue", &quote(value));
    }
}

/// An attribute that is a list; an empty one is left out.
fn texts(out: &mut String, name: &str, values: Option<&Value>) {
    let values = values.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut list = String::new();
    for value in values {
        let comma = if list.is_empty() { "" } else { "," };
        let _ = write!(list, r#"{comma}{{"stringValue":{value}}}"#);
    }
    if !list.is_empty() {
        attribute(out, name, "arrayValue", &format!(r#"{{"values":[{list}]}}"#));
    }
}

fn number(out: &mut String, name: &str, value: i64) {
    attribute(out, name, "intValue", &format!("\"{value}\""));
}

fn flag(out: &mut String, name: &str, value: bool) {
    attribute(out, name, "boolValue", if value { "true" } else { "false" });
}

fn tokens(out: &mut String, input: i64, output: i64) {
    number(out, "gen_ai.usage.input_tokens", input);
    number(out, "gen_ai.usage.output_tokens", output);
}

/// Exact: a sum of doubles would not be.
fn cost(out: &mut String, nano_usd: i64) {
    number(out, "edgeway.cost_nano_usd", nano_usd);
}

fn attribute(out: &mut String, name: &str, kind: &str, value: &str) {
    let _ = write!(out, r#"{{"key":"{name}","value":{{"{kind}":{value}}}}},"#);
}

/// The conventions' own names of those providers that have one which differs.
fn well_known(kind: &str) -> &str {
    match kind {
        "azure" => "azure.ai.openai",
        "bedrock" => "aws.bedrock",
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "vertex" => "gcp.vertex_ai",
        "xai" => "x_ai",
        other => other,
    }
}
