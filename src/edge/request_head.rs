//! A request's head: its method, its URL and the headers that every call is asked for cross once, together; any other header
//! crosses when it is asked for.

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

/// The common headers and, before them, the method and the URL.
const LINES: usize = 2 + COMMON.len();

/// The head of one request.
pub(super) struct RequestHead {
    /// The method, the URL and the common headers, each on a line.
    common: String,
    /// Where each line ends.
    ends: [usize; LINES],
    request: Request,
}

impl RequestHead {
    /// Takes across what every call is asked for.
    pub(super) fn of(request: &Request) -> RequestHead {
        let common = NAMES.with(|names| wire::head(request, names));
        let mut ends = [0; LINES];
        for (end, (at, _)) in ends.iter_mut().zip(common.match_indices('\n')) {
            *end = at;
        }
        RequestHead { common, ends, request: Clone::clone(request) }
    }

    /// The method.
    pub(super) fn method(&self) -> &str {
        self.line(0)
    }

    /// The whole URL.
    pub(super) fn url(&self) -> &str {
        self.line(1)
    }

    /// Whether any of these headers is there.
    pub(super) fn have_any(&self, names: &js_sys::Array) -> bool {
        wire::have_any(&self.request, names)
    }

    /// A header by its lower-case name; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = match COMMON.iter().position(|common| *common == name) {
            Some(index) => Some(self.line(2 + index).to_owned()),
            None => self.request.headers().get(name).ok().flatten(),
        };
        value.filter(|value| !value.is_empty())
    }

    fn line(&self, index: usize) -> &str {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| end + 1);
        self.ends.get(index).and_then(|end| self.common.get(start..*end)).unwrap_or_default()
    }
}
