//! The command line of the mock server.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use steadfast_mock_server::{AuthMode, Authority, DEFAULT_SECRET, MockServer, Options, Switches};

/// A server that speaks five realtime protocols for real and misbehaves on command
#[derive(Debug, Parser)]
#[command(name = "mock-server", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Task>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Serve all five services (also what happens without a command)
    Serve(Box<Options>),
    /// Print a token
    Token {
        /// The user's id
        #[arg(long, default_value = "u1")]
        sub: String,
        /// The user's role
        #[arg(long, default_value = "patient")]
        role: String,
        /// How long the token lives
        #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
        ttl: Duration,
        /// The secret to sign with
        #[arg(long, env = "MOCK_JWT_SECRET", default_value = DEFAULT_SECRET, hide_env_values = true)]
        jwt_secret: String,
    },
    /// List the switches with their defaults
    Switches,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => serve(cli.options).await,
        Some(Task::Serve(options)) => serve(*options).await,
        Some(Task::Token { sub, role, ttl, jwt_secret }) => {
            println!("{}", Authority::new(AuthMode::Verify, &jwt_secret, &role).issue(&sub, &role, ttl));
            ExitCode::SUCCESS
        }
        Some(Task::Switches) => {
            for switch in Switches::all() {
                println!("{}={}  ({})\n    {}", switch.name, switch.default, switch.accepts, switch.doc);
            }
            ExitCode::SUCCESS
        }
    }
}

async fn serve(mut options: Options) -> ExitCode {
    options.read_environment(std::env::vars());
    let server = match MockServer::start(options).await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("mock-server: {error}");
            return ExitCode::FAILURE;
        }
    };
    server.announce();
    stop_signal().await;
    server.shutdown().await;
    ExitCode::SUCCESS
}

/// Waits for Ctrl-C or, where there is such a thing, SIGTERM.
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        else {
            let _ = interrupt.await;
            return;
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = interrupt.await;
}
