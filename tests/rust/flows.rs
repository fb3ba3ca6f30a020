//! All five services, followed from subscribe to end over real sockets.

use steadfast::client::{Subscription, TopicEvent};
use steadfast::messages::docproc;
use steadfast::{ConnectionState, Phase, Service, SubscriptionState};
use steadfast_tests::{client, mock, within};

/// Everything a subscription tells until it ends.
async fn follow(mut subscription: Subscription) -> Vec<TopicEvent> {
    let mut events = Vec::new();
    while let Some(event) = within("the next event", subscription.next()).await {
        events.push(event);
    }
    events
}

fn names(events: &[TopicEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            TopicEvent::State(state) => format!("[{}]", state.name()),
            TopicEvent::Message(message) => message.data.name().to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn charisma_goes_from_upload_to_complete() {
    let server = mock(&[]).await;
    let client = client(&server, Service::Charisma);
    let subscription = client.subscribe("session_1").unwrap();
    within("live", subscription.live()).await.unwrap();
    assert!(matches!(client.state(), ConnectionState::Ready { .. }));
    let handle = client.clone();
    let events = follow(subscription).await;
    let names = names(&events);
    assert!(names.iter().filter(|name| *name == "session_upload_progress").count() >= 10, "{names:?}");
    assert_eq!(names.last().unwrap(), "[ended]", "{names:?}");
    assert_eq!(names[names.len() - 2], "session_status", "{names:?}");
    let stats = handle.stats();
    assert_eq!((stats.attempts, stats.violations), (1, 0));
    within("shutdown", handle.shutdown()).await;
    assert_eq!(handle.state(), ConnectionState::Closed);
    server.shutdown().await;
}

#[tokio::test]
async fn therapybridge_goes_from_uploading_to_processed() {
    let server = mock(&[]).await;
    let client = client(&server, Service::TherapyBridge);
    let events = follow(client.subscribe("session_1").unwrap()).await;
    let last = events.iter().rev().find_map(|event| match event {
        TopicEvent::Message(message) => Some(message.clone()),
        _ => None,
    });
    assert_eq!(last.unwrap().progress, Some(1.0), "{:?}", names(&events));
    assert!(
        matches!(events.last(), Some(TopicEvent::State(SubscriptionState::Ended))),
        "{:?}",
        names(&events)
    );
    within("shutdown", client.shutdown()).await;
    server.shutdown().await;
}

#[tokio::test]
async fn devcontext_completes_three_stages() {
    let server = mock(&[]).await;
    let client = client(&server, Service::DevContext);
    let subscription = client.subscribe("analysis_1").unwrap();
    let events = follow(subscription).await;
    let names = names(&events);
    assert_eq!(names.iter().filter(|name| *name == "stage_completed").count(), 3, "{names:?}");
    assert_eq!(names.last().unwrap(), "[ended]", "{names:?}");
    within("shutdown", client.shutdown()).await;
    server.shutdown().await;
}

#[tokio::test]
async fn saga_follows_a_story_and_an_export() {
    let server = mock(&[]).await;
    let client = client(&server, Service::Saga);
    let mut subscription = client.subscribe("project_1").unwrap();
    let mut seen = Vec::new();
    while !seen.iter().any(|name| name == "export_ready") {
        if let Some(TopicEvent::Message(message)) = within("the next event", subscription.next()).await {
            seen.push(message.data.name().to_owned());
        }
    }
    assert!(seen.iter().any(|name| name == "story_processed"), "{seen:?}");
    let snapshot = subscription.snapshot().unwrap();
    assert!(snapshot.items.iter().all(|item| item.phase == Phase::Done), "{snapshot:?}");
    assert_eq!(subscription.state(), SubscriptionState::Live, "a room never ends");
    within("shutdown", client.shutdown()).await;
    server.shutdown().await;
}

#[tokio::test]
async fn docproc_asks_a_person_and_completes_once() {
    let server = mock(&[]).await;
    let client =
        steadfast::client::DocProcClient::new(steadfast_tests::options(&server, Service::DocProc)).unwrap();
    let mut session = client.session("session_1").unwrap();
    let mut names = Vec::new();
    let mut completions = 0;
    while let Some(message) = within("the next message", session.next_message()).await {
        names.push(message.data().name().to_owned());
        completions += usize::from(match message.data() {
            docproc::Message::Completed(_) => true,
            docproc::Message::Progress(progress) => progress.status == docproc::Status::Completed,
            _ => false,
        });
        if let docproc::Message::Clarification(question) = message.data()
            && question.status == docproc::ClarificationStatus::Pending
        {
            let reply = client
                .respond_to_clarification(question.clarification_id.clone(), "the second one")
                .await
                .unwrap();
            assert_eq!(reply.clarification_id.as_ref(), Some(&question.clarification_id));
        }
    }
    assert_eq!(completions, 1, "the service says it twice, it is delivered once: {names:?}");
    assert!(session.snapshot().unwrap().terminal);
    within("shutdown", client.shutdown()).await;
    server.shutdown().await;
}
