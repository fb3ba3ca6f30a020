//! The short way of a frame that repeats the one before: most of a job's frames differ in their progress alone.
//!
//! Nothing is decided here that the long way would decide otherwise. A frame goes the short way only where the last one
//! of its topic did nothing but move the picture on, is like it, and nothing else has happened to the machine since:
//! [`Machine::turn`](super::Machine) counts what is more than such a frame.

use super::picture::Age;
use super::topics::Topic;
use super::{Machine, topics};
use crate::dialect::{End, Update};
use crate::envelope::{Envelope, Head, Kind, Status, Verdict};
use crate::io::SocketId;
use crate::snapshot::Item;
use crate::socketio::PacketType;

/// What the last frame of a topic was, and what it moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    turn: u64,
    socket: SocketId,
    kind: Kind,
    status: Option<Status>,
    /// Whether it had a text, which the picture then shows everywhere.
    said: bool,
    /// The item that it moved as well, and where that stands in the picture.
    item: Option<(&'static str, usize)>,
}

impl Repeat {
    /// Remembers a frame that has been applied; `None` if one like it needs the long way.
    pub(super) fn of(
        turn: u64,
        socket: SocketId,
        topic: &Topic,
        update: &Update,
        envelope: &Envelope<'_>,
    ) -> Option<Self> {
        let whole = update.whole || update.item.is_none();
        let phase = topic.snapshot.phase;
        let goes_on = update.end == End::No && !update.restarts && !phase.is_final();
        // A question that waits keeps the topic from the phase that the frame tells.
        let stands = update.phase.is_none_or(|told| told == phase);
        if !whole || !goes_on || !stands || update.interview || !is_bare(envelope) {
            return None;
        }
        let item = match update.item {
            Some(kind) => {
                let is_it = |item: &Item| item.kind == kind && item.id == kind;
                Some((kind, topic.snapshot.items.iter().position(is_it)?))
            }
            None => None,
        };
        let said = envelope.text.is_some();
        Some(Self { turn, socket, kind: envelope.kind, status: envelope.status, said, item })
    }
}

/// Whether a frame has nothing beside its status, its text, its times and its progress.
const fn is_bare(envelope: &Envelope<'_>) -> bool {
    let ids = envelope.item.is_some() || envelope.question.is_some() || envelope.request.is_some();
    let flags =
        envelope.retryable.is_some() || envelope.can_resume.is_some() || envelope.data_available.is_some();
    let more = envelope.has_result || envelope.handshake.is_some() || !envelope.stages.is_empty();
    !(ids || flags || more || envelope.code.is_some())
}

impl Machine {
    /// Takes a frame the short way and gives the flags of its verdict; `None` if it has to go the long one.
    pub(super) fn repeat(&mut self, socket: SocketId, head: Head, envelope: &Envelope<'_>) -> Option<u32> {
        let (turn, full, max) = (self.turn, self.profile.full_progress, self.config.limits.items);
        let topic = topics::near(&mut self.topics, &mut self.places, envelope.topic?)?;
        let Repeat { kind, status, said, item, .. } =
            topic.repeat.filter(|last| last.turn == turn && last.socket == socket)?;
        let is_event = match head {
            Head::Json => true,
            Head::Engine(packet) => packet.kind == PacketType::Event && packet.main_namespace,
        };
        let is_like = kind == envelope.kind && status == envelope.status && is_bare(envelope);
        let share = envelope.progress? / full;
        // A new text is cut, and one out of range is told of.
        let same_text =
            envelope.text.is_none() || (said && envelope.text == topic.snapshot.message.as_deref());
        if !(is_event && is_like && same_text && (0.0..=1.0).contains(&share)) {
            return None;
        }
        let age = topic.age(envelope, item.map(|(kind, _)| kind), max);
        if matches!(age, Age::Older) {
            return Some(Verdict::DELIVER | Verdict::OUTDATED);
        }
        topic.snapshot.move_on(item.map(|(_, at)| at), share, envelope);
        Some(Verdict::DELIVER | Verdict::SNAPSHOT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, CommandId, Config, Endpoint, HostCaps, Input, Now, Output, Service};

    #[test]
    fn a_frame_like_the_last_goes_the_short_way_and_another_does_not() {
        let config = Config::new(Service::TherapyBridge, Endpoint::Development);
        let mut machine = Machine::new(config, HostCaps::NATIVE).unwrap();
        let now = Now { mono: 1, unix: 1_700_000_000_000 };
        let wish = Command::Subscribe { topic: "s1".into(), keep: false };
        machine.handle(now, Input::Command(CommandId(1), wish));
        let opens = |output| if let Output::Open(id, _) = output { Some(id) } else { None };
        let socket = core::iter::from_fn(|| machine.poll()).find_map(opens).unwrap();
        machine.handle(now, Input::Opened(socket));
        while machine.poll().is_some() {}

        let first = Envelope {
            kind: Kind::Progress,
            topic: Some("s1"),
            status: Some(Status::Transcribing),
            text: Some("Listening"),
            progress: Some(20.0),
            ..Envelope::default()
        };
        let mut next = |envelope: &Envelope<'_>| {
            let short = machine.repeat(socket, Head::Json, envelope).is_some();
            let verdict = machine.frame(now, socket, 100, Head::Json, envelope);
            assert!(verdict.has(Verdict::DELIVER | Verdict::SNAPSHOT));
            while machine.poll().is_some() {}
            (short, machine.snapshot("s1").unwrap().progress)
        };
        let again = Envelope { progress: Some(30.0), ..first.clone() };
        assert_eq!(next(&first), (false, Some(0.2)));
        assert_eq!(next(&again), (true, Some(0.3)));
        for other in [
            Envelope { status: Some(Status::Transcribed), ..again.clone() },
            Envelope { text: Some("Listening on"), ..again.clone() },
            Envelope { progress: Some(130.0), ..again.clone() },
            Envelope { progress: None, ..again.clone() },
            Envelope { code: Some("odd"), ..again.clone() },
        ] {
            assert!(!next(&other).0, "{other:?}");
            next(&again);
            next(&again);
            assert!(next(&again).0);
        }
        machine.handle(now, Input::Tick);
        assert!(machine.repeat(socket, Head::Json, &again).is_none(), "something else has happened since");
    }
}
