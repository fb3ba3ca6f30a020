//! What a client and a subscription tell.

use super::types::signed;
use super::{ConnectionState, Message, Snapshot, SubscriptionState, Violation};
use crate::client::{Event, TopicEvent};
use crate::envelope;
use crate::event::{InterviewState, NoticeKind};
use crate::messages::{Answer, devcontext};

/// What a subscription tells.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum SessionEvent {
    /// The subscription's state changed. After `Refused` and `Ended` nothing more comes.
    State {
        /// Its new state.
        state: SubscriptionState,
    },
    /// A message about the topic.
    Message {
        /// The message.
        message: Message,
    },
    /// A stage of an analysis that was completed while nobody was listening; delivered once.
    RecoveredStage {
        /// The stage.
        stage: devcontext::Stage,
        /// The overall progress known with it, 0.0–1.0.
        progress: Option<f64>,
        /// When the message that told it was made, Unix ms.
        at: Option<f64>,
    },
    /// The picture as it stands: at the start if there is one, after falling behind, and when it became stale or fresh.
    Snapshot {
        /// The picture.
        snapshot: Snapshot,
    },
    /// The state of the interview, if the topic is one.
    Interview {
        /// Its new state.
        state: InterviewState,
    },
    /// The topic was not live for a while and may have missed something.
    Gap {
        /// From when, Unix ms.
        since: i64,
        /// Until when, Unix ms.
        until: i64,
        /// Whether the service gave the current state again.
        recovered: bool,
    },
    /// The topic was fetched by REST, because the option `fetch_on_stage` is set.
    Fetched {
        /// What was fetched.
        answer: Answer,
    },
    /// This reader was too slow and missed this many events of the client; the current state and picture follow.
    Lagged {
        /// How many.
        skipped: i64,
    },
}

impl From<&TopicEvent> for SessionEvent {
    fn from(event: &TopicEvent) -> Self {
        match event {
            TopicEvent::State(state) => Self::State { state: state.clone().into() },
            TopicEvent::Message(message) => Self::Message { message: message.as_ref().into() },
            TopicEvent::RecoveredStage { stage, progress, at } => {
                Self::RecoveredStage { stage: named(*stage), progress: *progress, at: *at }
            }
            TopicEvent::Snapshot(snapshot) => Self::Snapshot { snapshot: snapshot.as_ref().into() },
            TopicEvent::Interview(state) => Self::Interview { state: *state },
            TopicEvent::Gap { since, until, recovered } => {
                Self::Gap { since: signed(*since), until: signed(*until), recovered: *recovered }
            }
            TopicEvent::Fetched(answer) => Self::Fetched { answer: answer.as_ref().clone() },
            TopicEvent::Lagged { skipped } => Self::Lagged { skipped: signed(*skipped) },
        }
    }
}

/// What a client tells.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum ClientEvent {
    /// The connection's state changed.
    State {
        /// Its new state.
        state: ConnectionState,
    },
    /// A subscription's state changed.
    Subscription {
        /// The topic.
        topic: String,
        /// Its new state.
        state: SubscriptionState,
    },
    /// An interview's state changed.
    Interview {
        /// The interview.
        session_id: String,
        /// Its new state.
        state: InterviewState,
    },
    /// A message of the service.
    Message {
        /// The message.
        message: Message,
    },
    /// A stage of an analysis that was completed while nobody was listening; delivered once.
    RecoveredStage {
        /// The analysis.
        topic: String,
        /// The stage.
        stage: devcontext::Stage,
        /// The overall progress known with it, 0.0–1.0.
        progress: Option<f64>,
        /// When the message that told it was made, Unix ms.
        at: Option<f64>,
    },
    /// A topic's picture changed without a message: it became stale or fresh.
    Snapshot {
        /// The picture.
        snapshot: Snapshot,
    },
    /// A topic was not live for a while and may have missed something.
    Gap {
        /// The topic.
        topic: String,
        /// From when, Unix ms.
        since: i64,
        /// Until when, Unix ms.
        until: i64,
        /// Whether the service gave the current state again.
        recovered: bool,
    },
    /// A topic was fetched by REST, because the option `fetch_on_stage` is set.
    Fetched {
        /// The topic.
        topic: String,
        /// What was fetched.
        answer: Answer,
    },
    /// A frame could not be read; the connection stays up.
    ProtocolViolation {
        /// What was wrong with it.
        violation: Violation,
    },
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
        skipped: i64,
    },
}

impl From<&Event> for ClientEvent {
    fn from(event: &Event) -> Self {
        match event {
            Event::State(state) => Self::State { state: state.clone().into() },
            Event::Subscription { topic, state } => {
                Self::Subscription { topic: topic.clone(), state: state.clone().into() }
            }
            Event::Interview { session_id, state } => {
                Self::Interview { session_id: session_id.clone(), state: *state }
            }
            Event::Message(message) => Self::Message { message: message.as_ref().into() },
            Event::RecoveredStage { topic, stage, progress, at } => Self::RecoveredStage {
                topic: topic.clone(),
                stage: named(*stage),
                progress: *progress,
                at: *at,
            },
            Event::Snapshot(snapshot) => Self::Snapshot { snapshot: snapshot.as_ref().into() },
            Event::Gap { topic, since, until, recovered } => Self::Gap {
                topic: topic.clone(),
                since: signed(*since),
                until: signed(*until),
                recovered: *recovered,
            },
            Event::Fetched { topic, answer } => {
                Self::Fetched { topic: topic.clone(), answer: answer.as_ref().clone() }
            }
            Event::ProtocolViolation(violation) => Self::ProtocolViolation { violation: violation.into() },
            Event::Notice { kind, text } => Self::Notice { kind: *kind, text: text.clone() },
            Event::Lagged { skipped } => Self::Lagged { skipped: signed(*skipped) },
        }
    }
}

/// A stage in DevContext's own words.
fn named(stage: envelope::Stage) -> devcontext::Stage {
    stage.name().into()
}
