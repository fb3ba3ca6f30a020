//! Where the service is and how the token gets there: a checked configuration turned into requests.

use alloc::string::String;
use alloc::vec::Vec;

use crate::config::{AuthMode, Config, ConfigError, Endpoint, TokenSource, ms};
use crate::dialect::Profile;
use crate::io::{ConnectRequest, HostCaps, HttpRequest, Token};
use crate::text::{Quoted, cut, has_control, text};
use crate::url::{Url, add_query, encode};

/// Everything a link needs to open a socket.
#[derive(Debug)]
pub(super) struct Route {
    socket: String,
    query: String,
    rest: String,
    pub auth: AuthMode,
    pub loopback: bool,
    pub max_message: usize,
}

impl Route {
    pub(super) fn new(config: &Config, profile: &Profile, caps: HostCaps) -> Result<Self, ConfigError> {
        let auth = auth_mode(config, profile, caps)?;
        check_numbers(config, auth)?;
        let text = match &config.endpoint {
            Endpoint::Url(url) => url.clone(),
            Endpoint::Development => profile.service.development_url().into(),
            Endpoint::Production => profile
                .service
                .production_url()
                .ok_or_else(|| {
                    ConfigError::new("endpoint", text![profile.service, " names no production URL; give one"])
                })?
                .into(),
        };
        // The documentation writes the session's place, and the token's, in braces.
        let text = cut(&text, "/{").filter(|_| profile.per_topic).map_or(&*text, |(front, _)| front);
        let mut url =
            Url::parse(text).map_err(|why| ConfigError::new("endpoint", why))?.strip_path(profile.path);
        if profile.socketio {
            // Said by this client itself, and once.
            let own = |pair: &&str| !pair.starts_with("EIO=") && !pair.starts_with("transport=");
            url.query = url.query.split('&').filter(own).collect::<Vec<_>>().join("&");
        }
        check_secure(config, &url, "endpoint")?;
        let mut rest = url.with("http", "https", "");
        if let Some(text) = &config.rest_url {
            let url = Url::parse(text).map_err(|why| ConfigError::new("rest_url", why))?;
            check_secure(config, &url, "rest_url")?;
            rest = url.with("http", "https", "");
        }
        let slash = if profile.socketio { "/" } else { "" };
        Ok(Self {
            socket: url.with("ws", "wss", profile.path) + slash,
            query: url.query.clone(),
            rest,
            auth,
            loopback: url.is_loopback(),
            max_message: config.limits.max_incoming.unwrap_or(profile.max_message),
        })
    }

    /// The socket's URL for this topic (where each has its own), as it can be shown: without any query.
    pub(super) fn shown(&self, topic: Option<&str>) -> String {
        let mut url = self.socket.clone();
        if let Some(topic) = topic {
            url.push('/');
            url.push_str(&encode(topic));
        }
        url
    }

    /// The socket to open for this topic (where each has its own) with this token.
    pub(super) fn socket(
        &self,
        config: &Config,
        profile: &Profile,
        caps: HostCaps,
        topic: Option<&str>,
        token: Option<&Token>,
    ) -> ConnectRequest {
        let mut url = self.shown(topic);
        if !self.query.is_empty() {
            url.push('?');
            url.push_str(&self.query);
        }
        if profile.socketio {
            add_query(&mut url, "EIO", "4");
            add_query(&mut url, "transport", "websocket");
        }
        for (name, value) in &config.query {
            add_query(&mut url, name, value);
        }
        let mut headers = if caps.headers { config.headers.clone() } else { Vec::new() };
        let mut subprotocols = Vec::new();
        if let Some(token) = token {
            let text = token.text.expose();
            match self.auth {
                AuthMode::Header => headers.push(("Authorization".into(), text!["Bearer ", text])),
                AuthMode::Query => add_query(&mut url, "token", text),
                AuthMode::Subprotocol => subprotocols.push(text.into()),
                AuthMode::Message | AuthMode::Auto => {}
            }
        }
        ConnectRequest { url, headers, subprotocols, max_message: self.max_message }
    }

    /// A REST request; `path` is encoded already.
    pub(super) fn rest(
        &self,
        config: &Config,
        method: &'static str,
        path: &str,
        body: Option<String>,
        token: Option<&Token>,
    ) -> HttpRequest {
        let mut headers = config.headers.clone();
        if body.is_some() {
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        if let Some(token) = token {
            headers.push(("Authorization".into(), text!["Bearer ", token.text.expose()]));
        }
        HttpRequest { method, url: text![self.rest, path], headers, body, max_body: self.max_message }
    }
}

fn check_secure(config: &Config, url: &Url, field: &'static str) -> Result<(), ConfigError> {
    if url.secure || url.is_loopback() || config.allow_insecure {
        return Ok(());
    }
    Err(ConfigError::new(
        field,
        text![
            Quoted(&url.authority),
            " is not this machine, and plain ws or http would show the token to the network; \
             use wss or https, or set allow_insecure (an emulator's 10.0.2.2 needs it too)"
        ],
    ))
}

fn auth_mode(config: &Config, profile: &Profile, caps: HostCaps) -> Result<AuthMode, ConfigError> {
    let [with_headers, in_browser] = profile.auth;
    let mode = match config.auth {
        AuthMode::Auto => return Ok(if caps.headers { with_headers } else { in_browser }),
        mode => mode,
    };
    let error = |message: String| Err(ConfigError::new("auth", message));
    if !profile.auth_modes.contains(&mode) {
        return error(text![
            profile.service,
            " has no way to authenticate by ",
            mode.name(),
            "; leave it out"
        ]);
    }
    if mode == AuthMode::Header && !caps.headers {
        return error(
            "a browser can't set headers on a WebSocket; leave auth out or choose another way".into(),
        );
    }
    Ok(mode)
}

fn check_numbers(config: &Config, auth: AuthMode) -> Result<(), ConfigError> {
    let error = |field, message: &str| Err(ConfigError::new(field, message));
    let options = &config.reconnect;
    if options.max_delay < options.base_delay {
        return error("max_delay", "it is smaller than base_delay; make it at least as large");
    }
    if options.max_attempts == Some(0) {
        return error("max_attempts", "0 attempts never connect; leave it out, or give 1 or more");
    }
    if options.attempts_per_minute == 0 {
        return error("attempts_per_minute", "0 attempts never connect; give 1 or more");
    }
    for (field, time) in [
        ("dial_timeout", &options.dial_timeout),
        ("handshake_timeout", &options.handshake_timeout),
        ("command_timeout", &config.timings.command_timeout),
        ("confirm_timeout", &config.timings.confirm_timeout),
        ("token_timeout", &config.timings.token_timeout),
        ("probe_timeout", &config.timings.probe_timeout),
        ("ping_interval", &config.timings.ping_interval),
        ("pong_timeout", &config.timings.pong_timeout),
        ("rotate_after", &config.timings.rotate_after),
        ("browser_probe_interval", &config.timings.browser_probe_interval),
        ("refresh_interval", &config.timings.refresh_interval),
        ("clock_jump", &config.timings.clock_jump),
    ] {
        if ms(*time) == 0 {
            return error(field, "a time of 0 always runs out at once; give at least 1 ms");
        }
    }
    if config.timings.silence_limit.is_some_and(|time| ms(time) == 0) {
        return error("silence_limit", "a time of 0 always runs out at once; give at least 1 ms");
    }
    let limits = &config.limits;
    for (field, number) in [
        ("queue_entries", limits.queue_entries),
        ("queue_bytes", limits.queue_bytes),
        ("connections", limits.connections),
        ("items", limits.items),
        ("max_incoming", limits.max_incoming.unwrap_or(1)),
        ("max_outgoing", limits.max_outgoing.unwrap_or(1)),
        ("messages_per_second", limits.messages_per_second as usize),
    ] {
        if number == 0 {
            return error(field, "a limit of 0 lets nothing through; give 1 or more");
        }
    }
    if limits.messages_per_minute <= limits.messages_reserved {
        return error("messages_per_minute", "it leaves nothing beside messages_reserved; make it larger");
    }
    if let TokenSource::Static(token) = &config.token
        && token.text.expose().is_empty()
    {
        return error("token", "the token is empty; leave it out if there is none");
    }
    if let TokenSource::Static(token) = &config.token
        && !token.is_usable(auth)
    {
        return error(
            "token",
            "the token contains a space, a control character or one that no header can carry; was it cut or quoted?",
        );
    }
    for (name, value) in &config.headers {
        let name_ok =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if !name_ok || has_control(value) {
            return error("headers", "a name or value is no legal HTTP header");
        }
    }
    Ok(())
}

/// Whether a text can be an id, which the error calls by this name: not empty, at most 256 bytes, no control
/// characters, and no step of a path, which is taken for one even when it is percent-encoded. [rules §1.4]
pub(super) fn check_id(name: &str, id: &str) -> Result<(), String> {
    let why = if id.is_empty() {
        "the id is empty"
    } else if id.len() > 256 {
        "the id is longer than 256 bytes"
    } else if id.chars().any(char::is_control) {
        "the id contains a control character"
    } else if matches!(id, "." | "..") {
        "the id would be a step in a URL's path"
    } else {
        return Ok(());
    };
    Err(text![name, ": ", why])
}
