//! What the data plane stores when a provider key dies or begins to rest: its state, the provider's next key selected in
//! its place, and the activity log, in one transaction. A dead key without a next one is selected no longer either.
//!
//! Every statement depends on what the rows say at that moment, so that isolates that find out the same at the same time
//! write it once, and a key that was changed meanwhile is left alone.

use super::activity::Action;
use crate::config::load;
use crate::route::keys::Change;
use crate::store::Statement;

/// The statements, in the order in which they must run; the last one gives the `version` that the settings are at then.
/// `ids` are fresh ones for the activity log, in order.
#[must_use]
pub fn statements(change: &Change, ids: [String; 3]) -> Vec<Statement> {
    let [first, second, third] = ids;
    let Change { key, ciphertext, until, reason, at } = change;
    let (key, ciphertext) = (key.as_str(), ciphertext.as_str());
    let mut statements = Vec::new();
    if until.is_none() {
        let exhausted = Statement::new(
            "INSERT INTO activity_logs (id, user_id, created_at, action, provider, key_hint, description) \
             SELECT ?4, user_id, ?3, ?5, (SELECT name FROM providers WHERE providers.id = provider_id), hint, ?6 \
             FROM provider_keys WHERE id = ?1 AND ciphertext = ?2 \
             AND (disabled_reason IS NULL OR disabled_until IS NOT NULL)",
        );
        let description =
            format!("the provider {reason}; the key is not used until it is changed or enabled");
        let action = Action::Exhausted.as_str();
        statements
            .push(exhausted.bind(key).bind(ciphertext).bind(*at).bind(first).bind(action).bind(description));
    }
    let state = Statement::new(
        "UPDATE provider_keys SET disabled_until = ?3, disabled_reason = ?4 WHERE id = ?1 AND ciphertext = ?2 \
         AND (disabled_reason IS NULL OR disabled_until IS NOT NULL) \
         AND (?3 IS NULL OR coalesce(disabled_until, 0) < ?3)",
    );
    statements.push(state.bind(key).bind(ciphertext).bind(*until).bind(reason.as_str()));
    let moved = moved();
    let log = format!(
        "{moved} INSERT INTO activity_logs (id, user_id, created_at, action, provider, key_hint, description) \
         SELECT iif(k.id = old, ?3, ?4), k.user_id, ?2, iif(k.id = old, ?5, ?6), \
         (SELECT name FROM providers WHERE providers.id = k.provider_id), k.hint, iif(k.id = old, ?7, ?8) \
         FROM moved JOIN provider_keys AS k ON k.id IN (old, new)"
    );
    let rest = until.map_or(String::new(), |until| format!(" and rests until {}", until.to_iso()));
    let log = Statement::new(log).bind(key).bind(*at).bind(second).bind(third);
    let log = log.bind(Action::Unselect.as_str()).bind(Action::Select.as_str());
    let log = log.bind(format!("the provider {reason}: the key lost its place{rest}"));
    statements.push(log.bind(format!("took the place of a key with which the provider {reason}")));
    let select = format!(
        "{moved} UPDATE provider_keys SET is_selected = (id IS (SELECT new FROM moved)) \
         WHERE provider_id = (SELECT provider FROM moved) \
         AND (is_selected OR id = (SELECT new FROM moved))"
    );
    statements.push(Statement::new(select).bind(key).bind(*at));
    statements.push(load::version());
    statements
}

/// The table `moved`: the key `?1` as `old`, where it cannot be used at `?2` and has its provider's place, which is the
/// selected key's or, where none is, the first one's; and as `new` the next usable one in order of creation, and round.
/// Where there is no next one, `moved` is empty but for a key that is selected and dead.
fn moved() -> String {
    let usable = |key: &str| {
        format!("{key}.enabled AND coalesce({key}.disabled_until <= ?2, {key}.disabled_reason IS NULL)")
    };
    let (old, new) = (usable("k"), usable("n"));
    format!(
        "WITH place AS (SELECT k.id AS old, k.provider_id AS provider, \
         (SELECT n.id FROM provider_keys AS n WHERE n.provider_id = k.provider_id AND n.id <> k.id AND {new} \
         ORDER BY n.id < ?1, n.id LIMIT 1) AS new, \
         k.is_selected AND k.disabled_until IS NULL AND k.disabled_reason IS NOT NULL AS is_over \
         FROM provider_keys AS k WHERE k.id = ?1 AND NOT ({old}) AND k.id = \
         (SELECT s.id FROM provider_keys AS s WHERE s.provider_id = k.provider_id AND (s.is_selected OR s.enabled) \
         ORDER BY s.is_selected DESC, s.id LIMIT 1)), \
         moved AS (SELECT old, provider, new FROM place WHERE new IS NOT NULL OR is_over)"
    )
}
