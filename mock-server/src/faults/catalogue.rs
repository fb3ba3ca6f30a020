//! The catalogue: every fault under a name of its own, with an example that can be pasted.
//!
//! An entry is a situation as testers speak of it. What it does is an [`Action`](super::action::Action); some actions
//! serve several situations.

use std::fmt;

use serde::Serialize;

use super::rule::{Rule, When};

/// Where a fault is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// At TCP connections.
    Tcp,
    /// At certificates.
    Tls,
    /// At requests that open a connection.
    Http,
    /// At WebSocket frames.
    WebSocket,
    /// At messages.
    Message,
    /// At what a service does.
    Protocol,
}

impl Level {
    /// All levels, from below.
    pub const ALL: [Level; 6] =
        [Level::Tcp, Level::Tls, Level::Http, Level::WebSocket, Level::Message, Level::Protocol];
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Tcp => "TCP",
            Level::Tls => "TLS",
            Level::Http => "HTTP",
            Level::WebSocket => "WebSocket",
            Level::Message => "Messages",
            Level::Protocol => "Protocol",
        })
    }
}

/// How a fault is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Example {
    /// By a rule, as JSON.
    Rule(&'static str),
    /// By these options at the start.
    Options(&'static str),
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Example::Rule(rule) if Rule::read(rule).is_ok_and(|rule| rule.place() == When::Now) => {
                write!(f, "curl http://127.0.0.1:8090/_mock/faults -d '{rule}'")
            }
            Example::Rule(rule) => write!(f, "--fault '{rule}'"),
            Example::Options(options) => f.write_str(options),
        }
    }
}

/// An entry of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KnownFault {
    /// Where it is at work.
    pub level: Level,
    /// Its name.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// How it is had.
    pub example: Example,
}

macro_rules! catalogue {
    ($($level:ident { $($name:literal $help:literal $how:ident $example:literal;)* })*) => {
        /// All faults, from below.
        pub const CATALOGUE: &[KnownFault] = &[$($(KnownFault {
            level: Level::$level,
            name: $name,
            help: $help,
            example: Example::$how($example),
        },)*)*];
    };
}

catalogue! {
    Tcp {
        "port-closed" "Nothing listens on the port for a while: the system refuses connects, also to the control API."
            Rule r#"{"action":{"do":"close_port","for":"2s"}}"#;
        "refuse-connection" "Resets the next TCP connection as soon as it is there."
            Rule r#"{"match":{"when":"accept"},"action":{"do":"drop","how":"rst"},"times":1}"#;
        "hang-connection" "Takes the next TCP connection and never says a byte, not even for TLS."
            Rule r#"{"match":{"when":"accept"},"action":{"do":"stall"},"times":1}"#;
        "hang-upgrade" "Takes the upgrade request and never answers."
            Rule r#"{"match":{"when":"upgrade"},"action":{"do":"stall"},"times":1}"#;
        "slow-handshake" "Answers the upgrade request byte by byte."
            Rule r#"{"match":{"when":"upgrade"},"action":{"do":"trickle","bytes":1,"pause":"50ms"},"times":1}"#;
        "rst" "Resets the connection in place of its second message."
            Rule r#"{"match":{"nth":2},"action":{"do":"drop","how":"rst"},"times":1}"#;
        "fin" "Ends the connection by FIN, without a close frame."
            Rule r#"{"match":{"nth":2},"action":{"do":"drop","how":"fin"},"times":1}"#;
        "half-open" "Nothing comes through any more; the peer's TCP still answers."
            Rule r#"{"match":{"nth":2},"action":{"do":"stall"},"times":1}"#;
        "half-open-resume" "The same for a while; then everything arrives at once."
            Rule r#"{"match":{"nth":2},"action":{"do":"stall","resume_after":"300ms"},"times":1}"#;
        "trickle" "From the second message on, bytes arrive one by one."
            Rule r#"{"match":{"nth":2},"action":{"do":"trickle","bytes":1,"pause":"2ms"},"times":1}"#;
        "lag" "From the second message on, every byte arrives later; nothing waits behind it."
            Rule r#"{"match":{"nth":2},"action":{"do":"lag","by":"200ms"},"times":1}"#;
        "garbage" "Bytes that no protocol wrote, before the second message."
            Rule r#"{"match":{"nth":2},"action":{"do":"inject","hex":"ffffffff"},"times":1}"#;
    }
    Tls {
        "tls-self-signed" "A certificate that nobody else has signed."
            Options "--tls self-signed";
        "tls-expired" "A certificate that has expired."
            Options "--tls expired";
        "tls-wrong-host" "A certificate for another host."
            Options "--tls wrong-host";
    }
    Http {
        "http-302" "Answers the upgrade, or the handshake of polling, by a redirect; a rule may name a `type`, `websocket` or `polling`."
            Rule r#"{"action":{"do":"refuse","status":302,"location":"/login"},"times":1}"#;
        "http-401" "Answers it with 401."
            Rule r#"{"action":{"do":"refuse","status":401},"times":1}"#;
        "http-403" "Answers it with 403."
            Rule r#"{"action":{"do":"refuse","status":403},"times":1}"#;
        "http-404" "Answers it with 404."
            Rule r#"{"action":{"do":"refuse","status":404},"times":1}"#;
        "http-429" "Answers it with 429 and `Retry-After`."
            Rule r#"{"action":{"do":"refuse","status":429,"retry_after":2},"times":1}"#;
        "http-500" "Answers it with 500."
            Rule r#"{"action":{"do":"refuse","status":500},"times":1}"#;
        "http-502" "Answers it with 502."
            Rule r#"{"action":{"do":"refuse","status":502},"times":1}"#;
        "http-503" "Answers it with 503 and `Retry-After`."
            Rule r#"{"action":{"do":"refuse","status":503,"retry_after":2},"times":1}"#;
        "poll-502" "Answers a GET of an open polling session with 502 (`(post)` for the POSTs)."
            Rule r#"{"match":{"type":"(poll)","when":"upgrade"},"action":{"do":"refuse","status":502},"times":1}"#;
        "origin-refused" "Refuses browsers as if their page's origin were not allowed."
            Rule r#"{"action":{"do":"forbid_origin"},"times":1}"#;
    }
    WebSocket {
        "close" "A close frame with any code, in place of the second message."
            Rule r#"{"match":{"nth":2},"action":{"do":"drop","code":1011,"reason":"because"},"times":1}"#;
        "close-illegal-code" "A close frame with a code that must never be on the wire."
            Rule r#"{"match":{"nth":2},"action":{"do":"close","code":1005},"times":1}"#;
        "close-one-byte" "A close frame with half a code."
            Rule r#"{"match":{"nth":2},"action":{"do":"close","hex":"03"},"times":1}"#;
        "close-empty" "A close frame without a code."
            Rule r#"{"match":{"nth":2},"action":{"do":"close"},"times":1}"#;
        "reserved-bits" "The second message's frame has a reserved bit set."
            Rule r#"{"match":{"nth":2},"action":{"do":"rsv","bits":4},"times":1}"#;
        "bad-opcode" "It has an opcode that does not exist."
            Rule r#"{"match":{"nth":2},"action":{"do":"opcode","opcode":3},"times":1}"#;
        "masked" "It is masked, as only clients' frames are."
            Rule r#"{"match":{"nth":2},"action":{"do":"masked"},"times":1}"#;
        "invalid-utf8" "Its text is no UTF-8."
            Rule r#"{"match":{"nth":2},"action":{"do":"invalid_utf8"},"times":1}"#;
        "truncated" "Half a frame, then FIN."
            Rule r#"{"match":{"nth":2},"action":{"do":"truncated"},"times":1}"#;
        "oversize-declared" "A header that announces a terabyte."
            Rule r#"{"match":{"nth":2},"action":{"do":"oversize","bytes":1099511627776,"declared":true},"times":1}"#;
        "oversize" "A message of many megabytes, filled up with spaces."
            Rule r#"{"match":{"nth":2},"action":{"do":"oversize","bytes":67108864},"times":1}"#;
        "fragments" "A message in fragments of one byte, with a ping between each two."
            Rule r#"{"match":{"nth":2},"action":{"do":"fragments","size":1,"pings":true},"times":1}"#;
        "ping-flood" "A thousand pings before the message."
            Rule r#"{"match":{"nth":2},"action":{"do":"ping_flood","count":1000},"times":1}"#;
        "no-pong" "Leaves the client's WebSocket pings without an answer."
            Rule r#"{"match":{"when":"in","type":"(ping)"},"action":{"do":"swallow"}}"#;
        "two-in-one" "Keeps a frame back and writes it with the next one in one segment."
            Rule r#"{"match":{"nth":2},"action":{"do":"together"},"times":1}"#;
        "any-frame" "A frame of any shape, bit by bit, before the message or in its place."
            Rule r#"{"match":{"nth":2},"action":{"do":"frame","opcode":10,"hex":"6869","keep":true},"times":1}"#;
    }
    Message {
        "malformed" "Half a JSON object, or any text, in place of the message."
            Rule r#"{"match":{"nth":2},"action":{"do":"malformed"},"times":1}"#;
        "empty" "A message without content."
            Rule r#"{"match":{"nth":2},"action":{"do":"empty"},"times":1}"#;
        "deep" "A field of arrays within arrays, 100,000 deep."
            Rule r#"{"match":{"nth":2},"action":{"do":"deep","levels":100000},"times":1}"#;
        "binary" "The message as bytes in place of text."
            Rule r#"{"match":{"nth":2},"action":{"do":"binary"},"times":1}"#;
        "unknown-type" "A message type, or an event's name, that no client knows."
            Rule r#"{"match":{"nth":2},"action":{"do":"unknown_type"},"times":1}"#;
        "unknown-value" "A status, or another text field, with a value that no client knows."
            Rule r#"{"match":{"nth":2},"action":{"do":"unknown_value","field":"status"},"times":1}"#;
        "missing-field" "A message without one of its fields; without `field` one is drawn."
            Rule r#"{"match":{"nth":2},"action":{"do":"missing_field"},"times":1,"seed":1}"#;
        "null-field" "A field that is null; without `field` one is drawn."
            Rule r#"{"match":{"nth":2},"action":{"do":"null_field"},"times":1,"seed":1}"#;
        "wrong-type" "A field of another JSON type; without `field` one is drawn."
            Rule r#"{"match":{"nth":2},"action":{"do":"wrong_type"},"times":1,"seed":1}"#;
        "set-field" "A field with any value, also one that is not there."
            Rule r#"{"match":{"nth":2},"action":{"do":"set_field","field":"surprise","value":{"a":[1]}},"times":1}"#;
        "huge-number" "A number that few languages can hold."
            Rule r#"{"match":{"nth":2},"action":{"do":"huge_number","number":"1e400"},"times":1}"#;
        "duplicate" "The message twice."
            Rule r#"{"match":{"nth":2},"action":{"do":"duplicate","copies":2},"times":1}"#;
        "reorder" "The message behind the one that follows it."
            Rule r#"{"match":{"nth":2},"action":{"do":"reorder"},"times":1}"#;
        "stale" "After the message, the one of the same topic that came before it."
            Rule r#"{"match":{"nth":3},"action":{"do":"stale"},"times":1}"#;
        "wrong-topic" "A message that names another topic than its own."
            Rule r#"{"match":{"nth":2},"action":{"do":"wrong_topic","topic":"no-such-topic"},"times":1}"#;
        "after-unsubscribe" "One more message of the topic after the confirmation that it has been left (Charisma's, DocProc's; elsewhere the type is `left_project` or `unsubscription_confirmed`)."
            Rule r#"{"match":{"type":"unsubscribed"},"action":{"do":"stale"},"times":1}"#;
        "lost" "The message never arrives."
            Rule r#"{"match":{"nth":2},"action":{"do":"swallow"},"times":1}"#;
        "delay" "The message arrives later, and all behind it."
            Rule r#"{"match":{"nth":2},"action":{"do":"delay","by":"200ms"},"times":1}"#;
        "jitter" "Every message is delayed by another time."
            Rule r#"{"action":{"do":"jitter","up_to":"100ms"},"seed":1}"#;
        "clock-skew" "The times in messages are those of a server whose clock is wrong."
            Rule r#"{"action":{"do":"skew","by":"1h"}}"#;
    }
    Protocol {
        "ack-lost" "The subscription is taken, its confirmation never arrives (TherapyBridge has none; Saga's is `joined_project`, DevContext's `subscription_confirmed`)."
            Rule r#"{"match":{"type":"subscribed"},"action":{"do":"swallow"},"times":1}"#;
        "ack-late" "The confirmation arrives late."
            Rule r#"{"match":{"type":"subscribed"},"action":{"do":"delay","by":"300ms"},"times":1}"#;
        "ack-doubled" "The confirmation arrives twice."
            Rule r#"{"match":{"type":"subscribed"},"action":{"do":"duplicate"},"times":1}"#;
        "subscribe-refused" "The subscription is answered with the service's error (`join_project` on Saga, `subscribe_analysis` on DevContext)."
            Rule r#"{"match":{"type":"subscribe"},"action":{"do":"reject","code":"FORBIDDEN","message":"Not allowed"},"times":1}"#;
        "rate-limited" "A message of the client is answered as one too many."
            Rule r#"{"match":{"type":"subscribe"},"action":{"do":"reject","code":"RATE_LIMIT_EXCEEDED","message":"rate_limit_exceeded"},"times":1}"#;
        "auth-ack-lost" "The authentication is taken, its confirmation never arrives (`(connect)` on Saga and DocProc)."
            Rule r#"{"match":{"type":"authenticated"},"action":{"do":"swallow"},"times":1}"#;
        "token-expired" "The token ends in mid-session, and the client is told."
            Rule r#"{"match":{"nth":2},"action":{"do":"expire_token"},"times":1}"#;
        "token-revoked" "The token is refused from here on; the client is not told."
            Rule r#"{"match":{"nth":2},"action":{"do":"revoke_token"},"times":1}"#;
        "server-shutdown" "The server says that it shuts down (Saga: `server_shutdown`, then what `saga.shutdown` says) and ends the connection."
            Rule r#"{"match":{"nth":2},"action":{"do":"shutdown"},"times":1}"#;
        "disconnect" "Socket.IO's `41`; elsewhere a close frame with 1000."
            Rule r#"{"match":{"nth":3},"action":{"do":"disconnect"},"times":1}"#;
        "takeover" "A newer connection of the same user takes the place."
            Rule r#"{"match":{"nth":2},"action":{"do":"replace"},"times":1}"#;
        "connect-error" "Socket.IO's CONNECT_ERROR."
            Rule r#"{"match":{"type":"(connect)"},"action":{"do":"reject","code":"AUTH_FAILED","message":"Authentication failed"},"times":1}"#;
        "ping-timeout" "The server's pings never arrive (DevContext sends none)."
            Rule r#"{"match":{"type":"(ping)"},"action":{"do":"swallow"}}"#;
        "wrong-eio" "Engine.IO's error for another version of the protocol."
            Rule r#"{"action":{"do":"engine_error","code":5},"times":1}"#;
        "unknown-sid" "A GET of a polling session is answered as if nobody knew the session."
            Rule r#"{"match":{"type":"(poll)","when":"upgrade"},"action":{"do":"engine_error","code":1},"times":1}"#;
        "probe-fails" "The probe from polling to WebSocket is never answered."
            Rule r#"{"match":{"type":"(probe)"},"action":{"do":"swallow"},"times":1}"#;
        "probe-refused" "The WebSocket of the probe is refused; polling goes on."
            Rule r#"{"match":{"type":"websocket"},"action":{"do":"refuse","status":400},"times":1}"#;
        "gateway-error" "An API gateway's error frame in place of the service's answer."
            Rule r#"{"match":{"when":"in"},"action":{"do":"gateway_error"},"times":1}"#;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::action::Action;
    use crate::faults::rule::Rule;
    use crate::options::Tls;

    #[test]
    fn every_example_can_be_pasted_and_every_name_is_taken_once() {
        for fault in CATALOGUE {
            match fault.example {
                Example::Rule(rule) => {
                    Rule::read(rule).unwrap_or_else(|why| panic!("{}: {why}", fault.name));
                    assert!(!rule.contains('\''), "{}: no quote fits into a shell's quotes", fault.name);
                }
                Example::Options(options) => {
                    options.strip_prefix("--tls ").unwrap().parse::<Tls>().unwrap();
                }
            }
        }
        let mut names: Vec<_> = CATALOGUE.iter().map(|fault| fault.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CATALOGUE.len());
    }

    #[test]
    fn every_action_has_an_entry_or_is_only_the_end_of_one() {
        for name in Action::names().filter(|name| *name != "resume") {
            let word = format!("\"do\":\"{name}\"");
            let has = |example| matches!(example, Example::Rule(rule) if rule.contains(&word));
            assert!(CATALOGUE.iter().any(|fault| has(fault.example)), "{name}");
        }
    }

    #[test]
    fn the_readme_names_every_fault() {
        let readme = include_str!("../../README.md");
        for fault in CATALOGUE {
            assert!(readme.contains(&format!("| `{}` |", fault.name)), "{}", fault.name);
        }
    }
}
