//! The few fields of a frame that a decision needs.
//!
//! The edge (serde natively, `JSON.parse` in JavaScript) reads a frame once and fills an [`Envelope`] from it; the
//! machine decides from that alone and never sees the payload. [rules §2.1]

/// Declares [`Kind`]: one variant for each name a service gives to a frame.
macro_rules! names {
    ($(#[$doc:meta])* $type:ident, unknown $unknown:ident; $($variant:ident = $name:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $type {
            /// A name this SDK does not know; it is kept as text elsewhere.
            #[default]
            $unknown,
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl $type {
            /// All known values with their names on the wire, in the order of their numbers (the first is 1).
            pub const ALL: &'static [($type, &'static str)] = &[$(($type::$variant, $name),)*];

            /// The value that has this name on the wire; the unknown one if there is none.
            pub fn from_name(name: &str) -> Self {
                match name { $($name => $type::$variant,)* _ => $type::$unknown }
            }

            /// The name on the wire, empty for the unknown value.
            pub fn name(self) -> &'static str {
                let place = (self as usize).checked_sub(1).and_then(|at| Self::ALL.get(at));
                place.map_or("", |(_, name)| name)
            }

            /// The value with this number, as counted in [`Self::ALL`]; the unknown one if there is none.
            pub fn from_number(number: u8) -> Self {
                // Without the names, which not every host needs.
                let values = [$type::$unknown, $($type::$variant,)*];
                values.get(usize::from(number)).copied().unwrap_or($type::$unknown)
            }
        }
    };
}

names! {
    /// What a frame is: its `type`, or the name of its Socket.IO event. Services share a value where they share a name.
    Kind, unknown Unknown;
    // Charisma
    Authenticated = "authenticated",
    Subscribed = "subscribed",
    Unsubscribed = "unsubscribed",
    SessionStatus = "session_status",
    SessionUploadProgress = "session_upload_progress",
    SessionError = "session_error",
    Error = "error",
    Ping = "ping",
    Pong = "pong",
    // TherapyBridge (its progress frames carry no name) and DocProc
    Progress = "progress",
    // Saga
    JoinedProject = "joined_project",
    LeftProject = "left_project",
    StoryUploaded = "story_uploaded",
    StoryProcessing = "story_processing",
    StoryProcessed = "story_processed",
    TranscriptUpdated = "transcript_updated",
    InteractionAdded = "interaction_added",
    InteractionUpdated = "interaction_updated",
    ExportStarted = "export_started",
    ExportProgress = "export_progress",
    ExportReady = "export_ready",
    ExportFailed = "export_failed",
    ServerShutdown = "server_shutdown",
    // DocProc
    Connected = "connected",
    ModelResult = "model_result",
    Clarification = "clarification",
    Completed = "completed",
    // DevContext
    SubscriptionConfirmed = "subscription_confirmed",
    UnsubscriptionConfirmed = "unsubscription_confirmed",
    InterviewStarted = "interview_started",
    AnswerEvaluated = "answer_evaluated",
    InterviewPaused = "interview_paused",
    InterviewResumed = "interview_resumed",
    StageCompleted = "stage_completed",
    AnalysisFailed = "analysis_failed",
    FollowUpQuestion = "follow_up_question",
    NextQuestion = "next_question",
    InterviewComplete = "interview_complete",
    // DevContext behind an API gateway: a frame without a type that the gateway itself sends
    Gateway = "gateway",
}

names! {
    /// The value of a frame's status field (Charisma, TherapyBridge, DocProc), or of DevContext's `nextAction` and
    /// `currentStatus`, in any of the services' spellings.
    Status, unknown Other;
    Uploading = "uploading",
    AnalysisInProgress = "analysis_in_progress",
    VerifyingOcr = "verifying_ocr",
    Complete = "complete",
    Error = "error",
    Transcribing = "transcribing",
    Transcribed = "transcribed",
    ExtractingNotes = "extracting_notes",
    Processed = "processed",
    Failed = "failed",
    Active = "ACTIVE",
    Processing = "PROCESSING",
    Completed = "COMPLETED",
    FailedSession = "FAILED",
    Expired = "EXPIRED",
    ModelProcessing = "processing",
    ModelCompleted = "completed",
    Pending = "pending",
    Answered = "answered",
    FollowUp = "follow_up",
    NextQuestion = "next_question",
}

names! {
    /// A stage of a DevContext analysis, in the order in which they run. [devcontext §3.1]
    Stage, unknown Other;
    ProjectReview = "project_review",
    IntelligenceReport = "intelligence_report",
    InterviewSimulation = "interview_simulation",
}

/// A set of known stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages(pub u8);

impl Stages {
    /// The three stages of an analysis.
    pub const ALL: Self = Self(0b1110);

    /// Adds a stage; an unknown one changes nothing.
    pub fn add(&mut self, stage: Stage) {
        if stage != Stage::Other {
            self.0 |= 1 << (stage as u8);
        }
    }

    /// Whether the stage is in the set.
    pub const fn has(self, stage: Stage) -> bool {
        self.0 & (1 << (stage as u8)) != 0
    }

    /// How many stages are in the set.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The few fields of one frame that a decision needs. Everything is optional; what a frame does not have is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope<'a> {
    /// What the frame is.
    pub kind: Kind,
    /// Its name as sent, also when [`Self::kind`] is unknown.
    pub name: &'a str,
    /// The id that names the topic: `sessionId`, `session_id`, `projectId`, `analysisId`; for every frame of a
    /// DevContext interview the interview's `sessionId`.
    pub topic: Option<&'a str>,
    /// One of several things a topic holds: Saga's `storyId`, `story.id` or `exportId`, DocProc's `modelName` or
    /// `clarificationId`, DevContext's `stage`; in `interview_started` and `interview_complete` the `analysisId`.
    pub item: Option<&'a str>,
    /// DevContext's `questionId`, also that of `firstQuestion` and `currentQuestion`.
    pub question: Option<&'a str>,
    /// The `requestId` that a reply repeats.
    pub request: Option<&'a str>,
    /// The status, [`Status::Other`] where it is one this SDK does not know.
    pub status: Option<Status>,
    /// DevContext's `completedStages`, the known ones.
    pub stages: Stages,
    /// The raw progress as sent: 0.0–1.0 or 0–100, by service; may be out of range.
    pub progress: Option<f64>,
    /// The estimated time that is left, in ms.
    pub eta: Option<f64>,
    /// When the service says it happened (`timestamp`, `updated_at`): Unix time in ms, with fractions.
    pub at: Option<f64>,
    /// DocProc's `sequence`, which breaks ties of equal timestamps.
    pub sequence: Option<f64>,
    /// The human-readable text: `message`, `question`, an error's text.
    pub text: Option<&'a str>,
    /// An error's code.
    pub code: Option<&'a str>,
    /// An error's `retryable` flag.
    pub retryable: Option<bool>,
    /// `canResume` of `interview_paused`.
    pub can_resume: Option<bool>,
    /// `dataAvailable` of `stage_completed`.
    pub data_available: Option<bool>,
    /// Whether the frame carries the result itself (DocProc's `result`).
    pub has_result: bool,
    /// The fields of an Engine.IO open packet or of a Socket.IO CONNECT.
    pub handshake: Option<Handshake<'a>>,
}

impl Envelope<'_> {
    /// Its numbers.
    pub const fn numbers(&self) -> Numbers {
        Numbers { progress: self.progress, at: self.at, eta: self.eta, sequence: self.sequence }
    }
}

/// The numbers of an [`Envelope`]: the frames of a job that goes on as it did differ in these alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Numbers {
    /// As [`Envelope::progress`].
    pub progress: Option<f64>,
    /// As [`Envelope::at`].
    pub at: Option<f64>,
    /// As [`Envelope::eta`].
    pub eta: Option<f64>,
    /// As [`Envelope::sequence`].
    pub sequence: Option<f64>,
}

/// What an Engine.IO open packet (`0{…}`) or a Socket.IO CONNECT (`40{…}`) says. [Engine.IO protocol 4, "open"]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshake<'a> {
    /// The session's id.
    pub sid: &'a str,
    /// How often the server pings, in ms; absent in a CONNECT.
    pub ping_interval: Option<u32>,
    /// How long after that it waits for the pong, in ms; absent in a CONNECT.
    pub ping_timeout: Option<u32>,
    /// Whether the list of possible upgrades names `websocket`.
    pub upgrades: bool,
    /// The largest payload the server takes, in bytes.
    pub max_payload: Option<u32>,
}

/// What stands before the JSON in a frame. Empty for the services that send plain JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Head {
    /// A plain JSON frame.
    #[default]
    Json,
    /// An Engine.IO packet, perhaps with a Socket.IO packet in it.
    Engine(crate::socketio::PacketHead),
}

/// What the machine decides about one frame: a set of flags. The payload stays with the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict(pub u32);

impl Verdict {
    /// Hand the frame to the listeners now.
    pub const DELIVER: u32 = 1;
    /// Keep the frame until an [`Output::Release`](crate::Output::Release) names it.
    pub const HOLD: u32 = 2;
    /// The frame is older than what the snapshot shows; deliver it marked so.
    pub const OUTDATED: u32 = 4;
    /// The frame makes up for something missed.
    pub const RECOVERED: u32 = 8;
    /// The topic's snapshot changed: keep this frame as its `raw`.
    pub const SNAPSHOT: u32 = 16;
    /// Drain [`Machine::poll`](crate::Machine::poll) after this frame.
    pub const POLL: u32 = 32;
    /// A number was out of range and has been clamped.
    pub const CLAMPED: u32 = 64;

    /// Whether all flags of `flag` are set.
    pub const fn has(self, flag: u32) -> bool {
        self.0 & flag == flag
    }
}
