//! What a frame does.

use alloc::string::String;

use super::link::conn_at;
use super::link::{Awaited, Awaiting, Stage};
use super::repeat::Repeat;
use super::requests::BETWEEN_IDS;
use super::topics::{self, Completion, Wire};
use super::verdict::{Meaning, Ruling};
use super::write::request_number;
use super::{Faults, Machine};
use crate::config::ms;
use crate::dialect::{Ask, End, Outgoing, Recovers, Signal, Update};
use crate::envelope::{Envelope, Head, Kind, Stage as AnalysisStage, Verdict};
use crate::event::{Event, InterviewState, NoticeKind, WhyKind};
use crate::io::{DisconnectReason, FrameId, Output, SocketId, Violation};
use crate::socketio::{PacketHead, PacketType};
use crate::text::{Quoted, text};

impl Machine {
    /// Bytes arrived: the connection lives.
    pub(super) fn heard(&mut self, socket: SocketId) -> Option<u32> {
        let now = self.now;
        let (id, conn) = self.conn_of(socket)?;
        conn.hears(now);
        Some(id)
    }

    /// A frame that the edge could not read.
    pub(super) fn malformed(&mut self, socket: SocketId, violation: &Violation) {
        if self.heard(socket).is_none() {
            return;
        }
        self.stats.violations += 1;
        let excerpt = self.redact_cut(&violation.excerpt);
        let reason = self.redact_cut(&violation.reason);
        self.event(Event::ProtocolViolation(Violation { reason, excerpt }));
    }

    /// A binary message: part of an event that announced it, or no readable frame.
    pub(super) fn binary(&mut self, socket: SocketId, len: usize) {
        let Some(id) = self.heard(socket) else { return };
        let Some(conn) = conn_at(&mut self.links, id, socket) else { return };
        if conn.attachments > 0 {
            conn.attachments -= 1;
            if conn.attachments == 0
                && let Some(frame) = conn.held.take()
            {
                self.release(frame, Verdict::DELIVER);
            }
            return;
        }
        let reason = text!["an unexpected binary message of ", len, " bytes"];
        self.malformed(socket, &Violation { reason, excerpt: String::new() });
    }

    /// A frame: what it means, what follows, and the flags of its verdict.
    pub(super) fn receive(
        &mut self,
        socket: SocketId,
        len: usize,
        head: Head,
        envelope: &Envelope<'_>,
    ) -> u32 {
        let frame = FrameId(self.next_frame);
        self.next_frame = self.next_frame.wrapping_add(1);
        self.stats.frames_in += 1;
        self.stats.bytes_in += len as u64;
        let now = self.now;
        // One search serves the usual frame: it is heard, and where its connection stands.
        let Some((id, conn)) = self.conn_of(socket) else { return 0 };
        conn.hears(now);
        let stage = conn.stage;
        if let Head::Engine(packet) = head {
            match packet.kind {
                PacketType::Event => conn.got_data = true,
                // Its type promises parts, its head none: it is an event like any other.
                PacketType::BinaryEvent if packet.attachments == 0 => conn.got_data = true,
                PacketType::BinaryEvent | PacketType::BinaryAck if packet.attachments > 0 => {
                    return self.hold_for_attachments(id, socket, frame, packet);
                }
                _ => return self.engine_packet(id, socket, packet, envelope),
            }
            if !packet.main_namespace {
                self.stats.dropped += 1;
                return 0;
            }
        } else {
            conn.got_data = true;
        }
        let signal = self.dialect.received(envelope);
        match stage {
            Stage::Ready { .. } => {}
            // Before the handshake is done only its own frames mean anything.
            Stage::Handshake { .. } if !self.profile.socketio => match signal {
                Signal::Reply(Ask::Authenticate, _) => {
                    self.accepted(id, socket);
                    return Verdict::DELIVER;
                }
                Signal::Fault(fault) => return self.fault(id, socket, frame, fault, envelope),
                Signal::Ping => {}
                _ => return Verdict::DELIVER,
            },
            _ => {
                self.stats.dropped += 1;
                return 0;
            }
        }
        let asks_softly = self.profile.auth_in_band && !self.profile.auth_answered;
        if asks_softly && !matches!(signal, Signal::Fault(_)) {
            self.soft_authenticate(id, socket, frame);
        }
        match signal {
            Signal::Update(update) => self.update(socket, id, frame, &update, envelope),
            Signal::Reply(ask, update) => self.reply(id, socket, frame, ask, update.as_ref(), envelope),
            Signal::Fault(fault) => self.fault(id, socket, frame, fault, envelope),
            Signal::Ping => {
                if self.config.answer_pings || self.config.service != crate::config::Service::TherapyBridge {
                    self.send(id, socket, &Outgoing::Pong);
                }
                Verdict::DELIVER
            }
            Signal::Shutdown => {
                if let Some(conn) = conn_at(&mut self.links, id, socket) {
                    conn.said_shutdown = true;
                }
                self.notice(NoticeKind::ServerShutdown, "the server says that it will shut down");
                Verdict::DELIVER
            }
            Signal::Other => Verdict::DELIVER,
        }
    }

    #[inline(never)]
    fn hold_for_attachments(&mut self, id: u32, socket: SocketId, frame: FrameId, packet: PacketHead) -> u32 {
        let Some(conn) = conn_at(&mut self.links, id, socket) else { return 0 };
        if !conn.is_ready() {
            self.stats.dropped += 1;
            return 0;
        }
        conn.attachments = packet.attachments;
        let holds = packet.main_namespace && packet.kind == PacketType::BinaryEvent;
        let older = if holds { conn.held.replace(frame) } else { conn.held.take() };
        if let Some(older) = older {
            self.release(older, Verdict::DELIVER);
        }
        if holds {
            return Verdict::HOLD;
        }
        // Its parts are skipped with it; an acknowledgement is nobody's, as we ask for none.
        if packet.kind == PacketType::BinaryEvent {
            self.stats.dropped += 1;
        }
        0
    }

    // --- Engine.IO and Socket.IO ------------------------------------------------------------------------------

    #[inline(never)]
    fn engine_packet(
        &mut self,
        id: u32,
        socket: SocketId,
        packet: PacketHead,
        envelope: &Envelope<'_>,
    ) -> u32 {
        if !packet.main_namespace {
            return 0;
        }
        let Some(conn) = conn_at(&mut self.links, id, socket) else { return 0 };
        match packet.kind {
            PacketType::Open if conn.engine.is_none() => {
                let shake = envelope.handshake.unwrap_or_default();
                let interval = u64::from(shake.ping_interval.unwrap_or(25_000));
                let timeout = u64::from(shake.ping_timeout.unwrap_or(60_000));
                conn.engine = Some((interval, timeout));
                self.connect_namespace(id, socket);
                self.dirty = true;
            }
            PacketType::Ping { .. } => self.write(socket, String::from("3")),
            // Who answers before being asked has not seen the token, and nobody would know how long it may be silent.
            PacketType::Connect if conn.engine.is_some() => {
                let name = envelope.handshake.map(|shake| self.word(shake.sid));
                if let Some(conn) = conn_at(&mut self.links, id, socket) {
                    conn.id = name;
                }
                self.accepted(id, socket);
            }
            PacketType::ConnectError => {
                let text = envelope.text.unwrap_or("no reason given");
                let ruling = if envelope.retryable == Some(true) {
                    Ruling::retry(
                        WhyKind::ServerError,
                        text!["The server refused the connection for now: ", text],
                    )
                } else {
                    Ruling {
                        code: envelope.code.map(String::from),
                        ..Ruling::auth(text!["The server refused the connection: ", text])
                    }
                };
                self.lose(id, socket, ruling, Some(crate::io::CloseReason::Handshake));
            }
            PacketType::Disconnect => self.disconnected(id, socket),
            PacketType::Close => {
                let reason = DisconnectReason::Closed { code: 1005, reason: String::new() };
                self.out.push_back(Output::Close(socket, crate::io::CloseReason::Done));
                self.ended(socket, &reason);
            }
            _ => {}
        }
        0
    }

    /// Socket.IO `41`: what came before it says what it means. [rules §2.11]
    fn disconnected(&mut self, id: u32, socket: SocketId) {
        let Some(conn) = conn_at(&mut self.links, id, socket) else { return };
        let ruling = if conn.said_expired {
            Ruling::auth("The server said that the token has expired, and disconnected")
        } else if conn.said_shutdown {
            Ruling::new(
                Meaning::Restart,
                WhyKind::Restart,
                "The server restarts",
                "Wait; it is tried again by itself",
            )
        } else {
            Ruling::new(
                Meaning::Kicked,
                WhyKind::Kicked,
                "The server disconnected this client on purpose",
                "Ask the service's operators why; connect() tries again",
            )
        };
        self.lose(id, socket, ruling, Some(crate::io::CloseReason::Done));
    }

    // --- news of topics ---------------------------------------------------------------------------------------

    #[inline(never)]
    pub(super) fn update(
        &mut self,
        socket: SocketId,
        id: u32,
        frame: FrameId,
        update: &Update,
        envelope: &Envelope<'_>,
    ) -> u32 {
        let Some(name) = envelope.topic else { return Verdict::DELIVER };
        let (service, full, max) =
            (self.config.service, self.profile.full_progress, self.config.limits.items);
        let planted = self.faults_planted;
        // Where each topic has its own connection, another's frames are no news of it.
        if self.profile.per_topic
            && self.links.get(&id).is_some_and(|link| link.topic.as_deref() != Some(name))
        {
            self.stats.dropped += 1;
            return 0;
        }
        let Some((topic, _)) = topics::near(&mut self.topics, &mut self.places, name) else {
            return Verdict::DELIVER;
        };
        if update.interview && topic.interview.is_none() {
            return Verdict::DELIVER;
        }
        if matches!(topic.wire, Wire::Ended | Wire::Refused(_)) && !planted.is(Faults::DELIVER_AFTER_END) {
            self.stats.dropped += 1;
            return 0;
        }
        if !topic.listens_to(socket) && !planted.is(Faults::LISTEN_TO_REPLACED) {
            self.stats.dropped += 1;
            return 0;
        }
        if topic.snapshot.terminal && topic.completion.is_none() && update.end != End::No {
            // The same end told twice is one end. A kept topic may begin anew by a phase that isn't final.
            self.stats.dropped += 1;
            return 0;
        }
        if planted.is(Faults::IGNORE_RANK) {
            topic.restarts = true;
        }
        let learned = topic.apply(service, update, envelope, full, max);
        let mut flags = learned.flags;
        if flags & Verdict::OUTDATED != 0 {
            if flags & Verdict::CLAMPED != 0 {
                self.say_out_of_range(id, socket, name);
            }
            return flags;
        }
        topic.missed = false;
        topic.news = topic.news.saturating_add(1);
        let mut ends = update.end;
        if service == crate::config::Service::DevContext
            && !update.interview
            && topic.stages == crate::Stages::ALL
        {
            ends = End::Yes;
            topic.snapshot.phase = crate::Phase::Done;
            topic.snapshot.progress = Some(1.0);
        }
        if ends == End::No && update.phase.is_some_and(|phase| !phase.is_final()) {
            topic.snapshot.terminal = false;
        }
        topic.repeat = Repeat::of(self.turn, frame.0, (id, socket), topic, update, envelope);
        let (progress, at) = (topic.snapshot.progress, envelope.at);
        let closes_gap = topic.gap_due.is_some() && self.profile.recovers == Recovers::FirstFrame;
        for &(stage, _) in AnalysisStage::ALL {
            if !learned.late.has(stage) {
                continue;
            }
            let topic = name.into();
            self.event(Event::Derived { topic, kind: Kind::StageCompleted, stage, progress, at });
        }
        if closes_gap {
            flags |= Verdict::RECOVERED;
            self.close_gap(name, true);
        }
        if flags & Verdict::CLAMPED != 0 {
            self.say_out_of_range(id, socket, name);
        }
        match ends {
            End::No => {}
            End::Yes => self.end_topic(id, name),
            End::Twice => self.completes(name, frame, envelope.has_result, &mut flags),
        }
        if update.interview {
            self.interview_news(name, envelope);
        }
        let told = envelope.kind == Kind::StageCompleted && envelope.data_available != Some(false);
        if (told || !learned.late.is_empty()) && self.config.fetch_on_stage {
            self.fetch_analysis(name);
        }
        flags
    }

    /// Two frames say that a DocProc session is complete; one is delivered as its end. [docproc §4.4]
    #[inline(never)]
    fn completes(&mut self, name: &str, frame: FrameId, has_result: bool, flags: &mut u32) {
        let due = self.now.mono + ms(self.config.timings.completion_wait);
        let Some(topic) = self.topics.get_mut(name) else { return };
        match topic.completion.take() {
            None if has_result => self.finish_topic(name),
            None => self.hold_completion(name, Completion { frame, due }, flags),
            Some(first) => {
                self.release(first.frame, 0);
                self.stats.dropped += 1;
                if has_result {
                    self.finish_topic(name);
                } else {
                    // Said once more, and the result is still to come.
                    self.hold_completion(name, Completion { frame, due: first.due }, flags);
                }
            }
        }
    }

    fn hold_completion(&mut self, name: &str, completion: Completion, flags: &mut u32) {
        if let Some(topic) = self.topics.get_mut(name) {
            topic.completion = Some(completion);
            *flags = (*flags & !Verdict::DELIVER) | Verdict::HOLD;
            self.dirty = true;
        }
    }

    /// A held completion has waited long enough.
    pub(super) fn completion_due(&mut self, name: &str) {
        let Some(completion) = self.topics.get_mut(name).and_then(|topic| topic.completion.take()) else {
            return;
        };
        if !self.faults_planted.is(Faults::LOSE_HELD) {
            self.release(completion.frame, Verdict::DELIVER | Verdict::SNAPSHOT);
        }
        self.finish_topic(name);
    }

    #[inline(never)]
    fn end_topic(&mut self, id: u32, name: &str) {
        if let Some(completion) = self.topics.get_mut(name).and_then(|topic| topic.completion.take()) {
            // Only one end is told: this one, which the picture shows.
            self.release(completion.frame, 0);
            self.stats.dropped += 1;
        }
        self.finish_topic(name);
        let close_at = self.now.mono + ms(self.config.timings.close_after_end);
        if self.profile.per_topic
            && let Some(link) = self.links.get_mut(&id)
            && self.topics.get(name).is_some_and(|topic| matches!(topic.wire, Wire::Ended))
        {
            link.close_at = Some(close_at);
            // One on its way to replace it has nothing to come for.
            if let Some(next) = link.next.take() {
                self.discard(next, Some(crate::io::CloseReason::Done), false);
            }
        }
    }

    #[inline(never)]
    fn say_out_of_range(&mut self, id: u32, socket: SocketId, topic: &str) {
        let Some(conn) = conn_at(&mut self.links, id, socket) else { return };
        if !core::mem::replace(&mut conn.said_out_of_range, true) {
            self.notice(
                NoticeKind::OutOfRange,
                &text!["a progress of ", Quoted(topic), " was out of range and has been clamped"],
            );
        }
    }

    // --- answers ----------------------------------------------------------------------------------------------

    #[inline(never)]
    fn reply(
        &mut self,
        id: u32,
        socket: SocketId,
        frame: FrameId,
        ask: Ask,
        update: Option<&Update>,
        envelope: &Envelope<'_>,
    ) -> u32 {
        let mut request = envelope.request.and_then(request_number);
        // A server that confuses its questions must not take one from us that still waits.
        if let Some(conn) = conn_at(&mut self.links, id, socket)
            && conn.awaited.iter().any(|awaited| {
                request == Some(awaited.request) && !awaited.what.is_answered_by(ask, envelope.topic)
            })
        {
            request = None;
        }
        let key = answer_key(ask, envelope);
        let awaited = self.take_awaited(id, socket, request, |what| match what {
            Awaiting::Subscribe { topic, .. } => ask == Ask::Subscribe && envelope.topic == Some(topic),
            Awaiting::Unsubscribe { topic } => ask == Ask::Unsubscribe && envelope.topic == Some(topic),
            Awaiting::Authenticate => ask == Ask::Authenticate,
            Awaiting::Ping => ask == Ask::Ping,
            // An interview's beginning need not name the analysis.
            Awaiting::Command { ask: asked, key: own, .. } => {
                *asked == ask && (*own == key || ask == Ask::Start && key.is_empty())
            }
        });
        if let Some(awaited) = &awaited {
            self.stats.last_round_trip = Some(self.now.mono - awaited.sent_at);
            self.dirty = true;
        }
        let mut flags = Verdict::DELIVER;
        match ask {
            Ask::Subscribe => {
                if let Some(name) = envelope.topic {
                    self.confirmed(name, socket);
                    if let Some(update) = update
                        && self.topics.get(name).is_some_and(|topic| matches!(topic.wire, Wire::Active(_)))
                    {
                        flags = self.update(socket, id, frame, update, envelope);
                    }
                }
            }
            Ask::Start => {
                if let Some(name) = envelope.topic
                    && (awaited.is_some() || self.has_room_for_interview(name))
                {
                    self.interview_started(name, socket);
                }
            }
            Ask::Resume => {
                if let Some(name) = envelope.topic {
                    if self.interview(name).is_some_and(|state| !matches!(state, InterviewState::Failed)) {
                        self.confirmed(name, socket);
                    } else if awaited.is_some() {
                        self.interview_started(name, socket);
                    }
                }
            }
            _ => {}
        }
        if let Some(update) = update
            && ask != Ask::Subscribe
        {
            flags = self.update(socket, id, frame, update, envelope);
        }
        if self.profile.recovers == Recovers::Confirmation
            && let Some(name) = envelope.topic
            && matches!(ask, Ask::Subscribe | Ask::Resume)
            && self.topics.get(name).is_some_and(|topic| matches!(topic.wire, Wire::Active(_) | Wire::Ended))
        {
            self.close_gap(name, true);
        }
        if let Some(Awaited { what: Awaiting::Command { id, .. }, sent_at, .. }) = awaited {
            // An answer is delivered by whichever connection it comes.
            flags |= Verdict::DELIVER;
            self.confirm_command(id, Some(frame), None, sent_at);
        }
        flags
    }

    /// A service that does not answer `authenticate`: the next frame that is no error confirms it. [devcontext §1.4]
    #[inline(never)]
    fn soft_authenticate(&mut self, id: u32, socket: SocketId, frame: FrameId) {
        let asked = |what: &Awaiting| matches!(what, Awaiting::Command { ask: Ask::Authenticate, .. });
        let taken = self.take_awaited(id, socket, None, asked);
        if let Some(Awaited { what: Awaiting::Command { id, .. }, sent_at, .. }) = taken {
            self.confirm_command(id, Some(frame), None, sent_at);
        }
    }

    pub(super) fn take_awaited(
        &mut self,
        id: u32,
        socket: SocketId,
        request: Option<u64>,
        fits: impl Fn(&Awaiting) -> bool,
    ) -> Option<Awaited> {
        self.links.get_mut(&id)?.conn(socket)?.take(request, fits)
    }
}

/// By what a reply that repeats no `requestId` is matched: its type and the ids it names.
fn answer_key(ask: Ask, envelope: &Envelope<'_>) -> String {
    let topic = envelope.topic.unwrap_or_default();
    match ask {
        Ask::Start => envelope.item.unwrap_or_default().into(),
        Ask::Answer => text![topic, BETWEEN_IDS, envelope.question.unwrap_or_default()],
        Ask::Pause | Ask::Resume => topic.into(),
        _ => String::new(),
    }
}
