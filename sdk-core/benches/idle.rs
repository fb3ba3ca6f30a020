//! The heap that an idle client holds: connected, subscribed to one topic, nothing going on. The server is another
//! process, so that only the client is counted. Run it by `cargo bench --bench idle`.

use std::alloc::System;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use steadfast::client::{Handle, Options};
use steadfast::{Endpoint, Service};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many clients share the measured sum.
const CLIENTS: usize = 200;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if std::env::args().any(|arg| arg == "serve") {
        return runtime.block_on(serve());
    }
    let mut server = Command::new(std::env::current_exe().expect("this program"))
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut lines = BufReader::new(server.stdout.take().expect("its output")).lines();
    let mut line = || lines.next().expect("a line").expect("text").replace('|', "\n");
    let (plain, tls, root) = (line(), line(), line());
    for (name, url, roots) in [("ws", plain, vec![]), ("wss", tls, vec![root])] {
        let bytes = runtime.block_on(idle_clients(&url, roots));
        println!("idle client over {name}: {:.1} KiB of heap", bytes as f64 / 1024.0);
    }
    drop(server.stdin.take());
    server.wait().expect("the server ends");
}

/// The heap of one client, averaged over many; the first one pays for what they share and is not counted.
async fn idle_clients(url: &str, extra_roots: Vec<String>) -> usize {
    let connect = async || {
        let mut options = Options::new(Service::Charisma, Endpoint::Url(url.into())).token("token");
        options.native.extra_roots.clone_from(&extra_roots);
        let client = Handle::new(options).expect("good options");
        let subscription = client.subscribe("session_123").expect("a good id");
        subscription.live().await.expect("it is confirmed");
        (client, subscription)
    };
    let first = connect().await;
    let region = Region::new(HEAP);
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        clients.push(connect().await);
    }
    let change = region.change();
    let held =
        change.bytes_allocated + change.bytes_reallocated.max(0).unsigned_abs() - change.bytes_deallocated;
    drop((first, clients));
    held / CLIENTS
}

/// Confirms subscribes, over plain and TLS sockets, until its input ends.
async fn serve() {
    let signed = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let tls = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let (plain_port, tls_port) = (port(&plain), port(&tls));
    let root = signed.cert.pem().replace('\n', "|");
    println!("ws://127.0.0.1:{plain_port}\nwss://localhost:{tls_port}\n{root}");
    std::io::stdout().flush().expect("written");
    tokio::spawn(async move {
        while let Ok((stream, _)) = plain.accept().await {
            tokio::spawn(confirm(stream));
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = tls.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    confirm(stream).await;
                }
            });
        }
    });
    let end = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
    end.await.expect("the end of the input");
}

async fn confirm(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() {
            let confirmed = r#"{"type":"subscribed","sessionId":"session_123"}"#;
            if socket.send(Message::text(confirmed)).await.is_err() {
                return;
            }
        }
    }
}
