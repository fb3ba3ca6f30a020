//! The client's own budget, and what a refusal does to it. [rules §2.9]

use steadfast::{Command, CommandErrorKind, Delivery, NoticeKind, Request, Sent, Service, SubscriptionState};

use crate::support::{Server, World};

fn raw() -> Request {
    Request::SendRaw { kind: "x".into(), payload: "{}".into() }
}

fn in_window(world: &World, from: u64, until: u64) -> usize {
    world
        .sent
        .iter()
        .filter(|(at, _, text)| *at >= from && *at < until && !text.starts_with("40") && text != "3")
        .count()
}

#[test]
fn subscribes_leave_ten_of_ninety_to_the_others() {
    for service in [Service::Saga, Service::DevContext] {
        let mut world = World::dev(service).obedient();
        for n in 0..100 {
            world.subscribe(&format!("t{n}"));
        }
        assert_eq!(in_window(&world, 0, 1_000), 20, "{service}: 20 in a second");
        world.at(25_000);
        let subscribes =
            |world: &World| world.count_sent("join_project") + world.count_sent("\"subscribe_analysis");
        assert_eq!(subscribes(&world), 80, "{service}");
        for _ in 0..10 {
            let id = world.request(raw());
            assert!(world.outcome(id).is_ok(), "{service}");
        }
        let patient = Delivery::WaitReady { ttl: 60_000 };
        let id = world.command(Command::Request(raw(), patient));
        assert!(world.is_pending(id));
        assert_eq!(world.machine.stats().budget_left, Some(0));
        world.at(61_000);
        assert!(world.outcome(id).is_ok());
        world.at(90_000);
        assert_eq!(subscribes(&world), 100, "{service}: the rest when the window has moved on");
        for start in 0..90 {
            assert!(
                in_window(&world, start * 1_000, start * 1_000 + 60_000) <= 92,
                "{service} from {start} s"
            );
        }
    }
}

#[test]
fn services_without_a_limit_are_not_held_back() {
    let mut world = World::dev(Service::Charisma).obedient();
    for n in 0..200 {
        world.subscribe(&format!("t{n}"));
    }
    assert_eq!(world.sent.len(), 200);
    assert_eq!(world.machine.stats().budget_left, None);
}

#[test]
fn sagas_window_survives_reconnects_and_devcontexts_does_not() {
    for (service, survives) in [(Service::Saga, true), (Service::DevContext, false)] {
        let mut world = World::dev(service).obedient();
        for n in 0..15 {
            world.subscribe(&format!("t{n}"));
        }
        world.at(20_000);
        let left = world.machine.stats().budget_left.unwrap();
        assert_eq!(left, 75);
        world.close(1006, "").at(21_000);
        let left = world.machine.stats().budget_left.unwrap();
        assert_eq!(left, if survives { 60 } else { 75 }, "{service}");
    }
}

#[test]
fn a_refused_subscribe_goes_back_to_pending_and_is_asked_again_after_the_pause() {
    for (service, frame) in [
        (Service::Saga, r#"42["error",{"code":"RATE_LIMIT_EXCEEDED","message":"rate_limit_exceeded"}]"#),
        (
            Service::DevContext,
            r#"{"type":"error","payload":{"errorCode":"RATE_LIMIT_EXCEEDED","errorMessage":"slow","retryable":true}}"#,
        ),
        (Service::DocProc, r#"42["error",{"sessionId":"t1","error":"Rate limit exceeded"}]"#),
    ] {
        let mut world = World::dev(service).server(Server::Mute);
        world.subscribe("t1").at(3_000);
        let sent = world.count_sent("t1");
        world.frame(frame);
        assert_eq!(world.subscription("t1"), Some(SubscriptionState::Pending), "{service}");
        assert_eq!(world.notices(NoticeKind::RateLimited), 1);
        let command = world.request(raw());
        world.at(7_999);
        assert_eq!(world.count_sent("t1"), sent, "{service}: nothing goes out meanwhile");
        assert!(world.is_pending(command), "{service}: commands pause as well");
        world.server = Server::Obedient;
        world.at(62_000);
        assert!(world.is_live("t1"), "{service}");
        assert_eq!(
            (world.count_sent("t1"), world.opened.len()),
            (sent + 1, 1),
            "{service}: it never reconnects"
        );
    }
}

#[test]
fn a_refused_command_is_rejected_and_may_be_tried_again() {
    let mut world = World::dev(Service::DevContext).obedient();
    world.subscribe("a1");
    let first = world.request(Request::PauseInterview { session_id: "i1".into() });
    let second = world.request(Request::PauseInterview { session_id: "i2".into() });
    world.frame(r#"{"type":"error","payload":{"errorCode":"RATE_LIMIT_EXCEEDED","errorMessage":"slow"}}"#);
    let expected = (CommandErrorKind::Rejected, Some("RATE_LIMIT_EXCEEDED"), true, Sent::Yes);
    assert_eq!(world.failure(first), expected, "the oldest");
    assert!(world.is_pending(second) && world.is_ready());
    let request = world.last_request();
    world.frame(&format!(r#"{{"type":"error","payload":{{"errorCode":"RATE_LIMIT_EXCEEDED","errorMessage":"slow"}},"requestId":"{request}"}}"#));
    assert_eq!(world.failure(second), expected, "the one it names");
}

#[test]
fn probes_and_pongs_are_counted_and_never_held_back() {
    let mut world = World::dev(Service::DevContext).obedient();
    world.subscribe("a1");
    world.frame(r#"{"type":"error","payload":{"errorCode":"RATE_LIMIT_EXCEEDED","errorMessage":"slow"}}"#);
    let sent = world.count_sent("\"ping\"");
    world.at(30_000);
    assert_eq!(world.count_sent("\"ping\""), sent + 1);
    assert_eq!(world.machine.stats().budget_left, Some(0));
    world.at(70_000).tick();
    assert_eq!(world.machine.stats().budget_left, Some(88));
}
