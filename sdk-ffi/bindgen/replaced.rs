//! Changing generated code with care.

/// Replaces what must be there: another version of `UniFFI` may write something else.
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the generated code has no longer what is to be replaced: {from}");
    text.replace(from, to)
}
