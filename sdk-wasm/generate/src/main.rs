//! Writes `types.ts` and `pick.ts` of the npm package from the declarations of the messages in sdk-core.
//!
//! `steadfast-generate <folder>` writes them, `steadfast-generate --check <folder>` fails if they are not up to date.

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
    for (name, text) in [("types.ts", types::write()), ("pick.ts", pick::write())] {
        let path = Path::new(folder).join(name);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            eprintln!(
                "{} is not up to date; run `cargo run -p steadfast-generate -- {folder}`",
                path.display()
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
