//! Tokens in use are blotted out of every text that is shown. [rules §2.15]

use alloc::string::String;
use alloc::vec::Vec;

use super::Machine;
use crate::io::Token;

/// How many bytes of a text are told; the message that brought it has all of it. [rules §2.13.2]
pub(super) const MAX_TEXT: usize = 4096;
/// How many bytes of a code or a name.
const MAX_WORD: usize = 256;
/// A shorter token is part of half the words there are: what is missing from them would tell it.
const SHORTEST: usize = 4;
/// How often a token that is quoted may have been percent-encoded.
const ENCODINGS: usize = 3;
/// A token quoted in a text that is quoted six times over: more backslashes in a row are not read as escapes.
const MAX_SLASHES: usize = 64;

impl Machine {
    /// The text with every token in use blotted out, also one that is escaped for a URL or for JSON.
    pub fn redact(&self, text: &str) -> String {
        blot(text, &self.secrets(), "(token)", false)
    }

    /// As [`Self::redact`], of a text that has been cut: a token that begins at its end is blotted out as well.
    pub(super) fn redact_cut(&self, text: &str) -> String {
        blot(text, &self.secrets(), "(token)", true)
    }

    /// A text that a server may have had a hand in, as it is told: without tokens, and cut where it is too long.
    pub(super) fn said(&self, text: &str) -> String {
        self.shorten(text, MAX_TEXT)
    }

    /// The same of a code or a name.
    pub(super) fn word(&self, text: &str) -> String {
        self.shorten(text, MAX_WORD)
    }

    fn shorten(&self, text: &str, most: usize) -> String {
        if text.len() <= most {
            return self.redact(text);
        }
        let mut text = self.redact_cut(beginning(text, most));
        text.push('…');
        text
    }

    /// The tokens in use, and the last ones before them.
    fn secrets<'a>(&'a self) -> Vec<&'a str> {
        let mut secrets = Vec::new();
        let mut add = |token: Option<&'a Token>| {
            if let Some(secret) = token.map(|token| token.text.expose())
                && secret.len() >= SHORTEST
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
        for token in &self.tokens.former {
            add(Some(token));
        }
        secrets
    }
}

/// The text with a mark in place of every secret.
pub(super) fn blot(text: &str, secrets: &[&str], mark: &str, cut: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let hit = secrets.iter().filter_map(|secret| spelled(rest, secret, cut)).max();
        out.push_str(if hit.is_some() { mark } else { rest.get(..first.len_utf8()).unwrap_or_default() });
        rest = rest.get(hit.unwrap_or(first.len_utf8())..).unwrap_or_default();
    }
    out
}

/// The first bytes of a text, at most so many, without half a character.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    (0..=most.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// How many bytes at the beginning of a text spell a secret. At the end of a text that has been cut, the beginning of
/// the secret is enough.
fn spelled(text: &str, secret: &str, cut: bool) -> Option<usize> {
    let first = secret.bytes().next()?;
    // Nearly every text begins with something else.
    if !matches!(text.as_bytes().first(), Some(own) if *own == first || matches!(own, b'%' | b'\\')) {
        return None;
    }
    if text.starts_with(secret) {
        return Some(secret.len());
    }
    (0..=ENCODINGS).filter_map(|times| spelled_in(text, secret, cut, times)).max()
}

/// The same of a secret that has been percent-encoded so many times.
fn spelled_in(text: &str, secret: &str, cut: bool, times: usize) -> Option<usize> {
    let mut rest = text.as_bytes();
    for (at, byte) in secret.bytes().enumerate() {
        let Some(len) = escaped(rest, byte, times) else {
            let cut_off = rest.is_empty()
                || (rest.len() < 6 + 2 * ENCODINGS && (rest.starts_with(b"%") || rest.starts_with(b"\\")));
            return (cut && at >= 4 && cut_off).then_some(text.len());
        };
        rest = rest.get(len..).unwrap_or_default();
    }
    Some(text.len() - rest.len())
}

/// How many bytes at the beginning of a text stand for this one: itself, `%XX` (`%25XX` where it was encoded twice),
/// `\u00XX`, or behind backslashes, which pile up where a text is quoted twice.
fn escaped(text: &[u8], byte: u8, times: usize) -> Option<usize> {
    let slashes = text.iter().take(MAX_SLASHES).take_while(|own| **own == b'\\').count();
    let digit = |own: u8| char::from(own).to_digit(16);
    let is = |high: u8, low: u8| {
        digit(high).zip(digit(low)).is_some_and(|(high, low)| high << 4 | low == u32::from(byte))
    };
    let text = text.get(slashes..)?;
    if let [b'%', code @ ..] = text {
        // Each further encoding has made `%25` of the `%`; a percent sign itself has been through all of them.
        let again =
            (0..times).take_while(|n| code.get(2 * n..).is_some_and(|c| c.starts_with(b"25"))).count();
        if byte == b'%' && again == times && times > 0 {
            return Some(slashes + 1 + 2 * times);
        }
        for outer in 0..=again.min(times.saturating_sub(1)) {
            if times > 0
                && byte != b'%'
                && let Some([high, low, ..]) = code.get(2 * outer..)
                && is(*high, *low)
            {
                return Some(slashes + 3 + 2 * outer);
            }
        }
    }
    match text {
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
    fn a_secret_is_found_however_often_it_was_encoded() {
        // Its own percent signs are no encoding.
        let secret = "a%25/+%";
        let encode = |text: &str| crate::url::encode(text);
        let mut text = String::from(secret);
        for times in 0..=ENCODINGS {
            assert_eq!(spelled(&text, secret, false), Some(text.len()), "{times}: {text}");
            let quoted = alloc::format!("x{text}y");
            assert_eq!(blot(&quoted, &[secret], "*", false), "x*y", "{times}: {text}");
            text = encode(&text);
        }
        assert_eq!(spelled("%2561%252", "a/", true), None, "too short to be told from another text");
        assert_eq!(spelled("%2561bcd%252", "abcd/e", true), Some(12));
    }

    #[test]
    fn a_row_of_backslashes_is_looked_at_once() {
        let text = "\\".repeat(200_000);
        assert_eq!(blot(&text, &["abc", "\\b"], "*", false), text);
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
