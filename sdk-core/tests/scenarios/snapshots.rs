//! The last known picture of each topic. [rules §2.2, §2.13]

use steadfast::{Event, Item, NoticeKind, Phase, Service, Stage, Verdict};

use crate::support::{EPOCH, World, dev};
use steadfast::HostCaps;

fn live(service: Service) -> World {
    let mut world = World::dev(service).obedient();
    world.subscribe("s1");
    assert!(world.is_live("s1"));
    world
}

fn item<'a>(world: &'a World, id: &str) -> &'a Item {
    world.snapshot("s1").items.iter().find(|item| item.id == id).unwrap()
}

#[test]
fn every_status_has_its_phase() {
    let charisma =
        |status: &str| format!(r#"{{"type":"session_status","sessionId":"s1","status":"{status}"}}"#);
    let bridge = |status: &str| format!(r#"{{"session_id":"s1","status":"{status}","progress":10}}"#);
    let docproc =
        |status: &str| format!(r#"42["progress",{{"sessionId":"s1","status":"{status}","progress":10}}]"#);
    for (service, frame, phase) in [
        (Service::Charisma, charisma("uploading"), Phase::Uploading),
        (Service::Charisma, charisma("analysis_in_progress"), Phase::Processing),
        (Service::Charisma, charisma("verifying_ocr"), Phase::NeedsInput),
        (Service::Charisma, charisma("translating"), Phase::Waiting),
        (Service::TherapyBridge, bridge("uploading"), Phase::Uploading),
        (Service::TherapyBridge, bridge("transcribing"), Phase::Processing),
        (Service::TherapyBridge, bridge("transcribed"), Phase::Processing),
        (Service::TherapyBridge, bridge("extracting_notes"), Phase::Processing),
        (Service::DocProc, docproc("ACTIVE"), Phase::Waiting),
        (Service::DocProc, docproc("PROCESSING"), Phase::Processing),
        (Service::DocProc, docproc("ARCHIVED"), Phase::Waiting),
    ] {
        let mut world = live(service);
        assert!(world.frame(&frame).has(Verdict::DELIVER | Verdict::SNAPSHOT));
        assert_eq!(world.phase("s1"), phase, "{frame}");
    }
}

#[test]
fn progress_is_a_share_of_one_everywhere() {
    for (service, frame, share) in [
        (Service::Charisma, r#"{"type":"session_upload_progress","sessionId":"s1","progress":0.75}"#, 0.75),
        (Service::TherapyBridge, r#"{"session_id":"s1","status":"transcribing","progress":45}"#, 0.45),
        (
            Service::DocProc,
            r#"42["progress",{"sessionId":"s1","status":"PROCESSING","progress":42.5}]"#,
            0.425,
        ),
        (
            Service::DevContext,
            r#"{"type":"stage_completed","payload":{"analysisId":"s1","stage":"project_review","progress":33}}"#,
            0.33,
        ),
    ] {
        let mut world = live(service);
        world.frame(frame);
        assert_eq!(world.snapshot("s1").progress, Some(share), "{service}");
    }
}

#[test]
fn what_is_out_of_range_is_clamped_and_told_once_per_connection() {
    let mut world = live(Service::Charisma);
    let over = r#"{"type":"session_upload_progress","sessionId":"s1","progress":1.5}"#;
    let under = r#"{"type":"session_upload_progress","sessionId":"s1","progress":-0.1}"#;
    assert!(world.frame(over).has(Verdict::CLAMPED | Verdict::DELIVER));
    assert_eq!(world.snapshot("s1").progress, Some(1.0));
    world.frame(under);
    assert_eq!((world.snapshot("s1").progress, world.notices(NoticeKind::OutOfRange)), (Some(0.0), 1));
    world.at(15_000).close(1006, "").advance(1_000).frame(over);
    assert_eq!(world.notices(NoticeKind::OutOfRange), 2);
}

#[test]
fn a_lower_rank_is_outdated_and_changes_nothing() {
    let uploading = r#"{"type":"session_upload_progress","sessionId":"s1","progress":0.5}"#;
    let analysis =
        r#"{"type":"session_status","sessionId":"s1","status":"analysis_in_progress","progress":0.2}"#;
    let mut world = live(Service::Charisma);
    world.frame(uploading);
    world.frame(analysis);
    let before = world.snapshot("s1").clone();
    let verdict = world.frame(uploading);
    assert!(verdict.has(Verdict::DELIVER | Verdict::OUTDATED) && !verdict.has(Verdict::SNAPSHOT));
    assert_eq!(*world.snapshot("s1"), before);
    let ocr = r#"{"type":"session_status","sessionId":"s1","status":"verifying_ocr"}"#;
    assert!(!world.frame(ocr).has(Verdict::OUTDATED));
    assert!(!world.frame(analysis).has(Verdict::OUTDATED), "Processing and NeedsInput have one rank");
    world.at(15_000).close(1006, "").advance(1_000);
    assert!(!world.frame(uploading).has(Verdict::OUTDATED), "another connection begins anew");
    assert_eq!(world.phase("s1"), Phase::Uploading);
}

#[test]
fn an_older_frame_is_outdated_and_a_newer_one_may_lower_the_rank() {
    let frame = |status: &str, share: u8, time: &str| {
        format!(r#"{{"session_id":"s1","status":"{status}","progress":{share},"updated_at":"{time}"}}"#)
    };
    let mut world = live(Service::TherapyBridge);
    world.frame(&frame("transcribing", 40, "2026-01-01T12:00:10Z"));
    assert!(world.frame(&frame("transcribing", 30, "2026-01-01T12:00:05Z")).has(Verdict::OUTDATED));
    assert_eq!(world.snapshot("s1").progress, Some(0.4));
    let same_instant = frame("transcribing", 45, "2026-01-01T13:00:10+01:00");
    assert!(!world.frame(&same_instant).has(Verdict::OUTDATED), "instants are compared, not texts");
    assert_eq!(world.snapshot("s1").progress, Some(0.45));
    assert!(!world.frame(&frame("uploading", 5, "2026-01-01T12:00:11Z")).has(Verdict::OUTDATED));
    assert_eq!(world.phase("s1"), Phase::Uploading);
}

#[test]
fn sequence_breaks_ties_of_equal_times() {
    let frame = |share: u8, sequence: u8| {
        format!(
            r#"42["progress",{{"sessionId":"s1","status":"PROCESSING","progress":{share},"timestamp":"2026-01-01T00:00:01Z","sequence":{sequence}}}]"#
        )
    };
    let mut world = live(Service::DocProc);
    world.frame(&frame(20, 2));
    assert!(world.frame(&frame(10, 1)).has(Verdict::OUTDATED));
    assert!(!world.frame(&frame(30, 3)).has(Verdict::OUTDATED));
    assert_eq!(world.snapshot("s1").progress, Some(0.3));
}

#[test]
fn ages_are_kept_by_kind_and_item() {
    let model = |name: &str, status: &str, second: u8| {
        format!(
            r#"42["model_result",{{"sessionId":"s1","modelName":"{name}","status":"{status}","timestamp":"2026-01-01T00:00:{second:02}Z"}}]"#
        )
    };
    let mut world = live(Service::DocProc);
    world.frame(&model("a", "processing", 10));
    assert!(!world.frame(&model("b", "processing", 5)).has(Verdict::OUTDATED), "another model");
    assert!(world.frame(&model("a", "completed", 9)).has(Verdict::OUTDATED));
    world.frame(&model("a", "completed", 11));
    assert_eq!((item(&world, "a").phase, item(&world, "b").phase), (Phase::Done, Phase::Processing));
    assert_eq!(world.snapshot("s1").items.len(), 2, "a result replaces by its model's name");
}

#[test]
fn docprocs_phase_follows_its_clarifications() {
    let asks = |id: &str, status: &str| {
        format!(
            r#"42["clarification",{{"sessionId":"s1","clarificationId":"{id}","question":"?","status":"{status}"}}]"#
        )
    };
    let mut world = live(Service::DocProc);
    world.frame(r#"42["progress",{"sessionId":"s1","status":"PROCESSING","progress":10}]"#);
    world.frame(&asks("q1", "pending"));
    world.frame(&asks("q2", "pending"));
    world.frame(&asks("q1", "answered"));
    world.frame(r#"42["progress",{"sessionId":"s1","status":"PROCESSING","progress":20}]"#);
    assert_eq!(world.phase("s1"), Phase::NeedsInput);
    world.frame(&asks("q2", "answered"));
    assert_eq!(world.phase("s1"), Phase::Processing);
}

#[test]
fn charismas_upload_and_analysis_are_two_items() {
    let mut world = live(Service::Charisma);
    world.frame(r#"{"type":"session_upload_progress","sessionId":"s1","progress":1}"#);
    world.frame(r#"{"type":"session_status","sessionId":"s1","status":"analysis_in_progress","message":"Looking","progress":0.2}"#);
    assert_eq!((item(&world, "upload").progress, item(&world, "analysis").progress), (Some(1.0), Some(0.2)));
    assert_eq!(world.snapshot("s1").progress, Some(0.2), "that of the current phase");
    assert_eq!(world.snapshot("s1").message.as_deref(), Some("Looking"));
}

#[test]
fn sagas_project_is_as_far_as_its_least_advanced_running_item() {
    let story = |name: &str, id: &str| format!(r#"42["{name}",{{"projectId":"s1","storyId":"{id}"}}]"#);
    let mut world = live(Service::Saga);
    assert_eq!(world.phase("s1"), Phase::Waiting);
    world.frame(&story("story_processing", "a"));
    assert_eq!(world.phase("s1"), Phase::Processing);
    world.frame(r#"42["story_uploaded",{"projectId":"s1","story":{"id":"b"}}]"#);
    assert_eq!(world.phase("s1"), Phase::Uploading);
    world.frame(&story("story_processed", "b"));
    assert_eq!(world.phase("s1"), Phase::Processing);
    world.frame(&story("story_processed", "a"));
    assert_eq!(world.phase("s1"), Phase::Waiting);
    assert!(world.frame(&story("story_processing", "a")).has(Verdict::OUTDATED), "a story does not go back");
}

#[test]
fn an_export_may_start_again_but_takes_no_other_item_back() {
    let mut world = live(Service::Saga);
    world.frame(r#"42["story_processed",{"projectId":"s1","storyId":"a"}]"#);
    world.frame(r#"42["export_failed",{"projectId":"s1","exportId":"e","error":"disk"}]"#);
    assert_eq!(item(&world, "e").error.as_deref(), Some("disk"));
    assert!(!world.frame(r#"42["export_started",{"projectId":"s1","exportId":"e"}]"#).has(Verdict::OUTDATED));
    assert_eq!(item(&world, "e").phase, Phase::Processing);
    assert!(world.frame(r#"42["story_processing",{"projectId":"s1","storyId":"a"}]"#).has(Verdict::OUTDATED));
}

#[test]
fn a_retryable_failure_may_be_followed_by_anything() {
    let mut world = live(Service::DevContext);
    world.frame(r#"{"type":"analysis_failed","payload":{"analysisId":"s1","stage":"project_review","errorMessage":"slow","errorCode":"CLONE_TIMEOUT","retryable":true}}"#);
    assert_eq!(world.phase("s1"), Phase::Failed);
    assert!(world.is_live("s1") && !world.snapshot("s1").terminal);
    assert_eq!(world.snapshot("s1").error.as_deref(), Some("slow"));
    world.frame(
        r#"{"type":"stage_completed","payload":{"analysisId":"s1","stage":"project_review","progress":33}}"#,
    );
    assert_eq!((world.phase("s1"), &world.snapshot("s1").error), (Phase::Processing, &None));
}

#[test]
fn stages_learned_late_are_told_once_each_and_in_order() {
    let told = |world: &World| -> Vec<Stage> {
        world
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Derived { stage, .. } => Some(*stage),
                _ => None,
            })
            .collect()
    };
    let mut world = live(Service::DevContext);
    world.frame(r#"{"type":"stage_completed","payload":{"analysisId":"s1","stage":"intelligence_report","completedStages":["intelligence_report","project_review"],"progress":66}}"#);
    assert_eq!(told(&world), [Stage::ProjectReview], "the frame's own stage is the frame itself");
    world.frame(r#"{"type":"subscription_confirmed","payload":{"analysisId":"s1","currentStatus":"processing","completedStages":["intelligence_report","project_review"]}}"#);
    assert_eq!(told(&world).len(), 1);

    let mut world = World::dev(Service::DevContext).server(crate::support::Server::Mute);
    world.subscribe("s1");
    world.frame(r#"{"type":"subscription_confirmed","payload":{"analysisId":"s1","currentStatus":"processing","completedStages":["intelligence_report","project_review"]}}"#);
    assert_eq!(told(&world), [Stage::ProjectReview, Stage::IntelligenceReport]);
    assert_eq!((world.phase("s1"), world.snapshot("s1").items.len()), (Phase::Processing, 2));
    world.frame(r#"{"type":"stage_completed","payload":{"analysisId":"s1","stage":"interview_simulation","progress":100}}"#);
    assert_eq!((told(&world).len(), world.phase("s1")), (2, Phase::Done), "the third one ends it");
    assert_eq!(world.snapshot("s1").progress, Some(1.0));
}

#[test]
fn an_analysis_is_fetched_at_each_stage_if_the_app_wants_that() {
    let mut config = dev(Service::DevContext);
    config.fetch_on_stage = true;
    let mut world = World::new(config, HostCaps::NATIVE).obedient();
    world.subscribe("s1");
    world.frame(r#"{"type":"stage_completed","payload":{"analysisId":"s1","stage":"project_review","dataAvailable":false}}"#);
    assert!(world.requests.is_empty());
    world.frame(r#"{"type":"stage_completed","payload":{"analysisId":"s1","stage":"intelligence_report"}}"#);
    assert!(world.requests[0].1.url.ends_with("/api/analysis/s1"));
    world.http(200, true, None);
    assert!(matches!(world.events.last(), Some((_, Event::Fetched { .. }))));
}

#[test]
fn a_picture_is_stale_while_its_topic_is_not_live() {
    let mut world = live(Service::Charisma);
    assert_eq!(world.snapshot("s1").stale_since, None);
    world.at(10_000).frame(r#"{"type":"session_upload_progress","sessionId":"s1","progress":0.5}"#);
    world.at(15_000).close(1006, "");
    assert_eq!(world.snapshot("s1").stale_since, Some(EPOCH + 10_000));
    assert_eq!(world.snapshot("s1").progress, Some(0.5), "the picture itself stays");
    world.advance(1_000);
    assert_eq!(world.snapshot("s1").stale_since, None);
}

#[test]
fn items_are_bounded_and_the_oldest_finished_goes_first() {
    let mut world = live(Service::Saga);
    world.frame(r#"42["story_processing",{"projectId":"s1","storyId":"running"}]"#);
    for n in 0..300 {
        world.frame(&format!(r#"42["story_processed",{{"projectId":"s1","storyId":"n{n}"}}]"#));
    }
    let items = &world.snapshot("s1").items;
    assert_eq!((items.len(), items[0].id.as_str(), items[1].id.as_str()), (256, "running", "n45"));
}

#[test]
fn the_time_left_and_the_time_of_change_are_kept() {
    let mut world = live(Service::TherapyBridge);
    world.frame(r#"{"session_id":"s1","status":"transcribing","progress":45,"message":"Whisper","updated_at":"2026-01-01T00:00:01.5Z","estimated_time_remaining":30}"#);
    let snapshot = world.snapshot("s1");
    assert_eq!((snapshot.eta_ms, snapshot.updated_at), (Some(30_000), Some((EPOCH + 1_500) as f64)));
    world.frame(r#"{"session_id":"s1","status":"failed","progress":45,"error":"corrupt","estimated_time_remaining":30}"#);
    let snapshot = world.snapshot("s1");
    assert_eq!(
        (snapshot.eta_ms, snapshot.error.as_deref(), snapshot.terminal),
        (None, Some("corrupt"), true)
    );
    assert_eq!(snapshot.progress, Some(0.45));
}

#[test]
fn a_picture_is_bounded_in_bytes() {
    let mut world = live(Service::DocProc);
    let long = "ä".repeat(100_000);
    for n in 0..300 {
        let error = format!(
            r#"42["model_result",{{"sessionId":"s1","modelName":"m{n}","status":"failed","error":"{long}"}}]"#
        );
        assert!(world.frame(&error).has(Verdict::DELIVER));
    }
    let unnamed =
        format!(r#"42["model_result",{{"sessionId":"s1","modelName":"{long}","status":"success"}}]"#);
    assert!(world.frame(&unnamed).has(Verdict::DELIVER), "the message has it all");
    let items = &world.snapshot("s1").items;
    assert!(items.len() == 256 && items.iter().all(|item| item.id.len() <= 256));
    for item in items {
        let text = item.error.as_ref().or(item.message.as_ref()).unwrap();
        assert!(text.ends_with("ä…") && text.len() <= 4096 + '…'.len_utf8(), "{}", text.len());
    }

    let mut world = live(Service::Charisma);
    world.frame(&format!(
        r#"{{"type":"session_status","sessionId":"s1","status":"uploading","message":"{long}"}}"#
    ));
    assert!(world.snapshot("s1").message.as_ref().is_some_and(|text| text.len() < 5_000));
}

#[test]
fn a_story_and_an_export_of_one_id_are_two_things() {
    let story = [
        r#"42["story_uploaded",{"projectId":"s1","story":{"id":"1","title":"x"}}]"#,
        r#"42["story_processed",{"projectId":"s1","storyId":"1"}]"#,
    ];
    let export = [
        r#"42["export_started",{"projectId":"s1","exportId":"1"}]"#,
        r#"42["export_progress",{"projectId":"s1","exportId":"1","progress":40}]"#,
        r#"42["export_ready",{"projectId":"s1","exportId":"1","downloadUrl":"x"}]"#,
    ];
    for frames in [[&story[..], &export[..]].concat(), [&export[..], &story[..]].concat()] {
        let mut world = live(Service::Saga);
        for frame in frames {
            assert!(!world.frame(frame).has(Verdict::OUTDATED), "{frame}");
        }
        assert_eq!(world.snapshot("s1").items.len(), 2);
    }
}

#[test]
fn an_outdated_frame_out_of_range_is_reported_too() {
    let mut world = live(Service::DevContext);
    for (at, progress) in [(10, 33), (5, 333)] {
        world.frame(&format!(
            r#"{{"type":"stage_completed","timestamp":"2026-01-01T00:00:{at:02}Z","payload":{{"analysisId":"s1","stage":"project_review","progress":{progress}}}}}"#
        ));
    }
    assert_eq!(world.notices(NoticeKind::OutOfRange), 1);
}
