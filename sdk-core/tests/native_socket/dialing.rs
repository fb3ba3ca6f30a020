//! From the dial to the answer of the upgrade.

use std::time::Duration;

use steadfast::driver::{Platform, Socket};
use steadfast::{CloseReason, DisconnectReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::*;

#[tokio::test]
async fn nobody_there_is_network() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    // No label may be that long (RFC 1035 §2.3.4), so the resolver refuses it without asking anybody.
    let nameless = format!("ws://{}.invalid/", "x".repeat(64));
    for url in [format!("ws://127.0.0.1:{port}/"), format!("wss://127.0.0.1:{port}/"), nameless] {
        let reason = refused(&native(), ws(url)).await;
        assert!(matches!(reason, DisconnectReason::Network(_)), "{reason:?}");
    }
}

#[tokio::test]
async fn names_with_two_families_reach_the_one_that_listens() {
    let (port, _server) = serve(|mut stream| async move {
        shake_hands(&mut stream).await;
    })
    .await;
    let socket = within(native().connect(ws(format!("ws://localhost:{port}/")))).await;
    assert!(socket.is_ok());
}

#[tokio::test]
async fn a_refused_upgrade_tells_status_and_retry_after() {
    let cases = [
        ("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", 401, None),
        ("429 Too Many Requests", "Retry-After: 3\r\n", 429, Some(3000)),
        ("503 Service Unavailable", "Retry-After: 120\r\n", 503, Some(120_000)),
        ("503 Service Unavailable", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 503, Some(0)),
        ("302 Found", "Location: http://127.0.0.1:1/elsewhere\r\n", 302, None),
        ("200 OK", "", 200, None),
    ];
    for (status, headers, code, retry_after) in cases {
        let (port, server) = serve(move |mut stream| async move {
            read_head(&mut stream).await;
            let answer = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 2\r\n\r\nno");
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.read_u8().await.is_err()
        })
        .await;
        let reason = refused(&native(), ws(format!("ws://127.0.0.1:{port}/ws"))).await;
        assert_eq!(reason, DisconnectReason::Http { status: code, retry_after });
        assert!(within(server).await.unwrap(), "the connection was left open");
    }
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_a_protocol_error() {
    let good = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let cases = [
        format!("{good}Sec-WebSocket-Accept: d3Jvbmc=\r\n"),
        good.to_owned(),
        "Upgrade: h2c\r\nConnection: Upgrade\r\n".to_owned(),
    ];
    for headers in cases {
        let (port, _server) = serve(move |mut stream| async move {
            read_head(&mut stream).await;
            let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{headers}\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream
        })
        .await;
        let reason = refused(&native(), ws(format!("ws://127.0.0.1:{port}/ws"))).await;
        assert!(matches!(reason, DisconnectReason::Protocol { code: 1002, .. }), "{reason:?}");
    }
    for headers in
        ["Sec-WebSocket-Protocol: not.offered\r\n", "Sec-WebSocket-Extensions: permessage-deflate\r\n"]
    {
        let (port, _server) = serve(move |mut stream| async move {
            shake_hands_and(&mut stream, headers, b"").await;
            stream
        })
        .await;
        let reason = refused(&native(), ws(format!("ws://127.0.0.1:{port}/ws"))).await;
        assert!(matches!(reason, DisconnectReason::Protocol { code: 1002, .. }), "{reason:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_or_none_is_network() {
    for answer in ["SSH-2.0-OpenSSH_9.7\r\n", "HTTP/1.1 200 OK\r\nbroken", ""] {
        let (port, _server) = serve(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let reason = refused(&native(), ws(format!("ws://127.0.0.1:{port}/ws"))).await;
        assert!(matches!(reason, DisconnectReason::Network(_)), "{answer:?}: {reason:?}");
    }
    // An endless head is bounded.
    let (port, _server) = serve(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(b"X-More: and more and more\r\n").await.is_ok() {}
    })
    .await;
    let reason = refused(&native(), ws(format!("ws://127.0.0.1:{port}/ws"))).await;
    assert!(matches!(reason, DisconnectReason::Network(_)), "{reason:?}");
}

#[tokio::test]
async fn the_request_is_what_was_asked_for() {
    let (port, server) = serve(|mut stream| async move {
        shake_hands_and(&mut stream, "Sec-WebSocket-Protocol: b\r\n", b"").await
    })
    .await;
    let mut request = ws(format!("ws://127.0.0.1:{port}/socket.io/?EIO=4&token=a%20b"));
    request.headers = vec![("authorization".into(), "Bearer abc".into()), ("X-App".into(), "1".into())];
    request.subprotocols = vec!["a".into(), "b".into()];
    let socket = within(native().connect(request)).await.ok().unwrap();
    let head = within(server).await.unwrap();
    assert!(head.starts_with("GET /socket.io/?EIO=4&token=a%20b HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "Host"), Some(format!("127.0.0.1:{port}").as_str()));
    assert_eq!(header(&head, "Authorization"), Some("Bearer abc"));
    assert_eq!(header(&head, "X-App"), Some("1"));
    assert_eq!(header(&head, "Sec-WebSocket-Protocol"), Some("a, b"));
    assert_eq!(header(&head, "Sec-WebSocket-Version"), Some("13"));
    assert_eq!(header(&head, "Sec-WebSocket-Extensions"), None);
    socket.close(CloseReason::Done);
}

#[tokio::test]
async fn an_illegal_header_is_never_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = ws(format!("ws://{}/", listener.local_addr().unwrap()));
    request.headers = vec![("Authorization".into(), "Bearer s3cret\r\nX-Evil: 1".into())];
    let reason = refused(&native(), request).await;
    assert!(matches!(&reason, DisconnectReason::Network(why) if !why.contains("s3cret")), "{reason:?}");
    let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(accepted.is_err(), "it dialed");
}

#[tokio::test]
async fn a_dial_can_be_abandoned_at_any_point() {
    // A server that stays silent after accepting, one that stops in the middle of its answer, one that never speaks TLS.
    for (scheme, part) in [("ws", ""), ("ws", "HTTP/1.1 101 Switching"), ("wss", "")] {
        let (reached, there) = tokio::sync::oneshot::channel();
        let (port, server) = serve(move |mut stream| async move {
            let mut bytes = [0; 4096];
            assert!(stream.read(&mut bytes).await.unwrap() > 0);
            stream.write_all(part.as_bytes()).await.unwrap();
            reached.send(()).unwrap();
            // Ends when the client lets go.
            while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
        })
        .await;
        let native = native();
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let mut dial = Box::pin(native.connect(ws(format!("{scheme}://127.0.0.1:{port}/"))));
        within(async {
            tokio::select! {
                _ = &mut dial => panic!("it ended"),
                there = there => there.unwrap(),
            }
        })
        .await;
        drop(dial);
        within(server).await.unwrap();
        let left = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        assert!(left < tasks, "{left} tasks after {tasks}, one of which was the server");
    }
}
