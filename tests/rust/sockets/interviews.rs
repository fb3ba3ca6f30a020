//! Whole interviews of DevContext. [devcontext]

use serde_json::json;
use steadfast::Service;
use steadfast::client::{DevContext, DevContextClient, Session, TopicEvent, Update};
use steadfast::messages::devcontext::Message;
use steadfast::{CommandErrorKind, InterviewState, Sent, SessionType};
use steadfast_mock_server::MockServer;
use steadfast_tests::{brisk, fault, live, mock, now, within};

fn client(server: &MockServer) -> DevContextClient {
    DevContextClient::new(brisk(server, Service::DevContext)).unwrap()
}

/// The id of the next question, or `None` when the interview is complete.
async fn next_question(session: &mut Session<DevContext>) -> Option<String> {
    loop {
        match within("the next question", session.next_message()).await?.data() {
            Message::FollowUpQuestion(question) => return Some(question.question_id.clone()),
            Message::NextQuestion(question) => return Some(question.question_id.clone()),
            Message::InterviewComplete(end) => {
                assert!(end.summary.is_some());
                return None;
            }
            _ => {}
        }
    }
}

async fn until(session: &mut Session<DevContext>, wanted: InterviewState) {
    loop {
        let update = within(&format!("{wanted:?}"), session.next()).await;
        match update {
            Some(Update::Other(TopicEvent::Interview(state))) if state.name() == wanted.name() => return,
            Some(_) => {}
            None => panic!("the stream ended before {wanted:?}"),
        }
    }
}

#[tokio::test]
async fn an_interview_with_a_follow_up_a_pause_and_a_lost_connection_completes() {
    for echo in ["always", "never"] {
        let server = mock(&[&format!("devcontext.echo={echo}")]).await;
        let client = client(&server);
        let started = within("start", client.start_interview("quiet-1", SessionType::Live)).await.unwrap();
        let mut session = client.session(started.session_id.clone()).unwrap();
        // A paused interview alone is no reason to be connected; this is.
        let _analysis = live(&client, "quiet-1").await;
        let id = started.session_id.as_str();
        let mut question = started.first_question.as_ref().and_then(|q| q.question_id.clone()).unwrap();
        let mut answered = 0;
        loop {
            let evaluated =
                within("the evaluation", client.submit_answer(id, &question, "Because of state."))
                    .await
                    .unwrap();
            assert_eq!(evaluated.question_id, question);
            assert!(evaluated.evaluation.is_some());
            answered += 1;
            let Some(next) = next_question(&mut session).await else { break };
            question = next;
            if answered == 1 {
                let paused = within("pause", client.pause_interview(id)).await.unwrap();
                assert_eq!(paused.can_resume, Some(true));
                until(&mut session, InterviewState::Paused { can_resume: true }).await;
                let error = within("answer", client.submit_answer(id, &question, "x")).await.unwrap_err();
                assert_eq!(error.kind, CommandErrorKind::Rejected, "{error}");
                // Paused it stays through a reconnect.
                now(&server, Service::DevContext, json!({"do": "drop", "how": "fin"}));
                within("ready", async {
                    while client.stats().reconnects < 1 {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
                let resumed =
                    server.journal().after(0, |entry| entry.kind.as_deref() == Some("resume_interview"));
                assert_eq!(resumed.len(), 0, "paused ones stay paused");
                let resumed = within("resume", client.resume_interview(id)).await.unwrap();
                assert_eq!(resumed.current_question.unwrap().question_id.as_ref(), Some(&question));
            }
            if answered == 2 {
                // An active one is resumed by itself.
                now(&server, Service::DevContext, json!({"do": "drop", "code": 1011}));
                until(&mut session, InterviewState::Active).await;
            }
        }
        assert_eq!(answered, 4, "three questions and a follow-up");
        let snapshot = session.snapshot().unwrap();
        assert!(snapshot.terminal, "{snapshot:?}");
        assert_eq!(client.stats().reconnects, 2);
        within("shutdown", client.shutdown()).await;
    }
}

#[tokio::test]
async fn an_answer_whose_connection_dies_is_interrupted_and_its_evaluation_still_comes() {
    let server = mock(&[]).await;
    let client = client(&server);
    let started = within("start", client.start_interview("quiet-1", SessionType::Practice)).await.unwrap();
    let mut session = client.session(started.session_id.clone()).unwrap();
    let question = started.first_question.and_then(|q| q.question_id).unwrap();
    fault(
        &server,
        json!({"match": {"service": "devcontext", "type": "answer_evaluated"}, "times": 1,
        "action": {"do": "drop", "how": "rst"}}),
    );
    let error = within("the answer", client.submit_answer(started.session_id.as_str(), &question, "x"))
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.sent), (CommandErrorKind::Interrupted, Sent::Unknown), "{error}");
    until(&mut session, InterviewState::Active).await;
    let said = server.journal().after(0, |entry| entry.kind.as_deref() == Some("submit_answer"));
    assert_eq!(said.len(), 1, "an answer is never sent twice");
    // The server goes on with the next question, which the resumption tells.
    let resumed = within("resume", client.resume_interview(started.session_id.as_str())).await.unwrap();
    assert_ne!(resumed.current_question.and_then(|q| q.question_id), Some(question));
}

#[tokio::test]
async fn interviews_that_do_not_exist_or_belong_to_others_are_refused() {
    let server = mock(&[]).await;
    let client = client(&server);
    let error = within("start", client.start_interview("missing-1", SessionType::Live)).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (CommandErrorKind::Rejected, Some("ANALYSIS_NOT_FOUND")),
        "{error}"
    );
    let error = within("start", client.start_interview("denied-1", SessionType::Live)).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("UNAUTHORIZED"), "{error}");
    for error in [
        within("pause", client.pause_interview("nobody")).await.unwrap_err(),
        within("resume", client.resume_interview("nobody")).await.unwrap_err(),
        within("answer", client.submit_answer("nobody", "q", "a")).await.unwrap_err(),
    ] {
        assert_eq!(
            (error.kind, error.code.as_deref(), error.sent),
            (CommandErrorKind::Rejected, Some("SESSION_NOT_FOUND"), Sent::Yes),
            "{error}"
        );
    }
    assert_eq!(client.stats().attempts, 1, "the connection is not to blame");
}
