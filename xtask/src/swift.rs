//! The Swift package: its library and bindings, and its tests against the mock server. Where there is no Swift, the
//! compiler of a newer Debian is put into a folder of its own and run in there.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bindings::{self, update};
use crate::shell::{Session, must, output, program, root, which};
use crate::{library, needs};

const PACKAGE: &str = "sdk-ffi/swift";

/// The package's tests, and its documentation, in which `DocC` finds nothing to warn of.
pub(crate) fn check(session: &mut Session) {
    let Some((swift, library)) = session.check(found()) else { return };
    // What the package shows to apps.
    let symbols = library.target.join("swift-symbols");
    let target = library.target.clone();
    let Some(mut tests) = session.check(tests(&swift, library, &symbols)) else { return };
    if session.run(&mut tests).is_none() {
        return;
    }
    let Some(mut documentation) = session.check(documentation(&swift, &symbols, &target)) else { return };
    session.run(&mut documentation);
}

fn found() -> Result<(Swift, bindings::Library), String> {
    let library = bindings::library()?;
    bindings::swift(&library)?;
    Ok((Swift::find(&library.target)?, library))
}

fn tests(swift: &Swift, library: bindings::Library, symbols: &Path) -> Result<Command, String> {
    std::fs::create_dir_all(symbols).map_err(|error| format!("{}: {error}", symbols.display()))?;
    let variables = [
        ("STEADFAST_LIB_DIR", library.target.join("debug")),
        ("MOCK_SERVER", library.server),
        ("CERTIFICATES", bindings::certificates(&library.target)?),
        ("HOME", library.target.join("swift-home")),
        ("SYMBOLS", symbols.join("Steadfast.symbols.json")),
    ];
    let mut command = swift.command("swift", &library.target);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.args(["test", "--scratch-path"]).arg(library.target.join("swift-build"));
    for word in ["-emit-symbol-graph", "-emit-symbol-graph-dir"] {
        command.args(["-Xswiftc", word]);
    }
    command.arg("-Xswiftc").arg(symbols);
    Ok(command)
}

fn documentation(swift: &Swift, symbols: &Path, target: &Path) -> Result<Command, String> {
    // Those of the tests stand beside it.
    let own = symbols.join("own");
    let name = "Steadfast.symbols.json";
    std::fs::create_dir_all(&own).map_err(|error| format!("{}: {error}", own.display()))?;
    update(&symbols.join(name), &own.join(name))?;
    let mut command = swift.docc(target);
    command.args(["convert", "Sources/Steadfast/Documentation.docc", "--warnings-as-errors", "--analyze"]);
    command.args(["--fallback-display-name", "Steadfast", "--fallback-bundle-identifier", "dev.steadfast"]);
    command.arg("--additional-symbol-graph-dir").arg(own);
    command.arg("--output-path").arg(target.join("swift-symbols/Steadfast.doccarchive"));
    Ok(command)
}

/// Writes the bindings and puts the library to ship into the package, for apps on this machine.
pub(crate) fn build(session: &mut Session) {
    let result = (|| {
        bindings::swift(&bindings::library()?)?;
        let built = library::build()?;
        update(&built, &root().join(PACKAGE).join("lib").join(library::name()))
    })();
    session.check(result);
}

/// A Swift 6.
enum Swift {
    /// This machine's.
    Here,
    /// In the root of another Debian.
    Inside(PathBuf),
}

impl Swift {
    /// Finds this machine's, or installs one below the target folder.
    fn find(target: &Path) -> Result<Self, String> {
        if which("swift").is_some() {
            return Ok(Self::Here);
        }
        if which("bwrap").is_none() || which("mmdebstrap").is_none() {
            needs::packages(&["bubblewrap", "mmdebstrap"])?;
        }
        let root = target.join("swift-root");
        if !root.join("usr/libexec/swift/bin/swift").is_file() {
            install(&root)?;
        }
        Ok(Self::Inside(root))
    }

    /// A tool of Swift's, in the package's folder.
    fn command(&self, tool: &str, target: &Path) -> Command {
        let package = root().join(PACKAGE);
        let mut command = match self {
            Self::Here => program(tool, [""; 0]),
            Self::Inside(inside) => {
                let mut command = program("bwrap", ["--die-with-parent", "--unshare-pid"]);
                for folder in ["usr", "etc"] {
                    command.arg("--ro-bind").arg(inside.join(folder)).arg(format!("/{folder}"));
                }
                for link in ["bin", "lib", "lib64", "sbin"] {
                    command.args(["--symlink", &format!("usr/{link}"), &format!("/{link}")]);
                }
                command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
                for folder in [&root(), target] {
                    command.arg("--bind").arg(folder).arg(folder);
                }
                command.arg("--chdir").arg(&package).arg(tool);
                command
            }
        };
        command.current_dir(package);
        command
    }

    /// The compiler of documentation, which neither Debian nor Xcode puts where commands are looked for.
    fn docc(&self, target: &Path) -> Command {
        match self {
            Self::Here if cfg!(target_os = "macos") => {
                let mut command = self.command("xcrun", target);
                command.arg("docc");
                command
            }
            Self::Here => self.command("docc", target),
            Self::Inside(_) => self.command("/usr/libexec/swift/bin/docc", target),
        }
    }
}

/// What Swift needs to build and test, without what only people use.
const INSTALLED: &str = "swiftlang,libc6-dev,libstdc++-14-dev";
const LEFT_OUT: &[&str] = &[
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/libexec/swift/bin/lldb*",
    "/usr/libexec/swift/bin/sourcekit-lsp",
    "/usr/libexec/swift/bin/clangd",
    "/usr/libexec/swift/bin/repl_swift",
    "/usr/libexec/swift/bin/swift-format",
    "/usr/libexec/swift/lib/liblldb*",
];

/// Puts the Debian that has Swift 6 into a folder: 2 GB, from the mirror that this machine uses.
fn install(root: &Path) -> Result<(), String> {
    println!("installing Swift 6 into {}", root.display());
    let half = root.with_extension("half");
    must(needs::as_root("rm")?.arg("-rf").args([&half, root]))?;
    let mut command = needs::as_root("mmdebstrap")?;
    command.args(["--quiet", "--variant=essential", &format!("--include={INSTALLED}")]);
    command.args(LEFT_OUT.iter().map(|path| format!("--dpkgopt=path-exclude={path}")));
    command.arg("trixie").arg(&half).args(mirror());
    must(&mut command)?;
    must(needs::as_root("mv")?.arg(&half).arg(root))
}

/// The mirror that this machine uses; without one mmdebstrap takes its own.
fn mirror() -> Option<String> {
    let words = ["indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian"];
    let known = output(&mut program("apt-get", words)).ok()?;
    known.lines().next().map(str::to_owned)
}
