//! Faults of WebSocket frames: what is written for a message, bit by bit. Over long-polling there are no frames, and
//! these do nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Message;

use super::End;
use super::rule::{When, unhex};
use crate::wire::io::Cut;

/// Bytes that a rule may have in one frame.
const LARGEST: u64 = 256 << 20;
/// Pings that a rule may send at once.
const MOST_PINGS: usize = 100_000;

/// A fault of a WebSocket frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum FrameFault {
    /// Writes one frame of any shape, legal or not, in place of the message.
    Frame {
        /// The opcode, 0 to 15; 1 is text.
        #[serde(default = "text_opcode")]
        #[schemars(range(max = 15))]
        opcode: u8,
        /// Whether it is a message's last frame.
        #[serde(default = "yes")]
        fin: bool,
        /// The three reserved bits, 0 to 7.
        #[serde(default)]
        #[schemars(range(max = 7))]
        rsv: u8,
        /// Whether it is masked (with zeros), which no server may do.
        #[serde(default)]
        masked: bool,
        /// The payload, two hex digits each byte.
        #[serde(default)]
        hex: String,
        /// The length in the header; by default the payload's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
        /// Whether the message follows.
        #[serde(default)]
        keep: bool,
    },
    /// Writes a close frame in place of the message, legal or not, and nothing after it.
    Close {
        /// The code, any 16-bit number; without it the frame is empty.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// The reason.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// The whole payload in place of code and reason, two hex digits each byte.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hex: Option<String>,
    },
    /// Sets reserved bits in the message's frame.
    Rsv {
        /// Which of the three, 1 to 7.
        #[serde(default = "first_bit")]
        #[schemars(range(min = 1, max = 7))]
        bits: u8,
    },
    /// Gives the message's frame another opcode.
    Opcode {
        /// The opcode, 0 to 15; by default one that does not exist.
        #[serde(default = "reserved_opcode")]
        #[schemars(range(max = 15))]
        opcode: u8,
    },
    /// Masks the message's frame (with zeros), which no server may do.
    Masked,
    /// Puts a byte into the message's text that is in no UTF-8.
    InvalidUtf8,
    /// Writes half of the message's frame and ends the connection by FIN.
    Truncated,
    /// Makes the message's frame too large.
    Oversize {
        /// Its size in bytes; the message is filled up with spaces.
        #[serde(default = "much")]
        bytes: u64,
        /// Only says so in the header: what follows is taken for the rest of the message.
        #[serde(default)]
        declared: bool,
    },
    /// Writes the message in fragments.
    Fragments {
        /// Bytes in a fragment.
        #[serde(default = "one")]
        size: usize,
        /// Whether a ping stands between two fragments.
        #[serde(default = "yes")]
        pings: bool,
    },
    /// Writes many pings before the message.
    PingFlood {
        /// How many, at most 100,000.
        #[serde(default = "thousand")]
        count: usize,
    },
    /// Keeps the message's frame back until the next one, and writes both in one segment.
    Together,
}

fn first_bit() -> u8 {
    4
}

fn reserved_opcode() -> u8 {
    3
}

fn much() -> u64 {
    64 << 20
}

fn one() -> usize {
    1
}

fn thousand() -> usize {
    1000
}

fn text_opcode() -> u8 {
    1
}

fn yes() -> bool {
    true
}

impl FrameFault {
    pub(super) const NAMES: &[&str] = &[
        "frame",
        "close",
        "rsv",
        "opcode",
        "masked",
        "invalid_utf8",
        "truncated",
        "oversize",
        "fragments",
        "ping_flood",
        "together",
    ];

    pub(super) fn misfit(&self, when: When) -> Option<&'static str> {
        use FrameFault as F;
        match (self, when) {
            (F::Frame { opcode: 16.., .. } | F::Opcode { opcode: 16.. }, _) => {
                Some("`opcode` has four bits: 0 to 15")
            }
            (F::Frame { rsv: 8.., .. }, _) => Some("`rsv` has three bits: 0 to 7"),
            (F::Rsv { bits: 0 | 8.. }, _) => Some("`bits` are three, of which one must be set: 1 to 7"),
            (F::Frame { hex, .. } | F::Close { hex: Some(hex), .. }, _) if unhex(hex).is_none() => {
                Some("`hex` must be pairs of hex digits")
            }
            (F::Close { code: None, hex: None, reason }, _) if !reason.is_empty() => {
                Some("a reason needs a `code` before it")
            }
            (F::Close { reason, hex, .. }, _)
                if reason.len() > 123 || hex.as_ref().is_some_and(|hex| hex.len() > 250) =>
            {
                Some("a close frame has room for 125 bytes: a reason of 123")
            }
            (F::Oversize { bytes, declared }, _) if !declared && *bytes > LARGEST => {
                Some("`bytes` may be 268435456 at most, more only with `declared`")
            }
            (F::Fragments { size: 0, .. }, _) => {
                Some("a fragment has one byte at least: `size` counts from 1")
            }
            (F::PingFlood { count }, _) if *count > MOST_PINGS => Some("`count` may be 100000 at most"),
            (_, When::Out) => None,
            _ => Some("frames are written to the client: leave `when` out"),
        }
    }
}

/// One thing that is written for a message, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// A message as it should be.
    Message(Message),
    /// The same, when the next one is written.
    Later(Message),
    /// Bytes on the WebSocket's connection, above TLS.
    Bytes(Vec<u8>),
    /// Nothing more: the connection ends like this.
    End(End),
}

/// What these faults make of a message.
pub(crate) fn plan(faults: &[FrameFault], message: Message) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut kept = true;
    let (opcode, payload) = match &message {
        Message::Text(text) => (1, text.as_bytes()),
        Message::Binary(bytes) => (2, bytes.as_ref()),
        Message::Ping(bytes) => (9, bytes.as_ref()),
        _ => (10, &[][..]),
    };
    let whole = 0x80 | opcode;
    for fault in faults {
        kept &= matches!(fault, FrameFault::PingFlood { .. } | FrameFault::Frame { keep: true, .. });
        let bytes = match fault {
            FrameFault::Frame { opcode, fin, rsv, masked, hex, length, keep: _ } => {
                let head = u8::from(*fin) << 7 | rsv << 4 | opcode;
                frame(head, *masked, *length, &unhex(hex).unwrap_or_default())
            }
            FrameFault::Close { code, reason, hex } => {
                let body = match (hex, code) {
                    (Some(hex), _) => unhex(hex).unwrap_or_default(),
                    (None, Some(code)) => [&code.to_be_bytes(), reason.as_bytes()].concat(),
                    (None, None) => Vec::new(),
                };
                pieces.extend([Piece::Bytes(frame(0x88, false, None, &body)), Piece::End(End::Written)]);
                break;
            }
            FrameFault::Rsv { bits } => frame(whole | bits << 4, false, None, payload),
            FrameFault::Opcode { opcode } => frame(0x80 | opcode, false, None, payload),
            FrameFault::Masked => frame(whole, true, None, payload),
            FrameFault::InvalidUtf8 => frame(whole, false, None, &[payload, b"\xff"].concat()),
            FrameFault::Truncated => {
                let mut half = frame(whole, false, None, payload);
                half.truncate(half.len().div_ceil(2));
                pieces.extend([Piece::Bytes(half), Piece::End(End::Cut(Cut::Fin))]);
                break;
            }
            FrameFault::Oversize { bytes, declared: true } => frame(whole, false, Some(*bytes), payload),
            FrameFault::Oversize { bytes, declared: false } => {
                let mut filled = payload.to_vec();
                filled.resize(filled.len().max(*bytes as usize), b' ');
                frame(whole, false, None, &filled)
            }
            FrameFault::Fragments { size, pings } => fragments(opcode, payload, *size, *pings),
            FrameFault::PingFlood { count } => {
                (0..*count as u32).flat_map(|n| frame(0x89, false, None, &n.to_be_bytes())).collect()
            }
            FrameFault::Together => {
                pieces.push(Piece::Later(message.clone()));
                continue;
            }
        };
        pieces.push(Piece::Bytes(bytes));
    }
    if kept {
        pieces.push(Piece::Message(message));
    }
    pieces
}

/// A message in pieces of so many bytes, perhaps with a ping between two of them.
fn fragments(opcode: u8, payload: &[u8], size: usize, pings: bool) -> Vec<u8> {
    let count = payload.len().div_ceil(size).max(1);
    let piece = |n: usize| {
        let from = n * size;
        let head = if n == 0 { opcode } else { 0 } | if n + 1 == count { 0x80 } else { 0 };
        let ping = if pings && n > 0 { frame(0x89, false, None, &[]) } else { Vec::new() };
        [ping, frame(head, false, None, &payload[from..payload.len().min(from + size)])].concat()
    };
    (0..count).flat_map(piece).collect()
}

/// A frame's bytes: its first byte, whether it is masked, the length it claims, and what follows.
fn frame(head: u8, masked: bool, length: Option<u64>, payload: &[u8]) -> Vec<u8> {
    let length = length.unwrap_or(payload.len() as u64);
    let mask = u8::from(masked) << 7;
    let mut bytes = vec![head];
    match length {
        0..126 => bytes.push(mask | length as u8),
        126..65536 => {
            bytes.push(mask | 0x7e);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask | 0x7f);
            bytes.extend(length.to_be_bytes());
        }
    }
    if masked {
        bytes.extend([0; 4]);
    }
    bytes.extend(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_fragments_is_whole_and_may_have_pings_between() {
        assert_eq!(fragments(1, b"abc", 2, true), [1, 2, b'a', b'b', 0x89, 0, 0x80, 1, b'c']);
        assert_eq!(fragments(2, b"a", 1, true), [0x82, 1, b'a']);
        assert_eq!(fragments(1, b"", 1, true), [0x81, 0]);
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        let close = FrameFault::Close { code: Some(1005), reason: String::new(), hex: None };
        let pieces = plan(&[close, FrameFault::Masked], Message::text("x"));
        assert_eq!(pieces, [Piece::Bytes(vec![0x88, 2, 3, 0xed]), Piece::End(End::Written)]);
    }

    #[test]
    fn frames_have_the_header_they_are_told() {
        assert_eq!(frame(0x81, false, None, b"hi"), [0x81, 2, b'h', b'i']);
        assert_eq!(frame(0x88, true, None, &[3]), [0x88, 0x81, 0, 0, 0, 0, 3]);
        assert_eq!(frame(0x82, false, Some(300), b""), [0x82, 126, 1, 44]);
        assert_eq!(frame(0x82, false, Some(1 << 32), b""), [0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0]);
    }
}
