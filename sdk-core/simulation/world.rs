//! A client's machine in a simulated world: the clock, what is yet to happen, and the walk through it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use steadfast::faults::Faults;
use steadfast::{Config, FrameId, HostCaps, Input, Machine, Now, Output, Service, Verdict};

use crate::app::App;
use crate::classes::Class;
use crate::dice::Dice;
use crate::issuer::Tokens;
use crate::ledger::Ledger;
use crate::names::NAMES;
use crate::server::{Act, Sock};
use crate::settings::{self, Issuer, Mood};
use crate::wire::Frame;

/// How many random steps a schedule has, before the world becomes well.
const STEPS: u32 = 300;

/// How long the world stays well at the end, ms.
const WELL: u64 = 420_000;

/// What was violated, where.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub class: Class,
    pub text: String,
    pub step: u32,
}

/// What a schedule is told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Order {
    pub number: u64,
    pub faults: u32,
    /// Look for this class alone.
    pub only: Option<Class>,
    /// Keep the inputs and outputs as text.
    pub log: bool,
    /// Compute a fingerprint of the transcript.
    pub hash: bool,
}

/// What came of a schedule.
pub(crate) struct Outcome {
    pub violation: Option<Violation>,
    pub log: Vec<String>,
    pub fingerprint: u64,
}

/// The service and host of a schedule.
pub(crate) fn cast(number: u64) -> (Service, HostCaps) {
    let service = Service::ALL[(number % 5) as usize];
    (service, if (number / 5).is_multiple_of(2) { HostCaps::NATIVE } else { HostCaps::BROWSER })
}

/// Everything of one schedule.
pub(crate) struct World {
    pub order: Order,
    pub service: Service,
    pub caps: HostCaps,
    pub config: Config,
    pub dice: Dice,
    pub machine: Machine,
    /// The steady clock.
    pub now: u64,
    /// What the wall clock adds to it.
    pub wall: u64,
    pub step: u32,
    pub mood: Mood,
    pub issuer: Issuer,
    todo: Vec<(u64, u64, Act)>,
    todo_count: u64,
    pub socks: BTreeMap<u32, Sock>,
    pub last_socket: u32,
    pub tokens: Tokens,
    pub app: App,
    pub ledger: Ledger,
    pub frames: u32,
    pub requests: BTreeMap<u32, bool>,
    pub interviews: usize,
    pub violation: Option<Violation>,
    log: Vec<String>,
    hasher: DefaultHasher,
}

/// Walks one schedule.
pub(crate) fn run(order: Order) -> Outcome {
    let mut world = World::new(order);
    world.walk();
    Outcome { violation: world.violation, log: world.log, fingerprint: world.hasher.finish() }
}

impl World {
    fn new(order: Order) -> Self {
        let (service, caps) = cast(order.number);
        let mut dice = Dice::new(order.number);
        let config = settings::config(service, caps, &mut dice);
        let machine = Machine::new(config.clone(), caps);
        let mut machine = machine.unwrap_or_else(|error| panic!("{error}"));
        machine.plant(Faults(order.faults));
        let mood = Mood::any(&mut dice);
        Self {
            order,
            service,
            caps,
            app: App::new(&config, &mut dice),
            ledger: Ledger::new(&config),
            config,
            machine,
            now: dice.below(1_000_000),
            wall: 1_700_000_000_000,
            step: 0,
            mood,
            issuer: Issuer::Fresh,
            todo: Vec::with_capacity(64),
            todo_count: 0,
            socks: BTreeMap::new(),
            last_socket: 0,
            tokens: Tokens::default(),
            frames: 0,
            requests: BTreeMap::new(),
            interviews: 0,
            violation: None,
            log: Vec::new(),
            hasher: DefaultHasher::new(),
            dice,
        }
    }

    pub(crate) const fn unix(&self) -> u64 {
        self.now + self.wall
    }

    // --- the walk ---------------------------------------------------------------------------------------------

    fn walk(&mut self) {
        while self.step < STEPS && self.violation.is_none() {
            self.step += 1;
            if self.step.is_multiple_of(32) {
                self.mood = Mood::any(&mut self.dice);
                self.issuer = match self.dice.below(8) {
                    0..=3 => Issuer::Fresh,
                    4..=5 => Issuer::Cached,
                    6 => Issuer::Stuck,
                    _ => Issuer::Shaky,
                };
            }
            match self.dice.below(100) {
                0..=27 => {
                    self.now += self.dice.pick(&[0, 0, 1, 20, 300]);
                    self.user();
                }
                28..=49 => {
                    self.now += self.dice.pick(&[0, 1, 1, 50, 700]);
                    self.server_speaks();
                }
                50..=51 => self.jump(),
                _ => self.next(true),
            }
        }
        if self.violation.is_none() {
            self.rest_well();
        }
        if self.violation.is_none() {
            self.end();
        }
    }

    /// The clocks do what clocks do: the machine slept, or the wall clock was set.
    fn jump(&mut self) {
        match self.dice.below(4) {
            0 => self.now += self.dice.between(5_000, 120_000),
            1 => self.wall += self.dice.between(1, 100_000),
            2 => self.wall -= self.dice.between(1, 20_000),
            _ => self.wall += 1,
        }
        self.ledger.jumped = true;
        self.handle(Input::Tick);
    }

    /// Goes on to whatever comes next: a deadline of the machine, or something in the world.
    pub(crate) fn next(&mut self, sloppy: bool) {
        let planned = self.todo.iter().map(|(at, ..)| *at).min();
        let due = self.machine.deadline();
        let tick_first = match (due, planned) {
            (Some(due), Some(planned)) => due <= planned,
            (due, planned) => due.is_some() || planned.is_none(),
        };
        if tick_first {
            let due = due.unwrap_or_else(|| self.now + self.dice.between(100, 10_000));
            let late = if sloppy { self.dice.below(100) } else { 99 };
            self.now = match late {
                0..=4 => self.now + due.saturating_sub(self.now) / 2,
                5..=9 => due.max(self.now) + self.dice.below(2_000),
                10 => due.max(self.now) + self.dice.below(70_000),
                _ => due.max(self.now),
            };
            return self.handle(Input::Tick);
        }
        let at = self.todo.iter().enumerate().min_by_key(|(_, (at, order, _))| (*at, *order)).map(|(i, _)| i);
        if let Some(index) = at {
            let (at, _, act) = self.todo.swap_remove(index);
            self.now = self.now.max(at);
            self.act(act);
        }
    }

    /// Something will happen in the world.
    pub(crate) fn later(&mut self, after: u64, act: Act) {
        self.todo_count += 1;
        self.todo.push((self.now + after, self.todo_count, act));
    }

    // --- the end ----------------------------------------------------------------------------------------------

    /// The world becomes well: whatever is wanted must become live.
    fn rest_well(&mut self) {
        self.mood = Mood::Well;
        self.issuer = Issuer::Fresh;
        self.heal();
        self.handle(Input::Network(steadfast::Reachability::Online));
        self.handle(Input::Visibility(steadfast::Visibility::Visible));
        self.ledger.in_background = None;
        self.stay(WELL);
        if self.violation.is_none() {
            self.everything_is_live(true);
        }
        if self.violation.is_none() && !self.ledger.closed {
            self.user_recovers();
            self.stay(150_000);
            if self.violation.is_none() {
                self.everything_is_live(false);
            }
        }
    }

    fn stay(&mut self, time: u64) {
        let until = self.now + time;
        let mut rounds = 0;
        while self.now < until && self.violation.is_none() {
            self.step += 1;
            rounds += 1;
            if rounds > 20_000 {
                return self.fail(Class::BusyLoop, "the well world never comes to rest".into());
            }
            let quiet = self.todo.is_empty() && self.machine.deadline().is_none();
            if quiet {
                self.now = until;
            }
            self.next(false);
        }
    }

    fn end(&mut self) {
        self.shut_down();
        self.check_end();
    }

    // --- inputs and outputs -----------------------------------------------------------------------------------

    pub(crate) const fn clock(&self) -> Now {
        Now { mono: self.now, unix: self.unix() }
    }

    pub(crate) fn handle(&mut self, input: Input) {
        if self.violation.is_some() {
            return;
        }
        if self.order.log {
            let line = format!("{:>8} <- {input:?}", self.now);
            self.log.push(line);
        }
        self.before(&input);
        let wakes = self.caps.ws_ping && matches!(input, Input::Network(steadfast::Reachability::Online));
        let ready: Vec<u32> = self
            .socks
            .iter()
            .filter(|(_, sock)| wakes && sock.ready.is_some() && sock.replaced.is_none())
            .map(|(id, _)| *id)
            .collect();
        self.machine.handle(self.clock(), input);
        self.drain();
        self.check_probes(&ready);
        self.after();
    }

    /// A frame arrives.
    pub(crate) fn deliver(&mut self, socket: u32, frame: &Frame) {
        if self.violation.is_some() {
            return;
        }
        let id = FrameId(self.frames);
        self.frames += 1;
        if self.order.log {
            let line = format!("{:>8} <- socket {socket}: {} {frame:?}", self.now, frame.kind.name());
            self.log.push(line);
        }
        let before = self.before_frame(socket, frame);
        let (clock, service) = (self.clock(), self.service);
        let machine = &mut self.machine;
        let verdict = frame.with(service, |head, envelope| {
            machine.frame(clock, steadfast::SocketId(socket), 100, head, envelope)
        });
        if self.order.log {
            let picture = frame.topic.and_then(|name| self.machine.snapshot(crate::names::text(name)));
            let picture = picture.map(|picture| (picture.phase, picture.terminal));
            self.log.push(format!("{:>8} -> {id:?} {} {picture:?}", self.now, flags(verdict)));
        }
        if self.order.hash {
            verdict.0.hash(&mut self.hasher);
        }
        self.after_frame(socket, frame, id, verdict, &before);
        self.drain();
        self.after();
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(output) = self.machine.poll() {
            count += 1;
            if self.order.log {
                let sent = match &output {
                    Output::Send(_, text) => format!(" {}", text.expose()),
                    _ => String::new(),
                };
                self.log.push(format!("{:>8} -> {output:?}{sent}", self.now));
            }
            if self.order.hash {
                format!("{output:?}").hash(&mut self.hasher);
            }
            if self.violation.is_none() {
                self.output(output);
            }
            if count > 5_000 {
                return self.fail(Class::BusyLoop, "one input gave 5,000 outputs".into());
            }
        }
    }

    pub(crate) fn fail(&mut self, class: Class, text: String) {
        if self.violation.is_none() && self.order.only.is_none_or(|only| only == class) {
            self.violation = Some(Violation { class, text, step: self.step });
        }
    }
}

fn flags(verdict: Verdict) -> String {
    let all = [
        (Verdict::DELIVER, "deliver"),
        (Verdict::HOLD, "hold"),
        (Verdict::OUTDATED, "outdated"),
        (Verdict::RECOVERED, "recovered"),
        (Verdict::SNAPSHOT, "snapshot"),
        (Verdict::POLL, "poll"),
    ];
    all.iter().filter(|(flag, _)| verdict.has(*flag)).map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

/// A table by name.
pub(crate) fn by_name<T: Default>() -> [T; NAMES] {
    std::array::from_fn(|_| T::default())
}
