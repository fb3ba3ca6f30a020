//! What the app gives to a client, and what is left of it afterwards: counted in the library itself, where its tasks can
//! be seen. The tests share one runtime, as all clients of a process do, so they take turns.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;
use crate::config::{Endpoint, Service};
use crate::io::Reachability;

async fn turn() -> tokio::sync::MutexGuard<'static, ()> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    TURN.lock().await
}

/// Waits for what only happens on other threads, but not for ever.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(Duration::from_secs(20), wait).await.is_ok(), "{what}");
}

fn tasks() -> usize {
    runtime::runtime().unwrap().metrics().num_alive_tasks()
}

/// Threads of ours; the runtime's own is always there.
fn threads() -> usize {
    let name = |task: &Path| std::fs::read_to_string(task.join("comm")).unwrap_or_default();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks.filter(|task| name(&task.path()).trim() == "steadfast").count()
}

/// A server of TherapyBridge: an open socket is a subscription. Tells its address, and how many are open.
async fn server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                count.fetch_add(1, Ordering::SeqCst);
                while let Some(Ok(_)) = socket.next().await {}
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (address, open)
}

fn options(server: SocketAddr) -> ClientOptions {
    ClientOptions {
        endpoint: Endpoint::Url(format!("ws://{server}/")),
        token: None,
        auth: None,
        rest_url: None,
        query: HashMap::new(),
        headers: HashMap::new(),
        connect_fields: HashMap::new(),
        allow_insecure: false,
        extra_root_pem: Vec::new(),
        reconnect: ReconnectOptions { enabled: true, jitter: true, ..ReconnectOptions::default() },
        // A topic that is let go may come back for 2.5 s otherwise.
        timings: TimingOptions { linger_ms: Some(0), ..TimingOptions::default() },
        limits: LimitOptions::default(),
        answer_pings: true,
        fetch_on_stage: false,
        log_frames: false,
    }
}

/// Gives a token, or waits for one until nobody wants it any more; then it looks at its client.
#[derive(Default)]
struct Provider {
    client: OnceLock<Weak<NativeClient>>,
    waits: bool,
    asked: AtomicUsize,
    given_up: Arc<AtomicUsize>,
    answer: Notify,
}

/// What the app does when its work is cancelled: it asks the client, which must not be locked then.
struct Looking<'a>(&'a Provider);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.0.client.get().and_then(Weak::upgrade) {
            assert!(!client.diagnose().text.is_empty());
            client.set_token("another".into());
        }
        self.0.given_up.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl NativeTokenProvider for Provider {
    async fn ask(&self, question: u64, _force: bool) -> Result<(), TokenError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let looking = Looking(self);
        if self.waits {
            self.answer.notified().await;
        }
        std::mem::forget(looking);
        give_token(question, "token".into());
        Ok(())
    }
}

struct Listener(Arc<AtomicUsize>);

impl EventListener for Listener {
    fn on_event(&self, _event: ClientEvent) -> Result<(), CallbackError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn client(server: SocketAddr, provider: &Arc<Provider>, heard: &Arc<AtomicUsize>) -> Arc<NativeClient> {
    let listener = Box::new(Listener(Arc::clone(heard)));
    let given: Arc<dyn NativeTokenProvider> = Arc::clone(provider) as _;
    let client =
        NativeClient::new(Service::TherapyBridge, options(server), Some(given), Some(listener), None)
            .unwrap();
    let _ = provider.client.set(Arc::downgrade(&client));
    client
}

#[tokio::test]
async fn cancelled_commands_dropped_subscriptions_and_closed_clients_leave_nothing_running() {
    let _turn = turn().await;
    let (server, open) = server().await;
    let heard = Arc::new(AtomicUsize::new(0));
    let before = tasks();
    for round in 0..20 {
        let provider = Arc::new(Provider::default());
        let client = client(server, &provider, &heard);
        let (kept, dropped) = (
            client.subscribe("kept".into(), false).unwrap(),
            client.subscribe("dropped".into(), false).unwrap(),
        );
        timeout(Duration::from_secs(20), kept.live(None)).await.unwrap().unwrap();
        timeout(Duration::from_secs(20), dropped.live(None)).await.unwrap().unwrap();
        until("both are connected", || open.load(Ordering::SeqCst) == 2).await;

        drop(dropped);
        until("the dropped one is not", || open.load(Ordering::SeqCst) == 1).await;

        // Given up by its handle, and by whoever waited being gone.
        let cancel = CancelHandle::new();
        cancel.cancel();
        let missing = client.subscribe("another".into(), false).unwrap();
        let given_up = missing.live(Some(cancel)).await;
        assert!(given_up.is_err() || matches!(missing.state(), SubscriptionState::Live));
        let reader = kept.reader();
        let mut seq = 0;
        while let Ok(Ok(Some(next))) = timeout(Duration::ZERO, reader.next_after(seq, None)).await {
            seq = next.seq;
        }
        drop((missing, reader));

        if round % 2 == 0 {
            client.shutdown().await.unwrap();
        }
        drop((kept, client));
        until("its sockets are closed", || open.load(Ordering::SeqCst) == 0).await;
        until("its tasks have ended", || tasks() == before).await;
        until("nobody holds its provider and listener", || {
            Arc::strong_count(&provider) == 1 && Arc::strong_count(&heard) == 1
        })
        .await;
    }
    assert!(heard.load(Ordering::SeqCst) > 20, "the listeners heard nothing");
    until("threads that may block end after 2 s", || threads() == 1).await;
}

/// The end of a token's future is the app's code: a Swift task's cancellation, say. Called under the client's lock, it
/// would wait for itself here.
#[tokio::test]
async fn a_providers_future_ends_without_a_lock_whoever_ends_it() {
    let _turn = turn().await;
    let (server, _) = server().await;
    let heard = Arc::new(AtomicUsize::new(0));
    for round in 0..60 {
        let provider = Arc::new(Provider { waits: true, ..Provider::default() });
        let client = client(server, &provider, &heard);
        let session = client.subscribe("topic".into(), false).unwrap();
        until("the provider is asked", || provider.asked.load(Ordering::SeqCst) > 0).await;
        // The answer comes while the client goes, from another thread.
        let answering = Arc::clone(&provider);
        let answered = round % 3 != 0;
        let answer = std::thread::spawn(move || {
            if answered {
                answering.answer.notify_one();
            }
        });
        match round % 2 {
            0 => timeout(Duration::from_secs(20), client.shutdown()).await.expect("no deadlock").unwrap(),
            _ => drop(session),
        }
        drop(client);
        until("the future is gone", || Arc::strong_count(&provider) == 1).await;
        answer.join().unwrap();
        if !answered {
            assert!(provider.given_up.load(Ordering::SeqCst) > 0, "it was not told that nobody waits");
        }
    }
}

struct Lines(Mutex<Vec<String>>);

impl Logger for Lines {
    fn log(&self, _level: LogLevel, line: String) -> Result<(), CallbackError> {
        self.0.lock().unwrap().push(line);
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_of_ours_is_logged_with_its_place_and_without_what_it_says() {
    let _turn = turn().await;
    let lines = Arc::new(Lines(Mutex::new(Vec::new())));
    set_logger(Some(Arc::clone(&lines) as _), Some(LogLevel::Error)).unwrap();
    assert!(std::thread::spawn(|| panic!("a token")).join().is_err());
    until("it is logged", || lines.0.lock().unwrap().iter().any(|line| line.contains("tests.rs:"))).await;
    set_logger(None, None).unwrap();
    assert!(!lines.0.lock().unwrap().iter().any(|line| line.contains("a token")));
}

/// In Swift a failure of these would end the app.
#[tokio::test]
async fn whatever_an_app_says_what_can_not_fail_does_not() {
    let _turn = turn().await;
    let (server, open) = server().await;
    let heard = Arc::new(AtomicUsize::new(0));
    let texts = [
        "",
        ".",
        "..",
        "\0\r\n",
        "\u{202e}\u{fffd}\u{1f600}",
        "%",
        "{\"a\":[",
        "a.b.c",
        &"ü".repeat(1 << 20),
    ];
    let client = client(server, &Arc::new(Provider::default()), &heard);
    let session = client.subscribe("topic".into(), false).unwrap();
    let (reader, events) = (session.reader(), client.reader());
    let say = || {
        for text in texts {
            client.set_token(text.into());
            assert!(client.snapshot(text.into()).is_none());
            log_failure(text.into());
            give_token(0, text.into());
            refuse_token(u64::MAX, TokenError::Denied { detail: text.into() });
        }
        for reachability in [Reachability::Offline, Reachability::Online] {
            client.network_changed(reachability);
        }
        client.background();
        client.foreground();
        client.connect();
        client.take_over();
        assert!(!client.diagnose().text.is_empty() && client.stats().violations == 0);
        assert_eq!(client.service(), Service::TherapyBridge);
        let _ = (client.state(), session.state(), session.snapshot(), client.reader(), session.reader());
        assert_eq!(session.topic(), "topic");
        CancelHandle::new().cancel();
    };
    say();
    until("it is connected", || open.load(Ordering::SeqCst) > 0).await;
    say();
    reader.stop();
    reader.stop();
    session.unsubscribe();
    session.unsubscribe();
    say();
    client.shutdown().await.unwrap();
    events.stop();
    say();
    assert!(
        client.subscribe(texts[0].into(), false).is_err(),
        "what an app says is checked where it can be refused"
    );
}
