//! What parsers say about a text, in words for whoever wrote it.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// What a parser says, and what is said instead.
const PLAIN: [(&str, &str); 21] = [
    ("expected value", "this is no JSON, in which texts have double quotes"),
    ("invalid u64", "a whole number of at least 0 is expected here"),
    ("invalid u16", "a whole number from 0 to 65535 is expected here"),
    ("expected u64", "expected a whole number of at least 0"),
    ("expected usize", "expected a whole number of at least 0"),
    ("expected u16", "expected a whole number from 0 to 65535"),
    ("expected string scalar", "a text is expected here"),
    ("expected mapping start", "fields are expected here, written `name: value`"),
    ("expected sequence start", "a list is expected here: write [a, b], or lines that begin with `- `"),
    ("unexpected end of input", "there is nothing here: the file is empty or ends too early"),
    (", set DuplicateKeyPolicy in Options if acceptable", ""),
    (
        "expected end of mapping after enum variant value",
        "an entry is one thing only: begin the next with `- `",
    ),
    ("unknown variant", "unknown value"),
    ("expected f64", "expected a number"),
    ("Failed to deserialize query string: ", "in the query, "),
    ("invalid digit found in string", "a whole number of at least 0 is expected"),
    ("EOF while parsing", "it ends in the middle of"),
    (
        "number too large to fit in target type",
        "the number is too large: 18446744073709551615 is the largest",
    ),
    ("expected a sequence", "expected a list"),
    ("invalid type: sequence", "invalid type: a list"),
    ("invalid type: map", "invalid type: an object"),
];

/// A value that is written with the names of its fields only: serde would take a list of their values as well, so that
/// `[]` would be something with all fields left out.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        object(from).map(Object)
    }
}

/// The same, for `deserialize_with`.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct Reader<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object, {\"name\": value}")
        }

        fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(fields))
        }
    }
    from.deserialize_map(Reader(PhantomData))
}

/// The one of these names that was probably meant: it begins like this, or has few letters more, less or changed.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = |other: &'a str| {
        let begins = name.len() > 3 && other.starts_with(name);
        let far = distance(name, other);
        (begins || far <= name.chars().count().max(6) / 3).then_some((!begins, far, other))
    };
    names.filter_map(near).min().map(|(_, _, other)| other)
}

/// How many letters must be put in, left out or changed to make one text of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<_> = to.chars().collect();
    let mut row: Vec<_> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let cost = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(corner + 1);
        }
    }
    row[to.len()]
}

/// A time for people: in milliseconds below a second.
pub(crate) fn lasted(time: Duration) -> String {
    match time.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// What a parser says, in plain words.
pub(crate) fn plain(text: &str) -> String {
    PLAIN.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{lasted, nearest};

    #[test]
    fn a_time_below_a_second_is_told_in_milliseconds() {
        let of = |millis| lasted(Duration::from_millis(millis));
        assert_eq!(
            [of(0), of(42), of(999), of(1000), of(1540)],
            ["0 ms", "42 ms", "999 ms", "1.0 s", "1.5 s"]
        );
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["http-503", "http-502", "stale", "half-open"];
        let of = |name| nearest(name, names.into_iter());
        assert_eq!(of("htttp-503"), Some("http-503"));
        assert_eq!(of("half_open"), Some("half-open"));
        assert_eq!(of("stall"), Some("stale"));
        assert_eq!(of("half"), Some("half-open"));
        assert_eq!(of("anything"), None);
    }
}
