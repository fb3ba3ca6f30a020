//! Tokens in use are blotted out of every text that is shown. [rules §2.15]

use alloc::string::String;
use alloc::vec::Vec;

use super::Machine;
use crate::io::Token;

impl Machine {
    /// The text with every token in use blotted out, also one that is escaped for a URL or for JSON.
    pub fn redact(&self, text: &str) -> String {
        self.blot(text, false)
    }

    /// As [`Self::redact`], of a text that has been cut: a token that begins at its end is blotted out as well.
    pub(super) fn redact_cut(&self, text: &str) -> String {
        self.blot(text, true)
    }

    fn blot(&self, text: &str, cut: bool) -> String {
        let secrets = self.secrets();
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let hit = secrets.iter().filter_map(|secret| spelled(rest, secret, cut)).max();
            match hit {
                Some(_) => out.push_str("(token)"),
                None => out.push(first),
            }
            rest = rest.get(hit.unwrap_or(first.len_utf8())..).unwrap_or_default();
        }
        out
    }

    /// The tokens in use.
    fn secrets<'a>(&'a self) -> Vec<&'a str> {
        let mut secrets = Vec::new();
        let mut add = |token: Option<&'a Token>| {
            if let Some(secret) = token.map(|token| token.text.expose())
                && !secret.is_empty()
                && !secrets.contains(&secret)
            {
                secrets.push(secret);
            }
        };
        for link in self.links.values() {
            for conn in link.conns() {
                add(conn.token.as_ref());
            }
            add(link.strike.as_ref());
        }
        add(self.tokens.current.as_ref());
        secrets
    }
}

/// How many bytes at the beginning of a text spell a secret. At the end of a text that has been cut, the beginning of
/// the secret is enough.
fn spelled(text: &str, secret: &str, cut: bool) -> Option<usize> {
    if text.starts_with(secret) {
        return Some(secret.len());
    }
    let mut rest = text.as_bytes();
    for (at, byte) in secret.bytes().enumerate() {
        let Some(len) = escaped(rest, byte) else {
            let cut_off =
                rest.is_empty() || (rest.len() < 6 && (rest.starts_with(b"%") || rest.starts_with(b"\\")));
            return (cut && at >= 4 && cut_off).then_some(text.len());
        };
        rest = rest.get(len..).unwrap_or_default();
    }
    Some(text.len() - rest.len())
}

/// How many bytes at the beginning of a text stand for this one: itself, `%XX`, `\u00XX`, or behind backslashes, which
/// pile up where a text is quoted twice.
fn escaped(text: &[u8], byte: u8) -> Option<usize> {
    let slashes = text.iter().take_while(|own| **own == b'\\').count();
    let digit = |own: u8| char::from(own).to_digit(16);
    let is = |high: u8, low: u8| {
        digit(high).zip(digit(low)).is_some_and(|(high, low)| high << 4 | low == u32::from(byte))
    };
    match text.get(slashes..)? {
        [b'%', high, low, ..] if is(*high, *low) => Some(slashes + 3),
        [b'u', b'0', b'0', high, low, ..] if slashes > 0 && is(*high, *low) => Some(slashes + 5),
        [own, ..] if *own == byte => Some(slashes + 1),
        _ => (byte == b'\\' && slashes > 0).then_some(slashes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_however_it_is_escaped() {
        let secret = "a+b/c=\"d\\%3D";
        for text in [
            "a+b/c=\"d\\%3D",
            "a%2Bb%2fc%3D%22d%5C%253D",
            r#"a+b\/c=\"d\\%3D"#,
            r#"a+b\\\/c=\\\"d\\\\%3D"#,
            r"\u0061\u002bb\u002Fc\u003d\u0022d\u005c\u00253D",
        ] {
            assert_eq!(spelled(text, secret, false), Some(text.len()), "{text}");
            let longer = alloc::format!("{text} and more");
            assert_eq!(spelled(&longer, secret, false), Some(text.len()), "{text}");
        }
        for text in ["", "a", "a+b/c=", "a%2", "b+b/c=\"d\\%3D", "a%2Bb%2fc%3E"] {
            assert_eq!(spelled(text, secret, false), None, "{text}");
        }
    }

    #[test]
    fn a_secret_that_is_cut_off_is_found_at_the_end_only() {
        for text in ["abcd", "abcd%2", "abcd\\u00", "%61bcd/e"] {
            assert_eq!(spelled(text, "abcd/efgh", true), Some(text.len()), "{text}");
        }
        for text in ["abc", "abcd and more", "abc%2"] {
            assert_eq!(spelled(text, "abcd/efgh", true), None, "{text}");
        }
    }
}
