//! Saga [saga §1]: the rooms of family projects over Socket.IO, with roles, a rate limit and two statistics endpoints.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::socketio::{self, Dialect, Kind, Out, Pass};
use super::{Personality, default_field};
use crate::connection::{Connection, Frame};
use crate::http::{ApiError, caller};
use crate::hub::Access;
use crate::limits::Window;
use crate::report::journal::Fact;
use crate::service::Service;
use crate::switches as s;
use crate::sync::Locked;
use crate::world::World;

/// The roles that may join projects [saga §1.4].
const ROLES: [&str; 2] = ["facilitator", "storyteller"];
/// Longer ids are no ids.
const LONGEST_ID: usize = 256;

static KIND: Kind = Kind {
    service: Service::Saga,
    above: |world, on, _, settings| {
        let talk = Talk { world: world.clone(), on: on.clone(), pass: Pass::default() };
        socketio::session(world, on, talk, settings)
    },
    ping_interval: &s::SAGA_PING_INTERVAL,
    ping_timeout: &s::SAGA_PING_TIMEOUT,
    connect_timeout: &s::SAGA_CONNECT_TIMEOUT,
    max_payload: &s::SAGA_MAX_PAYLOAD,
};

/// The service.
pub(crate) struct Saga;

impl Personality for Saga {
    fn routes(&self) -> Router<World> {
        KIND.routes().route("/api/websocket/health", get(health)).route("/api/websocket/stats", get(stats))
    }

    fn emitted(&self, _: &str, event: Option<&str>, data: Value) -> Result<Frame, String> {
        let event = event.ok_or("`event` is missing: name one, for example `story_uploaded`")?;
        Ok(Frame::new(event, data))
    }

    /// Every event of a room names its project; the shutdown concerns the server [saga §3.6].
    fn complete(&self, topic: &str, _: &Value, frame: &mut Frame) {
        if frame.kind != "server_shutdown" {
            default_field(&mut frame.body, "projectId", topic);
        }
    }

    /// The last payload of each kind of event.
    fn absorb(&self, state: &mut Value, frame: &Frame) {
        state[&frame.kind] = frame.body.clone();
    }
}

/// Rate windows by user, and since when the server runs.
#[derive(Debug)]
pub(crate) struct Store {
    started: Instant,
    windows: Mutex<HashMap<String, Window>>,
}

impl Default for Store {
    fn default() -> Self {
        Self { started: Instant::now(), windows: Mutex::default() }
    }
}

impl Store {
    pub(crate) fn reset(&self) {
        self.windows.locked().clear();
    }

    /// Counts an event of this user; false if it is one too many.
    fn admit(&self, world: &World, user: &str) -> bool {
        let (limit, span) =
            (world.switches.number(&s::SAGA_RATE_LIMIT), world.switches.span(&s::SAGA_RATE_WINDOW));
        let mut windows = self.windows.locked();
        windows.entry(user.to_owned()).or_default().admit(Instant::now(), limit, span).is_ok()
    }

    /// Forgets windows in which nothing happened; answers how many are left.
    fn tidy(&self, world: &World) -> usize {
        let (now, span) = (Instant::now(), world.switches.span(&s::SAGA_RATE_WINDOW));
        let mut windows = self.windows.locked();
        windows.retain(|_, window| !window.is_stale(now, span));
        windows.len()
    }
}

/// One connection's conversation.
struct Talk {
    world: World,
    on: Arc<Connection>,
    pass: Pass,
}

impl Talk {
    fn join(&self, project: &str, out: &mut Out) {
        // A token that names no role comes from a login that knows nothing of ours.
        let outsider = |role: &str| !ROLES.contains(&role);
        let refusal = match (&self.pass.who, self.access(project)) {
            (Some(who), _) if who.role_given && outsider(&who.role) => {
                Some(format!("Access denied: role {} is neither facilitator nor storyteller", who.role))
            }
            // An unknown project is refused like one of other people.
            (_, Access::Missing | Access::Denied) => Some("Access to this project is denied".to_owned()),
            (_, Access::Granted) => None,
        };
        if let Some(message) = refusal {
            let fact = Fact::Denied { topic: project, code: "PROJECT_ACCESS_DENIED" };
            self.world.journal.add(&*self.on, fact);
            self.world.console.tell("refused", &self.on, &format!("{project}: PROJECT_ACCESS_DENIED"));
            let mut error = failure("PROJECT_ACCESS_DENIED", &message);
            if self.world.switches.is(&s::SAGA_REFUSAL_ID, "on") {
                error.body["projectId"] = project.into();
            }
            return out.send(error.about(project));
        }
        self.world.hub.subscribe(&self.world, Service::Saga, project, &self.on);
        self.world.journal.add(&*self.on, Fact::Subscribed { topic: project });
        self.world.console.tell("subscribed", &self.on, project);
        out.send(Frame::new("joined_project", json!({"projectId": project})).about(project));
    }

    fn access(&self, project: &str) -> Access {
        self.world.hub.access(Service::Saga, project, self.pass.who.as_ref(), false)
    }

    fn leave(&self, project: &str, out: &mut Out) {
        self.world.hub.unsubscribe(Service::Saga, project, &self.on);
        out.send(Frame::new("left_project", json!({"projectId": project})).about(project));
    }

    /// What follows `server_shutdown` [saga §7.1].
    fn shut(&self, out: &mut Out) {
        if self.world.switches.is(&s::SAGA_SHUTDOWN, "disconnect") {
            out.disconnect();
        } else {
            out.close(1001, "Server shutting down");
        }
    }
}

impl Dialect for Talk {
    /// Only the CONNECT packet's token counts [saga §1.2].
    fn admit(&mut self, auth: Option<&Value>) -> Result<(), &'static str> {
        match auth.and_then(|auth| auth.get("token")).and_then(Value::as_str) {
            Some(token) => self.pass.show(&self.world, &self.on, token),
            None => Err(Pass::refuse(&self.world, &self.on, "no token")),
        }
    }

    fn welcomed(&mut self, _: &str, _: &mut Out) {
        self.world.services.saga.tidy(&self.world);
    }

    fn event(&mut self, name: &str, args: &[Value], out: &mut Out) {
        let user = self.on.user().unwrap_or_default();
        if !self.world.services.saga.admit(&self.world, &user) {
            return out.send(failure("RATE_LIMIT_EXCEEDED", "rate_limit_exceeded"));
        }
        match (name, args) {
            ("join_project", [Value::String(project)]) if is_id(project) => self.join(project, out),
            ("leave_project", [Value::String(project)]) if is_id(project) => self.leave(project, out),
            ("ping", []) => out.send(Frame::new("pong", Value::Null)),
            ("join_project" | "leave_project", _) => {
                let text = format!("{name} takes one argument, the project's id as a text");
                out.send(failure("INVALID_MESSAGE", &text));
            }
            ("ping", _) => out.send(failure("INVALID_MESSAGE", "ping takes no argument")),
            _ => out.send(failure(
                "INVALID_MESSAGE",
                &format!("there is no event {name}: there are join_project, leave_project and ping"),
            )),
        }
    }

    fn reject(&mut self, code: &str, why: &str, topic: Option<&str>, out: &mut Out) {
        let mut error = failure(code, why);
        if let Some(project) = topic {
            error.body["projectId"] = project.into();
            error = error.about(project);
        }
        out.send(error);
    }

    /// [saga §4.4]
    fn expired(&mut self, out: &mut Out) {
        self.pass.end();
        out.send(failure("TOKEN_EXPIRED", "Token expired"));
        out.disconnect();
    }

    fn deadline(&self) -> Option<Instant> {
        self.pass.ends()
    }

    /// Also an emitted `server_shutdown` is meant.
    fn delivered(&mut self, frame: &Frame, out: &mut Out) {
        if frame.kind == "server_shutdown" {
            self.shut(out);
        }
    }

    fn farewell(&mut self, out: &mut Out) {
        out.send(Frame::new("server_shutdown", json!({"message": "Server shutting down"})));
        self.shut(out);
    }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_ID && !text.chars().any(char::is_control)
}

/// An `error` event [saga §3.4].
fn failure(code: &str, message: &str) -> Frame {
    Frame::new("error", json!({"code": code, "message": message}))
}

/// Each joined project with its number of connections.
fn rooms(world: &World) -> Vec<(String, usize)> {
    let topics = world.hub.info().into_iter();
    let joined = topics.filter(|topic| topic.service == Service::Saga && topic.subscribers > 0);
    joined.map(|topic| (topic.topic, topic.subscribers)).collect()
}

/// [saga §6.1]
async fn health(State(world): State<World>) -> Json<Value> {
    let open = world.connections.which(|c| c.service == Service::Saga).len();
    Json(json!({"status": "healthy", "uptime": world.services.saga.started.elapsed().as_secs_f64(),
        "totalConnections": open, "projectCount": rooms(&world).len()}))
}

/// [saga §6.2]
async fn stats(State(world): State<World>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    caller(&world, &headers)?;
    let open = world.connections.which(|c| c.service == Service::Saga);
    let users: BTreeSet<_> = open.iter().filter_map(|c| c.user()).collect();
    let rooms = rooms(&world);
    let projects: Vec<_> = rooms
        .iter()
        .map(|(project, count)| json!({"projectId": project, "connectionCount": count}))
        .collect();
    Ok(Json(json!({
        "totalConnections": open.len(),
        "projectCount": rooms.len(),
        "userCount": users.len(),
        "projectConnections": projects,
        "rateLimitStats": {
            "activeUsers": world.services.saga.tidy(&world),
            "rateLimitWindow": world.switches.span(&s::SAGA_RATE_WINDOW).as_millis() as u64,
            "maxEventsPerWindow": world.switches.number(&s::SAGA_RATE_LIMIT),
        },
    })))
}
