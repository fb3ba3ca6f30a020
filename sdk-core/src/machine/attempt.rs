//! Attempts: beginning one, dialing, handshakes, Ready, and a connection that takes another's place.

use alloc::string::String;

use super::Machine;
use super::link::conn_at;
use super::link::{Awaiting, Conn, Happening, Rest, Stage};
use super::topics::Wire;
use crate::config::{AuthMode, ms};
use crate::dialect::{Liveness, Outgoing};
use crate::event::{Why, WhyKind};
use crate::io::{CloseReason, Output, SocketId, Token, Visibility};
use crate::json;

impl Machine {
    /// Begins what should run and is not running.
    pub(super) fn sync_links(&mut self) {
        if self.profile.per_topic {
            self.sync_pool();
        }
        if self.closed {
            return;
        }
        let work = self.has_work();
        for id in self.link_ids() {
            let Some(link) = self.links.get_mut(&id) else { continue };
            if link.live.is_some() {
                continue;
            }
            match &link.rest {
                Rest::Idle if work => {
                    if self.is_held_back(id) {
                        continue;
                    }
                    if self.visibility == Visibility::Background && self.background_is_over() {
                        self.set_rest(id, Rest::Suspended);
                    } else {
                        self.begin(id, false, true);
                    }
                }
                Rest::Waiting { .. } if !work => link.rest = Rest::Idle,
                _ => {}
            }
        }
        self.close_drained();
    }

    /// Starts an attempt of a link that has no connection.
    pub(super) fn begin(&mut self, id: u32, force: bool, counted: bool) {
        let socket = self.new_socket();
        let has_room = self.has_room();
        let now = self.now.mono;
        let Some(link) = self.links.get_mut(&id) else { return };
        if !has_room {
            // It is its turn as soon as one of those on their way has arrived.
            if let Rest::Waiting { until, .. } = &mut link.rest {
                *until = now;
            }
            return;
        }
        if counted {
            let allowed = link.backoff.allowed_at(&self.config.reconnect).max(self.not_before);
            if allowed > now && !self.faults_planted.is(super::Faults::NO_ATTEMPT_LIMIT) {
                let why = match &link.rest {
                    Rest::Waiting { why, .. } => why.clone(),
                    _ => Why {
                        kind: WhyKind::Overloaded,
                        text: "Too many attempts in a minute, or the server asked to wait".into(),
                        code: None,
                        since: self.now.unix,
                        help: "Wait; it is tried again by itself",
                    },
                };
                let shown = self.now.unix_at(allowed);
                link.rest = Rest::Waiting { until: allowed, shown, not_before: allowed, force, why };
                return;
            }
            link.backoff.attempted(&self.config.reconnect, now);
        }
        link.backoff.tries = link.backoff.tries.saturating_add(1);
        link.down_since.get_or_insert(now);
        link.rest = Rest::Idle;
        link.live = Some(Conn::new(socket, force, now));
        self.stats.attempts += 1;
        self.dirty = true;
    }

    pub(super) fn new_socket(&mut self) -> SocketId {
        self.next_socket += 1;
        SocketId(self.next_socket)
    }

    /// Starts a connection that is to take the place of the one in use, as soon as the server wants to be asked.
    pub(super) fn replace(&mut self, id: u32, force: bool) {
        let socket = self.new_socket();
        let now = self.now.mono;
        let allowed = self.not_before;
        if let Some(link) = self.links.get_mut(&id)
            && link.next.is_none()
            && link.close_at.is_none()
            && link.is_ready()
        {
            if allowed > now {
                link.replace_at = Some(allowed);
                return;
            }
            link.next = Some(Conn::new(socket, force, now));
            link.replace_at = None;
            self.dirty = true;
        }
    }

    pub(super) fn dial(&mut self, id: u32, socket: SocketId, token: Option<Token>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let topic = link.topic.clone();
        let request =
            self.route.socket(&self.config, self.profile, self.caps, topic.as_deref(), token.as_ref());
        let until = self.now.mono + ms(self.config.reconnect.dial_timeout);
        let set = self.tokens.set;
        let Some(conn) = link.conn(socket) else { return };
        conn.token = token;
        conn.token_set = set;
        conn.stage = conn.stage.after(Happening::Dialed { until });
        self.out.push_back(Output::Open(socket, request));
    }

    pub(super) fn opened(&mut self, socket: SocketId) {
        let now = self.now;
        let Some(id) = self.link_of(socket) else { return };
        // A service without a handshake of its own is ready with the socket, save where the token travels in a
        // message that is answered.
        let shakes = (self.profile.socketio
            || (self.route.auth == AuthMode::Message && self.profile.auth_answered))
            && !self.faults_planted.is(super::Faults::SEND_TOO_EARLY);
        let until = now.mono + ms(self.config.reconnect.handshake_timeout);
        let Some(conn) = conn_at(&mut self.links, id, socket) else { return };
        if !matches!(conn.stage, Stage::Dialing { .. }) {
            return;
        }
        conn.stage =
            conn.stage.after(Happening::Opened { handshake_until: shakes.then_some(until), now: now.mono });
        conn.opened = Some(now.mono);
        (conn.heard, conn.heard_unix) = (now.mono, now.unix);
        let token = conn.token.clone();
        if let Some(link) = self.links.get_mut(&id) {
            link.opaque = 0;
        }
        if self.route.auth == AuthMode::Message && !self.profile.socketio {
            let text = token.as_ref().map_or("", |token| token.text.expose());
            self.send(id, socket, &Outgoing::Authenticate { token: text });
        }
        if shakes { self.dirty = true } else { self.become_ready(id, socket) }
    }

    /// Socket.IO: the engine is open, so connect to the namespace.
    pub(super) fn connect_namespace(&mut self, id: u32, socket: SocketId) {
        let token = conn_at(&mut self.links, id, socket).and_then(|conn| conn.token.clone());
        let fields = &self.config.connect_fields;
        let mut text = String::from("40");
        if token.is_some() || !fields.is_empty() {
            text.push_str(&json::object(|mut o| {
                if let Some(token) = token.as_ref().filter(|_| self.route.auth == AuthMode::Message) {
                    o = o.text("token", token.text.expose());
                }
                fields.iter().fold(o, |o, (name, value)| o.text(name, value))
            }));
        }
        self.write(socket, text);
    }

    /// The handshake is done.
    pub(super) fn accepted(&mut self, id: u32, socket: SocketId) {
        let now = self.now.mono;
        let Some(conn) = conn_at(&mut self.links, id, socket) else { return };
        if matches!(conn.stage, Stage::Handshake { .. }) {
            conn.stage = conn.stage.after(Happening::Accepted { now });
            self.become_ready(id, socket);
        }
    }

    pub(super) fn become_ready(&mut self, id: u32, socket: SocketId) {
        let now = self.now.mono;
        let rotate = ms(self.config.timings.rotate_after);
        let rotate_at = now + self.rng.between(rotate - rotate / 10, rotate + rotate / 10);
        let rotates = self.profile.rotates;
        let ping_due = match self.profile.liveness {
            Liveness::ClientPings => Some(now + ms(self.config.timings.ping_interval)),
            Liveness::ServerPings { in_messages: false, .. }
                if !self.caps.ws_ping && self.profile.probe.is_some() =>
            {
                Some(now + ms(self.config.timings.browser_probe_interval))
            }
            _ => None,
        };
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(conn) = link.conn(socket) else { return };
        // Another token may have come for all while this connection was on its way.
        conn.auth_due = conn.token_set != self.tokens.set && conn.token != self.tokens.current;
        conn.said_shutdown = false;
        conn.rotate_at = rotates.then_some(rotate_at);
        conn.ping_due = ping_due;
        if core::mem::replace(&mut link.ever_ready, true) && link.down_since.is_some() {
            self.stats.reconnects += 1;
        }
        // The server takes connections again.
        self.not_before = 0;
        self.dirty = true;
        if link.next.as_ref().is_some_and(|conn| conn.socket == socket) {
            return self.swap(id);
        }
        let down = link.down_since.take().map_or(0, |since| now - since);
        let tries = link.backoff.tries;
        if !self.links.iter().any(|(other, link)| *other != id && link.is_ready()) {
            self.ready_info = (tries, down);
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some(topic) = link.topic.clone() {
            self.confirmed(&topic, socket);
        }
        self.pool_follows(id);
    }

    /// The replacement is ready: it takes over, the old one stays for its last answers.
    pub(super) fn swap(&mut self, id: u32) {
        let kept = self.faults_planted.is(super::Faults::KEEP_REPLACED);
        let drain = ms(self.config.timings.drain_limit) * if kept { 8 } else { 1 };
        let now = self.now.mono;
        let Some(link) = self.links.get_mut(&id) else { return };
        let (Some(mut old), Some(mut new)) = (link.live.take(), link.next.take()) else { return };
        // The link has been Ready all the while, unless a token was refused meanwhile: this one has to last first.
        if link.strike.is_none() {
            new.stage = old.stage;
        }
        let (old_socket, new_socket) = (old.socket, new.socket);
        old.drain_until = Some(now + drain);
        old.probe = None;
        link.old.push(old);
        link.live = Some(new);
        let topic = link.topic.clone();
        for topic in self.topics.values_mut() {
            match topic.wire {
                Wire::Active(socket) if socket == old_socket => {
                    topic.wire = Wire::Wished;
                    topic.prior = Some(old_socket);
                }
                Wire::Asked(socket) if socket == old_socket => topic.wire = Wire::Wished,
                _ => {}
            }
        }
        if let Some(topic) = topic {
            self.confirmed(&topic, new_socket);
        }
    }

    /// Closes replaced connections whose answers are all there.
    pub(super) fn close_drained(&mut self) {
        let now = self.now.mono;
        let kept = self.faults_planted.is(super::Faults::KEEP_REPLACED);
        for id in self.link_ids() {
            while let Some(link) = self.links.get_mut(&id)
                && let Some(at) = link.old.iter().position(|conn| {
                    let waits = conn.awaited.iter().any(|a| matches!(a.what, Awaiting::Command { .. }));
                    let speaks =
                        self.topics.values().any(|topic| topic.prior == Some(conn.socket) && topic.desired());
                    conn.drain_until.is_some_and(|until| until <= now) || !(waits || speaks || kept)
                })
            {
                let conn = link.old.remove(at);
                self.discard(conn, Some(CloseReason::Replaced), false);
            }
        }
    }
}
