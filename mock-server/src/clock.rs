//! The clock that flows and rules go by: the real one, and as much ahead of it as the control API has advanced it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// What has been done to the clock.
#[derive(Debug, Clone, Copy)]
struct Hands {
    /// The clock's time at `since`.
    at: Duration,
    since: Instant,
    stopped: bool,
}

impl Hands {
    fn now(&self) -> Duration {
        if self.stopped { self.at } else { self.at + self.since.elapsed() }
    }
}

/// Time since the start. It runs by itself, can be advanced at any time, and can be stopped, so that it goes on by
/// being advanced only.
#[derive(Debug)]
pub(crate) struct Clock(watch::Sender<Hands>);

impl Default for Clock {
    fn default() -> Self {
        Self(watch::Sender::new(Hands { at: Duration::ZERO, since: Instant::now(), stopped: false }))
    }
}

impl Clock {
    /// The time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.0.borrow().now()
    }

    /// Whether it stands still unless it is advanced.
    pub(crate) fn is_stopped(&self) -> bool {
        self.0.borrow().stopped
    }

    /// So much time passes now. Whoever sleeps less than this wakes, in no certain order.
    pub(crate) fn advance(&self, by: Duration) {
        self.0.send_modify(|hands| {
            *hands = Hands { at: hands.now().saturating_add(by), since: Instant::now(), ..*hands };
        });
    }

    /// Stops it, or lets it run by itself again.
    pub(crate) fn stop(&self, stopped: bool) {
        self.0.send_modify(|hands| *hands = Hands { at: hands.now(), since: Instant::now(), stopped });
    }

    /// Waits until this time of the clock. Dropping the future gives the wait up.
    pub(crate) async fn sleep_until(&self, end: Duration) {
        let mut changes = self.0.subscribe();
        loop {
            let hands = *changes.borrow_and_update();
            let Some(left) = end.checked_sub(hands.now()).filter(|left| !left.is_zero()) else { return };
            tokio::select! {
                () = tokio::time::sleep(left), if !hands.stopped => {}
                Ok(()) = changes.changed() => {}
                else => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn advancing_wakes_sleepers_and_a_stopped_clock_wakes_none_by_itself() {
        let clock = std::sync::Arc::new(Clock::default());
        clock.stop(true);
        let (hour, start) = (Duration::from_secs(3600), clock.now());
        let sleeper = {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleep_until(start + hour).await })
        };
        clock.advance(hour / 2);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(clock.now(), start + hour / 2, "it stands still");
        assert!(!sleeper.is_finished());
        clock.advance(hour / 2);
        sleeper.await.unwrap();
        clock.stop(false);
        clock.sleep_until(clock.now() + Duration::from_millis(2)).await;
        assert!(clock.now() > start + hour);
    }
}
