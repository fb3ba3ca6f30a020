//! What goes into the machine and what comes out: sockets, HTTP requests, tokens and time, all as plain data.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::command::{Command, CommandError, CommandId, Reply};
use crate::config::AuthMode;
use crate::event::Event;

/// Names one socket. A number is never used again, so news of an abandoned socket is recognised and ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u32);

/// Names one HTTP request. A number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HttpId(pub u32);

/// Names one frame: both sides count the frames handed to [`Machine::frame`](crate::Machine::frame), from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(pub u32);

/// A text that must never be shown: its `Debug` says only that there is one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(empty)" } else { "(secret)" })
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// An access token. The edge reads a JWT's `exp` (RFC 7519 §4.1.4), the machine only compares it with the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// The token as sent.
    pub text: Secret,
    /// When it expires, Unix time in ms; `None` if the token doesn't say.
    pub expires_at: Option<u64>,
}

impl Token {
    /// Whether it can be sent at all: not empty, no spaces or control characters, and ASCII if a header carries it.
    pub(crate) fn is_usable(&self, by: AuthMode) -> bool {
        let text = self.text.expose();
        let header = matches!(by, AuthMode::Header | AuthMode::Subprotocol);
        !text.is_empty()
            && !crate::text::has_control(text)
            && !crate::text::has(text, " ")
            && (!header || text.is_ascii())
    }
}

/// Why a token provider gave no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It could not be had now; it is asked again by the usual backoff. The text says why.
    Unavailable(String),
    /// There will be none: the user is signed out, say. Ends in `AuthFailed`.
    Denied(String),
}

/// Whether the network can be used, as far as the host knows. A hint: loopback URLs ignore it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Reachability {
    /// There is a network, or it changed.
    #[default]
    Online,
    /// There is none.
    Offline,
}

/// Whether a person can see the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// The page or the app is in front.
    #[default]
    Visible,
    /// A page that is hidden: its timers are throttled, its socket stays.
    Hidden,
    /// A mobile app in the background: its socket is closed after a grace time.
    Background,
}

/// Why a socket ended, or was never opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// The peer's close frame (RFC 6455 §7.4); 1005 if it carried no code, 1006 if there was no close frame.
    Closed {
        /// The close code.
        code: u16,
        /// The reason, at most 123 bytes.
        reason: String,
    },
    /// The upgrade was answered by another HTTP status than 101.
    Http {
        /// The status.
        status: u16,
        /// `Retry-After` in ms.
        retry_after: Option<u64>,
    },
    /// Nobody answered: DNS, refused, reset or unreachable. The text is for people.
    Network(String),
    /// The server's certificate was refused, or its port does not speak TLS. The text says why.
    Tls(String),
    /// A message over the size limit arrived; the host has closed the socket with 1009 (browsers: 4009).
    TooLarge,
    /// The peer broke RFC 6455; `code` is what the host closed with (1002, 1003, 1007).
    Protocol {
        /// The close code sent.
        code: u16,
        /// What was wrong.
        reason: String,
    },
}

/// What made a frame unreadable. [rules §2.1]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was wrong, for people.
    pub reason: String,
    /// The beginning of the frame, at most 256 bytes.
    pub excerpt: String,
}

/// What a host can do. It decides the default way to authenticate and how a socket is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostCaps {
    /// It can send WebSocket pings and see those of the server.
    pub ws_ping: bool,
    /// It can set headers on the upgrade request.
    pub headers: bool,
    /// It sees the HTTP status of a refused upgrade.
    pub http_status: bool,
    /// It can send HTTP requests.
    pub http: bool,
}

impl HostCaps {
    /// A program with sockets of its own.
    pub const NATIVE: Self = Self { ws_ping: true, headers: true, http_status: true, http: true };
    /// A page or worker in a browser.
    pub const BROWSER: Self = Self { ws_ping: false, headers: false, http_status: false, http: true };
}

/// A WebSocket to open. `Debug` shows the URL without its query and no header's value.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectRequest {
    /// A `ws` or `wss` URL; its query may hold a token.
    pub url: String,
    /// Headers of the upgrade request; empty for hosts that cannot set any.
    pub headers: Vec<(String, String)>,
    /// Subprotocols to offer.
    pub subprotocols: Vec<String>,
    /// The most bytes one incoming message may have.
    pub max_message: usize,
}

impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectRequest")
            .field("url", &crate::url::redact(&self.url))
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("subprotocols", &self.subprotocols.len())
            .finish_non_exhaustive()
    }
}

/// An HTTP request to send. `Debug` shows neither body nor header values.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// An `http` or `https` URL.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body, JSON if there is one.
    pub body: Option<String>,
    /// The most bytes the answer's body may have.
    pub max_body: usize,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &crate::url::redact(&self.url))
            .finish_non_exhaustive()
    }
}

/// An answer to an HTTP request. The edge keeps the body and has parsed it; the machine sees what it needs to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// `Retry-After` in ms.
    pub retry_after: Option<u64>,
    /// Whether the body is JSON of the form that the request expects.
    pub readable: bool,
    /// The text of `{"error": …}`, or what was wrong with the body.
    pub error: Option<String>,
}

/// Why there is no answer to an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    /// What happened, for people.
    pub reason: String,
    /// Whether the request may have reached the server.
    pub sent: bool,
}

/// Everything that can happen to the machine, save a frame (see [`Machine::frame`](crate::Machine::frame)).
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The app wants something. Ids are the caller's, each used once.
    Command(CommandId, Command),
    /// The caller no longer waits for this command.
    Cancel(CommandId),
    /// A socket is open: the upgrade was answered 101.
    Opened(SocketId),
    /// Bytes arrived that are no frame: a WebSocket ping or pong, or part of a message.
    Activity(SocketId),
    /// A socket ended or could not be opened. Nothing more is said of it.
    Closed(SocketId, DisconnectReason),
    /// A frame arrived that the edge could not read.
    Malformed(SocketId, Violation),
    /// A binary message of this many bytes arrived; only Socket.IO's binary events announce some.
    Binary(SocketId, usize),
    /// An HTTP request ended.
    Http(HttpId, Result<HttpReply, HttpError>),
    /// The token provider answered the call of this generation.
    Token(u32, Result<Token, TokenError>),
    /// The network changed.
    Network(Reachability),
    /// The app or page was shown, hidden, or sent to the background.
    Visibility(Visibility),
    /// The deadline passed, or the host just wants the clocks re-read.
    Tick,
}

/// Why the machine closes a socket. Each host maps it to a code it may send. [rules §2.11]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Nothing more is wanted: 1000.
    Done,
    /// The peer was silent for too long, or did not answer: 1000 natively after which nobody waits; browsers 4000.
    Dead,
    /// A newer connection has taken over: 1000.
    Replaced,
    /// The app went to the background: 1000.
    Suspended,
    /// The handshake took too long or was refused: 1000.
    Handshake,
}

/// Everything the machine asks of its host, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Open a WebSocket; answer with `Opened` or `Closed`.
    Open(SocketId, ConnectRequest),
    /// Send a text message.
    Send(SocketId, Secret),
    /// Send a WebSocket ping; only to hosts with [`HostCaps::ws_ping`].
    Ping(SocketId),
    /// Close the socket and forget it; no `Closed` is expected.
    Close(SocketId, CloseReason),
    /// Send an HTTP request; answer with `Http`.
    Http(HttpId, HttpRequest),
    /// Drop an HTTP request if it is still under way; no answer is expected.
    Abort(HttpId),
    /// Ask the token provider; answer with `Token` and this generation.
    FetchToken {
        /// Names the call; answers to older ones are ignored.
        generation: u32,
        /// Whether the last token was refused, so that a cached one is of no use.
        force: bool,
    },
    /// The command ended; nothing more is said of it.
    Done(CommandId, Result<Reply, CommandError>),
    /// A frame that was held: deliver it now by this verdict, or forget it.
    Release(FrameId, crate::envelope::Verdict),
    /// Something for the app.
    Event(Event),
}
