//! The journal: what every connection did and every frame in both directions, bounded.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::service::Service;
use crate::sync::Locked;

/// Entries kept; the oldest go first.
const MOST_ENTRIES: usize = 20_000;
/// Bytes of frame text kept in all.
const MOST_BYTES: usize = 16 << 20;
/// Bytes of one frame's text kept.
const MOST_TEXT: usize = 64 << 10;
/// Bytes of a type or a topic kept.
const MOST_NAME: usize = 1 << 10;

/// What an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A realtime connection was opened.
    Open,
    /// A realtime connection was refused; `detail` begins with the HTTP status, or with the service's code if it had
    /// been opened for that.
    Refused,
    /// A session went over from long-polling to WebSocket.
    Upgraded,
    /// A user was recognised; `token` says by which token.
    Authenticated,
    /// A token was not accepted; `token` says which.
    AuthFailed,
    /// A topic was subscribed.
    Subscribed,
    /// A subscription was refused.
    Denied,
    /// A subscription was ended by the client.
    Unsubscribed,
    /// The last subscription of a topic ended.
    Emptied,
    /// A frame from the client.
    In,
    /// A frame to the client.
    Out,
    /// A WebSocket ping to the client.
    Ping,
    /// A WebSocket pong from the client.
    Pong,
    /// A plain HTTP request of REST or long-polling was answered: `type` has its method, `code` the status, `detail`
    /// address, body and answer.
    Request,
    /// A fault was applied; `detail` says which, `rule` by which rule.
    Fault,
    /// The connection is over; `detail` has code and reason, `by` says who ended it.
    Close,
}

/// Who ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The client, in good order.
    Client,
    /// This server, in good order or not.
    Server,
    /// Nobody in good order: the connection was lost.
    Loss,
}

/// What has happened, with what belongs to it. The one way into the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fact<'a> {
    Open { detail: &'a str },
    Refused { detail: &'a str },
    Upgraded,
    Authenticated { role: &'a str, token: &'a str },
    AuthFailed { why: &'a str, token: Option<&'a str> },
    Subscribed { topic: &'a str },
    Denied { topic: &'a str, code: &'a str },
    Unsubscribed { topic: &'a str },
    Emptied { topic: &'a str },
    In { kind: &'a str, topic: Option<&'a str>, text: &'a str },
    Out { kind: &'a str, topic: Option<&'a str>, text: &'a str },
    Ping,
    Pong,
    Request { method: &'a str, status: u16, text: &'a str },
    Fault { rule: u64, action: &'a str },
    Close(&'a Ending),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) by: By,
    pub(crate) code: Option<u16>,
    pub(crate) detail: String,
}

impl Ending {
    /// By the client's close frame, perhaps without a code.
    pub(crate) fn by_client(close: Option<(u16, &str)>) -> Self {
        let detail = match close {
            None => "by the client, without a code".to_owned(),
            Some((code, reason)) => format!("by the client, {code} {reason}"),
        };
        Self { by: By::Client, code: close.map(|(code, _)| code), detail }
    }

    /// By this server's close frame, or below it.
    pub(crate) fn by_server(code: Option<u16>, detail: impl Into<String>) -> Self {
        Self { by: By::Server, code, detail: detail.into() }
    }

    /// By nobody.
    pub(crate) fn lost(detail: impl Into<String>) -> Self {
        Self { by: By::Loss, code: None, detail: detail.into() }
    }
}

/// Whom an entry is about.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) service: Service,
    pub(crate) connection: u64,
    pub(crate) number: u64,
    pub(crate) user: Option<String>,
}

/// One line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Rises by one with every entry.
    pub seq: u64,
    /// When it happened.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub at: SystemTime,
    /// What happened.
    pub what: Happening,
    /// On which service.
    pub service: Service,
    /// The connection's number; 0 for a request that belongs to none.
    pub connection: u64,
    /// The connection's number on its service alone, counted from 1.
    pub number: u64,
    /// Whose connection it is, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A frame's message type or event name.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The topic concerned, cut at 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// A frame's text as on the wire, without tokens and passwords, cut at 64 KiB; for the rest, what there is to say.
    pub detail: String,
    /// How many bytes `detail` would have, where it is cut. On the wire nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<usize>,
    /// The code of the close frame, or the status of an HTTP answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Who ended the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Tells two tokens apart without showing them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The number of the rule that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<u64>,
}

impl Entry {
    fn new(seq: u64, Subject { service, connection, number, user }: Subject, fact: Fact<'_>) -> Self {
        use Happening as H;
        let (what, kind, topic, detail) = match fact {
            Fact::Open { detail } => (H::Open, None, None, detail),
            Fact::Refused { detail } => (H::Refused, None, None, detail),
            Fact::Upgraded => (H::Upgraded, None, None, ""),
            Fact::Authenticated { role, .. } => (H::Authenticated, None, None, role),
            Fact::AuthFailed { why, .. } => (H::AuthFailed, None, None, why),
            Fact::Subscribed { topic } => (H::Subscribed, None, Some(topic), ""),
            Fact::Denied { topic, code } => (H::Denied, None, Some(topic), code),
            Fact::Unsubscribed { topic } => (H::Unsubscribed, None, Some(topic), ""),
            Fact::Emptied { topic } => (H::Emptied, None, Some(topic), ""),
            Fact::In { kind, topic, text } => (H::In, Some(kind), topic, text),
            Fact::Out { kind, topic, text } => (H::Out, Some(kind), topic, text),
            Fact::Ping => (H::Ping, None, None, ""),
            Fact::Pong => (H::Pong, None, None, ""),
            Fact::Request { method, text, .. } => (H::Request, Some(method), None, text),
            Fact::Fault { action, .. } => (H::Fault, None, None, action),
            Fact::Close(ending) => (H::Close, None, None, ending.detail.as_str()),
        };
        let (mut code, mut by, mut token, mut rule) = (None, None, None, None);
        match fact {
            Fact::Authenticated { token: by_it, .. } => token = Some(by_it.to_owned()),
            Fact::AuthFailed { token: shown, .. } => token = shown.map(str::to_owned),
            Fact::Fault { rule: number, .. } => rule = Some(number),
            Fact::Request { status, .. } => code = Some(status),
            Fact::Close(ending) => (code, by) = (ending.code, Some(ending.by)),
            _ => {}
        }
        Self {
            seq,
            at: SystemTime::now(),
            what,
            service,
            connection,
            number,
            user,
            kind: kind.map(|kind| cut(kind, MOST_NAME)),
            topic: topic.map(|topic| cut(topic, MOST_NAME)),
            detail: match what {
                H::In | H::Request => cut(&blot(detail), MOST_TEXT),
                _ => cut(detail, MOST_TEXT),
            },
            cut_from: (detail.len() > MOST_TEXT).then_some(detail.len()),
            code,
            by,
            token,
            rule,
        }
    }

    /// The same with a shorter text.
    pub(crate) fn cut_at(&self, most: usize) -> Self {
        let Self { detail, kind, topic, user, token, .. } = self;
        let (kind, topic, user, token) = (kind.clone(), topic.clone(), user.clone(), token.clone());
        let cut_from = self.cut_from.or_else(|| (detail.len() > most).then_some(detail.len()));
        Self { detail: cut(detail, most), cut_from, kind, topic, user, token, ..*self }
    }

    /// The bytes of its texts.
    fn bytes(&self) -> usize {
        let names = [&self.user, &self.kind, &self.topic];
        self.detail.len() + names.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

/// The text without the values of fields that hold secrets.
fn blot(text: &str) -> Cow<'_, str> {
    const FIELDS: [&str; 3] = ["\"token\"", "\"access_token\"", "\"password\""];
    let next = |text: &str| FIELDS.iter().filter_map(|field| Some(text.find(field)? + field.len())).min();
    let mut out = String::new();
    let mut rest = text;
    while let Some(end) = next(rest) {
        let (before, after) = rest.split_at(end);
        out.push_str(before);
        rest = after;
        let value =
            rest.trim_start().strip_prefix(':').map(str::trim_start).and_then(|v| v.strip_prefix('"'));
        let Some(value) = value else { continue };
        let mut escaped = false;
        let end = value.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        out.push_str(":\"…");
        rest = end.map_or("", |end| &value[end..]);
    }
    if out.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(out + rest) }
}

/// The text, cut at so many bytes or a little before.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let end = (0..=text.len().min(most)).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    text[..end].to_owned()
}

/// Instants in JSON: ISO 8601 in UTC with milliseconds.
pub(super) mod rfc3339 {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in super::super) fn serialize<S: Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_rfc3339_millis(*at))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_rfc3339(&text).map_err(D::Error::custom)
    }
}

#[derive(Debug, Default)]
struct Pages {
    entries: VecDeque<Entry>,
    bytes: usize,
    last: u64,
}

/// The bounded record; readers ask by sequence number and can wait for more. A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pages: Mutex<Pages>,
    last: watch::Sender<u64>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { pages: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl Journal {
    /// Adds an entry.
    pub(crate) fn add(&self, subject: impl Into<Subject>, fact: Fact<'_>) {
        let subject = subject.into();
        let mut pages = self.0.pages.locked();
        pages.last += 1;
        let entry = Entry::new(pages.last, subject, fact);
        pages.bytes += entry.bytes();
        pages.entries.push_back(entry);
        while pages.entries.len() > MOST_ENTRIES || pages.bytes > MOST_BYTES {
            let gone = pages.entries.pop_front().map_or(0, |entry| entry.bytes());
            pages.bytes -= gone;
        }
        let last = pages.last;
        drop(pages);
        // Two writers may come here in the other order.
        self.0.last.send_if_modified(|told| last > std::mem::replace(told, last.max(*told)));
    }

    /// The sequence number of the latest entry, 0 before the first.
    pub fn last(&self) -> u64 {
        self.0.pages.locked().last
    }

    /// The sequence number of the oldest entry that is kept; without any, of the next one.
    pub(crate) fn first(&self) -> u64 {
        let pages = self.0.pages.locked();
        pages.entries.front().map_or(pages.last + 1, |entry| entry.seq)
    }

    /// The entries after a sequence number that are still kept and fit, oldest first.
    pub fn after(&self, seq: u64, fits: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let pages = self.0.pages.locked();
        let from = pages.entries.partition_point(|e| e.seq <= seq);
        pages.entries.range(from..).filter(|e| fits(e)).cloned().collect()
    }

    /// Reads on from a sequence number: from 0 all that is kept, from [`Journal::last`] only what comes.
    pub fn follow(&self, seq: u64) -> Follower {
        Follower { journal: self.clone(), news: self.0.last.subscribe(), seen: seq, missed: 0 }
    }

    /// Waits until there is an entry after this sequence number; answers the latest one's.
    pub(crate) async fn beyond(&self, seq: u64) -> u64 {
        let mut news = self.0.last.subscribe();
        // The journal has the sender.
        news.wait_for(|last| *last > seq).await.map_or(seq, |last| *last)
    }

    /// Waits for the first entry that fits, from the beginning of what is kept.
    pub async fn wait_for(&self, fits: impl Fn(&Entry) -> bool) -> Entry {
        let mut follower = self.follow(0);
        loop {
            if let Some(entry) = follower.next().await.into_iter().find(&fits) {
                return entry;
            }
        }
    }

    /// Forgets all entries; numbers go on.
    pub(crate) fn reset(&self) {
        let mut pages = self.0.pages.locked();
        pages.entries.clear();
        pages.bytes = 0;
    }
}

/// A reader of the journal that keeps its own place.
#[derive(Debug)]
pub struct Follower {
    journal: Journal,
    news: watch::Receiver<u64>,
    seen: u64,
    missed: u64,
}

impl Follower {
    /// Waits for entries that it has not answered yet, and answers all of them, oldest first; at least one. Giving the
    /// wait up loses none.
    pub async fn next(&mut self) -> Vec<Entry> {
        loop {
            self.news.borrow_and_update();
            let entries = self.unread();
            if !entries.is_empty() {
                return entries;
            }
            // The journal it holds has the sender.
            let _ = self.news.changed().await;
        }
    }

    /// What [`Follower::next`] would answer now, without a wait; perhaps nothing.
    pub fn unread(&mut self) -> Vec<Entry> {
        let entries = self.journal.after(self.seen, |_| true);
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            self.missed += first.seq - self.seen - 1;
            self.seen = last.seq;
        }
        entries
    }

    /// How many entries went by unread, because it came too late for them or they were forgotten by a reset.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject { service: Service::Saga, connection: 1, number: 1, user: None }
    }

    #[tokio::test]
    async fn a_follower_answers_everything_once_and_counts_what_it_missed() {
        let journal = Journal::default();
        let mut all = journal.follow(0);
        journal.add(subject(), Fact::Ping);
        let mut later = journal.follow(journal.last());
        journal.add(subject(), Fact::Pong);
        let words = |entries: Vec<Entry>| entries.into_iter().map(|e| e.what).collect::<Vec<_>>();
        assert_eq!(words(all.next().await), [Happening::Ping, Happening::Pong]);
        assert_eq!(words(later.next().await), [Happening::Pong]);
        for _ in 0..MOST_ENTRIES + 5 {
            journal.add(subject(), Fact::Ping);
        }
        assert_eq!((all.next().await.len(), all.missed()), (MOST_ENTRIES, 5));
    }

    #[test]
    fn no_token_is_kept() {
        let said = r#"{"action":"authenticate","payload":{"token" : "a\"b\\","x":1}}"#;
        assert_eq!(blot(said), r#"{"action":"authenticate","payload":{"token":"…","x":1}}"#);
        assert_eq!(blot(r#"40{"token":"abc"}"#), r#"40{"token":"…"}"#);
        assert_eq!(blot(r#"{"token":"never ends"#), r#"{"token":"…"#);
        let login = r#"{"password":"secret","x":{"access_token":"abc"}}"#;
        assert_eq!(blot(login), r#"{"password":"…","x":{"access_token":"…"}}"#);
        assert_eq!(blot(r#"{"token":7,"a":"token"}"#), r#"{"token":7,"a":"token"}"#);
    }

    #[test]
    fn all_that_is_kept_is_bounded() {
        let journal = Journal::default();
        let long = "x".repeat(1 << 20);
        for _ in 0..600 {
            journal.add(subject(), Fact::In { kind: &long, topic: Some(&long), text: &long });
        }
        let entries = journal.after(0, |_| true);
        assert!(entries.iter().map(Entry::bytes).sum::<usize>() <= MOST_BYTES && entries.len() > 200);
        assert_eq!(entries[0].topic.as_ref().map(String::len), Some(MOST_NAME));
    }
}
