//! What each service has of its own, beside the good day. [charisma, therapybridge, saga, docproc, devcontext]

use steadfast::{
    AuthMode, CommandErrorKind, ConnectionState, DisconnectReason, Event, HostCaps, Input, NoticeKind,
    Request, Secret, Service, SubscriptionState, TokenSource, Verdict, WhyKind,
};

use crate::support::{Provider, Server, World, dev};

fn live(service: Service) -> World {
    let mut world = World::dev(service).obedient();
    world.subscribe("s1").at(15_000);
    assert!(world.is_live("s1"));
    world
}

#[test]
fn an_error_that_names_no_topic_concerns_the_connection_and_ends_nothing() {
    for (service, frame) in [
        (
            Service::Charisma,
            r#"{"type":"session_error","status":"error","error":{"code":"INVALID_MESSAGE","message":"Malformed"}}"#,
        ),
        (Service::Charisma, r#"{"type":"error","error":{"code":"INVALID_MESSAGE","message":"Malformed"}}"#),
        (Service::Saga, r#"42["error",{"code":"TEAPOT","message":"Short and stout"}]"#),
        (Service::DocProc, r#"42["error",{"error":"Unknown event"}]"#),
        (
            Service::DevContext,
            r#"{"type":"error","payload":{"errorCode":"INVALID_MESSAGE_FORMAT","errorMessage":"no","retryable":false}}"#,
        ),
    ] {
        let mut world = live(service);
        assert!(world.frame(frame).has(Verdict::DELIVER), "{service}");
        assert_eq!(world.notices(NoticeKind::ServerError), 1, "{service}");
        assert!(world.is_live("s1") && world.is_ready());
    }
}

#[test]
fn unknown_names_are_delivered_and_unreadable_frames_are_reported() {
    for (service, unknown) in [
        (Service::Charisma, r#"{"type":"session_archived","sessionId":"s1","by":"user"}"#),
        (Service::TherapyBridge, r#"{"type":"notice","message":"Maintenance at noon"}"#),
        (Service::Saga, r#"42["story_archived",{"projectId":"s1"}]"#),
        (Service::DocProc, r#"42["two",{"a":1},{"b":2}]"#),
        (Service::DevContext, r#"{"type":"analysis_archived","payload":{"analysisId":"s1"}}"#),
    ] {
        let mut world = live(service);
        let before = world.snapshot("s1").clone();
        assert!(world.frame(unknown).has(Verdict::DELIVER), "{service}");
        assert_eq!(*world.snapshot("s1"), before);
        for unreadable in ["", "nonsense", "{\"type\":", "[]"] {
            world.frame(unreadable);
        }
        let socket = world.socket();
        world.input(steadfast::Input::Binary(socket, 3));
        let violations =
            world.events.iter().filter(|(_, event)| matches!(event, Event::ProtocolViolation(_)));
        assert_eq!(violations.count(), 5, "{service}");
        assert!(world.is_live("s1"));
    }
}

#[test]
fn states_of_subscriptions_are_not_told_twice() {
    for service in Service::ALL {
        let mut world = live(service);
        for _ in 0..5 {
            world.subscribe("s1").tick().unsubscribe("s1").advance(5_000);
        }
        world.close(1006, "").advance(10_000);
        let told: Vec<_> = world
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Subscription { state, .. } => Some(state.name()),
                _ => None,
            })
            .collect();
        assert_eq!(told, ["pending", "live", "pending", "live"], "{service}");
    }
}

#[test]
fn one_failure_of_charisma_told_twice_is_delivered_once() {
    let status = r#"{"type":"session_status","sessionId":"s1","status":"error","error":{"code":"OCR_FAILED","message":"blurred"}}"#;
    let error = r#"{"type":"session_error","sessionId":"s1","status":"error","error":{"code":"OCR_FAILED","message":"blurred"}}"#;
    let bare = r#"{"type":"error","sessionId":"s1","error":{"code":"OCR_FAILED","message":"blurred"}}"#;
    for order in [[status, error], [error, status], [bare, error]] {
        let mut world = live(Service::Charisma);
        assert!(world.frame(order[0]).has(Verdict::DELIVER));
        assert!(!world.frame(order[1]).has(Verdict::DELIVER));
        assert_eq!(world.snapshot("s1").error.as_deref(), Some("blurred"));
    }
}

#[test]
fn a_refusal_code_for_a_live_charisma_session_is_its_failure() {
    let mut world = live(Service::Charisma);
    world.frame(r#"{"type":"session_error","sessionId":"s1","status":"error","error":{"code":"SESSION_NOT_FOUND","message":"deleted"}}"#);
    assert_eq!(world.subscription("s1"), Some(SubscriptionState::Ended));
}

#[test]
fn charisma_refuses_the_first_message_of_authentication() {
    let mut config = dev(Service::Charisma);
    config.auth = AuthMode::Message;
    for in_band in [true, false] {
        let mut world = World::new(config.clone(), HostCaps::BROWSER).provider(Provider::Fresh(3_600_000));
        world.subscribe("s1");
        for _ in 0..2 {
            world.opened();
            if in_band {
                world.frame(r#"{"type":"session_error","status":"error","error":{"code":"UNAUTHORIZED","message":"no"}}"#);
            } else {
                world.close(4401, "Invalid authentication");
            }
        }
        assert_eq!((world.why(), world.opened.len()), (WhyKind::Auth, 2));
    }
}

#[test]
fn therapybridge_refuses_before_the_upgrade_as_it_does_after() {
    let http = |status| Server::Refuses(DisconnectReason::Http { status, retry_after: None });
    for (status, kind, dials) in [
        (404, WhyKind::NotFound, 1),
        (410, WhyKind::NotFound, 1),
        (403, WhyKind::Auth, 2),
        (401, WhyKind::Auth, 2),
    ] {
        let mut world =
            World::dev(Service::TherapyBridge).server(http(status)).provider(Provider::Fresh(3_600_000));
        world.subscribe("s1").at(100_000);
        assert_eq!((world.refusal("s1"), world.opened.len()), (kind, dials), "{status}");
    }
}

#[test]
fn therapybridge_loses_its_token_during_a_session() {
    let mut world = World::dev(Service::TherapyBridge).obedient().provider(Provider::Fresh(3_600_000));
    world.subscribe("s1").at(15_000).close(1008, "Invalid authentication");
    assert!(world.is_live("s1"));
    assert_eq!(world.asked.last(), Some(&(15_000, true)));
}

#[test]
fn a_ping_with_a_session_is_a_ping() {
    let mut world = live(Service::TherapyBridge);
    world.frame(r#"{"type":"ping","session_id":"s1","timestamp":"2026-01-01T00:00:00Z"}"#);
    assert_eq!(world.count_sent("pong"), 1);
    assert_eq!(world.snapshot("s1").updated_at, None);
}

#[test]
fn docproc_may_want_a_token_in_one_of_three_ways() {
    for (mode, url, header, connect) in [
        (AuthMode::Auto, false, false, true),
        (AuthMode::Query, true, false, false),
        (AuthMode::Header, false, true, false),
    ] {
        let mut config = dev(Service::DocProc);
        config.token = TokenSource::Provider;
        config.auth = mode;
        let mut world = World::new(config, HostCaps::NATIVE).obedient();
        world.subscribe("d1");
        let request = &world.opened[0].2;
        assert_eq!((request.url.contains("token=tok-0"), !request.headers.is_empty()), (url, header));
        assert_eq!(world.count_sent("tok-0") > 0, connect);
    }
}

#[test]
fn extra_query_headers_and_connect_fields_travel_along() {
    let mut config = dev(Service::Saga);
    config.query = vec![("tenant".into(), "a&b".into())];
    config.headers = vec![("X-Trace".into(), "1".into())];
    config.connect_fields = vec![("device".into(), "phone \"7\"".into())];
    let mut world = World::new(config, HostCaps::NATIVE).obedient();
    world.subscribe("p1");
    let request = &world.opened[0].2;
    assert!(request.url.ends_with("?EIO=4&transport=websocket&tenant=a%26b"), "{}", request.url);
    assert_eq!(request.headers, [("X-Trace".to_string(), "1".to_string())]);
    assert_eq!(world.texts()[0], r#"40{"token":"tok-0","device":"phone \"7\""}"#);
}

#[test]
fn devcontexts_token_may_travel_as_a_subprotocol_or_in_the_query() {
    for (mode, url, protocols) in [(AuthMode::Subprotocol, false, 1), (AuthMode::Query, true, 0)] {
        let mut config = dev(Service::DevContext);
        config.auth = mode;
        let mut world = World::new(config, HostCaps::BROWSER).obedient();
        world.subscribe("a1");
        let request = &world.opened[0].2;
        assert_eq!((request.url.contains("tok-0"), request.subprotocols.len()), (url, protocols));
        assert_eq!(world.count_sent("authenticate"), 0);
    }
}

#[test]
fn devcontexts_first_message_may_be_refused_by_its_own_id() {
    let mut world =
        World::browser(Service::DevContext).server(Server::Mute).provider(Provider::Fresh(3_600_000));
    world.subscribe("a1");
    assert!(world.is_ready(), "it has no reply, so it is ready at once");
    world.frame(r#"{"type":"error","payload":{"errorCode":"UNAUTHORIZED","errorMessage":"no","retryable":false},"requestId":"sf-1"}"#);
    assert_eq!(world.asked.last(), Some(&(0, true)), "not the subscribe's fault");
    assert_eq!(world.subscription("a1"), Some(SubscriptionState::Pending));
    world.frame(r#"{"type":"error","payload":{"errorCode":"UNAUTHORIZED","errorMessage":"no","retryable":false},"requestId":"sf-3"}"#);
    assert_eq!(world.why(), WhyKind::Auth);
}

#[test]
fn a_refusal_that_may_be_retried_is_asked_again_after_a_while() {
    let mut world = World::dev(Service::DevContext).server(Server::Mute);
    world
        .subscribe("a1")
        .frame(r#"{"message":"Internal server error","connectionId":"L0","requestId":"acC2"}"#);
    assert_eq!(world.subscription("a1"), Some(SubscriptionState::Pending));
    world.at(9_999);
    assert_eq!(world.count_sent("subscribe_analysis"), 1);
    world.server = Server::Obedient;
    world.at(10_000);
    assert!(world.is_live("a1"));
}

#[test]
fn sagas_ping_is_answered_and_timed() {
    let mut world = World::dev(Service::Saga).server(Server::Mute);
    world.connect();
    let id = world.request_now(Request::Ping);
    world.advance(40).frame(r#"42["pong"]"#);
    assert_eq!(world.outcome(id).as_ref().unwrap().elapsed, 40);
    assert_eq!(world.machine.stats().last_round_trip, Some(40));
}

#[test]
fn hosts_are_told_how_large_a_message_may_be() {
    for service in Service::ALL {
        let mut world = World::dev(service);
        world.subscribe("s1");
        let own = if service == Service::DevContext { 128 } else { 1024 } * 1024;
        assert_eq!(world.opened[0].2.max_message, own, "{service}");
        let mut config = dev(service);
        config.limits.max_incoming = Some(4_096);
        let mut world = World::new(config, HostCaps::NATIVE);
        world.subscribe("s1");
        assert_eq!(world.opened[0].2.max_message, 4_096);
    }
}

#[test]
fn an_engine_that_closes_is_a_lost_connection() {
    let mut world = live(Service::DocProc);
    world.frame("1");
    assert_eq!((world.why(), world.sockets().len()), (WhyKind::Network, 0));
}

#[test]
fn frames_before_ready_are_nobodys() {
    let mut world = World::dev(Service::Saga);
    world.subscribe("p1").opened();
    world.frame(r#"0{"sid":"e"}"#);
    assert!(!world.frame(r#"42["joined_project",{"projectId":"p1"}]"#).has(Verdict::DELIVER));
    assert_eq!(*world.state(), ConnectionState::Authenticating);
    assert_eq!(world.subscription("p1"), Some(SubscriptionState::Pending));
}

#[test]
fn an_answer_given_over_http_may_fail_in_each_way() {
    let respond =
        Request::RespondToClarification { clarification_id: "q1".into(), answer: Secret::new("42") };
    for (error, kind) in [
        (steadfast::HttpError { reason: "refused".into(), sent: false }, CommandErrorKind::NotConnected),
        (steadfast::HttpError { reason: "reset".into(), sent: true }, CommandErrorKind::Interrupted),
    ] {
        let mut world = World::dev(Service::DocProc);
        let id = world.request(respond.clone());
        let http = world.requests[0].0;
        world.input(steadfast::Input::Http(http, Err(error)));
        assert_eq!(world.failure(id).0, kind);
    }
}

#[test]
fn the_parts_of_a_binary_acknowledgement_belong_to_it() {
    for service in [Service::Saga, Service::DocProc] {
        let mut world = live(service);
        let socket = world.socket();
        let held = world.frame(r#"451-["unfinished",{"_placeholder":true,"num":0}]"#);
        assert!(held.has(Verdict::HOLD));
        let verdict = world.frame(r#"462-7[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
        assert!(!verdict.has(Verdict::DELIVER) && !verdict.has(Verdict::HOLD));
        world.input(Input::Binary(socket, 3)).input(Input::Binary(socket, 4));
        let violations = |world: &World| {
            world.events.iter().filter(|(_, event)| matches!(event, Event::ProtocolViolation(_))).count()
        };
        assert_eq!((violations(&world), world.machine.stats().violations), (0, 0), "{service}");
        world.input(Input::Binary(socket, 5));
        assert_eq!(violations(&world), 1, "a third part is nobody's");
    }
}
