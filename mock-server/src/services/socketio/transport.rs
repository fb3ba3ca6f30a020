//! The two transports of Engine.IO: HTTP long-polling and WebSocket, and the probe between them [rules §10.1].

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::engine::Answer;
use super::packet::{Item, to_payload};
use super::refusal::Refusal;
use crate::connection::{Closing, Connection};
use crate::faults::End;
use crate::faults::frame::FrameFault;
use crate::report::journal::Ending;
use crate::wire::io::Wire;
use crate::world::World;
use crate::ws::{self, Socket};

/// Packets kept for a client that does not poll; one that fetches none of so many has gone.
const OUTBOX_LIMIT: usize = 4096;
/// Time a peer has to answer a close frame.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// A close reason's longest form.
const LONGEST_REASON: usize = 123;

/// A GET that waits for packets.
pub(super) struct Waiting {
    pub(super) wire: Wire,
    pub(super) answer: oneshot::Sender<Answer>,
}

impl Waiting {
    pub(super) fn refuse(self, refusal: Refusal) {
        let _ = self.answer.send(Err(refusal));
    }
}

/// HTTP long-polling: what is to go out, and the GET that waits for it.
#[derive(Default)]
pub(super) struct Polling {
    pub(super) outbox: VecDeque<Item>,
    pub(super) waiting: Option<Waiting>,
    /// When the GET is answered with nothing but a noop.
    pub(super) noop_at: Option<Instant>,
}

impl Polling {
    /// Whether a GET is waiting whose client is still there.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !waiting.answer.is_closed())
    }

    /// Ends a waiting GET, by a noop if there is nothing to say.
    pub(super) fn release(&mut self) {
        self.noop_at = None;
        if self.is_waited_for() && self.outbox.is_empty() {
            self.outbox.push_back(Item::Text("6".to_owned()));
        }
    }
}

/// The transport in use.
pub(super) enum Line {
    Polling(Polling),
    WebSocket(Box<Socket>),
}

/// What the transport tells.
pub(super) enum Incoming {
    Item(Item),
    /// A WebSocket ping, which is answered when the transport is heard next.
    Ping,
    /// It is over.
    Gone(Ending),
    /// It must be closed like this.
    Wrong(Closing),
}

impl Line {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Line::Polling(_) => "polling",
            Line::WebSocket(_) => "websocket",
        }
    }

    /// Waits for the next thing the transport itself tells; POSTs come another way.
    pub(super) async fn hear(&mut self, limit: usize) -> Incoming {
        match self {
            Line::Polling(Polling { waiting: Some(waiting), .. }) => {
                waiting.answer.closed().await;
                Incoming::Gone(Ending::lost("lost, a GET was given up by its client"))
            }
            Line::Polling(_) => std::future::pending().await,
            Line::WebSocket(socket) => loop {
                if let Some(incoming) = hear(socket, limit).await {
                    return incoming;
                }
            },
        }
    }

    /// Sends one packet; answers how rules end the connection, if they do. An error says how the transport ended.
    pub(super) async fn write(&mut self, item: Item, faults: &[FrameFault]) -> Result<Option<End>, String> {
        match self {
            Line::WebSocket(socket) => {
                let message = match item {
                    Item::Text(text) => Message::text(text),
                    Item::Binary(bytes) => Message::binary(bytes),
                };
                ws::put(socket, message, faults).await.map_err(|error| format!("lost in sending, {error}"))
            }
            Line::Polling(polling) if polling.outbox.len() >= OUTBOX_LIMIT => {
                Err("the client has stopped polling".to_owned())
            }
            Line::Polling(polling) => {
                polling.outbox.push_back(item);
                Ok(None)
            }
        }
    }

    /// Answers the waiting GET if there is something to say.
    pub(super) fn flush(&mut self, on: &Connection, limit: usize) {
        let Line::Polling(polling) = self else { return };
        if polling.outbox.is_empty() || !polling.is_waited_for() {
            return;
        }
        if let Some(waiting) = polling.waiting.take() {
            polling.noop_at = None;
            let _ = waiting.answer.send(Ok(to_payload(&mut polling.outbox, limit)));
            on.wire.leave(&waiting.wire);
        }
    }

    /// What polling has not delivered, for the transport that takes over.
    pub(super) fn take_outbox(&mut self) -> VecDeque<Item> {
        match self {
            Line::Polling(polling) => std::mem::take(&mut polling.outbox),
            Line::WebSocket(_) => VecDeque::new(),
        }
    }
}

/// The next message, unless it is one that means nothing.
async fn hear(socket: &mut Socket, limit: usize) -> Option<Incoming> {
    let gone = |ending| Some(Incoming::Gone(ending));
    let wrong = |code, reason: &str| Some(Incoming::Wrong(Closing::new(code, reason)));
    match socket.next().await {
        Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) if message.len() > limit => {
            wrong(1009, "Message too big")
        }
        Some(Ok(Message::Text(text))) => Some(Incoming::Item(Item::Text(text.to_string()))),
        Some(Ok(Message::Binary(bytes))) => Some(Incoming::Item(Item::Binary(bytes))),
        Some(Ok(Message::Ping(_))) => Some(Incoming::Ping),
        Some(Ok(Message::Pong(_) | Message::Frame(_))) => None,
        Some(Ok(Message::Close(frame))) => {
            // The answer to the close frame is written while reading on.
            let _ = timeout(CLOSE_LIMIT, async { while let Some(Ok(_)) = socket.next().await {} }).await;
            let close = frame.as_ref().map(|frame| (u16::from(frame.code), frame.reason.as_str()));
            gone(Ending::by_client(close))
        }
        Some(Err(WsError::Utf8(_))) => wrong(1007, "Invalid UTF-8"),
        Some(Err(WsError::Capacity(_))) => wrong(1009, "Message too big"),
        Some(Err(WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
            gone(Ending::lost("lost, without a close frame"))
        }
        Some(Err(WsError::Protocol(error))) => wrong(1002, &error.to_string()),
        Some(Err(error)) => gone(Ending::lost(format!("lost, {error}"))),
        None => gone(Ending::lost("lost")),
    }
}

/// Sends a close frame, perhaps without a code, and waits a little for the peer's.
pub(super) async fn close(socket: &mut Socket, closing: Option<&Closing>) {
    let frame = closing.map(|closing| {
        let longest = closing.reason.len().min(LONGEST_REASON);
        let cut = (0..=longest).rev().find(|&i| closing.reason.is_char_boundary(i)).unwrap_or(0);
        CloseFrame { code: closing.code.into(), reason: closing.reason[..cut].into() }
    });
    let goodbye = async {
        if socket.close(frame).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _ = timeout(CLOSE_LIMIT, goodbye).await;
}

/// A WebSocket that wants to take over from polling.
pub(super) struct Probe {
    pub(super) socket: Box<Socket>,
    pub(super) wire: Wire,
    pub(super) until: Instant,
    /// Whether its `2probe` has been answered.
    pub(super) confirmed: bool,
}

impl Probe {
    /// Waits for its next message; for ever if there is none.
    pub(super) async fn hear(probe: &mut Option<Self>) -> Option<Message> {
        match probe {
            Some(probe) => probe.socket.next().await.and_then(Result::ok),
            None => std::future::pending().await,
        }
    }

    /// Answers it. What goes wrong shows at the next message.
    pub(super) async fn say(&mut self, text: &str) {
        let _ = self.socket.send(Message::text(text)).await;
    }

    /// Closes it; polling goes on.
    pub(super) fn dismiss(mut self, world: &World) {
        world.tasks.spawn(async move { close(&mut self.socket, None).await });
    }
}
