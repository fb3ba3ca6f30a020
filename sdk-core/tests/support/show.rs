//! Verdicts and events as lines of a transcript.

use steadfast::{ConnectionState, Event, SubscriptionState, Verdict};

use super::EPOCH;

pub(super) fn flags(verdict: Verdict) -> String {
    let names = [
        (Verdict::DELIVER, "deliver"),
        (Verdict::HOLD, "hold"),
        (Verdict::OUTDATED, "outdated"),
        (Verdict::RECOVERED, "recovered"),
        (Verdict::SNAPSHOT, "snapshot"),
        (Verdict::CLAMPED, "clamped"),
    ];
    let set: Vec<_> = names.iter().filter(|(flag, _)| verdict.has(*flag)).map(|(_, name)| *name).collect();
    if set.is_empty() { " → drop".into() } else { format!(" → {}", set.join(" ")) }
}

fn seconds(unix: u64) -> f64 {
    unix.saturating_sub(EPOCH) as f64 / 1000.0
}

pub(super) fn shown(event: &Event) -> String {
    match event {
        Event::State(ConnectionState::Waiting { attempt, until, why }) => {
            format!(
                "= waiting for attempt {attempt} at {:.3}: {}: {}",
                seconds(*until),
                why.kind.name(),
                why.text
            )
        }
        Event::State(ConnectionState::Ready { attempts, down_ms, connection_id }) => {
            let id = connection_id.as_deref().unwrap_or("-");
            format!("= ready, attempts {attempts}, down {down_ms} ms, id {id}")
        }
        Event::State(state) => match state.why() {
            Some(why) => format!("= {}: {}: {why}", state.name(), why.kind.name()),
            None => format!("= {}", state.name()),
        },
        Event::Subscription { topic, state: SubscriptionState::Refused { why } } => {
            format!("{topic} is refused: {}: {}", why.kind.name(), why.text)
        }
        Event::Subscription { topic, state } => format!("{topic} is {}", state.name()),
        Event::Interview { session_id, state } => format!("interview {session_id} is {}", state.name()),
        Event::Derived { topic, stage, .. } => format!("{topic} has done {} (recovered)", stage.name()),
        Event::Snapshot { topic } => format!("{topic} has another picture"),
        Event::Gap { topic, since, until, recovered } => {
            let recovered = if *recovered { ", recovered" } else { "" };
            format!("{topic} has a gap {:.3}–{:.3}{recovered}", seconds(*since), seconds(*until))
        }
        Event::Fetched { topic, http } => format!("{topic} was fetched by request {}", http.0),
        Event::ProtocolViolation(violation) => {
            format!("violation: {} in {:?}", violation.reason, violation.excerpt)
        }
        Event::Notice { kind, text } => format!("notice {}: {text}", kind.name()),
    }
}
