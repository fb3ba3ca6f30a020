//! The machine: every decision about protocol, state, timing and retry, as a function with memory.
//!
//! No sockets, threads, clocks, randomness of its own, or JSON. The same input always gives the same output.

mod attempt;
mod auth;
mod backoff;
mod commands;
mod diagnose;
mod judge;
mod link;
mod loss;
mod picture;
mod pool;
mod receive;
mod redact;
mod refusals;
mod repeat;
mod requests;
mod rest;
mod route;
mod size;
mod stats;
mod throttle;
mod timers;
mod tokens;
mod topics;
mod verdict;
mod view;
mod wake;
mod wishes;
mod write;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

pub use self::diagnose::Diagnosis;
pub use self::repeat::Again;
#[doc(hidden)]
pub use self::size::Size;
pub use self::stats::Stats;
pub use self::view::DevContextState;

use self::backoff::Rng;
use self::commands::{Queued, Waiter};
use self::link::{Link, Links, Rest, Stage};
use self::rest::Rest as RestCall;
use self::route::Route;
use self::throttle::Throttle;
use self::tokens::Tokens;
use self::topics::Topic;
use crate::command::{Command, CommandError, CommandId, Request};
use crate::config::{Config, ConfigError, TokenSource, ms};
use crate::dialect::{self, Dialect, Profile};
use crate::envelope::{Envelope, Head, Verdict};
use crate::event::{ConnectionState, Event, InterviewState, NoticeKind, SubscriptionState, Why, WhyKind};
use crate::io::{FrameId, HostCaps, HttpId, Input, Output, Reachability, SocketId, Token, Visibility};
use crate::map::Map;
use crate::snapshot::Snapshot;
use crate::time::Now;

/// The only link of a service whose topics share one connection.
const SHARED: u32 = 0;

/// A client without a body: inputs and the time go in, outputs come out.
///
/// Contract: hand in one input, drain [`Self::poll`] until it is empty, wait for the next input or for
/// [`Self::deadline`] (then hand in [`Input::Tick`]). After [`Self::frame`] the drain is needed only if the verdict
/// has [`Verdict::POLL`], and the deadline has only moved later.
///
/// ```
/// use steadfast::{Command, CommandId, Config, Endpoint, HostCaps, Input, Machine, Now, Output, Service};
///
/// let config = Config::new(Service::Charisma, Endpoint::Development);
/// let mut machine = Machine::new(config, HostCaps::NATIVE)?;
/// let now = Now { mono: 0, unix: 1_700_000_000_000 };
/// machine.handle(now, Input::Command(CommandId(1), Command::Subscribe { topic: "session_1".into(), keep: false }));
/// let opened = std::iter::from_fn(|| machine.poll()).any(|output| matches!(output, Output::Open(..)));
/// assert!(opened, "something is wanted, so it connects");
/// # Ok::<(), steadfast::ConfigError>(())
/// ```
// In this order, so that what is used most lies at the front: the way there is shorter in a browser's download.
#[repr(C)]
pub struct Machine {
    now: Now,
    /// Boxed, as topics are: what is moved when the list changes is small.
    links: Links,
    topics: Map<String, Box<Topic>>,
    out: VecDeque<Output>,
    profile: &'static Profile,
    #[expect(clippy::vec_box, reason = "what is moved when the list changes is small")]
    queue: Vec<Box<Queued>>,
    waiters: Vec<Waiter>,
    calls: Map<HttpId, Box<RestCall>>,
    caps: HostCaps,
    dirty: bool,
    closed: bool,
    /// The app has called `connect`.
    wanted: bool,
    reachability: Reachability,
    visibility: Visibility,
    /// The link that tries first while all are down, where there are several.
    scout: Option<u32>,
    /// Until when the server asked to be left alone; all links have the same server.
    not_before: u64,
    next_link: u32,
    next_frame: u32,
    next_socket: u32,
    next_http: u32,
    due: Option<u64>,
    /// Counts what happens, save for frames that only move a picture on.
    turn: u64,
    next_request: u64,
    next_order: u64,
    since: u64,
    background_since: Option<u64>,
    last_wake: Option<u64>,
    tokens: Tokens,
    said: ConnectionState,
    route: Route,
    throttle: Throttle,
    /// Where topics stood in the list when they last had news, by their last characters.
    places: [u16; 16],
    dialect: &'static dyn Dialect,
    ready_info: (u32, u64),
    rng: Rng,
    /// By how many ms the clocks may part before one has jumped.
    clock_jump: u64,
    faults_planted: Faults,
    stats: Stats,
    config: Config,
}

/// Bugs that the simulation plants to see that it would find them.
pub(crate) use crate::faults::Faults;

impl core::fmt::Debug for Machine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Machine")
            .field("service", &self.config.service)
            .field("state", &self.said)
            .field("topics", &self.topics.len())
            .finish_non_exhaustive()
    }
}

impl Machine {
    /// Checks the configuration and makes a machine that does nothing yet. The error names the field that is wrong.
    pub fn new(config: Config, caps: HostCaps) -> Result<Self, ConfigError> {
        let dialect = dialect::of(config.service);
        let profile = dialect.profile();
        let route = Route::new(&config, profile, caps)?;
        let mut links = Map::default();
        if !profile.per_topic {
            links.insert(SHARED, Box::default());
        }
        Ok(Self {
            caps,
            dialect,
            profile,
            route,
            now: Now::default(),
            rng: Rng::new(config.seed),
            tokens: Tokens::new(config.token.clone()),
            links,
            next_link: SHARED + 1,
            scout: None,
            not_before: 0,
            topics: Map::default(),
            places: [0; 16],
            next_order: 0,
            queue: Vec::new(),
            waiters: Vec::new(),
            calls: Map::default(),
            throttle: Throttle::default(),
            out: VecDeque::new(),
            stats: Stats::default(),
            next_socket: 0,
            next_http: 0,
            next_frame: 0,
            next_request: 0,
            reachability: Reachability::Online,
            visibility: Visibility::Visible,
            background_since: None,
            last_wake: None,
            wanted: false,
            closed: false,
            ready_info: (0, 0),
            said: ConnectionState::Idle,
            since: 0,
            dirty: false,
            turn: 0,
            due: None,
            clock_jump: ms(config.timings.clock_jump),
            faults_planted: Faults::default(),
            config,
        })
    }

    /// A frame arrived on this socket: its length in bytes, what stands before its JSON, and its envelope. The hot
    /// path; the verdict says what to do with the frame.
    pub fn frame(
        &mut self,
        now: Now,
        socket: SocketId,
        len: usize,
        head: Head,
        envelope: &Envelope<'_>,
    ) -> Verdict {
        let last = self.like_last(head, envelope);
        let short = last.and_then(|last| self.again(now, socket, len, last, &envelope.numbers()));
        short.unwrap_or_else(|| self.frame_in_full(now, socket, len, head, envelope))
    }

    /// [`Self::frame`], for a host that has tried [`Self::again`] itself.
    pub fn frame_in_full(
        &mut self,
        now: Now,
        socket: SocketId,
        len: usize,
        head: Head,
        envelope: &Envelope<'_>,
    ) -> Verdict {
        let jumped = self.read_clocks(now, false);
        let mut flags = self.receive(socket, len, head, envelope);
        if jumped {
            self.turn += 1;
            self.wake(false);
        }
        if self.dirty || self.due.is_some_and(|due| due <= now.mono) {
            self.settle();
        }
        if !self.out.is_empty() {
            flags |= Verdict::POLL;
        }
        if flags != Verdict::DELIVER | Verdict::SNAPSHOT {
            self.turn += 1;
        }
        Verdict(flags)
    }

    /// Anything else happened. Infallible: trouble becomes an event or an outcome.
    pub fn handle(&mut self, now: Now, input: Input) {
        if self.read_clocks(now, matches!(input, Input::Tick)) {
            self.wake(false);
        }
        match input {
            Input::Command(id, command) => self.command(id, command),
            Input::Cancel(id) => self.cancel(id),
            Input::Opened(socket) => self.opened(socket),
            Input::Activity(socket) => {
                self.heard(socket);
            }
            Input::Closed(socket, reason) => self.ended(socket, &reason),
            Input::Malformed(socket, violation) => self.malformed(socket, &violation),
            Input::Binary(socket, len) => self.binary(socket, len),
            Input::Http(id, result) => self.http_ended(id, result),
            Input::Token(generation, result) => self.token_arrived(generation, result),
            Input::Network(reachability) => self.network(reachability),
            Input::Visibility(visibility) => self.seen(visibility),
            Input::Tick => {}
        }
        self.settle();
    }

    /// The next thing to do, in order; `None` when there is nothing more.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Input::Tick`] is due at the latest, on the clock of [`Now::mono`].
    pub fn deadline(&self) -> Option<u64> {
        self.due
    }

    /// The last known picture of a topic; `None` for one that nobody has asked for.
    pub fn snapshot(&self, topic: &str) -> Option<&Snapshot> {
        self.topics.get(topic).map(|topic| &topic.snapshot)
    }

    /// The topics that are known, with the states of their subscriptions.
    pub fn topics(&self) -> impl Iterator<Item = (&str, SubscriptionState)> {
        self.topics.iter().map(|(name, topic)| (name.as_str(), topic.state()))
    }

    /// The state of a topic's subscription.
    pub fn subscription(&self, topic: &str) -> Option<SubscriptionState> {
        self.topics.get(topic).map(|topic| topic.state())
    }

    /// The state of an interview.
    pub fn interview(&self, session_id: &str) -> Option<InterviewState> {
        self.topics.get(session_id).and_then(|topic| topic.interview)
    }

    /// The state of the connection as last announced.
    pub const fn state(&self) -> &ConnectionState {
        &self.said
    }

    /// A raw progress as the service sends it, as 0.0–1.0. [rules §2.2]
    pub fn share(&self, raw: f64) -> f64 {
        let share = raw / self.profile.full_progress;
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// What an HTTP request under way asks for, so that the edge can read the answer.
    pub fn request_of(&self, id: HttpId) -> Option<&Request> {
        self.calls.get(&id).map(|call| &call.request)
    }

    /// Which service this is.
    pub const fn service(&self) -> crate::config::Service {
        self.config.service
    }

    /// Plants a bug, for a simulation that must find it. Not for apps.
    #[doc(hidden)]
    pub const fn plant(&mut self, faults: Faults) {
        self.faults_planted = faults;
    }

    // --- the turn of an input ---------------------------------------------------------------------------------

    /// Takes the time over; true if a clock jumped or a tick came far too late: the machine has slept.
    fn read_clocks(&mut self, now: Now, tick: bool) -> bool {
        let old = self.now;
        self.now = Now { mono: now.mono.max(old.mono), unix: now.unix };
        if old == Now::default() {
            self.since = now.unix;
            return false;
        }
        let late = tick && self.due.is_some_and(|due| self.now.mono > due.saturating_add(self.clock_jump));
        late || self.now.strays(old, self.clock_jump)
    }

    /// Brings everything to where the facts say it should be, then tells what changed.
    fn settle(&mut self) {
        self.turn += 1;
        // Each round can make the next one necessary; a bound keeps a mistake from becoming a hang.
        for _ in 0..64 {
            self.dirty = false;
            self.expire();
            self.sync_links();
            self.sync_tokens();
            self.sync_authentication();
            self.sync_topics();
            self.sync_commands();
            if !self.dirty {
                break;
            }
        }
        self.announce();
        self.due = self.next_due();
        if self.faults_planted.is(Faults::TICK_IN_THE_PAST) {
            self.due = self.due.map(|_| self.now.mono);
        }
    }

    /// Whether the client has something to do. [rules §2.12]
    fn has_work(&self) -> bool {
        !self.closed
            && (self.wanted
                || self.topics.values().any(|topic| topic.desired())
                || self.queue.iter().any(|queued| !queued.is_rest())
                || self.waiters.iter().any(Waiter::needs_connection))
    }

    /// Tells what changed: Ready before what rests on it, every other state after what it takes away.
    fn announce(&mut self) {
        let state = self.derive_state();
        if matches!(state, ConnectionState::Ready { .. }) {
            self.announce_state(state);
            self.announce_topics();
        } else {
            self.announce_topics();
            self.announce_state(state);
        }
        self.answer_waiters();
    }

    fn announce_state(&mut self, state: ConnectionState) {
        if state != self.said || self.faults_planted.is(Faults::REPEAT_STATE) {
            self.since = self.now.unix;
            self.said = state.clone();
            self.event(Event::State(state));
        }
    }

    /// The client's state: that of its best link.
    fn derive_state(&self) -> ConnectionState {
        if self.closed {
            return ConnectionState::Closed;
        }
        let mut best = ConnectionState::Idle;
        for link in self.links.values() {
            let state = self.link_state(link);
            if state_rank(&state) >= state_rank(&best) {
                best = state;
            }
        }
        match best {
            ConnectionState::Idle => self.all_refused().unwrap_or(best),
            _ => best,
        }
    }

    fn link_state(&self, link: &Link) -> ConnectionState {
        if let Some(conn) = &link.live {
            return match conn.stage {
                Stage::Token { .. } | Stage::Dialing { .. } => ConnectionState::Connecting,
                Stage::Handshake { .. } => ConnectionState::Authenticating,
                Stage::Ready { .. } => ConnectionState::Ready {
                    attempts: self.ready_info.0,
                    down_ms: self.ready_info.1,
                    connection_id: conn.id.clone(),
                },
            };
        }
        match &link.rest {
            Rest::Idle => ConnectionState::Idle,
            Rest::Waiting { .. } if self.is_offline() => ConnectionState::Offline,
            Rest::Waiting { shown, why, .. } => ConnectionState::Waiting {
                attempt: link.backoff.tries.saturating_add(1),
                until: *shown,
                why: why.clone(),
            },
            Rest::Suspended => ConnectionState::Suspended,
            Rest::Displaced(why) => ConnectionState::Displaced { why: why.clone() },
            Rest::Failed(why) => ConnectionState::Failed { why: why.clone() },
        }
    }

    /// Where each topic has its own connection: every one was refused for its token.
    fn all_refused(&self) -> Option<ConnectionState> {
        if !self.profile.per_topic {
            return None;
        }
        let mut last = None;
        for topic in self.topics.values() {
            match &topic.wire {
                topics::Wire::Refused(why) if why.kind == WhyKind::Auth => last = Some(why),
                topics::Wire::Ended => {}
                _ => return None,
            }
        }
        last.map(|why| ConnectionState::Failed { why: why.clone() })
    }

    fn is_offline(&self) -> bool {
        self.reachability == Reachability::Offline && !self.route.loopback
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    /// A frame that was held is delivered with these flags, or forgotten without any.
    #[inline(never)]
    fn release(&mut self, frame: FrameId, flags: u32) {
        self.out.push_back(Output::Release(frame, Verdict(flags)));
    }

    fn notice(&mut self, kind: NoticeKind, text: &str) {
        let text = self.said(text);
        self.event(Event::Notice { kind, text });
    }

    fn why(&self, ruling: &verdict::Ruling) -> Why {
        Why {
            kind: ruling.kind,
            text: self.said(&ruling.text),
            code: ruling.code.as_deref().map(|code| self.word(code)),
            since: self.now.unix,
            help: ruling.help,
        }
    }

    fn command(&mut self, id: CommandId, command: Command) {
        if self.closed && !matches!(command, Command::Unsubscribe { .. } | Command::Shutdown) {
            return self.fail_closed(id);
        }
        match command {
            Command::Connect => {
                self.connect_now(false);
                self.done(id);
            }
            Command::TakeOver => {
                self.connect_now(true);
                self.done(id);
            }
            Command::SetToken(token) if !token.is_usable(self.route.auth) => {
                let why = "the token that was set is empty, or holds a space, a line break or another character that no token has";
                self.notice(NoticeKind::TokenNotRefreshed, why);
                self.fail_command(id, crate::CommandErrorKind::Invalid, None, why, false, crate::Sent::No);
            }
            Command::SetToken(token) => {
                self.set_token(token);
                self.done(id);
            }
            Command::Subscribe { topic, keep } => self.subscribe(id, topic, keep),
            Command::Unsubscribe { topic } => {
                self.unsubscribe(&topic);
                self.done(id);
            }
            Command::WaitReady => self.waiters.push(Waiter::ready(id)),
            Command::WaitLive { topic } => self.wait_live(id, topic),
            Command::Request(request, delivery) => self.request(id, request, delivery),
            Command::Shutdown => {
                self.shutdown();
                self.done(id);
            }
        }
    }

    fn set_token(&mut self, token: Token) {
        if !matches!(self.tokens.source, TokenSource::Provider) {
            self.tokens.source = TokenSource::Static(token.clone());
        }
        self.tokens.pushed = true;
        self.tokens.set = self.tokens.set.wrapping_add(1);
        if !self.tokens.accept(token, &self.config.timings, self.now) {
            self.notice(
                NoticeKind::ClockSuspect,
                "the token that was set looks expired; is this machine's clock right?",
            );
        }
        self.apply_new_token(true);
    }

    fn shutdown(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        if !self.faults_planted.is(Faults::SURVIVE_SHUTDOWN) {
            self.close_links();
        }
        self.fail_all_closed();
        for (_, topic) in core::mem::take(&mut self.topics) {
            if let Some(completion) = topic.completion {
                self.release(completion.frame, Verdict::DELIVER);
            }
        }
    }
}

/// How good a state is, to pick the best of several links.
const fn state_rank(state: &ConnectionState) -> u8 {
    match state {
        ConnectionState::Ready { .. } => 9,
        ConnectionState::Authenticating => 8,
        ConnectionState::Connecting => 7,
        ConnectionState::Waiting { .. } => 6,
        ConnectionState::Offline => 5,
        ConnectionState::Suspended => 4,
        ConnectionState::Displaced { .. } => 3,
        ConnectionState::Failed { .. } => 2,
        ConnectionState::Idle => 1,
        ConnectionState::Closed => 0,
    }
}

/// Whether a text can be a topic: not empty, at most 256 bytes, without control characters, not `.` or `..`.
/// [rules §1.4]
pub fn check_topic(topic: &str) -> Result<(), CommandError> {
    route::check_id("topic", topic).map_err(|message| CommandError {
        kind: crate::CommandErrorKind::Invalid,
        code: None,
        message,
        retryable: false,
        sent: crate::Sent::No,
    })
}
