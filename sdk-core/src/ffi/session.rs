//! A subscription and its readers.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::foreign::{CancelHandle, unless_cancelled, until_cancelled};
use super::replay::Replay;
use super::{ClientEvent, SessionEvent, Snapshot, SteadfastError, SubscriptionState};
use crate::client::{Events, Subscription};

/// An event of a topic with its number.
#[derive(Clone, Debug, uniffi::Record)]
pub struct NextSessionEvent {
    /// Its number among the events of this reader; it only rises.
    pub seq: i64,
    /// The event.
    pub event: SessionEvent,
}

/// An event of a client with its number.
#[derive(Clone, Debug, uniffi::Record)]
pub struct NextClientEvent {
    /// Its number among the events of this reader; it only rises.
    pub seq: i64,
    /// The event.
    pub event: ClientEvent,
}

/// A subscription to one topic. Each language's `Session` stands on it.
#[derive(uniffi::Object)]
pub struct NativeSession {
    topic: String,
    open: Mutex<Open>,
}

struct Open {
    subscription: Option<Subscription>,
    readers: Vec<Weak<NativeSessionReader>>,
}

impl NativeSession {
    pub(super) fn new(subscription: Subscription) -> Arc<Self> {
        let topic = subscription.topic().to_owned();
        let open = Open { subscription: Some(subscription), readers: Vec::new() };
        Arc::new(Self { topic, open: Mutex::new(open) })
    }

    /// Its own reader of the subscription, which no lock of ours holds; `None` after it was closed.
    fn subscription(&self) -> Option<Subscription> {
        self.lock().subscription.as_ref().map(Subscription::reader)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[uniffi::export]
impl NativeSession {
    /// The topic.
    pub fn topic(&self) -> String {
        self.topic.clone()
    }

    /// The state of the subscription.
    pub fn state(&self) -> SubscriptionState {
        self.subscription().map_or(SubscriptionState::Ended, |subscription| subscription.state().into())
    }

    /// The last known picture of the topic.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.subscription()?.snapshot().map(|snapshot| (&snapshot).into())
    }

    /// Waits until the server has confirmed the subscription; fails with the reason if it refuses.
    #[uniffi::method(default(cancel = None))]
    pub async fn live(&self, cancel: Option<Arc<CancelHandle>>) -> Result<(), SteadfastError> {
        let Some(subscription) = self.subscription() else { return Err(SteadfastError::cancelled()) };
        until_cancelled(cancel, subscription.live()).await
    }

    /// A reader of all events since the subscription began.
    pub fn reader(&self) -> Arc<NativeSessionReader> {
        let mut open = self.lock();
        let replay = match &open.subscription {
            Some(subscription) => Replay::new(subscription.reader()),
            None => Replay::ended(),
        };
        let reader = Arc::new(NativeSessionReader { replay });
        open.readers.retain(|reader| reader.strong_count() > 0);
        open.readers.push(Arc::downgrade(&reader));
        reader
    }

    /// Unsubscribes; every reader gets the end at once.
    pub fn unsubscribe(&self) {
        let (subscription, readers) = {
            let mut open = self.lock();
            (open.subscription.take(), std::mem::take(&mut open.readers))
        };
        for reader in readers.iter().filter_map(Weak::upgrade) {
            reader.stop();
        }
        drop(subscription);
    }
}

/// Reads the events of a subscription, one after the other.
#[derive(uniffi::Object)]
pub struct NativeSessionReader {
    replay: Replay<Subscription>,
}

#[uniffi::export]
impl NativeSessionReader {
    /// The event after this number (0 for the first); nothing after the end. A call that was cancelled, from outside
    /// or by the handle, is made again with the same number, and nothing is lost. Nothing makes it fail but a mistake of
    /// ours; only calls that can fail turn that into an error in Swift, where others end the app.
    #[uniffi::method(default(cancel = None))]
    pub async fn next_after(
        &self,
        seq: i64,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<Option<NextSessionEvent>, SteadfastError> {
        let next = unless_cancelled(cancel, self.replay.next_after(seq)).await.flatten();
        Ok(next.map(|(seq, event)| NextSessionEvent { seq, event: (&event).into() }))
    }

    /// Ends it; who waits gets the end.
    pub fn stop(&self) {
        self.replay.stop();
    }
}

/// Reads the events of a client, one after the other.
#[derive(uniffi::Object)]
pub struct NativeClientReader {
    replay: Replay<Events>,
}

impl NativeClientReader {
    pub(super) fn new(events: Events) -> Arc<Self> {
        Arc::new(Self { replay: Replay::new(events) })
    }
}

#[uniffi::export]
impl NativeClientReader {
    /// The event after this number (0 for the first); nothing after the client has closed. A call that was cancelled,
    /// from outside or by the handle, is made again with the same number, and nothing is lost. Fails as the one of
    /// sessions does.
    #[uniffi::method(default(cancel = None))]
    pub async fn next_after(
        &self,
        seq: i64,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<Option<NextClientEvent>, SteadfastError> {
        let next = unless_cancelled(cancel, self.replay.next_after(seq)).await.flatten();
        Ok(next.map(|(seq, event)| NextClientEvent { seq, event: (&event).into() }))
    }

    /// Ends it; who waits gets the end.
    pub fn stop(&self) {
        self.replay.stop();
    }
}
