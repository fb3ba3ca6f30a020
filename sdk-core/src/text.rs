//! Texts put together and searched without the standard library's formatter and searcher, which are larger in a
//! browser's download than everything that is said with them.

use alloc::string::String;

/// What [`text!`] can put into a text.
pub(crate) trait Piece {
    /// Appends it.
    fn put(&self, out: &mut String);
}

impl Piece for str {
    fn put(&self, out: &mut String) {
        push(out, self);
    }
}

impl Piece for String {
    fn put(&self, out: &mut String) {
        push(out, self);
    }
}

impl Piece for u64 {
    fn put(&self, out: &mut String) {
        number(out, *self, 1);
    }
}

impl Piece for u32 {
    fn put(&self, out: &mut String) {
        number(out, u64::from(*self), 1);
    }
}

impl Piece for u16 {
    fn put(&self, out: &mut String) {
        number(out, u64::from(*self), 1);
    }
}

impl Piece for usize {
    fn put(&self, out: &mut String) {
        number(out, *self as u64, 1);
    }
}

impl<T: Piece + ?Sized> Piece for &T {
    fn put(&self, out: &mut String) {
        (**self).put(out);
    }
}

/// A text in quotation marks, with what would break a line escaped.
pub(crate) struct Quoted<'a>(pub &'a str);

impl Piece for Quoted<'_> {
    fn put(&self, out: &mut String) {
        crate::json::string(out, self.0);
    }
}

#[inline(never)]
fn push(out: &mut String, text: &str) {
    out.push_str(text);
}

/// Appends a whole number in at least so many digits.
#[inline(never)]
pub(crate) fn number(out: &mut String, mut value: u64, least: usize) {
    let mut digits = [b'0'; 20];
    let mut count = 0;
    for digit in digits.iter_mut().rev() {
        if value == 0 && count >= least {
            break;
        }
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        count += 1;
    }
    for digit in digits.iter().skip(digits.len() - count) {
        out.push(char::from(*digit));
    }
}

/// Appends a byte in two hexadecimal digits.
pub(crate) fn hex(out: &mut String, byte: u8) {
    for half in [byte >> 4, byte & 15] {
        out.push(char::from(if half < 10 { b'0' + half } else { b'A' + half - 10 }));
    }
}

/// Puts a text together from its pieces.
macro_rules! text {
    ($($piece:expr),+ $(,)?) => {{
        let mut text = ::alloc::string::String::new();
        $crate::text::add!(text, $($piece),+);
        text
    }};
}
pub(crate) use text;

/// Appends pieces to a text.
macro_rules! add {
    ($text:expr, $($piece:expr),+ $(,)?) => {
        $($crate::text::Piece::put(&$piece, &mut $text);)+
    };
}
pub(crate) use add;

/// Where `part` first stands in `text`.
#[inline(never)]
pub(crate) fn find(text: &str, part: &str) -> Option<usize> {
    text.as_bytes().windows(part.len().max(1)).position(|window| window == part.as_bytes())
}

/// Whether `part` stands anywhere in `text`.
pub(crate) fn has(text: &str, part: &str) -> bool {
    find(text, part).is_some()
}

/// What stands before and after the first `mark`.
pub(crate) fn cut<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let at = find(text, mark)?;
    Some((text.get(..at)?, text.get(at + mark.len()..)?))
}

/// The text without this mark at its end, however often it stands there.
#[inline(never)]
pub(crate) fn without_end<'a>(mut text: &'a str, mark: &str) -> &'a str {
    while let Some(rest) = text.strip_suffix(mark) {
        text = rest;
    }
    text
}

/// The whole number that these digits write, if they are nothing else.
#[inline(never)]
pub(crate) fn whole(digits: &[u8]) -> Option<u64> {
    // One of 19 digits fits in any case; there are none that long.
    let sound = (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    sound.then(|| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Whether the text holds a control character.
#[inline(never)]
pub(crate) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_put_together_and_searched() {
        let number = 18_446_744_073_709_551_615_u64;
        assert_eq!(
            text!["a", 0_u32, String::from("b"), number, Quoted("x\"\n")],
            "a0b18446744073709551615\"x\\\"\\n\""
        );
        let mut out = String::new();
        super::number(&mut out, 42, 3);
        hex(&mut out, 0x2f);
        assert_eq!(out, "0422F");
        assert_eq!(cut("a: b: c", ": "), Some(("a", "b: c")));
        assert_eq!(
            (cut("abc", ":"), has("", "x"), has("éa", "a"), find("aab", "ab")),
            (None, false, true, Some(1))
        );
    }
}
