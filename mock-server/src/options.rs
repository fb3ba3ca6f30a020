//! What the server can be started with: command line, environment, or a value built in Rust.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use crate::auth::AuthMode;
use crate::console::LogFormat;
use crate::faults::named::named;
use crate::faults::rule::{Rule, When};
use crate::report::verdicts::Verdict;
use crate::scenario::file::Scenario;
use crate::switches::{Switches, parse_span};

/// The secret tokens are signed with unless told otherwise.
pub const DEFAULT_SECRET: &str = "steadfast-dev-secret";

/// How the server runs. `Options::default()` is what `mock-server` does without arguments.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Address to listen on; by default the two loopback addresses
    #[arg(help_heading = "Listening", long, env = "MOCK_HOST", value_name = "IP", value_parser = host)]
    pub host: Option<IpAddr>,
    /// Port to listen on; 0 picks a free one
    #[arg(help_heading = "Listening", long, env = "MOCK_PORT", default_value_t = 8090, value_parser = port)]
    pub port: u16,
    /// Serve each service also at the root of its own development port (8080, 8000, 3001, 3000, 8081)
    #[arg(help_heading = "Listening", long, env = "MOCK_DEV_PORTS")]
    pub dev_ports: bool,
    /// Echo what Socket.IO and Engine.IO clients say, at /socket.io/ and /engine.io/, in place of the services
    #[arg(help_heading = "Behaviour", long, env = "MOCK_ECHO")]
    pub echo: bool,
    /// The length of one phase of a flow
    #[arg(help_heading = "Behaviour", long, env = "MOCK_STEP", value_name = "TIME", default_value = "400ms", value_parser = step)]
    pub step: Duration,
    /// Makes everything that is random repeatable
    #[arg(help_heading = "Behaviour", long, env = "MOCK_SEED", value_parser = seed)]
    pub seed: Option<u64>,
    /// How far tokens are believed
    #[arg(
        help_heading = "Tokens",
        long,
        env = "MOCK_AUTH",
        value_name = "MODE",
        value_enum,
        default_value_t
    )]
    pub auth: AuthMode,
    /// The role of users whose token has none
    #[arg(
        help_heading = "Tokens",
        long,
        env = "MOCK_DEFAULT_ROLE",
        value_name = "ROLE",
        default_value = "patient"
    )]
    pub default_role: String,
    /// The secret of the HS256 tokens
    #[arg(help_heading = "Tokens", long, env = "MOCK_JWT_SECRET", value_name = "SECRET", default_value = DEFAULT_SECRET, hide_env_values = true)]
    pub jwt_secret: String,
    /// Serve https and wss with this certificate chain and key (two PEM files), or with a certificate made at the start
    /// that is only self-signed, or also expired, or also another host's: self-signed, expired, wrong-host
    #[arg(help_heading = "Listening", long, env = "MOCK_TLS", value_name = "CERT,KEY|FLAW")]
    pub tls: Option<Tls>,
    /// Origins that browsers may connect from, separated by commas; by default any
    #[arg(
        help_heading = "Listening",
        long,
        env = "WEBSOCKET_CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub cors_origin: Vec<String>,
    /// Whether Charisma's flow waits for POST /_mock/confirm (a switch of Charisma)
    #[arg(help_heading = "Behaviour", long, value_name = "auto|manual")]
    pub ocr_confirm: Option<String>,
    /// The ping interval of Saga's and DocProc's Engine.IO (a bare number is milliseconds)
    #[arg(help_heading = "Behaviour", long, env = "WEBSOCKET_PING_INTERVAL", value_name = "TIME", value_parser = span)]
    pub ping_interval: Option<Duration>,
    /// The ping timeout of Saga's and DocProc's Engine.IO (a bare number is milliseconds)
    #[arg(help_heading = "Behaviour", long, env = "WEBSOCKET_PING_TIMEOUT", value_name = "TIME", value_parser = span)]
    pub ping_timeout: Option<Duration>,
    /// Change a switch; `mock-server switches` lists them. May be given more than once
    #[arg(help_heading = "Behaviour", long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Serve with what a scenario's file says of switches, users, topics, flows and faults: a file, or the name of one
    /// that `mock-server scenarios` lists. One with expectations is for `mock-server run`
    #[arg(help_heading = "Behaviour", long, env = "MOCK_SCENARIO", value_name = "FILE|NAME", value_parser = scenario)]
    pub scenario: Option<Box<Scenario>>,
    /// Put a fault in force: a name such as http-503, or a rule such as
    /// '{"action":{"do":"refuse","status":503},"times":2}'; `mock-server faults` lists both. May be given more than once
    #[arg(help_heading = "Behaviour", long, value_name = "NAME|JSON", value_parser = fault)]
    pub fault: Vec<Rule>,
    /// Exit with code 3 (a scenario: 1) if one of these verdicts was found: some of them, separated by commas
    #[arg(
        help_heading = "Reports and output",
        long,
        env = "MOCK_FAIL_ON",
        value_enum,
        value_name = "VERDICT",
        value_delimiter = ','
    )]
    pub fail_on: Vec<Verdict>,
    /// Write the verdicts, or what came of a scenario, to this file at exit, as JUnit's XML
    #[arg(
        help_heading = "Reports and output",
        long,
        visible_alias = "report",
        env = "MOCK_JUNIT",
        value_name = "FILE"
    )]
    pub junit: Option<PathBuf>,
    /// Write the verdicts, or what came of a scenario, to this file at exit, as JSON
    #[arg(help_heading = "Reports and output", long, env = "MOCK_JSON", value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write nothing to standard output
    #[arg(help_heading = "Reports and output", long, env = "MOCK_QUIET")]
    pub quiet: bool,
    /// The form of the lines on standard output
    #[arg(
        help_heading = "Reports and output",
        long,
        env = "MOCK_LOG",
        value_name = "FORM",
        value_enum,
        default_value_t
    )]
    pub log: LogFormat,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: None,
            port: 8090,
            dev_ports: false,
            echo: false,
            step: Duration::from_millis(400),
            seed: None,
            auth: AuthMode::default(),
            default_role: "patient".to_owned(),
            jwt_secret: DEFAULT_SECRET.to_owned(),
            tls: None,
            cors_origin: Vec::new(),
            ocr_confirm: None,
            ping_interval: None,
            ping_timeout: None,
            set: Vec::new(),
            scenario: None,
            fault: Vec::new(),
            fail_on: Vec::new(),
            junit: None,
            json: None,
            quiet: false,
            log: LogFormat::default(),
        }
    }
}

impl Options {
    /// For tests in Rust: a free port, nothing on standard output, and a step of 10 ms.
    pub fn for_tests() -> Self {
        Self { port: 0, quiet: true, step: Duration::from_millis(10), ..Self::default() }
    }

    /// The same with one switch changed, written `name=value`.
    #[must_use]
    pub fn with(mut self, assignment: &str) -> Self {
        self.set.push(assignment.to_owned());
        self
    }

    /// Takes over switches from environment variables (`MOCK_CHARISMA_REPLAY=on`); options given win over them.
    pub fn read_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let named = |variable: &str| Switches::all().iter().find(|s| s.variable() == variable);
        let found = variables.filter_map(|(name, value)| Some(format!("{}={value}", named(&name)?.name)));
        let given = std::mem::take(&mut self.set);
        self.set = found.chain(given).collect();
    }

    /// Looks whether the switches exist and whether the reports can be written at the end; the error says what to
    /// change. What else can be wrong shows when the server is started.
    pub fn check(&self) -> Result<(), OptionsError> {
        self.switches()?;
        for (option, file) in [("--junit", &self.junit), ("--json", &self.json)] {
            let Some(file) = file else { continue };
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let why = if file.is_dir() {
                format!("{} is a folder: write a file's name behind it", file.display())
            } else if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                format!("there is no folder {}: make it first", folder.display())
            } else {
                continue;
            };
            return Err(OptionsError(format!("{option}: {why}")));
        }
        Ok(())
    }

    fn check_origins(&self) -> Result<(), OptionsError> {
        let is_origin = |text: &str| {
            let host = text.split_once("://").map(|(_, host)| host.trim_end_matches('/'));
            text == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ']))
        };
        match self.cors_origin.iter().find(|origin| !is_origin(origin)) {
            None => Ok(()),
            Some(odd) => Err(OptionsError(format!(
                "--cors-origin: `{odd}` is no origin: write scheme, host and port, for example http://localhost:5173"
            ))),
        }
    }

    /// The switches as these options set them.
    pub(crate) fn switches(&self) -> Result<Switches, OptionsError> {
        self.check_origins()?;
        let switches = Switches::default();
        let mut assignments = Vec::new();
        for service in ["saga", "docproc"] {
            for (what, span) in [("ping_interval", self.ping_interval), ("ping_timeout", self.ping_timeout)] {
                assignments.extend(span.map(|span| format!("{service}.{what}={}", span.as_millis())));
            }
        }
        assignments.extend(self.ocr_confirm.as_ref().map(|how| format!("charisma.ocr_confirm={how}")));
        for assignment in assignments.iter().chain(&self.set) {
            switches.assign(assignment).map_err(|e| OptionsError(e.to_string()))?;
        }
        Ok(switches)
    }
}

/// The length of a step, which is no number alone: nobody would know of what.
fn step(text: &str) -> Result<Duration, String> {
    if text.parse::<f64>().is_ok() {
        return Err(format!("{text} of what? Write a time with its unit, such as {text}s or {text}ms"));
    }
    span(text)
}

fn span(text: &str) -> Result<Duration, String> {
    parse_span(text).ok_or_else(|| "write a time such as 400ms, 30s or 1h".to_owned())
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "write a number from 1 to 65535, or 0 for a free one".to_owned())
}

fn host(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address: 127.0.0.1 for this machine alone, 0.0.0.0 for all that can reach it".to_owned()
    })
}

fn scenario(name: &str) -> Result<Box<Scenario>, String> {
    let scenario = Scenario::open(name)?;
    scenario.is_served()?;
    Ok(Box::new(scenario))
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "write a whole number of at least 0".to_owned())
}

/// A rule as JSON, or the name of one in the catalogue.
fn fault(text: &str) -> Result<Rule, String> {
    let rule = if text.trim_start().starts_with('{') { Rule::read(text)? } else { named(text)? };
    match rule.place() {
        When::Now => {
            Err("`now` concerns what is there already, at the start nothing: give it to POST /_mock/faults"
                .to_owned())
        }
        _ => Ok(rule),
    }
}

/// What `--tls` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// A certificate chain and its key.
    Files(TlsFiles),
    /// A certificate for localhost that is made at the start and that nobody else has signed.
    SelfSigned,
    /// The same, expired for years.
    Expired,
    /// The same for another host than localhost.
    WrongHost,
}

impl From<TlsFiles> for Tls {
    fn from(files: TlsFiles) -> Self {
        Tls::Files(files)
    }
}

impl FromStr for Tls {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "self-signed" => Ok(Tls::SelfSigned),
            "expired" => Ok(Tls::Expired),
            "wrong-host" => Ok(Tls::WrongHost),
            files => files.parse().map(Tls::Files),
        }
    }
}

/// The two files of `--tls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

impl FromStr for TlsFiles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (certificate, key) =
            text.split_once(',').ok_or(
            "write two files, certificate and key: --tls cert.pem,key.pem; or one of self-signed, expired, wrong-host",
        )?;
        Ok(Self { certificate: certificate.into(), key: key.into() })
    }
}

/// Why the server cannot start; the text says what to change.
#[derive(Debug)]
pub struct OptionsError(pub(crate) String);

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_win_over_the_environment() {
        let mut options = Options::for_tests().with("charisma.replay=off");
        let variables = [("MOCK_CHARISMA_REPLAY", "on"), ("MOCK_SAGA_RATE_LIMIT", "7"), ("PATH", "/bin")];
        options.read_environment(variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        options.ping_interval = Some(Duration::from_millis(300));
        let switches = options.switches().unwrap();
        assert_eq!(switches.text(&crate::switches::CHARISMA_REPLAY), "off");
        assert_eq!(switches.number(&crate::switches::SAGA_RATE_LIMIT), 7);
        assert_eq!(switches.text(&crate::switches::DOCPROC_PING_INTERVAL), "300");
    }

    #[test]
    fn an_origin_has_scheme_and_host_only() {
        let with = |origin: &str| {
            Options { cors_origin: vec![origin.to_owned()], ..Options::for_tests() }.switches().map(|_| ())
        };
        for good in ["*", "http://localhost:5173", "https://app.example/", "capacitor://localhost"] {
            assert!(with(good).is_ok(), "{good}");
        }
        for bad in ["", "localhost:5173", "http://a.example/path", "https://"] {
            assert!(with(bad).unwrap_err().to_string().contains("http://localhost:5173"), "{bad}");
        }
    }

    #[test]
    fn a_fault_is_given_by_its_name_or_as_json() {
        let refuse = fault("http-503").unwrap();
        assert_eq!(fault(&serde_json::to_string(&refuse).unwrap()).unwrap(), refuse);
        for (bad, word) in [
            ("http-5o3", "mock-server faults"),
            ("tls-expired", "--tls expired"),
            ("port-closed", "/_mock/faults"),
            ("{", "ends in the middle"),
            (r#"{"action":{"do":"swallow"},"times":-1}"#, "whole number"),
        ] {
            let error = fault(bad).unwrap_err();
            assert!(error.contains(word), "{bad}: {error}");
        }
    }

    #[test]
    fn a_step_has_a_unit() {
        for number in ["5", "0.5"] {
            assert!(step(number).unwrap_err().contains(&format!("such as {number}s")), "{number}");
        }
        assert_eq!(step("5s"), Ok(Duration::from_secs(5)));
    }

    #[test]
    fn a_report_that_could_not_be_written_is_refused_at_the_start() {
        let with = |file: &str| Options { junit: Some(file.into()), ..Options::for_tests() }.check();
        with("report.xml").unwrap();
        for (file, word) in [("no such folder/report.xml", "no such folder"), ("src", "is a folder")] {
            let error = with(file).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("--junit"), "{error}");
        }
    }

    #[test]
    fn a_wrong_switch_is_an_error_that_names_it() {
        let error = Options::for_tests().with("charisma.repaly=on").switches().unwrap_err();
        assert!(error.to_string().contains("did you mean `charisma.replay`"), "{error}");
    }
}
