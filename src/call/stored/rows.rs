//! Stored answers as rows: every statement, and bodies in pieces.
//!
//! D1 takes at most 2 MB in a value, and an input with images may have five times that.

use crate::store::{Statement, Store, StoreError};
use crate::time::Millis;
use serde::Deserialize;

/// The longest piece of a body, bytes.
pub const CHUNK: usize = 500_000;
/// The most turns that a call goes on from.
pub const TURNS: i64 = 1_000;
/// And the most that these may weigh, bytes: they are in memory at once.
pub const CHAIN: i64 = 16_000_000;

/// Which body of a turn a chunk is of.
const INPUT: i64 = 0;
const RESPONSE: i64 = 1;

/// A row of `responses`, to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row<'a> {
    /// Whose.
    pub owner: &'a str,
    /// As the client was told.
    pub id: &'a str,
    /// The gateway key; may be empty.
    pub key_id: &'a str,
    /// When the call came.
    pub created_at: Millis,
    /// The model that answered.
    pub model: &'a str,
    /// `completed`, `incomplete`, `failed`.
    pub status: &'a str,
    /// What it goes on from: its id, and the first of its conversation.
    pub previous: Option<(&'a str, &'a str)>,
}

/// A turn as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Of its response.
    pub id: String,
    /// What it goes on from.
    pub previous_id: Option<String>,
    /// The first of its conversation.
    pub thread_id: String,
    /// `input` of its request, JSON; empty where there was none.
    pub input: String,
    /// The response object, JSON.
    pub response: String,
    /// There may be turns before it that were not read: the chain is too long.
    pub is_last_allowed: bool,
}

/// Writes a turn; one of the same id goes, for an upstream may give an id twice. `items` are the ids of its output.
#[must_use]
pub fn insert(row: &Row<'_>, input: &str, response: &str, items: &[String]) -> Vec<Statement> {
    let (previous_id, thread_id) = row.previous.unzip();
    let size = i64::try_from(input.len() + response.len()).unwrap_or(i64::MAX);
    let head = Statement::new(
        "INSERT INTO responses (owner, id, key_id, created_at, model, status, previous_id, thread_id, size) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind(row.owner)
    .bind(row.id)
    .bind(row.key_id)
    .bind(row.created_at)
    .bind(row.model)
    .bind(row.status)
    .bind(previous_id)
    .bind(thread_id.unwrap_or(row.id))
    .bind(size);
    let mut statements = vec![delete(row.owner, row.id), head];
    for (body, text) in [(INPUT, input), (RESPONSE, response)] {
        for (part, piece) in pieces(text).enumerate() {
            let chunk = Statement::new(
                "INSERT INTO response_chunks (owner, response_id, body, part, text) VALUES (?1, ?2, ?3, ?4, ?5)",
            );
            let part = i64::try_from(part).unwrap_or(i64::MAX);
            statements.push(chunk.bind(row.owner).bind(row.id).bind(body).bind(part).bind(piece));
        }
    }
    if !items.is_empty() {
        let index = Statement::new(
            "INSERT OR REPLACE INTO response_items (owner, id, response_id) \
             SELECT ?1, value, ?2 FROM json_each(?3)",
        );
        statements.push(index.bind(row.owner).bind(row.id).bind(crate::json::json!(items).to_string()));
    }
    statements
}

/// Cuts a text where no character is cut.
pub(in crate::call) fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let end = (0..=CHUNK.min(text.len())).rev().find(|end| text.is_char_boundary(*end))?;
        let (piece, rest) = text.split_at_checked(end).filter(|(piece, _)| !piece.is_empty())?;
        text = rest;
        Some(piece)
    })
}

/// Deletes one.
#[must_use]
pub fn delete(owner: &str, id: &str) -> Statement {
    Statement::new("DELETE FROM responses WHERE owner = ?1 AND id = ?2").bind(owner).bind(id)
}

/// Deletes all of an owner, and gives a row for each. (What D1 counts as changes are the chunks, too.)
#[must_use]
pub fn delete_all(owner: &str) -> Statement {
    Statement::new("DELETE FROM responses WHERE owner = ?1 RETURNING id").bind(owner)
}

/// Deletes some of what is older than this and whose conversation had no turn since.
#[must_use]
pub fn expire(before: Millis) -> Statement {
    Statement::new(
        "DELETE FROM responses WHERE rowid IN (\
           SELECT old.rowid FROM responses AS old WHERE old.created_at < ?1 AND NOT EXISTS (\
             SELECT 1 FROM responses AS later \
             WHERE later.owner = old.owner AND later.thread_id = old.thread_id AND later.created_at >= ?1) \
           ORDER BY old.created_at LIMIT ?2)",
    )
    .bind(before)
    .bind(super::BITE)
}

/// The response object of one; `None` where there is none.
///
/// # Errors
/// As the store's.
pub async fn response(store: &impl Store, owner: &str, id: &str) -> Result<Option<String>, StoreError> {
    Ok(responses(store, owner, &[id]).await?.pop().map(|(_, text)| text))
}

#[derive(Deserialize)]
struct Piece {
    id: String,
    text: String,
}

/// The response objects of these ids, in any order; what is not there is left out.
///
/// # Errors
/// As the store's.
pub async fn responses(
    store: &impl Store,
    owner: &str,
    ids: &[&str],
) -> Result<Vec<(String, String)>, StoreError> {
    Ok(whole(store.all(bodies(owner, ids)).await?))
}

/// The pieces of response objects.
#[must_use]
pub fn bodies(owner: &str, ids: &[&str]) -> Statement {
    Statement::new(
        "SELECT response_id AS id, text FROM response_chunks \
         WHERE owner = ?1 AND response_id IN (SELECT value FROM json_each(?2)) AND body = 1 \
         ORDER BY response_id, part",
    )
    .bind(owner)
    .bind(crate::json::json!(ids).to_string())
}

/// The response objects whose output has one of these items, with their ids.
///
/// # Errors
/// As the store's.
pub async fn with_items(
    store: &impl Store,
    owner: &str,
    items: &[&str],
) -> Result<Vec<(String, String)>, StoreError> {
    Ok(whole(store.all(bodies_with_items(owner, items)).await?))
}

/// The pieces of response objects whose output has one of these items.
#[must_use]
pub fn bodies_with_items(owner: &str, items: &[&str]) -> Statement {
    Statement::new(
        "SELECT response_id AS id, text FROM response_chunks \
         WHERE owner = ?1 AND body = 1 AND response_id IN (\
           SELECT response_id FROM response_items WHERE owner = ?1 AND id IN (SELECT value FROM json_each(?2))) \
         ORDER BY response_id, part",
    )
    .bind(owner)
    .bind(crate::json::json!(items).to_string())
}

/// Puts pieces together that come in order.
fn whole(pieces: Vec<Piece>) -> Vec<(String, String)> {
    let mut bodies: Vec<(String, String)> = Vec::new();
    for Piece { id, text } in pieces {
        match bodies.last_mut() {
            Some((last, body)) if *last == id => body.push_str(&text),
            _ => bodies.push((id, text)),
        }
    }
    bodies
}

#[derive(Deserialize)]
struct Link {
    id: String,
    previous_id: Option<String>,
    thread_id: String,
    depth: i64,
    total: i64,
    body: i64,
    text: String,
}

/// A turn and those before it, the first one first; empty where there is none of this id.
///
/// # Errors
/// As the store's.
pub async fn chain(store: &impl Store, owner: &str, id: &str) -> Result<Vec<Turn>, StoreError> {
    let mut turns: Vec<Turn> = Vec::new();
    for link in store.all::<Link>(links(owner, id)).await? {
        if turns.last().is_none_or(|turn| turn.id != link.id) {
            let is_last_allowed = link.depth >= TURNS || link.total >= CHAIN;
            let Link { id, previous_id, thread_id, .. } = link;
            turns.push(Turn { id, previous_id, thread_id, is_last_allowed, ..Turn::default() });
        }
        let Some(turn) = turns.last_mut() else { continue };
        let body = if link.body == INPUT { &mut turn.input } else { &mut turn.response };
        body.push_str(&link.text);
    }
    Ok(turns)
}

/// The pieces of a turn and of those before it, in order.
#[must_use]
pub fn links(owner: &str, id: &str) -> Statement {
    Statement::new(
        "WITH RECURSIVE chain (id, previous_id, thread_id, depth, total) AS (\
           SELECT id, previous_id, thread_id, 1, size FROM responses WHERE owner = ?1 AND id = ?2 \
           UNION ALL \
           SELECT earlier.id, earlier.previous_id, earlier.thread_id, chain.depth + 1, chain.total + earlier.size \
           FROM chain JOIN responses AS earlier ON earlier.owner = ?1 AND earlier.id = chain.previous_id \
           WHERE chain.depth < ?3 AND chain.total < ?4) \
         SELECT chain.id, chain.previous_id, chain.thread_id, chain.depth, chain.total, chunk.body, chunk.text \
         FROM chain JOIN response_chunks AS chunk ON chunk.owner = ?1 AND chunk.response_id = chain.id \
         ORDER BY chain.depth DESC, chunk.body, chunk.part",
    )
    .bind(owner)
    .bind(id)
    .bind(TURNS)
    .bind(CHAIN)
}
