//! Commands: each ends in exactly one outcome. [rules §2.7]

use alloc::boxed::Box;
use alloc::string::String;

use super::link::ready_at;
use super::link::{Awaited, Awaiting, Link, Rest};
use super::requests::{BETWEEN_IDS, expectation, ids_of, is_rest, outgoing, request_bytes};
use super::route::check_id;
use super::throttle::Priority;
use super::timers::Soonest;
use super::topics::Wire;
use super::{Faults, Machine};
use crate::command::{CommandError, CommandErrorKind, CommandId, Delivery, Reply, Request, Sent};
use crate::config::{Service, ms};
use crate::dialect::{Ask, Fault, Stamp};
use crate::envelope::Envelope;
use crate::event::{ConnectionState, Event, InterviewState, SubscriptionState, Why, WhyKind};
use crate::io::{FrameId, HttpId, Output};
use crate::map::take_first;
use crate::snapshot::Phase;
use crate::text::{cut, text};

/// A command that waits for its turn.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) id: CommandId,
    pub(super) request: Request,
    /// When it gives up waiting.
    expires: u64,
    /// It may wait for its turn on this connection, not for another connection.
    fail_fast: bool,
    bytes: usize,
    /// Whether it was written before, to a connection that died.
    sent: Sent,
}

impl Queued {
    /// Whether it is a REST request, which needs no connection.
    pub(super) const fn is_rest(&self) -> bool {
        is_rest(&self.request)
    }

    /// How much of the queue's memory it takes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Somebody waits for a state.
#[derive(Debug)]
pub(super) struct Waiter {
    id: CommandId,
    /// The topic to be live; `None`: the client to be ready.
    topic: Option<String>,
}

impl Waiter {
    pub(super) const fn ready(id: CommandId) -> Self {
        Self { id, topic: None }
    }

    pub(super) const fn needs_connection(&self) -> bool {
        self.topic.is_none()
    }
}

/// What is to be done with a queued command now.
enum Turn {
    Wait,
    Send(u32),
    Call,
    Fail(CommandErrorKind, String),
}

/// Why what was waited for will not come: the kind, the code and the text of it, and whether it was sent.
type Failure = (CommandErrorKind, Option<String>, String, Sent);

impl Machine {
    // --- taking ------------------------------------------------------------------------------------------------

    pub(super) fn request(&mut self, id: CommandId, request: Request, delivery: Delivery) {
        if let Err((kind, why)) = self.check(&request) {
            return self.fail_command(id, kind, None, &why, false, Sent::No);
        }
        if let Request::ResumeInterview { session_id } = &request
            && self.interview(session_id) == Some(InterviewState::Paused { can_resume: false })
        {
            let why = "the service said that this interview can't be resumed";
            return self.fail_command(id, CommandErrorKind::Rejected, None, why, false, Sent::No);
        }
        let now = self.now.mono;
        let expires = match delivery {
            Delivery::WaitReady { ttl } => now.saturating_add(ttl),
            Delivery::FailFast if is_rest(&request) || self.ready_link().is_some() => {
                now + ms(self.config.timings.command_timeout)
            }
            Delivery::FailFast => {
                let why =
                    text!["the client is ", self.derive_state().name(), ", and this command does not wait"];
                return self.fail_command(id, CommandErrorKind::NotConnected, None, &why, true, Sent::No);
            }
        };
        let bytes = request_bytes(&request);
        let used: usize = self.queue.iter().map(|queued| queued.bytes).sum();
        let limits = &self.config.limits;
        let full = self.queue.len() >= limits.queue_entries || used + bytes > limits.queue_bytes;
        if full && !self.faults_planted.is(Faults::QUEUE_WITHOUT_BOUND) {
            // One that never fits is not for trying again.
            let fits = bytes <= limits.queue_bytes;
            let why = if fits {
                text![
                    self.queue.len(),
                    " commands of ",
                    used,
                    " bytes wait already; wait for their outcomes, or raise queue_entries or queue_bytes"
                ]
            } else {
                text![
                    "this command alone has ",
                    bytes,
                    " bytes, and the queue holds ",
                    limits.queue_bytes,
                    "; send less, or raise queue_bytes"
                ]
            };
            return self.fail_command(id, CommandErrorKind::QueueFull, None, &why, fits, Sent::No);
        }
        let fail_fast = delivery == Delivery::FailFast;
        self.queue.push(Box::new(Queued { id, request, expires, fail_fast, bytes, sent: Sent::No }));
        self.dirty = true;
    }

    /// Whether the service has such a command, its ids are usable, and it is not too large.
    fn check(&self, request: &Request) -> Result<(), (CommandErrorKind, String)> {
        let invalid = |why: String| Err((CommandErrorKind::Invalid, why));
        let service = self.config.service;
        let known = match request {
            Request::Authenticate => matches!(service, Service::Charisma | Service::DevContext),
            Request::Ping => matches!(service, Service::Saga | Service::DevContext),
            Request::StartInterview { .. }
            | Request::SubmitAnswer { .. }
            | Request::PauseInterview { .. }
            | Request::ResumeInterview { .. }
            | Request::Analysis { .. } => service == Service::DevContext,
            Request::SendRaw { .. } => true,
            Request::Login { .. } => service == Service::TherapyBridge,
            Request::RespondToClarification { .. } | Request::Session { .. } => service == Service::DocProc,
            Request::ServerHealth | Request::ServerStats => service == Service::Saga,
        };
        if !known {
            return invalid(text![service, " has no such command"]);
        }
        if is_rest(request) && !self.caps.http {
            return invalid("this host can send no HTTP requests".into());
        }
        for (name, id) in ids_of(request) {
            if let Err(why) = check_id(name, id) {
                return invalid(why);
            }
        }
        if matches!(request, Request::Authenticate)
            && self.tokens.current.is_none()
            && !self.tokens.has_provider()
        {
            return invalid("there is no token to authenticate with; give one, or call set_token()".into());
        }
        if let Some(wish) = outgoing(request, "")
            && let Some(text) =
                self.dialect.encode(&wish, &Stamp { unix: self.now.unix, request: "sf-18446744073709551615" })
        {
            let limit = self.config.limits.max_outgoing.unwrap_or(self.profile.max_message);
            if text.len() > limit {
                return Err((
                    CommandErrorKind::PayloadTooLarge,
                    text!["the message has ", text.len(), " bytes, ", service, " takes ", limit],
                ));
            }
        }
        Ok(())
    }

    pub(super) fn wait_live(&mut self, id: CommandId, topic: String) {
        if self.topics.contains_key(&topic) {
            self.waiters.push(Waiter { id, topic: Some(topic) });
        } else {
            let why = "nobody has subscribed to this topic";
            self.fail_command(id, CommandErrorKind::Invalid, None, why, false, Sent::No);
        }
    }

    /// The caller gave up: whatever it waited for, its outcome is `Cancelled`.
    pub(super) fn cancel(&mut self, id: CommandId) {
        let is_it = |what: &Awaiting| matches!(what, Awaiting::Command { id: own, .. } if *own == id);
        let sent = if let Some(at) = self.waiters.iter().position(|waiter| waiter.id == id) {
            self.waiters.remove(at);
            Sent::No
        } else if let Some(at) = self.queue.iter().position(|queued| queued.id == id) {
            self.dirty = true;
            self.queue.remove(at).sent
        } else if let Some(http) = self.calls.first(|_, call| call.command == Some(id)) {
            self.calls.remove(&http);
            self.out.push_back(Output::Abort(http));
            Sent::Unknown
        } else if self
            .sockets()
            .into_iter()
            .any(|(link, socket)| self.take_awaited(link, socket, None, is_it).is_some())
        {
            Sent::Unknown
        } else {
            return;
        };
        self.fail_command(id, CommandErrorKind::Cancelled, None, "the caller gave up", true, sent);
    }

    // --- sending -----------------------------------------------------------------------------------------------

    /// Sends what may be sent, oldest first; one that waits for its topic doesn't hold up the others.
    pub(super) fn sync_commands(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let mut at = 0;
        while let Some(queued) = self.queue.get(at) {
            match self.turn(queued) {
                Turn::Wait => at += 1,
                Turn::Send(link) => {
                    let queued = self.queue.remove(at);
                    self.send_command(link, queued);
                }
                Turn::Call => {
                    let queued = self.queue.remove(at);
                    self.call(*queued);
                }
                Turn::Fail(kind, why) => {
                    let queued = self.queue.remove(at);
                    self.fail_command(queued.id, kind, None, &why, true, queued.sent);
                }
            }
        }
    }

    fn turn(&self, queued: &Queued) -> Turn {
        let now = self.now.mono;
        if queued.expires <= now {
            return Turn::Fail(CommandErrorKind::Expired, "it waited too long for its turn".into());
        }
        if queued.is_rest() {
            return if self.rest_has_token(&queued.request) { Turn::Call } else { Turn::Wait };
        }
        let Some(id) = self.ready_link() else {
            return match self.hopeless() {
                None if queued.fail_fast => {
                    Turn::Fail(CommandErrorKind::NotConnected, "the connection was lost".into())
                }
                Some(why) => Turn::Fail(CommandErrorKind::NotConnected, why),
                None => Turn::Wait,
            };
        };
        let renews = self.profile.auth_in_band
            && self.tokens.has_provider()
            && self.tokens.is_being_renewed(&self.config.timings, self.now)
            && !matches!(queued.request, Request::Authenticate);
        if renews || self.budget_at(id, Priority::High) > now || !self.topic_allows(&queued.request) {
            return Turn::Wait;
        }
        let Some((ask, key)) = expectation(&queued.request) else { return Turn::Send(id) };
        let busy = self.links.get(&id).and_then(|link| link.live.as_ref()).is_some_and(|conn| {
            conn.awaited.iter().any(|awaited| {
                matches!(&awaited.what, Awaiting::Command { ask: a, key: k, .. } if *a == ask && *k == key)
            })
        });
        if busy { Turn::Wait } else { Turn::Send(id) }
    }

    /// A command that concerns a topic waits until that topic is confirmed, if it is wished for.
    fn topic_allows(&self, request: &Request) -> bool {
        if self.faults_planted.is(Faults::COMMAND_BEFORE_CONFIRMATION) {
            return true;
        }
        let name = match request {
            Request::StartInterview { analysis_id, .. } => analysis_id,
            Request::SubmitAnswer { session_id, .. } | Request::PauseInterview { session_id } => session_id,
            _ => return true,
        };
        match self.topics.get(name) {
            Some(topic) if topic.desired() => matches!(topic.wire, Wire::Active(_)),
            _ => true,
        }
    }

    /// Why waiting for a connection is of no use, if it is of none.
    fn hopeless(&self) -> Option<String> {
        match self.derive_state() {
            ConnectionState::Failed { why } | ConnectionState::Displaced { why } => Some(text![why]),
            ConnectionState::Idle if self.profile.per_topic && self.links.is_empty() => {
                Some("each session has its own connection here; subscribe to one first".into())
            }
            _ => None,
        }
    }

    /// The link that commands go by: the one there is, or the first that is Ready.
    fn ready_link(&self) -> Option<u32> {
        self.links.first(|_, link| link.is_ready())
    }

    fn send_command(&mut self, id: u32, queued: Box<Queued>) {
        let Some(socket) = ready_at(&mut self.links, id).map(|conn| conn.socket) else {
            return self.queue.insert(0, queued);
        };
        let token = self.tokens.current.as_ref().map_or_else(String::new, |token| token.text.expose().into());
        let Some(wish) = outgoing(&queued.request, &token) else { return };
        let Some(request) = self.send(id, socket, &wish) else {
            let why = "the service has no such message";
            return self.fail_command(queued.id, CommandErrorKind::Invalid, None, why, false, Sent::No);
        };
        self.dirty = true;
        let Some((ask, key)) = expectation(&queued.request) else {
            return self.confirm_command(queued.id, None, None, self.now.mono);
        };
        if let Request::SubmitAnswer { session_id, .. } = &queued.request
            && let Some(topic) = self.topics.get_mut(session_id)
        {
            topic.snapshot.phase = Phase::Processing;
            topic.restarts = true;
            let topic = session_id.clone();
            self.event(Event::Snapshot { topic });
        }
        let within = match ask {
            // It is not answered; silence for a while is as good as a yes. [devcontext §1.4]
            Ask::Authenticate if !self.profile.auth_answered => 5_000,
            _ => ms(self.config.timings.command_timeout),
        };
        self.await_answer(id, socket, Awaiting::Command { id: queued.id, ask, key }, request, within);
    }

    // --- outcomes ----------------------------------------------------------------------------------------------

    pub(super) fn done(&mut self, id: CommandId) {
        self.out.push_back(Output::Done(id, Ok(Reply::default())));
    }

    pub(super) fn confirm_command(
        &mut self,
        id: CommandId,
        frame: Option<FrameId>,
        http: Option<HttpId>,
        sent_at: u64,
    ) {
        let elapsed = self.now.mono - sent_at;
        self.out.push_back(Output::Done(id, Ok(Reply { frame, http, elapsed })));
        if self.faults_planted.is(Faults::ANSWER_TWICE) {
            self.out.push_back(Output::Done(id, Ok(Reply { frame, http, elapsed })));
        }
    }

    pub(super) fn fail_command(
        &mut self,
        id: CommandId,
        kind: CommandErrorKind,
        code: Option<&str>,
        message: &str,
        retryable: bool,
        sent: Sent,
    ) {
        let message = self.said(message);
        let code = code.map(|code| self.word(code));
        self.out.push_back(Output::Done(id, Err(CommandError { kind, code, message, retryable, sent })));
    }

    pub(super) fn fail_closed(&mut self, id: CommandId) {
        self.fail_command(id, CommandErrorKind::Closed, None, "the client is closed", false, Sent::No);
    }

    /// The client closes: everything that waits ends.
    pub(super) fn fail_all_closed(&mut self) {
        while let Some(queued) = take_first(&mut self.queue) {
            let message = "the client is closed";
            self.fail_command(queued.id, CommandErrorKind::Closed, None, message, false, queued.sent);
        }
        while let Some(waiter) = take_first(&mut self.waiters) {
            self.fail_closed(waiter.id);
        }
        while let Some(http) = self.calls.first(|_, _| true) {
            self.out.push_back(Output::Abort(http));
            if let Some(id) = self.calls.remove(&http).and_then(|call| call.command) {
                let message = "the client was closed while the request was under way";
                self.fail_command(id, CommandErrorKind::Closed, None, message, true, Sent::Unknown);
            }
        }
        self.tokens.flight = None;
    }

    /// The connection died while this was unanswered.
    pub(super) fn interrupted(&mut self, awaited: Awaited, too_large: bool) {
        let Awaiting::Command { id, ask, key } = awaited.what else { return };
        if self.faults_planted.is(Faults::LOSE_OUTCOME) {
            return;
        }
        if self.closed {
            let message = "the client was closed before the answer came";
            return self.fail_command(id, CommandErrorKind::Closed, None, message, true, Sent::Unknown);
        }
        if too_large {
            let message = "the server closed the connection over the size of a message, most likely this one";
            return self.fail_command(id, CommandErrorKind::PayloadTooLarge, None, message, false, Sent::Yes);
        }
        let resends = ask == Ask::Answer && self.faults_planted.is(Faults::RESEND_ANSWER);
        let fits = self.queue.len() < self.config.limits.queue_entries;
        if (ask == Ask::Resume && fits) || resends {
            // The protocol makes it safe to say this twice, so it waits for the next connection.
            let request = match cut(&key, BETWEEN_IDS) {
                Some((session, question)) if resends => Request::SubmitAnswer {
                    session_id: session.into(),
                    question_id: question.into(),
                    answer: "once more".into(),
                },
                _ => Request::ResumeInterview { session_id: key },
            };
            let (bytes, expires) = (request_bytes(&request), awaited.until);
            let again = Queued { id, request, expires, fail_fast: false, bytes, sent: Sent::Unknown };
            // Behind those that were written before it.
            let written = self.queue.iter().take_while(|queued| queued.sent != Sent::No).count();
            return self.queue.insert(written, Box::new(again));
        }
        let message = "the connection was lost after the message was written; it may or may not have arrived";
        self.fail_command(id, CommandErrorKind::Interrupted, None, message, true, Sent::Unknown);
    }

    /// No answer came in time.
    pub(super) fn answer_late(&mut self, id: CommandId, ask: Ask, sent_at: u64) {
        if ask == Ask::Authenticate && !self.profile.auth_answered {
            return self.confirm_command(id, None, None, sent_at);
        }
        let message = "no answer came in time; it may still come, as an event";
        self.fail_command(id, CommandErrorKind::TimedOut, None, message, true, Sent::Unknown);
    }

    /// The server refused a command.
    pub(super) fn command_refused(
        &mut self,
        id: CommandId,
        ask: Ask,
        key: &str,
        fault: Fault,
        envelope: &Envelope<'_>,
        text: &str,
    ) {
        let code = match envelope.kind {
            crate::Kind::Gateway => Some("GATEWAY_ERROR"),
            _ => envelope.code,
        };
        if matches!(ask, Ask::Resume) && !fault.retryable {
            self.set_interview(key, InterviewState::Failed);
        }
        if ask == Ask::Answer {
            self.answer_refused(key);
        }
        self.fail_command(id, CommandErrorKind::Rejected, code, text, fault.retryable, Sent::Yes);
    }

    /// An answer was not taken: the interview waits for one again, with the question that it has. Not if another answer
    /// is still being evaluated.
    pub(super) fn answer_refused(&mut self, key: &str) {
        let of =
            |key: &str, name: &str| key.strip_prefix(name).is_some_and(|rest| rest.starts_with(BETWEEN_IDS));
        let Some((name, topic)) =
            self.topics.iter_mut().find(|(name, topic)| topic.interview.is_some() && of(key, name))
        else {
            return;
        };
        let asks = |what: &Awaiting| matches!(what, Awaiting::Command { ask: Ask::Answer, key, .. } if of(key, name));
        let another = self.links.values().any(|link| {
            link.conns().iter().any(|conn| conn.awaited.iter().any(|awaited| asks(&awaited.what)))
        });
        if topic.snapshot.phase == Phase::Processing && !another {
            topic.snapshot.phase = Phase::NeedsInput;
            let topic = name.clone();
            self.event(Event::Snapshot { topic });
        }
    }

    /// Why the link that this topic needs will not go on by itself, if it will not.
    fn stopped(&self, topic: &str) -> Option<&Why> {
        let serves =
            |link: &Link| link.topic.as_deref().is_none_or(|own| own == topic) && link.live.is_none();
        self.links.values().find_map(|link| match &link.rest {
            Rest::Failed(why) | Rest::Displaced(why) if serves(link) => Some(why),
            _ => None,
        })
    }

    /// Whether the server had been asked for a topic that is refused. Where each has a connection of its own, what
    /// ended the attempt tells: a code is the server's word.
    fn asked_before_refusal(&self, name: &str, why: &Why) -> Sent {
        let live = self.topics.get(name).is_some_and(|topic| topic.ever_live);
        if !self.profile.per_topic || live || why.code.is_some() {
            Sent::Yes
        } else if why.kind == WhyKind::Opaque {
            Sent::Unknown
        } else {
            Sent::No
        }
    }

    /// Tells those who wait for a state whether it is there, or will not come.
    pub(super) fn answer_waiters(&mut self) {
        let mut at = 0;
        while let Some(waiter) = self.waiters.get(at) {
            let Some(outcome) = self.awaited_state(waiter) else {
                at += 1;
                continue;
            };
            let id = self.waiters.remove(at).id;
            match outcome {
                Ok(()) => self.done(id),
                Err((kind, code, why, sent)) => {
                    self.fail_command(id, kind, code.as_deref(), &why, false, sent);
                }
            }
        }
    }

    /// Whether the state that somebody waits for is there, or why it will not come; `None` while that is open.
    fn awaited_state(&self, waiter: &Waiter) -> Option<Result<(), Failure>> {
        let fails = |kind, why: &Why, sent| Some(Err((kind, why.code.clone(), text![why], sent)));
        let Some(name) = &waiter.topic else {
            return match &self.said {
                ConnectionState::Ready { .. } => Some(Ok(())),
                ConnectionState::Failed { why } | ConnectionState::Displaced { why } => {
                    fails(CommandErrorKind::NotConnected, why, Sent::No)
                }
                _ => Some(Err((CommandErrorKind::NotConnected, None, self.hopeless()?, Sent::No))),
            };
        };
        match self.subscription(name) {
            Some(SubscriptionState::Live) => Some(Ok(())),
            Some(SubscriptionState::Refused { why }) => {
                fails(CommandErrorKind::Rejected, &why, self.asked_before_refusal(name, &why))
            }
            Some(SubscriptionState::Ended) => {
                Some(Err((CommandErrorKind::Rejected, None, "the topic has ended".into(), Sent::Yes)))
            }
            Some(SubscriptionState::Pending) => {
                fails(CommandErrorKind::NotConnected, self.stopped(name)?, Sent::No)
            }
            None => {
                let gone = "the subscription is gone".into();
                Some(Err((CommandErrorKind::Cancelled, None, gone, Sent::No)))
            }
        }
    }

    /// When a waiting command or request gives up, or the budget lets one out.
    pub(super) fn commands_due(&self, due: &mut Soonest) {
        for queued in &self.queue {
            due.add(Some(queued.expires));
        }
        for call in self.calls.values() {
            due.add(Some(call.until));
        }
        if let Some(id) = self.ready_link()
            && self.queue.iter().any(|queued| !queued.is_rest())
        {
            due.add(Some(self.budget_at(id, Priority::High)).filter(|at| *at > self.now.mono));
        }
    }
}
