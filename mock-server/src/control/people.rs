//! Connections and users as wholes: who is there, and sending them away.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::written;
use crate::faults::http::HttpFault;
use crate::faults::protocol::ProtocolFault;
use crate::faults::rule::{Match, Rule, RuleInfo, When};
use crate::faults::span;
use crate::faults::tcp::{How, TcpFault};
use crate::http::{ApiError, body};
use crate::service::Service;
use crate::world::World;

/// The longest time that connects are refused after a restart.
const LONGEST: Duration = Duration::from_secs(3600);

/// What ends a kicked user's tokens, as whoever shows one is told.
const KICK: &str = "POST /_mock/kick";

/// A user who has a connection.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UserInfo {
    /// The user's id.
    pub user: String,
    /// The user's open connections.
    pub connections: Vec<u64>,
    /// The tokens they were opened with.
    pub tokens: Vec<TokenInfo>,
}

/// A token that a connection has shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenInfo {
    /// Tells two tokens apart without showing them; the journal has it too.
    pub fingerprint: String,
    /// The role that counts for it.
    pub role: String,
    /// When it ends, ISO 8601, if it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

pub(super) async fn users(State(world): State<World>) -> Json<Vec<UserInfo>> {
    let mut users: BTreeMap<String, UserInfo> = BTreeMap::new();
    for connection in world.connections.which(|_| true) {
        let Some(who) = connection.identity() else { continue };
        let empty = || UserInfo { user: who.sub.clone(), connections: Vec::new(), tokens: Vec::new() };
        let user = users.entry(who.sub.clone()).or_insert_with(empty);
        user.connections.push(connection.id);
        let expires = who.expires.map(written);
        let token = TokenInfo { fingerprint: who.fingerprint, role: who.role, expires };
        if !user.tokens.contains(&token) {
            user.tokens.push(token);
        }
    }
    Json(users.into_values().collect())
}

/// To how many connections something was done.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Done {
    connections: u64,
    /// What keeps it from what it is for, where something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl From<RuleInfo> for Done {
    fn from(info: RuleInfo) -> Self {
        Self { connections: info.applied, hint: info.hint }
    }
}

/// Which connections to end, and how.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Drop {
    /// Only those of this service.
    service: Option<Service>,
    /// Only the one with this number.
    connection: Option<u64>,
    /// Only those of this user.
    user: Option<String>,
    /// Only those that follow this topic.
    topic: Option<String>,
    /// `close` unless told otherwise.
    how: Option<How>,
    /// The code of the close frame.
    code: Option<u16>,
    /// Its reason.
    reason: Option<String>,
}

fn now(
    world: &World,
    matching: Match,
    action: impl Into<crate::faults::action::Action>,
) -> Result<Done, ApiError> {
    let matching = Match { when: Some(When::Now), ..matching };
    let rule = Rule { matching, ..Rule::new(action) };
    world.faults.add(world, rule).map(Done::from).map_err(ApiError::bad)
}

pub(super) async fn drop(State(world): State<World>, bytes: Bytes) -> Result<Json<Done>, ApiError> {
    let Drop { service, connection, user, topic, how, code, reason } = body(&bytes)?;
    let matching = Match { service, connection, user, topic, ..Match::default() };
    let how = how.unwrap_or(How::Close);
    now(&world, matching, TcpFault::Drop { how, code, reason, after: None }).map(Json)
}

/// Whom to send away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Kick {
    /// The user's id; the name `sub` is taken, too.
    #[serde(alias = "sub")]
    user: String,
    /// Only the tokens of open connections of this service.
    service: Option<Service>,
}

/// The user's tokens end now and for good: the service says so in its own way on open connections, and none of those
/// that were issued before, here or elsewhere, lets in again. Of a single service, those of its open connections.
pub(super) async fn kick(State(world): State<World>, bytes: Bytes) -> Result<Json<Done>, ApiError> {
    let Kick { user, service } = body(&bytes)?;
    if service.is_none() {
        world.authority.revoke_all(&user, KICK);
    }
    for on in world.connections.which(|on| service.is_none_or(|service| service == on.service)) {
        if let Some(who) = on.identity().filter(|who| who.sub == user) {
            world.authority.revoke(&who.fingerprint, KICK);
        }
    }
    let matching = Match { user: Some(user), service, ..Match::default() };
    now(&world, matching, ProtocolFault::ExpireToken).map(Json)
}

/// What to restart.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Restart {
    /// Only this service.
    service: Option<Service>,
    /// For how long connects are answered with 503 afterwards.
    #[serde(rename = "for", with = "span::option")]
    #[schemars(with = "Option<span::Span>")]
    down: Option<Duration>,
}

/// As if the service were started anew: all connections are closed with 1012, and for a while nobody is let in.
pub(super) async fn restart(State(world): State<World>, bytes: Bytes) -> Result<Json<Done>, ApiError> {
    let Restart { service, down } = body(&bytes)?;
    let matching = Match { service, ..Match::default() };
    if let Some(down) = down.filter(|down| !down.is_zero()) {
        if down > LONGEST {
            return Err(ApiError::bad("`for` is at most 1h"));
        }
        let refuse = HttpFault::Refuse { status: 503, retry_after: None, location: None };
        let rule = Rule { matching: matching.clone(), ..Rule::new(refuse) };
        let id = world.faults.add(&world, rule).map_err(ApiError::bad)?.id;
        let world = world.clone();
        world.clone().tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(down) => {}
                () = world.shutdown.cancelled() => {}
            }
            world.faults.remove(Some(id));
        });
    }
    let reason = Some("Service restart".to_owned());
    let close = TcpFault::Drop { how: How::Close, code: Some(1012), reason, after: None };
    now(&world, matching, close).map(Json)
}
