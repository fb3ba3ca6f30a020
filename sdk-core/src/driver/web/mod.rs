//! The host for front ends in Rust: a browser's `WebSocket`, `fetch` and timers, in a page or in a worker.
//!
//! Everything a browser keeps from a program is missing here as well: no headers on the upgrade request, no WebSocket
//! pings, no HTTP status of a refused upgrade (it is a close with 1006 and no reason). Timers of a hidden page ring
//! late. [rules §2.9]
//!
//! A client that [`Handle::new`](crate::client::Handle::new) makes listens to `online` and `offline`,
//! `visibilitychange`, `pagehide` and `pageshow`, and stops when it has closed.

mod around;
mod http;
mod socket;

use core::future::Future;
use core::time::Duration;
use std::sync::Weak;

use wasm_bindgen::{JsCast, JsValue};

pub use socket::WebSocket;

use super::shared::Shared;
use super::{HttpAnswer, Platform};
use crate::io::{ConnectRequest, DisconnectReason, HostCaps, HttpError, HttpRequest};
use crate::time::Now;

/// The longest that a browser's timer waits: it counts in 32 bits. The driver asks again when it rings too early.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// A browser.
#[derive(Clone, Copy, Debug, Default)]
pub struct Web;

impl Platform for Web {
    type Socket = WebSocket;

    fn caps(&self) -> HostCaps {
        HostCaps::BROWSER
    }

    fn now(&self) -> Now {
        thread_local! {
            static CLOCK: web_sys::Performance = property(&js_sys::global(), "performance").unchecked_into();
        }
        Now { mono: CLOCK.with(web_sys::Performance::now) as u64, unix: js_sys::Date::now() as u64 }
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + use<> {
        gloo_timers::future::sleep(time.min(LONGEST))
    }

    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<WebSocket, DisconnectReason>> + use<> {
        WebSocket::open(request)
    }

    fn http(&self, request: HttpRequest) -> impl Future<Output = Result<HttpAnswer, HttpError>> + use<> {
        http::request(request)
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        wasm_bindgen_futures::spawn_local(task);
    }
}

/// Runs a client's driver, and tells it what happens around it until it ends.
pub(crate) async fn watching(shared: Weak<Shared>, driver: impl Future<Output = ()>) {
    let _listeners = around::watch(&shared);
    driver.await;
}

/// A property of an object; `undefined` if there is none.
fn property(object: &JsValue, name: &str) -> JsValue {
    js_sys::Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// What an exception says.
fn message(error: &JsValue) -> String {
    let text = property(error, "message").as_string();
    text.or_else(|| error.as_string()).unwrap_or_else(|| "the browser gives no reason".into())
}
