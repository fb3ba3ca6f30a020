//! The program as a process of its own.

use std::process::Command;

/// Sends a signal to the process of this number: `TERM` asks it to end, as a service manager does. By the shell, for not
/// every machine has a program `kill`.
pub(crate) fn signal(process: u32, name: &str) {
    let words = ["-c", &format!("kill -{name} \"$0\""), &process.to_string()].map(str::to_owned);
    assert!(Command::new("sh").args(words).status().unwrap().success());
}
