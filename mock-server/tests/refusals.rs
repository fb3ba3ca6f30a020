//! What the control API refuses, each with what to change, and what it says of what it has done.

mod common;
mod sio;

use std::time::Duration;

use common::{Client, End, get, http, post, start, subscribe};
use serde_json::{Value, json};
use sio::Sio;
use steadfast_mock_server::{Control, Filter, Happening, Options, Service};

const C: Service = Service::Charisma;

#[tokio::test]
async fn no_parameter_of_a_query_is_passed_over_in_silence() {
    let server = start(Options::for_tests()).await;
    let (_, description) = get(&server, "/_mock/openapi.json").await;
    let paths = description["paths"].as_object().unwrap();
    let mut asked = 0;
    for (path, methods) in paths.iter().filter(|(_, methods)| methods.get("get").is_some()) {
        let (status, body) = get(&server, &format!("{path}?bogus=1")).await;
        let error = body["error"].as_str().unwrap();
        assert!(status == 400 && error.contains("`bogus`") && error.contains(path), "{path}: {body}");
        for field in methods["get"]["parameters"].as_array().unwrap() {
            assert!(error.contains(field["name"].as_str().unwrap()), "{path}: {body}");
        }
        asked += 1;
    }
    assert!(asked > 10);
    let mut clients = Vec::new();
    for service in [C, Service::DevContext] {
        let mut client = Client::of(&server, service, "u1").await;
        client.text("nonsense").await;
        client.json().await;
        clients.push(client);
    }
    let (status, report) = get(&server, "/_mock/report?service=charisma").await;
    let findings = report["verdicts"][7]["findings"].as_array().unwrap();
    assert_eq!((status, findings.len(), &findings[0]["service"]), (200, 1, &json!("charisma")));
    assert_eq!(report["connects"].as_object().unwrap().keys().collect::<Vec<_>>(), ["charisma"]);
    assert_eq!(get(&server, "/_mock/report?service=saga").await.1["passed"], true);
    assert_eq!(get(&server, "/_mock/report").await.1["verdicts"][7]["count"], 2);
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_what_to_send() {
    let server = start(Options::for_tests()).await;
    for (request, body, status, word) in [
        ("POST /_mock/drop", "", 400, "at least `{}`"),
        ("POST /_mock/drop", r#"{"how":"rst","code":5}"#, 400, "`code` and `reason`"),
        ("POST /_mock/drop", r#"{"how":"fin","reason":"x"}"#, 400, "`code` and `reason`"),
        ("DELETE /_mock/faults/abc", "", 400, "`abc` is no fault's number"),
        ("DELETE /_mock/faults/7", "", 404, "no fault 7"),
        ("POST /_mock/faults", "\"htttp-503\"", 400, "did you mean `http-503`"),
        ("POST /_mock/faults", "http-503", 400, "double quotes"),
        ("POST /_mock/faults", "\"tls-expired\"", 400, "--tls expired"),
        ("POST /_mock/faults", r#"{"name":"http-503"}"#, 400, "`name`"),
        ("POST /_mock/confirm", r#"{"topic":"nonexistent"}"#, 404, "there is none yet"),
        ("POST /_mock/confirm", r#"{"service":"saga","topic":"x"}"#, 400, "waits for no confirmation"),
    ] {
        let (answered, _, answer) = http(&server, request, "", body).await;
        let error = answer["error"].as_str().unwrap();
        assert!(answered == status && error.contains(word), "{request} {body}: {answer}");
    }
    assert!(server.topics().is_empty(), "nothing is made by asking for it");
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("quiet-1")).await;
    client.until("/type", "subscribed").await;
    let (status, answer) = post(&server, "/_mock/confirm", json!({"topic": "quiet-2"})).await;
    assert!(status == 404 && answer["error"].as_str().unwrap().contains("there are quiet-1"), "{answer}");
    assert_eq!(post(&server, "/_mock/confirm", json!({"topic": "quiet-1"})).await.0, 200);
}

#[tokio::test]
async fn a_fault_is_put_in_force_by_its_name() {
    let server = start(Options::for_tests()).await;
    let (status, rule) = post(&server, "/_mock/faults", json!("http-503")).await;
    assert_eq!((status, &rule["action"]["status"], &rule["times"]), (200, &json!(503), &json!(1)));
    let url = server.socket_url(C, "");
    assert_eq!(Client::try_open(&url, &[]).await.err().map(|(status, _)| status), Some(503));
    assert!(Client::try_open(&url, &[]).await.is_ok());
}

#[tokio::test]
async fn what_ended_a_token_is_said_wherever_it_is_shown_again() {
    let server = start(Options::for_tests()).await;
    let control = Control::new(&server.base_url()).unwrap();
    let expire = json!({"match": {"when": "now", "user": "u2"}, "action": {"do": "expire_token"}});
    for (user, service, path, ask, by) in [
        ("u1", C, "kick", json!({"user": "u1"}), "ended by POST /_mock/kick"),
        ("u2", C, "faults", expire, "ended by the fault expire_token"),
        ("u3", C, "kick", json!({"user": "u3", "service": "charisma"}), "ended by POST /_mock/kick"),
        ("u4", Service::Saga, "kick", json!({"user": "u4"}), "ended by POST /_mock/kick"),
    ] {
        let token = server.token_for(service, user);
        let bearer = format!("Bearer {token}");
        if service == C {
            let url = server.socket_url(C, "");
            let mut client = Client::try_open(&url, &[("authorization", &bearer)]).await.unwrap();
            assert_eq!(post(&server, &format!("/_mock/{path}"), ask).await.0, 200);
            client.end().await;
            assert!(Client::try_open(&url, &[("authorization", &bearer)]).await.is_err());
        } else {
            let mut first = Sio::with(&server, service, json!({"token": token})).await;
            assert_eq!(post(&server, &format!("/_mock/{path}"), ask).await.0, 200);
            first.until("error").await;
            assert!(Sio::knock(&server, service, json!({"token": token})).await.1.starts_with("44"));
        }
        let failed = Filter { what: Some(Happening::AuthFailed), ..Filter::of(service) };
        let entries = control.wait_for(&failed, 1, Duration::from_secs(10)).await.unwrap();
        let last = entries.last().unwrap();
        assert!(last.detail.contains(by), "{user}: {last:?}");
    }
}

#[tokio::test]
async fn a_drop_may_come_a_while_after_the_message_or_the_upgrade() {
    let server = start(Options::for_tests()).await;
    server.stop_clock(true);
    let later = |matching: Value| json!({"match": matching, "action": {"do": "drop", "code": 1011, "reason": "later", "after": "1h"}});
    post(&server, "/_mock/faults", later(json!({"service": "charisma", "when": "upgrade"}))).await;
    post(&server, "/_mock/faults", later(json!({"service": "saga", "type": "(connect)"}))).await;
    let mut plain = Client::of(&server, C, "u1").await;
    plain.say(subscribe("quiet-1")).await;
    plain.until("/type", "subscribed").await;
    let mut sio = Sio::of(&server, Service::Saga, "u1").await;
    sio.emit(json!(["join_project", "quiet-1"])).await;
    sio.until("joined_project").await;
    server.advance(Duration::from_secs(3600));
    let closed = End::Closed(1011, "later".to_owned());
    assert_eq!(plain.end().await, closed);
    assert_eq!(sio.end().await, closed);
    let accept = later(json!({"when": "accept"}));
    let (status, answer) = post(&server, "/_mock/faults", accept).await;
    assert!(status == 400 && answer["error"].as_str().unwrap().contains("`after`"), "{answer}");
}
