//! Raw JSON without a tree: peek at the fields of an object, splice some, leave every other byte as it came; and a reader
//! of types ([`read()`]), which takes less code than `serde_json`'s.
//!
//! ```
//! use edgeway::json;
//!
//! let body = br#"{"seed": 7, "model": "a"}"#;
//! let object = json::peek(body, &["model", "user"])?;
//! let [Some(model), None] = &object.fields else { unreachable!() };
//! assert_eq!(model.as_str().as_deref(), Some("a"));
//! let edits = [object.insert("user", "\"ada\""), model.replace(json::quote("b"))];
//! assert_eq!(json::splice(body, edits), br#"{"user":"ada","seed": 7, "model": "b"}"#);
//! # Ok::<(), json::JsonError>(())
//! ```

mod fields;
mod path;
mod read;
mod scan;
mod splice;
mod tree;

pub use fields::{FieldError, Fields};
pub use path::path_at;
pub use read::read;
use scan::{Fault, FaultKind, Scanner};
pub use splice::{Edit, quote, splice};
use std::borrow::Cow;
use std::ops::Range;
pub(crate) use tree::{Leaf, json, object, tree_of};

/// Why a body cannot be read. Lines and columns count from 1, columns in bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("not valid JSON: expected {expected} at line {line}, column {column}")]
    Syntax {
        /// What should have stood there.
        expected: &'static str,
        /// Line of the fault.
        line: usize,
        /// Column of the fault.
        column: usize,
    },
    /// Arrays and objects nest more than 127 deep.
    #[error("nested too deeply at line {line}, column {column}")]
    TooDeep {
        /// Line of the bracket that is one too many.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// It is JSON, but not an object.
    #[error("a JSON object is expected")]
    NotAnObject,
    /// A field that the reader owns is there twice, also when only the spelling (an escape, upper case) differs:
    /// another parser might take the other one, so that what is checked is not what is used.
    #[error("`{0}` is given more than once")]
    Duplicate(String),
}

/// A value as it stands in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Its JSON text, without whitespace around.
    pub bytes: &'a [u8],
    /// Where that begins in the body.
    pub start: usize,
}

impl<'a> Raw<'a> {
    /// Where it lies in the body.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.bytes.len()
    }

    /// `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.bytes == b"null"
    }

    /// `[…]`.
    #[must_use]
    pub fn is_array(&self) -> bool {
        self.bytes.first() == Some(&b'[')
    }

    /// `{…}`.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.bytes.first() == Some(&b'{')
    }

    /// `null`, `""`, `[]` or `{}`: there, but saying nothing.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.is_null()
            || self.string_text().is_some_and(<[u8]>::is_empty)
            || ((self.is_array() || self.is_object())
                && self.bytes.get(1..).unwrap_or_default().trim_ascii().len() == 1)
    }

    /// The text between the quotes of a string, escapes left as they are.
    #[must_use]
    pub fn string_text(&self) -> Option<&'a [u8]> {
        self.bytes.strip_prefix(b"\"")?.strip_suffix(b"\"")
    }

    /// A string, decoded.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        unescape(self.string_text()?)
    }

    /// A boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.bytes {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        std::str::from_utf8(self.bytes).ok()?.parse().ok()
    }

    /// The members of an object, the elements of an array; nothing for anything else.
    #[must_use]
    pub fn items(&self) -> Items<'a> {
        Items::new(self.bytes, self.start)
    }

    /// The first member of an object that has this key.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Raw<'a>> {
        let mut items = if self.is_object() { self.items() } else { Items::new(b"", 0) };
        items.find(|item| item.is(name)).map(|item| item.value)
    }

    /// The edit that puts this text in its place.
    #[must_use]
    pub fn replace<'t>(&self, text: impl Into<Cow<'t, str>>) -> Edit<'t> {
        Edit::new(self.range(), text)
    }
}

/// A member of an object, or an element of an array.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Where it begins in the body, a member with its key.
    pub start: usize,
    /// The key between its quotes, escapes left as they are; empty for an element.
    pub key: &'a [u8],
    /// The value.
    pub value: Raw<'a>,
}

impl Item<'_> {
    /// The key is this name, however it is escaped.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.key == name.as_bytes()
            || (self.key.contains(&b'\\') && unescape(self.key).is_some_and(|key| key == name))
    }

    /// What to cut out of the body so that it is gone, one comma with it.
    #[must_use]
    pub fn removal(&self, body: &[u8]) -> Range<usize> {
        let end = self.value.range().end;
        let behind = body.get(end..).unwrap_or_default();
        let before = body.get(..self.start).unwrap_or_default();
        if behind.trim_ascii_start().starts_with(b",") {
            let comma = end + behind.len() - behind.trim_ascii_start().len();
            let next = body.get(comma + 1..).unwrap_or_default();
            return self.start..comma + 1 + next.len() - next.trim_ascii_start().len();
        }
        let kept = before.trim_ascii_end();
        kept.strip_suffix(b",").unwrap_or(kept).len()..end
    }
}

/// The members of an object or the elements of an array, in one pass; ends where the text stops being JSON.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    scanner: Scanner<'a>,
    bytes: &'a [u8],
    base: usize,
    close: u8,
    /// Before the first item: the opening bracket has been read.
    is_first: bool,
    end: Option<Result<(), Fault>>,
}

impl<'a> Items<'a> {
    fn new(bytes: &'a [u8], base: usize) -> Items<'a> {
        let mut scanner = Scanner::new(bytes);
        scanner.skip_whitespace();
        let close = match scanner.peek() {
            Some(b'{') => b'}',
            _ => b']',
        };
        let end = if scanner.eat(b'{') || scanner.eat(b'[') { None } else { Some(Ok(())) };
        Items { scanner, bytes, base, close, is_first: true, end }
    }

    fn advance(&mut self) -> Result<Option<Item<'a>>, Fault> {
        self.scanner.skip_whitespace();
        if self.scanner.eat(self.close) {
            return Ok(None);
        }
        let expected = if self.close == b'}' { "`,` or `}`" } else { "`,` or `]`" };
        if !self.is_first && !self.scanner.eat(b',') {
            return self.scanner.fault(expected);
        }
        self.is_first = false;
        self.scanner.skip_whitespace();
        let item_start = self.base + self.scanner.at;
        let key = if self.close == b'}' { self.scanner.key()? } else { 0..0 };
        let value = self.scanner.value()?;
        let text = |range: Range<usize>| self.bytes.get(range).unwrap_or_default();
        let start = self.base + value.start;
        Ok(Some(Item { start: item_start, key: text(key), value: Raw { bytes: text(value), start } }))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.end.is_some() {
            return None;
        }
        match self.advance() {
            Ok(Some(item)) => return Some(item),
            Ok(None) => self.end = Some(Ok(())),
            Err(fault) => self.end = Some(Err(fault)),
        }
        None
    }
}

/// An object of which some fields are known.
#[derive(Clone, Debug)]
pub struct Object<'a, const N: usize> {
    /// The fields that were asked for, in that order.
    pub fields: [Option<Raw<'a>>; N],
    /// Just behind its opening brace.
    pub inside: usize,
    /// It has no member at all.
    pub is_empty: bool,
}

impl<const N: usize> Object<'_, N> {
    /// The edit that adds a member in front of all others. Several are put in the order of the edits, but an object
    /// that is empty takes only one.
    #[must_use]
    pub fn insert(&self, name: &str, value: &str) -> Edit<'static> {
        let comma = if self.is_empty { "" } else { "," };
        Edit::new(self.inside..self.inside, format!("{}:{value}{comma}", quote(name)))
    }
}

/// Reads a whole body once: it must be one JSON object, in UTF-8; gives the fields with these names.
///
/// # Errors
/// Where it is not, or one of these fields is there twice.
pub fn peek<'a, const N: usize>(body: &'a [u8], names: &[&str; N]) -> Result<Object<'a, N>, JsonError> {
    find(body, names, false)
}

/// The same for what an upstream sent, where nothing is to be smuggled: of a field that is there twice the last counts.
///
/// # Errors
/// Where the body is not one JSON object in UTF-8.
pub fn peek_lenient<'a, const N: usize>(
    body: &'a [u8],
    names: &[&str; N],
) -> Result<Object<'a, N>, JsonError> {
    find(body, names, true)
}

fn find<'a, const N: usize>(
    body: &'a [u8],
    names: &[&str; N],
    lenient: bool,
) -> Result<Object<'a, N>, JsonError> {
    if let Err(error) = std::str::from_utf8(body) {
        return Err(syntax(body, error.valid_up_to(), "UTF-8"));
    }
    let fault = |fault: Fault| match fault.kind {
        FaultKind::Expected(expected) => syntax(body, fault.at, expected),
        FaultKind::TooDeep => {
            let (line, column) = position(body, fault.at);
            JsonError::TooDeep { line, column }
        }
    };
    let mut items = Items::new(body, 0);
    if items.end.is_some() || items.close != b'}' {
        let mut scanner = Scanner::new(body);
        scanner.value().map_err(fault)?;
        return Err(JsonError::NotAnObject);
    }
    let inside = items.scanner.at;
    let mut fields = [None; N];
    let mut is_empty = true;
    for item in items.by_ref() {
        is_empty = false;
        let key = if item.key.contains(&b'\\') { unescape(item.key) } else { None };
        let key = key.as_deref().map_or(item.key, str::as_bytes);
        for (name, field) in names.iter().zip(&mut fields) {
            let is_it =
                if lenient { key == name.as_bytes() } else { key.eq_ignore_ascii_case(name.as_bytes()) };
            if is_it && field.replace(item.value).is_some() && !lenient {
                return Err(JsonError::Duplicate((*name).to_owned()));
            }
        }
    }
    if let Some(Err(error)) = items.end {
        return Err(fault(error));
    }
    items.scanner.skip_whitespace();
    if !items.scanner.at_end() {
        return Err(syntax(body, items.scanner.at, "the end"));
    }
    Ok(Object { fields, inside, is_empty })
}

/// Whether this is one whole JSON value and nothing else.
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text);
    let value = scanner.value();
    scanner.skip_whitespace();
    value.is_ok() && scanner.at_end()
}

fn syntax(body: &[u8], at: usize, expected: &'static str) -> JsonError {
    let (line, column) = position(body, at);
    JsonError::Syntax { expected, line, column }
}

fn position(body: &[u8], at: usize) -> (usize, usize) {
    let before = body.get(..at).unwrap_or(body);
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    (memchr::memchr_iter(b'\n', before).count() + 1, before.len() - line_start + 1)
}

fn unescape(text: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    serde_json::from_slice(format!("\"{text}\"").as_bytes()).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests;
