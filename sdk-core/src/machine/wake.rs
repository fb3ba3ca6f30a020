//! What the app and its host say: connect now, the network, the screen; and what follows. [rules §2.8]

use alloc::vec::Vec;

use super::Machine;
use super::link::Rest;
use super::link::ready_at;
use super::verdict::Ruling;
use crate::config::ms;
use crate::dialect::{Liveness, Probe};
use crate::event::WhyKind;
use crate::io::{CloseReason, Output, Reachability, Visibility};

impl Machine {
    /// `connect()` or `take_over()`: now, whatever stood in the way.
    pub(super) fn connect_now(&mut self, take_over: bool) {
        self.wanted = true;
        self.dirty = true;
        if self.all_refused().is_some() {
            self.wish_again_for_token();
        }
        for id in self.link_ids() {
            let Some(link) = self.links.get_mut(&id) else { continue };
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
    pub(super) fn rearm(&mut self, id: u32) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.strike = None;
        link.policy_strike = false;
        link.protocol_errors = 0;
        link.kicked_at = None;
        link.backoff.stable();
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
                for id in self.link_ids() {
                    if matches!(self.links.get(&id).map(|link| &link.rest), Some(Rest::Suspended)) {
                        self.set_rest(id, Rest::Idle);
                        if self.has_work() {
                            self.begin(id, false, true);
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
            && !self.faults_planted.is(super::Faults::STAY_IN_BACKGROUND)
    }

    /// The app has been in the background for long enough.
    pub(super) fn suspend(&mut self) {
        for id in self.link_ids() {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let active = link.live.is_some() || matches!(link.rest, Rest::Waiting { .. });
            for conn in link.take_all() {
                self.discard(conn, Some(CloseReason::Suspended), false);
            }
            if !active {
                continue;
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
        // First, so that no probe carries a token that has expired.
        self.tokens.wake(&self.config.timings, self.now);
        self.refresh_ahead();
        let ids: Vec<u32> = self.link_ids();
        let mut skipped = false;
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            if link.is_ready() {
                link.woken = may_skip.then_some(now);
                self.probe(id);
            } else if may_skip && self.skip_wait(id) {
                skipped = true;
            } else if self.faults_planted.is(super::Faults::GO_ON_AFTER_FATAL)
                && self
                    .links
                    .get(&id)
                    .is_some_and(|link| matches!(link.rest, Rest::Failed(_)) && link.live.is_none())
            {
                self.begin(id, false, true);
            }
        }
        if skipped {
            self.last_wake = Some(now);
        }
        self.dirty = true;
    }

    /// Ends a link's wait, if it waits.
    fn skip_wait(&mut self, id: u32) -> bool {
        let now = self.now;
        let Some(link) = self.links.get_mut(&id) else { return false };
        let Rest::Waiting { until, shown, not_before, .. } = &mut link.rest else { return false };
        if *until <= now.mono {
            return false;
        }
        let earlier = now.mono.max(*not_before);
        if earlier < *until {
            *until = earlier;
            *shown = now.unix_at(earlier);
        }
        true
    }

    /// A connection has ended. A page that comes back learns only after its wake-up that its sockets are gone: the
    /// wake-up ends this wait as it would have ended one that was there already. [rules §2.3]
    pub(super) fn ended_after_wake(&mut self, id: u32) {
        let now = self.now.mono;
        let probed = ms(self.config.timings.probe_timeout);
        let woken = self.links.get_mut(&id).and_then(|link| link.woken.take());
        if woken.is_some_and(|at| now - at < probed) && self.skip_wait(id) {
            self.last_wake = Some(now);
        }
    }

    /// Asks a socket whether it still answers, or replaces it where it can't be asked.
    pub(super) fn probe(&mut self, id: u32) {
        let now = self.now.mono;
        let until = now + ms(self.config.timings.probe_timeout);
        let Some(conn) = ready_at(&mut self.links, id) else { return };
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
                self.ping(id, socket);
            }
            Some(Probe::Authenticate) if self.tokens.current.is_some() => {
                if self.tokens.is_asked_anew(&self.config.timings, self.now) {
                    // The question is the new token's, whose call has a limit of its own.
                    conn.probe = Some(u64::MAX);
                    conn.auth_due = true;
                } else {
                    conn.probe = Some(until);
                    self.authenticate_in_band(id);
                }
            }
            _ => {
                let ((Liveness::ServerPings { interval, .. }, _) | (_, Some((interval, _)))) =
                    (self.profile.liveness, conn.engine)
                else {
                    return;
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
}
