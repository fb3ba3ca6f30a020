//! REST companions: requests that go by HTTP and need a token, but no connection. [rules §2.7]

use alloc::boxed::Box;
use alloc::string::String;

use super::Machine;
use super::commands::Queued;
use super::redact::blot;
use crate::command::{CommandErrorKind, CommandId, Request, Sent};
use crate::config::ms;
use crate::event::Event;
use crate::io::{HttpError, HttpId, HttpReply, Output};
use crate::text::text;
use crate::{json, url};

/// A REST request under way: a command's, or one of our own about a topic.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) request: Request,
    pub(super) command: Option<CommandId>,
    pub(super) topic: Option<String>,
    pub(super) sent_at: u64,
    pub(super) until: u64,
}

impl Machine {
    /// Whether a REST request has the token it needs, or needs none.
    pub(super) fn rest_has_token(&self, request: &Request) -> bool {
        let needs_none = matches!(request, Request::Login { .. } | Request::ServerHealth);
        let expired = |at: u64| at <= self.now.unix && !self.tokens.suspect;
        needs_none
            || !self.tokens.has_provider()
            || self.tokens.current.as_ref().is_some_and(|token| !token.expires_at.is_some_and(expired))
    }

    /// Whether a REST request waits for a token.
    pub(super) fn calls_need_token(&self) -> bool {
        self.call_without_token().is_some()
    }

    /// Where in the queue the first REST request stands that waits for a token.
    #[inline(never)]
    fn call_without_token(&self) -> Option<usize> {
        self.queue.iter().position(|queued| queued.is_rest() && !self.rest_has_token(&queued.request))
    }

    /// A token is there for the REST requests that waited for one.
    pub(super) fn calls_got_token(&mut self) {
        self.dirty = true;
    }

    /// There is no token for the REST requests that waited for one.
    pub(super) fn calls_lost_token(&mut self, why: &str) {
        while let Some(at) = self.call_without_token() {
            let id = self.queue.remove(at).id;
            let message = text!["the token provider gave no token: ", why];
            self.fail_command(id, CommandErrorKind::NotConnected, None, &message, true, Sent::No);
        }
    }

    pub(super) fn call(&mut self, queued: Queued) {
        self.start_call(Some(queued.id), None, queued.request);
    }

    /// Fetches an analysis because one of its stages is done.
    pub(super) fn fetch_analysis(&mut self, name: &str) {
        // A server that tells a stage again and again gets no more requests than there are stages.
        let under_way =
            self.calls.values().filter(|call| call.command.is_none() && call.topic.as_deref() == Some(name));
        if self.caps.http && under_way.count() < crate::envelope::Stage::ALL.len() {
            let analysis_id = name.into();
            self.start_call(None, Some(name.into()), Request::Analysis { analysis_id });
        }
    }

    fn start_call(&mut self, command: Option<CommandId>, topic: Option<String>, request: Request) {
        let (method, path, body) = match &request {
            Request::Login { email, password } => {
                let body = json::object(|o| o.text("email", email).text("password", password.expose()));
                ("POST", String::from("/api/v1/login"), Some(body))
            }
            Request::RespondToClarification { clarification_id, answer } => {
                let body = json::object(|o| {
                    o.text("clarificationId", clarification_id).text("answer", answer.expose())
                });
                ("POST", String::from("/api/wizard/clarifications/respond"), Some(body))
            }
            Request::Session { session_id } => {
                ("GET", text!["/api/wizard/session/", url::encode(session_id)], None)
            }
            Request::Analysis { analysis_id } => {
                ("GET", text!["/api/analysis/", url::encode(analysis_id)], None)
            }
            Request::ServerHealth => ("GET", String::from("/api/websocket/health"), None),
            Request::ServerStats => ("GET", String::from("/api/websocket/stats"), None),
            _ => return,
        };
        let open = matches!(request, Request::Login { .. } | Request::ServerHealth);
        self.next_http += 1;
        let http = HttpId(self.next_http);
        let token = if open { None } else { self.tokens.current.as_ref() };
        let send = self.route.rest(&self.config, method, &path, body, token);
        let now = self.now.mono;
        let until = now + ms(self.config.timings.command_timeout);
        let call = Box::new(Rest { request, command, topic, sent_at: now, until });
        self.calls.insert(http, call);
        self.out.push_back(Output::Http(http, send));
    }

    pub(super) fn http_ended(&mut self, http: HttpId, result: Result<HttpReply, HttpError>) {
        let Some(call) = self.calls.remove(&http) else { return };
        let Some(id) = call.command else {
            if let (Some(topic), Ok(HttpReply { status: 200..=299, readable: true, .. })) =
                (call.topic, &result)
            {
                self.event(Event::Fetched { topic, http });
            }
            return;
        };
        match result {
            Ok(reply) if (200..300).contains(&reply.status) && reply.readable => {
                self.confirm_command(id, None, Some(http), call.sent_at);
            }
            Ok(mut reply) => {
                if let (Request::Login { password, .. }, Some(error)) = (&call.request, &mut reply.error)
                    && !password.expose().is_empty()
                {
                    *error = blot(error, &[password.expose()], "(secret)", false);
                }
                let retryable = reply.status == 429 || reply.status >= 500;
                let message =
                    reply.error.unwrap_or_else(|| text!["the server answered with HTTP ", reply.status]);
                let code = text![reply.status];
                self.fail_command(
                    id,
                    CommandErrorKind::Rejected,
                    Some(&code),
                    &message,
                    retryable,
                    Sent::Yes,
                );
            }
            Err(error) => {
                let (kind, sent) = if error.sent {
                    (CommandErrorKind::Interrupted, Sent::Unknown)
                } else {
                    (CommandErrorKind::NotConnected, Sent::No)
                };
                self.fail_command(id, kind, None, &error.reason, true, sent);
            }
        }
    }

    /// Ends REST requests that take too long; gives the next such moment.
    pub(super) fn expire_calls(&mut self) {
        let now = self.now.mono;
        while let Some(http) = self.calls.first(|_, call| call.until <= now) {
            let Some(call) = self.calls.remove(&http) else { return };
            self.out.push_back(Output::Abort(http));
            if let Some(id) = call.command {
                let message = "no answer came in time";
                self.fail_command(id, CommandErrorKind::TimedOut, None, message, true, Sent::Unknown);
            }
        }
    }
}
