//! The native client against the official Socket.IO server, scripted in `tests/foreign/server`.
//!
//! `cargo xtask test foreign` installs what it needs and runs it.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use steadfast::client::{
    DocProcClient, Event, Events, Handle, Options, SagaClient, Subscription, TopicEvent,
};
use steadfast::messages::docproc;
use steadfast::{ConnectionState, Endpoint, NoticeKind, Phase, Service, SubscriptionState, WhyKind};
use steadfast_tests::within;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A program of `tests/foreign/server`; it ends with this value.
struct Official {
    url: String,
    commands: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Official {
    async fn start(program: &str) -> Self {
        let file = format!("{}/foreign/server/{program}.mjs", env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new("node")
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let commands = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = within("the port", lines.next_line()).await.unwrap().expect("the server names its port");
        Self { url: format!("http://127.0.0.1:{port}"), commands, lines, _child: child }
    }

    /// Has the server do something and waits until it is done.
    async fn tell(&mut self, command: &str) {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let answer = within(command, self.lines.next_line()).await.unwrap();
        assert_eq!(answer.as_deref(), Some(format!("done {command}").as_str()));
    }

    fn options(&self, service: Service) -> Options {
        let mut options = Options::new(service, Endpoint::Url(self.url.clone()));
        options.config.reconnect.base_delay = Duration::from_millis(50);
        options.config.reconnect.restart_spread = Duration::from_millis(100);
        options
    }

    fn saga(&self) -> SagaClient {
        SagaClient::new(self.options(Service::Saga).token("good-1")).unwrap()
    }

    fn docproc(&self) -> DocProcClient {
        DocProcClient::new(self.options(Service::DocProc)).unwrap()
    }
}

/// Reads a topic's events up to the first that fits.
async fn until(what: &str, topic: &mut Subscription, mut fits: impl FnMut(&TopicEvent) -> bool) {
    while !fits(&within(what, topic.next()).await.expect(what)) {}
}

/// Reads a client's events up to the first that fits.
async fn heard(what: &str, events: &mut Events, mut fits: impl FnMut(&Event) -> bool) {
    while !fits(&within(what, events.next()).await.expect(what)) {}
}

fn is_message(event: &TopicEvent, name: &str) -> bool {
    matches!(event, TopicEvent::Message(message) if message.data.name() == name)
}

fn is_ready(event: &Event) -> bool {
    matches!(event, Event::State(ConnectionState::Ready { .. }))
}

/// Subscribes a topic that stays quiet, and waits until it is live.
async fn live(client: &Handle, topic: &str) -> Subscription {
    let subscription = client.subscribe(topic).unwrap();
    within("live", subscription.live()).await.unwrap();
    subscription
}

/// After a loss the topic is live again by itself, and what may have been missed is told.
async fn comes_back(topic: &mut Subscription) {
    let mut gap = false;
    until("the gap and live again", topic, |event| {
        gap |= matches!(event, TopicEvent::Gap { .. });
        gap
    })
    .await;
    within("live again", topic.live()).await.unwrap();
}

#[tokio::test]
async fn saga_follows_a_project_from_story_to_export() {
    let server = Official::start("saga").await;
    let client = server.saga();
    let mut project = client.subscribe("p1").unwrap();
    let mut names = Vec::new();
    until("export_ready", &mut project, |event| {
        if let TopicEvent::Message(message) = event {
            assert_eq!(message.topic.as_deref(), Some("p1"));
            names.push(message.data.name().to_owned());
        }
        is_message(event, "export_ready")
    })
    .await;
    names.retain(|name| name != "joined_project");
    let expected = [
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
    assert_eq!(names, expected);
    let snapshot = project.snapshot().unwrap();
    assert!(snapshot.items.iter().all(|item| item.phase == Phase::Done), "{snapshot:?}");
    assert_eq!(client.stats().violations, 0);
    within("shutdown", client.shutdown()).await;
}

#[tokio::test]
async fn saga_answers_pings_of_the_engine_and_gets_pongs_of_its_own() {
    let server = Official::start("saga").await;
    let client = server.saga();
    let _project = live(&client, "quiet-1").await;
    // Three engine pings and their limit go by: one that is not answered would end the connection.
    tokio::time::sleep(Duration::from_millis(2_600)).await;
    within("pong", client.ping()).await.unwrap();
    assert_eq!(client.stats().attempts, 1);
    let health = within("health", client.server_health()).await.unwrap();
    assert_eq!(health.status, "healthy");
    within("stats", client.server_stats()).await.unwrap();
    within("shutdown", client.shutdown()).await;
}

#[tokio::test]
async fn saga_refuses_a_token_after_one_forced_refresh() {
    let server = Official::start("saga").await;
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let provider = move |_force: bool| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        async move { Ok(format!("bad-{number}")) }
    };
    let client = Handle::new(server.options(Service::Saga).token_provider(provider)).unwrap();
    let error = within("the refusal", client.ready()).await.unwrap_err();
    assert!(
        matches!(client.state(), ConnectionState::Failed { why } if why.kind == WhyKind::Auth),
        "{error}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    client.set_token("good-2");
    within("ready with a good token", client.ready()).await.unwrap();
    within("shutdown", client.shutdown()).await;
}

#[tokio::test]
async fn saga_is_refused_a_project_and_keeps_the_others() {
    let server = Official::start("saga").await;
    let client = server.saga();
    let ours = live(&client, "quiet-1").await;
    let theirs = client.subscribe("denied-1").unwrap();
    within("the refusal", theirs.live()).await.unwrap_err();
    assert!(
        matches!(theirs.state(), SubscriptionState::Refused { why } if why.code.as_deref() == Some("PROJECT_ACCESS_DENIED"))
    );
    assert_eq!(ours.state(), SubscriptionState::Live);
    within("shutdown", client.shutdown()).await;
}

#[tokio::test]
async fn saga_comes_back_after_each_kind_of_loss() {
    let mut server = Official::start("saga").await;
    for loss in ["cut", "close", "kick", "shutdown"] {
        let client = server.saga();
        let mut project = live(&client, "quiet-1").await;
        server.tell(loss).await;
        comes_back(&mut project).await;
        server.tell("acknowledged").await;
        until("an event after the loss", &mut project, |event| is_message(event, "story_processed")).await;
        assert_eq!(client.stats().attempts, 2, "{loss}");
        within("shutdown", client.shutdown()).await;
    }
}

#[tokio::test]
async fn saga_fetches_a_new_token_when_the_old_one_has_expired() {
    let mut server = Official::start("saga").await;
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let provider = move |_force: bool| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        async move { Ok(format!("good-{number}")) }
    };
    let client = Handle::new(server.options(Service::Saga).token_provider(provider)).unwrap();
    let mut project = live(&client, "quiet-1").await;
    server.tell("expire").await;
    comes_back(&mut project).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    within("shutdown", client.shutdown()).await;
}

#[tokio::test]
async fn saga_announces_a_shutdown() {
    let mut server = Official::start("saga").await;
    let client = server.saga();
    let mut events = client.events();
    let _project = live(&client, "quiet-1").await;
    server.tell("shutdown").await;
    let announced = |event: &Event| {
        matches!(event, Event::Notice { kind: NoticeKind::ServerShutdown, .. })
            || matches!(event, Event::Message(message) if message.data.name() == "server_shutdown")
    };
    heard("the announcement", &mut events, announced).await;
    heard("ready again", &mut events, is_ready).await;
    within("shutdown", client.shutdown()).await;
}

#[tokio::test]
async fn saga_survives_a_binary_event_it_does_not_know() {
    let mut server = Official::start("saga").await;
    let client = server.saga();
    let mut project = live(&client, "quiet-1").await;
    server.tell("binary").await;
    server.tell("acknowledged").await;
    until("the next event", &mut project, |event| is_message(event, "story_processed")).await;
    assert_eq!(client.stats().attempts, 1, "the connection stayed");
    within("shutdown", client.shutdown()).await;
}

#[tokio::test]
async fn docproc_answers_a_question_and_completes_once() {
    let server = Official::start("docproc").await;
    let client = server.docproc();
    let mut session = client.session("s1").unwrap();
    let (mut statuses, mut completions) = (Vec::new(), 0);
    while let Some(message) = within("the next message", session.next_message()).await {
        match message.data() {
            docproc::Message::Progress(progress) => {
                completions += usize::from(progress.status == docproc::Status::Completed);
                statuses.push(progress.status.clone());
            }
            docproc::Message::Completed(_) => completions += 1,
            docproc::Message::Clarification(question)
                if question.status == docproc::ClarificationStatus::Pending =>
            {
                let id = question.clarification_id.clone();
                let reply = within("the reply", client.respond_to_clarification(id.clone(), "without tax"));
                assert_eq!(reply.await.unwrap().clarification_id, Some(id));
            }
            _ => {}
        }
    }
    assert_eq!(statuses[..2], [docproc::Status::Active, docproc::Status::Processing]);
    assert_eq!(completions, 1);
    let snapshot = session.snapshot().unwrap();
    assert!(snapshot.terminal && snapshot.phase == Phase::Done, "{snapshot:?}");
    let fetched = within("REST", client.fetch_session("s1")).await.unwrap();
    assert_eq!(fetched.status, docproc::Status::Completed);
    within("shutdown", client.shutdown()).await;
}

#[tokio::test]
async fn docproc_is_refused_a_session_and_told_of_an_error_in_another() {
    let mut server = Official::start("docproc").await;
    let client = server.docproc();
    let missing = client.subscribe("missing-1").unwrap();
    within("the refusal", missing.live()).await.unwrap_err();
    assert!(matches!(missing.state(), SubscriptionState::Refused { .. }));
    let mut session = live(&client, "quiet-1").await;
    server.tell("broken").await;
    until("the error", &mut session, |event| is_message(event, "error")).await;
    assert_eq!(session.state(), SubscriptionState::Live, "an error of a live session does not end it");
    within("shutdown", client.shutdown()).await;
}

#[tokio::test]
async fn docproc_comes_back_after_each_kind_of_loss() {
    let mut server = Official::start("docproc").await;
    for loss in ["cut", "close", "kick"] {
        let client = server.docproc();
        let mut session = live(&client, "quiet-1").await;
        server.tell(loss).await;
        comes_back(&mut session).await;
        server.tell("emit").await;
        until("an event after the loss", &mut session, |event| is_message(event, "progress")).await;
        within("shutdown", client.shutdown()).await;
    }
}
