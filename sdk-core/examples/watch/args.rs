//! What it is told on the command line.

use std::error::Error;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use steadfast::client::Options;
use steadfast::{Endpoint, Service, TokenError};
use tracing::Level;

/// Follows topics of a service until they end
#[derive(Parser)]
#[command(
    name = "watch",
    after_help = "Ends with 0 when all topics ended well, with 1 when one failed or was refused or the connection \
                  is lost for good, with 2 when told what can't work, with 130 on Ctrl-C. A Saga project has no end: stop it with Ctrl-C."
)]
pub(crate) struct Args {
    /// The service
    #[arg(value_parser = PossibleValuesParser::new(Service::ALL.map(Service::slug)).try_map(service))]
    pub(crate) service: Service,
    /// Its URL (ws, wss, http or https, with or without the socket path), or `production` or `development`
    #[arg(value_name = "URL", value_parser = endpoint)]
    pub(crate) endpoint: Endpoint,
    /// What to follow: a session, project or analysis; may be given several times
    #[arg(long = "topic", value_name = "ID", required = true)]
    pub(crate) topics: Vec<String>,
    /// The token; others on this machine may see it, the next two are better
    #[arg(long, group = "source")]
    token: Option<String>,
    /// An environment variable that holds the token
    #[arg(long, group = "source", value_name = "VARIABLE")]
    token_env: Option<String>,
    /// A command that prints a token; run before every attempt and ahead of the token's expiry, with
    /// `STEADFAST_FORCE=1` when the last token was refused
    #[arg(long, group = "source", value_name = "COMMAND")]
    token_command: Option<String>,
    /// Allow ws and http to other machines than this one: everything is readable on the way, the token too
    #[arg(long)]
    insecure: bool,
    /// A file of certificates (PEM) to trust besides the system's; may be given several times
    #[arg(long = "root", value_name = "PEM")]
    roots: Vec<PathBuf>,
    /// Write one JSON object per event
    #[arg(long)]
    pub(crate) json: bool,
    /// Write what the client does to standard error: debug, or trace for every frame
    #[arg(long, value_name = "LEVEL", num_args = 0..=1, require_equals = true, default_missing_value = "debug")]
    pub(crate) log: Option<Level>,
}

impl Args {
    /// What the client is told.
    pub(crate) fn options(&self) -> Result<Options, Box<dyn Error>> {
        let mut options = Options::new(self.service, self.endpoint.clone());
        options.config.allow_insecure = self.insecure;
        for path in &self.roots {
            let pem =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            options.native.extra_roots.push(pem);
        }
        if let Some(token) = &self.token {
            options = options.token(token);
        } else if let Some(variable) = &self.token_env {
            let token = std::env::var(variable).map_err(|error| format!("{variable}: {error}"))?;
            options = options.token(token.trim());
        } else if let Some(command) = &self.token_command {
            let command = command.clone();
            options = options.token_provider(move |force| run(command.clone(), force));
        }
        Ok(options)
    }

    /// Whether there is a token, or something that gives one.
    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some() || self.token_env.is_some() || self.token_command.is_some()
    }

    /// Where it connects to, for people.
    pub(crate) fn place(&self) -> String {
        match &self.endpoint {
            Endpoint::Production => self.service.production_url().unwrap_or("production").to_owned(),
            Endpoint::Development => self.service.development_url().to_owned(),
            Endpoint::Url(url) => steadfast::redact_url(url),
        }
    }
}

fn service(slug: String) -> Result<Service, String> {
    Service::from_slug(&slug).ok_or(slug)
}

#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for")]
fn endpoint(text: &str) -> Result<Endpoint, String> {
    Ok(match text {
        "production" => Endpoint::Production,
        "development" => Endpoint::Development,
        url => Endpoint::Url(url.to_owned()),
    })
}

/// Asks the command for a token.
async fn run(command: String, force: bool) -> Result<String, TokenError> {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let asked = tokio::process::Command::new(shell)
        .args([flag, &command])
        .env("STEADFAST_FORCE", if force { "1" } else { "" })
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let failed = |why: String| TokenError::Unavailable(format!("the token command {why}"));
    let output = match tokio::time::timeout(Duration::from_secs(14), asked).await {
        Ok(output) => output.map_err(|error| failed(format!("did not start: {error}")))?,
        Err(_) => return Err(failed("took too long".to_owned())),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().map_or_else(String::new, |last| format!(": {last}"));
        return Err(failed(format!("failed, {}{last}", output.status)));
    }
    let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if token.is_empty() { Err(failed("printed nothing".to_owned())) } else { Ok(token) }
}
