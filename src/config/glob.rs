//! Globs over model names: `*` is any run of characters, `?` is one; case matters not.

/// Whether the whole of `name` matches `pattern`. Linear in `name` for each `*`, and never recursive.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(position) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, position));
                at += 1;
            }
            Some(b'?') => {
                at += 1;
                position += character_length(*byte);
            }
            Some(expected) if expected.eq_ignore_ascii_case(byte) => {
                at += 1;
                position += 1;
            }
            _ => {
                // Let the last star take one byte more, and try from there.
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                (at, position) = (after, taken + 1);
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// Whether any of the patterns matches.
#[must_use]
pub fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

fn character_length(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, expected) in [
            ("gpt-4o*", "gpt-4o-mini", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("*", "", true),
            ("*/claude-?", "anthropic/claude-3", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("GPT-*", "gpt-5", true),
            ("?", "é", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_its_own_prefix(name in "[a-z0-9./:-]{0,40}", cut in 0_usize..40) {
            prop_assert!(matches(&name, &name));
            let prefix: String = name.chars().take(cut).collect();
            let pattern = format!("{prefix}*");
            prop_assert!(matches(&pattern, &name));
        }

        #[test]
        fn no_pattern_panics_or_hangs(pattern in "[*?aé]{0,12}", name in "[aé]{0,30}") {
            let _ = matches(&pattern, &name);
        }
    }
}
