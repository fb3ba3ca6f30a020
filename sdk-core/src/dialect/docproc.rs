//! DocProc: Socket.IO, sessions with several models and questions to a person. [docproc]

use alloc::string::String;

use super::{
    Ask, Dialect, End, Fault, Liveness, Outgoing, Profile, Recovers, Signal, Stamp, Update, is_code,
};
use crate::config::{AuthMode, Service};
use crate::envelope::{Envelope, Kind, Status};
use crate::snapshot::Phase;
use crate::socketio;

pub(crate) struct DocProc;

const PROFILE: Profile = Profile {
    service: Service::DocProc,
    path: "/socket.io",
    socketio: true,
    per_topic: false,
    auth: [AuthMode::Message, AuthMode::Message],
    auth_modes: &[AuthMode::Message, AuthMode::Query, AuthMode::Header],
    auth_in_band: false,
    auth_answered: false,
    liveness: Liveness::Engine,
    probe: None,
    rate: None,
    one_at_a_time: false,
    recovers: Recovers::Nothing,
    rotates: false,
    max_message: 1024 * 1024,
    full_progress: 100.0,
};

impl Dialect for DocProc {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn received(&self, envelope: &Envelope<'_>) -> Signal {
        match envelope.kind {
            Kind::Subscribed => Signal::Reply(Ask::Subscribe, None),
            Kind::Unsubscribed => Signal::Reply(Ask::Unsubscribe, None),
            Kind::Progress => {
                let (phase, end) = match envelope.status {
                    Some(Status::Active) => (Some(Phase::Waiting), End::No),
                    Some(Status::Processing) => (Some(Phase::Processing), End::No),
                    Some(Status::Completed) => (Some(Phase::Done), End::Twice),
                    Some(Status::FailedSession) => (Some(Phase::Failed), End::Yes),
                    Some(Status::Expired) => (Some(Phase::Expired), End::Yes),
                    _ => (None, End::No),
                };
                Signal::Update(Update { phase, end, whole: true, ..Update::default() })
            }
            Kind::ModelResult => {
                let phase = match envelope.status {
                    Some(Status::ModelProcessing) => Some(Phase::Processing),
                    Some(Status::ModelCompleted) => Some(Phase::Done),
                    Some(Status::Failed) => Some(Phase::Failed),
                    _ => None,
                };
                Signal::Update(Update { item: Some("model"), phase, ..Update::default() })
            }
            Kind::Clarification => {
                let phase = match envelope.status {
                    Some(Status::Pending) => Some(Phase::NeedsInput),
                    Some(Status::Answered) => Some(Phase::Done),
                    _ => None,
                };
                Signal::Update(Update { item: Some("clarification"), phase, ..Update::default() })
            }
            Kind::Completed => Signal::Update(Update {
                phase: Some(Phase::Done),
                end: End::Twice,
                whole: true,
                ..Update::default()
            }),
            Kind::Error => Signal::Fault(Fault {
                refuses: true,
                once_only: true,
                auth: envelope.topic.is_none() && is_code(envelope.code, &["TOKEN_EXPIRED", "UNAUTHORIZED"]),
                limited: envelope.text.is_some_and(|text| text.eq_ignore_ascii_case("Rate limit exceeded")),
                retryable: envelope.retryable.unwrap_or(false),
                ..Fault::default()
            }),
            _ => Signal::Other,
        }
    }

    fn encode(&self, wish: &Outgoing<'_>, _stamp: &Stamp<'_>) -> Option<String> {
        Some(match *wish {
            Outgoing::Subscribe { topic } => socketio::write_text_event("subscribe", topic),
            Outgoing::Unsubscribe { topic } => socketio::write_text_event("unsubscribe", topic),
            Outgoing::Raw { kind, payload } => socketio::write_event(kind, payload),
            _ => return None,
        })
    }
}
