//! The one piece of memory that both sides write to.
//!
//! At its beginning stand 64 numbers (f64), then the lengths of 32 texts (u32; all ones for one that is absent), then
//! the texts themselves, one behind the other, in UTF-8. All little-endian, as WASM is.

use alloc::string::String;
use alloc::vec::Vec;

/// How many numbers there are.
pub(crate) const NUMBERS: usize = 64;
/// How many texts there can be.
pub(crate) const TEXTS: usize = 32;
const LENGTHS_AT: usize = NUMBERS * 8;
const TEXTS_AT: usize = LENGTHS_AT + TEXTS * 4;

/// What the host writes, and the text that was last written for it.
pub(crate) struct Buffer {
    bytes: Vec<u64>,
    /// What the last export that gives a text has written.
    pub(crate) out: String,
}

impl Buffer {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), out: String::new() }
    }

    /// Makes room for this many bytes of text.
    pub(crate) fn room(&mut self, bytes: usize) -> *mut u8 {
        let words = (TEXTS_AT + bytes).div_ceil(8);
        if self.bytes.len() < words {
            self.bytes.resize(words, 0);
        }
        self.bytes.as_mut_ptr().cast()
    }

    fn raw(&self) -> &[u8] {
        let (pointer, length) = (self.bytes.as_ptr().cast(), self.bytes.len() * 8);
        // SAFETY: any u64 is eight initialised bytes.
        unsafe { core::slice::from_raw_parts(pointer, length) }
    }

    /// A number; `None` if it is NaN.
    pub(crate) fn number(&self, index: usize) -> Option<f64> {
        let number = f64::from_bits(*self.bytes.get(index)?);
        (!number.is_nan()).then_some(number)
    }

    #[inline(never)]
    fn length(&self, index: usize) -> Option<usize> {
        let two = self.bytes.get(LENGTHS_AT / 8 + index / 2)?;
        let length = (two >> (index % 2 * 32)) as u32;
        (length != u32::MAX).then_some(length as usize)
    }

    /// A text, if it is there.
    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        let length = self.length(index)?;
        let before: usize = (0..index).filter_map(|index| self.length(index)).sum();
        let start = TEXTS_AT + before;
        let text = self.raw().get(start..start + length)?;
        // SAFETY: the host writes texts by TextEncoder, which writes nothing but UTF-8, and tells their lengths itself.
        Some(unsafe { core::str::from_utf8_unchecked(text) })
    }

    /// A text that is empty if it is not there.
    pub(crate) fn string(&self, index: usize) -> String {
        self.text(index).unwrap_or_default().into()
    }
}
