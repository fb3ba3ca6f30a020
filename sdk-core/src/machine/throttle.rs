//! The client's own rate budget, so that the service's limit is never met. [rules §2.9]

use alloc::vec::Vec;

use crate::config::Limits;

/// Who wants to send. Probes and answers to pings do not ask: they are counted, never delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// Authentication, pings and commands.
    High,
    /// Subscribes and unsubscribes; they leave some of the budget to the others.
    Low,
}

/// A sliding window of sent messages.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    sent: Vec<u64>,
    paused_until: u64,
}

const WINDOW: u64 = 60_000;
const SECOND: u64 = 1_000;
/// A service that says nothing of its window is left alone for this long.
const SHORTEST_PAUSE: u64 = 5_000;

impl Throttle {
    /// When a message of this priority may be sent; not after `now` if at once.
    pub(super) fn ready_at(&self, limits: &Limits, priority: Priority) -> u64 {
        let budget = match priority {
            Priority::High => limits.messages_per_minute,
            Priority::Low => limits.messages_per_minute.saturating_sub(limits.messages_reserved),
        } as usize;
        let nth_last = |n: usize| self.sent.len().checked_sub(n).and_then(|at| self.sent.get(at));
        let by_minute = nth_last(budget.max(1)).map_or(0, |at| at + WINDOW);
        let by_second = nth_last(limits.messages_per_second.max(1) as usize).map_or(0, |at| at + SECOND);
        by_minute.max(by_second).max(self.paused_until)
    }

    /// Counts a message.
    pub(super) fn sent(&mut self, now: u64) {
        while self.sent.first().is_some_and(|at| at + WINDOW <= now) {
            self.sent.remove(0);
        }
        self.sent.push(now);
    }

    /// The service refused a message: nothing goes out for the rest of the window.
    pub(super) fn refused(&mut self, now: u64, jitter: u64) {
        let first = self.sent.iter().find(|at| **at + WINDOW > now);
        let window_ends = first.map_or(now, |at| at + WINDOW).max(now + SHORTEST_PAUSE);
        self.paused_until = window_ends + jitter;
    }

    /// Until when nothing goes out because the service refused a message.
    pub(super) const fn paused_until(&self) -> u64 {
        self.paused_until
    }

    /// How many messages may still be sent in this window.
    pub(super) fn left(&self, limits: &Limits, now: u64) -> u32 {
        let used = self.sent.iter().filter(|at| **at + WINDOW > now).count() as u32;
        if self.paused_until > now { 0 } else { limits.messages_per_minute.saturating_sub(used) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribes_leave_some_of_the_budget_and_a_second_has_a_limit_too() {
        let limits = Limits::default();
        let mut throttle = Throttle::default();
        let mut now = 0;
        for _ in 0..80 {
            now = now.max(throttle.ready_at(&limits, Priority::Low));
            throttle.sent(now);
        }
        assert_eq!(now, 3_000, "20 a second");
        assert_eq!(throttle.ready_at(&limits, Priority::Low), 60_000);
        for _ in 0..10 {
            now = now.max(throttle.ready_at(&limits, Priority::High));
            throttle.sent(now);
        }
        assert!(now < 10_000);
        assert_eq!(throttle.left(&limits, now), 0);
        assert_eq!(throttle.ready_at(&limits, Priority::High), 60_000);
    }

    #[test]
    fn a_refusal_pauses_for_the_rest_of_the_window() {
        let limits = Limits::default();
        let mut throttle = Throttle::default();
        throttle.sent(1_000);
        throttle.refused(5_000, 300);
        assert_eq!(throttle.ready_at(&limits, Priority::High), 61_300);

        // What was sent before the window began is none of it.
        let mut throttle = Throttle::default();
        throttle.sent(1_000);
        throttle.sent(52_000);
        throttle.refused(61_500, 0);
        assert_eq!(throttle.ready_at(&limits, Priority::High), 112_000);
    }
}
