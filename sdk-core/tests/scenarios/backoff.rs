//! When it is tried again, and how often. [rules §2.3]

use std::time::Duration;

use steadfast::{
    Command, Config, ConnectionState, DisconnectReason, Endpoint, HostCaps, Reachability, Service,
    TokenSource, Visibility, WhyKind,
};

use crate::support::{Provider, Server, World, dev};

fn refused() -> Server {
    Server::Refuses(DisconnectReason::Network("connection refused".into()))
}

fn gaps(dials: &[u64]) -> Vec<u64> {
    dials.windows(2).map(|pair| (pair[1] - pair[0]) / 1000).collect()
}

#[test]
fn refused_dials_follow_the_schedule_exactly_without_jitter() {
    for service in Service::ALL {
        let mut world = World::dev(service).server(refused());
        world.subscribe("s1").at(125_000);
        assert_eq!(gaps(&world.dials()), [1, 2, 4, 8, 16, 30, 30, 30], "{service}");
        assert_eq!(world.why(), WhyKind::Network);
        assert!(world.dials().len() <= 12);
    }
}

#[test]
fn jitter_stays_below_the_schedule() {
    for seed in 0..50 {
        let mut config = dev(Service::Charisma);
        config.reconnect.jitter = true;
        config.seed = seed;
        let mut world = World::new(config, HostCaps::NATIVE).server(refused());
        world.subscribe("s1").at(200_000);
        let waits: Vec<u64> = world.dials().windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((1..=1_000).contains(&waits[0]), "{waits:?}");
        for (wait, nominal) in waits.iter().skip(1).zip([2, 4, 8, 16, 30, 30, 30, 30, 30]) {
            assert!((nominal * 500..=nominal * 1000).contains(wait), "{waits:?}");
        }
        let first_minute = world.dials().iter().filter(|at| **at < 60_000).count();
        assert!((3..=12).contains(&first_minute));
    }
}

#[test]
fn no_way_of_closing_makes_more_than_twelve_attempts_in_the_first_minute_nor_ends_them() {
    for service in Service::ALL {
        for code in [1000, 1001, 1005, 1006, 1008, 1011, 1012, 1013, 1014, 3000, 4000] {
            for jitter in [false, true] {
                let mut config = dev(service);
                config.reconnect.jitter = jitter;
                let mut world = World::new(config, HostCaps::NATIVE).server(Server::Closes(code, "go away"));
                world.subscribe("s1").at(59_999);
                let dials = world.dials().len();
                assert!((3..=12).contains(&dials), "{service} {code}: {dials}\n{}", world.transcript());
                assert!(matches!(world.state(), ConnectionState::Waiting { .. }), "{service} {code}");
                world.at(600_000);
                assert!(world.dials().len() > dials + 10, "{service} {code} gave up");
            }
        }
    }
}

#[test]
fn a_refused_token_ends_it_after_one_forced_refresh() {
    for service in Service::ALL {
        let mut config = dev(service);
        config.token = TokenSource::Provider;
        let mut world = World::new(config, HostCaps::NATIVE)
            .server(Server::Closes(4401, "Invalid authentication"))
            .provider(Provider::Fresh(3_600_000));
        world.subscribe("s1").at(600_000);
        assert_eq!(world.asked, [(0, false), (0, true)], "{service}");
        assert_eq!(world.dials().len(), 2, "{service}");
        assert!(matches!(world.state(), ConnectionState::Failed { .. }), "{service}: {:?}", world.state());
        assert_eq!(world.why(), WhyKind::Auth, "{service}");
        assert_eq!(world.machine.stats().auth_failures, 2, "{service}");
    }
}

#[test]
fn the_limit_per_minute_holds_whatever_the_delays_are() {
    let mut config = dev(Service::Saga);
    config.reconnect.base_delay = Duration::from_millis(10);
    config.reconnect.max_delay = Duration::from_millis(10);
    let mut world = World::new(config, HostCaps::NATIVE).server(refused());
    world.subscribe("p1").at(59_999);
    assert_eq!(world.dials().len(), 12);
    world.at(61_000);
    assert_eq!(world.dials().len(), 24, "the window slides");
}

#[test]
fn flapping_waits_at_the_cap_and_says_so() {
    let mut world = World::dev(Service::Charisma).server(Server::Closes(1006, ""));
    world.subscribe("s1").at(2_999);
    assert_eq!(world.why(), WhyKind::Network);
    world.at(3_000);
    assert_eq!(world.why(), WhyKind::Flapping, "three short lives in a row");
    assert_eq!(world.waits_until(), 33_000);
    world.server = Server::Obedient;
    world.at(33_000).at(43_000).close(1006, "");
    assert_eq!(world.why(), WhyKind::Network, "a life of 10 s ends it");
    assert_eq!(world.waits_until(), 44_000);
}

#[test]
fn the_counter_is_reset_by_ten_seconds_of_ready_and_by_nothing_less() {
    for (life, wait) in [(9_999, 4), (10_000, 1)] {
        let mut world = World::dev(Service::Charisma).server(refused());
        world.subscribe("s1").at(2_000);
        world.server = Server::Obedient;
        world.at(3_000);
        assert!(world.is_ready());
        world.advance(life).close(1006, "");
        assert_eq!(world.waits_until() - world.now(), wait * 1000, "after {life} ms");
    }
}

#[test]
fn the_ten_seconds_run_from_ready_not_from_the_open_socket() {
    let mut world = World::dev(Service::Saga).server(refused());
    world.subscribe("p1").at(2_000);
    world.server = Server::Manual;
    world.at(3_000).opened();
    world.advance(5_000).frame(r#"0{"sid":"e","pingInterval":25000,"pingTimeout":60000}"#);
    world.frame(r#"40{"sid":"c"}"#);
    world.advance(9_000).close(1006, "");
    assert_eq!(world.waits_until() - world.now(), 4_000);
}

#[test]
fn retry_after_makes_a_wait_longer_and_only_connect_skips_it() {
    let http = |retry_after| Server::Refuses(DisconnectReason::Http { status: 503, retry_after });
    let mut world = World::dev(Service::Charisma).server(http(Some(20_000)));
    world.subscribe("s1");
    assert_eq!(world.waits_until(), 20_000);
    world.at(1_000).network(Reachability::Online);
    world.at(1_500).visibility(Visibility::Hidden).visibility(Visibility::Visible);
    world.at(19_999);
    assert_eq!(world.dials().len(), 1, "a wake-up doesn't skip it");
    world.connect();
    assert_eq!(world.dials().len(), 2, "the user does");
    world.server = http(Some(3_600_000));
    world.at(39_999);
    assert_eq!(world.waits_until() - world.now(), 300_000, "at most 5 min");
}

#[test]
fn a_connect_that_fails_does_not_end_the_servers_wish_to_be_left_alone() {
    let busy = DisconnectReason::Http { status: 503, retry_after: Some(200_000) };
    let mut world = World::dev(Service::Charisma).server(Server::Refuses(busy));
    world.subscribe("s1").at(5_000).server = refused();
    world.connect();
    assert_eq!((world.dials().len(), world.waits_until()), (2, 200_000));
}

#[test]
fn connect_skips_a_wait_each_time_and_keeps_the_counter() {
    let mut world = World::dev(Service::Charisma).server(refused());
    world.subscribe("s1");
    for dials in 2..=4 {
        world.connect();
        assert_eq!(world.dials().len(), dials);
    }
    assert_eq!(world.waits_until(), 8_000, "the fourth failure waits the fourth delay");
}

#[test]
fn wake_ups_skip_a_wait_at_most_once_in_five_seconds() {
    let mut world = World::dev(Service::DevContext).server(refused());
    world.subscribe("a1").at(31_000);
    let dials = world.dials().len();
    world.at(40_000).network(Reachability::Online);
    world.tick();
    assert_eq!(world.dials().len(), dials + 1);
    let until = world.waits_until();
    assert_eq!(until, 70_000, "the counter is kept");
    world.at(44_999).network(Reachability::Online).tick();
    world.visibility(Visibility::Hidden).visibility(Visibility::Visible).tick();
    assert_eq!(world.dials().len(), dials + 1, "not again so soon");
    world.at(45_000).visibility(Visibility::Hidden).visibility(Visibility::Visible).tick();
    assert_eq!(world.dials().len(), dials + 2);
    world.at(50_000).visibility(Visibility::Background).visibility(Visibility::Visible).tick();
    assert_eq!(world.dials().len(), dials + 3, "foreground");
}

#[test]
fn a_connection_whose_end_arrives_just_after_a_wake_up_does_not_wait_either() {
    for service in Service::ALL {
        let mut world = World::browser(service).obedient();
        world.subscribe("a1").at(20_000).visibility(Visibility::Hidden).at(21_000);
        assert!(world.is_ready());
        let dials = world.dials().len();
        world.visibility(Visibility::Visible).at(21_010).close(1006, "").tick();
        assert_eq!(world.dials().len(), dials + 1, "{service}: at once, as the page is back");
        world.at(22_000).close(1006, "").tick();
        assert_eq!(world.dials().len(), dials + 1, "{service}: once");
        let mut late = World::browser(service).obedient();
        late.subscribe("a1").at(20_000).visibility(Visibility::Hidden).visibility(Visibility::Visible);
        late.activity().at(22_500).close(1006, "").tick();
        assert_eq!(late.dials().len(), 1, "{service}: not long after it");
    }
}

#[test]
fn a_hidden_page_goes_on_trying() {
    let mut world = World::browser(Service::DevContext).server(refused());
    world.subscribe("a1").visibility(Visibility::Hidden).at(65_000);
    assert_eq!(gaps(&world.dials()), [1, 2, 4, 8, 16, 30]);
}

#[test]
fn offline_is_a_hint_that_loopback_ignores() {
    let mut world = World::dev(Service::Charisma).server(refused());
    world.network(Reachability::Offline).subscribe("s1").at(3_000);
    assert_eq!(gaps(&world.dials()), [1, 2]);
    assert!(matches!(world.state(), ConnectionState::Waiting { .. }));

    let mut config = dev(Service::Charisma);
    config.endpoint = Endpoint::Production;
    let mut world = World::new(config, HostCaps::NATIVE).server(refused());
    world.network(Reachability::Offline).subscribe("s1");
    assert_eq!(*world.state(), ConnectionState::Offline);
    world.at(90_000);
    assert_eq!(gaps(&world.dials()), [30, 30, 30], "it keeps trying at the cap");
    world.network(Reachability::Online);
    world.at(90_001);
    assert_eq!(world.dials().len(), 5, "and at once when the network is back");
}

#[test]
fn the_maximum_of_attempts_fails_and_connect_re_arms() {
    for server in [refused(), Server::Closes(1006, "")] {
        let mut config = dev(Service::DocProc);
        config.reconnect.max_attempts = Some(3);
        let mut world = World::new(config, HostCaps::NATIVE).server(server.clone());
        world.subscribe("d1").at(600_000);
        assert_eq!(world.dials().len(), 3, "{server:?}");
        assert_eq!(world.why(), WhyKind::GaveUp);
        assert!(world.state().why().unwrap().text.contains("Last: "));
        world.subscribe("d2").advance(60_000);
        assert_eq!(world.dials().len(), 3, "a new wish doesn't re-arm it");
        world.connect().advance(60_000);
        assert_eq!(world.dials().len(), 6, "connect() does, with a fresh count");
    }
}

#[test]
fn without_reconnecting_a_loss_is_final_until_connect() {
    let mut config = dev(Service::Charisma);
    config.reconnect.reconnect = false;
    let mut world = World::new(config, HostCaps::NATIVE).obedient();
    world.subscribe("s1").at(60_000).close(1006, "");
    assert_eq!(world.why(), WhyKind::GaveUp);
    world.advance(600_000);
    assert_eq!(world.dials().len(), 1);
    world.connect();
    assert!(world.is_live("s1"));
}

#[test]
fn a_client_connects_only_when_it_has_something_to_do() {
    let mut world = World::dev(Service::Charisma).obedient();
    world.tick().advance(60_000);
    assert!(world.opened.is_empty());
    world.command(Command::WaitReady);
    assert_eq!(world.dials().len(), 1, "somebody waits");

    let mut world = World::dev(Service::Charisma).server(refused());
    world.subscribe("s1").unsubscribe("s1").advance(2_500);
    assert_eq!(*world.state(), ConnectionState::Idle, "nothing is wanted any more");
    let dials = world.dials().len();
    world.advance(600_000);
    assert_eq!(world.dials().len(), dials);
}

#[test]
fn a_dial_and_a_handshake_have_ten_seconds_each() {
    let mut world = World::dev(Service::Saga);
    world.subscribe("p1").at(9_999);
    assert_eq!(world.sockets().len(), 1);
    world.at(10_000);
    assert_eq!((world.why(), world.sockets().len()), (WhyKind::Timeout, 0));
    assert_eq!(world.state().why().unwrap().code.as_deref(), Some("CONNECTION_TIMEOUT"));
    world.at(11_000).opened();
    world.at(20_999);
    assert_eq!(*world.state(), ConnectionState::Authenticating);
    world.at(21_000);
    assert_eq!(world.why(), WhyKind::Timeout);
}

#[test]
fn every_option_has_its_documented_default() {
    let reconnect = Config::new(Service::Saga, Endpoint::Development).reconnect;
    assert!(reconnect.reconnect && reconnect.jitter && reconnect.max_attempts.is_none());
    let times =
        [reconnect.base_delay, reconnect.max_delay, reconnect.dial_timeout, reconnect.handshake_timeout];
    assert_eq!(times.map(|time| time.as_secs()), [1, 30, 10, 10]);
}
