//! Answers that come late, twice, out of place or in another form than usual. [rules §2.7, §2.11]

use steadfast::{
    CommandErrorKind as Kind, DisconnectReason, Event, HostCaps, Phase, Request, Sent, Service, SessionType,
    SubscriptionState, TokenSource, WhyKind,
};

use crate::support::{Provider, Server, World, dev};

fn live(service: Service) -> World {
    let mut world = World::dev(service).obedient();
    world.subscribe("s1").at(15_000);
    assert!(world.is_live("s1"));
    world.delivered.clear();
    world
}

fn start(analysis: &str) -> Request {
    Request::StartInterview { analysis_id: analysis.into(), session_type: SessionType::Live }
}

fn resume(session: &str) -> Request {
    Request::ResumeInterview { session_id: session.into() }
}

/// Not this user's analysis, in answer to the question of this number.
fn denied(request: &str) -> String {
    format!(
        r#"{{"type":"error","payload":{{"errorCode":"UNAUTHORIZED","errorMessage":"no","retryable":false}},"requestId":"{request}"}}"#
    )
}

/// Makes a late answer possible and gives the number of its question.
type Story<'a> = &'a dyn Fn(&mut World) -> String;

#[test]
fn a_late_refusal_is_an_event_and_says_nothing_about_the_token() {
    let cancelled = |world: &mut World| {
        let id = world.request(start("a9"));
        let asked = world.last_request();
        world.cancel(id);
        asked
    };
    let timed_out = |world: &mut World| {
        world.request(start("a9"));
        let asked = world.last_request();
        world.advance(15_100);
        asked
    };
    let no_longer_wanted = |world: &mut World| {
        world.subscribe("a9").advance(50);
        let asked = world.last_request();
        world.unsubscribe("a9").advance(3_000);
        asked
    };
    let asked_again = |world: &mut World| {
        world.subscribe("a9");
        let asked = world.last_request();
        world.advance(10_100);
        asked
    };
    let unsubscribe = |world: &mut World| {
        world.server = Server::Obedient;
        world.subscribe("a9").advance(50).unsubscribe("a9").server = Server::Mute;
        world.advance(3_000);
        world.last_request()
    };
    let stories: [(&str, Story<'_>); 5] = [
        ("cancelled", &cancelled),
        ("timed out", &timed_out),
        ("no longer wanted", &no_longer_wanted),
        ("asked again", &asked_again),
        ("unsubscribe", &unsubscribe),
    ];
    for (name, story) in stories {
        let mut world = live(Service::DevContext);
        world.server = Server::Mute;
        let asked = story(&mut world);
        world.delivered.clear();
        let frame = denied(&asked);
        world.frame(&frame);
        world.advance(100);
        assert!(world.is_live("s1"), "{name}: {:?}", world.state());
        assert_eq!((world.opened.len(), world.delivered.len()), (1, 1), "{name}");
    }
}

#[test]
fn an_authentication_that_is_refused_by_its_number_is_about_the_token() {
    let mut world =
        World::browser(Service::DevContext).server(Server::Mute).provider(Provider::Fresh(600_000));
    world.subscribe("a1").at(100);
    let texts = world.texts();
    let asked = texts.iter().find(|text| text.contains("\"authenticate\"")).unwrap();
    let asked: serde_json::Value = serde_json::from_str(asked).unwrap();
    world.frame(&denied(asked["requestId"].as_str().unwrap()));
    assert_eq!(world.asked.last().map(|asked| asked.1), Some(true), "{:?}", world.state());
}

#[test]
fn an_analysis_that_ended_meanwhile_is_over_at_its_confirmation() {
    for (status, phase) in [("failed", Phase::Failed), ("completed", Phase::Done)] {
        let mut world = live(Service::DevContext);
        world.server = Server::Mute;
        world.close(1006, "").advance(2_000);
        world.frame(&format!(
            r#"{{"type":"subscription_confirmed","payload":{{"analysisId":"s1","currentStatus":"{status}","completedStages":["project_review"]}}}}"#
        ));
        assert_eq!(world.subscription("s1"), Some(SubscriptionState::Ended), "{status}");
        let snapshot = world.snapshot("s1");
        assert_eq!((snapshot.phase, snapshot.terminal), (phase, true));
        assert_eq!(world.gaps().len(), 1, "{status}");
    }
}

#[test]
fn a_docproc_completion_that_is_told_twice_still_waits_for_its_result() {
    let sign = r#"42["progress",{"sessionId":"s1","status":"COMPLETED","progress":100}]"#;
    let result = r#"42["completed",{"sessionId":"s1","result":{"a":1}}]"#;
    let told = |world: &World| -> Vec<String> {
        let of_the_job = |text: &&String| !text.contains("unsubscribed");
        world.delivered.iter().map(|(text, _)| text).filter(of_the_job).cloned().collect()
    };
    let mut world = live(Service::DocProc);
    for _ in 0..2 {
        world.frame(sign);
        world.advance(100);
    }
    assert!(told(&world).is_empty() && world.is_live("s1"));
    world.frame(result);
    assert_eq!(told(&world), [result]);
    assert_eq!(world.subscription("s1"), Some(SubscriptionState::Ended));

    let mut world = live(Service::DocProc);
    world.frame(sign);
    world.advance(1_500).frame(sign);
    world.advance(499);
    assert!(told(&world).is_empty());
    world.advance(1);
    assert_eq!(told(&world), [sign], "2 s after the first sign");
}

#[test]
fn docproc_takes_an_error_in_sagas_form() {
    let mut config = dev(Service::DocProc);
    config.token = TokenSource::Provider;
    let mut world = World::new(config, HostCaps::NATIVE).obedient().provider(Provider::Fresh(3_600_000));
    world.subscribe("s1").at(15_000);
    world.frame(r#"42["error",{"code":"TOKEN_EXPIRED","message":"Token expired"}]"#);
    world.frame("41");
    assert_eq!(world.asked.last().map(|asked| asked.1), Some(true));
    assert_eq!(world.machine.stats().violations, 0);

    let mut world = World::dev(Service::DocProc).server(Server::Mute);
    world.subscribe("s1").frame(r#"42["error",{"sessionId":"s1","error":null}]"#);
    assert!(matches!(world.subscription("s1"), Some(SubscriptionState::Refused { .. })));
}

#[test]
fn any_error_of_a_live_charisma_session_is_its_failure() {
    let mut world = live(Service::Charisma);
    world.frame(r#"{"type":"session_error","sessionId":"s1","status":"error","error":{"code":"RATE_LIMIT_EXCEEDED","message":"Model quota"}}"#);
    assert_eq!(world.subscription("s1"), Some(SubscriptionState::Ended));
    assert_eq!(world.snapshot("s1").error.as_deref(), Some("Model quota"));
}

#[test]
fn an_interview_that_does_not_name_its_analysis_is_the_one_that_was_asked_for() {
    let mut world = live(Service::DevContext);
    let id = world.request(start("s1"));
    world.frame(
        r#"{"type":"interview_started","payload":{"sessionId":"i1","firstQuestion":{"questionId":"q1"}}}"#,
    );
    assert!(world.outcome(id).is_ok(), "{:?}", world.outcome(id));
}

#[test]
fn stages_that_were_missed_are_fetched_too() {
    let mut config = dev(Service::DevContext);
    config.fetch_on_stage = true;
    let mut world = World::new(config, HostCaps::NATIVE).server(Server::Mute);
    world.subscribe("a1");
    world.frame(r#"{"type":"subscription_confirmed","payload":{"analysisId":"a1","currentStatus":"processing","completedStages":["project_review"]}}"#);
    assert_eq!(world.requests.len(), 1);
    world.frame(r#"{"type":"stage_completed","payload":{"analysisId":"a1","stage":"intelligence_report"}}"#);
    assert_eq!(world.requests.len(), 2);
}

#[test]
fn a_resume_that_was_written_before_may_have_arrived_and_keeps_its_place() {
    for cancels in [true, false] {
        let mut world = World::dev(Service::DevContext).obedient();
        world.subscribe("a1").server = Server::Mute;
        let ids = ["i1", "i2"].map(|session| world.request(resume(session)));
        world.server = Server::Refuses(DisconnectReason::Network("no".into()));
        world.close(1006, "");
        let id = ids[0];
        if cancels {
            world.advance(500).cancel(id);
        } else {
            world.advance(20_000);
        }
        let kind = if cancels { Kind::Cancelled } else { Kind::Expired };
        assert_eq!((world.failure(id).0, world.failure(id).3), (kind, Sent::Unknown));
    }
    let mut world = World::dev(Service::DevContext).obedient();
    world.subscribe("a1").server = Server::Mute;
    world.request(resume("i1"));
    world.request(resume("i2"));
    world.close(1006, "").advance(1_000);
    let place = |session: &str| {
        let is_it = |text: &&str| text.contains("resume_interview") && text.contains(session);
        world.texts().iter().rposition(is_it).unwrap()
    };
    assert!(place("i1") < place("i2"), "oldest first");
}

#[test]
fn a_join_that_nobody_wants_any_more_is_answered_before_the_next_goes_out() {
    let mut world = World::dev(Service::Saga).server(Server::Mute);
    world.subscribe("theirs").subscribe("mine").at(500).unsubscribe("theirs").at(3_100);
    assert_eq!(world.count_sent("join_project"), 1);
    world.frame(r#"42["error",{"code":"PROJECT_ACCESS_DENIED","message":"no"}]"#);
    assert_eq!(world.subscription("mine"), Some(SubscriptionState::Pending));
    assert_eq!(world.count_sent("join_project"), 2);
    world.frame(r#"42["joined_project",{"projectId":"mine"}]"#);
    assert!(world.is_live("mine"));
}

#[test]
fn a_picture_of_a_topic_that_is_refused_later_is_stale() {
    let mut world = World::dev(Service::TherapyBridge).obedient();
    world.subscribe("s1").frame(r#"{"session_id":"s1","status":"transcribing","progress":30}"#);
    world.at(15_000).close(1008, "Session not found");
    assert!(
        matches!(world.subscription("s1"), Some(SubscriptionState::Refused { why }) if why.kind == WhyKind::NotFound)
    );
    assert!(world.snapshot("s1").stale_since.is_some());
    let told = |event: &Event| matches!(event, Event::Snapshot { topic } if topic == "s1");
    assert!(world.events.iter().any(|(_, event)| told(event)));
}

#[test]
fn a_kept_session_of_therapybridge_ends_with_its_connection() {
    let mut world = World::dev(Service::TherapyBridge).obedient();
    world.keep("s1").frame(r#"{"session_id":"s1","status":"processed","progress":100}"#);
    world.close(1000, "Processing complete").advance(600_000);
    assert_eq!(world.subscription("s1"), Some(SubscriptionState::Ended));
    assert_eq!((world.opened.len(), world.gaps().len(), world.state().name()), (1, 0, "idle"));
}
