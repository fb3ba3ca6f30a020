//! Engine.IO 4 and Socket.IO 5, as far as a client needs them.

mod packet;

pub use packet::{PacketError, PacketHead, PacketType, payload, split, write_event, write_text_event};
