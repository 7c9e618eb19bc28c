//! A provider's reasoning state, on its way through a client that speaks another dialect.
//!
//! Thinking models sign what they thought (Anthropic's `signature`, Gemini's `thoughtSignature`, OpenAI's
//! `encrypted_content`) and want it back unchanged on the next turn; another provider refuses it. A client carries it as the
//! state of its own dialect. So that the gateway knows on the next turn whose state comes back, foreign state travels in
//! a carrier: a marker, the dialect it belongs to, whether it stands alone, a check sum, and the state, all in base64, which
//! every dialect's field allows. State of the client's own dialect travels as it is.
//!
//! ```
//! use edgeway::conversation::{Dialect, Opaque};
//!
//! let state = Opaque::new(Dialect::Messages, "ErUBCkYIAxgC…");
//! assert_eq!(state.carried_by(Dialect::Messages), "ErUBCkYIAxgC…");
//! let carrier = state.carried_by(Dialect::Gemini).into_owned();
//! assert_eq!(Opaque::carried(Dialect::Gemini, &carrier), Some(state));
//! assert_eq!(Opaque::carried(Dialect::Gemini, &carrier[..carrier.len() - 4]), None, "it was cut");
//! ```

use super::Dialect;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What every carrier begins with: six bytes, so that its base64 is the same whatever follows.
const MARKER: &[u8] = b"edgew1";
/// The marker in base64: what every carrier begins with.
pub const MARKER_TEXT: &str = "ZWRnZXcx";

/// State that only the provider understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// The dialect of the provider that made it.
    pub origin: Dialect,
    /// As the provider wrote it.
    pub data: String,
    /// It was attached to the block that follows, in a dialect whose blocks have no place for it: a decoder that meets such
    /// a thought puts it into the next block's [`super::Block::signature`].
    pub is_attached: bool,
}

impl Opaque {
    /// State of a thought.
    #[must_use]
    pub fn new(origin: Dialect, data: impl Into<String>) -> Opaque {
        Opaque { origin, data: data.into(), is_attached: false }
    }

    /// The state, to be sent to a provider of this dialect; `None` where it is another's, which would refuse it.
    #[must_use]
    pub fn for_provider(&self, dialect: Dialect) -> Option<&str> {
        (self.origin == dialect).then_some(self.data.as_str())
    }

    /// What a client of this dialect is given to carry.
    #[must_use]
    pub fn carried_by(&self, client: Dialect) -> Cow<'_, str> {
        if self.origin == client && !self.is_attached {
            return Cow::Borrowed(&self.data);
        }
        let mut bytes = MARKER.to_vec();
        bytes.push(letter(self.origin));
        bytes.push(if self.is_attached { b'+' } else { b'.' });
        bytes.extend_from_slice(&check_sum(self.data.as_bytes()));
        bytes.extend_from_slice(self.data.as_bytes());
        Cow::Owned(STANDARD.encode(bytes))
    }

    /// What a client of this dialect brought back; `None` for a carrier that is not whole any more.
    #[must_use]
    pub fn carried(client: Dialect, text: &str) -> Option<Opaque> {
        if !text.starts_with(MARKER_TEXT) {
            return Some(Opaque::new(client, text));
        }
        let bytes = STANDARD.decode(text).ok()?;
        let (head, data) = bytes.strip_prefix(MARKER)?.split_at_checked(6)?;
        let ([origin, attached], sum) = head.split_first_chunk::<2>()?;
        let origin = Dialect::ALL.into_iter().find(|dialect| letter(*dialect) == *origin)?;
        let data = String::from_utf8(data.to_vec()).ok()?;
        (check_sum(data.as_bytes()) == *sum).then_some(Opaque {
            origin,
            data,
            is_attached: *attached == b'+',
        })
    }

    /// Whether there may be a carrier in this body: then its bytes must not go to a provider as they are.
    #[must_use]
    pub fn may_be_in(body: &[u8]) -> bool {
        // Of every body that passes this is asked.
        static FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(MARKER_TEXT));
        FINDER.find(body).is_some()
    }
}

fn letter(dialect: Dialect) -> u8 {
    match dialect {
        Dialect::Chat => b'c',
        Dialect::Responses => b'r',
        // What a Claude on Bedrock signs is Anthropic's own state.
        Dialect::Messages | Dialect::Converse => b'm',
        Dialect::Gemini => b'g',
    }
}

/// FNV-1a: a client may cut or mix up what it carries; a forger only deceives the provider, which checks for itself.
fn check_sum(data: &[u8]) -> [u8; 4] {
    let step = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    data.iter().fold(0x811c_9dc5, step).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_state_comes_back(data in ".{0,200}", is_attached: bool, origin in 0..4usize, client in 0..4usize) {
            prop_assume!(!data.starts_with(MARKER_TEXT));
            let (origin, client) = (Dialect::ALL[origin], Dialect::ALL[client]);
            let state = Opaque { origin, data, is_attached };
            let carrier = state.carried_by(client).into_owned();
            prop_assert_eq!(Opaque::carried(client, &carrier), Some(state.clone()));
            let is_own = origin == client && !is_attached;
            prop_assert!(is_own || Opaque::may_be_in(carrier.as_bytes()));
        }
    }

    #[test]
    fn a_carrier_that_was_tampered_with_is_nothing() {
        let carrier = Opaque::new(Dialect::Gemini, "state").carried_by(Dialect::Messages).into_owned();
        let mut tampered = carrier.clone().into_bytes();
        tampered[20] = if tampered[20] == b'A' { b'B' } else { b'A' };
        let (tampered, cut) = (String::from_utf8(tampered).unwrap(), carrier.split_at(12).0);
        for text in [tampered.as_str(), cut, MARKER_TEXT] {
            assert_eq!(Opaque::carried(Dialect::Messages, text), None, "{text}");
        }
    }
}
