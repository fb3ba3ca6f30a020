//! What may be wrong when nothing comes, and what to do about it.

use std::time::{Duration, Instant};

use serde_json::Value;
use steadfast::client::{Event, Handle};
use steadfast::{ConnectionState, Service, SubscriptionState, Why, WhyKind};

use crate::args::Args;

/// How long it is quiet before the hints are shown: longer than a job is silent between two steps.
const QUIET: Duration = Duration::from_secs(15);
/// Said where a server wants a token and there is none.
const NO_TOKEN: &str =
    "No token was given: --token TOKEN, --token-env VARIABLE or --token-command COMMAND gives one";

/// Watches for silence and refusals.
#[derive(Debug)]
pub(crate) struct Hints {
    /// When something was heard last, or when the hints were looked at.
    heard: Instant,
    service: Service,
    has_token: bool,
    no_token_said: bool,
    shown: Vec<String>,
}

impl Hints {
    #[expect(clippy::disallowed_methods, reason = "an app has a clock")]
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            heard: Instant::now(),
            service: args.service,
            has_token: args.has_token(),
            no_token_said: false,
            shown: Vec::new(),
        }
    }

    /// Takes note of an event. Gives a hint that can't wait.
    #[expect(clippy::disallowed_methods, reason = "an app has a clock")]
    pub(crate) fn after(&mut self, event: &Event) -> Option<&'static str> {
        if matches!(event, Event::Message(_) | Event::Gap { .. }) {
            self.heard = Instant::now();
        }
        let why = match event {
            Event::State(state @ (ConnectionState::Failed { .. } | ConnectionState::Waiting { .. })) => {
                state.why()
            }
            Event::Subscription { state: SubscriptionState::Refused { why }, .. } => Some(why),
            _ => None,
        };
        let wanted =
            !self.has_token && !self.no_token_said && why.is_some_and(|why| wants_token(self.service, why));
        self.no_token_said |= wanted;
        wanted.then_some(NO_TOKEN)
    }

    /// After a quiet time: what is not shown yet.
    #[expect(clippy::disallowed_methods, reason = "an app has a clock")]
    pub(crate) fn when_quiet(&mut self, client: &Handle) -> Vec<String> {
        if self.heard.elapsed() < QUIET {
            return Vec::new();
        }
        self.heard = Instant::now();
        let told: Value = serde_json::from_str(&client.diagnose().json).unwrap_or_default();
        let told = told["hints"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let present: Vec<String> = told.map(str::to_owned).collect();
        let new = present.iter().filter(|hint| !self.shown.contains(hint)).cloned().collect();
        self.shown = present;
        new
    }
}

/// Whether a token may be what is missing. DocProc takes everybody, or asks for a token at once.
fn wants_token(service: Service, why: &Why) -> bool {
    match why.kind {
        WhyKind::Auth => true,
        WhyKind::NotAllowed | WhyKind::Flapping => service != Service::DocProc,
        _ => false,
    }
}
