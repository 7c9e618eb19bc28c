//! How much a model is to think, in words or in tokens, and what may be read of it.

/// How much to think.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// In words: `reasoning_effort`, `reasoning.effort`, `output_config.effort`, `thinkingLevel`.
    pub effort: Option<Effort>,
    /// In tokens: `thinking.budget_tokens`, `thinkingBudget`; 0 is not at all.
    pub budget: Option<u64>,
    /// The model decides itself (`thinking.type: adaptive`, `thinkingBudget: -1`).
    pub is_adaptive: bool,
    /// Whether what was thought is to be shown (`includeThoughts`, Messages' `display`); `None` where nothing is said.
    pub is_shown: Option<bool>,
    /// Responses' `summary`: `auto`, `concise`, `detailed`.
    pub summary: Option<String>,
}

/// How much to think, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// As usual.
    Medium,
    /// Much.
    High,
    /// More (`xhigh`).
    ExtraHigh,
    /// As much as there is.
    Max,
}

/// What may be read of a thought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thought {
    /// Its paragraphs: parts of a summary, or one text.
    pub texts: Vec<String>,
    /// It is OpenAI's summary of a thought rather than the thought.
    pub is_summary: bool,
}

impl Thought {
    /// A thought in one piece.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Thought {
        Thought { texts: vec![text.into()], is_summary: false }
    }

    /// All of it, for a dialect that has one text.
    #[must_use]
    pub fn joined(&self) -> String {
        self.texts.join("\n\n")
    }

    /// Nothing can be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.iter().all(String::is_empty)
    }
}

impl Effort {
    /// Each with its name, as OpenAI has it.
    const NAMES: [(Effort, &'static str); 7] = [
        (Effort::None, "none"),
        (Effort::Minimal, "minimal"),
        (Effort::Low, "low"),
        (Effort::Medium, "medium"),
        (Effort::High, "high"),
        (Effort::ExtraHigh, "xhigh"),
        (Effort::Max, "max"),
    ];

    /// The effort of this name, whatever its case (Gemini writes it in capitals).
    #[must_use]
    pub fn parse(name: &str) -> Option<Effort> {
        let found = Effort::NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        found.map(|(effort, _)| *effort)
    }

    /// Its name, as OpenAI has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Effort::NAMES.iter().find(|(effort, _)| *effort == self).map_or("medium", |(_, name)| name)
    }

    /// So many tokens: Google's own table for `reasoning_effort`
    /// (<https://ai.google.dev/gemini-api/docs/openai#thinking>), continued upwards.
    #[must_use]
    pub fn budget(self) -> u64 {
        match self {
            Effort::None => 0,
            Effort::Minimal | Effort::Low => 1_024,
            Effort::Medium => 8_192,
            Effort::High => 24_576,
            Effort::ExtraHigh | Effort::Max => 32_768,
        }
    }

    /// The word for so many tokens: the smallest effort whose budget is enough.
    #[must_use]
    pub fn of_budget(tokens: u64) -> Effort {
        [Effort::None, Effort::Low, Effort::Medium, Effort::High]
            .into_iter()
            .find(|effort| tokens <= effort.budget())
            .unwrap_or(Effort::ExtraHigh)
    }
}

impl Reasoning {
    /// The effort asked for, in words, however it was said; `None` where it is left to the model.
    #[must_use]
    pub fn in_words(&self) -> Option<Effort> {
        self.effort.or(self.budget.map(Effort::of_budget))
    }

    /// The effort asked for, in tokens, however it was said; `None` where it is left to the model.
    #[must_use]
    pub fn in_tokens(&self) -> Option<u64> {
        self.budget.or(self.effort.map(Effort::budget))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_tokens_say_the_same() {
        for (effort, name) in Effort::NAMES {
            assert_eq!(Effort::parse(name), Some(effort));
            assert_eq!(Effort::parse(&name.to_uppercase()), Some(effort));
        }
        for (tokens, effort) in [
            (0, Effort::None),
            (512, Effort::Low),
            (1_024, Effort::Low),
            (2_000, Effort::Medium),
            (10_000, Effort::High),
            (64_000, Effort::ExtraHigh),
        ] {
            assert_eq!(Effort::of_budget(tokens), effort, "{tokens}");
        }
    }
}
