//! Running other programs: what is run is printed, what it prints is shown and counted.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::counts::Counts;

/// A folder of programs that a task has installed for itself: they come before those on the path.
static OURS: OnceLock<PathBuf> = OnceLock::new();

/// What the commands of one part came to.
#[derive(Debug, Default)]
pub(crate) struct Session {
    counts: Counts,
    errors: Vec<String>,
}

impl Session {
    /// Runs a command to its end; a failure is kept and the session goes on. Gives what it wrote to standard output.
    pub(crate) fn run(&mut self, command: &mut Command) -> Option<String> {
        let (counts, result) = shown(command);
        self.counts += counts;
        self.check(result)
    }

    /// Keeps the error of something that can fail.
    pub(crate) fn check<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|error| {
                println!("error: {error}");
                self.errors.push(error);
            })
            .ok()
    }

    pub(crate) fn finish(self) -> (Counts, Vec<String>) {
        (self.counts, self.errors)
    }
}

/// Runs a command, showing its output, and reads test counts from it.
fn shown(command: &mut Command) -> (Counts, Result<String, String>) {
    let line = words(command);
    println!("$ {line}");
    let mut counts = Counts::default();
    let mut child = match command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return (counts, Err(format!("`{line}` can't be started: {error}"))),
    };
    let mut text = String::new();
    if let Some(output) = child.stdout.take() {
        for bytes in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let printed = String::from_utf8_lossy(&bytes).into_owned();
            // A closed standard output must not end the run half-way.
            let _ = writeln!(std::io::stdout(), "{printed}");
            counts += Counts::of_line(&printed);
            text.push_str(&printed);
            text.push('\n');
        }
    }
    let result = match child.wait() {
        Ok(status) if status.success() => Ok(text),
        Ok(status) => Err(format!("`{line}` failed ({status})")),
        Err(error) => Err(format!("`{line}`: {error}")),
    };
    (counts, result)
}

/// Runs a command for its output alone.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let line = words(command);
    let output = command.output().map_err(|error| format!("`{line}` can't be started: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// Runs a command that must succeed, showing its output.
pub(crate) fn must(command: &mut Command) -> Result<(), String> {
    shown(command).1.map(drop)
}

/// Cargo.
pub(crate) fn cargo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments)
}

/// A program, without what `cargo run` has put into our environment: it may call cargo too, and build scripts that see
/// it change run again.
pub(crate) fn program<I: AsRef<OsStr>>(
    name: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = I>,
) -> Command {
    let mut command = Command::new(name);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if ours.iter().any(|prefix| text.starts_with(prefix)) || text == "CARGO_PRIMARY_PACKAGE" {
            command.env_remove(&name);
        }
    }
    with_ours(&mut command).args(arguments);
    command
}

/// From now on the programs in this folder come first.
pub(crate) fn prefer(folder: PathBuf) {
    let _ = OURS.set(folder);
}

fn with_ours(command: &mut Command) -> &mut Command {
    match (OURS.get(), path()) {
        (Some(_), Some(path)) => command.env("PATH", path),
        _ => command,
    }
}

fn path() -> Option<OsString> {
    let usual = std::env::var_os("PATH")?;
    std::env::join_paths(OURS.get().cloned().into_iter().chain(std::env::split_paths(&usual))).ok()
}

/// Where a program is, if it is on the path.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&path()?).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// All paths are relative to the root, whatever folder the task was called in.
pub(crate) fn enter_workspace() -> Result<(), String> {
    std::env::set_current_dir(root()).map_err(|error| format!("{}: {error}", root().display()))
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let metadata = output(&mut cargo(["metadata", "--format-version=1", "--no-deps"]))?;
    let folder = metadata.split_once("\"target_directory\":\"").and_then(|(_, rest)| rest.split_once('"'));
    folder
        .map(|(folder, _)| folder.replace("\\\\", "\\").into())
        .ok_or("cargo metadata names no target folder".into())
}

fn words(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter(|(name, _)| *name != "PATH")
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), value?.to_string_lossy())));
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned());
    let all: Vec<_> = variables.chain([name.to_string_lossy().into_owned()]).chain(arguments).collect();
    all.join(" ").replace(&format!("{}/", root().display()), "")
}
