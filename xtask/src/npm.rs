//! The npm package: generated sources, the module in WASM, bundles, sizes, and its tests from the packed tarball.

use std::path::{Path, PathBuf};

use crate::shell::{Session, cargo, must, program, root, target_folder};
use crate::{demo_web, needs};

const PACKAGE: &str = "sdk-wasm/npm";
const TESTS: &str = "tests/js";
/// Where the official Socket.IO server is, which is scripted for several languages.
const OFFICIAL: &str = "tests/foreign";
const GENERATED: &str = "sdk-wasm/npm/src/generated";

/// Builds, checks and packs to `target/npm`; fails above the budget of sizes, with a package that can be tried.
pub(crate) fn pack(session: &mut Session) {
    build(session, &["--write"]);
}

/// The package's tests, by Vitest: in Node and in headless Chromium and Firefox.
pub(crate) fn check(session: &mut Session) {
    session.run(&mut cargo(["run", "--quiet", "-p", "steadfast-generate", "--", "--check", GENERATED]));
    let Some(target) = session.check(target_folder()) else { return };
    let ready = session.check(needs::tools(&[needs::CHROMIUM, needs::FIREFOX])).is_some()
        && session.check(needs::node_modules(Path::new(TESTS))).is_some()
        && session.check(needs::node_modules(Path::new(OFFICIAL))).is_some();
    // Whether it is small enough is for `cargo xtask npm` to say; here it has to work.
    let built = build(session, &["--no-budget", "--check"]);
    let server = session.run(&mut cargo(["build", "-p", "steadfast-mock-server"])).is_some();
    if !(ready && built && server) {
        return;
    }
    let tarball = tarball();
    let mut install = program("npm", ["install", "--no-save", "--no-audit", "--no-fund"]);
    if session.run(install.arg(&tarball).current_dir(TESTS)).is_none() {
        return;
    }
    if !demo_web::built(session) {
        return;
    }
    let mut tests = program("npm", ["test", "--silent"]);
    // In colours the counts would not be found.
    tests.env("NO_COLOR", "1").env("STEADFAST_MOCK", target.join("debug/mock-server"));
    session.run(tests.current_dir(TESTS));
}

/// Where the packed package is.
pub(crate) fn tarball() -> PathBuf {
    root().join("target/npm").join(concat!("steadfast-", env!("CARGO_PKG_VERSION"), ".tgz"))
}

/// The module, with a standard library that is built for it: a small one, that stops where it would panic with words.
/// Where such a build can't be had the usual one does the same and is a tenth larger.
fn module(session: &mut Session) -> bool {
    let build = || {
        cargo(["build", "--profile", "wasm", "--target", "wasm32-unknown-unknown", "-p", "steadfast-wasm"])
    };
    let lean = needs::rust_source().and_then(|()| {
        let flags = "-Zunstable-options -Cpanic=immediate-abort -Zfmt-debug=none -Zlocation-detail=none";
        let mut lean = build();
        lean.args(["-Zbuild-std=core,alloc", "-Zbuild-std-features=optimize_for_size"]);
        must(lean.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags))
    });
    if lean.is_ok() {
        return true;
    }
    println!("the standard library can't be built here; the module is built with the one there is");
    session.run(&mut build()).is_some()
}

pub(crate) fn build(session: &mut Session, options: &[&str]) -> bool {
    let Some(target) = session.check(target_folder()) else { return false };
    if session.check(needs::targets(&["wasm32-unknown-unknown"])).is_none()
        || session.check(needs::node_modules(Path::new(PACKAGE))).is_none()
    {
        return false;
    }
    if !module(session) {
        return false;
    }
    let mut bundle = program("node", ["build.mjs"]);
    bundle.arg(target.join("wasm32-unknown-unknown/wasm/steadfast_wasm.wasm")).args(options);
    let good = session.run(bundle.current_dir(PACKAGE)).is_some();
    // The last file that is written.
    if !Path::new(PACKAGE).join("dist/sizes.json").is_file() {
        return false;
    }
    let folder = root().join("target/npm");
    if session.check(std::fs::create_dir_all(&folder).map_err(|error| error.to_string())).is_none() {
        return false;
    }
    let mut pack = program("npm", ["pack", "--silent", "--pack-destination"]);
    session.run(pack.arg(&folder).current_dir(PACKAGE)).is_some() && good
}
