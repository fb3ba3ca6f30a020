//! Expectations: what the journal must come to, and whether it does.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::faults::span;
use crate::report::journal::{By, Entry, Happening};
use crate::report::verdicts::times;
use crate::service::Service;
use crate::wording::lasted;

/// The entries kept as a proof of one expectation.
const MOST_PROOF: usize = 20;
/// The groups that `each` tells apart; those beyond are counted as one.
const MOST_GROUPS: usize = 10_000;

/// Which facts of the journal are meant. What is left out matches everything.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Facts {
    /// What happened.
    what: Happening,
    /// The service's slug.
    service: Option<Service>,
    /// The connection's number on its service, counted from 1.
    number: Option<u64>,
    /// The user's id.
    user: Option<String>,
    /// The topic.
    topic: Option<String>,
    /// A frame's message type or event name; packets that are no events have a name in parentheses.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The code of the close frame, or the status of an HTTP answer.
    code: Option<u16>,
    /// Who ended the connection.
    by: Option<By>,
    /// A piece of the frame's text or, for the rest, of what the journal says of it.
    contains: Option<String>,
}

impl Facts {
    /// Whether they are of this kind.
    pub(super) fn is_of(&self, what: Happening) -> bool {
        self.what == what
    }

    /// Whether an entry of the journal is one of them.
    pub(crate) fn fit(&self, entry: &Entry) -> bool {
        fn same<T: PartialEq>(wanted: Option<&T>, has: Option<&T>) -> bool {
            wanted.is_none() || wanted == has
        }
        self.what == entry.what
            && same(self.service.as_ref(), Some(&entry.service))
            && same(self.number.as_ref(), Some(&entry.number))
            && same(self.user.as_ref(), entry.user.as_ref())
            && same(self.topic.as_ref(), entry.topic.as_ref())
            && same(self.kind.as_ref(), entry.kind.as_ref())
            && same(self.code.as_ref(), entry.code.as_ref())
            && same(self.by.as_ref(), entry.by.as_ref())
            && self.contains.as_ref().is_none_or(|piece| entry.detail.contains(piece))
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, service, number, user, topic, kind, code, by, contains } = self;
        write!(f, "{}", word(what))?;
        let mut field =
            |name: &str, value: Option<String>| value.map_or(Ok(()), |value| write!(f, " {name}={value}"));
        field("type", kind.clone())?;
        field("service", service.map(|service| service.to_string()))?;
        field("number", number.map(|number| number.to_string()))?;
        field("user", user.clone())?;
        field("topic", topic.clone())?;
        field("code", code.map(|code| code.to_string()))?;
        field("by", by.map(|by| word(&by)))?;
        field("contains", contains.clone())
    }
}

/// How a name is written in JSON.
fn word(name: &impl Serialize) -> String {
    serde_json::to_value(name).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
}

/// What facts are counted apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Each {
    /// Every connection by itself.
    Connection,
    /// Every user by itself.
    User,
    /// Every topic by itself.
    Topic,
    /// Every token by itself.
    Token,
}

/// What must come, or must not come too often: a number of facts (`of` with `at_least`, `at_most` or both), or facts one
/// after the other (`order`).
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// What a well-behaved client does, in a few words; the report shows it.
    that: String,
    /// What it means if it is not met, in a few words; the report shows it before the numbers.
    why: Option<String>,
    /// The facts that are counted.
    of: Option<Facts>,
    /// So many must come.
    #[schemars(range(min = 1))]
    at_least: Option<u64>,
    /// More than so many must not come.
    at_most: Option<u64>,
    /// With `at_most`: counted apart by these, not all together.
    #[serde(default)]
    each: Vec<Each>,
    /// Counting begins after the first of these facts, by default with the first client.
    after: Option<Facts>,
    /// Counting ends so long after it began, by default with the scenario.
    #[serde(default, deserialize_with = "span::united::option::deserialize")]
    #[schemars(with = "Option<span::United>")]
    within: Option<Duration>,
    /// The first of each of these facts must come after the first of those before it.
    #[serde(default)]
    order: Vec<Facts>,
}

/// An expectation that makes sense.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub(crate) struct Expectation {
    pub(crate) that: String,
    why: Option<String>,
    kind: Kind,
    after: Option<Facts>,
    within: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Count { of: Facts, at_least: u64, at_most: Option<u64>, each: Vec<Each> },
    Order(Vec<Facts>),
}

impl TryFrom<Written> for Expectation {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { that, why: meaning, of, at_least, at_most, each, after, within, order } = written;
        let counts = at_least.is_some() || at_most.is_some();
        let why = match (&of, order.len()) {
            (None, 0) => "it expects nothing: write `of` with `at_least` or `at_most`, or `order`",
            (None, 1) => "`order` needs two facts or more",
            (None, _) if counts || !each.is_empty() => {
                "`at_least`, `at_most` and `each` belong to `of`: leave them out beside `order`"
            }
            (Some(_), 1..) => "`of` and `order` are two expectations: write two entries",
            (Some(_), 0) if !counts => "`of` needs `at_least`, `at_most` or both",
            (Some(_), 0) if !each.is_empty() && at_most.is_none() => "`each` needs `at_most`",
            (Some(_), 0) if !each.is_empty() && at_least.is_some() => {
                "`at_least` counts all together: write it in an entry without `each`"
            }
            (Some(_), 0) if at_least == Some(0) => "`at_least: 0` always holds: leave it out",
            (Some(_), 0) if at_most.is_some_and(|most| most < at_least.unwrap_or(0)) => {
                "`at_most` is less than `at_least`"
            }
            _ if meaning.as_ref().is_some_and(|why| why.trim().is_empty()) => {
                "`why` is empty: say what it means if this is not met, or leave it out"
            }
            _ if that.trim().is_empty() => "`that` is empty: say what a well-behaved client does",
            _ => {
                let kind = match of {
                    Some(of) => Kind::Count { of, at_least: at_least.unwrap_or(0), at_most, each },
                    None => Kind::Order(order),
                };
                return Ok(Self { that, why: meaning, kind, after, within });
            }
        };
        Err(why.to_owned())
    }
}

impl Expectation {
    /// Whether it is about something that happens.
    pub(super) fn is_about(&self, what: Happening) -> bool {
        match &self.kind {
            Kind::Count { of, .. } => of.what == what,
            Kind::Order(facts) => facts.iter().any(|facts| facts.what == what),
        }
    }
}

/// Why an expectation was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Miss {
    /// One sentence.
    pub(crate) why: String,
    /// Whether something did not come.
    pub(crate) lacks: bool,
    /// The facts that were counted, oldest first.
    pub(crate) proof: Vec<String>,
}

/// An expectation in a run, as it stands.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    pub(crate) expected: &'a Expectation,
    /// When counting began.
    from: Option<SystemTime>,
    /// By group.
    counts: BTreeMap<String, u64>,
    /// How many of the facts in order have come.
    come: usize,
    proof: Vec<String>,
    /// Once it is decided, when and how.
    pub(crate) decided: Option<(SystemTime, Result<(), Miss>)>,
}

impl<'a> Watch<'a> {
    /// From the first client on.
    pub(crate) fn new(expected: &'a Expectation, first: SystemTime) -> Self {
        Self {
            expected,
            from: expected.after.is_none().then_some(first),
            counts: BTreeMap::new(),
            come: 0,
            proof: Vec::new(),
            decided: None,
        }
    }

    /// Takes an entry of the journal into account.
    pub(crate) fn see(&mut self, entry: &Entry) {
        self.pass(entry.at);
        if self.decided.is_some() {
            return;
        }
        if self.from.is_none() {
            if self.expected.after.as_ref().is_some_and(|after| after.fit(entry)) {
                self.from = Some(entry.at);
            }
            return;
        }
        match &self.expected.kind {
            Kind::Count { of, at_least, at_most, each } => {
                if !of.fit(entry) {
                    return;
                }
                let group = group(entry, each);
                let known = self.counts.len() < MOST_GROUPS || self.counts.contains_key(&group);
                let count = self.counts.entry(if known { group.clone() } else { String::new() }).or_default();
                *count += 1;
                let count = *count;
                self.prove(entry);
                if at_most.is_some_and(|most| count > most) {
                    let where_ = if group.is_empty() { String::new() } else { format!(" for {group}") };
                    let why = format!("`{of}` came {}{where_}{}", times(count), self.too_many(entry.at));
                    self.miss(entry.at, false, why);
                } else if at_most.is_none() && count >= *at_least {
                    self.decided = Some((entry.at, Ok(())));
                }
            }
            Kind::Order(facts) => {
                let Some(early) = facts[self.come..].iter().position(|facts| facts.fit(entry)) else {
                    return;
                };
                self.prove(entry);
                if early > 0 {
                    let (came, before) = (&facts[self.come + early], &facts[self.come]);
                    self.miss(entry.at, false, format!("`{came}` came before `{before}`"));
                } else {
                    self.come += 1;
                    if self.come == facts.len() {
                        self.decided = Some((entry.at, Ok(())));
                    }
                }
            }
        }
    }

    /// Takes into account that it is so late now.
    pub(crate) fn pass(&mut self, now: SystemTime) {
        if let Some(end) = self.end()
            && end < now
        {
            self.conclude(end);
        }
    }

    /// When counting ends, if that is certain and not over.
    pub(crate) fn end(&self) -> Option<SystemTime> {
        let open = self.from.filter(|_| self.decided.is_none())?;
        Some(open + self.expected.within?)
    }

    /// Whether something is still to come for it to be met.
    pub(crate) fn wants(&self) -> bool {
        self.decided.is_none()
            && match &self.expected.kind {
                Kind::Count { at_least, .. } => {
                    let count = self.counts.values().sum::<u64>();
                    let awaited = *at_least > 0 && self.from.is_none();
                    awaited || count < *at_least || self.end().is_some()
                }
                Kind::Order(_) => true,
            }
    }

    /// Nothing comes any more: decides what is not decided.
    pub(crate) fn conclude(&mut self, at: SystemTime) {
        if self.decided.is_some() {
            return;
        }
        let never = match &self.expected.after {
            Some(after) if self.from.is_none() => format!(" after `{after}`, which did not come either"),
            _ => {
                self.expected.within.map_or_else(String::new, |within| format!(" within {}", lasted(within)))
            }
        };
        match &self.expected.kind {
            Kind::Count { of, at_least, .. } => {
                let count = self.counts.values().sum::<u64>();
                if count < *at_least {
                    let came =
                        if count == 0 { "did not come".to_owned() } else { format!("came {}", times(count)) };
                    let least = if *at_least == 1 {
                        String::new()
                    } else {
                        format!(", at least {at_least} expected")
                    };
                    self.miss(at, true, format!("`{of}` {came}{least}{never}"));
                } else {
                    self.decided = Some((at, Ok(())));
                }
            }
            Kind::Order(facts) => {
                self.miss(at, true, format!("`{}` did not come{never}", facts[self.come]));
            }
        }
    }

    /// How late something came that came too often, and how often it might have.
    fn too_many(&self, at: SystemTime) -> String {
        let Kind::Count { at_most: Some(most), .. } = self.expected.kind else { return String::new() };
        let began = self.expected.after.as_ref().zip(self.from);
        let late = began.map_or_else(String::new, |(after, from)| {
            format!(", {} after `{after}`", lasted(at.duration_since(from).unwrap_or_default()))
        });
        let most = if most == 0 { "not at all".to_owned() } else { format!("at most {}", times(most)) };
        let within =
            self.expected.within.map_or_else(String::new, |within| format!(" within {}", lasted(within)));
        format!("{late}; expected {most}{within}")
    }

    fn miss(&mut self, at: SystemTime, lacks: bool, numbers: String) {
        let why = match &self.expected.why {
            Some(why) => format!("{why}: {numbers}"),
            None => numbers,
        };
        self.decided = Some((at, Err(Miss { why, lacks, proof: std::mem::take(&mut self.proof) })));
    }

    fn prove(&mut self, entry: &Entry) {
        if self.proof.len() < MOST_PROOF {
            self.proof.push(line(entry));
        }
    }
}

/// What an entry is counted with.
fn group(entry: &Entry, each: &[Each]) -> String {
    let value = |by: &Each| match by {
        Each::Connection => format!("connection {}", entry.connection),
        Each::User => format!("user {}", entry.user.as_deref().unwrap_or("-")),
        Each::Topic => format!("topic {}", entry.topic.as_deref().unwrap_or("-")),
        Each::Token => format!("token {}", entry.token.as_deref().unwrap_or("-")),
    };
    each.iter().map(value).collect::<Vec<_>>().join(", ")
}

/// An entry of the journal in one line without control characters.
pub(crate) fn line(entry: &Entry) -> String {
    let mut text = format!(
        "{} {} {} #{}",
        humantime::format_rfc3339_millis(entry.at),
        entry.seq,
        entry.service,
        entry.connection
    );
    for part in [entry.user.as_deref(), Some(&word(&entry.what)), entry.kind.as_deref(), Some(&entry.detail)]
    {
        text.push(' ');
        text.extend(part.unwrap_or("-").chars().filter(|c| !c.is_control()).take(200));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::journal::{Fact, Journal, Subject};
    use serde_json::{Value, json};

    fn expectation(written: Value) -> Result<Expectation, String> {
        serde_json::from_value(written).map_err(|error| error.to_string())
    }

    /// Opens of so many connections, all at once.
    fn opens(connections: &[u64]) -> Vec<Entry> {
        let journal = Journal::default();
        for &connection in connections {
            let subject = Subject { service: Service::Saga, connection, number: connection, user: None };
            journal.add(subject, Fact::Open { detail: "websocket" });
        }
        journal.after(0, |_| true)
    }

    fn run(written: Value, entries: &[Entry], later: Duration) -> Option<Result<(), String>> {
        let expected = expectation(written).unwrap();
        let mut watch = Watch::new(&expected, entries[0].at);
        for entry in entries {
            watch.see(entry);
        }
        watch.pass(entries[0].at + later);
        watch.decided.map(|(_, how)| how.map_err(|miss| miss.why))
    }

    #[test]
    fn a_number_of_facts_is_met_missed_or_not_decided_yet() {
        let three = opens(&[1, 2, 2]);
        let with = |more: Value| {
            let mut all = json!({"that": "x", "of": {"what": "open"}});
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            run(all, &three, Duration::from_secs(5))
        };
        assert_eq!(with(json!({"at_least": 3})), Some(Ok(())));
        assert_eq!(with(json!({"at_least": 4})), None);
        assert!(with(json!({"at_least": 4, "within": "2s"})).unwrap().unwrap_err().contains("within 2.0 s"));
        assert_eq!(with(json!({"at_most": 3})), None);
        assert_eq!(with(json!({"at_most": 3, "within": "2s"})), Some(Ok(())));
        assert!(with(json!({"at_most": 2})).unwrap().unwrap_err().contains("at most 2 times"));
        let each = with(json!({"at_most": 1, "each": ["connection"]})).unwrap().unwrap_err();
        assert!(each.contains("connection 2"), "{each}");
        assert_eq!(with(json!({"at_most": 2, "each": ["connection"]})), None);
        let after = json!({"at_most": 1, "after": {"what": "open", "number": 1}});
        assert!(with(after).unwrap().is_err(), "the two of connection 2 come after the first");
    }

    #[test]
    fn an_order_is_broken_by_what_comes_too_early() {
        let order =
            json!({"that": "x", "order": [{"what": "open", "number": 2}, {"what": "open", "number": 1}]});
        let second = Duration::from_secs(1);
        assert_eq!(run(order.clone(), &opens(&[2, 1]), second), Some(Ok(())));
        assert_eq!(run(order.clone(), &opens(&[2]), second), None);
        assert!(run(order, &opens(&[1, 2]), second).unwrap().unwrap_err().contains("before"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_change() {
        for (written, word) in [
            (json!({"that": "x"}), "`of`"),
            (json!({"that": "x", "of": {"what": "open"}}), "`at_least`"),
            (json!({"that": "x", "of": {"what": "open"}, "at_least": 3, "at_most": 2}), "less than"),
            (json!({"that": "x", "of": {"what": "open"}, "at_least": 3, "each": ["user"]}), "`at_most`"),
            (json!({"that": "x", "order": [{"what": "open"}]}), "two facts"),
            (json!({"that": " ", "of": {"what": "open"}, "at_least": 3}), "`that`"),
            (json!({"that": "x", "of": {"what": "opened"}, "at_least": 3}), "opened"),
        ] {
            let error = expectation(written).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
