//! The clients of this module, and how an envelope is put together.

use alloc::boxed::Box;
use alloc::vec::Vec;

use steadfast::socketio::{PacketHead, PacketType};
use steadfast::{
    Again, Envelope, Handshake, Head, Kind, Machine, Now, Numbers, SocketId, Stages, Status, Verdict,
};

use crate::buffer::Buffer;

/// How many texts an envelope has: topic, item, question, request, text, code, and its name or the session's id.
const TEXTS: usize = 7;

/// The texts of one envelope.
type Texts = [Option<Box<str>>; TEXTS];

/// What is kept under one number.
#[derive(Default)]
pub(crate) struct Slot {
    texts: Texts,
    /// What the last frame with these texts was, if one like it can be told by its numbers alone.
    last: Option<(u32, Again)>,
}

/// One client.
pub(crate) struct Client {
    pub(crate) machine: Machine,
    pub(crate) slots: Vec<Slot>,
}

impl Client {
    /// Keeps the texts in the buffer under a number.
    pub(crate) fn keep(&mut self, slot: u32, buffer: &Buffer) {
        let slot = slot as usize;
        // As many as the host follows topics at once, and one: it takes the lowest number that is free.
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, Slot::default);
        }
        let Some(slot) = self.slots.get_mut(slot) else { return };
        slot.last = None;
        for (index, place) in slot.texts.iter_mut().enumerate() {
            *place = buffer.text(index).map(Box::from);
        }
    }

    /// A frame with the texts under `slot` arrived: gives the machine's verdict.
    pub(crate) fn accept(
        &mut self,
        now: Now,
        socket: SocketId,
        bytes: usize,
        slot: u32,
        frame: &Frame,
    ) -> u32 {
        let Self { machine, slots } = self;
        let Some(slot) = slots.get_mut(slot as usize) else { return 0 };
        if let Some((what, last)) = slot.last
            && what == frame.what
            && frame.bits == 0
            && let Some(verdict) = machine.again(now, socket, bytes, last, &frame.numbers())
        {
            return verdict.0;
        }
        slot.accept(machine, now, socket, bytes, frame)
    }
}

/// All clients. A handle is a place in the list, from 1.
pub(crate) struct Clients {
    list: Vec<Option<Box<Client>>>,
    /// From the steady clock to Unix time.
    pub(crate) offset: f64,
}

impl Clients {
    pub(crate) const fn new() -> Self {
        Self { list: Vec::new(), offset: 0.0 }
    }

    pub(crate) const fn now(&self, mono: f64) -> Now {
        crate::now(mono, self.offset)
    }

    pub(crate) fn add(&mut self, machine: Machine) -> u32 {
        let client = Some(Box::new(Client { machine, slots: Vec::new() }));
        let free = self.list.iter().position(Option::is_none);
        if let Some((at, place)) = free.and_then(|at| self.list.get_mut(at).map(|place| (at, place))) {
            *place = client;
            at as u32 + 1
        } else {
            self.list.push(client);
            self.list.len() as u32
        }
    }

    pub(crate) fn get(&mut self, handle: u32) -> Option<&mut Client> {
        self.list.get_mut((handle as usize).wrapping_sub(1))?.as_deref_mut()
    }

    pub(crate) fn remove(&mut self, handle: u32) {
        if let Some(place) = self.list.get_mut((handle as usize).wrapping_sub(1)) {
            *place = None;
        }
    }
}

/// One frame, beside its texts; NaN for a number that is absent.
pub(crate) struct Frame {
    /// Bits 0–7 the kind, 8–15 the status (255: one we don't know), 16–19 the packet, 20 another namespace,
    /// 21–27 how many attachments follow.
    pub(crate) what: u32,
    /// Bits 0–2 the stages, 3–4 retryable, 5–6 can resume, 7–8 data available (0 absent, 1 false, 2 true), 9 has
    /// a result, 10 is a handshake, 11 it names an upgrade.
    pub(crate) bits: u32,
    /// Of a handshake: the ping interval.
    pub(crate) progress: f64,
    /// Of a handshake: the ping timeout.
    pub(crate) at: f64,
    /// Of a handshake: the largest payload.
    pub(crate) eta: f64,
    pub(crate) sequence: f64,
}

impl Frame {
    fn numbers(&self) -> Numbers {
        let present = |number: f64| (!number.is_nan()).then_some(number);
        let Self { progress, at, eta, sequence, .. } = *self;
        Numbers {
            progress: present(progress),
            at: present(at),
            eta: present(eta),
            sequence: present(sequence),
        }
    }
}

impl Slot {
    /// Puts a frame's envelope together and asks the machine.
    #[inline(never)]
    fn accept(
        &mut self,
        machine: &mut Machine,
        now: Now,
        socket: SocketId,
        bytes: usize,
        frame: &Frame,
    ) -> u32 {
        let [topic, item, question, request, words, code, name] = &self.texts;
        let Frame { what, bits, .. } = *frame;
        let Numbers { progress, at, eta, sequence } = frame.numbers();
        let flag = |at: u32| match bits >> at & 3 {
            1 => Some(false),
            2 => Some(true),
            _ => None,
        };
        let mut envelope = Envelope {
            kind: Kind::from_number(what as u8),
            // No decision depends on a name: the kind is what there is of it.
            name: "",
            topic: topic.as_deref(),
            item: item.as_deref(),
            question: question.as_deref(),
            request: request.as_deref(),
            text: words.as_deref(),
            code: code.as_deref(),
            status: match (what >> 8) as u8 {
                0 => None,
                status => Some(Status::from_number(status)),
            },
            stages: Stages((bits as u8 & 7) << 1),
            retryable: flag(3),
            can_resume: flag(5),
            data_available: flag(7),
            has_result: bits & 1 << 9 != 0,
            ..Envelope::default()
        };
        if bits & 1 << 10 == 0 {
            envelope.progress = progress;
            envelope.at = at;
            envelope.eta = eta;
            envelope.sequence = sequence;
        } else {
            envelope.handshake = Some(Handshake {
                sid: name.as_deref().unwrap_or_default(),
                ping_interval: progress.map(|number| number as u32),
                ping_timeout: at.map(|number| number as u32),
                upgrades: bits & 1 << 11 != 0,
                max_payload: eta.map(|number| number as u32),
            });
        }
        let verdict = machine.frame_in_full(now, socket, bytes, head(what), &envelope);
        let moved_on = verdict.0 == Verdict::DELIVER | Verdict::SNAPSHOT;
        let again = topic.as_deref().filter(|_| moved_on).and_then(|topic| machine.repeatable(topic));
        self.last = again.map(|again| (what, again));
        verdict.0
    }
}

fn head(what: u32) -> Head {
    let kind = match what >> 16 & 15 {
        1 => PacketType::Open,
        2 => PacketType::Close,
        3 => PacketType::Ping { probe: false },
        4 => PacketType::Pong { probe: false },
        5 => PacketType::Upgrade,
        6 => PacketType::Noop,
        7 => PacketType::Connect,
        8 => PacketType::Disconnect,
        9 => PacketType::Event,
        10 => PacketType::Ack,
        11 => PacketType::ConnectError,
        12 => PacketType::BinaryEvent,
        13 => PacketType::BinaryAck,
        14 => PacketType::Ping { probe: true },
        15 => PacketType::Pong { probe: true },
        _ => return Head::Json,
    };
    Head::Engine(PacketHead {
        kind,
        main_namespace: what >> 20 & 1 == 0,
        id: None,
        attachments: what >> 21 & 127,
    })
}
