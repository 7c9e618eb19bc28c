//! The members of an event, found in one pass without a tree.

use crate::json::Raw;

/// What of an event matters.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::dialect::responses::stream) struct Members<'a> {
    pub(in crate::dialect::responses::stream) kind: Option<Raw<'a>>,
    pub(in crate::dialect::responses::stream) output_index: Option<Raw<'a>>,
    /// `content_index` or `summary_index`.
    pub(in crate::dialect::responses::stream) part_index: Option<Raw<'a>>,
    pub(in crate::dialect::responses::stream) delta: Option<Raw<'a>>,
    /// `text`, `refusal`, `arguments` or `input` of an event that repeats the whole.
    pub(in crate::dialect::responses::stream) whole: Option<Raw<'a>>,
    pub(in crate::dialect::responses::stream) logprobs: Option<Raw<'a>>,
    pub(in crate::dialect::responses::stream) annotation: Option<Raw<'a>>,
    pub(in crate::dialect::responses::stream) part: Option<Raw<'a>>,
    pub(in crate::dialect::responses::stream) item: Option<Raw<'a>>,
    pub(in crate::dialect::responses::stream) response: Option<Raw<'a>>,
    pub(in crate::dialect::responses::stream) sequence_number: Option<Raw<'a>>,
}

impl<'a> Members<'a> {
    /// Finds them.
    pub(in crate::dialect::responses::stream) fn read(data: &'a [u8]) -> Members<'a> {
        let mut members = Members::default();
        for member in (Raw { bytes: data, start: 0 }).items() {
            let place = match member.key {
                b"type" => &mut members.kind,
                b"output_index" => &mut members.output_index,
                b"content_index" | b"summary_index" => &mut members.part_index,
                b"delta" => &mut members.delta,
                b"text" | b"refusal" | b"arguments" | b"input" => &mut members.whole,
                b"logprobs" => &mut members.logprobs,
                b"annotation" => &mut members.annotation,
                b"part" => &mut members.part,
                b"item" => &mut members.item,
                b"response" => &mut members.response,
                b"sequence_number" => &mut members.sequence_number,
                _ => continue,
            };
            *place = Some(member.value);
        }
        members
    }

    /// The index of the part.
    pub(in crate::dialect::responses::stream) fn part_index(&self) -> u64 {
        self.part_index.and_then(|index| index.as_u64()).unwrap_or_default()
    }
}

/// A string, or nothing.
pub(super) fn text(value: Option<Raw<'_>>) -> String {
    value.and_then(|value| value.as_str()).map(String::from).unwrap_or_default()
}
