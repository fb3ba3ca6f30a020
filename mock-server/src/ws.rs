//! WebSocket connections: the upgrade, and the one loop that carries a session.
//!
//! A [`Session`] is the service's part: a plain state machine without I/O that is told what happened and answers
//! through [`Out`]. The loop does the rest for all services alike: faults, journal, pings, deadlines, closing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, LOCATION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::connection::{Closing, Command, Connection, Frame};
use crate::faults::End;
use crate::faults::frame::{self, FrameFault, Piece};
use crate::faults::http::{ENGINE_ERRORS, HttpFault};
use crate::faults::message::{Letter, Sent};
use crate::faults::protocol::ProtocolFault;
use crate::faults::rule::When;
use crate::http::{ApiError, OriginRefused};
use crate::report::journal::{Ending, Fact};
use crate::service::Service;
use crate::wire::gate::Gate;
use crate::wire::io::Cut;
use crate::wire::listen::CameBy;
use crate::world::World;

/// Idle connections are many: the usual 128 KiB each would be their whole memory.
const READ_BUFFER: usize = 8 << 10;
/// Above a service's own limit messages are still read, so that the close frame can be delivered; not above this.
const HARD_LIMIT: usize = 80 << 20;
/// Time a peer has to answer a close frame.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// A close reason's longest form.
const LONGEST_REASON: usize = 123;

/// What a session asks of the loop, in order.
#[derive(Debug, Default)]
pub(crate) struct Out(VecDeque<Act>);

#[derive(Debug, PartialEq)]
enum Act {
    Send(Arc<Frame>),
    End(End),
}

impl Out {
    /// Sends a frame.
    pub(crate) fn send(&mut self, frame: Frame) {
        self.0.push_back(Act::Send(Arc::new(frame)));
    }

    /// Closes with this code and reason.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.0.push_back(Act::End(End::Close(Closing::new(code, reason))));
    }

    /// Ends the connection without a close frame.
    pub(crate) fn cut(&mut self) {
        self.0.push_back(Act::End(End::Cut(Cut::Fin)));
    }
}

/// A service's part of a connection: what to say to what happens.
pub(crate) trait Session: Send + 'static {
    /// The socket has opened.
    fn opened(&mut self, out: &mut Out);
    /// A text message came in; it fits the size limit.
    fn text(&mut self, text: &str, out: &mut Out);
    /// A binary message came in.
    fn binary(&mut self, out: &mut Out);
    /// The token has expired just now.
    fn expired(&mut self, out: &mut Out);
    /// When [`Session::due`] wants to be called next.
    fn deadline(&self) -> Option<Instant>;
    /// The deadline has come.
    fn due(&mut self, now: Instant, out: &mut Out);
    /// A topic's frame has been sent to the client.
    fn delivered(&mut self, _frame: &Frame, _out: &mut Out) {}
    /// A rule refuses a message of the client: says so in the service's words.
    fn reject(&mut self, code: &str, why: &str, topic: Option<&str>, out: &mut Out);
    /// Does what a rule asks, in place of handling a message if there is one.
    fn provoke(&mut self, fault: &ProtocolFault, topic: Option<&str>, out: &mut Out) {
        match fault {
            ProtocolFault::ExpireToken => self.expired(out),
            ProtocolFault::RevokeToken => {}
            ProtocolFault::Shutdown => out.close(1001, "Server shutting down"),
            ProtocolFault::Disconnect => out.close(1000, "Disconnected"),
            ProtocolFault::GatewayError { message } => {
                out.send(Frame::new("(gateway error)", ProtocolFault::gateway_frame(message)));
            }
            ProtocolFault::Replace => {
                let closing = self.replaced();
                out.close(closing.code, &closing.reason);
            }
            ProtocolFault::Reject { code, message } => self.reject(code, message, topic, out),
        }
    }
    /// How a connection that a newer one replaces is closed.
    fn replaced(&self) -> Closing {
        Closing::new(4409, "Replaced by a newer connection")
    }
}

/// What the loop needs to know of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// Larger messages close the connection with 1009.
    pub(crate) max_message: usize,
    /// Time between two WebSocket pings, if the server sends any.
    pub(crate) ping_every: Option<Duration>,
    /// A peer that sends no byte for this long is dropped.
    pub(crate) silence: Option<Duration>,
}

/// The server's end of a WebSocket.
pub(crate) type Socket = WebSocketStream<Gate>;

/// A request to open a WebSocket that passed the faults; the service decides whether to accept it.
pub(crate) struct Knock {
    pub(crate) connection: Arc<Connection>,
    commands: mpsc::Receiver<Command>,
    opening: Opening,
}

/// A valid request to open a WebSocket, whoever sent it.
pub(crate) struct Opening {
    upgrade: OnUpgrade,
    accept: HeaderValue,
    protocol: Option<HeaderValue>,
}

/// Reads the upgrade request and applies the faults for upgrades.
pub(crate) async fn knock(
    world: &World,
    service: Service,
    path: &str,
    request: &mut Request,
) -> Result<Knock, Response> {
    let Some(CameBy(wire)) = request.extensions().get().cloned() else {
        return Err(ApiError::bad("this request came over no connection of this server").into_response());
    };
    let (connection, commands) = world.connections.number(service, path, wire);
    admit(world, &connection, "websocket", request.headers()).await?;
    match Opening::read(request) {
        Ok(opening) => Ok(Knock { connection, commands, opening }),
        Err(why) => Err(refuse(world, &connection, ApiError::bad(why))),
    }
}

/// Applies the faults for upgrades, also to a request that begins a session without a WebSocket, or that belongs to one.
pub(crate) async fn admit(
    world: &World,
    connection: &Connection,
    transport: &str,
    headers: &HeaderMap,
) -> Result<(), Response> {
    let plan = world.faults.at_upgrade(world, connection, transport);
    sleep(plan.delay).await;
    if let Some(cut) = plan.cut {
        connection.wire.cut(cut);
        return Err(refuse(world, connection, ApiError::new(StatusCode::BAD_GATEWAY, "cut by a fault")));
    }
    plan.wires.iter().for_each(|fault| fault.apply(&connection.wire));
    match plan.refuse {
        Some(HttpFault::Refuse { status, retry_after, location }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let error = ApiError { retry_after, ..ApiError::new(status, "refused by a fault") };
            let mut response = refuse(world, connection, error);
            if let Some(location) = location.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(LOCATION, location);
            }
            Err(response)
        }
        Some(HttpFault::ForbidOrigin) if headers.contains_key(ORIGIN) => {
            let error = ApiError::forbidden("this origin is refused by a fault");
            let mut response = refuse(world, connection, error);
            response.extensions_mut().insert(OriginRefused);
            Err(response)
        }
        Some(HttpFault::EngineError { code }) => {
            let message = ENGINE_ERRORS[usize::from(code)];
            note_refusal(world, connection, &format!("400 {message}"));
            Err((StatusCode::BAD_REQUEST, Json(json!({"code": code, "message": message}))).into_response())
        }
        Some(HttpFault::ForbidOrigin) | None => Ok(()),
    }
}

impl Opening {
    /// Looks at the request's headers; an error says what is wrong with them.
    pub(crate) fn read(request: &mut Request) -> Result<Self, &'static str> {
        let accept = handshake(request.headers())?;
        let upgrade = request.extensions_mut().remove::<OnUpgrade>();
        let upgrade = upgrade.ok_or("this connection cannot be upgraded")?;
        Ok(Self { upgrade, accept, protocol: None })
    }

    /// The answer 101, and what becomes the upgraded connection.
    pub(crate) fn accept(self) -> (Response, OnUpgrade) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(protocol) = self.protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        (response, self.upgrade)
    }
}

/// The accept key, or what is wrong with the request.
fn handshake(headers: &HeaderMap) -> Result<HeaderValue, &'static str> {
    let says = |name, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
        values.flat_map(|v| v.split(',')).any(|v| v.trim().eq_ignore_ascii_case(word))
    };
    if !says(UPGRADE, "websocket") || !says(CONNECTION, "upgrade") {
        return Err("this address speaks WebSocket: open it with a WebSocket client");
    }
    if !says(SEC_WEBSOCKET_VERSION, "13") {
        return Err("only WebSocket version 13 is spoken here: send Sec-WebSocket-Version: 13");
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or("the header Sec-WebSocket-Key is missing")?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| "the Sec-WebSocket-Key is unreadable")
}

/// Notes a refusal and answers it.
pub(crate) fn refuse(world: &World, connection: &Connection, error: ApiError) -> Response {
    note_refusal(world, connection, &format!("{} {}", error.status.as_u16(), error.text));
    error.into_response()
}

fn note_refusal(world: &World, connection: &Connection, detail: &str) {
    world.journal.add(connection, Fact::Refused { detail });
    world.console.tell("refused", connection, detail);
}

impl Knock {
    /// Refuses the upgrade with an HTTP status.
    pub(crate) fn refuse(self, world: &World, error: ApiError) -> Response {
        refuse(world, &self.connection, error)
    }

    /// Answers with this subprotocol.
    pub(crate) fn speak(&mut self, protocol: &str) {
        self.opening.protocol = HeaderValue::from_str(protocol).ok();
    }

    /// Accepts: answers 101 and carries the session until its end.
    pub(crate) fn accept(self, world: &World, habits: Habits, session: impl Session) -> Response {
        let (response, upgrade) = self.opening.accept();
        world.connections.open(&self.connection);
        let (world, connection) = (world.clone(), self.connection);
        world.clone().tasks.spawn(async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let socket = open(upgraded, Some(habits.max_message)).await;
                    let (world, connection, sent) = (&world, &connection, Sent::default());
                    let mut carrier = Carrier { world, connection, socket, habits, session, sent };
                    carrier.run(self.commands).await;
                }
                Err(error) => {
                    world.connections.close(&connection);
                    tracing::debug!(%error, "an accepted connection did not upgrade");
                }
            }
        });
        response
    }
}

/// The server's end of an upgraded connection.
pub(crate) async fn open(upgraded: Upgraded, limit: Option<usize>) -> Socket {
    let most = limit.map_or(HARD_LIMIT, |limit| (limit * 4).clamp(16 << 20, HARD_LIMIT));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(most))
        .max_frame_size(Some(most));
    WebSocketStream::from_raw_socket(Gate::new(upgraded), Role::Server, Some(config)).await
}

/// Writes a message, or what rules make of its frame; answers how they end the connection, if they do.
pub(crate) async fn put(
    socket: &mut Socket,
    message: Message,
    faults: &[FrameFault],
) -> Result<Option<End>, WsError> {
    for piece in frame::plan(faults, message) {
        match piece {
            Piece::Message(message) => socket.send(message).await?,
            // Stays in the library's buffer until something is sent.
            Piece::Later(message) => socket.feed(message).await?,
            Piece::End(end) => return Ok(Some(end)),
            Piece::Bytes(bytes) => {
                socket.flush().await?;
                socket.get_mut().write_all(&bytes).await?;
                socket.get_mut().flush().await?;
            }
        }
    }
    Ok(None)
}

/// Leaves a ping that was just read without its pong, which the library has ready.
pub(crate) async fn keep_from_answering(socket: &mut Socket) {
    socket.get_mut().shut(true);
    let _ = socket.flush().await; // into nothing
    socket.get_mut().shut(false);
}

/// Waits a little for the peer's end.
pub(crate) async fn see_off(socket: &mut Socket) {
    let _ = timeout(CLOSE_LIMIT, async { while let Some(Ok(_)) = socket.next().await {} }).await;
}

struct Carrier<'a, S> {
    world: &'a World,
    connection: &'a Arc<Connection>,
    socket: Socket,
    habits: Habits,
    session: S,
    sent: Sent,
}

impl<S: Session> Carrier<'_, S> {
    async fn run(&mut self, mut commands: mpsc::Receiver<Command>) {
        let (world, on) = (self.world, self.connection);
        world.journal.add(&**on, Fact::Open { detail: &on.path });
        world.console.tell("connected", on, &on.path);
        let Err(ending) = self.carry(&mut commands).await;
        let ending = on.ending(ending);
        // Whoever waits for the end by the journal finds it ended, and its topics left.
        world.hub.leave(on);
        world.connections.close(on);
        world.journal.add(&**on, Fact::Close(&ending));
        world.console.tell("closed", on, &ending.detail);
    }

    async fn carry(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<std::convert::Infallible, Ending> {
        let mut out = Out::default();
        self.session.opened(&mut out);
        self.carry_out(&mut out).await?;
        let mut heard = Instant::now();
        let mut next_ping = self.habits.ping_every.map(|every| heard + every);
        loop {
            let silent = self.habits.silence.map(|limit| heard + limit);
            let deadline = self.session.deadline();
            let wake = [deadline, next_ping, silent].into_iter().flatten().min();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command, &mut out).await?,
                    None => return Err(Ending::by_server(None, "abandoned")),
                },
                message = self.socket.next() => {
                    heard = Instant::now();
                    self.hear(message, &mut out).await?;
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    let now = Instant::now();
                    if silent.is_some_and(|at| at <= now) {
                        return Err(self.cut(Cut::Fin, "silent for too long"));
                    }
                    if next_ping.is_some_and(|at| at <= now) {
                        next_ping = self.habits.ping_every.map(|every| now + every);
                        self.ping().await?;
                    }
                    if deadline.is_some_and(|at| at <= now) {
                        self.session.due(now, &mut out);
                    }
                }
                () = self.world.shutdown.cancelled() => {
                    return Err(self.close(&Closing::new(1001, "Server shutting down")).await);
                }
            }
            self.carry_out(&mut out).await?;
        }
    }

    async fn obey(&mut self, command: Command, out: &mut Out) -> Result<(), Ending> {
        match command {
            Command::Deliver(frame) => {
                if frame.topic.as_deref().is_some_and(|topic| self.connection.follows(topic)) {
                    self.send(&frame).await?;
                    if let Some(published) = frame.published {
                        self.world.reporter.delivered(self.connection.service, published.elapsed());
                    }
                    self.session.delivered(&frame, out);
                }
            }
            Command::Close(closing) => return Err(self.close(&closing).await),
            Command::Provoke(fault) => self.session.provoke(&fault, None, out),
            Command::Replace => return Err(self.close(&self.session.replaced()).await),
        }
        Ok(())
    }

    async fn hear(&mut self, message: Option<Result<Message, WsError>>, out: &mut Out) -> Result<(), Ending> {
        match message {
            Some(Ok(Message::Text(text))) if text.len() > self.habits.max_message => self.too_big(out),
            Some(Ok(Message::Binary(bytes))) if bytes.len() > self.habits.max_message => self.too_big(out),
            Some(Ok(Message::Text(text))) => self.handle(&text, out).await?,
            Some(Ok(Message::Binary(bytes))) => {
                let detail = format!("{} bytes", bytes.len());
                let fact = Fact::In { kind: "(binary)", topic: None, text: &detail };
                self.world.journal.add(&**self.connection, fact);
                self.session.binary(out);
            }
            Some(Ok(Message::Pong(_))) => self.world.journal.add(&**self.connection, Fact::Pong),
            Some(Ok(Message::Ping(_))) => {
                let plan = self.world.faults.at_control(self.world, When::In, self.connection, "(ping)");
                sleep(plan.delay).await;
                if let Some(end) = plan.end {
                    return Err(self.end(end).await);
                }
                if plan.copies == 0 {
                    keep_from_answering(&mut self.socket).await;
                }
            }
            Some(Ok(Message::Frame(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                let close = frame.as_ref().map(|frame| (u16::from(frame.code), frame.reason.as_str()));
                // The answer to the close frame is written while reading on.
                see_off(&mut self.socket).await;
                return Err(Ending::by_client(close));
            }
            Some(Err(WsError::Utf8(_))) => {
                return Err(self.close(&Closing::new(1007, "Invalid UTF-8")).await);
            }
            Some(Err(WsError::Protocol(error))) => {
                let lost = matches!(
                    error,
                    tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake
                );
                if lost {
                    return Err(Ending::lost("lost, without a close frame"));
                }
                return Err(self.close(&Closing::new(1002, &error.to_string())).await);
            }
            Some(Err(WsError::Capacity(_))) => {
                return Err(self.close(&Closing::new(1009, "Message too big")).await);
            }
            Some(Err(error)) => return Err(Ending::lost(format!("lost, {error}"))),
            None => return Err(Ending::lost("lost")),
        }
        Ok(())
    }

    fn too_big(&self, out: &mut Out) {
        let fact = Fact::In { kind: "(too big)", topic: None, text: "" };
        self.world.journal.add(&**self.connection, fact);
        out.close(1009, "Message too big");
    }

    async fn handle(&mut self, text: &str, out: &mut Out) -> Result<(), Ending> {
        let (kind, topic) = head(text);
        let fact = Fact::In { kind: &kind, topic: topic.as_deref(), text };
        self.world.journal.add(&**self.connection, fact);
        let faults = &self.world.faults;
        let plan = faults.at_message(self.world, When::In, self.connection, topic.as_deref(), &kind);
        sleep(plan.delay).await;
        if let Some(end) = plan.end {
            return Err(self.end(end).await);
        }
        for fault in &plan.answers {
            self.session.provoke(fault, topic.as_deref(), out);
            self.carry_out(out).await?;
        }
        for _ in 0..if plan.answers.is_empty() { plan.copies } else { 0 } {
            self.session.text(text, out);
            self.carry_out(out).await?;
        }
        Ok(())
    }

    async fn carry_out(&mut self, out: &mut Out) -> Result<(), Ending> {
        while let Some(act) = out.0.pop_front() {
            match act {
                Act::Send(frame) => self.send(&frame).await?,
                Act::End(end) => return Err(self.end(end).await),
            }
        }
        Ok(())
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), Ending> {
        let topic = frame.topic.as_deref();
        let plan = self.world.faults.at_message(self.world, When::Out, self.connection, topic, &frame.kind);
        sleep(plan.delay).await;
        if let Some(end) = plan.end {
            return Err(self.end(end).await);
        }
        let letters = plan.letters(&mut self.sent, &frame.kind, topic, frame.body.to_string());
        for Letter { kind, topic, text, binary } in letters {
            let fact = Fact::Out { kind: &kind, topic: topic.as_deref(), text: &text };
            self.world.journal.add(&**self.connection, fact);
            let message = if binary { Message::binary(text) } else { Message::text(text) };
            self.write(message, &plan.frames).await?;
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Ending> {
        let plan = self.world.faults.at_control(self.world, When::Out, self.connection, "(ping)");
        sleep(plan.delay).await;
        if let Some(end) = plan.end {
            return Err(self.end(end).await);
        }
        for _ in 0..plan.copies {
            self.world.journal.add(&**self.connection, Fact::Ping);
            self.write(Message::Ping(Vec::new().into()), &plan.frames).await?;
        }
        Ok(())
    }

    async fn write(&mut self, message: Message, faults: &[FrameFault]) -> Result<(), Ending> {
        match put(&mut self.socket, message, faults).await {
            Ok(None) => Ok(()),
            Ok(Some(end)) => Err(self.end(end).await),
            Err(error) => Err(Ending::lost(format!("lost in sending, {error}"))),
        }
    }

    async fn end(&mut self, end: End) -> Ending {
        match end {
            End::Close(closing) => self.close(&closing).await,
            End::Cut(cut) => self.cut(cut, "cut"),
            End::Written => {
                see_off(&mut self.socket).await;
                Ending::by_server(None, "by a close frame of a rule")
            }
        }
    }

    fn cut(&self, cut: Cut, why: &str) -> Ending {
        self.connection.wire.give_up(cut);
        Ending::by_server(None, format!("{why}, {}", if cut == Cut::Fin { "FIN" } else { "RST" }))
    }

    /// Sends the close frame and waits a little for the peer's.
    async fn close(&mut self, closing: &Closing) -> Ending {
        let cut = (0..=closing.reason.len().min(LONGEST_REASON))
            .rev()
            .find(|&i| closing.reason.is_char_boundary(i));
        let reason = &closing.reason[..cut.unwrap_or(0)];
        let frame = CloseFrame { code: closing.code.into(), reason: reason.into() };
        let goodbye = async {
            if self.socket.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        let _ = timeout(CLOSE_LIMIT, goodbye).await;
        Ending::by_server(Some(closing.code), format!("{} {reason}", closing.code))
    }
}

/// A JSON message's name and the topic it concerns, as far as can be told without knowing the service.
fn head(text: &str) -> (String, Option<String>) {
    let Ok(Value::Object(message)) = serde_json::from_str(text) else {
        return ("(not JSON)".to_owned(), None);
    };
    let name = message.get("type").or_else(|| message.get("action")).and_then(Value::as_str);
    let payload = message.get("payload");
    let id = |key| payload.and_then(|p| p.get(key)).and_then(Value::as_str);
    let topic = id("sessionId").or_else(|| id("analysisId"));
    (name.unwrap_or("(no name)").to_owned(), topic.map(str::to_owned))
}
