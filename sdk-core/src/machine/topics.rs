//! Topics: what live handles ask for, and how far the wire has confirmed it. [rules §2.5]

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::picture::Seen;
use super::repeat::Repeat;
use crate::envelope::Stages;
use crate::event::{InterviewState, SubscriptionState, Why};
use crate::io::{FrameId, SocketId};
use crate::map::Map;
use crate::snapshot::Snapshot;

/// How far the wire is with a topic. `Wished` and `Asked` are `Pending` to the app.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Wire {
    /// Wanted, not asked on the connection in use.
    #[default]
    Wished,
    /// Asked on this socket.
    Asked(SocketId),
    /// Confirmed on this socket.
    Active(SocketId),
    /// The server will not have it.
    Refused(Why),
    /// It is over.
    Ended,
}

/// A frame that says a topic is complete, kept until its result is there or time is up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    pub frame: FrameId,
    pub due: u64,
}

/// One topic: a wish and its picture.
#[derive(Debug, Default)]
pub(super) struct Topic {
    /// How many handles want it.
    pub handles: u32,
    /// In which order it was first wished for.
    pub order: u64,
    /// Whether the subscription outlives the topic's end.
    pub keep: bool,
    pub wire: Wire,
    /// The state of the interview, if the topic is one.
    pub interview: Option<InterviewState>,
    pub snapshot: Snapshot,
    /// What has been seen of it on this connection.
    pub seen: Vec<Seen>,
    /// How many frames have told of it on this connection, save for those that say the same again.
    pub news: u8,
    /// What has had a phase on this connection, by fingerprint; ranks hold only among those.
    pub ranked: Vec<u32>,
    /// Whether a lower phase may follow now.
    pub restarts: bool,
    pub stages: Stages,
    /// The socket it is still confirmed on while it is asked on a replacement.
    pub prior: Option<SocketId>,
    /// Whether it was ever confirmed.
    pub ever_live: bool,
    /// The time of the last bytes before it was lost, Unix ms: a gap is open.
    pub gap_since: Option<u64>,
    /// By when the first frame that closes a gap is expected.
    pub gap_due: Option<u64>,
    /// Nothing was heard since a gap that the service did not fill.
    pub missed: bool,
    /// When the wire's subscription follows the last handle.
    pub linger_until: Option<u64>,
    pub completion: Option<Completion>,
    /// Its last frame, if one like it may go the short way.
    pub repeat: Option<Repeat>,
    /// The state that was last announced.
    pub said: Option<SubscriptionState>,
}

/// The topic of this name, and where it stands. `places` are where topics stood when they last had news, by their last characters.
pub(super) fn near<'a>(
    topics: &'a mut Map<String, Box<Topic>>,
    places: &mut [u16; 16],
    name: &str,
) -> Option<(&'a mut Topic, u32)> {
    let last = name.bytes().next_back()?;
    let place = places.get_mut(usize::from(last % 16))?;
    let topic = topics.get_mut_near(name, place)?;
    Some((topic, u32::from(*place)))
}

impl Topic {
    #[inline(never)]
    pub(super) fn new(name: &str, order: u64) -> Box<Self> {
        let snapshot = Snapshot { topic: name.into(), ..Snapshot::default() };
        Box::new(Self { order, snapshot, ..Self::default() })
    }

    /// Whether it should be confirmed on the wire.
    pub(super) const fn desired(&self) -> bool {
        let wanted = match self.interview {
            Some(state) => matches!(state, InterviewState::Active | InterviewState::Starting),
            None => self.handles > 0 || self.linger_until.is_some(),
        };
        wanted && !matches!(self.wire, Wire::Refused(_) | Wire::Ended)
    }

    /// Whether it is confirmed, also while a replacement is asked.
    pub(super) const fn is_live(&self) -> bool {
        matches!(self.wire, Wire::Active(_)) || self.prior.is_some()
    }

    /// The state as the app sees it.
    pub(super) fn state(&self) -> SubscriptionState {
        match &self.wire {
            Wire::Refused(why) => SubscriptionState::Refused { why: why.clone() },
            Wire::Ended => SubscriptionState::Ended,
            _ if self.is_live() => SubscriptionState::Live,
            _ => SubscriptionState::Pending,
        }
    }

    /// Whether a frame from this socket is this topic's: the replaced one speaks until the new one has confirmed.
    pub(super) fn listens_to(&self, socket: SocketId) -> bool {
        match (&self.wire, self.prior) {
            (_, Some(prior)) => socket == prior,
            (Wire::Asked(own) | Wire::Active(own), None) => socket == *own,
            _ => true,
        }
    }

    /// The connection is gone.
    pub(super) fn lost(&mut self, socket: SocketId, heard_unix: u64) {
        if self.prior == Some(socket) {
            self.prior = None;
            if !matches!(self.wire, Wire::Active(_)) {
                self.gap_since.get_or_insert(heard_unix);
            }
        }
        match self.wire {
            Wire::Active(own) if own == socket => {
                self.gap_since.get_or_insert(heard_unix);
                self.wire = Wire::Wished;
            }
            Wire::Asked(own) if own == socket => self.wire = Wire::Wished,
            _ => {}
        }
        if self.prior.is_none() && matches!(self.wire, Wire::Wished) {
            self.gap_due = None;
        }
    }
}
