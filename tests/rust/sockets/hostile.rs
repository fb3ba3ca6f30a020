//! Servers that accept and then close, and ports where nobody listens. [rules §2.3]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use steadfast::client::Options;
use steadfast::{ConnectionState, Endpoint, Service, TokenError, WhyKind};
use steadfast_tests::{Log, each, open, within};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Accepts every WebSocket and closes it at once; 1006 means without a close frame. Counts them.
async fn closing(code: u16) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                if code != 1006 {
                    let frame = CloseFrame { code: code.into(), reason: "house rules".into() };
                    let _ = socket.send(Message::Close(Some(frame))).await;
                    while let Some(Ok(_)) = socket.next().await {}
                }
            });
        }
    });
    (url, count)
}

fn impatient(service: Service, url: &str) -> Options {
    let mut options = Options::new(service, Endpoint::Url(url.into())).token("opaque");
    options.config.reconnect.base_delay = Duration::from_millis(10);
    options.config.reconnect.max_delay = Duration::from_millis(30);
    options
}

#[tokio::test]
async fn accept_then_close_is_tried_twelve_times_a_minute_and_never_given_up() {
    each(|service| async move {
        for code in [1000, 1006, 1008, 1011, 1012] {
            let (url, count) = closing(code).await;
            let mut options = impatient(service, &url);
            options.config.reconnect.restart_spread = Duration::from_millis(50);
            let client = open(options);
            let mut log = Log::of(&client);
            let _topic = client.subscribe("s").unwrap();
            let far = |event: &steadfast::client::Event| match event {
                steadfast::client::Event::State(ConnectionState::Waiting { until, why, .. }) => {
                    *until > why.since + 40_000
                }
                _ => false,
            };
            log.until("the limit of attempts", far).await;
            assert_eq!(count.load(Ordering::SeqCst), 12, "{service} {code}");
            let why = client.state().why().unwrap().clone();
            assert_eq!(why.kind, WhyKind::Flapping, "{service} {code}: {why:?}");
            assert!(why.text.contains("accepts and then closes"), "{service} {code}: {why:?}");
            assert!(client.diagnose().text.contains("open and close at once"), "{}", client.diagnose().text);
            // What the user asks for is not counted.
            client.connect();
            within("one more", async {
                while count.load(Ordering::SeqCst) < 13 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            within("shutdown", client.shutdown()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn accept_then_4401_ends_after_one_forced_refresh() {
    each(|service| async move {
        let (url, count) = closing(4401).await;
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&calls);
        let provider = move |force: bool| {
            let mut calls = noted.lock().unwrap();
            calls.push(force);
            let token = format!("token-{}", calls.len());
            async move { Ok::<_, TokenError>(token) }
        };
        let client = open(impatient(service, &url).token_provider(provider));
        let mut log = Log::of(&client);
        let _topic = client.subscribe("s").unwrap();
        let state = log.state("failed").await;
        assert_eq!(state.why().unwrap().kind, WhyKind::Auth, "{service}");
        assert_eq!(
            (count.load(Ordering::SeqCst), &calls.lock().unwrap()[..]),
            (2, &[false, true][..]),
            "{service}"
        );
    })
    .await;
}

/// When the attempts of a client that nobody answers began.
async fn dials(options: Options, number: usize) -> Vec<Instant> {
    let client = open(options);
    let mut log = Log::of(&client);
    let _topic = client.subscribe("s").unwrap();
    let mut at = Vec::new();
    while at.len() < number {
        log.state("connecting").await;
        at.push(Instant::now());
    }
    assert!(log.troubles().iter().all(|why| why.kind == WhyKind::Network), "{:?}", log.lines());
    at
}

async fn nobody_listens() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("ws://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn refused_dials_without_jitter_follow_the_nominal_schedule() {
    let url = nobody_listens().await;
    let url = url.as_str();
    each(|service| async move {
        let mut options = Options::new(service, Endpoint::Url(url.into())).token("t");
        options.config.reconnect.base_delay = Duration::from_millis(100);
        options.config.reconnect.jitter = false;
        let at = dials(options, 5).await;
        for (pair, nominal) in at.windows(2).zip([100_u64, 200, 400, 800]) {
            let waited = pair[1] - pair[0];
            let nominal = Duration::from_millis(nominal);
            // 5 %, and what a busy machine takes to wake a task.
            let most = nominal.mul_f64(1.05) + Duration::from_millis(25);
            assert!(
                waited >= nominal.mul_f64(0.95) && waited <= most,
                "{service}: {waited:?} for {nominal:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn refused_dials_are_one_two_and_four_seconds_apart() {
    let url = nobody_listens().await;
    let mut options = Options::new(Service::Charisma, Endpoint::Url(url)).token("t");
    options.config.reconnect.jitter = false;
    let at = dials(options, 4).await;
    for (pair, nominal) in at.windows(2).zip([1.0, 2.0, 4.0]) {
        let waited = (pair[1] - pair[0]).as_secs_f64();
        assert!((waited / nominal - 1.0).abs() < 0.05, "{waited} s for {nominal} s");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_the_dial_and_handshake_limits() {
    each(|service| async move {
        // Nobody answers the upgrade.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = impatient(service, &format!("ws://{}", silent.local_addr().unwrap()));
        options.config.reconnect.dial_timeout = Duration::from_millis(100);
        let client = open(options);
        let mut log = Log::of(&client);
        let topic = client.subscribe("s").unwrap();
        let state = log.state("waiting").await;
        assert_eq!(state.why().unwrap().kind, WhyKind::Timeout, "{service}");
        drop(topic);
        if matches!(service, Service::Saga | Service::DocProc) {
            // The socket opens, and then nothing.
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut options = impatient(service, &format!("ws://{}", listener.local_addr().unwrap()));
            options.config.reconnect.handshake_timeout = Duration::from_millis(100);
            tokio::spawn(async move {
                let mut held = Vec::new();
                while let Ok((stream, _)) = listener.accept().await {
                    held.push(tokio_tungstenite::accept_async(stream).await);
                }
            });
            let client = open(options);
            let mut log = Log::of(&client);
            let _topic = client.subscribe("s").unwrap();
            log.state("authenticating").await;
            let state = log.state("waiting").await;
            assert_eq!(state.why().unwrap().kind, WhyKind::Timeout, "{service}");
        }
    })
    .await;
}
