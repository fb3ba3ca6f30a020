//! DevContext's documented list of connection states, seen through the three machines that there really are.
//! [devcontext §8.3]

use super::Machine;
use super::topics::Wire;
use crate::config::Service;
use crate::event::{ConnectionState, InterviewState};

/// A state of DevContext's documented list. It mixes connection, subscription and interview; the first that is true
/// counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum DevContextState {
    /// A shutdown is under way.
    Disconnecting,
    /// The connection has failed.
    Error,
    /// There is no connection.
    Disconnected,
    /// The connection is being made.
    Connecting,
    /// An interview is active.
    InterviewActive,
    /// An interview is paused.
    InterviewPaused,
    /// An analysis is subscribed.
    Subscribed,
    /// The connection is ready, and nothing more.
    Connected,
}

impl DevContextState {
    /// The name as documented.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disconnecting => "disconnecting",
            Self::Error => "error",
            Self::Disconnected => "disconnected",
            Self::Connecting => "connecting",
            Self::InterviewActive => "interview_active",
            Self::InterviewPaused => "interview_paused",
            Self::Subscribed => "subscribed",
            Self::Connected => "connected",
        }
    }
}

impl Machine {
    /// The client's state in the words of DevContext's documentation; `None` for the other services. A client that was
    /// shut down is `Disconnecting` until its host has closed everything.
    pub fn devcontext_state(&self) -> Option<DevContextState> {
        if self.config.service != Service::DevContext {
            return None;
        }
        let in_interview = |wanted: fn(InterviewState) -> bool| {
            self.topics.values().any(|topic| topic.interview.is_some_and(wanted))
        };
        Some(match &self.said {
            ConnectionState::Closed => DevContextState::Disconnecting,
            ConnectionState::Failed { .. } => DevContextState::Error,
            ConnectionState::Connecting | ConnectionState::Authenticating => DevContextState::Connecting,
            ConnectionState::Ready { .. } => {
                if in_interview(|state| state == InterviewState::Active) {
                    DevContextState::InterviewActive
                } else if in_interview(|state| matches!(state, InterviewState::Paused { .. })) {
                    DevContextState::InterviewPaused
                } else if self
                    .topics
                    .values()
                    .any(|topic| topic.interview.is_none() && matches!(topic.wire, Wire::Active(_)))
                {
                    DevContextState::Subscribed
                } else {
                    DevContextState::Connected
                }
            }
            _ => DevContextState::Disconnected,
        })
    }
}
