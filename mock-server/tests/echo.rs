//! Echo mode, over a plain WebSocket and plain HTTP requests.

#[path = "common/socket.rs"]
mod socket;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use steadfast_mock_server::{MockServer, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use socket::{Socket, connect};

async fn start() -> MockServer {
    MockServer::start(Options { echo: true, ..Options::for_tests() }.with("echo.ping_interval=60s"))
        .await
        .unwrap()
}

struct Client(Socket);

impl Client {
    /// Opens the engine's session.
    async fn open(server: &MockServer, path: &str) -> Self {
        let url = format!("ws://{}{path}?EIO=4&transport=websocket", server.address());
        let mut client = Self(connect(url).await.unwrap().0);
        let open = client.text().await;
        assert!(open.starts_with("0{") && open.contains("\"maxPayload\":1000000"), "{open}");
        client
    }

    async fn say(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).await.unwrap();
    }

    async fn hear(&mut self) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await;
        next.expect("nothing came").expect("it ended").unwrap()
    }

    async fn text(&mut self) -> String {
        self.hear().await.into_text().unwrap().to_string()
    }
}

/// One HTTP request; the status and the body.
async fn http(server: &MockServer, method: &str, query: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "{method} /engine.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn both_namespaces_tell_their_auth_and_echo() {
    let server = start().await;
    let mut client = Client::open(&server, "/socket.io/").await;
    for (prefix, auth) in [("", "{}"), ("/custom,", r#"{"key":"abc"}"#)] {
        client.say(format!("40{prefix}{}", auth.replace("{}", ""))).await;
        assert!(client.text().await.starts_with(&format!("40{prefix}{{\"sid\":")));
        assert_eq!(client.text().await, format!(r#"42{prefix}["auth",{auth}]"#));
    }
    client.say("40/random").await;
    assert_eq!(client.text().await, r#"44/random,{"message":"Invalid namespace"}"#);
    client.say(r#"42/custom,["message",1,"2",{"3":[true]}]"#).await;
    assert_eq!(client.text().await, r#"42/custom,["message-back",1,"2",{"3":[true]}]"#);
    client.say(r#"42456["message-with-ack",1]"#).await;
    assert_eq!(client.text().await, "43456[1]");
    client.say("41/custom").await;
    client.say(r#"42["message","still here"]"#).await;
    assert_eq!(client.text().await, r#"42["message-back","still here"]"#);
    client.say(r#"42/custom,["message","gone"]"#).await;
    assert!(matches!(client.hear().await, Message::Close(_)));
    server.shutdown().await;
}

#[tokio::test]
async fn attachments_come_back_with_their_message_or_acknowledgement() {
    let server = start().await;
    let mut client = Client::open(&server, "/socket.io/").await;
    client.say("40").await;
    let _welcome = (client.text().await, client.text().await);
    let places = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    for (said, heard) in [
        (format!(r#"452-["message",{places}]"#), format!(r#"452-["message-back",{places}]"#)),
        (format!(r#"452-789["message-with-ack",{places}]"#), format!("462-789[{places}]")),
    ] {
        client.say(said).await;
        client.say(vec![1, 2, 3]).await;
        client.say(vec![4, 5]).await;
        assert_eq!(client.text().await, heard);
        assert_eq!(client.hear().await, Message::binary(vec![1, 2, 3]));
        assert_eq!(client.hear().await, Message::binary(vec![4, 5]));
    }
    server.shutdown().await;
}

#[tokio::test]
async fn the_engine_alone_echoes_texts_and_bytes() {
    let server = start().await;
    let mut client = Client::open(&server, "/engine.io/").await;
    client.say("4hello").await;
    assert_eq!(client.text().await, "4hello");
    client.say(vec![1, 2, 3, 4]).await;
    assert_eq!(client.hear().await, Message::binary(vec![1, 2, 3, 4]));

    let (status, open) = http(&server, "GET", "", "").await;
    assert_eq!(status, 200);
    let open: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = format!("&sid={}", open["sid"].as_str().unwrap());
    let payload = "4hello\u{1e}bAQIDBA==\u{1e}4again";
    assert_eq!(http(&server, "POST", &sid, payload).await, (200, "ok".to_owned()));
    assert_eq!(http(&server, "GET", &sid, "").await, (200, payload.to_owned()));
    assert_eq!(http(&server, "POST", &sid, "abc").await.0, 400);
    server.shutdown().await;
}

#[tokio::test]
async fn a_silent_poller_is_forgotten() {
    let options = Options { echo: true, ..Options::for_tests() }.with("echo.ping_interval=50ms");
    let server = MockServer::start(options.with("echo.ping_timeout=50ms")).await.unwrap();
    let (_, open) = http(&server, "GET", "", "").await;
    let open: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    let ended = server.journal().wait_for(|entry| entry.detail.starts_with("ping timeout")).await;
    while server.connections().iter().any(|one| one.connection == ended.connection) {
        tokio::task::yield_now().await;
    }
    let (status, _) = http(&server, "GET", &format!("&sid={}", open["sid"].as_str().unwrap()), "").await;
    assert_eq!(status, 400);
    server.shutdown().await;
}

#[tokio::test]
async fn a_get_that_comes_just_behind_the_end_of_its_session_is_answered() {
    let server = start().await;
    let (_, open) = http(&server, "GET", "", "").await;
    let open: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = format!("&sid={}", open["sid"].as_str().unwrap());
    let late = async {
        server.journal().wait_for(|entry| entry.kind.as_deref() == Some("(close)")).await;
        http(&server, "GET", &sid, "").await
    };
    let (ended, late) = tokio::join!(http(&server, "POST", &sid, "1"), late);
    assert_eq!((ended.0, late), (200, (200, "6".to_owned())));
    assert_eq!(http(&server, "GET", &sid, "").await.0, 400);
    server.shutdown().await;
}
