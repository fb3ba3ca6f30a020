//! What a client did wrong, with the frames that prove it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::journal::{Entry, rfc3339};
use super::junit::{Case, Failure, Suite};
use crate::service::Service;

/// Findings of each verdict that are told at the end; the reports in files have more.
const MOST_TOLD: usize = 3;

/// Something that a well-behaved client does not do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Verdict {
    /// More connects in a minute than the switch `verdict.connects_per_minute` allows to one client
    TooManyConnects,
    /// A topic subscribed again on the same connection, or followed over two connections at a time
    DuplicateSubscribe,
    /// A subscribe or a command before the user was known
    UnauthenticatedSubscribe,
    /// A command about a topic that the server has not confirmed on this connection
    EarlyCommand,
    /// A token shown again after it was refused
    RefusedToken,
    /// A ping of the server that was not answered in time
    UnansweredPing,
    /// A message larger than allowed, or more of them
    OverLimit,
    /// A message that the service does not understand
    UnknownMessage,
}

impl Verdict {
    /// All of them, in the order of a report.
    pub const ALL: [Verdict; 8] = [
        Verdict::TooManyConnects,
        Verdict::DuplicateSubscribe,
        Verdict::UnauthenticatedSubscribe,
        Verdict::EarlyCommand,
        Verdict::RefusedToken,
        Verdict::UnansweredPing,
        Verdict::OverLimit,
        Verdict::UnknownMessage,
    ];

    /// The name in options and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::TooManyConnects => "too_many_connects",
            Verdict::DuplicateSubscribe => "duplicate_subscribe",
            Verdict::UnauthenticatedSubscribe => "unauthenticated_subscribe",
            Verdict::EarlyCommand => "early_command",
            Verdict::RefusedToken => "refused_token",
            Verdict::UnansweredPing => "unanswered_ping",
            Verdict::OverLimit => "over_limit",
            Verdict::UnknownMessage => "unknown_message",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One time that something was wrong.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// On which service.
    pub service: Service,
    /// On which connection.
    pub connection: u64,
    /// Whose, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What happened, in one sentence.
    pub text: String,
    /// The entries of the journal that show it, oldest first; texts are cut at 2 KiB.
    pub proof: Vec<Entry>,
}

/// What is to be said about one verdict.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Ruling {
    /// Which one.
    pub verdict: Verdict,
    /// Whether nothing of the kind was found.
    pub passed: bool,
    /// How often it was found.
    pub count: u64,
    /// The first hundred of them.
    pub findings: Vec<Finding>,
}

/// How often clients connected to a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connects {
    /// Since the start or the last reset, refused ones included.
    pub all: u64,
    /// The most within any sixty seconds, of all clients together.
    pub most_per_minute: u64,
}

/// What all clients did from the start, or from the last reset, until now.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Whether nothing was found, whatever `--fail-on` says.
    pub passed: bool,
    /// From when on.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub since: SystemTime,
    /// Until when.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub until: SystemTime,
    /// Entries of the journal that nobody could look at, because more came than it keeps. 0 unless the machine is
    /// overloaded.
    pub missed: u64,
    /// By service, those that nobody connected to left out.
    pub connects: BTreeMap<Service, Connects>,
    /// All verdicts, in the order of [`Verdict::ALL`].
    pub verdicts: Vec<Ruling>,
}

impl Report {
    /// What is to be said about this verdict.
    #[expect(clippy::missing_panics_doc, reason = "it does not: all verdicts are there")]
    pub fn ruling(&self, verdict: Verdict) -> &Ruling {
        self.verdicts.iter().find(|ruling| ruling.verdict == verdict).expect("all verdicts are there")
    }

    /// Whether any of these was found.
    pub fn fails(&self, verdicts: &[Verdict]) -> bool {
        self.verdicts.iter().any(|ruling| !ruling.passed && verdicts.contains(&ruling.verdict))
    }

    /// The same as checks with results, for build servers: those `on` which it fails (all if there are none).
    pub fn suite(&self, on: &[Verdict]) -> Suite {
        let asked = |ruling: &&Ruling| on.is_empty() || on.contains(&ruling.verdict);
        let case = |ruling: &Ruling| Case {
            name: ruling.verdict.to_string(),
            time: Duration::ZERO,
            skipped: None,
            failure: (!ruling.passed).then(|| Failure {
                message: format!("{}: {}", times(ruling.count), ruling.findings[0].text),
                detail: ruling.findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n"),
            }),
        };
        Suite {
            name: "verdicts".to_owned(),
            time: self.until.duration_since(self.since).unwrap_or_default(),
            cases: self.verdicts.iter().filter(asked).map(case).collect(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, connection, user, text, proof } = self;
        write!(f, "{service} #{connection}")?;
        if let Some(user) = user {
            write!(f, " {user}")?;
        }
        write!(f, ": {text}")?;
        for entry in proof {
            let Entry { seq, what, kind, detail, .. } = entry;
            let kind = kind.as_deref().map_or_else(String::new, |kind| format!(" {kind}"));
            // A terminal gets no control characters from a client.
            let detail: String = detail.chars().filter(|c| !c.is_control()).take(200).collect();
            let what = serde_json::to_value(what).unwrap_or_default();
            let what = what.as_str().unwrap_or_default();
            let at = humantime::format_rfc3339_millis(entry.at);
            write!(f, "\n      {seq} {at} {what}{kind} {detail}")?;
        }
        Ok(())
    }
}

/// How often, in words.
pub(crate) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// For people: one line for each verdict, and the first three findings of each with their frames.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("verdicts:")?;
        for (service, Connects { all, most_per_minute }) in &self.connects {
            write!(f, "\n  {service}: {all} connects, at most {most_per_minute} in a minute")?;
        }
        for ruling in &self.verdicts {
            if ruling.passed {
                write!(f, "\n  ok      {}", ruling.verdict)?;
                continue;
            }
            write!(f, "\n  FOUND   {}, {}", ruling.verdict, times(ruling.count))?;
            for finding in ruling.findings.iter().take(MOST_TOLD) {
                write!(f, "\n    {finding}")?;
            }
            if ruling.count > MOST_TOLD as u64 {
                write!(f, "\n    … and {} more", ruling.count - MOST_TOLD as u64)?;
            }
        }
        if self.missed > 0 {
            write!(f, "\n  {} entries of the journal came too fast to be looked at", self.missed)?;
        }
        Ok(())
    }
}
