//! The parts of `cargo xtask test`, the quick ones first.

use crate::shell::{Session, cargo};
use crate::{deps, foreign, kotlin, needs, npm, python, swift, targets, web};

/// One part.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&mut Session),
}

/// In the order in which they run.
pub(crate) const PARTS: &[Part] = &[
    Part { name: "fmt", about: "the format of all Rust files", run: fmt },
    Part { name: "deps", about: "what depends on what", run: deps::check },
    Part { name: "clippy", about: "each package alone, in each set of features", run: clippy },
    Part { name: "unit", about: "the tests of each package alone, in each set of features", run: unit },
    Part {
        name: "simulation",
        about: "the machine through random schedules, in virtual time",
        run: simulation,
    },
    Part { name: "doc", about: "the examples in the documentation", run: doc },
    Part { name: "rustdoc", about: "the documentation itself, without a warning", run: rustdoc },
    Part {
        name: "foreign",
        about: "other people's programs against ours, and ours against theirs",
        run: foreign::check,
    },
    Part { name: "python", about: "the Python package against the mock server", run: python::check },
    Part { name: "kotlin", about: "the Kotlin packages against the mock server", run: kotlin::check },
    Part { name: "swift", about: "the Swift package against the mock server", run: swift::check },
    Part {
        name: "javascript",
        about: "the npm package against the mock server, in Node, Chromium and Firefox",
        run: npm::check,
    },
    Part {
        name: "web",
        about: "the crate in headless Chromium, in a page and in a worker, against the mock server",
        run: web::check,
    },
    Part { name: "targets", about: "cargo check for every platform", run: targets::check },
    Part { name: "demo", about: "the demo, in plain lines", run: demo },
];

/// Each package with each of its sets of features: built together they would share features, and a missing one would
/// not be noticed.
const CORE: &[&[&str]] = &[
    &["-p", "steadfast", "--no-default-features"],
    &["-p", "steadfast", "--no-default-features", "--features", "typed"],
    &["-p", "steadfast"],
];
const OTHERS: &[&[&str]] = &[
    &["-p", "steadfast-simulation"],
    &["-p", "steadfast-mock-server"],
    &["-p", "steadfast-tests"],
    &["-p", "steadfast-wasm"],
    &["-p", "steadfast-generate"],
    &["-p", "steadfast-ffi"],
    &["-p", "demo"],
    &["-p", "rust-page"],
    &["-p", "xtask"],
];
/// Only linted: what they switch on holds no test of its own, or is tested alone.
const LINTED: &[&[&str]] = &[
    &["-p", "steadfast", "--no-default-features", "--features", "schema"],
    &["-p", "steadfast", "--no-default-features", "--features", "web"],
    &["-p", "steadfast", "--features", "uniffi"],
    &["-p", "steadfast-tests", "--features", "foreign"],
];

/// The names of all packages that are tested.
pub(crate) fn packages() -> impl Iterator<Item = &'static str> {
    [CORE, OTHERS].concat().into_iter().filter_map(|words| words.get(1).copied())
}

fn fmt(session: &mut Session) {
    session.run(&mut cargo(["fmt", "--all", "--check"]));
}

fn clippy(session: &mut Session) {
    for package in [CORE, LINTED, OTHERS].concat() {
        let mut command = cargo(["clippy", "--quiet"]);
        session.run(command.args(package).args(["--all-targets", "--", "-D", "warnings"]));
    }
    if session.check(needs::targets(&[web::TARGET])).is_some() {
        let mut command = cargo(["clippy", "--quiet"]);
        session.run(command.args(web::CRATE).arg("--lib").args(web::TESTS).args(["--", "-D", "warnings"]));
        let mut command = cargo(["clippy", "--quiet", "-p", "rust-page", "--target", web::TARGET]);
        session.run(command.args(["--", "-D", "warnings"]));
    }
}

fn unit(session: &mut Session) {
    for package in [CORE, OTHERS].concat() {
        session.run(cargo(["test"]).args(package).args(["--tests", "--no-fail-fast"]));
    }
    // What bindings stand on; the other tests of the crate have run without it.
    session.run(&mut cargo(["test", "-p", "steadfast", "--features", "uniffi", "--lib", "ffi::"]));
}

fn simulation(session: &mut Session) {
    // It says how many schedules it walked, and where it found each planted bug.
    let words = ["test", "--release", "-p", "steadfast-simulation", "--", "--show-output"];
    session.run(&mut cargo(words));
}

fn doc(session: &mut Session) {
    for package in ["steadfast", "steadfast-mock-server", "steadfast-tests"] {
        session.run(&mut cargo(["test", "--doc", "-p", package]));
    }
}

fn rustdoc(session: &mut Session) {
    for package in [CORE, OTHERS].concat() {
        let mut command = cargo(["doc", "--quiet", "--no-deps"]);
        session.run(command.args(package).env("RUSTDOCFLAGS", "-D warnings"));
    }
    if session.check(needs::targets(&[web::TARGET])).is_some() {
        let mut command = cargo(["doc", "--quiet", "--no-deps"]);
        session.run(command.args(web::CRATE).env("RUSTDOCFLAGS", "-D warnings"));
    }
}

fn demo(session: &mut Session) {
    if let Some(text) = session.run(&mut cargo(["run", "--quiet", "--release", "-p", "demo"])) {
        session.check(if text.trim().is_empty() { Err("the demo showed nothing".into()) } else { Ok(()) });
    }
}
