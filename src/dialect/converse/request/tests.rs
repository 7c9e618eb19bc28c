//! What each block, tool and setting becomes, and what is told where it becomes nothing.

use super::*;
use crate::conversation::Dialect;
use crate::dialect::chat;
use serde_json::json;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";

fn of(client: Dialect, model: &str, body: &Value) -> (Value, Vec<String>) {
    let body = body.to_string();
    let request = match client {
        Dialect::Chat => chat::request::decode(body.as_bytes()).unwrap(),
        _ => messages::request::decode(body.as_bytes()).unwrap(),
    };
    let mut losses = Losses::default();
    let body = encode(request, &Target { model, ..Target::default() }, &mut losses);
    (serde_json::from_slice(&body).unwrap(), losses.names(messages::request::name_of))
}

#[test]
fn a_claude_gets_all_that_messages_say() {
    let (body, lost) = of(
        Dialect::Messages,
        CLAUDE,
        &json!({
            "model": "x", "max_tokens": 3000, "top_k": 4, "top_p": 0.9, "temperature": 1, "stop_sequences": ["X"], "stream": true,
            "thinking": { "type": "enabled", "budget_tokens": 2000 }, "output_config": { "effort": "low" },
            "system": [{ "type": "text", "text": "Be kind.", "cache_control": { "type": "ephemeral", "ttl": "1h" } }],
            "tools": [
                { "name": "f", "description": "F", "input_schema": { "type": "object" }, "cache_control": { "type": "ephemeral" } },
                { "type": "web_search_20250305", "name": "web_search" },
            ],
            "tool_choice": { "type": "tool", "name": "f" },
            "messages": [
                { "role": "user", "content": [
                    { "type": "text", "text": "Hi" },
                    { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AA==" } },
                    { "type": "document", "title": "a/b  (1)", "source": { "type": "base64", "media_type": "application/pdf", "data": "BB==" } },
                    { "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": "x" } },
                ] },
                { "role": "user", "content": "and" },
                { "role": "assistant", "content": [
                    { "type": "thinking", "thinking": "Hm.", "signature": "EpUJ" },
                    { "type": "redacted_thinking", "data": "ErUB" },
                    { "type": "tool_use", "id": "t1", "name": "f", "input": { "a": 1 } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": "no" },
                    { "type": "tool_result", "tool_use_id": "t2" },
                ] },
            ],
        }),
    );
    let expected = json!({
        "messages": [
            { "role": "user", "content": [
                { "text": "Hi" },
                { "image": { "format": "png", "source": { "bytes": "AA==" } } },
                { "document": { "format": "pdf", "name": "a b (1) 1", "source": { "bytes": "BB==" } } },
                { "document": { "format": "txt", "name": "document 2", "source": { "bytes": "eA==" } } },
                { "text": "and" },
            ] },
            { "role": "assistant", "content": [
                { "reasoningContent": { "reasoningText": { "text": "Hm.", "signature": "EpUJ" } } },
                { "reasoningContent": { "redactedContent": "ErUB" } },
                { "toolUse": { "toolUseId": "t1", "name": "f", "input": { "a": 1 } } },
            ] },
            { "role": "user", "content": [
                { "toolResult": { "toolUseId": "t1", "content": [{ "text": "no" }], "status": "error" } },
                { "toolResult": { "toolUseId": "t2", "content": [{ "json": {} }] } },
            ] },
        ],
        "system": [{ "text": "Be kind." }, { "cachePoint": { "type": "default", "ttl": "1h" } }],
        "inferenceConfig": { "maxTokens": 3000, "temperature": 1, "topP": 0.9, "stopSequences": ["X"] },
        "toolConfig": {
            "tools": [
                { "toolSpec": { "name": "f", "description": "F", "inputSchema": { "json": { "type": "object" } } } },
                { "cachePoint": { "type": "default" } },
            ],
            "toolChoice": { "tool": { "name": "f" } },
        },
        "additionalModelRequestFields": { "thinking": { "type": "enabled", "budget_tokens": 2000 }, "top_k": 4 },
        "outputConfig": { "effort": "low" },
    });
    assert_eq!(body, expected);
    assert_eq!(lost, ["tools"]);
}

#[test]
fn what_a_model_of_another_maker_does_not_take_is_told() {
    let (body, lost) = of(
        Dialect::Messages,
        "us.amazon.nova-pro-v1:0",
        &json!({
            "model": "x", "max_tokens": 9, "top_k": 4, "thinking": { "type": "adaptive" }, "metadata": { "user_id": "u" }, "mood": 1,
            "system": [{ "type": "text", "text": "Be kind.", "cache_control": { "type": "ephemeral", "ttl": "1h" } }],
            "tools": [{ "name": "f", "input_schema": { "type": "object" }, "cache_control": { "type": "ephemeral" } }],
            "messages": [{ "role": "user", "content": [
                { "type": "image", "source": { "type": "url", "url": "https://a.test/a.png" } }, { "type": "text", "text": "Hi" },
            ] }],
        }),
    );
    let expected = json!({
        "messages": [{ "role": "user", "content": [{ "text": "Hi" }] }],
        "system": [{ "text": "Be kind." }, { "cachePoint": { "type": "default" } }],
        "inferenceConfig": { "maxTokens": 9 },
        "toolConfig": { "tools": [{ "toolSpec": { "name": "f", "inputSchema": { "json": { "type": "object" } } } }] },
        "additionalModelRequestFields": { "inferenceConfig": { "topK": 4 } },
    });
    assert_eq!(body, expected);
    let named = ["thinking", "metadata.user_id", "cache_control", "messages.content.image", "mood"];
    assert_eq!(lost, named);
}

#[test]
fn a_conversation_with_calls_keeps_its_tools() {
    let call = json!({ "role": "assistant", "tool_calls": [
        { "id": "c.1", "type": "function", "function": { "name": "f", "arguments": "{}" } },
    ] });
    let result = json!({ "role": "tool", "tool_call_id": "c.1", "content": "42" });
    let asked = json!({ "role": "user", "content": "Hi" });
    let tool = json!({ "type": "function", "function": { "name": "g", "parameters": { "type": "object", "properties": {} } } });
    let config = |name: &str, schema: Value| json!({ "tools": [{ "toolSpec": { "name": name, "inputSchema": { "json": schema } } }] });
    let (known, unknown) = (json!({ "type": "object", "properties": {} }), json!({ "type": "object" }));
    let (offered, made_up) = (config("g", known), config("f", unknown));
    for (body, expected, lost) in [
        (json!({ "messages": [asked, call, result] }), made_up, vec![]),
        (
            json!({ "messages": [asked, call, result], "tools": [tool], "tool_choice": "none" }),
            offered.clone(),
            vec!["tool_choice"],
        ),
        (json!({ "messages": [asked], "tools": [tool], "tool_choice": "none" }), Value::Null, vec![]),
        (json!({ "messages": [asked], "tools": [tool], "tool_choice": "auto" }), offered, vec![]),
    ] {
        let (body, names) = of(Dialect::Chat, CLAUDE, &body);
        assert_eq!((&body["toolConfig"], names), (&expected, lost.into_iter().map(str::to_owned).collect()));
        assert_eq!(body.get("inferenceConfig"), None, "nobody asked for a maximum");
    }
}

#[test]
fn a_schema_and_a_tier_have_their_places() {
    let schema = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    let body = json!({
        "messages": [{ "role": "user", "content": "Hi" }], "service_tier": "flex",
        "response_format": { "type": "json_schema", "json_schema": { "name": "n", "schema": schema } },
    });
    let (written, lost) = of(Dialect::Chat, CLAUDE, &body);
    let structure = json!({ "jsonSchema": { "schema": schema.to_string() } });
    assert_eq!(
        written["outputConfig"]["textFormat"],
        json!({ "type": "json_schema", "structure": structure })
    );
    assert_eq!((&written["serviceTier"], lost), (&json!({ "type": "flex" }), vec![]));
    assert_eq!(of(Dialect::Chat, NOVA, &body).1, ["output_config.format"]);
}

const GPT_OSS: &str = "openai.gpt-oss-120b-1:0";

fn content(body: &Value) -> &Value {
    &body["messages"][0]["content"]
}

#[test]
fn documents_films_and_sounds_go_in_the_formats_that_converse_has() {
    let office = "application/vnd.openxmlformats-officedocument";
    let file = |name: &str, media_type: &str| json!({ "type": "file", "file": { "filename": name, "file_data": format!("data:{media_type};base64,AA==") } });
    let url = |kind: &str, url: &str| json!({ "type": kind, kind: { "url": url } });
    for (part, kind, expected) in [
        (file("a.pdf", "application/pdf"), "document", "pdf"),
        (file("a.docx", &format!("{office}.wordprocessingml.document")), "document", "docx"),
        (file("a.doc", "application/msword"), "document", "doc"),
        (file("a.xlsx", &format!("{office}.spreadsheetml.sheet")), "document", "xlsx"),
        (file("a", "application/vnd.ms-excel"), "document", "xls"),
        (file("a.csv", "text/csv; charset=utf-8"), "document", "csv"),
        (file("a", "text/html"), "document", "html"),
        (file("README.md", "application/octet-stream"), "document", "md"),
        (file("a.txt", "text/plain"), "document", "txt"),
        (file("a", "text/x-rust"), "document", "txt"),
        (file("a", "application/json"), "document", "txt"),
        (url("image_url", "data:image/webp;base64,AA=="), "image", "webp"),
        (url("image_url", "data:image/jpg;base64,AA=="), "image", "jpeg"),
        (url("video_url", "data:video/mp4;base64,AA=="), "video", "mp4"),
        (url("video_url", "data:video/quicktime;base64,AA=="), "video", "mov"),
        (url("video_url", "data:video/3gpp;base64,AA=="), "video", "three_gp"),
        (
            json!({ "type": "input_audio", "input_audio": { "data": "AA==", "format": "wav" } }),
            "audio",
            "wav",
        ),
        (
            json!({ "type": "input_audio", "input_audio": { "data": "AA==", "format": "mp3" } }),
            "audio",
            "mp3",
        ),
    ] {
        let text = json!({ "type": "text", "text": "What is it?" });
        let asked = json!({ "messages": [{ "role": "user", "content": [text, part] }] });
        let (body, lost) = of(Dialect::Chat, NOVA, &asked);
        let block = &content(&body)[1][kind];
        assert_eq!(
            (&block["format"], &block["source"]),
            (&json!(expected), &json!({ "bytes": "AA==" })),
            "{part}"
        );
        assert_eq!(lost, [""; 0], "{part}");
    }
    let there =
        json!({ "messages": [{ "role": "user", "content": [url("video_url", "s3://bucket/film.mkv")] }] });
    let (body, lost) = of(Dialect::Chat, NOVA, &there);
    let film = json!({ "video": { "format": "mkv", "source": { "s3Location": { "uri": "s3://bucket/film.mkv" } } } });
    assert_eq!((content(&body), lost.len()), (&json!([film]), 0));
}

#[test]
fn what_converse_or_claude_has_no_place_for_is_named() {
    let url = |kind: &str, url: &str| json!({ "type": kind, kind: { "url": url } });
    let sound = json!({ "type": "input_audio", "input_audio": { "data": "AA==", "format": "wav" } });
    let zip = json!({ "type": "file", "file": { "filename": "a.zip", "file_data": "data:application/zip;base64,AA==" } });
    for (model, part, name) in [
        (CLAUDE, sound, "audio"),
        (CLAUDE, url("video_url", "data:video/mp4;base64,AA=="), "video"),
        (NOVA, url("video_url", "https://a.test/a.mp4"), "video"),
        (NOVA, url("image_url", "data:image/bmp;base64,AA=="), "image"),
        (NOVA, zip, "document"),
        (NOVA, json!({ "type": "file", "file": { "file_id": "file-1" } }), "document"),
    ] {
        let text = json!({ "type": "text", "text": "Hi" });
        let asked = json!({ "messages": [{ "role": "user", "content": [text, part] }] });
        let (body, lost) = of(Dialect::Chat, model, &asked);
        assert_eq!(content(&body), &json!([{ "text": "Hi" }]), "{part}");
        assert_eq!(lost, [format!("messages.content.{name}")], "{part}");
    }
}

#[test]
fn a_document_has_a_text_beside_it() {
    let document = json!({ "type": "document", "title": "t.csv", "source": { "type": "text", "media_type": "text/plain", "data": "a,b" } });
    let asked =
        json!({ "model": "x", "max_tokens": 9, "messages": [{ "role": "user", "content": [document] }] });
    let (body, lost) = of(Dialect::Messages, NOVA, &asked);
    let written =
        json!({ "document": { "format": "csv", "name": "t csv 1", "source": { "bytes": "YSxi" } } });
    assert_eq!((content(&body), lost.len()), (&json!([written, { "text": "..." }]), 0));
}

#[test]
fn citations_are_asked_for_and_given_back() {
    let cited = json!({ "type": "page_location", "cited_text": "q", "document_index": 0, "document_title": "T", "start_page_number": 1, "end_page_number": 2 });
    let asked = json!({ "model": "x", "max_tokens": 9, "messages": [
        { "role": "user", "content": [
            { "type": "document", "title": "T", "context": "A report.", "citations": { "enabled": true }, "source": { "type": "base64", "media_type": "application/pdf", "data": "AA==" } },
            { "type": "document", "source": { "type": "content", "content": [{ "type": "text", "text": "One." }, { "type": "text", "text": "Two." }] } },
            { "type": "search_result", "source": "https://a.test", "title": "S", "content": [{ "type": "text", "text": "Found." }], "citations": { "enabled": true } },
            { "type": "text", "text": "Why?" },
        ] },
        { "role": "assistant", "content": [{ "type": "text", "text": "So.", "citations": [cited] }] },
        { "role": "user", "content": "Go on." },
    ] });
    let (body, lost) = of(Dialect::Messages, CLAUDE, &asked);
    assert_eq!(
        content(&body),
        &json!([
            { "document": { "format": "pdf", "name": "T 1", "context": "A report.", "citations": { "enabled": true }, "source": { "bytes": "AA==" } } },
            { "document": { "format": "txt", "name": "document 2", "source": { "content": [{ "text": "One." }, { "text": "Two." }] } } },
            { "searchResult": { "source": "https://a.test", "title": "S", "content": [{ "text": "Found." }], "citations": { "enabled": true } } },
            { "text": "Why?" },
        ])
    );
    let location = json!({ "documentPage": { "documentIndex": 0, "start": 1, "end": 2 } });
    let expected = json!({ "title": "T", "sourceContent": [{ "text": "q" }], "location": location });
    assert_eq!(
        body["messages"][1]["content"],
        json!([{ "citationsContent": { "content": [{ "text": "So." }], "citations": [expected] } }])
    );
    assert_eq!(lost, [""; 0]);
    let (body, lost) = of(Dialect::Messages, NOVA, &asked);
    assert_eq!(body["messages"][1]["content"], json!([{ "text": "So." }]));
    assert_eq!(lost, ["messages.content.citations", "messages.content"]);
}

#[test]
fn models_of_other_makers_think_as_they_are_asked() {
    let asked = |more: Value| {
        let mut body = json!({ "messages": [{ "role": "user", "content": "Hi" }] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let nova =
        |effort: &str| json!({ "reasoningConfig": { "type": "enabled", "maxReasoningEffort": effort } });
    let flat = |effort: &str| json!({ "reasoning_effort": effort });
    for (model, more, expected, lost) in [
        (NOVA, json!({ "reasoning_effort": "low", "temperature": 0.5 }), nova("low"), vec![]),
        (NOVA, json!({ "reasoning_effort": "minimal" }), nova("low"), vec![]),
        (NOVA, json!({ "reasoning_effort": "none" }), Value::Null, vec![]),
        (
            NOVA,
            json!({ "reasoning_effort": "high", "temperature": 0.5, "top_p": 0.9 }),
            nova("high"),
            vec!["temperature", "top_p"],
        ),
        (
            NOVA,
            json!({ "reasoning_effort": "xhigh", "max_tokens": 500 }),
            nova("medium"),
            vec!["reasoning_effort"],
        ),
        (
            "us.amazon.nova-pro-v1:0",
            json!({ "reasoning_effort": "low" }),
            Value::Null,
            vec!["reasoning_effort"],
        ),
        (GPT_OSS, json!({ "reasoning_effort": "high", "temperature": 0.5 }), flat("high"), vec![]),
        (GPT_OSS, json!({ "reasoning_effort": "none" }), flat("low"), vec!["reasoning_effort"]),
        ("deepseek.v3.1", json!({ "reasoning_effort": "medium" }), flat("medium"), vec![]),
        (
            "us.deepseek.r1-v1:0",
            json!({ "reasoning_effort": "medium" }),
            Value::Null,
            vec!["reasoning_effort"],
        ),
        (
            "us.openai.gpt-5.4",
            json!({ "reasoning_effort": "xhigh" }),
            json!({ "reasoning": { "effort": "xhigh" } }),
            vec![],
        ),
    ] {
        let body = asked(more.clone()).to_string();
        let request = chat::request::decode(body.as_bytes()).unwrap();
        let mut losses = Losses::default();
        let body = encode(request, &Target { model, ..Target::default() }, &mut losses);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["additionalModelRequestFields"], expected, "{model} {more}");
        assert_eq!(losses.names(chat::request::name_of), lost, "{model} {more}");
        let is_high = expected["reasoningConfig"]["maxReasoningEffort"] == "high";
        let warmth = more.get("temperature").filter(|_| !is_high);
        assert_eq!(body["inferenceConfig"].get("temperature"), warmth, "{model} {more}");
        assert_eq!(
            body["inferenceConfig"].get("maxTokens"),
            more.get("max_tokens"),
            "a maximum always holds"
        );
    }
    let top_k = json!({ "model": "x", "max_tokens": 9, "top_k": 4, "thinking": { "type": "enabled", "budget_tokens": 1024 }, "messages": [{ "role": "user", "content": "Hi" }] });
    let (body, lost) = of(Dialect::Messages, NOVA, &top_k);
    assert_eq!(
        (&body["additionalModelRequestFields"], lost.len()),
        (
            &json!({ "reasoningConfig": { "type": "enabled", "maxReasoningEffort": "low" }, "inferenceConfig": { "topK": 4 } }),
            0
        )
    );
}
