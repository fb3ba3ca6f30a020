//! Tokens and upgrades that the server refuses. [rules §2.6, §2.11]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use steadfast::client::{Handle, Options, Subscription};
use steadfast::{
    CommandErrorKind, ConnectionState, Endpoint, Service, SubscriptionState, TokenError, TokenSource, Why,
    WhyKind,
};
use steadfast_mock_server::{Happening, MockServer};
use steadfast_tests::{
    Log, brisk, each, entries, fault, hasten, is_shared, live, mock, mock_service, now, open, refusal, within,
};

/// A server on which every service wants a token, and wants it soon.
async fn strict() -> MockServer {
    mock(&["docproc.auth=on", "charisma.auth_timeout=50ms", "devcontext.auth_timeout=50ms"]).await
}

/// Waits until the client, or on TherapyBridge the session, is given up; says why.
async fn given_up(client: &Handle) -> (Why, Subscription) {
    let mut log = Log::of(client);
    let subscription = client.subscribe("quiet-1").unwrap();
    if is_shared(client.service()) {
        let state = log.state("failed").await;
        assert_ne!(subscription.state(), SubscriptionState::Live);
        return (state.why().unwrap().clone(), subscription);
    }
    let state = log.topic("quiet-1", "refused").await;
    (refusal(&state).clone(), subscription)
}

/// A provider that gives these tokens one after the other, the last one again and again, and notes each `force`.
fn provider(tokens: Vec<String>) -> (impl steadfast::client::TokenProvider, Arc<Mutex<Vec<bool>>>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let provider = move |force: bool| {
        let mut calls = noted.lock().unwrap();
        let token = tokens[calls.len().min(tokens.len() - 1)].clone();
        calls.push(force);
        async move { Ok::<_, TokenError>(token) }
    };
    (provider, calls)
}

fn hour(server: &MockServer, more: u64) -> String {
    server.authority().issue("u1", "", Duration::from_secs(3600 + more))
}

#[tokio::test]
async fn a_bad_static_token_ends_in_auth_failed_after_one_attempt() {
    each(|service| async move {
        let server = strict().await;
        let client = open(brisk(&server, service).token("not-a-token"));
        let (why, _subscription) = given_up(&client).await;
        assert_eq!(why.kind, WhyKind::Auth, "{service}: {why:?}");
        assert!(why.help.contains("set_token"), "{service}: {why:?}");
        assert_eq!(
            (client.stats().auth_failures, entries(&server, service, Happening::Subscribed).len()),
            (1, 0)
        );
        let error = within("ready", client.ready()).await.unwrap_err();
        assert_eq!(error.kind, CommandErrorKind::NotConnected, "{service}: {error}");
        // A good one re-arms it.
        let mut log = Log::of(&client);
        client.set_token(server.token("u1"));
        if is_shared(service) {
            log.topic("quiet-1", "live").await;
        } else {
            live(&client, "quiet-1").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_missing_token_ends_in_auth_failed() {
    each(|service| async move {
        let server = strict().await;
        let mut options = brisk(&server, service);
        options.config.token = TokenSource::None;
        let client = open(options);
        let (why, _subscription) = given_up(&client).await;
        assert_eq!(why.kind, WhyKind::Auth, "{service}: {why:?}");
        assert_eq!(client.stats().attempts, 1, "{service}");
    })
    .await;
}

#[tokio::test]
async fn a_refused_token_is_asked_for_once_more_with_force() {
    each(|service| async move {
        let server = strict().await;
        let past = |s| server.authority().issue_until("u1", "", SystemTime::now() - Duration::from_secs(s));
        // The second one is good.
        let (source, calls) = provider(vec![past(60), hour(&server, 0)]);
        let client = open(brisk(&server, service).token_provider(source));
        let _live = live(&client, "quiet-1").await;
        let mut log = Log::of(&client);
        if !matches!(client.state(), ConnectionState::Ready { .. }) {
            log.state("ready").await;
        }
        assert_eq!(*calls.lock().unwrap(), [false, true], "{service}");
        assert_eq!(client.stats().auth_failures, 1, "{service}");
        // The second one is as bad as the first.
        let (source, calls) = provider(vec![past(60), past(50), hour(&server, 1)]);
        let client = open(brisk(&server, service).token_provider(source));
        assert_eq!(given_up(&client).await.0.kind, WhyKind::Auth, "{service}");
        assert_eq!(*calls.lock().unwrap(), [false, true], "{service}");
        assert_eq!(client.stats().attempts, 2, "{service}");
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_denies_ends_it_and_one_that_fails_is_asked_again() {
    each(|service| async move {
        let server = strict().await;
        let denies = |_: bool| async { Err::<String, _>(TokenError::Denied("signed out".into())) };
        let client = open(brisk(&server, service).token_provider(denies));
        let mut log = Log::of(&client);
        let _subscription = client.subscribe("quiet-1").unwrap();
        let state = log.state("failed").await;
        let why = state.why().unwrap();
        assert_eq!(why.kind, WhyKind::Auth, "{service}: {why:?}");
        assert!(why.text.contains("signed out"), "{service}: {why:?}");
        assert_eq!(entries(&server, service, Happening::Open).len(), 0, "{service}: nothing was dialed");

        let (good, calls) = (hour(&server, 0), Arc::new(Mutex::new(0)));
        let counted = Arc::clone(&calls);
        let flaky = move |_: bool| {
            let (good, mut calls) = (good.clone(), counted.lock().unwrap());
            *calls += 1;
            let down = *calls < 3;
            async move { if down { Err(TokenError::Unavailable("503".into())) } else { Ok(good) } }
        };
        let client = open(brisk(&server, service).token_provider(flaky));
        let mut log = Log::of(&client);
        let _subscription = client.subscribe("quiet-1").unwrap();
        let state = log.state("waiting").await;
        assert_eq!(state.why().unwrap().kind, WhyKind::TokenProvider, "{service}");
        log.topic("quiet-1", "live").await;
        assert_eq!(*calls.lock().unwrap(), 3, "{service}");
    })
    .await;
}

#[tokio::test]
async fn upgrades_are_refused_with_a_meaning() {
    each(|service| async move {
        for (status, kind) in [
            (400, WhyKind::Configuration),
            (401, WhyKind::Auth),
            (403, WhyKind::Auth),
            (404, if is_shared(service) { WhyKind::Configuration } else { WhyKind::NotFound }),
            (410, if is_shared(service) { WhyKind::Configuration } else { WhyKind::NotFound }),
            (302, WhyKind::Configuration),
        ] {
            let server = mock(&[]).await;
            let rule = json!({"match": {"service": mock_service(service)},
                "action": {"do": "refuse", "status": status}});
            fault(&server, rule);
            let client = open(brisk(&server, service));
            let (why, _subscription) = given_up(&client).await;
            assert_eq!(why.kind, kind, "{service} {status}: {why:?}");
            assert_eq!(why.code.as_deref(), Some(status.to_string().as_str()), "{service}: {why:?}");
            if status == 302 {
                assert!(why.help.contains("redirect"), "{service}: {why:?}");
            }
            assert!(
                !why.help.is_empty() && client.diagnose().text.contains(why.help),
                "{service}: {why:?} {}",
                client.diagnose().text
            );
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_fatal_at_first_is_a_deployment_after_a_ready() {
    each(|service| async move {
        for status in [404, 410, 302, 400] {
            if !is_shared(service) && status != 302 && status != 400 {
                continue; // there a 404 is about the session [therapybridge §4.4]
            }
            let server = mock(&[]).await;
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let _subscription = live(&client, "quiet-1").await;
            let rule = json!({"match": {"service": mock_service(service)}, "times": 2,
                "action": {"do": "refuse", "status": status}});
            fault(&server, rule);
            now(&server, service, json!({"do": "drop", "how": "fin"}));
            log.gap("quiet-1").await;
            assert_eq!(client.stats().attempts, 4, "{service} {status}: {:?}", log.lines());
        }
    })
    .await;
}

#[tokio::test]
async fn an_overloaded_server_says_how_long_to_wait() {
    each(|service| async move {
        for status in [429, 503] {
            let server = mock(&[]).await;
            let rule = json!({"match": {"service": mock_service(service)}, "times": 1,
                "action": {"do": "refuse", "status": status, "retry_after": 1}});
            fault(&server, rule);
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let begun = Instant::now();
            let _subscription = client.subscribe("quiet-1").unwrap();
            let state = log.state("waiting").await;
            assert_eq!(state.why().unwrap().kind, WhyKind::Overloaded, "{service} {status}");
            // The network's return does not shorten it; only connect() does. [rules §2.3.9]
            client.network_changed(steadfast::Reachability::Online);
            client.foreground();
            log.topic("quiet-1", "live").await;
            assert!(
                begun.elapsed() >= Duration::from_millis(990),
                "{service} {status}: {:?}",
                begun.elapsed()
            );

            let rule = json!({"match": {"service": mock_service(service)}, "times": 1,
                "action": {"do": "refuse", "status": status, "retry_after": 300}});
            fault(&server, rule);
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let _subscription = client.subscribe("quiet-2").unwrap();
            log.state("waiting").await;
            client.connect();
            log.topic("quiet-2", "live").await;
        }
        // Without Retry-After it is the usual schedule.
        let server = mock(&[]).await;
        fault(
            &server,
            json!({"match": {"service": mock_service(service)}, "times": 2,
            "action": {"do": "refuse", "status": 502}}),
        );
        let client = open(brisk(&server, service));
        live(&client, "quiet-1").await;
        assert_eq!(client.stats().failures[&WhyKind::ServerError], 2, "{service}");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_path_is_a_configuration_error_with_a_hint() {
    each(|service| async move {
        let server = mock(&[]).await;
        let url = format!("{}/nowhere", server.base_url());
        let client = open(hasten(Options::new(service, Endpoint::Url(url)).token(server.token("u1"))));
        let (why, _subscription) = given_up(&client).await;
        assert_eq!(why.code.as_deref(), Some("404"), "{service}: {why:?}");
        assert!(why.help.contains("URL"), "{service}: {why:?}");
        assert_eq!(client.stats().attempts, 1, "{service}");
    })
    .await;
}

#[tokio::test]
async fn plain_text_off_this_machine_is_refused_and_the_option_is_named() {
    for service in Service::ALL {
        for url in ["ws://192.0.2.1:80", "http://mock.example"] {
            let mut options = Options::new(service, Endpoint::Url(url.into())).token("t");
            let error = Handle::new(options.clone()).unwrap_err();
            assert!(error.to_string().contains("allow_insecure"), "{service}: {error}");
            options.config.allow_insecure = true;
            assert!(Handle::new(options).is_ok(), "{service}");
        }
        for url in ["ws://127.0.0.1:1", "http://localhost:1", "ws://[::1]:1", "wss://mock.example"] {
            let options = Options::new(service, Endpoint::Url(url.into())).token("t");
            assert!(Handle::new(options).is_ok(), "{service} {url}");
        }
    }
}

#[tokio::test]
async fn docproc_wants_a_token_only_when_told_to() {
    let server = mock(&[]).await;
    let mut options = brisk(&server, Service::DocProc);
    options.config.token = TokenSource::None;
    let client = open(options.clone());
    live(&client, "quiet-1").await;
    server.set("docproc.auth", "on").unwrap();
    assert_eq!(given_up(&open(options)).await.0.kind, WhyKind::Auth);
    live(&open(brisk(&server, Service::DocProc)), "quiet-1").await;
}

#[tokio::test]
async fn charisma_has_one_connection_per_user_and_take_over_takes_it_back() {
    let server = mock(&[]).await;
    let first = open(brisk(&server, Service::Charisma));
    let second = open(brisk(&server, Service::Charisma));
    let (mut one, mut two) = (Log::of(&first), Log::of(&second));
    let _a = live(&first, "quiet-1").await;
    let _b = live(&second, "quiet-1").await;
    let state = one.state("displaced").await;
    let why = state.why().unwrap();
    assert_eq!((why.kind, why.code.as_deref()), (WhyKind::Displaced, Some("4409")), "{why:?}");
    assert!(why.help.contains("take_over"), "{why:?}");
    // Nothing but take_over brings it back.
    first.connect();
    first.network_changed(steadfast::Reachability::Online);
    first.set_token(server.token("u1"));
    assert!(matches!(first.state(), ConnectionState::Displaced { .. }), "{:?}", first.state());
    first.take_over();
    one.topic("quiet-1", "live").await;
    two.state("displaced").await;
    assert_eq!(entries(&server, Service::Charisma, Happening::Open).len(), 3);
}

#[tokio::test]
async fn a_place_that_is_taken_is_409_and_can_be_taken_over_later() {
    let server = mock(&["charisma.second_connection=reject"]).await;
    let first = open(brisk(&server, Service::Charisma));
    let _a = live(&first, "quiet-1").await;
    let second = open(brisk(&server, Service::Charisma));
    let mut log = Log::of(&second);
    let _b = second.subscribe("quiet-2").unwrap();
    let state = log.state("displaced").await;
    assert_eq!(state.why().unwrap().code.as_deref(), Some("409"));
    within("shutdown", first.shutdown()).await;
    steadfast_tests::deserted(&server).await;
    second.take_over();
    log.topic("quiet-2", "live").await;
}
