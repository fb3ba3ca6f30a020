//! The last events of a client, for any number of readers at their own pace. [rules §2.14]
//!
//! Every event has a number that only rises. A reader owns the number it has read up to and asks for what comes after
//! it, so that an abandoned call loses nothing, unlike a queue's `next()`, which has given the event away by then. A
//! reader that falls behind learns how much it missed.
//!
//! The lock is held for moves and counting only: events are cloned under it (make them cheap to clone), never dropped,
//! and no waker or other foreign code runs under it.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::Stream;

/// How many events are kept by default.
pub const DEFAULT_EVENTS: usize = 1024;
/// How many bytes of events are kept by default.
pub const DEFAULT_BYTES: usize = 1024 * 1024;

/// What a reader finds after its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// The next event; `seq` is the new position.
    Event {
        /// Its number.
        seq: u64,
        /// The event.
        event: T,
    },
    /// The reader fell behind: these many events are gone. Reading goes on after `seq`.
    Lagged {
        /// How many were missed.
        skipped: u64,
        /// The new position.
        seq: u64,
    },
    /// There will be no more, and all that there were have been read.
    Closed,
}

/// The ring. Clones are the same ring.
pub struct Ring<T> {
    shared: Arc<Mutex<State<T>>>,
}

struct State<T> {
    events: VecDeque<(usize, T)>,
    /// The number of the front event, or of the next one if there is none. The first event is number 1.
    front: u64,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
    closed: bool,
    waiting: Vec<(u64, Waker)>,
    next_waiter: u64,
}

impl<T> Ring<T> {
    /// A ring that keeps so many events and so many bytes of them, but always the last event.
    pub fn new(max_events: usize, max_bytes: usize) -> Self {
        let state = State {
            events: VecDeque::new(),
            front: 1,
            bytes: 0,
            max_events: max_events.max(1),
            max_bytes,
            closed: false,
            waiting: Vec::new(),
            next_waiter: 0,
        };
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    /// Appends an event of this size and gives its number. It wakes nobody: push all there is, then [`Self::wake`].
    pub fn push(&self, event: T, bytes: usize) -> u64 {
        let mut state = self.lock();
        state.events.push_back((bytes, event));
        state.bytes += bytes;
        let seq = state.last();
        // In a full ring one goes as one comes; only a large event pushes out several.
        let gone = state.evict();
        let mut more = Vec::new();
        while let Some(event) = state.evict() {
            more.push(event);
        }
        drop(state);
        drop((gone, more));
        seq
    }

    /// Wakes every reader that waits. Once per batch.
    pub fn wake(&self) {
        let waiting = core::mem::take(&mut self.lock().waiting);
        for (_, waker) in waiting {
            waker.wake();
        }
    }

    /// Ends it: readers get what there is and then [`Next::Closed`].
    pub fn close(&self) {
        self.lock().closed = true;
        self.wake();
    }

    /// The number of the last event; a reader that starts here sees only what is new. 0 before the first.
    pub fn last(&self) -> u64 {
        self.lock().last()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic in an event's `clone` leaves the state whole: nothing is half-done around it.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Ring<T> {
    /// What comes after this position, if it is there already.
    pub fn try_next_after(&self, seq: u64) -> Option<Next<T>> {
        self.lock().after(seq)
    }

    /// Waits for what comes after this position. Dropping the future loses nothing: ask again with the same number.
    pub fn next_after(&self, seq: u64) -> NextAfter<T> {
        NextAfter { wait: Wait::new(self.clone()), seq }
    }

    /// A reader that keeps its position itself, beginning after this one.
    pub fn reader_after(&self, seq: u64) -> Reader<T> {
        Reader { wait: Wait::new(self.clone()), seq, ended: false }
    }
}

impl<T> Clone for Ring<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self::new(DEFAULT_EVENTS, DEFAULT_BYTES)
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Ring")
            .field("events", &state.events.len())
            .field("bytes", &state.bytes)
            .field("last", &state.last())
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}

impl<T> State<T> {
    fn last(&self) -> u64 {
        self.front + self.events.len() as u64 - 1
    }

    fn evict(&mut self) -> Option<T> {
        let full = self.events.len() > self.max_events || self.bytes > self.max_bytes;
        if !full || self.events.len() < 2 {
            return None;
        }
        let (bytes, event) = self.events.pop_front()?;
        self.bytes -= bytes;
        self.front += 1;
        Some(event)
    }
}

impl<T: Clone> State<T> {
    fn after(&self, seq: u64) -> Option<Next<T>> {
        let wanted = seq.saturating_add(1);
        if wanted < self.front {
            return Some(Next::Lagged { skipped: self.front - wanted, seq: self.front - 1 });
        }
        match self.events.get((wanted - self.front) as usize) {
            Some((_, event)) => Some(Next::Event { seq: wanted, event: event.clone() }),
            None => self.closed.then_some(Next::Closed),
        }
    }
}

/// A place among those who wait, given up when dropped.
struct Wait<T> {
    ring: Ring<T>,
    waiter: Option<u64>,
}

impl<T> Wait<T> {
    fn new(ring: Ring<T>) -> Self {
        Self { ring, waiter: None }
    }
}

impl<T: Clone> Wait<T> {
    fn poll(&mut self, cx: &mut Context<'_>, seq: u64) -> Poll<Next<T>> {
        let mut state = self.ring.lock();
        if let Some(next) = state.after(seq) {
            return Poll::Ready(next);
        }
        let id = self.waiter.unwrap_or(state.next_waiter);
        if self.waiter.replace(id).is_none() {
            state.next_waiter += 1;
        }
        let old = match state.waiting.iter_mut().find(|(waiter, _)| *waiter == id) {
            Some((_, waker)) if waker.will_wake(cx.waker()) => None,
            Some((_, waker)) => Some(core::mem::replace(waker, cx.waker().clone())),
            None => {
                state.waiting.push((id, cx.waker().clone()));
                None
            }
        };
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for Wait<T> {
    fn drop(&mut self) {
        if let Some(id) = self.waiter {
            let mut state = self.ring.lock();
            let place = state.waiting.iter().position(|(waiter, _)| *waiter == id);
            let gone = place.map(|place| state.waiting.swap_remove(place));
            drop(state);
            drop(gone);
        }
    }
}

/// The future of [`Ring::next_after`].
pub struct NextAfter<T> {
    wait: Wait<T>,
    seq: u64,
}

impl<T: Clone> Future for NextAfter<T> {
    type Output = Next<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next<T>> {
        let this = self.get_mut();
        this.wait.poll(cx, this.seq)
    }
}

impl<T> fmt::Debug for NextAfter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextAfter").field("seq", &self.seq).finish_non_exhaustive()
    }
}

/// A reader with a position of its own. As a stream it ends after the last event; [`Next::Closed`] never comes out.
pub struct Reader<T> {
    wait: Wait<T>,
    seq: u64,
    ended: bool,
}

impl<T> Reader<T> {
    /// The number of the last event read.
    pub fn position(&self) -> u64 {
        self.seq
    }
}

impl<T: Clone> Stream for Reader<T> {
    type Item = Next<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Next<T>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        this.wait.poll(cx, this.seq).map(|next| match &next {
            Next::Event { seq, .. } | Next::Lagged { seq, .. } => {
                this.seq = *seq;
                Some(next)
            }
            Next::Closed => {
                this.ended = true;
                None
            }
        })
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("seq", &self.seq).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
