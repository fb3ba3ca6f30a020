//! The client's configuration in a schedule, and the mood its world is in.

use std::time::Duration;

use steadfast::{
    AuthMode, Config, Endpoint, HostCaps, Limits, Reconnect, Secret, Service, Token, TokenSource,
};

use crate::dice::Dice;

/// A configuration: mostly the defaults, sometimes everything ten times as fast, sometimes tight limits.
pub(crate) fn config(service: Service, caps: HostCaps, dice: &mut Dice) -> Config {
    let url = if dice.percent(70) { "wss://service.example" } else { "ws://127.0.0.1:9" };
    let mut config = Config::new(service, Endpoint::Url(url.into()));
    config.seed = dice.next();
    // Without a token Charisma has nothing to ask with in a browser.
    let tokenless = match service {
        Service::DocProc => 50,
        Service::Charisma if !caps.ws_ping => 0,
        _ => 8,
    };
    config.token = match dice.below(100) {
        roll if roll < tokenless => TokenSource::None,
        roll if roll < tokenless + 15 => {
            TokenSource::Static(Token { text: Secret::new("tok0"), expires_at: None })
        }
        _ => TokenSource::Provider,
    };
    config.auth = match service {
        Service::Charisma if dice.percent(30) => AuthMode::Message,
        Service::DevContext if dice.percent(20) => AuthMode::Message,
        Service::DevContext if dice.percent(10) => AuthMode::Subprotocol,
        Service::Charisma | Service::DevContext if dice.percent(20) => AuthMode::Query,
        Service::TherapyBridge if caps.headers && dice.percent(20) => AuthMode::Header,
        _ => AuthMode::Auto,
    };
    let tenth = dice.percent(30);
    config.reconnect = Reconnect {
        reconnect: !dice.percent(3),
        max_attempts: dice.percent(4).then(|| dice.between(1, 5) as u32),
        jitter: !dice.percent(30),
        attempts_per_minute: if dice.percent(80) { 12 } else { dice.between(1, 12) as u32 },
        ..Reconnect::default()
    };
    if tenth {
        let options = &mut config.reconnect;
        for time in [
            &mut options.base_delay,
            &mut options.max_delay,
            &mut options.dial_timeout,
            &mut options.handshake_timeout,
            &mut options.restart_spread,
        ] {
            *time /= 10;
        }
        let timings = &mut config.timings;
        for time in [
            &mut timings.ping_interval,
            &mut timings.pong_timeout,
            &mut timings.confirm_timeout,
            &mut timings.linger,
            &mut timings.command_timeout,
            &mut timings.token_timeout,
            &mut timings.completion_wait,
            &mut timings.background_grace,
            &mut timings.drain_limit,
        ] {
            *time /= 10;
        }
    }
    let rotates = dice.percent(40);
    if rotates {
        config.timings.rotate_after = Duration::from_secs(dice.between(20, 120));
    }
    // A budget that is used up by planned replacements would leave nothing.
    if dice.percent(20) && !rotates {
        config.limits = Limits {
            queue_entries: dice.between(1, 4) as usize,
            queue_bytes: dice.between(200, 800) as usize,
            messages_per_minute: if tenth { 60 } else { dice.between(10, 20) as u32 },
            messages_reserved: 3,
            messages_per_second: dice.between(1, 5) as u32,
            connections: dice.between(1, 3) as usize,
            items: dice.between(1, 4) as usize,
            ..Limits::default()
        };
    }
    config.fetch_on_stage = dice.percent(30);
    config.answer_pings = !dice.percent(10);
    config
}

/// How the server behaves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It does everything right, at once.
    Well,
    /// Mostly right.
    Fair,
    /// Nobody answers.
    Down,
    /// The upgrade is refused with this status.
    Refusing(u16),
    /// It accepts, then closes with this code.
    Closing(u16),
    /// It accepts and says nothing.
    Deaf,
    /// The token is refused in whatever way the service has.
    Unauthorized,
    /// Anything.
    Wild,
}

impl Mood {
    pub(crate) fn any(dice: &mut Dice) -> Self {
        match dice.below(20) {
            0..=4 => Self::Well,
            5..=9 => Self::Fair,
            10 => Self::Down,
            11 => Self::Refusing(dice.pick(&[401, 403, 404, 409, 410, 418, 302, 429, 429, 500, 503, 503])),
            12..=13 => Self::Closing(close_code(dice)),
            14 => Self::Deaf,
            15 => Self::Unauthorized,
            _ => Self::Wild,
        }
    }
}

/// A close code, mostly an ordinary one.
pub(crate) fn close_code(dice: &mut Dice) -> u16 {
    match dice.below(10) {
        0..=4 => dice.pick(&[1000, 1001, 1005, 1006, 1006, 1011, 1012, 1013]),
        5 => dice.pick(&[1002, 1003, 1007, 1010, 1014, 1015]),
        6 => 1008,
        7 => dice.pick(&[4401, 4401, 4403, 4409]),
        8 => 1009,
        _ => dice.between(3000, 4999) as u16,
    }
}

/// How the token provider behaves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// A new token each time.
    Fresh,
    /// The same token, unless forced.
    Cached,
    /// The same token whatever is asked.
    Stuck,
    /// It fails, is slow, or hangs.
    Shaky,
}
