//! The native client and the mock server over real sockets: every refusal, every fault, every topic with a meaning.

mod bad_input;
mod commands;
mod drops;
mod faults;
mod hostile;
mod hosts;
mod interviews;
mod lifecycle;
mod meanings;
mod ready_lines;
mod refusals;
mod scenarios;
mod secure;
mod services;
mod tokens;
mod wires;
