//! Commands and their one outcome. [rules §2.7]

use std::time::{Duration, Instant};

use serde_json::json;
use steadfast::client::{
    CharismaClient, Client, DevContextClient, DocProcClient, Event, Handle, SagaClient, TherapyBridgeClient,
    TypedService,
};
use steadfast::{CommandErrorKind, Delivery, Request, Secret, Sent, Service, TokenSource};
use steadfast_mock_server::{Happening, MockServer};
use steadfast_tests::{Log, brisk, each, entries, fault, live, mock, mock_service, now, open, within};

fn typed<S: TypedService>(server: &MockServer) -> Client<S> {
    Client::new(brisk(server, S::SERVICE)).unwrap()
}

async fn ready(client: &Handle) {
    within("ready", client.ready()).await.unwrap();
}

#[tokio::test]
async fn saga_pings_and_asks_for_health_and_statistics() {
    let server = mock(&[]).await;
    let client: SagaClient = typed(&server);
    assert_eq!(client.ping().await.unwrap_err().kind, CommandErrorKind::NotConnected, "it fails at once");
    let _room = live(&client, "quiet-1").await;
    assert!(client.ping().await.unwrap() < 10_000);
    let health = within("health", client.server_health()).await.unwrap();
    assert_eq!(health.status, "healthy");
    let stats = within("stats", client.server_stats()).await.unwrap();
    assert_eq!(stats.total_connections, Some(1));
    // Its health is open to all, its statistics are not.
    let mut options = brisk(&server, Service::Saga);
    options.config.token = TokenSource::None;
    let nobody = SagaClient::new(options).unwrap();
    within("health", nobody.server_health()).await.unwrap();
    let error = within("stats", nobody.server_stats()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (CommandErrorKind::Rejected, Some("401")), "{error}");
}

#[tokio::test]
async fn charisma_authenticates_again_in_band() {
    let server = mock(&[]).await;
    let client: CharismaClient = typed(&server);
    within("authenticate", client.authenticate()).await.unwrap();
    within("authenticate", client.authenticate()).await.unwrap();
    client.set_token(server.authority().issue("u1", "", Duration::from_secs(7200)));
    within("authenticate", client.authenticate()).await.unwrap();
    assert_eq!(entries(&server, Service::Charisma, Happening::Open).len(), 1);
}

#[tokio::test]
async fn therapybridge_logs_in_and_follows_with_the_new_token() {
    let server = mock(&[]).await;
    let mut options = brisk(&server, Service::TherapyBridge);
    options.config.token = TokenSource::None;
    let client = TherapyBridgeClient::new(options).unwrap();
    let error = within("login", client.login("no email", "x")).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (CommandErrorKind::Rejected, Some("400")), "{error}");
    assert!(error.message.contains("email"), "{error}");
    let login = within("login", client.login("therapist@example.com", "secret")).await.unwrap();
    client.set_token(login.access_token);
    // Therapists see all sessions.
    let session = live(&client, "denied-1").await;
    assert_eq!(session.state().name(), "live");
}

#[tokio::test]
async fn docproc_fetches_sessions_and_refuses_what_it_does_not_know() {
    let server = mock(&[]).await;
    let client: DocProcClient = typed(&server);
    let progress = within("session", client.fetch_session("session_9")).await.unwrap();
    assert_eq!(progress.session_id, "session_9");
    for (error, code) in [
        (within("session", client.fetch_session("missing-1")).await.unwrap_err(), "404"),
        (within("session", client.fetch_session("denied-1")).await.unwrap_err(), "403"),
        (within("respond", client.respond_to_clarification("nobody asked", "x")).await.unwrap_err(), "404"),
    ] {
        assert_eq!((error.kind, error.code.as_deref()), (CommandErrorKind::Rejected, Some(code)), "{error}");
    }
}

#[tokio::test]
async fn devcontext_pings_authenticates_and_fetches() {
    let server = mock(&["devcontext.authenticated=on"]).await;
    let client: DevContextClient = typed(&server);
    assert_eq!(client.ping().await.unwrap_err().kind, CommandErrorKind::NotConnected);
    ready(&client).await;
    assert!(client.ping().await.unwrap() < 10_000);
    within("authenticate", client.authenticate()).await.unwrap();
    let analysis = within("analysis", client.fetch_analysis("analysis_1")).await.unwrap();
    assert_eq!(analysis.analysis_id, "analysis_1");
    let error = within("analysis", client.fetch_analysis("missing-1")).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("404"), "{error}");
}

#[tokio::test]
async fn send_raw_is_confirmed_when_written_and_answered_by_an_event() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let error = client.send_raw("hello", "{}").await.unwrap_err();
        assert_eq!(
            (error.kind, error.sent),
            (CommandErrorKind::NotConnected, Sent::No),
            "{service}: {error}"
        );
        let error = client.send_raw("hello", "{").await.unwrap_err();
        assert_eq!(error.kind, CommandErrorKind::Invalid, "{service}: {error}");
        let _one = live(&client, "quiet-1").await;
        if service == Service::TherapyBridge {
            client.send_raw("pong", r#"{"timestamp":"t"}"#).await.unwrap();
            let pong = server.journal().wait_for(|entry| entry.kind.as_deref() == Some("pong"));
            within("the pong", pong).await;
            return;
        }
        let huge = format!("\"{}\"", "x".repeat(2 << 20));
        let error = client.send_raw("hello", huge).await.unwrap_err();
        assert_eq!(
            (error.kind, error.sent),
            (CommandErrorKind::PayloadTooLarge, Sent::No),
            "{service}: {error}"
        );
        client.send_raw("hello_there", r#"{"n":1}"#).await.unwrap();
        let entry = within(
            "the message",
            server.journal().wait_for(|entry| {
                entry.what == Happening::In && entry.kind.as_deref() == Some("hello_there")
            }),
        )
        .await;
        assert!(entry.detail.contains("hello_there"), "{}", entry.detail);
        log.until(
            "the answer",
            |event| matches!(event, Event::Message(m) if m.data.name().contains("error")),
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn commands_wait_for_the_connection_but_not_for_ever() {
    let server = mock(&[]).await;
    fault(&server, json!({"match": {"service": "devcontext"}, "action": {"do": "refuse", "status": 503}}));
    let client: DevContextClient = typed(&server);
    let begun = Instant::now();
    let wait = Delivery::WaitReady { ttl: 150 };
    let error = within("expiry", client.request_with(Request::Authenticate, wait)).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (CommandErrorKind::Expired, Sent::No), "{error}");
    assert!(begun.elapsed() >= Duration::from_millis(150) && begun.elapsed() < Duration::from_secs(5));
    let error = within("fail fast", client.request_with(Request::Authenticate, Delivery::FailFast))
        .await
        .unwrap_err();
    assert_eq!(error.kind, CommandErrorKind::NotConnected, "{error}");
    // One that still waits goes out when the server is back.
    let waiting = client.request(Request::StartInterview {
        analysis_id: "quiet-1".into(),
        session_type: steadfast::SessionType::Practice,
    });
    server.clear_faults(None);
    within("the interview", waiting).await.unwrap();
}

#[tokio::test]
async fn the_queue_has_an_end() {
    let server = mock(&[]).await;
    fault(&server, json!({"action": {"do": "refuse", "status": 503}}));
    let mut options = brisk(&server, Service::DevContext);
    options.config.limits.queue_entries = 3;
    let client = open(options);
    let ask = |n: usize| client.request(Request::PauseInterview { session_id: format!("i{n}") });
    let waiting: Vec<_> = (0..3).map(ask).collect();
    let error = within("the fourth", ask(4)).await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (CommandErrorKind::QueueFull, true), "{error}");
    // Dropping one makes room.
    drop(waiting);
    let last = ask(5);
    within("shutdown", client.shutdown()).await;
    let error = within("the last", last).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (CommandErrorKind::Closed, Sent::No), "{error}");
    let error = within("after the end", ask(6)).await.unwrap_err();
    assert_eq!(error.kind, CommandErrorKind::Closed, "{error}");
    assert_eq!(client.subscribe("x").unwrap().live().await.unwrap_err().kind, CommandErrorKind::Closed);
}

#[tokio::test]
async fn a_command_that_is_not_answered_times_out_and_a_late_reply_is_an_event() {
    let server = mock(&[]).await;
    let mut options = brisk(&server, Service::DevContext);
    options.config.timings.command_timeout = Duration::from_millis(150);
    let client = DevContextClient::new(options).unwrap();
    let mut log = Log::of(&client);
    ready(&client).await;
    fault(
        &server,
        json!({"match": {"type": "interview_started"}, "times": 1, "action": {"do": "delay", "by": "400ms"}}),
    );
    let error = within("the time-out", client.start_interview("quiet-1", steadfast::SessionType::Live))
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.sent), (CommandErrorKind::TimedOut, Sent::Unknown), "{error}");
    log.message("interview_started").await;
    assert_eq!(client.stats().attempts, 1);
}

#[tokio::test]
async fn a_command_whose_connection_dies_is_interrupted_and_not_sent_again() {
    for service in [Service::DevContext] {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        ready(&client).await;
        fault(
            &server,
            json!({"match": {"service": mock_service(service), "type": "pause_interview", "when": "in"},
            "times": 1, "action": {"do": "drop", "how": "rst"}}),
        );
        let error = within("the outcome", client.request(Request::PauseInterview { session_id: "i".into() }))
            .await
            .unwrap_err();
        assert_eq!((error.kind, error.sent), (CommandErrorKind::Interrupted, Sent::Unknown), "{error}");
        ready(&client).await;
        let said = server.journal().after(0, |entry| entry.kind.as_deref() == Some("pause_interview"));
        assert_eq!(said.len(), 1, "{service}: never sent twice");
    }
}

#[tokio::test]
async fn a_cancelled_command_leaves_nothing_behind() {
    let server = mock(&[]).await;
    let client: DevContextClient = typed(&server);
    ready(&client).await;
    now(&server, Service::DevContext, json!({"do": "stall", "resume_after": "100ms"}));
    drop(client.request(Request::SubmitAnswer {
        session_id: "s".into(),
        question_id: "q".into(),
        answer: Secret::new("a"),
    }));
    // Its answer, an error, belongs to it and not to the next command.
    let interview =
        within("start", client.start_interview("quiet-1", steadfast::SessionType::Live)).await.unwrap();
    assert!(!interview.session_id.is_empty());
    within("ping", client.ping()).await.unwrap();
}

#[tokio::test]
async fn what_a_service_does_not_have_is_invalid() {
    let server = mock(&[]).await;
    for (service, request) in [
        (Service::Charisma, Request::Ping),
        (Service::TherapyBridge, Request::Ping),
        (Service::DocProc, Request::Authenticate),
        (Service::Saga, Request::PauseInterview { session_id: "i".into() }),
        (Service::DevContext, Request::ServerHealth),
        (Service::DevContext, Request::PauseInterview { session_id: String::new() }),
    ] {
        let client = open(brisk(&server, service));
        let error = within("the outcome", client.request(request.clone())).await.unwrap_err();
        assert_eq!(error.kind, CommandErrorKind::Invalid, "{service} {request:?}: {error}");
        for topic in ["", "a\nb", &"x".repeat(257)] {
            assert_eq!(client.subscribe(topic).unwrap_err().kind, CommandErrorKind::Invalid, "{service}");
        }
    }
}
