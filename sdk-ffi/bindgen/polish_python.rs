//! Python's types as a Python programmer writes them: data classes with a comment for each field, variants and errors that
//! are subclasses for type checkers too, and nothing public that only our own layer uses.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::docs::Docs;
use crate::replaced;

/// What only our own layer uses, beside all `Native…`, `Next…`, `…Protocol` and `…Impl`.
const INNER: &[&str] = &[
    "CallbackError",
    "CancelHandle",
    "ClientOptions",
    "EventListener",
    "Logger",
    "Reachability",
    "ServerTrust",
    "give_token",
    "log_failure",
    "refuse_token",
    "set_logger",
    "stop_threads",
];

/// A call of Rust's that nobody waits for any more has to be answered too: until then Rust keeps its end of the line. Nor
/// may it have an answer then, whose memory it would forget. And a loop is told of it in the way that wakes it up.
const GIVEN_UP: &[(&str, &str)] = &[
    (
        "    async def make_call_and_call_callback():\n",
        "    handle_success, handle_error, given_up = _answered_once(handle_success, handle_error)

    async def make_call_and_call_callback():\n",
    ),
    (
        "(make_call_and_call_callback(), eventloop)\n",
        "(make_call_and_call_callback(), eventloop)\n    task.add_done_callback(given_up)\n",
    ),
    ("eventloop.call_soon(_uniffi_cancel_task", "eventloop.call_soon_threadsafe(_uniffi_cancel_task"),
    (
        "def _uniffi_trait_interface_call_async(",
        "def _answered_once(handle_success, handle_error):
    answered = False

    def first():
        nonlocal answered
        was, answered = answered, True
        return not was

    def success(result):
        if first():
            handle_success(result)

    def error(code, text):
        if first():
            handle_error(code, text)
        else:
            text.free()

    def given_up(task):
        error(_UniffiRustCallStatus.CALL_UNEXPECTED_ERROR, _UniffiRustBuffer.default())

    return success, error, given_up

def _uniffi_trait_interface_call_async(",
    ),
];

/// Rewrites the types of the generated module.
pub(crate) fn python(text: &str, docs: &Docs) -> String {
    let text = GIVEN_UP.iter().fold(text.to_owned(), |text, (from, to)| replaced(&text, from, to));
    let text = replaced(
        &text,
        "class InternalError(Exception):\n    pass\n",
        "class InternalError(Exception):\n    \"\"\"The library itself failed: a mistake of ours, to be reported.\"\"\"\n",
    );
    let text = text.replace("value._values[0]", "value.value");
    let (types, lines) = (types(&text), text.lines().collect::<Vec<_>>());
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let name = line.strip_prefix("class ").and_then(|rest| rest.strip_suffix(':'));
        let error = line.strip_prefix("class ").and_then(|rest| rest.strip_suffix("(Exception):"));
        let end = lines[at..].iter().position(|line| line.starts_with("class _UniffiFfiConverterType"));
        let block = end.map_or(&[][..], |length| &lines[at..at + length]);
        let has = |part: &str| block.iter().any(|line| line.contains(part));
        let written = match (name, error) {
            (Some(name), _) if lines[at.saturating_sub(1)] == "@dataclass" => record(name, block, docs),
            (Some(name), _) if has(&format!("\"{name} cannot be instantiated directly\"")) => {
                variants(name, block, docs, &types)
            }
            (_, Some(name)) if has(&format!("_UniffiTemp{name} = {name}")) => {
                errors(name, block, docs, &types)
            }
            _ => {
                if !is_inner_export(line) {
                    let _ = writeln!(result, "{}", asked(&based(line)));
                }
                at += 1;
                continue;
            }
        };
        result.push_str(&written);
        at += block.len();
    }
    result
}

/// A line of `__all__` with a name that is not for apps.
fn is_inner_export(line: &str) -> bool {
    let Some(name) = line.strip_prefix("    \"").and_then(|rest| rest.strip_suffix("\",")) else {
        return false;
    };
    INNER.contains(&name)
        || ["Native", "Next"].iter().any(|start| name.starts_with(start))
        || ["Protocol", "Impl"].iter().any(|end| name.ends_with(end))
}

/// A class without a base that is only the list of its methods.
fn based(line: &str) -> String {
    match line.split_once('(') {
        Some((class, base))
            if class.starts_with("class ") && base == format!("{}Protocol):", &class[6..]) =>
        {
            format!("{class}:")
        }
        _ => line.to_owned(),
    }
}

/// A question for a variant in the only case in which it can be asked.
fn asked(line: &str) -> String {
    match line.split_once("value.is_") {
        Some((before, rest)) if line.trim_start().starts_with("if ") => {
            format!("{before}value.is_{}", rest.to_lowercase())
        }
        _ => line.to_owned(),
    }
}

/// A record: its fields, and how it is made.
fn record(name: &str, block: &[&str], docs: &Docs) -> String {
    let mut text = format!("class {name}:\n{}", comment(&docstring(block), 4));
    let made = block.iter().position(|line| line.starts_with("    def __init__("));
    if let Some(start) = made {
        for (field, kind) in parameters(block[start]) {
            let _ = write!(text, "\n    {field}: {kind}\n{}", comment(docs.field(name, "", field), 4));
        }
        text.push('\n');
        text.push_str(&maker(block[start], &block[start + 1..]));
    }
    text + "\n\n"
}

/// How a record is made, with its defaults where they can be read.
fn maker(head: &str, body: &[&str]) -> String {
    let mut head = head.strip_suffix("):").map_or(head.to_owned(), |head| format!("{head}) -> None:"));
    let body = body.iter().take_while(|line| !line.trim().is_empty());
    let mut body = body.fold(String::new(), |body, line| body + line + "\n");
    for (field, kind) in parameters(&head.clone()) {
        let hidden = format!("        if {field} is _DEFAULT:\n            self.{field} = ");
        let Some((_, default)) = body.split_once(&hidden) else { continue };
        let default = default.lines().next().unwrap_or_default().to_owned();
        // What can be changed is made anew each time.
        if !default.starts_with(['[', '{']) {
            let rest = format!("{hidden}{default}\n        else:\n            self.{field} = {field}\n");
            body = replaced(&body, &rest, &format!("        self.{field} = {field}\n"));
            head = replaced(
                &head,
                &format!(" {field}:{kind} = _DEFAULT"),
                &format!(" {field}: {kind} = {default}"),
            );
        }
    }
    format!("{head}\n{body}")
}

/// An enum whose variants hold something: a class, and a subclass for each.
fn variants(name: &str, block: &[&str], docs: &Docs, types: &Types<'_>) -> String {
    let mut head = format!("class {name}:\n{}", comment(&docstring(block), 4));
    let (mut questions, mut tail) = (String::new(), String::new());
    for (variant, body) in nested(block) {
        let (class, doc) = (format!("_{name}_{variant}"), docstring(body));
        let _ = write!(head, "\n    {variant}: typing.ClassVar[typing.Type[{class}]]\n{}", comment(&doc, 4));
        let _ = write!(
            questions,
            "\n    def is_{}(self) -> bool:\n        \"\"\"Whether it is `{variant}`.\"\"\"\n        return isinstance(self, {class})\n",
            variant.to_lowercase()
        );
        let _ = write!(tail, "\n\n@dataclass\nclass {class}({name}):\n{}", comment(&doc, 4));
        let made = body.iter().find(|line| line.trim_start().starts_with("def __init__(self,"));
        let fields = made.map_or(Vec::new(), |line| parameters(line));
        for (field, kind) in fields {
            let doc = docs.field(name, variant, field);
            let (field, kind, doc) = if field == "*values" {
                let kind = types.get(format!("{name}.{variant}").as_str());
                ("value", kind.map_or("typing.Any", |kinds| kinds[0].as_str()), "What it holds.")
            } else {
                (field, kind, doc)
            };
            let _ = write!(tail, "\n    {field}: {kind}\n{}", comment(doc, 4));
        }
        tail.push_str(&named(name, variant));
    }
    head + &questions + &tail + "\n\n"
}

/// An error: a class, and a subclass for each variant.
fn errors(name: &str, block: &[&str], docs: &Docs, types: &Types<'_>) -> String {
    let mut head = format!("class {name}(Exception):\n{}", comment(&docstring(block), 4));
    let mut tail = String::new();
    for (variant, body) in nested(block) {
        let (class, doc) = (format!("_{name}_{variant}"), docstring(body));
        let _ = write!(head, "\n    {variant}: typing.ClassVar[typing.Type[{class}]]\n{}", comment(&doc, 4));
        let _ = write!(tail, "\n\nclass {class}({name}):\n{}", comment(&doc, 4));
        let made = body.iter().find(|line| line.trim_start().starts_with("def __init__(self,"));
        let fields: Vec<_> = made.map_or(Vec::new(), |line| parameters(line));
        let kinds = types.get(format!("{name}.{variant}").as_str()).cloned().unwrap_or_default();
        let fields: Vec<_> = fields.iter().map(|(field, _)| *field).zip(kinds).collect();
        for (field, kind) in &fields {
            let _ = write!(tail, "\n    {field}: {kind}\n{}", comment(docs.field(name, variant, field), 4));
        }
        let listed: Vec<_> = fields.iter().map(|(field, kind)| format!("{field}: {kind}")).collect();
        let names: Vec<_> = fields.iter().map(|(field, _)| *field).collect();
        let _ = write!(
            tail,
            "\n    def __init__(self, {}) -> None:\n        super().__init__({})\n",
            listed.join(", "),
            names.join(", ")
        );
        for field in names {
            let _ = writeln!(tail, "        self.{field} = {field}");
        }
        tail.push_str(&named(name, variant));
    }
    head + &tail + "\n\n"
}

/// Puts a subclass in its place, under the name by which it is known.
fn named(name: &str, variant: &str) -> String {
    format!(
        "\n\n_{name}_{variant}.__name__ = _{name}_{variant}.__qualname__ = \"{name}.{variant}\"\n{name}.{variant} = _{name}_{variant}\n"
    )
}

/// The classes in a class, each with its lines.
fn nested<'a>(block: &'a [&'a str]) -> Vec<(&'a str, &'a [&'a str])> {
    let starts: Vec<_> = block
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, line.strip_prefix("    class ")?.split([':', '(']).next()?)))
        .collect();
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([block.len()]);
    starts.iter().zip(ends).map(|((at, name), end)| (*name, &block[*at..end])).collect()
}

/// The comment that a class begins with.
fn docstring(block: &[&str]) -> String {
    let Some(start) = block.iter().position(|line| line.trim() == "\"\"\"") else { return String::new() };
    let lines = block[start + 1..].iter().take_while(|line| line.trim() != "\"\"\"");
    lines.map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}

/// A comment, indented. Links of Rust's are none in Python.
fn comment(text: &str, indent: usize) -> String {
    let text = text.trim().replace("[`", "`").replace("`]", "`");
    if text.is_empty() {
        return String::new();
    }
    let space = " ".repeat(indent);
    format!("{space}\"\"\"{}\"\"\"\n", text.lines().collect::<Vec<_>>().join(&format!("\n{space}")))
}

/// The names and types in a line that begins a function.
fn parameters(line: &str) -> Vec<(&str, &str)> {
    let list = line.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(list, _)| list);
    let mut depth = 0;
    let split = list.split(|letter: char| {
        depth += i32::from(letter == '[') - i32::from(letter == ']');
        letter == ',' && depth == 0
    });
    split
        .map(str::trim)
        .filter(|part| !["self", "*", ""].contains(part))
        .map(|part| {
            let (name, kind) = part.split_once(':').unwrap_or((part, ""));
            (name.trim(), kind.split(" = ").next().unwrap_or_default().trim())
        })
        .collect()
}

/// The types of each variant's values.
type Types<'a> = BTreeMap<&'a str, Vec<String>>;

/// Reads them where the values are read.
fn types(text: &str) -> Types<'_> {
    let mut types = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = line.trim().strip_prefix("return ").and_then(|line| line.strip_suffix('(')) else {
            continue;
        };
        let mut kinds = Vec::new();
        while let Some(converter) = lines
            .next_if(|line| line.ends_with(".read(buf),"))
            .and_then(|line| line.trim().strip_prefix("_UniffiFfiConverter")?.strip_suffix(".read(buf),"))
        {
            kinds.push(kind(converter));
        }
        types.insert(name, kinds);
    }
    types
}

/// The type that a converter is for.
fn kind(converter: &str) -> String {
    match converter {
        "String" => "str".into(),
        "Boolean" => "bool".into(),
        "Int64" => "int".into(),
        "Float64" => "float".into(),
        _ => match (converter.strip_prefix("Optional"), converter.strip_prefix("Sequence")) {
            (Some(inner), _) => format!("typing.Optional[{}]", kind(inner)),
            (_, Some(inner)) => format!("typing.List[{}]", kind(inner)),
            _ => converter.strip_prefix("Type").unwrap_or("typing.Any").into(),
        },
    }
}
