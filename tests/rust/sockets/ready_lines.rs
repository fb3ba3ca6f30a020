//! What the mock server prints at its start, pasted into a shell.
#![cfg(unix)]

use std::path::Path;
use std::process::Stdio;

use steadfast_mock_server::Service;
use steadfast_tests::{mock, within};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// Where what is printed is pasted.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[tokio::test]
async fn the_watch_command_of_every_service_follows_a_topic_as_it_is_printed() {
    // Building it may take its time, and the services are not waited for by then.
    let build = ["build", "--quiet", "-p", "steadfast", "--example", "watch"];
    let built = Command::new(env!("CARGO")).args(build).current_dir(root()).status().await.unwrap();
    assert!(built.success());
    for settings in [&[][..], &["docproc.auth=on"]] {
        let server = mock(&[settings, &["docproc.clarification=auto"]].concat()).await;
        let places = server.places(&Service::ALL);
        for (service, place) in Service::ALL.into_iter().zip(&places) {
            let command = place.lines().find_map(|line| line.strip_prefix("  watch ")).unwrap();
            let mut watch = Command::new("sh")
                .args(["-c", &format!("exec {command} --json")])
                .current_dir(root())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            if service == Service::Saga {
                // A project has no end.
                let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
                let processed = async {
                    while let Some(line) = lines.next_line().await.unwrap() {
                        if line.contains("story_processed") {
                            return;
                        }
                    }
                    panic!("{command} ended");
                };
                within(command, processed).await;
                watch.kill().await.unwrap();
            } else {
                let ended = within(command, watch.wait_with_output()).await.unwrap();
                assert!(ended.status.success(), "{command}: {}", String::from_utf8_lossy(&ended.stdout));
            }
        }
    }
}
