//! What a rule does. Actions are grouped by the place where they are applied, one file for each group: its enum, where
//! each fits, and the one function that carries it out or plans it. In JSON the groups do not show: `do` names the
//! action.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Value, from_value};

use super::frame::FrameFault;
use super::http::HttpFault;
use super::message::MessageFault;
use super::protocol::ProtocolFault;
use super::rule::When;
use super::tcp::TcpFault;

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Action {
    /// To a TCP connection.
    Tcp(TcpFault),
    /// To the request that opens a connection.
    Http(HttpFault),
    /// To a WebSocket frame.
    Frame(FrameFault),
    /// To a message.
    Message(MessageFault),
    /// To what the service does.
    Protocol(ProtocolFault),
}

type Read = fn(Value) -> serde_json::Result<Action>;

/// The names of each group's actions, and how to read one.
const GROUPS: [(&[&str], Read); 5] = [
    (TcpFault::NAMES, |v| from_value(v).map(Action::Tcp)),
    (HttpFault::NAMES, |v| from_value(v).map(Action::Http)),
    (FrameFault::NAMES, |v| from_value(v).map(Action::Frame)),
    (MessageFault::NAMES, |v| from_value(v).map(Action::Message)),
    (ProtocolFault::NAMES, |v| from_value(v).map(Action::Protocol)),
];

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = Value::deserialize(from)?;
        let all = || Self::names().collect::<Vec<_>>().join(", ");
        let Some(name) = written.get("do").and_then(Value::as_str).map(str::to_owned) else {
            return Err(D::Error::custom(format!("the action has no `do`: name one of {}", all())));
        };
        match GROUPS.iter().find(|(names, _)| names.contains(&name.as_str())) {
            Some((_, read)) => read(written).map_err(|e| D::Error::custom(format!("action `{name}`: {e}"))),
            None => Err(D::Error::custom(format!("there is no action `{name}`: `do` is one of {}", all()))),
        }
    }
}

macro_rules! from {
    ($($group:ident $fault:ident),*) => {
        $(impl From<$fault> for Action {
            fn from(fault: $fault) -> Self {
                Action::$group(fault)
            }
        })*
    };
}
from!(Tcp TcpFault, Http HttpFault, Frame FrameFault, Message MessageFault, Protocol ProtocolFault);

impl Action {
    /// What `do` may be.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        GROUPS.iter().flat_map(|(names, _)| *names).copied()
    }

    /// Where it is applied unless the rule says so.
    pub(crate) fn usual_place(&self) -> When {
        match self {
            Action::Http(_) => When::Upgrade,
            Action::Tcp(TcpFault::Resume | TcpFault::ClosePort { .. }) => When::Now,
            Action::Protocol(fault) => fault.usual_place(),
            _ => When::Out,
        }
    }

    /// Why it cannot be done there, if it cannot.
    pub(crate) fn misfit(&self, when: When) -> Option<&'static str> {
        match self {
            Action::Tcp(fault) => fault.misfit(when),
            Action::Http(fault) => fault.misfit(when),
            Action::Frame(fault) => fault.misfit(when),
            Action::Message(fault) => fault.misfit(when),
            Action::Protocol(fault) => fault.misfit(when),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_lists_of_names_are_those_of_the_groups() {
        fn named<T: for<'a> Deserialize<'a> + std::fmt::Debug>(names: &[&str]) {
            let error = from_value::<T>(json!({"do": "?"})).unwrap_err().to_string();
            let quoted = error.split('`').skip(1).step_by(2).filter(|word| *word != "?");
            assert_eq!(quoted.collect::<Vec<_>>(), names, "{error}");
        }
        named::<TcpFault>(TcpFault::NAMES);
        named::<HttpFault>(HttpFault::NAMES);
        named::<FrameFault>(FrameFault::NAMES);
        named::<MessageFault>(MessageFault::NAMES);
        named::<ProtocolFault>(ProtocolFault::NAMES);
    }

    #[test]
    fn errors_name_the_action_and_what_was_wrong_with_it() {
        let error = |action: Value| from_value::<Action>(action).unwrap_err().to_string();
        assert!(error(json!({"do": "explode"})).contains("explode"));
        assert!(error(json!({})).contains("`do`"));
        let text = error(json!({"do": "drop", "cod": 1}));
        assert!(text.contains("`drop`") && text.contains("`cod`"), "{text}");
    }
}
