//! The lists that providers gave of their models: how long one is believed, and what to do when one is wanted.

use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A list is asked for anew when it is older.
const LIFE: Millis = Millis(300_000);
/// A provider that gave none is asked again so soon.
const PAUSE: Millis = Millis(30_000);
/// Lists kept at once; beyond it the cache starts anew.
const MOST: usize = 500;

/// What is wrong with a provider that gave no list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its name.
    pub provider: String,
    /// What it answered, if it did.
    pub status: Option<u16>,
    /// A sentence.
    pub message: String,
}

impl Problem {
    /// One that nobody had to be asked for.
    pub(super) fn before_asking(provider: &str, message: &str) -> Problem {
        Problem { provider: provider.to_owned(), status: None, message: format!("{provider}: {message}") }
    }
}

/// What is known of a provider's models.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// As it listed them last; `None`: as D1 has them.
    pub names: Option<Vec<String>>,
    /// Why the last attempt brought none.
    pub problem: Option<Problem>,
    /// When that was.
    pub asked_at: Millis,
}

/// What to do for a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is known well enough.
    Serve,
    /// Serve what is known, and ask behind the answer. Nobody else is told to, meanwhile.
    Refresh,
    /// Nothing is known: ask.
    Ask,
}

/// All lists that an isolate knows.
#[derive(Debug, Default)]
pub struct Lists(HashMap<String, List>);

impl Lists {
    /// What to do for the list of this name.
    pub fn step(&mut self, name: &str, now: Millis) -> Step {
        let Some(list) = self.0.get_mut(name) else { return Step::Ask };
        let life = if list.problem.is_some() { PAUSE } else { LIFE };
        if now.since(list.asked_at) < life {
            return Step::Serve;
        }
        list.asked_at = now;
        Step::Refresh
    }

    /// What is known.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&List> {
        self.0.get(name)
    }

    /// Takes over what somebody else knew.
    pub fn adopt(&mut self, name: &str, list: List) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(name.to_owned(), list);
    }

    /// What came of asking; a provider that fails keeps the list that it gave before.
    pub fn keep(&mut self, name: &str, outcome: Result<Vec<String>, Problem>, now: Millis) {
        let list = match outcome {
            Ok(names) => List { names: Some(names), problem: None, asked_at: now },
            Err(problem) => {
                let names = self.0.get(name).and_then(|list| list.names.clone());
                List { names, problem: Some(problem), asked_at: now }
            }
        };
        self.adopt(name, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_asked_for_once_and_then_behind_the_answer() {
        let mut lists = Lists::default();
        assert_eq!(lists.step("a", Millis(0)), Step::Ask);
        lists.keep("a", Ok(vec!["m".into()]), Millis(0));
        assert_eq!(lists.step("a", Millis(LIFE.0 - 1)), Step::Serve);
        assert_eq!(lists.step("a", LIFE), Step::Refresh);
        assert_eq!(lists.step("a", LIFE), Step::Serve, "one asks for all");
    }

    #[test]
    fn a_provider_that_fails_keeps_its_list_and_is_asked_again_soon() {
        let mut lists = Lists::default();
        lists.keep("a", Ok(vec!["m".into()]), Millis(0));
        lists.keep("a", Err(Problem::default()), Millis(1));
        let list = lists.get("a").unwrap();
        assert_eq!(
            (list.names.as_deref(), &list.problem),
            (Some(&["m".to_owned()][..]), &Some(Problem::default()))
        );
        assert_eq!(lists.step("a", PAUSE.plus(Millis(1))), Step::Refresh);
    }
}
