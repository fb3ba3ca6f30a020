//! Readers, handles and their ends. [rules §2.5, §2.14]

use std::time::Duration;

use serde_json::json;
use steadfast::client::{Event, Handle, Options, TopicEvent};
use steadfast::{CommandErrorKind, Endpoint, Request, Service, SubscriptionState};
use steadfast_mock_server::Happening;
use steadfast_tests::{
    Log, advance, asked, brisk, client, deserted, each, entries, fault, finish, live, mock, mock_service,
    now, open, progress_name, within,
};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed_and_then_how_things_are() {
    each(|service| async move {
        let server = mock(&[]).await;
        let mut options = brisk(&server, service);
        options.ring_events = 8;
        let client = open(options);
        let mut slow = client.subscribe("quiet-1").unwrap();
        let mut all = client.events();
        let mut log = Log::of(&client);
        within("live", slow.live()).await.unwrap();
        for _ in 0..50 {
            advance(&server, service, "quiet-1");
            log.message(progress_name(service)).await;
        }
        let Some(TopicEvent::Lagged { skipped }) = within("lagged", slow.next()).await else {
            panic!("{service}")
        };
        assert!(skipped >= 40, "{service}: {skipped}");
        let Some(TopicEvent::Snapshot(snapshot)) = within("snapshot", slow.next()).await else {
            panic!("{service}")
        };
        assert!(snapshot.raw.is_some(), "{service}");
        let Some(TopicEvent::State(state)) = within("state", slow.next()).await else { panic!("{service}") };
        assert_eq!(state, SubscriptionState::Live);
        for _ in 0..8 {
            let event = within("what is left", slow.next()).await;
            assert!(matches!(event, Some(TopicEvent::Message(_))), "{service}: {event:?}");
        }
        let first: Vec<_> = [all.next().await, all.next().await, all.next().await, all.next().await]
            .into_iter()
            .flatten()
            .collect();
        assert!(
            matches!(
                &first[..],
                [Event::Lagged { .. }, Event::State(_), Event::Snapshot(_), Event::Subscription { .. }]
            ),
            "{service}: {first:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn many_readers_of_a_topic_are_one_subscription_on_the_wire() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut readers: Vec<_> = (0..50).map(|_| client.subscribe("quiet-1").unwrap()).collect();
        for reader in &readers {
            within("live", reader.live()).await.unwrap();
        }
        advance(&server, service, "quiet-1");
        for reader in &mut readers {
            loop {
                match within("the message", reader.next()).await.unwrap() {
                    TopicEvent::Message(message) if message.data.name() == progress_name(service) => break,
                    _ => {}
                }
            }
        }
        assert_eq!(asked(&server, service, "quiet-1"), [1], "{service}");
        let last = readers.pop().unwrap();
        readers.clear();
        assert_eq!(last.state(), SubscriptionState::Live, "{service}");
        last.unsubscribe();
        // After the linger the wire is told once: by a message, on TherapyBridge by closing.
        let (kind, what) = match service {
            Service::Charisma | Service::DocProc => ("unsubscribe", Happening::In),
            Service::Saga => ("leave_project", Happening::In),
            Service::DevContext => ("unsubscribe_analysis", Happening::In),
            Service::TherapyBridge => ("", Happening::Close),
        };
        let told = server.journal().wait_for(|entry| {
            entry.service == mock_service(service)
                && entry.what == what
                && (kind.is_empty() || entry.kind.as_deref() == Some(kind))
        });
        within("the farewell", told).await;
        // And a new one begins anew.
        let again = live(&client, "quiet-1").await;
        assert_eq!(again.state(), SubscriptionState::Live);
    })
    .await;
}

#[tokio::test]
async fn a_handle_that_comes_back_within_the_linger_is_not_asked_for_again() {
    each(|service| async move {
        let server = mock(&[]).await;
        let mut options = brisk(&server, service);
        options.config.timings.linger = Duration::from_secs(5);
        let client = open(options);
        drop(live(&client, "quiet-1").await);
        let _again = live(&client, "quiet-1").await;
        assert_eq!(asked(&server, service, "quiet-1"), [1], "{service}");
    })
    .await;
}

#[tokio::test]
async fn when_the_last_handle_is_dropped_nothing_is_left() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let events = client.events();
        let subscription = live(&client, "quiet-1").await;
        drop(client);
        assert_eq!(server.connections().len(), 1, "{service}: the others keep it");
        drop(events);
        assert_eq!(server.connections().len(), 1, "{service}: the subscription keeps it");
        drop(subscription);
        deserted(&server).await;
        let close = &entries(&server, service, Happening::Close)[0];
        assert!(close.detail.contains("1000"), "{service}: it says goodbye: {}", close.detail);
    })
    .await;
}

#[tokio::test]
async fn shutdown_resolves_from_every_state() {
    each(|service| async move {
        let server = mock(&[]).await;
        let idle = client(&server, service);
        within("from idle", idle.shutdown()).await;
        within("twice", idle.shutdown()).await;

        let ready = client(&server, service);
        let mut topic = live(&ready, "quiet-1").await;
        within("from ready", ready.shutdown()).await;
        within("the stream's end", async { while topic.next().await.is_some() {} }).await;
        deserted(&server).await;

        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", silent.local_addr().unwrap());
        let dialing =
            Handle::new(steadfast::client::Options::new(service, Endpoint::Url(url)).token("t")).unwrap();
        let mut log = Log::of(&dialing);
        let _topic = dialing.subscribe("s").unwrap();
        log.state("connecting").await;
        within("from connecting", dialing.shutdown()).await;

        fault(
            &server,
            json!({"match": {"service": mock_service(service)}, "action": {"do": "refuse", "status": 503}}),
        );
        let waiting = client(&server, service);
        let mut log = Log::of(&waiting);
        let _topic = waiting.subscribe("s").unwrap();
        log.state("waiting").await;
        within("from waiting", waiting.shutdown()).await;
        assert_eq!(waiting.state().name(), "closed", "{service}");
        within("the end of events", async { while log.try_next().await.is_some() {} }).await;
    })
    .await;
}

#[tokio::test]
async fn a_topic_that_ended_stays_ended_through_a_reconnect() {
    each(|service| async move {
        if service == Service::Saga {
            return; // rooms never end
        }
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let done = live(&client, "quiet-1").await;
        let _open = live(&client, "quiet-2").await;
        finish(&server, service, "quiet-1");
        log.topic("quiet-1", "ended").await;
        now(&server, service, json!({"do": "drop", "how": "fin"}));
        log.gap("quiet-2").await;
        assert_eq!(asked(&server, service, "quiet-1").len(), 1, "{service}");
        assert!(done.snapshot().unwrap().terminal, "{service}: it can still be read");
    })
    .await;
}

#[test]
fn a_runtime_that_goes_away_ends_every_wait() {
    let gone = tokio::runtime::Runtime::new().unwrap();
    let options = Options::new(Service::Charisma, Endpoint::Url("ws://127.0.0.1:9".into())).token("t");
    let client = Handle::on(options, gone.handle().clone()).unwrap();
    let mut events = client.events();
    let waiting = client.request(Request::Authenticate);
    drop(gone);
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    here.block_on(async {
        assert_eq!(within("the outcome", waiting).await.unwrap_err().kind, CommandErrorKind::Closed);
        within("the end of the events", async { while events.next().await.is_some() {} }).await;
        assert_eq!(within("ready", client.ready()).await.unwrap_err().kind, CommandErrorKind::Closed);
        within("shutdown", client.shutdown()).await;
    });
}
