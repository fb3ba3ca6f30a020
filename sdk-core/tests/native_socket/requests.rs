//! Plain HTTP requests.

use std::time::Duration;

use steadfast::driver::Platform;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::*;

#[tokio::test]
async fn get_and_post_bring_their_answers() {
    let (port, server) = serve(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let answer =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        head
    })
    .await;
    let mut request = get(format!("http://127.0.0.1:{port}/health?verbose=1"));
    request.headers = vec![("Authorization".into(), "Bearer abc".into())];
    let answer = within(native().http(request)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), answer.retry_after), (200, &b"{\"a\":1}"[..], None));
    let head = within(server).await.unwrap();
    assert!(head.starts_with("GET /health?verbose=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "authorization"), Some("Bearer abc"));
    assert_eq!(header(&head, "content-length"), None);

    let (port, server) = serve(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let mut body = vec![0; header(&head, "content-length").unwrap().parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let answer = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        (head, body)
    })
    .await;
    let mut request = get(format!("http://127.0.0.1:{port}/login"));
    (request.method, request.body) = ("POST", Some("{\"name\":\"ä\"}".into()));
    let answer = within(native().http(request)).await.unwrap();
    assert_eq!((answer.status, answer.retry_after, answer.body.len()), (429, Some(2000), 0));
    let (head, body) = within(server).await.unwrap();
    assert!(head.starts_with("POST /login HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "content-type"), Some("application/json"));
    assert_eq!(body, "{\"name\":\"ä\"}".as_bytes());
}

#[tokio::test]
async fn a_body_over_the_limit_is_an_error_and_is_not_read_on() {
    for head in ["Content-Length: 1000000", "Transfer-Encoding: chunked", "X-Until: the end"] {
        let (port, server) = serve(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes()).await.unwrap();
            let chunk = if head.contains("chunked") { "a\r\n0123456789\r\n" } else { "0123456789" };
            let mut sent = 0;
            while sent < 100_000_000 && stream.write_all(chunk.repeat(1000).as_bytes()).await.is_ok() {
                sent += 10_000;
            }
            sent
        })
        .await;
        let mut request = get(format!("http://127.0.0.1:{port}/"));
        request.max_body = 20_000;
        let error = within(native().http(request)).await.unwrap_err();
        assert!(error.sent && error.reason.contains("20000"), "{error:?}");
        assert!(within(server).await.unwrap() < 100_000_000);
    }
}

#[tokio::test]
async fn redirects_are_answers() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/", elsewhere.local_addr().unwrap());
    let (port, _server) = serve(move |mut stream| async move {
        read_head(&mut stream).await;
        let answer =
            format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let answer = within(native().http(get(format!("http://127.0.0.1:{port}/")))).await.unwrap();
    assert_eq!(answer.status, 307);
    let accepted = tokio::time::timeout(Duration::from_millis(50), elsewhere.accept()).await;
    assert!(accepted.is_err(), "it was followed");
}

#[tokio::test]
async fn an_error_says_whether_the_request_may_have_arrived() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = within(native().http(get(format!("http://127.0.0.1:{port}/")))).await.unwrap_err();
    assert!(!error.sent, "{error:?}");
    let (port, _server) = serve(|mut stream| async move {
        read_head(&mut stream).await;
    })
    .await;
    let error = within(native().http(get(format!("http://127.0.0.1:{port}/")))).await.unwrap_err();
    assert!(error.sent, "{error:?}");
    // The answer breaks off.
    let (port, _server) = serve(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    })
    .await;
    let error = within(native().http(get(format!("http://127.0.0.1:{port}/")))).await.unwrap_err();
    assert!(error.sent, "{error:?}");
}

#[tokio::test]
async fn dropping_a_request_cuts_it_off() {
    let (port, server) = serve(|mut stream| async move {
        read_head(&mut stream).await;
        stream.read_u8().await.is_err()
    })
    .await;
    let native = native();
    let request = native.http(get(format!("http://127.0.0.1:{port}/")));
    assert!(tokio::time::timeout(Duration::from_millis(100), request).await.is_err());
    assert!(within(server).await.unwrap());
}
