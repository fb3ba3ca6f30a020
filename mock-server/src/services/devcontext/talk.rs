//! One DevContext connection.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::interview::Trouble;
use super::message::{Answer, Request, Said, Start, read};
use super::{completed, frame, status};
use crate::auth::Identity;
use crate::connection::{Connection, Frame};
use crate::hub::Access;
use crate::limits::Window;
use crate::report::journal::Fact;
use crate::service::Service;
use crate::services::due_at;
use crate::switches as s;
use crate::world::{World, timestamp};
use crate::ws::{Out, Session};

const D: Service = Service::DevContext;

/// A connection's conversation.
pub(super) struct Talk {
    world: World,
    on: Arc<Connection>,
    who: Option<Identity>,
    /// Until when an `authenticate` must have come.
    patience: Option<Instant>,
    idle: Duration,
    heard: Instant,
    /// When the connection ends silently.
    end: Option<Instant>,
    rate: Window,
}

/// An error message's code, text and whether trying again may help [devcontext §3.17].
type Error<'a> = (&'a str, String, bool);

fn invalid(why: impl Into<String>) -> Error<'static> {
    ("INVALID_MESSAGE_FORMAT", why.into(), false)
}

impl From<Trouble> for Error<'static> {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unknown => ("SESSION_NOT_FOUND", "There is no such interview".to_owned(), false),
            Trouble::NotYours => ("UNAUTHORIZED", "This interview belongs to another user".to_owned(), false),
            Trouble::NotAsked => invalid("This question is not being asked now"),
            Trouble::Paused => invalid("The interview is paused"),
        }
    }
}

impl Talk {
    pub(super) fn new(world: World, on: Arc<Connection>, who: Option<Identity>) -> Self {
        let now = Instant::now();
        let life = world.switches.span(&s::DEVCONTEXT_MAX_LIFE);
        Self {
            patience: who.is_none().then(|| now + world.switches.span(&s::DEVCONTEXT_AUTH_TIMEOUT)),
            idle: world.switches.span(&s::DEVCONTEXT_IDLE),
            heard: now,
            end: (!life.is_zero()).then(|| now + life),
            rate: Window::default(),
            world,
            on,
            who,
        }
    }

    fn recognised(&mut self, who: Identity) {
        self.world.recognise(&self.on, &who);
        self.who = Some(who);
        self.patience = None;
    }

    /// A reply to the message with this id.
    fn reply(&self, kind: &str, payload: Value, request: Option<&str>) -> Frame {
        let mut frame = frame(kind, payload);
        frame.body["timestamp"] = timestamp().into();
        if let Some(id) = request
            && self.world.switches.is(&s::DEVCONTEXT_ECHO, "always")
        {
            frame.body["requestId"] = id.into();
        }
        frame
    }

    fn error(&self, (code, text, retryable): Error<'_>, request: Option<&str>) -> Frame {
        let payload = json!({"errorCode": code, "errorMessage": text, "retryable": retryable});
        self.reply("error", payload, request)
    }

    fn unauthorized(&self, text: &str, request: Option<&str>, out: &mut Out) {
        self.world.console.tell("refused", &self.on, text);
        out.send(self.error(("UNAUTHORIZED", text.to_owned(), false), request));
        out.close(4401, "Unauthorized");
    }

    fn handle(&mut self, Request { id, said }: Request, out: &mut Out) {
        let id = id.as_deref();
        if self.who.is_none() && !matches!(said, Said::Authenticate { .. }) {
            return self.unauthorized("Authenticate first", id, out);
        }
        let answer = match said {
            Said::Authenticate { token } => return self.authenticate(&token, id, out),
            Said::SubscribeAnalysis { analysis } => self.subscribe(&analysis, id),
            Said::UnsubscribeAnalysis { analysis } => {
                self.world.hub.unsubscribe(D, &analysis, &self.on);
                let payload = json!({"analysisId": analysis});
                Ok(self.reply("unsubscription_confirmed", payload, id).about(analysis))
            }
            Said::StartInterview(start) => self.start(&start, id),
            Said::SubmitAnswer(answer) => match self.submit(answer, id) {
                Ok(()) => return, // the evaluation is the answer
                Err(error) => Err(error),
            },
            Said::PauseInterview { session } => self
                .world
                .services
                .devcontext
                .pause(&session, &self.user())
                .map(|payload| self.reply("interview_paused", payload, id).about(session))
                .map_err(Error::from),
            Said::ResumeInterview { session } => self.resume(session, id),
            Said::Ping => Ok(self.reply("pong", json!({}), id)),
        };
        out.send(answer.unwrap_or_else(|error| {
            self.world.console.tell("refused", &self.on, error.0);
            self.error(error, id)
        }));
    }

    fn user(&self) -> String {
        self.who.as_ref().map_or_else(String::new, |who| who.sub.clone())
    }

    fn authenticate(&mut self, token: &str, id: Option<&str>, out: &mut Out) {
        match self.world.judge(&self.on, token) {
            Ok(who) => {
                self.recognised(who);
                if self.world.switches.is(&s::DEVCONTEXT_AUTHENTICATED, "on") {
                    out.send(self.reply("authenticated", json!({}), id));
                }
            }
            Err(_) => self.unauthorized("Invalid or expired authentication token", id, out),
        }
    }

    fn access(&self, analysis: &str) -> Result<(), Error<'static>> {
        match self.world.hub.access(D, analysis, self.who.as_ref(), false) {
            Access::Granted => Ok(()),
            Access::Missing => Err(("ANALYSIS_NOT_FOUND", "There is no such analysis".to_owned(), false)),
            Access::Denied => {
                Err(("UNAUTHORIZED", "This analysis belongs to another user".to_owned(), false))
            }
        }
    }

    fn subscribe(&self, analysis: &str, id: Option<&str>) -> Result<Frame, Error<'static>> {
        self.access(analysis).inspect_err(|(code, ..)| {
            self.world.journal.add(&*self.on, Fact::Denied { topic: analysis, code });
        })?;
        let state = self.world.hub.subscribe(&self.world, D, analysis, &self.on);
        self.world.journal.add(&*self.on, Fact::Subscribed { topic: analysis });
        self.world.console.tell("subscribed", &self.on, analysis);
        let payload = json!({"analysisId": analysis, "currentStatus": status(&state),
            "completedStages": completed(&state)});
        Ok(self.reply("subscription_confirmed", payload, id).about(analysis))
    }

    fn start(&self, start: &Start, id: Option<&str>) -> Result<Frame, Error<'static>> {
        self.access(&start.analysis)?;
        let kind = start.session_type;
        let (session, payload) =
            self.world.services.devcontext.start(&self.world, &self.user(), &start.analysis);
        self.world.hub.subscribe(&self.world, D, &session, &self.on);
        self.world.console.tell("subscribed", &self.on, &format!("interview {session} ({kind:?})"));
        Ok(self.reply("interview_started", payload, id).about(session))
    }

    fn resume(&self, session: String, id: Option<&str>) -> Result<Frame, Error<'static>> {
        let payload = self.world.services.devcontext.resume(&session, &self.user())?;
        self.world.hub.subscribe(&self.world, D, &session, &self.on);
        Ok(self.reply("interview_resumed", payload, id).about(session))
    }

    /// Takes the answer; the evaluation comes a step later, to whichever connection has the interview then.
    fn submit(&self, answer: Answer, id: Option<&str>) -> Result<(), Error<'static>> {
        let Answer { session, question, text: answer } = answer;
        self.world.services.devcontext.take_answer(&session, &self.user(), &question)?;
        let late = self.world.switches.is(&s::DEVCONTEXT_EVALUATION, "late");
        let pause =
            if late { self.world.switches.span(&s::DEVCONTEXT_LATE) } else { self.world.options.step };
        // The evaluation is put into this reply when it is known.
        let mut reply =
            self.reply("answer_evaluated", json!({"sessionId": session, "questionId": question}), id);
        let world = self.world.clone();
        self.world.tasks.spawn(async move {
            tokio::select! {
                () = world.clock.sleep_until(world.clock.now() + pause) => {}
                () = world.shutdown.cancelled() => return,
            }
            let Some(verdict) = world.services.devcontext.evaluate(&world, &session, &answer) else { return };
            reply.body["timestamp"] = timestamp().into();
            reply.body["payload"]["evaluation"] = verdict.evaluation;
            reply.body["payload"]["nextAction"] = verdict.next.into();
            world.hub.publish(D, reply.about(session.as_str()), None);
            let (kind, payload) = verdict.message;
            world.hub.publish(D, frame(kind, payload).about(session), None);
        });
        Ok(())
    }
}

impl Session for Talk {
    fn opened(&mut self, _: &mut Out) {
        if let Some(who) = self.who.take() {
            self.recognised(who);
        }
    }

    fn text(&mut self, text: &str, out: &mut Out) {
        let now = Instant::now();
        self.heard = now;
        let message = read(text);
        let limit = self.world.switches.number(&s::DEVCONTEXT_RATE_LIMIT);
        if self.rate.admit(now, limit, self.world.switches.span(&s::DEVCONTEXT_RATE_WINDOW)).is_err() {
            let id =
                message.as_ref().map_or_else(|misfit| misfit.id.as_deref(), |request| request.id.as_deref());
            let error = ("RATE_LIMIT_EXCEEDED", format!("More than {limit} messages in the window"), true);
            return out.send(self.error(error, id));
        }
        match message {
            Ok(request) => self.handle(request, out),
            Err(misfit) => out.send(self.error(invalid(misfit.why), misfit.id.as_deref())),
        }
    }

    fn binary(&mut self, out: &mut Out) {
        self.heard = Instant::now();
        out.send(self.error(invalid("Binary messages are not understood"), None));
    }

    fn reject(&mut self, code: &str, why: &str, _: Option<&str>, out: &mut Out) {
        // Of all refusals only this one passes by itself.
        let retryable = code == "RATE_LIMIT_EXCEEDED";
        out.send(self.error((code, why.to_owned(), retryable), None));
    }

    fn expired(&mut self, out: &mut Out) {
        if let Some(who) = &mut self.who {
            who.expires = Some(SystemTime::now());
            self.unauthorized("Invalid or expired authentication token", None, out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let expiry = self.who.as_ref().and_then(|who| who.expires).map(due_at);
        [self.patience, Some(self.heard + self.idle), self.end, expiry].into_iter().flatten().min()
    }

    fn due(&mut self, now: Instant, out: &mut Out) {
        if self.end.is_some_and(|end| end <= now) {
            out.cut();
        } else if self.who.as_ref().is_some_and(Identity::expired) {
            self.expired(out);
        } else if self.patience.is_some_and(|end| end <= now) {
            out.close(4401, "Authentication required");
        } else if self.heard + self.idle <= now {
            out.close(1001, "Idle timeout");
        }
    }
}
