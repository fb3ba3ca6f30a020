//! The payload of a client's message, read field by field: what does not fit is said in the protocol's words.

use serde_json::{Map, Value};

/// The fields of a payload that have not been read yet.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    /// The kind of message.
    kind: &'a str,
    fields: Map<String, Value>,
}

impl<'a> Payload<'a> {
    /// That of a message of this kind, taken out of the message.
    pub(super) fn of(kind: &'a str, message: &mut Map<String, Value>) -> Result<Self, String> {
        match message.remove("payload") {
            Some(Value::Object(fields)) => Ok(Self { kind, fields }),
            other => Err(misfit(&format!("`payload` of `{kind}`"), "an object", other.as_ref())),
        }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<String, String> {
        match self.fields.remove(name) {
            Some(Value::String(text)) => Ok(text),
            other => Err(misfit(&self.place(name), "a text", other.as_ref())),
        }
    }

    /// An id: a text that is not empty.
    pub(super) fn id(&mut self, name: &str) -> Result<String, String> {
        let id = self.text(name)?;
        if id.is_empty() { Err(format!("{} is empty: an id is expected", self.place(name))) } else { Ok(id) }
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Result<T, String> {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words = listed(words.iter().map(|(word, _)| *word));
            format!("{} must be one of {words}", self.place(name))
        })
    }

    /// Nothing else may stand there.
    pub(super) fn end(self) -> Result<(), String> {
        match self.fields.keys().next() {
            Some(odd) => Err(format!("`payload` of `{}` has no field `{odd}`", self.kind)),
            None => Ok(()),
        }
    }

    fn place(&self, name: &str) -> String {
        format!("`payload.{name}` of `{}`", self.kind)
    }
}

/// The text of a message as an object.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("A message is a JSON object".to_owned()),
        Err(why) => Err(format!("Not JSON: {why}")),
    }
}

/// The kind of a message, which this field names, taken out of the message.
pub(super) fn kind(field: &str, kinds: &[&str], message: &mut Map<String, Value>) -> Result<String, String> {
    let known = listed(kinds.iter().copied());
    match message.remove(field) {
        Some(Value::String(kind)) if kinds.contains(&kind.as_str()) => Ok(kind),
        Some(Value::String(kind)) => {
            Err(format!("There is no `{field}` `{kind}`: it must be one of {known}"))
        }
        other => Err(misfit(&format!("`{field}`"), &format!("one of {known}"), other.as_ref())),
    }
}

/// What is wrong with a field that is missing or of another JSON type.
fn misfit(place: &str, wanted: &str, found: Option<&Value>) -> String {
    match found {
        None => format!("{place} is missing: it must be {wanted}"),
        Some(value) => format!("{place} is {}: it must be {wanted}", type_of(value)),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
