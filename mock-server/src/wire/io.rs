//! The listener's own I/O: every accepted TCP connection is wrapped so that it can be steered from outside.
//!
//! [`WireIo`] is what HTTP, TLS and WebSocket read and write; [`Wire`] is the handle that faults and the control
//! API hold, several of them as [`Wires`](crate::wire::bundle::Wires). A wire passes bytes on, holds them (a half-open
//! connection: the peer's TCP still answers, nothing comes through), delays or trickles what is written, injects
//! bytes nobody wrote, or ends with a FIN or an RST.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::sync::Locked;

/// Bytes a wire keeps back before its writer has to wait.
const OUTBOX_LIMIT: usize = 1 << 20;
/// Injected bytes that may wait.
const INJECTED_LIMIT: usize = 16 << 20;
/// Held connections kept open after the server gave them up.
const PARKED_LIMIT: usize = 1024;

/// How a connection ends below the protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// TCP FIN, without a close frame.
    Fin,
    /// TCP RST.
    Reset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Held,
    Ended(Cut),
}

#[derive(Debug)]
struct State {
    mode: Mode,
    delay: Duration,
    /// At most so many bytes, then a pause.
    trickle: Option<(usize, Duration)>,
    injected: VecDeque<Bytes>,
    /// What was done to it before anybody knew whose it is, for whoever learns that.
    notes: Vec<(u64, String)>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The held connection of a server side that has ended, and what it wrote before.
    parked: Option<(TcpStream, VecDeque<(Instant, Bytes)>)>,
}

/// Held connections whose server side has ended: the peer must not notice, so they stay open in here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lot(Arc<Mutex<VecDeque<Wire>>>);

impl Lot {
    fn keep(&self, wire: Wire) {
        let mut lot = self.0.locked();
        if lot.len() == PARKED_LIMIT {
            lot.pop_front();
        }
        lot.push_back(wire);
    }

    /// Lets all of them go.
    pub(crate) fn clear(&self) {
        self.0.locked().clear();
    }
}

/// The handle that steers one TCP connection.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    state: Arc<Mutex<State>>,
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether both steer the same TCP connection.
    pub(crate) fn is(&self, other: &Wire) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Leaves a number and a text for [`Wire::take_notes`].
    pub(crate) fn note(&self, number: u64, text: String) {
        self.lock().notes.push((number, text));
    }

    /// The notes so far; each is taken once.
    pub(crate) fn take_notes(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.lock().notes)
    }

    /// Nothing comes through in either direction until [`Wire::resume`].
    pub(crate) fn hold(&self) {
        self.change(|state| {
            if state.mode == Mode::Pass {
                state.mode = Mode::Held;
            }
        });
    }

    /// Ends a hold; what was written meanwhile goes out.
    pub(crate) fn resume(&self) {
        self.change(|state| {
            if state.mode == Mode::Held {
                state.mode = Mode::Pass;
            }
            if let Some((stream, outbox)) = state.parked.take() {
                finish(stream, outbox);
            }
        });
    }

    /// Ends the connection now, below all protocols.
    pub(crate) fn cut(&self, cut: Cut) {
        self.change(|state| {
            state.mode = Mode::Ended(cut);
            if let Some((stream, _)) = state.parked.take() {
                end(&stream, cut);
            }
        });
    }

    /// The server ends the connection. A peer whose wire is held does not notice.
    pub(crate) fn give_up(&self, cut: Cut) {
        self.change(|state| {
            if state.mode == Mode::Pass {
                state.mode = Mode::Ended(cut);
            }
        });
    }

    /// Everything written from now on arrives this much later, in order.
    pub(crate) fn delay(&self, by: Duration) {
        self.change(|state| state.delay = by);
    }

    /// Everything written from now on arrives in pieces of `size` bytes with a pause after each.
    pub(crate) fn trickle(&self, size: usize, pause: Duration) {
        self.change(|state| state.trickle = Some((size.max(1), pause)));
    }

    /// Sends bytes that no protocol wrote, after all that was written before. On a connection that takes none, those
    /// beyond 16 MiB are left out.
    pub(crate) fn inject(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.change(|state| {
            let waiting: usize = state.injected.iter().map(Bytes::len).sum();
            if waiting + bytes.len() <= INJECTED_LIMIT {
                state.injected.push_back(bytes);
            }
        });
    }
}

/// Sends FIN or RST when the stream is dropped next.
fn end(stream: &TcpStream, cut: Cut) {
    match cut {
        Cut::Reset => drop(stream.set_zero_linger()),
        Cut::Fin => {
            // Unread bytes would turn the FIN into an RST.
            let mut waste = [0; 4096];
            while stream.try_read(&mut waste).is_ok_and(|n| n > 0) {}
        }
    }
}

/// A TCP connection as the server sees it.
#[derive(Debug)]
pub(crate) struct WireIo {
    stream: Option<TcpStream>,
    wire: Wire,
    lot: Lot,
    outbox: VecDeque<(Instant, Bytes)>,
    queued: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl WireIo {
    /// Wraps an accepted connection.
    pub(crate) fn new(stream: TcpStream, lot: Lot) -> Self {
        let state = State {
            mode: Mode::Pass,
            delay: Duration::ZERO,
            trickle: None,
            injected: VecDeque::new(),
            notes: Vec::new(),
            reader: None,
            writer: None,
            parked: None,
        };
        let wire = Wire { state: Arc::new(Mutex::new(state)) };
        Self { stream: Some(stream), wire, lot, outbox: VecDeque::new(), queued: 0, timer: None }
    }

    /// The handle that steers this connection.
    pub(crate) fn wire(&self) -> Wire {
        self.wire.clone()
    }

    /// Ends the connection if it was told to.
    fn obey(&mut self, mode: Mode) -> Option<Cut> {
        let Mode::Ended(cut) = mode else { return None };
        if let Some(stream) = self.stream.take() {
            end(&stream, cut);
        }
        self.outbox.clear();
        Some(cut)
    }

    /// Puts injected bytes behind what was written before them.
    fn take_injected(&mut self) {
        let mut state = self.wire.lock();
        while let Some(bytes) = state.injected.pop_front() {
            self.queued += bytes.len();
            self.outbox.push_back((Instant::now(), bytes));
        }
    }

    /// Writes what is due of the outbox; ready when nothing is left.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let trickle = {
                self.take_injected();
                let state = self.wire.lock();
                if state.mode != Mode::Pass {
                    return Poll::Pending; // whoever changes the mode wakes us
                }
                state.trickle
            };
            let Some((due, bytes)) = self.outbox.front_mut() else { return Poll::Ready(Ok(())) };
            if *due > Instant::now() {
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(*due)));
                if timer.deadline() != *due {
                    timer.as_mut().reset(*due);
                }
                ready!(timer.as_mut().poll(cx));
                continue;
            }
            let Some(stream) = self.stream.as_mut() else { return Poll::Ready(Ok(())) };
            let most = trickle.map_or(bytes.len(), |(size, _)| size.min(bytes.len()));
            let written = ready!(Pin::new(stream).poll_write(cx, &bytes[..most]))?;
            bytes.advance(written);
            self.queued -= written;
            if bytes.is_empty() {
                self.outbox.pop_front();
            }
            if let (Some((_, pause)), Some((due, _))) = (trickle, self.outbox.front_mut()) {
                *due = (*due).max(Instant::now() + pause);
            }
        }
    }
}

impl AsyncRead for WireIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mode = {
            let mut state = this.wire.lock();
            state.reader = Some(cx.waker().clone());
            state.mode
        };
        match this.obey(mode) {
            Some(Cut::Fin) => return Poll::Ready(Ok(())),
            Some(Cut::Reset) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            None => {}
        }
        // Readers are always waiting, writers are not: so late bytes leave from here.
        if let Poll::Ready(Err(error)) = this.drain(cx) {
            return Poll::Ready(Err(error));
        }
        if mode == Mode::Held {
            return Poll::Pending;
        }
        match this.stream.as_mut() {
            Some(stream) => Pin::new(stream).poll_read(cx, buf),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for WireIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let (mode, delay, plain) = {
            let mut state = this.wire.lock();
            state.writer = Some(cx.waker().clone());
            let plain = state.mode == Mode::Pass
                && state.delay.is_zero()
                && state.trickle.is_none()
                && state.injected.is_empty();
            (state.mode, state.delay, plain)
        };
        if this.obey(mode).is_some() || this.stream.is_none() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if plain && this.outbox.is_empty() {
            let stream = this.stream.as_mut().expect("looked at above");
            return Pin::new(stream).poll_write(cx, data);
        }
        if this.queued >= OUTBOX_LIMIT {
            ready!(this.drain(cx))?;
        }
        this.take_injected();
        this.queued += data.len();
        this.outbox.push_back((Instant::now() + delay, Bytes::copy_from_slice(data)));
        match this.drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(data.len())),
        }
    }

    /// Ready also while bytes are kept back: for the writer they are on the network.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mode = {
            let mut state = this.wire.lock();
            state.writer = Some(cx.waker().clone());
            state.mode
        };
        if this.obey(mode).is_some() || mode == Mode::Held {
            return Poll::Ready(Ok(()));
        }
        ready!(this.drain(cx))?;
        match this.stream.as_mut() {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for WireIo {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        let mode = self.wire.lock().mode;
        match mode {
            Mode::Held => {
                self.wire.lock().parked = Some((stream, std::mem::take(&mut self.outbox)));
                self.lot.keep(self.wire.clone());
            }
            Mode::Ended(cut) => end(&stream, cut),
            Mode::Pass if self.outbox.is_empty() => {}
            Mode::Pass => finish(stream, std::mem::take(&mut self.outbox)),
        }
    }
}

/// Delivers what is still on its way although nobody looks after the connection any more.
fn finish(mut stream: TcpStream, outbox: VecDeque<(Instant, Bytes)>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        for (due, bytes) in outbox {
            tokio::time::sleep_until(due).await;
            if tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await.is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, WireIo) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, WireIo::new(listener.accept().await.unwrap().0, Lot::default()))
    }

    #[tokio::test]
    async fn bytes_pass_both_ways() {
        let (mut client, mut server) = pair().await;
        client.write_all(b"up").await.unwrap();
        let mut got = [0; 2];
        server.read_exact(&mut got).await.unwrap();
        server.write_all(b"dn").await.unwrap();
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"dn");
    }

    #[tokio::test]
    async fn fin_is_an_end_and_rst_is_an_error() {
        let (mut client, mut server) = pair().await;
        server.wire().cut(Cut::Fin);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);

        let (mut client, mut server) = pair().await;
        server.wire().cut(Cut::Reset);
        assert!(server.read(&mut [0; 8]).await.is_err());
        assert_eq!(client.read(&mut [0; 8]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_held_wire_is_silent_even_when_dropped_and_resumes() {
        let (mut client, mut server) = pair().await;
        let wire = server.wire();
        wire.hold();
        server.write_all(b"later").await.unwrap();
        server.flush().await.unwrap();
        let silence = tokio::time::timeout(Duration::from_millis(30), client.read(&mut [0; 8])).await;
        assert!(silence.is_err(), "nothing may come through");
        wire.resume();
        tokio::spawn(async move { server.read(&mut [0; 8]).await });
        let mut got = [0; 5];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"later");

        let (mut client, server) = pair().await;
        server.wire().hold();
        let lot = server.lot.clone();
        drop(server);
        let silence = tokio::time::timeout(Duration::from_millis(30), client.read(&mut [0; 8])).await;
        assert!(silence.is_err(), "a half-open connection tells nothing of its end");
        lot.clear();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn delay_trickle_and_injected_bytes_keep_the_order() {
        let (mut client, mut server) = pair().await;
        let wire = server.wire();
        wire.delay(Duration::from_millis(20));
        wire.trickle(2, Duration::from_millis(1));
        let start = Instant::now();
        server.write_all(b"abc").await.unwrap();
        wire.inject(&b"de"[..]);
        tokio::spawn(async move { server.read(&mut [0; 8]).await });
        let mut got = [0; 5];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"abcde");
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
