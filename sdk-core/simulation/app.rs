//! The app and its host in the simulated world: everything that a person, a page or a phone does.

use steadfast::{
    Command, CommandId, Config, Delivery, Input, Reachability, Request, Secret, Service, SessionType,
    Visibility,
};

use crate::dice::Dice;
use crate::names::{self, NAMES, Name, TOPICS};
use crate::world::World;

/// What the app has done.
pub(crate) struct App {
    /// How many topics it knows.
    pub topics: usize,
    pub commands: u32,
}

impl App {
    pub(crate) fn new(config: &Config, dice: &mut Dice) -> Self {
        let many = config.service == Service::TherapyBridge && dice.percent(10);
        Self { topics: if many { TOPICS } else { dice.between(1, 6) as usize }, commands: 0 }
    }
}

impl World {
    pub(crate) fn command(&mut self, command: Command) {
        self.app.commands += 1;
        self.handle(Input::Command(CommandId(self.app.commands), command));
    }

    fn any_topic(&mut self) -> Name {
        self.dice.below(self.app.topics as u64) as usize
    }

    fn any_interview(&mut self) -> Name {
        let known = self.interviews.min(NAMES - TOPICS) as u64;
        TOPICS + if known == 0 { 0 } else { self.dice.below(known) as usize }
    }

    /// The person or the host does something.
    pub(crate) fn user(&mut self) {
        match self.dice.below(1_000) {
            0..=249 => {
                let topic = names::text(self.any_topic()).into();
                let keep = self.dice.percent(10);
                self.command(Command::Subscribe { topic, keep });
            }
            250..=429 => {
                let name = self.any_topic();
                let topic = names::text(name).into();
                if self.ledger.wishes[name].handles > 0 || self.dice.percent(5) {
                    self.command(Command::Unsubscribe { topic });
                }
            }
            430..=469 => self.command(Command::WaitReady),
            470..=509 => {
                let topic = names::text(self.any_topic()).into();
                self.command(Command::WaitLive { topic });
            }
            510..=739 => {
                let request = self.any_request();
                let delivery = match self.dice.below(4) {
                    0 => Delivery::FailFast,
                    1 => Delivery::WaitReady { ttl: self.dice.below(3_000) },
                    _ => Delivery::default(),
                };
                self.command(Command::Request(request, delivery));
            }
            740..=799 => {
                let recent = self.app.commands.saturating_sub(self.dice.below(8) as u32);
                self.handle(Input::Cancel(CommandId(recent)));
            }
            800..=824 => self.command(Command::Connect),
            825..=839 => self.command(Command::TakeOver),
            840..=859 => {
                let token =
                    if self.dice.percent(70) { self.new_token() } else { self.token(self.tokens.newest) };
                self.command(Command::SetToken(token));
            }
            860..=919 => {
                let way = if self.dice.percent(60) { Reachability::Online } else { Reachability::Offline };
                self.handle(Input::Network(way));
            }
            920..=979 => {
                let seen = self.dice.pick(&[
                    Visibility::Visible,
                    Visibility::Visible,
                    Visibility::Hidden,
                    Visibility::Background,
                ]);
                self.handle(Input::Visibility(seen));
            }
            980..=994 => {
                let topic = self.dice.pick(&["", "a\nb"]).into();
                self.command(Command::Subscribe { topic, keep: false });
            }
            995 => self.command(Command::Shutdown),
            _ => self.handle(Input::Tick),
        }
    }

    fn any_request(&mut self) -> Request {
        let session_id = || String::from("x");
        if self.dice.percent(8) {
            return self.dice.below(6).into_request(session_id());
        }
        if self.dice.percent(12) {
            let size = self.dice.pick(&[0, 10, 300]);
            let payload = Secret::new(format!("\"{}\"", "x".repeat(size)));
            return Request::SendRaw { kind: "custom".into(), payload };
        }
        match self.service {
            Service::Charisma => Request::Authenticate,
            Service::TherapyBridge => Request::Login { email: "a@b".into(), password: "secret".into() },
            Service::Saga => match self.dice.below(4) {
                0 => Request::ServerHealth,
                1 => Request::ServerStats,
                _ => Request::Ping,
            },
            Service::DocProc => match self.dice.below(2) {
                0 => Request::Session { session_id: session_id() },
                _ => Request::RespondToClarification { clarification_id: "c1".into(), answer: "yes".into() },
            },
            Service::DevContext => {
                let session_id = names::text(self.any_interview()).into();
                match self.dice.below(12) {
                    0 => Request::Authenticate,
                    1 => Request::Ping,
                    2..=4 => Request::StartInterview {
                        analysis_id: names::text(self.any_topic()).into(),
                        session_type: SessionType::Live,
                    },
                    5..=8 => Request::SubmitAnswer {
                        session_id,
                        question_id: format!("q{}", self.app.commands + 1),
                        answer: "an answer".into(),
                    },
                    9 => Request::PauseInterview { session_id },
                    10 => Request::ResumeInterview { session_id },
                    _ => Request::Analysis { analysis_id: names::text(self.any_topic()).into() },
                }
            }
        }
    }

    /// The user does what ends every fatal verdict.
    pub(crate) fn user_recovers(&mut self) {
        let token = self.new_token();
        self.command(Command::SetToken(token));
        self.command(Command::TakeOver);
    }

    pub(crate) fn shut_down(&mut self) {
        self.command(Command::Shutdown);
    }
}

trait IntoRequest {
    fn into_request(self, id: String) -> Request;
}

impl IntoRequest for u64 {
    /// One of the requests that most services don't have.
    fn into_request(self, id: String) -> Request {
        match self {
            0 => Request::Ping,
            1 => Request::Authenticate,
            2 => Request::Analysis { analysis_id: id },
            3 => Request::Session { session_id: id },
            4 => Request::ServerStats,
            _ => Request::PauseInterview { session_id: String::new() },
        }
    }
}
