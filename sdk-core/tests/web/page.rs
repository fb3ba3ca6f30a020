//! What happens around a client in a page, and what a framework asks of it.

use core::time::Duration;

use steadfast::client::{CharismaClient, Events, Handle, Options, Subscription};
use steadfast::{Endpoint, Service};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Event, EventTarget, PageTransitionEvent, PageTransitionEventInit};

use super::support::{live, options, state, until_open};

fn window() -> EventTarget {
    js_sys::global().unchecked_into()
}

fn dispatch(target: &EventTarget, name: &str) {
    target.dispatch_event(&Event::new(name).unwrap()).unwrap();
}

/// Shows or hides the page, as far as a program in it can see.
fn show(visible: bool) {
    let page: EventTarget = js_sys::Reflect::get(&window(), &"document".into()).unwrap().unchecked_into();
    let property = js_sys::Object::new();
    let value = JsValue::from(if visible { "visible" } else { "hidden" });
    js_sys::Reflect::set(&property, &"value".into(), &value).unwrap();
    js_sys::Reflect::set(&property, &"configurable".into(), &true.into()).unwrap();
    js_sys::Reflect::define_property::<js_sys::Object>(
        page.unchecked_ref(),
        &"visibilityState".into(),
        &property,
    )
    .unwrap();
    dispatch(&page, "visibilitychange");
}

#[wasm_bindgen_test]
async fn a_network_that_goes_and_comes_is_followed() {
    // Loopback addresses need no network.
    let endpoint = Endpoint::Url("wss://charisma.invalid".into());
    let mut options = Options::new(Service::Charisma, endpoint).token("a");
    options.config.reconnect.base_delay = Duration::from_secs(30);
    options.config.reconnect.max_delay = Duration::from_secs(30);
    options.config.reconnect.jitter = false;
    let client = Handle::new(options).unwrap();
    let mut events = client.events();
    client.connect();
    state(&mut events, "waiting").await;
    dispatch(&window(), "offline");
    state(&mut events, "offline").await;
    let before = client.stats().attempts;
    dispatch(&window(), "online");
    state(&mut events, "waiting").await;
    assert!(client.stats().attempts > before, "it tries at once");
}

#[wasm_bindgen_test]
async fn a_page_that_is_shown_again_tries_at_once() {
    let mut options = options("web-shown", Service::Charisma).await;
    options.config.endpoint = Endpoint::Url("ws://127.0.0.1:9".into());
    options.config.reconnect.base_delay = Duration::from_secs(30);
    options.config.reconnect.max_delay = Duration::from_secs(30);
    options.config.reconnect.jitter = false;
    let client = Handle::new(options).unwrap();
    let mut events = client.events();
    client.connect();
    state(&mut events, "waiting").await;
    show(false);
    show(true);
    state(&mut events, "connecting").await;
    assert_eq!(client.stats().attempts, 2);
}

#[wasm_bindgen_test]
async fn a_page_that_is_left_hangs_up_and_one_that_returns_connects() {
    let user = "web-left";
    let mut options = options(user, Service::Charisma).await;
    options.config.timings.background_grace = Duration::from_millis(100);
    let client = Handle::new(options).unwrap();
    let mut events = client.events();
    let _subscription = live(&client, "quiet-left").await;
    state(&mut events, "ready").await;
    until_open(user, 1).await;
    dispatch(&window(), "pagehide");
    state(&mut events, "suspended").await;
    until_open(user, 0).await;
    let kept = PageTransitionEventInit::new();
    kept.set_persisted(true);
    let back = PageTransitionEvent::new_with_event_init_dict("pageshow", &kept).unwrap();
    window().dispatch_event(&back).unwrap();
    state(&mut events, "ready").await;
    until_open(user, 1).await;
}

#[wasm_bindgen_test]
async fn a_closed_client_listens_no_more() {
    let client = Handle::new(options("web-closed", Service::Charisma).await).unwrap();
    client.connect();
    client.shutdown().await;
    dispatch(&window(), "online");
    assert_eq!(client.state().name(), "closed");
}

/// Frameworks keep what is shared between components where it could be sent to other threads, even in a browser.
#[wasm_bindgen_test]
fn handles_can_be_kept_in_a_framework_s_context() {
    fn keeps<T: Send + Sync + 'static>() {}
    keeps::<Handle>();
    keeps::<CharismaClient>();
    keeps::<Subscription>();
    keeps::<Events>();
}
