//! What the server of the simulated world says of a topic.

use steadfast::{Kind, Service, Stage, Stages, Status};

use crate::names::{self, Name};
use crate::wire::Frame;
use crate::world::World;

impl World {
    /// A frame of a topic's flow.
    #[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
    pub(crate) fn stream(&mut self, name: Name) -> Frame {
        let now = self.unix() as f64;
        let at = match self.dice.below(10) {
            0..=2 => None,
            3..=4 => Some(now - self.dice.below(20_000) as f64),
            5 => Some(f64::NAN),
            _ => Some(now),
        };
        let progress = match self.dice.below(20) {
            0 => Some(f64::INFINITY),
            1 => Some(-3.0),
            2..=9 => None,
            _ => Some(
                self.dice.below(101) as f64 / if self.service == Service::Charisma { 100.0 } else { 1.0 },
            ),
        };
        let ends = self.dice.percent(12);
        let frame = match self.service {
            Service::Charisma => match self.dice.below(10) {
                _ if ends => Frame {
                    status: Some(self.dice.pick(&[Status::Complete, Status::Error])),
                    ..Frame::new(self.dice.pick(&[
                        Kind::SessionStatus,
                        Kind::SessionStatus,
                        Kind::SessionError,
                    ]))
                },
                0..=3 => Frame::new(Kind::SessionUploadProgress),
                _ => Frame {
                    status: Some(self.dice.pick(&[
                        Status::Uploading,
                        Status::AnalysisInProgress,
                        Status::VerifyingOcr,
                        Status::Other,
                    ])),
                    ..Frame::new(Kind::SessionStatus)
                },
            },
            Service::TherapyBridge => Frame {
                status: Some(if ends {
                    self.dice.pick(&[Status::Processed, Status::Failed])
                } else {
                    self.dice.pick(&[
                        Status::Uploading,
                        Status::Transcribing,
                        Status::Transcribed,
                        Status::ExtractingNotes,
                        Status::Other,
                    ])
                }),
                ..Frame::new(Kind::Progress)
            },
            Service::Saga => Frame {
                item: Some(self.dice.pick(&["s1", "s2", "e1", "e2"])),
                ..Frame::new(self.dice.pick(&[
                    Kind::StoryUploaded,
                    Kind::StoryProcessing,
                    Kind::StoryProcessed,
                    Kind::TranscriptUpdated,
                    Kind::ExportStarted,
                    Kind::ExportProgress,
                    Kind::ExportReady,
                    Kind::ExportFailed,
                    Kind::Unknown,
                ]))
            },
            Service::DocProc => match self.dice.below(10) {
                _ if ends => match self.dice.below(3) {
                    0 => Frame { has_result: self.dice.percent(70), ..Frame::new(Kind::Completed) },
                    1 => Frame { status: Some(Status::Completed), ..Frame::new(Kind::Progress) },
                    _ => Frame {
                        status: Some(self.dice.pick(&[Status::FailedSession, Status::Expired])),
                        ..Frame::new(Kind::Progress)
                    },
                },
                0..=1 => Frame { text: Some("hiccup"), ..Frame::new(Kind::Error) },
                2..=3 => Frame {
                    item: Some(self.dice.pick(&["m1", "m2"])),
                    status: Some(self.dice.pick(&[Status::ModelProcessing, Status::ModelCompleted])),
                    ..Frame::new(Kind::ModelResult)
                },
                4..=5 => Frame {
                    item: Some(self.dice.pick(&["c1", "c2"])),
                    status: Some(self.dice.pick(&[Status::Pending, Status::Answered])),
                    ..Frame::new(Kind::Clarification)
                },
                _ => Frame {
                    status: Some(self.dice.pick(&[Status::Active, Status::Processing])),
                    ..Frame::new(Kind::Progress)
                },
            },
            Service::DevContext if names::is_interview(name) => Frame {
                question: Some(0),
                can_resume: Some(self.dice.percent(80)),
                ..Frame::new(self.dice.pick(&[
                    Kind::NextQuestion,
                    Kind::FollowUpQuestion,
                    Kind::InterviewPaused,
                    if ends { Kind::InterviewComplete } else { Kind::NextQuestion },
                ]))
            },
            Service::DevContext => match self.dice.below(10) {
                _ if ends => Frame {
                    retryable: self.dice.percent(50).then_some(true),
                    ..Frame::new(Kind::AnalysisFailed)
                },
                _ => {
                    let (stage, text) = self.dice.pick(Stage::ALL);
                    let mut stages = Stages::default();
                    stages.add(stage);
                    Frame { item: Some(text), stages, ..Frame::new(Kind::StageCompleted) }
                }
            },
        };
        Frame { at, progress: frame.progress.or(progress), ..frame.topic(name) }
    }
}
