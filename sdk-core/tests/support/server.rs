//! What a server that is not told step by step answers, and the token provider.

use steadfast::{DisconnectReason, Service, SocketId};

use super::{Provider, Reaction, Server, World};

impl World {
    pub(super) fn answer_provider(&mut self, generation: u32) {
        let answer = match &self.provider {
            Provider::Manual => return,
            Provider::Same(text) => {
                let text = *text;
                Ok(self.make_token(text, None))
            }
            Provider::Fresh(ttl) => {
                let ttl = *ttl;
                self.next_token += 1;
                Ok(self.make_token(&format!("tok-{}", self.next_token), Some(ttl)))
            }
            Provider::Fails(error) => Err(error.clone()),
        };
        self.reactions.push_back(Reaction::Token(generation, answer));
    }

    fn socketio(&self) -> bool {
        matches!(self.service, Service::Saga | Service::DocProc)
    }

    pub(super) fn answer_dial(&mut self, socket: SocketId) {
        match self.server.clone() {
            Server::Manual => {}
            Server::Refuses(reason) => self.reactions.push_back(Reaction::Closed(socket, reason)),
            server => {
                self.reactions.push_back(Reaction::Opened(socket));
                if self.socketio() {
                    let open = r#"0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#;
                    self.reactions.push_back(Reaction::Frame(socket, open.into()));
                } else if let Server::Closes(code, reason) = server {
                    self.close_later(socket, code, reason);
                }
            }
        }
    }

    fn close_later(&mut self, socket: SocketId, code: u16, reason: &str) {
        let reason = DisconnectReason::Closed { code, reason: reason.into() };
        self.reactions.push_back(Reaction::Closed(socket, reason));
    }

    /// What a server that is not told step by step answers.
    pub(super) fn answer_message(&mut self, socket: SocketId, text: &str) {
        let obedient = matches!(self.server, Server::Obedient);
        if matches!(self.server, Server::Manual) {
            return;
        }
        if self.socketio() && text.starts_with("40") {
            let sid = format!(r#"40{{"sid":"c{}"}}"#, socket.0);
            self.reactions.push_back(Reaction::Frame(socket, sid));
            if let Server::Closes(code, reason) = self.server {
                self.close_later(socket, code, reason);
            }
            return;
        }
        let value: serde_json::Value =
            serde_json::from_str(text.trim_start_matches("42")).unwrap_or(serde_json::Value::Null);
        let authenticate = value["action"] == "authenticate";
        if !(obedient || authenticate) {
            return;
        }
        let answer = match self.service {
            Service::Charisma => match value["action"].as_str() {
                Some("authenticate") => r#"{"type":"authenticated"}"#.into(),
                Some("subscribe") => {
                    format!(r#"{{"type":"subscribed","sessionId":{}}}"#, value["payload"]["sessionId"])
                }
                Some("unsubscribe") => {
                    format!(r#"{{"type":"unsubscribed","sessionId":{}}}"#, value["payload"]["sessionId"])
                }
                _ => return,
            },
            Service::TherapyBridge => return,
            Service::Saga => match value[0].as_str() {
                Some("join_project") => format!(r#"42["joined_project",{{"projectId":{}}}]"#, value[1]),
                Some("leave_project") => format!(r#"42["left_project",{{"projectId":{}}}]"#, value[1]),
                Some("ping") => r#"42["pong"]"#.into(),
                _ => return,
            },
            Service::DocProc => match value[0].as_str() {
                Some("subscribe") => format!(r#"42["subscribed",{{"sessionId":{}}}]"#, value[1]),
                Some("unsubscribe") => format!(r#"42["unsubscribed",{{"sessionId":{}}}]"#, value[1]),
                _ => return,
            },
            Service::DevContext => {
                let (kind, payload) = match value["type"].as_str() {
                    Some("subscribe_analysis") => (
                        "subscription_confirmed",
                        format!(
                            r#"{{"analysisId":{},"currentStatus":"processing","completedStages":[]}}"#,
                            value["payload"]["analysisId"]
                        ),
                    ),
                    Some("unsubscribe_analysis") => (
                        "unsubscription_confirmed",
                        format!(r#"{{"analysisId":{}}}"#, value["payload"]["analysisId"]),
                    ),
                    Some("ping") => ("pong", "{}".into()),
                    Some("resume_interview") => (
                        "interview_resumed",
                        format!(
                            r#"{{"sessionId":{},"currentQuestion":{{"questionId":"q1","question":"?"}}}}"#,
                            value["payload"]["sessionId"]
                        ),
                    ),
                    _ => return,
                };
                format!(r#"{{"type":"{kind}","payload":{payload},"requestId":{}}}"#, value["requestId"])
            }
        };
        self.reactions.push_back(Reaction::Frame(socket, answer));
    }
}
