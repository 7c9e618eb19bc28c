//! What a model may call.

use super::Extras;
use super::block::CacheBreakpoint;
use serde_json::Value;

/// A tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// What kind of tool.
    pub kind: ToolKind,
    /// All tools up to here may be cached by the provider.
    pub cache: Option<CacheBreakpoint>,
    /// The rest of the tool.
    pub extras: Extras,
}

/// What kind of tool it is.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolKind {
    /// A function of the client's.
    Function {
        /// What the model calls it by.
        name: String,
        /// What it does.
        description: Option<String>,
        /// JSON Schema of its arguments, as the client wrote it; `None` where it takes none.
        parameters: Option<Value>,
        /// Arguments must match the schema exactly.
        strict: Option<bool>,
    },
    /// A tool of the client's that takes plain text (OpenAI). To a dialect without such tools it is a function of one
    /// string, `input`, and its calls come back as calls of a custom tool.
    Custom {
        /// What the model calls it by.
        name: String,
        /// What it does.
        description: Option<String>,
        /// OpenAI's `format`: plain text or a grammar.
        format: Option<Value>,
    },
    /// A tool that the provider runs itself.
    Native {
        /// What it is, where other dialects have it, too.
        kind: Option<NativeKind>,
        /// As the dialect wrote it, whole.
        value: Value,
    },
}

/// Tools of providers that more than one dialect has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeKind {
    /// Search of the web: `web_search`, `web_search_20250305`, `googleSearch`, Chat's `web_search_options`.
    WebSearch,
    /// Code that runs at the provider: `code_interpreter`, `code_execution_*`, `codeExecution`.
    CodeExecution,
    /// Fetching of a page: `web_fetch_*`, `urlContext`.
    WebFetch,
}

/// Whether and what a model must call.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// Some tool (`required`, `any`, `ANY`).
    Required,
    /// None.
    None,
    /// This function, or custom tool.
    Named(String),
    /// Of these only.
    Allowed {
        /// Names of functions.
        names: Vec<String>,
        /// One of them must be called.
        is_required: bool,
    },
    /// A choice that only this dialect has (a provider's own tool), as it was written.
    Native(Value),
}

impl Tool {
    /// A tool of this kind and nothing else.
    #[must_use]
    pub fn new(kind: ToolKind) -> Tool {
        Tool { kind, cache: None, extras: Extras::new() }
    }

    /// What the model calls it by; `None` for a provider's own.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            ToolKind::Function { name, .. } | ToolKind::Custom { name, .. } => Some(name),
            ToolKind::Native { .. } => None,
        }
    }
}
