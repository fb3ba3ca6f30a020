//! Faults of the request that opens a connection: the WebSocket upgrade and the handshake of long-polling.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::End;
use super::action::Action;
use super::message::MessageFault;
use super::rule::When;
use crate::wire::io::Cut;

/// A fault of the request that opens a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum HttpFault {
    /// Answers the upgrade request with an HTTP status.
    Refuse {
        /// The status, 300 to 599.
        #[schemars(range(min = 300, max = 599))]
        status: u16,
        /// The header `Retry-After`, seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}

impl HttpFault {
    pub(super) const NAMES: &[&str] = &["refuse"];

    pub(super) fn misfit(&self, when: When) -> Option<&'static str> {
        match (self, when) {
            (HttpFault::Refuse { status, .. }, _) if !(300..=599).contains(status) => {
                Some("`status` must be from 300 to 599")
            }
            (_, When::Upgrade) => None,
            _ => Some("`refuse` happens at the upgrade: leave `when` out"),
        }
    }
}

/// What to do with a request that opens a connection; the transport carries it out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UpgradePlan {
    /// Wait so long first.
    pub(crate) delay: Duration,
    /// HTTP status and `Retry-After`.
    pub(crate) refuse: Option<(u16, Option<u64>)>,
    /// End the TCP connection instead.
    pub(crate) cut: Option<Cut>,
}

/// The plan of these actions, all of which fit an upgrade.
pub(super) fn plan<'a>(actions: impl Iterator<Item = &'a Action>) -> UpgradePlan {
    let mut plan = UpgradePlan::default();
    for action in actions {
        match action {
            Action::Http(HttpFault::Refuse { status, retry_after }) => {
                plan.refuse = Some((*status, *retry_after));
            }
            Action::Message(MessageFault::Delay { by }) => plan.delay += *by,
            Action::Tcp(fault) => {
                if let Some(End::Cut(cut)) = fault.end() {
                    plan.cut = Some(cut);
                }
            }
            Action::Message(_) | Action::Frame(_) | Action::Protocol(_) => {}
        }
    }
    plan
}
