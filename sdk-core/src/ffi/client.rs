//! The client of any service.

use std::sync::Arc;

use tokio::task::AbortHandle;

use super::foreign::{CancelHandle, EventListener, ServerTrust, Trusting, until_cancelled};
use super::runtime::runtime;
use super::token::{NativeTokenProvider, token_provider};
use super::{
    ClientOptions, ConnectionState, Diagnosis, NativeClientReader, NativeSession, Snapshot, Stats,
    SteadfastError,
};
use crate::client::{Events, Handle};
use crate::config::Service;
use crate::driver::native::Trust;
use crate::io::Reachability;
use crate::machine::DevContextState;

/// A client of any service. Each language's own clients stand on it, one for each service.
#[derive(uniffi::Object)]
pub struct NativeClient {
    pub(super) handle: Handle,
    listener: Option<AbortHandle>,
    trust: Option<Arc<Trusting>>,
}

#[uniffi::export]
impl NativeClient {
    /// Makes a client. It opens nothing yet: it connects when there is something to do.
    #[uniffi::constructor(default(token_provider = None, listener = None, server_trust = None))]
    pub fn new(
        service: Service,
        options: ClientOptions,
        token_provider: Option<Arc<dyn NativeTokenProvider>>,
        listener: Option<Box<dyn EventListener>>,
        server_trust: Option<Arc<dyn ServerTrust>>,
    ) -> Result<Arc<Self>, SteadfastError> {
        let mut options = options.read(service)?;
        if let Some(provider) = token_provider {
            options = options.token_provider(self::token_provider(provider));
        }
        let trust = server_trust.map(Trusting::new);
        if let Some(trust) = trust.clone() {
            options.native.trust = Some(Trust(trust));
        }
        let runtime = runtime()?;
        let handle = Handle::on(options, runtime.clone())?;
        let listener =
            listener.map(|listener| runtime.spawn(listen(handle.events(), listener)).abort_handle());
        Ok(Arc::new(Self { handle, listener, trust }))
    }

    /// Which service this is a client of.
    pub fn service(&self) -> Service {
        self.handle.service()
    }

    /// Connects now: skips any wait and re-arms a client that has failed.
    pub fn connect(&self) {
        self.handle.connect();
    }

    /// As `connect`, also when another connection of this user has the place.
    pub fn take_over(&self) {
        self.handle.take_over();
    }

    /// Uses this token from now on; re-arms a client whose authentication failed.
    pub fn set_token(&self, token: String) {
        self.handle.set_token(token);
    }

    /// Waits until messages flow. Fails with the reason if that won't happen by itself.
    #[uniffi::method(default(cancel = None))]
    pub async fn ready(&self, cancel: Option<Arc<CancelHandle>>) -> Result<(), SteadfastError> {
        until_cancelled(cancel, self.handle.ready()).await
    }

    /// Subscribes to a topic. It is asked for as soon as there is a connection, and again after every reconnect, until
    /// the session is closed. With `keep` it goes on through the topic's end.
    #[uniffi::method(default(keep = false))]
    pub fn subscribe(&self, topic: String, keep: bool) -> Result<Arc<NativeSession>, SteadfastError> {
        let subscribed =
            if keep { self.handle.subscribe_and_keep(topic) } else { self.handle.subscribe(topic) };
        Ok(NativeSession::new(subscribed?))
    }

    /// A reader of all events of the client from now on.
    pub fn reader(&self) -> Arc<NativeClientReader> {
        NativeClientReader::new(self.handle.events())
    }

    /// The state of the connection.
    pub fn state(&self) -> ConnectionState {
        self.handle.state().into()
    }

    /// DevContext: the client's state in the words of the service's documentation. [devcontext §8.3]
    pub fn connection_state(&self) -> DevContextState {
        self.handle.devcontext_state()
    }

    /// The last known picture of a topic.
    pub fn snapshot(&self, topic: String) -> Option<Snapshot> {
        self.handle.snapshot(&topic).map(|snapshot| (&snapshot).into())
    }

    /// Why the client is in the state it is in, for people and as JSON, without secrets.
    pub fn diagnose(&self) -> Diagnosis {
        let crate::Diagnosis { text, json } = self.handle.diagnose();
        Diagnosis { text, json }
    }

    /// What the client has counted.
    pub fn stats(&self) -> Stats {
        self.handle.stats().into()
    }

    /// The network changed, or came or went.
    pub fn network_changed(&self, reachability: Reachability) {
        self.handle.network_changed(reachability);
    }

    /// The app went to the background: after 25 s there the socket is closed.
    pub fn background(&self) {
        self.handle.background();
    }

    /// The app came to the foreground: it connects at once.
    pub fn foreground(&self) {
        self.handle.foreground();
    }

    /// Sends a message that this SDK does not know; `payload` is one JSON value, or empty for none. It is confirmed when
    /// written; a reply arrives as an event.
    #[uniffi::method(default(payload = "", cancel = None))]
    pub async fn send_raw(
        &self,
        kind: String,
        payload: String,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<(), SteadfastError> {
        let sent = async { self.handle.send_raw(kind, payload).await.map(drop) };
        until_cancelled(cancel, sent).await
    }

    /// Closes everything; every waiting command ends `Closed`. Resolves when nothing is left running. Nothing makes it
    /// fail but a mistake of ours, which ends no app.
    pub async fn shutdown(&self) -> Result<(), SteadfastError> {
        self.handle.shutdown().await;
        if let Some(trust) = &self.trust {
            trust.release();
        }
        Ok(())
    }
}

impl Drop for NativeClient {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

/// Tells a listener every event. Each call runs where it may block; the next one waits for it.
async fn listen(mut events: Events, listener: Box<dyn EventListener>) {
    let listener: Arc<dyn EventListener> = listener.into();
    while let Some(event) = events.next().await {
        let event = (&event).into();
        let listener = Arc::clone(&listener);
        let told = tokio::task::spawn_blocking(move || listener.on_event(event)).await;
        match told {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(target: "steadfast", %error, "a listener threw"),
            Err(error) => tracing::error!(target: "steadfast", %error, "a listener could not be called"),
        }
    }
}
