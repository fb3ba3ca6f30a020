//! DevContext: JSON frames `{type, timestamp, payload, requestId?}` both ways; analyses and interviews. [devcontext]

use alloc::string::String;

use super::{
    Ask, Dialect, End, Fault, Liveness, Outgoing, Probe, Profile, RateScope, Recovers, Signal, Stamp, Update,
    is_code,
};
use crate::config::{AuthMode, Service};
use crate::envelope::{Envelope, Kind, Stage, Stages, Status};
use crate::json;
use crate::snapshot::Phase;
use crate::time::format_instant;

pub(crate) struct DevContext;

const PROFILE: Profile = Profile {
    service: Service::DevContext,
    path: "/v1/ws",
    socketio: false,
    per_topic: false,
    auth: [AuthMode::Header, AuthMode::Message],
    auth_modes: &[AuthMode::Header, AuthMode::Message, AuthMode::Query, AuthMode::Subprotocol],
    auth_in_band: true,
    auth_answered: false,
    liveness: Liveness::ClientPings,
    probe: Some(Probe::Ping),
    rate: Some(RateScope::Connection),
    one_at_a_time: false,
    recovers: Recovers::Confirmation,
    rotates: true,
    max_message: 128 * 1024,
    full_progress: 100.0,
};

impl Dialect for DevContext {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn received(&self, envelope: &Envelope<'_>) -> Signal {
        let interview = |phase, end| Update { interview: true, phase, whole: true, end, ..Update::default() };
        match envelope.kind {
            Kind::Authenticated => Signal::Reply(Ask::Authenticate, None),
            Kind::SubscriptionConfirmed => {
                let (phase, end) = match envelope.status {
                    Some(Status::Failed) => (Some(Phase::Failed), End::Yes),
                    Some(Status::ModelCompleted) => (Some(Phase::Done), End::Yes),
                    _ => ((!envelope.stages.is_empty()).then_some(Phase::Processing), End::No),
                };
                Signal::Reply(
                    Ask::Subscribe,
                    Some(Update { stages: envelope.stages, phase, end, ..Update::default() }),
                )
            }
            Kind::UnsubscriptionConfirmed => Signal::Reply(Ask::Unsubscribe, None),
            Kind::Pong => Signal::Reply(Ask::Ping, None),
            Kind::StageCompleted => {
                let mut stages = envelope.stages;
                stages.add(Stage::from_name(envelope.item.unwrap_or_default()));
                let (phase, end) = if stages == Stages::ALL {
                    (Phase::Done, End::Yes)
                } else {
                    (Phase::Processing, End::No)
                };
                Signal::Update(Update { phase: Some(phase), whole: true, end, stages, ..Update::default() })
            }
            Kind::AnalysisFailed => {
                let retryable = envelope.retryable == Some(true);
                let end = if retryable { End::No } else { End::Yes };
                Signal::Update(Update {
                    phase: Some(Phase::Failed),
                    whole: true,
                    end,
                    restarts: retryable,
                    ..Update::default()
                })
            }
            Kind::InterviewStarted => {
                Signal::Reply(Ask::Start, Some(interview(Some(Phase::NeedsInput), End::No)))
            }
            Kind::AnswerEvaluated => Signal::Reply(Ask::Answer, Some(interview(None, End::No))),
            Kind::InterviewPaused => Signal::Reply(Ask::Pause, Some(interview(None, End::No))),
            Kind::InterviewResumed => {
                Signal::Reply(Ask::Resume, Some(interview(Some(Phase::NeedsInput), End::No)))
            }
            Kind::FollowUpQuestion | Kind::NextQuestion => {
                Signal::Update(interview(Some(Phase::NeedsInput), End::No))
            }
            Kind::InterviewComplete => Signal::Update(interview(Some(Phase::Done), End::Yes)),
            Kind::Error => {
                let by_table =
                    is_code(envelope.code, &["RATE_LIMIT_EXCEEDED", "INTERNAL_ERROR", "CONNECTION_TIMEOUT"]);
                Signal::Fault(Fault {
                    refuses: true,
                    once_only: false,
                    oldest: true,
                    auth: is_code(envelope.code, &["UNAUTHORIZED", "TOKEN_EXPIRED"]),
                    limited: is_code(envelope.code, &["RATE_LIMIT_EXCEEDED"]),
                    ends: false,
                    retryable: envelope.retryable.unwrap_or(by_table),
                })
            }
            Kind::Gateway => {
                Signal::Fault(Fault { refuses: true, oldest: true, retryable: true, ..Fault::default() })
            }
            _ => Signal::Other,
        }
    }

    fn encode(&self, wish: &Outgoing<'_>, stamp: &Stamp<'_>) -> Option<String> {
        let write = |kind: &str, payload: &str| {
            json::object(|o| {
                o.text("type", kind)
                    .text("timestamp", &format_instant(stamp.unix))
                    .raw("payload", payload)
                    .text("requestId", stamp.request)
            })
        };
        let one = |kind: &str, name: &str, value: &str| write(kind, &json::object(|p| p.text(name, value)));
        Some(match *wish {
            Outgoing::Authenticate { token } => one("authenticate", "token", token),
            Outgoing::Subscribe { topic } => one("subscribe_analysis", "analysisId", topic),
            Outgoing::Unsubscribe { topic } => one("unsubscribe_analysis", "analysisId", topic),
            Outgoing::Ping => write("ping", "{}"),
            Outgoing::StartInterview { analysis, session_type } => {
                let payload =
                    json::object(|p| p.text("analysisId", analysis).text("sessionType", session_type.name()));
                write("start_interview", &payload)
            }
            Outgoing::SubmitAnswer { session, question, answer } => {
                let payload = json::object(|p| {
                    p.text("sessionId", session).text("questionId", question).text("answer", answer)
                });
                write("submit_answer", &payload)
            }
            Outgoing::PauseInterview { session: id } => one("pause_interview", "sessionId", id),
            Outgoing::ResumeInterview { session: id } => one("resume_interview", "sessionId", id),
            Outgoing::Raw { kind, payload } => write(kind, if payload.is_empty() { "{}" } else { payload }),
            Outgoing::Pong => return None,
        })
    }
}
