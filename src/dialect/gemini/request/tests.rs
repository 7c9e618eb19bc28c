//! Hard cases of requests, in and out.

use super::*;
use crate::conversation::{
    Block, CacheBreakpoint, Content, Dialect, Effort, Field, Format, Losses, Media, Message, NativeKind,
    Opaque, Reasoning, Request, Role, Source, Thinking, Thought, Tool, ToolCall, ToolChoice, ToolKind,
    ToolResult,
};
use crate::dialect::translate::Target;
use serde_json::{Value, json};

fn read(body: &Value) -> Request {
    decode(body.to_string().as_bytes(), "gemini-3-pro", false).unwrap()
}

pub(super) fn sent(request: Request, model: &str) -> (Value, Losses) {
    let mut losses = Losses::default();
    let target = Target { model, ..Target::default() };
    let body = encode(request, &target, &mut losses);
    (serde_json::from_slice(&body).unwrap(), losses)
}

fn message(role: Role, content: Vec<Block>) -> Message {
    Message { role, content, ..Message::default() }
}

fn from(dialect: Dialect, messages: Vec<Message>) -> Request {
    Request { dialect, messages, ..Request::default() }
}

fn call(id: &str, name: &str, arguments: &str) -> Block {
    let (id, name, arguments) = (id.into(), name.into(), arguments.into());
    Block::new(Content::ToolCall(ToolCall { id, name, arguments, is_custom: false }))
}

fn result(id: &str, content: Vec<Block>) -> Block {
    Block::new(Content::ToolResult(ToolResult { id: id.into(), content, ..ToolResult::default() }))
}

fn image(source: Source) -> Block {
    let media_type = matches!(source, Source::Data(_)).then(|| "image/png".to_owned());
    Block::new(Content::Image(Media { source, media_type, name: None, detail: None }))
}

fn function(name: &str, parameters: Value) -> Tool {
    Tool::new(ToolKind::Function {
        name: name.into(),
        description: Some("d".into()),
        parameters: Some(parameters),
        strict: None,
    })
}

#[test]
fn both_spellings_are_one_request() {
    let camel = json!({
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "properties": {"a_b": {}}}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"maxOutputTokens": 5, "topK": 3, "thinkingConfig": {"thinkingLevel": "LOW"}},
        "safetySettings": [{"category": "X"}],
    });
    let snake = json!({
        "system_instruction": {"parts": [{"text": "s"}]},
        "contents": {"parts": {"inline_data": {"mime_type": "image/png", "data": "AAAA"}}},
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object", "properties": {"a_b": {}}}}]}],
        "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
        "generation_config": {"max_output_tokens": 5, "top_k": 3, "thinking_config": {"thinking_level": "low"}},
        "safety_settings": [{"category": "X"}],
    });
    assert_eq!(read(&snake), read(&camel));
    let (encoded, losses) = sent(read(&snake), "gemini-3-pro");
    assert_eq!((encoded, losses), (camel, Losses::default()));
}

#[test]
fn what_only_gemini_knows_comes_back_and_is_named_by_its_path() {
    let body = json!({
        "contents": [{"role": "user", "parts": [
            {"fileData": {"fileUri": "https://youtu.be/x"}, "videoMetadata": {"fps": 1}},
            {"functionResponse": {"name": "f", "response": {"a": 1}, "willContinue": true}},
        ]}, {"role": "model", "parts": [{"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"}]}],
        "tools": [{"codeExecution": {}}, {"googleMaps": {"enableWidget": true}}],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}, "retrievalConfig": {"languageCode": "de"}},
        "generationConfig": {"responseModalities": ["TEXT"], "responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING"}},
        "cachedContent": "cachedContents/x",
        "labels": {"a": "b"},
    });
    let request = read(&body);
    let mut names: Vec<&str> = request.extras.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "cachedContent",
        "generationConfig.responseMimeType",
        "generationConfig.responseModalities",
        "generationConfig.responseSchema",
        "labels",
        "toolConfig.functionCallingConfig.mode",
        "toolConfig.retrievalConfig",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        request.tools[0].kind,
        ToolKind::Native { kind: Some(NativeKind::CodeExecution), value: json!({"codeExecution": {}}) }
    );
    assert_eq!(sent(request, "gemini-2.5-flash"), (body, Losses::default()));
}

#[test]
fn wrong_types_are_named_by_their_path() {
    for (body, field) in [
        (json!({"contents": [{"parts": [{"text": 1}]}]}), "contents[0].parts[0].text"),
        (json!({"contents": [{"role": "assistant"}]}), "contents[0].role"),
        (json!({"contents": "Hi"}), "contents"),
        (json!({"contents": [], "generation_config": {"top_k": "x"}}), "generationConfig.topK"),
        (
            json!({"contents": [{"parts": [{"function_call": {"args": {}}}]}]}),
            "contents[0].parts[0].functionCall.name",
        ),
        (
            json!({"contents": [{"parts": [{"functionCall": {"name": "f", "args": []}}]}]}),
            "contents[0].parts[0].functionCall.args",
        ),
        (
            json!({"tools": [{"functionDeclarations": [{"name": "f", "parameters": 1}]}]}),
            "tools[0].functionDeclarations[0].parameters",
        ),
        (json!({"systemInstruction": "x"}), "systemInstruction"),
    ] {
        let error = decode(body.to_string().as_bytes(), "m", false).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(field), "{body}");
    }
    for body in ["", "[]", "{", "1"] {
        assert!(decode(body.as_bytes(), "m", false).is_err(), "{body}");
    }
}

#[test]
fn calls_without_ids_get_some_that_google_never_sees() {
    let body = json!({"contents": [
        {"role": "model", "parts": [
            {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"},
            {"functionCall": {"name": "g", "args": {}}},
            {"functionCall": {"name": "f", "args": {}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "g", "response": {"r": 1}}},
            {"functionResponse": {"name": "f", "response": {"r": 2}}},
            {"functionResponse": {"name": "f", "response": {"r": 3}}},
            {"functionResponse": {"name": "stray", "response": {"r": 4}}},
        ]},
    ]});
    let request = read(&body);
    let ids = |message: &Message| -> Vec<String> {
        let of = |block: &Block| match &block.content {
            Content::ToolCall(call) => call.id.clone(),
            Content::ToolResult(result) => result.id.clone(),
            _ => String::new(),
        };
        message.content.iter().map(of).collect()
    };
    let (calls, results) = (ids(&request.messages[0]), ids(&request.messages[1]));
    assert_eq!(results[..3], [calls[1].clone(), calls[0].clone(), calls[2].clone()]);
    assert!(!results[3].is_empty() && !calls.contains(&results[3]));
    assert_eq!(sent(request, "gemini-3-pro").0, body);
}

#[test]
fn another_dialects_conversation_takes_turns() {
    let request = from(
        Dialect::Chat,
        vec![
            message(Role::System, vec![Block::text("be kind")]),
            message(Role::User, vec![Block::text("a")]),
            message(Role::User, vec![Block::text("b")]),
            message(Role::Assistant, vec![call("1", "f", r#"{"x":1}"#), call("functions.g:0", "g", "")]),
            message(Role::User, vec![result("functions.g:0", vec![Block::text("[2]")])]),
            message(Role::User, vec![result("1", vec![Block::text(r#"{"y":2}"#)])]),
        ],
    );
    let fitted = crate::conversation::tool_call_id::fit("functions.g:0", 64);
    let expected = |signature: Value| {
        let mut first = json!({"functionCall": {"id": "1", "name": "f", "args": {"x": 1}}});
        if !signature.is_null() {
            first["thoughtSignature"] = signature;
        }
        json!({
            "contents": [
                {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
                {"role": "model", "parts": [first, {"functionCall": {"id": fitted, "name": "g", "args": {}}}]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "1", "name": "f", "response": {"y": 2}}},
                    {"functionResponse": {"id": fitted, "name": "g", "response": {"result": "[2]"}}},
                ]},
            ],
            "systemInstruction": {"parts": [{"text": "be kind"}]},
        })
    };
    assert_eq!(sent(request.clone(), "gemini-2.5-flash"), (expected(Value::Null), Losses::default()));
    assert_eq!(sent(request, "gemini-3-pro").0, expected("skip_thought_signature_validator".into()));
}

#[test]
fn only_googles_own_state_goes_to_google() {
    let thought = |state: Opaque, text: &str| {
        let thought = Thought::text(text);
        Block::new(Content::Thinking(Thinking { thought, signature: Some(state), ..Thinking::default() }))
    };
    let redacted = Block::new(Content::Thinking(Thinking {
        is_redacted: true,
        signature: Some(Opaque::new(Dialect::Messages, "x")),
        ..Thinking::default()
    }));
    let signed = |origin| Block { signature: Some(Opaque::new(origin, "c2ln")), ..call("1", "f", "{}") };
    let request = |content| {
        from(
            Dialect::Messages,
            vec![message(Role::User, vec![Block::text("a")]), message(Role::Assistant, content)],
        )
    };
    let (own, losses) = sent(
        request(vec![thought(Opaque::new(Dialect::Gemini, "dGg="), "hm"), signed(Dialect::Gemini)]),
        "gemini-3-pro",
    );
    assert_eq!(
        own["contents"][1]["parts"][0],
        json!({"text": "hm", "thought": true, "thoughtSignature": "dGg="})
    );
    assert_eq!(own["contents"][1]["parts"][1]["thoughtSignature"], "c2ln");
    assert!(losses.is_empty());
    let foreign =
        vec![redacted, thought(Opaque::new(Dialect::Messages, "y"), "hm"), signed(Dialect::Responses)];
    let (foreign, losses) = sent(request(foreign), "gemini-3-pro");
    assert_eq!(foreign["contents"][1]["parts"][0], json!({"text": "hm", "thought": true}));
    assert_eq!(foreign["contents"][1]["parts"][1]["thoughtSignature"], "skip_thought_signature_validator");
    assert!(losses.is_empty());
}

/// google-genai for Python writes bytes in the other alphabet.
#[test]
fn carried_state_comes_back_in_either_alphabet() {
    let state = Opaque::new(Dialect::Messages, "ÿþ?>~".repeat(9));
    let carrier = state.carried_by(Dialect::Gemini).into_owned();
    assert!(carrier.contains(['+', '/']), "{carrier}");
    for text in [carrier.clone(), carrier.replace('+', "-").replace('/', "_")] {
        let body = json!({"contents": [{"role": "model", "parts": [
            {"text": "a", "thoughtSignature": text}, {"thought": true, "thoughtSignature": text}
        ]}]});
        let request = read(&body);
        assert_eq!(request.messages[0].content[0].signature, Some(state.clone()));
        let thinking = Thinking { is_redacted: true, signature: Some(state.clone()), ..Thinking::default() };
        assert_eq!(request.messages[0].content[1].content, Content::Thinking(thinking));
        assert_eq!(
            sent(request, "gemini-3-pro").0["contents"],
            json!([{"role": "model", "parts": [{"text": "a"}]}])
        );
    }
}

#[test]
fn images_of_results_go_where_the_model_takes_them() {
    let content = || {
        vec![
            Block::text("see"),
            image(Source::Data("AAAA".into())),
            image(Source::Url("https://a.test/x.png".into())),
        ]
    };
    let request = || {
        from(
            Dialect::Messages,
            vec![
                message(Role::User, vec![Block::text("a")]),
                message(Role::Assistant, vec![call("1", "f", "{}"), call("2", "f", "{}")]),
                message(Role::User, vec![result("1", content()), result("2", vec![]), Block::text("and?")]),
            ],
        )
    };
    let inline = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let linked = json!({"fileData": {"mimeType": "image/png", "fileUri": "https://a.test/x.png"}});
    let first = json!({"id": "1", "name": "f", "response": {"result": "see"}});
    let second = json!({"functionResponse": {"id": "2", "name": "f", "response": {"result": ""}}});
    let (older, losses) = sent(request(), "gemini-2.5-flash");
    let expected = json!([{"functionResponse": first}, second, inline, linked, {"text": "and?"}]);
    assert_eq!((&older["contents"][2]["parts"], losses), (&expected, Losses::default()));
    let mut nested = first;
    nested["parts"] = json!([inline]);
    let expected = json!([{"functionResponse": nested}, second, linked, {"text": "and?"}]);
    assert_eq!(sent(request(), "gemini-3-pro").0["contents"][2]["parts"], expected);
}

#[test]
fn settings_are_said_in_geminis_words_and_the_rest_is_noted() {
    let mut request = from(Dialect::Chat, vec![message(Role::User, vec![Block::text("a")])]);
    let settings = &mut request.settings;
    settings.max_output_tokens = Some(100_000);
    settings.n = Some(1);
    settings.seed = Some(5_000_000_000_u64.into());
    settings.stop = (0..7).map(|at| at.to_string()).collect();
    settings.logprobs = Some(true);
    settings.top_logprobs = Some(2);
    settings.service_tier = Some("default".into());
    settings.user = Some("u".into());
    settings.reasoning = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
    settings.format = Some(Format::JsonSchema {
        name: Some("n".into()),
        description: Some("d".into()),
        schema: json!({"$schema": "x", "type": "object"}),
        strict: Some(true),
    });
    request.parallel_tool_calls = Some(false);
    let mut losses = Losses::default();
    let target = Target { model: "gemini-2.5-flash", max_output_tokens: Some(65_536), ..Target::default() };
    let body: Value = serde_json::from_slice(&encode(request, &target, &mut losses)).unwrap();
    let expected = json!({
        "maxOutputTokens": 65_536, "stopSequences": ["0", "1", "2", "3", "4"], "seed": 705_032_704,
        "responseLogprobs": true, "logprobs": 2,
        "responseMimeType": "application/json", "responseJsonSchema": {"type": "object", "description": "d"},
        "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": true},
    });
    assert_eq!(body["generationConfig"], expected);
    assert_eq!(body["serviceTier"], "standard");
    let noted = losses.names(name_of);
    assert_eq!(noted, ["generationConfig.stopSequences", "user", "parallel_tool_calls"]);
}

#[test]
fn tools_and_choices_are_said_in_geminis_words() {
    let search = Tool::new(ToolKind::Native {
        kind: Some(NativeKind::WebSearch),
        value: json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 3}),
    });
    let shell = Tool::new(ToolKind::Native { kind: None, value: json!({"type": "bash"}) });
    let mut strict = function("1st/tool", json!({"type": "object"}));
    if let ToolKind::Function { strict, .. } = &mut strict.kind {
        *strict = Some(true);
    }
    strict.cache = Some(CacheBreakpoint::default());
    let request = |choice: Option<ToolChoice>| {
        let mut request = from(Dialect::Messages, vec![message(Role::User, vec![Block::text("a")])]);
        request.tools = vec![strict.clone(), search.clone(), shell.clone()];
        request.tool_choice = choice;
        request
    };
    let (newer, losses) = sent(request(None), "gemini-3-pro");
    let declared = json!({"functionDeclarations": [{"name": "ew_1st-2ftool", "description": "d", "parametersJsonSchema": {"type": "object"}}]});
    assert_eq!(newer["tools"], json!([declared, {"googleSearch": {}}]));
    let config =
        json!({"functionCallingConfig": {"mode": "VALIDATED"}, "includeServerSideToolInvocations": true});
    assert_eq!(newer["toolConfig"], config);
    assert_eq!(losses.names(name_of), ["cache_control", "tools", "tools.max_uses"]);
    let (older, losses) = sent(request(Some(ToolChoice::Named("1st/tool".into()))), "gemini-2.5-pro");
    assert_eq!(older["tools"], json!([declared]));
    let calling =
        json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["ew_1st-2ftool"]}});
    assert_eq!(older["toolConfig"], calling);
    assert!(losses.has(Field::NativeTool));
    for (choice, expected) in [
        (ToolChoice::Required, json!({"mode": "ANY"})),
        (ToolChoice::None, json!({"mode": "NONE"})),
        (
            ToolChoice::Allowed { names: vec!["a".into(), "b".into()], is_required: false },
            json!({"mode": "VALIDATED", "allowedFunctionNames": ["a", "b"]}),
        ),
    ] {
        assert_eq!(
            sent(request(Some(choice)), "gemini-2.5-pro").0["toolConfig"]["functionCallingConfig"],
            expected
        );
    }
}

#[test]
fn a_prompt_alone_is_still_something_to_answer_to() {
    let mut request = from(Dialect::Responses, Vec::new());
    request.instructions = vec![Block::text("Write a poem.")];
    let expected = json!({"contents": [{"role": "user", "parts": [{"text": "Write a poem."}]}]});
    assert_eq!(sent(request, "gemini-3-pro").0, expected);
}

#[test]
fn media_that_only_its_provider_finds_is_noted() {
    let file = Block::new(Content::Document(Media {
        source: Source::File("file-1".into()),
        media_type: None,
        name: None,
        detail: None,
    }));
    let text = Block::new(Content::Document(Media {
        source: Source::Text("words".into()),
        media_type: None,
        name: Some("title".into()),
        detail: None,
    }));
    let (body, losses) =
        sent(from(Dialect::Messages, vec![message(Role::User, vec![file, text])]), "gemini-3-pro");
    assert_eq!(body["contents"][0]["parts"], json!([{"text": "title\n\nwords"}]));
    assert!(losses.has(Field::Document));
}

#[test]
fn everything_that_routing_asks_for_is_read() {
    let image = format!(r#"{{"inline_data":{{"mime_type":"image/png","data":"{}"}}}}"#, "A".repeat(9_999));
    let body = format!(
        r#"{{"contents":[{{"parts":[{{"text":"What is it?"}},{image}]}}],"tools":[{{"google_search":{{}}}}],
            "generation_config":{{"max_output_tokens":7,"candidate_count":2}},"system_instruction":null}}"#
    );
    let asked = peek(body.as_bytes(), "m", true).unwrap().asked;
    assert_eq!((asked.model.as_deref(), asked.max_tokens, asked.n), (Some("m"), Some(7), 2));
    assert!(asked.stream && asked.include_usage && asked.has_tools && asked.has_images);
    assert!((262..300).contains(&asked.input_tokens), "{}", asked.input_tokens);
    for (body, field) in [
        ("{}", "contents"),
        (r#"{"contents":"x"}"#, "contents"),
        (r#"{"contents":["x"]}"#, "contents[0]"),
        (r#"{"contents":[{}],"systemInstruction":{},"system_instruction":{}}"#, "systemInstruction"),
        (
            r#"{"contents":[{}],"generationConfig":{"maxOutputTokens":-1}}"#,
            "generationConfig.maxOutputTokens",
        ),
        (r#"{"contents":[{}],"contents":[{}]}"#, "contents"),
    ] {
        assert_eq!(peek(body.as_bytes(), "m", false).unwrap_err().field.as_deref(), Some(field), "{body}");
    }
}

#[test]
fn a_system_prompt_goes_in_front_and_all_else_stays() {
    for (system, expected) in [
        ("", r#"{"systemInstruction":{"parts":[{"text":"P"}]},"contents":[{}],"model":"models/x"}"#),
        (
            r#","systemInstruction":null"#,
            r#"{"contents":[{}],"model":"models/x","systemInstruction":{"parts":[{"text":"P"}]}}"#,
        ),
        (
            r#","system_instruction":{"parts": [ {"text":"a"}]}"#,
            r#"{"contents":[{}],"model":"models/x","system_instruction":{"parts": [{"text":"P"}, {"text":"a"}]}}"#,
        ),
        (
            r#","systemInstruction":{"parts":{"text":"a"}}"#,
            r#"{"contents":[{}],"model":"models/x","systemInstruction":{"parts":[{"text":"P"},{"text":"a"}]}}"#,
        ),
    ] {
        let body = format!(r#"{{"contents":[{{}}],"model":"models/old"{system}}}"#);
        let seen = peek(body.as_bytes(), "old", false).unwrap();
        let wanted = Rewrite { model: Some("x"), system_prompt: Some("P") };
        assert_eq!(std::str::from_utf8(&rewrite(body.as_bytes(), &seen, &wanted)).unwrap(), expected);
        let unchanged = rewrite(body.as_bytes(), &seen, &Rewrite::default());
        assert!(matches!(unchanged, std::borrow::Cow::Borrowed(_)));
    }
}
