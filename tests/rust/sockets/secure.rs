//! wss and https: whom the client trusts, and what it says to whom it does not.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use steadfast::client::Options;
use steadfast::{Endpoint, Service, SessionType, WhyKind};
use steadfast_mock_server::{MockServer, Options as MockOptions, TlsFiles};
use steadfast_tests::{
    Log, advance, each, hasten, is_shared, live, mock_service, open, options, progress_name, refusal, within,
};

/// A server with a certificate for this name, and the root it is signed by.
async fn secure(name: &str) -> (MockServer, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    let file = |kind: &str, text: String| -> PathBuf {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("steadfast-{}-{number}.{kind}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    };
    let tls = TlsFiles { certificate: file("crt", leaf.pem()), key: file("key", key.serialize_pem()) };
    let server = MockServer::start(MockOptions { tls: Some(tls.clone().into()), ..MockOptions::for_tests() })
        .await
        .unwrap();
    for path in [tls.certificate, tls.key] {
        std::fs::remove_file(path).unwrap();
    }
    (server, root.pem())
}

#[tokio::test]
async fn an_extra_root_is_trusted_by_sockets_and_requests() {
    each(|service| async move {
        let (server, root) = secure("127.0.0.1").await;
        let mut options = hasten(options(&server, service));
        options.native.extra_roots = vec![root];
        let client = open(options);
        let mut log = Log::of(&client);
        let _one = live(&client, "quiet-1").await;
        advance(&server, service, "quiet-1");
        log.message(progress_name(service)).await;
        match service {
            Service::Saga => {
                within("health", client.request(steadfast::Request::ServerHealth)).await.unwrap();
            }
            Service::DevContext => {
                let request = steadfast::Request::StartInterview {
                    analysis_id: "quiet-1".into(),
                    session_type: SessionType::Live,
                };
                within("start", client.request(request)).await.unwrap();
            }
            _ => {}
        }
        steadfast_tests::now(&server, service, serde_json::json!({"do": "drop", "how": "rst"}));
        log.gap("quiet-1").await;
    })
    .await;
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_ends_it_before_a_request_is_sent() {
    each(|service| async move {
        for name in ["127.0.0.1", "elsewhere.example"] {
            let (server, root) = secure(name).await;
            let url = server.service_url(mock_service(service));
            let mut options = hasten(Options::new(service, Endpoint::Url(url)).token(server.token("u1")));
            if name != "127.0.0.1" {
                options.native.extra_roots = vec![root]; // the root is good, the name is another's
            }
            let client = open(options);
            let mut log = Log::of(&client);
            let _one = client.subscribe("quiet-1").unwrap();
            let why = if is_shared(service) {
                log.state("failed").await.why().unwrap().clone()
            } else {
                refusal(&log.topic("quiet-1", "refused").await).clone()
            };
            assert_eq!(why.kind, WhyKind::Tls, "{service} {name}: {why:?}");
            assert!(why.text.contains("certificate") && why.text.len() > 50, "{service} {name}: {why:?}");
            assert!(why.help.contains("root"), "{service} {name}: {why:?}");
            assert_eq!(client.stats().attempts, 1, "{service}: it is not tried again");
            assert!(server.journal().after(0, |_| true).is_empty(), "{service}: no request came through");
        }
    })
    .await;
}
