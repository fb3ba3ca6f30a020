//! Numbers for a monitoring system, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::Mutex;
use std::time::Duration;

use super::journal::{By, Entry, Happening};
use super::verdicts::Report;
use crate::service::Service;
use crate::sync::Locked;

/// The upper bounds of the delivery histogram, in seconds.
const BOUNDS: [f64; 9] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// What is counted of one service, from the start or the last reset on.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    connections: u64,
    refused: u64,
    auth_failures: u64,
    send_failures: u64,
    abnormal_closes: u64,
    messages_in: u64,
    messages_out: u64,
    faults: u64,
}

/// The counters, fed by the journal.
#[derive(Debug, Default)]
pub(super) struct Tallies(BTreeMap<Service, Tally>);

impl Tallies {
    pub(super) fn see(&mut self, entry: &Entry) {
        let tally = self.0.entry(entry.service).or_default();
        match entry.what {
            Happening::Open => tally.connections += 1,
            Happening::Refused => tally.refused += 1,
            Happening::AuthFailed => tally.auth_failures += 1,
            Happening::In => tally.messages_in += 1,
            Happening::Out => tally.messages_out += 1,
            Happening::Fault => tally.faults += 1,
            Happening::Close => {
                let failed = entry.detail.starts_with("lost in sending");
                let orderly = match (entry.by, entry.code) {
                    (Some(By::Client), _) => true,
                    (Some(By::Server), code) => matches!(code, Some(1000 | 1001)),
                    _ => false,
                };
                tally.send_failures += u64::from(failed);
                tally.abnormal_closes += u64::from(!orderly);
            }
            _ => {}
        }
    }
}

/// How long published frames took to be written.
#[derive(Debug, Default)]
pub(super) struct Deliveries(Mutex<BTreeMap<Service, Histogram>>);

#[derive(Debug, Clone, Copy, Default)]
struct Histogram {
    /// By the first bound that is not below; the last is for those above all.
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Deliveries {
    pub(super) fn note(&self, service: Service, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        let mut all = self.0.locked();
        let histogram = all.entry(service).or_default();
        histogram.buckets[at] += 1;
        histogram.sum += seconds;
    }

    pub(super) fn reset(&self) {
        self.0.locked().clear();
    }
}

/// What is true now and not counted.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) open: BTreeMap<Service, u64>,
    pub(crate) topics: u64,
    pub(crate) subscriptions: u64,
}

#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn put(&mut self, name: &str, labels: &str, value: impl Display) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

type Count = (&'static str, &'static str, fn(&Tally) -> u64);

const COUNTS: [Count; 6] = [
    ("mock_connections_total", "Realtime connections opened.", |t| t.connections),
    ("mock_connections_refused_total", "Realtime connections or their users refused.", |t| t.refused),
    ("mock_auth_failures_total", "Tokens that were not accepted.", |t| t.auth_failures),
    ("mock_send_failures_total", "Connections lost while something was sent.", |t| t.send_failures),
    (
        "mock_abnormal_closes_total",
        "Connections that were lost, cut, or closed by the server with another code than 1000 and 1001.",
        |t| t.abnormal_closes,
    ),
    ("mock_faults_total", "Faults applied.", |t| t.faults),
];

/// The whole page.
pub(super) fn page(tallies: &Tallies, deliveries: &Deliveries, gauges: &Gauges, report: &Report) -> String {
    let mut page = Page::default();
    let of = |service| tallies.0.get(&service).copied().unwrap_or_default();
    // Echo mode is told of where it is in use.
    let echo = tallies.0.contains_key(&Service::Echo).then_some(Service::Echo);
    let services: Vec<_> = Service::ALL.into_iter().chain(echo).collect();
    page.begin("mock_connections", "gauge", "Realtime connections open now.");
    for &service in &services {
        let open = gauges.open.get(&service).copied().unwrap_or_default();
        page.put("mock_connections", &format!("service=\"{service}\""), open);
    }
    for (name, help, count) in COUNTS {
        page.begin(name, "counter", help);
        for &service in &services {
            page.put(name, &format!("service=\"{service}\""), count(&of(service)));
        }
    }
    page.begin(
        "mock_messages_total",
        "counter",
        "Messages by direction, as a client sees it from the server.",
    );
    for &service in &services {
        for (direction, count) in [("in", of(service).messages_in), ("out", of(service).messages_out)] {
            page.put(
                "mock_messages_total",
                &format!("service=\"{service}\",direction=\"{direction}\""),
                count,
            );
        }
    }
    let name = "mock_delivery_seconds";
    page.begin(name, "histogram", "Time from publishing a frame to having written it to one connection.");
    for (service, histogram) in &*deliveries.0.locked() {
        let mut sum = 0;
        for (at, count) in histogram.buckets.iter().enumerate() {
            sum += count;
            let bound = BOUNDS.get(at).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            page.put(&format!("{name}_bucket"), &format!("service=\"{service}\",le=\"{bound}\""), sum);
        }
        page.put(&format!("{name}_sum"), &format!("service=\"{service}\""), histogram.sum);
        page.put(&format!("{name}_count"), &format!("service=\"{service}\""), sum);
    }
    page.begin("mock_findings_total", "counter", "What clients did wrong.");
    for ruling in &report.verdicts {
        page.put("mock_findings_total", &format!("verdict=\"{}\"", ruling.verdict), ruling.count);
    }
    page.begin("mock_topics", "gauge", "Topics known.");
    page.put("mock_topics", "", gauges.topics);
    page.begin("mock_subscriptions", "gauge", "Subscriptions of open connections.");
    page.put("mock_subscriptions", "", gauges.subscriptions);
    if let Some(bytes) = memory() {
        page.begin("process_resident_memory_bytes", "gauge", "Memory in use.");
        page.put("process_resident_memory_bytes", "", bytes);
    }
    page.0
}

/// The process's resident memory in bytes, where the system tells.
pub(crate) fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}
