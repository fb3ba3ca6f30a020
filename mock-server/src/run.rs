//! `mock-server run`: a scenario against the next client. A part of the program, not of the library.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use steadfast_mock_server::{Lines, MockServer, Options, Scenario, Suite, ready_scenarios};

/// The exit code for a file that cannot be played.
const BAD_FILE: u8 = 2;

/// Time that the last lines have to be read by whoever reads standard output.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What `run` is told.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A scenario's file, or the name of a ready one: `mock-server scenarios` lists them
    scenario: String,
    /// The most time to wait for the first client: 90s, 10m
    #[arg(long, default_value = "10m", value_parser = crate::span)]
    timeout: Duration,
    /// The most time for the scenario itself, from the first client on, in place of its own
    #[arg(long, value_parser = crate::span)]
    limit: Option<Duration>,
    #[command(flatten)]
    options: Options,
}

/// The scenario of this name or file; the error says what to change, and where.
fn find(name: &str) -> Result<Scenario, String> {
    if let Some((_, text)) = ready_scenarios().iter().find(|(ready, _)| *ready == name) {
        return Scenario::read(text).map_err(|error| format!("{name}: {error}"));
    }
    let text = std::fs::read_to_string(name).map_err(|error| {
        if error.kind() == ErrorKind::InvalidData {
            return format!("{name}: this file is no text in UTF-8; a scenario is written in YAML");
        }
        let names: Vec<_> = ready_scenarios().iter().map(|(name, _)| *name).collect();
        format!("{name}: {error}; write the path of a scenario's file, or one of {}", names.join(", "))
    })?;
    Scenario::read(&text).map_err(|error| match error.at {
        Some((line, column)) => format!("{name}:{line}:{column}: {}", error.text),
        None => format!("{name}: {}", error.text),
    })
}

/// Plays it. Exits with 0 if everything is as expected, with 1 if not, with 2 for a bad file.
pub(crate) async fn run(run: Run) -> ExitCode {
    let mut scenario = match find(&run.scenario) {
        Ok(scenario) => scenario,
        Err(error) => {
            eprintln!("mock-server: {error}");
            return ExitCode::from(BAD_FILE);
        }
    };
    let (quiet, form, mut options) = (run.options.quiet, run.options.log, run.options);
    options.read_environment(std::env::vars());
    if let Err(error) = options.check() {
        eprintln!("mock-server: {error}");
        return ExitCode::from(BAD_FILE);
    }
    scenario.timeout = run.limit.unwrap_or(scenario.timeout);
    scenario.verdicts.extend(std::mem::take(&mut options.fail_on));
    let files = (options.junit.take(), options.json.take());
    // What happens on the connections is not told line by line here.
    options.quiet = true;
    let server = match MockServer::start(scenario.options(options)).await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("mock-server: {error}");
            return ExitCode::FAILURE;
        }
    };
    let lines = Lines::new(form);
    let tell = |line: &str| {
        if !quiet {
            lines.write(line);
        }
    };
    let name = Path::new(&run.scenario)
        .file_stem()
        .map_or(run.scenario.as_str().into(), |stem| stem.to_string_lossy());
    tell(&format!("{name}: {}", scenario.about));
    for service in scenario.concerned() {
        tell(&format!("{service} is ready at {}", server.socket_url(service, "{session_id}")));
        for (user, token) in server.tokens(&scenario, service) {
            tell(&format!("  token of {user} {token}"));
        }
    }
    tell(&format!("control API at {}/_mock/", server.base_url()));
    tell(&format!("waiting for a client, at most {}", humantime::format_duration(run.timeout)));
    let suite = server.play(&name, &scenario, run.timeout, tell).await;
    server.shutdown().await;
    if !quiet {
        summary(&suite, &tell);
    }
    lines.written(LAST_WORDS).await;
    for (file, text) in [(files.0, suite.to_junit()), (files.1, suite.to_json())] {
        if let Some(file) = file
            && let Err(error) = std::fs::write(&file, text)
        {
            eprintln!("mock-server: cannot write the report to {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    if suite.failures() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What failed, with what proves it, and how many checks passed.
fn summary(suite: &Suite, tell: &impl Fn(&str)) {
    let failed = suite.cases.iter().filter_map(|case| Some((&case.name, case.failure.as_ref()?)));
    for (name, failure) in failed {
        tell(&format!("\n{name}: {}", failure.message));
        failure.detail.lines().for_each(|line| tell(&format!("    {line}")));
    }
    let (all, failures) = (suite.cases.len(), suite.failures());
    let word = if failures == 0 { "PASSED" } else { "FAILED" };
    tell(&format!("\n{word}: {} of {all} checks, in {:.1} s", all - failures, suite.time.as_secs_f64()));
}

/// The ready scenarios, a line for each, or one of them as it is written.
pub(crate) fn list(name: Option<&str>, out: &mut dyn Write) -> std::io::Result<()> {
    for (ready, text) in ready_scenarios() {
        match name {
            None => writeln!(out, "{ready}\n    {}", about(text))?,
            Some(name) if name == *ready => out.write_all(text.as_bytes())?,
            Some(_) => {}
        }
    }
    Ok(())
}

fn about(text: &str) -> String {
    Scenario::read(text).map_or_else(|error| error.to_string(), |scenario| scenario.about)
}
