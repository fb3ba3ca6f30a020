//! The native library that Swift, Kotlin and Python load. What it exports stands in the core, feature `uniffi`: all in
//! one crate, so that one module comes out per language.

steadfast_core::uniffi_reexport_scaffolding!();

#[cfg(debug_assertions)]
pub mod counted;
