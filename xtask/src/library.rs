//! The native library as it is shipped: small, and weighed.

use std::path::PathBuf;
use std::process::Command;

use crate::needs;
use crate::shell::{Session, cargo, must, output, program, root, target_folder};

/// What the stripped library for Linux on `x86_64` may weigh, in bytes: all five services and TLS included.
const BUDGET: u64 = 2_600_000;

/// The standard library is built with the rest, for size and without the printing of stack traces: a tenth of all.
const STANDARD: [&str; 4] =
    ["-Z", "build-std=std,panic_unwind", "-Z", "build-std-features=optimize_for_size"];
/// Functions of equal code exist once, and strings that end alike. Only lld can do it, which is Rust's own linker on
/// Linux for `x86_64`.
const FOLDED: [&str; 4] = ["-C", "link-arg=-Wl,--icf=all", "-C", "link-arg=-Wl,-O2"];

/// Builds the library, weighs it, and fails above the budget.
pub(crate) fn weigh(session: &mut Session) {
    session.check(build().and_then(|library| {
        let stripped = library.with_extension("stripped.so");
        must(program("strip", ["-o"]).arg(&stripped).arg(&library))?;
        let bytes =
            std::fs::metadata(&stripped).map_err(|error| format!("{}: {error}", stripped.display()))?.len();
        println!("{}: {bytes} bytes stripped, of {BUDGET}", library.display());
        if lld() && bytes > BUDGET {
            Err(format!("the library is {} bytes too large", bytes - BUDGET))
        } else {
            Ok(())
        }
    }));
}

/// Builds the library as it is shipped for this machine. It still has its symbols, of which bindings are made.
pub(crate) fn build() -> Result<PathBuf, String> {
    let host = host()?;
    let mut build = cargo(["rustc", "-p", "steadfast-ffi", "--lib", "--no-default-features"]);
    build.args(["--profile", "native-lib", "--crate-type", "cdylib", "--target", &host]);
    small(&mut build)?;
    must(&mut build)?;
    Ok(target_folder()?.join(host).join("native-lib").join(name()))
}

/// Adds what makes a release small to a command that ends in options for cargo.
pub(crate) fn small(build: &mut Command) -> Result<(), String> {
    needs::rust_source()?;
    build.args(STANDARD).env("CARGO_ENCODED_RUSTFLAGS", short_paths()?.join("\x1f"));
    if lld() {
        build.arg("--").args(FOLDED);
    }
    // `-Z` is for those who accept that it may change; a release is built by a toolchain that was tried.
    build.env("RUSTC_BOOTSTRAP", "1");
    Ok(())
}

/// A panic tells its place: 30 KB of names, and as much again if each began with where this machine keeps sources.
pub(crate) fn short_paths() -> Result<Vec<String>, String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).ok_or("there is no CARGO_HOME")?;
    let sources = home.join("registry/src");
    let registries =
        std::fs::read_dir(&sources).map_err(|error| format!("{}: {error}", sources.display()))?;
    let mut paths: Vec<_> = registries.flatten().map(|entry| (entry.path(), "")).collect();
    paths.sort();
    let toolchain = output(&mut program("rustc", ["--print", "sysroot"]))?;
    paths.push((PathBuf::from(toolchain.trim()).join("lib/rustlib/src/rust/library"), "std"));
    paths.push((root(), ""));
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    let given = given.split_whitespace().map(str::to_owned);
    let short = paths.iter().map(|(path, to)| format!("--remap-path-prefix={}={to}", path.display()));
    Ok(given.chain(short).collect())
}

fn lld() -> bool {
    cfg!(all(target_os = "linux", target_arch = "x86_64"))
}

/// This machine, as rustc names it.
pub(crate) fn host() -> Result<String, String> {
    let about = output(&mut program("rustc", ["-vV"]))?;
    about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "rustc -vV names no host".into())
}

/// The library's file name on this machine.
pub(crate) fn name() -> String {
    format!("{}steadfast{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}
