//! Secrets: text that cannot be printed by accident, hashes, random keys, and sealing under the master key.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::Mac;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use subtle::ConstantTimeEq;

/// Text that must never show: no `Display`, no `Serialize`, and a `Debug` that redacts.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text in.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself; every caller of this is a place to review.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What may be shown of it: the first three and the last four characters of a long one, nothing of a short one. It is
    /// ASCII, like most keys: one wider character would double the memory of every log record in JavaScript.
    #[must_use]
    pub fn hint(&self) -> String {
        hint(&self.0)
    }
}

impl Secret {
    /// The text with this secret replaced by its hint, wherever it stands in it: an upstream may repeat a key that it
    /// refuses. So are the parts of one that is made of several (`id:secret:session` of AWS), each of which travels by
    /// itself. What has fewer than eight bytes, or sixteen as a part, is left, for it would be found in ordinary words.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let parts = self.0.contains(':').then(|| self.0.split(':').filter(|part| part.len() >= 16));
        let whole = Some(self.0.as_str()).filter(|whole| whole.len() >= 8);
        let mut redacted = Cow::Borrowed(text);
        for secret in whole.into_iter().chain(parts.into_iter().flatten()) {
            if memchr::memmem::find(&redacted, secret.as_bytes()).is_some() {
                redacted = Cow::Owned(replaced(&redacted, secret.as_bytes(), hint(secret).as_bytes()));
            }
        }
        redacted
    }

    /// The same, for a sentence.
    #[must_use]
    pub fn redact_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.redact(text.as_bytes())).into_owned()
    }
}

fn hint(secret: &str) -> String {
    let count = secret.chars().count();
    if count < 12 {
        return "...".into();
    }
    let head: String = secret.chars().take(3).collect();
    let tail: String = secret.chars().skip(count - 4).collect();
    format!("{head}...{tail}")
}

fn replaced(text: &[u8], found: &[u8], by: &[u8]) -> Vec<u8> {
    let (mut replaced, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((before, after)) = memchr::memmem::find(rest, found)
        .and_then(|at| Some((rest.get(..at)?, rest.get(at + found.len()..)?)))
    {
        replaced.extend_from_slice(before);
        replaced.extend_from_slice(by);
        rest = after;
    }
    replaced.extend_from_slice(rest);
    replaced
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Why something could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The master key is missing or is not 32 bytes of base64.
    #[error("MASTER_KEY must be 32 bytes in base64")]
    MasterKey,
    /// The ciphertext was made under another key, for another row, or was changed.
    #[error("a stored secret cannot be opened with this MASTER_KEY")]
    Opening,
}

/// The key under which provider keys are sealed and sessions are signed.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    /// Reads the `MASTER_KEY` variable: 32 bytes in base64.
    ///
    /// # Errors
    /// [`SecretError::MasterKey`] where it is anything else.
    pub fn from_base64(text: &str) -> Result<MasterKey, SecretError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| SecretError::MasterKey)?;
        bytes.try_into().map(MasterKey).map_err(|_| SecretError::MasterKey)
    }

    /// Seals a secret for one row: AES-256-GCM, the row id as associated data, so that a ciphertext moved to another
    /// row does not open. `nonce` is fresh randomness for every call. → base64(nonce ‖ ciphertext ‖ tag)
    ///
    /// # Errors
    /// [`SecretError::Opening`] where the cipher refuses (a secret of more than 64 GiB).
    pub fn seal(&self, secret: &Secret, row_id: &str, nonce: [u8; 12]) -> Result<String, SecretError> {
        let payload = Payload { msg: secret.reveal().as_bytes(), aad: row_id.as_bytes() };
        let sealed = self.cipher().encrypt(&Nonce::from(nonce), payload).map_err(|_| SecretError::Opening)?;
        Ok(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what [`MasterKey::seal`] made for this row.
    ///
    /// # Errors
    /// [`SecretError::Opening`] where it was sealed under another key or for another row, or was changed.
    pub fn open(&self, sealed: &str, row_id: &str) -> Result<Secret, SecretError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| SecretError::Opening)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<12>().ok_or(SecretError::Opening)?;
        let payload = Payload { msg: ciphertext, aad: row_id.as_bytes() };
        let plain = self.cipher().decrypt(&Nonce::from(*nonce), payload).map_err(|_| SecretError::Opening)?;
        String::from_utf8(plain).map(Secret).map_err(|_| SecretError::Opening)
    }

    /// A keyed hash (HMAC-SHA-256, hex) of `text` for one `purpose`: session signatures, duplicate detection.
    #[must_use]
    pub fn sign(&self, purpose: &str, text: &str) -> String {
        let Ok(mut mac) = <hmac::Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&self.0) else {
            return String::new(); // HMAC takes keys of every length
        };
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.0.into())
    }
}

/// SHA-256 in hex: how a gateway key is stored and looked up.
#[must_use]
pub fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Compares without telling by its time where two texts differ.
#[must_use]
pub fn equal(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// A key of 256 random bits behind a prefix, in URL-safe base64.
#[must_use]
pub fn random_key(prefix: &str, random: [u8; 32]) -> Secret {
    Secret(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random)))
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master_key() -> MasterKey {
        MasterKey::from_base64("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap()
    }

    #[test]
    fn what_was_sealed_opens_only_for_its_row_and_unchanged() {
        let sealed = master_key().seal(&Secret::new("sk-upstream-key"), "row-1", [7; 12]).unwrap();
        assert_eq!(master_key().open(&sealed, "row-1").unwrap().reveal(), "sk-upstream-key");
        assert_eq!(master_key().open(&sealed, "row-2"), Err(SecretError::Opening));
        assert_eq!(master_key().open(&sealed.replace('A', "B"), "row-1").is_ok(), !sealed.contains('A'));
        assert_eq!(master_key().open("short", "row-1"), Err(SecretError::Opening));
    }

    #[test]
    fn a_master_key_of_another_length_is_refused() {
        assert!(MasterKey::from_base64("c2hvcnQ=").is_err());
        assert!(MasterKey::from_base64("not base64").is_err());
    }

    #[test]
    fn a_secret_never_prints() {
        assert_eq!(format!("{:?} {:?}", Secret::new("sk-1234"), master_key()), "Secret(…) MasterKey(…)");
    }

    #[test]
    fn a_hint_shows_the_ends_of_a_long_secret_and_nothing_of_a_short_one() {
        assert_eq!(Secret::new("sk-proj-abcdef1234").hint(), "sk-...1234");
        assert_eq!(Secret::new("short").hint(), "...");
    }

    #[test]
    fn a_secret_that_somebody_repeats_is_replaced_by_its_hint() {
        let secret = Secret::new("sk-upstream-key");
        assert_eq!(
            secret.redact_text("bad key sk-upstream-key, sk-upstream-key!"),
            "bad key sk-...-key, sk-...-key!"
        );
        assert!(matches!(secret.redact(b"an ordinary answer"), Cow::Borrowed(_)));
        assert_eq!(Secret::new("word").redact_text("a word"), "a word");
    }

    #[test]
    fn parts_of_a_secret_are_redacted_by_themselves() {
        let secret = Secret::new("AKIDEXAMPLEEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPx:IQoJb3JpZ2luX2VjEJr:short");
        assert_eq!(
            secret.redact_text("token IQoJb3JpZ2luX2VjEJr of AKIDEXAMPLEEXAMPLE is short"),
            "token IQo...jEJr of AKI...MPLE is short",
        );
        assert_eq!(secret.redact_text("key wJalrXUtnFEMI/K7MDENG+bPx"), "key wJa...+bPx");
    }

    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
