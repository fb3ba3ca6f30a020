//! The control API under `/_mock/`. All bodies are JSON; what is not known is refused with 400 and `{error}`.
//!
//! | request | body or query | answer |
//! |---|---|---|
//! | `POST emit` | `{service, topic, event?, data, to?}` | `{delivered, hint?}` |
//! | `GET`, `POST topics` | `{service, topic, owner?, members?}` | all topics; `{topic}` |
//! | `POST confirm` | `{service?, topic}` | `{topic, confirmed}` |
//! | `GET`, `POST`, `DELETE faults`, `DELETE faults/{id}` | a rule `{match, action, times}`, or a fault's name | the rules; the rule; `{removed}` |
//! | `GET log` | `service, connection, number, user, topic, type, what, direction, contains, progress, since, after, limit` | the journal, oldest first |
//! | `GET wait-for` | the same, `count` or `open`, `within` | `{count, entries, millis}` once there is enough |
//! | `GET events` | | the journal as it grows, as Server-Sent Events `{entries, missed}`: for the page |
//! | `GET report` | `service` | what clients did wrong, with the frames that prove it |
//! | `GET metrics` | | numbers in the text format of Prometheus |
//! | `GET`, `POST switches` | `{name: value}`, all or nothing | the table with values; `{changed}` |
//! | `GET connections` | | the open realtime connections |
//! | `POST drop` | `{service?, connection?, user?, topic?, how?, code?, reason?}` | `{connections}` |
//! | `POST kick` | `{user, service?}`: all tokens of the user end for good | `{connections, hint?}` |
//! | `POST restart` | `{service?, for?}`: closes everything with 1012, refuses connects for a while | `{connections}` |
//! | `GET users` | | users with open connections, with their tokens' fingerprints |
//! | `POST flows` | `{service, topic?, flow}` | `{replaced}` |
//! | `GET`, `POST clock` | `{advance?, stopped?}` | `{now, stopped}`, milliseconds since the start |
//! | `GET`, `POST tokens` | `{sub, role?, ttl?}` | the tokens issued, without themselves; `{token, expires_in, fingerprint}` |
//! | `POST reset` | | everything as at the start, connections left open |
//! | `GET services` | | for each service the URL, a line that opens a connection and one that follows a topic |
//! | `GET openapi.json` | | all of this, in OpenAPI 3.1 |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auth::{IssuedToken, fingerprint};
use crate::connection::ConnectionInfo;
use crate::faults::named::RuleOrName;
use crate::faults::rule::RuleInfo;
use crate::faults::span;
use crate::howto::HowTo;
use crate::http::{ApiError, base_of, body, read};
use crate::hub::TopicInfo;
use crate::page;
use crate::report::journal::Entry;
use crate::report::metrics::Gauges;
use crate::report::verdicts::Report;
use crate::scenario::flow::Flow;
use crate::server::{confirm as confirm_topic, emit as emit_to};
use crate::service::Service;
use crate::switches::{Switches, parse_span};
use crate::world::World;

mod client;
mod operation;
mod people;
mod watch;

pub use client::{Control, ControlError, Filter};
use operation::Operation;
use people::{Done, Drop, Kick, Restart};
pub use people::{TokenInfo, UserInfo};
use watch::{LogQuery, WaitQuery, Waited};

/// Topics that may be kept for their owners or followers when one more gets an owner.
const MOST_KEPT: usize = 50_000;

/// All that can be asked, in the order of the table above.
fn operations() -> Vec<Operation> {
    type O = Operation;
    vec![
        O::new::<Delivered>("POST", "/emit", "Says something to the subscribers of a topic", || post(emit))
            .with::<Emit>(),
        O::new::<Vec<TopicInfo>>("GET", "/topics", "All topics with their state", || get(topics)),
        O::new::<Value>("POST", "/topics", "Says whose topic it is", || post(own)).with::<Own>(),
        O::new::<Value>("POST", "/confirm", "Lets a flow go on that waits", || post(confirm))
            .with::<Confirm>(),
        O::new::<Vec<RuleInfo>>("GET", "/faults", "The faults in force", || get(faults)),
        O::new::<RuleInfo>("POST", "/faults", "Puts a fault in force", || post(add_fault))
            .with::<RuleOrName>(),
        O::new::<Removed>("DELETE", "/faults", "Removes all faults", || delete(clear_faults)),
        O::new::<Removed>("DELETE", "/faults/{id}", "Removes a fault", || delete(remove_fault)),
        O::new::<Vec<Entry>>("GET", "/log", "The journal, oldest first", || get(watch::log))
            .asking::<LogQuery>(),
        O::new::<Waited>("GET", "/wait-for", "Answers once enough has happened; 504 if it does not", || {
            get(watch::wait_for)
        })
        .asking::<WaitQuery>(),
        O::new::<Value>("GET", "/events", "The journal as it grows, for the page", || get(page::events))
            .in_text("text/event-stream"),
        O::new::<Report>("GET", "/report", "What clients did wrong, with proof", || get(report))
            .asking::<ReportQuery>(),
        O::new::<Value>("GET", "/metrics", "Numbers in the text format of Prometheus", || get(metrics))
            .in_text("text/plain"),
        O::new::<Vec<SwitchInfo>>("GET", "/switches", "All switches with their values", || get(switches)),
        O::new::<Changed>("POST", "/switches", "Changes switches, all or nothing", || post(set_switches))
            .with::<BTreeMap<String, Value>>(),
        O::new::<Vec<ConnectionInfo>>("GET", "/connections", "The open realtime connections", || {
            get(connections)
        }),
        O::new::<Done>("POST", "/drop", "Ends connections", || post(people::drop)).with::<Drop>(),
        O::new::<Done>("POST", "/kick", "Ends a user's tokens for good", || post(people::kick))
            .with::<Kick>(),
        O::new::<Done>(
            "POST",
            "/restart",
            "Closes everything with 1012 and refuses connects for a while",
            || post(people::restart),
        )
        .with::<Restart>(),
        O::new::<Vec<UserInfo>>("GET", "/users", "Users with open connections, and their tokens", || {
            get(people::users)
        }),
        O::new::<Value>("POST", "/flows", "Replaces a flow", || post(set_flow)).with::<NewFlow>(),
        O::new::<ClockInfo>("GET", "/clock", "The clock of flows and rules", || get(clock)),
        O::new::<ClockInfo>("POST", "/clock", "Advances or stops it", || post(set_clock)).with::<Hands>(),
        O::new::<Vec<IssuedToken>>("GET", "/tokens", "The tokens issued so far, without themselves", || {
            get(tokens)
        }),
        O::new::<NewTokenInfo>("POST", "/tokens", "Issues a token", || post(token)).with::<NewToken>(),
        O::new::<Value>("POST", "/reset", "Everything as at the start, connections left open", || {
            post(reset)
        }),
        O::new::<Vec<HowTo>>(
            "GET",
            "/services",
            "The services: where they are, and what follows a topic",
            || get(services),
        ),
        O::new::<Value>("GET", "/openapi.json", "This description", || get(openapi)),
    ]
}

/// The addresses, relative to `/_mock`.
pub(crate) fn routes() -> Router<World> {
    operation::routes(&operations()).layer(middleware::from_fn(async |request: Request, next: Next| {
        let uri = request.uri();
        let query = uri.query().filter(|query| !query.is_empty());
        let odd = query.and_then(|query| operation::odd(&operations(), request.method(), uri.path(), query));
        match odd {
            Some(why) => ApiError::bad(why).into_response(),
            None => next.run(request).await,
        }
    }))
}

/// Which methods an address of the control API has.
pub(crate) fn methods(path: &str) -> Option<String> {
    operation::methods(&operations(), path.strip_prefix("/_mock")?)
}

/// What there is under `/_mock/`, in words.
pub(crate) fn addresses() -> String {
    operation::addresses(&operations())
}

/// All of it for people, in lines.
pub(crate) fn overview(base: &str) -> String {
    operation::overview(&operations(), base)
}

async fn openapi() -> Json<Value> {
    Json(operation::document(&operations()))
}

async fn metrics(State(world): State<World>) -> impl IntoResponse {
    let mut gauges = Gauges::default();
    for connection in world.connections.which(|_| true) {
        *gauges.open.entry(connection.service).or_default() += 1;
        gauges.subscriptions += connection.topics().len() as u64;
    }
    gauges.topics = world.hub.info().len() as u64;
    let page = world.reporter.metrics(&world.switches, &gauges);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
}

/// Answers of one or two numbers or texts.
macro_rules! answers {
    ($($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty),* })*) => {
        $($(#[$about])* #[derive(Debug, Serialize, JsonSchema)] struct $name { $($(#[$doc])* $field: $type,)* })*
    };
}

answers! {
    /// To how many connections something went; if to none, why.
    Delivered { delivered: usize, #[serde(skip_serializing_if = "Option::is_none")] hint: Option<String> }
    /// How many faults were removed.
    Removed { removed: usize }
    /// How many switches were changed.
    Changed { changed: usize }
    /// The clock of flows and rules: milliseconds since the start, and whether it stands still.
    ClockInfo { now: u64, stopped: bool }
    /// A token, how many seconds it lives, and what it is called where tokens are not shown.
    NewTokenInfo { token: String, expires_in: u64, fingerprint: String }
    /// A switch: what it is now, what it is at the start, what it takes and what it changes.
    SwitchInfo { name: &'static str, value: String, default: &'static str, accepts: String, doc: &'static str }
}

type Answer = Result<Json<Value>, ApiError>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Emit {
    service: Service,
    topic: String,
    event: Option<String>,
    data: Value,
    /// A user's id: only this user's connections get it.
    to: Option<String>,
}

async fn emit(State(world): State<World>, bytes: Bytes) -> Result<Json<Delivered>, ApiError> {
    let Emit { service, topic, event, data, to } = body(&bytes)?;
    let delivered =
        emit_to(&world, service, &topic, event.as_deref(), data, to.as_deref()).map_err(ApiError::bad)?;
    let hint = (delivered == 0).then(|| {
        let whose = to.map_or_else(String::new, |user| format!(" of {user}"));
        format!(
            "no connection{whose} follows `{topic}` on {service} now: GET /_mock/topics says what is followed"
        )
    });
    Ok(Json(Delivered { delivered, hint }))
}

async fn services(State(world): State<World>, headers: HeaderMap) -> Json<Vec<HowTo>> {
    let base = base_of(&world, &headers);
    let services: &[Service] = if world.options.echo { &[] } else { &Service::ALL };
    Json(services.iter().map(|service| HowTo::new(*service, &base, &world.switches)).collect())
}

async fn topics(State(world): State<World>) -> Json<Vec<TopicInfo>> {
    Json(world.hub.info())
}

#[derive(Deserialize, JsonSchema)]
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
    if ask.topic.is_empty() {
        return Err(ApiError::bad("`topic` is empty: name the session, project or analysis"));
    }
    if world.hub.kept() >= MOST_KEPT {
        return Err(ApiError::bad("too many topics have an owner: POST /_mock/reset forgets them"));
    }
    world.hub.own(ask.service, &ask.topic, ask.owner, ask.members);
    Ok(Json(json!({"topic": ask.topic})))
}

#[derive(Deserialize, JsonSchema)]
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
    let what = confirm_topic(&world, ask.service, &ask.topic)?;
    Ok(Json(json!({"topic": ask.topic, "confirmed": what})))
}

async fn faults(State(world): State<World>) -> Json<Vec<RuleInfo>> {
    Json(world.faults.list())
}

async fn add_fault(State(world): State<World>, bytes: Bytes) -> Result<Json<RuleInfo>, ApiError> {
    let RuleOrName(rule) = read(&bytes)?;
    world.faults.add(&world, rule).map(Json).map_err(ApiError::bad)
}

async fn clear_faults(State(world): State<World>) -> Json<Removed> {
    Json(Removed { removed: world.faults.remove(None) })
}

async fn remove_fault(State(world): State<World>, Path(id): Path<String>) -> Result<Json<Removed>, ApiError> {
    let number = id.parse::<u64>().map_err(|_| {
        ApiError::bad(format!(
            "`{id}` is no fault's number: GET /_mock/faults lists them, each with its `id`"
        ))
    })?;
    match world.faults.remove(Some(number)) {
        0 => Err(ApiError::missing(format!("there is no fault {id}: GET /_mock/faults lists them"))),
        removed => Ok(Json(Removed { removed })),
    }
}

/// What to report on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReportQuery {
    /// Clients of this service alone.
    service: Option<Service>,
}

async fn report(
    State(world): State<World>,
    query: watch::Asked<ReportQuery>,
) -> Result<Json<Report>, ApiError> {
    let ReportQuery { service } = watch::read(query)?;
    let about = |of| service.is_none_or(|service| service == of);
    Ok(Json(world.reporter.report(&world.switches, about)))
}

async fn switches(State(world): State<World>) -> Json<Vec<SwitchInfo>> {
    let tell = |s: &&'static crate::switches::Switch| SwitchInfo {
        name: s.name,
        value: world.switches.text(s),
        default: s.default,
        accepts: s.accepts.to_string(),
        doc: s.doc,
    };
    Json(Switches::all().iter().map(tell).collect())
}

/// An object `{name: value}`; all of it or nothing is taken over.
async fn set_switches(State(world): State<World>, bytes: Bytes) -> Result<Json<Changed>, ApiError> {
    let wanted: BTreeMap<String, Value> = body(&bytes)?;
    let trial = Switches::default();
    trial.copy(&world.switches);
    for (name, value) in &wanted {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        trial.set(name, &text).map_err(|e| ApiError::bad(e.to_string()))?;
    }
    world.switches.copy(&trial);
    Ok(Json(Changed { changed: wanted.len() }))
}

async fn connections(State(world): State<World>) -> Json<Vec<ConnectionInfo>> {
    Json(world.connections.info())
}

#[derive(Deserialize, JsonSchema)]
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
    if !world.flows.replace(ask.service, ask.topic.as_deref(), flow) {
        return Err(ApiError::bad(
            "too many topics have a flow of their own: POST /_mock/reset forgets them",
        ));
    }
    Ok(Json(json!({"replaced": ask.topic.map_or("all", |_| "one")})))
}

async fn clock(State(world): State<World>) -> Json<ClockInfo> {
    Json(ClockInfo { now: world.clock.now().as_millis() as u64, stopped: world.clock.is_stopped() })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hands {
    #[serde(default, with = "span::option")]
    #[schemars(with = "Option<span::Span>")]
    advance: Option<Duration>,
    stopped: Option<bool>,
}

/// Stops the clock of flows and rules or lets it run, and lets time pass on it at once.
async fn set_clock(State(world): State<World>, bytes: Bytes) -> Result<Json<ClockInfo>, ApiError> {
    let ask: Hands = body(&bytes)?;
    if let Some(stopped) = ask.stopped {
        world.clock.stop(stopped);
    }
    if let Some(by) = ask.advance {
        world.clock.advance(by);
    }
    Ok(clock(State(world)).await)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// The user's id; the name `user` is taken, too.
    #[serde(alias = "user")]
    sub: String,
    role: Option<String>,
    #[serde(default = "hour")]
    ttl: String,
}

fn hour() -> String {
    "1h".to_owned()
}

async fn token(State(world): State<World>, bytes: Bytes) -> Result<Json<NewTokenInfo>, ApiError> {
    let ask: NewToken = body(&bytes)?;
    let ttl: Duration =
        parse_span(&ask.ttl).ok_or_else(|| ApiError::bad("`ttl` is no time: write \"1h\" or \"90s\""))?;
    let token = world.authority.issue(&ask.sub, &ask.role.unwrap_or_default(), ttl);
    let fingerprint = fingerprint(&token);
    Ok(Json(NewTokenInfo { token, expires_in: ttl.as_secs(), fingerprint }))
}

async fn tokens(State(world): State<World>) -> Json<Vec<IssuedToken>> {
    Json(world.authority.issued())
}

async fn reset(State(world): State<World>) -> Answer {
    world.reset();
    Ok(Json(json!({"reset": true})))
}
