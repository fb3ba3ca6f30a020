//! What all HTTP answers share: the errors, cross-origin rules and the router of everything.

use axum::body::to_bytes;
use axum::extract::{DefaultBodyLimit, OriginalUri, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, UPGRADE,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::auth::{self, Identity};
use crate::console;
use crate::control;
use crate::page;
use crate::requests::{self, MOST_BODY};
use crate::service::Service;
use crate::services;
use crate::wording::{Object, plain};
use crate::world::World;

/// An HTTP refusal: a status and `{error}`, which says what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    pub(crate) retry_after: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    pub(crate) fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    pub(crate) fn missing(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.text}))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Marks a response that shall carry no CORS header, as if the page's origin were not allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OriginRefused;

/// A JSON object of a known shape, or 400 with what is wrong with it.
pub(crate) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    read(bytes).map(|Object(body)| body)
}

/// A JSON body of a known shape, or 400 with what is wrong with it.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Err(ApiError::bad("the body is empty: send a JSON object, at least `{}`"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let mut why = error.to_string();
        // What is said of text that is no JSON is said of good JSON, too, where one of a few words is expected.
        if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
            why = why.replace("expected value", "a text is expected here");
        }
        ApiError::bad(plain(&format!("the body is not what is expected here: {why}")))
    })
}

/// The user of a REST request with a Bearer token, or 401.
pub(crate) fn caller(world: &World, headers: &HeaderMap) -> Result<Identity, ApiError> {
    let token = auth::bearer(headers)
        .ok_or_else(|| ApiError::unauthorized("this needs a token: send `Authorization: Bearer <token>`"))?;
    world.authority.judge(token).map_err(|why| ApiError::unauthorized(why.to_string()))
}

/// Everything under one address: the page, the services under their prefixes and the control API.
pub(crate) fn everything(world: &World) -> Router {
    let mut router = page::routes().nest("/_mock", control::routes());
    if world.options.echo {
        return finish(world, router.merge(services::personality(Service::Echo).routes()), None);
    }
    for service in Service::ALL {
        router = router.nest(&format!("/{service}"), services::personality(service).routes());
    }
    finish(world, router, None)
}

/// One service at the root, for its development port; the page and the control API are there too.
pub(crate) fn alone(world: &World, service: Service) -> Router {
    let router = page::routes().nest("/_mock", control::routes());
    finish(world, router.merge(services::personality(service).routes()), Some(service))
}

fn finish(world: &World, router: Router<World>, service: Option<Service>) -> Router {
    let nowhere = async move |State(world): State<World>, request: Request| {
        let (method, path) = (request.method(), request.uri().path());
        let places = places(&world, service, path);
        let text = format!("{method} {path}: nothing is there; {places}");
        world.console.warn("nowhere", &console::plain(console::short(&text)));
        ApiError::missing(format!(
            "there is nothing at {path}; {places}; the page is at /; the control API is {}, each under /_mock/",
            control::addresses()
        ))
    };
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(async |method: Method, OriginalUri(uri): OriginalUri| {
            let path = uri.path();
            let takes = control::methods(path).map_or_else(
                || "the header `Allow` says what it has".to_owned(),
                |methods| format!("send {methods}"),
            );
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} has no {method}: {takes}"))
        })
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(middleware::map_response(in_json))
        .layer(middleware::from_fn_with_state((world.clone(), service), requests::record))
        .layer(middleware::from_fn_with_state(world.clone(), check_origin))
        .layer(cors(&world.options.cors_origin))
        .layer(middleware::map_response(async |mut response: Response| {
            if response.extensions().get::<OriginRefused>().is_some() {
                response.headers_mut().remove(ACCESS_CONTROL_ALLOW_ORIGIN);
            }
            response
        }))
        .with_state(world.clone())
}

/// What axum itself refuses, such as a path that is no UTF-8, in the form of all other errors.
async fn in_json(response: Response) -> Response {
    let is_text =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !response.status().is_client_error() || !is_text {
        return response;
    }
    let status = response.status();
    let text = to_bytes(response.into_body(), 1 << 16).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // It is axum that reads the bodies of the control API, by the limit that is set below.
    let too_large = status == StatusCode::PAYLOAD_TOO_LARGE && text.contains("length limit");
    let text = if too_large { requests::too_large(MOST_BODY) } else { plain(&text) };
    ApiError::new(status, text).into_response()
}

/// Where the services are, in words, for somebody who looked elsewhere.
fn places(world: &World, alone: Option<Service>, asked: &str) -> String {
    if world.options.echo {
        return "echo mode is at /socket.io/ and /engine.io/".to_owned();
    }
    let own = alone.map(|service| format!("{service} is at {} on this port", service.socket_path()));
    own.unwrap_or_else(|| {
        let paths: Vec<_> =
            Service::ALL.iter().map(|service| format!("/{service}{}", service.socket_path())).collect();
        let path = if asked.contains("socket.io") {
            " (socket.io-client takes that as its option `path`, not in the URL)"
        } else {
            ""
        };
        format!("the services are at {}{path}", paths.join(", "))
    })
}

/// The base URL that a request was sent to, as its client wrote it.
pub(crate) fn base_of(world: &World, headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_host =
        |host: &&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte));
    let host =
        host.filter(is_host).map_or_else(|| format!("127.0.0.1:{}", world.options.port), str::to_owned);
    format!("{}://{host}", if world.options.tls.is_some() { "https" } else { "http" })
}

fn any_origin(allowed: &[String]) -> bool {
    allowed.is_empty() || allowed.iter().any(|origin| origin == "*")
}

fn cors(allowed: &[String]) -> CorsLayer {
    let origins = if any_origin(allowed) {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(allowed.iter().filter_map(|origin| origin.trim_end_matches('/').parse().ok()))
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([RETRY_AFTER])
}

/// Browsers don't ask before they open a WebSocket: so its `Origin` is looked at here.
async fn check_origin(State(world): State<World>, request: Request, next: Next) -> Response {
    let allowed = &world.options.cors_origin;
    let origin = request.headers().get(ORIGIN).and_then(|value| value.to_str().ok());
    let foreign = origin.is_some_and(|o| !allowed.iter().any(|a| a.trim_end_matches('/') == o));
    if request.headers().contains_key(UPGRADE) && foreign && !any_origin(allowed) {
        return ApiError::forbidden("this origin is not allowed: start the server with --cors-origin for it")
            .into_response();
    }
    next.run(request).await
}
