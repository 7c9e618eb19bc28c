//! What happens to one call, gathered as it happens, and made into its log record at the end.

use crate::cost::{self, Outcome, Prices};
use crate::dialect::Endpoint;
use crate::error::ApiError;
use crate::log::{Attempt, End, Record};
use crate::money::NanoUsd;
use crate::time::Millis;
use crate::usage::Reported;
use crate::usage::{Usage, UsageSource};
use std::rc::Rc;

/// The most of a body that is kept, bytes.
const BODY: usize = 32_768;
/// The status of a call whose client went away before an answer, as nginx has it.
pub const CLIENT_CLOSED: u16 = 499;
/// The most of an error message that is kept, characters.
const ERROR: usize = 500;

/// A call under way.
#[derive(Clone, Debug)]
pub struct Trace {
    record: Record,
    endpoint: Endpoint,
    prices: Option<Rc<Prices>>,
    kind: &'static str,
    keeps_bodies: bool,
    /// What its parts used, where it has any.
    joined: Option<Box<Joined>>,
}

#[derive(Clone, Debug)]
struct Joined {
    metered: Metered,
    outcome: Outcome,
}

/// How a call ended.
#[derive(Clone, Debug, Default)]
pub struct Finish {
    /// The status that the client got.
    pub status: u16,
    /// How.
    pub end: End,
    /// Why it failed.
    pub error: Option<String>,
    /// What it used.
    pub metered: Metered,
}

/// What a call used, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metered {
    /// The counts.
    pub usage: Usage,
    /// Where they come from.
    pub source: UsageSource,
    /// The cost that the upstream itself reported; it wins over any price.
    pub reported_cost: Option<NanoUsd>,
}

impl Trace {
    /// A call that has just arrived.
    #[must_use]
    pub fn new(id: String, at: Millis, endpoint: Endpoint) -> Trace {
        let record = Record {
            id,
            created_at: at,
            endpoint: endpoint.as_str().into(),
            dialect: endpoint.dialect().as_str().into(),
            ..Record::default()
        };
        Trace { record, endpoint, prices: None, kind: "", keeps_bodies: false, joined: None }
    }

    /// The request id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// When the call arrived.
    #[must_use]
    pub fn arrived_at(&self) -> Millis {
        self.record.created_at
    }

    /// Whose call it is.
    pub fn caller(&mut self, user_id: &str, key_id: &str) {
        self.record.user_id = user_id.into();
        self.record.key_id = key_id.into();
    }

    /// What is asked for.
    pub fn asked(&mut self, model: &str, stream: bool) {
        self.record.model = model.chars().take(200).collect();
        self.record.stream = stream;
    }

    /// The key's metadata and the call's own, which wins.
    pub fn metadata<'a>(&mut self, pairs: impl IntoIterator<Item = (&'a String, &'a String)>) {
        self.record.metadata.extend(pairs.into_iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    /// Bodies are to be kept; this is the request's.
    pub fn keep_bodies(&mut self, request: &[u8]) {
        self.keeps_bodies = true;
        self.record.request_body = Some(clipped(request));
    }

    /// Whether bodies are kept.
    #[must_use]
    pub fn keeps_bodies(&self) -> bool {
        self.keeps_bodies
    }

    /// So many bytes more of the response's body may be kept.
    #[must_use]
    pub fn body_room(&self) -> usize {
        let used = self.record.response_body.as_ref().map_or(0, String::len);
        if self.keeps_bodies { BODY.saturating_sub(used) } else { 0 }
    }

    /// A piece of the response's body, kept where bodies are.
    pub fn response_body(&mut self, piece: &[u8]) {
        let room = self.body_room();
        if room > 0 {
            let piece = piece.get(..room).unwrap_or(piece);
            self.record.response_body.get_or_insert_default().push_str(&String::from_utf8_lossy(piece));
        }
    }

    /// One attempt, the kind of its provider, and the price of its model.
    pub fn attempt(&mut self, attempt: Attempt, kind: &'static str, prices: Option<Rc<Prices>>) {
        self.record.provider.clone_from(&attempt.provider);
        self.record.target_model.clone_from(&attempt.model);
        self.record.attempts.push(attempt);
        self.kind = kind;
        self.prices = prices;
        // What is kept is the answer that the client gets.
        self.record.response_body = None;
    }

    /// The provider and the model of the last attempt.
    #[must_use]
    pub fn last_target(&self) -> Option<(&str, &str)> {
        self.record.attempts.last().map(|attempt| (attempt.provider.as_str(), attempt.model.as_str()))
    }

    /// What could not be carried between the dialects of the last attempt.
    pub fn dropped(&mut self, names: &[String]) {
        self.record.dropped_params = names.to_vec();
    }

    /// A part of the call ([`super::fan_out`]) has ended: what it tried and used is the call's. Each part is priced by what
    /// answered it.
    pub fn join(&mut self, part: &Trace, used: &Metered) {
        let outcome = part.cost(used);
        if !part.record.attempts.is_empty() {
            self.record.provider.clone_from(&part.record.provider);
            self.record.target_model.clone_from(&part.record.target_model);
            self.record.attempts.extend(part.record.attempts.iter().cloned());
        }
        self.also_dropped(&part.record.dropped_params);
        let none =
            Joined { metered: Metered::default(), outcome: Outcome { cost: NanoUsd(0), priced: true } };
        let sum = self.joined.get_or_insert(Box::new(none));
        sum.metered.usage = sum.metered.usage.plus(&used.usage);
        sum.metered.source = match (sum.metered.source, used.source) {
            (one, UsageSource::None) => one,
            (UsageSource::None, other) => other,
            (one, other) if one == other => one,
            _ => UsageSource::Estimated,
        };
        sum.outcome.cost = NanoUsd(sum.outcome.cost.0.saturating_add(outcome.cost.0));
        sum.outcome.priced &= outcome.priced;
    }

    /// How many attempts there were so far.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.record.attempts.len()
    }

    /// What else could not be carried.
    pub fn also_dropped(&mut self, names: &[String]) {
        for name in names {
            if !self.record.dropped_params.contains(name) {
                self.record.dropped_params.push(name.clone());
            }
        }
    }

    /// The first content went to the client.
    pub fn first_content(&mut self, now: Millis) {
        self.record.first_content_ms = Some(now.since(self.record.created_at).0);
    }

    /// What so much usage costs: what the upstream says it charges, else the price of the last attempt's model. Nothing
    /// used is nothing to price: a refused call is not an unpriced one.
    #[must_use]
    pub fn cost(&self, metered: &Metered) -> Outcome {
        if let Some(joined) = &self.joined {
            return joined.outcome;
        }
        match metered.reported_cost {
            Some(cost) => Outcome { cost, priced: true },
            None if metered.source == UsageSource::None => Outcome { cost: NanoUsd(0), priced: true },
            None if self.has_units(metered) && !cost::is_free(self.kind, &self.record.target_model) => {
                Outcome::default()
            }
            None => {
                cost::outcome(&metered.usage, self.prices.as_deref(), self.kind, &self.record.target_model)
            }
        }
    }

    /// Something was used that has no price by the token: images that were made and seconds that were heard where the
    /// upstream counts no tokens of them, and images that were sent, whose tokens have a price of their own.
    fn has_units(&self, metered: &Metered) -> bool {
        self.endpoint == Endpoint::ImageEdits
            || (self.endpoint.has_units() && metered.source != UsageSource::Upstream)
    }

    /// The record of the finished call.
    #[must_use]
    pub fn finish(mut self, now: Millis, finish: Finish) -> Record {
        let metered = self.joined.as_ref().map_or(&finish.metered, |joined| &joined.metered);
        self.record.set_usage(&metered.usage, metered.source);
        let outcome = self.cost(&finish.metered);
        self.record.cost = outcome.cost;
        self.record.priced = outcome.priced;
        self.record.status = finish.status;
        self.record.end_reason = finish.end;
        self.record.error = finish.error.map(|error| error.chars().take(ERROR).collect());
        self.record.latency_ms = now.since(self.record.created_at).0;
        self.record
    }
}

impl Metered {
    /// Nothing was reported; this is what the text weighs.
    #[must_use]
    pub fn estimated(input: u64, output: u64) -> Metered {
        let usage = Usage { input, output, ..Usage::default() };
        Metered { usage, source: UsageSource::Estimated, reported_cost: None }
    }
}

impl From<Reported> for Metered {
    fn from(reported: Reported) -> Metered {
        Metered { usage: reported.usage, source: UsageSource::Upstream, reported_cost: reported.cost }
    }
}

impl Finish {
    /// The client has its answer.
    #[must_use]
    pub fn answered(status: u16, metered: Metered) -> Finish {
        Finish { status, metered, ..Finish::default() }
    }

    /// The client went away, having got nothing yet.
    #[must_use]
    pub fn client_left(metered: Metered) -> Finish {
        let error = Some("the client closed the connection".into());
        Finish { status: CLIENT_CLOSED, end: End::ClientClosed, error, metered }
    }

    /// The gateway itself refused, or gave up.
    #[must_use]
    pub fn refused(error: &ApiError, end: End) -> Finish {
        Finish {
            status: error.status,
            end,
            error: Some(format!("{}: {}", error.code, error.message)),
            ..Finish::default()
        }
    }
}

fn clipped(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..BODY).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Price;

    #[test]
    fn a_call_is_charged_what_each_of_its_parts_used_at_its_own_price() {
        let priced = |price| Prices { input_price: Some(Price(price)), ..Prices::default() };
        let mut whole = Trace::new("1".into(), Millis(0), Endpoint::ChatCompletions);
        let first = Attempt { provider: "first".into(), status: Some(500), ..Attempt::default() };
        whole.attempt(first, "openai", None);
        for (provider, price, tokens) in [("one", 1_000_000_000, 5), ("two", 3_000_000_000, 7)] {
            let mut part = Trace::new("1".into(), Millis(0), Endpoint::ChatCompletions);
            let attempt = Attempt { provider: provider.into(), ..Attempt::default() };
            part.attempt(attempt, "openai", Some(Rc::new(priced(price))));
            part.dropped(&["seed".to_owned()]);
            whole.join(&part, &Metered { source: UsageSource::Upstream, ..Metered::estimated(tokens, 0) });
        }
        whole.join(&Trace::new("1".into(), Millis(0), Endpoint::ChatCompletions), &Metered::default());
        let record = whole.finish(Millis(9), Finish::answered(200, Metered::default()));
        assert_eq!((record.cost, record.priced), (NanoUsd(5_000 + 21_000), true));
        assert_eq!((record.input_tokens, record.usage_source), (12, UsageSource::Upstream));
        let providers: Vec<_> = record.attempts.iter().map(|attempt| attempt.provider.as_str()).collect();
        assert_eq!((providers, record.provider.as_str()), (vec!["first", "one", "two"], "two"));
        assert_eq!(record.dropped_params, ["seed"]);
    }

    #[test]
    fn what_is_counted_in_units_has_no_price_by_the_token() {
        let prices = Prices {
            input_price: Some(Price(1_000_000)),
            output_price: Some(Price(1_000_000)),
            ..Prices::default()
        };
        let (estimated, upstream) = (UsageSource::Estimated, UsageSource::Upstream);
        for (endpoint, kind, source, priced) in [
            (Endpoint::Embeddings, "openai", estimated, true),
            (Endpoint::Rerank, "cohere", estimated, true),
            (Endpoint::ImageGenerations, "openai", upstream, true),
            (Endpoint::ImageGenerations, "openai", estimated, false),
            (Endpoint::ImageEdits, "openai", upstream, false),
            (Endpoint::Speech, "openai", estimated, false),
            (Endpoint::Transcriptions, "openai", upstream, true),
            (Endpoint::Transcriptions, "openai", estimated, false),
            (Endpoint::Transcriptions, "lmstudio", estimated, true),
        ] {
            let mut trace = Trace::new("1".into(), Millis(0), endpoint);
            trace.attempt(Attempt::default(), kind, Some(Rc::new(prices.clone())));
            let metered = Metered { source, ..Metered::estimated(5, 0) };
            assert_eq!(trace.cost(&metered).priced, priced, "{endpoint:?} {kind} {source:?}");
            let reported = Metered { reported_cost: Some(NanoUsd(7)), ..metered };
            assert_eq!(trace.cost(&reported), Outcome { cost: NanoUsd(7), priced: true });
        }
    }
}
