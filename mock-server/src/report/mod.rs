//! What happened, for everyone who wants to know: consumers read the [`journal`] and nothing else.

use std::sync::Mutex;
use std::time::SystemTime;

use crate::switches::Switches;
use crate::sync::Locked;
use crate::world::World;

use journal::{Follower, Journal};
use judge::{Judge, Thresholds};
use verdicts::Report;

pub(crate) mod journal;
mod judge;
pub(crate) mod junit;
pub(crate) mod verdicts;
mod words;

/// Reads the journal along and knows at any time what it comes to.
#[derive(Debug)]
pub(crate) struct Reporter(Mutex<Reading>);

#[derive(Debug)]
struct Reading {
    follower: Follower,
    judge: Judge,
}

impl Reading {
    fn catch_up(&mut self, switches: &Switches) {
        let thresholds = Thresholds::of(switches);
        for entry in self.follower.unread() {
            self.judge.see(&entry, &thresholds);
        }
    }
}

impl Reporter {
    pub(crate) fn new(journal: &Journal) -> Self {
        Self(Mutex::new(Reading { follower: journal.follow(0), judge: Judge::new(SystemTime::now()) }))
    }

    /// What there is to say of everything up to now.
    pub(crate) fn report(&self, switches: &Switches) -> Report {
        let mut reading = self.0.locked();
        reading.catch_up(switches);
        let missed = reading.follower.missed();
        reading.judge.report(&Thresholds::of(switches), missed)
    }

    /// Forgets what was found. Connections that are open stay known as open from before.
    pub(crate) fn reset(&self, journal: &Journal, last_connection: u64) {
        let mut reading = self.0.locked();
        reading.follower = journal.follow(journal.last());
        reading.judge = Judge::after(SystemTime::now(), last_connection);
    }

    /// Reads along until the server ends, so that nothing has left the journal when a report is asked for.
    pub(crate) async fn run(world: World) {
        let mut seen = 0;
        loop {
            tokio::select! {
                last = world.journal.beyond(seen) => seen = last,
                () = world.shutdown.cancelled() => return,
            }
            world.reporter.0.locked().catch_up(&world.switches);
        }
    }
}
