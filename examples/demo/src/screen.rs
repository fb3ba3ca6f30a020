//! The terminal: a row for each service, and lines above them; only the lines where there is no terminal.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use console::{Style, Term, style, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use steadfast::{ConnectionState, Item, Phase, Service, Snapshot};

/// How many parts a full bar has.
const FULL: u64 = 1000;
/// How often countdowns move.
const TICK: Duration = Duration::from_millis(100);

pub(crate) struct Screen {
    started: Instant,
    multi: MultiProgress,
    live: bool,
    /// Between what has happened and what is; a bar that is dropped is not drawn.
    rule: ProgressBar,
    rows: Mutex<BTreeMap<Service, Row>>,
    interview: ProgressBar,
}

struct Row {
    bar: ProgressBar,
    state: ConnectionState,
    phase: Phase,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let live = io::stdout().is_terminal();
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let rule = multi.add(ProgressBar::new(1).with_style(template("{msg}")));
        rule.set_message(style(format!("  {}", "─".repeat(72))).dim().to_string());
        let rows = Service::ALL.map(|service| {
            let bar = multi.add(ProgressBar::new(FULL).with_message("").with_style(bar_style("cyan")));
            let row = Row { bar, state: ConnectionState::Idle, phase: Phase::Waiting };
            row.show_connection(service);
            (service, row)
        });
        let interview = ProgressBar::new(FULL);
        Self { started: Instant::now(), multi, live, rule, rows: Mutex::new(rows.into()), interview }
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<Service, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A line for something that happened.
    pub(crate) fn say(&self, service: Option<Service>, text: &str) {
        let at = format!("{:5.1} s", self.elapsed().as_secs_f64());
        let who = format!("{:<14}", service.map_or("demo", Service::slug));
        if self.live {
            let line = format!("  {}  {} {text}", style(at).dim(), style(who).bold());
            let width = usize::from(Term::stdout().size().1);
            let _ = self.multi.println(truncate_str(&line, width, "…"));
        } else {
            // A reader that has gone away does not end the demo: its exit code still tells.
            let _ = writeln!(io::stdout(), "  {at}  {who} {text}");
        }
    }

    /// The connection's state changed.
    pub(crate) fn connection(&self, service: Service, state: &ConnectionState) {
        if let Some(row) = self.rows().get_mut(&service) {
            row.state = state.clone();
            row.show_connection(service);
        }
    }

    /// The picture of a service's topic changed.
    pub(crate) fn picture(&self, service: Service, picture: &Snapshot) {
        let changed = self.rows().get_mut(&service).is_some_and(|row| {
            row.show_picture(picture);
            std::mem::replace(&mut row.phase, picture.phase) != picture.phase
        });
        if changed && !self.live {
            let progress =
                picture.progress.map_or_else(String::new, |progress| format!("{}: ", percent(progress)));
            let text = format!("{progress}{} {}", picture.phase.name(), words(picture));
            self.say(Some(service), text.trim_end());
        }
    }

    /// An interview goes on.
    pub(crate) fn interview(&self, answered: usize, total: usize, text: &str) {
        let bar = &self.interview;
        if answered == 0 {
            self.multi.add(bar.clone());
        }
        bar.set_style(bar_style(if answered == total { "green" } else { "magenta" }));
        bar.set_prefix(format!("  {:<13} {:<15}", "└ interview", format!("{answered} of {total}")));
        bar.set_position(FULL * answered as u64 / total.max(1) as u64);
        bar.set_message(format!("      {text}"));
    }

    /// Moves the countdowns; never ends.
    pub(crate) fn keep_moving(&self) -> impl Future<Output = ()> + '_ {
        let mut tick = tokio::time::interval(TICK);
        async move {
            loop {
                tick.tick().await;
                for (service, row) in self.rows().iter() {
                    row.show_connection(*service);
                }
            }
        }
    }

    /// Leaves everything as it stands.
    pub(crate) fn close(&self) {
        self.rule.abandon();
        for row in self.rows().values() {
            row.bar.abandon();
        }
        if self.interview.position() > 0 {
            self.interview.abandon();
        }
        // After the last row and its line break.
        print!("{}", if self.live { "\n\n" } else { "\n" });
    }
}

impl Row {
    fn show_connection(&self, service: Service) {
        let (dot, text, colour) = match &self.state {
            ConnectionState::Ready { .. } => ("●", "ready".to_owned(), Style::new().green()),
            ConnectionState::Waiting { until, .. } => {
                let left = span(until.saturating_sub(unix_now()));
                ("◌", format!("waiting {left}"), Style::new().yellow())
            }
            ConnectionState::Connecting | ConnectionState::Authenticating => {
                ("◌", self.state.name().to_owned(), Style::new().cyan())
            }
            ConnectionState::Failed { .. } | ConnectionState::Displaced { .. } => {
                ("✗", self.state.name().to_owned(), Style::new().red())
            }
            state => ("○", state.name().to_owned(), Style::new().dim()),
        };
        let state = colour.apply_to(format!("{dot} {text:<13}"));
        self.bar.set_prefix(format!("  {:<13} {state}", style(service.slug()).bold()));
    }

    fn show_picture(&self, picture: &Snapshot) {
        self.bar.set_style(bar_style(match picture.phase {
            Phase::Done => "green",
            Phase::Failed | Phase::Expired => "red",
            Phase::NeedsInput => "yellow",
            _ => "cyan",
        }));
        // A Saga project is as far as its least advanced part; with no part under way it is where it was.
        if let Some(progress) = picture.progress {
            self.bar.set_position((progress * FULL as f64) as u64);
        }
        let share = picture.progress.map_or_else(String::new, percent);
        let eta = picture.eta_ms.map_or_else(String::new, |eta| format!(", {} left", span(eta)));
        let words = style(format!("{}{eta}", words(picture))).dim();
        self.bar.set_message(format!("{share:>5} {:<11} {words}", picture.phase.name()));
    }
}

/// What a topic says, or the thing in it that waits for a person or moved last.
pub(crate) fn words(picture: &Snapshot) -> String {
    if let Some(asks) = picture.items.iter().find(|item| item.phase == Phase::NeedsInput) {
        return asks.message.clone().unwrap_or_default();
    }
    if let Some(text) = picture.error.as_ref().or(picture.message.as_ref()) {
        return text.clone();
    }
    if picture.phase.is_final() {
        return String::new();
    }
    let moved = |item: &Item| item.updated_at.unwrap_or(0.0);
    let Some(item) = picture.items.iter().max_by(|a, b| moved(a).total_cmp(&moved(b))) else {
        return String::new();
    };
    // Ids of stories and exports are for machines.
    let name = if item.id.len() > 24 { item.kind } else { &item.id };
    if item.phase == picture.phase { name.to_owned() } else { format!("{name} {}", item.phase.name()) }
}

fn percent(progress: f64) -> String {
    format!("{:.0} %", progress * 100.0)
}

/// A span of ms in words.
pub(crate) fn span(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// Unix time in ms.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

fn bar_style(colour: &str) -> ProgressStyle {
    template(&format!("{{prefix}} {{bar:24.{colour}/black.bright}} {{wide_msg}}"))
}

/// The template's text is ours; a wrong one shows as plain bars.
fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─")
}
