//! Socket.IO 5 over Engine.IO 4, as Saga and DocProc speak it [rules §10].
//!
//! The Engine.IO layer is written here and not taken from the crate `engineioxide`, because a test server must be
//! able to do what a good server never does: that crate closes a WebSocket without a code of ours, writes the error
//! codes as texts (`"code":"1"`), answers a broken POST with an empty body, and offers no place between packet and
//! wire where a packet could be recorded, lost, doubled or replaced.
//!
//! - [`packet`]: reading and writing packets, without I/O;
//! - [`layer`]: the Socket.IO session, and [`Dialect`], which a service implements;
//! - [`echo`]: what echo mode puts in the place of a service;
//! - [`engine`]: the task that carries one session; the journal and the faults are asked there;
//! - [`transport`]: WebSocket, long-polling and the probe between them;
//! - here: the HTTP side.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{OriginalUri, Query, Request, State};
use axum::http::header::{CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use crate::auth;
use crate::connection::{Command, Connection};
use crate::http::ApiError;
use crate::report::journal::Fact;
use crate::requests::{Whose, read_body};
use crate::service::Service;
use crate::switches::Switch;
use crate::sync::Locked;
use crate::wire::io::Wire;
use crate::wire::listen::CameBy;
use crate::world::World;
use crate::ws::{self, Opening};

pub(crate) mod echo;
mod engine;
mod layer;
mod packet;
mod refusal;
mod transport;

pub(crate) use engine::Settings;
use engine::{Ask, Session};
use layer::{Above, Layer};
pub(crate) use layer::{Dialect, Out, Pass};
use refusal::Refusal;
use transport::{Line, Polling, Waiting};

/// Requests of one session that may wait for its task.
const ASKS: usize = 64;
/// The characters of a session id.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// The length of a session id, as the official server makes them.
const ID_LENGTH: usize = 20;

/// What the handshake request says besides the engine's own words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Greeting {
    /// The token in the query or the `Authorization` header, if there is one.
    pub(crate) token: Option<String>,
}

/// What sits above the engine.
pub(crate) struct Upper(Box<dyn Above>);

/// A Socket.IO session with a service.
pub(crate) fn session(world: World, on: Arc<Connection>, dialect: impl Dialect, settings: Settings) -> Upper {
    Upper(Box::new(Layer::new(world, on, Box::new(dialect), settings.connect_timeout)))
}

/// What tells one Socket.IO service from another.
pub(crate) struct Kind {
    pub(crate) service: Service,
    /// What sits above the engine on a new connection; a service's [`Dialect`] goes into [`session`].
    pub(crate) above: fn(World, Arc<Connection>, Greeting, Settings) -> Upper,
    pub(crate) ping_interval: &'static Switch,
    pub(crate) ping_timeout: &'static Switch,
    pub(crate) connect_timeout: &'static Switch,
    pub(crate) max_payload: &'static Switch,
}

impl Kind {
    /// The route of its endpoint.
    pub(crate) fn routes(&'static self) -> Router<World> {
        self.at(self.service.socket_path())
    }

    fn at(&'static self, path: &str) -> Router<World> {
        Router::new().route(path, any(move |world, uri, request| enter(self, world, uri, request)))
    }

    fn settings(&self, world: &World) -> Settings {
        Settings {
            ping_interval: world.switches.interval(self.ping_interval),
            ping_timeout: world.switches.span(self.ping_timeout),
            connect_timeout: world.switches.span(self.connect_timeout),
            max_payload: world.switches.number(self.max_payload) as usize,
        }
    }
}

/// The open sessions of both services by their engine's id.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<(Service, String), Handle>>);

#[derive(Debug, Clone)]
struct Handle {
    on: Arc<Connection>,
    asks: mpsc::Sender<Ask>,
    /// Whether a POST is under way.
    posting: Arc<AtomicBool>,
}

impl Sessions {
    fn find(&self, service: Service, sid: &str) -> Option<Handle> {
        self.0.locked().get(&(service, sid.to_owned())).cloned()
    }
}

/// The query of every request to the engine.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    #[serde(rename = "EIO")]
    version: String,
    transport: String,
    sid: Option<String>,
    token: Option<String>,
}

/// A new random id, repeatable with `--seed`.
fn fresh_id(world: &World) -> String {
    let draw = |rng: &mut fastrand::Rng| (0..ID_LENGTH).map(|_| ALPHABET[rng.usize(..64)] as char).collect();
    world.random(draw)
}

async fn enter(
    kind: &'static Kind,
    State(world): State<World>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let Some(CameBy(wire)) = request.extensions().get().cloned() else {
        return ApiError::bad("this request came over no connection of this server").into_response();
    };
    let asked = Query::try_from_uri(&uri).map(|Query(asked)| asked).unwrap_or_default();
    let visit = Visit { kind, world, path: uri.path().to_owned(), wire, asked };
    let known =
        visit.asked.sid.as_ref().and_then(|sid| visit.world.services.sessions.find(kind.service, sid));
    let (on, answer) = match (known, &visit.asked.sid) {
        (Some(handle), _) => {
            let on = handle.on.clone();
            (on.clone(), visit.go_on(&on, Some(handle), request).await)
        }
        // What belongs to no session gets a number, too, so that its refusal can be recorded.
        (None, sid) => {
            let is_lost = sid.is_some();
            let (on, commands) =
                visit.world.connections.number(kind.service, &visit.path, visit.wire.clone());
            let answer = if is_lost {
                visit.go_on(&on, None, request).await
            } else {
                visit.begin(&on, commands, request).await
            };
            (on, answer)
        }
    };
    let mut response = answer.unwrap_or_else(|response| response);
    response.extensions_mut().insert(Whose::from(&*on));
    response
}

/// One HTTP request to the engine.
struct Visit {
    kind: &'static Kind,
    world: World,
    path: String,
    wire: Wire,
    asked: Asked,
}

impl Visit {
    /// A request without a session id begins a session.
    async fn begin(
        self,
        on: &Arc<Connection>,
        commands: mpsc::Receiver<Command>,
        mut request: Request,
    ) -> Result<Response, Response> {
        ws::admit(&self.world, on, &self.asked.transport, request.headers()).await?;
        let refuse = |refusal| self.refuse(on, refusal);
        let websocket = match self.asked.transport.as_str() {
            "websocket" => true,
            "polling" => false,
            _ => return Err(refuse(Refusal::UnknownTransport)),
        };
        if request.method() != Method::GET {
            return Err(refuse(Refusal::BadMethod));
        }
        if websocket && !request.headers().contains_key(UPGRADE) {
            return Err(refuse(Refusal::BadRequest));
        }
        if self.asked.version != "4" {
            return Err(refuse(Refusal::Version));
        }
        let greeting = self.greeting(request.headers());
        if !websocket {
            self.wire_left(on);
            let handle = self.open(on, commands, greeting, async { Some(Line::Polling(Polling::default())) });
            return self.poll(&handle).await;
        }
        let Ok(opening) = Opening::read(&mut request) else { return Err(refuse(Refusal::BadRequest)) };
        let (response, upgrade) = opening.accept();
        let limit = self.kind.settings(&self.world).max_payload;
        self.open(on, commands, greeting, async move {
            let upgraded = upgrade.await.ok()?;
            Some(Line::WebSocket(Box::new(ws::open(upgraded, Some(limit)).await)))
        });
        Ok(response)
    }

    /// Between two requests polling has no wire.
    fn wire_left(&self, on: &Connection) {
        on.wire.leave(&self.wire);
    }

    fn greeting(&self, headers: &HeaderMap) -> Greeting {
        Greeting { token: self.asked.token.clone().or_else(|| auth::bearer(headers).map(str::to_owned)) }
    }

    /// Registers a session and starts the task that carries it, as soon as its transport is there.
    fn open(
        &self,
        on: &Arc<Connection>,
        commands: mpsc::Receiver<Command>,
        greeting: Greeting,
        line: impl Future<Output = Option<Line>> + Send + 'static,
    ) -> Handle {
        let (world, kind, on) = (self.world.clone(), self.kind, on.clone());
        let (asks, asked) = mpsc::channel(ASKS);
        let handle = Handle { on: on.clone(), asks, posting: Arc::default() };
        let key = (kind.service, fresh_id(&world));
        world.services.sessions.0.locked().insert(key.clone(), handle.clone());
        world.connections.open(&on);
        let settings = kind.settings(&world);
        world.clone().tasks.spawn(async move {
            if let Some(line) = line.await {
                let Upper(layer) = (kind.above)(world.clone(), on.clone(), greeting, settings);
                let sid = key.1.clone();
                let inboxes = (asked, commands);
                Session::new(world.clone(), on.clone(), sid, settings, line, layer, inboxes).run().await;
            }
            world.services.sessions.0.locked().remove(&key);
            world.connections.close(&on); // also if it never began
        });
        handle
    }

    /// A request with a session id: a GET or POST of polling, or the WebSocket that takes over from it.
    async fn go_on(
        self,
        on: &Connection,
        known: Option<Handle>,
        mut request: Request,
    ) -> Result<Response, Response> {
        let refuse = |refusal| self.refuse(on, refusal);
        if self.asked.version != "4" {
            return Err(refuse(Refusal::Version));
        }
        if !matches!(self.asked.transport.as_str(), "websocket" | "polling") {
            return Err(refuse(Refusal::UnknownTransport));
        }
        let Some(handle) = known else { return Err(refuse(Refusal::UnknownSession)) };
        match (self.asked.transport.as_str(), request.method()) {
            ("polling", &Method::GET) => {
                self.let_pass(on, "(poll)", request.headers()).await?;
                self.poll(&handle).await
            }
            ("polling", &Method::POST) => {
                self.let_pass(on, "(post)", request.headers()).await?;
                self.post(&handle, request.into_body()).await
            }
            ("websocket", &Method::GET) => {
                ws::admit(&self.world, on, "websocket", request.headers()).await?;
                let Ok(opening) = Opening::read(&mut request) else {
                    return Err(refuse(Refusal::BadRequest));
                };
                let (response, upgrade) = opening.accept();
                let limit = self.kind.settings(&self.world).max_payload;
                self.world.clone().tasks.spawn(async move {
                    if let Ok(upgraded) = upgrade.await {
                        let socket = Box::new(ws::open(upgraded, Some(limit)).await);
                        let _ = handle.asks.send(Ask::Probe(socket, self.wire)).await;
                    }
                });
                Ok(response)
            }
            _ => Err(refuse(Refusal::BadRequest)),
        }
    }

    /// Applies the faults for requests of a polling session.
    async fn let_pass(&self, on: &Connection, kind: &str, headers: &HeaderMap) -> Result<(), Response> {
        on.wire.join(self.wire.clone());
        let admitted = ws::admit(&self.world, on, kind, headers).await;
        if admitted.is_err() {
            on.wire.leave(&self.wire);
        }
        admitted
    }

    async fn poll(&self, handle: &Handle) -> Result<Response, Response> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { wire: self.wire.clone(), answer };
        let _ = handle.asks.send(Ask::Poll(waiting)).await;
        self.answer(&handle.on, answered).await
    }

    async fn post(&self, handle: &Handle, body: Body) -> Result<Response, Response> {
        let Some(_turn) = Turn::take(&handle.posting) else {
            let _ = handle.asks.send(Ask::Protest("two POSTs at the same time")).await;
            return Err(self.refuse(&handle.on, Refusal::BadRequest));
        };
        let limit = self.kind.settings(&self.world).max_payload;
        let bytes = read_body(body, limit).await.map_err(|error| {
            let too_large = error.status == StatusCode::PAYLOAD_TOO_LARGE;
            let text =
                if too_large { "the payload is larger than maxPayload".to_owned() } else { error.text };
            ws::refuse(&self.world, &handle.on, ApiError::new(error.status, text))
        })?;
        let items = std::str::from_utf8(&bytes).ok().and_then(|body| packet::from_payload(body).ok());
        let Some(items) = items else {
            let _ = handle.asks.send(Ask::Protest("a payload that is not text")).await;
            return Err(self.refuse(&handle.on, Refusal::BadRequest));
        };
        let (answer, answered) = oneshot::channel();
        let _ = handle.asks.send(Ask::Post(items, self.wire.clone(), answer)).await;
        self.answer(&handle.on, answered).await
    }

    /// What the session answers; one that has ended meanwhile is unknown.
    async fn answer(
        &self,
        on: &Connection,
        answered: oneshot::Receiver<engine::Answer>,
    ) -> Result<Response, Response> {
        match answered.await {
            Ok(Ok(body)) => Ok(([(CONTENT_TYPE, "text/plain; charset=UTF-8")], body).into_response()),
            Ok(Err(refusal)) => Err(self.refuse(on, refusal)),
            Err(_) => Err(self.refuse(on, Refusal::UnknownSession)),
        }
    }

    fn refuse(&self, on: &Connection, refusal: Refusal) -> Response {
        let detail = format!("400 {}", refusal.message());
        self.world.journal.add(on, Fact::Refused { detail: &detail });
        self.world.console.tell("refused", on, &detail);
        refusal.into_response()
    }
}

/// The right to be the only POST of a session, given back when dropped.
struct Turn<'a>(&'a AtomicBool);

impl<'a> Turn<'a> {
    fn take(taken: &'a AtomicBool) -> Option<Self> {
        (!taken.swap(true, Ordering::AcqRel)).then_some(Self(taken))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
