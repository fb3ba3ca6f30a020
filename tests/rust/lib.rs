//! What the tests that cross crates share: a mock server, a client of it, and a look at both.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use steadfast::client::{Event, Events, Handle, Options, Subscription};
use steadfast::{ConnectionState, Endpoint, Service, SubscriptionState, Why, WhyKind};
use steadfast_mock_server::{
    Entry, Happening, MockServer, Options as MockOptions, Rule, RuleInfo, Service as MockService,
};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something, but not for ever.
///
/// # Panics
/// If it takes too long; `what` says what did.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("{what} took longer than {PATIENCE:?}");
    };
    value
}

/// The mock's name for a service.
pub const fn mock_service(service: Service) -> MockService {
    match service {
        Service::Charisma => MockService::Charisma,
        Service::TherapyBridge => MockService::TherapyBridge,
        Service::Saga => MockService::Saga,
        Service::DocProc => MockService::DocProc,
        Service::DevContext => MockService::DevContext,
    }
}

/// A mock server on a free port, with short steps.
///
/// # Panics
/// If it can't start.
pub async fn mock(settings: &[&str]) -> MockServer {
    paced(Duration::from_millis(10), settings).await
}

/// The same with steps of this length, for flows that a reconnect must not miss.
///
/// # Panics
/// If it can't start.
pub async fn paced(step: Duration, settings: &[&str]) -> MockServer {
    let mut options = MockOptions { step, ..MockOptions::for_tests() };
    for setting in settings {
        options = options.with(setting);
    }
    MockServer::start(options).await.expect("the mock server starts")
}

/// Runs a test for each of the five services at once.
pub async fn each<F: Future<Output = ()>>(test: impl Fn(Service) -> F) {
    futures_util::future::join_all(Service::ALL.map(test)).await;
}

/// The options of a client of this mock, by default with a token of user `u1`.
pub fn options(server: &MockServer, service: Service) -> Options {
    let url = server.service_url(mock_service(service));
    Options::new(service, Endpoint::Url(url)).token(server.token("u1"))
}

/// The same with waits that a test has time for: 20 ms, 40 ms, … up to 200 ms, without jitter.
pub fn brisk(server: &MockServer, service: Service) -> Options {
    hasten(options(server, service))
}

/// Shortens the waits between attempts.
pub fn hasten(mut options: Options) -> Options {
    let reconnect = &mut options.config.reconnect;
    reconnect.base_delay = Duration::from_millis(20);
    reconnect.max_delay = Duration::from_millis(200);
    reconnect.jitter = false;
    reconnect.attempts_per_minute = 1000;
    options.config.timings.linger = Duration::from_millis(50);
    options.config.timings.completion_wait = Duration::from_millis(100);
    options
}

/// A client of this mock.
///
/// # Panics
/// If the options are wrong.
pub fn client(server: &MockServer, service: Service) -> Handle {
    open(options(server, service))
}

/// A client with these options.
///
/// # Panics
/// If they are wrong.
pub fn open(options: Options) -> Handle {
    Handle::new(options).expect("the options are good")
}

/// A subscription that the server has confirmed.
///
/// # Panics
/// If it isn't, in time.
pub async fn live(handle: &Handle, topic: &str) -> Subscription {
    let subscription = handle.subscribe(topic).expect("a good topic");
    let outcome = within(&format!("{topic} becoming live"), subscription.live()).await;
    outcome.unwrap_or_else(|error| panic!("{}: {topic} is not live: {error}", handle.service()));
    subscription
}

/// Puts a fault in force.
///
/// # Panics
/// If it is no good rule.
pub fn fault(server: &MockServer, rule: Value) -> RuleInfo {
    let rule: Rule = serde_json::from_value(rule).expect("a rule");
    server.fault(rule).expect("a rule that can be applied")
}

/// Does something to all open connections of a service, now.
pub fn now(server: &MockServer, service: Service, action: Value) -> RuleInfo {
    let rule = json!({"match": {"service": mock_service(service), "when": "now"}, "action": action});
    fault(server, rule)
}

/// The kind of frame that [`advance`] sends.
pub const fn progress_kind(service: Service) -> &'static str {
    match service {
        Service::Charisma => "session_status",
        Service::TherapyBridge => "transcribing",
        Service::Saga => "story_processing",
        Service::DocProc => "progress",
        Service::DevContext => "stage_completed",
    }
}

/// The name of the message that a client makes of it.
pub const fn progress_name(service: Service) -> &'static str {
    match service {
        Service::TherapyBridge => "progress",
        other => progress_kind(other),
    }
}

/// Lets a topic make some progress.
///
/// # Panics
/// If the mock does not want to.
pub fn advance(server: &MockServer, service: Service, topic: &str) -> usize {
    let (event, data) = match service {
        Service::Charisma => (None, json!({"status": "analysis_in_progress", "progress": 0.3})),
        Service::TherapyBridge => (None, json!({"status": "transcribing", "progress": 30})),
        Service::Saga => (Some("story_processing"), json!({"storyId": "story_1"})),
        Service::DocProc => (Some("progress"), json!({"status": "PROCESSING", "progress": 30})),
        Service::DevContext => (Some("stage_completed"), json!({"stage": "project_review", "progress": 33})),
    };
    server.emit(mock_service(service), topic, event, data).expect("an emit")
}

/// Ends a topic well; on Saga, whose rooms never end, an export.
///
/// # Panics
/// If the mock does not want to.
pub fn finish(server: &MockServer, service: Service, topic: &str) {
    let all = ["project_review", "intelligence_report", "interview_simulation"];
    let (event, data) = match service {
        Service::Charisma => (None, json!({"status": "complete", "progress": 1.0})),
        Service::TherapyBridge => (None, json!({"status": "processed", "progress": 100})),
        Service::Saga => (Some("export_ready"), json!({"exportId": "export_1", "downloadUrl": "u"})),
        Service::DocProc => (Some("completed"), json!({"result": {"pages": 3}})),
        Service::DevContext => {
            (Some("stage_completed"), json!({"stage": all[2], "completedStages": all, "progress": 100}))
        }
    };
    server.emit(mock_service(service), topic, event, data).expect("an emit");
}

/// How often a topic was asked for on the wire by each connection that asked, in their order.
pub fn asked(server: &MockServer, service: Service, topic: &str) -> Vec<usize> {
    let wanted = match service {
        Service::Charisma | Service::DocProc => "subscribe",
        Service::Saga => "join_project",
        Service::DevContext => "subscribe_analysis",
        // Opening the connection is the subscription.
        Service::TherapyBridge => "",
    };
    let entries = server.journal().after(0, |entry| {
        let same = entry.service == mock_service(service);
        same && match entry.what {
            Happening::In => entry.kind.as_deref() == Some(wanted) && entry.topic.as_deref() == Some(topic),
            Happening::Open => wanted.is_empty() && entry.detail.ends_with(topic),
            _ => false,
        }
    });
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for entry in entries {
        *counts.entry(entry.connection).or_default() += 1;
    }
    counts.into_values().collect()
}

/// The journal's entries of this kind on a service.
pub fn entries(server: &MockServer, service: Service, what: Happening) -> Vec<Entry> {
    server.journal().after(0, |entry| entry.service == mock_service(service) && entry.what == what)
}

/// Waits until no connection of the mock is open.
pub async fn deserted(server: &MockServer) {
    within("the last connection's end", async {
        while !server.connections().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Everything that a client tells, with what has been read of it.
pub struct Log {
    service: Service,
    events: Events,
    /// What has been read so far.
    pub seen: Vec<Event>,
}

impl Log {
    /// From now on.
    pub fn of(handle: &Handle) -> Self {
        Self { service: handle.service(), events: handle.events(), seen: Vec::new() }
    }

    /// The next event, whatever it is; `None` after the end.
    pub async fn try_next(&mut self) -> Option<Event> {
        let event = self.events.next().await?;
        self.seen.push(event.clone());
        Some(event)
    }

    /// Reads until an event fits, and gives it.
    ///
    /// # Panics
    /// If none comes in time; it shows what came.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let read = async {
            loop {
                let event = self.events.next().await?;
                self.seen.push(event.clone());
                if fits(&event) {
                    return Some(event);
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, read).await;
        match found {
            Ok(Some(event)) => event,
            _ => panic!("{}: {what} did not come: {:?}", self.service, self.lines()),
        }
    }

    /// Reads until a connection state fits, and gives it.
    pub async fn state(&mut self, name: &str) -> ConnectionState {
        let event =
            self.until(name, |event| matches!(event, Event::State(state) if state.name() == name)).await;
        let Event::State(state) = event else { unreachable!() };
        state
    }

    /// Reads until a topic is in this state.
    pub async fn topic(&mut self, topic: &str, name: &str) -> SubscriptionState {
        let fits = |event: &Event| matches!(event, Event::Subscription { topic: own, state } if own == topic && state.name() == name);
        let event = self.until(&format!("{topic} {name}"), fits).await;
        let Event::Subscription { state, .. } = event else { unreachable!() };
        state
    }

    /// Reads until a message of this name.
    pub async fn message(&mut self, name: &str) -> Event {
        self.until(name, |event| matches!(event, Event::Message(message) if message.data.name() == name))
            .await
    }

    /// Reads until the gap of a topic, and says whether it was recovered.
    pub async fn gap(&mut self, topic: &str) -> bool {
        let fits = |event: &Event| matches!(event, Event::Gap { topic: own, .. } if own == topic);
        let Event::Gap { recovered, .. } = self.until(&format!("the gap of {topic}"), fits).await else {
            unreachable!()
        };
        recovered
    }

    /// Why the client waited, failed or was displaced, in order.
    pub fn troubles(&self) -> Vec<Why> {
        let why = |event: &Event| match event {
            Event::State(state) => state.why().cloned(),
            _ => None,
        };
        self.seen.iter().filter_map(why).collect()
    }

    /// What was read, a line for each.
    pub fn lines(&self) -> Vec<String> {
        self.seen.iter().map(line).collect()
    }
}

/// An event in a few words.
pub fn line(event: &Event) -> String {
    match event {
        Event::State(state) => match state.why() {
            Some(why) => format!("[{}] {} {why}", state.name(), why.kind.name()),
            None => format!("[{}]", state.name()),
        },
        Event::Subscription { topic, state } => format!("{topic} [{}]", state.name()),
        Event::Message(message) => message.data.name().to_owned(),
        Event::Gap { topic, recovered, .. } => format!("{topic} gap, recovered: {recovered}"),
        Event::ProtocolViolation(violation) => format!("violation: {}", violation.reason),
        Event::Notice { kind, text } => format!("notice {}: {text}", kind.name()),
        Event::Snapshot(snapshot) => format!("{} snapshot", snapshot.topic),
        Event::Interview { state, .. } => format!("interview [{}]", state.name()),
        Event::RecoveredStage { stage, .. } => format!("recovered {stage:?}"),
        Event::Lagged { skipped } => format!("lagged by {skipped}"),
        Event::Fetched { topic, .. } => format!("{topic} fetched"),
    }
}

/// The reason of a refused subscription.
///
/// # Panics
/// If it is in another state.
pub fn refusal(state: &SubscriptionState) -> &Why {
    match state {
        SubscriptionState::Refused { why } => why,
        other => panic!("it is {other:?}"),
    }
}

/// Whether a link of this service waits, fails and is displaced as one, not topic by topic.
pub const fn is_shared(service: Service) -> bool {
    !matches!(service, Service::TherapyBridge)
}

/// The kinds of trouble in short.
pub fn kinds(whys: &[Why]) -> Vec<WhyKind> {
    whys.iter().map(|why| why.kind).collect()
}
