//! The control API: waiting for something, filters of the journal, numbers for monitoring, users and connections as
//! wholes, and the description of all of it.

mod common;
mod sio;

use std::time::Duration;

use common::{Client, End, get, http, post, soon, start, subscribe};
use serde_json::{Value, json};
use sio::Sio;
use steadfast_mock_server::{
    AuthMode, Authority, Control, Filter, Happening, HttpFault, MockServer, Options, Rule, Service,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const C: Service = Service::Charisma;

async fn page(server: &MockServer, path: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_wait_ends_as_soon_as_enough_has_happened() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
    let waits = async {
        tokio::join!(
            get(&server, "/_mock/wait-for?topic=quiet-1&direction=out&type=session_status&count=2"),
            get(&server, "/_mock/wait-for?topic=quiet-1&progress=50"),
            get(&server, "/_mock/wait-for?service=charisma&topic=quiet-1&open=2"),
            get(&server, "/_mock/wait-for?service=saga&what=open"),
        )
    };
    let acts = async {
        for progress in [10, 60] {
            server.emit(C, "quiet-1", None, json!({"status": "processing", "progress": progress})).unwrap();
        }
        let mut second = Client::of(&server, C, "u2").await;
        second.say(subscribe("quiet-1")).await;
        second.until("/type", "subscribed").await;
        (second, Sio::of(&server, Service::Saga, "u1").await)
    };
    let ((two, progress, open, saga), _kept) = tokio::join!(waits, acts);
    for (status, body) in [&two, &progress, &open, &saga] {
        assert_eq!(*status, 200, "{body}");
    }
    assert_eq!((&two.1["count"], two.1["entries"].as_array().unwrap().len()), (&json!(2), 2));
    assert!(progress.1["entries"][0]["detail"].as_str().unwrap().contains("60"), "{}", progress.1);
    assert_eq!((&open.1["count"], &saga.1["entries"][0]["what"]), (&json!(2), &json!("open")));
}

#[tokio::test]
async fn whose_end_is_in_the_journal_is_not_connected_any_more() {
    let server = start(Options::for_tests()).await;
    for _ in 0..30 {
        let mut follower = server.journal().follow(server.journal().last());
        drop((Client::of(&server, C, "u1").await, Sio::of(&server, Service::Saga, "u1").await));
        let mut closed = 0;
        while closed < 2 {
            let entries = soon(follower.next()).await;
            closed += entries.iter().filter(|entry| entry.what == Happening::Close).count();
        }
        assert_eq!(server.connections().len(), 0);
    }
    // So a wait for the last one is not missed.
    let kept = Client::of(&server, C, "u1").await;
    let wait = get(&server, "/_mock/wait-for?service=charisma&open=0");
    let (waited, ()) = tokio::join!(wait, async { drop(kept) });
    assert_eq!((waited.0, &waited.1["count"]), (200, &json!(0)));
}

#[tokio::test]
async fn a_wait_is_bounded_and_says_what_was_missing() {
    let server = start(Options::for_tests()).await;
    let (status, body) = get(&server, "/_mock/wait-for?what=open&count=3&within=20ms").await;
    let error = body["error"].as_str().unwrap();
    assert!(status == 504 && error.contains("0 entries that fit of 3"), "{body}");
    for (query, word) in [
        ("within=1h", "5m"),
        ("wthin=1s", "wthin"),
        ("what=opened", "opened"),
        ("direction=up", "up"),
        ("since=yesterday", "since"),
        ("open=1&what=open", "leave"),
        ("count=-1", "count"),
    ] {
        let (status, body) = get(&server, &format!("/_mock/wait-for?{query}")).await;
        assert!(status == 400 && body["error"].as_str().unwrap().contains(word), "{query}: {body}");
    }
}

#[tokio::test]
async fn the_journal_is_filtered() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
    let mut saga = Sio::of(&server, Service::Saga, "u2").await;
    saga.emit(json!(["join_project", "quiet-1"])).await;
    saga.until("joined_project").await;
    let kinds = async |query: &str| {
        let (status, entries) = get(&server, &format!("/_mock/log?{query}")).await;
        assert_eq!(status, 200, "{query}: {entries}");
        let text = |entry: &Value| entry["type"].as_str().or(entry["what"].as_str()).unwrap().to_owned();
        entries.as_array().unwrap().iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(kinds("service=charisma&direction=in").await, ["subscribe"]);
    assert_eq!(kinds("service=saga&number=1&direction=in").await, ["(connect)", "join_project"]);
    assert_eq!(kinds("topic=quiet-1&direction=out").await, ["subscribed", "joined_project"]);
    assert_eq!(kinds("type=subscribed").await, ["subscribed"]);
    assert_eq!(kinds("user=u2&what=subscribed").await, ["subscribed"]);
    assert_eq!(kinds("contains=joined_pro").await, ["joined_project"]);
    let last = server.journal().last();
    assert_eq!(kinds(&format!("after={}", last - 1)).await.len(), 1);
    assert_eq!(kinds("since=2999-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(kinds("since=2001-01-01T00:00:00&limit=2").await.len(), 2);
}

#[tokio::test]
async fn requests_of_rest_and_polling_are_in_the_journal_without_secrets() {
    let server = start(Options::for_tests()).await;
    let token = server.token_for(Service::Saga, "u1");
    let bearer = format!("authorization: Bearer {token}\r\n");
    http(&server, "GET /saga/api/websocket/stats?token=hidden&x=1", &bearer, "").await;
    let login = json!({"email": "therapist@example.com", "password": "hidden"});
    let (_, issued) = post(&server, "/therapybridge/api/v1/login", login).await;
    assert_eq!(get(&server, "/docproc/api/nothing").await.0, 404);
    http(&server, "GET /saga/socket.io/?EIO=4&transport=polling", "", "").await;
    assert_eq!(get(&server, "/saga/socket.io/?EIO=4&transport=polling&sid=none").await.0, 400);

    let (_, log) = get(&server, "/_mock/log?what=request").await;
    let told = |n: usize| {
        let of = |name: &str| log[n][name].clone();
        (of("service"), of("type"), of("code"), log[n]["detail"].as_str().unwrap().to_owned())
    };
    let (service, method, code, text) = told(0);
    assert_eq!((service, method, code), (json!("saga"), json!("GET"), json!(200)));
    assert!(text.starts_with("GET /saga/api/websocket/stats?token=…&x=1 → 200 {"), "{text}");
    assert_eq!((&log[0]["user"], &log[0]["connection"]), (&json!("u1"), &json!(0)));
    let (_, method, code, text) = told(1);
    assert_eq!((method, code), (json!("POST"), json!(200)));
    assert!(
        text.contains(r#""email":"therapist@example.com","password":"…"} → 200 {"access_token":"…""#),
        "{text}"
    );
    assert_eq!(told(2).2, 404);
    // A session's requests have its number; the packets in them have entries of their own.
    assert_eq!((&log[3]["connection"], &log[3]["code"]), (&json!(1), &json!(200)));
    assert_eq!((&log[4]["connection"], &log[4]["code"]), (&json!(2), &json!(400)));
    assert_eq!(log.as_array().unwrap().len(), 5);
    let all = get(&server, "/_mock/log").await.1.to_string();
    for secret in ["hidden", &token, issued["access_token"].as_str().unwrap()] {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
    assert_eq!(
        get(&server, "/_mock/log?what=request&type=POST&service=therapybridge").await.1[0]["seq"],
        log[1]["seq"]
    );
}

#[tokio::test]
async fn tokens_are_listed_without_themselves() {
    let server = start(Options::for_tests()).await;
    let (_, issued) =
        post(&server, "/_mock/tokens", json!({"sub": "u1", "role": "patient", "ttl": "1h"})).await;
    let mut client =
        Client::open(&format!("{}?token={}", server.socket_url(C, ""), issued["token"].as_str().unwrap()))
            .await;
    soon(server.journal().wait_for(|entry| entry.what == Happening::Authenticated)).await;
    let (_, users) = get(&server, "/_mock/users").await;
    assert_eq!(users[0]["tokens"][0]["fingerprint"], issued["fingerprint"]);
    post(&server, "/_mock/kick", json!({"user": "u1"})).await;
    client.end().await;
    let (_, tokens) = get(&server, "/_mock/tokens").await;
    let of = |name: &str| tokens[0][name].clone();
    assert_eq!(
        (of("fingerprint"), of("sub"), of("role")),
        (issued["fingerprint"].clone(), json!("u1"), json!("patient"))
    );
    assert_eq!(of("revoked"), true);
    assert!(!tokens.to_string().contains(issued["token"].as_str().unwrap()));
    for ttl in ["9999999999999h", "1e9s", "-1s", "yesterday"] {
        let (status, body) = post(&server, "/_mock/tokens", json!({"sub": "u1", "ttl": ttl})).await;
        assert!(status == 400 && body["error"].as_str().unwrap().contains("ttl"), "{ttl}: {body}");
    }
}

#[tokio::test]
async fn a_closed_port_refuses_and_opens_again() {
    let server = start(Options::for_tests()).await;
    let mut open = Client::of(&server, C, "u1").await;
    let ask = json!({"action": {"do": "close_port", "for": "300ms"}});
    let begun = std::time::Instant::now();
    assert_eq!(post(&server, "/_mock/faults", ask).await.0, 200);
    soon(async {
        while TcpStream::connect(server.address()).await.is_ok() {}
        let refusal = TcpStream::connect(server.address()).await.unwrap_err();
        assert_eq!(refusal.kind(), std::io::ErrorKind::ConnectionRefused);
        open.say(subscribe("quiet-1")).await;
        open.until("/type", "subscribed").await;
        while TcpStream::connect(server.address()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    drop(Client::of(&server, C, "u2").await);
    for (ask, word) in [
        (json!({"action": {"do": "close_port", "for": "2h"}}), "1h"),
        (json!({"action": {"do": "close_port"}}), "for"),
        (json!({"match": {"when": "accept"}, "action": {"do": "close_port", "for": 1}}), "when"),
        (json!({"match": {"user": "u1"}, "action": {"do": "close_port", "for": 1}}), "service"),
        (json!({"match": {"service": "saga"}, "action": {"do": "close_port", "for": 1}}), "--dev-ports"),
    ] {
        let (status, body) = post(&server, "/_mock/faults", ask).await;
        assert!(status == 400 && body["error"].as_str().unwrap().contains(word), "{word}: {body}");
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
    server.emit(C, "quiet-1", None, json!({"status": "processing"})).unwrap();
    client.until("/type", "session_status").await;
    let url = format!("{}?token=bad", server.socket_url(C, ""));
    assert!(Client::try_open(&url, &[]).await.is_err());
    let second = Client::of(&server, C, "u2").await;
    post(&server, "/_mock/drop", json!({"user": "u2", "how": "rst"})).await;
    soon(server.journal().wait_for(|entry| entry.what == Happening::Close)).await;
    drop(second);
    let text = page(&server, "/_mock/metrics").await;
    for line in [
        "mock_connections{service=\"charisma\"} 1",
        "mock_connections_total{service=\"charisma\"} 2",
        "mock_connections_refused_total{service=\"charisma\"} 1",
        "mock_auth_failures_total{service=\"charisma\"} 1",
        "mock_abnormal_closes_total{service=\"charisma\"} 1",
        "mock_send_failures_total{service=\"charisma\"} 0",
        "mock_messages_total{service=\"charisma\",direction=\"in\"} 1",
        "mock_messages_total{service=\"charisma\",direction=\"out\"} 2",
        "mock_delivery_seconds_bucket{service=\"charisma\",le=\"+Inf\"} 1",
        "mock_delivery_seconds_count{service=\"charisma\"} 1",
        "mock_findings_total{verdict=\"duplicate_subscribe\"} 0",
        "mock_subscriptions 1",
    ] {
        assert!(text.lines().any(|has| has == line), "{line} is not in\n{text}");
    }
    assert!(cfg!(not(target_os = "linux")) || text.contains("\nprocess_resident_memory_bytes "), "{text}");
}

#[tokio::test]
async fn connections_and_users_are_sent_away() {
    let server = start(Options::for_tests()).await;
    let mut one = Client::of(&server, C, "u1").await;
    let url = format!("{}?token={}", server.socket_url(C, ""), server.token_for(C, "u2"));
    let mut two = Client::open(&url).await;
    soon(server.journal().wait_for(|entry| entry.what == Happening::Authenticated && entry.number == 2))
        .await;
    let (_, users) = get(&server, "/_mock/users").await;
    assert_eq!((&users[1]["user"], &users[1]["connections"]), (&json!("u2"), &json!([2])));
    assert!(users[1]["tokens"][0]["fingerprint"].is_string() && users[1]["tokens"][0]["role"] == "user");

    let ask = json!({"user": "u1", "code": 4000, "reason": "gone"});
    assert_eq!(post(&server, "/_mock/drop", ask).await, (200, json!({"connections": 1})));
    assert_eq!(one.end().await, End::Closed(4000, "gone".to_owned()));

    assert_eq!(post(&server, "/_mock/kick", json!({"user": "u2"})).await, (200, json!({"connections": 1})));
    assert_eq!(two.end().await, End::Closed(4401, "Invalid authentication".to_owned()));
    assert_eq!(Client::try_open(&url, &[]).await.err().unwrap().0, 401, "a token that ended lets nobody in");

    // Also of a user who is not connected any more, or was not yet; a new token lets in again.
    drop(Client::of(&server, C, "u3").await);
    soon(
        server
            .journal()
            .wait_for(|entry| entry.what == Happening::Close && entry.user.as_deref() == Some("u3")),
    )
    .await;
    let unused = format!("{}?token={}", server.socket_url(C, ""), server.token_for(C, "u3"));
    // Made by `mock-server token`: this server has never seen it.
    let elsewhere = Authority::new(AuthMode::Verify, &Options::for_tests().jwt_secret, "user");
    let url = |token: &str| format!("{}?token={token}", server.socket_url(C, ""));
    let unseen = url(&elsewhere.issue("u3", "", Duration::from_secs(3600)));
    assert_eq!(post(&server, "/_mock/kick", json!({"user": "u3"})).await, (200, json!({"connections": 0})));
    assert_eq!(Client::try_open(&unused, &[]).await.err().unwrap().0, 401);
    assert_eq!(Client::try_open(&unseen, &[]).await.err().unwrap().0, 401);
    for fresh in [server.token("u3"), elsewhere.issue("u3", "", Duration::from_secs(3600))] {
        assert!(Client::try_open(&url(&fresh), &[]).await.is_ok());
    }

    let mut saga = Sio::of(&server, Service::Saga, "u1").await;
    let ask = json!({"service": "saga", "for": "1h"});
    assert_eq!(post(&server, "/_mock/restart", ask).await, (200, json!({"connections": 1})));
    assert_eq!(saga.0.end().await, End::Closed(1012, "Service restart".to_owned()));
    let refusal =
        Client::try_open(&sio::address(&server, Service::Saga, "EIO=4&transport=websocket"), &[]).await;
    assert_eq!(refusal.err().unwrap().0, 503);
    assert!(
        Client::try_open(&format!("{}?token={}", server.socket_url(C, ""), server.token("u1")), &[])
            .await
            .is_ok()
    );
    assert_eq!(post(&server, "/_mock/restart", json!({"for": "2h"})).await.0, 400);
    assert_eq!(post(&server, "/_mock/restart", json!({"service": "saga", "for": "1ms"})).await.0, 200);
    server.clear_faults(None);
    drop(Sio::of(&server, Service::Saga, "u1").await);
}

#[tokio::test]
async fn everything_that_is_described_is_there_and_nothing_else() {
    let server = start(Options::for_tests()).await;
    let (_, document) = get(&server, "/_mock/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let all = document.to_string();
    for reference in all.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
    let paths = document["paths"].as_object().unwrap();
    let (_, nowhere) = get(&server, "/_mock/nothing").await;
    for (path, operations) in paths {
        let address = path.replace("{id}", "1");
        let name = path.strip_prefix("/_mock/").unwrap();
        assert!(name.contains('{') || nowhere["error"].as_str().unwrap().contains(name), "{name}: {nowhere}");
        for method in ["GET", "POST", "PUT", "DELETE"] {
            if (method, name) == ("GET", "events") {
                continue; // it never ends; the page's tests read it
            }
            let described = operations.get(method.to_lowercase()).is_some();
            let body = if described && method == "POST" { "{}" } else { "" };
            let query = if path.ends_with("wait-for") { "?within=1ms&open=0" } else { "" };
            let (status, _, _) = http(&server, &format!("{method} {address}{query}"), "", body).await;
            assert_eq!(status != 405, described, "{method} {path}: {status}");
        }
    }
    let log = &document["paths"]["/_mock/log"]["get"]["parameters"];
    let names: Vec<_> = log.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"type") && names.contains(&"since"), "{names:?}");
}

#[tokio::test]
async fn the_typed_client_does_all_of_it() {
    let server = start(Options::for_tests()).await;
    let control = Control::new(&server.base_url()).unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(control.service_url(C), server.service_url(C));
    let token = control.token("u1", Some("user"), hour).await.unwrap();
    assert_eq!(server.authority().judge(&token).unwrap().role, "user");
    let mut client = Client::open(&format!("{}?token={token}", server.socket_url(C, ""))).await;
    control.own(C, "quiet-1", Some("u1"), &["u2"]).await.unwrap();
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
    let data = json!({"status": "processing", "progress": 40});
    assert_eq!(control.emit(C, "quiet-1", None, data).await.unwrap(), 1);
    client.until("/type", "session_status").await;
    let about = Filter { topic: Some("quiet-1".to_owned()), progress: Some(40.0), ..Filter::of(C) };
    let seen = control.wait_for(&about, 1, hour / 60).await.unwrap();
    assert_eq!((seen[0].what, seen.len()), (Happening::Out, 1));
    assert_eq!(control.log(&about).await.unwrap()[0].seq, seen[0].seq);
    let topics = control.topics().await.unwrap();
    assert_eq!((topics[0].owner.as_deref(), topics[0].subscribers), (Some("u1"), 1));
    assert_eq!(control.connections().await.unwrap()[0].topics, ["quiet-1"]);
    assert_eq!(control.users().await.unwrap()[0].user, "u1");
    control.set("charisma.replay", "on").await.unwrap();
    control.confirm(C, "quiet-1").await.unwrap();
    control.stop_clock(true).await.unwrap();
    control.advance(hour).await.unwrap();
    let rule = Rule {
        times: Some(2),
        ..Rule::new(HttpFault::Refuse { status: 503, retry_after: Some(1), location: None })
    };
    let put = control.fault(&rule).await.unwrap();
    let listed = control.faults().await.unwrap();
    assert_eq!((put.rule, listed[0].id, listed.len()), (rule, put.id, 1));
    assert_eq!(control.clear_faults(Some(put.id)).await.unwrap(), 1);
    assert_eq!(control.kick("u1").await.unwrap(), 1);
    assert_eq!(client.end().await, End::Closed(4401, "Invalid authentication".to_owned()));
    assert_eq!(control.restart(None, Duration::ZERO).await.unwrap(), 0);
    let report = control.report().await.unwrap();
    assert!(report.verdicts.iter().all(|ruling| ruling.passed), "{report}");
    control.reset().await.unwrap();
    assert_eq!(control.log(&Filter::default()).await.unwrap().len(), 0);

    let why = control.set("charisma.repaly", "on").await.unwrap_err().to_string();
    assert!(why.contains("400") && why.contains("charisma.replay"), "{why}");
    let why = control.wait_for(&about, 9, Duration::from_millis(1)).await.unwrap_err().to_string();
    assert!(why.contains("504") && why.contains("of 9"), "{why}");
    let address = server.base_url();
    server.shutdown().await;
    let why = Control::new(&address).unwrap().report().await.unwrap_err().to_string();
    assert!(why.contains("is the mock server running there"), "{why}");
    assert!(Control::new("localhost:8090").unwrap_err().to_string().contains("http://127.0.0.1:8090"));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_json_and_harms_nothing() {
    let server = start(Options::for_tests()).await;
    for path in [
        "/therapybridge/api/sessions/ws/%ff",
        "/docproc/api/wizard/session/%ff",
        "/devcontext/api/analysis/%fe%ff",
        "/_mock/log?limit=-1",
    ] {
        let (status, head, body) =
            http(&server, &format!("GET {path}"), "origin: http://page.example\r\n", "").await;
        assert!(status == 400 && body["error"].is_string(), "{path}: {status} {body}");
        assert!(head.contains("access-control-allow-origin: *"), "{head}");
    }
    assert_eq!(http(&server, "DELETE /_mock/faults/-1", "", "").await.0, 400);
    for (path, ask) in [
        ("flows", json!({"service": "charisma", "flow": [{"wait": -1}]})),
        ("topics", json!({"service": "charisma", "topic": ""})),
        ("clock", json!({"advance": u64::MAX})),
        ("faults", json!({"action": {"do": "delay", "by": "2h"}})),
        ("faults", json!({"action": {"do": "trickle", "bytes": 0, "pause": 1}})),
    ] {
        let (status, body) = post(&server, &format!("/_mock/{path}"), ask).await;
        assert!(status == 400 && body["error"].is_string(), "{path}: {status} {body}");
    }
}

#[tokio::test]
async fn heartbeats_without_a_pause_still_leave_room_for_messages() {
    let server = start(Options::for_tests()).await;
    for name in ["charisma", "therapybridge", "saga", "docproc"] {
        server.set(&format!("{name}.ping_interval"), "0").unwrap();
    }
    server.set("therapybridge.unanswered_pings", "ignore").unwrap();
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
    let url =
        format!("{}?token={}", server.socket_url(Service::TherapyBridge, "quiet-1"), server.token("u1"));
    let mut bridge = Client::open(&url).await;
    server.emit(Service::TherapyBridge, "quiet-1", None, json!({"status": "transcribing"})).unwrap();
    bridge.until("/status", "transcribing").await;
}

#[tokio::test]
async fn there_is_a_limit_to_rules() {
    let server = start(Options::for_tests()).await;
    let rule = Rule::new(HttpFault::Refuse { status: 503, retry_after: None, location: None });
    for _ in 0..1000 {
        server.fault(rule.clone()).unwrap();
    }
    let error = server.fault(rule).unwrap_err().to_string();
    assert!(error.contains("1000 rules"), "{error}");
    assert_eq!(server.clear_faults(None), 1000);
}
