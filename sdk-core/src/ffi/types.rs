//! States, pictures and counts, as records.

use std::collections::HashMap;

use crate::event::{self, WhyKind};
use crate::messages::{self, Json};
use crate::snapshot::Phase;
use crate::{client, io, machine, snapshot};

/// A number as languages without unsigned ones have it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Why a state is what it is, and what would help.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Why {
    /// The kind of trouble.
    pub kind: WhyKind,
    /// What happened, for people, without secrets.
    pub text: String,
    /// The close code, HTTP status or error code behind it.
    pub code: Option<String>,
    /// Since when, Unix ms.
    pub since: i64,
    /// What would help.
    pub help: String,
}

impl From<event::Why> for Why {
    fn from(why: event::Why) -> Self {
        let event::Why { kind, text, code, since, help } = why;
        Self { kind, text, code, since: signed(since), help: help.into() }
    }
}

/// The state of the connection; on TherapyBridge of the client's best one.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
pub enum ConnectionState {
    /// Nothing is wanted.
    Idle,
    /// A token is fetched or a socket opened.
    Connecting,
    /// The socket is open, the handshake is not yet done.
    Authenticating,
    /// Messages flow.
    Ready {
        /// How many attempts it took.
        attempts: i64,
        /// How long it was down before, ms.
        down_ms: i64,
        /// The server's id of this connection, where it has one.
        connection_id: Option<String>,
    },
    /// The connection is lost; the next attempt is planned.
    Waiting {
        /// Which attempt comes next, from 1.
        attempt: i64,
        /// When, Unix ms.
        until: i64,
        /// Why.
        why: Why,
    },
    /// The host says there is no network.
    Offline,
    /// The app is in the background.
    Suspended,
    /// Another connection of this user has the place; only taking over goes on.
    Displaced {
        /// What the server said.
        why: Why,
    },
    /// It will not go on by itself; connecting or, where the token is to blame, a new token re-arms it.
    Failed {
        /// Why.
        why: Why,
    },
    /// The client was shut down.
    Closed,
}

impl From<event::ConnectionState> for ConnectionState {
    fn from(state: event::ConnectionState) -> Self {
        use event::ConnectionState as Core;
        match state {
            Core::Idle => Self::Idle,
            Core::Connecting => Self::Connecting,
            Core::Authenticating => Self::Authenticating,
            Core::Ready { attempts, down_ms, connection_id } => {
                Self::Ready { attempts: attempts.into(), down_ms: signed(down_ms), connection_id }
            }
            Core::Waiting { attempt, until, why } => {
                Self::Waiting { attempt: attempt.into(), until: signed(until), why: why.into() }
            }
            Core::Offline => Self::Offline,
            Core::Suspended => Self::Suspended,
            Core::Displaced { why } => Self::Displaced { why: why.into() },
            Core::Failed { why } => Self::Failed { why: why.into() },
            Core::Closed => Self::Closed,
        }
    }
}

/// The state of a subscription.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
pub enum SubscriptionState {
    /// Asked for, not yet confirmed on this connection.
    Pending,
    /// The server has confirmed it.
    Live,
    /// The server will not have it; asked again only by a new subscribe.
    Refused {
        /// Why.
        why: Why,
    },
    /// The topic has ended.
    Ended,
}

impl From<event::SubscriptionState> for SubscriptionState {
    fn from(state: event::SubscriptionState) -> Self {
        use event::SubscriptionState as Core;
        match state {
            Core::Pending => Self::Pending,
            Core::Live => Self::Live,
            Core::Refused { why } => Self::Refused { why: why.into() },
            Core::Ended => Self::Ended,
        }
    }
}

/// One of several things a topic holds.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Item {
    /// Its id: a story, an export, a model's name, a clarification, a stage.
    pub id: String,
    /// What it is: `story`, `export`, `model`, `clarification`, `stage`, `upload`, `analysis`.
    pub kind: String,
    /// How far it is.
    pub phase: Phase,
    /// 0.0–1.0.
    pub progress: Option<f64>,
    /// What the service says about it.
    pub message: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// The service's time of the last change, Unix ms.
    pub updated_at: Option<f64>,
}

impl From<&snapshot::Item> for Item {
    fn from(item: &snapshot::Item) -> Self {
        let snapshot::Item { id, kind, phase, progress, message, error, updated_at } = item.clone();
        Self { id, kind: kind.into(), phase, progress, message, error, updated_at }
    }
}

/// The last known picture of a topic, one shape for all services.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Snapshot {
    /// The topic.
    pub topic: String,
    /// How far it is.
    pub phase: Phase,
    /// 0.0–1.0; of the current phase on Charisma, of the whole elsewhere.
    pub progress: Option<f64>,
    /// What the service says.
    pub message: Option<String>,
    /// The estimated time that is left, ms.
    pub eta_ms: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether the topic has ended.
    pub terminal: bool,
    /// The service's time of the last change, Unix ms.
    pub updated_at: Option<f64>,
    /// Since when the picture may be old because the topic is not live, Unix ms.
    pub stale_since: Option<i64>,
    /// The things the topic holds.
    pub items: Vec<Item>,
    /// The payload of the last message that changed it: one JSON value.
    pub raw: Option<Json>,
}

impl From<&client::TopicSnapshot> for Snapshot {
    fn from(of: &client::TopicSnapshot) -> Self {
        let snapshot = &of.snapshot;
        Self {
            topic: snapshot.topic.clone(),
            phase: snapshot.phase,
            progress: snapshot.progress,
            message: snapshot.message.clone(),
            eta_ms: snapshot.eta_ms.map(signed),
            error: snapshot.error.clone(),
            terminal: snapshot.terminal,
            updated_at: snapshot.updated_at,
            stale_since: snapshot.stale_since.map(signed),
            items: snapshot.items.iter().map(Into::into).collect(),
            raw: of.raw.clone(),
        }
    }
}

/// A message of the service, with what is the same for all services in front.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Message {
    /// Its name as sent, also if this SDK does not know it.
    pub name: String,
    /// The topic it is about; none if it is about the connection.
    pub topic: Option<String>,
    /// Its progress as 0.0–1.0, if it tells one; the raw number is in the data.
    pub progress: Option<f64>,
    /// When the service says it happened, Unix ms with fractions.
    pub at: Option<f64>,
    /// It is older than what the snapshot shows.
    pub outdated: bool,
    /// It makes up for something missed while the connection was down.
    pub recovered: bool,
    /// The message itself.
    pub data: messages::Message,
    /// The payload as sent, with the fields this SDK does not know: one JSON value.
    pub raw: Json,
}

impl From<&client::Message> for Message {
    fn from(message: &client::Message) -> Self {
        let client::Message { topic, progress, at, outdated, recovered, data, raw } = message.clone();
        let (name, topic) = (data.name().to_owned(), topic.map(|topic| topic.to_string()));
        Self { name, topic, progress, at, outdated, recovered, data, raw }
    }
}

/// What made a frame unreadable.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Violation {
    /// What was wrong, for people.
    pub reason: String,
    /// The beginning of the frame, at most 256 bytes, without a token.
    pub excerpt: String,
}

impl From<&io::Violation> for Violation {
    fn from(violation: &io::Violation) -> Self {
        Self { reason: violation.reason.clone(), excerpt: violation.excerpt.clone() }
    }
}

/// A report that can be pasted into a ticket.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Diagnosis {
    /// For people.
    pub text: String,
    /// The same as one JSON object.
    pub json: String,
}

/// What a client has counted since it was made.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Stats {
    /// Attempts to connect.
    pub attempts: i64,
    /// How often a connection became ready after the first time.
    pub reconnects: i64,
    /// Attempts and connections that failed, by kind.
    pub failures: HashMap<WhyKind, i64>,
    /// How often a token was refused.
    pub auth_failures: i64,
    /// Connections that ended although they were still wanted.
    pub unexpected_closes: i64,
    /// Frames received.
    pub frames_in: i64,
    /// Messages sent.
    pub frames_out: i64,
    /// Bytes of frames received.
    pub bytes_in: i64,
    /// Bytes of messages sent.
    pub bytes_out: i64,
    /// Frames that could not be read.
    pub violations: i64,
    /// Frames not delivered because their topic had ended or another socket has it.
    pub dropped: i64,
    /// Events that readers skipped because they were too slow.
    pub skipped: i64,
    /// The last time from a question to its answer, ms.
    pub last_round_trip_ms: Option<i64>,
    /// Messages that may still be sent in this minute, where the service limits them.
    pub budget_left: Option<i64>,
}

impl From<machine::Stats> for Stats {
    fn from(stats: machine::Stats) -> Self {
        Self {
            attempts: signed(stats.attempts),
            reconnects: signed(stats.reconnects),
            failures: stats.failures.into_iter().map(|(kind, count)| (kind, signed(count))).collect(),
            auth_failures: signed(stats.auth_failures),
            unexpected_closes: signed(stats.unexpected_closes),
            frames_in: signed(stats.frames_in),
            frames_out: signed(stats.frames_out),
            bytes_in: signed(stats.bytes_in),
            bytes_out: signed(stats.bytes_out),
            violations: signed(stats.violations),
            dropped: signed(stats.dropped),
            skipped: signed(stats.skipped),
            last_round_trip_ms: stats.last_round_trip.map(signed),
            budget_left: stats.budget_left.map(Into::into),
        }
    }
}
