//! Faults of the requests that open a connection: the WebSocket upgrade and the handshake of long-polling; and of the
//! requests of a polling session, which a rule means only if it names their type, `(poll)` or `(post)`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::message::MessageFault;
use super::rule::When;
use super::tcp::TcpFault;
use super::{Due, End};
use crate::wire::io::Cut;

/// The errors of Engine.IO by their codes [rules §10.1.8].
pub(crate) const ENGINE_ERRORS: [&str; 6] = [
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
];

/// A fault of a request that opens a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum HttpFault {
    /// Answers the request with an HTTP status.
    Refuse {
        /// The status, 300 to 599.
        #[schemars(range(min = 300, max = 599))]
        status: u16,
        /// The header `Retry-After`, seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// The header `Location`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<String>,
    },
    /// Refuses a browser as if its page's origin were not allowed: 403 without a CORS header. Requests without an
    /// `Origin` go on.
    ForbidOrigin,
    /// Answers with an error of Engine.IO.
    EngineError {
        /// 0 unknown transport, 1 unknown session id, 2 bad method, 3 bad request, 4 forbidden, 5 unsupported version.
        #[schemars(range(max = 5))]
        code: u8,
    },
}

impl HttpFault {
    pub(super) const NAMES: &[&str] = &["refuse", "forbid_origin", "engine_error"];

    pub(super) fn misfit(&self, when: When) -> Option<&'static str> {
        match (self, when) {
            (HttpFault::Refuse { status, .. }, _) if !(300..=599).contains(status) => {
                Some("`status` must be from 300 to 599")
            }
            (HttpFault::Refuse { location: Some(text), .. }, _)
                if !text.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                Some("`location` is a URL: visible ASCII characters only")
            }
            (HttpFault::EngineError { code: 6.., .. }, _) => Some("`code` must be from 0 to 5"),
            (_, When::Upgrade) => None,
            _ => Some("this answers a request that opens a connection: leave `when` out"),
        }
    }
}

/// What to do with a request that opens a connection; the transport carries it out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UpgradePlan {
    /// Wait so long first.
    pub(crate) delay: Duration,
    /// What to answer in place of taking it.
    pub(crate) refuse: Option<HttpFault>,
    /// What becomes of the bytes from the answer on.
    pub(crate) wires: Vec<TcpFault>,
    /// End the TCP connection instead.
    pub(crate) cut: Option<Cut>,
}

/// The plan of these actions, all of which fit an upgrade.
pub(super) fn plan(actions: Vec<Due>) -> UpgradePlan {
    let mut plan = UpgradePlan::default();
    for Due { action, draw, .. } in actions {
        match action {
            Action::Http(fault) => plan.refuse = Some(fault),
            Action::Message(MessageFault::Delay { by }) => plan.delay += by,
            Action::Message(MessageFault::Jitter { up_to }) => plan.delay += draw.part_of(up_to),
            Action::Tcp(fault) => match fault.end() {
                Some(End::Cut(cut)) => plan.cut = Some(cut),
                Some(_) => {}
                // A drop that comes later is seen to already.
                None if matches!(fault, TcpFault::Drop { .. }) => {}
                None => plan.wires.push(fault),
            },
            Action::Message(_) | Action::Frame(_) | Action::Protocol(_) => {}
        }
    }
    plan
}
