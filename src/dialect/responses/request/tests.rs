//! What requests say, in and out of the hub, case by case.

use super::*;
use crate::conversation::{
    Block, Content, Dialect, Effort, Format, Losses, Media, Message, NativeKind, Opaque, Reasoning, Request,
    Role, Settings, Source, Thinking, Thought, Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
};
use crate::dialect::translate::Target;
use serde_json::{Value, json};

fn decoded(body: &Value) -> Request {
    decode(body.to_string().as_bytes()).unwrap()
}

fn encoded(request: Request) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let body = encode(request, &Target { model: "m", is_openai: true, ..Target::default() }, &mut losses);
    (serde_json::from_slice(&body).unwrap(), losses.names(name_of))
}

fn input(items: &Value) -> Value {
    json!({"model": "m", "input": items})
}

/// Each comes back as it was, and nothing of it is lost.
#[test]
fn every_kind_of_item_comes_back() {
    for item in [
        json!({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]}),
        json!({"type": "message", "role": "user", "status": "completed", "id": "msg_1", "content": [
            {"type": "input_text", "text": "What is it?", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
            {"type": "input_image", "file_id": "file-1"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
            {"type": "input_file", "file_url": "https://a.test/b.pdf"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "input_hologram", "hologram": 7},
        ]}),
        json!({"type": "message", "role": "assistant", "id": "msg_2", "phase": "commentary", "content": [
            {"type": "output_text", "text": "A page.", "annotations": [
                {"type": "url_citation", "url": "https://a.test", "title": "A", "start_index": 0, "end_index": 6},
                {"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 3},
            ]},
            {"type": "refusal", "refusal": "No."},
        ]}),
        json!({"type": "message", "role": "user", "content": []}),
        json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}", "status": "completed"}),
        json!({"type": "function_call_output", "call_id": "call_1", "output": "5"}),
        json!({"type": "function_call_output", "call_id": "call_1", "output": [
            {"type": "input_text", "text": "a picture"}, {"type": "input_image", "image_url": "https://a.test/x.png"},
        ]}),
        json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "patch", "input": "*** Begin"}),
        json!({"type": "custom_tool_call_output", "call_id": "call_2", "output": "done"}),
        json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gAAA"}),
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}),
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "status": "completed"}),
        json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}],
            "content": [{"type": "reasoning_text", "text": "Well, then."}]}),
        json!({"type": "item_reference", "id": "msg_3"}),
        json!({"id": "msg_3"}),
        json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}),
        json!({"type": "computer_call_output", "call_id": "call_3", "output": {"type": "computer_screenshot", "image_url": "https://a.test"}}),
        json!({"type": "local_shell_call", "id": "lsh_1", "call_id": "call_4", "action": {"type": "exec", "command": ["ls"]}}),
        json!({"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": true}),
        json!({"type": "compaction", "encrypted_content": "gAAA"}),
    ] {
        let body = input(&json!([item]));
        let request = decoded(&body);
        assert_eq!(request.messages.len(), 1, "{item}");
        let (mut out, lost) = encoded(request);
        for member in out.pointer_mut("/input/0/content").and_then(Value::as_array_mut).into_iter().flatten()
        {
            if member["annotations"] == json!([]) {
                member.as_object_mut().unwrap().remove("annotations");
            }
        }
        assert_eq!((out, lost), (body, Vec::new()));
    }
}

#[test]
fn every_field_comes_back() {
    let body = json!({
        "model": "m", "instructions": "Be kind.", "input": [], "stream": true,
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true, "defer_loading": true},
            {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
            {"type": "web_search", "search_context_size": "low"},
            {"type": "mcp", "server_label": "a", "server_url": "https://a.test"},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [
            {"type": "function", "name": "f"}, {"type": "custom", "name": "patch"},
        ]},
        "parallel_tool_calls": false, "max_output_tokens": 9, "temperature": 0.7, "top_p": 1, "top_logprobs": 2,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true, "new": 1}, "verbosity": "low", "new": 2},
        "reasoning": {"effort": "xhigh", "summary": "auto", "context": "auto"},
        "metadata": {"a": "b"}, "safety_identifier": "ada", "service_tier": "flex", "prompt_cache_key": "k", "store": false,
        "include": ["file_search_call.results", "message.output_text.logprobs", "reasoning.encrypted_content"],
        "previous_response_id": "resp_1", "truncation": "auto", "background": false, "max_tool_calls": 3,
        "prompt": {"id": "pmpt_1"}, "context_management": [{"type": "compaction"}],
    });
    let request = decoded(&body);
    assert_eq!(request.settings.reasoning.as_ref().unwrap().effort, Some(Effort::ExtraHigh));
    assert_eq!(request.settings.reasoning.as_ref().unwrap().is_shown, Some(true));
    assert!(matches!(request.settings.format, Some(Format::JsonSchema { strict: Some(true), .. })));
    assert_eq!(
        request.tool_choice,
        Some(ToolChoice::Allowed { names: vec!["f".into(), "patch".into()], is_required: false })
    );
    assert!(matches!(request.tools[2].kind, ToolKind::Native { kind: Some(NativeKind::WebSearch), .. }));
    let kept: Vec<&str> = request.extras.keys().map(String::as_str).collect();
    assert!(kept.contains(&"previous_response_id") && kept.contains(&"truncation"), "{kept:?}");
    let (mut out, lost) = encoded(request);
    out["input"] = json!([]);
    assert_eq!((out, lost), (body, Vec::new()));
}

#[test]
fn other_choices_of_a_tool_come_back() {
    for choice in [
        json!("auto"),
        json!("none"),
        json!("required"),
        json!({"type": "function", "name": "f"}),
        json!({"type": "custom", "name": "patch"}),
        json!({"type": "file_search"}),
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "image_generation"}]}),
    ] {
        let tools = json!([{"type": "function", "name": "f"}, {"type": "custom", "name": "patch"}]);
        let body = json!({"model": "m", "tool_choice": choice, "tools": tools});
        let (out, lost) = encoded(decoded(&body));
        assert_eq!((&out["tool_choice"], lost), (&body["tool_choice"], Vec::new()));
    }
}

#[test]
fn a_wrong_field_is_named_with_its_path() {
    for (body, field) in [
        (json!([]), None),
        (json!({"input": 7}), Some("input")),
        (json!({"input": ["x"]}), Some("input[0]")),
        (json!({"input": [{"role": "robot", "content": "x"}]}), Some("input[0].role")),
        (json!({"input": [{"role": "user", "content": 7}]}), Some("input[0].content")),
        (json!({"input": [{"role": "user"}]}), Some("input[0].content")),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": 7}]}]}),
            Some("input[0].content[0].text"),
        ),
        (
            json!({"input": [{"type": "function_call", "call_id": "a", "name": "f"}]}),
            Some("input[0].arguments"),
        ),
        (json!({"input": [{"type": "function_call_output", "call_id": "a"}]}), Some("input[0].output")),
        (
            json!({"input": [{"type": "reasoning", "encrypted_content": 7}]}),
            Some("input[0].encrypted_content"),
        ),
        (json!({"tools": [{"type": "function"}]}), Some("tools[0].name")),
        (json!({"tools": [{}]}), Some("tools[0].type")),
        (json!({"tool_choice": "maybe"}), Some("tool_choice")),
        (json!({"text": {"format": {"type": "xml"}}}), Some("text.format.type")),
        (json!({"text": {"format": {"type": "json_schema"}}}), Some("text.format.schema")),
        (json!({"metadata": {"a": 1}}), Some("metadata.a")),
        (json!({"reasoning": {"effort": 3}}), Some("reasoning.effort")),
        (json!({"temperature": "hot"}), Some("temperature")),
    ] {
        let error = decode(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.field.as_deref(), field, "{body}: {error}");
    }
    assert!(decode(b"{\"model\":").unwrap_err().message.contains("line 1"));
    assert_eq!(decode(br#"{"model":"a","model":"b"}"#).unwrap_err().field.as_deref(), Some("model"));
}

fn of(dialect: Dialect, messages: Vec<Message>) -> Request {
    Request { dialect, messages, ..Request::default() }
}

fn says(role: Role, content: Vec<Block>) -> Message {
    Message { role, content, ..Message::default() }
}

fn call(id: &str, is_custom: bool) -> Block {
    let arguments = "{}".to_owned();
    Block::new(Content::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments, is_custom }))
}

#[test]
fn blocks_of_another_dialect_become_items_in_their_order() {
    let result =
        ToolResult { id: "functions.f:0".into(), content: vec![Block::text("5")], ..ToolResult::default() };
    let image = Block::new(Content::Image(Media {
        media_type: Some("image/jpeg".into()),
        ..Media::at("data:image/jpeg;base64,AA")
    }));
    let answer =
        ToolResult { id: "c".into(), content: vec![Block::text("x"), image], ..ToolResult::default() };
    let (body, lost) = encoded(of(
        Dialect::Messages,
        vec![
            says(
                Role::Assistant,
                vec![Block::text("a"), call("functions.f:0", false), call("c", true), Block::text("b")],
            ),
            says(
                Role::User,
                vec![
                    Block::new(Content::ToolResult(result)),
                    Block::new(Content::ToolResult(answer)),
                    Block::text("and?"),
                ],
            ),
        ],
    ));
    assert_eq!(lost, Vec::<String>::new());
    let kinds: Vec<_> =
        body["input"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "message",
            "function_call",
            "custom_tool_call",
            "message",
            "function_call_output",
            "custom_tool_call_output",
            "message"
        ]
    );
    assert_eq!(body["input"][1]["call_id"], body["input"][4]["call_id"]);
    assert_eq!(body["input"][1]["call_id"], "ew_ZnVuY3Rpb25zLmY6MA");
    assert_eq!(body["input"][4]["output"], "5");
    assert_eq!(body["input"][5]["output"][1]["image_url"], "data:image/jpeg;base64,AA");
    assert!(body["input"].as_array().unwrap().iter().all(|item| item.get("id").is_none()));
    assert_eq!(body["store"], false, "only this dialect stores unless told");
    assert_eq!(decoded(&body).messages[1].content[0], call("functions.f:0", false), "ids come back");
}

#[test]
fn a_function_of_another_dialect_is_not_strict_unless_told() {
    let tool = |strict| {
        let kind = ToolKind::Function { name: "f".into(), description: None, parameters: None, strict };
        Request { tools: vec![Tool::new(kind)], ..of(Dialect::Chat, Vec::new()) }
    };
    for (strict, expected) in [(None, false), (Some(false), false), (Some(true), true)] {
        assert_eq!(encoded(tool(strict)).0["tools"][0]["strict"], expected);
    }
    let own = Request { dialect: Dialect::Responses, ..tool(None) };
    assert_eq!(encoded(own).0["tools"][0].get("strict"), None, "here the API decides");
}

fn thought(text: &str, signature: Option<Opaque>) -> Vec<Message> {
    let thinking = Thinking { thought: Thought::text(text), signature, ..Thinking::default() };
    vec![says(Role::Assistant, vec![Block::new(Content::Thinking(thinking))])]
}

#[test]
fn only_state_of_this_dialect_goes_to_its_provider() {
    let own = thought("Hm.", Some(Opaque::new(Dialect::Responses, "rs_1.gAAA")));
    let (body, lost) = encoded(of(Dialect::Messages, own));
    assert_eq!(body["input"][0]["id"], "rs_1");
    assert_eq!(body["input"][0]["encrypted_content"], "gAAA");
    assert_eq!(lost, Vec::<String>::new());
    let foreign = thought("Hm.", Some(Opaque::new(Dialect::Messages, "EuYB")));
    assert_eq!(
        encoded(of(Dialect::Messages, foreign)),
        (encoded(of(Dialect::Messages, vec![])).0, vec!["input.reasoning".into()])
    );
    let silent = thought("", Some(Opaque::new(Dialect::Gemini, "EuYB")));
    assert_eq!(encoded(of(Dialect::Gemini, silent)).1, Vec::<String>::new(), "no text, no loss");

    // A thought that the gateway showed to this dialect's client, and that client's own.
    let carrier = Opaque::new(Dialect::Messages, "EuYB").carried_by(Dialect::Responses).into_owned();
    let items = json!([
        {"type": "reasoning", "id": "rs_ew01", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": carrier},
        {"type": "reasoning", "id": "rs_ew02", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "item_reference", "id": "msg_ew02"},
        {"type": "message", "id": "msg_ew03", "role": "assistant", "content": "Yes."},
    ]);
    let request = decoded(&input(&items));
    let Content::Thinking(thinking) = &request.messages[0].content[0].content else { panic!() };
    assert_eq!(thinking.signature, Some(Opaque::new(Dialect::Messages, "EuYB")));
    let (body, lost) = encoded(request);
    assert_eq!(lost, ["input.reasoning", "input"]);
    assert_eq!(body["input"].as_array().unwrap().len(), 1);
    assert_eq!(body["input"][0].get("id"), None, "no provider knows an id that the gateway made");
}

#[test]
fn state_that_is_attached_finds_its_block() {
    let state = |data: &str| Opaque::new(Dialect::Gemini, data);
    let carrier =
        |data: &str| Opaque { is_attached: true, ..state(data) }.carried_by(Dialect::Responses).into_owned();
    let request = decoded(&input(&json!([
        {"type": "message", "role": "assistant", "content": "Let me see."},
        {"type": "reasoning", "id": "rs_ew_behind0001", "summary": [], "encrypted_content": carrier("a")},
        {"type": "reasoning", "id": "rs_ew2", "summary": [], "encrypted_content": carrier("b")},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "2", "name": "f", "arguments": "{}"},
    ])));
    let states: Vec<_> =
        request.messages.iter().map(|message| message.content[0].signature.clone()).collect();
    assert_eq!(states, [Some(state("a")), Some(state("b")), None]);
}

#[test]
fn state_is_asked_for_where_it_is_not_stored() {
    let wants = |model: &str, store, reasoning| {
        let settings = Settings { store, reasoning, ..Settings::default() };
        let request = Request { settings, ..of(Dialect::Responses, Vec::new()) };
        let body = encode(request, &Target { model, ..Target::default() }, &mut Losses::default());
        String::from_utf8(body).unwrap().contains("reasoning.encrypted_content")
    };
    let effort = |effort| Some(Reasoning { effort: Some(effort), ..Reasoning::default() });
    for (model, store, reasoning, expected) in [
        ("gpt-5-mini", Some(false), None, true),
        ("openai/o4-mini", Some(false), None, true),
        ("gpt-5-mini", Some(true), None, false),
        ("gpt-5-mini", None, None, false),
        ("gpt-4o", Some(false), None, false),
        ("gpt-5-chat-latest", Some(false), None, false),
        ("our-deployment", Some(false), effort(Effort::Low), true),
        ("our-deployment", Some(false), effort(Effort::None), false),
    ] {
        assert_eq!(wants(model, store, reasoning), expected, "{model} {store:?}");
    }
}

#[test]
fn what_the_api_has_no_place_for_is_noted() {
    let settings = Settings {
        top_k: Some(4.into()),
        seed: Some(1.into()),
        stop: vec!["x".into()],
        n: Some(2),
        max_output_tokens: Some(3),
        service_tier: Some("standard_only".into()),
        ..Settings::default()
    };
    let video = Block::new(Content::Video(Media::at("https://a.test/x.mp4")));
    let file =
        Block::new(Content::Document(Media { source: Source::File("file_1".into()), ..Media::at("") }));
    let failed = ToolResult { is_error: Some(true), ..ToolResult::default() };
    let native = Tool::new(ToolKind::Native { kind: None, value: json!({"type": "computer_20250124"}) });
    let mut request = Request {
        settings,
        tools: vec![native],
        tool_choice: Some(ToolChoice::Native(json!({"type": "tool", "name": "computer"}))),
        ..of(
            Dialect::Messages,
            vec![says(Role::User, vec![Block::new(Content::ToolResult(failed)), video, file])],
        )
    };
    request.messages[0].name = Some("ada".into());
    request.extras.insert("container".into(), json!("c"));
    let (body, lost) = encoded(request);
    assert_eq!(
        lost,
        [
            "top_k",
            "seed",
            "stop",
            "n",
            "tool_choice",
            "input.name",
            "input.content.video",
            "input.content.input_file",
            "input.is_error",
            "tools",
            "container"
        ]
    );
    assert_eq!(body["max_output_tokens"], 16, "the least that the API takes");
    assert_eq!(body["service_tier"], "default");
    assert_eq!(body["input"].as_array().unwrap().len(), 1, "nothing is left of the message");
}

#[test]
fn tools_of_other_providers_are_mapped() {
    let web = |value| Tool::new(ToolKind::Native { kind: Some(NativeKind::WebSearch), value });
    let code =
        ToolKind::Native { kind: Some(NativeKind::CodeExecution), value: json!({"codeExecution": {}}) };
    let near = json!({"type": "approximate", "city": "Rome"});
    let tools = vec![
        web(
            json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 3, "allowed_domains": ["a.test"], "user_location": near}),
        ),
        web(json!({"googleSearch": {}})),
        web(
            json!({"search_context_size": "high", "user_location": {"type": "approximate", "approximate": {"city": "Rome"}}}),
        ),
        Tool::new(code),
    ];
    let (body, lost) = encoded(Request { tools, ..of(Dialect::Messages, Vec::new()) });
    assert_eq!(
        body["tools"],
        json!([
            {"type": "web_search", "filters": {"allowed_domains": ["a.test"]}, "user_location": near},
            {"type": "web_search"},
            {"type": "web_search", "search_context_size": "high", "user_location": near},
            {"type": "code_interpreter", "container": {"type": "auto"}},
        ])
    );
    assert_eq!(lost, ["tools.max_uses"]);
}

#[test]
fn an_id_of_a_user_is_cut_to_what_openai_takes() {
    let mut request = of(Dialect::Messages, Vec::new());
    request.settings.user = Some("{\"device_id\":\"".repeat(9));
    let (body, dropped) = encoded(request);
    let id = body["safety_identifier"].as_str().unwrap();
    assert!(id.len() <= 64 && dropped.is_empty(), "{id} {dropped:?}");
}

#[test]
fn instructions_are_put_in_front() {
    let rewrite_of = |body: &str, model, system_prompt| {
        let seen = peek(body.as_bytes()).unwrap();
        let out = rewrite(body.as_bytes(), &seen, &Rewrite { model, system_prompt }).into_owned();
        String::from_utf8(out).unwrap()
    };
    let prompt = Some("Be \"kind\".");
    for (body, model, prompt, expected) in [
        (r#"{"input":"x"}"#, None, None, r#"{"input":"x"}"#),
        (r#"{}"#, Some("m"), prompt, r#"{"model":"m","instructions":"Be \"kind\"."}"#),
        (r#"{ "model":"a" }"#, Some("m"), prompt, r#"{"instructions":"Be \"kind\".", "model":"m" }"#),
        (
            r#"{"instructions":"A\u00e9","model":"m"}"#,
            Some("m"),
            prompt,
            r#"{"instructions":"Be \"kind\".\n\nA\u00e9","model":"m"}"#,
        ),
        (r#"{"instructions":null}"#, None, prompt, r#"{"instructions":"Be \"kind\"."}"#),
    ] {
        assert_eq!(rewrite_of(body, model, prompt), expected);
    }
}

#[test]
fn a_peek_sees_what_is_asked_for() {
    let seen = peek(
        br#"{"model":"m","stream":true,"max_output_tokens":7,"store":false,"previous_response_id":"resp_1","tools":[{}],
            "instructions":"Be kind.","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:;base64,AAAA"}]}]}"#,
    )
    .unwrap();
    assert!(seen.asked.stream && seen.asked.include_usage && seen.asked.has_tools && seen.asked.has_images);
    assert_eq!(
        (seen.asked.max_tokens, seen.asked.n, seen.store, seen.background),
        (Some(7), 1, false, false)
    );
    assert_eq!(seen.previous_response_id.as_deref(), Some("resp_1"));
    assert!(seen.asked.input_tokens > 700);
    for (body, field) in [
        (r#"{"input":{}}"#, "input"),
        (r#"{"input":["x"]}"#, "input[0]"),
        (r#"{"stream":1}"#, "stream"),
        (r#"{"model":""}"#, "model"),
        (r#"{"tools":{}}"#, "tools"),
        (r#"{"instructions":[]}"#, "instructions"),
        (r#"{"max_output_tokens":-1}"#, "max_output_tokens"),
    ] {
        assert_eq!(peek(body.as_bytes()).unwrap_err().field.as_deref(), Some(field), "{body}");
    }
}

#[test]
fn a_text_document_of_another_dialect_keeps_its_title() {
    let media = Media {
        source: Source::Text("Ruby is from 1995.".into()),
        name: Some("facts.txt".into()),
        media_type: None,
        detail: None,
    };
    let content = vec![Block { content: Content::Document(media), ..Block::text("") }];
    let message = Message { role: Role::User, content, ..Message::default() };
    let (body, lost) =
        encoded(Request { messages: vec![message], ..decoded(&json!({"model": "m", "input": []})) });
    assert_eq!(body["input"][0]["content"][0]["text"], "facts.txt\n\nRuby is from 1995.");
    assert!(lost.is_empty(), "{lost:?}");
}
