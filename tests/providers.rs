//! Every row of the provider table as it is on the wire, and as its provider was recorded: where a call goes, with what, and
//! what of the body differs is in `tests/snapshots/wire.snap`, made by the code and read by eye; docs/adding-a-provider.md says which rows were compared with what
//! (`INSTA_UPDATE=always` writes it anew, to be read again); what comes back is understood in the dialect that the row names.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "support/fixtures.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod fixtures;

use edgeway::call::accept::Accepted;
use edgeway::call::translation::{Exchange, InPath, Said, translate};
use edgeway::config::variables::Variables;
use edgeway::config::{Key, Provider};
use edgeway::dialect::error::read_error;
use edgeway::dialect::relay::{End, Pushed, Relay};
use edgeway::dialect::translate::{Reply, Target};
use edgeway::dialect::{Dialect, Endpoint};
use edgeway::provider::table::{KINDS, Kind, kind, variable_prefixes};
use edgeway::provider::{listing, outbound, vertex};
use edgeway::secret::Secret;
use edgeway::sse::Decoder;
use edgeway::time::Millis;
use fixtures::{Interaction, interactions};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What an account has to say where its kind has no address for all.
fn account(kind: &Kind) -> Provider {
    let base_url = match kind.name {
        "azure" => Some("https://resource.openai.azure.com"),
        "vertex" => Some(
            "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/endpoints/openapi",
        ),
        "openai-compatible" => Some("https://llm.example.com"),
        "workers-ai" => Some("https://api.cloudflare.com/client/v4/accounts/0af3/ai/v1"),
        _ => None,
    };
    Provider { name: kind.name.into(), base_url: base_url.map(str::to_owned), ..Provider::default() }
}

/// A streamed call of this dialect's client, on its way to an account that is told to speak `upstream`.
fn sent(kind: &Kind, upstream: Dialect, model: &str) -> String {
    let body = json!({ "model": model, "stream": true, "messages": [{ "role": "user", "content": "Hi" }] });
    let body = body.to_string();
    let key = Key::default();
    let accepted =
        Accepted::read(Endpoint::ChatCompletions, body.as_bytes(), InPath::default(), &key).unwrap();
    let endpoint = accepted.endpoint_at(upstream, kind.quirks.completes);
    let model = kind.upstream_model(model);
    let target = Target {
        model,
        is_openai: kind.quirks.answers_in_kind,
        stream_options: kind.quirks.stream_options,
        ..Target::default()
    };
    let prepared = accepted.prepare(body.as_bytes(), endpoint, &target, &key, Reply::default).unwrap();
    let secret = Secret::new("KEY");
    let mut remote = outbound::outbound(&account(kind), kind, Some(&secret), endpoint, None, true).unwrap();
    remote.url +=
        &outbound::rest_of_path(&account(kind), kind, endpoint, model, true).unwrap().unwrap_or_default();
    let body = match kind.publisher(upstream) {
        Some(_) if upstream == Dialect::Messages => vertex::messages_body(&prepared.body),
        _ => prepared.body.into_owned(),
    };
    let mut text = format!("  {} {}\n", upstream.as_str(), remote.url);
    remote.headers.sort_unstable();
    for (name, value) in remote.headers {
        let value = value.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        // What all have says nothing of one.
        if !["application/json", "edgeway/VERSION"].contains(&value.as_str()) {
            writeln!(text, "    {name}: {value}").unwrap();
        }
    }
    let body: BTreeMap<String, Value> = serde_json::from_slice(&body).unwrap();
    let own = body.into_iter().filter(|(name, _)| !["messages", "contents"].contains(&name.as_str()));
    for (name, value) in own {
        writeln!(text, "    .{name} = {value}").unwrap();
    }
    text
}

#[test]
fn every_row_is_on_the_wire_as_its_provider_documents() {
    let mut text = String::new();
    for kind in KINDS.iter().filter(|kind| !kind.quirks.built_in) {
        writeln!(text, "{}", kind.name).unwrap();
        for dialect in kind.dialects {
            text += &sent(kind, *dialect, "m");
        }
        let key = Secret::new("KEY");
        let lists = listing::targets(&account(kind), kind, Some(&key), true, Millis(0)).unwrap();
        let urls: Vec<String> = lists.into_iter().map(|list| format!("  models {}\n", list.url)).collect();
        text += if urls.is_empty() { "  models -\n".into() } else { urls.concat() }.as_str();
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("wire", text);
    });
}

/// The folder of recordings of each kind; the others are named as their kind is.
fn kind_of(recorded: &Interaction) -> &'static Kind {
    let folder = recorded.name.split('/').next().unwrap();
    let name = match folder {
        "openai-chat" | "openai-responses" => "openai",
        "vercel-gateway" => "vercel",
        other => other,
    };
    kind(name).unwrap_or_else(|| panic!("{}: no such kind", recorded.name))
}

/// Recorded traffic in a dialect that its provider's row names. What was recorded of a provider's other APIs (Ollama's
/// own, Cohere's v2) is nothing that the gateway speaks; Converse's streams are tests/converse.rs's.
fn recordings() -> Vec<(&'static Kind, Dialect, Interaction)> {
    let of = |recorded: Interaction| {
        let kind = kind_of(&recorded);
        let dialect = kind.dialects.iter().find(|dialect| dialect.as_str() == recorded.api)?;
        Some((kind, *dialect, recorded))
    };
    interactions().into_iter().filter_map(of).collect()
}

/// From a client to an upstream; where both speak the same, as it is for a client that brings what another provider made.
fn exchange(client: Dialect, upstream: Dialect, is_stream: bool) -> Exchange {
    let message = json!({ "role": "user", "content": "Hi" });
    let body = match client {
        Dialect::Chat => json!({ "model": "m", "stream": is_stream, "messages": [message],
            "stream_options": { "include_usage": true } }),
        Dialect::Responses => json!({ "model": "m", "stream": is_stream, "input": "Hi" }),
        Dialect::Messages | Dialect::Converse => {
            json!({ "model": "m", "stream": is_stream, "max_tokens": 9, "messages": [message] })
        }
        Dialect::Gemini => json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }] }),
    };
    let body = body.to_string();
    let in_path = InPath { model: "m".into(), stream: is_stream, is_array: false };
    let said = Said { body: body.as_bytes(), in_path: &in_path, history: None };
    let reply = Reply { id: "0199-call".into(), model: "m".into(), ..Reply::default() };
    let target = Target { model: "m", ..Target::default() };
    translate(Endpoint::of_dialect(client), upstream, said, None, &target, reply).unwrap().exchange
}

/// What a client of the chat dialect gets: text, names and arguments of calls, and tokens in and out.
#[derive(Debug, Default, PartialEq)]
struct Got {
    text: String,
    calls: Vec<(String, Value)>,
    tokens: Option<(u64, u64)>,
}

fn tokens(usage: &Value) -> Option<(u64, u64)> {
    Some((usage["prompt_tokens"].as_u64()?, usage["completion_tokens"].as_u64()?))
}

fn arguments(text: &str) -> Value {
    serde_json::from_str(if text.is_empty() { "{}" } else { text }).unwrap()
}

fn whole(body: &Value) -> Got {
    let message = &body["choices"][0]["message"];
    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
        let function = &call["function"];
        (function["name"].as_str().unwrap().to_owned(), arguments(function["arguments"].as_str().unwrap()))
    });
    // Mistral's reasoning models answer in parts.
    let parts = message["content"].as_array().into_iter().flatten().map(|part| &part["text"]);
    let texts = parts.chain([&message["content"]]).filter_map(Value::as_str);
    Got { text: texts.collect(), calls: calls.collect(), tokens: tokens(&body["usage"]) }
}

fn streamed(exchange: &Exchange, stream: &str) -> (Got, End) {
    let mut relay = Relay::new(exchange.watch());
    let mut out = match relay.push(stream.as_bytes()).unwrap() {
        Pushed::AsIs => stream.as_bytes().to_vec(),
        Pushed::Bytes(bytes) => bytes,
        Pushed::Nothing => Vec::new(),
    };
    let (end, tail) = relay.finish();
    out.extend(tail);
    let mut decoder = Decoder::default();
    decoder.push(&out).unwrap();
    let mut got = Got::default();
    let mut calls: BTreeMap<u64, (String, String)> = BTreeMap::new();
    while let Some(event) = decoder.next_event() {
        let Ok(event) = serde_json::from_slice::<Value>(&event.data) else { continue };
        let delta = &event["choices"][0]["delta"];
        got.text += delta["content"].as_str().unwrap_or_default();
        got.tokens = tokens(&event["usage"]).or(got.tokens);
        for part in delta["tool_calls"].as_array().into_iter().flatten() {
            let call = calls.entry(part["index"].as_u64().unwrap()).or_default();
            call.0 += part["function"]["name"].as_str().unwrap_or_default();
            call.1 += part["function"]["arguments"].as_str().unwrap_or_default();
        }
    }
    got.calls = calls.into_values().map(|(name, text)| (name, arguments(&text))).collect();
    (got, end)
}

fn expected_calls(expected: &Value) -> Vec<(String, Value)> {
    let calls = expected["tool_calls"].as_array().into_iter().flatten();
    let call =
        |call: &Value| (call["name"].as_str().unwrap().to_owned(), arguments(call["args"].as_str().unwrap()));
    calls.map(call).collect()
}

#[test]
fn what_a_provider_answered_reaches_a_client_whole() {
    let mut problems = Vec::new();
    for (kind, dialect, recorded) in recordings() {
        let context = format!("{} as {}", recorded.name, kind.name);
        if recorded.status >= 400 {
            let error = read_error(recorded.body.as_bytes());
            assert!(error.message.len() > 9, "{context}: {error:?}");
            continue;
        }
        let exchange = exchange(Dialect::Chat, dialect, recorded.is_stream);
        let got = if recorded.is_stream {
            let (got, end) = streamed(&exchange, &recorded.body);
            let fails = !recorded.expected["error"].is_null();
            assert_eq!(end, if fails { End::Failed } else { End::Complete }, "{context}");
            if fails {
                continue;
            }
            got
        } else {
            let answered = exchange.answer(recorded.body.as_bytes()).unwrap().unwrap();
            whole(&serde_json::from_slice(&answered.body).unwrap())
        };
        let expected = &recorded.expected;
        if got.text.trim() != expected["text"].as_str().unwrap_or_default().trim() {
            problems.push(format!("{context}: {:?} for {}", got.text, expected["text"]));
        }
        if got.calls != expected_calls(expected) {
            problems.push(format!("{context}: {:?} for {}", got.calls, expected["tool_calls"]));
        }
        if got.tokens.is_none_or(|(input, _)| input == 0) {
            problems.push(format!("{context}: tokens {:?} for {}", got.tokens, expected["usage"]));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn vertex_ai_was_called_at_the_addresses_that_are_called_now() {
    let vertex = kind("vertex").unwrap();
    let (claude, gemini) = ("anthropic/claude-3-7-sonnet@20250219", "google/gemini-2.5-flash");
    for (model, dialect, stream, rest) in [
        (claude, Dialect::Messages, false, "anthropic/models/claude-3-7-sonnet@20250219:rawPredict"),
        (claude, Dialect::Messages, true, "anthropic/models/claude-3-7-sonnet@20250219:streamRawPredict"),
        (gemini, Dialect::Gemini, false, "google/models/gemini-2.5-flash:generateContent"),
        (gemini, Dialect::Gemini, true, "google/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
    ] {
        let endpoint = Endpoint::of_dialect(dialect);
        let key = Secret::new("token");
        let target = outbound::outbound(&account(vertex), vertex, Some(&key), endpoint, None, false).unwrap();
        let path =
            outbound::rest_of_path(&account(vertex), vertex, endpoint, model, stream).unwrap().unwrap();
        assert_eq!(
            target.url + &path,
            format!(
                "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/publishers/{rest}"
            )
        );
        assert!(
            outbound::rest_of_path(&account(vertex), vertex, endpoint, "anthropic/../x", stream).is_err()
        );
    }
}

#[test]
fn the_providers_that_were_recorded_are_covered() {
    let recordings = recordings();
    if recordings.is_empty() {
        return;
    }
    let covered: BTreeSet<&str> = recordings.iter().map(|(kind, ..)| kind.name).collect();
    for name in [
        "openai",
        "anthropic",
        "gemini",
        "azure",
        "mistral",
        "groq",
        "cerebras",
        "deepseek",
        "xai",
        "perplexity",
        "openrouter",
        "vercel",
        "moonshot",
        "vertex",
        "gigachat",
        "together",
        "ollama",
    ] {
        assert!(covered.contains(name), "{name} is recorded and nothing of it is read: {covered:?}");
    }
}

/// What users of such gateways have their keys in, gateway by gateway, and what providers' own tools read.
const VARIABLES: &[(&str, &str)] = &[
    ("GATEWAY_API_KEY", "vercel"),
    ("CHATGPT_API_KEY", "openai"),
    ("GROQ_API_KEY", "groq"),
    ("CEREBRAS_API_KEY", "cerebras"),
    ("GEMINI_API_KEY", "gemini"),
    ("DOUBAO_API_KEY", "doubao"),
    ("MODELSCOPE_API_KEY", "modelscope"),
    ("GITHUB_API_KEY", "github"),
    ("OPENROUTER_API_KEY", "openrouter"),
    ("NVIDIA_API_KEY", "nvidia"),
    ("MISTRAL_API_KEY", "mistral"),
    ("COHERE_API_KEY", "cohere"),
    ("MORPH_API_KEY", "morph"),
    ("INFINI_API_KEY", "infini"),
    ("POIXE_API_KEY", "poixe"),
    ("COPILOT_API_KEY", "copilot"),
    ("POE_API_KEY", "poe"),
    ("HUGGINGFACE_API_KEY", "huggingface"),
    ("OPENAI_API_KEY", "openai"),
    ("ANTHROPIC_API_KEY", "anthropic"),
    ("KIMI_API_KEY", "kimi"),
    ("VERCEL_AI_GATEWAY_API_KEY", "vercel"),
    ("DEEPSEEK_API_KEY", "deepseek"),
    ("XAI_API_KEY", "xai"),
    ("AZURE_OPENAI_API_KEY", "azure"),
    ("AWS_BEDROCK_API_KEY", "bedrock"),
    ("VERTEX_AI_API_KEY", "vertex"),
    ("GOOGLE_AI_STUDIO_API_KEY", "gemini"),
    ("GIGACHAT_AUTH_KEY", "gigachat"),
    ("GOOGLE_API_KEY", "gemini"),
    ("AI_GATEWAY_API_KEY", "vercel"),
    ("GITHUB_TOKEN", "github"),
    ("HF_TOKEN", "huggingface"),
    ("AWS_BEARER_TOKEN_BEDROCK", "bedrock"),
    ("MODELSCOPE_SDK_TOKEN", "modelscope"),
    ("GIGACHAT_CREDENTIALS", "gigachat"),
    ("DASHSCOPE_API_KEY", "qwen"),
    ("ARK_API_KEY", "doubao"),
];

#[test]
fn every_variable_that_people_have_today_is_read() {
    for (name, kind) in VARIABLES {
        let lookup = |asked: &str| match asked {
            "MASTER_KEY" => Some("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
            asked if asked == *name => Some("one,two".to_owned()),
            _ => None,
        };
        let variables = Variables::read(lookup, &variable_prefixes()).unwrap();
        let found: Vec<_> =
            variables.providers.iter().map(|(kind, it)| (kind.as_str(), it.keys.len())).collect();
        assert_eq!(found, [(*kind, 2)], "{name}");
    }
}
