//! What an app can ask for, and the one outcome it gets. [rules §2.7]

use alloc::string::String;
use core::fmt;

use crate::io::{FrameId, HttpId, Secret, Token};

/// Names one command; chosen by the caller, each used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub u32);

/// What an app asks of its client.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Connect or retry now: skips any wait, re-arms a failed client. Done at once.
    Connect,
    /// As `Connect`, also when another connection has displaced this one.
    TakeOver,
    /// Use this token from now on; re-arms a client whose authentication failed. Done at once.
    SetToken(Token),
    /// One more handle wants this topic. Done at once, or refused because the id is no usable one.
    Subscribe {
        /// The topic.
        topic: String,
        /// Keep the subscription through the topic's end.
        keep: bool,
    },
    /// One handle fewer wants this topic. Done at once.
    Unsubscribe {
        /// The topic.
        topic: String,
    },
    /// Wait until the client is ready; fails with the reason when it cannot get there by itself.
    WaitReady,
    /// Wait until the topic is live; fails with the reason when it is refused or ended.
    WaitLive {
        /// The topic.
        topic: String,
    },
    /// A message or request of the service.
    Request(Request, Delivery),
    /// Close everything; every waiting command ends `Closed`. Done when nothing is left.
    Shutdown,
}

/// When a request may wait for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Send it now or fail with `NotConnected`.
    FailFast,
    /// Wait for the connection, for at most this many ms.
    WaitReady {
        /// How long it may wait, ms.
        ttl: u64,
    },
}

impl Default for Delivery {
    /// 30 s. [rules §2.7]
    fn default() -> Self {
        Self::WaitReady { ttl: 30_000 }
    }
}

/// What a DevContext interview is for. [devcontext §2.3]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum SessionType {
    /// A live interview.
    #[default]
    Live,
    /// Practice.
    Practice,
}

impl SessionType {
    /// The value on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Practice => "practice",
        }
    }
}

/// A message or request of a service. `Debug` shows no token, password or answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Charisma, DevContext: authenticate again in-band with the client's newest token.
    Authenticate,
    /// Saga, DevContext: ask for a `pong`.
    Ping,
    /// DevContext: begin an interview about an analysis.
    StartInterview {
        /// The analysis.
        analysis_id: String,
        /// Live or practice.
        session_type: SessionType,
    },
    /// DevContext: answer a question. Never sent twice.
    SubmitAnswer {
        /// The interview.
        session_id: String,
        /// The question.
        question_id: String,
        /// The answer.
        answer: Secret,
    },
    /// DevContext: pause an interview.
    PauseInterview {
        /// The interview.
        session_id: String,
    },
    /// DevContext: go on with a paused interview, or one of an earlier run of the app.
    ResumeInterview {
        /// The interview.
        session_id: String,
    },
    /// Any service: a message this SDK does not know. `Confirmed` when written.
    SendRaw {
        /// `action`, event name or `type`.
        kind: String,
        /// The payload, one JSON value.
        payload: Secret,
    },
    /// TherapyBridge: sign in by `POST /api/v1/login`.
    Login {
        /// The email.
        email: String,
        /// The password.
        password: Secret,
    },
    /// DocProc: answer a clarification by `POST /api/wizard/clarifications/respond`.
    RespondToClarification {
        /// The clarification.
        clarification_id: String,
        /// The answer.
        answer: Secret,
    },
    /// DocProc: the session by `GET /api/wizard/session/{id}`.
    Session {
        /// The session.
        session_id: String,
    },
    /// DevContext: the analysis by `GET /api/analysis/{analysisId}`.
    Analysis {
        /// The analysis.
        analysis_id: String,
    },
    /// Saga: `GET /api/websocket/health`, without a token.
    ServerHealth,
    /// Saga: `GET /api/websocket/stats`.
    ServerStats,
}

/// The good outcome of a command.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The frame that answered; the edge still has its payload.
    pub frame: Option<FrameId>,
    /// The HTTP request that answered; the edge still has its body.
    pub http: Option<HttpId>,
    /// How long the answer took from the write, in ms.
    pub elapsed: u64,
}

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum CommandErrorKind {
    /// The server refused it; `code` says why.
    Rejected,
    /// No answer came in time.
    TimedOut,
    /// The connection died after it was written.
    Interrupted,
    /// The caller gave up.
    Cancelled,
    /// It waited too long in the queue.
    Expired,
    /// There is no connection, and it was not to wait, or waiting is of no use.
    NotConnected,
    /// Too many commands wait.
    QueueFull,
    /// It is larger than the service takes.
    PayloadTooLarge,
    /// An argument is no usable one, or the service has no such command.
    Invalid,
    /// The client is closed.
    Closed,
}

impl CommandErrorKind {
    /// The name, as shown in logs and in languages without this type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "Rejected",
            Self::TimedOut => "TimedOut",
            Self::Interrupted => "Interrupted",
            Self::Cancelled => "Cancelled",
            Self::Expired => "Expired",
            Self::NotConnected => "NotConnected",
            Self::QueueFull => "QueueFull",
            Self::PayloadTooLarge => "PayloadTooLarge",
            Self::Invalid => "Invalid",
            Self::Closed => "Closed",
        }
    }
}

/// Whether a failed command reached the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Sent {
    /// It was not written.
    No,
    /// It was written, and the server had it.
    Yes,
    /// It was written; whether it arrived is not known.
    Unknown,
}

/// The bad outcome of a command: what happened, whether a retry can help, and whether it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandError {
    /// What happened.
    pub kind: CommandErrorKind,
    /// The service's code, an HTTP status, or this SDK's own (`CONNECTION_TIMEOUT`, `GATEWAY_ERROR`).
    pub code: Option<String>,
    /// What happened, for people, and what to do about it.
    pub message: String,
    /// Whether the same command may succeed later.
    pub retryable: bool,
    /// Whether it was sent.
    pub sent: Sent,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind.name())?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl core::error::Error for CommandError {}
