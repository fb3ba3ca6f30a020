//! What the messages of the services mean to the verdicts.

use crate::service::Service;

/// The words of one service, as the journal's `type` has them.
#[derive(Debug)]
pub(super) struct Words {
    /// Ask for a topic.
    pub(super) subscribe: &'static [&'static str],
    /// Ask for a topic that may be asked for again while it is followed.
    pub(super) resume: &'static [&'static str],
    /// Give a topic up.
    pub(super) unsubscribe: &'static [&'static str],
    /// Go to a topic that is followed.
    pub(super) command: &'static [&'static str],
    /// May go to a topic that is not followed, but not to one that is being asked for.
    pub(super) opener: &'static [&'static str],
    /// Say who the user is.
    pub(super) authenticate: &'static [&'static str],
    /// Everything else that the service understands.
    pub(super) other: &'static [&'static str],
    /// From the server: a topic is followed now.
    pub(super) confirm: &'static [&'static str],
    /// From the server: the user is known now, where a client has to wait for that.
    pub(super) ready: Option<&'static str>,
    /// From the server: something was wrong.
    pub(super) error: Option<&'static str>,
    /// From the server, to be answered with `pong`.
    pub(super) ping: Option<&'static str>,
    pub(super) pong: Option<&'static str>,
    /// Whatever text a client sends is understood, and answers a ping.
    pub(super) any_text: bool,
}

const NOTHING: Words = Words {
    subscribe: &[],
    resume: &[],
    unsubscribe: &[],
    command: &[],
    opener: &[],
    authenticate: &[],
    other: &[],
    confirm: &[],
    ready: None,
    error: Some("error"),
    ping: None,
    pong: None,
    any_text: false,
};

/// Packets of Socket.IO and Engine.IO that are no events.
const PACKETS: &[&str] = &["(close)", "(pong)", "(noop)", "(disconnect)", "(ack)", "(probe)", "(upgrade)"];

const SOCKET_IO: Words = Words {
    authenticate: &["(connect)"],
    ready: Some("(connect)"),
    ping: Some("(ping)"),
    pong: Some("(pong)"),
    other: PACKETS,
    ..NOTHING
};

/// [charisma §2]
static CHARISMA: Words = Words {
    subscribe: &["subscribe"],
    unsubscribe: &["unsubscribe"],
    authenticate: &["authenticate"],
    other: &["pong"],
    confirm: &["subscribed"],
    ready: Some("authenticated"),
    error: Some("session_error"),
    ping: Some("ping"),
    pong: Some("pong"),
    ..NOTHING
};

/// [therapybridge §7.9]: the connection is the subscription, and an acknowledgement has no form of its own.
static THERAPYBRIDGE: Words = Words { error: None, ping: Some("ping"), any_text: true, ..NOTHING };

/// [saga §2]
static SAGA: Words = Words {
    subscribe: &["join_project"],
    unsubscribe: &["leave_project"],
    other: &["ping", "(close)", "(pong)", "(noop)", "(disconnect)", "(ack)", "(probe)", "(upgrade)"],
    confirm: &["joined_project"],
    ..SOCKET_IO
};

/// [docproc §2]
static DOCPROC: Words =
    Words { subscribe: &["subscribe"], unsubscribe: &["unsubscribe"], confirm: &["subscribed"], ..SOCKET_IO };

/// [devcontext §2]: a client that has sent its token need not wait for an answer.
static DEVCONTEXT: Words = Words {
    subscribe: &["subscribe_analysis"],
    resume: &["resume_interview"],
    unsubscribe: &["unsubscribe_analysis"],
    command: &["submit_answer", "pause_interview"],
    opener: &["start_interview"],
    authenticate: &["authenticate"],
    other: &["ping"],
    confirm: &["subscription_confirmed", "interview_started", "interview_resumed"],
    ..NOTHING
};

/// The words of a service.
pub(super) fn words(service: Service) -> &'static Words {
    match service {
        Service::Charisma => &CHARISMA,
        Service::TherapyBridge => &THERAPYBRIDGE,
        Service::Saga => &SAGA,
        Service::DocProc => &DOCPROC,
        Service::DevContext => &DEVCONTEXT,
        Service::Echo => &NOTHING,
    }
}

impl Words {
    /// Whether a message of this type answers a ping.
    pub(super) fn answers_ping(&self, kind: &str) -> bool {
        self.pong == Some(kind) || self.takes_any(kind)
    }

    fn takes_any(&self, kind: &str) -> bool {
        self.any_text && !matches!(kind, "(binary)" | "(too big)")
    }

    /// Whether the service understands messages of this type.
    pub(super) fn know(&self, kind: &str) -> bool {
        if self.takes_any(kind) {
            return true;
        }
        let Self { subscribe, resume, unsubscribe, command, opener, authenticate, other, .. } = self;
        [subscribe, resume, unsubscribe, command, opener, authenticate, other]
            .iter()
            .any(|words| words.contains(&kind))
    }

    /// Whether it asks for something that only a known user may have.
    pub(super) fn wants(&self, kind: &str) -> bool {
        let idle = self.authenticate.contains(&kind) || self.answers_ping(kind) || kind.starts_with('(');
        self.know(kind) && !idle
    }
}
