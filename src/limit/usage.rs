//! How much of each of its limits a key has used, for `GET /api/keys/{id}`.

use super::caps::{Kind, Limits, Subject};
use crate::json::json;
use crate::money::NanoUsd;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// One limit and its use, in the limit's unit: nano-USD for a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// As the setting is called; `budget` for money.
    pub limit: Cow<'static, str>,
    /// Its kind.
    pub kind: Kind,
    /// `minute`, …, `now` for calls under way, `request` for limits of each call.
    pub window: Cow<'static, str>,
    /// Committed and held.
    pub used: u64,
    /// The most.
    pub max: u64,
    /// When the window ends, where it does.
    pub resets_at: Option<Millis>,
}

impl Entry {
    /// As the management API shows it: `{limit, setting, window, used, max, resets_at}`, a budget in USD. `setting` is the field
    /// of the key that has the limit: two of them have one that is called `requests_per_day`.
    #[must_use]
    pub fn view(&self) -> Value {
        let number = |amount: u64| match self.kind {
            Kind::Budget => json!(NanoUsd(i64::try_from(amount).unwrap_or(i64::MAX)).to_usd()),
            Kind::Rate | Kind::Quota => json!(amount),
        };
        json!({
            "limit": self.limit,
            "setting": self.kind.setting(),
            "window": self.window,
            "used": number(self.used),
            "max": number(self.max),
            "resets_at": self.resets_at.map(Millis::to_iso),
        })
    }
}

/// An entry for each limit that is set.
pub(super) fn entries(limits: &Limits, at: Millis, used: impl Fn(Subject) -> u64) -> Vec<Entry> {
    let caps = limits.caps().map(|cap| {
        let window = cap.subject.window();
        Entry {
            limit: cap.name.into(),
            kind: cap.kind,
            window: window.map_or("now", |window| window.as_str()).into(),
            used: used(cap.subject),
            max: cap.max,
            resets_at: window.and_then(|window| window.span(at).end),
        }
    });
    let of_each_request = [
        ("max_input_tokens", limits.quotas.max_input_tokens),
        ("max_output_tokens", limits.quotas.max_output_tokens),
    ];
    let of_each_request = of_each_request.into_iter().filter_map(|(limit, max)| {
        let (limit, window) = (limit.into(), "request".into());
        Some(Entry { limit, kind: Kind::Quota, window, used: 0, max: max?, resets_at: None })
    });
    caps.chain(of_each_request).collect()
}
