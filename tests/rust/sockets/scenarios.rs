//! The mock server's ready scenarios, each passed by this client on every service that it is for.
//! `tests/foreign/naive` has a client for each that fails it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use steadfast::client::{Options, TokenProvider};
use steadfast::{Service, TokenError};
use steadfast_mock_server::{MockServer, Options as MockOptions, Scenario, ready_scenarios};
use steadfast_tests::{PATIENCE, hasten, mock_service, open, options};

/// A login that works: every token is a new one.
fn login(server: &MockServer, service: Service) -> impl TokenProvider + use<> {
    let role = mock_service(service).usual_role();
    let tokens: Vec<_> =
        (3600..3640).map(|life| server.authority().issue("u1", role, Duration::from_secs(life))).collect();
    let calls = AtomicU64::new(0);
    move |_: bool| {
        let token = tokens[calls.fetch_add(1, Ordering::Relaxed) as usize].clone();
        async move { Ok::<_, TokenError>(token) }
    }
}

/// Plays a scenario against a client of each service it is for, all at once.
async fn passes(name: &str, adjust: fn(Options) -> Options) {
    let (_, text) = ready_scenarios().iter().find(|(ready, _)| *ready == name).expect("a ready scenario");
    let scenario = &Scenario::read(text).expect("it is read");
    let concerned =
        Service::ALL.into_iter().filter(|service| scenario.concerned().contains(&mock_service(*service)));
    let plays = concerned.map(|service| async move {
        let server = MockServer::start(scenario.options(MockOptions::for_tests())).await.expect("it starts");
        let play = server.play(name, PATIENCE, std::future::pending(), |_| {});
        let visit = async {
            let client = open(adjust(options(&server, service).token_provider(login(&server, service))));
            let subscription = client.subscribe("session_1").expect("a good topic");
            std::future::pending::<()>().await;
            drop(subscription);
        };
        let suite = tokio::select! {
            suite = play => suite,
            () = visit => unreachable!("it never leaves by itself"),
        };
        assert_eq!(suite.failures(), 0, "{service}: {}", suite.to_json());
        assert!(suite.cases.len() >= 3, "{service}: {}", suite.to_json());
    });
    futures_util::future::join_all(plays).await;
}

/// As an app has them.
fn default(options: Options) -> Options {
    options
}

macro_rules! scenarios {
    ($($test:ident $name:literal $options:ident;)*) => {
        $(#[tokio::test]
        async fn $test() {
            passes($name, $options).await;
        })*

        #[test]
        fn every_ready_scenario_is_played() {
            let names: Vec<_> = ready_scenarios().iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

scenarios! {
    accepts_then_drops "accepts-then-drops" default;
    token_expires "token-expires" default;
    token_refused "token-refused" default;
    half_open "half-open" default;
    room_forgotten "room-forgotten" default;
    asked_twice "asked-twice" default;
    second_device "second-device" default;
    told_to_wait "told-to-wait" default;
    long_outage "long-outage" hasten;
    closed_politely "closed-politely" default;
}
