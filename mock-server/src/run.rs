//! `mock-server run`: a scenario against the next client. A part of the program, not of the library.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use steadfast_mock_server::{Lines, MockServer, Options, Scenario, Suite, default_flows, ready_scenarios};

/// The exit code for a file that cannot be played.
const BAD_FILE: u8 = 2;

/// Time that the last lines have to be read by whoever reads standard output.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What `run` is told.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A scenario's file, or the name of a ready one: `mock-server scenarios` lists them
    #[arg(value_name = "FILE|NAME")]
    file: String,
    /// The most time to wait for the first client: 90s, 10m
    #[arg(long, default_value = "10m", value_parser = crate::span)]
    timeout: Duration,
    /// The most time for the scenario itself, from the first client on, in place of its own
    #[arg(long, value_parser = crate::span)]
    limit: Option<Duration>,
    #[command(flatten)]
    options: Options,
}

/// The scenario to play.
fn find(run: &Run) -> Result<Scenario, String> {
    if run.options.scenario.is_some() {
        return Err("name the scenario without --scenario: mock-server run room-forgotten".to_owned());
    }
    let scenario = Scenario::open(&run.file)?;
    if !scenario.is_played() {
        return Err(format!(
            "{name}: it has no `expect`, so that every client would pass: say there what a well-behaved client does, or \
             serve it by `mock-server serve --scenario {name}`",
            name = run.file
        ));
    }
    Ok(scenario)
}

/// Plays it. Exits with 0 if everything is as expected, with 1 if not, with 2 for a bad file.
pub(crate) async fn run(run: Run) -> ExitCode {
    let mut scenario = match find(&run) {
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
    let stop = match crate::stop_signal() {
        Ok(stop) => stop,
        Err(error) => {
            eprintln!("mock-server: cannot listen for signals: {error}");
            return ExitCode::FAILURE;
        }
    };
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
    let name =
        Path::new(&run.file).file_stem().map_or(run.file.as_str().into(), |stem| stem.to_string_lossy());
    tell(&format!("{name}: {}", scenario.about));
    server.places(&scenario.concerned()).iter().for_each(|place| tell(place));
    tell(&format!("control API at {}/_mock/", server.base_url()));
    tell(&format!("waiting for a client, at most {}", humantime::format_duration(run.timeout)));
    let interrupted = AtomicBool::new(false);
    let stop = async {
        stop.await;
        interrupted.store(true, Ordering::Relaxed);
    };
    let suite = server.play(&name, run.timeout, stop, tell).await;
    server.shutdown().await;
    if !quiet {
        summary(&suite, interrupted.into_inner(), &tell);
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

/// How many checks passed; what failed was told when it did.
fn summary(suite: &Suite, interrupted: bool, tell: &impl Fn(&str)) {
    let (all, failures, skipped) = (suite.cases.len(), suite.failures(), suite.skipped());
    let open = if skipped > 0 { format!(", {skipped} not decided") } else { String::new() };
    let seconds = suite.time.as_secs_f64();
    tell(&match (interrupted, failures) {
        (true, _) => {
            let passed = all - failures - skipped;
            format!("\nFAILED: interrupted after {seconds:.1} s; {passed} of {all} checks passed{open}")
        }
        (false, 0) => format!("\nPASSED: {all} of {all} checks, in {seconds:.1} s"),
        (false, _) => format!("\nFAILED: {failures} of {all} checks failed{open}, in {seconds:.1} s"),
    });
}

/// The ready scenarios and the default flows, each with a sentence, or one of them as it is written.
pub(crate) fn list(name: Option<&str>, out: &mut dyn Write) -> std::io::Result<()> {
    if let Some(name) = name {
        let (_, text) = named().find(|(ready, _)| *ready == name).expect("clap lets no other name pass");
        return out.write_all(text.as_bytes());
    }
    writeln!(out, "Situations to play against your app, by `mock-server run NAME`:")?;
    for (name, text) in ready_scenarios() {
        let scenario = read(name, text);
        let services: Vec<_> = scenario.concerned().iter().map(|service| service.slug()).collect();
        writeln!(out, "  {name} ({})\n      {}", services.join(", "), scenario.about)?;
    }
    writeln!(out, "\nWhat topics do by themselves:")?;
    for (name, text) in default_flows() {
        writeln!(out, "  {name}\n      {}", read(name, text).about)?;
    }
    writeln!(
        out,
        "\nTo change one: mock-server scenarios saga > mine.yaml; mock-server serve --scenario mine.yaml\n\
         Editors complete and check such files by the schema beside them: mock-server schema > schema.json"
    )
}

/// All that are compiled in.
pub(crate) fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
    ready_scenarios().iter().chain(default_flows()).copied()
}

fn read(name: &str, text: &str) -> Scenario {
    Scenario::read(text).unwrap_or_else(|error| panic!("a test reads {name}: {error}"))
}
