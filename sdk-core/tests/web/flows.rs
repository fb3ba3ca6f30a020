//! All five services, followed from subscribe to end.

use steadfast::client::{
    DevContextClient, DocProcClient, Subscription, TherapyBridgeClient, TopicEvent, Update,
};
use steadfast::messages::{devcontext, docproc};
use steadfast::{ConnectionState, Phase, Service, SessionType, SubscriptionState};
use wasm_bindgen_test::wasm_bindgen_test;

use super::support::{client, live, options, within};

/// A name that no run before has used: a job runs once.
fn fresh(name: &str) -> String {
    format!("{name}-{}", js_sys::Math::random())
}

/// Everything a subscription tells until it ends, in words.
async fn follow(subscription: &mut Subscription) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(event) = within("the next event", subscription.next()).await {
        names.push(match event {
            TopicEvent::State(state) => format!("[{}]", state.name()),
            TopicEvent::Message(message) => message.data.name().to_owned(),
            other => format!("{other:?}"),
        });
    }
    names
}

fn count(names: &[String], name: &str) -> usize {
    names.iter().filter(|own| *own == name).count()
}

#[wasm_bindgen_test]
async fn charisma_goes_from_upload_to_complete() {
    let client = client("web-charisma", Service::Charisma).await;
    let mut subscription = live(&client, &fresh("session")).await;
    assert!(matches!(client.state(), ConnectionState::Ready { .. }));
    let names = follow(&mut subscription).await;
    assert!(count(&names, "session_upload_progress") >= 10, "{names:?}");
    assert_eq!(names.last().unwrap(), "[ended]", "{names:?}");
    let snapshot = subscription.snapshot().unwrap();
    assert_eq!((snapshot.phase, snapshot.terminal), (Phase::Done, true));
    assert_eq!((client.stats().attempts, client.stats().violations), (1, 0));
    within("shutdown", client.shutdown()).await;
    assert_eq!(client.state(), ConnectionState::Closed);
}

#[wasm_bindgen_test]
async fn therapybridge_signs_in_and_goes_from_uploading_to_processed() {
    let service = Service::TherapyBridge;
    let client = TherapyBridgeClient::new(options("web-therapist", service).await).unwrap();
    let login = within("login", client.login("web-therapist@example.com", "secret")).await.unwrap();
    assert!(login.access_token.contains('.'), "a JWT");
    let mut subscription = client.subscribe(fresh("session")).unwrap();
    let names = follow(&mut subscription).await;
    assert!(count(&names, "progress") >= 3, "{names:?}");
    assert_eq!(subscription.snapshot().unwrap().progress, Some(1.0), "{names:?}");
    assert_eq!(subscription.state(), SubscriptionState::Ended);
    within("shutdown", client.shutdown()).await;
}

#[wasm_bindgen_test]
async fn saga_follows_a_story_and_an_export() {
    let client = client("web-saga", Service::Saga).await;
    let mut subscription = client.subscribe(fresh("project")).unwrap();
    let mut names = Vec::new();
    while count(&names, "export_ready") == 0 {
        if let Some(TopicEvent::Message(message)) = within("the next event", subscription.next()).await {
            names.push(message.data.name().to_owned());
        }
    }
    assert_eq!(count(&names, "story_processed"), 1, "{names:?}");
    let snapshot = subscription.snapshot().unwrap();
    assert!(snapshot.items.iter().all(|item| item.phase == Phase::Done), "{snapshot:?}");
    assert_eq!(subscription.state(), SubscriptionState::Live, "a room never ends");
    within("shutdown", client.shutdown()).await;
}

#[wasm_bindgen_test]
async fn docproc_asks_a_person_and_completes_once() {
    let client = DocProcClient::new(options("web-docproc", Service::DocProc).await).unwrap();
    let topic = fresh("invoice");
    let mut session = client.session(&topic).unwrap();
    let (mut completions, mut answered) = (0, 0);
    while let Some(message) = within("the next message", session.next_message()).await {
        completions += usize::from(match message.data() {
            docproc::Message::Completed(_) => true,
            docproc::Message::Progress(progress) => progress.status == docproc::Status::Completed,
            _ => false,
        });
        if let docproc::Message::Clarification(question) = message.data()
            && question.status == docproc::ClarificationStatus::Pending
        {
            let reply = client.respond_to_clarification(question.clarification_id.clone(), "the second one");
            let reply = within("the answer's receipt", reply).await.unwrap();
            assert_eq!(reply.clarification_id.as_ref(), Some(&question.clarification_id));
            answered += 1;
        }
    }
    assert_eq!((completions, answered), (1, 1));
    let fetched = within("the session", client.fetch_session(&topic)).await.unwrap();
    assert_eq!(fetched.status, docproc::Status::Completed);
    within("shutdown", client.shutdown()).await;
}

#[wasm_bindgen_test]
async fn devcontext_completes_three_stages_and_an_interview() {
    let client = DevContextClient::new(options("web-devcontext", Service::DevContext).await).unwrap();
    let topic = fresh("analysis");
    let names = follow(&mut client.subscribe(&topic).unwrap()).await;
    assert_eq!(count(&names, "stage_completed"), 3, "{names:?}");
    assert_eq!(names.last().unwrap(), "[ended]");

    let started =
        within("the interview", client.start_interview(&topic, SessionType::Practice)).await.unwrap();
    let mut interview = client.session(&started.session_id).unwrap();
    let mut question = started.first_question.and_then(|first| first.question_id);
    let mut scores = Vec::new();
    let summary = loop {
        if let Some(id) = question.take() {
            let judged = client.submit_answer(&started.session_id, id, "because it is tested");
            scores.push(within("the evaluation", judged).await.unwrap().evaluation.unwrap().score);
        }
        match within("the next update", interview.next()).await.expect("the interview goes on") {
            Update::Message(message) => match message.data() {
                devcontext::Message::FollowUpQuestion(next) => question = Some(next.question_id.clone()),
                devcontext::Message::NextQuestion(next) => question = Some(next.question_id.clone()),
                devcontext::Message::InterviewComplete(done) => break done.summary.clone(),
                _ => {}
            },
            Update::Other(_) => {}
        }
    };
    assert!(scores.len() >= 2, "{scores:?}");
    assert!(summary.is_some());
    within("shutdown", client.shutdown()).await;
}
