//! Servers and shorthands.

use std::future::Future;
use std::time::Duration;

use steadfast::driver::native::{Native, NativeOptions, NativeSocket};
use steadfast::driver::{Incoming, Platform, Socket};
use steadfast::{ConnectRequest, DisconnectReason, HttpRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub(crate) type Got = Incoming<<NativeSocket as Socket>::Text>;

pub(crate) fn native() -> Native {
    native_with(NativeOptions::default())
}

pub(crate) fn native_with(options: NativeOptions) -> Native {
    Native::new(options, Handle::current()).unwrap()
}

pub(crate) fn ws(url: impl Into<String>) -> ConnectRequest {
    ConnectRequest { url: url.into(), headers: Vec::new(), subprotocols: Vec::new(), max_message: 1 << 20 }
}

pub(crate) fn get(url: impl Into<String>) -> HttpRequest {
    HttpRequest { method: "GET", url: url.into(), headers: Vec::new(), body: None, max_body: 1 << 20 }
}

/// Accepts one connection and hands it to `serve`; gives the port and what `serve` came to.
pub(crate) async fn serve<F, T>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> (u16, JoinHandle<T>)
where
    F: Future<Output = T> + Send,
    T: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await
    });
    (port, task)
}

/// Reads a request's head.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Reads the upgrade request and answers 101; gives the request's head.
pub(crate) async fn shake_hands(stream: &mut TcpStream) -> String {
    shake_hands_and(stream, "", b"").await
}

/// The same, with more headers and with bytes right behind the answer.
pub(crate) async fn shake_hands_and(stream: &mut TcpStream, headers: &str, more: &[u8]) -> String {
    let request = read_head(stream).await;
    let key = header(&request, "Sec-WebSocket-Key").unwrap();
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
    )
    .into_bytes();
    answer.extend_from_slice(more);
    stream.write_all(&answer).await.unwrap();
    request
}

pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value.trim()))
}

/// A frame as a server sends it; `first` holds FIN and opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        n @ 0..126 => bytes.push(n as u8),
        n @ 126..65_536 => {
            bytes.push(126);
            bytes.extend((n as u16).to_be_bytes());
        }
        n => {
            bytes.push(127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload.as_bytes())
}

/// A frame from the client, unmasked: its first byte and its payload. `None` at the end of the stream.
pub(crate) async fn read_frame(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let second = stream.read_u8().await.ok()?;
    assert!(second & 0x80 != 0, "a client masks");
    let length = match second & 0x7F {
        126 => u64::from(stream.read_u16().await.ok()?),
        127 => stream.read_u64().await.ok()?,
        n => u64::from(n),
    };
    let mask = stream.read_u32().await.ok()?.to_be_bytes();
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.ok()?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Some((first, payload))
}

/// Reads until a close frame and gives its code; `None` if the connection ends without.
pub(crate) async fn read_close(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<u16> {
    loop {
        let (first, payload) = read_frame(stream).await?;
        if first == 0x88 {
            return Some(match payload[..] {
                [] => 1005,
                [a, b, ..] => u16::from_be_bytes([a, b]),
                [_] => panic!("a close frame with one byte"),
            });
        }
    }
}

pub(crate) async fn connect(port: u16) -> NativeSocket {
    native().connect(ws(format!("ws://127.0.0.1:{port}/ws"))).await.unwrap_or_else(|why| panic!("{why:?}"))
}

/// The reason why a dial fails.
pub(crate) async fn refused(native: &Native, request: ConnectRequest) -> DisconnectReason {
    match within(native.connect(request)).await {
        Ok(_) => panic!("it connected"),
        Err(reason) => reason,
    }
}

/// What comes next that is no mere activity.
pub(crate) async fn next(socket: &mut NativeSocket) -> Got {
    within(async {
        loop {
            match socket.recv().await {
                Incoming::Activity => {}
                other => return other,
            }
        }
    })
    .await
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work).await.expect("it takes too long")
}

pub(crate) fn closed(code: u16, reason: &str) -> Got {
    Incoming::Closed(DisconnectReason::Closed { code, reason: reason.into() })
}

pub(crate) fn said(text: &str) -> Got {
    Incoming::Text(text.into())
}
