//! DevContext's messages from the client [devcontext §2], read strictly: what is not in the schema is refused.

use serde_json::{Map, Value};

use crate::services::payload::{self, Payload};

/// A message that fits the schema.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Option<String>,
    pub(super) said: Said,
}

/// What it asks for.
#[derive(Debug)]
pub(super) enum Said {
    Authenticate { token: String },
    SubscribeAnalysis { analysis: String },
    UnsubscribeAnalysis { analysis: String },
    StartInterview(Start),
    SubmitAnswer(Answer),
    PauseInterview { session: String },
    ResumeInterview { session: String },
    Ping,
}

/// The names of these.
const TYPES: [&str; 8] = [
    "authenticate",
    "subscribe_analysis",
    "unsubscribe_analysis",
    "start_interview",
    "submit_answer",
    "pause_interview",
    "resume_interview",
    "ping",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionType {
    Live,
    Practice,
}

/// The names of these.
const SESSION_TYPES: [(&str, SessionType); 2] =
    [("live", SessionType::Live), ("practice", SessionType::Practice)];

#[derive(Debug)]
pub(super) struct Start {
    pub(super) analysis: String,
    pub(super) session_type: SessionType,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) session: String,
    pub(super) question: String,
    pub(super) text: String,
}

/// Why a message was refused, with the id it carried if that could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) id: Option<String>,
    pub(super) why: String,
}

/// Reads a message.
pub(super) fn read(text: &str) -> Result<Request, Misfit> {
    let fields = payload::object(text).map_err(|why| Misfit { id: None, why })?;
    let id = fields.get("requestId").and_then(Value::as_str).map(str::to_owned);
    match judge(fields, id.is_some()) {
        Ok(said) => Ok(Request { id, said }),
        Err(why) => Err(Misfit { id, why }),
    }
}

fn judge(mut fields: Map<String, Value>, has_id: bool) -> Result<Said, String> {
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
    let kind = payload::kind("type", &TYPES, &mut fields)?;
    let mut payload = Payload::of(&kind, &mut fields)?;
    let said = match kind.as_str() {
        "authenticate" => Said::Authenticate { token: payload.text("token")? },
        "subscribe_analysis" => Said::SubscribeAnalysis { analysis: payload.id("analysisId")? },
        "unsubscribe_analysis" => Said::UnsubscribeAnalysis { analysis: payload.id("analysisId")? },
        "start_interview" => Said::StartInterview(Start {
            analysis: payload.id("analysisId")?,
            session_type: payload.one_of("sessionType", &SESSION_TYPES)?,
        }),
        "submit_answer" => Said::SubmitAnswer(Answer {
            session: payload.id("sessionId")?,
            question: payload.id("questionId")?,
            text: payload.text("answer")?,
        }),
        "pause_interview" => Said::PauseInterview { session: payload.id("sessionId")? },
        "resume_interview" => Said::ResumeInterview { session: payload.id("sessionId")? },
        _ => Said::Ping,
    };
    payload.end()?;
    Ok(said)
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
    fn a_refusal_names_the_field_and_what_is_expected() {
        let why = |rest: &str| {
            let text = format!(r#"{{"timestamp":"2024-02-26T10:30:00Z",{rest}}}"#);
            super::read(&text).map(|_| ()).unwrap_err().why
        };
        let all = "`authenticate`, `subscribe_analysis`, `unsubscribe_analysis`, `start_interview`, `submit_answer`, \
                   `pause_interview`, `resume_interview`, `ping`";
        for (rest, expected) in [
            (r#""payload":{}"#, format!("`type` is missing: it must be one of {all}")),
            (r#""type":7,"payload":{}"#, format!("`type` is a number: it must be one of {all}")),
            (
                r#""type":"dance","payload":{}"#,
                format!("There is no `type` `dance`: it must be one of {all}"),
            ),
            (r#""type":"ping""#, "`payload` of `ping` is missing: it must be an object".to_owned()),
            (
                r#""type":"ping","payload":[]"#,
                "`payload` of `ping` is a list: it must be an object".to_owned(),
            ),
            (r#""type":"ping","payload":{"a":1}"#, "`payload` of `ping` has no field `a`".to_owned()),
            (
                r#""type":"subscribe_analysis","payload":{"analysisId":7}"#,
                "`payload.analysisId` of `subscribe_analysis` is a number: it must be a text".to_owned(),
            ),
            (
                r#""type":"pause_interview","payload":{"sessionId":""}"#,
                "`payload.sessionId` of `pause_interview` is empty: an id is expected".to_owned(),
            ),
            (
                r#""type":"start_interview","payload":{"analysisId":"a","sessionType":"dead"}"#,
                "`payload.sessionType` of `start_interview` must be one of `live`, `practice`".to_owned(),
            ),
        ] {
            assert_eq!(why(rest), expected);
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
