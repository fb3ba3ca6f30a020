//! The wires of one realtime connection, steered together.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;

use crate::sync::Locked;
use crate::wire::io::{Cut, Wire};

/// The TCP connections that carry one realtime connection: a WebSocket has one, HTTP long-polling one for each
/// request that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Wires(Arc<Mutex<Bundle>>);

#[derive(Debug)]
struct Bundle {
    wires: Vec<Wire>,
    /// Those whose request has been answered while they were held.
    answered: Vec<Wire>,
    held: bool,
    delay: Option<Duration>,
    trickle: Option<(usize, Duration)>,
}

impl Wires {
    /// Begins with the wire that the first request came by.
    pub(crate) fn new(first: Wire) -> Self {
        Self(Arc::new(Mutex::new(Bundle {
            wires: vec![first],
            answered: Vec::new(),
            held: false,
            delay: None,
            trickle: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Bundle> {
        self.0.locked()
    }

    /// Another request came by this wire; what holds for the others holds for it too.
    pub(crate) fn join(&self, wire: Wire) {
        let mut bundle = self.lock();
        if let Some(by) = bundle.delay {
            wire.delay(by);
        }
        if let Some((size, pause)) = bundle.trickle {
            wire.trickle(size, pause);
        }
        if bundle.held {
            wire.hold();
        }
        bundle.answered.retain(|w| !w.is(&wire));
        if !bundle.wires.iter().any(|w| w.is(&wire)) {
            bundle.wires.push(wire);
        }
    }

    /// The request on this wire has been answered. A held wire stays until it is resumed: its answer is
    /// still to come through.
    pub(crate) fn leave(&self, wire: &Wire) {
        let mut bundle = self.lock();
        if bundle.held {
            bundle.answered.push(wire.clone());
        } else {
            bundle.wires.retain(|w| !w.is(wire));
        }
    }

    /// See [`Wire::take_notes`].
    pub(crate) fn take_notes(&self) -> Vec<(u64, String)> {
        self.lock().wires.iter().flat_map(Wire::take_notes).collect()
    }

    /// See [`Wire::hold`]; it ends by itself after a given time.
    pub(crate) fn hold(&self, resume_after: Option<Duration>) {
        let mut bundle = self.lock();
        bundle.held = true;
        bundle.wires.iter().for_each(Wire::hold);
        if let Some(pause) = resume_after {
            let wires = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                wires.resume();
            });
        }
    }

    /// See [`Wire::resume`].
    pub(crate) fn resume(&self) {
        let mut bundle = self.lock();
        bundle.held = false;
        bundle.wires.iter().for_each(Wire::resume);
        let answered = std::mem::take(&mut bundle.answered);
        bundle.wires.retain(|wire| !answered.iter().any(|w| w.is(wire)));
    }

    /// See [`Wire::cut`].
    pub(crate) fn cut(&self, cut: Cut) {
        self.lock().wires.iter().for_each(|wire| wire.cut(cut));
    }

    /// See [`Wire::give_up`].
    pub(crate) fn give_up(&self, cut: Cut) {
        self.lock().wires.iter().for_each(|wire| wire.give_up(cut));
    }

    /// See [`Wire::delay`].
    pub(crate) fn delay(&self, by: Duration) {
        let mut bundle = self.lock();
        bundle.delay = Some(by);
        bundle.wires.iter().for_each(|wire| wire.delay(by));
    }

    /// See [`Wire::trickle`].
    pub(crate) fn trickle(&self, size: usize, pause: Duration) {
        let mut bundle = self.lock();
        bundle.trickle = Some((size, pause));
        bundle.wires.iter().for_each(|wire| wire.trickle(size, pause));
    }

    /// See [`Wire::inject`].
    pub(crate) fn inject(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.lock().wires.iter().for_each(|wire| wire.inject(bytes.clone()));
    }
}
