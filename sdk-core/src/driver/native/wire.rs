//! The bytes below the WebSocket library: plain or TLS, watched on the way in, queued on the way out.
//!
//! Text messages go into the queue as whole frames of our own: the library would print each one it sends, tokens
//! included, into `log` at TRACE. Its own frames (pongs, the close frame) join the same queue, whole as well.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use rustls::crypto::SecureRandom;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::protocol::frame::{FrameHeader, coding::OpCode};

use super::ahead::ReadAhead;
use super::watch::Watch;

/// An emptied queue larger than this is given back: an idle client shall be small.
const KEPT_CAPACITY: usize = 2048;

/// A TCP connection, with or without TLS.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A [`Stream`] with a watch and a bounded queue.
pub(super) struct Wire {
    stream: Stream,
    ahead: ReadAhead,
    watch: Watch,
    fresh: bool,
    queue: Vec<u8>,
    written: usize,
    limit: usize,
    unflushed: bool,
    broken: bool,
    random: &'static dyn SecureRandom,
}

impl Wire {
    /// `tail` are bytes that arrived together with the answer to the upgrade; the library is given them, not the wire.
    pub(super) fn new(stream: Stream, limit: usize, random: &'static dyn SecureRandom, tail: &[u8]) -> Self {
        let mut watch = Watch::default();
        watch.feed(tail);
        Self {
            stream,
            ahead: ReadAhead::default(),
            watch,
            fresh: false,
            queue: Vec::new(),
            written: 0,
            limit,
            unflushed: false,
            broken: false,
            random,
        }
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Whether bytes have arrived since this was last asked.
    pub(super) fn take_fresh(&mut self) -> bool {
        core::mem::take(&mut self.fresh)
    }

    /// How many bytes wait for the peer to read.
    pub(super) fn queued(&self) -> usize {
        self.queue.len() - self.written
    }

    /// Queues one frame, masked as RFC 6455 §5.3 asks; the error says why it can't.
    pub(super) fn push(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), String> {
        if self.broken {
            return Ok(());
        }
        let queued = self.queued();
        if queued > 0 && queued + payload.len() > self.limit {
            return Err(format!("the server does not read: {queued} bytes are waiting to be sent"));
        }
        let mut mask = [0; 4];
        self.random.fill(&mut mask).map_err(|_| "the system gives no random numbers".to_string())?;
        let header = FrameHeader { opcode, mask: Some(mask), ..FrameHeader::default() };
        header.format(payload.len() as u64, &mut self.queue).map_err(|error| error.to_string())?;
        self.queue.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.unflushed = true;
        Ok(())
    }

    /// Writes what is queued. A failure is no news: reading goes on, and tells why the connection ended, which may be
    /// a close frame that has arrived already.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.unflushed {
            return Poll::Ready(());
        }
        let result = ready!(self.poll_write_out(cx));
        self.unflushed = false;
        self.broken |= result.is_err();
        self.written = 0;
        self.queue.clear();
        if self.queue.capacity() > KEPT_CAPACITY {
            self.queue = Vec::new();
        }
        Poll::Ready(())
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.queue.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(this.ahead.poll_read(cx, &mut this.stream, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            this.fresh = true;
            this.watch.feed(new);
        }
        Poll::Ready(Ok(()))
    }
}

/// For the library. It hands over whole frames, which are queued whole or not at all, so that ours never fall between.
impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !self.broken {
            if self.queued() > self.limit {
                // Whoever reads sends first (`poll_send`), which has asked to be woken when there is room.
                return Poll::Pending;
            }
            self.queue.extend_from_slice(buf);
            self.unflushed = true;
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx).map(Ok)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx));
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
