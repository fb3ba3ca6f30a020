//! Events in words.

use std::fmt::Write as _;

use console::{measure_text_width, truncate_str};
use steadfast::client::{Event, Message, TopicSnapshot};
use steadfast::{ConnectionState, SubscriptionState};

/// An event as one line.
pub(crate) fn event(event: &Event, now: u64) -> String {
    match event {
        Event::State(state) => format!("connection  {}", connection(state, now)),
        Event::Subscription { topic, state } => format!("{topic}  {}", subscription(state)),
        Event::Interview { session_id, state } => format!("{session_id}  interview {}", state.name()),
        Event::Message(message) => self::message(message),
        Event::RecoveredStage { topic, stage, .. } => {
            format!("{topic}  {}, which was done while the connection was down", stage.name())
        }
        Event::Snapshot(picture) => format!("{}  {}", picture.topic, self::picture(picture)),
        Event::Gap { topic, since, until, recovered } => {
            format!("{topic}  {}", gap(*since, *until, *recovered))
        }
        Event::Fetched { topic, .. } => format!("{topic}  fetched"),
        Event::ProtocolViolation(violation) => {
            format!("violation  {}: {}", violation.reason, one_line(&violation.excerpt))
        }
        Event::Notice { kind, text } => format!("notice  {}: {}", kind.name(), one_line(text)),
        Event::Lagged { skipped } => format!("lagged  {skipped} events were not read in time"),
    }
}

/// The state of the connection: what, why, until when, what would help.
pub(crate) fn connection(state: &ConnectionState, now: u64) -> String {
    match state {
        ConnectionState::Ready { attempts, down_ms, .. } => {
            let mut text = "ready".to_owned();
            if *attempts > 1 {
                let _ = write!(text, " at attempt {attempts}");
            }
            // The first connection has been away for as long as it took.
            if *down_ms >= 100 {
                let _ = write!(text, ", was away for {}", span(*down_ms));
            }
            text
        }
        ConnectionState::Waiting { attempt, until, why } => {
            format!("waiting, attempt {attempt} in {}: {why}", span(until.saturating_sub(now)))
        }
        ConnectionState::Displaced { why } | ConnectionState::Failed { why } => {
            format!("{}: {why}", state.name())
        }
        _ => state.name().to_owned(),
    }
}

/// The state of a subscription.
pub(crate) fn subscription(state: &SubscriptionState) -> String {
    match state {
        SubscriptionState::Refused { why } => format!("refused: {why}"),
        _ => state.name().to_owned(),
    }
}

/// A time in which a topic was not live.
pub(crate) fn gap(since: u64, until: u64, recovered: bool) -> String {
    let end = if recovered {
        "the service has told the current state again"
    } else {
        "what happened meanwhile may be lost"
    };
    format!("gap of {}: {end}", span(until.saturating_sub(since)))
}

fn message(message: &Message) -> String {
    let mut line = String::new();
    if let Some(topic) = &message.topic {
        let _ = write!(line, "{topic}  ");
    }
    line.push_str(message.data.name());
    if let Some(progress) = message.progress {
        let _ = write!(line, "  {:.0} %", progress * 100.0);
    }
    for (said, word) in [(message.outdated, "outdated"), (message.recovered, "recovered")] {
        if said {
            let _ = write!(line, "  ({word})");
        }
    }
    for text in telling(message) {
        let _ = write!(line, "  {}", one_line(&text));
    }
    line
}

/// The fields that say most to a person, whatever the service.
fn telling(message: &Message) -> Vec<String> {
    let Ok(raw) = message.raw.value() else { return Vec::new() };
    let body = raw.get("payload").filter(|payload| payload.is_object()).unwrap_or(&raw);
    let fields = [
        ("", "status"),
        ("", "stage"),
        ("", "modelName"),
        // An answer names it.
        ("", "clarificationId"),
        ("story", "title"),
        ("", "message"),
        ("", "question"),
        ("firstQuestion", "question"),
        ("evaluation", "feedback"),
        ("", "error"),
        ("error", "code"),
        ("error", "message"),
        ("", "errorCode"),
        ("", "errorMessage"),
        ("", "downloadUrl"),
    ];
    let find = |(within, field): (&str, &str)| {
        let place = if within.is_empty() { body } else { body.get(within)? };
        place.get(field)?.as_str().map(str::to_owned)
    };
    fields.into_iter().filter_map(find).collect()
}

fn picture(picture: &TopicSnapshot) -> String {
    let mut line = picture.phase.name().to_owned();
    if let Some(progress) = picture.progress {
        let _ = write!(line, "  {:.0} %", progress * 100.0);
    }
    if picture.stale_since.is_some() {
        line.push_str("  (may be old: the topic is not live)");
    }
    line
}

/// A span of time in ms.
pub(crate) fn span(ms: u64) -> String {
    match ms {
        0..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {:02} s", ms / 60_000, ms / 1000 % 60),
        _ => format!("{} h {:02} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

/// A text of the server as one line without control characters.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Lines of at most so many columns, broken between words; those after the first are indented.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.trim().is_empty() || measure_text_width(line) + 1 + measure_text_width(word) <= columns {
            if !line.is_empty() && !line.ends_with("    ") {
                line.push(' ');
            }
            line.push_str(word);
        } else {
            lines.push(format!("    {word}"));
        }
    }
    lines
}

/// A text that takes at most so many columns: what is too long ends after a word, with an ellipsis.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if measure_text_width(text) <= columns {
        return text.to_owned();
    }
    let cut = truncate_str(text, columns, if columns == 0 { "" } else { "…" });
    // A long first word is cut where it must be.
    match cut.rsplit_once(' ') {
        Some((words, _)) if !words.trim().is_empty() => format!("{}…", words.trim_end()),
        _ => cut.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_between_words_and_lose_none() {
        let text = "hint  A topic is live but silent: its job may not have started";
        let lines = wrap(text, 30);
        assert!(lines.len() > 1 && lines.iter().all(|line| measure_text_width(line) <= 30), "{lines:?}");
        assert!(lines[0].starts_with("hint  A") && lines[1..].iter().all(|line| line.starts_with("    ")));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&lines.join(" ")), words(text));
    }

    #[test]
    fn a_line_that_fits_stays_as_it_is_and_a_word_that_never_fits_has_a_line_of_its_own() {
        assert_eq!(wrap("two  words", 10), ["two  words"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(
            wrap("see wss://example.org/a/b now", 12),
            ["see", "    wss://example.org/a/b", "    now"]
        );
        // Wide characters take two columns.
        assert_eq!(wrap("日本 日本", 8), ["日本", "    日本"]);
    }

    #[test]
    fn what_does_not_fit_ends_after_a_word() {
        assert_eq!(fit("Upload received", 15), "Upload received");
        assert_eq!(fit("Upload received", 14), "Upload…");
        assert_eq!(fit("Upload received", 8), "Upload…");
        assert_eq!(fit("Upload received", 4), "Upl…");
        assert_eq!(fit("Upload received", 1), "…");
        assert_eq!(fit("Upload received", 0), "");
        assert_eq!(fit("日本 日本", 7), "日本…");
    }
}
