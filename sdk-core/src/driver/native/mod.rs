//! The host for programs with sockets of their own: tokio, tokio-tungstenite, rustls and hyper.
//!
//! **Tokens and logs.** tungstenite writes every request and every frame it sends into `log` at TRACE, tokens included,
//! and a library may neither lower the level for a whole program nor choose the `log` features of others. So what may
//! hold a token does not pass through its printing parts: the upgrade request is hyper's (`http.rs`), which logs
//! nothing, and text frames are written by us (`wire.rs`). What it still prints at TRACE is what the *server* sent, and
//! pongs. rustls is built without its logging; our own lines (target `steadfast`) name host and port, never a URL.
//! A test lets everything log at its loudest and looks for a token. [rules §2.15]

mod ahead;
mod dial;
mod http;
mod socket;
mod target;
mod tls;
mod trust;
mod watch;
mod wire;

use core::fmt;
use core::future::Future;
use core::time::Duration;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::ClientConfig;
use rustls::crypto::SecureRandom;
use rustls::pki_types::CertificateDer;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::time::Instant;

pub use socket::NativeSocket;
pub use trust::{ServerTrust, Trust};

use super::{HttpAnswer, Platform};
use crate::config::ConfigError;
use crate::io::{ConnectRequest, DisconnectReason, HostCaps, HttpError, HttpRequest};
use crate::time::Now;

/// More helps nothing, and a mistaken number would end the program.
const MAX_READ_BUFFER: usize = 16 * 1024 * 1024;

/// What can be set about sockets and TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeOptions {
    /// Certificates in PEM that are trusted besides the platform's roots. Default: none.
    pub extra_roots: Vec<String>,
    /// Whom the app trusts, in place of all roots. Default: the roots decide.
    pub trust: Option<Trust>,
    /// How long one message may take from its first byte to its last. Default: 30 s.
    pub message_time: Duration,
    /// How many bytes may wait for a server that doesn't read; more end the connection. Default: 2 MiB.
    pub write_buffer: usize,
    /// The read buffer of a connection, which an idle one keeps. Default: 4 KiB; at least 1 KiB. A flood is read in
    /// larger pieces, whatever this says.
    pub read_buffer: usize,
}

impl Default for NativeOptions {
    fn default() -> Self {
        Self {
            extra_roots: Vec::new(),
            trust: None,
            message_time: Duration::from_secs(30),
            write_buffer: 2 * 1024 * 1024,
            read_buffer: 4 * 1024,
        }
    }
}

/// A host on a tokio runtime. Clones share everything.
#[derive(Clone)]
pub struct Native {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    options: NativeOptions,
    extra_roots: Vec<CertificateDer<'static>>,
    /// Made at the first `wss` or `https` URL: a client of a plain one needs no roots.
    tls: OnceCell<Arc<ClientConfig>>,
    random: &'static dyn SecureRandom,
    runtime: Handle,
    start: Instant,
}

impl Native {
    /// A host on this runtime, which needs its I/O and time drivers. The extra roots are checked here.
    pub fn new(options: NativeOptions, runtime: Handle) -> Result<Self, ConfigError> {
        let mut extra_roots = Vec::new();
        for pem in &options.extra_roots {
            extra_roots.extend(tls::read_pem(pem).map_err(|error| ConfigError::new("extra_roots", error))?);
        }
        if options.trust.is_some() && !extra_roots.is_empty() {
            return Err(ConfigError::new(
                "extra_roots",
                "the app decides whom to trust; give either of the two",
            ));
        }
        if options.read_buffer < 1024 {
            return Err(ConfigError::new("read_buffer", "needs at least 1024 bytes"));
        }
        if options.read_buffer > MAX_READ_BUFFER {
            return Err(ConfigError::new(
                "read_buffer",
                "every connection takes it at once; give at most 16 MiB",
            ));
        }
        if options.message_time.is_zero() {
            return Err(ConfigError::new(
                "message_time",
                "no message arrives in no time; the default is 30 s",
            ));
        }
        let shared = Shared {
            options,
            extra_roots,
            tls: OnceCell::new(),
            random: tls::provider().secure_random,
            runtime,
            start: Instant::now(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Shared {
    /// The TLS configuration. A failure is not kept: the next dial tries again.
    async fn tls(self: &Arc<Self>) -> Result<Arc<ClientConfig>, String> {
        let make = || async {
            let shared = Arc::clone(self);
            let reading = self.runtime.spawn_blocking(move || match &shared.options.trust {
                Some(trust) => tls::trusting(trust),
                None => tls::client_config(&shared.extra_roots),
            });
            reading.await.map_err(|error| format!("the roots could not be read: {error}"))?
        };
        self.tls.get_or_try_init(make).await.cloned()
    }
}

impl Platform for Native {
    type Socket = NativeSocket;

    fn caps(&self) -> HostCaps {
        HostCaps::NATIVE
    }

    #[expect(clippy::disallowed_methods, reason = "a host has a clock")]
    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: self.shared.start.elapsed().as_millis() as u64, unix: unix.as_millis() as u64 }
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        // Made when it is first polled, inside the runtime: the caller may stand outside.
        async move { tokio::time::sleep(time).await }
    }

    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<NativeSocket, DisconnectReason>> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let max_message = request.max_message;
            let (stream, tail) = http::upgrade(&shared, request).await?;
            let runtime = shared.runtime.clone();
            let socket =
                NativeSocket::new(stream, &tail, max_message, &shared.options, shared.random, runtime).await;
            Ok(socket)
        }
    }

    fn http(
        &self,
        request: HttpRequest,
    ) -> impl Future<Output = Result<HttpAnswer, HttpError>> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move { http::request(&shared, request).await }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.shared.runtime.spawn(task));
    }
}
