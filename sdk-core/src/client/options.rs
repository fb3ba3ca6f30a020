//! What a client is told before it starts, with what only a program with sockets of its own can set.

use core::fmt;
use std::sync::Arc;

use super::TokenProvider;
use crate::config::{Config, Endpoint, Service, TokenSource};
use crate::driver::ring::{DEFAULT_BYTES, DEFAULT_EVENTS};
use crate::io::Token;

/// What a client is told before it starts.
///
/// ```
/// use steadfast::{Endpoint, Service, client::Options};
///
/// let mut options = Options::new(Service::Charisma, Endpoint::Development).token("my-token");
/// options.config.reconnect.jitter = false;
/// ```
#[derive(Clone)]
pub struct Options {
    /// Everything that all hosts share.
    pub config: Config,
    /// Sockets and TLS.
    #[cfg(feature = "native")]
    pub native: crate::driver::native::NativeOptions,
    /// How many events are kept for slow readers. Default: 1,024.
    pub ring_events: usize,
    /// How many bytes of events are kept for slow readers. Default: 1 MiB.
    pub ring_bytes: usize,
    /// Whether the text of frames is logged too, at level TRACE and without tokens: it may be personal. Default: false.
    pub log_frames: bool,
    pub(crate) provider: Option<Arc<dyn TokenProvider>>,
}

impl Options {
    /// The defaults of a service.
    pub fn new(service: Service, endpoint: Endpoint) -> Self {
        Self::from(Config::new(service, endpoint))
    }

    /// Always this token. It is not refreshed; when it expires, the server's refusal decides.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.config.token = TokenSource::Static(Token::read(token));
        self.provider = None;
        self
    }

    /// Asks for a token before every attempt, and ahead of its expiry.
    ///
    /// ```
    /// # use steadfast::{Endpoint, Service, TokenError, client::Options};
    /// # async fn sign_in() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// let options = Options::new(Service::Saga, Endpoint::Development).token_provider(|_force: bool| async {
    ///     sign_in().await.map_err(|error| TokenError::Unavailable(error.to_string()))
    /// });
    /// ```
    #[must_use]
    pub fn token_provider(mut self, provider: impl TokenProvider) -> Self {
        self.config.token = TokenSource::Provider;
        self.provider = Some(Arc::new(provider));
        self
    }
}

impl From<Config> for Options {
    fn from(config: Config) -> Self {
        Self {
            config,
            #[cfg(feature = "native")]
            native: crate::driver::native::NativeOptions::default(),
            ring_events: DEFAULT_EVENTS,
            ring_bytes: DEFAULT_BYTES,
            log_frames: false,
            provider: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("config", &self.config).finish_non_exhaustive()
    }
}
