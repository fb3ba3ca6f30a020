//! Faults: rules `{match, action, times}` that make the server misbehave on command.
//!
//! Rules are looked at in three places and nowhere else: at the upgrade ([`Faults::at_upgrade`]), where a message
//! comes in and where a frame goes out ([`Faults::at_frame`]). Both answer with a plan that the transport
//! carries out, so a new action is a variant here and a line where the plan is made.

pub(crate) mod rule;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::connection::{Closing, Command, Connection};
use crate::faults::rule::{Action, How, Match, Rule, RuleInfo, When, unhex};
use crate::report::journal::Happening;
use crate::service::Service;
use crate::sync::Locked;
use crate::wire::io::Cut;
use crate::world::World;

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
        if [rule.times, wanted.nth, wanted.number].contains(&Some(0)) {
            return Err("`times`, `nth` and `number` count from 1".to_owned());
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
        && wanted.number.is_none_or(|n| n == on.number)
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
