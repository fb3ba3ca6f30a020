//! Rules as they are asked for: by the name of a fault in the catalogue, or written out.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::catalogue::{CATALOGUE, Example};
use super::rule::Rule;
use crate::wording::nearest;

/// A rule, by name or written out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RuleOrName(pub(crate) Rule);

/// The rule of this name; an error says what to write.
pub(crate) fn named(name: &str) -> Result<Rule, String> {
    match CATALOGUE.iter().find(|fault| fault.name == name).map(|fault| fault.example) {
        Some(Example::Rule(rule)) => Rule::read(rule),
        Some(Example::Options(options)) => Err(format!("`{name}` is had at the start alone, by {options}")),
        None => {
            let near = nearest(name, CATALOGUE.iter().map(|fault| fault.name));
            let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            Err(format!(
                "there is no fault `{name}`{near}: write a name that `mock-server faults` lists, such as http-503, or a \
                 rule such as {{\"action\":{{\"do\":\"refuse\",\"status\":503}},\"times\":2}}"
            ))
        }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = RuleOrName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a fault's name such as \"http-503\", or a rule such as {\"action\":{\"do\":\"refuse\",\"status\":503}}",
        )
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<RuleOrName, E> {
        named(name).map(RuleOrName).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<RuleOrName, A::Error> {
        Rule::deserialize(MapAccessDeserializer::new(fields)).map(RuleOrName)
    }
}

impl<'de> Deserialize<'de> for RuleOrName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

impl JsonSchema for RuleOrName {
    fn schema_name() -> Cow<'static, str> {
        "RuleOrName".into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let rules = CATALOGUE.iter().filter(|fault| matches!(fault.example, Example::Rule(_)));
        let names: Vec<_> = rules.map(|fault| fault.name).collect();
        json_schema!({
            "description": "A rule, or the name of one that `mock-server faults` lists.",
            "anyOf": [{"type": "string", "enum": names}, schemas.subschema_for::<Rule>()],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_rule_is_asked_for_by_name_or_written_out() {
        let read =
            |value: Value| serde_json::from_value::<RuleOrName>(value).map_err(|error| error.to_string());
        let by_name = read(json!("http-503")).unwrap();
        let RuleOrName(rule) = &by_name;
        assert_eq!(read(serde_json::to_value(rule).unwrap()).unwrap(), by_name);
        for (wrong, word) in [
            (json!("htttp-503"), "did you mean `http-503`"),
            (json!("http-5o3"), "did you mean `http-503`"),
            (json!("explode"), "mock-server faults"),
            (json!("tls-expired"), "--tls expired"),
            (json!({"name": "http-503"}), "`name`"),
            (json!(503), "\"http-503\""),
        ] {
            let error = read(wrong.clone()).unwrap_err();
            assert!(error.contains(word), "{wrong}: {error}");
        }
    }
}
