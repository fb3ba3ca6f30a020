//! Faults: rules `{match, action, times}` that make the server misbehave on command.
//!
//! Rules are looked at in three places and nowhere else: at the upgrade ([`Faults::at_upgrade`]), where a message
//! comes in and where a frame goes out ([`Faults::at_frame`]). Both answer with a plan that the transport
//! carries out, so a new action is a variant here and a line where the plan is made.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::connection::{Closing, Command, Connection};
use crate::io::Cut;
use crate::journal::Happening;
use crate::services::Service;
use crate::sync::Locked;
use crate::world::World;

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
    fn misfit(&self, when: When) -> Option<&'static str> {
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

    fn place(&self) -> When {
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

/// How the end of a connection is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// By a close frame.
    Close(Closing),
    /// Below the protocols.
    Cut(Cut),
}

impl End {
    fn of(how: How, code: u16, reason: &str) -> Self {
        match how {
            How::Close => End::Close(Closing::new(code, reason)),
            How::Fin => End::Cut(Cut::Fin),
            How::Rst => End::Cut(Cut::Reset),
        }
    }
}

/// What to do with a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Wait so long first.
    pub(crate) delay: Duration,
    /// Send or handle it so often.
    pub(crate) copies: usize,
    /// Send this text instead.
    pub(crate) instead: Option<String>,
    /// End the connection instead.
    pub(crate) end: Option<End>,
}

/// What to do with an upgrade request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UpgradePlan {
    pub(crate) delay: Duration,
    /// HTTP status and `Retry-After`.
    pub(crate) refuse: Option<(u16, Option<u64>)>,
    pub(crate) cut: Option<Cut>,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    last: AtomicU64,
    rules: Mutex<Vec<RuleInfo>>,
}

impl Faults {
    /// Puts a rule in force; the answer has its number and, for `when: now`, to how many connections it was applied.
    pub(crate) fn add(&self, world: &World, rule: Rule) -> Result<RuleInfo, String> {
        let when = rule.place();
        if let Some(why) = rule.action.misfit(when) {
            return Err(why.to_owned());
        }
        let wanted = &rule.matching;
        if when == When::Upgrade && wanted.user.is_some() {
            return Err("at the upgrade the user is not known yet: leave `user` out".to_owned());
        }
        if when == When::Upgrade
            && wanted.topic.is_some()
            && wanted.service.is_some_and(|service| service != Service::TherapyBridge)
        {
            return Err(
                "at the upgrade the topic is known on therapybridge only: leave `topic` out".to_owned()
            );
        }
        if rule.times == Some(0) || rule.matching.nth == Some(0) {
            return Err("`times` and `nth` count from 1".to_owned());
        }
        let mut info =
            RuleInfo { id: self.last.fetch_add(1, Ordering::Relaxed) + 1, rule, matched: 0, applied: 0 };
        if when == When::Now {
            let concerned = world.connections.which(|c| concerns(&info.rule.matching, c));
            for connection in concerned.iter().take(info.rule.times.map_or(usize::MAX, |n| n as usize)) {
                at_once(world, connection, &info.rule.action);
                info.matched += 1;
                info.applied += 1;
            }
        } else {
            self.rules.locked().push(info.clone());
        }
        Ok(info)
    }

    /// Removes one rule, or all of them.
    pub(crate) fn remove(&self, id: Option<u64>) -> usize {
        let mut rules = self.rules.locked();
        let before = rules.len();
        rules.retain(|rule| id.is_some_and(|id| rule.id != id));
        before - rules.len()
    }

    /// The rules in force.
    pub(crate) fn list(&self) -> Vec<RuleInfo> {
        self.rules.locked().clone()
    }

    fn actions(&self, when: When, on: &Connection, topic: Option<&str>, kind: Option<&str>) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut rules = self.rules.locked();
        for info in rules.iter_mut() {
            let wanted = &info.rule.matching;
            let fits = info.rule.place() == when
                && is_on(wanted, on)
                && wanted.topic.as_deref().is_none_or(|t| topic == Some(t))
                && wanted.kind.as_deref().is_none_or(|k| kind == Some(k));
            if !fits {
                continue;
            }
            info.matched += 1;
            if info.rule.times.is_some_and(|times| info.applied >= times)
                || wanted.nth.is_some_and(|nth| info.matched < nth)
            {
                continue;
            }
            info.applied += 1;
            actions.push(info.rule.action.clone());
        }
        actions
    }

    /// Asked for each upgrade request, before anything else looks at it. As the request's type stands its transport,
    /// `websocket` or `polling`.
    pub(crate) fn at_upgrade(&self, world: &World, on: &Connection, transport: &str) -> UpgradePlan {
        let mut plan = UpgradePlan::default();
        // Only where the address names the topic it is known by now.
        let topic = on.path.rsplit('/').next().filter(|_| on.service == Service::TherapyBridge);
        for action in self.actions(When::Upgrade, on, topic, Some(transport)) {
            note(world, on, &action);
            match action {
                Action::Refuse { status, retry_after } => plan.refuse = Some((status, retry_after)),
                Action::Delay { by } => plan.delay += by,
                Action::Drop { how: How::Fin, .. } => plan.cut = Some(Cut::Fin),
                Action::Drop { .. } => plan.cut = Some(Cut::Reset),
                _ => {}
            }
        }
        plan
    }

    /// Asked for each frame, `when` in or out, just before it is handled or written.
    pub(crate) fn at_frame(
        &self,
        world: &World,
        when: When,
        on: &Connection,
        topic: Option<&str>,
        kind: &str,
    ) -> Plan {
        let mut plan = Plan { delay: Duration::ZERO, copies: 1, instead: None, end: None };
        for action in self.actions(when, on, topic, Some(kind)) {
            match &action {
                Action::Drop { how, code, reason } => plan.end = Some(End::of(*how, *code, reason)),
                Action::Malformed { text } => plan.instead = Some(text.clone()),
                Action::Duplicate { copies } => plan.copies = *copies,
                Action::Swallow => plan.copies = 0,
                Action::Delay { by } => plan.delay += *by,
                Action::Refuse { .. } => continue,
                _ => {
                    at_once(world, on, &action);
                    continue; // has noted itself
                }
            }
            note(world, on, &action);
        }
        plan
    }
}

fn note(world: &World, on: &Connection, action: &Action) {
    let text = serde_json::to_string(action).unwrap_or_default();
    world.journal.add(Happening::Fault, on, None, None, &text);
}

/// Whether a connection as a whole is concerned.
fn concerns(wanted: &Match, on: &Connection) -> bool {
    is_on(wanted, on) && wanted.topic.as_deref().is_none_or(|topic| on.follows(topic))
}

fn is_on(wanted: &Match, on: &Connection) -> bool {
    wanted.service.is_none_or(|s| s == on.service)
        && wanted.connection.is_none_or(|n| n == on.id)
        && wanted.user.as_deref().is_none_or(|u| on.user().as_deref() == Some(u))
}

/// Does to a connection what needs no frame.
fn at_once(world: &World, on: &Connection, action: &Action) {
    note(world, on, action);
    match action {
        Action::Drop { how, code, reason } => match End::of(*how, *code, reason) {
            End::Close(closing) => on.send(Command::Close(closing)),
            End::Cut(cut) => on.wire.cut(cut),
        },
        Action::Stall { resume_after } => on.wire.hold(*resume_after),
        Action::Resume => on.wire.resume(),
        Action::Lag { by } => on.wire.delay(*by),
        Action::Trickle { bytes, pause } => on.wire.trickle(*bytes, *pause),
        Action::Inject { hex } => on.wire.inject(unhex(hex).unwrap_or_default()),
        Action::ExpireToken => {
            if let Some(who) = on.identity() {
                world.authority.revoke(&who.fingerprint);
            }
            on.send(Command::Expire);
        }
        Action::Replace => on.send(Command::Replace),
        _ => {}
    }
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
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
