//! A link is one connection slot: the client, or one session where each has its own connection. It holds the
//! connection in use, perhaps one that is to replace it, and what both leave behind.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::backoff::Backoff;
use super::throttle::Throttle;
use crate::command::CommandId;
use crate::dialect::Ask;
use crate::event::Why;
use crate::io::{FrameId, SocketId, Token};
use crate::map::Map;
use crate::time::Now;

/// Where a connection is in its life. A deadline lives in the stage that needs it, so leaving the stage drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for a token.
    Token { force: bool },
    /// The host opens a socket.
    Dialing { until: u64 },
    /// The socket is open, the protocol's handshake is under way.
    Handshake { until: u64 },
    /// Messages flow.
    Ready { since: u64, stable: bool },
}

/// What can happen to a connection's stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// There is a token, or none is needed; the host was asked to open a socket.
    Dialed { until: u64 },
    /// The socket is open; whether that is all, or a handshake follows.
    Opened { handshake_until: Option<u64>, now: u64 },
    /// The handshake is done.
    Accepted { now: u64 },
    /// It has been Ready for long enough.
    Lasted,
}

impl Stage {
    /// The stage that follows. What can't happen in a stage changes nothing: hosts may repeat themselves.
    pub(super) const fn after(self, happening: Happening) -> Self {
        match (self, happening) {
            (Self::Token { .. }, Happening::Dialed { until }) => Self::Dialing { until },
            (Self::Dialing { .. }, Happening::Opened { handshake_until: Some(until), .. }) => {
                Self::Handshake { until }
            }
            (Self::Dialing { .. }, Happening::Opened { handshake_until: None, now })
            | (Self::Handshake { .. }, Happening::Accepted { now }) => {
                Self::Ready { since: now, stable: false }
            }
            (Self::Ready { since, .. }, Happening::Lasted) => Self::Ready { since, stable: true },
            (stage, _) => stage,
        }
    }
}

/// A question that the server has not answered yet. It dies with its connection.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    pub what: Awaiting,
    /// The number in its `requestId`.
    pub request: u64,
    pub sent_at: u64,
    pub until: u64,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Awaiting {
    Subscribe {
        topic: String,
        again: bool,
    },
    Unsubscribe {
        topic: String,
    },
    Command {
        id: CommandId,
        ask: Ask,
        key: String,
    },
    /// A new token was sent; whether the user asked for it.
    Authenticate,
    /// A `ping` of our own.
    Ping,
}

impl Awaiting {
    /// Whether a reply of this kind, about this topic, can be the answer, whatever number it repeats.
    pub(super) fn is_answered_by(&self, reply: Ask, about: Option<&str>) -> bool {
        match self {
            Self::Subscribe { topic, .. } => {
                matches!(reply, Ask::Subscribe | Ask::Resume) && about.is_none_or(|about| about == topic)
            }
            Self::Unsubscribe { .. } => reply == Ask::Unsubscribe,
            Self::Command { ask, .. } => reply == *ask,
            Self::Authenticate => reply == Ask::Authenticate,
            Self::Ping => reply == Ask::Ping,
        }
    }
}

/// One connection, from the wish to its end.
#[derive(Debug)]
pub(super) struct Conn {
    pub socket: SocketId,
    pub stage: Stage,
    pub token: Option<Token>,
    /// When the socket opened: a life begins.
    pub opened: Option<u64>,
    /// When bytes last arrived, on both clocks.
    pub heard: u64,
    pub heard_unix: u64,
    /// Whether a frame with data has arrived.
    pub got_data: bool,
    /// The ping interval and timeout of an Engine.IO handshake, ms.
    pub engine: Option<(u64, u64)>,
    pub id: Option<String>,
    #[expect(clippy::vec_box, reason = "what is moved when the list changes is small")]
    pub awaited: Vec<Box<Awaited>>,
    /// By when the answer to a probe must be there.
    pub probe: Option<u64>,
    /// When the next ping of ours is due.
    pub ping_due: Option<u64>,
    /// There is a newer token that the server is to have.
    pub auth_due: bool,
    /// How many tokens all were to use when this connection got its own.
    pub token_set: u32,
    /// The number of the last `authenticate` that was sent on it.
    pub authenticate: u64,
    pub throttle: Throttle,
    pub said_out_of_range: bool,
    pub said_shutdown: bool,
    pub said_expired: bool,
    /// When the connection is replaced by plan.
    pub rotate_at: Option<u64>,
    /// Binary parts that belong to an event that is held.
    pub attachments: u32,
    pub held: Option<FrameId>,
    /// Topics that the server is yet to be told nobody wants.
    pub leaving: Vec<String>,
    /// By when a replaced connection is closed.
    pub drain_until: Option<u64>,
}

impl Conn {
    pub(super) fn new(socket: SocketId, force: bool, now: u64) -> Box<Self> {
        Box::new(Self {
            socket,
            stage: Stage::Token { force },
            token: None,
            opened: None,
            heard: now,
            heard_unix: 0,
            got_data: false,
            engine: None,
            id: None,
            awaited: Vec::new(),
            probe: None,
            ping_due: None,
            auth_due: false,
            token_set: 0,
            authenticate: 0,
            throttle: Throttle::default(),
            said_out_of_range: false,
            said_shutdown: false,
            said_expired: false,
            rotate_at: None,
            attachments: 0,
            held: None,
            leaving: Vec::new(),
            drain_until: None,
        })
    }

    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready { .. })
    }

    /// Bytes arrived: it lives.
    pub(super) const fn hears(&mut self, now: Now) {
        self.heard = now.mono;
        self.heard_unix = now.unix;
        self.probe = None;
    }

    /// Whether the host has been asked for a socket.
    pub(super) const fn has_socket(&self) -> bool {
        !matches!(self.stage, Stage::Token { .. })
    }

    /// Takes the question that this answers out of the list: the one with that number, or without one the first
    /// that fits. A number that is not in the list is that of a question that nobody asks any more.
    pub(super) fn take(&mut self, request: Option<u64>, fits: impl Fn(&Awaiting) -> bool) -> Option<Awaited> {
        let at = self.awaited.iter().position(|awaited| match request {
            Some(request) => awaited.request == request,
            None => fits(&awaited.what),
        })?;
        Some(*self.awaited.remove(at))
    }
}

/// What a link does while it has no connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Rest {
    /// Nothing.
    #[default]
    Idle,
    /// It waits for its next attempt.
    /// (`shown` is `until` as Unix time, fixed so that a state isn't told again when the clocks drift.)
    Waiting { until: u64, shown: u64, not_before: u64, force: bool, why: Why },
    /// The app is in the background.
    Suspended,
    /// Another connection has its place.
    Displaced(Why),
    /// It will not go on by itself.
    Failed(Why),
}

/// One connection slot.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// The topic, where each has its own connection.
    pub topic: Option<String>,
    pub rest: Rest,
    /// The connection in use, or on its way.
    pub live: Option<Box<Conn>>,
    /// The one that is to replace it.
    pub next: Option<Box<Conn>>,
    /// Replaced ones that wait for their last answers.
    #[expect(clippy::vec_box, reason = "a connection moves from one place to another as it is")]
    pub old: Vec<Box<Conn>>,
    pub backoff: Backoff,
    /// Whether it was ever Ready, so that a 404 is a deployment and no wrong URL.
    pub ever_ready: bool,
    /// Since when it has been down, on the steady clock.
    pub down_since: Option<u64>,
    /// The token that was refused since the link was last stable.
    pub strike: Option<Token>,
    /// By what it was refused: the ruling's text and code.
    pub struck_by: Option<(String, Option<String>)>,
    /// A 1008 with an unknown reason since the link was last stable.
    pub policy_strike: bool,
    pub protocol_errors: u32,
    pub server_errors: u32,
    /// Sockets in a row that a browser refused to open without a reason.
    pub opaque: u32,
    /// The topic of which the last connection ended over a message that was too large.
    pub too_large: Option<String>,
    pub kicked_at: Option<u64>,
    /// When a wake-up last found it Ready. If it then proves to be dead, it does not wait either.
    pub woken: Option<u64>,
    /// When to try a planned replacement again after one failed.
    pub replace_at: Option<u64>,
    /// When to close the socket of a topic that has ended.
    pub close_at: Option<u64>,
}

impl Link {
    /// The connection in use if messages flow.
    pub(super) fn ready(&mut self) -> Option<&mut Conn> {
        self.live.as_deref_mut().filter(|conn| conn.is_ready())
    }

    pub(super) fn is_ready(&self) -> bool {
        self.live.as_ref().is_some_and(|conn| conn.is_ready())
    }

    /// All its connections.
    #[inline(never)]
    pub(super) fn conns(&self) -> Vec<&Conn> {
        let mut all: Vec<&Conn> = Vec::new();
        all.extend(self.live.as_deref());
        all.extend(self.next.as_deref());
        all.extend(self.old.iter().map(|conn| &**conn));
        all
    }

    /// Takes all its connections out.
    #[inline(never)]
    #[expect(clippy::vec_box, reason = "as above")]
    pub(super) fn take_all(&mut self) -> Vec<Box<Conn>> {
        let mut all = Vec::new();
        all.extend(self.live.take());
        all.extend(self.next.take());
        all.append(&mut self.old);
        all
    }

    /// Whether the socket is one of its own that the host was asked for.
    pub(super) fn has(&self, socket: SocketId) -> bool {
        self.find(socket).is_some_and(Conn::has_socket)
    }

    /// Takes out the connection with this socket.
    pub(super) fn take(&mut self, socket: SocketId) -> Option<Box<Conn>> {
        let own = |conn: &mut Box<Conn>| conn.socket == socket;
        let old = self.old.iter().position(|conn| conn.socket == socket);
        let old = old.map(|at| self.old.remove(at));
        old.or_else(|| self.live.take_if(own)).or_else(|| self.next.take_if(own))
    }

    /// The connection with this socket.
    #[inline(never)]
    pub(super) fn conn(&mut self, socket: SocketId) -> Option<&mut Conn> {
        for place in [&mut self.live, &mut self.next] {
            if let Some(conn) = place
                && conn.socket == socket
            {
                return Some(conn);
            }
        }
        self.old.iter_mut().find(|conn| conn.socket == socket).map(|conn| &mut **conn)
    }

    /// The connection with this socket, to look at.
    #[inline(never)]
    pub(super) fn find(&self, socket: SocketId) -> Option<&Conn> {
        for conn in [&self.live, &self.next].into_iter().flatten() {
            if conn.socket == socket {
                return Some(conn);
            }
        }
        self.old.iter().find(|conn| conn.socket == socket).map(|conn| &**conn)
    }
}

/// All links, by their numbers.
pub(super) type Links = Map<u32, Box<Link>>;

/// The connection with this socket, of this link.
#[inline(never)]
pub(super) fn conn_at(links: &mut Links, id: u32, socket: SocketId) -> Option<&mut Conn> {
    links.get_mut(&id)?.conn(socket)
}

/// The connection in use of this link if messages flow.
#[inline(never)]
pub(super) fn ready_at(links: &mut Links, id: u32) -> Option<&mut Conn> {
    links.get_mut(&id)?.ready()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_follows_only_from_its_own_happenings() {
        let token = Stage::Token { force: false };
        let dialing = token.after(Happening::Dialed { until: 5 });
        assert_eq!(dialing, Stage::Dialing { until: 5 });
        assert_eq!(dialing.after(Happening::Accepted { now: 1 }), dialing);
        let handshake = dialing.after(Happening::Opened { handshake_until: Some(9), now: 1 });
        assert_eq!(handshake, Stage::Handshake { until: 9 });
        let ready = handshake.after(Happening::Accepted { now: 2 });
        assert_eq!(ready, Stage::Ready { since: 2, stable: false });
        assert_eq!(ready.after(Happening::Opened { handshake_until: None, now: 3 }), ready);
        assert_eq!(ready.after(Happening::Lasted), Stage::Ready { since: 2, stable: true });
    }
}
