//! Why the client is in the state it is in, as text and JSON without secrets. [rules §2.12]

use alloc::string::String;

use super::link::Rest;
use super::throttle::Throttle;
use super::topics::{Topic, Wire};
use super::{Machine, Stats};
use crate::dialect::RateScope;
use crate::event::{ConnectionState, WhyKind};
use crate::json;
use crate::snapshot::Phase;
use crate::text::{add, text};
use crate::time::format_instant;

/// A report that can be pasted into a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// For people.
    pub text: String,
    /// The same as one JSON object.
    pub json: String,
}

impl Machine {
    /// What has been counted so far.
    pub fn stats(&self) -> Stats {
        Stats { budget_left: self.budget_left(), ..self.stats.clone() }
    }

    fn budget_left(&self) -> Option<u32> {
        let now = self.now.mono;
        let left = |throttle: &Throttle| throttle.left(&self.config.limits, now);
        match self.profile.rate {
            None => None,
            Some(RateScope::Client) => Some(left(&self.throttle)),
            Some(RateScope::Connection) => Some(
                self.links
                    .values()
                    .find_map(|link| link.live.as_ref())
                    .map_or(self.config.limits.messages_per_minute, |conn| left(&conn.throttle)),
            ),
        }
    }

    /// Counts events that a reader of the host was too slow for, so that they show in [`Self::stats`] and
    /// [`Self::diagnose`]. [rules §2.14]
    pub const fn count_skipped(&mut self, events: u64) {
        self.stats.skipped = self.stats.skipped.saturating_add(events);
    }

    /// Explains the client's state: why, since when, what comes next, what would help.
    pub fn diagnose(&self) -> Diagnosis {
        let stats = &self.stats;
        let hints = self.hints();
        let mut text = text![self.config.service, ": ", self.said.name()];
        add!(text, " since ", format_instant(self.since));
        add!(text, "\nendpoint: ", self.route.shown(None));
        if let Some(why) = self.said.why() {
            add!(text, "\nwhy: ", why, " [", why.kind.name(), "], since ", format_instant(why.since));
        }
        if let ConnectionState::Waiting { attempt, until, .. } = &self.said {
            add!(text, "\nnext: attempt ", attempt, " at ", format_instant(*until));
        }
        for (id, link) in self.links.iter() {
            if let (Some(topic), Rest::Waiting { why, shown, .. }) = (&link.topic, &link.rest) {
                add!(text, "\nlink ", id, " (", topic, "): waits until ", format_instant(*shown));
                add!(text, " because: ", why);
            }
        }
        for (name, topic) in self.topics.iter() {
            add!(text, "\ntopic ", name, ": ", topic.state().name());
            // A phase of `waiting` says no more than that nothing was heard yet.
            if topic.snapshot.phase != Phase::Waiting || topic.snapshot.progress.is_some() {
                add!(text, ", ", topic.snapshot.phase.name());
            }
            if let Some(progress) = topic.snapshot.progress {
                add!(text, " ", (progress * 100.0 + 0.5) as u32, " %");
            }
            if let Wire::Refused(why) = &topic.wire {
                add!(text, "; ", why);
            }
        }
        add!(text, "\ntoken: ", self.token_story());
        add!(text, "\ncounted: attempts ", stats.attempts, ", reconnects ", stats.reconnects);
        add!(text, ", auth failures ", stats.auth_failures);
        add!(text, ", unexpected closes ", stats.unexpected_closes);
        add!(text, ", frames in ", stats.frames_in, ", frames out ", stats.frames_out);
        add!(text, ", events skipped ", stats.skipped);
        for hint in &hints {
            add!(text, "\nhint: ", hint);
        }
        let json = self.diagnosis_json(&hints);
        Diagnosis { text: self.redact(&text), json: self.redact(&json) }
    }

    fn token_story(&self) -> String {
        let Some(token) = &self.tokens.current else {
            return if self.tokens.has_provider() {
                "asked from a provider, none yet".into()
            } else {
                "none".into()
            };
        };
        match token.expires_at {
            None => "present, without an expiry that can be read".into(),
            Some(at) if at <= self.now.unix => {
                text!["expired at ", format_instant(at), " by this machine's clock"]
            }
            Some(at) => text!["expires at ", format_instant(at)],
        }
    }

    /// The services' known symptoms, where they are seen. [rules §2.12]
    fn hints(&self) -> alloc::vec::Vec<&'static str> {
        let mut hints = alloc::vec::Vec::new();
        let now = self.now;
        let stats = &self.stats;
        let failed = |kind| stats.failures.get(&kind).copied().unwrap_or(0);
        let ready = self.any_ready();
        let expired =
            self.tokens.current.as_ref().and_then(|t| t.expires_at).is_some_and(|at| at <= now.unix);
        if expired {
            hints.push("The token in use has expired by this machine's clock; check the token provider and the clock");
        }
        if !ready && stats.frames_in == 0 && failed(WhyKind::Network) + failed(WhyKind::Timeout) > 0 {
            hints.push("It has never connected: check the URL, the port, the firewall and, in a browser, the server's CORS settings");
            // Without the answer's status a refusal looks like a dead line.
            if let (false, Some(token)) = (self.caps.http_status, &self.tokens.current) {
                hints.push(match token.expires_at {
                    None => "The token is no JWT with an expiry: a server that wants one refuses it, and a browser is not told",
                    Some(_) => "A server may refuse the token or the URL's path, and a browser is not told: ask it outside of a browser",
                });
            }
        }
        if failed(WhyKind::Flapping) > 0 || self.links.values().any(|link| link.backoff.flapping()) {
            hints.push("Connections open and close at once: the token may be missing or invalid, the topic may not exist, or the user may not see it");
        }
        if failed(WhyKind::Silence) > 1 {
            hints.push("Connections die of silence: a proxy may cut idle connections, or pings may not get through; look at network and server load");
        }
        if failed(WhyKind::Overloaded) > 0 || self.budget_left() == Some(0) {
            hints.push("The server is overloaded, or a rate limit was met: subscribe to fewer topics at once, send less often");
        }
        let live = || self.topics.values().filter(|topic| topic.is_live());
        let unheard = |topic: &Topic| {
            topic.snapshot.updated_at.is_none()
                && topic.snapshot.items.is_empty()
                && topic.snapshot.progress.is_none()
        };
        if ready && live().any(|topic| unheard(topic)) {
            hints.push("A topic is live but silent: its job may not have started, may be over already, or the id may be another one's");
        }
        if ready && live().any(|topic| topic.missed && !unheard(topic)) {
            hints.push("A topic is silent since the connection was lost, and the service did not tell again what was missed: its job may have ended meanwhile");
        }
        let late = self.stats.dropped > 0;
        if late {
            hints.push("Frames arrived for topics that had ended or moved to another connection; they were not delivered");
        }
        hints
    }

    fn diagnosis_json(&self, hints: &[&str]) -> String {
        let stats = &self.stats;
        json::object(|o| {
            let mut o = o
                .text("service", self.config.service.slug())
                .text("endpoint", &self.route.shown(None))
                .text("state", self.said.name())
                .text("since", &format_instant(self.since));
            if let Some(why) = self.said.why() {
                o = o.object("why", |w| {
                    w.text("kind", why.kind.name())
                        .text("text", &why.text)
                        .text_if("code", why.code.as_deref())
                        .text("since", &format_instant(why.since))
                        .text("help", why.help)
                });
            }
            if let ConnectionState::Waiting { attempt, until, .. } = &self.said {
                o = o.object("next", |n| {
                    n.number("attempt", u64::from(*attempt)).text("at", &format_instant(*until))
                });
            }
            o.list("topics", self.topics.iter(), |out, (name, topic)| {
                json::object_into(out, |o| {
                    let o = o
                        .text("topic", name)
                        .text("state", topic.state().name())
                        .text("phase", topic.snapshot.phase.name())
                        .share_if("progress", topic.snapshot.progress);
                    match &topic.wire {
                        Wire::Refused(why) => o.text("why", &text![why]),
                        _ => o,
                    }
                });
            })
            .text("token", &self.token_story())
            .object("stats", |s| {
                s.number("attempts", stats.attempts)
                    .number("reconnects", stats.reconnects)
                    .number("auth_failures", stats.auth_failures)
                    .number("unexpected_closes", stats.unexpected_closes)
                    .number("frames_in", stats.frames_in)
                    .number("frames_out", stats.frames_out)
                    .number("bytes_in", stats.bytes_in)
                    .number("bytes_out", stats.bytes_out)
                    .number("violations", stats.violations)
                    .number("dropped", stats.dropped)
                    .number("skipped", stats.skipped)
                    .object("failures", |o| {
                        stats.failures.iter().fold(o, |o, (kind, count)| o.number(kind.name(), *count))
                    })
                    .number_if("last_round_trip_ms", stats.last_round_trip)
                    .number_if("budget_left", self.budget_left().map(u64::from))
            })
            .list("hints", hints, |out, hint| json::string(out, hint))
        })
    }
}
