//! Spans of time in JSON: `"400ms"` or a number of milliseconds.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// A span of time: a number of milliseconds, or a text such as `400ms`, `2s`, `1m 30s`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Span {
    /// Milliseconds.
    Millis(u64),
    /// A number with its unit.
    Text(String),
}

pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*span))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = match Span::deserialize(from) {
        Ok(Span::Millis(millis)) => millis.to_string(),
        Ok(Span::Text(text)) => text,
        Err(_) => {
            return Err(D::Error::custom("this value is no time: write \"400ms\", \"2s\" or milliseconds"));
        }
    };
    read(&text)
}

fn read<E: Error>(text: &str) -> Result<Duration, E> {
    crate::switches::parse_span(text).ok_or_else(|| {
        E::custom(format!("`{text}` is no time of at most ten years: write \"400ms\" or \"2s\""))
    })
}

/// A span of time with its unit: a text such as `400ms`, `2s`, `1m 30s`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is there for its schema")]
pub(crate) struct United(String);

/// Spans that are no numbers alone, for files that people write.
pub(crate) mod united {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer};

    use super::Span;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let wrong = |number: &str| {
            D::Error::custom(format!(
                "{number} of what? Write a time with its unit, such as {number}s or {number}ms"
            ))
        };
        let text = match Span::deserialize(from) {
            Ok(Span::Millis(number)) => return Err(wrong(&number.to_string())),
            Ok(Span::Text(text)) if text.parse::<f64>().is_ok() => return Err(wrong(&text)),
            Ok(Span::Text(text)) => text,
            Err(_) => return Err(D::Error::custom("this value is no time: write \"400ms\" or \"2s\"")),
        };
        super::read(&text)
    }

    /// The same for a span that may be missing.
    pub(crate) mod option {
        use std::time::Duration;

        use serde::Deserializer;

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
            super::deserialize(from).map(Some)
        }
    }
}

/// The same for a span that may be missing.
pub(crate) mod option {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands the field over like this")]
    pub(crate) fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::serialize(span, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(from).map(Some)
    }
}
