//! Where tokens come from, when they are asked for, what a refusal does. [rules §2.6]

use steadfast::{
    AuthMode, CommandErrorKind, ConnectionState, DisconnectReason, HostCaps, NoticeKind, Request, Secret,
    Service, Token, TokenError, TokenSource, Visibility, WhyKind,
};

use crate::support::{Provider, Server, World, dev};

const HOUR: u64 = 3_600_000;

#[test]
fn the_provider_is_asked_before_every_attempt_and_dialing_waits_for_it() {
    let mut world = World::dev(Service::Charisma).provider(Provider::Manual);
    world.subscribe("s1");
    assert_eq!((world.asked.len(), world.opened.len()), (1, 0));
    assert_eq!(*world.state(), ConnectionState::Connecting);
    world.advance(14_999).token("tok-a", None);
    assert_eq!(world.opened.len(), 1);
    world.close(1006, "").advance(1_000);
    assert_eq!((world.asked.len(), world.opened.len()), (2, 1));
    world.token("tok-b", None);
    let bearer = &world.opened[1].2.headers[0].1;
    assert_eq!(bearer, "Bearer tok-b");
}

#[test]
fn one_call_at_a_time_serves_all_links() {
    let mut world = World::dev(Service::TherapyBridge).provider(Provider::Manual);
    world.subscribe("s1").subscribe("s2").subscribe("s3");
    assert_eq!(world.asked.len(), 1);
    world.token("tok-a", None);
    assert_eq!((world.asked.len(), world.opened.len()), (1, 3));
}

#[test]
fn a_provider_that_hangs_or_fails_is_asked_again_by_the_backoff() {
    let mut world = World::dev(Service::Saga).provider(Provider::Manual);
    world.subscribe("p1").at(15_000);
    assert_eq!(world.why(), WhyKind::TokenProvider);
    assert_eq!(world.waits_until(), 16_000);
    world.token("late", None);
    assert!(world.opened.is_empty(), "a late answer is ignored");
    world.at(16_000).no_token(TokenError::Unavailable("HTTP 503".into()));
    assert_eq!(world.waits_until(), 18_000);
    world.at(18_000).token("tok-a", None);
    assert_eq!((world.opened.len(), world.asked.len()), (1, 3));
}

#[test]
fn denied_is_final_until_the_app_says_otherwise() {
    for service in Service::ALL {
        let mut config = dev(service);
        config.token = TokenSource::Provider;
        let denied = Provider::Fails(TokenError::Denied("signed out".into()));
        let mut world = World::new(config, HostCaps::NATIVE).provider(denied);
        world.subscribe("s1").at(600_000);
        assert_eq!((world.why(), world.asked.len()), (WhyKind::Auth, 1), "{service}");
        world.provider = Provider::Same("tok-a");
        world.connect();
        assert_eq!(world.opened.len(), 1, "{service}");
    }
}

#[test]
fn the_same_token_after_a_refusal_ends_it_without_another_dial() {
    for (service, source) in [
        (Service::Charisma, TokenSource::Provider),
        (Service::TherapyBridge, TokenSource::Provider),
        (Service::DevContext, TokenSource::Static(Token { text: Secret::new("tok-0"), expires_at: None })),
    ] {
        let mut config = dev(service);
        config.token = source;
        let mut world = World::new(config, HostCaps::NATIVE).server(Server::Closes(4401, ""));
        world.subscribe("s1").at(600_000);
        assert_eq!((world.why(), world.opened.len()), (WhyKind::Auth, 1), "{service}");
        world.server = Server::Obedient;
        world.set_token("tok-new", None);
        assert!(world.is_live("s1"), "{service}: set_token re-arms\n{}", world.transcript());
    }
}

#[test]
fn connect_re_arms_after_auth_failed() {
    for service in Service::ALL {
        let mut config = dev(service);
        config.token = TokenSource::Provider;
        let mut world = World::new(config, HostCaps::NATIVE).server(Server::Closes(4401, ""));
        world.subscribe("s1").at(60_000);
        assert_eq!(world.why(), WhyKind::Auth);
        world.server = Server::Obedient;
        world.connect();
        assert!(world.is_live("s1"), "{service}\n{}", world.transcript());
    }
}

#[test]
fn a_401_and_a_403_at_the_upgrade_are_refusals_of_the_token() {
    for service in Service::ALL {
        for status in [401, 403] {
            let mut config = dev(service);
            config.token = TokenSource::Provider;
            let refuses = Server::Refuses(DisconnectReason::Http { status, retry_after: None });
            let mut world =
                World::new(config, HostCaps::NATIVE).server(refuses).provider(Provider::Fresh(HOUR));
            world.subscribe("s1").at(600_000);
            assert_eq!(world.asked, [(0, false), (0, true)], "{service} {status}");
            assert_eq!(world.why(), WhyKind::Auth);
        }
    }
}

#[test]
fn the_strike_is_cleared_by_ten_seconds_of_ready_and_not_by_ready() {
    for (life, survives) in [(9_999, false), (10_000, true)] {
        let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Fresh(HOUR));
        world.subscribe("s1").close(4401, "");
        assert!(world.is_ready(), "the forced refresh worked");
        world.advance(life).close(4401, "");
        assert_eq!(world.is_ready(), survives, "after {life} ms");
    }
}

#[test]
fn a_token_is_renewed_ahead_in_band_where_the_service_takes_it() {
    for (service, part) in [
        (Service::Charisma, "\"action\":\"authenticate\""),
        (Service::DevContext, "\"type\":\"authenticate\""),
    ] {
        let mut world = World::dev(service).obedient().provider(Provider::Fresh(1_200_000));
        world.subscribe("s1").at(1_079_999);
        let asked = world.asked.len();
        world.at(1_080_000);
        assert_eq!(world.asked.len(), asked + 1, "{service}: at 90 % of its life");
        assert_eq!(world.count_sent(part), 1, "{service}");
        assert!(world.gaps().is_empty());
    }
}

#[test]
fn a_token_is_renewed_ahead_by_a_new_connection_before_the_old_one_closes() {
    for service in [Service::Saga, Service::TherapyBridge] {
        let mut world = World::dev(service).obedient().provider(Provider::Fresh(60_000));
        world.subscribe("p1").at(49_999);
        assert_eq!(world.opened.len(), 1);
        world.transcript();
        world.at(50_000);
        assert_eq!(world.opened.len(), 2, "{service}: 10 s before the end of a minute");
        assert!(world.gaps().is_empty() && world.is_live("p1"));
        assert_eq!(world.states().iter().filter(|state| **state == "connecting").count(), 1);
        insta::assert_snapshot!(format!("renewed_by_replacement_{service}"), world.transcript());
    }
}

#[test]
fn the_same_token_again_changes_nothing_and_is_noticed_once() {
    let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Manual);
    world.subscribe("s1").token("tok-a", Some(60_000));
    world.at(50_000).token("tok-a", Some(10_000));
    world.at(59_000);
    assert_eq!(world.notices(NoticeKind::TokenNotRefreshed), 1);
    assert_eq!((world.asked.len(), world.count_sent("authenticate")), (2, 0));
    assert!(world.is_live("s1"));
}

#[test]
fn a_provider_that_fails_ahead_is_asked_each_five_seconds_until_the_token_expires() {
    let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Manual);
    world.subscribe("s1").token("tok-a", Some(60_000));
    for at in [50_000, 55_000] {
        world.at(at).no_token(TokenError::Unavailable("down".into()));
    }
    assert!(world.is_live("s1"), "the connection is not touched");
    world.at(60_000).no_token(TokenError::Unavailable("down".into()));
    world.at(200_000);
    assert_eq!(world.asked.len(), 4);
    assert_eq!(world.notices(NoticeKind::TokenNotRefreshed), 1);
}

#[test]
fn a_fresh_token_that_looks_expired_is_used_and_not_renewed_ahead() {
    let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Fresh(0));
    world.subscribe("s1");
    assert!(world.is_live("s1"));
    assert_eq!(world.notices(NoticeKind::ClockSuspect), 1);
    world.advance(HOUR);
    assert_eq!(world.asked.len(), 1);
}

#[test]
fn a_static_token_is_not_renewed_and_the_refusal_decides() {
    let mut config = dev(Service::Charisma);
    let mut world = World::dev(Service::Charisma);
    let token = world.make_token("tok-s", Some(60_000));
    config.token = TokenSource::Static(token);
    let mut world = World::new(config, HostCaps::NATIVE).obedient();
    world.subscribe("s1").at(120_000);
    assert!(world.is_live("s1") && world.asked.is_empty());
    world.frame(r#"{"type":"session_error","status":"error","error":{"code":"UNAUTHORIZED","message":"Token expired"}}"#);
    assert_eq!((world.why(), world.opened.len()), (WhyKind::Auth, 1));
}

#[test]
fn a_command_close_to_the_expiry_waits_for_the_new_token() {
    let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Manual);
    world.subscribe("s1").token("tok-a", Some(60_000)).at(52_000);
    let raw = world.request(Request::SendRaw { kind: "hello".into(), payload: Secret::new("{}") });
    assert!(world.is_pending(raw));
    world.token("tok-b", Some(60_000));
    assert!(world.outcome(raw).is_ok());
    let texts = world.texts();
    assert!(texts[texts.len() - 2].contains("authenticate") && texts[texts.len() - 1].contains("hello"));
}

#[test]
fn set_token_is_used_by_the_next_attempt_also_when_nothing_runs_yet() {
    let mut world = World::dev(Service::Charisma).obedient();
    world.set_token("tok-set", None).advance(1_000).subscribe("s1");
    assert_eq!(world.opened[0].2.headers[0].1, "Bearer tok-set");
    assert!(world.asked.is_empty());
    world.advance(20_000).close(1006, "").advance(1_000);
    assert_eq!(world.asked.len(), 1, "afterwards the provider is asked as ever");
}

#[test]
fn set_token_on_a_running_connection_is_used_at_once() {
    let mut world = World::dev(Service::Charisma).obedient();
    world.subscribe("s1").set_token("tok-set", None);
    assert_eq!(world.count_sent("tok-set"), 1);
    let mut world = World::dev(Service::Saga).obedient();
    world.subscribe("p1").set_token("tok-set", None);
    assert_eq!(world.opened.len(), 2);
    assert_eq!(world.count_sent("tok-set"), 1, "in the CONNECT of the new connection");
    assert!(world.asked.len() == 1 && world.is_live("p1"));
}

#[test]
fn each_service_sends_the_token_in_its_own_way() {
    for (service, caps, url, header, message) in [
        (Service::Charisma, HostCaps::NATIVE, false, true, false),
        (Service::Charisma, HostCaps::BROWSER, true, false, false),
        (Service::TherapyBridge, HostCaps::NATIVE, true, false, false),
        (Service::Saga, HostCaps::BROWSER, false, false, true),
        (Service::DocProc, HostCaps::NATIVE, false, false, true),
        (Service::DevContext, HostCaps::NATIVE, false, true, false),
        (Service::DevContext, HostCaps::BROWSER, false, false, true),
    ] {
        let mut config = dev(service);
        config.token = TokenSource::Provider;
        let mut world = World::new(config, caps).obedient().provider(Provider::Same("tok-0"));
        world.subscribe("s1");
        let request = &world.opened[0].2;
        assert_eq!(request.url.contains("token=tok-0"), url, "{service}");
        assert_eq!(!request.headers.is_empty(), header, "{service}");
        assert_eq!(world.count_sent("tok-0") > 0, message, "{service}");
        assert!(world.is_live("s1"));
    }
}

#[test]
fn charisma_by_message_waits_for_authenticated() {
    let mut config = dev(Service::Charisma);
    config.auth = AuthMode::Message;
    let mut world = World::new(config, HostCaps::BROWSER);
    world.subscribe("s1").opened();
    assert_eq!(*world.state(), ConnectionState::Authenticating);
    assert_eq!(world.sent.len(), 1);
    world.frame(r#"{"type":"authenticated"}"#);
    assert!(world.is_ready());
    assert_eq!(world.count_sent("subscribe"), 1);
}

#[test]
fn socketio_refusals_and_expiries_are_refusals_of_the_token() {
    for service in [Service::Saga, Service::DocProc] {
        let mut config = dev(service);
        config.token = TokenSource::Provider;
        let mut world = World::new(config, HostCaps::NATIVE).provider(Provider::Fresh(HOUR));
        world.subscribe("p1").opened();
        world.frame(r#"0{"sid":"e"}"#);
        world.frame(r#"44{"message":"Server is busy","data":{"code":"BUSY","retryable":true}}"#);
        assert_eq!(world.why(), WhyKind::ServerError);
        for _ in 0..2 {
            world.advance(1_000).opened();
            world.frame(r#"0{"sid":"e"}"#);
            world.frame(r#"44{"message":"Authentication failed","data":{"code":"AUTH_FAILED"}}"#);
        }
        assert_eq!(world.why(), WhyKind::Auth);
        assert_eq!(world.asked.iter().filter(|(_, force)| *force).count(), 1);
    }
    let mut world = World::dev(Service::Saga).obedient().provider(Provider::Fresh(HOUR));
    world.subscribe("p1").advance(20_000);
    world.frame(r#"42["error",{"code":"TOKEN_EXPIRED","message":"Token expired"}]"#);
    world.frame("41");
    assert_eq!(world.asked.last(), Some(&(20_000, true)));
    assert!(world.is_live("p1"));
}

#[test]
fn an_expiry_told_in_band_needs_no_close_to_be_believed() {
    let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Fresh(HOUR));
    world.subscribe("s1").advance(20_000);
    world.frame(r#"{"type":"session_error","status":"error","error":{"code":"UNAUTHORIZED","message":"Token expired"}}"#);
    assert!(world.is_live("s1"), "a new connection with a new token is there already");
    assert_eq!(world.asked.last(), Some(&(20_000, true)));
}

#[test]
fn a_browser_guesses_an_expired_token_after_two_sockets_that_did_not_open() {
    let mut world = World::browser(Service::Charisma).provider(Provider::Fresh(9_000));
    world.subscribe("s1").close(1006, "");
    assert_eq!(world.why(), WhyKind::Network);
    world.advance(1_000).close(1006, "");
    assert_eq!(world.asked.last().map(|(_, force)| *force), Some(true));
}

#[test]
fn signing_in_needs_no_token_and_hides_its_password() {
    let mut world = World::dev(Service::TherapyBridge).provider(Provider::Manual);
    let login = Request::Login { email: "therapist@x".into(), password: Secret::new("hunter2") };
    let id = world.request(login.clone());
    assert!(world.asked.is_empty());
    world.http(200, true, None);
    assert!(world.outcome(id).is_ok());
    let id = world.request(login);
    world.http(401, true, Some("wrong password"));
    assert_eq!(world.failure(id).0, CommandErrorKind::Rejected);
    assert!(!world.debug.contains("hunter2") && !world.transcript().contains("hunter2"));
}

#[test]
fn no_token_shows_in_anything_the_machine_says() {
    const CANARY: &str = "canary.eyJhbGciOi.s3cr3t";
    for service in Service::ALL {
        for caps in [HostCaps::NATIVE, HostCaps::BROWSER] {
            let mut config = dev(service);
            config.token = TokenSource::Provider;
            let mut world = World::new(config, caps).obedient().provider(Provider::Same(CANARY));
            world.subscribe("s1");
            world.input(steadfast::Input::Malformed(
                world.socket(),
                steadfast::Violation { reason: format!("no {CANARY}"), excerpt: format!("{{{CANARY}") },
            ));
            world.advance(11_000).close(1008, &format!("unknown token {CANARY}"));
            world.advance(1).server = Server::Closes(4401, "bad canary.eyJhbGciOi.s3cr3t");
            world.connect().advance(60_000);
            let diagnosis = world.machine.diagnose();
            let machine = format!("{:?}", world.machine);
            for text in [&world.debug, &diagnosis.text, &diagnosis.json, &machine] {
                assert!(!text.contains(CANARY), "{service}: {text}");
            }
        }
    }
}

/// A Saga client whose replacement was refused twice, the second time because the provider had no other token.
fn refused_replacement() -> World {
    let mut world = World::dev(Service::Saga).obedient().provider(Provider::Manual);
    world.subscribe("p1").token("tok-a", Some(600_000)).at(539_000);
    world.server = Server::Manual;
    world.at(540_000).token("tok-b", Some(600_000)).opened();
    world.frame(r#"0{"sid":"e","pingInterval":25000,"pingTimeout":60000}"#);
    world.frame(r#"44{"message":"Authentication failed","data":{"code":"AUTH_FAILED"}}"#);
    assert_eq!(world.asked.last(), Some(&(540_000, true)));
    world.token("tok-b", Some(600_000));
    assert!(world.is_live("p1") && world.sockets().len() == 1, "the connection in use is not touched");
    world
}

#[test]
fn ten_seconds_of_ready_also_forgive_the_token_of_a_refused_replacement() {
    for (wait, forgiven) in [(9_000, false), (11_000, true)] {
        let mut world = refused_replacement();
        world.advance(wait);
        let asked = world.asked.len();
        world.frame(r#"42["error",{"code":"TOKEN_EXPIRED","message":"Token expired"}]"#);
        world.frame("41");
        let forced = matches!(world.asked.get(asked), Some((_, true)));
        assert_eq!(forced, forgiven, "{:?}", world.state());
        if !forgiven {
            assert_eq!(world.why(), WhyKind::Auth);
        }
    }
}

#[test]
fn a_refused_token_is_asked_for_anew_however_few_attempts_there_may_be() {
    for (reconnect, max_attempts) in [(false, None), (true, Some(1))] {
        let mut config = dev(Service::Charisma);
        (config.reconnect.reconnect, config.reconnect.max_attempts) = (reconnect, max_attempts);
        let mut world = World::new(config, HostCaps::NATIVE)
            .server(Server::Closes(4401, ""))
            .provider(Provider::Fresh(HOUR));
        world.subscribe("s1").at(60_000);
        assert_eq!(world.asked, [(0, false), (0, true)]);
        assert_eq!(world.why(), WhyKind::Auth);
        world.server = Server::Obedient;
        world.set_token("tok-good", None);
        assert!(world.is_live("s1"), "set_token() re-arms");
    }
}

#[test]
fn a_connection_on_its_way_gets_the_token_that_is_renewed_meanwhile() {
    let mut world = World::dev(Service::TherapyBridge).obedient().provider(Provider::Manual);
    world.subscribe("s1").token("tok-a", Some(60_000)).at(48_000);
    world.server = Server::Manual;
    world.subscribe("s2").token("tok-a", Some(12_000));
    let second = world.socket();
    world.at(53_000).token("tok-b", Some(60_000));
    world.server = Server::Obedient;
    world.opened_on(second).advance(1_000);
    let (_, newest, request) = world.opened.last().unwrap();
    assert!(request.url.ends_with("/s2?token=tok-b"), "{}", request.url);
    assert!(world.sockets().contains(newest) && !world.sockets().contains(&second));
    assert!(world.is_live("s1") && world.is_live("s2") && world.gaps().is_empty());
}

#[test]
fn a_replacement_on_its_way_is_told_of_the_token_that_is_renewed_meanwhile() {
    let mut config = dev(Service::DevContext);
    config.timings.rotate_after = std::time::Duration::from_secs(55);
    let mut world = World::new(config, HostCaps::NATIVE).obedient().provider(Provider::Manual);
    world.subscribe("a1").token("tok-a", Some(70_000));
    while world.asked.len() == 1 {
        world.advance(100);
    }
    world.server = Server::Manual;
    world.token("tok-a", Some(70_000 - world.now()));
    let new = world.socket();
    while world.asked.len() == 2 {
        assert!(world.advance(100).now() < 69_000);
    }
    world.token("tok-b", Some(70_000));
    world.server = Server::Obedient;
    world.opened_on(new).advance(1_000);
    assert!(world.sent.iter().any(|(_, socket, text)| *socket == new && text.contains("tok-b")));
}

#[test]
fn a_clock_that_jumps_past_the_expiry_asks_for_a_new_token() {
    let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Fresh(1_200_000));
    world.subscribe("s1").at(60_000).jump(3_600_000).tick();
    assert_eq!(world.asked, [(0, false), (60_000, false)]);
    assert!(world.sent.last().unwrap().2.contains("tok-2"));
}

#[test]
fn a_command_waits_for_the_refresh_also_when_the_old_token_has_expired() {
    for at in [55_000, 60_500] {
        let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Manual);
        world.subscribe("s1").token("tok-a", Some(60_000)).at(at);
        let raw = world.request(Request::SendRaw { kind: "x".into(), payload: "{}".into() });
        world.at(64_000);
        assert!(world.is_pending(raw), "the provider is still at it");
        world.token("tok-b", Some(60_000)).advance(100);
        assert!(!world.is_pending(raw));
    }
}

#[test]
fn a_page_that_wakes_up_with_an_expired_token_asks_the_server_with_a_new_one() {
    for (answers, lost) in [(true, 0), (false, 1)] {
        let mut world = World::browser(Service::Charisma).obedient().provider(Provider::Fresh(60_000));
        world.subscribe("s1").at(5_000).visibility(Visibility::Hidden);
        world.provider = Provider::Manual;
        world.sleep(600_000).visibility(Visibility::Visible).advance(10_000);
        assert_eq!(world.count_sent("authenticate"), 0, "the provider is still at it");
        if !answers {
            world.server = Server::Manual;
        }
        world.token("tok-2", Some(60_000)).advance(2_500);
        assert_eq!(world.count_sent("authenticate"), 1);
        assert!(
            world.sent.iter().any(|(_, _, text)| text.contains("authenticate") && text.contains("tok-2"))
        );
        assert_eq!(world.machine.stats().unexpected_closes, lost, "it is the probe");
    }
}

#[test]
fn a_token_that_the_app_sets_counts_more_than_one_that_was_on_its_way() {
    let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Manual);
    world.subscribe("s1").token("tok-a", Some(60_000)).at(50_000);
    assert_eq!(world.asked.len(), 2, "it is about to expire");
    world.set_token("tok-c", Some(HOUR)).token("tok-b", Some(60_000)).advance(1_000);
    assert!(world.sent.last().unwrap().2.contains("tok-c"), "{:?}", world.sent.last());
    world.request(Request::Authenticate);
    assert!(world.sent.last().unwrap().2.contains("tok-c"), "{:?}", world.sent.last());
}
