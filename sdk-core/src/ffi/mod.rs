//! The client as Swift, Kotlin and Python have it, exported by UniFFI.
//!
//! Everything is in this crate, so that one module comes out per language. Each language tops it with a thin layer of
//! its own: typed clients and sessions, streams in its manner. Nothing here decides anything: what a state means is the
//! machine's business.
//!
//! * **One runtime** of ours with one thread serves all clients ([`runtime`]); exported futures only wait for channels,
//!   so that any executor may poll them.
//! * **One primitive reads events**: [`Replay::next_after`](replay::Replay::next_after) gives the event after a number
//!   that the caller owns. A call that is cancelled after it was answered loses nothing: the next one asks the same.
//! * **Foreign code** (listeners, loggers, token providers) is called without any lock, on a thread on which it may
//!   block. What it throws is an error or a line in the log, never a panic.
//! * **No call that is declared not to fail does**: in Swift that would end the app (`try!` in the generated code). Such
//!   calls parse nothing, and what panics is denied in the whole crate; the test `whatever_an_app_says…` tries them.
//!   Whatever can go wrong by what an app gives (options, a topic, a payload) is in calls that return an error.

mod client;
mod commands;
mod error;
mod event;
mod foreign;
mod logger;
mod options;
mod replay;
mod runtime;
mod session;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod token;
mod types;

pub use client::NativeClient;
pub use error::SteadfastError;
pub use event::{ClientEvent, SessionEvent};
pub use foreign::{CallbackError, CancelHandle, EventListener, ServerTrust};
pub use logger::{LogLevel, Logger, log_failure, set_logger};
pub use options::{ClientOptions, LimitOptions, ReconnectOptions, TimingOptions};
#[doc(hidden)]
#[cfg(debug_assertions)]
pub use runtime::live_tasks;
pub use runtime::stop_threads;
pub use session::{
    NativeClientReader, NativeSession, NativeSessionReader, NextClientEvent, NextSessionEvent,
};
pub use token::{NativeTokenProvider, TokenError, give_token, refuse_token};
pub use types::{
    ConnectionState, Diagnosis, Item, Message, Snapshot, Stats, SubscriptionState, Violation, Why,
};
