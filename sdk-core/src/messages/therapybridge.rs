//! What TherapyBridge sends. [therapybridge §3]

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::json::Json;
use super::read::{Body, Known, Object, read_text, violation};
use crate::envelope::Kind;
use crate::io::Violation;

records! { "snake_case";
    /// How far a session is. [therapybridge §3.1]
    pub struct Progress as "TherapyBridgeProgress" {
        /// The session.
        session_id: String = Topic,
        /// What it is at.
        status: Status = Status,
        /// Percent, 0–100.
        progress: Option<f64> = Progress,
        /// For people.
        message: Option<String> = Text,
        /// When this was so; ISO 8601.
        updated_at: Option<String> = At,
        /// When tracking began; ISO 8601.
        created_at: Option<String>,
        /// Seconds.
        estimated_time_remaining: Option<f64> = EtaSeconds,
        /// What went wrong, for people; with `failed`.
        error: Option<String> = Text,
    }

    /// A heartbeat. [therapybridge §3.2]
    pub struct Ping as "TherapyBridgePing" {
        /// ISO 8601.
        timestamp: Option<String> = At,
    }

    /// The answer to a login. [therapybridge §6.1]
    pub struct Login as "TherapyBridgeLogin" {
        /// The token.
        access_token: String,
        /// `bearer`.
        token_type: Option<String>,
        /// Seconds.
        expires_in: Option<f64>,
    }
}

open_enum! {
    /// What a session is at. [therapybridge §3.3]
    pub enum Status as "TherapyBridgeStatus" {
        /// The recording is on its way.
        Uploading = "uploading",
        /// It is being transcribed.
        Transcribing = "transcribing",
        /// The text is there.
        Transcribed = "transcribed",
        /// Notes are being written.
        ExtractingNotes = "extracting_notes",
        /// All is done; terminal.
        Processed = "processed",
        /// It failed; terminal.
        Failed = "failed",
    }
}

messages! {
    /// A message of TherapyBridge.
    pub enum Message as "TherapyBridgeMessage" {
        /// How far a session is.
        Progress(Progress),
        /// A heartbeat.
        Ping(Ping),
    }
    bare {}
}

/// The two fields that tell the messages apart.
#[derive(Deserialize)]
struct Signs {
    r#type: Option<Json>,
    session_id: Option<IgnoredAny>,
}

/// Reads a message: a `ping` if its type says so, otherwise progress if it names a session. `Err` in the middle is the
/// name of a message that is neither. [therapybridge §3]
pub(crate) fn read(text: &str) -> Result<Result<Message, String>, Violation> {
    // The usual frame has no type at all. An escape might hide one.
    let kind = if text.contains("\"type\"") || text.contains('\\') {
        let signs = read_text(&Object::<Signs>(PhantomData), text, text)?;
        let name = signs.r#type.and_then(|json| json.read::<String>().ok());
        match name {
            Some(name) if name == "ping" => Kind::Ping,
            _ if signs.session_id.is_some() => Kind::Progress,
            Some(name) => return Ok(Err(name)),
            None => return Err(violation(text, "neither a `type` nor a `session_id`")),
        }
    } else {
        Kind::Progress
    };
    let message = read_text(&Known::<Message>(kind, PhantomData), text, text)?;
    message.map(Ok).ok_or_else(|| violation(text, Message::TABLE.first().map_or("", |(kind, _)| kind.name())))
}
