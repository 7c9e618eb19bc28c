//! What each route takes and gives: its words, its query, and the types of its bodies.

use crate::api::routes::Access;
use crate::api::{
    activity, explain, import, key_input, keys, logs, models, prices, provider_keys, providers, routers,
    rules, sessions, settings, users,
};
use crate::auth::Principal;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

/// How a type describes itself.
pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// One route.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// Parameters of the query: name, type or format, description.
    pub(super) query: &'static [Parameter],
    pub(super) body: Option<Describe>,
    /// It may also be left out.
    pub(super) body_is_optional: bool,
    /// The status of success.
    pub(super) status: u16,
    pub(super) answer: Answer,
}

/// A parameter of a query: its name, its type, and what it says.
pub(super) type Parameter = (&'static str, Kind, &'static str);

/// What a parameter may hold.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Time,
    Number { least: i64, most: i64 },
    Flag,
    OneOf(&'static [&'static str]),
}

/// What is given.
pub(super) enum Answer {
    /// One thing.
    One(Describe),
    /// A page of them.
    List(Describe),
    /// What a handler writes in place.
    Written(Value),
    /// Something else than JSON.
    Media(&'static [&'static str]),
}

const LIMIT: Parameter = ("limit", Kind::Number { least: 1, most: 200 }, "How many at most; 50 without it.");
const CURSOR: Parameter = ("cursor", Kind::Text, "Where the page before ended: its `next_cursor`.");
const SINCE: Parameter = ("since", Kind::Time, "From then on.");
const UNTIL: Parameter = ("until", Kind::Time, "Until before then.");
const PROVIDER: Parameter = ("provider", Kind::Text, "One provider's, by name.");
const KEY: Parameter = ("key_id", Kind::Text, "One gateway key's.");
const MODEL: Parameter = ("model", Kind::Text, "One model's.");
const STATUS: Parameter = ("status", Kind::Text, "A status, such as `429`, or a class, such as `5xx`.");
const SEARCH: Parameter = ("search", Kind::Text, "Part of the model, the error, the metadata or the id.");
const PAGE: &[Parameter] = &[LIMIT, CURSOR];
const LOGS: &[Parameter] = &[LIMIT, CURSOR, KEY, PROVIDER, MODEL, STATUS, SINCE, UNTIL, SEARCH];
const FORMAT: Parameter = ("format", Kind::OneOf(&["csv", "ndjson"]), "`csv` without it.");
const EXPORT: &[Parameter] = &[FORMAT, KEY, PROVIDER, MODEL, STATUS, SINCE, UNTIL, SEARCH];
const GROUPS: &[&str] = &["day", "hour", "provider", "model", "key"];
const SUMMARY: &[Parameter] =
    &[("group_by", Kind::OneOf(GROUPS), "`day` without it."), KEY, PROVIDER, MODEL, SINCE, UNTIL];
const ACTIONS: &[&str] = &["ADD", "DELETE", "SELECT", "UNSELECT", "IMPORT", "EXHAUSTED"];
const ACTIVITY: &[Parameter] =
    &[LIMIT, CURSOR, ("action", Kind::OneOf(ACTIONS), "One action's."), PROVIDER, SINCE, UNTIL];
const MODELS: &[Parameter] = &[
    LIMIT,
    CURSOR,
    ("search", Kind::Text, "Part of the model's name."),
    ("provider", Kind::Text, "A kind, or the name of one of your providers."),
    ("capability", Kind::Text, "Such as `tools` or `vision`."),
    ("free", Kind::Flag, "Costs nothing, or costs something."),
    ("sort", Kind::Text, "By what; the largest first behind a `-`."),
];

fn of<T: JsonSchema>() -> Describe {
    SchemaGenerator::subschema_for::<T>
}

fn get(path: &'static str, summary: &'static str, answer: Answer) -> Operation {
    Operation {
        method: "GET",
        path,
        summary,
        query: &[],
        body: None,
        body_is_optional: false,
        status: 200,
        answer,
    }
}

fn list<T: JsonSchema>(path: &'static str, summary: &'static str, query: &'static [Parameter]) -> Operation {
    Operation { query, ..get(path, summary, Answer::List(of::<T>())) }
}

fn create<Input: JsonSchema>(path: &'static str, summary: &'static str, answer: Answer) -> Operation {
    Operation { method: "POST", body: Some(of::<Input>()), status: 201, ..get(path, summary, answer) }
}

fn ask<Input: JsonSchema>(path: &'static str, summary: &'static str, answer: Answer) -> Operation {
    Operation { status: 200, ..create::<Input>(path, summary, answer) }
}

fn update<Input: JsonSchema>(path: &'static str, summary: &'static str, answer: Answer) -> Operation {
    Operation { method: "PUT", ..ask::<Input>(path, summary, answer) }
}

fn act(path: &'static str, summary: &'static str, answer: Answer) -> Operation {
    Operation { method: "POST", ..get(path, summary, answer) }
}

fn delete(path: &'static str, summary: &'static str) -> Operation {
    let answer = json!({ "type": "object", "required": ["id", "deleted"],
        "properties": { "id": { "type": "string" }, "deleted": { "const": true } } });
    Operation { method: "DELETE", ..get(path, summary, Answer::Written(answer)) }
}

/// An object whose members are all there.
#[allow(clippy::needless_pass_by_value, reason = "each is a literal")]
fn object(properties: Value) -> Answer {
    let required: Vec<&String> =
        properties.as_object().into_iter().flat_map(|members| members.keys()).collect();
    Answer::Written(json!({ "type": "object", "required": required, "properties": properties }))
}

/// All of them.
#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn all() -> Vec<Operation> {
    let one = Answer::One;
    let ok = || object(json!({ "ok": { "const": true } }));
    let count = || object(json!({ "count": { "type": "integer" } }));
    let principal = json!({ "type": "object", "properties": {
        "id": { "type": "string" }, "username": { "type": "string" }, "role": { "enum": ["admin", "member"] } } });
    let setting = || object(json!({ "log_retention_days": { "type": "integer" } }));
    vec![
        ask::<sessions::Credentials>(
            "/api/auth/login",
            "Sign in",
            object(json!({
                "token": { "type": "string" }, "expires_at": { "type": "string", "format": "date-time" }, "user": principal,
            })),
        ),
        act("/api/auth/logout", "Sign out", ok()),
        get("/api/auth/me", "Who is signed in", one(of::<Principal>())),
        update::<sessions::PasswordChange>("/api/auth/password", "Change the own password", ok()),
        list::<users::User>("/api/users", "List people", PAGE),
        create::<users::NewUser>("/api/users", "Add somebody", one(of::<users::User>())),
        update::<users::UserChange>("/api/users/{id}", "Change somebody", one(of::<users::User>())),
        delete("/api/users/{id}", "Delete somebody with all that is theirs"),
        get(
            "/api/provider-kinds",
            "The table of providers",
            Answer::Written(json!({ "type": "object",
            "required": ["data"], "properties": { "data": { "type": "array", "items": { "type": "object" } },
            "next_cursor": { "type": "null" } } })),
        ),
        list::<providers::Row>("/api/providers", "List providers", PAGE),
        create::<providers::NewProvider>("/api/providers", "Add a provider", one(of::<providers::Row>())),
        get("/api/providers/{id}", "A provider", one(of::<providers::Row>())),
        update::<providers::ProviderChange>(
            "/api/providers/{id}",
            "Change a provider",
            one(of::<providers::Row>()),
        ),
        delete("/api/providers/{id}", "Delete a provider"),
        act(
            "/api/providers/{id}/test",
            "Ask a provider for its models, to see whether it answers",
            object(json!({
                "ok": { "type": "boolean" }, "latency_ms": { "type": ["integer", "null"] },
                "status": { "type": ["integer", "null"] },
            })),
        ),
        act("/api/providers/{id}/models/refresh", "Fetch a provider's own list of models", count()),
        list::<provider_keys::Row>("/api/v1/provider-keys", "List provider keys", PAGE),
        create::<provider_keys::NewProviderKey>(
            "/api/v1/provider-keys",
            "Add a provider key",
            one(of::<provider_keys::Row>()),
        ),
        ask::<import::Input>(
            "/api/v1/provider-keys/import",
            "Add many provider keys",
            object(json!({
                "imported": { "type": "integer" },
                "skipped": { "type": "array", "items": { "type": "object", "properties": {
                    "line": { "type": "integer" }, "reason": { "type": "string" } } } },
            })),
        ),
        update::<provider_keys::KeyChange>(
            "/api/v1/provider-keys/{id}",
            "Select, name or enable a provider key",
            one(of::<provider_keys::Row>()),
        ),
        delete("/api/v1/provider-keys/{id}", "Delete a provider key"),
        list::<activity::Row>("/api/v1/activity-logs", "What became of provider keys", ACTIVITY),
        list::<routers::View>("/api/routers", "List routers", PAGE),
        create::<routers::Input>("/api/routers", "Add a router", one(of::<routers::View>())),
        get("/api/routers/{id}", "A router with its rules", one(of::<routers::View>())),
        update::<routers::Input>("/api/routers/{id}", "Change a router", one(of::<routers::View>())),
        delete("/api/routers/{id}", "Delete a router"),
        ask::<explain::Question>(
            "/api/routers/{id}/explain",
            "Whom a call would be sent to, in which order; nobody is called",
            Answer::One(|generator| {
                let candidate = generator.subschema_for::<explain::Candidate<'static>>();
                schemars::json_schema!({ "type": "object", "required": ["candidates"],
                    "properties": { "candidates": { "type": "array", "items": candidate } } })
            }),
        ),
        create::<rules::Input>("/api/routers/{id}/rules", "Add a rule", one(of::<rules::Row>())),
        update::<rules::Input>("/api/routers/{id}/rules/{rule_id}", "Change a rule", one(of::<rules::Row>())),
        delete("/api/routers/{id}/rules/{rule_id}", "Delete a rule"),
        list::<keys::Row>("/api/keys", "List gateway keys", PAGE),
        create::<key_input::Input>(
            "/api/keys",
            "Make a gateway key, shown this once",
            one(of::<keys::WithSecret<'static>>()),
        ),
        get("/api/keys/{id}", "A gateway key with its usage", one(of::<keys::WithUsage>())),
        update::<key_input::Input>("/api/keys/{id}", "Change a gateway key", one(of::<keys::Row>())),
        delete("/api/keys/{id}", "Delete a gateway key"),
        Operation {
            body_is_optional: true,
            ..ask::<keys::Rotation>(
                "/api/keys/{id}/rotate",
                "Give a gateway key another secret",
                one(of::<keys::WithSecret<'static>>()),
            )
        },
        list::<models::Row>("/api/user-models/global", "Models with prices and capabilities", MODELS),
        get("/api/user-models/stats", "How many models, by provider", one(of::<models::Stats>())),
        act("/api/user-models/refresh", "Refresh the catalogue", count()),
        update::<prices::Prices>("/api/user-models/{id}", "Set an own price", one(of::<models::Row>())),
        list::<logs::Row>("/api/logs", "List calls, the newest first", LOGS),
        Operation {
            query: SUMMARY,
            ..get("/api/logs/summary", "Sums of calls", one(of::<logs::summary::Summary>()))
        },
        Operation {
            query: EXPORT,
            ..get(
                "/api/logs/export",
                "All calls as a file",
                Answer::Media(&["text/csv", "application/x-ndjson"]),
            )
        },
        get(
            "/api/logs/{id}",
            "A call with its attempts, and its bodies where they are kept",
            one(of::<logs::WithBodies>()),
        ),
        get("/api/settings", "The settings", setting()),
        update::<settings::Input>("/api/settings", "Change the settings", setting()),
        get(
            "/debug/db",
            "What the database holds",
            object(json!({
            "tables": { "type": "object" }, "config_version": {}, "schema": { "type": "string" } })),
        ),
    ]
}

/// The statuses that an operation may fail with.
pub(super) fn failures(operation: &Operation, access: Access) -> Vec<u16> {
    let has_body = operation.body.is_some();
    let (is_change, has_id) = (operation.method != "GET", operation.path.contains('{'));
    [
        (400, has_body || !operation.query.is_empty() || is_change),
        (401, true),
        (403, access == Access::Admin || is_change || has_id),
        (404, has_id || is_change),
        (409, is_change),
        (413, true),
        (415, has_body),
        (429, operation.path.starts_with("/api/auth/")),
        (502, operation.path.ends_with("/refresh")),
        (503, true),
    ]
    .into_iter()
    .filter_map(|(status, may)| may.then_some(status))
    .collect()
}
