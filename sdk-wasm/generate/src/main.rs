//! Writes `types.ts` and `pick.ts` of the npm package from the declarations of the messages in sdk-core, and the table
//! of options in its README.
//!
//! `steadfast-generate <folder>` writes them, `steadfast-generate --check <folder>` fails if they are not up to date.

mod options;
mod pick;
mod types;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = arguments.first().is_some_and(|first| first == "--check");
    if check {
        arguments.remove(0);
    }
    let [folder] = arguments.as_slice() else {
        eprintln!("usage: steadfast-generate [--check] <folder>");
        return ExitCode::from(2);
    };
    let mut stale = false;
    let folder = Path::new(folder);
    let readme = folder.join("../../README.md");
    let Some(filled) = std::fs::read_to_string(&readme).ok().and_then(|text| options::fill(&text)) else {
        eprintln!("{} has no place for the table of options", readme.display());
        return ExitCode::FAILURE;
    };
    let types = (folder.join("types.ts"), types::write());
    for (path, text) in [types, (folder.join("pick.ts"), pick::write()), (readme, filled)] {
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            eprintln!(
                "{} is not up to date; run `cargo run -p steadfast-generate -- {}`",
                path.display(),
                folder.display()
            );
            stale = true;
        } else if let Err(error) = std::fs::write(&path, text) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if stale { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What stands at the beginning of both files.
const HEAD: &str =
    "// Generated from the declarations of the messages by `cargo run -p steadfast-generate`. Do not edit.\n";

/// The answers to HTTP requests: their names in the host, and their types.
const ANSWERS: &[(&str, &str)] = &[
    ("login", "TherapyBridgeLogin"),
    ("clarification", "DocProcClarificationReply"),
    ("session", "DocProcProgress"),
    ("analysis", "DevContextAnalysis"),
    ("health", "SagaServerHealth"),
    ("stats", "SagaServerStats"),
];
