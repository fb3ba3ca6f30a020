//! What DocProc sends. [docproc §3]

use super::json::Json;

records! { "camelCase";
    /// The connection is there. [docproc §3.1]
    pub struct Connected as "DocProcConnected" {
        /// The Socket.IO id.
        socket_id: Option<String>,
        /// ISO 8601.
        timestamp: Option<String> = At,
    }

    /// A session is subscribed, or no longer. [docproc §3.2]
    pub struct Subscription as "DocProcSubscription" {
        /// The session.
        session_id: String = Topic,
        /// ISO 8601.
        timestamp: Option<String> = At,
    }

    /// How far a session is. [docproc §3.3]
    pub struct Progress as "DocProcProgress" {
        /// The session.
        session_id: String = Topic,
        /// What it is at.
        status: Status = Status,
        /// Percent, 0–100.
        progress: Option<f64> = Progress,
        /// How many prompts are in which state.
        prompts: Option<Prompts>,
        /// Whether there are clarifications.
        has_clarifications: Option<bool>,
        /// How many there are.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        clarification_count: Option<i64>,
        /// Whether there is a result.
        has_result: Option<bool>,
        /// The result, if it is sent along: an object.
        #[serde(default, deserialize_with = "crate::messages::read::object")]
        result: Option<Json> = Result,
        /// ISO 8601.
        timestamp: Option<String> = At,
        /// The place in the order of events, if a server counts them.
        sequence: Option<f64> = Sequence,
    }

    /// How many prompts of a session are in which state. [docproc §3.3]
    pub struct Prompts as "DocProcPrompts" {
        /// All of them.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        total: Option<i64>,
        /// Done.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        completed: Option<i64>,
        /// At work.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        processing: Option<i64>,
        /// Waiting.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        pending: Option<i64>,
        /// Failed.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        failed: Option<i64>,
    }

    /// What one model made of the session. [docproc §3.4]
    pub struct ModelResult as "DocProcModelResult" {
        /// The session.
        session_id: String = Topic,
        /// The model.
        model_name: Option<String> = Item,
        /// Who runs it.
        provider: Option<String>,
        /// How long it took, ms.
        duration: Option<f64>,
        /// Its answer.
        result: Option<String> = Result,
        /// What it is at.
        status: ModelStatus = Status,
        /// What went wrong, for people; with `failed`.
        error: Option<String> = Text,
        /// ISO 8601.
        timestamp: Option<String> = At,
        /// The place in the order of events, if a server counts them.
        sequence: Option<f64> = Sequence,
    }

    /// A question to the user. [docproc §3.5]
    pub struct Clarification as "DocProcClarification" {
        /// The session.
        session_id: String = Topic,
        /// The question's id.
        clarification_id: String = Item,
        /// The question.
        question: Option<String> = Text,
        /// Whether it has been answered.
        status: ClarificationStatus = Status,
        /// ISO 8601.
        timestamp: Option<String> = At,
        /// The place in the order of events, if a server counts them.
        sequence: Option<f64> = Sequence,
    }

    /// A session is done. [docproc §3.6]
    pub struct Completed as "DocProcCompleted" {
        /// The session.
        session_id: String = Topic,
        /// The result: an object.
        #[serde(default, deserialize_with = "crate::messages::read::object")]
        result: Option<Json> = Result,
        /// ISO 8601.
        timestamp: Option<String> = At,
        /// The place in the order of events, if a server counts them.
        sequence: Option<f64> = Sequence,
    }

    /// Something went wrong; without a session it concerns the connection. [docproc §3.7]
    pub struct Error as "DocProcError" {
        /// The session, if the error is about one.
        session_id: Option<String> = Topic,
        /// What went wrong, for people, where a server has it under Saga's name.
        message: Option<String> = Text,
        /// What went wrong, for people.
        error: Option<String> = Text,
        /// `TOKEN_EXPIRED`, where tokens are required; other codes may come.
        code: Option<String> = Code,
        /// ISO 8601.
        timestamp: Option<String> = At,
        /// The place in the order of events, if a server counts them.
        sequence: Option<f64> = Sequence,
    }

    /// The reply to an answered clarification. [docproc §6.1]
    pub struct ClarificationReply as "DocProcClarificationReply" {
        /// The clarification.
        clarification_id: Option<String>,
        /// `answered`.
        status: ClarificationStatus,
    }
}

open_enum! {
    /// What a session is at. [docproc §3.3]
    pub enum Status as "DocProcStatus" {
        /// It is there.
        Active = "ACTIVE",
        /// It is being worked on.
        Processing = "PROCESSING",
        /// It is done; terminal.
        Completed = "COMPLETED",
        /// It failed; terminal.
        Failed = "FAILED",
        /// It was given up; terminal.
        Expired = "EXPIRED",
    }
}

open_enum! {
    /// What a model is at. [docproc §3.4]
    pub enum ModelStatus as "DocProcModelStatus" {
        /// It works.
        Processing = "processing",
        /// It is done.
        Completed = "completed",
        /// It failed.
        Failed = "failed",
    }
}

open_enum! {
    /// Whether a clarification has been answered. [docproc §3.5]
    pub enum ClarificationStatus as "DocProcClarificationStatus" {
        /// Not yet.
        Pending = "pending",
        /// It has.
        Answered = "answered",
    }
}

messages! {
    /// An event of DocProc.
    pub enum Message as "DocProcMessage" {
        /// The connection is there.
        Connected(Connected),
        /// A session is subscribed.
        Subscribed(Subscription),
        /// A session is no longer subscribed.
        Unsubscribed(Subscription),
        /// How far a session is.
        Progress(Progress),
        /// What one model made of it.
        ModelResult(ModelResult),
        /// A question to the user.
        Clarification(Clarification),
        /// A session is done.
        Completed(Completed),
        /// Something went wrong.
        Error(Error),
    }
    bare {}
}
