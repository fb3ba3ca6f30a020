//! A mock interview: questions come, answers go, evaluations come back.

use steadfast::client::DevContextClient;
use steadfast::messages::devcontext::Message;
use steadfast::{Service, SessionType};

use crate::scene::{Outcome, Scene};

const ME: Option<Service> = Some(Service::DevContext);

/// What is answered, in order; an interview with more questions gets the last one again.
const ANSWERS: [&str; 4] = [
    "A signature can be checked without asking a store that may be away.",
    "By a short life, and a list of the few that were taken back.",
    "Each update names the version it saw; the second one reads again.",
    "The single writer: I would split it by customer first.",
];

/// Holds one from the first question to its summary.
pub(crate) async fn hold(scene: &Scene, client: &DevContextClient, analysis: &str) -> Outcome<()> {
    let started = client.start_interview(analysis, SessionType::Practice).await?;
    let mut interview = client.session(&started.session_id)?;
    let mut total = started.total_questions.and_then(|total| usize::try_from(total).ok()).unwrap_or(0);
    scene
        .screen
        .say(ME, &format!("an interview of {total} questions begins; an answer may lead to one more"));
    let first = started.first_question.ok_or("an interview without a question")?;
    let mut next = first.question_id.zip(first.question);
    let mut answered = 0;
    while let Some((id, question)) = next {
        scene.screen.interview(answered, total, &question);
        scene.screen.say(ME, &format!("asks: {question}"));
        tokio::time::sleep(scene.pace.read).await;
        let answer = ANSWERS[answered.min(ANSWERS.len() - 1)];
        scene.screen.say(ME, &format!("answered: {answer}"));
        let evaluated = client.submit_answer(&started.session_id, id, answer).await?;
        answered += 1;
        let evaluation = evaluated.evaluation.ok_or("an evaluation without content")?;
        let score = evaluation.score.ok_or("an evaluation without a score")?;
        let feedback = evaluation.feedback.unwrap_or_default();
        scene.screen.say(ME, &format!("evaluated: {score:.0} of 100. {feedback}"));
        scene.board().scores.push(score);
        next = loop {
            let message = interview.next_message().await.ok_or("the interview ended without its summary")?;
            scene.board().tally(Service::DevContext).messages += 1;
            match message.data() {
                Message::FollowUpQuestion(asked) => {
                    total += 1;
                    break Some((asked.question_id.clone(), asked.question.clone().unwrap_or_default()));
                }
                Message::NextQuestion(asked) => {
                    break Some((asked.question_id.clone(), asked.question.clone().unwrap_or_default()));
                }
                Message::InterviewComplete(complete) => {
                    let overall = complete.summary.as_ref().and_then(|summary| summary.overall_score);
                    scene.board().overall = overall;
                    let overall = overall.unwrap_or_default();
                    scene.screen.interview(answered, answered, "interview complete");
                    scene.screen.say(ME, &format!("the interview is complete: {overall:.0} of 100"));
                    break None;
                }
                _ => {}
            }
        };
    }
    Ok(())
}
