//! Where the token stands: the call under way, the token in use, when to ask ahead. [rules §2.6]

use alloc::vec::Vec;

use crate::config::{Timings, TokenSource, ms};
use crate::io::Token;
use crate::time::Now;

/// How many tokens are remembered after their time.
const FORMER: usize = 4;

/// A call of the provider that is under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub generation: u32,
    pub force: bool,
    /// Whether it was made ahead of an expiry rather than for an attempt.
    pub ahead: bool,
    /// How many tokens all were to use when it began.
    pub set: u32,
    pub until: u64,
}

/// Everything known about tokens, which outlives connections.
#[derive(Debug)]
pub(super) struct Tokens {
    pub source: TokenSource,
    /// The newest token.
    pub current: Option<Token>,
    /// The last ones before it, which servers may still speak of, and which may be good for a while yet.
    pub former: Vec<Token>,
    /// A token the app has set; the next attempt uses it without asking.
    pub pushed: bool,
    /// How many tokens all connections were to use: those that the app has set, and those that replaced one which
    /// was about to expire.
    pub set: u32,
    pub flight: Option<Flight>,
    pub generation: u32,
    /// When to ask ahead of the expiry.
    pub refresh_at: Option<u64>,
    pub last_ahead: Option<u64>,
    /// How long before its expiry the token in use counts as expiring, ms: one that lives for seconds only has to be
    /// used in them.
    margin: u64,
    /// The token in use looked expired when it came: there is no better one, and the server decides.
    pub suspect: bool,
}

impl Tokens {
    pub(super) fn new(source: TokenSource) -> Self {
        let current = match &source {
            TokenSource::Static(token) => Some(token.clone()),
            _ => None,
        };
        Self {
            source,
            current,
            former: Vec::new(),
            pushed: false,
            set: 0,
            flight: None,
            generation: 0,
            refresh_at: None,
            last_ahead: None,
            margin: u64::MAX,
            suspect: false,
        }
    }

    /// Whether tokens can be had anew.
    pub(super) const fn has_provider(&self) -> bool {
        matches!(self.source, TokenSource::Provider)
    }

    /// Takes a token into use; false if it looks expired already.
    pub(super) fn accept(&mut self, token: Token, timings: &Timings, now: Now) -> bool {
        let mut plausible = true;
        self.refresh_at = None;
        if self.has_provider()
            && let Some(expires_at) = token.expires_at
        {
            let left = expires_at.saturating_sub(now.unix);
            plausible = left > 0;
            self.margin = ms(timings.refresh_margin).min(left / 2);
            if plausible {
                let margin = ms(timings.refresh_margin).max(left / 10);
                let wait = left.saturating_sub(margin).max(ms(timings.refresh_interval).min(left / 2));
                self.refresh_at = Some(now.mono + wait);
            }
        }
        self.suspect = !plausible;
        let old = self.current.replace(token);
        self.remember(old);
        plausible
    }

    /// A token that is no longer in use stays a secret.
    pub(super) fn remember(&mut self, token: Option<Token>) {
        let Some(token) = token else { return };
        if self.current.as_ref() == Some(&token) || self.former.contains(&token) {
            return;
        }
        if self.former.len() >= FORMER {
            self.former.remove(0);
        }
        self.former.push(token);
    }

    /// Whether the token in use expires within the margin, by the wall clock.
    fn is_expiring(&self, timings: &Timings, now: Now) -> bool {
        let margin = ms(timings.refresh_margin).min(self.margin);
        let expires_at = self.current.as_ref().and_then(|token| token.expires_at);
        expires_at.is_some_and(|at| at <= now.unix.saturating_add(margin))
    }

    /// Whether the token in use expires within the margin and a new one is on its way.
    pub(super) fn is_asked_anew(&self, timings: &Timings, now: Now) -> bool {
        self.flight.is_some() && !self.suspect && self.is_expiring(timings, now)
    }

    /// The wall clock may have jumped: a token that expires soon by it is renewed now.
    pub(super) fn wake(&mut self, timings: &Timings, now: Now) {
        if self.is_expiring(timings, now) {
            self.refresh_at = self.refresh_at.map(|at| at.min(now.mono));
        }
    }

    /// Whether the token in use expires within the margin and a new one is on its way or due.
    pub(super) fn is_being_renewed(&self, timings: &Timings, now: Now) -> bool {
        let Some(expires_at) = self.current.as_ref().and_then(|token| token.expires_at) else { return false };
        let due = self.refresh_at.is_some() && expires_at > now.unix;
        self.is_asked_anew(timings, now) || (due && self.is_expiring(timings, now))
    }
}
