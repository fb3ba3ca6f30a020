//! What each service can be asked. A command of another service fails with `Invalid`.

use std::sync::Arc;

use super::foreign::{CancelHandle, until_cancelled};
use super::{NativeClient, SteadfastError};
use crate::client::{Client, DevContext, DocProc, Saga, TherapyBridge, TypedService};
use crate::command::{CommandError, Request, SessionType};
use crate::messages::{devcontext, docproc, saga, therapybridge};

/// Runs a command of one service, until it has its outcome or the caller gives up.
async fn run<S: TypedService, T>(
    client: &NativeClient,
    cancel: Option<Arc<CancelHandle>>,
    command: impl AsyncFnOnce(Client<S>) -> Result<T, CommandError>,
) -> Result<T, SteadfastError> {
    let client = Client::<S>::of(&client.handle)?;
    until_cancelled(cancel, command(client)).await
}

#[uniffi::export]
impl NativeClient {
    /// Charisma, DevContext: authenticates again on the open connection, with the client's newest token.
    #[uniffi::method(default(cancel = None))]
    pub async fn authenticate(&self, cancel: Option<Arc<CancelHandle>>) -> Result<(), SteadfastError> {
        let confirmed = self.handle.request(Request::Authenticate);
        until_cancelled(cancel, async { confirmed.await.map(drop) }).await
    }

    /// Saga, DevContext: asks the server for a `pong`; gives the round trip in ms. Fails at once when not connected.
    #[uniffi::method(default(cancel = None))]
    pub async fn ping(&self, cancel: Option<Arc<CancelHandle>>) -> Result<i64, SteadfastError> {
        let confirmed = self.handle.request(Request::Ping);
        let elapsed = async { confirmed.await.map(|confirmed| confirmed.elapsed_ms) };
        Ok(until_cancelled(cancel, elapsed).await?.try_into().unwrap_or(i64::MAX))
    }

    /// TherapyBridge: signs in by email and password. The token is not used by itself: hand it to `set_token`.
    #[uniffi::method(default(cancel = None))]
    pub async fn login(
        &self,
        email: String,
        password: String,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<therapybridge::Login, SteadfastError> {
        run(self, cancel, async |client: Client<TherapyBridge>| client.login(email, password).await).await
    }

    /// Saga: the server's health, by REST, without a token.
    #[uniffi::method(default(cancel = None))]
    pub async fn server_health(
        &self,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<saga::ServerHealth, SteadfastError> {
        run(self, cancel, async |client: Client<Saga>| client.server_health().await).await
    }

    /// Saga: the server's statistics, by REST.
    #[uniffi::method(default(cancel = None))]
    pub async fn server_stats(
        &self,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<saga::ServerStats, SteadfastError> {
        run(self, cancel, async |client: Client<Saga>| client.server_stats().await).await
    }

    /// DocProc: answers a clarification, by REST.
    #[uniffi::method(default(cancel = None))]
    pub async fn respond_to_clarification(
        &self,
        clarification_id: String,
        answer: String,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<docproc::ClarificationReply, SteadfastError> {
        run(self, cancel, async |client: Client<DocProc>| {
            client.respond_to_clarification(clarification_id, answer).await
        })
        .await
    }

    /// DocProc: the latest progress of a session, by REST.
    #[uniffi::method(default(cancel = None))]
    pub async fn fetch_session(
        &self,
        session_id: String,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<docproc::Progress, SteadfastError> {
        run(self, cancel, async |client: Client<DocProc>| client.fetch_session(session_id).await).await
    }

    /// DevContext: begins an interview about an analysis. Follow it by a session of its `session_id`; it is resumed by
    /// itself after a reconnect.
    #[uniffi::method(default(cancel = None))]
    pub async fn start_interview(
        &self,
        analysis_id: String,
        session_type: SessionType,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<devcontext::InterviewStarted, SteadfastError> {
        run(self, cancel, async |client: Client<DevContext>| {
            client.start_interview(analysis_id, session_type).await
        })
        .await
    }

    /// DevContext: answers a question and waits for the evaluation. Never sent twice.
    #[uniffi::method(default(cancel = None))]
    pub async fn submit_answer(
        &self,
        session_id: String,
        question_id: String,
        answer: String,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<devcontext::AnswerEvaluated, SteadfastError> {
        run(self, cancel, async |client: Client<DevContext>| {
            client.submit_answer(session_id, question_id, answer).await
        })
        .await
    }

    /// DevContext: pauses an interview; it stays paused through reconnects.
    #[uniffi::method(default(cancel = None))]
    pub async fn pause_interview(
        &self,
        session_id: String,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<devcontext::InterviewPaused, SteadfastError> {
        run(self, cancel, async |client: Client<DevContext>| client.pause_interview(session_id).await).await
    }

    /// DevContext: goes on with an interview, also one of an earlier run of the app.
    #[uniffi::method(default(cancel = None))]
    pub async fn resume_interview(
        &self,
        session_id: String,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<devcontext::InterviewResumed, SteadfastError> {
        run(self, cancel, async |client: Client<DevContext>| client.resume_interview(session_id).await).await
    }

    /// DevContext: an analysis with the data of its stages, by REST.
    #[uniffi::method(default(cancel = None))]
    pub async fn fetch_analysis(
        &self,
        analysis_id: String,
        cancel: Option<Arc<CancelHandle>>,
    ) -> Result<devcontext::Analysis, SteadfastError> {
        run(self, cancel, async |client: Client<DevContext>| client.fetch_analysis(analysis_id).await).await
    }
}
