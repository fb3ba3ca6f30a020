//! The machine of `steadfast` behind WebAssembly exports.
