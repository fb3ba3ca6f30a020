//! Servers that are broken or mean: what they quote, what they confuse, what they make expensive.

#![expect(clippy::disallowed_methods, reason = "what takes too long is measured")]

use std::time::{Duration, Instant};

use steadfast::{
    ConnectionState, HostCaps, Request, Secret, Service, SessionType, SubscriptionState, TokenSource,
    messages,
};

use crate::support::{Provider, Server, World, dev};

const CANARY: &str = "canary.eyJhbGciOi+/.s3cr3t";

/// The token as a server may quote it: percent-encoded so many times.
fn encoded(times: usize) -> String {
    let encode = |text: String| {
        text.bytes().fold(String::new(), |out, byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' => out + &char::from(byte).to_string(),
            _ => format!("{out}%{byte:02X}"),
        })
    };
    (0..times).fold(CANARY.to_owned(), |text, _| encode(text))
}

/// Everything that was said or could be asked.
#[track_caller]
fn silent(world: &World, secret: &str) {
    let diagnosis = world.machine.diagnose();
    for text in [&world.debug, &diagnosis.text, &diagnosis.json, &format!("{:?}", world.machine)] {
        let leak = text.lines().find(|line| line.contains(secret));
        assert_eq!(leak, None);
    }
}

#[test]
fn a_token_is_recognised_however_often_it_is_encoded() {
    for times in 0..4 {
        let quoted = encoded(times);
        let mut config = dev(Service::Charisma);
        config.token = TokenSource::Provider;
        let mut world = World::new(config, HostCaps::NATIVE).obedient().provider(Provider::Same(CANARY));
        world.subscribe("s1").advance(1_000).close(1011, &format!("who is {quoted}?"));
        silent(&world, &quoted);
        assert!(world.debug.contains("who is (token)?"));
    }
}

#[test]
fn a_code_that_quotes_the_token_is_blotted_out() {
    // Of a refused topic, of the connection, of a command.
    let mut world = World::dev(Service::Charisma).server(Server::Mute).provider(Provider::Same(CANARY));
    world.subscribe("s1");
    world.frame(&format!(
        r#"{{"type":"session_error","sessionId":"s1","status":"error","error":{{"code":"FORBIDDEN","message":"{CANARY}"}}}}"#
    ));
    assert!(matches!(world.subscription("s1"), Some(SubscriptionState::Refused { .. })));
    silent(&world, CANARY);

    let mut world = World::dev(Service::Saga).provider(Provider::Same(CANARY));
    world.connect().opened();
    world.frame(r#"0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#);
    world.frame(&format!(r#"44{{"message":"no","data":{{"code":"BAD_{CANARY}"}}}}"#));
    silent(&world, CANARY);

    let mut world = World::dev(Service::DevContext).obedient().provider(Provider::Same(CANARY));
    world.subscribe("a1").advance(15_000);
    let start =
        world.request(Request::StartInterview { analysis_id: "a1".into(), session_type: SessionType::Live });
    let request = world.last_request();
    world.frame(&format!(
        r#"{{"type":"error","payload":{{"errorCode":"BAD {CANARY}","errorMessage":"no"}},"requestId":"{request}"}}"#
    ));
    assert_eq!(world.failure(start).1, Some("BAD (token)"));
    silent(&world, CANARY);
}

#[test]
fn a_name_that_the_server_gives_the_connection_is_no_place_for_a_token() {
    let mut world = World::dev(Service::Saga).provider(Provider::Same(CANARY));
    world.connect().opened();
    world.frame(r#"0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#);
    world.frame(&format!(r#"40{{"sid":"{CANARY}"}}"#));
    assert!(matches!(world.state(), ConnectionState::Ready { .. }));
    silent(&world, CANARY);
}

#[test]
fn a_token_that_was_replaced_is_still_a_secret() {
    // It may be good for another hour, and the server has seen it.
    let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Same(CANARY));
    world.subscribe("s1").advance(15_000);
    world.set_token("another-token", None);
    world.advance(15_000).close(1011, &format!("expired: {CANARY}"));
    silent(&world, CANARY);
    assert!(world.debug.contains("expired: (token)"));
}

#[test]
fn a_password_that_the_server_quotes_is_blotted_out() {
    let mut world = World::dev(Service::TherapyBridge);
    let password = Secret::new("hunter2 is not it");
    let id = world.request(Request::Login { email: "t@x".into(), password });
    world.http(401, false, Some("no user t@x with the password hunter2 is not it"));
    let Err(error) = world.outcome(id) else { panic!("it succeeded") };
    assert_eq!(error.message, "no user t@x with the password (secret)");
    assert!(!world.debug.contains("hunter2"));
}

#[test]
fn a_text_full_of_backslashes_costs_no_more_than_another() {
    let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Same(CANARY));
    world.subscribe("s1").advance(1_000);
    let text = "\\\\".repeat(250_000);
    let begun = Instant::now();
    world.frame(&format!(
        r#"{{"type":"session_error","status":"error","error":{{"code":"X","message":"{text}"}}}}"#
    ));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_frame_nested_deeper_than_anybody_reads_costs_no_more_than_another() {
    for service in Service::ALL {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let frame = match service {
            Service::Charisma => format!(r#"{{"type":"session_status","x":{deep},"sessionId":5}}"#),
            Service::TherapyBridge => format!(r#"{{"session_id":"s","x":{deep},"status":5}}"#),
            Service::Saga => format!(r#"42["story_uploaded",{{"x":{deep},"projectId":5}}]"#),
            Service::DocProc => format!(r#"42["progress",{{"x":{deep},"sessionId":5}}]"#),
            Service::DevContext => {
                format!(r#"{{"type":"stage_completed","payload":{{"x":{deep},"analysisId":5}}}}"#)
            }
        };
        let begun = Instant::now();
        assert!(messages::read(service, &frame).is_err(), "{service}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{service}: {:?}", begun.elapsed());
    }
}

#[test]
fn ids_with_spaces_are_ids() {
    let answer = |session: &str, question: &str| Request::SubmitAnswer {
        session_id: session.into(),
        question_id: question.into(),
        answer: Secret::new("so"),
    };
    let mut world = World::dev(Service::DevContext).obedient();
    world.subscribe("a1").advance(15_000);
    let (one, two) = (world.request(answer("i", "1 2")), world.request(answer("i 1", "2")));
    assert_eq!(world.count_sent("submit_answer"), 2, "they are two questions");
    let evaluated = |session: &str, question: &str| {
        format!(
            r#"{{"type":"answer_evaluated","payload":{{"sessionId":"{session}","questionId":"{question}","nextAction":"next"}}}}"#
        )
    };
    world.frame(&evaluated("i 1", "2"));
    assert!(world.outcome(two).is_ok() && world.is_pending(one));
}

#[test]
fn an_answer_with_the_number_of_another_question_is_not_its_answer() {
    // A server whose numbers are off by one. Nothing may wait for ever.
    let mut world = World::dev(Service::DevContext).server(Server::Mute);
    world.subscribe("a1");
    let first = world.last_request();
    world.subscribe("a2");
    let confirmed = |analysis: &str, request: &str| {
        format!(
            r#"{{"type":"subscription_confirmed","payload":{{"analysisId":"{analysis}","currentStatus":"processing","completedStages":[]}},"requestId":"{request}"}}"#
        )
    };
    world.frame(&confirmed("a2", &first));
    assert!(world.is_live("a2") && !world.is_live("a1"));
    world.advance(11_000);
    assert_eq!(world.count_sent(r#""analysisId":"a1""#), 2, "the first is asked once more");

    let mut world = World::dev(Service::DevContext).obedient();
    world.subscribe("a1").advance(15_000);
    let pause = world.request(Request::PauseInterview { session_id: "i1".into() });
    let request = world.last_request();
    world.frame(&format!(r#"{{"type":"pong","payload":{{}},"requestId":"{request}"}}"#));
    assert!(world.is_pending(pause), "a pong pauses nothing");
}

#[test]
fn what_a_server_says_is_told_up_to_a_length() {
    let long = "x".repeat(300_000);
    let mut world = World::dev(Service::Charisma).server(Server::Mute);
    world.subscribe("s1");
    world.frame(&format!(
        r#"{{"type":"session_error","sessionId":"s1","status":"error","error":{{"code":"FORBIDDEN","message":"{long}"}}}}"#
    ));
    let mut saga = World::dev(Service::Saga);
    saga.connect().opened();
    saga.frame(r#"0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#);
    saga.frame(&format!(r#"44{{"message":"{long}","data":{{"code":"{long}"}}}}"#));
    let mut devcontext = World::dev(Service::DevContext).obedient();
    devcontext.subscribe("a1").advance(15_000);
    let start = devcontext
        .request(Request::StartInterview { analysis_id: "a1".into(), session_type: SessionType::Live });
    devcontext
        .frame(&format!(r#"{{"type":"error","payload":{{"errorCode":"{long}","errorMessage":"{long}"}}}}"#));
    devcontext
        .frame(&format!(r#"{{"type":"error","payload":{{"errorCode":"{long}","errorMessage":"{long}"}}}}"#));
    assert!(!devcontext.is_pending(start));
    for world in [world, saga, devcontext] {
        let longest = world.debug.lines().filter(|line| !line.starts_with("Send")).map(str::len).max();
        assert!(longest.is_some_and(|longest| (4_000..6_000).contains(&longest)), "{longest:?}");
    }
}

/// Lets a manual server finish the newest dial.
fn finish(world: &mut World) {
    world.opened();
    world.frame(r#"0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#);
    world.frame(r#"40{"sid":"c1"}"#);
}

#[test]
fn the_newest_of_several_tokens_set_in_haste_is_the_one_in_use() {
    // While another is on its way to the server, in a new connection or in the first.
    let mut world = World::dev(Service::Saga).obedient();
    world.subscribe("p1").advance(15_000);
    world.server = Server::Manual;
    world.set_token("second", None).set_token("third", None).set_token("fourth", None);
    assert_eq!(world.count_sent("second"), 0);
    finish(&mut world);
    assert_eq!(world.count_sent(r#"{"token":"second"}"#), 1);
    assert_eq!(world.dials().len(), 2, "the topics are still on their way to the second connection");
    world.frame(r#"42["joined_project",{"projectId":"p1"}]"#);
    finish(&mut world);
    assert_eq!(world.count_sent(r#"{"token":"fourth"}"#), 1, "{}", world.transcript());
    assert_eq!(world.dials().len(), 3);

    // Back to the one that the connection has: there is nothing to replace.
    let mut world = World::dev(Service::Saga).obedient();
    world.subscribe("p1").advance(15_000);
    world.server = Server::Manual;
    let used = world.socket();
    world.set_token("second", None);
    assert_eq!(world.sockets().len(), 2);
    world.set_token("tok-0", None);
    assert_eq!(world.sockets(), [used]);
    assert!(world.advance(5_000).is_live("p1"));

    let mut world = World::dev(Service::Charisma);
    world.subscribe("s1").set_token("second", None).opened();
    assert_eq!(world.count_sent(r#"{"token":"second"}"#), 1, "{}", world.transcript());
}

#[test]
fn tokens_set_by_the_thousand_are_no_flood() {
    for service in [Service::Charisma, Service::DevContext] {
        let mut world = World::dev(service).obedient();
        world.subscribe("s1").advance(15_000);
        world.server = Server::Manual;
        let before = world.sent.len();
        for n in 0..1_000 {
            world.set_token(&format!("token-{n}"), None);
        }
        assert!(world.sent.len() - before <= 20, "{service}: {}", world.sent.len() - before);
        world.server = Server::Obedient;
        if service == Service::Charisma {
            world.frame(r#"{"type":"authenticated"}"#);
        }
        world.advance(5_000);
        assert!(world.sent.last().is_some_and(|(.., text)| text.contains("token-999")), "{service}");
        assert!(world.sent.len() - before <= 100, "{service}: {}", world.sent.len() - before);
        assert!(world.is_ready());
    }
}

#[test]
fn a_token_that_is_part_of_every_word_makes_no_holes_in_them() {
    let mut world = World::dev(Service::Charisma).obedient().provider(Provider::Same("t"));
    world.subscribe("s1").advance(1_000).close(1011, "out of order");
    let diagnosis = world.machine.diagnose();
    assert!(diagnosis.text.contains("endpoint: ws://localhost"), "{}", diagnosis.text);
    assert!(serde_json::from_str::<serde_json::Value>(&diagnosis.json).is_ok(), "{}", diagnosis.json);
}

#[test]
fn an_interval_of_nothing_is_refused_by_its_name() {
    type Set = fn(&mut steadfast::Timings);
    let cases: [(&str, Set); 4] = [
        ("browser_probe_interval", |t| t.browser_probe_interval = Duration::ZERO),
        ("refresh_interval", |t| t.refresh_interval = Duration::ZERO),
        ("clock_jump", |t| t.clock_jump = Duration::from_micros(999)),
        ("ping_interval", |t| t.ping_interval = Duration::ZERO),
    ];
    for (field, set) in cases {
        let mut config = dev(Service::Charisma);
        set(&mut config.timings);
        let error = World::try_new(config, HostCaps::BROWSER).err();
        assert_eq!(error.map(|error| error.field), Some(field));
    }
}

#[test]
fn a_refusal_without_a_reason_is_a_refusal() {
    for (refusal, said) in [("44", "no reason given"), (r#"44"go away""#, "go away")] {
        let mut world = World::dev(Service::Saga);
        world.connect().opened();
        world.frame(r#"0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#);
        world.frame(refusal);
        let ConnectionState::Failed { why } = world.state() else { panic!("{:?}", world.state()) };
        assert_eq!(why.kind, steadfast::WhyKind::Auth);
        assert!(why.text.contains(said), "{}", why.text);
    }
}

#[test]
fn a_binary_event_without_parts_is_an_event() {
    let mut world = World::dev(Service::Saga).obedient();
    world.subscribe("p1").advance(1_000);
    world.frame(r#"450-["story_processing",{"projectId":"p1","storyId":"s"}]"#);
    assert_eq!(world.phase("p1"), steadfast::Phase::Processing);
    assert!(world.delivered.last().is_some_and(|(text, _)| text.starts_with("450-")));
}

#[test]
fn a_server_that_accepts_before_it_was_asked_has_not_accepted() {
    let mut world = World::dev(Service::Saga);
    world.connect().opened();
    world.frame(r#"40{"sid":"c1"}"#);
    assert_eq!(world.state(), &ConnectionState::Authenticating);
    world.frame(r#"0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#);
    assert_eq!(world.count_sent(r#"40{"token":"#), 1);
    world.frame(r#"40{"sid":"c1"}"#);
    assert!(world.is_ready());
}
