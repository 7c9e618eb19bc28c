//! Asking a caller's providers for their lists of models: all at once, as far as the platform lets us, and none that was asked
//! some minutes ago. What one isolate learnt, KV tells the others.

use crate::call::caller_keys;
use crate::call::models::lists::{List, Problem, Step};
use crate::call::models::{STORED, awake, needs_key, wanted};
use crate::config::Provider;
use crate::config::variables::Variables;
use crate::edge::arrival::Arrival;
use crate::edge::clock::now;
use crate::edge::database::Database;
use crate::edge::isolate::Isolate;
use crate::edge::settings::Compiled;
use crate::edge::task::behind_the_answer;
use crate::edge::tokens;
use crate::edge::upstream;
use crate::json;
use crate::order::sorted_by;
use crate::provider::listing::Listing;
use crate::provider::table;
use crate::secret::{Secret, sha256_hex};
use crate::store::{Statement, Store};
use crate::time::Millis;
use futures_util::StreamExt as _;
use std::collections::HashMap;
use std::rc::Rc;
use worker::kv::KvStore;

/// Connections at once: the platform has six for an invocation, and D1 and KV are among them.
const CONNECTIONS: usize = 5;
/// How long one provider may take.
const DEADLINE: Millis = Millis(4_000);
/// How long all of them may take together, while a caller waits.
const PATIENCE: Millis = Millis(8_000);
/// Bytes of a list.
const LIMIT: u32 = 8 * 1024 * 1024;
/// How long KV keeps what was learnt, seconds.
const KV_LIFE: u64 = 3600;

/// A provider that can be asked.
#[derive(Clone)]
struct Source {
    id: String,
    provider: String,
    /// What its list is remembered by: who asks whom with which key.
    name: String,
    account: Provider,
    key: Option<Rc<Secret>>,
}

/// What is known of the models of those providers that list theirs, by their ids.
pub(super) async fn lists(
    arrival: &Arrival,
    compiled: &Compiled,
    variables: &Variables,
    query: &str,
    database: &Database,
) -> Vec<(String, List)> {
    let sources = sources(compiled, variables, query);
    let isolate = &arrival.isolate;
    let (unknown, mut stale) = sort(isolate, &sources);
    let allow_private = variables.allow_private_upstreams;
    let kv = arrival.env.kv("CACHE").ok();
    let kv_name = kv_name(&sources);
    if !unknown.is_empty() {
        let ids: Vec<&str> = unknown.iter().map(|source| source.id.as_str()).collect();
        let stored = Statement::new(STORED).bind(crate::json::json!(ids).to_string());
        let (mut kept, stored) =
            futures_util::join!(kept(kv.as_ref(), &kv_name), database.all::<Stored>(stored));
        let stored = stored.unwrap_or_default();
        for source in &unknown {
            let is_stored = || stored.iter().any(|row| row.id == source.id).then(List::default);
            if let Some(list) = kept.remove(&source.name).or_else(is_stored) {
                isolate.lists.borrow_mut().adopt(&source.name, list);
            }
        }
        let (unknown, old) = sort(isolate, &unknown);
        stale.extend(old);
        if !unknown.is_empty() {
            ask(isolate, unknown, allow_private).await;
            let text = known(isolate, &sources);
            behind_the_answer(&arrival.context, keep(kv.clone(), kv_name.clone(), text));
        }
    }
    if !stale.is_empty() {
        let (isolate, sources) = (isolate.clone(), sources.clone());
        behind_the_answer(&arrival.context, async move {
            ask(&isolate, stale, allow_private).await;
            let text = known(&isolate, &sources);
            keep(kv, kv_name, text).await;
        });
    }
    let lists = isolate.lists.borrow();
    sources.into_iter().filter_map(|source| Some((source.id, lists.get(&source.name)?.clone()))).collect()
}

#[derive(serde::Deserialize)]
struct Stored {
    id: String,
}

/// Those whose lists can be asked for, each with a key that is neither dead nor resting.
fn sources(compiled: &Compiled, variables: &Variables, query: &str) -> Vec<Source> {
    let at = now();
    let source = |(index, provider): (usize, &crate::config::Provider)| {
        let key = awake(provider, at);
        let secret = key.and_then(|key| compiled.secret(index, key, variables));
        table::kind_or_generic(&provider.kind).models_path?;
        if secret.is_none() && needs_key(provider) {
            return None; // `models::problems` tells it
        }
        let revealed = secret.as_deref().map_or("", |secret| secret.reveal());
        let place = (provider.base_url.as_deref(), provider.config.region.as_deref());
        let name = sha256_hex(&format!("{}\n{place:?}\n{revealed}", provider.id));
        let account = Provider { keys: Vec::new(), ..provider.clone() };
        Some(Source { id: provider.id.clone(), provider: provider.name.clone(), name, account, key: secret })
    };
    let is_remote =
        |provider: &crate::config::Provider| !table::kind_or_generic(&provider.kind).quirks.built_in;
    // Whose key a credential is that a caller brought, nobody knows: it is shown to the one provider that is named.
    let wanted: Vec<_> = wanted(&compiled.snapshot, query).collect();
    if wanted.len() > 1 && caller_keys::is_own_workspace(&compiled.snapshot) {
        return Vec::new();
    }
    wanted.into_iter().filter(|(_, provider)| is_remote(provider)).filter_map(source).collect()
}

/// Those of which nothing is known, and those of which it is old.
fn sort(isolate: &Isolate, sources: &[Source]) -> (Vec<Source>, Vec<Source>) {
    let (mut unknown, mut stale) = (Vec::new(), Vec::new());
    for source in sources {
        match isolate.lists.borrow_mut().step(&source.name, now()) {
            Step::Serve => {}
            Step::Refresh => stale.push(source.clone()),
            Step::Ask => unknown.push(source.clone()),
        }
    }
    (unknown, stale)
}

/// Asks them all, and remembers what came of it.
async fn ask(isolate: &Isolate, sources: Vec<Source>, allow_private: bool) {
    let begun = now();
    let asked = futures_util::stream::iter(sources).map(async |source: Source| {
        let left = Millis(PATIENCE.0 - now().since(begun).0);
        let outcome = match left.0 {
            1.. => ask_one(isolate, &source, allow_private, DEADLINE.min(left)).await,
            _ => Err((None, "was not asked: the other providers took too long".to_owned())),
        };
        let outcome = outcome.map_err(|(status, message)| {
            let provider = source.provider.clone();
            Problem { message: format!("{provider}: {message}"), provider, status }
        });
        isolate.lists.borrow_mut().keep(&source.name, outcome, now());
    });
    asked.buffer_unordered(CONNECTIONS).collect::<()>().await;
}

async fn ask_one(
    isolate: &Isolate,
    source: &Source,
    allow_private: bool,
    deadline: Millis,
) -> Result<Vec<String>, (Option<u16>, String)> {
    let begun = now();
    let no_answer = |problem| (None, problem);
    let targets = tokens::list_targets(isolate, &source.account, source.key.as_ref(), allow_private).await;
    let targets = targets.map_err(no_answer)?;
    if targets.is_empty() {
        return Ok(Vec::new()); // this account has none: the catalogue's models are shown
    }
    let mut listing = Listing::of(table::kind_or_generic(&source.account.kind), targets);
    while let Some(target) = listing.next_target() {
        let left = Millis(deadline.0 - now().since(begun).0);
        let fetched = match left.0 {
            1.. => upstream::get(&target.url, &target.headers, left, LIMIT).await,
            _ => Err("its lists took too long".to_owned()),
        };
        let answer = fetched.as_ref().map(|it| (it.status, it.body.as_slice())).map_err(Clone::clone);
        listing.take(target, answer);
    }
    listing.finish().map_err(|refusal| (refusal.status, refusal.message))
}

fn kv_name(sources: &[Source]) -> String {
    let names = sources.iter().map(|source| source.name.as_str()).collect();
    format!("lists:{}", sha256_hex(&sorted_by(names, Ord::cmp).join("\n")))
}

/// What another isolate knew of them.
async fn kept(kv: Option<&KvStore>, name: &str) -> HashMap<String, List> {
    let Some(kv) = kv else { return HashMap::new() };
    let text = kv.get(name).text().await.ok().flatten();
    text.and_then(|text| json::read(text.as_bytes()).ok()).unwrap_or_default()
}

fn known(isolate: &Isolate, sources: &[Source]) -> String {
    let lists = isolate.lists.borrow();
    let of = |source: &Source| Some((source.name.clone(), lists.get(&source.name)?.clone()));
    let known: HashMap<String, List> = sources.iter().filter_map(of).collect();
    serde_json::to_string(&known).unwrap_or_default()
}

async fn keep(kv: Option<KvStore>, name: String, text: String) {
    if let Some(put) = kv.and_then(|kv| kv.put(&name, text).ok()) {
        // Only a copy: whoever misses it asks.
        let _ = put.expiration_ttl(KV_LIFE).execute().await;
    }
}
