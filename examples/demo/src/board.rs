//! The book of what happened, and the check of what was to happen.

use std::collections::BTreeMap;

use console::style;
use steadfast::{Phase, Service, Stats};

use crate::screen::span;

/// What happened on one service.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) topic: String,
    pub(crate) messages: u32,
    pub(crate) phase: Phase,
    pub(crate) last_words: String,
    pub(crate) stats: Stats,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Board {
    tallies: BTreeMap<Service, Tally>,
    /// The server says that it did what it was told.
    pub(crate) faults_applied: bool,
    /// Why there was a wait, each time.
    pub(crate) waits: Vec<&'static str>,
    pub(crate) down_ms: u64,
    /// Each gap's length in ms, and whether the state was told again.
    pub(crate) gaps: Vec<(u64, bool)>,
    pub(crate) recovered_stages: u32,
    pub(crate) clarified: bool,
    pub(crate) scores: Vec<f64>,
    pub(crate) overall: Option<f64>,
}

impl Board {
    pub(crate) fn tally(&mut self, service: Service) -> &mut Tally {
        self.tallies.entry(service).or_default()
    }

    /// Prints the summary; whether everything happened.
    pub(crate) fn summarise(&self) -> bool {
        let head = format!(
            "  {:<14} {:<13} {:>8} {:>11} {:>9}  {}",
            "service", "topic", "attempts", "reconnects", "messages", "end"
        );
        println!("{}", style(head).bold());
        for (service, tally) in &self.tallies {
            let topic = console::truncate_str(&tally.topic, 13, "…");
            let end = match tally.phase {
                Phase::Done => style(tally.phase.name()).green(),
                _ => style(tally.phase.name()).red(),
            };
            let (attempts, reconnects) = (tally.stats.attempts, tally.stats.reconnects);
            println!(
                "  {service:<14} {topic:<13} {attempts:>8} {reconnects:>11} {:>9}  {end}  {}",
                tally.messages,
                style(&tally.last_words).dim(),
                service = service.slug(),
            );
        }
        println!();
        let claims = self.claims();
        for (holds, claim) in &claims {
            let mark = if *holds { style("✓").green() } else { style("✗ not seen:").red() };
            println!("  {mark} {claim}");
        }
        claims.iter().all(|(holds, _)| *holds)
    }

    /// What was to be shown, each with whether it was.
    fn claims(&self) -> Vec<(bool, String)> {
        let done = self.tallies.values().filter(|tally| tally.phase == Phase::Done).count();
        let drops: u64 = self.tallies.values().map(|tally| tally.stats.unexpected_closes).sum();
        let reconnects: u64 = self.tallies.values().map(|tally| tally.stats.reconnects).sum();
        let scores: Vec<_> = self.scores.iter().map(|score| format!("{score:.0}")).collect();
        let gap = self.gaps.iter().map(|(length, _)| *length).sum();
        vec![
            (done == 5, format!("{done} of 5 topics followed to their end")),
            (
                self.faults_applied && drops == 1,
                format!("{drops} connection dropped half-way, and its first retry turned away"),
            ),
            (
                self.waits.len() == 2,
                format!("{} waits with their reasons: {}", self.waits.len(), self.waits.join(", ")),
            ),
            (reconnects == 1, format!("{reconnects} reconnect by itself, after {}", span(self.down_ms))),
            (
                self.gaps.len() == 1 && self.gaps.iter().all(|(_, recovered)| *recovered),
                format!("{} gap told: {}, nothing lost", self.gaps.len(), span(gap)),
            ),
            (
                self.recovered_stages > 0,
                format!("{} missed stage recovered, delivered once", self.recovered_stages),
            ),
            (self.clarified, "a clarification answered".to_owned()),
            (scores.len() >= 3, format!("{} answers evaluated: {}", scores.len(), scores.join(", "))),
            (
                self.overall.is_some(),
                format!("an interview completed with {:.0} of 100", self.overall.unwrap_or_default()),
            ),
        ]
    }
}
