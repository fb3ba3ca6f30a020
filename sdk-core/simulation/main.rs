//! A seeded simulation: random walks of every service's machine through a world of servers, token providers, people
//! and clocks, each step judged by every invariant.
//!
//! `STEADFAST_SCHEDULES=<n>` sets how many schedules are walked, `STEADFAST_SEED=<n>` walks that one alone and prints
//! what happened. `--release` makes it ten times as fast.

mod app;
mod checks;
mod classes;
mod dice;
mod inputs;
mod issuer;
mod ledger;
mod names;
mod outputs;
mod server;
mod settings;
mod stream;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use classes::Class;
use steadfast::faults::Faults;
use world::{Order, Violation};

/// How many schedules are walked unless the environment says otherwise.
const SCHEDULES: u64 = if cfg!(debug_assertions) { 10_000 } else { 100_000 };

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Walks a schedule; a panic is a violation too.
fn walk(order: Order) -> Option<Violation> {
    catch_unwind(AssertUnwindSafe(|| world::run(order).violation))
        .unwrap_or_else(|_| Some(Violation { class: Class::Panics, text: "see above".into(), step: 0 }))
}

/// Walks schedules on all cores until one fails; gives it and how many were walked.
fn search(from: u64, count: u64, order: Order) -> Option<(u64, Violation)> {
    let (next, found) = (AtomicU64::new(from), AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut all: Vec<(u64, Violation)> = std::thread::scope(|scope| {
        let work = || {
            while !found.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= from + count {
                    break;
                }
                if let Some(violation) = walk(Order { number, ..order }) {
                    found.store(true, Ordering::Relaxed);
                    return Some((number, violation));
                }
            }
            None
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().next()
}

/// What a schedule did, for people: its last lines.
fn report(number: u64, violation: &Violation, lines: usize) -> String {
    let (service, caps) = world::cast(number);
    let host = if caps.headers { "native" } else { "browser" };
    let log = catch_unwind(|| world::run(Order { number, log: true, ..Order::default() }).log);
    let log = log.unwrap_or_default();
    let tail = log.len().saturating_sub(lines);
    format!(
        "{service} ({host}), schedule {number}, step {}: {:?}: {}\n{}\nRun it again with STEADFAST_SEED={number}",
        violation.step,
        violation.class,
        violation.text,
        log[tail..].join("\n"),
    )
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it took is for people to know")]
fn every_schedule_keeps_every_invariant() {
    if let Some(number) = number("STEADFAST_SEED") {
        let lines = self::number("STEADFAST_LINES").unwrap_or(40);
        if let Some(violation) = walk(Order { number, ..Order::default() }) {
            panic!("{}", report(number, &violation, lines as usize));
        }
        return;
    }
    let (start, count) = (Instant::now(), number("STEADFAST_SCHEDULES").unwrap_or(SCHEDULES));
    if let Some((number, violation)) = search(0, count, Order::default()) {
        panic!("{}", report(number, &violation, 40));
    }
    println!("{count} schedules in {:.1} s", start.elapsed().as_secs_f64());
}

#[test]
fn the_same_number_gives_the_same_transcript() {
    for number in 0..200 {
        let order = Order { number, hash: true, ..Order::default() };
        let (first, second) = (world::run(order), world::run(order));
        assert_eq!(first.fingerprint, second.fingerprint, "{:?}: schedule {number}", Class::Undetermined);
    }
}

/// The planted bugs, and the invariant that notices each.
const PLANTED: &[(&str, Class)] = &[
    ("NO_ATTEMPT_LIMIT", Class::TooManyAttempts),
    ("REUSE_REFUSED_TOKEN", Class::RefusedTokenUsed),
    ("DELIVER_AFTER_END", Class::DeliveredAfterEnd),
    ("LISTEN_TO_REPLACED", Class::HeardReplaced),
    ("IGNORE_RANK", Class::RankFell),
    ("FORGET_RESUBSCRIBE", Class::NeverLive),
    ("SUBSCRIBE_TWICE", Class::SubscribedTwice),
    ("NO_GAP", Class::Gap),
    ("COMMAND_BEFORE_CONFIRMATION", Class::CommandTooEarly),
    ("ANSWER_TWICE", Class::OutcomeTwice),
    ("LOSE_OUTCOME", Class::OutcomeMissing),
    ("RESEND_ANSWER", Class::AnsweredTwice),
    ("IGNORE_SILENCE", Class::SilenceIgnored),
    ("KEEP_REPLACED", Class::NotDrained),
    ("NO_BUDGET", Class::RateBudget),
    ("TWO_TOKEN_CALLS", Class::TwoTokenCalls),
    ("STAY_IN_BACKGROUND", Class::OpenInBackground),
    ("REPEAT_STATE", Class::StateRepeated),
    ("LOSE_HELD", Class::HeldFrame),
    ("SEND_TOO_EARLY", Class::SentTooEarly),
    ("WAIT_TOO_LONG", Class::WaitTooLong),
    ("POOL_WITHOUT_BOUND", Class::PoolTooLarge),
    ("QUEUE_WITHOUT_BOUND", Class::QueueBound),
    ("CLOSE_TWICE", Class::SocketTwice),
    ("IGNORE_RETRY_AFTER", Class::RetryAfterIgnored),
    ("SURVIVE_SHUTDOWN", Class::AliveAfterShutdown),
    ("FORGET_UNSUBSCRIBE", Class::NotUnsubscribed),
    ("GO_ON_AFTER_FATAL", Class::WentOnAfterFatal),
    ("TICK_IN_THE_PAST", Class::BusyLoop),
    ("NO_PAUSE", Class::RatePause),
    ("IGNORE_PROBE", Class::ProbeIgnored),
];

/// Within so many schedules each planted bug is found.
const ENOUGH: u64 = 20_000;

#[test]
fn every_planted_bug_is_found_by_its_own_invariant() {
    let classes: std::collections::BTreeSet<Class> = PLANTED.iter().map(|(_, class)| *class).collect();
    assert_eq!(classes.len(), PLANTED.len(), "each in another class");
    assert_eq!(PLANTED.len(), Faults::ALL.len(), "each planted bug has its invariant");
    let mut missed = Vec::new();
    for (name, class) in PLANTED {
        let fault = Faults::ALL.iter().find(|(own, _)| own == name).map_or(0, |(_, fault)| *fault);
        let order = Order { faults: fault, only: Some(*class), ..Order::default() };
        match search(0, ENOUGH, order) {
            Some((number, violation)) => {
                println!("{name}: {:?} in schedule {number}: {}", violation.class, violation.text);
            }
            None => missed.push(*name),
        }
    }
    assert!(missed.is_empty(), "not found in {ENOUGH} schedules: {missed:?}");
}

/// For whoever mends the machine: which classes fail how often, and where to look.
#[test]
#[ignore = "a survey for people"]
fn survey() {
    let count = number("STEADFAST_SCHEDULES").unwrap_or(10_000);
    let mut found = std::collections::BTreeMap::<_, (u32, u64, String)>::new();
    for number in 0..count {
        if let Some(violation) = walk(Order { number, ..Order::default() }) {
            let service = world::cast(number).0;
            let entry = found.entry((violation.class, service)).or_insert((0, number, violation.text));
            entry.0 += 1;
        }
    }
    for ((class, service), (times, number, text)) in found {
        println!(
            "{times:>6} {class:?} {service}: schedule {number}: {}",
            text.chars().take(200).collect::<String>()
        );
    }
}
