//! What a host tells the machine, from a code, three numbers and the texts in the buffer.

use alloc::string::String;

use steadfast::{
    Command, CommandId, Delivery, DisconnectReason, HttpError, HttpId, HttpReply, Input, Reachability,
    Request, Secret, SessionType, SocketId, Token, TokenError, Violation, Visibility,
};

use crate::buffer::Buffer;

/// Reads an input. Codes below 20 are happenings, from 20 commands, from 40 requests; `None` for an unknown code.
pub(crate) fn read(buffer: &Buffer, code: u32, a: f64, b: f64, c: f64) -> Option<Input> {
    let socket = SocketId(a as u32);
    let text = |index| buffer.string(index);
    let time = |number: f64| (!number.is_nan()).then_some(number as u64);
    Some(match code {
        0 => Input::Tick,
        1 => Input::Opened(socket),
        3 => Input::Closed(socket, DisconnectReason::Closed { code: b as u16, reason: text(0) }),
        4 => Input::Closed(socket, DisconnectReason::Network(text(0))),
        5 => Input::Closed(socket, DisconnectReason::TooLarge),
        6 => Input::Closed(socket, DisconnectReason::Http { status: b as u16, retry_after: time(c) }),
        7 => Input::Malformed(socket, Violation { reason: text(0), excerpt: text(1) }),
        8 => Input::Binary(socket, b as usize),
        9 => Input::Http(
            HttpId(a as u32),
            Ok(HttpReply {
                status: b as u16,
                retry_after: time(c),
                readable: buffer.number(0).is_some(),
                error: buffer.text(0).map(String::from),
            }),
        ),
        10 => Input::Http(HttpId(a as u32), Err(HttpError { reason: text(0), sent: b != 0.0 })),
        11 => Input::Token(a as u32, Ok(token(buffer, b))),
        12 => Input::Token(a as u32, Err(TokenError::Unavailable(text(0)))),
        13 => Input::Token(a as u32, Err(TokenError::Denied(text(0)))),
        14 => Input::Network(if a == 0.0 { Reachability::Offline } else { Reachability::Online }),
        15 => Input::Visibility(if a == 0.0 { Visibility::Hidden } else { Visibility::Visible }),
        16 => Input::Visibility(Visibility::Background),
        17 => Input::Cancel(CommandId(a as u32)),
        _ => Input::Command(CommandId(a as u32), command(buffer, code, b)?),
    })
}

/// The token in the first text.
pub(crate) fn token(buffer: &Buffer, expires_at: f64) -> Token {
    let expires_at = (expires_at >= 0.0).then_some(expires_at as u64);
    Token { text: Secret::new(buffer.string(0)), expires_at }
}

fn command(buffer: &Buffer, code: u32, b: f64) -> Option<Command> {
    let text = |index| buffer.string(index);
    Some(match code {
        20 => Command::Connect,
        21 => Command::TakeOver,
        22 => Command::SetToken(token(buffer, b)),
        23 => Command::Subscribe { topic: text(0), keep: b != 0.0 },
        24 => Command::Unsubscribe { topic: text(0) },
        25 => Command::WaitReady,
        26 => Command::WaitLive { topic: text(0) },
        27 => Command::Shutdown,
        _ => {
            let delivery =
                if b.is_nan() { Delivery::FailFast } else { Delivery::WaitReady { ttl: b as u64 } };
            Command::Request(request(buffer, code)?, delivery)
        }
    })
}

fn request(buffer: &Buffer, code: u32) -> Option<Request> {
    let text = |index| buffer.string(index);
    let secret = |index| Secret::new(buffer.string(index));
    Some(match code {
        40 => Request::Authenticate,
        41 => Request::Ping,
        42 => Request::StartInterview {
            analysis_id: text(0),
            session_type: if buffer.text(1) == Some(SessionType::Practice.name()) {
                SessionType::Practice
            } else {
                SessionType::Live
            },
        },
        43 => Request::SubmitAnswer { session_id: text(0), question_id: text(1), answer: secret(2) },
        44 => Request::PauseInterview { session_id: text(0) },
        45 => Request::ResumeInterview { session_id: text(0) },
        46 => Request::SendRaw { kind: text(0), payload: secret(1) },
        47 => Request::Login { email: text(0), password: secret(1) },
        48 => Request::RespondToClarification { clarification_id: text(0), answer: secret(1) },
        49 => Request::Session { session_id: text(0) },
        50 => Request::Analysis { analysis_id: text(0) },
        51 => Request::ServerHealth,
        52 => Request::ServerStats,
        _ => return None,
    })
}
