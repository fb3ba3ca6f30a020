//! Standard output: one line for each thing a person at the terminal wants to know.

use std::io::Write;

use clap::ValueEnum;
use serde_json::json;

use crate::connection::Connection;

/// The form of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Writes the lines, or nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console(Option<LogFormat>);

impl Console {
    /// `None` writes nothing.
    pub(crate) fn new(format: Option<LogFormat>) -> Self {
        Self(format)
    }

    /// A line about the server itself.
    pub(crate) fn say(self, event: &str, text: &str) {
        match self.0 {
            None => {}
            Some(LogFormat::Text) => write(text),
            Some(LogFormat::Json) => write(&json!({"at": now(), "event": event, "detail": text}).to_string()),
        }
    }

    /// A line about a connection.
    pub(crate) fn tell(self, event: &str, on: &Connection, detail: &str) {
        let user = on.user();
        match self.0 {
            None => {}
            Some(LogFormat::Text) => {
                let who = user.map_or_else(String::new, |user| format!(" {user}"));
                write(&format!("{} {} #{}{who} {event} {detail}", now(), on.service, on.id));
            }
            Some(LogFormat::Json) => {
                let line = json!({"at": now(), "event": event, "service": on.service, "connection": on.id,
                    "user": user, "detail": detail});
                write(&line.to_string());
            }
        }
    }
}

/// A closed standard output must not end the server.
fn write(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn now() -> String {
    humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string()
}
