//! The same client with one service's own types: topics, commands and messages.

use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};

use super::{Confirmed, Handle, Message, Options, Subscription, TopicEvent};
use crate::command::{CommandError, CommandErrorKind, Request, Sent, SessionType};
use crate::config::{ConfigError, Service};
use crate::io::Secret;
use crate::machine::DevContextState;
use crate::messages::{self, Answer, charisma, devcontext, docproc, saga, therapybridge};

/// One of the services, as a type.
pub trait TypedService: Send + Sync + 'static {
    /// Which one.
    const SERVICE: Service;
    /// Its messages.
    type Message;
    /// The message as one of this service; `None` for another's.
    fn message(message: &messages::Message) -> Option<&Self::Message>;
}

macro_rules! services {
    ($($(#[$doc:meta])* $name:ident, $module:ident, $client:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl TypedService for $name {
            const SERVICE: Service = Service::$name;
            type Message = $module::Message;

            fn message(message: &messages::Message) -> Option<&Self::Message> {
                match message {
                    messages::Message::$name(message) => Some(message),
                    _ => None,
                }
            }
        }

        #[doc = concat!("A client of ", stringify!($name), ".")]
        pub type $client = Client<$name>;
    )* };
}

services! {
    /// Upload and OCR of conversations.
    Charisma, charisma, CharismaClient;
    /// Transcription of therapy sessions.
    TherapyBridge, therapybridge, TherapyBridgeClient;
    /// Family biographies.
    Saga, saga, SagaClient;
    /// Document processing by several models.
    DocProc, docproc, DocProcClient;
    /// Analysis of repositories, and mock interviews.
    DevContext, devcontext, DevContextClient;
}

/// A client of one service. It is a [`Handle`] with that service's types, and has all of a handle's methods.
///
/// ```no_run
/// use steadfast::{Endpoint, client::{CharismaClient, Update}, messages::charisma};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = CharismaClient::connect_to(Endpoint::Url("ws://127.0.0.1:8090/charisma".into()), "my-token")?;
/// let mut session = client.session("session_123")?;
/// while let Some(update) = session.next().await {
///     if let Update::Message(message) = update
///         && let charisma::Message::SessionStatus(status) = message.data()
///     {
///         println!("{:?}: {}", status.status, message.progress.unwrap_or(0.0));
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Client<S> {
    handle: Handle,
    service: PhantomData<S>,
}

impl<S: TypedService> Client<S> {
    /// Makes a client, as [`Handle::new`] does. It opens nothing yet. The options must be of this service.
    ///
    /// # Panics
    /// Natively, outside a tokio runtime with I/O and time.
    pub fn new(options: Options) -> Result<Self, ConfigError> {
        if options.config.service != S::SERVICE {
            return Err(ConfigError::new(
                "service",
                format!("this is a client of {}, the options are of {}", S::SERVICE, options.config.service),
            ));
        }
        Ok(Self { handle: Handle::new(options)?, service: PhantomData })
    }

    /// Makes a client with the service's defaults and a token that stays the same.
    ///
    /// # Panics
    /// Natively, outside a tokio runtime with I/O and time.
    pub fn connect_to(endpoint: crate::Endpoint, token: impl Into<String>) -> Result<Self, ConfigError> {
        Self::new(Options::new(S::SERVICE, endpoint).token(token))
    }

    /// The client of this handle; fails with `Invalid` if it is a handle of another service.
    pub fn of(handle: &Handle) -> Result<Self, CommandError> {
        if handle.service() == S::SERVICE {
            return Ok(Self { handle: handle.clone(), service: PhantomData });
        }
        Err(CommandError {
            kind: CommandErrorKind::Invalid,
            code: None,
            message: format!("{} has no such command; it is one of {}", handle.service(), S::SERVICE),
            retryable: false,
            sent: Sent::No,
        })
    }

    /// Subscribes to a topic, with this service's types.
    pub fn session(&self, topic: impl Into<String>) -> Result<Session<S>, CommandError> {
        Ok(Session { subscription: self.handle.subscribe(topic)?, service: PhantomData })
    }

    /// As [`Self::session`], but the subscription goes on through the topic's end.
    pub fn session_and_keep(&self, topic: impl Into<String>) -> Result<Session<S>, CommandError> {
        Ok(Session { subscription: self.handle.subscribe_and_keep(topic)?, service: PhantomData })
    }

    async fn confirmed(&self, request: Request) -> Result<Confirmed, CommandError> {
        self.handle.request(request).await
    }
}

impl<S> Deref for Client<S> {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl<S> Clone for Client<S> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), service: PhantomData }
    }
}

impl<S> core::fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.handle.fmt(f)
    }
}

/// A message of service `S`.
pub struct Typed<S> {
    message: Arc<Message>,
    service: PhantomData<S>,
}

impl<S: TypedService> Typed<S> {
    /// Takes a message of any service; `None` for another service's.
    pub fn of(message: &Arc<Message>) -> Option<Self> {
        S::message(&message.data)?;
        Some(Self { message: Arc::clone(message), service: PhantomData })
    }

    /// The message itself.
    #[expect(clippy::missing_panics_doc, reason = "the service was checked when it was made")]
    #[expect(clippy::expect_used, reason = "the service was checked when it was made")]
    pub fn data(&self) -> &S::Message {
        S::message(&self.message.data).expect("a message of its own service")
    }
}

impl<S> Deref for Typed<S> {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl<S> Clone for Typed<S> {
    fn clone(&self) -> Self {
        Self { message: Arc::clone(&self.message), service: PhantomData }
    }
}

impl<S> core::fmt::Debug for Typed<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.message.fmt(f)
    }
}

/// What a subscription of service `S` tells.
#[derive(Clone, Debug)]
pub enum Update<S> {
    /// A message about the topic.
    Message(Typed<S>),
    /// Everything else: states, pictures, gaps.
    Other(TopicEvent),
}

/// A subscription with one service's types: a stream of [`Update`]s. It has all of a [`Subscription`]'s methods.
pub struct Session<S> {
    subscription: Subscription,
    service: PhantomData<S>,
}

impl<S: TypedService> Session<S> {
    /// The next event; `None` after the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Update<S>> {
        StreamExt::next(self).await
    }

    /// The next message; states, pictures and gaps are passed over. Cancel-safe.
    pub async fn next_message(&mut self) -> Option<Typed<S>> {
        loop {
            if let Update::Message(message) = self.next().await? {
                return Some(message);
            }
        }
    }

    /// Ends it at once; the same as dropping it.
    pub fn unsubscribe(self) {
        drop(self);
    }
}

impl<S> Unpin for Session<S> {}

impl<S: TypedService> Stream for Session<S> {
    type Item = Update<S>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update<S>>> {
        let event = Pin::new(&mut self.get_mut().subscription).poll_next(cx);
        event.map(|event| {
            event.map(|event| match &event {
                TopicEvent::Message(message) => match Typed::of(message) {
                    Some(message) => Update::Message(message),
                    None => Update::Other(event),
                },
                _ => Update::Other(event),
            })
        })
    }
}

impl<S> Deref for Session<S> {
    type Target = Subscription;

    fn deref(&self) -> &Subscription {
        &self.subscription
    }
}

impl<S> core::fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.subscription.fmt(f)
    }
}

/// The outcome was good but is not what was asked for: a mistake of the server.
fn unexpected(what: &str) -> CommandError {
    CommandError {
        kind: CommandErrorKind::Rejected,
        code: None,
        message: format!("the server confirmed the command, but not by {what}"),
        retryable: false,
        sent: Sent::Yes,
    }
}

/// Takes one variant out of a reply.
macro_rules! reply {
    ($confirmed:expr, $service:ident, $module:ident :: $variant:ident) => {
        match $confirmed.message.as_ref().map(|message| &message.data) {
            Some(messages::Message::$service($module::Message::$variant(reply))) => Ok(reply.clone()),
            _ => Err(unexpected(stringify!($variant))),
        }
    };
}

/// Takes one variant out of a REST answer.
macro_rules! answer {
    ($confirmed:expr, $variant:ident) => {
        match $confirmed.answer {
            Some(Answer::$variant(answer)) => Ok(answer),
            _ => Err(unexpected(stringify!($variant))),
        }
    };
}

impl Client<Charisma> {
    /// Authenticates again on the open connection, with the client's newest token. [charisma §2.1]
    pub async fn authenticate(&self) -> Result<(), CommandError> {
        self.confirmed(Request::Authenticate).await.map(drop)
    }
}

impl Client<TherapyBridge> {
    /// Signs in by email and password. The token is not used by itself: hand it to
    /// [`set_token`](Handle::set_token). [therapybridge §6]
    pub async fn login(
        &self,
        email: impl Into<String>,
        password: impl Into<String>,
    ) -> Result<therapybridge::Login, CommandError> {
        let (email, password) = (email.into(), Secret::new(password));
        answer!(self.confirmed(Request::Login { email, password }).await?, Login)
    }
}

impl Client<Saga> {
    /// Asks the server for a `pong`; gives the round trip in ms. Fails at once when not connected. [saga §2]
    pub async fn ping(&self) -> Result<u64, CommandError> {
        self.confirmed(Request::Ping).await.map(|confirmed| confirmed.elapsed_ms)
    }

    /// The server's health, by REST, without a token. [saga §6]
    pub async fn server_health(&self) -> Result<saga::ServerHealth, CommandError> {
        answer!(self.confirmed(Request::ServerHealth).await?, ServerHealth)
    }

    /// The server's statistics, by REST. [saga §6]
    pub async fn server_stats(&self) -> Result<saga::ServerStats, CommandError> {
        answer!(self.confirmed(Request::ServerStats).await?, ServerStats)
    }
}

impl Client<DocProc> {
    /// Answers a clarification, by REST: that needs no live connection. A question comes as a `Clarification` whose
    /// status is `Pending`; one that falls into a gap is not repeated, only counted by [`Self::fetch_session`]. Fails
    /// with [`Rejected`](crate::CommandErrorKind::Rejected) and the code 404 where there is no such question, 400
    /// where it has an answer already. [docproc §6.1]
    pub async fn respond_to_clarification(
        &self,
        clarification_id: impl Into<String>,
        answer: impl Into<String>,
    ) -> Result<docproc::ClarificationReply, CommandError> {
        let request = Request::RespondToClarification {
            clarification_id: clarification_id.into(),
            answer: Secret::new(answer),
        };
        answer!(self.confirmed(request).await?, Clarification)
    }

    /// The latest progress of a session, by REST. [docproc §6.2]
    pub async fn fetch_session(
        &self,
        session_id: impl Into<String>,
    ) -> Result<docproc::Progress, CommandError> {
        answer!(self.confirmed(Request::Session { session_id: session_id.into() }).await?, Session)
    }
}

impl Client<DevContext> {
    /// The client's state in the words of the service's documentation. [devcontext §8.3]
    pub fn connection_state(&self) -> DevContextState {
        self.handle.devcontext_state()
    }

    /// Authenticates again on the open connection, with the client's newest token. [devcontext §2]
    pub async fn authenticate(&self) -> Result<(), CommandError> {
        self.confirmed(Request::Authenticate).await.map(drop)
    }

    /// Asks the server for a `pong`; gives the round trip in ms. Fails at once when not connected. [devcontext §2]
    pub async fn ping(&self) -> Result<u64, CommandError> {
        self.confirmed(Request::Ping).await.map(|confirmed| confirmed.elapsed_ms)
    }

    /// Begins an interview about an analysis. Follow it with [`session`](Client::session) and its `session_id`; it is
    /// resumed by itself after a reconnect. The first question is in the reply; the others arrive there as
    /// `NextQuestion` or `FollowUpQuestion`, and the end as `InterviewComplete`. [devcontext §2]
    pub async fn start_interview(
        &self,
        analysis_id: impl Into<String>,
        session_type: SessionType,
    ) -> Result<devcontext::InterviewStarted, CommandError> {
        let confirmed =
            self.confirmed(Request::StartInterview { analysis_id: analysis_id.into(), session_type }).await?;
        reply!(confirmed, DevContext, devcontext::InterviewStarted)
    }

    /// Answers a question and waits for the evaluation. Never sent twice. [devcontext §2]
    pub async fn submit_answer(
        &self,
        session_id: impl Into<String>,
        question_id: impl Into<String>,
        answer: impl Into<String>,
    ) -> Result<devcontext::AnswerEvaluated, CommandError> {
        let (session_id, question_id) = (session_id.into(), question_id.into());
        let confirmed = self
            .confirmed(Request::SubmitAnswer { session_id, question_id, answer: Secret::new(answer) })
            .await?;
        reply!(confirmed, DevContext, devcontext::AnswerEvaluated)
    }

    /// Pauses an interview; it stays paused through reconnects. [devcontext §2]
    pub async fn pause_interview(
        &self,
        session_id: impl Into<String>,
    ) -> Result<devcontext::InterviewPaused, CommandError> {
        let confirmed = self.confirmed(Request::PauseInterview { session_id: session_id.into() }).await?;
        reply!(confirmed, DevContext, devcontext::InterviewPaused)
    }

    /// Goes on with an interview, also one of an earlier run of the app. [devcontext §2]
    pub async fn resume_interview(
        &self,
        session_id: impl Into<String>,
    ) -> Result<devcontext::InterviewResumed, CommandError> {
        let confirmed = self.confirmed(Request::ResumeInterview { session_id: session_id.into() }).await?;
        reply!(confirmed, DevContext, devcontext::InterviewResumed)
    }

    /// An analysis with the data of its stages, by REST. [devcontext §6]
    pub async fn fetch_analysis(
        &self,
        analysis_id: impl Into<String>,
    ) -> Result<devcontext::Analysis, CommandError> {
        answer!(self.confirmed(Request::Analysis { analysis_id: analysis_id.into() }).await?, Analysis)
    }
}
