//! Saga: Socket.IO, rooms of projects that hold stories and exports. [saga]

use alloc::string::String;

use super::{
    Ask, Dialect, Fault, Liveness, Outgoing, Probe, Profile, RateScope, Recovers, Signal, Stamp, Update,
    is_code,
};
use crate::config::{AuthMode, Service};
use crate::envelope::{Envelope, Kind};
use crate::snapshot::Phase;
use crate::socketio;

pub(crate) struct Saga;

const PROFILE: Profile = Profile {
    service: Service::Saga,
    path: "/socket.io",
    socketio: true,
    per_topic: false,
    auth: [AuthMode::Message, AuthMode::Message],
    auth_modes: &[],
    auth_in_band: false,
    auth_answered: false,
    liveness: Liveness::Engine,
    probe: Some(Probe::Ping),
    rate: Some(RateScope::Client),
    one_at_a_time: true,
    recovers: Recovers::Nothing,
    rotates: false,
    max_message: 1024 * 1024,
    full_progress: 100.0,
};

impl Dialect for Saga {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn received(&self, envelope: &Envelope<'_>) -> Signal {
        let item = |item, phase, restarts| {
            Signal::Update(Update { item: Some(item), phase: Some(phase), restarts, ..Update::default() })
        };
        match envelope.kind {
            Kind::JoinedProject => Signal::Reply(Ask::Subscribe, None),
            Kind::LeftProject => Signal::Reply(Ask::Unsubscribe, None),
            Kind::Pong => Signal::Reply(Ask::Ping, None),
            Kind::StoryUploaded => item("story", Phase::Uploading, false),
            Kind::StoryProcessing => item("story", Phase::Processing, false),
            Kind::StoryProcessed => item("story", Phase::Done, false),
            Kind::ExportStarted => item("export", Phase::Processing, true),
            Kind::ExportProgress => item("export", Phase::Processing, false),
            Kind::ExportReady => item("export", Phase::Done, false),
            Kind::ExportFailed => item("export", Phase::Failed, false),
            Kind::ServerShutdown => Signal::Shutdown,
            Kind::Error => {
                let refuses = is_code(envelope.code, &["PROJECT_ACCESS_DENIED"]);
                Signal::Fault(Fault {
                    refuses,
                    oldest: refuses,
                    auth: is_code(envelope.code, &["TOKEN_EXPIRED", "UNAUTHORIZED"]),
                    limited: is_code(envelope.code, &["RATE_LIMIT_EXCEEDED"]),
                    retryable: envelope.retryable.unwrap_or(false),
                    ..Fault::default()
                })
            }
            _ => Signal::Other,
        }
    }

    fn encode(&self, wish: &Outgoing<'_>, _stamp: &Stamp<'_>) -> Option<String> {
        Some(match *wish {
            Outgoing::Subscribe { topic } => socketio::write_text_event("join_project", topic),
            Outgoing::Unsubscribe { topic } => socketio::write_text_event("leave_project", topic),
            Outgoing::Ping => socketio::write_event("ping", ""),
            Outgoing::Raw { kind, payload } => socketio::write_event(kind, payload),
            _ => return None,
        })
    }
}
