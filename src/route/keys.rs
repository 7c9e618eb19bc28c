//! The standing of provider keys: usable, resting after a 429, or dead after a 401, 402 or 403 until somebody changes them.
//!
//! What is stored of it comes with the settings ([`ProviderKey`]); what this isolate has found out since then lies over
//! that until it is stored too and the settings were read anew. Each change is reported once ([`KeyStates::take`]),
//! however many calls meet it, so that load never turns into writes. Keys from variables and from callers have no
//! row: their health is all that is known of them. A provider's only key does not rest as a whole: there is none to
//! change to, and most limits are a model's own, which [`super::health`] knows.

use crate::config::{Provider, ProviderKey, environment};
use crate::time::Millis;
use std::collections::HashMap;

/// The first rest of a key whose provider does not say how long; it doubles each time.
pub const FIRST_REST: Millis = Millis(5_000);
/// No rest that we choose is longer.
pub const LONGEST_REST: Millis = Millis(300_000);
/// No rest that a provider asks for is believed beyond this.
pub const LONGEST_ASKED: Millis = Millis::DAY;

/// A shorter rest is over before other isolates hear of it, so it is not stored.
pub const SHORTEST_STORED: Millis = Millis(1_000);

/// Whether a key may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Usable,
    /// Not before then.
    Resting(Millis),
    /// Not before its owner changes or enables it.
    Dead,
}

/// A change of standing that is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key's row id.
    pub key: String,
    /// What was refused: where the row holds another by now, the change is void.
    pub ciphertext: String,
    /// Resting until then; `None` is dead.
    pub until: Option<Millis>,
    /// Why, for people.
    pub reason: String,
    /// When.
    pub at: Millis,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// `None` is dead.
    until: Option<Millis>,
    began: Millis,
    rests: u32,
    /// Settings of this version and later know better.
    holds_below: i64,
}

/// What this isolate has found out.
#[derive(Debug, Default)]
pub struct KeyStates {
    entries: HashMap<String, Entry>,
    changes: Vec<Change>,
}

impl KeyStates {
    /// Whether a key of settings of this version may be sent.
    #[must_use]
    pub fn standing(&self, key: &ProviderKey, version: i64, now: Millis) -> Standing {
        let known = self.entries.get(&key.id).filter(|entry| version < entry.holds_below);
        let (until, is_dead) = match known {
            Some(entry) => (entry.until, entry.until.is_none()),
            None => (key.disabled_until, key.is_dead()),
        };
        match until {
            _ if is_dead => Standing::Dead,
            Some(until) if until > now => Standing::Resting(until),
            _ => Standing::Usable,
        }
    }

    /// Which of a provider's keys may be sent, in their order; one `None` where it needs none.
    #[must_use]
    pub fn usable(&self, provider: &Provider, version: i64, now: Millis) -> Vec<Option<usize>> {
        if provider.keys.is_empty() {
            return vec![None];
        }
        let keys = provider.keys.iter().enumerate();
        keys.filter(|(_, key)| self.standing(key, version, now) == Standing::Usable)
            .map(|(index, _)| Some(index))
            .collect()
    }

    /// A key was refused for what it is, by an attempt under settings of this version.
    pub fn refused(&mut self, key: &ProviderKey, version: i64, reason: String, now: Millis) {
        if !environment::is_stored(&key.id) || self.standing(key, version, now) == Standing::Dead {
            return;
        }
        let entry = Entry { until: None, began: now, rests: 0, holds_below: i64::MAX };
        self.entries.insert(key.id.clone(), entry);
        self.report(key, None, reason, now);
    }

    /// A key met its limit in an attempt that was sent at `sent`; `asked` is the wait that its provider asks for.
    pub fn limited(
        &mut self,
        key: &ProviderKey,
        version: i64,
        asked: Option<Millis>,
        reason: String,
        (sent, now): (Millis, Millis),
    ) {
        let standing = self.standing(key, version, now);
        if !environment::is_stored(&key.id) || standing == Standing::Dead {
            return;
        }
        let known = self.entries.get(&key.id).copied();
        let rests = known.map_or(0, |entry| entry.rests);
        let growing = Millis(FIRST_REST.0.saturating_mul(1 << rests.min(16))).min(LONGEST_REST);
        let until = now.plus(asked.filter(|wait| wait.0 > 0).unwrap_or(growing).min(LONGEST_ASKED));
        let is_late = known.is_some_and(|entry| sent < entry.began);
        if is_late || standing != Standing::Usable {
            // It rests already: what was under way then may make its rest longer, but is no change.
            if let (Some(entry), true) = (self.entries.get_mut(&key.id), asked.is_some()) {
                entry.until = entry.until.map(|known| known.max(until));
            }
            return;
        }
        let rests = rests.saturating_add(1);
        let entry = Entry { until: Some(until), began: now, rests, holds_below: i64::MAX };
        self.entries.insert(key.id.clone(), entry);
        if until.since(now) >= SHORTEST_STORED {
            self.report(key, Some(until), reason, now);
        }
    }

    /// An attempt sent at `sent` went well: a rest that was over by then has helped, and the next one is short again.
    pub fn succeeded(&mut self, key: &str, sent: Millis) {
        if self.entries.get(key).is_some_and(|entry| entry.until.is_some_and(|until| until <= sent)) {
            self.entries.remove(key);
        }
    }

    /// What is to be stored by now.
    pub fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// What was found out of a key is stored: settings of this version have it.
    pub fn stored(&mut self, key: &str, version: i64) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.holds_below = version;
        }
    }

    /// It could not be stored: whoever meets it next tries again.
    pub fn forget(&mut self, key: &str) {
        self.entries.remove(key);
    }

    /// Settings of this version are in force: the keys that were dead and about which those know better by now.
    pub fn learn(&mut self, version: i64) -> Vec<String> {
        let outdated = |entry: &Entry| entry.until.is_none() && entry.holds_below <= version;
        let ids =
            self.entries.iter().filter(|(_, entry)| outdated(entry)).map(|(id, _)| id.clone()).collect();
        self.entries.retain(|_, entry| !outdated(entry));
        ids
    }

    fn report(&mut self, key: &ProviderKey, until: Option<Millis>, reason: String, at: Millis) {
        let (key, ciphertext) = (key.id.clone(), key.ciphertext.clone());
        self.changes.push(Change { key, ciphertext, until, reason, at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(id: &str) -> ProviderKey {
        ProviderKey { id: id.into(), ciphertext: "sealed".into(), ..ProviderKey::default() }
    }

    fn limit(states: &mut KeyStates, asked: Option<i64>, sent: i64, now: i64) {
        states.limited(&key("k"), 1, asked.map(Millis), "limited".into(), (Millis(sent), Millis(now)));
    }

    #[test]
    fn a_refused_key_is_dead_and_reported_once() {
        let mut states = KeyStates::default();
        for _ in 0..3 {
            states.refused(&key("k"), 1, "refused".into(), Millis(7));
        }
        limit(&mut states, Some(5), 8, 9);
        assert_eq!(states.standing(&key("k"), 1, Millis(i64::MAX)), Standing::Dead);
        let [change] = &states.take()[..] else { panic!("one change") };
        assert_eq!((change.key.as_str(), change.until, change.at), ("k", None, Millis(7)));
    }

    #[test]
    fn only_keys_that_may_be_sent_are_usable_and_a_provider_without_keys_is() {
        let mut states = KeyStates::default();
        let keys = vec![key("dead"), key("resting"), key("well")];
        let provider = Provider { keys, ..Provider::default() };
        states.refused(&key("dead"), 1, String::new(), Millis(0));
        states.limited(&key("resting"), 1, Some(Millis(100)), String::new(), (Millis(0), Millis(0)));
        assert_eq!(states.usable(&provider, 1, Millis(50)), [Some(2)]);
        assert_eq!(states.usable(&provider, 1, Millis(100)), [Some(1), Some(2)]);
        assert_eq!(states.usable(&Provider::default(), 1, Millis(0)), [None]);
    }

    #[test]
    fn what_is_stored_gives_way_to_settings_that_were_read_after() {
        let mut states = KeyStates::default();
        states.refused(&key("k"), 1, String::new(), Millis(0));
        assert_eq!(states.standing(&key("k"), 5, Millis(1)), Standing::Dead, "not stored yet");
        states.stored("k", 6);
        assert_eq!(states.standing(&key("k"), 5, Millis(1)), Standing::Dead, "read before it was stored");
        assert_eq!(states.standing(&key("k"), 6, Millis(1)), Standing::Usable, "its owner enabled it");
        let dead = ProviderKey { disabled_reason: Some("refused".into()), ..key("k") };
        assert_eq!(states.standing(&dead, 6, Millis(1)), Standing::Dead);
        assert_eq!(states.learn(6), ["k"]);
        assert_eq!(states.standing(&key("k"), 5, Millis(1)), Standing::Usable);
    }

    #[test]
    fn rests_grow_unless_the_provider_says_how_long_and_until_one_has_helped() {
        let mut states = KeyStates::default();
        let until = |states: &KeyStates, now: i64| match states.standing(&key("k"), 1, Millis(now)) {
            Standing::Resting(until) => until.0 - now,
            other => panic!("{other:?}"),
        };
        limit(&mut states, None, 0, 0);
        assert_eq!(until(&states, 0), 5_000);
        limit(&mut states, None, 6_000, 6_000);
        assert_eq!(until(&states, 6_000), 10_000);
        limit(&mut states, Some(700), 20_000, 20_000);
        assert_eq!(until(&states, 20_000), 700);
        states.succeeded("k", Millis(20_100));
        assert_eq!(until(&states, 20_200), 500, "what was sent before tells nothing");
        states.succeeded("k", Millis(21_000));
        limit(&mut states, None, 30_000, 30_000);
        assert_eq!(until(&states, 30_000), 5_000);
    }

    #[test]
    fn keys_without_a_row_are_not_judged() {
        let mut states = KeyStates::default();
        for id in ["env:openai:0", "call:abc"] {
            states.refused(&key(id), 1, String::new(), Millis(0));
            states.limited(&key(id), 1, None, String::new(), (Millis(0), Millis(0)));
            assert_eq!(states.standing(&key(id), 1, Millis(0)), Standing::Usable);
        }
        assert!(states.take().is_empty());
    }

    proptest! {
        #[test]
        fn however_many_calls_meet_a_limit_it_is_one_change_a_rest(
            answers in prop::collection::vec((prop::option::of(1_000..5_000_i64), 0..50_i64), 1..100),
        ) {
            let mut states = KeyStates::default();
            for (asked, now) in answers {
                limit(&mut states, asked, 0, 100 + now);
            }
            prop_assert_eq!(states.take().len(), 1);
        }
    }
}
