//! Engine.IO 4 and Socket.IO 5 packets: the digits before the JSON, read and written. [Engine.IO protocol 4,
//! Socket.IO protocol 5]

use alloc::string::String;

/// What kind of packet stands at the beginning of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketType {
    /// Engine.IO `0`: the handshake.
    Open,
    /// Engine.IO `1`: the server closes the transport.
    Close,
    /// Engine.IO `2`; `probe` if the packet says so.
    Ping {
        /// `2probe`, sent on an upgrade.
        probe: bool,
    },
    /// Engine.IO `3`; `probe` if the packet says so.
    Pong {
        /// `3probe`, the answer to `2probe`.
        probe: bool,
    },
    /// Engine.IO `5`: the upgrade is done.
    Upgrade,
    /// Engine.IO `6`: nothing.
    Noop,
    /// Socket.IO `40`: connected to the namespace.
    Connect,
    /// Socket.IO `41`: disconnected from the namespace.
    Disconnect,
    /// Socket.IO `42`: an event.
    Event,
    /// Socket.IO `43`: an acknowledgement.
    Ack,
    /// Socket.IO `44`: the connection to the namespace was refused.
    ConnectError,
    /// Socket.IO `45`: an event whose binary parts follow.
    BinaryEvent,
    /// Socket.IO `46`: an acknowledgement whose binary parts follow.
    BinaryAck,
}

/// The digits before the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketHead {
    /// What the packet is.
    pub kind: PacketType,
    /// Whether it belongs to the namespace `/`; this SDK uses no other.
    pub main_namespace: bool,
    /// The acknowledgement id.
    pub id: Option<u64>,
    /// How many binary messages follow.
    pub attachments: u32,
}

/// Why a packet's head can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// The message is empty.
    Empty,
    /// The first character is no Engine.IO packet type.
    UnknownEngineType,
    /// The second character is no Socket.IO packet type.
    UnknownPacketType,
    /// A binary packet without its count of attachments, or with an absurd one.
    BadAttachments,
    /// An acknowledgement id that is no number.
    BadId,
}

impl PacketError {
    /// What was wrong, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Empty => "the message is empty",
            Self::UnknownEngineType => "the message begins with no Engine.IO packet type",
            Self::UnknownPacketType => "the message holds no Socket.IO packet type",
            Self::BadAttachments => "the number of binary attachments can't be read",
            Self::BadId => "the acknowledgement id can't be read",
        }
    }
}

/// More binary parts than this belong to no event this SDK could use.
const MAX_ATTACHMENTS: u32 = 64;

/// Splits a message into its head and the JSON that follows (empty if there is none).
///
/// ```
/// use steadfast::socketio::{split, PacketType};
/// let (head, json) = split(r#"4213["progress",{}]"#).unwrap();
/// assert_eq!((head.kind, head.id, json), (PacketType::Event, Some(13), r#"["progress",{}]"#));
/// ```
pub fn split(text: &str) -> Result<(PacketHead, &str), PacketError> {
    let mut chars = text.chars();
    let engine = chars.next().ok_or(PacketError::Empty)?;
    let rest = chars.as_str();
    let plain = |kind, rest| Ok((PacketHead { kind, main_namespace: true, id: None, attachments: 0 }, rest));
    match engine {
        '0' => plain(PacketType::Open, rest),
        '1' => plain(PacketType::Close, rest),
        '2' => plain(PacketType::Ping { probe: rest == "probe" }, ""),
        '3' => plain(PacketType::Pong { probe: rest == "probe" }, ""),
        '4' => split_socketio(rest),
        '5' => plain(PacketType::Upgrade, ""),
        '6' => plain(PacketType::Noop, ""),
        _ => Err(PacketError::UnknownEngineType),
    }
}

fn split_socketio(text: &str) -> Result<(PacketHead, &str), PacketError> {
    let mut chars = text.chars();
    let kind = match chars.next() {
        Some('0') => PacketType::Connect,
        Some('1') => PacketType::Disconnect,
        Some('2') => PacketType::Event,
        Some('3') => PacketType::Ack,
        Some('4') => PacketType::ConnectError,
        Some('5') => PacketType::BinaryEvent,
        Some('6') => PacketType::BinaryAck,
        _ => return Err(PacketError::UnknownPacketType),
    };
    let mut rest = chars.as_str();
    let mut attachments = 0;
    if matches!(kind, PacketType::BinaryEvent | PacketType::BinaryAck) {
        let (digits, after) = rest.split_once('-').ok_or(PacketError::BadAttachments)?;
        attachments = digits
            .parse()
            .ok()
            .filter(|n| *n <= MAX_ATTACHMENTS && digits.bytes().all(|b| b.is_ascii_digit()))
            .ok_or(PacketError::BadAttachments)?;
        rest = after;
    }
    let mut main_namespace = true;
    if rest.starts_with('/') {
        let (namespace, after) = rest.split_once(',').unwrap_or((rest, ""));
        // A namespace may carry a query, which the protocol keeps apart from the name.
        main_namespace = namespace.split('?').next() == Some("/");
        rest = after;
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (id, json) = rest.split_at_checked(digits).unwrap_or((rest, ""));
    let id = if id.is_empty() { None } else { Some(id.parse().map_err(|_| PacketError::BadId)?) };
    Ok((PacketHead { kind, main_namespace, id, attachments }, json))
}

/// Writes `42["name",payload]`; `payload` is JSON already, empty for an event without one.
pub fn write_event(name: &str, payload: &str) -> String {
    let mut out = String::with_capacity(name.len() + payload.len() + 8);
    out.push_str("42[");
    crate::json::string(&mut out, name);
    if !payload.is_empty() {
        out.push(',');
        out.push_str(payload);
    }
    out.push(']');
    out
}

/// Writes `42["name","text"]`, an event whose only argument is a text.
///
/// ```
/// assert_eq!(steadfast::socketio::write_text_event("subscribe", "s1"), r#"42["subscribe","s1"]"#);
/// ```
pub fn write_text_event(name: &str, text: &str) -> String {
    let mut payload = String::with_capacity(text.len() + 2);
    crate::json::string(&mut payload, text);
    write_event(name, &payload)
}

/// Splits the body of a long-polling request or answer into its packets.
///
/// ```
/// assert_eq!(steadfast::socketio::payload("2\u{1e}42[\"a\"]").collect::<Vec<_>>(), ["2", "42[\"a\"]"]);
/// ```
pub fn payload(body: &str) -> impl Iterator<Item = &str> {
    body.split('\u{1e}')
}
