//! Replays as rows: every statement, and bodies in pieces, which are text where they can be and base64 where not.

use super::{Answer, Claim, LEASE};
use crate::call::stored::rows::pieces;
use crate::store::{Statement, StoreError};
use crate::time::Millis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::borrow::Cow;

/// Rows that are deleted by one statement: each may be of several megabytes.
pub const BITE: i64 = 200;

/// A row of `replays`, with a piece of its body.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) fingerprint: String,
    pub(super) holder: String,
    pub(super) status: Option<u16>,
    pub(super) kept_at: Option<i64>,
    headers: String,
    is_base64: u8,
    pub(super) text: Option<String>,
}

impl Row {
    pub(super) fn answer(self, status: u16) -> Result<Answer, StoreError> {
        let text = self.text.unwrap_or_default();
        let body = if self.is_base64 == 0 {
            text.into_bytes()
        } else {
            STANDARD.decode(text).map_err(|error| StoreError::Unavailable(error.to_string()))?
        };
        let line =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Answer { status, headers: self.headers.lines().filter_map(line).collect(), body })
    }
}

/// Takes the row where it is free, and reads it, whoever has it: of a row that another call holds nothing changes.
#[must_use]
pub fn claim(claim: &Claim, now: Millis) -> Vec<Statement> {
    let outlived = Statement::new("DELETE FROM replays WHERE id = ?1 AND (expires_at <= ?2 OR kept_at < ?3)");
    let take = Statement::new(
        "INSERT INTO replays (id, fingerprint, holder, expires_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    );
    let read = Statement::new(
        "SELECT fingerprint, holder, status, kept_at, headers, is_base64, text \
         FROM replays LEFT JOIN replay_chunks ON replay_id = id WHERE id = ?1 ORDER BY part",
    );
    vec![
        outlived.bind(claim.id.as_str()).bind(now).bind(claim.since),
        take.bind(claim.id.as_str()).bind(claim.asked()).bind(claim.holder.as_str()).bind(now.plus(LEASE)),
        read.bind(claim.id.as_str()),
    ]
}

/// Goes on holding it.
#[must_use]
pub fn renew(claim: &Claim, now: Millis) -> Statement {
    Statement::new(
        "UPDATE replays SET expires_at = ?3, fingerprint = ?4 WHERE id = ?1 AND holder = ?2 AND status IS NULL",
    )
    .bind(claim.id.as_str())
    .bind(claim.holder.as_str())
    .bind(now.plus(LEASE))
    .bind(claim.asked())
}

/// Gives it up.
#[must_use]
pub fn release(claim: &Claim) -> Statement {
    Statement::new("DELETE FROM replays WHERE id = ?1 AND holder = ?2 AND status IS NULL")
        .bind(claim.id.as_str())
        .bind(claim.holder.as_str())
}

/// Keeps the answer, where the call still holds the row.
#[must_use]
pub fn keep(claim: &Claim, answer: &Answer, now: Millis) -> Vec<Statement> {
    // SQLite's own functions take a text to end at its first zero byte.
    let text =
        std::str::from_utf8(&answer.body).ok().filter(|text| memchr::memchr(0, text.as_bytes()).is_none());
    let (text, is_base64) = match text {
        Some(text) => (Cow::Borrowed(text), false),
        None => (Cow::Owned(STANDARD.encode(&answer.body)), true),
    };
    let headers: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    // What cannot be is that the row has an answer already: a holder gives one.
    let mut statements = Vec::new();
    for (part, piece) in pieces(&text).enumerate() {
        let chunk = Statement::new(
            "INSERT INTO replay_chunks (replay_id, part, text) \
             SELECT id, ?3, ?4 FROM replays WHERE id = ?1 AND holder = ?2 AND status IS NULL",
        );
        let part = i64::try_from(part).unwrap_or(i64::MAX);
        statements.push(chunk.bind(claim.id.as_str()).bind(claim.holder.as_str()).bind(part).bind(piece));
    }
    let head = Statement::new(
        "UPDATE replays SET status = ?3, headers = ?4, is_base64 = ?5, kept_at = ?6, expires_at = ?7, \
         fingerprint = ?8 \
         WHERE id = ?1 AND holder = ?2 AND status IS NULL",
    );
    let head = head.bind(claim.id.as_str()).bind(claim.holder.as_str()).bind(i64::from(answer.status));
    statements
        .push(head.bind(headers).bind(is_base64).bind(now).bind(now.plus(claim.keeps)).bind(claim.asked()));
    statements
}

/// Deletes some of what nobody can get any more.
#[must_use]
pub fn expire(now: Millis) -> Statement {
    Statement::new(
        "DELETE FROM replays WHERE id IN \
         (SELECT id FROM replays WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )
    .bind(now)
    .bind(BITE)
}
