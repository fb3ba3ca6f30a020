//! What a rule changes in the text of a message to the client: fields, types, topics, times.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::Draw;
use super::message::MessageFault;

/// Stands where a number goes that Rust cannot hold.
const PLACE: &str = "\u{1}number";
/// A field of this name is the one whose values clients know.
const STATUS: &str = "status";

/// The message's text after these changes. Text that is no JSON after its Socket.IO digits stays as it is.
pub(super) fn edited(text: &str, topic: Option<&str>, edits: &[(MessageFault, Draw)]) -> String {
    let (head, json) = text.split_at(text.find(['{', '[']).unwrap_or(text.len()));
    let Ok(mut whole) = serde_json::from_str::<Value>(json) else { return text.to_owned() };
    let mut number = None;
    let mut levels = None;
    for (edit, draw) in edits {
        match edit {
            MessageFault::HugeNumber { number: digits, .. } => number = Some(digits),
            MessageFault::Deep { levels: wanted } => levels = Some(*wanted),
            _ => {}
        }
        change(&mut whole, topic, edit, *draw);
    }
    let mut text = format!("{head}{whole}");
    if let Some(digits) = number {
        text = text.replacen(&Value::from(PLACE).to_string(), digits, 1);
    }
    if let Some(levels) = levels {
        deepen(&mut text, levels);
    }
    text
}

fn change(whole: &mut Value, topic: Option<&str>, edit: &MessageFault, draw: Draw) {
    if let MessageFault::UnknownType { name } = edit {
        return *kind(whole) = name.as_str().into();
    }
    let payload = payload(whole);
    match edit {
        MessageFault::UnknownValue { field, value } => {
            let pointer = find(payload, field.as_deref().unwrap_or(STATUS))
                .or_else(|| pick(payload, field.as_deref(), Value::is_string, draw));
            set(payload, pointer, value.as_str().into());
        }
        MessageFault::MissingField { field } => {
            let pointer = pick(payload, field.as_deref(), |_| true, draw).unwrap_or_default();
            let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
            if let Some(fields) = payload.pointer_mut(parent).and_then(Value::as_object_mut) {
                fields.remove(&plain(name));
            }
        }
        MessageFault::NullField { field } => {
            let pointer = pick(payload, field.as_deref(), |value| !value.is_null(), draw);
            set(payload, pointer, Value::Null);
        }
        MessageFault::WrongType { field } => {
            let pointer = pick(payload, field.as_deref(), |_| true, draw);
            let other = match pointer.as_deref().and_then(|pointer| payload.pointer(pointer)) {
                Some(Value::String(_)) => 42.into(),
                Some(Value::Object(_)) => Value::Array(Vec::new()),
                Some(Value::Array(_) | Value::Null) => Value::Object(serde_json::Map::new()),
                _ => "text".into(),
            };
            set(payload, pointer, other);
        }
        MessageFault::HugeNumber { field, .. } => {
            let pointer = pick(payload, field.as_deref(), Value::is_number, draw)
                .or_else(|| pick(payload, None, |_| true, draw));
            set(payload, pointer, PLACE.into());
        }
        MessageFault::SetField { field, value } => match find(payload, field) {
            Some(pointer) => set(payload, Some(pointer), value.clone()),
            None => {
                let (parent, name) = field.rsplit_once('/').unwrap_or(("", field));
                if let Some(fields) = payload.pointer_mut(parent).and_then(Value::as_object_mut) {
                    fields.insert(plain(name), value.clone());
                }
            }
        },
        MessageFault::WrongTopic { topic: other } => each_text(payload, &mut |text| {
            if topic == Some(text.as_str()) {
                text.clone_from(other);
            }
        }),
        MessageFault::Skew { by, behind } => each_text(payload, &mut |text| {
            if let Some(shifted) = shifted(text, *by, *behind) {
                *text = shifted;
            }
        }),
        // Carried out on the text, or no change of it.
        _ => {}
    }
}

/// An event's payload; of everything else, all of it.
fn payload(whole: &mut Value) -> &mut Value {
    if is_event(whole) { &mut whole[1] } else { whole }
}

fn is_event(whole: &Value) -> bool {
    matches!(whole.as_array().map(Vec::as_slice), Some([Value::String(_), _]))
}

/// What tells the client what kind of message it is. A progress of TherapyBridge has its status for it.
fn kind(whole: &mut Value) -> &mut Value {
    if whole.is_array() {
        return &mut whole[0];
    }
    let has_no_type = whole.get("type").is_none() && whole.get(STATUS).is_some();
    &mut whole[if has_no_type { STATUS } else { "type" }]
}

/// The field of this name, or at this pointer.
fn find(payload: &Value, field: &str) -> Option<String> {
    if field.starts_with('/') {
        return payload.pointer(field).map(|_| field.to_owned());
    }
    let ends = format!("/{}", field.replace('~', "~0").replace('/', "~1"));
    let mut all = Vec::new();
    fields(payload, "", &mut all);
    // The one that lies least deep is meant.
    all.into_iter()
        .filter(|pointer| pointer.ends_with(&ends))
        .min_by_key(|pointer| pointer.matches('/').count())
}

/// The field that is named, or else one of those that fit and have no fields themselves.
fn pick(payload: &Value, field: Option<&str>, fits: fn(&Value) -> bool, draw: Draw) -> Option<String> {
    if let Some(field) = field {
        return find(payload, field);
    }
    let mut all = Vec::new();
    fields(payload, "", &mut all);
    all.retain(|pointer| {
        payload.pointer(pointer).is_some_and(|value| !value.is_object() && !value.is_array() && fits(value))
    });
    if all.is_empty() { None } else { Some(all.swap_remove(draw.one_of(all.len()))) }
}

/// Pointers to all fields, those of fields included.
fn fields(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                fields(value, &pointer, all);
                all.push(pointer);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| fields(value, &format!("{at}/{n}"), all));
        }
        _ => {}
    }
}

/// A name as it stands in a pointer, as it is.
fn plain(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

fn set(payload: &mut Value, pointer: Option<String>, value: Value) {
    if let Some(place) = pointer.and_then(|pointer| payload.pointer_mut(&pointer)) {
        *place = value;
    }
}

fn each_text(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|field| each_text(field, change)),
        _ => {}
    }
}

/// A time as another clock shows it.
fn shifted(text: &str, by: Duration, behind: bool) -> Option<String> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let other = if behind { time.checked_sub(by)? } else { time.checked_add(by)? };
    other.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(humantime::format_rfc3339_millis(other).to_string())
}

/// Adds a field to the last object of a text; as a value, it would be too deep for Rust's stack.
fn deepen(text: &mut String, levels: usize) {
    let Some(end) = text.rfind('}') else { return };
    let comma = if text[..end].ends_with('{') { "" } else { "," };
    text.insert_str(end, &format!("{comma}\"deep\":{}{}", "[".repeat(levels), "]".repeat(levels)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn edit(text: &str, action: Value) -> String {
        edited(text, Some("t1"), &[(serde_json::from_value(action).unwrap(), Draw(5))])
    }

    const PLAIN: &str = r#"{"payload":{"n":1,"status":"ok"},"sessionId":"t1","type":"progress"}"#;
    const EVENT: &str = r#"42["progress",{"at":"2024-02-26T10:30:00Z","n":1,"sessionId":"t1"}]"#;

    #[test]
    fn fields_are_named_by_name_or_pointer_in_messages_and_in_events() {
        for (text, action, expected) in [
            (PLAIN, json!({"do": "missing_field", "field": "n"}), r#"{"payload":{"status":"ok"},"#),
            (PLAIN, json!({"do": "null_field", "field": "/payload/status"}), r#""status":null"#),
            (PLAIN, json!({"do": "wrong_type", "field": "payload"}), r#"{"payload":[],"#),
            (PLAIN, json!({"do": "huge_number"}), r#""n":1e400"#),
            (PLAIN, json!({"do": "unknown_value"}), r#""status":"no_such_value""#),
            (PLAIN, json!({"do": "unknown_type"}), r#""type":"no_such_type""#),
            (PLAIN, json!({"do": "wrong_topic"}), r#""sessionId":"no-such-topic""#),
            (PLAIN, json!({"do": "set_field", "field": "/payload/new", "value": [1]}), r#""new":[1]"#),
            (EVENT, json!({"do": "unknown_type"}), r#"42["no_such_type",{"#),
            (EVENT, json!({"do": "wrong_type", "field": "n"}), r#""n":"text""#),
            (EVENT, json!({"do": "skew", "by": "1h", "behind": true}), "2024-02-26T09:30:00.000Z"),
            (EVENT, json!({"do": "deep", "levels": 3}), r#","deep":[[[]]]}]"#),
            (EVENT, json!({"do": "huge_number", "number": "9007199254740993"}), r#""n":9007199254740993"#),
        ] {
            let got = edit(text, action.clone());
            assert!(got.contains(expected), "{action}: {got}");
        }
    }

    #[test]
    fn what_cannot_be_changed_stays() {
        assert_eq!(edit("3probe", json!({"do": "null_field"})), "3probe");
        assert_eq!(edit("{}", json!({"do": "null_field"})), "{}");
        assert_eq!(edit("{}", json!({"do": "deep", "levels": 1})), r#"{"deep":[]}"#);
        assert_eq!(edit(PLAIN, json!({"do": "missing_field", "field": "none"})), PLAIN);
    }

    #[test]
    fn a_field_that_is_not_named_is_drawn_from_all() {
        let fault: MessageFault = serde_json::from_value(json!({"do": "null_field"})).unwrap();
        let mut drawn: Vec<_> =
            (0..8).map(|draw| edited(PLAIN, None, &[(fault.clone(), Draw(draw))])).collect();
        assert_eq!(drawn[0], drawn[4]);
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn.len(), 4, "{drawn:?}");
    }
}
