//! What a host has to offer: sockets, HTTP requests, clocks and tasks. Every decision stays in the machine.
//!
//! A [`Platform`] opens [`Socket`]s and carries what the machine asks for. The loop on top of it polls its own sockets,
//! so neither trait needs locks or mailboxes, and every operation can be abandoned by dropping its future.

mod maybe_send;
#[cfg(feature = "native")]
pub mod native;
pub mod ring;
pub(crate) mod run;
pub(crate) mod shared;
#[cfg(all(feature = "web", target_arch = "wasm32"))]
pub mod web;

use core::fmt;
use core::future::{Future, poll_fn};
use core::task::{Context, Poll};
use core::time::Duration;

pub use maybe_send::{MaybeSend, MaybeSync};

use crate::io::{CloseReason, ConnectRequest, DisconnectReason, HostCaps, HttpError, HttpRequest};
use crate::time::Now;

/// A host: an async runtime natively, the event loop in a browser.
///
/// The futures it returns own all they need, and dropping one abandons the work: a dial leaves no socket behind and an
/// HTTP request is cut off.
///
/// The platform itself can be sent everywhere, so that the clients on it can: in a browser, keep what belongs to a
/// thread in the futures and sockets, which need not be `Send` there ([`MaybeSend`]).
pub trait Platform: Send + Sync + 'static {
    /// Its sockets.
    type Socket: Socket;

    /// What this host can do.
    fn caps(&self) -> HostCaps;

    /// Both clocks. A read costs a system call or two; read it once per batch of frames, not per frame.
    fn now(&self) -> Now;

    /// Completes after this time.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + MaybeSend + use<Self>;

    /// Opens a WebSocket. It completes when the upgrade was answered by 101, not before, or with the reason why not.
    /// It has no time limit of its own: the machine closes a socket that takes too long, which drops this future.
    /// [rules §2.3]
    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<Self::Socket, DisconnectReason>> + MaybeSend + use<Self>;

    /// Sends an HTTP request and reads the whole answer. Redirects are answers, not followed. No time limit either.
    fn http(
        &self,
        request: HttpRequest,
    ) -> impl Future<Output = Result<HttpAnswer, HttpError>> + MaybeSend + use<Self>;

    /// Runs a task to its end, beside everything else.
    fn spawn(&self, task: impl Future<Output = ()> + MaybeSend + 'static);
}

/// An open WebSocket.
///
/// Nothing here waits but [`recv`](Self::recv): writes are queued and go out the next time the socket is polled, which
/// its owner does anyway before it sleeps. A write that fails shows as [`Incoming::Closed`].
pub trait Socket: MaybeSend + 'static {
    /// The text of a message, as the host has it, not copied where that can be avoided. It may hold on to the buffer it
    /// arrived in: copy what is to be kept.
    type Text: AsRef<str> + MaybeSend + 'static;

    /// What arrived next, and flushes what is queued. After [`Incoming::Closed`] the socket is finished: every further
    /// call gives the same.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Incoming<Self::Text>>;

    /// [`poll_recv`](Self::poll_recv) as a future. Cancel-safe: nothing is lost if it is dropped.
    fn recv(&mut self) -> impl Future<Output = Incoming<Self::Text>> + MaybeSend {
        poll_fn(move |cx| self.poll_recv(cx))
    }

    /// Queues a text message. The queue is bounded: a peer that doesn't read until it is full ends the socket.
    fn send(&mut self, text: &str);

    /// Queues a WebSocket ping; nothing on a host without [`HostCaps::ws_ping`].
    fn ping(&mut self);

    /// Says goodbye and forgets the socket. Returns at once: a task of the host carries the close handshake on for at
    /// most two seconds. [rules §2.8]
    fn close(self, reason: CloseReason);
}

/// What a socket yields.
#[derive(Clone, PartialEq, Eq)]
pub enum Incoming<T> {
    /// A text message.
    Text(T),
    /// A binary message of this many bytes, whose content no service defines.
    Binary(usize),
    /// Bytes arrived that are no whole message: a ping (which the host has answered), a pong, a part of a message.
    Activity,
    /// The socket ended.
    Closed(DisconnectReason),
}

impl<T: AsRef<str>> fmt::Debug for Incoming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A message's text belongs to the app, not into logs. [rules §2.15]
            Self::Text(text) => write!(f, "Text({} bytes)", text.as_ref().len()),
            Self::Binary(len) => write!(f, "Binary({len} bytes)"),
            Self::Activity => f.write_str("Activity"),
            Self::Closed(reason) => f.debug_tuple("Closed").field(reason).finish(),
        }
    }
}

/// An answer to an HTTP request. `Debug` shows its size, not its body: a login's answer is a token.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// `Retry-After` in ms from now.
    pub retry_after: Option<u64>,
    /// The body, at most [`HttpRequest::max_body`] bytes.
    pub body: Vec<u8>,
}

impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}
