//! What came in place of what was expected: refusals, which explain why nothing else did.

use crate::report::journal::{Entry, Happening, cut};
use crate::report::verdicts::times;

/// Different refusals that are told apart; those beyond are not told.
const MOST_TOLD: usize = 5;
/// Bytes of a refusal's reason that are told.
const MOST_REASON: usize = 160;

/// The refusals of a run, each with how often it came.
#[derive(Debug, Default)]
pub(super) struct Instead {
    came: Vec<(Happening, String, u64)>,
    /// The latest connection whose token was not accepted.
    failed: Option<u64>,
}

impl Instead {
    /// Takes an entry of the journal into account.
    pub(super) fn see(&mut self, entry: &Entry) {
        match entry.what {
            Happening::AuthFailed => self.failed = Some(entry.connection),
            // The answer to a token that was not accepted is told of already.
            Happening::Refused if self.failed == Some(entry.connection) => return,
            Happening::Refused | Happening::Denied => {}
            _ => return,
        }
        let reason: String = entry.detail.chars().filter(|c| !c.is_control()).collect();
        let reason = cut(reason.trim(), MOST_REASON);
        let known = self.came.iter_mut().find(|(what, why, _)| *what == entry.what && *why == reason);
        if let Some((.., count)) = known {
            *count += 1;
        } else if self.came.len() < MOST_TOLD {
            self.came.push((entry.what, reason, 1));
        }
    }

    /// The end of a sentence about what did not come: nothing if nobody was refused. What the sentence itself is
    /// about is left out.
    pub(super) fn told(&self, is_told: impl Fn(Happening) -> bool) -> String {
        let told = |(what, reason, count): &(Happening, String, u64)| {
            let name = match what {
                Happening::AuthFailed => "auth_failed: the token was not accepted",
                Happening::Denied => "denied: a topic was refused",
                _ => "refused",
            };
            let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            format!("{name}{reason}, {}", times(*count))
        };
        let came = self.came.iter().filter(|(what, ..)| !is_told(*what)).map(told).collect::<Vec<_>>();
        if came.is_empty() { String::new() } else { format!("; instead came {}", came.join("; ")) }
    }
}
