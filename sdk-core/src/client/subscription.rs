//! Streams of events: of one topic, and of the whole client.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};

use super::{Event, Handle, Message, Pending, TopicSnapshot};
use crate::command::{Command, CommandError};
use crate::driver::ring::{Next, Reader};
use crate::driver::shared::Shared;
use crate::envelope::Stage;
use crate::event::{InterviewState, SubscriptionState};
use crate::io::Input;

/// What a subscription tells.
#[derive(Clone, Debug)]
pub enum TopicEvent {
    /// The subscription's state changed. After `Refused` and `Ended` the stream ends.
    State(SubscriptionState),
    /// A message about the topic.
    Message(Arc<Message>),
    /// A stage of an analysis that was completed while nobody was listening.
    RecoveredStage {
        /// The stage.
        stage: Stage,
        /// The overall progress known with it, 0.0–1.0.
        progress: Option<f64>,
        /// When the message that told it was made, Unix ms.
        at: Option<f64>,
    },
    /// The picture as it stands: at the start if there is one, after falling behind, and when it became stale or fresh.
    Snapshot(Arc<TopicSnapshot>),
    /// The state of the interview, if the topic is one.
    Interview(InterviewState),
    /// The topic was not live for a while and may have missed something.
    Gap {
        /// From when, Unix ms.
        since: u64,
        /// Until when, Unix ms.
        until: u64,
        /// Whether the service gave the current state again.
        recovered: bool,
    },
    /// The topic was fetched by REST, because the option `fetch_on_stage` is set.
    Fetched(Arc<crate::messages::Answer>),
    /// This reader was too slow and missed this many events of the client.
    Lagged {
        /// How many.
        skipped: u64,
    },
}

/// A subscription to one topic: a stream of its events. Dropping it unsubscribes.
///
/// It lasts through lost connections, and also through the client's failure: it goes on when `set_token` or `connect`
/// has armed the client again. Who does not want to wait for that awaits [`live`](Self::live), which fails with the
/// reason, or follows the [events](Handle::events) of the client.
pub struct Subscription {
    wish: Arc<Wish>,
    reader: Reader<Event>,
    ready: VecDeque<TopicEvent>,
    /// It fell behind and the topic is over: this is told when what is left in the ring has been read.
    over: Option<SubscriptionState>,
    ended: bool,
}

/// What lasts as long as one reader of the subscription is left.
struct Wish {
    handle: Handle,
    topic: String,
    /// Where the subscription began, for further readers.
    start: u64,
    first: VecDeque<TopicEvent>,
}

impl Subscription {
    pub(crate) fn new(shared: &Arc<Shared>, topic: String, keep: bool) -> Result<Self, CommandError> {
        crate::machine::check_topic(&topic)?;
        let handle = Handle::of(shared);
        let now = shared.clock.now();
        let mut core = shared.lock();
        // What has happened before must not be taken for news of this subscription.
        core.drain(shared, None);
        // One that is over begins anew, unless it is kept.
        let over = core.machine.subscription(&topic) == Some(SubscriptionState::Ended);
        let known = core.snapshot(&topic).filter(|_| !over);
        let start = shared.ring.last();
        let id = core.new_id();
        shared.hand(&mut core, now, Input::Command(id, Command::Subscribe { topic: topic.clone(), keep }));
        // A topic that others follow already doesn't announce its state anew.
        let live = core.machine.subscription(&topic).filter(|state| *state == SubscriptionState::Live);
        drop(core);
        shared.waker.wake();
        let mut first = VecDeque::new();
        first.extend(live.map(TopicEvent::State));
        first.extend(
            known.filter(|known| known.raw.is_some()).map(|known| TopicEvent::Snapshot(Arc::new(known))),
        );
        Ok(Self::read(Arc::new(Wish { handle, topic, start, first })))
    }

    fn read(wish: Arc<Wish>) -> Self {
        let reader = wish.handle.shared().ring.reader_after(wish.start);
        Self { reader, ready: wish.first.clone(), over: None, ended: false, wish }
    }

    /// Another reader of this subscription, which begins where the subscription began. It unsubscribes when the last
    /// of its readers is dropped.
    #[must_use]
    pub fn reader(&self) -> Self {
        Self::read(Arc::clone(&self.wish))
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.wish.topic
    }

    /// The number of the last event of the client that this has read; it only rises.
    pub fn position(&self) -> u64 {
        self.reader.position()
    }

    /// The state of the subscription.
    pub fn state(&self) -> SubscriptionState {
        self.wish
            .handle
            .shared()
            .lock()
            .machine
            .subscription(self.topic())
            .unwrap_or(SubscriptionState::Ended)
    }

    /// The last known picture of the topic.
    pub fn snapshot(&self) -> Option<TopicSnapshot> {
        self.wish.handle.snapshot(self.topic())
    }

    /// Waits until the server has confirmed the subscription; fails with the reason if it refuses.
    pub async fn live(&self) -> Result<(), CommandError> {
        let wait = Command::WaitLive { topic: self.topic().to_owned() };
        Pending::submit(self.wish.handle.shared(), wait).await.map(drop)
    }

    /// The next event; `None` after the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<TopicEvent> {
        StreamExt::next(self).await
    }

    /// Ends it at once; the same as dropping it.
    pub fn unsubscribe(self) {
        drop(self);
    }

    /// What an event of the client means to this topic.
    fn take(&mut self, event: Event) -> Option<TopicEvent> {
        if event.topic() != Some(self.topic()) {
            return None;
        }
        Some(match event {
            Event::Subscription { state, .. } => {
                self.ended = matches!(state, SubscriptionState::Refused { .. } | SubscriptionState::Ended);
                TopicEvent::State(state)
            }
            Event::Message(message) => TopicEvent::Message(message),
            Event::RecoveredStage { stage, progress, at, .. } => {
                TopicEvent::RecoveredStage { stage, progress, at }
            }
            Event::Snapshot(snapshot) => TopicEvent::Snapshot(snapshot),
            Event::Interview { state, .. } => TopicEvent::Interview(state),
            Event::Gap { since, until, recovered, .. } => TopicEvent::Gap { since, until, recovered },
            Event::Fetched { answer, .. } => TopicEvent::Fetched(answer),
            _ => return None,
        })
    }

    /// It fell behind: what it missed is made up for by the state as it is now. [rules §2.14]
    fn catch_up(&mut self, skipped: u64) {
        self.wish.handle.shared().lock().machine.count_skipped(skipped);
        self.ready.push_back(TopicEvent::Lagged { skipped });
        if let Some(snapshot) = self.snapshot() {
            self.ready.push_back(TopicEvent::Snapshot(Arc::new(snapshot)));
        }
        let state = self.state();
        if matches!(state, SubscriptionState::Refused { .. } | SubscriptionState::Ended) {
            self.over = Some(state);
        } else {
            self.ready.push_back(TopicEvent::State(state));
        }
    }

    /// The ring has nothing more: the end of a topic that was over when this fell behind.
    fn finish(&mut self) -> Option<TopicEvent> {
        let state = self.over.take()?;
        self.ended = true;
        Some(TopicEvent::State(state))
    }
}

impl Stream for Subscription {
    type Item = TopicEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TopicEvent>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.ready.pop_front() {
                return Poll::Ready(Some(event));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            match Pin::new(&mut this.reader).poll_next(cx) {
                Poll::Pending => return this.finish().map_or(Poll::Pending, |end| Poll::Ready(Some(end))),
                Poll::Ready(None | Some(Next::Closed)) => return Poll::Ready(this.finish()),
                Poll::Ready(Some(Next::Event { event, .. })) => {
                    if let Some(event) = this.take(event) {
                        return Poll::Ready(Some(event));
                    }
                }
                Poll::Ready(Some(Next::Lagged { skipped, .. })) => this.catch_up(skipped),
            }
        }
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        let shared = Arc::clone(self.handle.shared());
        let now = shared.clock.now();
        let mut core = shared.lock();
        let id = core.new_id();
        let topic = std::mem::take(&mut self.topic);
        shared.hand(&mut core, now, Input::Command(id, Command::Unsubscribe { topic }));
        drop(core);
        shared.waker.wake();
    }
}

impl core::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Subscription").field("topic", &self.topic()).finish_non_exhaustive()
    }
}

/// All events of a client, from when this was made. It keeps the client alive.
pub struct Events {
    handle: Handle,
    reader: Reader<Event>,
    ready: VecDeque<Event>,
}

impl Events {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let reader = shared.ring.reader_after(shared.ring.last());
        Self { handle: Handle::of(shared), reader, ready: VecDeque::new() }
    }

    /// The next event; `None` after the client has closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        StreamExt::next(self).await
    }

    /// The number of the last event read; it only rises.
    pub fn position(&self) -> u64 {
        self.reader.position()
    }

    fn catch_up(&mut self, skipped: u64) {
        let mut core = self.handle.shared().lock();
        core.machine.count_skipped(skipped);
        self.ready.push_back(Event::Lagged { skipped });
        self.ready.push_back(Event::State(core.machine.state().clone()));
        let topics: Vec<(String, SubscriptionState)> =
            core.machine.topics().map(|(topic, state)| (topic.to_owned(), state)).collect();
        for (topic, state) in topics {
            if let Some(snapshot) = core.snapshot(&topic) {
                self.ready.push_back(Event::Snapshot(Arc::new(snapshot)));
            }
            self.ready.push_back(Event::Subscription { topic, state });
        }
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.ready.pop_front() {
                return Poll::Ready(Some(event));
            }
            match Pin::new(&mut this.reader).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None | Some(Next::Closed)) => return Poll::Ready(None),
                Poll::Ready(Some(Next::Event { event, .. })) => return Poll::Ready(Some(event)),
                Poll::Ready(Some(Next::Lagged { skipped, .. })) => this.catch_up(skipped),
            }
        }
    }
}

impl core::fmt::Debug for Events {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Events").field("position", &self.position()).finish_non_exhaustive()
    }
}
