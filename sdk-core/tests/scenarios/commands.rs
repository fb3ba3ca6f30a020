//! Commands: each ends once, in one of the ways there are. [rules §2.7]

use steadfast::{
    Command, CommandErrorKind as Kind, CommandId, Delivery, HostCaps, Input, Request, Secret, Sent, Service,
    SessionType, SubscriptionState,
};

use crate::support::{Server, World, dev};

fn start(analysis: &str) -> Request {
    Request::StartInterview { analysis_id: analysis.into(), session_type: SessionType::Live }
}

fn answer(session: &str, question: &str) -> Request {
    Request::SubmitAnswer {
        session_id: session.into(),
        question_id: question.into(),
        answer: Secret::new("so"),
    }
}

fn raw(kind: &str, payload: &str) -> Request {
    Request::SendRaw { kind: kind.into(), payload: Secret::new(payload) }
}

fn error(code: &str, retryable: bool, request: Option<&str>) -> String {
    let request = request.map(|id| format!(r#","requestId":"{id}""#)).unwrap_or_default();
    format!(
        r#"{{"type":"error","payload":{{"errorCode":"{code}","errorMessage":"no","retryable":{retryable}}}{request}}}"#
    )
}

fn ready() -> World {
    let mut world = World::dev(Service::DevContext).obedient();
    world.subscribe("a1").at(15_000);
    world
}

#[test]
fn confirmed_by_the_reply_that_repeats_the_id() {
    let mut world = ready();
    let (one, two) = (world.request(start("a1")), world.request(start("a2")));
    let request = world.last_request();
    world.advance(250);
    world.frame(&format!(r#"{{"type":"interview_started","payload":{{"sessionId":"i2","analysisId":"a2","firstQuestion":{{"questionId":"q","question":"?"}}}},"requestId":"{request}"}}"#));
    assert_eq!(world.outcome(two).as_ref().unwrap().elapsed, 250);
    assert!(world.outcome(two).as_ref().unwrap().frame.is_some());
    assert!(world.is_pending(one));
    world.frame(r#"{"type":"interview_started","payload":{"sessionId":"i1","analysisId":"a1","firstQuestion":{"questionId":"q","question":"?"}}}"#);
    assert!(world.outcome(one).is_ok(), "without an id: by its type and analysis");
}

#[test]
fn rejected_by_the_error_that_repeats_the_id_or_else_the_oldest_is() {
    let mut world = ready();
    let (one, two, three) =
        (world.request(start("a1")), world.request(start("a2")), world.request(start("a3")));
    let third = world.last_request();
    world.frame(&error("INTERNAL_ERROR", true, Some(&third)));
    assert_eq!(world.failure(three), (Kind::Rejected, Some("INTERNAL_ERROR"), true, Sent::Yes));
    world.frame(&error("ANALYSIS_NOT_FOUND", false, None));
    assert_eq!(world.failure(one), (Kind::Rejected, Some("ANALYSIS_NOT_FOUND"), false, Sent::Yes));
    world.frame(r#"{"message":"Internal server error","connectionId":"L0","requestId":"acC2"}"#);
    assert_eq!(world.failure(two), (Kind::Rejected, Some("GATEWAY_ERROR"), true, Sent::Yes));
    assert!(world.is_live("a1"));
}

#[test]
fn an_error_with_the_id_of_a_question_nobody_asks_any_more_is_nobodys() {
    let mut world = ready();
    let cancelled = world.request(start("a1"));
    let request = world.last_request();
    world.cancel(cancelled);
    let other = world.request(start("a2"));
    world.frame(&error("INTERNAL_ERROR", true, Some(&request)));
    assert!(world.is_pending(other));
}

#[test]
fn retryable_comes_from_the_frame_or_else_from_the_table() {
    for (payload, retryable) in [
        (r#"{"errorCode":"INTERNAL_ERROR","errorMessage":"x"}"#, true),
        (r#"{"errorCode":"INTERNAL_ERROR","errorMessage":"x","retryable":false}"#, false),
        (r#"{"errorCode":"SESSION_NOT_FOUND","errorMessage":"x"}"#, false),
        (r#"{"errorCode":"WHO_KNOWS","errorMessage":"x"}"#, false),
    ] {
        let mut world = ready();
        let id = world.request(start("a1"));
        world.frame(&format!(r#"{{"type":"error","payload":{payload}}}"#));
        assert_eq!(world.failure(id).2, retryable, "{payload}");
    }
}

#[test]
fn an_unauthorized_that_names_nothing_is_first_a_matter_of_the_token() {
    let mut world = World::dev(Service::DevContext)
        .server(Server::Mute)
        .provider(crate::support::Provider::Fresh(3_600_000));
    world.subscribe("foreign").frame(&error("UNAUTHORIZED", false, None));
    assert_eq!((world.opened.len(), world.asked.last()), (2, Some(&(0, true))));
    world.frame(&error("UNAUTHORIZED", false, None));
    assert!(matches!(world.subscription("foreign"), Some(SubscriptionState::Refused { .. })));
    assert!(world.is_ready() && world.opened.len() == 2, "the connection stays");
}

#[test]
fn timed_out_after_fifteen_seconds_and_a_late_reply_is_an_ordinary_event() {
    let mut world = ready();
    let id = world.request(start("a1"));
    let request = world.last_request();
    world.advance(14_999);
    assert!(world.is_pending(id));
    world.advance(1);
    assert_eq!(world.failure(id), (Kind::TimedOut, None, true, Sent::Unknown));
    let late = format!(
        r#"{{"type":"interview_started","payload":{{"sessionId":"i1","analysisId":"a1","firstQuestion":{{"questionId":"q","question":"?"}}}},"requestId":"{request}"}}"#
    );
    assert!(world.frame(&late).has(steadfast::Verdict::DELIVER));
    assert_eq!(world.outcomes[&id.0].len(), 1);
}

#[test]
fn interrupted_when_the_connection_dies_and_never_sent_again() {
    let mut world = ready();
    let ids = [
        world.request(start("a1")),
        world.request(answer("i1", "q1")),
        world.request(Request::PauseInterview { session_id: "i1".into() }),
    ];
    world.close(1006, "").advance(60_000);
    for id in ids {
        assert_eq!(world.failure(id), (Kind::Interrupted, None, true, Sent::Unknown));
    }
    assert_eq!(
        [
            world.count_sent("start_interview"),
            world.count_sent("submit_answer"),
            world.count_sent("pause_interview")
        ],
        [1, 1, 1]
    );
}

#[test]
fn resume_interview_is_sent_again_because_that_is_safe() {
    let mut world = World::dev(Service::DevContext).server(Server::Mute);
    world.connect();
    let id = world.request(Request::ResumeInterview { session_id: "i1".into() });
    world.advance(1_000).close(1006, "");
    world.server = Server::Obedient;
    world.advance(1_000);
    assert_eq!(world.count_sent("resume_interview"), 2);
    assert!(world.outcome(id).is_ok());
    assert_eq!(world.interview("i1"), Some(steadfast::InterviewState::Active), "it is a wish from now on");
    world.advance(20_000).close(1006, "").advance(1_000);
    assert_eq!(world.count_sent("resume_interview"), 3);
}

#[test]
fn cancelled_in_the_queue_in_flight_and_while_waiting() {
    let mut world = ready();
    let in_flight = world.request(start("a1"));
    world.cancel(in_flight);
    assert_eq!(world.failure(in_flight), (Kind::Cancelled, None, true, Sent::Unknown));
    world.close(1006, "");
    let queued = world.request(start("a2"));
    world.cancel(queued);
    assert_eq!(world.failure(queued).3, Sent::No);
    let waiting = world.command(Command::WaitReady);
    world.cancel(waiting).cancel(waiting).cancel(CommandId(999));
    assert_eq!(world.failure(waiting).0, Kind::Cancelled);
    world.advance(60_000);
    assert_eq!(world.count_sent("start_interview"), 1);
}

#[test]
fn expired_in_the_queue_after_its_time() {
    let mut world = World::dev(Service::DevContext);
    let default = world.request(start("a1"));
    let short = world.command(Command::Request(start("a2"), Delivery::WaitReady { ttl: 2_000 }));
    world.at(2_000);
    assert_eq!(world.failure(short), (Kind::Expired, None, true, Sent::No));
    world.at(29_999);
    assert!(world.is_pending(default));
    world.at(30_000);
    assert_eq!(world.failure(default).0, Kind::Expired);
}

#[test]
fn fail_fast_does_not_wait() {
    for request in [Request::Ping, raw("hello", "{}"), start("a1")] {
        let mut world = World::dev(Service::DevContext);
        let id = world.request_now(request.clone());
        assert_eq!(world.failure(id), (Kind::NotConnected, None, true, Sent::No));
        assert!(world.opened.is_empty());
        let mut world = ready();
        let id = world.request_now(request);
        assert!(world.is_pending(id) || world.outcome(id).is_ok());
    }
}

#[test]
fn fail_fast_does_not_wait_for_another_connection_either() {
    let mut world = ready();
    let first = world.request(start("a1"));
    let second = world.request_now(start("a1"));
    assert_eq!(world.count_sent("start_interview"), 1, "one in flight per key");
    world.close(1006, "");
    assert_eq!(world.failure(first).0, Kind::Interrupted);
    assert_eq!(world.failure(second), (Kind::NotConnected, None, true, Sent::No));
}

#[test]
fn waiting_is_of_no_use_when_the_client_has_stopped() {
    let mut world = ready();
    world.close(4403, "");
    let id = world.request(start("a1"));
    assert_eq!(world.failure(id).0, Kind::NotConnected);
    let id = world.command(Command::WaitReady);
    assert_eq!(world.failure(id).0, Kind::NotConnected);
}

#[test]
fn the_queue_has_bounds_of_number_and_size() {
    let mut world = World::dev(Service::Charisma);
    for _ in 0..64 {
        let id = world.request(raw("x", "{}"));
        assert!(world.is_pending(id));
    }
    let id = world.request(raw("x", "{}"));
    assert_eq!(world.failure(id), (Kind::QueueFull, None, true, Sent::No));
    let mut world = World::dev(Service::Charisma);
    let big = format!("\"{}\"", "x".repeat(200 * 1024));
    let first = world.request(raw("x", &big));
    let second = world.request(raw("x", &big));
    assert!(world.is_pending(first));
    assert_eq!(world.failure(second), (Kind::QueueFull, None, true, Sent::No));
}

#[test]
fn a_command_larger_than_the_queue_says_so_and_is_not_worth_another_try() {
    let mut world = World::dev(Service::Charisma);
    let id = world.request(raw("x", &format!("\"{}\"", "x".repeat(300 * 1024))));
    assert_eq!(world.failure(id), (Kind::QueueFull, None, false, Sent::No));
    let Err(error) = world.outcome(id) else { panic!("it was taken") };
    assert!(error.message.contains("this command alone has 3072"), "{}", error.message);
    assert!(error.message.contains("262144") && error.message.contains("queue_bytes"), "{}", error.message);
    assert!(!error.message.contains("wait already"), "{}", error.message);
}

#[test]
fn a_message_over_the_limit_is_refused_locally() {
    for (service, limit) in
        [(Service::DevContext, 128 * 1024), (Service::Charisma, 1024 * 1024), (Service::Saga, 1024 * 1024)]
    {
        let mut config = dev(service);
        config.limits.queue_bytes = usize::MAX / 2;
        let mut world = World::new(config, HostCaps::NATIVE).obedient();
        world.subscribe("s1");
        let fits = world.request(raw("x", &format!("\"{}\"", "x".repeat(limit - 300))));
        assert!(world.outcome(fits).is_ok(), "{service}");
        let over = world.request(raw("x", &format!("\"{}\"", "x".repeat(limit))));
        assert_eq!(world.failure(over), (Kind::PayloadTooLarge, None, false, Sent::No), "{service}");
        assert_eq!(world.count_sent("xxxxx"), 1);
    }
}

#[test]
fn what_a_service_has_not_is_invalid() {
    for (service, request) in [
        (Service::Charisma, Request::Ping),
        (Service::Saga, start("a1")),
        (Service::TherapyBridge, Request::Authenticate),
        (Service::DocProc, Request::Login { email: "x".into(), password: Secret::new("y") }),
        (Service::DevContext, Request::ServerHealth),
        (Service::DevContext, start("")),
        (Service::DevContext, answer("i1", "a\0b")),
    ] {
        let mut world = World::dev(service).obedient();
        let id = world.request(request);
        assert_eq!(world.failure(id), (Kind::Invalid, None, false, Sent::No));
    }
}

#[test]
fn send_raw_is_confirmed_when_written() {
    for service in Service::ALL {
        let mut world = World::dev(service).obedient();
        world.subscribe("s1");
        let id = world.request_now(raw("wave", r#"{"a":1}"#));
        assert!(world.outcome(id).is_ok(), "{service}");
        let text = world.texts().last().unwrap().to_string();
        assert!(text.contains("wave") && text.contains(r#"{"a":1}"#), "{text}");
    }
}

#[test]
fn one_in_flight_per_key_the_next_follows_its_answer() {
    let mut world = ready();
    world.request(answer("i1", "q1"));
    let again = world.request(answer("i1", "q1"));
    let other = world.request(answer("i1", "q2"));
    assert_eq!(world.count_sent("submit_answer"), 2);
    world.frame(r#"{"type":"answer_evaluated","payload":{"sessionId":"i1","questionId":"q1","evaluation":{"score":1},"nextAction":"complete"}}"#);
    assert_eq!(world.count_sent("submit_answer"), 3);
    assert!(world.is_pending(again) && world.is_pending(other));
}

#[test]
fn a_command_waits_for_its_own_topic_and_for_no_other() {
    let mut world = World::dev(Service::DevContext).server(Server::Mute);
    world.subscribe("a1").subscribe("a2");
    let (mine, others, ping) =
        (world.request(start("a1")), world.request(start("a3")), world.request(Request::Ping));
    assert_eq!(world.count_sent("start_interview"), 1, "a3 is nobody's wish");
    assert_eq!(world.count_sent("\"ping\""), 1);
    world.frame(r#"{"type":"subscription_confirmed","payload":{"analysisId":"a1","completedStages":[]}}"#);
    assert_eq!(world.count_sent("start_interview"), 2, "a2 is still pending");
    assert!(world.is_pending(mine) && world.is_pending(others) && world.is_pending(ping));
}

#[test]
fn devcontexts_authenticate_is_confirmed_by_the_next_frame_or_by_silence() {
    let mut world = ready();
    let id = world.request(Request::Authenticate);
    world.frame(
        r#"{"type":"stage_completed","payload":{"analysisId":"a1","stage":"project_review","progress":33}}"#,
    );
    assert!(world.outcome(id).is_ok(), "any frame that is no error");
    let id = world.request(Request::Authenticate);
    world.advance(4_999);
    assert!(world.is_pending(id));
    world.advance(1);
    assert!(world.outcome(id).is_ok());
    let mut world = World::dev(Service::Charisma).obedient();
    world.connect();
    let id = world.request(Request::Authenticate);
    assert!(world.outcome(id).is_ok(), "Charisma answers");
}

#[test]
fn rest_requests_need_no_connection_but_their_token() {
    let mut world = World::dev(Service::DocProc);
    let id = world.request(Request::Session { session_id: "a/b".into() });
    assert!(world.requests[0].1.url.ends_with("/api/wizard/session/a%2Fb"));
    world.http(404, true, Some("no such session"));
    assert_eq!(world.failure(id), (Kind::Rejected, Some("404"), false, Sent::Yes));
    let id = world.request(Request::Session { session_id: "d1".into() });
    world.http(503, false, None);
    assert!(world.failure(id).2, "5xx may be tried again");
    let id = world.request(Request::Session { session_id: "d1".into() });
    world.advance(15_000);
    assert_eq!(world.failure(id).0, Kind::TimedOut);
    assert_eq!(world.aborted.len(), 1);
    assert!(world.opened.is_empty());

    let mut world = World::dev(Service::Saga);
    let health = world.request(Request::ServerHealth);
    assert!(world.asked.is_empty() && world.is_pending(health));
    world.request(Request::ServerStats);
    assert_eq!(world.asked.len(), 1);
    assert!(
        world.requests[1]
            .1
            .headers
            .iter()
            .any(|(name, value)| name == "Authorization" && value == "Bearer tok-0")
    );
    assert!(world.opened.is_empty());
}

#[test]
fn shutdown_gives_everything_one_outcome() {
    let mut world = ready();
    let in_flight = world.request(start("a1"));
    let fetch = world.request(Request::Analysis { analysis_id: "a1".into() });
    let live = world.command(Command::WaitLive { topic: "a1".into() });
    assert!(world.outcome(live).is_ok());
    world.subscribe("never");
    let socket = world.socket();
    world.shutdown();
    assert_eq!(world.failure(in_flight), (Kind::Closed, None, true, Sent::Unknown));
    assert_eq!(world.failure(fetch).0, Kind::Closed);
    assert_eq!((world.sockets().len(), world.aborted.len()), (0, 1));
    assert_eq!(world.state().name(), "closed");
    let late = world.request(Request::Ping);
    assert_eq!(world.failure(late), (Kind::Closed, None, false, Sent::No));
    world.shutdown().connect();
    world.input(Input::Closed(socket, steadfast::DisconnectReason::TooLarge));
    world.frame_on(socket, r#"{"type":"pong","payload":{}}"#);
    world.advance(600_000);
    assert_eq!((world.opened.len(), world.machine.deadline()), (1, None));
    assert!(world.outcomes.values().all(|outcomes| outcomes.len() == 1));

    let mut world = World::dev(Service::Saga);
    let (queued, waiter) = (world.request(raw("x", "")), world.command(Command::WaitReady));
    world.shutdown();
    assert_eq!([world.failure(queued).0, world.failure(waiter).0], [Kind::Closed; 2]);
}
