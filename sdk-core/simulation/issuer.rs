//! The token provider of the simulated world.

use steadfast::{Input, Secret, Token, TokenError};

use crate::classes::Class;
use crate::server::Act;
use crate::settings::Issuer;
use crate::world::World;

/// What the provider has given, and what it is asked.
#[derive(Default)]
pub(crate) struct Tokens {
    /// The number of the newest token.
    pub newest: u32,
    /// The token that was given last.
    pub given: Secret,
    /// The call under way: its generation, whether it is forced, when the machine gives up.
    pub call: Option<(u32, bool, u64)>,
}

impl World {
    /// A token with this number.
    pub(crate) fn token(&mut self, number: u32) -> Token {
        let life = self.dice.pick(&[0, 0, 30_000, 60_000, 600_000, 3_600_000]);
        let expires_at = (life > 0).then(|| self.unix() + life);
        let expires_at = if self.dice.percent(2) { Some(self.unix() - 1_000) } else { expires_at };
        Token { text: Secret::new(format!("tok{number}")), expires_at }
    }

    pub(crate) fn new_token(&mut self) -> Token {
        self.tokens.newest += 1;
        self.token(self.tokens.newest)
    }

    /// The machine asks for a token.
    pub(crate) fn token_asked(&mut self, generation: u32, force: bool) {
        if let Some((old, _, until)) = self.tokens.call
            && self.now < until
        {
            self.fail(Class::TwoTokenCalls, format!("call {generation} while {old} runs"));
        }
        if self.ledger.closed {
            self.fail(Class::AliveAfterShutdown, "a token is asked for after shutdown".into());
        }
        let newest = crate::wire::token_in(self.tokens.given.expose());
        let futile = self.ledger.refused_ever.contains(&newest)
            || self.ledger.refused_ever.contains(&Some(self.tokens.newest));
        if force && self.ledger.forced >= self.ledger.may_force && !futile {
            self.fail(Class::ForcedTwice, format!("forced for the {}th time", self.ledger.forced + 1));
        }
        let limit = self.config.timings.token_timeout.as_millis() as u64;
        self.tokens.call = Some((generation, force, self.now + limit));
        let (unavailable, denied, hangs) = match self.issuer {
            Issuer::Shaky => (40, 3, 20),
            _ => (0, 0, 0),
        };
        let roll = self.dice.below(100);
        if roll < hangs {
            return;
        }
        let result = if roll < hangs + denied {
            Err(TokenError::Denied("signed out".into()))
        } else if roll < hangs + denied + unavailable {
            Err(TokenError::Unavailable("no answer".into()))
        } else {
            let same = match self.issuer {
                Issuer::Fresh => self.tokens.newest > 0 && self.dice.percent(20) && !force,
                Issuer::Cached => !force,
                Issuer::Stuck => true,
                Issuer::Shaky => self.dice.percent(30),
            };
            Ok(if same && self.tokens.newest > 0 { self.token(self.tokens.newest) } else { self.new_token() })
        };
        let slow = self.issuer == Issuer::Shaky && self.dice.percent(30);
        let after = if slow { self.dice.below(20_000) } else { self.dice.pick(&[0, 1, 30, 200]) };
        self.later(after, Act::Token(generation, result));
    }

    pub(crate) fn token_answers(&mut self, generation: u32, result: Result<Token, TokenError>) {
        if let Some((current, force, until)) = self.tokens.call
            && current == generation
        {
            if self.now < until {
                self.ledger.denied |= matches!(result, Err(TokenError::Denied(_)));
                // The same token once more answers nothing.
                let new = result.as_ref().is_ok_and(|token| token.text != self.tokens.given);
                self.ledger.forced += u32::from(force && new);
            }
            self.tokens.call = None;
            if let Ok(token) = &result {
                self.tokens.given = token.text.clone();
            }
        }
        self.handle(Input::Token(generation, result));
    }
}
