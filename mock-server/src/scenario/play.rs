//! A scenario being played.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use super::expect::Watch;
use super::file::{Act, Scenario};
use super::instead::Instead;
use crate::faults::rule::RuleInfo;
use crate::report::journal::{Entry, Happening};
use crate::report::junit::{Case, Failure, Suite};
use crate::server::MockServer;
use crate::service::Service;

/// What the first check of every run is called.
const CAME: &str = "a client comes";
/// What the last one is called.
const PLAYED: &str = "the scenario is played to its end";

/// Why a check is left open, in the words of reports.
const MISSED: &str = "the run ended at the first miss, before this was decided";
const BROKEN: &str = "the run broke off before this was decided";
const INTERRUPTED: &str = "the run was interrupted before this was decided";
/// In place of a reason: it depends on who else came.
const TOO_LATE: &str = "no client came";
const NOBODY: &str = "no client came, so that this was not decided";

impl MockServer {
    /// Plays the scenario that the server was started with ([`Scenario::options`]) against the next client, which must
    /// come in `patience`. What happens is told in lines as it does. Answers one check for each expectation, the
    /// first client, the play itself and every verdict that must not be found. When an expectation is missed the run
    /// soon ends, and what is not decided then is skipped; so it is when `stop` ends, which makes the play a failure.
    /// Clients of services that the scenario is not for are told of and left out. Dropping the future ends the play;
    /// its rules stay in force.
    pub async fn play(
        &self,
        name: &str,
        patience: Duration,
        stop: impl Future<Output = ()>,
        mut tell: impl FnMut(&str) + Send,
    ) -> Suite {
        let mut follower = self.journal().follow(self.journal().last());
        let mut stop = pin!(stop);
        let Some(scenario) = self.scenario() else {
            let why = "the server was started without a scenario".to_owned();
            return Suite { name: name.to_owned(), cases: vec![failed(PLAYED, why)], ..Suite::default() };
        };
        let mut strangers = Strangers { scenario, told: BTreeSet::new() };
        let began = Instant::now();
        let came = async {
            // A login or a look at REST is no client of the realtime service yet.
            loop {
                let mut entries = strangers.leave_out(follower.next().await, &mut tell);
                let begun = entries.iter().position(|entry| entry.what != Happening::Request);
                if let Some(begun) = begun {
                    return entries.split_off(begun);
                }
            }
        };
        let came = tokio::select! {
            came = tokio::time::timeout(patience, came) => came.map_err(|_| TOO_LATE),
            () = &mut stop => Err("interrupted before a client came"),
        };
        let mut entries = match came {
            Ok(entries) => entries,
            Err(why) => {
                let why = if why == TOO_LATE { strangers.instead(patience) } else { why.to_owned() };
                tell(&format!("FAILED  {CAME}: {why}"));
                return Suite { time: began.elapsed(), ..alone(name, scenario, CAME, why) };
            }
        };
        let first = entries[0].at;
        tell(&format!("ok      {CAME}"));
        let watches = scenario.expect.iter().map(|expected| Watch::new(expected, first)).collect();
        let mut run = Run {
            server: self,
            scenario,
            first,
            watches,
            instead: Instead::default(),
            next: 0,
            until: None,
            broken: None,
            interrupted: false,
            complete: None,
            tell,
        };
        loop {
            for entry in &entries {
                run.see(entry);
            }
            let now = SystemTime::now();
            let wake = run.pass(now);
            let Some(wake) = wake.filter(|_| run.broken.is_none()) else { break };
            entries = tokio::select! {
                entries = follower.next() => strangers.leave_out(entries, &mut run.tell),
                () = tokio::time::sleep(wake.duration_since(now).unwrap_or_default()) => Vec::new(),
                () = &mut stop => {
                    run.interrupted = true;
                    break;
                }
            };
        }
        let mut suite = run.finish(name);
        if follower.missed() > 0 {
            let why = format!("{} facts came faster than they could be looked at", follower.missed());
            suite.cases.push(failed("everything is looked at", why));
        }
        suite
    }
}

fn failed(name: &str, why: String) -> Case {
    let failure = Failure { message: why, detail: String::new() };
    Case { name: name.to_owned(), failure: Some(failure), ..Case::default() }
}

fn open(name: &str, why: &str) -> Case {
    Case { name: name.to_owned(), skipped: Some(why.to_owned()), ..Case::default() }
}

/// A run that came to nothing.
fn alone(name: &str, scenario: &Scenario, case: &str, why: String) -> Suite {
    let expected = scenario.expect.iter().map(|expected| expected.that.as_str());
    let verdicts = scenario.verdicts.iter().map(|verdict| verdict.name());
    let others = expected.chain([PLAYED]).chain(verdicts).filter(|name| *name != case);
    let cases = [failed(case, why)].into_iter().chain(others.map(|name| open(name, NOBODY))).collect();
    Suite { name: name.to_owned(), cases, ..Suite::default() }
}

/// Who comes to a service that the scenario is not for.
struct Strangers<'a> {
    scenario: &'a Scenario,
    /// The services that it was said of.
    told: BTreeSet<Service>,
}

impl Strangers<'_> {
    /// Why nobody came in time whom the scenario is for.
    fn instead(&self, patience: Duration) -> String {
        let patience = humantime::format_duration(patience);
        if self.told.is_empty() {
            return format!(
                "no client came within {patience}: look at its URL and its port, or wait longer (--timeout)"
            );
        }
        let came: Vec<_> = self.told.iter().map(|service| service.slug()).collect();
        let came = came.join(" and ");
        format!(
            "within {patience} clients came to {came} alone, and this scenario is for {}: connect to one of these, or \
             play a scenario that is for {came} (mock-server scenarios lists them)",
            self.services()
        )
    }

    /// Whom the scenario is for.
    fn services(&self) -> String {
        let services: Vec<_> = self.scenario.services.iter().map(|service| service.slug()).collect();
        services.join(", ")
    }

    /// The entries without theirs; of each service it is said once that somebody came.
    fn leave_out(&mut self, mut entries: Vec<Entry>, tell: &mut impl FnMut(&str)) -> Vec<Entry> {
        entries.retain(|entry| {
            let concerned = self.scenario.concerns(entry.service);
            if !concerned && entry.what != Happening::Request && self.told.insert(entry.service) {
                let services = self.services();
                tell(&format!("a client came to {}; this scenario is for {services}", entry.service));
            }
            concerned
        });
        entries
    }
}

/// One run from the first client on.
struct Run<'a, T> {
    server: &'a MockServer,
    scenario: &'a Scenario,
    first: SystemTime,
    watches: Vec<Watch<'a>>,
    /// Who was refused.
    instead: Instead,
    /// The act that is next.
    next: usize,
    /// Until when an act waits.
    until: Option<SystemTime>,
    /// Why the play cannot go on.
    broken: Option<String>,
    /// Whether it was told to end.
    interrupted: bool,
    /// Since when everything has come that must come.
    complete: Option<SystemTime>,
    tell: T,
}

impl<T: FnMut(&str)> Run<'_, T> {
    /// An entry of the journal.
    fn see(&mut self, entry: &Entry) {
        self.act(entry.at);
        self.instead.see(entry);
        for place in 0..self.watches.len() {
            let before = self.watches[place].decided.is_some();
            self.watches[place].see(entry);
            self.news(place, before);
        }
        if let Some(Act::WaitFor(facts)) = self.scenario.play.get(self.next)
            && facts.fit(entry)
        {
            self.next += 1;
            self.act(entry.at);
        }
    }

    /// It is so late now. Answers when to look again; `None` if it is over.
    fn pass(&mut self, now: SystemTime) -> Option<SystemTime> {
        self.act(now);
        for place in 0..self.watches.len() {
            let before = self.watches[place].decided.is_some();
            self.watches[place].pass(now);
            self.news(place, before);
        }
        let pending = self.next < self.scenario.play.len() || self.watches.iter().any(Watch::wants);
        let decided = self.watches.iter().all(|watch| watch.decided.is_some());
        // With a miss it cannot pass any more: a moment later there is no more to learn.
        let missed = self.watches.iter().any(|watch| matches!(watch.decided, Some((_, Err(_)))));
        self.complete = if pending && !missed { None } else { self.complete.or(Some(now)) };
        let end = self.first + self.scenario.timeout;
        let settled = self.complete.map(|since| since + self.scenario.settle);
        let over = now >= end || settled.is_some_and(|settled| decided || now >= settled);
        let soonest = |a: SystemTime, b: Option<SystemTime>| b.map_or(a, |b| a.min(b));
        let windows = self.watches.iter().filter_map(Watch::end);
        // A window is over only after its last instant.
        let wake = windows.map(|end| end + Duration::from_millis(1)).fold(end, SystemTime::min);
        (!over).then(|| soonest(soonest(wake, settled), self.until))
    }

    /// Does what is due.
    fn act(&mut self, now: SystemTime) {
        while let Some(act) = self.scenario.play.get(self.next).filter(|_| self.broken.is_none()) {
            match act {
                Act::WaitFor(_) => return,
                Act::Wait(time) => {
                    let until = *self.until.get_or_insert(now + *time);
                    if now < until {
                        return;
                    }
                    self.until = None;
                }
                other => {
                    if let Err(why) = self.server.carry_out(other, &mut self.tell) {
                        self.broken = Some(format!("act {} of `play`: {why}", self.next + 1));
                        return;
                    }
                }
            }
            self.next += 1;
        }
    }

    /// Tells what became of an expectation, once.
    fn news(&mut self, place: usize, before: bool) {
        let Watch { decided, expected, .. } = &mut self.watches[place];
        match decided {
            Some((_, Ok(()))) if !before => (self.tell)(&format!("ok      {}", expected.that)),
            Some((_, Err(miss))) if !before => {
                if miss.lacks {
                    miss.why.push_str(&self.instead.told(|what| expected.is_about(what)));
                }
                (self.tell)(&format!("FAILED  {}: {}", expected.that, miss.why));
                miss.proof.iter().for_each(|line| (self.tell)(&format!("    {line}")));
            }
            _ => {}
        }
    }

    fn finish(mut self, name: &str) -> Suite {
        let now = SystemTime::now();
        let missed = self.watches.iter().any(|watch| matches!(watch.decided, Some((_, Err(_)))));
        // Whatever ends a run early decides nothing: who has done no harm yet has not passed.
        let why_open = if self.interrupted {
            Some(INTERRUPTED)
        } else if self.broken.is_some() {
            Some(BROKEN)
        } else {
            (missed && now < self.first + self.scenario.timeout).then_some(MISSED)
        };
        for place in 0..self.watches.len() {
            let before = self.watches[place].decided.is_some();
            match why_open {
                Some(why) if !before => self.say_open(&self.watches[place].expected.that, why),
                Some(_) => {}
                None => {
                    self.watches[place].conclude(now);
                    self.news(place, before);
                }
            }
        }
        let first = self.first;
        let since = |at: SystemTime| at.duration_since(first).unwrap_or_default();
        let mut cases = vec![Case { name: CAME.to_owned(), ..Case::default() }];
        for watch in std::mem::take(&mut self.watches) {
            let that = &watch.expected.that;
            cases.push(match watch.decided {
                None => open(that, why_open.unwrap_or(MISSED)),
                Some((at, how)) => {
                    let failure =
                        how.err().map(|miss| Failure { message: miss.why, detail: miss.proof.join("\n") });
                    Case { name: that.clone(), time: since(at), failure, skipped: None }
                }
            });
        }
        let mut played = self.played(why_open);
        played.time = since(now);
        cases.push(played);
        cases.extend(self.verdicts(why_open));
        Suite { name: name.to_owned(), time: since(now), cases }
    }

    fn say_open(&mut self, what: &str, why: &str) {
        (self.tell)(&format!("open    {what}: {why}"));
    }

    /// Whether all acts came to their turn.
    fn played(&mut self, why_open: Option<&str>) -> Case {
        let left = self.scenario.play.get(self.next).map(|act| match act {
            Act::WaitFor(facts) => {
                let instead = self.instead.told(|what| facts.is_of(what));
                format!("act {} of `play` waited for `{facts}`, which did not come{instead}", self.next + 1)
            }
            _ => format!("act {} of `play` was not reached in time", self.next + 1),
        });
        let interrupted = self.interrupted.then(|| "interrupted".to_owned());
        match (interrupted.or(self.broken.take()), left, why_open) {
            (None, Some(_), Some(why)) => {
                self.say_open(PLAYED, why);
                open(PLAYED, why)
            }
            (None, None, _) => {
                (self.tell)(&format!("ok      {PLAYED}"));
                Case { name: PLAYED.to_owned(), ..Case::default() }
            }
            (Some(why), ..) | (None, Some(why), None) => {
                (self.tell)(&format!("FAILED  {PLAYED}: {why}"));
                failed(PLAYED, why)
            }
        }
    }

    /// The verdicts that must not be found.
    fn verdicts(&mut self, why_open: Option<&str>) -> Vec<Case> {
        if self.scenario.verdicts.is_empty() {
            return Vec::new();
        }
        let report = self.server.report_on(|service| self.scenario.concerns(service));
        let mut cases = report.suite(&self.scenario.verdicts).cases;
        for case in &mut cases {
            match (&case.failure, why_open) {
                (Some(failure), _) => {
                    (self.tell)(&format!("FAILED  {}: {}", case.name, failure.message));
                    failure.detail.lines().for_each(|line| (self.tell)(&format!("    {line}")));
                }
                (None, None) => (self.tell)(&format!("ok      {}: not found", case.name)),
                (None, Some(why)) => {
                    self.say_open(&case.name, why);
                    case.skipped = Some(why.to_owned());
                }
            }
        }
        cases
    }
}

impl MockServer {
    fn carry_out(&self, act: &Act, tell: &mut impl FnMut(&str)) -> Result<(), String> {
        match act {
            Act::WaitFor(_) | Act::Wait(_) => {}
            Act::Fault(fault) => {
                let RuleInfo { rule, applied, .. } =
                    self.fault(fault.0.clone()).map_err(|error| error.to_string())?;
                let action = serde_json::to_string(&rule.action).unwrap_or_default();
                let many = match applied {
                    0 => String::new(),
                    1 => " on 1 connection".to_owned(),
                    many => format!(" on {many} connections"),
                };
                tell(&format!("fault   {action}{many}"));
            }
            Act::ClearFaults => {
                self.clear_faults(None);
                tell("faults  all removed");
            }
            Act::Emit { service, topic, event, data } => {
                let to = self
                    .emit(*service, topic, event.as_deref(), data.clone())
                    .map_err(|error| error.to_string())?;
                tell(&format!("emit    {service} {topic} to {to} connections"));
            }
            Act::Confirm { service, topic } => {
                self.confirm(*service, topic).map_err(|error| error.to_string())?;
            }
            Act::Set(settings) => {
                for (name, value) in &settings.0 {
                    self.set(name, value).map_err(|error| error.to_string())?;
                }
            }
            Act::Advance(by) => self.advance(*by),
        }
        Ok(())
    }
}
