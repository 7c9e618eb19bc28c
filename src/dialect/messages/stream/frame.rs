//! The members of an event that matter, without a tree: most events are deltas of a few letters.

use crate::json::Raw;

/// An event's data.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame<'a> {
    pub(super) kind: &'a [u8],
    pub(super) index: usize,
    pub(super) delta: Option<Raw<'a>>,
    pub(super) content_block: Option<Raw<'a>>,
    pub(super) message: Option<Raw<'a>>,
    pub(super) usage: Option<Raw<'a>>,
    pub(super) error: Option<Raw<'a>>,
}

impl<'a> Frame<'a> {
    pub(super) fn read(data: &'a [u8]) -> Frame<'a> {
        let mut frame = Frame::default();
        for item in (Raw { bytes: data, start: 0 }).items() {
            match item.key {
                b"type" => frame.kind = item.value.string_text().unwrap_or_default(),
                b"index" => {
                    let index = item.value.as_u64().and_then(|index| usize::try_from(index).ok());
                    frame.index = index.unwrap_or_default();
                }
                b"delta" => frame.delta = Some(item.value),
                b"content_block" => frame.content_block = Some(item.value),
                b"message" => frame.message = Some(item.value),
                b"usage" => frame.usage = Some(item.value),
                b"error" => frame.error = Some(item.value),
                _ => {}
            }
        }
        frame
    }

    /// It says that the upstream failed.
    pub(super) fn is_error(&self) -> bool {
        self.kind == b"error" || (self.kind.is_empty() && self.error.is_some_and(|error| !error.is_blank()))
    }
}

/// A delta's type, and its members.
pub(super) fn kind_of(delta: Raw<'_>) -> &[u8] {
    delta.member("type").and_then(|kind| kind.string_text()).unwrap_or_default()
}

/// A member that is a string, decoded; empty where there is none.
pub(super) fn text_of(object: Raw<'_>, name: &str) -> String {
    object.member(name).and_then(|text| text.as_str()).unwrap_or_default().into_owned()
}
