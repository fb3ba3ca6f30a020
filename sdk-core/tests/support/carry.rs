//! The host of a story: it carries out what the machine wants, and writes down what crosses the line.

use std::fmt::Write as _;

use steadfast::{Event, Input, Output, Verdict};

use super::show::{flags, shown};
use super::{Reaction, World};

impl World {
    pub(super) fn line(&mut self, text: std::fmt::Arguments<'_>) {
        let mut text = text.to_string();
        for secret in &self.secrets {
            if !secret.is_empty() {
                text = text.replace(secret.as_str(), "(token)");
            }
        }
        let _ = writeln!(self.log, "{:>8.3} {text}", self.now as f64 / 1000.0);
    }

    pub(super) fn drain(&mut self) {
        loop {
            while let Some(output) = self.machine.poll() {
                let _ = writeln!(self.debug, "{output:?}");
                self.take(output);
            }
            match self.reactions.pop_front() {
                Some(Reaction::Opened(socket)) if self.sockets.contains(&socket) => {
                    self.line(format_args!("> opened #{}", socket.0));
                    self.machine.handle(self.clocks(), Input::Opened(socket));
                }
                Some(Reaction::Frame(socket, text)) if self.sockets.contains(&socket) => {
                    self.frame_on(socket, &text);
                }
                Some(Reaction::Closed(socket, reason)) if self.sockets.contains(&socket) => {
                    self.ended_on(socket, reason);
                }
                Some(Reaction::Token(generation, answer)) => {
                    self.machine.handle(self.clocks(), Input::Token(generation, answer));
                }
                Some(_) => {}
                None => return,
            }
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Open(socket, request) => {
                let names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
                self.line(format_args!("open #{} {} {}", socket.0, request.url, names.join(" ")));
                self.opened.push((self.now, socket, request));
                self.sockets.push(socket);
                self.answer_dial(socket);
            }
            Output::Send(socket, text) => {
                self.line(format_args!("send #{} {}", socket.0, text.expose()));
                self.sent.push((self.now, socket, text.expose().into()));
                assert!(self.sockets.contains(&socket), "sent to a socket that is gone");
                self.answer_message(socket, text.expose());
            }
            Output::Ping(socket) => {
                self.line(format_args!("ping #{}", socket.0));
                self.pings.push((self.now, socket));
            }
            Output::Close(socket, reason) => {
                self.line(format_args!("close #{} {reason:?}", socket.0));
                self.sockets.retain(|own| *own != socket);
            }
            Output::Http(id, request) => {
                self.line(format_args!("http {} {} {}", id.0, request.method, request.url));
                self.requests.push((id, request));
            }
            Output::Abort(id) => {
                self.line(format_args!("abort {}", id.0));
                self.aborted.push(id);
            }
            Output::FetchToken { generation, force } => {
                self.line(format_args!("fetch token{}", if force { ", force" } else { "" }));
                self.asked.push((self.now, force));
                self.generation = generation;
                self.answer_provider(generation);
            }
            Output::Done(id, outcome) => {
                match &outcome {
                    Ok(_) => self.line(format_args!("done {}", id.0)),
                    Err(error) => self.line(format_args!(
                        "done {} {} retryable={} sent={:?}",
                        id.0, error, error.retryable, error.sent
                    )),
                }
                self.outcomes.entry(id.0).or_default().push(outcome);
            }
            Output::Release(frame, verdict) => {
                let text = self.frames[frame.0 as usize].clone();
                self.line(format_args!("release {text}{}", flags(verdict)));
                if verdict.has(Verdict::DELIVER) {
                    self.delivered.push((text, verdict));
                }
            }
            Output::Event(event) => {
                self.line(format_args!("{}", shown(&event)));
                if let Event::State(state) = &event {
                    let before = self.events.iter().rev().find_map(|(_, event)| match event {
                        Event::State(state) => Some(state),
                        _ => None,
                    });
                    assert_ne!(before, Some(state), "a state is announced twice [rules §2.12.3]");
                }
                self.events.push((self.now, event));
            }
        }
    }
}
