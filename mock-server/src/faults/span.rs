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
    let odd = |text: &str| D::Error::custom(format!("`{text}` is no time: write \"400ms\" or \"2s\""));
    match Span::deserialize(from).map_err(|_| odd("this value"))? {
        Span::Millis(millis) => Ok(Duration::from_millis(millis)),
        Span::Text(text) => crate::switches::parse_span(&text).ok_or_else(|| odd(&text)),
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
