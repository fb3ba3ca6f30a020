//! Bytes: TCP connections that can be steered from outside, listening, and TLS.
//!
//! The lowest layer. It knows no service, rule or journal, and nothing in here may import from above.

pub(crate) mod bundle;
pub(crate) mod gate;
pub(crate) mod io;
pub(crate) mod listen;
