//! What a client tells its app.

use std::sync::Arc;

use crate::envelope::Stage;
use crate::event::{ConnectionState, InterviewState, NoticeKind, SubscriptionState};
use crate::io::Violation;
use crate::messages::{Answer, Json};
use crate::snapshot::Snapshot;

/// A message of the service, with what is the same for all services in front. [rules §2.12]
#[derive(Clone, Debug)]
pub struct Message {
    /// The topic it is about; `None` if it is about the connection.
    pub topic: Option<Arc<str>>,
    /// Its progress as 0.0–1.0, if it tells one; the raw number is in `data`.
    pub progress: Option<f64>,
    /// When the service says it happened, Unix ms with fractions.
    pub at: Option<f64>,
    /// It is older than what the snapshot shows.
    pub outdated: bool,
    /// It makes up for something missed while the connection was down.
    pub recovered: bool,
    /// The message itself.
    pub data: crate::messages::Message,
    /// The payload's JSON as sent, with the fields this SDK doesn't know.
    pub raw: Json,
}

/// Something a client tells its app. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Event {
    /// The connection's state changed.
    State(ConnectionState),
    /// A subscription's state changed.
    Subscription {
        /// The topic.
        topic: String,
        /// Its new state.
        state: SubscriptionState,
    },
    /// An interview's state changed.
    Interview {
        /// The interview's `sessionId`.
        session_id: String,
        /// Its new state.
        state: InterviewState,
    },
    /// A message of the service.
    Message(Arc<Message>),
    /// A stage of an analysis that was completed while nobody was listening; delivered once. [devcontext §4.3]
    RecoveredStage {
        /// The analysis.
        topic: String,
        /// The stage.
        stage: Stage,
        /// The overall progress known with it, 0.0–1.0.
        progress: Option<f64>,
        /// When the message that told it was made, Unix ms.
        at: Option<f64>,
    },
    /// A topic's picture changed without a message: it became stale or fresh.
    Snapshot(Arc<TopicSnapshot>),
    /// A topic was not live for a while and may have missed something.
    Gap {
        /// The topic.
        topic: String,
        /// From when, Unix ms.
        since: u64,
        /// Until when, Unix ms.
        until: u64,
        /// Whether the service gave the current state again.
        recovered: bool,
    },
    /// A topic was fetched by REST, because the option `fetch_on_stage` is set.
    Fetched {
        /// The topic.
        topic: String,
        /// What was fetched.
        answer: Arc<Answer>,
    },
    /// A frame could not be read; the connection stays up.
    ProtocolViolation(Violation),
    /// Something the app should know.
    Notice {
        /// What.
        kind: NoticeKind,
        /// For people, without secrets.
        text: String,
    },
    /// This reader was too slow and missed this many events; the current states and pictures follow.
    Lagged {
        /// How many.
        skipped: u64,
    },
}

impl Event {
    /// The topic it is about, if it is about one.
    pub fn topic(&self) -> Option<&str> {
        match self {
            Self::Subscription { topic, .. }
            | Self::Interview { session_id: topic, .. }
            | Self::RecoveredStage { topic, .. }
            | Self::Gap { topic, .. }
            | Self::Fetched { topic, .. } => Some(topic),
            Self::Message(message) => message.topic.as_deref(),
            Self::Snapshot(snapshot) => Some(&snapshot.topic),
            _ => None,
        }
    }

    /// About how much memory it holds, for the bound of the ring.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            // Typed fields take about as much as the text they were read from.
            Self::Message(message) => 128 + 2 * message.raw.as_str().len(),
            Self::State(state) => 256 + state.why().map_or(0, |why| why.text.len()),
            Self::Subscription { state: SubscriptionState::Refused { why }, .. } => 256 + why.text.len(),
            Self::Snapshot(snapshot) => {
                let items = snapshot.items.iter().map(|item| {
                    let texts = item.message.iter().chain(&item.error).map(String::len).sum::<usize>();
                    160 + item.id.len() + texts
                });
                let texts = snapshot.message.iter().chain(&snapshot.error).map(String::len).sum::<usize>();
                let raw = snapshot.raw.as_ref().map_or(0, |raw| raw.as_str().len());
                256 + items.sum::<usize>() + texts + raw
            }
            Self::Notice { text, .. } => 128 + text.len(),
            Self::ProtocolViolation(violation) => 128 + violation.reason.len() + violation.excerpt.len(),
            _ => 256,
        }
    }
}

/// The last known picture of a topic, with the payload it was last changed by.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicSnapshot {
    /// The picture.
    pub snapshot: Snapshot,
    /// The payload of the last message that changed it.
    pub raw: Option<Json>,
}

impl std::ops::Deref for TopicSnapshot {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

/// The good outcome of a command.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// The message that answered it, if one did.
    pub message: Option<Arc<Message>>,
    /// The answer to a REST request.
    pub answer: Option<Answer>,
    /// From the write to the answer, ms.
    pub elapsed_ms: u64,
}
