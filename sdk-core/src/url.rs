//! The little that the core needs of URLs: scheme, authority, path and query, without a parser's full ambition.

use crate::text::{Quoted, cut, has, has_control, hex, text, whole, without_end};
use alloc::string::String;

/// A URL taken apart. The query keeps its order; a fragment is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Whether the scheme is `wss` or `https`.
    pub secure: bool,
    /// Host and port, as written.
    pub authority: String,
    /// The path, beginning with `/` or empty, never ending in `/`.
    pub path: String,
    /// The query without its `?`.
    pub query: String,
}

impl Url {
    /// Takes a `ws`, `wss`, `http` or `https` URL apart; the error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if has_control(text) || has(text, " ") {
            return Err("the URL contains a space or a control character".into());
        }
        let (scheme, rest) =
            cut(text, "://").ok_or("the URL needs a scheme: ws://, wss://, http:// or https://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            other => return Err(text!["the scheme ", Quoted(other), " is none of ws, wss, http, https"]),
        };
        let rest = cut(rest, "#").map_or(rest, |(front, _)| front);
        let (before_query, query) = cut(rest, "?").unwrap_or((rest, ""));
        let (authority, path) = match crate::text::find(before_query, "/") {
            Some(at) => before_query.split_at(at),
            None => (before_query, ""),
        };
        if has(authority, "@") {
            return Err("the URL holds a user name or password; use the token option instead".into());
        }
        check_authority(authority)?;
        Ok(Self {
            secure,
            authority: without_end(authority, ":").into(),
            path: tidy(without_end(path, "/")),
            query: tidy(query),
        })
    }

    /// Removes `suffix` from the path's end, if it is there.
    pub(crate) fn strip_path(mut self, suffix: &str) -> Self {
        if let Some(rest) = self.path.strip_suffix(suffix) {
            self.path = without_end(rest, "/").into();
        }
        self
    }

    /// Whether the host is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = host_of(&self.authority).to_ascii_lowercase();
        let host = without_end(&host, ".");
        host == "localhost"
            || host.ends_with(".localhost")
            || is_loopback_v4(host)
            || matches!(host, "[::1]" | "[0:0:0:0:0:0:0:1]")
    }

    /// The URL with a scheme and an additional path.
    pub(crate) fn with(&self, plain: &str, secure: &str, path: &str) -> String {
        let scheme = if self.secure { secure } else { plain };
        text![scheme, "://", self.authority, self.path, path]
    }
}

/// Whether every host can dial it: what one reads otherwise than another would be dialed where nobody meant it.
fn check_authority(authority: &str) -> Result<(), String> {
    let host = host_of(authority);
    let rest = authority.get(host.len()..).unwrap_or_default();
    if host.is_empty() {
        return Err("the URL names no host".into());
    }
    let legal = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(|a| {
            has(a, ":") && a.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        }),
        None => host.bytes().all(is_unreserved),
    };
    if !legal {
        return Err(text![Quoted(host), " can't be dialed; give a name in ASCII (xn--…) or an address"]);
    }
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok(()),
        Some("") => Ok(()),
        Some(port) if whole(port.as_bytes()).is_some_and(|n| (1..=65535).contains(&n)) => Ok(()),
        port => Err(text![Quoted(port.unwrap_or(rest)), " is no port; give 1 to 65535"]),
    }
}

/// Percent-encodes what a request line can't hold as it is.
fn tidy(text: &str) -> String {
    escape(text, |byte| {
        byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
    })
}

/// Whether it is an address of 127.0.0.0/8. The standard parser is many times as large in a browser's download.
fn is_loopback_v4(host: &str) -> bool {
    let canonical = |part: &[u8]| part.len() == 1 || !part.starts_with(b"0");
    let byte = |part| whole(part).filter(|number| *number <= 255 && canonical(part));
    let mut parts = host.as_bytes().split(|b| *b == b'.').map(byte);
    parts.next() == Some(Some(127)) && parts.clone().count() == 3 && parts.all(|part| part.is_some())
}

fn host_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        let end = crate::text::find(authority, "]").map_or(authority.len(), |at| at + 1);
        return authority.get(..end).unwrap_or_default();
    }
    cut(authority, ":").map_or(authority, |(host, _)| host)
}

/// Whether it is one of RFC 3986's unreserved characters.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    escape(text, is_unreserved)
}

/// Percent-encodes every byte that is not to be kept; what is kept is ASCII.
fn escape(text: &str, keeps: fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if keeps(byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            hex(&mut out, byte);
        }
    }
    out
}

/// Adds a parameter to a URL's query.
pub(crate) fn add_query(url: &mut String, name: &str, value: &str) {
    url.push(if has(url, "?") { '&' } else { '?' });
    url.push_str(&encode(name));
    url.push('=');
    url.push_str(&encode(value));
}

/// A URL that can be shown: without its query, where tokens travel.
///
/// ```
/// assert_eq!(steadfast::redact_url("wss://host/ws?token=abc"), "wss://host/ws?…");
/// ```
pub fn redact(url: &str) -> String {
    match url.split_once('?') {
        Some((front, _)) => text![front, "?…"],
        None => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("https://Example.com:8443/a/socket.io/?x=1#y").unwrap();
        assert_eq!(
            (url.secure, url.authority.as_str(), url.path.as_str(), url.query.as_str()),
            (true, "Example.com:8443", "/a/socket.io", "x=1")
        );
        assert_eq!(url.strip_path("/socket.io").with("ws", "wss", "/x"), "wss://Example.com:8443/a/x");
        for bad in ["", "localhost:80", "ftp://x", "ws://", "ws:///x", "ws://u:p@h/", "ws://a b"] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for url in ["ws://localhost", "ws://127.0.0.1:90/x", "ws://[::1]:90", "ws://app.localhost"] {
            assert!(Url::parse(url).unwrap().is_loopback(), "{url}");
        }
        for url in ["ws://127.0.0.1.evil.com", "ws://10.0.2.2", "ws://localhost.evil.com", "ws://[::2]"] {
            assert!(!Url::parse(url).unwrap().is_loopback(), "{url}");
        }
    }
}
