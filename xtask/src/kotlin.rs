//! The Kotlin packages, built by Maven around the native library, and their tests against the mock server.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bindings;
use crate::library;
use crate::needs::{self, JAVAC, MAVEN};
use crate::shell::{Session, cargo, must, program, root, target_folder};

const PROJECT: &str = "sdk-ffi/kotlin";

/// The tests, with a library that is quick to build.
pub(crate) fn check(session: &mut Session) {
    let Some(library) = session.check(bindings::library()) else { return };
    let debug = library.target.join("debug");
    if let Some(folder) = session.check(project(&debug, &debug)) {
        session.run(maven(&folder).args(["test"]).env("MOCK_SERVER", &library.server));
        document(session, &folder);
    }
}

/// What travels below the packages, and numbers that are none of Kotlin's usual ones: nothing for an app to see.
const NOISE: &[&str] =
    &["FfiConverter", "RustBuffer", "Uniffi", "uniffi", "NativeClient", "UByte", "UInt", "ULong"];

/// Writes the documentation; fails if something public has none, or is not for apps.
fn document(session: &mut Session, folder: &Path) {
    let Some(text) = session.run(maven(folder).args(["--projects", "sdk", "dokka:dokka"])) else { return };
    // What every enum has comes from the compiler.
    let ours = |line: &&str| !["/values/", "/valueOf/", "/entries/"].iter().any(|name| line.contains(name));
    let wrong = ["[WARNING] Undocumented", "[WARNING] Couldn't resolve link"];
    let lines: Vec<_> =
        text.lines().filter(|line| wrong.iter().any(|kind| line.starts_with(kind))).filter(ours).collect();
    let result = if lines.is_empty() { Ok(()) } else { Err(format!("KDoc has gaps:\n{}", lines.join("\n"))) };
    let pages = folder.join("steadfast/dokka");
    let ours = pages.join("steadfast/dev.steadfast/-charisma-client");
    session.check(result.and_then(|()| {
        if ours.is_dir() { readable(&pages) } else { Err("KDoc lacks our own sources".into()) }
    }));
}

/// Fails if a page of the documentation shows what is not for apps.
fn readable(folder: &Path) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.is_dir() {
            readable(&path)?;
        } else if path.extension().is_some_and(|ending| ending == "html") {
            let page = std::fs::read_to_string(&path).map_err(wrong)?;
            if let Some(noise) = noise(&page) {
                return Err(format!("{} shows {noise}", path.display()));
            }
        }
    }
    Ok(())
}

/// What a page shows that it should not. Tags stand within names, where a line may be broken.
fn noise(page: &str) -> Option<&'static str> {
    let text: String = page.split('<').filter_map(|part| Some(part.split_once('>')?.1)).collect();
    NOISE.iter().find(|noise| text.contains(*noise)).copied()
}

/// The packages as they are shipped, in `target/kotlin` and in Maven's local repository.
pub(crate) fn pack(session: &mut Session) {
    let Some(target) = session.check(target_folder()) else { return };
    let tools = cargo(["build", "-p", "steadfast-ffi", "--bins"]);
    if session.run(&mut { tools }).is_none() {
        return;
    }
    let project = library::build().and_then(|library| {
        let folder = library.parent().ok_or("a library without a folder")?;
        project(&target.join("debug"), folder)
    });
    if let Some(folder) = session.check(project) {
        session.run(maven(&folder).args(["--quiet", "install", "-DskipTests"]));
        document(session, &folder);
    }
}

/// Writes what Maven builds from; gives the folder for all that is built.
fn project(tools: &Path, library: &Path) -> Result<PathBuf, String> {
    needs::tools(&[JAVAC, MAVEN])?;
    let folder = target_folder()?.join("kotlin");
    let generated = folder.join("generated");
    let native = folder.join("native").join(platform()?);
    for folder in [&generated, &native] {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let file = library.join(library::name());
    // From the root of its crate, whose uniffi.toml it reads.
    let words = ["generate", "--language", "kotlin", "--no-format", "--library"];
    let mut bindgen = program(tools.join("uniffi-bindgen"), words);
    must(bindgen.arg(&file).arg("--out-dir").arg(&generated).current_dir(root().join("sdk-ffi")))?;
    must(program("strip", ["-o"]).arg(native.join(library::name())).arg(&file))?;
    Ok(folder)
}

/// Maven, to add goals to.
fn maven(folder: &Path) -> Command {
    let mut maven = program("mvn", ["--file", PROJECT]);
    maven.arg(format!("-Dsteadfast.target={}", folder.display()));
    maven
}

/// Where JNA looks for the library of this machine inside a jar.
fn platform() -> Result<&'static str, String> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("linux-x86-64"),
        ("linux", "aarch64") => Ok("linux-aarch64"),
        ("macos", "x86_64") => Ok("darwin-x86-64"),
        ("macos", "aarch64") => Ok("darwin-aarch64"),
        (system, machine) => Err(format!("the Kotlin package knows no folder for {system} on {machine}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_seen_through_tags() {
        assert_eq!(
            noise("<p><a href=\"x\"><span>Rust<wbr></span><span>Buffer</span></a></p>"),
            Some("RustBuffer")
        );
        assert_eq!(
            noise("<p><a href=\"RustBuffer\"><span>Charisma<wbr></span><span>Client</span></a></p>"),
            None
        );
    }
}
