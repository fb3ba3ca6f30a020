//! What goes over the simulated wire: the client's messages read back, and the server's frames as envelopes.

use steadfast::socketio::{PacketHead, PacketType};
use steadfast::{Envelope, Handshake, Head, Kind, Service, Stages, Status};

use crate::names::{self, Name};

/// A message of the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Authenticate { token: Option<u32> },
    Subscribe(Name),
    Unsubscribe(Name),
    Ping,
    Pong,
    EnginePong,
    Connect { token: Option<u32> },
    Start(Name),
    Answer { session: Name, question: u32 },
    Pause(Name),
    Resume(Name),
    Raw,
}

/// The text between `before` and the next quote.
fn field<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    rest.split('"').next()
}

/// The number in a token's text, wherever it stands.
pub(crate) fn token_in(text: &str) -> Option<u32> {
    let rest = &text[text.find("tok")? + 3..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}

/// Reads a message of the client; the second part is the number in its `requestId`.
pub(crate) fn read(service: Service, text: &str) -> Option<(Message, Option<u64>)> {
    let topic = |before: &str| field(text, before).and_then(names::number);
    let message = match service {
        Service::Charisma => match field(text, "{\"action\":\"")? {
            "authenticate" => Message::Authenticate { token: token_in(text) },
            "subscribe" => Message::Subscribe(topic("\"sessionId\":\"")?),
            "unsubscribe" => Message::Unsubscribe(topic("\"sessionId\":\"")?),
            "pong" => Message::Pong,
            _ => Message::Raw,
        },
        Service::TherapyBridge => match field(text, "{\"type\":\"")? {
            "pong" => Message::Pong,
            _ => Message::Raw,
        },
        Service::Saga | Service::DocProc => {
            if text == "3" {
                return Some((Message::EnginePong, None));
            }
            if let Some(rest) = text.strip_prefix("40") {
                return Some((Message::Connect { token: token_in(rest) }, None));
            }
            match field(text, "42[\"")? {
                "join_project" | "subscribe" => Message::Subscribe(topic("\",\"")?),
                "leave_project" | "unsubscribe" => Message::Unsubscribe(topic("\",\"")?),
                "ping" => Message::Ping,
                _ => Message::Raw,
            }
        }
        Service::DevContext => {
            let session = || topic("\"sessionId\":\"");
            match field(text, "{\"type\":\"")? {
                "authenticate" => Message::Authenticate { token: token_in(text) },
                "subscribe_analysis" => Message::Subscribe(topic("\"analysisId\":\"")?),
                "unsubscribe_analysis" => Message::Unsubscribe(topic("\"analysisId\":\"")?),
                "ping" => Message::Ping,
                "start_interview" => Message::Start(topic("\"analysisId\":\"")?),
                "submit_answer" => Message::Answer {
                    session: session()?,
                    question: field(text, "\"questionId\":\"q")?.parse().ok()?,
                },
                "pause_interview" => Message::Pause(session()?),
                "resume_interview" => Message::Resume(session()?),
                _ => Message::Raw,
            }
        }
    };
    let request = field(text, "\"requestId\":\"sf-").and_then(|digits| digits.parse().ok());
    Some((message, request))
}

/// A frame of the server, before it borrows anything.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// What stands before the JSON on Socket.IO.
    pub packet: PacketType,
    pub attachments: u32,
    pub kind: Kind,
    pub topic: Option<Name>,
    pub item: Option<&'static str>,
    pub question: Option<u32>,
    pub request: Option<u64>,
    pub status: Option<Status>,
    pub stages: Stages,
    pub progress: Option<f64>,
    pub at: Option<f64>,
    pub text: Option<&'static str>,
    pub code: Option<&'static str>,
    pub retryable: Option<bool>,
    pub can_resume: Option<bool>,
    pub has_result: bool,
    pub engine: Option<(u32, u32)>,
}

impl Frame {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            packet: PacketType::Event,
            attachments: 0,
            kind,
            topic: None,
            item: None,
            question: None,
            request: None,
            status: None,
            stages: Stages::default(),
            progress: None,
            at: None,
            text: None,
            code: None,
            retryable: None,
            can_resume: None,
            has_result: false,
            engine: None,
        }
    }

    pub(crate) fn packet(packet: PacketType) -> Self {
        Self { packet, ..Self::new(Kind::Unknown) }
    }

    pub(crate) fn topic(self, topic: Name) -> Self {
        Self { topic: Some(topic), ..self }
    }

    /// Hands the frame to `take` in the form of the service.
    pub(crate) fn with<R>(&self, service: Service, take: impl FnOnce(Head, &Envelope<'_>) -> R) -> R {
        let question = self.question.map(|number| format!("q{number}"));
        let request = self.request.map(|number| format!("sf-{number}"));
        let socketio = matches!(service, Service::Saga | Service::DocProc);
        let head = if socketio {
            Head::Engine(PacketHead {
                kind: self.packet,
                main_namespace: true,
                id: None,
                attachments: self.attachments,
            })
        } else {
            Head::Json
        };
        let handshake =
            (matches!(self.packet, PacketType::Open | PacketType::Connect) && socketio).then(|| Handshake {
                sid: "sid",
                ping_interval: self.engine.map(|engine| engine.0),
                ping_timeout: self.engine.map(|engine| engine.1),
                ..Handshake::default()
            });
        let envelope = Envelope {
            kind: self.kind,
            name: self.kind.name(),
            topic: self.topic.map(names::text),
            item: self.item,
            question: question.as_deref(),
            request: request.as_deref(),
            status: self.status,
            stages: self.stages,
            progress: self.progress,
            at: self.at,
            text: self.text,
            code: self.code,
            retryable: self.retryable,
            can_resume: self.can_resume,
            has_result: self.has_result,
            handshake,
            ..Envelope::default()
        };
        take(head, &envelope)
    }
}
