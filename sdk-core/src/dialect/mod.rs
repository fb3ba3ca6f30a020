//! The five services' grammars: what a frame means, how a wish is written, and each service's policy as data.
//!
//! A dialect sees envelopes and wishes, never a socket, a timer or JSON. A new service is one file here, one in
//! `messages/`, one line in [`of`], and its vectors.

mod charisma;
mod devcontext;
mod docproc;
mod saga;
mod therapybridge;

use alloc::string::String;

use crate::command::SessionType;
use crate::config::{AuthMode, Service};
use crate::envelope::{Envelope, Stages};
use crate::snapshot::Phase;

/// The grammar of a service.
pub(crate) fn of(service: Service) -> &'static dyn Dialect {
    match service {
        Service::Charisma => &charisma::Charisma,
        Service::TherapyBridge => &therapybridge::TherapyBridge,
        Service::Saga => &saga::Saga,
        Service::DocProc => &docproc::DocProc,
        Service::DevContext => &devcontext::DevContext,
    }
}

/// One service's grammar.
pub(crate) trait Dialect: Sync {
    /// The service's policy.
    fn profile(&self) -> &'static Profile;
    /// What a frame means.
    fn received(&self, envelope: &Envelope<'_>) -> Signal;
    /// A wish as the text of a message; `None` if the service has no such message.
    fn encode(&self, wish: &Outgoing<'_>, stamp: &Stamp<'_>) -> Option<String>;
}

/// A service's policy as data, so that the five can be laid side by side. [rules §1]
#[derive(Debug)]
pub(crate) struct Profile {
    /// The service.
    pub service: Service,
    /// The known socket path, appended to the base URL unless it is there.
    pub path: &'static str,
    /// Whether messages are Socket.IO packets.
    pub socketio: bool,
    /// Whether each topic has a connection of its own, confirmed by its being open.
    pub per_topic: bool,
    /// How the token travels by default where headers can be set, and in a browser.
    pub auth: [AuthMode; 2],
    /// The ways the service knows at all; empty for Socket.IO, which has one.
    pub auth_modes: &'static [AuthMode],
    /// Whether the service takes a new token on an open connection.
    pub auth_in_band: bool,
    /// Whether an `authenticate` message is answered.
    pub auth_answered: bool,
    /// How the server shows that it is alive.
    pub liveness: Liveness,
    /// What a probe is where WebSocket pings can't be sent.
    pub probe: Option<Probe>,
    /// Whose messages the service counts.
    pub rate: Option<RateScope>,
    /// Whether one subscribe must be answered before the next is sent.
    pub one_at_a_time: bool,
    /// Whether confirmation or a first frame gives the current state again after a gap.
    pub recovers: Recovers,
    /// Whether the connection is replaced after a while.
    pub rotates: bool,
    /// The largest message either way, bytes.
    pub max_message: usize,
    /// What a progress of 1 looks like on the wire.
    pub full_progress: f64,
}

/// How the server shows that it is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// It pings (by WebSocket ping or message) each `interval` ms; silent for `limit` ms, it is dead.
    ServerPings { interval: u64, limit: u64, in_messages: bool },
    /// It pings as its Engine.IO handshake says.
    Engine,
    /// It answers our pings.
    ClientPings,
}

/// What is sent to see whether a server still answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Authenticate,
    Ping,
}

/// Whose messages the service counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RateScope {
    Client,
    Connection,
}

/// What a service tells about the time that was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovers {
    Nothing,
    /// The confirmation itself carries the state.
    Confirmation,
    /// The state follows as the first frame.
    FirstFrame,
}

/// What can be asked of a server so that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Authenticate,
    Subscribe,
    Unsubscribe,
    Ping,
    Start,
    Answer,
    Pause,
    Resume,
}

/// What a frame means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Signal {
    /// It answers a question, and may say how the topic stands.
    Reply(Ask, Option<Update>),
    /// It says how a topic stands.
    Update(Update),
    /// It reports an error.
    Fault(Fault),
    /// The server asks whether we are there; answer with [`Outgoing::Pong`].
    Ping,
    /// The server is about to go down.
    Shutdown,
    /// Nothing that a decision depends on.
    Other,
}

/// How a topic stands, or one of the things it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Update {
    /// Whether the topic is an interview.
    pub interview: bool,
    /// The new phase, of the item if there is one, else of the topic.
    pub phase: Option<Phase>,
    /// What kind of item the frame speaks of; its id is the envelope's `item`, or the kind itself.
    pub item: Option<&'static str>,
    /// Whether the item's phase and progress are the topic's as well.
    pub whole: bool,
    /// Whether the topic ends with it.
    pub end: End,
    /// Whether an older phase may follow: a new export, a failure that may be retried.
    pub restarts: bool,
    /// Stages that are known to be done.
    pub stages: Stages,
}

/// Whether a topic ends with a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// It goes on.
    #[default]
    No,
    /// It ends.
    Yes,
    /// It ends, and of two frames that say so the one with the result is the one to deliver.
    Twice,
}

/// An error that the server reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    /// It can be the refusal of a subscribe or command that waits for an answer.
    pub refuses: bool,
    /// It refuses only a topic that was never live; later it reports an error that ends nothing.
    pub once_only: bool,
    /// It names no id, so it belongs to the oldest that waits.
    pub oldest: bool,
    /// It says that the token is no good.
    pub auth: bool,
    /// It says that there were too many messages.
    pub limited: bool,
    /// It ends its topic if it refuses nothing.
    pub ends: bool,
    /// Whether the same may succeed later, by the frame or the service's table.
    pub retryable: bool,
}

/// A wish, before it is text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outgoing<'a> {
    Authenticate { token: &'a str },
    Subscribe { topic: &'a str },
    Unsubscribe { topic: &'a str },
    Ping,
    Pong,
    StartInterview { analysis: &'a str, session_type: SessionType },
    SubmitAnswer { session: &'a str, question: &'a str, answer: &'a str },
    PauseInterview { session: &'a str },
    ResumeInterview { session: &'a str },
    Raw { kind: &'a str, payload: &'a str },
}

/// What a message is stamped with where the service wants it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp<'a> {
    /// Unix time in ms.
    pub unix: u64,
    /// The id that a reply repeats.
    pub request: &'a str,
}

/// A message of this kind, which the service reads from the field `name`. `payload` is JSON already, empty for none.
fn write_raw(name: &str, kind: &str, payload: &str) -> String {
    crate::json::object(|o| {
        let o = o.text(name, kind);
        if payload.is_empty() { o } else { o.raw("payload", payload) }
    })
}

/// The same text whatever its case; codes and reasons are compared so.
pub(crate) fn is_code(code: Option<&str>, any_of: &[&str]) -> bool {
    code.is_some_and(|code| any_of.iter().any(|known| known.eq_ignore_ascii_case(code)))
}
