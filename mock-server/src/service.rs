//! The names of the five services; what they do is in `services/`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the five services, or echo mode, written as its slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
    /// No service but echo mode, which the public test suites of Engine.IO and Socket.IO run against.
    Echo,
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
            Service::Echo => "echo",
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
            Service::Echo => 3000,
        }
    }

    /// The path of its realtime endpoint, relative to the service.
    pub fn socket_path(self) -> &'static str {
        match self {
            Service::Charisma => "/ws",
            Service::TherapyBridge => "/api/sessions/ws/{session_id}",
            Service::Saga | Service::DocProc | Service::Echo => "/socket.io/",
            Service::DevContext => "/v1/ws",
        }
    }

    /// A role with which everything that is not someone else's can be tried; services without roles take any.
    pub fn usual_role(self) -> &'static str {
        match self {
            Service::TherapyBridge => "therapist",
            Service::Saga => "storyteller",
            Service::Charisma | Service::DocProc | Service::DevContext | Service::Echo => "user",
        }
    }

    /// Whether clients begin with an HTTP URL (Socket.IO) instead of a WebSocket one.
    pub fn is_socket_io(self) -> bool {
        matches!(self, Service::Saga | Service::DocProc | Service::Echo)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}
