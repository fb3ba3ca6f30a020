//! What the server does by itself, as data: scenarios as they are written ([`file`](mod@file)), the [`flow`]s of topics in them,
//! what they [`expect`], and one being [played](play). What topics do unless told otherwise are scenarios' files too,
//! with flows alone; [`Flows`] holds what stands in their place.

mod expect;
pub(crate) mod file;
pub(crate) mod flow;
mod instead;
mod layout;
mod play;
pub(crate) mod ready;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use crate::hub::Beat;
use crate::server::emit;
use crate::service::Service;
use crate::sync::Locked;
use crate::topic::Meaning;
use crate::world::World;
use file::Scenario;
use flow::Flow;
use ready::default_flows;

/// Flows that may be given.
const MOST_FLOWS: usize = 10_000;

/// The flows in use: those that were given, and else each service's default one.
#[derive(Debug, Default)]
pub(crate) struct Flows(Mutex<Given>);

/// By service and, if it is for one only, by topic.
type Given = BTreeMap<(Service, Option<String>), Arc<Flow>>;

impl Flows {
    /// Puts a flow in the place of a service's default one, for one topic or for all that have none of their own.
    /// Topics whose flow has begun keep theirs. False if there are too many already.
    pub(crate) fn replace(&self, service: Service, topic: Option<&str>, flow: Flow) -> bool {
        let mut given = self.0.locked();
        let key = (service, topic.map(str::to_owned));
        let fits = given.len() < MOST_FLOWS || given.contains_key(&key);
        if fits {
            given.insert(key, Arc::new(flow));
        }
        fits
    }

    /// Back to the default flows.
    pub(crate) fn reset(&self) {
        self.0.locked().clear();
    }

    /// What happens on this topic.
    pub(crate) fn beats(
        &self,
        world: &World,
        service: Service,
        topic: &str,
        meaning: Option<Meaning>,
    ) -> Vec<Beat> {
        let given = {
            let flows = self.0.locked();
            let own = flows.get(&(service, Some(topic.to_owned())));
            own.or_else(|| flows.get(&(service, None))).cloned()
        };
        let flow = given.or_else(|| USUAL.get(&service).cloned());
        flow.map(|flow| flow.beats(world, topic, meaning)).unwrap_or_default()
    }
}

/// The default flows.
static USUAL: LazyLock<BTreeMap<Service, Arc<Flow>>> = LazyLock::new(|| {
    let read = |(name, text): &(&str, &str)| {
        Scenario::read(text)
            .unwrap_or_else(|error| panic!("a test reads every default flow: {name}: {error}"))
    };
    let scenarios = default_flows().iter().map(read);
    scenarios
        .flat_map(|scenario| scenario.flows())
        .map(|(service, _, flow)| (service, Arc::new(flow)))
        .collect()
});

/// Puts what a scenario says of the start in force: topics, flows and rules.
pub(crate) fn arrange(world: &World, scenario: &Scenario) -> Result<(), String> {
    for topic in &scenario.topics {
        let members = topic.members.iter().cloned().collect();
        world.hub.own(topic.service, &topic.topic, topic.owner.clone(), members);
        if let Some(data) = &topic.data {
            emit(world, topic.service, &topic.topic, topic.event.as_deref(), data.clone(), None)
                .map_err(|error| format!("`topics`, {}: {error}", topic.topic))?;
        }
    }
    for (service, topic, flow) in scenario.flows() {
        world.flows.replace(service, topic.as_deref(), flow);
    }
    for fault in &scenario.faults {
        world.faults.add(world, fault.0.clone()).map_err(|error| format!("`faults`: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    #[tokio::test]
    async fn every_default_flow_is_read_and_a_given_one_stands_in_its_place_until_the_reset() {
        let world = World::new(Options::for_tests()).unwrap();
        let beats = |service, topic| world.flows.beats(&world, service, topic, None);
        for service in Service::ALL {
            assert!(beats(service, "t").len() >= 6, "{service}");
        }
        let flow = |text| Flow::read(text).unwrap();
        world.flows.replace(Service::Saga, None, flow(r#"["crash"]"#));
        world.flows.replace(Service::Saga, Some("u"), flow(r#"[{"wait": 1}]"#));
        assert!(matches!(beats(Service::Saga, "t")[..], [Beat::Crash]));
        assert!(matches!(beats(Service::Saga, "u")[..], [Beat::Wait(_)]));
        world.reset();
        assert!(beats(Service::Saga, "t").len() > 2);
    }
}
