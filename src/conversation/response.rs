//! What a model answered.

use super::block::Block;
use super::{Dialect, Extras};
use crate::usage::Usage;
use serde_json::Value;

/// A whole answer, from any dialect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// The dialect that this was decoded from: whose [`Extras`] these are.
    pub dialect: Dialect,
    /// The provider's id of it; empty where it has none.
    pub id: String,
    /// The model that answered, as the provider names it; empty where it does not.
    pub model: String,
    /// When, in seconds since 1970.
    pub created: Option<i64>,
    /// The answers; one unless several were asked for.
    pub choices: Vec<Choice>,
    /// What was used; `None` where the provider does not say.
    pub usage: Option<Usage>,
    /// `usage` as the dialect wrote it: given back to the same dialect in place of the field above.
    pub original_usage: Option<Value>,
    /// The rest of the body.
    pub extras: Extras,
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// What the model said, in order: an assistant's blocks.
    pub content: Vec<Block>,
    /// Why it stopped; `None` where it has not.
    pub stop: Option<StopReason>,
    /// The stop reason as the dialect wrote it: given back to the same dialect in place of the field above.
    pub original_stop: Option<String>,
    /// Log probabilities of the tokens, as Chat writes them: `{"content":[{token, logprob, bytes, top_logprobs}]}`.
    pub logprobs: Option<Value>,
    /// The rest of the choice.
    pub extras: Extras,
}

/// Why a model stopped.
///
/// | | Chat `finish_reason` | Responses | Messages `stop_reason` | Gemini `finishReason` |
/// | --- | --- | --- | --- | --- |
/// | `End` | stop | completed | end_turn | STOP |
/// | `StopSequence` | stop | completed | stop_sequence | STOP |
/// | `MaxTokens` | length | incomplete: max_output_tokens | max_tokens, model_context_window_exceeded | MAX_TOKENS |
/// | `ToolUse` | tool_calls, function_call | completed | tool_use | STOP with function calls |
/// | `Refusal` | stop with `refusal` | completed with a refusal part | refusal | – |
/// | `ContentFilter` | content_filter | incomplete: content_filter | refusal | SAFETY, RECITATION, PROHIBITED_CONTENT, BLOCKLIST, SPII, … |
/// | `Pause` | stop | completed | pause_turn | STOP |
/// | `Failed` | – | failed | – | MALFORMED_FUNCTION_CALL, OTHER, … |
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It had said all.
    End,
    /// It came to one of the texts at which to stop; which, where the dialect says.
    StopSequence(Option<String>),
    /// It wrote as much as it might.
    MaxTokens,
    /// It waits for tools.
    ToolUse,
    /// It does not want to answer.
    Refusal,
    /// The provider does not let it answer.
    ContentFilter,
    /// The provider paused a long turn; the client sends it back to go on.
    Pause,
    /// It could not go on.
    Failed,
}

impl Response {
    /// The first answer, for dialects that have no other.
    #[must_use]
    pub fn first(&self) -> Option<&Choice> {
        self.choices.first()
    }
}
