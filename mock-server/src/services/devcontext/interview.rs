//! Interviews: questions, a follow-up, pauses and the summary at the end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::sync::Locked;
use crate::world::World;

/// Interviews kept; the oldest finished one goes first.
const MOST: usize = 1000;

/// The questions that every interview asks, with category, difficulty and the file they are about.
const QUESTIONS: [(&str, &str, &str, &str); 3] = [
    (
        "Why does this service verify its tokens itself instead of asking a session store?",
        "tradeoffs",
        "mid-level",
        "src/auth/token.rs",
    ),
    (
        "Walk through what happens when two requests update the same record.",
        "implementation",
        "junior",
        "src/store/record.rs",
    ),
    (
        "Which part would have to change first for ten times the traffic?",
        "scalability",
        "mid-level",
        "src/main.rs",
    ),
];
/// Asked after the first answer.
const FOLLOW_UP: &str = "How would you take back a token before it expires?";

/// What cannot be done with an interview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It does not exist or is over.
    Unknown,
    /// It is someone else's.
    NotYours,
    /// Another question is being asked, or none because the last answer is being evaluated.
    NotAsked,
    /// It is paused.
    Paused,
}

/// What follows an evaluation.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) evaluation: Value,
    /// `follow_up`, `next_question` or `complete`.
    pub(super) next: &'static str,
    /// The message that brings it: type and payload.
    pub(super) message: (&'static str, Value),
}

#[derive(Debug)]
struct Interview {
    analysis: String,
    user: String,
    /// The position among [`QUESTIONS`].
    position: usize,
    question: String,
    asks_follow_up: bool,
    evaluating: bool,
    paused: bool,
    over: bool,
    asked: Instant,
    /// Category, score and seconds of each answer.
    answers: Vec<(&'static str, u64, u64)>,
}

impl Interview {
    fn current(&self) -> Value {
        let (question, category, difficulty, file) = QUESTIONS[self.position];
        let question = if self.asks_follow_up { FOLLOW_UP } else { question };
        json!({"questionId": self.question, "question": question, "category": category, "difficulty": difficulty,
            "fileReferences": [file]})
    }
}

/// All interviews, by their session ids.
#[derive(Debug, Default)]
pub(crate) struct Interviews(Mutex<BTreeMap<String, Interview>>);

impl Interviews {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Interview>> {
        self.0.locked()
    }

    /// Whether a session id is an interview's.
    pub(super) fn knows(&self, session: &str) -> bool {
        self.lock().contains_key(session)
    }

    /// Forgets all of them.
    pub(crate) fn reset(&self) {
        self.lock().clear();
    }

    /// Begins one: answers its session id and the payload of `interview_started`.
    pub(super) fn start(&self, world: &World, user: &str, analysis: &str) -> (String, Value) {
        let (session, question) = (world.uuid(), world.uuid());
        let interview = Interview {
            analysis: analysis.to_owned(),
            user: user.to_owned(),
            position: 0,
            question,
            asks_follow_up: false,
            evaluating: false,
            paused: false,
            over: false,
            asked: Instant::now(),
            answers: Vec::new(),
        };
        let payload = json!({"sessionId": session, "analysisId": analysis, "firstQuestion": interview.current(),
            "totalQuestions": QUESTIONS.len()});
        let mut all = self.lock();
        if all.len() >= MOST
            && let Some(old) =
                all.iter().find(|(_, i)| i.over).or(all.iter().next()).map(|(id, _)| id.clone())
        {
            all.remove(&old);
        }
        all.insert(session.clone(), interview);
        (session, payload)
    }

    fn with<T>(
        &self,
        session: &str,
        user: &str,
        act: impl FnOnce(&mut Interview) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        match self.lock().get_mut(session) {
            None => Err(Trouble::Unknown),
            Some(interview) if interview.user != user => Err(Trouble::NotYours),
            Some(interview) if interview.over => Err(Trouble::Unknown),
            Some(interview) => act(interview),
        }
    }

    /// Pauses: answers the payload of `interview_paused`.
    pub(super) fn pause(&self, session: &str, user: &str) -> Result<Value, Trouble> {
        self.with(session, user, |interview| {
            interview.paused = true;
            Ok(json!({"sessionId": session, "currentQuestionIndex": interview.position, "canResume": true}))
        })
    }

    /// Goes on, also after a reconnect: answers the payload of `interview_resumed`.
    pub(super) fn resume(&self, session: &str, user: &str) -> Result<Value, Trouble> {
        self.with(session, user, |interview| {
            interview.paused = false;
            Ok(json!({"sessionId": session, "currentQuestion": interview.current()}))
        })
    }

    /// Takes an answer, which [`Interviews::evaluate`] judges later.
    pub(super) fn take_answer(&self, session: &str, user: &str, question: &str) -> Result<(), Trouble> {
        self.with(session, user, |interview| match interview {
            Interview { paused: true, .. } => Err(Trouble::Paused),
            _ if interview.evaluating || interview.question != question => Err(Trouble::NotAsked),
            _ => {
                interview.evaluating = true;
                Ok(())
            }
        })
    }

    /// Judges the answer that was taken and moves on; nothing if the interview is gone.
    pub(super) fn evaluate(&self, world: &World, session: &str, answer: &str) -> Option<Verdict> {
        let (id, luck) = (world.uuid(), world.random(|rng| rng.u64(0..20)));
        let mut all = self.lock();
        let interview = all.get_mut(session).filter(|interview| interview.evaluating)?;
        interview.evaluating = false;
        let score = (55 + answer.split_whitespace().count() as u64).min(80) + luck;
        let category = QUESTIONS[interview.position].1;
        interview.answers.push((category, score, interview.asked.elapsed().as_secs()));
        interview.asked = Instant::now();
        let evaluation = json!({"score": score, "strengths": ["Names the main idea"],
            "weaknesses": ["Leaves out what happens on failure"], "missingPoints": ["How it was tested"],
            "feedback": "A sound answer. Say more about what can go wrong."});
        let last = std::mem::replace(&mut interview.question, id.clone());
        let (next, message) = if interview.position == 0 && !interview.asks_follow_up {
            interview.asks_follow_up = true;
            let payload = json!({"sessionId": session, "questionId": id, "question": FOLLOW_UP,
                "questionType": "deeper_technical", "relatedToQuestionId": last});
            ("follow_up", ("follow_up_question", payload))
        } else if interview.position + 1 < QUESTIONS.len() {
            interview.asks_follow_up = false;
            interview.position += 1;
            let mut payload = interview.current();
            payload["sessionId"] = session.into();
            payload["questionNumber"] = (interview.position + 1).into();
            payload["totalQuestions"] = QUESTIONS.len().into();
            ("next_question", ("next_question", payload))
        } else {
            interview.over = true;
            ("complete", ("interview_complete", summary(session, interview)))
        };
        Some(Verdict { evaluation, next, message })
    }
}

/// The payload of `interview_complete`.
fn summary(session: &str, interview: &Interview) -> Value {
    let mean = |numbers: &[u64]| numbers.iter().sum::<u64>() / (numbers.len() as u64).max(1);
    let all: Vec<_> = interview.answers.iter().map(|(_, score, _)| *score).collect();
    let seconds: Vec<_> = interview.answers.iter().map(|(_, _, seconds)| *seconds).collect();
    let mut categories = BTreeMap::<_, Vec<u64>>::new();
    for (category, score, _) in &interview.answers {
        categories.entry(*category).or_default().push(*score);
    }
    let categories: BTreeMap<_, _> = categories.iter().map(|(name, scores)| (*name, mean(scores))).collect();
    json!({"sessionId": session, "analysisId": interview.analysis, "summary": {
        "overallScore": mean(&all), "categoryScores": categories,
        "keyStrengths": ["Explains decisions by their trade-offs"],
        "keyWeaknesses": ["Rarely speaks of failures"],
        "improvementAreas": ["Read up on failure modes of distributed systems"],
        "questionsAnswered": interview.answers.len(),
        "averageResponseTime": format!("{} seconds", mean(&seconds))}})
}
