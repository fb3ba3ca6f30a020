//! What the machine wants done, and what can be read of it, as JSON. The names are those of the TypeScript API.

use alloc::string::String;

use steadfast::json::{Object, list_into, object_into, string};
use steadfast::{
    CommandError, ConfigError, ConnectionState, Event, InterviewState, Machine, Output, Reply, Request, Sent,
    Snapshot, SubscriptionState, Why,
};

use crate::buffer::Buffer;

/// `{field, message}`
pub(crate) fn config_error(out: &mut String, error: &ConfigError) {
    out.clear();
    object_into(out, |o| o.text("field", error.field).text("message", &error.message));
    // No export tells its length.
    out.push('\0');
}

/// Everything there is to do, in order.
pub(crate) fn drain(machine: &mut Machine, out: &mut String) {
    while let Some(output) = machine.poll() {
        out.push(if out.is_empty() { '[' } else { ',' });
        object_into(out, |o| write(machine, &output, o));
    }
    if !out.is_empty() {
        out.push(']');
    }
}

/// `what`: 0 the snapshot of the topic in the first text, 1 the client's state in DevContext's words, 2 the state of the
/// topic's subscription, 3 the report, 4 what a raw progress of 0.5 is as a share, 5 the report as JSON, 6 the topics
/// that are known.
pub(crate) fn look(machine: &Machine, what: u32, buffer: &mut Buffer) {
    let mut out = core::mem::take(&mut buffer.out);
    let topic = buffer.text(0).unwrap_or_default();
    match what {
        0 => {
            if let Some(snapshot) = machine.snapshot(topic) {
                object_into(&mut out, |o| self::snapshot(snapshot, o));
            }
        }
        1 => {
            if let Some(state) = machine.devcontext_state() {
                string(&mut out, state.name());
            }
        }
        2 => {
            if let Some(state) = machine.subscription(topic) {
                object_into(&mut out, |o| subscription(&state, o));
            }
        }
        3 => string(&mut out, &machine.diagnose().text),
        5 => out = machine.diagnose().json,
        6 => {
            list_into(&mut out, machine.topics(), |out, (topic, _)| string(out, topic));
        }
        _ => object_into(&mut out, |o| o.parts("half", Some(machine.share(0.5)))),
    }
    buffer.out = out;
}

/// Numbers as whole ones: the code that writes fractions is larger than all the rest here.
trait Whole: Sized {
    /// A share from 0 to 1, in parts of 2^53.
    fn parts(self, name: &str, share: Option<f64>) -> Self;
    /// A time in ms, as µs.
    fn micros(self, name: &str, time: Option<f64>) -> Self;
}

impl Whole for Object<'_> {
    fn parts(self, name: &str, share: Option<f64>) -> Self {
        self.number_if(name, share.map(|share| (share * 9_007_199_254_740_992.0) as u64))
    }

    fn micros(self, name: &str, time: Option<f64>) -> Self {
        self.number_if(name, time.map(|time| (time * 1000.0) as u64))
    }
}

fn write<'a>(machine: &Machine, output: &Output, o: Object<'a>) -> Object<'a> {
    match output {
        Output::Open(id, request) => o
            .text("do", "open")
            .number("id", id.0.into())
            .text("url", &request.url)
            .list("protocols", &request.subprotocols, |out, name| string(out, name))
            .number("max", request.max_message as u64),
        Output::Send(id, text) => o.text("do", "send").number("id", id.0.into()).text("text", text.expose()),
        Output::Ping(id) => o.text("do", "ping").number("id", id.0.into()),
        Output::Close(id, reason) => {
            let reason = match reason {
                steadfast::CloseReason::Dead => "dead",
                _ => "",
            };
            o.text("do", "close").number("id", id.0.into()).text("why", reason)
        }
        Output::Http(id, request) => o
            .text("do", "http")
            .number("id", id.0.into())
            .text("method", request.method)
            .text("url", &request.url)
            .list("headers", &request.headers, pair)
            .text_if("body", request.body.as_deref())
            .number("max", request.max_body as u64)
            .text("expect", expected(machine.request_of(*id))),
        Output::Abort(id) => o.text("do", "abort").number("id", id.0.into()),
        Output::FetchToken { generation, force } => {
            o.text("do", "token").number("id", (*generation).into()).flag("force", *force)
        }
        Output::Done(id, result) => {
            let o = o.text("do", "done").number("id", id.0.into());
            match result {
                Ok(Reply { frame, http, elapsed }) => o
                    .number("elapsed", *elapsed)
                    .number_if("frame", frame.map(|frame| frame.0.into()))
                    .number_if("http", http.map(|http| http.0.into())),
                Err(error) => o.object("error", |o| command_error(error, o)),
            }
        }
        Output::Release(frame, verdict) => {
            o.text("do", "release").number("id", frame.0.into()).number("verdict", verdict.0.into())
        }
        Output::Event(event) => self::event(event, o.text("do", "event")),
    }
}

/// What the body of an answer must be.
fn expected(request: Option<&Request>) -> &'static str {
    match request {
        Some(Request::Login { .. }) => "login",
        Some(Request::RespondToClarification { .. }) => "clarification",
        Some(Request::Session { .. }) => "session",
        Some(Request::Analysis { .. }) => "analysis",
        Some(Request::ServerHealth) => "health",
        Some(Request::ServerStats) => "stats",
        _ => "",
    }
}

fn event<'a>(event: &Event, o: Object<'a>) -> Object<'a> {
    match event {
        Event::State(state) => o.text("type", "state").object("state", |o| self::state(state, o)),
        Event::Subscription { topic, state } => {
            o.text("type", "subscription").text("topic", topic).object("state", |o| subscription(state, o))
        }
        Event::Interview { session_id, state } => {
            o.text("type", "interview").text("topic", session_id).object("state", |o| interview(*state, o))
        }
        Event::Derived { topic, kind: _, stage, progress, at } => o
            .text("type", "derived")
            .text("topic", topic)
            .text("stage", stage.name())
            .parts("progress", *progress)
            .micros("at", *at),
        Event::Snapshot { topic } => o.text("type", "snapshot").text("topic", topic),
        Event::Gap { topic, since, until, recovered } => o
            .text("type", "gap")
            .text("topic", topic)
            .number("since", *since)
            .number("until", *until)
            .flag("recovered", *recovered),
        Event::Fetched { topic, http } => {
            o.text("type", "fetched").text("topic", topic).number("http", http.0.into())
        }
        Event::ProtocolViolation(violation) => {
            o.text("type", "violation").text("reason", &violation.reason).text("excerpt", &violation.excerpt)
        }
        Event::Notice { kind, text } => o.text("type", "notice").text("kind", kind.name()).text("text", text),
    }
}

fn state<'a>(state: &ConnectionState, o: Object<'a>) -> Object<'a> {
    let o = o.text("status", state.name());
    let o = match state {
        ConnectionState::Ready { attempts, down_ms, connection_id } => o
            .number("attempts", (*attempts).into())
            .number("downMs", *down_ms)
            .text_if("connectionId", connection_id.as_deref()),
        ConnectionState::Waiting { attempt, until, .. } => {
            o.number("attempt", (*attempt).into()).number("until", *until)
        }
        _ => o,
    };
    match state.why() {
        Some(why) => o.object("why", |o| self::why(why, o)),
        None => o,
    }
}

fn subscription<'a>(state: &SubscriptionState, o: Object<'a>) -> Object<'a> {
    let o = o.text("status", state.name());
    match state {
        SubscriptionState::Refused { why } => o.object("why", |o| self::why(why, o)),
        _ => o,
    }
}

fn interview(state: InterviewState, o: Object<'_>) -> Object<'_> {
    let o = o.text("status", state.name());
    match state {
        InterviewState::Paused { can_resume } => o.flag("canResume", can_resume),
        _ => o,
    }
}

fn why<'a>(why: &Why, o: Object<'a>) -> Object<'a> {
    o.text("kind", why.kind.name())
        .text("text", &why.text)
        .text_if("code", why.code.as_deref())
        .number("since", why.since)
        .text("help", why.help)
}

fn command_error<'a>(error: &CommandError, o: Object<'a>) -> Object<'a> {
    let sent = match error.sent {
        Sent::No => "no",
        Sent::Yes => "yes",
        Sent::Unknown => "unknown",
    };
    o.text("kind", error.kind.name())
        .text_if("code", error.code.as_deref())
        .text("message", &error.message)
        .flag("retryable", error.retryable)
        .text("sent", sent)
}

fn snapshot<'a>(snapshot: &Snapshot, o: Object<'a>) -> Object<'a> {
    o.text("topic", &snapshot.topic)
        .text("phase", snapshot.phase.name())
        .parts("progress", snapshot.progress)
        .text_if("message", snapshot.message.as_deref())
        .text_if("error", snapshot.error.as_deref())
        .flag("terminal", snapshot.terminal)
        .micros("updatedAt", snapshot.updated_at)
        .number_if("etaMs", snapshot.eta_ms)
        .number_if("staleSince", snapshot.stale_since)
        .list("items", &snapshot.items, |out, item| {
            object_into(out, |o| {
                o.text("id", &item.id)
                    .text("kind", item.kind)
                    .text("phase", item.phase.name())
                    .parts("progress", item.progress)
                    .text_if("message", item.message.as_deref())
                    .text_if("error", item.error.as_deref())
                    .micros("updatedAt", item.updated_at)
            });
        })
}

fn pair(out: &mut String, (name, value): &(String, String)) {
    list_into(out, [name, value], |out, text| string(out, text));
}
