//! How many tokens a call would have, in the caller's dialect.

use super::arrival::Arrival;
use super::clock::now;
use super::data_plane::{self, caller};
use super::settings::Compiled;
use super::stored;
use super::upstream;
use super::wire;
use crate::call::accept::may_use;
use crate::call::count::{self, Question};
use crate::call::translation::InPath;
use crate::config::variables::Variables;
use crate::dialect::{Dialect, Endpoint, responses};
use crate::error::ApiError;
use crate::provider::table::Auth;
use crate::provider::{outbound, table};
use crate::route::{Facts, plan};
use crate::time::Millis;
use std::collections::BTreeMap;
use web_sys::{Request, Response};

/// How long upstreams may take to count, all together.
const DEADLINE: Millis = Millis(10_000);
/// How many times they are asked: a count is worth less than a call.
const MOST_ASKED: usize = 4;
/// An answer is one number.
const ANSWER: u32 = 64 * 1024;

/// Answers a question: by an upstream's own count where one of the model's targets speaks the caller's dialect, else by an
/// estimate, which says so in `x-edgeway-usage-source`.
pub(super) async fn serve(
    arrival: &Arrival,
    request: &Request,
    query: &str,
    dialect: Dialect,
    model: Option<&str>,
) -> Response {
    match counted(arrival, request, query, dialect, model).await {
        Ok((tokens, source)) => {
            let head = arrival.head();
            head.set("content-type", "application/json");
            head.set("x-edgeway-usage-source", source);
            head.text(200, &String::from_utf8_lossy(&count::answer(dialect, tokens)))
        }
        Err(error) => arrival.refuse(&error),
    }
}

async fn counted(
    arrival: &Arrival,
    request: &Request,
    query: &str,
    dialect: Dialect,
    model: Option<&str>,
) -> Result<(u64, &'static str), ApiError> {
    let variables = arrival.isolate.variables(&arrival.env)?;
    let compiled = caller(arrival, &variables, query).await?;
    let in_path = model.map(|model| InPath::gemini(model, false, query)).unwrap_or_default();
    let raw_body = data_plane::body(arrival, request).await?;
    let body = wire::bytes(&raw_body);
    let question = count::read(dialect, &body, &in_path)?;
    let key = &compiled.snapshot.key;
    if dialect == Dialect::Responses {
        // What it goes on from is stored here, and upstreams know nothing of it.
        let owner = stored::owner(arrival, &variables, key, query);
        let peek = responses::request::peek(&body)?;
        if let Some(history) = stored::history(arrival, Some(&peek), &body, &owner).await? {
            return Ok((question.estimate + history.tokens(), "estimated"));
        }
    }
    let model =
        question.model.clone().filter(|model| !model.is_empty()).or_else(|| key.default_model.clone());
    let Some(model) = model else { return Ok((question.estimate, "estimated")) };
    may_use(key, &model)?;
    Ok(match ask(arrival, &variables, &compiled, dialect, &question, &model).await {
        Some(tokens) => (tokens, "upstream"),
        None => (question.estimate, "estimated"),
    })
}

/// Asks the targets that count in this dialect, key by key, until one has counted. What they say decides nothing for calls:
/// a key that may not count may well be one that answers.
async fn ask(
    arrival: &Arrival,
    variables: &Variables,
    compiled: &Compiled,
    dialect: Dialect,
    question: &Question<'_>,
    model: &str,
) -> Option<u64> {
    let (snapshot, isolate) = (&compiled.snapshot, &arrival.isolate);
    let header = |name: &str| arrival.headers.get(name);
    let facts = Facts {
        model,
        kind: table::kind_of_model(model).map(|kind| kind.name),
        endpoint: Endpoint::of_dialect(dialect),
        stream: false,
        has_tools: false,
        has_images: false,
        input_tokens: Some(question.estimate),
        max_tokens: None,
        metadata: &BTreeMap::new(),
        header: &header,
    };
    let planned = plan::plan(snapshot, &facts, &isolate.health.borrow(), now(), isolate.dice.roll()).ok()?;
    let deadline = now().plus(DEADLINE);
    let mut asked = 0;
    for candidate in &planned {
        let Some(provider) = snapshot.providers.get(candidate.provider) else { continue };
        let kind = table::kind_or_generic(&provider.kind);
        // What a key is exchanged for goes to the endpoint of its calls alone.
        let sends_key = !kind.quirks.built_in && !matches!(kind.auth, Auth::Exchanged(_));
        if !sends_key || kind.spoken_by(dialect, provider.config.dialect, &candidate.model) != dialect {
            continue;
        }
        let upstream_model = kind.upstream_model(&candidate.model);
        let Ok(path) = count::path(dialect, upstream_model) else { continue };
        let body = count::ask(dialect, question, upstream_model).ok()?;
        let keys = isolate.health.borrow().keys.usable(provider, snapshot.version, now());
        for key in keys {
            let left = deadline.since(now());
            if asked == MOST_ASKED || left.0 <= 0 {
                return None;
            }
            asked += 1;
            let secret = key.and_then(|key| compiled.secret(candidate.provider, key, variables));
            let base_url = snapshot.key.base_url.as_deref();
            let allow_private = variables.allow_private_upstreams;
            let endpoint = Endpoint::of_dialect(dialect);
            let target =
                outbound::outbound(provider, kind, secret.as_deref(), endpoint, base_url, allow_private);
            let Ok(mut target) = target else { continue };
            target.url.push_str(&path);
            let Ok(fetched) = upstream::post(&target, &body, left, ANSWER).await else { break };
            match fetched.status {
                200 => match count::counted(dialect, &fetched.body) {
                    Some(tokens) => return Some(tokens),
                    None => break,
                },
                401..=403 | 429 => {} // another of its keys may
                _ => break,
            }
        }
    }
    None
}
