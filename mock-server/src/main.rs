//! The command line of the mock server.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use steadfast_mock_server::{
    AuthMode, Authority, CATALOGUE, DEFAULT_SECRET, Level, MockServer, Options, Rule, Scenario, Switches,
    first_steps,
};

mod run;

/// The exit code for a wrong option, as clap has it.
const WRONG_OPTION: u8 = 2;
/// The exit code if a verdict of `--fail-on` was found.
const FOUND: u8 = 3;

const FIRST_STEPS: &str = r#"First steps:
  mock-server
      serves, and prints each service's URL and a token. Point your app at the URL; it shows the token as it shows
      any: in `Authorization: Bearer`, as `?token=`, in a message, in Socket.IO's auth.
  http://127.0.0.1:8090/
      in a browser: who is connected, every message as it comes, and buttons that break things.
  curl http://127.0.0.1:8090/_mock/drop -d '{"how":"rst"}'
      drops every connection now. All else that can be asked is listed at http://127.0.0.1:8090/_mock/
  mock-server faults
      lists what can be broken, each with a rule to paste: as --fault at the start, or at any time by
      curl http://127.0.0.1:8090/_mock/faults -d '{"action":{"do":"refuse","status":503},"times":2}'
  curl http://127.0.0.1:8090/_mock/kick -d '{"user":"u1"}'
      ends the tokens of user u1: they are refused from now on, with that reason; one made later is good. So is
      refused, ten seconds later, what `mock-server token --ttl 10s` prints.
  curl http://127.0.0.1:8090/_mock/report
      says what clients did wrong so far, with the frames that prove it; so does the end, by Ctrl-C.
  mock-server run room-forgotten
      plays a situation against your app and says PASSED or FAILED; `mock-server scenarios` lists ten.

How a topic is followed on each service (by npm's wscat where it is a WebSocket, by socket.io-client elsewhere):
"#;

const AFTER: &str = "\
What a topic does by itself lasts a few seconds; with `mock-server --step 5s`, a minute. `mock-server scenarios` prints it, \
                     to be changed.
";

const EXIT_CODES: &str = "Exit codes: 0 when stopped by Ctrl-C or SIGTERM, 1 when it cannot run, 2 for a wrong \
                          option, 3 when a verdict of --fail-on was found.";

const EXIT_CODES_OF_RUN: &str = "It prints each service's URL and a token, waits until your app connects there, does \
                                 to it what the scenario says and prints each check: `ok` or `FAILED`.\n\
                                 To write a scenario of your own: mock-server scenarios room-forgotten > mine.yaml\n\
                                 Editors complete and check it: mock-server schema > schema.json\n\n\
                                 Exit codes: 0 passed, 1 failed or no client came or it cannot run, 2 for a wrong \
                                 option or a file that cannot be played.";

/// A server that speaks five realtime protocols for real and misbehaves on command
#[derive(Debug, Parser)]
#[command(
    name = "mock-server",
    version,
    args_conflicts_with_subcommands = true,
    after_help = format!("{FIRST_STEPS}{}{AFTER}\n{EXIT_CODES}", first_steps("http://127.0.0.1:8090"))
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Task>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Serve all five services (also what happens without a command)
    #[command(after_help = EXIT_CODES)]
    Serve(Box<Options>),
    /// Print a token
    Token {
        /// The user's id
        #[arg(long, default_value = "u1")]
        sub: String,
        /// The user's role: patient, therapist or admin on TherapyBridge, facilitator or storyteller on Saga; "" for a
        /// token without one, which every service takes
        #[arg(long, default_value = "patient")]
        role: String,
        /// How long the token lives: 90s, 30m, "1h 30m"
        #[arg(long, default_value = "1h", value_parser = span)]
        ttl: Duration,
        /// The secret to sign with
        #[arg(long, env = "MOCK_JWT_SECRET", default_value = DEFAULT_SECRET, hide_env_values = true)]
        jwt_secret: String,
    },
    /// List the switches with their defaults
    Switches,
    /// List the faults, each with an example for --fault or POST /_mock/faults
    Faults {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Play a scenario against the next client: exits with 0 if it does what is expected, 1 if not, 2 for a bad file
    #[command(after_help = EXIT_CODES_OF_RUN)]
    Run(Box<run::Run>),
    /// List the ready scenarios and what topics do by themselves, or print one, to begin a file of your own with
    Scenarios {
        /// The one to print
        #[arg(value_parser = ready())]
        name: Option<String>,
    },
    /// Print the JSON Schema of scenarios' files, for editors, or of fault rules
    Schema {
        /// Of what
        #[arg(value_enum, default_value_t)]
        of: Written,
    },
}

/// What a file or an option is written as.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Written {
    /// A scenario's file
    #[default]
    Scenario,
    /// A fault rule
    Rule,
}

fn ready() -> PossibleValuesParser {
    run::named().map(|(name, _)| name).collect::<Vec<_>>().into()
}

/// Reads a span of time.
fn span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|why| format!("{why}; write a number and a unit, as 90s, 30m, 1h or \"1h 30m\""))
}

#[tokio::main]
async fn main() -> ExitCode {
    // A scenario to play is no option of `run`.
    let mut command =
        Cli::command().mut_subcommand("run", |run| run.mut_arg("scenario", |arg| arg.hide(true)));
    let read = command.try_get_matches_from_mut(std::env::args_os());
    let cli = match read.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let code = error.exit_code();
            let _ = error.print();
            if let Some(variable) = variable_of(&error, &command) {
                eprintln!(
                    "\nThis value is in the environment variable {variable}: change it there, or unset it."
                );
            }
            return ExitCode::from(u8::try_from(code).unwrap_or(WRONG_OPTION));
        }
    };
    match cli.command {
        None => serve(cli.options).await,
        Some(Task::Serve(options)) => serve(*options).await,
        Some(Task::Token { sub, role, ttl, jwt_secret }) => {
            let token = Authority::new(AuthMode::Verify, &jwt_secret, &role).issue(&sub, &role, ttl);
            print(|out| writeln!(out, "{token}"))
        }
        Some(Task::Faults { json: true }) => {
            print(|out| writeln!(out, "{}", serde_json::to_string_pretty(CATALOGUE)?))
        }
        Some(Task::Faults { json: false }) => print(|out| {
            for level in Level::ALL {
                writeln!(out, "\n{level}")?;
                for fault in CATALOGUE.iter().filter(|fault| fault.level == level) {
                    writeln!(out, "  {}: {}\n    {}", fault.name, fault.help, fault.example)?;
                }
            }
            writeln!(
                out,
                "\nThe same rules are taken by POST /_mock/faults at any time; `match` narrows them down to a service, \
                 connection, user, topic, type, n-th message, time or chance, `times` says how often, `seed` repeats what \
                 they leave to chance."
            )
        }),
        Some(Task::Run(task)) => run::run(*task).await,
        Some(Task::Scenarios { name }) => print(|out| run::list(name.as_deref(), out)),
        Some(Task::Schema { of }) => print(|out| {
            let schema = match of {
                Written::Scenario => Scenario::schema(),
                Written::Rule => Rule::schema(),
            };
            writeln!(out, "{schema:#}")
        }),
        Some(Task::Switches) => print(|out| {
            Switches::all().iter().try_for_each(|switch| {
                let (name, doc) = (switch.name, switch.doc);
                writeln!(out, "{name}={}  ({})\n    {doc}", switch.default, switch.accepts)
            })
        }),
    }
}

/// The environment variable that a wrong value comes from, if it was not given as an option.
fn variable_of(error: &clap::Error, command: &clap::Command) -> Option<String> {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return None };
    let option = option.split_whitespace().next()?;
    let given = |word: String| word == option || word.starts_with(&format!("{option}="));
    if std::env::args().any(given) {
        return None;
    }
    let commands = std::iter::once(command).chain(command.get_subcommands());
    let mut options = commands.flat_map(clap::Command::get_arguments);
    let found = options.find(|known| known.get_long() == option.strip_prefix("--"))?;
    let variable = found.get_env()?.to_str()?;
    std::env::var_os(variable).map(|_| variable.to_owned())
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no failure.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ExitCode {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("mock-server: cannot write: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

async fn serve(mut options: Options) -> ExitCode {
    options.read_environment(std::env::vars());
    if let Some(scenario) = options.scenario.take() {
        options = scenario.options(options);
    }
    let Options { fail_on, junit, json, .. } = options.clone();
    if let Err(error) = options.check() {
        eprintln!("mock-server: {error}");
        return ExitCode::from(WRONG_OPTION);
    }
    let server = match MockServer::start(options).await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("mock-server: {error}");
            return ExitCode::FAILURE;
        }
    };
    let stop = match stop_signal() {
        Ok(stop) => stop,
        Err(error) => {
            eprintln!("mock-server: cannot listen for signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    server.announce();
    stop.await;
    let report = server.shutdown().await;
    let files = [
        (junit, report.suite(&fail_on).to_junit()),
        (json, serde_json::to_string_pretty(&report).unwrap_or_default()),
    ];
    for (file, text) in files {
        if let Some(file) = file
            && let Err(error) = std::fs::write(&file, text)
        {
            eprintln!("mock-server: cannot write the report to {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    if report.fails(&fail_on) { ExitCode::from(FOUND) } else { ExitCode::SUCCESS }
}

/// Ctrl-C or SIGTERM. Listens from the call on, so that a signal right after the ready lines is not lost, and
/// also where a shell has had SIGINT ignored, as it does for a program in the background.
#[cfg(unix)]
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ctrl-C.
#[cfg(windows)]
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
