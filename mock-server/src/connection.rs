//! Realtime connections and the registry of those that are open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::auth::Identity;
use crate::faults::protocol::ProtocolFault;
use crate::report::journal::{Ending, Subject};
use crate::service::Service;
use crate::sync::Locked;
use crate::wire::bundle::Wires;
use crate::wire::io::{Cut, Wire};

/// Commands that may wait for one connection; a client that reads slower than this is cut off.
const INBOX: usize = 4096;

/// A message of a service, before it is put on a wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    /// Message type or event name.
    pub(crate) kind: String,
    /// The topic it concerns.
    pub(crate) topic: Option<String>,
    /// Counts the frames of its topic from 1; 0 if it was never published.
    pub(crate) number: u64,
    /// When it was published.
    pub(crate) published: Option<Instant>,
    /// The whole message for services that speak JSON frames; an event's payload for Socket.IO.
    pub(crate) body: Value,
}

impl Frame {
    /// A frame of this kind that concerns no topic.
    pub(crate) fn new(kind: impl Into<String>, body: Value) -> Self {
        Self { kind: kind.into(), topic: None, number: 0, published: None, body }
    }

    /// The same frame, about a topic.
    pub(crate) fn about(self, topic: impl Into<String>) -> Self {
        Self { topic: Some(topic.into()), ..self }
    }
}

/// A close code and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Any 16-bit number, also those that no peer may send.
    pub(crate) code: u16,
    /// The reason, at most 123 bytes go out.
    pub(crate) reason: String,
}

impl Closing {
    pub(crate) fn new(code: u16, reason: &str) -> Self {
        Self { code, reason: reason.to_owned() }
    }
}

/// What others ask of a connection's task.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Send a topic's frame, unless the topic has been left meanwhile.
    Deliver(Arc<Frame>),
    /// Close with a code.
    Close(Closing),
    /// Do what a rule asks.
    Provoke(ProtocolFault),
    /// Behave as if a newer connection of the same user had arrived.
    Replace,
}

/// One realtime connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Counts all realtime connections since the start, refused ones included.
    pub(crate) id: u64,
    /// Counts the same on its service alone, so that a rule can mean "the second one".
    pub(crate) number: u64,
    pub(crate) service: Service,
    /// The request's path, without its query.
    pub(crate) path: String,
    pub(crate) wire: Wires,
    pub(crate) since: SystemTime,
    identity: Mutex<Option<Identity>>,
    topics: Mutex<BTreeSet<String>>,
    inbox: mpsc::Sender<Command>,
    /// Whether it was cut off because more waited for it than its inbox holds.
    flooded: AtomicBool,
}

impl Connection {
    /// The user's id, once known.
    pub(crate) fn user(&self) -> Option<String> {
        self.identity.locked().as_ref().map(|who| who.sub.clone())
    }

    /// Who the connection belongs to, once known.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.identity.locked().clone()
    }

    pub(crate) fn recognise(&self, who: Identity) {
        *self.identity.locked() = Some(who);
    }

    /// Whether the topic is subscribed by this connection.
    pub(crate) fn follows(&self, topic: &str) -> bool {
        self.topics.locked().contains(topic)
    }

    /// Notes a subscription; false if it was there already.
    pub(crate) fn follow(&self, topic: &str) -> bool {
        self.topics.locked().insert(topic.to_owned())
    }

    /// Forgets a subscription; false if there was none.
    pub(crate) fn unfollow(&self, topic: &str) -> bool {
        self.topics.locked().remove(topic)
    }

    /// The topics subscribed by this connection.
    pub(crate) fn topics(&self) -> Vec<String> {
        self.topics.locked().iter().cloned().collect()
    }

    /// Hands a command to the connection's task. A task that cannot keep up loses its connection.
    pub(crate) fn send(&self, command: Command) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.inbox.try_send(command) {
            self.flooded.store(true, Ordering::Relaxed);
            self.wire.cut(Cut::Reset);
        }
    }

    /// How it ended, as its task has it or, if it was cut off, for that reason.
    pub(crate) fn ending(&self, ending: Ending) -> Ending {
        if !self.flooded.load(Ordering::Relaxed) {
            return ending;
        }
        Ending::by_server(
            None,
            format!("cut, RST: the client reads too slowly, {INBOX} messages waited for it"),
        )
    }
}

impl From<&Connection> for Subject {
    fn from(on: &Connection) -> Self {
        Self { service: on.service, connection: on.id, number: on.number, user: on.user() }
    }
}

/// What the control API tells of a connection.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionInfo {
    /// Its number.
    pub connection: u64,
    /// Its number on its service alone, counted from 1; refused ones count too.
    pub number: u64,
    /// Its service.
    pub service: Service,
    /// Its user, once known.
    pub user: Option<String>,
    /// The request's path.
    pub path: String,
    /// The topics it has subscribed.
    pub topics: Vec<String>,
    /// When it was opened, ISO 8601.
    pub since: String,
}

/// All open realtime connections by number.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    last: AtomicU64,
    /// The last number on each service.
    on_service: Mutex<BTreeMap<Service, u64>>,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
}

impl Connections {
    /// A connection with the next number, not yet open, and the inbox its task reads.
    pub(crate) fn number(
        &self,
        service: Service,
        path: &str,
        wire: Wire,
    ) -> (Arc<Connection>, mpsc::Receiver<Command>) {
        let (inbox, commands) = mpsc::channel(INBOX);
        let number = {
            let mut on_service = self.on_service.locked();
            let last = on_service.entry(service).or_default();
            *last += 1;
            *last
        };
        let connection = Connection {
            number,
            id: self.last.fetch_add(1, Ordering::Relaxed) + 1,
            service,
            path: path.to_owned(),
            wire: Wires::new(wire),
            since: SystemTime::now(),
            identity: Mutex::default(),
            topics: Mutex::default(),
            inbox,
            flooded: AtomicBool::new(false),
        };
        (Arc::new(connection), commands)
    }

    /// The latest connection's number, 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    pub(crate) fn open(&self, connection: &Arc<Connection>) {
        self.open.locked().insert(connection.id, connection.clone());
    }

    pub(crate) fn close(&self, connection: &Connection) {
        self.open.locked().remove(&connection.id);
    }

    /// The open connections that fit, oldest first.
    pub(crate) fn which(&self, fits: impl Fn(&Connection) -> bool) -> Vec<Arc<Connection>> {
        let open = self.open.locked();
        open.values().filter(|c| fits(c)).cloned().collect()
    }

    /// The open connections of one user on one service, oldest first.
    pub(crate) fn of_user(&self, service: Service, user: &str) -> Vec<Arc<Connection>> {
        self.which(|c| c.service == service && c.user().as_deref() == Some(user))
    }

    /// What there is to tell of all of them.
    pub(crate) fn info(&self) -> Vec<ConnectionInfo> {
        let tell = |c: &Arc<Connection>| ConnectionInfo {
            connection: c.id,
            number: c.number,
            service: c.service,
            user: c.user(),
            path: c.path.clone(),
            topics: c.topics(),
            since: humantime::format_rfc3339_millis(c.since).to_string(),
        };
        self.which(|_| true).iter().map(tell).collect()
    }
}
