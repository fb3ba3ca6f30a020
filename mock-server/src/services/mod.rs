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
//! - how a frame made from flow or `POST /_mock/emit` becomes complete and what stays of it
//!   ([`Personality::emitted`], [`Personality::complete`], [`Personality::absorb`]).
//!
//! What a topic does by itself is a scenario's file called like the service, see [`crate::scenario`].
//! Subscribing, access, delivery and current state are the hub's ([`crate::hub::Hub`]); the journal and the faults are
//! asked where frames cross the wire, in `ws.rs`. A transport of another kind than JSON over WebSocket registers its
//! connection with `world.connections`, reads the connection's `Command`s, and asks `world.faults.at_upgrade` and
//! `world.faults.at_message` at the same places; [`socketio`] is such a one, and its services implement
//! [`socketio::Dialect`]. What a service keeps beside topics goes into [`Stores`].
//! Its behaviours that can be told otherwise are switches in `switches.rs`.

use std::time::{Duration, SystemTime};

use axum::Router;
use serde_json::Value;
use tokio::time::Instant;

use crate::connection::Frame;
use crate::service::Service;
use crate::world::World;

mod charisma;
mod devcontext;
mod docproc;
mod echo;
mod payload;
mod saga;
pub(crate) mod socketio;
mod therapybridge;

/// What tells one service from another.
pub(crate) trait Personality: Send + Sync {
    /// Its addresses, relative to its prefix.
    fn routes(&self) -> Router<World>;

    /// Whether this topic never moves by itself. Must not call the hub.
    fn is_still(&self, _world: &World, _topic: &str) -> bool {
        false
    }

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
        Service::Echo => &echo::Echo,
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
