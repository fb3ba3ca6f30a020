//! Whether the other side still lives, and what the app's and the network's sleep does. [rules §2.8]

use steadfast::{
    ConnectionState, DisconnectReason, HostCaps, Reachability, Service, Verdict, Visibility, WhyKind,
};

use crate::support::{Server, World, dev};

/// A client whose topic is live with a server that says nothing by itself from now on.
fn live(service: Service, caps: HostCaps) -> World {
    let mut world = World::new(dev(service), caps).obedient();
    world.heartbeat = false;
    world.subscribe("s1");
    assert!(world.is_live("s1"));
    world
}

#[test]
fn silence_ends_a_connection_at_the_services_limit() {
    for (service, limit) in [
        (Service::Charisma, 60_000),
        (Service::TherapyBridge, 75_000),
        (Service::Saga, 85_000),
        (Service::DocProc, 85_000),
    ] {
        let mut world = live(service, HostCaps::NATIVE);
        world.at(limit - 1);
        assert!(world.is_ready(), "{service}");
        world.at(limit);
        assert_eq!(
            (world.why(), world.sockets().len()),
            (WhyKind::Silence, 0),
            "{service}: nothing waits for a close"
        );
        let mut world = live(service, HostCaps::NATIVE);
        world.at(limit - 1).activity().at(2 * limit - 2);
        assert!(world.is_ready(), "{service}: any bytes count, also a WebSocket ping");
    }
}

#[test]
fn socketios_limit_is_that_of_its_handshake() {
    let mut world = World::dev(Service::DocProc);
    world.subscribe("d1").opened();
    world.frame(r#"0{"sid":"e","pingInterval":300,"pingTimeout":200}"#);
    world.frame(r#"40{"sid":"c"}"#);
    world.at(499);
    assert!(world.is_ready());
    world.at(500);
    assert_eq!(world.why(), WhyKind::Silence);
}

#[test]
fn engine_pings_are_answered_and_application_events_of_that_name_are_not_packets() {
    let mut world = live(Service::Saga, HostCaps::NATIVE);
    world.frame("2");
    assert_eq!(world.texts().last(), Some(&"3"));
    let sent = world.sent.len();
    assert!(world.frame(r#"42["ping"]"#).has(Verdict::DELIVER));
    assert!(world.frame(r#"42["pong"]"#).has(Verdict::DELIVER));
    assert_eq!(world.sent.len(), sent);
}

#[test]
fn json_pings_are_answered_where_the_service_wants_it() {
    let mut world = live(Service::Charisma, HostCaps::NATIVE);
    world.frame(r#"{"type":"ping"}"#);
    assert_eq!(world.texts().last(), Some(&r#"{"action":"pong"}"#));
    let mut world = live(Service::TherapyBridge, HostCaps::NATIVE);
    world.frame(r#"{"type":"ping"}"#);
    assert_eq!(world.texts(), [r#"{"type":"pong","timestamp":"2026-01-01T00:00:00.000Z"}"#]);
    let mut config = dev(Service::TherapyBridge);
    config.answer_pings = false;
    let mut world = World::new(config, HostCaps::NATIVE).obedient();
    world.subscribe("s1").frame(r#"{"type":"ping"}"#);
    assert!(world.sent.is_empty());
}

#[test]
fn devcontext_is_pinged_each_thirty_seconds_and_has_ten_to_answer() {
    for caps in [HostCaps::NATIVE, HostCaps::BROWSER] {
        let mut world = live(Service::DevContext, caps);
        world.at(600_000);
        assert_eq!(world.count_sent("\"ping\""), 20);
        assert!(world.is_ready());
        assert_eq!(world.machine.stats().last_round_trip, Some(0));
        world.server = Server::Mute;
        world.at(639_999);
        assert!(world.is_ready());
        world.at(640_000);
        assert_eq!(world.why(), WhyKind::Silence);
    }
}

#[test]
fn anything_received_proves_life_as_well_as_the_pong() {
    let mut world = live(Service::DevContext, HostCaps::NATIVE);
    world.server = Server::Mute;
    world.at(35_000).frame(
        r#"{"type":"stage_completed","payload":{"analysisId":"s1","stage":"project_review","progress":33}}"#,
    );
    world.at(40_000);
    assert!(world.is_ready());
}

#[test]
fn a_hidden_page_has_seventy_seconds_at_least() {
    let mut world = live(Service::Charisma, HostCaps::NATIVE);
    world.visibility(Visibility::Hidden).at(69_999);
    assert!(world.is_ready());
    world.at(70_000);
    assert_eq!(world.why(), WhyKind::Silence);
    let mut world = live(Service::Saga, HostCaps::BROWSER);
    world.visibility(Visibility::Hidden).at(84_999);
    assert!(world.is_ready());
    world.at(85_000);
    assert_eq!(world.why(), WhyKind::Silence);
}

fn wake(world: &mut World, how: u8) {
    match how {
        0 => drop(world.visibility(Visibility::Hidden).visibility(Visibility::Visible)),
        1 => drop(world.network(Reachability::Online)),
        2 => drop(world.visibility(Visibility::Background).advance(1_000).visibility(Visibility::Visible)),
        _ => drop(world.jump(5_001).tick()),
    }
}

#[test]
fn each_of_the_four_wake_ups_probes_natively_by_a_websocket_ping() {
    for service in Service::ALL {
        for how in 0..4 {
            let mut world = live(service, HostCaps::NATIVE);
            world.at(11_000);
            wake(&mut world, how);
            assert_eq!(world.pings.len(), 1, "{service} {how}");
            let at = world.now();
            world.at(at + 2_000).activity().at(at + 20_000);
            assert!(world.is_ready(), "{service} {how}: answered");
            wake(&mut world, how);
            let at = world.now();
            world.at(at + 2_499);
            assert!(world.is_ready());
            world.at(at + 2_500);
            assert_eq!((world.why(), world.sockets().len()), (WhyKind::Silence, 0), "{service} {how}");
        }
    }
}

#[test]
fn other_occasions_do_not_probe() {
    let mut world = live(Service::Charisma, HostCaps::NATIVE);
    world
        .at(11_000)
        .visibility(Visibility::Hidden)
        .network(Reachability::Offline)
        .visibility(Visibility::Hidden);
    world.jump(4_999).tick();
    assert!(world.pings.is_empty());
}

#[test]
fn a_browser_probes_by_messages() {
    for (service, part) in [
        (Service::Charisma, "\"authenticate\""),
        (Service::Saga, "[\"ping\""),
        (Service::DevContext, "\"ping\""),
    ] {
        for how in 0..4 {
            let mut world = live(service, HostCaps::BROWSER);
            let before = world.count_sent(part);
            world.at(11_000);
            wake(&mut world, how);
            assert_eq!((world.count_sent(part) - before, world.pings.len()), (1, 0), "{service} {how}");
            world.advance(10_000);
            assert!(world.is_ready(), "{service} {how}");
            world.server = Server::Manual;
            wake(&mut world, how);
            let at = world.now();
            world.at(at + 2_500);
            assert_eq!(world.why(), WhyKind::Silence, "{service} {how}");
        }
    }
}

#[test]
fn where_a_browser_has_nothing_to_ask_with_an_overdue_ping_decides() {
    for (service, overdue) in [(Service::TherapyBridge, 35_000), (Service::DocProc, 30_000)] {
        for (silent, replaced) in [(overdue, false), (overdue + 1, true)] {
            let mut world = live(service, HostCaps::BROWSER);
            world.at(silent).network(Reachability::Online);
            assert_eq!(!world.is_ready(), replaced, "{service} after {silent}");
        }
    }
}

#[test]
fn charisma_in_a_visible_page_is_probed_each_forty_five_seconds() {
    let mut world = live(Service::Charisma, HostCaps::BROWSER);
    world.at(44_999);
    assert_eq!(world.count_sent("authenticate"), 0);
    world.at(45_000);
    assert_eq!(world.count_sent("authenticate"), 1);
    world.at(80_000).frame(r#"{"type":"session_status","sessionId":"s1","status":"uploading"}"#);
    world.at(124_999);
    assert_eq!(world.count_sent("authenticate"), 1, "what was heard puts it off");
    world.at(125_000);
    assert_eq!(world.count_sent("authenticate"), 2);
    world.visibility(Visibility::Hidden).at(600_000);
    assert_eq!(world.count_sent("authenticate"), 2);
    world.visibility(Visibility::Visible);
    assert_eq!(world.count_sent("authenticate"), 3);
    world.server = Server::Manual;
    world.at(647_500);
    assert_eq!(world.why(), WhyKind::Silence);
}

#[test]
fn a_tick_that_comes_far_too_late_is_a_wake_up() {
    let mut world = live(Service::Charisma, HostCaps::NATIVE);
    world.at(9_000).sleep(40_000).tick();
    assert_eq!(world.pings.len(), 1);
    assert!(world.is_ready());
    let mut world = live(Service::Charisma, HostCaps::NATIVE);
    world.at(9_000).sleep(3_600_000).tick();
    assert_eq!(world.why(), WhyKind::Silence, "an hour of silence needs no probe");
}

#[test]
fn the_deadline_is_read_again_whenever_anything_happens() {
    let mut world = live(Service::Charisma, HostCaps::NATIVE);
    world.at(20_000).activity().sleep(70_000);
    world.command(steadfast::Command::WaitReady);
    assert!(world.opened.len() == 2 || !world.is_ready() || world.sockets().len() == 1);
    assert_eq!(*world.machine.stats().failures.get(&WhyKind::Silence).unwrap(), 1, "a command found it out");
    let mut world = live(Service::Saga, HostCaps::NATIVE);
    world.sleep(100_000).network(Reachability::Online);
    assert_eq!(world.why(), WhyKind::Silence);
}

#[test]
fn in_the_background_the_socket_closes_after_25_seconds_and_the_foreground_connects_at_once() {
    for service in Service::ALL {
        let mut world = live(service, HostCaps::NATIVE);
        world.at(12_000).visibility(Visibility::Background).at(36_999);
        assert!(world.is_ready(), "{service}");
        world.at(37_000);
        assert_eq!((world.state(), world.sockets().len()), (&ConnectionState::Suspended, 0), "{service}");
        world.network(Reachability::Online).subscribe("s2").at(600_000);
        assert_eq!(world.opened.len(), 1, "{service}");
        let queued = world.request(steadfast::Request::SendRaw { kind: "x".into(), payload: "{}".into() });
        world.visibility(Visibility::Visible);
        assert!(world.is_live("s1") && world.is_live("s2"), "{service}");
        assert!(world.outcome(queued).is_ok());
        assert_eq!(world.gaps().len() + usize::from(service == Service::TherapyBridge), 1, "{service}");
    }
}

#[test]
fn a_short_stay_in_the_background_changes_nothing() {
    let mut world = live(Service::DevContext, HostCaps::NATIVE);
    world.visibility(Visibility::Background).advance(24_999).visibility(Visibility::Visible);
    world.activity().advance(26_000);
    assert!(world.is_ready());
    assert_eq!(world.opened.len(), 1);
}

#[test]
fn a_waiting_client_is_suspended_too() {
    let mut world =
        World::dev(Service::Charisma).server(Server::Refuses(DisconnectReason::Network("refused".into())));
    world.subscribe("s1").at(31_000).visibility(Visibility::Background).at(56_000);
    assert_eq!(*world.state(), ConnectionState::Suspended);
    let dials = world.opened.len();
    world.at(600_000);
    assert_eq!(world.opened.len(), dials);
    world.visibility(Visibility::Visible);
    assert_eq!(world.opened.len(), dials + 1);
}

#[test]
fn binary_parts_are_delivered_with_the_event_that_announced_them() {
    let mut world = live(Service::Saga, HostCaps::NATIVE);
    let event = r#"452-["transcript_updated",{"projectId":"s1","storyId":"x","audio":{"_placeholder":true,"num":0}}]"#;
    world.delivered.clear();
    assert!(world.frame(event).has(Verdict::HOLD));
    let socket = world.socket();
    world.input(steadfast::Input::Binary(socket, 10));
    assert!(world.delivered.is_empty());
    world.input(steadfast::Input::Binary(socket, 20));
    assert_eq!(world.delivered.len(), 1);
    world.input(steadfast::Input::Binary(socket, 30));
    assert!(matches!(world.events.last(), Some((_, steadfast::Event::ProtocolViolation(_)))));
    assert!(world.is_ready());
    // What never became whole is not delivered, and counted.
    world.frame(event);
    world.input(steadfast::Input::Binary(socket, 10)).close(1006, "");
    assert_eq!((world.delivered.len(), world.machine.stats().dropped), (1, 1));
}

#[test]
fn other_namespaces_and_unreadable_frames_are_no_reason_to_leave() {
    let mut world = live(Service::Saga, HostCaps::NATIVE);
    for frame in
        ["42/admin,[\"x\",{}]", "44/nope,{\"message\":\"Invalid namespace\"}", "41/admin,", "6", "437[1]"]
    {
        assert!(!world.frame(frame).has(Verdict::DELIVER), "{frame}");
    }
    for frame in ["", "{", "9", "42[", "42{}", "47"] {
        world.frame(frame);
    }
    assert_eq!(world.machine.stats().violations, 6);
    assert!(world.is_live("s1"));
    world.frame(r#"42["never_heard_of",{"a":1}]"#);
    assert_eq!(world.delivered.last().unwrap().0, r#"42["never_heard_of",{"a":1}]"#);
}

#[test]
fn news_of_abandoned_sockets_is_ignored() {
    let mut world = live(Service::Charisma, HostCaps::NATIVE);
    let old = world.socket();
    world.at(15_000).close(1006, "").advance(1_000);
    assert!(world.is_live("s1"));
    world.opened_on(old).ended_on(old, DisconnectReason::Closed { code: 4409, reason: String::new() });
    assert!(
        !world
            .frame_on(old, r#"{"type":"session_status","sessionId":"s1","status":"complete"}"#)
            .has(Verdict::DELIVER)
    );
    assert!(world.is_live("s1") && world.opened.len() == 2);
}
