//! The counters of one scope, a key or an owner: what is committed and what is held, in each window.
//!
//! Of each kind the two latest windows are kept, and time never goes back before the earlier of them ([`Counters::floor`]):
//! a window that was dropped is never counted in again, so a clock that jumps back frees nothing; and one wrong jump
//! forward does not close the present, which stays as the earlier of the two.

use super::amounts::{Amounts, Measure};
use super::caps::Subject;
use super::rows::ScopeRow;
use super::window::Window;
use crate::time::Millis;
use std::collections::BTreeMap;

/// What was used in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    start: Millis,
    /// Settled, or taken as its bound where the outcome is unknown.
    committed: Amounts,
    /// The bounds of calls under way.
    held: Amounts,
}

/// The two latest windows of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Recent {
    earlier: Option<Counted>,
    latest: Option<Counted>,
}

impl Recent {
    fn find(&self, start: Millis) -> Option<&Counted> {
        [&self.latest, &self.earlier].into_iter().flatten().find(|counted| counted.start == start)
    }

    fn find_mut(&mut self, start: Millis) -> Option<&mut Counted> {
        [&mut self.latest, &mut self.earlier].into_iter().flatten().find(|counted| counted.start == start)
    }

    /// Makes room for a window, unless it is there, or older than both that are.
    fn open(&mut self, start: Millis) -> bool {
        let new = Some(Counted { start, ..Counted::default() });
        match (self.earlier, self.latest) {
            _ if self.find(start).is_some() => return false,
            (_, None) => self.latest = new,
            (_, Some(latest)) if start > latest.start => {
                self.earlier = self.latest;
                self.latest = new;
            }
            (None, _) => self.earlier = new,
            (Some(earlier), _) if start > earlier.start => self.earlier = new,
            _ => return false,
        }
        true
    }
}

/// The counters of one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    recent: [Recent; 6],
    /// Calls under way.
    concurrent: u64,
    /// A revoked key's calls are refused.
    pub(super) revoked: bool,
}

impl Counters {
    fn each(&mut self) -> impl Iterator<Item = (Window, &mut Recent)> {
        Window::ALL.into_iter().zip(&mut self.recent)
    }

    fn kind(&self, window: Window) -> Option<&Recent> {
        Window::ALL.into_iter().zip(&self.recent).find(|(kind, _)| *kind == window).map(|(_, recent)| recent)
    }

    /// The earliest moment that may still be counted: time does not go back before it.
    #[must_use]
    pub fn floor(&self) -> Option<Millis> {
        self.recent.iter().filter_map(|recent| Some(recent.earlier?.start)).max()
    }

    /// Opens the windows around a moment; whether that changed what is stored.
    pub(super) fn open(&mut self, at: Millis) -> bool {
        self.each().fold(false, |changed, (window, recent)| recent.open(window.span(at).start) || changed)
    }

    /// Holds a call's bound.
    pub(super) fn hold(&mut self, at: Millis, bound: Amounts) {
        self.concurrent = self.concurrent.saturating_add(1);
        self.change(at, |counted| counted.held = counted.held.plus(bound));
    }

    /// Holds more of a call that is open.
    pub(super) fn hold_more(&mut self, at: Millis, more: Amounts) {
        self.change(at, |counted| counted.held = counted.held.plus(more));
    }

    /// Lets go of what was held.
    pub(super) fn let_go(&mut self, at: Millis, bound: Amounts) {
        self.concurrent = self.concurrent.saturating_sub(1);
        self.change(at, |counted| counted.held = counted.held.minus(bound));
    }

    /// Commits an amount in place of what was committed for the same call before.
    pub(super) fn commit(&mut self, at: Millis, before: Amounts, amounts: Amounts) {
        self.change(at, |counted| counted.committed = counted.committed.minus(before).plus(amounts));
    }

    /// Windows that were dropped decide nothing any more, so they are passed over.
    fn change(&mut self, at: Millis, change: impl Fn(&mut Counted)) {
        for (window, recent) in self.each() {
            if let Some(counted) = recent.find_mut(window.span(at).start) {
                change(counted);
            }
        }
    }

    /// What counts against a limit: committed and held.
    #[must_use]
    pub fn used(&self, subject: Subject, at: Millis) -> u64 {
        match subject {
            Subject::Concurrent => self.concurrent,
            Subject::Used(measure, window) => self.counted(window, at, measure),
        }
    }

    fn counted(&self, window: Window, at: Millis, measure: Measure) -> u64 {
        let counted = self.kind(window).and_then(|recent| recent.find(window.span(at).start));
        counted.map_or(0, |counted| counted.committed.plus(counted.held).get(measure))
    }

    /// Everything that was ever committed.
    #[must_use]
    pub fn total(&self) -> Amounts {
        let total = self.kind(Window::Total).and_then(|recent| recent.latest);
        total.map_or_else(Amounts::default, |total| total.committed)
    }

    /// What is held by calls under way.
    #[must_use]
    pub fn held(&self) -> Amounts {
        let total = self.kind(Window::Total).and_then(|recent| recent.latest);
        total.map_or_else(Amounts::default, |total| total.held)
    }

    /// What must persist; what is held follows from the open calls.
    pub(super) fn row(&self, scope: &str) -> ScopeRow {
        let windows = Window::ALL.into_iter().zip(&self.recent).map(|(window, recent)| {
            let kept = [recent.earlier, recent.latest].into_iter().flatten();
            (window, kept.map(|counted| (counted.start, counted.committed)).collect())
        });
        let mut row = ScopeRow { scope: scope.to_owned(), revoked: self.revoked, windows: BTreeMap::new() };
        row.windows.extend(windows);
        row
    }

    /// From what persisted; the open calls are to be held anew.
    pub(super) fn restore(row: &ScopeRow) -> Counters {
        let mut counters = Counters { revoked: row.revoked, ..Counters::default() };
        for (window, recent) in counters.each() {
            for (start, committed) in row.windows.get(&window).into_iter().flatten() {
                recent.open(*start);
                if let Some(counted) = recent.find_mut(*start) {
                    counted.committed = *committed;
                }
            }
        }
        counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Subject = Subject::Used(Measure::Requests, Window::Minute);
    const ONE: Amounts =
        Amounts { requests: 1, input_tokens: 0, output_tokens: 0, cost: crate::money::NanoUsd(0) };

    fn at(text: &str) -> Millis {
        Millis::from_iso(text).unwrap()
    }

    #[test]
    fn a_dropped_window_is_never_opened_again() {
        let mut counters = Counters::default();
        let minutes = ["2026-11-20T12:00:00Z", "2026-11-20T12:01:00Z", "2026-11-20T12:02:00Z"].map(at);
        for minute in minutes {
            assert!(counters.open(minute));
            counters.hold(minute, ONE);
        }
        assert_eq!(counters.floor(), Some(minutes[1]));
        assert!(!counters.open(minutes[0]));
        assert_eq!(minutes.map(|minute| counters.used(MINUTE, minute)), [0, 1, 1]);
        assert_eq!(counters.used(Subject::Concurrent, minutes[0]), 3);
    }

    #[test]
    fn a_wrong_jump_forward_does_not_close_the_present() {
        let mut counters = Counters::default();
        for moment in ["2026-11-20T12:00:00Z", "2036-01-01", "2026-11-20T12:00:30Z", "2026-11-20T12:01:00Z"] {
            counters.open(at(moment));
            counters.hold(at(moment), ONE);
        }
        assert_eq!(counters.used(MINUTE, at("2026-11-20T12:01:00Z")), 1);
        assert_eq!(counters.floor(), Some(at("2026-11-20T12:01:00Z")));
    }

    #[test]
    fn a_row_holds_all_but_what_is_held() {
        let (mut counters, moment) = (Counters::default(), at("2026-11-20T12:00:00Z"));
        counters.open(moment);
        counters.open(moment.plus(Millis::DAY));
        counters.commit(moment, Amounts::default(), ONE);
        assert_eq!(Counters::restore(&counters.row("key")), counters);
    }
}
