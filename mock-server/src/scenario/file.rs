//! Scenarios as they are written: one YAML file each.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::expect::{Expectation, Facts};
use super::flow::Flow;
use super::layout;
use super::ready::compiled_in;
use crate::auth::AuthMode;
use crate::faults::named::RuleOrName;
use crate::faults::rule::{Rule, When};
use crate::faults::span;
use crate::options::Options;
use crate::report::verdicts::Verdict;
use crate::service::Service;
use crate::switches::Switches;
use crate::wording::{nearest, plain};

/// Larger files are no scenarios.
const MOST_BYTES: usize = 1 << 20;

/// A situation that a client is put into, and what a well-behaved one does then.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The situation in one sentence.
    pub about: String,
    /// The services it is for; by default all.
    #[serde(default)]
    pub services: Vec<Service>,
    /// How far tokens are believed.
    pub(super) auth: Option<AuthMode>,
    /// The length of one step of a flow.
    #[serde(default, deserialize_with = "span::united::option::deserialize")]
    #[schemars(with = "Option<span::United>")]
    pub(super) step: Option<Duration>,
    /// Makes everything that is random repeatable.
    pub(super) seed: Option<u64>,
    /// Switches, as `mock-server switches` lists them, with their values.
    #[serde(default)]
    pub(super) set: Settings,
    /// Whose tokens are shown at the start; by default those of `u1`.
    #[serde(default)]
    pub(crate) users: Vec<User>,
    /// Topics with owners or data.
    #[serde(default)]
    pub(super) topics: Vec<Known>,
    /// What topics do by themselves, in place of the services' default flows.
    #[serde(default)]
    pub(super) flows: Vec<Given>,
    /// Rules that are in force from the start.
    #[serde(default, deserialize_with = "standing")]
    pub(super) faults: Vec<Fault>,
    /// What the server does beside that, one after the other, from the first client on.
    #[serde(default)]
    pub(super) play: Vec<Act>,
    /// What a well-behaved client does. Without it the file is for `mock-server serve --scenario`, which plays no acts.
    #[serde(default)]
    pub(super) expect: Vec<Expectation>,
    /// Verdicts that must not be found (`--fail-on`).
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    /// The most time for all of that, from the first client on.
    #[serde(default = "half_a_minute", deserialize_with = "span::united::deserialize")]
    #[schemars(with = "span::United")]
    pub timeout: Duration,
    /// For so long it looks on when everything has come that must come: for what must not.
    #[serde(default = "half_a_second", deserialize_with = "span::united::deserialize")]
    #[schemars(with = "span::United")]
    pub(super) settle: Duration,
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn half_a_second() -> Duration {
    Duration::from_millis(500)
}

/// Switches with their values.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeMap<String, Value>")]
#[schemars(with = "BTreeMap<String, Value>")]
pub(super) struct Settings(pub(super) BTreeMap<String, String>);

impl TryFrom<BTreeMap<String, Value>> for Settings {
    type Error = String;

    fn try_from(written: BTreeMap<String, Value>) -> Result<Self, String> {
        let trial = Switches::default();
        let mut settings = BTreeMap::new();
        for (name, value) in written {
            let value = match value {
                Value::String(text) => text,
                // YAML 1.1 would read the words themselves like this.
                Value::Bool(on) => if on { "on" } else { "off" }.to_owned(),
                other => other.to_string(),
            };
            trial.set(&name, &value).map_err(|error| error.to_string())?;
            settings.insert(name, value);
        }
        Ok(Self(settings))
    }
}

/// Someone who has a token.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    /// The user's id.
    pub(crate) sub: String,
    /// The role in the token; by default the service's usual one.
    pub(crate) role: Option<String>,
    /// How long the token lives, from the server's start on.
    #[serde(default = "hour", deserialize_with = "span::united::deserialize")]
    #[schemars(with = "span::United")]
    pub(crate) ttl: Duration,
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}

/// A topic that is there before anyone subscribes it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    /// The service's slug.
    pub(super) service: Service,
    /// Its id.
    pub(super) topic: String,
    /// Whose it is; by default everyone's.
    pub(super) owner: Option<String>,
    /// Who else may have it.
    #[serde(default)]
    pub(super) members: Vec<String>,
    /// Its state: a message of the service, as `POST /_mock/emit` takes it.
    pub(super) data: Option<Value>,
    /// The message's event name, where the service needs one.
    pub(super) event: Option<String>,
}

/// A flow in the place of default ones.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    /// The service's slug; by default all of the scenario.
    pub(super) service: Option<Service>,
    /// For this topic only.
    pub(super) topic: Option<String>,
    /// What happens, step by step; nothing at all if it is empty.
    pub(super) flow: Steps,
}

/// A flow whose switches exist.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Flow")]
#[schemars(with = "Flow")]
pub(super) struct Steps(pub(super) Flow);

impl TryFrom<Flow> for Steps {
    type Error = String;

    fn try_from(flow: Flow) -> Result<Self, String> {
        flow.check().map(|()| Self(flow))
    }
}

/// A rule that can be put in force.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "RuleOrName")]
#[schemars(with = "RuleOrName")]
pub(super) struct Fault(pub(super) Rule);

impl TryFrom<RuleOrName> for Fault {
    type Error = String;

    fn try_from(RuleOrName(rule): RuleOrName) -> Result<Self, String> {
        rule.check().map(|()| Self(rule))
    }
}

/// Rules for the start, when no connection is open.
fn standing<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Fault>, D::Error> {
    let faults = Vec::<Fault>::deserialize(from)?;
    if faults.iter().any(|Fault(rule)| rule.place() == When::Now) {
        return Err(D::Error::custom(
            "a rule with `when: now` concerns open connections, of which there are none at the start: write it under \
             `play`, as `- fault: …` after a `- wait_for: …`",
        ));
    }
    Ok(faults)
}

/// Something that the server does at its time.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Act {
    /// Goes on when such a fact comes.
    WaitFor(Facts),
    /// Goes on so long afterwards.
    Wait(
        #[serde(deserialize_with = "span::united::deserialize")]
        #[schemars(with = "span::United")]
        Duration,
    ),
    /// Puts a rule in force, or applies it to the open connections.
    Fault(Fault),
    /// Takes all rules out of force.
    ClearFaults,
    /// Sends something to all subscribers of a topic.
    Emit {
        /// The service's slug.
        service: Service,
        /// The topic's id.
        topic: String,
        /// The event's name, where the service needs one.
        event: Option<String>,
        /// The message.
        data: Value,
    },
    /// Lets a topic go on that waits for a confirmation.
    Confirm {
        /// The service's slug.
        service: Service,
        /// The topic's id.
        topic: String,
    },
    /// Changes switches.
    Set(Settings),
    /// Lets so much time pass at once for flows and rules.
    Advance(
        #[serde(deserialize_with = "span::united::deserialize")]
        #[schemars(with = "span::United")]
        Duration,
    ),
}

/// What is wrong with a scenario's file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    /// Line and column, counted from 1, if it is in one place.
    pub at: Option<(u64, u64)>,
    /// What is wrong and what to change.
    pub text: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.at {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for ScenarioError {}

impl Scenario {
    /// Reads a scenario from YAML; the error says what to change, and where.
    pub fn read(yaml: &str) -> Result<Self, ScenarioError> {
        if yaml.len() > MOST_BYTES {
            let text = format!("the file has {} bytes, more than {MOST_BYTES}", yaml.len());
            return Err(ScenarioError { at: None, text });
        }
        serde_saphyr::from_str(yaml).map_err(|error| {
            let error = error.without_snippet();
            let at = error.location().filter(|at| at.line() > 0).map(|at| (at.line(), at.column()));
            let text = error.to_string();
            // The place stands in front.
            let text = text.split(" at line ").next().unwrap_or(&text);
            let (at, text) = layout::hint(yaml, at, text).unwrap_or_else(|| (at, plain(text)));
            // What the file as a whole lacks belongs to its beginning.
            let whole = text.starts_with("missing field") && at.is_none_or(|(_, column)| column == 1);
            let at = if whole { Some((1, 1)) } else { at };
            ScenarioError { at, text }
        })
    }

    /// The scenario of this name or in this file; the error says what to change, and where.
    pub fn open(name: &str) -> Result<Self, String> {
        if let Some((_, text)) = compiled_in().find(|(ready, _)| *ready == name) {
            return Self::read(text).map_err(|error| format!("{name}: {error}"));
        }
        let text = std::fs::read_to_string(name).map_err(|error| {
            if error.kind() == ErrorKind::InvalidData {
                return format!("{name}: this file is no text in UTF-8; a scenario is written in YAML");
            }
            let names: Vec<_> = compiled_in().map(|(name, _)| *name).collect();
            let near = nearest(name, names.iter().copied())
                .map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
            format!(
                "{name}: {error}{near}; write the path of a scenario's file, or one of {}",
                names.join(", ")
            )
        })?;
        Self::read(&text).map_err(|error| match error.at {
            Some((line, column)) => format!("{name}:{line}:{column}: {}", error.text),
            None => format!("{name}: {}", error.text),
        })
    }

    /// Whether it says what a client must do, so that it can be passed or failed.
    pub fn is_played(&self) -> bool {
        !self.expect.is_empty() || !self.verdicts.is_empty()
    }

    /// What it is without expectations: things to serve. An error says that it is more than that.
    pub(crate) fn is_served(&self) -> Result<(), &'static str> {
        if self.is_played() || !self.play.is_empty() {
            return Err("it has `play`, `expect` or `verdicts`: `mock-server run` plays it");
        }
        Ok(())
    }

    /// Its flows by service and, if for one alone, topic.
    pub(super) fn flows(&self) -> Vec<(Service, Option<String>, Flow)> {
        let given = self.flows.iter().flat_map(|given| {
            let services = given.service.map_or_else(|| self.concerned(), |service| vec![service]);
            services.into_iter().map(|service| (service, given.topic.clone(), given.flow.0.clone()))
        });
        given.collect()
    }

    /// The JSON Schema of a scenario's file, for editors and other tools.
    pub fn schema() -> Value {
        schemars::schema_for!(Scenario).to_value()
    }

    /// The services it is for.
    pub fn concerned(&self) -> Vec<Service> {
        if self.services.is_empty() { Service::ALL.to_vec() } else { self.services.clone() }
    }

    /// Whether clients of this service are looked at: others neither begin it nor count.
    pub fn concerns(&self, service: Service) -> bool {
        self.services.is_empty() || self.services.contains(&service)
    }

    /// How a server is started with it: with its tokens, topics, flows and rules. What it leaves open stays as it is in `options`, and switches that are set
    /// there win over the scenario's.
    pub fn options(&self, mut options: Options) -> Options {
        options.auth = self.auth.unwrap_or(options.auth);
        options.step = self.step.unwrap_or(options.step);
        options.seed = self.seed.or(options.seed);
        let own = self.set.0.iter().map(|(name, value)| format!("{name}={value}"));
        options.set = own.chain(std::mem::take(&mut options.set)).collect();
        options.scenario = Some(Box::new(self.clone()));
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "about: x\nexpect:\n  - that: it comes\n    of: { what: open }\n    at_least: 1\n";

    #[test]
    fn every_field_is_read() {
        let scenario = Scenario::read(
            r"
about: everything at once
services: [charisma, saga]
auth: any
step: 20ms
seed: 7
set: { charisma.replay: on, saga.rate_limit: 5, saga.ping_interval: 300ms }
users:
  - { sub: u1, role: patient, ttl: 90s }
topics:
  - { service: charisma, topic: session_1, owner: u1, members: [u2], data: { status: complete } }
flows:
  - service: charisma
    flow:
      - wait: 1
      - emit: { event: session_status, data: { status: complete } }
      - crash
faults:
  - http-429
  - match: { service: saga, when: upgrade }
    action: { do: refuse, status: 503, retry_after: 1 }
    times: 2
play:
  - wait_for: { what: subscribed }
  - wait: 200ms
  - fault: { match: { when: now }, action: { do: drop, how: rst } }
  - set: { charisma.replay: off }
  - emit: { service: charisma, topic: session_1, data: { status: complete } }
  - confirm: { service: charisma, topic: session_1 }
  - advance: 1h
  - clear_faults
expect:
  - that: it comes back
    of: { what: open }
    at_least: 2
    at_most: 3
    after: { what: close }
    within: 5s
  - that: it says who it is first
    order: [{ what: authenticated }, { what: subscribed }]
verdicts: [refused_token, duplicate_subscribe]
timeout: 10s
settle: 1s
",
        )
        .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.concerned(), [Service::Charisma, Service::Saga]);
        let options = scenario.options(Options::for_tests().with("charisma.replay=off"));
        assert_eq!((options.auth, options.step), (AuthMode::Any, Duration::from_millis(20)));
        assert_eq!(options.set[0], "charisma.replay=on");
        assert_eq!(options.set.last().unwrap(), "charisma.replay=off", "what is given wins");
        assert_eq!((scenario.play.len(), scenario.expect.len()), (8, 2));
        assert_eq!((scenario.timeout, scenario.settle), (Duration::from_secs(10), Duration::from_secs(1)));
    }

    /// A bad file, a word that its error must have, and the line.
    #[test]
    fn errors_say_what_to_change_and_where() {
        for (more, word, line) in [
            ("sevices: [saga]\n", "sevices", 6),
            ("services: [sagaa]\n", "sagaa", 6),
            ("step: soon\n", "400ms", 6),
            ("step: 5\n", "5 of what?", 6),
            ("play:\n  - wait: 5\n", "such as 5s or 5ms", 7),
            ("faults: [htttp-503]\n", "did you mean `http-503`", 6),
            ("faults:\n  - { action: { do: drop, how: rst, code: 5 } }\n", "`code` and `reason`", 7),
            ("set: { charisma.repaly: on }\n", "did you mean `charisma.replay`", 6),
            ("set: { charisma.replay: maybe }\n", "off|on", 6),
            ("faults:\n  - action: { do: explode }\n", "explode", 7),
            ("faults:\n  - action: { do: drop }\n    tims: 1\n", "tims", 8),
            ("faults:\n  - action: { do: refuse, status: 200 }\n", "300", 7),
            ("faults:\n  - action: { do: drop }\n    match: { when: now }\n", "`play`", 7),
            ("flows:\n  - flow:\n    - wait: 1\n    - jump\n", "jump", 9),
            ("flows:\n  - flow:\n    - wait: 1s\n", "a number of steps, such as 2", 8),
            (
                "flows:\n  - flow:\n    - await: { what: x, at_most: soon }\n",
                "a number of steps, such as 2",
                8,
            ),
            ("flows:\n  - flow:\n    - only: { switch: saga.nothing=1, steps: [] }\n", "saga.nothing", 8),
            ("play:\n  - wait_for: { what: opened }\n", "opened", 7),
            ("play:\n  - wait: { a: 1 }\n", "400ms", 7),
            ("timeout: [1\n", "", 6),
            ("about: y\n", "duplicate mapping key: about", 6),
            ("seed: 1.5\n", "a whole number", 6),
            ("verdicts: refused_token\n", "a list is expected", 6),
            ("timeout: 999999999h\n", "ten years", 6),
            ("play:\n  - wait: 1s\n    clear_faults: 1\n", "one thing only", 8),
        ] {
            let error = Scenario::read(&format!("{SMALL}{more}")).unwrap_err();
            assert!(error.text.contains(word), "{more} {error}");
            let near = error.at.is_some_and(|(at, _)| at == line);
            assert!(near || word.is_empty() && error.at.is_some(), "{more} {error}");
        }
        for (text, word) in
            [("services: [saga]\n", "`about`"), ("", "empty"), ("- a\n", "`name: value`"), ("a: [", "`[`")]
        {
            let error = Scenario::read(text).unwrap_err();
            assert!(error.text.contains(word), "{error}");
        }
        let lacks = Scenario::read("# first\n\nservices: [saga]\n").unwrap_err();
        assert_eq!(lacks.at, Some((1, 1)), "what the file lacks belongs to its beginning");
        Scenario::read(SMALL).unwrap();
    }

    #[test]
    fn the_example_of_the_readme_is_a_scenario() {
        let readme = include_str!("../../README.md");
        let example = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        assert_eq!(Scenario::read(example).map(|scenario| scenario.expect.len()), Ok(3));
    }

    /// If it fails: `cargo run -p steadfast-mock-server -- schema > mock-server/scenarios/schema.json`.
    #[test]
    fn the_schema_of_the_folder_is_the_one_that_is_printed() {
        let file = include_str!("../../scenarios/schema.json");
        assert_eq!(file, format!("{:#}\n", Scenario::schema()));
    }
}
