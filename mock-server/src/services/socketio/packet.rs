//! The packets of Socket.IO 5 and the payloads of Engine.IO 4 [rules §10].

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::Value;

use crate::connection::Frame;

/// Stands between the packets of one polling payload.
const SEPARATOR: char = '\u{1e}';
/// An event may announce so many attachments.
const MOST_ATTACHMENTS: usize = 16;
/// Digits of an acknowledgement id that are read.
const LONGEST_ID: usize = 18;
/// Names that clients use for themselves and never send.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// One message of the transport: an Engine.IO packet, or the bytes of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Text(String),
    Binary(Bytes),
}

impl Item {
    /// As it stands in a polling payload.
    fn in_payload(&self) -> String {
        match self {
            Item::Text(text) => text.clone(),
            Item::Binary(bytes) => format!("b{}", BASE64_STANDARD.encode(bytes)),
        }
    }
}

/// The items of a POST's body, or what is wrong with it.
pub(super) fn from_payload(body: &str) -> Result<Vec<Item>, String> {
    let item = |text: &str| match text.strip_prefix('b') {
        None => Ok(Item::Text(text.to_owned())),
        Some(code) => match BASE64_STANDARD.decode(code) {
            Ok(bytes) => Ok(Item::Binary(bytes.into())),
            Err(error) => Err(format!("a binary packet is not base64: {error}")),
        },
    };
    body.split(SEPARATOR).map(item).collect()
}

/// Takes so many of the items as fit into the answer to a GET, at least one.
pub(super) fn to_payload(items: &mut std::collections::VecDeque<Item>, limit: usize) -> String {
    let mut body = String::new();
    while let Some(item) = items.front() {
        let text = item.in_payload();
        if !body.is_empty() && body.len() + text.len() >= limit {
            break;
        }
        if !body.is_empty() {
            body.push(SEPARATOR);
        }
        body.push_str(&text);
        items.pop_front();
    }
    body
}

/// What a client says on the engine's level [rules §10.1.2].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    Close,
    Pong,
    Noop,
    Message(Message),
    /// A message of Engine.IO alone, with its first digit.
    Plain(String),
    /// Nothing that may come from a client; the text says why.
    Bad(String),
}

/// A Socket.IO packet from a client.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) namespace: String,
    /// So many binary messages follow and belong to it.
    pub(super) attachments: usize,
    pub(super) packet: Packet,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Packet {
    Connect(Option<Value>),
    Disconnect,
    Event { name: String, args: Vec<Value>, ack: Option<String> },
    Ack,
}

/// Reads one text message.
pub(super) fn read(text: &str) -> Heard {
    let mut chars = text.chars();
    match (chars.next(), chars.as_str()) {
        (Some('1'), "") => Heard::Close,
        (Some('3'), "") => Heard::Pong,
        (Some('6'), "") => Heard::Noop,
        (Some('4'), rest) => message(rest).map_or_else(Heard::Bad, Heard::Message),
        (Some('2'), _) => Heard::Bad("pings come from the server".to_owned()),
        (Some('0' | '5'), _) => Heard::Bad("this packet has no place here".to_owned()),
        (Some(_), _) => Heard::Bad("no packet begins like this".to_owned()),
        (None, _) => Heard::Bad("an empty packet".to_owned()),
    }
}

/// Reads one text message where there is no Socket.IO above the engine.
pub(super) fn read_engine(text: &str) -> Heard {
    if text.starts_with('4') { Heard::Plain(text.to_owned()) } else { read(text) }
}

fn message(text: &str) -> Result<Message, String> {
    let (kind, rest) = match text.as_bytes().first() {
        Some(kind @ b'0'..=b'6') => (*kind, &text[1..]),
        _ => return Err("no Socket.IO packet begins like this".to_owned()),
    };
    let (attachments, rest) = if matches!(kind, b'5' | b'6') {
        let (count, rest) = rest.split_once('-').ok_or("the number of attachments is missing")?;
        let count = count.parse().ok().filter(|n| (1..=MOST_ATTACHMENTS).contains(n));
        (count.ok_or("so many attachments are not taken")?, rest)
    } else {
        (0, rest)
    };
    let (namespace, rest) = match rest.strip_prefix('/') {
        None => ("/".to_owned(), rest),
        Some(named) => {
            let (name, rest) = named.split_once(',').unwrap_or((named, ""));
            let name = name.split('?').next().unwrap_or_default();
            (format!("/{name}"), rest)
        }
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (id, json) = rest.split_at(digits);
    if digits > LONGEST_ID {
        return Err("the acknowledgement id is too long".to_owned());
    }
    let id = (digits > 0).then(|| id.to_owned());
    let data = match json {
        "" => None,
        json => Some(serde_json::from_str(json).map_err(|e| format!("the packet is not JSON: {e}"))?),
    };
    let packet = match (kind, data) {
        (b'0', data @ (None | Some(Value::Object(_)))) if id.is_none() => Packet::Connect(data),
        (b'1', None) if id.is_none() => Packet::Disconnect,
        (b'2' | b'5', Some(Value::Array(mut args))) if matches!(args.first(), Some(Value::String(_))) => {
            let Value::String(name) = args.remove(0) else { unreachable!("looked at in the guard") };
            if RESERVED.contains(&name.as_str()) {
                return Err(format!("an event may not be called {name}"));
            }
            Packet::Event { name, args, ack: id }
        }
        (b'3' | b'6', Some(Value::Array(_))) if id.is_some() => Packet::Ack,
        _ => return Err("the packet's content does not fit its type".to_owned()),
    };
    Ok(Message { namespace, attachments, packet })
}

impl Heard {
    /// The name under which journal and faults know it; what is no event stands in parentheses.
    pub(super) fn kind(&self) -> &str {
        match self {
            Heard::Close => "(close)",
            Heard::Pong => "(pong)",
            Heard::Noop => "(noop)",
            Heard::Bad(_) => "(not a packet)",
            Heard::Plain(_) => "(message)",
            Heard::Message(message) => match &message.packet {
                Packet::Connect(_) => "(connect)",
                Packet::Disconnect => "(disconnect)",
                Packet::Event { name, .. } => name,
                Packet::Ack => "(ack)",
            },
        }
    }

    /// The topic it concerns: both services send it as the only argument.
    pub(super) fn topic(&self) -> Option<&str> {
        match self {
            Heard::Message(Message { packet: Packet::Event { args, .. }, .. }) => args.first()?.as_str(),
            _ => None,
        }
    }
}

/// A packet to the client, ready for the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) kind: String,
    pub(super) topic: Option<String>,
    pub(super) text: String,
    /// Binary messages that follow the text; a parcel without text is these alone.
    pub(super) attachments: Vec<Bytes>,
}

impl Parcel {
    pub(super) fn new(kind: &str, text: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), topic: None, text: text.into(), attachments: Vec::new() }
    }

    /// An event; a body that is null is no argument.
    pub(super) fn event(frame: &Frame, body: &Value) -> Self {
        let name = Value::from(frame.kind.as_str());
        let text = if body.is_null() { format!("42[{name}]") } else { format!("42[{name},{body}]") };
        Self { kind: frame.kind.clone(), topic: frame.topic.clone(), text, attachments: Vec::new() }
    }

    /// `CONNECT_ERROR` [rules §10.2.3].
    pub(super) fn refusal(namespace: &str, message: &str, code: Option<&str>) -> Self {
        // In the order of the documentation, for people who compare texts.
        let data =
            code.map_or_else(String::new, |code| format!(",\"data\":{}", serde_json::json!({"code": code})));
        let body = format!("{{\"message\":{}{data}}}", Value::from(message));
        let namespace = if namespace == "/" { String::new() } else { format!("{namespace},") };
        Self::new("(connect_error)", format!("44{namespace}{body}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(name: &str, args: Vec<Value>, ack: Option<&str>) -> Packet {
        Packet::Event { name: name.to_owned(), args, ack: ack.map(str::to_owned) }
    }

    #[test]
    fn what_clients_say_is_read() {
        let said = |text: &str| match read(text) {
            Heard::Message(message) => message,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(said("40").packet, Packet::Connect(None));
        assert_eq!(said(r#"40{"token":"t"}"#).packet, Packet::Connect(Some(json!({"token": "t"}))));
        assert_eq!(said("40/admin,").namespace, "/admin");
        assert_eq!(said("41").packet, Packet::Disconnect);
        assert_eq!(said(r#"42["subscribe","s"]"#).packet, event("subscribe", vec![json!("s")], None));
        assert_eq!(said(r#"4213["ping"]"#).packet, event("ping", vec![], Some("13")));
        assert_eq!(said("4313[]").packet, Packet::Ack);
        let binary = said(r#"451-["x",{"_placeholder":true,"num":0}]"#);
        assert_eq!((binary.attachments, binary.packet.clone()), (1, binary.packet));
        assert_eq!((read("1"), read("3"), read("6")), (Heard::Close, Heard::Pong, Heard::Noop));
        assert_eq!(read(r#"42["join_project","p"]"#).topic(), Some("p"));
    }

    #[test]
    fn what_no_client_may_say_is_told_apart() {
        for text in [
            "",
            "0",
            "2",
            "2probe",
            "5",
            "7",
            "x",
            "1x",
            "4",
            "47",
            "40[]",
            "41{}",
            "42",
            "42{}",
            "42[]",
            "42[1]",
            r#"42["connect"]"#,
            "42[\"x\"",
            "43[]",
            r#"45["x"]"#,
            r#"450-["x"]"#,
            r#"4599-["x"]"#,
            "401",
            r#"421234567890123456789["x"]"#,
            "44{}",
            "é",
        ] {
            assert!(matches!(read(text), Heard::Bad(_)), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn payloads_hold_several_packets_and_bytes() {
        let items = from_payload("42[\"a\"]\u{1e}bAQID\u{1e}3").unwrap();
        assert_eq!(items[1], Item::Binary(Bytes::from_static(&[1, 2, 3])));
        let mut outbox = items.clone().into();
        assert_eq!(to_payload(&mut outbox, 1 << 20), "42[\"a\"]\u{1e}bAQID\u{1e}3");
        let mut outbox = items.into();
        assert_eq!(to_payload(&mut outbox, 3), "42[\"a\"]");
        assert_eq!(outbox.len(), 2);
        assert!(from_payload("b!").is_err());
    }

    #[test]
    fn refusals_carry_their_data() {
        assert_eq!(
            Parcel::refusal("/", "Authentication failed", Some("AUTH_FAILED")).text,
            r#"44{"message":"Authentication failed","data":{"code":"AUTH_FAILED"}}"#
        );
        assert_eq!(
            Parcel::refusal("/x", "Invalid namespace", None).text,
            r#"44/x,{"message":"Invalid namespace"}"#
        );
    }
}
