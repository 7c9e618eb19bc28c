//! Field names of a request, brought from `snake_case` to `camelCase`.
//!
//! Google's API takes both, and its own clients mix them. Only fields of the API are renamed; what users name themselves (the
//! keys of schemas, of arguments, of answers, of labels) stays as it is.

use serde_json::{Map, Value};

/// Renames the fields of a whole request body.
pub(super) fn of_request(body: &mut Value) {
    let Some(body) = members(body) else { return };
    each(body, "contents", of_content);
    each(body, "systemInstruction", of_content);
    each(body, "tools", |tool| {
        if let Some(tool) = members(tool) {
            each(tool, "functionDeclarations", shallow);
        }
    });
    within(body, "toolConfig", |config| each(config, "functionCallingConfig", shallow));
    within(body, "generationConfig", |config| each(config, "thinkingConfig", shallow));
}

/// Parts of a function response lie as deep as it gets.
fn of_content(content: &mut Value) {
    let Some(content) = members(content) else { return };
    each(content, "parts", of_part);
}

fn of_part(part: &mut Value) {
    let Some(part) = members(part) else { return };
    for (name, value) in part.iter_mut() {
        match name.as_str() {
            "inlineData" | "fileData" | "functionCall" => shallow(value),
            "functionResponse" => {
                if let Some(response) = members(value) {
                    each(response, "parts", |part| {
                        if let Some(part) = members(part) {
                            part.values_mut().for_each(shallow);
                        }
                    });
                }
            }
            _ => {}
        }
    }
}

fn shallow(value: &mut Value) {
    members(value);
}

/// The members of an object, renamed.
fn members(value: &mut Value) -> Option<&mut Map<String, Value>> {
    let map = value.as_object_mut()?;
    if map.keys().any(|name| name.contains('_')) {
        let renamed = std::mem::take(map).into_iter().map(|(name, value)| (camel(name), value));
        *map = renamed.collect();
    }
    Some(map)
}

/// Does it to a member, or to each element of a member that is a list.
fn each(map: &mut Map<String, Value>, name: &str, mut rename: impl FnMut(&mut Value)) {
    match map.get_mut(name) {
        Some(Value::Array(items)) => items.iter_mut().for_each(rename),
        Some(value) => rename(value),
        None => {}
    }
}

fn within(map: &mut Map<String, Value>, name: &str, rename: impl FnOnce(&mut Map<String, Value>)) {
    if let Some(inner) = map.get_mut(name).and_then(members) {
        rename(inner);
    }
}

/// As protocol buffers do it: an underscore goes and the letter behind it becomes a capital.
fn camel(name: String) -> String {
    if !name.contains('_') {
        return name;
    }
    let mut camel = String::with_capacity(name.len());
    let mut is_behind = false;
    for character in name.chars() {
        match character {
            '_' => is_behind = true,
            _ if is_behind => {
                camel.push(character.to_ascii_uppercase());
                is_behind = false;
            }
            _ => camel.push(character),
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_renamed_and_users_own_names_are_not() {
        let mut body = json!({
            "system_instruction": {"parts": {"text": "a_b"}},
            "safety_settings": [{"category": "X"}],
            "contents": [{"role": "user", "parts": [
                {"inline_data": {"mime_type": "image/png", "data": "A"}, "thought_signature": "s"},
                {"function_call": {"name": "f_g", "args": {"user_id": {"deep_key": 1}}}},
                {"function_response": {"name": "f_g", "response": {"the_result": 1}, "will_continue": true,
                    "parts": [{"inline_data": {"mime_type": "image/png", "data": "A"}}]}},
            ]}],
            "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"a_b": 1}}]}, {"google_search": {}}],
            "tool_config": {"function_calling_config": {"allowed_function_names": ["f_g"]}},
            "generation_config": {"max_output_tokens": 5, "thinking_config": {"include_thoughts": true},
                "response_json_schema": {"x_y": 1}},
            "labels": {"my_label": "x"},
        });
        of_request(&mut body);
        assert_eq!(
            body,
            json!({
                "systemInstruction": {"parts": {"text": "a_b"}},
                "safetySettings": [{"category": "X"}],
                "contents": [{"role": "user", "parts": [
                    {"inlineData": {"mimeType": "image/png", "data": "A"}, "thoughtSignature": "s"},
                    {"functionCall": {"name": "f_g", "args": {"user_id": {"deep_key": 1}}}},
                    {"functionResponse": {"name": "f_g", "response": {"the_result": 1}, "willContinue": true,
                        "parts": [{"inlineData": {"mimeType": "image/png", "data": "A"}}]}},
                ]}],
                "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"a_b": 1}}]}, {"googleSearch": {}}],
                "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["f_g"]}},
                "generationConfig": {"maxOutputTokens": 5, "thinkingConfig": {"includeThoughts": true},
                    "responseJsonSchema": {"x_y": 1}},
                "labels": {"my_label": "x"},
            })
        );
    }
}
