//! Tools of other dialects' clients.

use super::*;

fn function(name: &str, strict: Option<bool>) -> Tool {
    let parameters =
        Some(json!({ "type": "object", "properties": { "a": { "type": "string", "minLength": 1 } } }));
    Tool::new(ToolKind::Function { name: name.into(), description: None, parameters, strict })
}

fn offered(tools: Vec<Tool>, choice: Option<ToolChoice>, parallel: Option<bool>) -> Request {
    Request { tools, tool_choice: choice, parallel_tool_calls: parallel, ..chat() }
}

#[test]
fn functions_become_tools() {
    let none = Tool::new(ToolKind::Function {
        name: "a.b".into(),
        description: Some("d".into()),
        parameters: None,
        strict: None,
    });
    let custom = Tool::new(ToolKind::Custom { name: "c".into(), description: None, format: None });
    let (body, losses) = sent(offered(vec![none, custom], None, None), "claude-haiku-4-5");
    let name = body["tools"][0]["name"].as_str().unwrap().to_owned();
    assert!(!name.contains('.'));
    assert_eq!(
        body["tools"],
        json!([
            { "name": name, "description": "d", "input_schema": { "type": "object", "properties": {} } },
            { "name": "c", "input_schema": { "type": "object", "properties": { "input": { "type": "string" } }, "required": ["input"] } },
        ])
    );
    assert_eq!((body.get("tool_choice"), losses), (None, vec![]));
}

#[test]
fn a_strict_tool_is_closed_where_the_model_keeps_to_it() {
    let (body, losses) = sent(offered(vec![function("f", Some(true))], None, None), "claude-haiku-4-5");
    let tool = &body["tools"][0];
    assert_eq!(
        (&tool["strict"], &tool["input_schema"]["additionalProperties"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(losses, ["input_schema"], "minLength");
    let (body, losses) =
        sent(offered(vec![function("f", Some(true))], None, None), "claude-sonnet-4-20250514");
    assert_eq!((body["tools"][0].get("strict"), losses), (None, vec!["tools.strict".to_owned()]));
    let many = (0..25).map(|index| function(&format!("f{index}"), Some(true))).collect();
    let (body, losses) = sent(offered(many, None, None), "claude-haiku-4-5");
    let strict = body["tools"].as_array().unwrap().iter().filter(|tool| tool["strict"] == true).count();
    assert_eq!((strict, losses.contains(&"tools.strict".to_owned())), (20, true));
}

#[test]
fn a_choice_is_made_as_the_model_takes_it() {
    let allowed = |names: &[&str], is_required| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Some(ToolChoice::Allowed { names, is_required })
    };
    let cases = [
        (None, None, Value::Null, 2, ""),
        (None, Some(true), Value::Null, 2, ""),
        (None, Some(false), json!({ "type": "auto", "disable_parallel_tool_use": true }), 2, ""),
        (
            Some(ToolChoice::Required),
            Some(false),
            json!({ "type": "any", "disable_parallel_tool_use": true }),
            2,
            "",
        ),
        (Some(ToolChoice::None), Some(false), json!({ "type": "none" }), 2, ""),
        (Some(ToolChoice::Named("f".into())), None, json!({ "type": "tool", "name": "f" }), 2, ""),
        (allowed(&["g"], true), None, json!({ "type": "tool", "name": "g" }), 1, ""),
        (allowed(&["f", "g"], true), None, json!({ "type": "any" }), 2, ""),
        (allowed(&["f"], false), None, json!({ "type": "auto" }), 1, ""),
        (
            Some(ToolChoice::Native(json!({ "type": "mcp" }))),
            None,
            json!({ "type": "auto" }),
            2,
            "tool_choice",
        ),
    ];
    for (choice, parallel, expected, count, lost) in cases {
        let case = format!("{choice:?}");
        let tools = vec![function("f", None), function("g", None)];
        let (body, losses) = sent(offered(tools, choice, parallel), "claude-haiku-4-5");
        assert_eq!(body["tool_choice"], expected, "{case}");
        assert_eq!(
            (body["tools"].as_array().unwrap().len(), losses.join(" ")),
            (count, lost.into()),
            "{case}"
        );
    }
    let forced = offered(vec![function("f", None)], Some(ToolChoice::Required), None);
    let (body, losses) = sent(forced, "claude-opus-5-5");
    assert_eq!((&body["tool_choice"]["type"], losses), (&json!("auto"), vec!["tool_choice".to_owned()]));
    let (body, losses) = sent(offered(vec![], Some(ToolChoice::Required), None), "claude-haiku-4-5");
    assert_eq!((body.get("tool_choice"), losses), (None, vec!["tool_choice".to_owned()]));
}

#[test]
fn a_forced_call_is_made_without_a_thought() {
    for model in ["claude-haiku-4-5", "claude-opus-4-6"] {
        let mut request = offered(vec![function("f", None)], Some(ToolChoice::Required), None);
        request.settings.reasoning = Some(crate::conversation::Reasoning {
            effort: Some(crate::conversation::Effort::High),
            ..crate::conversation::Reasoning::default()
        });
        let (body, losses) = sent(request, model);
        assert_eq!((body.get("thinking"), losses), (None, vec!["thinking".to_owned()]), "{model}");
    }
}

#[test]
fn hosted_tools_become_anthropics_own() {
    let native = |kind, value| Tool::new(ToolKind::Native { kind, value });
    let place = json!({ "type": "approximate", "country": "FR" });
    let cases = [
        (
            native(
                Some(NativeKind::WebSearch),
                json!({
                    "type": "web_search", "user_location": place, "search_context_size": "medium",
                    "filters": { "allowed_domains": ["a.test"] },
                }),
            ),
            json!([{ "type": "web_search_20250305", "name": "web_search", "user_location": place, "allowed_domains": ["a.test"] }]),
            "",
        ),
        (
            native(
                Some(NativeKind::WebSearch),
                json!({
                    "user_location": { "type": "approximate", "approximate": { "country": "FR" } }, "search_context_size": "low",
                }),
            ),
            json!([{ "type": "web_search_20250305", "name": "web_search", "user_location": place }]),
            "tools.search_context_size",
        ),
        (
            native(
                Some(NativeKind::CodeExecution),
                json!({ "type": "code_interpreter", "container": { "type": "auto" } }),
            ),
            json!([{ "type": "code_execution_20250825", "name": "code_execution" }]),
            "",
        ),
        (
            native(Some(NativeKind::WebFetch), json!({ "urlContext": {} })),
            json!([{ "type": "web_fetch_20250910", "name": "web_fetch" }]),
            "",
        ),
        (native(None, json!({ "type": "file_search" })), Value::Null, "tools"),
    ];
    for (tool, expected, lost) in cases {
        let (body, losses) = sent(offered(vec![tool], None, None), "claude-haiku-4-5");
        assert_eq!((&body["tools"], losses.join(" ")), (&expected, lost.to_owned()));
    }
}
