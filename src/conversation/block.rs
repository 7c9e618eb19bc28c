//! What a message is made of.

use super::Extras;
use super::opaque::Opaque;
use super::reasoning::Thought;
use serde_json::Value;

/// One piece of a message, and what is said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What it is.
    pub content: Content,
    /// All up to here may be cached by the provider.
    pub cache: Option<CacheBreakpoint>,
    /// Reasoning state that a provider attached to a block that is no thinking, and wants back with it (Gemini's
    /// `thoughtSignature` of a function call or a text). That of thinking is in [`Thinking`].
    pub signature: Option<Opaque>,
    /// The rest of the block.
    pub extras: Extras,
}

/// What a block is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Text.
    Text(Text),
    /// The model's refusal, where the dialect tells it apart from text.
    Refusal(String),
    /// A picture.
    Image(Media),
    /// A sound.
    Audio(Media),
    /// A film.
    Video(Media),
    /// A file: PDF, plain text.
    Document(Media),
    /// The model calls a tool.
    ToolCall(ToolCall),
    /// A tool has answered. Only in messages of the user.
    ToolResult(ToolResult),
    /// What the model thought. Only in messages of the assistant.
    Thinking(Thinking),
    /// A block that only this dialect has (a search by the provider itself and its result, code that ran there), whole, as
    /// it was written. For any other dialect it is a loss.
    Native(Value),
}

/// Text with what it rests on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Where it comes from.
    pub citations: Vec<Citation>,
}

/// Where a text comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Citation {
    /// A page.
    pub url: Option<String>,
    /// Its title, or the document's.
    pub title: Option<String>,
    /// What it says there.
    pub quote: Option<String>,
    /// First character of the text that rests on it, counted in the block's own text.
    pub start: Option<u64>,
    /// Behind its last character.
    pub end: Option<u64>,
    /// As the dialect wrote it: given back to the same dialect in place of the fields above.
    pub original: Option<Value>,
}

/// A picture, a sound, a film or a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// Where its bytes are.
    pub source: Source,
    /// `image/png`; `None` where nobody said. A decoder takes it out of a data URL.
    pub media_type: Option<String>,
    /// A file's name, a document's title.
    pub name: Option<String>,
    /// OpenAI's `detail`: `low`, `high`, `auto`.
    pub detail: Option<String>,
}

/// Where the bytes are. A data URL is [`Source::Data`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Here, in base64.
    Data(String),
    /// There.
    Url(String),
    /// At the provider, which gave it this id or address.
    File(String),
    /// Here, as plain text (Messages has documents of text).
    Text(String),
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolCall {
    /// Ties the result to it: see [`super::tool_call_id`].
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON text of an object, `{}` where it has no arguments; of a custom tool any text.
    pub arguments: String,
    /// It is a call of a custom tool, whose input is plain text.
    pub is_custom: bool,
}

/// What a tool answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// The call.
    pub id: String,
    /// The tool's name, where the dialect says it; [`super::turns`] fills it in from the call.
    pub name: Option<String>,
    /// Text, images, documents. A result that is a JSON object (Gemini) is one text block of that JSON.
    pub content: Vec<Block>,
    /// The tool failed; `None` where nothing is said.
    pub is_error: Option<bool>,
    /// It answers a custom tool.
    pub is_custom: bool,
}

/// What the model thought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thinking {
    /// What may be read of it; empty where nothing may.
    pub thought: Thought,
    /// The provider's own state, to be sent back to it unchanged.
    pub signature: Option<Opaque>,
    /// Nothing of it may be read (`redacted_thinking`); then there is a signature.
    pub is_redacted: bool,
    /// The item's id (Responses).
    pub id: Option<String>,
}

/// Up to where a provider may cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheBreakpoint {
    /// For an hour rather than for five minutes; `None` where nothing is said, which is five minutes.
    pub is_hour: Option<bool>,
}

impl Block {
    /// A block of this content and nothing else.
    #[must_use]
    pub fn new(content: Content) -> Block {
        Block { content, cache: None, signature: None, extras: Extras::new() }
    }

    /// A block of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Block {
        Block::new(Content::Text(Text { text: text.into(), citations: Vec::new() }))
    }
}

impl Media {
    /// What a data URL or any other URL points at.
    #[must_use]
    pub fn at(url: &str) -> Media {
        let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
        let (source, media_type) = match data {
            Some((head, data)) if head.ends_with(";base64") => {
                let media_type = head.split(';').next().filter(|kind| !kind.is_empty());
                (Source::Data(data.to_owned()), media_type.map(str::to_owned))
            }
            _ => (Source::Url(url.to_owned()), None),
        };
        Media { source, media_type, name: None, detail: None }
    }

    /// A URL of it, a data URL where the bytes are here; `None` for what only its provider can find.
    #[must_use]
    pub fn url(&self, unless_told: &str) -> Option<String> {
        match &self.source {
            Source::Data(data) => {
                let media_type = self.media_type.as_deref().unwrap_or(unless_told);
                Some(format!("data:{media_type};base64,{data}"))
            }
            Source::Url(url) => Some(url.clone()),
            Source::File(_) | Source::Text(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_url_is_taken_apart_and_put_together_again() {
        let media = Media::at("data:image/png;base64,AAAA");
        assert_eq!(media.source, Source::Data("AAAA".into()));
        assert_eq!(media.media_type.as_deref(), Some("image/png"));
        assert_eq!(media.url("image/jpeg").as_deref(), Some("data:image/png;base64,AAAA"));
        for url in ["https://a.test/x.png", "data:text/plain,hello"] {
            assert_eq!(Media::at(url).source, Source::Url(url.into()));
        }
    }
}
