//! The three ways to show events: bars, lines, JSON.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use indicatif::MultiProgress;
use steadfast::client::{Event, Handle};
use steadfast::time::format_instant;

use crate::args::Args;
use crate::bars::Bars;
use crate::{json, words};

/// Where events go.
pub(crate) enum View {
    Bars(Box<Bars>),
    Lines,
    Json,
}

impl View {
    pub(crate) fn new(args: &Args) -> Self {
        if args.json {
            Self::Json
        } else if io::stdout().is_terminal() {
            Self::Bars(Box::new(Bars::new(args)))
        } else {
            Self::Lines
        }
    }

    /// The bars, if there are some, for those who want to write above them.
    pub(crate) fn above_bars(&self) -> Option<MultiProgress> {
        match self {
            Self::Bars(bars) => Some(bars.multi()),
            _ => None,
        }
    }

    /// Shows an event. Fails when nobody reads any more.
    pub(crate) fn event(&mut self, event: &Event, client: &Handle) -> io::Result<()> {
        let now = now();
        match self {
            Self::Bars(bars) => bars.event(event, client, now),
            Self::Lines => {
                let line = words::event(event, now);
                writeln!(io::stdout(), "{}  {line}", format_instant(now))
            }
            Self::Json => writeln!(io::stdout(), "{}", json::event(event, client, now)),
        }
    }

    /// Shows what may be wrong and what to do.
    pub(crate) fn hint(&self, text: &str) -> io::Result<()> {
        let now = now();
        match self {
            Self::Bars(bars) => bars.above(&format!("hint  {text}")),
            Self::Lines => writeln!(io::stdout(), "{}  hint  {text}", format_instant(now)),
            Self::Json => writeln!(io::stdout(), "{}", json::hint(text, now)),
        }
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, client: &Handle) {
        if let Self::Bars(bars) = self {
            bars.connection(&client.state(), now());
        }
    }

    /// The last words. They go where no pipe reads.
    pub(crate) fn end(&self, text: &str) {
        match self {
            Self::Bars(bars) => bars.end(text),
            Self::Lines => aside(text),
            Self::Json => {}
        }
    }
}

/// Writes a line to standard error. If nobody reads it, how it ended is still told by the exit code.
pub(crate) fn aside(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Unix time in ms.
#[expect(clippy::disallowed_methods, reason = "an app has a clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
