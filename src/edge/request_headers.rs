//! A request's headers: those that every call is asked for cross once, together; any other crosses when it is asked for.

use super::wire;
use wasm_bindgen::JsValue;
use web_sys::Request;

/// What every call is asked for.
const COMMON: [&str; 15] = [
    "authorization",
    "x-api-key",
    "x-goog-api-key",
    "content-length",
    "origin",
    "x-edgeway-timeout-ms",
    "x-edgeway-max-retries",
    "x-edgeway-metadata",
    "x-edgeway-log",
    "x-edgeway-strict",
    "idempotency-key",
    "x-edgeway-cache",
    "traceparent",
    "tracestate",
    "openai-beta",
];

thread_local! {
    static NAMES: js_sys::Array = COMMON.iter().map(|name| JsValue::from_str(name)).collect();
}

/// The headers of one request.
pub(super) struct RequestHeaders {
    common: String,
    /// Where each of the common ones ends in that text.
    ends: [usize; COMMON.len()],
    all: web_sys::Headers,
}

impl RequestHeaders {
    /// Takes the common ones across.
    pub(super) fn of(request: &Request) -> RequestHeaders {
        let all = request.headers();
        let common = NAMES.with(|names| wire::pick(&all, names));
        let mut ends = [0; COMMON.len()];
        for (end, (at, _)) in ends.iter_mut().zip(common.match_indices('\n')) {
            *end = at;
        }
        RequestHeaders { common, ends, all }
    }

    /// Whether any of these is there.
    pub(super) fn have_any(&self, names: &js_sys::Array) -> bool {
        wire::have_any(&self.all, names)
    }

    /// A header by its lower-case name; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = match COMMON.iter().position(|common| *common == name) {
            Some(line) => {
                let start =
                    line.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| end + 1);
                self.ends.get(line).and_then(|end| self.common.get(start..*end)).map(str::to_owned)
            }
            None => self.all.get(name).ok().flatten(),
        };
        value.filter(|value| !value.is_empty())
    }
}
