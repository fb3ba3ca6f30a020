//! How each service is tried by hand: what to open, and what to say then to follow a topic. The lines at the start, the
//! help, `GET /_mock/services`, the page and the verdicts tell it from here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::Service;
use crate::switches::{self as s, Switches};

/// How a service is tried by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HowTo {
    /// The service.
    pub service: Service,
    /// The URL to open; with Socket.IO the server's, to which `path` belongs.
    pub url: String,
    /// Socket.IO's option `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The role that a token should name.
    pub role: String,
    /// A line that opens a connection; `$TOKEN` or `token` stands for a token.
    pub open: String,
    /// What follows a topic then: a message to send, or what to do with the socket.
    pub follow: String,
    /// What a tester would else be surprised by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Said of a service that lets in whoever comes, so that nobody looks there for a token's end.
pub(crate) fn believes_anyone(service: Service, switches: &Switches) -> Option<&'static str> {
    (service == Service::DocProc && switches.is(&s::DOCPROC_AUTH, "off")).then_some(
        r#"docproc believes anyone; `--set docproc.auth=on`, or POST /_mock/switches {"docproc.auth":"on"}, makes it look at tokens"#,
    )
}

impl HowTo {
    /// At this base URL, `http://127.0.0.1:8090`, as the switches stand.
    pub(crate) fn new(service: Service, base: &str, switches: &Switches) -> Self {
        let path = format!("/{service}{}", service.socket_path());
        let role = service.usual_role().to_owned();
        let follow = follow(service).to_owned();
        let note = believes_anyone(service, switches).map(str::to_owned);
        if service.is_socket_io() {
            let open = format!("io(\"{base}\", {{ path: \"{path}\", auth: {{ token }} }})");
            return Self { service, url: base.to_owned(), path: Some(path), role, open, follow, note };
        }
        let url = format!("{}{path}", base.replacen("http", "ws", 1));
        let example = url.replace("{session_id}", "session_1");
        Self {
            service,
            open: format!("npx wscat -c \"{example}?token=$TOKEN\""),
            url,
            path: None,
            role,
            follow,
            note,
        }
    }

    /// What is behind "is ready at": a URL, or a line for Socket.IO, whose clients take no URL with a path.
    pub(crate) fn place(&self) -> &str {
        if self.path.is_some() { &self.open } else { &self.url }
    }
}

/// A command that follows a topic of its own by the project's example `watch`, to be pasted in the project's root.
/// `insecure` is for addresses that are not this machine alone, which a client goes to without TLS only when told to.
pub(crate) fn watch(service: Service, base: &str, insecure: bool, token: Option<&str>) -> String {
    let url = if service.is_socket_io() { base.to_owned() } else { base.replacen("http", "ws", 1) };
    let topic = match service {
        Service::Saga => "project_2",
        Service::DevContext => "analysis_2",
        _ => "session_2",
    };
    let insecure = if insecure { " --insecure" } else { "" };
    let token = token.map_or_else(String::new, |token| format!(" --token {token}"));
    format!(
        "cargo run -p steadfast --example watch -- {service} {url}/{service} --topic {topic}{insecure}{token}"
    )
}

/// What is said to follow a topic.
pub(crate) fn follow(service: Service) -> &'static str {
    match service {
        Service::Charisma => r#"{"action":"subscribe","payload":{"sessionId":"session_1"}}"#,
        Service::TherapyBridge => "nothing: the URL names the session",
        Service::Saga => r#"socket.onAny(console.log).emit("join_project", "project_1")"#,
        Service::DocProc => r#"socket.onAny(console.log).emit("subscribe", "session_1")"#,
        Service::DevContext => {
            r#"{"type":"subscribe_analysis","timestamp":"2024-02-26T10:30:00Z","payload":{"analysisId":"analysis_1"}}"#
        }
        Service::Echo => r#"socket.onAny(console.log).emit("message", "hello")"#,
    }
}

/// All services in lines, for the help.
pub fn first_steps(base: &str) -> String {
    let switches = Switches::default();
    let told = Service::ALL.iter().map(|service| {
        let HowTo { role, open, follow, note, .. } = HowTo::new(*service, base, &switches);
        let note = note.map_or_else(String::new, |note| format!("      {note}\n"));
        format!(
            "  {service} (TOKEN=$(mock-server token --role {role}))\n      {open}\n      {follow}\n{note}"
        )
    });
    told.collect()
}
