//! One follower for each service: what an app would do.

use steadfast::Service;
use steadfast::client::{
    Charisma, CharismaClient, DevContext, DevContextClient, DocProc, DocProcClient, Saga, SagaClient,
    TherapyBridge, TherapyBridgeClient, Update,
};
use steadfast::messages::{charisma, devcontext, docproc, saga};
use steadfast_mock_server::{
    Action, How, HttpFault, Match, MockServer, Rule, Service as MockService, TcpFault, When,
};

use crate::interview;
use crate::scene::{Outcome, Scene};

/// All five at once, until the last one has ended.
pub(crate) async fn play(scene: &Scene) -> Outcome<()> {
    tokio::try_join!(charisma(scene), therapybridge(scene), saga(scene), docproc(scene), devcontext(scene))?;
    Ok(())
}

/// A person looks at what was read from the screenshot.
async fn charisma(scene: &Scene) -> Outcome<()> {
    let client = CharismaClient::new(scene.options::<Charisma>())?;
    scene
        .attended(&client, async {
            let mut session = client.session("session_123")?;
            while let Some(update) = session.next().await {
                scene.update(&session, &update);
                if let Update::Message(message) = &update
                    && let charisma::Message::SessionStatus(status) = message.data()
                    && let Some(lines) = &status.ocr_result
                {
                    let text =
                        format!("{} lines were read from the screenshot; a person agrees", lines.len());
                    scene.screen.say(Some(Service::Charisma), &text);
                    tokio::time::sleep(scene.pace.read).await;
                    scene.server.confirm(MockService::Charisma, session.topic())?;
                }
            }
            Ok(())
        })
        .await
}

async fn therapybridge(scene: &Scene) -> Outcome<()> {
    let client = TherapyBridgeClient::new(scene.options::<TherapyBridge>())?;
    scene
        .attended(&client, async {
            let mut session = client.session("550e8400-e29b-41d4-a716-446655440000")?;
            while let Some(update) = session.next().await {
                scene.update(&session, &update);
            }
            Ok(())
        })
        .await
}

/// A project has no end of its own; here it is over when its book can be downloaded.
async fn saga(scene: &Scene) -> Outcome<()> {
    let client = SagaClient::new(scene.options::<Saga>())?;
    scene
        .attended(&client, async {
            let mut project = client.session("project_7")?;
            while let Some(update) = project.next().await {
                scene.update(&project, &update);
                let Update::Message(message) = &update else { continue };
                match message.data() {
                    saga::Message::StoryUploaded(uploaded) => {
                        let story = uploaded.story.as_ref().and_then(|story| story.title.as_deref());
                        let text = format!("a new story: {}", story.unwrap_or("without a title"));
                        scene.screen.say(Some(Service::Saga), &text);
                    }
                    saga::Message::ExportReady(_) => {
                        scene.done(&project);
                        scene.screen.say(Some(Service::Saga), "the book is ready for download");
                        break;
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await
}

/// Some questions only a person can answer.
async fn docproc(scene: &Scene) -> Outcome<()> {
    let client = DocProcClient::new(scene.options::<DocProc>())?;
    scene
        .attended(&client, async {
            let mut session = client.session("invoice-117")?;
            while let Some(update) = session.next().await {
                scene.update(&session, &update);
                if let Update::Message(message) = &update
                    && let docproc::Message::Clarification(asked) = message.data()
                    && asked.status == docproc::ClarificationStatus::Pending
                {
                    let question = asked.question.as_deref().unwrap_or("a question without words");
                    scene.screen.say(Some(Service::DocProc), &format!("asks: {question}"));
                    tokio::time::sleep(scene.pace.read).await;
                    let reply =
                        client.respond_to_clarification(asked.clarification_id.as_str(), "With tax").await?;
                    scene.screen.say(Some(Service::DocProc), "answered: With tax");
                    scene.board().clarified = reply.status == docproc::ClarificationStatus::Answered;
                }
            }
            Ok(())
        })
        .await
}

/// An analysis through a dropped connection, then an interview about it.
async fn devcontext(scene: &Scene) -> Outcome<()> {
    let mut options = scene.options::<DevContext>();
    // So that the waits are the nominal 1, 2, 4, … s: an app leaves this on.
    options.config.reconnect.jitter = false;
    let client = DevContextClient::new(options)?;
    scene
        .attended(&client, async {
            let mut analysis = client.session("analysis_42")?;
            while let Some(update) = analysis.next().await {
                scene.update(&analysis, &update);
                if let Update::Message(message) = &update
                    && let devcontext::Message::StageCompleted(done) = message.data()
                    && done.stage == devcontext::Stage::ProjectReview
                {
                    misbehave(&scene.server, scene.pace.retry_after)?;
                    let text = "now the server cuts the connection, and will turn the first retry away";
                    scene.screen.say(None, text);
                }
            }
            interview::hold(scene, &client, analysis.topic()).await
        })
        .await
}

/// Has the server reset `DevContext`'s connection now and refuse the next one.
fn misbehave(server: &MockServer, retry_after: u64) -> Outcome<()> {
    let service = Some(MockService::DevContext);
    let actions = [
        (
            When::Upgrade,
            Action::from(HttpFault::Refuse { status: 503, retry_after: Some(retry_after), location: None }),
        ),
        (When::Now, TcpFault::drop(How::Rst).into()),
    ];
    for (when, action) in actions {
        let matching = Match { service, when: Some(when), ..Match::default() };
        server.fault(Rule { matching, times: Some(1), ..Rule::new(action) })?;
    }
    Ok(())
}
