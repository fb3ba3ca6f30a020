//! A variant that holds one value has a nameless field in `UniFFI`, `[0]` in Python: here it becomes `value`, with its type.

use std::collections::BTreeMap;

/// What stands in Python's variants for any number of nameless values.
const NAMELESS: &str = "        def __init__(self, *values):
            if len(values) != 1:
                raise TypeError(f\"Expected 1 arguments, found {len(values)}\")
            self._values = values
";

/// Names and types the field of Python's variants, so that `case Message.PROGRESS(progress)` matches.
pub(crate) fn python(text: &str) -> String {
    let types = types(text);
    let mut result = String::with_capacity(text.len());
    let (mut class, mut variant) = ("", "");
    let mut rest = text;
    while let Some(end) = rest.find('\n') {
        if let Some(after) = rest.strip_prefix(NAMELESS) {
            let name = format!("{class}.{variant}");
            result.push_str(&named(types.get(name.as_str()).map_or("typing.Any", String::as_str)));
            rest = after;
            continue;
        }
        let line = &rest[..end];
        if let Some(name) = line.strip_prefix("class ").and_then(|line| line.strip_suffix(':')) {
            class = name;
        } else if let Some(name) = line.strip_prefix("    class ").and_then(|line| line.strip_suffix(':')) {
            variant = name;
        }
        result.push_str(&rest[..=end]);
        rest = &rest[end + 1..];
    }
    result + rest
}

fn named(kind: &str) -> String {
    format!(
        "        __match_args__ = (\"value\",)

        def __init__(self, value: \"{kind}\"):
            self._values = (value,)

        @property
        def value(self) -> \"{kind}\":
            return self._values[0]
"
    )
}

/// The type of each variant's value, as the reader of its enum tells it.
fn types(text: &str) -> BTreeMap<&str, String> {
    let mut types = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = line.trim().strip_prefix("return ").and_then(|line| line.strip_suffix('(')) else {
            continue;
        };
        let converter =
            lines.peek().map(|line| line.trim()).and_then(|line| line.strip_suffix(".read(buf),"));
        let kind = match converter.and_then(|name| name.strip_prefix("_UniffiFfiConverter")) {
            Some("String") => "str",
            Some(kind) => match kind.strip_prefix("Type") {
                Some(kind) => kind,
                None => continue,
            },
            None => continue,
        };
        types.insert(name, kind.to_owned());
    }
    types
}
