//! What a client is told before it starts. Everything but the endpoint has a default; times are in milliseconds.

use std::collections::HashMap;
use std::time::Duration;

use super::SteadfastError;
use crate::client::Options;
use crate::config::{AuthMode, Endpoint, Service};

/// What a client is told before it starts.
#[derive(Clone, Debug, uniffi::Record)]
pub struct ClientOptions {
    /// Where the service is.
    pub endpoint: Endpoint,
    /// Always this token. It is not refreshed; a token provider is the better choice.
    #[uniffi(default = None)]
    pub token: Option<String>,
    /// How the token reaches the service. Default: the service's own way.
    #[uniffi(default = None)]
    pub auth: Option<AuthMode>,
    /// Where its REST interface is. Default: the service's URL with `http` and without the socket path.
    #[uniffi(default = None)]
    pub rest_url: Option<String>,
    /// Query parameters added to the socket's URL.
    #[uniffi(default)]
    pub query: HashMap<String, String>,
    /// Headers added to the upgrade request and to REST requests.
    #[uniffi(default)]
    pub headers: HashMap<String, String>,
    /// Text fields added to the payload of Socket.IO's CONNECT.
    #[uniffi(default)]
    pub connect_fields: HashMap<String, String>,
    /// Whether plain `ws` and `http` may leave this machine. Default: only to loopback addresses.
    #[uniffi(default = false)]
    pub allow_insecure: bool,
    /// Certificates in PEM that are trusted besides the platform's roots.
    #[uniffi(default)]
    pub extra_root_pem: Vec<String>,
    /// When and how often to try again.
    #[uniffi(default)]
    pub reconnect: ReconnectOptions,
    /// The other times.
    #[uniffi(default)]
    pub timings: TimingOptions,
    /// Bounds on what is sent, kept and received.
    #[uniffi(default)]
    pub limits: LimitOptions,
    /// TherapyBridge: whether pings are answered by a `pong`. Default: true.
    #[uniffi(default = true)]
    pub answer_pings: bool,
    /// DevContext: whether the analysis is fetched by REST at each completed stage. Default: false.
    #[uniffi(default = false)]
    pub fetch_on_stage: bool,
    /// Whether the text of frames is logged too, at level `Trace` and without tokens: it may be personal. Default:
    /// false.
    #[uniffi(default = false)]
    pub log_frames: bool,
}

/// When and how often to try again. What is left out has the documented default.
#[derive(Clone, Debug, uniffi::Record)]
#[cfg_attr(test, derive(Default))]
pub struct ReconnectOptions {
    /// Whether a lost connection is tried again at all. Default: true.
    #[uniffi(default = true)]
    pub enabled: bool,
    /// How many attempts in a row before it fails. Default: no limit.
    #[uniffi(default = None)]
    pub max_attempts: Option<i64>,
    /// Whether delays are drawn at random below the nominal ones. Default: true.
    #[uniffi(default = true)]
    pub jitter: bool,
    /// How many attempts a link makes at the most in any 60 s. Default: 12.
    #[uniffi(default = None)]
    pub attempts_per_minute: Option<i64>,
    /// The first nominal delay; each is twice the one before. Default: 1 s.
    #[uniffi(default = None)]
    pub base_delay_ms: Option<i64>,
    /// The largest nominal delay. Default: 30 s.
    #[uniffi(default = None)]
    pub max_delay_ms: Option<i64>,
    /// How long opening a connection may take. Default: 10 s.
    #[uniffi(default = None)]
    pub dial_timeout_ms: Option<i64>,
    /// How long the protocol's handshake may take after that. Default: 10 s.
    #[uniffi(default = None)]
    pub handshake_timeout_ms: Option<i64>,
    /// How long a connection must last before the attempts are forgotten. Default: 10 s.
    #[uniffi(default = None)]
    pub stable_after_ms: Option<i64>,
    /// The longest `Retry-After` that is honoured. Default: 5 min.
    #[uniffi(default = None)]
    pub max_retry_after_ms: Option<i64>,
    /// The widest first wait after the server said that it restarts. Default: 10 s.
    #[uniffi(default = None)]
    pub restart_spread_ms: Option<i64>,
}

/// The other times. What is left out has the documented default.
#[derive(Clone, Debug, uniffi::Record)]
#[cfg_attr(test, derive(Default))]
pub struct TimingOptions {
    /// How long the server may be silent. Default: the service's own limit.
    #[uniffi(default = None)]
    pub silence_limit_ms: Option<i64>,
    /// The smallest silence limit while the app is hidden. Default: 70 s.
    #[uniffi(default = None)]
    pub hidden_silence_limit_ms: Option<i64>,
    /// How often DevContext is pinged. Default: 30 s.
    #[uniffi(default = None)]
    pub ping_interval_ms: Option<i64>,
    /// How long DevContext may take to answer. Default: 10 s.
    #[uniffi(default = None)]
    pub pong_timeout_ms: Option<i64>,
    /// How long a probe after a wake-up may take. Default: 2.5 s.
    #[uniffi(default = None)]
    pub probe_timeout_ms: Option<i64>,
    /// A clock that jumps by more than this is a wake-up. Default: 5 s.
    #[uniffi(default = None)]
    pub clock_jump_ms: Option<i64>,
    /// How long an app stays connected in the background. Default: 25 s.
    #[uniffi(default = None)]
    pub background_grace_ms: Option<i64>,
    /// How long a confirmation may take before it is asked once more. Default: 10 s.
    #[uniffi(default = None)]
    pub confirm_timeout_ms: Option<i64>,
    /// How long the subscription at the server outlives the last session. Default: 2.5 s.
    #[uniffi(default = None)]
    pub linger_ms: Option<i64>,
    /// How long a command may take from the write to the reply. Default: 15 s.
    #[uniffi(default = None)]
    pub command_timeout_ms: Option<i64>,
    /// How long the token provider may take. Default: 15 s.
    #[uniffi(default = None)]
    pub token_timeout_ms: Option<i64>,
    /// A token is renewed at least this long before it expires. Default: 10 s.
    #[uniffi(default = None)]
    pub refresh_margin_ms: Option<i64>,
    /// The token provider is not asked ahead of time more often than this. Default: 5 s.
    #[uniffi(default = None)]
    pub refresh_interval_ms: Option<i64>,
    /// How long DocProc's completion waits for its result. Default: 2 s.
    #[uniffi(default = None)]
    pub completion_wait_ms: Option<i64>,
    /// After how long a DevContext connection is replaced, ± 10 %. Default: 50 min.
    #[uniffi(default = None)]
    pub rotate_after_ms: Option<i64>,
    /// How long a replaced connection stays for its commands. Default: 20 s.
    #[uniffi(default = None)]
    pub drain_limit_ms: Option<i64>,
    /// How long TherapyBridge's server may leave the connection open after the end. Default: 1 s.
    #[uniffi(default = None)]
    pub close_after_end_ms: Option<i64>,
    /// Wake-ups skip a wait at most once in this time. Default: 5 s.
    #[uniffi(default = None)]
    pub wake_interval_ms: Option<i64>,
}

/// Bounds on what is sent, kept and received. What is left out has the documented default.
#[derive(Clone, Debug, uniffi::Record)]
#[cfg_attr(test, derive(Default))]
pub struct LimitOptions {
    /// The largest incoming message, bytes. Default: the service's own (128 KiB on DevContext, else 1 MiB).
    #[uniffi(default = None)]
    pub max_incoming: Option<i64>,
    /// The largest outgoing message, bytes. Default: the service's own (128 KiB on DevContext, else 1 MiB).
    #[uniffi(default = None)]
    pub max_outgoing: Option<i64>,
    /// How many events are kept for slow readers. Default: 1,024.
    #[uniffi(default = None)]
    pub events: Option<i64>,
    /// How many bytes of events are kept for slow readers. Default: 1 MiB.
    #[uniffi(default = None)]
    pub event_bytes: Option<i64>,
    /// How many bytes may wait for a server that doesn't read. Default: 2 MiB.
    #[uniffi(default = None)]
    pub write_buffer: Option<i64>,
    /// The read buffer of a connection, bytes. Default: 4 KiB; at least 1 KiB.
    #[uniffi(default = None)]
    pub read_buffer: Option<i64>,
    /// How long one message may take from its first byte to its last, ms. Default: 30 s.
    #[uniffi(default = None)]
    pub message_time_ms: Option<i64>,
    /// How many commands may wait. Default: 64.
    #[uniffi(default = None)]
    pub queue_entries: Option<i64>,
    /// How many bytes of commands may wait. Default: 256 KiB.
    #[uniffi(default = None)]
    pub queue_bytes: Option<i64>,
    /// How many messages are sent in any 60 s where the service limits them. Default: 90.
    #[uniffi(default = None)]
    pub messages_per_minute: Option<i64>,
    /// How many of these subscriptions leave to everything else. Default: 10.
    #[uniffi(default = None)]
    pub messages_reserved: Option<i64>,
    /// How many messages are sent in any second where the service limits them. Default: 20.
    #[uniffi(default = None)]
    pub messages_per_second: Option<i64>,
    /// How many sessions TherapyBridge follows at once. Default: 20.
    #[uniffi(default = None)]
    pub connections: Option<i64>,
    /// How many items a snapshot keeps. Default: 256.
    #[uniffi(default = None)]
    pub items: Option<i64>,
}

impl ClientOptions {
    /// The same as the core has it.
    pub(super) fn read(self, service: Service) -> Result<Options, SteadfastError> {
        let mut options = Options::new(service, self.endpoint);
        if let Some(token) = self.token {
            options = options.token(token);
        }
        let config = &mut options.config;
        config.auth = self.auth.unwrap_or_default();
        config.rest_url = self.rest_url;
        config.query = sorted(self.query);
        config.headers = sorted(self.headers);
        config.connect_fields = sorted(self.connect_fields);
        config.allow_insecure = self.allow_insecure;
        config.answer_pings = self.answer_pings;
        config.fetch_on_stage = self.fetch_on_stage;
        options.log_frames = self.log_frames;
        options.native.extra_roots = self.extra_root_pem;
        self.reconnect.read(&mut options)?;
        self.timings.read(&mut options)?;
        self.limits.read(&mut options)?;
        Ok(options)
    }
}

impl ReconnectOptions {
    fn read(self, options: &mut Options) -> Result<(), SteadfastError> {
        let to = &mut options.config.reconnect;
        to.reconnect = self.enabled;
        to.jitter = self.jitter;
        to.max_attempts = self.max_attempts.map(|given| count("max_attempts", given)).transpose()?;
        set(&mut to.attempts_per_minute, "attempts_per_minute", self.attempts_per_minute, count)?;
        set(&mut to.base_delay, "base_delay_ms", self.base_delay_ms, time)?;
        set(&mut to.max_delay, "max_delay_ms", self.max_delay_ms, time)?;
        set(&mut to.dial_timeout, "dial_timeout_ms", self.dial_timeout_ms, time)?;
        set(&mut to.handshake_timeout, "handshake_timeout_ms", self.handshake_timeout_ms, time)?;
        set(&mut to.stable_after, "stable_after_ms", self.stable_after_ms, time)?;
        set(&mut to.max_retry_after, "max_retry_after_ms", self.max_retry_after_ms, time)?;
        set(&mut to.restart_spread, "restart_spread_ms", self.restart_spread_ms, time)?;
        Ok(())
    }
}

impl TimingOptions {
    fn read(self, options: &mut Options) -> Result<(), SteadfastError> {
        let to = &mut options.config.timings;
        to.silence_limit = self.silence_limit_ms.map(|given| time("silence_limit_ms", given)).transpose()?;
        set(&mut to.hidden_silence_limit, "hidden_silence_limit_ms", self.hidden_silence_limit_ms, time)?;
        set(&mut to.ping_interval, "ping_interval_ms", self.ping_interval_ms, time)?;
        set(&mut to.pong_timeout, "pong_timeout_ms", self.pong_timeout_ms, time)?;
        set(&mut to.probe_timeout, "probe_timeout_ms", self.probe_timeout_ms, time)?;
        set(&mut to.clock_jump, "clock_jump_ms", self.clock_jump_ms, time)?;
        set(&mut to.background_grace, "background_grace_ms", self.background_grace_ms, time)?;
        set(&mut to.confirm_timeout, "confirm_timeout_ms", self.confirm_timeout_ms, time)?;
        set(&mut to.linger, "linger_ms", self.linger_ms, time)?;
        set(&mut to.command_timeout, "command_timeout_ms", self.command_timeout_ms, time)?;
        set(&mut to.token_timeout, "token_timeout_ms", self.token_timeout_ms, time)?;
        set(&mut to.refresh_margin, "refresh_margin_ms", self.refresh_margin_ms, time)?;
        set(&mut to.refresh_interval, "refresh_interval_ms", self.refresh_interval_ms, time)?;
        set(&mut to.completion_wait, "completion_wait_ms", self.completion_wait_ms, time)?;
        set(&mut to.rotate_after, "rotate_after_ms", self.rotate_after_ms, time)?;
        set(&mut to.drain_limit, "drain_limit_ms", self.drain_limit_ms, time)?;
        set(&mut to.close_after_end, "close_after_end_ms", self.close_after_end_ms, time)?;
        set(&mut to.wake_interval, "wake_interval_ms", self.wake_interval_ms, time)?;
        Ok(())
    }
}

impl LimitOptions {
    fn read(self, options: &mut Options) -> Result<(), SteadfastError> {
        set(&mut options.ring_events, "events", self.events, count)?;
        set(&mut options.ring_bytes, "event_bytes", self.event_bytes, count)?;
        set(&mut options.native.write_buffer, "write_buffer", self.write_buffer, count)?;
        set(&mut options.native.read_buffer, "read_buffer", self.read_buffer, count)?;
        set(&mut options.native.message_time, "message_time_ms", self.message_time_ms, time)?;
        let to = &mut options.config.limits;
        to.max_incoming = self.max_incoming.map(|given| count("max_incoming", given)).transpose()?;
        to.max_outgoing = self.max_outgoing.map(|given| count("max_outgoing", given)).transpose()?;
        set(&mut to.queue_entries, "queue_entries", self.queue_entries, count)?;
        set(&mut to.queue_bytes, "queue_bytes", self.queue_bytes, count)?;
        set(&mut to.messages_per_minute, "messages_per_minute", self.messages_per_minute, count)?;
        set(&mut to.messages_reserved, "messages_reserved", self.messages_reserved, count)?;
        set(&mut to.messages_per_second, "messages_per_second", self.messages_per_second, count)?;
        set(&mut to.connections, "connections", self.connections, count)?;
        set(&mut to.items, "items", self.items, count)?;
        Ok(())
    }
}

/// In an order of their own, so that the same options always give the same request.
fn sorted(map: HashMap<String, String>) -> Vec<(String, String)> {
    let mut list: Vec<_> = map.into_iter().collect();
    list.sort();
    list
}

/// Sets a value if one was given.
fn set<T>(
    to: &mut T,
    field: &str,
    given: Option<i64>,
    read: fn(&str, i64) -> Result<T, SteadfastError>,
) -> Result<(), SteadfastError> {
    if let Some(given) = given {
        *to = read(field, given)?;
    }
    Ok(())
}

fn time(field: &str, given: i64) -> Result<Duration, SteadfastError> {
    count(field, given).map(Duration::from_millis)
}

fn count<T: TryFrom<i64>>(field: &str, given: i64) -> Result<T, SteadfastError> {
    T::try_from(given).map_err(|_| SteadfastError::Configuration {
        field: field.to_owned(),
        detail: format!("{given} is no possible value"),
    })
}
