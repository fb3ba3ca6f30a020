//! TherapyBridge [therapybridge §1]: the progress of one recording's processing, one connection for each session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Personality, default_field, due_at};
use crate::auth::Identity;
use crate::connection::{Connection, Frame};
use crate::http::{ApiError, body};
use crate::hub::Access;
use crate::limits::Window;
use crate::report::journal::Fact;
use crate::service::Service;
use crate::switches as s;
use crate::sync::Locked;
use crate::world::{World, timestamp};
use crate::ws::{self, Habits, Out, Session};

const ROLES: [&str; 3] = ["therapist", "patient", "admin"];
const MINUTE: Duration = Duration::from_secs(60);
/// The service.
pub(crate) struct TherapyBridge;

impl Personality for TherapyBridge {
    fn routes(&self) -> Router<World> {
        Router::new().route("/api/sessions/ws/{session_id}", any(connect)).route("/api/v1/login", post(login))
    }

    fn emitted(&self, _: &str, event: Option<&str>, mut data: Value) -> Result<Frame, String> {
        let Some(fields) = data.as_object_mut() else {
            return Err("`data` must be a JSON object, the progress frame without `session_id`".to_owned());
        };
        if let Some(event) = event {
            fields.insert("status".to_owned(), event.into());
        }
        let Some(status) = fields.get("status").and_then(Value::as_str).map(str::to_owned) else {
            return Err("say the status: as `event` or as `data.status`".to_owned());
        };
        Ok(Frame::new(status, data))
    }

    fn complete(&self, topic: &str, state: &Value, frame: &mut Frame) {
        let now = timestamp();
        let begun = state.get("created_at").cloned().unwrap_or_else(|| now.as_str().into());
        let progress = match frame.kind.as_str() {
            "processed" => json!(100),
            _ => state.get("progress").cloned().unwrap_or_else(|| json!(0)),
        };
        for (key, value) in [
            ("session_id", topic.into()),
            ("progress", progress),
            ("message", frame.kind.as_str().into()),
            ("updated_at", now.into()),
            ("created_at", begun),
            ("estimated_time_remaining", Value::Null),
            ("error", Value::Null),
        ] {
            default_field(&mut frame.body, key, value);
        }
    }

    /// The current progress, which a new connection gets at once.
    fn absorb(&self, state: &mut Value, frame: &Frame) {
        *state = frame.body.clone();
    }
}

/// When each user connected lately.
#[derive(Debug, Default)]
pub(crate) struct Connects(Mutex<BTreeMap<String, Window>>);

impl Connects {
    fn admit(&self, user: &str, limit: u64) -> Result<(), Duration> {
        let now = Instant::now();
        let mut users = self.0.locked();
        users.retain(|_, window| !window.is_stale(now, MINUTE));
        users.entry(user.to_owned()).or_default().admit(now, limit, MINUTE)
    }

    pub(crate) fn reset(&self) {
        self.0.locked().clear();
    }
}

/// Why a session may not be followed [therapybridge §4.3].
#[derive(Debug, Clone, Copy)]
enum Refusal {
    NoToken,
    BadToken,
    Missing,
    Denied,
}

impl Refusal {
    /// The reason of the close frame with code 1008.
    fn reason(self) -> &'static str {
        match self {
            Refusal::NoToken => "Authentication required",
            Refusal::BadToken => "Invalid authentication",
            Refusal::Missing => "Session not found",
            Refusal::Denied => "Not authorized to access this session",
        }
    }

    /// The answer to the upgrade when refusing before it.
    fn error(self) -> ApiError {
        match self {
            Refusal::Missing => ApiError::missing(self.reason()),
            _ => ApiError::forbidden(self.reason()),
        }
    }
}

fn judge(world: &World, on: &Connection, session: &str, token: Option<&str>) -> Result<Identity, Refusal> {
    let token = token.filter(|token| !token.is_empty()).ok_or(Refusal::NoToken)?;
    let who = world.judge(on, token).map_err(|_| Refusal::BadToken)?;
    if who.sub.starts_with("inactive-") {
        return Err(Refusal::BadToken);
    }
    let sees_all = who.role == "therapist" || who.role == "admin";
    match world.hub.access(Service::TherapyBridge, session, Some(&who), sees_all) {
        Access::Granted => Ok(who),
        Access::Missing => Err(Refusal::Missing),
        Access::Denied => Err(Refusal::Denied),
    }
}

/// Whether the user has too many connections or opened too many.
fn over_limit(world: &World, user: &str) -> Option<ApiError> {
    let too_many = |text: &str, wait: u64| {
        Some(ApiError { retry_after: Some(wait), ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, text) })
    };
    let most = world.switches.number(&s::THERAPYBRIDGE_CONNECTIONS);
    if most > 0 && world.connections.of_user(Service::TherapyBridge, user).len() as u64 >= most {
        return too_many("too many connections of this user are open", 1);
    }
    let often = world.switches.number(&s::THERAPYBRIDGE_CONNECTS);
    match world.services.therapybridge.admit(user, often) {
        Ok(()) => None,
        Err(wait) => too_many("this user connects too often", wait.as_secs() + 1),
    }
}

#[derive(Deserialize)]
struct Ask {
    token: Option<String>,
}

async fn connect(
    State(world): State<World>,
    Path(session): Path<String>,
    OriginalUri(uri): OriginalUri,
    Query(ask): Query<Ask>,
    mut request: Request,
) -> Response {
    let knock = match ws::knock(&world, Service::TherapyBridge, uri.path(), &mut request).await {
        Ok(knock) => knock,
        Err(refusal) => return refusal,
    };
    let verdict = judge(&world, &knock.connection, &session, ask.token.as_deref());
    match &verdict {
        Ok(who) => {
            if let Some(error) = over_limit(&world, &who.sub) {
                return knock.refuse(&world, error);
            }
            knock.connection.recognise(who.clone()); // counts from here on
        }
        Err(why) if world.switches.is(&s::THERAPYBRIDGE_REFUSE, "before") => {
            return knock.refuse(&world, why.error());
        }
        Err(_) => {}
    }
    let max_message = world.switches.number(&s::THERAPYBRIDGE_MAX_MESSAGE) as usize;
    let habits = Habits { max_message, ping_every: None, silence: None };
    let ping_every = world.switches.interval(&s::THERAPYBRIDGE_PING_INTERVAL);
    let talk = Talk {
        world: world.clone(),
        on: knock.connection.clone(),
        session,
        verdict,
        next_ping: Instant::now() + ping_every,
        ping_every,
        unanswered: 0,
    };
    knock.accept(&world, habits, talk)
}

/// One connection.
struct Talk {
    world: World,
    on: Arc<Connection>,
    session: String,
    verdict: Result<Identity, Refusal>,
    next_ping: Instant,
    ping_every: Duration,
    unanswered: u32,
}

impl Talk {
    /// After the last frame of a session there is nothing more to say.
    fn close_after(frame: &Frame, out: &mut Out) {
        match frame.kind.as_str() {
            "processed" => out.close(1000, "Processing complete"),
            "failed" => out.close(1000, "Processing failed"),
            _ => {}
        }
    }

    fn mortal(&self) -> Option<&Identity> {
        self.verdict.as_ref().ok().filter(|_| self.world.switches.is(&s::THERAPYBRIDGE_EXPIRED, "close"))
    }
}

impl Session for Talk {
    fn opened(&mut self, out: &mut Out) {
        let who = match &self.verdict {
            Ok(who) => who,
            Err(why) => {
                self.world.journal.add(&*self.on, Fact::Denied { topic: &self.session, code: why.reason() });
                self.world.console.tell("refused", &self.on, why.reason());
                return out.close(1008, why.reason());
            }
        };
        self.world.recognise(&self.on, who);
        let state = self.world.hub.subscribe(&self.world, Service::TherapyBridge, &self.session, &self.on);
        self.world.journal.add(&*self.on, Fact::Subscribed { topic: &self.session });
        self.world.console.tell("subscribed", &self.on, &self.session);
        if let Some(status) = state.get("status").and_then(Value::as_str) {
            let frame = Frame::new(status, state.clone()).about(self.session.as_str());
            out.send(frame.clone());
            Self::close_after(&frame, out);
        }
    }

    /// A client may acknowledge a ping, in no given form: whatever it says does that and nothing else
    /// [therapybridge §7.9].
    fn text(&mut self, _: &str, _: &mut Out) {
        self.unanswered = 0;
    }

    fn binary(&mut self, out: &mut Out) {
        out.close(1003, "Binary messages are not understood");
    }

    fn reject(&mut self, _: &str, why: &str, _: Option<&str>, out: &mut Out) {
        out.close(1008, why);
    }

    fn expired(&mut self, out: &mut Out) {
        if let Ok(who) = &mut self.verdict {
            who.expires = Some(SystemTime::now());
        }
        if self.mortal().is_some() {
            out.close(1008, "Invalid authentication");
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let end = self.mortal().and_then(|who| who.expires).map(due_at);
        [Some(self.next_ping), end].into_iter().flatten().min()
    }

    fn due(&mut self, now: Instant, out: &mut Out) {
        if self.mortal().is_some_and(Identity::expired) {
            return out.close(1008, "Invalid authentication");
        }
        if self.next_ping > now {
            return;
        }
        if self.unanswered >= 2 && self.world.switches.is(&s::THERAPYBRIDGE_UNANSWERED, "close") {
            return out.close(1008, "Ping timeout");
        }
        self.next_ping = now + self.ping_every;
        self.unanswered += 1;
        out.send(Frame::new("ping", json!({"type": "ping", "timestamp": timestamp()})));
    }

    fn delivered(&mut self, frame: &Frame, out: &mut Out) {
        Self::close_after(frame, out);
    }
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
}

/// `POST /api/v1/login`: the role is the part of the email before `@` if it is one.
async fn login(State(world): State<World>, bytes: Bytes) -> Result<Json<Value>, ApiError> {
    let ask: Login = body(&bytes)?;
    let Some((name, _)) =
        ask.email.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty())
    else {
        return Err(ApiError::bad("`email` is no email address: write one such as therapist@example.com"));
    };
    if ask.password.is_empty() {
        return Err(ApiError::unauthorized("the password is empty: any other one is accepted"));
    }
    let role = ROLES.into_iter().find(|role| *role == name).unwrap_or("patient");
    let ttl = world.switches.span(&s::THERAPYBRIDGE_TOKEN_TTL);
    let token = world.authority.issue(&ask.email, role, ttl);
    Ok(Json(json!({"access_token": token, "token_type": "bearer", "expires_in": ttl.as_secs()})))
}
