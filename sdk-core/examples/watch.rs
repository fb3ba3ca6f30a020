//! Follows topics of any of the five services in a terminal.
//!
//! ```text
//! cargo run -p steadfast --example watch -- charisma ws://127.0.0.1:8090/charisma --topic session_123 --token …
//! ```
//!
//! In a terminal it draws progress bars, elsewhere it prints a line per event, with `--json` a JSON object per event.
//! It ends by itself when all topics have ended: with 0 if all went well, with 1 if one failed or was refused or the
//! connection is lost for good, with 130 on Ctrl-C, and with 2 if it was told something that can't work.

#[path = "watch/args.rs"]
mod args;
#[path = "watch/bars.rs"]
mod bars;
#[path = "watch/hints.rs"]
mod hints;
#[path = "watch/json.rs"]
mod json;
#[path = "watch/log.rs"]
mod log;
#[path = "watch/view.rs"]
mod view;
#[path = "watch/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use steadfast::client::{Event, Handle};
use steadfast::{ConnectionState, Phase, SubscriptionState};

use args::Args;
use hints::Hints;
use view::View;

/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often countdowns move.
const TICK: Duration = Duration::from_millis(200);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Well,
    Badly,
    Interrupted,
    /// Nobody reads what is written.
    Unread,
}

#[tokio::main]
async fn main() -> ExitCode {
    match watch(&Args::parse()).await {
        Ok(Ending::Well) => ExitCode::SUCCESS,
        Ok(Ending::Badly) => ExitCode::FAILURE,
        Ok(Ending::Interrupted) => ExitCode::from(130),
        Ok(Ending::Unread) => ExitCode::from(141),
        Err(error) => {
            view::aside(&format!("watch: {error}"));
            ExitCode::from(2)
        }
    }
}

async fn watch(args: &Args) -> Result<Ending, Box<dyn Error>> {
    let mut view = View::new(args);
    log::start(args.log, view.above_bars());
    let client = Handle::new(args.options()?).map_err(|error| match error.field {
        "endpoint" if error.message.contains("allow_insecure") => format!("{error}; here that is --insecure"),
        _ => error.to_string(),
    })?;
    let mut events = client.events();
    let mut left = Left::default();
    let mut hints = Hints::new(args);
    let mut subscriptions = Vec::new();
    for topic in &args.topics {
        if left.topics.insert(topic.clone()) {
            subscriptions.push(client.subscribe(topic)?);
        }
    }
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut tick = tokio::time::interval(TICK);
    let ending = loop {
        let written = tokio::select! {
            biased;
            _ = &mut interrupt => break Ending::Interrupted,
            event = events.next() => {
                let Some(event) = event else { break Ending::Badly };
                let mut written = view.event(&event, &client);
                if let Some(hint) = hints.after(&event) {
                    written = written.and_then(|()| view.hint(hint));
                }
                if let Some(ending) = left.after(&event, &client) {
                    break ending;
                }
                written
            }
            _ = tick.tick() => {
                view.tick(&client);
                hints.when_quiet(&client).iter().try_for_each(|hint| view.hint(hint))
            }
        };
        if written.is_err() {
            break Ending::Unread;
        }
    };
    // Dropping a subscription takes it off the wire; a client that shuts down has no need of that.
    let ended = tokio::time::timeout(FAREWELL, client.shutdown()).await;
    drop(subscriptions);
    view.end(match (ending, ended) {
        (_, Err(_)) => "stopped without a farewell: the connection did not end in time",
        (Ending::Well, _) => "all topics have ended well",
        (Ending::Badly, _) => "not all is well: see above",
        (Ending::Interrupted | Ending::Unread, _) => "stopped",
    });
    Ok(ending)
}

/// The topics that have not ended.
#[derive(Debug, Default)]
struct Left {
    topics: BTreeSet<String>,
    bad: bool,
}

impl Left {
    /// Whether this event is the last one to wait for.
    fn after(&mut self, event: &Event, client: &Handle) -> Option<Ending> {
        match event {
            Event::State(ConnectionState::Failed { .. } | ConnectionState::Displaced { .. }) => {
                return Some(Ending::Badly);
            }
            Event::Subscription { topic, state: SubscriptionState::Refused { .. } } => {
                self.bad |= self.topics.remove(topic);
            }
            Event::Subscription { topic, state: SubscriptionState::Ended } if self.topics.remove(topic) => {
                self.bad |= client.snapshot(topic).is_none_or(|picture| picture.phase != Phase::Done);
            }
            _ => {}
        }
        let ending = if self.bad { Ending::Badly } else { Ending::Well };
        self.topics.is_empty().then_some(ending)
    }
}
