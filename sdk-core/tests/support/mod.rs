//! A world for stories in virtual time: a client's machine, a server that behaves as told, a token provider, and a
//! transcript of everything that crossed the line between the machine and its host. No sleeps, no sockets.
//!
//! ```ignore
//! let mut world = World::dev(Service::Charisma).obedient();
//! world.subscribe("s1");                 // connects, and the obedient server confirms
//! world.at(5_000).close(1006, "");       // five seconds later the connection is lost
//! world.advance(60_000);                 // a minute passes, with a tick at every deadline
//! assert_eq!(world.dials(), [0, 6_000]);
//! ```

mod came;
mod carry;
mod server;
mod show;

use std::collections::{BTreeMap, VecDeque};

use steadfast::{
    Again, Command, CommandError, CommandId, Config, ConnectRequest, Delivery, DisconnectReason, Endpoint,
    Envelope, Event, Head, HostCaps, HttpId, HttpReply, HttpRequest, Input, Machine, Now, Reachability,
    Reply, Request, Secret, Service, SocketId, Token, TokenError, TokenSource, Verdict, Visibility, messages,
};

use self::show::flags;

/// The wall clock when a story begins: 2026-01-01T00:00:00Z.
pub(crate) const EPOCH: u64 = 1_767_225_600_000;
/// How often an obedient server shows that it is alive.
const BEAT: u64 = 20_000;
/// Where the steady clock stands then; not 0, so that nothing works by accident.
const START: u64 = 5_000_000;

/// How the server behaves towards every connection.
#[derive(Clone, Debug, Default)]
pub(crate) enum Server {
    /// As the story says, step by step.
    #[default]
    Manual,
    /// It opens, shakes hands and confirms.
    Obedient,
    /// It opens and shakes hands, and confirms nothing.
    Mute,
    /// It can't be reached, and the attempt ends by this.
    Refuses(DisconnectReason),
    /// It opens and shakes hands, and closes at once.
    Closes(u16, &'static str),
}

/// How the token provider behaves.
#[derive(Clone, Debug)]
pub(crate) enum Provider {
    /// As the story says.
    Manual,
    /// It always has this token, which says nothing of an expiry.
    Same(&'static str),
    /// It has a new token each time, which lives for so many ms.
    Fresh(u64),
    /// It fails.
    Fails(TokenError),
}

/// One outcome of a command.
pub(crate) type Outcome = Result<Reply, CommandError>;

/// A machine in a world of its own.
pub(crate) struct World {
    pub(crate) machine: Machine,
    service: Service,
    /// Ms since the story began.
    now: u64,
    /// How far the wall clock has jumped.
    skew: i64,
    pub(crate) server: Server,
    /// Whether an obedient server shows every 20 s that it is alive.
    pub(crate) heartbeat: bool,
    pub(crate) provider: Provider,
    /// Every socket asked for, and when.
    pub(crate) opened: Vec<(u64, SocketId, ConnectRequest)>,
    /// Sockets that are open or on their way, the newest last.
    sockets: Vec<SocketId>,
    /// Everything sent: when, by which socket, what.
    pub(crate) sent: Vec<(u64, SocketId, String)>,
    pub(crate) pings: Vec<(u64, SocketId)>,
    /// Every question to the token provider: when, and whether it was forced.
    pub(crate) asked: Vec<(u64, bool)>,
    generation: u32,
    pub(crate) outcomes: BTreeMap<u32, Vec<Outcome>>,
    pub(crate) events: Vec<(u64, Event)>,
    pub(crate) requests: Vec<(HttpId, HttpRequest)>,
    pub(crate) aborted: Vec<HttpId>,
    /// Frames handed to listeners, in order, also those released later.
    pub(crate) delivered: Vec<(String, Verdict)>,
    frames: Vec<String>,
    /// What each frame was, numbers aside, for a host that tells the next one like it by numbers alone.
    told: Option<BTreeMap<String, Again>>,
    next_command: u32,
    next_token: u32,
    reactions: VecDeque<Reaction>,
    log: String,
    secrets: Vec<String>,
    /// Everything the machine said, as `Debug` shows it.
    pub(crate) debug: String,
}

enum Reaction {
    Opened(SocketId),
    Frame(SocketId, String),
    Closed(SocketId, DisconnectReason),
    Token(u32, Result<Token, TokenError>),
}

impl World {
    pub(crate) fn new(config: Config, caps: HostCaps) -> Self {
        Self::try_new(config, caps).unwrap()
    }

    pub(crate) fn try_new(config: Config, caps: HostCaps) -> Result<Self, steadfast::ConfigError> {
        let service = config.service;
        let secrets = match &config.token {
            TokenSource::Static(token) => vec![token.text.expose().into()],
            _ => Vec::new(),
        };
        Ok(Self {
            machine: Machine::new(config, caps)?,
            service,
            now: 0,
            skew: 0,
            server: Server::Manual,
            heartbeat: true,
            provider: Provider::Same("tok-0"),
            opened: Vec::new(),
            sockets: Vec::new(),
            sent: Vec::new(),
            pings: Vec::new(),
            asked: Vec::new(),
            generation: 0,
            outcomes: BTreeMap::new(),
            events: Vec::new(),
            requests: Vec::new(),
            aborted: Vec::new(),
            delivered: Vec::new(),
            frames: Vec::new(),
            told: None,
            next_command: 0,
            next_token: 0,
            reactions: VecDeque::new(),
            log: String::new(),
            secrets,
            debug: String::new(),
        })
    }

    /// A client on a native host, without jitter, with the provider's token `tok-0` where the service needs one.
    pub(crate) fn dev(service: Service) -> Self {
        Self::new(dev(service), HostCaps::NATIVE)
    }

    /// The same in a browser.
    pub(crate) fn browser(service: Service) -> Self {
        Self::new(dev(service), HostCaps::BROWSER)
    }

    pub(crate) fn obedient(mut self) -> Self {
        self.server = Server::Obedient;
        self
    }

    /// The host hands a frame that it knows from before over by its numbers.
    pub(crate) fn by_numbers(mut self) -> Self {
        self.told = Some(BTreeMap::new());
        self
    }

    pub(crate) fn server(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    pub(crate) fn provider(mut self, provider: Provider) -> Self {
        self.provider = provider;
        self
    }

    // --- time ---------------------------------------------------------------------------------------------------

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// Unix time.
    pub(crate) fn unix(&self) -> u64 {
        (EPOCH + self.now).saturating_add_signed(self.skew)
    }

    fn clocks(&self) -> Now {
        Now { mono: START + self.now, unix: self.unix() }
    }

    /// Goes on to this moment of the story, with a tick at each deadline on the way.
    pub(crate) fn at(&mut self, ms: u64) -> &mut Self {
        assert!(ms >= self.now, "the story is already at {}", self.now);
        while self.heartbeat && matches!(self.server, Server::Obedient) {
            let beat = (self.now / BEAT + 1) * BEAT;
            if beat > ms {
                break;
            }
            self.pass(beat);
            for socket in self.sockets.clone() {
                self.input(Input::Activity(socket));
            }
        }
        self.pass(ms)
    }

    fn pass(&mut self, ms: u64) -> &mut Self {
        let mut ticks = 0;
        while let Some(due) = self.machine.deadline() {
            let due = due.saturating_sub(START).max(self.now);
            if due > ms {
                break;
            }
            ticks = if due == self.now { ticks + 1 } else { 0 };
            assert!(ticks < 50, "the deadline stays at {due}\n{}", self.log);
            self.now = due;
            self.input(Input::Tick);
        }
        self.now = ms;
        self
    }

    /// So much time passes.
    pub(crate) fn advance(&mut self, ms: u64) -> &mut Self {
        self.at(self.now + ms)
    }

    /// The machine sleeps: time passes on both clocks, and nobody ticks.
    pub(crate) fn sleep(&mut self, ms: u64) -> &mut Self {
        self.now += ms;
        self
    }

    /// The wall clock alone jumps.
    pub(crate) fn jump(&mut self, ms: i64) -> &mut Self {
        self.skew += ms;
        self
    }

    // --- the host ----------------------------------------------------------------------------------------------

    pub(crate) fn input(&mut self, input: Input) -> &mut Self {
        self.machine.handle(self.clocks(), input);
        self.drain();
        self
    }

    pub(crate) fn tick(&mut self) -> &mut Self {
        self.input(Input::Tick)
    }

    /// The newest socket.
    pub(crate) fn socket(&self) -> SocketId {
        *self.sockets.last().unwrap_or_else(|| panic!("no socket\n{}", self.log))
    }

    /// The sockets that are open or on their way.
    pub(crate) fn sockets(&self) -> &[SocketId] {
        &self.sockets
    }

    pub(crate) fn opened(&mut self) -> &mut Self {
        self.opened_on(self.socket())
    }

    pub(crate) fn opened_on(&mut self, socket: SocketId) -> &mut Self {
        self.line(format_args!("> opened #{}", socket.0));
        self.input(Input::Opened(socket))
    }

    /// The newest socket ends with a close frame; 1006: without one.
    pub(crate) fn close(&mut self, code: u16, reason: &str) -> &mut Self {
        self.ended(DisconnectReason::Closed { code, reason: reason.into() })
    }

    pub(crate) fn ended(&mut self, reason: DisconnectReason) -> &mut Self {
        self.ended_on(self.socket(), reason)
    }

    pub(crate) fn ended_on(&mut self, socket: SocketId, reason: DisconnectReason) -> &mut Self {
        match &reason {
            DisconnectReason::Closed { code, reason } => {
                self.line(format_args!("> closed #{} {code} {reason:?}", socket.0));
            }
            other => self.line(format_args!("> ended #{} {other:?}", socket.0)),
        }
        self.sockets.retain(|own| *own != socket);
        self.input(Input::Closed(socket, reason))
    }

    /// A frame arrives on the newest socket.
    pub(crate) fn frame(&mut self, text: &str) -> Verdict {
        self.frame_on(self.socket(), text)
    }

    pub(crate) fn frame_on(&mut self, socket: SocketId, text: &str) -> Verdict {
        let frame = match messages::read(self.service, text) {
            Ok(frame) => frame,
            Err(violation) => {
                self.line(format_args!("> unreadable #{} {text}", socket.0));
                self.input(Input::Malformed(socket, violation));
                return Verdict::default();
            }
        };
        let envelope = frame.envelope();
        let verdict = self.judged(socket, text.len(), frame.head, &envelope);
        self.line(format_args!("> frame #{} {text}{}", socket.0, flags(verdict)));
        self.frames.push(text.into());
        if verdict.has(Verdict::DELIVER) {
            self.delivered.push((text.into(), verdict));
        }
        // A host drains after a frame only when the verdict asks for it.
        if verdict.has(Verdict::POLL) {
            self.drain();
        } else {
            assert!(self.machine.poll().is_none(), "an output waits although the verdict has no POLL");
        }
        assert!(matches!(frame.head, Head::Json) || !verdict.has(Verdict::HOLD) || !envelope.name.is_empty());
        verdict
    }

    fn judged(&mut self, socket: SocketId, len: usize, head: Head, envelope: &Envelope<'_>) -> Verdict {
        let now = self.clocks();
        let Some(told) = &mut self.told else { return self.machine.frame(now, socket, len, head, envelope) };
        let numbers = envelope.numbers();
        let alike = Envelope { progress: None, at: None, eta: None, sequence: None, ..envelope.clone() };
        let key = format!("{head:?} {alike:?}");
        let known = told.get(&key);
        if let Some(verdict) = known.and_then(|&last| self.machine.again(now, socket, len, last, &numbers)) {
            return verdict;
        }
        let verdict = self.machine.frame_in_full(now, socket, len, head, envelope);
        if let Some(again) = envelope.topic.and_then(|topic| self.machine.repeatable(topic)) {
            told.insert(key, again);
        }
        verdict
    }

    /// Bytes arrive that are no frame.
    pub(crate) fn activity(&mut self) -> &mut Self {
        self.input(Input::Activity(self.socket()))
    }

    pub(crate) fn visibility(&mut self, visibility: Visibility) -> &mut Self {
        self.line(format_args!("> {visibility:?}"));
        self.input(Input::Visibility(visibility))
    }

    pub(crate) fn network(&mut self, reachability: Reachability) -> &mut Self {
        self.line(format_args!("> {reachability:?}"));
        self.input(Input::Network(reachability))
    }

    /// The token provider answers its newest question.
    pub(crate) fn token(&mut self, text: &str, ttl: Option<u64>) -> &mut Self {
        let token = self.make_token(text, ttl);
        self.input(Input::Token(self.generation, Ok(token)))
    }

    pub(crate) fn no_token(&mut self, error: TokenError) -> &mut Self {
        self.input(Input::Token(self.generation, Err(error)))
    }

    pub(crate) fn make_token(&mut self, text: &str, ttl: Option<u64>) -> Token {
        self.secrets.push(text.into());
        Token { text: Secret::new(text), expires_at: ttl.map(|ttl| self.unix() + ttl) }
    }

    pub(crate) fn http(&mut self, status: u16, readable: bool, error: Option<&str>) -> &mut Self {
        let id = self.requests.last().unwrap().0;
        let error = error.map(String::from);
        self.input(Input::Http(id, Ok(HttpReply { status, retry_after: None, readable, error })))
    }

    // --- the app -----------------------------------------------------------------------------------------------

    pub(crate) fn command(&mut self, command: Command) -> CommandId {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        let shown = match &command {
            Command::SetToken(_) => "set_token".into(),
            other => format!("{other:?}"),
        };
        self.line(format_args!("< {} {shown}", id.0));
        self.input(Input::Command(id, command));
        id
    }

    pub(crate) fn cancel(&mut self, id: CommandId) -> &mut Self {
        self.line(format_args!("< cancel {}", id.0));
        self.input(Input::Cancel(id))
    }

    pub(crate) fn connect(&mut self) -> &mut Self {
        self.command(Command::Connect);
        self
    }

    pub(crate) fn subscribe(&mut self, topic: &str) -> &mut Self {
        self.command(Command::Subscribe { topic: topic.into(), keep: false });
        self
    }

    pub(crate) fn keep(&mut self, topic: &str) -> &mut Self {
        self.command(Command::Subscribe { topic: topic.into(), keep: true });
        self
    }

    pub(crate) fn unsubscribe(&mut self, topic: &str) -> &mut Self {
        self.command(Command::Unsubscribe { topic: topic.into() });
        self
    }

    pub(crate) fn set_token(&mut self, text: &str, ttl: Option<u64>) -> &mut Self {
        let token = self.make_token(text, ttl);
        self.command(Command::SetToken(token));
        self
    }

    pub(crate) fn request(&mut self, request: Request) -> CommandId {
        self.command(Command::Request(request, Delivery::default()))
    }

    pub(crate) fn request_now(&mut self, request: Request) -> CommandId {
        self.command(Command::Request(request, Delivery::FailFast))
    }

    pub(crate) fn shutdown(&mut self) -> &mut Self {
        self.command(Command::Shutdown);
        self
    }
}

/// A configuration for the service on a developer's machine, without jitter; a provider where a token is needed.
pub(crate) fn dev(service: Service) -> Config {
    let mut config = Config::new(service, Endpoint::Development);
    config.reconnect.jitter = false;
    if service != Service::DocProc {
        config.token = TokenSource::Provider;
    }
    config
}

/// The services that share one connection, and the topic that each calls so.
pub(crate) const SHARED: [Service; 4] =
    [Service::Charisma, Service::Saga, Service::DocProc, Service::DevContext];
