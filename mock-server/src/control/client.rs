//! The control API from the other side: for tests in Rust against a mock server that runs as a program of its own.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use hyper_util::rt::TokioIo;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{UserInfo, watch::Waited};
use crate::auth::IssuedToken;
use crate::connection::ConnectionInfo;
use crate::faults::rule::{Rule, RuleInfo};
use crate::howto::HowTo;
use crate::hub::TopicInfo;
use crate::report::journal::{Entry, Happening};
use crate::report::verdicts::Report;
use crate::service::Service;

/// The largest answer that is read.
const MOST_BYTES: usize = 64 << 20;

/// A client of a mock server's control API.
///
/// Each call is one HTTP request over a connection of its own; giving a call up ends it. Calls may be made from any
/// task at the same time, within a Tokio runtime with I/O and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Host and port.
    authority: String,
}

/// Why a call failed; the text says what was asked, what was answered and what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlError(String);

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ControlError {}

/// Which entries of the journal are meant. What is left out matches everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Filter {
    /// The service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The connection's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// The connection's number on its service alone, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The user's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The topic's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// A message's type or an event's name.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<Happening>,
    /// A piece of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Frames with a `progress` of at least this, on the service's own scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// Only entries after the one with this number; 0 is from the beginning of what is kept.
    pub after: u64,
}

impl Filter {
    /// Everything of one service.
    pub fn of(service: Service) -> Self {
        Self { service: Some(service), ..Self::default() }
    }
}

type Result<T> = std::result::Result<T, ControlError>;

impl Control {
    /// For the server at this base URL, such as `http://127.0.0.1:8090`. Nothing is sent yet.
    pub fn new(base_url: &str) -> Result<Self> {
        let rest = base_url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        match rest {
            Some(authority) if !authority.is_empty() && !authority.contains(['/', ' ']) => {
                Ok(Self { authority: authority.to_owned() })
            }
            _ => Err(ControlError(format!(
                "`{base_url}` is no base URL of a mock server: write http, host and port, for example \
                 http://127.0.0.1:8090"
            ))),
        }
    }

    /// A service's base URL, which clients add its paths to.
    pub fn service_url(&self, service: Service) -> String {
        format!("http://{}/{service}", self.authority)
    }

    /// Where the services are, and how a topic is followed by hand.
    pub async fn services(&self) -> Result<Vec<HowTo>> {
        self.get("services").await
    }

    /// A token for this user; without a role every service takes it.
    pub async fn token(&self, sub: &str, role: Option<&str>, ttl: Duration) -> Result<String> {
        let ttl = humantime::format_duration(ttl).to_string();
        let mut answer: Value = self.post("tokens", json!({"sub": sub, "role": role, "ttl": ttl})).await?;
        match answer["token"].take() {
            Value::String(token) => Ok(token),
            _ => Err(ControlError("POST /_mock/tokens answered no token".to_owned())),
        }
    }

    /// Sends something to all subscribers of a topic; answers to how many connections it went.
    pub async fn emit(&self, service: Service, topic: &str, event: Option<&str>, data: Value) -> Result<u64> {
        let ask = json!({"service": service, "topic": topic, "event": event, "data": data});
        self.number(self.post("emit", ask).await?, "delivered")
    }

    /// Says whose topic it is; without an owner it is everyone's.
    pub async fn own(
        &self,
        service: Service,
        topic: &str,
        owner: Option<&str>,
        members: &[&str],
    ) -> Result<()> {
        let ask = json!({"service": service, "topic": topic, "owner": owner, "members": members});
        self.post("topics", ask).await.map(|_: Value| ())
    }

    /// Lets a topic go on that waits for a confirmation.
    pub async fn confirm(&self, service: Service, topic: &str) -> Result<()> {
        self.post("confirm", json!({"service": service, "topic": topic})).await.map(|_: Value| ())
    }

    /// Puts a fault in force, or applies it at once if its `when` is `now`.
    pub async fn fault(&self, rule: &Rule) -> Result<RuleInfo> {
        self.post("faults", rule).await
    }

    /// The faults in force, with how often they were applied.
    pub async fn faults(&self) -> Result<Vec<RuleInfo>> {
        self.get("faults").await
    }

    /// Removes a fault by its number, or all of them; answers how many.
    pub async fn clear_faults(&self, id: Option<u64>) -> Result<u64> {
        let path = id.map_or_else(|| "faults".to_owned(), |id| format!("faults/{id}"));
        self.number(self.ask(Method::DELETE, &path, Body::empty()).await?, "removed")
    }

    /// Changes a switch.
    pub async fn set(&self, name: &str, value: &str) -> Result<()> {
        let mut ask = serde_json::Map::new();
        ask.insert(name.to_owned(), value.into());
        self.post("switches", ask).await.map(|_: Value| ())
    }

    /// The entries of the journal that fit, oldest first, a thousand at most.
    pub async fn log(&self, filter: &Filter) -> Result<Vec<Entry>> {
        self.get(&format!("log?{}", query(filter)?)).await
    }

    /// Waits until so many entries fit, from the beginning of what is kept; an error after `within`, which is at most
    /// five minutes.
    pub async fn wait_for(&self, filter: &Filter, count: u64, within: Duration) -> Result<Vec<Entry>> {
        let (within, query) = (within.as_millis(), query(filter)?);
        let waited: Waited = self.get(&format!("wait-for?{query}&count={count}&within={within}")).await?;
        Ok(waited.entries)
    }

    /// The open realtime connections.
    pub async fn connections(&self) -> Result<Vec<ConnectionInfo>> {
        self.get("connections").await
    }

    /// The topics known so far.
    pub async fn topics(&self) -> Result<Vec<TopicInfo>> {
        self.get("topics").await
    }

    /// The last 1,024 tokens issued, without themselves, the oldest first.
    pub async fn tokens(&self) -> Result<Vec<IssuedToken>> {
        self.get("tokens").await
    }

    /// The users with open connections.
    pub async fn users(&self) -> Result<Vec<UserInfo>> {
        self.get("users").await
    }

    /// Ends a user's tokens for good, in the middle of a connection too; answers how many connections that concerned.
    pub async fn kick(&self, user: &str) -> Result<u64> {
        self.number(self.post("kick", json!({"user": user})).await?, "connections")
    }

    /// Closes all connections (of one service) with 1012 and refuses new ones for so long with 503.
    pub async fn restart(&self, service: Option<Service>, down: Duration) -> Result<u64> {
        let ask = json!({"service": service, "for": down.as_millis() as u64});
        self.number(self.post("restart", ask).await?, "connections")
    }

    /// Lets so much time pass at once for flows and rules.
    pub async fn advance(&self, by: Duration) -> Result<()> {
        self.post("clock", json!({"advance": by.as_millis() as u64})).await.map(|_: Value| ())
    }

    /// Stops the clock of flows and rules, or lets it run.
    pub async fn stop_clock(&self, stopped: bool) -> Result<()> {
        self.post("clock", json!({"stopped": stopped})).await.map(|_: Value| ())
    }

    /// What clients did wrong so far, with the frames that prove it.
    pub async fn report(&self) -> Result<Report> {
        self.get("report").await
    }

    /// Everything as at the start; connections stay open.
    pub async fn reset(&self) -> Result<()> {
        self.post("reset", json!({})).await.map(|_: Value| ())
    }

    fn number(&self, answer: Value, name: &str) -> Result<u64> {
        let number = answer.get(name).and_then(Value::as_u64);
        number.ok_or_else(|| ControlError(format!("{} answered no number `{name}`", self.authority)))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask(Method::GET, path, Body::empty()).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, ask: impl Serialize) -> Result<T> {
        let text = serde_json::to_string(&ask).map_err(|why| ControlError(why.to_string()))?;
        self.ask(Method::POST, path, text.into()).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Body) -> Result<T> {
        let what = format!("{method} http://{}/_mock/{path}", self.authority);
        let failed = |why: &dyn fmt::Display| ControlError(format!("{what} failed: {why}"));
        let request = Request::builder()
            .method(method)
            .uri(format!("/_mock/{path}"))
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|why| failed(&why))?;
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|why| failed(&format!("{why}; is the mock server running there?")))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|why| failed(&why))?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            Ok::<_, hyper::Error>((status, to_bytes(Body::new(response.into_body()), MOST_BYTES).await))
        };
        tokio::pin!(connection);
        tokio::pin!(exchange);
        // The connection moves only while it is polled, and ends with this call.
        let answer = tokio::select! {
            biased;
            answer = &mut exchange => answer,
            ended = &mut connection => match ended {
                Ok(()) => exchange.await,
                Err(why) => Err(why),
            },
        };
        let (status, bytes) = answer.map_err(|why| failed(&why))?;
        let bytes = bytes.map_err(|why| failed(&why))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|why| failed(&format!("an answer of another kind: {why}")));
        }
        let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let text = said["error"].as_str().unwrap_or("without a reason");
        Err(ControlError(format!("{what} was refused with {status}: {text}")))
    }
}

fn query(filter: &Filter) -> Result<String> {
    serde_urlencoded::to_string(filter).map_err(|why| ControlError(why.to_string()))
}
