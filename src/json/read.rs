//! Reads JSON into types, in little code for each type.
//!
//! `serde_json`'s reader is compiled anew into every type, with its numbers, strings, faults and positions, and with a
//! second way to read each struct, from a list: a twentieth of the wasm. Here a type is only asked what to do with what one
//! and the same code has read; an object is read from an object alone, and an error is told its place once, at the end.
//! Trees (`Value`) have no such copies: `serde_json` reads them.

use super::scan::Scanner;
use super::{position, unescape};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde_json::{Error, Value};
use std::borrow::Cow;

/// How deep arrays and objects may nest, as in `serde_json`.
const MAX_DEPTH: u32 = 127;

/// Reads a whole text as `T`.
///
/// # Errors
/// Of the category `Data` where it is JSON but no `T`; with the line and the column up to which it was read.
pub fn read<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Error> {
    let mut reader = Reader { bytes: text, scanner: Scanner::new(text), depth: 0 };
    reader.check_encoding()?;
    match T::deserialize(&mut reader) {
        Ok(value) => reader.end().map(|()| value),
        Err(error) => Err(reader.placed(error)),
    }
}

struct Reader<'de> {
    bytes: &'de [u8],
    scanner: Scanner<'de>,
    depth: u32,
}

/// A value, or the opening bracket of one that holds others.
enum Token<'de> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'de, str>),
    List,
    Object,
}

impl Token<'_> {
    fn mismatch(&self, expected: &dyn Expected) -> Error {
        let unexpected = match self {
            Token::Null => Unexpected::Unit,
            Token::Bool(flag) => Unexpected::Bool(*flag),
            Token::Unsigned(number) => Unexpected::Unsigned(*number),
            Token::Signed(number) => Unexpected::Signed(*number),
            Token::Float(number) => Unexpected::Float(*number),
            Token::Text(text) => Unexpected::Str(text),
            Token::List => Unexpected::Seq,
            Token::Object => Unexpected::Map,
        };
        Error::invalid_type(unexpected, expected)
    }
}

impl<'de> Reader<'de> {
    fn check_encoding(&self) -> Result<(), Error> {
        if std::str::from_utf8(self.bytes).is_ok() { Ok(()) } else { Err(self.fault()) }
    }

    fn end(&mut self) -> Result<(), Error> {
        self.scanner.skip_whitespace();
        if self.scanner.at_end() { Ok(()) } else { Err(self.fault()) }
    }

    /// Why the text is not JSON, in the words of `serde_json`, which finds the same.
    #[cold]
    fn fault(&self) -> Error {
        let found = serde_json::from_slice::<Value>(self.bytes).err();
        found.unwrap_or_else(|| Error::custom("expected value"))
    }

    /// The error with the place up to which the text was read, unless it has one.
    #[cold]
    fn placed(&self, error: Error) -> Error {
        if error.line() > 0 {
            return error;
        }
        let (line, column) = position(self.bytes, self.scanner.at);
        Error::custom(format_args!("{error} at line {line} column {}", column - 1))
    }

    fn token(&mut self) -> Result<Token<'de>, Error> {
        self.scanner.skip_whitespace();
        let bracket = match self.scanner.peek() {
            Some(b'{') => Token::Object,
            Some(b'[') => Token::List,
            _ => return self.scalar().ok_or_else(|| self.fault()),
        };
        self.scanner.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.fault()) } else { Ok(bracket) }
    }

    fn scalar(&mut self) -> Option<Token<'de>> {
        let range = self.scanner.value().ok()?;
        let bytes = self.bytes.get(range)?;
        Some(match bytes {
            b"null" => Token::Null,
            b"true" => Token::Bool(true),
            b"false" => Token::Bool(false),
            [b'"', text @ .., b'"'] => Token::Text(unescape(text)?),
            number => {
                let text = std::str::from_utf8(number).ok()?;
                if let Ok(number) = text.parse() {
                    Token::Unsigned(number)
                } else if let Ok(number) = text.parse() {
                    Token::Signed(number)
                } else {
                    Token::Float(text.parse().ok().filter(|number: &f64| number.is_finite())?)
                }
            }
        })
    }

    fn text(&mut self, expected: &dyn Expected) -> Result<Cow<'de, str>, Error> {
        match self.token()? {
            Token::Text(text) => Ok(text),
            other => Err(other.mismatch(expected)),
        }
    }

    fn open(&mut self, is_object: bool, expected: &dyn Expected) -> Result<(), Error> {
        match (self.token()?, is_object) {
            (Token::Object, true) | (Token::List, false) => Ok(()),
            (other, _) => Err(other.mismatch(expected)),
        }
    }

    fn close(&mut self, bracket: u8) -> Result<(), Error> {
        self.scanner.skip_whitespace();
        self.depth -= 1;
        if self.scanner.eat(bracket) { Ok(()) } else { Err(self.fault()) }
    }

    /// Whether another item comes before this bracket, behind its comma.
    fn another(&mut self, bracket: u8, is_first: &mut bool) -> Result<bool, Error> {
        self.scanner.skip_whitespace();
        if self.scanner.peek() == Some(bracket) {
            return Ok(false);
        }
        if !std::mem::take(is_first) && !self.scanner.eat(b',') {
            return Err(self.fault());
        }
        Ok(true)
    }

    /// The key of the next member; the end of the object is read where there is none.
    fn next_key(&mut self, is_first: &mut bool) -> Result<Option<Cow<'de, str>>, Error> {
        if self.another(b'}', is_first)? { self.key().map(Some) } else { self.close(b'}').map(|()| None) }
    }

    fn key(&mut self) -> Result<Cow<'de, str>, Error> {
        self.scanner.skip_whitespace();
        let key = self.scanner.key().ok().and_then(|key| unescape(self.bytes.get(key)?));
        key.ok_or_else(|| self.fault())
    }

    /// `null` is passed over.
    fn is_null(&mut self) -> Result<bool, Error> {
        self.scanner.skip_whitespace();
        if self.scanner.peek() != Some(b'n') {
            return Ok(false);
        }
        self.token().map(|_null| true)
    }

    fn skip(&mut self) -> Result<(), Error> {
        if self.scanner.value().is_ok() { Ok(()) } else { Err(self.fault()) }
    }
}

fn visit_text<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Result<V::Value, Error> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

/// The numbers are read alike: a visitor takes what fits.
macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.token()? {
                Token::Unsigned(number) => visitor.visit_u64(number),
                Token::Signed(number) => visitor.visit_i64(number),
                Token::Float(number) => visitor.visit_f64(number),
                other => Err(other.mismatch(&visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Null => visitor.visit_unit(),
            Token::Bool(flag) => visitor.visit_bool(flag),
            Token::Unsigned(number) => visitor.visit_u64(number),
            Token::Signed(number) => visitor.visit_i64(number),
            Token::Float(number) => visitor.visit_f64(number),
            Token::Text(text) => visit_text(text, visitor),
            Token::List => {
                let value = visitor.visit_seq(Elements { reader: &mut *self, is_first: true })?;
                self.close(b']').map(|()| value)
            }
            Token::Object => visitor.visit_map(Members { reader: self, is_first: true }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Bool(flag) => visitor.visit_bool(flag),
            other => Err(other.mismatch(&visitor)),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.text(&visitor)?;
        visit_text(text, visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null()? { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.open(false, &visitor)?;
        let value = visitor.visit_seq(Elements { reader: &mut *self, is_first: true })?;
        self.close(b']').map(|()| value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.open(true, &visitor)?;
        visitor.visit_map(Members { reader: self, is_first: true })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Text(name) => visitor.visit_enum(Variant { name, content: None }),
            Token::Object => {
                let name = self.key()?;
                let value = visitor.visit_enum(Variant { name, content: Some(&mut *self) })?;
                self.close(b'}').map(|()| value)
            }
            other => Err(other.mismatch(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip()?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { char bytes byte_buf unit unit_struct identifier }
}

struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    is_first: bool,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if !self.reader.another(b']', &mut self.is_first)? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

struct Members<'a, 'de> {
    reader: &'a mut Reader<'de>,
    is_first: bool,
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let key = self.reader.next_key(&mut self.is_first)?;
        key.map(|key| seed.deserialize(Name(key))).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }
}

/// A member's key, or the name of a variant.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserializer<'de> for Name<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visit_text(self.0, visitor)
    }

    /// Of a struct or an enum, which compare it.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(&self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Variant { name: self.0, content: None })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct ignored_any
    }
}

/// A variant by its name alone, or as an object with the name as its one key.
struct Variant<'a, 'de> {
    name: Cow<'de, str>,
    content: Option<&'a mut Reader<'de>>,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a, 'de> {
    type Error = Error;
    type Variant = Content<'a, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'a, 'de>), Error> {
        Ok((seed.deserialize(Name(self.name))?, Content(self.content)))
    }
}

struct Content<'a, 'de>(Option<&'a mut Reader<'de>>);

impl<'a, 'de> Content<'a, 'de> {
    fn reader(self, expected: &dyn Expected) -> Result<&'a mut Reader<'de>, Error> {
        self.0.ok_or_else(|| Error::invalid_type(Unexpected::UnitVariant, expected))
    }
}

impl<'de> VariantAccess<'de> for Content<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Deserialize::deserialize)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.reader(&"newtype variant")?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Error> {
        self.reader(&"tuple variant")?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.reader(&"struct variant")?.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests;
