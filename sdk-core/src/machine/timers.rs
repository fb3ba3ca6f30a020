//! Time passing: everything that is due is done here, and the next such moment is found here.

use alloc::vec::Vec;

use super::link::conn_at;
use super::link::{Awaited, Awaiting, Conn, Happening, Link, Rest, Stage};
use super::throttle::Priority;
use super::topics::{Topic, Wire};
use super::verdict::Ruling;
use super::{Faults, Machine, SHARED};
use crate::config::ms;
use crate::dialect::Liveness;
use crate::event::WhyKind;
use crate::io::{CloseReason, SocketId, TokenError, Visibility};

/// What has come due on one connection.
enum Due {
    Dial,
    Handshake,
    Stable,
    Silent,
    ProbeLost,
    Ping,
    Rotate,
    Drained,
}

impl Machine {
    /// Does everything that is due.
    pub(super) fn expire(&mut self) {
        let now = self.now.mono;
        if self.closed {
            return;
        }
        if let Some(flight) = self.tokens.flight.take_if(|flight| flight.until <= now) {
            // Its late answer carries an old generation and is ignored.
            self.tokens.generation = self.tokens.generation.wrapping_add(1);
            let generation = self.tokens.generation;
            self.tokens.flight = Some(super::tokens::Flight { generation, ..flight });
            self.token_arrived(generation, Err(TokenError::Unavailable("it took too long".into())));
        }
        self.refresh_ahead();
        if self.background_is_over() {
            self.suspend();
        }
        for id in self.link_ids() {
            self.expire_link(id);
        }
        self.expire_topics();
        self.expire_calls();
    }

    /// Asks for a new token before the one in use expires. [rules §2.6]
    pub(super) fn refresh_ahead(&mut self) {
        let now = self.now.mono;
        let interval = ms(self.config.timings.refresh_interval);
        let too_soon = self.tokens.last_ahead.is_some_and(|last| now < last + interval);
        let due = self.tokens.refresh_at.is_some_and(|at| at <= now);
        if !due || too_soon || self.tokens.flight.is_some() || !self.any_ready() {
            return;
        }
        self.tokens.refresh_at = None;
        self.tokens.last_ahead = Some(now);
        self.ask_for_token(false, true);
    }

    fn expire_link(&mut self, id: u32) {
        let now = self.now.mono;
        let has_room = self.has_room();
        let held_back =
            self.is_held_back(id) || (self.visibility == Visibility::Background && self.background_is_over());
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.close_at.is_some_and(|at| at <= now) {
            return self.drop_link(id, CloseReason::Done);
        }
        if has_room && link.replace_at.take_if(|at| *at <= now).is_some() {
            self.replace(id, false);
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Rest::Waiting { until, force, .. } = link.rest
            && link.live.is_none()
            && until <= now
            && !held_back
        {
            return self.begin(id, force, true);
        }
        let sockets: Vec<SocketId> = link.conns().iter().map(|conn| conn.socket).collect();
        for socket in sockets {
            while let Some(due) = self.conn_due(id, socket) {
                self.conn_expired(id, socket, &due);
            }
            while let Some(late) = self.take_late(id, socket) {
                self.answer_is_late(id, socket, late);
            }
        }
    }

    /// How long this connection may be silent; `None` if its silence says nothing.
    fn silence_limit(&self, conn: &Conn) -> Option<u64> {
        let limit = match self.profile.liveness {
            Liveness::ServerPings { limit, in_messages, .. } => {
                (in_messages || self.caps.ws_ping).then_some(limit)?
            }
            Liveness::Engine => conn.engine.map(|(interval, timeout)| interval + timeout)?,
            Liveness::ClientPings => return None,
        };
        let limit = self.config.timings.silence_limit.map_or(limit, ms);
        let hidden = self.visibility != Visibility::Visible;
        Some(if hidden { limit.max(ms(self.config.timings.hidden_silence_limit)) } else { limit })
    }

    fn conn_due(&self, id: u32, socket: SocketId) -> Option<Due> {
        let now = self.now.mono;
        let link = self.links.get(&id)?;
        let conn = link.find(socket)?;
        if let Some(until) = conn.drain_until {
            return (until <= now).then_some(Due::Drained);
        }
        match conn.stage {
            Stage::Token { .. } => return None,
            Stage::Dialing { until } => return (until <= now).then_some(Due::Dial),
            Stage::Handshake { until } => return (until <= now).then_some(Due::Handshake),
            Stage::Ready { since, stable } => {
                if !stable && since + ms(self.config.reconnect.stable_after) <= now {
                    return Some(Due::Stable);
                }
            }
        }
        if conn.probe.is_some_and(|until| until <= now) && !self.faults_planted.is(Faults::IGNORE_PROBE) {
            return Some(Due::ProbeLost);
        }
        let silent = self.silence_limit(conn).is_some_and(|limit| conn.heard + limit <= now);
        if silent && !self.faults_planted.is(Faults::IGNORE_SILENCE) {
            return Some(Due::Silent);
        }
        if conn.ping_due.is_some_and(|at| at <= now) {
            return Some(Due::Ping);
        }
        (conn.rotate_at.is_some_and(|at| at <= now) && link.next.is_none()).then_some(Due::Rotate)
    }

    fn conn_expired(&mut self, id: u32, socket: SocketId, due: &Due) {
        let now = self.now.mono;
        let lost = |kind, text: &str| Ruling::retry(kind, text);
        match due {
            Due::Dial => {
                let mut ruling = lost(WhyKind::Timeout, "No connection in time: nobody answered");
                ruling.code = Some("CONNECTION_TIMEOUT".into());
                self.lose(id, socket, ruling, Some(CloseReason::Handshake));
            }
            Due::Handshake => {
                let mut ruling = lost(
                    WhyKind::Timeout,
                    "The socket opened, but the server did not finish the handshake in time",
                );
                ruling.code = Some("CONNECTION_TIMEOUT".into());
                self.lose(id, socket, ruling, Some(CloseReason::Handshake));
            }
            Due::Silent => {
                let ruling = lost(WhyKind::Silence, "Nothing was heard from the server for too long");
                self.lose(id, socket, ruling, Some(CloseReason::Dead));
            }
            Due::ProbeLost => {
                let ruling =
                    lost(WhyKind::Silence, "The server did not answer when asked whether it is there");
                self.lose(id, socket, ruling, Some(CloseReason::Dead));
            }
            Due::Drained => {
                let ruling =
                    lost(WhyKind::Timeout, "The replaced connection did not give its last answers in time");
                self.lose(id, socket, ruling, Some(CloseReason::Replaced));
            }
            Due::Stable => {
                let Some(link) = self.links.get_mut(&id) else { return };
                if link.live.as_ref().is_some_and(|conn| conn.socket == socket) {
                    link.backoff.stable();
                    link.strike = None;
                    link.policy_strike = false;
                }
                if let Some(conn) = link.conn(socket) {
                    conn.stage = conn.stage.after(Happening::Lasted);
                }
            }
            Due::Ping => self.keep_alive(id, socket),
            Due::Rotate => {
                if let Some(conn) = conn_at(&mut self.links, id, socket) {
                    conn.rotate_at = Some(now + ms(self.config.timings.rotate_after));
                }
                self.replace(id, false);
            }
        }
    }

    /// DevContext's ping, and Charisma's probe in a browser. [rules §2.8]
    fn keep_alive(&mut self, id: u32, socket: SocketId) {
        let now = self.now.mono;
        let ping = self.profile.liveness == Liveness::ClientPings;
        let interval = ms(if ping {
            self.config.timings.ping_interval
        } else {
            self.config.timings.browser_probe_interval
        });
        let visible = self.visibility == Visibility::Visible;
        let Some(conn) = conn_at(&mut self.links, id, socket) else { return };
        let quiet_since = conn.heard;
        conn.ping_due = Some(now + interval);
        if ping {
            self.ping(id, socket);
        } else if visible {
            if now - quiet_since >= interval {
                self.probe(id);
            } else {
                conn.ping_due = Some(quiet_since + interval);
            }
        }
    }

    fn take_late(&mut self, id: u32, socket: SocketId) -> Option<Awaited> {
        let now = self.now.mono;
        let conn = self.links.get_mut(&id)?.conn(socket)?;
        let at = conn.awaited.iter().position(|awaited| awaited.until <= now)?;
        Some(*conn.awaited.remove(at))
    }

    fn answer_is_late(&mut self, id: u32, socket: SocketId, late: Awaited) {
        match late.what {
            Awaiting::Subscribe { topic, again } => self.confirmation_late(id, socket, &topic, again),
            Awaiting::Command { id: command, ask, .. } => self.answer_late(command, ask, late.sent_at),
            Awaiting::Authenticate => {
                let ruling =
                    Ruling::retry(WhyKind::Timeout, "The server did not answer the new token in time");
                self.lose(id, socket, ruling, Some(CloseReason::Dead));
            }
            Awaiting::Ping => {
                let heard = conn_at(&mut self.links, id, socket).map(|conn| conn.heard);
                // Anything that arrives proves life as well as the pong does.
                if heard.is_some_and(|heard| heard <= late.sent_at)
                    && !self.faults_planted.is(Faults::IGNORE_SILENCE)
                {
                    let ruling = Ruling::retry(WhyKind::Silence, "The server did not answer a ping in time");
                    self.lose(id, socket, ruling, Some(CloseReason::Dead));
                }
            }
            // It was a courtesy.
            Awaiting::Unsubscribe { .. } => {}
        }
    }

    fn expire_topics(&mut self) {
        let now = self.now.mono;
        let is_over = |at: Option<u64>| at.is_some_and(|at| at <= now);
        let over = |topic: &Topic| {
            let completion = topic.completion.map(|completion| completion.due);
            [completion, topic.gap_due, topic.linger_until].map(is_over)
        };
        // What is over is gone when it has been told.
        while let Some(name) = self.topics.first(|_, topic| over(topic).contains(&true)) {
            let Some(topic) = self.topics.get(&name) else { return };
            let [completion, gap, linger] = over(topic);
            if completion {
                self.completion_due(&name);
            }
            if gap {
                self.close_gap(&name, false);
            }
            if linger {
                self.linger_over(&name);
            }
        }
    }

    /// The next moment at which something is due.
    pub(super) fn next_due(&self) -> Option<u64> {
        if self.closed {
            return None;
        }
        let mut due = Soonest::default();
        due.add(self.tokens.flight.as_ref().map(|flight| flight.until));
        if self.tokens.flight.is_none() && self.any_ready() {
            let not_before =
                self.tokens.last_ahead.map_or(0, |last| last + ms(self.config.timings.refresh_interval));
            due.add(self.tokens.refresh_at.map(|at| at.max(not_before)));
        }
        let active = self.links.values().any(|link| {
            link.live.is_some() || !link.old.is_empty() || matches!(link.rest, Rest::Waiting { .. })
        });
        if active {
            due.add(self.background_since.map(|since| since + ms(self.config.timings.background_grace)));
        }
        for (id, link) in self.links.iter() {
            due.add(link.close_at);
            due.add(self.authentication_due(*id).filter(|at| *at > self.now.mono));
            if link.is_ready() && self.has_room() {
                due.add(link.replace_at);
            }
            if let Rest::Waiting { until, .. } = link.rest
                && link.live.is_none()
                && !self.is_held_back(*id)
            {
                due.add(Some(until));
            }
            for conn in link.conns() {
                self.conn_deadlines(link, conn, &mut due);
            }
        }
        for topic in self.topics.values() {
            due.add(topic.linger_until);
            due.add(topic.gap_due);
            due.add(topic.completion.map(|completion| completion.due));
        }
        due.add(self.subscribe_due());
        self.commands_due(&mut due);
        due.0
    }

    fn conn_deadlines(&self, link: &Link, conn: &Conn, due: &mut Soonest) {
        match conn.stage {
            _ if conn.drain_until.is_some() => due.add(conn.drain_until),
            Stage::Token { .. } => return,
            Stage::Dialing { until } | Stage::Handshake { until } => return due.add(Some(until)),
            Stage::Ready { since, stable } => {
                if !stable {
                    due.add(Some(since + ms(self.config.reconnect.stable_after)));
                }
                due.add(conn.probe);
                due.add(self.silence_limit(conn).map(|limit| conn.heard + limit));
                due.add(conn.ping_due);
                if link.next.is_none() {
                    due.add(conn.rotate_at);
                }
            }
        }
        for awaited in &conn.awaited {
            due.add(Some(awaited.until));
        }
    }

    /// When the budget lets the next subscribe out.
    fn subscribe_due(&self) -> Option<u64> {
        let link = self.links.get(&SHARED).filter(|link| link.is_ready())?;
        let conn = link.live.as_ref()?;
        let asking = conn.awaited.iter().any(|awaited| matches!(awaited.what, Awaiting::Subscribe { .. }));
        let wished = self.topics.values().any(|topic| topic.desired() && matches!(topic.wire, Wire::Wished));
        let asks = wished && !(self.profile.one_at_a_time && asking);
        if !asks && conn.leaving.is_empty() {
            return None;
        }
        Some(self.budget_at(SHARED, Priority::Low)).filter(|budget| *budget > self.now.mono)
    }
}

/// The earliest of several moments.
#[derive(Default)]
pub(super) struct Soonest(Option<u64>);

impl Soonest {
    pub(super) fn add(&mut self, at: Option<u64>) {
        if let Some(at) = at {
            self.0 = Some(self.0.map_or(at, |soonest| soonest.min(at)));
        }
    }
}
