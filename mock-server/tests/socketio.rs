//! Engine.IO and the packets of Socket.IO on the wire, seen by plain clients [rules §10].

mod common;
mod sio;

use std::time::Duration;

use common::{Client, End, get, post, soon, start};
use serde_json::{Value, json};
use sio::{Poller, Sio, address, exchange};
use steadfast_mock_server::{Happening, Options, Service};

const S: Service = Service::Saga;
const D: Service = Service::DocProc;

fn closed(code: u16, reason: &str) -> End {
    End::Closed(code, reason.to_owned())
}

#[tokio::test]
async fn the_open_packet_has_the_numbers_of_the_switches() {
    let options = Options {
        ping_interval: Some(Duration::from_millis(300)),
        ping_timeout: Some(Duration::from_millis(200)),
        ..Options::for_tests()
    };
    let server = start(options.with("saga.max_payload=5000").with("saga.ping_timeout=250ms")).await;
    let (_sio, open) = Sio::open(&server, S).await;
    assert_eq!(open["sid"].as_str().unwrap().len(), 20);
    let numbers = json!([open["upgrades"], open["pingInterval"], open["pingTimeout"], open["maxPayload"]]);
    assert_eq!(numbers, json!([[], 300, 250, 5000]));
    let server = start(Options::for_tests()).await;
    let (_sio, open) = Sio::open(&server, D).await;
    assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&json!(25000), &json!(60000)));
}

#[tokio::test]
async fn requests_that_are_no_handshake_get_their_numeric_codes() {
    let server = start(Options::for_tests()).await;
    let path = "/saga/socket.io/";
    for (method, query, code, message) in [
        ("GET", "EIO=4&transport=pigeon", 0, "Transport unknown"),
        ("GET", "EIO=4", 0, "Transport unknown"),
        ("GET", "EIO=4&transport=polling&sid=nobody", 1, "Session ID unknown"),
        ("POST", "EIO=4&transport=polling&sid=nobody", 1, "Session ID unknown"),
        ("POST", "EIO=4&transport=polling", 2, "Bad handshake method"),
        ("GET", "EIO=4&transport=websocket", 3, "Bad request"),
        ("GET", "EIO=3&transport=polling", 5, "Unsupported protocol version"),
        ("GET", "transport=polling", 5, "Unsupported protocol version"),
    ] {
        let (status, body) = exchange(&server, method, &format!("{path}?{query}"), "").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body), (400, json!({"code": code, "message": message})), "{query}");
    }
    let refusal =
        Client::try_open(&address(&server, S, "EIO=3&transport=websocket"), &[]).await.err().unwrap();
    assert_eq!(refusal, (400, json!({"code": 5, "message": "Unsupported protocol version"})));
    let unknown = address(&server, S, "EIO=4&transport=websocket&sid=nobody");
    assert_eq!(Client::try_open(&unknown, &[]).await.err().unwrap().1["code"], 1);
    assert_eq!(exchange(&server, "GET", "/saga/socket.io?EIO=4&transport=polling", "").await.0, 404);
    let end = server.journal().after(0, |e| e.what == Happening::Refused);
    assert!(end.iter().any(|e| e.detail == "400 Unsupported protocol version"), "{end:?}");
    assert_eq!(server.connections().len(), 0);
}

#[tokio::test]
async fn a_session_of_one_service_is_unknown_to_the_other() {
    let server = start(Options::for_tests()).await;
    let poller = Poller::open(&server, S).await;
    let path = format!("/docproc/socket.io/?EIO=4&transport=polling&sid={}", poller.sid);
    assert_eq!(exchange(&server, "GET", &path, "").await.0, 400);
}

#[tokio::test]
async fn who_breaks_the_protocol_loses_the_connection() {
    let server = start(Options::for_tests()).await;
    for text in [
        "",
        "x",
        "2",
        "5",
        "0{}",
        "42",
        "42{}",
        "42[1]",
        "42[\"a\"",
        "47",
        "40[]",
        "42[\"disconnect\"]",
        "40{}",
        "45-[\"a\"]",
        "43[]",
        "44{}",
        "42/admin,[\"a\"]",
    ] {
        let mut sio = Sio::of(&server, S, "u1").await;
        sio.0.text(text).await;
        assert!(matches!(sio.end().await, End::Closed(1002, _)), "{text}");
    }
    let (mut sio, _) = Sio::open(&server, S).await;
    sio.emit(json!(["ping"])).await;
    assert_eq!(sio.end().await, closed(1002, "CONNECT comes first"));
}

#[tokio::test]
async fn other_namespaces_are_refused_and_acknowledgements_are_empty() {
    let server = start(Options::for_tests()).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    sio.0.text("40/admin,{}").await;
    assert_eq!(sio.packet().await.unwrap(), r#"44/admin,{"message":"Invalid namespace"}"#);
    sio.0.text(r#"4217["ping"]"#).await;
    assert_eq!(sio.packet().await.unwrap(), r#"42["pong"]"#);
    assert_eq!(sio.packet().await.unwrap(), "4317[]");
    sio.0.text("439[1]").await; // answers to nothing are tolerated
    sio.0.text(r#"42["ping"]"#).await;
    assert_eq!(sio.packet().await.unwrap(), r#"42["pong"]"#);
}

#[tokio::test]
async fn binary_events_are_put_together_and_stray_bytes_are_not_tolerated() {
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::Message;
    let server = start(Options::for_tests()).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    sio.0.text(r#"452-["join_project",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#).await;
    sio.0.0.send(Message::binary(vec![1])).await.unwrap();
    sio.0.0.send(Message::binary(vec![2])).await.unwrap();
    assert_eq!(sio.event().await.1["code"], "INVALID_MESSAGE");
    sio.0.0.send(Message::binary(vec![3])).await.unwrap();
    assert_eq!(sio.end().await, closed(1002, "no binary message was announced"));

    let mut sio = Sio::of(&server, S, "u1").await;
    sio.0.text(r#"451-["x",{"_placeholder":true,"num":0}]"#).await;
    sio.emit(json!(["ping"])).await;
    assert_eq!(sio.end().await, closed(1002, "a binary message was announced"));

    let poller = Poller::open(&server, D).await;
    poller.say("40").await;
    poller.say("451-[\"x\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID").await;
    assert!(poller.until("42[\"error\"").await.contains("there is no event x"));
}

#[tokio::test]
async fn pings_must_be_answered_and_connect_must_come_in_time() {
    let options = Options::for_tests().with("saga.ping_interval=40ms").with("saga.ping_timeout=60ms");
    let server = start(options.with("saga.connect_timeout=500ms")).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    for _ in 0..4 {
        assert_eq!(sio.0.next().await.unwrap(), "2");
        sio.0.text("3").await;
    }
    assert_eq!(sio.0.next().await.unwrap(), "2");
    assert_eq!(sio.end().await, closed(1005, ""));
    let end = soon(server.journal().wait_for(|e| e.what == Happening::Close)).await;
    assert!(end.detail.starts_with("ping timeout"), "{}", end.detail);

    let poller = Poller::open(&server, S).await;
    assert_eq!(poller.packets().await, ["2"]);
    assert_eq!(poller.packets().await, ["1"]);
    assert!(poller.get().await.1.contains("Session ID unknown"));

    let (mut sio, _) = Sio::open(&server, S).await;
    assert!(matches!(sio.packet().await, Err(End::Closed(1002, reason)) if reason == "no CONNECT in time"));
}

#[tokio::test]
async fn a_lost_ping_is_only_noticed_by_the_client() {
    let options = Options::for_tests().with("saga.ping_interval=30ms").with("saga.ping_timeout=30ms");
    let server = start(options).await;
    let rule = json!({"match": {"type": "(ping)"}, "action": {"do": "swallow"}});
    post(&server, "/_mock/faults", rule).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    assert!(sio.0.silent_for(Duration::from_millis(200)).await);
}

#[tokio::test]
async fn long_polling_carries_a_session_with_several_packets_in_one_payload() {
    let server = start(Options::for_tests()).await;
    let poller = Poller::open(&server, S).await;
    poller.say(&format!("40{}", json!({"token": server.token("u1")}))).await;
    assert!(poller.packets().await[0].starts_with("40{\"sid\""));
    poller.say("42[\"join_project\",\"quiet-1\"]\u{1e}42[\"ping\"]\u{1e}421[\"ping\"]").await;
    let expected =
        [r#"42["joined_project",{"projectId":"quiet-1"}]"#, r#"42["pong"]"#, r#"42["pong"]"#, "431[]"];
    assert_eq!(poller.packets().await, expected);
    let (waiting, sent) = tokio::join!(poller.packets(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.emit(S, "quiet-1", Some("story_processed"), json!({"storyId": "s"})).unwrap()
    });
    assert_eq!(sent, 1);
    assert_eq!(waiting, [r#"42["story_processed",{"projectId":"quiet-1","storyId":"s"}]"#]);
    assert_eq!(server.connections()[0].topics, ["quiet-1"]);

    poller.say("41\u{1e}1").await;
    assert_eq!(poller.get().await.0, 400);
    soon(server.journal().wait_for(|e| e.what == Happening::Close)).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!((server.connections().len(), server.topics()[0].subscribers), (0, 0));
}

#[tokio::test]
async fn who_breaks_the_rules_of_polling_is_refused() {
    let server = start(Options::for_tests().with("saga.max_payload=100")).await;
    let poller = Poller::open(&server, S).await;
    assert_eq!(poller.post(&"x".repeat(101)).await.0, 413);
    poller.say("3").await; // it goes on
    assert_eq!(exchange(&server, "PUT", &poller.path, "").await.0, 400);
    let (status, body) = poller.post("9").await;
    assert_eq!((status, body.contains("Bad request")), (400, true));
    assert_eq!(poller.get().await.0, 400);

    let poller = Poller::open(&server, S).await;
    let (one, two) = tokio::join!(poller.get(), poller.get());
    let mut got = [one, two].map(|(status, body)| (status, body.len() > 1));
    got.sort_unstable();
    assert_eq!(got, [(200, false), (400, true)]); // one is closed by `1`, the other refused
    assert_eq!(poller.get().await.0, 400);

    let poller = Poller::open(&server, S).await;
    assert_eq!(poller.post("b!").await.0, 400);
}

#[tokio::test]
async fn an_upgrade_takes_over_and_loses_nothing() {
    let server = start(Options::for_tests()).await;
    let poller = Poller::open(&server, S).await;
    poller.say(&format!("40{}", json!({"token": server.token("u1")}))).await;
    poller.packets().await;
    poller.say(r#"42["join_project","quiet-1"]"#).await;
    poller.packets().await;

    let url = address(&server, S, &format!("EIO=4&transport=websocket&sid={}", poller.sid));
    let (waiting, mut socket) = tokio::join!(poller.packets(), async {
        let mut socket = Client::open(&url).await;
        socket.text("2probe").await;
        assert_eq!(socket.next().await.unwrap(), "3probe");
        socket
    });
    assert_eq!(waiting, ["6"]);
    server.emit(S, "quiet-1", Some("story_processed"), json!({"storyId": "between"})).unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    socket.text("5").await;
    assert!(socket.next().await.unwrap().contains("between"));
    socket.text(r#"42["ping"]"#).await;
    assert_eq!(socket.next().await.unwrap(), r#"42["pong"]"#);
    assert_eq!(poller.get().await, (400, json!({"code": 3, "message": "Bad request"}).to_string()));
    assert_eq!(server.connections().len(), 1, "it is the same connection");

    // A second WebSocket for the same session is turned away.
    let mut second = Client::open(&url).await;
    assert_eq!(second.end().await, closed(1005, ""));
    socket.text("1").await;
    assert_eq!(socket.end().await, closed(1005, ""));
}

#[tokio::test]
async fn a_probe_that_says_the_wrong_thing_leaves_polling_alone() {
    let server = start(Options::for_tests()).await;
    let poller = Poller::open(&server, D).await;
    poller.say("40").await;
    poller.packets().await;
    let url = address(&server, D, &format!("EIO=4&transport=websocket&sid={}", poller.sid));
    for text in ["5", "2", "40", "3probe"] {
        let mut socket = Client::open(&url).await;
        socket.text(text).await;
        assert_eq!(socket.end().await, closed(1005, ""), "{text}");
    }
    poller.say(r#"42["subscribe","quiet-1"]"#).await;
    assert!(poller.packets().await.iter().any(|p| p.starts_with("42[\"subscribed\"")));
}

#[tokio::test]
async fn close_codes_reach_the_socket_and_polling_gets_its_own_goodbye() {
    let server = start(Options::for_tests()).await;
    for code in [1008, 1011, 4409] {
        let mut sio = Sio::of(&server, S, "u1").await;
        let rule = json!({"match": {"when": "now", "service": "saga"},
            "action": {"do": "drop", "code": code, "reason": "because"}});
        assert_eq!(post(&server, "/_mock/faults", rule).await.1["applied"], 1);
        assert_eq!(sio.end().await, closed(code, "because"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let poller = Poller::open(&server, S).await;
    let drop = json!({"match": {"when": "now", "service": "saga"}, "action": {"do": "drop"}});
    let (last, _) = tokio::join!(poller.packets(), post(&server, "/_mock/faults", drop.clone()));
    assert_eq!(last, ["1"]);
    let cut = json!({"match": {"when": "now", "service": "saga"}, "action": {"do": "drop", "how": "rst"}});
    let poller = Poller::open(&server, S).await;
    let (cut_off, _) = tokio::join!(poller.get(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        post(&server, "/_mock/faults", cut).await
    });
    assert_eq!(cut_off.0, 0, "{cut_off:?}");
    assert_eq!(poller.get().await.0, 400);
}

#[tokio::test]
async fn a_replaced_connection_and_a_refusal_that_may_be_retried() {
    let server = start(Options::for_tests()).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    let rule = json!({"match": {"when": "now", "user": "u1"}, "action": {"do": "replace"}});
    assert_eq!(post(&server, "/_mock/faults", rule).await.1["applied"], 1);
    assert_eq!(sio.end().await, closed(4409, "Replaced by a newer connection"));

    let text = r#"44{"message":"Busy","data":{"retryable":true}}"#;
    let rule =
        json!({"match": {"type": "(connect)"}, "action": {"do": "malformed", "text": text}, "times": 1});
    post(&server, "/_mock/faults", rule).await;
    assert_eq!(Sio::knock(&server, S, json!({"token": server.token("u1")})).await.1, text);
    Sio::of(&server, S, "u1").await;
}

#[tokio::test]
async fn faults_meet_events_packets_and_both_transports() {
    let server = start(Options::for_tests()).await;
    let fault = |rule: Value| post(&server, "/_mock/faults", rule);
    fault(json!({"match": {"type": "pong", "nth": 2}, "action": {"do": "duplicate"}, "times": 1})).await;
    fault(json!({"match": {"type": "left_project"}, "action": {"do": "malformed", "text": "42[\"x"}})).await;
    fault(json!({"match": {"type": "join_project", "when": "in"}, "action": {"do": "swallow"}})).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    for _ in 0..3 {
        sio.emit(json!(["ping"])).await;
    }
    sio.emit(json!(["join_project", "p"])).await;
    sio.emit(json!(["leave_project", "p"])).await;
    for _ in 0..4 {
        assert_eq!(sio.packet().await.unwrap(), r#"42["pong"]"#);
    }
    assert_eq!(sio.packet().await.unwrap(), "42[\"x");
    let poller = Poller::open(&server, S).await;
    poller.say(&format!("40{}", json!({"token": server.token("u1")}))).await;
    poller.packets().await;
    poller.say(r#"42["leave_project","p"]"#).await;
    assert_eq!(poller.packets().await, ["42[\"x"]);

    fault(json!({"match": {"type": "(connect)"}, "action": {"do": "drop", "code": 1013}})).await;
    let (mut sio, _) = Sio::open(&server, S).await;
    sio.0.text(&format!("40{}", json!({"token": server.token("u1")}))).await;
    assert_eq!(sio.end().await, closed(1013, ""));
}

#[tokio::test]
async fn one_transport_alone_can_be_refused() {
    let server = start(Options::for_tests()).await;
    let rule =
        json!({"match": {"when": "upgrade", "type": "websocket"}, "action": {"do": "refuse", "status": 403}});
    post(&server, "/_mock/faults", rule).await;
    let url = address(&server, D, "EIO=4&transport=websocket");
    assert_eq!(Client::try_open(&url, &[]).await.err().unwrap().0, 403);
    let poller = Poller::open(&server, D).await;
    assert_eq!(Client::try_open(&format!("{url}&sid={}", poller.sid), &[]).await.err().unwrap().0, 403);
    poller.say("40").await;
    poller.until("42[\"connected\"").await;
}

#[tokio::test]
async fn a_stall_is_silent_and_goes_on_on_both_transports() {
    let server = start(Options::for_tests()).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    let stall = json!({"match": {"when": "now", "service": "saga"},
        "action": {"do": "stall", "resume_after": "150ms"}});
    post(&server, "/_mock/faults", stall.clone()).await;
    sio.emit(json!(["ping"])).await;
    assert!(sio.0.silent_for(Duration::from_millis(60)).await);
    assert_eq!(sio.packet().await.unwrap(), r#"42["pong"]"#);

    let poller = Poller::open(&server, S).await;
    poller.say(&format!("40{}", json!({"token": server.token("u1")}))).await;
    poller.packets().await;
    post(&server, "/_mock/faults", stall).await;
    let begun = std::time::Instant::now();
    poller.say(r#"42["ping"]"#).await; // its answer is held, too
    assert!(begun.elapsed() > Duration::from_millis(80));
    assert_eq!(poller.packets().await, [r#"42["pong"]"#]);
}

#[tokio::test]
async fn oversize_messages_close_with_1009_and_a_client_that_vanishes_is_forgotten() {
    let server = start(Options::for_tests().with("docproc.max_payload=100")).await;
    let mut sio = Sio::with(&server, D, Value::Null).await;
    sio.0.text(&"4".repeat(101)).await;
    assert_eq!(sio.end().await, closed(1009, "Message too big"));

    let sio = Sio::with(&server, D, Value::Null).await;
    drop(sio);
    let poller = Poller::open(&server, D).await;
    // A GET that is given up ends the session, as with the official server.
    assert!(tokio::time::timeout(Duration::from_millis(50), poller.get()).await.is_err());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(get(&server, "/_mock/connections").await.1, json!([]));
    assert_eq!(poller.get().await.0, 400);
}

#[tokio::test]
async fn polling_answers_browsers_of_other_origins() {
    let server = start(Options::for_tests()).await;
    let headers = "origin: http://app.example\r\n";
    let (status, head, _) =
        common::http(&server, "GET /saga/socket.io/?EIO=4&transport=polling", headers, "").await;
    assert_eq!(status, 200);
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    let (status, head, _) = common::http(
        &server,
        "OPTIONS /saga/socket.io/?EIO=4&transport=polling",
        "origin: http://app.example\r\naccess-control-request-method: POST\r\n",
        "",
    )
    .await;
    assert_eq!(status, 200);
    assert!(head.contains("access-control-allow-methods"), "{head}");
}
