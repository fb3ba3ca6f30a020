//! What HTTP requests are answered with.

use super::read::violation;
use super::{devcontext, docproc, read_body, saga, therapybridge};
use crate::command::Request;
use crate::io::Violation;

/// The answer to a request that goes by HTTP.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[non_exhaustive]
pub enum Answer {
    /// To [`Request::Login`].
    Login(therapybridge::Login),
    /// To [`Request::RespondToClarification`].
    Clarification(docproc::ClarificationReply),
    /// To [`Request::Session`]: the session's latest progress. [docproc §6.2]
    Session(docproc::Progress),
    /// To [`Request::Analysis`].
    Analysis(devcontext::Analysis),
    /// To [`Request::ServerHealth`].
    ServerHealth(saga::ServerHealth),
    /// To [`Request::ServerStats`].
    ServerStats(saga::ServerStats),
}

impl Answer {
    /// Reads the body that answers this request.
    pub fn read(request: &Request, body: &str) -> Result<Self, Violation> {
        Ok(match request {
            Request::Login { .. } => Self::Login(read_body(body)?),
            Request::RespondToClarification { .. } => Self::Clarification(read_body(body)?),
            Request::Session { .. } => Self::Session(read_body(body)?),
            Request::Analysis { .. } => Self::Analysis(read_body(body)?),
            Request::ServerHealth => Self::ServerHealth(read_body(body)?),
            Request::ServerStats => Self::ServerStats(read_body(body)?),
            _ => return Err(violation(body, "this request is not answered over HTTP")),
        })
    }
}

/// The text of a refusal: `{"error": …}`, or `{"message": …}` as Engine.IO has it. [rules §8.1, §10.1.8]
pub fn refusal(body: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    let text = |key: &str| body.get(key)?.as_str().map(str::to_owned);
    text("error").or_else(|| text("message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_what_was_asked() {
        let login = Request::Login { email: "a@b".into(), password: "p".into() };
        let body = r#"{"access_token":"t","token_type":"bearer","expires_in":3600}"#;
        let Ok(Answer::Login(read)) = Answer::read(&login, body) else { panic!() };
        assert_eq!((read.access_token.as_str(), read.expires_in), ("t", Some(3600.0)));

        let error = Answer::read(&login, r#"{"token_type":"bearer"}"#).unwrap_err();
        assert!(error.reason.contains("access_token"), "{}", error.reason);
        assert!(Answer::read(&Request::Ping, "{}").is_err());

        let stats = r#"{"totalConnections":42,"projectConnections":[{"projectId":"p","connectionCount":3.0}],
            "rateLimitStats":{"rateLimitWindow":60000,"maxEventsPerWindow":100}}"#;
        let Ok(Answer::ServerStats(read)) = Answer::read(&Request::ServerStats, stats) else { panic!() };
        assert_eq!(read.project_connections.unwrap()[0].connection_count, Some(3));
    }

    #[test]
    fn a_refusal_says_why() {
        assert_eq!(refusal(r#"{"error":"no such session"}"#).as_deref(), Some("no such session"));
        assert_eq!(
            refusal(r#"{"code":1,"message":"Session ID unknown"}"#).as_deref(),
            Some("Session ID unknown")
        );
        assert_eq!(refusal("<html>"), None);
    }
}
