//! What parsers say about a text, in words for whoever wrote it.

/// What a parser says, and what is said instead.
const PLAIN: [(&str, &str); 16] = [
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
];

/// The same in plain words.
pub(crate) fn plain(text: &str) -> String {
    PLAIN.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}
