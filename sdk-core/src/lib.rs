//! Keeps an app attached to a long-running server job.
#![cfg_attr(all(not(feature = "std"), not(test)), no_std)]
#![cfg_attr(not(feature = "uniffi"), forbid(unsafe_code))]

extern crate alloc;

#[cfg(feature = "native")]
pub mod client;
pub mod command;
pub mod config;
mod dialect;
#[cfg(feature = "native")]
pub mod driver;
pub mod envelope;
pub mod event;
#[doc(hidden)]
pub mod faults;
pub mod io;
#[doc(hidden)]
pub mod json;
pub mod machine;
#[cfg(feature = "typed")]
pub mod messages;
pub mod snapshot;
pub mod socketio;
pub mod time;
mod url;

pub use command::{
    Command, CommandError, CommandErrorKind, CommandId, Delivery, Reply, Request, Sent, SessionType,
};
pub use config::{AuthMode, Config, ConfigError, Endpoint, Limits, Reconnect, Service, Timings, TokenSource};
pub use envelope::{Envelope, Handshake, Head, Kind, Stage, Stages, Status, Verdict};
pub use event::{ConnectionState, Event, InterviewState, NoticeKind, SubscriptionState, Why, WhyKind};
pub use io::{
    CloseReason, ConnectRequest, DisconnectReason, FrameId, HostCaps, HttpError, HttpId, HttpReply,
    HttpRequest, Input, Output, Reachability, Secret, SocketId, Token, TokenError, Violation, Visibility,
};
pub use machine::{Diagnosis, Machine, Stats};
pub use snapshot::{Item, Phase, Snapshot};
pub use time::Now;
pub use url::redact as redact_url;

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!("steadfast");
