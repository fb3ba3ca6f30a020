//! The journal: what every connection did and every frame in both directions, bounded.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::connection::Connection;
use crate::service::Service;
use crate::sync::Locked;

/// Entries kept; the oldest go first.
const MOST_ENTRIES: usize = 20_000;
/// Bytes of frame text kept in all.
const MOST_BYTES: usize = 16 << 20;
/// Bytes of one frame's text kept.
const MOST_TEXT: usize = 64 << 10;

/// What an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A realtime connection was opened.
    Open,
    /// A realtime connection was refused; `detail` begins with the HTTP status, or with the service's code if it had
    /// been opened for that.
    Refused,
    /// A user was recognised.
    Authenticated,
    /// A topic was subscribed.
    Subscribed,
    /// A frame from the client.
    In,
    /// A frame to the client.
    Out,
    /// A fault was applied; `detail` says which.
    Fault,
    /// The connection is over; `detail` has code and reason.
    Close,
}

/// One line of the journal.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Rises by one with every entry.
    pub seq: u64,
    /// When it happened.
    #[serde(serialize_with = "as_rfc3339")]
    pub at: SystemTime,
    /// What happened.
    pub what: Happening,
    /// On which service.
    pub service: Service,
    /// The connection's number.
    pub connection: u64,
    /// The connection's number on its service alone, counted from 1.
    pub number: u64,
    /// Whose connection it is, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A frame's message type or event name.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The topic concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// A frame's text as on the wire, cut at 64 KiB; for the rest, what there is to say.
    pub detail: String,
    /// How many bytes `detail` would have, where it is cut. On the wire nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<usize>,
}

fn as_rfc3339<S: serde::Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_rfc3339_millis(*at))
}

#[derive(Debug, Default)]
struct Pages {
    entries: VecDeque<Entry>,
    bytes: usize,
    last: u64,
}

/// The bounded record; readers ask by sequence number and can wait for more.
#[derive(Debug)]
pub struct Journal {
    pages: Mutex<Pages>,
    last: watch::Sender<u64>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { pages: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl Journal {
    /// Adds an entry about a connection.
    pub(crate) fn add(
        &self,
        what: Happening,
        on: &Connection,
        kind: Option<&str>,
        topic: Option<&str>,
        detail: &str,
    ) {
        let cut = (0..=detail.len().min(MOST_TEXT)).rev().find(|&i| detail.is_char_boundary(i)).unwrap_or(0);
        let mut pages = self.pages.locked();
        pages.last += 1;
        let entry = Entry {
            seq: pages.last,
            at: SystemTime::now(),
            what,
            service: on.service,
            connection: on.id,
            number: on.number,
            user: on.user(),
            kind: kind.map(str::to_owned),
            topic: topic.map(str::to_owned),
            detail: detail[..cut].to_owned(),
            cut_from: (cut < detail.len()).then_some(detail.len()),
        };
        pages.bytes += cut;
        pages.entries.push_back(entry);
        while pages.entries.len() > MOST_ENTRIES || pages.bytes > MOST_BYTES {
            let gone = pages.entries.pop_front().map_or(0, |entry| entry.detail.len());
            pages.bytes -= gone;
        }
        let last = pages.last;
        drop(pages);
        self.last.send_replace(last);
    }

    /// The entries after a sequence number that are still kept and fit, oldest first.
    pub fn after(&self, seq: u64, fits: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let pages = self.pages.locked();
        pages.entries.iter().filter(|e| e.seq > seq && fits(e)).cloned().collect()
    }

    /// Waits for the first entry that fits, from the beginning of what is kept.
    pub async fn wait_for(&self, fits: impl Fn(&Entry) -> bool) -> Entry {
        let mut news = self.last.subscribe();
        let mut seen = 0;
        loop {
            let last = *news.borrow_and_update();
            if let Some(entry) = self.after(seen, &fits).into_iter().next() {
                return entry;
            }
            seen = last;
            if news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Forgets all entries; numbers go on.
    pub(crate) fn reset(&self) {
        let mut pages = self.pages.locked();
        pages.entries.clear();
        pages.bytes = 0;
    }
}
