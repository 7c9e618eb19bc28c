//! Ids of tool calls that a dialect does not accept, mapped one-to-one and back.
//!
//! Anthropic takes `^[a-zA-Z0-9_-]+$`, OpenAI at most 40 (Chat) or 64 (Responses) characters, while other providers send
//! `functions.search:0` or ids of hundreds of characters. An id that the reader would refuse is written so that it can be read back;
//! what comes back is restored before anything else sees it, so ids do not grow from turn to turn.
//!
//! ```
//! use edgeway::conversation::tool_call_id::{fit, restore};
//!
//! assert_eq!(fit("call_1", 40), "call_1");
//! let fitted = fit("functions.search:0", 40);
//! assert_eq!(restore(&fitted), "functions.search:0");
//! assert_eq!(fit(&restore(&fitted), 40), fitted);
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What an id that can be read back begins with.
const ENCODED: &str = "ew_";
/// What an id begins with that is too long for that. Both ends of a call have it in the same request, which is enough.
const HASHED: &str = "ewh_";

/// The most characters that every dialect takes.
pub const SHORTEST: usize = 40;

/// The id in letters, digits, `_` and `-`, at most `limit` characters (at least 32).
#[must_use]
pub fn fit(id: &str, limit: usize) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let is_ours = id.starts_with(ENCODED) || id.starts_with(HASHED);
    if !id.is_empty() && id.len() <= limit && id.bytes().all(is_plain) && !is_ours {
        return Cow::Borrowed(id);
    }
    let encoded = format!("{ENCODED}{}", URL_SAFE_NO_PAD.encode(id));
    if encoded.len() <= limit {
        return Cow::Owned(encoded);
    }
    let hash = Sha256::digest(id.as_bytes());
    let short = URL_SAFE_NO_PAD.encode(hash.get(..18).unwrap_or_default());
    Cow::Owned(format!("{HASHED}{short}"))
}

/// The id that was fitted.
#[must_use]
pub fn restore(id: &str) -> Cow<'_, str> {
    let original = id.strip_prefix(ENCODED).and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok());
    match original.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(original) => Cow::Owned(original),
        None => Cow::Borrowed(id),
    }
}

/// An id for a call to which its provider gave none (Gemini): the same for the same answer, so that a stream that is
/// replayed has the same ids. `answer` is the id of the answer, `index` counts its calls.
#[must_use]
pub fn make(answer: &str, index: usize) -> String {
    let hash = Sha256::digest(format!("{answer}/{index}").as_bytes());
    format!("call_{}", URL_SAFE_NO_PAD.encode(hash.get(..18).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn every_id_fits_and_short_ones_come_back(id in ".{0,80}") {
            let fitted = fit(&id, SHORTEST);
            prop_assert!(!fitted.is_empty() && fitted.len() <= SHORTEST);
            prop_assert!(fitted.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
            if fitted.starts_with(HASHED) {
                prop_assert_eq!(restore(&fitted), fitted.as_ref());
            } else {
                prop_assert_eq!(restore(&fitted), id.as_str());
            }
        }
    }

    #[test]
    fn made_ids_differ_and_fit() {
        let ids: BTreeSet<String> = (0..100).map(|index| make("answer", index)).collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.iter().all(|id| fit(id, SHORTEST) == id.as_str()));
    }
}
