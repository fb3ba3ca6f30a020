//! The short way of a frame that repeats the one before: most of a job's frames differ in their progress alone.
//!
//! Nothing is decided here that the long way would decide otherwise. A frame goes the short way only where the last one
//! of its topic did nothing but move the picture on, is like it, and nothing else has happened to the machine since:
//! [`Machine::turn`](super::Machine) counts what is more than such a frame. A host that knows that a frame is like the
//! last one need not even say what it is: see [`Machine::again`].

use super::picture::{Age, fingerprint};
use super::topics::Topic;
use super::{Machine, topics};
use crate::dialect::{End, Update};
use crate::envelope::{Envelope, Head, Kind, Numbers, Status, Verdict};
use crate::io::SocketId;
use crate::snapshot::Item;
use crate::socketio::PacketType;
use crate::time::Now;

/// Names a frame that only moved its topic's picture on, so that the next one like it can be told by its numbers alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    serial: u32,
    /// Where its topic stood.
    place: u32,
}

/// What the last frame of a topic was, and what it moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    turn: u64,
    /// No two of a machine are alike, but after four thousand million others.
    serial: u32,
    link: u32,
    socket: SocketId,
    kind: Kind,
    status: Option<Status>,
    /// Whether it had a text, which the picture then shows everywhere.
    said: bool,
    /// The item that it moved as well: its fingerprint, and where it stands in the picture.
    item: Option<(u32, usize)>,
}

impl Repeat {
    /// Remembers a frame that has been applied; `None` if one like it needs the long way.
    pub(super) fn of(
        turn: u64,
        serial: u32,
        (link, socket): (u32, SocketId),
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
                Some((fingerprint(kind), topic.snapshot.items.iter().position(is_it)?))
            }
            None => None,
        };
        let said = envelope.text.is_some();
        Some(Self { turn, serial, link, socket, kind: envelope.kind, status: envelope.status, said, item })
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
    /// Names the last frame of this topic, so that the next one like it can be told by [`Machine::again`]; `None` if
    /// that did more than move the picture on.
    pub fn repeatable(&mut self, topic: &str) -> Option<Again> {
        let (topic, place) = topics::near(&mut self.topics, &mut self.places, topic)?;
        let last = topic.repeat.as_ref().filter(|last| last.turn == self.turn)?;
        Some(Again { serial: last.serial, place })
    }

    /// The last frame of this one's topic, if this is one like it.
    pub(super) fn like_last(&mut self, head: Head, envelope: &Envelope<'_>) -> Option<Again> {
        let (topic, place) = topics::near(&mut self.topics, &mut self.places, envelope.topic?)?;
        let last = topic.repeat.as_ref()?;
        let is_event = match head {
            Head::Json => true,
            Head::Engine(packet) => packet.kind == PacketType::Event && packet.main_namespace,
        };
        let is_like = last.kind == envelope.kind && last.status == envelope.status && is_bare(envelope);
        // A new text is cut.
        let same_text =
            envelope.text.is_none() || (last.said && envelope.text == topic.snapshot.message.as_deref());
        (is_event && is_like && same_text).then_some(Again { serial: last.serial, place })
    }

    /// [`Machine::frame`] for a frame that is like the one which `last` names in all but its numbers and its length.
    /// `None` if it can't be told like this, because something else has happened since or there is more to say about
    /// it: then nothing has been done yet.
    pub fn again(
        &mut self,
        now: Now,
        socket: SocketId,
        len: usize,
        last: Again,
        numbers: &Numbers,
    ) -> Option<Verdict> {
        let topic = self.topics.at_mut(last.place as usize)?;
        let like = topic.repeat.as_ref()?;
        let now = Now { mono: now.mono.max(self.now.mono), unix: now.unix };
        let is_last = like.serial == last.serial && like.turn == self.turn && like.socket == socket;
        let is_all = self.out.is_empty() && self.due.is_none_or(|due| due > now.mono);
        if !is_last || !is_all || now.strays(self.now, self.clock_jump) {
            return None;
        }
        let link = self.links.get_mut(&like.link)?;
        // One that is being replaced has more to think of.
        let conn = link.live.as_deref_mut().filter(|conn| conn.socket == socket)?;
        let share = numbers.progress? / self.profile.full_progress;
        // A share that is out of range is told of.
        if !(0.0..=1.0).contains(&share) {
            return None;
        }
        self.now = now;
        conn.hears(now);
        self.next_frame = self.next_frame.wrapping_add(1);
        self.stats.frames_in += 1;
        self.stats.bytes_in += len as u64;
        let (kind, (item, at)) = (like.kind, like.item.unzip());
        if matches!(topic.age(kind, item.unwrap_or(0), numbers, self.config.limits.items), Age::Older) {
            self.turn += 1;
            return Some(Verdict(Verdict::DELIVER | Verdict::OUTDATED));
        }
        topic.snapshot.move_on(at, share, numbers);
        Some(Verdict(Verdict::DELIVER | Verdict::SNAPSHOT))
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
            let last = machine.like_last(Head::Json, envelope);
            let short = last.and_then(|last| machine.again(now, socket, 100, last, &envelope.numbers()));
            let long = || machine.frame_in_full(now, socket, 100, Head::Json, envelope);
            let (is_short, verdict) = (short.is_some(), short.unwrap_or_else(long));
            assert!(verdict.has(Verdict::DELIVER | Verdict::SNAPSHOT));
            while machine.poll().is_some() {}
            (is_short, machine.snapshot("s1").unwrap().progress)
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
        let last = machine.like_last(Head::Json, &again).unwrap();
        let short = machine.again(now, socket, 100, last, &again.numbers());
        assert_eq!(short, None, "something else has happened since");
    }
}
