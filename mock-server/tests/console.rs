//! Standard output of the program itself: who does not read it must not hold up the server.
#![cfg(unix)]

mod process;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A running server whose standard output is a pipe.
struct Program {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    address: String,
}

fn start(options: &[&str]) -> Program {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mock-server"))
        .args(["serve", "--port", "0"])
        .args(options)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the server ended");
        if let Some((_, rest)) = line.split_once("control API at http://") {
            break rest.split('/').next().unwrap().to_owned();
        }
    };
    Program { child, out, address }
}

impl Program {
    /// So many requests over one connection, each of which makes a line.
    fn knock(&self, times: usize) {
        let mut stream = BufReader::new(TcpStream::connect(&self.address).unwrap());
        for _ in 0..times {
            stream.get_mut().write_all(b"GET /charisma/ws HTTP/1.1\r\nhost: mock\r\n\r\n").unwrap();
            let mut length = 0;
            loop {
                let mut line = String::new();
                assert!(stream.read_line(&mut line).unwrap() > 0, "the server hung up");
                if let Some(text) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = text.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
            }
            std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink()).unwrap();
        }
    }

    /// Ends it and answers what it had still to say.
    fn end(mut self, read_first: bool) -> String {
        let mut rest = String::new();
        if read_first {
            process::signal(self.child.id(), "TERM");
            self.out.read_to_string(&mut rest).unwrap();
            assert!(self.child.wait().unwrap().success());
        } else {
            process::signal(self.child.id(), "TERM");
            assert!(self.child.wait().unwrap().success());
            self.out.read_to_string(&mut rest).unwrap();
        }
        rest
    }
}

/// Fills the pipe of 64 KiB, and then the thousand lines that the server keeps.
const MANY: usize = 2000;

#[test]
fn a_server_whose_output_nobody_reads_serves_on_and_says_how_many_lines_it_left_out() {
    let server = start(&[]);
    server.knock(MANY);
    let text = server.end(true);
    let told = text.lines().filter(|line| line.contains("charisma #") && line.contains("refused")).count();
    let left_out: usize = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("… ")?.strip_suffix(" lines are left out here: nobody read them in time")
        })
        .map(|count| count.parse::<usize>().unwrap())
        .sum();
    assert!(left_out > 0, "{text}");
    assert_eq!(told + left_out, MANY);
    assert!(text.contains("verdicts:"), "the last word is told");
}

#[test]
fn a_server_whose_output_nobody_reads_ends_when_it_is_told_to() {
    let server = start(&["--log", "json"]);
    server.knock(MANY);
    let text = server.end(false);
    assert!(text.lines().filter(|line| line.contains("\"refused\"")).count() < MANY);
}
