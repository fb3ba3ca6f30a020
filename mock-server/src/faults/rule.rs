//! Fault rules as they are written: what they match and what they do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::service::Service;

/// Where a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// At the upgrade request.
    Upgrade,
    /// At messages from the client.
    In,
    /// At frames to the client.
    Out,
    /// Not at all: it is applied at once to the open connections that match.
    Now,
}

/// Which happenings a rule concerns. What is left out matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// The service's slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The connection's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// The connection's number on its service alone, counted from 1: known before the connection is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The user's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The topic of the frame; of a whole connection, a topic it has subscribed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The frame's message type or event name; at the upgrade the transport, `websocket` or `polling`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only from the n-th happening on that matches everything else, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Where to look; by default upgrades for `refuse`, else outgoing frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
}

/// How a dropped connection ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// A WebSocket close frame with `code` and `reason`.
    #[default]
    Close,
    /// TCP FIN without a close frame.
    Fin,
    /// TCP RST.
    Rst,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Ends the connection in place of the frame.
    Drop {
        /// By close frame, FIN or RST.
        #[serde(default)]
        how: How,
        /// The close code, any 16-bit number.
        #[serde(default = "abnormal")]
        code: u16,
        /// The close reason.
        #[serde(default)]
        reason: String,
    },
    /// Holds the connection half-open from here on.
    Stall {
        /// Goes on by itself after this time.
        #[serde(default, with = "span", skip_serializing_if = "Option::is_none")]
        resume_after: Option<Duration>,
    },
    /// Ends a stall.
    Resume,
    /// Answers the upgrade request with an HTTP status.
    Refuse {
        /// The status, 300 to 599.
        status: u16,
        /// The header `Retry-After`, seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// Sends this text in place of the frame.
    Malformed {
        /// By default half a JSON object.
        #[serde(default = "half_an_object")]
        text: String,
    },
    /// Sends or handles the frame more than once.
    Duplicate {
        /// How often in all.
        #[serde(default = "twice")]
        copies: usize,
    },
    /// Loses the frame.
    Swallow,
    /// Sends or handles the frame later; what follows waits behind it.
    Delay {
        /// How much later.
        #[serde(with = "required_span")]
        by: Duration,
    },
    /// From here on every byte to the client arrives this much later; nothing waits behind it.
    Lag {
        /// How much later; `0` ends it.
        #[serde(with = "required_span")]
        by: Duration,
    },
    /// From here on bytes to the client arrive in small pieces.
    Trickle {
        /// Bytes in a piece.
        bytes: usize,
        /// The pause after each piece.
        #[serde(with = "required_span")]
        pause: Duration,
    },
    /// Writes raw bytes onto the connection, below WebSocket and TLS.
    Inject {
        /// The bytes, two hex digits each.
        hex: String,
    },
    /// The connection's token expires now and is refused from here on; the client is told at once, also by services
    /// that look at tokens only when a message comes.
    ExpireToken,
    /// As if a newer connection of the same user had arrived.
    Replace,
}

fn abnormal() -> u16 {
    1011
}

fn half_an_object() -> String {
    "{\"type\":".to_owned()
}

fn twice() -> usize {
    2
}

impl Action {
    fn usual_place(&self) -> When {
        match self {
            Action::Refuse { .. } => When::Upgrade,
            Action::Resume => When::Now,
            _ => When::Out,
        }
    }

    /// Why the action cannot be done there, if it cannot.
    pub(crate) fn misfit(&self, when: When) -> Option<&'static str> {
        let at_frame = matches!(
            self,
            Action::Malformed { .. } | Action::Duplicate { .. } | Action::Swallow | Action::Delay { .. }
        );
        match (self, when) {
            (Action::Refuse { status, .. }, _) if !(300..=599).contains(status) => {
                Some("`status` must be from 300 to 599")
            }
            (
                Action::Refuse { .. } | Action::Delay { .. } | Action::Drop { how: How::Fin | How::Rst, .. },
                When::Upgrade,
            ) => None,
            (Action::Refuse { .. }, _) => Some("`refuse` happens at the upgrade: leave `when` out"),
            (_, When::Upgrade) => {
                Some("at the upgrade only `refuse`, `delay` and `drop` by fin or rst are possible")
            }
            (Action::Inject { hex }, _) if unhex(hex).is_none() => Some("`hex` must be pairs of hex digits"),
            (Action::Malformed { .. }, When::In) => Some("`malformed` concerns frames to the client"),
            (_, When::Now) if at_frame => Some("this action needs a frame: use `when` in or out"),
            _ => None,
        }
    }
}

/// A rule as it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which happenings it concerns.
    #[serde(rename = "match", default)]
    pub matching: Match,
    /// What it does.
    pub action: Action,
    /// How often; without it, until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

impl Rule {
    /// A rule for this action that matches everything, for ever.
    pub fn new(action: Action) -> Self {
        Self { matching: Match::default(), action, times: None }
    }

    pub(crate) fn place(&self) -> When {
        self.matching.when.unwrap_or_else(|| self.action.usual_place())
    }
}

/// A rule in force, as the control API shows it.
#[derive(Debug, Clone, Serialize)]
pub struct RuleInfo {
    /// Its number, by which it can be removed.
    pub id: u64,
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// How many happenings matched so far, `nth` left aside.
    pub matched: u64,
    /// How often it was applied.
    pub applied: u64,
}

/// Bytes written as pairs of hex digits.
pub(crate) fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<_> = hex.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| (high * 16 + low) as u8).collect())
}

/// Spans of time in JSON: `"400ms"` or a number of milliseconds.
mod required_span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Millis(u64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*span))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        match Written::deserialize(from)? {
            Written::Millis(millis) => Ok(Duration::from_millis(millis)),
            Written::Text(text) => crate::switches::parse_span(&text)
                .ok_or_else(|| D::Error::custom(format!("`{text}` is no time: write \"400ms\" or \"2s\""))),
        }
    }
}

/// The same for a span that may be missing.
mod span {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands the field over like this")]
    pub(super) fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::required_span::serialize(span, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        super::required_span::deserialize(from).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rule, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn rules_read_and_write_as_documented() {
        let rule = read(
            r#"{"match":{"service":"charisma","type":"subscribed","nth":2},
            "action":{"do":"drop","how":"rst"},"times":1}"#,
        )
        .unwrap();
        assert_eq!(rule.matching.service, Some(Service::Charisma));
        assert_eq!(rule.place(), When::Out);
        let again = serde_json::to_string(&rule).unwrap();
        assert_eq!(read(&again).unwrap(), rule);
        let stall = read(r#"{"action":{"do":"stall","resume_after":"2s"}}"#).unwrap();
        assert_eq!(stall.action, Action::Stall { resume_after: Some(Duration::from_secs(2)) });
    }

    #[test]
    fn unknown_fields_and_misplaced_actions_are_refused() {
        assert!(read(r#"{"action":{"do":"drop"},"tmes":1}"#).unwrap_err().contains("tmes"));
        assert!(read(r#"{"action":{"do":"explode"}}"#).unwrap_err().contains("explode"));
        assert!(Action::Swallow.misfit(When::Now).is_some());
        assert!(Action::Refuse { status: 200, retry_after: None }.misfit(When::Upgrade).is_some());
    }
}
