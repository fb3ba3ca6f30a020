//! Faults of TCP connections: what becomes of bytes, whatever they mean. At `when: accept` they begin before the first
//! byte, TLS included; elsewhere they are done to the wires of a realtime connection.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::End;
use super::rule::{When, unhex};
use super::span;
use crate::connection::Closing;
use crate::wire::bundle::Wires;
use crate::wire::io::Cut;

/// How a dropped connection ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// A WebSocket close frame with `code` and `reason`.
    #[default]
    Close,
    /// TCP FIN without a close frame.
    Fin,
    /// TCP RST.
    Rst,
}

/// A fault of a TCP connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum TcpFault {
    /// Ends the connection in place of the frame, or of all that would have followed.
    Drop {
        /// By close frame, FIN or RST.
        #[serde(default)]
        how: How,
        /// The close code, any 16-bit number; 1011 unless told otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// The close reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Lets the message, or the upgrade, pass, and ends the connection this much later.
        #[serde(default, with = "span::option", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<span::Span>")]
        after: Option<Duration>,
    },
    /// Holds the connection half-open from here on.
    Stall {
        /// Goes on by itself after this time.
        #[serde(default, with = "span::option", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<span::Span>")]
        resume_after: Option<Duration>,
    },
    /// Ends a stall.
    Resume,
    /// From here on every byte to the client arrives this much later; nothing waits behind it.
    Lag {
        /// How much later; `0` ends it.
        #[serde(with = "span")]
        #[schemars(with = "span::Span")]
        by: Duration,
    },
    /// From here on bytes to the client arrive in small pieces.
    Trickle {
        /// Bytes in a piece.
        #[schemars(range(min = 1))]
        bytes: usize,
        /// The pause after each piece.
        #[serde(with = "span")]
        #[schemars(with = "span::Span")]
        pause: Duration,
    },
    /// Writes raw bytes onto the connection, below WebSocket and TLS.
    Inject {
        /// The bytes, two hex digits each.
        hex: String,
    },
    /// Nothing listens on the port for a while, so that the system itself refuses connects. Connections that are open
    /// stay. The control API is on that port too, and can't be reached before it is over.
    ClosePort {
        /// How long, at most `1h`.
        #[serde(rename = "for", with = "span")]
        #[schemars(with = "span::Span")]
        span: Duration,
    },
}

/// The longest time that a port is closed, and that bytes are kept back.
const LONGEST: Duration = Duration::from_secs(3600);

/// The code of a close frame that names none.
const ABNORMAL: u16 = 1011;

impl TcpFault {
    pub(super) const NAMES: &[&str] = &["drop", "stall", "resume", "lag", "trickle", "inject", "close_port"];

    /// Ends the connection, by a close frame with 1011 or below it.
    pub fn drop(how: How) -> Self {
        Self::Drop { how, code: None, reason: None, after: None }
    }

    /// The same drop, but at once.
    pub(super) fn without_delay(fault: &Self) -> Self {
        match fault.clone() {
            Self::Drop { how, code, reason, .. } => Self::Drop { how, code, reason, after: None },
            other => other,
        }
    }

    pub(super) fn misfit(&self, when: When) -> Option<&'static str> {
        match (self, when) {
            (TcpFault::Inject { hex }, _) if unhex(hex).is_none() => {
                Some("`hex` must be pairs of hex digits")
            }
            (TcpFault::Drop { how: How::Fin | How::Rst, code, reason, .. }, _)
                if code.is_some() || reason.is_some() =>
            {
                Some(
                    "`code` and `reason` are in a close frame, which `fin` and `rst` leave out: use `how` close",
                )
            }
            (TcpFault::Drop { after: Some(_), .. }, When::Accept) => {
                Some("`after` is for connections of a service: match it at the upgrade or later")
            }
            (TcpFault::Drop { after: Some(after), .. }, _) if *after > LONGEST => {
                Some("`after` is at most 1h")
            }
            (TcpFault::Drop { after: Some(_), .. }, When::Upgrade) => None,
            (TcpFault::Drop { how: How::Fin | How::Rst, .. }, When::Accept | When::Upgrade) => None,
            (TcpFault::Drop { .. }, When::Accept) => {
                Some("there is no WebSocket yet when a connection is accepted: drop it by fin or rst")
            }
            (TcpFault::Drop { .. }, When::Upgrade) => {
                Some("there is no WebSocket yet at the upgrade: drop it by fin or rst")
            }
            (TcpFault::Lag { by }, _) if *by > LONGEST => Some("`by` is at most 1h"),
            (TcpFault::Trickle { bytes: 0, .. }, _) => Some("`bytes` counts from 1"),
            (TcpFault::ClosePort { span }, _) if *span > LONGEST => Some("`for` is at most 1h"),
            (TcpFault::ClosePort { .. }, When::Now) => None,
            (TcpFault::ClosePort { .. }, _) => Some("the port is closed at once: leave `when` out"),
            (TcpFault::Resume, When::Accept | When::Upgrade) => {
                Some("nothing is stalled yet: use `when` now, or `resume_after` of the stall")
            }
            _ => None,
        }
    }

    /// How a connection ends by this fault, if it does.
    pub(super) fn end(&self) -> Option<End> {
        let TcpFault::Drop { how, code, reason, after: None } = self else { return None };
        Some(match how {
            How::Close => {
                let (code, reason) = (code.unwrap_or(ABNORMAL), reason.as_deref().unwrap_or_default());
                End::Close(Closing::new(code, reason))
            }
            How::Fin => End::Cut(Cut::Fin),
            How::Rst => End::Cut(Cut::Reset),
        })
    }

    /// Carries it out on the wires of one connection. A close frame is no matter of wires.
    pub(crate) fn apply(&self, wires: &Wires) {
        match self {
            TcpFault::Drop { .. } => {
                if let Some(End::Cut(cut)) = self.end() {
                    wires.cut(cut);
                }
            }
            TcpFault::Stall { resume_after } => wires.hold(*resume_after),
            TcpFault::Resume => wires.resume(),
            TcpFault::Lag { by } => wires.delay(*by),
            TcpFault::Trickle { bytes, pause } => wires.trickle(*bytes, *pause),
            TcpFault::ClosePort { .. } => {}
            TcpFault::Inject { hex } => wires.inject(unhex(hex).unwrap_or_default()),
        }
    }
}
