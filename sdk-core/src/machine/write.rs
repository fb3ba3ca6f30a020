//! Writing: messages counted against the budget, and the questions that wait for answers.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Machine;
use super::link::conn_at;
use super::link::{Awaited, Awaiting, Conn};
use super::throttle::Priority;
use crate::config::ms;
use crate::dialect::{Outgoing, RateScope, Stamp};
use crate::io::{Output, Secret, SocketId};
use crate::text::text;

impl Machine {
    /// Encodes a wish and writes it; the number in its `requestId`, or `None` if the service has no such message.
    pub(super) fn send(&mut self, id: u32, socket: SocketId, wish: &Outgoing<'_>) -> Option<u64> {
        let request = self.next_request + 1;
        let text =
            self.dialect.encode(wish, &Stamp { unix: self.now.unix, request: &request_id(request) })?;
        self.next_request = request;
        if let (Outgoing::Authenticate { .. }, Some(conn)) = (wish, conn_at(&mut self.links, id, socket)) {
            conn.authenticate = request;
        }
        self.count(socket);
        self.write(socket, text);
        Some(request)
    }

    /// Asks whether the server is there.
    #[inline(never)]
    pub(super) fn ping(&mut self, id: u32, socket: SocketId) {
        if let Some(request) = self.send(id, socket, &Outgoing::Ping) {
            self.await_answer(id, socket, Awaiting::Ping, request, ms(self.config.timings.pong_timeout));
        }
    }

    pub(super) fn write(&mut self, socket: SocketId, text: String) {
        self.stats.frames_out += 1;
        self.stats.bytes_out += text.len() as u64;
        self.out.push_back(Output::Send(socket, Secret::new(text)));
    }

    /// Counts a message against the budget, where the service has one.
    pub(super) fn count(&mut self, socket: SocketId) {
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
        if self.faults_planted.is(super::Faults::NO_BUDGET) {
            return self.throttle.paused_until().max(now);
        }
        let throttle = match self.profile.rate {
            None => return self.throttle.paused_until().max(now),
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
        if let Some(conn) = conn_at(&mut self.links, id, socket) {
            conn.awaited.push(Box::new(Awaited { what, request, sent_at: now, until: now + within }));
        }
    }

    /// The connection with this socket and its link; `None` for one that has been given up.
    pub(super) fn conn_of(&mut self, socket: SocketId) -> Option<(u32, &mut Conn)> {
        self.links.iter_mut().find_map(|(id, link)| Some((*id, link.conn(socket)?)))
    }

    /// The numbers of all links.
    #[inline(never)]
    pub(super) fn link_ids(&self) -> Vec<u32> {
        self.links.keys().copied().collect()
    }

    /// All connections, by their links and sockets.
    pub(super) fn sockets(&self) -> Vec<(u32, SocketId)> {
        let mut sockets = Vec::new();
        for (id, link) in self.links.iter() {
            sockets.extend(link.conns().iter().map(|conn| (*id, conn.socket)));
        }
        sockets
    }

    /// Whether messages flow on any link.
    #[inline(never)]
    pub(super) fn any_ready(&self) -> bool {
        self.links.values().any(|link| link.is_ready())
    }

    /// Whether the connection with this socket is the one in use of its link.
    #[inline(never)]
    pub(super) fn is_in_use(&self, socket: SocketId) -> bool {
        self.links.values().any(|link| link.live.as_ref().is_some_and(|conn| conn.socket == socket))
    }

    /// The link that a socket belongs to; `None` for one that has been given up.
    pub(super) fn link_of(&self, socket: SocketId) -> Option<u32> {
        self.links.first(|_, link| link.has(socket))
    }
}

/// The `requestId` of this number; unique in this client.
pub(super) fn request_id(number: u64) -> String {
    text!["sf-", number]
}

/// The number in a `requestId` of ours.
pub(super) fn request_number(id: &str) -> Option<u64> {
    crate::text::whole(id.strip_prefix("sf-")?.as_bytes())
}
