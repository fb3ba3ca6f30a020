//! The native library and what is written from it, for the languages that load it.

use std::path::{Path, PathBuf};

use crate::shell::{cargo, must, target_folder};

/// What a language's tests need.
pub(crate) struct Library {
    /// The folder that holds the library, unstripped.
    pub(crate) folder: PathBuf,
    /// The mock server.
    pub(crate) server: PathBuf,
    /// Where cargo puts what it builds, and we what is made from it.
    pub(crate) target: PathBuf,
}

/// Builds the library, the programs that write bindings, and the mock server.
pub(crate) fn library() -> Result<Library, String> {
    let target = target_folder()?;
    must(&mut cargo(["build", "-p", "steadfast-ffi", "-p", "steadfast-mock-server"]))?;
    let folder = target.join("debug");
    Ok(Library { server: folder.join("mock-server"), folder, target })
}

impl Library {
    /// Writes the bindings of one language into a folder.
    pub(crate) fn write(&self, language: &str, into: &Path) -> Result<(), String> {
        let mut command = std::process::Command::new(self.folder.join("uniffi-bindgen"));
        command.args(["generate", "--no-format", "--language", language, "--out-dir"]).arg(into);
        must(command.arg("--library").arg(self.folder.join("libsteadfast.so")))
    }
}
