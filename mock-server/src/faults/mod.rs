//! Faults: rules `{match, action, times}` that make the server misbehave on command.
//!
//! Rules are looked at in four places and nowhere else: where a TCP connection is accepted ([`Faults::at_accept`]), at
//! the upgrade ([`Faults::at_upgrade`]), and where a message comes in or goes out ([`Faults::at_message`]). Each
//! answers with a plan that the caller carries out; what an action means is in the file of its group ([`action`]).

pub(crate) mod action;
pub(crate) mod catalogue;
pub(crate) mod edit;
pub(crate) mod frame;
pub(crate) mod http;
pub(crate) mod message;
pub(crate) mod named;
pub(crate) mod protocol;
pub(crate) mod rule;
pub(crate) mod span;
pub(crate) mod tcp;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::connection::{Closing, Command, Connection};
use crate::faults::action::Action;
use crate::faults::frame::FrameFault;
use crate::faults::http::UpgradePlan;
use crate::faults::message::MessageFault;
use crate::faults::protocol::ProtocolFault;
use crate::faults::rule::{Match, Rule, RuleInfo, When};
use crate::faults::tcp::TcpFault;
use crate::howto::believes_anyone;
use crate::report::journal::Fact;
use crate::service::Service;
use crate::sync::Locked;
use crate::wire::bundle::Wires;
use crate::wire::io::{Cut, Wire};
use crate::world::World;

/// Rules that may be in force at the same time.
const MOST_RULES: usize = 1000;

/// How the end of a connection is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// By a close frame.
    Close(Closing),
    /// Below the protocols.
    Cut(Cut),
    /// By a close frame that a rule has written already.
    Written,
}

/// A rule's action that is due, with what the rule's chance drew for it.
#[derive(Debug, Clone)]
struct Due {
    rule: u64,
    action: Action,
    draw: Draw,
}

/// A number that a rule drew by its seed: whatever an action leaves to chance is decided by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw(u64);

impl Draw {
    /// One of so many, counted from 0.
    pub(crate) fn one_of(self, count: usize) -> usize {
        (self.0 % count.max(1) as u64) as usize
    }

    /// A part of a span, perhaps nearly all of it.
    pub(crate) fn part_of(self, span: Duration) -> Duration {
        span.mul_f64((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// What to do with a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Wait so long first.
    pub(crate) delay: Duration,
    /// Send or handle it so often.
    pub(crate) copies: usize,
    /// Send this text instead.
    pub(crate) instead: Option<String>,
    /// What is changed in its text.
    pub(crate) edits: Vec<(MessageFault, Draw)>,
    /// Send its text as bytes.
    pub(crate) binary: bool,
    /// Send it behind the next one.
    pub(crate) aside: bool,
    /// Send what came before it once more, behind it.
    pub(crate) stale: bool,
    /// End the connection instead.
    pub(crate) end: Option<End>,
    /// How its frame is written; see [`frame::plan`].
    pub(crate) frames: Vec<FrameFault>,
    /// What the session is to do in place of handling it.
    pub(crate) answers: Vec<ProtocolFault>,
}

/// What rules are matched against.
#[derive(Debug, Clone, Copy, Default)]
struct Scene<'a> {
    service: Option<Service>,
    on: Option<&'a Connection>,
    topic: Option<&'a str>,
    kind: Option<&'a str>,
    /// Only rules that name this type are meant.
    named: bool,
}

/// A rule with what it needs to be judged.
#[derive(Debug)]
struct InForce {
    info: RuleInfo,
    /// The clock when it was put in force.
    since: Duration,
    random: fastrand::Rng,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    last: AtomicU64,
    rules: Mutex<Vec<InForce>>,
    /// Connections that a rule drops a while later.
    doomed: Mutex<BTreeSet<u64>>,
}

impl Faults {
    /// Puts a rule in force; the answer has its number and, for `when: now`, to how many connections it was applied.
    pub(crate) fn add(&self, world: &World, rule: Rule) -> Result<RuleInfo, String> {
        rule.check()?;
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let hint = unbelieving(world, &rule).map(str::to_owned);
        let mut info = RuleInfo { id, rule, matched: 0, applied: 0, hint };
        if let Action::Tcp(TcpFault::ClosePort { span }) = info.rule.action {
            info.applied = world.ports.close(info.rule.matching.service, span)?;
            info.matched = info.applied;
            let span = humantime::format_duration(span);
            world.console.say("fault", &format!("rule {id} has closed the port for {span}"));
            return Ok(info);
        }
        if info.rule.place() == When::Now {
            let concerned = world.connections.which(|c| concerns(&info.rule.matching, c));
            for connection in concerned.iter().take(info.rule.times.map_or(usize::MAX, |n| n as usize)) {
                note(world, connection, info.id, &info.rule.action);
                let action = serde_json::to_string(&info.rule.action).unwrap_or_default();
                world.console.tell("fault", connection, &action);
                at_once(world, connection, &info.rule.action);
                info.matched += 1;
                info.applied += 1;
            }
        } else if self.rules.locked().len() >= MOST_RULES {
            return Err(format!("{MOST_RULES} rules are in force already: remove some of them first"));
        } else {
            let seed = info.rule.seed.unwrap_or_else(|| world.random(|rng| rng.u64(..)));
            let random = fastrand::Rng::with_seed(seed);
            self.rules.locked().push(InForce { info: info.clone(), since: world.clock.now(), random });
        }
        Ok(info)
    }

    /// Removes one rule, or all of them.
    pub(crate) fn remove(&self, id: Option<u64>) -> usize {
        let mut rules = self.rules.locked();
        let before = rules.len();
        rules.retain(|rule| id.is_some_and(|id| rule.info.id != id));
        before - rules.len()
    }

    /// The rules in force.
    pub(crate) fn list(&self) -> Vec<RuleInfo> {
        self.rules.locked().iter().map(|rule| rule.info.clone()).collect()
    }

    /// The actions that are due at this place with their rules' numbers, in the order of the rules.
    fn actions(&self, world: &World, when: When, scene: Scene<'_>) -> Vec<Due> {
        let mut rules = self.rules.locked();
        if rules.is_empty() {
            return Vec::new();
        }
        let now = world.clock.now();
        let due = rules.iter_mut().filter_map(|rule| {
            let fits = rule.info.rule.place() == when && rule.fits(scene, now);
            if !fits {
                return None;
            }
            rule.fire()
        });
        due.collect()
    }

    /// Asked for each TCP connection that is accepted, before TLS. Carries the actions out at once. The journal learns
    /// of them when the connection turns out to be a service's; one that never gets so far shows at the console only,
    /// and in the rule's `applied`.
    pub(crate) fn at_accept(&self, world: &World, service: Option<Service>, wire: &Wire) {
        let scene = Scene { service, ..Scene::default() };
        for Due { rule, action, .. } in self.actions(world, When::Accept, scene) {
            let text = serde_json::to_string(&action).unwrap_or_default();
            world.console.say("fault", &format!("a TCP connection met rule {rule}: {text}"));
            wire.note(rule, text);
            if let Action::Tcp(fault) = action {
                fault.apply(&Wires::new(wire.clone()));
            }
        }
    }

    /// Asked for each upgrade request, before anything else looks at it. As the request's type stands its transport,
    /// `websocket` or `polling`; the later requests of polling have a type in parentheses, and only rules that name it
    /// are meant.
    pub(crate) fn at_upgrade(&self, world: &World, on: &Connection, transport: &str) -> UpgradePlan {
        for (rule, action) in on.wire.take_notes() {
            world.journal.add(on, Fact::Fault { rule, action: &action });
        }
        // Only where the address names the topic it is known by now.
        let topic = on.path.rsplit('/').next().filter(|_| on.service == Service::TherapyBridge);
        let named = transport.starts_with('(');
        let scene = Scene { on: Some(on), topic, kind: Some(transport), named, ..Scene::default() };
        let actions = self.actions(world, When::Upgrade, scene);
        for due in &actions {
            note(world, on, due.rule, &due.action);
            if let Action::Tcp(fault) = &due.action {
                self.drop_later(world, on, fault);
            }
        }
        http::plan(actions)
    }

    /// Asked for each message, `when` in or out, just before it is handled or written.
    pub(crate) fn at_message(
        &self,
        world: &World,
        when: When,
        on: &Connection,
        topic: Option<&str>,
        kind: &str,
    ) -> Plan {
        self.plan(world, when, on, Scene { on: Some(on), topic, kind: Some(kind), ..Scene::default() })
    }

    /// Asked for what is no message of the service, such as a WebSocket ping: only rules that name its type are meant.
    pub(crate) fn at_control(&self, world: &World, when: When, on: &Connection, kind: &str) -> Plan {
        let scene = Scene { on: Some(on), kind: Some(kind), named: true, ..Scene::default() };
        self.plan(world, when, on, scene)
    }

    fn plan(&self, world: &World, when: When, on: &Connection, scene: Scene<'_>) -> Plan {
        let mut plan = Plan {
            delay: Duration::ZERO,
            copies: 1,
            instead: None,
            edits: Vec::new(),
            binary: false,
            aside: false,
            stale: false,
            end: None,
            frames: Vec::new(),
            answers: Vec::new(),
        };
        for Due { rule, action, draw } in self.actions(world, when, scene) {
            note(world, on, rule, &action);
            match action {
                Action::Tcp(fault) if self.drop_later(world, on, &fault) => {}
                Action::Tcp(fault) => match fault.end() {
                    Some(end) => plan.end = Some(end),
                    None => fault.apply(&on.wire),
                },
                Action::Message(fault) => fault.apply(&mut plan, draw),
                Action::Frame(fault) => plan.frames.push(fault),
                Action::Protocol(fault) => fault.apply(world, on, Some(&mut plan)),
                Action::Http(_) => {}
            }
        }
        plan
    }
}

impl Faults {
    /// Whether it is a drop that comes a while later: then that is seen to, once for a connection.
    fn drop_later(&self, world: &World, on: &Connection, fault: &TcpFault) -> bool {
        let TcpFault::Drop { after: Some(after), .. } = fault else { return false };
        let (world, id, now) = (world.clone(), on.id, TcpFault::without_delay(fault));
        let due = world.clock.now().saturating_add(*after);
        if self.doomed.locked().insert(id) {
            world.clone().tasks.spawn(async move {
                tokio::select! {
                    () = world.clock.sleep_until(due) => {}
                    () = world.shutdown.cancelled() => return,
                }
                world.faults.doomed.locked().remove(&id);
                for on in world.connections.which(|on| on.id == id) {
                    at_once(&world, &on, &now.clone().into());
                }
            });
        }
        true
    }
}

impl InForce {
    /// Whether the rule concerns what happens here and now.
    fn fits(&self, scene: Scene<'_>, now: Duration) -> bool {
        let wanted = &self.info.rule.matching;
        let service = scene.on.map(|on| on.service).or(scene.service);
        wanted.service.is_none_or(|s| Some(s) == service)
            && scene.on.is_none_or(|on| is_on(wanted, on))
            && wanted.topic.as_deref().is_none_or(|t| scene.topic == Some(t))
            && wanted.kind.as_deref().map_or(!scene.named, |k| scene.kind == Some(k))
            && wanted.after.is_none_or(|after| now.saturating_sub(self.since) >= after)
    }

    /// Counts; answers the action if it is due.
    fn fire(&mut self) -> Option<Due> {
        let Self { info, random, .. } = self;
        info.matched += 1;
        let late = info.rule.times.is_some_and(|times| info.applied >= times);
        let early = info.rule.matching.nth.is_some_and(|nth| info.matched < nth);
        if late || early || info.rule.matching.chance.is_some_and(|chance| random.f64() >= chance) {
            return None;
        }
        info.applied += 1;
        Some(Due { rule: info.id, action: info.rule.action.clone(), draw: Draw(random.u64(..)) })
    }
}

fn note(world: &World, on: &Connection, rule: u64, action: &Action) {
    let text = serde_json::to_string(action).unwrap_or_default();
    world.journal.add(on, Fact::Fault { rule, action: &text });
}

/// What is to be said of a rule that ends tokens where nobody looks at them.
fn unbelieving(world: &World, rule: &Rule) -> Option<&'static str> {
    let ends_tokens =
        matches!(rule.action, Action::Protocol(ProtocolFault::ExpireToken | ProtocolFault::RevokeToken));
    let note = |service: Service| believes_anyone(service, &world.switches);
    let wanted = &rule.matching;
    ends_tokens.then_some(())?;
    wanted
        .service
        .and_then(note)
        .or_else(|| world.connections.which(|on| concerns(wanted, on)).iter().find_map(|on| note(on.service)))
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

/// Does to a connection what needs no message.
fn at_once(world: &World, on: &Connection, action: &Action) {
    match action {
        Action::Tcp(fault) if world.faults.drop_later(world, on, fault) => {}
        Action::Tcp(fault) => match fault.end() {
            Some(End::Close(closing)) => on.send(Command::Close(closing)),
            _ => fault.apply(&on.wire),
        },
        Action::Protocol(fault) => fault.apply(world, on, None),
        Action::Http(_) | Action::Message(_) | Action::Frame(_) => {}
    }
}
