//! The crate's feature `web`: its tests in headless Chromium, against a mock server.

use std::path::Path;

use crate::needs::{self, CHROMEDRIVER, CHROMIUM};
use crate::servers::{Servers, port};
use crate::shell::{Session, cargo, program, target_folder, which};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Its features, for a browser.
pub(crate) const CRATE: &[&str] =
    &["-p", "steadfast", "--no-default-features", "--features", "web", "--target", TARGET];
/// The tests that run there, each in a page or a worker of its own.
pub(crate) const TESTS: &[&str] = &["--test", "web", "--test", "web_worker"];

pub(crate) fn check(session: &mut Session) {
    let tools = needs::targets(&[TARGET])
        .and_then(|()| needs::tools(&[CHROMIUM, CHROMEDRIVER]))
        .and_then(|()| needs::wasm_bindgen());
    let Some(tools) = session.check(tools) else { return };
    let Some(target) = session.check(target_folder()) else { return };
    if session.run(&mut cargo(["build", "-p", "steadfast-mock-server"])).is_none() {
        return;
    }
    let result = test(session, &tools.join("wasm-bindgen-test-runner"), &target.join("debug/mock-server"));
    session.check(result);
}

fn test(session: &mut Session, runner: &Path, server: &Path) -> Result<(), String> {
    let mut servers = Servers::default();
    // Always the same, if it is free: the tests are built with its address in them.
    let port = port(18_090)?;
    let mut mock = program(server, ["serve", "--quiet", "--step=30ms"]);
    servers.start(mock.arg(format!("--port={port}")))?;
    servers.listens(port)?;
    let driver = which("chromedriver").ok_or("chromedriver is missing")?;
    let mut tests = cargo(["test", "--no-fail-fast"]);
    tests
        .args(CRATE)
        .args(TESTS)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner)
        .env("CHROMEDRIVER", driver)
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
        .env("STEADFAST_MOCK_URL", format!("http://127.0.0.1:{port}"));
    session.run(&mut tests);
    Ok(())
}
