//! Echo mode: a Socket.IO server and an Engine.IO server that answer with what they were told, with the timings and
//! the namespaces that the public test suites of both protocols expect.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::layer::{Above, Out};
use super::packet::{Heard, Message, Packet, Parcel, read_engine};
use super::{Greeting, Kind, Settings, Upper};
use crate::connection::{Connection, Frame};
use crate::faults::protocol::ProtocolFault;
use crate::service::Service;
use crate::switches as s;
use crate::world::World;

const NAMESPACES: [&str; 2] = ["/", "/custom"];

static SOCKET_IO: Kind = kind(|world, _, _, settings| {
    let patience = Some(Instant::now() + settings.connect_timeout);
    Upper(Box::new(Echo { world, connected: BTreeSet::new(), patience, partial: None }))
});
static ENGINE_IO: Kind = kind(|_, _, _, _| Upper(Box::new(Plain)));

const fn kind(above: fn(World, Arc<Connection>, Greeting, Settings) -> Upper) -> Kind {
    Kind {
        service: Service::Echo,
        above,
        ping_interval: &s::ECHO_PING_INTERVAL,
        ping_timeout: &s::ECHO_PING_TIMEOUT,
        connect_timeout: &s::ECHO_CONNECT_TIMEOUT,
        max_payload: &s::ECHO_MAX_PAYLOAD,
    }
}

/// Both servers, at the paths where clients look for them.
pub(crate) fn routes() -> Router<World> {
    SOCKET_IO.at("/socket.io/").merge(ENGINE_IO.at("/engine.io/"))
}

/// Engine.IO alone: every message comes back.
struct Plain;

impl Above for Plain {
    fn read(&self, text: &str) -> Heard {
        read_engine(text)
    }

    fn plain(&mut self, text: String, out: &mut Out) {
        out.packet(Parcel::new("(message)", text));
    }

    fn attachment(&mut self, bytes: &Bytes, out: &mut Out) {
        out.packet(Parcel { attachments: vec![bytes.clone()], ..Parcel::new("(binary)", "") });
    }

    fn provoke(&mut self, _: &ProtocolFault, _: Option<&str>, out: &mut Out) {
        out.close(1000, "by a fault");
    }
}

/// Socket.IO: `auth` tells what CONNECT brought, `message` comes back as `message-back`, `message-with-ack` as its
/// acknowledgement.
struct Echo {
    world: World,
    connected: BTreeSet<String>,
    patience: Option<Instant>,
    /// A binary packet, and those of its attachments that have come.
    partial: Option<(Message, Vec<Bytes>)>,
}

impl Echo {
    fn handle(&mut self, Message { namespace, packet, .. }: Message, attachments: Vec<Bytes>, out: &mut Out) {
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
        let count = |text| if attachments.is_empty() { text } else { 3 + text };
        let mark = if attachments.is_empty() { String::new() } else { format!("{}-", attachments.len()) };
        match packet {
            Packet::Connect(_) if !NAMESPACES.contains(&namespace.as_str()) => {
                out.packet(Parcel::refusal(&namespace, "Invalid namespace", None));
            }
            Packet::Connect(auth) if self.connected.insert(namespace.clone()) => {
                self.patience = None;
                let sid = json!({"sid": super::fresh_id(&self.world)});
                out.packet(Parcel::new("(connect)", format!("40{prefix}{sid}")));
                // Who listens for one message at a time loses one that comes in the same segment.
                out.pause(self.world.switches.span(&s::ECHO_PAUSE));
                let auth = json!(["auth", auth.unwrap_or_else(|| json!({}))]);
                out.packet(Parcel::new("auth", format!("42{prefix}{auth}")));
            }
            Packet::Connect(_) => out.protest("this namespace is connected already"),
            _ if !self.connected.contains(&namespace) => out.protest("this namespace is not connected"),
            Packet::Disconnect => drop(self.connected.remove(&namespace)),
            Packet::Event { name, args, .. } if name == "message" => {
                let back: Value = [json!("message-back")].into_iter().chain(args).collect();
                let text = format!("4{}{mark}{prefix}{back}", count(2));
                out.packet(Parcel { attachments, ..Parcel::new("message-back", text) });
            }
            Packet::Event { name, args, ack: Some(id) } if name == "message-with-ack" => {
                let text = format!("4{}{mark}{prefix}{id}{}", count(3), Value::from(args));
                out.packet(Parcel { attachments, ..Parcel::new("(ack)", text) });
            }
            Packet::Event { .. } | Packet::Ack => {}
        }
    }
}

impl Above for Echo {
    fn hear(&mut self, message: Message, out: &mut Out) {
        if self.partial.is_some() {
            return out.protest("a binary message was announced");
        }
        match message.attachments {
            0 => self.handle(message, Vec::new(), out),
            _ => self.partial = Some((message, Vec::new())),
        }
    }

    fn attachment(&mut self, bytes: &Bytes, out: &mut Out) {
        let Some((message, mut attachments)) = self.partial.take() else {
            return out.protest("no binary message was announced");
        };
        attachments.push(bytes.clone());
        if attachments.len() < message.attachments {
            self.partial = Some((message, attachments));
        } else {
            self.handle(message, attachments, out);
        }
    }

    fn left(&mut self) {
        self.connected.clear();
    }

    fn parcel(&self, frame: &Frame) -> Parcel {
        Parcel::event(frame, &frame.body)
    }

    fn provoke(&mut self, fault: &ProtocolFault, _: Option<&str>, out: &mut Out) {
        if let ProtocolFault::Reject { code, message } = fault {
            return out.packet(Parcel::refusal("/", message, Some(code)));
        }
        out.disconnect();
    }

    fn deadline(&self) -> Option<Instant> {
        self.patience
    }

    fn due(&mut self, out: &mut Out) {
        self.patience = None;
        out.close(1002, "no CONNECT in time");
    }
}
