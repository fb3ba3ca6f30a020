//! Wishes: handles counted, topics asked once per connection, confirmed, refused, ended. [rules §2.4, §2.5]

use alloc::boxed::Box;
use alloc::string::String;

use super::link::Awaiting;
use super::link::{conn_at, ready_at};
use super::throttle::Priority;
use super::topics::{Topic, Wire};
use super::{Faults, Machine, SHARED};
use crate::command::{CommandErrorKind, CommandId, Sent};
use crate::config::ms;
use crate::dialect::{Outgoing, Recovers};
use crate::envelope::Verdict;
use crate::envelope::{Envelope, Kind};
use crate::event::{Event, InterviewState, SubscriptionState, Why};
use crate::io::{Output, SocketId};
use crate::map::take_first;
use crate::snapshot::Phase;
use crate::text::{Quoted, text};

/// How many interviews that are over keep their pictures.
const FINISHED_INTERVIEWS: usize = 64;

impl Machine {
    pub(super) fn subscribe(&mut self, id: CommandId, name: String, keep: bool) {
        if let Err(why) = super::route::check_id("topic", &name) {
            return self.fail_command(id, CommandErrorKind::Invalid, None, &why, false, Sent::No);
        }
        let order = self.next_order;
        self.next_order += 1;
        let topic = self.topics.entry(name.clone(), || Topic::new(&name, order));
        topic.handles += 1;
        topic.keep |= keep;
        topic.linger_until = None;
        if topic.interview.is_none() && matches!(topic.wire, Wire::Refused(_) | Wire::Ended) {
            // A new subscribe starts anew.
            let mut anew = Topic::new(&name, order);
            (anew.handles, anew.keep, anew.said) = (topic.handles, keep, topic.said.take());
            *topic = anew;
            // The connection of the ended one may still be closing.
            while let Some(link) = self.links.first(|_, link| link.topic.as_ref() == Some(&name)) {
                self.drop_link(link, crate::io::CloseReason::Done);
            }
        }
        self.dirty = true;
        self.done(id);
    }

    pub(super) fn unsubscribe(&mut self, name: &str) {
        let linger = self.now.mono + ms(self.config.timings.linger);
        let Some(topic) = self.topics.get_mut(name) else { return };
        topic.handles = topic.handles.saturating_sub(1);
        self.dirty = true;
        if topic.handles > 0 || topic.interview.is_some() {
            return;
        }
        match topic.wire {
            Wire::Refused(_) | Wire::Ended => {
                self.forget(name);
            }
            _ => topic.linger_until = Some(linger),
        }
    }

    /// The linger is over: nobody wants the topic any more.
    pub(super) fn linger_over(&mut self, name: &str) {
        let Some(topic) = self.forget(name) else { return };
        let (Wire::Active(socket) | Wire::Asked(socket)) = topic.wire else { return };
        if self.profile.per_topic {
            return;
        }
        self.leave(name, socket);
    }

    /// Forgets a topic; what it held back is delivered first.
    fn forget(&mut self, name: &str) -> Option<Box<Topic>> {
        let topic = self.topics.remove(name)?;
        if let Some(completion) = topic.completion {
            self.release(completion.frame, Verdict::DELIVER);
        }
        self.dirty = true;
        Some(topic)
    }

    /// The server is to be told that a topic is no longer wanted, as soon as the budget allows.
    fn leave(&mut self, name: &str, socket: SocketId) {
        let Some(id) = self.link_of(socket) else { return };
        if self.faults_planted.is(Faults::FORGET_UNSUBSCRIBE) {
            return;
        }
        if let Some(conn) = conn_at(&mut self.links, id, socket) {
            // What it would have confirmed is no longer asked. Where answers come in the order of the questions its own
            // is waited for all the same, or it would be taken for the next one's.
            let asks = |what: &Awaiting| matches!(what, Awaiting::Subscribe { topic, .. } if topic == name);
            while !self.profile.one_at_a_time && conn.take(None, asks).is_some() {}
            conn.leaving.push(name.into());
            self.dirty = true;
        }
    }

    /// Tells the server which topics are no longer wanted.
    fn sync_leaving(&mut self) {
        while self.budget_at(SHARED, Priority::Low) <= self.now.mono {
            let conn = ready_at(&mut self.links, SHARED);
            let Some((socket, topic)) =
                conn.and_then(|conn| Some((conn.socket, take_first(&mut conn.leaving)?)))
            else {
                return;
            };
            if let Some(request) = self.send(SHARED, socket, &Outgoing::Unsubscribe { topic: &topic }) {
                let what = Awaiting::Unsubscribe { topic };
                self.await_answer(SHARED, socket, what, request, ms(self.config.timings.confirm_timeout));
            }
        }
    }

    /// Asks for every desired topic that is not asked on the connection in use, in the order of the wishes.
    pub(super) fn sync_topics(&mut self) {
        if self.profile.per_topic || self.closed {
            return;
        }
        let now = self.now.mono;
        let Some(socket) = ready_at(&mut self.links, SHARED).map(|conn| conn.socket) else {
            return;
        };
        self.sync_leaving();
        let held_back = self.profile.auth_in_band
            && self.tokens.has_provider()
            && self.tokens.is_being_renewed(&self.config.timings, self.now);
        if held_back {
            return;
        }
        // The next one is looked for each time: the budget lets few out at once, and sorting takes more code.
        let mut last = None;
        loop {
            let mut next = None;
            for (name, topic) in self.topics.iter() {
                let place = (topic.interview.is_some(), topic.order);
                if topic.desired()
                    && matches!(topic.wire, Wire::Wished)
                    && last.is_none_or(|last| place > last)
                    && next.is_none_or(|(first, _)| place < first)
                {
                    next = Some((place, name));
                }
            }
            let Some((place, name)) = next else { return };
            last = Some(place);
            let (interview, name) = (place.0, name.clone());
            let asking = ready_at(&mut self.links, SHARED).is_some_and(|conn| {
                conn.awaited.iter().any(|awaited| matches!(awaited.what, Awaiting::Subscribe { .. }))
            });
            if (self.profile.one_at_a_time && asking) || self.budget_at(SHARED, Priority::Low) > now {
                return;
            }
            self.ask(&name, interview, socket, false);
        }
    }

    fn ask(&mut self, name: &str, interview: bool, socket: SocketId, again: bool) {
        if self.faults_planted.is(Faults::FORGET_RESUBSCRIBE)
            && self.topics.get(name).is_some_and(|topic| topic.ever_live)
        {
            return;
        }
        let wish = if interview {
            Outgoing::ResumeInterview { session: name }
        } else {
            Outgoing::Subscribe { topic: name }
        };
        let Some(request) = self.send(SHARED, socket, &wish) else { return };
        if self.faults_planted.is(Faults::SUBSCRIBE_TWICE) {
            self.send(SHARED, socket, &wish);
        }
        let within = ms(self.config.timings.confirm_timeout);
        self.await_answer(SHARED, socket, Awaiting::Subscribe { topic: name.into(), again }, request, within);
        if let Some(conn) = ready_at(&mut self.links, SHARED) {
            while let Some(at) = conn.leaving.iter().position(|left| left == name) {
                conn.leaving.remove(at);
            }
        }
        if let Some(topic) = self.topics.get_mut(name) {
            topic.wire = Wire::Asked(socket);
        }
        self.dirty = true;
    }

    /// A confirmation did not come in time: asked once more, then the link is replaced.
    pub(super) fn confirmation_late(&mut self, id: u32, socket: SocketId, name: &str, again: bool) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        if topic.wire != Wire::Asked(socket) {
            return;
        }
        if again {
            let ruling = super::verdict::Ruling::retry(
                crate::event::WhyKind::Timeout,
                text!["The server did not confirm ", Quoted(name), " although it was asked twice"],
            );
            return self.lose(id, socket, ruling, Some(crate::io::CloseReason::Dead));
        }
        let interview = topic.interview.is_some();
        if topic.desired() {
            let (now, allowed) = (self.now.mono, self.budget_at(id, Priority::Low));
            if allowed > now {
                let what = Awaiting::Subscribe { topic: name.into(), again };
                return self.await_answer(id, socket, what, 0, allowed - now);
            }
            self.ask(name, interview, socket, true);
        } else {
            topic.wire = Wire::Wished;
        }
    }

    /// The server says it may be had later: wait as for a confirmation, then ask again.
    pub(super) fn ask_later(&mut self, name: &str) {
        let within = ms(self.config.timings.confirm_timeout);
        let Some(topic) = self.topics.get_mut(name) else { return };
        if let Wire::Asked(socket) = topic.wire
            && let Some(id) = self.link_of(socket)
            && let Some(conn) = conn_at(&mut self.links, id, socket)
            // The refusal may be of what was asked on the connection before this one.
            && !conn.awaited.iter().any(|a| matches!(&a.what, Awaiting::Subscribe { topic, .. } if topic == name))
        {
            let what = Awaiting::Subscribe { topic: name.into(), again: false };
            self.await_answer(id, socket, what, 0, within);
        }
    }

    /// The server has confirmed a topic on this socket; "already subscribed" is success too.
    pub(super) fn confirmed(&mut self, name: &str, socket: SocketId) {
        let recovers = self.profile.recovers;
        let now = self.now;
        let wait = now.mono + ms(self.config.timings.completion_wait);
        // The answer may come by an older connection or for a topic that is no longer wanted.
        let current = self.is_in_use(socket);
        let Some(topic) = self.topics.get_mut(name) else { return };
        if !current
            || matches!(topic.wire, Wire::Refused(_) | Wire::Ended)
            || topic.wire == Wire::Active(socket)
        {
            return;
        }
        topic.wire = Wire::Active(socket);
        topic.prior = None;
        topic.seen.clear();
        topic.news = 0;
        topic.ranked.clear();
        topic.ever_live = true;
        if topic.snapshot.stale_since.take().is_some() {
            self.event(Event::Snapshot { topic: name.into() });
        }
        self.dirty = true;
        let Some(topic) = self.topics.get_mut(name) else { return };
        if topic.gap_since.is_none() {
            return;
        }
        match recovers {
            Recovers::FirstFrame => {
                topic.gap_due.get_or_insert(wait);
            }
            // The frame that confirms says what was missed; the gap is told after it.
            Recovers::Confirmation => {}
            Recovers::Nothing => self.close_gap(name, false),
        }
    }

    /// Tells that a topic may have missed something, once. [rules §2.4]
    pub(super) fn close_gap(&mut self, name: &str, recovered: bool) {
        let until = self.now.unix;
        let Some(topic) = self.topics.get_mut(name) else { return };
        topic.gap_due = None;
        if let Some(since) = topic.gap_since.take() {
            topic.missed = !recovered;
            if !self.faults_planted.is(Faults::NO_GAP) {
                self.event(Event::Gap { topic: name.into(), since, until, recovered });
            }
        }
    }

    /// The server will not have a topic.
    pub(super) fn refuse(&mut self, name: &str, why: Why) {
        if let Some(topic) = self.topics.get_mut(name) {
            topic.wire = Wire::Refused(why);
            topic.prior = None;
            topic.gap_since = None;
            topic.gap_due = None;
            if let Some(completion) = topic.completion.take() {
                self.release(completion.frame, Verdict::DELIVER | Verdict::SNAPSHOT);
            }
        }
        self.dirty = true;
    }

    /// A topic is over: its subscription ends, unless it is kept.
    pub(super) fn finish_topic(&mut self, name: &str) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        topic.snapshot.terminal = true;
        self.dirty = true;
        // A connection of its own ends with its topic.
        if topic.keep && topic.interview.is_none() && !self.profile.per_topic {
            return;
        }
        // What ended it made up for what was missed; that there was something missed is told all the same.
        if topic.is_live() {
            self.close_gap(name, self.profile.recovers != Recovers::Nothing);
        }
        let Some(topic) = self.topics.get_mut(name) else { return };
        topic.gap_since = None;
        topic.gap_due = None;
        let wire = core::mem::replace(&mut topic.wire, Wire::Ended);
        topic.prior = None;
        let interview = topic.interview.is_some();
        if let (Wire::Active(socket) | Wire::Asked(socket), false, false) =
            (wire, self.profile.per_topic, interview)
        {
            self.leave(name, socket);
        }
        if interview {
            self.set_interview(name, InterviewState::Complete);
            self.forget_old_interviews();
        }
    }

    // --- interviews -------------------------------------------------------------------------------------------

    /// An interview's state changes.
    pub(super) fn set_interview(&mut self, session: &str, state: InterviewState) {
        if let Some(topic) = self.topics.get_mut(session)
            && topic.interview != Some(state)
        {
            topic.interview = Some(state);
            self.event(Event::Interview { session_id: session.into(), state });
        }
    }

    /// The server has begun an interview: from now on it is a wish.
    pub(super) fn interview_started(&mut self, name: &str, socket: SocketId) {
        let order = self.next_order;
        self.next_order += 1;
        let current = self.is_in_use(socket);
        let topic = self.topics.entry(name.into(), || Topic::new(name, order));
        // What began on a connection that is being replaced is to be resumed on the new one.
        let elsewhere = !current && !matches!(topic.wire, Wire::Wished | Wire::Refused(_) | Wire::Ended);
        if !elsewhere {
            (topic.wire, topic.prior) =
                if current { (Wire::Active(socket), None) } else { (Wire::Wished, Some(socket)) };
        }
        topic.ever_live = true;
        if topic.interview.is_none() {
            topic.interview = Some(InterviewState::Starting);
        }
        self.set_interview(name, InterviewState::Active);
        self.close_gap(name, true);
        self.dirty = true;
    }

    /// What a frame says of an interview's state.
    pub(super) fn interview_news(&mut self, name: &str, envelope: &Envelope<'_>) {
        match envelope.kind {
            Kind::InterviewPaused => {
                let can_resume = envelope.can_resume.unwrap_or(true);
                self.set_interview(name, InterviewState::Paused { can_resume });
                if let Some(topic) = self.topics.get_mut(name) {
                    topic.snapshot.phase = Phase::NeedsInput;
                }
            }
            Kind::InterviewResumed | Kind::InterviewStarted => {
                self.set_interview(name, InterviewState::Active);
            }
            _ => {}
        }
    }

    /// Whether an interview that nobody here is waiting for (its start was given up, say) may be followed.
    pub(super) fn has_room_for_interview(&self, name: &str) -> bool {
        let others = self.topics.iter().filter(|(own, topic)| *own != name && topic.interview.is_some());
        others.count() < FINISHED_INTERVIEWS
    }

    fn forget_old_interviews(&mut self) {
        let over = |topic: &Topic| {
            matches!(topic.interview, Some(InterviewState::Complete | InterviewState::Failed))
                && topic.handles == 0
        };
        while self.topics.values().filter(|topic| over(topic)).count() > FINISHED_INTERVIEWS {
            let oldest =
                self.topics.iter().filter(|(_, topic)| over(topic)).min_by_key(|(_, topic)| topic.order);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { return };
            self.topics.remove(&name);
        }
    }

    // --- telling ----------------------------------------------------------------------------------------------

    /// Tells which subscriptions have changed their state, and marks pictures stale.
    pub(super) fn announce_topics(&mut self) {
        for (name, topic) in self.topics.iter_mut() {
            if topic.interview == Some(InterviewState::Active) && !topic.is_live() {
                topic.interview = Some(InterviewState::Starting);
                let (session_id, state) = (name.clone(), InterviewState::Starting);
                self.out.push_back(Output::Event(Event::Interview { session_id, state }));
            }
        }
        for (name, topic) in self.topics.iter_mut() {
            let state = topic.state();
            let stale = matches!(state, SubscriptionState::Pending | SubscriptionState::Refused { .. })
                && topic.ever_live
                && topic.snapshot.stale_since.is_none();
            if topic.said.as_ref() != Some(&state) {
                topic.said = Some(state.clone());
                self.out.push_back(Output::Event(Event::Subscription { topic: name.clone(), state }));
            }
            if stale {
                topic.snapshot.stale_since = Some(topic.gap_since.unwrap_or(self.now.unix));
                self.out.push_back(Output::Event(Event::Snapshot { topic: name.clone() }));
            }
        }
    }
}
