//! REST requests by `fetch`.

use gloo_net::http::{Request, Response};
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, ReadableStreamReadResult, RequestCache,
    RequestInit, RequestRedirect, ResponseType,
};

use super::message;
use crate::driver::HttpAnswer;
use crate::io::{HttpError, HttpRequest};

/// Aborts the request when it is dropped; a finished one doesn't mind.
struct Abort(AbortController);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request and reads the whole answer.
pub(super) async fn request(request: HttpRequest) -> Result<HttpAnswer, HttpError> {
    let abort = AbortController::new().map(Abort).map_err(|error| unsent(message(&error)))?;
    let prepared = prepare(&request, &abort)?;
    // Whether a request that failed has reached the server, a browser does not say.
    let lost = |reason| HttpError { reason, sent: true };
    let response = prepared.send().await.map_err(|error| lost(error.to_string()))?;
    // A redirect is an answer; a browser hides which one it was.
    let status = if response.type_() == ResponseType::Opaqueredirect { 302 } else { response.status() };
    let retry_after = response.headers().get("retry-after").and_then(|value| retry_after(&value));
    let body = read(&response, request.max_body).await.map_err(lost)?;
    Ok(HttpAnswer { status, retry_after, body })
}

fn unsent(reason: String) -> HttpError {
    HttpError { reason, sent: false }
}

fn prepare(request: &HttpRequest, abort: &Abort) -> Result<Request, HttpError> {
    let wrong = |error| unsent(message(&error));
    let headers = Headers::new().map_err(wrong)?;
    if request.body.is_some() {
        headers.set("content-type", "application/json").map_err(wrong)?;
    }
    for (name, value) in &request.headers {
        // What the browser says quotes the value, which may be a token.
        headers
            .set(name, value)
            .map_err(|_| unsent(format!("the header {name:?} holds a character that is not allowed")))?;
    }
    let init = RequestInit::new();
    init.set_method(request.method);
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    init.set_cache(RequestCache::NoStore);
    init.set_signal(Some(&abort.0.signal()));
    if let Some(body) = &request.body {
        init.set_body(&body.into());
    }
    web_sys::Request::new_with_str_and_init(&request.url, &init).map(Request::from).map_err(wrong)
}

async fn read(response: &Response, max: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let Some(stream) = response.body() else { return Ok(body) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let part = JsFuture::from(reader.read()).await.map_err(|error| message(&error))?;
        let part: ReadableStreamReadResult = part.unchecked_into();
        if part.get_done() == Some(true) {
            return Ok(body);
        }
        let bytes: Uint8Array = part.get_value().unchecked_into();
        if body.len() + bytes.length() as usize > max {
            // Dropping the request cuts it off.
            return Err(format!("the answer is larger than {max} bytes"));
        }
        body.extend(bytes.to_vec());
    }
}

/// Seconds or a date, in ms from now.
fn retry_after(value: &str) -> Option<u64> {
    if let Ok(seconds) = value.trim().parse::<u32>() {
        return Some(u64::from(seconds) * 1000);
    }
    let wait = js_sys::Date::parse(value) - js_sys::Date::now();
    wait.is_finite().then_some(wait.max(0.0) as u64)
}
