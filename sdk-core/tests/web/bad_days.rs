//! What a client meets on a bad day: lost connections, refusals, unreadable frames, an expired token.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use js_sys::Reflect;
use serde_json::json;
use steadfast::AuthMode;
use steadfast::client::{Event, Handle, SagaClient};
use steadfast::{CommandErrorKind, Request, Sent, Service, SubscriptionState, WhyKind};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

use super::support::{
    advance, client, connections, control, live, look, name, now, options, state, token, until, until_open,
    within,
};

#[wasm_bindgen_test]
async fn a_dropped_connection_comes_back_with_its_topics() {
    for service in Service::ALL {
        let user = format!("web-drop-{service}");
        let mut options = options(&user, service).await;
        // On DocProc a user is known by a token alone, and may have none.
        options = options.token(token(&user, service).await);
        let client = Handle::new(options).unwrap();
        let mut events = client.events();
        let subscription = live(&client, "quiet-drop").await;
        until_open(&user, 1).await;
        now(&user, json!({"do": "drop", "how": "rst"})).await;
        let lost = state(&mut events, "waiting").await;
        let why = lost.why().expect("a reason");
        assert_eq!(why.kind, WhyKind::Network, "{service}: {why:?}");
        until(&mut events, "the gap", |event| matches!(event, Event::Gap { .. })).await;
        assert_eq!(subscription.state(), SubscriptionState::Live, "{service}");
        assert_eq!((client.stats().attempts, client.stats().reconnects), (2, 1), "{service}");
        until_open(&user, 1).await;
    }
}

#[wasm_bindgen_test]
async fn a_refused_upgrade_is_a_close_without_a_reason() {
    let user = "web-refused";
    let refuse = json!({"do": "refuse", "status": 503});
    control("faults", json!({"match": {"service": "saga"}, "action": refuse, "times": 2})).await;
    let client = client(user, Service::Saga).await;
    let mut events = client.events();
    let _subscription = client.subscribe("quiet-refused").unwrap();
    let waits = state(&mut events, "waiting").await;
    let why = waits.why().expect("a reason");
    assert_eq!((why.kind, why.code.as_deref()), (WhyKind::Network, None), "the status is hidden: {why:?}");
    state(&mut events, "ready").await;
    assert_eq!(client.stats().attempts, 3);
}

#[wasm_bindgen_test]
async fn what_can_not_be_read_is_reported_and_the_next_frame_is_read() {
    let json = ["", "{", "[]", "5", "{\"type\":5}", "{\"type\":null}"];
    let packets = ["", "9", "42", "42{}", "42[5]"];
    for service in Service::ALL {
        let user = format!("web-bad-{service}");
        let options = options(&user, service).await.token(token(&user, service).await);
        let client = Handle::new(options).unwrap();
        let mut events = client.events();
        let subscription = live(&client, "quiet-bad").await;
        let mut frames: Vec<String> =
            if matches!(service, Service::Saga | Service::DocProc) { &packets[..] } else { &json[..] }
                .iter()
                .map(|text| (*text).to_owned())
                .collect();
        frames.push("[".repeat(100_000));
        if let (Some(event), _) = news(service) {
            frames.push(format!("42[\"{event}\",5]"));
        }
        for frame in &frames {
            let (event, data) = news(service);
            let emit = json!({"service": name(service), "topic": "quiet-bad", "event": event, "data": data});
            let rule = json!({"match": {"user": user, "when": "out", "topic": "quiet-bad"}, "times": 1,
                "action": {"do": "malformed", "text": frame}});
            control("faults", rule).await;
            control("emit", emit.clone()).await;
            let violation =
                until(&mut events, frame, |event| matches!(event, Event::ProtocolViolation(_))).await;
            let Event::ProtocolViolation(violation) = violation else { unreachable!() };
            assert!(!violation.reason.is_empty() && violation.excerpt.len() <= 256, "{violation:?}");
            control("emit", emit).await;
            until(&mut events, "what follows", |event| matches!(event, Event::Message(_))).await;
        }
        for hex in ["8200", "8203010203"] {
            now(&user, json!({"do": "inject", "hex": hex})).await;
            until(&mut events, "a binary frame", |event| matches!(event, Event::ProtocolViolation(_))).await;
        }
        assert_eq!(client.stats().violations, frames.len() as u64 + 2, "{service}");
        assert_eq!(client.stats().attempts, 1, "{service}: the connection stays");
        assert_eq!(subscription.state(), SubscriptionState::Live);
    }
}

/// A message about a topic, for the mock to send.
fn news(service: Service) -> (Option<&'static str>, serde_json::Value) {
    match service {
        Service::Charisma => (None, json!({"status": "analysis_in_progress", "progress": 0.3})),
        Service::TherapyBridge => (None, json!({"status": "transcribing", "progress": 30})),
        Service::Saga => (Some("story_processing"), json!({"storyId": "story_1"})),
        Service::DocProc => (Some("progress"), json!({"status": "PROCESSING", "progress": 30})),
        Service::DevContext => (Some("stage_completed"), json!({"stage": "project_review", "progress": 33})),
    }
}

#[wasm_bindgen_test]
async fn a_message_that_is_too_large_ends_the_connection_with_4009() {
    let user = "web-large";
    let mut options = options(user, Service::Charisma).await;
    options.config.limits.max_incoming = Some(4096);
    let client = Handle::new(options).unwrap();
    let mut events = client.events();
    let _subscription = live(&client, "quiet-large").await;
    // Less than the limit in UTF-16 units, more in bytes.
    let data = json!({"type": "x", "text": "ü".repeat(3000)});
    control("emit", json!({"service": "charisma", "topic": "quiet-large", "data": data})).await;
    let waits = state(&mut events, "waiting").await;
    assert_eq!(waits.why().expect("a reason").kind, WhyKind::TooLarge);
    state(&mut events, "ready").await;
    let closes = look(&format!("log?user={user}&what=close")).await;
    assert!(closes.to_string().contains("4009"), "{closes}");
}

#[wasm_bindgen_test]
async fn a_server_that_does_not_read_ends_the_connection_before_memory_does() {
    let user = "web-stall";
    let mut options = options(user, Service::Charisma).await;
    options.config.limits.queue_bytes = 4 * 1024 * 1024;
    options.config.limits.messages_per_minute = 10_000;
    options.config.limits.messages_per_second = 10_000;
    let client = Handle::new(options).unwrap();
    let mut events = client.events();
    let _subscription = live(&client, "quiet-stall").await;
    now(user, json!({"do": "stall"})).await;
    // What the browser and the two ends of TCP take up comes on top of our own 2 MiB.
    let large = json!({"text": "x".repeat(900_000)}).to_string();
    let lost = async {
        loop {
            if let Event::State(lost) = until(&mut events, "a state", |e| matches!(e, Event::State(_))).await
                && let Some(why) = lost.why()
            {
                return why.clone();
            }
        }
    };
    let flood = async {
        for _ in 0..30 {
            if client.send_raw("x", large.clone()).await.is_err() {
                break;
            }
        }
        core::future::pending::<()>().await;
    };
    let why = within("the end", async {
        match futures_util::future::select(core::pin::pin!(lost), core::pin::pin!(flood)).await {
            futures_util::future::Either::Left((why, _)) => why,
            futures_util::future::Either::Right(_) => unreachable!(),
        }
    })
    .await;
    assert!(why.text.contains("does not read"), "{why:?}");
}

#[wasm_bindgen_test]
async fn a_client_that_is_dropped_hangs_up() {
    let user = "web-dropped";
    let client = client(user, Service::Charisma).await;
    let subscription = live(&client, "quiet-dropped").await;
    until_open(user, 1).await;
    drop(client);
    advance("quiet-dropped", 0.5).await;
    assert_eq!(connections(user).await.len(), 1, "the subscription holds it");
    drop(subscription);
    until_open(user, 0).await;
    let closes = look(&format!("log?user={user}&what=close")).await;
    assert!(closes.to_string().contains("1000"), "{closes}");
}

/// A network on which requests hang: they end when they are aborted, and are counted.
const HANGING: &str = "
    const calls = { sent: 0, cut: 0 };
    globalThis.fetch = (request) => new Promise((_, fail) => {
        calls.sent += 1;
        request.signal.addEventListener('abort', () => { calls.cut += 1; fail(request.signal.reason); });
    });
    return calls;";

#[wasm_bindgen_test]
async fn a_request_that_takes_too_long_or_is_given_up_is_cut_off() {
    let mut options = options("web-abort", Service::Saga).await;
    options.config.timings.command_timeout = Duration::from_millis(100);
    let client = SagaClient::new(options).unwrap();
    let (global, name) = (js_sys::global(), JsValue::from("fetch"));
    let fetch = Reflect::get(&global, &name).unwrap();
    let calls = js_sys::Function::new_no_args(HANGING).call0(&JsValue::UNDEFINED).unwrap();
    let reaches = async |name: &str, wanted: f64| {
        while Reflect::get(&calls, &name.into()).unwrap().as_f64() != Some(wanted) {
            gloo_timers::future::sleep(Duration::from_millis(5)).await;
        }
    };
    let error = within("the end", client.server_health()).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (CommandErrorKind::TimedOut, Sent::Unknown), "{error:?}");
    within("the first abort", reaches("cut", 1.0)).await;
    let pending = client.request(Request::ServerHealth);
    within("the second request", reaches("sent", 2.0)).await;
    drop(pending);
    within("the second abort", reaches("cut", 2.0)).await;
    Reflect::set(&global, &name, &fetch).unwrap();
}

#[wasm_bindgen_test]
async fn an_answer_that_is_no_answer_is_an_error_that_says_so() {
    let user = "web-rest";
    let mut options = options(user, Service::Saga).await;
    options.config.rest_url = Some(super::support::at("nowhere"));
    let client = SagaClient::new(options).unwrap();
    let error = within("the answer", client.server_health()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (CommandErrorKind::Rejected, Some("404")), "{error:?}");
    assert!(error.message.contains("there is nothing at"), "{error:?}");
}

#[wasm_bindgen_test]
async fn a_provider_is_asked_again_with_force_when_its_token_is_refused() {
    let user = "web-token";
    let good = token(user, Service::Charisma).await;
    let forced = Rc::new(Cell::new(0));
    let asked = Rc::clone(&forced);
    // Neither the closure nor its future is `Send`.
    let mut options = options(user, Service::Charisma).await.token_provider(move |force| {
        let (asked, good) = (Rc::clone(&asked), good.clone());
        async move {
            gloo_timers::future::sleep(Duration::from_millis(1)).await;
            asked.set(asked.get() + u32::from(force));
            Ok(if force { good } else { "nonsense".to_owned() })
        }
    });
    // By its URL a browser would only learn that it may not connect.
    options.config.auth = AuthMode::Message;
    let client = Handle::new(options).unwrap();
    within("ready", client.ready()).await.unwrap();
    assert_eq!(forced.get(), 1);
    assert!(!client.diagnose().text.contains("nonsense"));
}
