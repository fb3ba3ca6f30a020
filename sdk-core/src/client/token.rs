//! Where tokens come from, and the one thing that is read of them. [rules §2.6]

use std::future::Future;
use std::pin::Pin;

use crate::driver::{MaybeSend, MaybeSync};
use crate::io::{Secret, Token, TokenError};

/// A token on its way.
#[cfg(not(target_arch = "wasm32"))]
pub type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;
/// A token on its way.
#[cfg(target_arch = "wasm32")]
pub type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenError>>>>;

/// Gives tokens: asked before every attempt to connect, one call at a time, for at most 15 s.
///
/// Any function `Fn(bool) -> impl Future<Output = Result<String, TokenError>>` is one. Its argument says whether the
/// last token was refused, so that a cached one is of no use.
pub trait TokenProvider: MaybeSend + MaybeSync + 'static {
    /// Gives a token. It runs on the client's task: it may wait, but should not block.
    fn token(&self, force: bool) -> TokenFuture;
}

impl<F, R> TokenProvider for F
where
    F: Fn(bool) -> R + MaybeSend + MaybeSync + 'static,
    R: Future<Output = Result<String, TokenError>> + MaybeSend + 'static,
{
    fn token(&self, force: bool) -> TokenFuture {
        Box::pin(self(force))
    }
}

impl Token {
    /// Wraps a token and, if it is a JWT, reads when it expires (RFC 7519 §4.1.4). The signature is not looked at:
    /// that is the server's business.
    ///
    /// ```
    /// // {"alg":"none"} . {"exp":1700000000} . nothing
    /// let token = steadfast::Token::read("eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.");
    /// assert_eq!(token.expires_at, Some(1_700_000_000_000));
    /// assert_eq!(steadfast::Token::read("opaque").expires_at, None);
    /// ```
    pub fn read(text: impl Into<String>) -> Self {
        let text = text.into();
        let expires_at = expiry(&text);
        Self { text: Secret::new(text), expires_at }
    }
}

fn expiry(token: &str) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Claims {
        exp: Option<f64>,
    }
    let claims = token.split('.').nth(1)?;
    let claims = data_encoding::BASE64URL_NOPAD.decode(claims.trim_end_matches('=').as_bytes()).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    claims.exp.filter(|exp| exp.is_finite() && *exp >= 0.0).map(|exp| (exp * 1000.0) as u64)
}
