//! Keeps an app attached to a long-running server job: connects, authenticates, subscribes, notices when the
//! connection is dead, backs off, connects again, subscribes again, and says what may have been missed.
//!
//! It speaks the protocols of five services: Charisma, `TherapyBridge`, Saga, `DocProc` and `DevContext`. Whatever the
//! service, an app sees the same three things: the [state of the connection](ConnectionState), the
//! [state of each subscription](SubscriptionState), and a [picture of each topic](Snapshot) with its progress.
//!
//! # For apps
//!
//! A `client::Client` connects by itself when there is something to do. A subscription is a stream; it lasts through
//! any number of lost connections and ends when the topic has ended or is refused.
//!
//! ```no_run
//! # #[cfg(feature = "native")]
//! # mod app {
//! use steadfast::client::{CharismaClient, TopicEvent, Update};
//! use steadfast::messages::charisma;
//! use steadfast::{Endpoint, SubscriptionState};
//!
//! # async fn follow() -> Result<(), Box<dyn std::error::Error>> {
//! let client = CharismaClient::connect_to(Endpoint::Url("ws://127.0.0.1:8090/charisma".into()), "my-token")?;
//! let mut session = client.session("session_123")?;
//! session.live().await?; // an error where trying again is of no use
//! while let Some(update) = session.next().await {
//!     match update {
//!         Update::Message(message) => match message.data() {
//!             charisma::Message::SessionStatus(status) => println!("{}", status.status),
//!             charisma::Message::SessionUploadProgress(_) => println!("{:?}", message.progress),
//!             _ => {}
//!         },
//!         Update::Other(TopicEvent::Gap { recovered: false, .. }) => println!("something may be missed"),
//!         Update::Other(TopicEvent::State(SubscriptionState::Refused { why })) => println!("refused: {why}"),
//!         Update::Other(_) => {}
//!     }
//! }
//! client.shutdown().await;
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! What the connection does meanwhile, and why, is in `client.events()` and `client.state()`; `client.diagnose()` puts it
//! into words. A subscription of a client that has failed (its token is refused, say) waits for `set_token` or `connect`.
//!
//! In a browser the same code runs with the feature `web` in place of `native`, in a page or in a worker: spawn it where
//! your framework spawns futures (Leptos, Yew and Dioxus: `spawn_local` or an effect). Clients and subscriptions can be
//! kept in a framework's context and signals. A client there follows the network and the page's visibility by itself;
//! drop it, or its last subscription, and it hangs up.
//!
//! ```toml
//! [target.'cfg(target_arch = "wasm32")'.dependencies]
//! steadfast = { version = "0.1", default-features = false, features = ["web"] }
//! ```
//!
//! Tokens that expire come from a provider (`Options::token_provider`); every limit and time is a field of [`Config`].
//! Commands (`submit_answer`, `respond_to_clarification` and the others of `client::Client`) end in exactly one
//! outcome: a reply or a [`CommandError`] that says whether it was sent.
//!
//! Notes such as \[devcontext §2\] name a section of the protocols' pages, `docs/protocols` in the repository.
//!
//! # For hosts: the run loop of the machine
//!
//! All decisions are made by a [`Machine`] without sockets, clocks, threads or randomness of its own. Inputs and the
//! time go in, outputs come out, and the same inputs always give the same outputs. Who brings sockets of another kind
//! keeps to this contract:
//!
//! 1. Hand in **one** input with the current [`Now`]: [`Machine::handle`] for everything that happens, and
//!    [`Machine::frame`] for a frame that `messages::read` has read.
//! 2. Then drain [`Machine::poll`] until it is empty, and carry the outputs out **in order**. After `frame` that is
//!    needed only if the verdict has [`Verdict::POLL`].
//! 3. Wait for the next input, at most until [`Machine::deadline`]; then hand in [`Input::Tick`]. A tick that comes
//!    early or late does no harm.
//! 4. Every [`Output::Open`] is answered by [`Input::Opened`] or [`Input::Closed`], an opened socket ends in one
//!    `Closed` unless the machine closed it first, every [`Output::FetchToken`] by [`Input::Token`] with its
//!    generation, and every [`Output::Http`] by [`Input::Http`] unless it was aborted. Answers that come too late are
//!    recognised and ignored.
//! 5. A frame goes to the app by its verdict, at once ([`Verdict::DELIVER`]), or is kept ([`Verdict::HOLD`]) until
//!    [`Output::Release`] names it.
//!
//! ```
//! # #[cfg(not(feature = "typed"))] fn main() {}
//! # #[cfg(feature = "typed")] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use steadfast::*;
//!
//! fn drain(machine: &mut Machine) -> Vec<Output> {
//!     std::iter::from_fn(|| machine.poll()).collect()
//! }
//!
//! fn opened(outputs: &[Output]) -> Option<SocketId> {
//!     outputs.iter().find_map(|output| match output {
//!         Output::Open(socket, _request) => Some(*socket),
//!         _ => None,
//!     })
//! }
//!
//! let mut machine = Machine::new(Config::new(Service::Charisma, Endpoint::Development), HostCaps::NATIVE)?;
//! let mut now = Now { mono: 0, unix: 1_700_000_000_000 };
//!
//! // A topic is wanted, so the machine asks for a socket; once that is open, it subscribes.
//! let topic = "session_1".to_owned();
//! machine.handle(now, Input::Command(CommandId(1), Command::Subscribe { topic, keep: false }));
//! let socket = opened(&drain(&mut machine)).expect("a socket is asked for");
//! machine.handle(now, Input::Opened(socket));
//! assert!(drain(&mut machine).iter().any(|output| matches!(output, Output::Send(on, _) if *on == socket)));
//!
//! // A frame is read once, outside; the machine sees its envelope.
//! let text = r#"{"type":"subscribed","sessionId":"session_1"}"#;
//! let frame = messages::read(Service::Charisma, text).expect("a frame of this service");
//! let verdict = machine.frame(now, socket, text.len(), frame.head, &frame.envelope());
//! if verdict.has(Verdict::POLL) {
//!     drain(&mut machine);
//! }
//! assert_eq!(machine.subscription("session_1"), Some(SubscriptionState::Live));
//!
//! // The connection is lost. The machine says why it waits and until when, and then asks for the next socket.
//! machine.handle(now, Input::Closed(socket, DisconnectReason::Network("reset".into())));
//! drain(&mut machine);
//! assert!(matches!(machine.state(), ConnectionState::Waiting { attempt: 2, .. }));
//! while opened(&drain(&mut machine)).is_none() {
//!     now.mono = machine.deadline().expect("something is due");
//!     machine.handle(now, Input::Tick);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `native` (default) | the client, on tokio and rustls |
//! | `web` | the client in a browser, for `wasm32-unknown-unknown`; without the default features |
//! | `typed` (default) | every message as a struct, and the reader; `messages` |
//! | `schema` | JSON Schema of every message |
//! | `uniffi` | the records as `UniFFI` has them |
//! | none | the machine alone: `no_std` with `alloc`, no dependencies |
#![cfg_attr(all(not(feature = "std"), not(test)), no_std)]
#![cfg_attr(not(feature = "uniffi"), forbid(unsafe_code))]
// No panic: it would take the app with it, and its machinery is a fifth of what a browser loads.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

extern crate alloc;

#[cfg(any(feature = "native", feature = "web"))]
pub mod client;
pub mod command;
pub mod config;
mod dialect;
#[cfg(any(feature = "native", feature = "web"))]
pub mod driver;
pub mod envelope;
pub mod event;
#[doc(hidden)]
pub mod faults;
#[cfg(feature = "uniffi")]
#[expect(clippy::disallowed_types, reason = "what UniFFI passes as a map is a HashMap")]
pub mod ffi;
pub mod io;
#[doc(hidden)]
pub mod json;
pub mod machine;
pub mod map;
#[cfg(feature = "typed")]
pub mod messages;
pub mod snapshot;
pub mod socketio;
mod text;
pub mod time;
mod url;

pub use command::{
    Command, CommandError, CommandErrorKind, CommandId, Delivery, Reply, Request, Sent, SessionType,
};
pub use config::{AuthMode, Config, ConfigError, Endpoint, Limits, Reconnect, Service, Timings, TokenSource};
pub use envelope::{Envelope, Handshake, Head, Kind, Numbers, Stage, Stages, Status, Verdict};
pub use event::{ConnectionState, Event, InterviewState, NoticeKind, SubscriptionState, Why, WhyKind};
pub use io::{
    CloseReason, ConnectRequest, DisconnectReason, FrameId, HostCaps, HttpError, HttpId, HttpReply,
    HttpRequest, Input, Output, Reachability, Secret, SocketId, Token, TokenError, Violation, Visibility,
};
pub use machine::{Again, DevContextState, Diagnosis, Machine, Stats};
pub use snapshot::{Item, Phase, Snapshot};
pub use time::Now;
pub use url::redact as redact_url;

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!("steadfast");
