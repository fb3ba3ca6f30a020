//! Tokens that expire while a connection lives. [rules §2.6]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use steadfast::client::{Event, TokenProvider};
use steadfast::{NoticeKind, Service, TokenError, WhyKind};
use steadfast_mock_server::{Happening, MockServer};
use steadfast_tests::{
    Log, advance, asked, brisk, each, entries, is_shared, kinds, live, mock, now, open, progress_name,
};

/// Gives tokens of these lives, one after the other, the last again and again but never the same; notes `force`.
fn lives(server: &MockServer, lives: &'static [u64]) -> (impl TokenProvider, Arc<Mutex<Vec<bool>>>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let tokens: Vec<_> = (0..20_usize)
        .map(|n| {
            let life = lives[n.min(lives.len() - 1)] + if n < lives.len() { 0 } else { n as u64 };
            server.authority().issue("u1", "", Duration::from_secs(life))
        })
        .collect();
    let noted = Arc::clone(&calls);
    let provider = move |force: bool| {
        let mut calls = noted.lock().unwrap();
        let token = tokens[calls.len()].clone();
        calls.push(force);
        async move { Ok::<_, TokenError>(token) }
    };
    (provider, calls)
}

#[tokio::test]
async fn a_token_that_expires_now_is_replaced_by_one_forced_call() {
    each(|service| async move {
        let server = mock(&["docproc.auth=on"]).await;
        let (provider, calls) = lives(&server, &[3600]);
        let client = open(brisk(&server, service).token_provider(provider));
        let mut log = Log::of(&client);
        let _subscription = live(&client, "quiet-1").await;
        now(&server, service, json!({"do": "expire_token"}));
        log.gap("quiet-1").await;
        assert_eq!(*calls.lock().unwrap(), [false, true], "{service}: {:?}", log.lines());
        let stats = client.stats();
        assert_eq!((stats.attempts, stats.auth_failures, stats.reconnects), (2, 1, 1), "{service}");
        assert_eq!(asked(&server, service, "quiet-1"), [1, 1], "{service}");
        assert_eq!(advance(&server, service, "quiet-1"), 1, "{service}");
    })
    .await;
}

#[tokio::test]
async fn a_static_token_that_expires_now_ends_it() {
    each(|service| async move {
        let server = mock(&["docproc.auth=on"]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let _subscription = live(&client, "quiet-1").await;
        now(&server, service, json!({"do": "expire_token"}));
        if is_shared(service) {
            let state = log.state("failed").await;
            assert_eq!(state.why().unwrap().kind, WhyKind::Auth, "{service}");
        } else {
            log.topic("quiet-1", "refused").await;
        }
        assert_eq!(
            entries(&server, service, Happening::Open).len(),
            1,
            "{service}: the same token is not tried again"
        );
    })
    .await;
}

/// In-band on Charisma and DevContext, elsewhere by a connection that is opened before the old one is closed.
#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_without_a_gap() {
    each(|service| async move {
        let server = mock(&["docproc.auth=on"]).await;
        let (provider, calls) = lives(&server, &[3, 3600]);
        let mut options = brisk(&server, service).token_provider(provider);
        options.config.timings.refresh_margin = Duration::from_secs(2);
        options.config.timings.refresh_interval = Duration::from_millis(100);
        let client = open(options);
        let mut log = Log::of(&client);
        let _subscription = live(&client, "quiet-1").await;
        let in_band = matches!(service, Service::Charisma | Service::DevContext);
        if in_band {
            let entry = server.journal().wait_for(|entry| {
                entry.what == Happening::In && entry.kind.as_deref() == Some("authenticate")
            });
            steadfast_tests::within("authenticate", entry).await;
        } else {
            let second = server.journal().wait_for(|entry| entry.what == Happening::Close);
            let entry = steadfast_tests::within("the old connection's end", second).await;
            assert!(entry.detail.contains("1000"), "{service}: {}", entry.detail);
            let opened = entries(&server, service, Happening::Open);
            assert!(opened.len() == 2 && opened[1].seq < entry.seq, "{service}: opened before it was closed");
        }
        // Beyond the first token's end everything still works.
        tokio::time::sleep(Duration::from_secs(2)).await;
        advance(&server, service, "quiet-1");
        log.message(progress_name(service)).await;
        assert_eq!(*calls.lock().unwrap(), [false, false], "{service}: {:?}", log.lines());
        let lines = log.lines();
        assert!(
            !lines.iter().any(|line| line.contains("gap") || line.contains("waiting")),
            "{service}: {lines:?}"
        );
        assert!(
            !lines.iter().any(|line| line.contains("[pending]") && line != &lines[0]),
            "{service}: {lines:?}"
        );
        let opens = entries(&server, service, Happening::Open).len();
        assert_eq!(opens, if in_band { 1 } else { 2 }, "{service}");
        assert!(asked(&server, service, "quiet-1").iter().all(|times| *times == 1), "{service}");
        assert_eq!(kinds(&log.troubles()), [], "{service}");
    })
    .await;
}

/// The same token back changes nothing and gives one notice; when it has expired the server's refusal decides.
#[tokio::test]
async fn a_provider_that_never_gives_a_new_token_is_noticed_once() {
    each(|service| async move {
        let server = mock(&["docproc.auth=on"]).await;
        let token = server.authority().issue("u1", "", Duration::from_secs(2));
        let provider = move |_: bool| {
            let token = token.clone();
            async move { Ok::<_, TokenError>(token) }
        };
        let mut options = brisk(&server, service).token_provider(provider);
        options.config.timings.refresh_margin = Duration::from_millis(1500);
        options.config.timings.refresh_interval = Duration::from_millis(100);
        let client = open(options);
        let mut log = Log::of(&client);
        let _subscription = live(&client, "quiet-1").await;
        if service == Service::Charisma {
            // Its server looks at the token only when a message comes.
            log.until("the notice", |event| matches!(event, Event::Notice { .. })).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let _ = client.send_raw("subscribe", r#"{"sessionId":"quiet-2"}"#).await;
        }
        if is_shared(service) {
            log.state("failed").await;
        } else {
            log.topic("quiet-1", "refused").await;
        }
        let notices = log.seen.iter().filter(
            |event| matches!(event, Event::Notice { kind, .. } if *kind == NoticeKind::TokenNotRefreshed),
        );
        assert_eq!(notices.count(), 1, "{service}: {:?}", log.lines());
        assert_eq!(entries(&server, service, Happening::Open).len(), 1, "{service}");
    })
    .await;
}
