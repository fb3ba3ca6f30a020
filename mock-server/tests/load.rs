//! What the server forgets, and that many connections stay served: bounded here, whole with `MOCK_LOAD=full` and
//! `--release`.

mod common;
mod sio;

use std::time::Duration;

use common::{Client, get, start, subscribe};
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::json;
use sio::Sio;
use steadfast_mock_server::{Entry, Happening, MockServer, Options, Service};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

const C: Service = Service::Charisma;
/// One at a time: both look at the memory of the process.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The whole size with `MOCK_LOAD=full`, a part of it otherwise.
fn size(full: usize, part: usize) -> usize {
    if std::env::var("MOCK_LOAD").is_ok_and(|wish| wish == "full") { full } else { part }
}

/// The process's resident memory in MiB: server and clients of this test together.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) >> 10
}

async fn all_gone(server: &MockServer) {
    let gone = async {
        let mut follower = server.journal().follow(server.journal().last());
        while !server.connections().is_empty() {
            follower.next().await;
        }
    };
    let ended = timeout(Duration::from_secs(30), gone).await;
    assert!(ended.is_ok(), "these do not end: {:?}", server.connections());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connects_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    let (connects, at_once) = (size(10_000, 1500), 50);
    let server =
        start(Options::for_tests().with("saga.rate_window=1ms").with("verdict.connects_per_minute=0")).await;
    let round = async |n: usize| {
        let (user, topic) = (format!("u{n}"), format!("quiet-{n}"));
        if n.is_multiple_of(2) {
            let mut client = Client::of(&server, C, &user).await;
            client.say(subscribe(&topic)).await;
            client.until("/type", "subscribed").await;
        } else {
            let mut client = Sio::of(&server, Service::Saga, &user).await;
            client.emit(json!(["join_project", topic])).await;
            client.until("joined_project").await;
        }
    };
    let mut early = 0;
    for first in (0..connects).step_by(at_once) {
        join_all((first..first + at_once).map(&round)).await;
        if first == connects / 2 {
            early = memory();
        }
    }
    all_gone(&server).await;
    assert!(server.topics().iter().all(|topic| topic.subscribers == 0));
    assert!(server.topics().len() <= 1000, "{} topics are kept", server.topics().len());
    // One more connect tidies the windows of users who have gone.
    drop(Sio::of(&server, Service::Saga, "last").await);
    let token = format!("authorization: Bearer {}\r\n", server.token("last"));
    let (_, _, stats) = common::http(&server, "GET /saga/api/websocket/stats", &token, "").await;
    assert!(stats["rateLimitStats"]["activeUsers"].as_u64().unwrap() <= 1, "{stats}");
    let report = server.report();
    assert_eq!(
        (report.missed, report.verdicts.iter().filter(|ruling| !ruling.passed).count()),
        (0, 0),
        "{report}"
    );
    let (_, page) = get(&server, "/_mock/connections").await;
    assert_eq!(page, json!([]));
    let late = memory();
    println!("{connects} connects: {early} MiB after half of them, {late} MiB after all");
    assert!(late < early + 64, "{early} MiB after half of the connects, {late} MiB after all of them");
}

/// A client that subscribes and reads nothing.
async fn deaf(server: &MockServer, topics: &[&str]) -> TcpStream {
    let token = server.token("deaf");
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stream = socket.connect(server.address()).await.unwrap();
    let request = format!(
        "GET /charisma/ws?token={token} HTTP/1.1\r\nhost: mock\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    for topic in topics {
        let text = subscribe(topic).to_string();
        // A mask of zeros leaves the text as it is.
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend(text.as_bytes());
        stream.write_all(&frame).await.unwrap();
    }
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_stay_served_and_a_slow_client_affects_no_other() {
    let _alone = ALONE.lock().await;
    let (connections, seconds) = (size(1000, 200), size(10, 2));
    let server = start(Options::for_tests().with("verdict.connects_per_minute=0")).await;
    let mut clients = Vec::new();
    for n in 0..connections {
        let topic = if n.is_multiple_of(10) { "quiet-busy".to_owned() } else { format!("quiet-{n}") };
        let mut client = Client::of(&server, C, &format!("u{n}")).await;
        client.say(subscribe(&topic)).await;
        client.until("/type", "subscribed").await;
        clients.push(client);
    }
    let _deaf = deaf(&server, &["quiet-deaf", "quiet-busy"]).await;
    let subscribed = |e: &Entry| {
        e.what == Happening::Subscribed
            && e.user.as_deref() == Some("deaf")
            && e.topic.as_deref() == Some("quiet-busy")
    };
    timeout(Duration::from_secs(10), server.journal().wait_for(subscribed)).await.unwrap();
    // More than the network holds for the one that does not read.
    let filling = "x".repeat(64 << 10);
    let floods = 200;
    for _ in 0..floods {
        server.emit(C, "quiet-deaf", None, json!({"filling": filling})).unwrap();
    }
    let before = memory();
    let messages = seconds * 10;
    let hearers = clients.into_iter().enumerate().map(|(n, mut client)| {
        tokio::spawn(async move {
            let mut heard = 0;
            while n.is_multiple_of(10) && heard < messages {
                let Some(Ok(message)) = client.0.next().await else { break };
                heard += usize::from(message.is_text());
            }
            (client, heard)
        })
    });
    let hearers: Vec<_> = hearers.collect();
    let started = Instant::now();
    for n in 1..=messages {
        let data = json!({"status": "processing", "progress": n});
        assert_eq!(server.emit(C, "quiet-busy", None, data).unwrap(), connections / 10 + 1);
        // Ten in a second are what is measured, not waited for.
        sleep((Duration::from_millis(100) * n as u32).saturating_sub(started.elapsed())).await;
    }
    let limit = Duration::from_secs(20);
    let heard = timeout(limit, join_all(hearers)).await.expect("all messages arrive in time");
    let took = started.elapsed();
    let clients: Vec<_> = heard.into_iter().map(|one| one.expect("no client fails")).collect();
    for (n, (_, heard)) in clients.iter().enumerate() {
        assert_eq!(*heard, if n.is_multiple_of(10) { messages } else { 0 }, "client {n}");
    }
    assert_eq!(server.connections().len(), connections + 1, "all are still there, the slow one too");
    let to_deaf = |e: &Entry| e.what == Happening::Out && e.topic.as_deref() == Some("quiet-deaf");
    let written = server.journal().after(0, to_deaf).len();
    assert_eq!(server.journal().after(0, |_| true)[0].seq, 1, "the journal has all of it");
    assert!(written < floods, "the slow one was meant to be stuck");
    let after = memory();
    println!(
        "{connections} connections, {messages} messages to each of {}: {took:.1?}; {before} MiB before, {after} MiB after",
        connections / 10
    );
    assert!(after < before + 160, "{before} MiB before, {after} MiB after");
}
