//! What happened, for everyone who wants to know: consumers read the [`journal`] and nothing else.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use crate::service::Service;
use crate::switches::Switches;
use crate::sync::Locked;
use crate::world::World;

use journal::{Follower, Journal};
use judge::Judge;
use line::Thresholds;
use metrics::{Deliveries, Gauges, Tallies};
use tokio::sync::Semaphore;
use verdicts::Report;

pub(crate) mod journal;
mod judge;
pub(crate) mod junit;
mod line;
pub(crate) mod metrics;
pub(crate) mod verdicts;
mod words;

/// Requests that may wait for something to happen at the same time.
const MOST_WAITING: usize = 256;

/// Reads the journal along and knows at any time what it comes to.
#[derive(Debug)]
pub(crate) struct Reporter {
    reading: Mutex<Reading>,
    /// The journal notes a frame before it is written; how long that took is told here.
    deliveries: Deliveries,
    /// A seat for each request that waits.
    pub(crate) waiting: Semaphore,
}

#[derive(Debug)]
struct Reading {
    follower: Follower,
    judge: Judge,
    tallies: Tallies,
}

impl Reading {
    fn catch_up(&mut self, switches: &Switches) {
        let thresholds = Thresholds::of(switches);
        for entry in self.follower.unread() {
            self.judge.see(&entry, &thresholds);
            self.tallies.see(&entry);
        }
    }
}

impl Reporter {
    pub(crate) fn new(journal: &Journal) -> Self {
        let judge = Judge::new(SystemTime::now());
        let reading = Reading { follower: journal.follow(0), judge, tallies: Tallies::default() };
        let waiting = Semaphore::new(MOST_WAITING);
        Self { reading: Mutex::new(reading), deliveries: Deliveries::default(), waiting }
    }

    /// A published frame has been written to a connection.
    pub(crate) fn delivered(&self, service: Service, took: Duration) {
        self.deliveries.note(service, took);
    }

    /// The numbers, for Prometheus.
    pub(crate) fn metrics(&self, switches: &Switches, gauges: &Gauges) -> String {
        let report = self.report(switches, |_| true);
        metrics::page(&self.reading.locked().tallies, &self.deliveries, gauges, &report)
    }

    /// What there is to say of everything up to now on these services.
    pub(crate) fn report(&self, switches: &Switches, about: impl Fn(Service) -> bool) -> Report {
        let mut reading = self.reading.locked();
        reading.catch_up(switches);
        let missed = reading.follower.missed();
        reading.judge.report(&Thresholds::of(switches), missed, about)
    }

    /// Forgets what was found. Connections that are open stay known as open from before.
    pub(crate) fn reset(&self, journal: &Journal, last_connection: u64) {
        let mut reading = self.reading.locked();
        reading.follower = journal.follow(journal.last());
        reading.judge = Judge::after(SystemTime::now(), last_connection);
        reading.tallies = Tallies::default();
        self.deliveries.reset();
    }

    /// Reads along until the server ends, so that nothing has left the journal when a report is asked for.
    pub(crate) async fn run(world: World) {
        let mut seen = 0;
        loop {
            tokio::select! {
                last = world.journal.beyond(seen) => seen = last,
                () = world.shutdown.cancelled() => return,
            }
            world.reporter.reading.locked().catch_up(&world.switches);
        }
    }
}
