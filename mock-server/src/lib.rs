//! A server that speaks five realtime protocols for real and misbehaves on command.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use steadfast_mock_server::{MockServer, Options, Service};
//!
//! let server = MockServer::start(Options::for_tests()).await?;
//! let url = server.socket_url(Service::Charisma, "");
//! let token = server.token("u1");
//! // … connect a client to `url`, have it subscribe `session_1`, then:
//! server.emit(Service::Charisma, "session_1", None, serde_json::json!({"status": "complete"}))?;
//! server.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! The binary `mock-server` is this library behind a command line.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod auth;
mod clock;
mod connection;
mod console;
mod control;
mod faults;
mod howto;
mod http;
mod hub;
mod limits;
mod options;
mod page;
mod report;
mod requests;
mod scenario;
mod server;
mod service;
mod services;
mod switches;
mod sync;
mod topic;
mod wire;
mod wording;
mod world;
mod ws;

pub use auth::{AuthMode, Authority, BadToken, Identity, IssuedToken};
pub use connection::ConnectionInfo;
pub use console::{Lines, LogFormat};
pub use control::{Control, ControlError, Filter, TokenInfo, UserInfo};
pub use faults::action::Action;
pub use faults::catalogue::{CATALOGUE, Example, KnownFault, Level};
pub use faults::frame::FrameFault;
pub use faults::http::HttpFault;
pub use faults::message::MessageFault;
pub use faults::protocol::ProtocolFault;
pub use faults::rule::{Match, Rule, RuleInfo, When};
pub use faults::tcp::{How, TcpFault};
pub use howto::{HowTo, first_steps};
pub use hub::TopicInfo;
pub use options::{DEFAULT_SECRET, Options, OptionsError, Tls, TlsFiles};
pub use report::journal::{By, Entry, Follower, Happening, Journal};
pub use report::junit::{Case, Failure, Suite};
pub use report::verdicts::{Connects, Finding, Report, Ruling, Verdict};
pub use scenario::file::{Scenario, ScenarioError};
pub use scenario::ready::{default_flows, ready_scenarios};
pub use server::{EmitError, MockServer};
pub use service::Service;
pub use switches::{Accepts, Switch, SwitchError, Switches};
