//! States, those who wait for them, diagnosis and statistics, and configurations that can't work. [rules §2.12]

use steadfast::{
    AuthMode, Command, CommandErrorKind, Config, DisconnectReason, Endpoint, HostCaps, Service, TokenSource,
    WhyKind,
};

use crate::support::{Provider, SHARED, Server, World, dev};

#[test]
fn ready_says_how_many_attempts_it_took_and_how_long_it_was_down() {
    let mut world = World::dev(Service::Saga).server(Server::Refuses(DisconnectReason::Network("no".into())));
    world.subscribe("p1").at(2_999);
    world.server = Server::Obedient;
    world.at(20_000);
    let ready = |world: &World| format!("{:?}", world.state());
    assert_eq!(ready(&world), "Ready { attempts: 3, down_ms: 3000, connection_id: Some(\"c3\") }");
    world.close(1006, "").at(21_000);
    assert_eq!(ready(&world), "Ready { attempts: 1, down_ms: 1000, connection_id: Some(\"c4\") }");
}

#[test]
fn those_who_wait_are_told_once_whatever_happens() {
    let mut world = World::dev(Service::Charisma);
    let ready = world.command(Command::WaitReady);
    let nobody = world.command(Command::WaitLive { topic: "s1".into() });
    assert_eq!(world.failure(nobody).0, CommandErrorKind::Invalid);
    world.subscribe("s1");
    let live = world.command(Command::WaitLive { topic: "s1".into() });
    assert!(world.is_pending(ready) && world.is_pending(live));
    world.opened();
    assert!(world.outcome(ready).is_ok() && world.is_pending(live));
    world.frame(r#"{"type":"subscribed","sessionId":"s1"}"#);
    assert!(world.outcome(live).is_ok());
    world.frame(r#"{"type":"session_status","sessionId":"s1","status":"complete"}"#);
    let ended = world.command(Command::WaitLive { topic: "s1".into() });
    assert_eq!(world.failure(ended).0, CommandErrorKind::Rejected);
    world.subscribe("s2");
    let (ready, live) =
        (world.command(Command::WaitReady), world.command(Command::WaitLive { topic: "s2".into() }));
    assert!(world.outcome(ready).is_ok());
    world.close(4403, "");
    assert_eq!(world.failure(live).0, CommandErrorKind::NotConnected);

    let mut world = World::dev(Service::Charisma);
    world.subscribe("s1");
    let live = world.command(Command::WaitLive { topic: "s1".into() });
    world.unsubscribe("s1").advance(2_500);
    assert_eq!(world.failure(live).0, CommandErrorKind::Cancelled, "nobody wants it any more");
}

#[test]
fn a_state_that_waits_says_why_since_when_until_when_and_what_helps() {
    let mut world = World::dev(Service::DocProc);
    world.subscribe("d1").at(2_000).close(1006, "");
    let why = world.state().why().unwrap();
    assert_eq!((why.kind, why.since, why.code.as_deref()), (WhyKind::Network, world.unix(), None));
    assert!(!why.help.is_empty());
    let until = world.waits_until();
    world.jump(1_234).tick();
    assert_eq!(world.waits_until(), until, "clocks that drift do not tell it again");
    let waits = world.states().iter().filter(|state| **state == "waiting").count();
    assert_eq!(waits, 1);
}

#[test]
fn the_diagnosis_tells_it_all_as_text_and_as_json() {
    let mut config = dev(Service::TherapyBridge);
    config.token = TokenSource::Provider;
    let mut world = World::new(config, HostCaps::NATIVE).provider(Provider::Fresh(60_000));
    world.subscribe("s1").opened();
    world.frame(r#"{"session_id":"s1","status":"transcribing","progress":40}"#);
    world.at(12_000).close(1011, "oops");
    let diagnosis = world.machine.diagnose();
    insta::assert_snapshot!(diagnosis.text);
    let json: serde_json::Value = serde_json::from_str(&diagnosis.json).unwrap();
    assert_eq!(json["state"], "waiting");
    assert_eq!(json["why"]["kind"], "ServerError");
    assert_eq!(json["why"]["code"], "1011");
    assert_eq!(json["next"]["at"], "2026-01-01T00:00:13.000Z");
    assert_eq!(json["topics"][0]["topic"], "s1");
    assert_eq!(json["stats"]["unexpected_closes"], 1);
}

#[test]
fn the_services_known_symptoms_have_their_hints() {
    let hints = |world: &World| world.machine.diagnose().text;
    let mut world = World::dev(Service::Saga).server(Server::Refuses(DisconnectReason::Network("no".into())));
    world.subscribe("p1").at(5_000);
    assert!(hints(&world).contains("never connected") && hints(&world).contains("CORS"));
    assert!(!hints(&world).contains("browser is not told"), "a native host is told");
    for (provider, hint) in
        [(Provider::Same("abc"), "no JWT"), (Provider::Fresh(3_600_000), "may refuse the token")]
    {
        let refuses = Server::Refuses(DisconnectReason::Closed { code: 1006, reason: String::new() });
        let mut world = World::browser(Service::Charisma).server(refuses).provider(provider);
        world.subscribe("s1").at(1_500);
        assert!(hints(&world).contains(hint), "{}", hints(&world));
        world.server = Server::Obedient;
        world.at(60_000);
        assert!(!hints(&world).contains(hint), "{}", hints(&world));
    }
    let mut world = World::dev(Service::TherapyBridge).server(Server::Closes(1008, "whatever"));
    world.subscribe("s1").at(100_000);
    assert!(hints(&world).contains("open and close at once"));
    let mut world = World::dev(Service::DocProc).obedient();
    world.subscribe("d1");
    assert!(hints(&world).contains("live but silent"));
    world.heartbeat = false;
    world.at(300_000);
    assert!(hints(&world).contains("die of silence"));
    let mut world = World::dev(Service::Charisma).obedient();
    world.subscribe("s1").frame(r#"{"type":"session_upload_progress","sessionId":"s1","progress":0.5}"#);
    assert!(!hints(&world).contains("silent since"));
    world.close(1011, "").at(5_000);
    assert!(hints(&world).contains("silent since the connection was lost"), "{}", hints(&world));
    assert!(!hints(&world).contains("live but silent"), "one hint is enough");
    world.frame(r#"{"type":"session_upload_progress","sessionId":"s1","progress":0.6}"#);
    assert!(!hints(&world).contains("silent since"));
    let mut world = World::dev(Service::Saga).obedient();
    world.subscribe("p1").frame(r#"42["error",{"code":"RATE_LIMIT_EXCEEDED","message":"x"}]"#);
    assert!(hints(&world).contains("rate limit"), "{}", hints(&world));
    let mut world = World::dev(Service::Charisma)
        .server(Server::Refuses(DisconnectReason::Http { status: 503, retry_after: None }));
    world.subscribe("s1").at(5_000);
    assert!(hints(&world).contains("overloaded"), "a 503 is no rate limit: {}", hints(&world));
}

#[test]
fn everything_is_counted() {
    let mut world = World::dev(Service::DevContext).obedient().provider(Provider::Fresh(7_200_000));
    world.subscribe("a1").at(30_000);
    world.frame("{");
    world.close(1006, "").at(45_000).close(4401, "").at(60_000);
    let stats = world.machine.stats();
    assert_eq!((stats.attempts, stats.reconnects, stats.unexpected_closes), (3, 2, 2));
    assert_eq!((stats.auth_failures, stats.violations), (1, 1));
    assert_eq!(
        stats.failures.iter().map(|(kind, n)| (*kind, *n)).collect::<Vec<_>>(),
        [(WhyKind::Network, 1), (WhyKind::Auth, 1)]
    );
    assert_eq!(stats.frames_out, world.sent.len() as u64);
    assert_eq!(stats.bytes_out, world.sent.iter().map(|(_, _, text)| text.len() as u64).sum::<u64>());
    assert!(stats.frames_in >= 4 && stats.bytes_in > 100);
    assert_eq!(stats.last_round_trip, Some(0));
    assert!(stats.budget_left.is_some());
}

#[test]
fn every_form_of_the_url_works() {
    for (service, forms, socket) in [
        (
            Service::Charisma,
            ["ws://localhost:1", "http://localhost:1/", "ws://localhost:1/ws", "http://localhost:1/ws/"],
            "ws://localhost:1/ws",
        ),
        (
            Service::Saga,
            [
                "ws://localhost:1",
                "http://localhost:1/",
                "http://localhost:1/socket.io",
                "http://localhost:1/socket.io/",
            ],
            "ws://localhost:1/socket.io/?EIO=4&transport=websocket",
        ),
        (
            Service::TherapyBridge,
            [
                "ws://localhost:1",
                "http://localhost:1/",
                "ws://localhost:1/api/sessions/ws",
                "http://localhost:1/api/sessions/ws/",
            ],
            "ws://localhost:1/api/sessions/ws/s1?token=tok-0",
        ),
        (
            Service::DevContext,
            [
                "ws://localhost:1",
                "http://localhost:1/",
                "ws://localhost:1/v1/ws",
                "http://localhost:1/v1/ws/",
            ],
            "ws://localhost:1/v1/ws",
        ),
    ] {
        for form in forms {
            let mut config = dev(service);
            config.endpoint = Endpoint::Url(form.into());
            let mut world = World::new(config, HostCaps::NATIVE);
            world.subscribe("s1");
            assert_eq!(world.opened[0].2.url, socket, "{form}");
        }
    }
}

#[test]
fn a_configuration_that_cannot_work_names_its_field() {
    let bad = |change: &dyn Fn(&mut Config)| {
        let mut config = dev(Service::Charisma);
        change(&mut config);
        World::try_new(config, HostCaps::BROWSER).err().map(|error| error.field)
    };
    assert_eq!(bad(&|_| {}), None);
    assert_eq!(bad(&|c| c.endpoint = Endpoint::Url("localhost".into())), Some("endpoint"));
    assert_eq!(bad(&|c| c.endpoint = Endpoint::Url("ws://example.org".into())), Some("endpoint"));
    assert_eq!(bad(&|c| c.auth = AuthMode::Header), Some("auth"));
    assert_eq!(bad(&|c| c.auth = AuthMode::Subprotocol), Some("auth"));
    assert_eq!(bad(&|c| c.reconnect.max_attempts = Some(0)), Some("max_attempts"));
    assert_eq!(bad(&|c| c.limits.items = 0), Some("items"));
    for service in [Service::Saga, Service::DocProc] {
        let mut config = dev(service);
        config.endpoint = Endpoint::Production;
        assert_eq!(World::try_new(config, HostCaps::NATIVE).err().unwrap().field, "endpoint");
    }
}

#[test]
fn connecting_by_hand_needs_no_topic() {
    for service in SHARED {
        let mut world = World::dev(service).obedient();
        world.connect();
        assert!(world.is_ready(), "{service}");
        world.at(20_000).close(1000, "").at(21_000);
        assert!(world.is_ready(), "{service}: it is wanted, so it is kept");
    }
}

#[test]
fn a_url_may_be_as_the_services_write_it() {
    for (service, written, dialed) in [
        (
            Service::TherapyBridge,
            "wss://host/api/sessions/ws/{session_id}?token={jwt_token}",
            "wss://host/api/sessions/ws/t1",
        ),
        (
            Service::DocProc,
            "ws://localhost:3000/socket.io/?EIO=4&a=b&transport=websocket",
            "ws://localhost:3000/socket.io/?a=b&EIO=4&transport=websocket",
        ),
    ] {
        let mut config = dev(service);
        config.endpoint = Endpoint::Url(written.into());
        config.token = TokenSource::None;
        let mut world = World::new(config, HostCaps::NATIVE).obedient();
        world.subscribe("t1");
        assert_eq!(world.opened.last().map(|opened| opened.2.url.as_str()), Some(dialed));
    }
}
