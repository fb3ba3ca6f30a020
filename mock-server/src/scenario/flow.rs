//! Flows as they are written, and their translation into what the hub plays.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connection::Frame;
use crate::hub::Beat;
use crate::topic::Meaning;

/// Stands in any text of a message for the topic's id.
const TOPIC: &str = "{topic}";

/// What a topic does by itself from its first subscription on, step by step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Flow(Vec<Step>);

/// One step of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// So many steps pass (`--step`); parts of a step are fine.
    Wait(f32),
    /// A message goes to all subscribers.
    Emit {
        /// Its type or event name.
        event: String,
        /// The message.
        data: Value,
    },
    /// Waits for what is named until it comes or, if given, so many steps have passed.
    Await {
        /// Its name, for example what `POST /_mock/confirm` gives.
        what: String,
        /// The most steps to wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<f32>,
    },
    /// Closes all subscribers' connections with 1011, once per topic.
    Crash,
    /// The flow ends here.
    End,
    /// Steps for topics of this meaning only.
    Only {
        /// Which topics.
        meaning: Meaning,
        /// What happens on them.
        steps: Vec<Step>,
    },
}

impl Flow {
    /// Reads a flow's file; an error has line and column.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("not a flow: {error}"))
    }

    /// What happens on this topic.
    pub(crate) fn beats(&self, topic: &str, meaning: Option<Meaning>) -> Vec<Beat> {
        let mut beats = Vec::new();
        play(&self.0, topic, meaning, &mut beats);
        beats
    }
}

/// Translates the steps; false if the flow ended among them.
fn play(steps: &[Step], topic: &str, meaning: Option<Meaning>, beats: &mut Vec<Beat>) -> bool {
    for step in steps {
        match step {
            Step::Wait(steps) => beats.push(Beat::Wait(*steps)),
            Step::Emit { event, data } => {
                beats.push(Beat::Emit(Frame::new(event.as_str(), filled(data, topic))));
            }
            Step::Await { what, at_most } => beats.push(Beat::Await(what.clone(), *at_most)),
            Step::Crash => beats.push(Beat::Crash),
            Step::End => return false,
            Step::Only { meaning: wanted, steps } => {
                if meaning == Some(*wanted) && !play(steps, topic, meaning, beats) {
                    return false;
                }
            }
        }
    }
    true
}

fn filled(value: &Value, topic: &str) -> Value {
    match value {
        Value::String(text) => text.replace(TOPIC, topic).into(),
        Value::Array(items) => items.iter().map(|item| filled(item, topic)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, v)| (key.clone(), filled(v, topic))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_choose_steps_and_may_end_the_flow() {
        let flow = Flow::read(
            r#"[{"wait": 1}, {"only": {"meaning": "fail", "steps": ["crash", "end"]}},
            {"emit": {"event": "e", "data": {"urls": ["/{topic}"]}}}]"#,
        )
        .unwrap();
        assert!(matches!(flow.beats("t", Some(Meaning::Fail))[..], [Beat::Wait(_), Beat::Crash]));
        let beats = flow.beats("t", Some(Meaning::Crash));
        let [Beat::Wait(_), Beat::Emit(frame)] = &beats[..] else { panic!("{beats:?}") };
        assert_eq!(frame.body["urls"][0], "/t");
    }

    #[test]
    fn errors_name_what_is_wrong_and_where() {
        let error =
            Flow::read("[{\"wait\": 1},\n{\"await\": {\"what\": \"x\", \"atmost\": 1}}]").unwrap_err();
        assert!(error.contains("atmost") && error.contains("line 2"), "{error}");
        assert!(Flow::read("[{\"explode\": 1}]").unwrap_err().contains("explode"));
    }
}
