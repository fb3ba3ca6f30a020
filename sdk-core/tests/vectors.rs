//! The golden vectors, read by this SDK: `tests/vectors` at the repository's root, whose README tells their form.
#![cfg(feature = "typed")]

use std::path::PathBuf;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use steadfast::messages::{self, Frame, Message};
use steadfast::socketio::{PacketHead, PacketType};
use steadfast::{Envelope, Head, Kind, Service, Stage, Status};

#[derive(Deserialize)]
struct Vector {
    id: String,
    cite: String,
    direction: String,
    frame: String,
    head: Option<Value>,
    envelope: Option<Value>,
    service: Option<String>,
    expect: Option<String>,
    or: Option<String>,
}

impl Vector {
    fn service(&self) -> Service {
        let slug = self.service.as_deref().or(self.id.split('/').next());
        slug.and_then(Service::from_slug).unwrap_or_else(|| panic!("{}: no such service", self.id))
    }
}

fn vectors(file: &str) -> Vec<Vector> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut all: Vec<Vector> = serde_json::from_str(&text).unwrap();
    all.retain(|vector| vector.direction == "server");
    assert!(!all.is_empty());
    all
}

fn good() -> Vec<Vector> {
    Service::ALL.iter().flat_map(|service| vectors(&format!("{}.json", service.slug()))).collect()
}

/// The envelope in the vectors' form. A status is written as its name, an unknown one as `true`.
fn envelope_json(envelope: &Envelope<'_>) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() && value != json!(false) && value != json!([]) {
            out.insert(name.into(), value);
        }
    };
    if !envelope.name.is_empty() || envelope.kind != Kind::Unknown {
        put("name", json!(envelope.name));
    }
    put("topic", json!(envelope.topic));
    put("item", json!(envelope.item));
    put("question", json!(envelope.question));
    put("request", json!(envelope.request));
    put("status", envelope.status.map_or(Value::Null, |status| json!(status.name())));
    let stages: Vec<_> =
        Stage::ALL.iter().filter(|(stage, _)| envelope.stages.has(*stage)).map(|(_, name)| name).collect();
    put("stages", json!(stages));
    put("progress", json!(envelope.progress));
    put("eta", json!(envelope.eta));
    put("at", json!(envelope.at));
    put("sequence", json!(envelope.sequence));
    put("text", json!(envelope.text));
    put("code", json!(envelope.code));
    put("has_result", json!(envelope.has_result));
    if let Some(handshake) = envelope.handshake {
        put("sid", json!(handshake.sid));
        put("ping_interval", json!(handshake.ping_interval));
        put("ping_timeout", json!(handshake.ping_timeout));
        put("upgrades", json!(handshake.upgrades));
        put("max_payload", json!(handshake.max_payload));
    }
    for (name, flag) in [
        ("retryable", envelope.retryable),
        ("can_resume", envelope.can_resume),
        ("data_available", envelope.data_available),
    ] {
        if let Some(flag) = flag {
            out.insert(name.into(), json!(flag));
        }
    }
    Value::Object(out)
}

/// Numbers as one kind of number, and a status that this SDK does not know as no text.
fn comparable(mut value: Value) -> Value {
    if let Some(status) = value.get("status").and_then(Value::as_str).map(Status::from_name) {
        value["status"] = json!(status.name());
    }
    numbers(value)
}

fn numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.into_iter().map(numbers).collect(),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, numbers(value))).collect())
        }
        other => other,
    }
}

fn head_json(head: PacketHead) -> Value {
    let (packet, probe) = match head.kind {
        PacketType::Open => ("open", false),
        PacketType::Close => ("close", false),
        PacketType::Ping { probe } => ("ping", probe),
        PacketType::Pong { probe } => ("pong", probe),
        PacketType::Upgrade => ("upgrade", false),
        PacketType::Noop => ("noop", false),
        PacketType::Connect => ("connect", false),
        PacketType::Disconnect => ("disconnect", false),
        PacketType::Event => ("event", false),
        PacketType::Ack => ("ack", false),
        PacketType::ConnectError => ("connect_error", false),
        PacketType::BinaryEvent => ("binary_event", false),
        PacketType::BinaryAck => ("binary_ack", false),
    };
    json!({"packet": packet, "probe": probe, "id": head.id, "attachments": head.attachments, "main": head.main_namespace})
}

fn expected_head(head: &Value) -> Value {
    json!({
        "packet": head["packet"],
        "probe": head["probe"].as_bool().unwrap_or(false),
        "id": head["id"],
        "attachments": head["attachments"].as_u64().unwrap_or(0),
        "main": head["namespace"].is_null(),
    })
}

#[test]
fn every_frame_has_the_envelope_of_its_vector() {
    let mut wrong = Vec::new();
    for vector in good() {
        let frame = match messages::read(vector.service(), &vector.frame) {
            Ok(frame) => frame,
            Err(violation) => {
                wrong.push(format!("{} [{}]: {}", vector.id, vector.cite, violation.reason));
                continue;
            }
        };
        let unknown = frame.message.as_ref().is_some_and(|message| message.unknown().is_some());
        let read = if unknown {
            json!({"name": frame.envelope().name})
        } else {
            numbers(envelope_json(&frame.envelope()))
        };
        let expected = comparable(vector.envelope.clone().unwrap_or_default());
        if read != expected {
            wrong.push(format!("{} [{}]:\n  read     {read}\n  expected {expected}", vector.id, vector.cite));
        }
        match (frame.head, &vector.head) {
            (Head::Json, None) => {}
            (Head::Engine(head), Some(expected)) if head_json(head) == expected_head(expected) => {}
            (head, expected) => wrong.push(format!("{}: head {head:?}, expected {expected:?}", vector.id)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_known_message_keeps_every_documented_field() {
    // The name is the variant; the others are fields that no document has.
    let undocumented = |id: &str, path: &str| {
        path == ".type"
            || id.contains("unknown_field")
            || id.contains("binary_event")
            || id == "therapybridge/ping/with_session"
    };
    for vector in good() {
        let frame = messages::read(vector.service(), &vector.frame).unwrap();
        let Some(message) = frame.message.as_ref().filter(|message| message.unknown().is_none()) else {
            continue;
        };
        let written = serde_json::to_value(message).unwrap();
        let mut sent: Value =
            if frame.payload.is_empty() { json!({}) } else { frame.payload.parse().unwrap() };
        if let Message::DevContext(message) = message
            && message.kind() != Kind::Gateway
        {
            sent = sent["payload"].take();
        }
        if written.is_null() {
            continue; // only a name; what came with it is in the raw JSON
        }
        let mut lost = Vec::new();
        missing(&sent, &written, "", &mut lost);
        lost.retain(|path| !undocumented(&vector.id, path));
        assert!(lost.is_empty(), "{}: {lost:?} of {sent} is not in {written}", vector.id);
    }
}

/// Collects the paths of what was sent and is not written again. `null` is absence.
fn missing(sent: &Value, written: &Value, path: &str, lost: &mut Vec<String>) {
    match (sent, written) {
        (Value::Null, _) => {}
        (Value::Object(sent), _) => {
            for (key, value) in sent {
                missing(value, &written[key.as_str()], &format!("{path}.{key}"), lost);
            }
        }
        (Value::Array(sent), Value::Array(written)) if sent.len() == written.len() => {
            for (index, (sent, written)) in sent.iter().zip(written).enumerate() {
                missing(sent, written, &format!("{path}.{index}"), lost);
            }
        }
        (sent, written) if numbers(sent.clone()) == numbers(written.clone()) => {}
        _ => lost.push(path.into()),
    }
}

fn outcome(service: Service, text: &str) -> &'static str {
    match messages::read(service, text) {
        Err(_) => "violation",
        Ok(Frame { message: Some(message), .. }) if message.unknown().is_some() => "unknown",
        Ok(_) => "message",
    }
}

#[test]
fn bad_input_has_the_outcome_of_its_vector() {
    let mut wrong = Vec::new();
    for vector in vectors("bad.json") {
        let outcome = outcome(vector.service(), &vector.frame);
        if vector.expect.as_deref() != Some(outcome) && vector.or.as_deref() != Some(outcome) {
            wrong.push(format!("{} [{}]: {outcome}, expected {:?}", vector.id, vector.cite, vector.expect));
        }
        if let Err(violation) = messages::read(vector.service(), &vector.frame) {
            assert!(violation.excerpt.len() <= 256 && violation.reason.len() <= 256, "{}", vector.id);
            assert!(!violation.reason.is_empty(), "{}", vector.id);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_messages_are_described_and_have_a_vector() {
    let good = good();
    for description in messages::describe() {
        let name = description.kind.name();
        assert!(
            good.iter().any(|vector| vector.service() == description.service
                && vector.envelope.as_ref().is_some_and(|envelope| envelope["name"] == name)),
            "no vector of {} {name}",
            description.service.slug()
        );
    }
}

/// The envelope by the description alone, as a reader without types fills it.
fn by_description(service: Service, frame: &Frame<'_>) -> Option<Value> {
    use steadfast::messages::Role;
    let kind = frame.envelope().kind;
    let all = messages::describe();
    let description = all.iter().find(|d| d.service == service && d.kind == kind)?;
    let json: Value = if frame.payload.is_empty() { json!({}) } else { frame.payload.parse().unwrap() };
    let mut out = Map::from_iter([("name".to_owned(), json!(kind.name()))]);
    for field in &description.fields {
        let value = field.path.iter().fold(&json, |value, key| &value[key.as_str()]);
        if value.is_null() {
            continue;
        }
        let (name, value) = match field.role {
            Role::Data | Role::Within => continue,
            Role::Topic => ("topic", value.clone()),
            Role::Item => ("item", value.clone()),
            Role::Question => ("question", value.clone()),
            Role::Request => ("request", value.clone()),
            Role::Status => ("status", value.clone()),
            Role::Stages => {
                let known = |name: &&str| value.as_array().is_some_and(|all| all.contains(&json!(name)));
                let stages: Vec<_> = Stage::ALL.iter().map(|(_, name)| *name).filter(known).collect();
                if stages.is_empty() {
                    continue;
                }
                ("stages", json!(stages))
            }
            Role::Progress => ("progress", value.clone()),
            Role::EtaSeconds => ("eta", json!(value.as_f64().map(|seconds| seconds * 1000.0))),
            Role::At => match steadfast::time::parse_instant(value.as_str().unwrap_or_default()) {
                Some(at) => ("at", json!(at)),
                None => continue,
            },
            Role::Sequence => ("sequence", value.clone()),
            Role::Text => ("text", value.clone()),
            Role::Code => ("code", value.clone()),
            Role::Retryable => ("retryable", value.clone()),
            Role::CanResume => ("can_resume", value.clone()),
            Role::DataAvailable => ("data_available", value.clone()),
            Role::Result => ("has_result", json!(true)),
        };
        out.insert(name.into(), value);
    }
    Some(comparable(Value::Object(out)))
}

#[test]
fn the_description_fills_the_same_envelope() {
    for vector in good() {
        let frame = messages::read(vector.service(), &vector.frame).unwrap();
        if let Some(described) = by_description(vector.service(), &frame) {
            assert_eq!(described, comparable(vector.envelope.unwrap_or_default()), "{}", vector.id);
        }
    }
}

fn any_service() -> impl Strategy<Value = Service> {
    proptest::sample::select(Service::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_text_is_read_or_reported(service in any_service(), text in any::<String>()) {
        let _ = messages::read(service, &text).map(|frame| envelope_json(&frame.envelope()));
    }

    #[test]
    fn any_json_is_read_or_reported(
        service in any_service(),
        text in r#"(4?[0-9]{0,3}-?)?[\[{"](type|ping|progress|session_id|[a-z\\"]{0,5})["\]},:0-9a-z\[{]{0,40}"#,
    ) {
        let _ = messages::read(service, &text).map(|frame| envelope_json(&frame.envelope()));
    }

    #[test]
    fn a_damaged_vector_is_read_or_reported(
        pick in any::<prop::sample::Index>(),
        service in any_service(),
        own in any::<bool>(),
        at in any::<prop::sample::Index>(),
        length in 0_usize..12,
        insert in r#"["\\\[\]{},:0-9a-zé\x{0}\x{1f600}]{0,4}"#,
    ) {
        let vectors = good();
        let vector = pick.get(&vectors);
        let mut chars: Vec<char> = vector.frame.chars().collect();
        let start = at.index(chars.len() + 1);
        let end = (start + length).min(chars.len());
        chars.splice(start..end, insert.chars());
        let text: String = chars.into_iter().collect();
        let service = if own { vector.service() } else { service };
        match messages::read(service, &text) {
            Ok(frame) => {
                envelope_json(&frame.envelope());
                prop_assert!(text.contains(frame.payload));
            }
            Err(violation) => prop_assert!(violation.excerpt.len() <= 256 && violation.reason.len() <= 256),
        }
    }
}
