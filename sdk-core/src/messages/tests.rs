//! What a reader must know beyond the golden vectors.

use super::*;
use crate::envelope::{Kind, Status};

fn reason(service: Service, text: &str) -> String {
    read(service, text).unwrap_err().reason
}

fn name_and_data(service: Service, text: &str) -> (String, String) {
    let frame = read(service, text).unwrap();
    let unknown = frame.message.as_ref().and_then(Message::unknown).unwrap();
    (unknown.name.clone(), unknown.data.to_string())
}

#[test]
fn the_place_of_the_type_does_not_matter() {
    let early = r#"{"type":"session_status","sessionId":"s","status":"uploading","progress":1}"#;
    let late = r#"{"progress":1,"status":"uploading","sessionId":"s","type":"session_status"}"#;
    let [early, late] = [early, late].map(|text| read(Service::Charisma, text).unwrap());
    assert_eq!(early.message, late.message);
    assert_eq!(early.envelope(), late.envelope());

    let early = r#"{"type":"pong","timestamp":"1970-01-01T00:00:01Z","payload":{},"requestId":"r"}"#;
    let late = r#"{"requestId":"r","payload":{},"timestamp":"1970-01-01T00:00:01Z","type":"pong"}"#;
    let [early, late] = [early, late].map(|text| read(Service::DevContext, text).unwrap());
    assert_eq!(early.envelope(), late.envelope());
    assert_eq!((late.envelope().request, late.envelope().at), (Some("r"), Some(1000.0)));

    let late = r#"{"payload":{"analysisId":"a","stage":"project_review"},"type":"stage_completed"}"#;
    assert_eq!(read(Service::DevContext, late).unwrap().envelope().item, Some("project_review"));
}

#[test]
fn an_error_names_the_field() {
    for (service, text, field) in [
        (Service::Charisma, r#"{"type":"session_status","status":"uploading"}"#, "sessionId"),
        (
            Service::Charisma,
            r#"{"type":"session_status","sessionId":"s","status":"x","progress":"1"}"#,
            "progress",
        ),
        (Service::Charisma, r#"{"type":"session_error","error":{"code":5}}"#, "error.code"),
        (Service::Charisma, r#"{"sessionId":[],"status":"x","type":"session_status"}"#, "sessionId"),
        (Service::Charisma, "{}", "type"),
        (Service::TherapyBridge, r#"{"session_id":"s","status":null}"#, "status"),
        (Service::TherapyBridge, r#"{"status":"x"}"#, "session_id"),
        (Service::Saga, r#"42["export_progress",{"projectId":"p","progress":true}]"#, "progress"),
        (Service::Saga, r#"42["export_progress"]"#, "projectId"),
        (Service::DocProc, r#"42["completed",{"sessionId":"s","result":"done"}]"#, "result"),
        (
            Service::DocProc,
            r#"42["progress",{"sessionId":"s","status":"ACTIVE","prompts":{"total":"3"}}]"#,
            "prompts.total",
        ),
        (Service::DevContext, r#"{"type":"error","payload":{"errorCode":1}}"#, "payload.errorCode"),
        (Service::DevContext, r#"{"payload":{"errorCode":1},"type":"error"}"#, "payload.errorCode"),
        (Service::DevContext, r#"{"type":"error","payload":{}}"#, "errorCode"),
        (Service::DevContext, r#"{"timestamp":5,"type":"pong"}"#, "timestamp"),
        (Service::Saga, r#"0{"pingInterval":1}"#, "sid"),
    ] {
        let reason = reason(service, text);
        assert!(reason.contains(field), "{text}: {reason}");
    }
    assert!(reason(Service::Charisma, "").starts_with("not JSON"));
    assert!(reason(Service::Charisma, "{").starts_with("not JSON"));
}

#[test]
fn an_array_is_no_object() {
    assert!(
        reason(Service::Charisma, r#"{"type":"session_error","error":["CODE","text"]}"#).contains("error")
    );
    assert!(read(Service::Charisma, r#"["subscribed","s"]"#).is_err());
    assert!(read(Service::TherapyBridge, r#"["s\\","uploading"]"#).is_err());
    assert!(read(Service::Saga, r#"40["sid"]"#).is_err());
    assert!(read_body::<therapybridge::Login>(r#"["t"]"#).is_err());
}

#[test]
fn a_message_of_another_service_is_unknown() {
    let (name, data) = name_and_data(Service::Charisma, r#" {"type":"progress","x":1} "#);
    assert_eq!((name.as_str(), data.as_str()), ("progress", r#"{"type":"progress","x":1}"#));
    let text = r#"{"x":1,"type":"progress"}"#;
    assert_eq!(name_and_data(Service::Charisma, text).0, "progress");
    assert_eq!(read(Service::Charisma, text).unwrap().envelope().kind, Kind::Unknown);
    assert_eq!(
        name_and_data(Service::DevContext, r#"{"type":"gateway","message":"m","connectionId":"c"}"#).0,
        "gateway"
    );
    assert_eq!(name_and_data(Service::TherapyBridge, r#"{"type":"p\u0069ngs"}"#).0, "pings");
}

#[test]
fn an_unknown_event_keeps_its_argument() {
    for (text, data) in [
        (r#"42["what"]"#, "null"),
        (r#"42["what", {"a": [1, "]"]} ]"#, r#"{"a": [1, "]"]}"#),
        (r#"42["wh\"at,[","x"]"#, r#""x""#),
        (r#"42["what",[[],null],5]"#, "[[],null]"),
    ] {
        assert_eq!(name_and_data(Service::Saga, text).1, data, "{text}");
    }
    let frame = read(Service::Saga, r#"42["what",1,2]"#).unwrap();
    assert_eq!((frame.payload, frame.json), ("1", r#"["what",1,2]"#));
}

#[test]
fn numbers_may_be_written_with_or_without_a_point() {
    let text = r#"42["progress",{"sessionId":"s","status":"ACTIVE","progress":7,"clarificationCount":2.0,
        "prompts":{"total":1e400}}]"#;
    assert!(reason(Service::DocProc, text).contains("number out of range"));
    let frame = text.replace("1e400", "99999999999999999999");
    let frame = read(Service::DocProc, &frame).unwrap();
    let Some(Message::DocProc(docproc::Message::Progress(progress))) = &frame.message else { panic!() };
    assert_eq!((progress.progress, progress.clarification_count), (Some(7.0), Some(2)));
    assert_eq!(progress.prompts.as_ref().unwrap().total, Some(i64::MAX));
}

#[test]
fn nesting_does_not_overflow_the_stack() {
    for deep in ["[", "{\"a\":"] {
        let deep = deep.repeat(100_000);
        for (service, text) in [
            (Service::Charisma, format!(r#"{{"type":"session_status","x":{deep}"#)),
            (Service::TherapyBridge, format!(r#"{{"session_id":{deep}"#)),
            (Service::Saga, format!(r#"42["what",{deep}"#)),
            (Service::DocProc, format!(r#"44{{"data":{deep}"#)),
            (Service::DevContext, format!(r#"{{"payload":{deep}"#)),
            (Service::DevContext, deep.clone()),
        ] {
            assert!(read(service, &text).is_err());
        }
    }
    let closed = format!(r#"44{{"data":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read(Service::Saga, &closed).unwrap().envelope().code, None);
}

#[test]
fn another_namespace_and_an_acknowledgement_carry_no_message() {
    for text in [r#"42/admin,["progress",{}]"#, r#"40/admin,{"sid":5}"#, r#"437["ok"]"#, "2", "3probe", "41"]
    {
        let frame = read(Service::DocProc, text).unwrap();
        assert_eq!(frame.message, None, "{text}");
        assert_eq!(frame.envelope(), Envelope::default(), "{text}");
    }
}

#[test]
fn a_value_that_is_not_listed_is_kept_as_text() {
    let frame = read(Service::TherapyBridge, r#"{"session_id":"s","status":"translating"}"#).unwrap();
    assert_eq!(frame.envelope().status, Some(Status::Other));
    let Some(Message::TherapyBridge(therapybridge::Message::Progress(progress))) = &frame.message else {
        panic!()
    };
    assert_eq!(progress.status, therapybridge::Status::Other("translating".into()));
    assert_eq!(serde_json::to_string(progress).unwrap(), r#"{"session_id":"s","status":"translating"}"#);
}

#[test]
fn a_raw_value_is_shared_and_can_be_read() {
    let text = r#"42["completed",{"sessionId":"s","result":{"pages": 3}}]"#;
    let frame = read(Service::DocProc, text).unwrap();
    assert!(frame.envelope().has_result);
    let Some(Message::DocProc(docproc::Message::Completed(completed))) = &frame.message else { panic!() };
    let result = completed.result.as_ref().unwrap();
    assert_eq!((result.as_str(), &result.value().unwrap()["pages"]), (r#"{"pages": 3}"#, &3.into()));
    let typed: std::collections::BTreeMap<String, u8> = result.read().unwrap();
    assert_eq!(typed["pages"], 3);
    assert_eq!(frame.raw().as_str(), r#"{"sessionId":"s","result":{"pages": 3}}"#);
    let tree: docproc::Completed = serde_json::from_value(frame.raw().value().unwrap()).unwrap();
    assert_eq!(tree.result.unwrap().as_str(), r#"{"pages":3}"#);
    assert_eq!(read(Service::DocProc, "42[\"what\"]").unwrap().raw().as_str(), "null");
    assert_eq!(read(Service::DocProc, "41").unwrap().raw(), Json::default());
}

#[cfg(feature = "schema")]
#[test]
fn every_record_has_a_schema_of_its_own() {
    let mut generator = schemars::SchemaGenerator::default();
    let all = schemas(&mut generator);
    assert_eq!(all.iter().filter(|named| named.kind.is_none()).count(), 5);
    let definitions = generator.take_definitions(true);
    // A second record of one name would have got a number.
    assert!(definitions.keys().all(|name| !name.ends_with(|c: char| c.is_ascii_digit())));
    let status = &definitions["CharismaSessionStatus"];
    assert_eq!(status["required"], serde_json::json!(["sessionId", "status"]));
    assert_eq!(
        definitions["SagaInteraction"]["properties"]["type"]["anyOf"][0]["$ref"],
        "#/$defs/SagaInteractionKind"
    );
}
