//! Make before break: a planned replacement takes over without a gap. [rules §2.6.9, devcontext §1.6]

use steadfast::{
    ConnectionState, DisconnectReason, HostCaps, Request, Service, SessionType, SocketId, TokenError,
    Verdict, WhyKind,
};

use crate::support::{Provider, Server, World, dev};

/// A DevContext client with a live analysis, just before its connection is replaced by plan.
fn before_rotation() -> World {
    let mut world = World::dev(Service::DevContext).obedient();
    world.subscribe("a1");
    while world.opened.len() == 1 {
        let due = world.machine.deadline().unwrap();
        assert!(world.now() < 3_600_000, "it never comes");
        if matches!(world.server, Server::Obedient) && world.now() > 2_690_000 {
            world.server = Server::Mute;
        }
        let step = due.saturating_sub(5_000_000).saturating_sub(world.now()).min(4_000);
        if let Server::Mute = world.server {
            let socket = world.sockets()[0];
            world.input(steadfast::Input::Activity(socket));
        }
        world.advance(step.max(1));
    }
    world.transcript();
    world
}

#[test]
fn devcontext_is_replaced_after_fifty_minutes_give_or_take_five() {
    let mut times = Vec::new();
    for seed in 0..20 {
        let mut config = dev(Service::DevContext);
        config.seed = seed;
        let mut world = World::new(config, HostCaps::NATIVE).obedient();
        world.subscribe("a1").at(3_300_000);
        assert_eq!(world.opened.len(), 2);
        let at = world.dials()[1];
        assert!((2_700_000..=3_300_000).contains(&at), "{at}");
        assert!(world.gaps().is_empty() && world.is_live("a1"));
        assert_eq!(world.sockets().len(), 1);
        let states = world.states();
        assert_eq!(states, ["connecting", "ready"], "nothing of it shows in the state");
        times.push(at);
    }
    times.dedup();
    assert!(times.len() > 10, "spread");
}

#[test]
fn the_old_connection_speaks_until_the_new_one_has_confirmed() {
    let mut world = before_rotation();
    let [old, new] = world.sockets() else { panic!("two sockets") };
    let (old, new) = (*old, *new);
    let stage =
        r#"{"type":"stage_completed","payload":{"analysisId":"a1","stage":"project_review","progress":33}}"#;
    assert_eq!(world.opened.len(), 2);
    assert!(world.frame_on(old, stage).has(Verdict::DELIVER), "{}", world.transcript());
    let confirmation = r#"{"type":"subscription_confirmed","payload":{"analysisId":"a1","currentStatus":"processing","completedStages":["project_review"]}}"#;
    world.frame_on(new, confirmation);
    assert_eq!(world.sockets(), [new], "confirmed there, closed here");
    assert!(!world.frame_on(old, stage).has(Verdict::DELIVER));
    assert!(world.gaps().is_empty());
    assert_eq!(
        world.events.iter().filter(|(_, event)| matches!(event, steadfast::Event::Derived { .. })).count(),
        0
    );
}

#[test]
fn a_command_in_flight_gets_its_answer_on_the_old_connection_within_twenty_seconds() {
    for (wait, answered) in [(19_000, true), (21_000, false)] {
        let mut config = dev(Service::DevContext);
        config.timings.rotate_after = std::time::Duration::from_secs(20);
        config.timings.command_timeout = std::time::Duration::from_secs(60);
        let mut world = World::new(config, HostCaps::NATIVE).obedient();
        world.subscribe("a1").at(17_999);
        let old = world.socket();
        let id = world
            .request(Request::StartInterview { analysis_id: "a1".into(), session_type: SessionType::Live });
        while world.opened.len() == 1 {
            assert!(world.advance(100).now() < 60_000, "it is never replaced");
        }
        assert_eq!(world.sockets().len(), 2, "the old one stays for the answer");
        let until = world.now();
        world.server = Server::Mute;
        world.advance(wait - 1_000);
        world.at(until + wait);
        if answered {
            let frame = r#"{"type":"interview_started","payload":{"sessionId":"i1","analysisId":"a1","firstQuestion":{"questionId":"q","question":"?"}}}"#;
            world.server = Server::Obedient;
            assert!(world.frame_on(old, frame).has(Verdict::DELIVER));
            assert!(world.outcome(id).is_ok(), "the interview goes on by the new one");
        } else {
            assert_eq!(world.failure(id).0, steadfast::CommandErrorKind::Interrupted);
        }
        world.advance(1);
        assert!(!world.sockets().contains(&old));
    }
}

#[test]
fn only_one_of_two_connections_speaks_for_a_topic_but_answers_count_on_both() {
    let mut config = dev(Service::DevContext);
    config.timings.rotate_after = std::time::Duration::from_secs(20);
    let mut world = World::new(config, HostCaps::NATIVE).obedient();
    world.subscribe("a1").at(17_999);
    let old = world.socket();
    let start = Request::StartInterview { analysis_id: "a1".into(), session_type: SessionType::Live };
    let id = world.request(start);
    while world.opened.len() == 1 {
        assert!(world.advance(100).now() < 60_000, "it is never replaced");
    }
    let stage = r#"{"type":"stage_completed","payload":{"analysisId":"a1","stage":"project_review"}}"#;
    assert!(!world.frame_on(old, stage).has(Verdict::DELIVER), "the new one has confirmed");
    assert!(world.frame(stage).has(Verdict::DELIVER));
    let started = r#"{"type":"interview_started","payload":{"sessionId":"i1","analysisId":"a1","firstQuestion":{"questionId":"q","question":"?"}}}"#;
    assert!(world.frame_on(old, started).has(Verdict::DELIVER));
    assert!(world.outcome(id).is_ok());
    assert_eq!(world.sockets().len(), 1, "its last answer was all it stayed for");
}

#[test]
fn a_replacement_that_fails_leaves_the_connection_alone_and_is_tried_again() {
    let mut world = World::dev(Service::Saga).obedient().provider(Provider::Fresh(60_000));
    world.subscribe("p1").at(49_000);
    world.server = Server::Manual;
    world.at(50_000).close(1006, "");
    assert!(world.is_live("p1") && world.sockets().len() == 1);
    let first = world.sockets()[0];
    world.input(steadfast::Input::Activity(first));
    world.at(81_000);
    assert_eq!(world.opened.len(), 3);
    assert!(world.is_live("p1") && world.gaps().is_empty());
}

#[test]
fn if_the_old_one_dies_first_the_replacement_goes_on_as_the_connection() {
    let mut world = World::dev(Service::Saga).obedient().provider(Provider::Fresh(60_000));
    world.subscribe("p1").at(49_000);
    world.server = Server::Manual;
    world.at(50_000);
    let old = world.sockets()[0];
    world.ended_on(old, DisconnectReason::Closed { code: 1001, reason: String::new() });
    assert_eq!((world.state().name(), world.opened.len()), ("connecting", 2));
    world.server = Server::Obedient;
    world.opened();
    world.frame(r#"0{"sid":"e"}"#);
    assert!(world.is_live("p1"));
    assert_eq!((world.opened.len(), world.gaps().len()), (2, 1));
}

#[test]
fn a_displaced_old_connection_is_our_own_doing_while_it_is_replaced() {
    let mut world = before_rotation();
    let old = world.sockets()[0];
    world.ended_on(old, DisconnectReason::Closed { code: 4409, reason: String::new() });
    assert_eq!(world.state().name(), "ready");
}

#[test]
fn a_provider_that_fails_during_a_replacement_hurts_nobody() {
    let mut world = World::dev(Service::Saga).obedient().provider(Provider::Fresh(60_000));
    world.subscribe("p1");
    world.provider = Provider::Fails(TokenError::Denied("signed out".into()));
    world.at(300_000);
    assert!(world.is_live("p1"));
    assert_eq!(world.opened.len(), 1);
}

#[test]
fn a_link_that_is_ready_through_many_replacements_is_stable() {
    let gone = DisconnectReason::Closed { code: 1006, reason: String::new() };
    let mut world = World::dev(Service::Saga).server(Server::Refuses(gone)).provider(Provider::Fresh(15_000));
    world.subscribe("p1").at(6_999);
    world.server = Server::Obedient;
    world.at(67_000);
    assert!(world.is_ready() && world.opened.len() > 10, "replaced every five seconds");
    world.server = Server::Manual;
    world.close(1006, "");
    assert_eq!(world.waits_until() - world.now(), 1_000, "the first delay again");
}

#[test]
fn a_planned_replacement_heeds_a_retry_after() {
    let mut world = World::dev(Service::Saga).obedient().provider(Provider::Fresh(1_200_000));
    world.subscribe("p1").at(1_079_000);
    world.server = Server::Refuses(DisconnectReason::Http { status: 503, retry_after: Some(200_000) });
    let live = world.socket();
    for second in 1_080..1_280 {
        world.at(second * 1_000).input(steadfast::Input::Activity(live));
    }
    assert_eq!(world.dials(), [0, 1_080_000]);
    world.at(1_280_000);
    assert_eq!(world.dials().len(), 3);
}

#[test]
fn displaced_before_its_replacement_has_dialed_it_stops() {
    let mut config = dev(Service::DevContext);
    config.timings.rotate_after = std::time::Duration::from_secs(55);
    let mut world = World::new(config, HostCaps::NATIVE).obedient().provider(Provider::Manual);
    world.subscribe("a1").token("tok-a", None);
    while world.asked.len() == 1 {
        world.advance(100);
    }
    world.close(4409, "").token("tok-b", None).advance(60_000);
    assert_eq!((world.state().name(), world.opened.len()), ("displaced", 1));
}

/// A Saga client whose replacement is being dialed: the connection in use, and the new one.
fn while_replaced() -> (World, SocketId, SocketId) {
    let mut world = World::dev(Service::Saga).obedient().provider(Provider::Fresh(60_000));
    world.subscribe("p1").at(49_000);
    world.server = Server::Manual;
    world.at(50_000);
    let [old, new] = *world.sockets() else { panic!("{:?}", world.sockets()) };
    (world, old, new)
}

#[test]
fn a_replacement_that_goes_on_as_the_connection_is_an_attempt() {
    let (mut world, old, new) = while_replaced();
    world.ended_on(old, DisconnectReason::Closed { code: 1006, reason: String::new() });
    world.server = Server::Obedient;
    world.opened_on(new).frame(r#"0{"sid":"e","pingInterval":25000,"pingTimeout":60000}"#);
    assert!(matches!(world.state(), ConnectionState::Ready { attempts: 1, .. }), "{:?}", world.state());
}

#[test]
fn a_client_that_is_sent_away_twice_stops_although_a_replacement_went_on_between() {
    let (mut world, old, new) = while_replaced();
    world.frame_on(old, "41");
    world.server = Server::Obedient;
    world.opened_on(new).frame(r#"0{"sid":"e","pingInterval":25000,"pingTimeout":60000}"#);
    assert!(world.is_live("p1"));
    world.at(52_000).frame("41");
    assert_eq!((world.state().name(), world.why()), ("failed", WhyKind::Kicked));
}
