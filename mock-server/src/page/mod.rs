//! The page at `/`: what happens on the server, to look at and to take a hand in. A few files without a build
//! step, and `GET /_mock/events`, the journal as it grows.
//!
//! The page shows what strangers sent. It inserts texts as text only, and its Content-Security-Policy lets nothing run
//! or load that is not one of its files.

use std::convert::Infallible;

use axum::Router;
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::{Stream, stream};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use crate::control;
use crate::http::{ApiError, base_of};
use crate::report::journal::{Entry, Follower};
use crate::world::World;

/// Pages that may follow the journal at the same time.
pub(crate) const MOST_WATCHERS: usize = 16;
/// Entries told of the time before a page was opened.
const LOOK_BACK: u64 = 1000;
/// Entries in one event.
const MOST_AT_ONCE: usize = 250;
/// Bytes of a text in an event; `GET /_mock/log` has the rest.
const MOST_TEXT: usize = 2 << 10;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page and its files; what it reads is in the control API.
pub(crate) fn routes() -> Router<World> {
    let file = |kind: &'static str, text: &'static str| get(async move || (headers(kind), text));
    let script = |text| file("text/javascript; charset=utf-8", text);
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("index.html")))
        .route("/_mock", get(index))
        .route("/_mock/", get(index))
        .route("/_mock/page.css", file("text/css; charset=utf-8", include_str!("page.css")))
        .route("/_mock/page.js", script(include_str!("page.js")))
        .route("/_mock/page-hands.js", script(include_str!("hands.js")))
        .route("/_mock/page-services.js", script(include_str!("services.js")))
        .route("/_mock/page-tools.js", script(include_str!("tools.js")))
        .route("/_mock/page-verdicts.js", script(include_str!("verdicts.js")))
}

/// The control API for people.
async fn index(State(world): State<World>, asked: HeaderMap) -> impl IntoResponse {
    (headers("text/plain; charset=utf-8"), control::overview(&base_of(&world, &asked)))
}

fn headers(kind: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ]
}

/// One page's place in the journal. It reads on when the page has taken what it was sent: a page that is slow misses
/// entries, and is told how many; nothing queues up for it.
struct Watch {
    follower: Follower,
    unsent: std::vec::IntoIter<Entry>,
    world: World,
    _place: OwnedSemaphorePermit,
}

impl Watch {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if self.unsent.as_slice().is_empty() {
            tokio::select! {
                entries = self.follower.next() => self.unsent = entries.into_iter(),
                () = self.world.shutdown.cancelled() => return None,
            }
        }
        let entries: Vec<_> =
            self.unsent.by_ref().take(MOST_AT_ONCE).map(|entry| entry.cut_at(MOST_TEXT)).collect();
        let last = entries.last().map_or(0, |entry| entry.seq);
        let news = json!({"entries": entries, "missed": self.follower.missed()});
        Some((Ok(Event::default().id(last.to_string()).data(news.to_string())), self))
    }
}

/// The journal as Server-Sent Events `{entries, missed}`, from shortly before now on, or from where the client was.
pub(crate) async fn events(
    State(world): State<World>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let place = world.watchers.clone().try_acquire_owned().map_err(|_| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{MOST_WATCHERS} pages follow the journal already: close one of them"),
        )
    })?;
    let last = world.journal.last();
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    // A number that is not reached yet is from before a restart.
    let from = seen.filter(|seen| *seen <= last).unwrap_or_else(|| {
        let first_kept = world.journal.first();
        last.saturating_sub(LOOK_BACK).max(first_kept.saturating_sub(1))
    });
    let watch =
        Watch { follower: world.journal.follow(from), unsent: Vec::new().into_iter(), world, _place: place };
    Ok(Sse::new(stream::unfold(watch, Watch::next)).keep_alive(KeepAlive::default()))
}
