//! A stream that is read by a number which the reader owns, so that a call that was abandoned loses nothing.

use core::future::poll_fn;
use core::task::{Context, Poll};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use futures_util::{Stream, StreamExt};

/// A stream with its last item kept until the reader has shown that it has it.
pub(super) struct Replay<S: Stream> {
    state: Mutex<State<S>>,
    waiting: Arc<Waiting>,
}

struct State<S: Stream> {
    /// `None` after it was stopped.
    stream: Option<S>,
    /// The number of the last item; the first is 1.
    seq: u64,
    last: Option<S::Item>,
}

impl<S: Stream + Unpin> Replay<S>
where
    S::Item: Clone,
{
    pub(super) fn new(stream: S) -> Self {
        Self {
            state: Mutex::new(State { stream: Some(stream), seq: 0, last: None }),
            waiting: Arc::default(),
        }
    }

    /// One that has ended before it began.
    pub(super) fn ended() -> Self {
        Self { state: Mutex::new(State { stream: None, seq: 0, last: None }), waiting: Arc::default() }
    }

    /// The item after this number, with its own; `None` after the end. An abandoned call is made again with the same
    /// number.
    pub(super) async fn next_after(&self, seq: i64) -> Option<(i64, S::Item)> {
        let seq = u64::try_from(seq).unwrap_or(0);
        poll_fn(|cx| self.poll(cx, seq)).await
    }

    fn poll(&self, cx: &mut Context<'_>, seq: u64) -> Poll<Option<(i64, S::Item)>> {
        self.waiting.add(cx.waker());
        let mut state = self.lock();
        if seq < state.seq {
            let at = i64::try_from(state.seq).unwrap_or(i64::MAX);
            return Poll::Ready(state.last.clone().map(|item| (at, item)));
        }
        let Some(stream) = &mut state.stream else { return Poll::Ready(None) };
        let waker = Waker::from(Arc::clone(&self.waiting));
        match stream.poll_next_unpin(&mut Context::from_waker(&waker)) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                let stream = state.stream.take();
                drop(state);
                drop(stream);
                self.waiting.wake_all();
                Poll::Ready(None)
            }
            Poll::Ready(Some(item)) => {
                state.seq += 1;
                let at = i64::try_from(state.seq).unwrap_or(i64::MAX);
                let old = state.last.replace(item.clone());
                drop(state);
                drop(old);
                self.waiting.wake_all();
                Poll::Ready(Some((at, item)))
            }
        }
    }

    /// Lets go of the stream; who waits gets the end.
    pub(super) fn stop(&self) {
        let stream = self.lock().stream.take();
        drop(stream);
        self.waiting.wake_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everyone who waits for the next item. Usually one; whoever was abandoned is woken in vain once.
#[derive(Default)]
struct Waiting {
    wakers: Mutex<Vec<Waker>>,
}

impl Waiting {
    fn add(&self, waker: &Waker) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *self.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[tokio::test]
    async fn an_answer_that_was_not_taken_is_given_again() {
        let replay = Replay::new(stream::iter(["a", "b"]));
        assert_eq!(replay.next_after(0).await, Some((1, "a")));
        assert_eq!(replay.next_after(0).await, Some((1, "a")), "the first answer was lost on the way");
        assert_eq!(replay.next_after(1).await, Some((2, "b")));
        assert_eq!(replay.next_after(2).await, None);
        assert_eq!(replay.next_after(1).await, Some((2, "b")), "also after the end");
    }

    #[tokio::test]
    async fn stopping_ends_every_wait() {
        let replay = Arc::new(Replay::new(stream::pending::<()>()));
        let waits: Vec<_> = (0..3)
            .map(|_| {
                let replay = Arc::clone(&replay);
                tokio::spawn(async move { replay.next_after(0).await })
            })
            .collect();
        tokio::task::yield_now().await;
        replay.stop();
        for wait in waits {
            assert_eq!(wait.await.unwrap(), None);
        }
    }
}
