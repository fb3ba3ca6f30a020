//! DocProc on the wire, seen by a plain client.

mod common;
mod sio;

use std::time::Duration;

use common::{Client, End, get, http, post, start};
use serde_json::{Value, json};
use sio::{Poller, Sio, address};
use steadfast_mock_server::{MockServer, Options, Service};

const D: Service = Service::DocProc;
const RESPOND: &str = "/docproc/api/wizard/clarifications/respond";

async fn guest(server: &MockServer) -> Sio {
    let mut sio = Sio::with(server, D, Value::Null).await;
    assert_eq!(sio.event().await.0, "connected");
    sio
}

async fn subscribe(sio: &mut Sio, session: &str) {
    sio.emit(json!(["subscribe", session])).await;
    let (name, data) = sio.event().await;
    assert_eq!((name.as_str(), &data["sessionId"]), ("subscribed", &json!(session)));
    is_time(&data["timestamp"]);
}

fn is_time(value: &Value) {
    let text = value.as_str().expect("a timestamp");
    assert!(text.len() == 24 && text.ends_with('Z') && text.as_bytes()[10] == b'T', "{text}");
}

async fn answer(server: &MockServer, id: &Value) -> (u16, Value) {
    post(server, RESPOND, json!({"clarificationId": id, "answer": "Without tax."})).await
}

#[tokio::test]
async fn a_session_is_followed_to_its_result_and_its_question_waits() {
    let server = start(Options::for_tests().with("docproc.clarification=wait")).await;
    let (mut sio, first) = Sio::knock(&server, D, Value::Null).await;
    let sid: Value = serde_json::from_str(&first[2..]).unwrap();
    let (name, greeting) = sio.event().await;
    assert_eq!((name.as_str(), &greeting["socketId"]), ("connected", &sid["sid"]));
    is_time(&greeting["timestamp"]);
    subscribe(&mut sio, "s1").await;

    let mut events = Vec::new();
    while events.last().is_none_or(|(name, _): &(String, Value)| name != "clarification") {
        events.push(sio.event().await);
    }
    let asked = events.last().unwrap().1.clone();
    assert_eq!((&asked["status"], asked["question"].is_string()), (&json!("pending"), true));
    let last = sio.until("progress").await;
    assert_eq!((&last["hasClarifications"], &last["clarificationCount"]), (&json!(true), &json!(1)));
    assert!(sio.0.silent_for(Duration::from_millis(80)).await, "it waits");
    let (status, body) = answer(&server, &asked["clarificationId"]).await;
    assert_eq!(
        (status, body),
        (200, json!({"clarificationId": asked["clarificationId"], "status": "answered"}))
    );
    while events.last().is_none_or(|(name, _)| name != "completed") {
        events.push(sio.event().await);
    }
    assert_eq!(answer(&server, &asked["clarificationId"]).await.0, 400);

    for (name, data) in &events {
        assert_eq!(data["sessionId"], "s1", "{name}");
        assert_eq!(data.get("sequence"), None);
        is_time(&data["timestamp"]);
    }
    let all = |name: &str| events.iter().filter(|(n, _)| n == name).map(|(_, d)| d).collect::<Vec<_>>();
    let mut statuses: Vec<_> = all("progress").iter().map(|d| d["status"].as_str().unwrap()).collect();
    statuses.dedup();
    assert_eq!(statuses, ["ACTIVE", "PROCESSING", "COMPLETED"]);
    let mut last = 0;
    for data in all("progress") {
        let prompts = |key: &str| data["prompts"][key].as_u64().unwrap();
        let parts = ["completed", "processing", "pending", "failed"].map(prompts);
        assert_eq!(parts.iter().sum::<u64>(), prompts("total"), "{data}");
        let progress = data["progress"].as_u64().unwrap();
        assert!(progress >= last && progress <= 100);
        last = progress;
        assert!(data["hasClarifications"].is_boolean() && data["clarificationCount"].is_u64());
    }
    let models = all("model_result");
    assert!(models.len() >= 4);
    for pair in models.chunks(2) {
        assert_eq!((&pair[0]["status"], &pair[1]["status"]), (&json!("processing"), &json!("completed")));
        assert_eq!(pair[0]["modelName"], pair[1]["modelName"]);
        assert!(pair[1]["result"].as_str().unwrap().len() > 5 && pair[1]["duration"].as_u64().unwrap() > 0);
    }
    let told = all("clarification");
    assert_eq!((told.len(), &told[1]["status"]), (2, &json!("answered")));
    assert_eq!(told[0]["clarificationId"], told[1]["clarificationId"]);
    let done = all("progress").pop().unwrap().clone();
    assert_eq!((&done["hasResult"], &done["progress"]), (&json!(true), &json!(100)));
    assert_eq!(all("completed")[0]["result"], done["result"]);
    assert_eq!(get(&server, "/docproc/api/wizard/session/s1").await, (200, done));
}

#[tokio::test]
async fn a_question_that_nobody_answers_for_five_seconds_is_answered_by_default() {
    let server = start(Options { step: Duration::from_millis(10), ..Options::for_tests() }).await;
    server.stop_clock(true);
    let mut sio = guest(&server).await;
    subscribe(&mut sio, "s1").await;
    // It is asked after five steps.
    server.advance(Duration::from_millis(50));
    let asked = sio.until("clarification").await;
    assert_eq!(asked["status"], "pending");
    sio.until("progress").await;
    let advance = async |by: &str| post(&server, "/_mock/clock", json!({"advance": by})).await.0;
    assert_eq!(advance("4999ms").await, 200);
    assert!(sio.0.silent_for(Duration::from_millis(80)).await, "there is time left, whatever a step is");
    assert_eq!(advance("1ms").await, 200);
    let answered = sio.until("clarification").await;
    assert_eq!(
        (&answered["status"], &answered["clarificationId"]),
        (&json!("answered"), &asked["clarificationId"])
    );
    assert_eq!(answer(&server, &asked["clarificationId"]).await.0, 400, "too late");
    server.stop_clock(false);
    sio.until("completed").await;
}

#[tokio::test]
async fn a_question_that_is_answered_in_time_does_not_wait() {
    let server = start(Options::for_tests()).await;
    let mut sio = guest(&server).await;
    subscribe(&mut sio, "s1").await;
    let asked = sio.until("clarification").await;
    server.stop_clock(true);
    assert_eq!(answer(&server, &asked["clarificationId"]).await.0, 200);
    assert_eq!(sio.until("clarification").await["status"], "answered");
    server.stop_clock(false);
    sio.until("completed").await;
}

#[tokio::test]
async fn a_clarification_can_answer_itself() {
    let server = start(Options::for_tests().with("docproc.clarification=auto")).await;
    let mut sio = guest(&server).await;
    subscribe(&mut sio, "s1").await;
    assert_eq!(sio.until("clarification").await["status"], "pending");
    assert_eq!(sio.until("clarification").await["status"], "answered");
    sio.until("completed").await;
}

#[tokio::test]
async fn emitted_clarifications_can_be_answered_and_wrong_answers_are_refused() {
    let server = start(Options::for_tests()).await;
    let mut sio = guest(&server).await;
    subscribe(&mut sio, "quiet-1").await;
    let data = json!({"clarificationId": "c1", "question": "Why?", "status": "pending"});
    server.emit(D, "quiet-1", Some("clarification"), data).unwrap();
    let asked = sio.until("clarification").await;
    assert_eq!((&asked["sessionId"], &asked["question"]), (&json!("quiet-1"), &json!("Why?")));
    for body in [
        json!({}),
        json!({"clarificationId": "c1"}),
        json!({"clarificationId": "c1", "answer": 7}),
        json!({"clarificationId": "c1", "answer": ""}),
        json!({"clarificationId": "c1", "answer": "x", "y": 1}),
    ] {
        let (status, error) = post(&server, RESPOND, body.clone()).await;
        assert!(status == 400 && error["error"].is_string(), "{body}");
    }
    assert_eq!(answer(&server, &json!("c2")).await.0, 404);
    assert_eq!(answer(&server, &json!("c1")).await.0, 200);
    assert_eq!(sio.until("clarification").await["status"], "answered");
    assert_eq!(answer(&server, &json!("c1")).await.0, 400);
}

#[tokio::test]
async fn refused_sessions_name_themselves_and_the_connection_stays() {
    let server = start(Options::for_tests()).await;
    server.own(D, "hers", Some("u2"), &[]);
    let mut sio = guest(&server).await;
    for (session, text) in [
        ("missing-1", "Session not found"),
        ("denied-1", "Not allowed"),
        ("hers", "Not allowed"),
        ("40400000-e29b-41d4-a716-446655440000", "Session not found"),
    ] {
        sio.emit(json!(["subscribe", session])).await;
        let (name, error) = sio.event().await;
        assert_eq!(
            (name.as_str(), &error["sessionId"], &error["error"]),
            ("error", &json!(session), &json!(text))
        );
        is_time(&error["timestamp"]);
    }
    assert_eq!(get(&server, "/docproc/api/wizard/session/missing-1").await.0, 404);
    assert_eq!(get(&server, "/docproc/api/wizard/session/hers").await.0, 403);
    let mut owner = Sio::of(&server, D, "u2").await;
    owner.until("connected").await;
    subscribe(&mut owner, "hers").await;
    let bearer = format!("authorization: Bearer {}\r\n", server.token("u2"));
    assert_eq!(http(&server, "GET /docproc/api/wizard/session/hers", &bearer, "").await.0, 200);
}

#[tokio::test]
async fn what_is_not_understood_is_rejected_without_closing() {
    let server = start(Options::for_tests()).await;
    let mut sio = guest(&server).await;
    for packet in [
        json!(["dance"]),
        json!(["subscribe"]),
        json!(["subscribe", 7]),
        json!(["subscribe", ""]),
        json!(["subscribe", {"sessionId": "s"}]),
        json!(["unsubscribe", "a", "b"]),
    ] {
        sio.emit(packet.clone()).await;
        let (name, error) = sio.event().await;
        assert_eq!(name, "error");
        assert!(error["error"].is_string() && error.get("sessionId").is_none(), "{packet}: {error}");
    }
    subscribe(&mut sio, "quiet-1").await;
    sio.emit(json!(["unsubscribe", "quiet-1"])).await;
    assert_eq!(sio.until("unsubscribed").await["sessionId"], "quiet-1");
    assert_eq!(server.emit(D, "quiet-1", None, json!({"status": "FAILED"})).unwrap(), 0);
}

#[tokio::test]
async fn a_required_token_may_stand_in_three_places() {
    let server = start(Options::for_tests().with("docproc.auth=on")).await;
    let token = server.token("u1");
    let refused = r#"44{"message":"Authentication failed","data":{"code":"AUTH_FAILED"}}"#;
    for auth in [Value::Null, json!({"token": "bad"})] {
        assert_eq!(Sio::knock(&server, D, auth).await.1, refused);
    }
    assert!(Sio::knock(&server, D, json!({"token": token})).await.1.starts_with("40{"));

    let query = address(&server, D, &format!("EIO=4&transport=websocket&token={token}"));
    let header = address(&server, D, "EIO=4&transport=websocket");
    let bearer = format!("Bearer {token}");
    for (url, headers) in [(query, vec![]), (header, vec![("authorization", bearer.as_str())])] {
        let mut client = Client::try_open(&url, &headers).await.ok().unwrap();
        assert!(client.next().await.unwrap().starts_with("0{"));
        client.text("40").await;
        assert!(client.next().await.unwrap().starts_with("40{"));
    }
    assert_eq!(get(&server, "/docproc/api/wizard/session/s").await.0, 401);
    assert_eq!(answer(&server, &json!("c")).await.0, 401);
    let bearer = format!("authorization: Bearer {token}\r\n");
    assert_eq!(http(&server, "GET /docproc/api/wizard/session/s", &bearer, "").await.2["status"], "ACTIVE");

    let brief = server.authority().issue("u1", "user", Duration::from_millis(100));
    let mut sio = Sio::with(&server, D, json!({"token": brief})).await;
    let error = sio.until("error").await;
    assert_eq!((&error["code"], error["error"].is_string()), (&json!("TOKEN_EXPIRED"), true));
    assert_eq!(sio.packet().await.unwrap(), "41");
}

#[tokio::test]
async fn without_authentication_tokens_mean_little() {
    let server = start(Options::for_tests()).await;
    let mut sio = Sio::with(&server, D, json!({"token": "bad"})).await;
    sio.until("connected").await;
    let brief = server.authority().issue("u1", "user", Duration::from_millis(50));
    let mut sio = Sio::with(&server, D, json!({"token": brief})).await;
    sio.until("connected").await;
    assert_eq!(server.connections()[1].user.as_deref(), Some("u1"));
    assert!(sio.0.silent_for(Duration::from_millis(1100)).await, "its end is nobody's business");
}

#[tokio::test]
async fn subscribes_can_be_limited() {
    let server = start(Options::for_tests().with("docproc.subscribe_limit=2")).await;
    let mut sio = guest(&server).await;
    subscribe(&mut sio, "quiet-1").await;
    subscribe(&mut sio, "quiet-2").await;
    sio.emit(json!(["subscribe", "quiet-3"])).await;
    let error = sio.until("error").await;
    assert_eq!((&error["sessionId"], &error["error"]), (&json!("quiet-3"), &json!("Rate limit exceeded")));
    let mut other = guest(&server).await;
    subscribe(&mut other, "quiet-3").await; // the limit is the connection's
}

#[tokio::test]
async fn the_greeting_can_be_left_out_and_a_sequence_added() {
    let server = start(Options::for_tests().with("docproc.connected=off").with("docproc.sequence=on")).await;
    let mut sio = Sio::with(&server, D, Value::Null).await;
    subscribe(&mut sio, "s1").await;
    let mut numbers = Vec::new();
    for _ in 0..6 {
        numbers.push(sio.event().await.1["sequence"].as_u64().unwrap());
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    sio.emit(json!(["subscribe", "quiet-1"])).await;
    sio.until("subscribed").await; // the flow of the first one may still go on
    server.emit(D, "quiet-1", None, json!({"status": "ACTIVE"})).unwrap();
    server.emit(D, "quiet-1", None, json!({"status": "ACTIVE", "sequence": 77})).unwrap();
    let mut quiet = Vec::new();
    while quiet.len() < 2 {
        let (_, data) = sio.event().await;
        if data["sessionId"] == "quiet-1" {
            quiet.push(data["sequence"].clone());
        }
    }
    assert_eq!(quiet, [json!(1), json!(77)]);
}

#[tokio::test]
async fn sessions_with_a_meaning_fail_crash_and_stay_quiet() {
    let slow = Options { step: Duration::from_millis(40), ..Options::for_tests() };
    let server = start(slow.with("docproc.clarification=auto")).await;
    let mut sio = guest(&server).await;
    subscribe(&mut sio, "fail-1").await;
    let failed = loop {
        let result = sio.until("model_result").await;
        if result["status"] == "failed" {
            break result;
        }
    };
    assert!(failed["error"].is_string());
    assert_eq!(sio.until("error").await["sessionId"], "fail-1");
    assert_eq!(sio.until("progress").await["status"], "FAILED");
    subscribe(&mut sio, "quiet-1").await;
    assert!(sio.0.silent_for(Duration::from_millis(60)).await);
    subscribe(&mut sio, "crash-1").await;
    assert_eq!(sio.end().await, End::Closed(1011, "Internal server error".to_owned()));
    // It goes on meanwhile; on a busy machine it would be over before the client is back.
    server.stop_clock(true);
    let mut sio = guest(&server).await;
    subscribe(&mut sio, "crash-1").await;
    server.stop_clock(false);
    sio.until("completed").await; // it crashes once only
}

#[tokio::test]
async fn a_crash_over_polling_ends_the_engines_session() {
    let server = start(Options::for_tests()).await;
    let poller = Poller::open(&server, D).await;
    poller.say("40\u{1e}42[\"subscribe\",\"crash-1\"]").await;
    poller.until("1").await;
    assert_eq!(poller.get().await.0, 400);
}

#[tokio::test]
async fn rest_knows_sessions_before_and_after_something_happens() {
    let server = start(Options::for_tests()).await;
    let (status, fresh) = get(&server, "/docproc/api/wizard/session/new").await;
    assert_eq!((status, &fresh["sessionId"], &fresh["status"]), (200, &json!("new"), &json!("ACTIVE")));
    server.emit(D, "new", None, json!({"status": "EXPIRED", "progress": 3})).unwrap();
    let (_, told) = get(&server, "/docproc/api/wizard/session/new").await;
    assert_eq!((&told["status"], &told["progress"]), (&json!("EXPIRED"), &json!(3)));
}
