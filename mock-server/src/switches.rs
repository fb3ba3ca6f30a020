//! Named switches: every behaviour and every limit that a tester may change, declared in one table.
//!
//! The same names serve `--set charisma.replaced_code=4001`, the environment
//! (`MOCK_CHARISMA_REPLACED_CODE`), `mock-server switches` and `GET`/`POST /_mock/switches`.
//! A new switch is one entry in the table at the end of this file; a misspelt name does not compile.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use crate::sync::Locked;
use crate::wording::nearest;

/// What a switch accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number in this range, both ends included.
    Number(u64, u64),
    /// A span of time such as `400ms`, `30s` or `15m`; a bare number is milliseconds.
    Span,
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Accepts::OneOf(words) => f.write_str(&words.join("|")),
            Accepts::Number(low, high) => write!(f, "{low}..{high}"),
            Accepts::Span => f.write_str("a time such as 400ms, 30s or 1h"),
        }
    }
}

/// One entry of the table.
#[derive(Debug)]
pub struct Switch {
    /// The name, `<service>.<what>`.
    pub name: &'static str,
    /// What it accepts.
    pub accepts: Accepts,
    /// The value it has until told otherwise.
    pub default: &'static str,
    /// What it changes, in one sentence.
    pub doc: &'static str,
}

impl Switch {
    /// The environment variable that sets it: `MOCK_` and the name in capitals with `_` for `.`.
    pub fn variable(&self) -> String {
        format!("MOCK_{}", self.name.replace('.', "_").to_uppercase())
    }

    fn check(&self, value: &str) -> Result<(), SwitchError> {
        let fits = match self.accepts {
            Accepts::OneOf(words) => words.contains(&value),
            Accepts::Number(low, high) => value.parse().is_ok_and(|n: u64| (low..=high).contains(&n)),
            Accepts::Span => parse_span(value).is_some(),
        };
        if fits {
            return Ok(());
        }
        Err(SwitchError(format!(
            "`{value}` is no value for the switch `{}`: it accepts {} (default {})",
            self.name, self.accepts, self.default
        )))
    }
}

/// A switch that does not exist or a value that it does not accept; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchError(String);

impl fmt::Display for SwitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SwitchError {}

/// The longest span that can be asked for: ten years, which no clock has trouble with.
const LONGEST_SPAN: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Reads `400ms`, `30s`, `1h 5m` or a bare number of milliseconds; ten years at most.
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    let span = match text.parse() {
        Ok(millis) => Duration::from_millis(millis),
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    (span <= LONGEST_SPAN).then_some(span)
}

/// The current values. What the table does not list has no value and cannot be asked for.
#[derive(Debug, Default)]
pub struct Switches {
    changed: Mutex<BTreeMap<&'static str, String>>,
}

impl Switches {
    /// All switches of the table, in its order.
    pub fn all() -> &'static [&'static Switch] {
        TABLE
    }

    /// Changes one; the error names the switch or lists what it accepts.
    pub fn set(&self, name: &str, value: &str) -> Result<(), SwitchError> {
        let Some(switch) = TABLE.iter().find(|s| s.name == name) else {
            return Err(SwitchError(format!(
                "there is no switch `{name}`{}: `mock-server switches` lists them all",
                nearest(name, TABLE.iter().map(|s| s.name))
                    .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
            )));
        };
        switch.check(value)?;
        self.changed.locked().insert(switch.name, value.to_owned());
        Ok(())
    }

    /// Changes one, written `name=value`.
    pub fn assign(&self, assignment: &str) -> Result<(), SwitchError> {
        let Some((name, value)) = assignment.split_once('=') else {
            return Err(SwitchError(format!(
                "`{assignment}` sets nothing: write `name=value`, for example `charisma.replay=on`"
            )));
        };
        self.set(name.trim(), value.trim())
    }

    /// Takes over the values of another set.
    pub(crate) fn copy(&self, other: &Switches) {
        let values = other.changed.locked().clone();
        *self.changed.locked() = values;
    }

    /// The value of a switch as text.
    pub fn text(&self, switch: &'static Switch) -> String {
        let changed = self.changed.locked();
        changed.get(switch.name).cloned().unwrap_or_else(|| switch.default.to_owned())
    }

    /// Whether a switch stands at this word.
    pub(crate) fn is(&self, switch: &'static Switch, word: &str) -> bool {
        debug_assert!(switch.check(word).is_ok(), "{word} is no value of {}", switch.name);
        self.text(switch) == word
    }

    /// Whether a switch stands like this, `name=value`; an assignment that [`Switches::assign`] refuses never holds.
    pub(crate) fn stands(&self, assignment: &str) -> bool {
        let Some((name, value)) = assignment.split_once('=') else { return false };
        let switch = TABLE.iter().find(|switch| switch.name == name.trim());
        switch.is_some_and(|switch| self.text(switch) == value.trim())
    }

    /// The value of a numeric switch.
    pub(crate) fn number(&self, switch: &'static Switch) -> u64 {
        self.text(switch).parse().expect("numbers are checked when set")
    }

    /// The value of a switch that is a span of time.
    pub(crate) fn span(&self, switch: &'static Switch) -> Duration {
        parse_span(&self.text(switch)).expect("spans are checked when set")
    }

    /// The value of a span that something is repeated after: never none at all.
    pub(crate) fn interval(&self, switch: &'static Switch) -> Duration {
        self.span(switch).max(Duration::from_millis(1))
    }
}

/// The switch whose name shares most with a misspelt one.
const ON_OFF: Accepts = Accepts::OneOf(&["off", "on"]);
const CLOSE_IGNORE: Accepts = Accepts::OneOf(&["close", "ignore"]);
const CODE: Accepts = Accepts::Number(1000, 4999);
const COUNT: Accepts = Accepts::Number(0, 1_000_000);
const BYTES: Accepts = Accepts::Number(1, 64 << 20);

macro_rules! table {
    ($($id:ident $name:literal $accepts:expr, $default:literal, $doc:literal;)*) => {
        $(pub(crate) static $id: Switch = Switch { name: $name, accepts: $accepts, default: $default, doc: $doc };)*
        static TABLE: &[&Switch] = &[$(&$id),*];
    };
}

table! {
    CHARISMA_HEARTBEAT "charisma.heartbeat" Accepts::OneOf(&["ping", "json", "none"]), "ping",
        "The server's sign of life: WebSocket pings, JSON {\"type\":\"ping\"} messages, or nothing.";
    CHARISMA_PING_INTERVAL "charisma.ping_interval" Accepts::Span, "30s", "Time between two heartbeats.";
    CHARISMA_PING_TIMEOUT "charisma.ping_timeout" Accepts::Span, "60s",
        "A peer that is silent for this long is dropped (not with heartbeat none).";
    CHARISMA_AUTH_TIMEOUT "charisma.auth_timeout" Accepts::Span, "10s",
        "How long a connection without a token may take to send authenticate.";
    CHARISMA_EXPIRED "charisma.expired" CLOSE_IGNORE, "close",
        "What a message after the token's exp leads to: session_error UNAUTHORIZED and close 4401, or nothing.";
    CHARISMA_SECOND_CONNECTION "charisma.second_connection" Accepts::OneOf(&["replace", "reject", "allow"]), "replace",
        "A user's second connection closes the older one, is refused with HTTP 409, or is let in beside it.";
    CHARISMA_REPLACED_CODE "charisma.replaced_code" CODE, "4409", "The close code of a replaced connection.";
    CHARISMA_REPLAY "charisma.replay" ON_OFF, "off", "Send a session's last status again right after subscribed.";
    CHARISMA_OCR_CONFIRM "charisma.ocr_confirm" Accepts::OneOf(&["auto", "manual"]), "auto",
        "verifying_ocr goes on after one step, or waits for POST /_mock/confirm {topic}.";
    CHARISMA_MAX_MESSAGE "charisma.max_message" BYTES, "1048576", "Larger messages close the connection with 1009.";

    THERAPYBRIDGE_REFUSE "therapybridge.refuse" Accepts::OneOf(&["after", "before"]), "after",
        "Refuse after the upgrade with close 1008 and a reason, or before it with HTTP 403 or 404.";
    THERAPYBRIDGE_PING_INTERVAL "therapybridge.ping_interval" Accepts::Span, "30s", "Time between two JSON pings.";
    THERAPYBRIDGE_UNANSWERED "therapybridge.unanswered_pings" CLOSE_IGNORE, "ignore",
        "After two pings to which the client said nothing: close 1008 \"Ping timeout\", or nothing.";
    THERAPYBRIDGE_FAILED_PROGRESS "therapybridge.failed_progress" Accepts::OneOf(&["last", "null"]), "last",
        "The progress of a failed frame: the last integer, or null.";
    THERAPYBRIDGE_EXPIRED "therapybridge.expired" CLOSE_IGNORE, "close",
        "At the token's exp: close 1008 \"Invalid authentication\", or nothing.";
    THERAPYBRIDGE_CONNECTIONS "therapybridge.connections_per_user" COUNT, "0",
        "More connections of one user than this are refused with HTTP 429; 0 is no limit.";
    THERAPYBRIDGE_CONNECTS "therapybridge.connects_per_minute" COUNT, "0",
        "More connects of one user in a minute than this are refused with HTTP 429; 0 is no limit.";
    THERAPYBRIDGE_TOKEN_TTL "therapybridge.token_ttl" Accepts::Span, "1h", "The life of a token from /api/v1/login.";
    THERAPYBRIDGE_MAX_MESSAGE "therapybridge.max_message" BYTES, "1048576",
        "Larger messages close the connection with 1009.";

    SAGA_PING_INTERVAL "saga.ping_interval" Accepts::Span, "25s", "Engine.IO's pingInterval.";
    SAGA_PING_TIMEOUT "saga.ping_timeout" Accepts::Span, "60s", "Engine.IO's pingTimeout.";
    SAGA_CONNECT_TIMEOUT "saga.connect_timeout" Accepts::Span, "45s",
        "How long an Engine.IO session may take to send CONNECT.";
    SAGA_MAX_PAYLOAD "saga.max_payload" BYTES, "1048576", "Engine.IO's maxPayload.";
    SAGA_RATE_LIMIT "saga.rate_limit" COUNT, "100", "Events per user and window; 0 is no limit.";
    SAGA_RATE_WINDOW "saga.rate_window" Accepts::Span, "60s", "The window of the rate limit.";
    SAGA_REFUSAL_ID "saga.refusal_id" ON_OFF, "on", "Whether PROJECT_ACCESS_DENIED names its projectId.";
    SAGA_SHUTDOWN "saga.shutdown" Accepts::OneOf(&["close", "disconnect"]), "close",
        "What follows server_shutdown: the connection closes, or a Socket.IO DISCONNECT (41).";

    DOCPROC_AUTH "docproc.auth" ON_OFF, "off", "Whether a token is required.";
    DOCPROC_PING_INTERVAL "docproc.ping_interval" Accepts::Span, "25s", "Engine.IO's pingInterval.";
    DOCPROC_PING_TIMEOUT "docproc.ping_timeout" Accepts::Span, "60s", "Engine.IO's pingTimeout.";
    DOCPROC_CONNECT_TIMEOUT "docproc.connect_timeout" Accepts::Span, "45s",
        "How long an Engine.IO session may take to send CONNECT.";
    DOCPROC_MAX_PAYLOAD "docproc.max_payload" BYTES, "1048576", "Engine.IO's maxPayload.";
    DOCPROC_CONNECTED "docproc.connected" ON_OFF, "on", "Whether connected {socketId, timestamp} follows the connection.";
    DOCPROC_SUBSCRIBE_LIMIT "docproc.subscribe_limit" COUNT, "0",
        "More subscribes of one connection in a minute than this get error \"Rate limit exceeded\"; 0 is no limit.";
    DOCPROC_CLARIFICATION "docproc.clarification" Accepts::OneOf(&["5s", "wait", "auto"]), "5s",
        "A clarification that has no REST answer is answered by default after 5 s, waits for ever, or answers itself after one step.";
    DOCPROC_SEQUENCE "docproc.sequence" ON_OFF, "off", "Whether frames carry a rising field sequence.";

    DEVCONTEXT_ECHO "devcontext.echo" Accepts::OneOf(&["always", "never"]), "always",
        "Whether replies carry the requestId of the message they answer.";
    DEVCONTEXT_AUTHENTICATED "devcontext.authenticated" ON_OFF, "off",
        "Whether authenticate is answered with an authenticated message.";
    DEVCONTEXT_EVALUATION "devcontext.evaluation" Accepts::OneOf(&["step", "late"]), "step",
        "An answer is evaluated after one step, or later than a client waits (devcontext.late).";
    DEVCONTEXT_LATE "devcontext.late" Accepts::Span, "20s", "How late a late evaluation is.";
    DEVCONTEXT_BATCH "devcontext.batch" ON_OFF, "off", "One stage_completed for all stages instead of one for each.";
    DEVCONTEXT_AUTH_TIMEOUT "devcontext.auth_timeout" Accepts::Span, "10s",
        "How long a connection without a token may take to send authenticate.";
    DEVCONTEXT_IDLE "devcontext.idle" Accepts::Span, "15m", "A client that sends nothing for this long is closed with 1001.";
    DEVCONTEXT_MAX_LIFE "devcontext.max_life" Accepts::Span, "0s",
        "A connection ends silently at this age (1h at the real gateway); 0 is never.";
    DEVCONTEXT_RATE_LIMIT "devcontext.rate_limit" COUNT, "100", "Messages per connection and window; 0 is no limit.";
    DEVCONTEXT_RATE_WINDOW "devcontext.rate_window" Accepts::Span, "60s", "The window of the rate limit.";
    DEVCONTEXT_MAX_MESSAGE "devcontext.max_message" BYTES, "131072", "Larger messages close the connection with 1009.";

    ECHO_PING_INTERVAL "echo.ping_interval" Accepts::Span, "300ms", "Engine.IO's pingInterval in echo mode.";
    ECHO_PING_TIMEOUT "echo.ping_timeout" Accepts::Span, "200ms", "Engine.IO's pingTimeout in echo mode.";
    ECHO_CONNECT_TIMEOUT "echo.connect_timeout" Accepts::Span, "45s",
        "How long a Socket.IO client may stay without CONNECT in echo mode.";
    ECHO_PAUSE "echo.pause" Accepts::Span, "30ms",
        "The time between CONNECT's answer and `auth` in echo mode, for clients that listen for one message at a time.";
    ECHO_MAX_PAYLOAD "echo.max_payload" BYTES, "1000000", "Engine.IO's maxPayload in echo mode.";

    VERDICT_CONNECTS "verdict.connects_per_minute" COUNT, "12",
        "More connects of one client in a minute than this are too many; 0 is no limit.";
    VERDICT_PATIENCE "verdict.patience" Accepts::Span, "10s",
        "A subscribe without a confirmation may be repeated after this time.";
    VERDICT_PONG "verdict.pong" Accepts::Span, "10s", "A ping without an answer for this long is unanswered.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_the_switch_accepts_and_names_are_unique() {
        let mut names: Vec<_> = TABLE.iter().map(|s| s.name).collect();
        for switch in TABLE {
            assert_eq!(switch.check(switch.default), Ok(()), "{}", switch.name);
            assert!(switch.doc.ends_with('.'), "{}", switch.name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn errors_say_what_to_change() {
        let switches = Switches::default();
        let text = |r: Result<(), SwitchError>| r.unwrap_err().to_string();
        assert!(text(switches.assign("charisma.replaced")).contains("name=value"));
        assert!(
            text(switches.set("charisma.replaced", "1")).contains("did you mean `charisma.replaced_code`")
        );
        assert!(text(switches.set("charisma.replay", "yes")).contains("off|on (default off)"));
        assert!(text(switches.set("charisma.replaced_code", "99")).contains("1000..4999"));
    }

    #[test]
    fn a_value_holds_until_another_set_is_taken_over() {
        let switches = Switches::default();
        switches.assign("saga.ping_interval=300").unwrap();
        assert_eq!(switches.span(&SAGA_PING_INTERVAL), Duration::from_millis(300));
        switches.copy(&Switches::default());
        assert_eq!(switches.span(&SAGA_PING_INTERVAL), Duration::from_secs(25));
    }
}
