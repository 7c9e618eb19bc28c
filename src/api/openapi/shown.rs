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
