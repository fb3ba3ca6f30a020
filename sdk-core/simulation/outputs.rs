//! Every output is judged as it comes, and the world reacts to it.

use steadfast::{
    CloseReason, CommandError, ConnectRequest, ConnectionState, Event, Output, Service, SubscriptionState,
    Verdict, WhyKind,
};

use crate::classes::Class;
use crate::ledger::{Said, within};
use crate::names::{self, Name};
use crate::server::{Act, Asked, Sock};
use crate::wire::{Message, read, token_in};
use crate::world::World;

impl World {
    pub(crate) fn output(&mut self, output: Output) {
        match output {
            Output::Open(socket, request) => self.opens(socket.0, &request),
            Output::Send(socket, text) => self.sends(socket.0, text.expose()),
            Output::Ping(socket) => self.pings(socket.0),
            Output::Close(socket, reason) => self.closes(socket.0, reason),
            Output::Http(id, _) => {
                if self.ledger.closed {
                    self.fail(Class::AliveAfterShutdown, "a request after shutdown".into());
                }
                self.requested(id.0);
            }
            Output::Abort(id) => {
                self.requests.remove(&id.0);
            }
            Output::FetchToken { generation, force } => self.token_asked(generation, force),
            Output::Done(id, result) => self.done(id.0, result.err().as_ref()),
            Output::Release(frame, verdict) => match self.ledger.held.remove(&frame.0) {
                None => self.fail(Class::HeldFrame, format!("{frame:?} is released, but not held")),
                Some((name, ends)) => {
                    if verdict.has(Verdict::DELIVER) {
                        self.told(name, ends);
                    }
                }
            },
            Output::Event(event) => self.event(event),
        }
    }

    // --- sockets ----------------------------------------------------------------------------------------------

    fn opens(&mut self, socket: u32, request: &ConnectRequest) {
        if !self.ledger.opened.insert(socket) {
            self.fail(Class::SocketTwice, format!("socket {socket} is opened again"));
        }
        self.last_socket = self.last_socket.max(socket);
        if self.ledger.closed {
            self.fail(Class::AliveAfterShutdown, format!("socket {socket} is opened after shutdown"));
        }
        let topic = match self.service {
            Service::TherapyBridge => {
                request.url.split("/ws/").nth(1).and_then(|rest| names::number(rest.get(..3)?))
            }
            _ => None,
        };
        let header = request.headers.iter().find_map(|(_, value)| token_in(value));
        let protocol = request.subprotocols.first().and_then(|text| token_in(text));
        let token = header.or(protocol).or_else(|| token_in(&request.url));
        let own = self.socks.values().filter(|sock| sock.topic == topic && sock.replaced.is_none()).count();
        if own >= 2 {
            self.fail(Class::TooManySockets, format!("socket {socket} is the third of its link"));
        }
        let replaces = own > 0;
        if let Some(token) = token {
            self.uses_token(topic, token, replaces);
        }
        if !self.ledger.user_turn {
            self.opens_by_itself(socket, topic);
        }
        if topic.is_some() && !replaces && !self.ledger.excused.remove(&topic) {
            self.attempted(topic);
        }
        self.socks.insert(socket, Sock::new(topic, token, self.now));
        let sessions: std::collections::BTreeSet<_> =
            self.socks.values().filter_map(|sock| sock.topic).collect();
        if sessions.len() > self.config.limits.connections {
            self.fail(Class::PoolTooLarge, format!("{} sessions at once", sessions.len()));
        }
        let after = self.dice.pick(&[0, 1, 20, 150]);
        let slow = self.mood == crate::settings::Mood::Wild && self.dice.percent(10);
        self.later(if slow { after + 12_000 } else { after }, Act::Dial(socket));
    }

    fn opens_by_itself(&mut self, socket: u32, topic: Option<Name>) {
        let state = self.ledger.state.name();
        if topic.is_none() && matches!(state, "failed" | "displaced") {
            self.fail(Class::WentOnAfterFatal, format!("socket {socket} is opened while {state}"));
        }
        if let Some(until) = self.ledger.retry_until
            && topic.is_none()
            && self.now < until
        {
            let early = until - self.now;
            self.fail(Class::RetryAfterIgnored, format!("socket {socket} is opened {early} ms too early"));
        }
    }

    fn uses_token(&mut self, link: Option<Name>, token: u32, replaces: bool) {
        if self.ledger.refused_token.get(&link) == Some(&token) && !replaces && !self.ledger.user_turn {
            self.fail(Class::RefusedTokenUsed, format!("token {token} was refused and is used again"));
        }
    }

    /// An attempt begins.
    pub(crate) fn attempted(&mut self, link: Option<Name>) {
        let (now, limit) = (self.now, self.config.reconnect.attempts_per_minute as usize);
        let attempts = self.ledger.attempts.entry(link).or_default();
        // Where the attempts themselves can't be counted, their sockets are, which open a little later.
        let window = if link.is_some() { 35_000 } else { 60_000 };
        while attempts.front().is_some_and(|at| at + window <= now) {
            attempts.pop_front();
        }
        attempts.push_back(now);
        if attempts.len() > limit {
            let text = format!("{} attempts within a minute", attempts.len());
            self.fail(Class::TooManyAttempts, text);
        }
    }

    fn closes(&mut self, socket: u32, reason: CloseReason) {
        self.lasts(socket);
        if self.socks.remove(&socket).is_none() {
            let class =
                if self.ledger.opened.contains(&socket) { Class::SocketTwice } else { Class::ForeignSocket };
            self.fail(class, format!("socket {socket} is closed ({reason:?}) but not open"));
        }
    }

    fn pings(&mut self, socket: u32) {
        let limit = self.config.timings.probe_timeout.as_millis() as u64;
        let now = self.now;
        let Some(sock) = self.socks.get_mut(&socket).filter(|sock| sock.ready.is_some()) else {
            return self.fail(Class::ForeignSocket, format!("socket {socket} is pinged but not ready"));
        };
        sock.probe.get_or_insert((now, limit));
        if !sock.silent {
            let after = if self.mood == crate::settings::Mood::Wild { self.dice.below(4_000) } else { 5 };
            self.later(after, Act::Activity(socket));
        }
        if !self.caps.ws_ping {
            self.fail(Class::ForeignSocket, "a browser is asked for a WebSocket ping".into());
        }
    }

    // --- messages ---------------------------------------------------------------------------------------------

    fn sends(&mut self, socket: u32, text: &str) {
        self.ledger.frames_out += 1;
        let Some((message, request)) = read(self.service, text) else {
            return self.fail(Class::UnreadableMessage, text.into());
        };
        let by_message = match self.service {
            Service::DevContext => match self.config.auth {
                steadfast::AuthMode::Message => true,
                steadfast::AuthMode::Auto => !self.caps.headers,
                _ => false,
            },
            _ => false,
        };
        let Some(sock) = self.socks.get_mut(&socket) else {
            return self
                .fail(Class::ForeignSocket, format!("{message:?} on socket {socket}, which is not open"));
        };
        sock.messages += 1;
        let early = match (sock.opened, sock.ready) {
            (None, _) => true,
            (Some(_), None) => !matches!(
                message,
                Message::Authenticate { .. } | Message::Connect { .. } | Message::EnginePong | Message::Pong
            ),
            _ => by_message && sock.messages == 1 && !matches!(message, Message::Authenticate { .. }),
        };
        let token = match &message {
            Message::Connect { token } | Message::Authenticate { token } => *token,
            _ => None,
        };
        if let Some(token) = token {
            sock.token = Some(token);
        }
        if early {
            return self.fail(Class::SentTooEarly, format!("{message:?} on socket {socket}"));
        }
        if let (Some(token), Message::Connect { .. }) = (token, &message) {
            let replaces = self.socks.len() > 1;
            self.uses_token(None, token, replaces);
        }
        self.counts(socket, &message);
        match &message {
            Message::Subscribe(name) => self.subscribes(socket, *name),
            Message::Unsubscribe(name) => {
                if let Some(sock) = self.socks.get_mut(&socket) {
                    sock.asked[*name] = Asked::Left;
                }
            }
            Message::Ping => {
                let now = self.now;
                let by_user = self.ledger.commands.values().any(|command| command.ping);
                let limit = self.config.timings.pong_timeout.as_millis() as u64;
                if let Some(sock) = self.socks.get_mut(&socket) {
                    sock.pinged = now;
                    if !by_user && self.service == Service::DevContext && sock.heard <= now {
                        sock.probe.get_or_insert((now, limit));
                    }
                }
            }
            Message::Start(name) => self.concerns(socket, *name),
            Message::Answer { session, question } => {
                if !self.ledger.answers.insert((*session, *question)) {
                    self.fail(
                        Class::AnsweredTwice,
                        format!("the answer to question {question} is sent again"),
                    );
                }
                self.ledger.wishes[*session].may_fall = true;
                self.concerns(socket, *session);
            }
            Message::Pause(session) => self.concerns(socket, *session),
            Message::Resume(session) => {
                if let Some(sock) = self.socks.get_mut(&socket)
                    && sock.asked[*session] != Asked::Confirmed
                {
                    sock.asked[*session] = Asked::Sent { at: self.now, times: 1 };
                }
            }
            _ => {}
        }
        self.receives(socket, &message, request);
    }

    /// A command about a topic goes out.
    fn concerns(&mut self, socket: u32, name: Name) {
        let Some(sock) = self.socks.get(&socket) else { return };
        let state = self.machine.subscription(names::text(name));
        let open = matches!(state, Some(SubscriptionState::Pending | SubscriptionState::Live));
        let unconfirmed = matches!(sock.asked[name], Asked::No | Asked::Sent { .. });
        if open && self.ledger.wishes[name].wanted() && unconfirmed {
            let text = format!("a command about {} before its confirmation", names::text(name));
            self.fail(Class::CommandTooEarly, text);
        }
    }

    fn subscribes(&mut self, socket: u32, name: Name) {
        let wait = self.config.timings.confirm_timeout.as_millis() as u64;
        let now = self.now;
        if !self.ledger.wishes[name].wanted() {
            let said = self.ledger.wishes[name].said;
            let text = format!("{} is asked for, but nobody wants it ({said:?})", names::text(name));
            return self.fail(Class::SubscribedUnwanted, text);
        }
        let Some(sock) = self.socks.get_mut(&socket) else { return };
        let again = match sock.asked[name] {
            Asked::No | Asked::Left => Some(1),
            Asked::Sent { at, times } if now >= at + wait && times < 2 => Some(times + 1),
            Asked::Sent { .. } | Asked::Confirmed => None,
        };
        match again {
            Some(times) => sock.asked[name] = Asked::Sent { at: now, times },
            None => {
                let text = format!("{} is {:?} and asked again", names::text(name), sock.asked[name]);
                self.fail(Class::SubscribedTwice, text);
            }
        }
    }

    /// The rate budget. [rules §2.9]
    fn counts(&mut self, socket: u32, message: &Message) {
        let low = matches!(message, Message::Subscribe(_) | Message::Unsubscribe(_));
        let command = matches!(
            message,
            Message::Start(_)
                | Message::Answer { .. }
                | Message::Pause(_)
                | Message::Resume(_)
                | Message::Raw
        );
        let now = self.now;
        let limits = &self.config.limits;
        let (sends, paused) = match self.service {
            Service::Saga => (&mut self.ledger.sends, self.ledger.paused_until),
            Service::DevContext => match self.socks.get_mut(&socket) {
                Some(sock) => (&mut sock.sends, sock.paused_until),
                None => return,
            },
            _ => {
                if matches!(message, Message::Subscribe(_)) && now < self.ledger.paused_until {
                    self.fail(Class::RatePause, "a subscribe during the pause".into());
                }
                return;
            }
        };
        if matches!(message, Message::EnginePong | Message::Connect { .. }) {
            return;
        }
        sends.push(now);
        let (minute, second) = (within(sends, now, 60_000), within(sends, now, 1_000));
        let budget = limits.messages_per_minute - if low { limits.messages_reserved } else { 0 };
        if (low || command) && (minute > budget as usize || second > limits.messages_per_second as usize) {
            let text = format!("{message:?} is number {minute} in a minute, {second} in a second");
            return self.fail(Class::RateBudget, text);
        }
        if (low || command) && now < paused {
            self.fail(Class::RatePause, format!("{message:?} during the pause"));
        }
    }

    // --- commands and events ----------------------------------------------------------------------------------

    fn done(&mut self, id: u32, error: Option<&CommandError>) {
        if self.ledger.commands.remove(&id).is_none() {
            self.fail(Class::OutcomeTwice, format!("command {id} has an outcome too many"));
        }
        if let Some(error) = error
            && token_in(&error.message).is_some()
        {
            self.fail(Class::TokenShown, error.message.clone());
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::State(state) => self.announced(state),
            Event::Subscription { topic, state } => {
                if let Some(name) = names::number(&topic) {
                    self.subscription(name, &state);
                }
            }
            Event::Interview { session_id, state } => {
                if let Some(name) = names::number(&session_id) {
                    self.ledger.wishes[name].interview = Some(state);
                }
            }
            Event::Gap { topic, since, until, .. } => {
                let Some(name) = names::number(&topic) else { return };
                let wish = &mut self.ledger.wishes[name];
                wish.gap_by = None;
                let unheard = std::mem::replace(&mut wish.confirmed, false);
                if !std::mem::replace(&mut wish.loss, false) && !unheard {
                    return self.fail(Class::Gap, format!("a gap of {topic}, which was not lost"));
                }
                if since > until && !self.ledger.jumped {
                    self.fail(Class::Gap, format!("the gap of {topic} ends before it begins"));
                }
            }
            _ => {}
        }
    }

    fn announced(&mut self, state: ConnectionState) {
        let old = std::mem::replace(&mut self.ledger.state, state.clone());
        if old == state {
            return self.fail(Class::StateRepeated, format!("{state:?} is announced twice"));
        }
        if let (
            ConnectionState::Waiting { attempt: a, until: from, why: w },
            ConnectionState::Waiting { attempt: b, until: to, why: v },
        ) = (&old, &state)
            && (a, w) == (b, v)
            && from.abs_diff(*to) <= 2
        {
            return self.fail(Class::StateRepeated, format!("the same wait until {from}, now {to}"));
        }
        let causes = self.ledger.causes;
        let options = &self.config.reconnect;
        let (text, justified) = match &state {
            ConnectionState::Displaced { why } => (why.text.clone(), causes.displaced),
            ConnectionState::Failed { why } => {
                let gives_up = !options.reconnect || options.max_attempts.is_some();
                let justified = match why.kind {
                    WhyKind::Auth => causes.auth || self.ledger.denied,
                    WhyKind::Tls => causes.tls,
                    WhyKind::NotAllowed => causes.forbidden,
                    WhyKind::Configuration => causes.status,
                    WhyKind::Protocol => causes.protocol >= 3,
                    WhyKind::Kicked => causes.kicked >= 2,
                    WhyKind::GaveUp => gives_up,
                    _ => false,
                };
                (why.text.clone(), justified)
            }
            ConnectionState::Waiting { until, why, .. } => return self.waits(*until, why.kind),
            _ => return,
        };
        if !justified {
            self.fail(Class::Unjustified, format!("{} for no cause: {text}", state.name()));
        }
    }

    /// A wait is not longer than the schedule says. [rules §2.3]
    fn waits(&mut self, until: u64, kind: WhyKind) {
        let ms = |time: std::time::Duration| time.as_millis() as u64;
        let options = &self.config.reconnect;
        let cap = ms(options.max_delay);
        let failures: u64 = self.machine.stats().failures.values().sum();
        let doublings = (failures - self.ledger.failures).saturating_sub(1).min(20) as u32;
        let nominal = (ms(options.base_delay) << doublings).min(cap);
        let capped = matches!(kind, WhyKind::Flapping | WhyKind::Policy)
            || self.ledger.offline_since_reset
            || self.service == Service::TherapyBridge;
        let mut bound = if capped { cap } else { nominal };
        if kind == WhyKind::Restart {
            bound = bound.max(ms(options.restart_spread));
        }
        if let Some(until) = self.ledger.retry_until {
            bound = bound.max(until.saturating_sub(self.now));
        }
        bound = bound.max(self.ledger.retry_after);
        if kind == WhyKind::Overloaded {
            // The limit on attempts waits under this name too.
            bound = bound.max(60_000);
        }
        if self.service == Service::TherapyBridge {
            bound = bound.max(90_000);
        }
        let limit = options.attempts_per_minute as usize;
        for attempts in self.ledger.attempts.values() {
            if attempts.len() >= limit {
                bound = bound.max(60_000);
            }
        }
        let wait = until.saturating_sub(self.unix());
        if wait > bound + 2 && !self.ledger.jumped {
            self.fail(Class::WaitTooLong, format!("{wait} ms, {bound} allowed ({kind:?})"));
        }
    }

    fn subscription(&mut self, name: Name, state: &SubscriptionState) {
        let said = match state {
            SubscriptionState::Pending => Said::Pending,
            SubscriptionState::Live => Said::Live,
            SubscriptionState::Refused { .. } => Said::Refused,
            SubscriptionState::Ended => Said::Ended,
        };
        let wait = self.config.timings.completion_wait.as_millis() as u64;
        let now = self.now;
        let wish = &mut self.ledger.wishes[name];
        let old = std::mem::replace(&mut wish.said, said);
        if old == said {
            return self.fail(Class::StateRepeated, format!("{} is {said:?} twice", names::text(name)));
        }
        match said {
            Said::Pending if old == Said::Live => wish.loss = true,
            Said::Live if wish.loss => wish.gap_by = Some(now + wait),
            Said::Refused | Said::Ended => {
                wish.loss = false;
                wish.gap_by = None;
                self.left(name, said == Said::Ended);
            }
            _ => {}
        }
        if said == Said::Pending {
            self.ledger.wishes[name].gap_by = None;
        }
    }

    /// A topic is over: nothing of it is left on the wire.
    pub(crate) fn left(&mut self, name: Name, check: bool) {
        let counted = matches!(self.service, Service::Saga | Service::DevContext);
        let shared = self.service != Service::TherapyBridge && !names::is_interview(name);
        let (now, paused_until) = (self.now, self.ledger.paused_until + 2_000);
        let mut forgotten = None;
        for (id, sock) in &mut self.socks {
            let on_wire = matches!(sock.asked[name], Asked::Confirmed | Asked::Sent { .. });
            let paused = now < sock.paused_until.max(paused_until);
            if on_wire
                && check
                && shared
                && !counted
                && !paused
                && sock.ready.is_some()
                && sock.replaced.is_none()
            {
                forgotten = Some(*id);
            }
            sock.asked[name] = Asked::Left;
        }
        if let Some(socket) = forgotten {
            let text = format!("{} is over, but stays subscribed on socket {socket}", names::text(name));
            self.fail(Class::NotUnsubscribed, text);
        }
    }
}
