//! One good day of each service, in full.

use steadfast::{Phase, Request, Secret, Service, SessionType, SubscriptionState};

use crate::support::World;

#[test]
fn charisma_from_the_wish_to_the_end() {
    let mut world = World::dev(Service::Charisma);
    world.subscribe("s1").opened();
    world.frame(r#"{"type":"subscribed","sessionId":"s1"}"#);
    world.advance(500).frame(r#"{"type":"session_upload_progress","sessionId":"s1","progress":0.5}"#);
    world.frame(
        r#"{"type":"session_status","sessionId":"s1","status":"analysis_in_progress","progress":0.2}"#,
    );
    world.frame(r#"{"type":"session_status","sessionId":"s1","status":"verifying_ocr","ocrResult":[]}"#);
    world.frame(r#"{"type":"session_status","sessionId":"s1","status":"complete"}"#);
    world.frame(r#"{"type":"session_status","sessionId":"s1","status":"complete"}"#);
    world.frame(r#"{"type":"unsubscribed","sessionId":"s1"}"#);
    world.close(1000, "");
    assert_eq!(world.phase("s1"), Phase::Done);
    insta::assert_snapshot!(world.transcript());
}

#[test]
fn therapybridge_from_the_wish_to_the_end() {
    let mut world = World::dev(Service::TherapyBridge);
    world.subscribe("s1").opened();
    world.frame(r#"{"type":"ping","timestamp":"2026-01-01T00:00:00Z"}"#);
    let progress = |status: &str, progress: u8, second: u8| {
        format!(
            r#"{{"session_id":"s1","status":"{status}","progress":{progress},"estimated_time_remaining":30,"updated_at":"2026-01-01T00:00:{second:02}Z"}}"#
        )
    };
    for (second, (status, share)) in [
        ("uploading", 10),
        ("transcribing", 45),
        ("transcribed", 60),
        ("extracting_notes", 80),
        ("processed", 100),
    ]
    .into_iter()
    .enumerate()
    {
        world.frame(&progress(status, share, second as u8));
    }
    assert_eq!(world.subscription("s1"), Some(SubscriptionState::Ended));
    world.advance(1_000);
    assert_eq!(world.snapshot("s1").progress, Some(1.0));
    insta::assert_snapshot!(world.transcript());
}

#[test]
fn saga_from_the_wish_to_the_end() {
    let mut world = World::dev(Service::Saga).obedient();
    world.subscribe("p1").subscribe("p2");
    world.frame(
        r#"42["story_uploaded",{"projectId":"p1","story":{"id":"st1","title":"x"},"uploadedBy":"Ada"}]"#,
    );
    world.frame(r#"42["story_processing",{"projectId":"p1","storyId":"st1"}]"#);
    world.frame("2");
    world.frame(r#"42["export_started",{"projectId":"p1","exportId":"e1"}]"#);
    world.frame(r#"42["export_progress",{"projectId":"p1","exportId":"e1","progress":40}]"#);
    assert_eq!(world.phase("p1"), Phase::Processing);
    world.frame(r#"42["story_processed",{"projectId":"p1","storyId":"st1"}]"#);
    world.frame(
        r#"42["export_ready",{"projectId":"p1","exportId":"e1","downloadUrl":"https://example.org/e1"}]"#,
    );
    assert_eq!(world.phase("p1"), Phase::Waiting, "nothing runs any more, and a room never ends [saga §8]");
    assert!(world.is_live("p1"));
    insta::assert_snapshot!(world.transcript());
}

#[test]
fn docproc_from_the_wish_to_the_end() {
    let mut world = World::dev(Service::DocProc);
    world.subscribe("d1").opened();
    world.frame(r#"0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#);
    world.frame(r#"40{"sid":"c1"}"#);
    world.frame(r#"42["connected",{"socketId":"c1"}]"#);
    world.frame(r#"42["subscribed",{"sessionId":"d1"}]"#);
    world.frame(r#"42["progress",{"sessionId":"d1","status":"ACTIVE","progress":0,"timestamp":"2026-01-01T00:00:01Z"}]"#);
    world.frame(r#"42["model_result",{"sessionId":"d1","modelName":"m1","status":"processing","timestamp":"2026-01-01T00:00:02Z"}]"#);
    world.frame(r#"42["clarification",{"sessionId":"d1","clarificationId":"q1","question":"?","status":"pending","timestamp":"2026-01-01T00:00:03Z"}]"#);
    assert_eq!(world.phase("d1"), Phase::NeedsInput);
    let answer = Request::RespondToClarification { clarification_id: "q1".into(), answer: Secret::new("42") };
    world.request(answer);
    world.http(200, true, None);
    world.frame(r#"42["clarification",{"sessionId":"d1","clarificationId":"q1","status":"answered","timestamp":"2026-01-01T00:00:04Z"}]"#);
    assert_eq!(world.phase("d1"), Phase::Processing);
    world.frame(r#"42["progress",{"sessionId":"d1","status":"COMPLETED","progress":100,"timestamp":"2026-01-01T00:00:05Z"}]"#);
    world.frame(r#"42["completed",{"sessionId":"d1","result":{"a":1},"timestamp":"2026-01-01T00:00:06Z"}]"#);
    assert_eq!(world.subscription("d1"), Some(SubscriptionState::Ended));
    insta::assert_snapshot!(world.transcript());
}

#[test]
fn devcontext_from_the_wish_to_the_end() {
    let mut world = World::dev(Service::DevContext).obedient();
    world.subscribe("a1");
    world.frame(r#"{"type":"stage_completed","timestamp":"2026-01-01T00:00:01Z","payload":{"analysisId":"a1","stage":"project_review","completedStages":["project_review"],"progress":33}}"#);
    world.request(Request::StartInterview { analysis_id: "a1".into(), session_type: SessionType::Practice });
    let request = world.last_request();
    world.frame(&format!(r#"{{"type":"interview_started","timestamp":"2026-01-01T00:00:02Z","payload":{{"sessionId":"i1","analysisId":"a1","firstQuestion":{{"questionId":"q1","question":"Why?"}}}},"requestId":"{request}"}}"#));
    assert_eq!(world.phase("i1"), Phase::NeedsInput);
    world.request(Request::SubmitAnswer {
        session_id: "i1".into(),
        question_id: "q1".into(),
        answer: Secret::new("so"),
    });
    assert_eq!(world.phase("i1"), Phase::Processing);
    world.frame(r#"{"type":"answer_evaluated","timestamp":"2026-01-01T00:00:03Z","payload":{"sessionId":"i1","questionId":"q1","evaluation":{"score":75},"nextAction":"next_question"}}"#);
    world.frame(r#"{"type":"next_question","timestamp":"2026-01-01T00:00:03Z","payload":{"sessionId":"i1","questionId":"q2","question":"How?"}}"#);
    world.frame(r#"{"type":"interview_complete","timestamp":"2026-01-01T00:00:04Z","payload":{"sessionId":"i1","analysisId":"a1","summary":{"overallScore":72}}}"#);
    assert_eq!(world.phase("i1"), Phase::Done);
    world.frame(r#"{"type":"stage_completed","timestamp":"2026-01-01T00:00:05Z","payload":{"analysisId":"a1","stage":"interview_simulation","completedStages":["project_review","intelligence_report","interview_simulation"],"progress":100}}"#);
    assert_eq!(world.subscription("a1"), Some(SubscriptionState::Ended));
    insta::assert_snapshot!(world.transcript());
}
