//! `mock-server run` as a program: what it prints, writes and exits with.

#![cfg(unix)]

mod process;
#[path = "common/socket.rs"]
mod socket;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use socket::connect;

/// A folder of this test's own.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_mock-server");

fn run(words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("run").args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run that waits for its client: the process, what it still prints, and a TherapyBridge URL with a token.
fn waiting(words: &[&str]) -> (Child, BufReader<ChildStdout>, String) {
    begin(run(words).args(["--port", "0"]))
}

/// The same for a command.
fn begin(command: &mut Command) -> (Child, BufReader<ChildStdout>, String) {
    let mut child = command.spawn().unwrap();
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
            clients.push(connect(url.as_str()).await.unwrap());
        }
        let (status, text) = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            rest.read_to_string(&mut text).unwrap();
            (child.wait().unwrap(), text)
        })
        .await
        .unwrap();
        assert_eq!(status.code(), Some(code), "{text}");
        assert!(
            text.contains(if code == 0 { "PASSED: 4 of 4 checks" } else { "FAILED: 1 of 4 checks failed" }),
            "{text}"
        );
        let ok = text.lines().filter(|line| line.starts_with("ok  ")).count();
        assert_eq!(ok, 4 - failures, "each check that passed has its line: {text}");
        let xml = std::fs::read_to_string(&junit).unwrap();
        assert!(xml.contains(&format!("tests=\"4\" failures=\"{failures}\"")), "{xml}");
        let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
        assert_eq!((&report["name"], report["cases"].as_array().unwrap().len()), (&"once".into(), 4));
        assert_eq!((&report["passed"], &report["failures"]), (&(code == 0).into(), &failures.into()));
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

/// What a run wrote in the end: its exit code, standard output, JUnit's XML and the JSON.
async fn ended(
    mut child: Child,
    mut rest: BufReader<ChildStdout>,
    files: &[PathBuf; 2],
) -> (i32, String, String, Value) {
    let (status, text) = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        rest.read_to_string(&mut text).unwrap();
        (child.wait().unwrap(), text)
    })
    .await
    .unwrap();
    let [xml, json] = files.each_ref().map(|file| std::fs::read_to_string(file).unwrap());
    (status.code().unwrap(), text, xml, serde_json::from_str(&json).unwrap())
}

/// What became of each check, by its name.
fn results(report: &Value) -> BTreeMap<String, &'static str> {
    let result = |case: &Value| match (&case["passed"], &case["failure"], &case["skipped"]) {
        (Value::Bool(true), Value::Null, Value::Null) => "passed",
        (Value::Bool(false), Value::Object(_), Value::Null) => "failed",
        (Value::Bool(false), Value::Null, Value::String(_)) => "skipped",
        _ => panic!("{case}"),
    };
    let cases = report["cases"].as_array().unwrap().iter();
    cases.map(|case| (case["name"].as_str().unwrap().to_owned(), result(case))).collect()
}

const LONG: &str = "
about: The client follows two sessions, and nothing more.
services: [therapybridge]
flows:
  - flow: []
play:
  - wait_for: { what: subscribed, topic: session_2 }
expect:
  - that: the first is followed
    of: { what: subscribed, topic: session_1 }
    at_least: 1
  - that: the second is followed
    of: { what: subscribed, topic: session_2 }
    at_least: 1
  - that: nobody is refused
    of: { what: refused }
    at_most: 0
  - that: the first is followed once
    of: { what: subscribed, topic: session_1 }
    at_most: 1
verdicts: [refused_token]
timeout: 60s
";

/// A scenario's file with its reports.
fn files(folder: &Path, text: &str) -> (PathBuf, [PathBuf; 2]) {
    let file = folder.join("long.yaml");
    std::fs::write(&file, text).unwrap();
    (file, [folder.join("junit.xml"), folder.join("report.json")])
}

#[tokio::test]
async fn an_interrupted_run_has_failed_and_writes_its_reports() {
    for (number, (kind, comes)) in
        [("INT", false), ("TERM", false), ("INT", true), ("TERM", true)].into_iter().enumerate()
    {
        let (file, reports) = files(&folder(&format!("interrupted-{number}")), LONG);
        let [junit, json] = reports.each_ref().map(|report| report.to_str().unwrap());
        // In the background of a script, where a shell has SIGINT ignored.
        let script =
            r#""$0" run "$1" --port 0 --junit "$2" --json "$3" & echo "the run is $!" >&2; wait $!; exit $?"#;
        let mut command = Command::new("sh");
        command.args(["-c", script, PROGRAM, file.to_str().unwrap(), junit, json]);
        let (mut shell, mut lines, url) = begin(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let mut client = None;
        if comes {
            client = Some(connect(url.as_str()).await.unwrap());
            let mut line = String::new();
            while !line.starts_with("ok      the first is followed") {
                line.clear();
                assert!(lines.read_line(&mut line).unwrap() > 0, "it ended");
            }
        }
        let mut told = String::new();
        BufReader::new(shell.stderr.take().unwrap()).read_line(&mut told).unwrap();
        let run = told.trim_end().strip_prefix("the run is ").unwrap().parse().unwrap();
        process::signal(run, kind);
        let (code, text, xml, report) = ended(shell, lines, &reports).await;
        assert_eq!(code, 1, "{text}");
        let last = text.trim_end().lines().last().unwrap();
        assert!(last.starts_with("FAILED: interrupted"), "{text}");
        assert!(xml.contains("tests=\"7\" failures=\"1\"") && xml.contains("interrupted"), "{xml}");
        let results = results(&report);
        let came = if comes { "passed" } else { "failed" };
        assert_eq!(results["a client comes"], came, "{report}");
        let first = if comes { "passed" } else { "skipped" };
        assert_eq!(results["the first is followed"], first, "{report}");
        for open in
            ["the second is followed", "nobody is refused", "the first is followed once", "refused_token"]
        {
            assert_eq!(results[open], "skipped", "{open}: {report}");
        }
        drop(client);
    }
}

#[tokio::test]
async fn what_is_not_decided_when_a_run_fails_early_is_skipped_and_has_not_passed() {
    let (file, reports) = files(&folder("early"), LONG);
    let [junit, json] = reports.each_ref().map(|report| report.to_str().unwrap());
    let (child, rest, url) = waiting(&[file.to_str().unwrap(), "--junit", junit, "--json", json]);
    let clients = (connect(url.as_str()).await.unwrap(), connect(url.as_str()).await.unwrap());
    let (code, text, xml, report) = ended(child, rest, &reports).await;
    drop(clients);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("FAILED: 1 of 7 checks failed, 4 not decided"), "{text}");
    assert!(xml.contains("failures=\"1\" errors=\"0\" skipped=\"4\""), "{xml}");
    assert_eq!(xml.matches("<skipped").count(), 4, "{xml}");
    let results = results(&report);
    assert_eq!(results["the first is followed once"], "failed");
    for open in
        ["the second is followed", "nobody is refused", "the scenario is played to its end", "refused_token"]
    {
        assert_eq!(results[open], "skipped", "{open}: {report}");
        assert!(text.contains(&format!("open    {open}: the run ended at the first miss")), "{open}: {text}");
    }
}

#[tokio::test]
async fn clients_of_services_that_a_scenario_is_not_for_are_told_of_and_left_out() {
    let (file, reports) =
        files(&folder("strangers"), &SCENARIO.replace("[therapybridge]", "[therapybridge, saga]"));
    let [junit, json] = reports.each_ref().map(|report| report.to_str().unwrap());
    let (child, mut lines, url) = waiting(&[file.to_str().unwrap(), "--junit", junit, "--json", json]);
    let other = url.split_once("/therapybridge").unwrap().0;
    let strangers = [
        connect(format!("{other}/charisma/ws")).await.unwrap(),
        connect(format!("{other}/charisma/ws")).await.unwrap(),
    ];
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "a client came to charisma; this scenario is for therapybridge, saga");
    let client = connect(url.as_str()).await.unwrap();
    let (code, text, _, report) = ended(child, lines, &reports).await;
    drop((client, strangers));
    assert_eq!((code, &report["passed"]), (0, &Value::Bool(true)), "{text}");
    assert!(!text.contains("charisma"), "it is said once: {text}");
}

#[tokio::test]
async fn clients_of_another_service_alone_are_the_reason_that_is_given() {
    let (file, reports) = files(&folder("others"), SCENARIO);
    let [junit, json] = reports.each_ref().map(|report| report.to_str().unwrap());
    let words = [file.to_str().unwrap(), "--junit", junit, "--json", json, "--timeout", "2s"];
    let (child, lines, url) = waiting(&words);
    let other = url.split_once("/therapybridge").unwrap().0;
    let stranger = connect(format!("{other}/charisma/ws")).await.unwrap();
    let (code, text, xml, report) = ended(child, lines, &reports).await;
    drop(stranger);
    assert_eq!(code, 1, "{text}");
    let why = report["cases"][0]["failure"]["message"].as_str().unwrap();
    assert!(
        why.contains("clients came to charisma alone") && why.contains("is for therapybridge"),
        "{report}"
    );
    assert!(!why.contains("its port") && text.contains(why) && xml.contains(why), "{text}{xml}");
    assert!(
        report["time"].as_f64().unwrap() >= 2.0 && text.contains("checks failed, 3 not decided, in 2."),
        "{text}"
    );
}

#[tokio::test]
async fn a_refused_token_is_told_where_something_else_was_expected() {
    let folder = folder("bogus");
    let reports = [folder.join("junit.xml"), folder.join("report.json")];
    let [junit, json] = reports.each_ref().map(|report| report.to_str().unwrap());
    let words = ["room-forgotten", "--junit", junit, "--json", json, "--limit", "3s"];
    let (child, lines, url) = waiting(&words);
    let base = url.split_once("/therapybridge").unwrap().0;
    for _ in 0..2 {
        let saga = format!("{base}/saga/socket.io/?EIO=4&transport=websocket");
        let (mut client, _) = connect(saga).await.unwrap();
        client.next().await.unwrap().unwrap();
        client.send(Message::text(r#"40{"token":"bogus"}"#)).await.unwrap();
        let refusal = client.next().await.unwrap().unwrap();
        assert!(refusal.to_text().unwrap().contains("AUTH_FAILED"), "{refusal}");
    }
    let (code, text, xml, report) = ended(child, lines, &reports).await;
    assert_eq!(code, 1, "{text}");
    let results = results(&report);
    for name in [
        "the client comes back",
        "the topic is followed over the new connection",
        "the scenario is played to its end",
    ] {
        assert_eq!(results[name], "failed", "{name}: nothing was lost that it could come back from: {text}");
    }
    for case in report["cases"].as_array().unwrap().iter().filter(|case| case["failure"].is_object()) {
        let why = case["failure"]["message"].as_str().unwrap();
        assert!(why.contains("instead came auth_failed: the token was not accepted ("), "{why}");
        assert!(why.ends_with(", 2 times") && !why.contains("; refused"), "each refusal is told once: {why}");
        let line = format!("FAILED  {}: {why}\n", case["name"].as_str().unwrap());
        assert_eq!(text.matches(&line).count(), 1, "{line}{text}");
    }
    assert!(xml.contains("instead came auth_failed"), "{xml}");
}

#[tokio::test]
async fn attempts_with_a_refused_token_are_no_return_to_what_a_second_device_has_taken() {
    let (child, mut lines, url) = waiting(&["second-device", "--limit", "2s"]);
    let url = format!("{}?token=bogus", url.split_once('?').unwrap().0);
    for _ in 0..2 {
        drop(connect(&url).await);
    }
    let text = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        lines.read_to_string(&mut text).unwrap();
        text
    })
    .await
    .unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1), "{text}");
    assert!(!text.contains("FAILED  the client stays away"), "{text}");
    let played = text.lines().find(|line| line.starts_with("FAILED  the scenario is played to its end"));
    assert!(played.unwrap().contains("instead came auth_failed: the token was not accepted ("), "{text}");
}

#[tokio::test]
async fn token_refused_refuses_on_socket_io_as_the_services_do_in_answer_to_connect() {
    for (service, times, code) in [("saga", 1, 0), ("docproc", 2, 0), ("saga", 3, 1)] {
        let (child, mut lines, url) = waiting(&["token-refused"]);
        let url = url.split_once("/therapybridge").unwrap().0.to_owned();
        for _ in 0..times {
            let url = format!("{url}/{service}/socket.io/?EIO=4&transport=websocket");
            let (mut client, _) = connect(url).await.unwrap();
            client.next().await.unwrap().unwrap();
            client.send(Message::text(r#"40{"token":"any"}"#)).await.unwrap();
            let refusal = client.next().await.unwrap().unwrap().into_text().unwrap();
            let refusal: Value = serde_json::from_str(refusal.strip_prefix("44").unwrap()).unwrap();
            assert_eq!(refusal["data"]["code"], "AUTH_FAILED", "{refusal}");
        }
        let (status, text) = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            lines.read_to_string(&mut text).unwrap();
            (child.wait_with_output().unwrap().status, text)
        })
        .await
        .unwrap();
        assert_eq!(status.code(), Some(code), "{service}, {times} times: {text}");
        assert_eq!(text.contains("it asked again although"), code == 1, "{text}");
    }
}

#[tokio::test]
async fn what_came_too_early_is_told_in_words_with_its_time_and_once() {
    let (child, mut lines, url) = waiting(&["told-to-wait"]);
    connect(url.as_str()).await.unwrap_err();
    let client = connect(url.as_str()).await.unwrap();
    let text = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        lines.read_to_string(&mut text).unwrap();
        text
    })
    .await
    .unwrap();
    drop((client, child.wait_with_output().unwrap()));
    let told: Vec<_> =
        text.lines().filter(|line| line.contains("it came back before the 3 s were over")).collect();
    let [told] = told[..] else { panic!("it is told once: {text}") };
    assert!(told.starts_with("FAILED  the client waits as it was told: "), "{text}");
    let (_, late) = told.split_once("`open` came once, ").unwrap();
    assert!(late.ends_with(" ms after `refused`; expected not at all within 2.9 s"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("    ")).count(), 1, "its proof: {text}");
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
    assert!(text.contains("did you mean token-expires?"), "{text}");
}

/// What the program writes to standard output and standard error.
fn told(words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(PROGRAM).args(words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_ready_scenarios_are_listed_with_their_services_and_printed() {
    let (_, list, _) = told(&["scenarios"]);
    let (situations, flows) = list.split_once("What topics do by themselves").unwrap();
    let named =
        |text: &str| text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).count();
    assert_eq!((named(situations), named(flows)), (10, 5), "{list}");
    assert!(situations.contains("  half-open (saga, docproc)\n"), "{list}");
    assert!(told(&["scenarios", "half-open"]).1.contains("ping_interval"));
}

#[test]
fn a_scenario_with_expectations_is_for_run_and_one_without_for_serve() {
    let (code, _, error) = told(&["serve", "--scenario", "half-open"]);
    assert!(code == Some(2) && error.contains("mock-server run"), "{error}");
    let (code, _, error) = told(&["run", "saga"]);
    assert!(code == Some(2) && error.contains("serve --scenario saga"), "{error}");
    let (code, _, error) = told(&["run", "half-open", "--scenario", "saga"]);
    assert!(code == Some(2) && error.contains("without --scenario"), "{error}");
}

#[tokio::test]
async fn a_default_flow_is_printed_changed_and_handed_back() {
    let (_, usual, _) = told(&["scenarios", "therapybridge"]);
    let file = folder("changed").join("mine.yaml");
    let users = "users: [{ sub: changed-user, role: therapist }]\nstep: 20ms\n";
    let mine = format!("{users}{}", usual.replace("Uploading audio file...", "All is changed"));
    std::fs::write(&file, mine).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--port", "0", "--scenario", file.to_str().unwrap()]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut url, mut token) = (String::new(), String::new());
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap) {
        if let Some((_, at)) = line.split_once("therapybridge is ready at ") {
            at.clone_into(&mut url);
        } else if let Some(shown) =
            line.trim().strip_prefix("token of changed-user ").filter(|_| !url.is_empty())
        {
            shown.clone_into(&mut token);
            break;
        }
    }
    let base = url.split_once("/therapybridge").unwrap().0.replacen("ws", "http", 1);
    let url = format!("{}?token={token}", url.replace("{session_id}", "session_1"));
    for _ in 0..2 {
        let (mut client, _) = connect(&url).await.unwrap();
        let first = client.next().await.unwrap().unwrap();
        assert!(first.to_text().unwrap().contains("All is changed"), "{first}");
        // A reset goes back to the start, at which the file was handed over.
        steadfast_mock_server::Control::new(&base).unwrap().reset().await.unwrap();
    }
    process::signal(child.id(), "TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_wrong_value_from_the_environment_names_its_variable() {
    let with = |words: &[&str]| {
        let output = Command::new(PROGRAM).args(words).env("MOCK_PORT", "abc").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for words in [&["serve"][..], &[], &["run", "half-open"]] {
        let (code, error) = with(words);
        assert!(code == Some(2) && error.contains("environment variable MOCK_PORT"), "{error}");
    }
    let (code, error) = with(&["--port", "def"]);
    assert!(code == Some(2) && !error.contains("MOCK_PORT"), "{error}");
}
