//! Trees of JSON in Rust: the macro `json!`, written like `serde_json`'s own, in a third of its code.
//!
//! That one serialises every leaf, unwraps the result, and inserts member by member, all of it where the macro stands.
//! Here a leaf is one call, and so is an object.

use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem::{ManuallyDrop, take};

/// A tree of JSON, its members and elements any [`Leaf`]s, lists or objects: `json!({ "role": role, "content": [part] })`.
macro_rules! json {
    (null) => { serde_json::Value::Null };
    ([ $($elements:tt)* ]) => { $crate::json::json!(@list [] $($elements)*) };
    ({ $($members:tt)* }) => { $crate::json::json!(@object [] $($members)*) };

    (@list [$($done:tt)*]) => { serde_json::Value::Array(vec![$($done)*]) };
    (@list [$($done:tt)*] null $(, $($rest:tt)*)?) => {
        $crate::json::json!(@list [$($done)* serde_json::Value::Null,] $($($rest)*)?)
    };
    (@list [$($done:tt)*] [$($inner:tt)*] $(, $($rest:tt)*)?) => {
        $crate::json::json!(@list [$($done)* $crate::json::json!([$($inner)*]),] $($($rest)*)?)
    };
    (@list [$($done:tt)*] {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $crate::json::json!(@list [$($done)* $crate::json::json!({$($inner)*}),] $($($rest)*)?)
    };
    (@list [$($done:tt)*] $leaf:expr $(, $($rest:tt)*)?) => {
        $crate::json::json!(@list [$($done)* $crate::json::json!($leaf),] $($($rest)*)?)
    };

    (@object []) => { serde_json::Value::Object(serde_json::Map::new()) };
    (@object [$($done:tt)*]) => { $crate::json::object([$($done)*]) };
    (@object [$($done:tt)*] $name:tt : null $(, $($rest:tt)*)?) => {
        $crate::json::json!(@object [$($done)* ($name, serde_json::Value::Null),] $($($rest)*)?)
    };
    (@object [$($done:tt)*] $name:tt : [$($inner:tt)*] $(, $($rest:tt)*)?) => {
        $crate::json::json!(@object [$($done)* ($name, $crate::json::json!([$($inner)*])),] $($($rest)*)?)
    };
    (@object [$($done:tt)*] $name:tt : {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $crate::json::json!(@object [$($done)* ($name, $crate::json::json!({$($inner)*})),] $($($rest)*)?)
    };
    (@object [$($done:tt)*] $name:tt : $leaf:expr $(, $($rest:tt)*)?) => {
        $crate::json::json!(@object [$($done)* ($name, $crate::json::json!($leaf)),] $($($rest)*)?)
    };

    ($leaf:expr) => { $crate::json::Leaf::tree(&$leaf) };
}
pub(crate) use json;

/// An object of these members; of a name that is there twice the last counts.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    // What is taken leaves nothing that would have to be dropped.
    members_of(&mut *ManuallyDrop::new(members))
}

#[inline(never)]
fn members_of(members: &mut [(&str, Value)]) -> Value {
    let mut object = Map::with_capacity(members.len());
    for (name, value) in members {
        object.insert((*name).to_owned(), take(value));
    }
    Value::Object(object)
}

/// The tree of what `serde` writes: plain data, which always can be written.
pub(crate) fn tree_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// What can stand in a tree as it is.
pub(crate) trait Leaf {
    /// A copy of it as JSON.
    fn tree(&self) -> Value;
}

impl Leaf for str {
    #[inline(never)]
    fn tree(&self) -> Value {
        Value::String(self.to_owned())
    }
}

impl Leaf for Value {
    fn tree(&self) -> Value {
        self.clone()
    }
}

impl Leaf for String {
    fn tree(&self) -> Value {
        self.as_str().tree()
    }
}

impl Leaf for Cow<'_, str> {
    fn tree(&self) -> Value {
        (**self).tree()
    }
}

impl Leaf for Map<String, Value> {
    fn tree(&self) -> Value {
        Value::Object(self.clone())
    }
}

impl<T: Leaf + ?Sized> Leaf for &T {
    fn tree(&self) -> Value {
        (**self).tree()
    }
}

impl<T: Leaf> Leaf for Option<T> {
    fn tree(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::tree)
    }
}

impl<T: Leaf> Leaf for [T] {
    fn tree(&self) -> Value {
        Value::Array(self.iter().map(T::tree).collect())
    }
}

impl<T: Leaf, const N: usize> Leaf for [T; N] {
    fn tree(&self) -> Value {
        self.as_slice().tree()
    }
}

impl<T: Leaf> Leaf for BTreeMap<String, T> {
    fn tree(&self) -> Value {
        self.iter().map(|(name, value)| (name.clone(), value.tree())).collect()
    }
}

impl<T: Leaf> Leaf for Vec<T> {
    fn tree(&self) -> Value {
        self.as_slice().tree()
    }
}

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl Leaf for $type {
            fn tree(&self) -> Value {
                Value::from(*self)
            }
        }
    )*};
}
plain!(bool u16 u32 u64 usize i32 i64 f32 f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_serde_jsons() {
        const NAME: &str = "name";
        let (text, list, none) = (String::from("a"), vec![Some(1_u64), None], None::<f64>);
        let inner = json!({ "last": [1.5, [], {}] });
        assert_eq!(
            json!({
                NAME: text, "list": list, "none": none, "null": null, "not": -text.len().count_ones().cast_signed(), "inner": inner, "inner": inner,
                "deep": { "list": [null, -1, [text.len(), "b"], { "c": f64::NAN }] }, "text": text.clone() + "b",
            }),
            serde_json::json!({
                NAME: text, "list": list, "none": none, "null": null, "not": -text.len().count_ones().cast_signed(), "inner": inner, "inner": inner,
                "deep": { "list": [null, -1, [text.len(), "b"], { "c": f64::NAN }] }, "text": text.clone() + "b",
            })
        );
        assert_eq!(json!([]), serde_json::json!([]));
        assert_eq!(json!("a"), "a");
        assert_eq!(json!(null), Value::Null);
        let order = json!({ "b": 1, "a": 2 });
        assert_eq!(order.to_string(), r#"{"b":1,"a":2}"#);
    }
}
