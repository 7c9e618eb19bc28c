//! Passwords: `pbkdf2-sha256$iterations$salt$hash`, derived by the platform.
//!
//! The derivation is a port because the edge has it natively (WebCrypto), where 100 000 iterations take milliseconds
//! instead of the seconds that they would take in WebAssembly.

use crate::secret::{Secret, equal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The most that the platform's WebCrypto accepts.
pub const ITERATIONS: u32 = 100_000;

/// The shortest password that may be chosen.
pub const MINIMUM_LENGTH: usize = 8;

/// The longest password that is looked at.
pub const MAXIMUM_LENGTH: usize = 1024;

const SCHEME: &str = "pbkdf2-sha256";

/// The platform refused to derive a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the platform cannot derive a key: {0}")]
pub struct CryptoError(pub String);

/// What passwords need of the platform.
#[allow(async_fn_in_trait, reason = "one thread: no caller needs a Send bound")]
pub trait Crypto {
    /// PBKDF2 with HMAC-SHA-256 (RFC 8018), 32 bytes.
    async fn pbkdf2(&self, password: &[u8], salt: &[u8], iterations: u32) -> Result<[u8; 32], CryptoError>;
}

/// The text to store for a password; `salt` is fresh randomness.
///
/// # Errors
/// [`CryptoError`] where the platform refuses.
pub async fn hash(crypto: &impl Crypto, password: &Secret, salt: [u8; 16]) -> Result<String, CryptoError> {
    let derived = crypto.pbkdf2(password.reveal().as_bytes(), &salt, ITERATIONS).await?;
    Ok(format!("{SCHEME}${ITERATIONS}${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(derived)))
}

/// Whether the password is the stored one. Without a stored one the work is the same and the answer is no, so that
/// the time does not tell which names exist.
///
/// # Errors
/// [`CryptoError`] where the platform refuses.
pub async fn verify(
    crypto: &impl Crypto,
    password: &Secret,
    stored: Option<&str>,
) -> Result<bool, CryptoError> {
    let known = stored.and_then(parse);
    let (iterations, salt, expected) = known.clone().unwrap_or((ITERATIONS, vec![0; 16], String::new()));
    let derived = crypto.pbkdf2(password.reveal().as_bytes(), &salt, iterations).await?;
    Ok(equal(&STANDARD_NO_PAD.encode(derived), &expected) && known.is_some())
}

fn parse(stored: &str) -> Option<(u32, Vec<u8>, String)> {
    let mut parts = stored.split('$');
    let (scheme, iterations, salt, hash) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if scheme != SCHEME || parts.next().is_some() {
        return None;
    }
    let iterations = iterations.parse().ok().filter(|count| (1..=ITERATIONS).contains(count))?;
    Some((iterations, STANDARD_NO_PAD.decode(salt).ok()?, hash.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use hmac::{KeyInit, Mac};

    struct Native;

    impl Crypto for Native {
        async fn pbkdf2(&self, password: &[u8], salt: &[u8], count: u32) -> Result<[u8; 32], CryptoError> {
            let prf = |data: &[u8]| -> [u8; 32] {
                let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(password).unwrap();
                mac.update(data);
                mac.finalize().into_bytes().into()
            };
            let mut block = prf(&[salt, &[0, 0, 0, 1]].concat());
            let mut result = block;
            for _ in 1..count.min(10) {
                block = prf(&block);
                result.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
            }
            Ok(result)
        }
    }

    #[test]
    fn a_password_verifies_against_its_own_hash_alone() {
        let stored = block_on(hash(&Native, &Secret::new("correct horse"), [7; 16])).unwrap();
        assert!(stored.starts_with("pbkdf2-sha256$100000$"), "{stored}");
        for (password, stored, expected) in [
            ("correct horse", Some(stored.as_str()), true),
            ("correct hors", Some(stored.as_str()), false),
            ("correct horse", Some("md5$1$AA$AA"), false),
            ("correct horse", Some("pbkdf2-sha256$1$AA$"), false),
            ("", Some(""), false),
            ("correct horse", None, false),
        ] {
            assert_eq!(block_on(verify(&Native, &Secret::new(password), stored)), Ok(expected), "{stored:?}");
        }
    }
}
