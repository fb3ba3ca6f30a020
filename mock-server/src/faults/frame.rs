//! Faults of WebSocket frames: what is written for a message, bit by bit. Over long-polling there are no frames, and
//! these do nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Message;

use super::rule::{When, unhex};

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
}

fn text_opcode() -> u8 {
    1
}

fn yes() -> bool {
    true
}

impl FrameFault {
    pub(super) const NAMES: &[&str] = &["frame"];

    pub(super) fn misfit(&self, when: When) -> Option<&'static str> {
        match (self, when) {
            (FrameFault::Frame { opcode: 16.., .. }, _) => Some("`opcode` has four bits: 0 to 15"),
            (FrameFault::Frame { rsv: 8.., .. }, _) => Some("`rsv` has three bits: 0 to 7"),
            (FrameFault::Frame { hex, .. }, _) if unhex(hex).is_none() => {
                Some("`hex` must be pairs of hex digits")
            }
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
    /// Bytes on the WebSocket's connection, above TLS.
    Bytes(Vec<u8>),
}

/// What these faults make of a message.
pub(crate) fn plan(faults: &[FrameFault], message: Message) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut kept = true;
    for fault in faults {
        match fault {
            FrameFault::Frame { opcode, fin, rsv, masked, hex, length, keep } => {
                let head = u8::from(*fin) << 7 | rsv << 4 | opcode;
                let payload = unhex(hex).unwrap_or_default();
                pieces.push(Piece::Bytes(frame(head, *masked, *length, &payload)));
                kept &= *keep;
            }
        }
    }
    if kept {
        pieces.push(Piece::Message(message));
    }
    pieces
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
    fn frames_have_the_header_they_are_told() {
        assert_eq!(frame(0x81, false, None, b"hi"), [0x81, 2, b'h', b'i']);
        assert_eq!(frame(0x88, true, None, &[3]), [0x88, 0x81, 0, 0, 0, 0, 3]);
        assert_eq!(frame(0x82, false, Some(300), b""), [0x82, 126, 1, 44]);
        assert_eq!(frame(0x82, false, Some(1 << 32), b""), [0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0]);
    }
}
