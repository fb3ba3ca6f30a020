//! Topics with a meaning: ids that make the server answer in a certain way without any setting up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a topic's id asks for, by its prefix or, for UUIDs, by its first four hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Meaning {
    /// `missing-`, `4040…`: it does not exist.
    Missing,
    /// `denied-`, `4030…`: it is someone else's.
    Denied,
    /// `fail-`, `fa11…`: its processing fails.
    Fail,
    /// `crash-`, `c4a5…`: the server closes with 1011 in the middle, once.
    Crash,
    /// `quiet-`, `0000…`: nothing happens until something is emitted.
    Quiet,
}

impl Meaning {
    /// The meaning of an id, if it has one.
    pub(crate) fn of(topic: &str) -> Option<Self> {
        const ALL: [(&str, &str, Meaning); 5] = [
            ("missing-", "4040", Meaning::Missing),
            ("denied-", "4030", Meaning::Denied),
            ("fail-", "fa11", Meaning::Fail),
            ("crash-", "c4a5", Meaning::Crash),
            ("quiet-", "0000", Meaning::Quiet),
        ];
        let digits = if is_uuid(topic) { topic[..4].to_ascii_lowercase() } else { String::new() };
        ALL.iter().find(|(prefix, hex, _)| topic.starts_with(prefix) || digits == *hex).map(|(_, _, m)| *m)
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_uuids_have_a_meaning_and_nothing_else_has() {
        assert_eq!(Meaning::of("missing-1"), Some(Meaning::Missing));
        assert_eq!(Meaning::of("FA11e840-0000-41d4-a716-446655440000"), Some(Meaning::Fail));
        assert_eq!(Meaning::of("c4a5e840-e29b-41d4-a716-446655440000"), Some(Meaning::Crash));
        assert_eq!(Meaning::of("4040"), None);
        assert_eq!(Meaning::of("550e8400-e29b-41d4-a716-446655440000"), None);
    }
}
