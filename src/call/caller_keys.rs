//! Provider keys that a caller brings along: as `x-<provider>-api-key` headers, which come before any stored key, or, where
//! `ALLOW_BYOK` is set, as the credential itself. They serve this one call and are stored nowhere.

use crate::config::variables::Variables;
use crate::config::{Key, Provider, ProviderKey, Snapshot};
use crate::provider::table::{KINDS, Kind, WORKERS_AI_BINDING};
use crate::secret::{Secret, sha256_hex};

/// Names that clients of other gateways give to kinds in these headers.
const ALIASES: [(&str, &str); 3] = [("chatgpt", "openai"), ("google", "gemini"), ("grok", "xai")];
/// What a workspace is called whose only key is the caller's credential.
const OWN: &str = "caller's own key";

/// Settings for one call, and the secrets behind the keys that it adds to them.
#[derive(Clone, Debug, Default)]
pub struct Brought {
    /// The settings, with the brought keys first.
    pub snapshot: Snapshot,
    /// By the id of their key in the snapshot.
    pub secrets: Vec<(String, Secret)>,
}

/// The workspace of a caller whose credential is a provider's own key: every kind of provider that has an address, with
/// that key. Which of them gets it, the model's name decides.
#[must_use]
pub fn own_workspace(credential: &Secret, variables: &Variables) -> Brought {
    let (keys, secrets) = listed(credential.reveal());
    let providers = KINDS.iter().filter_map(|kind| {
        let base_url = variables.providers.get(kind.name).and_then(|settings| settings.base_url.clone());
        (base_url.is_some() || has_own_address(kind)).then(|| provider(kind.name, base_url, keys.clone()))
    });
    let key = Key { name: OWN.into(), is_active: true, ..Key::default() };
    Brought { snapshot: Snapshot { key, providers: providers.collect(), ..Snapshot::default() }, secrets }
}

/// Whether these are settings of [`own_workspace`]: then nobody knows whose key it is until a model or a provider is named, and it is
/// not to be shown to all of them.
#[must_use]
pub fn is_own_workspace(snapshot: &Snapshot) -> bool {
    snapshot.key.id.is_empty() && snapshot.key.name == OWN
}

/// The settings with the keys that headers bring for these providers (indices); `None` where they bring none.
#[must_use]
pub fn for_providers(
    snapshot: &Snapshot,
    providers: impl Iterator<Item = usize>,
    header: &dyn Fn(&str) -> Option<String>,
) -> Option<Brought> {
    let mut brought: Option<Brought> = None;
    let mut seen = Vec::new();
    for index in providers {
        if seen.contains(&index) {
            continue;
        }
        seen.push(index);
        let Some(provider) = snapshot.providers.get(index) else { continue };
        let Some(text) = names(provider).find_map(|name| header(&name)) else { continue };
        let (keys, secrets) = listed(&text);
        let brought =
            brought.get_or_insert_with(|| Brought { snapshot: snapshot.clone(), secrets: Vec::new() });
        brought.secrets.extend(secrets);
        if let Some(provider) = brought.snapshot.providers.get_mut(index) {
            provider.keys.splice(0..0, keys);
        }
    }
    brought
}

/// The settings with all keys that headers bring, also for kinds of which they have no provider: for a list of models.
#[must_use]
pub fn for_all(
    snapshot: &Snapshot,
    variables: &Variables,
    header: &dyn Fn(&str) -> Option<String>,
) -> Option<Brought> {
    let mut all = for_providers(snapshot, 0..snapshot.providers.len(), header);
    let is_lacking = |kind: &&Kind| snapshot.providers.iter().all(|provider| provider.kind != kind.name);
    for kind in KINDS.iter().filter(is_lacking) {
        let so_far = all.as_ref().map_or(snapshot, |all| &all.snapshot);
        if let Some(mut brought) = for_kind(so_far, kind, variables, header) {
            brought.secrets.extend(all.take().into_iter().flat_map(|all| all.secrets));
            all = Some(brought);
        }
    }
    all
}

/// The headers that may bring keys for these settings' providers, by lower-case name.
#[must_use]
pub fn headers(snapshot: &Snapshot) -> Vec<String> {
    snapshot.providers.iter().flat_map(names).filter(|name| name.bytes().all(is_of_a_token)).collect()
}

/// Of these headers the first whose key cannot be sent on: a key is visible ASCII. It must not be passed over, for then another key
/// than the caller's would pay.
#[must_use]
pub fn unusable<'n>(names: &'n [String], header: &dyn Fn(&str) -> Option<String>) -> Option<&'n str> {
    let is_usable = |byte: u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
    let is_bad = |name: &&String| header(name).is_some_and(|keys| !keys.bytes().all(is_usable));
    names.iter().find(is_bad).map(String::as_str)
}

/// The headers of a provider, by its own name, its kind, and what others call that.
fn names(provider: &Provider) -> impl Iterator<Item = String> {
    let name = provider.name.to_ascii_lowercase();
    let own = (name != provider.kind).then(|| header_name(&name));
    own.into_iter().chain(names_of_kind(&provider.kind))
}

fn names_of_kind(kind: &str) -> impl Iterator<Item = String> {
    let aliases = ALIASES.iter().filter(move |(_, of)| *of == kind).map(|(alias, _)| header_name(alias));
    [header_name(kind)].into_iter().chain(aliases.collect::<Vec<_>>())
}

/// A header's name can hold it, RFC 9110 §5.6.2; the platform throws where one is asked for by another.
fn is_of_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The settings with a provider that they lack, where a header brings a key for its kind.
#[must_use]
pub fn for_kind(
    snapshot: &Snapshot,
    kind: &Kind,
    variables: &Variables,
    header: &dyn Fn(&str) -> Option<String>,
) -> Option<Brought> {
    let (keys, secrets) = listed(&names_of_kind(kind.name).find_map(|name| header(&name))?);
    let base_url = variables.providers.get(kind.name).and_then(|settings| settings.base_url.clone());
    if base_url.is_none() && !has_own_address(kind) {
        return None;
    }
    let mut snapshot = snapshot.clone();
    snapshot.providers.push(provider(kind.name, base_url, keys));
    Some(Brought { snapshot, secrets })
}

/// It has an address for whoever has a key; the AI binding is the operator's own.
fn has_own_address(kind: &Kind) -> bool {
    kind.base_url.is_some_and(|url| url != WORKERS_AI_BINDING)
}

fn header_name(provider: &str) -> String {
    format!("x-{provider}-api-key")
}

fn provider(kind: &str, base_url: Option<String>, keys: Vec<ProviderKey>) -> Provider {
    Provider {
        id: format!("call:{kind}"),
        name: kind.into(),
        kind: kind.into(),
        base_url,
        keys,
        ..Provider::default()
    }
}

/// The keys of a comma-separated list. An id tells one key from another, so that a bad one rests by itself, and nothing
/// else about it.
fn listed(text: &str) -> (Vec<ProviderKey>, Vec<(String, Secret)>) {
    let secrets = text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(Secret::new);
    secrets
        .map(|secret| {
            let id = format!("call:{}", sha256_hex(secret.reveal()));
            (ProviderKey { id: id.clone(), hint: secret.hint(), ..ProviderKey::default() }, (id, secret))
        })
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::table;

    fn variables() -> Variables {
        let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned();
        Variables::read(|name| (name == "MASTER_KEY").then(|| key.clone()), &[("openai", "OPENAI")]).unwrap()
    }

    fn stored() -> Snapshot {
        let key = ProviderKey { id: "stored".into(), ..ProviderKey::default() };
        let provider =
            Provider { name: "Mine".into(), kind: "groq".into(), keys: vec![key], ..Provider::default() };
        Snapshot { providers: vec![provider], ..Snapshot::default() }
    }

    fn header(name: &'static str) -> impl Fn(&str) -> Option<String> {
        move |asked| (asked == name).then(|| "gsk-one-long-key, gsk-two-long-key".to_owned())
    }

    #[test]
    fn keys_of_a_header_come_first_by_the_providers_name_or_its_kind() {
        for name in ["x-mine-api-key", "x-groq-api-key"] {
            let brought = for_providers(&stored(), [0, 0].into_iter(), &header(name)).unwrap();
            let keys = &brought.snapshot.providers[0].keys;
            assert_eq!(
                keys.iter().map(|key| key.hint.as_str()).collect::<Vec<_>>(),
                ["gsk...-key", "gsk...-key", ""]
            );
            assert_eq!(brought.secrets[1].1.reveal(), "gsk-two-long-key");
            assert_eq!(keys[1].id, brought.secrets[1].0);
        }
        assert!(for_providers(&stored(), [0].into_iter(), &header("x-openai-api-key")).is_none());
    }

    #[test]
    fn a_kind_goes_by_the_names_of_other_gateways_too() {
        for (name, kind) in
            [("x-chatgpt-api-key", "openai"), ("x-google-api-key", "gemini"), ("x-grok-api-key", "xai")]
        {
            let found =
                for_kind(&Snapshot::default(), table::kind(kind).unwrap(), &variables(), &header(name));
            assert_eq!(found.unwrap().secrets.len(), 2, "{name}");
            let mut snapshot = stored();
            snapshot.providers[0].kind = kind.into();
            assert!(headers(&snapshot).contains(&name.to_owned()));
            assert!(for_providers(&snapshot, [0].into_iter(), &header(name)).is_some(), "{name}");
        }
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_named() {
        let names = headers(&stored());
        let with =
            |value: &'static str| move |name: &str| (name == "x-groq-api-key").then(|| value.to_owned());
        assert_eq!(unusable(&names, &with("gsk-1, gsk-2")), None);
        assert_eq!(unusable(&names, &with("gsk-é")), Some("x-groq-api-key"));
        assert_eq!(unusable(&names, &with("gsk-\u{1}")), Some("x-groq-api-key"));
    }

    #[test]
    fn a_header_may_bring_the_provider_too() {
        let kind = table::kind("groq").unwrap();
        let brought = for_kind(&Snapshot::default(), kind, &variables(), &header("x-groq-api-key")).unwrap();
        assert_eq!((brought.snapshot.providers[0].name.as_str(), brought.secrets.len()), ("groq", 2));
        assert!(for_kind(&Snapshot::default(), kind, &variables(), &header("x-openai-api-key")).is_none());
    }

    #[test]
    fn a_callers_own_key_is_offered_to_every_kind_with_an_address_and_never_printed() {
        let brought = own_workspace(&Secret::new("sk-brought-by-the-caller"), &variables());
        assert!(brought.snapshot.providers.iter().any(|provider| provider.name == "openai"));
        assert!(brought.snapshot.providers.iter().all(|provider| provider.kind != "openai-compatible"));
        assert!(is_own_workspace(&brought.snapshot) && !is_own_workspace(&stored()));
        assert!(!format!("{brought:?}").contains("brought-by"));
    }
}
