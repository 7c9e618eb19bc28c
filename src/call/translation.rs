//! A call between a client and an upstream of any two dialects: what is sent, and how what comes back is understood.
//!
//! Where both speak the same, bytes pass and are only watched. Where they do not, the request is decoded into the hub
//! and encoded anew for each target, always from the client's own bytes, so that a failover to a target of a third dialect
//! starts from what the client said.

use super::stored::History;
use crate::conversation::{
    Block, Content, Delta, Dialect, Event, Field, Losses, Opaque, Opening, Request, Response, StopReason,
    StreamError, ToolKind,
};
use crate::dialect::chat::response::Answer;
use crate::dialect::error::{UpstreamError, read_error};
use crate::dialect::relay::{End, Failure, Seen, Verdict, Watch};
use crate::dialect::translate::{Decode, Encode, Reply, Target};
use crate::dialect::{
    Endpoint, InvalidBody, chat, completions, converse, gemini, messages, passthrough, responses,
};
use crate::json::{self, JsonError};
use crate::sse;
use crate::usage::Reported;
use serde_json::Value;

/// What a client asks for, where its dialect says a part of it in the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InPath {
    /// The model.
    pub model: String,
    /// An answer in events is asked for.
    pub stream: bool,
    /// And these as one JSON array (Gemini without `alt=sse`).
    pub is_array: bool,
}

impl InPath {
    /// What Gemini's path and query say: `model` as it stands in the path.
    #[must_use]
    pub fn gemini(model: &str, stream: bool, query: &str) -> InPath {
        let has_events = query.split('&').any(|pair| pair == "alt=sse");
        InPath { model: super::models::decode(model), stream, is_array: stream && !has_events }
    }
}

/// A request for a target of another dialect.
pub struct Translated {
    /// Its body.
    pub body: Vec<u8>,
    /// What the target cannot carry, by the client's names.
    pub dropped: Vec<String>,
    /// How the answer comes back.
    pub exchange: Exchange,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The body.
    pub body: &'a [u8],
    /// And what its path says.
    pub in_path: &'a InPath,
    /// What the gateway stored of the conversation before (Responses).
    pub history: Option<&'a History>,
}

/// An answer in the client's words.
pub struct Answered {
    /// Its body.
    pub body: Vec<u8>,
    /// What the client's dialect cannot carry.
    pub dropped: Vec<String>,
}

/// Who speaks what, and what an answer is encoded with.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What the client asked for.
    client: Endpoint,
    upstream: Dialect,
    /// `None`: bytes pass.
    reply: Option<Reply>,
    /// The gateway asked for usage and the client did not (Chat).
    hides_usage: bool,
    /// A stream is one JSON array to the client (Gemini).
    is_array: bool,
}

/// Whether a body may go as it is to an upstream of this dialect: not where a client brings back what another dialect's
/// provider made.
#[must_use]
pub fn passes(client: Dialect, upstream: Dialect, body: &[u8]) -> bool {
    client == upstream && !Opaque::may_be_in(body)
}

/// Decodes the client's request and encodes it for a target. `system_prompt` is the key's own. `reply` comes with what is
/// known of the call.
///
/// # Errors
/// Where the body is not what its dialect says.
pub fn translate(
    client: Endpoint,
    upstream: Dialect,
    said: Said<'_>,
    system_prompt: Option<&str>,
    target: &Target<'_>,
    mut reply: Reply,
) -> Result<Translated, InvalidBody> {
    let Said { body, in_path, history } = said;
    let caller = client.dialect();
    let mut losses = Losses::default();
    let mut request = match client {
        Endpoint::Completions => completions::request::decode(body, target.answer, &mut losses)?,
        _ => decode(client.dialect(), body, in_path)?,
    };
    if let Some(answer) = target.answer {
        request.settings.n = None;
        // With one seed all would say the same.
        let seed = request.settings.seed.as_ref().and_then(serde_json::Number::as_i64);
        let own = seed.zip(i64::try_from(answer).ok()).map(|(seed, answer)| seed.wrapping_add(answer).into());
        request.settings.seed = own.or(request.settings.seed);
    }
    if let Some(history) = history {
        history.put_before(&mut request);
        reply.is_continued = history.previous().is_some();
    }
    if caller != upstream {
        fit(&mut request, target);
    }
    if caller == Dialect::Messages && upstream != Dialect::Messages {
        messages::request::strip_attribution(&mut request.instructions);
    }
    if let Some(prompt) = system_prompt {
        request.instructions.insert(0, Block::text(prompt));
    }
    if caller == Dialect::Responses && upstream != Dialect::Responses {
        // What was said before is no parameter that could be left out.
        if request.extras.get("conversation").is_some_and(|conversation| !conversation.is_null()) {
            let message = "`conversation` is known to OpenAI alone: with this model go on by `previous_response_id`, or send \
                 what was said as `input`";
            return Err(InvalidBody { field: Some("conversation".into()), message: message.into() });
        }
        reply.namespaces = responses::request::open_namespaces(&mut request);
        // Which item it was and that it was whole: every client sends it along, and nobody else could use it.
        for message in &mut request.messages {
            message.extras.retain(|name, _| name != "id" && name != "status");
        }
    }
    let knows_custom = match upstream {
        Dialect::Responses => true,
        Dialect::Chat => target.is_openai || caller == Dialect::Chat,
        Dialect::Messages | Dialect::Gemini | Dialect::Converse => false,
    };
    if !knows_custom {
        let custom = request.tools.iter().filter(|tool| matches!(tool.kind, ToolKind::Custom { .. }));
        reply.custom_tools.extend(custom.filter_map(|tool| tool.name().map(str::to_owned)));
    }
    reply.include_usage = request.include_usage;
    reply.is_array = in_path.is_array;
    if client == Endpoint::Responses {
        // What an answer repeats is small; the input, which may be large, is not among it.
        let mut own: serde_json::Map<_, _> = serde_json::from_slice(body).unwrap_or_default();
        own.shift_remove("input");
        reply.request = own;
        // The gateway stores the answer, so for this an upstream is needed only where it would otherwise do so, too.
        request.settings.store = request.settings.store.filter(|_| upstream == Dialect::Responses);
    }
    let body = encode(upstream, request, target, &mut losses);
    let mut dropped = names(caller, &losses);
    // OpenAI has two names for it.
    if matches!(caller, Dialect::Chat | Dialect::Responses)
        && let Some(name) =
            dropped.iter_mut().find(|name| ["user", "safety_identifier"].contains(&name.as_str()))
    {
        let older = json::peek(said.body, &["user"]).ok().and_then(|object| object.fields[0]);
        let is_older = older.is_some_and(|user| !user.is_null());
        *name = if is_older { "user" } else { "safety_identifier" }.to_owned();
    }
    let exchange =
        Exchange { client, upstream, reply: Some(reply), hides_usage: false, is_array: in_path.is_array };
    Ok(Translated { body, dropped, exchange })
}

/// Decodes a request of any dialect.
///
/// # Errors
/// Where the body is not what its dialect says.
pub fn decode(dialect: Dialect, body: &[u8], in_path: &InPath) -> Result<Request, InvalidBody> {
    match dialect {
        Dialect::Chat => chat::request::decode(body),
        Dialect::Responses => responses::request::decode(body),
        // No client speaks Converse, which is Messages in other words.
        Dialect::Messages | Dialect::Converse => messages::request::decode(body),
        Dialect::Gemini => gemini::request::decode(body, &in_path.model, in_path.stream),
    }
}

/// What every other dialect's provider would stumble over: instructions that say nothing, and more output than the model can
/// write (Claude Code asks for what Claude can), which is refused rather than cut.
fn fit(request: &mut Request, target: &Target<'_>) {
    request
        .instructions
        .retain(|block| !matches!(&block.content, Content::Text(text) if text.text.is_empty()));
    if let (Some(asked), Some(most)) = (request.settings.max_output_tokens, target.max_output_tokens) {
        request.settings.max_output_tokens = Some(asked.min(most));
    }
}

/// What says something of an answer's envelope only: that it cannot be carried is no loss to anybody.
fn forget(response: &mut Response) {
    response.extras.clear();
    for choice in &mut response.choices {
        choice.extras.retain(|_, value| !is_nothing(value));
        for block in &mut choice.content {
            block.extras.retain(|name, value| {
                // `index`: which of a message's calls it is; `closed`: Mistral's thinking is whole.
                !["id", "status", "item", "index", "closed"].contains(&name.as_str()) && !is_nothing(value)
            });
        }
    }
}

/// `null`, `[]`, or an object of those (Chat's message without annotations).
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        _ => false,
    }
}

fn encode(dialect: Dialect, request: Request, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    match dialect {
        Dialect::Chat => chat::request::encode(request, target, losses),
        Dialect::Responses => responses::request::encode(request, target, losses),
        Dialect::Messages => messages::request::encode(request, target, losses),
        Dialect::Gemini => gemini::request::encode(request, target, losses),
        Dialect::Converse => converse::request::encode(request, target, losses),
    }
}

/// What was lost, in the client's words: what encoders say of messages stands elsewhere in two of the dialects.
fn names(client: Dialect, losses: &Losses) -> Vec<String> {
    let (name_of, content, messages): (fn(Field) -> &'static str, _, _) = match client {
        Dialect::Chat => return losses.names(chat::request::name_of),
        Dialect::Messages | Dialect::Converse => return losses.names(messages::request::name_of),
        Dialect::Responses => (responses::request::name_of, "input.content", "input"),
        Dialect::Gemini => (gemini::request::name_of, "contents.parts", "contents"),
    };
    let own = |path: String| match (path.strip_prefix("messages.content."), path.strip_prefix("messages.")) {
        (Some(rest), _) => format!("{content}.{rest}"),
        (None, Some(rest)) => format!("{messages}.{rest}"),
        (None, None) => path,
    };
    losses.names(name_of).into_iter().map(own).collect()
}

impl Exchange {
    /// Both speak the same.
    #[must_use]
    pub fn same(endpoint: Endpoint, hides_usage: bool, is_array: bool) -> Exchange {
        Exchange { client: endpoint, upstream: endpoint.dialect(), reply: None, hides_usage, is_array }
    }

    /// What the body of a 200 says.
    ///
    /// # Errors
    /// Where it is no answer at all.
    pub fn read(&self, body: &[u8]) -> Result<Answer, JsonError> {
        if self.reply.is_none() && !self.client.is_conversation() {
            return passthrough::answer::read(self.client, body);
        }
        match self.upstream {
            Dialect::Chat => chat::response::read(body),
            Dialect::Responses => responses::response::read(body),
            Dialect::Messages => messages::response::read(body),
            Dialect::Gemini => gemini::response::read(body),
            Dialect::Converse => converse::response::read(body),
        }
    }

    /// The answer in the client's words; `None`: as it came.
    ///
    /// # Errors
    /// Where it is no answer at all.
    pub fn answer(&self, body: &[u8]) -> Result<Option<Answered>, InvalidBody> {
        let Some(reply) = &self.reply else { return Ok(None) };
        let mut response = match self.upstream {
            Dialect::Chat => chat::response::decode(body),
            Dialect::Responses => responses::response::decode(body),
            Dialect::Messages => messages::response::decode(body),
            Dialect::Gemini => gemini::response::decode(body),
            Dialect::Converse => converse::response::decode(body),
        }?;
        if self.client.dialect() != self.upstream {
            forget(&mut response);
        }
        let mut losses = Losses::default();
        let body = match self.client.dialect() {
            _ if self.client == Endpoint::Completions => completions::response::encode(response, reply),
            Dialect::Chat => chat::response::encode(response, reply, &mut losses),
            Dialect::Responses => responses::response::encode(response, reply, &mut losses),
            Dialect::Messages | Dialect::Converse => messages::response::encode(response, reply, &mut losses),
            Dialect::Gemini => gemini::response::encode(response, reply, &mut losses),
        };
        Ok(Some(Answered { body, dropped: names(self.client.dialect(), &losses) }))
    }

    /// Whether what comes may be anything at all, bytes of sound or text, which go on as they come.
    #[must_use]
    pub fn may_be_bytes(&self) -> bool {
        self.reply.is_none() && !self.client.is_conversation() && self.client != Endpoint::Completions
    }

    /// Whether the upstream speaks another dialect than the client, so that its refusals must be put in other words, too.
    #[must_use]
    pub fn translates(&self) -> bool {
        self.reply.is_some()
    }

    /// The `content-type` of a stream.
    #[must_use]
    pub fn stream_type(&self) -> &'static str {
        if self.is_array { "application/json; charset=utf-8" } else { "text/event-stream; charset=utf-8" }
    }

    /// What keeps a quiet stream open: an event where the dialect has one for it, else what clients pass over.
    #[must_use]
    pub fn keep_alive(&self) -> &'static [u8] {
        match self.client.dialect() {
            Dialect::Messages => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
            Dialect::Gemini if self.is_array => b"\n",
            _ => sse::KEEP_ALIVE,
        }
    }

    /// An answer that is no stream, for a client that reads one already: the error that a refusal's body tells, in an event.
    #[must_use]
    pub fn refusal(&self, status: u16, body: &[u8]) -> Vec<u8> {
        let error = if status < 400 {
            let message = "the provider did not answer in events".to_owned();
            StreamError { status: Some(502), code: Some("upstream_error".into()), message }
        } else {
            let UpstreamError { message, code, .. } = read_error(body);
            StreamError { status: Some(status), code, message }
        };
        let mut out = Vec::new();
        self.watch().error(&error, &mut out);
        out
    }

    /// What looks at each event of the upstream's stream.
    #[must_use]
    pub fn watch(&self) -> Box<dyn Watch> {
        let Some(reply) = &self.reply else {
            return match self.client {
                Endpoint::ChatCompletions | Endpoint::Completions => {
                    Box::new(chat::stream::Watch::new(self.hides_usage))
                }
                Endpoint::Responses => Box::new(responses::stream::Watch::default()),
                Endpoint::Messages => Box::new(messages::stream::Watch::default()),
                Endpoint::GenerateContent => Box::new(gemini::stream::Watch::new(self.is_array)),
                other => Box::new(passthrough::stream::Watch::new(other)),
            };
        };
        let decoder: Box<dyn Decode> = match self.upstream {
            Dialect::Chat => Box::new(chat::stream::Decoder::default()),
            Dialect::Responses => Box::new(responses::stream::Decoder::default()),
            Dialect::Messages | Dialect::Converse => Box::new(messages::stream::Decoder::default()),
            Dialect::Gemini => Box::new(gemini::stream::Decoder::default()),
        };
        let reply = reply.clone();
        let encoder: Box<dyn Encode> = match self.client.dialect() {
            _ if self.client == Endpoint::Completions => Box::new(completions::stream::Encoder::new(reply)),
            Dialect::Chat => Box::new(chat::stream::Encoder::new(reply)),
            Dialect::Responses => Box::new(responses::stream::Encoder::new(reply)),
            Dialect::Messages | Dialect::Converse => Box::new(messages::stream::Encoder::new(reply)),
            Dialect::Gemini => Box::new(gemini::stream::Encoder::new(reply)),
        };
        let frames = (self.upstream == Dialect::Converse).then(converse::stream::Events::default);
        let output = Output { encoder, seen: Seen::default(), has_ended: false };
        Box::new(Interpreter { client: self.client.dialect(), frames, decoder, output })
    }
}

/// A stream from one dialect into another.
struct Interpreter {
    client: Dialect,
    /// Where the stream is binary (Converse).
    frames: Option<converse::stream::Events>,
    decoder: Box<dyn Decode>,
    output: Output,
}

struct Output {
    encoder: Box<dyn Encode>,
    seen: Seen,
    has_ended: bool,
}

impl Watch for Interpreter {
    fn unframe(&mut self, chunk: &[u8]) -> Option<Vec<u8>> {
        self.frames.as_mut().map(|frames| frames.push(chunk))
    }

    fn observe(&mut self, frame: &[u8]) -> Verdict {
        let mut out = Vec::new();
        let output = &mut self.output;
        let Some(event) = sse::parse(frame) else {
            // An upstream may answer a stream with a bare error object; anything else without data says nothing.
            if frame.trim_ascii().starts_with(b"{") {
                let UpstreamError { message, code, status } = read_error(frame.trim_ascii());
                output.pass(Event::Error(StreamError { status, code, message }), &mut out);
            }
            return if out.is_empty() { Verdict::Drop } else { Verdict::Replace(out) };
        };
        self.decoder.event(&event, &mut |event| output.pass(event, &mut out));
        if out.is_empty() { Verdict::Drop } else { Verdict::Replace(out) }
    }

    fn seen(&self) -> &Seen {
        &self.output.seen
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> End {
        let output = &mut self.output;
        self.decoder.finish(&mut |event| output.pass(event, out));
        match &output.seen {
            Seen { failure: Some(_), .. } => End::Failed,
            _ if output.has_ended => End::Complete,
            Seen { has_content: false, .. } => End::Empty,
            _ => End::CutShort,
        }
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        self.output.encoder.error(error, out);
    }

    fn dropped(&self) -> Vec<String> {
        self.output.encoder.losses().map(|losses| names(self.client, losses)).unwrap_or_default()
    }

    fn take_answer(&mut self) -> Option<Vec<u8>> {
        self.output.encoder.take_answer()
    }
}

impl Output {
    /// Notes what an event says and writes it for the client.
    fn pass(&mut self, event: Event, out: &mut Vec<u8>) {
        if self.has_ended || self.seen.failure.is_some() {
            return;
        }
        match &event {
            Event::Delta { delta: Delta::Text(text) | Delta::Arguments(text), .. } => {
                self.seen.output.add_text(text.as_bytes());
                self.seen.has_content = true;
            }
            Event::Open { opening, .. } => {
                if let Opening::ToolCall { name, .. } = opening {
                    self.seen.output.add_text(name.as_bytes());
                }
                let says_something =
                    !matches!(opening, Opening::Text | Opening::Thinking { .. } | Opening::Refusal);
                self.seen.has_content |= says_something;
            }
            // A model that could not go on and has said nothing: another one may.
            Event::Stop { reason: StopReason::Failed, .. } if !self.seen.has_content => {
                let message = "the model could not answer".to_owned();
                let error = UpstreamError { message, ..UpstreamError::default() };
                self.seen.failure = Some(Failure { error, is_after_content: false });
                return;
            }
            Event::Stop { .. } => self.seen.has_content = true,
            Event::Usage(usage) => self.seen.usage = Some(Reported { usage: *usage, cost: None }),
            Event::End => {
                self.has_ended = true;
                self.seen.is_done = true;
            }
            Event::Error(error) => {
                let is_after_content = self.seen.has_content;
                let said = UpstreamError {
                    message: error.message.clone(),
                    code: error.code.clone(),
                    status: error.status,
                };
                self.seen.failure = Some(Failure { error: said, is_after_content });
                if is_after_content {
                    self.encoder.error(error, out);
                }
                return;
            }
            Event::Start { .. } | Event::Delta { .. } | Event::Close { .. } | Event::Logprobs { .. } => {}
        }
        self.encoder.event(event, out);
    }
}
