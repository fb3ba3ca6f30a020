//! Writes the Kotlin and Python bindings from the library's own metadata.

fn main() {
    uniffi::uniffi_bindgen_main();
}
