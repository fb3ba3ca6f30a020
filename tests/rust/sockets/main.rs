//! The native client and the mock server over real sockets: every refusal, every fault, every topic with a meaning.

mod bad_input;
mod commands;
mod drops;
mod interviews;
mod meanings;
mod refusals;
mod tokens;
mod wires;
