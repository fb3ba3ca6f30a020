//! When to try again: the schedule, the randomness below it, and the limit on attempts. [rules §2.3]

use alloc::vec::Vec;

use crate::config::{Reconnect, ms};
use crate::map::take_first;

/// `SplitMix64`: small, good enough to spread delays, the same everywhere.
#[derive(Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        match high.checked_sub(low) {
            None | Some(0) => high,
            Some(span) => low + self.next() % (span + 1),
        }
    }
}

/// What a link remembers of its attempts.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Retries since the link was last stable; it picks the delay.
    pub failures: u32,
    /// Attempts since the link was last stable.
    pub tries: u32,
    /// Lives in a row that were too short to count.
    pub short_lives: u32,
    /// When the last attempts began, as many as the limit per minute.
    recent: Vec<u64>,
}

/// From so many short lives in a row on, a link is flapping.
const FLAPPING: u32 = 3;

impl Backoff {
    /// The nominal delay before retry `n`, counted from 0.
    pub(super) fn nominal(options: &Reconnect, n: u32) -> u64 {
        let (base, cap, n) = (ms(options.base_delay), ms(options.max_delay), n.min(63));
        let delay = base << n;
        // What the shift has lost of it is more than any cap.
        if delay >> n == base { delay.min(cap) } else { cap }
    }

    /// Whether the server accepts and closes, again and again.
    pub(super) const fn flapping(&self) -> bool {
        self.short_lives >= FLAPPING
    }

    /// The delay before the next retry; counts it.
    pub(super) fn delay(&mut self, options: &Reconnect, rng: &mut Rng, at_cap: bool) -> u64 {
        let first = self.failures == 0;
        let cap = ms(options.max_delay);
        let at_cap = at_cap || self.flapping();
        let nominal = if at_cap { cap } else { Self::nominal(options, self.failures) };
        self.failures = self.failures.saturating_add(1);
        match (options.jitter, first && !at_cap) {
            (false, _) => nominal,
            (true, true) => rng.between(1.min(nominal), nominal),
            (true, false) => rng.between(nominal / 2, nominal),
        }
    }

    /// Counts an attempt that begins now.
    pub(super) fn attempted(&mut self, options: &Reconnect, now: u64) {
        while self.recent.len() >= options.attempts_per_minute.max(1) as usize {
            take_first(&mut self.recent);
        }
        self.recent.push(now);
    }

    /// The earliest moment at which the limit per minute allows an attempt.
    pub(super) fn allowed_at(&self, options: &Reconnect) -> u64 {
        if self.recent.len() < options.attempts_per_minute.max(1) as usize {
            return 0;
        }
        self.recent.first().map_or(0, |first| first + 60_000)
    }

    /// The link has been Ready for long enough.
    pub(super) fn stable(&mut self) {
        self.failures = 0;
        self.tries = 0;
        self.short_lives = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn delays_double_up_to_the_cap_and_never_overflow() {
        let options = Reconnect { jitter: false, ..Reconnect::default() };
        let (mut backoff, mut rng) = (Backoff::default(), Rng::new(1));
        let seconds: Vec<_> = (0..8).map(|_| backoff.delay(&options, &mut rng, false) / 1000).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
        for n in [10, 63, 64, 1000, u32::MAX] {
            assert_eq!(Backoff::nominal(&options, n), 30_000, "{n}");
        }
        let huge = Reconnect { base_delay: Duration::MAX, max_delay: Duration::MAX, ..options };
        assert!(Backoff::nominal(&huge, 9) > 0);
    }

    #[test]
    fn jitter_stays_below_the_nominal_delay_and_at_the_cap() {
        let options = Reconnect::default();
        let mut rng = Rng::new(7);
        let mut at_cap = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let mut backoff = Backoff::default();
            let first = backoff.delay(&options, &mut rng, false);
            assert!((1..=1000).contains(&first), "{first}");
            for n in 1..8 {
                let nominal = Backoff::nominal(&options, n);
                let delay = backoff.delay(&options, &mut rng, false);
                assert!((nominal / 2..=nominal).contains(&delay), "{n}: {delay}");
                if nominal == 30_000 {
                    at_cap.insert(delay);
                }
            }
        }
        assert!(at_cap.len() > 100, "there is jitter at the cap too");
    }
}
