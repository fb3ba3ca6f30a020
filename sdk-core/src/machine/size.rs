//! How much a machine remembers, for the simulation's bounds.

use super::Machine;

/// How many of each thing a machine holds.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub queue: usize,
    pub queue_bytes: usize,
    pub questions: usize,
    pub topics: usize,
    pub items: usize,
    pub seen: usize,
}

impl Machine {
    /// How much it remembers.
    #[doc(hidden)]
    pub fn size(&self) -> Size {
        let conns = self.links.values().flat_map(|link| link.conns());
        Size {
            queue: self.queue.len(),
            queue_bytes: self.queue.iter().map(|queued| queued.bytes()).sum(),
            questions: conns.map(|conn| conn.awaited.len()).sum(),
            topics: self.topics.len(),
            items: self.topics.values().map(|topic| topic.snapshot.items.len()).sum(),
            seen: self.topics.values().map(|topic| topic.seen.len()).sum(),
        }
    }
}
