//! What the machine tells the app, besides the messages themselves.

use alloc::string::String;
use core::fmt;

use crate::envelope::{Kind, Stage};
use crate::io::{HttpId, Violation};
use crate::text::{Piece, text};

/// What kind of trouble stands behind a waiting, refused or failed state. [rules §2.11]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum WhyKind {
    /// The server could not be reached, or the connection was lost.
    Network,
    /// The dial, the handshake or a confirmation took too long.
    Timeout,
    /// Nothing was heard from the server for too long.
    Silence,
    /// The certificate was refused, or the port does not speak TLS.
    Tls,
    /// The server restarts.
    Restart,
    /// The token was refused.
    Auth,
    /// The token provider did not give a token.
    TokenProvider,
    /// The token is good, but this is not allowed.
    NotAllowed,
    /// No such thing: a topic the server doesn't know.
    NotFound,
    /// The URL or an option is wrong.
    Configuration,
    /// Another connection of the same user has the place.
    Displaced,
    /// The server has too much to do, or a rate limit was met.
    Overloaded,
    /// The server closed for a reason of its own (1008).
    Policy,
    /// A message was too large.
    TooLarge,
    /// The server failed (1011, 5xx).
    ServerError,
    /// The server broke the protocol.
    Protocol,
    /// The server disconnected this client on purpose.
    Kicked,
    /// The server accepts and then closes, again and again.
    Flapping,
    /// The browser hides why; it keeps failing while others work.
    Opaque,
    /// Reconnecting is switched off, or its maximum is reached.
    GaveUp,
    /// The service itself reported a failure.
    Service,
}

impl WhyKind {
    /// The name, as shown to people and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "Network",
            Self::Timeout => "Timeout",
            Self::Silence => "Silence",
            Self::Tls => "Tls",
            Self::Restart => "Restart",
            Self::Auth => "AuthFailed",
            Self::TokenProvider => "TokenProvider",
            Self::NotAllowed => "NotAllowed",
            Self::NotFound => "NotFound",
            Self::Configuration => "Configuration",
            Self::Displaced => "Displaced",
            Self::Overloaded => "Overloaded",
            Self::Policy => "Policy",
            Self::TooLarge => "TooLarge",
            Self::ServerError => "ServerError",
            Self::Protocol => "Protocol",
            Self::Kicked => "Kicked",
            Self::Flapping => "Flapping",
            Self::Opaque => "Opaque",
            Self::GaveUp => "GaveUp",
            Self::Service => "Service",
        }
    }
}

/// Why a state is what it is, and what would help.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// The kind of trouble.
    pub kind: WhyKind,
    /// What happened, for people, without secrets.
    pub text: String,
    /// The close code, HTTP status or error code behind it.
    pub code: Option<String>,
    /// Since when, Unix ms.
    pub since: u64,
    /// What would help.
    pub help: &'static str,
}

impl Piece for Why {
    fn put(&self, out: &mut String) {
        out.push_str(&self.text);
        if let Some(code) = self.code.as_deref().filter(|code| !self.text.ends_with(code)) {
            for part in [" (", code, ")"] {
                out.push_str(part);
            }
        }
        if !self.help.is_empty() {
            out.push_str(if matches!(out.as_bytes().last(), Some(b'.' | b'!' | b'?')) { " " } else { ". " });
            out.push_str(self.help);
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text![self])
    }
}

/// The state of the connection; on TherapyBridge of the client's best one. [rules §2.12]
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ConnectionState {
    /// Nothing is wanted.
    #[default]
    Idle,
    /// A token is fetched or a socket opened.
    Connecting,
    /// The socket is open, the handshake is not yet done.
    Authenticating,
    /// Messages flow.
    Ready {
        /// How many attempts it took.
        attempts: u32,
        /// How long it took, ms: from the loss of the last connection, or from the first attempt.
        down_ms: u64,
        /// The server's id of this connection, where it has one.
        connection_id: Option<String>,
    },
    /// The connection is lost; the next attempt is planned.
    Waiting {
        /// Which attempt comes next since messages last flowed; the very first dial is attempt 1.
        attempt: u32,
        /// When, Unix ms.
        until: u64,
        /// Why.
        why: Why,
    },
    /// The host says there is no network.
    Offline,
    /// The app is in the background.
    Suspended,
    /// Another connection of this user has the place; only `take_over` goes on.
    Displaced {
        /// What the server said.
        why: Why,
    },
    /// It will not go on by itself; `connect` or, where the token is to blame, `set_token` re-arms it.
    Failed {
        /// Why.
        why: Why,
    },
    /// The client was shut down.
    Closed,
}

impl ConnectionState {
    /// The name, as shown to people and in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Authenticating => "authenticating",
            Self::Ready { .. } => "ready",
            Self::Waiting { .. } => "waiting",
            Self::Offline => "offline",
            Self::Suspended => "suspended",
            Self::Displaced { .. } => "displaced",
            Self::Failed { .. } => "failed",
            Self::Closed => "closed",
        }
    }

    /// Why it waits or stopped, if it does.
    pub const fn why(&self) -> Option<&Why> {
        match self {
            Self::Waiting { why, .. } | Self::Displaced { why } | Self::Failed { why } => Some(why),
            _ => None,
        }
    }
}

/// The state of a subscription. [rules §2.12]
#[derive(Clone, Debug, Default, PartialEq)]
pub enum SubscriptionState {
    /// Asked for, not yet confirmed on this connection.
    #[default]
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

impl SubscriptionState {
    /// The name, as shown to people and in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Live => "live",
            Self::Refused { .. } => "refused",
            Self::Ended => "ended",
        }
    }
}

/// The state of a DevContext interview. [rules §2.12]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum InterviewState {
    /// Asked for, or to be resumed on this connection.
    Starting,
    /// Questions come and answers go.
    Active,
    /// Paused; stays so through reconnects.
    Paused {
        /// Whether the service says that it can go on.
        can_resume: bool,
    },
    /// Over.
    Complete,
    /// Lost: the service no longer knows it, or refused it.
    Failed,
}

impl InterviewState {
    /// The name, as shown to people and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Active => "active",
            Self::Paused { .. } => "paused",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

/// Something the app should know that is neither a state nor a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum NoticeKind {
    /// The provider gave the token that is about to expire once more.
    TokenNotRefreshed,
    /// A fresh token looks expired already: the clock of this machine may be wrong.
    ClockSuspect,
    /// Five failures of the server in a row without data.
    ServerUnhealthy,
    /// The server closed with 1008 for a reason this SDK doesn't know.
    ServerPolicy,
    /// The service's rate limit was met; subscribing and commands pause.
    RateLimited,
    /// A number was out of range and has been clamped; said once per connection.
    OutOfRange,
    /// The server reported an error that concerns the connection, not a topic.
    ServerError,
    /// The server says that it will shut down.
    ServerShutdown,
}

impl NoticeKind {
    /// The name, as shown to people and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenNotRefreshed => "TokenNotRefreshed",
            Self::ClockSuspect => "ClockSuspect",
            Self::ServerUnhealthy => "ServerUnhealthy",
            Self::ServerPolicy => "ServerPolicy",
            Self::RateLimited => "RateLimited",
            Self::OutOfRange => "OutOfRange",
            Self::ServerError => "ServerError",
            Self::ServerShutdown => "ServerShutdown",
        }
    }
}

/// What the machine tells the app, besides the messages themselves.
#[derive(Clone, Debug, PartialEq)]
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
    /// A message that does not stand in a frame of its own but follows from one: a stage learned late.
    Derived {
        /// The topic.
        topic: String,
        /// What it would have been.
        kind: Kind,
        /// The stage.
        stage: Stage,
        /// The overall progress known with it, 0.0–1.0.
        progress: Option<f64>,
        /// When the frame that told it was made, Unix ms.
        at: Option<f64>,
    },
    /// The topic's snapshot changed without a message: it became stale or fresh, or an item was settled.
    Snapshot {
        /// The topic.
        topic: String,
    },
    /// The topic was not live for a while and may have missed something. [rules §2.4]
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
    /// The topic was fetched by REST because one of its stages is done; the edge still has the body.
    Fetched {
        /// The topic.
        topic: String,
        /// The request whose body it is.
        http: HttpId,
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
}
