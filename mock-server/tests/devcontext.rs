//! DevContext on the wire, seen by a plain client.

mod common;

use std::time::Duration;

use common::{Client, End, http, start};
use serde_json::{Value, json};
use steadfast_mock_server::{Match, MockServer, Options, ProtocolFault, Rule, Service, When};

const D: Service = Service::DevContext;
const AT: &str = "2024-02-26T10:30:00.000Z";

fn closed(code: u16, reason: &str) -> End {
    End::Closed(code, reason.to_owned())
}

fn message(kind: &str, payload: Value, id: &str) -> Value {
    let mut message = json!({"type": kind, "timestamp": AT, "requestId": id});
    message["payload"] = payload;
    message
}

fn subscribe(analysis: &str, id: &str) -> Value {
    message("subscribe_analysis", json!({"analysisId": analysis}), id)
}

async fn of(server: &MockServer, user: &str) -> Client {
    Client::of(server, D, user).await
}

/// Says something and reads on to the answer with the same id.
async fn ask(client: &mut Client, kind: &str, payload: Value) -> Value {
    client.say(message(kind, payload, kind)).await;
    client.until("/requestId", kind).await
}

#[tokio::test]
async fn an_analysis_completes_in_three_stages() {
    let server = start(Options::for_tests()).await;
    let mut client = of(&server, "u1").await;
    client.say(subscribe("a1", "r1")).await;
    let confirmed = client.json().await;
    assert!(confirmed["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (&confirmed["type"], &confirmed["requestId"], &confirmed["payload"]),
        (
            &json!("subscription_confirmed"),
            &json!("r1"),
            &json!({"analysisId": "a1", "currentStatus": "processing", "completedStages": []})
        )
    );
    let stages = ["project_review", "intelligence_report", "interview_simulation"];
    for (position, progress) in [33, 66, 100].into_iter().enumerate() {
        let stage = client.json().await;
        assert_eq!(stage["type"], "stage_completed");
        assert_eq!(
            stage["payload"],
            json!({"analysisId": "a1", "stage": stages[position], "completedStages": stages[..=position],
                "progress": progress, "dataAvailable": true})
        );
    }
    let late = ask(&mut client, "subscribe_analysis", json!({"analysisId": "a1"})).await;
    assert_eq!(late["payload"]["currentStatus"], "completed");
    assert_eq!(late["payload"]["completedStages"], json!(stages));
    let gone = ask(&mut client, "unsubscribe_analysis", json!({"analysisId": "a1"})).await;
    assert_eq!(gone["type"], "unsubscription_confirmed");

    let auth = format!("authorization: Bearer {}\r\n", server.token("u1"));
    let (status, _, body) = http(&server, "GET /devcontext/api/analysis/a1", &auth, "").await;
    assert_eq!((status, &body["status"]), (200, &json!("completed")));
    assert_eq!(body["stages"].as_object().unwrap().len(), 3);
    for (path, headers, expected) in
        [("a1", "", 401), ("missing-1", auth.as_str(), 404), ("denied-1", auth.as_str(), 403)]
    {
        let (status, _, body) =
            http(&server, &format!("GET /devcontext/api/analysis/{path}"), headers, "").await;
        assert!(status == expected && body["error"].is_string(), "{path} {status}");
    }
    drop(client);
    server.shutdown().await;
}

#[tokio::test]
async fn stages_can_come_as_a_batch() {
    let server = start(Options::for_tests().with("devcontext.batch=on")).await;
    let mut client = of(&server, "u1").await;
    client.say(subscribe("a1", "r1")).await;
    client.json().await;
    let stage = client.json().await;
    assert_eq!(stage["payload"]["completedStages"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&stage["payload"]["progress"], &stage["payload"]["stage"]),
        (&json!(100), &json!("interview_simulation"))
    );
}

#[tokio::test]
async fn a_whole_interview_with_follow_up_pause_and_resume_on_another_connection() {
    let server = start(Options::for_tests()).await;
    let mut client = of(&server, "u1").await;
    let started =
        ask(&mut client, "start_interview", json!({"analysisId": "quiet-1", "sessionType": "live"})).await;
    assert_eq!(started["type"], "interview_started");
    let session = started["payload"]["sessionId"].clone();
    let mut question = started["payload"]["firstQuestion"]["questionId"].clone();
    let total = started["payload"]["totalQuestions"].as_u64().unwrap();
    assert!(total >= 3);
    let mut seen = Vec::new();
    loop {
        let payload =
            json!({"sessionId": session, "questionId": question, "answer": "Because it is stateless."});
        let evaluated = ask(&mut client, "submit_answer", payload).await;
        assert_eq!(evaluated["type"], "answer_evaluated");
        assert_eq!(evaluated["payload"]["questionId"], question);
        assert!((0..=100).contains(&evaluated["payload"]["evaluation"]["score"].as_u64().unwrap()));
        let next = client.json().await;
        let kind = next["type"].as_str().unwrap().to_owned();
        let expected = match evaluated["payload"]["nextAction"].as_str().unwrap() {
            "follow_up" => "follow_up_question",
            "next_question" => "next_question",
            _ => "interview_complete",
        };
        assert_eq!(kind, expected);
        if kind == "follow_up_question" {
            assert_eq!(next["payload"]["relatedToQuestionId"], question);
        }
        seen.push(kind.clone());
        question = next["payload"]["questionId"].clone();
        if kind == "interview_complete" {
            assert_eq!(next["payload"]["summary"]["questionsAnswered"], total + 1);
            break;
        }
        if seen.len() == 2 {
            let paused = ask(&mut client, "pause_interview", json!({"sessionId": session})).await;
            assert_eq!(
                (&paused["type"], &paused["payload"]["canResume"]),
                (&json!("interview_paused"), &json!(true))
            );
            let early = json!({"sessionId": session, "questionId": question, "answer": "x"});
            assert_eq!(ask(&mut client, "submit_answer", early).await["type"], "error");
            client = of(&server, "u1").await;
            let resumed = ask(&mut client, "resume_interview", json!({"sessionId": session})).await;
            assert_eq!(resumed["type"], "interview_resumed");
            assert_eq!(resumed["payload"]["currentQuestion"]["questionId"], question);
        }
    }
    assert_eq!(seen, ["follow_up_question", "next_question", "next_question", "interview_complete"]);
    let over = ask(&mut client, "resume_interview", json!({"sessionId": session})).await;
    assert_eq!(over["payload"]["errorCode"], "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn errors_have_the_documented_codes_and_echo_the_request() {
    let server = start(Options::for_tests()).await;
    server.own(D, "hers", Some("u2"), &[]);
    let mut client = of(&server, "u1").await;
    for (kind, payload, code) in [
        ("subscribe_analysis", json!({"analysisId": "missing-1"}), "ANALYSIS_NOT_FOUND"),
        ("subscribe_analysis", json!({"analysisId": "denied-1"}), "UNAUTHORIZED"),
        ("subscribe_analysis", json!({"analysisId": "hers"}), "UNAUTHORIZED"),
        ("start_interview", json!({"analysisId": "missing-1", "sessionType": "live"}), "ANALYSIS_NOT_FOUND"),
        ("start_interview", json!({"analysisId": "a", "sessionType": "dead"}), "INVALID_MESSAGE_FORMAT"),
        ("pause_interview", json!({"sessionId": "no"}), "SESSION_NOT_FOUND"),
        ("resume_interview", json!({"sessionId": "no"}), "SESSION_NOT_FOUND"),
        ("submit_answer", json!({"sessionId": "no", "questionId": "q", "answer": "a"}), "SESSION_NOT_FOUND"),
        ("submit_answer", json!({"sessionId": "no"}), "INVALID_MESSAGE_FORMAT"),
        ("dance", json!({}), "INVALID_MESSAGE_FORMAT"),
    ] {
        let error = ask(&mut client, kind, payload).await;
        assert_eq!(
            (&error["type"], &error["payload"]["errorCode"]),
            (&json!("error"), &json!(code)),
            "{kind}"
        );
        assert_eq!(error["payload"]["retryable"], false);
    }
    for text in ["", "{", "[]", r#"{"type":"ping","payload":{}}"#] {
        client.text(text).await;
        let error = client.json().await;
        assert_eq!(error["payload"]["errorCode"], "INVALID_MESSAGE_FORMAT", "{text}");
        assert_eq!(error.get("requestId"), None);
    }
    assert_eq!(ask(&mut client, "ping", json!({})).await["type"], "pong");

    server.set("devcontext.echo", "never").unwrap();
    client.say(message("ping", json!({}), "r")).await;
    let pong = client.json().await;
    assert_eq!((&pong["type"], pong.get("requestId")), (&json!("pong"), None));
}

#[tokio::test]
async fn every_way_to_authenticate_and_every_refusal() {
    let server = start(Options::for_tests().with("devcontext.auth_timeout=40ms")).await;
    let url = server.socket_url(D, "");
    let token = server.token("u1");
    assert_eq!(Client::try_open(&url, &[("authorization", "Bearer bad")]).await.err().unwrap().0, 401);
    assert_eq!(Client::open(&url).await.end().await, closed(4401, "Authentication required"));

    let mut client = Client::open(&url).await;
    client.say(subscribe("a1", "r")).await;
    assert_eq!(client.json().await["payload"]["errorCode"], "UNAUTHORIZED");
    assert_eq!(client.end().await, closed(4401, "Unauthorized"));
    let mut client = Client::open(&url).await;
    client.say(message("authenticate", json!({"token": "bad"}), "r")).await;
    assert_eq!(client.json().await["payload"]["errorCode"], "UNAUTHORIZED");
    assert_eq!(client.end().await, closed(4401, "Unauthorized"));

    // No reply to authenticate: the next message is the pong.
    let mut client = Client::open(&url).await;
    client.say(message("authenticate", json!({"token": token}), "r")).await;
    client.say(message("ping", json!({}), "p")).await;
    assert_eq!(client.json().await["type"], "pong");
    server.set("devcontext.authenticated", "on").unwrap();
    client.say(message("authenticate", json!({"token": token}), "r")).await;
    assert_eq!(client.json().await["type"], "authenticated");

    let mut client = Client::open(&format!("{url}?token={token}")).await;
    assert_eq!(ask(&mut client, "ping", json!({})).await["type"], "pong");
    for offer in [format!("bearer, {token}"), token.clone()] {
        let mut client = Client::try_open(&url, &[("sec-websocket-protocol", &offer)]).await.ok().unwrap();
        assert_eq!(ask(&mut client, "ping", json!({})).await["type"], "pong");
    }
}

#[tokio::test]
async fn a_token_that_ends_ends_the_connection_and_a_new_one_keeps_it() {
    let server = start(Options::for_tests()).await;
    let url = server.socket_url(D, "");
    let brief = server.authority().issue("u1", "user", Duration::from_millis(900));
    let open = async || Client::open(&format!("{url}?token={brief}")).await;
    let (mut left, mut renewed) = (open().await, open().await);
    renewed.say(message("authenticate", json!({"token": server.token("u1")}), "r")).await;
    assert_eq!(left.json().await["payload"]["errorCode"], "UNAUTHORIZED");
    assert_eq!(left.end().await, closed(4401, "Unauthorized"));
    assert_eq!(ask(&mut renewed, "ping", json!({})).await["type"], "pong");

    let rule = Rule {
        matching: Match { service: Some(D), when: Some(When::Now), ..Match::default() },
        ..Rule::new(ProtocolFault::ExpireToken)
    };
    assert_eq!(server.fault(rule).unwrap().applied, 1);
    assert_eq!(renewed.end().await, closed(4401, "Unauthorized"));
}

#[tokio::test]
async fn rate_size_idleness_and_age_are_limited() {
    let server = start(Options::for_tests().with("devcontext.rate_limit=2")).await;
    let mut client = of(&server, "u1").await;
    for _ in 0..2 {
        assert_eq!(ask(&mut client, "ping", json!({})).await["type"], "pong");
    }
    let error = ask(&mut client, "ping", json!({})).await;
    assert_eq!(
        (&error["payload"]["errorCode"], &error["payload"]["retryable"]),
        (&json!("RATE_LIMIT_EXCEEDED"), &json!(true))
    );

    let server = start(Options::for_tests()).await;
    let mut client = of(&server, "u1").await;
    client.text(&"x".repeat(128 * 1024)).await;
    assert_eq!(client.json().await["payload"]["errorCode"], "INVALID_MESSAGE_FORMAT");
    client.text(&"x".repeat(128 * 1024 + 1)).await;
    assert_eq!(client.end().await, closed(1009, "Message too big"));

    let server = start(Options::for_tests().with("devcontext.idle=40ms")).await;
    assert_eq!(of(&server, "u1").await.end().await, closed(1001, "Idle timeout"));
    let server = start(Options::for_tests().with("devcontext.max_life=40ms")).await;
    assert_eq!(of(&server, "u1").await.end().await, End::Lost);
}

#[tokio::test]
async fn failures_crashes_and_late_evaluations() {
    let server =
        start(Options::for_tests().with("devcontext.evaluation=late").with("devcontext.late=120ms")).await;
    let mut client = of(&server, "u1").await;
    client.say(subscribe("fail-1", "r")).await;
    let failed = client.until("/type", "analysis_failed").await;
    assert_eq!(
        (&failed["payload"]["errorCode"], &failed["payload"]["retryable"]),
        (&json!("REPO_NOT_FOUND"), &json!(false))
    );
    let late = ask(&mut client, "subscribe_analysis", json!({"analysisId": "fail-1"})).await;
    assert_eq!(late["payload"]["currentStatus"], "failed");

    let started =
        ask(&mut client, "start_interview", json!({"analysisId": "quiet-1", "sessionType": "practice"}))
            .await;
    let answer = json!({"sessionId": started["payload"]["sessionId"], "answer": "x",
        "questionId": started["payload"]["firstQuestion"]["questionId"]});
    client.say(message("submit_answer", answer.clone(), "s")).await;
    assert!(client.silent_for(Duration::from_millis(60)).await);
    let twice = ask(&mut client, "submit_answer", answer).await;
    assert_eq!(twice["payload"]["errorCode"], "INVALID_MESSAGE_FORMAT");
    assert_eq!(client.until("/requestId", "s").await["type"], "answer_evaluated");

    client.say(subscribe("crash-1", "r")).await;
    assert_eq!(client.end().await, closed(1011, "Internal server error"));
    let mut client = of(&server, "u1").await;
    client.say(subscribe("crash-1", "r")).await;
    let again = client.json().await;
    assert_eq!(again["payload"]["completedStages"][0], "project_review");
    client.until("/payload/progress", 100).await;
}

#[tokio::test]
async fn emitted_messages_are_enveloped_and_move_the_state() {
    let server = start(Options::for_tests()).await;
    let mut client = of(&server, "u1").await;
    client.say(subscribe("quiet-1", "r")).await;
    client.json().await;
    server.emit(D, "quiet-1", Some("stage_completed"), json!({"stage": "intelligence_report"})).unwrap();
    let stage = client.json().await;
    assert_eq!(stage["payload"], json!({"analysisId": "quiet-1", "stage": "intelligence_report"}));
    assert!(stage["timestamp"].is_string());
    let late = ask(&mut client, "subscribe_analysis", json!({"analysisId": "quiet-1"})).await;
    assert_eq!(late["payload"]["completedStages"], json!(["intelligence_report"]));
    assert!(server.emit(D, "quiet-1", None, json!({})).is_err());
}
