//! Socket.IO above the engine: namespaces, CONNECT, events and acknowledgements [rules §10.2], and the seam to the
//! services.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::packet::{Heard, Message, Packet, Parcel};
use crate::auth::Identity;
use crate::connection::{Closing, Connection, Frame};
use crate::faults::End;
use crate::faults::protocol::ProtocolFault;
use crate::report::journal::Fact;
use crate::world::World;

/// What a service does on a connection. Plain state without I/O: it is told what happened and answers through [`Out`].
pub(crate) trait Dialect: Send + 'static {
    /// The client asks to be let in; an error is the `data.code` of its refusal.
    fn admit(&mut self, auth: Option<&Value>) -> Result<(), &'static str>;
    /// It has been let in under this Socket.IO id.
    fn welcomed(&mut self, sid: &str, out: &mut Out);
    /// An event came in.
    fn event(&mut self, name: &str, args: &[Value], out: &mut Out);
    /// The token has expired.
    fn expired(&mut self, out: &mut Out);
    /// A rule refuses a message of the client: says so in the service's words.
    fn reject(&mut self, code: &str, why: &str, topic: Option<&str>, out: &mut Out);
    /// When the token expires.
    fn deadline(&self) -> Option<Instant>;
    /// What goes out in place of a frame's body, if not the body itself.
    fn dress(&self, _frame: &Frame) -> Option<Value> {
        None
    }
    /// A topic's frame has been sent to the client.
    fn delivered(&mut self, _frame: &Frame, _out: &mut Out) {}
    /// The server is about to shut down.
    fn farewell(&mut self, _out: &mut Out) {}
}

/// What sits above the engine, by default doing nothing: a Socket.IO session with a service, or one that echoes.
pub(super) trait Above: Send {
    /// Reads a text message of the transport.
    fn read(&self, text: &str) -> Heard {
        super::packet::read(text)
    }
    /// A Socket.IO packet came in.
    fn hear(&mut self, _message: Message, _out: &mut Out) {}
    /// A message of Engine.IO alone came in.
    fn plain(&mut self, _text: String, _out: &mut Out) {}
    /// Bytes came in.
    fn attachment(&mut self, bytes: &Bytes, out: &mut Out);
    /// The Socket.IO session is over; the client may connect again on the same engine's session.
    fn left(&mut self) {}
    /// An event as it goes out.
    fn parcel(&self, frame: &Frame) -> Parcel {
        Parcel::event(frame, &frame.body)
    }
    /// A topic's frame has been sent to the client.
    fn delivered(&mut self, _frame: &Frame, _out: &mut Out) {}
    /// Does what a rule asks, in place of handling a packet if there is one.
    fn provoke(&mut self, fault: &ProtocolFault, topic: Option<&str>, out: &mut Out);
    /// The server is about to shut down.
    fn farewell(&mut self, _out: &mut Out) {}
    /// When it wants to be woken.
    fn deadline(&self) -> Option<Instant> {
        None
    }
    /// That time has come.
    fn due(&mut self, _out: &mut Out) {}
}

/// What is to be done, in order.
#[derive(Debug, Default)]
pub(crate) struct Out(VecDeque<Act>);

#[derive(Debug)]
pub(super) enum Act {
    Event(Frame),
    Packet(Parcel),
    Pause(Duration),
    Disconnect,
    End(End),
}

impl Out {
    /// Sends an event.
    pub(crate) fn send(&mut self, frame: Frame) {
        self.0.push_back(Act::Event(frame));
    }

    /// Ends the Socket.IO session (`41`); the engine's stays.
    pub(crate) fn disconnect(&mut self) {
        self.0.push_back(Act::Disconnect);
    }

    /// Closes the engine's session.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.0.push_back(Act::End(End::Close(Closing::new(code, reason))));
    }

    pub(super) fn packet(&mut self, parcel: Parcel) {
        self.0.push_back(Act::Packet(parcel));
    }

    /// What follows waits so long.
    pub(super) fn pause(&mut self, span: Duration) {
        self.0.push_back(Act::Pause(span));
    }

    /// A client that breaks the protocol loses its connection, as with the official server.
    pub(super) fn protest(&mut self, why: &str) {
        self.close(1002, why);
    }

    /// Whether something of it ends the session or the connection.
    fn is_last(&self) -> bool {
        self.0.iter().any(|act| matches!(act, Act::Disconnect | Act::End(_)))
    }

    pub(super) fn next(&mut self) -> Option<Act> {
        self.0.pop_front()
    }
}

/// The token a connection has shown, for services that let it expire in mid-session.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    pub(crate) who: Option<Identity>,
    ends: Option<Instant>,
}

impl Pass {
    /// Looks at a token and remembers whose it is.
    pub(crate) fn show(&mut self, world: &World, on: &Connection, token: &str) -> Result<(), &'static str> {
        match world.judge(on, token) {
            Ok(who) => {
                let left = who.expires.and_then(|end| end.duration_since(SystemTime::now()).ok());
                self.ends = left.map(|left| Instant::now() + left);
                world.recognise(on, &who);
                self.who = Some(who);
                Ok(())
            }
            Err(why) => Err(Self::refuse(world, on, &why.to_string())),
        }
    }

    /// Notes that somebody has not been let in; answers the code for it [saga §1.2.3].
    pub(crate) fn refuse(world: &World, on: &Connection, why: &str) -> &'static str {
        world.console.tell("refused", on, why);
        world.journal.add(on, Fact::Refused { detail: &format!("AUTH_FAILED {why}") });
        "AUTH_FAILED"
    }

    /// When it ends.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// It has ended: this is not said again.
    pub(crate) fn end(&mut self) {
        self.ends = None;
    }
}

/// The Socket.IO session within an engine's session.
pub(super) struct Layer {
    world: World,
    on: Arc<Connection>,
    dialect: Box<dyn Dialect>,
    connected: bool,
    /// How long a client may stay without CONNECT, and until when.
    patience: (Duration, Option<Instant>),
    /// A binary event and how many of its attachments are still to come.
    partial: Option<(Message, usize)>,
}

impl Layer {
    pub(super) fn new(
        world: World,
        on: Arc<Connection>,
        dialect: Box<dyn Dialect>,
        patience: Duration,
    ) -> Self {
        let until = Some(Instant::now() + patience);
        Self { world, on, dialect, connected: false, patience: (patience, until), partial: None }
    }

    fn handle(&mut self, message: Message, out: &mut Out) {
        let Message { namespace, packet, .. } = message;
        if namespace != "/" {
            return match packet {
                Packet::Connect(_) => out.packet(Parcel::refusal(&namespace, "Invalid namespace", None)),
                _ => out.protest("this namespace is not connected"),
            };
        }
        match packet {
            Packet::Connect(auth) if !self.connected => match self.dialect.admit(auth.as_ref()) {
                Ok(()) => {
                    self.connected = true;
                    self.patience.1 = None;
                    let sid = super::fresh_id(&self.world);
                    out.packet(Parcel::new("(connect)", format!("40{}", json!({"sid": sid}))));
                    self.dialect.welcomed(&sid, out);
                }
                Err(code) => out.packet(Parcel::refusal("/", "Authentication failed", Some(code))),
            },
            Packet::Connect(_) => out.protest("this namespace is connected already"),
            _ if !self.connected => out.protest("CONNECT comes first"),
            Packet::Disconnect => self.left(),
            Packet::Event { name, args, ack } => {
                self.dialect.event(&name, &args, out);
                // No reply of the services is an acknowledgement: who asks for one learns that the event was read.
                if let Some(id) = ack {
                    out.packet(Parcel::new("(ack)", format!("43{id}[]")));
                }
            }
            Packet::Ack => {}
        }
    }

    fn expired(&mut self, out: &mut Out) {
        if self.connected {
            self.dialect.expired(out);
        }
    }
}

impl Above for Layer {
    fn hear(&mut self, message: Message, out: &mut Out) {
        if self.partial.is_some() {
            return out.protest("a binary message was announced");
        }
        match message.attachments {
            0 => self.handle(message, out),
            n => self.partial = Some((message, n)),
        }
    }

    fn attachment(&mut self, _: &Bytes, out: &mut Out) {
        match self.partial.take() {
            None => out.protest("no binary message was announced"),
            Some((message, 1)) => self.handle(message, out),
            Some((message, n)) => self.partial = Some((message, n - 1)),
        }
    }

    fn left(&mut self) {
        self.connected = false;
        self.patience.1 = Some(Instant::now() + self.patience.0);
        self.world.hub.leave(&self.on);
    }

    fn parcel(&self, frame: &Frame) -> Parcel {
        let dressed = self.dialect.dress(frame);
        Parcel::event(frame, dressed.as_ref().unwrap_or(&frame.body))
    }

    fn delivered(&mut self, frame: &Frame, out: &mut Out) {
        self.dialect.delivered(frame, out);
    }

    fn provoke(&mut self, fault: &ProtocolFault, topic: Option<&str>, out: &mut Out) {
        match fault {
            ProtocolFault::ExpireToken => self.expired(out),
            ProtocolFault::RevokeToken => {}
            ProtocolFault::Shutdown => {
                self.farewell(out);
                if !out.is_last() {
                    out.close(1001, "Server shutting down");
                }
            }
            ProtocolFault::Disconnect => out.disconnect(),
            ProtocolFault::GatewayError { message } => {
                let text = ProtocolFault::gateway_frame(message).to_string();
                out.packet(Parcel::new("(gateway error)", text));
            }
            ProtocolFault::Replace => out.close(4409, "Replaced by a newer connection"),
            ProtocolFault::Reject { code, message } if self.connected => {
                self.dialect.reject(code, message, topic, out);
            }
            ProtocolFault::Reject { code, message } => {
                out.packet(Parcel::refusal("/", message, Some(code)));
            }
        }
    }

    fn farewell(&mut self, out: &mut Out) {
        if self.connected {
            self.dialect.farewell(out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        if self.connected { self.dialect.deadline() } else { self.patience.1 }
    }

    fn due(&mut self, out: &mut Out) {
        if self.connected {
            self.dialect.expired(out);
        } else {
            out.close(1002, "no CONNECT in time");
        }
    }
}
