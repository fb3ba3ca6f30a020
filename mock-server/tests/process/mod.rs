//! The program as a process of its own.

use std::process::{Child, Command};

/// Asks it to end, as Ctrl-C or a service manager does. By the shell, for not every machine has a program `kill`.
pub(crate) fn stop(child: &Child) {
    let words = ["-c", "kill -TERM \"$0\"", &child.id().to_string()].map(str::to_owned);
    assert!(Command::new("sh").args(words).status().unwrap().success());
}
