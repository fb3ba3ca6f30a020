//! Everything the parts of one running server share.

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Authority, BadToken, Identity};
use crate::clock::Clock;
use crate::connection::{Connection, Connections};
use crate::console::Console;
use crate::faults::Faults;
use crate::hub::Hub;
use crate::options::{Options, OptionsError};
use crate::page;
use crate::report::Reporter;
use crate::report::journal::{Fact, Journal};
use crate::scenario::{Flows, arrange};
use crate::service::Service;
use crate::services;
use crate::switches::Switches;
use crate::sync::Locked;
use crate::wire::io::{Lot, Wire};
use crate::wire::listen::{Ground, OnAccept, Port, Shutter};

/// The ports that are listened on, each with the service whose own it is.
#[derive(Debug, Default)]
pub(crate) struct Ports(Mutex<Vec<(Option<Service>, Port)>>);

impl Ports {
    /// One more.
    pub(crate) fn open(&self, service: Option<Service>) -> Shutter {
        let (port, shutter) = Port::new();
        self.0.locked().push((service, port));
        shutter
    }

    /// Nothing listens for so long on a service's own port, or on all; answers how many sockets that are.
    pub(crate) fn close(&self, service: Option<Service>, span: Duration) -> Result<u64, String> {
        let ports = self.0.locked();
        let meant = |(whose, _): &&(Option<Service>, Port)| service.is_none() || *whose == service;
        let meant: Vec<_> = ports.iter().filter(meant).collect();
        match (meant.len(), service) {
            (0, Some(service)) => Err(format!(
                "{service} has no port of its own without --dev-ports: leave `service` out to close the one port there is"
            )),
            (count, _) => {
                for (_, port) in meant {
                    port.close(Instant::now() + span);
                }
                Ok(count as u64)
            }
        }
    }
}

/// A cheap handle on the shared parts; every request handler, session and flow has one.
#[derive(Debug, Clone)]
pub(crate) struct World(Arc<Parts>);

/// The shared parts.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) options: Options,
    pub(crate) switches: Switches,
    pub(crate) authority: Authority,
    pub(crate) connections: Connections,
    pub(crate) hub: Hub,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) reporter: Reporter,
    pub(crate) console: Console,
    pub(crate) clock: Clock,
    pub(crate) flows: Flows,
    /// What single services keep beside topics.
    pub(crate) services: services::Stores,
    /// Places for pages that follow the journal.
    pub(crate) watchers: Arc<Semaphore>,
    pub(crate) lot: Lot,
    pub(crate) ports: Ports,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
    random: Mutex<fastrand::Rng>,
}

impl World {
    pub(crate) fn new(options: Options) -> Result<Self, OptionsError> {
        let random = options.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let journal = Journal::default();
        Ok(Self(Arc::new(Parts {
            switches: options.switches()?,
            authority: Authority::new(options.auth, &options.jwt_secret, &options.default_role),
            connections: Connections::default(),
            hub: Hub::new(journal.clone()),
            faults: Faults::default(),
            reporter: Reporter::new(&journal),
            journal,
            // Who plays a scenario tells what happens.
            console: Console::new(
                (!options.quiet).then_some(options.log),
                options.scenario.as_ref().is_some_and(|scenario| scenario.is_played()),
            ),
            clock: Clock::default(),
            flows: Flows::default(),
            services: services::Stores::default(),
            watchers: Arc::new(Semaphore::new(page::MOST_WATCHERS)),
            lot: Lot::default(),
            ports: Ports::default(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            random: Mutex::new(random),
            options,
        })))
    }

    /// What the listeners need of all this; a service's own port says whose it is.
    pub(crate) fn ground(&self, service: Option<Service>) -> Ground {
        let world = self.clone();
        let on_accept = OnAccept(Arc::new(move |wire: &Wire| world.faults.at_accept(&world, service, wire)));
        Ground {
            lot: self.lot.clone(),
            shutdown: self.shutdown.clone(),
            tasks: self.tasks.clone(),
            on_accept,
        }
    }

    /// Puts in force what it is started with: a scenario, the rules of the command line.
    pub(crate) fn begin(&self) -> Result<(), OptionsError> {
        if let Some(scenario) = &self.options.scenario {
            arrange(self, scenario).map_err(|why| OptionsError(format!("the scenario's {why}")))?;
        }
        for rule in &self.options.fault {
            self.faults.add(self, rule.clone()).map_err(|why| OptionsError(format!("--fault: {why}")))?;
        }
        Ok(())
    }

    /// Who presents this token on a connection. That it is not accepted is noted; that it is, where it counts.
    pub(crate) fn judge(&self, on: &Connection, token: &str) -> Result<Identity, BadToken> {
        self.authority.judge(token).inspect_err(|bad| {
            self.journal.add(on, Fact::AuthFailed { why: &bad.to_string(), token: bad.fingerprint() });
        })
    }

    /// Notes that a connection's user is known now.
    pub(crate) fn recognise(&self, on: &Connection, who: &Identity) {
        on.recognise(who.clone());
        self.journal.add(on, Fact::Authenticated { role: &who.role, token: &who.fingerprint });
        self.console.tell("authenticated", on, &who.role);
    }

    /// The repeatable source of randomness.
    pub(crate) fn random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.random.locked())
    }

    /// A new random UUID (version 4), repeatable with `--seed`.
    pub(crate) fn uuid(&self) -> String {
        let bits = self.random(|rng| rng.u128(..));
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// Back to the beginning: switches and rules as started, no topics, revoked tokens and journal entries.
    pub(crate) fn reset(&self) {
        if let Ok(started) = self.options.switches() {
            self.switches.copy(&started);
        }
        self.hub.reset();
        self.flows.reset();
        self.clock.stop(false);
        self.faults.remove(None);
        // Nobody has none of the ports.
        let _ = self.ports.close(None, Duration::ZERO);
        self.authority.reset();
        self.services.reset();
        self.journal.reset();
        self.reporter.reset(&self.journal, self.connections.last());
        if let Err(error) = self.begin() {
            tracing::warn!(%error, "a rule of the start does not hold any more");
        }
    }
}

impl Deref for World {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Now, as the services write it: ISO 8601 in UTC with milliseconds.
pub(crate) fn timestamp() -> String {
    humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string()
}
