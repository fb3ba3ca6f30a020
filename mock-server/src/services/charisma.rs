//! Charisma [charisma §1]: upload and OCR sessions, `action`/`payload` up, `type` down.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{OriginalUri, Query, Request, State};
use axum::response::Response;
use axum::routing::any;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::payload::{self, Payload};
use super::{Personality, default_field};
use crate::auth::{self, Identity};
use crate::connection::{Closing, Command, Connection, Frame};
use crate::http::ApiError;
use crate::hub::Access;
use crate::report::journal::Fact;
use crate::service::Service;
use crate::switches as s;
use crate::world::World;
use crate::ws::{self, Habits, Out, Session};

/// What the flow waits for before it completes.
const OCR: &str = "ocr";

/// The service.
pub(crate) struct Charisma;

impl Personality for Charisma {
    fn routes(&self) -> Router<World> {
        Router::new().route("/ws", any(connect))
    }

    fn emitted(&self, _: &str, event: Option<&str>, mut data: Value) -> Result<Frame, String> {
        let Some(fields) = data.as_object_mut() else {
            return Err("`data` must be a JSON object, the message without `sessionId`".to_owned());
        };
        let kind = event
            .or_else(|| fields.get("type").and_then(Value::as_str))
            .unwrap_or("session_status")
            .to_owned();
        fields.insert("type".to_owned(), kind.as_str().into());
        Ok(Frame::new(kind, data))
    }

    fn complete(&self, topic: &str, _: &Value, frame: &mut Frame) {
        default_field(&mut frame.body, "sessionId", topic);
    }

    /// The last status, which `charisma.replay` sends again, and the last upload progress.
    fn absorb(&self, state: &mut Value, frame: &Frame) {
        let slot = if frame.kind == "session_upload_progress" { "upload" } else { "status" };
        state[slot] = frame.body.clone();
    }

    fn confirmation(&self) -> Option<&'static str> {
        Some(OCR)
    }
}

#[derive(Deserialize)]
struct Ask {
    token: Option<String>,
}

async fn connect(
    State(world): State<World>,
    OriginalUri(uri): OriginalUri,
    Query(ask): Query<Ask>,
    mut request: Request,
) -> Response {
    let knock = match ws::knock(&world, Service::Charisma, uri.path(), &mut request).await {
        Ok(knock) => knock,
        Err(refusal) => return refusal,
    };
    let token = auth::bearer(request.headers()).map(str::to_owned).or(ask.token);
    let who = match token.map(|token| world.judge(&knock.connection, &token)).transpose() {
        Ok(who) => who,
        Err(why) => return knock.refuse(&world, ApiError::unauthorized(why.to_string())),
    };
    if let Some(who) = &who
        && world.switches.is(&s::CHARISMA_SECOND_CONNECTION, "reject")
        && !world.connections.of_user(Service::Charisma, &who.sub).is_empty()
    {
        let text = "another connection of this user is open: close it first";
        return knock.refuse(&world, ApiError::new(axum::http::StatusCode::CONFLICT, text));
    }
    let pings = world.switches.is(&s::CHARISMA_HEARTBEAT, "ping");
    let mortal = !world.switches.is(&s::CHARISMA_HEARTBEAT, "none");
    let habits = Habits {
        max_message: world.switches.number(&s::CHARISMA_MAX_MESSAGE) as usize,
        ping_every: pings.then(|| world.switches.interval(&s::CHARISMA_PING_INTERVAL)),
        silence: mortal.then(|| world.switches.span(&s::CHARISMA_PING_TIMEOUT)),
    };
    let session = Talk::new(world.clone(), knock.connection.clone(), who);
    knock.accept(&world, habits, session)
}

/// One connection's conversation.
struct Talk {
    world: World,
    on: Arc<Connection>,
    who: Option<Identity>,
    /// Until when an `authenticate` must have come.
    patience: Option<Instant>,
    json_ping: Option<(Instant, Duration)>,
}

/// A message from the client [charisma §2].
enum Said {
    Authenticate { token: String },
    Subscribe { session: String },
    Unsubscribe { session: String },
    Pong,
}

/// Their names.
const ACTIONS: [&str; 4] = ["authenticate", "subscribe", "unsubscribe", "pong"];

impl Talk {
    fn new(world: World, on: Arc<Connection>, who: Option<Identity>) -> Self {
        let now = Instant::now();
        let patience = who.is_none().then(|| now + world.switches.span(&s::CHARISMA_AUTH_TIMEOUT));
        let json_ping = world.switches.is(&s::CHARISMA_HEARTBEAT, "json").then(|| {
            let every = world.switches.interval(&s::CHARISMA_PING_INTERVAL);
            (now + every, every)
        });
        Self { world, on, who, patience, json_ping }
    }

    /// The user is known: notes it and takes the place of the user's older connection.
    fn recognised(&mut self, who: Identity) {
        let others = self.world.connections.of_user(Service::Charisma, &who.sub);
        if self.world.switches.is(&s::CHARISMA_SECOND_CONNECTION, "replace") {
            others.iter().filter(|c| c.id != self.on.id).for_each(|c| c.send(Command::Replace));
        }
        self.world.recognise(&self.on, &who);
        self.who = Some(who);
        self.patience = None;
    }

    fn authenticate(&mut self, token: &str, out: &mut Out) {
        match self.world.judge(&self.on, token) {
            Ok(who) => {
                let other = self.world.connections.of_user(Service::Charisma, &who.sub);
                let occupied = other.iter().any(|c| c.id != self.on.id);
                if occupied && self.world.switches.is(&s::CHARISMA_SECOND_CONNECTION, "reject") {
                    return out.close(self.replaced().code, "Another connection of this user is open");
                }
                self.recognised(who);
                let body = json!({"type": "authenticated", "message": "Authentication successful"});
                out.send(Frame::new("authenticated", body));
            }
            Err(why) => {
                self.world.console.tell("refused", &self.on, &why.to_string());
                out.close(4401, "Invalid authentication");
            }
        }
    }

    fn subscribe(&mut self, session: &str, out: &mut Out) {
        let refusal = match self.world.hub.access(Service::Charisma, session, self.who.as_ref(), false) {
            Access::Granted => None,
            Access::Missing => Some(("SESSION_NOT_FOUND", "Session not found")),
            Access::Denied => Some(("FORBIDDEN", "This session belongs to another user")),
        };
        if let Some((code, message)) = refusal {
            self.world.journal.add(&*self.on, Fact::Denied { topic: session, code });
            self.world.console.tell("refused", &self.on, &format!("{session}: {code}"));
            return out.send(failure(Some(session), code, message));
        }
        let state = self.world.hub.subscribe(&self.world, Service::Charisma, session, &self.on);
        self.world.journal.add(&*self.on, Fact::Subscribed { topic: session });
        self.world.console.tell("subscribed", &self.on, session);
        let body =
            json!({"type": "subscribed", "sessionId": session, "message": "Subscribed to session updates"});
        out.send(Frame::new("subscribed", body).about(session));
        if let Some(last) = state.get("status")
            && self.world.switches.is(&s::CHARISMA_REPLAY, "on")
        {
            let kind = last.get("type").and_then(Value::as_str).unwrap_or("session_status");
            out.send(Frame::new(kind, last.clone()).about(session));
        }
    }

    fn unsubscribe(&mut self, session: &str, out: &mut Out) {
        self.world.hub.unsubscribe(Service::Charisma, session, &self.on);
        let body = json!({"type": "unsubscribed", "sessionId": session, "message": "Unsubscribed from session updates"});
        out.send(Frame::new("unsubscribed", body).about(session));
    }

    /// Tokens are looked at again on each message [charisma §4.5].
    fn still_welcome(&self, out: &mut Out) -> bool {
        let expired = self.who.as_ref().is_some_and(Identity::expired);
        if !expired || self.world.switches.is(&s::CHARISMA_EXPIRED, "ignore") {
            return true;
        }
        out.send(failure(None, "UNAUTHORIZED", "Token expired"));
        out.close(4401, "Invalid authentication");
        false
    }
}

impl Session for Talk {
    fn opened(&mut self, _: &mut Out) {
        if let Some(who) = self.who.take() {
            self.recognised(who);
        }
    }

    fn text(&mut self, text: &str, out: &mut Out) {
        let said = read(text);
        if self.who.is_none() && !matches!(said, Ok(Said::Authenticate { .. } | Said::Pong)) {
            return out.close(4401, "Authentication required");
        }
        match said {
            // A new token may well come after the old one's end.
            Ok(Said::Authenticate { token }) => self.authenticate(&token, out),
            Ok(Said::Pong) => {}
            said if !self.still_welcome(out) => drop(said),
            Ok(Said::Subscribe { session }) => self.subscribe(&session, out),
            Ok(Said::Unsubscribe { session }) => self.unsubscribe(&session, out),
            Err(why) => out.send(failure(None, "INVALID_MESSAGE", &why)),
        }
    }

    fn binary(&mut self, out: &mut Out) {
        out.send(failure(None, "INVALID_MESSAGE", "Binary messages are not understood"));
    }

    fn reject(&mut self, code: &str, why: &str, topic: Option<&str>, out: &mut Out) {
        out.send(failure(topic, code, why));
    }

    fn expired(&mut self, out: &mut Out) {
        if let Some(who) = &mut self.who {
            who.expires = Some(std::time::SystemTime::now());
        }
        self.still_welcome(out);
    }

    fn deadline(&self) -> Option<Instant> {
        [self.patience, self.json_ping.map(|(next, _)| next)].into_iter().flatten().min()
    }

    fn due(&mut self, now: Instant, out: &mut Out) {
        if self.patience.is_some_and(|end| end <= now) {
            out.close(4401, "Authentication required");
        }
        if let Some((next, every)) = &mut self.json_ping
            && *next <= now
        {
            *next = now + *every;
            out.send(Frame::new("ping", json!({"type": "ping"})));
        }
    }

    fn replaced(&self) -> Closing {
        let code = self.world.switches.number(&s::CHARISMA_REPLACED_CODE);
        Closing::new(code as u16, "Replaced by a newer connection")
    }
}

/// Reads a client's message, or says what is wrong with it. Fields that it does not know mean nothing to it.
fn read(text: &str) -> Result<Said, String> {
    let mut message = payload::object(text)?;
    let action = payload::kind("action", &ACTIONS, &mut message)?;
    if action == "pong" {
        return Ok(Said::Pong);
    }
    let mut payload = Payload::of(&action, &mut message)?;
    Ok(match action.as_str() {
        "authenticate" => Said::Authenticate { token: payload.text("token")? },
        "subscribe" => Said::Subscribe { session: payload.id("sessionId")? },
        _ => Said::Unsubscribe { session: payload.id("sessionId")? },
    })
}

/// A `session_error` [charisma §3.7]; without a session it concerns the connection.
fn failure(session: Option<&str>, code: &str, message: &str) -> Frame {
    let mut body =
        json!({"type": "session_error", "status": "error", "error": {"code": code, "message": message}});
    match session {
        Some(session) => {
            body["sessionId"] = session.into();
            Frame::new("session_error", body).about(session)
        }
        None => Frame::new("session_error", body),
    }
}
