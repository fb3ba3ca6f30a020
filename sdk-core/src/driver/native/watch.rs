//! Follows the frame headers (RFC 6455 §5.2) of the bytes that pass by, without keeping or changing any.
//!
//! The WebSocket library shows whole messages only. Whether one is half-way in, and since when, decides liveness and
//! the time limit for a message, so the headers are read a second time here.

const CLOSE: u8 = 8;

/// Where the incoming bytes stand between frames and messages.
#[derive(Debug, Default)]
pub(super) struct Watch {
    head: [u8; 10],
    have: usize,
    left: u64,
    opcode: u8,
    open: bool,
    completed: u64,
    close_code: Option<u16>,
    close_seen: u8,
}

impl Watch {
    /// Bytes that arrived.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.left == 0 {
                // Nearly every header arrives in one piece; a flood of small messages is mostly headers.
                bytes = match bytes.first_chunk() {
                    Some(head) if self.have == 0 => {
                        self.head = *head;
                        self.have = self.header_len();
                        bytes.get(self.have..).unwrap_or_default()
                    }
                    _ => {
                        if let Some(slot) = self.head.get_mut(self.have) {
                            *slot = first;
                        }
                        self.have += 1;
                        rest
                    }
                };
                if self.have >= 2 && self.have == self.header_len() {
                    self.frame_begin();
                }
                continue;
            }
            if self.opcode == CLOSE && self.close_seen < 2 {
                self.close_code = Some(self.close_code.unwrap_or(0) << 8 | u16::from(first));
                self.close_seen += 1;
                self.left -= 1;
                bytes = rest;
            } else {
                let skip = self.left.min(bytes.len() as u64);
                self.left -= skip;
                bytes = bytes.get(skip as usize..).unwrap_or_default();
            }
            if self.left == 0 {
                self.frame_end();
            }
        }
    }

    /// Whether a frame or a fragmented message has begun and not ended.
    pub(super) fn mid_message(&self) -> bool {
        self.have > 0 || self.left > 0 || self.open
    }

    /// How many messages are complete, to tell one unfinished message from the next.
    pub(super) fn completed(&self) -> u64 {
        self.completed
    }

    /// The code of a close frame as it was sent: the library replaces those it holds to be illegal, 1014 among them.
    pub(super) fn close_code(&self) -> Option<u16> {
        self.close_code.filter(|_| self.close_seen == 2)
    }

    /// How long the header is, by its second byte. A masked frame is illegal from a server: the library ends the
    /// connection before the count matters.
    fn header_len(&self) -> usize {
        match self.head[1] & 0x7F {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn frame_begin(&mut self) {
        let [first, second, long @ ..] = self.head;
        let [high, low, ..] = long;
        self.left = match second & 0x7F {
            126 => u64::from(u16::from_be_bytes([high, low])),
            127 => u64::from_be_bytes(long),
            n => u64::from(n),
        };
        self.have = 0;
        self.opcode = first & 0x0F;
        // Control frames stand between fragments and change nothing about the message around them.
        if self.opcode < CLOSE {
            self.open = first & 0x80 == 0;
        }
        if self.left == 0 {
            self.frame_end();
        }
    }

    fn frame_end(&mut self) {
        if self.opcode < CLOSE && !self.open {
            self.completed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fragment, ping, last fragment, an empty message, one with a two-byte length, a close frame of code 1014.
    fn stream() -> Vec<u8> {
        let mut bytes = vec![0x01, 2, b'a', b'b', 0x89, 1, b'p', 0x80, 1, b'c', 0x81, 0];
        bytes.extend([0x82, 126, 0x01, 0x00]);
        bytes.extend([7; 256]);
        bytes.extend([0x88, 4, 0x03, 0xF6, b'n', b'o']);
        bytes
    }

    #[test]
    fn headers_are_followed_however_the_bytes_are_cut() {
        for size in 1..40 {
            let mut watch = Watch::default();
            for part in stream().chunks(size) {
                watch.feed(part);
            }
            assert!(!watch.mid_message(), "pieces of {size}");
            assert_eq!(watch.completed(), 3, "pieces of {size}");
            assert_eq!(watch.close_code(), Some(1014), "pieces of {size}");
        }
    }

    #[test]
    fn a_message_is_open_until_its_last_fragment() {
        let mut watch = Watch::default();
        watch.feed(&[0x01, 1, b'a']);
        assert!(watch.mid_message());
        watch.feed(&[0x89, 0]);
        assert!(watch.mid_message(), "a ping ends no message");
        watch.feed(&[0x80, 1]);
        assert!(watch.mid_message());
        watch.feed(b"b");
        assert!(!watch.mid_message());
        watch.feed(&[0x81]);
        assert!(watch.mid_message(), "half a header");
    }
}
