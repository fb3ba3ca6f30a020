//! Flows as they are written, and their translation into what the hub plays.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::connection::Frame;
use crate::faults::span;
use crate::hub::Beat;
use crate::switches::Switches;
use crate::topic::Meaning;
use crate::wording::plain;
use crate::world::World;

/// Stands in any text of a message for the topic's id.
const TOPIC: &str = "{topic}";
/// Begins the place of a UUID, which is the same for the same name on the same topic: `{uuid story}`.
const UUID: &str = "{uuid ";
/// Stands in place of a value for the whole seconds to the flow's end, null at the end.
const LEFT: &str = "{seconds_left}";

/// The most steps of one wait.
const LONGEST_WAIT: f32 = 1e6;

/// What a topic does by itself from its first subscription on, step by step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Flow(Vec<Step>);

/// One step of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// So many steps pass (`--step`); parts of a step are fine.
    Wait(
        #[serde(deserialize_with = "count")]
        #[schemars(with = "f32")]
        f32,
    ),
    /// A message goes to all subscribers.
    Emit {
        /// Its type or event name.
        event: String,
        /// The message. In its texts `{topic}` is the topic's id and `{uuid NAME}` a random one; the text
        /// `{seconds_left}` is the time to the flow's end.
        data: Value,
    },
    /// Waits for what is named until it comes or, if given, so many steps or that time has passed.
    Await {
        /// Its name, for example what `POST /_mock/confirm` gives.
        what: String,
        /// The most steps to wait.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "perhaps_count")]
        #[schemars(with = "Option<f32>")]
        at_most: Option<f32>,
        /// The longest time to wait, however long a step is.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            serialize_with = "span::option::serialize",
            deserialize_with = "span::united::option::deserialize"
        )]
        #[schemars(with = "Option<span::United>")]
        within: Option<Duration>,
    },
    /// Closes all subscribers' connections with 1011, once per topic.
    Crash,
    /// The flow ends here.
    End,
    /// Steps for some topics only; what is left out of the conditions holds always.
    Only {
        /// Topics of this meaning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meaning: Option<Meaning>,
        /// Where a switch stands like this, `name=value`, when the flow begins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        switch: Option<String>,
        /// What happens on them.
        steps: Vec<Step>,
    },
}

/// A number of steps. A time instead, as elsewhere in a scenario, is told of.
fn count<'de, D: Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    struct Reader;
    impl Visitor<'_> for Reader {
        type Value = f32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of steps, such as 2 (how long a step is says `step`)")
        }

        fn visit_f64<E>(self, steps: f64) -> Result<f32, E> {
            Ok(steps as f32)
        }

        fn visit_u64<E>(self, steps: u64) -> Result<f32, E> {
            Ok(steps as f32)
        }

        fn visit_i64<E>(self, steps: i64) -> Result<f32, E> {
            Ok(steps as f32)
        }
    }
    from.deserialize_any(Reader)
}

fn perhaps_count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f32>, D::Error> {
    #[derive(Deserialize)]
    struct Count(#[serde(deserialize_with = "count")] f32);
    Ok(Option::<Count>::deserialize(from)?.map(|Count(steps)| steps))
}

impl Flow {
    /// Reads a flow's file; an error has line and column, or names the switch that does not exist.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let flow: Self =
            serde_json::from_str(text).map_err(|error| plain(&format!("not a flow: {error}")))?;
        flow.check()?;
        Ok(flow)
    }

    /// Whether every switch that is asked for exists and can stand like this, and every wait can be waited.
    pub(crate) fn check(&self) -> Result<(), String> {
        check(&self.0)
    }

    /// What happens on this topic.
    pub(crate) fn beats(&self, world: &World, topic: &str, meaning: Option<Meaning>) -> Vec<Beat> {
        let mut play = Play { world, topic, meaning, uuids: BTreeMap::new(), beats: Vec::new() };
        play.steps(&self.0, 0.0);
        play.beats
    }
}

/// The same for steps.
fn check(steps: &[Step]) -> Result<(), String> {
    for step in steps {
        match step {
            Step::Wait(wait) | Step::Await { at_most: Some(wait), .. }
                if !(0.0..=LONGEST_WAIT).contains(wait) =>
            {
                return Err(format!(
                    "not a flow: {wait} steps can't be waited, only from 0 to {LONGEST_WAIT}"
                ));
            }
            Step::Only { switch, steps, .. } => {
                if let Some(switch) = switch {
                    Switches::default().assign(switch).map_err(|error| format!("not a flow: {error}"))?;
                }
                check(steps)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The translation of a flow for one topic.
struct Play<'a> {
    world: &'a World,
    topic: &'a str,
    meaning: Option<Meaning>,
    /// The random ids by their names.
    uuids: BTreeMap<String, String>,
    beats: Vec<Beat>,
}

impl Play<'_> {
    /// Translates steps, after which so many steps of time are left; false if the flow ended among them.
    fn steps(&mut self, steps: &[Step], after: f32) -> bool {
        for (position, step) in steps.iter().enumerate() {
            let waits =
                steps[position + 1..].iter().map(|step| if let Step::Wait(n) = step { *n } else { 0.0 });
            let left = after + waits.sum::<f32>();
            match step {
                Step::Wait(steps) => self.beats.push(Beat::Wait(*steps)),
                Step::Emit { event, data } => {
                    let data = self.filled(data, left);
                    self.beats.push(Beat::Emit(Frame::new(event.as_str(), data)));
                }
                Step::Await { what, at_most, within } => {
                    let what = self.text(what);
                    let steps = at_most.map(|steps| self.world.options.step.mul_f32(steps));
                    self.beats.push(Beat::Await(what, steps.into_iter().chain(*within).min()));
                }
                Step::Crash => self.beats.push(Beat::Crash),
                Step::End => return false,
                Step::Only { meaning, switch, steps } => {
                    let meant = meaning.is_none_or(|wanted| self.meaning == Some(wanted));
                    let stands = switch.as_ref().is_none_or(|switch| self.world.switches.stands(switch));
                    if meant && stands && !self.steps(steps, left) {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn filled(&mut self, value: &Value, left: f32) -> Value {
        match value {
            Value::String(text) if text == LEFT => {
                let seconds = self.world.options.step.mul_f32(left).as_secs_f64().ceil() as u64;
                (seconds > 0).then_some(seconds).into()
            }
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.filled(item, left)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, v)| (key.clone(), self.filled(v, left))).collect()
            }
            other => other.clone(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let mut text = text.replace(TOPIC, self.topic);
        while let Some((before, rest)) = text.split_once(UUID)
            && let Some((name, after)) = rest.split_once('}')
        {
            let id = self.uuids.entry(name.to_owned()).or_insert_with(|| self.world.uuid());
            text = format!("{before}{id}{after}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    #[tokio::test]
    async fn meanings_and_switches_choose_steps_and_may_end_the_flow() {
        let world = World::new(Options::for_tests()).unwrap();
        let flow = Flow::read(
            r#"[{"wait": 1}, {"only": {"meaning": "fail", "steps": ["crash", "end"]}},
            {"only": {"switch": "charisma.replay=on", "steps": ["crash"]}},
            {"emit": {"event": "e", "data": {"urls": ["/{topic}/{uuid a}", "{uuid a}", "{uuid b}"],
            "left": "{seconds_left}"}}}, {"wait": 150}]"#,
        )
        .unwrap();
        assert!(matches!(flow.beats(&world, "t", Some(Meaning::Fail))[..], [Beat::Wait(_), Beat::Crash]));
        let beats = flow.beats(&world, "t", Some(Meaning::Crash));
        let [Beat::Wait(_), Beat::Emit(frame), Beat::Wait(_)] = &beats[..] else { panic!("{beats:?}") };
        let id = |n: usize| frame.body["urls"][n].as_str().unwrap().to_owned();
        assert_eq!(id(0), format!("/t/{}", id(1)));
        assert!(id(1).len() == 36 && id(1) != id(2));
        assert_eq!(frame.body["left"], 2, "1.5 seconds, rounded up");
        world.switches.set("charisma.replay", "on").unwrap();
        assert!(matches!(flow.beats(&world, "t", None)[1], Beat::Crash));
    }

    #[test]
    fn a_wait_is_a_number_of_steps_that_can_be_waited() {
        for wait in ["-1", "1e30", "1000001"] {
            for flow in [
                format!("[{{\"wait\": {wait}}}]"),
                format!(
                    "[{{\"only\": {{\"steps\": [{{\"await\": {{\"what\": \"x\", \"at_most\": {wait}}}}}]}}}}]"
                ),
            ] {
                let error = Flow::read(&flow).unwrap_err();
                assert!(error.contains("steps can't be waited"), "{flow}: {error}");
            }
        }
        Flow::read("[{\"wait\": 0}, {\"wait\": 0.5}]").unwrap();
    }

    #[test]
    fn errors_name_what_is_wrong_and_where() {
        let error =
            Flow::read("[{\"wait\": 1},\n{\"await\": {\"what\": \"x\", \"atmost\": 1}}]").unwrap_err();
        assert!(error.contains("atmost") && error.contains("line 2"), "{error}");
        assert!(Flow::read("[{\"explode\": 1}]").unwrap_err().contains("explode"));
        let error = Flow::read(r#"[{"only": {"switch": "saga.nothing=1", "steps": []}}]"#).unwrap_err();
        assert!(error.contains("saga.nothing"), "{error}");
    }
}
