//! Faults of what a service does: they are told to the connection's session, which knows the service's words for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Plan;
use super::rule::When;
use crate::connection::{Command, Connection};
use crate::world::World;

/// A fault of what a service does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ProtocolFault {
    /// The connection's token expires now and is refused from here on; the client is told at once, also by services
    /// that look at tokens only when a message comes.
    ExpireToken,
    /// The connection's token is refused from here on; the client is not told before it shows it again.
    RevokeToken,
    /// As if the server were shutting down: what the service says then, and the end of the connection.
    Shutdown,
    /// Ends the Socket.IO session (`41`) and leaves the transport open; elsewhere a close frame with 1000.
    Disconnect,
    /// An API gateway's error in place of handling the client's message [devcontext §3.16].
    GatewayError {
        /// The error's text.
        #[serde(default = "gateway")]
        message: String,
    },
    /// As if a newer connection of the same user had arrived.
    Replace,
    /// Answers the client's message with the service's error in place of handling it.
    Reject {
        /// The service's code, where its errors have one.
        #[serde(default = "denied")]
        code: String,
        /// The error's text.
        #[serde(default = "by_a_fault")]
        message: String,
    },
}

fn gateway() -> String {
    "Internal server error".to_owned()
}

fn denied() -> String {
    "FORBIDDEN".to_owned()
}

fn by_a_fault() -> String {
    "Refused by a fault".to_owned()
}

impl ProtocolFault {
    pub(super) const NAMES: &[&str] =
        &["expire_token", "revoke_token", "shutdown", "disconnect", "gateway_error", "replace", "reject"];

    pub(super) fn usual_place(&self) -> When {
        match self {
            ProtocolFault::Reject { .. } | ProtocolFault::GatewayError { .. } => When::In,
            _ => When::Out,
        }
    }

    pub(super) fn misfit(&self, when: When) -> Option<&'static str> {
        match (self, when) {
            (_, When::Accept | When::Upgrade) => {
                Some("this action needs an open connection: use `when` in, out or now")
            }
            (ProtocolFault::GatewayError { .. }, When::Out) => {
                Some("`gateway_error` answers a message of the client: leave `when` out, or use now")
            }
            (ProtocolFault::Reject { .. }, When::Out | When::Now) => {
                Some("`reject` answers a message of the client: leave `when` out")
            }
            _ => None,
        }
    }

    /// Does it to an open connection; what needs the client's message goes into the message's plan.
    pub(super) fn apply(&self, world: &World, on: &Connection, plan: Option<&mut Plan>) {
        match self {
            ProtocolFault::Reject { .. } | ProtocolFault::GatewayError { .. } => {
                if let Some(plan) = plan {
                    return plan.answers.push(self.clone());
                }
            }
            ProtocolFault::ExpireToken | ProtocolFault::RevokeToken => {
                if let Some(who) = on.identity() {
                    let name =
                        if *self == ProtocolFault::RevokeToken { "revoke_token" } else { "expire_token" };
                    world.authority.revoke(&who.fingerprint, &format!("the fault {name}"));
                }
            }
            _ => {}
        }
        on.send(Command::Provoke(self.clone()));
    }

    /// The gateway's frame. Its ids are its own and mean nothing.
    pub(crate) fn gateway_frame(message: &str) -> serde_json::Value {
        serde_json::json!({"message": message, "connectionId": "gateway-connection", "requestId": "gateway-request"})
    }
}
