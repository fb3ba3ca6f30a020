//! Engine.IO and Socket.IO packets: events of a service, and the handshake. [rules §10]

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::json::Json;
use super::read::{Body, Event, EventRead, Object, Reader, Source, read_text, violation};
use crate::envelope::{Envelope, Handshake};
use crate::io::Violation;
use crate::socketio::{PacketHead, PacketType};

/// The JSON of an Engine.IO open packet. [rules §10.1.3]
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Open {
    sid: String,
    upgrades: Option<Vec<String>>,
    ping_interval: Option<f64>,
    ping_timeout: Option<f64>,
    max_payload: Option<f64>,
}

/// The JSON of a Socket.IO CONNECT. [rules §10.2.2]
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Connect {
    sid: String,
}

/// The JSON of a Socket.IO `CONNECT_ERROR`. [rules §10.2.3]
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct ConnectError {
    message: Option<String>,
    data: Option<Json>,
    #[serde(skip)]
    code: Option<String>,
    #[serde(skip)]
    retryable: Option<bool>,
}

/// A text alone.
struct Words;

impl Reader for Words {
    type Value<'de> = String;
    fn read(&self, source: &mut Source<'_>) -> serde_json::Result<String> {
        String::deserialize(source)
    }
}

/// A packet that is no event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Control {
    Open(Open),
    Connect(Connect),
    ConnectError(ConnectError),
}

impl Control {
    /// Reads the JSON of a packet that belongs to the handshake; `None` for the others.
    pub(crate) fn read(head: PacketHead, frame: &str, json: &str) -> Result<Option<Self>, Violation> {
        Ok(Some(match head.kind {
            PacketType::Open => Self::Open(read_text(&Object(PhantomData), frame, json)?),
            PacketType::Connect => Self::Connect(read_text(&Object(PhantomData), frame, json)?),
            PacketType::ConnectError => {
                let mut error = match json.trim_ascii() {
                    // A refusal without a word, or with nothing but words, is a refusal.
                    "" => ConnectError::default(),
                    text if text.starts_with('"') => ConnectError {
                        message: Some(read_text(&Words, frame, text)?),
                        ..ConnectError::default()
                    },
                    text => read_text(&Object(PhantomData), frame, text)?,
                };
                let data = error.data.as_ref().and_then(|data| data.value().ok()).unwrap_or_default();
                error.code = data.get("code").and_then(|code| code.as_str()).map(Into::into);
                error.retryable = data.get("retryable").and_then(serde_json::Value::as_bool);
                Self::ConnectError(error)
            }
            _ => return Ok(None),
        }))
    }

    pub(crate) fn fill<'a>(&'a self, envelope: &mut Envelope<'a>) {
        match self {
            Self::Open(open) => {
                envelope.handshake = Some(Handshake {
                    sid: &open.sid,
                    ping_interval: whole(open.ping_interval),
                    ping_timeout: whole(open.ping_timeout),
                    upgrades: open.upgrades.iter().flatten().any(|name| name == "websocket"),
                    max_payload: whole(open.max_payload),
                });
            }
            Self::Connect(connect) => {
                envelope.handshake = Some(Handshake { sid: &connect.sid, ..Handshake::default() });
            }
            Self::ConnectError(error) => {
                envelope.text = error.message.as_deref();
                envelope.code = error.code.as_deref();
                envelope.retryable = error.retryable;
            }
        }
    }
}

/// A length or a time; one that is none is absent.
fn whole(number: Option<f64>) -> Option<u32> {
    number.filter(|n| *n >= 1.0).map(|n| n as u32)
}

/// Reads an event of a service, and finds its argument in the text (empty if it has none).
pub(crate) fn event<'a, M: Body>(
    frame: &str,
    json: &'a str,
) -> Result<(EventRead<'a, M>, &'a str), Violation> {
    let read = read_text(&Event::<M>(PhantomData), frame, json)?;
    let argument = match read.arguments {
        0 => Some(""),
        1 => only_argument(json),
        _ => serde_json::from_str::<First<'_>>(json).ok().map(|first| first.1.get()),
    };
    let argument = argument.ok_or_else(|| violation(frame, "the event's argument can't be told apart"))?;
    Ok((read, argument))
}

/// What stands between the name and the end of an array that is known to hold two elements.
fn only_argument(json: &str) -> Option<&str> {
    let inside =
        json.trim_ascii().strip_prefix('[')?.strip_suffix(']')?.trim_ascii_start().strip_prefix('"')?;
    let mut escaped = false;
    let name = inside.bytes().position(|b| {
        let end = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        end
    })?;
    let rest = inside.get(name + 1..)?.trim_ascii_start().strip_prefix(',')?;
    Some(rest.trim_ascii())
}

/// An array of two or more elements.
struct First<'a>(IgnoredAny, &'a RawValue);

impl<'de> Deserialize<'de> for First<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> serde::de::Visitor<'de> for Elements {
            type Value = First<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<First<'de>, A::Error> {
                let missing = || serde::de::Error::custom("too few elements");
                let name = seq.next_element()?.ok_or_else(missing)?;
                let argument = seq.next_element()?.ok_or_else(missing)?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(name, argument))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_argument_is_found_in_the_text() {
        assert_eq!(only_argument(r#" [ "a\\" , {"x": "]"} ] "#), Some(r#"{"x": "]"}"#));
        assert_eq!(only_argument(r#"["a\",\"b",5]"#), Some("5"));
        assert_eq!(only_argument("[]"), None);
    }

    #[test]
    fn a_time_that_is_none_is_absent() {
        assert_eq!(whole(Some(25_000.0)), Some(25_000));
        assert_eq!(whole(Some(1e300)), Some(u32::MAX));
        assert_eq!([whole(Some(-1.0)), whole(Some(f64::NAN)), whole(None)], [None; 3]);
    }
}
