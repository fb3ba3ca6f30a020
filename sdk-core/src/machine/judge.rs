//! Verdicts carried out: waiting, trying again, giving up. [rules §2.11]

use super::Machine;
use super::link::Rest;
use super::verdict::{Meaning, Ruling};
use crate::config::{TokenSource, ms};
use crate::event::{NoticeKind, Why, WhyKind};
use crate::io::{CloseReason, Token};
use crate::text::text;

impl Machine {
    /// Carries out the verdict on a link that has lost its connection.
    pub(super) fn judge(&mut self, id: u32, ruling: &Ruling, token: Option<Token>, got_data: bool) {
        let now = self.now.mono;
        let mut why = self.why(ruling);
        let Some(link) = self.links.get_mut(&id) else { return };
        if got_data || ruling.meaning != Meaning::Protocol {
            link.protocol_errors = 0;
        }
        if got_data || ruling.kind != WhyKind::ServerError {
            link.server_errors = 0;
        }
        let pause = Pause::default();
        let next = match ruling.meaning {
            Meaning::Retry => {
                if why.kind == WhyKind::ServerError {
                    link.server_errors += 1;
                    if link.server_errors == 5 {
                        self.notice(
                            NoticeKind::ServerUnhealthy,
                            "the server has failed five times in a row without data",
                        );
                    }
                }
                Next::Wait(pause)
            }
            Meaning::Oversized => Next::Wait(pause),
            Meaning::Restart => Next::Wait(Pause { spread: true, ..pause }),
            Meaning::Auth => {
                self.stats.auth_failures += 1;
                if link.strike.is_some() || matches!(self.tokens.source, TokenSource::None) {
                    if link.topic.is_some() { Next::Refuse } else { Next::Fail }
                } else {
                    link.strike = Some(token.unwrap_or_default());
                    link.struck_by = Some((why.text.clone(), why.code.clone()));
                    Next::Again
                }
            }
            Meaning::Fatal => Next::Fail,
            Meaning::Refused => Next::Refuse,
            Meaning::Displaced => return self.set_rest(id, Rest::Displaced(why)),
            Meaning::Policy => {
                if core::mem::replace(&mut link.policy_strike, true) {
                    self.notice(NoticeKind::ServerPolicy, &why.text);
                    Next::Wait(Pause { at_cap: true, ..pause })
                } else if self.tokens.has_provider() && self.may_retry(id) {
                    Next::Again
                } else {
                    Next::Wait(pause)
                }
            }
            Meaning::Protocol => {
                link.protocol_errors += 1;
                if link.protocol_errors >= 3 {
                    why.text.push_str(", three times in a row");
                    Next::Fail
                } else {
                    Next::Wait(pause)
                }
            }
            Meaning::Kicked => {
                let before = link.kicked_at.replace(now);
                if before.is_some_and(|before| now - before <= 10_000) {
                    Next::Fail
                } else {
                    Next::Wait(pause)
                }
            }
            Meaning::Done => {
                self.wanted = false;
                return self.set_rest(id, Rest::Idle);
            }
        };
        match next {
            Next::Wait(pause) => self.wait(id, why, pause),
            Next::Again => self.try_again(id, why),
            Next::Fail => self.fail(id, why),
            Next::Refuse => self.refuse_link(id, why),
        }
    }

    /// Another attempt at once, with another token. After a refused token it is part of the attempt's verdict, however
    /// few attempts there may be. [rules §2.6]
    fn try_again(&mut self, id: u32, why: Why) {
        if let Some(link) = self.links.get_mut(&id) {
            // Should the limit per minute hold it back, this is why it waits.
            link.rest = Rest::Waiting { until: 0, shown: self.now.unix, not_before: 0, force: true, why };
        }
        self.begin(id, true, true);
    }

    pub(super) fn may_retry(&self, id: u32) -> bool {
        let options = &self.config.reconnect;
        let tries = self.links.get(&id).map_or(0, |link| link.backoff.tries);
        options.reconnect && options.max_attempts.is_none_or(|max| tries < max)
    }

    pub(super) fn give_up(&mut self, id: u32, why: &Why) {
        let text = if self.config.reconnect.reconnect {
            "The maximum of attempts is reached"
        } else {
            "Reconnecting is switched off"
        };
        let why = Why {
            kind: WhyKind::GaveUp,
            text: text![text, ". Last: ", why.text],
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
        let scouted = self.scout == Some(id);
        self.elect_scout(id);
        let options = &self.config.reconnect;
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.backoff.flapping() {
            why.text = text!["The server accepts and then closes, again and again. Last: ", why.text];
            why.kind = WhyKind::Flapping;
            why.help =
                "Look for what ends the connections on the server; it is tried again at the slowest pace";
        }
        let wide = pause.spread && link.backoff.failures == 0;
        let mut delay = link.backoff.delay(options, &mut self.rng, pause.at_cap || offline);
        if self.faults_planted.is(super::Faults::WAIT_TOO_LONG) {
            delay *= 2;
        }
        if wide && options.jitter {
            delay = self.rng.between(0, ms(options.restart_spread));
        }
        let not_before = link.backoff.allowed_at(options).max(self.not_before);
        let until = (now + delay).max(not_before);
        let shown = self.now.unix_at(until);
        // As long as the newest token is the one that was refused, asking without force is of no use.
        let newest = self.tokens.current.as_ref().map(|token| &token.text);
        let force = link.strike.as_ref().is_some_and(|struck| Some(&struck.text) == newest);
        self.set_rest(id, Rest::Waiting { until, shown, not_before, force, why });
        if scouted {
            self.scout_failed(id);
        }
    }

    pub(super) fn fail(&mut self, id: u32, why: Why) {
        if self.links.get(&id).is_some_and(|link| link.topic.is_some())
            && why.kind != WhyKind::Auth
            && why.kind != WhyKind::GaveUp
        {
            return self.refuse_link(id, why);
        }
        // Nothing that is on its way survives a verdict that nothing will do.
        while let Some(link) = self.links.get_mut(&id)
            && let Some(conn) = link.live.take().or_else(|| link.next.take())
        {
            self.discard(conn, Some(CloseReason::Done), false);
        }
        self.set_rest(id, Rest::Failed(why));
    }

    /// The verdict concerns only the topic whose connection this was.
    pub(super) fn refuse_link(&mut self, id: u32, why: Why) {
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
}

/// What a link does next.
enum Next {
    Wait(Pause),
    /// With another token.
    Again,
    Fail,
    Refuse,
}

/// What makes a wait longer than the schedule.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    spread: bool,
    at_cap: bool,
}
