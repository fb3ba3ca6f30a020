//! What single services do of their own, under the readings that the mock's switches give them.

use std::time::Duration;

use serde_json::json;
use steadfast::client::Event;
use steadfast::{NoticeKind, Service, SubscriptionState, WhyKind};
use steadfast_mock_server::Happening;
use steadfast_tests::{
    Log, advance, asked, brisk, each, entries, fault, live, mock, mock_service, now, open, progress_kind,
    progress_name, within,
};

#[tokio::test]
async fn a_socket_io_server_that_shuts_down_is_waited_for() {
    for how in ["close", "disconnect"] {
        let server = mock(&[&format!("saga.shutdown={how}")]).await;
        let client = open(brisk(&server, Service::Saga));
        let mut log = Log::of(&client);
        let _room = live(&client, "quiet-1").await;
        server
            .emit(mock_service(Service::Saga), "quiet-1", Some("server_shutdown"), json!({"message": "bye"}))
            .unwrap();
        let state = log.state("waiting").await;
        assert_eq!(state.why().unwrap().kind, WhyKind::Restart, "{how}: {state:?}");
        log.gap("quiet-1").await;
        let said = log
            .seen
            .iter()
            .any(|event| matches!(event, Event::Notice { kind, .. } if *kind == NoticeKind::ServerShutdown));
        assert!(said, "{how}: {:?}", log.lines());
    }
}

#[tokio::test]
async fn a_socket_io_server_that_kicks_twice_means_it() {
    for service in [Service::Saga, Service::DocProc] {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let _room = live(&client, "quiet-1").await;
        fault(
            &server,
            json!({"match": {"service": mock_service(service), "type": progress_kind(service)},
            "action": {"do": "malformed", "text": "41"}}),
        );
        advance(&server, service, "quiet-1");
        log.gap("quiet-1").await;
        advance(&server, service, "quiet-1");
        let state = log.state("failed").await;
        assert_eq!(state.why().unwrap().kind, WhyKind::Kicked, "{service}: {:?}", log.lines());
        assert_eq!(client.stats().attempts, 2, "{service}");
        server.clear_faults(None);
        client.connect();
        log.gap("quiet-1").await;
    }
}

#[tokio::test]
async fn a_met_rate_limit_pauses_and_never_reconnects() {
    for (service, setting) in [
        (Service::Saga, "saga.rate_limit=2"),
        (Service::DocProc, "docproc.subscribe_limit=2"),
        (Service::DevContext, "devcontext.rate_limit=2"),
    ] {
        for more in ["saga.refusal_id=on", "devcontext.echo=never"] {
            let server = mock(&[setting, more]).await;
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let one = live(&client, "quiet-1").await;
            let two = live(&client, "quiet-2").await;
            let three = client.subscribe("quiet-3").unwrap();
            let limited = |event: &Event| matches!(event, Event::Notice { kind, .. } if *kind == NoticeKind::RateLimited);
            log.until("the notice", limited).await;
            let states = [one.state(), two.state(), three.state()];
            let expected = [SubscriptionState::Live, SubscriptionState::Live, SubscriptionState::Pending];
            assert_eq!(states, expected, "{service} {more}: {:?}", log.lines());
            assert_eq!(client.stats().attempts, 1, "{service}");
            if service != Service::DocProc {
                assert!(client.diagnose().text.contains("rate limit"), "{}", client.diagnose().text);
            }
            // What is live stays so.
            advance(&server, service, "quiet-1");
            log.message(progress_name(service)).await;
        }
    }
}

#[tokio::test]
async fn pings_of_every_kind_are_answered() {
    for (service, settings) in [
        (
            Service::Charisma,
            &["charisma.heartbeat=ping", "charisma.ping_interval=30ms", "charisma.ping_timeout=150ms"][..],
        ),
        (
            Service::Charisma,
            &["charisma.heartbeat=json", "charisma.ping_interval=30ms", "charisma.ping_timeout=150ms"],
        ),
        (
            Service::TherapyBridge,
            &["therapybridge.unanswered_pings=close", "therapybridge.ping_interval=30ms"],
        ),
        (Service::Saga, &["saga.ping_interval=30ms", "saga.ping_timeout=100ms"]),
        (Service::DocProc, &["docproc.ping_interval=30ms", "docproc.ping_timeout=100ms"]),
    ] {
        let server = mock(settings).await;
        let client = open(brisk(&server, service));
        let _one = live(&client, "quiet-1").await;
        // Long enough for a server that hears nothing to give up several times over.
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(client.stats().attempts, 1, "{service} {settings:?}");
        assert_eq!(entries(&server, service, Happening::Close).len(), 0, "{service} {settings:?}");
    }
}

#[tokio::test]
async fn an_upgrade_that_is_cut_or_late_is_tried_again_or_waited_for() {
    each(|service| async move {
        for how in ["fin", "rst"] {
            let server = mock(&[]).await;
            fault(
                &server,
                json!({"match": {"service": mock_service(service), "when": "upgrade"}, "times": 2,
                "action": {"do": "drop", "how": how}}),
            );
            let client = open(brisk(&server, service));
            let _one = live(&client, "quiet-1").await;
            let stats = client.stats();
            assert_eq!((stats.attempts, stats.failures[&WhyKind::Network]), (3, 2), "{service} {how}");
        }
        let server = mock(&[]).await;
        fault(
            &server,
            json!({"match": {"service": mock_service(service), "when": "upgrade"}, "times": 1,
            "action": {"do": "delay", "by": "150ms"}}),
        );
        let client = open(brisk(&server, service));
        let _one = live(&client, "quiet-1").await;
        assert_eq!(client.stats().attempts, 1, "{service}: it was only late");
    })
    .await;
}

#[tokio::test]
async fn devcontext_connections_that_end_silently_are_replaced() {
    let service = Service::DevContext;
    let server = mock(&["devcontext.max_life=150ms", "devcontext.batch=on"]).await;
    let mut options = brisk(&server, service);
    options.config.timings.ping_interval = Duration::from_millis(60);
    options.config.timings.pong_timeout = Duration::from_millis(60);
    let client = open(options);
    let mut log = Log::of(&client);
    let _one = live(&client, "quiet-1").await;
    assert!(log.gap("quiet-1").await, "completedStages tell what was missed");
    assert!(asked(&server, service, "quiet-1").iter().all(|times| *times == 1));
}

/// A planned replacement opens the new connection first and nothing is missed.
#[tokio::test]
async fn devcontext_connections_are_replaced_before_they_grow_too_old() {
    let service = Service::DevContext;
    let server = mock(&[]).await;
    let mut options = brisk(&server, service);
    options.config.timings.rotate_after = Duration::from_millis(300);
    let client = open(options);
    let mut log = Log::of(&client);
    let _one = live(&client, "quiet-1").await;
    let closed = server.journal().wait_for(|entry| entry.what == Happening::Close);
    within("the old connection's end", closed).await;
    advance(&server, service, "quiet-1");
    log.message("stage_completed").await;
    let lines = log.lines();
    assert!(!lines.iter().any(|line| line.contains("gap") || line.contains("waiting")), "{lines:?}");
    assert!(asked(&server, service, "quiet-1").iter().all(|times| *times == 1));
    now(&server, service, json!({"do": "drop", "how": "fin"}));
    log.gap("quiet-1").await;
}
