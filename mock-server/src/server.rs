//! The running server, as Rust programs hold it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::auth::Authority;
use crate::connection::ConnectionInfo;
use crate::faults::rule::{Rule, RuleInfo};
use crate::howto::{HowTo, believes_anyone, watch};
use crate::http::{self, ApiError};
use crate::hub::TopicInfo;
use crate::options::{Options, OptionsError};
use crate::report::Reporter;
use crate::report::journal::Journal;
use crate::report::verdicts::Report;
use crate::scenario::file::{Scenario, User};
use crate::service::Service;
use crate::services::personality;
use crate::switches::{SwitchError, Switches};
use crate::wire::listen;
use crate::world::World;

/// The life of the tokens that are handed out for trying things.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// Time that open connections have to end at a shutdown.
const FAREWELL: Duration = Duration::from_secs(3);
/// Topics that an error names.
const MOST_NAMED: usize = 10;
/// Time that the last lines have to be read by whoever reads standard output.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running server. It ends with [`MockServer::shutdown`], or at once when it is dropped.
#[derive(Debug)]
pub struct MockServer {
    world: World,
    address: SocketAddr,
    secure: bool,
}

/// Why something could not be emitted or a rule not be put in force; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmitError(String);

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EmitError {}

impl MockServer {
    /// Starts listening. The error says what to change: a busy port, a wrong switch, an unreadable certificate.
    pub async fn start(options: Options) -> Result<Self, OptionsError> {
        let world = World::new(options)?;
        let options = &world.options;
        let tls = options.tls.as_ref().map(listen::tls).transpose()?;
        let listeners = listen::bind(options.host, options.port, listen::OTHER_PORT).await?;
        let address = listeners[0].local_addr().map_err(|e| OptionsError(e.to_string()))?;
        world.begin()?;
        world.tasks.spawn(Reporter::run(world.clone()));
        let mut plan: Vec<_> = listeners.into_iter().map(|l| (l, http::everything(&world), None)).collect();
        if options.dev_ports {
            for service in Service::ALL {
                let listeners =
                    listen::bind(options.host, service.dev_port(), "leave --dev-ports out").await?;
                plan.extend(listeners.into_iter().map(|l| (l, http::alone(&world, service), Some(service))));
            }
        }
        for (listener, router, service) in plan {
            let shutter = world.ports.open(service);
            world.tasks.spawn(listen::serve(world.ground(service), listener, shutter, tls.clone(), router));
        }
        let secure = tls.is_some();
        Ok(Self { world, address, secure })
    }

    /// Where it listens (of two loopback addresses, the IPv4 one).
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL, `http://127.0.0.1:<port>`, under which the control API is found at `/_mock/`.
    pub fn base_url(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.address)
    }

    /// A service's base URL, which clients add its paths to.
    pub fn service_url(&self, service: Service) -> String {
        format!("{}/{service}", self.base_url())
    }

    /// The URL of a service's realtime endpoint. The topic is only used where it is part of the URL (TherapyBridge).
    pub fn socket_url(&self, service: Service, topic: &str) -> String {
        let base = self.service_url(service);
        let base = if service.is_socket_io() { base } else { base.replacen("http", "ws", 1) };
        format!("{base}{}", service.socket_path().replace("{session_id}", topic))
    }

    /// A token for this user that lives an hour and names no role: every service lets it in, TherapyBridge with the
    /// role of [`Options::default_role`].
    pub fn token(&self, sub: &str) -> String {
        self.world.authority.issue(sub, "", TOKEN_LIFE)
    }

    /// A token for this user that lives an hour and names the service's [usual role](Service::usual_role).
    pub fn token_for(&self, service: Service, sub: &str) -> String {
        self.world.authority.issue(sub, service.usual_role(), TOKEN_LIFE)
    }

    /// The scenario that it was started with.
    pub(crate) fn scenario(&self) -> Option<&Scenario> {
        self.world.options.scenario.as_deref()
    }

    /// The tokens that are shown at the start, by user: those of the scenario's users, or `u1`'s.
    pub fn tokens(&self, service: Service) -> Vec<(String, String)> {
        let users = self.scenario().map(|scenario| scenario.users.as_slice()).unwrap_or_default();
        if users.is_empty() {
            return vec![("u1".to_owned(), self.token_for(service, "u1"))];
        }
        let token = |user: &User| {
            let role = user.role.as_deref().unwrap_or(service.usual_role());
            (user.sub.clone(), self.authority().issue(&user.sub, role, user.ttl))
        };
        users.iter().map(token).collect()
    }

    /// Issues and judges tokens: other roles, other lives.
    pub fn authority(&self) -> &Authority {
        &self.world.authority
    }

    /// Sends something to all subscribers of a topic. It is kept as the topic's current state and stops its flow.
    /// Answers to how many connections it went.
    pub fn emit(
        &self,
        service: Service,
        topic: &str,
        event: Option<&str>,
        data: Value,
    ) -> Result<usize, EmitError> {
        emit(&self.world, service, topic, event, data, None).map_err(EmitError)
    }

    /// Says whose topic it is; without an owner it is everyone's.
    pub fn own(&self, service: Service, topic: &str, owner: Option<&str>, members: &[&str]) {
        let members: BTreeSet<_> = members.iter().map(|&m| m.to_owned()).collect();
        self.world.hub.own(service, topic, owner.map(str::to_owned), members);
    }

    /// Lets a topic go on that waits for a confirmation. An error says that the service waits for none, or that nobody
    /// has named this topic yet.
    pub fn confirm(&self, service: Service, topic: &str) -> Result<(), EmitError> {
        confirm(&self.world, service, topic).map(drop).map_err(|error| EmitError(error.text))
    }

    /// Puts a fault in force, or applies it at once if its `when` is `now`.
    pub fn fault(&self, rule: Rule) -> Result<RuleInfo, EmitError> {
        self.world.faults.add(&self.world, rule).map_err(EmitError)
    }

    /// The faults in force, with how often they were applied.
    pub fn faults(&self) -> Vec<RuleInfo> {
        self.world.faults.list()
    }

    /// Removes a fault by its number, or all of them; answers how many.
    pub fn clear_faults(&self, id: Option<u64>) -> usize {
        self.world.faults.remove(id)
    }

    /// Stops the clock that flows and rules go by, or lets it run again; stopped, it goes on by [`MockServer::advance`]
    /// only. Heartbeats and time-outs of connections go by the real clock.
    pub fn stop_clock(&self, stopped: bool) {
        self.world.clock.stop(stopped);
    }

    /// Lets so much time pass at once for flows and rules.
    pub fn advance(&self, by: Duration) {
        self.world.clock.advance(by);
    }

    /// Changes a switch.
    pub fn set(&self, name: &str, value: &str) -> Result<(), SwitchError> {
        self.world.switches.set(name, value)
    }

    /// The switches as they stand.
    pub fn switches(&self) -> &Switches {
        &self.world.switches
    }

    /// The record of all frames and connections, which can also be waited on.
    pub fn journal(&self) -> &Journal {
        &self.world.journal
    }

    /// What clients did wrong so far, with the frames that prove it.
    pub fn report(&self) -> Report {
        self.report_on(|_| true)
    }

    /// The same of some services alone.
    pub(crate) fn report_on(&self, about: impl Fn(Service) -> bool) -> Report {
        self.world.reporter.report(&self.world.switches, about)
    }

    /// The open realtime connections.
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.world.connections.info()
    }

    /// The topics known so far.
    pub fn topics(&self) -> Vec<TopicInfo> {
        self.world.hub.info()
    }

    /// Back to the beginning: switches and rules as started, no topics, revoked tokens, journal entries and verdicts.
    pub fn reset(&self) {
        self.world.reset();
    }

    /// For each of these services where it is, its tokens, a line that opens a connection, one that follows a topic
    /// then, and a command that does both.
    pub fn places(&self, services: &[Service]) -> Vec<String> {
        let place = |service: &Service| {
            let how = HowTo::new(*service, &self.base_url(), &self.world.switches);
            let own_port = if self.world.options.dev_ports {
                format!(" and at port {}", service.dev_port())
            } else {
                String::new()
            };
            let mut lines = vec![format!("{service} is ready at {}{own_port}", how.place())];
            let tokens = self.tokens(*service);
            lines.extend(tokens.iter().map(|(user, token)| format!("  token of {user} {token}")));
            lines.extend(how.path.is_none().then(|| format!("  open  {}", how.open)));
            lines.push(format!("  then  {}", how.follow));
            let needed = believes_anyone(*service, &self.world.switches).is_none();
            let token = tokens.first().filter(|_| needed).map(|(_, token)| token.as_str());
            let insecure = !self.secure && !self.address.ip().is_loopback();
            lines.push(format!("  watch {}", watch(*service, &self.base_url(), insecure, token)));
            lines.extend(how.note.map(|note| format!("  note  {note}")));
            lines.join("\n")
        };
        let mut places: Vec<_> = services.iter().map(place).collect();
        if !places.is_empty() {
            places.push(
                "($TOKEN, or token, stands for a token that is written above it; what stands behind `watch` is \
                 pasted in Steadfast's root)"
                    .to_owned(),
            );
        }
        places
    }

    /// Writes the ready lines to standard output: where the services are, and how they are tried.
    pub fn announce(&self) {
        if self.world.options.echo {
            let base = self.base_url();
            let text = format!(
                "echo is ready at {base}/socket.io/ (namespaces / and /custom) and {base}/engine.io/"
            );
            self.world.console.say("ready", &text);
        }
        let services: &[Service] = if self.world.options.echo { &[] } else { &Service::ALL };
        for place in self.places(services) {
            self.world.console.say("ready", &place);
        }
        self.world.console.say("ready", &format!("look at it at {}/", self.base_url()));
        self.world
            .console
            .say("ready", "Ctrl-C ends it and tells what clients did wrong; first steps: mock-server --help");
        self.world.console.say("ready", &format!("control API at {}/_mock/", self.base_url()));
    }

    /// Closes all connections with 1001 and waits until they have ended, three seconds at most. Answers the last word
    /// on what clients did.
    pub async fn shutdown(self) -> Report {
        self.world.hub.reset();
        self.world.shutdown.cancel();
        self.world.lot.clear();
        self.world.tasks.close();
        if tokio::time::timeout(FAREWELL, self.world.tasks.wait()).await.is_err() {
            tracing::debug!("some connections did not end in time");
        }
        let report = self.report();
        self.world.console.say("report", &report.to_string());
        self.world.console.written(LAST_WORDS).await;
        report
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.world.shutdown.cancel();
        self.world.lot.clear();
    }
}

/// Lets a topic go on, for both the Rust and the HTTP side; answers what it waited for.
pub(crate) fn confirm(world: &World, service: Service, topic: &str) -> Result<&'static str, ApiError> {
    let Some(what) = personality(service).confirmation() else {
        return Err(ApiError::bad(format!("{service} waits for no confirmation")));
    };
    let known = world.hub.names(service);
    if !known.iter().any(|name| name == topic) {
        let (shown, more) = known.split_at(known.len().min(MOST_NAMED));
        let known = match (shown, more.len()) {
            ([], _) => "there is none yet: a topic appears when a client subscribes it".to_owned(),
            (shown, 0) => format!("there are {}", shown.join(", ")),
            (shown, more) => format!("there are {} and {more} more", shown.join(", ")),
        };
        return Err(ApiError::missing(format!("{service} has no topic `{topic}`: {known}")));
    }
    world.hub.fulfil(service, topic, what);
    Ok(what)
}

/// Emits for both the Rust and the HTTP side.
pub(crate) fn emit(
    world: &World,
    service: Service,
    topic: &str,
    event: Option<&str>,
    data: Value,
    to: Option<&str>,
) -> Result<usize, String> {
    if topic.is_empty() {
        return Err("`topic` is empty: name the session, project or analysis".to_owned());
    }
    let frame = personality(service).emitted(topic, event, data)?.about(topic);
    world.hub.stop_flow(service, topic);
    Ok(world.hub.publish(service, frame, to))
}
