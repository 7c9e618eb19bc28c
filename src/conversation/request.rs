//! What is asked of a model.

use super::block::Block;
use super::reasoning::Reasoning;
use super::tool::{Tool, ToolChoice};
use super::{Dialect, Extras};
use serde_json::{Number, Value};
use std::collections::BTreeMap;

/// A request, from any dialect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The dialect that this was decoded from: whose [`Extras`] these are.
    pub dialect: Dialect,
    /// The model as the client named it. Gemini's is in the path of the request, so its decoder is given it.
    pub model: String,
    /// An answer in events is asked for. Gemini's is in the path, too.
    pub stream: bool,
    /// The client wants usage at the end of a stream; always true where its dialect always sends it.
    pub include_usage: bool,
    /// The prompt that stands outside of the messages: `instructions`, `system`, `systemInstruction`. Text blocks. Chat has no
    /// such place: its system messages are [`Role::System`] and [`Role::Developer`] messages.
    pub instructions: Vec<Block>,
    /// What was said, in order.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether and what it must call; `None` where nothing is said, which is [`ToolChoice::Auto`] everywhere.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several tools at once; `None` where nothing is said, which is yes everywhere.
    pub parallel_tool_calls: Option<bool>,
    /// How it is to answer.
    pub settings: Settings,
    /// The rest of the body.
    pub extras: Extras,
}

/// One message.
///
/// A message is what one element of the dialect's list says: of Responses, where tool calls and reasoning are items beside
/// the messages, each item is a message of one block. Chat's `tool` message is a [`Role::User`] message of one
/// [`super::ToolResult`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: Vec<Block>,
    /// Who of several users or assistants it was (Chat's `name`).
    pub name: Option<String>,
    /// The rest of the message.
    pub extras: Extras,
}

/// Who said something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The one who set the model up.
    System,
    /// The same, as OpenAI's newer models call it.
    Developer,
    /// The one who asks; also what tools answered.
    #[default]
    User,
    /// The model.
    Assistant,
}

/// How the model is to answer. Numbers stay as they were written: 0.7 must not become 0.699999988.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The most tokens to write, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// 0 to 2 (Messages: 0 to 1).
    pub temperature: Option<Number>,
    /// Nucleus sampling.
    pub top_p: Option<Number>,
    /// Only so many likeliest tokens.
    pub top_k: Option<Number>,
    /// −2 to 2.
    pub frequency_penalty: Option<Number>,
    /// −2 to 2.
    pub presence_penalty: Option<Number>,
    /// For the same answer again.
    pub seed: Option<Number>,
    /// Texts at which to stop.
    pub stop: Vec<String>,
    /// How many answers; `None` is one.
    pub n: Option<u64>,
    /// Log probabilities are wanted.
    pub logprobs: Option<bool>,
    /// Of so many likeliest tokens at each place.
    pub top_logprobs: Option<u64>,
    /// What the text must look like; `None` is plain text.
    pub format: Option<Format>,
    /// `low`, `medium`, `high`: how long an answer should be.
    pub verbosity: Option<String>,
    /// How much to think before.
    pub reasoning: Option<Reasoning>,
    /// Pairs that the provider stores with the call.
    pub metadata: BTreeMap<String, String>,
    /// An id of the end user (`user`, `safety_identifier`, `metadata.user_id`).
    pub user: Option<String>,
    /// As the dialect names it: `auto`, `default`, `flex`, `priority`, `standard_only`.
    pub service_tier: Option<String>,
    /// Calls that share a long beginning name it.
    pub prompt_cache_key: Option<String>,
    /// The provider is to store the answer.
    pub store: Option<bool>,
    /// The answer is to hold the provider's reasoning state (Responses' `include: ["reasoning.encrypted_content"]`). Other
    /// dialects always give theirs, so it is no loss for them.
    pub reasoning_state: Option<bool>,
}

/// What the text of an answer must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// Any text; said outright.
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema {
        /// The schema's name; dialects that require one get `response` where none was given.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// JSON Schema, as the client wrote it.
        schema: Value,
        /// Whether the schema must hold exactly.
        strict: Option<bool>,
    },
}
