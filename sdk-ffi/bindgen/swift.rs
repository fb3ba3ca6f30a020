//! Writes the Swift bindings from the library's own metadata.

fn main() {
    uniffi::uniffi_bindgen_swift();
}
