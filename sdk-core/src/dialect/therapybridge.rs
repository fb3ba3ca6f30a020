//! TherapyBridge: one connection for each session, progress down, almost nothing up. [therapybridge]

use alloc::string::String;

use super::{Dialect, End, Liveness, Outgoing, Profile, Recovers, Signal, Stamp, Update, write_raw};
use crate::config::{AuthMode, Service};
use crate::envelope::{Envelope, Kind, Status};
use crate::json;
use crate::snapshot::Phase;
use crate::time::format_instant;

pub(crate) struct TherapyBridge;

const PROFILE: Profile = Profile {
    service: Service::TherapyBridge,
    path: "/api/sessions/ws",
    socketio: false,
    per_topic: true,
    auth: [AuthMode::Query, AuthMode::Query],
    auth_modes: &[AuthMode::Query, AuthMode::Header],
    auth_in_band: false,
    auth_answered: false,
    liveness: Liveness::ServerPings { interval: 30_000, limit: 75_000, in_messages: true },
    probe: None,
    rate: None,
    one_at_a_time: false,
    recovers: Recovers::FirstFrame,
    rotates: false,
    max_message: 1024 * 1024,
    full_progress: 100.0,
};

impl Dialect for TherapyBridge {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn received(&self, envelope: &Envelope<'_>) -> Signal {
        match envelope.kind {
            Kind::Ping => Signal::Ping,
            Kind::Progress => {
                let (phase, end) = match envelope.status {
                    Some(Status::Uploading) => (Some(Phase::Uploading), End::No),
                    Some(Status::Transcribing | Status::Transcribed | Status::ExtractingNotes) => {
                        (Some(Phase::Processing), End::No)
                    }
                    Some(Status::Processed) => (Some(Phase::Done), End::Yes),
                    Some(Status::Failed) => (Some(Phase::Failed), End::Yes),
                    _ => (None, End::No),
                };
                Signal::Update(Update { phase, end, whole: true, ..Update::default() })
            }
            _ => Signal::Other,
        }
    }

    fn encode(&self, wish: &Outgoing<'_>, stamp: &Stamp<'_>) -> Option<String> {
        Some(match *wish {
            Outgoing::Pong => {
                json::object(|o| o.text("type", "pong").text("timestamp", &format_instant(stamp.unix)))
            }
            Outgoing::Raw { kind, payload } => write_raw("type", kind, payload),
            _ => return None,
        })
    }
}
