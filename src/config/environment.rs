//! What the Worker's variables add to the stored settings: providers that exist through them alone, and keys and
//! addresses for stored providers that have none of their own.
//!
//! A key from a variable belongs to the operator, so it goes only to an address that is the kind's own or the
//! operator's: never to one that the owner of a provider or of a gateway key chose.

use super::variables::{ProviderVariables, Variables};
use super::{Provider, ProviderConfig, ProviderKey, Snapshot};
use crate::secret::Secret;

/// The ids of what comes from variables begin so; no stored id does.
const PREFIX: &str = "env:";

/// Adds to a snapshot what the variables say.
pub fn merge(snapshot: &mut Snapshot, variables: &Variables) {
    for (kind, settings) in &variables.providers {
        for provider in snapshot.providers.iter_mut().filter(|provider| &provider.kind == kind) {
            if snapshot.key.base_url.is_none() {
                lend(provider, variables);
            }
        }
        let is_named = |provider: &Provider| provider.name.eq_ignore_ascii_case(kind);
        if !snapshot.providers.iter().any(is_named) && snapshot.key.base_url.is_none() {
            snapshot.providers.push(Provider {
                id: format!("{PREFIX}{kind}"),
                name: kind.clone(),
                kind: kind.clone(),
                base_url: settings.base_url.clone(),
                keys: keys(kind, settings).collect(),
                config: ProviderConfig {
                    scope: settings.scope.clone(),
                    token_url: settings.token_url.clone(),
                    ..ProviderConfig::default()
                },
                ..Provider::default()
            });
        }
    }
}

/// Lends a stored provider the operator's address and keys for its kind, behind its own keys, where it has no address
/// of its own, be it for calls or for tokens, and no region or project: the operator's keys may reach more than theirs.
pub fn lend(provider: &mut Provider, variables: &Variables) {
    let Some(settings) = variables.providers.get(&provider.kind) else { return };
    let config = &provider.config;
    let is_elsewhere = config.token_url.is_some() || config.region.is_some() || config.project.is_some();
    if provider.base_url.is_none() && !is_elsewhere {
        provider.base_url.clone_from(&settings.base_url);
        if provider.keys.is_empty() {
            provider.config.scope = provider.config.scope.take().or(settings.scope.clone());
            provider.config.token_url.clone_from(&settings.token_url);
        }
        provider.keys.extend(keys(&provider.kind, settings));
    }
}

/// The model that a variable names for callers who name none, behind its provider's name: of the first of their providers that
/// has one. A key that is bound to a provider has no others: it would be asked for a model of theirs.
#[must_use]
pub fn default_model(snapshot: &Snapshot, variables: &Variables, is_of_pictures: bool) -> Option<String> {
    let is_reached =
        |provider: &&Provider| snapshot.key.provider_id.as_ref().is_none_or(|bound| *bound == provider.id);
    snapshot.providers.iter().filter(is_reached).find_map(|provider| {
        let settings = variables.providers.get(&provider.kind)?;
        let of_pictures = settings.vision_model.as_ref().filter(|_| is_of_pictures);
        let model = of_pictures.or(settings.chat_model.as_ref())?;
        Some(format!("{}/{model}", provider.name))
    })
}

/// Whether this is the id of a provider that exists through variables alone, so that no row can refer to it.
#[must_use]
pub fn is_without_row(provider_id: &str) -> bool {
    provider_id.starts_with(PREFIX)
}

/// Whether this is the id of a key that has a row: neither a variable's nor one that a caller brought.
#[must_use]
pub fn is_stored(key_id: &str) -> bool {
    !key_id.contains(':')
}

/// The secret behind a key of a snapshot: from its variable, or opened with the master key. `None` where it does not
/// open, which is as good as having no such key.
#[must_use]
pub fn open(key: &ProviderKey, variables: &Variables) -> Option<Secret> {
    let Some(name) = key.id.strip_prefix(PREFIX) else {
        return variables.master_key.open(&key.ciphertext, &key.id).ok();
    };
    let (kind, index) = name.rsplit_once(':')?;
    variables.providers.get(kind)?.keys.get(index.parse::<usize>().ok()?).cloned()
}

fn keys(kind: &str, settings: &ProviderVariables) -> impl Iterator<Item = ProviderKey> {
    settings.keys.iter().enumerate().map(move |(index, key)| ProviderKey {
        id: format!("{PREFIX}{kind}:{index}"),
        hint: key.hint(),
        ..ProviderKey::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let lookup = |name: &str| match name {
            "MASTER_KEY" => Some("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
            "OPENAI_API_KEY" => Some("sk-operator-key-1,sk-operator-key-2".into()),
            _ => None,
        };
        Variables::read(lookup, &[("openai", "OPENAI")]).unwrap()
    }

    fn openai(name: &str, base_url: Option<&str>) -> Provider {
        Provider {
            name: name.into(),
            kind: "openai".into(),
            base_url: base_url.map(Into::into),
            ..Provider::default()
        }
    }

    #[test]
    fn a_variable_names_the_model_of_whoever_names_none() {
        let read = |values: &'static [(&str, &str)]| {
            let lookup = |name: &str| match name {
                "MASTER_KEY" => Some("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
                name => values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
            };
            let variables = Variables::read(
                lookup,
                &[("gigachat", "GIGACHAT"), ("gemini", "GEMINI"), ("gemini", "GOOGLE")],
            )
            .unwrap();
            let mut snapshot = Snapshot::default();
            merge(&mut snapshot, &variables);
            [false, true].map(|is_of_pictures| default_model(&snapshot, &variables, is_of_pictures))
        };
        let named = |chat: &str, vision: &str| [Some(chat.to_owned()), Some(vision.to_owned())];
        assert_eq!(read(&[("GEMINI_API_KEY", "a"), ("GIGACHAT_DEFAULT_MODEL", "unused")]), [None, None]);
        assert_eq!(
            read(&[("GIGACHAT_API_KEY", "a"), ("GIGACHAT_DEFAULT_MODEL", "GigaChat-Pro")]),
            named("gigachat/GigaChat-Pro", "gigachat/GigaChat-Pro")
        );
        assert_eq!(
            read(&[
                ("GEMINI_API_KEY", "a"),
                ("GEMINI_CHAT_MODEL_NAME", "chat"),
                ("GEMINI_VISION_MODEL_NAME", "sees")
            ]),
            named("gemini/chat", "gemini/sees")
        );
        assert_eq!(
            read(&[("GEMINI_API_KEY", "a"), ("GOOGLE_DEFAULT_MODEL", "of another name")]),
            named("gemini/of another name", "gemini/of another name")
        );
    }

    #[test]
    fn a_bound_key_asks_for_no_model_of_another_provider() {
        let lookup = |name: &str| match name {
            "MASTER_KEY" => Some("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
            "OPENAI_API_KEY" | "OPENAI_CHAT_MODEL_NAME" => Some("gpt".to_owned()),
            _ => None,
        };
        let variables = Variables::read(lookup, &[("openai", "OPENAI")]).unwrap();
        let local = Provider {
            id: "local".into(),
            name: "lm".into(),
            kind: "lmstudio".into(),
            ..Provider::default()
        };
        let mut snapshot = Snapshot { providers: vec![local], ..Snapshot::default() };
        merge(&mut snapshot, &variables);
        for (bound, expected) in
            [(None, Some("openai/gpt")), (Some("env:openai"), Some("openai/gpt")), (Some("local"), None)]
        {
            snapshot.key.provider_id = bound.map(Into::into);
            assert_eq!(default_model(&snapshot, &variables, false).as_deref(), expected, "{bound:?}");
        }
    }

    #[test]
    fn a_kind_with_a_variable_is_a_provider_without_a_row() {
        let mut snapshot = Snapshot::default();
        merge(&mut snapshot, &variables());
        let [provider] = snapshot.providers.as_slice() else { panic!("one provider") };
        assert_eq!(
            (provider.id.as_str(), provider.name.as_str(), provider.keys.len()),
            ("env:openai", "openai", 2)
        );
        assert_eq!(open(&provider.keys[1], &variables()).unwrap().reveal(), "sk-operator-key-2");
    }

    #[test]
    fn a_stored_provider_gets_the_operators_keys_after_its_own_but_never_at_its_own_address() {
        let mut snapshot = Snapshot {
            providers: vec![openai("openai", None), openai("elsewhere", Some("https://elsewhere.test/v1"))],
            ..Snapshot::default()
        };
        merge(&mut snapshot, &variables());
        assert_eq!(snapshot.providers.iter().map(|provider| provider.keys.len()).collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn a_scope_goes_with_the_operators_keys_and_with_no_others() {
        let mut variables = variables();
        let settings = variables.providers.get_mut("openai").unwrap();
        (settings.scope, settings.token_url) = (Some("CORP".into()), Some("https://tokens.test".into()));
        let mut snapshot = Snapshot::default();
        merge(&mut snapshot, &variables);
        let config = |provider: &Provider| (provider.config.scope.clone(), provider.config.token_url.clone());
        let operators = (Some("CORP".to_owned()), Some("https://tokens.test".to_owned()));
        assert_eq!(config(&snapshot.providers[0]), operators);
        let mut bare = openai("openai", None);
        lend(&mut bare, &variables);
        assert_eq!(config(&bare), operators);
        let mut own = Provider { keys: vec![ProviderKey::default()], ..openai("openai", None) };
        lend(&mut own, &variables);
        assert_eq!((config(&own), own.keys.len()), ((None, None), 3), "the owner's key keeps its own scope");
    }

    #[test]
    fn the_operators_keys_are_exchanged_at_no_address_that_an_owner_chose() {
        let mut provider = openai("openai", None);
        provider.config.token_url = Some("https://elsewhere.test/token".into());
        lend(&mut provider, &variables());
        assert!(provider.keys.is_empty());
        provider.config = ProviderConfig { region: Some("eu-west-1".into()), ..ProviderConfig::default() };
        lend(&mut provider, &variables());
        assert!(provider.keys.is_empty());
    }

    #[test]
    fn a_gateway_key_with_its_own_address_gets_nothing_of_the_operators() {
        let mut snapshot = Snapshot { providers: vec![openai("openai", None)], ..Snapshot::default() };
        snapshot.key.base_url = Some("https://elsewhere.test".into());
        merge(&mut snapshot, &variables());
        assert_eq!((snapshot.providers.len(), snapshot.providers[0].keys.len()), (1, 0));
    }
}
