//! The five services.
//!
//! # How a service is built
//!
//! A service is one implementation of [`Personality`], named in [`personality`]. It says
//!
//! - which addresses it serves ([`Personality::routes`], relative to `/<slug>`): a WebSocket address calls
//!   [`crate::ws::knock`], decides, and then [`Knock::refuse`](crate::ws::Knock::refuse)s or
//!   [`Knock::accept`](crate::ws::Knock::accept)s with a [`Session`](crate::ws::Session); REST handlers answer JSON
//!   or an [`ApiError`](crate::http::ApiError);
//! - what a topic does by itself ([`Personality::flow`]): a list of [`Beat`]s;
//! - how a frame made from flow or `POST /_mock/emit` becomes complete and what stays of it
//!   ([`Personality::emitted`], [`Personality::complete`], [`Personality::absorb`]).
//!
//! Subscribing, access, delivery and current state are the hub's ([`crate::hub::Hub`]); the journal and the faults are
//! asked where frames cross the wire, in `ws.rs`. A transport of another kind than JSON over WebSocket registers its
//! connection with `world.connections`, reads the connection's `Command`s, and asks `world.faults.at_upgrade` and
//! `world.faults.at_frame` at the same three places; [`socketio`] is such a one, and its services implement
//! [`socketio::Dialect`]. What a service keeps beside topics goes into [`Stores`].
//! Its behaviours that can be told otherwise are switches in `switches.rs`.

use std::fmt;
use std::time::{Duration, SystemTime};

use axum::Router;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::connection::Frame;
use crate::hub::Beat;
use crate::topic::Meaning;
use crate::world::World;

mod charisma;
mod devcontext;
mod docproc;
mod saga;
mod socketio;
mod therapybridge;

/// One of the five services, written as its slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Screenshot sessions: upload, OCR, analysis.
    Charisma,
    /// Progress of therapy session recordings, one connection for each.
    TherapyBridge,
    /// Family biographies: project rooms over Socket.IO.
    Saga,
    /// Document processing sessions over Socket.IO.
    DocProc,
    /// Repository analyses and live mock interviews.
    DevContext,
}

impl Service {
    /// All five, in the order of their documents.
    pub const ALL: [Service; 5] =
        [Service::Charisma, Service::TherapyBridge, Service::Saga, Service::DocProc, Service::DevContext];

    /// The name in URLs, options and JSON.
    pub fn slug(self) -> &'static str {
        match self {
            Service::Charisma => "charisma",
            Service::TherapyBridge => "therapybridge",
            Service::Saga => "saga",
            Service::DocProc => "docproc",
            Service::DevContext => "devcontext",
        }
    }

    /// The port an app in development expects it on.
    pub fn dev_port(self) -> u16 {
        match self {
            Service::Charisma => 8080,
            Service::TherapyBridge => 8000,
            Service::Saga => 3001,
            Service::DocProc => 3000,
            Service::DevContext => 8081,
        }
    }

    /// The path of its realtime endpoint, relative to the service.
    pub fn socket_path(self) -> &'static str {
        match self {
            Service::Charisma => "/ws",
            Service::TherapyBridge => "/api/sessions/ws/{session_id}",
            Service::Saga | Service::DocProc => "/socket.io/",
            Service::DevContext => "/v1/ws",
        }
    }

    /// A role with which everything that is not someone else's can be tried; services without roles take any.
    pub fn usual_role(self) -> &'static str {
        match self {
            Service::TherapyBridge => "therapist",
            Service::Saga => "storyteller",
            Service::Charisma | Service::DocProc | Service::DevContext => "user",
        }
    }

    /// Whether clients begin with an HTTP URL (Socket.IO) instead of a WebSocket one.
    pub fn is_socket_io(self) -> bool {
        matches!(self, Service::Saga | Service::DocProc)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// What tells one service from another.
pub(crate) trait Personality: Send + Sync {
    /// Its addresses, relative to its prefix.
    fn routes(&self) -> Router<World>;

    /// What a topic does by itself from its first subscription on. Must not call the hub.
    fn flow(&self, world: &World, topic: &str, meaning: Option<Meaning>) -> Vec<Beat>;

    /// The frame for something a tester emits on a topic; an error says what is missing.
    fn emitted(&self, topic: &str, event: Option<&str>, data: Value) -> Result<Frame, String>;

    /// Adds what every frame carries and this one lacks (ids, timestamps) just before it goes out.
    fn complete(&self, topic: &str, state: &Value, frame: &mut Frame);

    /// Keeps what late subscribers and REST need to know of a frame. The state begins as null.
    fn absorb(&self, state: &mut Value, frame: &Frame);

    /// The name under which `POST /_mock/confirm` lets a topic's flow go on, if it ever waits.
    fn confirmation(&self) -> Option<&'static str> {
        None
    }
}

/// The personality of a service.
pub(crate) fn personality(service: Service) -> &'static dyn Personality {
    match service {
        Service::Charisma => &charisma::Charisma,
        Service::TherapyBridge => &therapybridge::TherapyBridge,
        Service::DevContext => &devcontext::DevContext,
        Service::Saga => &saga::Saga,
        Service::DocProc => &docproc::DocProc,
    }
}

/// What single services keep beside topics.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    pub(crate) therapybridge: therapybridge::Connects,
    pub(crate) devcontext: devcontext::Interviews,
    pub(crate) saga: saga::Store,
    /// The Socket.IO sessions that are open; they outlast a reset.
    pub(crate) sessions: socketio::Sessions,
}

impl Stores {
    /// Forgets all of it.
    pub(crate) fn reset(&self) {
        self.therapybridge.reset();
        self.devcontext.reset();
        self.saga.reset();
    }
}

/// Sets a field of a JSON object if it is not there yet.
pub(crate) fn default_field(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.entry(key).or_insert_with(|| value.into());
    }
}

/// The instant of the monotonic clock at which a wall clock's time will have come.
pub(crate) fn due_at(time: SystemTime) -> Instant {
    let left = time.duration_since(SystemTime::now()).unwrap_or_default();
    // A far future is as good as never, and must not overflow the clock. A wall clock's millisecond is rounded up.
    Instant::now() + left.min(Duration::from_secs(1 << 30)) + Duration::from_millis(1)
}
