//! The types of all messages in TypeScript, from their JSON Schemas.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use steadfast::messages::{describe, schemas};
use steadfast::{CommandErrorKind, DevContextState, Kind, NoticeKind, Phase, Service, WhyKind};

/// Writes the file.
pub(crate) fn write() -> String {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let named = schemas(&mut generator);
    let mut out = String::from(super::HEAD);
    for (name, schema) in generator.definitions() {
        definition(&mut out, name, schema);
    }
    let described = describe();
    for service in Service::ALL {
        let name = format!("{service:?}");
        let _ = write!(
            out,
            "\n/** The messages of {name} by their types, with their data. */\nexport interface {name}Messages {{\n"
        );
        let own = described.iter().filter(|message| message.service == service);
        for kind in own.map(|message| message.kind) {
            let schema = named.iter().find(|named| named.service == service && named.kind == Some(kind));
            let data = schema.map_or_else(|| "unknown".to_owned(), |named| type_of(named.schema.as_value()));
            // What stands in `payload` on DevContext; a gateway's frame has none.
            let note = if kind == Kind::Gateway {
                "  /** A frame without a type, from the gateway in front of the service. */\n"
            } else {
                ""
            };
            let _ = writeln!(out, "{note}  {}: {data};", kind.name());
        }
        out.push_str("}\n");
    }
    names(&mut out, "NoticeKind", "What a notice is about.", NOTICES.iter().map(|kind| kind.name()));
    names(
        &mut out,
        "WhyKind",
        "What kind of trouble stands behind a state.",
        TROUBLES.iter().map(|kind| kind.name()),
    );
    names(&mut out, "CommandErrorKind", "Why a command failed.", FAILURES.iter().map(|kind| kind.name()));
    names(
        &mut out,
        "Phase",
        "How far a topic or one of its items is.",
        PHASES.iter().map(|phase| phase.name()),
    );
    names(
        &mut out,
        "DevContextState",
        "A client's state in the words of DevContext's documentation.",
        STATES.iter().map(|state| state.name()),
    );
    out
}

/// A type of a few names; none of these lists grows on the server.
fn names(out: &mut String, name: &str, doc: &str, names: impl Iterator<Item = &'static str>) {
    let names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    let _ = writeln!(out, "\n/** {doc} */\nexport type {name} = {};", names.join(" | "));
}

const NOTICES: [NoticeKind; 8] = [
    NoticeKind::TokenNotRefreshed,
    NoticeKind::ClockSuspect,
    NoticeKind::ServerUnhealthy,
    NoticeKind::ServerPolicy,
    NoticeKind::RateLimited,
    NoticeKind::OutOfRange,
    NoticeKind::ServerError,
    NoticeKind::ServerShutdown,
];

const TROUBLES: [WhyKind; 21] = [
    WhyKind::Network,
    WhyKind::Timeout,
    WhyKind::Silence,
    WhyKind::Tls,
    WhyKind::Restart,
    WhyKind::Auth,
    WhyKind::TokenProvider,
    WhyKind::NotAllowed,
    WhyKind::NotFound,
    WhyKind::Configuration,
    WhyKind::Displaced,
    WhyKind::Overloaded,
    WhyKind::Policy,
    WhyKind::TooLarge,
    WhyKind::ServerError,
    WhyKind::Protocol,
    WhyKind::Kicked,
    WhyKind::Flapping,
    WhyKind::Opaque,
    WhyKind::GaveUp,
    WhyKind::Service,
];

const FAILURES: [CommandErrorKind; 10] = [
    CommandErrorKind::Rejected,
    CommandErrorKind::TimedOut,
    CommandErrorKind::Interrupted,
    CommandErrorKind::Cancelled,
    CommandErrorKind::Expired,
    CommandErrorKind::NotConnected,
    CommandErrorKind::QueueFull,
    CommandErrorKind::PayloadTooLarge,
    CommandErrorKind::Invalid,
    CommandErrorKind::Closed,
];

const STATES: [DevContextState; 8] = [
    DevContextState::Disconnecting,
    DevContextState::Error,
    DevContextState::Disconnected,
    DevContextState::Connecting,
    DevContextState::InterviewActive,
    DevContextState::InterviewPaused,
    DevContextState::Subscribed,
    DevContextState::Connected,
];

const PHASES: [Phase; 7] = [
    Phase::Waiting,
    Phase::Uploading,
    Phase::Processing,
    Phase::NeedsInput,
    Phase::Done,
    Phase::Failed,
    Phase::Expired,
];

fn definition(out: &mut String, name: &str, schema: &Value) {
    out.push('\n');
    comment(out, "", schema);
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        let _ = writeln!(out, "export type {name} = {};", type_of(schema));
        return;
    };
    let required = |field: &str| {
        let list = schema.get("required").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|name| name == field))
    };
    let _ = writeln!(out, "export interface {name} {{");
    for (field, schema) in properties {
        comment(out, "  ", schema);
        let mark = if required(field) { "" } else { "?" };
        let _ = writeln!(out, "  {field}{mark}: {};", type_of(schema));
    }
    out.push_str("}\n");
}

fn comment(out: &mut String, indent: &str, schema: &Value) {
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        // Where a rule is written is of no use to a reader of types.
        let text = text.split(" [").next().unwrap_or(text).replace('\n', " ");
        let _ = writeln!(out, "{indent}/** {text} */");
    }
}

fn type_of(schema: &Value) -> String {
    let Some(schema) = schema.as_object() else { return "unknown".into() };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return reference.rsplit('/').next().unwrap_or("unknown").into();
    }
    if let Some(value) = schema.get("const") {
        return format!("'{}'", value.as_str().unwrap_or_default());
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return union(values.iter().map(|value| format!("'{}'", value.as_str().unwrap_or_default())));
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        let open = any.iter().any(|one| one.get("const").is_some());
        return union(any.iter().map(|one| {
            let text = type_of(one);
            // A list that may grow: the editor still offers the known values.
            if open && text == "string" { "(string & {})".into() } else { text }
        }));
    }
    match schema.get("type") {
        Some(Value::String(name)) => simple(name, schema),
        Some(Value::Array(names)) => {
            union(names.iter().filter_map(Value::as_str).map(|name| simple(name, schema)))
        }
        _ => "unknown".into(),
    }
}

fn simple(name: &str, schema: &Map<String, Value>) -> String {
    match name {
        "string" => "string".into(),
        "number" | "integer" => "number".into(),
        "boolean" => "boolean".into(),
        "null" => "null".into(),
        "array" => {
            let item = schema.get("items").map_or_else(|| "unknown".into(), type_of);
            if item.contains(' ') { format!("({item})[]") } else { format!("{item}[]") }
        }
        _ => "Record<string, unknown>".into(),
    }
}

fn union(parts: impl Iterator<Item = String>) -> String {
    let mut parts: Vec<String> = parts.collect();
    parts.dedup();
    parts.join(" | ")
}
