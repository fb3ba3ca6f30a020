//! What a client's handles and its driver share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;
use futures_util::task::AtomicWaker;

use super::ring::Ring;
use crate::client::{Confirmed, Event, Message};
use crate::command::{Command, CommandError, CommandId};
use crate::io::{FrameId, HttpId, Input, Output};
use crate::machine::Machine;
use crate::messages::{Answer, Json};
use crate::time::Now;

/// Reads the host's clocks.
pub(crate) trait Clock: Send + Sync + 'static {
    fn now(&self) -> Now;
}

impl<P: super::Platform> Clock for P {
    fn now(&self) -> Now {
        super::Platform::now(self)
    }
}

/// Somebody who waits for a command's outcome.
pub(crate) struct Pending {
    pub(crate) send: oneshot::Sender<Result<Confirmed, CommandError>>,
}

/// What the lock guards.
pub(crate) struct Core {
    pub(crate) machine: Machine,
    pub(crate) pending: BTreeMap<CommandId, Pending>,
    /// Bodies of answers until their outcome is told, with the length of their text.
    pub(crate) bodies: BTreeMap<HttpId, (Answer, usize)>,
    /// The last payload of each topic.
    pub(crate) raws: BTreeMap<Arc<str>, Json>,
    /// Frames that the machine holds back.
    pub(crate) held: BTreeMap<FrameId, Arc<Message>>,
    /// What the machine wants done that is not about the app: the driver's work, without the lock.
    pub(crate) outputs: Vec<Output>,
    /// Outcomes that the driver tells without the lock.
    pub(crate) outcomes: Vec<(Pending, Result<Confirmed, CommandError>)>,
    /// Whether the text of frames is logged.
    pub(crate) log_frames: bool,
    next_command: u32,
    pushed: bool,
}

impl Core {
    pub(crate) fn push(&mut self, shared: &Shared, event: Event) {
        let bytes = event.bytes();
        self.push_sized(shared, event, bytes);
    }

    /// As [`Self::push`], of an event that doesn't know its own size.
    pub(crate) fn push_sized(&mut self, shared: &Shared, event: Event, bytes: usize) {
        shared.ring.push(event, bytes);
        self.pushed = true;
    }

    /// A topic's name, shared with all its messages.
    pub(crate) fn name(&self, topic: &str) -> Arc<str> {
        self.raws.get_key_value(topic).map_or_else(|| topic.into(), |(name, _)| Arc::clone(name))
    }

    /// Keeps a message as its topic's last payload, as long as the topic is known.
    pub(crate) fn keep_raw(&mut self, message: &Message) {
        let Some(topic) = &message.topic else { return };
        match self.raws.get_mut(&**topic) {
            Some(raw) => *raw = message.raw.clone(),
            None => {
                let machine = &self.machine;
                self.raws.retain(|topic, _| machine.snapshot(topic).is_some());
                self.raws.insert(Arc::clone(topic), message.raw.clone());
            }
        }
    }

    pub(crate) fn shut(&mut self, now: Now) {
        let id = self.new_id();
        self.machine.handle(now, Input::Command(id, Command::Shutdown));
    }

    pub(crate) fn new_id(&mut self) -> CommandId {
        self.next_command = self.next_command.wrapping_add(1);
        CommandId(self.next_command)
    }
}

/// What a client's handles and its driver share.
pub(crate) struct Shared {
    core: Mutex<Core>,
    pub(crate) ring: Ring<Event>,
    pub(crate) waker: AtomicWaker,
    pub(crate) clock: Arc<dyn Clock>,
    handles: AtomicUsize,
    ended: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        machine: Machine,
        ring: Ring<Event>,
        clock: Arc<dyn Clock>,
        log_frames: bool,
    ) -> Arc<Self> {
        let core = Core {
            machine,
            log_frames,
            pending: BTreeMap::new(),
            bodies: BTreeMap::new(),
            raws: BTreeMap::new(),
            held: BTreeMap::new(),
            outputs: Vec::new(),
            outcomes: Vec::new(),
            next_command: 0,
            pushed: false,
        };
        Arc::new(Self {
            core: Mutex::new(core),
            ring,
            waker: AtomicWaker::new(),
            clock,
            handles: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        // The machine is whole between its calls, and none of them panics.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an input to the machine and lets the driver carry out what follows.
    pub(crate) fn input(&self, input: Input) {
        let now = self.clock.now();
        self.hand(&mut self.lock(), now, input);
        self.waker.wake();
    }

    /// The same under a lock that is held already; whoever does it wakes the driver afterwards.
    pub(crate) fn hand(&self, core: &mut Core, now: Now, input: Input) {
        core.machine.handle(now, input);
        // Nobody is left to carry anything out.
        while self.has_ended() && core.machine.poll().is_some() {}
    }

    pub(crate) fn retain(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// One handle fewer; the last one ends the client.
    pub(crate) fn release(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waker.wake();
        }
    }

    /// Whether no handle is left.
    pub(crate) fn abandoned(&self) -> bool {
        self.handles.load(Ordering::Acquire) == 0 && !self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn take_pushed(&self) -> bool {
        std::mem::take(&mut self.lock().pushed)
    }

    /// The driver has ended: whoever still waits learns it.
    pub(crate) fn end(&self) {
        let now = self.clock.now();
        let mut core = self.lock();
        if !self.ended.swap(true, Ordering::AcqRel) {
            core.shut(now);
            core.drain(self, None);
        }
        core.held.clear();
        core.outputs.clear();
        let (pending, outcomes) = (std::mem::take(&mut core.pending), std::mem::take(&mut core.outcomes));
        drop(core);
        super::run::tell(outcomes);
        drop(pending);
        self.ring.close();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}
