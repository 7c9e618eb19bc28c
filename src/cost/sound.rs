//! How many tokens sound is, of a model that is priced by the token where its upstream counts none.
//!
//! Rates: OpenAI's, a token for each 100 ms that are heard and for each 50 ms that are spoken
//! (<https://platform.openai.com/docs/guides/realtime-costs>); a voice speaks some 15 characters a second.

/// Of sound that is listened to, ms.
pub(super) fn heard(ms: u64) -> u64 {
    ms.div_ceil(100)
}

/// Of characters that are spoken: likely.
pub(super) fn spoken(characters: u64) -> u64 {
    characters.saturating_mul(20).div_ceil(15)
}

/// Of characters that are spoken: at most, by a slow voice with pauses.
pub(super) fn most_spoken(characters: u64) -> u64 {
    characters.saturating_mul(4).saturating_add(100)
}

/// Of the text of so much speech, ms: at most, five a second.
pub(super) fn most_written(ms: u64) -> u64 {
    ms.div_ceil(200).saturating_add(100)
}
