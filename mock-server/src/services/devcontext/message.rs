//! DevContext's messages from the client [devcontext §2], read strictly: what is not in the schema is refused.

use serde::Deserialize;
use serde_json::Value;

/// A message that fits the schema.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Option<String>,
    pub(super) said: Said,
}

/// What it asks for.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "payload", rename_all = "snake_case")]
pub(super) enum Said {
    Authenticate(Token),
    SubscribeAnalysis(Analysis),
    UnsubscribeAnalysis(Analysis),
    StartInterview(Start),
    SubmitAnswer(Answer),
    PauseInterview(Interview),
    ResumeInterview(Interview),
    Ping(Nothing),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    pub(super) token: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Analysis {
    pub(super) analysis_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SessionType {
    Live,
    Practice,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Start {
    pub(super) analysis_id: String,
    pub(super) session_type: SessionType,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) session_id: String,
    pub(super) question_id: String,
    #[serde(rename = "answer")]
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Interview {
    pub(super) session_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Why a message was refused, with the id it carried if that could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) id: Option<String>,
    pub(super) why: String,
}

/// Reads a message.
pub(super) fn read(text: &str) -> Result<Request, Misfit> {
    let message: Value =
        serde_json::from_str(text).map_err(|e| Misfit { id: None, why: format!("Not JSON: {e}") })?;
    let id = message.get("requestId").and_then(Value::as_str).map(str::to_owned);
    match judge(message, id.is_some()) {
        Ok(said) => Ok(Request { id, said }),
        Err(why) => Err(Misfit { id, why }),
    }
}

fn judge(message: Value, has_id: bool) -> Result<Said, String> {
    let Value::Object(mut fields) = message else { return Err("A message is a JSON object".to_owned()) };
    if let Some(odd) =
        fields.keys().find(|k| !matches!(k.as_str(), "type" | "timestamp" | "payload" | "requestId"))
    {
        return Err(format!("Unknown field `{odd}`"));
    }
    if fields.remove("requestId").is_some() && !has_id {
        return Err("`requestId` must be text".to_owned());
    }
    let timestamp = fields.remove("timestamp").ok_or("`timestamp` is missing")?;
    if !timestamp.as_str().is_some_and(is_iso_8601) {
        return Err("`timestamp` must be an ISO 8601 date and time".to_owned());
    }
    let said: Said = serde_json::from_value(Value::Object(fields)).map_err(|e| e.to_string())?;
    let empty = match &said {
        Said::SubscribeAnalysis(a) | Said::UnsubscribeAnalysis(a) => a.analysis_id.is_empty(),
        Said::StartInterview(start) => start.analysis_id.is_empty(),
        Said::SubmitAnswer(answer) => answer.session_id.is_empty() || answer.question_id.is_empty(),
        Said::PauseInterview(i) | Said::ResumeInterview(i) => i.session_id.is_empty(),
        Said::Authenticate(_) | Said::Ping(_) => false,
    };
    if empty { Err("An id is empty".to_owned()) } else { Ok(said) }
}

/// Date and time, with or without a fraction, with `Z` or an offset.
fn is_iso_8601(text: &str) -> bool {
    let Some((moment, zone)) = text.split_at_checked(19) else { return false };
    let zone =
        zone.strip_prefix('.').map_or(zone, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let offset = |zone: &str| {
        let digits: Vec<_> = zone.split(':').collect();
        matches!(&digits[..], [h, m] if [h, m].iter().all(|d| d.len() == 2 && d.bytes().all(|b| b.is_ascii_digit())))
    };
    humantime::parse_rfc3339(&format!("{moment}Z")).is_ok()
        && (zone == "Z" || zone.strip_prefix(['+', '-']).is_some_and(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_iso_8601() {
        for good in ["2024-02-26T10:30:00Z", "2024-02-26T10:30:00.123Z", "2024-02-26T10:30:00.1+00:00"] {
            assert!(is_iso_8601(good), "{good}");
        }
        for bad in [
            "",
            "2024-02-26",
            "2024-02-26T10:30:00",
            "2024-13-26T10:30:00Z",
            "1708943400",
            "2024-02-26T10:30:00+0",
        ] {
            assert!(!is_iso_8601(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_outside_the_schema_is_refused_and_keeps_its_id() {
        let read = |text: &str| super::read(text).map(|_| ()).map_err(|m| m.id);
        let at = r#""timestamp":"2024-02-26T10:30:00Z""#;
        assert_eq!(read(&format!(r#"{{"type":"ping",{at},"payload":{{}}}}"#)), Ok(()));
        for wrong in [
            r#""type":"ping","payload":{}"#.to_owned(),
            format!(r#""type":"pong",{at},"payload":{{}}"#),
            format!(r#""type":"ping",{at},"payload":{{"a":1}}"#),
            format!(r#""type":"ping",{at},"payload":{{}},"extra":1"#),
            format!(r#""type":"start_interview",{at},"payload":{{"analysisId":"a","sessionType":"dead"}}"#),
            format!(r#""type":"subscribe_analysis",{at},"payload":{{"analysisId":""}}"#),
        ] {
            assert_eq!(
                read(&format!(r#"{{"requestId":"r",{wrong}}}"#)),
                Err(Some("r".to_owned())),
                "{wrong}"
            );
        }
    }
}
