//! Writes the Kotlin and Python bindings from the library's own metadata, and then what `UniFFI` leaves to be desired.

mod polish;
mod polish_kotlin;
mod replaced;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use replaced::replaced;

fn main() -> ExitCode {
    uniffi::uniffi_bindgen_main();
    let arguments: Vec<String> = std::env::args().collect();
    let folder = arguments.iter().position(|word| word == "--out-dir").and_then(|at| arguments.get(at + 1));
    match folder.map(|folder| polished(Path::new(folder))) {
        Some(Err(error)) => {
            eprintln!("uniffi-bindgen: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Polishes every file that was written.
fn polished(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            polished(&path)?;
            continue;
        }
        let polish = match path.extension().and_then(|ending| ending.to_str()) {
            Some("py") => polish::python,
            Some("kt") => polish_kotlin::kotlin,
            _ => continue,
        };
        std::fs::write(&path, polish(&std::fs::read_to_string(&path)?))?;
    }
    Ok(())
}
