//! What an event costs on its way from the socket to the app, beside tokio-tungstenite with `serde_json` into the same
//! owned type. Times are CPU time of the client's thread, not wall time: the server runs on another thread.
//!
//! `flood`: the server writes as fast as it can. `paced`: it sends the next frame when the app has seen the last, so
//! that every frame costs a wake-up and a read of its own. `process`: no socket at all.
#![allow(missing_docs)] // `criterion_group!` makes public items without any

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cpu_time::ThreadTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::{SinkExt, StreamExt};
use steadfast::client::{CharismaClient, Options, TopicEvent, Update};
use steadfast::messages::{self, charisma};
use steadfast::{
    Command, CommandId, Config, Endpoint, HostCaps, Input, Machine, Now, Output, Service, SocketId,
};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

/// The CPU time of this thread so far.
fn cpu() -> Duration {
    ThreadTime::now().as_duration()
}

/// A frame of about this many bytes.
fn frame(size: usize, n: u64) -> String {
    let filler = "x".repeat(size.saturating_sub(110));
    let progress = (n % 1000) as f64 / 1000.0;
    format!(
        r#"{{"type":"session_status","sessionId":"session_123","status":"analysis_in_progress","message":"{filler}","progress":{progress}}}"#
    )
}

/// Runs `client` on a thread of its own with a runtime for one thread; gives the CPU time it took.
fn on_a_thread<F: Future<Output = Duration> + Send + 'static>(
    client: impl FnOnce(u16, mpsc::Sender<()>) -> F + Send,
    size: usize,
    count: u64,
    paced: bool,
) -> Duration {
    let (port_send, port) = mpsc::channel();
    let (seen, wait) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || serve(&port_send, size, count, paced, wait));
        let port = port.recv().expect("the server tells its port");
        let client = scope.spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            // A task like any other: what `block_on` itself runs is looked at far more seldom.
            runtime.block_on(runtime.spawn(client(port, seen))).expect("the client ends")
        });
        client.join().expect("the client ends")
    })
}

/// Confirms one subscribe and sends the frames.
#[tokio::main(flavor = "current_thread")]
async fn serve(port: &mpsc::Sender<u16>, size: usize, count: u64, paced: bool, seen: mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    port.send(listener.local_addr().expect("an address").port()).expect("the bench waits");
    let (stream, _) = listener.accept().await.expect("a client");
    stream.set_nodelay(true).expect("a socket");
    let mut socket = tokio_tungstenite::accept_async(stream).await.expect("an upgrade");
    let _subscribe = socket.next().await;
    let confirmed = r#"{"type":"subscribed","sessionId":"session_123"}"#;
    socket.send(Message::text(confirmed)).await.expect("sent");
    for n in 0..count {
        if paced {
            socket.send(Message::text(frame(size, n))).await.expect("sent");
            if seen.recv().is_err() {
                return;
            }
        } else {
            socket.feed(Message::text(frame(size, n))).await.expect("queued");
        }
    }
    let _ = socket.flush().await;
    while let Some(Ok(_)) = socket.next().await {}
}

async fn with_steadfast(port: u16, seen: mpsc::Sender<()>, count: u64, paced: bool) -> Duration {
    let endpoint = Endpoint::Url(format!("ws://127.0.0.1:{port}"));
    let client = CharismaClient::new(Options::new(Service::Charisma, endpoint)).expect("good options");
    let mut session = client.session("session_123").expect("a good id");
    let mut left = count;
    let mut start = None;
    while left > 0 {
        let message =
            match session.next().await.unwrap_or_else(|| panic!("an event: {}", client.diagnose().text)) {
                Update::Message(message) => message,
                Update::Other(TopicEvent::Lagged { skipped }) => panic!("{skipped} events were skipped"),
                Update::Other(_) => continue,
            };
        let charisma::Message::SessionStatus(status) = message.data() else { continue };
        start.get_or_insert_with(cpu);
        black_box(status.progress);
        left -= 1;
        if paced {
            let _ = seen.send(());
        }
    }
    cpu().saturating_sub(start.expect("events came"))
}

async fn with_tungstenite(port: u16, seen: mpsc::Sender<()>, count: u64, paced: bool) -> Duration {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let request = format!("ws://127.0.0.1:{port}/ws");
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.expect("a socket");
    socket.send(Message::text(r#"{"action":"subscribe"}"#)).await.expect("sent");
    let _confirmed = socket.next().await;
    let mut start = None;
    for _ in 0..count {
        let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("a frame") };
        start.get_or_insert_with(cpu);
        let status: charisma::SessionStatus = serde_json::from_str(&text).expect("a status");
        black_box(status.progress);
        if paced {
            let _ = seen.send(());
        }
    }
    cpu().saturating_sub(start.expect("events came"))
}

fn sockets(c: &mut Criterion) {
    for (name, paced, count) in [("flood", false, 20_000_u64), ("paced", true, 4_000)] {
        let mut group = c.benchmark_group(name);
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(3));
        for size in [110, 300, 2048] {
            group.throughput(Throughput::Elements(1));
            // Both are given as time an event; the frames of one run are counted, not the iterations asked for.
            let per_event =
                |total: Duration, iterations: u64| total.mul_f64(iterations as f64 / count as f64);
            group.bench_function(BenchmarkId::new("steadfast", size), |b| {
                b.iter_custom(|iterations| {
                    per_event(
                        on_a_thread(
                            |port, seen| with_steadfast(port, seen, count, paced),
                            size,
                            count,
                            paced,
                        ),
                        iterations,
                    )
                });
            });
            group.bench_function(BenchmarkId::new("tokio-tungstenite", size), |b| {
                b.iter_custom(|iterations| {
                    per_event(
                        on_a_thread(
                            |port, seen| with_tungstenite(port, seen, count, paced),
                            size,
                            count,
                            paced,
                        ),
                        iterations,
                    )
                });
            });
        }
        group.finish();
    }
}

/// A machine with one live topic, and its socket.
fn live_machine() -> (Machine, SocketId, Now) {
    let config = Config::new(Service::Charisma, Endpoint::Development);
    let mut machine = Machine::new(config, HostCaps::NATIVE).expect("good options");
    let now = Now { mono: 0, unix: 1_700_000_000_000 };
    let subscribe = Command::Subscribe { topic: "session_123".into(), keep: false };
    machine.handle(now, Input::Command(CommandId(1), subscribe));
    let mut opened = None;
    while let Some(output) = machine.poll() {
        if let Output::Open(id, _) = output {
            opened = Some(id);
        }
    }
    let socket = opened.expect("it connects");
    machine.handle(now, Input::Opened(socket));
    let text = r#"{"type":"subscribed","sessionId":"session_123"}"#;
    let confirmed = messages::read(Service::Charisma, text).expect("a frame");
    machine.frame(now, socket, text.len(), confirmed.head, &confirmed.envelope());
    while machine.poll().is_some() {}
    (machine, socket, now)
}

fn process(c: &mut Criterion) {
    let mut group = c.benchmark_group("process");
    for size in [110, 300, 2048] {
        let text = frame(size, 500);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("read and decide", size), |b| {
            let (mut machine, socket, now) = live_machine();
            b.iter(|| {
                let frame = messages::read(Service::Charisma, black_box(&text)).expect("a frame");
                let verdict = machine.frame(now, socket, text.len(), frame.head, &frame.envelope());
                (verdict, frame.message)
            });
        });
        group.bench_function(BenchmarkId::new("serde_json alone", size), |b| {
            b.iter(|| serde_json::from_str::<charisma::SessionStatus>(black_box(&text)).expect("a status"));
        });
    }
    group.finish();
}

criterion_group!(benches, process, sockets);
criterion_main!(benches);
