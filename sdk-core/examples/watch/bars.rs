//! Progress bars: a line for the connection, one for each topic, and one for each thing that a topic holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write as _};

use console::{Style, Term, measure_text_width, pad_str, style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use steadfast::client::{Event, Handle, TopicSnapshot};
use steadfast::{ConnectionState, Item, Phase, SubscriptionState};

use crate::args::Args;
use crate::words;

/// How many parts a full bar has.
const FULL: u64 = 1000;
/// How many items of a topic are shown.
const ITEMS: usize = 8;

pub(crate) struct Bars {
    multi: MultiProgress,
    head: ProgressBar,
    /// The service's name.
    service: String,
    /// The name and the place.
    title: String,
    topics: BTreeMap<String, Rows>,
    foot: ProgressBar,
}

/// The lines of a topic.
struct Rows {
    whole: ProgressBar,
    state: SubscriptionState,
    items: BTreeMap<(&'static str, String), ProgressBar>,
    /// The lowest of the items.
    last: Option<ProgressBar>,
    more: Option<ProgressBar>,
    /// The items whose question was shown.
    asked: BTreeSet<String>,
}

impl Bars {
    pub(crate) fn new(args: &Args) -> Self {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let head = multi.add(ProgressBar::new(FULL).with_style(template("{wide_msg}")));
        let service = style(args.service.slug()).bold().to_string();
        let title = format!("{service} at {}", args.place());
        let mut topics = BTreeMap::new();
        for topic in &args.topics {
            topics.entry(topic.clone()).or_insert_with(|| {
                let whole = multi.add(ProgressBar::new(FULL).with_prefix(name(topic, 0)));
                let rows = Rows {
                    whole,
                    state: SubscriptionState::Pending,
                    items: BTreeMap::new(),
                    last: None,
                    more: None,
                    asked: BTreeSet::new(),
                };
                rows.show(None);
                rows
            });
        }
        let foot = multi.add(ProgressBar::new(FULL).with_style(template("{msg}")));
        foot.set_message(style("Ctrl-C stops").dim().to_string());
        Self { multi, head, service, title, topics, foot }
    }

    pub(crate) fn multi(&self) -> MultiProgress {
        self.multi.clone()
    }

    /// Shows an event: what lasts in the bars, what passes as a line above them.
    pub(crate) fn event(&mut self, event: &Event, client: &Handle, now: u64) -> io::Result<()> {
        let passing = match event {
            Event::State(state) => {
                self.connection(state, now);
                state.why().is_some()
            }
            Event::Subscription { topic, state } => {
                if let Some(rows) = self.topics.get_mut(topic) {
                    rows.state = state.clone();
                }
                matches!(state, SubscriptionState::Refused { .. })
            }
            Event::Message(message) => message.topic.is_none(),
            Event::Snapshot(_) | Event::Interview { .. } | Event::Fetched { .. } => false,
            _ => true,
        };
        if passing {
            self.above(&words::event(event, now))?;
        }
        if let Some(topic) = event.topic()
            && let Some(rows) = self.topics.get_mut(topic)
        {
            let asked = rows.refresh(&self.multi, client.snapshot(topic).as_ref());
            asked.iter().try_for_each(|question| self.above(&format!("{topic}  {question}")))?;
        }
        Ok(())
    }

    /// Writes a line above the bars, broken between words where the terminal ends.
    pub(crate) fn above(&self, text: &str) -> io::Result<()> {
        for line in words::wrap(text, columns()) {
            self.multi.println(style(line).dim().to_string())?;
        }
        Ok(())
    }

    /// Shows the state of the connection, with its countdown.
    pub(crate) fn connection(&self, state: &ConnectionState, now: u64) {
        let (dot, colour) = match state {
            ConnectionState::Ready { .. } => ("●", Style::new().green()),
            ConnectionState::Connecting | ConnectionState::Authenticating => ("◌", Style::new().cyan()),
            ConnectionState::Waiting { .. } | ConnectionState::Offline => ("◌", Style::new().yellow()),
            ConnectionState::Displaced { .. } | ConnectionState::Failed { .. } => ("✗", Style::new().red()),
            _ => ("○", Style::new().dim()),
        };
        let text = format!("{dot} {}", words::connection(state, now));
        // Where there is little room, the place goes first.
        let whole = measure_text_width(&self.title) + 2 + measure_text_width(&text) <= columns();
        let title = if whole { &self.title } else { &self.service };
        let room = columns().saturating_sub(measure_text_width(title) + 2);
        self.head.set_message(format!("{title}  {}", colour.apply_to(words::fit(&text, room))));
    }

    /// Leaves the bars as they stand, with a last line below.
    pub(crate) fn end(&self, text: &str) {
        for rows in self.topics.values() {
            for bar in rows.items.values().chain(&rows.more).chain([&rows.whole]) {
                bar.abandon();
            }
        }
        self.head.abandon();
        self.foot.finish_and_clear();
        // A terminal may be gone as well as a pipe.
        let _ = writeln!(io::stdout(), "{text}");
    }
}

impl Rows {
    /// Shows the topic as it is. Gives what it has begun to ask for: whole, for the bars may not have the room.
    fn refresh(&mut self, multi: &MultiProgress, picture: Option<&TopicSnapshot>) -> Vec<String> {
        self.show(picture);
        let mut asked = Vec::new();
        let Some(picture) = picture else { return asked };
        for item in &picture.items {
            let key = (item.kind, item.id.clone());
            if item.phase == Phase::NeedsInput && self.asked.insert(item.id.clone()) {
                let text = item.message.as_deref().unwrap_or_default();
                asked.push(words::one_line(&format!("{} {}  {text}", item.kind, item.id)));
            }
            if let Some(bar) = self.items.get(&key) {
                show_item(bar, item);
            } else if self.items.len() < ITEMS {
                let last = self.last.as_ref().unwrap_or(&self.whole);
                let bar = multi.insert_after(last, ProgressBar::new(FULL));
                let text =
                    if item.kind == item.id { item.id.clone() } else { format!("{} {}", item.kind, item.id) };
                bar.set_prefix(name(&text, 2));
                show_item(&bar, item);
                self.last = Some(bar.clone());
                self.items.insert(key, bar);
            } else {
                let bar = self.more.get_or_insert_with(|| {
                    let last = self.last.as_ref().unwrap_or(&self.whole);
                    multi.insert_after(last, ProgressBar::new(FULL).with_style(template("{wide_msg}")))
                });
                bar.set_message(format!("  … and {} more", picture.items.len() - ITEMS));
            }
        }
        asked
    }

    fn show(&self, picture: Option<&TopicSnapshot>) {
        let phase = picture.map_or(Phase::Waiting, |picture| picture.phase);
        let mut tail = String::new();
        let text = match &self.state {
            SubscriptionState::Refused { why } => {
                style(words::fit(&format!("refused: {why}"), room())).red().to_string()
            }
            SubscriptionState::Pending if phase == Phase::Waiting => style("pending").dim().to_string(),
            subscription => {
                if *subscription == SubscriptionState::Pending {
                    tail.push_str("  (may be old)");
                }
                if let Some(eta) = picture.and_then(|picture| picture.eta_ms) {
                    let _ = write!(tail, "  {} left", words::span(eta));
                }
                said(phase, picture.and_then(|p| p.error.as_ref().or(p.message.as_ref())), &tail)
            }
        };
        let progress = picture.and_then(|picture| picture.progress);
        show(&self.whole, phase, progress, &text);
    }
}

fn show_item(bar: &ProgressBar, item: &Item) {
    let text = said(item.phase, item.error.as_ref().or(item.message.as_ref()), "");
    show(bar, item.phase, item.progress, &text);
}

fn show(bar: &ProgressBar, phase: Phase, progress: Option<f64>, text: &str) {
    let (width, colour) = (bar_width(), colour(phase));
    bar.set_style(template(&format!("{{prefix}} {{bar:{width}.{colour}/black.bright}} {{wide_msg}}")));
    bar.set_position(progress.map_or(0, |progress| (progress * FULL as f64) as u64));
    let share = progress.map_or_else(String::new, |progress| format!("{:.0} %", progress * 100.0));
    bar.set_message(format!("{share:>5}  {text}"));
}

/// The phase, as much of the service's text as there is room for, and what stands behind it.
fn said(phase: Phase, text: Option<&String>, tail: &str) -> String {
    let name = format!("{:<11}", phase.name());
    let room = room().saturating_sub(name.len() + 2 + measure_text_width(tail));
    let text = text.map(|text| words::fit(&words::one_line(text), room)).unwrap_or_default();
    let name = match phase {
        Phase::Done => style(name).green(),
        Phase::Failed | Phase::Expired => style(name).red(),
        Phase::NeedsInput => style(name).yellow(),
        _ => style(name),
    };
    format!("{name}  {text}{}", style(tail).dim())
}

const fn colour(phase: Phase) -> &'static str {
    match phase {
        Phase::Done => "green",
        Phase::Failed | Phase::Expired => "red",
        Phase::NeedsInput => "yellow",
        _ => "cyan",
    }
}

fn name(text: &str, indent: usize) -> String {
    let text = format!("{:indent$}{}", "", words::one_line(text));
    pad_str(&text, name_width(), console::Alignment::Left, Some("…")).into_owned()
}

// Where there is little room, the text needs it most.
fn name_width() -> usize {
    if narrow() { 16 } else { 24 }
}

fn bar_width() -> usize {
    if narrow() { 10 } else { 28 }
}

/// How many columns are left for a text behind name, bar and share.
fn room() -> usize {
    columns().saturating_sub(name_width() + 1 + bar_width() + 1 + 7)
}

fn columns() -> usize {
    usize::from(Term::stdout().size().1)
}

fn narrow() -> bool {
    columns() < 100
}

/// The template's text is ours; a wrong one shows as plain bars.
fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─")
}
