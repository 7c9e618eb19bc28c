//! What the target of a translation cannot carry, said by the names that the client used.

use super::Extras;
use std::collections::BTreeSet;

/// Things of the hub that some dialect has no place for. Each dialect names those that its clients can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the fields of the same names in the hub say what they are")]
pub enum Field {
    Temperature,
    TopP,
    TopK,
    FrequencyPenalty,
    PresencePenalty,
    Seed,
    Stop,
    Choices,
    Logprobs,
    TopLogprobs,
    Format,
    FormatStrict,
    Verbosity,
    Reasoning,
    ReasoningSummary,
    Metadata,
    User,
    ServiceTier,
    PromptCacheKey,
    Store,
    ToolChoice,
    AllowedTools,
    ParallelToolCalls,
    ToolStrict,
    CacheBreakpoint,
    MessageName,
    Citations,
    Thinking,
    Signature,
    Image,
    ImageDetail,
    Audio,
    Video,
    Document,
    ToolResultImage,
    ToolResultError,
    /// A tool that only its provider runs.
    NativeTool,
    /// A block that only its provider's dialect has.
    NativeBlock,
    /// A keyword of a JSON Schema that the target's subset lacks.
    SchemaKeyword,
}

/// What was lost: names of hub fields, and paths of fields that only the client's dialect knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    fields: BTreeSet<Field>,
    paths: BTreeSet<String>,
}

impl Losses {
    /// This cannot be carried.
    pub fn note(&mut self, field: Field) {
        self.fields.insert(field);
    }

    /// This cannot be carried, if it is there.
    pub fn note_if(&mut self, is_there: bool, field: Field) {
        if is_there {
            self.note(field);
        }
    }

    /// None of these can: `place` is where they stand in the client's body (`""`, `messages.content`, `tools`).
    pub fn note_extras(&mut self, place: &str, extras: &Extras) {
        for name in extras.keys() {
            self.note_path(if place.is_empty() { name.clone() } else { format!("{place}.{name}") });
        }
    }

    /// The field at this path cannot.
    pub fn note_path(&mut self, path: impl Into<String>) {
        self.paths.insert(path.into());
    }

    /// Nothing was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.paths.is_empty()
    }

    /// Whether this was lost.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.fields.contains(&field)
    }

    /// All of it, each by the name that `name_of` has for a hub field, in a fixed order.
    pub fn names(&self, name_of: impl Fn(Field) -> &'static str) -> Vec<String> {
        let named = self.fields.iter().map(|field| name_of(*field).to_owned());
        named.chain(self.paths.iter().cloned()).collect()
    }
}
