//! What a tester is told: where the services are, how a topic is followed, and what went astray.
#![cfg(unix)]

mod common;
mod process;
mod sio;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Client, start};
use serde_json::Value;
use sio::Sio;
use steadfast_mock_server::{Control, Filter, Happening, Options, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the first steps say follows a topic does so.
#[tokio::test]
async fn every_first_step_follows_a_topic() {
    let server = start(Options::for_tests()).await;
    let mut clients = Vec::new();
    let control = Control::new(&server.base_url()).unwrap();
    for how in control.services().await.unwrap() {
        let token = server.token_for(how.service, "u1");
        let url = how.open.split('"').nth(1).unwrap().replace("$TOKEN", &token);
        let message: Option<Value> = serde_json::from_str(&how.follow).ok();
        if let Some(path) = &how.path {
            assert_eq!(server.socket_url(how.service, ""), format!("{url}{path}"));
            let mut sio = Sio::of(&server, how.service, "u1").await;
            let args = how.follow.split_once("emit(").unwrap().1.trim_end_matches(')');
            sio.emit(serde_json::from_str(&format!("[{args}]")).unwrap()).await;
            sio.until(if how.service == Service::Saga { "joined_project" } else { "subscribed" }).await;
        } else {
            let mut client = Client::open(&url).await;
            match message {
                Some(message) => client.say(message).await,
                None => assert_eq!(how.service, Service::TherapyBridge),
            }
            let subscribed = Filter { what: Some(Happening::Subscribed), ..Filter::of(how.service) };
            control.wait_for(&subscribed, 1, Duration::from_secs(10)).await.unwrap();
            clients.push(client);
        }
    }
    let report = server.report();
    assert!(report.passed, "{report}");
}

#[tokio::test]
async fn a_request_to_nowhere_is_told_with_where_the_services_are() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mock-server"))
        .args(["run", "room-forgotten", "--port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let place = lines.find(|line| line.starts_with("saga is ready at ")).unwrap();
    let base = place.split('"').nth(1).unwrap().to_owned();
    assert_eq!(
        place,
        format!(r#"saga is ready at io("{base}", {{ path: "/saga/socket.io/", auth: {{ token }} }})"#),
        "it can be pasted"
    );
    lines.find(|line| line.starts_with("waiting for a client")).unwrap();
    let mut stream = TcpStream::connect(base.strip_prefix("http://").unwrap()).await.unwrap();
    let request = "GET /socket.io/?EIO=4&token=hidden%1b HTTP/1.1\r\nhost: mock\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let line = lines.next().unwrap();
    assert!(
        line.starts_with("GET /socket.io/: nothing is there; the services are at /charisma/ws, "),
        "{line}"
    );
    assert!(line.contains("option `path`"), "{line}");
    assert!(line.contains("/saga/socket.io/") && !line.contains("hidden"), "{line}");
    process::signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[tokio::test]
async fn what_is_shown_of_addresses_is_where_it_was_asked() {
    let server = start(Options::for_tests()).await;
    let base = server.base_url();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let port = server.address().port();
    let request = format!("GET /_mock/ HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut index = String::new();
    stream.read_to_string(&mut index).await.unwrap();
    let here = base.replace("127.0.0.1", "localhost");
    assert!(index.contains(&format!("curl {here}/_mock/drop ")) && !index.contains("8090"), "{index}");
    for how in Control::new(&base).unwrap().services().await.unwrap() {
        assert!(how.open.contains(&base.replacen("http", "", 1)), "{how:?}");
        assert!(how.url.ends_with(&server.address().to_string()) == how.path.is_some(), "{how:?}");
    }
}

#[tokio::test]
async fn who_did_not_know_how_to_follow_a_topic_is_told_by_the_verdict() {
    let server = start(Options::for_tests()).await;
    for (service, word) in [(Service::Charisma, "\"sessionId\""), (Service::DevContext, "\"analysisId\"")] {
        let mut client = Client::of(&server, service, "u1").await;
        client.text(r#"{"type":"subscribe","topic":"t"}"#).await;
        client.json().await;
        let report = server.report();
        let text =
            report.verdicts.iter().flat_map(|ruling| &ruling.findings).find(|one| one.service == service);
        let text = &text.expect("it is found").text;
        assert!(text.contains("to follow a topic: {") && text.contains(word), "{text}");
    }
}
