//! The models that a key may use: those its router names, and those of its providers.

pub mod lists;
pub mod render;

use self::lists::Problem;
use crate::auth::gateway;
use crate::config::{Provider, Rule, Snapshot, glob};
use crate::json::json;
use crate::money::Price;
use crate::order::sorted_by;
use crate::provider::table::{self, Auth};
use crate::store::Statement;
use crate::time::Millis;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// The models of each provider: as its own list says or said last, or else as the catalogue knows its kind.
pub const SELECT: &str = "\
    WITH named AS (SELECT value ->> 'id' AS id, value ->> 'name' AS name, value ->> 'kind' AS kind, \
        value ->> 'models' AS models FROM json_each(?1)), \
    own AS (SELECT named.name, named.kind, list.value AS model \
        FROM named LEFT JOIN providers ON providers.id = named.id, \
        json_each(coalesce(named.models, providers.models, '[]')) AS list), \
    listed AS (SELECT name, kind, model FROM own UNION ALL \
        SELECT named.name, named.kind, models.model FROM named \
        JOIN models ON models.user_id = '' AND models.kind = named.kind WHERE named.name NOT IN (SELECT name FROM own)) \
    SELECT listed.name AS provider, listed.kind AS kind, listed.model AS model, context_window, max_output_tokens, \
        input_price, output_price, max(effective_from) AS effective_from \
    FROM listed LEFT JOIN models ON models.user_id = '' AND models.kind = listed.kind AND models.model = listed.model \
    GROUP BY listed.name, listed.model ORDER BY listed.name, listed.model LIMIT 5000";

/// A row of [`SELECT`].
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    provider: String,
    kind: String,
    model: String,
    context_window: Option<u64>,
    max_output_tokens: Option<u64>,
    input_price: Option<Price>,
    output_price: Option<Price>,
}

/// A model, as `/v1/models` shows it: OpenAI's fields, and what the catalogue knows beside them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// What to send as `model`.
    pub id: String,
    object: &'static str,
    created: u64,
    owned_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    /// USD per million tokens.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "usd")]
    input_price: Option<Price>,
    /// USD per million tokens.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "usd")]
    output_price: Option<Price>,
}

/// Which of these providers have a list that was stored when it was asked for in the management plane.
pub const STORED: &str =
    "SELECT id FROM providers WHERE id IN (SELECT value FROM json_each(?1)) AND models <> '[]'";

/// The providers that a query asks for, with their places in the snapshot: `?provider=` narrows it to one. Of a key that is bound
/// to a provider only that one, and those that its router's rules name: it reaches no other.
pub fn wanted<'a>(snapshot: &'a Snapshot, query: &str) -> impl Iterator<Item = (usize, &'a Provider)> {
    let wanted = wanted_provider(query);
    let has_rule = |provider: &Provider| {
        let rules = snapshot.router.iter().flat_map(|router| &router.rules);
        rules.into_iter().any(|rule| rule.provider_id == provider.id)
    };
    snapshot.providers.iter().enumerate().filter(move |(_, provider)| {
        let is_bound = snapshot.key.provider_id.as_ref().is_none_or(|id| *id == provider.id);
        (is_bound || has_rule(provider))
            && wanted.as_ref().is_none_or(|wanted| provider.name.eq_ignore_ascii_case(wanted))
    })
}

/// Which of its keys a provider can be asked with: the first that is neither dead nor resting.
#[must_use]
pub fn awake(provider: &Provider, at: Millis) -> Option<usize> {
    provider.keys.iter().position(|key| !key.is_dead() && key.disabled_until.is_none_or(|until| until <= at))
}

/// Whether nothing can be asked of a provider without a key.
#[must_use]
pub fn needs_key(provider: &Provider) -> bool {
    let kind = table::kind_or_generic(&provider.kind);
    kind.auth != Auth::None && !kind.quirks.key_optional
}

/// What is wrong before anybody is asked: there is no such provider, or it has no key that could be used. `opens` says whether
/// this key of this provider can be read.
pub fn problems(
    snapshot: &Snapshot,
    query: &str,
    at: Millis,
    opens: impl Fn(usize, usize) -> bool,
) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut is_known = false;
    for (index, provider) in wanted(snapshot, query) {
        is_known = true;
        let message = match awake(provider, at) {
            _ if !needs_key(provider) => continue,
            Some(key) if opens(index, key) => continue,
            Some(_) => "its key does not open under this master key",
            None if provider.keys.is_empty() => "has no key",
            None => "none of its keys can be used at present",
        };
        found.push(Problem::before_asking(&provider.name, message));
    }
    if let Some(name) = wanted_provider(query).filter(|_| !is_known) {
        found.push(Problem::before_asking(&name, "there is no such provider for this key"));
    }
    found
}

/// The statement that loads what [`usable`] needs. `live` has the lists that providers gave by themselves, by their ids.
#[must_use]
pub fn select(snapshot: &Snapshot, query: &str, live: &BTreeMap<String, Vec<String>>) -> Statement {
    let providers: Vec<_> = wanted(snapshot, query)
        .map(|(_, Provider { id, name, kind, .. })| {
            json!({ "id": id, "name": name, "kind": kind, "models": live.get(id) })
        })
        .collect();
    Statement::new(SELECT).bind(json!(providers).to_string())
}

/// The models that the key of this snapshot may use, sorted, each once.
#[must_use]
pub fn usable(snapshot: &Snapshot, rows: Vec<Row>, query: &str) -> Vec<Model> {
    let mut models: Vec<Model> = rows.into_iter().map(|row| Model::of(row, snapshot)).collect();
    if wanted_provider(query).is_none() {
        models.extend(of_router(snapshot));
    }
    let mut seen = BTreeSet::new();
    models.retain(|model| gateway::allows_model(&snapshot.key, &model.id) && seen.insert(model.id.clone()));
    sorted_by(models, |left, right| left.id.cmp(&right.id))
}

/// Decodes an id in a path; what is not percent-encoded UTF-8 stays as it is.
#[must_use]
pub fn decode(id: &str) -> String {
    // A plus sign is a plus sign in a path, unlike in a form.
    let form = format!("id={}", id.replace('+', "%2B"));
    url::form_urlencoded::parse(form.as_bytes())
        .next()
        .map_or_else(|| id.to_owned(), |(_, value)| value.into_owned())
}

/// The names that rules give without a wildcard, and the one that the key has by default.
fn of_router(snapshot: &Snapshot) -> impl Iterator<Item = Model> {
    let rules = snapshot.router.iter().flat_map(|router| &router.rules);
    let patterns =
        rules.map(|rule| rule.model_pattern.as_str()).filter(|pattern| !pattern.contains(['*', '?']));
    patterns
        .chain(snapshot.key.default_model.as_deref())
        .map(|id| Model::named(id.to_owned(), "edgeway".into()))
}

fn wanted_provider(query: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "provider" && !value.is_empty()).then(|| value.into_owned()))
}

impl Model {
    fn named(id: String, owned_by: String) -> Model {
        Model {
            id,
            object: "model",
            created: 0,
            owned_by,
            context_window: None,
            max_output_tokens: None,
            input_price: None,
            output_price: None,
        }
    }
}

impl Model {
    /// A name that finds its provider by itself stands bare; any other has the provider's prefix.
    fn of(row: Row, snapshot: &Snapshot) -> Model {
        let is_bare = match rule_for(snapshot, &row.model) {
            Some(rule) => {
                snapshot.providers.iter().any(|one| one.id == rule.provider_id && one.name == row.provider)
            }
            None if snapshot.key.provider_id.is_some() => true,
            None => {
                let belongs = table::kind_of_model(&row.model).map_or("openai", |kind| kind.name);
                row.provider.eq_ignore_ascii_case(&row.kind) && belongs == row.kind
            }
        };
        let id = if is_bare { row.model } else { format!("{}/{}", row.provider, row.model) };
        Model {
            context_window: row.context_window,
            max_output_tokens: row.max_output_tokens,
            input_price: row.input_price,
            output_price: row.output_price,
            ..Model::named(id, row.provider)
        }
    }
}

/// The first rule that takes a bare name.
fn rule_for<'a>(snapshot: &'a Snapshot, model: &str) -> Option<&'a Rule> {
    let rules = snapshot.router.iter().flat_map(|router| &router.rules);
    rules
        .min_by_key(|rule| (!glob::matches(&rule.model_pattern, model), rule.priority))
        .filter(|rule| glob::matches(&rule.model_pattern, model))
}

#[allow(clippy::ref_option, reason = "the signature that serde asks for")]
fn usd<S: Serializer>(price: &Option<Price>, serializer: S) -> Result<S::Ok, S::Error> {
    price.map(|price| crate::money::NanoUsd(price.0).to_usd()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Key, Provider, ProviderKey, Router, Rule};

    fn row(provider: &str, kind: &str, model: &str) -> Row {
        let row = json!({ "provider": provider, "kind": kind, "model": model, "context_window": 8, "max_output_tokens": null,
            "input_price": 150_000_000, "output_price": null });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn names_that_find_their_provider_stand_bare() {
        let rows = vec![
            row("openai", "openai", "gpt-4o"),
            row("anthropic", "anthropic", "claude-3"),
            row("mine", "openai", "gpt-4o"),
            row("groq", "groq", "llama-3"),
        ];
        let ids: Vec<_> = usable(&Snapshot::default(), rows, "").into_iter().map(|model| model.id).collect();
        assert_eq!(ids, ["claude-3", "gpt-4o", "groq/llama-3", "mine/gpt-4o"]);
    }

    #[test]
    fn a_key_sees_what_it_may_use_and_what_its_router_names() {
        let rule = |pattern: &str| Rule {
            model_pattern: pattern.into(),
            provider_id: "p".into(),
            ..Rule::default()
        };
        let provider = Provider { id: "p".into(), name: "openai".into(), ..Provider::default() };
        let snapshot = Snapshot {
            key: Key {
                denied_models: vec!["*-mini".into()],
                default_model: Some("fast".into()),
                ..Key::default()
            },
            router: Some(Router { rules: vec![rule("smart"), rule("gpt-*")], ..Router::default() }),
            providers: vec![provider],
            ..Snapshot::default()
        };
        let rows = vec![row("openai", "openai", "gpt-4o"), row("openai", "openai", "gpt-4o-mini")];
        let ids: Vec<_> = usable(&snapshot, rows.clone(), "").into_iter().map(|model| model.id).collect();
        assert_eq!(ids, ["fast", "gpt-4o", "smart"]);
        let ids: Vec<_> =
            usable(&snapshot, rows, "provider=openai").into_iter().map(|model| model.id).collect();
        assert_eq!(ids, ["gpt-4o"]);
    }

    #[test]
    fn a_rule_that_takes_every_name_lists_its_providers_models_bare() {
        let provider = |id: &str| Provider { id: id.into(), name: id.into(), ..Provider::default() };
        let rule = Rule { model_pattern: "*".into(), provider_id: "demo".into(), ..Rule::default() };
        let snapshot = Snapshot {
            router: Some(Router { rules: vec![rule], ..Router::default() }),
            providers: vec![provider("demo"), provider("openai")],
            ..Snapshot::default()
        };
        let rows = vec![row("demo", "demo", "demo-chat"), row("openai", "openai", "gpt-4o")];
        let models = usable(&snapshot, rows, "");
        assert_eq!(
            models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(),
            ["demo-chat", "openai/gpt-4o"]
        );
    }

    #[test]
    fn a_key_that_is_bound_to_a_provider_lists_its_models_alone_and_bare() {
        let provider = |id: &str| Provider { id: id.into(), name: id.into(), ..Provider::default() };
        let providers = ["lm", "openai", "ruled"].map(provider).to_vec();
        let rule = Rule { model_pattern: "r-*".into(), provider_id: "ruled".into(), ..Rule::default() };
        let router = Some(Router { rules: vec![rule], ..Router::default() });
        let key = Key { provider_id: Some("lm".into()), ..Key::default() };
        let snapshot = Snapshot { key, router, providers, ..Snapshot::default() };
        let names: Vec<_> = wanted(&snapshot, "").map(|(_, provider)| provider.name.as_str()).collect();
        assert_eq!(names, ["lm", "ruled"]);
        let models = usable(&snapshot, vec![row("lm", "lmstudio", "qwen"), row("ruled", "groq", "r-1")], "");
        assert_eq!(models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["qwen", "r-1"]);
    }

    #[test]
    fn prices_are_usd_per_million_tokens() {
        let models = usable(&Snapshot::default(), vec![row("openai", "openai", "gpt-4o")], "");
        assert_eq!(crate::json::tree_of(&models)[0]["input_price"], 0.15);
        assert_eq!(crate::json::tree_of(&models)[0].get("output_price"), None);
    }

    #[test]
    fn only_the_wanted_provider_is_asked_for() {
        let provider = |name: &str| Provider { name: name.into(), ..Provider::default() };
        let snapshot = Snapshot { providers: vec![provider("a"), provider("b")], ..Snapshot::default() };
        let live = BTreeMap::from([("".to_owned(), vec!["m".to_owned()])]);
        let bound = |query: &str| format!("{:?}", select(&snapshot, query, &live).parameters);
        assert!(bound("").contains(r#"[\"m\"]"#));
        assert!(bound("").contains(r#"\"a\""#) && bound("").contains(r#"\"b\""#));
        assert!(!bound("provider=B").contains(r#"\"a\""#) && bound("provider=B").contains(r#"\"b\""#));
    }

    #[test]
    fn a_provider_that_is_not_there_is_told() {
        let provider = Provider { name: "mine".into(), kind: "demo".into(), ..Provider::default() };
        let snapshot = Snapshot { providers: vec![provider], ..Snapshot::default() };
        let told = |query: &str| problems(&snapshot, query, Millis(0), |_, _| true);
        assert_eq!(told(""), []);
        assert_eq!(told("provider=MINE"), []);
        let message = "nosuch: there is no such provider for this key".to_owned();
        assert_eq!(told("provider=nosuch"), [Problem { provider: "nosuch".into(), status: None, message }]);
    }

    #[test]
    fn a_provider_without_a_key_that_can_be_used_is_told() {
        let named = |name: &str, kind: &str, keys: Vec<ProviderKey>| Provider {
            name: name.into(),
            kind: kind.into(),
            keys,
            ..Provider::default()
        };
        let dead = || ProviderKey { disabled_reason: Some("401".into()), ..ProviderKey::default() };
        let resting = || ProviderKey { disabled_until: Some(Millis(9)), ..ProviderKey::default() };
        let snapshot = Snapshot {
            providers: vec![
                named("none", "openai", vec![]),
                named("worn", "openai", vec![dead(), resting()]),
                named("sealed", "groq", vec![ProviderKey::default()]),
                named("good", "openai", vec![dead(), ProviderKey::default()]),
                named("demo", "demo", vec![]),
                named("near", "ollama", vec![]),
            ],
            ..Snapshot::default()
        };
        let told = |query: &str, at| -> Vec<String> {
            let opens = |provider: usize, _| provider != 2;
            problems(&snapshot, query, Millis(at), opens).into_iter().map(|problem| problem.message).collect()
        };
        let [none, worn, sealed] = [
            "none: has no key",
            "worn: none of its keys can be used at present",
            "sealed: its key does not open under this master key",
        ];
        assert_eq!(told("", 8), [none, worn, sealed]);
        assert_eq!(told("", 9), [none, sealed], "a rest has ended");
        assert_eq!(told("provider=none", 8), [none]);
        assert!(told("provider=good", 8).is_empty());
    }

    #[test]
    fn ids_in_paths_are_decoded() {
        for (id, expected) in [("a%2Fb", "a/b"), ("a+b", "a+b"), ("meta/llama:free", "meta/llama:free")] {
            assert_eq!(decode(id), expected);
        }
    }
}
