//! What Saga sends. [saga §3]

records! { "camelCase";
    /// A room was joined or left. [saga §3.1]
    pub struct Room as "SagaRoom" {
        /// The project.
        project_id: String = Topic,
    }

    /// A new story. [saga §3.2]
    pub struct StoryUploaded as "SagaStoryUploaded" {
        /// The project.
        project_id: String = Topic,
        /// The story.
        story: Option<Story> = Within,
        /// Who told it.
        uploaded_by: Option<String>,
    }

    /// A story; it may have more fields than these. [saga §3.2]
    pub struct Story as "SagaStory" {
        /// Its id.
        id: Option<String> = Item,
        /// Its title.
        title: Option<String>,
    }

    /// A story is being processed, or is done. [saga §3.2]
    pub struct StoryState as "SagaStoryState" {
        /// The project.
        project_id: String = Topic,
        /// The story.
        story_id: Option<String> = Item,
    }

    /// A story's transcript changed. [saga §3.2]
    pub struct TranscriptUpdated as "SagaTranscriptUpdated" {
        /// The project.
        project_id: String = Topic,
        /// The story.
        story_id: Option<String> = Item,
        /// The text.
        transcript: Option<String>,
    }

    /// A comment or question is new or was changed. [saga §3.3]
    pub struct InteractionEvent as "SagaInteractionEvent" {
        /// The project.
        project_id: String = Topic,
        /// The story.
        story_id: Option<String> = Item,
        /// The comment or question.
        interaction: Option<Interaction>,
    }

    /// A comment or question. [saga §3.3]
    pub struct Interaction as "SagaInteraction" {
        /// Its id.
        id: Option<String>,
        /// Which of the two it is; `type` on the wire.
        #[serde(rename = "type")]
        kind: Option<InteractionKind>,
        /// What it says.
        content: Option<String>,
    }

    /// An export began. [saga §3.3]
    pub struct ExportStarted as "SagaExportStarted" {
        /// The project.
        project_id: String = Topic,
        /// The export.
        export_id: Option<String> = Item,
    }

    /// How far an export is. [saga §3.3]
    pub struct ExportProgress as "SagaExportProgress" {
        /// The project.
        project_id: String = Topic,
        /// The export.
        export_id: Option<String> = Item,
        /// Percent, 0–100.
        progress: Option<f64> = Progress,
    }

    /// An export is done. [saga §3.3]
    pub struct ExportReady as "SagaExportReady" {
        /// The project.
        project_id: String = Topic,
        /// The export.
        export_id: Option<String> = Item,
        /// Where it is.
        download_url: Option<String>,
    }

    /// An export failed. [saga §3.3]
    pub struct ExportFailed as "SagaExportFailed" {
        /// The project.
        project_id: String = Topic,
        /// The export.
        export_id: Option<String> = Item,
        /// What went wrong, for people.
        error: Option<String> = Text,
    }

    /// Something was refused, or the connection will end. [saga §3.4]
    pub struct Error as "SagaError" {
        /// `PROJECT_ACCESS_DENIED`, `RATE_LIMIT_EXCEEDED`, `TOKEN_EXPIRED` or another, in either case of letters.
        code: String = Code,
        /// For people.
        message: Option<String> = Text,
        /// The project, if the error is about one.
        project_id: Option<String> = Topic,
    }

    /// The server is about to stop. [saga §3.6]
    pub struct ServerShutdown as "SagaServerShutdown" {
        /// For people.
        message: Option<String> = Text,
    }

    /// How the server is. [saga §6.1]
    pub struct ServerHealth as "SagaServerHealth" {
        /// `healthy`.
        status: String,
        /// Seconds.
        uptime: Option<f64>,
        /// How many connections there are.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        total_connections: Option<i64>,
        /// How many projects have a connection.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        project_count: Option<i64>,
    }

    /// Who is connected to the server. [saga §6.2]
    pub struct ServerStats as "SagaServerStats" {
        /// How many connections there are.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        total_connections: Option<i64>,
        /// How many projects have a connection.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        project_count: Option<i64>,
        /// How many users are connected.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        user_count: Option<i64>,
        /// The connections of each project.
        project_connections: Option<Vec<ProjectConnections>>,
        /// The rate limit.
        rate_limit_stats: Option<RateLimitStats>,
    }

    /// The connections of a project. [saga §6.2]
    pub struct ProjectConnections as "SagaProjectConnections" {
        /// The project.
        project_id: Option<String>,
        /// How many there are.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        connection_count: Option<i64>,
    }

    /// The server's rate limit. [saga §6.2]
    pub struct RateLimitStats as "SagaRateLimitStats" {
        /// How many users have sent something in the window.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        active_users: Option<i64>,
        /// The window, ms.
        rate_limit_window: Option<f64>,
        /// How many events of a user fit into it.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        max_events_per_window: Option<i64>,
    }
}

open_enum! {
    /// What an interaction is. [saga §3.3]
    pub enum InteractionKind as "SagaInteractionKind" {
        /// A comment.
        Comment = "comment",
        /// A question.
        Question = "question",
    }
}

messages! {
    /// An event of Saga.
    pub enum Message as "SagaMessage" {
        /// A room was joined.
        JoinedProject(Room),
        /// A room was left.
        LeftProject(Room),
        /// A new story.
        StoryUploaded(StoryUploaded),
        /// A story is being processed.
        StoryProcessing(StoryState),
        /// A story is done.
        StoryProcessed(StoryState),
        /// A story's transcript changed.
        TranscriptUpdated(TranscriptUpdated),
        /// A comment or question is new.
        InteractionAdded(InteractionEvent),
        /// A comment or question was changed.
        InteractionUpdated(InteractionEvent),
        /// An export began.
        ExportStarted(ExportStarted),
        /// How far it is.
        ExportProgress(ExportProgress),
        /// It is done.
        ExportReady(ExportReady),
        /// It failed.
        ExportFailed(ExportFailed),
        /// Something was refused, or the connection will end.
        Error(Error),
        /// The server is about to stop.
        ServerShutdown(ServerShutdown),
    }
    bare {
        /// The answer to a ping.
        Pong,
    }
}
