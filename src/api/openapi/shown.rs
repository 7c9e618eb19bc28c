//! The schemas of values that show otherwise than they are stored, see [`crate::api::row`].

use crate::api::models::PerMillion;
use crate::api::row::{Blank, Embedded, Flag, Time, Usd};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

macro_rules! shown {
    ($($type:ty => $schema:tt;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

shown! {
    Flag => { "type": "boolean" };
    Time => { "type": "string", "format": "date-time" };
    Usd => { "type": "number", "description": "USD" };
    PerMillion => { "type": "number", "description": "USD per million units" };
    Blank => { "type": ["string", "null"] };
}

/// A limit of a key and how much of it is used, see [`crate::limit::usage::Entry::view`].
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its schema is looked at")]
pub(in crate::api) struct LimitUse {
    /// As the setting calls it; `budget` for money.
    limit: String,
    /// Where it is set: `rate_limits`, `quotas` or `budget`.
    setting: String,
    /// `minute` to `month`, `total`; `now` for calls under way, `request` for what each call may have.
    window: String,
    /// What ended calls used and running ones hold, in the limit's unit; USD of a budget.
    used: f64,
    /// The most.
    max: f64,
    /// When the window ends, where it does.
    resets_at: Option<Time>,
}

impl<T: JsonSchema> JsonSchema for Embedded<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}
