//! Where in a text an error is, as people write it: `prompts.total`, `stages[2].name`.

use std::fmt::Write as _;

/// An object or a list that is not read to its end.
enum Open<'a> {
    /// The key read last, and whether its value comes next.
    Object { key: &'a str, value: bool },
    /// The index of the element that comes next or is being read.
    List(usize),
}

/// The path of the value that begins or ends at a place, otherwise of what is being read there. The place is a line
/// and the number of bytes read of it, as `serde_json` gives them; up to it the text is well-formed. With `before` it is
/// the path of the last value that ended there or earlier, the object around it not counted. The path of the whole
/// text is empty.
pub(super) fn path_of(json: &str, line: usize, column: usize, before: bool) -> String {
    let lines = json.split_inclusive('\n').take(line.saturating_sub(1));
    let place = lines.map(str::len).sum::<usize>() + column;
    // A path for every value that ends on the way would take for ever where they are many.
    let place = if before { walk(json, place, true).1 } else { place };
    path(&walk(json, place, false).0)
}

/// What is open at a place, and where the last value before it ended; with `inside` the end of an object at the place
/// itself does not count.
fn walk(json: &str, place: usize, inside: bool) -> (Vec<Open<'_>>, usize) {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut ended = 0;
    let mut at = 0;
    while at < place
        && let Some(token) = json.get(at..).and_then(first_token)
    {
        at += token.len();
        match (token, open.last_mut()) {
            ("{", _) => open.push(Open::Object { key: "", value: false }),
            ("[", _) => open.push(Open::List(0)),
            (":", Some(Open::Object { value, .. })) => *value = true,
            (",", Some(Open::Object { value, .. })) => *value = false,
            (",", Some(Open::List(index))) => *index += 1,
            (name, Some(Open::Object { key, value: false })) if name.starts_with('"') => {
                *key = name.get(1..name.len().saturating_sub(1)).unwrap_or_default();
            }
            ("}", _) if inside && at >= place => {}
            ("}" | "]", _) => {
                open.pop();
                ended = at;
            }
            (space, _) if space.trim_ascii().is_empty() => {}
            _ => ended = at,
        }
    }
    (open, ended)
}

/// What the text begins with: a string, a punctuation mark, spaces, or a number or word.
fn first_token(text: &str) -> Option<&str> {
    let first = text.bytes().next()?;
    let length = match first {
        b'"' => {
            let mut escaped = false;
            let end = text.bytes().skip(1).position(|byte| {
                let end = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                end
            });
            end.map(|end| end + 2)
        }
        b'{' | b'}' | b'[' | b']' | b':' | b',' => Some(1),
        _ => {
            let space = first.is_ascii_whitespace();
            text.bytes().position(|byte| byte.is_ascii_whitespace() != space || b"\"{}[]:,".contains(&byte))
        }
    };
    text.get(..length.unwrap_or(text.len()))
}

fn path(open: &[Open<'_>]) -> String {
    let mut path = String::new();
    for open in open {
        match open {
            Open::Object { key: "", .. } => {}
            Open::Object { key, .. } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Open::List(index) => {
                let _ = write!(path, "[{index}]");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path at `^`, which is not part of the text.
    fn at(marked: &str, before: bool) -> String {
        let place = marked.find('^').unwrap();
        let line = marked[..place].matches('\n').count();
        let column = place - marked[..place].rfind('\n').map_or(0, |end| end + 1);
        path_of(&marked.replace('^', ""), line + 1, column, before)
    }

    #[test]
    fn the_value_that_begins_or_ends_at_the_place_is_named() {
        assert_eq!(at(r#"{"a":{"b":"x"^}}"#, false), "a.b");
        assert_eq!(at(r#"{"a": {"b\"": ^[1]}}"#, false), r#"a.b\""#);
        assert_eq!(at(r#"{"a":1,"b":[{},{"c,}":tru^}]}"#, false), "b[1].c,}");
        assert_eq!(at(r#"{"a":[1, 2.5^]}"#, false), "a[1]");
        assert_eq!(at("{\n  \"a\":\n  12^,\"b\":1}", false), "a");
        assert_eq!(at(r#"{"a":{"b":1}^}"#, false), "a");
        assert_eq!(at(r#"{"a":{"b":1}}^"#, false), "");
        assert_eq!(at(r#"{"a":1,"a"^:2}"#, false), "a");
        assert_eq!(at("^", false), "");
    }

    #[test]
    fn the_value_that_ended_before_the_place_is_named() {
        assert_eq!(at(r#"{"a":"x","b":"y"}^"#, true), "b");
        assert_eq!(at(r#"{"a":[1,2]}^"#, true), "a");
        assert_eq!(at(r#"{"a":[1,2] ^,"b":3}"#, true), "a");
        assert_eq!(at(r#"{"a":{"b":5}^}"#, true), "a.b");
    }

    #[test]
    fn a_place_outside_the_text_does_no_harm() {
        for text in ["", "\"", "{\"a", "}", "]:,", "{\"a\":é}"] {
            for line in 0..3 {
                for column in [0, 1, 2, usize::MAX / 2] {
                    path_of(text, line, column, false);
                    path_of(text, line, column, true);
                }
            }
        }
    }
}
