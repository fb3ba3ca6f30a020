//! The control API under `/_mock/`. All bodies are JSON; what is not known is refused with 400 and `{error}`.
//!
//! | request | body or query | answer |
//! |---|---|---|
//! | `POST emit` | `{service, topic, event?, data, to?}` | `{delivered}` |
//! | `GET`, `POST topics` | `{service, topic, owner?, members?}` | all topics; `{topic}` |
//! | `POST confirm` | `{service?, topic}` | `{topic, confirmed}` |
//! | `GET`, `POST`, `DELETE faults`, `DELETE faults/{id}` | a rule `{match, action, times}` | the rules; the rule; `{removed}` |
//! | `GET log` | `service, connection, user, topic, type, what, after, limit` | the journal, oldest first |
//! | `GET events` | | the journal as it grows, as Server-Sent Events `{entries, missed}`: for the page |
//! | `GET report` | | what clients did wrong, with the frames that prove it |
//! | `GET`, `POST switches` | `{name: value}`, all or nothing | the table with values; `{changed}` |
//! | `GET connections` | | the open realtime connections |
//! | `POST flows` | `{service, topic?, flow}` | `{replaced}` |
//! | `GET`, `POST clock` | `{advance?, stopped?}` | `{now, stopped}`, milliseconds since the start |
//! | `POST tokens` | `{sub, role?, ttl?}` | `{token, expires_in}` |
//! | `POST reset` | | everything as at the start, connections left open |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::connection::ConnectionInfo;
use crate::faults::rule::{Rule, RuleInfo};
use crate::faults::span;
use crate::http::{ApiError, body};
use crate::hub::TopicInfo;
use crate::report::journal::{Entry, Happening};
use crate::report::verdicts::Report;
use crate::scenario::flow::Flow;
use crate::server::emit as emit_to;
use crate::service::Service;
use crate::services::personality;
use crate::switches::{Switches, parse_span};
use crate::world::World;

/// The addresses, relative to `/_mock`.
pub(crate) fn routes() -> Router<World> {
    Router::new()
        .route("/emit", post(emit))
        .route("/topics", get(topics).post(own))
        .route("/confirm", post(confirm))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/faults/{id}", delete(remove_fault))
        .route("/log", get(log))
        .route("/report", get(report))
        .route("/switches", get(switches).post(set_switches))
        .route("/connections", get(connections))
        .route("/flows", post(set_flow))
        .route("/clock", get(clock).post(set_clock))
        .route("/tokens", post(token))
        .route("/reset", post(reset))
}

/// Which methods an address of the control API has.
pub(crate) fn methods(path: &str) -> Option<&'static str> {
    Some(match path.strip_prefix("/_mock/")? {
        "emit" | "confirm" | "flows" | "tokens" | "reset" => "POST",
        "log" | "connections" | "report" | "events" | "page.css" | "page.js" => "GET",
        "topics" | "switches" | "clock" => "GET or POST",
        "faults" => "GET, POST or DELETE",
        one if one.starts_with("faults/") => "DELETE",
        _ => return None,
    })
}

type Answer = Result<Json<Value>, ApiError>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Emit {
    service: Service,
    topic: String,
    event: Option<String>,
    data: Value,
    /// A user's id: only this user's connections get it.
    to: Option<String>,
}

async fn emit(State(world): State<World>, bytes: Bytes) -> Answer {
    let ask: Emit = body(&bytes)?;
    let delivered =
        emit_to(&world, ask.service, &ask.topic, ask.event.as_deref(), ask.data, ask.to.as_deref())
            .map_err(ApiError::bad)?;
    Ok(Json(json!({"delivered": delivered})))
}

async fn topics(State(world): State<World>) -> Json<Vec<TopicInfo>> {
    Json(world.hub.info())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    service: Service,
    topic: String,
    owner: Option<String>,
    #[serde(default)]
    members: BTreeSet<String>,
}

async fn own(State(world): State<World>, bytes: Bytes) -> Answer {
    let ask: Own = body(&bytes)?;
    world.hub.own(ask.service, &ask.topic, ask.owner, ask.members);
    Ok(Json(json!({"topic": ask.topic})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirm {
    #[serde(default = "charisma")]
    service: Service,
    topic: String,
}

fn charisma() -> Service {
    Service::Charisma
}

async fn confirm(State(world): State<World>, bytes: Bytes) -> Answer {
    let ask: Confirm = body(&bytes)?;
    let Some(what) = personality(ask.service).confirmation() else {
        return Err(ApiError::bad(format!("{} waits for no confirmation", ask.service)));
    };
    world.hub.fulfil(ask.service, &ask.topic, what);
    Ok(Json(json!({"topic": ask.topic, "confirmed": what})))
}

async fn faults(State(world): State<World>) -> Json<Vec<RuleInfo>> {
    Json(world.faults.list())
}

async fn add_fault(State(world): State<World>, bytes: Bytes) -> Result<Json<RuleInfo>, ApiError> {
    let rule: Rule = body(&bytes)?;
    world.faults.add(&world, rule).map(Json).map_err(ApiError::bad)
}

async fn clear_faults(State(world): State<World>) -> Answer {
    Ok(Json(json!({"removed": world.faults.remove(None)})))
}

async fn remove_fault(State(world): State<World>, Path(id): Path<u64>) -> Answer {
    match world.faults.remove(Some(id)) {
        0 => Err(ApiError::missing(format!("there is no fault {id}: GET /_mock/faults lists them"))),
        removed => Ok(Json(json!({"removed": removed}))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    service: Option<Service>,
    connection: Option<u64>,
    user: Option<String>,
    topic: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    what: Option<String>,
    #[serde(default)]
    after: u64,
    #[serde(default = "thousand")]
    limit: usize,
}

fn thousand() -> usize {
    1000
}

/// The journal, oldest first.
async fn log(
    State(world): State<World>,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Vec<Entry>>, ApiError> {
    let Query(filter) = filter.map_err(|e| ApiError::bad(e.body_text()))?;
    let what: Option<Happening> = filter
        .what
        .map(|word| serde_json::from_value(word.into()))
        .transpose()
        .map_err(|e| ApiError::bad(format!("`what`: {e}")))?;
    let same = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
    let mut entries = world.journal.after(filter.after, |entry| {
        filter.service.is_none_or(|s| s == entry.service)
            && filter.connection.is_none_or(|n| n == entry.connection)
            && what.is_none_or(|w| w == entry.what)
            && same(&filter.user, &entry.user)
            && same(&filter.topic, &entry.topic)
            && same(&filter.kind, &entry.kind)
    });
    entries.truncate(filter.limit);
    Ok(Json(entries))
}

async fn report(State(world): State<World>) -> Json<Report> {
    Json(world.reporter.report(&world.switches))
}

async fn switches(State(world): State<World>) -> Json<Value> {
    let tell = |s: &&'static crate::switches::Switch| {
        json!({"name": s.name, "value": world.switches.text(s), "default": s.default,
            "accepts": s.accepts.to_string(), "doc": s.doc})
    };
    Json(Switches::all().iter().map(tell).collect())
}

/// An object `{name: value}`; all of it or nothing is taken over.
async fn set_switches(State(world): State<World>, bytes: Bytes) -> Answer {
    let wanted: BTreeMap<String, Value> = body(&bytes)?;
    let trial = Switches::default();
    trial.copy(&world.switches);
    for (name, value) in &wanted {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        trial.set(name, &text).map_err(|e| ApiError::bad(e.to_string()))?;
    }
    world.switches.copy(&trial);
    Ok(Json(json!({"changed": wanted.len()})))
}

async fn connections(State(world): State<World>) -> Json<Vec<ConnectionInfo>> {
    Json(world.connections.info())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFlow {
    service: Service,
    topic: Option<String>,
    flow: Value,
}

/// Puts a flow in the place of the service's default one, for one topic or for all.
async fn set_flow(State(world): State<World>, bytes: Bytes) -> Answer {
    let ask: NewFlow = body(&bytes)?;
    let flow = Flow::read(&ask.flow.to_string()).map_err(ApiError::bad)?;
    world.flows.replace(ask.service, ask.topic.as_deref(), flow);
    Ok(Json(json!({"replaced": ask.topic.map_or("all", |_| "one")})))
}

async fn clock(State(world): State<World>) -> Json<Value> {
    Json(json!({"now": world.clock.now().as_millis() as u64, "stopped": world.clock.is_stopped()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hands {
    #[serde(default, with = "span::option")]
    advance: Option<Duration>,
    stopped: Option<bool>,
}

/// Stops the clock of flows and rules or lets it run, and lets time pass on it at once.
async fn set_clock(State(world): State<World>, bytes: Bytes) -> Result<Json<Value>, ApiError> {
    let ask: Hands = body(&bytes)?;
    if let Some(stopped) = ask.stopped {
        world.clock.stop(stopped);
    }
    if let Some(by) = ask.advance {
        world.clock.advance(by);
    }
    Ok(clock(State(world)).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    sub: String,
    role: Option<String>,
    #[serde(default = "hour")]
    ttl: String,
}

fn hour() -> String {
    "1h".to_owned()
}

async fn token(State(world): State<World>, bytes: Bytes) -> Answer {
    let ask: NewToken = body(&bytes)?;
    let ttl: Duration =
        parse_span(&ask.ttl).ok_or_else(|| ApiError::bad("`ttl` is no time: write \"1h\" or \"90s\""))?;
    let token = world.authority.issue(&ask.sub, &ask.role.unwrap_or_default(), ttl);
    Ok(Json(json!({"token": token, "expires_in": ttl.as_secs()})))
}

async fn reset(State(world): State<World>) -> Answer {
    world.reset();
    Ok(Json(json!({"reset": true})))
}
