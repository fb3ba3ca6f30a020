//! What the tests of every language that loads the native library need.

use std::path::PathBuf;

use crate::shell::{cargo, must, target_folder};

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
    must(&mut cargo(["build", "-p", "steadfast-ffi", "-p", "steadfast-mock-server"]))?;
    Ok(Library { server: target.join("debug/mock-server"), target })
}
