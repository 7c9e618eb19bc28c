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
