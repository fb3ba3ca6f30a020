//! What type checkers and people read of the generated Python module, `steadfast.pyi`: its types, signatures and comments,
//! and nothing of how they travel.

use std::fmt::Write as _;

const HEAD: &str = "\
# Written by uniffi-bindgen, with the module.
import enum
import typing
from dataclasses import dataclass
";

const QUOTES: &str = "\"\"\"";

/// Takes the stub out of the polished module.
pub(crate) fn stub(module: &str) -> String {
    let mut text = HEAD.to_owned();
    // Whether lines stand in something for readers, in a class; whether they follow a function's head, a decorator.
    let (mut shown, mut in_class, mut after_head, mut decorated) = (false, false, false, false);
    for line in logical(module) {
        let (indent, line) = (line.len() - line.trim_start().len(), line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let space = " ".repeat(indent);
        let (is_first, is_decorated) = (std::mem::take(&mut after_head), std::mem::take(&mut decorated));
        if indent == 0 {
            decorated = line == "@dataclass";
            shown = is_shown(line);
            in_class = line.starts_with("class ");
            if shown {
                text.push_str(if is_decorated { "\n@dataclass\n" } else { "\n" });
            }
        }
        if !shown || indent > 8 {
            continue;
        }
        if line.starts_with(QUOTES) {
            if is_first || (in_class && indent == 4) {
                text.push_str(&comment(line, &space));
            }
            continue;
        }
        if is_first {
            let _ = writeln!(text, "{space}...");
        }
        let member = in_class && indent == 4;
        if let Some(head) = head(line).filter(|_| member || indent == 0) {
            let _ = writeln!(text, "{space}{head}");
            after_head = true;
        } else if indent == 0 || (member && is_field(line)) {
            let _ = writeln!(text, "{space}{line}");
        }
    }
    text
}

/// The lines; a text or list of several lines is one.
fn logical(module: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut open = false;
    for line in module.lines() {
        match all.last_mut().filter(|_| open) {
            Some(last) => *last = format!("{last}\n{line}"),
            None => all.push(line.to_owned()),
        }
        let last = all.last().map_or("", |last| last.trim());
        let is_list = last.starts_with("__all__");
        open = last.matches(QUOTES).count() % 2 == 1 || (is_list && !last.ends_with(']'));
    }
    all
}

/// Whether what a line at the margin begins is for readers.
fn is_shown(line: &str) -> bool {
    if let Some(rest) = line.strip_prefix("class ") {
        let name = rest.split([':', '(']).next().unwrap_or_default();
        let inner = ["Protocol", "Impl"].iter().any(|end| name.ends_with(end));
        return !name.starts_with("_Uniffi") && !inner;
    }
    head(line).is_some() || line.starts_with("__all__ = ") || line == "Json = str"
}

/// A field with its type, or a value of an enum.
fn is_field(line: &str) -> bool {
    let name = line.split([':', ' ']).next().unwrap_or_default();
    !name.starts_with('_') && [": ", " = "].iter().any(|next| line[name.len()..].starts_with(next))
}

/// The head of a function that is called from elsewhere, with the types and defaults of what it takes.
fn head(line: &str) -> Option<String> {
    let (start, rest) = line.split_once("def ")?;
    let (name, rest) = rest.split_once('(')?;
    let inner = ["_", "uniffi_"].iter().any(|start| name.starts_with(start));
    let inner = inner && !["__init__", "__del__"].contains(&name);
    if !["", "async "].contains(&start) || inner {
        return None;
    }
    let (taken, given) = rest.strip_suffix(':')?.rsplit_once(')')?;
    let given = if given.is_empty() { " -> None" } else { given };
    let taken: Vec<_> = split(taken).into_iter().map(parameter).collect();
    Some(format!("{start}def {name}({}){given}:", taken.join(", ")))
}

/// The parts of a list, at the commas that stand in nothing else.
fn split(list: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = list.split(|letter: char| {
        depth += i32::from("[(".contains(letter)) - i32::from("])".contains(letter));
        letter == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// One of the things that a function takes.
fn parameter(part: &str) -> String {
    let Some((name, rest)) = part.split_once(':') else {
        return if part.starts_with('*') && part != "*" {
            format!("{part}: typing.Any")
        } else {
            part.to_owned()
        };
    };
    let (kind, default) = rest.split_once(" = ").map_or((rest, ""), |(kind, default)| (kind, default.trim()));
    let kind = kind.trim();
    // What may be left out has a type that fits everything.
    let own = kind.strip_prefix("typing.Union[object, ").and_then(|kind| kind.strip_suffix(']'));
    let default = match default {
        "" => String::new(),
        "_DEFAULT" => " = ...".into(),
        other => format!(" = {other}"),
    };
    format!("{name}: {}{default}", own.unwrap_or(kind))
}

/// A comment, indented as what it is about.
fn comment(line: &str, space: &str) -> String {
    let text = line.strip_prefix(QUOTES).and_then(|line| line.strip_suffix(QUOTES)).unwrap_or(line);
    let lines: Vec<_> = text.trim().lines().map(str::trim).collect();
    format!("{space}{QUOTES}{}{QUOTES}\n", lines.join(&format!("\n{space}")))
}
