//! DevContext's interviews: wishes too, through reconnects, pauses and ends. [devcontext §4]

use steadfast::{
    CommandErrorKind, Event, InterviewState, Phase, Request, Secret, Sent, Service, SessionType, Verdict,
};

use crate::support::{Server, World};

fn answer(question: &str) -> Request {
    Request::SubmitAnswer { session_id: "i1".into(), question_id: question.into(), answer: Secret::new("so") }
}

/// An interview `i1` about the analysis `a1` is under way.
fn started() -> World {
    let mut world = World::dev(Service::DevContext).obedient();
    world.subscribe("a1");
    world.request(Request::StartInterview { analysis_id: "a1".into(), session_type: SessionType::Live });
    world.frame(r#"{"type":"interview_started","payload":{"sessionId":"i1","analysisId":"a1","firstQuestion":{"questionId":"q1","question":"Why?"}}}"#);
    world.at(15_000);
    assert_eq!(world.interview("i1"), Some(InterviewState::Active));
    world
}

#[test]
fn an_active_interview_is_resumed_after_the_analyses_and_an_answer_is_never_resent() {
    let mut world = started();
    let lost = world.request(answer("q1"));
    world.transcript();
    world.close(1006, "");
    assert_eq!(world.failure(lost).0, CommandErrorKind::Interrupted);
    assert_eq!(world.interview("i1"), Some(InterviewState::Starting));
    let queued = world.request(answer("q1"));
    world.advance(1_000);
    assert_eq!(world.interview("i1"), Some(InterviewState::Active));
    assert!(world.is_pending(queued));
    insta::assert_snapshot!(world.transcript());
}

#[test]
fn an_answer_waits_for_its_interview_to_be_resumed() {
    let mut world = started();
    world.server = Server::Mute;
    world.close(1006, "").advance(1_000);
    world.request(answer("q1"));
    assert_eq!((world.count_sent("resume_interview"), world.count_sent("submit_answer")), (1, 0));
    world.frame(r#"{"type":"interview_resumed","payload":{"sessionId":"i1","currentQuestion":{"questionId":"q1","question":"?"}}}"#);
    assert_eq!(world.count_sent("submit_answer"), 1);
}

#[test]
fn a_paused_interview_stays_paused_through_a_reconnect() {
    let mut world = started();
    let pause = world.request(Request::PauseInterview { session_id: "i1".into() });
    world.frame(r#"{"type":"interview_paused","payload":{"sessionId":"i1","currentQuestionIndex":3,"canResume":true}}"#);
    assert!(world.outcome(pause).is_ok());
    world.close(1006, "").advance(60_000);
    assert_eq!(world.count_sent("resume_interview"), 0);
    assert_eq!(world.interview("i1"), Some(InterviewState::Paused { can_resume: true }));
    let resume = world.request(Request::ResumeInterview { session_id: "i1".into() });
    assert!(world.outcome(resume).is_ok());
    assert_eq!(world.interview("i1"), Some(InterviewState::Active));
    world.close(1006, "").advance(30_000);
    assert_eq!(world.count_sent("resume_interview"), 2);
}

#[test]
fn an_interview_that_cannot_be_resumed_is_refused_locally() {
    let mut world = started();
    world.frame(r#"{"type":"interview_paused","payload":{"sessionId":"i1","canResume":false}}"#);
    let resume = world.request(Request::ResumeInterview { session_id: "i1".into() });
    assert_eq!(world.failure(resume), (CommandErrorKind::Rejected, None, false, Sent::No));
    assert_eq!(world.count_sent("resume_interview"), 0);
}

#[test]
fn the_evaluation_and_the_next_question_may_come_in_either_order() {
    let evaluated = r#"{"type":"answer_evaluated","payload":{"sessionId":"i1","questionId":"q1","evaluation":{"score":75},"nextAction":"follow_up"}}"#;
    let question =
        r#"{"type":"follow_up_question","payload":{"sessionId":"i1","questionId":"q2","question":"And?"}}"#;
    for order in [[evaluated, question], [question, evaluated]] {
        let mut world = started();
        let id = world.request(answer("q1"));
        assert_eq!(world.phase("i1"), Phase::Processing);
        for frame in order {
            assert!(world.frame(frame).has(Verdict::DELIVER));
        }
        assert!(world.outcome(id).is_ok());
        assert_eq!(world.phase("i1"), Phase::NeedsInput);
    }
}

#[test]
fn a_completed_interview_ends_and_is_not_resumed() {
    let mut world = started();
    world.frame(r#"{"type":"interview_complete","payload":{"sessionId":"i1","analysisId":"a1","summary":{"overallScore":72}}}"#);
    assert_eq!((world.interview("i1"), world.phase("i1")), (Some(InterviewState::Complete), Phase::Done));
    world.close(1006, "").advance(30_000);
    assert_eq!(world.count_sent("resume_interview"), 0);
    assert!(world.is_live("a1"));
}

#[test]
fn an_interview_the_server_no_longer_knows_has_failed() {
    let mut world = started();
    world.server = Server::Mute;
    world.close(1006, "").advance(1_000);
    let request = world.last_request();
    world.frame(&format!(r#"{{"type":"error","payload":{{"errorCode":"SESSION_NOT_FOUND","errorMessage":"gone","retryable":false}},"requestId":"{request}"}}"#));
    assert_eq!(world.interview("i1"), Some(InterviewState::Failed));
    world.server = Server::Obedient;
    world.close(1006, "").advance(30_000);
    assert_eq!(world.count_sent("resume_interview"), 1);
    assert!(world.is_live("a1") && world.is_ready());
}

#[test]
fn while_an_interview_runs_a_close_is_a_loss() {
    let mut world = started();
    world.frame(r#"{"type":"stage_completed","payload":{"analysisId":"a1","stage":"interview_simulation","completedStages":["project_review","intelligence_report","interview_simulation"]}}"#);
    world.close(1000, "").advance(1_000);
    assert_eq!(world.interview("i1"), Some(InterviewState::Active));
    assert_eq!(world.opened.len(), 2);
    world.frame(
        r#"{"type":"interview_complete","payload":{"sessionId":"i1","analysisId":"a1","summary":{}}}"#,
    );
    world.close(1000, "").advance(60_000);
    assert_eq!((world.state().name(), world.opened.len()), ("idle", 2), "now everything has ended");
}

#[test]
fn the_documented_list_of_states_is_a_view_of_the_three_machines() {
    let mut world = World::dev(Service::DevContext).obedient();
    let view = |world: &World| world.machine.devcontext_state().map(steadfast::DevContextState::name);
    assert_eq!(view(&world), Some("disconnected"));
    world.connect();
    assert_eq!(view(&world), Some("connected"));
    world.subscribe("a1");
    assert_eq!(view(&world), Some("subscribed"));
    world.request(Request::StartInterview { analysis_id: "a1".into(), session_type: SessionType::Live });
    world.frame(r#"{"type":"interview_started","payload":{"sessionId":"i1","analysisId":"a1","firstQuestion":{"questionId":"q1","question":"Why?"}}}"#);
    assert_eq!(view(&world), Some("interview_active"));
    world.request(Request::PauseInterview { session_id: "i1".into() });
    world.frame(r#"{"type":"interview_paused","payload":{"sessionId":"i1","canResume":true}}"#);
    assert_eq!(view(&world), Some("interview_paused"));
    world.close(1006, "");
    assert_eq!(view(&world), Some("disconnected"));
    world.advance(1_000).close(4403, "");
    assert_eq!(view(&world), Some("error"));
    world.shutdown();
    assert_eq!(view(&world), Some("disconnecting"), "until its host has closed everything");
    assert_eq!(World::dev(Service::Saga).machine.devcontext_state(), None);
}

#[test]
fn a_refused_answer_leaves_the_question_open() {
    let no = r#""errorMessage":"no","retryable":false"#;
    for frame in [
        format!(r#"{{"type":"error","payload":{{"errorCode":"INVALID_ANSWER",{no}}},"requestId":"ID"}}"#),
        format!(
            r#"{{"type":"error","payload":{{"errorCode":"RATE_LIMIT_EXCEEDED",{no}}},"requestId":"ID"}}"#
        ),
        r#"{"message":"Internal server error","connectionId":"c","requestId":"g"}"#.into(),
    ] {
        let mut world = started();
        let asked = world.snapshot("i1").clone();
        let id = world.request(answer("q1"));
        assert_eq!(world.phase("i1"), Phase::Processing);
        let before = world.events.len();
        world.frame(&frame.replace("ID", &world.last_request()));
        assert_eq!(world.failure(id).0, CommandErrorKind::Rejected, "{frame}");
        assert_eq!(*world.snapshot("i1"), asked, "{frame}");
        let told = |event: &Event| matches!(event, Event::Snapshot { topic } if topic == "i1");
        assert!(world.events[before..].iter().any(|(_, event)| told(event)), "{frame}");
        assert_eq!(world.interview("i1"), Some(InterviewState::Active));
    }
}

#[test]
fn an_answer_refused_while_another_is_evaluated_changes_nothing() {
    let mut world = started();
    let first = world.request(answer("q1"));
    let second = world.request(answer("q9"));
    let request = world.last_request();
    world.frame(&format!(r#"{{"type":"error","payload":{{"errorCode":"INVALID_MESSAGE_FORMAT","errorMessage":"out of turn","retryable":false}},"requestId":"{request}"}}"#));
    assert_eq!(world.failure(second).0, CommandErrorKind::Rejected);
    assert!(world.is_pending(first) && world.phase("i1") == Phase::Processing);
}

#[test]
fn a_refused_answer_takes_no_newer_phase_back() {
    let mut world = started();
    world.request(answer("q1"));
    let request = world.last_request();
    world.frame(
        r#"{"type":"interview_complete","payload":{"sessionId":"i1","analysisId":"a1","summary":{}}}"#,
    );
    world.frame(&format!(r#"{{"type":"error","payload":{{"errorCode":"INVALID_ANSWER","errorMessage":"late","retryable":false}},"requestId":"{request}"}}"#));
    assert_eq!(world.phase("i1"), Phase::Done);
}
