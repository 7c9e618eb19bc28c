//! Whether a call is taken: its body is read, its model is known and allowed; and the body that each target gets.

use super::stored::History;
use super::translation::{self, Exchange, InPath, Said};
use crate::auth::gateway;
use crate::config::Key;
use crate::dialect::passthrough::multipart::{Form, Splice};
use crate::dialect::translate::{Reply, Target};
use crate::dialect::{
    Asked, Dialect, Endpoint, InvalidBody, chat, gemini, maximum, messages, passthrough, responses,
};
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
    /// What the body says of it.
    pub asked: Asked,
    /// What the gateway stored of the conversation before (Responses).
    pub history: Option<History>,
    /// Which of the answers that are asked for this is to give, from 0; `None`: all of them ([`super::fan_out`]).
    pub answer: Option<usize>,
    in_path: InPath,
    peek: Peek,
}

/// Where in the body the gateway's own changes go.
#[derive(Clone, Debug)]
enum Peek {
    Chat(chat::request::Peek),
    Responses(responses::request::Peek),
    Messages(messages::request::Peek),
    Gemini(gemini::request::Peek),
    Other(passthrough::request::Peek),
    Form(Form),
}

/// A body for one target.
pub struct Prepared<'b> {
    /// The caller's own where nothing is changed.
    pub body: Cow<'b, [u8]>,
    /// What the target cannot carry, by the client's names.
    pub dropped: Vec<String>,
    /// How the answer comes back.
    pub exchange: Exchange,
}

impl Prepared<'_> {
    /// The same with this maximum of tokens for each answer.
    #[must_use]
    pub fn with_maximum(self, upstream: Dialect, most: u64, is_openai: bool) -> Self {
        Prepared { body: maximum::cap(self.body, upstream, most, is_openai), ..self }
    }
}

impl Accepted {
    /// Reads a body under a key's settings. `in_path` is what the request's path says, where its dialect says it there.
    ///
    /// # Errors
    /// 400 naming the field, or 403 for a model that the key may not use.
    pub fn read(endpoint: Endpoint, body: &[u8], in_path: InPath, key: &Key) -> Result<Accepted, ApiError> {
        let peek = match endpoint {
            Endpoint::ChatCompletions => Peek::Chat(chat::request::peek(body)?),
            Endpoint::Responses => Peek::Responses(responses::request::peek(body)?),
            Endpoint::Messages => Peek::Messages(messages::request::peek(body)?),
            Endpoint::GenerateContent => {
                Peek::Gemini(gemini::request::peek(body, &in_path.model, in_path.stream)?)
            }
            other => Peek::Other(passthrough::request::peek(other, body)?),
        };
        Accepted::of(endpoint, peek, in_path, key)
    }

    /// Takes a form, which is still on its way, under a key's settings.
    ///
    /// # Errors
    /// 400 where it names no model, or 403 for one that the key may not use.
    pub fn form(endpoint: Endpoint, mut form: Form, key: &Key) -> Result<Accepted, ApiError> {
        form.asked.beside = form.beside(endpoint);
        Accepted::of(endpoint, Peek::Form(form), InPath::default(), key)
    }

    fn of(endpoint: Endpoint, peek: Peek, in_path: InPath, key: &Key) -> Result<Accepted, ApiError> {
        if matches!(&peek, Peek::Responses(peek) if peek.background) {
            let message = "background responses are not offered by this gateway; send the call without `background`, \
                 streamed where it takes long";
            return Err(ApiError::invalid("background", message));
        }
        let asked = peek.asked();
        let Some(model) = asked.model.clone().or_else(|| key.default_model.clone()) else {
            return Err(ApiError::invalid(
                "model",
                "model is required: this gateway key has no default model",
            ));
        };
        may_use(key, &model)?;
        Ok(Accepted { endpoint, model, asked, history: None, answer: None, in_path, peek })
    }

    /// What a call of the Responses API says of itself.
    #[must_use]
    pub fn as_responses(&self) -> Option<&responses::request::Peek> {
        if let Peek::Responses(peek) = &self.peek { Some(peek) } else { None }
    }

    /// Goes on from a conversation that was stored: the call is as large as all of it.
    pub fn continue_from(&mut self, history: History) {
        self.asked.input_tokens += history.tokens();
        self.history = Some(history);
    }

    /// How many answers are asked for, in all.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.asked.n.max(1).saturating_mul(self.asked.prompts.max(1))
    }

    /// Whether this endpoint of an upstream gives only one of the answers that are asked for.
    #[must_use]
    pub fn gets_one(&self, at: Endpoint) -> bool {
        let gives_all = match at {
            Endpoint::Responses | Endpoint::Messages | Endpoint::Converse => false,
            // Gemini takes `candidateCount`, and not of a stream.
            Endpoint::GenerateContent if self.asked.stream => self.endpoint == at,
            Endpoint::GenerateContent | Endpoint::ChatCompletions => self.asked.prompts < 2,
            _ => true,
        };
        self.answers() > 1 && !gives_all
    }

    /// The same, also where that is known only once the upstream says so.
    #[must_use]
    pub fn may_get_one(&self, at: Endpoint) -> bool {
        let may_refuse = match at {
            Endpoint::GenerateContent => self.endpoint != at,
            Endpoint::Completions => self.asked.prompts > 1,
            _ => false,
        };
        self.gets_one(at) || (may_refuse && self.answers() > 1)
    }

    /// A call for one of the answers that are asked for. Its body never passes, so where what stands in it does not matter.
    #[must_use]
    pub fn part(&self, answer: usize) -> Accepted {
        Accepted {
            endpoint: self.endpoint,
            model: self.model.clone(),
            asked: Asked { n: 1, prompts: 1, ..self.asked.clone() },
            history: None,
            answer: Some(answer),
            in_path: InPath { is_array: false, ..self.in_path.clone() },
            peek: Peek::Other(passthrough::request::Peek::default()),
        }
    }

    /// What looks at a stream that comes in the caller's own dialect.
    #[must_use]
    pub fn own_exchange(&self) -> Exchange {
        Exchange::same(self.endpoint, false, self.in_path.is_array)
    }

    /// How a stream looks to the client, whoever answers; `None` where no text is to be streamed: of other endpoints nobody
    /// knows beforehand whether events will come.
    #[must_use]
    pub fn opening(&self) -> Option<Exchange> {
        let is_stream = self.asked.stream && self.endpoint.generates();
        is_stream.then(|| self.own_exchange())
    }

    /// The endpoint of an upstream that is spoken to in this dialect; `completes`: it has one for text completions.
    #[must_use]
    pub fn endpoint_at(&self, upstream: Dialect, completes: bool) -> Endpoint {
        let passes = completes && upstream == Dialect::Chat && self.answer.is_none();
        let is_translated = self.endpoint == Endpoint::Completions && !passes;
        let converses = self.endpoint.is_conversation() || is_translated;
        if converses { Endpoint::of_dialect(upstream) } else { self.endpoint }
    }

    /// How the form, if it is one, is changed to ask for this model.
    ///
    /// # Errors
    /// Where the name cannot stand in it.
    pub fn splice(&self, model: &str) -> Result<Option<Splice>, InvalidBody> {
        match &self.peek {
            Peek::Form(form) => form.with_model(model),
            _ => Ok(None),
        }
    }

    /// The body for one target, at this endpoint of its. Where it is the client's own, only what the gateway owns
    /// is changed; where it is another, all is said anew, with what `reply` tells.
    ///
    /// # Errors
    /// Where the body is not what its dialect says: a body that passes is not looked at so closely.
    pub fn prepare<'b>(
        &self,
        body: &'b [u8],
        at: Endpoint,
        target: &Target<'_>,
        key: &Key,
        reply: impl FnOnce() -> Reply,
    ) -> Result<Prepared<'b>, InvalidBody> {
        let (client, upstream) = (self.endpoint, at.dialect());
        let passes = match at.is_conversation() {
            true => {
                let is_same = client == at && self.history.is_none() && self.answer.is_none();
                is_same && translation::passes(client.dialect(), upstream, body)
            }
            false => true,
        };
        let system_prompt = key.system_prompt.as_deref().filter(|prompt| !prompt.is_empty());
        let said = Said { body, in_path: &self.in_path, history: self.history.as_ref() };
        if !passes {
            let translated = translation::translate(client, upstream, said, system_prompt, target, reply())?;
            let translation::Translated { body, dropped, exchange } = translated;
            return Ok(Prepared { body: Cow::Owned(body), dropped, exchange });
        }
        let model = Some(target.model);
        let body = match &self.peek {
            Peek::Chat(peek) => {
                let include_usage = target.stream_options;
                let changes = chat::request::Rewrite { model, include_usage, system_prompt };
                chat::request::rewrite(body, peek, &changes)
            }
            Peek::Responses(peek) => {
                responses::request::rewrite(body, peek, &responses::request::Rewrite { model, system_prompt })
            }
            Peek::Messages(peek) => {
                messages::request::rewrite(body, peek, &messages::request::Rewrite { model, system_prompt })
            }
            Peek::Gemini(peek) => {
                gemini::request::rewrite(body, peek, &gemini::request::Rewrite { model, system_prompt })
            }
            Peek::Other(peek) => {
                let include_usage = target.stream_options;
                passthrough::request::rewrite(
                    body,
                    peek,
                    &passthrough::request::Rewrite { model, include_usage },
                )
            }
            Peek::Form(_) => Cow::Borrowed(body),
        };
        let hides_usage = target.stream_options && !self.asked.include_usage;
        let exchange = Exchange::same(client, hides_usage, self.in_path.is_array);
        Ok(Prepared { body, dropped: Vec::new(), exchange })
    }
}

/// Whether a key may use a model.
///
/// # Errors
/// 403.
pub fn may_use(key: &Key, model: &str) -> Result<(), ApiError> {
    if gateway::allows_model(key, model) {
        return Ok(());
    }
    let message = format!("this gateway key may not use the model `{model}`");
    let error = ApiError::new(403, "model_not_allowed", message);
    Err(ApiError { field: Some("model".into()), ..error })
}

impl Peek {
    fn asked(&self) -> Asked {
        match self {
            Peek::Chat(peek) => peek.asked.clone(),
            Peek::Responses(peek) => peek.asked.clone(),
            Peek::Messages(peek) => peek.asked.clone(),
            Peek::Gemini(peek) => peek.asked.clone(),
            Peek::Other(peek) => peek.asked.clone(),
            Peek::Form(form) => form.asked.clone(),
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
    use serde_json::json;

    fn refused(body: &str, key: &Key) -> (u16, serde_json::Value) {
        let error =
            Accepted::read(Endpoint::ChatCompletions, body.as_bytes(), InPath::default(), key).unwrap_err();
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
    fn text_completions_go_where_there_are_some_and_else_to_a_chat() {
        let body = br#"{"model":"m","prompt":"a"}"#;
        let accepted =
            Accepted::read(Endpoint::Completions, body, InPath::default(), &Key::default()).unwrap();
        for (upstream, completes, expected) in [
            (Dialect::Chat, true, Endpoint::Completions),
            (Dialect::Chat, false, Endpoint::ChatCompletions),
            (Dialect::Messages, true, Endpoint::Messages),
            (Dialect::Gemini, false, Endpoint::GenerateContent),
        ] {
            let at = accepted.endpoint_at(upstream, completes);
            assert_eq!(at, expected, "{upstream:?} {completes}");
            let target = Target { model: "n", ..Target::default() };
            let prepared = accepted.prepare(body, at, &target, &Key::default(), Reply::default).unwrap();
            assert_eq!(prepared.exchange.translates(), at != Endpoint::Completions, "{upstream:?}");
            assert_ne!(prepared.body, &body[..]);
        }
    }

    #[test]
    fn each_answer_is_a_call_of_its_own_where_the_endpoint_gives_one() {
        use Endpoint::{
            ChatCompletions, Completions, Converse, GenerateContent, ImageGenerations, Messages, Responses,
        };
        let chat = r#""model":"m","messages":[{"role":"user","content":"x"}]"#;
        for (endpoint, body, alone, answers) in [
            (ChatCompletions, format!("{{{chat}}}"), vec![], 1),
            (ChatCompletions, format!(r#"{{{chat},"n":1}}"#), vec![], 1),
            (ChatCompletions, format!(r#"{{{chat},"n":3}}"#), vec![Messages, Responses, Converse], 3),
            (
                ChatCompletions,
                format!(r#"{{{chat},"n":3,"stream":true}}"#),
                vec![Messages, Responses, Converse, GenerateContent],
                3,
            ),
            (
                Completions,
                r#"{"model":"m","prompt":"a","n":2}"#.into(),
                vec![Messages, Responses, Converse],
                2,
            ),
            (
                Completions,
                r#"{"model":"m","prompt":["a","b"],"n":2}"#.into(),
                vec![ChatCompletions, Messages, Responses, Converse, GenerateContent],
                4,
            ),
            (Completions, r#"{"model":"m","prompt":[1,2]}"#.into(), vec![], 1),
        ] {
            let key = Key::default();
            let accepted = Accepted::read(endpoint, body.as_bytes(), InPath::default(), &key).unwrap();
            assert_eq!(accepted.answers(), answers, "{body}");
            for at in [ChatCompletions, Messages, Responses, Converse, GenerateContent, Completions] {
                assert_eq!(accepted.gets_one(at), alone.contains(&at), "{body} at {at:?}");
                assert!(!accepted.part(0).gets_one(at) && !accepted.part(0).may_get_one(at));
            }
        }
        let pictures = br#"{"model":"m","prompt":"a","n":4}"#;
        let accepted =
            Accepted::read(ImageGenerations, pictures, InPath::default(), &Key::default()).unwrap();
        assert!(!accepted.gets_one(ImageGenerations));
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
