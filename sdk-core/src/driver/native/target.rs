//! Where a URL leads, and how headers become a request.

use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::{Uri, http};
use std::time::SystemTime;

/// A URL taken apart for a connection. It has no `Debug`: the query may hold a token.
pub(super) struct Target {
    pub(super) secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the `Host` header says it.
    pub(super) authority: Authority,
    /// What the request line asks for.
    pub(super) path: PathAndQuery,
}

impl Target {
    /// Takes a `ws`, `wss`, `http` or `https` URL apart. The error never quotes the URL.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let url = url.split('#').next().unwrap_or_default();
        let parts =
            url.parse::<Uri>().map_err(|error| format!("the URL can't be used: {error}"))?.into_parts();
        let secure = match parts.scheme.as_ref().map(http::uri::Scheme::as_str) {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err("the URL needs a scheme: ws, wss, http or https".into()),
        };
        let authority = parts.authority.ok_or("the URL names no host")?;
        if authority.as_str().contains('@') {
            return Err("the URL holds a user name or password".into());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { secure, host, port, authority, path })
    }

    /// The request line's URI and the headers of a request, the user's included. An error names the header, never its
    /// value.
    pub(super) fn headers(&self, headers: &[(String, String)]) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::with_capacity(headers.len() + 8);
        for (name, value) in headers {
            let key =
                HeaderName::try_from(name.as_str()).map_err(|_| format!("{name:?} is no header name"))?;
            let mut value = HeaderValue::try_from(value.as_str())
                .map_err(|_| format!("the value of the header {key} holds an illegal character"))?;
            value.set_sensitive(true);
            map.append(key, value);
        }
        if !map.contains_key(HOST) {
            let host = HeaderValue::try_from(self.authority.as_str());
            map.insert(HOST, host.map_err(|_| "the URL's host can't be a header")?);
        }
        // The body decides it; a second, contradicting one would be a way to smuggle requests.
        map.remove(CONTENT_LENGTH);
        Ok(map)
    }
}

/// `Retry-After` (RFC 9110 §10.2.3) in ms from now, given in seconds or as a date.
#[expect(clippy::disallowed_methods, reason = "a host has a clock")]
pub(super) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let wait = date.duration_since(SystemTime::now()).unwrap_or_default();
    Some(wait.as_millis() as u64)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a host has a clock")]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn urls_lead_to_host_port_and_path() {
        let parse = |url| {
            let target = Target::parse(url).unwrap();
            (target.secure, target.host.clone(), target.port, target.path.to_string())
        };
        assert_eq!(
            parse("ws://localhost:8080/ws?token=a"),
            (false, "localhost".into(), 8080, "/ws?token=a".into())
        );
        assert_eq!(
            parse("wss://Host/socket.io/?EIO=4#x"),
            (true, "Host".into(), 443, "/socket.io/?EIO=4".into())
        );
        assert_eq!(parse("http://[::1]"), (false, "::1".into(), 80, "/".into()));
        assert_eq!(parse("ws://host?a=b"), (false, "host".into(), 80, "/?a=b".into()));
        for bad in ["", "/x", "ftp://x/", "ws://u:p@h/", "ws://a b/", "ws:///x"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_names_the_header_and_keeps_its_value() {
        let target = Target::parse("ws://h/").unwrap();
        let error = target.headers(&[("Authorization".into(), "Bearer s3cret\r\n".into())]).unwrap_err();
        assert!(error.contains("authorization") && !error.contains("s3cret"), "{error}");
        let map = target.headers(&[("authorization".into(), "Bearer s3cret".into())]).unwrap();
        assert!(!format!("{map:?}").contains("s3cret"));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |text: &str| {
            let mut map = HeaderMap::new();
            map.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&map)
        };
        assert_eq!(read("7"), Some(7000));
        assert_eq!(read("soon"), None);
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
        assert!(read(&soon).is_some_and(|ms| (58_000..=60_000).contains(&ms)));
    }
}
