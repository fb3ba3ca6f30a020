//! The server of the simulated world: it answers, refuses, errs, falls silent and closes.

use steadfast::socketio::PacketType;
use steadfast::{
    DisconnectReason, HttpError, HttpReply, Input, Kind, Service, SocketId, Stages, Status, Token,
    TokenError, Violation,
};

use crate::names::{self, NAMES, Name, TOPICS};
use crate::settings::{Mood, close_code};
use crate::wire::{Frame, Message};
use crate::world::{World, by_name};

/// What will happen.
#[derive(Debug)]
pub(crate) enum Act {
    Dial(u32),
    Frame(u32, Frame),
    Close(u32, DisconnectReason),
    Heartbeat(u32),
    Activity(u32),
    Token(u32, Result<Token, TokenError>),
    Http(u32, Result<HttpReply, HttpError>),
}

/// How far the wire is with a topic on a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    #[default]
    No,
    Sent {
        at: u64,
        times: u32,
    },
    Confirmed,
    Left,
}

/// A socket that is being opened, or open.
#[derive(Debug)]
pub(crate) struct Sock {
    pub topic: Option<Name>,
    pub token: Option<u32>,
    pub asked_at: u64,
    pub opened: Option<u64>,
    pub ready: Option<u64>,
    pub lasted: bool,
    pub replaced: Option<u64>,
    pub engine: Option<(u64, u64)>,
    pub heard: u64,
    pub probe: Option<(u64, u64)>,
    pub pinged: u64,
    pub silent: bool,
    pub messages: u32,
    pub sends: Vec<u64>,
    pub paused_until: u64,
    pub said_expired: bool,
    pub asked: [Asked; NAMES],
}

impl Sock {
    pub(crate) fn new(topic: Option<Name>, token: Option<u32>, now: u64) -> Self {
        Self {
            topic,
            token,
            asked_at: now,
            opened: None,
            ready: None,
            lasted: false,
            replaced: None,
            engine: None,
            heard: now,
            probe: None,
            pinged: now,
            silent: false,
            messages: 0,
            sends: Vec::new(),
            paused_until: 0,
            said_expired: false,
            asked: by_name(),
        }
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Good,
    Late,
    Lost,
    Twice,
    Refused,
    RefusedForNow,
    TooMany,
}

impl World {
    // --- what happens -----------------------------------------------------------------------------------------

    pub(crate) fn act(&mut self, act: Act) {
        match act {
            Act::Dial(socket) => self.dialed(socket),
            Act::Frame(socket, frame) => self.deliver(socket, &frame),
            Act::Close(socket, reason) => self.close(socket, reason),
            Act::Heartbeat(socket) => self.heartbeat(socket),
            Act::Activity(socket) => self.handle(Input::Activity(SocketId(socket))),
            Act::Token(generation, result) => self.token_answers(generation, result),
            Act::Http(id, result) => {
                self.requests.remove(&id);
                self.handle(Input::Http(steadfast::HttpId(id), result));
            }
        }
    }

    fn close(&mut self, socket: u32, reason: DisconnectReason) {
        self.handle(Input::Closed(SocketId(socket), reason));
    }

    /// A failure to open as this host sees it.
    fn http(&self, status: u16, retry_after: Option<u64>) -> DisconnectReason {
        if self.caps.http_status { DisconnectReason::Http { status, retry_after } } else { closed(1006) }
    }

    fn dialed(&mut self, socket: u32) {
        let Some(sock) = self.socks.get(&socket) else { return };
        if sock.opened.is_some() {
            return;
        }
        let refused = |world: &mut Self| {
            let status = world.dice.pick(&[401, 403, 404, 409, 410, 418, 302, 429, 500, 503]);
            let retry_after = world.dice.percent(50).then(|| world.dice.below(90_000));
            world.http(status, retry_after)
        };
        let failure = match self.mood {
            Mood::Well | Mood::Closing(_) | Mood::Deaf => None,
            Mood::Fair => match self.dice.below(100) {
                0..=3 => Some(DisconnectReason::Network("refused".into())),
                4..=5 => {
                    let after = self.dice.below(20_000);
                    Some(self.http(503, Some(after)))
                }
                6 => return,
                _ => None,
            },
            Mood::Down => match self.dice.below(10) {
                0..=1 => return,
                2 if self.caps.http_status => Some(closed(1006)),
                _ => Some(DisconnectReason::Network("refused".into())),
            },
            Mood::Refusing(status) => {
                let retry_after = self.dice.percent(50).then(|| self.dice.below(90_000));
                Some(self.http(status, retry_after))
            }
            Mood::Unauthorized if self.dice.percent(50) => Some(self.http(401, None)),
            Mood::Unauthorized => None,
            Mood::Wild => match self.dice.below(20) {
                0..=2 => Some(DisconnectReason::Network("reset".into())),
                3..=5 => Some(refused(self)),
                6 => Some(closed(close_code(&mut self.dice))),
                7 if self.dice.percent(10) => Some(DisconnectReason::Tls("unknown issuer".into())),
                8 => return,
                _ => None,
            },
        };
        if let Some(reason) = failure {
            return self.close(socket, reason);
        }
        let silent = match self.mood {
            Mood::Deaf => true,
            Mood::Wild => self.dice.percent(10),
            _ => false,
        };
        if let Some(sock) = self.socks.get_mut(&socket) {
            sock.silent = silent;
        }
        self.handle(Input::Opened(SocketId(socket)));
        if !self.socks.contains_key(&socket) {
            return;
        }
        if let Mood::Closing(code) = self.mood {
            let after = self.dice.below(3_000);
            let reason = self.reasoned(code);
            self.later(after, Act::Close(socket, reason));
        }
        if silent {
            return;
        }
        self.later(0, Act::Heartbeat(socket));
        if self.service == Service::TherapyBridge && self.mood == Mood::Unauthorized {
            let reason = DisconnectReason::Closed { code: 1008, reason: "Invalid authentication".into() };
            return self.later(5, Act::Close(socket, reason));
        }
        if self.service == Service::TherapyBridge && self.mood == Mood::Wild && self.dice.percent(10) {
            let reason = self.dice.pick(&["Session not found", "Not authorized to access", "no"]);
            let reason = DisconnectReason::Closed { code: 1008, reason: reason.into() };
            return self.later(5, Act::Close(socket, reason));
        }
        if matches!(self.service, Service::Saga | Service::DocProc) {
            let frame = Frame {
                engine: self
                    .dice
                    .percent(50)
                    .then(|| (self.dice.pick(&[5_000, 25_000]), self.dice.pick(&[4_000, 20_000]))),
                ..Frame::packet(PacketType::Open)
            };
            let after = self.dice.pick(&[0, 1, 40]);
            self.later(after, Act::Frame(socket, frame));
        }
    }

    fn reasoned(&mut self, code: u16) -> DisconnectReason {
        let words = ["", "", "", "bye", "Replaced by a newer connection", "policy"];
        let reason = if self.dice.percent(80) { "" } else { self.dice.pick(&words) };
        DisconnectReason::Closed { code, reason: reason.into() }
    }

    fn heartbeat(&mut self, socket: u32) {
        let Some(sock) = self.socks.get(&socket) else { return };
        if sock.silent {
            return;
        }
        let every = match (self.service, sock.engine) {
            (Service::Saga | Service::DocProc, Some((interval, _))) => interval,
            (Service::Saga | Service::DocProc, None) => return self.later(500, Act::Heartbeat(socket)),
            _ => 25_000,
        };
        let fresh = sock.opened.is_none_or(|at| at == self.now);
        self.later(every, Act::Heartbeat(socket));
        if fresh {
            return;
        }
        match self.service {
            Service::TherapyBridge => self.deliver(socket, &Frame::new(Kind::Ping)),
            Service::Charisma if !self.caps.ws_ping => {}
            Service::Charisma | Service::DevContext => self.handle(Input::Activity(SocketId(socket))),
            Service::Saga | Service::DocProc => {
                self.deliver(socket, &Frame::packet(PacketType::Ping { probe: false }));
            }
        }
    }

    // --- answers ----------------------------------------------------------------------------------------------

    fn fate(&mut self, socket: u32) -> Fate {
        if self.socks.get(&socket).is_none_or(|sock| sock.silent) {
            return Fate::Lost;
        }
        let any = [
            Fate::Good,
            Fate::Good,
            Fate::Late,
            Fate::Lost,
            Fate::Twice,
            Fate::Refused,
            Fate::RefusedForNow,
            Fate::TooMany,
        ];
        let good = match self.mood {
            Mood::Well => 100,
            Mood::Fair => 85,
            Mood::Wild => 40,
            _ => 70,
        };
        if self.dice.percent(good) { Fate::Good } else { self.dice.pick(&any) }
    }

    /// A message of the client arrived.
    pub(crate) fn receives(&mut self, socket: u32, message: &Message, request: Option<u64>) {
        let fate = self.fate(socket);
        if fate == Fate::Lost {
            return;
        }
        let echo = request.filter(|_| self.dice.percent(70));
        let refusal = |code, text| Frame { code: Some(code), text: Some(text), ..Frame::new(Kind::Error) };
        let limited = match self.service {
            Service::DocProc => Frame { text: Some("Rate limit exceeded"), ..Frame::new(Kind::Error) },
            _ => Frame { code: Some("RATE_LIMIT_EXCEEDED"), ..Frame::new(Kind::Error) },
        };
        let good = self.good_answer(message);
        let Some(good) = good else { return };
        let answer = match fate {
            Fate::TooMany if !matches!(message, Message::Connect { .. }) => {
                let topic = good.topic.filter(|_| self.service == Service::DocProc);
                Frame { topic, ..limited }
            }
            Fate::Refused | Fate::RefusedForNow => {
                let later = (fate == Fate::RefusedForNow).then_some(true);
                match (self.service, message) {
                    (_, Message::Connect { .. }) => Frame {
                        retryable: later,
                        code: Some("AUTH_FAILED"),
                        ..Frame::packet(PacketType::ConnectError)
                    },
                    (Service::Charisma, Message::Authenticate { .. }) => {
                        return self.later(3, Act::Close(socket, closed(4401)));
                    }
                    (Service::Charisma, _) => Frame {
                        topic: good.topic,
                        kind: Kind::SessionError,
                        ..refusal("SESSION_NOT_FOUND", "no such session")
                    },
                    (Service::Saga, _) => refusal("PROJECT_ACCESS_DENIED", "no"),
                    (Service::DocProc, _) => Frame { topic: good.topic, ..refusal("", "Session not found") },
                    (_, Message::Authenticate { .. }) => refusal("UNAUTHORIZED", "bad token"),
                    _ if self.dice.percent(15) => Frame::new(Kind::Gateway),
                    _ if self.dice.percent(15) => refusal("UNAUTHORIZED", "not yours"),
                    _ => Frame { retryable: later, ..refusal("ANALYSIS_NOT_FOUND", "no such analysis") },
                }
            }
            _ => good,
        };
        let answer = Frame { request: echo, ..answer };
        let after = match fate {
            Fate::Late => self.dice.below(30_000),
            _ => self.dice.pick(&[0, 1, 5, 60]),
        };
        if fate == Fate::Twice {
            let again = self.dice.below(5_000);
            self.later(after + again, Act::Frame(socket, answer.clone()));
        }
        self.later(after, Act::Frame(socket, answer));
        if let Message::Answer { session, .. } = message
            && self.dice.percent(80)
        {
            let kind = self.dice.pick(&[Kind::NextQuestion, Kind::FollowUpQuestion, Kind::InterviewComplete]);
            let kind = if self.mood == Mood::Well { Kind::NextQuestion } else { kind };
            let before = self.dice.below(100);
            self.later(before, Act::Frame(socket, Frame::new(kind).topic(*session)));
        }
    }

    fn good_answer(&mut self, message: &Message) -> Option<Frame> {
        let topic_of = |kind: Kind, topic: Name| Some(Frame::new(kind).topic(topic));
        match (*message).clone() {
            Message::Authenticate { .. } => {
                let answered = self.service == Service::Charisma || self.dice.percent(30);
                answered.then(|| Frame::new(Kind::Authenticated))
            }
            Message::Connect { .. } => Some(Frame::packet(PacketType::Connect)),
            Message::Subscribe(topic) => match self.service {
                Service::Saga => topic_of(Kind::JoinedProject, topic),
                Service::DevContext => {
                    let stages = Stages(self.dice.pick(&[0, 0, 0b10, 0b110]));
                    Some(Frame { stages, ..Frame::new(Kind::SubscriptionConfirmed).topic(topic) })
                }
                _ => topic_of(Kind::Subscribed, topic),
            },
            Message::Unsubscribe(topic) => match self.service {
                Service::Saga => topic_of(Kind::LeftProject, topic),
                Service::DevContext => topic_of(Kind::UnsubscriptionConfirmed, topic),
                _ => topic_of(Kind::Unsubscribed, topic),
            },
            Message::Ping => Some(Frame::new(Kind::Pong)),
            Message::Start(analysis) => {
                let session = TOPICS + self.interviews;
                if session >= NAMES {
                    return Some(Frame { code: Some("INTERNAL_ERROR"), ..Frame::new(Kind::Error) });
                }
                self.interviews += 1;
                let item = Some(names::text(analysis));
                Some(Frame { item, question: Some(0), ..Frame::new(Kind::InterviewStarted).topic(session) })
            }
            Message::Answer { session, question } => Some(Frame {
                question: Some(question),
                status: Some(Status::NextQuestion),
                ..Frame::new(Kind::AnswerEvaluated).topic(session)
            }),
            Message::Pause(session) => Some(Frame {
                can_resume: self.dice.percent(50).then_some(true),
                ..Frame::new(Kind::InterviewPaused).topic(session)
            }),
            Message::Resume(session) => topic_of(Kind::InterviewResumed, session),
            Message::Pong | Message::EnginePong | Message::Raw => None,
        }
    }

    // --- news -------------------------------------------------------------------------------------------------

    /// The server does something by itself.
    pub(crate) fn server_speaks(&mut self) {
        let open: Vec<u32> =
            self.socks.iter().filter(|(_, sock)| sock.opened.is_some()).map(|(id, _)| *id).collect();
        if open.is_empty() || self.dice.percent(2) {
            return self.stale_news();
        }
        let socket = self.dice.pick(&open);
        if self.socks.get(&socket).is_some_and(|sock| sock.silent) {
            return;
        }
        let calm = matches!(self.mood, Mood::Well | Mood::Fair);
        let roll = self.dice.below(100);
        match roll {
            0..=1 if !calm || self.dice.percent(15) => {
                let code = close_code(&mut self.dice);
                let reason = match self.dice.below(20) {
                    0 => DisconnectReason::TooLarge,
                    1 => DisconnectReason::Protocol { code: 1007, reason: "no UTF-8".into() },
                    _ => self.reasoned(code),
                };
                self.close(socket, reason);
            }
            2 if !calm || self.dice.percent(20) => {
                if let Some(sock) = self.socks.get_mut(&socket) {
                    sock.silent = true;
                }
            }
            3..=4 => {
                let violation = Violation { reason: "no JSON".into(), excerpt: "{".into() };
                self.handle(Input::Malformed(SocketId(socket), violation));
            }
            5 => self.handle(Input::Binary(SocketId(socket), 3)),
            6..=8 => self.handle(Input::Activity(SocketId(socket))),
            9..=10 if !calm => self.trouble(socket),
            11..=12 if matches!(self.service, Service::Saga | Service::DocProc) => {
                let name = self.dice.below(TOPICS as u64) as usize;
                let frame = self.stream(name);
                let attachments = self.dice.between(1, 2) as u32;
                self.deliver(socket, &Frame { packet: PacketType::BinaryEvent, attachments, ..frame });
            }
            _ => {
                let asked: Vec<Name> = self.socks.get(&socket).map_or_else(Vec::new, |sock| {
                    let asked = sock.asked.iter().enumerate();
                    asked.filter(|(_, asked)| **asked != Asked::No).map(|(name, _)| name).collect()
                });
                let name = match self.dice.below(100) {
                    0..=92 if !asked.is_empty() => self.dice.pick(&asked),
                    _ => self.dice.below(NAMES as u64) as usize,
                };
                let frame = self.stream(name);
                self.deliver(socket, &frame);
            }
        }
    }

    /// An error, a shutdown, a disconnect.
    fn trouble(&mut self, socket: u32) {
        let socketio = matches!(self.service, Service::Saga | Service::DocProc);
        let error = |code| Frame { code: Some(code), text: Some("trouble"), ..Frame::new(Kind::Error) };
        let frame = match self.dice.below(8) {
            0 => error("TOKEN_EXPIRED"),
            1 => error("UNAUTHORIZED"),
            2 => error("RATE_LIMIT_EXCEEDED"),
            3 if self.service == Service::Saga => Frame::new(Kind::ServerShutdown),
            3..=4 if socketio => Frame::packet(PacketType::Disconnect),
            5 if socketio => Frame::packet(PacketType::Close),
            6 if socketio => Frame::packet(PacketType::ConnectError),
            7 => Frame::new(Kind::Gateway),
            _ => error("INTERNAL_ERROR"),
        };
        self.deliver(socket, &frame);
    }

    /// News of a socket that is gone, or never was.
    fn stale_news(&mut self) {
        let socket = self.dice.below(u64::from(self.last_socket) + 3) as u32;
        if self.socks.contains_key(&socket) {
            return;
        }
        match self.dice.below(4) {
            0 => self.handle(Input::Opened(SocketId(socket))),
            1 => self.close(socket, closed(4401)),
            2 => self.handle(Input::Binary(SocketId(socket), 1)),
            _ => {
                let name = self.dice.below(NAMES as u64) as usize;
                let frame = self.stream(name);
                self.deliver(socket, &frame);
            }
        }
    }

    // --- HTTP -------------------------------------------------------------------------------------------------

    pub(crate) fn requested(&mut self, id: u32) {
        self.requests.insert(id, true);
        let reply = |status, readable| HttpReply { status, retry_after: None, readable, error: None };
        let roll = if self.mood == Mood::Well { 0 } else { self.dice.below(10) };
        let result = match roll {
            0..=4 => Ok(reply(200, true)),
            5 => Ok(reply(200, false)),
            6 => Ok(reply(self.dice.pick(&[400, 401, 403, 404, 429, 500]), true)),
            7 => Err(HttpError { reason: "reset".into(), sent: self.dice.percent(50) }),
            _ => return,
        };
        let after = self.dice.pick(&[1, 50, 2_000, 20_000]);
        self.later(after, Act::Http(id, result));
    }

    /// The world becomes well: sockets that can't be asked speak again.
    pub(crate) fn heal(&mut self) {
        let unaskable = self.service == Service::Charisma && !self.caps.ws_ping;
        let mut speak = Vec::new();
        for (id, sock) in &mut self.socks {
            if sock.silent && unaskable {
                sock.silent = false;
                speak.push(*id);
            }
        }
        for id in speak {
            self.later(1, Act::Heartbeat(id));
        }
    }
}

pub(crate) fn closed(code: u16) -> DisconnectReason {
    DisconnectReason::Closed { code, reason: String::new() }
}
