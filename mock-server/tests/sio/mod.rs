//! Socket.IO by hand, over a plain WebSocket or plain HTTP.
#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(unreachable_pub, reason = "a module of tests, not a library")]

use serde_json::{Value, json};
use steadfast_mock_server::{MockServer, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::common::{Client, End, soon};

/// The endpoint with this query, for a WebSocket client.
pub fn address(server: &MockServer, service: Service, query: &str) -> String {
    format!("{}?{query}", server.socket_url(service, "")).replacen("http", "ws", 1)
}

/// A client over a WebSocket.
pub struct Sio(pub Client);

impl Sio {
    /// Opens the engine's session; answers the open packet, too.
    pub async fn open(server: &MockServer, service: Service) -> (Self, Value) {
        let mut client = Client::open(&address(server, service, "EIO=4&transport=websocket")).await;
        let open = client.next().await.expect("an open packet");
        let open = serde_json::from_str(open.strip_prefix('0').expect("an open packet")).unwrap();
        (Self(client), open)
    }

    /// Opens it and sends CONNECT with this auth; answers the first packet after it.
    pub async fn knock(server: &MockServer, service: Service, auth: Value) -> (Self, String) {
        let (mut sio, _) = Self::open(server, service).await;
        sio.0.text(&if auth.is_null() { "40".to_owned() } else { format!("40{auth}") }).await;
        let first = sio.0.next().await.expect("an answer to CONNECT");
        (sio, first)
    }

    /// A connected client of this user.
    pub async fn of(server: &MockServer, service: Service, user: &str) -> Self {
        Self::with(server, service, json!({"token": server.token(user)})).await
    }

    /// A connected client with this auth.
    pub async fn with(server: &MockServer, service: Service, auth: Value) -> Self {
        let (sio, first) = Self::knock(server, service, auth).await;
        assert!(first.starts_with("40{\"sid\":"), "{first}");
        sio
    }

    pub async fn emit(&mut self, packet: Value) {
        self.0.text(&format!("42{packet}")).await;
    }

    /// The next packet; the engine's pings are answered.
    pub async fn packet(&mut self) -> Result<String, End> {
        loop {
            let text = self.0.next().await?;
            if text != "2" {
                return Ok(text);
            }
            self.0.text("3").await;
        }
    }

    /// The next event: name and payload.
    pub async fn event(&mut self) -> (String, Value) {
        let packet = self.packet().await.expect("an event, not the end");
        let event: Vec<Value> =
            serde_json::from_str(packet.strip_prefix("42").unwrap_or_else(|| panic!("no event: {packet}")))
                .unwrap();
        (event[0].as_str().unwrap().to_owned(), event.get(1).cloned().unwrap_or(Value::Null))
    }

    /// Reads on to the next event of this name.
    pub async fn until(&mut self, name: &str) -> Value {
        loop {
            let (event, data) = self.event().await;
            if event == name {
                return data;
            }
        }
    }

    /// Reads on to the end.
    pub async fn end(&mut self) -> End {
        self.0.end().await
    }
}

/// One HTTP request to the engine: status and body.
pub async fn exchange(server: &MockServer, method: &str, path: &str, body: &str) -> (u16, String) {
    soon(async {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n");
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        if stream.read_to_string(&mut answer).await.is_err() || answer.is_empty() {
            return (0, String::new());
        }
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head[9..12].parse().unwrap(), body.to_owned())
    })
    .await
}

/// A client over long-polling.
pub struct Poller<'a> {
    pub server: &'a MockServer,
    pub path: String,
    pub sid: String,
}

impl<'a> Poller<'a> {
    /// Opens the engine's session.
    pub async fn open(server: &'a MockServer, service: Service) -> Self {
        let path = format!("/{service}/socket.io/?EIO=4&transport=polling");
        let (status, body) = exchange(server, "GET", &path, "").await;
        assert_eq!(status, 200, "{body}");
        let open: Value = serde_json::from_str(body.strip_prefix('0').unwrap()).unwrap();
        assert_eq!(open["upgrades"], json!(["websocket"]));
        let sid = open["sid"].as_str().unwrap().to_owned();
        Self { server, path: format!("{path}&sid={sid}"), sid }
    }

    pub async fn get(&self) -> (u16, String) {
        exchange(self.server, "GET", &self.path, "").await
    }

    pub async fn post(&self, body: &str) -> (u16, String) {
        exchange(self.server, "POST", &self.path, body).await
    }

    /// The packets of the next answer.
    pub async fn packets(&self) -> Vec<String> {
        let (status, body) = self.get().await;
        assert_eq!(status, 200, "{body}");
        body.split('\u{1e}').map(str::to_owned).collect()
    }

    /// Says something that is taken.
    pub async fn say(&self, body: &str) {
        assert_eq!(self.post(body).await, (200, "ok".to_owned()));
    }

    /// Polls on to a packet that begins like this.
    pub async fn until(&self, start: &str) -> String {
        loop {
            let packets = self.packets().await;
            if packets.iter().any(|p| p == "2") {
                self.say("3").await;
            }
            if let Some(found) = packets.into_iter().find(|p| p.starts_with(start)) {
                return found;
            }
        }
    }
}
