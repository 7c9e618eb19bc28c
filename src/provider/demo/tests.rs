//! The demo provider as a client sees it.

use super::*;

fn asked(request: &Value) -> Answer {
    answer(Endpoint::ChatCompletions, request.to_string().as_bytes(), "0190-abc", Millis(5_000))
}

fn json_of(answer: Answer) -> Value {
    let Answer::Json(body) = answer else { panic!("not a JSON answer: {answer:?}") };
    body
}

fn events_of(answer: Answer) -> Vec<Value> {
    let Answer::Events(events) = answer else { panic!("not a stream: {answer:?}") };
    assert_eq!(events.last().unwrap(), "[DONE]");
    events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

#[test]
fn an_answer_depends_on_the_model_and_the_last_user_message() {
    let body = json_of(asked(&json!({ "model": "demo-chat", "messages": [
        { "role": "user", "content": "first" },
        { "role": "assistant", "content": "x" },
        { "role": "user", "content": [{ "type": "text", "text": "What is up?" }] },
    ] })));
    let text = body["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("What is up?") && text.contains("demo-chat") && !text.contains("first"));
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["created"], 5);
    let usage = &body["usage"];
    assert_eq!(
        usage["total_tokens"].as_u64().unwrap(),
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
    );
}

#[test]
fn a_stream_says_the_same_as_the_whole_answer() {
    let mut request = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hello  there" }] });
    let whole = json_of(asked(&request));
    request["stream"] = json!(true);
    request["stream_options"] = json!({ "include_usage": true });
    let events = events_of(asked(&request));
    let text: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(whole["choices"][0]["message"]["content"], json!(text));
    let last = events.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &whole["usage"]));
    assert_eq!(events[events.len() - 2]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn usage_is_streamed_only_when_asked_for() {
    let request = json!({ "stream": true, "messages": [{ "role": "user", "content": "Hi" }] });
    assert!(events_of(asked(&request)).iter().all(|event| event.get("usage").is_none()));
}

#[test]
fn a_demanded_tool_is_called_with_arguments_to_its_schema() {
    let mut request = json!({
        "messages": [{ "role": "user", "content": "Weather in Oslo" }],
        "tool_choice": "required",
        "tools": [{ "type": "function", "function": { "name": "weather", "parameters": {
            "type": "object",
            "properties": {
                "city": { "type": "string" }, "unit": { "enum": ["C", "F"] }, "days": { "type": "integer" },
                "tags": { "type": "array", "items": { "$ref": "#/$defs/tag" } },
            },
            "$defs": { "tag": { "type": "boolean" } },
        } } }],
    });
    let body = json_of(asked(&request));
    let call = &body["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "weather");
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({ "city": "Weather in Oslo", "unit": "C", "days": 1, "tags": [true] }));

    request["stream"] = json!(true);
    let pieces: String = events_of(asked(&request))
        .iter()
        .filter_map(|event| {
            event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&pieces).unwrap(), arguments);

    request["tool_choice"] = json!("auto");
    request["stream"] = json!(false);
    assert!(json_of(asked(&request))["choices"][0]["message"]["content"].is_string());
}

#[test]
fn max_tokens_cuts_and_a_schema_shapes_the_text() {
    let message = json!([{ "role": "user", "content": "Hi" }]);
    let cut = json_of(asked(&json!({ "messages": message, "max_tokens": 3 })));
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    assert_eq!(cut["usage"]["completion_tokens"], 3);
    let schema = json!({ "type": "object", "properties": { "name": { "type": ["string", "null"] } } });
    let shaped = json_of(asked(&json!({ "messages": message, "response_format": {
        "type": "json_schema", "json_schema": { "name": "n", "schema": schema } } })));
    assert_eq!(shaped["choices"][0]["message"]["content"], r#"{"name":"Hi"}"#);
}

#[test]
fn a_recursive_schema_ends() {
    let schema = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
    assert!(example::of_schema(&schema, "x").is_object());
    assert_eq!(example::of_schema(&json!({ "$ref": "#" }), "x"), json!({}));
    let wide: serde_json::Map<_, _> =
        (0..100).map(|number| (number.to_string(), json!({ "$ref": "#" }))).collect();
    assert!(example::of_schema(&json!({ "properties": wide }), "x").to_string().len() < 1_000_000);
}

#[test]
fn what_cannot_be_answered_is_refused_naming_the_field() {
    for (endpoint, body, field) in [
        (Endpoint::ChatCompletions, "[]", Value::Null),
        (Endpoint::ChatCompletions, "{", Value::Null),
        (Endpoint::ChatCompletions, r#"{"messages":[]}"#, json!("messages")),
        (Endpoint::Embeddings, r#"{"input":""}"#, json!("input")),
        (Endpoint::Embeddings, r#"{"input":[{}]}"#, json!("input")),
        (Endpoint::Embeddings, r#"{"input":"a","dimensions":0}"#, json!("dimensions")),
    ] {
        let Answer::Refused(error) = answer(endpoint, body.as_bytes(), "1", Millis(0)) else {
            panic!("{body} was answered")
        };
        assert_eq!(error["error"]["param"], field, "{body}");
    }
}

#[test]
fn equal_texts_have_equal_unit_vectors_in_both_encodings() {
    let embedded = |request: Value| {
        json_of(answer(Endpoint::Embeddings, request.to_string().as_bytes(), "1", Millis(0)))["data"].clone()
    };
    let list = embedded(json!({ "input": ["a", "b", "a"], "dimensions": 20 }));
    assert_eq!(list[0]["embedding"], list[2]["embedding"]);
    assert_ne!(list[0]["embedding"], list[1]["embedding"]);
    let numbers: Vec<f32> = serde_json::from_value(list[0]["embedding"].clone()).unwrap();
    assert_eq!(numbers.len(), 20);
    assert!((numbers.iter().map(|number| number * number).sum::<f32>() - 1.0).abs() < 1e-3);

    use base64::Engine;
    let packed = embedded(json!({ "input": [1, 2, 3], "encoding_format": "base64", "model": "x-large" }));
    let bytes = base64::engine::general_purpose::STANDARD.decode(packed[0]["embedding"].as_str().unwrap());
    assert_eq!(bytes.unwrap().len(), 3072 * 4);
}

#[test]
fn its_models_are_listed() {
    assert_eq!(models()["data"][0]["id"], "demo-chat");
}
