//! The native host against small servers, each written for one habit or vice.
#![cfg(feature = "native")]
#![expect(clippy::disallowed_methods, reason = "real sockets take real time")]

#[path = "native_socket/support.rs"]
mod support;

#[path = "native_socket/canary.rs"]
mod canary;
#[path = "native_socket/client.rs"]
mod client;
#[path = "native_socket/dialing.rs"]
mod dialing;
#[path = "native_socket/frames.rs"]
mod frames;
#[path = "native_socket/requests.rs"]
mod requests;
#[path = "native_socket/secure.rs"]
mod secure;
