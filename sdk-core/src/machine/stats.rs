//! What a client has counted. [rules §2.12]

use crate::event::WhyKind;
use crate::map::Map;

/// What a client has counted since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Attempts to connect.
    pub attempts: u64,
    /// How often a connection became Ready after the first time.
    pub reconnects: u64,
    /// Attempts and connections that failed, by kind.
    pub failures: Map<WhyKind, u64>,
    /// How often a token was refused.
    pub auth_failures: u64,
    /// Connections that ended although they were still wanted.
    pub unexpected_closes: u64,
    /// Frames received.
    pub frames_in: u64,
    /// Messages sent.
    pub frames_out: u64,
    /// Bytes of frames received.
    pub bytes_in: u64,
    /// Bytes of messages sent.
    pub bytes_out: u64,
    /// Frames that could not be read.
    pub violations: u64,
    /// Frames not delivered because their topic had ended or another socket has it.
    pub dropped: u64,
    /// Events that readers skipped because they were too slow; the host tells by
    /// [`Machine::count_skipped`](crate::Machine::count_skipped).
    pub skipped: u64,
    /// The last time from a question to its answer, ms.
    pub last_round_trip: Option<u64>,
    /// Messages that may still be sent in this minute, where the service limits them.
    pub budget_left: Option<u32>,
}
