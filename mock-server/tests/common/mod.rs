//! A plain WebSocket and HTTP client for the tests: it knows nothing of the services.
#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(unreachable_pub, reason = "a module of tests, not a library")]

mod socket;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use steadfast_mock_server::{MockServer, Options, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use socket::{Socket, connect};

/// Nothing in these tests may take longer.
const LIMIT: Duration = Duration::from_secs(8);

pub async fn start(options: Options) -> MockServer {
    MockServer::start(options).await.expect("the server starts")
}

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("it happens in time")
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Closed(u16, String),
    Lost,
}

pub struct Client(pub Socket);

impl Client {
    /// Connects, or answers the HTTP status and body of the refusal.
    pub async fn try_open(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, (u16, Value)> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match soon(connect(request)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or(Value::Null)))
            }
            Err(other) => Err((0, other.to_string().into())),
        }
    }

    pub async fn open(url: &str) -> Self {
        Self::try_open(url, &[]).await.expect("the upgrade is accepted")
    }

    /// Connects with this user's token in the `Authorization` header.
    pub async fn of(server: &MockServer, service: Service, user: &str) -> Self {
        let bearer = format!("Bearer {}", server.token(user));
        let url = server.socket_url(service, "");
        Self::try_open(&url, &[("authorization", &bearer)]).await.expect("the upgrade is accepted")
    }

    pub async fn say(&mut self, message: Value) {
        self.text(&message.to_string()).await;
    }

    pub async fn text(&mut self, text: &str) {
        soon(self.0.send(Message::text(text))).await.expect("the message is written");
    }

    /// The next text, or the end.
    pub async fn next(&mut self) -> Result<String, End> {
        loop {
            match soon(self.0.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    // Reading on sends the answer.
                    while let Some(Ok(_)) = soon(self.0.next()).await {}
                    return Err(End::Closed(frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(Message::Close(None))) => return Err(End::Closed(1005, String::new())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(End::Lost),
            }
        }
    }

    pub async fn json(&mut self) -> Value {
        serde_json::from_str(&self.next().await.expect("a message, not the end")).expect("JSON")
    }

    /// Reads on to the first message whose field has this value.
    pub async fn until(&mut self, field: &str, value: impl Into<Value>) -> Value {
        let value = value.into();
        loop {
            let message = self.json().await;
            if message.pointer(field) == Some(&value) {
                return message;
            }
        }
    }

    /// Reads on to the end.
    pub async fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }

    /// Whether nothing comes for this long.
    pub async fn silent_for(&mut self, span: Duration) -> bool {
        tokio::time::timeout(span, self.0.next()).await.is_err()
    }
}

/// A whole HTTP exchange: status, lower-case head, body.
pub async fn http(server: &MockServer, request: &str, headers: &str, body: &str) -> (u16, String, Value) {
    soon(async {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let text = format!(
            "{request} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head[9..12].parse().unwrap();
        (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
    })
    .await
}

pub async fn post(server: &MockServer, path: &str, body: Value) -> (u16, Value) {
    let (status, _, body) = http(server, &format!("POST {path}"), "", &body.to_string()).await;
    (status, body)
}

pub async fn get(server: &MockServer, path: &str) -> (u16, Value) {
    let (status, _, body) = http(server, &format!("GET {path}"), "", "").await;
    (status, body)
}

pub fn subscribe(session: &str) -> Value {
    json!({"action": "subscribe", "payload": {"sessionId": session}})
}
