//! Sliding windows for rate limits.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The happenings of the last while. Refused ones are not counted.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<Instant>);

impl Window {
    /// Counts one happening if at most `limit` lie within `span` then (0 is no limit); else answers how long to wait.
    pub(crate) fn admit(&mut self, now: Instant, limit: u64, span: Duration) -> Result<(), Duration> {
        if limit == 0 {
            return Ok(());
        }
        while self.0.front().is_some_and(|at| *at + span <= now) {
            self.0.pop_front();
        }
        match self.0.front() {
            Some(oldest) if self.0.len() as u64 >= limit => Err(*oldest + span - now),
            _ => {
                self.0.push_back(now);
                Ok(())
            }
        }
    }

    /// Whether nothing has happened for this long, so that the window can be forgotten.
    pub(crate) fn is_stale(&self, now: Instant, span: Duration) -> bool {
        self.0.back().is_none_or(|at| *at + span <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut window = Window::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let span = Duration::from_millis(100);
        assert_eq!(window.admit(at(0), 2, span), Ok(()));
        assert_eq!(window.admit(at(60), 2, span), Ok(()));
        assert_eq!(window.admit(at(70), 2, span), Err(Duration::from_millis(30)));
        assert_eq!(window.admit(at(100), 2, span), Ok(()));
        assert_eq!(window.admit(at(101), 2, span), Err(Duration::from_millis(59)));
        assert!(window.is_stale(at(200), span) && !window.is_stale(at(199), span));
    }
}
