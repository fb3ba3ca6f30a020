//! The client, against servers that do one thing each.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use steadfast::client::{Handle, Options, Subscription, TopicEvent};
use steadfast::{
    Command, CommandId, Config, ConnectionState, Endpoint, Input, Output, Request, Service,
    SubscriptionState, Token, TokenError, TokenSource,
};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::rig::Rig;

type Peer = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

/// A server that does this with every connection; gives its URL.
async fn server<F>(serve: impl Fn(Peer) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://127.0.0.1:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(peer) = tokio_tungstenite::accept_async(stream).await {
                tokio::spawn(serve(peer));
            }
        }
    });
    url
}

/// A DocProc that confirms, and then sends these frames for each subscription.
async fn docproc(frames: Vec<String>) -> String {
    server(move |mut peer| {
        let frames = frames.clone();
        async move {
            let open =
                r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000}"#;
            let _ = peer.send(Message::text(open)).await;
            while let Some(Ok(message)) = peer.next().await {
                let Ok(text) = message.to_text() else { continue };
                if text.starts_with("40") {
                    let _ = peer.send(Message::text(r#"40{"sid":"b"}"#)).await;
                } else if text.starts_with("42[\"subscribe\"") {
                    let _ = peer.send(Message::text(r#"42["subscribed",{"sessionId":"s1"}]"#)).await;
                    for frame in &frames {
                        let _ = peer.send(Message::text(frame.as_str())).await;
                    }
                }
            }
        }
    })
    .await
}

fn progress(status: &str, n: usize) -> String {
    format!(
        r#"42["progress",{{"sessionId":"s1","status":"{status}","progress":{n},"timestamp":"2026-01-01T00:{:02}:{:02}Z"}}]"#,
        n / 60,
        n % 60
    )
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), future).await.expect("it takes too long")
}

async fn all(subscription: &mut Subscription) -> Vec<TopicEvent> {
    let mut events = Vec::new();
    while let Some(event) = soon(subscription.next()).await {
        events.push(event);
    }
    events
}

#[tokio::test]
async fn a_message_may_take_for_ever() {
    let url = server(|mut peer| async move {
        // Half a message.
        use tokio::io::AsyncWriteExt;
        let _ = peer.get_mut().write_all(&[0x81, 5, b'{']).await;
        sleep(Duration::from_secs(60)).await;
    })
    .await;
    let mut options = Options::new(Service::Charisma, Endpoint::Url(url)).token("t");
    options.native.message_time = Duration::MAX;
    let handle = Handle::new(options).unwrap();
    let mut events = handle.events();
    handle.connect();
    soon(handle.ready()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert!(matches!(handle.state(), ConnectionState::Ready { .. }), "{:?}", handle.state());
    let mut rest = Box::pin(async { while events.next().await.is_some() {} });
    assert!(timeout(Duration::from_millis(50), &mut rest).await.is_err(), "its task has died");
}

#[tokio::test]
async fn a_buffer_that_fits_into_no_memory_is_refused() {
    let mut options = Options::new(Service::Charisma, Endpoint::Development).token("t");
    options.native.read_buffer = usize::MAX;
    assert_eq!(Handle::new(options).err().map(|error| error.field), Some("read_buffer"));
}

#[tokio::test]
async fn a_slow_reader_still_gets_the_end_that_is_in_the_ring() {
    let mut frames: Vec<_> = (0..200).map(|n| progress("PROCESSING", n)).collect();
    frames.push(
        r#"42["completed",{"sessionId":"s1","result":{"a":1},"timestamp":"2026-01-01T01:00:00Z"}]"#.into(),
    );
    let mut options = Options::new(Service::DocProc, Endpoint::Url(docproc(frames).await));
    options.ring_events = 16;
    let handle = Handle::new(options).unwrap();
    let mut subscription = handle.subscribe("s1").unwrap();
    while !handle.snapshot("s1").is_some_and(|snapshot| snapshot.terminal) {
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_millis(50)).await;
    let events = all(&mut subscription).await;
    assert!(matches!(events.first(), Some(TopicEvent::Lagged { .. })), "{events:#?}");
    assert!(
        events
            .iter()
            .any(|event| matches!(event, TopicEvent::Message(message) if message.data.name() == "completed")),
        "{events:#?}"
    );
    let ends =
        events.iter().filter(|event| matches!(event, TopicEvent::State(SubscriptionState::Ended))).count();
    assert_eq!(ends, 1, "{events:#?}");
}

#[tokio::test]
async fn the_end_of_an_old_subscription_does_not_end_a_new_one() {
    let url = docproc(vec![progress("PROCESSING", 1), progress("COMPLETED", 2)]).await;
    let handle = Handle::new(Options::new(Service::DocProc, Endpoint::Url(url))).unwrap();
    let mut old = handle.subscribe("s1").unwrap();
    soon(old.live()).await.unwrap();
    sleep(Duration::from_millis(200)).await;
    // The runtime stands still until the end that is held back is due, and the app is the first to notice.
    std::thread::sleep(Duration::from_millis(2_200));
    handle.connect();
    assert_eq!(old.state(), SubscriptionState::Ended);
    let mut new = handle.subscribe("s1").unwrap();
    assert_ne!(new.state(), SubscriptionState::Ended);
    let first = soon(new.next()).await;
    assert!(
        !matches!(first, Some(TopicEvent::Message(_) | TopicEvent::State(SubscriptionState::Ended))),
        "{first:?}"
    );
    assert!(
        all(&mut old).await.iter().any(|event| matches!(event, TopicEvent::State(SubscriptionState::Ended)))
    );
}

/// A waker of an executor that goes on at once, on the thread that wakes it.
struct Inline(Handle, Mutex<u32>);

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        drop(self.0.stats());
        *self.1.lock().unwrap() += 1;
    }
}

#[test]
fn a_waker_may_use_the_client() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let url = runtime.block_on(docproc(Vec::new()));
    let handle =
        Handle::on(Options::new(Service::DocProc, Endpoint::Url(url)), runtime.handle().clone()).unwrap();
    let subscription = handle.subscribe("s1").unwrap();
    let inline = Arc::new(Inline(handle.clone(), Mutex::new(0)));
    let waker = Waker::from(Arc::clone(&inline));
    let mut ready = Box::pin(handle.ready());
    let mut live = Box::pin(subscription.live());
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut cx = Context::from_waker(&waker);
            let _ = ready.as_mut().poll(&mut cx);
            let end = std::time::Instant::now() + Duration::from_secs(5);
            while std::time::Instant::now() < end {
                // Once only after it is ready, which it may be at the first look.
                if matches!(live.as_mut().poll(&mut cx), Poll::Ready(Ok(()))) {
                    send.send(()).unwrap();
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        if receive.recv_timeout(Duration::from_secs(6)).is_err() {
            eprintln!("the client waits for itself: {}", handle.diagnose().text);
            std::process::abort();
        }
    });
    drop(runtime);
}

#[test]
fn a_client_whose_runtime_is_gone_says_that_it_is_closed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url = runtime.block_on(docproc(Vec::new()));
    let handle =
        Handle::on(Options::new(Service::DocProc, Endpoint::Url(url)), runtime.handle().clone()).unwrap();
    let mut subscription = handle.subscribe("s1").unwrap();
    runtime.block_on(async { soon(subscription.live()).await.unwrap() });
    drop(runtime);
    assert_eq!(handle.state(), ConnectionState::Closed);
    let rest = futures_executor(async {
        let mut last = None;
        while let Some(event) = subscription.next().await {
            last = Some(event);
        }
        last
    });
    drop(rest);
    // None of this does anything, keeps anything, or hangs.
    for n in 0..1_000 {
        handle.connect();
        drop(handle.subscribe(format!("t{n}")).unwrap());
    }
    futures_executor(handle.shutdown());
    assert!(futures_executor(handle.ready()).is_err());
}

/// Runs a future that needs no runtime.
fn futures_executor<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::noop();
    let mut future = Box::pin(future);
    for _ in 0..10_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(waker)) {
            return value;
        }
    }
    panic!("it waits for a runtime that is gone");
}

#[test]
fn many_threads_use_one_client_and_every_wait_ends() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let url = runtime.block_on(docproc(vec![progress("PROCESSING", 1)]));
    for _ in 0..20 {
        let handle =
            Handle::on(Options::new(Service::DocProc, Endpoint::Url(url.clone())), runtime.handle().clone())
                .unwrap();
        let tasks: Vec<_> = (0..16)
            .map(|n| {
                let handle = handle.clone();
                runtime.spawn(async move {
                    for m in 0..20 {
                        let mut subscription = handle.subscribe("s1").unwrap();
                        let mut events = handle.events();
                        match (n + m) % 5 {
                            0 => drop(timeout(Duration::from_millis(2), subscription.live()).await),
                            1 => drop(timeout(Duration::from_millis(2), subscription.next()).await),
                            2 => drop(timeout(Duration::from_millis(2), events.next()).await),
                            3 => drop(handle.send_raw("k", "{}").await),
                            _ => handle.background(),
                        }
                        handle.foreground();
                    }
                })
            })
            .collect();
        let closing = handle.clone();
        runtime.block_on(async {
            sleep(Duration::from_millis(15)).await;
            soon(closing.shutdown()).await;
            for task in tasks {
                soon(task).await.unwrap();
            }
        });
        drop(handle);
    }
}

#[test]
fn waiting_costs_no_time_of_the_processor() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = docproc(Vec::new()).await;
        let ready = Handle::new(Options::new(Service::DocProc, Endpoint::Url(url))).unwrap();
        let _subscription = ready.subscribe("s1").unwrap();
        soon(ready.ready()).await.unwrap();
        // Nobody listens there: this one waits for its next attempt.
        let waiting =
            Handle::new(Options::new(Service::Saga, Endpoint::Url("http://127.0.0.1:9".into())).token("t"))
                .unwrap();
        waiting.connect();
        let hangs = Options::new(Service::Charisma, Endpoint::Url("ws://127.0.0.1:9".into()))
            .token_provider(|_: bool| std::future::pending::<Result<String, TokenError>>());
        let hanging = Handle::new(hangs).unwrap();
        hanging.connect();
        sleep(Duration::from_millis(300)).await;
        let before = cpu_time::ThreadTime::now();
        sleep(Duration::from_secs(2)).await;
        let used = before.elapsed();
        assert!(used < Duration::from_millis(40), "{used:?} of two seconds");
    });
}

/// A server may say much in few messages: what the ring keeps of it is counted by its size.
#[tokio::test]
async fn long_notices_do_not_fill_the_memory() {
    let url = server(|mut peer| async move {
        for n in 0..40 {
            let text = format!("{n}{}", "x".repeat(300_000));
            let frame = format!(
                r#"{{"type":"session_error","error":{{"code":"INVALID_MESSAGE","message":"{text}"}}}}"#
            );
            let _ = peer.send(Message::text(frame)).await;
        }
        sleep(Duration::from_secs(20)).await;
    })
    .await;
    let handle = Handle::new(Options::new(Service::Charisma, Endpoint::Url(url)).token("t")).unwrap();
    let mut events = handle.events();
    handle.connect();
    soon(async {
        while handle.stats().frames_in < 40 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let (mut kept, mut notices) = (0, 0);
    while let Ok(Some(event)) = timeout(Duration::from_millis(200), events.next()).await {
        match event {
            steadfast::client::Event::Notice { text, .. } => {
                (kept, notices) = (kept + text.len(), notices + 1);
            }
            steadfast::client::Event::Message(message) => kept += message.raw.as_str().len(),
            _ => {}
        }
    }
    assert!(notices > 0 && kept <= 2 * 1024 * 1024, "{notices} notices, {kept} bytes");
}

#[test]
fn a_request_with_a_token_that_looks_expired_is_sent_and_the_provider_left_alone() {
    let mut config = Config::new(Service::DocProc, Endpoint::Development);
    config.token = TokenSource::Provider;
    let mut rig = Rig::new(config);
    let request = Request::Session { session_id: "s1".into() };
    let delivery = steadfast::Delivery::WaitReady { ttl: 30_000 };
    rig.take(Input::Command(CommandId(5), Command::Request(request, delivery)));
    let mut asked = 0;
    for _ in 0..10 {
        let outputs = std::mem::take(&mut rig.outputs);
        for output in outputs {
            match output {
                Output::FetchToken { generation, .. } => {
                    asked += 1;
                    let token = Token { text: "old".into(), expires_at: Some(1_000) };
                    rig.take(Input::Token(generation, Ok(token)));
                }
                Output::Http(..) => {
                    assert_eq!(asked, 1);
                    return;
                }
                _ => {}
            }
        }
    }
    panic!("asked {asked} times and sent nothing");
}

#[test]
fn tokens_that_live_for_seconds_hold_nothing_up_for_ever() {
    let mut config = Config::new(Service::Charisma, Endpoint::Development);
    config.token = TokenSource::Provider;
    let mut rig = Rig::new(config);
    rig.subscribe("s1");
    let mut sent = false;
    for n in 0..600 {
        let outputs = std::mem::take(&mut rig.outputs);
        for output in outputs {
            match output {
                Output::FetchToken { generation, .. } => {
                    let token =
                        Token { text: format!("t{n}").into(), expires_at: Some(rig.now.unix + 8_000) };
                    rig.take(Input::Token(generation, Ok(token)));
                }
                Output::Open(socket, _) => drop(rig.take(Input::Opened(socket))),
                Output::Send(socket, text) if text.expose().contains("authenticate") => {
                    rig.frame(socket, r#"{"type":"authenticated"}"#);
                }
                Output::Send(_, text) => sent |= text.expose().contains("subscribe"),
                _ => {}
            }
        }
        rig.pass(100);
    }
    assert!(sent, "a minute has passed");
}

#[tokio::test]
async fn what_is_sent_raw_is_one_json_value_whichever_way_it_is_asked() {
    let url = docproc(Vec::new()).await;
    let handle = Handle::new(Options::new(Service::DocProc, Endpoint::Url(url))).unwrap();
    handle.connect();
    soon(handle.ready()).await.unwrap();
    for payload in ["1],[2", "{", "{}{}", "\u{1}"] {
        let request = Request::SendRaw { kind: "k".into(), payload: payload.into() };
        let error = soon(handle.request(request)).await.err().map(|error| error.kind);
        assert_eq!(error, Some(steadfast::CommandErrorKind::Invalid), "{payload}");
    }
    soon(handle.request(Request::SendRaw { kind: "k".into(), payload: " {} ".into() })).await.unwrap();
    soon(handle.request(Request::SendRaw { kind: "k".into(), payload: "".into() })).await.unwrap();
}

#[tokio::test]
async fn what_readers_skip_is_counted() {
    let frames: Vec<_> = (0..200).map(|n| progress("PROCESSING", n)).collect();
    let mut options = Options::new(Service::DocProc, Endpoint::Url(docproc(frames).await));
    options.ring_events = 16;
    let handle = Handle::new(options).unwrap();
    let mut subscription = handle.subscribe("s1").unwrap();
    while handle.stats().frames_in < 200 {
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_millis(50)).await;
    let Some(TopicEvent::Lagged { skipped }) = soon(subscription.next()).await else { panic!() };
    assert_eq!(handle.stats().skipped, skipped);
    let before = subscription.position();
    soon(subscription.next()).await;
    assert!(before > 0 && subscription.position() >= before);
}

#[tokio::test]
async fn an_ipv6_address_is_a_host() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut peer = tokio_tungstenite::accept_async(stream).await.unwrap();
        while peer.next().await.is_some() {}
    });
    let handle =
        Handle::new(Options::new(Service::Charisma, Endpoint::Url(format!("ws://[::1]:{port}"))).token("t"))
            .unwrap();
    handle.connect();
    soon(handle.ready()).await.unwrap();
}

#[tokio::test]
async fn a_new_handle_of_a_kept_topic_that_is_over_begins_with_its_picture() {
    let end = r#"42["completed",{"sessionId":"s1","result":{"a":1},"timestamp":"2026-01-01T01:00:00Z"}]"#;
    let url = docproc(vec![end.into()]).await;
    let handle = Handle::new(Options::new(Service::DocProc, Endpoint::Url(url))).unwrap();
    let mut first = handle.subscribe_and_keep("s1").unwrap();
    let over = async {
        while !handle.snapshot("s1").is_some_and(|snapshot| snapshot.terminal) {
            first.next().await.unwrap();
        }
    };
    timeout(Duration::from_secs(5), over).await.unwrap();
    let mut second = handle.subscribe_and_keep("s1").unwrap();
    let shown = async {
        while let Some(event) = second.next().await {
            if let TopicEvent::Snapshot(shown) = event {
                return shown.terminal;
            }
        }
        false
    };
    assert!(timeout(Duration::from_secs(5), shown).await.expect("a picture"));
}
