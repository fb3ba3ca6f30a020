//! The example `watch` as a program: how it ends when nobody reads what it writes.
#![cfg(feature = "native")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Builds it as it is now, for tests build libraries and binaries but no examples; where it is.
fn watch() -> PathBuf {
    let words = ["build", "--quiet", "-p", "steadfast", "--example", "watch"];
    let built = Command::new(env!("CARGO")).args(words).current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(built.unwrap().success());
    // This test is target/debug/deps/watch-….
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap().parent().unwrap();
    folder.join("examples").join(format!("watch{}", std::env::consts::EXE_SUFFIX))
}

/// The end that nobody reads of.
fn unread() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

/// A server that refuses every token; its URL.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read_exact(&mut byte).is_err() {
                    break;
                }
                head.extend(byte);
            }
            let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
        }
    });
    url
}

#[test]
fn it_ends_as_it_would_when_nobody_reads_its_standard_error() {
    let program = watch();
    let url = refusing();
    let refused = ["charisma", &url, "--topic", "s1", "--token", "abc.def.ghi"];
    let insecure = ["charisma", "ws://192.0.2.1", "--topic", "s1"];
    let logged = [&refused[..], &["--log=trace"]].concat();
    for (words, code) in [(&refused[..], 1), (&logged, 1), (&insecure, 2), (&["--nonsense"], 2)] {
        let read = Command::new(&program).args(words).output().unwrap();
        assert_eq!(read.status.code(), Some(code), "{words:?}: {}", String::from_utf8_lossy(&read.stderr));
        assert!(!read.stderr.is_empty(), "{words:?} has last words");
        let unread = Command::new(&program).args(words).stderr(unread()).output().unwrap();
        assert_eq!(unread.status.code(), Some(code), "{words:?}, standard error closed");
        assert_eq!(lines(&unread.stdout), lines(&read.stdout), "{words:?}");
    }
}

#[test]
fn it_stops_when_nobody_reads_its_standard_output() {
    let url = refusing();
    let words = ["charisma", &url, "--topic", "s1", "--token", "abc.def.ghi"];
    for more in [&[][..], &["--json"]] {
        let ended = Command::new(watch()).args(words).args(more).stdout(unread()).output().unwrap();
        assert_eq!(ended.status.code(), Some(141), "{more:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

/// How many lines those are: the times in them differ.
fn lines(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).lines().count()
}
