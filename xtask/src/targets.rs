//! `cargo check` for every platform, with the C parts of the TLS library built by clang and mingw.
//!
//! Checking needs no SDK and no NDK: the few headers that the C code includes are stood in for by `xtask/stubs`.
//! Linking does, on a machine that has them.

use std::process::Command;

use crate::needs::{self, CLANG, LLVM_AR, MINGW};
use crate::shell::{Session, cargo, root};

const BARE: &[&str] = &["-p", "steadfast", "--no-default-features"];
const TYPED: &[&str] = &["-p", "steadfast", "--no-default-features", "--features", "typed"];
const NATIVE: &[&str] = &["-p", "steadfast"];
const WEB: &[&str] = &["-p", "steadfast", "--no-default-features", "--features", "web"];
const WASM: &[&str] = &["-p", "steadfast-wasm"];
/// As it is shipped: the programs that write bindings are tools for the machine that builds, and so is what they need.
const FFI: &[&str] = &["-p", "steadfast-ffi", "--lib", "--no-default-features"];
const MOCK: &[&str] = &["-p", "steadfast-mock-server"];

/// What is checked for which target.
const CHECKS: &[(&str, &[&[&str]])] = &[
    ("wasm32-unknown-unknown", &[BARE, TYPED, WEB, WASM]),
    ("aarch64-linux-android", &[BARE, TYPED, NATIVE, FFI]),
    ("armv7-linux-androideabi", &[FFI]),
    ("x86_64-linux-android", &[FFI]),
    ("aarch64-apple-ios", &[BARE, TYPED, NATIVE, FFI]),
    ("aarch64-apple-darwin", &[NATIVE, FFI, MOCK]),
    ("x86_64-pc-windows-gnu", &[NATIVE, FFI, MOCK]),
];

pub(crate) fn check(session: &mut Session) {
    check_all(session, CHECKS);
}

/// Whether the native library compiles for these targets.
pub(crate) fn check_library(session: &mut Session, targets: &[&'static str]) {
    let checks: Vec<(&str, &[&[&str]])> = targets.iter().map(|target| (*target, &[FFI][..])).collect();
    check_all(session, &checks);
}

fn check_all(session: &mut Session, checks: &[(&str, &[&[&str]])]) {
    let targets: Vec<_> = checks.iter().map(|(target, _)| *target).collect();
    let ready = needs::targets(&targets).and_then(|()| needs::tools(&[CLANG, LLVM_AR, MINGW]));
    if session.check(ready).is_none() {
        return;
    }
    for (target, packages) in checks {
        for package in *packages {
            let mut command = cargo(["check", "--quiet", "--target", target]);
            compilers(command.args(*package), target);
            session.run(&mut command);
        }
    }
}

/// Which C compiler a target's build scripts call.
pub(crate) fn compilers(command: &mut Command, target: &str) {
    let name = |what: &str| format!("{what}_{}", target.replace('-', "_"));
    let stubs = root().join("xtask/stubs");
    if target.contains("apple") {
        command.env(name("CC"), "clang").env(name("AR"), "llvm-ar").env("SDKROOT", stubs);
    } else if target.contains("android") {
        // Clang's name of 32-bit ARM has one letter more than Rust's.
        let clang = target.replace("armv7-", "armv7a-");
        let flags = format!("--target={clang}21 --sysroot={}", stubs.display());
        command.env(name("CC"), "clang").env(name("AR"), "llvm-ar").env(name("CFLAGS"), flags);
    }
}
