//! What must hold after every step, when the world is well, and at the end.

use steadfast::{Input, Service};

use crate::classes::Class;
use crate::ledger::{Said, Wish};
use crate::names::{self, NAMES, TOPICS};
use crate::server::Asked;
use crate::world::World;

const fn ms(time: std::time::Duration) -> u64 {
    time.as_millis() as u64
}

impl World {
    /// What must hold after every step.
    pub(crate) fn after(&mut self) {
        if self.violation.is_some() {
            return;
        }
        self.check_clockwork();
        self.check_sockets();
        self.check_wishes();
        self.ledger.user_turn = false;
    }

    /// A wake-up asks every socket in use whether it still answers, where that can be asked natively.
    pub(crate) fn check_probes(&mut self, before: &[u32]) {
        let missed =
            before.iter().find(|socket| self.socks.get(*socket).is_some_and(|sock| sock.probe.is_none()));
        if let Some(socket) = missed {
            self.fail(Class::NotProbed, format!("socket {socket} is not asked whether it lives"));
        }
    }

    /// A life that ends now may have been long enough to count.
    pub(crate) fn lasts(&mut self, socket: u32) {
        let (now, stable) = (self.now, ms(self.config.reconnect.stable_after));
        let Some(sock) = self.socks.get_mut(&socket) else { return };
        if !sock.lasted && sock.replaced.is_none() && sock.ready.is_some_and(|ready| now >= ready + stable) {
            sock.lasted = true;
            let (link, failures) = (sock.topic, self.ledger.failures);
            self.ledger.clean(link, failures);
        }
    }

    fn check_clockwork(&mut self) {
        let now = self.now;
        if let Some(due) = self.machine.deadline()
            && due <= now
        {
            self.fail(Class::BusyLoop, format!("everything is done, but {due} is due at {now}"));
        }
        let attempts = self.machine.stats().attempts;
        if self.service != Service::TherapyBridge {
            for _ in self.ledger.counted..attempts {
                if !self.ledger.excused.remove(&None) {
                    self.attempted(None);
                }
            }
        }
        self.ledger.counted = attempts;
        self.ledger.excused.remove(&None);
        if self.ledger.state.name() != self.machine.state().name() {
            let text =
                format!("{} was announced, it is {:?}", self.ledger.state.name(), self.machine.state());
            self.fail(Class::StateWrong, text);
        }
        let late = self.ledger.commands.iter().find(|(_, command)| command.by.is_some_and(|by| by < now));
        if let Some((id, command)) = late {
            let text = format!("command {id} should have ended: {command:?}");
            self.fail(Class::OutcomeMissing, text);
        }
        let size = self.machine.size();
        let limits = &self.config.limits;
        if size.queue > limits.queue_entries || size.queue_bytes > limits.queue_bytes {
            self.fail(Class::QueueBound, format!("{size:?}"));
        }
        if size.questions > 256 || size.seen > TOPICS * 600 || size.topics > NAMES || size.items > NAMES * 256
        {
            self.fail(Class::Memory, format!("{size:?}"));
        }
    }

    fn check_sockets(&mut self) {
        let now = self.now;
        let timings = &self.config.timings;
        let drain = ms(timings.drain_limit);
        let stable = ms(self.config.reconnect.stable_after);
        let (dial, shake) =
            (ms(self.config.reconnect.dial_timeout), ms(self.config.reconnect.handshake_timeout));
        let hidden = if self.ledger.visible { 0 } else { ms(timings.hidden_silence_limit) };
        let mut found: Option<(Class, u32)> = None;
        let mut lasted = Vec::new();
        for (id, sock) in &mut self.socks {
            if let Some(replaced) = sock.replaced {
                if now >= replaced + drain {
                    found = Some((Class::NotDrained, *id));
                }
                continue;
            }
            let Some(opened) = sock.opened else {
                if now >= sock.asked_at + dial {
                    found = Some((Class::SilenceIgnored, *id));
                }
                continue;
            };
            let Some(ready) = sock.ready else {
                if now >= opened + shake {
                    found = Some((Class::SilenceIgnored, *id));
                }
                continue;
            };
            if !sock.lasted && now >= ready + stable {
                sock.lasted = true;
                lasted.push(sock.topic);
            }
            let limit = match self.service {
                Service::Charisma => self.caps.ws_ping.then_some(60_000),
                Service::TherapyBridge => Some(75_000),
                Service::Saga | Service::DocProc => sock.engine.map(|(interval, timeout)| interval + timeout),
                Service::DevContext => None,
            };
            if limit.is_some_and(|limit| now >= sock.heard + limit.max(hidden)) {
                found = Some((Class::SilenceIgnored, *id));
            }
            if self.service == Service::DevContext && now >= sock.pinged + ms(timings.ping_interval) {
                found = Some((Class::SilenceIgnored, *id));
            }
            if let Some((at, limit)) = sock.probe
                && now >= at + limit
            {
                found = Some((Class::ProbeIgnored, *id));
            }
        }
        if let Some((class, socket)) = found {
            self.fail(class, format!("socket {socket}: {:?}", self.socks.get(&socket)));
        }
        if !lasted.is_empty() {
            let failures = self.machine.stats().failures.values().sum();
            for link in lasted {
                self.ledger.clean(link, failures);
            }
        }
        let grace = ms(self.config.timings.background_grace);
        if self.ledger.in_background.is_some_and(|since| now >= since + grace) && !self.socks.is_empty() {
            self.fail(Class::OpenInBackground, format!("{} sockets", self.socks.len()));
        }
    }

    fn check_wishes(&mut self) {
        let now = self.now;
        if self.ledger.closed {
            return;
        }
        for name in 0..NAMES {
            if self.ledger.wishes[name].linger.is_some_and(|until| now >= until) {
                let still = self.machine.subscription(names::text(name)).is_some();
                if still {
                    let text = format!("nobody wants {}, but it is not forgotten", names::text(name));
                    self.fail(Class::NotUnsubscribed, text);
                }
                self.ledger.wishes[name] = Wish::default();
                self.left(name, true);
            }
            if self.ledger.wishes[name].gap_by.is_some_and(|by| now >= by) {
                self.fail(Class::Gap, format!("the gap of {} was never told", names::text(name)));
            }
        }
    }

    // --- when the world is well -------------------------------------------------------------------------------

    /// Everything that is wanted is live, unless a verdict stands that only the user can lift.
    pub(crate) fn everything_is_live(&mut self, verdicts_stand: bool) {
        if self.ledger.closed {
            return;
        }
        let state = self.machine.state().name();
        let stands = matches!(state, "failed" | "displaced");
        if stands && verdicts_stand {
            return;
        }
        let options = &self.config.reconnect;
        let gives_up = !options.reconnect || options.max_attempts.is_some();
        let per_topic = self.service == Service::TherapyBridge;
        let wanted: Vec<_> = (0..NAMES).filter(|name| self.ledger.wishes[*name].wanted()).collect();
        let dead: Vec<_> = wanted
            .iter()
            .filter(|name| self.ledger.wishes[**name].said != Said::Live)
            .map(|name| names::text(*name))
            .collect();
        let live = wanted.len() - dead.len();
        let enough = if per_topic { wanted.len().min(self.config.limits.connections) } else { wanted.len() };
        // Single sessions may stand under a verdict of their own.
        let lenient = per_topic
            && verdicts_stand
            && (gives_up || self.ledger.causes.displaced || self.ledger.denied || self.ledger.causes.auth);
        if live < enough && !lenient {
            let text = format!("{state}; in a world that is well these never become live: {dead:?}");
            return self.fail(Class::NeverLive, text);
        }
        if !wanted.is_empty() && state != "ready" && !lenient {
            self.fail(Class::NeverLive, format!("{state}, although {} topics are wanted", wanted.len()));
        }
        let unclear = self
            .socks
            .values()
            .any(|sock| sock.asked.iter().any(|asked| matches!(asked, Asked::Sent { times: 2.., .. })));
        if unclear {
            self.fail(Class::NeverLive, "a subscribe was never confirmed".into());
        }
        // What waits for its binary parts waits as long as its connection lives.
        if self.ledger.held.values().any(|(_, ends)| *ends) {
            let held = format!("{:?} are never released", self.ledger.held);
            self.fail(Class::HeldFrame, held);
        }
    }

    // --- at the end -------------------------------------------------------------------------------------------

    /// After shutdown nothing is left.
    pub(crate) fn check_end(&mut self) {
        if self.violation.is_some() {
            return;
        }
        if !self.ledger.commands.is_empty() {
            let left = format!("{:?} have no outcome", self.ledger.commands);
            self.fail(Class::OutcomeMissing, left);
        }
        if !self.socks.is_empty() {
            let left: Vec<_> = self.socks.keys().copied().collect();
            self.fail(Class::AliveAfterShutdown, format!("sockets {left:?} are left open"));
        }
        if !self.ledger.held.is_empty() {
            let held = format!("{:?} are never released", self.ledger.held);
            self.fail(Class::HeldFrame, held);
        }
        if !self.requests.is_empty() && self.requests.values().any(|open| *open) {
            let text = format!("requests {:?} are left", self.requests);
            self.fail(Class::AliveAfterShutdown, text);
        }
        if let Some(due) = self.machine.deadline() {
            self.fail(Class::AliveAfterShutdown, format!("something is due at {due} after shutdown"));
        }
        let stats = self.machine.stats();
        let agree = stats.frames_in == u64::from(self.frames)
            && stats.frames_out == self.ledger.frames_out
            && stats.reconnects <= stats.attempts + self.ledger.opened.len() as u64;
        if !agree {
            self.fail(Class::Stats, format!("{stats:?}"));
        }
        for _ in 0..10 {
            self.step += 1;
            self.next(true);
            self.handle(Input::Tick);
            self.user();
        }
        if !self.ledger.commands.is_empty() {
            let left = format!("{:?} have no outcome after shutdown", self.ledger.commands);
            self.fail(Class::OutcomeMissing, left);
        }
    }
}
