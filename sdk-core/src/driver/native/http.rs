//! HTTP/1.1 by hyper: plain requests, and the one that becomes a WebSocket.
//!
//! The upgrade request is sent here and not by the WebSocket library, which prints it, token and all, into `log` at
//! TRACE. hyper logs nothing.

use core::future::{Future, poll_fn};
use core::pin::pin;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

use std::sync::Arc;

use super::Shared;
use super::dial::dial;
use super::target::{Target, retry_after};
use super::wire::Stream;
use crate::driver::HttpAnswer;
use crate::io::{ConnectRequest, DisconnectReason, HttpError, HttpRequest};

/// The head of an answer may take this much; hyper's own limit is 400 KiB.
const MAX_HEAD: usize = 32 * 1024;

/// Sends a request on a connection of its own and reads the answer.
pub(super) async fn request(shared: &Arc<Shared>, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
    let unsent = |reason| HttpError { reason, sent: false };
    let target = Target::parse(&request.url).map_err(unsent)?;
    let mut headers = target.headers(&request.headers).map_err(unsent)?;
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if request.body.is_some() {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    }
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| unsent(format!("{:?} is no HTTP method", request.method)))?;
    let message = message(method, &target, headers, request.body.unwrap_or_default());
    let stream = dial(shared, &target).await.map_err(|reason| match reason {
        DisconnectReason::Network(text) | DisconnectReason::Tls(text) => unsent(text),
        other => unsent(format!("{other:?}")),
    })?;

    let sent = |reason| HttpError { reason, sent: true };
    with_connection(stream, async |sender| {
        let response = sender.send_request(message).await.map_err(|error| sent(say(&error)))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let body = read_body(response, request.max_body).await.map_err(sent)?;
        Ok(HttpAnswer { status, retry_after, body })
    })
    .await
    .map_err(unsent)?
}

/// Asks the server to speak WebSocket. What it sent right behind its answer comes back with the stream.
pub(super) async fn upgrade(
    shared: &Arc<Shared>,
    request: ConnectRequest,
) -> Result<(Stream, Bytes), DisconnectReason> {
    let wrong = DisconnectReason::Network;
    let target = Target::parse(&request.url).map_err(wrong)?;
    let mut headers = target.headers(&request.headers).map_err(wrong)?;
    let key = generate_key();
    let accept = derive_accept_key(key.as_bytes());
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(
        SEC_WEBSOCKET_KEY,
        HeaderValue::try_from(key).map_err(|_| wrong("the handshake's key can't be a header".into()))?,
    );
    if !request.subprotocols.is_empty() {
        // A token may travel as a subprotocol. [devcontext §1.3]
        let mut offer = HeaderValue::try_from(request.subprotocols.join(", "))
            .map_err(|_| wrong("a subprotocol holds an illegal character".into()))?;
        offer.set_sensitive(true);
        headers.insert(SEC_WEBSOCKET_PROTOCOL, offer);
    }
    let message = message(Method::GET, &target, headers, String::new());
    let stream = dial(shared, &target).await?;

    with_connection(stream, async |sender| {
        let response = sender.send_request(message).await.map_err(|error| {
            // A port that speaks TLS answers with an alert.
            let other = error.is_parse() && !target.secure && !say(&error).ends_with("too large");
            wrong(if other { not_http(&target, &error) } else { say(&error) })
        })?;
        judge(&response, &accept, &request.subprotocols)?;
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| wrong(say(&error)))?;
        let parts = upgraded
            .downcast::<TokioIo<Stream>>()
            .map_err(|_| wrong("the upgraded connection is not the one that was opened".into()))?;
        Ok((parts.io.into_inner(), parts.read_buf))
    })
    .await
    .map_err(wrong)?
}

/// Whether the server agreed (RFC 6455 §4.1, the list at its end).
fn judge(response: &Response<Incoming>, accept: &str, offered: &[String]) -> Result<(), DisconnectReason> {
    let headers = response.headers();
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // A redirect is one of these: following it would carry the token to whoever is named there.
        return Err(DisconnectReason::Http {
            status: response.status().as_u16(),
            retry_after: retry_after(headers),
        });
    }
    let broken = |reason: &str| Err(DisconnectReason::Protocol { code: 1002, reason: reason.to_owned() });
    if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
        return broken("the answer to the upgrade names another protocol");
    }
    if headers.get(SEC_WEBSOCKET_ACCEPT).is_none_or(|value| value != accept) {
        return broken("the answer to the upgrade has a wrong Sec-WebSocket-Accept");
    }
    if headers.contains_key("sec-websocket-extensions") {
        return broken("the answer to the upgrade names an extension that was not offered");
    }
    // A server that takes none of the offered ones leaves the header out; that is its right (RFC 6455 §4.2.2).
    match headers.get(SEC_WEBSOCKET_PROTOCOL) {
        Some(chosen) if !offered.iter().any(|offer| chosen == offer.as_str()) => {
            broken("the answer to the upgrade names a subprotocol that was not offered")
        }
        _ => Ok(()),
    }
}

fn has_token(headers: &HeaderMap, name: &hyper::header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

fn message(method: Method, target: &Target, headers: HeaderMap, body: String) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(target.path.clone());
    *request.headers_mut() = headers;
    request
}

async fn read_body(response: Response<Incoming>, max: usize) -> Result<Vec<u8>, String> {
    let mut body = response.into_body();
    let too_large = || format!("the answer is larger than {max} bytes");
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| say(&error))?.into_data() {
            if bytes.len() + data.len() > max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// Runs hyper's connection and the work on it in one future, so that dropping it ends both.
async fn with_connection<T>(
    stream: Stream,
    work: impl AsyncFnOnce(&mut SendRequest<Full<Bytes>>) -> T,
) -> Result<T, String> {
    let (mut sender, connection) = Builder::new()
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| say(&error))?;
    let mut connection = pin!(connection.with_upgrades());
    let mut work = pin!(work(&mut sender));
    let mut running = true;
    // Each wakes the other through this task's waker, so one look at both is enough.
    Ok(poll_fn(move |cx| {
        // The connection's failure reaches the work as well, with a better text.
        running = running && connection.as_mut().poll(cx).is_pending();
        work.as_mut().poll(cx)
    })
    .await)
}

/// What answered speaks something else.
fn not_http(target: &Target, error: &hyper::Error) -> String {
    let Target { host, port, .. } = target;
    let why = say(error);
    format!(
        "{host}:{port} does not speak HTTP ({why}); for a port with TLS the URL is to begin with wss:// or https://"
    )
}

/// hyper's errors say "error trying to …" and keep the cause behind them.
fn say(error: &hyper::Error) -> String {
    match core::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
