//! `POST /api/v1/provider-keys/import`: many keys at once, from text or from a list, saying of each that was skipped why.

use super::activity::Action;
use super::provider_keys::{NewKey, fingerprint, insert_keys, provider_of_kind};
use super::{ApiResponse, Call, Platform, validate};
use crate::error::ApiError;
use crate::json::{json, tree_of};
use crate::order::sorted_by;
use crate::secret::Secret;
use crate::store::{Statement, Store};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// More than anybody has; the body's size limits it too.
const MOST: usize = 1000;

#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    text: Option<String>,
    keys: Option<Vec<Line>>,
}

/// One key of the input.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    provider: String,
    #[serde(default)]
    name: String,
    api_key: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct Skipped {
    /// From 1: the line of the text, or the place in the list.
    line: usize,
    reason: String,
}

#[derive(Deserialize)]
struct Known {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Fingerprint {
    provider_id: String,
    fingerprint: String,
}

pub(super) async fn import<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: Input = call.request.body()?;
    let (lines, mut skipped) = match (input.text, input.keys) {
        (Some(text), None) => parse(&text),
        (None, Some(keys)) => (keys.into_iter().enumerate().map(|(at, key)| (at + 1, key)).collect(), vec![]),
        _ => return Err(ApiError::invalid("text", "give either text or keys")),
    };
    if lines.len() > MOST {
        return Err(ApiError::invalid("keys", format!("at most {MOST} keys at once")));
    }
    let owner = call.principal()?.user_id.clone();
    let (mut providers, mut present) = stored(call, &owner).await?;
    let (mut statements, mut accepted) = (Vec::new(), Vec::new());
    for (line, entry) in &lines {
        match accept(call, &owner, entry, &mut providers, &mut present, &mut statements) {
            Ok(one) => accepted.push((entry, one)),
            Err(reason) => skipped.push(Skipped { line: *line, reason }),
        }
    }
    let imported = accepted.len();
    let new: Vec<NewKey<'_>> = accepted
        .iter()
        .map(|(entry, accepted)| NewKey {
            id: call.new_id(),
            provider_id: &accepted.provider_id,
            provider: &accepted.provider,
            name: &entry.name,
            key: &accepted.key,
            action: Action::Import,
        })
        .collect();
    statements.extend(insert_keys(call, &owner, &new)?);
    let skipped = sorted_by(skipped, |left, right| left.line.cmp(&right.line));
    if imported > 0 {
        call.commit(&owner, statements).await?;
    }
    Ok(ApiResponse::ok(&json!({ "imported": imported, "skipped": tree_of(&skipped) })))
}

/// The owner's providers by name and id, and the keys that are there already.
async fn stored<P: Platform>(
    call: &Call<'_, P>,
    owner: &str,
) -> Result<(BTreeMap<String, (String, String)>, BTreeSet<(String, String)>), ApiError> {
    let mut outcomes = call
        .store()
        .batch(vec![
            Statement::new("SELECT id, name FROM providers WHERE user_id = ?1").bind(owner),
            Statement::new("SELECT provider_id, fingerprint FROM provider_keys WHERE user_id = ?1")
                .bind(owner),
        ])
        .await?
        .into_iter();
    let known = outcomes.next().unwrap_or_default().read::<Known>()?;
    let fingerprints = outcomes.next().unwrap_or_default().read::<Fingerprint>()?;
    let by_reference = |row: Known| {
        let value = (row.id.clone(), row.name.clone());
        [(row.id, value.clone()), (row.name, value)]
    };
    let (mut providers, mut present) = (BTreeMap::new(), BTreeSet::new());
    providers.extend(known.into_iter().flat_map(by_reference));
    present.extend(fingerprints.into_iter().map(|row| (row.provider_id, row.fingerprint)));
    Ok((providers, present))
}

/// A key that will be imported.
struct Accepted {
    provider_id: String,
    provider: String,
    key: Secret,
}

/// What will be imported of a line, or why it is skipped. A provider that must be created first is added to the
/// statements.
fn accept<P: Platform>(
    call: &Call<'_, P>,
    owner: &str,
    entry: &Line,
    providers: &mut BTreeMap<String, (String, String)>,
    present: &mut BTreeSet<(String, String)>,
    statements: &mut Vec<Statement>,
) -> Result<Accepted, String> {
    let reason = |error: ApiError| format!("{} {}", error.field.unwrap_or_default(), error.message);
    let reference = entry.provider.trim();
    if reference.is_empty() {
        return Err("the provider is empty".into());
    }
    if entry.api_key.trim().is_empty() {
        return Err("the key is empty".into());
    }
    let key = validate::api_key("api_key", &entry.api_key).map_err(reason)?;
    validate::length("name", &entry.name, 200).map_err(reason)?;
    let (provider_id, provider) = match known(providers, reference)? {
        Some(known) => known.clone(),
        None => {
            let kind = reference.to_ascii_lowercase();
            let (id, insert) = provider_of_kind(call, owner, &kind)
                .ok_or_else(|| "there is no such provider or kind".to_owned())?;
            statements.push(insert);
            let known = (id, kind.clone());
            providers.insert(kind, known.clone());
            known
        }
    };
    if !present.insert((provider_id.clone(), fingerprint(call, &key))) {
        return Err("duplicate: this provider has that key already".into());
    }
    Ok(Accepted { provider_id, provider, key })
}

/// The provider of exactly this name or id, or the only one whose name differs by case alone: of several, a key must not go
/// to one by chance.
fn known<'a>(
    providers: &'a BTreeMap<String, (String, String)>,
    reference: &str,
) -> Result<Option<&'a (String, String)>, String> {
    if let Some(known) = providers.get(reference) {
        return Ok(Some(known));
    }
    let mut alike = providers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(reference));
    match (alike.next(), alike.next()) {
        (_, Some(_)) => Err("there are several such providers, whose names differ by case alone".into()),
        (one, None) => Ok(one.map(|(_, known)| known)),
    }
}

/// Lines of `provider=key` or `provider,key[,name]`, whichever sign comes first.
fn parse(text: &str) -> (Vec<(usize, Line)>, Vec<Skipped>) {
    let (mut lines, mut skipped) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_line(line) {
            Some(entry) => lines.push((at + 1, entry)),
            None => skipped.push(Skipped {
                line: at + 1,
                reason: "is neither provider=key nor provider,key[,name]".into(),
            }),
        }
    }
    (lines, skipped)
}

fn parse_line(line: &str) -> Option<Line> {
    let sign = line.find(['=', ','])?;
    let (provider, rest) = line.split_at_checked(sign)?;
    let (key, name) = match rest.strip_prefix(',') {
        Some(rest) => rest.split_once(',').unwrap_or((rest, "")),
        None => (rest.strip_prefix('=')?, ""),
    };
    let [provider, api_key, name] = [provider, key, name].map(|part| part.trim().to_owned());
    Some(Line { provider, name, api_key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_in_both_forms() {
        for (line, expected) in [
            ("openai=sk-1", Some(("openai", "sk-1", ""))),
            ("openai = sk-1=", Some(("openai", "sk-1=", ""))),
            ("openai,sk-1", Some(("openai", "sk-1", ""))),
            ("openai, sk-1 , my key, really", Some(("openai", "sk-1", "my key, really"))),
            ("openai", None),
            ("=sk-1", Some(("", "sk-1", ""))),
            ("openai,", Some(("openai", "", ""))),
        ] {
            let line_read = parse_line(line);
            let parts =
                line_read.as_ref().map(|l| (l.provider.as_str(), l.api_key.as_str(), l.name.as_str()));
            assert_eq!(parts, expected, "{line}");
        }
    }

    #[test]
    fn comments_and_blank_lines_are_passed_over_and_counted() {
        let (lines, skipped) = parse("# keys\n\nopenai=sk-1\nnonsense\n");
        assert_eq!(lines.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [3]);
        assert_eq!(skipped.iter().map(|skip| skip.line).collect::<Vec<_>>(), [4]);
    }
}
