//! Attempts to break the client: inputs that nobody sends on purpose, and moments that nobody plans.
#![cfg(feature = "native")]
#![expect(clippy::disallowed_methods, reason = "real sockets take real time")]

#[path = "attack/client.rs"]
mod client;
#[path = "attack/frames.rs"]
mod frames;
#[path = "attack/rig.rs"]
mod rig;

use std::time::Duration;

use steadfast::{
    Command, CommandId, Config, ConnectionState, Endpoint, Event, HostCaps, Input, Machine, Output, Service,
    Token, TokenSource, WhyKind,
};

use rig::Rig;

// --- configuration --------------------------------------------------------------------------------------------------

#[test]
fn a_url_that_no_host_can_dial_is_refused_at_the_start() {
    for url in [
        "ws://localhost:99999/ws",
        "ws://localhost:8o80/ws",
        "ws://localhost:-1/ws",
        "ws://[::1]x:80/ws",
        "ws://[::1/ws",
        "wss://mün.de/ws",
        "ws://localhost:80:80/",
        "wss://ho\\st/",
        "wss://ho\"st/",
    ] {
        let config = Config::new(Service::Charisma, Endpoint::Url(url.into()));
        let error = Machine::new(config, HostCaps::NATIVE).err();
        assert_eq!(error.map(|error| error.field), Some("endpoint"), "{url}");
    }
    for url in [
        "ws://localhost:/ws",
        "wss://h:443/a%20b?c=%C3%A9",
        "ws://[::1]:80",
        "wss://xn--mn-yka.de",
        "wss://a_b.de/~x/(y)",
        "wss://host/w\u{e9}",
        "wss://host/a<b>?c=\u{e9}",
    ] {
        let config = Config::new(Service::Charisma, Endpoint::Url(url.into()));
        assert!(Machine::new(config, HostCaps::NATIVE).is_ok(), "{url}");
    }
}

#[test]
fn the_longest_durations_are_legal_and_overflow_nothing() {
    let max = Duration::MAX;
    for service in Service::ALL {
        let mut config = Config::new(service, Endpoint::Development);
        config.token = TokenSource::Provider;
        let r = &mut config.reconnect;
        (r.base_delay, r.max_delay, r.dial_timeout, r.handshake_timeout) = (max, max, max, max);
        (r.stable_after, r.max_retry_after, r.restart_spread) = (max, max, max);
        let t = &mut config.timings;
        t.silence_limit = Some(max);
        (t.hidden_silence_limit, t.ping_interval, t.pong_timeout, t.probe_timeout) = (max, max, max, max);
        (t.browser_probe_interval, t.overdue_grace, t.clock_jump, t.background_grace) = (max, max, max, max);
        (t.confirm_timeout, t.linger, t.command_timeout, t.token_timeout) = (max, max, max, max);
        (t.refresh_margin, t.refresh_interval, t.completion_wait, t.rotate_after) = (max, max, max, max);
        (t.drain_limit, t.close_after_end, t.wake_interval) = (max, max, max);
        let mut rig = Rig::new(config);
        rig.subscribe("s1");
        let token = Token { text: "t".into(), expires_at: Some(u64::MAX) };
        rig.take(Input::Token(1, Ok(token)));
        let socket = rig.open();
        rig.take(Input::Visibility(steadfast::Visibility::Background)).pass(10_000);
        rig.take(Input::Visibility(steadfast::Visibility::Visible));
        rig.take(Input::Closed(
            socket,
            steadfast::DisconnectReason::Http { status: 503, retry_after: Some(u64::MAX) },
        ));
        rig.pass(u64::MAX / 8).pass(u64::MAX / 8);
        rig.take(Input::Command(CommandId(7), Command::Unsubscribe { topic: "s1".into() }));
        drop(rig.machine.diagnose());
    }
}

// --- secrets --------------------------------------------------------------------------------------------------------

#[test]
fn half_a_token_at_the_end_of_an_excerpt_is_blotted_out() {
    let mut rig = Rig::dev(Service::Charisma);
    rig.subscribe("s1");
    let socket = rig.open();
    for front in 200..256 {
        let text = format!("{}opaque-token-of-some-length-0123456789 is not known", "x".repeat(front));
        rig.frame(socket, &text);
    }
    for output in &rig.outputs {
        if let Output::Event(Event::ProtocolViolation(violation)) = output {
            assert!(!violation.excerpt.contains("opaque"), "{}", violation.excerpt);
        }
    }
}

// --- tokens ---------------------------------------------------------------------------------------------------------

#[test]
fn a_token_that_can_be_no_header_is_the_providers_failure() {
    for bad in ["", "abc\n", "a b", "t\u{f6}ken", "a\0"] {
        let mut config = Config::new(Service::Charisma, Endpoint::Development);
        config.token = TokenSource::Provider;
        let mut rig = Rig::new(config);
        rig.subscribe("s1").take(Input::Token(1, Ok(Token::read(bad))));
        assert!(!rig.outputs.iter().any(|output| matches!(output, Output::Open(..))), "{bad:?} was used");
        let ConnectionState::Waiting { why, .. } = rig.machine.state() else {
            panic!("{:?}", rig.machine.state())
        };
        assert_eq!(why.kind, WhyKind::TokenProvider);
    }
}

// --- Socket.IO ------------------------------------------------------------------------------------------------------

#[test]
fn a_binary_event_of_another_namespace_is_not_delivered() {
    let mut rig = Rig::dev(Service::DocProc);
    rig.subscribe("s1");
    let socket = rig.open();
    let verdict =
        rig.frame(socket, r#"451-/other,["progress",{"sessionId":"s1","b":{"_placeholder":true,"num":0}}]"#);
    assert_eq!(verdict & (steadfast::Verdict::DELIVER | steadfast::Verdict::HOLD), 0);
    let before = rig.outputs.len();
    rig.take(Input::Binary(socket, 3));
    assert_eq!(rig.outputs.len(), before, "its part belongs to it: {:?}", &rig.outputs[before..]);
}

// --- bounds ---------------------------------------------------------------------------------------------------------

#[test]
fn interviews_that_nobody_began_are_not_kept_without_bound() {
    let mut rig = Rig::dev(Service::DevContext);
    rig.subscribe("a1");
    let socket = rig.open();
    for n in 0..5_000 {
        rig.frame(socket, &format!(r#"{{"type":"interview_started","timestamp":"2026-01-01T00:00:00Z","payload":{{"sessionId":"i{n}","analysisId":"a1"}}}}"#));
    }
    assert!(rig.machine.topics().count() < 200, "{}", rig.machine.topics().count());
}

#[test]
fn stages_told_again_and_again_do_not_pile_up_requests() {
    let mut config = Config::new(Service::DevContext, Endpoint::Development);
    config.fetch_on_stage = true;
    let mut rig = Rig::new(config);
    rig.subscribe("a1");
    let socket = rig.open();
    rig.frame(socket, r#"{"type":"subscription_confirmed","timestamp":"2026-01-01T00:00:00Z","payload":{"analysisId":"a1"},"requestId":"sf-1"}"#);
    for n in 0..1_000 {
        rig.frame(socket, &format!(r#"{{"type":"stage_completed","timestamp":"2026-01-01T00:{:02}:{:02}Z","payload":{{"analysisId":"a1","stage":"repository_metrics","progress":33}}}}"#, n / 60, n % 60));
    }
    let requests = rig.outputs.iter().filter(|output| matches!(output, Output::Http(..))).count();
    assert!((1..=8).contains(&requests), "{requests}");
}
