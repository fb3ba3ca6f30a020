//! Standard output: one line for each thing a person at the terminal wants to know.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::json;

use crate::connection::Connection;
use crate::sync::Locked;

/// Lines kept for a reader that is slow.
const MOST_LINES: usize = 1024;
/// Characters of what a client said that go into a line; the journal has more.
const MOST_DETAIL: usize = 1024;

/// The form of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Lines on their way to standard output. A thread of their own writes them, so that whoever has something to say never
/// waits for whoever should read it; of more than 1,024 that nobody reads the oldest are left out, and a line tells how
/// many. A closed standard output ends nothing. When it is dropped, what is not written yet is still tried.
#[derive(Debug)]
pub struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    format: LogFormat,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<String>,
    lost: u64,
    /// Whether the thread is there, and whether it is at a line.
    begun: bool,
    writing: bool,
    closed: bool,
}

impl Lines {
    /// Nothing is written yet. The format is that of the line which tells that some were left out.
    pub fn new(format: LogFormat) -> Self {
        Self(Arc::new(Shared { format, queue: Mutex::default(), changed: Condvar::new() }))
    }

    /// Adds a line, perhaps of several lines. Does not wait.
    pub fn write(&self, line: impl Into<String>) {
        let mut queue = self.0.queue.locked();
        if queue.lines.len() == MOST_LINES {
            queue.lines.pop_front();
            queue.lost += 1;
        }
        queue.lines.push_back(line.into());
        if !queue.begun {
            let shared = self.0.clone();
            queue.begun =
                thread::Builder::new().name("console".to_owned()).spawn(move || shared.carry()).is_ok();
        }
        drop(queue);
        self.0.changed.notify_all();
    }

    /// Waits until all lines are written, so long at most; answers whether they are.
    pub async fn written(&self, within: Duration) -> bool {
        let shared = self.0.clone();
        tokio::task::spawn_blocking(move || shared.wait_until_written(within)).await.unwrap_or(false)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.0.queue.locked().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// Writes what there is until nothing more can come.
    fn carry(&self) {
        let mut queue = self.queue.locked();
        loop {
            let lost = std::mem::take(&mut queue.lost);
            let line = if lost > 0 { Some(left_out(self.format, lost)) } else { queue.lines.pop_front() };
            queue.writing = line.is_some();
            let Some(line) = line else {
                self.changed.notify_all();
                if queue.closed {
                    return;
                }
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(queue);
            let _ = writeln!(std::io::stdout().lock(), "{line}");
            queue = self.queue.locked();
        }
    }

    fn wait_until_written(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        let mut queue = self.queue.locked();
        loop {
            if queue.lines.is_empty() && queue.lost == 0 && !queue.writing {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner);
            queue = waited.0;
        }
    }
}

fn left_out(format: LogFormat, lost: u64) -> String {
    let text = format!("{lost} lines are left out here: nobody read them in time");
    match format {
        LogFormat::Text => format!("… {text}"),
        LogFormat::Json => {
            json!({"at": now(), "event": "left_out", "lines": lost, "detail": text}).to_string()
        }
    }
}

/// Says what happens, or nothing.
#[derive(Debug)]
pub(crate) struct Console {
    out: Option<(LogFormat, Lines)>,
    brief: bool,
}

impl Console {
    /// `None` writes nothing; a brief one only what a person must be told.
    pub(crate) fn new(format: Option<LogFormat>, brief: bool) -> Self {
        Self { out: format.map(|format| (format, Lines::new(format))), brief }
    }

    /// A line about the server itself.
    pub(crate) fn say(&self, event: &str, text: &str) {
        if !self.brief {
            self.warn(event, text);
        }
    }

    /// A line that a person must be told.
    pub(crate) fn warn(&self, event: &str, text: &str) {
        let Some((format, lines)) = &self.out else { return };
        lines.write(match format {
            LogFormat::Text => text.to_owned(),
            LogFormat::Json => json!({"at": now(), "event": event, "detail": text}).to_string(),
        });
    }

    /// A line about a connection.
    pub(crate) fn tell(&self, event: &str, on: &Connection, detail: &str) {
        let Some((format, lines)) = self.out.as_ref().filter(|_| !self.brief) else { return };
        let (user, detail) = (on.user(), short(detail));
        lines.write(match format {
            LogFormat::Text => {
                let who = user.map_or_else(String::new, |user| format!(" {}", plain(short(&user))));
                format!("{} {} #{}{who} {event} {}", now(), on.service, on.id, plain(detail))
            }
            LogFormat::Json => {
                let line = json!({"at": now(), "event": event, "service": on.service, "connection": on.id,
                    "user": user, "detail": detail});
                line.to_string()
            }
        });
    }

    /// Waits until all is written, so long at most.
    pub(crate) async fn written(&self, within: Duration) {
        if let Some((_, lines)) = &self.out
            && !lines.written(within).await
        {
            tracing::debug!("nobody has read all of standard output");
        }
    }
}

pub(crate) fn short(text: &str) -> &str {
    text.char_indices().nth(MOST_DETAIL).map_or(text, |(end, _)| &text[..end])
}

/// What a client chose must not begin a line of its own or steer the terminal.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        text.chars().map(shown).collect::<String>().into()
    } else {
        text.into()
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_chose_stays_in_its_line() {
        assert_eq!(plain("a\nb\u{1b}[2Jc"), "a\\nb\\u{1b}[2Jc");
        assert_eq!(plain("größer"), "größer");
        assert_eq!(short(&"ä".repeat(2000)).chars().count(), MOST_DETAIL);
    }
}
