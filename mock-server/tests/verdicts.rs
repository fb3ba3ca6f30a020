//! Verdicts: each is found on every service where it can happen, is proved by frames, and is not found in a client that
//! does everything right.

mod common;
mod process;
mod sio;

use std::process::{Command, Stdio};

use common::{Client, get, http, post, soon, start, subscribe};
use futures_util::SinkExt;
use serde_json::{Value, json};
use sio::Sio;
use steadfast_mock_server::{Happening, MockServer, Options, Report, Service, Verdict};
use tokio_tungstenite::tungstenite::Message;

const TIME: &str = "2024-02-26T10:30:00Z";

fn dev(kind: &str, payload: Value) -> Value {
    json!({"type": kind, "timestamp": TIME, "payload": payload})
}

/// What was found, by name.
fn found(report: &Report) -> Vec<Verdict> {
    report.verdicts.iter().filter(|ruling| !ruling.passed).map(|ruling| ruling.verdict).collect()
}

/// The types of the entries that prove the first finding, and on which service it was.
fn proof(report: &Report, verdict: Verdict) -> (Service, Vec<String>) {
    let finding = &report.ruling(verdict).findings[0];
    let kinds =
        finding.proof.iter().map(|entry| entry.kind.clone().unwrap_or_else(|| format!("{:?}", entry.what)));
    (finding.service, kinds.collect())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

async fn quiet(switches: &[&str]) -> MockServer {
    start(switches.iter().fold(Options::for_tests(), |options, switch| options.with(switch))).await
}

async fn therapy(server: &MockServer, session: &str, token: &str) -> Result<Client, u16> {
    let url = format!("{}?token={token}", server.socket_url(Service::TherapyBridge, session));
    Client::try_open(&url, &[]).await.map_err(|refusal| refusal.0)
}

#[tokio::test]
async fn nothing_is_found_in_clients_that_do_everything_right() {
    let server = quiet(&["charisma.heartbeat=json", "charisma.ping_interval=20ms"]).await;
    let mut charisma = Client::of(&server, Service::Charisma, "u1").await;
    charisma.say(subscribe("quiet-c")).await;
    charisma.until("/type", "subscribed").await;
    for _ in 0..3 {
        charisma.until("/type", "ping").await;
        charisma.say(json!({"action": "pong"})).await;
    }
    charisma.say(json!({"action": "unsubscribe", "payload": {"sessionId": "quiet-c"}})).await;
    charisma.until("/type", "unsubscribed").await;
    charisma.say(subscribe("quiet-c")).await;
    charisma.until("/type", "subscribed").await;

    let mut in_band = Client::open(&server.socket_url(Service::Charisma, "")).await;
    in_band.say(json!({"action": "authenticate", "payload": {"token": server.token("u2")}})).await;
    in_band.until("/type", "authenticated").await;
    in_band.say(subscribe("quiet-c")).await;
    in_band.until("/type", "subscribed").await;

    let mut bridge = therapy(&server, "t1", &server.token("u1")).await.unwrap();
    bridge.until("/status", "processed").await;
    bridge.end().await;

    for (service, join, joined) in
        [(Service::Saga, "join_project", "joined_project"), (Service::DocProc, "subscribe", "subscribed")]
    {
        let mut client = Sio::of(&server, service, "u1").await;
        client.emit(json!([join, "quiet-s"])).await;
        client.until(joined).await;
    }

    let mut context = Client::open(&server.socket_url(Service::DevContext, "")).await;
    // A token that is sent first is enough: this service need not answer.
    context.say(dev("authenticate", json!({"token": server.token("u1")}))).await;
    context.say(dev("subscribe_analysis", json!({"analysisId": "quiet-d"}))).await;
    context.until("/type", "subscription_confirmed").await;
    let start = json!({"analysisId": "quiet-d", "sessionType": "live"});
    context.say(dev("start_interview", start)).await;
    let session = context.until("/type", "interview_started").await["payload"]["sessionId"].clone();
    context.say(dev("pause_interview", json!({"sessionId": session}))).await;
    context.until("/type", "interview_paused").await;
    context.say(dev("resume_interview", json!({"sessionId": session}))).await;
    context.until("/type", "interview_resumed").await;

    let report = server.report();
    assert_eq!(found(&report), [], "{report}");
    assert_eq!((report.connects[&Service::Charisma].all, report.missed), (2, 0));
}

#[tokio::test]
async fn too_many_connects_are_counted_for_each_client() {
    let server = quiet(&["verdict.connects_per_minute=4"]).await;
    let url = format!("{}?token=bad", server.socket_url(Service::Charisma, ""));
    for user in ["u1", "u2"] {
        for _ in 0..4 {
            drop(Client::of(&server, Service::DevContext, user).await);
        }
    }
    for session in 0..6 {
        drop(therapy(&server, &format!("s{session}"), &server.token("u1")).await.unwrap());
    }
    soon(
        server
            .journal()
            .wait_for(|e| e.service == Service::TherapyBridge && e.number == 6 && e.what == Happening::Close),
    )
    .await;
    assert_eq!(found(&server.report()), [], "four connects of each client, and one for each session");
    for _ in 0..5 {
        assert_eq!(Client::try_open(&url, &[]).await.err().unwrap().0, 401);
    }
    let report = server.report();
    assert_eq!(found(&report), [Verdict::TooManyConnects, Verdict::RefusedToken]);
    assert_eq!(proof(&report, Verdict::TooManyConnects), (Service::Charisma, vec!["Refused".to_owned(); 5]));
    assert_eq!(report.connects[&Service::DevContext].most_per_minute, 8);
}

#[tokio::test]
async fn a_duplicate_subscribe_is_found_on_every_service() {
    let server = quiet(&["verdict.patience=1h"]).await;
    let mut expected = Vec::new();
    let mut charisma = Client::of(&server, Service::Charisma, "u1").await;
    for _ in 0..2 {
        charisma.say(subscribe("quiet-1")).await;
        charisma.until("/type", "subscribed").await;
    }
    expected.push((Service::Charisma, words(&["subscribe", "subscribe"])));
    for (service, join, joined) in
        [(Service::Saga, "join_project", "joined_project"), (Service::DocProc, "subscribe", "subscribed")]
    {
        let mut client = Sio::of(&server, service, "u1").await;
        for _ in 0..2 {
            client.emit(json!([join, "quiet-1"])).await;
            client.until(joined).await;
        }
        expected.push((service, words(&[join, join])));
    }
    let mut context = Client::of(&server, Service::DevContext, "u1").await;
    for _ in 0..2 {
        context.say(dev("subscribe_analysis", json!({"analysisId": "quiet-1"}))).await;
        context.until("/type", "subscription_confirmed").await;
    }
    expected.push((Service::DevContext, words(&["subscribe_analysis", "subscribe_analysis"])));
    let report = server.report();
    let seen = report.ruling(Verdict::DuplicateSubscribe).findings.iter().map(|finding| {
        (finding.service, finding.proof.iter().filter_map(|entry| entry.kind.clone()).collect::<Vec<_>>())
    });
    let seen: Vec<_> = seen.collect();
    assert_eq!((found(&report), seen), (vec![Verdict::DuplicateSubscribe], expected));

    // TherapyBridge's subscription is the connection: two that both live on are one too many.
    server.set("verdict.patience", "0ms").unwrap();
    server.reset();
    server.set("verdict.patience", "0ms").unwrap();
    let token = server.token("u1");
    let mut older = therapy(&server, "quiet-1", &token).await.unwrap();
    let _newer = therapy(&server, "quiet-1", &token).await.unwrap();
    let twice = |report: &Report| report.ruling(Verdict::DuplicateSubscribe).count;
    soon(server.journal().wait_for(|e| e.what == Happening::Subscribed && e.number == 2)).await;
    assert_eq!(twice(&server.report()), 0, "a connection may be replaced by another");
    older.say(json!({"type": "pong"})).await;
    soon(server.journal().wait_for(|e| e.what == Happening::In)).await;
    assert_eq!(proof(&server.report(), Verdict::DuplicateSubscribe).1, ["Subscribed", "Subscribed", "pong"]);
}

#[tokio::test]
async fn a_subscribe_may_be_repeated_when_its_confirmation_was_lost() {
    let server = quiet(&["verdict.patience=0ms"]).await;
    let lost = json!({"match": {"type": "subscribed"}, "action": {"do": "swallow"}, "times": 1});
    assert_eq!(post(&server, "/_mock/faults", lost).await.0, 200);
    let mut client = Client::of(&server, Service::Charisma, "u1").await;
    client.say(subscribe("quiet-1")).await;
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
    assert_eq!(found(&server.report()), []);
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
    assert_eq!(found(&server.report()), [Verdict::DuplicateSubscribe]);
}

#[tokio::test]
async fn a_subscribe_before_the_user_is_known_is_found_on_every_service() {
    let server = quiet(&["docproc.auth=off"]).await;
    let mut charisma = Client::open(&server.socket_url(Service::Charisma, "")).await;
    charisma.say(subscribe("t")).await;
    charisma.end().await;
    let url = server.socket_url(Service::TherapyBridge, "t");
    match Client::try_open(&url, &[]).await {
        Ok(mut client) => drop(client.end().await),
        Err((status, _)) => assert_eq!(status, 403),
    }
    for (service, join) in [(Service::Saga, "join_project"), (Service::DocProc, "subscribe")] {
        let (mut client, _) = Sio::open(&server, service).await;
        client.emit(json!([join, "t"])).await;
        client.0.end().await;
    }
    let mut context = Client::open(&server.socket_url(Service::DevContext, "")).await;
    context.say(dev("subscribe_analysis", json!({"analysisId": "t"}))).await;
    context.end().await;
    let report = server.report();
    let services: Vec<_> = report
        .ruling(Verdict::UnauthenticatedSubscribe)
        .findings
        .iter()
        .map(|finding| finding.service)
        .collect();
    assert_eq!((found(&report), services), (vec![Verdict::UnauthenticatedSubscribe], Service::ALL.to_vec()));
    assert_eq!(proof(&report, Verdict::UnauthenticatedSubscribe).1, ["subscribe", "Close"]);
}

#[tokio::test]
async fn a_command_about_a_topic_that_is_not_confirmed_is_found() {
    let server = quiet(&[]).await;
    let mut charisma = Client::of(&server, Service::Charisma, "u1").await;
    charisma.say(json!({"action": "unsubscribe", "payload": {"sessionId": "t"}})).await;
    charisma.until("/type", "unsubscribed").await;
    for (service, leave, left) in
        [(Service::Saga, "leave_project", "left_project"), (Service::DocProc, "unsubscribe", "unsubscribed")]
    {
        let mut client = Sio::of(&server, service, "u1").await;
        client.emit(json!([leave, "t"])).await;
        client.until(left).await;
    }
    // The confirmation is kept back: who starts an interview meanwhile has not waited for it.
    let late = json!({"match": {"type": "subscription_confirmed"}, "action": {"do": "swallow"}, "times": 1});
    assert_eq!(post(&server, "/_mock/faults", late).await.0, 200);
    let mut context = Client::of(&server, Service::DevContext, "u1").await;
    context.say(dev("subscribe_analysis", json!({"analysisId": "quiet-1"}))).await;
    context.say(dev("start_interview", json!({"analysisId": "quiet-1", "sessionType": "live"}))).await;
    let session = context.until("/type", "interview_started").await["payload"]["sessionId"].clone();
    let mut other = Client::of(&server, Service::DevContext, "u1").await;
    other.say(dev("pause_interview", json!({"sessionId": session}))).await;
    other.until("/type", "interview_paused").await;
    let report = server.report();
    let seen: Vec<_> = report
        .ruling(Verdict::EarlyCommand)
        .findings
        .iter()
        .map(|finding| finding.proof.iter().filter_map(|entry| entry.kind.as_deref()).collect::<Vec<_>>())
        .collect();
    assert_eq!(found(&report), [Verdict::EarlyCommand], "{report}");
    assert_eq!(
        seen,
        [
            vec!["unsubscribe"],
            vec!["leave_project"],
            vec!["unsubscribe"],
            vec!["subscribe_analysis", "start_interview"],
            vec!["pause_interview"]
        ]
    );
}

#[tokio::test]
async fn a_refused_token_that_is_shown_again_is_found_on_every_service() {
    let server = quiet(&["docproc.auth=on", "verdict.connects_per_minute=0"]).await;
    for token in ["bad1", "bad2", "bad2"] {
        for service in [Service::Charisma, Service::DevContext] {
            let url = format!("{}?token={token}", server.socket_url(service, ""));
            assert_eq!(Client::try_open(&url, &[]).await.err().unwrap().0, 401);
        }
        if let Ok(mut client) = therapy(&server, "t", token).await {
            client.end().await;
        }
        for service in [Service::Saga, Service::DocProc] {
            let (_, answer) = Sio::knock(&server, service, json!({"token": token})).await;
            assert!(answer.starts_with("44"), "{answer}");
        }
    }
    let report = server.report();
    let findings = &report.ruling(Verdict::RefusedToken).findings;
    let mut services: Vec<_> = findings.iter().map(|finding| finding.service).collect();
    services.sort();
    assert_eq!((found(&report), services), (vec![Verdict::RefusedToken], Service::ALL.to_vec()));
    for finding in findings {
        let [first, again] = &finding.proof[..] else { panic!("{finding}") };
        assert!(first.token == again.token && first.connection < again.connection, "{finding}");
    }
    assert!(!format!("{report} {}", serde_json::to_string(&report).unwrap()).contains("bad2"));

    // A token that ended during the connection was refused as well.
    server.reset();
    let token = server.token("u1");
    let url = format!("{}?token={token}", server.socket_url(Service::Charisma, ""));
    let mut client = Client::open(&url).await;
    client.say(json!({"action": "pong"})).await;
    soon(server.journal().wait_for(|entry| entry.what == Happening::In)).await;
    let expire = json!({"match": {"when": "now"}, "action": {"do": "expire_token"}});
    assert_eq!(post(&server, "/_mock/faults", expire).await.0, 200);
    client.end().await;
    for again in 1..3 {
        assert_eq!(Client::try_open(&url, &[]).await.err().unwrap().0, 401);
        assert_eq!(server.report().ruling(Verdict::RefusedToken).count, again);
    }
    server.reset();
    for (service, fault) in [(Service::Saga, "expire_token"), (Service::Saga, "revoke_token")] {
        let auth = json!({"token": server.token_for(service, fault)});
        let (mut sio, _) = Sio::knock(&server, service, auth.clone()).await;
        let rule = json!({"match": {"when": "now"}, "action": {"do": fault}});
        assert_eq!(post(&server, "/_mock/faults", rule).await.0, 200);
        if fault == "expire_token" {
            while sio.0.next().await.expect("it is told") != "41" {}
        }
        assert!(Sio::knock(&server, service, auth).await.1.starts_with("44"));
    }
    // Of the one that was revoked the client had heard nothing yet.
    let report = server.report();
    assert_eq!(report.ruling(Verdict::RefusedToken).count, 1, "{report}");
}

#[tokio::test]
async fn pings_without_an_answer_are_found() {
    let switches = ["verdict.pong=30ms", "charisma.heartbeat=json", "charisma.ping_interval=40ms"];
    let server = quiet(&switches).await;
    server.set("therapybridge.ping_interval", "40ms").unwrap();
    server.set("therapybridge.unanswered_pings", "ignore").unwrap();
    for service in ["saga", "docproc"] {
        server.set(&format!("{service}.ping_interval"), "40ms").unwrap();
        server.set(&format!("{service}.ping_timeout"), "60ms").unwrap();
    }
    let mut charisma = Client::of(&server, Service::Charisma, "u1").await;
    let mut bridge = therapy(&server, "quiet-1", &server.token("u1")).await.unwrap();
    let mut saga = Sio::of(&server, Service::Saga, "u1").await;
    let mut docproc = Sio::of(&server, Service::DocProc, "u1").await;
    for _ in 0..3 {
        charisma.until("/type", "ping").await;
        bridge.until("/type", "ping").await;
    }
    saga.0.end().await;
    docproc.0.end().await;
    let report = server.report();
    let mut services: Vec<_> =
        report.ruling(Verdict::UnansweredPing).findings.iter().map(|finding| finding.service).collect();
    services.sort();
    services.dedup();
    assert_eq!(found(&report), [Verdict::UnansweredPing], "{report}");
    assert_eq!(services, [Service::Charisma, Service::TherapyBridge, Service::Saga, Service::DocProc]);
}

#[tokio::test]
async fn messages_over_limits_are_found() {
    let switches = [
        "saga.rate_limit=1",
        "docproc.subscribe_limit=1",
        "devcontext.rate_limit=1",
        "charisma.max_message=64",
    ];
    let server = quiet(&switches).await;
    server.set("therapybridge.connects_per_minute", "1").unwrap();
    let mut charisma = Client::of(&server, Service::Charisma, "u1").await;
    charisma.text(&"x".repeat(65)).await;
    charisma.end().await;
    for expected in [Ok(()), Err(429)] {
        assert_eq!(therapy(&server, "quiet-1", &server.token("u1")).await.map(drop), expected);
    }
    let mut saga = Sio::of(&server, Service::Saga, "u1").await;
    let mut docproc = Sio::of(&server, Service::DocProc, "u1").await;
    for n in 0..2 {
        saga.emit(json!(["ping"])).await;
        docproc.emit(json!(["subscribe", format!("quiet-{n}")])).await;
    }
    saga.until("error").await;
    docproc.until("error").await;
    let mut context = Client::of(&server, Service::DevContext, "u1").await;
    for _ in 0..2 {
        context.say(dev("ping", json!({}))).await;
    }
    context.until("/type", "error").await;
    let report = server.report();
    let mut services: Vec<_> =
        report.ruling(Verdict::OverLimit).findings.iter().map(|finding| finding.service).collect();
    services.sort();
    assert_eq!((found(&report), services), (vec![Verdict::OverLimit], Service::ALL.to_vec()), "{report}");
}

#[tokio::test]
async fn a_refusal_that_a_rule_dictates_is_no_verdict() {
    let server = quiet(&[]).await;
    for (kind, code) in [("subscribe", "RATE_LIMIT_EXCEEDED"), ("pong", "INVALID_MESSAGE")] {
        let rule = json!({"match": {"when": "in", "type": kind}, "action": {"do": "reject", "code": code, "message": "no"}});
        assert_eq!(post(&server, "/_mock/faults", rule).await.0, 200);
    }
    let mut client = Client::of(&server, Service::Charisma, "u1").await;
    for message in [subscribe("quiet-1"), json!({"action": "pong"})] {
        client.say(message).await;
        client.until("/type", "session_error").await;
    }
    let refuse = json!({"action": {"do": "refuse", "status": 429}, "times": 1});
    assert_eq!(post(&server, "/_mock/faults", refuse).await.0, 200);
    assert_eq!(therapy(&server, "t", &server.token("u1")).await.err(), Some(429));
    let report = server.report();
    assert_eq!(found(&report), [], "{report}");
}

#[tokio::test]
async fn messages_that_no_service_understands_are_found() {
    let server = quiet(&[]).await;
    let mut charisma = Client::of(&server, Service::Charisma, "u1").await;
    for text in ["{", r#"{"action":"subscirbe"}"#, r#"{"action":"subscribe","payload":{"sessionId":7}}"#] {
        charisma.text(text).await;
        charisma.until("/type", "session_error").await;
    }
    let mut bridge = therapy(&server, "quiet-1", &server.token("u1")).await.unwrap();
    bridge.say(json!({"type": "subscribe"})).await; // an acknowledgement, for all it knows
    bridge.0.send(Message::binary(b"subscribe".to_vec())).await.unwrap();
    bridge.end().await;
    for service in [Service::Saga, Service::DocProc] {
        let mut client = Sio::of(&server, service, "u1").await;
        for event in [
            json!(["nonsense"]),
            json!([if service == Service::Saga { "join_project" } else { "subscribe" }, 7]),
        ] {
            client.emit(event).await;
            client.until("error").await;
        }
    }
    let mut context = Client::of(&server, Service::DevContext, "u1").await;
    for kind in ["nonsense", "subscribe_analysis"] {
        context.say(dev(kind, json!({}))).await;
        context.until("/type", "error").await;
    }
    let report = server.report();
    let ruling = report.ruling(Verdict::UnknownMessage);
    let services: Vec<_> = ruling.findings.iter().map(|finding| finding.service).collect();
    let count = |service| services.iter().filter(|s| **s == service).count();
    assert_eq!(found(&report), [Verdict::UnknownMessage], "{report}");
    assert_eq!(Service::ALL.map(count), [3, 1, 2, 2, 2], "{report}");
    assert!(
        ruling.findings.iter().all(|finding| finding.proof.len() == 2),
        "what was said and what was answered: {report}"
    );
}

#[tokio::test]
async fn the_report_is_asked_for_over_http_and_begins_anew_at_a_reset() {
    let server = quiet(&[]).await;
    let mut client = Client::of(&server, Service::Charisma, "u1").await;
    client.text("nonsense").await;
    client.until("/type", "session_error").await;
    let (status, report) = get(&server, "/_mock/report").await;
    let unknown = &report["verdicts"][7];
    assert_eq!(
        (status, &unknown["verdict"], &unknown["passed"]),
        (200, &json!("unknown_message"), &json!(false))
    );
    assert_eq!(unknown["findings"][0]["proof"][0]["detail"], "nonsense");
    assert_eq!(report["connects"]["charisma"], json!({"all": 1, "most_per_minute": 1}));
    post(&server, "/_mock/reset", json!({})).await;
    // What it had subscribed before the reset is not known any more: nothing follows from that.
    client.say(json!({"action": "unsubscribe", "payload": {"sessionId": "t"}})).await;
    client.until("/type", "unsubscribed").await;
    let report = server.shutdown().await;
    assert_eq!(found(&report), []);
}

#[tokio::test]
async fn the_exit_code_follows_the_verdicts_that_were_asked_for() {
    let folder = std::env::temp_dir().join(format!("mock-verdicts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (junit, json) = (folder.join("report.xml"), folder.join("report.json"));
    for (fail_on, code) in [("early_command,unknown_message", 3), ("early_command", 0)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mock-server"))
            .args(["--port", "0", "--fail-on", fail_on, "--log", "json", "--junit"])
            .arg(&junit)
            .arg("--json")
            .arg(&json)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
        let ready = next()["detail"].as_str().unwrap().to_owned();
        let word =
            |name: &str| ready.split_whitespace().skip_while(|w| *w != name).nth(1).unwrap().to_owned();
        let mut client = Client::open(&format!("{}?token={}", word("at"), word("u1"))).await;
        client.text("nonsense").await;
        client.until("/type", "session_error").await;
        process::signal(child.id(), "TERM");
        let said = loop {
            let line = next();
            if line["event"] == "report" {
                break line["detail"].as_str().unwrap().to_owned();
            }
        };
        assert!(said.contains("FOUND   unknown_message, once") && said.contains("nonsense"), "{said}");
        let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(code));
        let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
        assert_eq!(report["verdicts"][7]["count"], 1);
        let xml = std::fs::read_to_string(&junit).unwrap();
        let cases = format!("tests=\"{}\" failures=\"{}\"", fail_on.split(',').count(), u32::from(code == 3));
        assert!(xml.contains(&cases), "{xml}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn the_last_word_says_how_many_findings_it_leaves_out() {
    let server = quiet(&[]).await;
    let mut client = Client::of(&server, Service::Charisma, "u1").await;
    for number in 0..5 {
        client.text(&format!("nonsense {number}")).await;
        client.until("/type", "session_error").await;
    }
    let report = server.shutdown().await;
    let said = report.to_string();
    assert!(said.contains("FOUND   unknown_message, 5 times") && said.contains("… and 2 more"), "{said}");
    assert!(said.contains("nonsense 2") && !said.contains("nonsense 3"), "{said}");
    assert!(!report.passed);
}

#[tokio::test]
async fn a_wrong_verdict_is_refused_with_those_that_exist() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_mock-server")).args(["--fail-on", "nonsense"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("duplicate_subscribe"), "{said}");
    let server = quiet(&[]).await;
    assert_eq!(http(&server, "POST /_mock/report", "", "").await.0, 405);
}
