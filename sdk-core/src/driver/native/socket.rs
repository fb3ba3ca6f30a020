//! One open WebSocket: tokio-tungstenite reads messages, answers pings and watches over the protocol; the [`Wire`]
//! below it carries the bytes.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::io;

use futures_util::{FutureExt, SinkExt, Stream as _};
use rustls::crypto::SecureRandom;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::NativeOptions;
use super::wire::{Stream, Wire};
use crate::driver::{Incoming, Socket};
use crate::io::{CloseReason, DisconnectReason};

/// A limit above this is none, and can be added to any moment.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// How long a closed socket may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// The library never gives a read buffer back. A message above this leaves one that is worth replacing.
const LARGE_MESSAGE: usize = 32 * 1024;

/// A WebSocket on tokio.
pub struct NativeSocket {
    /// `None` once it has ended.
    socket: Option<WebSocketStream<Wire>>,
    ended: DisconnectReason,
    /// A write that can't be, told by the next read.
    failed: Option<DisconnectReason>,
    config: WebSocketConfig,
    slow: SlowMessage,
    grown: bool,
    runtime: Handle,
}

impl NativeSocket {
    pub(super) async fn new(
        stream: Stream,
        tail: &[u8],
        max_message: usize,
        options: &NativeOptions,
        random: &'static dyn SecureRandom,
        runtime: Handle,
    ) -> Self {
        // The write buffer only ever holds a pong or a close frame: everything else is the wire's.
        let config = WebSocketConfig::default()
            .read_buffer_size(options.read_buffer)
            .write_buffer_size(0)
            .max_write_buffer_size(1024)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let wire = Wire::new(stream, options.write_buffer, random, tail);
        let socket =
            WebSocketStream::from_partially_read(wire, tail.to_vec(), Role::Client, Some(config)).await;
        Self {
            socket: Some(socket),
            ended: DisconnectReason::Closed { code: 1006, reason: String::new() },
            failed: None,
            config,
            slow: SlowMessage::new(options.message_time),
            grown: false,
            runtime,
        }
    }

    fn push(&mut self, opcode: OpCode, payload: &[u8]) {
        if let Some(socket) = &mut self.socket
            && let Err(reason) = socket.get_mut().push(opcode, payload)
        {
            self.failed.get_or_insert(DisconnectReason::Network(reason));
        }
    }

    /// Ends the socket with this reason. With a code we close, without one the peer has.
    fn end(&mut self, reason: DisconnectReason, close: Option<CloseCode>) -> Incoming<Utf8Bytes> {
        if let Some(socket) = self.socket.take() {
            say_goodbye(socket, close, &self.runtime);
        }
        self.ended = reason.clone();
        Incoming::Closed(reason)
    }

    fn message(&mut self, message: Message) -> Incoming<Utf8Bytes> {
        match message {
            Message::Text(text) => {
                self.grown |= text.len() > LARGE_MESSAGE;
                Incoming::Text(text)
            }
            Message::Binary(bytes) => {
                self.grown |= bytes.len() > LARGE_MESSAGE;
                Incoming::Binary(bytes.len())
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Incoming::Activity,
            Message::Close(frame) => {
                let sent = self.socket.as_ref().and_then(|socket| socket.get_ref().watch().close_code());
                let (code, reason) = match frame {
                    None => (1005, String::new()),
                    Some(frame) => (sent.unwrap_or(frame.code.into()), frame.reason.as_str().to_owned()),
                };
                self.end(DisconnectReason::Closed { code, reason }, None)
            }
        }
    }

    fn error(&mut self, error: &Error) -> Incoming<Utf8Bytes> {
        use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
        let gone = |reason: String| DisconnectReason::Closed { code: 1006, reason };
        match error {
            Error::Protocol(ResetWithoutClosingHandshake)
            | Error::ConnectionClosed
            | Error::AlreadyClosed => self.end(gone(String::new()), None),
            Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.end(gone(String::new()), None)
            }
            Error::Io(error) => self.end(gone(error.kind().to_string()), None),
            Error::Capacity(_) => self.end(DisconnectReason::TooLarge, Some(CloseCode::Size)),
            Error::Utf8(_) => self.end(
                DisconnectReason::Protocol { code: 1007, reason: "a text message is not UTF-8".into() },
                Some(CloseCode::Invalid),
            ),
            other => self.end(
                DisconnectReason::Protocol { code: 1002, reason: other.to_string() },
                Some(CloseCode::Protocol),
            ),
        }
    }

    /// Exchanges the library's state for a new one, to be rid of a read buffer that a large message has blown up. Only
    /// while it is between messages, with nothing read and nothing queued.
    fn shrink(&mut self) {
        if let Some(socket) = self.socket.take() {
            let wire = socket.into_inner();
            // There is no handshake to wait for, so this future is ready at once.
            self.socket =
                WebSocketStream::from_raw_socket(wire, Role::Client, Some(self.config)).now_or_never();
        }
        self.grown = false;
    }
}

impl Socket for NativeSocket {
    type Text = Utf8Bytes;

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Incoming<Utf8Bytes>> {
        loop {
            let Some(socket) = &mut self.socket else {
                return Poll::Ready(Incoming::Closed(self.ended.clone()));
            };
            if let Some(reason) = self.failed.take() {
                return Poll::Ready(self.end(reason, Some(CloseCode::Policy)));
            }
            let sending = socket.get_mut().poll_send(cx).is_pending();
            let next = Pin::new(&mut *socket).poll_next(cx);
            let wire = socket.get_mut();
            let fresh = wire.take_fresh();
            match next {
                Poll::Ready(Some(Ok(message))) => return Poll::Ready(self.message(message)),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(self.error(&error)),
                Poll::Ready(None) => return Poll::Ready(self.error(&Error::ConnectionClosed)),
                Poll::Pending => {}
            }
            let watch = wire.watch();
            let mid_message = watch.mid_message();
            if self.slow.poll(cx, mid_message.then(|| watch.completed())).is_ready() {
                let limit = self.slow.limit;
                let reason = format!("a message took longer than {limit:?} to arrive");
                return Poll::Ready(self.end(DisconnectReason::Network(reason), Some(CloseCode::Policy)));
            }
            if fresh {
                return Poll::Ready(Incoming::Activity);
            }
            if self.grown && !mid_message && !sending && wire.queued() == 0 {
                // Once more round: the new state has asked nobody yet to wake it.
                self.shrink();
                continue;
            }
            return Poll::Pending;
        }
    }

    fn send(&mut self, text: &str) {
        self.push(OpCode::Data(Data::Text), text.as_bytes());
    }

    fn ping(&mut self) {
        self.push(OpCode::Control(Control::Ping), &[]);
    }

    fn close(mut self, _reason: CloseReason) {
        // Natively every reason is a normal closure. [rules §2.11]
        if let Some(socket) = self.socket.take() {
            say_goodbye(socket, Some(CloseCode::Normal), &self.runtime);
        }
    }
}

/// Sends the close frame (or the reply to the peer's, which the library has prepared) and what is queued, then reads
/// on until the peer hangs up: closing with unread bytes would reset the connection and may take the frame with it.
fn say_goodbye(mut socket: WebSocketStream<Wire>, close: Option<CloseCode>, runtime: &Handle) {
    let _entered = runtime.enter();
    let mut task = Box::pin(tokio::time::timeout(GOODBYE, async move {
        // Failures don't matter: the peer is gone then, which is what was wanted.
        let _ = match close {
            Some(code) => socket.close(Some(CloseFrame { code, reason: Utf8Bytes::default() })).await,
            None => socket.flush().await,
        };
        let mut scratch = [0; 512];
        while socket.get_mut().read(&mut scratch).await.is_ok_and(|n| n > 0) {}
    }));
    // The first step right here: the frame is out even if the runtime ends in the same breath.
    if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        drop(runtime.spawn(task.map(drop)));
    }
}

/// The time limit for one message, from its first byte seen to its last.
struct SlowMessage {
    limit: Duration,
    /// The message (counted by those completed before it), since when, and the alarm.
    current: Option<(u64, Instant, Pin<Box<Sleep>>)>,
}

impl SlowMessage {
    fn new(limit: Duration) -> Self {
        Self { limit: limit.min(FOR_EVER), current: None }
    }

    /// Ready when the message that is half-way in has had its time. The alarm is set once and looked at when it rings,
    /// as messages come and go much faster than it does.
    fn poll(&mut self, cx: &mut Context<'_>, message: Option<u64>) -> Poll<()> {
        let Some(message) = message else {
            self.current = None;
            return Poll::Pending;
        };
        let limit = self.limit;
        let (number, since, alarm) = self.current.get_or_insert_with(|| {
            let now = Instant::now();
            (message, now, Box::pin(tokio::time::sleep_until(now + limit)))
        });
        if *number != message {
            *number = message;
            *since = Instant::now();
        }
        loop {
            ready!(alarm.as_mut().poll(cx));
            let end = *since + limit;
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(end);
        }
    }
}
