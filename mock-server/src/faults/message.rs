//! Faults of messages: what becomes of one on its way, whatever carries it.

use std::collections::VecDeque;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rule::When;
use super::span;
use super::{Draw, Plan, edit};

/// Nesting that a rule may ask for.
const DEEPEST: usize = 5_000_000;
/// The longest time that a message is kept back.
const LATEST: Duration = Duration::from_secs(3600);
/// Copies that a rule may ask for.
const MOST_COPIES: usize = 100_000;
/// Bytes that all copies of a message may have together.
const MOST_COPIED: usize = 64 << 20;
/// Messages of a connection that are remembered for [`MessageFault::Stale`].
const REMEMBERED: usize = 4;
/// Bytes of a message that is remembered.
const LONGEST_REMEMBERED: usize = 64 << 10;

/// A fault of a message. A `field` is a name, which is looked for in the whole message, or a JSON pointer such as
/// `/payload/status` (of a Socket.IO event: in its payload); without it, the rule's seed draws a field that fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum MessageFault {
    /// Sends this text in place of the message.
    Malformed {
        /// By default half a JSON object.
        #[serde(default = "half_an_object")]
        text: String,
    },
    /// Sends a message without content.
    Empty,
    /// Sends or handles the message more than once.
    Duplicate {
        /// How often in all, below 100,000; of a long message, as often as fits into 64 MiB.
        #[serde(default = "twice")]
        copies: usize,
    },
    /// Loses the message.
    Swallow,
    /// Sends or handles the message later; what follows waits behind it.
    Delay {
        /// How much later.
        #[serde(with = "span")]
        #[schemars(with = "span::Span")]
        by: Duration,
    },
    /// The same by a time that the rule's seed draws anew for each message.
    Jitter {
        /// The longest delay.
        #[serde(with = "span")]
        #[schemars(with = "span::Span")]
        up_to: Duration,
    },
    /// Sends the message behind the one that follows it.
    Reorder,
    /// Sends the message, and once more the one of the same topic that came before it.
    Stale,
    /// Sends the message's text as bytes.
    Binary,
    /// Adds a field `deep` of arrays within arrays.
    Deep {
        /// How many, at most five million.
        #[serde(default = "hundred_thousand")]
        levels: usize,
    },
    /// Gives the message a type, or the event a name, that no client knows.
    UnknownType {
        /// The type.
        #[serde(default = "no_such_type")]
        name: String,
    },
    /// Gives a text field a value that no client knows, by default the field `status`.
    UnknownValue {
        /// The field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
        /// The value.
        #[serde(default = "no_such_value")]
        value: String,
    },
    /// Leaves a field out.
    MissingField {
        /// The field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// Makes a field null.
    NullField {
        /// The field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// Gives a field a value of another JSON type.
    WrongType {
        /// The field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// Gives a field, by default one that is a number, a number that few languages can hold.
    HugeNumber {
        /// The field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
        /// The number's digits as they stand in JSON.
        #[serde(default = "huge")]
        number: String,
    },
    /// Gives a field any value; one that is not there is added.
    SetField {
        /// The field.
        field: String,
        /// The value.
        value: Value,
    },
    /// Names another topic wherever the message names its own.
    WrongTopic {
        /// The other topic.
        #[serde(default = "no_such_topic")]
        topic: String,
    },
    /// Shifts every ISO 8601 time in the message, as a server does whose clock is wrong.
    Skew {
        /// By how much.
        #[serde(with = "span")]
        #[schemars(with = "span::Span")]
        by: Duration,
        /// Whether the server's clock is behind; by default it is ahead.
        #[serde(default)]
        behind: bool,
    },
}

fn half_an_object() -> String {
    "{\"type\":".to_owned()
}

fn twice() -> usize {
    2
}

fn hundred_thousand() -> usize {
    100_000
}

fn no_such_type() -> String {
    "no_such_type".to_owned()
}

fn no_such_value() -> String {
    "no_such_value".to_owned()
}

fn no_such_topic() -> String {
    "no-such-topic".to_owned()
}

fn huge() -> String {
    "1e400".to_owned()
}

impl MessageFault {
    pub(super) const NAMES: &[&str] = &[
        "malformed",
        "empty",
        "duplicate",
        "swallow",
        "delay",
        "jitter",
        "reorder",
        "stale",
        "binary",
        "deep",
        "unknown_type",
        "unknown_value",
        "missing_field",
        "null_field",
        "wrong_type",
        "huge_number",
        "set_field",
        "wrong_topic",
        "skew",
    ];

    pub(super) fn misfit(&self, when: When) -> Option<&'static str> {
        use MessageFault as M;
        match (self, when) {
            (M::Duplicate { copies: 0 | MOST_COPIES.. }, _) => Some("`copies` must be from 1 to 99999"),
            (M::Delay { by: span } | M::Jitter { up_to: span }, _) if *span > LATEST => {
                Some("a message is kept back for 1h at most")
            }
            (M::Deep { levels: DEEPEST.. }, _) => Some("`levels` must be below 5000000"),
            (M::HugeNumber { number, .. }, _) if !is_number(number) => {
                Some("`number` must be a JSON number, written as a text")
            }
            (M::Delay { .. } | M::Jitter { .. }, When::Upgrade) | (_, When::Out) => None,
            (M::Swallow | M::Duplicate { .. } | M::Delay { .. } | M::Jitter { .. }, When::In) => None,
            (_, When::In) => Some("this changes messages to the client: leave `when` out"),
            (_, When::Upgrade) => Some(
                "at the upgrade no message is sent: `refuse`, `forbid_origin`, `engine_error`, `delay`, `jitter`, \
                 `stall`, `lag`, `trickle`, `inject` and `drop` by fin or rst are possible",
            ),
            (_, When::Now) => Some("this action needs a frame: use `when` in or out"),
            (_, When::Accept) => Some("this action needs a message: use `when` in or out"),
        }
    }

    /// Puts it into the plan of a message.
    pub(super) fn apply(self, plan: &mut Plan, draw: Draw) {
        match self {
            MessageFault::Malformed { text } => plan.instead = Some(text),
            MessageFault::Empty => plan.instead = Some(String::new()),
            MessageFault::Duplicate { copies } => plan.copies = copies,
            MessageFault::Swallow => plan.copies = 0,
            MessageFault::Delay { by } => plan.delay += by,
            MessageFault::Jitter { up_to } => plan.delay += draw.part_of(up_to),
            MessageFault::Reorder => plan.aside = true,
            MessageFault::Stale => plan.stale = true,
            MessageFault::Binary => plan.binary = true,
            edit => plan.edits.push((edit, draw)),
        }
    }
}

/// Whether this is a JSON number, also one that Rust cannot hold.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut exponents = digits.splitn(2, ['e', 'E']);
    let mantissa = exponents.next().unwrap_or_default();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponents.next().map_or("0", |e| e.strip_prefix(['+', '-']).unwrap_or(e));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(fraction)
        && all_digits(exponent)
        && all_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
}

/// One message as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) kind: String,
    pub(crate) topic: Option<String>,
    pub(crate) text: String,
    /// The text goes out as bytes.
    pub(crate) binary: bool,
}

/// What a connection remembers of its messages, for rules about their order.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    aside: Vec<Letter>,
    recent: VecDeque<Letter>,
}

impl Sent {
    /// The last message of this topic.
    fn last(&self, topic: Option<&str>) -> Option<&Letter> {
        self.recent.iter().rev().find(|letter| letter.topic.as_deref() == topic)
    }

    fn remember(&mut self, letter: &Letter) {
        if letter.topic.is_none() || letter.text.len() > LONGEST_REMEMBERED {
            return;
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(letter.clone());
    }
}

impl Plan {
    /// What goes out for a message, in order; nothing if it is lost or waits for the next one.
    pub(crate) fn letters(
        &self,
        sent: &mut Sent,
        kind: &str,
        topic: Option<&str>,
        text: String,
    ) -> Vec<Letter> {
        let text = match &self.instead {
            Some(instead) => instead.clone(),
            None if self.edits.is_empty() => text,
            None => edit::edited(&text, topic, &self.edits),
        };
        let letter =
            Letter { kind: kind.to_owned(), topic: topic.map(str::to_owned), text, binary: self.binary };
        let before = sent.last(topic).filter(|_| self.stale).cloned();
        if self.copies > 0 {
            sent.remember(&letter);
        }
        let most = (MOST_COPIED / letter.text.len().max(1)).max(1);
        let mut letters = vec![letter; self.copies.min(most)];
        letters.extend(before);
        // One that is kept back already goes out behind this one, so that no rule can keep back more and more.
        if self.aside && sent.aside.is_empty() {
            sent.aside.append(&mut letters);
        } else if !letters.is_empty() {
            letters.append(&mut sent.aside);
        }
        letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(aside: bool, copies: usize) -> Plan {
        Plan {
            delay: Duration::ZERO,
            copies,
            instead: None,
            edits: Vec::new(),
            binary: false,
            aside,
            stale: false,
            end: None,
            frames: Vec::new(),
            answers: Vec::new(),
        }
    }

    #[test]
    fn a_rule_that_reorders_everything_swaps_pairs_and_keeps_no_more_than_one() {
        let (mut sent, plan) = (Sent::default(), plan(true, 1));
        let mut told = Vec::new();
        for n in 1..=6 {
            told.extend(plan.letters(&mut sent, "x", Some("t"), n.to_string()).into_iter().map(|l| l.text));
            assert!(sent.aside.len() <= 1);
        }
        assert_eq!(told, ["2", "1", "4", "3", "6", "5"]);
    }

    #[test]
    fn many_copies_of_a_long_message_stay_within_bounds() {
        let long = "x".repeat(1 << 20);
        let letters = plan(false, MOST_COPIES - 1).letters(&mut Sent::default(), "x", None, long);
        assert_eq!(letters.len(), 64);
        assert_eq!(plan(false, 300).letters(&mut Sent::default(), "x", None, "short".to_owned()).len(), 300);
    }

    #[test]
    fn numbers_are_those_of_json_of_any_size() {
        for good in ["0", "-1", "1e400", "123456789012345678901234567890", "0.5E-3"] {
            assert!(is_number(good), "{good}");
        }
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "NaN", "1 "] {
            assert!(!is_number(bad), "{bad}");
        }
    }
}
