//! Looking at the journal: `GET log` answers what is there, `GET wait-for` waits until there is enough of it.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::http::ApiError;
use crate::report::journal::{Entry, Happening};
use crate::service::Service;
use crate::switches::parse_span;
use crate::wording::plain;
use crate::world::World;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);
/// Entries that the answer to a wait shows.
const MOST_SHOWN: usize = 100;

/// Which way a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Direction {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// Which entries are meant, whatever they are asked for.
#[derive(Debug, Default, PartialEq)]
struct Wanted {
    service: Option<Service>,
    connection: Option<u64>,
    number: Option<u64>,
    user: Option<String>,
    topic: Option<String>,
    kind: Option<String>,
    what: Option<Happening>,
    direction: Option<Direction>,
    contains: Option<String>,
    progress: Option<f64>,
    since: Option<SystemTime>,
}

impl Wanted {
    /// Whether every entry fits.
    fn is_anything(&self) -> bool {
        *self == Self::default()
    }

    fn fits(&self, entry: &Entry) -> bool {
        let same = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        let direction = match entry.what {
            Happening::In | Happening::Pong => Some(Direction::In),
            Happening::Out | Happening::Ping => Some(Direction::Out),
            _ => None,
        };
        self.service.is_none_or(|service| service == entry.service)
            && self.connection.is_none_or(|number| number == entry.connection)
            && self.number.is_none_or(|number| number == entry.number)
            && self.what.is_none_or(|what| what == entry.what)
            && (self.direction.is_none() || self.direction == direction)
            && same(&self.user, &entry.user)
            && same(&self.topic, &entry.topic)
            && same(&self.kind, &entry.kind)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.contains.as_ref().is_none_or(|text| entry.detail.contains(text))
            && self.progress.is_none_or(|least| progress(&entry.detail).is_some_and(|has| has >= least))
    }
}

/// The first number called `progress` in a frame.
fn progress(text: &str) -> Option<f64> {
    fn find(value: &Value) -> Option<f64> {
        match value {
            Value::Object(fields) => {
                let own = fields.get("progress").and_then(Value::as_f64);
                own.or_else(|| fields.values().find_map(find))
            }
            Value::Array(items) => items.iter().find_map(find),
            _ => None,
        }
    }
    // Digits before it are Socket.IO's.
    let json = text.trim_start_matches(|c: char| c.is_ascii_digit());
    find(&serde_json::from_str(json).ok()?)
}

/// A query of these fields and those that say which entries are meant. (Serde does not flatten queries.)
macro_rules! query {
    ($(#[$about:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            /// The service's slug.
            service: Option<Service>,
            /// The connection's number.
            connection: Option<u64>,
            /// The connection's number on its service alone.
            number: Option<u64>,
            /// The user's id.
            user: Option<String>,
            /// The topic's id.
            topic: Option<String>,
            /// A message's type or an event's name.
            #[serde(rename = "type")]
            kind: Option<String>,
            /// What happened.
            what: Option<Happening>,
            /// Which way a frame went; WebSocket pings and pongs count too.
            direction: Option<Direction>,
            /// A piece of the text.
            contains: Option<String>,
            /// Frames with a `progress` of at least this, on the service's own scale.
            progress: Option<f64>,
            /// Not before this time, ISO 8601.
            since: Option<String>,
            /// Only entries after the one with this number.
            #[serde(default)]
            after: u64,
            $($(#[$attribute])* $field: $type,)*
        }

        impl $name {
            fn wanted(&self) -> Result<Wanted, ApiError> {
                let Self { service, connection, number, what, direction, progress, .. } = *self;
                let time = |text: &String| {
                    humantime::parse_rfc3339_weak(text.trim_end_matches('Z')).map_err(|why| {
                        ApiError::bad(format!("`since`: {why}; write a time such as 2024-02-26T10:30:00Z"))
                    })
                };
                let since = self.since.as_ref().map(time).transpose()?;
                let [user, topic, kind, contains] =
                    [&self.user, &self.topic, &self.kind, &self.contains].map(Clone::clone);
                Ok(Wanted {
                    service, connection, number, user, topic, kind, what, direction, contains, progress, since,
                })
            }
        }
    };
}

query! {
    /// Which entries of the journal to show.
    LogQuery {
        /// At most so many.
        #[serde(default = "thousand")]
        limit: usize,
    }
}

fn thousand() -> usize {
    1000
}

query! {
    /// What to wait for.
    WaitQuery {
        /// So many entries that fit, at least 1; 1 unless told otherwise.
        count: Option<u64>,
        /// In place of `count`: so many connections open now, of this service, user and topic; 0 waits until none is.
        open: Option<usize>,
        /// How long at most: `10s` unless told otherwise, not more than `5m`.
        within: Option<String>,
    }
}

pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

pub(super) fn read<T>(query: Asked<T>) -> Result<T, ApiError> {
    query.map(|Query(query)| query).map_err(|error| ApiError::bad(plain(&error.body_text())))
}

/// The journal, oldest first.
pub(super) async fn log(
    State(world): State<World>,
    query: Asked<LogQuery>,
) -> Result<Json<Vec<Entry>>, ApiError> {
    let query = read(query)?;
    let wanted = query.wanted()?;
    let mut entries = world.journal.after(query.after, |entry| wanted.fits(entry));
    entries.truncate(query.limit);
    Ok(Json(entries))
}

/// What a wait was ended by.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Waited {
    /// How many entries or open connections there are.
    count: u64,
    /// The first hundred entries that fit; none for connections.
    pub(super) entries: Vec<Entry>,
    /// How long it took, in milliseconds.
    millis: u64,
}

/// Answers as soon as enough has happened.
pub(super) async fn wait_for(
    State(world): State<World>,
    query: Asked<WaitQuery>,
) -> Result<Json<Waited>, ApiError> {
    let query = read(query)?;
    let wanted = query.wanted()?;
    if query.open.is_some() && (query.count.is_some() || query.what.is_some() || query.kind.is_some()) {
        return Err(ApiError::bad("`open` counts connections: leave `count`, `what` and `type` out"));
    }
    let within = query.within.as_deref().unwrap_or("10s");
    let within = parse_span(within)
        .filter(|span| *span <= LONGEST)
        .ok_or_else(|| ApiError::bad("`within` is no time of at most 5m: write \"500ms\" or \"10s\""))?;
    if query.count == Some(0) {
        return Err(ApiError::bad(
            "`count` is at least 1: write `open=0` to wait until no connection is open, and ask GET /_mock/log for \
             what is there already",
        ));
    }
    if query.open.or(query.count.map(|_| 0)).is_none() && query.after == 0 && wanted.is_anything() {
        return Err(ApiError::bad(
            "say what to wait for, such as `?topic=session_1&type=session_status&count=2`, `?what=open`, `?open=0` or, \
             for anything at all, `?count=1`",
        ));
    }
    let Ok(_seat) = world.reporter.waiting.try_acquire() else {
        let text = "too many are waiting already: end some of them first";
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, text));
    };
    let start = Instant::now();
    let (mut seen, mut count, mut entries) = (query.after, 0, Vec::new());
    let goal = query.open.map_or(query.count.unwrap_or(1), |open| open as u64);
    loop {
        let last = world.journal.last();
        if query.open.is_some() {
            let fits = |connection: &crate::connection::Connection| {
                query.service.is_none_or(|service| service == connection.service)
                    && (query.user.is_none() || query.user == connection.user())
                    && query.topic.as_ref().is_none_or(|topic| connection.follows(topic))
            };
            count = world.connections.which(fits).len() as u64;
        } else {
            let fresh = world.journal.after(seen, |entry| entry.seq <= last && wanted.fits(entry));
            count += fresh.len() as u64;
            let room = MOST_SHOWN - entries.len();
            entries.extend(fresh.into_iter().take(room));
        }
        seen = last.max(seen);
        let enough = if query.open == Some(0) { count == 0 } else { count >= goal };
        if enough {
            return Ok(Json(Waited { count, entries, millis: start.elapsed().as_millis() as u64 }));
        }
        let left = within.saturating_sub(start.elapsed());
        tokio::select! {
            _ = world.journal.beyond(seen) => {}
            () = tokio::time::sleep(left) => {
                let what = if query.open.is_some() { "open connections" } else { "entries that fit" };
                let text = format!("within {within:?} there were {count} {what} of {goal}");
                return Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, text));
            }
            () = world.shutdown.cancelled() => {
                return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::progress;

    #[test]
    fn progress_is_found_where_services_have_it() {
        for (text, expected) in [
            (r#"{"type":"x","progress":40}"#, Some(40.0)),
            (r#"{"type":"x","payload":{"progress":0.5}}"#, Some(0.5)),
            (r#"42["progress",{"sessionId":"s","progress":75}]"#, Some(75.0)),
            (r#"{"progress":"much"}"#, None),
            ("2", None),
        ] {
            assert_eq!(progress(text), expected, "{text}");
        }
    }
}
