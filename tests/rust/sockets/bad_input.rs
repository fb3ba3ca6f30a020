//! Bad input of every kind: the documented event, the connection stays, nothing is lost. [rules §2.1]

use serde_json::json;
use steadfast::client::Event;
use steadfast::{Service, WhyKind};
use steadfast_mock_server::Happening;
use steadfast_tests::{
    Log, advance, brisk, each, entries, fault, line, live, mock, mock_service, now, open, progress_kind,
    progress_name,
};

/// What a frame becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Becomes {
    Violation,
    Unknown,
    Message,
    Nothing,
    /// Parsers differ; it must not fail.
    Something,
}

use Becomes::{Message, Nothing, Something, Unknown, Violation};

fn nested(front: &str, deep: usize, back: &str) -> String {
    format!("{front}{}{}{back}", "[".repeat(deep), "]".repeat(deep))
}

fn frames(service: Service) -> Vec<(String, Becomes)> {
    let json = [
        ("", Violation),
        (" ", Violation),
        ("{", Violation),
        ("nonsense", Violation),
        ("[]", Violation),
        ("null", Violation),
        ("5", Violation),
        ("\"text\"", Violation),
        ("{}", Violation),
        (r#"{"type":5}"#, Violation),
        (r#"{"type":null}"#, Violation),
        (r#"{"type":"ping""#, Violation),
        (r#"{"type":"a","type":"b"}"#, Something),
        (r#"{"type":"\ud800"}"#, Something),
    ];
    let packets = [
        ("", Violation),
        ("9", Violation),
        ("x", Violation),
        ("4", Violation),
        ("49", Violation),
        ("42", Violation),
        ("42{}", Violation),
        ("42[]", Violation),
        ("42[5]", Violation),
        ("42[null]", Violation),
        (r#"42["never_seen""#, Violation),
        (r#"42["never_seen",{"a":1}]"#, Unknown),
        (r#"42["never_seen"]"#, Unknown),
        (r#"4213["never_seen",1,2,3]"#, Unknown),
        (r#"42/other,["never_seen"]"#, Nothing),
        (r#"42["\ud800"]"#, Something),
    ];
    let own: &[(&str, Becomes)] = match service {
        Service::Charisma => &[
            (r#"{"type":"never_seen","x":{"y":[1]}}"#, Unknown),
            (r#"{"type":"session_status","sessionId":"quiet-1","status":5}"#, Violation),
            (r#"{"type":"session_status","sessionId":5,"status":"uploading"}"#, Violation),
            (r#"{"type":"session_status","sessionId":"quiet-1"}"#, Violation),
            (r#"{"type":"session_status","sessionId":"quiet-1","status":"dancing","new":1}"#, Message),
            (
                r#"{"type":"session_status","sessionId":"quiet-1","status":"uploading","progress":null}"#,
                Message,
            ),
            (r#"{"type":"session_upload_progress","sessionId":"quiet-1","progress":1e999}"#, Something),
            (r#"{"type":"session_upload_progress","sessionId":"quiet-1","progress":-7}"#, Message),
        ],
        Service::TherapyBridge => &[
            (r#"{"session_id":"quiet-1","status":7}"#, Violation),
            (r#"{"session_id":"quiet-1"}"#, Violation),
            (r#"{"session_id":"quiet-1","status":"dancing"}"#, Message),
            (r#"{"session_id":"quiet-1","status":"transcribing","progress":9000}"#, Message),
        ],
        Service::Saga => &[
            (r#"42["story_processing",{"projectId":5,"storyId":"s"}]"#, Violation),
            (r#"42["story_processing",{"storyId":"s"}]"#, Violation),
            (r#"42["story_processing","quiet-1"]"#, Violation),
            (r#"42["export_progress",{"projectId":"quiet-1","exportId":"e","progress":"half"}]"#, Violation),
            (r#"42["story_uploaded",{"projectId":"quiet-1"}]"#, Message),
        ],
        Service::DocProc => &[
            (r#"42["progress",{"sessionId":"quiet-1","status":5}]"#, Violation),
            (r#"42["progress",{"status":"PROCESSING"}]"#, Violation),
            (r#"42["progress"]"#, Violation),
            (r#"42["progress",{"sessionId":"quiet-1","status":"DANCING"}]"#, Message),
        ],
        Service::DevContext => &[
            (r#"{"type":"never_seen","timestamp":"t","payload":{}}"#, Unknown),
            (r#"{"type":"stage_completed","payload":{"analysisId":"quiet-1","stage":5}}"#, Violation),
            (r#"{"type":"stage_completed","payload":{"analysisId":"quiet-1"}}"#, Violation),
            (r#"{"type":"stage_completed","payload":[]}"#, Violation),
            (r#"{"type":"stage_completed"}"#, Violation),
            (r#"{"type":"stage_completed","payload":{"analysisId":"quiet-1","stage":"dancing"}}"#, Message),
            (r#"{"message":"Internal server error","connectionId":"c","requestId":"r"}"#, Something),
        ],
    };
    let packets_or_json: &[(&str, Becomes)] =
        if matches!(service, Service::Saga | Service::DocProc) { &packets } else { &json };
    let deep = if matches!(service, Service::Saga | Service::DocProc) {
        nested(r#"42["never_seen","#, 100_000, "]")
    } else {
        nested(r#"{"type":"never_seen","x":"#, 100_000, "}")
    };
    let mut all: Vec<_> =
        packets_or_json.iter().chain(own).map(|(text, becomes)| ((*text).to_owned(), *becomes)).collect();
    all.push((deep, Something));
    all.push((nested("", 100_000, ""), Violation));
    all
}

#[tokio::test]
async fn every_bad_frame_becomes_the_documented_event_and_the_next_one_is_read() {
    each(|service| async move {
        let server = mock(&[]).await;
        // The deepest of them are longer than what DevContext may send by default: see the next test.
        let mut options = brisk(&server, service);
        options.config.limits.max_incoming = Some(1 << 20);
        let client = open(options);
        let mut log = Log::of(&client);
        let subscription = live(&client, "quiet-1").await;
        log.topic("quiet-1", "live").await;
        let mut wrong = Vec::new();
        for (text, becomes) in frames(service) {
            log.seen.clear();
            let rule = json!({"match": {"service": mock_service(service), "type": progress_kind(service)},
                "times": 1, "action": {"do": "malformed", "text": text}});
            fault(&server, rule);
            advance(&server, service, "quiet-1");
            advance(&server, service, "quiet-1");
            // A frame that reads well may have the name of the one that follows: that one has a raw text of its own.
            let whole = |event: &Event| match event {
                Event::Message(message) => {
                    message.data.name() == progress_name(service)
                        && (message.raw.as_str().contains("30") || message.raw.as_str().contains("0.3")
                            || message.raw.as_str().contains("33") || message.raw.as_str().contains("story_1"))
                }
                _ => false,
            };
            log.until(&format!("what follows {text:.80}"), whole).await;
            let before = &log.seen[..log.seen.len() - 1];
            let shown: Vec<_> = before.iter().map(line).collect();
            let fits = match becomes {
                Something => true,
                Nothing => before.is_empty(),
                Violation => matches!(before, [Event::ProtocolViolation(v)] if v.excerpt.len() <= 256 && !v.reason.is_empty()),
                Unknown => matches!(before, [Event::Message(m)] if m.data.unknown().is_some()),
                Message => matches!(
                    before.iter().filter(|event| !matches!(event, Event::Notice { .. })).collect::<Vec<_>>()[..],
                    [Event::Message(m)] if m.data.unknown().is_none()
                        && m.progress.is_none_or(|progress| (0.0..=1.0).contains(&progress))
                ),
            };
            if !fits {
                wrong.push(format!("{text:.120} should become {becomes:?}: {shown:?}"));
            }
        }
        assert!(wrong.is_empty(), "{service}: {wrong:#?}");
        assert_eq!(client.stats().attempts, 1, "{service}: the connection stays");
        assert!(!subscription.snapshot().unwrap().terminal, "{service}");
    })
    .await;
}

/// [rules §2.10]
#[tokio::test]
async fn a_message_over_devcontexts_own_limit_ends_the_connection() {
    let service = Service::DevContext;
    let server = mock(&[]).await;
    let client = open(brisk(&server, service));
    let mut log = Log::of(&client);
    let _subscription = live(&client, "quiet-1").await;
    let text = nested("", 100_000, "");
    let length = text.len();
    let rule = json!({"match": {"service": mock_service(service), "type": progress_kind(service)},
        "times": 1, "action": {"do": "malformed", "text": text}});
    fault(&server, rule);
    advance(&server, service, "quiet-1");
    let state = log.state("waiting").await;
    let why = state.why().unwrap();
    assert_eq!((why.kind, why.code.as_deref()), (WhyKind::TooLarge, Some("1009")), "{why:?}");
    // The journal keeps the beginning, and says so.
    let sent = entries(&server, service, Happening::Out);
    let cut = sent.iter().find(|entry| entry.cut_from.is_some()).unwrap();
    assert!(cut.cut_from == Some(length) && cut.detail.len() < length, "{:?}", cut.cut_from);
    assert!(sent.iter().any(|entry| entry.cut_from.is_none()));
}

#[tokio::test]
async fn binary_and_empty_frames_are_not_json_and_end_nothing() {
    each(|service| async move {
        let server = mock(&[]).await;
        let client = open(brisk(&server, service));
        let mut log = Log::of(&client);
        let _subscription = live(&client, "quiet-1").await;
        for hex in ["8200", "8203010203", "8100"] {
            log.seen.clear();
            now(&server, service, json!({"do": "inject", "hex": hex}));
            log.until(hex, |event| matches!(event, Event::ProtocolViolation(_))).await;
        }
        // Control frames and fragments are none of the app's business.
        for hex in ["8900", "8a00", "0100", "800120"] {
            now(&server, service, json!({"do": "inject", "hex": hex}));
        }
        advance(&server, service, "quiet-1");
        log.message(progress_name(service)).await;
        assert_eq!(client.stats().attempts, 1, "{service}: {:?}", log.lines());
    })
    .await;
}
