//! The desired set: handles counted, one subscribe a connection, lingering, refusals, ends, gaps. [rules §2.4, §2.5]

use steadfast::{
    Command, CommandErrorKind, ConnectionState, DisconnectReason, HostCaps, Phase, Request, Sent, Service,
    SubscriptionState, Verdict, WhyKind,
};

use crate::support::{SHARED, Server, World, dev};

/// How the service says that it wants a topic, and no longer.
fn words(service: Service) -> (&'static str, &'static str) {
    match service {
        Service::Saga => ("join_project", "leave_project"),
        Service::DevContext => ("\"subscribe_analysis", "unsubscribe_analysis"),
        Service::DocProc => ("[\"subscribe", "[\"unsubscribe"),
        _ => ("\"subscribe\"", "\"unsubscribe\""),
    }
}

#[test]
fn many_handles_are_one_subscribe_and_the_last_one_unsubscribes_after_a_linger() {
    for service in SHARED {
        let (subscribe, unsubscribe) = words(service);
        let mut world = World::dev(service).obedient();
        world.subscribe("s1").subscribe("s1").subscribe("s1");
        assert_eq!(world.count_sent(subscribe), 1, "{service}");
        world.unsubscribe("s1").unsubscribe("s1").advance(10_000);
        assert!(world.is_live("s1"));
        world.unsubscribe("s1").advance(2_499);
        assert_eq!(world.count_sent(unsubscribe), 0);
        assert!(world.is_live("s1"));
        world.advance(1);
        assert_eq!(world.count_sent(unsubscribe), 1, "{service}");
        assert_eq!(world.subscription("s1"), None);
        world.unsubscribe("s1").advance(60_000);
        assert_eq!(world.count_sent(unsubscribe), 1, "one too many changes nothing");
    }
}

#[test]
fn a_new_handle_during_the_linger_keeps_the_subscription() {
    for service in SHARED {
        let (subscribe, unsubscribe) = words(service);
        let mut world = World::dev(service).obedient();
        world.subscribe("s1").unsubscribe("s1").advance(2_499).subscribe("s1").advance(60_000);
        assert!(world.is_live("s1"), "{service}");
        assert_eq!((world.count_sent(subscribe), world.count_sent(unsubscribe)), (1, 0), "{service}");
    }
}

#[test]
fn therapybridge_closes_the_socket_of_a_session_nobody_wants() {
    let mut world = World::dev(Service::TherapyBridge).obedient();
    world.subscribe("s1").subscribe("s2").unsubscribe("s1").advance(2_500);
    assert_eq!(world.sockets().len(), 1);
    assert!(world.is_live("s2") && world.is_ready());
    world.unsubscribe("s2").advance(2_500);
    assert_eq!((world.sockets().len(), world.state()), (0, &ConnectionState::Idle));
}

#[test]
fn wishes_are_repeated_after_a_loss_in_their_order_then_queued_commands() {
    let mut world = World::dev(Service::DevContext).obedient();
    world.subscribe("b").subscribe("a").subscribe("c").at(20_000);
    world.transcript();
    world.close(1006, "");
    world.request(steadfast::Request::Ping);
    world.advance(1_000);
    insta::assert_snapshot!(world.transcript());
}

#[test]
fn each_topic_that_was_live_gets_one_gap() {
    for service in Service::ALL {
        let mut world = World::dev(service).obedient();
        world.subscribe("s1").at(14_000);
        world.input(steadfast::Input::Activity(world.socket()));
        world.at(15_000).close(1006, "").subscribe("s2").at(60_000);
        let recovered = service == Service::DevContext;
        let until = if service == Service::TherapyBridge { 18_000 } else { 16_000 };
        assert_eq!(world.gaps(), [("s1", 14_000, until, recovered)], "{service}: from the last bytes on");
    }
}

#[test]
fn therapybridges_first_frame_recovers_a_gap() {
    let mut world = World::dev(Service::TherapyBridge).obedient();
    world.subscribe("s1").at(15_000).close(1006, "").at(17_000);
    let verdict = world.frame(r#"{"session_id":"s1","status":"transcribing","progress":40}"#);
    assert!(verdict.has(Verdict::RECOVERED | Verdict::DELIVER));
    world.at(60_000);
    assert_eq!(world.gaps(), [("s1", 0, 17_000, true)]);
    assert!(
        !world.frame(r#"{"session_id":"s1","status":"transcribing","progress":41}"#).has(Verdict::RECOVERED)
    );
}

#[test]
fn a_gap_spans_failed_attempts_and_is_told_once() {
    let mut world = World::dev(Service::Saga).obedient();
    world.subscribe("p1").at(20_000).close(1006, "");
    world.server = Server::Closes(1011, "");
    world.at(26_000);
    world.server = Server::Obedient;
    world.at(100_000);
    let gaps = world.gaps();
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].1, 20_000);
}

#[test]
fn a_missing_confirmation_is_asked_once_more_and_then_the_link_is_replaced() {
    for service in SHARED {
        let (subscribe, _) = words(service);
        let mut world = World::dev(service).server(Server::Mute);
        world.subscribe("s1").at(9_999);
        assert_eq!(world.count_sent(subscribe), 1, "{service}");
        world.at(10_000);
        assert_eq!((world.count_sent(subscribe), world.opened.len()), (2, 1), "{service}");
        world.at(19_999);
        assert_eq!(world.count_sent(subscribe), 2);
        world.at(20_000);
        assert_eq!((world.why(), world.waits_until()), (WhyKind::Timeout, 21_000), "{service}");
    }
}

#[test]
fn a_late_first_confirmation_still_counts() {
    let mut world = World::dev(Service::DevContext).server(Server::Mute);
    world.subscribe("a1");
    let first = world.last_request();
    world.at(11_000);
    world.frame(&format!(r#"{{"type":"subscription_confirmed","payload":{{"analysisId":"a1","completedStages":[]}},"requestId":"{first}"}}"#));
    assert!(world.is_live("a1"));
    world.at(25_000);
    assert_eq!((world.opened.len(), world.count_sent("subscribe_analysis")), (1, 2));
}

#[test]
fn a_refused_topic_is_asked_again_only_by_a_new_subscribe() {
    let refusals = [
        (
            Service::Charisma,
            r#"{"type":"session_error","sessionId":"s1","status":"error","error":{"code":"SESSION_NOT_FOUND","message":"no"}}"#,
            WhyKind::NotFound,
        ),
        (
            Service::Charisma,
            r#"{"type":"session_error","sessionId":"s1","status":"error","error":{"code":"FORBIDDEN","message":"no"}}"#,
            WhyKind::NotAllowed,
        ),
        (
            Service::Saga,
            r#"42["error",{"code":"PROJECT_ACCESS_DENIED","message":"no","projectId":"s1"}]"#,
            WhyKind::NotAllowed,
        ),
        (
            Service::Saga,
            r#"42["error",{"code":"project_access_denied","message":"no"}]"#,
            WhyKind::NotAllowed,
        ),
        (
            Service::DocProc,
            r#"42["error",{"sessionId":"s1","error":"Session not found"}]"#,
            WhyKind::NotFound,
        ),
        (Service::DocProc, r#"42["error",{"sessionId":"s1","error":"Not allowed"}]"#, WhyKind::NotAllowed),
        (
            Service::DevContext,
            r#"{"type":"error","payload":{"errorCode":"ANALYSIS_NOT_FOUND","errorMessage":"no","retryable":false}}"#,
            WhyKind::NotFound,
        ),
        (
            Service::DevContext,
            r#"{"type":"error","payload":{"errorCode":"UNAUTHORIZED","errorMessage":"no","retryable":false},"requestId":"sf-1"}"#,
            WhyKind::NotAllowed,
        ),
    ];
    for (service, frame, kind) in refusals {
        let (subscribe, _) = words(service);
        let mut world = World::dev(service).server(Server::Mute);
        world.subscribe("s1");
        let live = world.command(Command::WaitLive { topic: "s1".into() });
        world.frame(frame);
        assert_eq!(world.refusal("s1"), kind, "{service} {frame}");
        assert_eq!(world.failure(live).0, CommandErrorKind::Rejected);
        world.server = Server::Obedient;
        world.close(1006, "").connect().advance(60_000);
        assert_eq!(world.count_sent(subscribe), 1, "{service}");
        world.subscribe("s1");
        assert!(world.is_live("s1"), "{service}");
    }
}

#[test]
fn one_join_at_a_time_so_that_a_refusal_without_an_id_has_an_owner() {
    let mut world = World::dev(Service::Saga).server(Server::Mute);
    world.subscribe("p1").subscribe("p2").subscribe("p3");
    assert_eq!(world.count_sent("join_project"), 1);
    world.frame(r#"42["joined_project",{"projectId":"p1"}]"#);
    assert_eq!(world.count_sent("join_project"), 2);
    world.frame(r#"42["error",{"code":"PROJECT_ACCESS_DENIED","message":"no"}]"#);
    assert_eq!(world.refusal("p2"), WhyKind::NotAllowed);
    assert!(world.is_live("p1"));
    assert_eq!(world.count_sent("join_project"), 3);
}

#[test]
fn an_error_about_a_live_docproc_session_ends_nothing() {
    let mut world = World::dev(Service::DocProc).obedient();
    world.subscribe("d1");
    let error = r#"42["error",{"sessionId":"d1","error":"model crashed"}]"#;
    assert!(world.frame(error).has(Verdict::DELIVER));
    assert!(world.is_live("d1"));
    world.server = Server::Mute;
    world.advance(15_000).close(1006, "").advance(1_000);
    let asked = world.count_sent("[\"subscribe");
    world.frame(error);
    world.advance(5_000);
    assert_eq!(world.count_sent("[\"subscribe"), asked, "it was live once, so this refuses nothing");
    assert_eq!(world.subscription("d1"), Some(SubscriptionState::Pending));
}

/// Each service's terminal frame for `s1`.
const ENDS: [(Service, &str, Phase); 10] = [
    (Service::Charisma, r#"{"type":"session_status","sessionId":"s1","status":"complete"}"#, Phase::Done),
    (
        Service::Charisma,
        r#"{"type":"session_status","sessionId":"s1","status":"error","error":{"code":"X","message":"no"}}"#,
        Phase::Failed,
    ),
    (
        Service::Charisma,
        r#"{"type":"session_error","sessionId":"s1","status":"error","error":{"code":"OCR_FAILED","message":"no"}}"#,
        Phase::Failed,
    ),
    (Service::TherapyBridge, r#"{"session_id":"s1","status":"processed","progress":100}"#, Phase::Done),
    (
        Service::TherapyBridge,
        r#"{"session_id":"s1","status":"failed","progress":null,"error":"no"}"#,
        Phase::Failed,
    ),
    (Service::DocProc, r#"42["completed",{"sessionId":"s1","result":{"a":1}}]"#, Phase::Done),
    (Service::DocProc, r#"42["progress",{"sessionId":"s1","status":"FAILED","progress":50}]"#, Phase::Failed),
    (
        Service::DocProc,
        r#"42["progress",{"sessionId":"s1","status":"EXPIRED","progress":50}]"#,
        Phase::Expired,
    ),
    (
        Service::DevContext,
        r#"{"type":"stage_completed","payload":{"analysisId":"s1","stage":"interview_simulation","completedStages":["project_review","intelligence_report","interview_simulation"],"progress":100}}"#,
        Phase::Done,
    ),
    (
        Service::DevContext,
        r#"{"type":"analysis_failed","payload":{"analysisId":"s1","stage":"project_review","errorMessage":"no","errorCode":"REPO_NOT_FOUND","retryable":false}}"#,
        Phase::Failed,
    ),
];

#[test]
fn a_terminal_frame_ends_its_topic_for_good() {
    for (service, frame, phase) in ENDS {
        let (subscribe, unsubscribe) = words(service);
        let mut world = World::dev(service).obedient();
        world.subscribe("s1").subscribe("other").at(15_000);
        let socket = world.sockets()[0];
        assert!(world.frame_on(socket, frame).has(Verdict::DELIVER), "{service} {frame}");
        assert_eq!(world.subscription("s1"), Some(SubscriptionState::Ended), "{service} {frame}");
        assert_eq!(world.phase("s1"), phase, "the picture stays");
        assert!(world.snapshot("s1").terminal);
        assert!(!world.frame_on(socket, frame).has(Verdict::DELIVER), "delivered once");
        if service == Service::TherapyBridge {
            world.advance(999);
            assert_eq!(world.sockets().len(), 2);
            world.advance(1);
            assert_eq!(world.sockets().len(), 1, "closed after a second");
        } else {
            assert_eq!(world.count_sent(unsubscribe), 1, "{service}");
            world.close(1006, "").advance(30_000);
            assert_eq!(world.count_sent(subscribe), 3, "{service}: only the other is asked again");
        }
        world.subscribe("s1");
        assert!(world.is_live("s1"));
        assert_eq!(world.phase("s1"), Phase::Waiting, "a new subscribe starts anew");
    }
}

#[test]
fn after_the_end_no_frame_of_the_topic_is_delivered() {
    for (service, end, frame) in [
        (
            Service::Charisma,
            ENDS[0].1,
            r#"{"type":"session_upload_progress","sessionId":"s1","progress":0.5}"#,
        ),
        (Service::TherapyBridge, ENDS[3].1, r#"{"session_id":"s1","status":"transcribing","progress":40}"#),
        (
            Service::DocProc,
            ENDS[5].1,
            r#"42["model_result",{"sessionId":"s1","modelName":"m","status":"processing"}]"#,
        ),
        (
            Service::DevContext,
            ENDS[9].1,
            r#"{"type":"stage_completed","payload":{"analysisId":"s1","stage":"project_review"}}"#,
        ),
    ] {
        let mut world = World::dev(service).obedient();
        world.subscribe("s1").frame(end);
        let before = world.snapshot("s1").clone();
        assert!(!world.frame(frame).has(Verdict::DELIVER), "{service}");
        assert_eq!(*world.snapshot("s1"), before);
    }
}

#[test]
fn a_kept_subscription_lives_through_the_end() {
    for (service, frame, phase) in ENDS {
        if service == Service::TherapyBridge {
            continue;
        }
        let (_, unsubscribe) = words(service);
        let mut world = World::dev(service).obedient();
        world.keep("s1").frame(frame);
        assert!(world.is_live("s1"), "{service} {frame}");
        assert_eq!((world.phase("s1"), world.count_sent(unsubscribe)), (phase, 0));
        world.advance(20_000).close(1006, "").advance(5_000);
        assert!(world.is_live("s1"), "{service}");
    }
}

#[test]
fn therapybridge_takes_any_close_after_the_end_as_success() {
    for code in [1000, 1006, 1011, 4401] {
        let mut world = World::dev(Service::TherapyBridge).obedient();
        world.subscribe("s1").frame(r#"{"session_id":"s1","status":"processed","progress":100}"#);
        world.advance(500).close(code, "").advance(600_000);
        assert_eq!((world.state(), world.opened.len()), (&ConnectionState::Idle, 1), "{code}");
        assert!(world.machine.stats().failures.is_empty());
    }
}

#[test]
fn the_two_signs_of_a_docproc_completion_are_one_event() {
    let progress = r#"42["progress",{"sessionId":"s1","status":"COMPLETED","progress":100}]"#;
    let with_result =
        r#"42["progress",{"sessionId":"s1","status":"COMPLETED","progress":100,"result":{"a":1}}]"#;
    let completed = r#"42["completed",{"sessionId":"s1","result":{"a":1}}]"#;
    for (first, second, delivered, at) in [
        (progress, Some(completed), completed, 0),
        (completed, Some(progress), completed, 0),
        (with_result, Some(completed), with_result, 0),
        (progress, None, progress, 2_000),
    ] {
        let mut world = World::dev(Service::DocProc).obedient();
        world.subscribe("s1").delivered.clear();
        world.frame(first);
        if let Some(second) = second {
            world.frame(second);
        }
        if at > 0 {
            world.advance(at - 1);
            assert!(world.delivered.is_empty() && world.is_live("s1"));
            world.advance(1);
        }
        let texts: Vec<_> = world
            .delivered
            .iter()
            .map(|(text, _)| text.as_str())
            .filter(|text| !text.contains("unsubscribed"))
            .collect();
        assert_eq!(texts, [delivered]);
        assert_eq!(world.subscription("s1"), Some(SubscriptionState::Ended));
    }
}

#[test]
fn frames_of_a_topic_that_nobody_wants_change_nothing() {
    let mut world = World::dev(Service::Charisma).obedient();
    world.subscribe("s1").unsubscribe("s1").advance(2_500);
    world.frame(r#"{"type":"session_status","sessionId":"s1","status":"complete"}"#);
    assert!(world.machine.snapshot("s1").is_none());
    assert_eq!(world.subscription("s1"), None);
}

#[test]
fn ids_that_cannot_be_topics_are_refused_locally() {
    for service in Service::ALL {
        for id in ["", &"x".repeat(257), "a\nb", "a\u{7f}"] {
            let mut world = World::dev(service).obedient();
            let command = world.command(Command::Subscribe { topic: id.into(), keep: false });
            assert_eq!(world.failure(command).0, CommandErrorKind::Invalid, "{service} {id:?}");
            assert!(world.opened.is_empty());
        }
        let mut world = World::new(dev(service), HostCaps::NATIVE).obedient();
        world.subscribe("a b/ü?\"'");
        assert!(world.is_live("a b/ü?\"'"), "{service}: any other id is taken as it is");
        assert!(!world.opened[0].2.url.contains(' '));
    }
}

#[test]
fn already_subscribed_is_success() {
    let mut world = World::dev(Service::DocProc).obedient();
    world.subscribe("d1");
    world.frame(r#"42["subscribed",{"sessionId":"d1"}]"#);
    assert!(world.is_live("d1"));
    assert_eq!(
        world.events.iter().filter(|(_, e)| matches!(e, steadfast::Event::Subscription { .. })).count(),
        2
    );
}

#[test]
fn waiting_for_a_refused_topic_says_whether_the_server_was_asked() {
    let wait = |world: &mut World| {
        let id = world.command(Command::WaitLive { topic: "s1".into() });
        (world.failure(id).0, world.failure(id).3)
    };
    let mut world = World::dev(Service::DocProc).server(Server::Mute);
    world.subscribe("s1");
    world.frame(r#"42["error",{"sessionId":"s1","error":"Session not found"}]"#);
    assert_eq!(wait(&mut world), (CommandErrorKind::Rejected, Sent::Yes));

    let mut world = World::dev(Service::TherapyBridge);
    world.subscribe("s1").ended(DisconnectReason::Http { status: 404, retry_after: None });
    assert_eq!(wait(&mut world), (CommandErrorKind::Rejected, Sent::Yes));

    // It never got as far as asking.
    let mut world = World::dev(Service::TherapyBridge);
    world.subscribe("s1").ended(DisconnectReason::Tls("unknown issuer".into()));
    assert_eq!(wait(&mut world), (CommandErrorKind::Rejected, Sent::No));
}

#[test]
fn an_id_that_is_a_step_in_a_path_is_refused_by_name_and_never_sent() {
    for id in ["", ".", ".."] {
        for service in Service::ALL {
            let mut world = World::dev(service).obedient();
            let refused = world.command(Command::Subscribe { topic: id.into(), keep: false });
            assert_eq!(
                world.failure(refused),
                (CommandErrorKind::Invalid, None, false, Sent::No),
                "{service}"
            );
            assert!(world.outcome(refused).as_ref().unwrap_err().message.starts_with("topic: "));
            assert_eq!(world.opened.len(), 0, "{service} {id:?}");
        }
        for (service, request, field) in [
            (Service::DocProc, Request::Session { session_id: id.into() }, "session_id: "),
            (Service::DevContext, Request::Analysis { analysis_id: id.into() }, "analysis_id: "),
            (Service::DevContext, Request::PauseInterview { session_id: id.into() }, "session_id: "),
        ] {
            let mut world = World::dev(service).obedient();
            let refused = world.request(request);
            assert_eq!(world.failure(refused).0, CommandErrorKind::Invalid);
            assert!(world.outcome(refused).as_ref().unwrap_err().message.starts_with(field));
            assert_eq!(world.requests.len(), 0, "{id:?}");
        }
    }
    let mut world = World::dev(Service::TherapyBridge).obedient();
    world.subscribe("...").subscribe(".a").subscribe("%2e");
    assert!(world.is_live("...") && world.is_live(".a") && world.is_live("%2e"));
    assert!(world.opened.iter().any(|(.., request)| request.url.contains("/%252e")));
}
