//! Every fault, seen on the wire by a plain client.

mod common;

use std::time::{Duration, Instant};

use common::{Client, End, get, http, post, soon, start, subscribe};
use serde_json::{Value, json};
use steadfast_mock_server::{Happening, How, Match, MockServer, Options, Rule, Service, TcpFault, When};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const C: Service = Service::Charisma;

async fn fault(server: &MockServer, rule: Value) -> u64 {
    let (status, body) = post(server, "/_mock/faults", rule).await;
    assert_eq!(status, 200, "{body}");
    body["id"].as_u64().unwrap()
}

async fn subscribed(server: &MockServer, user: &str, topic: &str) -> Client {
    let mut client = Client::of(server, C, user).await;
    client.say(subscribe(topic)).await;
    client.until("/type", "subscribed").await;
    client
}

fn emit(server: &MockServer, topic: &str, n: u64) {
    server.emit(C, topic, None, json!({"status": "uploading", "n": n})).unwrap();
}

#[tokio::test]
async fn every_close_code_can_be_sent_also_impossible_ones() {
    let server = start(Options::for_tests()).await;
    for code in [1000, 1001, 1008, 1011, 1012, 1013, 3000, 4403, 4409, 4999] {
        let mut client = subscribed(&server, "u1", "quiet-1").await;
        let rule = json!({"match": {"type": "session_status"}, "times": 1,
            "action": {"do": "drop", "code": code, "reason": "because"}});
        fault(&server, rule).await;
        emit(&server, "quiet-1", 1);
        assert_eq!(client.end().await, End::Closed(code, "because".to_owned()));
        server.clear_faults(None);
    }
    // Codes that must never be on the wire are read from the raw bytes.
    for code in [1005_u16, 1006, 1015, 0, 999, 5000, 65535] {
        let mut raw = raw_upgrade(&server).await;
        let rule = Rule {
            matching: Match { when: Some(When::Now), ..Match::default() },
            ..Rule::new(TcpFault::Drop { how: How::Close, code: Some(code), reason: None, after: None })
        };
        assert_eq!(server.fault(rule).unwrap().applied, 1);
        let mut frame = [0; 4];
        soon(raw.read_exact(&mut frame)).await.unwrap();
        let [high, low] = code.to_be_bytes();
        assert_eq!(frame, [0x88, 2, high, low]);
        drop(raw);
        soon(async {
            while !server.connections().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// A WebSocket by hand, opened and read up to the end of the response's head.
async fn raw_upgrade(server: &MockServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "GET /charisma/ws?token={} HTTP/1.1\r\nhost: mock\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.token("raw")
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    stream
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_its_code() {
    let server = start(Options::for_tests()).await;
    for (frame, code) in [
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff][..], 1007_u16), // invalid UTF-8
        (&[0x81, 0x01, b'x'], 1002),                     // not masked
        (&[0xf1, 0x80, 0, 0, 0, 0], 1002),               // reserved bits
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),               // an opcode that does not exist
    ] {
        let mut raw = raw_upgrade(&server).await;
        raw.write_all(frame).await.unwrap();
        let mut answer = [0; 4];
        soon(raw.read_exact(&mut answer)).await.unwrap();
        assert_eq!((answer[0], u16::from_be_bytes([answer[2], answer[3]])), (0x88, code), "{frame:x?}");
    }
}

#[tokio::test]
async fn fin_and_rst_are_what_they_say() {
    let server = start(Options::for_tests()).await;
    for (how, reset) in [("fin", false), ("rst", true)] {
        let mut raw = raw_upgrade(&server).await;
        fault(&server, json!({"match": {"when": "now"}, "action": {"do": "drop", "how": how}})).await;
        let end = soon(raw.read(&mut [0; 64])).await;
        assert_eq!(end.is_err(), reset, "{how}: {end:?}");
    }
    // At the upgrade too.
    fault(&server, json!({"match": {"when": "upgrade"}, "times": 1, "action": {"do": "drop", "how": "rst"}}))
        .await;
    assert_eq!(Client::try_open(&server.socket_url(C, ""), &[]).await.err().unwrap().0, 0);
}

#[tokio::test]
async fn a_stalled_connection_is_half_open_and_may_resume() {
    let server = start(Options::for_tests()).await;
    let mut client = subscribed(&server, "u1", "quiet-1").await;
    fault(&server, json!({"match": {"user": "u1"}, "times": 1, "action": {"do": "stall"}})).await;
    emit(&server, "quiet-1", 1);
    client.say(subscribe("quiet-2")).await; // the peer's TCP takes it
    assert!(client.silent_for(Duration::from_millis(60)).await);
    fault(&server, json!({"match": {"when": "now"}, "action": {"do": "resume"}})).await;
    assert_eq!(client.json().await["n"], 1);
    assert_eq!(client.json().await["sessionId"], "quiet-2");

    let rule = json!({"times": 1, "action": {"do": "stall", "resume_after": "40ms"}});
    fault(&server, rule).await;
    let begun = Instant::now();
    emit(&server, "quiet-1", 2);
    assert_eq!(client.json().await["n"], 2);
    assert!(begun.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn a_stalled_connection_that_the_server_gives_up_stays_half_open() {
    let server =
        start(Options::for_tests().with("charisma.ping_interval=20ms").with("charisma.ping_timeout=60ms"))
            .await;
    let mut client = subscribed(&server, "u1", "quiet-1").await;
    fault(&server, json!({"match": {"when": "now"}, "action": {"do": "stall"}})).await;
    soon(server.journal().wait_for(|e| e.what == Happening::Close)).await;
    while !server.connections().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(
        client.silent_for(Duration::from_millis(60)).await
            || client.silent_for(Duration::from_millis(60)).await
    );
}

#[tokio::test]
async fn upgrades_are_refused_with_any_status_and_retry_after() {
    let server = start(Options::for_tests()).await;
    let url = server.socket_url(C, "");
    for status in [302, 401, 403, 404, 429, 500, 502, 503] {
        fault(
            &server,
            json!({"match": {"service": "charisma"}, "times": 1,
            "action": {"do": "refuse", "status": status, "retry_after": 7}}),
        )
        .await;
        let upgrade = "upgrade: websocket\r\nconnection: upgrade\r\n";
        let (got, head, body) = http(&server, "GET /charisma/ws", upgrade, "").await;
        assert_eq!(got, status);
        assert!(head.contains("retry-after: 7") && body["error"].is_string(), "{head}");
    }
    let other = server.socket_url(Service::DevContext, "");
    fault(
        &server,
        json!({"match": {"service": "charisma"}, "times": 2, "action": {"do": "refuse", "status": 503}}),
    )
    .await;
    Client::open(&other).await;
    for _ in 0..2 {
        assert_eq!(Client::try_open(&url, &[]).await.err().unwrap().0, 503);
    }
    Client::open(&url).await;
    assert_eq!(server.faults().last().unwrap().applied, 2);
}

#[tokio::test]
async fn one_session_of_several_can_be_refused_where_the_address_names_it() {
    let server = start(Options::for_tests()).await;
    fault(&server, json!({"match": {"topic": "quiet-2"}, "action": {"do": "refuse", "status": 503}})).await;
    let url = |session: &str| {
        format!("{}?token={}", server.socket_url(Service::TherapyBridge, session), server.token("u1"))
    };
    Client::open(&url("quiet-1")).await;
    assert_eq!(Client::try_open(&url("quiet-2"), &[]).await.err().unwrap().0, 503);
}

#[tokio::test]
async fn frames_are_spoilt_doubled_lost_and_delayed() {
    let server = start(Options::for_tests()).await;
    let mut client = subscribed(&server, "u1", "quiet-1").await;
    let matching = json!({"topic": "quiet-1", "type": "session_status"});
    let once = async |action: Value| {
        server.clear_faults(None);
        fault(&server, json!({"match": matching, "times": 1, "action": action})).await;
    };
    once(json!({"do": "malformed"})).await;
    emit(&server, "quiet-1", 1);
    assert!(serde_json::from_str::<Value>(&client.next().await.unwrap()).is_err());
    once(json!({"do": "malformed", "text": ""})).await;
    emit(&server, "quiet-1", 2);
    assert_eq!(client.next().await.unwrap(), "");
    once(json!({"do": "duplicate", "copies": 3})).await;
    emit(&server, "quiet-1", 3);
    for _ in 0..3 {
        assert_eq!(client.json().await["n"], 3);
    }
    once(json!({"do": "swallow"})).await;
    emit(&server, "quiet-1", 4);
    emit(&server, "quiet-1", 5);
    assert_eq!(client.json().await["n"], 5);
    once(json!({"do": "delay", "by": "40ms"})).await;
    let begun = Instant::now();
    emit(&server, "quiet-1", 6);
    assert_eq!(client.json().await["n"], 6);
    assert!(begun.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn bytes_lag_trickle_and_appear_from_nowhere() {
    let server = start(Options::for_tests()).await;
    let mut client = subscribed(&server, "u1", "quiet-1").await;
    let now = json!({"when": "now"});
    fault(&server, json!({"match": now, "action": {"do": "lag", "by": "30ms"}})).await;
    fault(&server, json!({"match": now, "action": {"do": "trickle", "bytes": 9, "pause": 1}})).await;
    let begun = Instant::now();
    emit(&server, "quiet-1", 1);
    assert_eq!(client.json().await["n"], 1);
    assert!(begun.elapsed() >= Duration::from_millis(35));
    fault(&server, json!({"match": now, "action": {"do": "inject", "hex": "81026869"}})).await; // text "hi"
    assert_eq!(client.next().await.unwrap(), "hi");
    fault(&server, json!({"match": now, "action": {"do": "inject", "hex": "ff00"}})).await; // reserved bits
    assert_eq!(client.end().await, End::Lost);
}

#[tokio::test]
async fn messages_from_the_client_are_matched_where_they_come_in() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, C, "u1").await;
    let lost = json!({"match": {"when": "in", "type": "subscribe"}, "times": 1, "action": {"do": "swallow"}});
    fault(&server, lost).await;
    client.say(subscribe("quiet-1")).await;
    client.say(subscribe("quiet-2")).await;
    assert_eq!(client.json().await["sessionId"], "quiet-2");
    fault(
        &server,
        json!({"match": {"when": "in", "topic": "quiet-3"}, "times": 1, "action": {"do": "duplicate"}}),
    )
    .await;
    client.say(subscribe("quiet-3")).await;
    for _ in 0..2 {
        assert_eq!(client.json().await["sessionId"], "quiet-3");
    }
}

#[tokio::test]
async fn rules_match_by_user_connection_and_count() {
    let server = start(Options::for_tests()).await;
    let mut one = subscribed(&server, "u1", "quiet-1").await;
    let mut two = subscribed(&server, "u2", "quiet-1").await;
    let number = |user: &str| {
        server.connections().into_iter().find(|c| c.user.as_deref() == Some(user)).unwrap().connection
    };
    let id =
        fault(&server, json!({"match": {"user": "u1", "nth": 2}, "times": 1, "action": {"do": "swallow"}}))
            .await;
    fault(&server, json!({"match": {"connection": number("u2")}, "times": 1, "action": {"do": "swallow"}}))
        .await;
    (1..=3).for_each(|n| emit(&server, "quiet-1", n));
    assert_eq!((one.json().await["n"].clone(), one.json().await["n"].clone()), (json!(1), json!(3)));
    assert_eq!((two.json().await["n"].clone(), two.json().await["n"].clone()), (json!(2), json!(3)));
    let rule = server.faults().into_iter().find(|rule| rule.id == id).unwrap();
    assert_eq!((rule.matched, rule.applied), (3, 1));
    assert_eq!(http(&server, &format!("DELETE /_mock/faults/{id}"), "", "").await.0, 200);
    assert_eq!(http(&server, &format!("DELETE /_mock/faults/{id}"), "", "").await.0, 404);
}

#[tokio::test]
async fn connections_are_matched_by_their_number_on_the_service_before_they_are_there() {
    let server = start(Options::for_tests()).await;
    let _elsewhere = Client::of(&server, Service::DevContext, "u1").await;
    let matching = json!({"service": "charisma", "number": 2});
    fault(&server, json!({"match": matching, "action": {"do": "refuse", "status": 503}})).await;
    let url = |user: &str| format!("{}?token={}", server.socket_url(C, ""), server.token(user));
    let _first = Client::open(&url("u1")).await;
    assert_eq!(Client::try_open(&url("u2"), &[]).await.err().unwrap().0, 503);
    let _third = Client::open(&url("u3")).await;
    let numbers: Vec<_> =
        server.connections().into_iter().filter(|c| c.service == C).map(|c| c.number).collect();
    assert_eq!(numbers, [1, 3]);
}

#[tokio::test]
async fn connections_are_troubled_as_soon_as_they_are_accepted() {
    let server = start(Options::for_tests()).await;
    let accepted = json!({"when": "accept"});
    let rules = [json!({"do": "drop", "how": "rst"}), json!({"do": "stall", "resume_after": "40ms"})];
    for action in rules {
        server
            .fault(serde_json::from_value(json!({"match": accepted, "action": action, "times": 1})).unwrap())
            .unwrap();
        let begun = Instant::now();
        let mut raw = TcpStream::connect(server.address()).await.unwrap();
        let asked = raw.write_all(b"GET /_mock/faults HTTP/1.1\r\nhost: mock\r\n\r\n").await;
        let answer = soon(raw.read(&mut [0; 64])).await;
        if action["do"] == "drop" {
            assert!(asked.is_err() || answer.is_err(), "{answer:?}");
        } else {
            assert!(answer.unwrap() > 0 && begun.elapsed() >= Duration::from_millis(40));
        }
        server.clear_faults(None);
    }
}

#[tokio::test]
async fn what_was_done_at_accept_is_in_the_journal_once_the_connection_is_known() {
    let server = start(Options::for_tests()).await;
    let rule = json!({"match": {"when": "accept"}, "action": {"do": "lag", "by": "1ms"}, "times": 1});
    let id = server.fault(serde_json::from_value(rule).unwrap()).unwrap().id;
    let _client = Client::of(&server, C, "u1").await;
    let met = server.journal().after(0, |entry| entry.what == Happening::Fault);
    assert_eq!(met.iter().map(|entry| (entry.service, entry.rule)).collect::<Vec<_>>(), [(C, Some(id))]);
    assert!(met[0].detail.contains("lag"));
}

#[tokio::test]
async fn frames_of_any_shape_are_written_in_place_of_a_message_or_before_it() {
    let server = start(Options::for_tests()).await;
    let mut client = subscribed(&server, "u1", "quiet-1").await;
    let status = json!({"type": "session_status"});
    let hi = json!({"do": "frame", "hex": "6869", "keep": true});
    fault(&server, json!({"match": status, "action": hi, "times": 1})).await;
    emit(&server, "quiet-1", 1);
    assert_eq!(client.next().await.unwrap(), "hi");
    assert_eq!(client.json().await["n"], 1);
    // Reserved bits, a masked frame, an opcode that does not exist, a close frame with half a code, invalid UTF-8.
    for (shape, bytes) in [
        (json!({"rsv": 4, "hex": "6869"}), &[0xc1, 2, b'h', b'i'][..]),
        (json!({"masked": true, "hex": "68"}), &[0x81, 0x81, 0, 0, 0, 0, b'h']),
        (json!({"opcode": 3}), &[0x83, 0]),
        (json!({"opcode": 8, "hex": "03"}), &[0x88, 1, 3]),
        (json!({"hex": "ff"}), &[0x81, 1, 0xff]),
        (json!({"length": 9, "fin": false, "hex": "68"}), &[0x01, 9, b'h']),
    ] {
        let mut raw = raw_upgrade(&server).await;
        let ask = subscribe("quiet-2").to_string();
        let mut frame = vec![0x81, 0x80 | ask.len() as u8, 0, 0, 0, 0];
        frame.extend(ask.as_bytes());
        let mut action = json!({"do": "frame"});
        action.as_object_mut().unwrap().extend(shape.as_object().unwrap().clone());
        fault(&server, json!({"match": {"type": "subscribed"}, "action": action, "times": 1})).await;
        raw.write_all(&frame).await.unwrap();
        let mut got = vec![0; bytes.len()];
        soon(raw.read_exact(&mut got)).await.unwrap();
        assert_eq!(got, bytes, "{shape}");
        server.clear_faults(None);
    }
}

#[tokio::test]
async fn a_ping_is_lost_by_a_rule_that_names_it_and_by_no_other() {
    let server = start(Options::for_tests().with("charisma.ping_interval=20ms")).await;
    let all = fault(&server, json!({"action": {"do": "swallow"}})).await;
    let pings = fault(&server, json!({"match": {"type": "(ping)"}, "action": {"do": "duplicate"}})).await;
    let _client = Client::of(&server, C, "u1").await;
    soon(async {
        let applied = |id| server.faults().into_iter().find(|rule| rule.id == id).unwrap().applied;
        while applied(pings) < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(applied(all), 0);
    })
    .await;
}

#[tokio::test]
async fn a_message_is_answered_by_an_error_in_the_words_of_its_service() {
    let server = start(Options::for_tests()).await;
    let matching = json!({"type": "subscribe"});
    let action = json!({"do": "reject", "code": "RATE_LIMIT_EXCEEDED", "message": "Slow down"});
    fault(&server, json!({"match": matching, "action": action, "times": 1})).await;
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("quiet-1")).await;
    let error = client.json().await;
    assert_eq!(
        (&error["type"], &error["error"]["code"]),
        (&json!("session_error"), &json!("RATE_LIMIT_EXCEEDED"))
    );
    assert!(server.topics().is_empty(), "nothing was subscribed");
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
}

#[tokio::test]
async fn chance_is_repeatable_by_the_seed_of_its_rule() {
    let server = start(Options::for_tests()).await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut client = subscribed(&server, "u1", "quiet-1").await;
        let matching = json!({"type": "session_status", "chance": 0.5});
        fault(&server, json!({"match": matching, "action": {"do": "swallow"}, "seed": 7})).await;
        (1..=32).for_each(|n| emit(&server, "quiet-1", n));
        server.emit(C, "quiet-1", Some("session_upload_progress"), json!({"n": 0})).unwrap();
        let mut came = Vec::new();
        loop {
            match client.json().await["n"].as_u64().unwrap() {
                0 => break,
                n => came.push(n),
            }
        }
        server.clear_faults(None);
        assert!(came.len() > 4 && came.len() < 28, "{came:?}");
        runs.push(came);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn rules_of_the_start_are_in_force_from_the_first_connect_on_and_after_a_reset() {
    let rule = Rule::read(r#"{"action": {"do": "refuse", "status": 503}, "times": 1}"#).unwrap();
    let server = start(Options { fault: vec![rule], ..Options::for_tests() }).await;
    for _ in 0..2 {
        assert_eq!(Client::try_open(&server.socket_url(C, ""), &[]).await.err().unwrap().0, 503);
        Client::open(&server.socket_url(C, "")).await;
        server.reset();
    }
}

#[tokio::test]
async fn tokens_expire_for_good_and_connections_are_replaced_on_command() {
    let server = start(Options::for_tests()).await;
    let url = format!("{}?token={}", server.socket_url(C, ""), server.token("u1"));
    let mut client = Client::open(&url).await;
    fault(&server, json!({"match": {"when": "now", "user": "u1"}, "action": {"do": "expire_token"}})).await;
    assert_eq!(client.end().await, End::Closed(4401, "Invalid authentication".to_owned()));
    assert_eq!(
        Client::try_open(&url, &[]).await.err().unwrap().0,
        401,
        "the same token is refused from here on"
    );

    let mut client = Client::of(&server, C, "u2").await;
    fault(&server, json!({"match": {"when": "now", "user": "u2"}, "action": {"do": "replace"}})).await;
    assert_eq!(client.end().await, End::Closed(4409, "Replaced by a newer connection".to_owned()));
}

#[tokio::test]
async fn a_wrong_rule_is_refused_and_says_why() {
    let server = start(Options::for_tests()).await;
    for (rule, word) in [
        (json!({"action": {"do": "explode"}}), "explode"),
        (json!({"action": {"do": "delay"}}), "by"),
        (json!({"action": {"do": "delay", "by": "soon"}}), "400ms"),
        (json!({"action": {"do": "swallow"}, "match": {"servce": "saga"}}), "servce"),
        (json!({"action": {"do": "swallow"}, "match": {"when": "now"}}), "frame"),
        (json!({"action": {"do": "refuse", "status": 200}}), "status"),
        (json!({"action": {"do": "inject", "hex": "0"}}), "hex"),
        (json!({"action": {"do": "swallow"}, "times": 0}), "times"),
        (json!({"action": {"do": "refuse", "status": 503}, "match": {"user": "u1"}}), "user"),
        (
            json!({"action": {"do": "refuse", "status": 503}, "match": {"service": "saga", "topic": "t"}}),
            "topic",
        ),
    ] {
        let (status, body) = post(&server, "/_mock/faults", rule).await;
        assert_eq!(status, 400);
        assert!(body["error"].as_str().unwrap().contains(word), "{body}");
    }
    assert_eq!(get(&server, "/_mock/faults").await.1, json!([]));
}
