//! The Python package: its wheel, installed into an empty environment, and its tests against the mock server.

use std::path::Path;

use crate::bindings;
use crate::library;
use crate::needs;
use crate::shell::{Session, must, program, root, target_folder};

const TESTS: &str = "tests/python";

pub(crate) fn check(session: &mut Session) {
    if let Some(python) = session.check(prepare()) {
        let mut tests = program(&python.interpreter, ["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
        session.run(tests.current_dir(root().join(TESTS)).env("MOCK_SERVER", &python.server));
    }
}

/// The wheel as it is shipped, in `target/python`.
pub(crate) fn pack(session: &mut Session) {
    session.check((|| {
        bindings::python(&bindings::library()?)?;
        let target = target_folder()?;
        let interpreter =
            needs::python(&Path::new(TESTS).join("requirements.txt"), &target.join("python-tests"))?;
        // Not stripped: the bindings are read from the library's symbols, after the build.
        let words = ["-m", "maturin", "build", "--target", &library::host()?, "--out"];
        let mut build = program(&interpreter, words);
        build.arg(root().join("target/python"));
        library::small(&mut build)?;
        must(build.current_dir(root().join("sdk-ffi")).env("CARGO_TARGET_DIR", &target))
    })());
}

struct Ready {
    interpreter: std::path::PathBuf,
    server: std::path::PathBuf,
}

fn prepare() -> Result<Ready, String> {
    let library = bindings::library()?;
    bindings::python(&library)?;
    let requirements = Path::new(TESTS).join("requirements.txt");
    let interpreter = needs::python(&requirements, &target_folder()?.join("python-tests"))?;
    let wheels = library.target.join("python-wheels");
    // Only the wheel that is built now.
    let _ = std::fs::remove_dir_all(&wheels);
    let words = ["-m", "maturin", "build", "--quiet", "--profile", "dev", "--out"];
    let mut build = program(&interpreter, words);
    must(build.arg(&wheels).current_dir(root().join("sdk-ffi")).env("CARGO_TARGET_DIR", &library.target))?;
    let wheel = std::fs::read_dir(&wheels)
        .map_err(|error| format!("{}: {error}", wheels.display()))?
        .find_map(|entry| {
            Some(entry.ok()?.path()).filter(|path| path.extension().is_some_and(|e| e == "whl"))
        })
        .ok_or("maturin built no wheel")?;
    // It needs nothing but Python.
    let empty = library.target.join("python-empty");
    must(program("python3", ["-m", "venv", "--clear"]).arg(&empty))?;
    let python = empty.join("bin/python");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"];
    must(program(&python, pip).arg(&wheel))?;
    must(&mut program(
        &python,
        ["-c", "import steadfast_sdk; steadfast_sdk.CharismaClient('ws://localhost')"],
    ))?;
    must(program(&interpreter, pip).args(["--force-reinstall", "--no-deps"]).arg(&wheel))?;
    Ok(Ready { interpreter, server: library.server })
}
