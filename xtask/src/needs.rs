//! What a fresh Debian machine with only Rust lacks, and how it gets it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::shell::{cargo, must, output, prefer, program, target_folder, which};

/// A program and the Debian package that has it.
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
}

pub(crate) const CLANG: Tool = Tool { program: "clang", package: "clang" };
pub(crate) const LLVM_AR: Tool = Tool { program: "llvm-ar", package: "llvm" };
pub(crate) const MINGW: Tool = Tool { program: "x86_64-w64-mingw32-gcc", package: "gcc-mingw-w64-x86-64" };
pub(crate) const JAVAC: Tool = Tool { program: "javac", package: "openjdk-17-jdk-headless" };
pub(crate) const MAVEN: Tool = Tool { program: "mvn", package: "maven" };
const NODE: Tool = Tool { program: "node", package: "nodejs" };
pub(crate) const CHROMIUM: Tool = Tool { program: "chromium", package: "chromium" };
pub(crate) const FIREFOX: Tool = Tool { program: "firefox-esr", package: "firefox-esr" };
pub(crate) const CHROMEDRIVER: Tool = Tool { program: "chromedriver", package: "chromium-driver" };
const NPM: Tool = Tool { program: "npm", package: "npm" };
pub(crate) const OPENSSL: Tool = Tool { program: "openssl", package: "openssl" };
const PYTHON: Tool = Tool { program: "python3", package: "python3" };

/// Installs the Debian packages of the programs that are missing.
pub(crate) fn tools(tools: &[Tool]) -> Result<(), String> {
    let missing: Vec<_> = tools.iter().filter(|tool| which(tool.program).is_none()).collect();
    packages(&missing.iter().map(|tool| tool.package).collect::<Vec<_>>())?;
    match missing.iter().find(|tool| which(tool.program).is_none()) {
        None => Ok(()),
        Some(tool) => Err(format!("`{}` is still missing after installing `{}`", tool.program, tool.package)),
    }
}

/// Set when Debian's lists of packages are those of today.
static UPDATED: OnceLock<()> = OnceLock::new();

/// Installs Debian packages.
pub(crate) fn packages(names: &[&str]) -> Result<(), String> {
    if names.is_empty() {
        return Ok(());
    }
    println!("installing the Debian packages {}", names.join(", "));
    let by_hand = format!("install them yourself: apt-get install {}", names.join(" "));
    if which("apt-get").is_none() {
        return Err(format!("{} are missing and this machine has no apt-get; {by_hand}", names.join(", ")));
    }
    let apt = |arguments: &[&str]| must(as_root("apt-get")?.args(["-q", "-y"]).args(arguments));
    let update = || if UPDATED.get().is_some() { Ok(()) } else { apt(&["update"]) };
    let install: Vec<_> = ["install", "--no-install-recommends"].iter().chain(names).copied().collect();
    update().and_then(|()| apt(&install)).map_err(|error| format!("{error}; {by_hand}"))?;
    let _ = UPDATED.set(());
    Ok(())
}

/// A program that installs something, which is for root.
pub(crate) fn as_root(name: &str) -> Result<Command, String> {
    let root = output(&mut program("id", ["-u"]))?.trim() == "0";
    if !root && which("sudo").is_none() {
        return Err(format!("{name} needs root, and there is no sudo"));
    }
    let mut command = if root { program("env", [""; 0]) } else { program("sudo", ["-n", "env"]) };
    command.args(["DEBIAN_FRONTEND=noninteractive", name]);
    Ok(command)
}

/// Installs Rust's standard library for these targets.
pub(crate) fn targets(targets: &[&str]) -> Result<(), String> {
    if which("rustup").is_none() {
        return Err(format!("rustup is missing, which installs the targets {}", targets.join(", ")));
    }
    let installed = output(&mut program("rustup", ["target", "list", "--installed"]))?;
    let missing: Vec<_> =
        targets.iter().copied().filter(|target| !installed.lines().any(|line| line == *target)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing Rust's standard library for {}", missing.join(", "));
    must(&mut program("rustup", ["target", "add"].iter().chain(&missing)))
}

/// Installs the source of Rust's standard library, for a build of it.
pub(crate) fn rust_source() -> Result<(), String> {
    if which("rustup").is_none() {
        return Err("rustup is missing, which installs the source of the standard library".into());
    }
    let installed = output(&mut program("rustup", ["component", "list", "--installed"]))?;
    if installed.lines().any(|line| line == "rust-src") {
        return Ok(());
    }
    println!("installing the source of Rust's standard library");
    must(&mut program("rustup", ["component", "add", "rust-src"]))
}

/// The tools of wasm-bindgen, in the version that the lock file names; the folder they are in.
pub(crate) fn wasm_bindgen() -> Result<PathBuf, String> {
    const PROGRAMS: [&str; 2] = ["wasm-bindgen", "wasm-bindgen-test-runner"];
    let lock = read(Path::new("Cargo.lock"))?;
    let version = lock
        .split_once("name = \"wasm-bindgen\"\nversion = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version)
        .ok_or("Cargo.lock names no wasm-bindgen")?;
    let folder = target_folder()?.join("tools").join(format!("wasm-bindgen-{version}"));
    let programs = folder.join("bin");
    if PROGRAMS.iter().all(|name| programs.join(name).is_file()) {
        return Ok(programs);
    }
    println!("installing wasm-bindgen's tools, version {version}");
    // Unoptimised ones take a third of the time to build, and have little to do.
    let mut install = cargo(["install", "--quiet", "--debug", "wasm-bindgen-cli", "--version", version]);
    must(install.args(PROGRAMS.iter().flat_map(|name| ["--bin", *name])).arg("--root").arg(&folder))?;
    Ok(programs)
}

/// The oldest Node.js that the packages in use run on, and the one that is installed where there is only an older one.
const OLDEST_NODE: (u32, u32) = (20, 19);
const NODE_INSTALLED: &str = "20.20.2";

/// Node.js with npm. Debian 12's own is too old, but its npm can install a newer one.
fn node() -> Result<(), String> {
    tools(&[NODE, NPM])?;
    if node_version().is_some_and(|version| version >= OLDEST_NODE) {
        return Ok(());
    }
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => return Err(format!("Node.js {NODE_INSTALLED} is to be installed by hand on {other}")),
    };
    let package = format!("node-linux-{machine}");
    let folder = target_folder()?.join("tools").join(format!("node-{NODE_INSTALLED}"));
    let programs = folder.join("node_modules").join(&package).join("bin");
    if !programs.join("node").is_file() {
        println!("installing Node.js {NODE_INSTALLED}, since the one here is too old");
        let mut install = program("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--prefix"]);
        must(install.arg(&folder).arg(format!("{package}@{NODE_INSTALLED}")))?;
    }
    prefer(programs);
    match node_version() {
        Some(version) if version >= OLDEST_NODE => Ok(()),
        other => Err(format!("Node.js {NODE_INSTALLED} was installed, but `node` says {other:?}")),
    }
}

fn node_version() -> Option<(u32, u32)> {
    let text = output(&mut program("node", ["--version"])).ok()?;
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The packages that a folder's lock file names.
pub(crate) fn node_modules(folder: &Path) -> Result<(), String> {
    node()?;
    let lock = read(&folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    println!("installing the npm packages of {}", folder.display());
    must(program("npm", ["ci", "--no-audit", "--no-fund"]).current_dir(folder))?;
    write(&stamp, &lock)
}

/// A Python with the packages that a file names, in a folder of its own; the path of its interpreter.
pub(crate) fn python(requirements: &Path, folder: &Path) -> Result<PathBuf, String> {
    tools(&[PYTHON])?;
    if output(&mut program("python3", ["-c", "import venv, ensurepip"])).is_err() {
        packages(&["python3-venv"])?;
    }
    let wanted = read(requirements)?;
    let interpreter = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if interpreter.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    println!("installing the Python packages of {}", requirements.display());
    must(program("python3", ["-m", "venv", "--clear"]).arg(folder))?;
    let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    must(program(&interpreter, words).arg(requirements))?;
    write(&stamp, &wanted)?;
    Ok(interpreter)
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
