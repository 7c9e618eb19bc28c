//! Whether a call is taken: its body is read, its model is known and allowed; and the body that each target gets.

use crate::auth::gateway;
use crate::config::Key;
use crate::dialect::{Endpoint, InvalidBody, chat, embeddings};
use crate::error::ApiError;
use crate::route::RouteError;
use std::borrow::Cow;

/// A call that is taken.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// What is asked for.
    pub endpoint: Endpoint,
    /// The model as the client named it, or the key's default.
    pub model: String,
    request: Request,
}

#[derive(Clone, Debug)]
enum Request {
    Chat(chat::request::Peek),
    Embeddings(embeddings::request::Peek),
}

impl Accepted {
    /// Reads a body under a key's settings.
    ///
    /// # Errors
    /// 400 naming the field, or 403 for a model that the key may not use.
    pub fn read(endpoint: Endpoint, body: &[u8], key: &Key) -> Result<Accepted, ApiError> {
        let (request, named) = match endpoint {
            Endpoint::ChatCompletions => {
                let peek = chat::request::peek(body)?;
                let model = peek.model.clone();
                (Request::Chat(peek), model)
            }
            Endpoint::Embeddings => {
                let peek = embeddings::request::peek(body)?;
                let model = peek.model.clone();
                (Request::Embeddings(peek), model)
            }
            _ => return Err(ApiError::not_found("endpoint")),
        };
        let Some(model) = named.or_else(|| key.default_model.clone()) else {
            return Err(ApiError::invalid(
                "model",
                "model is required: this gateway key has no default model",
            ));
        };
        if !gateway::allows_model(key, &model) {
            let message = format!("this gateway key may not use the model `{model}`");
            let error = ApiError::new(403, "model_not_allowed", message);
            return Err(ApiError { field: Some("model".into()), ..error });
        }
        Ok(Accepted { endpoint, model, request })
    }

    /// Whether the answer comes in events.
    #[must_use]
    pub fn stream(&self) -> bool {
        matches!(&self.request, Request::Chat(peek) if peek.stream)
    }

    /// Whether the client itself asked for the usage at the end of a stream.
    #[must_use]
    pub fn include_usage(&self) -> bool {
        matches!(&self.request, Request::Chat(peek) if peek.include_usage)
    }

    /// Whether tools are offered.
    #[must_use]
    pub fn has_tools(&self) -> bool {
        matches!(&self.request, Request::Chat(peek) if peek.has_tools)
    }

    /// Whether there is an image in it.
    #[must_use]
    pub fn has_images(&self) -> bool {
        matches!(&self.request, Request::Chat(peek) if peek.has_images)
    }

    /// The most tokens to write, where the caller says so.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        match &self.request {
            Request::Chat(peek) => peek.max_tokens,
            Request::Embeddings(_) => None,
        }
    }

    /// Tokens of the input, estimated.
    #[must_use]
    pub fn input_tokens(&self) -> u64 {
        match &self.request {
            Request::Chat(peek) => peek.input_tokens,
            Request::Embeddings(peek) => peek.input_tokens,
        }
    }

    /// The body for one target: only what the gateway owns is changed, and where nothing is, it is the caller's own.
    #[must_use]
    pub fn body<'b>(&self, body: &'b [u8], model: &str, key: &Key, stream_options: bool) -> Cow<'b, [u8]> {
        match &self.request {
            Request::Chat(peek) => {
                let system_prompt = key.system_prompt.as_deref().filter(|prompt| !prompt.is_empty());
                let changes = chat::request::Rewrite {
                    model: Some(model),
                    include_usage: stream_options,
                    system_prompt,
                };
                chat::request::rewrite(body, peek, &changes)
            }
            Request::Embeddings(peek) => embeddings::request::rewrite(body, peek, Some(model)),
        }
    }
}

impl From<InvalidBody> for ApiError {
    fn from(error: InvalidBody) -> ApiError {
        ApiError { field: error.field, ..ApiError::new(400, "invalid_body", error.message) }
    }
}

impl From<RouteError> for ApiError {
    fn from(error: RouteError) -> ApiError {
        if error == RouteError::MissingModel {
            return ApiError::invalid("model", error.to_string());
        }
        ApiError { field: Some("model".into()), ..ApiError::new(404, "model_not_found", error.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use serde_json::json;

    fn refused(body: &str, key: &Key) -> (u16, serde_json::Value) {
        let error = Accepted::read(Endpoint::ChatCompletions, body.as_bytes(), key).unwrap_err();
        (error.status, error.dialect_body(Dialect::Chat, "id")["error"].clone())
    }

    #[test]
    fn a_refusal_has_what_openais_clients_read() {
        let key = Key { allowed_models: vec!["gpt-*".into()], ..Key::default() };
        for (body, status, code, param) in [
            ("{", 400, "invalid_body", json!(null)),
            (r#"{"model":"gpt-5"}"#, 400, "invalid_body", json!("messages")),
            (r#"{"messages":[{"role":"user","content":"x"}]}"#, 400, "invalid_request", json!("model")),
            (
                r#"{"model":"o3","messages":[{"role":"user","content":"x"}]}"#,
                403,
                "model_not_allowed",
                json!("model"),
            ),
        ] {
            let (found, error) = refused(body, &key);
            assert_eq!((found, &error["code"], &error["param"]), (status, &json!(code), &param), "{body}");
            let kind = if status == 403 { "permission_error" } else { "invalid_request_error" };
            assert_eq!(error["type"], kind, "{body}");
        }
    }

    #[test]
    fn only_a_model_that_nobody_serves_is_not_found() {
        let codes = |error: RouteError| {
            let error = ApiError::from(error);
            (error.status, error.code, error.field)
        };
        let model = Some("model".to_owned());
        assert_eq!(codes(RouteError::NoProviders), (404, "model_not_found", model.clone()));
        assert_eq!(codes(RouteError::MissingModel), (400, "invalid_request", model));
    }
}
