//! Fault rules as they are written: what they match, what they do and how often.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::Action;
use super::span;
use super::tcp::TcpFault;
use crate::service::Service;
use crate::wording::{object, plain};

/// Where a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// At TCP connections as they are accepted, before TLS and HTTP.
    Accept,
    /// At the upgrade request.
    Upgrade,
    /// At messages from the client.
    In,
    /// At messages to the client.
    Out,
    /// Not at all: it is applied at once to the open connections that match.
    Now,
}

/// Which happenings a rule concerns. What is left out matches everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// The service's slug; where a connection is accepted it is known on a service's own port only.
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
    /// The topic of the message; of a whole connection, a topic it has subscribed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The message type or event name; at the upgrade the transport, `websocket` or `polling`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only from the n-th happening on that matches everything else, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Only once the rule has been in force for so long, by the server's clock.
    #[serde(with = "span::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<span::Span>")]
    pub after: Option<Duration>,
    /// Only so often of all that match, by chance: from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub chance: Option<f64>,
    /// Where to look; by default where the action is usual: upgrades for `refuse`, mostly outgoing messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
}

/// A rule as it is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which happenings it concerns.
    #[serde(rename = "match", default, deserialize_with = "object")]
    pub matching: Match,
    /// What it does.
    pub action: Action,
    /// How often; without it, until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub times: Option<u64>,
    /// Makes the chance of this rule repeatable by itself; without it, it follows `--seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Rule {
    /// A rule for this action that matches everything, for ever.
    pub fn new(action: impl Into<Action>) -> Self {
        Self { matching: Match::default(), action: action.into(), times: None, seed: None }
    }

    /// Reads a rule from JSON and looks whether it can be put in force; the error says what to change.
    pub fn read(text: &str) -> Result<Self, String> {
        let rule: Self = serde_json::from_str(text).map_err(|e| plain(&e.to_string()))?;
        rule.check()?;
        Ok(rule)
    }

    /// The JSON Schema of a rule, for editors and other tools.
    pub fn schema() -> Value {
        schemars::schema_for!(Rule).to_value()
    }

    pub(crate) fn place(&self) -> When {
        self.matching.when.unwrap_or_else(|| self.action.usual_place())
    }

    /// Why it cannot be put in force, if it cannot.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (when, wanted) = (self.place(), &self.matching);
        let why = if let Some(why) = self.action.misfit(when) {
            why
        } else if when == When::Upgrade && wanted.user.is_some() {
            "at the upgrade the user is not known yet: leave `user` out"
        } else if when == When::Upgrade
            && wanted.topic.is_some()
            && wanted.service.is_some_and(|service| service != Service::TherapyBridge)
        {
            "at the upgrade the topic is known on therapybridge only: leave `topic` out"
        } else if when == When::Accept
            && (wanted.connection.or(wanted.number).is_some()
                || wanted.user.as_ref().or(wanted.topic.as_ref()).or(wanted.kind.as_ref()).is_some())
        {
            "of a connection just accepted nothing is known: match it by `nth`, `after` or `chance`"
        } else if [self.times, wanted.nth, wanted.number].contains(&Some(0)) {
            "`times`, `nth` and `number` count from 1"
        } else if wanted.chance.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
            "`chance` is from 0 to 1"
        } else if when == When::Now
            && (wanted.nth.is_some() || wanted.after.is_some() || wanted.chance.is_some())
        {
            "`now` is only once: leave `nth`, `after` and `chance` out"
        } else if matches!(self.action, Action::Tcp(TcpFault::ClosePort { .. }))
            && (Match { service: None, when: None, ..wanted.clone() }) != Match::default()
        {
            "a port as a whole is closed: match it by `service` only"
        } else {
            return Ok(());
        };
        Err(why.to_owned())
    }
}

/// A rule in force, as the control API shows it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleInfo {
    /// Its number, by which it can be removed.
    pub id: u64,
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// How many happenings matched so far, `nth` and `chance` left aside.
    pub matched: u64,
    /// How often it was applied.
    pub applied: u64,
    /// What keeps it from what it is for, where something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// By hand, because `Rule` refuses fields that it does not know.
impl<'de> Deserialize<'de> for RuleInfo {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut fields = serde_json::Map::deserialize(from)?;
        let mut number = |name: &'static str| {
            let value = fields.remove(name).and_then(|value| value.as_u64());
            value.ok_or_else(|| serde::de::Error::missing_field(name))
        };
        let (id, matched, applied) = (number("id")?, number("matched")?, number("applied")?);
        let hint = fields.remove("hint").and_then(|hint| hint.as_str().map(str::to_owned));
        let rule = serde_json::from_value(Value::Object(fields)).map_err(serde::de::Error::custom)?;
        Ok(Self { id, rule, matched, applied, hint })
    }
}

/// Bytes written as pairs of hex digits.
pub(crate) fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<_> = hex.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| (high * 16 + low) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_and_write_as_documented() {
        let rule = Rule::read(
            r#"{"match":{"service":"charisma","type":"subscribed","nth":2,"after":"2s","chance":0.5},
            "action":{"do":"drop","how":"rst"},"times":1,"seed":7}"#,
        )
        .unwrap();
        assert_eq!(rule.matching.service, Some(Service::Charisma));
        assert_eq!(rule.matching.after, Some(Duration::from_secs(2)));
        assert_eq!(rule.place(), When::Out);
        let again = serde_json::to_string(&rule).unwrap();
        assert_eq!(Rule::read(&again).unwrap(), rule);
        let stall = Rule::read(r#"{"action":{"do":"stall","resume_after":"2s"}}"#).unwrap();
        assert_eq!(stall.action, TcpFault::Stall { resume_after: Some(Duration::from_secs(2)) }.into());
    }

    #[test]
    fn unknown_fields_and_misplaced_actions_are_refused() {
        for (text, word) in [
            (r#"{"action":{"do":"drop"},"tmes":1}"#, "tmes"),
            (r#"{"action":{"do":"explode"}}"#, "explode"),
            (r#"{"action":{"do":"swallow"},"match":{"when":"now"}}"#, "frame"),
            (r#"{"action":{"do":"refuse","status":200}}"#, "status"),
            (r#"{"action":{"do":"drop"},"match":{"when":"accept"}}"#, "fin or rst"),
            (r#"{"action":{"do":"stall"},"match":{"when":"accept","user":"u1"}}"#, "nth"),
            (r#"{"action":{"do":"swallow"},"match":{"chance":2}}"#, "chance"),
            (r#"{"action":{"do":"frame","opcode":16}}"#, "opcode"),
        ] {
            let error = Rule::read(text).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn the_schema_knows_every_action_and_refuses_unknown_fields() {
        let schema = Rule::schema().to_string();
        for name in ["drop", "refuse", "frame", "swallow", "reject"] {
            assert!(schema.contains(&format!("\"{name}\"")), "{name}");
        }
        assert!(schema.contains("\"additionalProperties\":false"));
    }
}
