//! What a request is to the wire: its ids, its message, and what answers it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::command::Request;
use crate::dialect::{Ask, Outgoing};
use crate::text::text;

/// What stands between the ids of a key. No id that we send holds a control character. [rules §1.4]
pub(super) const BETWEEN_IDS: &str = "\u{1f}";

/// Whether a request goes by HTTP.
pub(super) const fn is_rest(request: &Request) -> bool {
    matches!(
        request,
        Request::Login { .. }
            | Request::RespondToClarification { .. }
            | Request::Session { .. }
            | Request::Analysis { .. }
            | Request::ServerHealth
            | Request::ServerStats
    )
}

/// The ids in a request, with their names.
pub(super) fn ids_of(request: &Request) -> Vec<(&'static str, &str)> {
    match request {
        Request::StartInterview { analysis_id, .. } | Request::Analysis { analysis_id } => {
            Vec::from([("analysis_id", analysis_id.as_str())])
        }
        Request::SubmitAnswer { session_id, question_id, .. } => {
            Vec::from([("session_id", session_id.as_str()), ("question_id", question_id.as_str())])
        }
        Request::PauseInterview { session_id }
        | Request::ResumeInterview { session_id }
        | Request::Session { session_id } => Vec::from([("session_id", session_id.as_str())]),
        Request::RespondToClarification { clarification_id, .. } => {
            Vec::from([("clarification_id", clarification_id.as_str())])
        }
        Request::SendRaw { kind, .. } => Vec::from([("kind", kind.as_str())]),
        _ => Vec::new(),
    }
}

/// A request as a wish; `None` for REST requests.
pub(super) fn outgoing<'a>(request: &'a Request, token: &'a str) -> Option<Outgoing<'a>> {
    Some(match request {
        Request::Authenticate => Outgoing::Authenticate { token },
        Request::Ping => Outgoing::Ping,
        Request::StartInterview { analysis_id, session_type } => {
            Outgoing::StartInterview { analysis: analysis_id, session_type: *session_type }
        }
        Request::SubmitAnswer { session_id, question_id, answer } => {
            Outgoing::SubmitAnswer { session: session_id, question: question_id, answer: answer.expose() }
        }
        Request::PauseInterview { session_id } => Outgoing::PauseInterview { session: session_id },
        Request::ResumeInterview { session_id } => Outgoing::ResumeInterview { session: session_id },
        Request::SendRaw { kind, payload } => Outgoing::Raw { kind, payload: payload.expose() },
        _ => return None,
    })
}

/// What answers a request, and by which ids; `None` if nothing does.
pub(super) fn expectation(request: &Request) -> Option<(Ask, String)> {
    Some(match request {
        Request::Authenticate => (Ask::Authenticate, String::new()),
        Request::Ping => (Ask::Ping, String::new()),
        Request::StartInterview { analysis_id, .. } => (Ask::Start, analysis_id.clone()),
        Request::SubmitAnswer { session_id, question_id, .. } => {
            (Ask::Answer, text![session_id, BETWEEN_IDS, question_id])
        }
        Request::PauseInterview { session_id } => (Ask::Pause, session_id.clone()),
        Request::ResumeInterview { session_id } => (Ask::Resume, session_id.clone()),
        _ => return None,
    })
}

/// About how much memory a request takes.
pub(super) fn request_bytes(request: &Request) -> usize {
    let texts: usize = match request {
        Request::SubmitAnswer { answer, .. } | Request::RespondToClarification { answer, .. } => {
            answer.expose().len()
        }
        Request::SendRaw { payload, .. } => payload.expose().len(),
        Request::Login { email, password } => email.len() + password.expose().len(),
        _ => 0,
    };
    64 + texts + ids_of(request).iter().map(|(_, id)| id.len()).sum::<usize>()
}
