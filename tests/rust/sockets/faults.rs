//! Every fault that the mock server knows, on every service: whatever happens to a connection or a message, the client
//! hears what comes after it. What each fault looks like is said in the other files, one at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use steadfast::client::{Event, Options};
use steadfast::{ConnectionState, Service, SubscriptionState, TokenError};
use steadfast_mock_server::{CATALOGUE, Example, KnownFault, MockServer};
use steadfast_tests::{
    PATIENCE, advance, fault, hasten, live, mock, mock_service, now, open, options, progress_name,
};

/// Heartbeats often enough to meet one, and a token on each service.
const SETTINGS: [&str; 5] = [
    "charisma.ping_interval=100ms",
    "therapybridge.ping_interval=100ms",
    "saga.ping_interval=100ms",
    "docproc.ping_interval=100ms",
    "docproc.auth=on",
];
/// How many are tried at a time.
const AT_A_TIME: usize = 40;
/// After this a fault that has met nothing does not concern the service.
const CONCERNED: Duration = Duration::from_millis(800);
/// What meets no client that stays subscribed, shows its token at once, sends no WebSocket pings and does no long-polling.
const ELSEWHERE: [&str; 6] =
    ["after-unsubscribe", "auth-ack-lost", "no-pong", "poll-502", "probe-fails", "unknown-sid"];

/// As an app has them, in a hurry.
fn hurried(server: &MockServer, service: Service) -> Options {
    let role = mock_service(service).usual_role();
    let issue = |more: u64| server.authority().issue("u1", role, Duration::from_secs(3600 + more));
    let (tokens, calls) = ((0..200).map(issue).collect::<Vec<_>>(), AtomicUsize::new(0));
    let provider = move |_: bool| {
        let token = tokens.get(calls.fetch_add(1, Ordering::Relaxed)).cloned();
        async move { token.ok_or_else(|| TokenError::Denied("asked too often".into())) }
    };
    let mut options = hasten(options(server, service).token_provider(provider));
    let timings = &mut options.config.timings;
    timings.silence_limit = Some(Duration::from_millis(600));
    timings.ping_interval = Duration::from_millis(200);
    timings.pong_timeout = Duration::from_millis(400);
    timings.confirm_timeout = Duration::from_millis(500);
    options.config.reconnect.dial_timeout = Duration::from_millis(500);
    options.config.reconnect.handshake_timeout = Duration::from_millis(1500);
    options.config.reconnect.restart_spread = Duration::from_millis(50);
    options.config.reconnect.max_retry_after = Duration::from_millis(500);
    options
}

/// Whether the fault met the service's connection. Fails if the client does not go on.
async fn survived(known: &KnownFault, rule: &Value, service: Service) -> Result<bool, String> {
    let server = mock(&SETTINGS).await;
    let client = open(hurried(&server, service));
    let mut events = client.events();
    let mut topic = live(&client, "quiet-1").await;
    let info = fault(&server, rule.clone());
    // What does not wait for a message waits for a connection.
    if rule.pointer("/match/nth").is_none() {
        now(&server, service, json!({"do": "drop", "how": "rst"}));
    }
    let begun = Instant::now();
    // What is done at once is not kept.
    let applied =
        || info.applied > 0 || server.faults().iter().any(|rule| rule.id == info.id && rule.applied > 0);
    let mut heard = 0;
    while heard < 2 {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{} on {service}: {}", known.name, client.diagnose().text));
        }
        // As long as it may still come, nothing counts that is heard.
        let over = applied() || begun.elapsed() > CONCERNED;
        match topic.state() {
            SubscriptionState::Refused { .. } | SubscriptionState::Ended => {
                topic = client.subscribe("quiet-1").expect("a good topic");
            }
            _ if matches!(client.state(), ConnectionState::Displaced { .. }) => client.take_over(),
            _ => drop(advance(&server, service, "quiet-1")),
        }
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(30), events.next()).await {
            let update =
                matches!(&event, Event::Message(message) if message.data.name() == progress_name(service));
            heard += usize::from(update && over);
        }
    }
    Ok(applied())
}

#[tokio::test]
async fn whatever_goes_wrong_the_client_hears_what_comes_after_it() {
    let rules = CATALOGUE.iter().filter_map(|known| match known.example {
        Example::Rule(rule) => Some((known, serde_json::from_str::<Value>(rule).expect("a rule"))),
        Example::Options(_) => None,
    });
    let rules: Vec<_> = rules.collect();
    let cases = rules.iter().flat_map(|case| Service::ALL.map(|service| (case, service)));
    let tries = futures_util::stream::iter(cases)
        .map(|((known, rule), service)| async move { (known.name, survived(known, rule, service).await) });
    let mut met = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut results = std::pin::pin!(tries.buffer_unordered(AT_A_TIME));
    while let Some((name, result)) = results.next().await {
        match result {
            Ok(concerned) => *met.entry(name).or_insert(0) += usize::from(concerned),
            Err(text) => wrong.push(text),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    let never: Vec<_> = met.iter().filter(|(_, services)| **services == 0).map(|(name, _)| *name).collect();
    assert_eq!(never, ELSEWHERE);
}
