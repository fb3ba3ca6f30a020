//! Topics with a meaning. [rules §8.7]

use std::time::Duration;

use serde_json::json;
use steadfast::client::{Event, TopicEvent};
use steadfast::{CommandErrorKind, Phase, Service, SubscriptionState, WhyKind};
use steadfast_mock_server::Happening;
use steadfast_tests::{
    Log, advance, asked, brisk, each, entries, live, mock, now, open, paced, refusal, within,
};

/// A prefix and the UUID with the same meaning.
fn both(prefix: &str, digits: &str) -> [String; 2] {
    [format!("{prefix}-1"), format!("{digits}e840-e29b-41d4-a716-446655440000")]
}

/// Subscribes and is refused: gives kind, code and text of the reason.
async fn refused(service: Service, topic: &str, settings: &[&str]) -> (WhyKind, String, String) {
    let server = mock(settings).await;
    let client = open(brisk(&server, service));
    let mut subscription = client.subscribe(topic).unwrap();
    match within("the refusal", subscription.live()).await {
        // Its socket is open before it is refused by closing it, and open is confirmed.
        Ok(()) => assert_eq!(service, Service::TherapyBridge),
        Err(error) => assert_eq!(error.kind, CommandErrorKind::Rejected, "{service} {topic}: {error}"),
    }
    let mut last = None;
    while let Some(event) = within("the stream's end", subscription.next()).await {
        last = Some(event);
    }
    let Some(TopicEvent::State(state)) = last else { panic!("{service} {topic}: {last:?}") };
    let why = refusal(&state).clone();
    assert_eq!(subscription.state(), state, "{service} {topic}: the state can still be read");
    assert!(client.diagnose().text.contains(&why.text), "{}", client.diagnose().text);
    let attempts = asked(&server, service, topic).iter().sum::<usize>();
    assert!(attempts <= 1, "{service} {topic}: asked {attempts} times");
    within("shutdown", client.shutdown()).await;
    (why.kind, why.code.unwrap_or_default(), why.text)
}

#[tokio::test]
async fn missing_topics_are_refused_as_not_found() {
    each(|service| async move {
        let (kind, code, text) = match service {
            Service::Charisma => (WhyKind::NotFound, "SESSION_NOT_FOUND", "Session not found"),
            Service::TherapyBridge => (WhyKind::NotFound, "1008", "Session not found"),
            Service::Saga => {
                (WhyKind::NotAllowed, "PROJECT_ACCESS_DENIED", "Access to this project is denied")
            }
            Service::DocProc => (WhyKind::NotFound, "", "Session not found"),
            Service::DevContext => (WhyKind::NotFound, "ANALYSIS_NOT_FOUND", "There is no such analysis"),
        };
        for topic in both("missing", "4040") {
            let told = refused(service, &topic, &[]).await;
            assert_eq!((told.0, told.1.as_str()), (kind, code), "{service} {told:?}");
            assert!(told.2.contains(text), "{service} {told:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn denied_topics_are_refused_as_not_allowed() {
    each(|service| async move {
        let (code, text) = match service {
            Service::Charisma => ("FORBIDDEN", "This session belongs to another user"),
            Service::TherapyBridge => ("1008", "Not authorized to access this session"),
            Service::Saga => ("PROJECT_ACCESS_DENIED", "Access to this project is denied"),
            Service::DocProc => ("", "Not allowed"),
            Service::DevContext => ("UNAUTHORIZED", "This analysis belongs to another user"),
        };
        for topic in both("denied", "4030") {
            let told = refused(service, &topic, &[]).await;
            assert_eq!((told.0, told.1.as_str()), (WhyKind::NotAllowed, code), "{service} {told:?}");
            assert!(told.2.contains(text), "{service} {told:?}");
        }
    })
    .await;
}

/// TherapyBridge refuses before the upgrade or after it; both mean the same. [therapybridge §7.1]
#[tokio::test]
async fn therapybridge_refuses_before_the_upgrade_with_the_same_meaning() {
    let before = ["therapybridge.refuse=before"];
    let missing = refused(Service::TherapyBridge, "missing-1", &before).await;
    assert_eq!((missing.0, missing.1.as_str()), (WhyKind::NotFound, "404"), "{missing:?}");
    // 403 may be the token's fault, so that is asked for first; the same token back settles it.
    let denied = refused(Service::TherapyBridge, "denied-1", &before).await;
    assert_eq!((denied.0, denied.1.as_str()), (WhyKind::Auth, "403"), "{denied:?}");
}

#[tokio::test]
async fn a_refused_topic_is_asked_again_only_by_a_new_subscribe() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let good = live(&client, "quiet-1").await;
        let bad = client.subscribe("missing-1").unwrap();
        log.topic("missing-1", "refused").await;
        now(&server, service, json!({"do": "drop", "how": "rst"}));
        log.gap("quiet-1").await;
        assert_eq!(asked(&server, service, "missing-1").len(), 1, "{service}");
        let again = client.subscribe("missing-1").unwrap();
        log.topic("missing-1", "refused").await;
        assert_eq!(asked(&server, service, "missing-1").iter().sum::<usize>(), 2, "{service}");
        assert_eq!(good.state(), SubscriptionState::Live, "{service}: the other topic is not concerned");
        drop((bad, again));
    })
    .await;
}

#[tokio::test]
async fn failing_topics_end_with_what_failed() {
    each(|service| async move {
        for topic in both("fail", "fa11") {
            let server = mock(&[]).await;
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let subscription = client.subscribe(topic.as_str()).unwrap();
            if service == Service::Saga {
                log.message("export_failed").await;
                let snapshot = subscription.snapshot().unwrap();
                let export = snapshot.items.iter().find(|item| item.kind == "export").unwrap();
                let told = (export.phase, export.error.as_deref());
                assert_eq!(told, (Phase::Failed, Some("The book could not be laid out")));
                assert_eq!(subscription.state(), SubscriptionState::Live, "a room never ends");
                continue;
            }
            log.topic(&topic, "ended").await;
            let lines = log.lines();
            let end = &lines[lines.len() - 2];
            let (last, error) = match service {
                Service::Charisma => ("session_error", "Failed to analyze screenshot"),
                Service::TherapyBridge => ("progress", "The audio could not be transcribed"),
                Service::DocProc => ("progress", "The model ran out of memory"),
                _ => ("analysis_failed", "The repository does not exist or may not be read"),
            };
            assert_eq!(end, last, "{service} {lines:?}");
            assert!(!lines.iter().any(|line| line.contains("waiting") || line.contains("gap")), "{lines:?}");
            let snapshot = subscription.snapshot().unwrap();
            assert_eq!((snapshot.phase, snapshot.terminal), (Phase::Failed, true), "{service}: {snapshot:?}");
            let items = snapshot.items.iter().filter_map(|item| item.error.as_deref());
            let errors: Vec<_> = snapshot.error.as_deref().into_iter().chain(items).collect();
            assert!(errors.contains(&error), "{service}: {snapshot:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn crashing_topics_reconnect_tell_the_gap_and_go_on() {
    each(|service| async move {
        for topic in both("crash", "c4a5") {
            // Steps that are longer than the reconnect takes: Charisma does not tell again what was missed.
            let server = paced(Duration::from_millis(100), &["docproc.clarification=auto"]).await;
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let subscription = client.subscribe(topic.as_str()).unwrap();
            let waiting = log.state("waiting").await;
            let why = waiting.why().unwrap();
            assert_eq!((why.kind, why.code.as_deref()), (WhyKind::ServerError, Some("1011")), "{service}");
            let recovered = log.gap(&topic).await;
            let gives_state = matches!(service, Service::TherapyBridge | Service::DevContext);
            assert_eq!(recovered, gives_state, "{service}: {:?}", log.lines());
            if service == Service::Saga {
                log.message("export_ready").await;
            } else {
                log.topic(&topic, "ended").await;
            }
            let snapshot = subscription.snapshot().unwrap();
            assert_eq!(snapshot.terminal, service != Service::Saga, "{service}");
            assert_eq!(asked(&server, service, &topic), [1, 1], "{service}: once per connection");
            let stats = client.stats();
            assert_eq!((stats.attempts, stats.reconnects, stats.unexpected_closes), (2, 1, 1), "{service}");
            assert_eq!(stats.violations, 0, "{service}");
        }
    })
    .await;
}

#[tokio::test]
async fn quiet_topics_are_confirmed_and_then_say_what_is_emitted() {
    each(|service| async move {
        for topic in both("quiet", "0000") {
            let server = mock(&[]).await;
            let client = open(brisk(&server, service));
            let mut log = Log::of(&client);
            let _subscription = live(&client, &topic).await;
            assert_eq!(advance(&server, service, &topic), 1, "{service}: one subscriber");
            let of_topic = |event: &Event| match event {
                Event::Message(message) => {
                    let name = message.data.name();
                    message.topic.is_some()
                        && !matches!(name, "subscribed" | "joined_project" | "subscription_confirmed")
                }
                _ => false,
            };
            let message = log.until("what was emitted", of_topic).await;
            assert_eq!(message.topic(), Some(topic.as_str()));
            assert_eq!(entries(&server, service, Happening::Close).len(), 0, "{service}");
        }
    })
    .await;
}
