//! The handle of a client of any service.

use std::sync::Arc;

use futures_util::StreamExt;

use super::{Confirmed, Events, Options, Pending, Subscription, TopicSnapshot};
use crate::command::{Command, CommandError, Delivery, Request};
use crate::config::{ConfigError, Service};
use crate::driver::Platform;
use crate::driver::ring::Ring;
use crate::driver::run::Driver;
use crate::driver::shared::{Clock, Shared};
#[cfg(all(feature = "web", target_arch = "wasm32"))]
use crate::driver::web::{self, Web};
use crate::event::ConnectionState;
use crate::io::{Input, Reachability, Secret, Token, Visibility};
use crate::machine::{DevContextState, Diagnosis, Machine, Stats};

/// A client of any service. Clones are the same client; when the last clone, subscription and stream of events are
/// gone, it closes.
///
/// All methods may be called from any thread and return at once; what can be waited for is a future.
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// Makes a client on the tokio runtime this is called in. It opens nothing yet.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    #[cfg(feature = "native")]
    pub fn new(options: Options) -> Result<Self, ConfigError> {
        Self::on(options, tokio::runtime::Handle::current())
    }

    /// Makes a client on this tokio runtime, which needs I/O and time.
    #[cfg(feature = "native")]
    pub fn on(mut options: Options, runtime: tokio::runtime::Handle) -> Result<Self, ConfigError> {
        let native = std::mem::take(&mut options.native);
        Self::with_platform(options, crate::driver::native::Native::new(native, runtime)?)
    }

    /// Makes a client in a browser: in a page or in a worker. It opens nothing yet, and follows the network and the
    /// page's visibility by itself.
    #[cfg(all(feature = "web", target_arch = "wasm32"))]
    pub fn new(options: Options) -> Result<Self, ConfigError> {
        let (handle, driver) = Self::prepare(options, Web)?;
        let watched = web::watching(Arc::downgrade(&handle.shared), driver);
        Web.spawn(watched);
        Ok(handle)
    }

    /// Here it fails: the feature `web` alone is for browsers. So an app that is also rendered on a server compiles there.
    #[cfg(not(any(feature = "native", target_arch = "wasm32")))]
    pub fn new(_: Options) -> Result<Self, ConfigError> {
        let help =
            "this program runs outside a browser; there, switch on the feature `native` of `steadfast`";
        Err(ConfigError::new("platform", help))
    }

    /// Makes a client on any host.
    pub fn with_platform<P: Platform + Clone>(options: Options, platform: P) -> Result<Self, ConfigError> {
        let (handle, driver) = Self::prepare(options, platform.clone())?;
        platform.spawn(driver);
        Ok(handle)
    }

    fn prepare<P: Platform + Clone>(options: Options, platform: P) -> Result<(Self, Driver<P>), ConfigError> {
        let Options { mut config, ring_events, ring_bytes, log_frames, provider, .. } = options;
        if config.seed == 0 {
            config.seed = random_seed();
        }
        if matches!(config.token, crate::TokenSource::Provider) && provider.is_none() {
            return Err(ConfigError::new(
                "token",
                "a provider is announced but not given; call token_provider()",
            ));
        }
        let machine = Machine::new(config, platform.caps())?;
        let clock: Arc<dyn Clock> = Arc::new(platform.clone());
        let shared = Shared::new(machine, Ring::new(ring_events, ring_bytes), clock, log_frames);
        let handle = Self::of(&shared);
        Ok((handle, Driver::new(platform, shared, provider)))
    }

    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        shared.retain();
        Self { shared: Arc::clone(shared) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Which service this is a client of.
    pub fn service(&self) -> Service {
        self.shared.lock().machine.service()
    }

    /// Connects now: skips any wait and re-arms a client that has failed.
    pub fn connect(&self) {
        self.fire(Command::Connect);
    }

    /// As [`Self::connect`], also when another connection of this user has the place.
    pub fn take_over(&self) {
        self.fire(Command::TakeOver);
    }

    /// Uses this token from now on; re-arms a client whose authentication failed.
    pub fn set_token(&self, token: impl Into<String>) {
        self.fire(Command::SetToken(Token::read(token)));
    }

    /// Waits until messages flow. Fails with the reason if that won't happen by itself.
    pub async fn ready(&self) -> Result<(), CommandError> {
        Pending::submit(&self.shared, Command::WaitReady).await.map(drop)
    }

    /// Subscribes to a topic. It is asked for as soon as there is a connection, and again after every reconnect, until
    /// the subscription is dropped. An unusable id is refused here.
    pub fn subscribe(&self, topic: impl Into<String>) -> Result<Subscription, CommandError> {
        Subscription::new(&self.shared, topic.into(), false)
    }

    /// As [`Self::subscribe`], but the subscription goes on through the topic's end.
    pub fn subscribe_and_keep(&self, topic: impl Into<String>) -> Result<Subscription, CommandError> {
        Subscription::new(&self.shared, topic.into(), true)
    }

    /// All events of this client from now on.
    pub fn events(&self) -> Events {
        Events::new(&self.shared)
    }

    /// Sends a request; it waits for the connection up to 30 s. See [`Request`] for what each service has.
    pub fn request(&self, request: Request) -> Pending {
        let delivery = match request {
            Request::Ping | Request::SendRaw { .. } => Delivery::FailFast,
            _ => Delivery::default(),
        };
        self.request_with(request, delivery)
    }

    /// Sends a request with a delivery of your choice.
    pub fn request_with(&self, request: Request, delivery: Delivery) -> Pending {
        if let Request::SendRaw { payload, .. } = &request
            && !payload.expose().is_empty()
            && let Err(error) = crate::messages::Json::parse(payload.expose())
        {
            let error = CommandError {
                kind: crate::CommandErrorKind::Invalid,
                code: None,
                message: format!("payload: it is not one JSON value: {error}"),
                retryable: false,
                sent: crate::Sent::No,
            };
            return Pending::refused(&self.shared, error);
        }
        Pending::submit(&self.shared, Command::Request(request, delivery))
    }

    /// Sends a message that this SDK does not know; `payload` is one JSON value, or empty for none. It is confirmed
    /// when written; a reply arrives as an event.
    pub async fn send_raw(
        &self,
        kind: impl Into<String>,
        payload: impl Into<String>,
    ) -> Result<Confirmed, CommandError> {
        self.request(Request::SendRaw { kind: kind.into(), payload: Secret::new(payload) }).await
    }

    /// The state of the connection.
    pub fn state(&self) -> ConnectionState {
        self.shared.lock().machine.state().clone()
    }

    /// The client's state in the words of DevContext's documentation. [devcontext §8.3]
    pub(crate) fn devcontext_state(&self) -> DevContextState {
        match self.shared.lock().machine.devcontext_state() {
            Some(DevContextState::Disconnecting) if self.shared.has_ended() => DevContextState::Disconnected,
            state => state.unwrap_or(DevContextState::Disconnected),
        }
    }

    /// The last known picture of a topic.
    pub fn snapshot(&self, topic: &str) -> Option<TopicSnapshot> {
        self.shared.lock().snapshot(topic)
    }

    /// Why the client is in the state it is in, for people and as JSON, without secrets.
    pub fn diagnose(&self) -> Diagnosis {
        self.shared.lock().machine.diagnose()
    }

    /// What the client has counted.
    pub fn stats(&self) -> Stats {
        self.shared.lock().machine.stats()
    }

    /// The network changed, or came or went.
    pub fn network_changed(&self, reachability: Reachability) {
        self.shared.input(Input::Network(reachability));
    }

    /// The app went to the background: after 25 s there its socket is closed.
    pub fn background(&self) {
        self.shared.input(Input::Visibility(Visibility::Background));
    }

    /// The app came to the foreground: it connects at once.
    pub fn foreground(&self) {
        self.shared.input(Input::Visibility(Visibility::Visible));
    }

    /// Closes everything; every waiting command ends `Closed`. Resolves when nothing is left running.
    pub async fn shutdown(&self) {
        self.fire(Command::Shutdown);
        let mut rest = self.shared.ring.reader_after(self.shared.ring.last());
        while rest.next().await.is_some() {}
    }

    /// A command that is done when it is handed in.
    fn fire(&self, command: Command) {
        let now = self.shared.clock.now();
        let mut core = self.shared.lock();
        let id = core.new_id();
        self.shared.hand(&mut core, now, Input::Command(id, command));
        drop(core);
        self.shared.waker.wake();
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::of(&self.shared)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.release();
    }
}

impl core::fmt::Debug for Handle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Handle").field("service", &self.service()).field("state", &self.state()).finish()
    }
}

/// Where delays begin at random: different in every client of every page.
#[cfg(all(feature = "web", target_arch = "wasm32"))]
fn random_seed() -> u64 {
    // The standard library has no randomness here.
    (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64 | 1
}

/// Where delays begin at random: different in every client of every process.
#[cfg(not(all(feature = "web", target_arch = "wasm32")))]
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish() | 1
}
