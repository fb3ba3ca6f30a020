//! Saga on the wire, seen by a plain client.

mod common;
mod sio;

use std::time::Duration;

use common::{End, get, http, post, soon, start};
use serde_json::{Value, json};
use sio::{Poller, Sio};
use steadfast_mock_server::{Happening, MockServer, Options, Service};

const S: Service = Service::Saga;
const EVENTS: [&str; 9] = [
    "story_uploaded",
    "story_processing",
    "transcript_updated",
    "story_processed",
    "interaction_added",
    "interaction_updated",
    "export_started",
    "export_progress",
    "export_ready",
];

async fn join(sio: &mut Sio, project: &str) {
    sio.emit(json!(["join_project", project])).await;
    assert_eq!(sio.event().await, ("joined_project".to_owned(), json!({"projectId": project})));
}

/// The events of a project up to this one.
async fn follow(sio: &mut Sio, last: &str) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while events.last().is_none_or(|(name, _)| name != last) {
        events.push(sio.event().await);
    }
    events
}

fn expire(user: &str) -> Value {
    json!({"action": {"do": "expire_token"}, "match": {"when": "now", "user": user}})
}

#[tokio::test]
async fn a_project_is_followed_from_story_to_export() {
    let server = start(Options::for_tests()).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    join(&mut sio, "p1").await;
    let events = follow(&mut sio, "export_ready").await;
    assert!(events.iter().all(|(_, data)| data["projectId"] == "p1"), "{events:?}");
    let mut names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    assert_eq!(names, EVENTS);
    let of = |name: &str| &events.iter().find(|(n, _)| n == name).unwrap().1;
    let story = &of("story_uploaded")["story"];
    assert!(story["title"].is_string() && of("story_uploaded")["uploadedBy"].is_string());
    for name in &EVENTS[1..6] {
        assert_eq!(of(name)["storyId"], story["id"], "{name}");
    }
    assert!(of("transcript_updated")["transcript"].is_string());
    for name in &EVENTS[4..6] {
        let interaction = &of(name)["interaction"];
        assert!(interaction["id"].is_string() && interaction["content"].is_string());
        assert_eq!(interaction["type"], "question");
    }
    let progress: Vec<_> =
        events.iter().filter_map(|(_, d)| d.get("progress")).map(|p| p.as_u64().unwrap()).collect();
    assert_eq!(progress, [25, 50, 75, 100]);
    assert!(of("export_ready")["downloadUrl"].as_str().unwrap().starts_with("https://"));
    assert!(EVENTS[6..].iter().all(|name| of(name)["exportId"] == of("export_started")["exportId"]));
}

#[tokio::test]
async fn only_a_good_token_in_the_connect_packet_is_let_in() {
    let server = start(Options::for_tests()).await;
    let refusal = json!({"message": "Authentication failed", "data": {"code": "AUTH_FAILED"}});
    let late = server.authority().issue_until("u1", "storyteller", std::time::SystemTime::UNIX_EPOCH);
    for auth in [
        Value::Null,
        json!({}),
        json!({"token": ""}),
        json!({"token": "x"}),
        json!({"token": 7}),
        json!({"token": late}),
    ] {
        let (mut sio, first) = Sio::knock(&server, S, auth.clone()).await;
        let body: Value = serde_json::from_str(first.strip_prefix("44").unwrap()).unwrap();
        assert_eq!(body, refusal, "{auth}");
        // The engine's session stays: a better token may follow.
        sio.0.text(&format!("40{}", json!({"token": server.token("u1")}))).await;
        assert!(sio.packet().await.unwrap().starts_with("40{\"sid\":"));
    }
    let entry = soon(server.journal().wait_for(|e| e.what == Happening::Authenticated)).await;
    assert_eq!(entry.user.as_deref(), Some("u1"));
}

#[tokio::test]
async fn refused_projects_name_themselves_unless_told_otherwise() {
    let server = start(Options::for_tests()).await;
    server.own(S, "hers", Some("u2"), &[]);
    server.own(S, "shared", Some("u2"), &["u1"]);
    let mut sio = Sio::of(&server, S, "u1").await;
    for project in ["missing-1", "denied-1", "hers", "40300000-e29b-41d4-a716-446655440000"] {
        sio.emit(json!(["join_project", project])).await;
        let (name, error) = sio.event().await;
        assert_eq!((name.as_str(), &error["code"]), ("error", &json!("PROJECT_ACCESS_DENIED")));
        assert!(error["message"].is_string() && error["projectId"] == project, "{error}");
    }
    join(&mut sio, "shared").await;
    server.set("saga.refusal_id", "off").unwrap();
    sio.emit(json!(["join_project", "hers"])).await;
    let error = sio.until("error").await;
    assert_eq!((&error["code"], error.get("projectId")), (&json!("PROJECT_ACCESS_DENIED"), None));
}

#[tokio::test]
async fn facilitators_and_storytellers_may_join_and_no_other_role() {
    let server = start(Options::for_tests()).await;
    for (role, welcome) in
        [("facilitator", true), ("storyteller", true), ("", true), ("patient", false), ("admin", false)]
    {
        let token = server.authority().issue("u1", role, Duration::from_secs(60));
        let mut sio = Sio::with(&server, S, json!({"token": token})).await;
        sio.emit(json!(["join_project", "quiet-1"])).await;
        let (name, data) = sio.event().await;
        assert_eq!(name == "joined_project", welcome, "{role}: {data}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_rejected_without_closing() {
    let server = start(Options::for_tests()).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    let long = "x".repeat(257);
    for packet in [
        json!(["dance"]),
        json!(["join_project"]),
        json!(["join_project", 7]),
        json!(["join_project", ""]),
        json!(["join_project", long]),
        json!(["join_project", {"projectId": "p"}]),
        json!(["join_project", "p", "q"]),
        json!(["leave_project", null]),
        json!(["ping", 1]),
        json!(["subscribe", "p"]),
    ] {
        sio.emit(packet.clone()).await;
        assert_eq!(sio.event().await.1["code"], "INVALID_MESSAGE", "{packet}");
    }
    sio.emit(json!(["ping"])).await;
    assert_eq!(sio.packet().await.unwrap(), r#"42["pong"]"#);
}

#[tokio::test]
async fn the_rate_limit_is_the_users_and_slides() {
    let options = Options::for_tests().with("saga.rate_limit=4").with("saga.rate_window=300ms");
    let server = start(options).await;
    let mut one = Sio::of(&server, S, "u1").await;
    let mut two = Sio::of(&server, S, "u1").await;
    let mut other = Sio::of(&server, S, "u2").await;
    join(&mut one, "quiet-1").await;
    one.emit(json!(["leave_project", "quiet-1"])).await;
    one.until("left_project").await;
    two.emit(json!(["ping"])).await;
    two.until("pong").await;
    two.emit(json!(["nonsense"])).await;
    assert_eq!(two.until("error").await["code"], "INVALID_MESSAGE");
    let excess = json!({"code": "RATE_LIMIT_EXCEEDED", "message": "rate_limit_exceeded"});
    for client in [&mut one, &mut two] {
        client.emit(json!(["ping"])).await;
        assert_eq!(client.until("error").await, excess);
    }
    other.emit(json!(["ping"])).await;
    other.until("pong").await;
    tokio::time::sleep(Duration::from_millis(310)).await;
    let mut again = Sio::of(&server, S, "u1").await;
    again.emit(json!(["ping"])).await;
    again.until("pong").await;
}

#[tokio::test]
async fn by_default_a_hundred_events_a_minute_are_taken() {
    let server = start(Options::for_tests()).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    for _ in 0..101 {
        sio.emit(json!(["ping"])).await;
    }
    for _ in 0..100 {
        assert_eq!(sio.packet().await.unwrap(), r#"42["pong"]"#);
    }
    assert_eq!(sio.event().await.1["code"], "RATE_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_token_that_expires_ends_the_session_with_41() {
    let server = start(Options::for_tests()).await;
    let brief = server.authority().issue("u1", "storyteller", Duration::from_millis(100));
    let mut sio = Sio::with(&server, S, json!({"token": brief})).await;
    join(&mut sio, "quiet-1").await;
    let error = sio.until("error").await;
    assert_eq!(error["code"], "TOKEN_EXPIRED");
    assert!(error["message"].is_string());
    assert_eq!(sio.packet().await.unwrap(), "41");
    server.emit(S, "quiet-1", Some("story_processed"), json!({})).unwrap();
    assert!(sio.0.silent_for(Duration::from_millis(40)).await, "nothing comes after 41");
    sio.0.text(&format!("40{}", json!({"token": server.token("u1")}))).await;
    assert!(sio.packet().await.unwrap().starts_with("40{"));

    let mut sio = Sio::of(&server, S, "u2").await;
    post(&server, "/_mock/faults", expire("u2")).await;
    assert_eq!(sio.until("error").await["code"], "TOKEN_EXPIRED");
    assert_eq!(sio.packet().await.unwrap(), "41");

    let poller = Poller::open(&server, S).await;
    poller.say(&format!("40{}", json!({"token": server.token("u3")}))).await;
    poller.packets().await;
    let (packets, _) = tokio::join!(poller.packets(), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        post(&server, "/_mock/faults", expire("u3")).await
    });
    assert!(packets[0].contains("TOKEN_EXPIRED") && packets[1] == "41", "{packets:?}");
}

#[tokio::test]
async fn a_shutdown_is_announced_and_followed_by_the_end_or_by_41() {
    let server = start(Options::for_tests()).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    let (_, ()) = tokio::join!(server.shutdown(), async {
        assert!(sio.until("server_shutdown").await["message"].is_string());
        assert_eq!(sio.end().await, End::Closed(1001, "Server shutting down".to_owned()));
    });

    let server = start(Options::for_tests().with("saga.shutdown=disconnect")).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    let (_, ()) = tokio::join!(server.shutdown(), async {
        sio.until("server_shutdown").await;
        assert_eq!(sio.packet().await.unwrap(), "41");
        assert_eq!(sio.end().await, End::Closed(1001, "Server shutting down".to_owned()));
    });

    // A tester says it on a project: only its members are concerned.
    let server = start(Options::for_tests()).await;
    for (switch, data) in [("close", json!({})), ("disconnect", Value::Null)] {
        server.set("saga.shutdown", switch).unwrap();
        let mut sio = Sio::of(&server, S, "u1").await;
        join(&mut sio, "quiet-1").await;
        server.emit(S, "quiet-1", Some("server_shutdown"), data.clone()).unwrap();
        assert_eq!(sio.event().await, ("server_shutdown".to_owned(), data));
        if switch == "disconnect" {
            assert_eq!(sio.packet().await.unwrap(), "41");
        } else {
            assert_eq!(sio.end().await, End::Closed(1001, "Server shutting down".to_owned()));
        }
    }
}

#[tokio::test]
async fn projects_with_a_meaning_fail_crash_and_stay_quiet() {
    let server = start(Options::for_tests()).await;
    let mut sio = Sio::of(&server, S, "u1").await;
    join(&mut sio, "fail-1").await;
    let events = follow(&mut sio, "export_failed").await;
    let failed = &events.last().unwrap().1;
    assert!(failed["error"].is_string() && failed["exportId"].is_string() && failed["projectId"] == "fail-1");
    join(&mut sio, "quiet-1").await;
    assert!(sio.0.silent_for(Duration::from_millis(60)).await);
    join(&mut sio, "crash-1").await;
    follow(&mut sio, "story_processing").await;
    assert_eq!(sio.end().await, End::Closed(1011, "Internal server error".to_owned()));
    let mut sio = Sio::of(&server, S, "u1").await;
    join(&mut sio, "crash-1").await;
    follow(&mut sio, "export_ready").await; // it went on meanwhile and crashes once only
}

#[tokio::test]
async fn emitted_events_reach_all_members_or_one_user_and_need_a_name() {
    let server = start(Options::for_tests()).await;
    let mut one = Sio::of(&server, S, "u1").await;
    let mut two = Sio::of(&server, S, "u2").await;
    join(&mut one, "quiet-1").await;
    join(&mut two, "quiet-1").await;
    let ask = |event: Value, to: Value| json!({"service": "saga", "topic": "quiet-1", "event": event, "data": {"storyId": "s"}, "to": to});
    let told = ("story_processed".to_owned(), json!({"projectId": "quiet-1", "storyId": "s"}));
    assert_eq!(emit(&server, ask(json!("story_processed"), Value::Null)).await, 2);
    assert_eq!((one.event().await, two.event().await), (told.clone(), told.clone()));
    assert_eq!(emit(&server, ask(json!("story_processed"), json!("u2"))).await, 1);
    assert_eq!(two.event().await, told);
    let (status, body) = post(&server, "/_mock/emit", ask(Value::Null, Value::Null)).await;
    assert!(status == 400 && body["error"].as_str().unwrap().contains("event"), "{body}");
    one.emit(json!(["leave_project", "quiet-1"])).await;
    assert_eq!(one.event().await, ("left_project".to_owned(), json!({"projectId": "quiet-1"})));
    assert_eq!(emit(&server, ask(json!("new_event"), Value::Null)).await, 1);
    assert_eq!(two.event().await.0, "new_event");
    two.0.text("41").await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(emit(&server, ask(json!("new_event"), Value::Null)).await, 0);
}

async fn emit(server: &MockServer, ask: Value) -> u64 {
    let (status, body) = post(server, "/_mock/emit", ask).await;
    assert_eq!(status, 200, "{body}");
    body["delivered"].as_u64().unwrap()
}

#[tokio::test]
async fn health_and_statistics_have_the_documented_shape() {
    let server = start(Options::for_tests()).await;
    let mut one = Sio::of(&server, S, "u1").await;
    let mut two = Sio::of(&server, S, "u2").await;
    join(&mut one, "quiet-1").await;
    join(&mut two, "quiet-1").await;
    join(&mut two, "quiet-2").await;
    let (answer, health) = get(&server, "/saga/api/websocket/health").await;
    assert_eq!((answer, &health["status"]), (200, &json!("healthy")));
    assert_eq!((&health["totalConnections"], &health["projectCount"]), (&json!(2), &json!(2)));
    assert!(health["uptime"].as_f64().unwrap() >= 0.0);

    assert_eq!(get(&server, "/saga/api/websocket/stats").await.0, 401);
    let bearer = format!("authorization: Bearer {}\r\n", server.token("u1"));
    let (answer, _, numbers) = http(&server, "GET /saga/api/websocket/stats", &bearer, "").await;
    assert_eq!(answer, 200);
    assert_eq!(
        numbers,
        json!({"totalConnections": 2, "projectCount": 2, "userCount": 2,
            "projectConnections": [
                {"projectId": "quiet-1", "connectionCount": 2},
                {"projectId": "quiet-2", "connectionCount": 1},
            ],
            "rateLimitStats": {"activeUsers": 2, "rateLimitWindow": 60000, "maxEventsPerWindow": 100}})
    );
}
