//! A frame's text, read once: the name, then the body that this name has. [rules §2.1]

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::de::StrRead;

use super::field::{Field, Shape};
use super::json::Json;
use super::path::path_of;
use super::{Pick, Unknown};
use crate::envelope::{Envelope, Kind};
use crate::io::Violation;

/// What a service's messages have in common.
pub(crate) trait Body: Sized {
    /// The messages and their fields, as declared.
    const TABLE: &'static [(Kind, &'static [Pick])];

    /// The message of this kind, if it is only a name.
    fn bare(kind: Kind) -> Option<Self>;

    /// Reads the fields of this kind; `None` if the service has no such message.
    fn read<'de, A: MapAccess<'de>>(kind: Kind, map: A) -> Result<Option<Self>, A::Error>;

    /// The schema of each message that has fields.
    #[cfg(feature = "schema")]
    fn schemas(generator: &mut schemars::SchemaGenerator) -> Vec<(Kind, schemars::Schema)>;

    /// Wraps a message that the service does not have.
    fn unknown(unknown: Unknown) -> Self;

    /// Puts the fields into the envelope.
    fn fill<'a>(&'a self, envelope: &mut Envelope<'a>);
}

/// A text on its way to be a value. All is read from this one type: what serde derives exists once for each reader
/// that it is used with, and is most of what a library weighs.
pub(crate) type Source<'de> = serde_json::Deserializer<StrRead<'de>>;

/// A reader of one text.
pub(crate) trait Reader {
    type Value<'de>;
    fn read<'de>(&self, source: &mut Source<'de>) -> serde_json::Result<Self::Value<'de>>;
}

/// Reads a whole text.
pub(crate) fn read_text<'a, R: Reader>(
    reader: &R,
    frame: &str,
    json: &'a str,
) -> Result<R::Value<'a>, Violation> {
    let mut source = serde_json::Deserializer::from_str(json);
    reader
        .read(&mut source)
        .and_then(|value| source.end().map(|()| value))
        .map_err(|error| violation(frame, &explain(json, &error)))
}

/// Says what is wrong with a text, and where.
fn explain(json: &str, error: &serde_json::Error) -> String {
    if !error.is_data() {
        return if json.trim_ascii().is_empty() {
            "not JSON: there is no text".into()
        } else {
            format!("not JSON: {error}")
        };
    }
    let text = error.to_string();
    let path = path_of(json, error.line(), error.column(), text.starts_with(NO_OBJECT));
    // The argument of a Socket.IO event is the second element of an array; nobody calls it that.
    let path = path.strip_prefix("[1].").unwrap_or(&path);
    if path.is_empty() { text } else { format!("{path}: {text}") }
}

/// Makes the report of a frame that can't be read. What looks like a token in it is blotted out.
pub(crate) fn violation(frame: &str, reason: &str) -> Violation {
    Violation { reason: cut(&blot(reason), 256).into(), excerpt: cut(&blot(frame), 256).into() }
}

/// The first bytes, at most so many, without half a character.
fn cut(text: &str, most: usize) -> &str {
    (0..=most.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// Replaces JSON Web Tokens, and the values of keys that end in `token`, by dots. Only what may be shown is looked at.
fn blot(text: &str) -> Cow<'_, str> {
    const NAMED: &str = "token\"";
    const JWT: &str = "eyJ";
    let text = cut(text, 512);
    if !text.contains(JWT) && !text.contains(NAMED) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let secret = if rest.starts_with(JWT) {
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.=".contains(c))).unwrap_or(rest.len())
        } else if let Some(value) = rest.strip_prefix(NAMED) {
            let value = value.trim_start_matches([':', ' ', '"']);
            let (name, value) = rest.split_at_checked(rest.len() - value.len()).unwrap_or((rest, ""));
            out.push_str(name);
            rest = value;
            value.find(['"', ',', '}']).unwrap_or(value.len())
        } else {
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        };
        if secret > 0 {
            out.push('…');
            rest = rest.get(secret..).unwrap_or_default();
        }
    }
    Cow::Owned(out)
}

/// A text that is borrowed where it has no escapes.
#[derive(Debug)]
pub(crate) struct Text<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.into())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

impl Field for Text<'_> {
    const SHAPE: Shape = Shape::Text;
    fn text(&self) -> Option<&str> {
        Some(&self.0)
    }
}

/// The body of a message: an object, or nothing, which is an object without fields.
pub(crate) struct Argument<M>(pub(crate) Kind, pub(crate) PhantomData<M>);

impl<M: Body> Reader for Argument<M> {
    type Value<'de> = Option<M>;
    fn read(&self, source: &mut Source<'_>) -> serde_json::Result<Option<M>> {
        Argument(self.0, PhantomData).deserialize(source)
    }
}

impl<M: Body> Argument<M> {
    /// The body of a message that came without one.
    pub(crate) fn missing<E: serde::de::Error>(&self) -> Result<Option<M>, E> {
        let read = Known(self.0, PhantomData).read(&mut serde_json::Deserializer::from_str("{}"));
        // Where in those two bytes it is does not matter.
        read.map_err(|error| E::custom(error.to_string().split(" at line ").next().unwrap_or_default()))
    }
}

impl<'de, M: Body> DeserializeSeed<'de> for Argument<M> {
    type Value = Option<M>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<M>, D::Error> {
        if M::TABLE.iter().all(|(kind, picks)| *kind != self.0 || picks.is_empty()) {
            IgnoredAny::deserialize(deserializer)?;
            return Ok(M::bare(self.0));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de, M: Body> Visitor<'de> for Argument<M> {
    type Value = Option<M>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<M>, A::Error> {
        M::read(self.0, map)
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<Option<M>, E> {
        self.missing()
    }
}

/// What became of a text.
pub(crate) enum Found<'de, M> {
    /// A message.
    Message(M),
    /// A message that the service does not have, of this name.
    Unknown(Cow<'de, str>),
    /// A known message whose name did not come first: it is to be read again, by this kind.
    Late(Kind),
}

/// Messages with `type` beside the other fields. The usual frame begins with it and is read in one go.
pub(crate) struct Flat<M>(pub(crate) PhantomData<M>);

impl<M: Body> Reader for Flat<M> {
    type Value<'de> = Found<'de, M>;
    fn read<'de>(&self, source: &mut Source<'de>) -> serde_json::Result<Found<'de, M>> {
        source.deserialize_map(Flat(PhantomData))
    }
}

impl<'de, M: Body> Visitor<'de> for Flat<M> {
    type Value = Found<'de, M>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de, M>, A::Error> {
        let mut first = true;
        while let Some(Text(key)) = map.next_key()? {
            if key == "type"
                && let Some(Text(name)) = map.next_value::<Option<Text<'de>>>()?
            {
                let kind = Kind::from_name(&name);
                if first {
                    let message = M::read(kind, map)?;
                    return Ok(message.map_or(Found::Unknown(name), Found::Message));
                }
                skip(&mut map)?;
                let known = M::TABLE.iter().any(|(known, _)| *known == kind);
                return Ok(if known { Found::Late(kind) } else { Found::Unknown(name) });
            } else if key != "type" {
                map.next_value::<IgnoredAny>()?;
            }
            first = false;
        }
        Err(A::Error::missing_field("type"))
    }
}

/// Reads the rest of an object without looking at it.
pub(crate) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// One known record, or a known message by its kind.
pub(crate) struct Known<M>(pub(crate) Kind, pub(crate) PhantomData<M>);

impl<M: Body> Reader for Known<M> {
    type Value<'de> = Option<M>;
    fn read(&self, source: &mut Source<'_>) -> serde_json::Result<Option<M>> {
        source.deserialize_map(Known(self.0, PhantomData))
    }
}

impl<'de, M: Body> Visitor<'de> for Known<M> {
    type Value = Option<M>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<M>, A::Error> {
        M::read(self.0, map)
    }
}

/// Any type that is written as an object.
pub(crate) struct Object<T>(pub(crate) PhantomData<T>);

impl<T: DeserializeOwned> Reader for Object<T> {
    type Value<'de> = T;
    fn read(&self, source: &mut Source<'_>) -> serde_json::Result<T> {
        source.deserialize_map(Object(PhantomData))
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Object<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// The array of a Socket.IO event: its name, its argument, perhaps more.
pub(crate) struct Event<M>(pub(crate) PhantomData<M>);

/// A Socket.IO event as read, with the number of arguments after the first.
pub(crate) struct EventRead<'de, M> {
    pub(crate) found: Found<'de, M>,
    pub(crate) arguments: usize,
}

impl<M: Body> Reader for Event<M> {
    type Value<'de> = EventRead<'de, M>;
    fn read<'de>(&self, source: &mut Source<'de>) -> serde_json::Result<EventRead<'de, M>> {
        source.deserialize_seq(Event(PhantomData))
    }
}

impl<'de, M: Body> Visitor<'de> for Event<M> {
    type Value = EventRead<'de, M>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array that begins with the event's name")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<EventRead<'de, M>, A::Error> {
        let Text(name) = seq.next_element()?.ok_or_else(|| A::Error::custom("an event without a name"))?;
        let kind = Kind::from_name(&name);
        let mut arguments = 0;
        let message = if let Some(message) = seq.next_element_seed(Argument::<M>(kind, PhantomData))? {
            arguments = 1;
            message
        } else {
            Argument::<M>(kind, PhantomData).missing()?
        };
        while seq.next_element::<IgnoredAny>()?.is_some() {
            arguments += 1;
        }
        Ok(EventRead { found: message.map_or(Found::Unknown(name), Found::Message), arguments })
    }
}

/// Reads a count. Services may write it as `3.0`.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.map(|number| number as i64))
}

/// What [`object`] says. Unlike serde's own errors it comes when the value, and perhaps the `}` after it, was read.
const NO_OBJECT: &str = "invalid type: expected an object";

/// Reads a value of which only the type is known: it is an object.
pub(crate) fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    match Option::<Json>::deserialize(deserializer)? {
        Some(json) if !json.as_str().starts_with('{') => Err(D::Error::custom(NO_OBJECT)),
        json => Ok(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_token_is_not_shown() {
        assert_eq!(blot(r#"{"sub":"u"}"#), r#"{"sub":"u"}"#);
        assert_eq!(blot("token eyJhbGci.eyJzdWIi.c2ln-_ is bad"), "token … is bad");
        assert_eq!(blot(r#"{"access_token": "abc","x":1}"#), r#"{"access_token": "…","x":1}"#);
        assert_eq!(blot(r#"{"token":"#), r#"{"token":"#);
        assert_eq!(blot(r#"{"token":"abc"#), r#"{"token":"…"#);
        assert_eq!(blot(r#"{"token":""}"#), r#"{"token":""}"#);
    }

    #[test]
    fn an_excerpt_ends_between_characters() {
        let report = violation(&"é".repeat(500), &"x".repeat(1000));
        assert_eq!((report.excerpt.len(), report.reason.len()), (256, 256));
        assert_eq!(violation(&format!("a{}", "é".repeat(500)), "").excerpt.len(), 255);
    }
}
