//! Names of functions that Gemini does not accept, written so that they can be read back.
//!
//! A name is letters, digits, `_`, `.`, `:` and `-`, begins with a letter or `_`, and has at most 128 characters
//! (`FunctionDeclaration.name` of the API reference; the service also refuses a first digit). The dialects of other clients
//! allow a little more. What comes back needs no table: a name that was changed says so.

use std::borrow::Cow;

/// What a changed name begins with; in it, `-` and two hexadecimal digits stand for a byte that is not allowed.
const CHANGED: &str = "ew_";
/// The most characters that Gemini takes.
const LONGEST: usize = 128;

/// The name as Gemini takes it. One of more than 128 characters, which no other dialect allows, is cut.
pub(super) fn fit(name: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins_well && name.len() <= LONGEST && name.bytes().all(is_plain) && !name.starts_with(CHANGED) {
        return Cow::Borrowed(name);
    }
    let mut changed = CHANGED.to_owned();
    for byte in name.bytes() {
        if byte != b'-' && is_plain(byte) {
            changed.push(char::from(byte));
        } else {
            changed.push_str(&format!("-{byte:02x}"));
        }
    }
    changed.truncate(LONGEST);
    Cow::Owned(changed)
}

/// The name that was fitted.
pub(super) fn restore(name: &str) -> Cow<'_, str> {
    let original = name.strip_prefix(CHANGED).and_then(|changed| {
        let mut bytes = Vec::with_capacity(changed.len());
        let mut rest = changed.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(if byte == b'-' { hexadecimal(rest.next()?, rest.next()?)? } else { byte });
        }
        String::from_utf8(bytes).ok()
    });
    original.map_or(Cow::Borrowed(name), Cow::Owned)
}

/// The byte that two hexadecimal digits stand for.
fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? << 4) | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_name_fits_and_comes_back(name in ".{1,10}") {
            let fitted = fit(&name);
            prop_assert!(fitted.len() <= LONGEST && !fitted.starts_with(|first: char| first.is_ascii_digit()));
            prop_assert!(fitted.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)));
            prop_assert_eq!(restore(&fitted), name.as_str());
        }
    }

    #[test]
    fn names_that_are_allowed_stay() {
        for name in ["weather", "_x", "mcp__a-b.c:d", "get_weather-2"] {
            assert_eq!(fit(name), name);
        }
        assert_eq!(fit("1/2"), "ew_1-2f2");
        assert_eq!(fit("ew_x"), "ew_ew_x");
        assert_eq!(restore("ew_not-zz"), "ew_not-zz");
    }
}
