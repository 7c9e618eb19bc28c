//! The plan of a call: which providers may serve it, in the order they are tried.
//!
//! The first of these that names a provider decides: the router's rules; the provider that the key is bound to; a
//! `provider/model` prefix; the pattern of a bare name; the default provider.

use crate::config::{Provider, Rule, Snapshot, glob};
use crate::route::health::{Health, State, Target};
use crate::route::keys::Standing;
use crate::route::{Facts, RouteError, condition, mix};
use crate::time::Millis;

/// The provider of names that nothing else is known of, by its name, else by its kind.
pub const DEFAULT_PROVIDER: &str = "openai";

/// A provider and a model that may serve the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its index in [`Snapshot::providers`].
    pub provider: usize,
    /// The model upstream. A kind with one model only replaces it when the call is sent.
    pub model: String,
    /// Why it is here.
    pub choice: Choice,
    /// A cooling candidate stands behind all ready ones.
    pub state: CandidateState,
}

/// What named a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A rule, by its index in the router.
    Rule(usize),
    /// The key is bound to the provider.
    Key,
    /// The prefix of the model's name.
    Prefix,
    /// The pattern of the provider's kind.
    Pattern,
    /// Nothing else did.
    Default,
}

/// Whether a candidate is tried in its place, or last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CandidateState {
    /// In its place.
    Ready,
    /// Last: it failed lately, and rests until then.
    Cooling(Millis),
    /// Last: every key of it was refused.
    Exhausted,
}

impl CandidateState {
    /// As the management API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CandidateState::Ready => "ready",
            CandidateState::Cooling(_) | CandidateState::Exhausted => "cooling",
        }
    }
}

impl Candidate {
    /// Its rule, where a rule named it: the source of its priority, weight and rule id.
    #[must_use]
    pub fn rule<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Rule> {
        match self.choice {
            Choice::Rule(index) => snapshot.router.as_ref()?.rules.get(index),
            _ => None,
        }
    }

    /// A sentence that says why it is in the plan, and in this place.
    #[must_use]
    pub fn reason(&self, snapshot: &Snapshot) -> String {
        let name = snapshot.providers.get(self.provider).map_or("", |provider| provider.name.as_str());
        let why = match (self.choice, self.rule(snapshot)) {
            (Choice::Rule(_), rule) => {
                let (pattern, priority) =
                    rule.map_or(("", 0), |rule| (rule.model_pattern.as_str(), rule.priority));
                format!("the rule for {pattern:?} with priority {priority} matches")
            }
            (Choice::Key, _) => format!("the key is bound to {name}"),
            (Choice::Prefix, _) => format!("the model's prefix names {name}"),
            (Choice::Pattern, _) => format!("the model's name belongs to {name}"),
            (Choice::Default, _) => format!("{name} is the default provider"),
        };
        match self.state {
            CandidateState::Ready => why,
            CandidateState::Exhausted => format!("{why}; it refused every key there is"),
            CandidateState::Cooling(until) => {
                format!("{why}; it failed lately and is tried last until {}", until.to_iso())
            }
        }
    }
}

/// The candidates of a call in the order they are tried; never empty. `dice` is random: the shares of equal priorities.
///
/// # Errors
/// [`RouteError`] where no provider may serve it.
pub fn plan(
    snapshot: &Snapshot,
    facts: &Facts<'_>,
    health: &Health,
    now: Millis,
    dice: u64,
) -> Result<Vec<Candidate>, RouteError> {
    if facts.model.is_empty() {
        return Err(RouteError::MissingModel);
    }
    let mut candidates = by_rules(snapshot, facts, dice);
    if candidates.is_empty() {
        candidates.push(by_name(snapshot, facts)?);
    }
    for candidate in &mut candidates {
        candidate.state = state(snapshot, candidate, health, now);
    }
    let (mut ready, rest): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|candidate| candidate.state == CandidateState::Ready);
    ready.extend(rest);
    Ok(ready)
}

fn by_rules(snapshot: &Snapshot, facts: &Facts<'_>, dice: u64) -> Vec<Candidate> {
    let Some(router) = &snapshot.router else { return Vec::new() };
    let mut matching: Vec<(&Rule, Candidate)> = Vec::new();
    for (index, rule) in router.rules.iter().enumerate() {
        if !glob::matches(&rule.model_pattern, facts.model) || !condition::hold(&rule.conditions, facts) {
            continue;
        }
        let by_id = |provider: &Provider| provider.id == rule.provider_id;
        let Some(provider) = snapshot.providers.iter().position(by_id) else { continue };
        let candidate = Candidate {
            provider,
            model: target_model(rule, facts.model, &snapshot.providers, provider),
            choice: Choice::Rule(index),
            state: CandidateState::Ready,
        };
        // Rules of equal priority stay in order of creation.
        let place = matching.partition_point(|(other, _)| other.priority <= rule.priority);
        matching.insert(place, (rule, candidate));
    }
    shuffle_equals(&mut matching, dice);
    matching.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Draws an order among rules of equal priority, each place by weight among those that are left; weight 0 comes last.
fn shuffle_equals(rules: &mut [(&Rule, Candidate)], mut dice: u64) {
    for start in 0..rules.len() {
        let Some((first, rest)) = rules.get_mut(start..).and_then(|rules| rules.split_first()) else {
            return;
        };
        let equals = rest.iter().take_while(|(rule, _)| rule.priority == first.0.priority).count();
        if equals == 0 {
            continue;
        }
        let Some(group) = rules.get_mut(start..=start + equals) else { return };
        let total = group.iter().fold(0_u64, |sum, (rule, _)| sum.saturating_add(rule.weight));
        dice = mix(dice);
        let Some(mut drawn) = dice.checked_rem(total) else { continue };
        let position = group.iter().position(|(rule, _)| match drawn.checked_sub(rule.weight) {
            Some(left) => {
                drawn = left;
                false
            }
            None => true,
        });
        // Rotating, not swapping, keeps the order of creation among the rest.
        if let Some(head) = group.get_mut(..=position.unwrap_or_default()) {
            head.rotate_right(1);
        }
    }
}

/// The rule's model, in which `*` stands for what the `*` of its pattern matched; else the client's name, without the
/// provider's own prefix.
fn target_model(rule: &Rule, model: &str, providers: &[Provider], provider: usize) -> String {
    let Some(target) = rule.target_model.as_deref().filter(|target| !target.is_empty()) else {
        let own = providers.get(provider).and_then(|provider| without_prefix(model, &provider.name));
        return own.unwrap_or(model).to_owned();
    };
    if !target.contains('*') {
        return target.to_owned();
    }
    let matched = rule.model_pattern.split_once('*').and_then(|(before, after)| {
        let is_plain = !after.contains('*') && !rule.model_pattern.contains('?');
        model.get(before.len()..model.len().checked_sub(after.len())?).filter(|_| is_plain)
    });
    target.replacen('*', matched.unwrap_or(model), 1)
}

fn without_prefix<'a>(model: &'a str, name: &str) -> Option<&'a str> {
    let (prefix, rest) = model.split_once('/')?;
    (prefix.eq_ignore_ascii_case(name) && !rest.is_empty()).then_some(rest)
}

fn by_name(snapshot: &Snapshot, facts: &Facts<'_>) -> Result<Candidate, RouteError> {
    let providers = &snapshot.providers;
    let model = facts.model;
    let candidate = |provider: usize, model: &str, choice| {
        Ok(Candidate { provider, model: model.to_owned(), choice, state: CandidateState::Ready })
    };
    if let Some(id) = &snapshot.key.provider_id {
        let provider =
            providers.iter().position(|provider| provider.id == *id).ok_or(RouteError::KeyProvider)?;
        let own = providers.get(provider).and_then(|provider| without_prefix(model, &provider.name));
        return candidate(provider, own.unwrap_or(model), Choice::Key);
    }
    if providers.is_empty() {
        return Err(RouteError::NoProviders);
    }
    let named = providers.iter().enumerate();
    if let Some((provider, rest)) =
        named.filter_map(|(index, provider)| Some((index, without_prefix(model, &provider.name)?))).next()
    {
        return candidate(provider, rest, Choice::Prefix);
    }
    let known = || {
        let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).take(20).collect();
        format!("write <provider>/<model> with one of: {}", names.join(", "))
    };
    if let Some(kind) = facts.kind {
        let Some(provider) = by_name_or_kind(providers, kind) else {
            return Err(RouteError::MissingProvider {
                model: model.into(),
                kind: kind.into(),
                known: known(),
            });
        };
        return match without_prefix(model, kind) {
            Some(rest) => candidate(provider, rest, Choice::Prefix),
            None => candidate(provider, model, Choice::Pattern),
        };
    }
    match by_name_or_kind(providers, DEFAULT_PROVIDER) {
        Some(provider) => candidate(provider, model, Choice::Default),
        None => Err(RouteError::UnknownModel { model: model.into(), known: known() }),
    }
}

fn by_name_or_kind(providers: &[Provider], name: &str) -> Option<usize> {
    let by_name = providers.iter().position(|provider| provider.name.eq_ignore_ascii_case(name));
    by_name.or_else(|| providers.iter().position(|provider| provider.kind == name))
}

/// A candidate cools when every key of its provider that could serve it does.
fn state(snapshot: &Snapshot, candidate: &Candidate, health: &Health, now: Millis) -> CandidateState {
    let Some(provider) = snapshot.providers.get(candidate.provider) else { return CandidateState::Ready };
    // `Ready` is the least of states, `Exhausted` the greatest.
    let of_key = |key: &str, standing: Standing| {
        let target = Target { provider: &provider.id, key, model: &candidate.model };
        match (health.state(target, now), standing) {
            (_, Standing::Dead) => CandidateState::Exhausted,
            (State::Ready, Standing::Usable) => CandidateState::Ready,
            (State::Ready, Standing::Resting(until)) => CandidateState::Cooling(until),
            (State::Cooling(until) | State::Refused(until), Standing::Resting(rests)) => {
                CandidateState::Cooling(until.max(rests))
            }
            (State::Cooling(until) | State::Refused(until), Standing::Usable) => {
                CandidateState::Cooling(until)
            }
        }
    };
    let standing = |key| health.keys.standing(key, snapshot.version, now);
    let states = provider.keys.iter().map(|key| of_key(&key.id, standing(key)));
    states.min().unwrap_or_else(|| of_key("", Standing::Usable))
}

#[cfg(test)]
mod tests;
