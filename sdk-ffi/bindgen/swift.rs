//! Writes the Swift bindings from the library's own metadata, and then what `UniFFI` leaves to be desired.

mod polish_swift;
mod replaced;

use std::path::Path;
use std::process::ExitCode;

use replaced::replaced;

fn main() -> ExitCode {
    uniffi::uniffi_bindgen_swift();
    // The last argument is where to. Headers are written as they are, next to sources that are polished already.
    let sources = std::env::args().any(|word| word == "--swift-sources");
    match std::env::args().next_back().filter(|_| sources).map(|folder| polished(Path::new(&folder))) {
        Some(Err(error)) => {
            eprintln!("uniffi-bindgen-swift: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Polishes what was written into this folder.
fn polished(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "swift") {
            let text = std::fs::read_to_string(&path)?;
            std::fs::write(&path, polish_swift::swift(&text))?;
        }
    }
    Ok(())
}
