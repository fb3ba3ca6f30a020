//! Charisma on the wire, seen by a plain client.

mod common;

use std::time::Duration;

use common::{Client, End, get, post, soon, start, subscribe};
use futures_util::StreamExt;
use serde_json::{Value, json};
use steadfast_mock_server::{Happening, MockServer, Options, Service};
use tokio_tungstenite::tungstenite::Message;

const C: Service = Service::Charisma;

fn closed(code: u16, reason: &str) -> End {
    End::Closed(code, reason.to_owned())
}

async fn anonymous(server: &MockServer) -> Client {
    Client::open(&server.socket_url(C, "")).await
}

#[tokio::test]
async fn a_session_is_followed_from_upload_to_complete() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("session_123")).await;
    assert_eq!(
        client.json().await,
        json!({"type": "subscribed", "sessionId": "session_123", "message": "Subscribed to session updates"})
    );
    let mut uploads = Vec::new();
    let mut statuses = Vec::new();
    loop {
        let message = client.json().await;
        assert_eq!(message["sessionId"], "session_123");
        if message["type"] == "session_upload_progress" {
            uploads.push(message["progress"].as_f64().unwrap());
            continue;
        }
        assert_eq!(message["type"], "session_status");
        let status = message["status"].as_str().unwrap().to_owned();
        if status == "verifying_ocr" {
            assert_eq!(message["ocrResult"][0]["author"], "contact");
            assert!(message["screenshotUrl"].as_str().unwrap().starts_with("https://"));
        }
        statuses.push(status.clone());
        if status == "complete" {
            break;
        }
    }
    assert!((10..=20).contains(&uploads.len()), "{}", uploads.len());
    assert!((uploads[0], *uploads.last().unwrap()) == (0.0, 1.0) && uploads.is_sorted());
    statuses.dedup();
    assert_eq!(statuses, ["uploading", "analysis_in_progress", "verifying_ocr", "complete"]);
    drop(client);
    server.shutdown().await;
}

#[tokio::test]
async fn all_three_ways_to_authenticate_work_and_a_message_is_answered() {
    let server = start(Options::for_tests()).await;
    let token = server.token("u1");
    let by_query = format!("{}?token={token}", server.socket_url(C, ""));
    let mut client = Client::open(&by_query).await;
    client.say(subscribe("quiet-1")).await;
    assert_eq!(client.json().await["type"], "subscribed");

    let mut client = anonymous(&server).await;
    for _ in 0..2 {
        client.say(json!({"action": "authenticate", "payload": {"token": token}})).await;
        assert_eq!(
            client.json().await,
            json!({"type": "authenticated", "message": "Authentication successful"})
        );
    }
    client.say(json!({"action": "unsubscribe", "payload": {"sessionId": "quiet-1"}})).await;
    assert_eq!(
        client.json().await,
        json!({"type": "unsubscribed", "sessionId": "quiet-1", "message": "Unsubscribed from session updates"})
    );
}

#[tokio::test]
async fn bad_tokens_and_silence_are_refused_as_documented() {
    let server = start(Options::for_tests().with("charisma.auth_timeout=30ms")).await;
    let url = server.socket_url(C, "");
    for headers in [[("authorization", "Bearer nonsense")], [("authorization", "Basic dTpw")]] {
        let (status, body) = Client::try_open(&url, &headers).await.err().unwrap();
        assert_eq!(status, 401);
        assert!(body["error"].is_string());
    }
    assert_eq!(Client::try_open(&format!("{url}?token="), &[]).await.err().unwrap().0, 401);

    let mut client = anonymous(&server).await;
    assert_eq!(client.end().await, closed(4401, "Authentication required"));
    let mut client = anonymous(&server).await;
    client.say(json!({"action": "authenticate", "payload": {"token": "bad"}})).await;
    assert_eq!(client.end().await, closed(4401, "Invalid authentication"));
    let mut client = anonymous(&server).await;
    client.say(subscribe("s")).await;
    assert_eq!(client.end().await, closed(4401, "Authentication required"));
}

#[tokio::test]
async fn refused_sessions_name_themselves_and_the_connection_stays() {
    let server = start(Options::for_tests()).await;
    server.own(C, "hers", Some("u2"), &[]);
    server.own(C, "shared", Some("u2"), &["u1"]);
    let mut client = Client::of(&server, C, "u1").await;
    for (session, code) in [
        ("missing-1", "SESSION_NOT_FOUND"),
        ("40400000-e29b-41d4-a716-446655440000", "SESSION_NOT_FOUND"),
        ("denied-1", "FORBIDDEN"),
        ("hers", "FORBIDDEN"),
    ] {
        client.say(subscribe(session)).await;
        let refusal = client.json().await;
        assert_eq!(
            (&refusal["type"], &refusal["sessionId"], &refusal["error"]["code"]),
            (&json!("session_error"), &json!(session), &json!(code))
        );
    }
    client.say(subscribe("shared")).await;
    assert_eq!(client.json().await["type"], "subscribed");
}

#[tokio::test]
async fn what_is_not_understood_is_rejected_without_closing() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, C, "u1").await;
    let actions = "one of `authenticate`, `subscribe`, `unsubscribe`, `pong`";
    for (text, why) in [
        ("", "Not JSON: "),
        ("{", "Not JSON: "),
        ("[]", "A message is a JSON object"),
        ("null", "A message is a JSON object"),
        (
            r#"{"action":"dance","payload":{}}"#,
            &format!("There is no `action` `dance`: it must be {actions}"),
        ),
        (r#"{"action":"subscribe"}"#, "`payload` of `subscribe` is missing: it must be an object"),
        (
            r#"{"action":"subscribe","payload":"s"}"#,
            "`payload` of `subscribe` is a text: it must be an object",
        ),
        (
            r#"{"action":"subscribe","payload":{}}"#,
            "`payload.sessionId` of `subscribe` is missing: it must be a text",
        ),
        (
            r#"{"action":"unsubscribe","payload":{"sessionId":7}}"#,
            "`payload.sessionId` of `unsubscribe` is a number: it must be a text",
        ),
        (
            r#"{"action":"subscribe","payload":{"sessionId":""}}"#,
            "`payload.sessionId` of `subscribe` is empty: an id is expected",
        ),
        (
            r#"{"type":"subscribe","payload":{"sessionId":"s"}}"#,
            &format!("`action` is missing: it must be {actions}"),
        ),
    ] {
        client.text(text).await;
        let error = client.json().await;
        assert_eq!(
            (&error["type"], &error["status"], &error["error"]["code"]),
            (&json!("session_error"), &json!("error"), &json!("INVALID_MESSAGE")),
            "{text}"
        );
        assert_eq!(error.get("sessionId"), None, "{text}");
        let told = error["error"]["message"].as_str().unwrap();
        assert!(told.starts_with(why), "{text}: {told}");
    }
    // A pong needs no payload; one that has it is a pong all the same.
    client.say(json!({"action": "pong"})).await;
    client.say(json!({"action": "pong", "payload": {}})).await;
    client.say(subscribe("quiet-1")).await;
    assert_eq!(client.json().await["type"], "subscribed");
}

#[tokio::test]
async fn a_second_connection_replaces_is_rejected_or_allowed() {
    let server = start(Options::for_tests()).await;
    let mut older = Client::of(&server, C, "u1").await;
    let _newer = Client::of(&server, C, "u1").await;
    assert_eq!(older.end().await, closed(4409, "Replaced by a newer connection"));

    server.set("charisma.replaced_code", "4001").unwrap();
    let mut older = Client::of(&server, C, "u2").await;
    let mut newer = anonymous(&server).await;
    newer.say(json!({"action": "authenticate", "payload": {"token": server.token("u2")}})).await;
    assert_eq!(older.end().await, closed(4001, "Replaced by a newer connection"));

    server.set("charisma.second_connection", "reject").unwrap();
    let bearer = format!("Bearer {}", server.token("u2"));
    let refusal =
        Client::try_open(&server.socket_url(C, ""), &[("authorization", &bearer)]).await.err().unwrap();
    assert_eq!(refusal.0, 409);

    server.set("charisma.second_connection", "allow").unwrap();
    let mut third = Client::of(&server, C, "u2").await;
    for client in [&mut newer, &mut third] {
        client.say(subscribe("quiet-1")).await;
    }
    newer.until("/type", "subscribed").await;
    third.until("/type", "subscribed").await;
}

#[tokio::test]
async fn an_expired_token_is_noticed_at_the_next_message_unless_ignored() {
    let server = start(Options::for_tests()).await;
    let ask = json!({"action": {"do": "expire_token"}, "match": {"when": "now", "user": "u1"}});
    let mut client = Client::of(&server, C, "u1").await;
    assert_eq!(post(&server, "/_mock/faults", ask.clone()).await.1["applied"], 1);
    let error = client.json().await;
    assert_eq!(error["error"]["code"], "UNAUTHORIZED");
    assert_eq!(error.get("sessionId"), None);
    assert_eq!(client.end().await, closed(4401, "Invalid authentication"));

    server.set("charisma.expired", "ignore").unwrap();
    server.reset();
    server.set("charisma.expired", "ignore").unwrap();
    let mut client = Client::of(&server, C, "u1").await;
    post(&server, "/_mock/faults", ask).await;
    client.say(subscribe("quiet-1")).await;
    assert_eq!(client.json().await["type"], "subscribed");
}

#[tokio::test]
async fn heartbeats_are_pings_or_json_or_none_and_silence_ends_the_connection() {
    let options = || Options::for_tests().with("charisma.ping_interval=20ms");
    let server = start(options()).await;
    let mut client = Client::of(&server, C, "u1").await;
    assert!(matches!(soon(client.0.next()).await, Some(Ok(Message::Ping(_)))));

    let server = start(options().with("charisma.heartbeat=json")).await;
    let mut client = Client::of(&server, C, "u1").await;
    assert_eq!(client.json().await, json!({"type": "ping"}));
    client.say(json!({"action": "pong"})).await;
    assert_eq!(client.json().await, json!({"type": "ping"}));

    let server = start(options().with("charisma.heartbeat=none").with("charisma.ping_timeout=40ms")).await;
    let mut client = Client::of(&server, C, "u1").await;
    assert!(client.silent_for(Duration::from_millis(100)).await);

    let server = start(options().with("charisma.ping_timeout=80ms")).await;
    let _silent = Client::of(&server, C, "u1").await; // never read from, so it never answers a ping
    let end = soon(server.journal().wait_for(|e| e.what == Happening::Close)).await;
    assert!(end.detail.contains("silent"), "{}", end.detail);
}

#[tokio::test]
async fn the_flow_waits_for_a_confirmation_when_told_to() {
    let options = Options { ocr_confirm: Some("manual".to_owned()), ..Options::for_tests() };
    let server = start(options).await;
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("s")).await;
    client.until("/status", "verifying_ocr").await;
    assert!(client.silent_for(Duration::from_millis(60)).await);
    assert_eq!(post(&server, "/_mock/confirm", json!({"topic": "s"})).await.0, 200);
    assert_eq!(client.json().await["status"], "complete");
}

#[tokio::test]
async fn topics_with_a_meaning_fail_crash_and_stay_quiet() {
    let server = start(Options::for_tests().with("charisma.replay=on")).await; // it may be over before the client is back
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("fail-1")).await;
    let error = client.until("/type", "session_error").await;
    assert_eq!((&error["error"]["code"], &error["sessionId"]), (&json!("OCR_FAILED"), &json!("fail-1")));

    client.say(subscribe("quiet-1")).await;
    client.json().await;
    assert!(client.silent_for(Duration::from_millis(60)).await);

    client.say(subscribe("crash-1")).await;
    assert_eq!(client.end().await, closed(1011, "Internal server error"));
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("crash-1")).await;
    client.until("/status", "complete").await; // it went on meanwhile and crashes once only
}

#[tokio::test]
async fn emitting_stops_the_flow_reaches_all_and_can_be_replayed() {
    let server = start(Options::for_tests().with("charisma.replay=on")).await;
    let mut one = Client::of(&server, C, "u1").await;
    let mut two = Client::of(&server, C, "u2").await;
    for client in [&mut one, &mut two] {
        client.say(subscribe("quiet-1")).await;
        client.json().await;
    }
    let said = post(
        &server,
        "/_mock/emit",
        json!({"service": "charisma", "topic": "quiet-1", "data": {"status": "complete", "extra": 1}}),
    )
    .await;
    assert_eq!(said, (200, json!({"delivered": 2})));
    let expected =
        json!({"type": "session_status", "sessionId": "quiet-1", "status": "complete", "extra": 1});
    assert_eq!((one.json().await, two.json().await), (expected.clone(), expected.clone()));

    let data = json!({"status": "uploading"});
    let ask = json!({"service": "charisma", "topic": "quiet-1", "data": data, "to": "u2"});
    assert_eq!(post(&server, "/_mock/emit", ask).await.1["delivered"], 1);
    assert_eq!(two.json().await["status"], "uploading");

    let mut late = Client::of(&server, C, "u3").await;
    late.say(subscribe("quiet-1")).await;
    assert_eq!(late.json().await["type"], "subscribed");
    assert_eq!(late.json().await["status"], "uploading");
}

#[tokio::test]
async fn nothing_of_a_session_comes_after_its_unsubscribe() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("s")).await;
    client.until("/type", "session_upload_progress").await;
    client.say(json!({"action": "unsubscribe", "payload": {"sessionId": "s"}})).await;
    client.until("/type", "unsubscribed").await;
    assert!(client.silent_for(Duration::from_millis(60)).await);
    let subscribers: Vec<Value> = get(&server, "/_mock/topics").await.1.as_array().unwrap().clone();
    assert_eq!(subscribers[0]["subscribers"], 0);
}

#[tokio::test]
async fn binary_and_oversize_messages_have_their_answers() {
    use futures_util::SinkExt;
    let server = start(Options::for_tests().with("charisma.max_message=200")).await;
    let mut client = Client::of(&server, C, "u1").await;
    client.0.send(Message::binary(vec![1, 2])).await.unwrap();
    assert_eq!(client.json().await["error"]["code"], "INVALID_MESSAGE");
    client.text(&"x".repeat(201)).await;
    assert_eq!(client.end().await, closed(1009, "Message too big"));
}
