//! What Charisma sends. [charisma §3]

records! { "camelCase";
    /// The connection is authenticated. [charisma §3.1]
    pub struct Authenticated as "CharismaAuthenticated" {
        /// For people.
        message: Option<String> = Text,
    }

    /// The answer to a subscribe; it carries no state. [charisma §3.2]
    pub struct Subscribed as "CharismaSubscribed" {
        /// The session.
        session_id: String = Topic,
        /// For people.
        message: Option<String> = Text,
    }

    /// The answer to an unsubscribe. [charisma §3.3]
    pub struct Unsubscribed as "CharismaUnsubscribed" {
        /// The session.
        session_id: String = Topic,
        /// For people.
        message: Option<String> = Text,
    }

    /// How far a session is. [charisma §3.4]
    pub struct SessionStatus as "CharismaSessionStatus" {
        /// The session.
        session_id: String = Topic,
        /// What it is at.
        status: Status = Status,
        /// For people.
        message: Option<String> = Text,
        /// 0.0–1.0, of the phase that the status names.
        progress: Option<f64> = Progress,
        /// The lines that were recognised, in reading order; with `verifying_ocr`.
        ocr_result: Option<Vec<OcrLine>>,
        /// Where the screenshot is; with `verifying_ocr`.
        screenshot_url: Option<String>,
        /// What went wrong; may come with `error`.
        error: Option<ErrorDetail> = Within,
    }

    /// One line of a recognised conversation. [charisma §3.5]
    pub struct OcrLine as "CharismaOcrLine" {
        /// Its id.
        id: Option<String>,
        /// What it says.
        text: Option<String>,
        /// Who wrote it.
        author: Option<Author>,
    }

    /// How far the upload of a session is. [charisma §3.6]
    pub struct SessionUploadProgress as "CharismaSessionUploadProgress" {
        /// The session.
        session_id: String = Topic,
        /// 0.0–1.0.
        progress: Option<f64> = Progress,
    }

    /// A session failed or was refused; without a session it concerns the connection. [charisma §3.7]
    pub struct SessionError as "CharismaSessionError" {
        /// The session, if the error is about one.
        session_id: Option<String> = Topic,
        /// `error`.
        status: Option<Status> = Status,
        /// What went wrong.
        error: ErrorDetail = Within,
    }

    /// What went wrong. [charisma §3.7]
    pub struct ErrorDetail as "CharismaErrorDetail" {
        /// `OCR_FAILED`, `SESSION_NOT_FOUND`, `FORBIDDEN`, `UNAUTHORIZED`, `INVALID_MESSAGE` or another.
        code: String = Code,
        /// For people.
        message: Option<String> = Text,
    }
}

open_enum! {
    /// What a session is at. [charisma §3.4]
    pub enum Status as "CharismaStatus" {
        /// The screenshot is on its way.
        Uploading = "uploading",
        /// It is being read.
        AnalysisInProgress = "analysis_in_progress",
        /// A person has to check what was read.
        VerifyingOcr = "verifying_ocr",
        /// All is done; terminal.
        Complete = "complete",
        /// It failed; terminal.
        Error = "error",
    }
}

open_enum! {
    /// Who wrote a line of the conversation. [charisma §3.5]
    pub enum Author as "CharismaAuthor" {
        /// The other person.
        Contact = "contact",
        /// The user.
        User = "user",
    }
}

messages! {
    /// A message of Charisma.
    pub enum Message as "CharismaMessage" {
        /// The connection is authenticated.
        Authenticated(Authenticated),
        /// A session is subscribed.
        Subscribed(Subscribed),
        /// A session is no longer subscribed.
        Unsubscribed(Unsubscribed),
        /// How far a session is.
        SessionStatus(SessionStatus),
        /// How far its upload is.
        SessionUploadProgress(SessionUploadProgress),
        /// A session failed or was refused, or something is wrong with the connection.
        SessionError(SessionError),
        /// The same, in another form.
        Error(SessionError),
    }
    bare {
        /// A heartbeat that some servers send; the client answers it. [charisma §3.8]
        Ping,
    }
}
