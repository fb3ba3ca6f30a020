//! TLS: certificates that are refused, and roots that are added.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use steadfast::driver::native::{Native, NativeOptions, ServerTrust, Trust};
use steadfast::driver::{Platform, Socket};
use steadfast::{CloseReason, DisconnectReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use crate::support::*;

/// A root of our own and a server certificate for `name` under it.
pub(crate) fn certificate(name: &str) -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (root.pem(), TlsAcceptor::from(Arc::new(config)))
}

pub(crate) fn trusting(root: &str) -> Native {
    native_with(NativeOptions { extra_roots: vec![root.into()], ..NativeOptions::default() })
}

/// The server's half of a WebSocket handshake over TLS; gives the request's head.
pub(crate) async fn shake_hands_tls(stream: &mut TlsStream<TcpStream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let key = header(&head, "sec-websocket-key").unwrap();
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \
         {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    head
}

#[tokio::test]
async fn a_root_that_was_added_is_trusted() {
    let (root, acceptor) = certificate("localhost");
    let (port, server) = serve(|stream| async move {
        let mut stream = acceptor.accept(stream).await.unwrap();
        shake_hands_tls(&mut stream).await;
        let (_, text) = read_frame(&mut stream).await.unwrap();
        stream.write_all(&frame(0x81, &text)).await.unwrap();
        stream.flush().await.unwrap();
        read_close(&mut stream).await
    })
    .await;
    let mut socket =
        within(trusting(&root).connect(ws(format!("wss://localhost:{port}/ws")))).await.ok().unwrap();
    let long = "over several records ".repeat(5000);
    socket.send(&long);
    assert_eq!(next(&mut socket).await, said(&long));
    socket.close(CloseReason::Done);
    assert_eq!(within(server).await.unwrap(), Some(1000));
}

#[tokio::test]
async fn https_uses_the_same_roots() {
    let (root, acceptor) = certificate("localhost");
    let (port, _server) = serve(|stream| async move {
        let mut stream = acceptor.accept(stream).await.unwrap();
        let mut bytes = [0; 4096];
        let _ = stream.read(&mut bytes).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await;
    let answer = within(trusting(&root).http(get(format!("https://localhost:{port}/")))).await.unwrap();
    assert_eq!(answer.body, b"ok");
}

#[tokio::test]
async fn a_wrong_certificate_is_refused_before_any_request_byte() {
    let (root, for_localhost) = certificate("localhost");
    let (_, unknown) = certificate("localhost");
    let (other_root, for_another) = certificate("elsewhere.example");
    let cases =
        [(trusting(&root), unknown.clone()), (native(), for_localhost), (trusting(&other_root), for_another)];
    for (native, acceptor) in cases {
        let start = |acceptor: TlsAcceptor| {
            serve(|stream| async move {
                // Everything that can be read in the clear after the handshake; the client ends it instead.
                match acceptor.accept(stream).await {
                    Err(_) => Vec::new(),
                    Ok(mut stream) => {
                        let mut bytes = Vec::new();
                        let _ = stream.read_to_end(&mut bytes).await;
                        bytes
                    }
                }
            })
        };
        let (port, server) = start(acceptor.clone()).await;
        let reason = refused(&native, ws(format!("wss://localhost:{port}/ws?token=secret"))).await;
        assert!(
            matches!(&reason, DisconnectReason::Tls(why) if why.contains("certificate of localhost")),
            "{reason:?}"
        );
        assert_eq!(within(server).await.unwrap(), b"", "the server saw a request");

        let (port, server) = start(acceptor).await;
        let error = within(native.http(get(format!("https://localhost:{port}/")))).await.unwrap_err();
        assert!(!error.sent && error.reason.contains("certificate"), "{error:?}");
        assert_eq!(within(server).await.unwrap(), b"", "the server saw a request");
    }
}

#[tokio::test]
async fn a_plain_port_behind_a_secure_url_is_explained() {
    let (port, _server) = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        stream
    })
    .await;
    let reason = refused(&native(), ws(format!("wss://127.0.0.1:{port}/ws"))).await;
    assert!(
        matches!(&reason, DisconnectReason::Tls(why) if why.contains("does not speak TLS") && why.contains("ws://")),
        "{reason:?}"
    );
}

#[tokio::test]
async fn an_app_whose_check_of_the_certificate_panics_has_refused_it() {
    struct Panics;
    impl ServerTrust for Panics {
        fn check(&self, _: &[&[u8]], _: &str) -> Result<(), String> {
            panic!("no certificate for me")
        }
    }
    let (_, acceptor) = certificate("localhost");
    let (port, _server) = serve(|stream| async move { acceptor.accept(stream).await.is_ok() }).await;
    let options = NativeOptions { trust: Some(Trust(Arc::new(Panics))), ..NativeOptions::default() };
    let reason = refused(&native_with(options), ws(format!("wss://localhost:{port}/ws"))).await;
    assert!(matches!(&reason, DisconnectReason::Tls(why) if why.contains("panicked")), "{reason:?}");
}

#[tokio::test]
async fn a_secure_port_behind_a_plain_url_is_explained() {
    let (_, acceptor) = certificate("localhost");
    let (port, _server) = serve(|stream| async move { acceptor.accept(stream).await.is_ok() }).await;
    let reason = refused(&native(), ws(format!("ws://127.0.0.1:{port}/ws"))).await;
    assert!(
        matches!(&reason, DisconnectReason::Network(why) if why.contains("does not speak HTTP") && why.contains("wss://")),
        "{reason:?}"
    );
}

#[tokio::test]
async fn a_tls_stream_cut_off_without_goodbye_is_1006() {
    let (root, acceptor) = certificate("localhost");
    let (port, _server) = serve(|stream| async move {
        let mut stream = acceptor.accept(stream).await.unwrap();
        shake_hands_tls(&mut stream).await;
    })
    .await;
    let mut socket =
        within(trusting(&root).connect(ws(format!("wss://localhost:{port}/")))).await.ok().unwrap();
    assert_eq!(next(&mut socket).await, closed(1006, ""));
}

#[tokio::test]
async fn a_root_that_is_none_is_a_configuration_error() {
    let options = NativeOptions { extra_roots: vec!["nonsense".into()], ..NativeOptions::default() };
    let error = Native::new(options, tokio::runtime::Handle::current()).unwrap_err();
    assert_eq!(error.field, "extra_roots");
}
