//! TherapyBridge on the wire, seen by a plain client.

mod common;

use std::time::{Duration, SystemTime};

use common::{Client, End, http, post, soon, start};
use serde_json::{Value, json};
use steadfast_mock_server::{Entry, Happening, MockServer, Options, Service};

const T: Service = Service::TherapyBridge;
const ID: &str = "550e8400-e29b-41d4-a716-446655440000";

fn closed(code: u16, reason: &str) -> End {
    End::Closed(code, reason.to_owned())
}

fn url(server: &MockServer, session: &str, token: &str) -> String {
    format!("{}?token={token}", server.socket_url(T, session))
}

async fn follow(server: &MockServer, session: &str) -> Client {
    Client::open(&url(server, session, &server.token("p1"))).await
}

#[tokio::test]
async fn a_session_goes_through_its_statuses_within_their_ranges() {
    let server = start(Options::for_tests()).await;
    let mut client = follow(&server, ID).await;
    let mut statuses = Vec::new();
    let mut created = None;
    let end = loop {
        let frame: Value = match client.next().await {
            Ok(text) => serde_json::from_str(&text).unwrap(),
            Err(end) => break end,
        };
        assert_eq!(frame["session_id"], ID);
        let progress = frame["progress"].as_u64().unwrap();
        let status = frame["status"].as_str().unwrap().to_owned();
        let range = match status.as_str() {
            "uploading" => 0..=20,
            "transcribing" => 20..=60,
            "transcribed" => 60..=60,
            "extracting_notes" => 60..=95,
            "processed" => 100..=100,
            other => panic!("{other}"),
        };
        assert!(range.contains(&progress), "{status} {progress}");
        assert!(frame["error"].is_null() && frame["message"].is_string());
        assert_eq!(frame["estimated_time_remaining"].is_null(), status == "processed");
        assert_eq!(*created.get_or_insert(frame["created_at"].clone()), frame["created_at"]);
        assert!(frame["updated_at"].as_str() >= frame["created_at"].as_str());
        statuses.push(status);
    };
    statuses.dedup();
    assert_eq!(statuses, ["uploading", "transcribing", "transcribed", "extracting_notes", "processed"]);
    assert_eq!(end, closed(1000, "Processing complete"));

    // Whoever comes now gets the last progress at once and is told that this was all.
    let mut late = follow(&server, ID).await;
    assert_eq!(late.json().await["status"], "processed");
    assert_eq!(late.end().await, closed(1000, "Processing complete"));
    server.shutdown().await;
}

fn refusals(server: &MockServer) -> [(String, &'static str, u16); 6] {
    let authority = server.authority();
    let hour = Duration::from_secs(3600);
    let past = authority.issue_until("p1", "patient", SystemTime::now() - Duration::from_secs(5));
    let inactive = authority.issue("inactive-p1", "patient", hour);
    server.own(T, "hers", Some("p2"), &[]);
    let token = server.token("p1");
    [
        (server.socket_url(T, ID), "Authentication required", 403),
        (url(server, ID, &past), "Invalid authentication", 403),
        (url(server, ID, &inactive), "Invalid authentication", 403),
        (url(server, "missing-1", &token), "Session not found", 404),
        (url(server, "denied-1", &token), "Not authorized to access this session", 403),
        (url(server, "hers", &token), "Not authorized to access this session", 403),
    ]
}

#[tokio::test]
async fn refusals_come_after_the_upgrade_or_before_it() {
    let server = start(Options::for_tests()).await;
    for (url, reason, status) in refusals(&server) {
        server.set("therapybridge.refuse", "after").unwrap();
        assert_eq!(Client::open(&url).await.end().await, closed(1008, reason));
        server.set("therapybridge.refuse", "before").unwrap();
        let refusal = Client::try_open(&url, &[]).await.err().unwrap();
        assert_eq!(refusal, (status, json!({"error": reason})));
    }
}

#[tokio::test]
async fn therapists_and_admins_see_every_session() {
    let server = start(Options::for_tests()).await;
    server.own(T, "hers", Some("p2"), &[]);
    for role in ["therapist", "admin"] {
        let token = server.authority().issue("t1", role, Duration::from_secs(60));
        for session in ["hers", "denied-1"] {
            let mut client = Client::open(&url(&server, session, &token)).await;
            assert_eq!(client.json().await["session_id"], session);
        }
    }
}

#[tokio::test]
async fn failures_carry_the_last_progress_or_null() {
    let server = start(Options::for_tests()).await;
    let mut client = follow(&server, "fail-1").await;
    let failed = client.until("/status", "failed").await;
    assert!(failed["error"].is_string() && failed["progress"] == 45, "{failed}");
    assert_eq!(client.end().await, closed(1000, "Processing failed"));

    server.set("therapybridge.failed_progress", "null").unwrap();
    let failed = follow(&server, "fail-2").await.until("/status", "failed").await;
    assert_eq!(failed["progress"], Value::Null);
}

#[tokio::test]
async fn a_crash_happens_once_and_the_session_goes_on_meanwhile() {
    let server = start(Options::for_tests()).await;
    let mut client = follow(&server, "crash-1").await;
    assert_eq!(client.end().await, closed(1011, "Internal server error"));
    let mut client = follow(&server, "crash-1").await;
    assert!(client.json().await["progress"].as_u64().unwrap() >= 45, "the current progress comes first");
    client.until("/status", "processed").await;
}

#[tokio::test]
async fn pings_are_json_and_two_unanswered_ones_can_end_it() {
    let server = start(
        Options::for_tests()
            .with("therapybridge.ping_interval=20ms")
            .with("therapybridge.unanswered_pings=close"),
    )
    .await;
    let mut client = follow(&server, "quiet-1").await;
    for _ in 0..4 {
        let ping = client.json().await;
        assert!(ping["type"] == "ping" && ping["timestamp"].is_string());
        client.say(json!({"type": "pong", "timestamp": ping["timestamp"]})).await;
    }
    assert_eq!(client.end().await, closed(1008, "Ping timeout"));

    server.set("therapybridge.unanswered_pings", "ignore").unwrap();
    let mut client = follow(&server, "quiet-1").await;
    for _ in 0..5 {
        assert_eq!(client.json().await["type"], "ping");
    }
}

#[tokio::test]
async fn whatever_a_client_says_acknowledges_pings_and_is_nothing_else() {
    const SAID: [&str; 6] = ["", "hello", "{", "[]", r#"{"type":"subscribe"}"#, r#"{"ack":true}"#];
    let server = start(
        Options::for_tests()
            .with("therapybridge.ping_interval=100ms")
            .with("therapybridge.unanswered_pings=close"),
    )
    .await;
    let mut client = follow(&server, "quiet-1").await;
    for text in SAID {
        assert_eq!(client.json().await["type"], "ping", "still open before {text:?}");
        client.text(text).await;
    }
    let heard = |entry: &Entry| entry.what == Happening::In;
    soon(server.journal().wait_for(|entry| heard(entry) && entry.detail == SAID[5])).await;
    let entries = server.journal().after(0, heard);
    assert_eq!(entries.iter().map(|entry| entry.detail.as_str()).collect::<Vec<_>>(), SAID);
    let report = server.report();
    assert!(report.passed, "{report}");
    assert_eq!(client.end().await, closed(1008, "Ping timeout"), "silence still ends it");
}

#[tokio::test]
async fn expiry_ends_a_session_in_the_middle_unless_ignored() {
    let server = start(Options::for_tests()).await;
    let expire = json!({"action": {"do": "expire_token"}, "match": {"when": "now", "topic": "quiet-1"}});
    let mut client = follow(&server, "quiet-1").await;
    let soon_over = server.authority().issue("p3", "patient", Duration::from_millis(900));
    let mut brief = Client::open(&url(&server, "quiet-2", &soon_over)).await;
    assert_eq!(post(&server, "/_mock/faults", expire.clone()).await.1["applied"], 1);
    assert_eq!(client.end().await, closed(1008, "Invalid authentication"));
    assert_eq!(brief.end().await, closed(1008, "Invalid authentication"));

    server.reset();
    server.set("therapybridge.expired", "ignore").unwrap();
    let mut client = follow(&server, "quiet-1").await;
    post(&server, "/_mock/faults", expire).await;
    assert!(client.silent_for(Duration::from_millis(50)).await);
}

#[tokio::test]
async fn connections_and_connects_can_be_limited() {
    let server = start(Options::for_tests().with("therapybridge.connections_per_user=1")).await;
    let _one = follow(&server, "quiet-1").await;
    assert_eq!(
        Client::try_open(&url(&server, "quiet-2", &server.token("p1")), &[]).await.err().unwrap().0,
        429
    );
    let _other = Client::open(&url(&server, "quiet-2", &server.token("p2"))).await;

    let server = start(Options::for_tests().with("therapybridge.connects_per_minute=2")).await;
    for _ in 0..2 {
        follow(&server, "quiet-1").await;
    }
    assert_eq!(
        Client::try_open(&url(&server, "quiet-1", &server.token("p1")), &[]).await.err().unwrap().0,
        429
    );
}

#[tokio::test]
async fn emitted_progress_is_completed_and_kept() {
    let server = start(Options::for_tests()).await;
    let mut client = follow(&server, "quiet-1").await;
    server.emit(T, "quiet-1", None, json!({"status": "transcribing", "progress": 45})).unwrap();
    assert_eq!(client.json().await["progress"], 45);
    server.emit(T, "quiet-1", Some("failed"), json!({"error": "why"})).unwrap();
    let failed = client.json().await;
    assert_eq!((&failed["progress"], &failed["error"]), (&json!(45), &json!("why")));
    assert_eq!(client.end().await, closed(1000, "Processing failed"));
    assert!(server.emit(T, "quiet-1", None, json!({"progress": 1})).is_err());
}

#[tokio::test]
async fn login_gives_a_token_whose_role_is_in_the_email() {
    let server = start(Options::for_tests()).await;
    let login = async |email: &str, password: &str| {
        post(&server, "/therapybridge/api/v1/login", json!({"email": email, "password": password})).await
    };
    for (email, role) in [("therapist@example.com", "therapist"), ("anna@example.com", "patient")] {
        let (status, body) = login(email, "x").await;
        assert_eq!((status, &body["token_type"], &body["expires_in"]), (200, &json!("bearer"), &json!(3600)));
        let who = server.authority().judge(body["access_token"].as_str().unwrap()).unwrap();
        assert_eq!((who.sub.as_str(), who.role.as_str()), (email, role));
    }
    assert_eq!(login("nobody", "x").await.0, 400);
    assert_eq!(login("a@b", "").await.0, 401);
    let (status, _, body) = http(&server, "POST /therapybridge/api/v1/login", "", "{").await;
    assert!(status == 400 && body["error"].is_string());
}
