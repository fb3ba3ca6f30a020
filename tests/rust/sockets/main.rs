//! The native client and the mock server over real sockets: every refusal, every fault, every topic with a meaning.

mod drops;
mod meanings;
mod refusals;
mod tokens;
