//! What each way of ending means: every row of the table. [rules §2.11]

use steadfast::{
    ConnectionState, DisconnectReason, HostCaps, NoticeKind, Service, SubscriptionState, TokenSource, WhyKind,
};

use crate::support::{Provider, SHARED, Server, World, dev};

fn http(status: u16) -> DisconnectReason {
    DisconnectReason::Http { status, retry_after: None }
}

/// A client whose one topic is live and has been so for a while.
fn live(service: Service) -> World {
    let mut config = dev(service);
    config.token = TokenSource::Provider;
    let mut world = World::new(config, HostCaps::NATIVE).obedient().provider(Provider::Fresh(7_200_000));
    world.subscribe("s1").at(15_000);
    assert!(world.is_live("s1"), "{service}");
    world.server = Server::Manual;
    world
}

#[test]
fn network_codes_mean_backoff() {
    for service in Service::ALL {
        for code in [1000, 1001, 1004, 1005, 1006, 1014, 1015, 2999, 3001, 4000, 4400, 4999] {
            let mut world = live(service);
            world.close(code, "");
            assert_eq!((world.why(), world.waits_until()), (WhyKind::Network, 16_000), "{service} {code}");
        }
        for text in ["connection refused", "no such host", "timed out"] {
            let mut world = World::dev(service);
            world.subscribe("s1").ended(DisconnectReason::Network(text.into()));
            assert_eq!(world.why(), WhyKind::Network);
            assert!(world.state().why().unwrap().text.contains(text));
        }
    }
}

#[test]
fn a_refused_certificate_is_fatal() {
    for service in SHARED {
        let mut world = World::dev(service);
        world.subscribe("s1").ended(DisconnectReason::Tls("expired".into())).advance(600_000);
        assert_eq!((world.why(), world.opened.len()), (WhyKind::Tls, 1));
    }
    let mut world = World::dev(Service::TherapyBridge);
    world.subscribe("s1").ended(DisconnectReason::Tls("expired".into()));
    assert_eq!(world.refusal("s1"), WhyKind::Tls);
}

#[test]
fn restarts_spread_their_first_retry_over_ten_seconds() {
    let mut waits = Vec::new();
    for seed in 0..40 {
        for code in [1012, 1013] {
            let mut config = dev(Service::Charisma);
            config.reconnect.jitter = true;
            config.seed = seed;
            let mut world = World::new(config, HostCaps::NATIVE).obedient();
            world.subscribe("s1").at(15_000).close(code, "");
            assert_eq!(world.why(), WhyKind::Restart);
            waits.push(world.waits_until() - world.now());
        }
    }
    assert!(waits.iter().all(|wait| *wait <= 10_000));
    assert!(waits.iter().any(|wait| *wait < 3_000) && waits.iter().any(|wait| *wait > 7_000), "{waits:?}");
}

#[test]
fn an_announced_shutdown_explains_the_end_that_follows() {
    for end in ["41", "1000", "1006"] {
        let mut world = live(Service::Saga);
        world.frame(r#"42["server_shutdown",{"message":"bye"}]"#);
        assert_eq!(world.notices(NoticeKind::ServerShutdown), 1);
        match end {
            "41" => drop(world.frame("41")),
            code => drop(world.close(code.parse().unwrap(), "")),
        }
        assert_eq!(world.why(), WhyKind::Restart, "{end}");
    }
}

#[test]
fn an_announced_shutdown_spreads_the_first_retry_however_it_ends() {
    type End = fn(&mut World);
    let silence: End = |_| {};
    let in_a_refresh: End = |world| {
        let [old, new] = *world.sockets() else { panic!("{:?}", world.sockets()) };
        let closed = |code| DisconnectReason::Closed { code, reason: String::new() };
        world.ended_on(old, closed(1001)).ended_on(new, closed(1006));
    };
    for end in [silence, in_a_refresh] {
        let mut widest = 0;
        for seed in 0..20 {
            let mut config = dev(Service::Saga);
            (config.reconnect.jitter, config.seed) = (true, seed);
            let mut world =
                World::new(config, HostCaps::NATIVE).obedient().provider(Provider::Fresh(100_000));
            world.subscribe("p1").at(89_000).server = Server::Manual;
            world.frame(r#"42["server_shutdown",{"message":"bye"}]"#);
            world.at(90_000);
            end(&mut world);
            while !matches!(world.state(), ConnectionState::Waiting { .. }) {
                assert!(world.advance(100).now() < 300_000);
            }
            assert_eq!(world.why(), WhyKind::Restart);
            widest = widest.max(world.waits_until() - world.now());
        }
        assert!((5_000..=10_000).contains(&widest), "{widest}");
    }
}

#[test]
fn not_allowed_is_fatal_without_a_refresh() {
    for service in SHARED {
        let mut world = live(service);
        world.close(4403, "").advance(600_000);
        assert_eq!((world.why(), world.asked.len()), (WhyKind::NotAllowed, 1), "{service}");
    }
    let mut world = live(Service::TherapyBridge);
    world.close(4403, "");
    assert_eq!(world.refusal("s1"), WhyKind::NotAllowed);
}

#[test]
fn a_wrong_url_is_fatal_before_the_first_ready_and_a_deployment_after() {
    for service in SHARED {
        for status in [301, 308, 400, 404, 410, 418, 426] {
            let mut world = World::dev(service);
            world.subscribe("s1").ended(http(status)).advance(600_000);
            assert_eq!((world.why(), world.opened.len()), (WhyKind::Configuration, 1), "{service} {status}");
            assert!(!world.state().why().unwrap().help.is_empty());
            let mut world = live(service);
            world.close(1006, "").advance(1_000).ended(http(status));
            assert_eq!(world.waits_until() - world.now(), 2_000, "{service} {status}");
        }
    }
}

#[test]
fn http_409_means_displaced_unless_the_other_is_our_own() {
    let mut world = World::dev(Service::Charisma);
    world.subscribe("s1").ended(http(409)).advance(600_000).connect();
    assert!(matches!(world.state(), ConnectionState::Displaced { .. }));
    assert_eq!(world.opened.len(), 1);
    let mut world = live(Service::Charisma);
    world.close(1006, "").advance(1_000).ended(http(409));
    assert!(
        matches!(world.state(), ConnectionState::Waiting { .. }),
        "the server has not missed the old one yet"
    );
}

#[test]
fn overload_waits_as_long_as_the_server_asks() {
    for (status, kind) in
        [(429, WhyKind::Overloaded), (500, WhyKind::ServerError), (503, WhyKind::Overloaded)]
    {
        let mut world = World::dev(Service::DocProc);
        world.subscribe("d1").ended(DisconnectReason::Http { status, retry_after: Some(7_000) });
        assert_eq!((world.why(), world.waits_until()), (kind, 7_000));
        world.at(7_000).ended(http(status));
        assert_eq!(world.waits_until(), 9_000, "without Retry-After: the backoff");
    }
}

#[test]
fn a_close_after_everything_has_ended_is_no_failure() {
    let mut world = World::dev(Service::Charisma).obedient();
    world.subscribe("s1");
    world.frame(r#"{"type":"session_status","sessionId":"s1","status":"complete"}"#);
    world.close(1000, "").advance(600_000);
    assert_eq!((world.state(), world.opened.len()), (&ConnectionState::Idle, 1));
    assert_eq!(world.machine.stats().unexpected_closes, 0);
    world.subscribe("s2");
    assert!(world.is_live("s2"), "a new subscribe connects again");
    world.close(1000, "").advance(1_000);
    assert_eq!(world.opened.len(), 3, "while something is awaited it is a loss");
}

#[test]
fn after_the_end_a_waiting_command_connects_again() {
    let mut world = World::dev(Service::Charisma).obedient();
    world.subscribe("s1");
    world.frame(r#"{"type":"session_status","sessionId":"s1","status":"complete"}"#);
    world.close(1000, "");
    let id = world.request(steadfast::Request::Authenticate);
    assert!(world.outcome(id).is_ok());
}

#[test]
fn an_unknown_policy_gets_one_refresh_and_then_the_cap() {
    for service in Service::ALL {
        let mut world = live(service);
        world.server = Server::Closes(1008, "rule 34");
        world.close(1008, "rule 34");
        assert_eq!(world.asked.last(), Some(&(15_000, true)), "{service}");
        assert_eq!((world.why(), world.waits_until()), (WhyKind::Policy, 45_000), "{service}");
        assert_eq!(world.notices(NoticeKind::ServerPolicy), 1);
        world.at(45_000);
        assert_eq!(world.asked.iter().filter(|(_, force)| *force).count(), 1, "once");
        assert_eq!(world.waits_until(), 75_000);
    }
}

#[test]
fn therapybridge_tells_policies_by_their_reasons() {
    for (reason, kind) in [
        ("Session not found", WhyKind::NotFound),
        ("SESSION NOT FOUND: x", WhyKind::NotFound),
        ("Not authorized to access this session", WhyKind::NotAllowed),
    ] {
        let mut world = World::dev(Service::TherapyBridge).server(Server::Closes(1008, reason));
        world.subscribe("s1").advance(600_000);
        assert_eq!((world.refusal("s1"), world.opened.len()), (kind, 1));
        assert_eq!(*world.state(), ConnectionState::Idle);
    }
    for reason in ["Authentication required", "invalid authentication"] {
        let closes = Server::Closes(1008, reason);
        let mut world =
            World::dev(Service::TherapyBridge).server(closes).provider(Provider::Fresh(7_200_000));
        world.subscribe("s1").advance(600_000);
        assert_eq!((world.refusal("s1"), world.opened.len()), (WhyKind::Auth, 2));
    }
    let mut world = World::dev(Service::TherapyBridge).server(Server::Closes(1008, "Ping timeout"));
    world.subscribe("s1").advance(1);
    assert_eq!(world.opened.len(), 2, "any other reason: one forced refresh, then the cap");
}

#[test]
fn five_server_failures_in_a_row_without_data_are_told() {
    let mut world = World::dev(Service::Charisma).server(Server::Closes(1011, ""));
    world.subscribe("s1").at(62_999);
    assert_eq!((world.opened.len(), world.notices(NoticeKind::ServerUnhealthy)), (4, 0));
    world.at(63_000);
    assert_eq!((world.opened.len(), world.notices(NoticeKind::ServerUnhealthy)), (5, 1));
    world.at(600_000);
    assert_eq!(world.notices(NoticeKind::ServerUnhealthy), 1);
    let mut world = World::dev(Service::Charisma).server(Server::Closes(1011, ""));
    world.subscribe("s1").at(33_000);
    world.server = Server::Closes(1006, "");
    world.at(63_000);
    world.server = Server::Closes(1011, "");
    world.at(100_000);
    assert_eq!(world.notices(NoticeKind::ServerUnhealthy), 0, "not in a row");
}

#[test]
fn three_protocol_errors_in_a_row_without_data_are_fatal() {
    for code in [1002, 1003, 1007, 1010] {
        let mut world = World::dev(Service::Saga).server(Server::Closes(code, ""));
        world.subscribe("p1").at(600_000);
        assert_eq!((world.why(), world.opened.len()), (WhyKind::Protocol, 3), "{code}");
    }
    let mut world = World::dev(Service::Saga);
    world.subscribe("p1");
    for wait in [1_000, 2_000] {
        world.ended(DisconnectReason::Protocol { code: 1002, reason: "reserved bit".into() }).advance(wait);
    }
    world.close(1006, "").advance(4_000).close(1002, "");
    assert_eq!(world.why(), WhyKind::Protocol);
    assert!(matches!(world.state(), ConnectionState::Waiting { .. }), "not in a row");
}

#[test]
fn displaced_stops_until_the_app_takes_over() {
    let cases = [
        (4409, ""),
        (1000, "Replaced by a newer connection"),
        (1008, "another connection"),
        (4000, "NEW CONNECTION"),
    ];
    for service in SHARED {
        for (code, reason) in cases {
            let mut world = live(service);
            world.close(code, reason).subscribe("s2").connect().advance(600_000);
            assert!(matches!(world.state(), ConnectionState::Displaced { .. }), "{service} {code}");
            assert_eq!(world.opened.len(), 1);
            world.server = Server::Obedient;
            world.command(steadfast::Command::TakeOver);
            assert!(world.is_live("s1") && world.is_live("s2"), "{service} {code}");
        }
    }
    let mut world = live(Service::Charisma);
    world.close(1001, "replaced");
    assert_eq!(world.why(), WhyKind::Network, "only 1000, 1008 and 4xxx");
}

#[test]
fn a_bare_disconnect_is_tried_once_more_and_then_means_kicked() {
    for (pause, kicked) in [(5_000, true), (15_000, false)] {
        let mut world = live(Service::Saga);
        world.frame("41");
        assert_eq!(world.why(), WhyKind::Kicked);
        assert!(matches!(world.state(), ConnectionState::Waiting { .. }));
        world.server = Server::Obedient;
        world.advance(pause);
        assert!(world.is_live("s1"));
        world.frame("41");
        assert_eq!(matches!(world.state(), ConnectionState::Failed { .. }), kicked, "{pause}");
        assert_eq!(world.why(), WhyKind::Kicked);
    }
}

#[test]
fn messages_too_large_for_us_count_only_in_a_row_and_for_one_topic() {
    let mut world = live(Service::Charisma);
    world.server = Server::Obedient;
    world.ended(DisconnectReason::TooLarge).advance(5_000);
    for _ in 0..2 {
        world.frame(r#"{"type":"session_status","sessionId":"s1","status":"analysis_in_progress"}"#);
        world.advance(60_000);
    }
    world.ended(DisconnectReason::TooLarge).advance(5_000);
    assert!(world.is_live("s1"), "good ones came between them");
    world.advance(60_000).ended(DisconnectReason::TooLarge);
    assert_eq!(world.refusal("s1"), WhyKind::TooLarge);

    let mut world = live(Service::Charisma);
    world.server = Server::Obedient;
    world.subscribe("s2").ended(DisconnectReason::TooLarge).advance(5_000);
    world.frame(r#"{"type":"session_status","sessionId":"s1","status":"complete"}"#);
    world.advance(20_000).ended(DisconnectReason::TooLarge).advance(5_000);
    assert!(world.is_live("s2"), "the first may have been the other's");
}

#[test]
fn a_message_too_large_for_the_server_fails_the_command_and_is_never_sent_again() {
    let mut world = live(Service::DevContext);
    let request = steadfast::Request::StartInterview {
        analysis_id: "s1".into(),
        session_type: steadfast::SessionType::Live,
    };
    let id = world.request(request);
    world.close(1009, "too big");
    assert_eq!(world.failure(id).0, steadfast::CommandErrorKind::PayloadTooLarge);
    assert_eq!(world.why(), WhyKind::TooLarge);
    world.server = Server::Obedient;
    world.advance(60_000);
    assert!(world.is_live("s1"));
    assert_eq!(world.count_sent("start_interview"), 1);
}

#[test]
fn two_messages_too_large_for_us_refuse_their_topic() {
    for service in Service::ALL {
        let mut world = live(service);
        world.server = Server::Obedient;
        world.ended(DisconnectReason::TooLarge).advance(30_000);
        assert!(world.is_live("s1"), "{service}: once is nothing");
        world.ended(DisconnectReason::TooLarge).advance(60_000);
        assert_eq!(world.refusal("s1"), WhyKind::TooLarge, "{service}");
        assert_eq!(*world.state(), ConnectionState::Idle, "{service}");
    }
    let mut world = live(Service::Charisma);
    world.server = Server::Obedient;
    for _ in 0..4 {
        world.close(1009, "").advance(60_000);
    }
    assert!(world.is_live("s1"), "what the server found too large is no topic's fault");
}

#[test]
fn a_browser_that_cannot_see_why_gives_up_on_one_session_only() {
    let mut world = World::browser(Service::TherapyBridge);
    world.subscribe("good").opened();
    world.subscribe("bad");
    for wait in [1_000, 2_000] {
        world.close(1006, "").advance(wait);
    }
    assert!(!matches!(world.subscription("bad"), Some(steadfast::SubscriptionState::Refused { .. })));
    world.close(1006, "");
    assert_eq!(world.refusal("bad"), WhyKind::Opaque);
    assert!(world.is_live("good"));
}

#[test]
fn what_was_asked_for_in_vain_is_shown_without_its_query() {
    for (service, status, url) in [
        (Service::Charisma, 404, "ws://localhost:8080/ws"),
        (Service::Saga, 302, "ws://localhost:3001/socket.io/"),
        (Service::DevContext, 410, "ws://localhost:8081/v1/ws"),
    ] {
        let mut config = dev(service);
        config.query = vec![("apikey".into(), "k".into())];
        let mut world = World::new(config, HostCaps::NATIVE);
        world.subscribe("s1").ended(http(status));
        let why = world.state().why().unwrap();
        assert_eq!(why.kind, WhyKind::Configuration);
        assert!(why.text.ends_with(&format!("HTTP {status} for {url}")), "{}", why.text);
        let report = world.machine.diagnose();
        assert!(report.text.contains(&format!("endpoint: {url}\n")), "{}", report.text);
        assert!(report.json.contains(&format!(r#""endpoint":"{url}""#)), "{}", report.json);
    }
    let mut world = World::dev(Service::TherapyBridge);
    world.subscribe("a/b").ended(http(404));
    let Some(SubscriptionState::Refused { why }) = world.subscription("a/b") else { panic!() };
    assert!(why.text.ends_with("for ws://localhost:8000/api/sessions/ws/a%2Fb"), "{}", why.text);
}

#[test]
fn a_token_that_the_server_quotes_is_blotted_out_however_it_is_escaped() {
    const TOKEN: &str = "ab+/cd=ef-0123456789";
    let ways = ["ab+/cd=ef-0123456789", "ab%2B%2fcd%3Def-0123456789", r"ab+\/cd\u003def-0123456789"];
    for way in ways {
        let mut world = live(Service::Charisma);
        world.set_token(TOKEN, None);
        world.frame(&format!("<html>no token {way} here"));
        let quoted = way.replace('\\', "\\\\");
        world.frame(&format!(
            r#"{{"type":"session_error","error":{{"code":"INVALID_MESSAGE","message":"{quoted}?"}}}}"#
        ));
        world.close(1011, &format!("bad token {way}"));
        let said = format!("{:?}{:?}", world.events, world.machine.diagnose());
        assert!(!said.contains("0123456789"), "{said}");
        assert_eq!(
            said.matches("(token)").count(),
            3 + 2,
            "each of them, the last also in the report: {said}"
        );
    }
}
