//! The mock server, which runs outside the browser, and what the tests do with a client of it.
#![allow(dead_code, reason = "the worker's tests need a part of it")]

use core::future::Future;
use core::time::Duration;

use futures_util::future::{Either, select};
use gloo_net::http::Request;
use serde_json::{Value, json};
use steadfast::client::{Event, Events, Handle, Options, Subscription};
use steadfast::{ConnectionState, Endpoint, Service};

/// Where the mock server listens.
const MOCK: Option<&str> = option_env!("STEADFAST_MOCK_URL");
const PATIENCE: Duration = Duration::from_secs(15);

/// A web address of the mock server.
pub(crate) fn at(path: &str) -> String {
    let base =
        MOCK.expect("STEADFAST_MOCK_URL says where a mock server listens; `cargo xtask test web` starts one");
    format!("{base}/{path}")
}

/// Waits for something, but not for ever.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let late = gloo_timers::future::sleep(PATIENCE);
    match select(core::pin::pin!(future), late).await {
        Either::Left((value, _)) => value,
        Either::Right(_) => panic!("{what} took longer than {PATIENCE:?}"),
    }
}

async fn answer(request: Request) -> Value {
    let response = request.send().await.expect("the mock server answers");
    let text = response.text().await.expect("its answer can be read");
    assert!(response.ok(), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Asks something of the mock server's control interface.
pub(crate) async fn control(path: &str, body: Value) -> Value {
    answer(Request::post(&at(&format!("_mock/{path}"))).body(body.to_string()).expect("a request")).await
}

/// Reads something of it.
pub(crate) async fn look(path: &str) -> Value {
    answer(Request::get(&at(&format!("_mock/{path}"))).build().expect("a request")).await
}

/// Whatever the mock has open of this user.
pub(crate) async fn connections(user: &str) -> Vec<Value> {
    let all = look("connections").await;
    all.as_array().expect("a list").iter().filter(|one| one["user"] == user).cloned().collect()
}

/// Waits until the mock says so.
pub(crate) async fn until_open(user: &str, count: usize) {
    within(&format!("{count} connections of {user}"), async {
        while connections(user).await.len() != count {
            gloo_timers::future::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// The name of a service in the mock's addresses.
pub(crate) fn name(service: Service) -> String {
    service.to_string().to_lowercase()
}

/// A token of this user, with a role that the service takes.
pub(crate) async fn token(user: &str, service: Service) -> String {
    let role = if service == Service::TherapyBridge { "therapist" } else { "facilitator" };
    let answer = control("tokens", json!({"sub": user, "role": role})).await;
    answer["token"].as_str().expect("a token").to_owned()
}

/// The options of a client that doesn't wait long.
pub(crate) async fn options(user: &str, service: Service) -> Options {
    let mut options = Options::new(service, Endpoint::Url(at(&name(service))));
    if service != Service::DocProc {
        options = options.token(token(user, service).await);
    }
    options.config.reconnect.base_delay = Duration::from_millis(20);
    options.config.reconnect.max_delay = Duration::from_millis(200);
    options.config.reconnect.attempts_per_minute = 1000;
    options.config.timings.completion_wait = Duration::from_millis(100);
    options
}

/// A client of this user.
pub(crate) async fn client(user: &str, service: Service) -> Handle {
    Handle::new(options(user, service).await).expect("good options")
}

/// A subscription that the server has confirmed.
pub(crate) async fn live(handle: &Handle, topic: &str) -> Subscription {
    let subscription = handle.subscribe(topic).expect("a good topic");
    within("live", subscription.live()).await.expect("it becomes live");
    subscription
}

/// Does something to the connections of a user, now.
pub(crate) async fn now(user: &str, action: Value) {
    control("faults", json!({"match": {"user": user, "when": "now"}, "action": action})).await;
}

/// Lets a session of Charisma make some progress.
pub(crate) async fn advance(topic: &str, progress: f64) {
    let data =
        json!({"type": "session_status", "sessionId": topic, "status": "uploading", "progress": progress});
    control("emit", json!({"service": "charisma", "topic": topic, "data": data})).await;
}

/// Reads until an event fits.
pub(crate) async fn until(events: &mut Events, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
    let mut seen = Vec::new();
    let read = async {
        while let Some(event) = events.next().await {
            if fits(&event) {
                return event;
            }
            seen.push(event);
        }
        panic!("the client has closed");
    };
    within(what, read).await
}

/// Reads until the connection is in this state.
pub(crate) async fn state(events: &mut Events, name: &str) -> ConnectionState {
    let event =
        until(events, name, |event| matches!(event, Event::State(state) if state.name() == name)).await;
    let Event::State(state) = event else { unreachable!() };
    state
}
