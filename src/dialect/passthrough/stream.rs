//! What the events of a stream say that is no conversation: images as they take shape, speech, transcripts.

use super::answer::reported;
use crate::conversation::StreamError;
use crate::dialect::Endpoint;
use crate::dialect::chat::stream::push_error;
use crate::dialect::error::{is_error, read_error};
use crate::dialect::relay::{self, End, Failure, Seen, Verdict};
use crate::json::Raw;
use crate::sse;

/// Reads a stream whose bytes pass.
#[derive(Clone, Debug)]
pub struct Watch {
    endpoint: Endpoint,
    seen: Seen,
    /// Its events say what they are, so that its last one can be told.
    is_typed: bool,
    /// That one has come: `image_generation.completed`, `speech.audio.done`, `transcript.text.done`. It is no end mark:
    /// several images have one each.
    has_ended: bool,
}

impl Watch {
    /// A watch for one stream of this endpoint.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Watch {
        Watch { endpoint, seen: Seen::default(), is_typed: false, has_ended: false }
    }
}

impl relay::Watch for Watch {
    fn observe(&mut self, frame: &[u8]) -> Verdict {
        let Some(event) = sse::parse(frame) else { return Verdict::Keep };
        if event.data.trim_ascii() == b"[DONE]" {
            self.seen.is_done = true;
            return Verdict::Keep;
        }
        let (mut kind, mut error, mut object) = (None, None, None);
        for member in (Raw { bytes: &event.data, start: 0 }).items() {
            match member.key {
                b"type" => kind = member.value.string_text(),
                b"usage" => self.seen.usage = reported(self.endpoint, member.value).or(self.seen.usage),
                b"error" => error = Some(member.value),
                b"object" => object = Some(member.value),
                b"delta" => self.seen.output.add_content(member.value),
                _ => {}
            }
        }
        let kind = kind.or(event.name);
        if kind == Some(b"error") || is_error(error, object, false) {
            let (error, is_after_content) = (read_error(&event.data), self.seen.has_content);
            self.seen.failure.get_or_insert(Failure { error, is_after_content });
            return Verdict::Keep;
        }
        self.seen.has_content = true;
        self.is_typed |= kind.is_some();
        self.has_ended |= kind.is_some_and(|kind| kind.ends_with(b".completed") || kind.ends_with(b".done"));
        let is_picture =
            kind.is_some_and(|kind| kind.starts_with(b"image_") && kind.ends_with(b".completed"));
        self.seen.images += u64::from(is_picture);
        Verdict::Keep
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> End {
        match &self.seen {
            Seen { failure: Some(_), .. } => End::Failed,
            Seen { has_content: false, .. } => End::Empty,
            Seen { is_done, .. } if *is_done || self.has_ended || !self.is_typed => End::Complete,
            _ => End::CutShort,
        }
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        push_error(error, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::relay::Watch as _;

    fn watched(endpoint: Endpoint, events: &[&str]) -> (Watch, End) {
        let mut watch = Watch::new(endpoint);
        for event in events {
            assert_eq!(watch.observe(format!("data: {event}\n\n").as_bytes()), Verdict::Keep);
        }
        let end = watch.finish(&mut Vec::new());
        (watch, end)
    }

    #[test]
    fn a_streams_end_and_usage_are_seen() {
        let partial = r#"{"type":"image_generation.partial_image","b64_json":"aa","partial_image_index":0}"#;
        let whole = r#"{"type":"image_generation.completed","b64_json":"aa","usage":{"input_tokens":5,"output_tokens":7}}"#;
        let (watch, end) = watched(Endpoint::ImageGenerations, &[partial, whole]);
        let usage = watch.seen().usage.unwrap().usage;
        let seen = watch.seen();
        assert_eq!((end, usage.input, usage.image_output, seen.is_done), (End::Complete, 5, 7, false));
        assert_eq!(seen.images, 1);
        assert_eq!(watched(Endpoint::ImageGenerations, &[partial]).1, End::CutShort);
        assert_eq!(watched(Endpoint::Speech, &[r#"{"audio":"aa"}"#]).1, End::Complete);
        assert_eq!(watched(Endpoint::Speech, &[]).1, End::Empty);
    }

    #[test]
    fn an_error_is_seen_before_and_after_content() {
        let error = r#"{"type":"error","error":{"message":"overloaded"}}"#;
        let (watch, end) = watched(Endpoint::Speech, &[error]);
        assert_eq!((end, watch.seen().failure.as_ref().unwrap().is_after_content), (End::Failed, false));
        let delta = r#"{"type":"speech.audio.delta","audio":"aa"}"#;
        assert!(
            watched(Endpoint::Speech, &[delta, error]).0.seen().failure.as_ref().unwrap().is_after_content
        );
    }
}
