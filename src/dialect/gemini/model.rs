//! What a model's name tells of what it understands.

/// A model, as far as requests to it differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// Gemini 3 or newer: thinking levels, signatures of calls required, media within function responses, functions
    /// beside Google's own tools.
    pub(super) is_3: bool,
    /// Gemini 2.5: thinking budgets.
    pub(super) is_2_5: bool,
    /// A `pro`, which always thinks.
    pub(super) is_pro: bool,
    /// `gemini-3-pro` itself, which has only the levels low and high.
    pub(super) is_first_pro: bool,
    /// A `flash-lite`.
    pub(super) is_lite: bool,
}

impl Model {
    /// The model of this name; `gemini-flash-latest` and its like are of the newest kind.
    pub(super) fn named(name: &str) -> Model {
        let name = name.rsplit('/').next().unwrap_or(name);
        let rest = name.strip_prefix("gemini-").unwrap_or_default();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let major: Option<u32> = rest.get(..digits).and_then(|digits| digits.parse().ok());
        Model {
            is_3: major.map_or(rest.ends_with("-latest"), |major| major >= 3),
            is_2_5: rest.starts_with("2.5"),
            is_pro: rest.contains("pro"),
            is_first_pro: rest.starts_with("3-pro"),
            is_lite: rest.contains("lite"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_generation() {
        for (name, is_3, is_2_5) in [
            ("gemini-3-pro-preview", true, false),
            ("models/gemini-3.5-flash", true, false),
            ("gemini-10-flash", true, false),
            ("gemini-flash-latest", true, false),
            ("gemini-2.5-pro", false, true),
            ("gemini-2.0-flash", false, false),
            ("gemma-3-27b-it", false, false),
            ("", false, false),
        ] {
            let model = Model::named(name);
            assert_eq!((model.is_3, model.is_2_5), (is_3, is_2_5), "{name}");
        }
    }
}
