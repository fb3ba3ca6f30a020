//! The machine: every decision about protocol, state, timing and retry, as a function with memory.

use crate::config::{Config, ConfigError};
use crate::envelope::{Envelope, Head, Verdict};
use crate::io::{HostCaps, Input, Output, SocketId};
use crate::snapshot::Snapshot;
use crate::time::Now;

/// A client without a body: inputs and the time go in, outputs come out.
///
/// Contract: hand in one input, drain [`Self::poll`] until it is empty, wait for the next input or for
/// [`Self::deadline`] (then hand in [`Input::Tick`]). After [`Self::frame`] the drain is needed only if the verdict
/// has [`Verdict::POLL`].
#[derive(Debug)]
pub struct Machine {
    config: Config,
}

impl Machine {
    /// Checks the configuration and makes a machine that does nothing yet.
    pub fn new(config: Config, _caps: HostCaps) -> Result<Self, ConfigError> {
        Ok(Self { config })
    }

    /// A frame arrived on this socket: its length in bytes, its head and its envelope. The hot path.
    pub fn frame(
        &mut self,
        _now: Now,
        _socket: SocketId,
        _len: usize,
        _head: Head,
        _envelope: &Envelope<'_>,
    ) -> Verdict {
        Verdict(Verdict::DELIVER)
    }

    /// Anything else happened. Infallible: trouble becomes an event.
    pub fn handle(&mut self, _now: Now, _input: Input) {}

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// When [`Input::Tick`] is due at the latest, on the clock of [`Now::mono`].
    pub fn deadline(&self) -> Option<u64> {
        None
    }

    /// The last known picture of a topic.
    pub fn snapshot(&self, _topic: &str) -> Option<&Snapshot> {
        let _ = &self.config;
        None
    }
}
