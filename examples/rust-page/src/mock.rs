//! What a real page has its own backend for: tokens, and here also a server that misbehaves.

use gloo_net::http::Request;
use serde_json::{Value, json};
use steadfast::Service;

/// An address of the mock server: the page's `?mock=…`, else its usual place.
pub(crate) fn at(path: &str) -> String {
    let query = web_sys::window().and_then(|window| window.location().search().ok()).unwrap_or_default();
    let given = web_sys::UrlSearchParams::new_with_str(&query).ok().and_then(|query| query.get("mock"));
    format!("{}/{path}", given.as_deref().unwrap_or("http://127.0.0.1:8090"))
}

/// A number that no page has used before.
pub(crate) fn moment() -> u64 {
    steadfast::driver::Platform::now(&steadfast::driver::web::Web).unix
}

/// A token with a role that the service takes.
pub(crate) async fn token(service: Service) -> Result<String, String> {
    let role = if service == Service::TherapyBridge { "therapist" } else { "facilitator" };
    let user = format!("{service}-{}", moment());
    let answer = post("tokens", json!({"sub": user, "role": role})).await?;
    answer["token"].as_str().map(str::to_owned).ok_or("the answer holds no token".to_owned())
}

/// Cuts every connection.
pub(crate) async fn cut_all() {
    let rule = json!({"match": {"when": "now"}, "action": {"do": "drop", "how": "rst"}});
    // A mock server that is gone has no connections.
    let _ = post("faults", rule).await;
}

async fn post(path: &str, body: Value) -> Result<Value, String> {
    let request = Request::post(&at(&format!("_mock/{path}"))).body(body.to_string());
    let answer = request.map_err(|error| error.to_string())?.send().await;
    let text = answer.map_err(|error| error.to_string())?.text().await.map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
