//! The server around the services: control API, cross-origin rules, TLS, ports, shutdown, the binary.

mod common;
mod process;
mod sio;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{Client, End, get, http, post, soon, start, subscribe};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use sio::Sio;
use steadfast_mock_server::{AuthMode, By, Happening, MockServer, Options, Service, TlsFiles};
use tokio::net::TcpStream;

const C: Service = Service::Charisma;

#[tokio::test]
async fn time_passes_for_flows_on_command() {
    let server = start(Options { step: Duration::from_secs(3600), ..Options::for_tests() }).await;
    let (status, clock) = post(&server, "/_mock/clock", json!({"stopped": true})).await;
    assert_eq!((status, &clock["stopped"]), (200, &json!(true)));
    let flow = json!([{"wait": 2}, {"emit": {"event": "session_status", "data": {"id": "{topic}"}}}]);
    let ask = json!({"service": "charisma", "topic": "t1", "flow": flow});
    assert_eq!(post(&server, "/_mock/flows", ask).await.0, 200);
    let mut client = Client::of(&server, Service::Charisma, "u1").await;
    client.say(subscribe("t1")).await;
    client.until("/type", "subscribed").await;
    server.advance(Duration::from_secs(3600));
    assert!(client.silent_for(Duration::from_millis(30)).await);
    post(&server, "/_mock/clock", json!({"advance": "1h"})).await;
    assert_eq!(client.json().await["id"], "t1");
    let wrong = json!({"service": "charisma", "flow": [{"wiat": 2}]});
    let (status, body) = post(&server, "/_mock/flows", wrong).await;
    assert!(status == 400 && body["error"].as_str().unwrap().contains("wiat"), "{body}");
}

#[tokio::test]
async fn rooms_that_were_left_are_noted_and_forgotten_when_there_are_too_many() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, Service::Charisma, "u1").await;
    server.own(Service::Charisma, "owned", Some("u1"), &[]);
    for n in 0..1100 {
        let topic = format!("quiet-{n}");
        client.say(subscribe(&topic)).await;
        client.until("/type", "subscribed").await;
        client.say(json!({"action": "unsubscribe", "payload": {"sessionId": topic}})).await;
        client.until("/type", "unsubscribed").await;
    }
    let emptied = server.journal().after(0, |entry| entry.what == Happening::Emptied);
    assert_eq!((emptied.len(), emptied[0].topic.as_deref()), (1100, Some("quiet-0")));
    let topics: Vec<_> = server.topics().into_iter().map(|topic| topic.topic).collect();
    assert_eq!(topics.len(), 1001);
    assert!(topics.contains(&"owned".to_owned()) && topics.contains(&"quiet-1099".to_owned()));
    assert!(!topics.contains(&"quiet-0".to_owned()));
}

#[tokio::test]
async fn the_journal_tells_tokens_apart_and_who_ended_a_connection() {
    let server = start(Options::for_tests()).await;
    let url = |token: &str| format!("{}?token={token}", server.socket_url(Service::Charisma, ""));
    for _ in 0..2 {
        assert_eq!(Client::try_open(&url("nonsense"), &[]).await.err().unwrap().0, 401);
    }
    let failed = server.journal().after(0, |entry| entry.what == Happening::AuthFailed);
    assert!(failed.len() == 2 && failed[0].token.is_some() && failed[0].token == failed[1].token);
    let mut client = Client::open(&url(&server.token("u1"))).await;
    client.0.close(None).await.unwrap();
    let end = soon(server.journal().wait_for(|entry| entry.what == Happening::Close)).await;
    assert_eq!((end.by, end.code), (Some(By::Client), None));
    let known = server.journal().after(0, |entry| entry.what == Happening::Authenticated);
    assert!(known[0].token.is_some() && known[0].token != failed[0].token);
    let all = get(&server, "/_mock/log").await.1.to_string();
    assert!(!all.contains("nonsense"), "{all}");
}

#[tokio::test]
async fn answers_carry_cross_origin_headers_and_preflights_are_answered() {
    let server = start(Options::for_tests()).await;
    let (status, head, body) = http(&server, "GET /nothing", "origin: http://app.example\r\n", "").await;
    assert_eq!(status, 404);
    assert!(head.contains("access-control-allow-origin: *") && body["error"].is_string());
    let preflight = "origin: http://app.example\r\naccess-control-request-method: POST\r\n\
                     access-control-request-headers: authorization,content-type\r\n";
    let (status, head, _) = http(&server, "OPTIONS /_mock/emit", preflight, "").await;
    assert_eq!(status, 200);
    assert!(head.contains("access-control-allow-headers: authorization,content-type"), "{head}");
    assert!(head.contains("access-control-allow-methods: get,post"), "{head}");
}

#[tokio::test]
async fn a_restricted_origin_holds_for_sockets_too() {
    let options = Options { cors_origin: vec!["http://app.example".to_owned()], ..Options::for_tests() };
    let server = start(options).await;
    let url = format!("{}?token={}", server.socket_url(C, ""), server.token("u1"));
    let refusal = Client::try_open(&url, &[("origin", "http://evil.example")]).await.err().unwrap();
    assert_eq!(refusal.0, 403);
    assert!(Client::try_open(&url, &[("origin", "http://app.example")]).await.is_ok());
    assert!(Client::try_open(&url, &[]).await.is_ok(), "programs that are no browsers send no origin");
    let (_, head, _) = http(&server, "GET /_mock/topics", "origin: http://evil.example\r\n", "").await;
    assert!(!head.contains("access-control-allow-origin"), "{head}");
}

#[tokio::test]
async fn the_control_api_issues_tokens_sets_switches_and_refuses_what_it_does_not_know() {
    let server = start(Options::for_tests()).await;
    let (_, body) = post(&server, "/_mock/tokens", json!({"sub": "u7", "role": "admin", "ttl": "5m"})).await;
    let who = server.authority().judge(body["token"].as_str().unwrap()).unwrap();
    assert_eq!((who.sub.as_str(), who.role.as_str(), &body["expires_in"]), ("u7", "admin", &json!(300)));

    let wanted = json!({"charisma.replay": "on", "charisma.replaced_code": 4001});
    assert_eq!(post(&server, "/_mock/switches", wanted).await, (200, json!({"changed": 2})));
    let half = json!({"charisma.replay": "off", "charisma.replaced_code": 1});
    assert_eq!(post(&server, "/_mock/switches", half).await.0, 400);
    let (_, switches) = get(&server, "/_mock/switches").await;
    let replay = switches.as_array().unwrap().iter().find(|s| s["name"] == "charisma.replay").unwrap();
    assert_eq!((&replay["value"], &replay["default"]), (&json!("on"), &json!("off")), "all or nothing");

    for (path, body) in [
        ("/_mock/emit", json!({"service": "charisma", "topic": "", "data": {}})),
        ("/_mock/emit", json!({"service": "karisma", "topic": "t", "data": {}})),
        ("/_mock/emit", json!({"service": "charisma", "topic": "t", "data": 7})),
        ("/_mock/emit", json!({"service": "charisma", "topic": "t", "data": {}, "too": "u1"})),
        ("/_mock/topics", json!({"service": "charisma"})),
        ("/_mock/confirm", json!({"service": "devcontext", "topic": "t"})),
        ("/_mock/tokens", json!({"sub": "u", "ttl": "long"})),
        ("/_mock/switches", json!({"charisma.nothing": "on"})),
    ] {
        let (status, answer) = post(&server, path, body).await;
        assert!(status == 400 && answer["error"].is_string(), "{path} {status} {answer}");
    }
    assert_eq!(get(&server, "/_mock/nothing").await.0, 404);
    let (status, body) = get(&server, "/_mock/emit").await;
    assert_eq!(status, 405);
    assert!(body["error"].as_str().unwrap().contains("send POST"), "{body}");
    let (status, body) = get(&server, "/charisma/ws").await;
    assert!(status == 400 && body["error"].as_str().unwrap().contains("WebSocket"));
}

#[tokio::test]
async fn owners_and_members_are_set_over_the_control_api() {
    let server = start(Options::for_tests()).await;
    let ask = json!({"service": "charisma", "topic": "t", "owner": "u1", "members": ["u2"]});
    assert_eq!(post(&server, "/_mock/topics", ask).await.0, 200);
    for (user, kind) in [("u1", "subscribed"), ("u2", "subscribed"), ("u3", "session_error")] {
        let mut client = Client::of(&server, C, user).await;
        client.say(subscribe("t")).await;
        assert_eq!(client.json().await["type"], kind, "{user}");
    }
}

#[tokio::test]
async fn the_log_has_every_frame_in_both_directions_and_filters() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, C, "u1").await;
    client.say(subscribe("quiet-1")).await;
    client.json().await;
    let (_, connections) = get(&server, "/_mock/connections").await;
    assert_eq!((&connections[0]["user"], &connections[0]["topics"]), (&json!("u1"), &json!(["quiet-1"])));
    drop(client);
    soon(server.journal().wait_for(|e| e.what == Happening::Close)).await;
    let (_, log) = get(&server, "/_mock/log?service=charisma").await;
    let happenings: Vec<_> = log.as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap()).collect();
    assert_eq!(happenings, ["open", "authenticated", "in", "subscribed", "out", "emptied", "close"]);
    let (_, log) = get(&server, "/_mock/log?what=out&type=subscribed&topic=quiet-1&user=u1").await;
    assert_eq!(log.as_array().unwrap().len(), 1);
    assert!(log[0]["detail"].as_str().unwrap().contains("Subscribed to session updates"));
    let (_, log) = get(&server, "/_mock/log?what=close").await;
    assert!(log[0]["detail"].as_str().unwrap().contains("lost"));
    assert_eq!(get(&server, "/_mock/log?wat=out").await.0, 400);
    post(&server, "/_mock/reset", json!({})).await;
    assert_eq!(get(&server, "/_mock/log").await.1, json!([]));
    assert_eq!(get(&server, "/_mock/topics").await.1, json!([]));
}

#[tokio::test]
async fn looser_ways_to_believe_tokens() {
    let server = start(Options { auth: AuthMode::Any, ..Options::for_tests() }).await;
    let mut client = Client::open(&format!("{}?token=anything", server.socket_url(C, ""))).await;
    client.say(subscribe("quiet-1")).await;
    assert_eq!(client.json().await["type"], "subscribed");

    let foreign = steadfast_mock_server::Authority::new(AuthMode::Verify, "theirs", "x");
    let token = foreign.issue("u5", "admin", Duration::from_secs(60));
    let server = start(Options { auth: AuthMode::Decode, ..Options::for_tests() }).await;
    let url = server.socket_url(C, "");
    let _client = Client::open(&format!("{url}?token={token}")).await;
    assert_eq!(server.connections()[0].user.as_deref(), Some("u5"));
    assert_eq!(Client::try_open(&format!("{url}?token=anything"), &[]).await.err().unwrap().0, 401);
}

#[tokio::test]
async fn both_loopback_addresses_have_the_same_port_and_a_busy_one_says_what_to_do() {
    let server = start(Options::for_tests()).await;
    let port = server.address().port();
    assert!(server.address().is_ipv4());
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        TcpStream::connect(("::1", port)).await.unwrap();
    }
    let error = MockServer::start(Options { port, ..Options::for_tests() }).await.unwrap_err().to_string();
    assert!(error.contains(&port.to_string()) && error.contains("--port"), "{error}");
}

#[tokio::test]
async fn a_shutdown_closes_connections_with_1001_and_frees_the_port() {
    let server = start(Options::for_tests()).await;
    let mut client = Client::of(&server, C, "u1").await;
    let address = server.address();
    let (end, _) = tokio::join!(client.end(), server.shutdown());
    assert_eq!(end, End::Closed(1001, "Server shutting down".to_owned()));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_same_port_speaks_tls_with_a_given_certificate() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempdir();
    let files = TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let server = start(Options { tls: Some(files.clone().into()), ..Options::for_tests() }).await;
    assert!(server.socket_url(C, "").starts_with("wss://"));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tcp = TcpStream::connect(server.address()).await.unwrap();
    let tls = soon(connector.connect("localhost".try_into().unwrap(), tcp)).await.unwrap();
    let url = format!("wss://localhost/charisma/ws?token={}", server.token("u1"));
    let (mut socket, _) = Box::pin(soon(tokio_tungstenite::client_async(url, tls))).await.unwrap();
    socket.send(subscribe("quiet-1").to_string().into()).await.unwrap();
    let answer = soon(socket.next()).await.unwrap().unwrap().to_string();
    assert!(answer.contains("subscribed"));

    std::fs::write(&files.key, "no key").unwrap();
    let error =
        MockServer::start(Options { tls: Some(files.into()), ..Options::for_tests() }).await.unwrap_err();
    assert!(error.to_string().contains("key.pem"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

fn tempdir() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("mock-server-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-server"));
    command.env_remove("MOCK_JWT_SECRET");
    command
}

#[test]
fn the_binary_prints_tokens_and_switches_and_explains_bad_options() {
    let token = binary().args(["token", "--sub", "u1", "--role", "patient", "--ttl", "1h"]).output().unwrap();
    let token = String::from_utf8(token.stdout).unwrap();
    let who =
        steadfast_mock_server::Authority::new(AuthMode::Verify, steadfast_mock_server::DEFAULT_SECRET, "x")
            .judge(token.trim())
            .unwrap();
    assert_eq!((who.sub.as_str(), who.role.as_str()), ("u1", "patient"));

    let bad = binary().args(["token", "--ttl", "1y2"]).output().unwrap();
    let text = String::from_utf8(bad.stderr).unwrap();
    assert!(!bad.status.success() && text.contains("30m"), "{text}");

    let switches =
        String::from_utf8(binary().env("MOCK_PORT", "1").arg("switches").output().unwrap().stdout).unwrap();
    assert!(switches.contains("charisma.second_connection=replace") && switches.contains("docproc.auth=off"));

    for (arguments, word) in [
        (["--set", "charisma.reply=on"], "charisma.replay"),
        (["--step", "fast"], "400ms"),
        (["--tls", "a"], "key"),
    ] {
        let output = binary().args(arguments).output().unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for arguments in [&["switches"][..], &["token", "--sub", "u1"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = binary().args(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", output.status);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
    }
}

#[tokio::test]
async fn tokens_for_trying_things_are_let_in_by_their_service() {
    let server = start(Options::for_tests()).await;
    let judge = |token: &str| server.authority().judge(token).unwrap();
    let plain = judge(&server.token("u1"));
    assert_eq!((plain.role_given, plain.role.as_str()), (false, "patient"), "the default role");
    let left = plain.expires.unwrap().duration_since(std::time::SystemTime::now()).unwrap();
    assert!((3590..=3601).contains(&left.as_secs()), "{left:?}");

    server.own(Service::TherapyBridge, "quiet-1", Some("somebody"), &[]);
    let url = server.socket_url(Service::TherapyBridge, "quiet-1");
    let mut patient = Client::open(&format!("{url}?token={}", server.token("u1"))).await;
    let refused = End::Closed(1008, "Not authorized to access this session".to_owned());
    assert_eq!(patient.end().await, refused);
    let mut therapist =
        Client::open(&format!("{url}?token={}", server.token_for(Service::TherapyBridge, "u1"))).await;
    assert!(therapist.silent_for(Duration::from_millis(50)).await, "let in");

    for token in [server.token("u1"), server.token_for(Service::Saga, "u1")] {
        let mut saga = Sio::with(&server, Service::Saga, json!({"token": token})).await;
        saga.emit(json!(["join_project", "quiet-1"])).await;
        assert_eq!(saga.event().await.0, "joined_project");
    }
}

#[test]
fn the_binary_says_what_it_serves_and_ends_on_a_signal() {
    let mut child = binary()
        .args(["serve", "--port", "0", "--log", "json"])
        .env("MOCK_CHARISMA_REPLAY", "on")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let judge = steadfast_mock_server::Authority::new(
        AuthMode::Verify,
        steadfast_mock_server::DEFAULT_SECRET,
        "none was named",
    );
    for (service, role) in [
        ("charisma", "user"),
        ("therapybridge", "therapist"),
        ("saga", "storyteller"),
        ("docproc", "user"),
        ("devcontext", "user"),
    ] {
        let line = lines.next().unwrap().unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let detail = ready["detail"].as_str().unwrap();
        assert!(
            ready["event"] == "ready" && detail.starts_with(&format!("{service} is ready at ")),
            "{detail}"
        );
        let token = detail.split("token of u1 ").nth(1).unwrap().lines().next().unwrap();
        assert_eq!(judge.judge(token).unwrap().role, role, "{service}");
    }
    process::signal(child.id(), "TERM");
    assert!(child.wait().unwrap().success());
}
