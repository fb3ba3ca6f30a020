//! What a client is told before it starts. Every limit and time of the protocols can be tuned here.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::io::Token;

/// One of the five services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Service {
    /// Upload and OCR of conversations. JSON frames.
    Charisma,
    /// Transcription of therapy sessions. JSON frames, one connection per session.
    TherapyBridge,
    /// Family biographies. Socket.IO.
    Saga,
    /// Document processing by several models. Socket.IO.
    DocProc,
    /// Analysis of repositories and mock interviews. JSON frames.
    DevContext,
}

impl Service {
    /// All services.
    pub const ALL: [Self; 5] =
        [Self::Charisma, Self::TherapyBridge, Self::Saga, Self::DocProc, Self::DevContext];

    /// The name in URLs, options and documents.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Charisma => "charisma",
            Self::TherapyBridge => "therapybridge",
            Self::Saga => "saga",
            Self::DocProc => "docproc",
            Self::DevContext => "devcontext",
        }
    }

    /// The service with this name.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.slug() == slug)
    }

    /// The service's own URL in production, where it names one.
    pub const fn production_url(self) -> Option<&'static str> {
        match self {
            Self::Charisma => Some("wss://api.charismaai.app/ws"),
            Self::TherapyBridge => Some("wss://api.therapybridge.com"),
            Self::DevContext => Some("wss://api.devcontext-ai.com/v1/ws"),
            Self::Saga | Self::DocProc => None,
        }
    }

    /// The service's URL on a developer's machine.
    pub const fn development_url(self) -> &'static str {
        match self {
            Self::Charisma => "ws://localhost:8080/ws",
            Self::TherapyBridge => "ws://localhost:8000",
            Self::Saga => "http://localhost:3001",
            Self::DocProc => "http://localhost:3000",
            Self::DevContext => "ws://localhost:8081/v1/ws",
        }
    }
}

impl crate::text::Piece for Service {
    fn put(&self, out: &mut String) {
        out.push_str(self.slug());
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// Where the service is. `Debug` shows a URL without its query.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Endpoint {
    /// The service's own production URL; Saga and DocProc name none.
    Production,
    /// The service's URL on a developer's machine.
    Development,
    /// The base URL, with `ws`, `wss`, `http` or `https`, with or without the known socket path.
    Url(String),
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Production => f.write_str("Production"),
            Self::Development => f.write_str("Development"),
            Self::Url(url) => f.debug_tuple("Url").field(&crate::redact_url(url)).finish(),
        }
    }
}

/// How the token reaches the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum AuthMode {
    /// The service's default on this host: a header where headers can be set, else the query (Charisma), a message
    /// (DevContext); always the query on TherapyBridge and the CONNECT packet on Saga and DocProc.
    #[default]
    Auto,
    /// `Authorization: Bearer` on the upgrade request. Not in a browser.
    Header,
    /// `?token=`.
    Query,
    /// An `authenticate` message first.
    Message,
    /// The token as a WebSocket subprotocol (DevContext only).
    Subprotocol,
}

impl AuthMode {
    /// The name, as shown to people and in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Header => "header",
            Self::Query => "query",
            Self::Message => "message",
            Self::Subprotocol => "subprotocol",
        }
    }
}

/// Where tokens come from. [rules §2.6]
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TokenSource {
    /// There is none (DocProc's default).
    #[default]
    None,
    /// Always this one. It is not refreshed; when it expires the server's refusal decides.
    Static(Token),
    /// The host asks a provider, by [`Output::FetchToken`](crate::Output::FetchToken).
    Provider,
}

/// When and how often to try again. [rules §2.3]
#[derive(Clone, Debug, PartialEq)]
pub struct Reconnect {
    /// Whether a lost connection is tried again at all. Default: true.
    pub reconnect: bool,
    /// How many attempts in a row before it fails. Default: no limit.
    pub max_attempts: Option<u32>,
    /// The first nominal delay; each is twice the one before. Default: 1 s.
    pub base_delay: Duration,
    /// The largest nominal delay. Default: 30 s.
    pub max_delay: Duration,
    /// Whether delays are drawn at random below the nominal ones. Default: true.
    pub jitter: bool,
    /// How long opening a socket may take, token excluded. Default: 10 s.
    pub dial_timeout: Duration,
    /// How long the protocol's handshake may take after that. Default: 10 s.
    pub handshake_timeout: Duration,
    /// How long Ready must last before the attempts are forgotten. Default: 10 s.
    pub stable_after: Duration,
    /// How many attempts a link makes at the most in any 60 s, whatever happens. Default: 12.
    pub attempts_per_minute: u32,
    /// The longest `Retry-After` that is honoured. Default: 5 min.
    pub max_retry_after: Duration,
    /// The widest first wait after the server said that it restarts. Default: 10 s.
    pub restart_spread: Duration,
}

impl Reconnect {
    /// What holds where nothing else is said.
    const DEFAULT: Self = Self {
        reconnect: true,
        max_attempts: None,
        base_delay: Duration::from_secs(1),
        max_delay: Duration::from_secs(30),
        jitter: true,
        dial_timeout: Duration::from_secs(10),
        handshake_timeout: Duration::from_secs(10),
        stable_after: Duration::from_secs(10),
        attempts_per_minute: 12,
        max_retry_after: Duration::from_secs(300),
        restart_spread: Duration::from_secs(10),
    };
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The other times of the protocols.
#[derive(Clone, Debug, PartialEq)]
pub struct Timings {
    /// How long the server may be silent; `None`: the service's own limit (60 s, 75 s, or from the handshake).
    pub silence_limit: Option<Duration>,
    /// The smallest silence limit of a hidden page. Default: 70 s.
    pub hidden_silence_limit: Duration,
    /// How often DevContext is pinged. Default: 30 s.
    pub ping_interval: Duration,
    /// How long DevContext may take to answer. Default: 10 s.
    pub pong_timeout: Duration,
    /// How long a probe after a wake-up may take. Default: 2.5 s.
    pub probe_timeout: Duration,
    /// How often Charisma is probed in a visible page, where its pings can't be seen. Default: 45 s.
    pub browser_probe_interval: Duration,
    /// How long a server's ping may be overdue before a wake-up replaces a socket that can't be probed. Default: 5 s.
    pub overdue_grace: Duration,
    /// A clock that jumps by more than this is a wake-up. Default: 5 s.
    pub clock_jump: Duration,
    /// How long an app stays connected in the background. Default: 25 s.
    pub background_grace: Duration,
    /// How long a confirmation may take before it is asked once more. Default: 10 s.
    pub confirm_timeout: Duration,
    /// How long the wire's subscription outlives the last handle. Default: 2.5 s.
    pub linger: Duration,
    /// How long a command may take from the write to the reply. Default: 15 s.
    pub command_timeout: Duration,
    /// How long the token provider may take. Default: 15 s.
    pub token_timeout: Duration,
    /// A token is renewed at least this long before it expires. Default: 10 s.
    pub refresh_margin: Duration,
    /// The provider is not asked ahead of time more often than this. Default: 5 s.
    pub refresh_interval: Duration,
    /// How long DocProc's completion waits for its result. Default: 2 s.
    pub completion_wait: Duration,
    /// After how long a DevContext connection is replaced, ± 10 %. Default: 50 min.
    pub rotate_after: Duration,
    /// How long a replaced socket stays for its commands. Default: 20 s.
    pub drain_limit: Duration,
    /// How long TherapyBridge's server may leave the socket open after the end. Default: 1 s.
    pub close_after_end: Duration,
    /// Wake-ups skip a wait at most once in this time. Default: 5 s.
    pub wake_interval: Duration,
}

impl Timings {
    /// What holds where nothing else is said.
    const DEFAULT: Self = Self {
        silence_limit: None,
        hidden_silence_limit: Duration::from_secs(70),
        ping_interval: Duration::from_secs(30),
        pong_timeout: Duration::from_secs(10),
        probe_timeout: Duration::from_millis(2500),
        browser_probe_interval: Duration::from_secs(45),
        overdue_grace: Duration::from_secs(5),
        clock_jump: Duration::from_secs(5),
        background_grace: Duration::from_secs(25),
        confirm_timeout: Duration::from_secs(10),
        linger: Duration::from_millis(2500),
        command_timeout: Duration::from_secs(15),
        token_timeout: Duration::from_secs(15),
        refresh_margin: Duration::from_secs(10),
        refresh_interval: Duration::from_secs(5),
        completion_wait: Duration::from_secs(2),
        rotate_after: Duration::from_secs(3000),
        drain_limit: Duration::from_secs(20),
        close_after_end: Duration::from_secs(1),
        wake_interval: Duration::from_secs(5),
    };
}

impl Default for Timings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Bounds on what is sent, kept and received.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The largest incoming message, bytes; `None`: the service's own (128 KiB on DevContext, else 1 MiB).
    pub max_incoming: Option<usize>,
    /// The largest outgoing message, bytes; `None`: the service's own (128 KiB on DevContext, else 1 MiB).
    pub max_outgoing: Option<usize>,
    /// How many commands may wait. Default: 64.
    pub queue_entries: usize,
    /// How many bytes of commands may wait. Default: 256 KiB.
    pub queue_bytes: usize,
    /// How many messages are sent in any 60 s where the service limits them. Default: 90.
    pub messages_per_minute: u32,
    /// How many of these subscriptions leave to everything else. Default: 10.
    pub messages_reserved: u32,
    /// How many messages are sent in any second where the service limits them. Default: 20.
    pub messages_per_second: u32,
    /// How many sessions TherapyBridge follows at once. Default: 20.
    pub connections: usize,
    /// How many items a snapshot keeps. Default: 256.
    pub items: usize,
}

impl Limits {
    /// What holds where nothing else is said.
    const DEFAULT: Self = Self {
        max_incoming: None,
        max_outgoing: None,
        queue_entries: 64,
        queue_bytes: 256 * 1024,
        messages_per_minute: 90,
        messages_reserved: 10,
        messages_per_second: 20,
        connections: 20,
        items: 256,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a client is told before it starts.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// The service.
    pub service: Service,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Where its REST interface is; by default the service's URL with `http` and without the socket path.
    pub rest_url: Option<String>,
    /// Query parameters added to the socket's URL.
    pub query: Vec<(String, String)>,
    /// Headers added to the upgrade request and to REST requests. Not in a browser's upgrade request.
    pub headers: Vec<(String, String)>,
    /// Text fields added to the payload of Socket.IO's CONNECT.
    pub connect_fields: Vec<(String, String)>,
    /// Where tokens come from.
    pub token: TokenSource,
    /// How the token reaches the service.
    pub auth: AuthMode,
    /// Whether plain `ws` and `http` may leave this machine. Default: only to loopback addresses.
    pub allow_insecure: bool,
    /// When and how often to try again.
    pub reconnect: Reconnect,
    /// The other times.
    pub timings: Timings,
    /// Bounds.
    pub limits: Limits,
    /// TherapyBridge: whether pings are answered by a `pong`. Default: true.
    pub answer_pings: bool,
    /// DevContext: whether the analysis is fetched by REST at each completed stage. Default: false.
    pub fetch_on_stage: bool,
    /// Where the randomness of delays begins; hosts draw it at random, tests fix it.
    pub seed: u64,
}

impl Config {
    /// A configuration with the defaults of the service.
    pub fn new(service: Service, endpoint: Endpoint) -> Self {
        Self {
            service,
            endpoint,
            rest_url: None,
            query: Vec::new(),
            headers: Vec::new(),
            connect_fields: Vec::new(),
            token: TokenSource::None,
            auth: AuthMode::Auto,
            allow_insecure: false,
            reconnect: Reconnect::default(),
            timings: Timings::default(),
            limits: Limits::default(),
            answer_pings: true,
            fetch_on_stage: false,
            seed: 0,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("service", &self.service)
            .field("token", &self.token)
            .field("auth", &self.auth)
            .field("reconnect", &self.reconnect)
            .field("timings", &self.timings)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A configuration that can't work. It names the field and says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field, as it is called in [`Config`].
    pub field: &'static str,
    /// What is wrong with it, and what to do.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl core::error::Error for ConfigError {}

/// A duration as whole ms.
#[inline(never)]
pub(crate) fn ms(duration: Duration) -> u64 {
    let whole = duration.as_secs().min(u64::MAX / 4000) * 1000;
    (whole + u64::from(duration.subsec_millis())).min(u64::MAX / 4)
}
