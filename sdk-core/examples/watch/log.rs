//! The client's own log, on standard error.

use std::io::{self, Write};

use indicatif::MultiProgress;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts it. Where bars are drawn, its lines go above them.
pub(crate) fn start(level: Option<Level>, bars: Option<MultiProgress>) {
    let Some(level) = level else { return };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(console::colors_enabled_stderr())
        .with_writer(move || Above(bars.clone()));
    tracing_subscriber::registry().with(lines).with(Targets::new().with_target("steadfast", level)).init();
}

struct Above(Option<MultiProgress>);

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A failure would be reported where nobody reads, by a panic.
        let write = || drop(io::stderr().write_all(bytes));
        match &self.0 {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
