//! Where an app's tokens come from.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::TokenFuture;
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

/// Finds tokens: asked before every attempt to connect and ahead of a token's expiry, one call at a time, for at most
/// 15 s. Each language's providers stand on it.
///
/// The answer is no result: what comes in the moment in which nobody waits for it any more would never be freed by
/// `UniFFI`, and a token is memory.
#[uniffi::export(foreign)]
#[async_trait::async_trait]
pub trait NativeTokenProvider: Send + Sync {
    /// Finds a token and calls `give_token`, or else `refuse_token`, before it ends. `force` says that the last one was
    /// refused, so that a cached one is of no use.
    async fn ask(&self, question: u64, force: bool) -> Result<(), TokenError>;
}

/// Answers a provider's question, unless nobody waits for the answer any more.
#[uniffi::export]
pub fn give_token(question: u64, token: String) {
    answer(question, Ok(token));
}

/// Answers a provider's question with the reason why there is no token.
#[uniffi::export]
pub fn refuse_token(question: u64, error: TokenError) {
    answer(question, Err(error));
}

type Answer = Result<String, TokenError>;

fn answer(question: u64, answer: Answer) {
    if let Some(open) = questions().open.get_mut(&question) {
        *open = Some(answer);
    }
}

/// The questions of all clients.
struct Questions {
    /// Those that somebody waits for, with their answers.
    open: BTreeMap<u64, Option<Answer>>,
    /// The last one. No number is used twice.
    last: u64,
}

static QUESTIONS: Mutex<Questions> = Mutex::new(Questions { open: BTreeMap::new(), last: 0 });

fn questions() -> MutexGuard<'static, Questions> {
    QUESTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A question that somebody waits for.
struct Question(u64);

impl Question {
    fn new() -> Self {
        let mut questions = questions();
        questions.last += 1;
        let number = questions.last;
        questions.open.insert(number, None);
        Self(number)
    }

    fn answer(&self) -> Option<Answer> {
        questions().open.get_mut(&self.0)?.take()
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        questions().open.remove(&self.0);
    }
}

/// What the core calls.
pub(super) fn token_provider(provider: Arc<dyn NativeTokenProvider>) -> impl Fn(bool) -> TokenFuture {
    move |force| {
        let provider = Arc::clone(&provider);
        Box::pin(async move {
            let question = Question::new();
            provider.ask(question.0, force).await?;
            let nothing = || TokenError::Unavailable { detail: "the provider gave no answer".into() };
            Ok(question.answer().unwrap_or_else(|| Err(nothing()))?)
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::Notify;

    use super::*;

    /// Answers when it is told to.
    #[derive(Default)]
    struct Late {
        asked: Mutex<Vec<u64>>,
        answer: Notify,
    }

    #[async_trait::async_trait]
    impl NativeTokenProvider for Late {
        async fn ask(&self, question: u64, force: bool) -> Result<(), TokenError> {
            self.asked.lock().unwrap().push(question);
            self.answer.notified().await;
            if force {
                refuse_token(question, TokenError::Denied { detail: "signed out".into() });
            } else {
                give_token(question, format!("token {question}"));
            }
            Ok(())
        }
    }

    #[test]
    fn an_answer_is_for_who_waits_and_what_comes_later_is_nowhere_kept() {
        let late = Arc::new(Late::default());
        let ask = token_provider(Arc::clone(&late) as _);
        let open = |question: u64| questions().open.contains_key(&question);

        let (mut given_up, mut waits) = (ask(false), ask(false));
        assert!((&mut given_up).now_or_never().is_none() && (&mut waits).now_or_never().is_none());
        let asked = late.asked.lock().unwrap().clone();
        let [first, second] = asked[..] else { panic!("{asked:?}") };
        assert!(open(first) && open(second));
        drop(given_up);
        give_token(first, "for nobody".into());
        assert!(!open(first), "nobody waits for it");
        late.answer.notify_one();
        assert_eq!(waits.now_or_never(), Some(Ok(format!("token {second}"))));
        assert!(!open(second), "it was taken");
    }

    #[test]
    fn a_refusal_has_its_reason_and_no_answer_is_told() {
        struct Silent;
        #[async_trait::async_trait]
        impl NativeTokenProvider for Silent {
            async fn ask(&self, _question: u64, _force: bool) -> Result<(), TokenError> {
                Ok(())
            }
        }

        let late = Arc::new(Late::default());
        late.answer.notify_one();
        let refused = token_provider(late)(true).now_or_never();
        assert_eq!(refused, Some(Err(io::TokenError::Denied("signed out".into()))));
        let silent = token_provider(Arc::new(Silent))(false).now_or_never();
        assert_eq!(silent, Some(Err(io::TokenError::Unavailable("the provider gave no answer".into()))));
    }
}
