//! The end of a connection: what it leaves behind, and what is asked about it.

use alloc::boxed::Box;
use alloc::string::String;

use super::Machine;
use super::link::{Conn, Stage};
use super::topics::Wire;
use super::verdict::{Circumstances, Meaning, Ruling, restart, rule};
use crate::config::ms;
use crate::event::{Why, WhyKind};
use crate::io::{CloseReason, DisconnectReason, Output, SocketId};

/// By then every service has missed a connection that was cut. [rules §1.1]
const MISSED_AFTER: u64 = 90_000;

impl Machine {
    /// The host says that a socket ended or could not be opened.
    pub(super) fn ended(&mut self, socket: SocketId, reason: &DisconnectReason) {
        let Some(id) = self.link_of(socket) else { return };
        let unexplained =
            matches!(reason, DisconnectReason::Network(_) | DisconnectReason::Closed { code: 1006, .. });
        let all_done = self.all_done();
        let others_ready = self.links.iter().any(|(other, link)| *other != id && link.is_ready());
        let now = self.now.unix;
        let Some(link) = self.links.get_mut(&id) else { return };
        // After the end of its topic any close is success. [therapybridge §4.5]
        if link.close_at.is_some() {
            if let Some(conn) = link.take(socket) {
                self.bury(conn, false);
            }
            return self.drop_link(id, CloseReason::Done);
        }
        // A server may take its time to miss a connection that was cut.
        let left_behind =
            link.ever_ready && link.down_since.is_some_and(|since| self.now.mono - since <= MISSED_AFTER);
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
            own_older: !link.old.is_empty() || link.next.is_some() || left_behind,
            token_expiring: expires_at.is_some_and(|at| at <= now + 10_000),
            opaque: link.opaque,
            others_ready,
            said_shutdown,
            said_expired,
            http_status: self.caps.http_status,
        };
        let topic = link.topic.clone();
        let mut ruling = rule(self.config.service, reason, at);
        if matches!(reason, DisconnectReason::Http { .. })
            && matches!(ruling.kind, WhyKind::Configuration | WhyKind::NotFound)
        {
            // What was asked for is what is wrong.
            ruling.text.push_str(" for ");
            ruling.text.push_str(&self.route.shown(topic.as_deref()));
        }
        self.lose(id, socket, ruling, None);
        self.ended_after_wake(id);
    }

    /// Whether everything that was asked for has ended.
    pub(super) fn all_done(&self) -> bool {
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
    pub(super) fn lose(&mut self, id: u32, socket: SocketId, mut ruling: Ruling, close: Option<CloseReason>) {
        let now = self.now.mono;
        self.dirty = true;
        // Its newest word counts, and silence takes nothing back.
        if ruling.retry_after > 0 && !self.faults_planted.is(super::Faults::IGNORE_RETRY_AFTER) {
            self.not_before = now + ruling.retry_after.min(ms(self.config.reconnect.max_retry_after));
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some(at) = link.old.iter().position(|conn| conn.socket == socket) {
            let conn = link.old.remove(at);
            return self.discard(conn, close, false);
        }
        if link.next.as_ref().is_some_and(|conn| conn.socket == socket) {
            let Some(conn) = link.next.take() else { return };
            return self.replacement_failed(id, conn, &ruling, close);
        }
        let is_large = ruling.kind == WhyKind::TooLarge && ruling.meaning != Meaning::Oversized;
        let whose = is_large.then(|| self.too_large_for(id)).flatten();
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(conn) = link.live.take_if(|conn| conn.socket == socket) else { return };
        // A server that has announced its shutdown may go without another word.
        if conn.said_shutdown && matches!(ruling.kind, WhyKind::Silence | WhyKind::Timeout) {
            ruling = restart();
        }
        let mut in_a_row = true;
        if let Some(opened) = conn.opened {
            let short = now - opened < ms(self.config.reconnect.stable_after);
            // A connection that has lasted and told more than where the topic stands breaks the row.
            let topic = whose.as_ref().and_then(|topic| self.topics.get(topic));
            in_a_row = short || topic.is_none_or(|topic| topic.news < 2);
            link.backoff.short_lives = if short { link.backoff.short_lives.saturating_add(1) } else { 0 };
        }
        if conn.is_ready() {
            link.down_since.get_or_insert(now);
            if ruling.meaning != Meaning::Done {
                self.stats.unexpected_closes += 1;
            }
        }
        *self.stats.failures.entry(ruling.kind, || 0) += 1;
        let token = conn.token.clone();
        let got_data = conn.got_data;
        let oversized = ruling.meaning == Meaning::Oversized;
        let before = core::mem::replace(&mut link.too_large, whose.clone());
        // A replacement on its way goes on as the connection itself, but not to fetch the token that was refused, and
        // not to take back the place of which it had nothing yet.
        let stays = matches!(ruling.meaning, Meaning::Auth | Meaning::Displaced);
        link.live = link.next.take().filter(|next| next.has_socket() || !stays);
        let promoted = link.live.is_some();
        if let Some(next) = &mut link.live {
            link.backoff.tries = link.backoff.tries.saturating_add(1);
            next.said_shutdown = conn.said_shutdown;
            if ruling.meaning == Meaning::Kicked {
                link.kicked_at = Some(now);
            }
        }
        self.discard(conn, close, oversized);
        if let Some(topic) = whose.filter(|topic| before.as_ref() == Some(topic) && in_a_row)
            && self.refuse_too_large(&topic, &ruling)
        {
            return;
        }
        if !promoted || matches!(ruling.meaning, Meaning::Fatal | Meaning::Refused) {
            self.judge(id, &ruling, token, got_data);
        }
    }

    pub(super) fn discard(&mut self, conn: Box<Conn>, close: Option<CloseReason>, too_large: bool) {
        if let Some(reason) = close
            && conn.has_socket()
        {
            self.out.push_back(Output::Close(conn.socket, reason));
        }
        self.bury(conn, too_large);
    }

    /// What a dead connection leaves behind: outcomes for its questions, topics to be asked again.
    pub(super) fn bury(&mut self, conn: Box<Conn>, too_large: bool) {
        self.tokens.remember(conn.token);
        for topic in self.topics.values_mut() {
            topic.lost(conn.socket, conn.heard_unix);
        }
        if let Some(frame) = conn.held {
            // Its binary parts will not come.
            self.stats.dropped += 1;
            self.release(frame, 0);
        }
        for awaited in conn.awaited {
            self.interrupted(*awaited, too_large);
        }
        self.dirty = true;
    }

    pub(super) fn replacement_failed(
        &mut self,
        id: u32,
        conn: Box<Conn>,
        ruling: &Ruling,
        close: Option<CloseReason>,
    ) {
        *self.stats.failures.entry(ruling.kind, || 0) += 1;
        let token = conn.token.clone();
        self.discard(conn, close, false);
        let retry = ms(self.config.reconnect.max_delay);
        let Some(link) = self.links.get_mut(&id) else { return };
        // The connection in use is not touched; what refuses the new one will end it in its own time.
        if ruling.meaning == Meaning::Auth {
            self.stats.auth_failures += 1;
            if link.strike.take().is_none() {
                link.strike = token;
                link.struck_by = Some((ruling.text.clone(), ruling.code.clone()));
                return self.replace(id, true);
            }
        }
        // It goes on being Ready, which clears a strike as always. [rules §2.6]
        if link.strike.is_some()
            && let Some(conn) = link.ready()
        {
            conn.stage = Stage::Ready { since: self.now.mono, stable: false };
        }
        if !matches!(ruling.meaning, Meaning::Fatal | Meaning::Displaced | Meaning::Refused | Meaning::Auth) {
            let until = self.now.mono + self.rng.between(retry / 2, retry);
            link.replace_at = Some(until.max(self.not_before));
        }
    }

    /// Whose messages are too large, if that is clear.
    fn too_large_for(&self, id: u32) -> Option<String> {
        if let Some(own) = self.links.get(&id).and_then(|link| link.topic.as_ref()) {
            return Some(own.clone());
        }
        let mut desired = self.topics.iter().filter(|(_, topic)| topic.desired());
        desired.next().filter(|_| desired.next().is_none()).map(|(name, _)| name.clone())
    }

    /// Two messages in a row of this topic were too large.
    fn refuse_too_large(&mut self, topic: &str, ruling: &Ruling) -> bool {
        let why = Why {
            text: "Its messages are larger than this client accepts".into(),
            help: "Raise max_incoming",
            ..self.why(ruling)
        };
        self.refuse(topic, why);
        self.profile.per_topic
    }
}
