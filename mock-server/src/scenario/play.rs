//! A scenario being played.

use std::time::{Duration, SystemTime};

use super::expect::Watch;
use super::file::{Act, Scenario};
use crate::faults::rule::RuleInfo;
use crate::report::journal::{Entry, Happening};
use crate::report::junit::{Case, Failure, Suite};
use crate::server::MockServer;

/// What the first check of every run is called.
const CAME: &str = "a client comes";
/// What the last one is called.
const PLAYED: &str = "the scenario is played to its end";

impl MockServer {
    /// Plays a scenario against the next client, which must come in `patience`; the server must have been started with
    /// [`Scenario::options`]. What happens is told in lines as it does. Answers one check for each expectation, the
    /// first client, the play itself and every verdict that must not be found. When an expectation is missed the run
    /// soon ends, and what is not decided then is left out. Dropping the future ends the play; its rules stay in force.
    pub async fn play(
        &self,
        name: &str,
        scenario: &Scenario,
        patience: Duration,
        mut tell: impl FnMut(&str) + Send,
    ) -> Suite {
        let mut follower = self.journal().follow(self.journal().last());
        if let Err(why) = self.prepare(scenario) {
            return alone(name, PLAYED, why);
        }
        let came = async {
            // A login or a look at REST is no client of the realtime service yet.
            loop {
                let mut entries = follower.next().await;
                let begun = entries.iter().position(|entry| entry.what != Happening::Request);
                if let Some(begun) = begun {
                    return entries.split_off(begun);
                }
            }
        };
        let Ok(mut entries) = tokio::time::timeout(patience, came).await else {
            let patience = humantime::format_duration(patience);
            let why = format!(
                "no client came within {patience}: look at its URL and its port, or wait longer (--timeout)"
            );
            tell(&format!("FAILED  {CAME}: {why}"));
            return alone(name, CAME, why);
        };
        let first = entries[0].at;
        tell(&format!("ok      {CAME}"));
        let watches = scenario.expect.iter().map(|expected| Watch::new(expected, first)).collect();
        let mut run = Run {
            server: self,
            scenario,
            first,
            watches,
            next: 0,
            until: None,
            broken: None,
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
                entries = follower.next() => entries,
                () = tokio::time::sleep(wake.duration_since(now).unwrap_or_default()) => Vec::new(),
            };
        }
        let mut suite = run.finish(name);
        if !scenario.verdicts.is_empty() {
            suite.cases.extend(self.report().suite(&scenario.verdicts).cases);
        }
        if follower.missed() > 0 {
            let why = format!("{} facts came faster than they could be looked at", follower.missed());
            suite.cases.push(failed("everything is looked at", why));
        }
        suite
    }

    fn prepare(&self, scenario: &Scenario) -> Result<(), String> {
        for topic in &scenario.topics {
            let members: Vec<_> = topic.members.iter().map(String::as_str).collect();
            self.own(topic.service, &topic.topic, topic.owner.as_deref(), &members);
            if let Some(data) = &topic.data {
                self.emit(topic.service, &topic.topic, topic.event.as_deref(), data.clone())
                    .map_err(|error| format!("`topics`, {}: {error}", topic.topic))?;
            }
        }
        for given in &scenario.flows {
            for service in given.service.map_or_else(|| scenario.concerned(), |service| vec![service]) {
                self.flow(service, given.topic.as_deref(), given.flow.0.clone());
            }
        }
        for fault in &scenario.faults {
            self.fault(fault.0.clone()).map_err(|error| format!("`faults`: {error}"))?;
        }
        Ok(())
    }

    /// The tokens that a scenario's users have on a service, by user.
    pub fn tokens(&self, scenario: &Scenario, service: crate::service::Service) -> Vec<(String, String)> {
        if scenario.users.is_empty() {
            return vec![("u1".to_owned(), self.token_for(service, "u1"))];
        }
        let token = |user: &super::file::User| {
            let role = user.role.as_deref().unwrap_or(service.usual_role());
            (user.sub.clone(), self.authority().issue(&user.sub, role, user.ttl))
        };
        scenario.users.iter().map(token).collect()
    }
}

fn failed(name: &str, why: String) -> Case {
    let failure = Failure { message: why, detail: String::new() };
    Case { name: name.to_owned(), failure: Some(failure), ..Case::default() }
}

fn alone(name: &str, case: &str, why: String) -> Suite {
    Suite { name: name.to_owned(), cases: vec![failed(case, why)], ..Suite::default() }
}

/// One run from the first client on.
struct Run<'a, T> {
    server: &'a MockServer,
    scenario: &'a Scenario,
    first: SystemTime,
    watches: Vec<Watch<'a>>,
    /// The act that is next.
    next: usize,
    /// Until when an act waits.
    until: Option<SystemTime>,
    /// Why the play cannot go on.
    broken: Option<String>,
    /// Since when everything has come that must come.
    complete: Option<SystemTime>,
    tell: T,
}

impl<T: FnMut(&str)> Run<'_, T> {
    /// An entry of the journal.
    fn see(&mut self, entry: &Entry) {
        self.act(entry.at);
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
        let watch = &self.watches[place];
        match &watch.decided {
            Some((_, how)) if !before => {
                let that = &watch.expected.that;
                match how {
                    Ok(()) => (self.tell)(&format!("ok      {that}")),
                    Err(miss) => (self.tell)(&format!("FAILED  {that}: {}", miss.why)),
                }
            }
            _ => {}
        }
    }

    fn finish(mut self, name: &str) -> Suite {
        let now = SystemTime::now();
        let missed = self.watches.iter().any(|watch| matches!(watch.decided, Some((_, Err(_)))));
        let early = missed && self.broken.is_none() && now < self.first + self.scenario.timeout;
        for place in 0..self.watches.len() {
            if early && self.watches[place].wants() {
                let that = &self.watches[place].expected.that;
                (self.tell)(&format!("open    {that}: the run ended before it was decided"));
                continue;
            }
            let before = self.watches[place].decided.is_some();
            self.watches[place].conclude(now);
            self.news(place, before);
        }
        let since = |at: SystemTime| at.duration_since(self.first).unwrap_or_default();
        let mut cases = vec![Case { name: CAME.to_owned(), ..Case::default() }];
        for watch in self.watches {
            let Some((at, how)) = watch.decided else { continue };
            let failure = how.err().map(|miss| Failure { message: miss.why, detail: miss.proof.join("\n") });
            cases.push(Case { name: watch.expected.that.clone(), time: since(at), failure });
        }
        let left = self.scenario.play.get(self.next).map(|act| match act {
            Act::WaitFor(facts) => format!("act {} of `play`: `{facts}` did not come", self.next + 1),
            _ => format!("act {} of `play` was not reached in time", self.next + 1),
        });
        cases.extend(match self.broken.or(left) {
            Some(_) if early => None,
            None => Some(Case { name: PLAYED.to_owned(), time: since(now), failure: None }),
            Some(why) => {
                (self.tell)(&format!("FAILED  {PLAYED}: {why}"));
                Some(failed(PLAYED, why))
            }
        });
        Suite { name: name.to_owned(), time: since(now), cases }
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
                let many = if applied > 0 { format!(" on {applied} connections") } else { String::new() };
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
            Act::Confirm { service, topic } => self.confirm(*service, topic),
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
