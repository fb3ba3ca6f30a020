//! Errors that the server reports in messages: whose they are, and what follows. [rules §2.11]

use alloc::string::String;

use super::Machine;
use super::link::conn_at;
use super::link::{Awaited, Awaiting};
use super::requests::BETWEEN_IDS;
use super::topics::Wire;
use super::verdict::Ruling;
use super::write::request_number;
use crate::command::{CommandErrorKind, Sent};
use crate::dialect::{Ask, End, Fault, Update};
use crate::envelope::{Envelope, Verdict};
use crate::event::{InterviewState, NoticeKind, Why, WhyKind};
use crate::io::{FrameId, SocketId};
use crate::text::{cut, has, text};

impl Machine {
    pub(super) fn fault(
        &mut self,
        id: u32,
        socket: SocketId,
        frame: FrameId,
        fault: Fault,
        envelope: &Envelope<'_>,
    ) -> u32 {
        let request = envelope.request.and_then(request_number);
        let text = envelope.text.unwrap_or("the server gave no reason");
        if fault.limited {
            self.rate_limited(id, socket, request, envelope, text);
            return Verdict::DELIVER;
        }
        let named = request.is_some();
        // An authentication failure that names nothing is first just that: one refresh. [devcontext §4.5]
        let struck = self.links.get(&id).is_some_and(|link| link.strike.is_some());
        if fault.auth && !named && !(struck && fault.oldest && fault.refuses) {
            self.auth_fault(id, socket, envelope, text);
            return Verdict::DELIVER;
        }
        // DocProc reports errors of a session in the same form as refusals. [docproc §4.2]
        let known = |name| self.topics.get(name).is_some_and(|topic| topic.ever_live);
        let reports = fault.once_only && envelope.topic.is_some_and(known);
        if fault.refuses && !reports {
            let awaited = self.take_awaited(id, socket, request, |what| match what {
                Awaiting::Subscribe { topic, .. } => {
                    fault.oldest && envelope.topic.is_none_or(|named| named == topic)
                        || envelope.topic == Some(topic)
                }
                Awaiting::Command { key, .. } => {
                    let named =
                        |named: &str| cut(key, BETWEEN_IDS).map_or(key.as_str(), |(id, _)| id) == named;
                    fault.oldest && envelope.topic.is_none_or(named)
                }
                _ => false,
            });
            match awaited {
                Some(Awaited { what: Awaiting::Subscribe { topic, .. }, .. }) => {
                    // The next one may be asked.
                    self.dirty = true;
                    return self.refused_by_server(&topic, fault, envelope, text);
                }
                Some(Awaited { what: Awaiting::Command { id: command, ask, key }, .. }) => {
                    self.command_refused(command, ask, &key, fault, envelope, text);
                    return Verdict::DELIVER;
                }
                // Not to be let go of a topic says nothing about the token.
                Some(Awaited { what: Awaiting::Unsubscribe { .. }, .. }) => return Verdict::DELIVER,
                Some(_) => {}
                // The answer to a question that nobody waits for any more comes too late to mean anything. [rules §2.7]
                None if request.is_some_and(|number| !self.authenticated_by(id, socket, number)) => {
                    return Verdict::DELIVER;
                }
                None => {}
            }
        }
        if fault.auth {
            self.auth_fault(id, socket, envelope, text);
            return Verdict::DELIVER;
        }
        match envelope.topic {
            Some(name) if fault.ends && self.topics.contains_key(name) => {
                let update = Update {
                    phase: Some(crate::Phase::Failed),
                    whole: true,
                    end: End::Yes,
                    ..Update::default()
                };
                self.update(socket, id, frame, &update, envelope)
            }
            Some(_) => Verdict::DELIVER,
            None => {
                match envelope.code {
                    Some(code) => self.notice(NoticeKind::ServerError, &text![code, ": ", text]),
                    None => self.notice(NoticeKind::ServerError, text),
                }
                Verdict::DELIVER
            }
        }
    }

    /// Whether a question was the last `authenticate` on this connection.
    fn authenticated_by(&mut self, id: u32, socket: SocketId, number: u64) -> bool {
        conn_at(&mut self.links, id, socket).is_some_and(|conn| conn.authenticate == number)
    }

    fn auth_fault(&mut self, id: u32, socket: SocketId, envelope: &Envelope<'_>, text: &str) {
        // Socket.IO services say so and then disconnect; the others close. Nothing waits for that.
        if self.profile.socketio {
            if let Some(conn) = conn_at(&mut self.links, id, socket) {
                conn.said_expired = true;
            }
            return;
        }
        let ruling = Ruling {
            code: envelope.code.map(String::from),
            ..Ruling::auth(text!["The server refused the token: ", text])
        };
        self.lose(id, socket, ruling, Some(crate::io::CloseReason::Handshake));
    }

    fn refused_by_server(&mut self, name: &str, fault: Fault, envelope: &Envelope<'_>, text: &str) -> u32 {
        let Some(topic) = self.topics.get_mut(name) else { return Verdict::DELIVER };
        if matches!(topic.wire, Wire::Refused(_) | Wire::Ended) {
            return Verdict::DELIVER;
        }
        let interview = topic.interview.is_some();
        let code = envelope.code.map(|code| self.word(code));
        let kind = match envelope.code {
            Some(code) if has(&code.to_ascii_uppercase(), "NOT_FOUND") => WhyKind::NotFound,
            None if has(&text.to_ascii_lowercase(), "not found") => WhyKind::NotFound,
            _ => WhyKind::NotAllowed,
        };
        let help = match kind {
            WhyKind::NotFound => "Check the id; it may have been deleted",
            _ => "This user may not see it; check the id and who is signed in",
        };
        let text = self.said(&text!["The server refused it: ", text]);
        let why = Why { kind, text, code, since: self.now.unix, help };
        if fault.retryable {
            // The server says it may be had later, so it is asked again by the confirmation's time-out.
            self.ask_later(name);
            return Verdict::DELIVER;
        }
        if interview {
            self.set_interview(name, InterviewState::Failed);
        }
        self.refuse(name, why);
        Verdict::DELIVER
    }

    fn rate_limited(
        &mut self,
        id: u32,
        socket: SocketId,
        request: Option<u64>,
        envelope: &Envelope<'_>,
        text: &str,
    ) {
        let jitter = self.rng.between(0, 1_000);
        let now = self.now.mono;
        let awaited = self.take_awaited(id, socket, request, |what| match what {
            Awaiting::Subscribe { topic, .. } => envelope.topic.is_none_or(|named| named == topic),
            Awaiting::Command { .. } => envelope.topic.is_none(),
            Awaiting::Unsubscribe { .. } | Awaiting::Ping => envelope.topic.is_none(),
            Awaiting::Authenticate => false,
        });
        match awaited.map(|awaited| awaited.what) {
            Some(Awaiting::Subscribe { topic, .. }) => {
                if let Some(topic) = self.topics.get_mut(&topic)
                    && topic.wire == Wire::Asked(socket)
                {
                    topic.wire = Wire::Wished;
                }
            }
            Some(Awaiting::Command { id, ask, key }) => {
                if ask == Ask::Answer {
                    self.answer_refused(&key);
                }
                let code = envelope.code.or(Some("RATE_LIMIT_EXCEEDED"));
                self.fail_command(id, CommandErrorKind::Rejected, code, text, true, Sent::Yes);
            }
            _ => {}
        }
        // A service without a budget of its own limits subscribes: the pause holds for the client.
        let pauses = !self.faults_planted.is(super::Faults::NO_PAUSE);
        match conn_at(&mut self.links, id, socket) {
            _ if !pauses => {}
            Some(conn) if self.profile.rate == Some(crate::dialect::RateScope::Connection) => {
                conn.throttle.refused(now, jitter);
            }
            _ => self.throttle.refused(now, jitter),
        }
        self.notice(
            NoticeKind::RateLimited,
            "the service's rate limit was met; subscribing and commands pause",
        );
        self.dirty = true;
    }
}
