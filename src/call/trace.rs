//! What happens to one call, gathered as it happens, and made into its log record at the end.

use crate::cost::{self, Outcome, Prices};
use crate::dialect::Endpoint;
use crate::dialect::imprint::Imprint;
use crate::error::ApiError;
use crate::log::{Attempt, End, Record, Telemetry, Used};
use crate::money::NanoUsd;
use crate::time::Millis;
use crate::usage::{Reported, Units, Usage, UsageSource};
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
    /// What attempts used that have ended: those that failed, and those of its parts.
    spent: Option<Box<Sum>>,
    /// It has parts: nothing is used but by them.
    has_parts: bool,
}

/// What several attempts used together.
#[derive(Clone, Debug)]
struct Sum {
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
        Trace { record, endpoint, prices: None, kind: "", keeps_bodies: false, spent: None, has_parts: false }
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

    /// Its ledger did not answer, and the key's policy let it pass: by this mark the ledger finds it ([`super::limits::passed`]).
    pub fn passed_ledger(&mut self) {
        let metadata = &mut self.record.metadata;
        metadata.insert("edgeway.ledger".into(), "unreachable".into());
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

    /// The last attempt failed, and used something all the same: its provider may bill it.
    pub fn spent(&mut self, metered: &Metered) {
        let sum = self.sum(metered);
        self.used(metered);
        self.spent = Some(Box::new(sum));
    }

    /// What attempts used that failed, where any did.
    #[must_use]
    pub fn used_in_vain(&self) -> Option<(Usage, NanoUsd)> {
        self.spent.as_ref().map(|spent| (spent.metered.usage, spent.outcome.cost))
    }

    /// Says of the last attempt what it used.
    fn used(&mut self, metered: &Metered) {
        let used = Used {
            input_tokens: metered.usage.total_input(),
            output_tokens: metered.usage.total_output(),
            usage_source: metered.source,
            cost_nano_usd: self.price(metered).cost.0,
            units: Units::of(&metered.usage),
        };
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.used = Some(used);
        }
    }

    /// What all attempts used, where this is what the last one did.
    fn sum(&self, metered: &Metered) -> Sum {
        let own = Sum { metered: *metered, outcome: self.price(metered) };
        match &self.spent {
            Some(spent) if self.has_parts => (**spent).clone(),
            Some(spent) => spent.plus(&own),
            None => own,
        }
    }

    /// The provider and the model of the last attempt.
    #[must_use]
    pub fn last_target(&self) -> Option<(&str, &str)> {
        self.record.attempts.last().map(|attempt| (attempt.provider.as_str(), attempt.model.as_str()))
    }

    /// Spans are to be made of this call; `traceparent` is its caller's.
    pub fn observe(&mut self, traceparent: Option<String>) {
        self.record.telemetry = Some(Telemetry(traceparent.unwrap_or_default(), Vec::new()));
    }

    /// When the last attempt was sent, for its span.
    pub fn sent(&mut self, at: Millis) {
        let after = at.since(self.record.created_at).0;
        if let Some(Telemetry(_, attempts)) = &mut self.record.telemetry {
            attempts.push((self.kind.to_owned(), after, None));
        }
    }

    /// What the answer to the last attempt said of itself.
    pub fn said(&mut self, imprint: Option<Imprint>) {
        if let Some(attempt) = self.record.telemetry.as_mut().and_then(|telemetry| telemetry.1.last_mut()) {
            attempt.2 = imprint;
        }
    }

    /// What could not be carried between the dialects of the last attempt.
    pub fn dropped(&mut self, names: &[String]) {
        self.record.dropped_params = names.to_vec();
    }

    /// The trace of a part of the call ([`super::fan_out`]).
    #[must_use]
    pub fn part(&self) -> Trace {
        let mut part = Trace::new(self.record.id.clone(), self.record.created_at, self.endpoint);
        if self.record.telemetry.is_some() {
            part.observe(None);
        }
        part
    }

    /// A part has ended: what it tried and used is the call's. Each part is priced by what answered it.
    pub fn join(&mut self, mut part: Trace, used: &Metered) {
        let sum = part.sum(used);
        if used.source != UsageSource::None {
            part.used(used);
        }
        if !part.record.attempts.is_empty() {
            self.record.provider = part.record.provider;
            self.record.target_model = part.record.target_model;
            self.record.attempts.extend(part.record.attempts);
        }
        if let (Some(all), Some(its)) = (&mut self.record.telemetry, part.record.telemetry) {
            all.1.extend(its.1);
        }
        self.also_dropped(&part.record.dropped_params);
        let sum = self.spent.as_ref().map_or(sum.clone(), |spent| spent.plus(&sum));
        self.spent = Some(Box::new(sum));
        self.has_parts = true;
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

    /// What the call costs, where the last attempt used so much.
    #[must_use]
    pub fn cost(&self, metered: &Metered) -> Outcome {
        self.sum(metered).outcome
    }

    /// What so much usage costs: what the upstream says it charges, else the price of the last attempt's model. Nothing
    /// used is nothing to price: a refused call is not an unpriced one.
    fn price(&self, metered: &Metered) -> Outcome {
        match metered.reported_cost {
            Some(cost) => Outcome { cost, priced: true },
            None if metered.source == UsageSource::None => Outcome { cost: NanoUsd(0), priced: true },
            None => {
                let Metered { usage, source, .. } = metered;
                cost::outcome(usage, *source, self.prices.as_deref(), self.kind, &self.record.target_model)
            }
        }
    }

    /// The record of the finished call.
    #[must_use]
    pub fn finish(mut self, now: Millis, finish: Finish) -> Record {
        let Sum { metered, outcome } = self.sum(&finish.metered);
        if self.spent.is_some() && !self.has_parts && finish.metered.source != UsageSource::None {
            self.used(&finish.metered);
        }
        self.record.set_usage(&metered.usage, metered.source);
        self.record.cost = outcome.cost;
        self.record.priced = outcome.priced;
        self.record.status = finish.status;
        self.record.end_reason = finish.end;
        self.record.error = finish.error.map(|error| error.chars().take(ERROR).collect());
        self.record.latency_ms = now.since(self.record.created_at).0;
        self.record
    }
}

impl Sum {
    fn plus(&self, other: &Sum) -> Sum {
        Sum {
            metered: Metered {
                usage: self.metered.usage.plus(&other.metered.usage),
                source: self.metered.source.and(other.metered.source),
                reported_cost: None,
            },
            outcome: Outcome {
                cost: self.outcome.cost.plus(other.outcome.cost),
                priced: self.outcome.priced && other.outcome.priced,
            },
        }
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

    fn metered(input: u64, source: UsageSource) -> Metered {
        Metered { usage: Usage { input, ..Usage::default() }, source, reported_cost: None }
    }

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
            whole.join(part, &metered(tokens, UsageSource::Upstream));
        }
        whole.join(whole.part(), &Metered::default());
        let record = whole.finish(Millis(9), Finish::answered(200, Metered::default()));
        assert_eq!((record.cost, record.priced), (NanoUsd(5_000 + 21_000), true));
        assert_eq!((record.input_tokens, record.usage_source), (12, UsageSource::Upstream));
        let providers: Vec<_> = record.attempts.iter().map(|attempt| attempt.provider.as_str()).collect();
        assert_eq!((providers, record.provider.as_str()), (vec!["first", "one", "two"], "two"));
        assert_eq!(record.dropped_params, ["seed"]);
    }

    #[test]
    fn each_attempt_that_used_something_is_charged_at_its_own_price() {
        let priced = |price| Some(Rc::new(Prices { input_price: Some(Price(price)), ..Prices::default() }));
        let upstream = |tokens| metered(tokens, UsageSource::Upstream);
        let mut trace = Trace::new("1".into(), Millis(0), Endpoint::ChatCompletions);
        trace.attempt(Attempt::default(), "openai", priced(1_000_000_000));
        trace.spent(&metered(5, UsageSource::Estimated));
        trace.attempt(Attempt::default(), "openai", None);
        trace.attempt(Attempt::default(), "openai", priced(3_000_000_000));
        assert_eq!(
            trace.cost(&upstream(7)).cost,
            NanoUsd(5_000 + 21_000),
            "the header says what the log will"
        );
        let all_failed = trace.clone().finish(Millis(9), Finish::default());
        assert_eq!((all_failed.input_tokens, all_failed.cost), (5, NanoUsd(5_000)));
        let record = trace.finish(Millis(9), Finish::answered(200, upstream(7)));
        assert_eq!((record.input_tokens, record.cost, record.priced), (12, NanoUsd(26_000), true));
        assert_eq!(record.usage_source, UsageSource::Estimated);
        let used: Vec<_> = record.attempts.iter().map(|attempt| Some(attempt.used?.cost_nano_usd)).collect();
        assert_eq!(used, [Some(5_000), None, Some(21_000)]);
    }
}
