//! The reader of envelopes in TypeScript: one function for each service, a switch over the kinds of its messages.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use steadfast::messages::{DescribedField, Description, Role, Shape, describe};
use steadfast::{Kind, Service, Stage, Status};

/// Writes the file.
pub(crate) fn write() -> String {
    let mut out = String::from(PRELUDE);
    let known = |name: &str, table: &mut dyn Iterator<Item = (usize, &str)>| {
        let mut line = format!("const {name} = new Map<string, number>([");
        for (n, (number, name)) in table.enumerate() {
            let _ = write!(line, "{}['{name}', {number}]", if n > 0 { ", " } else { "" });
        }
        line + "]);\n"
    };
    out.push_str("/** Statuses by their numbers; 255 is one that is not known. */\n");
    out.push_str(&known("statuses", &mut Status::ALL.iter().map(|(status, name)| (*status as usize, *name))));
    out.push_str("/** Stages by their bits. */\n");
    out.push_str(&known(
        "stages",
        &mut Stage::ALL.iter().map(|(stage, name)| (1 << (*stage as usize - 1), *name)),
    ));
    let all = describe();
    for service in Service::ALL {
        let own: Vec<&Description> = all.iter().filter(|message| message.service == service).collect();
        let kinds = known(
            &format!("{}Kinds", service.slug()),
            &mut own.iter().filter(|m| m.kind != Kind::Gateway).map(|m| (m.kind as usize, m.kind.name())),
        );
        let _ =
            write!(out, "\n/** The messages of {service} by the numbers of their kinds. */\nexport {kinds}");
        service_reader(&mut out, service, &own);
    }
    out.push_str(&answers());
    let used: Vec<&str> = READERS.iter().copied().filter(|name| out.contains(&format!("{name}("))).collect();
    let imports =
        format!("import {{ type Fields, type Picked, {} }} from '../envelope.js';", used.join(", "));
    format!("{}\n{imports}\n{out}", super::HEAD)
}

/// The texts that the answers to HTTP requests must have.
fn answers() -> String {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let named = steadfast::messages::schemas(&mut generator);
    let required = |name: &str| {
        let schema = generator.definitions().get(name)?;
        let list = schema.get("required")?.as_array()?;
        Some(list.iter().filter_map(|name| name.as_str()).map(|name| format!("'{name}'")).collect::<Vec<_>>())
    };
    let mut out = String::from("\n/** The texts that the bodies of answers must have. */\n");
    out.push_str("export const answers: Record<string, readonly string[]> = {\n");
    for (key, type_name) in super::ANSWERS {
        let known = *type_name == "DocProcProgress"
            || named.iter().any(|named| {
                let reference = named.schema.get("$ref").and_then(|text| text.as_str());
                named.kind.is_none() && reference.is_some_and(|text| text.ends_with(&format!("/{type_name}")))
            });
        assert!(known, "{type_name} is no answer");
        let _ = writeln!(out, "  {key}: [{}],", required(type_name).unwrap_or_default().join(", "));
    }
    out + "};\n"
}

fn service_reader(out: &mut String, service: Service, messages: &[&Description]) {
    let _ = write!(
        out,
        "\n/** Picks the fields of a message of {service}. */\nexport function {}(p: Picked, kind: number, v: Fields): void {{\n  switch (kind) {{\n",
        service.slug()
    );
    // Messages with the same fields share their code.
    let mut bodies: Vec<(String, Vec<Kind>)> = Vec::new();
    for message in messages {
        let body = body(&message.fields);
        match bodies.iter_mut().find(|(known, _)| *known == body) {
            Some((_, kinds)) => kinds.push(message.kind),
            None => bodies.push((body, vec![message.kind])),
        }
    }
    for (body, kinds) in bodies.iter().filter(|(body, _)| !body.is_empty()) {
        for (n, kind) in kinds.iter().enumerate() {
            let open = if n + 1 == kinds.len() { " {" } else { "" };
            let _ = writeln!(out, "    case {}:{open} // {}", *kind as usize, kind.name());
        }
        let _ = writeln!(out, "{body}      break;\n    }}");
    }
    out.push_str("  }\n}\n");
}

fn body(fields: &[DescribedField]) -> String {
    let mut out = String::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    // The variable that holds each object, by its path.
    let mut objects: Vec<(Vec<String>, String)> = vec![(Vec::new(), "v".into())];
    for field in fields {
        let (name, parent) =
            field.path.split_last().map_or(("", &[][..]), |(name, parent)| (name.as_str(), parent));
        let object =
            objects.iter().find(|(path, _)| path == parent).map_or("v", |(_, name)| name.as_str()).to_owned();
        let at = if parent.is_empty() { format!("v.{name}") } else { format!("{object}.{name}") };
        let label = format!("'{}'", field.path.join("."));
        // An object that is not there has no fields; it is asked once for each of them.
        let optional = object.ends_with('?');
        let value = if optional { format!("{}?.{name}", object.trim_end_matches('?')) } else { at };
        if field.role == Role::Within {
            let variable = format!("o{}", objects.len());
            let (reader, mark) =
                if field.required && !optional { ("needObject", "") } else { ("object", "?") };
            let _ = writeln!(out, "      const {variable} = {reader}({value}, {label});");
            objects.push((field.path.clone(), format!("{variable}{mark}")));
            continue;
        }
        let required = field.required;
        let guard = required && optional;
        let read = read(field, &value, &label, required && !optional);
        let Some((slot, expression, absent)) = read else { continue };
        let expression = if guard {
            let strict = self::read(field, &value, &label, true).map_or(String::new(), |(_, text, _)| text);
            format!("{} ? {strict} : {absent}", object.trim_end_matches('?'))
        } else {
            expression
        };
        let first = seen.insert(slot.into());
        match (first, slot) {
            (_, "bits") => {
                let _ = writeln!(out, "      p.bits |= {};", parenthesised(&expression));
            }
            (true, _) => {
                let _ = writeln!(out, "      p.{slot} = {expression};");
            }
            (false, "status") => {
                let _ = writeln!(out, "      p.status = {} || p.status;", parenthesised(&expression));
            }
            (false, "progress" | "eta" | "at" | "sequence") => {
                let _ = writeln!(out, "      p.{slot} = later({expression}, p.{slot});");
            }
            (false, _) => {
                let _ = writeln!(out, "      p.{slot} = {} ?? p.{slot};", parenthesised(&expression));
            }
        }
    }
    out
}

fn parenthesised(expression: &str) -> String {
    if expression.contains(" ? ") { format!("({expression})") } else { expression.into() }
}

/// The place in the envelope, the expression that reads the field, and what stands there if it is absent.
fn read(
    field: &DescribedField,
    value: &str,
    label: &str,
    required: bool,
) -> Option<(&'static str, String, &'static str)> {
    let text = || format!("{}({value}, {label})", if required { "needText" } else { "text" });
    let number = || format!("{}({value}, {label})", if required { "needNumber" } else { "number" });
    let flag = |at: u32| format!("flag({value}, {label}) << {at}");
    Some(match field.role {
        Role::Data | Role::Within => return None,
        Role::Topic => ("topic", text(), "undefined"),
        Role::Item => ("item", text(), "undefined"),
        Role::Question => ("question", text(), "undefined"),
        Role::Request => ("request", text(), "undefined"),
        Role::Text => ("text", text(), "undefined"),
        Role::Code => ("code", text(), "undefined"),
        Role::Status => ("status", format!("status({})", text()), "0"),
        Role::Stages => ("bits", format!("stageBits({value}, {label})"), "0"),
        Role::Progress => ("progress", number(), "NaN"),
        Role::EtaSeconds => ("eta", format!("{} * 1000", number()), "NaN"),
        Role::At => ("at", format!("instant({})", text()), "NaN"),
        Role::Sequence => ("sequence", number(), "NaN"),
        Role::Retryable => ("bits", flag(3), "0"),
        Role::CanResume => ("bits", flag(5), "0"),
        Role::DataAvailable => ("bits", flag(7), "0"),
        Role::Result => match field.shape {
            Shape::Text => ("bits", format!("present(text({value}, {label}))"), "0"),
            _ => ("bits", format!("present({value})"), "0"),
        },
    })
}

/// The readers of values that may be needed.
const READERS: &[&str] = &[
    "flag",
    "instant",
    "later",
    "needList",
    "needNumber",
    "needObject",
    "needText",
    "number",
    "object",
    "present",
    "text",
];

const PRELUDE: &str = r"
let lastStatus: string | undefined;
let lastStatusNumber = 0;

function status(name: string | undefined): number {
  // Most frames say what the one before said, and comparing is cheaper than looking up.
  if (name === lastStatus) return lastStatusNumber;
  lastStatus = name;
  return (lastStatusNumber = name === undefined ? 0 : (statuses.get(name) ?? 255));
}

const none: unknown[] = [];

function stageBits(list: unknown, label: string): number {
  let bits = 0;
  for (const name of needList(list ?? none, label)) bits |= stages.get(needText(name, label)) ?? 0;
  return bits;
}

";
