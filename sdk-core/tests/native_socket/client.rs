//! Whole clients against small servers.

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use steadfast::client::{Event, Handle, Options, TopicEvent};
use steadfast::{ConnectionState, Endpoint, Service, TokenError, WhyKind};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

use crate::support::*;

const TOKEN: &str = "canary+4b/1d";

/// Does this with every connection; gives the port.
async fn serve_all<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

fn options(service: Service, port: u16) -> Options {
    let mut options = Options::new(service, Endpoint::Url(format!("ws://127.0.0.1:{port}")));
    options.config.reconnect.jitter = false;
    options.config.reconnect.base_delay = std::time::Duration::from_millis(20);
    options
}

// --- token providers ------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_provider_that_panics_has_failed_and_is_asked_again() {
    let port = serve_all(|mut stream| async move {
        let head = shake_hands(&mut stream).await;
        assert!(head.contains("Bearer good"), "{head}");
        while read_frame(&mut stream).await.is_some() {}
    })
    .await;
    let asked = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&asked);
    let provider = move |_: bool| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        // At once, before there is a future.
        assert_ne!(call, 0, "{TOKEN}");
        async move {
            tokio::task::yield_now().await;
            assert_ne!(call, 1, "{TOKEN}");
            Ok::<_, TokenError>("good".to_owned())
        }
    };
    let handle = Handle::new(options(Service::Charisma, port).token_provider(provider)).unwrap();
    let mut events = handle.events();
    handle.connect();
    within(handle.ready()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let mut waits = 0;
    while let Some(event) = within(events.next()).await {
        match event {
            Event::State(ConnectionState::Waiting { why, .. }) => {
                assert_eq!(why.kind, WhyKind::TokenProvider);
                assert!(why.text.contains("panicked") && !why.text.contains(TOKEN), "{}", why.text);
                waits += 1;
            }
            Event::State(ConnectionState::Ready { .. }) => break,
            _ => {}
        }
    }
    assert_eq!(waits, 2);
}

// --- explanations ---------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_port_without_tls_is_told_from_a_network_that_is_down() {
    let port = serve_all(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        let _ = stream.shutdown().await;
    })
    .await;
    let url = format!("wss://127.0.0.1:{port}");
    let handle = Handle::new(Options::new(Service::Charisma, Endpoint::Url(url)).token(TOKEN)).unwrap();
    handle.connect();
    let error = within(handle.ready()).await.unwrap_err();
    let ConnectionState::Failed { why } = handle.state() else { panic!("{:?}", handle.state()) };
    assert_eq!(why.kind, WhyKind::Tls);
    let report = handle.diagnose().text;
    assert!(report.contains(&format!("endpoint: wss://127.0.0.1:{port}/ws")), "{report}");
    for text in [report, error.message] {
        assert!(text.contains("does not speak TLS"), "{text}");
        assert!(!text.contains("firewall") && !text.contains("CORS") && !text.contains(TOKEN), "{text}");
    }
}

// --- the ring -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn what_was_fetched_counts_in_the_ring_as_much_as_it_is() {
    let port = serve_all(|mut stream| async move {
        let mut start = [0; 17];
        while stream.peek(&mut start).await.is_ok_and(|n| n < start.len()) {}
        if start.starts_with(b"GET /api/analysis") {
            read_head(&mut stream).await;
            let body = format!(r#"{{"analysisId":"a1","stages":{{"x":"{}"}}}}"#, "y".repeat(300_000));
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
            return;
        }
        shake_hands(&mut stream).await;
        let _ = read_frame(&mut stream).await;
        let confirmed = r#"{"type":"subscription_confirmed","payload":{"analysisId":"a1"},"requestId":"sf-1"}"#;
        stream.write_all(&text(confirmed)).await.unwrap();
        for n in 0..8 {
            let stage = format!(r#"{{"type":"stage_completed","timestamp":"2026-01-01T00:00:0{n}Z","payload":{{"analysisId":"a1","stage":"project_review"}}}}"#);
            stream.write_all(&text(&stage)).await.unwrap();
        }
        while read_frame(&mut stream).await.is_some() {}
    })
    .await;
    let mut options = options(Service::DevContext, port).token(TOKEN);
    options.config.fetch_on_stage = true;
    options.config.limits.max_incoming = Some(1 << 20);
    options.ring_bytes = 1 << 20;
    let handle = Handle::new(options).unwrap();
    let mut slow = handle.subscribe("a1").unwrap();
    let mut quick = slow.reader();
    // Two of them are more than the ring holds, so the second pushes everything before it out.
    let (mut fetched, mut lagged) = (0, 0);
    while fetched < 2 && lagged == 0 {
        match within(quick.next()).await {
            Some(TopicEvent::Fetched(_)) => fetched += 1,
            Some(TopicEvent::Lagged { skipped }) => lagged = skipped,
            Some(_) => {}
            None => panic!("it ended"),
        }
    }
    match within(slow.next()).await {
        Some(TopicEvent::Lagged { skipped }) => lagged += skipped,
        other => panic!("everything is still there: {other:?}"),
    }
    let report = handle.diagnose();
    assert!(report.text.contains(&format!("events skipped {lagged}")), "{}", report.text);
    assert!(report.json.contains(&format!(r#""skipped":{lagged}"#)), "{}", report.json);
    assert_eq!(handle.stats().skipped, lagged);
}

#[tokio::test]
async fn what_comes_with_the_handshake_is_told_after_the_connection() {
    // A server that has news sends it in the same breath as its answer to the upgrade.
    let port = serve_all(|mut stream| async move {
        let news = text(r#"{"session_id":"s1","status":"transcribing","progress":30}"#);
        shake_hands_and(&mut stream, "", &news).await;
        while read_frame(&mut stream).await.is_some() {}
    })
    .await;
    let handle = Handle::new(options(Service::TherapyBridge, port).token(TOKEN)).unwrap();
    let mut events = handle.events();
    let _session = handle.subscribe("s1").unwrap();
    let mut told = Vec::new();
    while told.last() != Some(&"message") {
        match within(events.next()).await.unwrap() {
            Event::State(state) => told.push(state.name()),
            Event::Subscription { state, .. } => told.push(state.name()),
            Event::Message(_) => told.push("message"),
            _ => {}
        }
    }
    assert_eq!(told, ["pending", "connecting", "ready", "live", "message"]);
}

// --- the log --------------------------------------------------------------------------------------------------------

/// Writes down what the SDK logs on this thread.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<String>>);

impl Visit for &Ear {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0.lock().unwrap(), " {field}={value:?}").unwrap();
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0.lock().unwrap(), " {field}={value}").unwrap();
    }
}

impl tracing::Subscriber for Ear {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "steadfast"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut &*self);
        self.0.lock().unwrap().push('\n');
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The log of a conversation in which the token is sent, and quoted by the server as it is and percent-encoded.
async fn conversation(log_frames: bool) -> String {
    let port = serve_all(|mut stream| async move {
        shake_hands(&mut stream).await;
        let (_, first) = read_frame(&mut stream).await.unwrap();
        assert!(String::from_utf8(first).unwrap().contains(TOKEN));
        let said = format!(r#"{{"type":"news","personal":"Ada","about":"{TOKEN} canary%2B4b%2F1d"}}"#);
        stream.write_all(&text(r#"{"type":"authenticated"}"#)).await.unwrap();
        stream.write_all(&text(&said)).await.unwrap();
        // Where only names are logged, a name is the place to hide it.
        let named = format!(r#"{{"type":"no {TOKEN}","sessionId":"{TOKEN}"}}"#);
        stream.write_all(&text(&named)).await.unwrap();
        let status = format!(r#"{{"type":"session_status","status":"complete","sessionId":"{TOKEN}"}}"#);
        stream.write_all(&text(&status)).await.unwrap();
        stream.write_all(&text("no JSON by Ada")).await.unwrap();
        while read_frame(&mut stream).await.is_some() {}
    })
    .await;
    let ear = Ear::default();
    let guard = tracing::subscriber::set_default(ear.clone());
    let mut options = options(Service::Charisma, port).token(TOKEN);
    options.config.auth = steadfast::AuthMode::Message;
    options.log_frames = log_frames;
    let handle = Handle::new(options).unwrap();
    let mut events = handle.events();
    handle.connect();
    while !matches!(within(events.next()).await, Some(Event::ProtocolViolation(_))) {}
    drop(guard);
    let log = ear.0.lock().unwrap().clone();
    assert!(!log.contains("4b/1d") && !log.contains("4b%2F1d"), "{log}");
    assert!(log.contains("name=news") && log.contains("bytes="), "{log}");
    log
}

#[tokio::test]
async fn the_text_of_frames_is_logged_only_when_asked_for_and_without_the_token() {
    let log = conversation(false).await;
    assert!(!log.contains("Ada") && !log.contains("\"type\""), "{log}");
    let log = conversation(true).await;
    assert!(log.contains(r#"text={"type":"news","personal":"Ada","about":"(token) (token)"}"#), "{log}");
    assert!(log.contains("text=no JSON by Ada"), "{log}");
    assert!(log.contains(r#""token":"(token)""#), "what is sent is logged too: {log}");
}
