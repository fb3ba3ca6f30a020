//! What the library's comments say about fields: `UniFFI` leaves that out in Python.

use std::collections::BTreeMap;
use std::path::Path;

use uniffi_bindgen::macro_metadata::extract_from_bytes;
use uniffi_meta::{FieldMetadata, Metadata};

/// The comments by type, variant (or nothing) and field.
pub(crate) struct Docs(BTreeMap<[String; 3], String>);

impl Docs {
    /// Reads them from a library that still has its symbols.
    pub(crate) fn of(library: &Path) -> std::io::Result<Self> {
        let mut docs = BTreeMap::new();
        let mut add = |kind: &str, variant: &str, fields: Vec<FieldMetadata>| {
            for field in fields {
                docs.insert([kind, variant, &field.name].map(plain), field.docstring.unwrap_or_default());
            }
        };
        for one in extract_from_bytes(&std::fs::read(library)?).map_err(std::io::Error::other)? {
            match one {
                Metadata::Record(record) => add(&record.name, "", record.fields),
                Metadata::Enum(of) => {
                    for variant in of.variants {
                        add(&of.name, &variant.name, variant.fields);
                    }
                }
                _ => {}
            }
        }
        Ok(Self(docs))
    }

    /// What is said about a field, whatever case its names are in.
    pub(crate) fn field(&self, kind: &str, variant: &str, field: &str) -> &str {
        self.0.get(&[kind, variant, field].map(plain)).map_or("", String::as_str)
    }
}

/// A name without its case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}
