//! The clients of this module, and how an envelope is put together.

use alloc::boxed::Box;
use alloc::vec::Vec;

use steadfast::socketio::{PacketHead, PacketType};
use steadfast::{Envelope, Handshake, Head, Kind, Machine, Now, SocketId, Stages, Status};

use crate::buffer::Buffer;

/// How many texts an envelope has: topic, item, question, request, text, code, and its name or the session's id.
const TEXTS: usize = 7;
/// More slots than any host uses.
const SLOTS: usize = 4096;

/// The texts of one envelope.
#[derive(Default)]
pub(crate) struct Texts([Option<Box<str>>; TEXTS]);

static NO_TEXTS: Texts = Texts([const { None }; TEXTS]);

/// One client.
pub(crate) struct Client {
    pub(crate) machine: Machine,
    pub(crate) slots: Vec<Texts>,
}

impl Client {
    /// Keeps the texts in the buffer under a number.
    pub(crate) fn keep(&mut self, slot: u32, buffer: &Buffer) {
        let slot = slot as usize;
        if slot >= SLOTS {
            return;
        }
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, Texts::default);
        }
        let Some(texts) = self.slots.get_mut(slot) else { return };
        for (index, place) in texts.0.iter_mut().enumerate() {
            *place = buffer.text(index).map(Box::from);
        }
    }
}

/// All clients. A handle is a place in the list, from 1.
pub(crate) struct Clients {
    list: Vec<Option<Client>>,
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
        let client = Some(Client { machine, slots: Vec::new() });
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
        self.list.get_mut((handle as usize).wrapping_sub(1))?.as_mut()
    }

    pub(crate) fn remove(&mut self, handle: u32) {
        if let Some(place) = self.list.get_mut((handle as usize).wrapping_sub(1)) {
            *place = None;
        }
    }
}

/// The numbers of one frame; NaN for one that is absent.
pub(crate) struct Numbers {
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

/// Puts a frame's envelope together and asks the machine.
pub(crate) fn frame(
    machine: &mut Machine,
    now: Now,
    socket: SocketId,
    bytes: usize,
    texts: Option<&Texts>,
    numbers: &Numbers,
) -> u32 {
    let [topic, item, question, request, words, code, name] = &texts.unwrap_or(&NO_TEXTS).0;
    let present = |number: f64| (!number.is_nan()).then_some(number);
    let Numbers { what, bits, progress, at, eta, sequence } = *numbers;
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
        envelope.progress = present(progress);
        envelope.at = present(at);
        envelope.eta = present(eta);
        envelope.sequence = present(sequence);
    } else {
        envelope.handshake = Some(Handshake {
            sid: name.as_deref().unwrap_or_default(),
            ping_interval: present(progress).map(|number| number as u32),
            ping_timeout: present(at).map(|number| number as u32),
            upgrades: bits & 1 << 11 != 0,
            max_payload: present(eta).map(|number| number as u32),
        });
    }
    machine.frame(now, socket, bytes, head(what), &envelope).0
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
