//! The tokens that keys were exchanged for: each is asked for once, however many calls need it, and anew before it
//! expires, while the old one still serves.

use crate::provider::exchange::Token;
use crate::secret::Secret;
use crate::time::Millis;
use std::collections::HashMap;

/// A token is asked for anew so long before it expires.
const MARGIN: Millis = Millis(120_000);
/// Within this, it is not trusted to last for a call's way to its endpoint.
const EDGE: Millis = Millis(5_000);
/// Whoever asks and has not reported by then is lost: their client may have gone.
const PATIENCE: Millis = Millis(15_000);
/// More than this are forgotten, the one that expires first before all others.
const MOST: usize = 1024;

/// What a call that needs a token is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this one.
    Use(Token),
    /// Ask for one, and report by [`Tokens::keep`] or [`Tokens::give_up`].
    Ask,
    /// Somebody is asking: look again shortly.
    Wait,
}

#[derive(Debug, Default)]
struct Entry {
    token: Option<Token>,
    asking: Option<Millis>,
}

/// All tokens that an isolate holds.
#[derive(Debug, Default)]
pub struct Tokens(HashMap<String, Entry>);

impl Tokens {
    /// What to do for the token of this name.
    pub fn step(&mut self, name: &str, now: Millis) -> Step {
        if self.0.len() >= MOST && !self.0.contains_key(name) {
            let expiry = |entry: &Entry| entry.token.as_ref().map(|token| token.expires_at);
            let first = self.0.iter().min_by_key(|(_, entry)| expiry(entry)).map(|(name, _)| name.clone());
            first.and_then(|first| self.0.remove(&first));
        }
        let entry = self.0.entry(name.to_owned()).or_default();
        let left = entry.token.as_ref().map_or(Millis(0), |token| token.expires_at.since(now));
        let is_asked_for = entry.asking.is_some_and(|since| now.since(since) < PATIENCE);
        let usable = entry.token.as_ref().filter(|_| left > EDGE).cloned();
        match usable {
            Some(token) if left > MARGIN || is_asked_for => Step::Use(token),
            None if is_asked_for => Step::Wait,
            _ => {
                entry.asking = Some(now);
                Step::Ask
            }
        }
    }

    /// Here it is.
    pub fn keep(&mut self, name: &str, token: Token) {
        self.0.insert(name.to_owned(), Entry { token: Some(token), asking: None });
    }

    /// None is to be had now. A token that has not expired serves on.
    pub fn give_up(&mut self, name: &str) {
        if let Some(entry) = self.0.get_mut(name) {
            entry.asking = None;
        }
    }

    /// An endpoint refused this token; where another has taken its place meanwhile, that one stays.
    pub fn refused(&mut self, name: &str, secret: &Secret) {
        if let Some(entry) = self.0.get_mut(name)
            && entry.token.as_ref().is_some_and(|token| token.secret == *secret)
        {
            entry.token = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, expires_at: i64) -> Token {
        Token { secret: Secret::new(name), expires_at: Millis(expires_at), endpoint: None }
    }

    /// The token that a call is to use.
    fn used(step: Step) -> String {
        let Step::Use(token) = step else { return format!("{step:?}") };
        token.secret.reveal().to_owned()
    }

    #[test]
    fn of_a_hundred_calls_one_asks_and_all_use_what_it_got() {
        let mut tokens = Tokens::default();
        let steps: Vec<_> = (0..100).map(|_| tokens.step("k", Millis(0))).collect();
        assert_eq!(steps.iter().filter(|step| **step == Step::Ask).count(), 1);
        tokens.keep("k", token("one", 1_800_000));
        assert_eq!(used(tokens.step("k", Millis(1))), "one");
    }

    #[test]
    fn before_it_expires_one_call_asks_anew_while_the_others_use_it() {
        let mut tokens = Tokens::default();
        tokens.keep("k", token("one", 1_800_000));
        assert_eq!(used(tokens.step("k", Millis(1_679_000))), "one");
        assert_eq!(tokens.step("k", Millis(1_690_000)), Step::Ask);
        assert_eq!(used(tokens.step("k", Millis(1_690_001))), "one");
        tokens.give_up("k");
        assert_eq!(tokens.step("k", Millis(1_690_002)), Step::Ask);
        assert_eq!(
            tokens.step("k", Millis(1_796_000)),
            Step::Ask,
            "who asked is lost, and it is as good as expired"
        );
        assert_eq!(tokens.step("k", Millis(1_796_001)), Step::Wait);
    }

    #[test]
    fn a_refused_token_is_asked_for_anew_unless_it_was_already() {
        let mut tokens = Tokens::default();
        tokens.keep("k", token("one", 1_800_000));
        tokens.refused("k", &Secret::new("one"));
        assert_eq!(tokens.step("k", Millis(0)), Step::Ask);
        tokens.keep("k", token("two", 1_800_000));
        tokens.refused("k", &Secret::new("one"));
        assert_eq!(used(tokens.step("k", Millis(0))), "two");
    }
}
