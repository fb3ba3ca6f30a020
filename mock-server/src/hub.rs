//! The hub: topics with their owners, subscribers and current state, and the flows that run on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::auth::Identity;
use crate::connection::{Closing, Command, Connection, Frame};
use crate::report::journal::{Fact, Journal};
use crate::service::Service;
use crate::services::personality;
use crate::sync::Locked;
use crate::topic::Meaning;
use crate::world::World;

/// Topics kept that nobody has subscribed.
const MOST_ABANDONED: usize = 1000;

/// One thing that happens in a flow. A service's default flow is a list of these.
#[derive(Debug, Clone)]
pub(crate) enum Beat {
    /// So many steps pass (`--step`); parts of a step are fine.
    Wait(f32),
    /// A frame goes to all subscribers and becomes part of the topic's state.
    Emit(Frame),
    /// Waits until [`Hub::fulfil`] is called with this name or, if given, this time has passed.
    Await(String, Option<Duration>),
    /// Closes all subscribers' connections with 1011, once per topic; the flow goes on.
    Crash,
}

#[derive(Debug, Default)]
enum Flow {
    #[default]
    Idle,
    Running(AbortHandle),
    /// Ended, or replaced by something that was emitted.
    Over,
}

#[derive(Debug, Default)]
struct Topic {
    owner: Option<String>,
    members: BTreeSet<String>,
    state: Value,
    published: u64,
    subscribers: BTreeMap<u64, Arc<Connection>>,
    flow: Flow,
    /// Its place among the abandoned ones.
    left: Option<u64>,
    crashed: bool,
    fulfilled: BTreeSet<String>,
    news: Arc<Notify>,
}

/// Whether a user may see a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Granted,
    Missing,
    Denied,
}

/// What the control API tells of a topic.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TopicInfo {
    /// The service.
    pub service: Service,
    /// The topic's id.
    pub topic: String,
    /// The only user who may see it besides its members; without one it is everyone's.
    pub owner: Option<String>,
    /// Others who may see it.
    pub members: Vec<String>,
    /// How many connections have subscribed it.
    pub subscribers: usize,
    /// Whether its flow is running.
    pub running: bool,
    /// Its current state, in the service's own words.
    pub state: Value,
}

/// All topics of all services.
#[derive(Debug)]
pub(crate) struct Hub {
    topics: Mutex<Topics>,
    journal: Journal,
}

type Key = (Service, String);

#[derive(Debug, Default)]
struct Topics {
    all: BTreeMap<Key, Topic>,
    /// Those that nobody has subscribed and nobody was made the owner of, in the order they were left.
    abandoned: BTreeMap<u64, Key>,
    last: u64,
}

impl Topics {
    /// Looks whether a topic is abandoned now. Who comes back soon finds it as it stands, and so does REST; of too
    /// many the one that was left first is forgotten, and its flow ends.
    fn settle(&mut self, key: &Key) {
        let Some(topic) = self.all.get_mut(key) else { return };
        let wanted = !topic.subscribers.is_empty() || topic.owner.is_some() || !topic.members.is_empty();
        if let Some(left) = topic.left.filter(|_| wanted) {
            topic.left = None;
            self.abandoned.remove(&left);
        }
        if !wanted && topic.left.is_none() {
            self.last += 1;
            topic.left = Some(self.last);
            self.abandoned.insert(self.last, key.clone());
        }
        while self.abandoned.len() > MOST_ABANDONED
            && let Some((_, oldest)) = self.abandoned.pop_first()
        {
            if let Some(Topic { flow: Flow::Running(task), .. }) = self.all.remove(&oldest) {
                task.abort();
            }
        }
    }
}

fn at<'a>(topics: &'a mut Topics, service: Service, topic: &str) -> &'a mut Topic {
    topics.all.entry((service, topic.to_owned())).or_default()
}

impl Hub {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { topics: Mutex::default(), journal }
    }

    fn lock(&self) -> MutexGuard<'_, Topics> {
        self.topics.locked()
    }

    /// Whether this user may see the topic; `sees_all` is for roles that may see everyone's.
    pub(crate) fn access(
        &self,
        service: Service,
        topic: &str,
        who: Option<&Identity>,
        sees_all: bool,
    ) -> Access {
        match Meaning::of(topic) {
            Some(Meaning::Missing) => return Access::Missing,
            Some(Meaning::Denied) if !sees_all => return Access::Denied,
            _ => {}
        }
        let topics = self.lock();
        let Some(topic) = topics.all.get(&(service, topic.to_owned())) else { return Access::Granted };
        let sub = who.map(|w| w.sub.as_str());
        let theirs = topic.owner.as_deref().is_none_or(|owner| Some(owner) == sub)
            || sub.is_some_and(|sub| topic.members.contains(sub));
        if theirs || sees_all { Access::Granted } else { Access::Denied }
    }

    /// Says whose topic it is.
    pub(crate) fn own(
        &self,
        service: Service,
        topic: &str,
        owner: Option<String>,
        members: BTreeSet<String>,
    ) {
        let id = topic.to_owned();
        let mut topics = self.lock();
        let topic = at(&mut topics, service, topic);
        topic.owner = owner;
        topic.members = members;
        topics.settle(&(service, id));
    }

    /// How many topics are kept for good, because they are followed or have an owner.
    pub(crate) fn kept(&self) -> usize {
        let topics = self.lock();
        topics.all.len() - topics.abandoned.len()
    }

    /// Subscribes a connection and starts the topic's flow if it is the first ever; answers the current state.
    pub(crate) fn subscribe(
        &self,
        world: &World,
        service: Service,
        topic: &str,
        who: &Arc<Connection>,
    ) -> Value {
        let mut topics = self.lock();
        let entry = at(&mut topics, service, topic);
        who.follow(topic);
        entry.subscribers.insert(who.id, who.clone());
        let meaning = Meaning::of(topic);
        if matches!(entry.flow, Flow::Idle) && meaning != Some(Meaning::Quiet) {
            let still = personality(service).is_still(world, topic);
            let beats = if still { Vec::new() } else { world.flows.beats(world, service, topic, meaning) };
            let (world, id) = (world.clone(), topic.to_owned());
            let task = world.clone().tasks.spawn(async move {
                tokio::select! {
                    () = run(&world, service, &id, beats) => world.hub.over(service, id),
                    () = world.shutdown.cancelled() => {}
                }
            });
            entry.flow = Flow::Running(task.abort_handle());
        }
        let state = entry.state.clone();
        topics.settle(&(service, topic.to_owned()));
        state
    }

    /// Ends a subscription; false if there was none.
    pub(crate) fn unsubscribe(&self, service: Service, topic: &str, who: &Connection) -> bool {
        self.part(service, topic, who, |journal| journal.add(who, Fact::Unsubscribed { topic }))
    }

    /// Takes a connection off a topic; `note` tells the journal of it before it tells of an empty room.
    fn part(&self, service: Service, topic: &str, who: &Connection, note: impl FnOnce(&Journal)) -> bool {
        let key = (service, topic.to_owned());
        let mut topics = self.lock();
        let entry = topics.all.get_mut(&key);
        let emptied = entry
            .is_some_and(|entry| entry.subscribers.remove(&who.id).is_some() && entry.subscribers.is_empty());
        topics.settle(&key);
        drop(topics);
        let had = who.unfollow(topic);
        if had {
            note(&self.journal);
        }
        if emptied {
            self.journal.add(who, Fact::Emptied { topic });
        }
        had
    }

    /// Ends all subscriptions of a connection.
    pub(crate) fn leave(&self, who: &Connection) {
        for topic in who.topics() {
            self.part(who.service, &topic, who, |_| {});
        }
    }

    /// The current state of a topic, null if nothing has happened yet.
    pub(crate) fn state(&self, service: Service, topic: &str) -> Value {
        self.lock().all.get(&(service, topic.to_owned())).map_or(Value::Null, |t| t.state.clone())
    }

    /// Keeps the frame as current state and sends it to the subscribers, or to those of one user only.
    /// Answers to how many connections it went.
    pub(crate) fn publish(&self, service: Service, mut frame: Frame, to: Option<&str>) -> usize {
        let id = frame.topic.clone().unwrap_or_default();
        let mut topics = self.lock();
        let topic = at(&mut topics, service, &id);
        topic.published += 1;
        frame.number = topic.published;
        frame.published = Some(Instant::now());
        let personality = personality(service);
        personality.complete(&id, &topic.state, &mut frame);
        personality.absorb(&mut topic.state, &frame);
        let listeners: Vec<_> = topic
            .subscribers
            .values()
            .filter(|c| to.is_none_or(|user| c.user().as_deref() == Some(user)))
            .cloned()
            .collect();
        let frame = Arc::new(frame);
        // Under the lock, so that two publishers cannot overtake each other.
        for listener in &listeners {
            listener.send(Command::Deliver(frame.clone()));
        }
        topics.settle(&(service, id));
        listeners.len()
    }

    /// Stops a topic's flow for good, also one that has not begun.
    pub(crate) fn stop_flow(&self, service: Service, topic: &str) {
        let mut topics = self.lock();
        if let Flow::Running(task) = std::mem::replace(&mut at(&mut topics, service, topic).flow, Flow::Over)
        {
            task.abort();
        }
        topics.settle(&(service, topic.to_owned()));
    }

    /// Lets a flow go on that waits for `what`, now or when it gets there.
    pub(crate) fn fulfil(&self, service: Service, topic: &str, what: &str) {
        let mut topics = self.lock();
        let entry = at(&mut topics, service, topic);
        entry.fulfilled.insert(what.to_owned());
        entry.news.notify_waiters();
        topics.settle(&(service, topic.to_owned()));
    }

    /// The topics of a service by their names.
    pub(crate) fn names(&self, service: Service) -> Vec<String> {
        self.lock().all.keys().filter(|(of, _)| *of == service).map(|(_, name)| name.clone()).collect()
    }

    /// What there is to tell of all topics.
    pub(crate) fn info(&self) -> Vec<TopicInfo> {
        let topics = self.lock();
        let tell = |((service, id), topic): (&(Service, String), &Topic)| TopicInfo {
            service: *service,
            topic: id.clone(),
            owner: topic.owner.clone(),
            members: topic.members.iter().cloned().collect(),
            subscribers: topic.subscribers.len(),
            running: matches!(topic.flow, Flow::Running(_)),
            state: topic.state.clone(),
        };
        topics.all.iter().map(tell).collect()
    }

    /// Forgets all topics and stops their flows; open connections stay open and lose their subscriptions.
    pub(crate) fn reset(&self) {
        for ((_, id), topic) in std::mem::take(&mut *self.lock()).all {
            for connection in topic.subscribers.values() {
                connection.unfollow(&id);
            }
            if let Flow::Running(task) = topic.flow {
                task.abort();
            }
        }
    }

    fn over(&self, service: Service, topic: String) {
        if let Some(topic) = self.lock().all.get_mut(&(service, topic)) {
            topic.flow = Flow::Over;
        }
    }

    fn crash(&self, service: Service, topic: &str) {
        let mut topics = self.lock();
        let topic = at(&mut topics, service, topic);
        if std::mem::replace(&mut topic.crashed, true) {
            return;
        }
        for connection in topic.subscribers.values() {
            connection.send(Command::Close(Closing::new(1011, "Internal server error")));
        }
    }

    async fn fulfilled(&self, service: Service, topic: &str, what: &str) {
        loop {
            let news = {
                let mut topics = self.lock();
                let topic = at(&mut topics, service, topic);
                if topic.fulfilled.remove(what) {
                    return;
                }
                topic.news.clone().notified_owned()
            };
            news.await;
        }
    }
}

/// Plays a flow to its end on the topic's own clock, whether anyone listens or not.
async fn run(world: &World, service: Service, topic: &str, beats: Vec<Beat>) {
    // Each wait begins where the last one ended, so that one advance of the clock can pass several.
    let mut end = world.clock.now();
    for beat in beats {
        match beat {
            Beat::Wait(steps) => {
                end += world.options.step.mul_f32(steps);
                world.clock.sleep_until(end).await;
            }
            Beat::Emit(frame) => drop(world.hub.publish(service, frame.about(topic), None)),
            Beat::Await(what, None) => {
                world.hub.fulfilled(service, topic, &what).await;
                end = world.clock.now();
            }
            Beat::Await(what, Some(limit)) => {
                let limit = end + limit;
                tokio::select! {
                    () = world.hub.fulfilled(service, topic, &what) => end = world.clock.now(),
                    () = world.clock.sleep_until(limit) => end = limit,
                }
            }
            Beat::Crash => world.hub.crash(service, topic),
        }
    }
}
