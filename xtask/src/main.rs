//! Project tasks. `cargo xtask help` lists them.

mod android;
mod bindings;
mod counts;
mod demo_web;
mod deps;
mod foreign;
mod kotlin;
mod library;
mod needs;
mod npm;
mod parts;
mod python;
mod rust_page;
mod servers;
mod shell;
mod swift;
mod symbols;
mod targets;
mod web;
mod xcframework;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use counts::Counts;
use parts::{PARTS, Part};

const HELP: &str = "\
cargo xtask test              everything that CI runs; installs what it needs
cargo xtask test <part>…      only these parts
cargo xtask test --list       the parts, in the order in which they run
cargo xtask deps              the core's dependencies against the list in ARCHITECTURE.md
cargo xtask targets           cargo check for every platform
cargo xtask library           the native library as it is shipped: builds it and holds it to its budget
cargo xtask python            the Python wheel as it is shipped, in target/python
cargo xtask kotlin            the Kotlin packages, into Maven's local repository
cargo xtask android           the native libraries for Android; needs an NDK
cargo xtask swift             the library for the Swift package, on this machine, with its bindings
cargo xtask xcframework       the framework for Apple systems, in the Swift package; tells its size
cargo xtask npm               the npm package: builds, checks, prints its sizes, packs to target/npm
cargo xtask demo-web          the npm package's demo page with a mock server, in a browser of yours
cargo xtask rust-page         the same for the crate: a page in Rust";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "--help" | "-h"] | ["test", "--help" | "-h"] => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        ["test", "--list"] => {
            for part in PARTS {
                println!("{:<12}{}", part.name, part.about);
            }
            ExitCode::SUCCESS
        }
        ["test", names @ ..] => match chosen(names) {
            Ok(parts) => test(&parts),
            Err(error) => fail(&error),
        },
        [name @ ("deps" | "targets")] => match chosen(&[name]) {
            Ok(parts) => test(&parts),
            Err(error) => fail(&error),
        },
        ["demo-web"] => test(&[&Part { name: "demo-web", about: "the demo page", run: demo_web::run }]),
        ["library"] => test(&[&Part { name: "library", about: "the native library", run: library::weigh }]),
        ["python"] => test(&[&Part { name: "python", about: "the Python wheel", run: python::pack }]),
        ["android"] => {
            test(&[&Part { name: "android", about: "the libraries for Android", run: android::build }])
        }
        ["kotlin"] => test(&[&Part { name: "kotlin", about: "the Kotlin packages", run: kotlin::pack }]),
        ["rust-page"] => test(&[&Part { name: "rust-page", about: "the page in Rust", run: rust_page::run }]),
        ["swift"] => {
            test(&[&Part { name: "swift", about: "the Swift package's library", run: swift::build }])
        }
        ["xcframework"] => test(&[&Part {
            name: "xcframework",
            about: "the framework for Apple systems",
            run: xcframework::build,
        }]),
        ["npm"] => test(&[&Part { name: "npm", about: "the npm package", run: npm::pack }]),
        other => fail(&format!("there is no task `{}`\n\n{HELP}", other.join(" "))),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("xtask: {error}");
    ExitCode::FAILURE
}

fn chosen(names: &[&str]) -> Result<Vec<&'static Part>, String> {
    if names.is_empty() {
        return Ok(PARTS.iter().collect());
    }
    let find = |name: &&str| {
        PARTS.iter().find(|part| part.name == *name).ok_or_else(|| {
            let known: Vec<_> = PARTS.iter().map(|part| part.name).collect();
            format!("there is no part `{name}`; the parts are {}", known.join(", "))
        })
    };
    names.iter().map(find).collect()
}

struct Outcome {
    name: &'static str,
    time: Duration,
    counts: Counts,
    errors: Vec<String>,
}

/// Runs every part, also after one has failed, and sums up.
fn test(parts: &[&Part]) -> ExitCode {
    if let Err(error) = shell::enter_workspace() {
        return fail(&error);
    }
    let start = Instant::now();
    let outcomes: Vec<_> = parts.iter().map(|part| run(part)).collect();
    println!("\n{:<12}{:>8}  {:>6}  {:>6}  {:>7}", "part", "time", "passed", "failed", "ignored");
    let mut sum = Counts::default();
    for Outcome { name, time, counts, errors } in &outcomes {
        let Counts { passed, failed, ignored } = counts;
        let mark = if errors.is_empty() { "" } else { "  FAILED" };
        println!("{name:<12}{:>7.1}s  {passed:>6}  {failed:>6}  {ignored:>7}{mark}", time.as_secs_f64());
        sum += *counts;
    }
    println!("{:<12}{:>7.1}s", "all", start.elapsed().as_secs_f64());
    let errors: Vec<_> = outcomes.iter().flat_map(|o| o.errors.iter().map(|e| (o.name, e))).collect();
    for (name, error) in &errors {
        println!("\n{name}: {error}");
    }
    println!("\n{} passed, {} failed", sum.passed, sum.failed);
    if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(part: &Part) -> Outcome {
    println!("\n=== {}: {}", part.name, part.about);
    let start = Instant::now();
    let mut session = shell::Session::default();
    (part.run)(&mut session);
    let (mut counts, errors) = session.finish();
    if !errors.is_empty() && counts.failed == 0 {
        counts.failed = 1; // what fails without a test to blame must not read "0 failed"
    }
    let time = start.elapsed();
    let verdict = if errors.is_empty() { "ok" } else { "FAILED" };
    println!("=== {}: {verdict} in {:.1}s", part.name, time.as_secs_f64());
    Outcome { name: part.name, time, counts, errors }
}
