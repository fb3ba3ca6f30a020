//! The table of options in the npm package's README: what they mean from the core's documentation, their defaults from
//! the core's defaults.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

use steadfast::{Config, Endpoint, Service};

const SOURCE: &str = include_str!("../../../sdk-core/src/config.rs");
const BEGIN: &str = "<!-- options: begin -->\n";
const END: &str = "<!-- options: end -->";

/// The README with its table as it has to be; `None` if it has no place for one.
pub(crate) fn fill(readme: &str) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{}{END}{after}", table()))
}

fn table() -> String {
    let config = Config::new(Service::Charisma, Endpoint::Development);
    let meanings = meanings();
    let mut out = String::from("| option | default | |\n|---|---|---|\n");
    let flags = [("answer_pings", config.answer_pings), ("fetch_on_stage", config.fetch_on_stage)];
    let mut defaults: Vec<(String, String)> = fields(&config.reconnect);
    defaults.extend(fields(&config.timings));
    defaults.extend(fields(&config.limits));
    defaults.extend(flags.map(|(name, value)| (name.to_owned(), value.to_string())));
    for (name, default) in defaults {
        let meaning = meanings.get(name.as_str()).copied().unwrap_or_default();
        let (meaning, unset) = match meaning.split_once("; `None`: ") {
            Some((meaning, unset)) => (meaning, unset.trim_end_matches('.')),
            None => (meaning, "unlimited"),
        };
        let default = if default == "None" { unset.to_owned() } else { format!("`{}`", number(&default)) };
        let _ = writeln!(out, "| `{}` | {default} | {} |", camel(&name), meaning.trim_end_matches('.'));
    }
    out
}

/// The fields of a struct and their values, as `Debug` writes them.
fn fields(of: &impl Debug) -> Vec<(String, String)> {
    let text = format!("{of:?}");
    let inner = text.split_once('{').map_or("", |(_, inner)| inner.trim_end_matches('}'));
    let pairs = inner.split(", ").filter_map(|field| field.trim().split_once(": "));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What each field means: its documentation without the default, which is told beside it.
fn meanings() -> BTreeMap<&'static str, &'static str> {
    let mut last = "";
    let mut meanings = BTreeMap::new();
    for line in SOURCE.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("/// ") {
            last = doc.split_once(" Default:").map_or(doc, |(meaning, _)| meaning);
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|field| field.split_once(": ")) {
            // A struct is documented before the field that holds it.
            meanings.entry(name).or_insert(last);
        }
    }
    meanings
}

/// A duration in ms, and a long number in groups, as JavaScript reads it.
fn number(debug: &str) -> String {
    let seconds = debug.strip_suffix('s').and_then(|text| text.parse::<f64>().ok());
    let text = seconds.map_or_else(|| debug.to_owned(), |seconds| (seconds * 1000.0).to_string());
    if text.len() < 5 || text.parse::<u64>().is_err() {
        return text;
    }
    let from_right = |at: usize| (text.len() - at).is_multiple_of(3) && at > 0;
    text.char_indices().map(|(at, c)| if from_right(at) { format!("_{c}") } else { c.to_string() }).collect()
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |all, word| all + &word[..1].to_uppercase() + &word[1..])
}
