//! What an app gives to the SDK: a token provider, a listener; and a way to give up waiting.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{Either, select};
use futures_util::pin_mut;
use tokio::sync::watch;

use super::{ClientEvent, SteadfastError};
use crate::client::TokenFuture;
use crate::driver::native;
use crate::io;

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, uniffi::Error)]
#[uniffi::export(Display)]
pub enum TokenError {
    /// It could not be had now; it is asked again later, by the same backoff as everything else.
    Unavailable {
        /// Why.
        detail: String,
    },
    /// There will be none: the user is signed out, say. The client fails with `AuthFailed`.
    Denied {
        /// Why.
        detail: String,
    },
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable { detail } => write!(f, "no token for now: {detail}"),
            Self::Denied { detail } => write!(f, "no token: {detail}"),
        }
    }
}

impl core::error::Error for TokenError {}

impl From<uniffi::UnexpectedUniFFICallbackError> for TokenError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Unavailable { detail: error.reason }
    }
}

impl From<TokenError> for io::TokenError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Unavailable { detail } => Self::Unavailable(detail),
            TokenError::Denied { detail } => Self::Denied(detail),
        }
    }
}

/// Gives tokens: asked before every attempt to connect and ahead of a token's expiry, one call at a time, for at most
/// 15 s.
#[uniffi::export(foreign)]
#[async_trait::async_trait]
pub trait TokenProvider: Send + Sync {
    /// Gives a token. `force` says that the last one was refused, so that a cached one is of no use.
    async fn token(&self, force: bool) -> Result<String, TokenError>;
}

/// What the core calls.
pub(super) fn token_provider(provider: Arc<dyn TokenProvider>) -> impl Fn(bool) -> TokenFuture {
    move |force| {
        let provider = Arc::clone(&provider);
        let call: TokenFuture = Box::pin(async move { provider.token(force).await.map_err(Into::into) });
        Box::pin(Asked { call, waits: false })
    }
}

/// A call of foreign code. If nobody waits for it any more, an answer that has come by then is taken all the same:
/// `UniFFI` would forget its memory. (Later ones are empty: the bindings see to that.)
struct Asked {
    call: TokenFuture,
    waits: bool,
}

impl Future for Asked {
    type Output = Result<String, io::TokenError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.call.as_mut().poll(cx);
        self.waits = answer.is_pending();
        answer
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.waits {
            let answer = self.call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            drop(answer);
        }
    }
}

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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;

    use super::*;

    /// Counts how often its token was asked for and taken.
    struct Late(Arc<AtomicUsize>, tokio::sync::Notify);

    #[async_trait::async_trait]
    impl TokenProvider for Late {
        async fn token(&self, _force: bool) -> Result<String, TokenError> {
            self.1.notified().await;
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok("token".into())
        }
    }

    #[test]
    fn an_answer_that_came_too_late_is_taken_once_and_an_unasked_question_is_not_asked() {
        let taken = Arc::new(AtomicUsize::new(0));
        let late = Arc::new(Late(Arc::clone(&taken), tokio::sync::Notify::new()));
        let provider = token_provider(Arc::clone(&late) as _);

        let mut call = provider(false);
        assert!((&mut call).now_or_never().is_none());
        late.1.notify_one();
        drop(call);
        assert_eq!(taken.load(Ordering::SeqCst), 1);

        late.1.notify_one();
        drop(provider(false));
        assert_eq!(taken.load(Ordering::SeqCst), 1);
        assert!(provider(false).now_or_never().is_some());
        assert_eq!(taken.load(Ordering::SeqCst), 2);
    }
}
