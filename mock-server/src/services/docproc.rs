//! DocProc [docproc §1]: document processing by several models over Socket.IO, with questions that wait for an answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::socketio::{self, Dialect, Greeting, Kind, Out, Pass};
use super::{Personality, default_field};
use crate::auth::Identity;
use crate::connection::{Connection, Frame};
use crate::http::{ApiError, body, caller};
use crate::hub::Access;
use crate::limits::Window;
use crate::report::journal::Fact;
use crate::service::Service;
use crate::switches as s;
use crate::world::{World, timestamp};

/// The window of the limit on subscribes.
const MINUTE: Duration = Duration::from_secs(60);
/// Longer ids are no ids.
const LONGEST_ID: usize = 256;
/// The prompts of a session in the default flow.
const PROMPTS: u64 = 4;
static KIND: Kind = Kind {
    service: Service::DocProc,
    above: |world, on, greeting, settings| {
        let (pass, subscribes) = (Pass::default(), Window::default());
        let talk = Talk { world: world.clone(), on: on.clone(), greeting, pass, subscribes };
        socketio::session(world, on, talk, settings)
    },
    ping_interval: &s::DOCPROC_PING_INTERVAL,
    ping_timeout: &s::DOCPROC_PING_TIMEOUT,
    connect_timeout: &s::DOCPROC_CONNECT_TIMEOUT,
    max_payload: &s::DOCPROC_MAX_PAYLOAD,
};

/// The service.
pub(crate) struct DocProc;

/// The progress of a session of which nothing has been told yet [docproc §3.3].
fn fresh() -> Value {
    json!({"status": "ACTIVE", "progress": 0,
        "prompts": {"total": PROMPTS, "completed": 0, "processing": 0, "pending": PROMPTS, "failed": 0},
        "hasClarifications": false, "clarificationCount": 0})
}

impl Personality for DocProc {
    fn routes(&self) -> Router<World> {
        KIND.routes()
            .route("/api/wizard/clarifications/respond", post(respond))
            .route("/api/wizard/session/{id}", get(session))
    }

    fn emitted(&self, _: &str, event: Option<&str>, data: Value) -> Result<Frame, String> {
        Ok(Frame::new(event.unwrap_or("progress"), data))
    }

    fn complete(&self, topic: &str, _: &Value, frame: &mut Frame) {
        default_field(&mut frame.body, "sessionId", topic);
        default_field(&mut frame.body, "timestamp", timestamp());
    }

    /// The latest progress for REST, the last word on each clarification, and the last payload of everything else.
    fn absorb(&self, state: &mut Value, frame: &Frame) {
        match (frame.kind.as_str(), frame.body.get("clarificationId").and_then(Value::as_str)) {
            ("clarification", Some(id)) => state["clarifications"][id] = frame.body.clone(),
            (kind, _) => state[kind] = frame.body.clone(),
        }
    }
}

/// One connection's conversation.
struct Talk {
    world: World,
    on: Arc<Connection>,
    greeting: Greeting,
    pass: Pass,
    subscribes: Window,
}

impl Talk {
    fn subscribe(&mut self, session: &str, out: &mut Out) {
        let limit = self.world.switches.number(&s::DOCPROC_SUBSCRIBE_LIMIT);
        let refusal = match self.world.hub.access(Service::DocProc, session, self.pass.who.as_ref(), false) {
            _ if self.subscribes.admit(Instant::now(), limit, MINUTE).is_err() => Some("Rate limit exceeded"),
            Access::Missing => Some("Session not found"),
            Access::Denied => Some("Not allowed"),
            Access::Granted => None,
        };
        if let Some(text) = refusal {
            self.world.journal.add(&*self.on, Fact::Denied { topic: session, code: text });
            self.world.console.tell("refused", &self.on, &format!("{session}: {text}"));
            let body = json!({"sessionId": session, "error": text, "timestamp": timestamp()});
            return out.send(Frame::new("error", body).about(session));
        }
        self.world.hub.subscribe(&self.world, Service::DocProc, session, &self.on);
        self.world.journal.add(&*self.on, Fact::Subscribed { topic: session });
        self.world.console.tell("subscribed", &self.on, session);
        let body = json!({"sessionId": session, "timestamp": timestamp()});
        out.send(Frame::new("subscribed", body).about(session));
    }

    fn unsubscribe(&self, session: &str, out: &mut Out) {
        self.world.hub.unsubscribe(Service::DocProc, session, &self.on);
        let body = json!({"sessionId": session, "timestamp": timestamp()});
        out.send(Frame::new("unsubscribed", body).about(session));
    }
}

impl Dialect for Talk {
    /// A token is looked at in all three places [docproc §1.2]; without `docproc.auth` a bad one is none.
    fn admit(&mut self, auth: Option<&Value>) -> Result<(), &'static str> {
        let wanted = self.world.switches.is(&s::DOCPROC_AUTH, "on");
        let shown = auth.and_then(|auth| auth.get("token")).and_then(Value::as_str);
        let token = shown.map(str::to_owned).or_else(|| self.greeting.token.clone());
        match token {
            Some(token) if wanted || self.world.authority.judge(&token).is_ok() => {
                self.pass.show(&self.world, &self.on, &token)
            }
            None if wanted => Err(Pass::refuse(&self.world, &self.on, "no token")),
            _ => Ok(()),
        }
    }

    fn welcomed(&mut self, sid: &str, out: &mut Out) {
        if self.world.switches.is(&s::DOCPROC_CONNECTED, "on") {
            out.send(Frame::new("connected", json!({"socketId": sid, "timestamp": timestamp()})));
        }
    }

    fn event(&mut self, name: &str, args: &[Value], out: &mut Out) {
        let complain = |text: String| Frame::new("error", json!({"error": text, "timestamp": timestamp()}));
        match (name, args) {
            ("subscribe", [Value::String(session)]) if is_id(session) => self.subscribe(session, out),
            ("unsubscribe", [Value::String(session)]) if is_id(session) => self.unsubscribe(session, out),
            ("subscribe" | "unsubscribe", _) => {
                out.send(complain(format!("{name} takes one argument, the session's id as a text")));
            }
            _ => out.send(complain(format!("there is no event {name}: there are subscribe and unsubscribe"))),
        }
    }

    fn reject(&mut self, _: &str, why: &str, topic: Option<&str>, out: &mut Out) {
        let mut error = Frame::new("error", json!({"error": why, "timestamp": timestamp()}));
        if let Some(session) = topic {
            error.body["sessionId"] = session.into();
            error = error.about(session);
        }
        out.send(error);
    }

    /// As on Saga [saga §4.4]; `error` is what errors of this service have.
    fn expired(&mut self, out: &mut Out) {
        self.pass.end();
        if self.pass.who.is_none() || self.world.switches.is(&s::DOCPROC_AUTH, "off") {
            return;
        }
        let body = json!({"code": "TOKEN_EXPIRED", "message": "Token expired", "error": "Token expired",
            "timestamp": timestamp()});
        out.send(Frame::new("error", body));
        out.disconnect();
    }

    fn deadline(&self) -> Option<Instant> {
        self.pass.ends()
    }

    /// A field of no documented type, by switch [docproc §3].
    fn dress(&self, frame: &Frame) -> Option<Value> {
        let wanted = frame.number > 0 && self.world.switches.is(&s::DOCPROC_SEQUENCE, "on");
        wanted.then(|| {
            let mut dressed = frame.body.clone();
            default_field(&mut dressed, "sequence", frame.number);
            dressed
        })
    }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_ID && !text.chars().any(char::is_control)
}

/// The caller of a REST endpoint: one is wanted with `docproc.auth`, else a good token only says whose it is.
fn guest(world: &World, headers: &HeaderMap) -> Result<Option<Identity>, ApiError> {
    let known = caller(world, headers);
    if world.switches.is(&s::DOCPROC_AUTH, "on") { known.map(Some) } else { Ok(known.ok()) }
}

/// Whether the caller may see the session.
fn check(world: &World, session: &str, who: Option<&Identity>) -> Result<(), ApiError> {
    match world.hub.access(Service::DocProc, session, who, false) {
        Access::Granted => Ok(()),
        Access::Missing => Err(ApiError::missing("Session not found")),
        Access::Denied => Err(ApiError::forbidden("Not allowed")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Reply {
    clarification_id: String,
    answer: String,
}

/// [docproc §6.1]
async fn respond(
    State(world): State<World>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Json<Value>, ApiError> {
    let who = guest(&world, &headers)?;
    let Reply { clarification_id: id, answer } = body(&bytes)?;
    if answer.is_empty() {
        return Err(ApiError::bad("`answer` is empty"));
    }
    let asked = world.hub.info().into_iter().find_map(|topic| {
        let question = topic.state.pointer("/clarifications").and_then(|all| all.get(&id))?.clone();
        (topic.service == Service::DocProc).then_some((topic.topic, topic.running, question))
    });
    let (session, running, mut question) =
        asked.ok_or_else(|| ApiError::missing("there is no such clarification"))?;
    check(&world, &session, who.as_ref())?;
    if question["status"] == "answered" {
        return Err(ApiError::bad("this clarification is answered already"));
    }
    if running {
        world.hub.fulfil(Service::DocProc, &session, &id); // its flow says that it is answered
    } else {
        question["status"] = "answered".into();
        question["timestamp"] = timestamp().into();
        world.hub.publish(Service::DocProc, Frame::new("clarification", question).about(session), None);
    }
    Ok(Json(json!({"clarificationId": id, "status": "answered"})))
}

/// [docproc §6.2] A session of which nothing has been told yet has not begun.
async fn session(
    State(world): State<World>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    check(&world, &id, guest(&world, &headers)?.as_ref())?;
    if let Some(latest) = world.hub.state(Service::DocProc, &id).get("progress") {
        return Ok(Json(latest.clone()));
    }
    let mut begun = fresh();
    default_field(&mut begun, "sessionId", id);
    default_field(&mut begun, "timestamp", timestamp());
    Ok(Json(begun))
}
