//! A client's options, from numbers by place and texts. What is left out has the machine's default.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use steadfast::{AuthMode, Config, ConfigError, Endpoint, HostCaps, Machine, Service, TokenSource};

use crate::buffer::Buffer;
use crate::input;

/// Makes a machine. `caps`: 1 WebSocket pings, 2 headers, 4 the HTTP status of a refused upgrade, 8 HTTP requests.
///
/// Texts: the token, the URL, the REST URL, then query, headers and connect fields, each as names and values with a
/// NUL behind each. Numbers: see below, in the order of `config.rs`.
pub(crate) fn read(buffer: &mut Buffer, caps: u32) -> Result<Machine, ConfigError> {
    let number = |index| buffer.number(index);
    let service = number(0).and_then(|n| Service::ALL.get(n as usize).copied()).unwrap_or(Service::Charisma);
    let endpoint = match (buffer.text(1), number(1)) {
        (Some(url), _) => Endpoint::Url(url.into()),
        (None, Some(_)) => Endpoint::Production,
        (None, None) => Endpoint::Development,
    };
    let mut config = Config::new(service, endpoint);
    config.rest_url = buffer.text(2).map(String::from);
    config.query = pairs(buffer.text(3));
    config.headers = pairs(buffer.text(4));
    config.connect_fields = pairs(buffer.text(5));
    config.token = match (number(2), buffer.text(0)) {
        (Some(_), _) => TokenSource::Provider,
        (None, Some(_)) => TokenSource::Static(input::token(buffer, number(3).unwrap_or(f64::NAN))),
        (None, None) => TokenSource::None,
    };
    config.auth = match number(4).unwrap_or(0.0) as u32 {
        1 => AuthMode::Header,
        2 => AuthMode::Query,
        3 => AuthMode::Message,
        4 => AuthMode::Subprotocol,
        _ => AuthMode::Auto,
    };
    config.seed = number(5).unwrap_or(0.0) as u64;
    let (reconnect, timings, limits) = (&mut config.reconnect, &mut config.timings, &mut config.limits);
    let flags = [
        &mut config.allow_insecure,
        &mut config.answer_pings,
        &mut config.fetch_on_stage,
        &mut reconnect.reconnect,
        &mut reconnect.jitter,
    ];
    let mut next = 6;
    let mut each = || {
        next += 1;
        number(next - 1)
    };
    for flag in flags {
        if let Some(number) = each() {
            *flag = number != 0.0;
        }
    }
    let counts = [
        &mut reconnect.attempts_per_minute,
        &mut limits.messages_per_minute,
        &mut limits.messages_reserved,
        &mut limits.messages_per_second,
    ];
    for count in counts {
        if let Some(number) = each() {
            *count = number as u32;
        }
    }
    let sizes =
        [&mut limits.queue_entries, &mut limits.queue_bytes, &mut limits.connections, &mut limits.items];
    for size in sizes {
        if let Some(number) = each() {
            *size = number as usize;
        }
    }
    reconnect.max_attempts = each().map(|number| number as u32);
    limits.max_incoming = each().map(|number| number as usize);
    limits.max_outgoing = each().map(|number| number as usize);
    timings.silence_limit = each().map(|number| Duration::from_millis(number as u64));
    let times = [
        &mut reconnect.base_delay,
        &mut reconnect.max_delay,
        &mut reconnect.dial_timeout,
        &mut reconnect.handshake_timeout,
        &mut reconnect.stable_after,
        &mut reconnect.max_retry_after,
        &mut reconnect.restart_spread,
        &mut timings.hidden_silence_limit,
        &mut timings.ping_interval,
        &mut timings.pong_timeout,
        &mut timings.probe_timeout,
        &mut timings.browser_probe_interval,
        &mut timings.overdue_grace,
        &mut timings.clock_jump,
        &mut timings.background_grace,
        &mut timings.confirm_timeout,
        &mut timings.linger,
        &mut timings.command_timeout,
        &mut timings.token_timeout,
        &mut timings.refresh_margin,
        &mut timings.refresh_interval,
        &mut timings.completion_wait,
        &mut timings.rotate_after,
        &mut timings.drain_limit,
        &mut timings.close_after_end,
        &mut timings.wake_interval,
    ];
    for time in times {
        if let Some(number) = each() {
            *time = Duration::from_millis(number as u64);
        }
    }
    let has = |bit: u32| caps & bit != 0;
    Machine::new(config, HostCaps { ws_ping: has(1), headers: has(2), http_status: has(4), http: has(8) })
}

fn pairs(text: Option<&str>) -> Vec<(String, String)> {
    let mut rest = text.unwrap_or_default();
    let mut next = || {
        let end = rest.bytes().position(|byte| byte == 0)?;
        let part = rest.get(..end)?;
        rest = rest.get(end + 1..)?;
        Some(String::from(part))
    };
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (next(), next()) {
        pairs.push((name, value));
    }
    pairs
}
