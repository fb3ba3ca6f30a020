//! A token that goes every way a token can go, while everything that can log does so at its loudest.

use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, PoisonError};

use steadfast::driver::{Platform, Socket};
use steadfast::{CloseReason, ConnectRequest, DisconnectReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

use crate::secure::{certificate, shake_hands_tls, trusting};
use crate::support::*;

const TOKEN: &str = "canary-7f3a9c51e2";

static LOG: Mutex<String> = Mutex::new(String::new());

fn note(line: std::fmt::Arguments<'_>) {
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(log, "{line}").unwrap();
}

/// Writes down everything that is said through `log` or `tracing`, at every level.
struct Ear;

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        note(format_args!("{} {}: {}", record.level(), record.target(), record.args()));
    }
    fn flush(&self) {}
}

struct Fields;

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        note(format_args!("  {field} = {value:?}"));
    }
}

impl tracing::Subscriber for Ear {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields);
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields);
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        note(format_args!("{} {}", event.metadata().level(), event.metadata().target()));
        event.record(&mut Fields);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// How the token may show: as it is, as the bytes of a `Debug`, or as hexadecimal digits.
fn disguises() -> [String; 3] {
    let bytes = TOKEN.as_bytes();
    let hex = bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    });
    [TOKEN.into(), format!("{bytes:?}").trim_matches(['[', ']']).into(), hex]
}

fn loaded(url: &str) -> ConnectRequest {
    let mut request = ws(format!("{url}?token={TOKEN}"));
    request.headers = vec![("Authorization".into(), format!("Bearer {TOKEN}"))];
    request.subprotocols = vec!["api".into(), TOKEN.into()];
    request
}

#[tokio::test]
async fn no_token_reaches_a_log_a_debug_text_or_an_error() {
    log::set_boxed_logger(Box::new(Ear)).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    tracing::subscriber::set_global_default(Ear).unwrap();

    // A conversation over TLS, with the token in URL, header, subprotocol and messages, and in the close that ends it.
    let (root, acceptor) = certificate("localhost");
    let (port, server) = serve(|stream| async move {
        let mut stream = acceptor.accept(stream).await.unwrap();
        let head = shake_hands_tls(&mut stream).await;
        let (_, message) = read_frame(&mut stream).await.unwrap();
        stream.write_all(&text("welcome")).await.unwrap();
        stream.write_all(&frame(0x89, b"ping")).await.unwrap();
        stream.flush().await.unwrap();
        read_close(&mut stream).await;
        (head, message)
    })
    .await;
    let native = trusting(&root);
    let request = loaded(&format!("wss://localhost:{port}/ws"));
    note(format_args!("{request:?} {native:?}"));
    let mut socket = within(native.connect(request)).await.ok().unwrap();
    let message = format!("{{\"type\":\"authenticate\",\"token\":\"{TOKEN}\"}}");
    socket.send(&message);
    note(format_args!("{:?}", next(&mut socket).await));
    note(format_args!("{:?}", within(socket.recv()).await));
    socket.send(&message);
    socket.close(CloseReason::Done);
    let (head, received) = within(server).await.unwrap();
    assert_eq!(head.matches(TOKEN).count(), 3, "the server did get it");
    assert_eq!(received, message.as_bytes());

    // Dials that fail in every way.
    let (port, _server) = serve(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let mut reasons = vec![refused(&native, loaded(&format!("ws://127.0.0.1:{port}/"))).await];
    let (_, wrong) = certificate("localhost");
    let (port, _server) = serve(|stream| async move { wrong.accept(stream).await.is_ok() }).await;
    reasons.push(refused(&native, loaded(&format!("wss://localhost:{port}/"))).await);
    reasons.push(refused(&native, loaded("ws://127.0.0.1:1/")).await);
    for url in [
        format!("ws://h/ {TOKEN}"),
        format!("ws://{TOKEN}:{TOKEN}@h/"),
        format!("{TOKEN}://h/"),
        format!("ws://h:{TOKEN}/"),
    ] {
        reasons.push(refused(&native, ws(url)).await);
    }
    let mut illegal = loaded("ws://127.0.0.1:1/");
    illegal.headers = vec![("Authorization".into(), format!("Bearer {TOKEN}\n"))];
    reasons.push(refused(&native, illegal).await);
    let mut illegal = ws("ws://127.0.0.1:1/");
    illegal.subprotocols = vec![format!("{TOKEN}\n")];
    reasons.push(refused(&native, illegal).await);
    let (port, _server) = serve(|mut stream| async move {
        shake_hands_and(&mut stream, "Sec-WebSocket-Protocol: none\r\n", b"").await;
        let _ = stream.read_u8().await;
    })
    .await;
    reasons.push(refused(&native, loaded(&format!("ws://127.0.0.1:{port}/"))).await);
    assert!(matches!(reasons[1], DisconnectReason::Tls(_)), "{reasons:?}");
    note(format_args!("{reasons:?}"));

    // A login, whose answer is the token.
    let (port, _server) = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{TOKEN}", TOKEN.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let mut login = get(format!("http://127.0.0.1:{port}/login?token={TOKEN}"));
    login.headers = vec![("Authorization".into(), format!("Bearer {TOKEN}"))];
    (login.method, login.body) = ("POST", Some(message));
    note(format_args!("{login:?}"));
    let answer = within(native.http(login)).await;
    assert_eq!(answer.as_ref().map(|answer| answer.body.as_slice()), Ok(TOKEN.as_bytes()));
    note(format_args!("{answer:?}"));

    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(log.contains("TRACE tungstenite"), "the canary is deaf: nothing of the library was heard");
    for disguise in disguises() {
        let leak = log.lines().find(|line| line.to_lowercase().contains(&disguise.to_lowercase()));
        assert_eq!(leak, None);
    }
}
