//! What a key's limits mean for one call: what is asked of the ledger before it, what its answer means, and what it is
//! told after it.

use super::accept::Accepted;
use super::trace::CLIENT_CLOSED;
use crate::config::{Key, Snapshot};
use crate::cost::{Exposure, Listed, is_free};
use crate::dialect::Dialect;
use crate::error::ApiError;
use crate::json;
use crate::limit::bound::{Bound, DearestPrices, Demand, Unbounded};
use crate::limit::message::{Outcome, Reply, Reserve, Settlement};
use crate::limit::rows::EndedCall;
use crate::limit::{Amounts, Limits, Refusal, headers};
use crate::log::{End, Record};
use crate::money::{NanoUsd, Price};
use crate::provider::table;
use crate::store::{self, Statement};
use crate::time::Millis;
use crate::usage::beside::{Beside, Most};
use crate::usage::estimate::Estimate;
use crate::usage::{Usage, UsageSource};
use memchr::memmem;
use std::cell::Cell;

/// A call whose end nobody has seen is taken for lost so long after it should have ended.
const GRACE: Millis = Millis(15_000);
/// A stream may run on while it is not idle; one that runs longer than this is taken for lost.
const STREAM: Millis = Millis::HOUR;

/// A call of a key with limits, before it is dispatched.
#[derive(Clone, Debug)]
pub struct Limited {
    /// What the ledger is asked.
    pub reserve: Reserve,
    /// The maximum that the key sets, for each answer, where the caller asked for more or for nothing.
    cap: Option<u64>,
    /// Whether a limit depends on how much is written, and the answers that are asked for.
    bounded: Option<u64>,
}

/// A call that may be dispatched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// What the client is told of its limits.
    pub headers: Vec<(&'static str, String)>,
    /// The maximum that must be sent upstream, in tokens for each answer.
    pub cap: Option<u64>,
    /// What is held for each answer, in tokens: no body that is made anew may ask for more.
    pub held: Option<u64>,
}

impl Grant {
    /// The maximum that a body is to be given: one that is the caller's own names no more than is held.
    #[must_use]
    pub fn most(&self, is_made_anew: bool) -> Option<u64> {
        self.cap.into_iter().chain(self.held.filter(|_| is_made_anew)).min()
    }
}

/// What the ledger holds for a call and all its parts ([`super::fan_out`]).
#[derive(Debug, Default)]
pub struct Held {
    /// Before anything was sent.
    first: Amounts,
    /// What failed attempts used of those that were to go on.
    in_vain: Cell<Amounts>,
}

impl Held {
    /// What is held before anything is sent.
    #[must_use]
    pub fn new(first: Amounts) -> Held {
        Held { first, in_vain: Cell::default() }
    }

    /// What must be held before one of them is sent again whose failed attempts used so much in all; `told` is how much of that
    /// was held before. `None` where nothing is to be added. Each asks for the sum of all that go on, and what a ledger holds for
    /// a call only grows, so it does not matter in which order their questions arrive.
    #[must_use]
    pub fn again(&self, told: &Cell<Amounts>, usage: &Usage, cost: NanoUsd) -> Option<Amounts> {
        let own = Amounts { requests: 0, ..Amounts::of_call(usage, cost) };
        let more = own.minus(told.replace(own));
        if more == Amounts::default() {
            return None;
        }
        self.in_vain.set(self.in_vain.get().plus(more));
        Some(self.first.plus(self.in_vain.get()))
    }
}

/// A call that may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub error: ApiError,
    /// What the client is told of its limits.
    pub headers: Vec<(&'static str, String)>,
}

impl From<ApiError> for Denied {
    fn from(error: ApiError) -> Denied {
        Denied { error, headers: Vec::new() }
    }
}

/// One of the targets that may serve a call.
#[derive(Clone, Debug)]
pub struct Target {
    /// The kind of its provider.
    pub kind: &'static str,
    /// The model, as it is sent.
    pub model: String,
    /// What is known of the model.
    pub listed: Option<Listed>,
    /// Each answer is a call of its own there ([`super::fan_out`]).
    pub gets_one: bool,
}

/// Refuses an input that is longer than the key allows for one request.
///
/// # Errors
/// 400 naming the quota. The length is an estimate, and the message says so.
pub fn check_input(key: &Key, accepted: &Accepted) -> Result<(), ApiError> {
    let Some(most) = key.quotas.max_input_tokens else { return Ok(()) };
    let found = input_tokens(key, accepted);
    if found <= most {
        return Ok(());
    }
    let message = format!(
        "this request has about {found} input tokens; max_input_tokens of this gateway key allows {most} a request"
    );
    Err(ApiError::new(400, "max_input_tokens_exceeded", message))
}

/// The maximum for each answer that the key's own quota sets, where the caller asks for more or for nothing.
#[must_use]
pub fn quota_cap(key: &Key, accepted: &Accepted) -> Option<u64> {
    let generates = accepted.endpoint.generates();
    let most = key.quotas.max_output_tokens.filter(|_| generates)?;
    accepted.asked.max_tokens.is_none_or(|asked| asked > most).then_some(most)
}

fn input_tokens(key: &Key, accepted: &Accepted) -> u64 {
    let mut prompt = Estimate::default();
    if let Some(text) = &key.system_prompt {
        prompt.add_text(text.as_bytes());
    }
    accepted.asked.input_tokens.saturating_add(prompt.tokens())
}

impl Limited {
    /// A call over all targets that may serve it; `patience` is how long it may take, as far as that is limited.
    ///
    /// # Errors
    /// 400 or 402: the key's policy refuses a call that cannot be bounded.
    pub fn new(
        id: &str,
        key: &Key,
        accepted: &Accepted,
        body: &[u8],
        targets: &[Target],
        patience: Millis,
    ) -> Result<Limited, ApiError> {
        let limits = Limits::of(key);
        let cap = quota_cap(key, accepted);
        let maxima = targets.iter().map(|target| target.listed.as_ref()?.max_output_tokens);
        let model_maximum = maxima.reduce(|a, b| Some(a?.max(b?))).flatten();
        let demand = Demand {
            input_tokens: input_tokens(key, accepted),
            calls: if targets.iter().any(|target| target.gets_one) { accepted.asked.n } else { 1 },
            generates: accepted.endpoint.generates(),
            max_tokens: accepted.asked.max_tokens.map(|asked| cap.unwrap_or(asked).min(asked)),
            // Who names no maximum does not insist on the quota's either.
            model_maximum: model_maximum.into_iter().chain(cap).min(),
            choices: accepted.answers(),
        };
        let exposure = Exposure {
            audio: memmem::find(body, b"audio").is_some() || accepted.endpoint.listens(),
            images: accepted.asked.has_images || accepted.endpoint.draws(),
            cache_writes: memmem::find(body, b"cache_control").is_some(),
        };
        let most_input = demand.input_bound();
        let beside = &accepted.asked.beside;
        let prices = targets.iter().map(|target| target.dearest(most_input, exposure, beside));
        let prices = prices.reduce(DearestPrices::or_dearer).unwrap_or_default();
        let owner_limits = Limits::default();
        let Bound { amounts, cap: policy_cap, flexible } =
            demand.bound(prices, &key.policy, [&limits, &owner_limits])?;
        let life = if accepted.asked.stream { patience.max(STREAM) } else { patience };
        let reserve = Reserve {
            id: id.to_owned(),
            key: key.id.clone(),
            limits,
            owner_limits,
            bound: amounts,
            flexible,
            extends: false,
            time_to_live: life.plus(GRACE),
        };
        let bounded = (demand.generates && limits.needs_output_bound()).then(|| accepted.answers());
        Ok(Limited { reserve, cap: cap.into_iter().chain(policy_cap).min(), bounded })
    }

    /// A call that is to be sent again, though attempts of it used something: `bound` is that of all of them.
    #[must_use]
    pub fn again(id: &str, key: &Key, bound: Amounts) -> Limited {
        let reserve = Reserve {
            id: id.to_owned(),
            key: key.id.clone(),
            limits: Limits::of(key),
            bound,
            extends: true,
            time_to_live: STREAM.plus(GRACE),
            ..Reserve::default()
        };
        Limited { reserve, cap: None, bounded: None }
    }

    /// What the ledger's answer means; with it, what the client is told of its limits.
    ///
    /// # Errors
    /// 429, 402 or 401, with the headers; 503 for an answer that is none.
    pub fn answered(&mut self, reply: Reply, caller: Dialect, now: Millis) -> Result<Grant, Denied> {
        let told = |standing| {
            let mut told = headers::openai(standing, now);
            if caller == Dialect::Messages {
                told.extend(headers::anthropic(standing));
            }
            told
        };
        match reply {
            Reply::Granted { standing, max_tokens } => {
                let bound = &mut self.reserve.bound;
                if let Some((each, flexible)) = max_tokens.zip(self.reserve.flexible) {
                    *bound = flexible.holding(*bound, each);
                }
                let held = self.bounded.and_then(|choices| bound.output_tokens.checked_div(choices));
                let cap = max_tokens.into_iter().chain(self.cap).min();
                Ok(Grant { headers: told(&standing), cap, held })
            }
            Reply::Refused { refusal, standing } => {
                Err(Denied { error: refused(&refusal), headers: told(&standing) })
            }
            Reply::Revoked => {
                let error = ApiError::unauthenticated("this gateway key has been switched off or deleted");
                Err(error.into())
            }
            _ => Err(ApiError::ledger_unavailable().into()),
        }
    }

    /// What becomes of a call that the ledger does not answer for.
    ///
    /// # Errors
    /// 503, where the key's policy is closed.
    pub fn unanswered(&self, key: &Key) -> Result<Grant, ApiError> {
        if !key.policy.is_open_without_ledger(key.budget.is_some()) {
            return Err(ApiError::ledger_unavailable());
        }
        let held = self.bounded.and_then(|choices| self.reserve.bound.output_tokens.checked_div(choices));
        Ok(Grant { headers: Vec::new(), cap: self.cap, held })
    }
}

impl Target {
    fn dearest(&self, most_input: u64, exposure: Exposure, beside: &Beside) -> DearestPrices {
        let free = DearestPrices { input: Some(Price(0)), output: Some(Price(0)), beside: Most::FREE };
        match &self.listed {
            Some(listed) => {
                let prices = &listed.prices;
                let most = prices.most_beside(beside);
                // What is paid for by the picture, say, is not paid for by the words that ask for it; words alone are not free.
                if most.cost.is_some() && *beside != Beside::default() && !prices.prices_text() {
                    return DearestPrices { beside: most, ..free };
                }
                let (input, output) = prices.dearest(most_input, exposure);
                DearestPrices { input, output, beside: most }
            }
            None if is_free(self.kind, &self.model) => free,
            None => DearestPrices { beside: Most::default(), ..DearestPrices::default() },
        }
    }
}

/// The kind of a candidate's provider as it was configured, its row of the provider table, and its model as it is sent.
#[must_use]
pub fn target_of<'a>(
    snapshot: &'a Snapshot,
    provider: usize,
    model: &str,
) -> Option<(&'a str, &'static table::Kind, String)> {
    let provider = snapshot.providers.get(provider)?;
    let kind = table::kind_or_generic(&provider.kind);
    Some((&provider.kind, kind, kind.upstream_model(model).to_owned()))
}

/// What the ledger is told of a finished call: the very figures that its log record has, so that both add up to the same.
/// A call of which no attempt was sent used nothing; one that was answered all the same (by the cache) counts as a call.
#[must_use]
pub fn settlement(record: &Record) -> Settlement {
    let outcome = match record.attempts.is_empty() && !(200..300).contains(&record.status) {
        true => Outcome::Released,
        false => Outcome::Used(Amounts {
            requests: 1,
            input_tokens: record.input_tokens,
            output_tokens: record.output_tokens,
            cost: record.cost.max(NanoUsd(0)),
        }),
    };
    Settlement { id: record.id.clone(), key: record.key_id.clone(), began: record.created_at, outcome }
}

/// The rows of those calls of a ledger that the log does not have as the ledger has them: `truth`, an outcome, where the log
/// has the call's own record and the ledger only its bound; else `null`, and the log lacks it.
#[must_use]
pub fn compare(calls: &[EndedCall]) -> Statement {
    let figures = |call: &EndedCall| {
        let Amounts { input_tokens, output_tokens, cost, .. } = call.committed;
        (call.id.clone(), call.provisional, input_tokens, output_tokens, cost)
    };
    let calls: Vec<_> = calls.iter().map(figures).collect();
    let sql = format!(
        "SELECT call.value ->> 0 AS id, iif(coalesce(log.endpoint, '') = '', NULL, {OUTCOME}) AS truth \
         FROM json_each(?1) AS call LEFT JOIN request_logs AS log ON log.id = call.value ->> 0 \
         WHERE iif(coalesce(log.endpoint, '') <> '', call.value ->> 1, \
           (log.input_tokens, log.output_tokens, log.cost) IS NOT (call.value ->> 2, call.value ->> 3, call.value ->> 4))"
    );
    // text and numbers: this cannot fail
    Statement::new(sql).bind(serde_json::to_string(&calls).unwrap_or_default())
}

/// What a log record says of its call in the words of [`Outcome`], as [`settlement`] does.
const OUTCOME: &str = "iif(log.attempts = '[]' AND log.status NOT BETWEEN 200 AND 299, '\"released\"', \
     json_object('used', json_array(1, log.input_tokens, log.output_tokens, log.cost)))";

/// Calls of an owner that were let past a ledger that did not answer, and may not be known to it: a page of those with ids
/// behind one.
#[must_use]
pub fn passed(owner: &str, behind: &str) -> Statement {
    let sql = format!(
        "SELECT id, key_id, created_at, {OUTCOME} AS truth FROM request_logs AS log WHERE user_id = ?1 AND id > ?2 \
         AND instr(metadata, '\"edgeway.ledger\":\"unreachable\"') ORDER BY id LIMIT 500"
    );
    Statement::new(sql).bind(owner).bind(behind)
}

/// What the ledger is told of what [`passed`] found: it counts what it does not know.
#[must_use]
pub fn passed_calls(found: &store::Outcome) -> Vec<Settlement> {
    let read = |row: serde_json::Value| {
        let text = |name: &str| row.get(name)?.as_str();
        let outcome = json::read(text("truth")?.as_bytes()).ok()?;
        let began = Millis(row.get("created_at")?.as_i64()?);
        Some(Settlement { id: text("id")?.into(), key: text("key_id")?.into(), began, outcome })
    };
    found.values().into_iter().filter_map(read).collect()
}

/// These calls are known to the ledger.
#[must_use]
pub fn counted(calls: &[Settlement]) -> Statement {
    let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
    Statement::new(
        "UPDATE request_logs SET metadata = json_set(metadata, '$.\"edgeway.ledger\"', 'counted') \
         WHERE id IN (SELECT value FROM json_each(?1))",
    )
    .bind(serde_json::to_string(&ids).unwrap_or_default()) // texts: this cannot fail
}

/// What follows from [`compare`]: the settlements of calls that the ledger knows less of than the log, and the records that
/// the log lacks, in the words of [`lost`].
#[must_use]
pub fn differences(
    owner: &str,
    calls: &[EndedCall],
    found: &store::Outcome,
) -> (Vec<Settlement>, Vec<Record>) {
    let (mut settlements, mut records) = (Vec::new(), Vec::new());
    for row in &found.values() {
        let text = |name: &str| row.get(name).and_then(serde_json::Value::as_str);
        let Some(call) = calls.iter().find(|call| Some(call.id.as_str()) == text("id")) else { continue };
        match text("truth").and_then(|truth| json::read(truth.as_bytes()).ok()) {
            Some(outcome) => {
                let (id, key) = (call.id.clone(), call.key.clone());
                settlements.push(Settlement { id, key, began: call.at, outcome });
            }
            None => records.push(lost(owner, call)),
        }
    }
    (settlements, records)
}

/// The record of a call whose own was lost when the gateway was killed: what the ledger committed for it, be it only what was
/// held. It has no endpoint, and gives way to the call's own, should that come after all (schema.sql).
fn lost(owner: &str, call: &EndedCall) -> Record {
    let (status, error) = match (call.provisional, call.committed.requests) {
        (true, _) => (500, "the gateway lost this call; what was held for it counts"),
        (false, 0) => (CLIENT_CLOSED, "the gateway lost the record of this call, which was not sent"),
        (false, _) => (200, "the gateway lost the record of this call; what it used is known"),
    };
    Record {
        id: call.id.clone(),
        created_at: call.at,
        user_id: owner.to_owned(),
        key_id: call.key.clone(),
        status,
        error: Some(error.into()),
        input_tokens: call.committed.input_tokens,
        output_tokens: call.committed.output_tokens,
        usage_source: UsageSource::Estimated,
        cost: call.committed.cost,
        priced: true,
        latency_ms: call.ended.since(call.at).0,
        end_reason: if status == 500 { End::UpstreamError } else { End::Done },
        ..Record::default()
    }
}

fn refused(refusal: &Refusal) -> ApiError {
    let error = ApiError::new(refusal.status(), refusal.code(), refusal.message());
    ApiError { retry_after: refusal.retry_after_seconds(), ..error }
}

impl From<Unbounded> for ApiError {
    fn from(error: Unbounded) -> ApiError {
        match error {
            Unbounded::Output => ApiError::invalid("max_tokens", error.to_string()),
            Unbounded::Price => ApiError::new(402, "model_without_price", error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::translation::InPath;
    use crate::config::{Budget, BudgetWindow, Quotas, RateLimits};
    use crate::cost::Prices;
    use crate::dialect::Endpoint;
    use crate::limit::standing::Standing;
    use crate::log::Attempt;
    use std::rc::Rc;

    fn accepted(body: &str) -> Accepted {
        Accepted::read(Endpoint::ChatCompletions, body.as_bytes(), InPath::default(), &Key::default())
            .unwrap()
    }

    fn chat(extra: &str) -> String {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}]{extra}}}"#)
    }

    fn target(output: i64, max_output_tokens: Option<u64>) -> Target {
        let (input_price, output_price) = (Some(Price(1_000_000_000)), Some(Price(output)));
        let prices = Rc::new(Prices { input_price, output_price, ..Prices::default() });
        Target {
            kind: "openai",
            model: "m".into(),
            listed: Some(Listed { prices, max_output_tokens }),
            gets_one: false,
        }
    }

    fn limited(key: &Key, extra: &str, targets: &[Target]) -> Result<Limited, ApiError> {
        let body = chat(extra);
        Limited::new("id", key, &accepted(&body), body.as_bytes(), targets, Millis(1000))
    }

    fn budget() -> Key {
        let budget = Budget { nano_usd: NanoUsd(1_000_000_000), window: BudgetWindow::Day };
        Key { budget: Some(budget), ..Key::default() }
    }

    #[test]
    fn a_call_holds_what_it_can_use_at_most_on_the_dearest_of_its_targets() {
        let targets = [target(2_000_000_000, Some(100)), target(9_000_000_000, Some(60))];
        let held = |extra| limited(&budget(), extra, &targets).unwrap().reserve.bound;
        let small = held(r#","max_tokens":10"#);
        assert_eq!((small.requests, small.output_tokens), (1, 10));
        assert_eq!(small.cost.0, i64::try_from(small.input_tokens).unwrap() * 1_000 + 10 * 9_000);
        assert_eq!(held("").output_tokens, 100);
        assert_eq!(held(r#","n":3,"max_tokens":10"#).output_tokens, 30);
    }

    #[test]
    fn one_target_without_a_maximum_or_a_price_leaves_the_call_without() {
        let unknown = Target { kind: "openai", model: "m".into(), listed: None, gets_one: false };
        assert_eq!(
            limited(&budget(), "", &[target(1, Some(100)), target(1, None)])
                .unwrap()
                .reserve
                .bound
                .output_tokens,
            4096
        );
        assert_eq!(limited(&budget(), "", &[target(1, Some(100)), unknown]).unwrap_err().status, 402);
        for prices in [Prices::default(), Prices { image_price: Some(Price(1)), ..Prices::default() }] {
            let listed = Listed { prices: Rc::new(prices), max_output_tokens: Some(100) };
            let unpriced = Target { listed: Some(listed), ..target(1, None) };
            assert_eq!(limited(&budget(), "", &[unpriced]).unwrap_err().status, 402);
        }
    }

    #[test]
    fn a_quota_of_each_request_caps_and_does_not_insist() {
        let quotas = Quotas { max_output_tokens: Some(500), ..Quotas::default() };
        let rate_limits = RateLimits { tokens_per_minute: Some(400), ..RateLimits::default() };
        let key = Key { quotas, rate_limits, ..Key::default() };
        for (extra, cap) in
            [("", Some(500)), (r#","max_tokens":900"#, Some(500)), (r#","max_tokens":9"#, None)]
        {
            assert_eq!(quota_cap(&key, &accepted(&chat(extra))), cap, "{extra}");
        }
        let mut open = limited(&key, "", &[target(1, None)]).unwrap();
        assert_eq!(open.reserve.bound.output_tokens, 500);
        let reply = Reply::Granted { standing: Standing::default(), max_tokens: Some(300) };
        let grant = open.answered(reply, Dialect::Chat, Millis(0)).unwrap();
        assert_eq!((grant.cap, grant.held), (Some(300), Some(300)));
        assert_eq!(open.reserve.bound.output_tokens, 300);
    }

    #[test]
    fn a_call_that_was_granted_less_holds_the_cost_of_less() {
        let mut open = limited(&budget(), "", &[target(2_000_000_000, Some(1_000))]).unwrap();
        let before = open.reserve.bound;
        let reply = Reply::Granted { standing: Standing::default(), max_tokens: Some(300) };
        open.answered(reply, Dialect::Chat, Millis(0)).unwrap();
        let less = Amounts { output_tokens: 700, cost: NanoUsd(700 * 2_000), ..Amounts::default() };
        assert_eq!(open.reserve.bound, before.minus(less));
    }

    #[test]
    fn parts_that_are_sent_again_hold_what_all_of_them_used_in_vain() {
        let first = Amounts { requests: 1, input_tokens: 20, output_tokens: 40, cost: NanoUsd(600) };
        let (held, one, other) = (Held::new(first), Cell::default(), Cell::default());
        let used = |output| Usage { input: 10, output, ..Usage::default() };
        let more = |input_tokens, output_tokens, cost| {
            first.plus(Amounts { requests: 0, input_tokens, output_tokens, cost: NanoUsd(cost) })
        };
        assert_eq!(held.again(&one, &used(20), NanoUsd(300)), Some(more(10, 20, 300)));
        assert_eq!(held.again(&other, &used(20), NanoUsd(300)), Some(more(20, 40, 600)));
        assert_eq!(held.again(&one, &used(20), NanoUsd(300)), None, "its last attempt used nothing");
        let twice = Usage { input: 20, output: 25, ..Usage::default() };
        assert_eq!(held.again(&one, &twice, NanoUsd(350)), Some(more(30, 45, 650)));
    }

    #[test]
    fn a_ledger_that_is_gone_closes_a_budget() {
        let call = limited(&budget(), "", &[target(1, None)]).unwrap();
        assert_eq!(call.unanswered(&budget()).unwrap_err().status, 503);
        assert!(call.unanswered(&Key::default()).is_ok());
    }

    #[test]
    fn the_ledger_is_told_the_figures_of_the_log() {
        let attempt = Attempt {
            provider: "p".into(),
            model: "m".into(),
            key_hint: None,
            status: Some(200),
            error: None,
            latency_ms: 1,
            used: None,
        };
        let record = Record {
            id: "a".into(),
            key_id: "k".into(),
            output_tokens: 7,
            cost: NanoUsd(9),
            ..Record::default()
        };
        assert_eq!(settlement(&record).outcome, Outcome::Released);
        let sent = Record { attempts: vec![attempt], ..record };
        let used = Amounts { requests: 1, input_tokens: 0, output_tokens: 7, cost: NanoUsd(9) };
        assert_eq!(settlement(&sent).outcome, Outcome::Used(used));
    }

    #[test]
    fn a_call_counts_where_it_was_sent_or_answered() {
        let sent = vec![crate::log::Attempt::default()];
        for (status, attempts, counts) in
            [(200, sent.clone(), 1), (500, sent, 1), (200, vec![], 1), (429, vec![], 0), (499, vec![], 0)]
        {
            let record = Record { status, attempts, ..Record::default() };
            let requests = match settlement(&record).outcome {
                Outcome::Used(amounts) => amounts.requests,
                _ => 0,
            };
            assert_eq!(requests, counts, "{status}");
        }
    }
}
