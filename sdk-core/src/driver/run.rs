//! The only async code: it carries bytes and time between a [`Platform`] and the machine.
//!
//! One task polls its own sockets. Everything that is ready is handled before anyone is woken, and the machine's lock
//! is never held while foreign code (a token provider) runs.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::shared::{Core, Pending, Shared};
use super::{HttpAnswer, Incoming, Platform, Socket};
use crate::client::{Confirmed, Event, Message, TokenFuture, TokenProvider, TopicSnapshot};
use crate::command::{CommandError, CommandId, Reply};
use crate::envelope::Verdict;
use crate::event::Event as MachineEvent;
use crate::io::{
    FrameId, HttpError, HttpId, HttpReply, Input, Output, SocketId, Token, TokenError, Violation,
};
use crate::messages::{self, Answer, Json};
use crate::time::Now;

/// Frames of one socket that are handled before the others get their turn.
const BATCH: usize = 64;
/// Looks at everything before the task gives way to others.
const TURNS: u32 = 8;

#[cfg(not(target_arch = "wasm32"))]
type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;
#[cfg(target_arch = "wasm32")]
type Work<T> = Pin<Box<dyn Future<Output = T>>>;

enum Wire<P: Platform> {
    Dialing(Work<Result<P::Socket, crate::io::DisconnectReason>>),
    Open(P::Socket),
}

/// How a look at a socket ended.
enum Turn {
    /// Nothing more for now.
    Quiet,
    /// The socket is gone; the next one has its place.
    Gone,
    /// The machine wants a socket closed.
    Closing,
}

/// Tells callers their outcomes. Their wakers are foreign code: no lock is held.
pub(crate) fn tell(outcomes: Vec<(Pending, Result<Confirmed, CommandError>)>) {
    for (pending, result) in outcomes {
        // A caller that has gone away no longer cares.
        let _ = pending.send.send(result);
    }
}

/// Runs code of the app's token provider. That it panics is a failure like any other; what it said may hold a token and
/// is not repeated. [rules §2.6.2]
fn survive<T>(code: impl FnOnce() -> T) -> Result<T, TokenError> {
    // What a panic may have left half-done is the provider's own, which is asked anew.
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
        tracing::error!(target: "steadfast", "the token provider panicked");
        TokenError::Unavailable("the token provider panicked".into())
    })
}

/// The future that runs a client to its end.
pub(crate) struct Driver<P: Platform> {
    platform: P,
    shared: Arc<Shared>,
    provider: Option<Arc<dyn TokenProvider>>,
    wires: Vec<(SocketId, Wire<P>)>,
    calls: Vec<(HttpId, Work<Result<HttpAnswer, HttpError>>)>,
    token: Option<(u32, TokenFuture)>,
    timer: Option<(u64, Work<()>)>,
    frames: u32,
}

impl<P: Platform> Driver<P> {
    pub(crate) fn new(platform: P, shared: Arc<Shared>, provider: Option<Arc<dyn TokenProvider>>) -> Self {
        Self {
            platform,
            shared,
            provider,
            wires: Vec::new(),
            calls: Vec::new(),
            token: None,
            timer: None,
            frames: 0,
        }
    }

    /// One turn; true if something happened, so that another may be needed.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.platform.now();
        let mut busy = self.poll_wires(cx, now);
        busy |= self.poll_calls(cx, now);
        busy |= self.poll_token(cx, now);
        busy |= self.poll_timer(cx, now);
        let (outputs, outcomes) = {
            let mut core = self.shared.lock();
            core.drain(&self.shared, None);
            (std::mem::take(&mut core.outputs), std::mem::take(&mut core.outcomes))
        };
        busy |= !outputs.is_empty();
        tell(outcomes);
        for output in outputs {
            self.carry_out(output, now);
        }
        busy
    }

    // --- sockets ----------------------------------------------------------------------------------------------

    fn poll_wires(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut busy = false;
        let shared = Arc::clone(&self.shared);
        let mut at = 0;
        while let Some((id, wire)) = self.wires.get_mut(at) {
            let id = *id;
            match wire {
                Wire::Dialing(dial) => {
                    let Poll::Ready(result) = dial.as_mut().poll(cx) else {
                        at += 1;
                        continue;
                    };
                    busy = true;
                    let input = match result {
                        Ok(socket) => {
                            *wire = Wire::Open(socket);
                            Input::Opened(id)
                        }
                        Err(reason) => {
                            self.wires.remove(at);
                            Input::Closed(id, reason)
                        }
                    };
                    shared.lock().machine.handle(now, input);
                }
                Wire::Open(_) => match self.read(cx, at, id, now, &shared) {
                    Turn::Quiet => at += 1,
                    Turn::Gone => busy = true,
                    // A socket that is to be closed must not be read before it is.
                    Turn::Closing => return true,
                },
            }
        }
        busy
    }

    /// Reads what is ready on one socket.
    fn read(&mut self, cx: &mut Context<'_>, at: usize, id: SocketId, now: Now, shared: &Shared) -> Turn {
        // The lock is taken with the first thing that arrived and kept for the batch.
        let mut core = None;
        for _ in 0..BATCH {
            let Some((_, Wire::Open(socket))) = self.wires.get_mut(at) else { return Turn::Gone };
            let incoming = match socket.poll_recv(cx) {
                Poll::Pending => return Turn::Quiet,
                Poll::Ready(incoming) => incoming,
            };
            let core = core.get_or_insert_with(|| {
                let mut core = shared.lock();
                // What happened before, that the socket is open say, is told before what it brings.
                core.drain(shared, None);
                core
            });
            match incoming {
                Incoming::Text(text) => self.text(core, id, text.as_ref(), now),
                Incoming::Binary(len) => core.machine.handle(now, Input::Binary(id, len)),
                Incoming::Activity => core.machine.handle(now, Input::Activity(id)),
                Incoming::Closed(reason) => {
                    // A server may repeat the token in its reason. [rules §2.15]
                    tracing::debug!(target: "steadfast", socket = id.0, reason = core.machine.redact(&format!("{reason:?}")), "closed");
                    self.wires.remove(at);
                    core.machine.handle(now, Input::Closed(id, reason));
                    return Turn::Gone;
                }
            }
            core.drain(shared, None);
            if core.outputs.iter().any(|output| matches!(output, Output::Close(..))) {
                return Turn::Closing;
            }
        }
        cx.waker().wake_by_ref();
        Turn::Quiet
    }

    fn text(&mut self, core: &mut Core, socket: SocketId, text: &str, now: Now) {
        let service = core.machine.service();
        if core.log_frames {
            tracing::trace!(target: "steadfast", socket = socket.0, text = core.machine.redact(text), "received");
        }
        let frame = match messages::read(service, text) {
            Ok(frame) => frame,
            Err(violation) => return core.machine.handle(now, Input::Malformed(socket, violation)),
        };
        let envelope = frame.envelope();
        let verdict = core.machine.frame(now, socket, text.len(), frame.head, &envelope);
        let id = FrameId(self.frames);
        self.frames = self.frames.wrapping_add(1);
        // The server chose both words.
        let word = |word: &str| core.machine.redact(word);
        tracing::trace!(target: "steadfast", socket = socket.0, name = word(envelope.name), topic = envelope.topic.map(word), bytes = text.len(), "frame");
        let needed = Verdict::DELIVER | Verdict::HOLD | Verdict::SNAPSHOT | Verdict::POLL;
        if verdict.0 & needed == 0 {
            return;
        }
        let (topic, at) = (envelope.topic.map(|topic| core.name(topic)), envelope.at);
        let progress = envelope.progress.map(|raw| core.machine.share(raw));
        let raw = Json::known(if frame.payload.is_empty() { "null" } else { frame.payload });
        let message = frame.message.map(|data| {
            let (outdated, recovered) = (verdict.has(Verdict::OUTDATED), verdict.has(Verdict::RECOVERED));
            Arc::new(Message { topic, progress, at, outdated, recovered, data, raw })
        });
        if let Some(message) = &message {
            if verdict.has(Verdict::SNAPSHOT) {
                core.keep_raw(message);
            }
            if verdict.has(Verdict::HOLD) {
                core.held.insert(id, Arc::clone(message));
            } else if verdict.has(Verdict::DELIVER) {
                core.push(&self.shared, Event::Message(Arc::clone(message)));
            }
        }
        if verdict.has(Verdict::POLL) {
            core.drain(&self.shared, message.as_ref().map(|message| (id, message)));
        }
    }

    // --- HTTP, tokens, time -----------------------------------------------------------------------------------

    fn poll_calls(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut busy = false;
        let mut at = 0;
        while let Some((id, work)) = self.calls.get_mut(at) {
            let Poll::Ready(result) = work.as_mut().poll(cx) else {
                at += 1;
                continue;
            };
            let id = *id;
            drop(self.calls.remove(at));
            busy = true;
            let shared = Arc::clone(&self.shared);
            let mut core = shared.lock();
            let result = result.map(|answer| core.read_answer(id, &answer));
            core.machine.handle(now, Input::Http(id, result));
            core.drain(&shared, None);
            core.bodies.remove(&id);
        }
        busy
    }

    fn poll_token(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let Some((generation, work)) = &mut self.token else { return false };
        let result = match survive(|| work.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(result)) => result,
            Err(panicked) => Err(panicked),
        };
        let generation = *generation;
        // It holds what the app put into it, whose end may panic as well.
        let spent = self.token.take();
        let result = survive(|| drop(spent)).and(result).map(Token::read);
        self.shared.lock().machine.handle(now, Input::Token(generation, result));
        true
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let shared = Arc::clone(&self.shared);
        let due = shared.lock().machine.deadline();
        let Some(due) = due else {
            self.timer = None;
            return false;
        };
        if due <= now.mono {
            self.timer = None;
            shared.lock().machine.handle(now, Input::Tick);
            return true;
        }
        // A timer that rings too early only asks again; one that rings too late is set anew.
        if self.timer.as_ref().is_none_or(|(at, _)| *at > due) {
            let sleep = self.platform.sleep(Duration::from_millis(due - now.mono));
            self.timer = Some((due, Box::pin(sleep)));
        }
        let Some((_, sleep)) = &mut self.timer else { return false };
        if sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.timer = None;
        true
    }

    // --- outputs ----------------------------------------------------------------------------------------------

    /// Does what concerns sockets, requests and the token provider.
    fn carry_out(&mut self, output: Output, now: Now) {
        match output {
            Output::Open(id, request) => {
                tracing::debug!(target: "steadfast", socket = id.0, url = crate::redact_url(&request.url), "dial");
                let dial = self.platform.connect(request);
                // Most clients have one socket, and a socket is large: no room is kept for others.
                self.wires.reserve_exact(1);
                self.wires.push((id, Wire::Dialing(Box::pin(dial))));
            }
            Output::Send(id, text) => {
                let text = text.expose();
                tracing::trace!(target: "steadfast", socket = id.0, bytes = text.len(), text = self.logged(text), "sent");
                if let Some(socket) = self.open_socket(id) {
                    socket.send(text);
                }
            }
            Output::Ping(id) => {
                if let Some(socket) = self.open_socket(id) {
                    socket.ping();
                }
            }
            Output::Close(id, reason) => {
                tracing::debug!(target: "steadfast", socket = id.0, ?reason, "close");
                if let Some(at) = self.wires.iter().position(|(own, _)| *own == id)
                    && let (_, Wire::Open(socket)) = self.wires.remove(at)
                {
                    socket.close(reason);
                }
            }
            Output::Http(id, request) => {
                tracing::debug!(target: "steadfast", method = request.method, url = crate::redact_url(&request.url), "request");
                let call = self.platform.http(request);
                self.calls.push((id, Box::pin(call)));
            }
            Output::Abort(id) => self.calls.retain(|(own, _)| *own != id),
            Output::FetchToken { generation, force } => {
                tracing::debug!(target: "steadfast", force, "token asked");
                let asked = match &self.provider {
                    Some(provider) => survive(|| provider.token(force)),
                    None => Err(TokenError::Denied("there is no token provider".into())),
                };
                match asked {
                    Ok(work) => self.token = Some((generation, work)),
                    Err(error) => {
                        self.shared.lock().machine.handle(now, Input::Token(generation, Err(error)));
                    }
                }
            }
            Output::Done(..) | Output::Release(..) | Output::Event(_) => {}
        }
    }

    /// The text of a frame as it is logged: only by option, and without the token. [rules §2.15]
    fn logged(&self, text: &str) -> Option<String> {
        let core = self.shared.lock();
        core.log_frames.then(|| core.machine.redact(text))
    }

    fn open_socket(&mut self, id: SocketId) -> Option<&mut P::Socket> {
        self.wires.iter_mut().find_map(|(own, wire)| match wire {
            Wire::Open(socket) if *own == id => Some(socket),
            _ => None,
        })
    }
}

impl<P: Platform> Drop for Driver<P> {
    /// Its runtime has gone: whoever waits learns that nothing more will come.
    fn drop(&mut self) {
        self.shared.end();
    }
}

// Everything inside is either pinned in a box of its own or plain data.
impl<P: Platform> Unpin for Driver<P> {}

impl<P: Platform> Future for Driver<P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let shared = Arc::clone(&this.shared);
        shared.waker.register(cx.waker());
        // Bounded, so that under a flood readers get their turn before the ring is full, and others the executor.
        let mut turns = 0;
        loop {
            if shared.abandoned() {
                let now = this.platform.now();
                shared.lock().shut(now);
            }
            if !this.turn(cx) {
                break;
            }
            turns += 1;
            if turns == TURNS {
                cx.waker().wake_by_ref();
                break;
            }
        }
        if shared.take_pushed() {
            shared.ring.wake();
        }
        let mut core = shared.lock();
        // A handle may have closed it since the last turn; what follows from that is still to be carried out.
        core.drain(&shared, None);
        let rest = !core.outputs.is_empty() || !core.outcomes.is_empty();
        let closed = core.machine.state() == &crate::ConnectionState::Closed;
        drop(core);
        if rest {
            cx.waker().wake_by_ref();
        } else if closed {
            shared.end();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Core {
    /// Takes what the machine wants done. What is about the app is done here, in order; the rest when the lock is
    /// free. `current` is the frame whose payload a reply may name.
    pub(crate) fn drain(&mut self, shared: &Shared, current: Option<(FrameId, &Arc<Message>)>) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Event(event) => self.tell(shared, event),
                Output::Release(frame, verdict) => {
                    if let Some(message) = self.held.remove(&frame) {
                        if verdict.has(Verdict::SNAPSHOT) {
                            self.keep_raw(&message);
                        }
                        if verdict.has(Verdict::DELIVER) {
                            self.push(shared, Event::Message(message));
                        }
                    }
                }
                Output::Done(id, result) => self.answer(id, result, current),
                other => self.outputs.push(other),
            }
        }
    }

    fn answer(
        &mut self,
        id: CommandId,
        result: Result<Reply, CommandError>,
        current: Option<(FrameId, &Arc<Message>)>,
    ) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let result = result.map(|reply| {
            let message = current.filter(|(frame, _)| reply.frame == Some(*frame));
            Confirmed {
                message: message.map(|(_, message)| Arc::clone(message)),
                answer: reply.http.and_then(|http| self.bodies.remove(&http)).map(|(answer, _)| answer),
                elapsed_ms: reply.elapsed,
            }
        });
        self.outcomes.push((pending, result));
    }

    fn tell(&mut self, shared: &Shared, event: MachineEvent) {
        let event = match event {
            MachineEvent::State(state) => {
                tracing::debug!(target: "steadfast", state = state.name(), why = ?state.why().map(ToString::to_string), "state");
                Event::State(state)
            }
            MachineEvent::Subscription { topic, state } => {
                tracing::debug!(target: "steadfast", topic, state = state.name(), "subscription");
                Event::Subscription { topic, state }
            }
            MachineEvent::Interview { session_id, state } => Event::Interview { session_id, state },
            MachineEvent::Derived { topic, stage, progress, at, .. } => {
                Event::RecoveredStage { topic, stage, progress, at }
            }
            MachineEvent::Snapshot { topic } => match self.snapshot(&topic) {
                Some(snapshot) => Event::Snapshot(Arc::new(snapshot)),
                None => return,
            },
            MachineEvent::Gap { topic, since, until, recovered } => {
                Event::Gap { topic, since, until, recovered }
            }
            MachineEvent::Fetched { topic, http } => {
                let Some((answer, len)) = self.bodies.remove(&http) else { return };
                let event = Event::Fetched { topic, answer: Arc::new(answer) };
                // As of a message: typed fields take about as much as the text they were read from.
                return self.push_sized(shared, event, 256 + 2 * len);
            }
            MachineEvent::ProtocolViolation(violation) => {
                tracing::debug!(target: "steadfast", reason = violation.reason, "violation");
                Event::ProtocolViolation(violation)
            }
            MachineEvent::Notice { kind, text } => {
                tracing::debug!(target: "steadfast", kind = kind.name(), text, "notice");
                Event::Notice { kind, text }
            }
        };
        self.push(shared, event);
    }

    /// Reads an answer's body as what was asked for, and keeps it for the outcome.
    fn read_answer(&mut self, id: HttpId, answer: &HttpAnswer) -> HttpReply {
        let HttpAnswer { status, retry_after, body } = answer;
        let text = String::from_utf8_lossy(body);
        let mut reply =
            HttpReply { status: *status, retry_after: *retry_after, readable: false, error: None };
        if !(200..300).contains(status) {
            reply.error = messages::refusal(&text);
            return reply;
        }
        match self.machine.request_of(id).map(|request| Answer::read(request, &text)) {
            Some(Ok(answer)) => {
                self.bodies.insert(id, (answer, text.len()));
                reply.readable = true;
            }
            Some(Err(Violation { reason, .. })) => {
                reply.error = Some(format!("the answer can't be read: {reason}"));
            }
            None => {}
        }
        reply
    }

    /// A topic's picture with its last payload.
    pub(crate) fn snapshot(&self, topic: &str) -> Option<TopicSnapshot> {
        let snapshot = self.machine.snapshot(topic)?.clone();
        Some(TopicSnapshot { snapshot, raw: self.raws.get(topic).cloned() })
    }
}
