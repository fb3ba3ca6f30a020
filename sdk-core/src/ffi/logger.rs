//! The app's logger.
//!
//! Lines are written while the client's lock is held, so the app's code can't be called right there: they wait in a
//! short queue for a thread on which it may block. If it can't keep up, lines are lost and counted.

use core::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Level, Metadata};

use super::runtime::runtime;
use super::{CallbackError, SteadfastError};

/// How many lines may wait.
const QUEUE: usize = 1024;

/// How much is logged. Each level has what the ones before it have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum LogLevel {
    /// What should not happen, such as a listener that throws.
    Error,
    /// What an app may want to look into.
    Warning,
    /// What happens once in a while.
    Info,
    /// Connections, subscriptions, attempts.
    Debug,
    /// Every frame: its name, topic and size; its text only by the option `log_frames`.
    Trace,
}

/// Gets the lines of the SDK's log, one after the other. A token is never among them.
#[uniffi::export(foreign)]
pub trait Logger: Send + Sync {
    /// Writes a line. What it throws is ignored.
    fn log(&self, level: LogLevel, line: String) -> Result<(), CallbackError>;
}

struct Line {
    level: LogLevel,
    text: String,
}

static WANTED: AtomicU8 = AtomicU8::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);
static LOGGER: Mutex<Option<Arc<dyn Logger>>> = Mutex::new(None);
static QUEUED: OnceLock<mpsc::Sender<Line>> = OnceLock::new();

/// Sends the log of all clients of this process to a logger, from this level on; without one, nothing is logged.
#[uniffi::export(default(level = None))]
pub fn set_logger(logger: Option<Arc<dyn Logger>>, level: Option<LogLevel>) -> Result<(), SteadfastError> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    let wanted = if logger.is_some() { level.unwrap_or(LogLevel::Debug) as u8 + 1 } else { 0 };
    if wanted > 0 && !INSTALLED.swap(true, Ordering::AcqRel) {
        let (send, receive) = mpsc::channel(QUEUE);
        let _ = QUEUED.set(send);
        runtime()?.spawn(write(receive));
        tracing::subscriber::set_global_default(Lines)
            .map_err(|error| SteadfastError::Internal { detail: error.to_string() })?;
        tell_panics();
    }
    let old = std::mem::replace(&mut *LOGGER.lock().unwrap_or_else(PoisonError::into_inner), logger);
    drop(old);
    WANTED.store(wanted, Ordering::Release);
    Ok(())
}

/// Writes a failure of the library into its log, where a language has no caller to tell.
#[uniffi::export]
pub fn log_failure(text: String) {
    tracing::error!(target: "steadfast", "{text}");
}

/// From now on a panic of the library's, which is an error to whoever called, is in the log with its place. What it says
/// is not, since that may hold a token; standard error has it. The app's own panics and other libraries' are theirs: a
/// native library has a standard library of its own.
fn tell_panics() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(target: "steadfast", place, "the SDK panicked: a mistake to be reported");
        told(panic);
    }));
}

/// Hands the lines to the logger.
async fn write(mut lines: mpsc::Receiver<Line>) {
    while let Some(line) = lines.recv().await {
        let logger = LOGGER.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(logger) = logger else { continue };
        let lost = LOST.swap(0, Ordering::AcqRel);
        // A logger that throws has nowhere to say so.
        let _ = tokio::task::spawn_blocking(move || {
            if lost > 0 {
                let _ = logger.log(LogLevel::Warning, format!("{lost} lines were lost"));
            }
            let _ = logger.log(line.level, line.text);
        })
        .await;
    }
}

/// Takes what the SDK traces.
struct Lines;

fn level_of(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warning,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == "steadfast" { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "steadfast"
            && (level_of(*metadata.level()) as u8) < WANTED.load(Ordering::Acquire)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let Text { message, fields } = text;
        let line = Line { level: level_of(*event.metadata().level()), text: message + &fields };
        if QUEUED.get().is_none_or(|queue| queue.try_send(line).is_err()) {
            LOST.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A line in the making: the message first, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => self.message.write_str(value),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}
