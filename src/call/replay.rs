//! Calls that are made once and answered again with what the first of them got: those with an `Idempotency-Key`, and those that
//! the [`cache`] may answer.
//!
//! Calls of one key come to any isolate, so a row of D1 says whose turn it is: it is inserted once, by the call that goes
//! upstream. As long as that runs it renews its lease on the row; a call that was killed loses it, and the next one goes. An answer
//! that a retry should have again is kept for a day; any other gives the row up, so that a retry is a retry.

pub mod cache;
pub mod rows;

use crate::error::ApiError;
use crate::secret::hex;
use crate::store::Store;
use crate::time::Millis;
use sha2::{Digest, Sha256};

/// The longest key. Stripe's, after whom the header is modelled (<https://docs.stripe.com/api/idempotent_requests>).
const KEY: usize = 255;
/// An answer is kept so long.
pub const KEPT: Millis = Millis::DAY;
/// An answer of more bytes is not kept: it is in memory until it is stored.
pub const MAXIMUM: usize = 8 * 1024 * 1024;
/// A call whose lease was not renewed for so long was killed.
pub const LEASE: Millis = Millis(30_000);
/// How often it is renewed: two renewals may fail.
pub const RENEWAL: Millis = Millis(10_000);
/// A call waits for the one before it so long, and is then told to come again: by a status, so before a streamed call that waits
/// is answered without one (after 15 s, see `KEEP_ALIVE_MS`).
const PATIENCE: Millis = Millis(13_500);
/// Pauses between looks, the first and the longest.
const PAUSES: (i64, i64) = (50, 1_000);
/// When to come again, seconds.
const RETRY_AFTER: u64 = 2;

/// Headers of an answer that are its own, and not of the call that gets it.
pub const HEADERS: [&str; 6] = [
    "content-type",
    "cache-control",
    "x-edgeway-provider",
    "x-edgeway-model",
    "x-edgeway-attempts",
    "x-edgeway-dropped-params",
];

/// One call's claim to be the one that goes upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Of the row: the caller and its key, hashed.
    pub id: String,
    /// What is asked for, hashed.
    pub fingerprint: String,
    /// The form that came with it, hashed, once it is there: a file may still be on its way when the call goes upstream.
    pub form: Option<String>,
    /// The call.
    pub holder: String,
    /// An answer is kept so long.
    pub keeps: Millis,
    /// One that was kept before this is too old for the call.
    pub since: Millis,
    /// It is the cache's: what another call asked for is no error, and a refusal is not kept.
    pub is_cache: bool,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its headers: those of [`HEADERS`] that it had.
    pub headers: Vec<(String, String)>,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Where a claim stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is this call's turn.
    Own,
    /// Another call is under way.
    Waits,
    /// The answer is there.
    Answered {
        /// The call that got it.
        by: String,
        /// When it was kept.
        at: Millis,
        /// What it was.
        answer: Answer,
    },
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The endpoint's name.
    pub endpoint: &'a str,
    /// The model, which may be of the path.
    pub model: &'a str,
    /// Whether the answer streams, which may be of the path.
    pub stream: bool,
    /// The body as it came; empty for a form, whose file is still on its way.
    pub body: &'a [u8],
}

/// Reads `Idempotency-Key`.
///
/// # Errors
/// 400 where it is too long or has other characters than printable ASCII.
pub fn key(text: String) -> Result<String, ApiError> {
    if text.len() <= KEY && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(text);
    }
    let message = format!("Idempotency-Key must have 1 to {KEY} printable ASCII characters");
    Err(ApiError::invalid("Idempotency-Key", message))
}

impl Asked<'_> {
    fn fingerprint(&self) -> String {
        let stream: &[u8] = if self.stream { b"stream" } else { b"" };
        hash(&[self.endpoint.as_bytes(), self.model.as_bytes(), stream, self.body])
    }
}

impl Claim {
    /// The claim of the call `holder`. `caller` names one caller and no other.
    #[must_use]
    pub fn new(caller: &str, key: &str, asked: Asked<'_>, holder: &str) -> Claim {
        Claim {
            id: hash(&[caller.as_bytes(), key.as_bytes()]),
            fingerprint: asked.fingerprint(),
            form: None,
            holder: holder.into(),
            keeps: KEPT,
            since: Millis(0),
            is_cache: false,
        }
    }

    /// Makes the claim, or looks what became of the one before it.
    ///
    /// # Errors
    /// 422 where the key was used for another call, 503.
    pub async fn make(&self, store: &impl Store, now: Millis) -> Result<Standing, ApiError> {
        let found = store.batch(rows::claim(self, now)).await?.pop().unwrap_or_default();
        let mut row: Option<rows::Row> = None;
        for piece in found.read::<rows::Row>()? {
            match &mut row {
                Some(row) => row.text.get_or_insert_default().push_str(&piece.text.unwrap_or_default()),
                None => row = Some(piece),
            }
        }
        // The statements are one transaction: whoever has it, the row is there.
        let Some(row) = row else { return Ok(Standing::Waits) };
        if !self.may_be(&row.fingerprint) {
            let message =
                "this Idempotency-Key was used for a call with another body; take a new key for a new call";
            let error = ApiError::new(422, "idempotency_key_reused", message);
            return Err(ApiError { field: Some("Idempotency-Key".into()), ..error });
        }
        if row.holder == self.holder {
            return Ok(Standing::Own);
        }
        Ok(match row.status {
            Some(status) => Standing::Answered {
                by: row.holder.clone(),
                at: Millis(row.kept_at.unwrap_or_default()),
                answer: row.answer(status)?,
            },
            None => Standing::Waits,
        })
    }

    /// Goes on holding it.
    ///
    /// # Errors
    /// As the store's.
    pub async fn renew(&self, store: &impl Store, now: Millis) -> Result<(), ApiError> {
        Ok(store.run(rows::renew(self, now)).await.map(drop)?)
    }

    /// Ends the call: its answer is kept, where there is a whole one that a retry should have.
    ///
    /// # Errors
    /// As the store's.
    pub async fn end(
        &self,
        store: &impl Store,
        answer: Option<&Answer>,
        now: Millis,
    ) -> Result<(), ApiError> {
        let statements = match answer.filter(|answer| self.keeps(answer)) {
            Some(answer) => rows::keep(self, answer, now),
            None => vec![rows::release(self)],
        };
        Ok(store.batch(statements).await.map(drop)?)
    }

    /// As the row has it.
    fn asked(&self) -> String {
        let form = self.form.as_deref();
        [self.fingerprint.as_str(), form.map_or("", |_| ":"), form.unwrap_or_default()].concat()
    }

    /// Whether a row may be of the same call, as far as the forms of both are there.
    fn may_be(&self, row: &str) -> bool {
        let (fingerprint, form) = row.split_once(':').map_or((row, None), |(one, other)| (one, Some(other)));
        let is_other = form.zip(self.form.as_deref()).is_some_and(|(its, own)| its != own);
        fingerprint == self.fingerprint && !is_other
    }

    fn keeps(&self, answer: &Answer) -> bool {
        let was_sent = answer.headers.iter().any(|(name, _)| name == "x-edgeway-provider");
        if self.is_cache { answer.status == 200 } else { is_final(answer.status, was_sent) }
    }
}

/// How long a call that has waited so long already waits until its next look.
///
/// # Errors
/// 409 once it has waited long enough.
pub fn pause(waited: Millis) -> Result<Millis, ApiError> {
    if waited >= PATIENCE {
        let message = "a call with this Idempotency-Key is still under way; ask again for its answer";
        return Err(ApiError::new(409, "idempotency_key_in_use", message).retry_after(RETRY_AFTER));
    }
    let (first, longest) = PAUSES;
    Ok(Millis((waited.0 / 2).clamp(first, longest)))
}

/// A call whose turn it is when its form was read to its end, and not all of it could be kept.
#[must_use]
pub fn unsent() -> ApiError {
    let message = "the call before this one came to nothing, and this one's file was read to compare them: send it again";
    ApiError::new(409, "idempotency_key_in_use", message).retry_after(1)
}

/// Whether a retry should have this answer again: a success, or an upstream's word that the body itself is at fault. Refusals
/// of the gateway (`was_sent` is false) and those of other kinds may have another end the next time.
fn is_final(status: u16, was_sent: bool) -> bool {
    matches!(status, 200..=299) || (was_sent && matches!(status, 400 | 413 | 422))
}

/// SHA-256 of parts, in hex. Each counts with its length, so that no two lists of parts are one text.
fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked { endpoint: "chat", model: "m", stream: false, body: b"{}" };

    #[test]
    fn a_key_is_printable_and_not_too_long() {
        for good in ["a", "7f3b9c1e-0000-4000-8000-000000000000", "with space", &"x".repeat(255)] {
            assert_eq!(key(good.into()).unwrap(), good);
        }
        for bad in ["é", "tab\t", &"x".repeat(256)] {
            let error = key(bad.into()).unwrap_err();
            assert_eq!((error.status, error.field.as_deref()), (400, Some("Idempotency-Key")), "{bad}");
        }
    }

    #[test]
    fn a_row_is_of_one_caller_and_one_key() {
        let id = |caller, key| Claim::new(caller, key, ASKED, "h").id;
        assert_eq!(id("ab", "c"), id("ab", "c"));
        assert_ne!(id("ab", "c"), id("a", "bc"));
        assert_ne!(id("ab", "c"), id("ab", "d"));
    }

    #[test]
    fn whatever_is_asked_differently_is_another_call() {
        let fingerprint = |asked| Claim::new("caller", "key", asked, "h").fingerprint;
        let others = [
            Asked { endpoint: "messages", ..ASKED },
            Asked { model: "n", ..ASKED },
            Asked { stream: true, ..ASKED },
            Asked { body: b"{ }", ..ASKED },
        ];
        for other in others {
            assert_ne!(fingerprint(ASKED), fingerprint(other), "{other:?}");
        }
    }

    #[test]
    fn a_form_is_compared_once_both_are_there() {
        let claim = |form: Option<&str>| Claim {
            form: form.map(str::to_owned),
            ..Claim::new("caller", "key", ASKED, "h")
        };
        for (row, own, expected) in [
            (None, None, true),
            (None, Some("a"), true),
            (Some("a"), None, true),
            (Some("a"), Some("a"), true),
            (Some("a"), Some("b"), false),
        ] {
            assert_eq!(claim(own).may_be(&claim(row).asked()), expected, "{row:?} {own:?}");
        }
        let other = Claim::new("caller", "key", Asked { model: "n", ..ASKED }, "h");
        assert!(!claim(Some("a")).may_be(&other.asked()));
    }

    #[test]
    fn only_what_would_be_the_same_again_is_final() {
        for (status, was_sent, expected) in [
            (200, true, true),
            (201, true, true),
            (400, true, true),
            (422, true, true),
            (400, false, false),
            (401, true, false),
            (402, false, false),
            (404, true, false),
            (408, true, false),
            (429, true, false),
            (500, true, false),
            (503, true, false),
        ] {
            assert_eq!(is_final(status, was_sent), expected, "{status} {was_sent}");
        }
    }

    #[test]
    fn looks_become_rarer_and_end() {
        let (mut waited, mut looks) = (Millis(0), 0);
        while let Ok(span) = pause(waited) {
            (waited, looks) = (waited.plus(span), looks + 1);
        }
        assert!((PATIENCE.0..PATIENCE.0 + 1_000).contains(&waited.0), "{waited:?}");
        assert!(looks < 30, "{looks}");
        assert_eq!(pause(waited).unwrap_err().retry_after, Some(2));
    }
}
