//! Signing in: the throttle, the password, and the first administrator from the Worker's variables.
//!
//! An attempt takes its place among the failures *before* the password is looked at, in one statement that also
//! counts, so that any number of attempts at the same time are throttled as if they came one by one. Success gives
//! the place back.

use super::password::{self, Crypto, CryptoError};
use super::{Principal, Role};
use crate::config::variables::Variables;
use crate::secret::{Secret, equal};
use crate::store::{Statement, Store, StoreError};
use crate::time::Millis;
use serde::Deserialize;

/// Failures are counted over this long.
pub const WINDOW: Millis = Millis(15 * Millis::MINUTE.0);

/// The setting that remembers which `ADMIN_PASSWORD` was used last, as a keyed hash.
pub const FINGERPRINT: &str = "admin_password_fingerprint";

/// Why someone could not sign in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Wrong name or password.
    #[error("wrong username or password")]
    Refused,
    /// Too many failures; to be tried again at that time.
    #[error("too many failed sign-ins")]
    Throttled(Millis),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The platform cannot derive a key.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// An attempt to sign in, with the randomness that it may need.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// As typed.
    pub username: &'a str,
    /// As typed.
    pub password: &'a Secret,
    /// The client's network address.
    pub address: &'a str,
    /// Fresh randomness.
    pub salt: [u8; 16],
    /// Fresh: the id of the administrator, where it is created.
    pub new_user_id: String,
    /// When.
    pub now: Millis,
}

#[derive(Deserialize)]
struct UserRow {
    id: String,
    username: String,
    password_hash: String,
    role: Role,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct Setting {
    value: String,
}

/// Finds out who it is.
///
/// # Errors
/// [`LoginError`].
pub async fn login<S: Store, C: Crypto>(
    store: &S,
    crypto: &C,
    variables: &Variables,
    attempt: Attempt<'_>,
) -> Result<Principal, LoginError> {
    reserve(store, &attempt).await?;
    let mut outcomes = store
        .batch(vec![
            Statement::new("SELECT id, username, password_hash, role FROM users WHERE username = ?1")
                .bind(attempt.username),
            Statement::new("SELECT value FROM settings WHERE name = ?1").bind(FINGERPRINT),
        ])
        .await?
        .into_iter();
    let user = outcomes.next().unwrap_or_default().read::<UserRow>()?.into_iter().next();
    let remembered = outcomes.next().unwrap_or_default().read::<Setting>()?.into_iter().next();

    let recovery = fingerprint(variables, &attempt).filter(|current| {
        user.is_none() || !remembered.is_some_and(|setting| equal(&setting.value, &quoted(current)))
    });
    let principal = match (recovery, user) {
        (Some(fingerprint), user) => {
            let hash = password::hash(crypto, attempt.password, attempt.salt).await?;
            let id = user.map_or_else(|| attempt.new_user_id.clone(), |user| user.id);
            let installed = install_admin(&id, &hash, &fingerprint, variables, attempt.now);
            let first = store.batch(installed).await?.into_iter().next().unwrap_or_default();
            // Where two sign in for the first time at once, the id is that of whoever came first.
            let id = first.read::<Id>()?.into_iter().next().map_or(id, |row| row.id);
            Principal { user_id: id, username: variables.admin_username.clone(), role: Role::Admin }
        }
        (None, user) => {
            let stored = user.as_ref().map(|user| user.password_hash.as_str());
            let matches = password::verify(crypto, attempt.password, stored).await?;
            let user = user.filter(|_| matches).ok_or(LoginError::Refused)?;
            Principal { user_id: user.id, username: user.username, role: user.role }
        }
    };
    store.run(forgive(attempt.username, attempt.address)).await?;
    Ok(principal)
}

/// The keyed hash of `ADMIN_PASSWORD`, where the attempt is made with exactly that name and password.
fn fingerprint(variables: &Variables, attempt: &Attempt<'_>) -> Option<String> {
    let expected = variables.admin_password.as_ref()?;
    let named = attempt.username.eq_ignore_ascii_case(&variables.admin_username);
    (named && equal(expected.reveal(), attempt.password.reveal()))
        .then(|| variables.master_key.sign("admin password", expected.reveal()))
}

/// A setting's value is JSON.
fn quoted(fingerprint: &str) -> String {
    format!("\"{fingerprint}\"")
}

/// Creates the administrator, or gives it the variables' password and ends its sessions.
fn install_admin(
    id: &str,
    hash: &str,
    fingerprint: &str,
    variables: &Variables,
    now: Millis,
) -> Vec<Statement> {
    vec![
        Statement::new(
            "INSERT INTO users (id, username, password_hash, role, created_at, updated_at) \
             VALUES (?1, ?2, ?3, 'admin', ?4, ?4) ON CONFLICT (username) DO UPDATE SET \
             password_hash = excluded.password_hash, role = 'admin', updated_at = excluded.updated_at \
             RETURNING id",
        )
        .bind(id)
        .bind(variables.admin_username.as_str())
        .bind(hash)
        .bind(now),
        Statement::new("DELETE FROM sessions WHERE user_id = ?1").bind(id),
        Statement::new(
            "INSERT INTO settings (name, value, updated_at) VALUES (?1, ?2, ?3) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        )
        .bind(FINGERPRINT)
        .bind(quoted(fingerprint))
        .bind(now),
    ]
}

/// Takes a place among the failures, or says when there will be one: ten for a name from one address, a hundred for a
/// name from anywhere.
///
/// # Errors
/// [`LoginError::Throttled`].
pub async fn reserve<S: Store>(store: &S, attempt: &Attempt<'_>) -> Result<(), LoginError> {
    let since = Millis(attempt.now.0 - WINDOW.0);
    let counted = |sql: &'static str| Statement::new(sql).bind(attempt.username).bind(since);
    let outcomes = store
        .batch(vec![
            Statement::new("DELETE FROM login_failures WHERE at <= ?1").bind(since),
            Statement::new(
                "INSERT INTO login_failures (username, address, at) SELECT ?1, ?3, ?4 WHERE \
                 (SELECT count(*) FROM login_failures WHERE username = ?1 AND at > ?2 AND address = ?3) < 10 AND \
                 (SELECT count(*) FROM login_failures WHERE username = ?1 AND at > ?2) < 100 RETURNING at",
            )
            .bind(attempt.username)
            .bind(since)
            .bind(attempt.address)
            .bind(attempt.now),
            // The tenth newest (hundredth for the name) is the one whose end makes room.
            counted(
                "SELECT at FROM login_failures WHERE username = ?1 AND at > ?2 AND address = ?3 \
                 ORDER BY at DESC LIMIT 1 OFFSET 9",
            )
            .bind(attempt.address),
            counted(
                "SELECT at FROM login_failures WHERE username = ?1 AND at > ?2 ORDER BY at DESC LIMIT 1 OFFSET 99",
            ),
        ])
        .await?;
    if outcomes.get(1).is_some_and(|outcome| outcome.count() > 0) {
        return Ok(());
    }
    let blocking = outcomes.iter().skip(2).flat_map(crate::store::Outcome::values);
    let at = blocking.filter_map(|row| row.get("at")?.as_i64()).max().unwrap_or(attempt.now.0);
    Err(LoginError::Throttled(Millis(at).plus(WINDOW)))
}

/// Gives back the places of someone who has proved to be who they say.
#[must_use]
pub fn forgive(username: &str, address: &str) -> Statement {
    Statement::new("DELETE FROM login_failures WHERE username = ?1 AND address = ?2")
        .bind(username)
        .bind(address)
}
