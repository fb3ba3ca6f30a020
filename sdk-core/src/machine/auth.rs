//! Tokens in use: asked for, given, refused, renewed. [rules §2.6]

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Machine;
use super::link::ready_at;
use super::link::{Awaiting, Conn, Rest, Stage};
use super::throttle::Priority;
use super::tokens::Flight;
use super::topics::Wire;
use super::verdict::{Meaning, Ruling};
use crate::config::{TokenSource, ms};
use crate::dialect::Outgoing;
use crate::event::{NoticeKind, WhyKind};
use crate::io::{CloseReason, Output, SocketId, Token, TokenError};
use crate::text::text;

impl Machine {
    /// Connections that wait for a token, and whether it must be another than the last.
    #[inline(never)]
    fn wait_for_token(&self) -> Vec<(u32, SocketId, bool)> {
        let mut waiting = Vec::new();
        for (id, link) in self.links.iter() {
            for conn in link.conns() {
                if let Stage::Token { force } = conn.stage {
                    waiting.push((*id, conn.socket, force));
                }
            }
        }
        waiting
    }

    /// Gives connections that wait for a token theirs, or asks for one.
    pub(super) fn sync_tokens(&mut self) {
        let waiting = self.wait_for_token();
        let mut ask = None;
        let mut used_pushed = false;
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
                        used_pushed = true;
                        self.use_token(id, socket, token);
                    }
                    _ => ask = Some(ask.unwrap_or(false) || force),
                },
            }
        }
        if self.calls_need_token() && self.tokens.has_provider() {
            ask.get_or_insert(false);
        }
        if used_pushed {
            self.tokens.pushed = false;
        }
        if let Some(force) = ask {
            self.ask_for_token(force, false);
        }
    }

    pub(super) fn ask_for_token(&mut self, force: bool, ahead: bool) {
        let busy = self.tokens.flight.is_some() && !self.faults_planted.is(super::Faults::TWO_TOKEN_CALLS);
        if busy || !self.tokens.has_provider() {
            return;
        }
        self.tokens.generation = self.tokens.generation.wrapping_add(1);
        let generation = self.tokens.generation;
        let until = self.now.mono + ms(self.config.timings.token_timeout);
        self.tokens.flight = Some(Flight { generation, force, ahead, set: self.tokens.set, until });
        self.out.push_back(Output::FetchToken { generation, force });
    }

    /// The provider answered, or took too long.
    pub(super) fn token_arrived(&mut self, generation: u32, result: Result<Token, TokenError>) {
        let Some(flight) = self.tokens.flight.take_if(|flight| flight.generation == generation) else {
            return;
        };
        self.dirty = true;
        match result {
            Ok(token) if !token.is_usable(self.route.auth) => {
                let text = "what it gave is empty, or holds a space, a line break or another character that no token has";
                self.token_missing(&flight, &TokenError::Unavailable(text.into()));
            }
            Ok(token) => self.token_given(&flight, &token),
            Err(error) => self.token_missing(&flight, &error),
        }
    }

    pub(super) fn token_given(&mut self, flight: &Flight, token: &Token) {
        let overtaken = flight.set != self.tokens.set;
        let same = self.tokens.current.as_ref().is_some_and(|current| current.text == token.text);
        let in_use = self.any_ready();
        // Other connections keep the tokens they have; theirs may have to be renewed before this one.
        let others = self.tokens.refresh_at.filter(|_| in_use && !flight.ahead);
        if overtaken {
            // One that the app has set meanwhile is newer.
            self.tokens.remember(Some(token.clone()));
        } else if flight.ahead && same {
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
        if let Some(at) = others {
            self.tokens.refresh_at = Some(self.tokens.refresh_at.map_or(at, |own| own.min(at)));
        }
        let renewed = flight.ahead && !same && !overtaken;
        if renewed {
            self.tokens.set = self.tokens.set.wrapping_add(1);
        }
        for (id, socket, force) in self.wait_for_token() {
            if flight.force || !force {
                self.use_token(id, socket, token.clone());
            }
        }
        if renewed {
            self.apply_new_token(false);
        }
        self.calls_got_token();
    }

    pub(super) fn token_missing(&mut self, flight: &Flight, error: &TokenError) {
        let (denied, text) = match error {
            TokenError::Unavailable(text) => (false, text),
            TokenError::Denied(text) => (true, text),
        };
        if flight.ahead && flight.set == self.tokens.set {
            let expires_at = self.tokens.current.as_ref().and_then(|token| token.expires_at);
            let hope = !denied && expires_at.is_some_and(|at| at > self.now.unix);
            self.tokens.refresh_at = hope.then(|| self.now.mono + ms(self.config.timings.refresh_interval));
            if !hope {
                self.notice(NoticeKind::TokenNotRefreshed, &text!["no new token: ", text]);
            }
        }
        self.calls_lost_token(text);
        let ruling = if denied {
            Ruling::new(
                Meaning::Fatal,
                WhyKind::Auth,
                text!["The token provider says there will be no token: ", text],
                "Sign in again, then call connect() or set_token()",
            )
        } else {
            Ruling::new(
                Meaning::Retry,
                WhyKind::TokenProvider,
                text!["The token provider gave no token: ", text],
                "It is asked again by itself; check the place that issues tokens",
            )
        };
        for (id, socket, _) in self.wait_for_token() {
            self.lose(id, socket, ruling.clone(), None);
        }
    }

    /// A connection that waited for its token has one, unless it is the one that was refused.
    pub(super) fn use_token(&mut self, id: u32, socket: SocketId, token: Token) {
        let struck = self.links.get(&id).and_then(|link| link.strike.as_ref());
        if struck.is_some_and(|struck| struck.text == token.text)
            && !self.faults_planted.is(super::Faults::REUSE_REFUSED_TOKEN)
        {
            let (said, code) =
                self.links.get(&id).and_then(|link| link.struck_by.clone()).unwrap_or_default();
            let ruling = Ruling::new(
                Meaning::Refused,
                WhyKind::Auth,
                text!["The token was refused, and there is no other. ", said],
                "Sign in again, then call connect() or set_token()",
            );
            return self.lose(id, socket, Ruling { code, ..ruling }, None);
        }
        self.dial(id, socket, Some(token));
    }

    /// A new token is in hand while connections run: use it in-band, or by new connections.
    pub(super) fn apply_new_token(&mut self, by_user: bool) {
        let Some(token) = self.tokens.current.clone() else { return };
        for id in self.link_ids() {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let current =
                link.live.as_ref().and_then(|conn| conn.token.as_ref()).is_some_and(|t| t.text == token.text);
            if link.is_ready() {
                if current {
                    // Whatever is on its way with another token is of no use any more.
                    let other = |conn: &mut Box<Conn>| conn.token.as_ref().is_some_and(|t| *t != token);
                    if let Some(conn) = link.ready() {
                        conn.auth_due = false;
                    }
                    if let Some(next) = link.next.take_if(other) {
                        self.discard(next, Some(CloseReason::Replaced), false);
                    }
                    continue;
                }
                if let Some(conn) = link.ready() {
                    conn.auth_due = true;
                }
                if self.profile.auth_in_band {
                    self.tokens.pushed = false;
                }
            } else if by_user {
                link.strike = None;
                if let Rest::Failed(why) | Rest::Waiting { why, .. } = &link.rest
                    && matches!(why.kind, WhyKind::Auth | WhyKind::TokenProvider)
                {
                    self.rearm(id);
                }
            }
        }
        if by_user {
            self.wish_again_for_token();
        }
        self.dirty = true;
    }

    /// Where each topic has its own connection, those refused for their token are wished for again.
    pub(super) fn wish_again_for_token(&mut self) {
        if !self.profile.per_topic {
            return;
        }
        for topic in self.topics.values_mut() {
            if matches!(&topic.wire, Wire::Refused(why) if why.kind == WhyKind::Auth) {
                topic.wire = Wire::Wished;
            }
        }
    }

    /// Brings new tokens to the server: in-band one at a time, as the budget allows, else by a new connection when the
    /// last replacement is complete. However many came meanwhile, the newest counts.
    pub(super) fn sync_authentication(&mut self) {
        for id in self.link_ids() {
            if self.authentication_due(id).is_some_and(|at| at <= self.now.mono) {
                self.authenticate_in_band(id);
            }
            if !self.profile.auth_in_band
                && self.has_room()
                && let Some(link) = self.links.get_mut(&id)
                && (link.next.is_none() && link.old.is_empty())
                && let Some(conn) = link.ready()
                && core::mem::take(&mut conn.auth_due)
            {
                self.replace(id, false);
                let begun = self.links.get(&id).is_some_and(|link| link.next.is_some());
                self.tokens.pushed |= begun;
            }
        }
    }

    /// When a new token may be sent in-band on this link, if one is to be.
    pub(super) fn authentication_due(&self, id: u32) -> Option<u64> {
        let conn = self.links.get(&id)?.live.as_ref().filter(|conn| conn.is_ready() && conn.auth_due)?;
        let asked = conn.awaited.iter().any(|awaited| awaited.what == Awaiting::Authenticate);
        let waits = self.tokens.is_asked_anew(&self.config.timings, self.now);
        (self.profile.auth_in_band && !asked && !waits).then(|| self.budget_at(id, Priority::High))
    }

    pub(super) fn authenticate_in_band(&mut self, id: u32) {
        let Some(token) = self.tokens.current.clone() else { return };
        let set = self.tokens.set;
        let until = self.now.mono + ms(self.config.timings.probe_timeout);
        let socket = match ready_at(&mut self.links, id) {
            Some(conn) => {
                conn.token = Some(token.clone());
                conn.auth_due = false;
                conn.token_set = set;
                if conn.probe == Some(u64::MAX) {
                    conn.probe = Some(until);
                }
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
}
