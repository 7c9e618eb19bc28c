//! `GET /api/logs/export?format=csv|ndjson`: all calls that a filter lets through, page by page, so that neither the
//! database nor the isolate ever holds more than one page.

use super::{Filter, Row, listing};
use crate::api::page::Page;
use crate::api::{ApiResponse, Body, Call, Platform};
use crate::error::ApiError;
use crate::store::{Store, StoreError};
use serde_json::Value;

/// Calls in a page.
const PAGE: i64 = 500;

/// The columns of the CSV, which are the fields of a log record.
const COLUMNS: &[&str] = &[
    "id",
    "created_at",
    "key_id",
    "user_id",
    "endpoint",
    "dialect",
    "model",
    "provider",
    "target_model",
    "status",
    "error",
    "stream",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "usage_source",
    "cost",
    "priced",
    "latency_ms",
    "first_content_ms",
    "end",
    "metadata",
    "attempts",
    "dropped_params",
    "units",
];

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated (RFC 4180), with a header line.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

/// An export under way: ask [`Export::next`] until there is no more.
#[derive(Debug)]
pub struct Export {
    filter: Filter,
    format: Format,
    page: Page,
    begun: bool,
    finished: bool,
}

impl Export {
    /// The next piece, never empty; `None` at the end.
    ///
    /// # Errors
    /// As the store's: the edge breaks the stream off, so that nobody takes half a file for a whole one.
    pub async fn next(&mut self, store: &impl Store) -> Result<Option<Vec<u8>>, StoreError> {
        if self.finished {
            return Ok(None);
        }
        let mut piece = Vec::new();
        if !self.begun && self.format == Format::Csv {
            piece.extend_from_slice(COLUMNS.join(",").as_bytes());
            piece.extend_from_slice(b"\r\n");
        }
        self.begun = true;
        // The statement asks for one row more than its limit, which tells whether there is another page.
        let mut rows: Vec<Row> = store.all(listing(&self.filter, &self.page)).await?;
        let limit = usize::try_from(self.page.limit).unwrap_or_default();
        self.finished = rows.len() <= limit;
        rows.truncate(limit);
        self.page.cursor = rows.last().map(|row| row.id.clone());
        for row in &rows {
            self.write(row, &mut piece);
        }
        Ok((!piece.is_empty()).then_some(piece))
    }

    fn write(&self, row: &Row, piece: &mut Vec<u8>) {
        let Ok(line) = serde_json::to_vec(row) else { return };
        match self.format {
            Format::Ndjson => {
                piece.extend_from_slice(&line);
                piece.push(b'\n');
            }
            Format::Csv => {
                let value: Value = serde_json::from_slice(&line).unwrap_or_default();
                let cells: Vec<String> =
                    COLUMNS.iter().map(|column| cell(value.get(column).unwrap_or(&Value::Null))).collect();
                piece.extend_from_slice(cells.join(",").as_bytes());
                piece.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// A quoted cell. A text that a spreadsheet would run as a formula gets an apostrophe before it (OWASP, CSV injection);
/// numbers are never negative here.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
        plain => return plain.to_string(),
    };
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// The handler.
pub(in crate::api) async fn export<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let (format, media, name) = match call.request.parameter("format").as_deref() {
        None | Some("csv") => (Format::Csv, "text/csv; charset=utf-8", "logs.csv"),
        Some("ndjson") => (Format::Ndjson, "application/x-ndjson", "logs.ndjson"),
        Some(_) => return Err(ApiError::invalid("format", "must be csv or ndjson")),
    };
    let filter = Filter::read(call.request, call.principal()?.scope())?;
    let page = Page { limit: PAGE, cursor: None };
    let export = Export { filter, format, page, begun: false, finished: false };
    Ok(ApiResponse {
        status: 200,
        headers: vec![
            ("content-type", media.into()),
            ("content-disposition", format!("attachment; filename=\"{name}\"")),
            ("cache-control", "no-store".into()),
            ("x-content-type-options", "nosniff".into()),
        ],
        body: Body::Export(Box::new(export)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        for (value, expected) in [
            (json!(null), ""),
            (json!(12.5), "12.5"),
            (json!(true), "true"),
            (json!("plain, \"quoted\"\nline"), "\"plain, \"\"quoted\"\"\nline\""),
            (json!("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\""),
            (json!("+1"), "\"'+1\""),
            (json!("-1"), "\"'-1\""),
            (json!("\t=1"), "\"'\t=1\""),
            (json!("\r=1"), "\"'\r=1\""),
            (json!(-1), "-1"),
            (json!("@SUM(A1)"), "\"'@SUM(A1)\""),
            (json!({ "a": 1 }), "\"{\"\"a\"\":1}\""),
        ] {
            assert_eq!(cell(&value), expected);
        }
    }
}
