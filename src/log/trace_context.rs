//! W3C Trace Context: what a caller's `traceparent` says, and the ids of the spans that a call has.
//!
//! <https://www.w3.org/TR/trace-context/>. Ids are not made but derived: a request's id holds 74 random bits, which are in the
//! trace's id and in the span's; each attempt counts its own up from there. So a record needs to keep only what the caller sent.

/// What a valid `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext<'a> {
    /// 32 hexadecimal digits.
    pub trace_id: &'a str,
    /// The caller's span, 16 digits.
    pub span_id: &'a str,
    /// Whether the caller records its trace.
    pub is_sampled: bool,
}

impl<'a> TraceContext<'a> {
    /// Reads it; `None` for what is malformed, and begins no trace that could be joined.
    #[must_use]
    pub fn read(traceparent: &'a str) -> Option<TraceContext<'a>> {
        let mut parts = traceparent.trim().splitn(5, '-');
        let (version, trace_id) = (hex(parts.next()?, 2)?, hex(parts.next()?, 32)?);
        let (span_id, flags) = (hex(parts.next()?, 16)?, hex(parts.next()?, 2)?);
        // A later version may have more behind it.
        let is_known = version != "ff" && (version != "00" || parts.next().is_none());
        let is_blank = |id: &str| id.bytes().all(|digit| digit == b'0');
        let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        let context = TraceContext { trace_id, span_id, is_sampled };
        (is_known && !is_blank(trace_id) && !is_blank(span_id)).then_some(context)
    }
}

fn hex(text: &str, length: usize) -> Option<&str> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (text.len() == length && is_hex).then_some(text)
}

/// The trace of a request that joins none.
#[must_use]
pub fn trace_id(request_id: &str) -> String {
    request_id.replace('-', "")
}

/// The span of a request (0), or of one of its attempts from 1 on.
#[must_use]
pub fn span_id(request_id: &str, attempt: usize) -> String {
    let digits = trace_id(request_id);
    let last = digits.get(16..).and_then(|last| u64::from_str_radix(last, 16).ok()).unwrap_or_default();
    let id = last.wrapping_add(u64::try_from(attempt).unwrap_or_default());
    format!("{:016x}", id.max(1))
}

/// What an attempt sends upstream, in the caller's trace where it has one.
#[must_use]
pub fn traceparent(request_id: &str, attempt: usize, caller: Option<TraceContext<'_>>) -> String {
    let trace = caller.map_or_else(|| trace_id(request_id), |caller| caller.trace_id.to_owned());
    let flags = if caller.is_none_or(|caller| caller.is_sampled) { "01" } else { "00" };
    format!("00-{trace}-{}-{flags}", span_id(request_id, attempt))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn only_a_valid_header_is_joined() {
        for (text, expected) in [
            (format!("00-{TRACE}-{SPAN}-01"), Some(true)),
            (format!(" 00-{TRACE}-{SPAN}-00 "), Some(false)),
            (format!("00-{TRACE}-{SPAN}-03"), Some(true)),
            (format!("cc-{TRACE}-{SPAN}-01-what-will-come"), Some(true)),
            (format!("00-{TRACE}-{SPAN}-01-more"), None),
            (format!("ff-{TRACE}-{SPAN}-01"), None),
            (format!("00-{TRACE}-{SPAN}"), None),
            (format!("00-{TRACE}-{SPAN}-1"), None),
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
            (String::new(), None),
            ("nonsense".into(), None),
        ] {
            let read = TraceContext::read(&text);
            assert_eq!(read.map(|context| context.is_sampled), expected, "{text}");
            assert!(read.is_none_or(|context| (context.trace_id, context.span_id) == (TRACE, SPAN)));
        }
    }

    #[test]
    fn the_ids_of_a_call_are_valid_and_each_its_own() {
        let id = crate::identifier::new_id(crate::time::Millis(1_700_000_000_000), [0xff; 10]);
        let own = traceparent(&id, 1, None);
        let read = TraceContext::read(&own).unwrap();
        assert_eq!((read.trace_id, read.is_sampled), (id.replace('-', "").as_str(), true));
        assert_ne!(span_id(&id, 0), span_id(&id, 1));
        let caller = format!("00-{TRACE}-{SPAN}-00");
        let joined = traceparent(&id, 2, TraceContext::read(&caller));
        assert_eq!(joined, format!("00-{TRACE}-{}-00", span_id(&id, 2)));
    }
}
