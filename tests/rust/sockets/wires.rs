//! Wires that stall, lose, repeat, delay and spoil what they carry. [rules §2.5, §2.8, §2.10]

use std::time::{Duration, Instant};

use serde_json::json;
use steadfast::client::{Event, Options};
use steadfast::{Service, WhyKind};
use steadfast_mock_server::{Happening, MockServer};
use steadfast_tests::{
    Log, advance, asked, brisk, each, entries, fault, finish, is_shared, live, mock, mock_service, now, open,
    progress_kind, progress_name, refusal,
};

const CHATTY: [&str; 4] = [
    "charisma.ping_interval=40ms",
    "therapybridge.ping_interval=40ms",
    "saga.ping_interval=40ms",
    "docproc.ping_interval=40ms",
];

/// Notices silence after 300 ms.
fn attentive(server: &MockServer, service: Service) -> Options {
    let mut options = brisk(server, service);
    let timings = &mut options.config.timings;
    if service != Service::DevContext {
        timings.silence_limit = Some(Duration::from_millis(300));
    }
    timings.ping_interval = Duration::from_millis(100);
    timings.pong_timeout = Duration::from_millis(200);
    options
}

const fn confirmation(service: Service) -> &'static str {
    match service {
        Service::Charisma | Service::DocProc => "subscribed",
        Service::Saga => "joined_project",
        Service::DevContext => "subscription_confirmed",
        Service::TherapyBridge => "",
    }
}

#[tokio::test]
async fn a_half_open_connection_is_replaced_after_the_silence_limit() {
    each(|service| async move {
        let server = mock(&CHATTY).await;
        let client = open(attentive(&server, service));
        let mut log = Log::of(&client);
        let _one = live(&client, "quiet-1").await;
        let begun = Instant::now();
        now(&server, service, json!({"do": "stall"}));
        let state = log.state("waiting").await;
        assert_eq!(state.why().unwrap().kind, WhyKind::Silence, "{service}: {state:?}");
        assert!(begun.elapsed() >= Duration::from_millis(150), "{service}: {:?}", begun.elapsed());
        log.gap("quiet-1").await;
        assert_eq!(asked(&server, service, "quiet-1"), [1, 1], "{service}");
        // The heartbeats of the new connection keep it.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(client.stats().reconnects, 1, "{service}");
    })
    .await;
}

#[tokio::test]
async fn a_stall_that_ends_in_time_loses_nothing() {
    each(|service| async move {
        let server = mock(&CHATTY).await;
        let client = open(attentive(&server, service));
        let mut log = Log::of(&client);
        let _one = live(&client, "quiet-1").await;
        now(&server, service, json!({"do": "stall", "resume_after": "100ms"}));
        for _ in 0..3 {
            advance(&server, service, "quiet-1");
        }
        for _ in 0..3 {
            log.message(progress_name(service)).await;
        }
        assert_eq!(client.stats().attempts, 1, "{service}: {:?}", log.lines());
    })
    .await;
}

#[tokio::test]
async fn a_confirmation_that_is_lost_is_asked_for_again_and_then_elsewhere() {
    each(|service| async move {
        if !is_shared(service) {
            return; // the open socket is the confirmation
        }
        for (lost, expected) in [(1, vec![2]), (2, vec![2, 1])] {
            let server = mock(&[]).await;
            let mut options = brisk(&server, service);
            options.config.timings.confirm_timeout = Duration::from_millis(150);
            let client = open(options);
            fault(
                &server,
                json!({"match": {"service": mock_service(service), "type": confirmation(service)}, "times": lost,
                    "action": {"do": "swallow"}}),
            );
            let _one = live(&client, "quiet-1").await;
            let counts = asked(&server, service, "quiet-1");
            assert_eq!(counts, expected, "{service}");
        }
    })
    .await;
}

#[tokio::test]
async fn late_slow_and_crumbled_frames_are_frames() {
    each(|service| async move {
        for action in [
            json!({"do": "delay", "by": "80ms"}),
            json!({"do": "lag", "by": "30ms"}),
            json!({"do": "trickle", "bytes": 5, "pause": "1ms"}),
        ] {
            let server = mock(&[]).await;
            fault(
                &server,
                json!({"match": {"service": mock_service(service), "when": "out"}, "times": 3,
                "action": action}),
            );
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let _one = live(&client, "quiet-1").await;
            for _ in 0..3 {
                advance(&server, service, "quiet-1");
            }
            for _ in 0..3 {
                log.message(progress_name(service)).await;
            }
            let stats = client.stats();
            assert_eq!((stats.attempts, stats.violations), (1, 0), "{service} {action}");
            assert_eq!(asked(&server, service, "quiet-1"), [1], "{service}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_frame_that_comes_twice_ends_a_topic_once() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let subscription = live(&client, "quiet-1").await;
        fault(
            &server,
            json!({"match": {"service": mock_service(service), "when": "out"},
            "action": {"do": "duplicate", "copies": 3}}),
        );
        advance(&server, service, "quiet-1");
        finish(&server, service, "quiet-1");
        if service == Service::Saga {
            log.message("export_ready").await;
            return;
        }
        log.topic("quiet-1", "ended").await;
        let ends = log.lines().iter().filter(|line| line.contains("[ended]")).count();
        let snapshot = subscription.snapshot().unwrap();
        assert_eq!((ends, snapshot.terminal), (1, true), "{service}");
        // A new subscribe begins anew, on the same connection where there is one for all.
        let _again = live(&client, "quiet-2").await;
        let opens = entries(&server, service, Happening::Open).len();
        assert_eq!(opens, if is_shared(service) { 1 } else { 2 }, "{service}: {:?}", log.lines());
    })
    .await;
}

/// Frames that no server may send end the connection, and nothing else.
#[tokio::test]
async fn raw_bytes_that_break_the_protocol_are_closed_with_a_code_and_mended() {
    each(|service| async move {
        let oversize = format!("817e0800{}", "20".repeat(2048));
        for (hex, kind, code) in [
            ("8300", WhyKind::Protocol, "1002"), // an opcode that does not exist
            ("81810000000041", WhyKind::Protocol, "1002"), // masked by the server
            ("f100", WhyKind::Protocol, "1002"), // reserved bits
            ("8101ff", WhyKind::Protocol, "1007"), // not UTF-8
            (oversize.as_str(), WhyKind::TooLarge, "1009"),
        ] {
            let server = mock(&[]).await;
            let mut options = brisk(&server, service);
            options.config.limits.max_incoming = Some(2047);
            let client = open(options);
            let mut log = Log::of(&client);
            let _one = live(&client, "quiet-1").await;
            now(&server, service, json!({"do": "inject", "hex": hex}));
            let state = log.state("waiting").await;
            let why = state.why().unwrap();
            assert_eq!((why.kind, why.code.as_deref()), (kind, Some(code)), "{service} {hex:.20}: {why:?}");
            log.gap("quiet-1").await;
            let closes = entries(&server, service, Happening::Close);
            assert!(
                closes[0].detail.contains(code),
                "{service} {hex:.20}: the server was told {:?}",
                closes[0].detail
            );
            assert_eq!(asked(&server, service, "quiet-1"), [1, 1], "{service}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_topic_whose_messages_are_too_large_twice_is_refused() {
    each(|service| async move {
        let server = mock(&[]).await;
        let mut options = brisk(&server, service);
        options.config.limits.max_incoming = Some(2047);
        let client = open(options);
        let mut log = Log::of(&client);
        let _one = live(&client, "quiet-1").await;
        let oversize = format!("817e0800{}", "20".repeat(2048));
        now(&server, service, json!({"do": "inject", "hex": oversize}));
        log.gap("quiet-1").await;
        now(&server, service, json!({"do": "inject", "hex": oversize}));
        let state = log.topic("quiet-1", "refused").await;
        let why = refusal(&state);
        assert_eq!(why.kind, WhyKind::TooLarge, "{service}: {why:?}");
        assert!(why.help.contains("max_incoming"), "{service}: {why:?}");
    })
    .await;
}

#[tokio::test]
async fn a_spoilt_frame_is_reported_and_the_next_is_read() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let _one = live(&client, "quiet-1").await;
        fault(
            &server,
            json!({"match": {"service": mock_service(service), "type": progress_kind(service)},
            "times": 1, "action": {"do": "malformed"}}),
        );
        advance(&server, service, "quiet-1");
        advance(&server, service, "quiet-1");
        log.until("the violation", |event| matches!(event, Event::ProtocolViolation(_))).await;
        log.message(progress_name(service)).await;
        let stats = client.stats();
        assert_eq!((stats.attempts, stats.violations), (1, 1), "{service}");
    })
    .await;
}
