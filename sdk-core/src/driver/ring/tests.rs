use super::*;
use futures_util::{FutureExt, StreamExt};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

fn event<T>(seq: u64, event: T) -> Next<T> {
    Next::Event { seq, event }
}

#[test]
fn events_are_numbered_from_one_and_stay_to_be_read_again() {
    let ring = Ring::default();
    assert_eq!(ring.last(), 0);
    assert_eq!((ring.push('a', 1), ring.push('b', 1)), (1, 2));
    assert_eq!(ring.last(), 2);
    for _ in 0..2 {
        assert_eq!(ring.try_next_after(0), Some(event(1, 'a')));
        assert_eq!(ring.try_next_after(1), Some(event(2, 'b')));
        assert_eq!(ring.try_next_after(2), None);
        assert_eq!(ring.try_next_after(u64::MAX), None, "a number of another ring");
    }
}

#[test]
fn a_reader_that_falls_behind_learns_by_how_much() {
    let ring = Ring::new(3, 1000);
    for n in 1..=10_u64 {
        ring.push(n, 1);
    }
    assert_eq!(ring.try_next_after(2), Some(Next::Lagged { skipped: 5, seq: 7 }));
    assert_eq!(ring.try_next_after(7), Some(event(8, 8)));
    assert_eq!(ring.try_next_after(6), Some(Next::Lagged { skipped: 1, seq: 7 }));
}

#[test]
fn bytes_bound_it_too_but_the_last_event_always_stays() {
    let ring = Ring::new(100, 10);
    for n in 1..=4 {
        ring.push(n, 4);
    }
    assert_eq!(ring.try_next_after(0), Some(Next::Lagged { skipped: 2, seq: 2 }));
    ring.push(5, 50);
    assert_eq!(ring.try_next_after(0), Some(Next::Lagged { skipped: 4, seq: 4 }));
    assert_eq!(ring.try_next_after(4), Some(event(5, 5)));
    ring.push(6, 1);
    assert_eq!(ring.try_next_after(4), Some(Next::Lagged { skipped: 1, seq: 5 }));
    assert_eq!(ring.lock().bytes, 1);
}

#[test]
fn closing_lets_readers_finish() {
    let ring = Ring::default();
    ring.push('a', 1);
    ring.close();
    let mut reader = ring.reader_after(0);
    assert_eq!(reader.next().now_or_never(), Some(Some(event(1, 'a'))));
    assert_eq!(reader.next().now_or_never(), Some(None));
    assert_eq!(reader.next().now_or_never(), Some(None));
    assert_eq!(ring.next_after(1).now_or_never(), Some(Next::Closed));
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_batch_wakes_each_reader_once() {
    let ring = Ring::default();
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    let mut futures: Vec<_> = (0..5).map(|_| ring.next_after(0)).collect();
    for future in &mut futures {
        assert!(future.poll_unpin(&mut cx).is_pending());
        assert!(future.poll_unpin(&mut cx).is_pending(), "asking twice is waiting once");
    }
    assert_eq!(ring.lock().waiting.len(), 5);
    for n in 0..100 {
        ring.push(n, 1);
    }
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    ring.wake();
    ring.wake();
    assert_eq!(count.0.load(Ordering::Relaxed), 5);
    for future in &mut futures {
        assert_eq!(future.poll_unpin(&mut cx), Poll::Ready(event(1, 0)));
    }
}

#[test]
fn an_abandoned_wait_leaves_nothing_and_loses_nothing() {
    let ring = Ring::default();
    for n in 1..=100_u64 {
        let mut waiting = ring.next_after(n - 1);
        assert!((&mut waiting).now_or_never().is_none());
        ring.push(n, 1);
        ring.wake();
        // The event is there, and the future would give it; it is dropped instead.
        drop(waiting);
        assert_eq!(ring.next_after(n - 1).now_or_never(), Some(event(n, n)));
    }
    let waiting = ring.next_after(100);
    assert!(waiting.now_or_never().is_none());
    assert!(ring.lock().waiting.is_empty());
}

/// An event whose end asks the ring something, as a foreign object's might.
#[derive(Clone)]
struct Nosy(Ring<Option<Nosy>>);

impl Drop for Nosy {
    fn drop(&mut self) {
        self.0.last();
    }
}

#[test]
fn nothing_foreign_runs_under_the_lock() {
    let ring = Ring::new(2, 100);
    for _ in 0..5 {
        ring.push(Some(Nosy(ring.clone())), 1);
    }
    ring.push(None, 100);
    assert_eq!(ring.last(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_each_see_everything_in_order() {
    const EVENTS: u64 = 20_000;
    let ring = Ring::new(1024, usize::MAX);
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let mut reader = ring.reader_after(0);
            tokio::spawn(async move {
                let (mut seen, mut skipped, mut last) = (0, 0, 0);
                while let Some(next) = reader.next().await {
                    match next {
                        Next::Event { seq, event } => {
                            assert_eq!(seq, event);
                            assert_eq!(seq, last + 1);
                            (seen, last) = (seen + 1, seq);
                        }
                        Next::Lagged { skipped: n, seq } => {
                            assert_eq!(seq, last + n);
                            (skipped, last) = (skipped + n, seq);
                        }
                        Next::Closed => unreachable!("a stream ends instead"),
                    }
                }
                seen + skipped
            })
        })
        .collect();
    for n in 1..=EVENTS {
        ring.push(n, 8);
        if n % 100 == 0 {
            ring.wake();
            tokio::task::yield_now().await;
        }
    }
    ring.close();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), EVENTS);
    }
    assert!(ring.lock().waiting.is_empty());
}
