//! What each target cannot carry of what a client may ask, as the client is told: `docs/losses.md`, which
//! `UPDATE_LOSSES=1 cargo test --test losses` writes anew.

#![allow(
    clippy::unwrap_used,
    clippy::unreachable,
    reason = "what stands around the tests may fail like the tests"
)]

use edgeway::call::translation::{InPath, Said, translate};
use edgeway::conversation::Dialect;
use edgeway::dialect::Endpoint;
use edgeway::dialect::translate::{Reply, Target};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

const DOCX: &str =
    "data:application/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,UEsDBA==";
const PICTURE: &str = "data:image/png;base64,iVBORw0KGgo=";

/// A request that asks for as much as its dialect can say.
fn everything(client: Dialect) -> Value {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"], "additionalProperties": false });
    match client {
        Dialect::Chat => json!({
            "model": "m", "max_completion_tokens": 100, "temperature": 0.5, "top_p": 0.9, "frequency_penalty": 0.1, "presence_penalty": 0.1,
            "seed": 7, "stop": ["END"], "n": 2, "logprobs": true, "top_logprobs": 2, "logit_bias": { "1": 1 }, "user": "ada",
            "metadata": { "a": "b" }, "service_tier": "flex", "prompt_cache_key": "k", "store": true, "verbosity": "low",
            "reasoning_effort": "low", "parallel_tool_calls": false,
            "response_format": { "type": "json_schema", "json_schema": { "name": "place", "schema": schema, "strict": true } },
            "tools": [{ "type": "function", "function": { "name": "look", "parameters": schema, "strict": true } }],
            "tool_choice": { "type": "allowed_tools", "allowed_tools": { "mode": "auto", "tools": [{ "type": "function", "function": { "name": "look" } }] } },
            "messages": [{ "role": "user", "name": "ada", "content": [
                { "type": "text", "text": "Look" },
                { "type": "image_url", "image_url": { "url": PICTURE, "detail": "low" } },
                { "type": "input_audio", "input_audio": { "data": "AAAA", "format": "wav" } },
                { "type": "video_url", "video_url": { "url": "data:video/mp4;base64,AAAA" } },
                { "type": "file", "file": { "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0=" } },
                { "type": "file", "file": { "filename": "a.docx", "file_data": DOCX } },
            ] }],
        }),
        Dialect::Responses => json!({
            "model": "m", "max_output_tokens": 100, "temperature": 0.5, "top_p": 0.9, "top_logprobs": 2, "safety_identifier": "ada",
            "metadata": { "a": "b" }, "service_tier": "flex", "prompt_cache_key": "k", "parallel_tool_calls": false, "truncation": "auto",
            "max_tool_calls": 3, "reasoning": { "effort": "low", "summary": "auto" },
            "text": { "verbosity": "low", "format": { "type": "json_schema", "name": "place", "schema": schema, "strict": true } },
            "tools": [{ "type": "function", "name": "look", "parameters": schema, "strict": true }, { "type": "web_search" }],
            "tool_choice": { "type": "allowed_tools", "mode": "auto", "tools": [{ "type": "function", "name": "look" }] },
            "input": [{ "role": "user", "content": [
                { "type": "input_text", "text": "Look" },
                { "type": "input_image", "image_url": PICTURE, "detail": "low" },
                { "type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0=" },
                { "type": "input_file", "filename": "a.docx", "file_data": DOCX },
            ] }],
        }),
        Dialect::Converse => unreachable!("no client speaks it"),
        Dialect::Messages => json!({
            "model": "m", "max_tokens": 2000, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["END"],
            "metadata": { "user_id": "ada" }, "service_tier": "auto", "thinking": { "type": "enabled", "budget_tokens": 1024 },
            "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }],
            "tools": [{ "name": "look", "input_schema": schema, "strict": true }, { "type": "web_search_20250305", "name": "web_search" }],
            "tool_choice": { "type": "auto", "disable_parallel_tool_use": true },
            "messages": [
                { "role": "user", "content": [
                    { "type": "text", "text": "Look" },
                    { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo=" } },
                    { "type": "document", "title": "a.pdf", "source": { "type": "base64", "media_type": "application/pdf", "data": "JVBERi0=" }, "citations": { "enabled": true } },
                    { "type": "search_result", "source": "https://a.test", "title": "A", "content": [{ "type": "text", "text": "Found." }] },
                ] },
                { "role": "assistant", "content": [{ "type": "tool_use", "id": "toolu_1", "name": "look", "input": {} }] },
                { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": [
                    { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo=" } },
                ] }] },
            ],
        }),
        Dialect::Gemini => json!({
            "systemInstruction": { "parts": [{ "text": "Be brief." }] },
            "safetySettings": [{ "category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE" }], "cachedContent": "cachedContents/1",
            "generationConfig": {
                "maxOutputTokens": 100, "temperature": 0.5, "topP": 0.9, "topK": 5, "candidateCount": 2, "seed": 7, "stopSequences": ["END"],
                "frequencyPenalty": 0.1, "presencePenalty": 0.1, "responseLogprobs": true, "logprobs": 2, "mediaResolution": "MEDIA_RESOLUTION_LOW",
                "responseMimeType": "application/json", "responseJsonSchema": schema, "thinkingConfig": { "thinkingBudget": 1024, "includeThoughts": true },
            },
            "tools": [{ "functionDeclarations": [{ "name": "look", "parametersJsonSchema": schema }] }, { "googleSearch": {} }],
            "toolConfig": { "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["look"] } },
            "contents": [{ "role": "user", "parts": [
                { "text": "Look" },
                { "inlineData": { "mimeType": "image/png", "data": "iVBORw0KGgo=" } },
                { "inlineData": { "mimeType": "audio/wav", "data": "AAAA" } },
                { "inlineData": { "mimeType": "video/mp4", "data": "AAAA" } },
                { "fileData": { "fileUri": "https://youtu.be/x" } },
            ] }],
        }),
    }
}

/// What is asked together: alone the second would say nothing, or the target would refuse it.
const TOGETHER: [(&str, &str); 6] = [
    ("tool_choice", "tools"),
    ("toolConfig", "tools"),
    ("parallel_tool_calls", "tools"),
    ("top_logprobs", "logprobs"),
    ("logprobs", "responseLogprobs"),
    ("responseJsonSchema", "responseMimeType"),
];

/// Requests that ask for one thing each: some settings shut out others, which is no loss of either alone.
fn requests(client: Dialect) -> Vec<Value> {
    let everything = everything(client);
    let essential = ["model", "messages", "input", "contents", "max_tokens"];
    let alone = |all: &Map<String, Value>, name: &str| -> Map<String, Value> {
        let with = TOGETHER.iter().filter(|(asked, _)| *asked == name).map(|(_, with)| *with);
        let names: Vec<&str> = with.chain([name]).collect();
        all.iter()
            .filter(|(name, _)| names.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let all = everything.as_object().unwrap();
    let base: Map<String, Value> =
        all.clone().into_iter().filter(|(name, _)| essential.contains(&name.as_str())).collect();
    let mut requests = Vec::new();
    for (name, value) in all {
        match value.as_object().filter(|_| name == "generationConfig") {
            Some(config) => requests.extend(config.keys().map(|name| {
                let mut request = base.clone();
                request.insert("generationConfig".into(), alone(config, name).into());
                Value::Object(request)
            })),
            None => {
                let mut request = base.clone();
                request.extend(alone(all, name));
                requests.push(Value::Object(request));
            }
        }
    }
    requests
}

/// Who is asked: the head of the column, the dialect, the model.
const TARGETS: [(&str, Dialect, &str); 6] = [
    ("chat", Dialect::Chat, "gpt-5.1"),
    ("responses", Dialect::Responses, "gpt-5.1"),
    ("messages", Dialect::Messages, "claude-sonnet-4-5"),
    ("gemini", Dialect::Gemini, "gemini-2.5-pro"),
    ("converse", Dialect::Converse, "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("converse (Nova)", Dialect::Converse, "amazon.nova-2-lite-v1:0"),
];

fn dropped(client: Dialect, upstream: Dialect, model: &str) -> BTreeSet<String> {
    let in_path = InPath { model: "m".into(), ..InPath::default() };
    let target = Target { model, max_output_tokens: Some(8192), is_openai: true, ..Target::default() };
    let lost = requests(client).into_iter().flat_map(|body| {
        let body = body.to_string();
        let said = Said { body: body.as_bytes(), in_path: &in_path, history: None };
        translate(Endpoint::of_dialect(client), upstream, said, None, &target, Reply::default())
            .unwrap()
            .dropped
    });
    lost.collect()
}

fn page() -> String {
    let mut page = String::from(
        "# What each target cannot carry\n\n\
         Generated by `UPDATE_LOSSES=1 cargo test --test losses`; do not edit. Of what a client can say, a ✗ is what a target of the dialect above has no\n\
         place for: `x-edgeway-dropped-params` names it, the log too, and `x-edgeway-strict` makes it a 400. What is not listed arrives everywhere. `n` and\n\
         `candidateCount` are refused in strict mode only: else there is a call for each answer. Asked of OpenAI, Claude Sonnet 4.5 (also by\n\
         Converse), Gemini 2.5 Pro and Nova 2, one thing at a time: some shut out others (thinking on Claude a temperature, tools on Gemini a schema). `tools` are those that only their provider runs.\n\
         A PDF arrives everywhere: a ✗ at files is an office document. Converse fetches no URL but S3's, and takes what its formats are (docx, xlsx, csv, html, md, txt; mp4, mov, webm, …; wav, mp3, flac, …).\n\
         Of answers: Messages has no pictures and Responses none without their bytes; of a stream the log alone says so.\n",
    );
    for client in Dialect::ALL {
        let targets: Vec<_> = TARGETS.into_iter().filter(|(_, upstream, _)| *upstream != client).collect();
        let mut rows: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (head, upstream, model) in &targets {
            for name in dropped(client, *upstream, model) {
                rows.entry(name).or_default().push(head);
            }
        }
        writeln!(page, "\n## Clients of {}\n", client.as_str()).unwrap();
        let head: Vec<_> = targets.iter().map(|(head, ..)| *head).collect();
        writeln!(page, "| field | {} |\n| --- |{}", head.join(" | "), " :-: |".repeat(head.len())).unwrap();
        for (name, lost_by) in rows {
            let cells = head.iter().map(|head| if lost_by.contains(head) { "✗" } else { "" });
            writeln!(page, "| `{name}` | {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
        }
    }
    page
}

#[test]
fn the_table_of_losses_is_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/losses.md");
    if std::env::var_os("UPDATE_LOSSES").is_some() {
        fs::write(path, page()).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap() == page(), "run UPDATE_LOSSES=1 cargo test --test losses");
}
