//! What is known of one connection as the journal is read.

use std::collections::BTreeMap;
use std::time::Duration;

use super::journal::Entry;
use super::verdicts::Verdict;
use crate::switches::{self as s, Switches};

/// From where on something is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thresholds {
    pub(super) connects: u64,
    pub(super) patience: Duration,
    pub(super) pong: Duration,
}

impl Thresholds {
    pub(super) fn of(switches: &Switches) -> Self {
        Self {
            connects: switches.number(&s::VERDICT_CONNECTS),
            patience: switches.span(&s::VERDICT_PATIENCE),
            pong: switches.span(&s::VERDICT_PONG),
        }
    }
}

/// A topic that was asked for on a connection.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) asked: Entry,
    pub(super) confirmed: bool,
}

/// One connection as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Whether everything since its beginning has been read.
    pub(super) whole: bool,
    /// The entry it began with, until it is known whose connect that was.
    pub(super) connect: Option<Entry>,
    pub(super) open: bool,
    pub(super) token: Option<String>,
    /// Whether the user is known, or need not be.
    pub(super) ready: bool,
    /// Whether the user tells who it is by a message.
    pub(super) in_band: bool,
    pub(super) topics: BTreeMap<String, Topic>,
    /// The oldest ping without an answer.
    pub(super) ping: Option<Entry>,
    pub(super) last_in: Option<Entry>,
    /// The latest fault.
    pub(super) fault: Option<u64>,
    /// Whether it is unknown what the client has seen.
    pub(super) blinded: bool,
    /// Whether a rule has ended its token and told the client: whoever shows it again is wrong all the same.
    pub(super) expired: bool,
    /// A finding about the latest message, to which the server's answer belongs: its place among those of the service.
    pub(super) finding: Option<(Verdict, usize)>,
    /// Whether its reuse by a second connection has been found.
    pub(super) doubled: bool,
}

impl Line {
    /// Whether a rule may have brought about what comes after the client's last message.
    pub(super) fn is_provoked(&self) -> bool {
        self.fault > self.last_in.as_ref().map(|entry| entry.seq)
    }
}
