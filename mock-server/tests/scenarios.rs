//! `mock-server run` as a program: what it prints, writes and exits with.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tokio_tungstenite::connect_async;

/// A folder of this test's own.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-server"));
    command.arg("run").args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run that waits for its client: the process, what it still prints, and a TherapyBridge URL with a token.
fn waiting(words: &[&str]) -> (Child, BufReader<ChildStdout>, String) {
    let mut child = run(words).args(["--port", "0"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (mut url, mut token) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended: {:?}", child.wait_with_output());
        if let Some((_, at)) = line.split_once("therapybridge is ready at ") {
            at.trim_end().clone_into(&mut url);
        }
        if let Some((_, shown)) = line.split_once("token of u1 ").filter(|_| token.is_empty()) {
            shown.trim_end().clone_into(&mut token);
        }
        if line.starts_with("waiting for a client") {
            break;
        }
    }
    (child, lines, format!("{}?token={token}", url.replace("{session_id}", "session_1")))
}

const SCENARIO: &str = "
about: The client follows a session once.
services: [therapybridge]
flows:
  - flow: []
expect:
  - that: the session is followed
    of: { what: subscribed, topic: session_1 }
    at_least: 1
  - that: it is followed once
    of: { what: subscribed }
    at_most: 1
settle: 300ms
timeout: 10s
";

#[tokio::test]
async fn a_client_that_does_what_is_expected_passes_and_one_that_does_not_fails_with_a_proof() {
    let folder = folder("passes");
    let file = folder.join("once.yaml");
    std::fs::write(&file, SCENARIO).unwrap();
    for (times, code, failures) in [(1, 0, 0), (2, 1, 1)] {
        let (junit, json) = (folder.join("junit.xml"), folder.join("report.json"));
        let words =
            [file.to_str().unwrap(), "--report", junit.to_str().unwrap(), "--json", json.to_str().unwrap()];
        let (mut child, mut rest, url) = waiting(&words);
        let mut clients = Vec::new();
        for _ in 0..times {
            clients.push(connect_async(url.as_str()).await.unwrap());
        }
        let (status, text) = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            rest.read_to_string(&mut text).unwrap();
            (child.wait().unwrap(), text)
        })
        .await
        .unwrap();
        assert_eq!(status.code(), Some(code), "{text}");
        assert!(text.contains(if code == 0 { "PASSED: 4 of 4" } else { "FAILED: 3 of 4" }), "{text}");
        let xml = std::fs::read_to_string(&junit).unwrap();
        assert!(xml.contains(&format!("tests=\"4\" failures=\"{failures}\"")), "{xml}");
        let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
        assert_eq!((&report["name"], report["cases"].as_array().unwrap().len()), (&"once".into(), 4));
        let failure = &report["cases"][2]["failure"];
        assert_eq!(failure.is_object(), failures == 1, "{report}");
        if failures == 1 {
            assert!(
                failure["detail"].as_str().unwrap().lines().count() == 2,
                "both subscriptions prove it: {report}"
            );
        }
    }
}

#[test]
fn no_client_in_time_is_a_failure_that_says_so() {
    let output = run(&["told-to-wait", "--port", "0", "--timeout", "100ms"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no client came within 100ms") && text.contains("--timeout"), "{text}");
}

#[test]
fn a_bad_file_or_name_is_named_with_the_place_and_what_to_change() {
    let folder = folder("bad");
    let file = folder.join("bad.yaml");
    std::fs::write(&file, SCENARIO.replace("at_most", "at_mots")).unwrap();
    let output = run(&[file.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("bad.yaml:12:5: ") && text.contains("at_most"), "{text}");
    let output = run(&["token-expire"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("token-expires"), "{text}");
}

#[test]
fn the_ready_scenarios_are_listed_and_printed() {
    let list = |words: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_mock-server")).arg("scenarios").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(list(&[]).lines().filter(|line| !line.starts_with(' ')).count(), 10);
    assert!(list(&["half-open"]).contains("ping_interval"));
}
