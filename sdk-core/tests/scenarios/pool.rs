//! TherapyBridge: a connection for each session, which share their backoff. [therapybridge §1.3, rules §2.3]

use steadfast::{
    Command, ConnectionState, DisconnectReason, HostCaps, Input, Service, SocketId, SubscriptionState,
    Visibility, WhyKind,
};

use crate::support::{Provider, Server, World, dev};

fn names(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("s{n:02}")).collect()
}

fn pool(n: usize) -> World {
    let mut world = World::dev(Service::TherapyBridge).obedient();
    for name in names(n) {
        world.subscribe(&name);
    }
    world
}

fn gone() -> DisconnectReason {
    DisconnectReason::Closed { code: 1006, reason: String::new() }
}

#[test]
fn each_session_has_its_own_connection_and_verdict() {
    let mut world = pool(3);
    assert_eq!(world.sockets().len(), 3);
    assert!(world.opened[1].2.url.contains("/api/sessions/ws/s01?token="));
    let second = SocketId(world.sockets()[1].0);
    world.ended_on(second, DisconnectReason::Closed { code: 1008, reason: "Session not found".into() });
    assert_eq!(world.refusal("s01"), WhyKind::NotFound);
    assert!(world.is_live("s00") && world.is_live("s02") && world.is_ready());
    assert_eq!(world.states(), ["connecting", "ready"], "the client's state is its best link's");
}

#[test]
fn the_twenty_first_session_waits_its_turn() {
    let mut world = pool(21);
    assert_eq!(world.sockets().len(), 20);
    assert_eq!(world.subscription("s20"), Some(SubscriptionState::Pending));
    let first = world.sockets()[0];
    world.frame_on(first, r#"{"session_id":"s00","status":"processed","progress":100}"#);
    world.ended_on(first, DisconnectReason::Closed { code: 1000, reason: String::new() });
    assert!(world.is_live("s20"));
}

#[test]
fn after_a_loss_of_all_one_tries_first_and_the_others_follow_it() {
    let mut world = pool(5);
    world.at(15_000);
    world.server = Server::Manual;
    for socket in world.sockets().to_vec() {
        world.ended_on(socket, gone());
    }
    world.at(16_000);
    assert_eq!(world.opened.len(), 6, "one scout");
    world.close(1006, "").at(17_999);
    assert_eq!(world.opened.len(), 6);
    world.at(18_000);
    assert_eq!(world.opened.len(), 7, "still one, by the schedule");
    world.server = Server::Obedient;
    world.opened().tick();
    assert_eq!(world.opened.len(), 11, "it is Ready: the others follow at once");
    assert!(names(5).iter().all(|name| world.is_live(name)));
}

#[test]
fn a_scout_that_is_refused_passes_its_task_on() {
    let mut world = pool(3);
    world.at(15_000);
    world.server = Server::Manual;
    for socket in world.sockets().to_vec() {
        world.ended_on(socket, gone());
    }
    world.at(16_000).close(1008, "Session not found");
    world.at(30_000);
    world.server = Server::Obedient;
    world.at(120_000);
    let live = names(3).iter().filter(|name| world.is_live(name)).count();
    assert_eq!(live, 2, "{}", world.transcript());
}

/// For so long every dial of `bad` ends by this, and every other one opens.
fn only_bad_fails(world: &mut World, until: u64, bad: &DisconnectReason) {
    let mut answered = 0;
    while world.now() < until {
        while let Some((_, socket, request)) = world.opened.get(answered) {
            let (socket, is_bad) = (*socket, request.url.contains("/bad"));
            answered += 1;
            if is_bad {
                world.ended_on(socket, bad.clone())
            } else {
                world.opened_on(socket)
            };
        }
        for socket in world.sockets().to_vec() {
            world.input(Input::Activity(socket));
        }
        world.advance(500);
    }
}

#[test]
fn a_session_that_cannot_be_reached_does_not_keep_the_others_from_trying() {
    let reset = DisconnectReason::Network("connection reset".into());
    let broken = DisconnectReason::Http { status: 500, retry_after: None };
    for (caps, bad) in [(HostCaps::BROWSER, gone()), (HostCaps::NATIVE, broken), (HostCaps::NATIVE, reset)] {
        let mut world = World::new(dev(Service::TherapyBridge), caps);
        world.subscribe("bad").ended(bad.clone());
        world.subscribe("s1").subscribe("s2");
        assert_eq!(world.opened.len(), 1, "one tries first");
        only_bad_fails(&mut world, 60_000, &bad);
        assert!(world.is_live("s1") && world.is_live("s2"), "{bad:?} {:?}", world.dials());
        only_bad_fails(&mut world, 120_000, &bad);
        let opaque = matches!(world.subscription("bad"), Some(SubscriptionState::Refused { why }) if why.kind == WhyKind::Opaque);
        assert_eq!(opaque, !caps.http_status, "only a browser's reasons are hidden");
    }
}

#[test]
fn while_one_tries_for_all_the_state_tells_when() {
    let mut world = pool(3);
    world.at(15_000);
    world.server = Server::Refuses(gone());
    for socket in world.sockets().to_vec().into_iter().rev() {
        world.ended_on(socket, gone());
    }
    for second in 16..300 {
        world.at(second * 1_000 + 100);
        assert!(world.waits_until() >= world.now(), "{}", world.machine.diagnose().text);
    }
}

#[test]
fn one_lost_among_others_that_live_tries_for_itself() {
    let mut world = pool(3);
    world.at(15_000);
    let second = world.sockets()[1];
    world.ended_on(second, gone());
    assert!(world.is_ready());
    world.at(16_000);
    assert!(world.is_live("s01"));
    assert_eq!(world.gaps().iter().filter(|gap| gap.0 == "s01").count(), 0, "still open for two seconds");
    world.at(18_000);
    assert_eq!(world.gaps().len(), 1);
}

#[test]
fn a_token_fetched_for_one_session_leaves_the_others_alone() {
    let mut world = World::dev(Service::TherapyBridge).obedient().provider(Provider::Fresh(60_000));
    world.subscribe("s1").at(20_000).subscribe("s2").at(49_999);
    assert_eq!(world.opened.len(), 2);
    world.at(50_000);
    assert_eq!(world.opened.len(), 4, "the first token is about to expire: all get the new one");
    assert!(world.is_live("s1") && world.is_live("s2") && world.gaps().is_empty());
}

#[test]
fn at_most_twenty_shake_hands_at_once() {
    let mut config = dev(Service::TherapyBridge);
    config.limits.connections = 50;
    let mut world = World::new(config, HostCaps::NATIVE);
    for name in names(30) {
        world.subscribe(&name);
    }
    assert_eq!(world.opened.len(), 20);
    let first = world.sockets()[0];
    world.opened_on(first);
    assert_eq!(world.opened.len(), 21);
    world.at(10_000);
    assert!(world.opened.len() <= 41 && world.sockets().len() <= 21);
    world.server = Server::Obedient;
    world.at(120_000);
    assert!(names(30).iter().all(|name| world.is_live(name)));
}

/// Forty sessions, all of them live.
fn forty(provider: Provider) -> World {
    let mut config = dev(Service::TherapyBridge);
    config.limits.connections = 50;
    let mut world = World::new(config, HostCaps::NATIVE).obedient().provider(provider);
    for name in names(40) {
        world.subscribe(&name);
    }
    world.at(15_000);
    world
}

#[test]
fn at_most_twenty_shake_hands_whatever_makes_them_connect() {
    type Cause = fn(&mut World);
    let connect: Cause = |world| {
        world.server = Server::Manual;
        for socket in world.sockets().to_vec() {
            world.ended_on(socket, gone());
        }
        world.connect();
    };
    let foreground: Cause = |world| {
        world.visibility(Visibility::Background).advance(26_000);
        world.server = Server::Manual;
        world.visibility(Visibility::Visible);
    };
    let refresh: Cause = |world| {
        world.at(49_000).server = Server::Manual;
        world.at(50_000);
    };
    for cause in [connect, foreground, refresh] {
        let mut world = forty(Provider::Fresh(60_000));
        cause(&mut world);
        assert_eq!(world.opened.len() - 40, 20, "{}", world.transcript());
        let new = world.opened[40].1;
        world.opened_on(new).tick();
        assert_eq!(world.opened.len() - 40, 21, "one has arrived: the next");
        world.server = Server::Obedient;
        for (_, socket, _) in world.opened.split_off(41) {
            world.opened_on(socket);
        }
        world.at(90_000);
        assert!(names(40).iter().all(|name| world.is_live(name)));
    }
}

#[test]
fn all_sessions_heed_a_server_that_asks_to_be_left_alone() {
    let busy = DisconnectReason::Http { status: 503, retry_after: Some(60_000) };
    let mut world = World::dev(Service::TherapyBridge).server(Server::Refuses(busy));
    world.subscribe("s1").subscribe("s2").at(5_000).unsubscribe("s1").at(10_000).subscribe("s1");
    world.at(40_000).unsubscribe("s2").at(59_999);
    assert_eq!(world.dials(), [0], "neither another session nor a new subscription changes it");
    world.at(60_000);
    assert_eq!(world.dials(), [0, 60_000]);
}

#[test]
fn a_session_that_has_ended_leaves_no_token_behind_for_the_next() {
    let mut world = World::dev(Service::TherapyBridge).obedient().provider(Provider::Fresh(60_000));
    world.subscribe("s1").at(49_500);
    world.frame(r#"{"session_id":"s1","status":"processed","progress":100}"#);
    world.at(600_000).subscribe("s2");
    assert_eq!(world.asked.last(), Some(&(600_000, false)));
    assert_eq!(world.opened.len(), 2, "asked before the attempt, not after it");
}

#[test]
fn auth_failed_is_the_clients_only_when_every_session_was_refused() {
    let mut world = World::dev(Service::TherapyBridge).obedient().provider(Provider::Fresh(7_200_000));
    world.subscribe("good");
    world.server = Server::Closes(4401, "");
    world.subscribe("bad").at(1_000);
    assert_eq!(world.refusal("bad"), WhyKind::Auth);
    assert!(world.is_ready());
    world.close(4401, "").at(2_000);
    assert_eq!((world.refusal("good"), world.why()), (WhyKind::Auth, WhyKind::Auth));
}

#[test]
fn a_session_that_has_ended_does_not_hide_that_the_token_was_refused() {
    let mut world = pool(1);
    world.frame(r#"{"session_id":"s00","status":"processed","progress":100}"#);
    world.advance(2_000).server = Server::Closes(4401, "");
    world.subscribe("bad").advance(60_000);
    assert_eq!((world.refusal("bad"), world.why()), (WhyKind::Auth, WhyKind::Auth));
}

#[test]
fn without_sessions_it_is_idle_and_waits_can_fail() {
    let mut world = World::dev(Service::TherapyBridge);
    world.connect().advance(1_000);
    assert_eq!(*world.state(), ConnectionState::Idle);
    // There is nothing to connect to, so waiting would be for ever.
    let hopeless = world.command(Command::WaitReady);
    assert_eq!(world.failure(hopeless).0, steadfast::CommandErrorKind::NotConnected);
    world.server = Server::Obedient;
    world.subscribe("s1");
    let ready = world.command(Command::WaitReady);
    assert!(world.outcome(ready).is_ok());
}

#[test]
fn who_waits_for_a_session_that_has_stopped_is_told_although_others_live() {
    let mut world = World::dev(Service::TherapyBridge).obedient();
    world.subscribe("good");
    world.provider = Provider::Fails(steadfast::TokenError::Denied("signed out".into()));
    world.subscribe("late");
    let live = world.command(Command::WaitLive { topic: "late".into() });
    assert_eq!(world.failure(live).0, steadfast::CommandErrorKind::NotConnected);
    assert!(world.is_ready() && world.is_live("good"));
}

#[test]
fn ready_is_told_once_for_many_links() {
    let mut world = World::dev(Service::TherapyBridge);
    world.subscribe("s1").opened().advance(3_000).subscribe("s2").advance(2_000).opened();
    assert_eq!(world.states(), ["connecting", "ready"]);
}
