//! Amazon Bedrock's Converse (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>), which
//! upstreams speak and no client does.
//!
//! It says what Anthropic's Messages say, in other words and places, for models of all makers. So a request is first written
//! as one of that dialect, which knows what which Claude takes, and then said anew; answers and events are said in that
//! dialect's words and read by its decoders. What a Claude on Bedrock signs is the same as elsewhere, too.

mod citation;
mod frame;
pub mod request;
pub mod response;
pub mod stream;

use serde_json::Value;

/// An object of these members, without those that are null. (A function, where `json!` would be code of its own at each place.)
fn object(members: &mut [(&str, Value)]) -> Value {
    let taken = members.iter_mut().filter(|(_, value)| !value.is_null());
    Value::Object(taken.map(|(name, value)| ((*name).to_owned(), value.take())).collect())
}
