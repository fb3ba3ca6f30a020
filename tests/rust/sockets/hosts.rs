//! What hosts tell: networks that change, apps that go to the background; several clients and many topics.
//! [rules §2.8, therapybridge §1.3]

use std::time::Duration;

use serde_json::json;
use steadfast::{Reachability, Service, SubscriptionState};
use steadfast_tests::{
    Log, advance, asked, brisk, deserted, each, finish, live, mock, now, open, progress_name, within,
};

#[tokio::test]
async fn a_network_that_changed_is_probed_and_a_dead_connection_replaced() {
    each(|service| async move {
        let server = mock(&[]).await;
        let mut options = brisk(&server, service);
        options.config.timings.probe_timeout = Duration::from_millis(200);
        let client = open(options);
        let mut log = Log::of(&client);
        let _one = live(&client, "quiet-1").await;
        client.network_changed(Reachability::Online);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(client.stats().attempts, 1, "{service}: a living one answers");
        now(&server, service, json!({"do": "stall"}));
        client.network_changed(Reachability::Online);
        log.gap("quiet-1").await;
        assert_eq!(client.stats().attempts, 2, "{service}: {:?}", log.lines());
        assert_eq!(asked(&server, service, "quiet-1"), [1, 1], "{service}");
    })
    .await;
}

#[tokio::test]
async fn loopback_does_not_care_whether_there_is_a_network() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        client.network_changed(Reachability::Offline);
        let _one = live(&client, "quiet-1").await;
        let mut log = Log::of(&client);
        now(&server, service, json!({"do": "drop", "how": "rst"}));
        log.gap("quiet-1").await;
    })
    .await;
}

#[tokio::test]
async fn the_background_suspends_and_the_foreground_connects_at_once() {
    each(|service| async move {
        let server = mock(&[]).await;
        let mut options = brisk(&server, service);
        options.config.timings.background_grace = Duration::from_millis(100);
        let client = open(options);
        let mut log = Log::of(&client);
        let topic = live(&client, "quiet-1").await;
        // Away for a moment: nothing happens.
        client.background();
        client.foreground();
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!((client.stats().attempts, server.connections().len()), (1, 1), "{service}");
        client.background();
        log.state("suspended").await;
        deserted(&server).await;
        assert_eq!(topic.state(), SubscriptionState::Pending, "{service}");
        client.foreground();
        log.gap("quiet-1").await;
        advance(&server, service, "quiet-1");
        log.message(progress_name(service)).await;
    })
    .await;
}

#[tokio::test]
async fn two_clients_do_not_know_of_each_other() {
    each(|service| async move {
        let server = mock(&["charisma.second_connection=allow"]).await;
        let (one, two) = (open(brisk(&server, service)), open(brisk(&server, service)));
        let (mut first, mut second) = (Log::of(&one), Log::of(&two));
        let _a = live(&one, "quiet-1").await;
        let _b = live(&two, "quiet-1").await;
        assert_eq!(advance(&server, service, "quiet-1"), 2, "{service}");
        first.message(progress_name(service)).await;
        second.message(progress_name(service)).await;
        within("shutdown", one.shutdown()).await;
        within("the server's notice", async {
            while server.connections().len() > 1 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(advance(&server, service, "quiet-1"), 1, "{service}");
        second.message(progress_name(service)).await;
        assert_eq!(two.stats().attempts, 1, "{service}");
    })
    .await;
}

#[tokio::test]
async fn many_topics_are_followed_at_once_and_resubscribed_once_each() {
    each(|service| async move {
        if service == Service::TherapyBridge {
            return; // below
        }
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let names: Vec<_> = (0..12).map(|n| format!("quiet-{n}")).collect();
        let mut topics = Vec::new();
        for name in &names {
            topics.push(client.subscribe(name.as_str()).unwrap());
        }
        for topic in &topics {
            within("live", topic.live()).await.unwrap();
        }
        now(&server, service, json!({"do": "drop", "code": 1012}));
        for _ in &names {
            log.until("a gap", |event| matches!(event, steadfast::client::Event::Gap { .. })).await;
        }
        for name in &names {
            assert_eq!(asked(&server, service, name), [1, 1], "{service} {name}");
        }
    })
    .await;
}

#[tokio::test]
async fn therapybridge_holds_twenty_sockets_and_the_others_wait() {
    let service = Service::TherapyBridge;
    let server = mock(&[]).await;
    let client = open(brisk(&server, service));
    let mut log = Log::of(&client);
    let topics: Vec<_> = (0..25).map(|n| client.subscribe(format!("quiet-{n:02}")).unwrap()).collect();
    let live = |topics: &[steadfast::client::Subscription]| {
        topics.iter().filter(|topic| topic.state() == SubscriptionState::Live).count()
    };
    within("twenty", async {
        while live(&topics) < 20 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((live(&topics), server.connections().len()), (20, 20));
    let waiting: Vec<_> = topics.iter().filter(|t| t.state() == SubscriptionState::Pending).collect();
    assert_eq!(waiting.len(), 5);
    // One that ends makes room for one that waits.
    finish(&server, service, "quiet-00");
    log.topic("quiet-00", "ended").await;
    within("the next", async {
        while live(&topics) < 20 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(server.connections().len(), 20);
    // All of them are lost and come back, each by one connection.
    now(&server, service, json!({"do": "drop", "how": "rst"}));
    within("all again", async {
        while client.stats().reconnects < 20 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(server.connections().len(), 20);
    within("shutdown", client.shutdown()).await;
    deserted(&server).await;
}
