//! Writes the Kotlin and Python bindings from the library's own metadata, and then what `UniFFI` leaves to be desired.

mod docs;
mod polish_kotlin;
mod polish_python;
mod replaced;
mod stub_python;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use docs::Docs;
use replaced::replaced;

fn main() -> ExitCode {
    uniffi::uniffi_bindgen_main();
    let arguments: Vec<String> = std::env::args().collect();
    let after = |word: &str| arguments.iter().position(|it| it == word).and_then(|at| arguments.get(at + 1));
    let polished = after("--out-dir").zip(after("--library")).map(|(folder, library)| {
        let docs = Docs::of(Path::new(library))?;
        polished(Path::new(folder), &docs)
    });
    match polished {
        Some(Err(error)) => {
            eprintln!("uniffi-bindgen: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Polishes every file that was written.
fn polished(folder: &Path, docs: &Docs) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            polished(&path, docs)?;
            continue;
        }
        let text = match path.extension().and_then(|ending| ending.to_str()) {
            Some("py") => {
                let module = polish_python::python(&std::fs::read_to_string(&path)?, docs);
                std::fs::write(path.with_extension("pyi"), stub_python::stub(&module))?;
                module
            }
            Some("kt") => polish_kotlin::kotlin(&std::fs::read_to_string(&path)?),
            _ => continue,
        };
        std::fs::write(&path, text)?;
    }
    Ok(())
}
