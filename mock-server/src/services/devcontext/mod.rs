//! DevContext [devcontext §1]: staged analyses of repositories, and live interviews about them.

use axum::extract::{OriginalUri, Path, Query, Request, State};
use axum::http::HeaderMap;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Personality, default_field};
use crate::auth;
use crate::connection::Frame;
use crate::http::{ApiError, caller};
use crate::hub::Access;
use crate::service::Service;
use crate::switches as s;
use crate::world::{World, timestamp};
use crate::ws::{self, Habits};

mod interview;
mod message;
mod talk;

pub(crate) use interview::Interviews;

/// The stages of an analysis, in order.
const STAGES: [&str; 3] = ["project_review", "intelligence_report", "interview_simulation"];

/// The service.
pub(crate) struct DevContext;

impl Personality for DevContext {
    fn routes(&self) -> Router<World> {
        Router::new().route("/v1/ws", any(connect)).route("/api/analysis/{analysis_id}", get(analysis))
    }

    /// An interview moves by its answers.
    fn is_still(&self, world: &World, topic: &str) -> bool {
        world.services.devcontext.knows(topic)
    }

    fn emitted(&self, _: &str, event: Option<&str>, data: Value) -> Result<Frame, String> {
        match (event, data.is_object()) {
            (Some(event), true) => Ok(frame(event, data)),
            (None, _) => {
                Err("`event` is missing: name the message type, for example stage_completed".to_owned())
            }
            (_, false) => Err("`data` must be a JSON object, the message's payload".to_owned()),
        }
    }

    fn complete(&self, topic: &str, _: &Value, frame: &mut Frame) {
        let interview =
            matches!(frame.kind.as_str(), "answer_evaluated" | "follow_up_question" | "next_question")
                || frame.kind.starts_with("interview_");
        default_field(&mut frame.body["payload"], if interview { "sessionId" } else { "analysisId" }, topic);
        default_field(&mut frame.body, "timestamp", timestamp());
    }

    /// What `subscription_confirmed` and `GET /api/analysis/{id}` tell.
    fn absorb(&self, state: &mut Value, frame: &Frame) {
        let payload = &frame.body["payload"];
        match frame.kind.as_str() {
            "stage_completed" => {
                let mut done = payload["completedStages"].as_array().cloned().unwrap_or_default();
                let before = state["completedStages"].as_array().cloned().unwrap_or_default();
                for stage in before.into_iter().chain([payload["stage"].clone()]) {
                    if stage.is_string() && !done.contains(&stage) {
                        done.push(stage);
                    }
                }
                let all = STAGES.iter().all(|name| done.iter().any(|stage| stage == name));
                state["status"] = if all { "completed" } else { "processing" }.into();
                state["completedStages"] = done.into();
            }
            "analysis_failed" => {
                state["status"] = "failed".into();
                state["error"] = payload.clone();
            }
            _ => {}
        }
    }
}

/// A message whose timestamp is added when it goes out.
fn frame(kind: &str, payload: Value) -> Frame {
    let mut body = json!({"type": kind});
    body["payload"] = payload;
    Frame::new(kind, body)
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
    let mut knock = match ws::knock(&world, Service::DevContext, uri.path(), &mut request).await {
        Ok(knock) => knock,
        Err(refusal) => return refusal,
    };
    let protocol = subprotocol(request.headers());
    let by_protocol = protocol.map(|(speak, token)| {
        knock.speak(&speak);
        token
    });
    let token = auth::bearer(request.headers()).map(str::to_owned).or(ask.token).or(by_protocol);
    let who = match token.map(|token| world.judge(&knock.connection, &token)).transpose() {
        Ok(who) => who,
        Err(why) => return knock.refuse(&world, ApiError::unauthorized(why.to_string())),
    };
    let max_message = world.switches.number(&s::DEVCONTEXT_MAX_MESSAGE) as usize;
    let habits = Habits { max_message, ping_every: None, silence: None };
    let talk = talk::Talk::new(world.clone(), knock.connection.clone(), who);
    knock.accept(&world, habits, talk)
}

/// A token among the subprotocols: the only one, or the one after `bearer`. Answers what to choose, and the token.
fn subprotocol(headers: &HeaderMap) -> Option<(String, String)> {
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let words: Vec<_> = offered.split(',').map(str::trim).collect();
    match words[..] {
        [token] => Some((token.to_owned(), token.to_owned())),
        [word, token, ..] if word.eq_ignore_ascii_case("bearer") => Some((word.to_owned(), token.to_owned())),
        _ => None,
    }
}

/// `GET /api/analysis/{analysisId}`.
async fn analysis(
    State(world): State<World>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let who = caller(&world, &headers)?;
    match world.hub.access(Service::DevContext, &id, Some(&who), false) {
        Access::Granted => {}
        Access::Missing => return Err(ApiError::missing(format!("there is no analysis {id}"))),
        Access::Denied => return Err(ApiError::forbidden("this analysis belongs to another user")),
    }
    let state = world.hub.state(Service::DevContext, &id);
    let done = completed(&state);
    let stages: serde_json::Map<_, _> = done
        .iter()
        .filter_map(Value::as_str)
        .map(|stage| (stage.to_owned(), json!({"summary": format!("Findings of {stage}"), "findings": 3})))
        .collect();
    Ok(Json(json!({"analysisId": id, "status": status(&state), "completedStages": done, "stages": stages})))
}

/// The status of an analysis by its state.
fn status(state: &Value) -> Value {
    state.get("status").cloned().unwrap_or_else(|| "processing".into())
}

/// The stages that an analysis has completed, by its state.
fn completed(state: &Value) -> Vec<Value> {
    state.get("completedStages").and_then(Value::as_array).cloned().unwrap_or_default()
}
