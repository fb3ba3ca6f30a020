//! What the tests of every language that loads the native library need.

use std::path::{Path, PathBuf};

use crate::shell::{cargo, must, output, program, root, target_folder};
use crate::{library, needs};

/// The library and its peer, built.
pub(crate) struct Library {
    /// The mock server.
    pub(crate) server: PathBuf,
    /// Where cargo puts what it builds, and we what is made from it.
    pub(crate) target: PathBuf,
}

/// Builds the library, the programs that write bindings, and the mock server.
pub(crate) fn library() -> Result<Library, String> {
    let target = target_folder()?;
    // Built together they would share features, and all that depends on those would be built once more.
    for package in ["steadfast-ffi", "steadfast-mock-server"] {
        must(&mut cargo(["build", "-p", package]))?;
    }
    Ok(Library { server: target.join("debug/mock-server"), target })
}

/// Writes the Swift bindings into their package, from the library that tests use: that for an iPhone is not to be read
/// here, and exports the same.
pub(crate) fn swift(library: &Library) -> Result<(), String> {
    let built = library.target.join("debug");
    let written = library.target.join("bindings/swift");
    let make = |what: &str| {
        let mut bindgen = program(built.join("uniffi-bindgen-swift"), [what]);
        must(bindgen.arg(built.join("libsteadfast.so")).arg(&written))
    };
    make("--swift-sources")?;
    make("--headers")?;
    let package = root().join("sdk-ffi/swift/Sources");
    update(&written.join("Steadfast.swift"), &package.join("Steadfast/Generated/Steadfast.swift"))?;
    update(&written.join("steadfastFFI.h"), &package.join("steadfastFFI/steadfastFFI.h"))
}

/// Writes the stub of Python's bindings into their package: maturin has the bindings written, and takes no stubs.
pub(crate) fn python(library: &Library) -> Result<(), String> {
    let built = library.target.join("debug");
    let written = library.target.join("bindings/python");
    // From the root of its crate, whose uniffi.toml it reads.
    let words = ["generate", "--language", "python", "--no-format", "--library"];
    let mut bindgen = program(built.join("uniffi-bindgen"), words);
    bindgen.arg(built.join(library::name()));
    must(bindgen.arg("--out-dir").arg(&written).current_dir(root().join("sdk-ffi")))?;
    update(&written.join("steadfast.pyi"), &root().join("sdk-ffi/python/steadfast_sdk/_native/steadfast.pyi"))
}

/// Copies a file, unless it is there already: compilers look at its time.
pub(crate) fn update(from: &Path, to: &Path) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", to.display());
    let new = std::fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    std::fs::create_dir_all(to.parent().unwrap_or(to)).map_err(wrong)?;
    std::fs::write(to, new).map_err(wrong)
}

/// What certificates may be used for.
const EXTENSIONS: &str = "\
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[good]
subjectAltName = IP:127.0.0.1
[wrong]
subjectAltName = DNS:wrong.example
";

/// Makes a private root (`root.pem`) and, signed by it, a certificate for this machine (`good`) and one for another
/// name (`wrong`), each with its key; gives their folder.
pub(crate) fn certificates(target: &Path) -> Result<PathBuf, String> {
    needs::tools(&[needs::OPENSSL])?;
    let folder = target.join("certificates");
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(wrong)?;
    std::fs::write(folder.join("openssl.cnf"), EXTENSIONS).map_err(wrong)?;
    for name in ["root", "good", "wrong"] {
        let mut command = program("openssl", ["req", "-x509", "-nodes", "-days", "30", "-newkey", "ec"]);
        command.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-config", "openssl.cnf", "-extensions", name]);
        command.args(["-subj", &format!("/CN={name}"), "-out", &format!("{name}.pem")]);
        command.args(["-keyout", &format!("{name}.key")]);
        if name != "root" {
            command.args(["-CA", "root.pem", "-CAkey", "root.key"]);
        }
        output(command.current_dir(&folder))?;
    }
    Ok(folder)
}
