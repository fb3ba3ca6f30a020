//! What DevContext sends. The records are payloads; what stands around them is the same for all. [devcontext §1.2, §3]

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer as _;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::field::{Pick, Role, Shape};
use super::json::Json;
use super::read::{Argument, Found, Reader, Source, Text};
use crate::envelope::{Envelope, Kind};

records! { "camelCase";
    /// A stage of an analysis is done. [devcontext §3.1]
    pub struct StageCompleted as "DevContextStageCompleted" {
        /// The analysis.
        analysis_id: String = Topic,
        /// The stage.
        stage: Stage = Item,
        /// All stages that are done.
        completed_stages: Option<Vec<Stage>> = Stages,
        /// Percent, 0–100.
        progress: Option<f64> = Progress,
        /// Whether the stage's data can be fetched; missing counts as true.
        data_available: Option<bool> = DataAvailable,
    }

    /// An analysis is subscribed; this is its state. [devcontext §3.2]
    pub struct SubscriptionConfirmed as "DevContextSubscriptionConfirmed" {
        /// The analysis.
        analysis_id: String = Topic,
        /// What it is at, e.g. `processing`.
        current_status: Option<AnalysisStatus> = Status,
        /// All stages that are done.
        completed_stages: Option<Vec<Stage>> = Stages,
    }

    /// An analysis is no longer subscribed. [devcontext §3.3]
    pub struct UnsubscriptionConfirmed as "DevContextUnsubscriptionConfirmed" {
        /// The analysis.
        analysis_id: String = Topic,
    }

    /// An interview began. [devcontext §3.4]
    pub struct InterviewStarted as "DevContextInterviewStarted" {
        /// The interview.
        session_id: String = Topic,
        /// The analysis it is about.
        analysis_id: Option<String> = Item,
        /// The first question.
        first_question: Option<Question> = Within,
        /// How many there will be.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        total_questions: Option<i64>,
    }

    /// An answer was judged. [devcontext §3.5]
    pub struct AnswerEvaluated as "DevContextAnswerEvaluated" {
        /// The interview.
        session_id: String = Topic,
        /// The question.
        question_id: String = Question,
        /// The judgement.
        evaluation: Option<Evaluation>,
        /// What comes next.
        next_action: Option<NextAction> = Status,
    }

    /// The judgement of an answer. [devcontext §3.5]
    pub struct Evaluation as "DevContextEvaluation" {
        /// 0–100.
        score: Option<f64>,
        /// What was good.
        strengths: Option<Vec<String>>,
        /// What was not.
        weaknesses: Option<Vec<String>>,
        /// What was not said.
        missing_points: Option<Vec<String>>,
        /// In one text.
        feedback: Option<String>,
    }

    /// A question that follows from an answer. [devcontext §3.6]
    pub struct FollowUpQuestion as "DevContextFollowUpQuestion" {
        /// The interview.
        session_id: String = Topic,
        /// The new question's id.
        question_id: String = Question,
        /// The question.
        question: Option<String> = Text,
        /// What it is after.
        question_type: Option<QuestionType>,
        /// The question it follows.
        related_to_question_id: Option<String>,
    }

    /// The next question. [devcontext §3.7]
    pub struct NextQuestion as "DevContextNextQuestion" {
        /// The interview.
        session_id: String = Topic,
        /// The question's id.
        question_id: String = Question,
        /// The question.
        question: Option<String> = Text,
        /// What it is about.
        category: Option<Category>,
        /// How hard it is.
        difficulty: Option<Difficulty>,
        /// The files it is about: paths.
        file_references: Option<Vec<String>>,
        /// Which one it is, from 1.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        question_number: Option<i64>,
        /// How many there are.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        total_questions: Option<i64>,
    }

    /// An interview was paused. [devcontext §3.8]
    pub struct InterviewPaused as "DevContextInterviewPaused" {
        /// The interview.
        session_id: String = Topic,
        /// Where it stands.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        current_question_index: Option<i64>,
        /// Whether it can go on; missing counts as true.
        can_resume: Option<bool> = CanResume,
    }

    /// An interview goes on. [devcontext §3.9]
    pub struct InterviewResumed as "DevContextInterviewResumed" {
        /// The interview.
        session_id: String = Topic,
        /// Where it stands.
        current_question: Option<Question> = Within,
    }

    /// A question of an interview. [devcontext §3.10]
    pub struct Question as "DevContextQuestion" {
        /// Its id.
        question_id: Option<String> = Question,
        /// The question.
        question: Option<String> = Text,
        /// What it is about.
        category: Option<Category>,
        /// How hard it is.
        difficulty: Option<Difficulty>,
        /// The files it is about: paths.
        file_references: Option<Vec<String>>,
    }

    /// An analysis failed. [devcontext §3.13]
    pub struct AnalysisFailed as "DevContextAnalysisFailed" {
        /// The analysis.
        analysis_id: String = Topic,
        /// The stage that failed.
        stage: Option<Stage> = Item,
        /// For people.
        error_message: Option<String> = Text,
        /// `REPO_NOT_FOUND` or another.
        error_code: String = Code,
        /// Whether trying again may help.
        retryable: Option<bool> = Retryable,
    }

    /// An interview is over. [devcontext §3.14]
    pub struct InterviewComplete as "DevContextInterviewComplete" {
        /// The interview.
        session_id: String = Topic,
        /// The analysis it was about.
        analysis_id: Option<String> = Item,
        /// How it went.
        summary: Option<Summary>,
    }

    /// How an interview went. [devcontext §3.14]
    pub struct Summary as "DevContextSummary" {
        /// 0–100.
        overall_score: Option<f64>,
        /// Each category's score.
        category_scores: Option<CategoryScores>,
        /// What was good.
        key_strengths: Option<Vec<String>>,
        /// What was not.
        key_weaknesses: Option<Vec<String>>,
        /// What to work on.
        improvement_areas: Option<Vec<String>>,
        /// How many questions were answered.
        #[serde(default, deserialize_with = "crate::messages::read::count")]
        questions_answered: Option<i64>,
        /// For people.
        average_response_time: Option<String>,
    }

    /// A score for each category, 0–100; others than these are in the raw JSON. [devcontext §3.14]
    pub struct CategoryScores as "DevContextCategoryScores" {
        /// Architecture.
        architecture: Option<f64>,
        /// Implementation.
        implementation: Option<f64>,
        /// Trade-offs.
        tradeoffs: Option<f64>,
        /// Scalability.
        scalability: Option<f64>,
    }

    /// Something was refused or went wrong. [devcontext §3.15]
    pub struct Error as "DevContextError" {
        /// One of [devcontext §3.17] or another.
        error_code: String = Code,
        /// For people.
        error_message: Option<String> = Text,
        /// Whatever the server adds.
        details: Option<Json>,
        /// Whether trying again may help.
        retryable: Option<bool> = Retryable,
    }

    /// What an API gateway says when it could not pass a message on. [devcontext §3.16]
    pub struct Gateway as "DevContextGateway" {
        /// For people.
        message: Option<String> = Text,
        /// The gateway's name for the connection.
        connection_id: Option<String>,
        /// The gateway's name for the message, not ours.
        request_id: Option<String>,
    }

    /// An analysis, as fetched. [devcontext §6.1]
    pub struct Analysis as "DevContextAnalysis" {
        /// The analysis.
        analysis_id: String,
        /// What it is at.
        status: Option<AnalysisStatus>,
        /// All stages that are done.
        completed_stages: Option<Vec<Stage>>,
        /// Each stage's data: an object.
        #[serde(default, deserialize_with = "crate::messages::read::object")]
        stages: Option<Json>,
    }
}

open_enum! {
    /// A stage of an analysis. [devcontext §3.1]
    pub enum Stage as "DevContextStage" {
        /// The project is looked through.
        ProjectReview = "project_review",
        /// A report is written.
        IntelligenceReport = "intelligence_report",
        /// An interview is prepared.
        InterviewSimulation = "interview_simulation",
    }
}

open_enum! {
    /// What an analysis is at. [devcontext §3.2]
    pub enum AnalysisStatus as "DevContextAnalysisStatus" {
        /// It is being worked on.
        Processing = "processing",
        /// It is done.
        Completed = "completed",
        /// It failed.
        Failed = "failed",
    }
}

open_enum! {
    /// What comes after an answer. [devcontext §3.5]
    pub enum NextAction as "DevContextNextAction" {
        /// A question about the answer.
        FollowUp = "follow_up",
        /// The next question.
        NextQuestion = "next_question",
        /// The end.
        Complete = "complete",
    }
}

open_enum! {
    /// What a follow-up question is after. [devcontext §3.6]
    pub enum QuestionType as "DevContextQuestionType" {
        /// What was meant.
        Clarifying = "clarifying",
        /// More depth.
        DeeperTechnical = "deeper_technical",
    }
}

open_enum! {
    /// What a question is about. [devcontext §3.10]
    pub enum Category as "DevContextCategory" {
        /// Architecture.
        Architecture = "architecture",
        /// Implementation.
        Implementation = "implementation",
        /// Trade-offs.
        Tradeoffs = "tradeoffs",
        /// Scalability.
        Scalability = "scalability",
    }
}

open_enum! {
    /// How hard a question is. [devcontext §3.10]
    pub enum Difficulty as "DevContextDifficulty" {
        /// For beginners.
        Junior = "junior",
        /// For people with some years of practice.
        MidLevel = "mid-level",
    }
}

messages! {
    /// A message of DevContext.
    pub enum Message as "DevContextMessage" {
        /// An analysis is subscribed; this is its state.
        SubscriptionConfirmed(SubscriptionConfirmed),
        /// An analysis is no longer subscribed.
        UnsubscriptionConfirmed(UnsubscriptionConfirmed),
        /// A stage is done.
        StageCompleted(StageCompleted),
        /// An analysis failed.
        AnalysisFailed(AnalysisFailed),
        /// An interview began.
        InterviewStarted(InterviewStarted),
        /// An answer was judged.
        AnswerEvaluated(AnswerEvaluated),
        /// A question that follows from an answer.
        FollowUpQuestion(FollowUpQuestion),
        /// The next question.
        NextQuestion(NextQuestion),
        /// An interview was paused.
        InterviewPaused(InterviewPaused),
        /// An interview goes on.
        InterviewResumed(InterviewResumed),
        /// An interview is over.
        InterviewComplete(InterviewComplete),
        /// Something was refused or went wrong.
        Error(Error),
        /// A gateway could not pass a message on.
        Gateway(Gateway),
    }
    bare {
        /// The connection is authenticated; only some servers say so. [devcontext §3.12]
        Authenticated,
        /// The answer to a ping. [devcontext §3.11]
        Pong,
    }
}

/// What stands around every payload.
#[derive(Debug, Default)]
pub(crate) struct Around<'de> {
    pub(crate) timestamp: Option<Text<'de>>,
    pub(crate) request_id: Option<Text<'de>>,
}

impl Around<'_> {
    /// The fields as [`describe`](crate::messages::describe) tells them.
    pub(crate) const PICKS: &'static [Pick] = &[
        Pick { field: "timestamp", role: Role::At, required: false, shape: Shape::Text, within: &[] },
        Pick { field: "request_id", role: Role::Request, required: false, shape: Shape::Text, within: &[] },
    ];

    pub(crate) fn fill<'a>(&'a self, envelope: &mut Envelope<'a>) {
        Role::At.fill(&self.timestamp, envelope);
        Role::Request.fill(&self.request_id, envelope);
    }
}

/// Reads a message: its fields in any order, each once. What the payload is depends on the type; where that came later,
/// the text is read again by the kind that was found.
pub(crate) struct Wrapped(pub(crate) Option<Kind>);

impl Reader for Wrapped {
    type Value<'de> = (Found<'de, Message>, Around<'de>);
    fn read<'de>(&self, source: &mut Source<'de>) -> serde_json::Result<Self::Value<'de>> {
        source.deserialize_map(Self(self.0))
    }
}

impl<'de> Visitor<'de> for Wrapped {
    type Value = (Found<'de, Message>, Around<'de>);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut name: Option<Text<'de>> = None;
        let mut around = Around::default();
        let mut body = None;
        let mut early = false;
        let mut gateway: (Option<&'de RawValue>, Option<&'de RawValue>) = (None, None);
        while let Some(Text(key)) = map.next_key()? {
            match (&*key, self.0.or(name.as_ref().map(kind))) {
                ("type", _) if name.is_none() => name = map.next_value()?,
                ("timestamp", _) => around.timestamp = map.next_value()?,
                ("requestId", _) => around.request_id = map.next_value()?,
                ("payload", Some(kind)) => {
                    body = Some(map.next_value_seed(Argument::<Message>(kind, PhantomData))?);
                }
                ("payload", None) => {
                    early = true;
                    map.next_value::<IgnoredAny>()?;
                }
                ("message", None) => gateway.0 = map.next_value()?,
                ("connectionId", None) => gateway.1 = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let Some(name) = name else {
            let text =
                |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
            let (Some(message), Some(connection_id)) = (text(gateway.0), text(gateway.1)) else {
                return Err(A::Error::missing_field("type"));
            };
            let request_id = around.request_id.map(|id| id.0.into_owned());
            let gateway = Gateway { message: Some(message), connection_id: Some(connection_id), request_id };
            return Ok((Found::Message(Message::Gateway(gateway)), Around::default()));
        };
        let kind = kind(&name);
        let body = match body {
            Some(body) => body,
            None if early => return Ok((Found::Late(kind), around)),
            None => Argument::<Message>(kind, PhantomData).missing()?,
        };
        Ok((body.map_or(Found::Unknown(name.0), Found::Message), around))
    }
}

/// A gateway's message is known by its lack of a type, never by a type.
fn kind(name: &Text<'_>) -> Kind {
    match Kind::from_name(&name.0) {
        Kind::Gateway => Kind::Unknown,
        kind => kind,
    }
}
