//! Programs that run beside a task and end with it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long one may take until it listens.
const START: Duration = Duration::from_secs(20);

/// Programs under way; dropping this ends them.
#[derive(Debug, Default)]
pub(crate) struct Servers(Vec<Child>);

impl Servers {
    /// Starts a program.
    pub(crate) fn start(&mut self, command: &mut Command) -> Result<(), String> {
        let name = command.get_program().to_string_lossy().into_owned();
        self.0.push(command.spawn().map_err(|error| format!("{name} can't be started: {error}"))?);
        Ok(())
    }

    /// Whether all of them are still under way.
    pub(crate) fn run(&mut self) -> bool {
        self.0.iter_mut().all(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Stays until one of them ends. Ctrl-C reaches them and us.
    pub(crate) fn wait(&mut self) {
        while self.run() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the last one that was started listens on its port.
    pub(crate) fn listens(&mut self, port: u16) -> Result<(), String> {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if !self.run() || start.elapsed() > START {
                return Err(format!("nothing listens on port {port}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// This port if it is free, else one that is.
pub(crate) fn port(usual: u16) -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", usual)).or_else(|_| {
        println!("port {usual} is taken; another one is used");
        TcpListener::bind(("127.0.0.1", 0))
    });
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| format!("there is no free port: {error}"))
}
