//! Connections that end in the middle, by every close code and by none. [rules §2.11]

use serde_json::{Value, json};
use steadfast::{NoticeKind, Reachability, Service, WhyKind, client::Event};
use steadfast_tests::{
    Log, advance, asked, brisk, each, fault, is_shared, live, mock, mock_service, now, open, progress_kind,
    refusal, within,
};

fn closes(code: u16, reason: &str) -> Value {
    json!({"do": "drop", "how": "close", "code": code, "reason": reason})
}

/// Ends the connection like this and looks for one wait of this kind, then everything as before.
async fn recovers(service: Service, action: Value, kind: WhyKind, code: Option<&str>) {
    let server = mock(&[]).await;
    let client = open(brisk(&server, service));
    let mut log = Log::of(&client);
    let _one = live(&client, "quiet-1").await;
    let _two = live(&client, "quiet-2").await;
    let _again = client.subscribe("quiet-1").unwrap();
    now(&server, service, action.clone());
    let context = format!("{service} {action}");
    let recovered = log.gap("quiet-1").await;
    assert!(!recovered || service == Service::DevContext || service == Service::TherapyBridge, "{context}");
    let whys = log.troubles();
    if is_shared(service) {
        let why = whys.first().unwrap_or_else(|| panic!("{context}: {:?}", log.lines()));
        assert_eq!((why.kind, why.code.as_deref()), (kind, code), "{context}: {why:?}");
        assert!(why.text.len() > 10 && !why.help.is_empty(), "{context}: {why:?}");
    }
    for topic in ["quiet-1", "quiet-2"] {
        within(topic, async {
            while asked(&server, service, topic).len() < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let counts = asked(&server, service, topic);
        assert_eq!(counts, [1, 1], "{context}: {topic} once per connection");
    }
    let stats = client.stats();
    let links = if is_shared(service) { 1 } else { 2 };
    assert_eq!((stats.reconnects, stats.unexpected_closes, stats.violations), (links, links, 0), "{context}");
    assert!(stats.failures.contains_key(&kind), "{context}: {:?}", stats.failures);
    let gaps =
        log.seen.iter().filter(|event| matches!(event, Event::Gap { topic, .. } if topic == "quiet-1"));
    assert_eq!(gaps.count(), 1, "{context}");
    within("shutdown", client.shutdown()).await;
}

#[tokio::test]
async fn what_the_network_does_is_mended_by_a_reconnect() {
    each(|service| async move {
        for (code, kind) in [
            (1000, WhyKind::Network),
            (1001, WhyKind::Network),
            (3000, WhyKind::Network),
            (4000, WhyKind::Network),
        ] {
            let text = code.to_string();
            recovers(service, closes(code, ""), kind, Some(&text)).await;
        }
        recovers(service, json!({"do": "drop", "how": "fin"}), WhyKind::Network, Some("1006")).await;
    })
    .await;
}

#[tokio::test]
async fn a_reset_connection_is_mended_by_a_reconnect() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let _one = live(&client, "quiet-1").await;
        now(&server, service, json!({"do": "drop", "how": "rst"}));
        log.gap("quiet-1").await;
        assert_eq!(log.troubles()[0].kind, WhyKind::Network, "{service}");
        assert_eq!(advance(&server, service, "quiet-1"), 1, "{service}");
    })
    .await;
}

#[tokio::test]
async fn what_the_server_says_of_itself_is_mended_by_a_reconnect() {
    each(|service| async move {
        recovers(service, closes(1008, "Some policy"), WhyKind::Policy, Some("1008")).await;
        recovers(service, closes(1009, "Too big"), WhyKind::TooLarge, Some("1009")).await;
        recovers(service, closes(1011, "Oops"), WhyKind::ServerError, Some("1011")).await;
        recovers(service, closes(1012, ""), WhyKind::Restart, Some("1012")).await;
        recovers(service, closes(1013, ""), WhyKind::Restart, Some("1013")).await;
        recovers(service, closes(1002, ""), WhyKind::Protocol, Some("1002")).await;
        recovers(service, closes(1003, ""), WhyKind::Protocol, Some("1003")).await;
        recovers(service, closes(1007, ""), WhyKind::Protocol, Some("1007")).await;
    })
    .await;
}

#[tokio::test]
async fn close_codes_that_nothing_mends() {
    each(|service| async move {
        for (code, reason, kind) in [
            (4401, "Unauthorized", WhyKind::Auth), // the static token is the same again
            (4403, "Forbidden", WhyKind::NotAllowed),
        ] {
            let server = mock(&[]).await;
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let _one = live(&client, "quiet-1").await;
            now(&server, service, closes(code, reason));
            let why = if is_shared(service) {
                log.state("failed").await.why().unwrap().clone()
            } else {
                refusal(&log.topic("quiet-1", "refused").await).clone()
            };
            assert_eq!(why.kind, kind, "{service} {code}: {why:?}");
            assert_eq!(why.code, Some(code.to_string()), "{service}: {why:?}");
            assert_eq!(asked(&server, service, "quiet-1").len(), 1, "{service} {code}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_place_that_another_took_is_only_taken_back() {
    each(|service| async move {
        for (code, reason) in [
            (4409, ""),
            (1000, "Replaced by a newer session"),
            (1008, "Another connection is open"),
            (4001, "new connection from this user"),
        ] {
            let server = mock(&[]).await;
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let _one = live(&client, "quiet-1").await;
            now(&server, service, closes(code, reason));
            let why = log.state("displaced").await.why().unwrap().clone();
            assert_eq!((why.kind, why.code), (WhyKind::Displaced, Some(code.to_string())), "{service}");
            client.connect();
            client.network_changed(Reachability::Online);
            assert_eq!(client.state().name(), "displaced", "{service} {code}");
            client.take_over();
            log.gap("quiet-1").await;
            assert_eq!(asked(&server, service, "quiet-1").len(), 2, "{service} {code}");
        }
        // The mock's own word for it.
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let _one = live(&client, "quiet-1").await;
        now(&server, service, json!({"do": "replace"}));
        log.state("displaced").await;
    })
    .await;
}

#[tokio::test]
async fn an_unknown_policy_is_noticed_when_it_strikes_again() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let _one = live(&client, "quiet-1").await;
        for _ in 0..2 {
            now(&server, service, closes(1008, "House rules"));
            log.gap("quiet-1").await;
        }
        let notices: Vec<_> = log.lines().into_iter().filter(|line| line.starts_with("notice")).collect();
        assert_eq!(notices.len(), 1, "{service}: {notices:?}");
        assert!(notices[0].contains(NoticeKind::ServerPolicy.name()) && notices[0].contains("House rules"));
    })
    .await;
}

#[tokio::test]
async fn a_protocol_error_three_times_in_a_row_without_data_ends_it() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let rule = json!({"match": {"service": mock_service(service), "when": "out"},
            "action": {"do": "drop", "code": 1002}});
        fault(&server, rule);
        let _one = client.subscribe("session-of-a-flow").unwrap();
        let why = if is_shared(service) {
            log.state("failed").await.why().unwrap().clone()
        } else {
            refusal(&log.topic("session-of-a-flow", "refused").await).clone()
        };
        assert_eq!(why.kind, WhyKind::Protocol, "{service}: {why:?}");
        assert!(why.text.contains("three times"), "{service}: {why:?}");
        assert_eq!(client.stats().attempts, 3, "{service}");
    })
    .await;
}

#[tokio::test]
async fn a_frame_that_ends_the_connection_is_followed_by_all_that_comes_after() {
    each(|service| async move {
        for how in ["close", "fin", "rst"] {
            let server = mock(&[]).await;
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let _one = live(&client, "quiet-1").await;
            let mut action = json!({"do": "drop", "how": how});
            if how == "close" {
                action["code"] = json!(1011);
            }
            let rule = json!({"match": {"service": mock_service(service), "type": progress_kind(service)},
                "times": 1, "action": action});
            fault(&server, rule);
            advance(&server, service, "quiet-1");
            let recovered = log.gap("quiet-1").await;
            let known = matches!(service, Service::TherapyBridge | Service::DevContext);
            assert_eq!(recovered, known, "{service} {how}: {:?}", log.lines());
            assert_eq!(asked(&server, service, "quiet-1"), [1, 1], "{service}");
        }
    })
    .await;
}

#[tokio::test]
async fn no_reconnecting_when_it_is_switched_off_or_used_up() {
    each(|service| async move {
        let server = mock(&[]).await;
        let mut options = brisk(&server, service);
        options.config.reconnect.reconnect = false;
        let client = open(options);
        let mut log = Log::of(&client);
        let _one = live(&client, "quiet-1").await;
        now(&server, service, closes(1011, "Oops"));
        let state = log.state("failed").await;
        let why = state.why().unwrap();
        assert_eq!(why.kind, WhyKind::GaveUp, "{service}: {why:?}");
        assert!(why.text.contains("Oops") && why.help.contains("connect()"), "{service}: {why:?}");
        client.connect();
        log.gap("quiet-1").await;

        let mut options = brisk(&server, service);
        options.config.reconnect.max_attempts = Some(3);
        let rule = json!({"match": {"service": mock_service(service)}, "times": 3,
            "action": {"do": "refuse", "status": 500}});
        fault(&server, rule);
        let client = open(options);
        let mut log = Log::of(&client);
        let _one = client.subscribe("quiet-9").unwrap();
        let state = log.state("failed").await;
        assert_eq!(state.why().unwrap().kind, WhyKind::GaveUp, "{service}");
        assert_eq!(client.stats().attempts, 3, "{service}");
        client.connect();
        log.topic("quiet-9", "live").await;
    })
    .await;
}
