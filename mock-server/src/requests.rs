//! Plain HTTP requests to the services, REST and long-polling, as the journal has them: one entry for each, once it is
//! answered. Upgrades are left out, which are told as `open` or `refused`, and so are preflights. The packets of polling
//! have entries of their own.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::UPGRADE;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::auth;
use crate::connection::Connection;
use crate::http::ApiError;
use crate::report::journal::{Fact, Subject, cut};
use crate::service::Service;
use crate::world::World;

/// The largest body of a REST request.
pub(crate) const MOST_BODY: usize = 2 << 20;
/// Bytes of each body that the journal keeps.
const MOST_TEXT: usize = 30 << 10;
/// Time that a client has to send its body.
pub(crate) const BODY_LIMIT: Duration = Duration::from_secs(30);
/// Parameters whose values are left out.
const SECRET: [&str; 2] = ["token", "access_token"];

/// Whose session of long-polling a request belongs to; its answer carries it.
#[derive(Debug, Clone)]
pub(crate) struct Whose(pub(crate) Subject);

impl From<&Connection> for Whose {
    fn from(on: &Connection) -> Self {
        Self(on.into())
    }
}

/// The router's world, and the service whose own port it is.
pub(crate) type Place = (World, Option<Service>);

/// Passes a request on and notes what came of it.
pub(crate) async fn record(State((world, alone)): State<Place>, request: Request, next: Next) -> Response {
    let Some(service) = addressed(&world, alone, request.uri().path()) else {
        return next.run(request).await;
    };
    if request.headers().contains_key(UPGRADE) || request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    let (method, address) = (request.method().clone(), without_secrets(request.uri()));
    let user = auth::bearer(request.headers()).and_then(|token| world.authority.judge(token).ok());
    let of_engine = ["/socket.io/", "/engine.io/"].iter().any(|end| request.uri().path().ends_with(end));
    let (said, response) = if of_engine {
        (String::new(), next.run(request).await)
    } else {
        let (parts, body) = request.into_parts();
        match read_body(body, MOST_BODY).await {
            Ok(bytes) => {
                let said = shown(&bytes);
                (said, next.run(Request::from_parts(parts, Body::from(bytes))).await)
            }
            Err(error) => (String::new(), error.into_response()),
        }
    };
    let status = response.status();
    let whose = response.extensions().get::<Whose>().map(|Whose(subject)| subject.clone());
    let (answer, response) = if of_engine { (String::new(), response) } else { overhear(response).await };
    let text = format!("{method} {address}{said} → {}{answer}", status.as_u16());
    // A request that belongs to no connection has the number 0.
    let nobody = || Subject { service, connection: 0, number: 0, user: user.map(|who| who.sub) };
    let fact = Fact::Request { method: method.as_str(), status: status.as_u16(), text: &text };
    world.journal.add(whose.unwrap_or_else(nobody), fact);
    response
}

/// Reads a body, or answers 413 if it is too large and 408 if it does not come.
pub(crate) async fn read_body(body: Body, most: usize) -> Result<axum::body::Bytes, ApiError> {
    match tokio::time::timeout(BODY_LIMIT, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, too_large(most))),
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body was not sent within {BODY_LIMIT:?}: send as much as Content-Length says"),
        )),
    }
}

/// What is said of a body that is not taken.
pub(crate) fn too_large(most: usize) -> String {
    format!("the body is larger than {most} bytes, or was not sent to its end")
}

/// Which service's address it is.
fn addressed(world: &World, alone: Option<Service>, path: &str) -> Option<Service> {
    if path == "/" || path.starts_with("/_mock/") {
        return None;
    }
    if world.options.echo {
        return Some(Service::Echo);
    }
    let prefixed = || Service::ALL.into_iter().find(|service| path.split('/').nth(1) == Some(service.slug()));
    alone.or_else(prefixed)
}

/// The answer with its text. Only bodies of services come here, which are in memory already.
async fn overhear(response: Response) -> (String, Response) {
    let (parts, body) = response.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(bytes) => (shown(&bytes), Response::from_parts(parts, Body::from(bytes))),
        Err(error) => (String::new(), ApiError::bad(error.to_string()).into_response()),
    }
}

fn shown(bytes: &[u8]) -> String {
    match bytes {
        [] => String::new(),
        _ => format!(" {}", cut(&String::from_utf8_lossy(bytes), MOST_TEXT)),
    }
}

/// An address without the values of tokens.
fn without_secrets(uri: &Uri) -> String {
    let Some(query) = uri.query() else { return uri.path().to_owned() };
    let part = |part: &str| match part.split_once('=') {
        Some((name, _)) if SECRET.contains(&name) => format!("{name}=…"),
        _ => part.to_owned(),
    };
    format!("{}?{}", uri.path(), query.split('&').map(part).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_shown_in_an_address() {
        let shown = |uri: &'static str| without_secrets(&Uri::from_static(uri));
        assert_eq!(shown("/saga/x?a=1&token=abc&b=2"), "/saga/x?a=1&token=…&b=2");
        assert_eq!(shown("/saga/x"), "/saga/x");
    }
}
