//! Charisma: JSON frames, `action` and `payload` up, `type` down. [charisma]

use alloc::string::String;

use super::{
    Ask, Dialect, End, Fault, Liveness, Outgoing, Probe, Profile, Recovers, Signal, Stamp, Update, is_code,
    write_raw,
};
use crate::config::{AuthMode, Service};
use crate::envelope::{Envelope, Kind, Status};
use crate::json;
use crate::snapshot::Phase;

pub(crate) struct Charisma;

const PROFILE: Profile = Profile {
    service: Service::Charisma,
    path: "/ws",
    socketio: false,
    per_topic: false,
    auth: [AuthMode::Header, AuthMode::Query],
    auth_modes: &[AuthMode::Header, AuthMode::Query, AuthMode::Message],
    auth_in_band: true,
    auth_answered: true,
    liveness: Liveness::ServerPings { interval: 30_000, limit: 60_000, in_messages: false },
    probe: Some(Probe::Authenticate),
    rate: None,
    one_at_a_time: false,
    recovers: Recovers::Nothing,
    rotates: false,
    max_message: 1024 * 1024,
    full_progress: 1.0,
};

impl Dialect for Charisma {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn received(&self, envelope: &Envelope<'_>) -> Signal {
        let update = |item, phase, end| {
            Signal::Update(Update { item: Some(item), phase, whole: true, end, ..Update::default() })
        };
        match envelope.kind {
            Kind::Authenticated => Signal::Reply(Ask::Authenticate, None),
            Kind::Subscribed => Signal::Reply(Ask::Subscribe, None),
            Kind::Unsubscribed => Signal::Reply(Ask::Unsubscribe, None),
            Kind::SessionUploadProgress => update("upload", Some(Phase::Uploading), End::No),
            Kind::SessionStatus => match envelope.status {
                Some(Status::Uploading) => update("upload", Some(Phase::Uploading), End::No),
                Some(Status::AnalysisInProgress) => update("analysis", Some(Phase::Processing), End::No),
                Some(Status::VerifyingOcr) => update("analysis", Some(Phase::NeedsInput), End::No),
                Some(Status::Complete) => update("analysis", Some(Phase::Done), End::Yes),
                Some(Status::Error) => update("analysis", Some(Phase::Failed), End::Yes),
                _ => update("analysis", None, End::No),
            },
            Kind::SessionError | Kind::Error => {
                let topic = envelope.topic.is_some();
                Signal::Fault(Fault {
                    refuses: topic && is_code(envelope.code, &["SESSION_NOT_FOUND", "FORBIDDEN"]),
                    auth: !topic && is_code(envelope.code, &["UNAUTHORIZED", "TOKEN_EXPIRED"]),
                    limited: !topic && is_code(envelope.code, &["RATE_LIMIT_EXCEEDED"]),
                    ends: topic,
                    retryable: envelope.retryable.unwrap_or(false),
                    ..Fault::default()
                })
            }
            Kind::Ping => Signal::Ping,
            _ => Signal::Other,
        }
    }

    fn encode(&self, wish: &Outgoing<'_>, _stamp: &Stamp<'_>) -> Option<String> {
        let message = |action: &str, name: &str, value: &str| {
            json::object(|o| o.text("action", action).object("payload", |p| p.text(name, value)))
        };
        Some(match *wish {
            Outgoing::Authenticate { token } => message("authenticate", "token", token),
            Outgoing::Subscribe { topic } => message("subscribe", "sessionId", topic),
            Outgoing::Unsubscribe { topic } => message("unsubscribe", "sessionId", topic),
            Outgoing::Pong => write_raw("action", "pong", ""),
            Outgoing::Raw { kind, payload } => write_raw("action", kind, payload),
            _ => return None,
        })
    }
}
