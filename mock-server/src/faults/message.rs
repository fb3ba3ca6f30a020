//! Faults of messages: what becomes of one on its way, whatever carries it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Plan;
use super::rule::When;
use super::span;

/// A fault of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum MessageFault {
    /// Sends this text in place of the message.
    Malformed {
        /// By default half a JSON object.
        #[serde(default = "half_an_object")]
        text: String,
    },
    /// Sends or handles the message more than once.
    Duplicate {
        /// How often in all.
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
}

fn half_an_object() -> String {
    "{\"type\":".to_owned()
}

fn twice() -> usize {
    2
}

impl MessageFault {
    pub(super) const NAMES: &[&str] = &["malformed", "duplicate", "swallow", "delay"];

    pub(super) fn misfit(&self, when: When) -> Option<&'static str> {
        match (self, when) {
            (MessageFault::Malformed { .. }, When::In) => Some("`malformed` concerns messages to the client"),
            (MessageFault::Delay { .. }, When::Upgrade) | (_, When::In | When::Out) => None,
            (_, When::Upgrade) => {
                Some("at the upgrade only `refuse`, `delay` and `drop` by fin or rst are possible")
            }
            (_, When::Now) => Some("this action needs a frame: use `when` in or out"),
            (_, When::Accept) => Some("this action needs a message: use `when` in or out"),
        }
    }

    /// Puts it into the plan of a message.
    pub(super) fn apply(&self, plan: &mut Plan) {
        match self {
            MessageFault::Malformed { text } => plan.instead = Some(text.clone()),
            MessageFault::Duplicate { copies } => plan.copies = *copies,
            MessageFault::Swallow => plan.copies = 0,
            MessageFault::Delay { by } => plan.delay += *by,
        }
    }
}
