//! What the end of a connection means. A table as one function: signal in, verdict out. [rules §2.11]

use alloc::string::String;

use crate::config::Service;
use crate::event::WhyKind;
use crate::io::DisconnectReason;
use crate::text::{Quoted, has, text};

/// What to do after a connection ended or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Try again by the usual schedule, not before [`Ruling::retry_after`].
    Retry,
    /// The server restarts: spread the first retry widely.
    Restart,
    /// The token was refused.
    Auth,
    /// Trying again is of no use.
    Fatal,
    /// It concerns only the topic whose connection this was.
    Refused,
    /// Another connection has the place.
    Displaced,
    /// A message of ours was too large for the server.
    Oversized,
    /// A policy this SDK doesn't know: one forced refresh, then the cap.
    Policy,
    /// The peer broke the protocol; fatal if it goes on.
    Protocol,
    /// The server disconnected this client on purpose.
    Kicked,
    /// Nothing more is wanted.
    Done,
}

/// A verdict with its explanation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ruling {
    pub meaning: Meaning,
    /// For how long the server asked to be left alone, ms.
    pub retry_after: u64,
    pub kind: WhyKind,
    pub text: String,
    pub code: Option<String>,
    pub help: &'static str,
}

/// What the ruling depends on besides the signal itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circumstances {
    pub per_topic: bool,
    pub ever_ready: bool,
    /// The socket had opened.
    pub opened: bool,
    /// Everything that was asked for has ended.
    pub all_done: bool,
    /// Another connection of our own may hold the place.
    pub own_older: bool,
    /// The token in use has expired, or will in 10 s.
    pub token_expiring: bool,
    /// How many sockets in a row did not open and nobody knows why, this one included.
    pub opaque: u32,
    /// Other links of this client are Ready.
    pub others_ready: bool,
    /// The server had said that it shuts down.
    pub said_shutdown: bool,
    /// The server had said that the token has expired.
    pub said_expired: bool,
    /// The host can see HTTP statuses.
    pub http_status: bool,
}

const CHECK_TOKEN: &str = "Check that the token is valid, not expired, and meant for this service";
const CHECK_URL: &str = "Check the URL, its path and the service; a proxy or firewall may be in the way";
const NETWORK: &str = "Check the network, the host and port, and that a firewall lets WebSockets through; in a browser also the server's CORS settings";
const WAIT: &str = "Wait; it is tried again by itself";

impl Ruling {
    pub(super) fn new(meaning: Meaning, kind: WhyKind, text: impl Into<String>, help: &'static str) -> Self {
        Self::of(meaning, kind, text.into(), help)
    }

    #[inline(never)]
    const fn of(meaning: Meaning, kind: WhyKind, text: String, help: &'static str) -> Self {
        Self { meaning, retry_after: 0, kind, text, code: None, help }
    }

    fn code(mut self, code: u16) -> Self {
        self.code = Some(text![code]);
        self
    }

    pub(super) fn retry(kind: WhyKind, text: impl Into<String>) -> Self {
        let help = if kind == WhyKind::Network { NETWORK } else { WAIT };
        Self::new(Meaning::Retry, kind, text, help)
    }

    pub(super) fn auth(text: impl Into<String>) -> Self {
        Self::new(Meaning::Auth, WhyKind::Auth, text, CHECK_TOKEN)
    }
}

/// Rules on the end of a connection.
pub(super) fn rule(service: Service, reason: &DisconnectReason, at: Circumstances) -> Ruling {
    let by_reason = match reason {
        DisconnectReason::Closed { code, reason } => closed(service, *code, reason, at),
        DisconnectReason::Http { status, retry_after } => refused_upgrade(*status, *retry_after, at),
        DisconnectReason::Network(text) => unreachable_or_opaque(text, at),
        DisconnectReason::Tls(text) => Ruling::new(
            Meaning::Fatal,
            WhyKind::Tls,
            text!["No secure connection: ", text],
            "Check the host, the port and the certificate; a private authority's root must be given by option",
        ),
        DisconnectReason::TooLarge => {
            Ruling::retry(WhyKind::TooLarge, "A message was larger than this client accepts").code(1009)
        }
        DisconnectReason::Protocol { code, reason } => Ruling::new(
            Meaning::Protocol,
            WhyKind::Protocol,
            text!["The server broke the WebSocket protocol: ", reason],
            CHECK_URL,
        )
        .code(*code),
    };
    // What the server announced explains the close that follows, whatever its code.
    match by_reason.meaning {
        Meaning::Retry | Meaning::Policy if at.said_expired => {
            Ruling::auth("The server said that the token has expired")
        }
        Meaning::Retry if at.said_shutdown => restart(),
        _ => by_reason,
    }
}

pub(super) fn restart() -> Ruling {
    Ruling::new(Meaning::Restart, WhyKind::Restart, "The server restarts", WAIT)
}

fn closed(service: Service, code: u16, reason: &str, at: Circumstances) -> Ruling {
    let said =
        |front: &str| if reason.is_empty() { front.into() } else { text![front, ": ", Quoted(reason)] };
    let lower = reason.to_ascii_lowercase();
    let displaced = ["replaced", "another connection", "new connection"].iter().any(|word| has(&lower, word));
    if code == 4409 || (displaced && (code == 1000 || code == 1008 || code >= 4000)) {
        let help = "Close the other tab, device or process, or take the place back with take_over()";
        return Ruling::new(
            Meaning::Displaced,
            WhyKind::Displaced,
            said("Another connection of this user has taken over"),
            help,
        )
        .code(code);
    }
    match code {
        1000 if at.all_done => {
            Ruling::new(Meaning::Done, WhyKind::Network, "Everything asked for has ended", "").code(code)
        }
        1000 => Ruling::retry(WhyKind::Network, said("The server closed the connection")).code(code),
        1006 if !at.opened => unreachable_or_opaque("the connection failed before it was open", at),
        1012 | 1013 => restart().code(code),
        1008 => policy(service, reason, &lower, at).code(code),
        1009 => {
            let text = said("The server refused a message for its size");
            Ruling::new(Meaning::Oversized, WhyKind::TooLarge, text, "Send less at once").code(code)
        }
        1011 => Ruling::retry(WhyKind::ServerError, said("The server failed")).code(code),
        1002 | 1003 | 1007 | 1010 => Ruling::new(
            Meaning::Protocol,
            WhyKind::Protocol,
            said("The server ended the connection over the protocol"),
            CHECK_URL,
        )
        .code(code),
        4401 => Ruling::auth(said("The server refused the token")).code(code),
        4403 => {
            let meaning = if at.per_topic { Meaning::Refused } else { Meaning::Fatal };
            Ruling::new(
                meaning,
                WhyKind::NotAllowed,
                said("The server does not allow this"),
                "The token is good but lacks the permission; sign in as another user",
            )
            .code(code)
        }
        _ => Ruling::retry(WhyKind::Network, said("The connection was lost")).code(code),
    }
}

fn policy(service: Service, reason: &str, lower: &str, at: Circumstances) -> Ruling {
    if service == Service::TherapyBridge {
        if lower.starts_with("authentication required") || lower.starts_with("invalid authentication") {
            return Ruling::auth(text!["The server refused the token: ", Quoted(reason)]);
        }
        let refused = |kind, help| {
            Ruling::new(
                Meaning::Refused,
                kind,
                text!["The server refused the session: ", Quoted(reason)],
                help,
            )
        };
        if lower.starts_with("session not found") {
            return refused(WhyKind::NotFound, "Check the session's id; it may have been deleted");
        }
        if lower.starts_with("not authorized") {
            return refused(
                WhyKind::NotAllowed,
                "Patients see only their own sessions; sign in as another user",
            );
        }
    }
    if at.said_expired {
        return Ruling::auth("The server said that the token has expired");
    }
    let text = if reason.is_empty() {
        String::from("The server closed by a policy it doesn't name")
    } else {
        text!["The server closed by policy: ", Quoted(reason)]
    };
    Ruling::new(Meaning::Policy, WhyKind::Policy, text, "Ask the service's operators what this policy is")
}

fn unreachable_or_opaque(text: &str, at: Circumstances) -> Ruling {
    if !at.http_status {
        if at.token_expiring && at.opaque >= 2 {
            return Ruling::auth("The browser hides why the socket did not open, and the token has expired");
        }
        if at.per_topic && at.opaque >= 3 && at.others_ready {
            return Ruling::new(
                Meaning::Refused,
                WhyKind::Opaque,
                "The browser hides why this session's socket does not open, while others do",
                "Check the session's id and the permission to see it",
            );
        }
    }
    Ruling::retry(WhyKind::Network, text!["No connection: ", text])
}

fn refused_upgrade(status: u16, retry_after: Option<u64>, at: Circumstances) -> Ruling {
    let text = text!["The server answered the upgrade with HTTP ", status];
    let ruling = match status {
        401 => Ruling::auth(text),
        403 => Ruling {
            help: "The token may be refused or lack the permission, or the origin is not allowed (CORS)",
            ..Ruling::auth(text)
        },
        404 | 410 if at.per_topic => {
            Ruling::new(Meaning::Refused, WhyKind::NotFound, text, "Check the session's id and the URL")
        }
        409 if at.own_older => Ruling::retry(WhyKind::Displaced, text),
        409 => Ruling::new(
            Meaning::Displaced,
            WhyKind::Displaced,
            text![text, ": another connection holds the place"],
            "Close the other tab, device or process, or take the place back with take_over()",
        ),
        429 => Ruling { retry_after: retry_after.unwrap_or(0), ..Ruling::retry(WhyKind::Overloaded, text) },
        500..=599 => Ruling {
            retry_after: retry_after.unwrap_or(0),
            ..Ruling::retry(if status == 503 { WhyKind::Overloaded } else { WhyKind::ServerError }, text)
        },
        _ if at.ever_ready => Ruling::retry(WhyKind::Configuration, text),
        300..=399 => Ruling::new(
            Meaning::Fatal,
            WhyKind::Configuration,
            text,
            "Redirects are not followed: give the URL it redirects to",
        ),
        _ => Ruling::new(Meaning::Fatal, WhyKind::Configuration, text, CHECK_URL),
    };
    ruling.code(status)
}
