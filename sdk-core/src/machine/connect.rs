//! The life of connections: attempts, handshakes, replacement, loss, and what follows from it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::link::{Awaited, Awaiting, Conn, Happening, Link, Rest, Stage};
use super::throttle::Priority;
use super::tokens::Flight;
use super::topics::Wire;
use super::verdict::{Circumstances, Meaning, Ruling, rule};
use super::{Machine, SHARED};
use crate::config::{AuthMode, TokenSource, ms};
use crate::dialect::{Liveness, Outgoing, Probe, RateScope, Stamp};
use crate::event::{Event, InterviewState, NoticeKind, Why, WhyKind};
use crate::io::{
    CloseReason, DisconnectReason, Output, Reachability, Secret, SocketId, Token, TokenError, Visibility,
};
use crate::json;

impl Machine {
    // --- beginning --------------------------------------------------------------------------------------------

    /// Begins what should run and is not running.
    pub(super) fn sync_links(&mut self) {
        if self.profile.per_topic {
            self.sync_pool();
        }
        if self.closed {
            return;
        }
        let work = self.has_work();
        let ids: Vec<u32> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            if link.live.is_some() {
                continue;
            }
            match &link.rest {
                Rest::Idle if work && !link.finished => {
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

    /// One link for each desired topic, as many as are allowed at once.
    fn sync_pool(&mut self) {
        let stale: Vec<u32> = self
            .links
            .iter()
            .filter(|(_, link)| {
                let topic = link.topic.as_ref().and_then(|topic| self.topics.get(topic));
                let wanted = topic.is_some_and(|topic| topic.desired() || (topic.keep && topic.handles > 0));
                !wanted && link.close_at.is_none()
            })
            .map(|(id, _)| *id)
            .collect();
        for id in stale {
            self.drop_link(id, CloseReason::Done);
        }
        if self.closed {
            return;
        }
        let mut missing: Vec<(u64, String)> = self
            .topics
            .iter()
            .filter(|(name, topic)| {
                topic.desired()
                    && !self
                        .links
                        .values()
                        .any(|link| link.topic.as_ref() == Some(*name) && link.close_at.is_none())
            })
            .map(|(name, topic)| (topic.order, name.clone()))
            .collect();
        missing.sort();
        for (_, topic) in missing {
            if self.links.len() >= self.config.limits.connections {
                break;
            }
            let id = self.next_link;
            self.next_link += 1;
            self.links.insert(id, Link { topic: Some(topic), ..Link::default() });
        }
    }

    pub(super) fn drop_link(&mut self, id: u32, reason: CloseReason) {
        let Some(mut link) = self.links.remove(&id) else { return };
        for conn in link.live.take().into_iter().chain(link.next.take()).chain(core::mem::take(&mut link.old))
        {
            if conn.has_socket() {
                self.out.push_back(Output::Close(conn.socket, reason));
            }
            self.bury(conn, false);
        }
        self.pass_scout(id);
        self.dirty = true;
    }

    pub(super) fn close_links(&mut self) {
        let ids: Vec<u32> = self.links.keys().copied().collect();
        for id in ids {
            self.drop_link(id, CloseReason::Done);
        }
    }

    /// Starts an attempt of a link that has no connection.
    pub(super) fn begin(&mut self, id: u32, force: bool, counted: bool) {
        let socket = self.new_socket();
        let now = self.now.mono;
        let Some(link) = self.links.get_mut(&id) else { return };
        if counted {
            let allowed = link.backoff.allowed_at(&self.config.reconnect);
            if allowed > now && !self.faults_planted.is(super::Faults::NO_ATTEMPT_LIMIT) {
                let why = match &link.rest {
                    Rest::Waiting { why, .. } => why.clone(),
                    _ => Why {
                        kind: WhyKind::Flapping,
                        text: "Too many attempts in a minute".into(),
                        code: None,
                        since: self.now.unix,
                        help: "Wait; it is tried again by itself",
                    },
                };
                link.rest = Rest::Waiting { until: allowed, not_before: allowed, force, why };
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

    fn new_socket(&mut self) -> SocketId {
        self.next_socket += 1;
        SocketId(self.next_socket)
    }

    /// Starts a connection that is to take the place of the one in use.
    pub(super) fn replace(&mut self, id: u32, force: bool) {
        let socket = self.new_socket();
        let now = self.now.mono;
        if let Some(link) = self.links.get_mut(&id)
            && link.next.is_none()
            && link.is_ready()
        {
            link.next = Some(Conn::new(socket, force, now));
            link.replace_at = None;
            self.dirty = true;
        }
    }

    // --- tokens -----------------------------------------------------------------------------------------------

    /// Gives connections that wait for a token theirs, or asks for one.
    pub(super) fn sync_tokens(&mut self) {
        let waiting: Vec<(u32, SocketId, bool)> = self
            .links
            .iter()
            .flat_map(|(id, link)| link.live.iter().chain(link.next.iter()).map(|conn| (*id, conn)))
            .filter_map(|(id, conn)| match conn.stage {
                Stage::Token { force } => Some((id, conn.socket, force)),
                _ => None,
            })
            .collect();
        let mut ask = None;
        for (id, socket, force) in waiting {
            match &self.tokens.source {
                TokenSource::None => self.dial(id, socket, None),
                TokenSource::Static(token) => {
                    let token = token.clone();
                    self.use_token(id, socket, token);
                }
                TokenSource::Provider => match &self.tokens.current {
                    Some(token) if self.tokens.pushed => {
                        let token = token.clone();
                        self.use_token(id, socket, token);
                    }
                    _ => ask = Some(ask.unwrap_or(false) || force),
                },
            }
        }
        if self.calls_need_token() && self.tokens.has_provider() {
            ask.get_or_insert(false);
        }
        if let Some(force) = ask {
            self.ask_for_token(force, false);
        } else if !self.waits_for_token() {
            self.tokens.pushed = false;
        }
    }

    fn waits_for_token(&self) -> bool {
        self.links
            .values()
            .flat_map(|link| link.live.iter().chain(link.next.iter()))
            .any(|conn| matches!(conn.stage, Stage::Token { .. }))
    }

    pub(super) fn ask_for_token(&mut self, force: bool, ahead: bool) {
        if self.tokens.flight.is_some() || !self.tokens.has_provider() {
            return;
        }
        self.tokens.generation = self.tokens.generation.wrapping_add(1);
        let generation = self.tokens.generation;
        let until = self.now.mono + ms(self.config.timings.token_timeout);
        self.tokens.flight = Some(Flight { generation, force, ahead, until });
        self.out.push_back(Output::FetchToken { generation, force });
    }

    /// The provider answered, or took too long.
    pub(super) fn token_arrived(&mut self, generation: u32, result: Result<Token, TokenError>) {
        let Some(flight) = self.tokens.flight.take_if(|flight| flight.generation == generation) else {
            return;
        };
        self.dirty = true;
        match result {
            Ok(token) => self.token_given(&flight, token),
            Err(error) => self.token_missing(&flight, &error),
        }
    }

    fn token_given(&mut self, flight: &Flight, token: Token) {
        let same = self.tokens.current.as_ref().is_some_and(|current| current.text == token.text);
        let in_use = self.links.values().any(Link::is_ready);
        if flight.ahead && same {
            self.tokens.refresh_at = None;
            self.notice(
                NoticeKind::TokenNotRefreshed,
                "the token provider gave the token that is about to expire once more",
            );
        } else if !self.tokens.accept(token.clone(), &self.config.timings, self.now) {
            self.notice(
                NoticeKind::ClockSuspect,
                "a fresh token looks expired; is this machine's clock right?",
            );
        }
        let waiting: Vec<(u32, SocketId)> = self
            .links
            .iter()
            .flat_map(|(id, link)| link.live.iter().chain(link.next.iter()).map(|conn| (*id, conn)))
            .filter(|(_, conn)| match conn.stage {
                Stage::Token { force } => flight.force || !force,
                _ => false,
            })
            .map(|(id, conn)| (id, conn.socket))
            .collect();
        for (id, socket) in waiting {
            self.use_token(id, socket, token.clone());
        }
        if in_use && !same {
            self.apply_new_token(false);
        }
        self.calls_got_token();
    }

    fn token_missing(&mut self, flight: &Flight, error: &TokenError) {
        let (denied, text) = match error {
            TokenError::Unavailable(text) => (false, text),
            TokenError::Denied(text) => (true, text),
        };
        if flight.ahead {
            let expires_at = self.tokens.current.as_ref().and_then(|token| token.expires_at);
            let hope = !denied && expires_at.is_some_and(|at| at > self.now.unix);
            self.tokens.refresh_at = hope.then(|| self.now.mono + ms(self.config.timings.refresh_interval));
            if !hope {
                self.notice(NoticeKind::TokenNotRefreshed, format!("no new token: {text}"));
            }
        }
        self.calls_lost_token(text);
        let ruling = if denied {
            Ruling::new(
                Meaning::Fatal,
                WhyKind::Auth,
                format!("The token provider says there will be no token: {text}"),
                "Sign in again, then call connect() or set_token()",
            )
        } else {
            Ruling::new(
                Meaning::Retry { retry_after: 0 },
                WhyKind::TokenProvider,
                format!("The token provider gave no token: {text}"),
                "It is asked again by itself; check the place that issues tokens",
            )
        };
        let waiting: Vec<(u32, SocketId)> = self
            .links
            .iter()
            .flat_map(|(id, link)| link.live.iter().chain(link.next.iter()).map(|conn| (*id, conn)))
            .filter(|(_, conn)| matches!(conn.stage, Stage::Token { .. }))
            .map(|(id, conn)| (id, conn.socket))
            .collect();
        for (id, socket) in waiting {
            self.lose(id, socket, ruling.clone(), None);
        }
    }

    /// A connection that waited for its token has one, unless it is the one that was refused.
    fn use_token(&mut self, id: u32, socket: SocketId, token: Token) {
        let struck = self.links.get(&id).and_then(|link| link.strike.as_ref());
        if struck.is_some_and(|struck| struck.text == token.text)
            && !self.faults_planted.is(super::Faults::REUSE_REFUSED_TOKEN)
        {
            let ruling = Ruling::new(
                Meaning::Fatal,
                WhyKind::Auth,
                "The server refused the token, and there is no other",
                "Sign in again, then call connect() or set_token()",
            );
            return self.lose(id, socket, ruling, None);
        }
        self.dial(id, socket, Some(token));
    }

    /// A new token is in hand while connections run: use it in-band, or by new connections.
    pub(super) fn apply_new_token(&mut self, by_user: bool) {
        let Some(token) = self.tokens.current.clone() else { return };
        let ids: Vec<u32> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let current =
                link.live.as_ref().and_then(|conn| conn.token.as_ref()).is_some_and(|t| t.text == token.text);
            if link.is_ready() {
                if current {
                    continue;
                }
                if self.profile.auth_in_band {
                    self.authenticate_in_band(id);
                } else {
                    self.replace(id, false);
                    self.tokens.pushed = true;
                }
            } else if by_user {
                link.strike = None;
                let auth = matches!(&link.rest, Rest::Failed(why) if matches!(why.kind, WhyKind::Auth | WhyKind::TokenProvider));
                let waits = matches!(&link.rest, Rest::Waiting { why, .. } if matches!(why.kind, WhyKind::Auth | WhyKind::TokenProvider));
                if auth || waits {
                    self.rearm(id);
                }
            }
        }
        if by_user && self.profile.per_topic {
            for topic in self.topics.values_mut() {
                if matches!(&topic.wire, Wire::Refused(why) if why.kind == WhyKind::Auth) {
                    topic.wire = Wire::Wished;
                }
            }
        }
        self.dirty = true;
    }

    fn authenticate_in_band(&mut self, id: u32) {
        let Some(token) = self.tokens.current.clone() else { return };
        let socket = match self.links.get_mut(&id).and_then(Link::ready) {
            Some(conn) => {
                conn.token = Some(token.clone());
                conn.socket
            }
            None => return,
        };
        let wish = Outgoing::Authenticate { token: token.text.expose() };
        if let Some(request) = self.send(id, socket, &wish)
            && self.profile.auth_answered
        {
            self.await_answer(
                id,
                socket,
                Awaiting::Authenticate,
                request,
                ms(self.config.timings.confirm_timeout),
            );
        }
    }

    // --- dialing and handshakes -------------------------------------------------------------------------------

    fn dial(&mut self, id: u32, socket: SocketId, token: Option<Token>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let topic = link.topic.clone();
        let request =
            self.route.socket(&self.config, self.profile, self.caps, topic.as_deref(), token.as_ref());
        let until = self.now.mono + ms(self.config.reconnect.dial_timeout);
        let Some(conn) = link.conn(socket) else { return };
        conn.token = token;
        conn.stage = conn.stage.after(Happening::Dialed { until });
        self.out.push_back(Output::Open(socket, request));
    }

    pub(super) fn opened(&mut self, socket: SocketId) {
        let now = self.now;
        let Some(id) = self.link_of(socket) else { return };
        // A service without a handshake of its own is ready with the socket, save where the token travels in a
        // message that is answered.
        let shakes =
            self.profile.socketio || (self.route.auth == AuthMode::Message && self.profile.auth_answered);
        let until = now.mono + ms(self.config.reconnect.handshake_timeout);
        let Some(conn) = self.links.get_mut(&id).and_then(|link| link.conn(socket)) else { return };
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
        let token =
            self.links.get_mut(&id).and_then(|link| link.conn(socket)).and_then(|conn| conn.token.clone());
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
        let Some(conn) = self.links.get_mut(&id).and_then(|link| link.conn(socket)) else { return };
        if matches!(conn.stage, Stage::Handshake { .. }) {
            conn.stage = conn.stage.after(Happening::Accepted { now });
            self.become_ready(id, socket);
        }
    }

    fn become_ready(&mut self, id: u32, socket: SocketId) {
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
        conn.rotate_at = rotates.then_some(rotate_at);
        conn.ping_due = ping_due;
        if core::mem::replace(&mut link.ever_ready, true) && link.down_since.is_some() {
            self.stats.reconnects += 1;
        }
        self.dirty = true;
        if link.next.as_ref().is_some_and(|conn| conn.socket == socket) {
            return self.swap(id);
        }
        let down = link.down_since.take().map_or(0, |since| now - since);
        self.ready_info = (link.backoff.tries, down);
        link.backoff.tries = 0;
        if let Some(topic) = link.topic.clone() {
            self.confirmed(&topic, socket);
        }
        self.pool_follows(id);
    }

    /// The replacement is ready: it takes over, the old one stays for its last answers.
    fn swap(&mut self, id: u32) {
        let drain = ms(self.config.timings.drain_limit);
        let now = self.now.mono;
        let Some(link) = self.links.get_mut(&id) else { return };
        let (Some(mut old), Some(new)) = (link.live.take(), link.next.take()) else { return };
        let (old_socket, new_socket) = (old.socket, new.socket);
        old.drain_until = now + drain;
        old.probe = None;
        link.old.push(old);
        link.live = Some(new);
        let topic = link.topic.clone();
        for topic in self.topics.values_mut() {
            match topic.wire {
                Wire::Active(socket) if socket == old_socket => {
                    topic.wire = Wire::Wished;
                    topic.prior = Some(old_socket);
                    topic.gap_since = None;
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
    fn close_drained(&mut self) {
        let now = self.now.mono;
        let ids: Vec<u32> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let done: Vec<SocketId> = link
                .old
                .iter()
                .filter(|conn| {
                    let waits = conn.awaited.iter().any(|a| matches!(a.what, Awaiting::Command { .. }));
                    let speaks =
                        self.topics.values().any(|topic| topic.prior == Some(conn.socket) && topic.desired());
                    conn.drain_until <= now || !(waits || speaks)
                })
                .map(|conn| conn.socket)
                .collect();
            for socket in done {
                let Some(link) = self.links.get_mut(&id) else { continue };
                if let Some(at) = link.old.iter().position(|conn| conn.socket == socket) {
                    let conn = link.old.remove(at);
                    self.out.push_back(Output::Close(socket, CloseReason::Replaced));
                    self.bury(conn, false);
                }
            }
        }
    }

    // --- ends -------------------------------------------------------------------------------------------------

    /// The host says that a socket ended or could not be opened.
    pub(super) fn ended(&mut self, socket: SocketId, reason: &DisconnectReason) {
        let Some(id) = self.link_of(socket) else { return };
        let unexplained =
            matches!(reason, DisconnectReason::Network(_) | DisconnectReason::Closed { code: 1006, .. });
        let all_done = self.all_done();
        let others_ready = self.links.iter().any(|(other, link)| *other != id && link.is_ready());
        let now = self.now.unix;
        let Some(link) = self.links.get_mut(&id) else { return };
        // After the end of its topic any close is success. [therapybridge §4]
        if link.close_at.is_some() {
            return self.drop_link(id, CloseReason::Done);
        }
        let Some(conn) = link.conn(socket) else { return };
        let expires_at = conn.token.as_ref().and_then(|token| token.expires_at);
        let (opened, said_shutdown, said_expired) =
            (conn.opened.is_some(), conn.said_shutdown, conn.said_expired);
        if !opened && unexplained {
            link.opaque += 1;
        }
        let at = Circumstances {
            per_topic: link.topic.is_some(),
            ever_ready: link.ever_ready,
            opened,
            all_done,
            own_older: !link.old.is_empty() || link.next.is_some(),
            token_expiring: expires_at.is_some_and(|at| at <= now + 10_000),
            opaque: link.opaque,
            others_ready,
            said_shutdown,
            said_expired,
            http_status: self.caps.http_status,
        };
        let ruling = rule(self.config.service, reason, at);
        self.lose(id, socket, ruling, None);
    }

    /// Whether everything that was asked for has ended.
    fn all_done(&self) -> bool {
        let mut any = false;
        for topic in self.topics.values() {
            if topic.desired() {
                return false;
            }
            any |= matches!(topic.wire, Wire::Ended) || topic.snapshot.terminal;
        }
        any && self.queue.is_empty()
    }

    /// A connection is gone, or given up by us: what it waited for gets its outcome, and its link its verdict.
    pub(super) fn lose(&mut self, id: u32, socket: SocketId, ruling: Ruling, close: Option<CloseReason>) {
        let now = self.now.mono;
        self.dirty = true;
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some(at) = link.old.iter().position(|conn| conn.socket == socket) {
            let conn = link.old.remove(at);
            return self.discard(conn, close, false);
        }
        if link.next.as_ref().is_some_and(|conn| conn.socket == socket) {
            let Some(conn) = link.next.take() else { return };
            return self.replacement_failed(id, conn, &ruling, close);
        }
        let Some(conn) = link.live.take_if(|conn| conn.socket == socket) else { return };
        if let Some(opened) = conn.opened {
            let short = now - opened < ms(self.config.reconnect.stable_after);
            link.backoff.short_lives = if short { link.backoff.short_lives.saturating_add(1) } else { 0 };
        }
        if conn.is_ready() {
            link.down_since.get_or_insert(now);
            if ruling.meaning != Meaning::Done {
                self.stats.unexpected_closes += 1;
            }
        }
        *self.stats.failures.entry(ruling.kind).or_default() += 1;
        let token = conn.token.clone();
        let got_data = conn.got_data;
        if ruling.kind == WhyKind::TooLarge {
            link.too_large += 1;
        }
        // A replacement on its way goes on as the connection itself.
        link.live = link.next.take();
        let promoted = link.live.is_some();
        let too_large_twice = link.too_large >= 2;
        self.discard(conn, close, ruling.kind == WhyKind::TooLarge);
        if too_large_twice && self.refuse_too_large(id, &ruling) {
            return;
        }
        if !promoted || matches!(ruling.meaning, Meaning::Fatal | Meaning::Displaced | Meaning::Refused) {
            self.judge(id, ruling, token, got_data);
        }
    }

    fn discard(&mut self, conn: Conn, close: Option<CloseReason>, too_large: bool) {
        if let Some(reason) = close
            && conn.has_socket()
        {
            self.out.push_back(Output::Close(conn.socket, reason));
        }
        self.bury(conn, too_large);
    }

    /// What a dead connection leaves behind: outcomes for its questions, topics to be asked again.
    fn bury(&mut self, conn: Conn, too_large: bool) {
        for topic in self.topics.values_mut() {
            topic.lost(conn.socket, conn.heard_unix);
        }
        if let Some(frame) = conn.held {
            self.out.push_back(Output::Release(frame, crate::envelope::Verdict(0)));
        }
        for awaited in conn.awaited {
            self.interrupted(awaited, too_large);
        }
        self.dirty = true;
    }

    fn replacement_failed(&mut self, id: u32, conn: Conn, ruling: &Ruling, close: Option<CloseReason>) {
        *self.stats.failures.entry(ruling.kind).or_default() += 1;
        let token = conn.token.clone();
        self.discard(conn, close, false);
        let retry = ms(self.config.reconnect.max_delay);
        let Some(link) = self.links.get_mut(&id) else { return };
        // The connection in use is not touched; what refuses the new one will end it in its own time.
        if ruling.meaning == Meaning::Auth {
            self.stats.auth_failures += 1;
            if link.strike.is_none() {
                link.strike = token;
                return self.replace(id, true);
            }
        }
        if !matches!(ruling.meaning, Meaning::Fatal | Meaning::Displaced | Meaning::Refused | Meaning::Auth) {
            link.replace_at = Some(self.now.mono + self.rng.between(retry / 2, retry));
        }
    }

    /// Two messages in a row were too large: if it is clear whose they are, that topic is refused.
    fn refuse_too_large(&mut self, id: u32, ruling: &Ruling) -> bool {
        let own = self.links.get(&id).and_then(|link| link.topic.clone());
        let mut desired = self.topics.iter().filter(|(_, topic)| topic.desired());
        let only = match (desired.next(), desired.next()) {
            (Some((name, _)), None) => Some(name.clone()),
            _ => None,
        };
        let Some(topic) = own.or(only) else { return false };
        let why = Why {
            text: "Its messages are larger than this client accepts".into(),
            help: "Raise max_incoming",
            ..self.why(ruling)
        };
        self.refuse(&topic, why);
        if let Some(link) = self.links.get_mut(&id) {
            link.too_large = 0;
        }
        self.profile.per_topic
    }

    // --- verdicts ---------------------------------------------------------------------------------------------

    /// Carries out the verdict on a link that has lost its connection.
    fn judge(&mut self, id: u32, ruling: Ruling, token: Option<Token>, got_data: bool) {
        let now = self.now.mono;
        let mut why = self.why(&ruling);
        let Some(link) = self.links.get_mut(&id) else { return };
        if got_data {
            (link.protocol_errors, link.server_errors) = (0, 0);
        }
        match ruling.meaning {
            Meaning::Retry { retry_after } => {
                if why.kind == WhyKind::ServerError {
                    link.server_errors += 1;
                    if link.server_errors == 5 {
                        self.notice(
                            NoticeKind::ServerUnhealthy,
                            "the server has failed five times in a row without data",
                        );
                    }
                }
                self.wait(id, why, Pause { retry_after, ..Pause::default() });
            }
            Meaning::Restart => self.wait(id, why, Pause { spread: true, ..Pause::default() }),
            Meaning::Auth => {
                self.stats.auth_failures += 1;
                let Some(link) = self.links.get_mut(&id) else { return };
                let again = link.strike.is_some();
                if again || matches!(self.tokens.source, TokenSource::None) {
                    if link.topic.is_some() {
                        return self.refuse_link(id, why);
                    }
                    return self.fail(id, why);
                }
                link.strike = Some(token.unwrap_or_default());
                self.try_again(id, true, why);
            }
            Meaning::Fatal => self.fail(id, why),
            Meaning::Refused => self.refuse_link(id, why),
            Meaning::Displaced => self.set_rest(id, Rest::Displaced(why)),
            Meaning::Policy => {
                if core::mem::replace(&mut link.policy_strike, true) {
                    self.notice(NoticeKind::ServerPolicy, why.text.clone());
                    self.wait(id, why, Pause { at_cap: true, ..Pause::default() });
                } else if self.tokens.has_provider() {
                    self.try_again(id, true, why);
                } else {
                    self.wait(id, why, Pause::default());
                }
            }
            Meaning::Protocol => {
                link.protocol_errors += 1;
                if link.protocol_errors >= 3 {
                    why.text.push_str(", three times in a row");
                    return self.fail(id, why);
                }
                self.wait(id, why, Pause::default());
            }
            Meaning::Kicked => {
                let before = link.kicked_at.replace(now);
                if before.is_some_and(|before| now - before <= 10_000) {
                    return self.fail(id, why);
                }
                self.wait(id, why, Pause::default());
            }
            Meaning::Done => {
                link.finished = true;
                self.wanted = false;
                self.set_rest(id, Rest::Idle);
            }
        }
    }

    /// Another attempt at once, where the verdict asks for one.
    fn try_again(&mut self, id: u32, force: bool, why: Why) {
        if !self.may_retry(id) {
            return self.give_up(id, &why);
        }
        if let Some(link) = self.links.get_mut(&id) {
            // Should the limit per minute hold it back, this is why it waits.
            link.rest = Rest::Waiting { until: 0, not_before: 0, force, why };
        }
        self.begin(id, force, true);
    }

    fn may_retry(&self, id: u32) -> bool {
        let options = &self.config.reconnect;
        let tries = self.links.get(&id).map_or(0, |link| link.backoff.tries);
        options.reconnect && options.max_attempts.is_none_or(|max| tries < max)
    }

    fn give_up(&mut self, id: u32, why: &Why) {
        let text = if self.config.reconnect.reconnect {
            "The maximum of attempts is reached"
        } else {
            "Reconnecting is switched off"
        };
        let why = Why {
            kind: WhyKind::GaveUp,
            text: format!("{text}. Last: {}", why.text),
            help: "Call connect() to try again",
            ..why.clone()
        };
        self.fail(id, why);
    }

    fn wait(&mut self, id: u32, mut why: Why, pause: Pause) {
        if !self.may_retry(id) {
            return self.give_up(id, &why);
        }
        let now = self.now.mono;
        let offline = self.is_offline();
        let scouted = self.elect_scout(id);
        let options = &self.config.reconnect;
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.backoff.flapping() {
            why.text = format!("The server accepts and then closes, again and again. Last: {}", why.text);
            why.kind = WhyKind::Flapping;
            why.help =
                "Look for what ends the connections on the server; it is tried again at the slowest pace";
        }
        let wide = pause.spread && link.backoff.failures == 0;
        let mut delay = link.backoff.delay(options, &mut self.rng, pause.at_cap || offline);
        if wide && options.jitter {
            delay = self.rng.between(0, ms(options.restart_spread));
        }
        let not_before = now + pause.retry_after.min(ms(options.max_retry_after));
        let until = (now + delay).max(not_before).max(link.backoff.allowed_at(options));
        let not_before = not_before.max(link.backoff.allowed_at(options));
        self.set_rest(id, Rest::Waiting { until, not_before, force: false, why });
        if !scouted {
            self.dirty = true;
        }
    }

    fn fail(&mut self, id: u32, why: Why) {
        if self.links.get(&id).is_some_and(|link| link.topic.is_some())
            && why.kind != WhyKind::Auth
            && why.kind != WhyKind::GaveUp
        {
            return self.refuse_link(id, why);
        }
        if let Some(link) = self.links.get_mut(&id) {
            // Nothing that is on its way survives a verdict that nothing will do.
            for conn in link.live.take().into_iter().chain(link.next.take()) {
                self.discard(conn, Some(CloseReason::Done), false);
            }
        }
        self.set_rest(id, Rest::Failed(why));
    }

    /// The verdict concerns only the topic whose connection this was.
    fn refuse_link(&mut self, id: u32, why: Why) {
        let Some(topic) = self.links.get(&id).and_then(|link| link.topic.clone()) else {
            return self.fail(id, why);
        };
        self.refuse(&topic, why);
        self.drop_link(id, CloseReason::Done);
    }

    pub(super) fn set_rest(&mut self, id: u32, rest: Rest) {
        if let Some(link) = self.links.get_mut(&id) {
            link.rest = rest;
        }
        if !matches!(self.links.get(&id).map(|link| &link.rest), Some(Rest::Waiting { .. })) {
            self.pass_scout(id);
        }
        self.dirty = true;
    }

    // --- the pool ---------------------------------------------------------------------------------------------

    /// While no link is Ready, one tries first; true if this one does. [rules §2.3]
    fn elect_scout(&mut self, id: u32) -> bool {
        if !self.profile.per_topic || self.links.values().any(Link::is_ready) {
            self.scout = None;
            return true;
        }
        *self.scout.get_or_insert(id) == id
    }

    /// Whether this link must leave the first attempt to another.
    pub(super) fn is_held_back(&self, id: u32) -> bool {
        self.scout.is_some_and(|scout| scout != id && self.links.contains_key(&scout))
            && !self.links.values().any(Link::is_ready)
    }

    /// The scout is gone: the next that waits takes its place and its count.
    fn pass_scout(&mut self, id: u32) {
        if self.scout != Some(id) {
            return;
        }
        self.scout = None;
        let failures = self.links.get(&id).map_or(0, |link| link.backoff.failures);
        let next = self
            .links
            .iter_mut()
            .find(|(other, link)| **other != id && matches!(link.rest, Rest::Waiting { .. }));
        if let Some((other, link)) = next {
            link.backoff.failures = link.backoff.failures.max(failures);
            self.scout = Some(*other);
        }
    }

    /// A link is Ready: those that waited for the network follow it.
    fn pool_follows(&mut self, id: u32) {
        if !self.profile.per_topic {
            return;
        }
        let was_scout = self.scout.take().is_some();
        let now = self.now.mono;
        for (other, link) in &mut self.links {
            if *other != id
                && was_scout
                && let Rest::Waiting { until, not_before, .. } = &mut link.rest
            {
                *until = now.max(*not_before);
            }
        }
    }

    // --- the app and its host ---------------------------------------------------------------------------------

    /// `connect()` or `take_over()`: now, whatever stood in the way.
    pub(super) fn connect_now(&mut self, take_over: bool) {
        self.wanted = true;
        self.dirty = true;
        let ids: Vec<u32> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            link.finished = false;
            if link.live.is_some() {
                continue;
            }
            match link.rest {
                Rest::Waiting { force, .. } => self.begin(id, force, false),
                Rest::Displaced(_) if !take_over => {}
                _ => self.rearm(id),
            }
        }
    }

    /// A fresh start for a link that had stopped.
    fn rearm(&mut self, id: u32) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.strike = None;
        link.policy_strike = false;
        link.protocol_errors = 0;
        link.kicked_at = None;
        link.finished = false;
        link.backoff.stable();
        link.backoff.tries = 0;
        link.rest = Rest::Idle;
        if self.has_work() {
            self.begin(id, false, false);
        }
        self.dirty = true;
    }

    pub(super) fn network(&mut self, reachability: Reachability) {
        self.reachability = reachability;
        self.dirty = true;
        if reachability == Reachability::Online {
            self.wake(true);
        }
    }

    pub(super) fn seen(&mut self, visibility: Visibility) {
        let before = core::mem::replace(&mut self.visibility, visibility);
        self.dirty = true;
        match visibility {
            Visibility::Background => {
                self.background_since.get_or_insert(self.now.mono);
            }
            Visibility::Hidden => self.background_since = None,
            Visibility::Visible => {
                self.background_since = None;
                let ids: Vec<u32> = self.links.keys().copied().collect();
                for id in ids {
                    if matches!(self.links.get(&id).map(|link| &link.rest), Some(Rest::Suspended)) {
                        self.set_rest(id, Rest::Idle);
                        if self.has_work() {
                            self.begin(id, false, false);
                        }
                    }
                }
                if before != Visibility::Visible {
                    self.wake(true);
                }
            }
        }
    }

    pub(super) fn background_is_over(&self) -> bool {
        let grace = ms(self.config.timings.background_grace);
        self.background_since.is_some_and(|since| self.now.mono >= since + grace)
    }

    /// The app has been in the background for long enough.
    pub(super) fn suspend(&mut self) {
        let ids: Vec<u32> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let active = link.live.is_some() || matches!(link.rest, Rest::Waiting { .. });
            if !active {
                continue;
            }
            let old = core::mem::take(&mut link.old);
            let conns: Vec<Conn> = link.live.take().into_iter().chain(link.next.take()).chain(old).collect();
            for conn in conns {
                self.discard(conn, Some(CloseReason::Suspended), false);
            }
            if let Some(link) = self.links.get_mut(&id) {
                link.down_since.get_or_insert(self.now.mono);
            }
            self.set_rest(id, Rest::Suspended);
        }
    }

    /// The app or the network woke up: see whether sockets still answer, and skip waits. [rules §2.8]
    pub(super) fn wake(&mut self, skips: bool) {
        let now = self.now.mono;
        let may_skip =
            skips && self.last_wake.is_none_or(|last| now - last >= ms(self.config.timings.wake_interval));
        let ids: Vec<u32> = self.links.keys().copied().collect();
        let mut skipped = false;
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            if link.is_ready() {
                self.probe(id);
            } else if let Rest::Waiting { until, not_before, .. } = &mut link.rest
                && may_skip
                && *until > now
            {
                *until = now.max(*not_before);
                skipped = true;
            }
        }
        if skipped {
            self.last_wake = Some(now);
        }
        self.dirty = true;
    }

    /// Asks a socket whether it still answers, or replaces it where it can't be asked.
    pub(super) fn probe(&mut self, id: u32) {
        let now = self.now.mono;
        let until = now + ms(self.config.timings.probe_timeout);
        let Some(conn) = self.links.get_mut(&id).and_then(Link::ready) else { return };
        let socket = conn.socket;
        if conn.probe.is_some() {
            return;
        }
        if self.caps.ws_ping {
            conn.probe = Some(until);
            self.out.push_back(Output::Ping(socket));
            return;
        }
        match self.profile.probe {
            Some(Probe::Ping) => {
                conn.probe = Some(until);
                if let Some(request) = self.send(id, socket, &Outgoing::Ping) {
                    self.await_answer(
                        id,
                        socket,
                        Awaiting::Ping,
                        request,
                        ms(self.config.timings.pong_timeout),
                    );
                }
            }
            Some(Probe::Authenticate) if self.tokens.current.is_some() => {
                conn.probe = Some(until);
                self.authenticate_in_band(id);
            }
            _ => {
                let interval = match (self.profile.liveness, conn.engine) {
                    (Liveness::ServerPings { interval, .. }, _) | (_, Some((interval, _))) => interval,
                    _ => return,
                };
                if now - conn.heard > interval + ms(self.config.timings.overdue_grace) {
                    let ruling = Ruling::retry(
                        WhyKind::Silence,
                        "Nothing was heard from the server while the app slept",
                    );
                    self.lose(id, socket, ruling, Some(CloseReason::Dead));
                }
            }
        }
    }

    // --- writing ----------------------------------------------------------------------------------------------

    /// Encodes a wish and writes it; the number in its `requestId`, or `None` if the service has no such message.
    pub(super) fn send(&mut self, _id: u32, socket: SocketId, wish: &Outgoing<'_>) -> Option<u64> {
        let request = self.next_request + 1;
        let text =
            self.dialect.encode(wish, &Stamp { unix: self.now.unix, request: &request_id(request) })?;
        self.next_request = request;
        self.count(socket);
        self.write(socket, text);
        Some(request)
    }

    pub(super) fn write(&mut self, socket: SocketId, text: String) {
        self.stats.frames_out += 1;
        self.stats.bytes_out += text.len() as u64;
        self.out.push_back(Output::Send(socket, Secret::new(text)));
    }

    /// Counts a message against the budget, where the service has one.
    fn count(&mut self, socket: SocketId) {
        let now = self.now.mono;
        match self.profile.rate {
            None => {}
            Some(RateScope::Client) => self.throttle.sent(now),
            Some(RateScope::Connection) => {
                if let Some(conn) = self.links.values_mut().find_map(|link| link.conn(socket)) {
                    conn.throttle.sent(now);
                }
            }
        }
    }

    /// When the budget of the connection in use lets a message out.
    pub(super) fn budget_at(&self, id: u32, priority: Priority) -> u64 {
        let now = self.now.mono;
        let throttle = match self.profile.rate {
            None => return now,
            Some(RateScope::Client) => &self.throttle,
            Some(RateScope::Connection) => match self.links.get(&id).and_then(|link| link.live.as_ref()) {
                Some(conn) => &conn.throttle,
                None => return now,
            },
        };
        throttle.ready_at(&self.config.limits, priority)
    }

    pub(super) fn await_answer(
        &mut self,
        id: u32,
        socket: SocketId,
        what: Awaiting,
        request: u64,
        within: u64,
    ) {
        let now = self.now.mono;
        if let Some(conn) = self.links.get_mut(&id).and_then(|link| link.conn(socket)) {
            conn.awaited.push_back(Awaited { what, request, sent_at: now, until: now + within });
        }
    }

    /// The link that a socket belongs to; `None` for one that has been given up.
    pub(super) fn link_of(&mut self, socket: SocketId) -> Option<u32> {
        if let Some(link) = self.links.get_mut(&SHARED) {
            return link.conn(socket).is_some().then_some(SHARED);
        }
        self.links.iter().find(|(_, link)| link.has(socket)).map(|(id, _)| *id)
    }

    /// An interview's state changes.
    pub(super) fn set_interview(&mut self, session: &str, state: InterviewState) {
        if let Some(topic) = self.topics.get_mut(session)
            && topic.interview != Some(state)
        {
            topic.interview = Some(state);
            self.event(Event::Interview { session_id: session.into(), state });
        }
    }
}

/// What makes a wait longer than the schedule.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    retry_after: u64,
    spread: bool,
    at_cap: bool,
}

/// The `requestId` of this number; unique in this client.
pub(super) fn request_id(number: u64) -> String {
    format!("sf-{number}")
}

/// The number in a `requestId` of ours.
pub(super) fn request_number(id: &str) -> Option<u64> {
    id.strip_prefix("sf-")?.parse().ok()
}
