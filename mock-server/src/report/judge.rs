//! Reads the journal, entry by entry, and finds what clients do wrong.
//!
//! What a fault explains is nobody's mistake: a subscribe may be repeated if the confirmation could have been spoilt on
//! the way, a ping need not be answered that may never have arrived, and a refusal that a rule dictated proves nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use super::journal::{By, Entry, Happening};
use super::line::{Line, Thresholds, Topic};
use super::verdicts::{Connects, Finding, Report, Ruling, Verdict};
use super::words::{Words, words};
use crate::howto::follow;
use crate::service::Service;
use crate::wording::lasted;

const MINUTE: Duration = Duration::from_secs(60);
/// Findings kept of each verdict on each service, and told of each verdict, with their proof.
const MOST_FINDINGS: usize = 100;
/// Bytes of each text of a proof.
const MOST_PROOF: usize = 2 << 10;
/// Entries that a proof of too many connects shows.
const MOST_SHOWN: usize = 20;
/// Connections, clients, refused tokens and topics of a connection that are remembered; beyond that the oldest go.
const MOST_REMEMBERED: usize = 20_000;
/// Faults of the wire, after which it is unknown what the client has seen and when.
const BLINDING: [&str; 4] = ["stall", "trickle", "lag", "inject"];

#[derive(Debug, Default)]
struct Found {
    count: u64,
    findings: Vec<Finding>,
}

/// Who connects: service, address (where each topic has one), user or token.
type Client = (Service, String, String);

/// What has been found so far.
#[derive(Debug)]
pub(super) struct Judge {
    since: SystemTime,
    /// Connections up to this number were open before.
    before: u64,
    lines: BTreeMap<u64, Line>,
    found: BTreeMap<(Verdict, Service), Found>,
    connects: BTreeMap<Service, (Connects, VecDeque<SystemTime>)>,
    clients: HashMap<Client, VecDeque<Entry>>,
    /// First refusals by service, address and token.
    refused: HashMap<Client, Entry>,
    /// TherapyBridge: the newest connection of a user to a session.
    newest: HashMap<(String, String), Entry>,
}

impl Judge {
    pub(super) fn new(since: SystemTime) -> Self {
        Self::after(since, 0)
    }

    /// One that knows nothing of connections up to this number.
    pub(super) fn after(since: SystemTime, before: u64) -> Self {
        Self {
            since,
            before,
            lines: BTreeMap::new(),
            found: BTreeMap::new(),
            connects: BTreeMap::new(),
            clients: HashMap::new(),
            refused: HashMap::new(),
            newest: HashMap::new(),
        }
    }

    /// Looks at the next entry.
    pub(super) fn see(&mut self, entry: &Entry, thresholds: &Thresholds) {
        // Whoever tests a protocol breaks it on purpose; a request belongs to no connection.
        if entry.service == Service::Echo || entry.what == Happening::Request {
            return;
        }
        let mut line = self
            .lines
            .remove(&entry.connection)
            .unwrap_or_else(|| Line { whole: entry.connection > self.before, ..Line::default() });
        let over = self.look(&mut line, entry, thresholds);
        if over {
            return;
        }
        self.lines.insert(entry.connection, line);
        if self.lines.len() > MOST_REMEMBERED {
            self.lines.pop_first();
        }
    }

    /// Answers whether the connection is over.
    fn look(&mut self, line: &mut Line, entry: &Entry, thresholds: &Thresholds) -> bool {
        let words = words(entry.service);
        match entry.what {
            Happening::Open => {
                line.open = true;
                line.connect = Some(entry.clone());
            }
            Happening::Refused => {
                if entry.detail.starts_with("429") && !line.is_provoked() {
                    self.find(Verdict::OverLimit, entry, "refused for connecting too often", &[entry]);
                } else if entry.detail.starts_with("413") {
                    self.find(Verdict::OverLimit, entry, "a payload larger than allowed", &[entry]);
                }
                self.missing_token(line, entry);
                if line.open {
                    return false;
                }
                line.connect = Some(entry.clone());
                self.connected(line, entry, thresholds);
                return true;
            }
            Happening::Authenticated => {
                self.shown(line, entry);
                line.ready |= !(line.in_band && words.ready.is_some());
                self.connected(line, entry, thresholds);
            }
            Happening::AuthFailed => {
                self.shown(line, entry);
                self.refuse(line, entry);
            }
            Happening::Subscribed => {
                self.connected(line, entry, thresholds);
                if entry.service == Service::TherapyBridge
                    && let Some(key) = key(entry)
                {
                    bound(&mut self.newest, |newest| newest.at);
                    self.newest.insert(key.clone(), entry.clone());
                    line.topics.insert(key.1, Topic { asked: entry.clone(), confirmed: true });
                }
            }
            Happening::Denied => {
                self.missing_token(line, entry);
                self.connected(line, entry, thresholds);
                entry.topic.as_ref().map(|topic| line.topics.remove(topic));
            }
            Happening::Unsubscribed => drop(entry.topic.as_ref().map(|topic| line.topics.remove(topic))),
            Happening::In => self.heard(line, entry, words, thresholds),
            Happening::Out => self.said(line, entry, words, thresholds),
            Happening::Ping => self.pinged(line, entry, thresholds),
            Happening::Pong => self.ponged(line, entry, thresholds),
            Happening::Fault => {
                line.fault = Some(entry.seq);
                if BLINDING.iter().any(|name| entry.detail.contains(&format!("\"do\":\"{name}\""))) {
                    line.blinded = true;
                    line.ping = None;
                }
                line.expired |= entry.detail.contains("\"do\":\"expire_token\"");
            }
            Happening::Close => {
                self.closed(line, entry, thresholds);
                return true;
            }
            Happening::Upgraded | Happening::Emptied | Happening::Request => {}
        }
        false
    }

    /// Now it is known whose connect it was.
    fn connected(&mut self, line: &mut Line, entry: &Entry, thresholds: &Thresholds) {
        let Some(connect) = line.connect.take() else { return };
        let (all, times) = self.connects.entry(connect.service).or_default();
        all.all += 1;
        times.push_back(connect.at);
        while times.front().is_some_and(|at| passed(*at, connect.at) >= MINUTE)
            || times.len() > MOST_REMEMBERED
        {
            times.pop_front();
        }
        all.most_per_minute = all.most_per_minute.max(times.len() as u64);
        let who = entry.user.clone().or_else(|| line.token.clone()).unwrap_or_default();
        let client = (connect.service, address(&connect), who);
        bound(&mut self.clients, |times| times.back().map_or(SystemTime::UNIX_EPOCH, |entry| entry.at));
        let times = self.clients.entry(client).or_default();
        let now = connect.at;
        times.push_back(connect);
        while times.front().is_some_and(|first| passed(first.at, now) >= MINUTE) {
            times.pop_front();
        }
        if thresholds.connects > 0 && times.len() as u64 > thresholds.connects {
            let times = std::mem::take(times);
            let proof: Vec<_> = times.iter().rev().take(MOST_SHOWN).rev().collect();
            let text = format!("{} connects within a minute", times.len());
            self.find(Verdict::TooManyConnects, entry, &text, &proof);
        }
    }

    /// TherapyBridge: who opens a connection asks for its topic.
    fn missing_token(&mut self, line: &mut Line, entry: &Entry) {
        let wants =
            entry.detail == "Authentication required" || entry.detail == "403 Authentication required";
        if entry.service == Service::TherapyBridge && wants && !line.is_provoked() {
            let text = "a session was asked for without a token";
            self.find(Verdict::UnauthenticatedSubscribe, entry, text, &[entry]);
        }
    }

    /// A token was shown.
    fn shown(&mut self, line: &mut Line, entry: &Entry) {
        line.token.clone_from(&entry.token);
        let Some(refusal) = self.refused.get(&shown_at(line, entry)).cloned() else { return };
        let text =
            format!("the token {} was shown again after it was refused", line.token.as_deref().unwrap_or(""));
        self.find(Verdict::RefusedToken, entry, &text, &[&refusal, entry]);
    }

    /// The connection's token was refused.
    fn refuse(&mut self, line: &Line, entry: &Entry) {
        if line.token.is_some() {
            bound(&mut self.refused, |entry| entry.at);
            self.refused.entry(shown_at(line, entry)).or_insert_with(|| entry.clone());
        }
    }

    /// A message came in.
    fn heard(&mut self, line: &mut Line, entry: &Entry, words: &Words, thresholds: &Thresholds) {
        let kind = entry.kind.as_deref().unwrap_or_default();
        line.finding = None;
        line.last_in = Some(short(entry));
        if words.answers_ping(kind) {
            self.ponged(line, entry, thresholds);
        }
        self.outlived(line, entry, thresholds);
        if kind == "(too big)" {
            return self.find(Verdict::OverLimit, entry, "a message larger than allowed", &[entry]);
        }
        if !words.know(kind) {
            let text = format!("{} knows no message {kind}; {}", entry.service, hint(entry.service));
            self.find(Verdict::UnknownMessage, entry, &text, &[entry]);
            line.finding = self.latest(Verdict::UnknownMessage, entry.service);
            return;
        }
        if words.authenticate.contains(&kind) {
            line.in_band = true;
            line.ready |= words.ready.is_none();
        }
        if !line.whole {
            return;
        }
        if words.wants(kind) && !line.ready {
            let text = format!("{kind} before the user was known");
            self.find(Verdict::UnauthenticatedSubscribe, entry, &text, &[entry]);
            line.finding = self.latest(Verdict::UnauthenticatedSubscribe, entry.service);
            return;
        }
        let Some(id) = entry.topic.as_deref() else { return };
        let topic = line.topics.get(id);
        let pending = topic.filter(|topic| !topic.confirmed).map(|topic| topic.asked.clone());
        if words.subscribe.contains(&kind) {
            if let Some(Topic { asked, confirmed }) = topic {
                let age = passed(asked.at, entry.at);
                let spoilt = line.fault > Some(asked.seq) || line.blinded;
                if age < thresholds.patience || (*confirmed && !spoilt) {
                    let asked = asked.clone();
                    let text = format!("{id} was subscribed again after {}", lasted(age));
                    self.find(Verdict::DuplicateSubscribe, entry, &text, &[&asked, entry]);
                    return;
                }
            }
            if line.topics.len() < MOST_REMEMBERED {
                line.topics.insert(id.to_owned(), Topic { asked: short(entry), confirmed: false });
            }
        } else if words.resume.contains(&kind) {
            let asked = || Topic { asked: short(entry), confirmed: false };
            line.topics.entry(id.to_owned()).or_insert_with(asked);
        } else if words.unsubscribe.contains(&kind) {
            if topic.is_none() {
                let text = format!("{kind} for {id}, which was not subscribed on this connection");
                self.find(Verdict::EarlyCommand, entry, &text, &[entry]);
            }
        } else if let Some(asked) = pending {
            let text = format!("{kind} before the confirmation of {id}");
            self.find(Verdict::EarlyCommand, entry, &text, &[&asked, entry]);
        } else if words.command.contains(&kind) && topic.is_none() {
            let text = format!("{kind} for {id}, which was not followed on this connection");
            self.find(Verdict::EarlyCommand, entry, &text, &[entry]);
        }
    }

    /// A message went out.
    fn said(&mut self, line: &mut Line, entry: &Entry, words: &Words, thresholds: &Thresholds) {
        let kind = entry.kind.as_deref().unwrap_or_default();
        // A fault may have put something else in its place.
        let genuine = kind.starts_with('(') || entry.detail.contains(kind);
        if Some(kind) == words.ping {
            return self.pinged(line, entry, thresholds);
        }
        if Some(kind) == words.ready && genuine {
            line.ready = true;
            self.connected(line, entry, thresholds);
        }
        if let Some(id) = entry.topic.as_deref()
            && words.confirm.contains(&kind)
            && genuine
        {
            let asked = || Topic { asked: short(entry), confirmed: true };
            line.topics.entry(id.to_owned()).or_insert_with(asked).confirmed = true;
        }
        if Some(kind) == words.error {
            self.complained(line, entry, words);
        }
    }

    /// The server has said that something was wrong.
    fn complained(&mut self, line: &mut Line, entry: &Entry, words: &Words) {
        match &entry.topic {
            Some(topic) => drop(line.topics.remove(topic)),
            // DevContext names the message, not the topic.
            None => line.topics.retain(|_, topic| topic.confirmed),
        }
        let says = |word: &str| entry.detail.contains(word);
        let provoked = line.is_provoked();
        if says("TOKEN_EXPIRED") && (!provoked || line.expired) {
            return self.refuse(line, entry);
        }
        if provoked {
            return;
        }
        let Some(last) = line.last_in.clone() else { return };
        if says("\"RATE_LIMIT_EXCEEDED\"") || says("\"Rate limit exceeded\"") {
            self.find(Verdict::OverLimit, entry, "more messages than allowed", &[&last, entry]);
        } else if let Some((verdict, at)) = line.finding.take() {
            self.prove(verdict, at, entry);
        } else if says("\"INVALID_MESSAGE\"") || says("INVALID_MESSAGE_FORMAT") || says("takes one argument")
        {
            let kind = last.kind.as_deref().unwrap_or_default();
            // Who asks for an interview that is not there has said it well.
            let shaped = words.command.contains(&kind);
            if !shaped {
                let text = format!(
                    "{kind} in a form that {} does not understand; {}",
                    entry.service,
                    hint(entry.service)
                );
                self.find(Verdict::UnknownMessage, entry, &text, &[&last, entry]);
            }
        }
    }

    fn pinged(&mut self, line: &mut Line, entry: &Entry, thresholds: &Thresholds) {
        self.overdue(line, entry, thresholds);
        if !line.blinded && line.ping.is_none() && !line.is_provoked() {
            line.ping = Some(short(entry));
        }
    }

    fn ponged(&mut self, line: &mut Line, entry: &Entry, thresholds: &Thresholds) {
        self.overdue(line, entry, thresholds);
        line.ping = None;
    }

    /// Whether a ping has waited for its answer too long by now.
    fn overdue(&mut self, line: &mut Line, entry: &Entry, thresholds: &Thresholds) {
        if let Some(ping) = line.ping.take_if(|ping| passed(ping.at, entry.at) >= thresholds.pong) {
            let text = format!("no answer to a ping within {}", lasted(passed(ping.at, entry.at)));
            self.find(Verdict::UnansweredPing, entry, &text, &[&ping, entry]);
        }
    }

    /// TherapyBridge: the client still lives on a connection that it has long replaced.
    fn outlived(&mut self, line: &mut Line, entry: &Entry, thresholds: &Thresholds) {
        if entry.service != Service::TherapyBridge || line.doubled {
            return;
        }
        let Some((id, topic)) = line.topics.first_key_value() else { return };
        let Some(user) = entry.user.clone() else { return };
        let Some(newer) = self.newest.get(&(user, id.clone())).cloned() else { return };
        if newer.connection > entry.connection && passed(newer.at, entry.at) >= thresholds.patience {
            let text = format!("{id} was followed over two connections at a time");
            let older = topic.asked.clone();
            line.doubled = true;
            self.find(Verdict::DuplicateSubscribe, entry, &text, &[&older, &newer, entry]);
        }
    }

    fn closed(&mut self, line: &mut Line, entry: &Entry, thresholds: &Thresholds) {
        self.connected(line, entry, thresholds);
        let detail = entry.detail.to_lowercase();
        let by_server = entry.by == Some(By::Server);
        let timed_out =
            by_server && (detail.contains("ping timeout") || detail.contains("silent for too long"));
        if let Some(ping) = line.ping.take_if(|_| timed_out) {
            let text = "the connection was closed because a ping had no answer";
            self.find(Verdict::UnansweredPing, entry, text, &[&ping, entry]);
        } else if entry.by != Some(By::Loss) {
            self.overdue(line, entry, thresholds);
        }
        if entry.by == Some(By::Client) {
            self.outlived(line, entry, thresholds);
        }
        let told = detail.contains("invalid authentication") || detail.contains("4401 unauthorized");
        if by_server && told && !line.blinded && (!line.is_provoked() || line.expired) {
            self.refuse(line, entry);
        }
        if by_server && !line.is_provoked() {
            let too_big = line.last_in.as_ref().is_some_and(|last| last.kind.as_deref() == Some("(too big)"));
            if entry.code == Some(1009) && !too_big {
                self.find(Verdict::OverLimit, entry, "a message larger than allowed", &[entry]);
            }
            if let Some((verdict, at)) = line.finding.take() {
                self.prove(verdict, at, entry);
            }
        }
        if let Some(topic) = line.topics.keys().next()
            && entry.service == Service::TherapyBridge
            && let Some(user) = &entry.user
        {
            let key = (user.clone(), topic.clone());
            if self.newest.get(&key).is_some_and(|newest| newest.connection == entry.connection) {
                self.newest.remove(&key);
            }
        }
    }

    fn find(&mut self, verdict: Verdict, entry: &Entry, text: &str, proof: &[&Entry]) {
        let found = self.found.entry((verdict, entry.service)).or_default();
        found.count += 1;
        if found.findings.len() < MOST_FINDINGS {
            found.findings.push(Finding {
                service: entry.service,
                connection: entry.connection,
                user: entry.user.clone(),
                text: text.to_owned(),
                proof: proof.iter().map(|entry| short(entry)).collect(),
            });
        }
    }

    /// The finding that was just made, if it was kept.
    fn latest(&self, verdict: Verdict, service: Service) -> Option<(Verdict, usize)> {
        let found = self.found.get(&(verdict, service))?;
        (found.count == found.findings.len() as u64).then(|| (verdict, found.findings.len() - 1))
    }

    fn prove(&mut self, verdict: Verdict, at: usize, entry: &Entry) {
        let found = self.found.get_mut(&(verdict, entry.service));
        if let Some(finding) = found.and_then(|found| found.findings.get_mut(at)) {
            finding.proof.push(short(entry));
        }
    }

    /// What there is to say by now about these services.
    pub(super) fn report(
        &mut self,
        thresholds: &Thresholds,
        missed: u64,
        about: impl Fn(Service) -> bool,
    ) -> Report {
        let now = SystemTime::now();
        // A ping that is waiting still may have waited too long.
        let late = |line: &mut Line| line.ping.take_if(|ping| passed(ping.at, now) >= thresholds.pong);
        let late: Vec<_> = self.lines.values_mut().filter_map(late).collect();
        for ping in late {
            let text = format!("no answer to a ping within {}", lasted(passed(ping.at, now)));
            self.find(Verdict::UnansweredPing, &ping, &text, &[&ping]);
        }
        let ruling = |verdict| {
            let concerned = self.found.iter().filter(|((of, service), _)| *of == verdict && about(*service));
            let found: Vec<_> = concerned.map(|(_, found)| found).collect();
            let mut findings: Vec<_> = found.iter().flat_map(|found| &found.findings).cloned().collect();
            findings.sort_by_key(|finding| finding.proof.last().map(|entry| entry.seq));
            findings.truncate(MOST_FINDINGS);
            let count = found.iter().map(|found| found.count).sum();
            Ruling { verdict, passed: count == 0, count, findings }
        };
        let verdicts: Vec<_> = Verdict::ALL.into_iter().map(ruling).collect();
        let connects = self.connects.iter().filter(|(service, _)| about(**service));
        Report {
            passed: verdicts.iter().all(|ruling| ruling.passed),
            since: self.since,
            until: now,
            missed,
            connects: connects.map(|(service, (connects, _))| (*service, *connects)).collect(),
            verdicts,
        }
    }
}

/// How a topic is followed, for whoever did not know.
fn hint(service: Service) -> String {
    match service {
        Service::TherapyBridge => "to follow a session its URL is enough".to_owned(),
        _ => format!("to follow a topic: {}", follow(service)),
    }
}

/// How much later the second time is.
fn passed(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

/// The address that a client connects to, where each topic has its own; a refusal does not tell it.
fn address(connect: &Entry) -> String {
    match (connect.service, connect.what) {
        (Service::TherapyBridge, Happening::Open) => connect.detail.clone(),
        _ => String::new(),
    }
}

/// Where which token was shown: links of their own to several topics may all come with one that is bad.
fn shown_at(line: &Line, entry: &Entry) -> Client {
    let address = line.connect.as_ref().map(address).unwrap_or_default();
    (entry.service, address, line.token.clone().unwrap_or_default())
}

fn key(entry: &Entry) -> Option<(String, String)> {
    Some((entry.user.clone()?, entry.topic.clone()?))
}

/// An entry whose text is cut.
fn short(entry: &Entry) -> Entry {
    entry.cut_at(MOST_PROOF)
}

/// Makes room in a table that has become too large: the older half goes.
fn bound<K: Clone + Eq + std::hash::Hash, V>(table: &mut HashMap<K, V>, age: impl Fn(&V) -> SystemTime) {
    if table.len() < MOST_REMEMBERED {
        return;
    }
    let mut ages: Vec<_> = table.values().map(&age).collect();
    ages.sort_unstable();
    let middle = ages[ages.len() / 2];
    table.retain(|_, value| age(value) > middle);
}
