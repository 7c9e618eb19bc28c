//! Sessions: a signed token that a row makes revocable.
//!
//! The token is `<id>.<expires ms>.<HMAC>`, so a forged or expired one is refused before the database is asked.

use super::Principal;
use crate::secret::{MasterKey, Secret, equal};
use crate::store::{Statement, Store, StoreError};
use crate::time::Millis;

/// How long one lasts.
pub const LIFETIME: Millis = Millis(7 * Millis::DAY.0);

/// The cookie that carries one.
pub const COOKIE: &str = "edgeway_session";

const PURPOSE: &str = "session";

/// The token of a session.
#[must_use]
pub fn token(master_key: &MasterKey, id: &str, expires_at: Millis) -> Secret {
    let payload = format!("{id}.{}", expires_at.0);
    let signature = master_key.sign(PURPOSE, &payload);
    Secret::new(format!("{payload}.{signature}"))
}

/// The session id that a token names, where the token is ours and has not expired.
#[must_use]
pub fn verify<'a>(master_key: &MasterKey, token: &'a str, now: Millis) -> Option<&'a str> {
    let (payload, signature) = token.rsplit_once('.')?;
    let (id, expires_at) = payload.split_once('.')?;
    let genuine = equal(&master_key.sign(PURPOSE, payload), signature);
    (genuine && expires_at.parse::<i64>().is_ok_and(|expiry| expiry > now.0)).then_some(id)
}

/// Whether a request brings a session rather than a gateway key: one of ours as its bearer token, or, without any other
/// credential, the cookie. Whether that session is still good, only the database knows.
#[must_use]
pub fn is_brought(master_key: &MasterKey, header: impl Fn(&str) -> Option<String>, now: Millis) -> bool {
    match header("authorization") {
        Some(value) => {
            value.split_once(' ').is_some_and(|(_, token)| verify(master_key, token.trim(), now).is_some())
        }
        None => {
            let is_keyless = header("x-api-key").is_none() && header("x-goog-api-key").is_none();
            is_keyless && header("cookie").is_some_and(|cookies| from_cookie(&cookies).is_some())
        }
    }
}

/// The value of the session cookie in a `Cookie` header.
#[must_use]
pub fn from_cookie(header: &str) -> Option<&str> {
    header.split(';').find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// The `Set-Cookie` header that keeps a token for so many seconds; 0 removes it.
#[must_use]
pub fn set_cookie(token: &str, seconds: i64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// Opens a session and clears away those that have expired.
#[must_use]
pub fn open(id: &str, user_id: &str, now: Millis) -> Vec<Statement> {
    vec![
        Statement::new("DELETE FROM sessions WHERE expires_at <= ?1").bind(now),
        Statement::new("INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)")
            .bind(id)
            .bind(user_id)
            .bind(now)
            .bind(now.plus(LIFETIME)),
    ]
}

/// Ends one session.
#[must_use]
pub fn close(id: &str) -> Statement {
    Statement::new("DELETE FROM sessions WHERE id = ?1").bind(id)
}

/// Ends all sessions of a user but one.
#[must_use]
pub fn close_others(user_id: &str, keep: &str) -> Statement {
    Statement::new("DELETE FROM sessions WHERE user_id = ?1 AND id <> ?2").bind(user_id).bind(keep)
}

/// Who the session belongs to, where it has not been ended.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn principal(store: &impl Store, id: &str, now: Millis) -> Result<Option<Principal>, StoreError> {
    let statement = Statement::new(
        "SELECT users.id, username, role FROM sessions JOIN users ON users.id = sessions.user_id \
         WHERE sessions.id = ?1 AND expires_at > ?2",
    );
    store.first(statement.bind(id).bind(now)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master_key(byte: &str) -> MasterKey {
        MasterKey::from_base64(&format!("{}A=", byte.repeat(42))).unwrap()
    }

    #[test]
    fn a_session_is_told_from_a_gateway_key() {
        let (key, now) = (master_key("A"), Millis(1000));
        let bearer = format!("Bearer {}", token(&key, "s", Millis(2000)).reveal());
        let cookie = format!("{COOKIE}=anything");
        for (headers, expected) in [
            (vec![("authorization", bearer.as_str())], true),
            (vec![("authorization", "Bearer gw_x"), ("cookie", &cookie)], false),
            (vec![("x-api-key", "gw_x"), ("cookie", &cookie)], false),
            (vec![("cookie", &cookie)], true),
            (vec![], false),
        ] {
            let header =
                |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
            assert_eq!(is_brought(&key, header, now), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_token_is_refused_when_forged_changed_or_expired() {
        let (key, now) = (master_key("A"), Millis(1000));
        let token = token(&key, "session-1", Millis(2000));
        let token = token.reveal();
        assert_eq!(verify(&key, token, now), Some("session-1"));
        assert_eq!(verify(&key, token, Millis(2000)), None, "expired");
        assert_eq!(verify(&master_key("B"), token, now), None, "another master key");
        assert_eq!(verify(&key, &token.replace("2000", "9000"), now), None, "a later expiry");
        assert_eq!(verify(&key, &token.replace("session-1", "session-2"), now), None, "another id");
        for garbage in ["", ".", "..", "a.b.c", "session-1"] {
            assert_eq!(verify(&key, garbage, now), None, "{garbage}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(from_cookie("a=b; edgeway_session=x.y.z; c=d"), Some("x.y.z"));
        assert_eq!(from_cookie("edgeway_sessions=x"), None);
        assert_eq!(
            set_cookie("t", 60, true),
            "edgeway_session=t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
    }
}
