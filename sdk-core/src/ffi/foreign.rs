//! What an app gives to the SDK: a listener, a judge of certificates; and a way to give up waiting.

use core::fmt;
use core::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{Either, select};
use futures_util::pin_mut;
use tokio::sync::watch;

use super::{ClientEvent, SteadfastError};
use crate::driver::native;

/// What a listener or logger threw.
#[derive(Clone, Debug, PartialEq, uniffi::Error)]
#[uniffi::export(Display)]
pub enum CallbackError {
    /// It is written into the log; nothing else comes of it.
    Failed {
        /// What it said.
        detail: String,
    },
}

impl fmt::Display for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Failed { detail } = self;
        f.write_str(detail)
    }
}

impl core::error::Error for CallbackError {}

impl From<uniffi::UnexpectedUniFFICallbackError> for CallbackError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { detail: error.reason }
    }
}

/// Is told every event of a client, one after the other, on a thread of the SDK. It may block: then it falls behind, and
/// is told so. What it throws is logged.
// As a foreign trait of the newer kind it would also bring the way back, for events made by foreign code: 50 KB.
#[uniffi::export(callback_interface)]
pub trait EventListener: Send + Sync {
    /// Something happened.
    fn on_event(&self, event: ClientEvent) -> Result<(), CallbackError>;
}

/// Decides whether a server's certificates are trusted, in place of all roots: Android's own verifier, say, which only
/// Java can reach. Name and signature are checked without it.
#[uniffi::export(foreign)]
pub trait ServerTrust: Send + Sync {
    /// Throws if the chain is not trusted. It holds the certificates as sent, in DER, the server's own first. Called in
    /// each handshake on the thread that drives all clients, which wait for it: it must not ask the network.
    fn check(&self, chain: Vec<Vec<u8>>, host: String) -> Result<(), CallbackError>;
}

/// What the core calls. It lets go of the app's object when the client is closed, though a handle of it may remain.
pub(super) struct Trusting(Mutex<Option<Arc<dyn ServerTrust>>>);

impl Trusting {
    pub(super) fn new(trust: Arc<dyn ServerTrust>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(trust))))
    }

    pub(super) fn release(&self) {
        let trust = self.lock().take();
        drop(trust);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<dyn ServerTrust>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl native::ServerTrust for Trusting {
    fn check(&self, chain: &[&[u8]], host: &str) -> Result<(), String> {
        let Some(trust) = self.lock().clone() else { return Err("the client is closed".into()) };
        let chain = chain.iter().map(|der| der.to_vec()).collect();
        trust.check(chain, host.to_owned()).map_err(|error| error.to_string())
    }
}

/// Ends a wait from outside, for languages whose cancellation does not reach a native call.
#[derive(Debug, uniffi::Object)]
pub struct CancelHandle {
    cancelled: watch::Sender<bool>,
}

#[uniffi::export]
impl CancelHandle {
    /// A handle to give to a call.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { cancelled: watch::Sender::new(false) })
    }

    /// Ends the calls that were given this handle with `Cancelled`, now or as soon as they begin.
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }
}

/// Waits for an outcome, or until the caller gives up.
pub(super) async fn until_cancelled<T, E: Into<SteadfastError>>(
    cancel: Option<Arc<CancelHandle>>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, SteadfastError> {
    match unless_cancelled(cancel, work).await {
        Some(result) => result.map_err(Into::into),
        None => Err(SteadfastError::cancelled()),
    }
}

/// Waits, or until the caller gives up: then there is nothing.
pub(super) async fn unless_cancelled<T>(
    cancel: Option<Arc<CancelHandle>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let Some(cancel) = cancel else { return Some(work.await) };
    let mut cancelled = cancel.cancelled.subscribe();
    let given_up = cancelled.wait_for(|cancelled| *cancelled);
    pin_mut!(given_up, work);
    match select(given_up, work).await {
        Either::Left(_) => None,
        Either::Right((result, _)) => Some(result),
    }
}
