//! Events as JSON, one object a line.

use serde_json::{Value, json};
use steadfast::client::{Event, Handle, Message, TopicSnapshot};
use steadfast::time::format_instant;
use steadfast::{ConnectionState, SubscriptionState, Why};

/// An event as one object: `event` says which kind it is, `received` when it came.
pub(crate) fn event(event: &Event, client: &Handle, now: u64) -> Value {
    let mut line = match event {
        Event::State(state) => connection(state),
        Event::Subscription { topic, state } => {
            let mut line = json!({"event": "subscription", "topic": topic, "state": state.name()});
            match state {
                SubscriptionState::Refused { why } => line["why"] = reason(why),
                SubscriptionState::Ended => {
                    line["snapshot"] = client.snapshot(topic).as_ref().map_or(Value::Null, picture);
                }
                _ => {}
            }
            line
        }
        Event::Interview { session_id, state } => {
            json!({"event": "interview", "topic": session_id, "state": state.name()})
        }
        Event::Message(message) => self::message(message),
        Event::RecoveredStage { topic, stage, progress, at } => json!({"event": "recovered_stage",
            "topic": topic, "stage": stage.name(), "progress": progress, "at": instant(*at)}),
        Event::Snapshot(snapshot) => {
            json!({"event": "snapshot", "topic": snapshot.topic, "snapshot": picture(snapshot)})
        }
        Event::Gap { topic, since, until, recovered } => json!({"event": "gap", "topic": topic,
            "since": format_instant(*since), "until": format_instant(*until), "recovered": recovered}),
        Event::Fetched { topic, answer } => {
            json!({"event": "fetched", "topic": topic, "answer": format!("{answer:?}")})
        }
        Event::ProtocolViolation(violation) => {
            json!({"event": "violation", "reason": violation.reason, "excerpt": violation.excerpt})
        }
        Event::Notice { kind, text } => json!({"event": "notice", "kind": kind.name(), "text": text}),
        Event::Lagged { skipped } => json!({"event": "lagged", "skipped": skipped}),
    };
    line["received"] = format_instant(now).into();
    line
}

/// A hint as one object.
pub(crate) fn hint(text: &str, now: u64) -> Value {
    json!({"event": "hint", "text": text, "received": format_instant(now)})
}

fn connection(state: &ConnectionState) -> Value {
    let mut line = json!({"event": "state", "state": state.name()});
    match state {
        ConnectionState::Ready { attempts, down_ms, .. } => {
            line["attempts"] = (*attempts).into();
            line["downMs"] = (*down_ms).into();
        }
        ConnectionState::Waiting { attempt, until, .. } => {
            line["attempt"] = (*attempt).into();
            line["until"] = format_instant(*until).into();
        }
        _ => {}
    }
    if let Some(why) = state.why() {
        line["why"] = reason(why);
    }
    line
}

fn message(message: &Message) -> Value {
    // As a tree, so that no line break of the server's ends up in ours.
    let data = message.raw.value().unwrap_or(Value::Null);
    json!({"event": "message", "topic": message.topic.as_deref(), "name": message.data.name(), "progress": message.progress,
        "at": instant(message.at), "outdated": message.outdated, "recovered": message.recovered, "data": data})
}

fn picture(picture: &TopicSnapshot) -> Value {
    let items: Vec<_> = picture
        .items
        .iter()
        .map(|item| {
            json!({"id": item.id, "kind": item.kind, "phase": item.phase.name(), "progress": item.progress,
            "message": item.message, "error": item.error})
        })
        .collect();
    json!({"phase": picture.phase.name(), "progress": picture.progress, "message": picture.message,
        "etaMs": picture.eta_ms, "error": picture.error, "terminal": picture.terminal,
        "staleSince": picture.stale_since.map(format_instant), "items": items})
}

fn reason(why: &Why) -> Value {
    json!({"kind": why.kind.name(), "text": why.text, "code": why.code, "help": why.help})
}

fn instant(at: Option<f64>) -> Option<String> {
    at.filter(|at| at.is_finite() && *at >= 0.0).map(|at| format_instant(at as u64))
}
